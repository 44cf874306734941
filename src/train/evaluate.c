/* Evaluation on a data set. The set passes through the device tile by tile; losses are summed by the contract's blocks,
 * so that the tile changes no bit. */
#include "train/evaluate.h"

#include "stats/metrics.h"
#include "train/feed.h"
#include "train/ranks.h"
#include "train/scale.h"

#include <stdlib.h>
#include <string.h>

/* Sums the losses and the correct examples of a chunk block by block, from block `at` on. */
static tas_status sum_chunk(workspace *w, uint32_t count, uint32_t at)
{
    const tas_network *network = w->network;
    tas_status status = workspace_sum_blocks(w, &w->tensor[network->losses], w->sum, count, at);
    if (!status && w->plan.weighted) status = workspace_sum_blocks(w, &w->weights, w->weight_sum, count, at);
    if (status || !network->classes) return status;
    return workspace_sum_blocks(w, &w->tensor[network->correct], w->correct_sum, count, at);
}

/* What an evaluation sums over the set, and the metrics that it gathers, if any. */
typedef struct evaluation {
    float sums[SUM_COUNT];
    metrics *metrics;    /* else NULL */
    evaluate_part *part; /* of several ranks' parts this one; NULL: all is evaluated here */
    tas_ranks *ranks;    /* on rank 0: those that have the others, until these have come */
    uint32_t rows;       /* examples that the memory below holds */
    float *outputs;
    void *inputs, *targets; /* inputs: for callbacks, which give both */
} evaluation;

enum { GATHERED = 1 << 18 }; /* bytes of outputs that come to the host at once */

static tas_status gather_open(const tas_network *network, const tas_data *data, evaluation *e)
{
    const uint64_t row = network->outputs * sizeof(float);
    e->rows = row < GATHERED ? (uint32_t)(GATHERED / row) : 1;
    e->outputs = malloc((size_t)(e->rows * row));
    e->targets = malloc(e->rows * dataset_target_bytes(data));
    if (dataset_root(data)->options.fill) e->inputs = malloc(e->rows * dataset_input_bytes(data));
    if (e->outputs && e->targets && (e->inputs || !dataset_root(data)->options.fill)) return TAS_OK;
    return fail(network->context, TAS_NO_MEMORY, "no memory for metrics");
}

static void gather_close(evaluation *e)
{
    free(e->outputs);
    free(e->inputs);
    free(e->targets);
}

/* Of a part: the outputs come to the host as they are. */
static tas_status keep_outputs(workspace *w, const evaluation *e, uint64_t first, uint32_t n)
{
    const uint64_t outputs = w->network->outputs;
    return w->device->driver->read(w->device, &w->tensor[w->network->output], 0, e->part->outputs + first * outputs,
                                   n * outputs * sizeof(float));
}

/* Adds examples, of which the first is `first` in the set and whose outputs are in e->outputs, to the metrics. */
static tas_status add_metrics(const tas_network *network, const tas_data *data, evaluation *e, uint64_t first,
                              uint32_t n)
{
    const size_t outputs = network->outputs, target = dataset_target_bytes(data);
    const tas_status status = dataset_fetch(data, first, n, e->inputs, e->targets);
    if (status) return status;
    scale_outputs(network, n, e->outputs);
    for (uint32_t r = 0; r < n; r++)
        metrics_add(e->metrics, e->outputs + r * outputs, (const char *)e->targets + r * target);
    return TAS_OK;
}

/* Of a tile, of which the first example is `first` in the set. */
static tas_status gather_tile(workspace *w, const tas_data *data, evaluation *e, uint64_t first, uint32_t n)
{
    const uint64_t row = w->network->outputs * sizeof(float);
    tas_status status = TAS_OK;
    for (uint32_t at = 0, some; at < n && !status; at += some) {
        some = n - at < e->rows ? n - at : e->rows;
        status = w->device->driver->read(w->device, &w->tensor[w->network->output], at * row, e->outputs, some * row);
        if (!status) status = add_metrics(w->network, data, e, first + at, some);
    }
    return status;
}

