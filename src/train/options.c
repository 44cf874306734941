/* The options of a training run: see options.h. */
#include "train/options.h"

#include "network/layers/layer.h"
#include "train/schedule.h"
#include "train/update.h"

#include <inttypes.h>

void tas_train_options_init(tas_train_options *options)
{
    *options = (tas_train_options){.size = sizeof *options,
                                   .batch = 64,
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

uint32_t options_batch_most(const tas_train_options *options)
{
    return options->batch_most ? options->batch_most : options->batch;
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

/* Of the last steps with one batch: it, and what the epoch in which they begin and later ones end with. */
tas_status options_check_batches(const tas_network *network, const tas_train_options *options, const course *c)
{
    const course_segment *s = &c->segment[c->segments - 1];
    const uint64_t steps = options_steps(options, c);
    const uint32_t left[] = {c->examples - s->at, c->examples};
    tas_status status = check_groups(network, s->batch, false);
    for (uint64_t k = 0, end = s->step; k < 2 && !status && !c->drop_last; k++) {
        end += (left[k] - 1) / s->batch + 1;
        if (left[k] % s->batch && steps >= end) status = check_groups(network, left[k] % s->batch, true);
    }
    return status;
}

/* A batch, and the data it is taken from. */
static tas_status check_batch(tas_context *context, const char *name, uint32_t batch, const tas_data *data)
{
    const uint64_t examples = data->options.count;
    if (!batch) return fail(context, TAS_BAD_ARGUMENT, "%s 0: expected at least 1 example", name);
    if (batch > examples)
        return fail(context, TAS_BAD_ARGUMENT,
                    "%s %" PRIu32 " is larger than the data set: %s has %" PRIu64 " examples", name, batch, data->name,
                    examples);
    if (batch > 1u << 24) return fail(context, TAS_BAD_ARGUMENT, "%s %" PRIu32 ": at most 2^24 examples", name, batch);
    return TAS_OK;
}

/* What depends on how the batches follow each other. */
static tas_status check_course(const tas_network *network, const tas_train_options *options, const course *c)
{
    const uint64_t steps = options_steps(options, c);
    if (steps >= UINT32_MAX)
        return fail(network->context, TAS_BAD_ARGUMENT, "%" PRIu64 " steps: expected fewer than 2^32 - 1 per run",
                    steps);
    tas_status status = schedule_check(network->context, options, steps);
    if (!status) status = update_check(network->context, options);
    return status ? status : options_check_batches(network, options, c);
}

tas_status options_check(const tas_network *network, const tas_data *data, const tas_train_options *options)
{
    tas_context *context = network->context;
    const uint64_t examples = data->options.count;
    uint64_t all;
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options.size is %zu, expected %zu: initialize with "
                    "tas_train_options_init()",
                    options->size, sizeof *options);
    tas_status status = check_batch(context, "batch", options->batch, data);
    if (!status && options->batch_most) status = check_batch(context, "batch_most", options->batch_most, data);
    if (status) return status;
    if (options_batch_most(options) < options->batch)
        return fail(context, TAS_BAD_ARGUMENT, "batch_most %" PRIu32 ": expected at least the batch, %" PRIu32,
                    options->batch_most, options->batch);
    if (!mul_size(options->epochs, examples, &all))
        return fail(context, TAS_BAD_ARGUMENT, "%" PRIu64 " epochs: too many", options->epochs);
    if (!options->steps && !options->epochs)
        return fail(context, TAS_BAD_ARGUMENT, "steps 0 and epochs 0: expected one of them to be more");
    course c;
    status = course_open(&c, context, options, examples);
    if (status) return status;
    status = check_course(network, options, &c);
    course_close(&c);
    return status;
}
