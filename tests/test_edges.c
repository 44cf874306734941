/* The references of operations where values are at their edges: whole numbers, ties, infinities and NaN, and what the
 * contract flushes to 0. */
#include "verify/cases.h" /* before check.h, which has a macro of the name fail */

#include "ops/dense_update.h"
#include "ops/divisor.h"
#include "ops/preconditioned.h"
#include "ops/watch.h"

#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TINY 0x1p-40

/* Runs a reference with scratch of its own. */
static void run(const op_args *args, void *const *operand)
{
    const op_row *row = op_get(args->op);
    void *scratch = malloc(row->scratch ? (size_t)row->scratch(args) + 1 : 1);
    row->reference(args, operand, scratch);
    free(scratch);
}

START_TEST(products_of_integers_are_exact)
{
    static const uint32_t sizes[] = {1, 7, 15, 16, 17, 31, 33, 61, 63, 65, 127};
    for (int round = 0; round < 60; round++) {
        const uint32_t n = sizes[random_below(11)], o = sizes[random_below(11)], i = sizes[random_below(11)];
        const uint32_t granule = random_below(2) ? 16 : 0;
        float *x = banded(n * i, 100), *w = banded(o * i, 100), *b = banded(o, 100), *dy = banded(n * o, 100);
        float *y = banded(n * o, 0), *dx = banded(n * i, 0), *total = banded(o * i, 0), *partial = banded(o * i, 0);
        const op_args args = {.op = OP_DENSE_FORWARD, .n = n, .batch = n, .size = {o, i, granule}};
        op_args input = args, weights = args;
        input.op = OP_DENSE_BACKWARD_INPUT;
        weights.op = OP_DENSE_BACKWARD_WEIGHTS;
        run(&args, (void *[]){x, w, b, y});
        run(&input, (void *[]){dy, w, dx});
        run(&weights, (void *[]){x, dy, total, partial});
        for (uint32_t r = 0; r < n; r++)
            for (uint32_t at = 0; at < o; at++) {
                long sum = (long)b[at];
                for (uint32_t k = 0; k < i; k++) sum += (long)x[r * i + k] * (long)w[at * i + k];
                ck_assert_msg((float)sum == y[r * o + at], "forward %ux%ux%u", n, o, i);
            }
        for (uint32_t at = 0; at < i; at++) {
            for (uint32_t r = 0; r < n; r++) {
                long sum = 0;
                for (uint32_t k = 0; k < o; k++) sum += (long)dy[r * o + k] * (long)w[k * i + at];
                ck_assert_msg((float)sum == dx[r * i + at], "backward_input %ux%ux%u", n, o, i);
            }
            for (uint32_t row = 0; row < o; row++) {
                long sum = 0;
                for (uint32_t k = 0; k < n; k++) sum += (long)dy[k * o + row] * (long)x[k * i + at];
                ck_assert_msg((float)sum == total[row * i + at], "backward_weights %ux%ux%u granule %u", n, o, i,
                              granule);
            }
        }
        unband(x, n * i), unband(w, o * i), unband(b, o), unband(dy, n * o);
        unband(y, n * o), unband(dx, n * i), unband(total, o * i), unband(partial, o * i);
    }
}
END_TEST

