/* Gradients against differences of the loss. Each check is a small network with one kind of layer or loss. A step with
 * a learning rate of 2^10 and no momentum moves each parameter w by 2^10 times its gradient g; steps with a rate of 0
 * give the losses f(x) at w + x. In double precision, with h = 2^-7:
 *
 *     d(h) = (f(h) - f(-h)) / 2h, s(h) = f(h) - 2 f(0) + f(-h)
 *     difference = (4 d(h) - d(2h)) / 3                    error h^4, as d(h) has h^2
 *     bend = |d(2h) - d(h)| + |s(2h) - 4 s(h)| / h         h^2 if f is smooth; where a relu, a maximum or |x| has its
 *                                                          kink between -2h and 2h, a fifth of its jump or more
 *     |g - difference| <= 2^-10 largest + 4 bend            largest: of the differences that are looked at
 *
 * Elements whose bend is above 2^-6 of the largest difference are left out. If that is every second one or more, or if
 * there is hardly any gradient, other values are drawn. Losses are floats: their rounding is 2^-24 / h, or 2^-17. */
#include "verify/gradients.h"

#include "philox.h"

#include <tassello/model.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 5, OUTPUTS = 3, INPUTS_MOST = 40, ELEMENTS_MOST = 24, ATTEMPTS = 8, POINTS = 5 };
enum { DIFFERENCES_TEXT = 320 };

static const float step_size = 0x1p-7f, rate = 0x1p+10f;
static const double bend_most = 0x1p-6, tolerance = 0x1p-10, least_gradient = 1e-3;

#define ROWS "input 5\ndense 6\n"
#define PLANES "input 2x5x4\nconv2d 4 2 padding 1\n"
#define TAIL "dense 3\n"

typedef struct check {
    const char *name, *text;
    bool weighted; /* examples have weights */
} check;

static const check checks[] = {
    {"dense", ROWS "tanh\ndense 4\ntanh\n" TAIL, false},
    {"dense no bias", ROWS "tanh\ndense 4 no bias\ntanh\n" TAIL, false},
    {"relu", ROWS "relu\ndense 4\nrelu\ntanh\n" TAIL, false}, /* masks, and does not */
    {"leaky", ROWS "leaky 0.1\n" TAIL, false},
    {"tanh", ROWS "tanh\n" TAIL, false},
    {"sigmoid", ROWS "sigmoid\n" TAIL, false},
    {"gelu", ROWS "gelu\n" TAIL, false},
    {"silu", ROWS "silu\n" TAIL, false},
    {"hard_swish", ROWS "hard_swish\n" TAIL, false},
    {"softplus", ROWS "softplus\n" TAIL, false},
    {"dropout", ROWS "dropout 0.4\ntanh\n" TAIL, false},
    {"batch_norm", ROWS "batch_norm\ntanh\n" TAIL, false},
    {"batch_norm group", ROWS "batch_norm group 3\ntanh\n" TAIL, false},
    {"layer_norm", ROWS "layer_norm\ntanh\n" TAIL, false},
    {"add", ROWS "tanh as a\ndense 6\nadd a\n" TAIL, false},
    {"multiply", ROWS "tanh as a\ndense 6\nmultiply a\n" TAIL, false},
    {"concat", ROWS "tanh as a\ndense 4\nconcat a\n" TAIL, false},
    {"conv2d", PLANES "tanh\nconv2d 3 3x2 stride 2x1 padding 1\n" TAIL, false},
    {"conv2d dilation", PLANES "tanh\nconv2d 3 2 dilation 2 no bias\n" TAIL, false},
    {"conv2d groups", PLANES "tanh\nconv2d 6 2 groups 2\n" TAIL, false},
    {"conv2d depthwise", PLANES "tanh\nconv2d 4 3 padding 1 groups 4\n" TAIL, false},
    {"conv_transpose2d", PLANES "tanh\nconv_transpose2d 3 3 stride 2 padding 1\n" TAIL, false},
    {"max_pool", PLANES "max_pool 2 stride 1\n" TAIL, false},
    {"avg_pool", PLANES "tanh\navg_pool 3 stride 2 padding 1\n" TAIL, false},
    {"global_avg_pool", PLANES "tanh\nglobal_avg_pool\n" TAIL, false},
    {"upsample", PLANES "tanh\nupsample 2\n" TAIL, false},
    {"pad", PLANES "tanh\npad 1\nconv2d 2 3\n" TAIL, false},
    {"flatten", PLANES "tanh\nflatten\ndense 4\ntanh\n" TAIL, false},
    {"batch_norm of planes", PLANES "batch_norm\ntanh\n" TAIL, false},
    {"group_norm", PLANES "group_norm 2\ntanh\n" TAIL, false},
    {"loss softmax", ROWS "tanh\n" TAIL "loss softmax\n", false},
    {"loss smoothing", ROWS "tanh\n" TAIL "loss softmax smoothing 0.1\n", false},
    {"loss mse", ROWS "tanh\n" TAIL "loss mse\n", false},
    {"loss bce", ROWS "tanh\n" TAIL "loss bce\n", false},
    {"loss mae", ROWS "tanh\n" TAIL "loss mae\n", false},
    {"loss huber", ROWS "tanh\n" TAIL "loss huber delta 0.5\n", false},
    {"example weights", ROWS "tanh\n" TAIL "loss mse\n", true},
    {"dropout of relu", ROWS "relu\ndropout 0.4\ntanh\n" TAIL, false},
    {"dropout of gelu", ROWS "gelu\ndropout 0.4\ntanh\n" TAIL, false},
};
enum { CHECKS = sizeof checks / sizeof *checks };

