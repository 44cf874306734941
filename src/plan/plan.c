/* The plan: see plan.h for the map. */
#include "plan/plan.h"

#include "ops/layout.h"

#include <stdlib.h>
#include <string.h>

const char *const plan_part_names[PART_COUNT] = {"parameters",    "gradient",    "optimiser state", "second state",
                                                 "open granules", "activations", "batch",           "noise scale",
                                                 "scratch",       "staging",     "data set"};

/* When a tensor is needed: from the call that writes it first to the last one that mentions it. Calls count from 1,
 * forward and then backward; 0 is the feed. */
typedef struct lifetime {
    int first, last; /* last < first: never */
} lifetime;

/* A plan that is being made, for one tile after another. */
typedef struct planner {
    const tas_network *network;
    const plan_device *device;
    const plan_work *work;
    lifetime *lives;
    int *order; /* tensors with a place among the values */
    int order_count;
    bool *valued;
    uint64_t widest; /* bytes that an example has in the largest of them */
    plan *p;
} planner;

/* Lifetimes ----------------------------------------------------------------------------------------------------------
 */

static void live(planner *of, const op_call *calls, int count, int from)
{
    for (int c = 0; c < count; c++)
        for (int o = 0; op_get(calls[c].args.op)->operand[o].name; o++) {
            lifetime *l = &of->lives[calls[c].operand[o]];
            if (l->last < l->first) l->first = from + c;
            l->last = from + c;
        }
}

static void find_lifetimes(planner *of)
{
    const tas_network *network = of->network;
    for (int t = 0; t < network->tensor_count; t++) of->lives[t] = (lifetime){0, -1};
    live(of, network->forward, network->forward_count, 1);
    if (of->work->training) live(of, network->backward, network->backward_count, 1 + network->forward_count);
    for (int t = 0; t < network->tensor_count; t++) {
        const tensor_role role = network->tensors[t].role;
        const bool fed = role == ROLE_INPUT || role == ROLE_LABEL || role == ROLE_TARGET;
        if (fed) of->lives[t].first = 0;
        if (fed && of->lives[t].last < 0) of->lives[t].last = 0; /* labels, where targets are made of them */
        if (!of->work->training && t == network->output) of->lives[t].last = network->forward_count + 1;
        of->valued[t] = (fed || role == ROLE_VALUE) && of->lives[t].last >= of->lives[t].first;
        const uint64_t bytes = of->valued[t] ? network->tensors[t].elements * sizeof(float) : 0;
        if (bytes > of->widest) of->widest = bytes;
    }
}

/* Places -------------------------------------------------------------------------------------------------------------
 */

static uint64_t aligned(const planner *of, uint64_t bytes)
{
    const uint64_t align = of->device->align;
    return (bytes + align - 1) / align * align;
}

/* Takes the next slice of a part. Slices start aligned, so that a device can make sub-buffers of them. */
static void take(planner *of, int part, uint64_t bytes, place *out)
{
    *out = (place){.part = part, .offset = of->p->bytes[part], .bytes = bytes};
    of->p->bytes[part] += aligned(of, bytes);
}

uint64_t plan_parameter_bytes(const plan_device *device, const tensor *t)
{
    if (!t->panels) return t->elements * sizeof(float);
    const layout l = {t->dims[0], t->dims[1], device->panel(device->self, t->dims[0], t->dims[1])};
    return layout_elements(l) * sizeof(float);
}

/* Parameters, gradients and state have the same offsets in their parts: an update is one launch over all. */
static void place_parameters(planner *of)
{
    const tas_network *network = of->network;
    plan *p = of->p;
    for (int i = 0; i < network->parameter_count; i++) {
        const int index = network->parameters[i];
        const tensor *t = &network->tensors[index];
        const uint64_t bytes = plan_parameter_bytes(of->device, t);
        take(of, PART_PARAMETERS, bytes, &p->tensor[index]);
        if (!of->work->training) continue;
        p->tensor[t->gradient] = p->tensor[index];
        p->tensor[t->gradient].part = PART_GRADIENT;
        if (t->open != NO_TENSOR) take(of, PART_OPEN, bytes, &p->tensor[t->open]);
    }
    if (!of->work->training) return;
    p->bytes[PART_GRADIENT] = p->bytes[PART_STATE] = p->bytes[PART_PARAMETERS];
    if (of->work->second) p->bytes[PART_SECOND] = p->bytes[PART_PARAMETERS];
}

