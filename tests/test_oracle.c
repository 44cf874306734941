/* The references of all operations against a second opinion: double precision within the bounds of a float's roundings,
 * or the contract's rule written out a second time where bits are asked for. */
#include "oracle.h"

#include "ops/adam.h"
#include "ops/dense_update.h"
#include "ops/divisor.h"
#include "ops/lamb.h"
#include "ops/lars.h"
#include "ops/lion.h"
#include "ops/rmsprop.h"
#include "ops/sgd.h"
#include "ops/watch.h"

/* The feed --------------------------------------------------------------------------------------------------------- */

static void check_labels(const test_case *c)
{
    const uint32_t *order = WORDS_IN(1) + c->args.size[3], labelled = c->args.size[5] ? c->args.n : 0;
    ck_assert_uint_eq(c->elements[3], labelled);
    for (uint32_t r = 0; r < labelled; r++)
        ck_assert_uint_eq(WORDS_OUT(3)[r], WORDS_IN(2)[c->args.size[4] ? r : order[r]]);
}

static void check_gather(const test_case *c)
{
    const uint32_t *order = WORDS_IN(1) + c->args.size[3], width = c->args.size[0];
    for (uint64_t i = 0; i < c->elements[4]; i++) {
        const uint64_t row = c->args.size[4] ? i / width : order[i / width], from = row * width + i % width;
        check_exact(
            flush(fmaf(c->args.op == OP_GATHER_BYTES ? ((const uint8_t *)c->before[0])[from] : flush(IN(0)[from]),
                       c->args.scalar[0], c->args.scalar[1])),
            OUT(4)[i], i);
    }
    check_labels(c);
}

/* Each channel is mirrored, padded with the source's zero, cropped, normalized, and gets its hole, as PyTorch's
 * transforms do it: RandomHorizontalFlip, RandomCrop(size, padding), Normalize, and the authors' Cutout. */
static void check_image(const test_case *c)
{
    const uint32_t *order = WORDS_IN(1) + c->args.size[3], *size = c->args.size, height = size[6], width = size[7];
    const uint32_t pad = size[9], side = size[10], plane = height * width, channels = size[0] / plane;
    float *padded = malloc((size_t)(height + 2 * pad) * (width + 2 * pad) * sizeof *padded);
    for (uint32_t i = 0; i < c->args.n * channels; i++) {
        const uint32_t r = i / channels;
        const uint64_t from = ((uint64_t)(size[4] ? r : order[r]) * channels + i % channels) * plane;
        uint32_t word[4], hole[4];
        philox_again(c->args.seed, (const uint32_t[]){7 << 24, c->args.epoch, order[r], 0}, word);
        philox_again(c->args.seed, (const uint32_t[]){7 << 24, c->args.epoch, order[r], 1}, hole);
        const uint32_t top = (uint32_t)((2 * pad + 1) * (uint64_t)word[1] >> 32);
        const uint32_t left = (uint32_t)((2 * pad + 1) * (uint64_t)word[2] >> 32);
        const int64_t hole_y = (int64_t)(height * (uint64_t)hole[0] >> 32) - side / 2;
        const int64_t hole_x = (int64_t)(width * (uint64_t)hole[1] >> 32) - side / 2;
        memset(padded, 0, (size_t)(height + 2 * pad) * (width + 2 * pad) * sizeof *padded);
        for (uint32_t p = 0; p < plane; p++) {
            const uint32_t x = size[8] && word[0] & 0x80000000u ? width - 1 - p % width : p % width;
            padded[(pad + p / width) * (width + 2 * pad) + pad + x] = c->args.op == OP_GATHER_IMAGE_BYTES
                                                                          ? ((const uint8_t *)c->before[0])[from + p]
                                                                          : flush(IN(0)[from + p]);
        }
        for (uint32_t p = 0; p < plane; p++) {
            const int64_t y = p / width, x = p % width;
            const bool cut = y >= hole_y && y - hole_y < side && x >= hole_x && x - hole_x < side;
            const float value = padded[(top + y) * (width + 2 * pad) + left + x];
            const float *scale = IN(5) + 3 * (i % channels);
            check_exact(cut ? 0 : flush(fmaf(value, scale[c->args.op == OP_GATHER_IMAGE_FLOATS], scale[2])),
                        OUT(4)[(uint64_t)i * plane + p], p);
        }
    }
    free(padded);
    check_labels(c);
}

static void check_one_hot(const test_case *c)
{
    const uint32_t classes = c->args.size[0];
    for (uint64_t i = 0; i < c->elements[1]; i++)
        check_exact(WORDS_IN(0)[i / classes] == i % classes + c->args.size[1], OUT(1)[i], i);
}

START_TEST(feed)
{
    each_case(OP_GATHER_BYTES, check_gather);
    each_case(OP_GATHER_FLOATS, check_gather);
    each_case(OP_GATHER_IMAGE_BYTES, check_image);
    each_case(OP_GATHER_IMAGE_FLOATS, check_image);
    each_case(OP_ONE_HOT, check_one_hot);
}
END_TEST

/* Products --------------------------------------------------------------------------------------------------------- */

static void check_forward(const test_case *c)
{
    const uint32_t outputs = c->args.size[0], inputs = c->args.size[1];
    const bool biased = c->args.op == OP_DENSE_FORWARD;
    for (uint32_t n = 0; n < c->args.n; n++)
        for (uint32_t o = 0; o < outputs; o++) {
            double sum = biased ? IN(2)[o] : 0, magnitudes = fabs(sum);
            for (uint32_t i = 0; i < inputs; i++) {
                const double term = (double)IN(0)[n * inputs + i] * IN(1)[o * inputs + i];
                sum += term;
                magnitudes += fabs(term);
            }
            if (c->args.relu && sum < 0) sum = 0;
            check_value(sum, OUT(biased ? 3 : 2)[n * outputs + o], product_bound(inputs + 1, magnitudes), true,
                        n * outputs + o);
        }
}

