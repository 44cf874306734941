/* The gradient noise scale that training measures: each step's figures against every example's own gradient, which are
 * found one by one by training on that example alone; the same figures and the same weights however a batch is cut, on
 * whatever device, and if the device fails. TASSELLO_TEST_DEVICE is the device, else the reference;
 * TASSELLO_TEST_SIZE=small for simulators. */
#include "data/dataset.h" /* before check.h, which has a macro of the name fail */
#include "data/shuffle.h"
#include "train/noise.h"

#include "driver.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool small;

/* Networks and their examples -------------------------------------------------------------------------------------- */

enum { INPUTS_MOST = 256, KINDS = 6, STEPS_MOST = 2200 };

static const struct {
    const char *text;
    uint32_t inputs;
} kinds[KINDS] = {
    {"input 6\ndense 7\ntanh\ndense 4\nloss softmax\n", 6},
    {"input 2x6x5\nconv2d 5 3 padding 1\nrelu\nmax_pool 2\nconv2d 4 2\ntanh\nflatten\ndense 6\ngelu\ndense 4\nloss "
     "softmax\n",
     60},
    {"input 1x4x4\nconv2d 4 4\nflatten\nloss mse\n", 16},
    {"input 40\ndense 33\nrelu\ndense 20 no bias\nleaky 0.1\ndense 17\nsigmoid\ndense 5\nloss mse\n", 40},
    {"input 64x2x2\nconv2d 256 2\nrelu\nflatten\ndense 4\nloss softmax\n", 256}, /* one chain over the batch */
    {"input 3x9x9\nconv2d 6 3 groups 3\nrelu\navg_pool 2\nconv2d 3 3\nflatten\ndense 4\nloss softmax\n", 243},
};

typedef struct bench {
    const char *text;
    uint32_t count, inputs;
    float *x;
    uint32_t *labels;
    tas_data *set;
    size_t elements;
    double *gradient; /* (count, elements): of each example */
    bool *dense;      /* (elements): of a dense layer */
    bool convolves;
} bench;

/* One step of rate 1024 on one example: what it takes off the weights. */
static void find_gradient(bench *b, uint32_t example)
{
    const float rate = 1024;
    tas_train_options options = sample_options(1, 1);
    options.lr = rate;
    options.momentum = 0;
    tas_data *one = data_of(1, b->inputs, b->x + example * b->inputs, b->labels + example, 4, 0);
    tas_model *model = NULL;
    tas_network *network = NULL;
    expect_ok(tas_network_parse(context, b->text, "bench", &network));
    expect_ok(tas_model_open(reference, network, 3, &model));
    float *before = model_get(model);
    expect_ok(tas_train(model, one, &options, NULL));
    float *after = model_get(model);
    b->elements = model_elements(model);
    if (!b->gradient) b->gradient = malloc(b->count * b->elements * sizeof *b->gradient);
    for (size_t k = 0; k < b->elements; k++)
        b->gradient[example * b->elements + k] = ((double)before[k] - after[k]) / rate;
    free(before), free(after);
    tas_model_close(&model);
    tas_network_close(&network);
    tas_data_close(&one);
}

static void find_dense(bench *b)
{
    tas_network *network = NULL;
    const tas_tensor_info *info;
    size_t at = 0;
    b->dense = calloc(b->elements, sizeof *b->dense);
    expect_ok(tas_network_parse(context, b->text, "bench", &network));
    for (size_t i = 0; (info = tas_network_tensor(network, i)); i++)
        for (size_t k = 0; k < info->elements; k++) b->convolves |= !(b->dense[at++] = strstr(info->name, "dense"));
    tas_network_close(&network);
}

static bench *open_bench(int kind, uint32_t count)
{
    bench *b = calloc(1, sizeof *b);
    b->text = kinds[kind].text;
    b->inputs = kinds[kind].inputs;
    b->count = count;
    b->x = malloc(count * b->inputs * sizeof *b->x);
    b->labels = malloc(count * sizeof *b->labels);
    for (uint32_t e = 0; e < count; e++) {
        b->labels[e] = random_below(4);
        for (uint32_t i = 0; i < b->inputs; i++)
            b->x[e * b->inputs + i] = random_float(-1, 1) + (i % 4 == b->labels[e]);
    }
    b->set = data_of(count, b->inputs, b->x, b->labels, 4, 0);
    return b;
}

static void find_gradients(bench *b)
{
    for (uint32_t e = 0; e < b->count; e++) find_gradient(b, e);
    find_dense(b);
}

static void close_bench(bench *b)
{
    tas_data_close(&b->set);
    free(b->x), free(b->labels), free(b->gradient), free(b->dense), free(b);
}

/* Runs ------------------------------------------------------------------------------------------------------------ */