/* Runs forward over the examples of a chunk, of which the first is `first` in the set. */
static tas_status run_chunk(workspace *w, const tas_data *data, evaluation *e, uint32_t *order, uint32_t first,
                            uint32_t count)
{
    tas_status status = TAS_OK;
    for (uint32_t at = 0; at < count && !status; at += w->plan.tile) {
        const uint32_t n = count - at < w->plan.tile ? count - at : w->plan.tile;
        for (uint32_t i = 0; i < n; i++) order[i] = first + at + i;
        status = feed_tile(w, data, order, 0, n);
        const batch_pass *forward = w->plan.passes.pass;
        for (int c = 0; c < forward->count && !status; c++)
            status = workspace_run(w, forward->calls[c], n, at, w->plan.chunk);
        if (!status && e->part && e->part->outputs)
            status = keep_outputs(w, e, first + at, n);
        else if (!status && e->metrics)
            status = gather_tile(w, data, e, first + at, n);
        if (!status) status = feed_done(w);
    }
    return status ? status : sum_chunk(w, count, first / SUM_LANES);
}

static tas_status read_total(workspace *w, const mem *levels, uint32_t count, float *out)
{
    const mem *total;
    tas_status status = workspace_sum_levels(w, levels, (count - 1) / SUM_LANES + 1, &total);
    return status ? status : w->device->driver->read(w->device, total, 0, out, sizeof *out);
}

/* Builds and tests what a tile needs. */
static tas_status prepare_tile(workspace *w, const tas_data *data)
{
    const uint32_t all = (uint32_t)data->options.count, n = all < w->plan.tile ? all : w->plan.tile;
    const batch_pass *forward = w->plan.passes.pass;
    device_calls calls;
    device_list_calls(w->device, &calls);
    tas_status status = feed_gather(w, data, &w->source[0], !w->plan.resident, 0, n);
    for (int c = 0; c < forward->count && !status; c++)
        status = workspace_run(w, forward->calls[c], n, 0, w->plan.chunk);
    if (!status) status = sum_chunk(w, n, 0);
    const tas_status prepared = device_prepare(w->device);
    return status ? status : prepared;
}

/* Sums of blocks of some examples, between the device and the host. */
static tas_status move_blocks(workspace *w, const evaluate_part *part, uint32_t from, uint32_t to, bool writes)
{
    const mem *levels[SUM_COUNT] = {w->sum, w->plan.weighted ? w->weight_sum : NULL,
                                    w->network->classes ? w->correct_sum : NULL};
    const uint64_t first = from / SUM_LANES, count = (to + SUM_LANES - 1) / SUM_LANES - first;
    const device_driver *driver = w->device->driver;
    tas_status status = TAS_OK;
    for (int k = 0; k < SUM_COUNT && count && !status; k++) {
        float *host = part->block[k] + first;
        const uint64_t at = first * sizeof *host, bytes = count * sizeof *host;
        if (!levels[k]) continue;
        status = writes ? driver->write(w->device, levels[k], at, host, bytes, true)
                        : driver->read(w->device, levels[k], at, host, bytes);
    }
    return status;
}

/* Of the outputs of a whole set, which lie on the host. */
static tas_status gather_part(const tas_network *network, const tas_data *data, evaluation *e)
{
    const uint64_t outputs = network->outputs, all = data->options.count;
    tas_status status = TAS_OK;
    for (uint64_t at = 0, some; at < all && !status; at += some) {
        some = all - at < e->rows ? all - at : e->rows;
        memcpy(e->outputs, e->part->outputs + at * outputs, (size_t)(some * outputs) * sizeof(float));
        status = add_metrics(network, data, e, at, (uint32_t)some);
    }
    return status;
}

/* Of a part. On rank 0 the others' come, once, and are as if they had been computed here. */
static tas_status complete_part(workspace *w, const tas_data *data, evaluation *e, bool *whole)
{
    tas_status status = move_blocks(w, e->part, e->part->from, e->part->to, false);
    *whole = e->ranks != NULL || e->part->to - e->part->from == data->options.count;
    if (!status && e->ranks) status = ranks_evaluated(e->ranks, w->network->outputs, data, e->part);
    if (!status && e->ranks) {
        status = move_blocks(w, e->part, 0, (uint32_t)data->options.count, true);
        if (!status && e->metrics) status = gather_part(w->network, data, e);
    }
    return status;
}

