/* What an update divides the sum of gradients by: DIVISOR_VALUES floats on the device. */
#ifndef OPS_DIVISOR_H
#define OPS_DIVISOR_H

#include "ops/draw.h"

#include "gradient_mean.h"

/* divisor: places in args.size[], */
enum {
    DIVISOR_FROM_SUM, /* 1: the count is the operand `sum`; 0: it is the scalar, and `sum` is not read */
};

/* and in args.scalar[]. */
enum { DIVISOR_EXAMPLES };

/* Of an update's case: the count, and the whole divisor. */
float divisor_draw_count(const draw *d);
void divisor_draw(float *data, draw *d);

#endif
