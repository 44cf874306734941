/* Pooling: the first maximum of a window, or the mean of all its taps, and their gradients. The padding is never a
 * maximum; in a mean it counts as zeros.
 *
 * N examples in the tile; size[] and scalar[] as in pool.h. Q = H W and P = OH OW positions; x (N, C, Q), y (N, C, P).
 */
#include "ops/pool.h"

#include "ops/rows.h"
#include "ops/taps.h"

#include "arith.h"

/* ---- cases ------------------------------------------------------------------------------------------------------- */

enum { GEOMETRY = 10, TAPS = 100000 };

/* N, C, H, W, KH, KW, SY, SX, PY, PX */
static const uint32_t edges[][GEOMETRY] = {
    /* ones, and lenet */
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 0},
    {2, 20, 24, 24, 2, 2, 2, 2, 0, 0},
    {3, 50, 8, 8, 2, 2, 2, 2, 0, 0},
    /* a remainder, or gaps between the windows */
    {16, 5, 7, 7, 2, 2, 2, 2, 0, 0},
    {7, 3, 9, 8, 3, 3, 3, 3, 0, 0},
    {8, 7, 10, 11, 2, 3, 3, 4, 0, 0},
    /* overlapping windows */
    {17, 4, 9, 9, 3, 3, 2, 2, 0, 0},
    {3, 8, 8, 10, 3, 3, 2, 2, 1, 1},
    {2, 3, 11, 11, 3, 3, 1, 1, 1, 1},
    {31, 2, 6, 6, 3, 3, 1, 1, 0, 0},
    {3, 2, 12, 9, 5, 5, 2, 2, 2, 2},
    /* global */
    {33, 6, 7, 7, 7, 7, 1, 1, 0, 0},
    {2, 12, 4, 5, 4, 5, 4, 5, 0, 0},
    /* one pixel, corners, lines */
    {65, 10, 1, 1, 1, 1, 1, 1, 0, 0},
    {8, 16, 1, 1, 3, 3, 1, 1, 1, 1},
    {32, 13, 2, 2, 2, 2, 2, 2, 1, 1},
    {7, 5, 17, 1, 3, 1, 2, 1, 1, 0},
    {3, 11, 1, 33, 1, 2, 1, 2, 0, 0},
    {16, 3, 6, 9, 2, 4, 1, 3, 0, 1},
    /* more */
    {2, 1, 28, 28, 28, 28, 1, 1, 0, 0},
    {1, 2, 9, 9, 4, 4, 1, 1, 2, 2},
    {65, 17, 3, 3, 2, 2, 1, 1, 0, 0},
    {8, 3, 1, 1, 2, 2, 1, 1, 1, 1},
    {1, 5, 1, 4, 1, 2, 1, 1, 0, 0},
    {1, 3, 1, 1, 3, 3, 2, 2, 1, 1},
    /* pairs of a single example: lines of one vector, and of one and a rest; and what is no pair */
    {1, 20, 8, 8, 2, 2, 2, 2, 0, 0},
    {1, 5, 10, 14, 2, 2, 2, 2, 0, 0},
    {1, 7, 7, 9, 2, 2, 2, 2, 0, 0},
    {1, 2, 8, 6, 2, 2, 2, 2, 0, 0},
};

#define PICK(d, list) (list)[draw_below(d, LENGTH(list))]

static void draw_geometry(draw *d, uint32_t g[GEOMETRY])
{
    static const uint32_t examples[] = {1, 2, 3, 7, 8, 16, 17, 31, 32, 33, 65}, sizes[] = {1, 2, 2, 3, 3, 3, 4, 5};
    const bool square = draw_below(d, 3), whole = draw_below(d, 8) == 0;
    g[0] = PICK(d, examples);
    g[1] = 1 + draw_below(d, 21);
    for (int side = 0; side < 2; side++) {
        g[2 + side] = draw_below(d, 8) ? 1 + draw_below(d, 16) : 1;
        g[4 + side] = whole ? g[2 + side] : PICK(d, sizes);
        g[6 + side] = 1 + draw_below(d, 3);
        g[8 + side] = draw_below(d, 2) ? draw_below(d, g[4 + side] / 2 + 1) : 0; /* so each window has a tap inside */
        if (side && square && !whole) g[5] = g[4], g[7] = g[6], g[9] = g[8];
    }
}

