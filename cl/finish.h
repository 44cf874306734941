/* The end of an operation that may end with a relu, or with the gradient of one, for kernels. */
#ifndef FINISH_H
#define FINISH_H

#include "arith.h"

// A finished value: flushed, and 0 if it is below `least`, which is 0 for a relu and -infinity for none.
static inline float finish_value(float x, float least)
{
    const float done = arith_flush(x);
    return arith_select(done < least, 0.0f, done);
}

// A gradient to x, or the sum that it is made from, and through the relu that made x.
static inline float mask_value(float done, float x) { return arith_select(x == 0.0f, 0.0f, done); }

#endif
