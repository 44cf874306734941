/* Training through the public API on the reference device: data, tiles, the formulas, stopping, what is refused. */
#include "device/device.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Trains a network from its beginning. The digest is valid for the next few calls. */
static const char *digest_of(const char *text, const tas_data *set, const tas_train_options *options,
                             tas_train_result *result)
{
    static char hex[4][65];
    static int next;
    next = (next + 1) % 4;
    tas_model *model = model_of_text(text, 3);
    expect_ok(tas_train(model, set, options, result));
    expect_ok(tas_model_digest(model, hex[next]));
    tas_model_close(&model);
    return hex[next];
}

/* Where data come from -------------------------------------------------------------------------------------------- */

static int fill(void *user, const uint64_t *index, size_t n, void *in, void *targets)
{
    ++*(int *)user;
    for (size_t k = 0; k < n; k++) {
        ck_assert_uint_lt(index[k], COUNT);
        memcpy((float *)in + k * INPUTS, sample_inputs + index[k] * INPUTS, sizeof(float) * INPUTS);
        ((uint32_t *)targets)[k] = sample_labels[index[k]];
    }
    return *(int *)user < 0;
}

START_TEST(arrays_borrowed_and_callback_are_one)
{
    int calls = 0;
    tas_data *other = NULL;
    tas_data_options set;
    const tas_train_options options = sample_options(8, 20);
    const char *first = digest_of(sample_net, sample, &options, NULL);
    tas_data_options_init(&set);
    set.count = COUNT;
    set.input_size = INPUTS;
    set.input_type = TAS_INPUT_F32;
    set.classes = CLASSES;
    set.inputs = sample_inputs;
    set.targets = sample_labels;
    set.borrow = 1;
    expect_ok(tas_data_open(context, &set, &other));
    ck_assert_str_eq(digest_of(sample_net, other, &options, NULL), first);
    tas_data_close(&other);

    set.inputs = set.targets = NULL;
    set.borrow = 0;
    set.fill = fill;
    set.user = &calls;
    expect_ok(tas_data_open(context, &set, &other));
    ck_assert_str_eq(digest_of(sample_net, other, &options, NULL), first);
    ck_assert_int_gt(calls, 0);
    calls = -1000; /* the callback fails */
    tas_model *model = model_of_text(sample_net, 3);
    tas_train_result result;
    expect(tas_train(model, other, &options, &result), TAS_BAD_DATA, "callback", "1");
    ck_assert_uint_eq(result.steps, 0);
    tas_model_close(&model);
    tas_data_close(&other);
}
END_TEST

/* Tiles ------------------------------------------------------------------------------------------------------------ */

/* The least budget, as the error has it. */
static uint64_t least_budget(const char *text, const tas_data *set, tas_train_options options)
{
    tas_model *model = model_of_text(text, 3);
    options.budget = 1;
    expect(tas_train(model, set, &options, NULL), TAS_NO_MEMORY, "reference", "budget");
    const uint64_t least = smallest_budget();
    options.budget = least - 1;
    expect(tas_train(model, set, &options, NULL), TAS_NO_MEMORY, "reference", "budget");
    tas_model_close(&model);
    return least;
}

static void check_budgets(const char *text, const tas_data *set, tas_train_options options, int budgets)
{
    tas_train_result whole, cut;
    char first[65];
    strcpy(first, digest_of(text, set, &options, &whole));
    const uint64_t least = least_budget(text, set, options);
    for (int k = 0; k < budgets; k++) {
        options.budget = k ? least + random_u64() % (whole.peak_bytes - least + 1) : least;
        const char *hex = digest_of(text, set, &options, &cut);
        ck_assert_msg(!strcmp(hex, first), "another digest with budget %llu, batch %u of\n%s",
                      (unsigned long long)options.budget, options.batch, text);
        ck_assert_uint_le(cut.peak_bytes, options.budget);
        if (!k) ck_assert_uint_eq(cut.peak_bytes, least);
        ck_assert(cut.last_loss == whole.last_loss && cut.examples == whole.examples);
    }
}

