/* The public API on the reference device: training, stopping, checkpoints, prediction, and the program around it. */
#include "data/data.h" /* before check.h, which has a macro of the name fail */
#include "train/safetensors.h"

#include "support.h"

#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { COUNT = 53, INPUTS = 6, CLASSES = 4 };
static const char small[] = "input 6 mean 0.1 std 0.7\ndense 9\nrelu\ndense 7\ntanh\ndense 4\n";

static float inputs[COUNT * INPUTS];
static uint32_t labels[COUNT];
static tas_data *data;

static void setup(void)
{
    support_open();
    for (int e = 0; e < COUNT; e++) {
        labels[e] = random_below(CLASSES);
        for (int i = 0; i < INPUTS; i++) inputs[e * INPUTS + i] = random_float(-1, 1) + ((uint32_t)i == labels[e]);
    }
    data = data_of(COUNT, INPUTS, inputs, labels, CLASSES, 0);
}

static void teardown(void)
{
    tas_data_close(&data);
    support_close();
}

static tas_train_options options(uint32_t batch, uint64_t steps)
{
    tas_train_options is;
    tas_train_options_init(&is);
    is.batch = batch;
    is.steps = steps;
    return is;
}

/* Trains a network from its beginning. The digest is valid for the next few calls. */
static const char *digest_of(const char *text, const tas_data *set, const tas_train_options *is, tas_train_result *result)
{
    static char hex[4][65];
    static int next;
    next = (next + 1) % 4;
    tas_model *model = model_of_text(text, 3);
    expect_ok(tas_train(model, set, is, result));
    expect_ok(tas_model_digest(model, hex[next]));
    tas_model_close(&model);
    return hex[next];
}

/* Where data come from ---------------------------------------------------------------------------------------------- */

static int fill(void *user, const uint64_t *index, size_t n, void *in, void *targets)
{
    ++*(int *)user;
    for (size_t k = 0; k < n; k++) {
        ck_assert_uint_lt(index[k], COUNT);
        memcpy((float *)in + k * INPUTS, inputs + index[k] * INPUTS, sizeof(float) * INPUTS);
        ((uint32_t *)targets)[k] = labels[index[k]];
    }
    return *(int *)user < 0;
}

START_TEST(arrays_borrowed_and_callback_are_one)
{
    int calls = 0;
    tas_data *other = NULL;
    tas_data_options set;
    const tas_train_options is = options(8, 20);
    const char *first = digest_of(small, data, &is, NULL);
    tas_data_options_init(&set);
    set.count = COUNT;
    set.input_size = INPUTS;
    set.input_type = TAS_INPUT_F32;
    set.classes = CLASSES;
    set.inputs = inputs;
    set.targets = labels;
    set.borrow = 1;
    expect_ok(tas_data_open(context, &set, &other));
    ck_assert_str_eq(digest_of(small, other, &is, NULL), first);
    tas_data_close(&other);

    set.inputs = set.targets = NULL;
    set.borrow = 0;
    set.fill = fill;
    set.user = &calls;
    expect_ok(tas_data_open(context, &set, &other));
    ck_assert_str_eq(digest_of(small, other, &is, NULL), first);
    ck_assert_int_gt(calls, 0);
    calls = -1000; /* the callback fails */
    tas_model *model = model_of_text(small, 3);
    tas_train_result result;
    expect(tas_train(model, other, &is, &result), TAS_BAD_DATA, "callback", "1");
    ck_assert_uint_eq(result.steps, 0);
    tas_model_close(&model);
    tas_data_close(&other);
}
END_TEST

/* Tiles ------------------------------------------------------------------------------------------------------------ */

/* The least budget, as the error has it. */
static uint64_t least_budget(const char *text, const tas_data *set, tas_train_options is)
{
    tas_model *model = model_of_text(text, 3);
    is.budget = 1;
    expect(tas_train(model, set, &is, NULL), TAS_NO_MEMORY, "reference", "at least ");
    const uint64_t least = strtoull(strstr(tas_error(context), "at least ") + 9, NULL, 10);
    is.budget = least - 1;
    expect(tas_train(model, set, &is, NULL), TAS_NO_MEMORY, "reference", "at least ");
    tas_model_close(&model);
    return least;
}

