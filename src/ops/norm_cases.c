/* Cases of norm.c and norm_fold.c, and the sizes of their operands. */
#include "ops/norm_cases.h"

#include "arith.h"

/* ---- cases ------------------------------------------------------------------------------------------------------- */

enum { GEOMETRY = 5, VALUES_MOST = 60000 };

/* N, C, P, S (0: as many as channels), group (0: the batch); group 1 with fewer sets than channels: per tile */
static const uint32_t edges[][GEOMETRY] = {
    /* ones */
    {1, 1, 1, 0, 0},
    {2, 1, 1, 0, 0},
    {1, 1, 2, 0, 0},
    {1, 2, 1, 1, 1},
    /* the batch, planes */
    {3, 16, 196, 0, 0},
    {5, 3, 49, 0, 0},
    {17, 7, 15, 0, 0},
    {16, 17, 16, 0, 0},
    {1, 64, 7, 0, 0}, /* in the mode of sums that cancel, and in rows */
    {1, 9, 33, 0, 0},
    {2, 30, 40, 0, 0},
    {1, 30, 64, 0, 0},
    {33, 5, 17, 0, 0},
    /* the batch, single values */
    {64, 10, 1, 0, 0},
    {7, 65, 1, 0, 0},
    {130, 31, 1, 0, 0},
    {15, 300, 1, 0, 0},
    /* groups of examples */
    {8, 4, 9, 0, 4},
    {10, 18, 5, 0, 4},
    {33, 3, 31, 0, 16},
    {34, 33, 1, 0, 17},
    {5, 6, 4, 0, 1},
    {7, 20, 1, 0, 1},
    /* sets of channels */
    {3, 8, 49, 1, 1},
    {5, 32, 4, 8, 1},
    {2, 34, 17, 2, 1},
    {9, 6, 64, 3, 1},
    {4, 100, 1, 1, 1},
    {17, 48, 1, 3, 1},
    {2, 513, 1, 1, 1},
    /* one example: rows of one vector and a value, of two values past one, of several */
    {1, 3, 17, 0, 0},
    {2, 40, 3, 2, 1},
    {1, 5, 50, 0, 0},
    {1, 2, 18, 0, 0},
    {1, 1, 1025, 0, 0},
    {40, 2, 3, 0, 0},
    /* a tile that is part of a group, behind others */
    {12, 3, 17, 0, 20},
    {9, 4, 5, 0, 16},
    {15, 2, 3, 0, 18},
};

static void draw_geometry(draw *d, uint32_t g[GEOMETRY])
{
    const uint32_t kind = draw_below(d, 4);
    g[0] = draw_below(d, 4) ? draw_size(d, 70) : 1;
    g[1] = draw_below(d, 4) ? draw_size(d, 40) : draw_size(d, 300);
    g[2] = draw_below(d, 3) ? draw_size(d, 260) : 1;
    g[3] = 0;
    g[4] = kind == 0 ? draw_size(d, 40) : 0;
    if (kind != 1) return;
    g[3] = 1 + draw_below(d, 5);
    g[1] = g[1] / g[3] * g[3] + g[3];
    g[4] = 1;
}

/* Whether a call runs over whole groups. */
static bool folds(op_id op)
{
    return op == OP_NORM_STATISTICS || op == OP_NORM_BACKWARD_SUMS || op == OP_NORM_BACKWARD_PARAMETERS;
}

/* A whole batch in shards; the gradients of its weights are of one shard at a time, and those of groups of a leaf. */
static void draw_shard(op_args *args, draw *d)
{
    const bool one = args->op == OP_NORM_BACKWARD_PARAMETERS;
    if (args->size[NORM_PER_TILE] || !folds(args->op) || draw_below(d, 2)) return;
    if (!args->size[NORM_GROUP]) args->shard = one ? args->n + draw_below(d, 3) : draw_size(d, 40);
    if (one) args->origin = draw_below(d, 3) * norm_group(args);
}

/* The tile's place: anywhere, or for folds of groups at the end of one. */
static void place_tile(op_args *args, draw *d)
{
    const uint32_t group = args->size[NORM_GROUP] ? args->size[NORM_GROUP] : args->shard;
    const bool one = args->op == OP_NORM_BACKWARD_PARAMETERS && args->shard;
    if (args->size[NORM_PER_TILE] || (folds(args->op) && !group) || one) {
        args->first = args->size[NORM_PER_TILE] && draw_below(d, 2) ? draw_below(d, 50) : 0;
        args->batch = args->first + args->n;
        return;
    }
    args->first = draw_below(d, 2) ? draw_below(d, 50) : 0;
    if (group) args->first -= args->first % group;
    args->batch = args->first + args->n;
    if (draw_below(d, 2)) return;
    if (folds(args->op)) args->n += (group - args->n % group) % group;
    args->batch = args->first + args->n + draw_below(d, 20);
}