START_TEST(tile_sizes_leave_no_trace)
{
    for (int round = 0; round < 24; round++) {
        char text[1024];
        plain_net net = {.inputs = 1 + random_below(12), .mse = random_below(2)};
        const uint32_t count = 1 + random_below(90), layers = random_below(3);
        for (uint32_t l = 0; l < layers; l++) {
            plain_add(&net, PLAIN_DENSE, 1 + random_below(14));
            plain_add(&net, (plain_kind)(PLAIN_RELU + random_below(5)), 0);
        }
        plain_add(&net, PLAIN_DENSE, 1 + random_below(6));
        plain_text(&net, text, sizeof text);
        float *x = malloc(count * net.inputs * sizeof *x);
        uint32_t *label = malloc(count * sizeof *label);
        for (uint32_t k = 0; k < count * net.inputs; k++) x[k] = random_float(-1, 1);
        for (uint32_t k = 0; k < count; k++) label[k] = random_below(plain_outputs(&net));
        tas_data *set = data_of(count, net.inputs, x, label, plain_outputs(&net), 0);
        tas_train_options options = sample_options(1 + random_below(count), 1 + random_below(9));
        options.nesterov = random_below(2);
        options.weight_decay = random_below(2) ? 0.001f : 0;
        check_budgets(text, set, options, 3);
        tas_data_close(&set);
        free(label), free(x);
    }
}
END_TEST

/* Several granules a batch, and one chain over it. */
START_TEST(tile_sizes_leave_no_trace_in_large_batches)
{
    enum { MANY = 700, WIDE = 300 };
    static const char *const texts[] = {"input 300\ndense 5\nsigmoid\ndense 3\n",
                                        "input 300\ndense 220\nrelu\ndense 3\n"};
    float *x = malloc(MANY * WIDE * sizeof *x);
    uint32_t *label = malloc(MANY * sizeof *label);
    for (uint32_t k = 0; k < MANY * WIDE; k++) x[k] = random_float(-1, 1);
    for (uint32_t k = 0; k < MANY; k++) label[k] = random_below(3);
    tas_data *set = data_of(MANY, WIDE, x, label, 3, 0);
    check_budgets(texts[0], set, sample_options(640, 3), 3);
    check_budgets(texts[0], set, sample_options(512, 2), 2);
    check_budgets(texts[1], set, sample_options(70, 2), 2);
    tas_data_close(&set);
    free(label), free(x);
}
END_TEST

typedef struct watcher {
    uint64_t calls, stop_at, examples;
    bool cancel;
    tas_model *model;
    uint32_t batch;
    double seconds;
    volatile bool started;
} watcher;

static int watch(void *user, const tas_step *step)
{
    watcher *options = user;
    const uint64_t an_epoch = (COUNT + options->batch - 1) / options->batch;
    options->calls++;
    options->examples += step->batch;
    options->started = true;
    ck_assert_uint_eq(step->step, options->calls);
    ck_assert_uint_eq(step->epoch, (step->step - 1) / an_epoch + 1);
    ck_assert_uint_eq(step->batch, step->step % an_epoch ? options->batch : COUNT - (an_epoch - 1) * options->batch);
    ck_assert_uint_eq(step->examples, options->examples);
    ck_assert(step->lr == 0.05f && step->loss > 0);
    ck_assert_msg(step->seconds >= options->seconds, "step %d: %g seconds after %g", (int)step->step, step->seconds,
                  options->seconds);
    options->seconds = step->seconds;
    if (options->calls != options->stop_at) return 0;
    if (options->cancel) tas_cancel(options->model);
    return !options->cancel;
}

static tas_status train_watched(tas_model *model, watcher *options, tas_train_options run, tas_train_result *result)
{
    options->model = model;
    options->batch = run.batch;
    run.on_step = watch;
    run.user = options;
    return tas_train(model, sample, &run, result);
}