/* The first maximum; NaN wins. */
START_TEST(hits_of_ties_and_nan)
{
    static const struct {
        float x[4];
        uint32_t label;
        float hit;
    } rows[] = {
        {{1, 1, 0, 0}, 0, 1},        {{1, 1, 0, 0}, 1, 0},      {{0, 1, 1, 1}, 1, 1},      {{0, 1, 1, 1}, 3, 0},
        {{0, 0, 0, 0}, 0, 1},        {{9, NAN, 0, 0}, 1, 1},    {{9, NAN, 0, 0}, 0, 0},    {{NAN, 9, NAN, 0}, 0, 1},
        {{NAN, 9, NAN, 0}, 2, 0},    {{9, 9, 9, NAN}, 3, 1},    {{-1, -2, -3, -4}, 0, 1},  {{INFINITY, NAN}, 1, 1},
        {{0, INFINITY, 1, 1}, 1, 1}, {{-INFINITY, 0, 0}, 1, 1}, {{-INFINITY, 0, 0}, 0, 0},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        float x[4], loss = 0, hit = 7, gradient[4];
        uint32_t label = rows[k].label;
        memcpy(x, rows[k].x, sizeof x);
        run(&(op_args){.op = OP_SOFTMAX_LOSS, .n = 1, .batch = 1, .size = {4}},
            (void *[]){x, &label, &loss, &hit, gradient});
        ck_assert_msg(hit == rows[k].hit, "row %zu: hit %g", k, (double)hit);
        const bool bad = isnan(x[0]) || isnan(x[1]) || isnan(x[2]) || isnan(x[3]) || isinf(x[1]);
        ck_assert_msg(isnan(loss) == bad, "row %zu: loss %g", k, (double)loss);
    }
}
END_TEST

/* One bad value anywhere is seen; the first record stays. */
START_TEST(watch_is_sticky)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN, -NAN};
    float x[300] = {0};
    uint32_t record[2] = {0, 0};
    for (int k = 0; k < 300; k++) x[k] = k % 2 ? 3e38f : -1e-45f;
    op_args args = {.op = OP_CHECK_FINITE, .size = {300, 4, 2}};
    run(&args, (void *[]){x, record});
    ck_assert(!record[0] && !record[1]);
    for (int k = 0; k < 300; k++) {
        const float kept = x[k];
        record[0] = record[1] = 0;
        x[k] = bad[k % 4];
        run(&args, (void *[]){x, record});
        ck_assert_msg(record[0] == 4 && record[1] == 2, "element %d", k);
        x[k] = kept;
    }
    float sum = NAN, ring[3] = {0}, divisor[DIVISOR_VALUES];
    run(&(op_args){.op = OP_WATCH,
                   .size = {[WATCH_SUMS] = 1, [WATCH_ELEMENTS] = 300, [WATCH_STEP] = 5, [WATCH_PLACES] = 3},
                   .scalar = {[WATCH_EXAMPLES] = 2}},
        (void *[]){&sum, &sum, x, divisor, ring, record});
    ck_assert(record[0] == 4 && record[1] == 2 && isnan(ring[2]));
}
END_TEST

/* Numbers around 2^-40, denormals, and zeros of both signs, in every operation: what comes out is +0 or at least 2^-40.
 * Raw sums, which enter no product, need not be; those of preconditioned_* have a limit of their own. */
