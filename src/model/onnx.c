/* Models from and to ONNX files: the weights on a device. */
#include "onnx/onnx.h"

#include "model/model.h"

#include <string.h>

int tas_onnx_is_name(const char *file)
{
    const size_t length = strlen(file);
    return length > 5 && !strcmp(file + length - 5, ".onnx");
}

/* ---- in ---------------------------------------------------------------------------------------------------------- */

static tas_status copy_values(void *user, const tas_model *model, int parameter, float *values)
{
    const tas_onnx *onnx = user;
    const int index = model->network->parameters[parameter];
    const float *from = tas_onnx_values(onnx, (size_t)parameter);
    memcpy(values, from, (size_t)model->network->infos[parameter].elements * sizeof *values);
    return parameters_admit(model, index, values);
}

tas_status tas_onnx_model(const tas_onnx *onnx, tas_device *device, const char *name, tas_model **out)
{
    entry_state saved;
    tas_network *own = NULL;
    const tas_network *network = tas_onnx_network(onnx);
    *out = NULL;
    entry_begin(device->context, &saved);
    tas_status status = tas_network_parse(device->context, network->text, name ? name : network->from, &own);
    if (!status) status = model_open(device, own, copy_values, (void *)(uintptr_t)onnx, out);
    entry_end(&saved);
    return status;
}

/* ---- out --------------------------------------------------------------------------------------------------------- */

static tas_status read_values(void *user, int parameter, float *values)
{
    tas_model *model = user;
    return parameters_read(model, model->network->parameters[parameter], values);
}

tas_status tas_onnx_save(tas_model *model, const char *file, int probabilities)
{
    entry_state saved;
    entry_begin(model->context, &saved);
    const tas_status status = onnx_export(model->network, read_values, model, file, probabilities);
    entry_end(&saved);
    return status;
}
