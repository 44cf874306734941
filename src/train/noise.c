/* Measuring the gradient noise scale in a step: see noise.h. */
#include "train/noise.h"

#include "arith.h"
#include "ops/dense.h"
#include "ops/preconditioned.h"

#include <string.h>

enum { DENSE_PARTS, DENSE_WHOLE, GROUP_PARTS, GROUP_WHOLE, PRECONDITIONED_PARTS, PRECONDITIONED_WHOLE };

/* The measurement of one batch. */
typedef struct measurement {
    workspace *w;
    const noise_schedule *schedule;
    uint32_t batch, group;         /* examples of the batch, and of each of its groups but the last */
    const op_args *preconditioner; /* NULL: none */
    bool added;                    /* some layer's norms of this tile's examples */
    const step_observer *also;
} measurement;

uint32_t noise_examples(const noise_schedule *schedule, uint64_t step, uint32_t batch)
{
    if (!schedule->interval || step % schedule->interval) return 0;
    return schedule->probe ? schedule->probe : batch;
}

bool noise_preconditions(const noise_schedule *schedule, uint64_t step)
{
    return schedule->preconditioned && step % schedule->preconditioned == 0 && (!step || step > NOISE_MOMENT_STEPS);
}

/* Squares of gradients, of the batch or of a group. */
typedef struct squares {
    const mem *gradients;          /* one per tensor, */
    noise_kind kind;               /* of which those of this kind count; */
    const op_args *preconditioner; /* unless this is set: then all that are measured do */
    float scale;
} squares;

static op_args describe_squares(const squares *s, const tensor *t, uint32_t at)
{
    op_args args = {.op = OP_SQUARE_BLOCKS, .size = {[SQUARES_ELEMENTS] = (uint32_t)t->elements, [SQUARES_AT] = at}};
    if (t->weight_panels)
        args = (op_args){.op = OP_SQUARE_ROWS,
                         .size = {[SQUARES_ROWS] = t->dims[0], [SQUARES_COLS] = t->dims[1], [SQUARES_ROWS_AT] = at}};
    if (s->preconditioner) {
        args.op = t->weight_panels ? OP_PRECONDITIONED_ROWS : OP_PRECONDITIONED_BLOCKS;
        memcpy(args.scalar, s->preconditioner->scalar, sizeof args.scalar);
    }
    args.scalar[SQUARES_SCALE] = s->scale;
    return args;
}

/* Into the list of sums from *at on. */
static tas_status run_squares(workspace *w, const squares *s, uint32_t *at)
{
    const tas_network *network = w->network;
    tas_status status = TAS_OK;
    for (int i = 0; i < network->parameter_count && !status; i++) {
        const int gradient = network->tensors[network->parameters[i]].gradient;
        if (gradient < 0) continue;
        const tensor *t = &network->tensors[gradient];
        if (s->preconditioner ? t->noise == NOISE_NOTHING : t->noise != s->kind) continue;
        const op_args args = describe_squares(s, t, *at);
        const mem raw[] = {s->gradients[gradient], w->squares};
        const mem preconditioned[] = {s->gradients[gradient], w->second_moments[gradient], w->preconditioned};
        status = device_run(w->device, &args, s->preconditioner ? preconditioned : raw, NULL);
        *at += plan_squares(t);
    }
    return status;
}

tas_status noise_norms(workspace *w, const op_call *call, uint32_t n, uint32_t first, uint32_t batch, bool *added)
{
    if (op_get(call->args.op)->norms != NORMS_WEIGHTS) return TAS_OK;
    const uint32_t outputs = call->args.size[DENSE_OUTPUTS], inputs = call->args.size[DENSE_INPUTS];
    const op_args args = {.op = OP_DENSE_NORMS,
                          .n = n,
                          .first = first,
                          .batch = batch,
                          .size = {[NORMS_INPUTS] = inputs,
                                   [NORMS_OUTPUTS] = outputs,
                                   [NORMS_ADDED] = *added,
                                   [NORMS_NO_BIAS] = call->args.size[DENSE_NO_BIAS]}};
    const mem operand[] = {w->tensor[call->operand[0]], w->tensor[call->operand[1]], w->norms};
    *added = true;
    return device_run(w->device, &args, operand, NULL);
}

static void swap_gradients(workspace *w)
{
    for (int t = 0; t < w->network->tensor_count; t++) {
        const mem own = w->tensor[t];
        if (w->plan.group_gradients[t].part < 0) continue;
        w->tensor[t] = w->group_gradients[t];
        w->group_gradients[t] = own;
    }
}

/* Examples of the group that example `first` is in, and its first. */
static uint32_t group_at(const measurement *m, uint32_t first, uint32_t *begin)
{
    *begin = first / m->group * m->group;
    return m->batch - *begin < m->group ? m->batch - *begin : m->group;
}

/* The call again, for the tile as a part of its group alone. */
static tas_status run_group(const measurement *m, const op_call *call, uint32_t n, uint32_t first)
{
    uint32_t begin;
    const uint32_t examples = group_at(m, first, &begin);
    swap_gradients(m->w);
    const tas_status status = workspace_run(m->w, call, n, first - begin, examples);
    swap_gradients(m->w);
    return status;
}

static tas_status after_call(void *self, const op_call *call, uint32_t n, uint32_t first)
{
    measurement *m = self;
    tas_status status = m->also ? m->also->after_call(m->also->self, call, n, first) : TAS_OK;
    if (!status && m->schedule->dense) status = noise_norms(m->w, call, n, first, m->batch, &m->added);
    const bool grouped = call->noise == NOISE_GROUPS || (m->preconditioner && call->noise == NOISE_EXAMPLES);
    return status || !grouped ? status : run_group(m, call, n, first);
}

