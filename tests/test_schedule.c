/* Learning rates: against hand-computed values, against libm in double precision, and in a training. */
#include "train/schedule.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static tas_train_options rates(tas_schedule schedule, float lr)
{
    tas_train_options options;
    tas_train_options_init(&options);
    options.schedule = schedule;
    options.lr = lr;
    return options;
}

static void check_lr(const tas_train_options *options, uint64_t step, uint64_t steps, float wanted)
{
    float lr = NAN;
    expect_ok(tas_train_lr(context, options, step, steps, &lr));
    ck_assert_msg(lr == wanted, "step %llu of %llu: %.9g, expected %.9g", (unsigned long long)step,
                  (unsigned long long)steps, (double)lr, (double)wanted);
    ck_assert(lr == schedule_lr(options, step, steps));
}

/* By hand --------------------------------------------------------------------------------------------------------- */

START_TEST(constant_is_constant)
{
    const tas_train_options options = rates(TAS_SCHEDULE_CONSTANT, 0.02f);
    for (uint64_t s = 0; s < 5; s++) check_lr(&options, s, 4, 0.02f);
}
END_TEST

START_TEST(warmup_rises_in_a_line)
{
    static const float constant[] = {0.125f, 0.25f, 0.375f, 0.5f, 0.5f, 0.5f};
    static const float halved[] = {0.125f, 0.25f, 0.375f, 0.5f, 0.5f, 0.5f, 0.25f, 0.25f, 0.125f};
    tas_train_options options = rates(TAS_SCHEDULE_CONSTANT, 0.5f);
    options.warmup = 4;
    for (uint64_t s = 0; s < 6; s++) check_lr(&options, s, 6, constant[s]);
    options.schedule = TAS_SCHEDULE_STEP; /* whose steps count from the end of the warm-up */
    options.decay_steps = 2;
    options.decay = 0.5f;
    for (uint64_t s = 0; s < 9; s++) check_lr(&options, s, 9, halved[s]);
    options.schedule = TAS_SCHEDULE_CONSTANT;
    options.warmup = 6; /* all of the run */
    options.lr = 3;
    for (uint64_t s = 0; s < 6; s++) check_lr(&options, s, 6, 0.5f * (float)(s + 1));
}
END_TEST

START_TEST(steps_fall)
{
    tas_train_options options = rates(TAS_SCHEDULE_STEP, 0.75f);
    options.decay_steps = 3;
    options.decay = 0.5f;
    for (uint64_t s = 0; s < 30; s++) check_lr(&options, s, 30, 0.75f / (float)(1u << s / 3));
    options.lr = 1;
    options.decay_steps = 1;
    check_lr(&options, 60, 70, 0x1p-60f);
    check_lr(&options, 61, 70, 0); /* not tinier and tinier */
    check_lr(&options, UINT32_MAX, UINT32_MAX, 0);
    options.lr = 0.02f;
    options.decay = 0.1f; /* the double products of the float next to 0.1, rounded once */
    check_lr(&options, 3, 70, (float)(0.02f * ((double)0.1f * ((double)0.1f * (double)0.1f))));
    options.decay = 1;
    check_lr(&options, UINT32_MAX, UINT32_MAX, 0.02f);
}
END_TEST

/* cos(0), cos(pi / 3), cos(pi / 2), cos(2 pi / 3), cos(pi). */
START_TEST(cosine_at_known_angles)
{
    static const struct {
        uint64_t step;
        double part;
    } known[] = {{0, 1}, {4, 0.75}, {6, 0.5}, {8, 0.25}, {12, 0}};
    static const float ends[] = {0, 0.25f, 0.01f, 3};
    for (int e = 0; e < 4; e++) {
        tas_train_options options = rates(TAS_SCHEDULE_COSINE, 1.3f);
        options.lr_end = ends[e];
        for (int k = 0; k < 5; k++) {
            const double wanted = (double)ends[e] + (1.3f - (double)ends[e]) * known[k].part;
            for (options.warmup = 0; options.warmup < 10; options.warmup += 9) {
                const float lr = schedule_lr(&options, options.warmup + known[k].step, options.warmup + 12);
                ck_assert_msg(fabs(lr - wanted) <= 4e-7 * wanted, "%g at %d: %.9g, expected %.9g", (double)ends[e],
                              (int)known[k].step, (double)lr, wanted);
            }
        }
    }
}
END_TEST

