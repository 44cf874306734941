/* The options of a training run: see options.h. */
#include "train/options.h"

#include "network/layers/layer.h"
#include "train/schedule.h"
#include "train/seesaw.h"
#include "train/update.h"

#include <inttypes.h>

void tas_train_options_init(tas_train_options *options)
{
    *options = (tas_train_options){.size = sizeof *options,
                                   .batch = 64,
                                   .shards = 1,
                                   .epochs = 1,
                                   .lr = 0.02f,
                                   .momentum = 0.9f,
                                   .seed = 1,
                                   .beta1 = 0.9f,
                                   .beta2 = 0.999f,
                                   .epsilon = 1e-8f,
                                   .alpha = 0.99f,
                                   .trust = 0.001f,
                                   .decay = 0.1f,
                                   .power = 1,
                                   .rise = 0.3f,
                                   .base_batch = 64};
}

uint64_t options_steps(const tas_train_options *options, const course *c)
{
    return options->steps ? options->steps : course_end(c, options->epochs);
}

static bool has_seesaw(const tas_train_options *options)
{
    return options->schedule == TAS_SCHEDULE_SEESAW && options->decay_steps;
}

tas_status options_course(course *c, tas_context *context, const tas_train_options *options, uint64_t examples)
{
    tas_status status = course_open(c, context, options, examples);
    for (int i = 0; i < options->change_count && !status; i++)
        status = course_change_batch(c, context, options->changes[i].step, options->changes[i].batch);
    if (!status && has_seesaw(options)) status = seesaw_expand(options, context, c, options_steps);
    if (status) course_close(c);
    return status;
}

/* Whoever asks for more than the run's own batches may have any of them. */
batch_range options_batches(const tas_train_options *options, const course *c)
{
    batch_range range = {options->batch, options->batch};
    for (int i = 1; i < c->segments; i++) {
        const uint32_t batch = c->segment[i].batch;
        if (batch < range.least) range.least = batch;
        if (batch > range.most) range.most = batch;
    }
    if (!options->batch_most || has_seesaw(options)) return range;
    return (batch_range){1, options->batch_most > range.most ? options->batch_most : range.most};
}

float options_decay(const tas_train_options *options, bool weight)
{
    return weight || options->decay_on == TAS_DECAY_ON_ALL ? options->weight_decay : 0;
}

float options_lr(const tas_train_options *options, const course *c, uint64_t step, uint64_t steps)
{
    tas_train_options own = *options;
    if (!has_seesaw(options)) own.batch = course_at(c, step + 1).batch;
    const float lr = schedule_lr(&own, step, steps);
    return has_seesaw(options) && step >= options->warmup ? schedule_flush(seesaw_lr(options, c, lr, step)) : lr;
}

tas_lr_scaling tas_train_scaling(const tas_train_options *options)
{
    const optimizer *row = optimizers_row(options->optimizer);
    return options->lr_scaling == TAS_SCALING_AUTO && row ? row->scaling : options->lr_scaling;
}

float tas_train_beta2(const tas_train_options *options, uint32_t batch)
{
    const optimizer *row = optimizers_row(options->optimizer);
    return row && row->scales_beta2 ? schedule_scaled_beta2(options, batch) : options->beta2;
}

optimizer_step options_step(const tas_train_options *options, const course *c, uint64_t t, uint64_t steps)
{
    optimizer_step step = {.lr = options_lr(options, c, t - 1, steps), .t = t, .faded2 = 1};
    for (int i = 0; i < c->segments && c->segment[i].step < t; i++) {
        const uint64_t end = i + 1 < c->segments && c->segment[i + 1].step < t ? c->segment[i + 1].step : t;
        step.beta2 = tas_train_beta2(options, c->segment[i].batch);
        step.faded2 *= schedule_power((double)step.beta2, end - c->segment[i].step);
    }
    return step;
}

/* Whether each group of such a batch, of which the last one may be smaller, has values enough for a variance. */
static tas_status check_groups(const tas_network *network, uint64_t batch, bool last)
{
    for (int i = 0; i < network->tensor_count; i++) {
        const tensor *t = &network->tensors[i];
        const uint64_t group = t->group && t->group < batch ? t->group : batch;
        const uint64_t smallest = batch % group ? batch % group : group;
        const layer *of = &network->layers[t->layer];
        if (t->spread != SPREAD_GROUP || smallest >= t->least) continue;
        const char *of_batch = last ? "the last batch of an epoch" : "a batch", *or_last = last ? ", or drop_last" : "";
        if (smallest == batch)
            return fail(network->context, TAS_BAD_ARGUMENT,
                        "%s:%d: %s needs at least %" PRIu32 " examples for a variance, but %s has %" PRIu64
                        "; expected another batch%s",
                        network->from, of->line, of->kind->name, t->least, of_batch, smallest, or_last);
        return fail(network->context, TAS_BAD_ARGUMENT,
                    "%s:%d: %s needs at least %" PRIu32 " examples for a variance, but of %s, %" PRIu64
                    " examples, %" PRIu64 " is left for the last group; expected another batch or group%s",
                    network->from, of->line, of->kind->name, t->least, of_batch, batch, smallest, or_last);
    }
    return TAS_OK;
}

