/* watch: what a step leaves once its losses and its gradient are complete.
 *
 *     count = the number of examples, or the sum of their weights;
 *             1 if all weights are 0, as loss and gradient then are
 *     divisor = {count, 1 / count, 1, 1}
 *     ring[step % places] = sum of losses / count
 *     record = {step, BAD_STEP}, set once, if that or an element of the gradient is not finite
 *
 * Sums are the last of the contract's: at most 256 values, one per lane, lanes fold 128, 64, ..., 1; sum_blocks makes
 * them of more. */
#include "ops/watch.h"

#include "ops/divisor.h"
#include "ops/rows.h"
#include "ops/sum.h"

#include "arith.h"

static bool watch_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1},     {1, 1023},   {2, 1024}, {3, 1025},   {31, 2049}, {33, 257},
                                        {128, 255}, {129, 5000}, {255, 64}, {256, 1000}, {5, 0}};
    if (edge >= LENGTH(edges)) return false;
    args->size[WATCH_SUMS] = edge >= 0 ? edges[edge][0] : draw_size(d, SUM_LANES);
    args->size[WATCH_ELEMENTS] = edge >= 0 ? edges[edge][1] : 1 + draw_below(d, 3000);
    args->size[WATCH_WEIGHTED] = draw_below(d, 2);
    args->size[WATCH_STEP] = 1 + draw_below(d, 1000);
    args->size[WATCH_PLACES] = 1 + draw_below(d, 50);
    args->scalar[WATCH_EXAMPLES] = draw_below(d, 3) ? (float)(1 + draw_below(d, 5000)) : 0x1.fffffep+23f;
    return true;
}

static bool watch_fit(op_args *args)
{
    return args->size[WATCH_SUMS] && args->size[WATCH_SUMS] <= SUM_LANES && args->size[WATCH_STEP] &&
           args->size[WATCH_PLACES];
}

static uint64_t watch_elements(const op_args *a, int operand)
{
    const uint32_t gradient = a->size[WATCH_ELEMENTS] ? a->size[WATCH_ELEMENTS] : 1; /* then it is not read */
    const uint64_t elements[] = {a->size[WATCH_SUMS], a->size[WATCH_SUMS],   gradient,
                                 DIVISOR_VALUES,      a->size[WATCH_PLACES], 2};
    return elements[operand];
}

static uint64_t watch_moves(const op_args *a, int operand)
{
    if (operand == 1 && !a->size[WATCH_WEIGHTED]) return 0;
    return operand == 4 ? 1 : op_moves_all(a, operand);
}

/* Weights, which are 0 at times, or all are. */
static void fill_weights(uint64_t count, float *x, draw *d)
{
    const bool none = draw_below(d, 4) == 0;
    for (uint64_t i = 0; i < count; i++) x[i] = none || draw_below(d, 5) == 0 ? 0 : arith_abs(draw_scaled(d, -3, 3));
}

/* In half of the cases all is finite but one value, wherever it is. */
static void fill_gradient(uint32_t count, float *x, draw *d)
{
    const uint32_t places[] = {0, count - 1, count, count, count, draw_below(d, count)};
    const uint32_t place = places[draw_below(d, LENGTH(places))];
    for (uint32_t i = 0; i < count; i++) x[i] = arith_is_finite(x[i]) ? x[i] : 1;
    if (place < count) x[place] = draw_below(d, 2) ? arith_float(ARITH_NAN) : arith_float(0xff800000u);
}

static bool watch_fill(const op_args *a, int operand, void *data, draw *d)
{
    uint32_t *record = data;
    switch (operand) {
    case 1: fill_weights(watch_elements(a, 1), data, d); return true;
    case 2:
        draw_fill(TYPE_F32, watch_elements(a, 2), data, d);
        fill_gradient((uint32_t)watch_elements(a, 2), data, d);
        return true;
    case 5:
        record[0] = draw_below(d, 3) ? 0 : 7;
        record[1] = BAD_NORM;
        return true;
    default: return false;
    }
}

static inline __attribute__((always_inline)) bool is_finite(const float *x, uint32_t count)
{
    uint32_t bad = 0;
    for (uint32_t i = 0; i < count; i++) bad |= !arith_is_finite(x[i]);
    return !bad;
}

CLONES static void watch(const op_args *a, void *const *operand, void *scratch)
{
    float *divisor = operand[3], *ring = operand[4];
    float count = a->scalar[WATCH_EXAMPLES];
    (void)scratch;
    if (a->size[WATCH_WEIGHTED]) count = sum_lanes(operand[1], a->size[WATCH_SUMS]);
    if (count == 0) count = 1;
    divisor[DIVISOR_COUNT] = count;
    divisor[DIVISOR_RECIPROCAL] = arith_div(1, count);
    divisor[DIVISOR_FACTOR] = divisor[DIVISOR_RATIO] = 1;
    const float loss = arith_flush(arith_div(sum_lanes(operand[0], a->size[WATCH_SUMS]), count));
    ring[a->size[WATCH_STEP] % a->size[WATCH_PLACES]] = loss;
    if (!arith_is_finite(loss) || !is_finite(operand[2], a->size[WATCH_ELEMENTS]))
        set_first_bad(operand[5], a->size[WATCH_STEP], BAD_STEP);
}

const op_row row_watch = {
    .name = "watch",
    .operand = {{"losses", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"weights", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"gradient", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR},
                {"ring", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = watch_elements,
    .moves = watch_moves,
    .reference = watch,
    .shape = watch_shape,
    .fit = watch_fit,
    .fill = watch_fill,
};
