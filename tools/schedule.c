/* The schedule's options: what goes together, and how they are printed. */
#include "schedule.h"

const char *schedule_word(int number) { return tas_schedule_name((tas_schedule)number); }

const char *schedule_scaling_word(int number) { return tas_lr_scaling_name((tas_lr_scaling)number); }

void schedule_begin(tas_train_options *options)
{
    options->decay = options->lr_end = -1;
    options->base_batch = 0;
}

void schedule_end(const cli_command *command, tas_train_options *options)
{
    const bool step = options->schedule == TAS_SCHEDULE_STEP, cosine = options->schedule == TAS_SCHEDULE_COSINE;
    tas_train_options defaults;
    tas_train_options_init(&defaults);
    if (!step && options->decay >= 0) cli_usage(command, "--decay requires --schedule step");
    if (!step && options->decay_steps) cli_usage(command, "--decay-steps requires --schedule step");
    if (step && !options->decay_steps) cli_usage(command, "--schedule step requires --decay-steps");
    if (!cosine && options->lr_end >= 0) cli_usage(command, "--lr-end requires --schedule cosine");
    if (options->lr_scaling == TAS_SCALING_NONE && options->base_batch)
        cli_usage(command, "--base-batch requires --lr-scaling linear or sqrt");
    if (options->decay < 0) options->decay = defaults.decay;
    if (options->lr_end < 0) options->lr_end = defaults.lr_end;
    if (!options->base_batch) options->base_batch = defaults.base_batch;
}

void schedule_print(const tas_train_options *options, float lr, FILE *stream)
{
    char text[FLOAT_TEXT];
    if (options->lr_scaling != TAS_SCALING_NONE)
        fprintf(stream, " (%s: %s scaling from a batch of %u)", cli_float(lr, text),
                options->lr_scaling == TAS_SCALING_SQRT ? "square root" : "linear", options->base_batch);
    if (options->warmup) fprintf(stream, "  warm-up %llu", (unsigned long long)options->warmup);
    if (options->schedule == TAS_SCHEDULE_STEP)
        fprintf(stream, "  schedule step: times %s every %llu", cli_float(options->decay, text),
                (unsigned long long)options->decay_steps);
    if (options->schedule == TAS_SCHEDULE_COSINE)
        fprintf(stream, "  schedule cosine: to %s", cli_float(options->lr_end, text));
}

void schedule_describe(const tas_train_options *options, float lr, json_t *o)
{
    const bool step = options->schedule == TAS_SCHEDULE_STEP, cosine = options->schedule == TAS_SCHEDULE_COSINE;
    json_object_set_new(o, "lr_scaling", json_string(tas_lr_scaling_name(options->lr_scaling)));
    json_object_set_new(o, "base_batch",
                        options->lr_scaling == TAS_SCALING_NONE ? json_null() : json_integer(options->base_batch));
    json_object_set_new(o, "lr_scaled", cli_json_float(lr));
    json_object_set_new(o, "schedule", json_string(tas_schedule_name(options->schedule)));
    json_object_set_new(o, "warmup", json_integer((json_int_t)options->warmup));
    json_object_set_new(o, "decay_steps", step ? json_integer((json_int_t)options->decay_steps) : json_null());
    json_object_set_new(o, "decay", step ? cli_json_float(options->decay) : json_null());
    json_object_set_new(o, "lr_end", cosine ? cli_json_float(options->lr_end) : json_null());
}
