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
    const plan_request *request;
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
    if (of->request->training) live(of, network->backward, network->backward_count, 1 + network->forward_count);
    for (int t = 0; t < network->tensor_count; t++) {
        const tensor_role role = network->tensors[t].role;
        const bool fed = role == ROLE_INPUT || role == ROLE_LABEL || role == ROLE_TARGET;
        if (fed) of->lives[t].first = 0;
        if (fed && of->lives[t].last < 0) of->lives[t].last = 0; /* labels, where targets are made of them */
        if (!of->request->training && t == network->output) of->lives[t].last = network->forward_count + 1;
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
static void take(planner *of, int part, uint64_t bytes, region *out)
{
    *out = (region){.part = part, .offset = of->p->bytes[part], .bytes = bytes};
    of->p->bytes[part] += aligned(of, bytes);
}

uint64_t plan_parameter_bytes(const plan_device *device, const tensor *t)
{
    if (!t->weight_panels) return t->elements * sizeof(float);
    const layout l = {t->dims[0], t->dims[1], device->weight_panel(device->self, t->dims[0], t->dims[1])};
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
        if (!of->request->training) continue;
        p->tensor[t->gradient] = p->tensor[index];
        p->tensor[t->gradient].part = PART_GRADIENT;
        if (t->partial != NO_TENSOR) take(of, PART_PARTIAL, bytes, &p->tensor[t->partial]);
    }
    if (!of->request->training) return;
    p->bytes[PART_GRADIENT] = p->bytes[PART_STATE] = p->bytes[PART_PARAMETERS];
    if (of->request->second) p->bytes[PART_SECOND] = p->bytes[PART_PARAMETERS];
}

/* Examples of a batch: of a step's or of a probe. */
static uint32_t examples_of(const plan_request *request)
{
    return request->batch > request->noise.probe ? request->batch : request->noise.probe;
}

/* Examples of a tile in a step. */
static uint32_t step_tile(const planner *of)
{
    return of->p->tile < of->request->batch ? of->p->tile : of->request->batch;
}

static uint64_t padded(uint64_t examples, uint64_t panel_width)
{
    return (examples + panel_width - 1) / panel_width * panel_width;
}

static uint64_t value_bytes(const planner *of, const tensor *t)
{
    const uint64_t rows = padded(of->p->tile, t->batch_panels ? of->p->panel_width : 1);
    const uint64_t step = padded(step_tile(of), t->batch_panels ? of->p->step_panel_width : 1);
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
            const region *other = &of->p->tensor[of->order[i]];
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
        p->tensor[of->order[i]] = (region){.part = PART_VALUES, .offset = offset, .bytes = bytes};
        if (offset + aligned(of, bytes) > p->bytes[PART_VALUES]) p->bytes[PART_VALUES] = offset + aligned(of, bytes);
    }
}

static void size_scratch(planner *of, uint32_t tile, uint32_t panel_width, const op_call *calls, int count)
{
    for (int c = 0; c < count; c++) {
        op_args args = calls[c].args;
        args.n = tile;
        args.batch = examples_of(of->request);
        args.panel_width = network_has_batch_panels(of->network, &calls[c]) ? panel_width : 1;
        const uint64_t scratch = of->device->scratch(of->device->self, &args);
        if (scratch > of->p->bytes[PART_SCRATCH]) of->p->bytes[PART_SCRATCH] = scratch;
    }
}

static void size_lists(planner *of, uint32_t tile, uint32_t panel_width)
{
    const tas_network *network = of->network;
    size_scratch(of, tile, panel_width, network->forward, network->forward_count);
    if (of->request->training) size_scratch(of, tile, panel_width, network->backward, network->backward_count);
}

/* In evaluation losses are summed chunk by chunk, so that a large set needs no more than a small one. */
static void place_batch(planner *of)
{
    const tas_network *network = of->network;
    plan *p = of->p;
    uint64_t count = examples_of(of->request);
    const uint64_t blocks = ((uint64_t)p->tile + SUM_LANES - 1) / SUM_LANES;
    p->chunk = of->request->training || blocks * SUM_LANES > count ? (uint32_t)count : (uint32_t)(blocks * SUM_LANES);
    take(of, PART_BATCH, (uint64_t)p->chunk * sizeof(float), &p->tensor[network->losses]);
    if (network->correct != NO_TENSOR)
        take(of, PART_BATCH, (uint64_t)p->chunk * sizeof(float), &p->tensor[network->correct]);
    for (int level = 0; level < SUM_LEVELS; level++) {
        count = (count + SUM_LANES - 1) / SUM_LANES;
        take(of, PART_BATCH, count * sizeof(float), &p->sum[level]);
        take(of, PART_BATCH, count * sizeof(float), &p->correct_sum[level]);
    }
    take(of, PART_BATCH, RING * sizeof(float), &p->ring);
    take(of, PART_BATCH, 2 * sizeof(uint32_t), &p->first_bad);
}

