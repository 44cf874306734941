/* The choice of a plan: the largest tile within a budget, and the smallest budget. The map itself is planner.c's. */
#include "plan/planner.h"

#include <stdlib.h>

const char *const plan_part_names[PART_COUNT] = {"parameters",   "gradient",    "optimizer state", "second state",
                                                 "partial sums", "node sums",   "activations",     "kept values",
                                                 "batch",        "noise scale", "staging",         "data set"};

/* The most that a part may have: one allocation, and what kernels can count, which is elements in 32 bits. Of the data
 * set they count examples, and of what is kept they see one tile. */
static uint64_t part_limit(const plan_device *device, int part)
{
    const uint64_t counted = sizeof(float) * ((uint64_t)UINT32_MAX - 4096); /* and the end of its last run */
    const bool data = part == PART_DATA || part == PART_STAGING || part == PART_KEPT;
    return data || device->max_alloc < counted ? device->max_alloc : counted;
}

/* The part that is too large, or -1. */
static int oversized(const planner *pl)
{
    for (int part = 0; part < PART_COUNT; part++)
        if (part != PART_NODES && pl->plan->bytes[part] > part_limit(pl->device, part)) return part;
    return -1;
}

static bool within(const planner *pl, uint64_t bytes) { return pl->plan->total <= bytes && oversized(pl) < 0; }

/* A tile in one of the ways in which a batch can pass; tile 0: none. */
typedef struct choice {
    planner_mode mode;
    bool resident;
    uint32_t tile;
} choice;

/* Whether the lower bound of the plan takes no more than so many bytes. */
static bool may_fit(planner *pl, choice c, uint64_t bytes)
{
    if ((c.resident && !pl->request.resident) || !planner_allows(pl, c.mode, c.tile)) return false;
    planner_outline(pl, c.mode, c.tile, c.resident);
    return within(pl, bytes);
}

static bool fits(planner *pl, choice c, uint64_t bytes)
{
    if (!may_fit(pl, c, bytes)) return false;
    planner_pack(pl);
    return within(pl, bytes);
}

/* The largest tile that is wanted; a tile has at least one group of examples. */
static uint32_t tile_limit(const planner *pl)
{
    const uint32_t leaf = planner_leaf(pl), group = pl->request.training ? pl->network->group : 1;
    const uint32_t wanted = pl->request.max_tile > group ? pl->request.max_tile : group;
    const uint32_t limit = wanted < leaf ? wanted : leaf;
    return limit < MAX_TILE ? limit : MAX_TILE;
}

/* The largest tile that fits. Pads make bytes jump, so that each is tried, but for those that the bound rules out. */
static choice largest_tile(planner *pl, planner_mode mode, bool resident)
{
    choice c = {.mode = mode, .resident = resident};
    const uint32_t limit = tile_limit(pl);
    if (!planner_has(pl, mode)) return c;
    const planner_bound bound = planner_bounds(pl, mode, resident);
    const uint64_t budget = pl->device->budget;
    const uint64_t values = part_limit(pl->device, PART_VALUES) / pl->maps[mode].example_bytes;
    if (bound.base > budget) return c;
    const uint64_t room = (budget - bound.base) / bound.slope, most = room < values ? room : values;
    for (c.tile = most < limit ? (uint32_t)most : limit; c.tile && !fits(pl, c, budget);) c.tile--;
    return c;
}

/* With the data set on the device if a useful tile still fits beside it. */
static choice best_in_mode(planner *pl, planner_mode mode)
{
    const choice streamed = largest_tile(pl, mode, false);
    if (!pl->request.resident) return streamed;
    const uint32_t limit = tile_limit(pl), enough = limit < USEFUL_TILE ? limit : USEFUL_TILE;
    const choice beside = largest_tile(pl, mode, true); /* a set of few examples takes less than two stages */
    return beside.tile && (beside.tile >= enough || beside.tile >= streamed.tile) ? beside : streamed;
}