typedef struct outcome {
    char hex[65];
    tas_train_result result;
    uint64_t steps;
    double trace[STEPS_MOST], square[STEPS_MOST];
    double preconditioned_trace[STEPS_MOST], preconditioned_square[STEPS_MOST];
} outcome;

static int keep_step(void *user, const tas_step *step)
{
    outcome *o = user;
    ck_assert_uint_lt(o->steps, STEPS_MOST);
    ck_assert_uint_eq(step->step, o->steps + 1);
    o->trace[o->steps] = step->trace;
    o->preconditioned_trace[o->steps] = step->preconditioned_trace;
    o->preconditioned_square[o->steps] = step->preconditioned_square;
    o->square[o->steps++] = step->square;
    return 0;
}

/* In one call, or in stretches. */
static outcome *run_in(const bench *b, tas_device *on, tas_train_options options, uint64_t stretch)
{
    outcome *o = calloc(1, sizeof *o);
    tas_network *network = NULL;
    tas_model *model = NULL;
    tas_run *run = NULL;
    options.on_step = keep_step;
    options.user = o;
    expect_ok(tas_network_parse(context, b->text, "bench", &network));
    expect_ok(tas_model_open(on, network, 3, &model));
    expect_ok(tas_run_open(model, b->set, &options, &run));
    while (o->steps < tas_run_steps(run)) expect_ok(tas_run_advance(run, stretch, &o->result));
    tas_run_close(&run);
    expect_ok(tas_model_digest(model, o->hex));
    tas_model_close(&model);
    tas_network_close(&network);
    return o;
}

static outcome *run(const bench *b, tas_device *on, tas_train_options options)
{
    return run_in(b, on, options, UINT64_MAX);
}

