/* Dropout: y = 0 with probability `rate`, else x / (1 - rate), and its gradient with the same mask; in an evaluation y
 * = x. The mask is a function of the example in the data set and the epoch, not of the tile (Srivastava et al. 2014;
 * philox.h).
 *
 * N examples in the tile of E values; x, y (N, E); row r of the tile is example order[at + r] of the data set. size[]
 * and scalar[] as in dropout.h. */
#include "ops/dropout.h"

#include "ops/rows.h"

#include "arith.h"
#include "philox.h"

#include <string.h>

/* The example of the tile's first row, and the word of its first unit. A threshold that is exactly that word, which a
 * random one hits once in 2^32, keeps the unit. */
static uint32_t first_example(const op_args *a) { return (uint32_t)a->seed; }
static uint32_t first_word(const op_args *a)
{
    const uint32_t layer = PHILOX_DROPOUT | a->size[DROPOUT_LAYER];
    return philox(a->seed, layer, a->epoch, first_example(a), 0).v[0] % 0xf0000000u;
}

static bool dropout_fit(op_args *args)
{
    const uint32_t *s = args->size;
    args->batch = args->n;
    args->scalar[DROPOUT_SCALE] = arith_div(1, __builtin_fmaf(-(float)s[DROPOUT_THRESHOLD], 0x1p-32f, 1));
    return s[DROPOUT_ELEMENTS] && s[DROPOUT_ORDER] >= (uint64_t)args->at + args->n;
}

static bool dropout_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1},   {2, 3},   {3, 4},  {7, 5},   {8, 16}, {16, 63},
                                        {17, 64}, {31, 65}, {33, 7}, {65, 12}, {1, 129}};
    static const uint32_t quarters[] = {0, 0x40000000u, 0x80000000u, 0xc0000000u};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 70);
    args->size[DROPOUT_ELEMENTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 300);
    args->size[DROPOUT_LAYER] = draw_below(d, 3) ? draw_below(d, 20) : draw_u32(d) >> 8;
    args->size[DROPOUT_THRESHOLD] =
        draw_below(d, 2) ? quarters[draw_below(d, LENGTH(quarters))] : draw_below(d, 0xf0000000u);
    args->at = draw_below(d, 20);
    args->size[DROPOUT_ORDER] = args->at + args->n + draw_below(d, 3);
    args->epoch = draw_below(d, 2) ? draw_below(d, 100) : draw_u32(d);
    args->seed = (uint64_t)draw_u32(d) << 32;
    args->seed |= draw_u32(d);
    if (draw_below(d, 4) == 0) args->size[DROPOUT_THRESHOLD] = first_word(args);
    args->evaluating = args->op == OP_DROPOUT_FORWARD && draw_below(d, 4) == 0;
    return dropout_fit(args);
}

/* Cases alone have a longer order than the tile needs. */
static uint64_t dropout_elements(const op_args *a, int operand)
{
    const uint64_t needed = (uint64_t)a->at + a->n;
    if (operand == 3 && !a->masked) return 0;
    if (operand != 1) return (uint64_t)a->n * a->size[DROPOUT_ELEMENTS];
    return a->size[DROPOUT_ORDER] > needed ? a->size[DROPOUT_ORDER] : needed;
}

static uint64_t dropout_moves(const op_args *a, int operand) { return operand == 1 ? a->n : op_moves_all(a, operand); }

static bool dropout_fill(const op_args *a, int operand, void *data, draw *d)
{
    if (a->evaluating) d->least = -40; /* values may then pass as they are, or flushed: both are right */
    if (operand != 1) return false;
    for (uint32_t i = 0; i < a->size[DROPOUT_ORDER]; i++)
        ((uint32_t *)data)[i] = i == a->at ? first_example(a) : draw_u32(d);
    return true;
}

CLONES static void drop(const op_args *a, void *const *operand, void *scratch)
{
    const float *restrict x = operand[0], *restrict mask = a->masked ? operand[3] : NULL;
    const uint32_t *order = operand[1];
    float *restrict y = operand[2];
    const uint32_t elements = a->size[DROPOUT_ELEMENTS];
    (void)scratch;
    if (a->evaluating) memcpy(y, x, (size_t)dropout_elements(a, 0) * sizeof *y);
    for (uint32_t r = 0; r < a->n && !a->evaluating; r++, x += elements, y += elements)
        for (uint32_t u = 0; u < elements; u += 4) {
            const uint32_t layer = PHILOX_DROPOUT | a->size[DROPOUT_LAYER], end = elements - u < 4 ? elements - u : 4;
            const philox_block word = philox(a->seed, layer, a->epoch, order[a->at + r], u / 4);
            for (uint32_t k = 0; k < end; k++) {
                const float kept = arith_flush(x[u + k] * a->scalar[DROPOUT_SCALE]);
                const float done = word.v[k] < a->size[DROPOUT_THRESHOLD] ? 0 : kept;
                y[u + k] = mask_value(a, mask, (uint64_t)r * elements + u + k, done);
            }
        }
}

const op_row row_dropout_forward = {
    .name = "dropout_forward",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"order", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = dropout_elements,
    .moves = dropout_moves,
    .reference = drop,
    .shape = dropout_shape,
    .fit = dropout_fit,
    .fill = dropout_fill,
    .flushes = true,
};

const op_row row_dropout_backward = {
    .name = "dropout_backward",
    .operand = {{"dy", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"order", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dx", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS},
                {"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}},
    .mask = 4,
    .elements = dropout_elements,
    .moves = dropout_moves,
    .reference = drop,
    .shape = dropout_shape,
    .fit = dropout_fit,
    .fill = dropout_fill,
    .flushes = true,
};
