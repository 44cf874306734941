/* The weights and the bias of a dense layer after a batch that is one tile and not large. Reading and writing the
 * weights takes much of such a step, so the update computes their gradient itself, and it is not stored:
 *
 *     dense_check    record = {step, BAD_STEP}, set once, if an element of the gradient is not finite, of one layer or
 *                    of two, which have x and dy, and x2 and dy2
 *     dense_sgd      sum = fma over the examples ascending of dy (N, O) x (N, I), and then as sgd; likewise the bias,
 * of whose gradient dy is added
 *
 * N examples, I inputs, O outputs. So many examples are in one granule, so these are the sums that
 * dense_backward_weights and dense_backward_bias have. */
#include "ops/dense_update.h"

#include "ops/divisor.h"
#include "ops/rows.h"
#include "ops/sgd.h"
#include "ops/watch.h"

#include "arith.h"

/* Shapes N, O, I. */
static const uint32_t edges[][3] = {{1, 1, 1},     {1, 33, 65}, {4, 16, 64},   {3, 5, 7},    {2, 17, 63},
                                    {5, 32, 9},    {6, 10, 72}, {7, 15, 73},   {8, 64, 130}, {9, 33, 65},
                                    {256, 65, 33}, {64, 10, 1}, {17, 40, 100}, {33, 20, 70}, {12, 7, 97}};

static bool fused_shape(op_args *args, draw *d, int edge)
{
    if (edge >= LENGTH(edges)) return false;
    const uint32_t most = draw_below(d, 2) ? 8 : draw_below(d, 4) ? 70 : FUSED_EXAMPLES;
    args->n = args->batch = edge >= 0 ? edges[edge][0] : 1 + draw_below(d, most);
    args->size[DENSE_OUTPUTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 70);
    args->size[DENSE_INPUTS] = edge >= 0 ? edges[edge][2] : draw_size(d, 150);
    args->size[DENSE_NO_BIAS] = draw_below(d, 4) == 0;
    return true;
}

static bool fused_fit(op_args *args)
{
    args->batch = args->n;
    return args->n <= FUSED_EXAMPLES && args->size[DENSE_OUTPUTS] && args->size[DENSE_INPUTS];
}

static uint64_t weights_of(const op_args *a) { return (uint64_t)a->size[DENSE_OUTPUTS] * a->size[DENSE_INPUTS]; }
static uint64_t inputs_of(const op_args *a) { return (uint64_t)a->n * a->size[DENSE_INPUTS]; }
static uint64_t outputs_of(const op_args *a) { return (uint64_t)a->n * a->size[DENSE_OUTPUTS]; }
static uint64_t fused_flops(const op_args *a) { return 2 * weights_of(a); }

/* A layer: N examples, O outputs, I inputs. */
typedef struct fused_layer {
    uint32_t n, outputs, inputs;
    bool no_bias;
} fused_layer;

static fused_layer first_layer(const op_args *a)
{
    return (fused_layer){a->n, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS], a->size[DENSE_NO_BIAS]};
}

/* One fma chain, n ascending, of weight (o, i). */
static inline float add_examples(fused_layer l, const float *x, const float *dy, uint32_t o, uint32_t i)
{
    float c = 0;
    for (uint32_t n = 0; n < l.n; n++)
        c = __builtin_fmaf(dy[(uint64_t)n * l.outputs + o], x[(uint64_t)n * l.inputs + i], c);
    return c;
}

/* The same of the bias. */
static inline float add_outputs(fused_layer l, const float *dy, uint32_t o)
{
    float c = 0;
    for (uint32_t n = 0; n < l.n; n++) c += dy[(uint64_t)n * l.outputs + o];
    return c;
}

/* dense_check ------------------------------------------------------------------------------------------------------ */

enum { CHECK_RECORD = 4 }; /* the operand */

static bool check_shape(op_args *args, draw *d, int edge)
{
    if (!fused_shape(args, d, edge)) return false;
    args->size[FUSED_STEP] = 1 + draw_below(d, 1000);
    args->size[CHECK_INPUTS] = draw_below(d, 3) ? draw_size(d, 150) : 0;
    args->size[CHECK_OUTPUTS] = args->size[CHECK_INPUTS] ? draw_size(d, 70) : 0;
    args->size[CHECK_NO_BIAS] = draw_below(d, 4) ? !args->size[DENSE_NO_BIAS] : args->size[DENSE_NO_BIAS];
    return true;
}