START_TEST(epochs_steps_and_results)
{
    tas_train_options options = sample_options(10, 0);
    tas_train_result result;
    options.epochs = 3;
    const char *first = digest_of(sample_net, sample, &options, &result);
    ck_assert_uint_eq(result.steps, 18);
    ck_assert_uint_eq(result.examples, 3 * COUNT);
    ck_assert(result.last_loss > 0 && result.seconds > 0 && result.examples_per_s > 0 && result.peak_bytes > 0 &&
              !result.bad_step);
    options.steps = 18;
    options.epochs = 999; /* does not count */
    ck_assert_str_eq(digest_of(sample_net, sample, &options, NULL), first);
    watcher w = {0};
    tas_model *model = model_of_text(sample_net, 3);
    char hex[65];
    expect_ok(train_watched(model, &w, options, &result));
    expect_ok(tas_model_digest(model, hex));
    ck_assert_str_eq(hex, first);
    ck_assert_uint_eq(w.calls, 18);
    tas_model_close(&model);
    options.steps = 17;
    ck_assert_str_ne(digest_of(sample_net, sample, &options, NULL), first);
    options.steps = 18;
    options.seed = 2;
    ck_assert_str_ne(digest_of(sample_net, sample, &options, NULL), first); /* another order */
}
END_TEST

/* Stopping --------------------------------------------------------------------------------------------------------- */

/* The weights are those of a run of that many steps. */
static void check_as_if(tas_model *model, uint64_t steps, uint32_t batch)
{
    tas_model *fresh = model_of_text(sample_net, 3);
    const tas_train_options options = sample_options(batch, steps);
    if (steps) expect_ok(tas_train(fresh, sample, &options, NULL));
    float *a = model_get(model), *b = model_get(fresh);
    ck_assert(!memcmp(a, b, model_elements(model) * sizeof *a));
    free(a), free(b);
    tas_model_close(&fresh);
}

START_TEST(stops_exactly)
{
    for (int cancel = 0; cancel < 2; cancel++)
        for (uint64_t stop = 1; stop <= 13; stop += 4) {
            tas_train_result result;
            char text[32];
            tas_model *model = model_of_text(sample_net, 3);
            watcher w = {.stop_at = stop, .cancel = cancel};
            snprintf(text, sizeof text, "step %d", (int)stop);
            expect(train_watched(model, &w, sample_options(9, 13), &result), TAS_STOPPED, text, "");
            ck_assert_uint_eq(w.calls, stop);
            ck_assert_uint_eq(result.steps, stop);
            ck_assert_uint_eq(result.weights_step, stop);
            check_as_if(model, stop, 9);
            w = (watcher){0}; /* the next run knows nothing of it */
            expect_ok(train_watched(model, &w, sample_options(9, 2), &result));
            tas_model_close(&model);
        }
}
END_TEST

static int stop_at_9(void *user, const tas_step *step)
{
    ++*(int *)user;
    return step->step == 9;
}

/* Stretches, with evaluations, reads and a stop between them, are one run. */
START_TEST(stretches_are_one_run)
{
    char hex[65];
    tas_score score;
    tas_train_result result;
    tas_run *run = NULL;
    tas_train_options options = sample_options(7, 40);
    options.optimizer = (tas_optimizer)_i;
    const char *whole = digest_of(sample_net, sample, &options, NULL);
    int calls = 0;
    options.on_step = stop_at_9;
    options.user = &calls;
    tas_model *model = model_of_text(sample_net, 3);
    expect_ok(tas_run_open(model, sample, &options, &run));
    ck_assert_uint_eq(tas_run_steps(run), 40);
    for (int i = 0; i < 40; i++) {
        const tas_status status = tas_run_advance(run, 5, &result);
        if (status) ck_assert_int_eq(status, TAS_STOPPED);
        expect_ok(tas_evaluate(model, sample, &score));
        expect_ok(tas_model_digest(model, hex));
    }
    ck_assert_uint_eq(result.steps, 40);
    ck_assert_int_eq(calls, 40);
    ck_assert_str_eq(hex, whole);
    tas_run_close(&run);
    tas_run_close(&run);
    tas_model_close(&model);
}
END_TEST

/* With `ahead`, callbacks come late, but in order, and the weights are those of the steps that were counted. */
START_TEST(stops_late_when_ahead)
{
    tas_train_result result;
    tas_train_options options = sample_options(9, 4000);
    tas_model *model = model_of_text(sample_net, 3);
    watcher w = {.stop_at = 2};
    options.ahead = 1;
    expect(train_watched(model, &w, options, &result), TAS_STOPPED, "step", "");
    ck_assert(result.steps >= 2 && result.steps == w.calls && result.steps < 4000);
    check_as_if(model, result.steps, 9);
    tas_model_close(&model);
}
END_TEST

