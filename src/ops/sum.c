/* Sums over whole tensors, and the search for what is not finite. */
#include "ops/sum.h"

#include "ops/rows.h"
#include "ops/watch.h"

#include "arith.h"

float sum_lanes(const float *x, uint32_t count)
{
    float lane[SUM_LANES] = {0};
    for (uint32_t i = 0; i < count; i++)
        lane[i % SUM_LANES] = i < SUM_LANES ? x[i] : arith_chain(lane[i % SUM_LANES], x[i]);
    for (int half = SUM_LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

/* sum_blocks: out[at + b] = sum of block b of 256 elements: one per lane, lanes fold 128, 64, ..., 1. Called again on
 * its output until one is left. Elements may be in rows of so many, each of which has blocks of its own. */
static bool count_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[] = {1, 2, 31, 33, 255, 256, 257, 511, 513, 1000};
    if (edge >= LENGTH(edges)) return false;
    args->size[SUM_ELEMENTS] = edge >= 0 ? edges[edge] : draw_below(d, 3) ? draw_size(d, 300) : 1 + draw_below(d, 5000);
    args->size[SUM_AT] = 1 + draw_below(d, 100);
    args->size[CHECK_WHAT] = BAD_NORM;
    if (args->op != OP_SUM_BLOCKS || draw_below(d, 2)) return true;
    args->size[SUM_FROM] = draw_below(d, 100);
    args->size[SUM_ROW] = draw_below(d, 2) ? draw_size(d, 300) : 1 + draw_below(d, 2000);
    return true;
}

static bool count_fit(op_args *args)
{
    args->size[CHECK_WHAT] = BAD_NORM;
    return args->size[SUM_ELEMENTS] && args->size[SUM_AT];
}

uint32_t sum_block_count(uint32_t elements, uint32_t row)
{
    const uint32_t rows = row ? (elements - 1) / row : 0, rest = elements - rows * row;
    return rows * (row ? (row - 1) / SUM_LANES + 1 : 0) + (rest - 1) / SUM_LANES + 1;
}

static uint64_t sum_elements(const op_args *a, int operand)
{
    if (!operand) return (uint64_t)a->size[SUM_FROM] + a->size[SUM_ELEMENTS];
    return (uint64_t)a->size[SUM_AT] + sum_block_count(a->size[SUM_ELEMENTS], a->size[SUM_ROW]);
}

static uint64_t sum_moves(const op_args *a, int operand)
{
    return operand ? sum_elements(a, 1) - a->size[SUM_AT] : a->size[SUM_ELEMENTS];
}

static void sum_blocks(const op_args *a, void *const *operand, void *scratch)
{
    const float *in = (const float *)operand[0] + a->size[SUM_FROM];
    float *out = (float *)operand[1] + a->size[SUM_AT];
    const uint32_t all = a->size[SUM_ELEMENTS], row = a->size[SUM_ROW] ? a->size[SUM_ROW] : all;
    (void)scratch;
    for (uint64_t from = 0; from < all; from += row) {
        const uint32_t some = all - from < row ? all - (uint32_t)from : row;
        for (uint32_t b = 0; b < some; b += SUM_LANES)
            *out++ = sum_lanes(in + from + b, some - b < SUM_LANES ? some - b : SUM_LANES);
    }
}

/* check_finite: sets the record if one of the elements is not finite. */
static uint64_t check_elements(const op_args *a, int operand) { return operand ? 2 : a->size[CHECK_ELEMENTS]; }

/* A single value that is not finite is found wherever it is. */
static bool check_fill(const op_args *a, int operand, void *data, draw *d)
{
    const uint32_t count = a->size[CHECK_ELEMENTS];
    float *x = data;
    if (operand == 1) {
        ((uint32_t *)data)[0] = draw_below(d, 3) ? 0 : 7;
        ((uint32_t *)data)[1] = 3;
        return true;
    }
    if (d->mode == DRAW_WILD) return false;
    for (uint32_t i = 0; i < count; i++) x[i] = draw_float(d);
    /* Of the only bad one; count: there is none. */
    const uint32_t places[] = {0, count - 1, count, draw_below(d, count)};
    const uint32_t place = places[draw_below(d, LENGTH(places))];
    if (place < count) x[place] = draw_below(d, 2) ? arith_float(ARITH_NAN) : arith_float(0xff800000u);
    return true;
}

CLONES static void check_finite(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0];
    uint32_t bad = 0;
    (void)scratch;
    for (uint32_t i = 0; i < a->size[CHECK_ELEMENTS]; i++) bad |= !arith_is_finite(x[i]);
    if (bad) set_first_bad(operand[1], a->size[CHECK_STEP], a->size[CHECK_WHAT]);
}

const op_row row_sum_blocks = {
    .name = "sum_blocks",
    .operand = {{"in", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"out", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = sum_elements,
    .moves = sum_moves,
    .reference = sum_blocks,
    .shape = count_shape,
    .fit = count_fit,
};

const op_row row_check_finite = {
    .name = "check_finite",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"record", TYPE_U32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = check_elements,
    .reference = check_finite,
    .shape = count_shape,
    .fit = count_fit,
    .fill = check_fill,
};
