/* Learning rates: scaled to the batch, then warmed up, then on their course. With the functions of arith.h, and
 * products of doubles, which IEEE rounds the same everywhere. */
#include "train/schedule.h"

#include "arith.h"

#include <inttypes.h>

static const float lr_most = 1e6f, lr_least = 0x1p-60f;

/* Scaling -----------------------------------------------------------------------------------------------------------
 */

/* k = batch / base_batch, correctly rounded; so is its root. */
static float scaled(const tas_train_options *is, float lr)
{
    if (is->lr_scaling == TAS_SCALING_NONE) return lr;
    const float k = arith_div((float)is->batch, (float)is->base_batch);
    return lr * (is->lr_scaling == TAS_SCALING_SQRT ? arith_sqrt(k) : k);
}

tas_status check_rate(tas_context *context, const char *name, float value, float most)
{
    if (value == 0 || (value >= lr_least && value <= most)) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "%s %g: expected 0, or a number from 1e-18 to %g", name, (double)value,
                (double)most);
}

static tas_status check_scaled(tas_context *context, const tas_train_options *is, const char *name, float value)
{
    tas_status status = check_rate(context, name, value, lr_most);
    const float lr = scaled(is, value);
    if (status || lr == 0 || (lr >= lr_least && lr <= lr_most)) return status;
    return fail(context, TAS_BAD_ARGUMENT,
                "%s %g: %s scaling from a base batch of %" PRIu32 " to %" PRIu32
                " makes it %g; expected 0, or a number from 1e-18 to %g",
                name, (double)value, is->lr_scaling == TAS_SCALING_SQRT ? "square root" : "linear", is->base_batch,
                is->batch, (double)lr, (double)lr_most);
}

static tas_status check_course(tas_context *context, const tas_train_options *is)
{
    switch (is->schedule) {
    case TAS_SCHEDULE_CONSTANT: return TAS_OK;
    case TAS_SCHEDULE_COSINE: return check_scaled(context, is, "lr_end", is->lr_end);
    case TAS_SCHEDULE_STEP: break;
    default: return fail(context, TAS_BAD_ARGUMENT, "schedule %d is not known", (int)is->schedule);
    }
    if (!is->decay_steps)
        return fail(context, TAS_BAD_ARGUMENT, "decay_steps 0: the step schedule expects at least 1 step");
    if (is->decay >= lr_least && is->decay <= 1) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "decay %g: expected a number from 1e-18 to 1", (double)is->decay);
}

tas_status schedule_check(tas_context *context, const tas_train_options *is, uint64_t steps)
{
    if (is->lr_scaling != TAS_SCALING_NONE && is->lr_scaling != TAS_SCALING_LINEAR &&
        is->lr_scaling != TAS_SCALING_SQRT)
        return fail(context, TAS_BAD_ARGUMENT, "lr_scaling %d is not known", (int)is->lr_scaling);
    if (is->lr_scaling != TAS_SCALING_NONE && (!is->base_batch || is->base_batch > 1u << 24))
        return fail(context, TAS_BAD_ARGUMENT, "base_batch %" PRIu32 ": expected 1 to 2^24 examples", is->base_batch);
    if (is->warmup > steps)
        return fail(context, TAS_BAD_ARGUMENT, "warmup %" PRIu64 ": the run has %" PRIu64 " steps", is->warmup, steps);
    const tas_status status = check_scaled(context, is, "lr", is->lr);
    return status ? status : check_course(context, is);
}

/* The course --------------------------------------------------------------------------------------------------------
 */

double power_of(double base, uint64_t n)
{
    double power = 1;
    for (; n && base >= 0x1p-200; n /= 2, base *= base)
        if (n % 2) power *= base;
    return n ? 0 : power;
}

/* end + (lr - end) (1 + cos(pi t)) / 2 with t = done / all, as lr cos^2(pi t / 2) + end sin^2(pi t / 2): nothing
 * cancels, and both ends are exact. The cosine is taken as a sine from the other end, so that it keeps its bits near 0.
 * Within 6 ULP. */
static float cosine(float lr, float end, uint64_t done, uint64_t all)
{
    if (done == all) return end;
    const float whole = (float)all, left = arith_div((float)(all - done), whole), gone = arith_div((float)done, whole);
    const float c = arith_sinpi(0.5f * left), s = arith_sinpi(0.5f * gone);
    return __builtin_fmaf(lr, c * c, end * (s * s));
}

/* `step` counts from the end of the warm-up, and so does `steps`. */
static float course(const tas_train_options *is, float lr, uint64_t step, uint64_t steps)
{
    switch (is->schedule) {
    case TAS_SCHEDULE_COSINE: return cosine(lr, scaled(is, is->lr_end), step, steps);
    case TAS_SCHEDULE_STEP: return (float)((double)lr * power_of((double)is->decay, step / is->decay_steps));
    default: return lr;
    }
}

float schedule_lr(const tas_train_options *is, uint64_t step, uint64_t steps)
{
    float lr = scaled(is, is->lr);
    if (step < is->warmup)
        lr *= arith_div((float)(step + 1), (float)is->warmup);
    else
        lr = course(is, lr, step - is->warmup, steps - is->warmup);
    return lr < lr_least ? 0 : lr;
}

tas_status tas_train_lr(tas_context *context, const tas_train_options *options, uint64_t step, uint64_t steps,
                        float *lr)
{
    entry_state saved;
    entry_begin(context, &saved);
    tas_status status = TAS_OK;
    if (options->size != sizeof *options)
        status = fail(context, TAS_BAD_ARGUMENT,
                      "options of %zu bytes; this library knows %zu: use tas_train_options_init()", options->size,
                      sizeof *options);
    if (!status && step > steps)
        status = fail(context, TAS_BAD_ARGUMENT, "step %" PRIu64 ": the run has %" PRIu64 " steps", step, steps);
    if (!status) status = schedule_check(context, options, steps);
    if (!status) *lr = schedule_lr(options, step, steps);
    entry_end(&saved);
    return status;
}