START_TEST(cancel_before_a_run_stops_that_run)
{
    tas_model *model = model_of_text(sample_net, 3);
    tas_train_result result;
    tas_train_options options = sample_options(9, 5);
    tas_cancel(model);
    expect(tas_train(model, sample, &options, &result), TAS_STOPPED, "step 0", "");
    ck_assert_uint_eq(result.steps, 0);
    check_as_if(model, 0, 9);
    expect_ok(tas_train(model, sample, &options, NULL));
    check_as_if(model, 5, 9);
    tas_model_close(&model);
}
END_TEST

static void *cancel_later(void *user)
{
    watcher *w = user;
    for (int k = 0; k < 10000 && !w->started; k++) usleep(1000);
    usleep(3000);
    tas_cancel(w->model);
    return NULL;
}

START_TEST(cancel_from_another_thread)
{
    for (int ahead = 0; ahead < 2; ahead++) {
        tas_train_result result;
        pthread_t thread;
        tas_model *model = model_of_text(sample_net, 3);
        tas_train_options options = sample_options(9, 100000000);
        watcher w = {.model = model};
        options.ahead = ahead;
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_later, &w), 0);
        expect(train_watched(model, &w, options, &result), TAS_STOPPED, "stopped after step", "");
        pthread_join(thread, NULL);
        ck_assert_uint_eq(w.calls, result.steps);
        check_as_if(model, result.steps, 9);
        tas_model_close(&model);
    }
}
END_TEST

/* Loss and gradient of the first step are finite, and the update is not, which the last step's weights show, or the
 * next step's loss: the model has its weights from before. */
START_TEST(an_overflowing_update_is_seen)
{
    tas_model *model = model_of_text("input 6\ndense 4\n", 3);
    tas_train_options options = sample_options(9, (uint64_t)_i);
    tas_train_result result;
    options.lr = options.weight_decay = 1e6f;
    float *huge = malloc(24 * sizeof *huge), after[24];
    for (int i = 0; i < 24; i++) huge[i] = 0x1p100f;
    options.momentum = 0;
    expect_ok(tas_model_write(model, "1.dense.weight", huge, 24));
    const tas_status status = tas_train(model, sample, &options, &result);
    expect(status, TAS_NOT_FINITE, "step 1: the updated 1.dense.weight is not finite", "lr 1000000");
    expect(status, TAS_NOT_FINITE, "weights of step 0", "");
    ck_assert_uint_eq(result.bad_step, 1);
    ck_assert_uint_eq(result.weights_step, 0);
    expect_ok(tas_model_read(model, "1.dense.weight", after, 24));
    ck_assert_mem_eq(after, huge, sizeof after);
    free(huge);
    tas_model_close(&model);
}
END_TEST

/* A device whose reads fail for good after step 7; a snapshot is due after step 5. */
static struct {
    const device_driver *driver;
    bool broken;
} failing;

static tas_status fail_read(tas_device *on, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    return failing.broken ? TAS_DEVICE_FAILED : failing.driver->read(on, m, offset, to, bytes);
}

static int wait_then_fail(void *user, const tas_step *step)
{
    (void)user;
    if (step->step == 5) usleep(2100000);
    failing.broken = step->step >= 7;
    return 0;
}

static int wait_twice(void *user, const tas_step *step)
{
    (void)user;
    if (step->step == 5 || step->step == 6) usleep(2100000);
    return 0;
}

START_TEST(a_failed_device_leaves_the_last_snapshot)
{
    char hex[65], again[65];
    tas_train_result result;
    tas_train_options options = sample_options(9, 20);
    tas_model *model = model_of_text(sample_net, 3);
    device_driver driver = *device->driver;
    failing.driver = device->driver;
    failing.broken = false;
    driver.read = fail_read;
    device->driver = &driver;
    options.on_step = wait_then_fail;
    ck_assert_int_eq(tas_train(model, sample, &options, &result), TAS_DEVICE_FAILED);
    ck_assert_uint_eq(result.steps, 7);
    ck_assert_uint_eq(result.weights_step, 5);
    expect_ok(tas_model_digest(model, hex)); /* from the host: the device fails */
    device->driver = failing.driver;
    check_as_if(model, 5, 9);
    expect_ok(tas_model_digest(model, again));
    ck_assert_str_eq(hex, again);
    tas_model_close(&model);
}
END_TEST

