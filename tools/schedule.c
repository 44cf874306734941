/* The schedule's options: what goes together, and how they are printed. */
#include "schedule.h"

const char *schedule_word(int number) { return tas_schedule_name((tas_schedule)number); }

const char *schedule_scaling_word(int number) { return tas_lr_scaling_name((tas_lr_scaling)number); }

void schedule_begin(tas_train_options *options)
{
    options->decay = options->lr_end = options->power = options->rise = -1;
    options->base_batch = 0;
}

static bool decays(tas_schedule schedule)
{
    return schedule == TAS_SCHEDULE_STEP || schedule == TAS_SCHEDULE_EXPONENTIAL;
}

static bool has_decay_steps(tas_schedule schedule) { return decays(schedule) || schedule == TAS_SCHEDULE_SEESAW; }

static bool has_end(tas_schedule schedule)
{
    return schedule == TAS_SCHEDULE_COSINE || schedule == TAS_SCHEDULE_POLYNOMIAL;
}

void schedule_end(const cli_command *command, tas_train_options *options)
{
    const tas_schedule schedule = options->schedule;
    tas_train_options defaults;
    tas_train_options_init(&defaults);
    if (!decays(schedule) && options->decay >= 0) cli_usage(command, "--decay requires --schedule step or exponential");
    if (!has_decay_steps(schedule) && options->decay_steps)
        cli_usage(command, "--decay-steps requires --schedule step, exponential or seesaw");
    if (has_decay_steps(schedule) && !options->decay_steps)
        cli_usage(command, "--schedule %s requires --decay-steps", tas_schedule_name(schedule));
    if (!has_end(schedule) && options->lr_end >= 0)
        cli_usage(command, "--lr-end requires --schedule cosine or polynomial");
    if (schedule != TAS_SCHEDULE_POLYNOMIAL && options->power >= 0)
        cli_usage(command, "--power requires --schedule polynomial");
    if (schedule != TAS_SCHEDULE_ONE_CYCLE && options->rise >= 0)
        cli_usage(command, "--rise requires --schedule one-cycle");
    if (schedule == TAS_SCHEDULE_ONE_CYCLE && options->warmup)
        cli_usage(command, "--schedule one-cycle and --warmup: expected only one of them");
    if (options->lr_scaling == TAS_SCALING_NONE && options->base_batch)
        cli_usage(command, "--base-batch requires --lr-scaling linear, sqrt or auto");
    if (options->decay < 0) options->decay = defaults.decay;
    if (options->lr_end < 0) options->lr_end = defaults.lr_end;
    if (options->power < 0) options->power = defaults.power;
    if (options->rise < 0) options->rise = defaults.rise;
    if (!options->base_batch) options->base_batch = defaults.base_batch;
    if (!(options->power > 0 && options->power <= 100))
        cli_usage(command, "--power %g: expected a number above 0, at most 100", (double)options->power);
    if (!(options->rise > 0)) cli_usage(command, "--rise 0: expected a number above 0");
}

void schedule_print(const tas_train_options *options, float lr, FILE *stream)
{
    char text[FLOAT_TEXT];
    const tas_lr_scaling scaling = tas_train_scaling(options);
    if (scaling != TAS_SCALING_NONE)
        fprintf(stream, " (%s: %s scaling from a batch of %u%s)", cli_float(lr, text),
                scaling == TAS_SCALING_SQRT ? "square root" : "linear", options->base_batch,
                options->lr_scaling == TAS_SCALING_AUTO ? ", the optimizer's rule" : "");
    if (options->warmup) fprintf(stream, "  warm-up %llu", (unsigned long long)options->warmup);
    const char *name = tas_schedule_name(options->schedule);
    if (decays(options->schedule))
        fprintf(stream, "  schedule %s: times %s every %llu", name, cli_float(options->decay, text),
                (unsigned long long)options->decay_steps);
    if (options->schedule == TAS_SCHEDULE_SEESAW)
        fprintf(stream, "  schedule %s: over the root of 2, batch doubled, every %llu steps of the first batch", name,
                (unsigned long long)options->decay_steps);
    if (has_end(options->schedule)) fprintf(stream, "  schedule %s: to %s", name, cli_float(options->lr_end, text));
    if (options->schedule == TAS_SCHEDULE_POLYNOMIAL) fprintf(stream, ", power %s", cli_float(options->power, text));
    if (options->schedule == TAS_SCHEDULE_ONE_CYCLE)
        fprintf(stream, "  schedule %s: rises for %s", name, cli_float(options->rise, text));
}

void schedule_describe(const tas_train_options *options, float lr, json_t *o)
{
    const bool step = decays(options->schedule), ends = has_end(options->schedule);
    const bool has_steps = has_decay_steps(options->schedule);
    json_object_set_new(o, "lr_scaling", json_string(tas_lr_scaling_name(tas_train_scaling(options))));
    json_object_set_new(o, "lr_scaling_auto", json_boolean(options->lr_scaling == TAS_SCALING_AUTO));
    json_object_set_new(o, "base_batch",
                        options->lr_scaling == TAS_SCALING_NONE ? json_null() : json_integer(options->base_batch));
    json_object_set_new(o, "lr_scaled", cli_json_float(lr));
    json_object_set_new(o, "schedule", json_string(tas_schedule_name(options->schedule)));
    json_object_set_new(o, "warmup", json_integer((json_int_t)options->warmup));
    json_object_set_new(o, "decay_steps", has_steps ? json_integer((json_int_t)options->decay_steps) : json_null());
    json_object_set_new(o, "decay", step ? cli_json_float(options->decay) : json_null());
    json_object_set_new(o, "lr_end", ends ? cli_json_float(options->lr_end) : json_null());
    json_object_set_new(o, "power",
                        options->schedule == TAS_SCHEDULE_POLYNOMIAL ? cli_json_float(options->power) : json_null());
    json_object_set_new(o, "rise",
                        options->schedule == TAS_SCHEDULE_ONE_CYCLE ? cli_json_float(options->rise) : json_null());
}