const char *gradients_name(size_t number) { return number < CHECKS ? checks[number].name : NULL; }

/* ---- values ------------------------------------------------------------------------------------------------------ */

typedef struct stream {
    uint64_t seed;
    uint32_t check, attempt, at;
} stream;

/* A multiple of 2^-10 within `most` of 0: so w + h is exact. */
static float draw_value(stream *s, float most)
{
    const philox_block b = philox(s->seed, PHILOX_CASES | 0xff0000u, s->check, s->attempt, s->at++);
    const int steps = (int)(most * 0x1p+10f);
    return (float)((int)(((uint64_t)b.v[0] * (uint32_t)(2 * steps + 1)) >> 32) - steps) * 0x1p-10f;
}

typedef struct problem {
    tas_device *device;
    tas_model *model;
    tas_data *data;
    size_t elements; /* that are trained */
    float *values;   /* of these */
    uint64_t seed;
} problem;

static bool has_classes(const check *c) { return !strstr(c->text, "loss") || strstr(c->text, "softmax"); }

static tas_status open_data(tas_context *context, const check *c, stream *s, tas_data **out)
{
    float inputs[EXAMPLES * INPUTS_MOST], targets[EXAMPLES * OUTPUTS], weights[EXAMPLES];
    uint32_t labels[EXAMPLES];
    tas_data_options set;
    const bool planes = strstr(c->text, PLANES) != NULL;
    tas_data_options_init(&set);
    set.count = EXAMPLES;
    set.input_size = planes ? INPUTS_MOST : 5;
    set.input_type = TAS_INPUT_F32;
    set.target_type = has_classes(c) ? TAS_TARGET_LABEL : TAS_TARGET_F32;
    set.classes = has_classes(c) ? OUTPUTS : 0;
    set.target_size = has_classes(c) ? 0 : OUTPUTS;
    set.inputs = inputs;
    set.targets = has_classes(c) ? (const void *)labels : targets;
    set.weights = c->weighted ? weights : NULL;
    for (int i = 0; i < EXAMPLES * INPUTS_MOST; i++) inputs[i] = draw_value(s, 1.5f);
    for (int i = 0; i < EXAMPLES * OUTPUTS; i++) targets[i] = 0.5f + draw_value(s, 0.5f);
    for (int i = 0; i < EXAMPLES; i++) weights[i] = 1.5f + draw_value(s, 1);
    for (int i = 0; i < EXAMPLES; i++) labels[i] = (uint32_t)i % OUTPUTS;
    return tas_data_open(context, &set, out);
}

/* The trained tensor that element k of all is in, and its place there. */
static const tas_tensor_info *find_tensor(const tas_model *model, size_t k, size_t *at)
{
    const tas_tensor_info *info;
    *at = k;
    for (size_t i = 0; (info = tas_network_tensor(tas_model_network(model), i)); i++) {
        if (!info->trained) continue;
        if (*at < info->elements) return info;
        *at -= info->elements;
    }
    return NULL;
}