uint32_t plan_squares(const tensor *t)
{
    if (t->weight_panels) return t->dims[0] * ((t->dims[1] - 1) / SQUARE_COLUMNS + 1);
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
            if ((role != ROLE_GRADIENT && role != ROLE_PARTIAL) || p->group_gradients[t].part >= 0) continue;
            take(of, PART_NOISE, p->tensor[t].bytes, &p->group_gradients[t]);
            if (role == ROLE_GRADIENT) p->group_squares += plan_squares(&network->tensors[t]);
        }
    }
}

/* As much for every batch up to a probe's examples, so that what a plan needs does not fall with the batch. */
static void place_noise(planner *of)
{
    const tas_network *network = of->network;
    plan *p = of->p;
    uint64_t norms = of->request->batch > NOISE_PROBE ? of->request->batch : NOISE_PROBE, squares = 0;
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
    take(of, part, examples * of->request->input_bytes, &out->inputs);
    take(of, part, examples * of->request->target_bytes, &out->targets);
    take(of, part, examples * sizeof(uint32_t), &out->order);
}

uint64_t plan_upload(uint64_t example_bytes, uint64_t count)
{
    const uint64_t fit = example_bytes > UPLOAD ? 1 : UPLOAD / example_bytes;
    return fit < count ? fit : count;
}

static void plan_host(planner *of)
{
    const plan_request *request = of->request;
    plan *p = of->p;
    const uint64_t parameters = p->bytes[PART_PARAMETERS], example = request->input_bytes + request->target_bytes;
    const uint64_t order = sizeof(uint32_t);
    p->snapshot = parameters + p->bytes[PART_STATE] + p->bytes[PART_SECOND];
    p->snapshots = request->copy == COPY_SNAPSHOT ? of->device->snapshots : 0;
    p->host = p->snapshots * p->snapshot + (request->copy == COPY_PARAMETERS ? parameters : 0);
    p->host += order * (request->order ? request->order : p->tile);
    p->host += p->resident ? example * plan_upload(example, request->resident) : STAGES * p->tile * (example + order);
}

static void plan_tile(planner *of, uint32_t tile, bool resident)
{
    plan *p = of->p;
    memset(p->bytes, 0, sizeof p->bytes);
    memset(p->source, 0, sizeof p->source);
    p->tile = tile;
    p->panel_width = of->network->batch_panels ? of->device->batch_panel(of->device->self, tile) : 1;
    p->step_panel_width = of->network->batch_panels ? of->device->batch_panel(of->device->self, step_tile(of)) : 1;
    p->resident = resident;
    for (int i = 0; i < of->network->tensor_count; i++) p->tensor[i].part = p->group_gradients[i].part = -1;
    p->norms = p->squares = p->noise_ring = (region){.part = -1};
    p->group_squares = 0;
    for (int level = 0; level < SUM_LEVELS; level++) p->noise_sum[level].part = -1;
    for (int s = 0; s < STAGES; s++)
        p->source[s].inputs.part = p->source[s].targets.part = p->source[s].order.part = -1;
    place_parameters(of);
    place_values(of);
    size_lists(of, tile, p->panel_width);
    if (p->step_panel_width != p->panel_width) size_lists(of, step_tile(of), p->step_panel_width);
    place_batch(of);
    if (of->request->noise.interval) place_noise(of);
    if (resident)
        place_source(of, PART_DATA, of->request->resident, &p->source[0]);
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
    if (resident && !of->request->resident) return false;
    plan_tile(of, tile, resident);
    return of->p->total <= of->device->budget && oversized(of->p, of->device) < 0;
}

static uint32_t tile_limit(const plan_request *request)
{
    const uint32_t examples = examples_of(request),
                   most = request->tile_most < examples ? request->tile_most : examples;
    return most < TILE_MOST ? most : TILE_MOST;
}

/* Of the plan that was made last: bytes that no other tile changes. */
static uint64_t fixed_bytes(const planner *of)
{
    const uint64_t *bytes = of->p->bytes;
    return bytes[PART_PARAMETERS] + bytes[PART_GRADIENT] + bytes[PART_STATE] + bytes[PART_SECOND] +
           bytes[PART_PARTIAL] + bytes[PART_NOISE] + bytes[PART_DATA];
}