START_TEST(nothing_tiny_comes_out)
{
    static const float tiny[] = {
        0x1p-41f, -0x1p-41f, 0x1.fffffep-41f, -0x1.fffffep-41f, 0x1p-40f, -0x1p-40f, 0x1p-20f, -0x1p-21f,
        1e-45f,   -1e-45f,   0x1p-126f,       -0x1p-127f,       0,        -0.0f,     0x1p-60f, 3};
    for (int op = 0; op < OP_COUNT; op++) {
        if (op == OP_RELU_BACKWARD || op == OP_MAX_POOL_FORWARD || op == OP_TO_ROWS || op == OP_TO_PANELS ||
            op == OP_NORM_LOAD_RUNNING || op == OP_UPSAMPLE_FORWARD || op == OP_PAD_FORWARD || op == OP_PAD_BACKWARD ||
            op == OP_CONCAT_FORWARD || op == OP_CONCAT_BACKWARD)
            continue; /* pass on what was flushed before */
        if (op == OP_SUM_BLOCKS || op == OP_CONV_BACKWARD_WEIGHTS || op == OP_CONV_BACKWARD_PARAMETERS ||
            op == OP_CONV_BACKWARD_BIAS || op == OP_SQUARE_BLOCKS || op == OP_SQUARE_ROWS || op == OP_DENSE_NORMS ||
            op == OP_NORM_ROWS || op == OP_NORM_BACKWARD_PARAMETERS || op == OP_WATCH || op == OP_ADD_NODE ||
            op == OP_ADD_TREE || (op >= OP_CLIP && op <= OP_TRUST_RATIO))
            continue; /* raw sums */
        for (uint32_t number = 0; number < EDGE_CASES + 10; number += number == 1 ? EDGE_CASES - 1 : 1) {
            const op_row *row = op_get((op_id)op);
            test_case now;
            if (case_open(context, (op_id)op, 1, number, &now)) continue;
            now.args.evaluating = false; /* which lets all through as it is */
            for (int o = 0; o < now.operands; o++) {
                const op_access access = row->operand[o].access;
                if (row->operand[o].type == TYPE_F32)
                    for (uint64_t i = 0; i < now.elements[o]; i++)
                        ((float *)now.before[o])[i] = access == ACCESS_OUT ? NAN : tiny[random_below(16)];
                memcpy(now.after[o], now.before[o], now.elements[o] * op_type_bytes(row->operand[o].type));
            }
            run(&now.args, now.after);
            for (int o = 0; o < now.operands; o++) {
                if (row->operand[o].type != TYPE_F32 || row->operand[o].access == ACCESS_IN ||
                    row->operand[o].layout == LAYOUT_WEIGHT_PANELS)
                    continue;
                if (op == OP_DENSE_SGD && o >= 4 && now.args.size[DENSE_NO_BIAS]) continue; /* not written */
                const bool fused = op == OP_DENSE_SGD, update = fused || (op >= OP_SGD && op <= OP_LAMB_STEP);
                const bool bias = op == OP_DENSE_BACKWARD_PARAMETERS || op == OP_DENSE_BACKWARD_BIAS; /* a raw sum */
                if (bias || (update && ((uint32_t *)now.before[now.operands - 1])[0])) continue;
                const bool raw = op == OP_PRECONDITIONED_BLOCKS || op == OP_PRECONDITIONED_ROWS;
                const double least = raw ? 0x1p-80 * (double)now.args.scalar[SQUARES_SCALE]
                                     : !update || !o || (fused && o % 2 == 0) ? TINY
                                     : op == OP_ADAM && o == 3                ? 0x1p-80
                                                                              : 0x1p-100;
                for (uint64_t i = update && !fused ? now.args.size[UPDATE_AT] : 0; i < now.elements[o]; i++) {
                    const float got = ((float *)now.after[o])[i], was = ((float *)now.before[o])[i];
                    if (row->operand[o].access == ACCESS_INOUT && !memcmp(&got, &was, 4) && !update)
                        continue; /* not written */
                    ck_assert_msg(got == 0 ? !signbit(got) : fabs(got) >= least, "%s: %s[%llu] is %a", row->name,
                                  row->operand[o].name, (unsigned long long)i, (double)got);
                }
            }
            case_close(&now);
        }
    }
}
END_TEST

START_TEST(nan_stays)
{
    for (int op = OP_RELU_FORWARD; op <= OP_GELU_BACKWARD; op++) {
        float x[3] = {NAN, 1, -NAN}, dy[3] = {1, NAN, NAN}, out[3] = {0};
        const bool forward = (op - OP_RELU_FORWARD) % 2 == 0;
        run(&(op_args){.op = (op_id)op, .n = 1, .batch = 1, .size = {3}, .scalar = {0.01f}},
            (void *[]){x, forward ? out : dy, out});
        ck_assert_msg(forward ? isnan(out[0]) && isfinite(out[1]) && isnan(out[2]) : isnan(out[1]) && isnan(out[2]),
                      "%s: %g %g %g", op_get((op_id)op)->name, (double)out[0], (double)out[1], (double)out[2]);
    }
    float x[2] = {NAN, 0}, w[4] = {0, 1, 0, 0}, b[2] = {0, 0}, y[2] = {0, 0};
    run(&(op_args){.op = OP_DENSE_FORWARD, .n = 1, .batch = 1, .size = {2, 2}}, (void *[]){x, w, b, y});
    ck_assert_msg(isnan(y[0]) && isnan(y[1]), "NaN times 0");
}
END_TEST

/* What PyTorch 2 gives for the same (ATen: Activation.cpp, BinaryOpsKernel.cpp), the gradient for a dy of 1. Where it
 * gives -0 the contract has 0. */
