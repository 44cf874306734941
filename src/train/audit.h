/* Auditing a run: at random moments one tile of one step is checked operation by operation while the device trains. The
 * operands are read before each operation, the row's own reference is run on them, and its results are compared with
 * the device's bit for bit. Nothing is written to the device, so that the bits of the run stay.
 *
 * Calls of the network for the whole batch, the watch and the update are those of a step, not of a tile: they are
 * checked as well. So is the gather of the tile, of whose data set only the rows that it reads are read back.
 *
 * How often: so that the extra time of the audited steps makes the share that is asked for, by what a step and an audit
 * have taken so far. The first one comes within the first AUDIT_FIRST steps. */
#ifndef AUDIT_H
#define AUDIT_H

#include "train/workspace.h"

enum { AUDIT_FIRST = 16 };

typedef struct audit {
    device_observer observer;
    uint64_t next;             /* the step that is audited next; UINT64_MAX: none; 0: not drawn yet */
    uint32_t word;             /* random: which tile, as a share of the batch */
    bool all_tiles;            /* or each of them */
    uint64_t found;            /* operations that differed before this step */
    op_args args;              /* of the operation that is checked now, as its reference gets them; */
    bool checks;               /* there is one */
    void *values[OP_OPERANDS]; /* its operands, in canonical layout, */
    int same[OP_OPERANDS];     /* and the first that lies in the same place */
    host_mem copy;             /* what the last audited step has left that was right, as a snapshot has it; */
    uint64_t step;             /* that step */
} audit;

/* Whether the options ask for an audit. */
bool audit_is_asked(const tas_train_options *options);

/* Fails if the device cannot be audited. Allocates the copy, if the run is audited. */
tas_status audit_open(tas_run *run);
void audit_close(tas_run *run);

/* The run is at `step`, with what a snapshot has: from now on that is what a failed audit goes back to. */
void audit_keep(tas_run *run, const char *snapshot, uint64_t step);

/* Steps before the next one that is audited; 0: the next step is; UINT64_MAX: none is. */
uint64_t audit_left(tas_run *run);

/* Around the next step: from begin to end its operations are checked, and the first that differs ends it with
 * TAS_MISMATCH, unless the run only counts. audit_pass() comes once the step is done, takes a snapshot, and counts
 * `start` to now as the time of the audit, but for what a step takes. */
void audit_begin(tas_run *run);
void audit_end(tas_run *run);
tas_status audit_pass(tas_run *run, double start);

#endif
