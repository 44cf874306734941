/* Verification: every operation of a device against the C reference, bit for bit; and the canonical training. */
#ifndef TASSELLO_VERIFY_H
#define TASSELLO_VERIFY_H

#include <tassello/device.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_verify_options {
    size_t size;    /* of this struct: set by tas_verify_options_init() */
    uint64_t seed;  /* of shapes and values; 1 */
    uint32_t cases; /* random cases an operation, beside the edge shapes; 20 */
    int providers;  /* non-zero: hold CLBlast against its bound, too; 1 */
    int training;   /* non-zero: the canonical training and its digest; 1 */
} tas_verify_options;
TAS_API void tas_verify_options_init(tas_verify_options *options);

/* One row: an operation on a device. Strings are valid during the call. */
typedef struct tas_verify_row {
    const char *operation;
    const char *provider; /* "kernel", "clblast" */
    uint32_t passed, failed;
    double seconds;
    double worst_error; /* of a provider held to a tolerance: in units of its bound, 1 being the bound; else 0 */
    const char *text;   /* of the first failure (shape, element, both values, seed), or why it was skipped; else "" */
    int skipped;
} tas_verify_row;
typedef void (*tas_verify_fn)(void *user, const tas_verify_row *row);

/* What was seen. digest is that of the canonical training, "" where it was not run. */
typedef struct tas_verify_result {
    uint32_t passed, failed, skipped; /* rows */
    char digest[65];
    int digest_ok; /* equal to tas_canonical_digest() */
} tas_verify_result;

/* Returns TAS_MISMATCH where a row failed or the digest differs. on_row may be NULL. The device's tier is set by what
 * was seen, and remembered for its driver. */
TAS_API tas_status tas_verify(tas_device *device, const tas_verify_options *options, tas_verify_fn on_row, void *user,
                              tas_verify_result *result);

/* The digest that the canonical training must have on every device, under this version of the contract. */
TAS_API const char *tas_canonical_digest(void);

#ifdef __cplusplus
}
#endif

#endif
