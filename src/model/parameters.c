/* A model's parameters: filling, reading and writing them. The device has a layout of its own; callers see the
 * canonical one. */
#include "model/model.h"

#include "arith.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

uint64_t parameters_bytes(const tas_model *model) { return model->regions.bytes[PART_PARAMETERS]; }

layout parameters_layout(const tas_model *model, int index)
{
    const tensor *t = &model->network->tensors[index];
    if (!t->weight_panels) return (layout){1, (uint32_t)t->elements, 1};
    return (layout){t->dims[0], t->dims[1], device_weight_panel(model->device, t->dims[0], t->dims[1])};
}

void parameters_pack(const tas_model *model, int index, const float *values, char *packed)
{
    layout_pack(parameters_layout(model, index), values, (float *)(void *)packed);
}

void parameters_unpack(const tas_model *model, int index, const char *packed, float *values)
{
    layout_unpack(parameters_layout(model, index), (const float *)(const void *)packed, values);
}

static tas_status write_once(tas_model *model, int index, const float *values)
{
    const tensor *t = &model->network->tensors[index];
    const region *p = &model->regions.tensor[index];
    const device_driver *driver = model->device->driver;
    if (!t->weight_panels) return driver->write(model->device, &model->parameters, p->offset, values, p->bytes, true);
    float *packed = malloc((size_t)p->bytes);
    if (!packed) return fail(model->context, TAS_NO_MEMORY, "%s: no memory to write it", t->name);
    layout_pack(parameters_layout(model, index), values, packed);
    tas_status status = driver->write(model->device, &model->parameters, p->offset, packed, p->bytes, true);
    free(packed);
    return status;
}

/* Waits: a driver reports a lost write only at the next wait, where nothing would tell which one it was. */
tas_status parameters_write(tas_model *model, int index, const float *values)
{
    tas_status status = model->lost ? model_restore(model) : TAS_OK;
    int tries = 0;
    if (status) return status;
    model_drop_mirror(model);
    do {
        status = write_once(model, index, values);
        if (!status) status = model->device->driver->finish(model->device);
    } while (model_should_retry(model, status, &tries));
    return status;
}

/* From the mirror if the device has lost them. */
static tas_status read_bytes(tas_model *model, const region *p, void *to)
{
    if (!model->lost) return model->device->driver->read(model->device, &model->parameters, p->offset, to, p->bytes);
    memcpy(to, model->mirror.bytes + p->offset, (size_t)p->bytes);
    return TAS_OK;
}

static tas_status read_once(tas_model *model, int index, float *values)
{
    const tensor *t = &model->network->tensors[index];
    const region *p = &model->regions.tensor[index];
    if (!t->weight_panels) return read_bytes(model, p, values);
    float *packed = malloc((size_t)p->bytes);
    if (!packed) return fail(model->context, TAS_NO_MEMORY, "%s: no memory to read it", t->name);
    tas_status status = read_bytes(model, p, packed);
    if (!status) layout_unpack(parameters_layout(model, index), packed, values);
    free(packed);
    return status;
}

tas_status parameters_read(tas_model *model, int index, float *values)
{
    tas_status status;
    int tries = 0;
    do status = read_once(model, index, values);
    while (model_should_retry(model, status, &tries));
    return status;
}

tas_status parameters_admit(const tas_model *model, int index, float *values)
{
    const tensor *t = &model->network->tensors[index];
    for (uint64_t i = 0; i < t->elements; i++) {
        if (!arith_is_finite(values[i]))
            return fail(model->context, TAS_BAD_DATA, "%s: element %" PRIu64 " is not finite", t->name, i);
        values[i] = arith_flush(values[i]);
    }
    return TAS_OK;
}

static tas_status fill_once(tas_model *model, parameters_source source, void *user)
{
    tas_status status = model->device->driver->zero(model->device, &model->parameters); /* pads and gaps hold 0 */
    for (int i = 0; i < model->network->parameter_count && !status; i++) {
        const int index = model->network->parameters[i];
        const tensor *t = &model->network->tensors[index];
        float *values = malloc((size_t)t->elements * sizeof *values);
        if (!values) return fail(model->context, TAS_NO_MEMORY, "%s: no memory for its values", t->name);
        status = source(user, model, i, values);
        if (!status) status = write_once(model, index, values);
        free(values);
    }
    return status ? status : model->device->driver->finish(model->device);
}

/* Starts again if a command failed, because a failure to write the zeros may be reported only later. */
tas_status parameters_fill(tas_model *model, parameters_source source, void *user)
{
    tas_status status;
    int tries = 0;
    do {
        device_release(model->device, &model->parameters);
        status = device_alloc(model->device, parameters_bytes(model), &model->parameters);
        if (!status) status = fill_once(model, source, user);
    } while (model_should_retry(model, status, &tries));
    return status;
}