/* Only weights that are finite are kept: those of saturated units grow with each step, and overflow after step 5
 * without a trace in the loss, before the next snapshot is due. */
START_TEST(an_overflow_leaves_the_last_snapshot)
{
    tas_train_result result;
    tas_train_options options = sample_options(COUNT, 12);
    tas_model *model = model_of_text("input 6\ndense 5\nsigmoid\ndense 4\n", 3);
    float large[30];
    for (int i = 0; i < 30; i++) large[i] = 0x1p90f * (i % 2 ? 1 : -1);
    expect_ok(tas_model_write(model, "1.dense.weight", large, 30));
    options.momentum = 0;
    options.lr = 100;
    options.weight_decay = 1; /* the weights become -99 times themselves with each step */
    options.on_step = wait_twice;
    expect(tas_train(model, sample, &options, &result), TAS_NOT_FINITE, "the updated 1.dense.weight is not finite",
           "step 5");
    ck_assert_uint_eq(result.weights_step, 5);
    ck_assert_uint_gt(result.bad_step, 5);
    expect_ok(tas_model_read(model, "1.dense.weight", large, 30));
    for (int i = 0; i < 30; i++) ck_assert(isfinite(large[i]) && fabsf(large[i]) > 0x1p100f);
    tas_model_close(&model);
}
END_TEST

/* One run ---------------------------------------------------------------------------------------------------------- */

START_TEST(a_second_run_is_refused)
{
    tas_run *run = NULL, *second = NULL;
    tas_train_result result;
    const tas_train_options options = sample_options(9, 10);
    tas_model *model = model_of_text(sample_net, 3), *other = model_of_text(sample_net, 3);
    expect_ok(tas_run_open(model, sample, &options, &run));
    expect_ok(tas_run_advance(run, 4, NULL));
    expect(tas_run_open(model, sample, &options, &second), TAS_BAD_ARGUMENT, "run", "close");
    ck_assert_ptr_null(second);
    expect(tas_train(model, sample, &options, &result), TAS_BAD_ARGUMENT, "run", "close");
    expect_ok(tas_train(other, sample, &options, NULL)); /* another model's */
    expect_ok(tas_run_advance(run, 6, &result));
    ck_assert_uint_eq(result.weights_step, 10);
    check_as_if(model, 10, 9);
    tas_run_close(&run);
    expect_ok(tas_run_open(model, sample, &options, &second)); /* the first one is closed */
    tas_run_close(&second);
    tas_model_close(&other);
    tas_model_close(&model);
}
END_TEST

START_TEST(an_open_run_keeps_its_weights)
{
    tas_run *run = NULL;
    const tas_train_options options = sample_options(9, 10);
    tas_model *model = model_of_text(sample_net, 3);
    const tas_tensor_info *info = tas_network_tensor(tas_model_network(model), 0);
    float *weight = calloc(info->elements, sizeof *weight);
    expect_ok(tas_run_open(model, sample, &options, &run));
    expect(tas_model_write(model, info->name, weight, info->elements), TAS_BAD_ARGUMENT, info->name, "run is open");
    check_as_if(model, 0, 9);
    tas_run_close(&run);
    expect_ok(tas_model_write(model, info->name, weight, info->elements));
    free(weight);
    tas_model_close(&model);
}
END_TEST

/* Between its steps, a run's model can be looked at; the run cannot be advanced from within. */
typedef struct looker {
    tas_model *model;
    tas_run *run;
    char hex[4][65];
} looker;

static int look(void *user, const tas_step *step)
{
    looker *l = user;
    tas_score score;
    float outputs[COUNT * CLASSES];
    if (step->step > 3) return 0;
    expect_ok(tas_model_digest(l->model, l->hex[step->step]));
    expect_ok(tas_evaluate(l->model, sample, &score));
    expect_ok(tas_predict(l->model, sample_inputs, COUNT, outputs));
    expect(tas_run_advance(l->run, 1, NULL), TAS_BAD_ARGUMENT, "callback", "");
    return 0;
}

