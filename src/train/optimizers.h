/* The table of optimizers. */
#ifndef OPTIMIZERS_H
#define OPTIMIZERS_H

#include "base/context.h"
#include "ops/op.h"

#include <tassello/model.h>

enum { OPTIMIZERS_TEXT = 128, OPTIMIZER_SLOTS = 2 };

/* What an update depends on beside the settings: its learning rate, how many there are with it, and the decay of v,
 * which may change with the batch. */
typedef struct optimizer_step {
    float lr;
    uint64_t t;
    float beta2;
    double faded2; /* the product of beta2 over all t updates: how much of v is still its initial 0 */
} optimizer_step;

/* An optimizer is one row of optimizers.c. Its calls are given the parameters, the sums of gradients, its slots, the
 * divisor and the record of what was not finite; those of an optimizer that adapts its rate to each weight have a
 * ratio. */
typedef struct optimizer {
    const char *name;
    op_id op, fused; /* fused: where the gradient is not stored (ops/dense_update.h); 0: there is none */
    op_id before;    /* an operation over all parameters that comes first and replaces the sums; 0: none */
    int slots;       /* values kept per parameter; those of `before` if there is one; */
    const char *slot_name[OPTIMIZER_SLOTS]; /* as checkpoints have them: the bits that the operation keeps */
    bool scales_beta2;                      /* it follows the batch if the rate does */
    tas_lr_scaling scaling;                 /* how its rate follows the batch */
    bool adapts; /* needs the norms of each weight, and of its gradient or of what replaced that */
    tas_train_options usual;
    tas_status (*check)(tas_context *context, const tas_train_options *options);           /* its settings */
    void (*print)(const tas_train_options *options, char text[OPTIMIZERS_TEXT]);           /* them, for a message */
    void (*set)(const tas_train_options *options, const optimizer_step *step, float decay, /* the scalars of a call, */
                op_args *args);
    void (*set_ratio)(const tas_train_options *options, float decay, op_args *args); /* and of a ratio */
    /* Of OP_PRECONDITIONED_BLOCKS and _ROWS, after t updates, t at least 1; NULL: the second slot is not Adam's. */
    void (*precondition)(const tas_train_options *options, const optimizer_step *step, op_args *args);
} optimizer;

/* NULL if there is no such optimizer. */
const optimizer *optimizers_row(tas_optimizer which);

#endif
