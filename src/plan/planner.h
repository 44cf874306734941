/* The map of memory for one tile after another: what plan.c chooses from. */
#ifndef PLANNER_H
#define PLANNER_H

#include "plan/scratch.h"

/* How a batch passes. MODE_WHOLE is there if it can make a difference: if tiles need several passes, or the update may
 * make gradients itself. If they need one pass there is no MODE_SPILLED. */
typedef enum planner_mode {
    MODE_WHOLE,   /* in one tile, and so in one pass, at whose end the update finds what it makes gradients from */
    MODE_TILES,   /* in tiles; what passes keep lies on the device, */
    MODE_SPILLED, /* or on the host */
    MODE_COUNT
} planner_mode;

typedef struct planner {
    const tas_network *network;
    const plan_device *device;
    plan_request request;
    plan *plan;        /* the map that was made last */
    planner_mode mode; /* of it */
    value_map maps[MODE_COUNT];
    bool several;      /* a step needs several passes */
    plan_range stored; /* of the gradient, if all is left to the update that can be */
    scratch scratch;   /* of that map */
} planner;

/* Everything that does not depend on the tile. Closed with planner_close(), if it fails, too. */
tas_status planner_open(planner *pl, const tas_network *network, const plan_device *device, const plan_request *request,
                        plan *p);
void planner_close(planner *pl);

/* From now on for another batch, which is not tiled and has no probe. */
void planner_set_batch(planner *pl, uint32_t batch);

/* Examples of a batch: of a step's or of a probe. And of its largest leaf, which is the most that a tile can have; in
 * an evaluation those of the set. */
uint32_t planner_examples(const planner *pl);
uint32_t planner_leaf(const planner *pl);

/* Whether there is that mode. */
bool planner_has(const planner *pl, planner_mode mode);

/* Whether a batch may pass in tiles of so many examples in that mode, memory aside. */
bool planner_allows(const planner *pl, planner_mode mode, uint32_t tile);

/* The map for a tile, but for the places of the values: the bytes of that part, and with them the total, are a lower
 * bound. planner_pack() makes both exact. */
void planner_outline(planner *pl, planner_mode mode, uint32_t tile, bool resident);
void planner_pack(planner *pl);

/* Gives the passes of the last map to its plan. False if there is no memory. */
bool planner_finish(planner *pl);

/* A lower bound of the total for each tile: base + tile * slope. */
typedef struct planner_bound {
    uint64_t base, slope;
} planner_bound;
planner_bound planner_bounds(planner *pl, planner_mode mode, bool resident);

#endif