static tas_status evaluate_in(workspace *w, const tas_data *data, void *out)
{
    const uint32_t all = (uint32_t)data->options.count;
    evaluation *e = out;
    const uint32_t from = e->part ? e->part->from : 0, to = e->part ? e->part->to : all;
    bool whole = true;
    host_mem order;
    tas_status status = device_alloc_host(w->device, w->plan.tile * sizeof(uint32_t), &order);
    if (e->metrics) metrics_reset(e->metrics);
    if (!status) status = feed_open(w, data);
    if (!status) status = prepare_tile(w, data);
    for (uint32_t first = from, n; first < to && !status; first += n) {
        n = to - first < w->plan.chunk ? to - first : w->plan.chunk;
        status = run_chunk(w, data, e, (uint32_t *)(void *)order.bytes, first, n);
    }
    if (!status) status = feed_settle(w);
    if (!status && e->part) status = complete_part(w, data, e, &whole);
    if (!status && whole) status = read_total(w, w->sum, all, &e->sums[SUM_LOSSES]);
    if (!status && whole && w->plan.weighted) status = read_total(w, w->weight_sum, all, &e->sums[SUM_WEIGHTS]);
    if (!status && whole && w->network->classes) status = read_total(w, w->correct_sum, all, &e->sums[SUM_CORRECT]);
    device_release_host(w->device, &order);
    return status;
}

tas_status evaluate_pass(tas_model *model, const tas_data *data,
                         tas_status (*pass)(workspace *w, const tas_data *data, void *out), void *out,
                         const char *message)
{
    plan_request request = forecast_request(data, false, (uint32_t)data->options.count, EVALUATE_MOST);
    workspace_retries tries = {0};
    tas_status status = TAS_OK;
    model_mirror(model);
    request.copy = model->mirror.bytes ? COPY_PARAMETERS : COPY_NONE;
    for (bool again = true; again;) {
        workspace w;
        bool shrunk;
        status = workspace_open(&w, model, &request, 0, &shrunk);
        if (status && !shrunk) return status; /* a plan that cannot be */
        const uint32_t tile = status ? 0 : w.plan.tile;
        w.evaluating = true;
        if (!status) status = pass(&w, data, out);
        workspace_close(&w);
        again = workspace_should_retry(model, &request, &tries, status, tile);
        if (again) model_log_recovery(model, message);
    }
    return status;
}

/* 0 if all weights are 0, as in training. */
static double mean_loss(const tas_network *network, const tas_data *data, const float *sums)
{
    if (!data->options.weights && !network->class_weights)
        return (double)sums[SUM_LOSSES] / (double)data->options.count;
    return sums[SUM_WEIGHTS] > 0 ? (double)sums[SUM_LOSSES] / (double)sums[SUM_WEIGHTS] : (double)sums[SUM_LOSSES];
}

/* Parts --------------------------------------------------------------------------------------------------------- */

tas_status evaluate_alloc(const tas_model *model, const tas_data *data, bool outputs, evaluate_part *part)
{
    const uint64_t count = data->options.count, blocks = (count + SUM_LANES - 1) / SUM_LANES;
    bool done = true;
    *part = (evaluate_part){0};
    for (int k = 0; k < SUM_COUNT && done; k++) done = (part->block[k] = calloc((size_t)blocks, sizeof(float))) != NULL;
    if (done && outputs)
        done = (part->outputs = malloc((size_t)(count * model->network->outputs) * sizeof(float))) != NULL;
    return done ? TAS_OK : fail(model->context, TAS_NO_MEMORY, "no memory for parts of an evaluation");
}

void evaluate_free(evaluate_part *part)
{
    for (int k = 0; k < SUM_COUNT; k++) free(part->block[k]);
    free(part->outputs);
    *part = (evaluate_part){0};
}

void evaluate_cut(uint64_t examples, uint32_t rank, uint32_t count, evaluate_part *part)
{
    const uint64_t blocks = (examples + SUM_LANES - 1) / SUM_LANES;
    const uint64_t from = blocks * rank / count * SUM_LANES, to = blocks * (rank + 1) / count * SUM_LANES;
    part->from = (uint32_t)(from < examples ? from : examples);
    part->to = (uint32_t)(to < examples ? to : examples);
}

