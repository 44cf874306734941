/* Evaluation over a data set, and prediction. The set passes through the device in windows; losses are summed at the end by
 * the contract's blocks, so that neither window nor tile changes a bit. */
#include "train/model.h"

#include <stdlib.h>

enum { TILE_MOST = 512, WINDOW_BYTES = 16 << 20 };

/* The order 0, 1, 2, ... of a window. */
static tas_status write_order(workspace *w, uint32_t count)
{
    uint32_t *order = malloc((size_t)count * sizeof *order);
    if (!order) return fail(w->device->context, TAS_NO_MEMORY, "no memory for the order of %u examples", count);
    for (uint32_t i = 0; i < count; i++) order[i] = i;
    tas_status status = w->device->driver->write(w->device, &w->order, 0, order, (uint64_t)count * sizeof *order, true);
    free(order);
    return status;
}

static uint32_t window_of(const tas_data *data)
{
    const uint64_t bytes = data_input_bytes(data) + data_target_bytes(data);
    const uint64_t most = bytes > WINDOW_BYTES ? 1 : WINDOW_BYTES / bytes;
    return data->is.count < most ? (uint32_t)data->is.count : (uint32_t)most;
}

/* Runs forward over all examples of the window, of which the first is `first` in the set. */
static tas_status run_window(workspace *w, const tas_data *data, uint32_t first, uint32_t count, uint32_t all)
{
    tas_status status = TAS_OK;
    for (uint32_t at = 0; at < count && !status; at += w->plan.tile) {
        const uint32_t n = count - at < w->plan.tile ? count - at : w->plan.tile;
        status = feed_tile(w, data, at, n);
        if (!status) status = run_calls(w, w->network->forward, w->network->forward_count, n, first + at, all);
    }
    return status;
}

static tas_status read_total(workspace *w, const mem *values, const mem *levels, uint32_t count, float *out)
{
    const mem *total;
    tas_status status = run_sum(w, values, levels, count, &total);
    return status ? status : w->device->driver->read(w->device, total, 0, out, sizeof *out);
}

static tas_status evaluate(tas_model *model, const tas_data *data, tas_score *score)
{
    const uint32_t all = (uint32_t)data->is.count, window = window_of(data);
    const plan_work work = {.batch = all,
                            .tile_most = window < TILE_MOST ? window : TILE_MOST,
                            .window = window,
                            .input_bytes = data_input_bytes(data),
                            .target_bytes = data_target_bytes(data)};
    const tas_network *network = model->network;
    float loss = 0, hits = 0;
    workspace w;
    tas_status status = workspace_open(&w, model, &work, 0);
    if (!status) status = write_order(&w, window);
    for (uint32_t first = 0; first < all && !status; first += window) {
        const uint32_t n = all - first < window ? all - first : window;
        status = feed_upload(&w, data, first, n);
        if (!status) status = run_window(&w, data, first, n, all);
    }
    if (!status) status = read_total(&w, &w.tensor[network->losses], w.sum, all, &loss);
    if (!status && network->classes) status = read_total(&w, &w.tensor[network->hits], w.hit_sum, all, &hits);
    workspace_close(&w);
    if (status) return status;
    *score = (tas_score){.loss = (double)loss / all, .accuracy = -1, .examples = all};
    if (network->classes) {
        score->correct = (uint64_t)hits;
        score->accuracy = (double)hits / all;
    }
    return TAS_OK;
}

tas_status tas_evaluate(tas_model *model, const tas_data *data, tas_score *score)
{
    entry_state saved;
    entry_begin(model->context, &saved);
    tas_status status = check_data(model->network, data);
    if (!status) status = evaluate(model, data, score);
    entry_end(&saved);
    return status;
}

static tas_status predict(tas_model *model, const float *inputs, uint32_t count, float *outputs)
{
    const tas_network *network = model->network;
    const tas_data_options is = {.size = sizeof is,
                                 .count = count,
                                 .input_size = network->inputs,
                                 .input_type = TAS_INPUT_F32,
                                 .target_type = TAS_TARGET_LABEL,
                                 .inputs = inputs};
    tas_data data = {.context = model->context, .is = is, .name = "inputs"};
    const uint32_t tile_most = count < TILE_MOST ? count : TILE_MOST;
    const plan_work work = {.batch = tile_most,
                            .tile_most = tile_most,
                            .window = tile_most,
                            .input_bytes = sizeof(float) * network->inputs,
                            .target_bytes = sizeof(uint32_t)};
    workspace w;
    tas_status status = workspace_open(&w, model, &work, 0);
    if (!status) status = write_order(&w, tile_most);
    const uint32_t tile = status ? 1 : w.plan.tile; /* the tile may be smaller than the window */
    for (size_t at = 0; at < count && !status; at += tile) {
        const uint32_t n = count - at < tile ? (uint32_t)(count - at) : tile;
        const uint64_t row = sizeof(float) * network->inputs, result = sizeof(float) * network->outputs;
        status = w.device->driver->write(w.device, &w.inputs, 0, inputs + at * network->inputs, n * row, true);
        if (!status) status = feed_tile(&w, &data, 0, n);
        if (!status)
            status = run_calls(&w, network->forward, network->forward_count - 1, n, 0, n); /* all but the loss */
        if (!status)
            status = w.device->driver->read(w.device, &w.tensor[network->output], 0, outputs + at * network->outputs,
                                            n * result);
    }
    workspace_close(&w);
    return status;
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
