/* The optimizer: its options, and how a command prints it. */
#ifndef OPTIMIZER_H
#define OPTIMIZER_H

#include "cli.h"

/* The optimizers' names, for a command's table. */
const char *optimizer_word(int number);

/* What is not a number: read into the command's own settings. */
typedef struct optimizer_words {
    int optimizer; /* a tas_optimizer */
    bool nesterov;
} optimizer_words;

/* Rows of a command's table. field(x): the offset of field x of its tas_train_options; at: of its optimizer_words. */
/* clang-format off */
#define OPTION_LR(field, text)                                                                                         \
    {.name = "lr", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .offset = field(lr),                    \
     .help = "Learning rate" text " (default 0.02; 0.001 for Adam and AdamW)."}
#define OPTION_OPTIMIZER(at)                                                                                           \
    {.name = "optimizer", .metavar = "WORD", .group = GROUP_OPTIMIZER, .type = TYPE_WORD, .word = optimizer_word,      \
     .offset = (at),                                                                                                   \
     .help = "sgd (default), adam (Kingma and Ba 2015) or adamw (Loshchilov and Hutter 2019). The latter two keep "    \
             "twice as much state."}
#define OPTIONS_OPTIMIZER(field, at)                                                                                   \
    OPTION_OPTIMIZER((at) + offsetof(optimizer_words, optimizer)),                                                     \
    {.name = "momentum", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .below = 1,                       \
     .offset = field(momentum), .help = "SGD only: momentum, from 0 to below 1 (default 0.9)."},                       \
    {.name = "nesterov", .group = GROUP_OPTIMIZER, .offset = (at) + offsetof(optimizer_words, nesterov),               \
     .help = "SGD only: Nesterov momentum."},                                                                          \
    {.name = "weight-decay", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32,                               \
     .offset = field(weight_decay),                                                                                    \
     .help = "Add X times the weights to the gradient or, with AdamW, to the step (default 0)."},                      \
    {.name = "beta1", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .below = 1, .offset = field(beta1),  \
     .help = "Adam and AdamW only: decay of the running mean of the gradients (default 0.9)."},                        \
    {.name = "beta2", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .below = 1, .offset = field(beta2),  \
     .help = "Adam and AdamW only: decay of the running mean of their squares (default 0.999)."},                      \
    {.name = "epsilon", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .offset = field(epsilon),          \
     .help = "Adam and AdamW only: added to the root of that mean, from 1e-18 to 1e6 (default 1e-8)."}
/* clang-format on */

/* Before parsing: marks the rate, and what belongs to one optimizer only, as not given. */
void optimizer_begin(tas_train_options *options);

/* After it: stores the words, refuses with status 2 what does not go together, and sets defaults for what was not
 * given. */
void optimizer_end(const cli_command *command, const optimizer_words *words, tas_train_options *options);

/* "  momentum 0.9 (Nesterov)  weight decay 0", or "  adamw, betas 0.9 and 0.999, epsilon 1e-08  weight decay 0.01". */
void optimizer_print(const tas_train_options *options, FILE *stream);

/* Into the object o; what does not belong to the optimizer is null. */
void optimizer_describe(const tas_train_options *options, json_t *o);

#endif
