/* Prediction: the outputs of a network for inputs on the host. */
#include "train/predict.h"

#include "train/evaluate.h"
#include "train/feed.h"
#include "train/ranks.h"
#include "train/scale.h"

static tas_status predict_in(workspace *w, const tas_data *data, void *out)
{
    float *outputs = out;
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
        if (!status) scale_outputs(network, n, outputs + at * network->outputs);
    }
    return status;
}

tas_status predict_alone(tas_model *model, const float *inputs, uint32_t count, float *outputs)
{
    const tas_data_options options = {.size = sizeof options,
                                      .count = count,
                                      .input_size = model->network->inputs,
                                      .input_type = TAS_INPUT_F32,
                                      .target_type = TAS_TARGET_LABEL,
                                      .inputs = inputs};
    const tas_data data = {.context = model->context, .options = options, .name = "inputs"};
    if (!count) return TAS_OK;
    return evaluate_pass(model, &data, predict_in, outputs, "the prediction is repeated");
}

/* Over ranks, if there are any; here alone if one of the others cannot do its part. */
static tas_status predict(tas_model *model, const float *inputs, uint32_t count, float *outputs)
{
    tas_ranks *ranks = model->context->ranks;
    if (!ranks || !ranks_can_predict(ranks, count)) return predict_alone(model, inputs, count, outputs);
    const tas_status status = ranks_predict(ranks, model, inputs, count, outputs);
    if (status != TAS_RANK_FAILED || ranks->failed) return status;
    note_once(model->context, "%s; rank 0 predicts alone", model->context->error);
    return predict_alone(model, inputs, count, outputs);
}

tas_status tas_predict(tas_model *model, const float *inputs, size_t n, float *outputs)
{
    entry_state saved;
    tas_status status = TAS_OK;
    entry_begin(model->context, &saved);
    if (n > UINT32_MAX)
        status = fail(model->context, TAS_BAD_ARGUMENT, "%zu examples: at most 2^32 - 1 in one call", n);
    else
        status = predict(model, inputs, (uint32_t)n, outputs);
    entry_end(&saved);
    return status;
}
