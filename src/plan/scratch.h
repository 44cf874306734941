/* The scratch memory of calls: what each needs while it runs. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "plan/values.h"

/* A call whose scratch memory is asked for; of equal ones the first. */
typedef struct scratch_call {
    op_args args;
    bool batch_panels, whole_batch;
    int number; /* op_call.number */
    uint64_t bytes;
} scratch_call;

typedef struct scratch {
    const tas_network *network;
    scratch_call *call;
    int count;
    int *place;      /* one per call of the network: its place in that list; -1: the run has no such call */
    uint64_t *bytes; /* likewise: of the sizes that were asked for last */
} scratch;

/* False if there is no memory. Closed with scratch_close(), if it fails, too. */
bool scratch_open(scratch *s, const tas_network *network, bool training);
void scratch_close(scratch *s);

/* Asks the device; sizes->scratch is not used. shards: those that have examples, at most; 0: the batch is one. */
void scratch_ask(scratch *s, const plan_device *device, const value_sizes *sizes, uint32_t shards);

#endif
