/* The map for a tile. */
#include "plan/planner.h"

#include "ops/dense_update.h"
#include "ops/divisor.h"
#include "ops/layout.h"

#include <stdlib.h>
#include <string.h>

/* Values ---------------------------------------------------------------------------------------------------------- */

uint32_t planner_examples(const planner *pl)
{
    return pl->request.batch > pl->request.noise.probe ? pl->request.batch : pl->request.noise.probe;
}

static shard_cut cut_of(const planner *pl, uint32_t examples)
{
    return shards_cut(examples, pl->request.shards, pl->network->group);
}

static uint32_t largest_leaf(const planner *pl, uint32_t examples)
{
    const shard_cut cut = cut_of(pl, examples);
    return pl->request.training ? shards_leaf(&cut, 0).count : examples;
}

uint32_t planner_leaf(const planner *pl) { return largest_leaf(pl, planner_examples(pl)); }

/* Whether a whole batch can be one tile: then it has one leaf. */
static bool has_one_leaf(const planner *pl) { return pl->request.shards <= 1 && planner_leaf(pl) >= pl->request.batch; }

bool planner_has(const planner *pl, planner_mode mode)
{
    return mode == MODE_TILES || pl->several || (mode == MODE_WHOLE && pl->request.fuses);
}

bool planner_allows(const planner *pl, planner_mode mode, uint32_t tile)
{
    const uint32_t unit = pl->request.training ? pl->network->group : 1, batch = pl->request.batch;
    const bool whole = tile % unit == 0 || tile >= planner_leaf(pl);
    if (!planner_has(pl, mode)) return false;
    if (mode == MODE_WHOLE) return tile >= batch && has_one_leaf(pl);
    if (!pl->several) return whole;
    if (has_one_leaf(pl) && tile >= batch) return false;
    return whole && (mode == MODE_SPILLED || !pl->request.spills);
}

/* Examples of a tile in a step. */
static uint32_t step_tile(const planner *pl)
{
    const uint32_t leaf = largest_leaf(pl, pl->request.batch);
    return pl->plan->tile < leaf ? pl->plan->tile : leaf;
}

static uint64_t aligned(const planner *pl, uint64_t bytes)
{
    const uint64_t align = pl->device->align;
    return (bytes + align - 1) / align * align;
}

static value_sizes sizes_of(const planner *pl)
{
    const shard_cut cut = cut_of(pl, planner_examples(pl));
    return (value_sizes){.tile = pl->plan->tile,
                         .step_tile = step_tile(pl),
                         .batch = planner_examples(pl),
                         .tiles = (uint32_t)shards_tiles_most(&cut, pl->plan->tile, pl->network->group),
                         .one_group = !pl->request.training,
                         .panel_width = pl->plan->panel_width,
                         .step_panel_width = pl->plan->step_panel_width,
                         .scratch = pl->scratch.bytes,
                         .align = pl->device->align};
}

static void outline_values(planner *pl)
{
    value_map *m = &pl->maps[pl->mode];
    const value_sizes sizes = sizes_of(pl);
    plan *p = pl->plan;
    uint64_t kept;
    values_outline(m, pl->network, &sizes, &p->bytes[PART_VALUES], &kept);
    p->bytes[PART_KEPT] = m->spilled ? 0 : kept;
    p->kept.host = m->spilled ? kept : 0;
}

/* Those of gradients that are stored, in their part. */
static void place_gradients(planner *pl)
{
    plan *p = pl->plan;
    for (int t = 0; t < pl->network->tensor_count; t++) {
        region *r = &p->tensor[t];
        if (r->part != PART_GRADIENT) continue;
        if (r->offset >= p->stored.from && r->offset < p->stored.to)
            r->offset -= p->stored.from;
        else
            r->part = -1;
    }
}

static void place_value(planner *pl, int b, const value_sizes *sizes)
{
    const value_map *m = &pl->maps[pl->mode];
    const value_block *block = &m->block[b];
    const size_t tensors = (size_t)pl->network->tensor_count;
    plan *p = pl->plan;
    const region place = {.part = PART_VALUES,
                          .offset = m->arena.block[b].offset,
                          .bytes = values_bytes(&pl->network->tensors[block->tensor], sizes)};
    p->tensor[block->tensor] = place;
    for (int pass = block->first; pass <= block->last && p->values; pass++)
        p->values[(size_t)pass * tensors + (size_t)block->tensor] = place;
}

