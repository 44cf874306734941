/* Optimisers on the reference device: the update against the formulas and the papers in double precision, what is kept
 * from step to step. */
#include "data/shuffle.h"
#include "train/feed.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <math.h>
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

/* Formulas -------------------------------------------------------------------------------------------------------- */

enum { OUT = 2, ROW = INPUTS + 1, ALL = OUT * ROW, WEIGHTS = OUT * INPUTS }; /* weights (OUT, INPUTS), then biases */

static double norm_of(const double *x, int count)
{
    double sum = 0;
    for (int k = 0; k < count; k++) sum += x[k] * x[k];
    return sqrt(sum);
}

static double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

/* Of one step: the rate and beta2, which may follow the batch, and the products of the betas up to it. */
typedef struct moment {
    double lr, beta2, faded[2];
} moment;

/* The bare direction of one parameter; *m and *v are its state, decay what it has of it. */
static double direction(const tas_train_options *options, const moment *at, double g, double decay, double w, double *m,
                        double *v)
{
    const double beta1 = options->beta1, beta2 = at->beta2, c = beta1 * *m + (1 - beta1) * g;
    switch (options->optimizer) {
    case TAS_ADAM: g += decay * w; /* falls through */
    case TAS_ADAMW:
    case TAS_LAMB:
        *m = beta1 * *m + (1 - beta1) * g;
        *v = beta2 * *v + (1 - beta2) * g * g;
        const double step = *m / (1 - at->faded[0]) / (sqrt(*v / (1 - at->faded[1])) + (double)options->epsilon);
        return options->optimizer == TAS_ADAM ? step : step + decay * w;
    case TAS_RMSPROP:
        g += decay * w;
        *v = (double)options->alpha * *v + (1 - (double)options->alpha) * g * g;
        return *m = (double)options->momentum * *m + g / (sqrt(*v) + (double)options->epsilon);
    case TAS_LION: *m = beta2 * *m + (1 - beta2) * g; return sign_of(c) + decay * w;
    default: /* SGD */
        g += decay * w;
        *m = (double)options->momentum * *m + g;
        return options->nesterov ? g + (double)options->momentum * *m : *m;
    }
}

/* The update of all parameters in one step, by the formulas of the header and of the papers that it names. */
static void update_plainly(const tas_train_options *options, const moment *at, double *g, double *w, double *m,
                           double *v)
{
    const double lr = at->lr, norm = norm_of(g, ALL), clip = options->clip / (norm + 1e-6);
    double step[ALL];
    if (options->clip > 0 && clip < 1)
        for (int k = 0; k < ALL; k++) g[k] *= clip;
    const double of_w = norm_of(w, WEIGHTS), of_g = norm_of(g, WEIGHTS), decay = options->weight_decay;
    for (int k = 0; k < ALL; k++) {
        const double own = k < WEIGHTS || options->decay_on == TAS_DECAY_ON_ALL ? decay : 0;
        const double trust = k < WEIGHTS ? (double)options->trust * of_w / (of_g + decay * of_w) : 1;
        if (options->optimizer == TAS_LARS)
            step[k] = m[k] = (double)options->momentum * m[k] + lr * trust * (g[k] + own * w[k]);
        else
            step[k] = lr * direction(options, at, g[k], own, w[k], &m[k], &v[k]);
    }
    const double ratio = options->optimizer == TAS_LAMB ? of_w / (norm_of(step, WEIGHTS) / lr) : 1;
    for (int k = 0; k < ALL; k++) w[k] -= k < WEIGHTS ? ratio * step[k] : step[k];
}

/* The rate and beta2 of a batch, from those of the base batch; beta1 stays. */
static void set_moment(const tas_train_options *options, uint32_t batch, moment *at)
{
    const double k = (double)batch / options->base_batch;
    const bool second =
        options->optimizer == TAS_ADAM || options->optimizer == TAS_ADAMW || options->optimizer == TAS_LAMB;
    const bool linear = options->lr_scaling == TAS_SCALING_LINEAR ||
                        (options->lr_scaling == TAS_SCALING_AUTO && options->optimizer == TAS_SGD);
    at->lr = (double)options->lr;
    at->beta2 = (double)options->beta2;
    if (options->lr_scaling != TAS_SCALING_NONE) at->lr *= linear ? k : sqrt(k);
    if (options->lr_scaling != TAS_SCALING_NONE && second) at->beta2 = pow(at->beta2, k);
    at->faded[0] *= (double)options->beta1;
    at->faded[1] *= at->beta2;
}

