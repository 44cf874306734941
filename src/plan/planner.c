/* The map for a tile. */
#include "plan/planner.h"

#include "ops/divisor.h"
#include "ops/layout.h"

#include <stdlib.h>
#include <string.h>

/* Values ---------------------------------------------------------------------------------------------------------- */

/* When a tensor is needed: from the call that writes it first to the last one that mentions it. Calls count from 1,
 * forward and then backward; 0 is the feed. */
typedef struct lifetime {
    int first, last; /* last < first: never */
} lifetime;

static void extend_lifetimes(const op_call *calls, int count, int from, lifetime *lives)
{
    for (int c = 0; c < count; c++)
        for (int o = 0; op_get(calls[c].args.op)->operand[o].name; o++) {
            lifetime *l = &lives[calls[c].operand[o]];
            if (l->last < l->first) l->first = from + c;
            l->last = from + c;
        }
}

static void find_lifetimes(const planner *pl, lifetime *lives)
{
    const tas_network *network = pl->network;
    for (int t = 0; t < network->tensor_count; t++) lives[t] = (lifetime){0, -1};
    extend_lifetimes(network->forward, network->forward_count, 1, lives);
    if (pl->request.training)
        extend_lifetimes(network->backward, network->backward_count, 1 + network->forward_count, lives);
    else
        lives[network->output].last = network->forward_count + 1;
    for (int t = 0; t < network->tensor_count; t++) {
        const tensor_role role = network->tensors[t].role;
        if (role != ROLE_INPUT && role != ROLE_LABEL && role != ROLE_TARGET) continue;
        lives[t].first = 0;
        if (lives[t].last < 0) lives[t].last = 0; /* labels, if targets are made of them */
    }
}

static bool is_value(tensor_role role)
{
    return role == ROLE_INPUT || role == ROLE_LABEL || role == ROLE_TARGET || role == ROLE_VALUE;
}

static bool open_values(planner *pl)
{
    const tas_network *network = pl->network;
    lifetime *lives = calloc((size_t)network->tensor_count, sizeof *lives);
    int count = 0;
    if (!lives) return false;
    find_lifetimes(pl, lives);
    for (int t = 0; t < network->tensor_count; t++)
        if (is_value(network->tensors[t].role) && lives[t].last >= lives[t].first) pl->tensor[count++] = t;
    const bool opened = arena_open(&pl->values, count, network->forward_count + network->backward_count + 2);
    for (int v = 0; opened && v < count; v++) {
        const int t = pl->tensor[v];
        pl->values.block[v] = (arena_block){
            .first = lives[t].first, .last = lives[t].last, .bytes = network->tensors[t].elements * sizeof(float)};
    }
    if (opened) pl->value_bytes = arena_fullest(&pl->values);
    free(lives);
    return opened;
}

uint32_t planner_examples(const planner *pl)
{
    return pl->request.batch > pl->request.noise.probe ? pl->request.batch : pl->request.noise.probe;
}

/* Examples of a tile in a step. */
static uint32_t step_tile(const planner *pl)
{
    return pl->plan->tile < pl->request.batch ? pl->plan->tile : pl->request.batch;
}

static uint64_t padded(uint64_t examples, uint64_t panel_width)
{
    return (examples + panel_width - 1) / panel_width * panel_width;
}

static uint64_t value_bytes(const planner *pl, const tensor *t)
{
    const uint64_t rows = padded(pl->plan->tile, t->batch_panels ? pl->plan->panel_width : 1);
    const uint64_t step = padded(step_tile(pl), t->batch_panels ? pl->plan->step_panel_width : 1);
    return (rows > step ? rows : step) * t->elements * sizeof(float); /* labels are 4 bytes, too */
}

static uint64_t aligned(const planner *pl, uint64_t bytes)
{
    const uint64_t align = pl->device->align;
    return (bytes + align - 1) / align * align;
}

static void outline_values(planner *pl)
{
    for (int v = 0; v < pl->values.count; v++)
        pl->values.block[v].bytes = aligned(pl, value_bytes(pl, &pl->network->tensors[pl->tensor[v]]));
    pl->plan->bytes[PART_VALUES] = pl->packed == pl->plan->tile ? pl->packed_bytes : arena_fullest(&pl->values);
}

void planner_pack(planner *pl)
{
    plan *p = pl->plan;
    if (pl->packed == p->tile) return;
    const uint64_t bytes = arena_pack(&pl->values);
    for (int v = 0; v < pl->values.count; v++)
        p->tensor[pl->tensor[v]] = (region){.part = PART_VALUES,
                                            .offset = pl->values.block[v].offset,
                                            .bytes = value_bytes(pl, &pl->network->tensors[pl->tensor[v]])};
    p->total += bytes - p->bytes[PART_VALUES];
    p->bytes[PART_VALUES] = bytes;
    pl->packed = p->tile;
    pl->packed_bytes = bytes;
}