static void place_scratch(planner *pl, int b)
{
    const value_map *m = &pl->maps[pl->mode];
    const value_block *block = &m->block[b];
    region *place = &pl->plan->scratch[block->first * network_calls(pl->network) + block->call];
    const uint64_t bytes = pl->scratch.bytes[block->call];
    *place = (region){.part = bytes ? PART_VALUES : -1, .offset = m->arena.block[b].offset, .bytes = bytes};
}

/* Where each value lies, in the plan: in the passes from first to last, and the first of all. */
static void place_values(planner *pl)
{
    const value_map *m = &pl->maps[pl->mode];
    const value_sizes sizes = sizes_of(pl);
    const size_t tensors = (size_t)pl->network->tensor_count;
    plan *p = pl->plan;
    for (int b = m->arena.count - 1; b >= 0; b--) {
        if (m->block[b].tensor == NO_TENSOR)
            place_scratch(pl, b);
        else
            place_value(pl, b, &sizes);
    }
    for (int i = m->share_count - 1; i >= 0; i--) {
        const value_share *share = &m->share[i];
        const size_t at = (size_t)share->pass * tensors;
        p->tensor[share->tensor] = (region){.part = PART_VALUES,
                                            .offset = m->arena.block[share->block].offset,
                                            .bytes = values_bytes(&pl->network->tensors[share->tensor], &sizes)};
        if (p->values) p->values[at + (size_t)share->tensor] = p->tensor[share->tensor];
        if (p->replaces) p->replaces[at + (size_t)share->tensor] = share->first;
    }
    for (int t = 0; t < pl->network->tensor_count && m->source; t++) p->tensor[t] = p->tensor[m->source[t]];
    p->shares_copies = m->source != NULL;
    p->kept.tiles = sizes.tiles;
    for (int k = 0; k < m->kept.count && p->kept.region; k++) {
        const uint64_t bytes = m->kept.block[k].bytes;
        p->kept.region[m->kept_tensor[k]] =
            (region){.part = PART_KEPT, .offset = m->kept.block[k].offset, .bytes = bytes};
        p->kept.bytes[m->kept_tensor[k]] = bytes / p->kept.tiles;
    }
}

void planner_pack(planner *pl)
{
    value_map *m = &pl->maps[pl->mode];
    const value_sizes sizes = sizes_of(pl);
    plan *p = pl->plan;
    if (m->packed == p->tile) return;
    const uint64_t values = p->bytes[PART_VALUES], kept = p->bytes[PART_KEPT], host = p->kept.host;
    values_pack(m, &sizes);
    outline_values(pl);
    p->host += p->kept.host - host;
    p->total += p->bytes[PART_VALUES] - values + (p->bytes[PART_KEPT] - kept);
    if (pl->device->shared) p->total += p->kept.host - host;
}