START_TEST(callbacks_can_look_at_the_model)
{
    tas_train_options options = sample_options(9, 10);
    tas_train_result plain, result;
    const char *whole = digest_of(sample_net, sample, &options, &plain);
    looker l = {.model = model_of_text(sample_net, 3)};
    options.on_step = look;
    options.user = &l;
    expect_ok(tas_run_open(l.model, sample, &options, &l.run));
    expect_ok(tas_run_advance(l.run, 10, &result));
    tas_run_close(&l.run);
    ck_assert_uint_ge(result.peak_bytes, plain.peak_bytes);
    expect_ok(tas_model_digest(l.model, l.hex[0]));
    ck_assert_str_eq(l.hex[0], whole);
    options.on_step = NULL;
    for (uint64_t step = 1; step <= 3; step++) {
        options.steps = step;
        ck_assert_str_eq(l.hex[step], digest_of(sample_net, sample, &options, NULL));
    }
    tas_model_close(&l.model);
}
END_TEST

/* A gradient that overflows is named even if it is not stored. */
START_TEST(a_gradient_that_overflows_is_named)
{
    static const float none[12];
    float inputs[8 * 6];
    const uint32_t labels[8] = {0};
    for (int i = 0; i < 8 * 6; i++) inputs[i] = i < 6 ? 1 : 0x1p127f;
    tas_data *data = data_of(8, 6, inputs, labels, 2, 0);
    for (uint32_t tile = 4; tile <= 8; tile += 4) { /* in two tiles it is stored */
        tas_model *model = model_of_text("input 6\ndense 2 no bias\n", 3);
        tas_train_options options = sample_options(8, 1);
        tas_train_result result;
        options.tile = tile;
        expect_ok(tas_model_write(model, "1.dense.weight", none, 12));
        expect(tas_train(model, data, &options, &result), TAS_NOT_FINITE,
               "step 1: 1.dense.weight.gradient is not finite", "weights of step 0");
        tas_model_close(&model);
    }
    tas_data_close(&data);
}
END_TEST

START_TEST(not_finite_stops_before_the_bad_step)
{
    static const char *const texts[] = {"input 6\ndense 9\nrelu\ndense 4\nloss mse\n",
                                        "input 6\ndense 9\nleaky\ndense 8\ngelu\ndense 4\n"};
    for (int net = 0; net < 2; net++) {
        float *kept = NULL;
        uint64_t bad = 0;
        for (int k = 0; k < 3; k++) { /* without a callback, with one and ahead, in sample_net tiles */
            tas_model *model = model_of_text(texts[net], 3);
            tas_train_options options = sample_options(9, 500);
            tas_train_result result;
            char text[128];
            options.lr = 1e6f;
            options.ahead = k == 1;
            options.budget = k == 2 ? least_budget(texts[net], sample, options) : 0;
            const tas_status status = tas_train(model, sample, &options, &result);
            snprintf(text, sizeof text, "step %llu: %s is not finite", (unsigned long long)result.bad_step,
                     result.bad_tensor);
            expect(status, TAS_NOT_FINITE, text, "lr 1000000");
            ck_assert_uint_gt(result.bad_step, 1);
            ck_assert_uint_eq(result.steps, result.bad_step - 1);
            ck_assert_uint_eq(result.weights_step, result.steps);
            ck_assert(isfinite(result.last_loss));
            const tas_network *network = tas_model_network(model);
            bool known = !strcmp(result.bad_tensor, "loss");
            for (size_t l = 1; tas_network_layer(network, l); l++) known |= atoi(result.bad_tensor) == (int)l;
            ck_assert_msg(known, "%s is no tensor of the network", result.bad_tensor);
            float *values = model_get(model);
            for (size_t e = 0; e < model_elements(model); e++) ck_assert(isfinite(values[e]));
            if (!k) { /* the model is that of so many steps */
                tas_model *fresh = model_of_text(texts[net], 3);
                options.steps = result.bad_step - 1;
                expect_ok(tas_train(fresh, sample, &options, NULL));
                kept = model_get(fresh);
                bad = result.bad_step;
                tas_model_close(&fresh);
            }
            ck_assert_uint_eq(result.bad_step, bad);
            ck_assert(!memcmp(values, kept, model_elements(model) * sizeof *values));
            free(values);
            tas_model_close(&model);
        }
        free(kept);
    }
}
END_TEST

/* As fill(), but what was read since `armed` cannot be read again. */
typedef struct reread {
    bool armed, seen[COUNT];
} reread;

