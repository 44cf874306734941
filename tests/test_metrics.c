/* Metrics against a count by hand from what the model predicts, in any tile, from arrays and from callbacks. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SET = 37, WIDTH = 4, MOST = 12 };

static float inputs[SET * WIDTH], targets[SET * MOST], outputs[SET * MOST];
static uint32_t labels[SET];

static int fill(void *user, const uint64_t *index, size_t n, void *in, void *out)
{
    const size_t target = *(const uint32_t *)user; /* floats; 0: labels */
    for (size_t k = 0; k < n; k++) {
        memcpy((float *)in + k * WIDTH, inputs + index[k] * WIDTH, WIDTH * sizeof(float));
        if (target)
            memcpy((float *)out + k * target, targets + index[k] * target, target * sizeof(float));
        else
            ((uint32_t *)out)[k] = labels[index[k]];
    }
    return 0;
}

/* A model without training and a set; *found is from a small budget, and that of a callback has the same bits. */
static void measure(const char *loss, uint32_t width, uint32_t classes, tas_score *score, tas_metrics **found)
{
    char text[100];
    tas_data *data = NULL, *called = NULL;
    tas_metrics *other = NULL;
    tas_score other_score;
    uint32_t target = classes ? 0 : width;
    tas_data_options options;
    for (int k = 0; k < SET * WIDTH; k++) inputs[k] = random_float(-2, 2);
    for (int k = 0; k < SET * MOST; k++) targets[k] = random_float(0, 1);
    for (int k = 0; k < SET; k++) labels[k] = classes ? random_below(classes > 2 ? classes - 1 : classes) : 0;
    snprintf(text, sizeof text, "input %d\ndense %u\nloss %s\n", WIDTH, width, loss);
    tas_model *model = model_of_text(text, random_u64());
    expect_ok(tas_predict(model, inputs, SET, outputs));

    tas_data_options_init(&options);
    options.count = SET;
    options.input_size = WIDTH;
    options.input_type = TAS_INPUT_F32;
    options.target_type = classes ? TAS_TARGET_LABEL : TAS_TARGET_F32;
    options.classes = classes;
    options.target_size = target;
    options.inputs = inputs;
    options.targets = classes ? (const void *)labels : targets;
    expect_ok(tas_data_open(context, &options, &data));
    options.inputs = options.targets = NULL;
    options.fill = fill;
    options.user = &target;
    expect_ok(tas_data_open(context, &options, &called));

    expect_ok(tas_evaluate_metrics(model, called, &other_score, &other));
    tas_model_set_budget(model, 1);
    expect(tas_evaluate_metrics(model, data, score, found), TAS_NO_MEMORY, "budget", "");
    ck_assert_ptr_null(*found);
    const char *number = strstr(tas_error(context), "sufficient budget is ");
    ck_assert_ptr_nonnull(number);
    tas_model_set_budget(model, strtoull(number + strlen("sufficient budget is "), NULL, 10));
    expect_ok(tas_evaluate_metrics(model, data, score, found));
    ck_assert(score->loss == other_score.loss);
    ck_assert_uint_eq((*found)->examples, SET);
    const double *a = &(*found)->rmse, *b = &other->rmse;
    ck_assert(!memcmp(a, b, 3 * sizeof *a));
    if ((*found)->classes)
        ck_assert(!memcmp((*found)->classes, other->classes, (*found)->count * sizeof *other->classes));
    tas_metrics_free(&other);
    tas_data_close(&called);
    tas_data_close(&data);
    tas_model_close(&model);
}

static void check_class(const tas_class_metrics *c, uint64_t support, uint64_t predicted, uint64_t correct)
{
    ck_assert_uint_eq(c->support, support);
    ck_assert_uint_eq(c->predicted, predicted);
    ck_assert_uint_eq(c->correct, correct);
    ck_assert(predicted ? c->precision == (double)correct / (double)predicted : isnan(c->precision));
    ck_assert(support ? c->recall == (double)correct / (double)support : isnan(c->recall));
    if (correct) ck_assert(fabs(c->f1 - 2 / (1 / c->precision + 1 / c->recall)) < 1e-12);
}

