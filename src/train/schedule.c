/* Learning rates: scaled to the batch, then the warm-up, then the schedule. Computed with the functions of arith.h and
 * products of doubles, which IEEE rounds the same everywhere. */
#include "train/schedule.h"

#include "arith.h"
#include "base/format.h"

#include <inttypes.h>

#define LENGTH(rows) (sizeof(rows) / sizeof *(rows))

static const float lr_most = 1e6f, lr_least = 0x1p-60f;

tas_status schedule_check_rate(tas_context *context, const char *name, float value, float most)
{
    if (value == 0 || (value >= lr_least && value <= most)) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "%s %s: expected 0, or a number from 1e-18 to %s", name,
                format_float(value).text, format_float(most).text);
}

/* Scaling with the batch ------------------------------------------------------------------------------------------ */

static float scale_linear(float k) { return k; }
static float scale_sqrt(float k) { return arith_sqrt(k); }

/* A scaling is one row: its name, its name in a sentence, what lr is multiplied with for k = batch / base batch. */
static const struct scaling {
    const char *name, *text;
    float (*factor)(float k); /* NULL: lr stays */
} scalings[] = {
    [TAS_SCALING_NONE] = {"none", "no", NULL},
    [TAS_SCALING_LINEAR] = {"linear", "linear", scale_linear},
    [TAS_SCALING_SQRT] = {"sqrt", "square root", scale_sqrt},
    [TAS_SCALING_AUTO] = {"auto", "the optimizer's", NULL}, /* it stands for another one: tas_train_scaling() */
};

const char *tas_lr_scaling_name(tas_lr_scaling which)
{
    return (unsigned)which < LENGTH(scalings) ? scalings[which].name : NULL;
}

/* k is correctly rounded, and so is its root. */
static float scaled(const tas_train_options *options, float lr)
{
    const struct scaling *row = &scalings[options->lr_scaling];
    if (!row->factor) return lr;
    return lr * row->factor(arith_div((float)options->batch, (float)options->base_batch));
}

/* The n-th root, by Newton's method in doubles from an approximation that is off by a factor of at most e once it is
 * raised to the power of n. x in [2^-60, 1). */
static double root_of(double x, uint32_t n)
{
    double y = (double)arith_exp(arith_div(arith_log((float)x), (float)n));
    for (int i = 0; i < 8; i++) y += y * (x / schedule_power(y, n) - 1) / n;
    return y;
}

float schedule_scaled_beta2(const tas_train_options *options, uint32_t batch)
{
    const float beta2 = options->beta2, below_1 = 0x1.fffffep-1f;
    if (options->lr_scaling == TAS_SCALING_NONE || batch == options->base_batch || beta2 == 0) return beta2;
    const float scaled = (float)schedule_power(root_of((double)beta2, options->base_batch), batch);
    return scaled < lr_least ? 0 : scaled < below_1 ? scaled : below_1;
}

static tas_status check_scaling(tas_context *context, const tas_train_options *options)
{
    if (!tas_lr_scaling_name(options->lr_scaling))
        return fail(context, TAS_BAD_ARGUMENT, "unknown lr_scaling %d", (int)options->lr_scaling);
    if (options->lr_scaling == TAS_SCALING_NONE || (options->base_batch && options->base_batch <= 1u << 24))
        return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "base_batch %" PRIu32 ": expected 1 to 2^24 examples", options->base_batch);
}

/* A rate is allowed before it is scaled and after. */
static tas_status check_scaled(tas_context *context, const tas_train_options *options, const char *name, float value)
{
    tas_status status = schedule_check_rate(context, name, value, lr_most);
    const float lr = scaled(options, value);
    if (status || lr == 0 || (lr >= lr_least && lr <= lr_most)) return status;
    return fail(context, TAS_BAD_ARGUMENT,
                "%s %s: %s scaling from a base batch of %" PRIu32 " to %" PRIu32
                " makes it %s; expected 0, or a number from 1e-18 to %s",
                name, format_float(value).text, scalings[options->lr_scaling].text, options->base_batch, options->batch,
                format_float(lr).text, format_float(lr_most).text);
}