START_TEST(activations_at_their_edges)
{
    static const struct {
        op_id op; /* forward; backward is the next one */
        float slope, x, y, dx;
    } rows[] = {
        {OP_RELU_FORWARD, 0, -INFINITY, 0, 0},
        {OP_RELU_FORWARD, 0, -1, 0, 0},
        {OP_RELU_FORWARD, 0, -0.0f, 0, 0},
        {OP_RELU_FORWARD, 0, 0, 0, 0},
        {OP_RELU_FORWARD, 0, TINY, TINY, 1},
        {OP_RELU_FORWARD, 0, INFINITY, INFINITY, 1},
        {OP_RELU_FORWARD, 0, NAN, NAN, 1},
        {OP_LEAKY_FORWARD, 0.25f, -INFINITY, -INFINITY, 0.25f},
        {OP_LEAKY_FORWARD, 0.25f, -1, -0.25f, 0.25f},
        {OP_LEAKY_FORWARD, 0.25f, -0.0f, 0, 0.25f},
        {OP_LEAKY_FORWARD, 0.25f, 0, 0, 0.25f},
        {OP_LEAKY_FORWARD, 0.25f, TINY, TINY, 1},
        {OP_LEAKY_FORWARD, 0.25f, INFINITY, INFINITY, 1},
        {OP_LEAKY_FORWARD, 0.25f, NAN, NAN, 0.25f},
        {OP_LEAKY_FORWARD, 0, -INFINITY, NAN, 0}, /* 0 times infinity, as there */
        {OP_LEAKY_FORWARD, 0, -1, 0, 0},
        {OP_LEAKY_FORWARD, 0, 0, 0, 0},
        {OP_TANH_FORWARD, 0, -INFINITY, -1, 0},
        {OP_TANH_FORWARD, 0, -0.0f, 0, 1},
        {OP_TANH_FORWARD, 0, 0, 0, 1},
        {OP_TANH_FORWARD, 0, INFINITY, 1, 0},
        {OP_TANH_FORWARD, 0, NAN, NAN, NAN},
        {OP_SIGMOID_FORWARD, 0, -INFINITY, 0, 0},
        {OP_SIGMOID_FORWARD, 0, -0.0f, 0.5f, 0.25f},
        {OP_SIGMOID_FORWARD, 0, 0, 0.5f, 0.25f},
        {OP_SIGMOID_FORWARD, 0, INFINITY, 1, 0},
        {OP_SIGMOID_FORWARD, 0, NAN, NAN, NAN},
        {OP_GELU_FORWARD, 0, -INFINITY, NAN, NAN},
        {OP_GELU_FORWARD, 0, -1e30f, 0, 0},
        {OP_GELU_FORWARD, 0, -0.0f, 0, 0.5f},
        {OP_GELU_FORWARD, 0, 0, 0, 0.5f},
        {OP_GELU_FORWARD, 0, 1e30f, 1e30f, 1},
        {OP_GELU_FORWARD, 0, INFINITY, INFINITY, NAN},
        {OP_GELU_FORWARD, 0, NAN, NAN, NAN},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const bool by_x = rows[k].op == OP_LEAKY_FORWARD || rows[k].op == OP_GELU_FORWARD;
        float x = rows[k].x, y = 7, dy = 1, dx = 7;
        op_args args = {.op = rows[k].op, .n = 1, .batch = 1, .size = {1}, .scalar = {rows[k].slope}};
        run(&args, (void *[]){&x, &y});
        args.op = (op_id)(rows[k].op + 1);
        run(&args, (void *[]){by_x ? &x : &y, &dy, &dx});
        ck_assert_msg(isnan(rows[k].y) ? isnan(y) : y == rows[k].y && !(y == 0 && signbit(y)), "%s(%g) is %g",
                      op_get(rows[k].op)->name, (double)x, (double)y);
        ck_assert_msg(isnan(rows[k].dx) ? isnan(dx) : dx == rows[k].dx && !(dx == 0 && signbit(dx)),
                      "the gradient at %g of %s is %g", (double)x, op_get(rows[k].op)->name, (double)dx);
    }
}
END_TEST

