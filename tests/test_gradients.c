/* Gradients of each layer and each loss against central differences of the loss in double precision. The gradient is seen
 * as a user sees it: one step with momentum 0 and a learning rate of 2^10 moves the weights by 2^10 times the mean gradient. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MOST = 40 };

static const float rate = 0x1p10f;

typedef struct problem {
    plain_net net;
    uint32_t count;
    float *inputs, *targets; /* targets of mse */
    uint32_t labels[BATCH_MOST];
    double *parameters;
} problem;

/* Mean loss over the examples; *kink as plain_forward() has it. */
static double mean_loss(const problem *p, double *kink)
{
    const uint32_t width = plain_outputs(&p->net);
    double sum = 0, x[PLAIN_WIDTH], y[PLAIN_WIDTH], target[PLAIN_WIDTH];
    for (uint32_t e = 0; e < p->count; e++) {
        for (uint32_t i = 0; i < p->net.inputs; i++) x[i] = p->inputs[e * p->net.inputs + i];
        plain_forward(&p->net, p->parameters, x, y, kink);
        for (uint32_t j = 0; j < width; j++) target[j] = p->targets[e * width + j];
        sum += p->net.mse ? plain_squared(y, width, target) : plain_softmax(y, width, p->labels[e]);
    }
    return sum / p->count;
}

/* Draws examples and parameters until no relu or leaky is near its kink. */
static void draw_problem(problem *p, float *values)
{
    const uint32_t width = plain_outputs(&p->net);
    const size_t count = plain_parameters(&p->net);
    for (int attempt = 0;; attempt++) {
        double kink = INFINITY;
        ck_assert_int_lt(attempt, 2000);
        for (uint32_t k = 0; k < p->count * p->net.inputs; k++) p->inputs[k] = random_float(-1.5f, 1.5f);
        for (uint32_t k = 0; k < p->count * width; k++) p->targets[k] = random_float(-1, 1);
        for (uint32_t e = 0; e < p->count; e++) p->labels[e] = random_below(width);
        for (size_t k = 0; k < count; k++) p->parameters[k] = values[k] = random_float(-0.9f, 0.9f);
        mean_loss(p, &kink);
        if (kink > 2e-3) return;
    }
}

static void check_gradients(const plain_net *net, uint32_t count)
{
    char text[1024];
    const uint32_t width = plain_outputs(net);
    const size_t elements = plain_parameters(net);
    const double h = 1e-5;
    problem p = {.net = *net, .count = count};
    p.inputs = malloc(count * net->inputs * sizeof *p.inputs);
    p.targets = malloc(count * width * sizeof *p.targets);
    p.parameters = malloc(elements * sizeof *p.parameters);
    float *before = malloc(elements * sizeof *before);
    draw_problem(&p, before);
    plain_text(net, text, sizeof text);

    tas_model *model = model_of(net, 1);
    tas_data *data = data_of(count, net->inputs, p.inputs, net->mse ? (void *)p.targets : (void *)p.labels,
                             net->mse ? 0 : width, width);
    tas_train_options is;
    tas_train_result result;
    tas_train_options_init(&is);
    is.batch = count;
    is.steps = 1;
    is.lr = rate;
    is.momentum = 0;
    ck_assert_uint_eq(model_elements(model), elements);
    model_set(model, before);
    expect_ok(tas_train(model, data, &is, &result));
    const double loss = mean_loss(&p, NULL);
    ck_assert_msg(fabs(result.last_loss - loss) <= 2e-5 * (1 + fabs(loss)), "loss %.9g, expected %.9g of\n%s",
                  result.last_loss, loss, text);

    float *after = model_get(model);
    double most = 0;
    for (size_t k = 0; k < elements; k++) {
        const double w = p.parameters[k], got = ((double)before[k] - after[k]) / rate;
        p.parameters[k] = w + h;
        const double above = mean_loss(&p, NULL);
        p.parameters[k] = w - h;
        const double below = mean_loss(&p, NULL), want = (above - below) / (2 * h);
        p.parameters[k] = w;
        if (fabs(want) > most) most = fabs(want);
        ck_assert_msg(fabs(got - want) <= 1e-4 * fabs(want) + 3e-6,
                      "parameter %zu: gradient %.9g, expected %.9g of\n%s", k, got, want, text);
    }
    ck_assert_msg(most > 1e-3, "no gradient to speak of in\n%s", text);
    free(after), free(before), free(p.parameters), free(p.targets), free(p.inputs);
    tas_data_close(&data);
    tas_model_close(&model);
}