/* Both ends are exact, whatever the numbers, and between them the rate never rises. */
START_TEST(cosine_falls_from_lr_to_lr_end)
{
    for (int k = 0; k < 300; k++) {
        tas_train_options options = rates(TAS_SCHEDULE_COSINE, random_float(1e-6f, 2));
        options.lr_end = k % 3 ? options.lr * random_float(0, 1) : 0;
        options.warmup = random_below(2) ? random_below(100) : 0;
        const uint64_t steps = options.warmup + 1 + random_below(k % 2 ? 200 : 2000000000);
        check_lr(&options, options.warmup, steps, options.lr);
        check_lr(&options, steps, steps, options.lr_end);
        float last = options.lr;
        for (uint64_t s = options.warmup; s <= steps; s += 1 + (steps - options.warmup) / 200) {
            const float lr = schedule_lr(&options, s, steps);
            ck_assert_msg(lr <= last * 1.0000004f && lr >= options.lr_end * 0.9999996f, "step %llu: %.9g after %.9g",
                          (unsigned long long)s, (double)lr, (double)last);
            last = lr;
        }
    }
}
END_TEST

/* The sum over a run without warm-up: steps (lr + lr_end) / 2 + (lr - lr_end) / 2, as cosines of evenly spaced angles
 * have it. */
START_TEST(cosine_has_its_sum)
{
    tas_train_options options = rates(TAS_SCHEDULE_COSINE, 0.3f);
    options.lr_end = 0.05f;
    double sum = 0;
    for (uint64_t s = 0; s < 1000; s++) sum += (double)schedule_lr(&options, s, 1000);
    ck_assert_msg(fabs(sum - (500 * 0.35 + 0.125)) < 1e-5, "%.9g", sum);
}
END_TEST

static void check_near(const tas_train_options *options, uint64_t step, uint64_t steps, double wanted)
{
    const float lr = schedule_lr(options, step, steps);
    ck_assert_msg(fabs(lr - wanted) <= 1e-6 * wanted, "step %d of %d: %.9g, expected %.9g", (int)step, (int)steps,
                  (double)lr, wanted);
}

/* torch.optim.lr_scheduler.OneCycleLR(max_lr=0.1, total_steps=10), and total_steps=1 and 3. */
START_TEST(one_cycle_is_that_of_pytorch)
{
    static const double ten[] = {0.004,        0.052,        0.1,          0.0950484632, 0.0811745654,
                                 0.0611262022, 0.0388741978, 0.0188258346, 0.0049519368, 4e-07};
    tas_train_options options = rates(TAS_SCHEDULE_ONE_CYCLE, 0.1f);
    for (uint64_t s = 0; s < 10; s++) check_near(&options, s, 10, ten[s]);
    check_near(&options, 10, 10, 4e-07); /* one behind the last */
    check_near(&options, 0, 1, 4e-07);
    const double begun = (1 + cos(3.14159265358979 * 0.1 / 2.1)) / 2; /* the rise ends before step 0, at -0.1 */
    check_near(&options, 0, 3, 4e-07 + (0.1 - 4e-07) * begun);
    options.rise = 0.5f;
    check_lr(&options, 4, 10, 0.1f);
    check_near(&options, 2, 10, 0.052);
}
END_TEST