bool planner_finish(planner *pl)
{
    value_map *m = &pl->maps[pl->mode];
    plan *p = pl->plan;
    const size_t tensors = (size_t)pl->network->tensor_count, places = tensors * (size_t)m->passes.count;
    p->kept.spilled = m->spilled;
    place_gradients(pl);
    const size_t scratches = (size_t)network_calls(pl->network) * (size_t)m->passes.count;
    p->replaces = malloc(places * sizeof *p->replaces);
    p->scratch = malloc((scratches + 1) * sizeof *p->scratch);
    if (!p->replaces || !p->scratch) return false;
    for (size_t i = 0; i < places; i++) p->replaces[i] = NO_TENSOR;
    for (size_t i = 0; i < scratches; i++) p->scratch[i] = (region){.part = -1};
    if (m->passes.count > 1) {
        p->values = malloc(places * sizeof *p->values);
        p->kept.region = malloc(tensors * sizeof *p->kept.region);
        p->kept.bytes = calloc(tensors, sizeof *p->kept.bytes);
        if (!p->values || !p->kept.region || !p->kept.bytes) return false;
        for (size_t i = 0; i < places; i++) p->values[i] = (region){.part = -1};
        for (size_t t = 0; t < tensors; t++) p->kept.region[t] = (region){.part = -1};
    }
    place_values(pl);
    p->passes = m->passes;
    m->passes = (passes){0};
    return true;
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

static void add_parameter(planner *pl, int index)
{
    const tensor *t = &pl->network->tensors[index];
    plan *p = pl->plan;
    const uint64_t bytes = plan_parameter_bytes(pl->device, t);
    add_region(pl, PART_PARAMETERS, bytes, &p->tensor[index]);
    if (!pl->request.training || t->role != ROLE_PARAMETER) return;
    p->tensor[t->gradient] = p->tensor[index];
    p->tensor[t->gradient].part = PART_GRADIENT;
}

/* Of sums that are more than one granule. */
static void add_partials(planner *pl)
{
    const tas_network *network = pl->network;
    for (int c = 0; c < network->backward_count && pl->request.training; c++) {
        op_args args = network->backward[c].args;
        args.batch = planner_leaf(pl);
        if (!op_has_granules(&args)) continue;
        for (int o = 0; op_get(args.op)->operand[o].name; o++) {
            const int t = network->backward[c].operand[o];
            const tensor *of = &network->tensors[t];
            if (of->role == ROLE_PARTIAL)
                add_region(pl, PART_PARTIAL, pl->plan->tensor[of->parameter].bytes, &pl->plan->tensor[t]);
        }
    }
}

/* What comes first to last among the parameters. */
enum { KIND_FUSED, KIND_WEIGHT, KIND_OTHER, KIND_FUSED_OTHER, KIND_STATISTIC, KINDS };

static int kind_of(const tas_network *network, const tensor *t)
{
    if (t->role != ROLE_PARAMETER) return KIND_STATISTIC;
    const bool fused = network->tensors[t->gradient].fuses;
    if (t->decays) return fused ? KIND_FUSED : KIND_WEIGHT;
    return fused ? KIND_FUSED_OTHER : KIND_OTHER;
}

/* Weights, then biases and the like, then statistics: what an update treats alike lies together. State has the offsets
 * of its parameters in its own part, and so have gradients from the first one on that is stored, so that an update is
 * one launch over all. */
static void add_parameters(planner *pl)
{
    const tas_network *network = pl->network;
    plan *p = pl->plan;
    uint64_t end[KINDS];
    for (int kind = 0; kind < KINDS; kind++) {
        for (int i = 0; i < network->parameter_count; i++)
            if (kind_of(network, &network->tensors[network->parameters[i]]) == kind)
                add_parameter(pl, network->parameters[i]);
        end[kind] = p->bytes[PART_PARAMETERS];
    }
    pl->stored = (plan_range){end[KIND_FUSED], end[KIND_OTHER]};
    p->decayed = end[KIND_WEIGHT];
    p->trained = end[KIND_FUSED_OTHER];
    if (!pl->request.training) return;
    if (pl->request.slots > 0) p->bytes[PART_STATE] = p->trained;
    if (pl->request.slots > 1) p->bytes[PART_STATE_2] = p->trained;
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
    const bool all = pl->request.noise.preconditioned;
    plan *p = pl->plan;
    for (int c = 0; c < network->backward_count; c++) {
        const op_call *call = &network->backward[c];
        if (call->noise != NOISE_GROUPS && !(all && call->noise == NOISE_EXAMPLES)) continue;
        for (int o = 0; op_get(call->args.op)->operand[o].name; o++) {
            const int t = call->operand[o];
            const tensor_role role = network->tensors[t].role;
            if ((role != ROLE_GRADIENT && role != ROLE_PARTIAL) || p->group_gradients[t].part >= 0) continue;
            if (p->tensor[t].part < 0) continue;
            add_region(pl, PART_NOISE, p->tensor[t].bytes, &p->group_gradients[t]);
            if (role != ROLE_GRADIENT) continue;
            const uint32_t squares = plan_squares(&network->tensors[t]);
            if (call->noise == NOISE_GROUPS) p->group_squares += squares;
            if (all) p->preconditioned_squares += squares;
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
        if (network->tensors[network->parameters[i]].role == ROLE_PARAMETER)
            squares += plan_squares(&network->tensors[network->parameters[i]]);
    if (GROUPS_MOST * (uint64_t)p->group_squares > squares) squares = GROUPS_MOST * (uint64_t)p->group_squares;
    add_region(pl, PART_NOISE, squares * sizeof(float), &p->squares);
    const uint64_t preconditioned = GROUPS_MOST * (uint64_t)p->preconditioned_squares;
    if (preconditioned) add_region(pl, PART_NOISE, preconditioned * sizeof(float), &p->preconditioned);
    uint64_t count = norms > squares ? norms : squares;
    if (preconditioned > count) count = preconditioned;
    for (int level = 0; level < SUM_LEVELS; level++) {
        count = (count + SUM_LANES - 1) / SUM_LANES;
        add_region(pl, PART_NOISE, count * sizeof(float), &p->noise_sum[level]);
    }
    p->noise_sums = noise->preconditioned ? NOISE_SUMS_MOST : NOISE_SUMS;
    add_region(pl, PART_NOISE, RING * p->noise_sums * sizeof(float), &p->noise_ring);
}

/* As much for every batch up to this one. */
static void add_nodes(planner *pl)
{
    plan *p = pl->plan;
    const shard_cut cut = cut_of(pl, planner_examples(pl));
    p->nodes = pl->request.training ? shards_waiting_most(&cut, !pl->request.some_shards) : 0;
    p->bytes[PART_NODES] = p->nodes * p->trained;
}

static void add_fixed(planner *pl)
{
    plan *p = pl->plan;
    memset(p->bytes, 0, sizeof p->bytes);
    for (int i = 0; i < pl->network->tensor_count; i++) p->tensor[i].part = p->group_gradients[i].part = -1;
    p->norms = p->squares = p->preconditioned = p->noise_ring = (region){.part = -1};
    p->group_squares = p->preconditioned_squares = 0;
    for (int level = 0; level < SUM_LEVELS; level++) p->noise_sum[level].part = -1;
    add_parameters(pl);
    add_partials(pl);
    add_nodes(pl);
    add_noise(pl);
    for (int mode = 0; mode < MODE_COUNT; mode++) pl->maps[mode].packed = 0;
}

/* What it changes ------------------------------------------------------------------------------------------------- */

/* Shards that have examples, at most: of any batch up to this one. */
static uint32_t shards_most(const planner *pl)
{
    const uint32_t count = pl->plan->shards, examples = planner_examples(pl);
    return count < examples ? count : examples;
}

/* Whether the run needs those sums. */
static bool is_used(const planner *pl, int t)
{
    const tas_network *network = pl->network;
    bool used = pl->request.training;
    for (int c = 0; c < network->forward_count && !used; c++)
        for (int o = 0; op_get(network->forward[c].args.op)->operand[o].name; o++)
            used |= network->forward[c].when != CALL_TRAINING && network->forward[c].operand[o] == t;
    return used;
}

/* Sums of squares that an update needs at a time. */
static uint64_t count_update_squares(const planner *pl)
{
    uint64_t all = 0, most = 0;
    for (int i = 0; i < pl->network->parameter_count; i++) {
        const tensor *t = &pl->network->tensors[pl->network->parameters[i]];
        const uint64_t squares = t->role == ROLE_PARAMETER ? plan_squares(t) : 0;
        all += squares;
        if (t->decays && squares > most) most = squares;
    }
    const uint64_t clip = pl->request.clips ? all : 0, two = pl->request.adapts ? 2 * most : 0;
    return clip > two ? clip : two;
}

/* Of the largest row that a fold of the whole batch leaves for a shard. */
static uint64_t fold_elements(const planner *pl)
{
    const tas_network *network = pl->network;
    uint64_t most = 0;
    for (int t = 0; t < network->tensor_count; t++) {
        const tensor *of = &network->tensors[t];
        if (of->role == ROLE_SUM && of->spread == SPREAD_GROUP && !of->group && of->elements > most)
            most = of->elements;
    }
    return most;
}

static void add_shards(planner *pl)
{
    plan *p = pl->plan;
    const uint64_t row = shards_most(pl) * sizeof(float);
    p->shard_losses.part = p->shard_weights.part = p->shard_folds.part = -1;
    if (!pl->request.training || p->shards == 1) return;
    add_region(pl, PART_BATCH, row, &p->shard_losses);
    if (p->weighted) add_region(pl, PART_BATCH, row, &p->shard_weights);
    if (pl->several) add_region(pl, PART_BATCH, row * fold_elements(pl), &p->shard_folds);
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
    p->weights.part = -1;
    if (p->weighted) add_region(pl, PART_BATCH, (uint64_t)p->chunk * sizeof(float), &p->weights);
    for (int level = 0; level < SUM_LEVELS; level++) {
        count = (count + SUM_LANES - 1) / SUM_LANES;
        if (pl->request.training && p->shards > 1) count += shards_most(pl); /* each has blocks of its own */
        add_region(pl, PART_BATCH, count * sizeof(float), &p->sum[level]);
        add_region(pl, PART_BATCH, count * sizeof(float), &p->correct_sum[level]);
        p->weight_sum[level].part = -1;
        if (p->weighted) add_region(pl, PART_BATCH, count * sizeof(float), &p->weight_sum[level]);
    }
    add_shards(pl);
    const value_sizes sizes = sizes_of(pl);
    for (int t = 0; t < network->tensor_count; t++)
        if (network->tensors[t].role == ROLE_CONSTANT)
            add_region(pl, PART_BATCH, network->tensors[t].elements * sizeof(float), &p->tensor[t]);
    for (int t = 0; t < network->tensor_count; t++)
        if (network->tensors[t].role == ROLE_SUM && network->tensors[t].spread != SPREAD_BATCH && is_used(pl, t))
            add_region(pl, PART_BATCH, values_bytes(&network->tensors[t], &sizes), &p->tensor[t]);
    add_region(pl, PART_BATCH, RING * sizeof(float), &p->ring);
    add_region(pl, PART_BATCH, 2 * sizeof(uint32_t), &p->first_bad);
    p->divisor.part = p->update_squares.part = -1;
    if (!pl->request.training) return;
    add_region(pl, PART_BATCH, DIVISOR_VALUES * sizeof(float), &p->divisor);
    const uint64_t squares = count_update_squares(pl);
    if (squares) add_region(pl, PART_BATCH, squares * sizeof(float), &p->update_squares);
}

static uint64_t weight_bytes(const planner *pl) { return pl->plan->weighted ? sizeof(float) : 0; }

static void add_source(planner *pl, int part, uint64_t examples, plan_source *out)
{
    if (pl->plan->weighted) add_region(pl, part, examples * weight_bytes(pl), &out->weights);
    add_region(pl, part, examples * pl->request.input_bytes, &out->inputs);
    add_region(pl, part, examples * pl->request.target_bytes, &out->targets);
    add_region(pl, part, examples * sizeof(uint32_t), &out->order);
}

static void add_sources(planner *pl)
{
    plan *p = pl->plan;
    for (int s = 0; s < STAGES; s++)
        p->source[s] = (plan_source){{.part = -1}, {.part = -1}, {.part = -1}, {.part = -1}};
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
    const uint64_t parameters = p->bytes[PART_PARAMETERS];
    const uint64_t example = request->input_bytes + request->target_bytes + weight_bytes(pl);
    const uint64_t order = sizeof(uint32_t);
    p->snapshot = parameters + p->bytes[PART_STATE] + p->bytes[PART_STATE_2];
    p->snapshots = request->copy == COPY_SNAPSHOT ? pl->device->snapshots : 0;
    p->host = (p->snapshots + request->run_copies) * p->snapshot + (request->copy == COPY_PARAMETERS ? parameters : 0);
    p->host += p->kept.host + request->exchange;
    p->host += order * (request->order ? request->order : p->tile);
    p->host += p->resident ? example * plan_upload(example, request->resident) : STAGES * p->tile * (example + order);
}

void planner_outline(planner *pl, planner_mode mode, uint32_t tile, bool resident)
{
    static const plan_part sized[] = {PART_VALUES, PART_KEPT, PART_BATCH, PART_STAGING, PART_DATA};
    plan *p = pl->plan;
    pl->mode = mode;
    for (size_t i = 0; i < sizeof sized / sizeof *sized; i++) p->bytes[sized[i]] = 0;
    p->tile = tile;
    p->resident = resident;
    p->panel_width = pl->network->batch_panels ? pl->device->batch_panel(pl->device->self, tile) : 1;
    p->step_panel_width = pl->network->batch_panels ? pl->device->batch_panel(pl->device->self, step_tile(pl)) : 1;
    p->stored = pl->request.fuses && mode == MODE_WHOLE ? pl->stored : (plan_range){0, p->trained};
    p->bytes[PART_GRADIENT] = pl->request.training ? p->stored.to - p->stored.from : 0;
    const value_sizes sizes = sizes_of(pl);
    scratch_ask(&pl->scratch, pl->device, &sizes, p->shards > 1 ? shards_most(pl) : 0);
    outline_values(pl);
    add_batch(pl);
    add_sources(pl);
    size_host(pl);
    p->total = pl->device->shared ? p->host : 0;
    for (int part = 0; part < PART_COUNT; part++) p->total += p->bytes[part];
}

/* Values take value_bytes for each example of the tile at least, and so do the stages take theirs, here and on the
 * host. Nothing else becomes less with the tile, but for the scratch memory of calls, which is left out. */
planner_bound planner_bounds(planner *pl, planner_mode mode, bool resident)
{
    const value_map *m = &pl->maps[mode];
    const uint64_t kept = m->kept_example_bytes * planner_examples(pl);
    const bool counts = !m->spilled || pl->device->shared;
    const plan_request *request = &pl->request;
    const uint64_t stages =
        STAGES * (request->input_bytes + request->target_bytes + weight_bytes(pl) + sizeof(uint32_t));
    plan *p = pl->plan;
    planner_bound bound = {.slope = m->example_bytes};
    planner_outline(pl, mode, 1, resident);
    bound.base = p->total - p->bytes[PART_VALUES];
    if (counts) bound.base = bound.base - (p->bytes[PART_KEPT] + p->kept.host) + kept;
    if (resident) return bound;
    bound.slope += pl->device->shared ? 2 * stages : stages;
    bound.base -= p->bytes[PART_STAGING] + (pl->device->shared ? stages : 0);
    return bound;
}

/* Opening --------------------------------------------------------------------------------------------------------- */

/* Whether the update may make the gradients of all layers of which it can make any. */
static bool may_fuse(const planner *pl)
{
    const plan_device *device = pl->device;
    bool may = pl->request.fuses;
    for (int c = 0; c < pl->network->backward_count; c++) {
        const op_call *call = &pl->network->backward[c];
        if (!network_fuses(call)) continue;
        const uint32_t *size = call->args.size;
        const uint32_t panel = device->weight_panel(device->self, size[DENSE_OUTPUTS], size[DENSE_INPUTS]);
        may = may && pl->request.batch <= dense_update_most(panel);
    }
    return may;
}

static bool open_maps(planner *pl)
{
    const passes_kind kind = pl->request.training ? PASSES_STEP : PASSES_EVALUATION;
    const uint32_t largest = pl->request.max_tile == 1 ? 1 : MAX_TILE; /* of one example, or any */
    const bool rows = pl->device->batch_panel(pl->device->self, largest) == 1;
    pl->request.fuses = may_fuse(pl);
    if (!values_open(&pl->maps[MODE_TILES], pl->network, kind, false, false, rows)) return false;
    pl->several = pl->maps[MODE_TILES].passes.count > 1;
    return (!planner_has(pl, MODE_WHOLE) ||
            values_open(&pl->maps[MODE_WHOLE], pl->network, PASSES_WHOLE, false, pl->request.fuses, rows)) &&
           (!pl->several || values_open(&pl->maps[MODE_SPILLED], pl->network, kind, true, false, rows));
}

tas_status planner_open(planner *pl, const tas_network *network, const plan_device *device, const plan_request *request,
                        plan *p)
{
    const size_t count = (size_t)network->tensor_count;
    *p = (plan){.tensor = calloc(count, sizeof *p->tensor),
                .group_gradients = calloc(count, sizeof *p->group_gradients)};
    p->weighted = request->weights || network->class_weights;
    p->shards = request->training && request->shards ? request->shards : 1;
    *pl = (planner){.network = network, .device = device, .request = *request, .plan = p};
    if (!p->tensor || !p->group_gradients || !open_maps(pl) || !scratch_open(&pl->scratch, network, request->training))
        return fail(network->context, TAS_NO_MEMORY, "no memory for a plan");
    add_fixed(pl);
    return TAS_OK;
}

void planner_close(planner *pl)
{
    for (int mode = 0; mode < MODE_COUNT; mode++) values_close(&pl->maps[mode]);
    scratch_close(&pl->scratch);
}

void planner_set_batch(planner *pl, uint32_t batch)
{
    pl->request.batch = pl->request.max_tile = batch;
    pl->request.noise.probe = 0;
    add_fixed(pl);
}
