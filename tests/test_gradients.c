/* Gradients of each layer and each loss against central differences of the loss in double precision. The gradient is
 * seen as a user sees it: one step with momentum 0 and a learning rate of 2^10 moves the weights by 2^10 times the mean
 * gradient. */
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
    float *inputs, *targets;   /* targets of mse */
    float weights[BATCH_MOST]; /* of examples, if the net has them */
    uint32_t labels[BATCH_MOST];
    double *parameters;
} problem;

/* Mean loss over the examples, with the masks of the net's epoch; *kink as plain_forward() has it. */
static double mean_loss(const problem *p, double *kink)
{
    plain_net net = p->net;
    const uint32_t width = plain_outputs(&p->net);
    double sum = 0, weights = 0, x[PLAIN_WIDTH], y[PLAIN_WIDTH], target[PLAIN_WIDTH];
    net.training = true;
    for (uint32_t e = 0; e < p->count; e++) {
        net.example = e;
        for (uint32_t i = 0; i < p->net.inputs; i++) x[i] = p->inputs[e * p->net.inputs + i];
        plain_forward(&net, p->parameters, x, y, kink);
        for (uint32_t j = 0; j < width; j++) target[j] = p->targets[e * width + j];
        const double w = p->net.weighted ? p->weights[e] : 1;
        sum += w * plain_loss(&p->net, y, p->labels[e], target, kink);
        weights += w;
    }
    return sum / weights;
}

/* Draws examples and parameters until no relu, leaky or maximum is near its kink. */
static bool draw_problem(problem *p, float *values)
{
    const uint32_t width = plain_outputs(&p->net);
    const size_t count = plain_parameters(&p->net);
    for (int attempt = 0; attempt < 1000; attempt++) {
        double kink = INFINITY;
        for (uint32_t k = 0; k < p->count * p->net.inputs; k++) p->inputs[k] = random_float(-1.5f, 1.5f);
        for (uint32_t k = 0; k < p->count * width; k++)
            p->targets[k] = random_float(p->net.loss == TAS_LOSS_BCE ? 0 : -1, 1);
        for (uint32_t e = 0; e < p->count; e++) p->labels[e] = random_below(width);
        for (size_t k = 0; k < count; k++) p->parameters[k] = values[k] = random_float(-0.9f, 0.9f);
        mean_loss(p, &kink);
        if (kink > (attempt < 500 ? 2e-3 : 2e-4)) return true;
    }
    return false;
}

/* What the model predicts, which drops nothing. */
static void check_forward(tas_model *model, const problem *p)
{
    const uint32_t width = plain_outputs(&p->net);
    float *y = malloc(p->count * width * sizeof *y);
    double x[PLAIN_WIDTH], want[PLAIN_WIDTH];
    expect_ok(tas_predict(model, p->inputs, p->count, y));
    for (uint32_t e = 0; e < p->count; e++) {
        for (uint32_t i = 0; i < p->net.inputs; i++) x[i] = p->inputs[e * p->net.inputs + i];
        plain_forward(&p->net, p->parameters, x, want, NULL);
        for (uint32_t j = 0; j < width; j++)
            ck_assert_msg(fabs(y[e * width + j] - want[j]) <= 1e-5 * (1 + fabs(want[j])),
                          "example %u: output %u is %.9g, expected %.9g of\n%s", e, j, y[e * width + j], want[j],
                          tas_network_text(tas_model_network(model)));
    }
    free(y);
}