static void check_backward_input(const test_case *c)
{
    const uint32_t outputs = c->args.size[0], inputs = c->args.size[1];
    for (uint32_t n = 0; n < c->args.n; n++)
        for (uint32_t i = 0; i < inputs; i++) {
            double sum = 0, magnitudes = 0;
            for (uint32_t o = 0; o < outputs; o++) {
                const double term = (double)IN(0)[n * outputs + o] * IN(1)[o * inputs + i];
                sum += term;
                magnitudes += fabs(term);
            }
            if (c->args.masked && IN(3)[n * inputs + i] == 0) sum = magnitudes = 0;
            check_value(sum, OUT(2)[n * inputs + i], product_bound(outputs, magnitudes), true, n * inputs + i);
        }
}

/* One gradient by the rule, example after example: total and open go in as they were before the tile. *closed: the open
 * granule ended with the tile's last example, so that open means nothing. x NULL: ones. */
static void sum_by_rule(const op_args *a, const float *dy, const float *x, uint32_t o, uint32_t i, float *total,
                        float *partial, bool *closed)
{
    const uint32_t granule = a->size[2];
    *closed = false;
    for (uint32_t e = a->first; e < a->first + a->n; e++) {
        const float d = dy[(e - a->first) * a->size[0] + o], xi = x ? x[(e - a->first) * a->size[1] + i] : 1;
        if (!granule) {
            *total = fmaf(d, xi, e == 0 ? 0 : *total);
            continue;
        }
        *partial = fmaf(d, xi, e % granule == 0 ? 0 : *partial);
        *closed = (e + 1) % granule == 0 || e + 1 == a->batch;
        if (*closed) *total = e < granule ? *partial : *total + *partial;
    }
}

/* Of the weights or of the biases, from operand `first` on: the total, and then what is open. */
static void check_sums_at(const test_case *c, bool bias, int first)
{
    const int dy = c->args.op == OP_DENSE_BACKWARD_BIAS ? 0 : 1;
    const uint32_t width = bias ? 1 : c->args.size[1];
    for (uint64_t at = 0; at < c->elements[first]; at++) {
        float total = IN(first)[at], partial = IN(first + 1)[at];
        bool closed;
        sum_by_rule(&c->args, IN(dy), bias ? NULL : IN(0), (uint32_t)(at / width), (uint32_t)(at % width), &total,
                    &partial, &closed);
        check_exact(total, OUT(first)[at], at);
        if (!closed && c->args.size[2]) check_exact(partial, OUT(first + 1)[at], at);
    }
}

static void check_sums(const test_case *c)
{
    const bool bias = c->args.op == OP_DENSE_BACKWARD_BIAS;
    check_sums_at(c, bias, bias ? 1 : 2);
    if (c->args.op == OP_DENSE_BACKWARD_PARAMETERS) check_sums_at(c, true, 4);
}

START_TEST(products)
{
    each_case(OP_DENSE_FORWARD, check_forward);
    each_case(OP_DENSE_FORWARD_NO_BIAS, check_forward);
    each_case(OP_DENSE_BACKWARD_INPUT, check_backward_input);
    each_case(OP_DENSE_BACKWARD_WEIGHTS, check_sums);
    each_case(OP_DENSE_BACKWARD_PARAMETERS, check_sums);
    each_case(OP_DENSE_BACKWARD_BIAS, check_sums);
}
END_TEST

/* A batch cut in tiles at random gives the bits of the batch in one, and both are within the bound. */
START_TEST(tiles_leave_no_trace)
{
    static const uint32_t granules[] = {0, 1, 4, 256};
    for (int round = 0; round < 48; round++) {
        const uint32_t batch = round % 3 ? 1 + random_below(700) : 256 * (1 + random_below(3)), o = 1 + random_below(5),
                       i = 1 + random_below(70);
        float *x = malloc(batch * i * sizeof *x), *dy = malloc(batch * o * sizeof *dy);
        float *sum[4]; /* whole, cut, biases of whole, of cut; open behind each */
        for (uint32_t k = 0; k < batch * i; k++) x[k] = random_float(-2, 2);
        for (uint32_t k = 0; k < batch * o; k++) dy[k] = random_float(-2, 2);
        for (int s = 0; s < 4; s++) sum[s] = banded(2 * o * i, 0);
        op_args args = {.op = OP_DENSE_BACKWARD_WEIGHTS, .batch = batch, .size = {o, i, granules[round % 4]}};
        for (int cut = 0; cut < 2; cut++)
            for (args.first = 0; args.first < batch; args.first += args.n) {
                const uint32_t rest = batch - args.first;
                args.n = cut ? 1 + random_below(rest < 100 ? rest : 100) : rest;
                args.op = OP_DENSE_BACKWARD_WEIGHTS;
                run(&args, (void *[]){x + args.first * i, dy + args.first * o, sum[cut], sum[cut] + o * i});
                args.op = OP_DENSE_BACKWARD_BIAS;
                run(&args, (void *[]){dy + args.first * o, sum[2 + cut], sum[2 + cut] + o * i});
            }
        for (uint32_t at = 0; at < o * i; at++) {
            double want = 0, magnitudes = 0;
            for (uint32_t e = 0; e < batch; e++) {
                want += (double)dy[e * o + at / i] * x[e * i + at % i];
                magnitudes += fabs((double)dy[e * o + at / i] * x[e * i + at % i]);
            }
            where = "weights of a cut batch", now.number = (uint32_t)round;
            check_exact(sum[0][at], sum[1][at], at);
            check_value(want, sum[0][at], product_bound(batch, magnitudes), false, at);
        }
        for (uint32_t at = 0; at < o; at++) {
            float total = NAN, partial = NAN;
            bool closed;
            const op_args all = {.n = batch, .batch = batch, .size = {o, i, granules[round % 4]}};
            sum_by_rule(&all, dy, NULL, at, 0, &total, &partial, &closed);
            where = "biases of a cut batch";
            check_exact(total, sum[2][at], at);
            check_exact(total, sum[3][at], at);
        }
        for (int s = 0; s < 4; s++) unband(sum[s], 2 * o * i);
        free(x), free(dy);
    }
}
END_TEST