tas_status evaluate_some(tas_model *model, const tas_data *data, evaluate_part *part)
{
    evaluation e = {.part = part};
    const tas_status status = feed_check(model->network, data);
    return status ? status : evaluate_pass(model, data, evaluate_in, &e, "the evaluation is repeated");
}

static tas_status pass_over_alone(tas_model *model, const tas_data *data, evaluation *e)
{
    return evaluate_pass(model, data, evaluate_in, e, "the evaluation is repeated");
}

static tas_status pass_over_parts(tas_model *model, const tas_data *data, evaluation *e)
{
    tas_ranks *ranks = model->context->ranks;
    evaluate_part part;
    tas_status status = evaluate_alloc(model, data, e->metrics != NULL, &part);
    if (!status) status = ranks_evaluate(ranks, model, data, e->metrics != NULL);
    evaluate_cut(data->options.count, 0, ranks->transport.count, &part);
    e->part = &part;
    e->ranks = ranks;
    if (!status) status = pass_over_alone(model, data, e);
    e->part = NULL;
    e->ranks = NULL;
    evaluate_free(&part);
    ranks_end_evaluation(ranks);
    return status;
}

/* Over ranks, if there are any; here alone if one of the others cannot evaluate its part. */
static tas_status pass_over_ranks(tas_model *model, const tas_data *data, evaluation *e)
{
    const tas_ranks *ranks = model->context->ranks;
    if (!ranks || !ranks_can_evaluate(ranks, model, data)) return pass_over_alone(model, data, e);
    const tas_status status = pass_over_parts(model, data, e);
    if (status != TAS_RANK_FAILED || ranks->failed) return status;
    note_once(model->context, "%s; rank 0 evaluates alone", model->context->error);
    return pass_over_alone(model, data, e);
}

static tas_status evaluate(tas_model *model, const tas_data *data, evaluation *e, tas_score *score)
{
    const uint32_t all = (uint32_t)data->options.count;
    tas_device *device = model->device;
    const uint64_t peak = device->peak_bytes, host_peak = device->host_peak_bytes;
    device_reset_peaks(device);
    tas_status status = pass_over_ranks(model, data, e);
    if (!status)
        *score = (tas_score){.loss = mean_loss(model->network, data, e->sums),
                             .accuracy = model->network->classes ? (double)e->sums[SUM_CORRECT] / all : -1,
                             .examples = all,
                             .correct = (uint64_t)e->sums[SUM_CORRECT],
                             .peak_bytes = device->peak_bytes,
                             .host_bytes = device->host_peak_bytes};
    if (peak > device->peak_bytes) device->peak_bytes = peak; /* a run's, whose callback evaluates */
    if (host_peak > device->host_peak_bytes) device->host_peak_bytes = host_peak;
    return status;
}

tas_status tas_evaluate(tas_model *model, const tas_data *data, tas_score *score)
{
    entry_state saved;
    evaluation e = {0};
    entry_begin(model->context, &saved);
    tas_status status = feed_check(model->network, data);
    if (!status) status = evaluate(model, data, &e, score);
    entry_end(&saved);
    return status;
}

static tas_status open_metrics(const tas_network *network, const tas_data *data, metrics *m)
{
    const bool labels = data->options.target_type == TAS_TARGET_LABEL, bce = network->loss == TAS_LOSS_BCE;
    const tas_metrics_kind kind = labels ? TAS_METRICS_CLASSES : bce ? TAS_METRICS_ANSWERS : TAS_METRICS_VALUES;
    const uint32_t count = labels && bce && network->outputs == 1 ? 2 : network->outputs;
    if (metrics_open(m, kind, network->outputs, count)) return TAS_OK;
    return fail(network->context, TAS_NO_MEMORY, "no memory for metrics");
}

tas_status tas_evaluate_metrics(tas_model *model, const tas_data *data, tas_score *score, tas_metrics **out)
{
    entry_state saved;
    metrics m = {0};
    evaluation e = {.metrics = &m};
    *out = NULL;
    entry_begin(model->context, &saved);
    tas_status status = feed_check(model->network, data);
    if (!status) status = open_metrics(model->network, data, &m);
    if (!status) status = gather_open(model->network, data, &e);
    if (!status) status = evaluate(model, data, &e, score);
    if (!status) *out = metrics_take(&m);
    gather_close(&e);
    metrics_close(&m);
    entry_end(&saved);
    return status;
}
