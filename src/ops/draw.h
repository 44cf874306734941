/* Random numbers of verification cases: a stream of Philox blocks, so that a case is known by (seed, operation,
 * number). */
#ifndef DRAW_H
#define DRAW_H

#include "ops/op.h"

/* How floats are drawn. Every mode obeys rule 8 of the contract: 0, or at least 2^-40 in magnitude. The exception is
 * DRAW_TINY for operations that flush their inputs (op_row.flushes). */
typedef enum draw_mode {
    DRAW_NORMAL, /* around 1 */
    DRAW_SPARSE, /* half of them 0, as after a relu */
    DRAW_EDGE,   /* 2^-40 to 2^-38, both signs, in pairs that cancel: the smallest that may enter a product */
    DRAW_WIDE,   /* every exponent from -40 to 20 */
    DRAW_WILD,   /* overflow, infinities and NaN: only NaN on both sides is compared */
    DRAW_TINY,   /* 0, or 2^-40 to 2^-37; but one operand around 1: results on both sides of what is flushed to 0 */
    DRAW_MODES
} draw_mode;

struct draw {
    uint64_t seed;
    uint32_t operation, number; /* the case */
    uint32_t at;                /* words drawn */
    draw_mode mode;
    bool around_one; /* DRAW_TINY: this operand is the large one */
    int least;       /* DRAW_TINY: the smallest exponent */
};

/* Counts the cases of a mode. */
static inline uint32_t draw_turn(const draw *d) { return d->number / DRAW_MODES; }

uint32_t draw_u32(draw *d);
uint32_t draw_below(draw *d, uint32_t bound); /* 0 .. bound-1 */
float draw_float(draw *d);                    /* by the mode */

/* Makes half of them 0, as a relu does. */
void draw_zeros(uint64_t count, float *values, draw *d);

/* 1.m times 2^exponent, least <= exponent <= most, either sign. */
float draw_scaled(draw *d, int least, int most);

/* A size from 1 to most: often 1, a prime, or a power of two and its neighbors. */
uint32_t draw_size(draw *d, uint32_t most);

/* DRAW_TINY for an update (sgd.c, adam.c): weights beside which a tiny gradient is seen; means of gradients on both
 * sides of 2^-40, or 0, and there states on both sides of 2^-100. */
typedef enum update_role { UPDATE_WEIGHTS, UPDATE_GRADIENT, UPDATE_STATE } update_role;
void draw_fill_update(update_role role, uint32_t elements, float examples, float *data, draw *d);

/* Fills `count` elements: floats by the mode, integers with 0. */
void draw_fill(op_type type, uint64_t count, void *data, draw *d);

#endif