/* Activations ------------------------------------------------------------------------------------------------------ */

static double cdf(double x) { return 0.5 * erfc(-x / sqrt(2)); }
static double logistic(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double pdf(double x) { return exp(-x * x / 2) / sqrt(2 * acos(-1)); }

static void check_activation(const test_case *c)
{
    for (uint64_t i = 0; i < c->elements[0]; i++) {
        const double x = IN(0)[i];
        double want = 0, ulps = 0;
        switch (c->args.op) {
        case OP_RELU_FORWARD: want = x > 0 ? x : 0; break;
        case OP_LEAKY_FORWARD:
            want = x > 0 ? x : x * c->args.scalar[0];
            ulps = 1;
            break;
        case OP_TANH_FORWARD:
            want = tanh(x);
            ulps = 8;
            break;
        case OP_SIGMOID_FORWARD:
            want = 1 / (1 + exp(-x));
            ulps = 8;
            break;
        case OP_SILU_FORWARD:
            want = x * logistic(x);
            ulps = 8;
            break;
        case OP_HARD_SWISH_FORWARD:
            want = x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
            ulps = 4;
            break;
        case OP_SOFTPLUS_FORWARD:
            want = fmax(x, 0) + log1p(exp(-fabs(x)));
            ulps = 4;
            break;
        default:
            want = x * cdf(x);
            ulps = 12;
            break;
        }
        check_value(want, OUT(1)[i], 2 * U * ulps * fabs(want), true, i);
    }
}

static void check_activation_backward(const test_case *c)
{
    for (uint64_t i = 0; i < c->elements[0]; i++) {
        const double s = IN(0)[i], dy = IN(1)[i];
        double want = 0, bound = 0;
        switch (c->args.op) {
        case OP_RELU_BACKWARD: want = s == 0 ? 0 : dy; break;
        case OP_LEAKY_BACKWARD:
            want = s <= 0 ? dy * c->args.scalar[0] : dy;
            bound = U * fabs(want);
            break;
        case OP_TANH_BACKWARD:
            want = dy * (1 - s * s);
            bound = 3 * U * fabs(want);
            break;
        case OP_SIGMOID_BACKWARD:
            want = dy * (s - s * s);
            bound = 3 * U * fabs(want);
            break;
        case OP_SILU_BACKWARD:
            want = dy * logistic(s) * (1 + s * logistic(-s));
            bound = 2 * U * 8 * fabs(dy) * logistic(s) * (1 + fabs(s) * logistic(-s));
            break;
        case OP_HARD_SWISH_BACKWARD: /* -3 and 3 belong to the flat parts */
            want = s <= -3 ? 0 : s >= 3 ? dy : dy * (2 * s + 3) / 6;
            bound = 5 * U * fabs(want);
            break;
        case OP_SOFTPLUS_BACKWARD:
            want = dy * logistic(s);
            bound = 2 * U * 4 * fabs(want);
            break;
        default:
            want = dy * (cdf(s) + s * pdf(s));
            bound = 2 * U * 10 * fabs(dy) * (cdf(s) + fabs(s) * pdf(s)) + fabs(dy) * 0x1p-99;
            break;
        }
        check_value(want, OUT(2)[i], bound, c->args.op != OP_RELU_BACKWARD, i);
    }
}

START_TEST(activations)
{
#define CHECK(UPPER, NAME, S, SLOPE, TEXT)                                                                             \
    each_case(OP_##UPPER##_FORWARD, check_activation);                                                                 \
    each_case(OP_##UPPER##_BACKWARD, check_activation_backward);
    ACTIVATIONS(CHECK)
#undef CHECK
}
END_TEST

/* Losses ----------------------------------------------------------------------------------------------------------- */

/* 2 sqrt(c) + d of a sum over a row: 16 lanes, then a tree of depth 4 */
static double row_length(uint32_t width) { return 2 * sqrt((width + 15) / 16) + 4; }

/* Places outside of the tile are as they were. */
static void check_outside(const test_case *c, int operand)
{
    for (uint32_t k = 0; k < c->args.batch; k++)
        if (k < c->args.first || k >= c->args.first + c->args.n) check_exact(IN(operand)[k], OUT(operand)[k], k);
}

static void check_softmax(const test_case *c)
{
    const uint32_t width = c->args.size[0];
    const double smoothing = c->args.scalar[0], off = flush((float)(smoothing / width));
    for (uint32_t r = 0; r < c->args.n; r++) {
        const float *x = IN(0) + r * width;
        const uint32_t label = WORDS_IN(1)[r] < width ? WORDS_IN(1)[r] : width - 1; /* as the kernels do */
        uint32_t most = 0;
        double sum = 0, loss = 0, bound = 0;
        for (uint32_t j = 1; j < width; j++) most = x[j] > x[most] ? j : most;
        for (uint32_t j = 0; j < width; j++) sum += exp((double)x[j] - x[most]);
        for (uint32_t j = 0; j < width; j++) {
            const double below = (double)x[most] - x[j], p = exp(-below) / sum;
            const double q = off + (1 - smoothing) * (j == label), want = p - q;
            check_value(want, OUT(4)[r * width + j],
                        p * U * (24 + 2 * below + row_length(width)) + 4 * U * q + U * fabs(want), true, r * width + j);
            loss += q * (log(sum) + below);
            bound += q * U * (12 + (4 + row_length(width)) * (below + log(sum)) + 8 * log(sum));
        }
        check_value(loss, OUT(2)[c->args.first + r], bound, true, r);
        check_exact(most == label, OUT(3)[c->args.first + r], r);
    }
    check_outside(c, 2);
    check_outside(c, 3);
}

/* The loss of an output, its derivative, and what sizes they are made of. */
typedef struct opinion {
    double loss, slope, size, slope_size;
} opinion;

static opinion judge(op_id op, double y, double t, double delta)
{
    const double d = y - t, a = fabs(d), e = exp(-fabs(y));
    if (op == OP_SQUARED_LOSS) return (opinion){d * d, 2 * d, d * d, fabs(2 * d)};
    if (op == OP_ABSOLUTE_LOSS) return (opinion){a, (d > 0) - (d < 0), a, a > 0};
    if (op == OP_LOGISTIC_LOSS) {
        const double p = (y < 0 ? e : 1) / (1 + e), loss = (y > 0 ? y - y * t : -y * t) + log1p(e);
        return (opinion){loss, p - t, loss, 4 * p + t};
    }
    ck_assert_int_eq(op, OP_HUBER_LOSS);
    if (a <= delta) return (opinion){d * d / 2, d, d * d / 2, a};
    return (opinion){delta * (a - delta / 2), d < 0 ? -delta : delta, delta * (a + delta), delta};
}

static void check_target_loss(const test_case *c)
{
    const uint32_t width = c->args.size[0];
    for (uint32_t r = 0; r < c->args.n; r++) {
        double sum = 0, size = 0;
        for (uint32_t j = 0; j < width; j++) {
            const uint64_t at = (uint64_t)r * width + j;
            const double y = IN(0)[at], t = IN(1)[at];
            const opinion o = judge(c->args.op, y, t, c->args.scalar[0]);
            check_value(o.slope / width, OUT(3)[at], 2 * U * o.slope_size / width, true, at);
            sum += o.loss / width;
            size += o.size / width;
        }
        check_value(sum, OUT(2)[c->args.first + r], U * (16 + row_length(width)) * size + TINY * 1e-6, true, r);
    }
    check_outside(c, 2);
}

static void check_weigh(const test_case *c)
{
    const uint32_t width = c->args.size[0];
    for (uint32_t r = 0; r < c->args.n; r++) {
        const float w = flush(IN(0)[c->args.size[3] ? r : WORDS_IN(1)[c->args.at + r]]);
        const uint32_t at = c->args.first + r;
        check_exact(w, OUT(4)[at], r);
        check_value((double)w * IN(2)[at], OUT(2)[at], 2 * U * fabs((double)w * IN(2)[at]), true, r);
        for (uint64_t i = r * width; i < (r + 1) * width; i++)
            check_value((double)w * IN(3)[i], OUT(3)[i], 2 * U * fabs((double)w * IN(3)[i]), true, i);
    }
    check_outside(c, 2);
    check_outside(c, 4);
}

START_TEST(losses)
{
    each_case(OP_WEIGH, check_weigh);
    each_case(OP_SOFTMAX_LOSS, check_softmax);
    for (int op = OP_SQUARED_LOSS; op <= OP_LOGISTIC_LOSS; op++) each_case((op_id)op, check_target_loss);
}
END_TEST

/* Sums and the watch ----------------------------------------------------------------------------------------------- */

/* Lane l with all that folds into it while `width` lanes are left: lanes l and l + width, of twice the width before. */
static float lane(const float *x, uint32_t count, uint32_t l, uint32_t width)
{
    if (width == 256) return l < count ? x[l] : 0;
    const float left = lane(x, count, l, 2 * width), right = lane(x, count, l + width, 2 * width);
    return left + right;
}

static void check_sum(const test_case *c)
{
    const uint32_t all = c->args.size[0], from = c->args.size[3], row = c->args.size[4] ? c->args.size[4] : all;
    uint32_t at = c->args.size[1]; /* of the first block's sum; those before stay */
    for (uint32_t b = 0; b < at; b++) check_exact(IN(1)[b], OUT(1)[b], b);
    for (uint32_t r = 0; r < all; r += row)
        for (uint32_t b = r; b < r + row && b < all; b += 256, at++) {
            const uint32_t end = r + row < all ? r + row : all, rest = end - b;
            check_exact(lane(IN(0) + from + b, rest < 256 ? rest : 256, 0, 1), OUT(1)[at], at);
        }
    ck_assert_uint_eq(at, c->elements[1]);
}

static void check_finite(const test_case *c)
{
    bool bad = false;
    for (uint64_t i = 0; i < c->elements[0]; i++) bad |= !isfinite(IN(0)[i]);
    const bool set = bad && !WORDS_IN(1)[0];
    ck_assert_uint_eq(WORDS_OUT(1)[0], set ? c->args.size[1] : WORDS_IN(1)[0]);
    ck_assert_uint_eq(WORDS_OUT(1)[1], set ? c->args.size[2] : WORDS_IN(1)[1]);
}

static void check_node(const test_case *c)
{
    const uint32_t at = c->args.size[1];
    for (uint64_t i = 0; i < c->elements[0]; i++) {
        const float sum = c->args.size[2] ? IN(1)[i] : IN(0)[i] + IN(1)[i];
        check_exact(i < at ? IN(0)[i] : sum, OUT(0)[i], i);
    }
}

/* The tree over the rows from `first` on, by recursion. */
static float add_rows(const test_case *c, uint32_t first, uint32_t rows, uint32_t e)
{
    uint32_t half = 1;
    if (rows == 1) return IN(0)[(uint64_t)first * c->args.size[1] + e];
    while (2 * half < rows) half *= 2;
    return add_rows(c, first, half, e) + add_rows(c, first + half, rows - half, e);
}

static void check_tree(const test_case *c)
{
    for (uint32_t e = 0; e < c->args.size[1]; e++) check_exact(add_rows(c, 0, c->args.size[0], e), OUT(1)[e], e);
}

static double add_all(const float *x, uint32_t count, double *magnitude)
{
    double sum = 0;
    *magnitude = 0;
    for (uint32_t i = 0; i < count; i++) sum += x[i], *magnitude += fabs(x[i]);
    return sum;
}

static void check_watch(const test_case *c)
{
    const uint32_t *size = c->args.size, sums = size[WATCH_SUMS];
    double magnitude, count = c->args.scalar[WATCH_EXAMPLES];
    if (size[WATCH_WEIGHTED]) count = add_all(IN(1), sums, &magnitude);
    if (count == 0) count = 1;
    check_value(count, OUT(3)[DIVISOR_COUNT], 8 * U * count, false, 0);
    check_exact((float)(1 / (double)OUT(3)[DIVISOR_COUNT]), OUT(3)[DIVISOR_RECIPROCAL], 1);
    check_exact(1, OUT(3)[DIVISOR_FACTOR], 2);
    check_exact(1, OUT(3)[DIVISOR_RATIO], 3);
    const double loss = add_all(IN(0), sums, &magnitude) / OUT(3)[DIVISOR_COUNT];
    bool bad = false;
    for (uint32_t k = 0; k < size[WATCH_PLACES]; k++) {
        if (k != size[WATCH_STEP] % size[WATCH_PLACES]) {
            check_exact(IN(4)[k], OUT(4)[k], k);
            continue;
        }
        bad = !isfinite(OUT(4)[k]);
        if (isfinite(magnitude))
            check_value(loss, OUT(4)[k], 10 * U * magnitude / count, true, k);
        else
            ck_assert(bad);
    }
    for (uint64_t i = 0; i < size[WATCH_ELEMENTS]; i++) bad |= !isfinite(IN(2)[i]);
    const bool set = bad && !WORDS_IN(5)[0];
    ck_assert_uint_eq(WORDS_OUT(5)[0], set ? size[WATCH_STEP] : WORDS_IN(5)[0]);
    ck_assert_uint_eq(WORDS_OUT(5)[1], set ? BAD_STEP : WORDS_IN(5)[1]);
}

START_TEST(sums_and_the_watch)
{
    each_case(OP_SUM_BLOCKS, check_sum);
    each_case(OP_CHECK_FINITE, check_finite);
    each_case(OP_WATCH, check_watch);
    each_case(OP_ADD_NODE, check_node);
    each_case(OP_ADD_TREE, check_tree);
}
END_TEST

/* Sums and products of values -------------------------------------------------------------------------------------- */

/* The relu and the mask of a sum come after its flush. */
static void check_add(const test_case *c)
{
    for (uint64_t i = 0; i < c->elements[2]; i++) {
        const float sum = flush((float)((double)IN(0)[i] + IN(1)[i]));
        const bool hidden = (c->args.relu && sum < 0) || (c->args.masked && IN(3)[i] == 0);
        check_exact(hidden ? 0 : sum, OUT(2)[i], i);
    }
}

static void check_multiply(const test_case *c)
{
    for (uint64_t i = 0; i < c->elements[2]; i++)
        check_exact(flush((float)((double)IN(0)[i] * IN(1)[i])), OUT(2)[i], i);
}

START_TEST(joins)
{
    each_case(OP_ADD, check_add);
    each_case(OP_MULTIPLY, check_multiply);
}
END_TEST

/* The update ------------------------------------------------------------------------------------------------------- */

/* The mean gradient of parameter i; the divisor is that operand. */
static double mean_of(const test_case *c, int divisor, uint64_t i)
{
    return (double)IN(divisor)[DIVISOR_FACTOR] * IN(1)[i] / IN(divisor)[DIVISOR_COUNT];
}

/* The same as the gradients of dense layers, and then sgd: for the weights, or for the bias. */
static void check_layer(const test_case *c, bool bias)
{
    const int first = bias ? 4 : 2;
    const uint64_t count = c->elements[first];
    op_args sums = {
        .op = bias ? OP_DENSE_BACKWARD_BIAS : OP_DENSE_BACKWARD_WEIGHTS, .n = c->args.n, .batch = c->args.n};
    op_args step = {.op = OP_SGD, .size = {[UPDATE_ELEMENTS] = (uint32_t)count}};
    float *sum = calloc(count, sizeof *sum), *w = malloc(count * sizeof *w), *v = malloc(count * sizeof *v);
    memcpy(sums.size, c->args.size, 2 * sizeof *sums.size);
    memcpy(step.scalar, c->args.scalar, SGD_SCALARS * sizeof *step.scalar);
    if (bias) step.scalar[SGD_DECAY] = c->args.scalar[FUSED_BIAS_DECAY];
    step.size[SGD_NESTEROV] = c->args.size[SGD_NESTEROV];
    memcpy(w, IN(first), count * sizeof *w);
    memcpy(v, IN(first + 1), count * sizeof *v);
    if (bias)
        run(&sums, (void *[]){(void *)IN(1), sum, sum});
    else
        run(&sums, (void *[]){(void *)IN(0), (void *)IN(1), sum, sum});
    run(&step, (void *[]){w, sum, v, (void *)IN(6), (void *)WORDS_IN(7)});
    const bool moves = !bias || !c->args.size[DENSE_NO_BIAS];
    for (uint64_t i = 0; i < count; i++) {
        check_exact(moves ? w[i] : IN(first)[i], OUT(first)[i], i);
        check_exact(moves ? v[i] : IN(first + 1)[i], OUT(first + 1)[i], i);
    }
    free(sum);
    free(w);
    free(v);
}

static void check_dense_sgd(const test_case *c)
{
    check_layer(c, false);
    check_layer(c, true);
}

/* Whether one of those gradients is not finite. */
static bool is_layer_bad(const float *x, const float *dy, uint32_t examples, uint32_t outputs, uint32_t inputs,
                         bool no_bias)
{
    bool bad = false;
    for (uint32_t o = 0; o < outputs; o++) {
        float bias = 0;
        for (uint32_t n = 0; n < examples; n++) bias += dy[n * outputs + o];
        bad |= !no_bias && !isfinite(bias);
        for (uint32_t i = 0; i < inputs; i++) {
            float sum = 0;
            for (uint32_t n = 0; n < examples; n++) sum = fmaf(dy[n * outputs + o], x[n * inputs + i], sum);
            bad |= !isfinite(sum);
        }
    }
    return bad;
}

static void check_dense_check(const test_case *c)
{
    const uint32_t *size = c->args.size, n = c->args.n;
    const bool bad = is_layer_bad(IN(0), IN(1), n, size[DENSE_OUTPUTS], size[DENSE_INPUTS], size[DENSE_NO_BIAS]) ||
                     (size[CHECK_INPUTS] &&
                      is_layer_bad(IN(2), IN(3), n, size[CHECK_OUTPUTS], size[CHECK_INPUTS], size[CHECK_NO_BIAS]));
    const bool set = bad && !WORDS_IN(4)[0];
    ck_assert_uint_eq(WORDS_OUT(4)[0], set ? size[FUSED_STEP] : WORDS_IN(4)[0]);
    ck_assert_uint_eq(WORDS_OUT(4)[1], set ? BAD_STEP : WORDS_IN(4)[1]);
}

static void check_sgd(const test_case *c)
{
    const double lr = c->args.scalar[0], momentum = c->args.scalar[1], decay = c->args.scalar[2];
    for (uint64_t i = c->args.size[UPDATE_AT]; i < c->elements[0]; i++) {
        const double w = IN(0)[i], mean = mean_of(c, 3, i), g = mean + decay * w, v = momentum * IN(2)[i] + g;
        const double move = c->args.size[SGD_NESTEROV] ? g + momentum * v : v;
        if (WORDS_IN(4)[0]) { /* the step is bad, or an earlier one was */
            check_exact(IN(0)[i], OUT(0)[i], i);
            check_exact(IN(2)[i], OUT(2)[i], i);
            continue;
        }
        const double g_bound = 2 * U * fabs(mean) + U * fabs(g) + 2 * TINY,
                     v_bound = g_bound + U * fabs(v) + U * fabs(momentum * IN(2)[i]);
        const double move_bound = g_bound + momentum * v_bound + v_bound + U * fabs(move);
        check_value(v, OUT(2)[i], v_bound, false, i);
        ck_assert(OUT(2)[i] == 0 ? !signbit(OUT(2)[i]) : fabsf(OUT(2)[i]) >= 0x1p-100f);
        check_value(w - lr * move, OUT(0)[i], U * fabs(w - lr * move) + 1.01 * lr * move_bound, true, i);
    }
}

/* Where v is hardly kept: 2^-80, times 2^40 as it is. */
#define LEAST_V 0x1p-80

static void check_adam(const test_case *c)
{
    const float *s = c->args.scalar;
    const double beta1 = s[ADAM_BETA1], beta2 = s[ADAM_BETA2], epsilon = (double)s[ADAM_EPSILON] / ADAM_ROOT;
    for (uint64_t i = c->args.size[UPDATE_AT]; i < c->elements[0]; i++) {
        if (WORDS_IN(5)[0]) { /* the step is bad, or an earlier one was */
            for (int o = 0; o < 4; o++) check_exact(IN(o)[i], OUT(o)[i], i);
            continue;
        }
        const double w = IN(0)[i], mean = mean_of(c, 4, i), g = mean + s[ADAM_DECAY] * w;
        const double m = beta1 * IN(2)[i] + (1 - beta1) * g, v = beta2 * IN(3)[i] + (1 - beta2) * g * g * ADAM_SCALE;
        const double g_bound = 2 * U * fabs(mean) + U * fabs(g) + 2 * TINY;
        const double m_bound = (1 - beta1) * (g_bound + U * fabs(g)) + U * fabs(m);
        const double v_bound = (1 - beta2) * ADAM_SCALE * (2 * fabs(g) + g_bound) * g_bound + 4 * U * v;
        check_value(m, OUT(2)[i], m_bound + 0x1p-100, false, i);
        check_value(v, OUT(3)[i], v_bound + LEAST_V, false, i);
        ck_assert(OUT(2)[i] == 0 ? !signbit(OUT(2)[i]) : fabsf(OUT(2)[i]) >= 0x1p-100f);
        ck_assert(OUT(3)[i] == 0 ? !signbit(OUT(3)[i]) : OUT(3)[i] >= 0x1p-80f);

        /* from the state as it was stored, since the step has no bound in what came before it: m and v may be all
         * rounding */
        const double unbiased = (double)OUT(2)[i] * s[ADAM_UNBIAS1] / ADAM_ROOT;
        const double root = sqrt((double)OUT(3)[i] * s[ADAM_UNBIAS2] / ADAM_SCALE) + epsilon;
        const double step = s[ADAM_LR] * (unbiased / root + s[ADAM_DECOUPLED] * w);
        const double magnitude = s[ADAM_LR] * (fabs(unbiased / root) + fabs(s[ADAM_DECOUPLED] * w) + 0x1p-99);
        if ((double)OUT(3)[i] * s[ADAM_UNBIAS2] <= 0x1p118)
            check_value(w - step, OUT(0)[i], U * fabs(w - step) + 8 * U * magnitude, true, i);
        else
            ck_assert(isnan(OUT(0)[i]));
    }
}

/* Whether nothing may change, since the step is bad, or an earlier one was; then checks that. */
static bool is_frozen(const test_case *c, int operands, int record)
{
    if (!WORDS_IN(record)[0]) return false;
    for (int o = 0; o < operands; o++)
        for (uint64_t i = 0; i < c->elements[o]; i++) check_exact(IN(o)[i], OUT(o)[i], i);
    return true;
}

static double g_bound_of(double mean, double g) { return 2 * U * fabs(mean) + U * fabs(g) + 2 * TINY; }

static void check_rmsprop(const test_case *c)
{
    const float *s = c->args.scalar;
    const double alpha = s[RMSPROP_ALPHA], epsilon = (double)s[RMSPROP_EPSILON] / ADAM_ROOT;
    if (is_frozen(c, 4, 5)) return;
    for (uint64_t i = c->args.size[UPDATE_AT]; i < c->elements[0]; i++) {
        const double w = IN(0)[i], mean = mean_of(c, 4, i), g = mean + s[RMSPROP_DECAY] * w,
                     bound = g_bound_of(mean, g);
        const double v = alpha * IN(2)[i] + (1 - alpha) * g * g * ADAM_SCALE;
        const double v_bound = (1 - alpha) * ADAM_SCALE * (2 * fabs(g) + bound) * bound + 4 * U * v;
        check_value(v, OUT(2)[i], v_bound + LEAST_V, false, i);
        ck_assert(OUT(2)[i] == 0 ? !signbit(OUT(2)[i]) : OUT(2)[i] >= 0x1p-80f);
        if ((double)OUT(2)[i] > 0x1p118) {
            ck_assert(isnan(OUT(0)[i]));
            continue;
        }
        const double root = sqrt((double)OUT(2)[i] / ADAM_SCALE) + epsilon; /* from v as it was stored */
        const double b = s[RMSPROP_MOMENTUM] * (double)IN(3)[i] + g / root;
        const double b_bound = (bound + 6 * U * fabs(g)) / root + U * fabs(b) + 0x1p-100;
        check_value(b, OUT(3)[i], b_bound, false, i);
        ck_assert(OUT(3)[i] == 0 ? !signbit(OUT(3)[i]) : fabsf(OUT(3)[i]) >= 0x1p-100f);
        const double step = s[RMSPROP_LR] * (double)OUT(3)[i];
        check_value(w - step, OUT(0)[i], U * fabs(w - step) + U * fabs(step), true, i);
    }
}

static void check_lion(const test_case *c)
{
    const float *s = c->args.scalar;
    const double beta1 = s[LION_BETA1], beta2 = s[LION_BETA2];
    if (is_frozen(c, 3, 4)) return;
    for (uint64_t i = c->args.size[UPDATE_AT]; i < c->elements[0]; i++) {
        const double w = IN(0)[i], g = mean_of(c, 3, i), m = beta2 * IN(2)[i] + (1 - beta2) * g;
        const double mixed = beta1 * IN(2)[i] + (1 - beta1) * g, bound = g_bound_of(g, g);
        const double mixed_bound = (1 - beta1) * (bound + U * fabs(g)) + U * fabs(mixed) + 0x1p-100;
        check_value(m, OUT(2)[i], (1 - beta2) * (bound + U * fabs(g)) + U * fabs(m) + 0x1p-100, false, i);
        ck_assert(OUT(2)[i] == 0 ? !signbit(OUT(2)[i]) : fabsf(OUT(2)[i]) >= 0x1p-100f);
        if (mixed != 0 && fabs(mixed) <= mixed_bound) continue; /* of either sign */
        const double sign = mixed > 0 ? 1 : mixed < 0 ? -1 : 0, step = s[LION_LR] * (sign + s[LION_DECAY] * w);
        check_value(w - step, OUT(0)[i], U * fabs(w - step) + 4 * U * s[LION_LR] * (1 + s[LION_DECAY] * fabs(w)), true,
                    i);
    }
}

static double ratio_of(const test_case *c, int divisor)
{
    return c->args.size[UPDATE_ADAPTED] ? IN(divisor)[DIVISOR_RATIO] : 1;
}

static void check_lars(const test_case *c)
{
    const float *s = c->args.scalar;
    const double rate = s[LARS_LR] * ratio_of(c, 3);
    if (is_frozen(c, 3, 4)) return;
    for (uint64_t i = c->args.size[UPDATE_AT]; i < c->elements[0]; i++) {
        const double w = IN(0)[i], mean = mean_of(c, 3, i), g = mean + s[LARS_DECAY] * w;
        const double v = s[LARS_MOMENTUM] * (double)IN(2)[i] + rate * g;
        const double lost = rate < 0x1.00001p-100 ? fabs(rate * g) : 0; /* a rate below 2^-100 is 0 */
        const double bound = rate * (g_bound_of(mean, g) + 3 * U * fabs(g)) + U * fabs(v) + 0x1p-99 + lost;
        check_value(v, OUT(2)[i], bound, false, i);
        ck_assert(OUT(2)[i] == 0 ? !signbit(OUT(2)[i]) : fabsf(OUT(2)[i]) >= 0x1p-100f);
        check_value(w - OUT(2)[i], OUT(0)[i], U * fabs(w - OUT(2)[i]), true, i);
    }
}

/* Moments as in check_adam(). */
static void check_direction(const test_case *c)
{
    const float *s = c->args.scalar;
    const double beta1 = s[ADAM_BETA1], beta2 = s[ADAM_BETA2], epsilon = (double)s[ADAM_EPSILON] / ADAM_ROOT;
    if (is_frozen(c, 4, 5)) return;
    for (uint64_t i = c->args.size[UPDATE_AT]; i < c->elements[0]; i++) {
        const double w = IN(0)[i], g = mean_of(c, 4, i), bound = g_bound_of(g, g);
        const double m = beta1 * IN(2)[i] + (1 - beta1) * g, v = beta2 * IN(3)[i] + (1 - beta2) * g * g * ADAM_SCALE;
        check_value(m, OUT(2)[i], (1 - beta1) * (bound + U * fabs(g)) + U * fabs(m) + 0x1p-100, false, i);
        check_value(v, OUT(3)[i], (1 - beta2) * ADAM_SCALE * (2 * fabs(g) + bound) * bound + 4 * U * v + LEAST_V, false,
                    i);
        const double unbiased = (double)OUT(2)[i] * s[ADAM_UNBIAS1] / ADAM_ROOT;
        const double root = sqrt((double)OUT(3)[i] * s[ADAM_UNBIAS2] / ADAM_SCALE) + epsilon;
        const double way = unbiased / root + s[ADAM_DECOUPLED] * w;
        if ((double)OUT(3)[i] * s[ADAM_UNBIAS2] <= 0x1p118)
            check_value(way, OUT(1)[i], 8 * U * (fabs(unbiased / root) + fabs(s[ADAM_DECOUPLED] * w)), true, i);
        else
            ck_assert(isnan(OUT(1)[i]));
    }
}

static void check_lamb_step(const test_case *c)
{
    const double rate = c->args.scalar[LAMB_LR] * ratio_of(c, 2);
    if (is_frozen(c, 1, 3)) return;
    for (uint64_t i = c->args.size[UPDATE_AT]; i < c->elements[0]; i++) {
        const double w = IN(0)[i], step = rate * IN(1)[i], lost = rate < 0x1.00001p-100 ? fabs(step) : 0;
        check_value(w - step, OUT(0)[i], U * fabs(w - step) + 2 * U * fabs(step) + lost, true, i);
    }
}

static double sum_of(const float *x, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += x[i];
    return sum;
}

static void check_clip(const test_case *c)
{
    const uint32_t count = c->args.size[CLIP_SQUARES];
    const double norm = sqrt(sum_of(IN(0), count)) / IN(1)[DIVISOR_COUNT];
    const double factor = c->args.scalar[CLIP_NORM] / (norm + 1e-6);
    if (isfinite(sqrtf((float)(norm * norm))))
        check_value(factor < 1 ? factor : 1, OUT(1)[DIVISOR_FACTOR], 40 * U * (factor < 1 ? factor : 1) + 0x1p-100,
                    false, 0);
    check_exact(IN(1)[DIVISOR_COUNT], OUT(1)[DIVISOR_COUNT], 0);
    check_exact(IN(1)[DIVISOR_RATIO], OUT(1)[DIVISOR_RATIO], 0);
}

static void check_ratio(const test_case *c)
{
    const uint32_t weights = c->args.size[TRUST_WEIGHTS], others = c->args.size[TRUST_OTHERS];
    const double w = sqrt(sum_of(IN(0), weights)), root = sqrt(sum_of(IN(0) + weights, others));
    const double mean = root * IN(1)[DIVISOR_FACTOR] / IN(1)[DIVISOR_COUNT];
    const double other = !c->args.size[TRUST_OF_SUM] ? root : mean < 0x1p-100 ? 0 : mean;
    const double ratio = c->args.scalar[TRUST_COEFFICIENT] * w / (other + c->args.scalar[TRUST_DECAY] * w);
    const double wanted = w == 0 || other == 0 ? 1 : ratio;
    check_value(wanted, OUT(1)[DIVISOR_RATIO], 60 * U * wanted, false, 0);
}

/* A first step of many sizes, gradients down to the contract's least: the bias is undone, so that the step is lr g /
 * (|g| + epsilon). */
START_TEST(first_steps_of_adam)
{
    for (int e = -40; e <= 38; e++) {
        const float g = ldexpf(random_float(1, 2), e), beta1 = 0.9f, beta2 = 0.999f, epsilon = e % 2 ? 1e-8f : 0x1p-60f;
        float w = 1, m = 0, v = 0;
        uint32_t record[2] = {0};
        float divisor[DIVISOR_VALUES] = {1, 1, 1, 1};
        op_args args = {.op = OP_ADAM, .size = {1}};
        const float scalars[] = {0.5f,
                                 beta1,
                                 1 - beta1,
                                 beta2,
                                 (1 - beta2) * ADAM_SCALE,
                                 (float)(1 / (1 - (double)beta1)) * ADAM_ROOT,
                                 (float)(1 / (1 - (double)beta2)),
                                 epsilon * ADAM_ROOT,
                                 0,
                                 0};
        memcpy(args.scalar, scalars, sizeof scalars);
        run(&args, (void *[]){&w, (void *)&g, &m, &v, divisor, record});
        const double step = 0.5 * g / ((double)g + epsilon);
        ck_assert_msg(fabs(w - (1 - step)) <= U * fabs(1 - step) + 24 * U * step, "2^%d: %.9g, expected %.12g", e, w,
                      1 - step);
    }
}
END_TEST

/* Weights that sum to 0 have a count of 1. */
START_TEST(update)
{
    each_case(OP_SGD, check_sgd);
    each_case(OP_DENSE_SGD, check_dense_sgd);
    each_case(OP_DENSE_CHECK, check_dense_check);
    each_case(OP_ADAM, check_adam);
    each_case(OP_RMSPROP, check_rmsprop);
    each_case(OP_LION, check_lion);
    each_case(OP_LARS, check_lars);
    each_case(OP_LAMB_DIRECTION, check_direction);
    each_case(OP_LAMB_STEP, check_lamb_step);
    each_case(OP_CLIP, check_clip);
    each_case(OP_TRUST_RATIO, check_ratio);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("oracle");
    TCase *tc = tcase_create("operations");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, feed);
    tcase_add_test(tc, products);
    tcase_add_test(tc, tiles_leave_no_trace);
    tcase_add_test(tc, activations);
    tcase_add_test(tc, losses);
    tcase_add_test(tc, sums_and_the_watch);
    tcase_add_test(tc, joins);
    tcase_add_test(tc, update);
    tcase_add_test(tc, first_steps_of_adam);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