static void check_budgets(const char *text, const tas_data *set, tas_train_options is, int budgets)
{
    tas_train_result whole, cut;
    char first[65];
    strcpy(first, digest_of(text, set, &is, &whole));
    const uint64_t least = least_budget(text, set, is);
    for (int k = 0; k < budgets; k++) {
        is.budget = k ? least + random_u64() % (whole.peak_bytes - least + 1) : least;
        const char *hex = digest_of(text, set, &is, &cut);
        ck_assert_msg(!strcmp(hex, first), "another digest with budget %llu, batch %u of\n%s", (unsigned long long)is.budget, is.batch, text);
        ck_assert_uint_le(cut.peak_bytes, is.budget);
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
        tas_train_options is = options(1 + random_below(count), 1 + random_below(9));
        is.nesterov = random_below(2);
        is.weight_decay = random_below(2) ? 0.001f : 0;
        check_budgets(text, set, is, 3);
        tas_data_close(&set);
        free(label), free(x);
    }
}
END_TEST

/* Several granules a batch, and one chain over it. */
START_TEST(tile_sizes_leave_no_trace_in_large_batches)
{
    enum { MANY = 700, WIDE = 300 };
    static const char *const texts[] = {"input 300\ndense 5\nsigmoid\ndense 3\n", "input 300\ndense 220\nrelu\ndense 3\n"};
    float *x = malloc(MANY * WIDE * sizeof *x);
    uint32_t *label = malloc(MANY * sizeof *label);
    for (uint32_t k = 0; k < MANY * WIDE; k++) x[k] = random_float(-1, 1);
    for (uint32_t k = 0; k < MANY; k++) label[k] = random_below(3);
    tas_data *set = data_of(MANY, WIDE, x, label, 3, 0);
    check_budgets(texts[0], set, options(640, 3), 3);
    check_budgets(texts[0], set, options(512, 2), 2);
    check_budgets(texts[1], set, options(70, 2), 2);
    tas_data_close(&set);
    free(label), free(x);
}
END_TEST

/* SGD -------------------------------------------------------------------------------------------------------------- */

/* y = W x + b under mse, trained in double precision by the formulas of the header. */
static void check_linear(uint32_t batch, uint64_t steps, float momentum, int nesterov, float decay)
{
    enum { OUT = 2, ROW = INPUTS + 1, ALL = OUT * ROW };
    static float targets[COUNT * OUT];
    double w[ALL], v[ALL] = {0};
    uint32_t order[COUNT], an_epoch = (COUNT + batch - 1) / batch;
    for (int k = 0; k < COUNT * OUT; k++) targets[k] = random_float(-1, 1);
    tas_data *set = data_of(COUNT, INPUTS, inputs, targets, 0, OUT);
    tas_model *model = model_of_text("input 6\ndense 2\nloss mse\n", 11);
    float *values = model_get(model);
    for (int k = 0; k < ALL; k++) w[k] = values[k]; /* weights (OUT, INPUTS), then biases */

    for (uint64_t step = 0; step < steps; step++) {
        double g[ALL] = {0};
        const uint32_t at = (uint32_t)(step % an_epoch) * batch, n = COUNT - at < batch ? COUNT - at : batch;
        shuffle_order(5, (uint32_t)(step / an_epoch), order, COUNT);
        for (uint32_t k = at; k < at + n; k++)
            for (int o = 0; o < OUT; o++) {
                const float *x = inputs + order[k] * INPUTS;
                double y = w[OUT * INPUTS + o];
                for (int i = 0; i < INPUTS; i++) y += w[o * INPUTS + i] * x[i];
                const double d = 2 * (y - targets[order[k] * OUT + o]) / OUT / n;
                for (int i = 0; i < INPUTS; i++) g[o * INPUTS + i] += d * x[i];
                g[OUT * INPUTS + o] += d;
            }
        for (int k = 0; k < ALL; k++) {
            g[k] += (double)decay * w[k];
            v[k] = (double)momentum * v[k] + g[k];
            w[k] -= 0.03 * (nesterov ? g[k] + (double)momentum * v[k] : v[k]);
        }
    }
    tas_train_options is = options(batch, steps);
    is.lr = 0.03f;
    is.momentum = momentum;
    is.nesterov = nesterov;
    is.weight_decay = decay;
    is.seed = 5;
    expect_ok(tas_train(model, set, &is, NULL));
    free(values);
    values = model_get(model);
    for (int k = 0; k < ALL; k++)
        ck_assert_msg(fabs(values[k] - w[k]) < 3e-6 * (1 + fabs(w[k])), "batch %u, step %llu, parameter %d: %.9g, expected %.9g", batch,
                      (unsigned long long)steps, k, values[k], w[k]);
    free(values);
    tas_model_close(&model);
    tas_data_close(&set);
}

