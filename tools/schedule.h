/* The learning rate schedule: its options, and how a command prints it. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "cli.h"

/* The names of schedules and scalings, for a command's table. */
const char *schedule_word(int number);
const char *schedule_scaling_word(int number);

/* Rows of a command's table. field(x): the offset of field x of its tas_train_options; at: of an int, the schedule;
 * unit: what the steps of --warmup and --decay-steps are, if not the run's. */
/* clang-format off */
#define OPTIONS_SCHEDULE(field, at, unit)                                                                              \
    {.name = "schedule", .metavar = "WORD", .group = GROUP_SCHEDULE, .type = TYPE_WORD, .word = schedule_word,         \
     .offset = (at),                                                                                                   \
     .help = "constant (default); step: multiply the rate by --decay every --decay-steps; exponential: the same, a "   \
             "little with each step; cosine: lower it to --lr-end over the run, along half a cosine wave; polynomial: "\
             "lower it to --lr-end as the part of the run that is left, to the power --power; one-cycle: raise it "    \
             "from a 25th to --lr in the first --rise of the run, then lower it to a 250000th; seesaw (Meterez et "    \
             "al. 2025): where step would halve the rate, divide it by the square root of 2 and double the batch, up " \
             "to --batch-most."},                      \
    {.name = "warmup", .metavar = "N", .group = GROUP_SCHEDULE, .type = TYPE_U64, .least = 1, .most = UINT32_MAX,      \
     .offset = field(warmup),                                                                                          \
     .help = "Raise the rate linearly over the first N steps; the schedule starts after them." unit},                  \
    {.name = "decay-steps", .metavar = "N", .group = GROUP_SCHEDULE, .type = TYPE_U64, .least = 1,                     \
     .most = UINT32_MAX, .offset = field(decay_steps),                                                                 \
     .help = "Step, exponential and seesaw schedules only: steps that one decay takes, with seesaw those of the "      \
             "first batch; they count from the end of the warm-up." unit},                                             \
    {.name = "decay", .metavar = "X", .group = GROUP_SCHEDULE, .type = TYPE_F32, .offset = field(decay),               \
     .help = "Step and exponential schedules only: factor of a decay, at most 1 (default 0.1)."},                      \
    {.name = "lr-end", .metavar = "X", .group = GROUP_SCHEDULE, .type = TYPE_F32, .offset = field(lr_end),             \
     .help = "Cosine and polynomial schedules only: rate at the end of the run (default 0)."},                         \
    {.name = "power", .metavar = "X", .group = GROUP_SCHEDULE, .type = TYPE_F32, .offset = field(power),               \
     .help = "Polynomial schedule only: above 0, at most 100 (default 1: a straight line)."},                          \
    {.name = "rise", .metavar = "X", .group = GROUP_SCHEDULE, .type = TYPE_F32, .below = 1, .offset = field(rise),     \
     .help = "One-cycle schedule only: part of the run in which the rate rises (default 0.3)."}
#define OPTIONS_SCALING(field, at, text)                                                                               \
    {.name = "lr-scaling", .metavar = "WORD", .group = GROUP_SCHEDULE, .type = TYPE_WORD,                              \
     .word = schedule_scaling_word, .offset = (at), .help = text},                                                     \
    {.name = "base-batch", .metavar = "N", .group = GROUP_SCHEDULE, .type = TYPE_U32, .least = 1, .most = 1 << 24,     \
     .offset = field(base_batch), .help = "Batch that --lr is for, with --lr-scaling (default 64)."}
/* clang-format on */

/* Before parsing: marks what belongs to one schedule only, or to scaling, as not given. */
void schedule_begin(tas_train_options *options);

/* After it: refuses with status 2 what does not go together, and sets defaults for what was not given. */
void schedule_end(const cli_command *command, tas_train_options *options);

/* " (0.16: linear scaling from a batch of 64)  warm-up 100  schedule cosine: to 0"; nothing for a constant rate. lr is
 * the scaled one. */
void schedule_print(const tas_train_options *options, float lr, FILE *stream);

/* Into the object o; what does not belong to the schedule is null. */
void schedule_describe(const tas_train_options *options, float lr, json_t *o);

#endif
