/* Verification: compares every operation of a device with the C reference, bit for bit; then runs the canonical
 * trainings. */
#ifndef TASSELLO_VERIFY_H
#define TASSELLO_VERIFY_H

#include <tassello/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How far a verification is. */
typedef struct tas_verify_progress {
    /* Of which a case has just been run. */
    const char *operation;
    /* Of all operations so far. */
    uint64_t cases;
    /* Since the start, and until the end; NaN if that is not known. */
    double seconds, left;
} tas_verify_progress;

typedef struct tas_verify_options {
    /* Of this struct; set by tas_verify_options_init(). */
    size_t size;
    /* Of shapes and values (default 1). */
    uint64_t seed;
    /* Random cases per operation, in addition to the edge shapes (default 20). */
    uint32_t cases;
    /* Non-zero (the default): compare CLBlast's products with their bound, too. */
    int providers;
    /* Non-zero (the default): run the canonical trainings and compare their digests. */
    int training;
    /* Non-zero: compare gradients of each kind of layer and each loss with differences of losses, too, as if `only`
     * named them. 0 is the default. */
    int gradients;
    /* Names of operations, ended by NULL, which are then all that is verified; "training", "clblast" and "gradients"
     * stand for the canonical trainings, CLBlast\'s products, and gradients against differences of losses. NULL (the
     * default): everything. */
    const char *const *only;
    /* Only this case of the one operation that `only` names: tas_verify_failure.name. NULL (the default): all cases. */
    const char *only_case;
    /* Called with each of these names before it is verified, and with the `user` of on_row. May be NULL. */
    void (*on_begin)(void *user, const char *name);
    /* Called after each case, in the same way. May be NULL. */
    void (*on_progress)(void *user, const tas_verify_progress *progress);
    /* Above 0: instead of `cases`, run as many as fit into so many seconds, of all operations in turn, and nothing else
     * unless `only` names it. Only what shrinks a failing case may take longer. */
    double seconds;
} tas_verify_options;
TAS_API void tas_verify_options_init(tas_verify_options *options);

/* The names that `only` takes, by number; NULL past the last. And the one that a misspelt name was probably meant to
 * be; NULL if there is none. */
TAS_API const char *tas_verify_name(size_t number);
TAS_API const char *tas_verify_suggest(const char *name);

/* The first case that failed, with the smallest sizes that still fail. Strings are valid during the call. */
typedef struct tas_verify_failure {
    /* SEED:NUMBER, and the sizes that are not as drawn: what `only_case` takes. "" if no case failed. */
    const char *name;
    /* All sizes. */
    const char *shape;
    /* The first operand that differs; "" if something was written outside all operands, or the case could not be run.
     */
    const char *operand;
    /* Its first element that differs, how many differ, and of how many. */
    uint64_t element, differing, elements;
    /* That element's bits, and those of the reference; whether they are floats, */
    uint32_t got, expected;
    int floats;
    /* and how many floats they are apart; UINT64_MAX if one of them is NaN. */
    uint64_t ulp;
} tas_verify_failure;

/* One row: an operation on a device. Strings are valid during the call. */
typedef struct tas_verify_row {
    const char *operation;
    /* "kernel"; "clblast"; or "gradient", whose elements count as cases. */
    const char *provider;
    /* Cases. */
    uint32_t passed, failed;
    double seconds;
    /* Of what is compared with a tolerance: the largest error as a fraction of its bound. Otherwise 0. */
    double worst_error;
    /* The first failure in words (shape, element, both values), or why the row was skipped; otherwise "". */
    const char *text;
    int skipped;
    tas_verify_failure failure;
} tas_verify_row;
typedef void (*tas_verify_fn)(void *user, const tas_verify_row *row);

/* The canonical trainings: a chain of layers, and a network with branches and normalization over the batch. */
enum { TAS_CANONICAL_TRAININGS = 2 };

typedef struct tas_verify_result {
    /* Rows. */
    uint32_t passed, failed, skipped;
    /* Cases of all operations. */
    uint64_t cases;
    /* Of the canonical trainings; "" if they were not run. */
    char digest[TAS_CANONICAL_TRAININGS][65];
    /* Whether all are tas_canonical_digest(). */
    int digest_ok;
} tas_verify_result;

/* Returns TAS_MISMATCH if a row failed or the digest differs. on_row may be NULL. Sets the device's tier by the result
 * and remembers it for its driver. */
TAS_API tas_status tas_verify(tas_device *device, const tas_verify_options *options, tas_verify_fn on_row, void *user,
                              tas_verify_result *result);

/* The digest that a canonical training must have on every device, under this version of the contract. NULL past the
 * last. */
TAS_API const char *tas_canonical_digest(size_t training);

/* For tests of the library itself: which branches of kernels ran in this process, and how often loops did, if the
 * library was built with -Dkernel_coverage=true; otherwise there are no rows. A row is a program of kernels, built with
 * one set of options. Outcomes are those of functions that ran: the two of each condition, and zero times, once and
 * several times of each loop. Strings are valid during the call. */
typedef struct tas_coverage_outcome {
    const char *file, *function;
    /* The condition, or the kernel's name. */
    const char *text;
    /* "true", "false", "zero times", ... */
    const char *outcome;
    int line, reached;
} tas_coverage_outcome;
typedef struct tas_coverage_row {
    const char *program, *options;
    size_t count, reached;
    const tas_coverage_outcome *outcomes;
} tas_coverage_row;
typedef void (*tas_coverage_fn)(void *user, const tas_coverage_row *row);
TAS_API tas_status tas_kernel_coverage(tas_context *context, tas_coverage_fn on_row, void *user);

#ifdef __cplusplus
}
#endif

#endif
