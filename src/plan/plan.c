/* The choice of a plan: the largest tile within a budget, and the smallest budget. The map itself is planner.c's. */
#include "plan/planner.h"

#include <stdlib.h>

const char *const plan_part_names[PART_COUNT] = {"parameters",   "gradient",    "optimizer state", "second state",
                                                 "partial sums", "activations", "batch",           "noise scale",
                                                 "scratch",      "staging",     "data set"};

/* The most that a part may have: one allocation, and what kernels can count, which is elements in 32 bits (of the data
 * set they count examples). */
static uint64_t part_limit(const plan_device *device, int part)
{
    const uint64_t counted = sizeof(float) * ((uint64_t)UINT32_MAX - 4096); /* and the end of its last run */
    const bool data = part == PART_DATA || part == PART_STAGING;
    return data || device->max_alloc < counted ? device->max_alloc : counted;
}

/* The part that is too large, or -1. */
static int oversized(const planner *pl)
{
    for (int part = 0; part < PART_COUNT; part++)
        if (pl->plan->bytes[part] > part_limit(pl->device, part)) return part;
    return -1;
}

static bool within(const planner *pl, uint64_t bytes) { return pl->plan->total <= bytes && oversized(pl) < 0; }

/* Whether the lower bound of the plan with that tile takes no more than so many bytes. */
static bool may_fit(planner *pl, uint32_t tile, bool resident, uint64_t bytes)
{
    if (resident && !pl->request.resident) return false;
    planner_outline(pl, tile, resident);
    return within(pl, bytes);
}

static bool fits(planner *pl, uint32_t tile, bool resident, uint64_t bytes)
{
    if (!may_fit(pl, tile, resident, bytes)) return false;
    planner_pack(pl);
    return within(pl, bytes);
}

static uint32_t tile_limit(const planner *pl)
{
    const uint32_t examples = planner_examples(pl);
    const uint32_t limit = pl->request.max_tile < examples ? pl->request.max_tile : examples;
    return limit < MAX_TILE ? limit : MAX_TILE;
}

/* The largest tile that fits, 0 if there is none. Pads make bytes jump, so that each is tried, but for those that the
 * bound rules out. */
static uint32_t largest_tile(planner *pl, bool resident)
{
    const planner_bound bound = planner_bounds(pl, resident);
    const uint64_t budget = pl->device->budget, values = part_limit(pl->device, PART_VALUES) / pl->value_bytes;
    if (bound.base > budget) return 0;
    const uint64_t room = (budget - bound.base) / bound.slope, most = room < values ? room : values;
    const uint32_t limit = tile_limit(pl);
    for (uint32_t tile = most < limit ? (uint32_t)most : limit; tile; tile--)
        if (fits(pl, tile, resident, budget)) return tile;
    return 0;
}

/* Whole panels of examples, as lanes that are not filled cost as much as those that are; then as many tiles, but of
 * one size if that can be: 256 + 256 examples rather than 300 + 212. An evaluation passes over its set chunk by chunk.
 */
static uint32_t even_out(planner *pl, uint32_t most, bool resident)
{
    const uint64_t budget = pl->device->budget;
    planner_outline(pl, most, resident);
    const uint32_t panel_width = pl->plan->panel_width, panels = most > panel_width ? most - most % panel_width : most;
    const uint32_t count = pl->plan->chunk, tile = most < count && fits(pl, panels, resident, budget) ? panels : most;
    const uint32_t tiles = (count - 1) / tile + 1, even = (count - 1) / tiles + 1;
    const uint32_t whole = (even + panel_width - 1) / panel_width * panel_width;
    if (whole <= tile && fits(pl, whole, resident, budget)) return whole;
    return fits(pl, even, resident, budget) ? even : tile;
}

/* The minimum over every tile and mode: up to the tile whose bound is no smaller than the minimum so far. 0: in each a
 * part is too large. */
