/* Sums of squares, from which the gradient noise scale is computed (stats/noise_scale.h). No weight depends on them;
 * their order is fixed all the same, so that reports are the same on every device. size[] and scalar[] as in
 * sum_squares.h. */
#include "ops/sum_squares.h"

#include "ops/rows.h"

#include "arith.h"

/* square_blocks: out[at + b] = scale * the sum of squares of block b of 4096 elements: lane l of 256 sums l, l + 256,
 * ..., lanes fold 128, 64, ..., 1. Gradients are raw sums, so they are flushed first. */
static bool blocks_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[] = {1, 2, 255, 256, 257, 4095, 4096, 4097, 8191, 8192, 8193};
    if (edge >= LENGTH(edges)) return false;
    args->size[SQUARES_ELEMENTS] = edge >= 0          ? edges[edge]
                                   : draw_below(d, 3) ? draw_size(d, 300)
                                                      : 1 + draw_below(d, 20000);
    args->size[SQUARES_AT] = draw_below(d, 2) ? draw_below(d, 100) : 0;
    args->scalar[SQUARES_SCALE] = arith_div(1, (float)(1 + draw_below(d, 100)));
    return true;
}

static bool blocks_fit(op_args *args) { return args->size[SQUARES_ELEMENTS] > 0; }

static uint64_t blocks_elements(const op_args *a, int operand)
{
    return operand ? a->size[SQUARES_AT] + ((uint64_t)a->size[SQUARES_ELEMENTS] + SQUARE_BLOCK - 1) / SQUARE_BLOCK
                   : a->size[SQUARES_ELEMENTS];
}

/* Sums that are still raw may be smaller than what enters a product. */
static bool fill_raw(uint64_t elements, int operand, void *data, draw *d)
{
    if (operand || d->mode != DRAW_EDGE) return false;
    const bool all = draw_below(d, 2); /* their squares are denormals, where they are not flushed */
    for (uint64_t i = 0; i < elements; i++) ((float *)data)[i] = draw_float(d) * (all || i % 3 == 0 ? 0x1p-25f : 1);
    return true;
}

static bool blocks_fill(const op_args *a, int operand, void *data, draw *d)
{
    return fill_raw(a->size[SQUARES_ELEMENTS], operand, data, d);
}

CLONES static void square_blocks(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0];
    float *out = (float *)operand[1] + a->size[SQUARES_AT];
    (void)scratch;
    for (uint32_t left = a->size[SQUARES_ELEMENTS], some; left; left -= some, x += some) {
        float lane[SUM_LANES] = {0};
        some = left < SQUARE_BLOCK ? left : SQUARE_BLOCK;
        for (uint32_t i = 0; i < some; i += SUM_LANES)
            for (uint32_t l = 0, lanes = some - i < SUM_LANES ? some - i : SUM_LANES; l < lanes; l++) {
                const float value = arith_flush(x[i + l]);
                lane[l] = __builtin_fmaf(value, value, lane[l]);
            }
        for (int half = SUM_LANES / 2; half; half /= 2)
            for (int l = 0; l < half; l++) lane[l] += lane[l + half];
        *out++ = a->scalar[SQUARES_SCALE] * lane[0];
    }
}

/* square_rows: the same of a matrix of parameters (R, C), row by row, so that the panels in which a device holds it
 * make no difference. out[at + r * blocks + b] = scale * the sum of squares of the columns 256 b .. of row r: lane l of
 * 16 sums l, l + 16, ..., lanes fold 8, 4, 2, 1. */
static bool rows_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1},    {1, 255},  {2, 256},  {3, 257},  {7, 15},   {8, 16},   {9, 17},
                                        {15, 511}, {16, 512}, {17, 513}, {31, 100}, {32, 784}, {33, 300}, {500, 3}};
    if (edge >= LENGTH(edges)) return false;
    args->size[SQUARES_ROWS] = edge >= 0 ? edges[edge][0] : draw_size(d, 100);
    args->size[SQUARES_COLS] = edge >= 0 ? edges[edge][1] : draw_size(d, 600);
    args->size[SQUARES_ROWS_AT] = draw_below(d, 2) ? draw_below(d, 100) : 0;
    args->scalar[SQUARES_SCALE] = arith_div(1, (float)(1 + draw_below(d, 100)));
    return true;
}

static bool rows_fit(op_args *args) { return args->size[SQUARES_ROWS] && args->size[SQUARES_COLS]; }