/* Batches of 1, of all, with and without a smaller last one; over the ends of epochs, each shuffled anew. */
START_TEST(steps_are_those_of_the_formulas)
{
    static const uint32_t batches[] = {1, 7, 26, 52, COUNT};
    for (int k = 0; k < 5; k++) {
        check_linear(batches[k], 1, 0.9f, 0, 0);
        check_linear(batches[k], 9, 0, 0, 0);
        check_linear(batches[k], 9, 0.9f, 0, 0);
        check_linear(batches[k], 9, 0.9f, 1, 0);
        check_linear(batches[k], 9, 0.5f, 1, 0.01f);
        check_linear(batches[k], 60, 0.9f, 0, 0.01f);
    }
}
END_TEST

typedef struct watcher {
    uint64_t calls, stop_at, examples;
    bool cancel, disturb;
    tas_model *model;
    uint32_t batch;
    double seconds;
    volatile bool started;
} watcher;

static int watch(void *user, const tas_step *step)
{
    watcher *is = user;
    const uint64_t an_epoch = (COUNT + is->batch - 1) / is->batch;
    is->calls++;
    is->examples += step->batch;
    is->started = true;
    ck_assert_uint_eq(step->step, is->calls);
    ck_assert_uint_eq(step->epoch, (step->step - 1) / an_epoch + 1);
    ck_assert_uint_eq(step->batch, step->step % an_epoch ? is->batch : COUNT - (an_epoch - 1) * is->batch);
    ck_assert_uint_eq(step->examples, is->examples);
    ck_assert(step->lr == 0.05f && step->loss > 0 && step->seconds >= is->seconds);
    is->seconds = step->seconds;
    if (is->disturb) {
        fesetround(FE_UPWARD);
#if defined(__x86_64__)
        _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
#endif
    }
    if (is->calls != is->stop_at) return 0;
    if (is->cancel) tas_cancel(is->model);
    return !is->cancel;
}

static tas_status train_watched(tas_model *model, watcher *is, tas_train_options run, tas_train_result *result)
{
    is->model = model;
    is->batch = run.batch;
    run.on_step = watch;
    run.user = is;
    return tas_train(model, data, &run, result);
}

START_TEST(epochs_steps_and_results)
{
    tas_train_options is = options(10, 0);
    tas_train_result result;
    is.epochs = 3;
    const char *first = digest_of(small, data, &is, &result);
    ck_assert_uint_eq(result.steps, 18);
    ck_assert_uint_eq(result.examples, 3 * COUNT);
    ck_assert(result.last_loss > 0 && result.seconds > 0 && result.examples_per_s > 0 && result.peak_bytes > 0 && !result.bad_step);
    is.steps = 18;
    is.epochs = 999; /* does not count */
    ck_assert_str_eq(digest_of(small, data, &is, NULL), first);
    watcher w = {0};
    tas_model *model = model_of_text(small, 3);
    char hex[65];
    expect_ok(train_watched(model, &w, is, &result));
    expect_ok(tas_model_digest(model, hex));
    ck_assert_str_eq(hex, first);
    ck_assert_uint_eq(w.calls, 18);
    tas_model_close(&model);
    is.steps = 17;
    ck_assert_str_ne(digest_of(small, data, &is, NULL), first);
    is.steps = 18;
    is.seed = 2;
    ck_assert_str_ne(digest_of(small, data, &is, NULL), first); /* another order */
}
END_TEST

/* Stopping --------------------------------------------------------------------------------------------------------- */