bool norm_shape(op_args *args, draw *d, int edge)
{
    uint32_t drawn[GEOMETRY], *s = args->size;
    if (edge >= LENGTH(edges)) return false;
    do {
        if (edge < 0) draw_geometry(d, drawn);
        const uint32_t *g = edge < 0 ? drawn : edges[edge];
        args->n = g[0];
        s[NORM_CHANNELS] = g[1], s[NORM_POSITIONS] = g[2], s[NORM_SETS] = g[3] ? g[3] : g[1];
        s[NORM_GROUP] = g[4];
        s[NORM_PER_TILE] = g[3] > 0;
    } while (edge < 0 && (uint64_t)args->n * s[NORM_CHANNELS] * s[NORM_POSITIONS] > VALUES_MOST);
    draw_shard(args, d);
    place_tile(args, d);
    args->scalar[NORM_EPSILON] = draw_below(d, 2) ? 1e-5f : 1e-3f;
    args->scalar[NORM_MOMENTUM] = draw_below(d, 4) ? 0.1f : draw_below(d, 2) ? 1 : 0.01f;
    return true;
}

/* The rules of draw_geometry() and place_tile(). */
bool norm_fit(op_args *args)
{
    const uint32_t *s = args->size, group = s[NORM_GROUP] ? s[NORM_GROUP] : args->shard;
    const uint32_t stop = args->first + args->n;
    const bool one = args->op == OP_NORM_BACKWARD_PARAMETERS && args->shard;
    if (!s[NORM_CHANNELS] || !s[NORM_POSITIONS] || !s[NORM_SETS] || s[NORM_CHANNELS] % s[NORM_SETS]) return false;
    if (s[NORM_SETS] < s[NORM_CHANNELS] && !s[NORM_PER_TILE]) return false;
    if (s[NORM_PER_TILE] && group != 1) return false;
    if ((args->origin || args->shard) && (s[NORM_PER_TILE] || !folds(args->op))) return false;
    if (args->origin && (!group || args->origin % group || args->op != OP_NORM_BACKWARD_PARAMETERS)) return false;
    if (args->shard && (s[NORM_GROUP] || (one && args->n > args->shard))) return false;
    if (s[NORM_PER_TILE] || (folds(args->op) && !group) || one) {
        args->batch = stop;
        return s[NORM_PER_TILE] || !args->first;
    }
    return !group || (args->first % group == 0 && (!folds(args->op) || args->n % group == 0 || stop == args->batch));
}

/* For the running statistics: sets of one channel, all groups of the batch, and two values in each at least. */
bool norm_running_shape(op_args *args, draw *d, int edge)
{
    do {
        if (!norm_shape(args, d, edge)) return false;
    } while (edge < 0 && args->size[NORM_PER_TILE]);
    if (args->size[NORM_PER_TILE]) args->size[NORM_SETS] = args->size[NORM_CHANNELS];
    args->size[NORM_PER_TILE] = 0;
    args->first = 0;
    args->n = args->batch;
    const uint32_t group = norm_group(args);
    if (group == 1 || args->batch % group == 1) args->size[NORM_POSITIONS]++; /* one value has no variance */
    return true;
}

bool norm_running_fit(op_args *args)
{
    args->batch = args->n;
    if (!args->n || !norm_fit(args) || args->first || args->size[NORM_PER_TILE]) return false;
    const uint32_t group = norm_group(args);
    return args->size[NORM_POSITIONS] > 1 || (group > 1 && args->batch % group != 1);
}

/* Sets of one channel, and the shards of a batch. */
bool norm_merge_shape(op_args *args, draw *d, int edge)
{
    if (!norm_shape(args, d, edge)) return false;
    args->size[NORM_SETS] = args->size[NORM_CHANNELS];
    args->size[NORM_GROUP] = args->size[NORM_PER_TILE] = args->first = 0;
    args->shard = 1 + draw_below(d, args->n);
    args->batch = args->n;
    return true;
}

