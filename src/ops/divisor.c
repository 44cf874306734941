/* What an update divides the sum of gradients by, see divisor.h, and what is made of norms: the factor of a gradient
 * that is clipped, the ratios of LARS and LAMB. Sums of squares come from square_blocks and square_rows
 * (sum_squares.h); all are added here by one rule: lane l of 256 sums l, l + 256, ..., lanes fold 128, 64, ..., 1. */
#include "ops/divisor.h"

#include "ops/rows.h"
#include "ops/sum.h"
#include "ops/watch.h"

/* gradient_clip: factor = min(1, most / (norm + 1e-6)), norm = |sum| / count, as torch.nn.utils.clip_grad_norm_ defines
 * it, from the squares of |sum|. A norm that is not finite sets the record. */
static bool clip_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[] = {1, 2, 31, 33, 255, 256, 257, 511, 512, 513, 1000};
    static const float norms[] = {1, 0.1f, 5, 1e-18f, 1e6f};
    if (edge >= LENGTH(edges)) return false;
    args->size[CLIP_SQUARES] = edge >= 0 ? edges[edge] : 1 + draw_below(d, draw_below(d, 3) ? 300 : 5000);
    args->size[CLIP_STEP] = 1 + draw_below(d, 1000);
    args->scalar[CLIP_NORM] = norms[draw_below(d, LENGTH(norms))];
    return true;
}

static bool clip_fit(op_args *args) { return args->size[CLIP_SQUARES] && args->size[CLIP_STEP]; }

static uint64_t clip_elements(const op_args *a, int operand)
{
    const uint64_t elements[] = {a->size[CLIP_SQUARES], DIVISOR_VALUES, 2};
    return elements[operand];
}

/* Squares, or nothing else than 0. */
static void fill_squares(uint64_t count, float *x, draw *d)
{
    const bool none = draw_below(d, 6) == 0;
    for (uint64_t i = 0; i < count; i++) {
        const float value = draw_float(d);
        x[i] = none ? 0 : value * value;
    }
}

static bool clip_fill(const op_args *a, int operand, void *data, draw *d)
{
    if (operand) return divisor_fill(operand, 1, data, d);
    float *x = data;
    const bool overflows = d->mode == DRAW_WILD && draw_turn(d) % 2; /* without a NaN */
    fill_squares(a->size[CLIP_SQUARES], x, d);
    for (uint32_t i = 0; i < a->size[CLIP_SQUARES] && overflows; i++) x[i] = 0x1p+127f;
    if (d->mode == DRAW_WILD) x[0] = arith_float(overflows ? ARITH_INF : ARITH_NAN);
    return true;
}

static void clip(const op_args *a, void *const *operand, void *scratch)
{
    float *values = operand[1];
    (void)scratch;
    const float norm = arith_div(arith_sqrt(sum_lanes(operand[0], a->size[CLIP_SQUARES])), values[DIVISOR_COUNT]);
    const float factor = arith_flush_state(arith_div(a->scalar[CLIP_NORM], norm + 1e-6f));
    values[DIVISOR_FACTOR] = factor < 1 ? factor : 1;
    if (!arith_is_finite(norm)) set_first_bad(operand[2], a->size[CLIP_STEP], BAD_NORM);
}

/* trust_ratio: coefficient |w| / (|g| + decay |w|), or 1 if one of the norms is 0. g is the mean gradient, clipped as
 * the update will, or what else is given. What overflows becomes NaN, so that it is seen. */
static bool trust_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1}, {1, 2}, {255, 256}, {256, 255}, {257, 1}, {512, 513}, {3, 1000}};
    if (edge >= LENGTH(edges)) return false;
    args->size[TRUST_WEIGHTS] = edge >= 0 ? edges[edge][0] : 1 + draw_below(d, 600);
    args->size[TRUST_OTHERS] = edge >= 0 ? edges[edge][1] : 1 + draw_below(d, 600);
    args->size[TRUST_OF_SUM] = draw_turn(d) / 2 % 2;
    args->scalar[TRUST_COEFFICIENT] = draw_below(d, 2) ? 1 : 0.001f;
    args->scalar[TRUST_DECAY] = draw_below(d, 2) ? 0 : 0.01f;
    return true;
}

static bool trust_fit(op_args *args) { return args->size[TRUST_WEIGHTS] && args->size[TRUST_OTHERS]; }

static uint64_t trust_elements(const op_args *a, int operand)
{
    return operand ? DIVISOR_VALUES : (uint64_t)a->size[TRUST_WEIGHTS] + a->size[TRUST_OTHERS];
}