/* y = W x + b under mse, trained in double precision. */
static void check_linear(tas_train_options options)
{
    uint32_t batch = options.batch, at = 0, epoch = 0;
    const uint64_t steps = options.steps;
    moment now = {.faded = {1, 1}};
    static float targets[COUNT * OUT];
    double w[ALL], m[ALL] = {0}, v[ALL] = {0};
    uint32_t order[COUNT];
    for (int k = 0; k < COUNT * OUT; k++) targets[k] = random_float(-1, 1);
    tas_data *set = data_of(COUNT, INPUTS, sample_inputs, targets, 0, OUT);
    tas_model *model = model_of_text("input 6\ndense 2\nloss mse\n", 11);
    float *values = model_get(model);
    for (int k = 0; k < ALL; k++) w[k] = values[k];

    for (uint64_t step = 0; step < steps; step++) {
        double g[ALL] = {0};
        for (int c = 0; c < options.change_count; c++)
            if (options.changes[c].step == step) batch = options.changes[c].batch;
        const uint32_t n = COUNT - at < batch ? COUNT - at : batch;
        shuffle_order(5, epoch, order, COUNT);
        for (uint32_t k = at; k < at + n; k++)
            for (int o = 0; o < OUT; o++) {
                const float *x = sample_inputs + order[k] * INPUTS;
                double y = w[OUT * INPUTS + o];
                for (int i = 0; i < INPUTS; i++) y += w[o * INPUTS + i] * x[i];
                const double d = 2 * (y - targets[order[k] * OUT + o]) / OUT / n;
                for (int i = 0; i < INPUTS; i++) g[o * INPUTS + i] += d * x[i];
                g[OUT * INPUTS + o] += d;
            }
        set_moment(&options, batch, &now);
        update_plainly(&options, &now, g, w, m, v);
        at += n;
        if (at == COUNT) at = 0, epoch++;
    }
    options.seed = 5;
    expect_ok(tas_train(model, set, &options, NULL));
    free(values);
    values = model_get(model);
    for (int k = 0; k < ALL; k++)
        ck_assert_msg(fabs(values[k] - w[k]) < 3e-6 * (1 + fabs(w[k])),
                      "%s, batch %u, step %llu, parameter %d: %.9g, expected %.9g",
                      tas_optimizer_name(options.optimizer), batch, (unsigned long long)steps, k, values[k], w[k]);
    free(values);
    tas_model_close(&model);
    tas_data_close(&set);
}

static void check_sgd(uint32_t batch, uint64_t steps, float momentum, int nesterov, float decay)
{
    tas_train_options options = sample_options(batch, steps);
    options.lr = 0.03f;
    options.momentum = momentum;
    options.nesterov = nesterov;
    options.weight_decay = decay;
    check_linear(options);
}

static void check_adam(uint32_t batch, uint64_t steps, float beta1, float beta2, float epsilon, float decay)
{
    tas_train_options options = sample_options(batch, steps);
    options.lr = 0.003f;
    options.beta1 = beta1;
    options.beta2 = beta2;
    options.epsilon = epsilon;
    options.weight_decay = decay;
    for (options.optimizer = TAS_ADAM; options.optimizer <= TAS_ADAMW; options.optimizer++) check_linear(options);
}

/* Batches of 1, of all, with and without a smaller last one; over the ends of epochs, each shuffled anew. */
static const uint32_t batches[] = {1, 7, 26, 52, COUNT};

START_TEST(steps_are_those_of_the_formulas)
{
    for (int k = 0; k < 5; k++) {
        check_sgd(batches[k], 1, 0.9f, 0, 0);
        check_sgd(batches[k], 9, 0, 0, 0);
        check_sgd(batches[k], 9, 0.9f, 0, 0);
        check_sgd(batches[k], 9, 0.9f, 1, 0);
        check_sgd(batches[k], 9, 0.5f, 1, 0.01f);
        check_sgd(batches[k], 60, 0.9f, 0, 0.01f);
    }
}
END_TEST