static uint64_t smallest_total(planner *pl)
{
    uint64_t smallest = UINT64_MAX;
    for (int resident = 0; resident <= (pl->request.resident != 0); resident++) {
        const planner_bound bound = planner_bounds(pl, resident);
        const uint32_t limit = tile_limit(pl);
        for (uint32_t tile = 1; tile <= limit && bound.base + tile * bound.slope < smallest; tile++)
            if (fits(pl, tile, resident, smallest - 1)) smallest = pl->plan->total;
    }
    return smallest == UINT64_MAX ? 0 : smallest;
}

static void make_map(planner *pl, uint32_t tile, bool resident)
{
    planner_outline(pl, tile, resident);
    planner_pack(pl);
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
    make_map(pl, 1, false);
    return too_large(pl, oversized(pl));
}

tas_status plan_too_small(tas_context *context, const plan_device *device, uint64_t smallest)
{
    return fail(context, TAS_NO_MEMORY,
                "%s: a budget of %llu bytes is too small; the smallest sufficient budget is %llu bytes", device->id,
                (unsigned long long)device->budget, (unsigned long long)smallest);
}

tas_status plan_make(const tas_network *network, const plan_device *device, const plan_request *request, plan *out)
{
    planner pl;
    tas_status status = planner_open(&pl, network, device, request, out);
    uint32_t tile = 0;
    bool resident = false;
    if (!status) tile = largest_tile(&pl, false);
    if (!status && request->resident) {
        const uint32_t limit = tile_limit(&pl), enough = limit < USEFUL_TILE ? limit : USEFUL_TILE;
        const uint32_t beside = largest_tile(&pl, true); /* a set of few examples takes less than two stages */
        resident = beside && (beside >= enough || beside >= tile);
        if (resident) tile = beside;
    }
    if (!status && !tile) status = too_small(&pl);
    if (!status) make_map(&pl, even_out(&pl, tile, resident), resident);
    planner_close(&pl);
    if (status) plan_free(out);
    return status;
}

tas_status plan_with(const tas_network *network, const plan_device *device, const plan_request *request, uint32_t tile,
                     bool resident, plan *out)
{
    planner pl;
    tas_status status = planner_open(&pl, network, device, request, out);
    if (!status) make_map(&pl, tile, resident);
    const int part = status ? -1 : oversized(&pl);
    if (part >= 0) status = too_large(&pl, part);
    planner_close(&pl);
    if (status) plan_free(out);
    return status;
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

/* The largest batch up to the limit that fits in one tile, as `test` says; what it needs does not fall with the batch.
 */
static uint32_t largest_untiled(planner *pl, uint32_t limit, bool (*test)(planner *, uint32_t, bool, uint64_t))
{
    uint32_t batch = 0;
    for (uint32_t step = 1u << 31; step; step /= 2) {
        if (step > limit - batch) continue;
        const uint32_t wanted = batch + step;
        planner_set_batch(pl, wanted);
        if (test(pl, wanted, false, pl->device->budget) || test(pl, wanted, true, pl->device->budget)) batch = wanted;
    }
    return batch;
}

tas_status plan_largest_untiled(const tas_network *network, const plan_device *device, const plan_request *request,
                                uint32_t *batch)
{
    planner pl;
    plan p;
    tas_status status = planner_open(&pl, network, device, request, &p);
    uint32_t limit = MAX_TILE;
    if (request->resident && request->resident < limit) limit = (uint32_t)request->resident;
    *batch = status ? 0 : largest_untiled(&pl, limit, may_fit);
    if (*batch) {
        planner_set_batch(&pl, *batch);
        const bool resident = fits(&pl, *batch, true, device->budget);
        if (!resident && !fits(&pl, *batch, false, device->budget)) *batch = largest_untiled(&pl, *batch - 1, fits);
    }
    planner_close(&pl);
    plan_free(&p);
    return status;
}

void plan_free(plan *p)
{
    free(p->tensor);
    free(p->group_gradients);
    *p = (plan){0};
}