/* Examples of a batch: of a step's or of a probe. */
static uint32_t examples_of(const plan_work *work)
{
    return work->batch > work->noise.probe ? work->batch : work->noise.probe;
}

/* Examples of a tile in a step. */
static uint32_t step_tile(const planner *of) { return of->p->tile < of->work->batch ? of->p->tile : of->work->batch; }

static uint64_t padded(uint64_t examples, uint64_t lanes) { return (examples + lanes - 1) / lanes * lanes; }

static uint64_t value_bytes(const planner *of, const tensor *t)
{
    const uint64_t rows = padded(of->p->tile, t->held ? of->p->lanes : 1);
    const uint64_t step = padded(step_tile(of), t->held ? of->p->step_lanes : 1);
    return (rows > step ? rows : step) * t->elements * sizeof(float); /* labels are 4 bytes, too */
}

/* Two that live at the same time. */
static bool clash(const planner *of, int a, int b)
{
    return of->lives[a].first <= of->lives[b].last && of->lives[b].first <= of->lives[a].last;
}

/* The lowest offset where a tensor's bytes clash with none that has its place. */
static uint64_t lowest_offset(const planner *of, int at, uint64_t bytes)
{
    const int t = of->order[at];
    uint64_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < at; i++) {
            const place *other = &of->p->tensor[of->order[i]];
            const uint64_t end = other->offset + aligned(of, other->bytes);
            if (!clash(of, t, of->order[i]) || offset >= end || offset + bytes <= other->offset) continue;
            offset = end;
            moved = true;
        }
    }
    return offset;
}

/* The largest first, each as low as it goes (Pisarchyk and Lee 2020, "greedy by size"). */
static void place_values(planner *of)
{
    const tensor *tensors = of->network->tensors;
    plan *p = of->p;
    of->order_count = 0;
    for (int t = 0; t < of->network->tensor_count; t++) { /* by bytes, then by number: a function of the tile alone */
        int k = of->order_count;
        if (!of->valued[t]) continue;
        for (; k > 0 && value_bytes(of, &tensors[of->order[k - 1]]) < value_bytes(of, &tensors[t]); k--)
            of->order[k] = of->order[k - 1];
        of->order[k] = t;
        of->order_count++;
    }
    for (int i = 0; i < of->order_count; i++) {
        const uint64_t bytes = value_bytes(of, &tensors[of->order[i]]), offset = lowest_offset(of, i, bytes);
        p->tensor[of->order[i]] = (place){.part = PART_VALUES, .offset = offset, .bytes = bytes};
        if (offset + aligned(of, bytes) > p->bytes[PART_VALUES]) p->bytes[PART_VALUES] = offset + aligned(of, bytes);
    }
}

static void measure_scratch(planner *of, uint32_t tile, uint32_t lanes, const op_call *calls, int count)
{
    for (int c = 0; c < count; c++) {
        op_args args = calls[c].args;
        args.n = tile;
        args.batch = examples_of(of->work);
        args.lanes = call_is_held(of->network, &calls[c]) ? lanes : 1;
        const uint64_t scratch = of->device->scratch(of->device->self, &args);
        if (scratch > of->p->bytes[PART_SCRATCH]) of->p->bytes[PART_SCRATCH] = scratch;
    }
}

static void measure_lists(planner *of, uint32_t tile, uint32_t lanes)
{
    const tas_network *network = of->network;
    measure_scratch(of, tile, lanes, network->forward, network->forward_count);
    if (of->work->training) measure_scratch(of, tile, lanes, network->backward, network->backward_count);
}

/* In evaluation losses are summed chunk by chunk, so that a large set needs no more than a small one. */
static void place_batch(planner *of)
{
    const tas_network *network = of->network;
    plan *p = of->p;
    uint64_t count = examples_of(of->work);
    const uint64_t blocks = ((uint64_t)p->tile + SUM_LANES - 1) / SUM_LANES;
    p->chunk = of->work->training || blocks * SUM_LANES > count ? (uint32_t)count : (uint32_t)(blocks * SUM_LANES);
    take(of, PART_BATCH, (uint64_t)p->chunk * sizeof(float), &p->tensor[network->losses]);
    if (network->hits != NO_TENSOR) take(of, PART_BATCH, (uint64_t)p->chunk * sizeof(float), &p->tensor[network->hits]);
    for (int level = 0; level < SUM_LEVELS; level++) {
        count = (count + SUM_LANES - 1) / SUM_LANES;
        take(of, PART_BATCH, count * sizeof(float), &p->sum[level]);
        take(of, PART_BATCH, count * sizeof(float), &p->hit_sum[level]);
    }
    take(of, PART_BATCH, RING * sizeof(float), &p->ring);
    take(of, PART_BATCH, 2 * sizeof(uint32_t), &p->record);
}