static bool check_fit(op_args *args)
{
    if (!args->size[CHECK_INPUTS]) args->size[CHECK_OUTPUTS] = 0;
    return fused_fit(args) && args->size[FUSED_STEP] && (args->size[CHECK_OUTPUTS] || !args->size[CHECK_INPUTS]);
}

static fused_layer second_layer(const op_args *a)
{
    return (fused_layer){a->n, a->size[CHECK_OUTPUTS], a->size[CHECK_INPUTS], a->size[CHECK_NO_BIAS]};
}

static uint64_t check_elements(const op_args *a, int operand)
{
    const fused_layer l = operand < 2 ? first_layer(a) : second_layer(a);
    if (operand == CHECK_RECORD) return 2;
    return (uint64_t)l.n * (operand % 2 ? l.outputs : l.inputs);
}

/* In some cases all is finite; in others one value of x, or one of dy, is not; or all sums are of as large products as
 * a float holds, so that some overflow; or only those of the bias do. */
static void fill_factor(int factor, uint32_t turn, uint32_t count, float *x, draw *d)
{
    const uint32_t place = draw_below(d, 3) ? count - 1 : draw_below(d, count);
    const int most = 62 + (int)draw_below(d, 2);
    draw_fill(TYPE_F32, count, x, d);
    for (uint32_t i = 0; i < count; i++) {
        if (!arith_is_finite(x[i])) x[i] = 1;
        if (turn == 3) x[i] = arith_abs(draw_scaled(d, 62, most));
        if (turn == 4) x[i] = factor ? 0x1p+127f : 0;
    }
    if ((int)turn == 1 + factor) x[place] = arith_float(draw_below(d, 2) ? ARITH_NAN : ARITH_INF);
}

/* Of two layers, all is finite in one. */
static bool check_fill(const op_args *a, int operand, void *data, draw *d)
{
    uint32_t *record = data;
    const uint32_t turn = d->number, count = (uint32_t)check_elements(a, operand);
    const bool other = a->size[CHECK_INPUTS] && turn / 5 % 2 == (uint32_t)operand / 2 % 2;
    if (operand < CHECK_RECORD) {
        if (count) fill_factor(operand % 2, other ? 0 : turn % 5, count, data, d);
    } else {
        record[0] = draw_below(d, 3) ? 0 : 7;
        record[1] = BAD_NORM;
    }
    return true;
}

static inline bool is_layer_finite(fused_layer l, const float *x, const float *dy)
{
    bool finite = true;
    for (uint32_t o = 0; o < l.outputs; o++) {
        for (uint32_t i = 0; i < l.inputs; i++) finite &= arith_is_finite(add_examples(l, x, dy, o, i)) != 0;
        finite &= l.no_bias || arith_is_finite(add_outputs(l, dy, o));
    }
    return finite;
}

CLONES static void fused_check(const op_args *a, void *const *operand, void *scratch)
{
    (void)scratch;
    if (!is_layer_finite(first_layer(a), operand[0], operand[1]) ||
        !is_layer_finite(second_layer(a), operand[2], operand[3]))
        set_first_bad(operand[CHECK_RECORD], a->size[FUSED_STEP], BAD_STEP);
}

const op_row row_dense_check = {
    .name = "dense_check",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dy", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"x2", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dy2", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = check_elements,
    .reference = fused_check,
    .shape = check_shape,
    .fit = check_fit,
    .fill = check_fill,
};

/* dense_sgd -------------------------------------------------------------------------------------------------------- */

static bool sgd_shape(op_args *args, draw *d, int edge)
{
    if (!fused_shape(args, d, edge)) return false;
    args->size[SGD_NESTEROV] = draw_below(d, 2);
    args->scalar[SGD_LR] = 0.05f;
    args->scalar[SGD_MOMENTUM] = draw_below(d, 4) ? 0.9f : 0;
    args->scalar[SGD_DECAY] = draw_below(d, 2) || d->mode == DRAW_TINY ? 0.0005f : 0;
    args->scalar[FUSED_BIAS_DECAY] = draw_below(d, 2) ? args->scalar[SGD_DECAY] : 0;
    return true;
}

