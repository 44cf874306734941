/* Comparing values bit for bit; NaN equals NaN. */
#ifndef COMPARE_H
#define COMPARE_H

#include "ops/op.h"

typedef struct comparison {
    uint64_t different;  /* elements */
    uint64_t first;      /* of them, */
    uint32_t is, should; /* and its bits */
} comparison;

comparison compare_bits(op_type type, const void *is, const void *should, uint64_t elements);

/* Steps between two floats, of those that lie between them; -0 and 0 are one apart. UINT32_MAX if one is NaN. */
uint32_t compare_ulp(float a, float b);

#endif
