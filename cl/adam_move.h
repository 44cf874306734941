/* One step of Adam's moments, which Adam, AdamW and LAMB share; src/ops/adam.c has the formulas and the scales. */
#ifndef ADAM_MOVE_H
#define ADAM_MOVE_H

#include "arith.h"

/* m and v are updated; gives m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon). */
static inline float adam_move(float g, float *m, float *v, float beta1, float rest1, float beta2, float rest2,
                              float unbias1, float unbias2, float epsilon)
{
    const float first = arith_flush_state(ARITH_FMA(beta1, *m, rest1 * g));
    const float squares = ARITH_FMA(beta2, *v, rest2 * (g * g));
    const float second = arith_select(squares < 0x1p-80f, 0.0f, squares);
    const float seen = second * unbias2, root = arith_near_sqrt(seen) + epsilon;
    const float ratio = arith_flush_state(first * unbias1 * arith_near_reciprocal(root));
    *m = first;
    *v = second;
    return arith_select(seen <= 0x1p+118f, ratio, arith_float(ARITH_NAN));
}

#endif
