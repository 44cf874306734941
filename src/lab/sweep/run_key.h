/* What distinguishes a run from all others of a sweep, and the name that states it. */
#ifndef RUN_KEY_H
#define RUN_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RUN_NAME_BYTES = 256 };

typedef enum run_kind {
    RUN_SEARCH,    /* of the search for a rate */
    RUN_DEEP,      /* until it stops improving, to make the target */
    RUN_TO_TARGET, /* on a fresh seed, ends at the target */
    RUN_FIGURES    /* on a fresh seed, goes on beyond the target */
} run_kind;

typedef struct run_key {
    uint64_t batch, seed;
    double lr;
    run_kind kind;
    double target;            /* 0: the run makes the target */
    double most, least, look; /* examples: of the whole run, at least, and of the look that compares batches */
} run_key;

void run_key_name(const run_key *key, char *name, size_t bytes);

/* The key that a name states. False if run_key_name() writes no such name. */
bool run_key_parse(const char *name, run_key *key);

#endif