/* One pass is better than several, and what is kept is better on the device, unless tiles are then very small. */
static choice best(planner *pl)
{
    choice found = best_in_mode(pl, MODE_WHOLE);
    if (found.tile) return found;
    found = best_in_mode(pl, MODE_TILES);
    if (!pl->several || found.tile >= USEFUL_TILE) return found;
    const choice spilled = best_in_mode(pl, MODE_SPILLED);
    return spilled.tile > found.tile ? spilled : found;
}

static bool try_tile(planner *pl, choice *c, uint32_t tile)
{
    const choice other = {c->mode, c->resident, tile};
    if (!fits(pl, other, pl->device->budget)) return false;
    *c = other;
    return true;
}

/* Whole panels of examples, as lanes that are not filled cost as much as those that are; then as many tiles, but of
 * one size if that can be: 256 + 256 examples rather than 300 + 212. A step passes over its batch leaf by leaf, and an
 * evaluation over its set chunk by chunk. */
static void even_out(planner *pl, choice *c)
{
    const uint32_t most = c->tile;
    planner_outline(pl, c->mode, most, c->resident);
    const uint32_t panel_width = pl->plan->panel_width, panels = most > panel_width ? most - most % panel_width : most;
    const uint32_t count = pl->request.training ? planner_leaf(pl) : pl->plan->chunk;
    if (most < count) try_tile(pl, c, panels);
    const uint32_t tiles = (count - 1) / c->tile + 1, even = (count - 1) / tiles + 1;
    const uint32_t whole = (even + panel_width - 1) / panel_width * panel_width;
    if (whole > c->tile || !try_tile(pl, c, whole)) try_tile(pl, c, even);
}

/* The minimum over every tile and mode: up to the tile whose bound is no smaller than the minimum so far. 0: in each a
 * part is too large. */
static uint64_t smallest_total(planner *pl)
{
    uint64_t smallest = UINT64_MAX;
    const uint32_t limit = tile_limit(pl);
    for (int k = 0; k < 2 * MODE_COUNT; k++) {
        choice c = {.mode = (planner_mode)(k / 2), .resident = k % 2};
        if ((c.resident && !pl->request.resident) || !planner_has(pl, c.mode)) continue;
        const planner_bound bound = planner_bounds(pl, c.mode, c.resident);
        for (c.tile = 1; c.tile <= limit && bound.base + c.tile * bound.slope < smallest; c.tile++)
            if (fits(pl, c, smallest - 1)) smallest = pl->plan->total;
    }
    return smallest == UINT64_MAX ? 0 : smallest;
}

static void make_map(planner *pl, choice c)
{
    planner_outline(pl, c.mode, c.tile, c.resident);
    planner_pack(pl);
}

/* The way of a given tile. */
static choice with_tile(const planner *pl, uint32_t tile, bool resident)
{
    const planner_mode tiles = pl->several && pl->request.spills ? MODE_SPILLED : MODE_TILES;
    return (choice){planner_allows(pl, MODE_WHOLE, tile) ? MODE_WHOLE : tiles, resident, tile};
}

static tas_status too_large(const planner *pl, int part)
{
    return fail(pl->network->context, TAS_NO_MEMORY,
                "%s: %s: %llu bytes are needed in one piece, at most %llu are available", pl->device->id,
                plan_part_names[part], (unsigned long long)pl->plan->bytes[part],
                (unsigned long long)part_limit(pl->device, part));
}

static tas_status too_small(planner *pl)
{
    const uint64_t smallest = smallest_total(pl);
    if (smallest) return plan_too_small(pl->network->context, pl->device, smallest);
    make_map(pl, with_tile(pl, tile_limit(pl) < pl->network->group ? tile_limit(pl) : pl->network->group, false));
    return too_large(pl, oversized(pl));
}

tas_status plan_too_small(tas_context *context, const plan_device *device, uint64_t smallest)
{
    return fail(context, TAS_NO_MEMORY,
                "%s: a budget of %llu bytes is too small; the smallest sufficient budget is %llu bytes", device->id,
                (unsigned long long)device->budget, (unsigned long long)smallest);
}