/* Of the steps of one segment: its batch, and what the epoch in which they begin and later ones end with. */
static tas_status check_segment(const tas_network *network, const tas_train_options *options, const course *c, int i,
                                uint64_t steps)
{
    const course_segment *s = &c->segment[i];
    const uint64_t last = i + 1 < c->segments ? s[1].step : steps;
    const uint32_t left[] = {c->examples - s->at, c->examples};
    tas_train_options own = *options;
    if (!has_seesaw(options)) own.batch = s->batch;
    tas_status status = schedule_check(network->context, &own, steps);
    if (!status) status = check_groups(network, s->batch, false);
    for (uint64_t k = 0, end = s->step; k < 2 && !status && !c->drop_last; k++) {
        end += (left[k] - 1) / s->batch + 1;
        if (left[k] % s->batch && last >= end) status = check_groups(network, left[k] % s->batch, true);
    }
    return status;
}

tas_status options_check_batches(const tas_network *network, const tas_train_options *options, const course *c,
                                 int first)
{
    const uint64_t steps = options_steps(options, c);
    tas_status status = TAS_OK;
    for (int i = first; i < c->segments && !status; i++) status = check_segment(network, options, c, i, steps);
    return status;
}

/* name: what the batch is of, of a set with that name. */
static tas_status check_batch(tas_context *context, const char *name, uint32_t batch, uint64_t examples, const char *of)
{
    if (!batch) return fail(context, TAS_BAD_ARGUMENT, "%s 0: expected at least 1 example", name);
    if (batch > examples)
        return fail(context, TAS_BAD_ARGUMENT,
                    "%s %" PRIu32 " is larger than the data set: %s has %" PRIu64 " examples", name, batch, of,
                    examples);
    if (batch > 1u << 24) return fail(context, TAS_BAD_ARGUMENT, "%s %" PRIu32 ": at most 2^24 examples", name, batch);
    return TAS_OK;
}

static tas_status check_changes(tas_context *context, const tas_train_options *options, uint64_t examples,
                                const char *of)
{
    uint64_t before = 0;
    tas_status status = TAS_OK;
    if (options->change_count < 0 || options->change_count > TAS_BATCH_CHANGES)
        return fail(context, TAS_BAD_ARGUMENT, "%d changes of the batch: expected at most %d", options->change_count,
                    TAS_BATCH_CHANGES);
    for (int i = 0; i < options->change_count && !status; i++) {
        const tas_batch_change *change = &options->changes[i];
        char name[64];
        snprintf(name, sizeof name, "change %d, from step %" PRIu64 " on: batch", i + 1, change->step);
        status = check_batch(context, name, change->batch, examples, of);
        if (!status && change->step <= before)
            status = fail(context, TAS_BAD_ARGUMENT,
                          "change %d, to batch %" PRIu32 " from step %" PRIu64 " on: expected a step above %" PRIu64,
                          i + 1, change->batch, change->step, before);
        before = change->step;
    }
    return status;
}

/* The batches, and how many steps they make. */
static tas_status check_all_batches(tas_context *context, const tas_train_options *options, uint64_t examples,
                                    const char *of)
{
    uint64_t all;
    tas_status status = check_batch(context, "batch", options->batch, examples, of);
    if (!status && options->batch_most && options->schedule != TAS_SCHEDULE_SEESAW)
        status = check_batch(context, "batch_most", options->batch_most, examples, of);
    if (!status) status = check_changes(context, options, examples, of);
    if (status) return status;
    if (!mul_size(options->epochs, examples, &all))
        return fail(context, TAS_BAD_ARGUMENT, "%" PRIu64 " epochs: too many", options->epochs);
    if (!options->steps && !options->epochs)
        return fail(context, TAS_BAD_ARGUMENT, "steps 0 and epochs 0: expected one of them to be more");
    return TAS_OK;
}

static tas_status check_steps(tas_context *context, const tas_train_options *options, const course *c)
{
    const uint64_t steps = options_steps(options, c);
    const tas_batch_change *last = options->change_count ? &options->changes[options->change_count - 1] : NULL;
    if (steps >= UINT32_MAX)
        return fail(context, TAS_BAD_ARGUMENT, "%" PRIu64 " steps: expected fewer than 2^32 - 1 per run", steps);
    if (last && last->step >= steps)
        return fail(context, TAS_BAD_ARGUMENT,
                    "change %d, to batch %" PRIu32 " from step %" PRIu64 " on: the run has only %" PRIu64 " step%s",
                    options->change_count, last->batch, last->step, steps, steps == 1 ? "" : "s");
    return TAS_OK;
}

