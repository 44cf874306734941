/* Where the rows of a verification go. */
#ifndef REPORT_H
#define REPORT_H

#include "base/context.h"

#include <tassello/verify.h>

typedef struct report {
    tas_context *context;
    void (*on_begin)(void *user, const char *name); /* may be NULL, as the next */
    void (*on_progress)(void *user, const tas_verify_progress *progress);
    tas_verify_fn on_row;
    void *user;
    tas_verify_result *result;
} report;

/* Reports what is verified next to the caller, by the name that options.only takes. */
void report_begin(const report *to, const char *name);

void report_progress(const report *to, const tas_verify_progress *progress);

/* Counts a row in the result and hands it to the caller. */
void report_row(const report *to, const tas_verify_row *row);

#endif