/* Calls tas_model_read() or tas_model_write() on all trained tensors. */
static tas_status copy_values(const problem *p, float *values, bool writes)
{
    const tas_tensor_info *info;
    tas_status status = TAS_OK;
    for (size_t i = 0; !status && (info = tas_network_tensor(tas_model_network(p->model), i)); i++) {
        if (!info->trained) continue;
        status = writes ? tas_model_write(p->model, info->name, values, info->elements)
                        : tas_model_read(p->model, info->name, values, info->elements);
        values += info->elements;
    }
    return status;
}

static void close_problem(problem *p)
{
    tas_model_close(&p->model);
    tas_data_close(&p->data);
    free(p->values);
}

static tas_status open_problem(tas_device *device, const check *c, stream *s, problem *p)
{
    const tas_tensor_info *info;
    tas_network *network = NULL;
    *p = (problem){.device = device, .seed = s->seed};
    tas_status status = tas_network_parse(device->context, c->text, c->name, &network);
    if (!status) status = open_data(device->context, c, s, &p->data);
    if (!status) status = tas_model_open(device, network, 1, &p->model);
    for (size_t i = 0; !status && (info = tas_network_tensor(network, i)); i++)
        if (info->trained) p->elements += info->elements;
    tas_network_close(&network);
    if (!status) p->values = malloc(p->elements * sizeof *p->values);
    if (!status && !p->values) status = fail(device->context, TAS_NO_MEMORY, "no memory for parameters");
    for (size_t k = 0; k < p->elements && !status; k++) p->values[k] = draw_value(s, 0.9f);
    return status;
}

/* ---- losses and gradients ---------------------------------------------------------------------------------------- */

/* One step over all examples. */
static tas_status step(const problem *p, float lr, double *loss)
{
    tas_train_options run;
    tas_train_result result;
    tas_train_options_init(&run);
    run.batch = EXAMPLES;
    run.clip = 1e6f; /* clips nothing, but wants all gradients: else the update may make some itself */
    run.steps = 1;
    run.lr = lr;
    run.momentum = 0;
    run.seed = p->seed;
    const tas_status status = tas_train(p->model, p->data, &run, &result);
    *loss = (double)result.last_loss;
    return status;
}

static tas_status measure_gradient(const problem *p, float *gradient)
{
    double loss;
    tas_status status = copy_values(p, p->values, true);
    if (!status) status = step(p, rate, &loss);
    if (!status) status = copy_values(p, gradient, false);
    for (size_t k = 0; k < p->elements && !status; k++) gradient[k] = (p->values[k] - gradient[k]) / rate;
    return status;
}

/* The losses with element k moved by -2h, -h, 0, h and 2h. */
static tas_status measure_losses(const problem *p, size_t k, double loss[POINTS])
{
    size_t at;
    const tas_tensor_info *info = find_tensor(p->model, k, &at);
    float *tensor = p->values + k - at, kept = p->values[k];
    tas_status status = TAS_OK;
    for (int i = 0; i < POINTS && !status; i++) {
        p->values[k] = kept + (float)(i - POINTS / 2) * step_size;
        status = tas_model_write(p->model, info->name, tensor, info->elements);
        p->values[k] = kept;
        if (!status) status = step(p, 0, &loss[i]);
    }
    if (!status) status = tas_model_write(p->model, info->name, tensor, info->elements);
    return status;
}

/* ---- a check ----------------------------------------------------------------------------------------------------- */

/* One element's gradient, its difference, and how far from smooth the loss is there. */
typedef struct sample {
    size_t element;
    double got, want, bend;
} sample;

static void judge_losses(const double f[POINTS], sample *s)
{
    const double h = (double)step_size, near = (f[3] - f[1]) / (2 * h), far = (f[4] - f[0]) / (4 * h);
    const double near_second = f[3] - 2 * f[2] + f[1], far_second = f[4] - 2 * f[2] + f[0];
    s->want = (4 * near - far) / 3;
    s->bend = fabs(far - near) + fabs(far_second - 4 * near_second) / h;
}

