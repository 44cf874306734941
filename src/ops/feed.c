/* The feed: examples of a data set that lies on the device, gathered into a tile.
 *
 * size[] and scalar[] as in feed.h. Row r of the tile is row order[at + r] of the source, or row r if it is direct. */
#include "ops/feed.h"

#include "ops/rows.h"

#include "arith.h"

static bool gather_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][3] = {{1, 1, 1},   {3, 63, 5},   {7, 64, 7},    {2, 65, 33},   {13, 784, 13},
                                        {64, 1, 64}, {2, 1025, 3}, {17, 3072, 9}, {1025, 1, 50}, {2050, 2, 7}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 64);
    args->size[GATHER_ELEMENTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 800);
    args->size[GATHER_SOURCE] = edge >= 0 ? edges[edge][2] : draw_size(d, 100);
    args->size[GATHER_AT] = draw_below(d, 20);
    args->size[GATHER_ORDER] = args->size[GATHER_AT] + args->n + draw_below(d, 3);
    args->size[GATHER_DIRECT] = args->n <= args->size[GATHER_SOURCE] && draw_below(d, 3) == 0;
    args->scalar[GATHER_SCALE] = 0.011107810773f;
    args->scalar[GATHER_SHIFT] = -0.81022666f;
    if (d->mode == DRAW_TINY) { /* bytes become tiny by the scale, floats that are tiny may become large */
        args->scalar[GATHER_SCALE] = args->op == OP_GATHER_BYTES ? draw_scaled(d, -48, -42) : draw_scaled(d, -6, 6);
        args->scalar[GATHER_SHIFT] = draw_below(d, 2) ? 0 : draw_scaled(d, -40, -38);
    }
    args->batch = args->n;
    return true;
}

static bool label_shape(op_args *args, draw *d, int edge)
{
    bool some = gather_shape(args, d, edge);
    args->size[GATHER_ELEMENTS] = 1;
    return some;
}

static uint64_t gather_elements(const op_args *a, int operand)
{
    const uint64_t elements[] = {(uint64_t)a->size[GATHER_SOURCE] * a->size[GATHER_ELEMENTS], a->size[GATHER_ORDER],
                                 (uint64_t)a->n * a->size[GATHER_ELEMENTS]};
    return elements[operand];
}

static bool gather_fill(const op_args *a, int operand, void *data, draw *d)
{
    if (operand == 1)
        for (uint32_t i = 0; i < a->size[GATHER_ORDER]; i++)
            ((uint32_t *)data)[i] = draw_below(d, a->size[GATHER_SOURCE]);
    else if (a->op == OP_GATHER_BYTES)
        for (uint64_t i = 0; i < gather_elements(a, 0); i++) ((uint8_t *)data)[i] = (uint8_t)draw_u32(d);
    else if (a->op == OP_GATHER_LABELS)
        for (uint64_t i = 0; i < gather_elements(a, 0); i++) ((uint32_t *)data)[i] = draw_u32(d);
    else
        return false;
    return true;
}

static inline uint32_t row_of(const op_args *a, const uint32_t *order, uint32_t r)
{
    return a->size[GATHER_DIRECT] ? r : order[a->size[GATHER_AT] + r];
}

/* x (N, E) = source byte * scale + shift */
CLONES static void gather_bytes(const op_args *a, void *const *operand, void *scratch)
{
    const uint8_t *source = operand[0];
    const uint32_t *order = operand[1];
    float *restrict x = operand[2];
    (void)scratch;
    for (uint32_t r = 0; r < a->n; r++) {
        const uint8_t *from = source + (uint64_t)row_of(a, order, r) * a->size[GATHER_ELEMENTS];
        for (uint32_t i = 0; i < a->size[GATHER_ELEMENTS]; i++)
            x[(uint64_t)r * a->size[GATHER_ELEMENTS] + i] =
                arith_flush(__builtin_fmaf((float)from[i], a->scalar[GATHER_SCALE], a->scalar[GATHER_SHIFT]));
    }
}

/* x (N, E) = source float * scale + shift */
CLONES static void gather_floats(const op_args *a, void *const *operand, void *scratch)
{
    const float *source = operand[0];
    const uint32_t *order = operand[1];
    float *restrict x = operand[2];
    (void)scratch;
    for (uint32_t r = 0; r < a->n; r++) {
        const float *from = source + (uint64_t)row_of(a, order, r) * a->size[GATHER_ELEMENTS];
        for (uint32_t i = 0; i < a->size[GATHER_ELEMENTS]; i++)
            x[(uint64_t)r * a->size[GATHER_ELEMENTS] + i] =
                arith_flush(__builtin_fmaf(arith_flush(from[i]), a->scalar[GATHER_SCALE], a->scalar[GATHER_SHIFT]));
    }
}

/* label (N) = source label */
static void gather_labels(const op_args *a, void *const *operand, void *scratch)
{
    const uint32_t *source = operand[0], *order = operand[1];
    uint32_t *label = operand[2];
    (void)scratch;
    for (uint32_t r = 0; r < a->n; r++) label[r] = source[row_of(a, order, r)];
}

/* one_hot: 1 at the label, 0 elsewhere. */
static bool one_hot_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1}, {13, 17}, {64, 16}, {205, 10}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 64);
    args->size[ONE_HOT_CLASSES] = edge >= 0 ? edges[edge][1] : draw_size(d, 40);
    args->batch = args->n;
    return true;
}

static uint64_t one_hot_elements(const op_args *a, int operand)
{
    return operand ? (uint64_t)a->n * a->size[ONE_HOT_CLASSES] : a->n;
}

static bool one_hot_fill(const op_args *a, int operand, void *data, draw *d)
{
    if (operand) return false;
    for (uint32_t r = 0; r < a->n; r++) ((uint32_t *)data)[r] = draw_below(d, a->size[ONE_HOT_CLASSES]);
    return true;
}

/* target (N, classes) = 1 at the label, else 0 */
static void one_hot(const op_args *a, void *const *operand, void *scratch)
{
    const uint32_t *label = operand[0];
    float *target = operand[1];
    (void)scratch;
    for (uint32_t r = 0; r < a->n; r++)
        for (uint32_t j = 0; j < a->size[ONE_HOT_CLASSES]; j++)
            target[(uint64_t)r * a->size[ONE_HOT_CLASSES] + j] = label[r] == j ? 1 : 0;
}

const op_row row_gather_bytes = {
    .name = "gather_bytes",
    .operand = {{"source", TYPE_U8, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"order", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"x", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = gather_elements,
    .reference = gather_bytes,
    .shape = gather_shape,
    .fill = gather_fill,
};

const op_row row_gather_floats = {
    .name = "gather_floats",
    .operand = {{"source", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"order", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"x", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = gather_elements,
    .reference = gather_floats,
    .shape = gather_shape,
    .fill = gather_fill,
    .flushes = true,
};

const op_row row_gather_labels = {
    .name = "gather_labels",
    .operand = {{"source", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"order", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"label", TYPE_U32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = gather_elements,
    .reference = gather_labels,
    .shape = label_shape,
    .fill = gather_fill,
};

const op_row row_one_hot = {
    .name = "one_hot",
    .operand = {{"label", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"target", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = one_hot_elements,
    .reference = one_hot,
    .shape = one_hot_shape,
    .fill = one_hot_fill,
};
