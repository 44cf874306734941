/* Evaluation on a data set, and prediction. The set passes through the device tile by tile; losses are summed by the
 * contract's blocks, so that the tile changes no bit. */
#include "train/feed.h"

/* Sums the losses and the correct examples of a chunk block by block, from block `at` on. */
static tas_status sum_chunk(workspace *w, uint32_t count, uint32_t at)
{
    const tas_network *network = w->network;
    tas_status status = workspace_sum_blocks(w, &w->tensor[network->losses], w->sum, count, at);
    if (!status && w->plan.weighted) status = workspace_sum_blocks(w, &w->weights, w->weight_sum, count, at);
    if (status || !network->classes) return status;
    return workspace_sum_blocks(w, &w->tensor[network->correct], w->correct_sum, count, at);
}

/* Runs forward over the examples of a chunk, of which the first is `first` in the set. */
static tas_status run_chunk(workspace *w, const tas_data *data, uint32_t *order, uint32_t first, uint32_t count)
{
    tas_status status = TAS_OK;
    for (uint32_t at = 0; at < count && !status; at += w->plan.tile) {
        const uint32_t n = count - at < w->plan.tile ? count - at : w->plan.tile;
        for (uint32_t i = 0; i < n; i++) order[i] = first + at + i;
        status = feed_tile(w, data, order, 0, n);
        const batch_pass *forward = w->plan.passes.pass;
        for (int c = 0; c < forward->count && !status; c++)
            status = workspace_run(w, forward->calls[c], n, at, w->plan.chunk);
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

/* What an evaluation sums over the set. */
enum { SUM_LOSSES, SUM_WEIGHTS, SUM_CORRECT, SUM_COUNT };

static tas_status evaluate_in(workspace *w, const tas_data *data, float *sums)
{
    const uint32_t all = (uint32_t)data->options.count;
    host_mem order;
    tas_status status = device_alloc_host(w->device, w->plan.tile * sizeof(uint32_t), &order);
    if (!status) status = feed_open(w, data);
    for (uint32_t first = 0, n; first < all && !status; first += n) {
        n = all - first < w->plan.chunk ? all - first : w->plan.chunk;
        status = run_chunk(w, data, (uint32_t *)(void *)order.bytes, first, n);
    }
    if (!status) status = feed_settle(w);
    if (!status) status = read_total(w, w->sum, all, &sums[SUM_LOSSES]);
    if (!status && w->plan.weighted) status = read_total(w, w->weight_sum, all, &sums[SUM_WEIGHTS]);
    if (!status && w->network->classes) status = read_total(w, w->correct_sum, all, &sums[SUM_CORRECT]);
    device_release_host(w->device, &order);
    return status;
}

/* A pass over a set changes nothing: if a device refuses memory or fails, it is repeated. message: for the log. */
static tas_status pass_over(tas_model *model, const tas_data *data,
                            tas_status (*pass)(workspace *w, const tas_data *data, float *out), float *out,
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

static tas_status evaluate(tas_model *model, const tas_data *data, tas_score *score)
{
    const uint32_t all = (uint32_t)data->options.count;
    tas_device *device = model->device;
    const uint64_t peak = device->peak_bytes, host_peak = device->host_peak_bytes;
    float sums[SUM_COUNT] = {0};
    device_reset_peaks(device);
    tas_status status = pass_over(model, data, evaluate_in, sums, "the evaluation is repeated");
    if (!status)
        *score = (tas_score){.loss = mean_loss(model->network, data, sums),
                             .accuracy = model->network->classes ? (double)sums[SUM_CORRECT] / all : -1,
                             .examples = all,
                             .correct = (uint64_t)sums[SUM_CORRECT],
                             .peak_bytes = device->peak_bytes,
                             .host_bytes = device->host_peak_bytes};
    if (peak > device->peak_bytes) device->peak_bytes = peak; /* a run's, whose callback evaluates */
    if (host_peak > device->host_peak_bytes) device->host_peak_bytes = host_peak;
    return status;
}

tas_status tas_evaluate(tas_model *model, const tas_data *data, tas_score *score)
{
    entry_state saved;
    entry_begin(model->context, &saved);
    tas_status status = feed_check(model->network, data);
    if (!status) status = evaluate(model, data, score);
    entry_end(&saved);
    return status;
}

static tas_status predict_in(workspace *w, const tas_data *data, float *outputs)
{
    const tas_network *network = w->network;
    const device_driver *driver = w->device->driver;
    const size_t count = data->options.count;
    const float *inputs = data->options.inputs;
    const uint64_t row = sizeof(float) * network->inputs, result = sizeof(float) * network->outputs;
    tas_status status = TAS_OK;
    for (size_t at = 0; at < count && !status; at += w->plan.tile) {
        const uint32_t n = count - at < w->plan.tile ? (uint32_t)(count - at) : w->plan.tile;
        status = driver->write(w->device, &w->source[0].inputs, 0, inputs + at * network->inputs, n * row, true);
        if (!status) status = feed_gather(w, data, &w->source[0], true, 0, n);
        const batch_pass *forward = w->plan.passes.pass;
        for (int c = 0; c < forward->count - 1 && !status; c++) /* all but the loss */
            status = workspace_run(w, forward->calls[c], n, 0, n);
        if (!status)
            status =
                driver->read(w->device, &w->tensor[network->output], 0, outputs + at * network->outputs, n * result);
    }
    return status;
}

static tas_status predict(tas_model *model, const float *inputs, uint32_t count, float *outputs)
{
    const tas_data_options options = {.size = sizeof options,
                                      .count = count,
                                      .input_size = model->network->inputs,
                                      .input_type = TAS_INPUT_F32,
                                      .target_type = TAS_TARGET_LABEL,
                                      .inputs = inputs};
    const tas_data data = {.context = model->context, .options = options, .name = "inputs"};
    return pass_over(model, &data, predict_in, outputs, "the prediction is repeated");
}

tas_status tas_predict(tas_model *model, const float *inputs, size_t n, float *outputs)
{
    entry_state saved;
    tas_status status = TAS_OK;
    entry_begin(model->context, &saved);
    if (n > UINT32_MAX)
        status = fail(model->context, TAS_BAD_ARGUMENT, "%zu examples: at most 2^32 - 1 in one call", n);
    else if (n)
        status = predict(model, inputs, (uint32_t)n, outputs);
    entry_end(&saved);
    return status;
}