/* Evenly spread over all parameters; *count of them. */
static tas_status take_samples(const problem *p, sample list[ELEMENTS_MOST], int *count)
{
    float *gradient = malloc(p->elements * sizeof *gradient);
    if (!gradient) return fail(p->device->context, TAS_NO_MEMORY, "no memory for a gradient");
    tas_status status = measure_gradient(p, gradient);
    if (!status) status = copy_values(p, p->values, true);
    *count = p->elements < ELEMENTS_MOST ? (int)p->elements : ELEMENTS_MOST;
    for (int i = 0; i < *count && !status; i++) {
        double loss[POINTS] = {0};
        list[i].element = (size_t)i * p->elements / (size_t)*count;
        list[i].got = (double)gradient[list[i].element];
        status = measure_losses(p, list[i].element, loss);
        if (!status) judge_losses(loss, &list[i]);
    }
    free(gradient);
    return status;
}

static double find_largest(const sample *list, int count)
{
    double largest = 0;
    for (int i = 0; i < count; i++)
        if (fabs(list[i].want) > largest) largest = fabs(list[i].want);
    return largest;
}

/* Not NaN: a loss that is not finite is an error of the step. */
static int count_smooth(const sample *list, int count, double largest)
{
    int smooth = 0;
    for (int i = 0; i < count; i++) smooth += list[i].bend <= bend_most * largest;
    return smooth;
}

static void judge_samples(const problem *p, const sample *list, int count, double largest, tas_verify_row *row,
                          char text[DIFFERENCES_TEXT])
{
    for (int i = 0; i < count; i++) {
        const sample *s = &list[i];
        const double bound = tolerance * largest + 4 * s->bend, error = fabs(s->got - s->want) / bound;
        if (s->bend > bend_most * largest) continue;
        if (error > row->worst_error) row->worst_error = error;
        if (error <= 1) {
            row->passed++;
        } else if (!row->failed++) {
            size_t at;
            const tas_tensor_info *info = find_tensor(p->model, s->element, &at);
            snprintf(text, DIFFERENCES_TEXT,
                     "%s[%zu]: the gradient is %.7g, differences give %.7g within %.2g; seed %llu", info->name, at,
                     s->got, s->want, bound, (unsigned long long)p->seed);
        }
    }
}

/* Draws a problem and compares; *done is false if there is too little to compare. */
static tas_status try_check(tas_device *device, const check *c, stream *s, tas_verify_row *row, bool *done,
                            char text[DIFFERENCES_TEXT])
{
    problem p;
    sample list[ELEMENTS_MOST];
    int count = 0;
    tas_status status = open_problem(device, c, s, &p);
    if (!status) status = take_samples(&p, list, &count);
    if (!status) {
        const double largest = find_largest(list, count);
        *done = largest >= least_gradient && 2 * count_smooth(list, count, largest) > count;
        if (*done) judge_samples(&p, list, count, largest, row, text);
    }
    close_problem(&p);
    return status;
}

static tas_status verify_check(tas_device *device, int number, uint64_t seed, tas_verify_row *row,
                               char text[DIFFERENCES_TEXT])
{
    bool done = false;
    tas_status status = TAS_OK;
    stream s = {.seed = seed, .check = (uint32_t)number};
    for (; s.attempt < ATTEMPTS && !done && !status; s.attempt++, s.at = 0)
        status = try_check(device, &checks[number], &s, row, &done, text);
    if (status || done) return status;
    row->failed++;
    snprintf(text, DIFFERENCES_TEXT, "no gradient to speak of, or none that is smooth, in %d attempts; seed %llu",
             ATTEMPTS, (unsigned long long)seed);
    return TAS_OK;
}

tas_status gradients_verify(tas_device *device, uint64_t seed, const report *to)
{
    for (int i = 0; i < CHECKS; i++) {
        char name[64], text[DIFFERENCES_TEXT] = "";
        const double start = now_seconds();
        snprintf(name, sizeof name, "gradient of %s", checks[i].name);
        tas_verify_row row = {.operation = name, .provider = "gradient", .text = text};
        const tas_status status = verify_check(device, i, seed, &row, text);
        if (status == TAS_NO_MEMORY) return status;
        if (status) { /* a device that fails in one may pass others */
            row.failed++;
            row.text = tas_error(device->context);
        }
        row.seconds = now_seconds() - start;
        report_row(to, &row);
    }
    return TAS_OK;
}
