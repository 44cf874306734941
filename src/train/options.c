/* The options of a training run: see options.h. */
#include "train/options.h"

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

uint64_t options_steps(const tas_train_options *options, uint64_t examples)
{
    return options->steps ? options->steps : options->epochs * ((examples - 1) / options->batch + 1);
}

tas_status options_check(tas_context *context, const tas_data *data, const tas_train_options *options)
{
    const uint64_t examples = data->options.count;
    uint64_t all;
    if (options->size != sizeof *options)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options.size is %zu, expected %zu: initialize with "
                    "tas_train_options_init()",
                    options->size, sizeof *options);
    if (!options->batch) return fail(context, TAS_BAD_ARGUMENT, "batch 0: expected at least 1 example");
    if (options->batch > examples)
        return fail(context, TAS_BAD_ARGUMENT,
                    "batch %" PRIu32 " is larger than the data set: %s has %" PRIu64 " examples", options->batch,
                    data->name, examples);
    if (options->batch > 1u << 24)
        return fail(context, TAS_BAD_ARGUMENT, "batch %" PRIu32 ": at most 2^24 examples", options->batch);
    if (!mul_size(options->epochs, examples, &all))
        return fail(context, TAS_BAD_ARGUMENT, "%" PRIu64 " epochs: too many", options->epochs);
    if (!options->steps && !options->epochs)
        return fail(context, TAS_BAD_ARGUMENT, "steps 0 and epochs 0: expected one of them to be more");
    const uint64_t steps = options_steps(options, examples);
    if (steps >= UINT32_MAX)
        return fail(context, TAS_BAD_ARGUMENT, "%" PRIu64 " steps: expected fewer than 2^32 - 1 per run", steps);
    const tas_status status = schedule_check(context, options, steps);
    return status ? status : update_check(context, options);
}