START_TEST(steps_are_those_of_the_papers)
{
    for (int k = 0; k < 5; k++) {
        check_adam(batches[k], 1, 0.9f, 0.999f, 1e-8f, 0);
        check_adam(batches[k], 20, 0.9f, 0.999f, 1e-8f, 0);
        check_adam(batches[k], 20, 0.9f, 0.999f, 1e-8f, 0.1f);
        check_adam(batches[k], 20, 0.5f, 0.99f, 0.01f, 0.1f);
        check_adam(batches[k], 20, 0, 0x1.fffffep-1f, 1e-3f, 0);
        check_adam(batches[k], 60, 0.9f, 0.95f, 1e-3f, 0.01f);
    }
}
END_TEST

static void check_usual(tas_optimizer optimizer, float lr, uint64_t steps, float decay, tas_decay_on decay_on,
                        float clip)
{
    for (int k = 0; k < 5; k++) {
        tas_train_options options = sample_options(batches[k], steps);
        tas_train_options_choose(&options, optimizer);
        if (lr > 0) options.lr = lr;
        if (optimizer == TAS_LARS) options.trust = 0.5f; /* else its steps are hardly seen */
        /* A gradient near 0 is divided by a root near 0, which magnifies what it was rounded by. */
        if (optimizer == TAS_RMSPROP && steps > 1) options.epsilon = 0.01f;
        options.weight_decay = decay;
        options.decay_on = decay_on;
        options.clip = clip;
        check_linear(options);
    }
}

START_TEST(steps_are_those_of_the_other_papers)
{
    const tas_optimizer optimizer = (tas_optimizer)_i;
    const float lr = optimizer == TAS_LARS ? 0.03f : optimizer == TAS_RMSPROP ? 0.003f : 0;
    check_usual(optimizer, lr, 1, 0, TAS_DECAY_ON_ALL, 0);
    check_usual(optimizer, lr, 20, 0, TAS_DECAY_ON_ALL, 0);
    check_usual(optimizer, lr, 20, 0.1f, TAS_DECAY_ON_ALL, 0);
    check_usual(optimizer, lr, 20, 0.1f, TAS_DECAY_ON_WEIGHTS, 0);
    check_usual(optimizer, lr, 20, 0.1f, TAS_DECAY_ON_WEIGHTS, 0.1f); /* always clipped */
    check_usual(optimizer, lr, 20, 0.01f, TAS_DECAY_ON_ALL, 0.7f);    /* now and then */
    check_usual(optimizer, lr, 20, 0, TAS_DECAY_ON_ALL, 1e5f);        /* never */
}
END_TEST

/* With the batch, at the first step and on the way, the rate follows, and Adam's half-life in examples stays. */
START_TEST(moments_follow_the_batch)
{
    static const tas_optimizer optimizers[] = {TAS_SGD, TAS_ADAM, TAS_ADAMW, TAS_LAMB, TAS_LION};
    static const tas_batch_change changes[] = {{3, 7}, {8, 40}, {11, 1}, {17, 16}};
    for (int k = 0; k < 5; k++)
        for (int count = 0; count <= 4; count += 2) {
            tas_train_options options = sample_options(batches[1 + k % 4], 24);
            tas_train_options_choose(&options, optimizers[k]);
            options.lr_scaling = (tas_lr_scaling)(1 + random_below(3));
            options.base_batch = 1 + random_below(20);
            if (k && k < 4) options.beta2 = 0.9f, options.epsilon = 0.01f;
            if (!k) options.momentum = 0.5f;
            options.lr /= 3;
            options.changes = changes;
            options.change_count = count;
            check_linear(options);
        }
}
END_TEST