static tas_status after_sums(void *self, const op_call *call)
{
    const step_observer *also = ((measurement *)self)->also;
    return also && also->after_sums ? also->after_sums(also->self, call) : TAS_OK;
}

/* The squares of a group's gradient, when the tile ends the group. */
static tas_status after_tile(void *self, uint32_t n, uint32_t first)
{
    measurement *m = self;
    uint32_t begin;
    const uint32_t examples = group_at(m, first, &begin);
    squares s = {.gradients = m->w->group_gradients, .kind = NOISE_GROUPS, .scale = arith_div(1, (float)examples)};
    tas_status status = TAS_OK;
    m->added = false;
    if (first + n < begin + examples) return TAS_OK;
    uint32_t at = begin / m->group * m->w->plan.group_squares;
    if (m->schedule->grouped) status = run_squares(m->w, &s, &at);
    if (status || !m->preconditioner) return status;
    s.preconditioner = m->preconditioner;
    at = begin / m->group * m->w->plan.preconditioned_squares;
    return run_squares(m->w, &s, &at);
}

/* The sum of values, to its place in the ring. */
static tas_status sum_to_ring(workspace *w, const mem *values, uint32_t count, uint32_t step, int figure)
{
    tas_status status = TAS_OK;
    for (const mem *level = w->noise_sum; count > SUM_LANES && !status; level++) {
        status = workspace_sum_blocks(w, values, level, count, 0);
        values = level;
        count = (count - 1) / SUM_LANES + 1;
    }
    const uint32_t sums = w->plan.noise_sums;
    return status ? status
                  : workspace_sum_blocks(w, values, &w->noise_ring, count, step % RING * sums + (uint32_t)figure);
}

/* |g|^2 of the batch's gradient to the dense layers, or to the others. */
static tas_status sum_whole(workspace *w, bool grouped, uint32_t step)
{
    const squares s = {.gradients = w->tensor, .kind = grouped ? NOISE_GROUPS : NOISE_EXAMPLES, .scale = 1};
    uint32_t count = 0;
    const tas_status status = run_squares(w, &s, &count);
    return status ? status : sum_to_ring(w, &w->squares, count, step, grouped ? GROUP_WHOLE : DENSE_WHOLE);
}

static tas_status sum_preconditioned(const measurement *m, uint32_t groups, uint32_t step)
{
    workspace *w = m->w;
    const squares s = {.gradients = w->tensor, .preconditioner = m->preconditioner, .scale = 1};
    uint32_t count = groups * w->plan.preconditioned_squares;
    tas_status status = sum_to_ring(w, &w->preconditioned, count, step, PRECONDITIONED_PARTS);
    count = 0;
    if (!status) status = run_squares(w, &s, &count);
    return status ? status : sum_to_ring(w, &w->preconditioned, count, step, PRECONDITIONED_WHOLE);
}

/* The figures of the step, from the whole batch's gradient, the norms and the squares of the groups. */
static tas_status sum_figures(const measurement *m, uint32_t step)
{
    workspace *w = m->w;
    const uint32_t groups = (m->batch - 1) / m->group + 1;
    tas_status status = TAS_OK;
    if (m->schedule->grouped) {
        status = sum_to_ring(w, &w->squares, groups * w->plan.group_squares, step, GROUP_PARTS);
        if (!status) status = sum_whole(w, true, step);
    }
    if (m->schedule->dense && !status) status = sum_to_ring(w, &w->norms, m->batch, step, DENSE_PARTS);
    if (m->schedule->dense && !status) status = sum_whole(w, false, step);
    return m->preconditioner && !status ? sum_preconditioned(m, groups, step) : status;
}

tas_status noise_measure(workspace *w, const noise_schedule *schedule, const step_batch *batch, uint32_t step,
                         const op_args *preconditioner, const step_observer *also)
{
    measurement m = {.w = w,
                     .schedule = schedule,
                     .batch = batch->count,
                     .group = noise_schedule_group(schedule, batch->count),
                     .preconditioner = preconditioner,
                     .also = also};
    const bool grouped = schedule->grouped || preconditioner;
    const step_observer observer = {&m, grouped ? m.group : 0, after_call, after_tile, after_sums};
    const tas_status status = step_gradient(w, batch, &observer);
    return status ? status : sum_figures(&m, step);
}

bool noise_add_step(const noise_schedule *schedule, const float figures[NOISE_SUMS], uint32_t batch, uint64_t examples,
                    noise_scale *run, double *trace, double *square)
{
    noise_scale_groups layers[2];
    int count = 0;
    if (schedule->dense)
        layers[count++] =
            (noise_scale_groups){.parts = figures[DENSE_PARTS], .whole = figures[DENSE_WHOLE], .count = batch};
    if (schedule->grouped)
        layers[count++] = (noise_scale_groups){.parts = figures[GROUP_PARTS],
                                               .whole = figures[GROUP_WHOLE],
                                               .count = (batch - 1) / noise_schedule_group(schedule, batch) + 1};
    if (!noise_scale_estimate(layers, count, batch, examples, trace, square)) return false;
    noise_scale_add(run, *trace, *square);
    return true;
}

bool noise_add_preconditioned(const noise_schedule *schedule, const float figures[NOISE_SUMS_MOST], uint32_t batch,
                              uint64_t examples, noise_scale *run, double *trace, double *square)
{
    const noise_scale_groups all = {.parts = figures[PRECONDITIONED_PARTS],
                                    .whole = figures[PRECONDITIONED_WHOLE],
                                    .count = (batch - 1) / noise_schedule_group(schedule, batch) + 1};
    if (!noise_scale_estimate(&all, 1, batch, examples, trace, square)) return false;
    noise_scale_add(run, *trace, *square);
    return true;
}