/* The largest tile that fits, 0 for none. Pads make bytes jump, so each is tried, but for those whose widest values
 * alone are too many. */
static uint32_t largest_tile(planner *of, bool resident)
{
    plan_tile(of, 1, resident);
    const uint64_t fixed = fixed_bytes(of), budget = of->device->budget, most = most_bytes(of->device, PART_VALUES);
    if (fixed > budget) return 0;
    const uint64_t room = (budget - fixed < most ? budget - fixed : most) / of->widest;
    const uint32_t limit = tile_limit(of->request);
    for (uint32_t tile = room < limit ? (uint32_t)room : limit; tile; tile--)
        if (fits(of, tile, resident)) return tile;
    return 0;
}

/* Whole panels of examples, since lanes that are not filled cost as much as those that are; then as many tiles, but of
 * one size if that can be: 256 + 256 examples rather than 300 + 212. An evaluation passes over its set chunk by chunk.
 */
static uint32_t even_out(planner *of, uint32_t most, bool resident)
{
    const uint32_t panel_width = of->network->batch_panels ? of->device->batch_panel(of->device->self, most) : 1;
    const uint32_t panels = most > panel_width ? most - most % panel_width : most;
    plan_tile(of, most, resident);
    const uint32_t count = of->p->chunk, tile = most < count && fits(of, panels, resident) ? panels : most;
    const uint32_t tiles = (count - 1) / tile + 1, even = (count - 1) / tiles + 1;
    const uint32_t whole = (even + panel_width - 1) / panel_width * panel_width;
    if (whole <= tile && fits(of, whole, resident)) return whole;
    return fits(of, even, resident) ? even : tile;
}

static tas_status planner_open(planner *of, const tas_network *network, const plan_device *device,
                               const plan_request *request, plan *p)
{
    const size_t count = (size_t)network->tensor_count;
    *p = (plan){.tensor = calloc(count, sizeof *p->tensor),
                .group_gradients = calloc(count, sizeof *p->group_gradients)};
    *of = (planner){.network = network,
                    .device = device,
                    .request = request,
                    .lives = calloc(count, sizeof *of->lives),
                    .order = calloc(count, sizeof *of->order),
                    .valued = calloc(count, sizeof *of->valued),
                    .p = p};
    if (p->tensor && p->group_gradients && of->lives && of->order && of->valued) {
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
static uint64_t smallest_bytes(planner *of)
{
    uint64_t least = 0;
    for (uint32_t tile = 1; tile <= tile_limit(of->request) && (!least || tile * of->widest < least); tile++)
        for (int resident = 0; resident <= (of->request->resident != 0); resident++) {
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
    const uint64_t least = smallest_bytes(of);
    if (least)
        return fail(of->network->context, TAS_NO_MEMORY,
                    "%s: %llu bytes of memory may be used, at least %llu are needed; expected a larger budget",
                    device->id, (unsigned long long)device->budget, (unsigned long long)least);
    plan_tile(of, 1, false);
    return too_large(of, oversized(of->p, device));
}

tas_status plan_make(const tas_network *network, const plan_device *device, const plan_request *request, plan *out)
{
    planner of;
    tas_status status = planner_open(&of, network, device, request, out);
    const uint32_t limit = tile_limit(request), enough = limit < TILE_ENOUGH ? limit : TILE_ENOUGH;
    uint32_t tile = 0;
    bool resident = false;
    if (!status) tile = largest_tile(&of, false);
    if (!status && request->resident) {
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

tas_status plan_with(const tas_network *network, const plan_device *device, const plan_request *request, uint32_t tile,
                     bool resident, plan *out)
{
    planner of;
    tas_status status = planner_open(&of, network, device, request, out);
    if (!status) plan_tile(&of, tile, resident);
    const int part = status ? -1 : oversized(out, device);
    if (part >= 0) status = too_large(&of, part);
    planner_close(&of);
    if (status) plan_free(out);
    return status;
}

tas_status plan_smallest_budget(const tas_network *network, const plan_device *device, const plan_request *request,
                                uint64_t *bytes)
{
    planner of;
    plan p;
    tas_status status = planner_open(&of, network, device, request, &p);
    *bytes = status ? 0 : smallest_bytes(&of);
    planner_close(&of);
    plan_free(&p);
    return status;
}

void plan_free(plan *p)
{
    free(p->tensor);
    free(p->group_gradients);
    *p = (plan){0};
}
