/* The map of memory for one tile after another: what plan.c chooses from. */
#ifndef PLANNER_H
#define PLANNER_H

#include "plan/arena.h"
#include "plan/plan.h"

/* A call whose scratch is asked for; equal ones once. */
typedef struct planner_call {
    op_args args;
    bool batch_panels;
} planner_call;

typedef struct planner {
    const tas_network *network;
    const plan_device *device;
    plan_request request;
    plan *plan;      /* the map that was made last */
    arena values;    /* the values that the request needs: one block each */
    int *tensor;     /* of each of them */
    uint32_t packed; /* the tile for which the values' regions are those of the plan; 0: none yet */
    uint64_t packed_bytes;
    uint64_t value_bytes; /* of one example, at the time that needs most */
    planner_call *call;
    int call_count;
} planner;

/* Everything that does not depend on the tile. Closed with planner_close(), if it fails, too. */
tas_status planner_open(planner *pl, const tas_network *network, const plan_device *device, const plan_request *request,
                        plan *p);
void planner_close(planner *pl);

/* From now on for another batch, which is not tiled and has no probe. */
void planner_set_batch(planner *pl, uint32_t batch);

/* Examples of a batch: of a step's or of a probe. */
uint32_t planner_examples(const planner *pl);

/* The map for a tile, but for the places of the values: the bytes of that part, and with them the total, are a lower
 * bound. planner_pack() makes both exact. */
void planner_outline(planner *pl, uint32_t tile, bool resident);
void planner_pack(planner *pl);

/* A lower bound of the total for each tile: base + tile * slope. */
typedef struct planner_bound {
    uint64_t base, slope;
} planner_bound;
planner_bound planner_bounds(planner *pl, bool resident);

#endif