/* Gives the largest of the gradient's magnitudes; 0 where no parameters were found that are away from all kinks. */
static double compare_within(const plain_net *net, uint32_t count, double bound)
{
    char text[PLAIN_TEXT];
    const uint32_t width = plain_outputs(net);
    const size_t elements = plain_parameters(net);
    const double h = 1e-6;
    problem p = {.net = *net, .count = count};
    p.net.seed = random_u64();
    p.inputs = malloc(count * net->inputs * sizeof *p.inputs);
    p.targets = malloc(count * width * sizeof *p.targets);
    p.parameters = malloc(elements * sizeof *p.parameters);
    float *before = malloc(elements * sizeof *before);
    for (uint32_t e = 0; e < count; e++) p.weights[e] = random_float(0.1f, 3);
    const bool drawn = draw_problem(&p, before);
    plain_text(net, text, sizeof text);

    tas_model *model = model_of(net, 1);
    tas_data *data = data_with_weights(count, net->inputs, p.inputs, net->mse ? (void *)p.targets : (void *)p.labels,
                                       net->mse ? 0 : width, width, net->weighted ? p.weights : NULL);
    tas_train_options options;
    tas_train_result result;
    tas_train_options_init(&options);
    options.batch = count;
    options.steps = 1;
    options.lr = rate;
    options.momentum = 0;
    options.seed = p.net.seed;
    ck_assert_uint_eq(model_elements(model), elements);
    model_set(model, before);
    check_forward(model, &p);
    expect_ok(tas_train(model, data, &options, &result));
    const double loss = mean_loss(&p, NULL);
    ck_assert_msg(fabs(result.last_loss - loss) <= 2e-5 * (1 + fabs(loss)), "loss %.9g, expected %.9g of\n%s",
                  result.last_loss, loss, text);

    float *after = model_get(model);
    double most = 0, *want = calloc(elements, sizeof *want);
    for (size_t k = 0; k < elements && drawn; k++) {
        const double w = p.parameters[k];
        p.parameters[k] = w + h;
        const double above = mean_loss(&p, NULL);
        p.parameters[k] = w - h;
        want[k] = (above - mean_loss(&p, NULL)) / (2 * h);
        p.parameters[k] = w;
        if (fabs(want[k]) > most) most = fabs(want[k]);
    }
    for (size_t k = 0; k < elements && drawn; k++) {
        const double got = ((double)before[k] - after[k]) / rate;
        ck_assert_msg(fabs(got - want[k]) <= 1e-4 * fabs(want[k]) + bound * (1 + most),
                      "parameter %zu: gradient %.9g, expected %.9g of\n%s", k, got, want[k], text);
    }
    free(want);
    free(after), free(before), free(p.parameters), free(p.targets), free(p.inputs);
    tas_data_close(&data);
    tas_model_close(&model);
    return most;
}

static double compare_gradients(const plain_net *net, uint32_t count) { return compare_within(net, count, 3e-6); }