/* The weights are those of a run of that many steps. */
static void check_as_if(tas_model *model, uint64_t steps, uint32_t batch)
{
    tas_model *fresh = model_of_text(small, 3);
    const tas_train_options is = options(batch, steps);
    if (steps) expect_ok(tas_train(fresh, data, &is, NULL));
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
            tas_model *model = model_of_text(small, 3);
            watcher w = {.stop_at = stop, .cancel = cancel};
            snprintf(text, sizeof text, "step %d", (int)stop);
            expect(train_watched(model, &w, options(9, 13), &result), TAS_STOPPED, text, "");
            ck_assert_uint_eq(w.calls, stop);
            ck_assert_uint_eq(result.steps, stop);
            check_as_if(model, stop, 9);
            w = (watcher){0}; /* the next run knows nothing of it */
            expect_ok(train_watched(model, &w, options(9, 2), &result));
            tas_model_close(&model);
        }
}
END_TEST

/* With `ahead`, callbacks come late, but in order, and the weights are those of the steps that were counted. */
START_TEST(stops_late_when_ahead)
{
    tas_train_result result;
    tas_train_options is = options(9, 4000);
    tas_model *model = model_of_text(small, 3);
    watcher w = {.stop_at = 2};
    is.ahead = 1;
    expect(train_watched(model, &w, is, &result), TAS_STOPPED, "step", "");
    ck_assert(result.steps >= 2 && result.steps == w.calls && result.steps < 4000);
    check_as_if(model, result.steps, 9);
    tas_model_close(&model);
}
END_TEST

START_TEST(cancel_before_a_run_stops_that_run)
{
    tas_model *model = model_of_text(small, 3);
    tas_train_result result;
    tas_train_options is = options(9, 5);
    tas_cancel(model);
    expect(tas_train(model, data, &is, &result), TAS_STOPPED, "step 0", "");
    ck_assert_uint_eq(result.steps, 0);
    check_as_if(model, 0, 9);
    expect_ok(tas_train(model, data, &is, NULL));
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
        tas_model *model = model_of_text(small, 3);
        tas_train_options is = options(9, 100000000);
        watcher w = {.model = model};
        is.ahead = ahead;
        ck_assert_int_eq(pthread_create(&thread, NULL, cancel_later, &w), 0);
        expect(train_watched(model, &w, is, &result), TAS_STOPPED, "stopped after step", "");
        pthread_join(thread, NULL);
        ck_assert_uint_eq(w.calls, result.steps);
        check_as_if(model, result.steps, 9);
        tas_model_close(&model);
    }
}
END_TEST