uint32_t plan_squares(const tensor *t)
{
    if (t->panels) return t->dims[0] * ((t->dims[1] - 1) / SQUARE_COLUMNS + 1);
    return (uint32_t)((t->elements - 1) / SQUARE_BLOCK) + 1;
}

/* Gradients of groups and what is open of them, for each layer that needs them: a group may come in several tiles. */
static void place_groups(planner *of)
{
    const tas_network *network = of->network;
    plan *p = of->p;
    for (int c = 0; c < network->backward_count; c++) {
        const op_call *call = &network->backward[c];
        for (int o = 0; is_grouped(network, call) && op_get(call->args.op)->operand[o].name; o++) {
            const int t = call->operand[o];
            const tensor_role role = network->tensors[t].role;
            if ((role != ROLE_GRADIENT && role != ROLE_OPEN) || p->spare[t].part >= 0) continue;
            take(of, PART_NOISE, p->tensor[t].bytes, &p->spare[t]);
            if (role == ROLE_GRADIENT) p->group_squares += plan_squares(&network->tensors[t]);
        }
    }
}

/* As much for every batch up to a probe's examples, so that what a plan needs does not fall with the batch. */
static void place_noise(planner *of)
{
    const tas_network *network = of->network;
    plan *p = of->p;
    uint64_t norms = of->work->batch > NOISE_PROBE ? of->work->batch : NOISE_PROBE, squares = 0;
    place_groups(of);
    for (int i = 0; i < network->parameter_count; i++)
        squares += plan_squares(&network->tensors[network->parameters[i]]);
    if (GROUPS_MOST * (uint64_t)p->group_squares > squares) squares = GROUPS_MOST * (uint64_t)p->group_squares;
    take(of, PART_NOISE, norms * sizeof(float), &p->norms);
    take(of, PART_NOISE, squares * sizeof(float), &p->squares);
    uint64_t count = norms > squares ? norms : squares;
    for (int level = 0; level < SUM_LEVELS; level++) {
        count = (count + SUM_LANES - 1) / SUM_LANES;
        take(of, PART_NOISE, count * sizeof(float), &p->noise_sum[level]);
    }
    take(of, PART_NOISE, RING * NOISE_SUMS * sizeof(float), &p->noise_ring);
}

static void place_source(planner *of, int part, uint64_t examples, plan_source *out)
{
    take(of, part, examples * of->work->input_bytes, &out->inputs);
    take(of, part, examples * of->work->target_bytes, &out->targets);
    take(of, part, examples * sizeof(uint32_t), &out->order);
}

uint64_t plan_upload(uint64_t example_bytes, uint64_t count)
{
    const uint64_t fit = example_bytes > UPLOAD ? 1 : UPLOAD / example_bytes;
    return fit < count ? fit : count;
}

static void plan_host(planner *of)
{
    const plan_work *work = of->work;
    plan *p = of->p;
    const uint64_t parameters = p->bytes[PART_PARAMETERS], example = work->input_bytes + work->target_bytes;
    const uint64_t order = sizeof(uint32_t);
    p->snapshot = parameters + p->bytes[PART_STATE] + p->bytes[PART_SECOND];
    p->snapshots = work->copy == COPY_SNAPSHOT ? of->device->snapshots : 0;
    p->host = p->snapshots * p->snapshot + (work->copy == COPY_PARAMETERS ? parameters : 0);
    p->host += order * (work->order ? work->order : p->tile);
    p->host += p->resident ? example * plan_upload(example, work->resident) : STAGES * p->tile * (example + order);
}