/* torch.optim.lr_scheduler.PolynomialLR(total_iters=10), whose end is 0. */
START_TEST(polynomials_fall)
{
    tas_train_options options = rates(TAS_SCHEDULE_POLYNOMIAL, 0.5f);
    for (uint64_t s = 0; s <= 10; s++) check_near(&options, s, 10, 0.05 * (double)(10 - s));
    options.power = 2;
    for (uint64_t s = 0; s <= 10; s++) check_near(&options, s, 10, 0.005 * (double)((10 - s) * (10 - s)));
    options.lr_end = 0.25f;
    for (uint64_t s = 0; s <= 10; s++) check_near(&options, s, 10, 0.25 + 0.0025 * (double)((10 - s) * (10 - s)));
    options.power = 0.5f;
    check_near(&options, 6, 8, 0.375);
    check_lr(&options, 8, 8, 0.25f);
    options.warmup = 4;
    check_lr(&options, 4, 12, 0.5f);
    check_near(&options, 10, 12, 0.375);
}
END_TEST

/* torch.optim.lr_scheduler.ExponentialLR(gamma=0.5) with decay_steps 1. */
START_TEST(exponentials_fall)
{
    tas_train_options options = rates(TAS_SCHEDULE_EXPONENTIAL, 0.75f);
    options.decay = 0.5f;
    options.decay_steps = 1;
    for (uint64_t s = 0; s < 30; s++) check_lr(&options, s, 30, 0.75f / (float)(1u << s));
    check_lr(&options, 70, 80, 0);
    options.decay_steps = 2;
    check_lr(&options, 4, 30, 0.75f / 4);
    check_near(&options, 5, 30, 0.75 / 4 * 0.70710678118654752);
    options.warmup = 3;
    check_near(&options, 8, 30, 0.75 / 4 * 0.70710678118654752);
}
END_TEST

/* Against libm ---------------------------------------------------------------------------------------------------- */

/* In units in the last place of what is right. */
static double ulps(float found, double wanted)
{
    if (wanted < 0x1p-60) return found == 0 || wanted > 0x1.fffffcp-61 ? 0 : INFINITY;
    int exponent;
    frexp(wanted, &exponent);
    return fabs(found - wanted) / ldexp(1, exponent - 24);
}

static double plain_lr(const tas_train_options *options, uint64_t step, uint64_t steps)
{
    double lr = (double)options->lr, end = (double)options->lr_end,
           k = (double)options->batch / (double)options->base_batch;
    if (options->lr_scaling == TAS_SCALING_SQRT) k = sqrt(k);
    if (options->lr_scaling != TAS_SCALING_NONE) lr *= k, end *= k;
    if (step < options->warmup) return lr * (double)(step + 1) / (double)options->warmup;
    const double s = (double)(step - options->warmup), all = (double)(steps - options->warmup);
    if (options->schedule == TAS_SCHEDULE_STEP)
        return lr * pow((double)options->decay, floor(s / (double)options->decay_steps));
    if (options->schedule == TAS_SCHEDULE_EXPONENTIAL)
        return lr * pow((double)options->decay, s / (double)options->decay_steps);
    if (options->schedule == TAS_SCHEDULE_POLYNOMIAL)
        return end + (lr - end) * pow(1 - s / all, (double)options->power);
    if (options->schedule == TAS_SCHEDULE_CONSTANT) return lr;
    const double half = sin(2 * atan(1) * (all - s) / all), other = sin(2 * atan(1) * s / all);
    return s == all ? end : lr * half * half + end * other * other;
}