/* What the tile does not change ----------------------------------------------------------------------------------- */

/* Adds a region to a part. Regions start aligned, so that a device can make sub-buffers of them. */
static void add_region(planner *pl, int part, uint64_t bytes, region *out)
{
    *out = (region){.part = part, .offset = pl->plan->bytes[part], .bytes = bytes};
    pl->plan->bytes[part] += aligned(pl, bytes);
}

uint64_t plan_parameter_bytes(const plan_device *device, const tensor *t)
{
    if (!t->weight_panels) return t->elements * sizeof(float);
    const layout l = {t->dims[0], t->dims[1], device->weight_panel(device->self, t->dims[0], t->dims[1])};
    return layout_elements(l) * sizeof(float);
}

/* Parameters, gradients and state have the same offsets in their parts: an update is one launch over all. */
static void add_parameters(planner *pl)
{
    const tas_network *network = pl->network;
    plan *p = pl->plan;
    for (int i = 0; i < network->parameter_count; i++) {
        const int index = network->parameters[i];
        const tensor *t = &network->tensors[index];
        const uint64_t bytes = plan_parameter_bytes(pl->device, t);
        add_region(pl, PART_PARAMETERS, bytes, &p->tensor[index]);
        if (!pl->request.training) continue;
        p->tensor[t->gradient] = p->tensor[index];
        p->tensor[t->gradient].part = PART_GRADIENT;
        if (t->partial != NO_TENSOR) add_region(pl, PART_PARTIAL, bytes, &p->tensor[t->partial]);
    }
    if (!pl->request.training) return;
    p->bytes[PART_GRADIENT] = p->bytes[PART_PARAMETERS];
    if (pl->request.slots > 0) p->bytes[PART_STATE] = p->bytes[PART_PARAMETERS];
    if (pl->request.slots > 1) p->bytes[PART_STATE_2] = p->bytes[PART_PARAMETERS];
}

uint32_t plan_squares(const tensor *t)
{
    if (t->weight_panels) return t->dims[0] * ((t->dims[1] - 1) / SQUARE_COLUMNS + 1);
    return (uint32_t)((t->elements - 1) / SQUARE_BLOCK) + 1;
}

/* Gradients of groups and their partial sums, for each layer that needs them: a group may come in several tiles. */
static void add_groups(planner *pl)
{
    const tas_network *network = pl->network;
    plan *p = pl->plan;
    for (int c = 0; c < network->backward_count; c++) {
        const op_call *call = &network->backward[c];
        if (!noise_schedule_is_grouped(network, call)) continue;
        for (int o = 0; op_get(call->args.op)->operand[o].name; o++) {
            const int t = call->operand[o];
            const tensor_role role = network->tensors[t].role;
            if ((role != ROLE_GRADIENT && role != ROLE_PARTIAL) || p->group_gradients[t].part >= 0) continue;
            add_region(pl, PART_NOISE, p->tensor[t].bytes, &p->group_gradients[t]);
            if (role == ROLE_GRADIENT) p->group_squares += plan_squares(&network->tensors[t]);
        }
    }
}

/* As much for every batch up to a probe's examples, so that what a plan needs does not fall with the batch. The norms
 * of examples can be requested alone. */
static void add_noise(planner *pl)
{
    const tas_network *network = pl->network;
    const noise_schedule *noise = &pl->request.noise;
    plan *p = pl->plan;
    uint64_t norms = pl->request.batch > NOISE_PROBE ? pl->request.batch : NOISE_PROBE, squares = 0;
    if (noise->interval || noise->dense) add_region(pl, PART_NOISE, norms * sizeof(float), &p->norms);
    if (!noise->interval) return;
    add_groups(pl);
    for (int i = 0; i < network->parameter_count; i++)
        squares += plan_squares(&network->tensors[network->parameters[i]]);
    if (GROUPS_MOST * (uint64_t)p->group_squares > squares) squares = GROUPS_MOST * (uint64_t)p->group_squares;
    add_region(pl, PART_NOISE, squares * sizeof(float), &p->squares);
    uint64_t count = norms > squares ? norms : squares;
    for (int level = 0; level < SUM_LEVELS; level++) {
        count = (count + SUM_LANES - 1) / SUM_LANES;
        add_region(pl, PART_NOISE, count * sizeof(float), &p->noise_sum[level]);
    }
    add_region(pl, PART_NOISE, RING * NOISE_SUMS * sizeof(float), &p->noise_ring);
}