static plain_net net_of(uint32_t inputs, bool mse) { return (plain_net){.inputs = inputs, .mse = mse}; }

START_TEST(one_dense)
{
    for (int mse = 0; mse < 2; mse++)
        for (uint32_t units = mse ? 1 : 2; units < 20; units += 5) {
            plain_net net = net_of(7, mse);
            plain_add(&net, PLAIN_DENSE, units);
            check_gradients(&net, 1);
            check_gradients(&net, 9);
        }
}
END_TEST

/* dense, the activation, dense: gradients to the first layer go through it. */
START_TEST(each_activation)
{
    for (int mse = 0; mse < 2; mse++) {
        plain_net net = net_of(5, mse);
        plain_add(&net, PLAIN_DENSE, 6);
        plain_add(&net, (plain_kind)_i, 0);
        plain_add(&net, PLAIN_DENSE, 3);
        check_gradients(&net, 1);
        check_gradients(&net, 8);
    }
}
END_TEST

/* An activation is the output, and another one the first layer: nothing goes back through that. */
START_TEST(activations_at_both_ends)
{
    for (int mse = 0; mse < 2; mse++) {
        plain_net net = net_of(6, mse);
        plain_add(&net, (plain_kind)_i, 0);
        plain_add(&net, PLAIN_DENSE, 4);
        plain_add(&net, (plain_kind)_i, 0);
        check_gradients(&net, 5);
    }
}
END_TEST

START_TEST(all_layers_in_one)
{
    for (int mse = 0; mse < 2; mse++) {
        plain_net net = net_of(6, mse);
        net.mean = 0.25;
        net.std = 0.5;
        for (int kind = PLAIN_RELU; kind <= PLAIN_GELU; kind++) {
            plain_add(&net, PLAIN_DENSE, 5);
            plain_add(&net, (plain_kind)kind, 0);
        }
        plain_add(&net, PLAIN_DENSE, 4);
        check_gradients(&net, 3);
    }
}
END_TEST

/* More than a block of the loops in each direction, and more than a row's lanes of classes. */
START_TEST(wide_layers)
{
    for (int mse = 0; mse < 2; mse++) {
        plain_net net = net_of(70, mse);
        plain_add(&net, PLAIN_DENSE, 66);
        plain_add(&net, PLAIN_TANH, 0);
        plain_add(&net, PLAIN_DENSE, 19);
        check_gradients(&net, 2);
    }
}
END_TEST

START_TEST(a_batch_of_many)
{
    plain_net net = net_of(3, false);
    plain_add(&net, PLAIN_DENSE, 4);
    plain_add(&net, PLAIN_SIGMOID, 0);
    plain_add(&net, PLAIN_DENSE, 2);
    check_gradients(&net, BATCH_MOST);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradients");
    TCase *tc = tcase_create("finite differences");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, one_dense);
    tcase_add_loop_test(tc, each_activation, PLAIN_RELU, PLAIN_GELU + 1);
    tcase_add_loop_test(tc, activations_at_both_ends, PLAIN_RELU, PLAIN_GELU + 1);
    tcase_add_test(tc, all_layers_in_one);
    tcase_add_test(tc, wide_layers);
    tcase_add_test(tc, a_batch_of_many);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