/* A window has a tap inside of the plane. */
static bool pool_fit(op_args *args)
{
    uint32_t *s = args->size;
    args->batch = args->n;
    s[WINDOW_O] = s[WINDOW_C];
    s[WINDOW_DY] = s[WINDOW_DX] = s[WINDOW_GROUPS] = 1;
    args->scalar[POOL_COUNT] = (float)taps_most(args);
    if (!window_fit(args) || s[WINDOW_PY] > s[WINDOW_KH] / 2 || s[WINDOW_PX] > s[WINDOW_KW] / 2) return false;
    args->scalar[POOL_RECIPROCAL] = arith_div(1, args->scalar[POOL_COUNT]);
    return window_out_elements(args) > 0;
}

static bool pool_shape(op_args *args, draw *d, int edge)
{
    uint32_t drawn[GEOMETRY], *s = args->size;
    if (edge >= LENGTH(edges)) return false;
    do {
        if (edge < 0) draw_geometry(d, drawn);
        const uint32_t *g = edge < 0 ? drawn : edges[edge];
        args->n = args->batch = g[0];
        s[WINDOW_C] = s[WINDOW_O] = g[1], s[WINDOW_H_IN] = g[2], s[WINDOW_W_IN] = g[3];
        s[WINDOW_KH] = g[4], s[WINDOW_KW] = g[5], s[WINDOW_SY] = g[6], s[WINDOW_SX] = g[7];
        s[WINDOW_PY] = g[8], s[WINDOW_PX] = g[9];
    } while (edge < 0 && (!pool_fit(args) || args->n * window_in_elements(args) > TAPS ||
                          args->n * window_out_elements(args) * taps_most(args) > TAPS));
    return pool_fit(args);
}

/* Few distinct values, so that ties are frequent; NaN in every second case. */
static bool max_fill(const op_args *a, int operand, void *data, draw *d)
{
    float *x = data, values[4];
    if (operand || draw_below(d, 4) == 0) return false;
    const uint32_t distinct = 1 + draw_below(d, LENGTH(values)), nan = draw_below(d, 2) ? 1 + draw_below(d, 12) : 0;
    for (int i = 0; i < LENGTH(values); i++) values[i] = draw_float(d);
    for (uint64_t i = 0; i < a->n * window_in_elements(a); i++)
        x[i] = nan && draw_below(d, nan + 1) == 0 ? arith_float(ARITH_NAN) : values[draw_below(d, distinct)];
    return true;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

/* By operation: x y; x dy dx; x y; dy dx x. */
static uint64_t pool_elements(const op_args *a, int operand)
{
    static const bool out[][3] = {{false, true}, {false, true, false}, {false, true}, {true, false, false}};
    if (a->op == OP_AVERAGE_POOL_BACKWARD && operand == 2 && !a->masked) return 0;
    return a->n * (out[a->op - OP_MAX_POOL_FORWARD][operand] ? window_out_elements(a) : window_in_elements(a));
}

static uint64_t pool_scratch(const op_args *a) { return taps_most(a) * sizeof(tap); } /* a list of them */

static uint32_t outputs_of(const op_args *a) { return a->size[WINDOW_OH] * a->size[WINDOW_OW]; }

/* And the winner of each window of a plane. */
static uint64_t max_backward_scratch(const op_args *a) { return pool_scratch(a) + outputs_of(a) * sizeof(uint32_t); }

static bool max_may_replace(const op_args *a, int operand) { return operand == 0 && pool_is_apart(a); }

/* ---- references -------------------------------------------------------------------------------------------------- */

/* The place of the first maximum; NaN wins, the first one. */
static inline uint32_t winner(const float *plane, const tap *list, uint32_t taps)
{
    uint32_t best = list[0].at;
    for (uint32_t t = 1; t < taps && !arith_is_nan(plane[best]); t++) {
        const float value = plane[list[t].at];
        if (value > plane[best] || arith_is_nan(value)) best = list[t].at;
    }
    return best;
}

#define NOBODY UINT32_MAX /* gets the gradient of a window */

static void max_forward(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0];
    float *y = operand[1];
    tap *const list = scratch;
    const uint32_t q = a->size[WINDOW_H_IN] * a->size[WINDOW_W_IN], p = a->size[WINDOW_OH] * a->size[WINDOW_OW];
    for (uint32_t at = 0; at < p; at++) {
        const uint32_t taps = taps_of_output(a, at / a->size[WINDOW_OW], at % a->size[WINDOW_OW], list);
        for (uint64_t plane = 0; plane < (uint64_t)a->n * a->size[WINDOW_C]; plane++)
            y[plane * p + at] = x[plane * q + winner(x + plane * q, list, taps)];
    }
}

/* dx = sum over (oy, ox) ascending of dy, where the input is the winner, and is not 0 if it masks; dx may be x. A dy
 * is left out before it is added, since x may be gone by then. */
