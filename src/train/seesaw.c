/* The seesaw schedule: see seesaw.h. */
#include "train/seesaw.h"

#include "arith.h"
#include "train/schedule.h"

uint32_t seesaw_doublings(const tas_train_options *options, uint64_t examples)
{
    const uint64_t tenth = examples / 10, wanted = options->batch_most;
    const uint64_t most = wanted && wanted < tenth ? wanted : tenth;
    uint32_t doublings = 0;
    while ((uint64_t)options->batch << (doublings + 1) <= most) doublings++;
    return doublings;
}

static uint64_t examples_apart(const tas_train_options *options) { return options->decay_steps * options->batch; }

uint64_t seesaw_decays(const tas_train_options *options, const course *c, uint64_t step)
{
    uint64_t examples = 0;
    for (int i = 0; i < c->segments && c->segment[i].step < step; i++) {
        const course_segment *s = &c->segment[i];
        const uint64_t begin = s->step > options->warmup ? s->step : options->warmup;
        const uint64_t end = i + 1 < c->segments && s[1].step < step ? s[1].step : step;
        if (end > begin) examples += (end - begin) * s->batch;
    }
    return examples / examples_apart(options);
}

/* Steps are longer than decays are apart if the batch has grown to that: then several are due at once. */
tas_status seesaw_expand(const tas_train_options *options, tas_context *context, course *c,
                         uint64_t (*steps)(const tas_train_options *options, const course *c))
{
    const uint64_t apart = examples_apart(options), most = seesaw_doublings(options, c->examples);
    uint64_t step = options->warmup, examples = 0, decays = 0;
    tas_status status = TAS_OK;
    while (decays < most && !status) {
        const uint64_t batch = (uint64_t)options->batch << decays;
        const uint64_t some = ((decays + 1) * apart - examples - 1) / batch + 1;
        step += some;
        examples += some * batch;
        if (step >= steps(options, c)) break;
        decays = examples / apart < most ? examples / apart : most;
        status = course_change_batch(c, context, step, options->batch << decays);
    }
    return status;
}

/* Powers of 2 are exact, and so is one root of a half but for its rounding. */
float seesaw_lr(const tas_train_options *options, const course *c, float lr, uint64_t step)
{
    const uint64_t decays = seesaw_decays(options, c, step), most = seesaw_doublings(options, c->examples);
    const uint64_t roots = decays < most ? decays : most;
    const double factor = schedule_power(0.5, decays - roots + roots / 2);
    return (float)((double)lr * (roots % 2 ? factor * (double)arith_sqrt(0.5f) : factor));
}
