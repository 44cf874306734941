/* The harness: one operation, one case, on a device and by its reference. */
#ifndef VERIFY_H
#define VERIFY_H

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

/* Draws a case and runs its reference. TAS_STOPPED where there is no such edge shape. */
tas_status case_open(tas_context *context, op_id op, uint64_t seed, uint32_t number, test_case *out);
void case_close(test_case *c);

/* Runs the case on a device, between guard bands. got[] are canonical results, malloc()ed, for case_free_results().
 * *stray says that something was written outside an operand. */
tas_status case_run(tas_device *device, const test_case *c, void **got, bool *stray);
void case_free_results(const test_case *c, void **got);

/* Compares bits (NaN equals NaN). On a difference writes to text what differs, and returns false. */
bool case_equal(const test_case *c, void *const *got, uint64_t seed, char *text, size_t bytes);

/* Verifies one operation on a device: `cases` random cases and the edge shapes, of these at most `edges`. */
tas_status verify_operation(tas_device *device, op_id op, uint64_t seed, uint32_t edges, uint32_t cases,
                            tas_verify_row *row, char *text, size_t bytes);

/* Holds CLBlast's products against their bound: one row each. Opens the device a second time, with TAS_ARITH_FAST. */
tas_status verify_providers(tas_device *device, uint64_t seed, uint32_t cases, tas_verify_fn on_row, void *user,
                            tas_verify_result *result);

/* The canonical training, and the digest of its weights. */
tas_status canonical_training(tas_device *device, char hex[65]);

/* What is remembered of a device and driver, for these kernels and this contract. */
tas_tier tier_recall(const tas_device_info *info);
void tier_remember(tas_context *context, const tas_device_info *info, tas_tier tier);

/* Adds a row to the result and hands it on. */
void verify_report(tas_context *context, const tas_verify_row *row, tas_verify_fn on_row, void *user,
                   tas_verify_result *result);

#endif
