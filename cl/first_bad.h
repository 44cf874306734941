/* The record of what was not finite first, for kernels: first_bad = {step, what}, set once. All work-items of a launch
 * have the same step and the same `what`, and launches run in order, so it does not matter which item is first. This is
 * the only atomic function of the kernels, and it is of integers: sums of floats by atomics have no order. */
#ifndef FIRST_BAD_H
#define FIRST_BAD_H

static inline void set_first_bad(volatile __global uint *first_bad, uint step, uint what)
{
    if (atomic_cmpxchg(&first_bad[0], 0u, step) == 0u) first_bad[1] = what;
}

#endif