static tas_status finish(planner *pl, tas_status status, plan *out)
{
    if (!status && !planner_finish(pl)) status = fail(pl->network->context, TAS_NO_MEMORY, "no memory for a plan");
    planner_close(pl);
    if (status) plan_free(out);
    return status;
}

tas_status plan_make(const tas_network *network, const plan_device *device, const plan_request *request, plan *out)
{
    planner pl;
    choice c = {0};
    tas_status status = planner_open(&pl, network, device, request, out);
    if (!status) c = best(&pl);
    if (!status && !c.tile) status = too_small(&pl);
    if (!status) {
        even_out(&pl, &c);
        make_map(&pl, c);
    }
    return finish(&pl, status, out);
}

tas_status plan_with(const tas_network *network, const plan_device *device, const plan_request *request, uint32_t tile,
                     bool resident, plan *out)
{
    planner pl;
    tas_status status = planner_open(&pl, network, device, request, out);
    if (!status) make_map(&pl, with_tile(&pl, tile, resident));
    const int part = status ? -1 : oversized(&pl);
    if (part >= 0) status = too_large(&pl, part);
    return finish(&pl, status, out);
}

tas_status plan_smallest_budget(const tas_network *network, const plan_device *device, const plan_request *request,
                                uint64_t *bytes)
{
    planner pl;
    plan p;
    tas_status status = planner_open(&pl, network, device, request, &p);
    *bytes = status ? 0 : smallest_total(&pl);
    planner_close(&pl);
    plan_free(&p);
    return status;
}

/* The largest batch up to the limit each of whose shards fits in one tile, as `test` says; what it needs does not fall
 * with the batch. */
static bool test_batch(planner *pl, bool (*test)(planner *, choice, uint64_t))
{
    const uint32_t tile = planner_leaf(pl);
    const choice streamed = with_tile(pl, tile, false), resident = with_tile(pl, tile, true);
    return test(pl, streamed, pl->device->budget) || test(pl, resident, pl->device->budget);
}

static uint32_t largest_untiled(planner *pl, uint32_t limit, bool (*test)(planner *, choice, uint64_t))
{
    uint32_t batch = 0;
    for (uint32_t step = 1u << 31; step; step /= 2) {
        if (step > limit - batch) continue;
        planner_set_batch(pl, batch + step);
        if (test_batch(pl, test)) batch += step;
    }
    return batch;
}

tas_status plan_largest_untiled(const tas_network *network, const plan_device *device, const plan_request *request,
                                uint32_t *batch)
{
    planner pl;
    plan p;
    plan_request any = *request;
    any.fuses = false;
    any.max_tile = MAX_TILE; /* maps for any batch */
    tas_status status = planner_open(&pl, network, device, &any, &p);
    uint32_t limit = LEAF_EXAMPLES * (request->shards ? request->shards : 1);
    if (request->resident && request->resident < limit) limit = (uint32_t)request->resident;
    *batch = status ? 0 : largest_untiled(&pl, limit, may_fit);
    if (*batch) {
        planner_set_batch(&pl, *batch);
        if (!test_batch(&pl, fits)) *batch = largest_untiled(&pl, *batch - 1, fits);
    }
    planner_close(&pl);
    plan_free(&p);
    return status;
}

uint32_t plan_step_tile(const plan *p, const tas_network *network, uint32_t batch)
{
    const shard_cut cut = shards_cut(batch, p->shards, network->group);
    const uint32_t leaf = shards_leaf(&cut, 0).count;
    return p->tile < leaf ? p->tile : leaf;
}

uint64_t plan_step_tiles(const plan *p, const tas_network *network, uint32_t batch)
{
    const shard_cut cut = shards_cut(batch, p->shards, network->group);
    return shards_tiles(&cut, p->tile);
}

void plan_free(plan *p)
{
    passes_close(&p->passes);
    free(p->tensor);
    free(p->values);
    free(p->scratch);
    free(p->replaces);
    free(p->kept.region);
    free(p->kept.bytes);
    free(p->group_gradients);
    *p = (plan){0};
}