/* A maximum leaves the padding out, and its gradient goes to the first of equals; a mean counts the padding as zeros
 * (PyTorch's count_include_pad, its default). */
START_TEST(pools_at_the_border)
{
    float x[9] = {-1, -2, -3, -4, -1, -6, -7, -8, -9}, y[4], dy[4] = {1, 2, 4, 8}, dx[9];
    op_args args = {.op = OP_MAX_POOL_FORWARD,
                    .n = 1,
                    .batch = 1,
                    .size = {1, 3, 3, 1, 2, 2, 3, 3, 2, 2, 1, 1, 1, 1, 1},
                    .scalar = {9, 1.0f / 9}};
    static const float highest[] = {-1, -1, -1, -1}, to_highest[] = {1, 0, 0, 0, 14, 0, 0, 0, 0};
    run(&args, (void *[]){x, y});
    ck_assert(!memcmp(y, highest, sizeof y));
    args.op = OP_MAX_POOL_BACKWARD;
    run(&args, (void *[]){x, dy, dx});
    ck_assert(!memcmp(dx, to_highest, sizeof dx));
    x[8] = NAN;
    args.op = OP_MAX_POOL_FORWARD;
    run(&args, (void *[]){x, y});
    ck_assert(isnan(y[3]) && y[2] == -1);

    for (int i = 0; i < 9; i++) x[i] = 9;
    static const float means[] = {4, 4, 4, 4};
    static const float spread[] = {9, 27, 18, 45, 135, 90, 36, 108, 72};
    for (int i = 0; i < 4; i++) dy[i] *= 81;
    args.op = OP_AVERAGE_POOL_FORWARD;
    run(&args, (void *[]){x, y});
    ck_assert(!memcmp(y, means, sizeof y));
    args.op = OP_AVERAGE_POOL_BACKWARD;
    run(&args, (void *[]){dy, dx});
    ck_assert(!memcmp(dx, spread, sizeof dx));
}
END_TEST

/* Inputs and first biases that are 0 make many values of exactly 0. */
START_TEST(leaky_0_trains_as_relu)
{
    enum { EXAMPLES = 40, PIXELS = 25 };
    static const char *const text[] = {"input 1x5x5\nconv2d 3 3 padding 1\nrelu\nmax_pool 2\ndense 4\n",
                                       "input 1x5x5\nconv2d 3 3 padding 1\nleaky 0\nmax_pool 2\ndense 4\n",
                                       "input 1x5x5\nconv2d 3 3 padding 1\nleaky 0.5\nmax_pool 2\ndense 4\n"};
    static float inputs[EXAMPLES * PIXELS];
    static uint32_t labels[EXAMPLES];
    char digest[3][65];
    for (int i = 0; i < EXAMPLES; i++) {
        labels[i] = (uint32_t)i % 4;
        inputs[i * PIXELS + 6 + labels[i]] = 1;
    }
    for (int k = 0; k < 3; k++) {
        tas_data *data = data_of(EXAMPLES, PIXELS, inputs, labels, 4, 0);
        tas_model *model = model_of_text(text[k], 3);
        const tas_train_options options = sample_options(8, 10);
        expect_ok(tas_train(model, data, &options, NULL));
        expect_ok(tas_model_digest(model, digest[k]));
        tas_model_close(&model);
        tas_data_close(&data);
    }
    ck_assert_str_eq(digest[0], digest[1]);
    ck_assert_str_ne(digest[0], digest[2]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("edges");
    TCase *tc = tcase_create("values");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, products_of_integers_are_exact);
    tcase_add_test(tc, hits_of_ties_and_nan);
    tcase_add_test(tc, watch_is_sticky);
    tcase_add_test(tc, nothing_tiny_comes_out);
    tcase_add_test(tc, nan_stays);
    tcase_add_test(tc, activations_at_their_edges);
    tcase_add_test(tc, pools_at_the_border);
    tcase_add_test(tc, leaky_0_trains_as_relu);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