static bool trust_fill(const op_args *a, int operand, void *data, draw *d)
{
    float *x = data, *others = x + a->size[TRUST_WEIGHTS];
    const bool little = d->mode == DRAW_TINY && draw_turn(d) % 2; /* a mean that is flushed, of what is not 0 */
    const bool much = d->mode == DRAW_WILD && draw_turn(d) % 2;   /* one of the norms overflows */
    if (operand) {
        if (!divisor_fill(operand, 1, data, d)) return false;
        if (little) x[DIVISOR_FACTOR] = 0x1p-60f;
        return true;
    }
    fill_squares(a->size[TRUST_WEIGHTS], x, d);
    fill_squares(a->size[TRUST_OTHERS], others, d);
    for (uint32_t i = 0; i < a->size[TRUST_WEIGHTS] && (little || much); i++) x[i] = 1;
    for (uint32_t i = 0; i < a->size[TRUST_OTHERS] && (little || much); i++) others[i] = little ? 0x1p-90f : 0x1p+127f;
    return true;
}

static void trust_ratio(const op_args *a, void *const *operand, void *scratch)
{
    const float *squares = operand[0];
    float *values = operand[1];
    (void)scratch;
    const float w = arith_sqrt(sum_lanes(squares, a->size[TRUST_WEIGHTS]));
    const float root = arith_sqrt(sum_lanes(squares + a->size[TRUST_WEIGHTS], a->size[TRUST_OTHERS]));
    const float mean = values[DIVISOR_FACTOR] * arith_div(root, values[DIVISOR_COUNT]);
    const float other = a->size[TRUST_OF_SUM] ? arith_flush_state(mean) : root;
    const float whole = __builtin_fmaf(a->scalar[TRUST_DECAY], w, other);
    values[DIVISOR_RATIO] =
        arith_is_finite(whole) ? arith_div(a->scalar[TRUST_COEFFICIENT] * w, whole) : arith_float(ARITH_NAN);
    if (arith_is_zero(w) || arith_is_zero(other)) values[DIVISOR_RATIO] = 1;
}

const op_row row_clip = {
    .name = "gradient_clip",
    .operand = {{"squares", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"record", TYPE_U32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = clip_elements,
    .reference = clip,
    .shape = clip_shape,
    .fit = clip_fit,
    .fill = clip_fill,
};

const op_row row_trust_ratio = {
    .name = "trust_ratio",
    .operand = {{"squares", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"divisor", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = trust_elements,
    .reference = trust_ratio,
    .shape = trust_shape,
    .fit = trust_fit,
    .fill = trust_fill,
};

/* Cases of optimizers --------------------------------------------------------------------------------------------- */

void divisor_draw_sizes(op_args *args, draw *d, int edge)
{
    args->size[UPDATE_ELEMENTS] = edge >= 0 ? (uint32_t)edge : 1 + draw_below(d, 3000);
    args->size[UPDATE_AT] = draw_below(d, 2) ? draw_below(d, 100) : 0;
}

bool divisor_fit_sizes(op_args *args) { return args->size[UPDATE_ELEMENTS] > 0; }

uint64_t divisor_moves(const op_args *a, int operand)
{
    op_args range = *a;
    range.size[UPDATE_AT] = 0;
    return op_moves_all(&range, operand);
}

/* Powers of two are divided by in a way of their own. */
float divisor_draw_count(const draw *d)
{
    static const float powers[] = {1, 64, 0.5f};
    if (d->number % 3 && d->mode != DRAW_WILD) return (float)(1 + d->number * 2654435761u % 3000);
    return powers[d->number / 3 % 3];
}

static void draw_divisor(float *data, draw *d)
{
    const bool plain = d->mode == DRAW_TINY || draw_below(d, 2);
    data[DIVISOR_COUNT] = divisor_draw_count(d);
    data[DIVISOR_RECIPROCAL] = arith_div(1, data[DIVISOR_COUNT]);
    data[DIVISOR_FACTOR] = plain ? 1 : arith_abs(draw_scaled(d, -40, -1));
    const int least = draw_below(d, 3) ? -20 : -115; /* a rate times that is below 2^-100 */
    data[DIVISOR_RATIO] = plain ? 1 : arith_abs(draw_scaled(d, least, least + 15));
}

bool divisor_fill(int operand, int divisor, void *data, draw *d)
{
    if (operand == divisor) draw_divisor(data, d);
    if (operand == divisor + 1) {
        ((uint32_t *)data)[0] = draw_below(d, 4) || d->mode == DRAW_TINY ? 0 : 5;
        ((uint32_t *)data)[1] = 0;
    }
    return operand == divisor || operand == divisor + 1;
}