START_TEST(beta2_is_rounded_once)
{
    tas_train_options options = sample_options(64, 1);
    tas_train_options_choose(&options, TAS_ADAM);
    options.lr_scaling = TAS_SCALING_SQRT;
    for (int round = 0; round < 20000; round++) {
        const uint32_t most = round % 2 ? 1 << 24 : 200;
        const uint32_t batch = 1 + random_below(most);
        options.base_batch = 1 + random_below(most);
        options.beta2 = 1 - random_float(0, 1) * (round % 3 ? 1 : 0.01f);
        if (round % 5 == 0) options.beta2 = random_float(0, 1e-3f);
        if (!(options.beta2 >= 0x1p-60f && options.beta2 < 1)) continue;
        const float found = tas_train_beta2(&options, batch);
        const double wanted = pow((double)options.beta2, (double)batch / options.base_batch);
        if (batch == options.base_batch) ck_assert(found == options.beta2);
        ck_assert_msg(found == 0 ? wanted < 0x1.00001p-60 : fabs((double)found - wanted) <= 0x1.01p-24 * wanted,
                      "%.9g ^ (%u / %u) = %.9g, expected %.9g", (double)options.beta2, batch, options.base_batch,
                      (double)found, wanted);
        ck_assert(found < 1);
    }
    options.beta2 = 0.999f;
    options.base_batch = 64;
    ck_assert(tas_train_beta2(&options, 64) == 0.999f);
    ck_assert(tas_train_beta2(&options, 1) == (float)pow((double)0.999f, 1.0 / 64));
    options.optimizer = TAS_LION;
    ck_assert(tas_train_beta2(&options, 1) == 0.999f);
    options.optimizer = TAS_ADAM;
    options.lr_scaling = TAS_SCALING_NONE;
    ck_assert(tas_train_beta2(&options, 1) == 0.999f);
}
END_TEST

START_TEST(rmsprop_has_momentum)
{
    tas_train_options options = sample_options(7, 20);
    tas_train_options_choose(&options, TAS_RMSPROP);
    options.momentum = 0.9f;
    options.alpha = 0.9f;
    options.epsilon = 1e-3f;
    check_linear(options);
}
END_TEST

/* A norm that is never reached, and groups with the same settings, leave all bits. */
START_TEST(what_changes_nothing_changes_no_bit)
{
    tas_train_options options = sample_options(9, 12);
    tas_train_options_choose(&options, (tas_optimizer)_i);
    const char *plain = digest_of(sample_net, sample, &options, NULL);
    options.decay_on = TAS_DECAY_ON_WEIGHTS;
    ck_assert_str_eq(digest_of(sample_net, sample, &options, NULL), plain);
    options.clip = 1e6f;
    ck_assert_str_eq(digest_of(sample_net, sample, &options, NULL), plain);
    options.weight_decay = 0.1f;
    const char *decays = digest_of(sample_net, sample, &options, NULL);
    ck_assert_str_ne(decays, plain);
    options.decay_on = TAS_DECAY_ON_ALL;
    ck_assert_str_ne(digest_of(sample_net, sample, &options, NULL), decays);
    options.clip = 0.01f;
    ck_assert_str_ne(digest_of(sample_net, sample, &options, NULL), decays);
}
END_TEST

/* A norm that overflows, of a gradient that does not. */
START_TEST(a_norm_that_is_not_finite_is_seen)
{
    tas_model *model = model_of_text("input 6\ndense 2\nloss mse\n", 3);
    tas_train_options options = sample_options(1, 1);
    tas_train_result result;
    static float targets[COUNT * 2];
    for (int k = 0; k < COUNT * 2; k++) targets[k] = 0x1p70f;
    tas_data *set = data_of(COUNT, INPUTS, sample_inputs, targets, 0, 2);
    float *before = model_get(model);
    options.clip = 1;
    options.lr = 1e-18f;
    const tas_status status = tas_train(model, set, &options, &result);
    expect(status, TAS_NOT_FINITE, "step 1", "not finite");
    float *after = model_get(model);
    ck_assert_mem_eq(before, after, sizeof *before * 14);
    free(before);
    free(after);
    tas_model_close(&model);
    tas_data_close(&set);
}
END_TEST

