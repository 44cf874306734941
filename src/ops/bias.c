/* add_bias: y += b. N examples in the tile, O channels of P positions: y (N, O, P), b (O). */
#include "ops/bias.h"

#include "ops/rows.h"

#include "arith.h"

static bool bias_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][3] = {{1, 1, 1},  {2, 3, 4},   {7, 5, 9},    {16, 8, 49}, {33, 4, 16},
                                        {3, 2, 65}, {65, 10, 1}, {5, 3, 1030}, {1, 1, 1025}};
    if (edge >= LENGTH(edges)) return false;
    args->n = args->batch = edge >= 0 ? edges[edge][0] : draw_size(d, 64);
    args->size[BIAS_CHANNELS] = edge >= 0 ? edges[edge][1] : draw_size(d, 20);
    args->size[BIAS_POSITIONS] = edge >= 0 ? edges[edge][2] : draw_size(d, 70);
    return true;
}

static bool bias_fit(op_args *args)
{
    args->batch = args->n;
    return args->size[BIAS_CHANNELS] && args->size[BIAS_POSITIONS];
}

static uint64_t bias_elements(const op_args *a, int operand)
{
    return operand ? a->size[BIAS_CHANNELS] : (uint64_t)a->n * a->size[BIAS_CHANNELS] * a->size[BIAS_POSITIONS];
}

CLONES static void add_bias(const op_args *a, void *const *operand, void *scratch)
{
    float *restrict y = operand[0];
    const float *restrict b = operand[1];
    (void)scratch;
    for (uint32_t n = 0; n < a->n; n++)
        for (uint32_t o = 0; o < a->size[BIAS_CHANNELS]; o++, y += a->size[BIAS_POSITIONS])
            for (uint32_t p = 0; p < a->size[BIAS_POSITIONS]; p++) y[p] = arith_flush(y[p] + b[o]);
}

const op_row row_add_bias = {
    .name = "add_bias",
    .operand = {{"y", TYPE_F32, ACCESS_INOUT, LAYOUT_BATCH_PANELS}, {"b", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = bias_elements,
    .reference = add_bias,
    .shape = bias_shape,
    .fit = bias_fit,
    .flushes = true,
};
