/* The memory of a run, and running lists of calls in it. */
#include "train/model.h"

#include <stdlib.h>

/* A place that is not in the plan stays an empty slice. */
static tas_status slice_place(workspace *w, const place *p, mem *out)
{
    if (p->part < 0) return TAS_OK;
    return w->device->driver->slice(w->device, &w->part[p->part], p->offset, p->bytes, out);
}

static tas_status take_parts(workspace *w, tas_model *model)
{
    tas_status status = TAS_OK;
    w->part[PART_PARAMETERS] = model->parameters;
    for (int part = PART_PARAMETERS + 1; part < PART_COUNT && !status; part++) {
        if (!w->plan.bytes[part]) continue;
        status = device_alloc(w->device, w->plan.bytes[part], &w->part[part]);
        if (!status) status = w->device->driver->zero(w->device, &w->part[part]);
    }
    return status;
}

static tas_status take_slices(workspace *w)
{
    tas_status status = TAS_OK;
    for (int t = 0; t < w->network->tensor_count && !status; t++)
        status = slice_place(w, &w->plan.tensor[t], &w->tensor[t]);
    for (int level = 0; level < SUM_LEVELS && !status; level++) {
        status = slice_place(w, &w->plan.sum[level], &w->sum[level]);
        if (!status) status = slice_place(w, &w->plan.hit_sum[level], &w->hit_sum[level]);
    }
    if (!status) status = slice_place(w, &w->plan.ring, &w->ring);
    if (!status) status = slice_place(w, &w->plan.record, &w->record);
    if (!status) status = slice_place(w, &w->plan.inputs, &w->inputs);
    if (!status) status = slice_place(w, &w->plan.targets, &w->targets);
    if (!status) status = slice_place(w, &w->plan.order, &w->order);
    return status;
}

tas_status workspace_open(workspace *w, tas_model *model, const plan_work *work, uint64_t budget)
{
    plan_device limits = model->limits;
    if (budget) limits.budget = budget;
    *w = (workspace){.device = model->device, .network = model->network};
    tas_status status = plan_make(model->network, &limits, work, &w->plan);
    if (status) return status;
    w->tensor = calloc((size_t)model->network->tensor_count, sizeof *w->tensor);
    status = w->tensor ? take_parts(w, model) : fail(model->context, TAS_NO_MEMORY, "no memory for a list of tensors");
    if (!status) status = take_slices(w);
    if (!status) status = w->device->driver->finish(w->device);
    if (status) workspace_close(w);
    return status;
}

void workspace_close(workspace *w)
{
    if (!w->device) return;
    const device_driver *driver = w->device->driver;
    mem *const single[] = {&w->ring, &w->record, &w->inputs, &w->targets, &w->order};
    for (int t = 0; w->tensor && t < w->network->tensor_count; t++) driver->release_slice(w->device, &w->tensor[t]);
    for (int level = 0; level < SUM_LEVELS; level++) {
        driver->release_slice(w->device, &w->sum[level]);
        driver->release_slice(w->device, &w->hit_sum[level]);
    }
    for (size_t i = 0; i < sizeof single / sizeof *single; i++) driver->release_slice(w->device, single[i]);
    for (int part = PART_PARAMETERS + 1; part < PART_COUNT; part++) device_release(w->device, &w->part[part]);
    free(w->tensor);
    plan_free(&w->plan);
    *w = (workspace){0};
}

tas_status run_calls(workspace *w, const op_call *calls, int count, uint32_t n, uint32_t first, uint32_t batch)
{
    tas_status status = TAS_OK;
    for (int c = 0; c < count && !status; c++) {
        op_args args = calls[c].args;
        mem operand[OP_OPERANDS];
        args.n = n;
        args.first = first;
        args.batch = batch;
        for (int o = 0; op_get(args.op)->operand[o].name; o++) operand[o] = w->tensor[calls[c].operand[o]];
        status = device_run(w->device, &args, operand, &w->part[PART_SCRATCH]);
    }
    return status;
}

tas_status run_sum(workspace *w, const mem *values, const mem *levels, uint32_t count, const mem **total)
{
    tas_status status = TAS_OK;
    int level = 0;
    do {
        const op_args args = {.op = OP_SUM_BLOCKS, .size = {count}};
        const mem operand[] = {level ? levels[level - 1] : *values, levels[level]};
        status = device_run(w->device, &args, operand, NULL);
        count = (count + SUM_LANES - 1) / SUM_LANES;
        *total = &levels[level++];
    } while (count > 1 && !status);
    return status;
}
