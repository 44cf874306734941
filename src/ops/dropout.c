/* Dropout: y = 0 with probability `rate`, else x / (1 - rate), and its gradient with the same mask; in an evaluation y
 * = x. The mask is a function of the example in the data set and the epoch, not of the tile (Srivastava et al. 2014;
 * philox.h).
 *
 * With an activation x first becomes what that makes of it, and the gradient passes through it last, as if by
 * operations of their own. s is what that gradient is computed from (activation.h), but behind a relu what dropout
 * made: this is 0 where the relu's y was, and where it was dropped, so that no words are drawn.
 *
 * N examples in the tile of E values; x, y, s (N, E); row r of the tile is example order[at + r] of the data set.
 * size[] and scalar[] as in dropout.h. */
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

static const op_id activations[] = {
#define OPERATIONS(UPPER, NAME, S, SLOPE, TEXT) OP_##UPPER##_FORWARD,
    ACTIVATIONS(OPERATIONS)
#undef OPERATIONS
};

static bool dropout_fit(op_args *args)
{
    const uint32_t *s = args->size;
    bool known = !s[DROPOUT_ACTIVATION];
    for (int i = 0; i < LENGTH(activations); i++) known |= activations[i] == s[DROPOUT_ACTIVATION];
    args->batch = args->n;
    args->scalar[DROPOUT_SCALE] = arith_div(1, __builtin_fmaf(-(float)s[DROPOUT_THRESHOLD], 0x1p-32f, 1));
    return known && s[DROPOUT_ELEMENTS] && s[DROPOUT_ORDER] >= (uint64_t)args->at + args->n;
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
    if (draw_below(d, 2)) args->size[DROPOUT_ACTIVATION] = activations[draw_below(d, LENGTH(activations))];
    args->scalar[DROPOUT_SLOPE] = 0.01f;
    args->evaluating = args->op == OP_DROPOUT_FORWARD && draw_below(d, 4) == 0;
    return dropout_fit(args);
}

/* Cases alone have a longer order than the tile needs. */
static uint64_t dropout_elements(const op_args *a, int operand)
{
    const uint64_t needed = (uint64_t)a->at + a->n;
    if (operand == 3 && !a->size[DROPOUT_ACTIVATION]) return 0;
    if (operand != 1) return (uint64_t)a->n * a->size[DROPOUT_ELEMENTS];
    return a->size[DROPOUT_ORDER] > needed ? a->size[DROPOUT_ORDER] : needed;
}

static uint64_t dropout_moves(const op_args *a, int operand) { return operand == 1 ? a->n : op_moves_all(a, operand); }

static bool backward_may_replace(const op_args *a, int operand)
{
    (void)a;
    return operand == 0;
}

/* The call of the activation, or of its gradient, alone. */
static op_args activation_args(const op_args *a)
{
    return (op_args){.op = a->size[DROPOUT_ACTIVATION] + (a->op == OP_DROPOUT_BACKWARD),
                     .n = a->n,
                     .batch = a->batch,
                     .size = {[ACTIVATION_ELEMENTS] = a->size[DROPOUT_ELEMENTS]},
                     .scalar = {[ACTIVATION_SLOPE] = a->scalar[DROPOUT_SLOPE]}};
}

static void activate(const op_args *a, const float *from, const float *dy, float *to)
{
    const op_args args = activation_args(a);
    void *const forward[] = {(void *)from, to}, *const backward[] = {(void *)from, (void *)dy, to};
    op_get(args.op)->reference(&args, dy ? backward : forward, NULL);
}

static bool dropout_fill(const op_args *a, int operand, void *data, draw *d)
{
    if (a->evaluating) d->least = -40; /* values may then pass as they are, or flushed: both are right */
    if (operand != 1 && a->size[DROPOUT_ACTIVATION] == OP_RELU_FORWARD && a->op == OP_DROPOUT_BACKWARD) {
        draw_fill(TYPE_F32, dropout_elements(a, operand), data, d);
        if (operand == 3) draw_zeros(dropout_elements(a, operand), data, d);
        return true;
    }
    if (operand != 1 && a->size[DROPOUT_ACTIVATION]) {
        const op_args args = activation_args(a);
        return op_get(args.op)->fill(&args, a->op == OP_DROPOUT_BACKWARD && operand == 0, data, d);
    }
    if (operand != 1) return false;
    for (uint32_t i = 0; i < a->size[DROPOUT_ORDER]; i++)
        ((uint32_t *)data)[i] = i == a->at ? first_example(a) : draw_u32(d);
    return true;
}

/* y may be x. */
CLONES static void drop(const op_args *a, const float *x, const uint32_t *order, float *y)
{
    const uint32_t elements = a->size[DROPOUT_ELEMENTS], layer = PHILOX_DROPOUT | a->size[DROPOUT_LAYER];
    for (uint32_t r = 0; r < a->n; r++, x += elements, y += elements)
        for (uint32_t u = 0; u < elements; u += 4) {
            const philox_block word = philox(a->seed, layer, a->epoch, order[a->at + r], u / 4);
            for (uint32_t k = 0; k < 4 && u + k < elements; k++) {
                const float kept = arith_flush(x[u + k] * a->scalar[DROPOUT_SCALE]);
                y[u + k] = word.v[k] < a->size[DROPOUT_THRESHOLD] ? 0 : kept;
            }
        }
}

static void forward(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0];
    float *y = operand[2];
    (void)scratch;
    if (a->size[DROPOUT_ACTIVATION]) {
        activate(a, x, NULL, y);
        x = y;
    }
    if (!a->evaluating)
        drop(a, x, operand[1], y);
    else if (x != y)
        memcpy(y, x, (size_t)dropout_elements(a, 0) * sizeof *y);
}

/* dx may be dy. */
CLONES static void undrop_relu(const op_args *a, const float *y, const float *dy, float *dx)
{
    for (uint64_t i = 0; i < dropout_elements(a, 0); i++)
        dx[i] = y[i] == 0 ? 0 : arith_flush(dy[i] * a->scalar[DROPOUT_SCALE]);
}

static void backward(const op_args *a, void *const *operand, void *scratch)
{
    (void)scratch;
    if (a->size[DROPOUT_ACTIVATION] == OP_RELU_FORWARD) {
        undrop_relu(a, operand[3], operand[0], operand[2]);
        return;
    }
    drop(a, operand[0], operand[1], operand[2]);
    if (a->size[DROPOUT_ACTIVATION]) activate(a, operand[3], operand[2], operand[2]);
}

const op_row row_dropout_forward = {
    .name = "dropout_forward",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"order", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = dropout_elements,
    .moves = dropout_moves,
    .reference = forward,
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
                {"s", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}},
    .elements = dropout_elements,
    .moves = dropout_moves,
    .may_replace = backward_may_replace,
    .reference = backward,
    .shape = dropout_shape,
    .fit = dropout_fit,
    .fill = dropout_fill,
    .flushes = true,
};