static void plan_tile(planner *of, uint32_t tile, bool resident)
{
    plan *p = of->p;
    memset(p->bytes, 0, sizeof p->bytes);
    memset(p->source, 0, sizeof p->source);
    p->tile = tile;
    p->lanes = of->network->held ? of->device->lanes(of->device->self, tile) : 1;
    p->step_lanes = of->network->held ? of->device->lanes(of->device->self, step_tile(of)) : 1;
    p->resident = resident;
    for (int i = 0; i < of->network->tensor_count; i++) p->tensor[i].part = p->spare[i].part = -1;
    p->norms = p->squares = p->noise_ring = (place){.part = -1};
    p->group_squares = 0;
    for (int level = 0; level < SUM_LEVELS; level++) p->noise_sum[level].part = -1;
    for (int s = 0; s < STAGES; s++)
        p->source[s].inputs.part = p->source[s].targets.part = p->source[s].order.part = -1;
    place_parameters(of);
    place_values(of);
    measure_lists(of, tile, p->lanes);
    if (p->step_lanes != p->lanes) measure_lists(of, step_tile(of), p->step_lanes);
    place_batch(of);
    if (of->work->noise.interval) place_noise(of);
    if (resident)
        place_source(of, PART_DATA, of->work->resident, &p->source[0]);
    else
        for (int s = 0; s < STAGES; s++) place_source(of, PART_STAGING, tile, &p->source[s]);
    p->tensor[of->network->order] = p->source[0].order;
    plan_host(of);
    p->total = of->device->shared ? p->host : 0;
    for (int part = 0; part < PART_COUNT; part++) p->total += p->bytes[part];
}

/* The choice ---------------------------------------------------------------------------------------------------------
 */

/* The most that a part may have: one allocation, and what kernels can count, which is elements in 32 bits (of the data
 * set they count examples). */
static uint64_t most_bytes(const plan_device *device, int part)
{
    const uint64_t counted = sizeof(float) * ((uint64_t)UINT32_MAX - 4096); /* and the end of its last run */
    const bool data = part == PART_DATA || part == PART_STAGING;
    return data || device->max_alloc < counted ? device->max_alloc : counted;
}

/* The part that is too large, or -1. */
static int oversized(const plan *p, const plan_device *device)
{
    for (int part = 0; part < PART_COUNT; part++)
        if (p->bytes[part] > most_bytes(device, part)) return part;
    return -1;
}

static bool fits(planner *of, uint32_t tile, bool resident)
{
    if (resident && !of->work->resident) return false;
    plan_tile(of, tile, resident);
    return of->p->total <= of->device->budget && oversized(of->p, of->device) < 0;
}

static uint32_t tile_limit(const plan_work *work)
{
    const uint32_t examples = examples_of(work), most = work->tile_most < examples ? work->tile_most : examples;
    return most < TILE_MOST ? most : TILE_MOST;
}

/* Of the plan that was made last: bytes that no other tile changes. */
static uint64_t fixed_bytes(const planner *of)
{
    const uint64_t *bytes = of->p->bytes;
    return bytes[PART_PARAMETERS] + bytes[PART_GRADIENT] + bytes[PART_STATE] + bytes[PART_SECOND] + bytes[PART_OPEN] +
           bytes[PART_NOISE] + bytes[PART_DATA];
}

/* The largest tile that fits, 0 for none. Pads make bytes jump, so each is tried, but for those whose widest values
 * alone are too many. */
static uint32_t largest_tile(planner *of, bool resident)
{
    plan_tile(of, 1, resident);
    const uint64_t fixed = fixed_bytes(of), budget = of->device->budget, most = most_bytes(of->device, PART_VALUES);
    if (fixed > budget) return 0;
    const uint64_t room = (budget - fixed < most ? budget - fixed : most) / of->widest;
    const uint32_t limit = tile_limit(of->work);
    for (uint32_t tile = room < limit ? (uint32_t)room : limit; tile; tile--)
        if (fits(of, tile, resident)) return tile;
    return 0;
}

/* Whole panels of examples, since lanes that are not filled cost as much as those that are; then as many tiles, but of
 * one size if that can be: 256 + 256 examples rather than 300 + 212. An evaluation passes over its set chunk by chunk.
 */
