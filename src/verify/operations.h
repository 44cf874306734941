/* The operations of the table, one row each. */
#ifndef OPERATIONS_H
#define OPERATIONS_H

#include "verify/cases.h"
#include "verify/report.h"
#include "verify/selection.h"

typedef struct operations_tally {
    bool failed; /* one of them */
    bool few;    /* one of them had fewer cases than a tier is earned by */
} operations_tally;

/* All cases of one operation after the other, or the one that options.only_case names. */
tas_status operations_verify(tas_device *device, const tas_verify_options *options, const selection *chosen,
                             const report *to, operations_tally *tally);

/* Cases of all operations in turn, until options.seconds from now are over; for longer only if a case fails, as it is
 * then shrunk. */
tas_status operations_verify_until(tas_device *device, const tas_verify_options *options, const selection *chosen,
                                   const report *to, operations_tally *tally);

#endif
