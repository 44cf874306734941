/* Adam and AdamW: what one call is given. */
#ifndef ADAM_H
#define ADAM_H

#include "ops/draw.h"

#include "arith.h"

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

/* Of the references of Adam and LAMB: m and v are updated; gives m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) +
 * epsilon).
 */
static inline float adam_step(float g, float *m, float *v, float beta1, float rest1, float beta2, float rest2,
                              float unbias1, float unbias2, float epsilon)
{
    const float first = arith_flush_state(__builtin_fmaf(beta1, *m, rest1 * g));
    const float squares = __builtin_fmaf(beta2, *v, rest2 * (g * g));
    const float second = arith_select(squares < 0x1p-80f, 0.0f, squares);
    const float seen = second * unbias2, root = arith_near_sqrt(seen) + epsilon;
    const float ratio = arith_flush_state(first * unbias1 * arith_near_reciprocal(root));
    *m = first;
    *v = second;
    return arith_select(seen <= 0x1p+118f, ratio, arith_float(ARITH_NAN));
}

/* Cases, which LAMB's are too. */
bool adam_shape(op_args *args, draw *d, int edge);
bool adam_fill(const op_args *a, int operand, void *data, draw *d);

#endif