static int fill_once(void *user, const uint64_t *index, size_t n, void *in, void *targets)
{
    reread *r = user;
    int calls = 0;
    for (size_t k = 0; k < n; k++) {
        if (r->armed && r->seen[index[k]]) return 7;
        r->seen[index[k]] = r->armed;
    }
    return fill(&calls, index, n, in, targets);
}

/* The search for the tensor reads the examples again. If they cannot be read, the steps before the bad one are done,
 * and no others. */
START_TEST(a_bad_step_that_cannot_be_read_again)
{
    static const char text[] = "input 6\ndense 9\nleaky\ndense 8\ngelu\ndense 4\n";
    reread r = {.armed = false};
    tas_data_options set;
    tas_data *data;
    tas_run *run;
    tas_train_result known, result;
    tas_train_options options = sample_options(2, COUNT / 2);
    options.lr = 1e6f;
    options.ahead = 1;
    tas_data_options_init(&set);
    set.count = COUNT;
    set.input_size = INPUTS;
    set.input_type = TAS_INPUT_F32;
    set.classes = CLASSES;
    set.fill = fill_once;
    set.user = &r;
    expect_ok(tas_data_open(context, &set, &data));
    options.budget = least_budget(text, data, options); /* the set is streamed */

    tas_model *model = model_of_text(text, 3);
    expect(tas_train(model, data, &options, &known), TAS_NOT_FINITE, "", "");
    ck_assert(!known.resident);
    ck_assert_uint_lt(known.bad_step, COUNT / 2 - 1);
    tas_model_close(&model);

    model = model_of_text(text, 3);
    expect_ok(tas_run_open(model, data, &options, &run));
    r.armed = true;
    expect(tas_run_advance(run, UINT64_MAX, &result), TAS_BAD_DATA, "returned 7", "");
    ck_assert_uint_eq(result.steps, known.bad_step - 1);
    ck_assert_uint_eq(result.weights_step, known.bad_step - 1);
    tas_run_close(&run);
    tas_model_close(&model);
    tas_data_close(&data);
}
END_TEST

/* Refused ---------------------------------------------------------------------------------------------------------- */

static void refuse_run(tas_train_options options, const char *word, const char *other)
{
    tas_model *model = model_of_text(sample_net, 3);
    tas_train_result result;
    expect(tas_train(model, sample, &options, &result), TAS_BAD_ARGUMENT, word, other);
    ck_assert_uint_eq(result.steps, 0);
    check_as_if(model, 0, 9);
    tas_model_close(&model);
}

#define REFUSE(field, value, word, other)                                                                              \
    do {                                                                                                               \
        tas_train_options bad = sample_options(9, 3);                                                                  \
        bad.field = value;                                                                                             \
        refuse_run(bad, word, other);                                                                                  \
    } while (0)

#define REFUSE_ADAM(field, value, word, other)                                                                         \
    do {                                                                                                               \
        tas_train_options bad = sample_options(9, 3);                                                                  \
        bad.optimizer = TAS_ADAM;                                                                                      \
        bad.field = value;                                                                                             \
        refuse_run(bad, word, other);                                                                                  \
    } while (0)