static void add_fixed(planner *pl)
{
    plan *p = pl->plan;
    memset(p->bytes, 0, sizeof p->bytes);
    for (int i = 0; i < pl->network->tensor_count; i++) p->tensor[i].part = p->group_gradients[i].part = -1;
    p->norms = p->squares = p->noise_ring = (region){.part = -1};
    p->group_squares = 0;
    for (int level = 0; level < SUM_LEVELS; level++) p->noise_sum[level].part = -1;
    add_parameters(pl);
    add_noise(pl);
    pl->packed = 0;
}

/* What it changes ------------------------------------------------------------------------------------------------- */

static int compare_calls(const void *a, const void *b)
{
    const planner_call *x = a, *y = b;
    if (x->args.op != y->args.op) return x->args.op < y->args.op ? -1 : 1;
    if (x->batch_panels != y->batch_panels) return x->batch_panels ? 1 : -1;
    const int sizes = memcmp(x->args.size, y->args.size, sizeof x->args.size);
    return sizes ? sizes : memcmp(x->args.scalar, y->args.scalar, sizeof x->args.scalar);
}

/* The layers of a deep network are alike, and so are their calls. */
static bool open_calls(planner *pl)
{
    const tas_network *network = pl->network;
    const int count = network->forward_count + (pl->request.training ? network->backward_count : 0);
    int kept = 0;
    pl->call = malloc((size_t)(count + 1) * sizeof *pl->call);
    if (!pl->call) return false;
    for (int c = 0; c < count; c++) {
        const op_call *call =
            c < network->forward_count ? &network->forward[c] : &network->backward[c - network->forward_count];
        pl->call[c] = (planner_call){call->args, network_has_batch_panels(network, call)};
    }
    qsort(pl->call, (size_t)count, sizeof *pl->call, compare_calls);
    for (int c = 0; c < count; c++)
        if (!kept || compare_calls(&pl->call[kept - 1], &pl->call[c])) pl->call[kept++] = pl->call[c];
    pl->call_count = kept;
    return true;
}

static void size_scratch(planner *pl, uint32_t tile, uint32_t panel_width)
{
    uint64_t *most = &pl->plan->bytes[PART_SCRATCH];
    for (int c = 0; c < pl->call_count; c++) {
        op_args args = pl->call[c].args;
        args.n = tile;
        args.batch = planner_examples(pl);
        args.panel_width = pl->call[c].batch_panels ? panel_width : 1;
        const uint64_t bytes = pl->device->scratch(pl->device->self, &args);
        if (bytes > *most) *most = bytes;
    }
}

/* In evaluation losses are summed chunk by chunk, so that a large set needs no more than a small one. */
static void add_batch(planner *pl)
{
    const tas_network *network = pl->network;
    plan *p = pl->plan;
    uint64_t count = planner_examples(pl);
    const uint64_t blocks = ((uint64_t)p->tile + SUM_LANES - 1) / SUM_LANES;
    p->chunk = pl->request.training || blocks * SUM_LANES > count ? (uint32_t)count : (uint32_t)(blocks * SUM_LANES);
    add_region(pl, PART_BATCH, (uint64_t)p->chunk * sizeof(float), &p->tensor[network->losses]);
    if (network->correct != NO_TENSOR)
        add_region(pl, PART_BATCH, (uint64_t)p->chunk * sizeof(float), &p->tensor[network->correct]);
    for (int level = 0; level < SUM_LEVELS; level++) {
        count = (count + SUM_LANES - 1) / SUM_LANES;
        add_region(pl, PART_BATCH, count * sizeof(float), &p->sum[level]);
        add_region(pl, PART_BATCH, count * sizeof(float), &p->correct_sum[level]);
    }
    add_region(pl, PART_BATCH, RING * sizeof(float), &p->ring);
    add_region(pl, PART_BATCH, 2 * sizeof(uint32_t), &p->first_bad);
    p->divisor.part = -1;
    if (pl->request.training) add_region(pl, PART_BATCH, DIVISOR_VALUES * sizeof(float), &p->divisor);
}

static void add_source(planner *pl, int part, uint64_t examples, plan_source *out)
{
    add_region(pl, part, examples * pl->request.input_bytes, &out->inputs);
    add_region(pl, part, examples * pl->request.target_bytes, &out->targets);
    add_region(pl, part, examples * sizeof(uint32_t), &out->order);
}

