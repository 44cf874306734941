/* The first element by which a case's results differ from the reference's. */
#ifndef VERIFY_COMPARE_H
#define VERIFY_COMPARE_H

#include "ops/op.h"

typedef struct difference {
    bool found;
    bool stray;   /* nothing else differs, but something was written outside an operand */
    bool limited; /* with small limits of the launcher (device_limit()) */
    op_args args;
    int operand;
    uint64_t element;             /* the first that differs, */
    uint64_t differing, elements; /* how many do, and of how many of this operand */
    uint32_t got, expected;       /* bits */
    uint64_t ulp;                 /* how many floats they are apart; UINT64_MAX: one of them is NaN */
} difference;

enum { DIFFERENCE_TEXT = 640, SHAPE_TEXT = 320 };

/* Compares bits; NaN equals NaN. `elements` of each operand. */
struct test_case;
void compare_results(const struct test_case *c, void *const *got, difference *out);

/* "n=3 first=0 batch=3 at=0 size=10,784"; what differs, in words. */
const char *compare_print_shape(const op_args *args, char text[SHAPE_TEXT]);
const char *compare_print(const difference *d, char text[DIFFERENCE_TEXT]);

#endif