START_TEST(rates_are_within_a_few_ulp)
{
    static const double most[] = {4, 5, 9, 60, 12};
    double worst[5] = {0};
    for (int k = 0; k < 200000; k++) {
        tas_train_options options = rates((tas_schedule)random_below(5), expf(random_float(-30, 5)));
        options.lr_scaling = (tas_lr_scaling)random_below(3);
        options.batch = 1 + random_below(1 + random_below(1u << 24));
        options.base_batch = 1 + random_below(1 + random_below(1000));
        options.lr_end = random_below(2) ? options.lr * random_float(0, 1) : 0;
        const uint64_t steps = 1 + random_below(1 + random_below(UINT32_MAX - 1));
        options.warmup = random_below(2) ? random_below((uint32_t)steps) : 0;
        options.decay_steps = 1 + random_below(1 + (uint32_t)(steps - options.warmup) / 5);
        options.decay = random_float(0.01f, 1);
        options.power = random_below(2) ? random_float(0.01f, 3) : (float)(1 + random_below(5));
        if (schedule_check(context, &options, steps)) continue;
        uint64_t step = random_below(3) ? random_below((uint32_t)steps + 1) : steps - random_below(10) % (steps + 1);
        if (random_below(5) == 0) step = options.warmup;
        const double error = ulps(schedule_lr(&options, step, steps), plain_lr(&options, step, steps));
        ck_assert_msg(error <= most[options.schedule],
                      "schedule %d, step %llu of %llu: %.9g, expected %.9g, %g ULP off", options.schedule,
                      (unsigned long long)step, (unsigned long long)steps, (double)schedule_lr(&options, step, steps),
                      plain_lr(&options, step, steps), error);
        if (error > worst[options.schedule]) worst[options.schedule] = error;
    }
    printf("ULP: constant %.2f, step %.2f, cosine %.2f, polynomial %.2f, exponential %.2f\n", worst[0], worst[1],
           worst[2], worst[3], worst[4]);
}
END_TEST

/* A change of these is a change of the contract: its version goes up. */
START_TEST(rates_are_pinned)
{
    tas_train_options options = rates(TAS_SCHEDULE_COSINE, 0.02f);
    options.warmup = 10;
    options.lr_end = 0.001f;
    options.lr_scaling = TAS_SCALING_SQRT;
    options.batch = 200;
    uint32_t hash = 0;
    for (int schedule = 0; schedule < 3; schedule++) {
        options.schedule = (tas_schedule)schedule;
        options.decay_steps = 30;
        for (uint64_t s = 0; s <= 500; s++) {
            const float lr = schedule_lr(&options, s, 500);
            uint32_t bits;
            memcpy(&bits, &lr, sizeof bits);
            hash = (hash ^ bits) * 0x01000193u;
        }
    }
    ck_assert_msg(hash == 0x66f6c629u, "0x%08x", hash);
    options.warmup = 0;
    options.power = 2.5f;
    for (int schedule = TAS_SCHEDULE_POLYNOMIAL; schedule <= TAS_SCHEDULE_ONE_CYCLE; schedule++) {
        options.schedule = (tas_schedule)schedule;
        for (uint64_t s = 0; s <= 500; s++) {
            const float lr = schedule_lr(&options, s, 500);
            uint32_t bits;
            memcpy(&bits, &lr, sizeof bits);
            hash = (hash ^ bits) * 0x01000193u;
        }
    }
    ck_assert_msg(hash == 0x4d151bb9u, "0x%08x", hash);
}
END_TEST

/* Scaling
 * --------------------------------------------------------------------------------------------------------------- */

START_TEST(rates_scale)
{
    static const float linear[] = {0.25f, 0.5f, 1, 2}, root[] = {0.5f, 0.70710678f, 1, 1.41421356f};
    for (int k = 0; k < 4; k++) {
        tas_train_options options = rates(TAS_SCHEDULE_CONSTANT, 0.02f);
        options.batch = 16u << k;
        check_lr(&options, 0, 9, 0.02f);
        options.lr_scaling = TAS_SCALING_LINEAR;
        check_lr(&options, 0, 9, 0.02f * linear[k]);
        options.lr_scaling = TAS_SCALING_SQRT;
        check_lr(&options, 0, 9, 0.02f * root[k]);
        options.base_batch = options.batch;
        check_lr(&options, 0, 9, 0.02f);
        options.base_batch = 64;
        options.warmup = 4; /* what is scaled is warmed up */
        check_lr(&options, 1, 9, 0.02f * root[k] * 0.5f);
        check_lr(&options, 4, 9, 0.02f * root[k]);
        options.schedule = TAS_SCHEDULE_COSINE; /* and ends where lr_end scaled is */
        options.lr_end = 0.001f;
        check_lr(&options, 4, 9, 0.02f * root[k]);
        check_lr(&options, 9, 9, 0.001f * root[k]);
        options.schedule = TAS_SCHEDULE_STEP;
        options.decay_steps = 2;
        options.decay = 0.5f;
        check_lr(&options, 8, 9, 0.02f * root[k] * 0.25f);
    }
}
END_TEST

