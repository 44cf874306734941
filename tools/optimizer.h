/* The optimizer: its options, and how a command prints it. */
#ifndef OPTIMIZER_H
#define OPTIMIZER_H

#include "cli.h"

/* The names of optimizers, and of what decays, for a command's table. */
const char *optimizer_word(int number);
const char *optimizer_decay_word(int number);

/* What is not a number: read into the command's own settings. */
typedef struct optimizer_words {
    int optimizer; /* a tas_optimizer */
    int decay_on;  /* a tas_decay_on */
    bool nesterov;
} optimizer_words;

/* Rows of a command's table. field(x): the offset of field x of its tas_train_options; at: of its optimizer_words. */
/* clang-format off */
#define OPTION_LR(field, text)                                                                                         \
    {.name = "lr", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .offset = field(lr),                    \
     .help = "Learning rate" text " (default 0.02; 0.001 for Adam, AdamW, RMSprop and LAMB, 0.0001 for Lion, 2 for "   \
             "LARS)."}
#define OPTION_OPTIMIZER(at)                                                                                           \
    {.name = "optimizer", .metavar = "WORD", .group = GROUP_OPTIMIZER, .type = TYPE_WORD, .word = optimizer_word,      \
     .offset = (at),                                                                                                   \
     .help = "sgd (default), adam (Kingma and Ba 2015), adamw (Loshchilov and Hutter 2019), rmsprop (Tieleman and "    \
             "Hinton 2012), lion (Chen et al. 2023), lars (You et al. 2017) or lamb (You et al. 2020). adam, adamw, "  \
             "rmsprop and lamb keep twice as much state as the others."}
#define OPTION_CLIP(field)                                                                                             \
    {.name = "clip", .metavar = "NORM", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .offset = (field),                 \
     .help = "Scale each step's mean gradient so that its norm, over all parameters, is at most NORM."}
#define OPTIONS_OPTIMIZER(field, at)                                                                                   \
    OPTION_OPTIMIZER((at) + offsetof(optimizer_words, optimizer)),                                                     \
    {.name = "momentum", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .below = 1,                       \
     .offset = field(momentum),                                                                                        \
     .help = "SGD, LARS and RMSprop only: momentum, from 0 to below 1 (default 0.9; 0 for RMSprop)."},                 \
    {.name = "nesterov", .group = GROUP_OPTIMIZER, .offset = (at) + offsetof(optimizer_words, nesterov),               \
     .help = "SGD only: Nesterov momentum."},                                                                          \
    {.name = "weight-decay", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32,                               \
     .offset = field(weight_decay),                                                                                    \
     .help = "Add X times the weights to the gradient or, with AdamW, Lion and LAMB, to the step (default 0)."},       \
    {.name = "decay-on", .metavar = "WORD", .group = GROUP_OPTIMIZER, .type = TYPE_WORD,                               \
     .word = optimizer_decay_word, .offset = (at) + offsetof(optimizer_words, decay_on),                               \
     .help = "What decays: all parameters (default), or weights, which leaves out biases and the parameters of "       \
             "normalization."},                                                                                        \
    OPTION_CLIP(field(clip)),                                                                                          \
    {.name = "beta1", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .below = 1, .offset = field(beta1),  \
     .help = "Adam, AdamW, Lion and LAMB only: decay of the running mean of the gradients (default 0.9)."},            \
    {.name = "beta2", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .below = 1, .offset = field(beta2),  \
     .help = "Adam, AdamW and LAMB only: decay of the running mean of their squares (default 0.999). Lion: of the "    \
             "running mean, while beta1 mixes it with the gradient (default 0.99)."},                                  \
    {.name = "epsilon", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .offset = field(epsilon),          \
     .help = "Adam, AdamW, LAMB and RMSprop only: added to the root of the mean of squares, from 1e-18 to 1e6 "        \
             "(default 1e-8; 1e-6 for LAMB)."},                                                                        \
    {.name = "alpha", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .below = 1, .offset = field(alpha),  \
     .help = "RMSprop only: decay of the running mean of squares (default 0.99)."},                                    \
    {.name = "trust", .metavar = "X", .group = GROUP_OPTIMIZER, .type = TYPE_F32, .offset = field(trust),              \
     .help = "LARS only: trust coefficient (default 0.001). Biases and the parameters of normalization are updated "   \
             "with the plain rate, with LAMB too."}
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
