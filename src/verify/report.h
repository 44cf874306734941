/* Where the rows of a verification go. */
#ifndef REPORT_H
#define REPORT_H

#include "base/context.h"

#include <tassello/verify.h>

typedef struct report {
    tas_context *context;
    tas_verify_fn on_row; /* may be NULL */
    void *user;
    tas_verify_result *result;
} report;

/* Counts a row in the result and hands it to the caller. */
void report_row(const report *to, const tas_verify_row *row);

#endif
