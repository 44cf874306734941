/* One run of a sweep as JSON. A file is believed only as far as it can be checked: each number against its range,
 * against the run's name and against the settings of the sweep that reads it. What is read may therefore be used
 * without further checks. Pure. */
#ifndef RUN_FILE_H
#define RUN_FILE_H

#include "lab/sweep/run_key.h"
#include "lab/sweep/sweep.h"

#include <jansson.h>

/* What a sweep's settings say of its runs. */
typedef struct run_limits {
    uint64_t examples; /* that are trained on */
    uint64_t seed;     /* the sweep's own */
    double target;     /* NaN: the sweep makes it */
    bool by_accuracy;
    int contract; /* version of the arithmetic contract, on which all results depend */
} run_limits;

/* place: the device and the memory budget that the run had. NULL: no memory. */
json_t *run_file_encode(const run_key *key, const sweep_run *run, const char *place, int contract);

/* False if the file does not fit; then `why` says which part, and nothing has to be freed. run->elsewhere: `place`
 * differs. run->point is malloc()ed. */
bool run_file_decode(const json_t *in, const run_limits *limits, const char *place, run_key *key, sweep_run *run,
                     char *why, size_t bytes);

#endif
