/* Comparing values bit for bit; NaN equals NaN. */
#ifndef OPS_COMPARE_H
#define OPS_COMPARE_H

#include "ops/op.h"

typedef struct comparison {
    uint64_t different;  /* elements */
    uint64_t first;      /* of them, */
    uint32_t is, should; /* and its bits */
} comparison;

comparison compare_bits(op_type type, const void *is, const void *should, uint64_t elements);

/* How many floats two are apart, in their order, in which both zeros are one. UINT32_MAX if one is NaN. */
uint32_t compare_ulp(float a, float b);

/* "3f9eb36d (1.23985064)": the bits, and the number that they are. */
enum { COMPARE_VALUE_TEXT = 48 };
const char *compare_print_value(op_type type, uint32_t bits, char text[COMPARE_VALUE_TEXT]);

#endif
