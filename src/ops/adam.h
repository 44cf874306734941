/* Adam and AdamW: what one call is given. */
#ifndef ADAM_H
#define ADAM_H

#include "ops/draw.h"

/* v is kept times this; its root, and with it m and epsilon, times ADAM_ROOT. */
#define ADAM_SCALE 0x1p+40f
#define ADAM_ROOT 0x1p+20f

/* Places in args.scalar[]. */
typedef enum adam_scalar {
    ADAM_LR,
    ADAM_BETA1,
    ADAM_REST1, /* 1 - beta1 */
    ADAM_BETA2,
    ADAM_REST2,     /* (1 - beta2) ADAM_SCALE */
    ADAM_UNBIAS1,   /* ADAM_ROOT / (1 - beta1^t) */
    ADAM_UNBIAS2,   /* 1 / (1 - beta2^t) */
    ADAM_EPSILON,   /* times ADAM_ROOT */
    ADAM_DECAY,     /* of Adam: enters the gradient */
    ADAM_DECOUPLED, /* of AdamW: beside it. One of the two is 0 */
    ADAM_SCALARS
} adam_scalar;

/* Cases, which LAMB's are too. */
bool adam_shape(op_args *args, draw *d, int edge);
bool adam_fill(const op_args *a, int operand, void *data, draw *d);

#endif