static void check_gradients(const plain_net *net, uint32_t count)
{
    double most = 0;
    for (int k = 0; k < 4 && most < 1e-3; k++) most = compare_gradients(net, count); /* all may be dead once */
    ck_assert_msg(most > 1e-3, "a network of %d layers has no gradient to speak of: %g", net->layers, most);
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

/* Losses with float targets, from 0 to 1 for bce; softmax with smoothing; examples with weights. */
START_TEST(each_loss)
{
    static const plain_net losses[] = {
        {.mse = true, .ending = "bce", .loss = TAS_LOSS_BCE},
        {.mse = true, .ending = "mae", .loss = TAS_LOSS_MAE},
        {.mse = true, .ending = "huber", .loss = TAS_LOSS_HUBER, .delta = 1},
        {.mse = true, .ending = "huber delta 0.25", .loss = TAS_LOSS_HUBER, .delta = 0.25},
        {.ending = "softmax smoothing 0.1", .smoothing = 0.1},
        {.ending = "softmax smoothing 1", .smoothing = 1},
        {.mse = true, .weighted = true},
        {.mse = true, .weighted = true, .ending = "bce", .loss = TAS_LOSS_BCE},
        {.weighted = true},
    };
    for (size_t k = 0; k < sizeof losses / sizeof *losses; k++)
        for (uint32_t units = losses[k].mse ? 1 : 2; units < 20; units += 6) {
            plain_net net = losses[k];
            net.inputs = 5;
            plain_add(&net, PLAIN_DENSE, 6);
            plain_add(&net, PLAIN_TANH, 0);
            plain_add(&net, PLAIN_DENSE, units);
            check_gradients(&net, 1);
            check_gradients(&net, 3);
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
        for (int kind = PLAIN_RELU; kind <= PLAIN_SOFTPLUS; kind++) {
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

/* Planes ----------------------------------------------------------------------------------------------------------- */

static plain_net planes_of(uint32_t channels, uint32_t height, uint32_t width, bool mse)
{
    return (plain_net){.inputs = channels * height * width, .in = {channels, height, width, false}, .mse = mse};
}

static const plain_layer window_layers[] = {
    {.kind = PLAIN_CONV, .units = 3, .kernel = {1, 1}},
    {.kind = PLAIN_CONV, .units = 2, .kernel = {3, 3}, .padding = {1, 1}},
    {.kind = PLAIN_CONV, .units = 4, .kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 0}},
    {.kind = PLAIN_CONV, .units = 2, .kernel = {2, 3}, .dilation = {2, 1}, .padding = {0, 2}},
    {.kind = PLAIN_CONV, .units = 2, .kernel = {2, 2}, .dilation = {2, 2}, .stride = {2, 2}, .padding = {1, 1}},
    {.kind = PLAIN_CONV, .units = 4, .kernel = {3, 3}, .padding = {1, 1}, .groups = 2},
    {.kind = PLAIN_CONV, .units = 2, .kernel = {2, 2}, .stride = {3, 3}, .groups = 2},
    {.kind = PLAIN_CONV, .units = 4, .kernel = {3, 3}, .padding = {1, 1}, .groups = 2, .no_bias = true},
    {.kind = PLAIN_DENSE, .units = 4, .no_bias = true},
    {.kind = PLAIN_CONV, .units = 2, .kernel = {3, 3}, .padding = {1, 1}, .groups = 2},
    {.kind = PLAIN_CONV_TRANSPOSE, .units = 3, .kernel = {2, 2}, .stride = {2, 2}},
    {.kind = PLAIN_CONV_TRANSPOSE, .units = 2, .kernel = {3, 3}, .padding = {1, 1}},
    {.kind = PLAIN_CONV_TRANSPOSE,
     .units = 2,
     .kernel = {3, 2},
     .stride = {2, 3},
     .padding = {1, 0},
     .after = {1, 2},
     .groups = 2},
    {.kind = PLAIN_CONV_TRANSPOSE, .units = 4, .kernel = {3, 3}, .stride = {1, 2}, .groups = 2, .no_bias = true},
    {.kind = PLAIN_UPSAMPLE, .stride = {2, 2}},
    {.kind = PLAIN_UPSAMPLE, .stride = {1, 3}},
    {.kind = PLAIN_PAD, .padding = {1, 1}, .after = {1, 1}},
    {.kind = PLAIN_PAD, .padding = {0, 2}, .after = {3, 1}},
    {.kind = PLAIN_MAX_POOL, .kernel = {2, 2}, .stride = {2, 2}},
    {.kind = PLAIN_MAX_POOL, .kernel = {3, 2}, .stride = {1, 2}, .padding = {1, 1}},
    {.kind = PLAIN_MAX_POOL, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}},
    {.kind = PLAIN_AVERAGE_POOL, .kernel = {2, 2}, .stride = {2, 2}},
    {.kind = PLAIN_AVERAGE_POOL, .kernel = {3, 2}, .stride = {1, 2}, .padding = {1, 1}},
    {.kind = PLAIN_GLOBAL_POOL},
    {.kind = PLAIN_FLATTEN},
    {.kind = PLAIN_DROPOUT, .rate = 0.4f},
};

static void add_layer(plain_net *net, plain_layer layer)
{
    if (layer.kernel[0] || layer.kind >= PLAIN_CONV_TRANSPOSE) {
        ck_assert(plain_add_window(net, layer));
        return;
    }
    plain_add(net, layer.kind, layer.units);
    net->layer[net->layers - 1].rate = layer.rate;
    net->layer[net->layers - 1].no_bias = layer.no_bias;
}

/* A convolution, what is looked at, and what follows: a dense layer, or a convolution, which needs planes. */
START_TEST(each_spatial_layer)
{
    static const plain_layer before = {.kind = PLAIN_CONV, .units = 2, .kernel = {2, 2}, .padding = {1, 1}},
                             after = {.kind = PLAIN_CONV, .units = 3, .kernel = {2, 2}, .padding = {1, 1}};
    for (int mse = 0; mse < 2; mse++)
        for (int dense = window_layers[_i].kind == PLAIN_FLATTEN || window_layers[_i].kind == PLAIN_DENSE; dense < 2;
             dense++) {
            plain_net net = planes_of(2, 5, 4, mse);
            add_layer(&net, before);
            plain_add(&net, PLAIN_TANH, 0);
            add_layer(&net, window_layers[_i]);
            if (dense)
                plain_add(&net, PLAIN_DENSE, 3);
            else
                add_layer(&net, after);
            check_gradients(&net, 1 + (uint32_t)dense * 4);
        }
}
END_TEST

/* The first layer has its inputs' gradient from nobody. */
START_TEST(spatial_layers_first_and_last)
{
    for (int mse = 0; mse < 2; mse++) {
        plain_net net = planes_of(2, 5, 4, mse);
        add_layer(&net, window_layers[_i]);
        if (!plain_parameters(&net)) plain_add(&net, PLAIN_DENSE, 4);
        check_gradients(&net, 4);
    }
}
END_TEST

typedef struct epochs {
    problem *p;
    uint32_t seen;
    double first; /* loss */
} epochs;

static int check_epoch(void *user, const tas_step *step)
{
    epochs *e = user;
    e->p->net.epoch = e->seen;
    const double want = mean_loss(e->p, NULL);
    ck_assert_msg(fabs(step->loss - want) <= 2e-5 * (1 + want), "epoch %u: loss %.9g, expected %.9g", e->seen,
                  step->loss, want);
    if (e->seen++) ck_assert(step->loss != (float)e->first);
    e->first = step->loss;
    return 0;
}

/* Masks are drawn anew in each epoch: with weights that stay, losses tell. */
START_TEST(masks_of_epochs)
{
    plain_net net = planes_of(1, 4, 4, false);
    plain_add(&net, PLAIN_DROPOUT, 0);
    add_layer(&net, window_layers[1]);
    plain_add(&net, PLAIN_DROPOUT, 0);
    plain_add(&net, PLAIN_DENSE, 3);
    problem p = {.net = net, .count = 7};
    const size_t elements = plain_parameters(&net);
    float x[7 * 16], targets[7 * 3], *values = malloc(elements * sizeof *values);
    p.inputs = x;
    p.targets = targets;
    p.parameters = malloc(elements * sizeof *p.parameters);
    p.net.seed = random_u64();
    ck_assert(draw_problem(&p, values));
    tas_model *model = model_of(&net, 1);
    tas_data *data = data_of(7, 16, x, p.labels, 3, 0);
    epochs e = {.p = &p};
    tas_train_options options;
    tas_train_options_init(&options);
    options.batch = 7;
    options.epochs = 6;
    options.lr = 0;
    options.seed = p.net.seed;
    options.on_step = check_epoch;
    options.user = &e;
    model_set(model, values);
    expect_ok(tas_train(model, data, &options, NULL));
    ck_assert_uint_eq(e.seen, 6);
    free(values), free(p.parameters);
    tas_data_close(&data);
    tas_model_close(&model);
}
END_TEST

START_TEST(drawn_networks)
{
    int alive = 0; /* some have no relu that lets anything through */
    for (int round = 0; round < 30; round++) {
        plain_net net;
        plain_draw(&net, round % 4 != 0, 60);
        if (!net.mse && plain_outputs(&net) == 1) net.mse = true; /* the softmax of one is 1 */
        for (int l = 0; l < net.layers; l++) /* what is multiplied by much more than 1 passes the bounds */
            if (net.layer[l].rate > 0.5f) net.layer[l].rate = 0.5f;
        alive += compare_within(&net, 1 + random_below(5), 8e-6) > 1e-3; /* normalization magnifies roundings */
    }
    ck_assert_int_gt(alive, 15);
}
END_TEST

/* Branches --------------------------------------------------------------------------------------------------------- */

static const plain_kind joins[] = {PLAIN_ADD, PLAIN_CONCAT, PLAIN_MULTIPLY};
enum { JOINS = sizeof joins / sizeof *joins };

/* The next layer reads an earlier value. */
static void jump(plain_net *net, plain_value from, plain_layer layer)
{
    layer.jumps = true;
    layer.from = from;
    add_layer(net, layer);
}

/* dense; of its value: an activation, the join with it, and a dense layer. */
static void join_rows(plain_net *net, plain_kind kind)
{
    plain_add(net, PLAIN_DENSE, 5);
    const plain_value v = net->layers;
    plain_add(net, PLAIN_TANH, 0);
    plain_join(net, kind, v);
    plain_add(net, PLAIN_DENSE, 3);
}

START_TEST(joins_of_rows)
{
    for (int mse = 0; mse < 2; mse++) {
        plain_net net = net_of(4, mse);
        join_rows(&net, joins[_i]);
        check_gradients(&net, 1);
        check_gradients(&net, 7);
    }
}
END_TEST

/* The same value on both sides, and for a sum or a concatenation once more. */
START_TEST(joins_of_a_value_with_itself)
{
    for (int planes = 0; planes < 2; planes++) {
        plain_net net = planes ? planes_of(2, 3, 4, false) : net_of(4, false);
        if (planes)
            add_layer(&net, window_layers[1]);
        else
            plain_add(&net, PLAIN_DENSE, 5);
        plain_join(&net, joins[_i], net.layers);
        if (joins[_i] != PLAIN_MULTIPLY) {
            net.layer[net.layers - 1].join[1] = net.layers - 1;
            net.layer[net.layers - 1].joins = 2;
        }
        plain_add(&net, PLAIN_DENSE, 3);
        check_gradients(&net, 5);
    }
}
END_TEST

/* The input itself is an operand, and needs no gradient. The join is the last layer, too. */
START_TEST(joins_with_the_input)
{
    for (int planes = 0; planes < 2; planes++) {
        plain_net net = planes ? planes_of(2, 3, 4, true) : net_of(5, true);
        if (planes)
            add_layer(&net, window_layers[1]);
        else
            plain_add(&net, PLAIN_DENSE, 5);
        plain_join(&net, joins[_i], 0);
        check_gradients(&net, 5);
    }
}
END_TEST

/* A residual block as they are: two convolutions, the shortcut a convolution of its own; relu behind the sum. Rows
 * follow, so that one value is needed in both layouts. */
START_TEST(joins_of_planes)
{
    static const plain_layer first = {.kind = PLAIN_CONV, .units = 3, .kernel = {3, 3}, .padding = {1, 1}},
                             narrow = {.kind = PLAIN_CONV,
                                       .units = 4,
                                       .kernel = {3, 3},
                                       .stride = {2, 2},
                                       .padding = {1, 1}},
                             second = {.kind = PLAIN_CONV, .units = 4, .kernel = {3, 3}, .padding = {1, 1}},
                             shortcut = {.kind = PLAIN_CONV, .units = 4, .kernel = {1, 1}, .stride = {2, 2}};
    for (int mse = 0; mse < 2; mse++) {
        plain_net net = planes_of(2, 5, 4, mse);
        add_layer(&net, first);
        plain_add(&net, PLAIN_TANH, 0);
        const plain_value start = net.layers;
        add_layer(&net, narrow);
        plain_add(&net, PLAIN_TANH, 0);
        add_layer(&net, second);
        const plain_value body = net.layers;
        jump(&net, start, shortcut);
        plain_join(&net, joins[_i], body);
        plain_add(&net, PLAIN_GELU, 0);
        plain_add(&net, PLAIN_GLOBAL_POOL, 0);
        plain_add(&net, PLAIN_DENSE, 3);
        check_gradients(&net, 4);
    }
}
END_TEST

/* One value goes to a convolution, a dense layer and a join: its gradient comes in both layouts and is summed. */
START_TEST(a_value_with_three_readers)
{
    static const plain_layer same = {.kind = PLAIN_CONV, .units = 2, .kernel = {3, 3}, .padding = {1, 1}},
                             gate = {.kind = PLAIN_DENSE, .units = 3};
    plain_net net = planes_of(2, 3, 4, false);
    add_layer(&net, same);
    const plain_value shared = net.layers;
    plain_add(&net, PLAIN_TANH, 0);
    add_layer(&net, same);
    plain_join(&net, joins[_i], shared);
    plain_add(&net, PLAIN_DENSE, 3);
    const plain_value left = net.layers;
    plain_add(&net, PLAIN_DENSE, gate.units);
    net.layer[net.layers - 1].jumps = true;
    net.layer[net.layers - 1].from = shared;
    plain_add(&net, PLAIN_SIGMOID, 0);
    plain_join(&net, PLAIN_MULTIPLY, left);
    plain_add(&net, PLAIN_DENSE, 4);
    check_gradients(&net, 1);
    check_gradients(&net, 6);
}
END_TEST

/* The gradient of a relu that several read, in both layouts and behind a layer that computes nothing. */
START_TEST(a_relu_with_several_readers)
{
    static const plain_layer same = {.kind = PLAIN_CONV, .units = 2, .kernel = {3, 3}, .padding = {1, 1}},
                             few = {.kind = PLAIN_DENSE, .units = 3}, none = {.kind = PLAIN_FLATTEN};
    for (int readers = 2; readers <= 4; readers++) {
        plain_net net = planes_of(2, 3, 4, false);
        add_layer(&net, same);
        plain_add(&net, PLAIN_RELU, 0);
        const plain_value shared = net.layers;
        add_layer(&net, same);
        plain_join(&net, joins[_i], shared);
        plain_add(&net, PLAIN_DENSE, 3);
        plain_value left = net.layers;
        for (int more = 2; more < readers; more++) {
            jump(&net, shared, more == 2 ? few : none);
            if (more > 2) plain_add(&net, PLAIN_DENSE, few.units);
            plain_join(&net, PLAIN_ADD, left);
            left = net.layers;
        }
        plain_add(&net, PLAIN_DENSE, 4);
        check_gradients(&net, 1);
        check_gradients(&net, 6);
    }
}
END_TEST

/* Both inputs of a sum have its gradient, the relu's and the other's. */
START_TEST(a_sum_with_several_readers_of_a_relu)
{
    plain_net net = net_of(4, false);
    plain_add(&net, PLAIN_DENSE, 5);
    const plain_value other = net.layers;
    plain_add(&net, PLAIN_DENSE, 5);
    plain_add(&net, PLAIN_RELU, 0);
    plain_join(&net, PLAIN_ADD, other);
    const plain_value sum = net.layers;
    plain_add(&net, PLAIN_FLATTEN, 0);
    plain_add(&net, PLAIN_DENSE, 5);
    plain_join(&net, joins[_i], sum);
    plain_add(&net, PLAIN_DENSE, 3);
    check_gradients(&net, 6);
}
END_TEST

/* flatten computes nothing: its value and the planes before it are one memory, with a name each. */
START_TEST(planes_and_their_rows_are_both_read)
{
    static const plain_layer same = {.kind = PLAIN_CONV, .units = 2, .kernel = {3, 3}, .padding = {1, 1}};
    for (int relu = 0; relu < 2; relu++) {
        plain_net net = planes_of(2, 3, 4, false);
        add_layer(&net, same);
        const plain_value planes = net.layers;
        plain_add(&net, PLAIN_FLATTEN, 0);
        const plain_value rows = net.layers;
        if (relu) plain_add(&net, PLAIN_TANH, 0);
        plain_add(&net, PLAIN_DENSE, 24);
        plain_join(&net, joins[_i], rows);
        const plain_value sum = net.layers;
        jump(&net, planes, same);
        plain_add(&net, PLAIN_FLATTEN, 0);
        if (joins[_i] == PLAIN_CONCAT)
            plain_join(&net, PLAIN_CONCAT, sum);
        else
            plain_join(&net, PLAIN_ADD, sum);
        plain_add(&net, PLAIN_DENSE, 3);
        check_gradients(&net, 4);
    }
}
END_TEST

/* The value before a relu is read by others, too, behind a layer that computes nothing. */
START_TEST(a_value_before_its_relu_is_read)
{
    for (int kind = PLAIN_RELU; kind <= PLAIN_TANH; kind++) {
        plain_net net = net_of(4, false);
        plain_add(&net, PLAIN_DENSE, 5);
        const plain_value before = net.layers;
        plain_add(&net, PLAIN_FLATTEN, 0);
        plain_add(&net, (plain_kind)kind, 0);
        plain_add(&net, PLAIN_DENSE, 5);
        plain_join(&net, joins[_i], before);
        plain_add(&net, PLAIN_DENSE, 3);
        check_gradients(&net, 6);
    }
}
END_TEST

START_TEST(drawn_graphs)
{
    int alive = 0;
    for (int round = 0; round < 40; round++) {
        plain_net net;
        plain_draw_graph(&net, round % 4 != 0, 60);
        for (int l = 0; l < net.layers; l++)
            if (net.layer[l].rate > 0.5f) net.layer[l].rate = 0.5f;
        alive += compare_within(&net, 1 + random_below(5), 8e-6) > 1e-3; /* normalization magnifies roundings */
    }
    ck_assert_int_gt(alive, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradients");
    TCase *tc = tcase_create("finite differences");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, one_dense);
    tcase_add_test(tc, each_loss);
    tcase_add_loop_test(tc, each_activation, PLAIN_RELU, PLAIN_SOFTPLUS + 1);
    tcase_add_loop_test(tc, activations_at_both_ends, PLAIN_RELU, PLAIN_SOFTPLUS + 1);
    tcase_add_test(tc, all_layers_in_one);
    tcase_add_test(tc, wide_layers);
    tcase_add_test(tc, a_batch_of_many);
    const int layers = sizeof window_layers / sizeof *window_layers;
    tcase_add_loop_test(tc, each_spatial_layer, 0, layers);
    tcase_add_loop_test(tc, spatial_layers_first_and_last, 0, layers);
    tcase_add_test(tc, masks_of_epochs);
    tcase_add_test(tc, drawn_networks);
    tcase_add_loop_test(tc, joins_of_rows, 0, JOINS);
    tcase_add_loop_test(tc, joins_of_a_value_with_itself, 0, JOINS);
    tcase_add_loop_test(tc, joins_with_the_input, 0, JOINS);
    tcase_add_loop_test(tc, joins_of_planes, 0, JOINS);
    tcase_add_loop_test(tc, a_value_with_three_readers, 0, JOINS);
    tcase_add_loop_test(tc, a_relu_with_several_readers, 0, JOINS);
    tcase_add_loop_test(tc, a_sum_with_several_readers_of_a_relu, 0, JOINS);
    tcase_add_loop_test(tc, planes_and_their_rows_are_both_read, 0, JOINS);
    tcase_add_loop_test(tc, a_value_before_its_relu_is_read, 0, JOINS);
    tcase_add_test(tc, drawn_graphs);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