/* Schedules ------------------------------------------------------------------------------------------------------- */

static tas_status check_step(tas_context *context, const tas_train_options *options)
{
    if (!options->decay_steps)
        return fail(context, TAS_BAD_ARGUMENT, "decay_steps 0: the %s schedule expects at least 1 step",
                    tas_schedule_name(options->schedule));
    if (options->decay >= lr_least && options->decay <= 1) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "decay %s: expected a number from 1e-18 to 1",
                format_float(options->decay).text);
}

double schedule_power(double base, uint64_t n)
{
    double power = 1;
    for (; n && base >= 0x1p-200; n /= 2, base *= base)
        if (n % 2) power *= base;
    return n ? 0 : power;
}

/* lr decay^floor(step / decay_steps) */
static float step_wise(const tas_train_options *options, float lr, uint64_t step, uint64_t steps)
{
    (void)steps;
    return (float)((double)lr * schedule_power((double)options->decay, step / options->decay_steps));
}

static tas_status check_seesaw(tas_context *context, const tas_train_options *options)
{
    if (!options->decay_steps)
        return fail(context, TAS_BAD_ARGUMENT, "decay_steps 0: the seesaw schedule expects at least 1 step");
    if (options->change_count)
        return fail(context, TAS_BAD_ARGUMENT,
                    "the seesaw schedule changes the batch itself: expected no changes of it");
    return TAS_OK;
}

static tas_status check_cosine(tas_context *context, const tas_train_options *options)
{
    return check_scaled(context, options, "lr_end", options->lr_end);
}

/* end + (lr - end) (1 + cos(pi t)) / 2 with t = step / steps, as lr cos^2(pi t / 2) + end sin^2(pi t / 2): nothing
 * cancels, and both ends are exact. The cosine is taken as a sine from the other end, so that it keeps its bits near 0.
 * Within 6 ULP. */
static float cosine(const tas_train_options *options, float lr, uint64_t step, uint64_t steps)
{
    const float end = scaled(options, options->lr_end);
    if (step == steps) return end;
    const float whole = (float)steps, left = arith_div((float)(steps - step), whole);
    const float c = arith_sinpi(0.5f * left), s = arith_sinpi(0.5f * arith_div((float)step, whole));
    return __builtin_fmaf(lr, c * c, end * (s * s));
}

/* base^x for x in [0, 1) and base in [2^-60, 1], within 2e-6: -42 < x log(base) <= 0, and float's error of it is at
 * most 42 2^-24. */
static double power_below_1(float base, float x) { return x > 0 ? (double)arith_exp(x * arith_log(base)) : 1; }

static tas_status check_polynomial(tas_context *context, const tas_train_options *options)
{
    if (options->power > 0 && options->power <= 100) return check_scaled(context, options, "lr_end", options->lr_end);
    return fail(context, TAS_BAD_ARGUMENT, "power %s: expected a number above 0, at most 100",
                format_float(options->power).text);
}

/* end + (lr - end) (1 - step / steps)^power; of the power first its whole part, then what is left of it. */
static float polynomial(const tas_train_options *options, float lr, uint64_t step, uint64_t steps)
{
    const float end = scaled(options, options->lr_end);
    if (step == steps) return end;
    const uint64_t whole = (uint64_t)options->power;
    const double left = (double)(steps - step) / (double)steps;
    const float rest = (float)((double)options->power - (double)whole);
    const float factor = (float)(schedule_power(left, whole) * power_below_1((float)left, rest));
    return __builtin_fmaf(lr, factor, end * (1 - factor));
}

/* lr decay^(step / decay_steps) */
static float exponential(const tas_train_options *options, float lr, uint64_t step, uint64_t steps)
{
    const uint64_t n = options->decay_steps;
    (void)steps;
    const float rest = (float)((double)(step % n) / (double)n);
    return (float)((double)lr * schedule_power((double)options->decay, step / n) * power_below_1(options->decay, rest));
}