static uint32_t even_out(planner *of, uint32_t most, bool resident)
{
    const uint32_t lanes = of->network->held ? of->device->lanes(of->device->self, most) : 1;
    const uint32_t panels = most > lanes ? most - most % lanes : most;
    plan_tile(of, most, resident);
    const uint32_t count = of->p->chunk, tile = most < count && fits(of, panels, resident) ? panels : most;
    const uint32_t tiles = (count - 1) / tile + 1, even = (count - 1) / tiles + 1;
    const uint32_t whole = (even + lanes - 1) / lanes * lanes;
    if (whole <= tile && fits(of, whole, resident)) return whole;
    return fits(of, even, resident) ? even : tile;
}

static tas_status planner_open(planner *of, const tas_network *network, const plan_device *device,
                               const plan_work *work, plan *p)
{
    const size_t count = (size_t)network->tensor_count;
    *p = (plan){.tensor = calloc(count, sizeof *p->tensor), .spare = calloc(count, sizeof *p->spare)};
    *of = (planner){.network = network,
                    .device = device,
                    .work = work,
                    .lives = calloc(count, sizeof *of->lives),
                    .order = calloc(count, sizeof *of->order),
                    .valued = calloc(count, sizeof *of->valued),
                    .p = p};
    if (p->tensor && p->spare && of->lives && of->order && of->valued) {
        find_lifetimes(of);
        return TAS_OK;
    }
    return fail(network->context, TAS_NO_MEMORY, "no memory for a plan");
}

static void planner_close(planner *of)
{
    free(of->lives);
    free(of->order);
    free(of->valued);
}

/* Over every tile, up to where the widest values alone are more than the least there is. */
static uint64_t least_bytes(planner *of)
{
    uint64_t least = 0;
    for (uint32_t tile = 1; tile <= tile_limit(of->work) && (!least || tile * of->widest < least); tile++)
        for (int resident = 0; resident <= (of->work->resident != 0); resident++) {
            plan_tile(of, tile, resident);
            if (oversized(of->p, of->device) < 0 && (!least || of->p->total < least)) least = of->p->total;
        }
    return least;
}

static tas_status too_large(const planner *of, int part)
{
    return fail(of->network->context, TAS_NO_MEMORY,
                "%s: its %s need %llu bytes in one piece, of which there are at most %llu", of->device->id,
                plan_part_names[part], (unsigned long long)of->p->bytes[part],
                (unsigned long long)most_bytes(of->device, part));
}

static tas_status too_small(planner *of)
{
    const plan_device *device = of->device;
    const uint64_t least = least_bytes(of);
    if (least)
        return fail(of->network->context, TAS_NO_MEMORY,
                    "%s: %llu bytes of memory may be used, at least %llu are needed; expected a larger budget",
                    device->id, (unsigned long long)device->budget, (unsigned long long)least);
    plan_tile(of, 1, false);
    return too_large(of, oversized(of->p, device));
}

tas_status plan_make(const tas_network *network, const plan_device *device, const plan_work *work, plan *out)
{
    planner of;
    tas_status status = planner_open(&of, network, device, work, out);
    const uint32_t limit = tile_limit(work), enough = limit < TILE_ENOUGH ? limit : TILE_ENOUGH;
    uint32_t tile = 0;
    bool resident = false;
    if (!status) tile = largest_tile(&of, false);
    if (!status && work->resident) {
        const uint32_t beside = largest_tile(&of, true); /* a set of few examples takes less than two stages */
        resident = beside && (beside >= enough || beside >= tile);
        if (resident) tile = beside;
    }
    if (!status && !tile) status = too_small(&of);
    if (!status) plan_tile(&of, even_out(&of, tile, resident), resident);
    planner_close(&of);
    if (status) plan_free(out);
    return status;
}

tas_status plan_with(const tas_network *network, const plan_device *device, const plan_work *work, uint32_t tile,
                     bool resident, plan *out)
{
    planner of;
    tas_status status = planner_open(&of, network, device, work, out);
    if (!status) plan_tile(&of, tile, resident);
    const int part = status ? -1 : oversized(out, device);
    if (part >= 0) status = too_large(&of, part);
    planner_close(&of);
    if (status) plan_free(out);
    return status;
}

tas_status plan_least(const tas_network *network, const plan_device *device, const plan_work *work, uint64_t *bytes)
{
    planner of;
    plan p;
    tas_status status = planner_open(&of, network, device, work, &p);
    *bytes = status ? 0 : least_bytes(&of);
    planner_close(&of);
    plan_free(&p);
    return status;
}

void plan_free(plan *p)
{
    free(p->tensor);
    free(p->spare);
    *p = (plan){0};
}