/* Checks
 * ---------------------------------------------------------------------------------------------------------------- */

static void refuse(tas_train_options options, const char *word, const char *other)
{
    float lr = 7;
    expect(tas_train_lr(context, &options, 0, 10, &lr), TAS_BAD_ARGUMENT, word, other);
    ck_assert(lr == 7);
    tas_model *model = model_of_text(sample_net, 3);
    options.steps = 10;
    options.batch = options.batch > COUNT ? COUNT : options.batch;
    if (options.size == sizeof options) expect(tas_train(model, sample, &options, NULL), TAS_BAD_ARGUMENT, word, "");
    tas_model_close(&model);
}

START_TEST(options_are_checked)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY, -0.1f, 2e6f, 1e-19f};
    static const float wrong_decay[] = {NAN, INFINITY, -1, 0, 1.01f, 1e-19f};
    const tas_train_options good = rates(TAS_SCHEDULE_STEP, 0.1f), cosine = rates(TAS_SCHEDULE_COSINE, 0.1f);
    tas_train_options options;
#define REFUSE(from, change, word, other) options = from, change, refuse(options, word, other)
    for (int k = 0; k < 6; k++) {
        REFUSE(cosine, options.lr = wrong[k], "lr ", "expected 0, or a number from");
        REFUSE(cosine, options.lr_end = wrong[k], "lr_end ", "expected 0, or a number from");
        REFUSE(good, (options.decay_steps = 1, options.decay = wrong_decay[k]), "decay ",
               "expected a number from 1e-18 to 1");
    }
    REFUSE(good, options.decay = 0.5f, "decay_steps 0", "step schedule");
    REFUSE(good, options.schedule = TAS_SCHEDULE_EXPONENTIAL, "decay_steps 0", "exponential schedule");
    REFUSE(good, (options.schedule = TAS_SCHEDULE_ONE_CYCLE, options.warmup = 3), "warmup 3", "one-cycle");
    for (int k = 0; k < 5; k++) {
        static const float wrong_power[] = {NAN, INFINITY, 0, -1, 101}, wrong_rise[] = {NAN, 0, 1, -1, INFINITY};
        REFUSE(good, (options.schedule = TAS_SCHEDULE_POLYNOMIAL, options.power = wrong_power[k]), "power ", "100");
        REFUSE(good, (options.schedule = TAS_SCHEDULE_ONE_CYCLE, options.rise = wrong_rise[k]), "rise ", "below 1");
    }
    REFUSE(good, (options.schedule = TAS_SCHEDULE_POLYNOMIAL, options.lr_end = -1), "lr_end ", "expected 0");
    REFUSE(good, options.size--, "tas_train_options_init()", "");
    REFUSE(good, options.schedule = (tas_schedule)9, "schedule 9", "");
    REFUSE(good, options.lr_scaling = (tas_lr_scaling)9, "lr_scaling 9", "");
    REFUSE(cosine, options.warmup = 11, "warmup 11", "10 steps");
    REFUSE(cosine, options.warmup = UINT64_MAX, "warmup 18446744073709551615", "10 steps");
    REFUSE(cosine, (options.lr_scaling = TAS_SCALING_LINEAR, options.base_batch = 0), "base_batch 0", "2^24");
    REFUSE(cosine, (options.lr_scaling = TAS_SCALING_SQRT, options.base_batch = (1 << 24) + 1), "base_batch 16777217",
           "2^24");
    REFUSE(cosine,
           (options.lr_scaling = TAS_SCALING_LINEAR, options.base_batch = 1, options.batch = 50, options.lr = 1e5f),
           "lr 100000: linear scaling from a base batch of 1 to 50", "makes it 5000000");
    REFUSE(cosine,
           (options.lr_scaling = TAS_SCALING_SQRT, options.base_batch = 1 << 24, options.batch = 1,
            options.lr_end = 1e-18f),
           "lr_end 1e-18: square root scaling from a base batch of 16777216 to 1", "makes it 2.");