static void check_classes(const char *loss, uint32_t width, uint32_t count)
{
    uint64_t matrix[MOST][MOST] = {{0}}, right = 0, top = 0, support[MOST] = {0}, predicted[MOST] = {0};
    double recall = 0, present = 0;
    tas_metrics *m = NULL;
    tas_score score;
    measure(loss, width, count, &score, &m);
    for (int k = 0; k < SET; k++) {
        const float *y = outputs + (size_t)k * width;
        uint32_t most = width == 1 && y[0] > 0, rank = 0;
        for (uint32_t j = 1; j < width; j++) most = y[j] > y[most] ? j : most;
        for (uint32_t j = 0; j < width; j++) rank += y[j] > y[width == 1 ? 0 : labels[k]];
        matrix[labels[k]][most]++;
        support[labels[k]]++;
        predicted[most]++;
        right += most == labels[k];
        top += rank < 5;
    }
    ck_assert_int_eq(m->kind, TAS_METRICS_CLASSES);
    ck_assert_uint_eq(m->count, count);
    ck_assert(m->accuracy == (double)right / SET);
    ck_assert(count > 5 ? m->top5 == (double)top / SET : isnan(m->top5));
    ck_assert(isnan(m->rmse) && isnan(m->mae) && isnan(m->r2));
    if (!strcmp(loss, "softmax")) ck_assert(score.accuracy == m->accuracy && score.correct == right);
    for (uint32_t i = 0; i < count; i++) {
        check_class(&m->classes[i], support[i], predicted[i], matrix[i][i]);
        for (uint32_t j = 0; j < count; j++) ck_assert_uint_eq(m->confusion[i * count + j], matrix[i][j]);
        if (support[i]) recall += m->classes[i].recall, present++;
    }
    ck_assert(fabs(m->recall - recall / present) < 1e-12);
    tas_metrics_free(&m);
    ck_assert_ptr_null(m);
    tas_metrics_free(&m);
}

START_TEST(classes)
{
    for (int round = 0; round < 5; round++) {
        check_classes("softmax", 3, 3);
        check_classes("softmax", 6, 6);
        check_classes("softmax smoothing 0.1", MOST, MOST);
        check_classes("mse", 4, 4);
        check_classes("bce", 7, 7);
        check_classes("bce", 1, 2);
    }
}
END_TEST

START_TEST(answers)
{
    tas_metrics *m = NULL;
    tas_score score;
    uint64_t right = 0;
    measure("bce", 5, 0, &score, &m);
    ck_assert_int_eq(m->kind, TAS_METRICS_ANSWERS);
    for (uint32_t j = 0; j < 5; j++) {
        uint64_t support = 0, predicted = 0, both = 0;
        for (int k = 0; k < SET; k++) {
            const bool is = targets[k * 5 + (int)j] > 0.5f, yes = outputs[k * 5 + (int)j] > 0;
            support += is, predicted += yes, both += is && yes, right += is == yes;
        }
        check_class(&m->classes[j], support, predicted, both);
    }
    ck_assert(m->accuracy == (double)right / (SET * 5.0) && score.accuracy < 0);
    ck_assert_ptr_null(m->confusion);
    tas_metrics_free(&m);
}
END_TEST

START_TEST(values)
{
    static const char *const losses[] = {"mse", "mae", "huber"};
    for (int l = 0; l < 3; l++) {
        tas_metrics *m = NULL;
        tas_score score;
        double squares = 0, errors = 0, r2 = 0;
        measure(losses[l], 3, 0, &score, &m);
        ck_assert_int_eq(m->kind, TAS_METRICS_VALUES);
        for (int j = 0; j < 3; j++) {
            double mean = 0, total = 0, rest = 0;
            for (int k = 0; k < SET; k++) mean += targets[k * 3 + j] / (double)SET;
            for (int k = 0; k < SET; k++) {
                const double d = (double)outputs[k * 3 + j] - targets[k * 3 + j];
                rest += d * d, squares += d * d, errors += fabs(d);
                total += (targets[k * 3 + j] - mean) * (targets[k * 3 + j] - mean);
            }
            r2 += (1 - rest / total) / 3;
        }
        ck_assert(fabs(m->rmse - sqrt(squares / (3.0 * SET))) < 1e-12 * m->rmse);
        ck_assert(fabs(m->mae - errors / (3.0 * SET)) < 1e-12 * m->mae);
        ck_assert(fabs(m->r2 - r2) < 1e-9 * (1 + fabs(r2)));
        ck_assert(isnan(m->accuracy) && isnan(m->top5) && !m->classes && !m->confusion);
        if (l == 0) ck_assert(fabs(score.loss - m->rmse * m->rmse) < 1e-6 * score.loss);
        if (l == 1) ck_assert(fabs(score.loss - m->mae) < 1e-6 * score.loss);
        tas_metrics_free(&m);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tc = tcase_create("metrics");
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, classes);
    tcase_add_test(tc, answers);
    tcase_add_test(tc, values);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