START_TEST(not_finite_stops_before_the_bad_step)
{
    static const char *const texts[] = {"input 6\ndense 9\nrelu\ndense 4\nloss mse\n", "input 6\ndense 9\nleaky\ndense 8\ngelu\ndense 4\n"};
    for (int net = 0; net < 2; net++) {
        float *kept = NULL;
        uint64_t bad = 0;
        for (int k = 0; k < 3; k++) { /* without a callback, with one and ahead, in small tiles */
            tas_model *model = model_of_text(texts[net], 3);
            tas_train_options is = options(9, 500);
            tas_train_result result;
            char text[128];
            is.lr = 1e6f;
            is.ahead = k == 1;
            is.budget = k == 2 ? least_budget(texts[net], data, is) : 0;
            const tas_status status = tas_train(model, data, &is, &result);
            snprintf(text, sizeof text, "step %llu: %s is not finite", (unsigned long long)result.bad_step, result.bad_tensor);
            expect(status, TAS_NOT_FINITE, text, "lr 1e+06");
            ck_assert_uint_gt(result.bad_step, 1);
            ck_assert_uint_eq(result.steps, result.bad_step - 1);
            ck_assert(isfinite(result.last_loss));
            const tas_network *network = tas_model_network(model);
            bool known = !strcmp(result.bad_tensor, "loss");
            for (size_t l = 1; tas_network_layer(network, l); l++) known |= atoi(result.bad_tensor) == (int)l;
            ck_assert_msg(known, "%s is no tensor of the network", result.bad_tensor);
            float *values = model_get(model);
            for (size_t e = 0; e < model_elements(model); e++) ck_assert(isfinite(values[e]));
            if (!k) { /* the model is that of so many steps */
                tas_model *fresh = model_of_text(texts[net], 3);
                is.steps = result.bad_step - 1;
                expect_ok(tas_train(fresh, data, &is, NULL));
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

/* Refused ---------------------------------------------------------------------------------------------------------- */

static void refuse_run(tas_train_options is, const char *word, const char *other)
{
    tas_model *model = model_of_text(small, 3);
    tas_train_result result;
    expect(tas_train(model, data, &is, &result), TAS_BAD_ARGUMENT, word, other);
    ck_assert_uint_eq(result.steps, 0);
    check_as_if(model, 0, 9);
    tas_model_close(&model);
}

#define REFUSE(field, value, word, other)                                                                              \
    do {                                                                                                               \
        tas_train_options bad = options(9, 3);                                                                         \
        bad.field = value;                                                                                             \
        refuse_run(bad, word, other);                                                                                  \
    } while (0)

START_TEST(refuses_options)
{
    REFUSE(size, 8, "options of 8 bytes", "tas_train_options_init");
    REFUSE(size, 0, "options of 0 bytes", "tas_train_options_init");
    REFUSE(batch, 0, "batch 0", "at least 1");
    REFUSE(batch, COUNT + 1, "batch 54", "53 examples");
    REFUSE(lr, NAN, "lr nan", "expected");
    REFUSE(lr, -0.1f, "lr -0.1", "expected");
    REFUSE(lr, INFINITY, "lr inf", "expected");
    REFUSE(lr, 2e6f, "lr 2e+06", "expected");
    REFUSE(lr, 1e-30f, "lr 1e-30", "expected");
    REFUSE(momentum, 1.01f, "momentum 1.01", "expected");
    REFUSE(momentum, -0.5f, "momentum -0.5", "expected");
    REFUSE(momentum, NAN, "momentum nan", "expected");
    REFUSE(weight_decay, -1, "weight decay -1", "expected");
    REFUSE(weight_decay, NAN, "weight decay nan", "expected");
    tas_train_options none = options(9, 0);
    none.epochs = 0;
    refuse_run(none, "no steps", "no epochs");
}
END_TEST

static void refuse_data(const char *text, tas_data *set, const char *word, const char *other)
{
    tas_model *model = model_of_text(text, 3);
    tas_score score;
    const tas_train_options is = options(1, 1);
    expect(tas_train(model, set, &is, NULL), TAS_BAD_NETWORK, word, other);
    expect(tas_evaluate(model, set, &score), TAS_BAD_NETWORK, word, other);
    tas_model_close(&model);
    tas_data_close(&set);
}

START_TEST(refuses_data_that_do_not_fit)
{
    const float x[12] = {0};
    const uint32_t label[2] = {0};
    refuse_data(small, data_of(2, 5, x, label, 4, 0), "takes 6 values", "has 5");
    refuse_data(small, data_of(2, 6, x, label, 5, 0), "4 outputs", "5 classes");
    refuse_data(small, data_of(2, 6, x, x, 0, 4), "loss softmax wants labels", "loss mse");
    refuse_data("input 6\ndense 3\nloss mse\n", data_of(2, 6, x, x, 0, 2), "3 outputs", "2 target values");
    refuse_data("input 6\ndense 3\nloss mse\n", data_of(2, 6, x, label, 4, 0), "3 outputs", "4 classes");
}
END_TEST

/* Parameters ------------------------------------------------------------------------------------------------------- */

START_TEST(parameters_by_name)
{
    tas_model *model = model_of_text("input 3\ndense 2\n", 3);
    const float given[6] = {1, -0x1p-41f, 1e-45f, -0.0f, 0x1p-40f, -2e30f}, wanted[6] = {1, 0, 0, 0, 0x1p-40f, -2e30f};
    const float bad[6] = {5, 5, 5, 5, NAN, 5}, bad_too[2] = {-INFINITY, 1};
    float got[6];
    expect_ok(tas_model_write(model, "1.dense.weight", given, 6));
    expect_ok(tas_model_read(model, "1.dense.weight", got, 6));
    ck_assert_mem_eq(got, wanted, sizeof got); /* bits: no -0 */
    expect(tas_model_write(model, "1.dense.weight", bad, 6), TAS_BAD_DATA, "1.dense.weight", "element 4");
    expect(tas_model_write(model, "1.dense.bias", bad_too, 2), TAS_BAD_DATA, "1.dense.bias", "element 0");
    expect(tas_model_write(model, "1.dense.weight", given, 5), TAS_BAD_ARGUMENT, "6 elements", "5");
    expect(tas_model_read(model, "1.dense.bias", got, 6), TAS_BAD_ARGUMENT, "2 elements", "6");
    expect(tas_model_read(model, "1.dense", got, 6), TAS_BAD_ARGUMENT, "'1.dense'", "1.dense.weight, 1.dense.bias");
    expect(tas_model_read(model, "", got, 6), TAS_BAD_ARGUMENT, "''", "1.dense.weight");
    expect_ok(tas_model_read(model, "1.dense.weight", got, 6));
    ck_assert_mem_eq(got, wanted, sizeof got); /* as before what failed */
    tas_model_close(&model);
}
END_TEST

/* Prediction and evaluation ---------------------------------------------------------------------------------------- */

START_TEST(predictions_and_scores)
{
    enum { MOST = 1100 };
    static float x[MOST * INPUTS], y[MOST * 10], y_again[10];
    static uint32_t label[MOST];
    static const uint32_t counts[] = {1, 2, 511, 512, 513, MOST};
    for (int mse = 0; mse < 2; mse++) {
        plain_net net = {.inputs = INPUTS, .mean = 0.25, .std = 0.5, .mse = mse};
        for (int kind = PLAIN_RELU; kind <= PLAIN_GELU; kind++) plain_add(&net, PLAIN_DENSE, 10), plain_add(&net, (plain_kind)kind, 0);
        plain_add(&net, PLAIN_DENSE, 10);
        double parameters[700];
        tas_model *model = model_of(&net, 9);
        float *values = model_get(model);
        for (size_t k = 0; k < plain_parameters(&net); k++) values[k] = random_float(-0.8f, 0.8f), parameters[k] = values[k];
        model_set(model, values);
        for (int k = 0; k < MOST * INPUTS; k++) x[k] = random_float(-1, 2);
        for (int k = 0; k < MOST; k++) label[k] = random_below(10);
        expect_ok(tas_predict(model, x, 0, y));
        for (int c = 0; c < 6; c++) {
            tas_score score = {0};
            double loss = 0, out[10], in[INPUTS], target[10] = {0};
            uint64_t hits = 0;
            expect_ok(tas_predict(model, x, counts[c], y));
            for (uint32_t e = 0; e < counts[c]; e++) {
                uint32_t most = 0;
                for (int i = 0; i < INPUTS; i++) in[i] = x[e * INPUTS + (uint32_t)i];
                plain_forward(&net, parameters, in, out, NULL);
                for (int j = 0; j < 10; j++) {
                    ck_assert_msg(fabs(out[j] - y[e * 10 + (uint32_t)j]) < 1e-4, "example %u: %g, expected %g", e, y[e * 10 + (uint32_t)j], out[j]);
                    out[j] = y[e * 10 + (uint32_t)j];
                    most = out[j] > out[most] ? (uint32_t)j : most;
                }
                target[label[e]] = 1;
                loss += mse ? plain_squared(out, 10, target) : plain_softmax(out, 10, label[e]);
                target[label[e]] = 0;
                hits += most == label[e];
            }
            const uint32_t one = random_below(counts[c]); /* alone as in company */
            expect_ok(tas_predict(model, x + one * INPUTS, 1, y_again));
            ck_assert_mem_eq(y_again, y + one * 10, sizeof y_again);
            tas_data *set = data_of(counts[c], INPUTS, x, label, 10, 0);
            expect_ok(tas_evaluate(model, set, &score));
            ck_assert_msg(fabs(score.loss - loss / counts[c]) < 1e-5 * score.loss, "loss %.9g, expected %.9g", score.loss, loss / counts[c]);
            ck_assert_uint_eq(score.examples, counts[c]);
            if (mse) ck_assert(score.accuracy == -1);
            else ck_assert(score.correct == hits && score.accuracy == (double)hits / counts[c]);
            tas_data_close(&set);
        }
        free(values);
        tas_model_close(&model);
    }
}
END_TEST

/* Checkpoints ------------------------------------------------------------------------------------------------------ */

static char folder[] = "/tmp/tassello-train-XXXXXX", path[sizeof folder + 16];

START_TEST(saved_is_loaded)
{
    char hex[2][65];
    float y[2][COUNT * CLASSES];
    tas_score score[2];
    tas_model *model = model_of_text(small, 3), *loaded = NULL;
    const tas_train_options is = options(9, 11);
    expect_ok(tas_train(model, data, &is, NULL));
    expect_ok(tas_model_save(model, path));
    expect_ok(tas_model_load(device, path, &loaded));
    ck_assert_str_eq(tas_network_text(tas_model_network(loaded)), small);
    for (int round = 0; round < 2; round++) { /* and trains on as the first one does */
        for (int k = 0; k < 2; k++) {
            tas_model *which = k ? loaded : model;
            expect_ok(tas_model_digest(which, hex[k]));
            expect_ok(tas_predict(which, inputs, COUNT, y[k]));
            expect_ok(tas_evaluate(which, data, &score[k]));
            expect_ok(tas_train(which, data, &is, NULL));
        }
        ck_assert_str_eq(hex[0], hex[1]);
        ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
        ck_assert(score[0].loss == score[1].loss && score[0].correct == score[1].correct);
    }
    expect(tas_model_save(model, "/nonexistent/file"), TAS_BAD_FILE, "/nonexistent/file", "");
    expect(tas_model_save(model, folder), TAS_BAD_FILE, folder, "");
    tas_model_close(&loaded);
    tas_model_close(&model);
}
END_TEST

/* Writes a checkpoint of "input 2, dense 1" with something else about it. */
static void refuse_checkpoint(const char *text, const char *name, uint64_t rows, uint64_t cols, float value, tas_status status, const char *word,
                              const char *other)
{
    const float weight[4] = {1, value, 3, 4}, bias[1] = {5};
    const safetensors_pair pair = {"tassello.network", text};
    const safetensor tensors[] = {{.name = name, .dims = {rows, cols}, .ndims = cols ? 2 : 1, .data = weight},
                                  {.name = "1.dense.bias", .dims = {1}, .ndims = 1, .data = bias}};
    file_writer writer;
    tas_model *model = (tas_model *)&writer;
    expect_ok(file_begin(context, &writer, path));
    expect_ok(safetensors_write(context, &writer, &pair, text ? 1 : 0, tensors, 2));
    expect_ok(file_commit(context, &writer));
    expect(tas_model_load(device, path, &model), status, word, other);
    if (status) ck_assert_ptr_null(model);
    else tas_model_close(&model);
}

START_TEST(refuses_checkpoints)
{
    static const char text[] = "input 2\ndense 1\n", weight[] = "1.dense.weight";
    refuse_checkpoint(text, weight, 1, 2, 2, TAS_OK, "", "");
    refuse_checkpoint(text, weight, 2, 1, 2, TAS_BAD_DATA, path, "another shape than its own network's (1 x 2)");
    refuse_checkpoint(text, weight, 2, 2, 2, TAS_BAD_DATA, weight, "shape");
    refuse_checkpoint(text, weight, 2, 0, 2, TAS_BAD_DATA, weight, "shape");
    refuse_checkpoint(text, "weight", 1, 2, 2, TAS_BAD_DATA, path, "lacks tensor 1.dense.weight");
    refuse_checkpoint(NULL, weight, 1, 2, 2, TAS_BAD_DATA, path, "no network");
    refuse_checkpoint("input 2\ndens 1\n", weight, 1, 2, 2, TAS_BAD_NETWORK, path, ":2: 'dens'");
    refuse_checkpoint(text, weight, 1, 2, NAN, TAS_BAD_DATA, weight, "element 1 is not finite");
    tas_model *model = NULL;
    ck_assert_int_eq(truncate(path, 20), 0);
    expect(tas_model_load(device, path, &model), TAS_BAD_DATA, path, "");
    unlink(path);
    expect(tas_model_load(device, path, &model), TAS_BAD_FILE, path, "No such file");
}
END_TEST

/* The program around ----------------------------------------------------------------------------------------------- */

/* All that the library computes: a digest, predictions and a score, by way of a checkpoint. */
static void compute(char hex[65], float *y, tas_score *score, bool disturb)
{
    tas_data *set = data_of(COUNT, INPUTS, inputs, labels, CLASSES, 0);
    tas_model *model = model_of_text(small, 3), *loaded = NULL;
    watcher w = {.disturb = disturb};
    expect_ok(train_watched(model, &w, options(9, 40), NULL));
    expect_ok(tas_model_save(model, path));
    expect_ok(tas_model_load(device, path, &loaded));
    expect_ok(tas_model_digest(loaded, hex));
    expect_ok(tas_predict(loaded, inputs, COUNT, y));
    expect_ok(tas_evaluate(loaded, set, score));
    tas_model_close(&loaded);
    tas_model_close(&model);
    tas_data_close(&set);
}

static void check_computed(const char *hex, const float *y, const tas_score *score, bool disturb)
{
    char hex_now[65];
    float y_now[COUNT * CLASSES];
    tas_score score_now;
    compute(hex_now, y_now, &score_now, disturb);
    ck_assert_str_eq(hex_now, hex);
    ck_assert_mem_eq(y_now, y, sizeof y_now);
    ck_assert(score_now.loss == score->loss && score_now.correct == score->correct);
}

START_TEST(floating_point_state_is_the_callers)
{
    char hex[65];
    float y[COUNT * CLASSES];
    tas_score score;
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
    compute(hex, y, &score, false);
    for (int k = 0; k < 4; k++) {
        fesetround(modes[k]);
        feraiseexcept(FE_INEXACT | FE_OVERFLOW);
#if defined(__x86_64__)
        _mm_setcsr((_mm_getcsr() | 0x8040)); /* flush to zero, denormals are zero */
        const unsigned before = _mm_getcsr();
        check_computed(hex, y, &score, k == 1);
        ck_assert_uint_eq(_mm_getcsr() & 0xffc0, before & 0xffc0);
        _mm_setcsr(_mm_getcsr() & ~0x8040u);
#else
        check_computed(hex, y, &score, k == 1);
#endif
        ck_assert_int_eq(fegetround(), modes[k]);
        ck_assert(fetestexcept(FE_OVERFLOW));
    }
    check_computed(hex, y, &score, true); /* a callback that leaves another state behind */
}
END_TEST

/* A German locale, made here where the system has its source; without it this test says so and looks at nothing. */
START_TEST(locale_is_the_callers)
{
    char hex[65], command[256], number[16];
    float y[COUNT * CLASSES];
    tas_score score;
    tas_network *network = NULL;
    compute(hex, y, &score, false);
    setenv("LOCPATH", folder, 1);
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
    if (system(command) == -1 || !setlocale(LC_ALL, "de_DE.UTF-8")) {
        puts("no German locale can be made here: the test of locales looked at nothing");
        return;
    }
    snprintf(number, sizeof number, "%.1f", 0.5);
    ck_assert_str_eq(number, "0,5");
    check_computed(hex, y, &score, false);
    expect(tas_network_parse(context, "input 4 mean 0,5\ndense 1\n", "net", &network), TAS_BAD_NETWORK, "net:1", "'0,5'");
    tas_train_options bad = options(9, 3);
    bad.lr = -0.5f;
    refuse_run(bad, "lr -0.5", "");
    snprintf(number, sizeof number, "%.1f", 0.5);
    ck_assert_str_eq(number, "0,5");
    setlocale(LC_ALL, "C");
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/checkpoint", folder);
    Suite *suite = suite_create("train");
    TCase *tc = tcase_create("training");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, arrays_borrowed_and_callback_are_one);
    tcase_add_test(tc, tile_sizes_leave_no_trace);
    tcase_add_test(tc, tile_sizes_leave_no_trace_in_large_batches);
    tcase_add_test(tc, steps_are_those_of_the_formulas);
    tcase_add_test(tc, epochs_steps_and_results);
    tcase_add_test(tc, stops_exactly);
    tcase_add_test(tc, stops_late_when_ahead);
    tcase_add_test(tc, cancel_before_a_run_stops_that_run);
    tcase_add_test(tc, cancel_from_another_thread);
    tcase_add_test(tc, not_finite_stops_before_the_bad_step);
    tcase_add_test(tc, refuses_options);
    tcase_add_test(tc, refuses_data_that_do_not_fit);
    tcase_add_test(tc, parameters_by_name);
    tcase_add_test(tc, predictions_and_scores);
    tcase_add_test(tc, saved_is_loaded);
    tcase_add_test(tc, refuses_checkpoints);
    tcase_add_test(tc, floating_point_state_is_the_callers);
    tcase_add_test(tc, locale_is_the_callers);
    suite_add_tcase(suite, tc);
    const int failed = support_run(suite);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) || failed;
}