#undef REFUSE
    float lr;
    options = good;
    options.decay_steps = 1;
    expect(tas_train_lr(context, &options, 11, 10, &lr), TAS_BAD_ARGUMENT, "step 11", "10 steps");
    expect_ok(tas_train_lr(context, &options, 10, 10, &lr));
    options = rates(TAS_SCHEDULE_CONSTANT, 0.1f); /* what is not used is not looked at */
    options.decay = options.lr_end = NAN;
    options.base_batch = 0;
    options.warmup = 10;
    check_lr(&options, 9, 10, 0.1f);
    options = cosine;
    options.lr = options.lr_end = 0;
    options.warmup = 10;
    check_lr(&options, 3, 10, 0);
    check_lr(&options, 10, 10, 0);
}
END_TEST

START_TEST(names_are_those_of_the_command)
{
    static const char
        *const optimizers[] = {"sgd", "adam", "adamw", "rmsprop", "lion", "lars", "lamb"},
               *const schedules[] = {"constant", "step", "cosine", "polynomial", "exponential", "one-cycle", "seesaw"},
               *const scalings[] = {"none", "linear", "sqrt", "auto"}, *const decays[] = {"all", "weights"};
    for (int k = 0; k < 7; k++) ck_assert_str_eq(tas_optimizer_name((tas_optimizer)k), optimizers[k]);
    for (int k = 0; k < 7; k++) ck_assert_str_eq(tas_schedule_name((tas_schedule)k), schedules[k]);
    for (int k = 0; k < 4; k++) ck_assert_str_eq(tas_lr_scaling_name((tas_lr_scaling)k), scalings[k]);
    for (int k = 0; k < 2; k++) ck_assert_str_eq(tas_decay_on_name((tas_decay_on)k), decays[k]);
    ck_assert_ptr_null(tas_optimizer_name((tas_optimizer)7));
    ck_assert_ptr_null(tas_schedule_name((tas_schedule)7));
    ck_assert_ptr_null(tas_lr_scaling_name((tas_lr_scaling)4));
    ck_assert_ptr_null(tas_decay_on_name((tas_decay_on)2));
    ck_assert_ptr_null(tas_optimizer_name((tas_optimizer)-1));
    ck_assert_ptr_null(tas_schedule_name((tas_schedule)-1));
    ck_assert_ptr_null(tas_lr_scaling_name((tas_lr_scaling)-1));
    ck_assert_ptr_null(tas_decay_on_name((tas_decay_on)-1));
}
END_TEST

START_TEST(the_caller_s_rounding_is_his_own)
{
    const tas_train_options options = rates(TAS_SCHEDULE_COSINE, 0.1f);
    float up = 0;
    fesetround(FE_UPWARD);
    expect_ok(tas_train_lr(context, &options, 3, 7, &up));
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
    check_lr(&options, 3, 7, up);
}
END_TEST

/* Training
 * -------------------------------------------------------------------------------------------------------------- */

static float told[64];

static int keep_lr(void *user, const tas_step *step)
{
    (void)user;
    told[step->step - 1] = step->lr;
    return 0;
}