static uint64_t rows_elements(const op_args *a, int operand)
{
    return operand ? a->size[SQUARES_ROWS_AT] +
                         a->size[SQUARES_ROWS] * (((uint64_t)a->size[SQUARES_COLS] - 1) / SQUARE_COLUMNS + 1)
                   : (uint64_t)a->size[SQUARES_ROWS] * a->size[SQUARES_COLS];
}

static bool rows_fill(const op_args *a, int operand, void *data, draw *d)
{
    return fill_raw(rows_elements(a, 0), operand, data, d);
}

CLONES static void square_rows(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0];
    float *out = (float *)operand[1] + a->size[SQUARES_ROWS_AT];
    (void)scratch;
    for (uint32_t r = 0; r < a->size[SQUARES_ROWS]; r++)
        for (uint32_t left = a->size[SQUARES_COLS], some; left; left -= some, x += some) {
            float lane[ROW_LANES] = {0};
            some = left < SQUARE_COLUMNS ? left : SQUARE_COLUMNS;
            for (uint32_t c = 0; c < some; c++) {
                const float value = arith_flush(x[c]);
                lane[c % ROW_LANES] = __builtin_fmaf(value, value, lane[c % ROW_LANES]);
            }
            *out++ = a->scalar[SQUARES_SCALE] * fold_row(lane);
        }
}

/* dense_norms: |g_i|^2 of each example's own gradient to a dense layer, weights and bias: norms[first + i] = (|x_i|^2 +
 * 1) |dy_i|^2, or |x_i|^2 |dy_i|^2 without a bias, added to what is there if `added` is set. N examples in the tile, x
 * (N, I), dy (N, O). */
static bool norms_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][3] = {{1, 1, 1},    {1, 15, 2},  {2, 16, 15}, {3, 17, 16}, {5, 31, 17},
                                        {7, 784, 10}, {8, 32, 33}, {9, 64, 64}, {64, 3, 5},  {65, 33, 1}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 70);
    args->size[NORMS_INPUTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 300);
    args->size[NORMS_OUTPUTS] = edge >= 0 ? edges[edge][2] : draw_size(d, 300);
    args->size[NORMS_ADDED] = draw_below(d, 2);
    args->first = draw_below(d, 2) ? draw_below(d, 50) : 0;
    args->batch = args->first + args->n + draw_below(d, 3);
    args->size[NORMS_NO_BIAS] = draw_below(d, 2);
    return true;
}

static bool norms_fit(op_args *args) { return args->size[NORMS_INPUTS] && args->size[NORMS_OUTPUTS]; }

static uint64_t norms_elements(const op_args *a, int operand)
{
    return operand == 2 ? a->batch : (uint64_t)a->n * a->size[operand];
}

static inline __attribute__((always_inline)) float square_of(const float *x, uint32_t count)
{
    float lane[ROW_LANES] = {0};
    for (uint32_t i = 0; i < count; i += ROW_LANES)
        for (uint32_t l = 0, lanes = count - i < ROW_LANES ? count - i : ROW_LANES; l < lanes; l++)
            lane[l] = __builtin_fmaf(x[i + l], x[i + l], lane[l]);
    return fold_row(lane);
}

CLONES static void dense_norms(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0], *dy = operand[1];
    float *norms = (float *)operand[2] + a->first;
    const float bias = a->size[NORMS_NO_BIAS] ? 0 : 1;
    (void)scratch;
    for (uint32_t i = 0; i < a->n; i++, x += a->size[NORMS_INPUTS], dy += a->size[NORMS_OUTPUTS]) {
        const float before = a->size[NORMS_ADDED] ? norms[i] : 0;
        norms[i] =
            __builtin_fmaf(square_of(x, a->size[NORMS_INPUTS]) + bias, square_of(dy, a->size[NORMS_OUTPUTS]), before);
    }
}

const op_row row_square_blocks = {
    .name = "square_blocks",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"out", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = blocks_elements,
    .reference = square_blocks,
    .shape = blocks_shape,
    .fit = blocks_fit,
    .fill = blocks_fill,
};

const op_row row_square_rows = {
    .name = "square_rows",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_WEIGHT_PANELS}, {"out", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = rows_elements,
    .reference = square_rows,
    .shape = rows_shape,
    .fit = rows_fit,
    .fill = rows_fill,
};

const op_row row_dense_norms = {
    .name = "dense_norms",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dy", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"norms", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = norms_elements,
    .reference = dense_norms,
    .shape = norms_shape,
    .fit = norms_fit,
};
