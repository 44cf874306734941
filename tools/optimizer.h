/* The optimiser, as a command takes and tells it. */
#ifndef OPTIMIZER_H
#define OPTIMIZER_H

#include "cli.h"

#define OPTIMIZER_WORDS "sgd adam adamw"

/* What is no number: read into the command's own settings. */
typedef struct optimizer_words {
    int optimizer; /* a tas_optimizer */
    bool nesterov;
} optimizer_words;

/* Rows of a command's table. is(field): where a field of its tas_train_options stands; at: where its optimizer_words
 * do. */
/* clang-format off */
#define OPTIONS_OPTIMIZER(is, at)                                                                                       \
    {.name = "optimizer", .metavar = "WORD", .type = TYPE_WORD, .words = OPTIMIZER_WORDS,                               \
     .offset = (at) + offsetof(optimizer_words, optimizer),                                                             \
     .help = "sgd (the default), adam (Kingma and Ba 2015) or adamw (Loshchilov and Hutter 2019). The latter two keep " \
             "twice as much state."},                                                                                   \
    {.name = "momentum", .metavar = "X", .type = TYPE_F32, .below = 1, .offset = is(momentum),                          \
     .help = "Momentum of sgd, from 0 to below 1 (default 0.9)."},                                                      \
    {.name = "nesterov", .offset = (at) + offsetof(optimizer_words, nesterov), .help = "Nesterov's momentum."},         \
    {.name = "beta1", .metavar = "X", .type = TYPE_F32, .below = 1, .offset = is(beta1),                                \
     .help = "Of adam and adamw: what the mean of gradients keeps from step to step (default 0.9)."},                   \
    {.name = "beta2", .metavar = "X", .type = TYPE_F32, .below = 1, .offset = is(beta2),                                \
     .help = "Of adam and adamw: what the mean of their squares keeps (default 0.999)."},                               \
    {.name = "epsilon", .metavar = "X", .type = TYPE_F32, .offset = is(epsilon),                                        \
     .help = "Of adam and adamw: added to the root of that mean, from 1e-18 to 1e6 (default 1e-8)."},                   \
    {.name = "weight-decay", .metavar = "X", .type = TYPE_F32, .offset = is(weight_decay),                              \
     .help = "Adds X times the weights to the gradient, or with adamw to the step (default 0)."}
/* clang-format on */

/* Before parsing: what only belongs to one optimiser, and the rate, are set so that one that was given is known. */
void optimizer_begin(tas_train_options *t);

/* After it: takes the words, refuses what does not go together, with status 2, and puts defaults where nothing was
 * given. */
void optimizer_end(const cli_command *command, const optimizer_words *words, tas_train_options *t);

/* "  momentum 0.9 (Nesterov)  weight decay 0", or "  adamw, betas 0.9 and 0.999, epsilon 1e-08  weight decay 0.01". */
void optimizer_print(const tas_train_options *t, FILE *stream);

/* Into the object o. What does not belong to the optimiser is null. */
void optimizer_describe(const tas_train_options *t, json_t *o);

#endif