static void max_backward(const op_args *a, void *const *operand, void *scratch)
{
    tap *const list = scratch;
    uint32_t *const winners = (uint32_t *)(list + taps_most(a));
    const uint32_t q = a->size[WINDOW_H_IN] * a->size[WINDOW_W_IN], p = outputs_of(a);
    for (uint64_t plane = 0; plane < (uint64_t)a->n * a->size[WINDOW_C]; plane++) {
        const float *x = (const float *)operand[0] + plane * q, *dy = (const float *)operand[1] + plane * p;
        float *dx = (float *)operand[2] + plane * q;
        for (uint32_t at = 0; at < p; at++) {
            const uint32_t taps = taps_of_output(a, at / a->size[WINDOW_OW], at % a->size[WINDOW_OW], list);
            const uint32_t best = winner(x, list, taps);
            winners[at] = a->masked && x[best] == 0 ? NOBODY : best;
        }
        for (uint32_t i = 0; i < q; i++) dx[i] = 0;
        for (uint32_t at = 0; at < p; at++)
            if (winners[at] != NOBODY) dx[winners[at]] += dy[at];
        for (uint32_t i = 0; i < q; i++) dx[i] = arith_flush(dx[i]);
    }
}

static inline float mean(const op_args *a, float sum)
{
    return arith_flush(arith_mean(arith_flush(sum), a->scalar[POOL_COUNT], a->scalar[POOL_RECIPROCAL]));
}

/* y = mean of the window; tap t goes to lane t mod 16 */
CLONES static void average_forward(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0];
    float *y = operand[1];
    tap *const list = scratch;
    const uint32_t q = a->size[WINDOW_H_IN] * a->size[WINDOW_W_IN], p = a->size[WINDOW_OH] * a->size[WINDOW_OW];
    for (uint32_t at = 0; at < p; at++) {
        const uint32_t taps = taps_of_output(a, at / a->size[WINDOW_OW], at % a->size[WINDOW_OW], list);
        for (uint64_t plane = 0; plane < (uint64_t)a->n * a->size[WINDOW_C]; plane++) {
            float lane[ROW_LANES] = {0};
            for (uint32_t t = 0; t < taps; t++) lane[list[t].number % ROW_LANES] += x[plane * q + list[t].at];
            y[plane * p + at] = mean(a, fold_row(lane));
        }
    }
}

/* dx = mean of dy over (oy, ox) ascending, where the input is in the window; 0 where x is, if it masks */
CLONES static void average_backward(const op_args *a, void *const *operand, void *scratch)
{
    const float *dy = operand[0], *x = a->masked ? operand[2] : NULL;
    float *dx = operand[1];
    tap *const list = scratch;
    const uint32_t q = a->size[WINDOW_H_IN] * a->size[WINDOW_W_IN], p = a->size[WINDOW_OH] * a->size[WINDOW_OW];
    const uint64_t inputs = a->n * window_in_elements(a);
    for (uint64_t i = 0; i < inputs; i++) dx[i] = 0;
    for (uint32_t at = 0; at < p; at++) {
        const uint32_t taps = taps_of_output(a, at / a->size[WINDOW_OW], at % a->size[WINDOW_OW], list);
        for (uint64_t plane = 0; plane < (uint64_t)a->n * a->size[WINDOW_C]; plane++)
            for (uint32_t t = 0; t < taps; t++) dx[plane * q + list[t].at] += dy[plane * p + at];
    }
    for (uint64_t i = 0; i < inputs; i++) dx[i] = mask_value(a, x, i, mean(a, dx[i]));
}

const op_row row_max_pool_forward = {
    .name = "max_pool_forward",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}, {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = pool_elements,
    .scratch = pool_scratch,
    .reference = max_forward,
    .shape = pool_shape,
    .fit = pool_fit,
    .fill = max_fill,
};

const op_row row_max_pool_backward = {
    .name = "max_pool_backward",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"dy", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"dx", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .mask = 1,
    .elements = pool_elements,
    .scratch = max_backward_scratch,
    .reference = max_backward,
    .may_replace = max_may_replace,
    .flushes = true,
    .shape = pool_shape,
    .fit = pool_fit,
    .fill = max_fill,
};

const op_row row_average_pool_forward = {
    .name = "average_pool_forward",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}, {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = pool_elements,
    .scratch = pool_scratch,
    .reference = average_forward,
    .flushes = true,
    .shape = pool_shape,
    .fit = pool_fit,
};

const op_row row_average_pool_backward = {
    .name = "average_pool_backward",
    .operand = {{"dy", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"dx", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS},
                {"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}},
    .mask = 3,
    .elements = pool_elements,
    .scratch = pool_scratch,
    .reference = average_backward,
    .flushes = true,
    .shape = pool_shape,
    .fit = pool_fit,
};