START_TEST(refuses_options)
{
    REFUSE(size, 8, "options.size is 8", "tas_train_options_init");
    REFUSE(size, 0, "options.size is 0", "tas_train_options_init");
    REFUSE(batch, 0, "batch 0", "at least 1");
    REFUSE(batch, COUNT + 1, "batch 54", "53 examples");
    REFUSE(lr, NAN, "lr nan", "expected");
    REFUSE(lr, -0.1f, "lr -0.1", "expected");
    REFUSE(lr, INFINITY, "lr inf", "expected");
    REFUSE(lr, 2e6f, "lr 2000000", "expected");
    REFUSE(lr, 1e-30f, "lr 1e-30", "expected");
    REFUSE(momentum, 1.01f, "momentum 1.01", "expected");
    REFUSE(momentum, -0.5f, "momentum -0.5", "expected");
    REFUSE(momentum, NAN, "momentum nan", "expected");
    REFUSE(optimizer, (tas_optimizer)7, "unknown optimizer 7", "");
    REFUSE(decay_on, (tas_decay_on)2, "unknown decay_on 2", "");
    REFUSE(clip, -1, "clip -1", "expected");
    REFUSE(clip, NAN, "clip nan", "expected");
    REFUSE(clip, 1e-20f, "clip 1e-20", "expected");
    REFUSE_ADAM(beta1, 1, "beta1 1", "below 1");
    REFUSE_ADAM(beta1, -0.1f, "beta1 -0.1", "expected");
    REFUSE_ADAM(beta2, NAN, "beta2 nan", "expected");
    REFUSE_ADAM(beta2, 1e-20f, "beta2 1e-20", "expected");
    REFUSE_ADAM(beta2, INFINITY, "beta2 inf", "expected");
    REFUSE_ADAM(epsilon, 0, "epsilon 0", "expected");
    REFUSE_ADAM(epsilon, -1, "epsilon -1", "expected");
    REFUSE_ADAM(epsilon, 1e-20f, "epsilon 1e-20", "expected");
    REFUSE_ADAM(epsilon, NAN, "epsilon nan", "expected");
    REFUSE_ADAM(epsilon, 2e6f, "epsilon 2000000", "expected");
    REFUSE_ADAM(weight_decay, NAN, "weight decay nan", "expected");
    REFUSE(weight_decay, -1, "weight decay -1", "expected");
    REFUSE(weight_decay, NAN, "weight decay nan", "expected");
    tas_train_options none = sample_options(9, 0);
    none.epochs = 0;
    refuse_run(none, "steps 0", "epochs 0");
}
END_TEST

static void refuse_data(const char *text, tas_data *set, const char *word, const char *other)
{
    tas_model *model = model_of_text(text, 3);
    tas_score score;
    const tas_train_options options = sample_options(1, 1);
    expect(tas_train(model, set, &options, NULL), TAS_BAD_NETWORK, word, other);
    expect(tas_evaluate(model, set, &score), TAS_BAD_NETWORK, word, other);
    tas_model_close(&model);
    tas_data_close(&set);
}

START_TEST(refuses_data_that_do_not_fit)
{
    const float x[12] = {0};
    const uint32_t label[2] = {0};
    refuse_data(sample_net, data_of(2, 5, x, label, 4, 0), "takes 6 values", "has 5");
    refuse_data(sample_net, data_of(2, 6, x, label, 5, 0), "4 outputs", "5 classes");
    refuse_data(sample_net, data_of(2, 6, x, x, 0, 4), "float targets", "loss mse");
    refuse_data("input 6\ndense 3\nloss mse\n", data_of(2, 6, x, x, 0, 2), "3 outputs", "2 target values");
    refuse_data("input 6\ndense 3\nloss mse\n", data_of(2, 6, x, label, 4, 0), "3 outputs", "4 classes");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train");
    TCase *tc = tcase_create("training");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, sample_open, sample_close);
    tcase_add_test(tc, arrays_borrowed_and_callback_are_one);
    tcase_add_test(tc, tile_sizes_leave_no_trace);
    tcase_add_test(tc, tile_sizes_leave_no_trace_in_large_batches);
    tcase_add_test(tc, epochs_steps_and_results);
    tcase_add_test(tc, stops_exactly);
    tcase_add_loop_test(tc, stretches_are_one_run, TAS_SGD, TAS_LAMB + 1);
    tcase_add_test(tc, stops_late_when_ahead);
    tcase_add_test(tc, cancel_before_a_run_stops_that_run);
    tcase_add_test(tc, cancel_from_another_thread);
    tcase_add_loop_test(tc, an_overflowing_update_is_seen, 1, 4);
    tcase_add_test(tc, a_failed_device_leaves_the_last_snapshot);
    tcase_add_test(tc, an_overflow_leaves_the_last_snapshot);
    tcase_add_test(tc, a_second_run_is_refused);
    tcase_add_test(tc, an_open_run_keeps_its_weights);
    tcase_add_test(tc, callbacks_can_look_at_the_model);
    tcase_add_test(tc, a_gradient_that_overflows_is_named);
    tcase_add_test(tc, not_finite_stops_before_the_bad_step);
    tcase_add_test(tc, a_bad_step_that_cannot_be_read_again);
    tcase_add_test(tc, refuses_options);
    tcase_add_test(tc, refuses_data_that_do_not_fit);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
