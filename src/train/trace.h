/* A trace of a run: a digest of what each operation of a step has made, so that two runs can be compared and the first
 * operation that differs be found. A digest is of the values in canonical layout, the examples in the order of the
 * batch, and does not depend on the device, on tiles or on the budget:
 *
 *     inputs, labels, targets    as they were gathered
 *     forward, backward          what each call writes: values and their gradients example by example, tile after tile;
 *                                sums over the batch and gradients of parameters once the last tile was added
 *     watch                      the mean loss of the batch; what the update divides by, with the factor of clipping
 *     the update                 parameters and running statistics, then the optimizer's slots, after it
 *
 * Sums over an unfinished granule are not in it: they are part of a gradient. NaN is one value. */
#ifndef TRACE_H
#define TRACE_H

#include "train/step.h"

typedef struct trace_item trace_item;

typedef struct trace {
    trace_item *items;
    tas_trace_entry *entries; /* of the items */
    int count;
    int *first[2]; /* per call of forward and backward: its first item; one more at the end */
    step_observer observer;
    uint64_t last;  /* the last step that was reported */
    bool on;        /* this step is traced, */
    uint32_t batch; /* of so many examples */
    char *values;   /* of the item that the options ask for, in this step: so many bytes */
    size_t bytes;
    int update; /* the first item that is read after the update */
} trace;

/* Lists the items, if the run is traced. */
tas_status trace_open(tas_run *run);
void trace_close(tas_run *run);

/* Before the gradient of a step is computed, or computed again: who looks on; NULL if it is not traced. */
const step_observer *trace_begin(tas_run *run, uint64_t step);

/* After its update: reads the rest and calls on_trace. */
tas_status trace_end(tas_run *run, uint64_t step);

#endif