/* With every optimizer its own weights, and nothing of SGD's reaches the others. */
START_TEST(adam_takes_no_momentum)
{
    tas_train_options options = sample_options(9, 12);
    options.weight_decay = 0.1f;
    const char *sgd = digest_of(sample_net, sample, &options, NULL);
    options.optimizer = TAS_ADAM;
    const char *adam = digest_of(sample_net, sample, &options, NULL);
    ck_assert_str_ne(adam, sgd);
    options.momentum = NAN;
    options.nesterov = 1;
    ck_assert_str_eq(digest_of(sample_net, sample, &options, NULL), adam);
    options.optimizer = TAS_ADAMW;
    const char *adamw = digest_of(sample_net, sample, &options, NULL);
    ck_assert_str_ne(adamw, adam);
    options.weight_decay = 0;
    const char *none = digest_of(sample_net, sample, &options, NULL);
    options.optimizer = TAS_ADAM;
    ck_assert_str_eq(digest_of(sample_net, sample, &options, NULL), none);
}
END_TEST

/* A gradient whose square is too large does not hold the weights still for ever, which nobody would see. */
START_TEST(squares_that_overflow_are_seen)
{
    tas_model *model = model_of_text("input 6\ndense 4\n", 3);
    tas_train_options options = sample_options(9, 1);
    tas_train_result result;
    options.optimizer = TAS_ADAM;
    options.weight_decay = 1;
    float large[24];
    for (int i = 0; i < 24; i++) large[i] = 0x1p39f;
    expect_ok(tas_model_write(model, "1.dense.weight", large, 24));
    expect_ok(tas_train(model, sample, &options, &result)); /* 2^39 + a mean gradient under 2^39 ULP */
    for (int i = 0; i < 24; i++) large[i] = 0x1p40f;
    expect_ok(tas_model_write(model, "1.dense.weight", large, 24));
    const tas_status status = tas_train(model, sample, &options, &result);
    expect(status, TAS_NOT_FINITE, "step 1: the updated 1.dense.weight is not finite", "betas 0.9 and 0.999");
    tas_model_close(&model);
}
END_TEST

/* A device whose next read fails once. */
static const device_driver *unbroken;
static bool breaks;

static tas_status read_or_break(tas_device *on, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    const tas_status status = unbroken->read(on, m, offset, to, bytes);
    const tas_status result = breaks ? TAS_DEVICE_FAILED : status;
    breaks = false;
    return result;
}

/* Long enough at step 5 for a snapshot behind it; trouble behind step 8. */
static int wait_then_break(void *user, const tas_step *step)
{
    (void)user;
    if (step->step == 5) usleep(2100000);
    breaks = step->step == 8;
    return 0;
}

/* What the optimizer keeps comes back with the weights, from a snapshot on the way. */
START_TEST(goes_on_from_a_snapshot)
{
    tas_train_result result;
    tas_train_options options = sample_options(7, 20);
    options.optimizer = (tas_optimizer)_i;
    const char *whole = digest_of(sample_net, sample, &options, NULL);
    unbroken = device->driver;
    device_driver driver = *unbroken;
    driver.never_fails = false;
    driver.read = read_or_break;
    device->driver = &driver;
    options.on_step = wait_then_break;
    const char *broken = digest_of(sample_net, sample, &options, &result);
    device->driver = unbroken;
    ck_assert_str_eq(broken, whole);
    ck_assert_int_eq(result.replays, 1);
    ck_assert_uint_eq(result.steps, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizer");
    TCase *tc = tcase_create("optimizer");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, sample_open, sample_close);
    tcase_add_test(tc, steps_are_those_of_the_formulas);
    tcase_add_test(tc, steps_are_those_of_the_papers);
    tcase_add_loop_test(tc, steps_are_those_of_the_other_papers, TAS_SGD, TAS_LAMB + 1);
    tcase_add_test(tc, moments_follow_the_batch);
    tcase_add_test(tc, beta2_is_rounded_once);
    tcase_add_test(tc, rmsprop_has_momentum);
    tcase_add_loop_test(tc, what_changes_nothing_changes_no_bit, TAS_SGD, TAS_LAMB + 1);
    tcase_add_test(tc, a_norm_that_is_not_finite_is_seen);
    tcase_add_test(tc, adam_takes_no_momentum);
    tcase_add_test(tc, squares_that_overflow_are_seen);
    tcase_add_loop_test(tc, goes_on_from_a_snapshot, TAS_SGD, TAS_LAMB + 1);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