static tas_status check_one_cycle(tas_context *context, const tas_train_options *options)
{
    if (options->warmup)
        return fail(context, TAS_BAD_ARGUMENT,
                    "warmup %" PRIu64 ": the one-cycle schedule has no warm-up beside its own", options->warmup);
    if (options->rise > 0 && options->rise < 1) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "rise %s: expected a number above 0 and below 1",
                format_float(options->rise).text);
}

/* Half a cosine wave from one rate to another, part in [0, 1], as cosine() has it. */
static float wave(float from, float to, float part)
{
    const float c = arith_sinpi(0.5f * (1 - part)), s = arith_sinpi(0.5f * part);
    return __builtin_fmaf(from, c * c, to * (s * s));
}

/* The rise has rise steps - 1 steps, which need not be whole; the rest fall. */
static float one_cycle(const tas_train_options *options, float lr, uint64_t step, uint64_t steps)
{
    const double peak = (double)options->rise * (double)steps - 1, last = (double)steps - 1;
    const double at = step < steps ? (double)step : last;
    const float start = arith_div(lr, 25), end = arith_div(lr, 250000);
    if (peak > 0 && at <= peak) return wave(start, lr, (float)(at / peak));
    return wave(lr, end, (float)((at - peak) / (last - peak)));
}

/* A schedule is one row: its name, the check of its settings (NULL: it has none), and what becomes of lr (NULL: it
 * stays). Its steps count from the end of the warm-up. */
static const struct schedule {
    const char *name;
    tas_status (*check)(tas_context *context, const tas_train_options *options);
    float (*lr)(const tas_train_options *options, float lr, uint64_t step, uint64_t steps);
} schedules[] = {
    [TAS_SCHEDULE_CONSTANT] = {"constant", NULL, NULL},
    [TAS_SCHEDULE_STEP] = {"step", check_step, step_wise},
    [TAS_SCHEDULE_COSINE] = {"cosine", check_cosine, cosine},
    [TAS_SCHEDULE_POLYNOMIAL] = {"polynomial", check_polynomial, polynomial},
    [TAS_SCHEDULE_EXPONENTIAL] = {"exponential", check_step, exponential},
    [TAS_SCHEDULE_ONE_CYCLE] = {"one-cycle", check_one_cycle, one_cycle},
    [TAS_SCHEDULE_SEESAW] = {"seesaw", check_seesaw, NULL}, /* it depends on the course: seesaw.h */
};

const char *tas_schedule_name(tas_schedule which)
{
    return (unsigned)which < LENGTH(schedules) ? schedules[which].name : NULL;
}

tas_status schedule_check(tas_context *context, const tas_train_options *options, uint64_t steps)
{
    tas_status status = check_scaling(context, options);
    if (status) return status;
    if (options->warmup > steps)
        return fail(context, TAS_BAD_ARGUMENT, "warmup %" PRIu64 ": the run has only %" PRIu64 " step%s",
                    options->warmup, steps, steps == 1 ? "" : "s");
    status = check_scaled(context, options, "lr", options->lr);
    if (status) return status;
    if (!tas_schedule_name(options->schedule))
        return fail(context, TAS_BAD_ARGUMENT, "unknown schedule %d", (int)options->schedule);
    const struct schedule *row = &schedules[options->schedule];
    return row->check ? row->check(context, options) : TAS_OK;
}

float schedule_flush(float lr) { return lr < lr_least ? 0 : lr; }

float schedule_lr(const tas_train_options *options, uint64_t step, uint64_t steps)
{
    const struct schedule *row = &schedules[options->schedule];
    float lr = scaled(options, options->lr);
    if (step < options->warmup)
        lr *= arith_div((float)(step + 1), (float)options->warmup);
    else if (row->lr)
        lr = row->lr(options, lr, step - options->warmup, steps - options->warmup);
    return schedule_flush(lr);
}