static uint64_t sgd_elements(const op_args *a, int operand)
{
    const uint64_t outputs = a->size[DENSE_OUTPUTS];
    const uint64_t elements[] = {inputs_of(a), outputs_of(a), weights_of(a),  weights_of(a),
                                 outputs,      outputs,       DIVISOR_VALUES, 2};
    return elements[operand];
}

static bool sgd_fill(const op_args *a, int operand, void *data, draw *d)
{
    if (operand < 6 && d->mode == DRAW_TINY) { /* means on both sides of 2^-40 */
        const uint32_t count = (uint32_t)sgd_elements(a, operand);
        for (uint32_t i = 0; i < count && operand < 2; i++) ((float *)data)[i] = draw_scaled(d, -22, -17);
        if (operand >= 2) draw_fill_update(operand % 2 ? UPDATE_STATE : UPDATE_WEIGHTS, count, 1, data, d);
        return true;
    }
    if ((operand == 3 || operand == 5) && d->mode == DRAW_EDGE) { /* state goes down to 2^-100 */
        for (uint64_t i = 0; i < sgd_elements(a, operand); i++) ((float *)data)[i] = draw_float(d) * 0x1p-60f;
        return true;
    }
    if (operand < 2 && d->mode == DRAW_WILD && draw_turn(d) % 2 == 0) { /* means that overflow, alone */
        for (uint64_t i = 0; i < sgd_elements(a, operand); i++) ((float *)data)[i] = i % 7 ? 1 : 0x1.8p+63f;
        return true;
    }
    if (!divisor_fill(operand, 6, data, d)) return false;
    if (operand == 6 && d->mode == DRAW_TINY) /* it has no power of two otherwise */
        ((float *)data)[DIVISOR_COUNT] = ((float *)data)[DIVISOR_RECIPROCAL] = 1;
    return true;
}

/* As sgd has it, for one element. */
static inline void move_element(const op_args *a, const float *divisor, float sum, float decay, float *w, float *v)
{
    const float mean = divisor_mean(sum, divisor[DIVISOR_COUNT], divisor[DIVISOR_RECIPROCAL], divisor[DIVISOR_FACTOR]);
    const float g = arith_flush(__builtin_fmaf(decay, *w, mean)), momentum = a->scalar[SGD_MOMENTUM];
    *v = arith_flush_state(__builtin_fmaf(momentum, *v, g));
    const float move = a->size[SGD_NESTEROV] ? arith_flush_state(__builtin_fmaf(momentum, *v, g)) : *v;
    *w = arith_flush(__builtin_fmaf(-a->scalar[SGD_LR], move, *w));
}

CLONES static void fused_sgd(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0], *dy = operand[1], *divisor = operand[6];
    float *w = operand[2], *v = operand[3], *bias = operand[4], *bias_v = operand[5];
    const uint32_t *first_bad = operand[7], inputs = a->size[DENSE_INPUTS];
    const fused_layer l = first_layer(a);
    (void)scratch;
    if (first_bad[0]) return;
    for (uint32_t o = 0; o < a->size[DENSE_OUTPUTS]; o++) {
        for (uint32_t i = 0; i < inputs; i++) {
            const uint64_t at = (uint64_t)o * inputs + i;
            move_element(a, divisor, add_examples(l, x, dy, o, i), a->scalar[SGD_DECAY], &w[at], &v[at]);
        }
        if (!a->size[DENSE_NO_BIAS])
            move_element(a, divisor, add_outputs(l, dy, o), a->scalar[FUSED_BIAS_DECAY], &bias[o], &bias_v[o]);
    }
}

const op_row row_dense_sgd = {
    .name = "dense_sgd",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dy", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"w", TYPE_F32, ACCESS_INOUT, LAYOUT_WEIGHT_PANELS},
                {"v", TYPE_F32, ACCESS_INOUT, LAYOUT_WEIGHT_PANELS},
                {"bias", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"bias_v", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = sgd_elements,
    .flops = fused_flops,
    .reference = fused_sgd,
    .shape = sgd_shape,
    .fit = fused_fit,
    .fill = sgd_fill,
};