/* The weights of a run on a schedule are those of runs of one step each, with its rate, if there is no momentum. */
START_TEST(updates_use_the_rate)
{
    enum { STEPS = 17 };
    for (int schedule = 0; schedule < 3; schedule++) {
        tas_model *model = model_of_text(sample_net, 3), *other = model_of_text(sample_net, 3);
        tas_train_options options = sample_options(COUNT, STEPS), one;
        options.schedule = (tas_schedule)schedule;
        options.momentum = 0;
        options.warmup = 5;
        options.decay_steps = 4;
        options.lr_end = 0.01f;
        options.lr_scaling = TAS_SCALING_LINEAR;
        options.base_batch = 20;
        options.on_step = keep_lr;
        expect_ok(tas_train(model, sample, &options, NULL));
        one = sample_options(COUNT, 1);
        one.momentum = 0;
        for (uint64_t s = 0; s < STEPS; s++) {
            one.lr = schedule_lr(&options, s, STEPS);
            ck_assert(told[s] == one.lr && (schedule || s < 5 || one.lr == told[5]));
            expect_ok(tas_train(other, sample, &one, NULL));
        }
        float *x = model_get(model), *y = model_get(other);
        for (size_t k = 0; k < model_elements(model); k++) /* each run of one step is shuffled as the first epoch */
            ck_assert_msg(fabsf(x[k] - y[k]) < 1e-5f, "%d: parameter %zu: %g, expected %g", schedule, k, (double)x[k],
                          (double)y[k]);
        free(x), free(y);
        tas_model_close(&model);
        tas_model_close(&other);
    }
}
END_TEST

/* In stretches, or at once: the course is that of the whole run. */
START_TEST(stretches_keep_the_course)
{
    char once[65], cut[65];
    tas_train_options options = sample_options(10, 23);
    options.schedule = TAS_SCHEDULE_COSINE;
    options.warmup = 3;
    tas_model *model = model_of_text(sample_net, 3);
    expect_ok(tas_train(model, sample, &options, NULL));
    expect_ok(tas_model_digest(model, once));
    tas_model_close(&model);
    model = model_of_text(sample_net, 3);
    tas_run *run = NULL;
    expect_ok(tas_run_open(model, sample, &options, &run));
    for (uint64_t done = 0; done < 23; done += 5) expect_ok(tas_run_advance(run, 5, NULL));
    tas_run_close(&run);
    expect_ok(tas_model_digest(model, cut));
    ck_assert_str_eq(once, cut);
    options.schedule = TAS_SCHEDULE_CONSTANT;
    tas_model_close(&model);
    model = model_of_text(sample_net, 3);
    expect_ok(tas_train(model, sample, &options, NULL));
    expect_ok(tas_model_digest(model, cut));
    ck_assert_str_ne(once, cut);
    tas_model_close(&model);
}
END_TEST

/* An error names the rate of its own step, not the run's. */
START_TEST(errors_name_the_step_s_rate)
{
    tas_train_result result;
    tas_model *model = model_of_text("input 6\ndense 4\nloss mse\n", 3);
    tas_train_options options = sample_options(COUNT, 60);
    options.lr = 1e6f;
    options.warmup = 50;
    expect(tas_train(model, sample, &options, &result), TAS_NOT_FINITE, "lr ", "");
    char text[64];
    snprintf(text, sizeof text, "(lr %.6g", (double)schedule_lr(&options, result.bad_step - 1, 60));
    ck_assert_uint_lt(result.bad_step, 50);
    expect(TAS_NOT_FINITE, TAS_NOT_FINITE, text, "");
    tas_model_close(&model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tc = tcase_create("schedule");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, sample_open, sample_close);
    tcase_add_test(tc, constant_is_constant);
    tcase_add_test(tc, warmup_rises_in_a_line);
    tcase_add_test(tc, steps_fall);
    tcase_add_test(tc, cosine_at_known_angles);
    tcase_add_test(tc, cosine_falls_from_lr_to_lr_end);
    tcase_add_test(tc, cosine_has_its_sum);
    tcase_add_test(tc, one_cycle_is_that_of_pytorch);
    tcase_add_test(tc, polynomials_fall);
    tcase_add_test(tc, exponentials_fall);
    tcase_add_test(tc, rates_are_within_a_few_ulp);
    tcase_add_test(tc, rates_are_pinned);
    tcase_add_test(tc, rates_scale);
    tcase_add_test(tc, options_are_checked);
    tcase_add_test(tc, names_are_those_of_the_command);
    tcase_add_test(tc, the_caller_s_rounding_is_his_own);
    tcase_add_test(tc, updates_use_the_rate);
    tcase_add_test(tc, stretches_keep_the_course);
    tcase_add_test(tc, errors_name_the_step_s_rate);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
