/* The plan: see plan.h for the map. */
#include "plan/plan.h"

#include "ops/layout.h"

#include <stdlib.h>
#include <string.h>

/* Takes the next slice of a part. Slices start aligned, so that a device can make sub-buffers of them. */
static void take(plan *p, const plan_device *device, int part, uint64_t bytes, place *out)
{
    const uint64_t align = device->align;
    *out = (place){.part = part, .offset = p->bytes[part], .bytes = bytes};
    p->bytes[part] += (bytes + align - 1) / align * align;
}

uint64_t plan_parameter_bytes(const plan_device *device, const tensor *t)
{
    if (!t->cols) return t->elements * sizeof(float);
    const layout l = {t->rows, t->cols, device->panel(device->self, t->rows, t->cols)};
    return layout_elements(l) * sizeof(float);
}

/* Parameters, gradients and state have the same offsets in their parts: an update is one launch over all. */
static void place_parameters(const tas_network *network, const plan_device *device, const plan_work *work, plan *p)
{
    for (int i = 0; i < network->parameter_count; i++) {
        const int index = network->parameters[i];
        const tensor *t = &network->tensors[index];
        const uint64_t bytes = plan_parameter_bytes(device, t);
        take(p, device, PART_PARAMETERS, bytes, &p->tensor[index]);
        if (!work->training) continue;
        p->tensor[t->gradient] = p->tensor[index];
        p->tensor[t->gradient].part = PART_GRADIENT;
        if (t->open != NO_TENSOR) take(p, device, PART_OPEN, bytes, &p->tensor[t->open]);
    }
    if (work->training) p->bytes[PART_GRADIENT] = p->bytes[PART_STATE] = p->bytes[PART_PARAMETERS];
}

static void place_calls(const op_call *calls, int count, const tas_network *network, const plan_device *device,
                        const plan_work *work, plan *p)
{
    for (int c = 0; c < count; c++) {
        op_args args = calls[c].args;
        args.n = p->tile;
        args.batch = work->batch;
        const uint64_t scratch = device->scratch(device->self, &args);
        if (scratch > p->bytes[PART_SCRATCH]) p->bytes[PART_SCRATCH] = scratch;
        for (int o = 0; op_get(args.op)->operand[o].name; o++) {
            const int index = calls[c].operand[o];
            const tensor *t = &network->tensors[index];
            if (p->tensor[index].part >= 0) continue;
            if (t->role == ROLE_LOSS || t->role == ROLE_HIT)
                take(p, device, PART_BATCH, (uint64_t)work->batch * sizeof(float), &p->tensor[index]);
            else
                take(p, device, PART_VALUES, (uint64_t)p->tile * t->elements * sizeof(float), &p->tensor[index]);
        }
    }
}

static void place_sums(const plan_device *device, const plan_work *work, plan *p)
{
    uint64_t count = work->batch;
    for (int level = 0; level < SUM_LEVELS; level++) {
        count = (count + SUM_LANES - 1) / SUM_LANES;
        take(p, device, PART_BATCH, count * sizeof(float), &p->sum[level]);
        take(p, device, PART_BATCH, count * sizeof(float), &p->hit_sum[level]);
    }
    take(p, device, PART_BATCH, RING * sizeof(float), &p->ring);
    take(p, device, PART_BATCH, 2 * sizeof(uint32_t), &p->record);
}

static void plan_tile(const tas_network *network, const plan_device *device, const plan_work *work, uint32_t tile,
                      plan *p)
{
    memset(p->bytes, 0, sizeof p->bytes);
    p->tile = tile;
    for (int i = 0; i < network->tensor_count; i++) p->tensor[i].part = -1;
    place_parameters(network, device, work, p);
    if (network->label != NO_TENSOR)
        take(p, device, PART_VALUES, (uint64_t)tile * sizeof(uint32_t), &p->tensor[network->label]);
    place_calls(network->forward, network->forward_count, network, device, work, p);
    if (work->training) place_calls(network->backward, network->backward_count, network, device, work, p);
    place_sums(device, work, p);
    take(p, device, PART_DATA, work->window * work->input_bytes, &p->inputs);
    take(p, device, PART_DATA, work->window * work->target_bytes, &p->targets);
    take(p, device, PART_DATA, work->window * sizeof(uint32_t), &p->order);
    p->total = 0;
    for (int part = 0; part < PART_COUNT; part++) p->total += p->bytes[part];
}

/* The most that a part may have: one allocation, and what kernels can count, which is elements in 32 bits (of the data set
 * they count examples). */
static uint64_t most_bytes(const plan_device *device, int part)
{
    const uint64_t counted = sizeof(float) * ((uint64_t)UINT32_MAX - 4096); /* and the end of its last run */
    return part == PART_DATA || device->max_alloc < counted ? device->max_alloc : counted;
}

/* The part that is too large, or -1. */
static int oversized(const plan *p, const plan_device *device)
{
    for (int part = 0; part < PART_COUNT; part++)
        if (p->bytes[part] > most_bytes(device, part)) return part;
    return -1;
}

static const char *const part_names[PART_COUNT] = {"parameters",  "gradient", "optimiser state", "open granules",
                                                   "activations", "batch",    "scratch",         "data set"};

tas_status plan_make(const tas_network *network, const plan_device *device, const plan_work *work, plan *out)
{
    *out = (plan){.tensor = calloc((size_t)network->tensor_count, sizeof *out->tensor)};
    if (!out->tensor) return fail(network->context, TAS_NO_MEMORY, "no memory for a plan");

    uint32_t tile = work->tile_most < work->batch ? work->tile_most : work->batch;
    for (;; tile = (tile + 1) / 2) {
        plan_tile(network, device, work, tile, out);
        if (out->total <= device->budget && oversized(out, device) < 0) return TAS_OK;
        if (tile == 1) break;
    }
    const int part = oversized(out, device);
    tas_status status;
    if (part >= 0)
        status =
            fail(network->context, TAS_NO_MEMORY,
                 "%s: its %s need %llu bytes in one piece, of which there are at most %llu", device->id,
                 part_names[part], (unsigned long long)out->bytes[part], (unsigned long long)most_bytes(device, part));
    else
        status = fail(network->context, TAS_NO_MEMORY,
                      "%s: %llu bytes may be used, at least %llu are needed (of these the data set %llu)", device->id,
                      (unsigned long long)device->budget, (unsigned long long)out->total,
                      (unsigned long long)out->bytes[PART_DATA]);
    plan_free(out);
    return status;
}

void plan_free(plan *p)
{
    free(p->tensor);
    *p = (plan){0};
}
