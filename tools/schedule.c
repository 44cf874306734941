/* The schedule's options: what goes together, and how they are printed. */
#include "schedule.h"

const char *schedule_word(int number) { return tas_schedule_name((tas_schedule)number); }

const char *schedule_scaling_word(int number) { return tas_lr_scaling_name((tas_lr_scaling)number); }

void schedule_begin(tas_train_options *t)
{
    t->decay = t->lr_end = -1;
    t->base_batch = 0;
}

void schedule_end(const cli_command *command, tas_train_options *t)
{
    const bool step = t->schedule == TAS_SCHEDULE_STEP, cosine = t->schedule == TAS_SCHEDULE_COSINE;
    tas_train_options defaults;
    tas_train_options_init(&defaults);
    if (!step && t->decay >= 0) cli_usage(command, "--decay requires --schedule step");
    if (!step && t->decay_steps) cli_usage(command, "--decay-steps requires --schedule step");
    if (step && !t->decay_steps) cli_usage(command, "--schedule step requires --decay-steps");
    if (!cosine && t->lr_end >= 0) cli_usage(command, "--lr-end requires --schedule cosine");
    if (t->lr_scaling == TAS_SCALING_NONE && t->base_batch)
        cli_usage(command, "--base-batch requires --lr-scaling linear or sqrt");
    if (t->decay < 0) t->decay = defaults.decay;
    if (t->lr_end < 0) t->lr_end = defaults.lr_end;
    if (!t->base_batch) t->base_batch = defaults.base_batch;
}

void schedule_print(const tas_train_options *t, float lr, FILE *stream)
{
    char text[FLOAT_TEXT];
    if (t->lr_scaling != TAS_SCALING_NONE)
        fprintf(stream, " (%s: %s scaling from a batch of %u)", cli_float(lr, text),
                t->lr_scaling == TAS_SCALING_SQRT ? "square root" : "linear", t->base_batch);
    if (t->warmup) fprintf(stream, "  warm-up %llu", (unsigned long long)t->warmup);
    if (t->schedule == TAS_SCHEDULE_STEP)
        fprintf(stream, "  schedule step: times %s every %llu", cli_float(t->decay, text),
                (unsigned long long)t->decay_steps);
    if (t->schedule == TAS_SCHEDULE_COSINE) fprintf(stream, "  schedule cosine: to %s", cli_float(t->lr_end, text));
}

void schedule_describe(const tas_train_options *t, float lr, json_t *o)
{
    const bool step = t->schedule == TAS_SCHEDULE_STEP, cosine = t->schedule == TAS_SCHEDULE_COSINE;
    json_object_set_new(o, "lr_scaling", json_string(tas_lr_scaling_name(t->lr_scaling)));
    json_object_set_new(o, "base_batch", t->lr_scaling == TAS_SCALING_NONE ? json_null() : json_integer(t->base_batch));
    json_object_set_new(o, "lr_scaled", cli_json_float(lr));
    json_object_set_new(o, "schedule", json_string(tas_schedule_name(t->schedule)));
    json_object_set_new(o, "warmup", json_integer((json_int_t)t->warmup));
    json_object_set_new(o, "decay_steps", step ? json_integer((json_int_t)t->decay_steps) : json_null());
    json_object_set_new(o, "decay", step ? cli_json_float(t->decay) : json_null());
    json_object_set_new(o, "lr_end", cosine ? cli_json_float(t->lr_end) : json_null());
}
