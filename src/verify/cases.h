/* Cases of one operation: one is run on a device and by its reference, and the results must have the same bits. */
#ifndef CASES_H
#define CASES_H

#include "device/device.h"
#include "ops/draw.h"

#include <tassello/verify.h>

/* A case: arguments and operands, drawn from (seed, operation, number). Numbers below EDGE_CASES are the edge shapes;
 * the rest are random. The mode of values goes round with the number. */
enum { EDGE_CASES = 64 };

typedef struct test_case {
    op_args args;
    uint32_t number;
    draw_mode mode;
    int operands;
    uint64_t elements[OP_OPERANDS];
    void *before[OP_OPERANDS]; /* canonical, as drawn */
    void *after[OP_OPERANDS];  /* what the reference made of it */
} test_case;

/* Draws a case and runs its reference. TAS_STOPPED if there is no such edge shape. */
tas_status case_open(tas_context *context, op_id op, uint64_t seed, uint32_t number, test_case *out);
void case_close(test_case *c);

/* Runs the case on a device, its operands and scratch between guard bands. got[] are canonical results, malloc()ed, for
 * case_free_results(). *stray is set if anything was written outside them. */
tas_status case_run(tas_device *device, const test_case *c, void **got, bool *stray);
void case_free_results(const test_case *c, void **got);

/* Compares bits (NaN equals NaN). On a difference writes to text what differs, and returns false. */
bool case_equal(const test_case *c, void *const *got, uint64_t seed, char *text, size_t bytes);

/* All cases of one operation: at most `edges` of the edge shapes, then `cases` random ones. */
tas_status cases_verify(tas_device *device, op_id op, uint64_t seed, uint32_t edges, uint32_t cases,
                        tas_verify_row *row, char *text, size_t bytes);

#endif