static void add_sources(planner *pl)
{
    plan *p = pl->plan;
    memset(p->source, 0, sizeof p->source);
    for (int s = 0; s < STAGES; s++)
        p->source[s].inputs.part = p->source[s].targets.part = p->source[s].order.part = -1;
    if (p->resident)
        add_source(pl, PART_DATA, pl->request.resident, &p->source[0]);
    else
        for (int s = 0; s < STAGES; s++) add_source(pl, PART_STAGING, p->tile, &p->source[s]);
    p->tensor[pl->network->order] = p->source[0].order;
}

uint64_t plan_upload(uint64_t example_bytes, uint64_t count)
{
    const uint64_t fit = example_bytes > UPLOAD ? 1 : UPLOAD / example_bytes;
    return fit < count ? fit : count;
}

static void size_host(planner *pl)
{
    const plan_request *request = &pl->request;
    plan *p = pl->plan;
    const uint64_t parameters = p->bytes[PART_PARAMETERS], example = request->input_bytes + request->target_bytes;
    const uint64_t order = sizeof(uint32_t);
    p->snapshot = parameters + p->bytes[PART_STATE] + p->bytes[PART_STATE_2];
    p->snapshots = request->copy == COPY_SNAPSHOT ? pl->device->snapshots : 0;
    p->host = p->snapshots * p->snapshot + (request->copy == COPY_PARAMETERS ? parameters : 0);
    p->host += order * (request->order ? request->order : p->tile);
    p->host += p->resident ? example * plan_upload(example, request->resident) : STAGES * p->tile * (example + order);
}

void planner_outline(planner *pl, uint32_t tile, bool resident)
{
    static const plan_part sized[] = {PART_VALUES, PART_BATCH, PART_SCRATCH, PART_STAGING, PART_DATA};
    plan *p = pl->plan;
    for (size_t i = 0; i < sizeof sized / sizeof *sized; i++) p->bytes[sized[i]] = 0;
    p->tile = tile;
    p->resident = resident;
    p->panel_width = pl->network->batch_panels ? pl->device->batch_panel(pl->device->self, tile) : 1;
    p->step_panel_width = pl->network->batch_panels ? pl->device->batch_panel(pl->device->self, step_tile(pl)) : 1;
    outline_values(pl);
    size_scratch(pl, tile, p->panel_width);
    if (p->step_panel_width != p->panel_width) size_scratch(pl, step_tile(pl), p->step_panel_width);
    add_batch(pl);
    add_sources(pl);
    size_host(pl);
    p->total = pl->device->shared ? p->host : 0;
    for (int part = 0; part < PART_COUNT; part++) p->total += p->bytes[part];
}

/* Values take value_bytes for each example of the tile at least, and so do the stages take theirs, here and on the
 * host. Nothing else becomes less with the tile, but for scratch, which is left out. */
planner_bound planner_bounds(planner *pl, bool resident)
{
    const plan_request *request = &pl->request;
    const uint64_t stages = STAGES * (request->input_bytes + request->target_bytes + sizeof(uint32_t));
    plan *p = pl->plan;
    planner_bound bound = {.slope = pl->value_bytes};
    planner_outline(pl, 1, resident);
    bound.base = p->total - p->bytes[PART_VALUES] - p->bytes[PART_SCRATCH];
    if (resident) return bound;
    bound.slope += pl->device->shared ? 2 * stages : stages;
    bound.base -= p->bytes[PART_STAGING] + (pl->device->shared ? stages : 0);
    return bound;
}

/* Opening --------------------------------------------------------------------------------------------------------- */

tas_status planner_open(planner *pl, const tas_network *network, const plan_device *device, const plan_request *request,
                        plan *p)
{
    const size_t count = (size_t)network->tensor_count;
    *p = (plan){.tensor = calloc(count, sizeof *p->tensor),
                .group_gradients = calloc(count, sizeof *p->group_gradients)};
    *pl = (planner){.network = network,
                    .device = device,
                    .request = *request,
                    .plan = p,
                    .tensor = calloc(count, sizeof *pl->tensor)};
    if (!p->tensor || !p->group_gradients || !pl->tensor || !open_values(pl) || !open_calls(pl))
        return fail(network->context, TAS_NO_MEMORY, "no memory for a plan");
    add_fixed(pl);
    return TAS_OK;
}

void planner_close(planner *pl)
{
    arena_close(&pl->values);
    free(pl->tensor);
    free(pl->call);
}

void planner_set_batch(planner *pl, uint32_t batch)
{
    pl->request.batch = pl->request.max_tile = batch;
    pl->request.noise.probe = 0;
    add_fixed(pl);
}