static tas_status check_audit(tas_context *context, const tas_train_options *options, uint64_t steps)
{
    if (!(options->audit >= 0 && options->audit <= 1))
        return fail(context, TAS_BAD_ARGUMENT, "audit %g: expected a share of the time from 0 to 1",
                    (double)options->audit);
    if (options->audit_step > steps)
        return fail(context, TAS_BAD_ARGUMENT, "an audit of step %" PRIu64 ": the run has only %" PRIu64 " step%s",
                    options->audit_step, steps, steps == 1 ? "" : "s");
    return TAS_OK;
}

tas_status options_check_shards(tas_context *context, uint32_t shards)
{
    if (shards && !(shards & (shards - 1)) && shards <= TAS_SHARDS) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "shards %" PRIu32 ": expected a power of two from 1 to %d", shards,
                TAS_SHARDS);
}

static tas_status check_size(tas_context *context, const tas_train_options *options)
{
    if (options->size == sizeof *options) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT,
                "options.size is %zu, expected %zu: initialize with "
                "tas_train_options_init()",
                options->size, sizeof *options);
}

tas_status options_check(const tas_network *network, const tas_data *data, const tas_train_options *options)
{
    tas_context *context = network->context;
    const uint64_t examples = data->options.count;
    course c;
    tas_status status = check_size(context, options);
    if (!status) status = options_check_shards(context, options->shards);
    if (!status) status = check_all_batches(context, options, examples, data->name);
    if (!status) status = options_course(&c, context, options, examples);
    if (status) return status;
    tas_train_options own = *options;
    own.lr_scaling = tas_train_scaling(options);
    status = check_steps(context, &own, &c);
    if (!status) status = check_audit(context, options, options_steps(&own, &c));
    if (!status) status = schedule_check(context, &own, options_steps(&own, &c));
    if (!status) status = update_check(context, &own);
    if (!status) status = options_check_batches(network, &own, &c, 0);
    course_close(&c);
    return status;
}

static tas_status train_lr(tas_context *context, const tas_train_options *options, uint64_t step, uint64_t steps,
                           float *lr)
{
    course c;
    tas_status status = check_size(context, options);
    if (status) return status;
    if (!options->batch) return fail(context, TAS_BAD_ARGUMENT, "batch 0: expected at least 1 example");
    if (step > steps)
        return fail(context, TAS_BAD_ARGUMENT, "step %" PRIu64 ": the run has only %" PRIu64 " step%s", step, steps,
                    steps == 1 ? "" : "s");
    tas_train_options own = *options;
    own.steps = steps; /* for the course, which is that on a large set */
    own.lr_scaling = tas_train_scaling(options);
    status = schedule_check(context, &own, steps);
    if (!status) status = check_changes(context, options, UINT32_MAX, "it");
    if (!status) status = options_course(&c, context, &own, UINT32_MAX);
    if (status) return status;
    *lr = options_lr(&own, &c, step, steps);
    course_close(&c);
    return TAS_OK;
}

tas_status tas_train_lr(tas_context *context, const tas_train_options *options, uint64_t step, uint64_t steps,
                        float *lr)
{
    entry_state saved;
    entry_begin(context, &saved);
    const tas_status status = train_lr(context, options, step, steps, lr);
    entry_end(&saved);
    return status;
}

static tas_status list_batches(tas_context *context, const tas_train_options *options, uint64_t examples,
                               tas_batches *out)
{
    course c;
    tas_status status = check_size(context, options);
    if (!status) status = check_all_batches(context, options, examples, "it");
    if (!status) status = options_course(&c, context, options, examples);
    if (status) return status;
    status = check_steps(context, options, &c);
    out->count = c.segments;
    out->steps = options_steps(options, &c);
    for (int i = 0; i < c.segments; i++) out->list[i] = (tas_batch_change){c.segment[i].step, c.segment[i].batch};
    for (int i = 0; i < c.segments; i++)
        if (c.segment[i].batch > out->most) out->most = c.segment[i].batch;
    out->capped = has_seesaw(options) && out->steps &&
                  seesaw_decays(options, &c, out->steps - 1) > seesaw_doublings(options, examples);
    course_close(&c);
    return status;
}

tas_status tas_train_batches(tas_context *context, const tas_train_options *options, uint64_t examples,
                             tas_batches *out)
{
    entry_state saved;
    entry_begin(context, &saved);
    *out = (tas_batches){0};
    const tas_status status = list_batches(context, options, examples, out);
    entry_end(&saved);
    return status;
}
