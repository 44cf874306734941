/* Losses, one per example, with the gradient to the network's output. The gradient is that of the example's own loss:
 * the mean over the batch divides once, in the update.
 *
 * N examples, C outputs; size[] as in loss.h. Losses and correct have a place for each example of the batch; the tile's
 * begin at `first`. */
#include "ops/loss.h"

#include "ops/rows.h"

#include "loss_functions.h"

static bool loss_shape(op_args *args, draw *d, int edge)
{
    const float smoothings[] = {0, 0.1f, (float)draw_below(d, 1000) * 1e-3f, 1, 0x1p-39f},
                deltas[] = {1, 0.25f, 0x1p-20f, 0x1p+10f};
    static const uint32_t edges[][2] = {{1, 1},  {1, 2},  {3, 10},  {7, 15},  {13, 16},
                                        {5, 17}, {2, 33}, {64, 10}, {65, 100}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 130);
    args->size[LOSS_OUTPUTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 130);
    args->first = draw_below(d, 2) ? draw_below(d, 50) : 0;
    args->batch = args->first + args->n + draw_below(d, 3);
    if (args->op == OP_SOFTMAX_LOSS) args->scalar[LOSS_SMOOTHING] = smoothings[draw_below(d, LENGTH(smoothings))];
    if (args->op == OP_HUBER_LOSS) args->scalar[LOSS_DELTA] = deltas[draw_below(d, LENGTH(deltas))];
    return true;
}

static bool loss_fit(op_args *args) { return args->size[LOSS_OUTPUTS] > 0; }

static uint64_t loss_elements(const op_args *a, int operand)
{
    const uint64_t all = (uint64_t)a->n * a->size[LOSS_OUTPUTS];
    const uint64_t softmax[] = {all, a->n, a->batch, a->batch, all}, others[] = {all, all, a->batch, all};
    return a->op == OP_SOFTMAX_LOSS ? softmax[operand] : others[operand];
}

/* Labels, some past the last class; and for tiny probabilities one logit far above the others. */
static bool softmax_fill(const op_args *a, int operand, void *data, draw *d)
{
    float *x = data;
    if (operand == 0 && d->mode == DRAW_TINY) {
        for (uint32_t r = 0; r < a->n; r++, x += a->size[LOSS_OUTPUTS]) {
            for (uint32_t j = 0; j < a->size[LOSS_OUTPUTS]; j++) x[j] = -arith_abs(draw_scaled(d, 4, 4));
            x[draw_below(d, a->size[LOSS_OUTPUTS])] = draw_scaled(d, -1, 1);
        }
        return true;
    }
    if (operand != 1) return false;
    for (uint32_t r = 0; r < a->n; r++)
        ((uint32_t *)data)[r] = draw_below(d, 16) ? draw_below(d, a->size[LOSS_OUTPUTS]) : 0xffffffffu; /* the last */
    return true;
}

/* Targets of the logistic loss are from 0 to 1, most of them at an end. For small losses all outputs of every second
 * example are near their targets: for the logistic loss far out, on the side of them. */
static bool target_fill(const op_args *a, int operand, void *data, draw *d)
{
    const bool logistic = a->op == OP_LOGISTIC_LOSS, tiny = d->mode == DRAW_TINY;
    float *x = data;
    if (operand > 1 || (!tiny && (operand == 0 || !logistic))) return false;
    for (uint64_t i = 0; i < loss_elements(a, operand); i++) {
        const uint32_t side = i / a->size[LOSS_OUTPUTS] % 2;
        if (!logistic)
            x[i] = side ? draw_float(d) : arith_abs(draw_scaled(d, -40, -40));
        else if (operand == 0)
            x[i] = arith_abs(draw_scaled(d, 3, 6)) * (side ? 1.0f : -1.0f);
        else if (tiny)
            x[i] = (float)side;
        else
            x[i] = draw_below(d, 3) ? (float)draw_below(d, 2) : (float)draw_below(d, 1001) * 1e-3f;
    }
    return true;
}

/* True where x[j] would be chosen before x[label]: the first maximum; NaN wins. */
static inline bool beats(float xj, uint32_t j, float xl, uint32_t label)
{
    if (arith_is_nan(xj)) return !arith_is_nan(xl) || j < label;
    return xj > xl || (xj == xl && j < label);
}

