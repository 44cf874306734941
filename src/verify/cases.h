/* Cases of one operation: one is run on a device and by its reference, and the results must have the same bits. */
#ifndef CASES_H
#define CASES_H

#include "device/opencl/rehearse.h"
#include "ops/draw.h"
#include "verify/case_name.h"
#include "verify/compare.h"

/* A case: arguments and operands, drawn from (seed, operation, number). Numbers below EDGE_CASES are the edge shapes;
 * the rest are random. The mode of values goes round with the number. */
enum { EDGE_CASES = 100 };

typedef struct test_case {
    op_args args;
    uint32_t number;
    draw_mode mode;
    uint32_t panel_width; /* 0: by the number */
    int operands;
    uint64_t elements[OP_OPERANDS];
    void *before[OP_OPERANDS]; /* canonical, as drawn */
    void *after[OP_OPERANDS];  /* what the reference made of it */
} test_case;

/* Draws a case and runs its reference. TAS_STOPPED if there is no such edge shape. case_open_named() takes a name,
 * whose sizes replace those drawn; TAS_BAD_ARGUMENT if the operation has no such shape. */
tas_status case_open(tas_context *context, op_id op, uint64_t seed, uint32_t number, test_case *out);
tas_status case_open_named(tas_context *context, op_id op, const case_name *name, test_case *out);

/* A case with the arguments of a call of a network, whose values are drawn with that number's mode. */
tas_status case_open_call(tas_context *context, const op_args *call, uint32_t number, test_case *out);
void case_close(test_case *c);

/* The arguments alone. False if there is no such edge shape, or no such shape. */
bool case_draw_args(op_id op, const case_name *name, op_args *out);

/* Runs the case on a device, its operands and scratch between guard bands. got[] are canonical results, malloc()ed, for
 * case_free_results(). *stray is set if anything was written outside them. */
tas_status case_run(tas_device *device, const test_case *c, void **got, bool *stray);
void case_free_results(const test_case *c, void **got);

/* Runs one case on the device, and with small limits too if its launcher has limits, and compares the results. */
tas_status case_verify(tas_device *device, op_id op, const case_name *name, difference *out);

/* Runs a case with the arguments of a call, and compares the results. */
tas_status case_verify_call(tas_device *device, const op_args *call, uint32_t number, difference *out);

/* Adds the kernels that case_verify() would launch on an OpenCL device. TAS_STOPPED if there is no such edge shape. */
tas_status case_rehearse(tas_device *device, op_id op, const case_name *name, rehearsal *to);

/* How the cases of one operation came out. */
typedef struct case_results {
    uint32_t passed, failed;
    case_name first; /* that failed, or that the device could not run, */
    difference what; /* and how */
    double seconds;
} case_results;

/* Runs one case and counts it. */
tas_status cases_count(tas_device *device, op_id op, const case_name *name, case_results *results);

/* Called after each case. */
typedef struct case_hook {
    void (*call)(void *user);
    void *user;
} case_hook;

/* All cases of one operation: at most `edges` of the edge shapes, then `cases` random ones. hook may be NULL. */
tas_status cases_verify(tas_device *device, op_id op, uint64_t seed, uint32_t edges, uint32_t cases,
                        const case_hook *hook, case_results *results);

/* The first failure in words, and the case's name. */
enum { CASES_TEXT = DIFFERENCE_TEXT + CASE_NAME_TEXT + 16 };
const char *cases_print(const case_results *results, char text[CASES_TEXT]);

#endif