bool norm_merge_fit(op_args *args)
{
    const uint32_t *s = args->size;
    args->batch = args->n;
    return args->shard && args->n && s[NORM_CHANNELS] && s[NORM_POSITIONS] && s[NORM_SETS] == s[NORM_CHANNELS] &&
           !s[NORM_GROUP] && !s[NORM_PER_TILE] && !args->first && !args->origin;
}

/* What a variance is made of is not negative; in the mode of tiny values some are so large that 1/std is tiny. */
static void fill_variances(float *values, uint64_t count, draw *d)
{
    for (uint64_t i = 0; i < count; i++) {
        values[i] = arith_abs(draw_float(d));
        if (d->mode == DRAW_TINY && i % 5 == 1) values[i] = arith_abs(draw_scaled(d, 88, 100));
    }
}

bool norm_fill_rows(const op_args *a, int operand, void *data, draw *d)
{
    const uint32_t c = a->size[NORM_CHANNELS];
    float *row = data;
    if (operand) return false;
    for (uint32_t r = 0; r < norm_rows_total(a); r++, row += 2 * (uint64_t)c) {
        draw_fill(TYPE_F32, c, row, d);
        fill_variances(row + c, c, d);
    }
    return true;
}

bool norm_fill_running(const op_args *a, int operand, void *data, draw *d)
{
    if (operand == 1) fill_variances(data, a->size[NORM_CHANNELS], d);
    return operand == 1;
}

bool norm_fill_update(const op_args *a, int operand, void *data, draw *d)
{
    (void)a;
    if (operand != 3) return false;
    ((uint32_t *)data)[0] = draw_below(d, 4) || d->mode == DRAW_TINY ? 0 : 5;
    ((uint32_t *)data)[1] = 0;
    return true;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

enum { VALUES, ROWS, STATISTICS, CHANNELS, SUMS, FIRST_BAD, ONE_STATISTICS, ONE_SUMS };

uint64_t norm_elements(const op_args *a, int operand)
{
    static const unsigned char kinds[][OP_OPERANDS] = {
        [OP_NORM_ROWS - OP_NORM_ROWS] = {VALUES, ROWS},
        [OP_NORM_STATISTICS - OP_NORM_ROWS] = {ROWS, STATISTICS},
        [OP_NORM_FORWARD - OP_NORM_ROWS] = {VALUES, STATISTICS, CHANNELS, CHANNELS, VALUES, VALUES},
        [OP_NORM_BACKWARD_ROWS - OP_NORM_ROWS] = {VALUES, STATISTICS, VALUES, ROWS},
        [OP_NORM_BACKWARD_SUMS - OP_NORM_ROWS] = {ROWS, STATISTICS, CHANNELS, SUMS},
        [OP_NORM_BACKWARD_PARAMETERS - OP_NORM_ROWS] = {ROWS, CHANNELS, CHANNELS},
        [OP_NORM_BACKWARD_INPUT - OP_NORM_ROWS] = {VALUES, STATISTICS, CHANNELS, VALUES, SUMS, VALUES},
        [OP_NORM_LOAD_RUNNING - OP_NORM_ROWS] = {CHANNELS, CHANNELS, STATISTICS},
        [OP_NORM_UPDATE_RUNNING - OP_NORM_ROWS] = {STATISTICS, CHANNELS, CHANNELS, FIRST_BAD},
        [OP_NORM_MERGE_STATISTICS - OP_NORM_ROWS] = {STATISTICS, ONE_STATISTICS},
        [OP_NORM_MERGE_SUMS - OP_NORM_ROWS] = {SUMS, ONE_SUMS},
    };
    const uint64_t c = a->size[NORM_CHANNELS], s = a->size[NORM_SETS], groups = norm_groups(a);
    if (a->op == OP_NORM_FORWARD && operand == 5 && !a->adds) return 0;
    switch (kinds[a->op - OP_NORM_ROWS][operand]) {
    case VALUES: return a->n * c * a->size[NORM_POSITIONS];
    case ROWS: return norm_rows_total(a) * 2 * c;
    case STATISTICS:
        return a->op == OP_NORM_LOAD_RUNNING || (a->op == OP_NORM_BACKWARD_SUMS && a->shard) ? 3 * s : groups * 3 * s;
    case ONE_STATISTICS: return 3 * s;
    case ONE_SUMS: return 2 * s;
    case SUMS: return groups * 2 * s;
    case CHANNELS: return c;
    default: return 2;
    }
}