/* With targets q of off = smoothing / C for each class, and 1 - smoothing more for the label (Szegedy et al. 2016;
 * PyTorch's label_smoothing):
 *
 *     p = e^(x - max) / sum, -log p = log sum - (x - max), loss = sum of q (-log p), d = p - q
 *
 * The terms of that sum are not negative. Without smoothing it is that of the label alone. */
CLONES static void softmax_loss(const op_args *a, void *const *operand, void *scratch)
{
    const float *logits = operand[0];                  /* (N, C) */
    const uint32_t *labels = operand[1];               /* (N) */
    float *losses = operand[2], *correct = operand[3]; /* (batch) */
    float *gradient = operand[4];                      /* (N, C) */
    const uint32_t classes = a->size[LOSS_OUTPUTS];
    const float smoothing = a->scalar[LOSS_SMOOTHING];
    const float off = arith_flush(arith_div(smoothing, (float)classes)), on = (1 - smoothing) + off;
    (void)scratch;
    for (uint32_t r = 0; r < a->n; r++) {
        const float *x = logits + (uint64_t)r * classes;
        float *g = gradient + (uint64_t)r * classes, lane[ROW_LANES] = {0}, term[ROW_LANES] = {0}, max = x[0];
        const uint32_t label = labels[r] < classes ? labels[r] : classes - 1;
        float hit = 1;
        for (uint32_t j = 0; j < classes; j++) {
            max = x[j] > max ? x[j] : max;
            hit = beats(x[j], j, x[label], label) ? 0 : hit;
        }
        for (uint32_t j = 0; j < classes; j++) {
            g[j] = arith_exp(x[j] - max);
            lane[j % ROW_LANES] += g[j];
        }
        const float sum = fold_row(lane), log_sum = arith_log(sum);
        for (uint32_t j = 0; j < classes; j++) {
            const float q = j == label ? on : off;
            term[j % ROW_LANES] = __builtin_fmaf(q, log_sum - (x[j] - max), term[j % ROW_LANES]);
            g[j] = arith_flush(arith_div(g[j], sum) - q);
        }
        losses[a->first + r] = arith_flush(smoothing > 0 ? fold_row(term) : log_sum - (x[label] - max));
        correct[a->first + r] = hit;
    }
}

const op_row row_softmax_loss = {
    .name = "softmax_loss",
    .operand = {{"logits", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"labels", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"losses", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"hits", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"gradient", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = loss_elements,
    .reference = softmax_loss,
    .shape = loss_shape,
    .fit = loss_fit,
    .fill = softmax_fill,
};

/* loss = sum of f(y, t) / C, d = f'(y, t) / C: the loop of one function, and its row. */
#define DEFINE(UPPER, NAME)                                                                                            \
    CLONES static void NAME##_loss(const op_args *a, void *const *operand, void *scratch)                              \
    {                                                                                                                  \
        const float *y = operand[0], *target = operand[1];  /* (N, C) */                                               \
        float *losses = operand[2], *gradient = operand[3]; /* (batch), (N, C) */                                      \
        const uint32_t outputs = a->size[LOSS_OUTPUTS];                                                                \
        const float delta = a->scalar[LOSS_DELTA];                                                                     \
        (void)scratch;                                                                                                 \
        for (uint32_t r = 0; r < a->n; r++) {                                                                          \
            float lane[ROW_LANES] = {0};                                                                               \
            for (uint32_t j = 0; j < outputs; j++) {                                                                   \
                const uint64_t at = (uint64_t)r * outputs + j;                                                         \
                float *sum = &lane[j % ROW_LANES];                                                                     \
                *sum = loss_##NAME##_add(*sum, y[at], target[at], delta);                                              \
                gradient[at] =                                                                                         \
                    arith_flush(arith_div(loss_##NAME##_gradient(y[at], target[at], delta), (float)outputs));          \
            }                                                                                                          \
            losses[a->first + r] = arith_flush(arith_div(fold_row(lane), (float)outputs));                             \
        }                                                                                                              \
    }                                                                                                                  \
    const op_row row_##NAME##_loss = {                                                                                 \
        .name = #NAME "_loss",                                                                                         \
        .operand = {{"y", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},                                                      \
                    {"target", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},                                                 \
                    {"losses", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},                                              \
                    {"gradient", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},                                             \
        .elements = loss_elements,                                                                                     \
        .reference = NAME##_loss,                                                                                      \
        .shape = loss_shape,                                                                                           \
        .fit = loss_fit,                                                                                               \
        .fill = target_fill,                                                                                           \
    };

TARGET_LOSSES(DEFINE)