static bool same_double(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static void expect_same_figures(const double *trace, const double *square, const outcome *a, const double *other_trace,
                                const double *other_square, const char *what)
{
    for (uint64_t s = 0; s < a->steps; s++)
        if (!same_double(trace[s], other_trace[s]) || !same_double(square[s], other_square[s]))
            ck_abort_msg("%s: step %llu has %.9g and %.9g, not %.9g and %.9g", what, (unsigned long long)s + 1,
                         other_trace[s], other_square[s], trace[s], square[s]);
}

static void expect_same_noise(const tas_noise *x, const tas_noise *y, const char *what)
{
    ck_assert_msg(x->state == y->state && x->steps == y->steps && same_double(x->value, y->value) &&
                      same_double(x->low, y->low) && same_double(x->high, y->high),
                  "%s: %llu steps, %g (%g to %g); not %llu, %g (%g to %g)", what, (unsigned long long)y->steps,
                  y->value, y->low, y->high, (unsigned long long)x->steps, x->value, x->low, x->high);
}

static void expect_same_raw(const outcome *a, const outcome *b, const char *what)
{
    ck_assert_str_eq(a->hex, b->hex);
    ck_assert_uint_eq(a->steps, b->steps);
    expect_same_figures(a->trace, a->square, a, b->trace, b->square, what);
    expect_same_noise(&a->result.noise, &b->result.noise, what);
}

static void expect_same(const outcome *a, const outcome *b, const char *what)
{
    expect_same_raw(a, b, what);
    expect_same_figures(a->preconditioned_trace, a->preconditioned_square, a, b->preconditioned_trace,
                        b->preconditioned_square, what);
    expect_same_noise(&a->result.preconditioned_noise, &b->result.preconditioned_noise, what);
}

/* Against each example's gradient --------------------------------------------------------------------------------- */

/* The layers of one kind, for examples order[0 .. n-1] in groups of `size`; with weights of the squares all layers. */
static noise_scale_groups group(const bench *b, const uint32_t *order, uint32_t n, uint32_t size, bool dense,
                                const double *weight)
{
    noise_scale_groups out = {.count = (n + size - 1) / size};
    double *part = malloc(out.count * sizeof *part);
    for (uint64_t t = 0; t < out.count; t++) part[t] = 0;
    for (size_t k = 0; k < b->elements; k++) {
        double whole = 0;
        if (!weight && b->dense[k] != dense) continue;
        const double factor = weight ? weight[k] : 1;
        for (uint32_t t = 0, e = 0; e < n; t++) {
            double sum = 0;
            for (uint32_t end = n - e < size ? n : e + size; e < end; e++)
                sum += b->gradient[order[e] * b->elements + k];
            part[t] += factor * sum * sum;
            whole += sum;
        }
        out.whole += factor * whole * whole;
    }
    for (uint64_t t = 0; t < out.count; t++) {
        const uint32_t left = n - (uint32_t)t * size;
        out.parts += part[t] / (left < size ? left : size);
    }
    free(part);
    return out;
}

static bool is_near(double found, double wanted, double size) { return fabs(found - wanted) <= 2e-4 * size; }

/* The step's figures, or that it has none: with weights that stand still the gradients are those that were found. */
static void check_step(const bench *b, const outcome *o, uint64_t step, uint32_t probe, uint32_t batch, uint64_t seed)
{
    const uint64_t an_epoch = (b->count + batch - 1) / batch, epoch = (step - 1) / an_epoch;
    const uint32_t begin = (uint32_t)((step - 1) % an_epoch * batch), left = b->count - begin;
    const uint32_t n = probe ? probe : left < batch ? left : batch, at = left < n ? b->count - n : begin;
    uint32_t *order = malloc(b->count * sizeof *order);
    noise_scale_groups layers[2];
    int count = 0;
    double trace, square;
    shuffle_order(seed, (uint32_t)epoch, order, b->count);
    const noise_schedule alone = {.together = 1};
    const noise_scale_groups dense = group(b, order + at, n, 1, true, NULL);
    const noise_scale_groups other = group(b, order + at, n, noise_schedule_group(&alone, n), false, NULL);
    if (dense.whole > 0) layers[count++] = dense;
    if (b->convolves) layers[count++] = other;
    const double found = o->trace[step - 1], found_square = o->square[step - 1];
    if (!noise_scale_estimate(layers, count, n, b->count, &trace, &square))
        ck_assert_msg(isnan(found) && isnan(found_square), "step %llu has figures", (unsigned long long)step);
    else if (!is_near(found, trace, trace + n * fabs(square)) ||
             !is_near(found_square, square, trace / n + fabs(square)))
        ck_abort_msg("step %llu of %u (probe %u): %.8g and %.8g, expected %.8g and %.8g\n%s", (unsigned long long)step,
                     batch, probe, found, found_square, trace, square, b->text);
    free(order);
}

/* Batches from 1 to all of a set, with a ragged last one, steps that are not measured between, and more steps than the
 * ring has. */
static void check_kind(int kind, uint32_t count, uint32_t batch, uint64_t interval, uint32_t probe, uint64_t steps)
{
    bench *b = open_bench(kind, count);
    uint64_t measured = 0;
    find_gradients(b);
    tas_train_options options = sample_options(batch, steps);
    options.lr = 0;
    options.noise = 1;
    options.seed = random_u64();
    options.tile = random_below(2) ? 1 + random_below(batch) : 0;
    options.ahead = random_below(2);
    outcome *o = run(b, tested, options);
    for (uint64_t s = 1; s <= steps; s++)
        if (s % interval)
            ck_assert(isnan(o->trace[s - 1]) && isnan(o->square[s - 1]));
        else
            check_step(b, o, s, probe, batch, options.seed);
    for (uint64_t s = 0; s < steps; s++) measured += !isnan(o->trace[s]);
    ck_assert_uint_eq(o->result.noise.steps, measured);
    ck_assert_uint_gt(measured, 0);
    free(o);
    close_bench(b);
}

START_TEST(steps_are_as_each_example_says)
{
    const uint32_t n = small ? 40 : 75;
    if (_i == 0) check_kind(0, n, 32, 8, 0, 24);
    if (_i == 0) check_kind(0, 556, 256, 2, 0, 6);             /* the last of 44 */
    if (_i == 1) check_kind(1, n, 32, 16, 0, small ? 16 : 96); /* ends with 11, or 8, in small groups */
    if (_i == 2) check_kind(2, n, 33, 16, 0, small ? 32 : 48);
    if (_i == 3 && !small) check_kind(3, 65, 2, 128, 0, 1300);
    if (_i == 4 && !small) check_kind(4, 40, 40, 16, 0, 32);
    if (_i == 5 && !small) check_kind(5, 340, 300, 10, 0, 40); /* groups of 32; one of 40 */
}
END_TEST

START_TEST(probes_are_as_each_example_says)
{
    if (_i == 0) check_kind(0, 6, 1, 96, 6, 192); /* of all there is */
    if (_i == 1) check_kind(0, 100, 1, 1024, 64, 2100);
    if (_i == 2) check_kind(1, 70, 31, 34, 64, 340);
    if (_i == 3) check_kind(2, 37, 7, 85, 37, 170);
    if (_i == 4) check_kind(5, 80, 8, 128, 64, 1300);
}
END_TEST

/* Preconditioned by Adam's second moment --------------------------------------------------------------------------- */

/* The second moment of each parameter, from batches of gradients that stand still. */
typedef struct moment {
    const bench *b;
    const tas_train_options *options;
    uint32_t *order;
    double *v, *weight; /* (elements) */
    uint64_t seen;
} moment;

static uint32_t fill_order(const moment *m, uint64_t step, uint32_t *count)
{
    const uint32_t batch = m->options->batch, an_epoch = (m->b->count + batch - 1) / batch;
    const uint32_t begin = (uint32_t)((step - 1) % an_epoch * batch), left = m->b->count - begin;
    shuffle_order(m->options->seed, (uint32_t)((step - 1) / an_epoch), m->order, m->b->count);
    *count = left < batch ? left : batch;
    return begin;
}

/* With the gradient of the step, which has the weights that the step before left. */
static void update_moment(moment *m, uint64_t step)
{
    uint32_t n;
    const uint32_t begin = fill_order(m, step, &n);
    for (size_t k = 0; k < m->b->elements; k++) {
        double sum = 0;
        for (uint32_t e = 0; e < n; e++) sum += m->b->gradient[m->order[begin + e] * m->b->elements + k];
        m->v[k] = m->options->beta2 * m->v[k] + (1 - (double)m->options->beta2) * pow(sum / n, 2);
    }
    m->seen++;
    const double unbias = 1 / (1 - pow(m->options->beta2, (double)m->seen));
    for (size_t k = 0; k < m->b->elements; k++)
        m->weight[k] = m->v[k] > 0 ? 1 / (sqrt(m->v[k] * unbias) + m->options->epsilon) : 0;
}

static void check_preconditioned_step(const moment *m, const outcome *o, uint64_t step, uint32_t probe)
{
    const noise_schedule alone = {.together = 1};
    uint32_t n;
    const uint32_t begin = fill_order(m, step, &n), measured = probe ? probe : n;
    const uint32_t at = m->b->count - begin < measured ? m->b->count - measured : begin;
    const noise_scale_groups all =
        group(m->b, m->order + at, measured, noise_schedule_group(&alone, measured), true, m->weight);
    const double found = o->preconditioned_trace[step - 1], found_square = o->preconditioned_square[step - 1];
    double trace, square;
    if (!noise_scale_estimate(&all, 1, measured, m->b->count, &trace, &square))
        ck_assert_msg(isnan(found) && isnan(found_square), "step %llu has figures", (unsigned long long)step);
    else if (!is_near(found, trace, trace + measured * fabs(square)) ||
             !is_near(found_square, square, trace / measured + fabs(square)))
        ck_abort_msg("step %llu of %u (probe %u): %.8g and %.8g, expected %.8g and %.8g\n%s", (unsigned long long)step,
                     n, probe, found, found_square, trace, square, m->b->text);
}

static uint64_t check_preconditioned_steps(const bench *b, const outcome *o, const tas_train_options *options,
                                           uint64_t interval, uint32_t probe)
{
    moment m = {.b = b,
                .options = options,
                .order = malloc(b->count * sizeof *m.order),
                .v = calloc(b->elements, sizeof *m.v),
                .weight = calloc(b->elements, sizeof *m.weight)};
    uint64_t measured = 0;
    for (uint64_t s = 1; s <= options->steps; s++) {
        if (s % interval || s <= 32)
            ck_assert(isnan(o->preconditioned_trace[s - 1]) && isnan(o->preconditioned_square[s - 1]));
        else
            check_preconditioned_step(&m, o, s, probe);
        measured += !isnan(o->preconditioned_trace[s - 1]);
        update_moment(&m, s);
    }
    free(m.order), free(m.v), free(m.weight);
    return measured;
}

static void check_preconditioned(int kind, uint32_t count, uint32_t batch, uint64_t interval, uint32_t probe,
                                 uint64_t steps)
{
    bench *b = open_bench(kind, count);
    find_gradients(b);
    tas_train_options options = sample_options(batch, steps);
    tas_train_options_choose(&options, random_below(2) ? TAS_ADAM : TAS_ADAMW);
    options.lr = 0;
    options.beta2 = random_below(2) ? 0.999f : 0.9f;
    options.epsilon = random_below(2) ? 1e-8f : 0.01f;
    options.noise = options.preconditioned_noise = 1;
    options.seed = random_u64();
    options.tile = random_below(2) ? 1 + random_below(batch) : 0;
    options.ahead = random_below(2);
    outcome *o = run(b, tested, options);
    const uint64_t measured = check_preconditioned_steps(b, o, &options, interval, probe);
    ck_assert_uint_eq(o->result.preconditioned_noise.steps, measured);
    ck_assert_uint_gt(measured, 0);
    const noise_schedule alone = {.together = 1};
    ck_assert_uint_eq(o->result.preconditioned_noise.group, noise_schedule_group(&alone, probe ? probe : batch));
    free(o);
    close_bench(b);
}

START_TEST(preconditioned_steps_are_as_each_example_says)
{
    const uint32_t n = small ? 40 : 75;
    if (_i == 0) check_preconditioned(0, n, 32, 32, 0, 96);
    if (_i == 0) check_preconditioned(0, 20, 6, 129, 0, 129); /* four groups, of dense layers alone */
    if (_i == 1) check_preconditioned(1, n, 32, 16, 0, small ? 48 : 96);
    if (_i == 2) check_preconditioned(3, 90, 40, 35, 0, 105);
    if (_i == 3) check_preconditioned(0, 100, 1, 1024, 64, 2100);
    if (_i == 4) check_preconditioned(1, 70, 31, 34, 64, 102);
    if (_i == 5) check_preconditioned(5, 340, 300, 10, 0, 60);
}
END_TEST

/* Adam's are the only second moments; and nobody else measures anything or needs memory. */
START_TEST(only_adam_preconditions)
{
    bench *b = open_bench(1, 100);
    for (tas_optimizer which = TAS_SGD; which <= TAS_LAMB; which++) {
        const bool adam = which == TAS_ADAM || which == TAS_ADAMW;
        tas_train_options options = sample_options(40, 60);
        tas_train_options_choose(&options, which);
        options.preconditioned_noise = 1;
        outcome *alone = run(b, tested, options); /* beside `noise` only */
        ck_assert_uint_eq(alone->result.preconditioned_noise.steps, 0);
        options.noise = 1;
        outcome *o = run(b, tested, options);
        options.preconditioned_noise = 0;
        outcome *raw = run(b, tested, options);
        expect_same_raw(raw, o, "raw figures");
        ck_assert_uint_eq(raw->result.preconditioned_noise.steps, 0);
        ck_assert_uint_eq(o->result.preconditioned_noise.steps, adam ? 1 : 0); /* step 48 */
        ck_assert(adam == (o->result.peak_bytes > raw->result.peak_bytes));
        free(alone), free(raw), free(o);
    }
    close_bench(b);
}
END_TEST

/* A batch of the whole set knows the set's own covariance and gradient, by their definitions. */
START_TEST(a_full_batch_is_exact)
{
    bench *b = open_bench(0, 60);
    double trace = 0, square = 0;
    find_gradients(b);
    for (size_t k = 0; k < b->elements; k++) {
        double mean = 0;
        for (uint32_t e = 0; e < b->count; e++) mean += b->gradient[e * b->elements + k] / b->count;
        for (uint32_t e = 0; e < b->count; e++)
            trace += pow(b->gradient[e * b->elements + k] - mean, 2) / (b->count - 1);
        square += mean * mean;
    }
    tas_train_options options = sample_options(60, 5);
    options.noise = 1;
    options.lr = 0;
    outcome *o = run(b, tested, options);
    ck_assert_msg(is_near(o->trace[4], trace, trace), "%g, expected %g", o->trace[4], trace);
    ck_assert_msg(is_near(o->square[4], square, square), "%g, expected %g", o->square[4], square);
    free(o);
    close_bench(b);
}
END_TEST

/* No trace in the weights, and none of how it was done ------------------------------------------------------------ */

static const char with_dropout[] =
    "input 2x6x5\nconv2d 5 3 padding 1\nrelu\ndropout 0.2\nmax_pool 2\nconv2d 4 2\ntanh\n"
    "flatten\ndense 6\ngelu\ndropout 0.3\ndense 4\nloss softmax\n";

static tas_train_options random_options(const bench *b, uint32_t batch)
{
    tas_train_options options = sample_options(batch, 0);
    options.epochs = 1 + random_below(3);
    if (b->count / batch * options.epochs > 300) options.epochs = 300 / (b->count / batch) + 1;
    options.lr = 0.01f;
    options.momentum = random_below(2) ? 0.9f : 0;
    options.nesterov = random_below(2);
    options.weight_decay = random_below(2) ? 0.001f : 0;
    options.seed = random_u64();
    options.ahead = random_below(2);
    return options;
}

/* Long enough to be measured. */
static void precondition(tas_train_options *options)
{
    const float decay = options->weight_decay;
    tas_train_options_choose(options, random_below(2) ? TAS_ADAM : TAS_ADAMW);
    options->weight_decay = decay;
    options->preconditioned_noise = 1;
    options->epochs = 0;
    options->steps = 90 + random_below(40);
}

/* What the plan says comes true. */
static void check_plan(const bench *b, const tas_train_options *options, const tas_train_result *result)
{
    tas_network *network = NULL;
    tas_plan forecast;
    tas_plan_options of;
    tas_plan_options_init(&of);
    of.batch = options->batch;
    of.tile = options->tile;
    of.budget = options->budget;
    of.optimizer = options->optimizer;
    of.noise = 1;
    of.preconditioned_noise = options->preconditioned_noise;
    expect_ok(tas_network_parse(context, b->text, "bench", &network));
    expect_ok(tas_plan_make(tested, network, b->set, NULL, &of, &forecast));
    ck_assert_uint_eq(result->peak_bytes, forecast.bytes_total);
    ck_assert_uint_eq(result->tile, forecast.tile);
    ck_assert_int_eq(result->resident, forecast.resident);
    if (options->budget) ck_assert_uint_le(result->peak_bytes, options->budget);
    if (!options->budget) {
        of.budget = forecast.min_budget - 1;
        expect(tas_plan_make(tested, network, b->set, NULL, &of, &forecast), TAS_NO_MEMORY, "smallest", "");
    }
    tas_network_close(&network);
}

static uint64_t least_budget(const bench *b, const tas_train_options *options)
{
    tas_network *network = NULL;
    tas_plan forecast;
    tas_plan_options of;
    tas_plan_options_init(&of);
    of.batch = options->batch;
    of.optimizer = options->optimizer;
    of.noise = 1;
    of.preconditioned_noise = options->preconditioned_noise;
    expect_ok(tas_network_parse(context, b->text, "bench", &network));
    expect_ok(tas_plan_make(tested, network, b->set, NULL, &of, &forecast));
    tas_network_close(&network);
    return forecast.min_budget;
}

START_TEST(no_bit_depends_on_it)
{
    static const uint32_t batches[] = {40, 1, 3, 32, 17};
    const uint32_t batch = batches[_i % 5];
    bench *b = open_bench(_i < 5 ? 1 : 3, 131);
    if (_i < 5) b->text = with_dropout;
    tas_train_options quiet = random_options(b, batch);
    if (random_below(2)) precondition(&quiet);
    tas_train_options options = quiet;
    options.noise = 1;
    outcome *plain = run(b, reference, quiet), *first = run(b, reference, options), *o;
    ck_assert_str_eq(plain->hex, first->hex);
    ck_assert_uint_eq(plain->result.noise.steps, 0);
    for (uint64_t s = 0; s < plain->steps; s++) ck_assert(isnan(plain->trace[s]) && isnan(plain->square[s]));
    const uint64_t least = least_budget(b, &options);
    for (int cut = 0; cut < 5; cut++) {
        options.tile = cut == 1 ? 1 + random_below(batch) : cut == 2 ? 1 + random_below(5) : 0;
        options.budget = cut == 3 ? least : cut == 4 ? least + random_u64() % least : 0;
        o = run_in(b, tested, options, cut ? 1 + random_below(100) : UINT64_MAX);
        expect_same(first, o, "cut");
        check_plan(b, &options, &o->result);
        free(o);
    }
    free(plain), free(first);
    close_bench(b);
}
END_TEST

/* A device that fails
 * ---------------------------------------------------------------------------------------- */

static struct {
    const device_driver *driver;
    op_launch launch;
    long left; /* launches or reads until one fails */
} breaking;

static tas_status refuse_launch(tas_device *on, const op_args *args, const mem *operand, const mem *scratch)
{
    if (!--breaking.left) return TAS_NO_MEMORY;
    return breaking.launch(on, args, operand, scratch);
}

static tas_status fail_read(tas_device *on, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    if (!--breaking.left) return TAS_DEVICE_FAILED;
    return breaking.driver->read(on, m, offset, to, bytes);
}

START_TEST(broken_words_change_no_figure)
{
    bench *b = open_bench(1, 131);
    b->text = with_dropout;
    const uint32_t batch = _i ? 3 : 40;
    tas_train_options options = random_options(b, batch);
    options.epochs = _i ? 4 : 8;
    if (random_below(2)) precondition(&options);
    options.noise = 1;
    options.ahead = 0;
    outcome *whole = run(b, reference, options), *o;
    device_driver driver = *reference->driver;
    driver.never_fails = false;
    int cuts = 0, replays = 0;
    breaking.driver = reference->driver;
    breaking.launch = reference->launch[0];
    driver.read = fail_read;
    for (int round = 0; round < 30; round++) {
        breaking.left = 200 + random_below(1500);
        for (int op = 0; op < OP_COUNT && round % 2; op++) reference->launch[op] = refuse_launch;
        if (round % 2 == 0) breaking.left = 20 + random_below(50), reference->driver = &driver;
        o = run(b, reference, options);
        for (int op = 0; op < OP_COUNT; op++) reference->launch[op] = breaking.launch;
        reference->driver = breaking.driver;
        expect_same(whole, o, "broken word");
        cuts += o->result.cuts;
        replays += o->result.replays;
        free(o);
    }
    ck_assert_msg(cuts > 5 && replays > 5, "%d cuts, %d replays", cuts, replays);
    free(whole);
    close_bench(b);
}
END_TEST

/* Batch normalization --------------------------------------------------------------------------------------------- */

enum { NORMED_INPUTS = 60, NORMED_TEXT = 300 };

/* Layers of all kinds around normalization over groups of so many examples; 0: over the batch. */
static bench *open_normed(uint32_t together, uint32_t count, char text[NORMED_TEXT])
{
    char norm[40] = "batch_norm";
    bench *b = open_bench(1, count);
    if (together) snprintf(norm, sizeof norm, "batch_norm group %u", together);
    snprintf(text, NORMED_TEXT,
             "input 2x6x5\nconv2d 5 3 padding 1 no bias\n%s\nrelu\nmax_pool 2\nlayer_norm\nconv2d 4 2\ntanh\n"
             "flatten\ndense 6\n%s\ngelu\ndense 4\n",
             norm, norm);
    b->text = text;
    return b;
}

/* Adds the sum of the gradients of n examples that are normalized together. */
static void add_sum(bench *b, const uint32_t *list, uint32_t n, double *sum)
{
    const float rate = 1024;
    tas_train_options options = sample_options(n, 1);
    float x[64 * NORMED_INPUTS];
    uint32_t labels[64];
    options.lr = rate;
    options.momentum = 0;
    for (uint32_t e = 0; e < n; e++) {
        memcpy(x + e * b->inputs, b->x + list[e] * b->inputs, b->inputs * sizeof *x);
        labels[e] = b->labels[list[e]];
    }
    tas_data *some = data_of(n, b->inputs, x, labels, 4, 0);
    tas_network *network = NULL;
    tas_model *model = NULL;
    expect_ok(tas_network_parse(context, b->text, "bench", &network));
    expect_ok(tas_model_open(reference, network, 3, &model));
    float *before = model_get(model);
    expect_ok(tas_train(model, some, &options, NULL));
    float *after = model_get(model);
    for (size_t k = 0; k < b->elements; k++) sum[k] += n * ((double)before[k] - after[k]) / rate;
    free(before), free(after);
    tas_model_close(&model);
    tas_network_close(&network);
    tas_data_close(&some);
}

/* Parameters of batch normalization are left out, and its statistics. Gives their count in elements. */
static bool *list_measured(bench *b)
{
    tas_network *network = NULL;
    const tas_tensor_info *info;
    expect_ok(tas_network_parse(context, b->text, "bench", &network));
    b->elements = 0;
    for (size_t i = 0; (info = tas_network_tensor(network, i)); i++) b->elements += info->elements;
    bool *measured = calloc(b->elements, sizeof *measured);
    for (size_t i = 0, at = 0; (info = tas_network_tensor(network, i)); i++)
        for (size_t k = 0; k < info->elements; k++) measured[at++] = !strstr(info->name, "batch_norm");
    tas_network_close(&network);
    return measured;
}

/* The figures of the whole network for examples order[0 .. n-1], in groups of `size`. */
static noise_scale_groups normed_groups(bench *b, const uint32_t *order, uint32_t n, uint32_t together, uint32_t size)
{
    noise_scale_groups out = {.count = (n + size - 1) / size};
    bool *measured = list_measured(b);
    double *whole = calloc(b->elements, sizeof *whole), *part = calloc(b->elements, sizeof *part);
    for (uint32_t e = 0; e < n; e += size) {
        const uint32_t end = n - e < size ? n : e + size;
        double squares = 0;
        memset(part, 0, b->elements * sizeof *part);
        for (uint32_t at = e; at < end; at += together)
            add_sum(b, order + at, end - at < together ? end - at : together, part);
        for (size_t k = 0; k < b->elements; k++) squares += measured[k] ? part[k] * part[k] : 0;
        for (size_t k = 0; k < b->elements; k++) whole[k] += part[k];
        out.parts += squares / (end - e);
    }
    for (size_t k = 0; k < b->elements; k++) out.whole += measured[k] ? whole[k] * whole[k] : 0;
    free(measured), free(whole), free(part);
    return out;
}

static void check_normed(uint32_t together, uint32_t count, uint32_t batch, uint32_t interval, uint32_t probe,
                         uint32_t steps)
{
    char text[NORMED_TEXT];
    bench *b = open_normed(together, count, text);
    uint32_t *order = malloc(count * sizeof *order);
    const noise_schedule schedule = {.together = together};
    tas_train_options options = sample_options(batch, steps);
    options.lr = 0;
    options.noise = 1;
    options.seed = random_u64();
    options.tile = random_below(2) ? together : 0;
    outcome *o = run(b, tested, options);
    for (uint32_t s = 1; s <= steps; s++) {
        double trace, square;
        const uint32_t an_epoch = (count + batch - 1) / batch, begin = (s - 1) % an_epoch * batch;
        const uint32_t n = probe ? probe : count - begin < batch ? count - begin : batch;
        const uint32_t at = count - begin < n ? count - n : begin, size = noise_schedule_group(&schedule, n);
        if (s % interval) continue;
        shuffle_order(options.seed, (s - 1) / an_epoch, order, count);
        const noise_scale_groups all = normed_groups(b, order + at, n, together, size);
        ck_assert(noise_scale_estimate(&all, 1, n, count, &trace, &square));
        ck_assert_msg(is_near(o->trace[s - 1], trace, trace) && is_near(o->square[s - 1], square, trace / n + square),
                      "step %u: %.8g and %.8g, expected %.8g and %.8g", s, o->trace[s - 1], o->square[s - 1], trace,
                      square);
    }
    ck_assert_uint_eq(o->result.noise.steps, steps / interval);
    ck_assert_uint_eq(o->result.noise.group, noise_schedule_group(&schedule, probe ? probe : batch));
    ck_assert_ptr_null(o->result.noise.obstacle);
    free(o), free(order);
    close_bench(b);
}

/* Examples that are normalized together are never parted, and dense layers have no norms of single examples. */
START_TEST(groups_of_normalization_are_kept_whole)
{
    if (_i == 0) check_normed(4, 72, 32, 16, 0, 16);
    if (_i == 1) check_normed(20, 80, 40, 16, 0, 32);
    if (_i == 2) check_normed(8, 100, 8, 128, 64, 128);
    if (_i == 3) check_normed(6, 90, 72, 16, 0, 16);
}
END_TEST

/* Nothing is measured, and nothing is allocated for it; the run says why. */
static void check_obstacle(uint32_t together, uint32_t batch, const char *why)
{
    char text[NORMED_TEXT];
    bench *b = open_normed(together, 100, text);
    tas_train_options options = sample_options(batch, 20);
    outcome *plain = run(b, tested, options);
    ck_assert_ptr_null(plain->result.noise.obstacle);
    options.noise = 1;
    outcome *o = run(b, tested, options);
    const tas_noise *noise = &o->result.noise;
    ck_assert(noise->state == TAS_NOISE_IMPOSSIBLE && noise->steps == 0 && noise->group == 0);
    ck_assert_msg(noise->obstacle && strstr(noise->obstacle, why), "%s", noise->obstacle);
    for (uint64_t s = 0; s < o->steps; s++) ck_assert(isnan(o->trace[s]) && isnan(o->square[s]));
    ck_assert_str_eq(o->hex, plain->hex);
    ck_assert_uint_eq(o->result.peak_bytes, plain->result.peak_bytes);
    free(o), free(plain);
    close_bench(b);
}

START_TEST(statistics_of_the_batch_leave_nothing_to_compare)
{
    check_obstacle(0, 50, "'batch_norm group N'");
    check_obstacle(40, 50, "too few groups");
}
END_TEST

START_TEST(groups_are_reported)
{
    static const uint32_t wanted[] = {1, 16};
    for (int kind = 0; kind < 2; kind++) {
        bench *b = open_bench(kind, 100);
        tas_train_options options = sample_options(50, 20);
        options.noise = 1;
        outcome *o = run(b, tested, options);
        ck_assert_uint_eq(o->result.noise.group, wanted[kind]);
        free(o);
        close_bench(b);
    }
}
END_TEST

/* The groups ------------------------------------------------------------------------------------------------------ */

START_TEST(groups_of_any_batch)
{
    for (uint32_t together = 1; together < 70; together++)
        for (uint32_t batch = 1; batch<3000; batch += together> 1 ? 7 : 1) {
            const noise_schedule schedule = {.together = together};
            const uint32_t group = noise_schedule_group(&schedule, batch), count = (batch - 1) / group + 1;
            const uint32_t unit = (16 + together - 1) / together * together;
            ck_assert(group >= 1 && group % together == 0 && count <= GROUPS_MOST);
            ck_assert(batch < 2 * (together > 1 ? unit : 1) || count >= 2);
            ck_assert(batch < 32 || group % unit == 0);
            ck_assert(together > 1 || batch < 256 || count > 8);
            ck_assert(together > 1 || group <= batch);
        }
}
END_TEST

/* The program ----------------------------------------------------------------------------------------------------- */

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create("step_noise");
    TCase *tc = tcase_create(id ? id : "reference");
    small = tested_small || (id && tested->info.vector_width < 4); /* or where fma is software */
    tcase_set_timeout(tc, id ? 0 : 120);
    tcase_add_checked_fixture(tc, seed_anew, NULL);
    tcase_add_loop_test(tc, steps_are_as_each_example_says, 0, small ? 1 : KINDS);
    tcase_add_loop_test(tc, probes_are_as_each_example_says, 0, small ? 1 : 5);
    tcase_add_loop_test(tc, preconditioned_steps_are_as_each_example_says, 0, small ? 1 : id ? 3 : 6);
    tcase_add_loop_test(tc, no_bit_depends_on_it, 0, small ? 0 : id ? 2 : 10);
    tcase_add_loop_test(tc, groups_of_normalization_are_kept_whole, 0, small ? 0 : id ? 2 : 4);
    if (!id) {
        tcase_add_test(tc, statistics_of_the_batch_leave_nothing_to_compare);
        tcase_add_test(tc, groups_are_reported);
        tcase_add_test(tc, only_adam_preconditions);
        tcase_add_test(tc, a_full_batch_is_exact);
        tcase_add_loop_test(tc, broken_words_change_no_figure, 0, 2);
        tcase_add_test(tc, groups_of_any_batch);
    }
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void) { return driver_run(make_suite); }
