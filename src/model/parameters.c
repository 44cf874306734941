/* A model's parameters, on its device and on the host; and a device that breaks its word about them. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

/* A device that breaks its word --------------------------------------------------------------------------------------
 */

enum { TRIES_MOST = 3 };

void model_tell(tas_model *model, const char *goes_on)
{
    if (!model->told) note(model->context, "%s; %s", model->context->error, goes_on);
    model->told = true;
}

bool model_asks_again(tas_model *model, tas_status status, int *tries)
{
    if (status != TAS_NO_MEMORY && status != TAS_DEVICE_FAILED) return false;
    if (++*tries >= TRIES_MOST) return false;
    model_tell(model, "it is asked again");
    return true;
}

static uint64_t bytes_of(const tas_model *model) { return model->places.bytes[PART_PARAMETERS]; }

static layout layout_of(const tas_model *model, const tensor *t)
{
    return (layout){t->dims[0], t->dims[1], device_panel(model->device, t->dims[0], t->dims[1])};
}

/* Reading and writing -----------------------------------------------------------------------------------------------
 */

static tas_status write_once(tas_model *model, int index, const float *values)
{
    const tensor *t = &model->network->tensors[index];
    const place *p = &model->places.tensor[index];
    const device_driver *driver = model->device->driver;
    if (!t->panels) return driver->write(model->device, &model->parameters, p->offset, values, p->bytes, true);
    float *packed = malloc((size_t)p->bytes);
    if (!packed) return fail(model->context, TAS_NO_MEMORY, "%s: no memory to write it", t->name);
    layout_pack(layout_of(model, t), values, packed);
    tas_status status = driver->write(model->device, &model->parameters, p->offset, packed, p->bytes, true);
    free(packed);
    return status;
}

/* It has come when this returns: what a driver leaves out shows at the next wait, where nobody would know of this any
 * more. */
tas_status model_write_parameter(tas_model *model, int index, const float *values)
{
    tas_status status = model->gone ? model_revive(model) : TAS_OK;
    int tries = 0;
    if (status) return status;
    model_forget(model);
    do {
        status = write_once(model, index, values);
        if (!status) status = model->device->driver->finish(model->device);
    } while (model_asks_again(model, status, &tries));
    return status;
}

/* From the host, where the device has lost them. */
static tas_status read_bytes(tas_model *model, const place *p, void *to)
{
    if (!model->gone) return model->device->driver->read(model->device, &model->parameters, p->offset, to, p->bytes);
    memcpy(to, model->kept + p->offset, (size_t)p->bytes);
    return TAS_OK;
}

static tas_status read_once(tas_model *model, int index, float *values)
{
    const tensor *t = &model->network->tensors[index];
    const place *p = &model->places.tensor[index];
    if (!t->panels) return read_bytes(model, p, values);
    float *packed = malloc((size_t)p->bytes);
    if (!packed) return fail(model->context, TAS_NO_MEMORY, "%s: no memory to read it", t->name);
    tas_status status = read_bytes(model, p, packed);
    if (!status) layout_unpack(layout_of(model, t), packed, values);
    free(packed);
    return status;
}

tas_status model_read_parameter(tas_model *model, int index, float *values)
{
    tas_status status;
    int tries = 0;
    do status = read_once(model, index, values);
    while (model_asks_again(model, status, &tries));
    return status;
}

static tas_status init_once(tas_model *model)
{
    tas_status status = model->device->driver->zero(model->device, &model->parameters); /* pads and gaps hold 0 */
    for (int i = 0; i < model->network->parameter_count && !status; i++) {
        const int index = model->network->parameters[i];
        float *values = malloc((size_t)model->network->tensors[index].elements * sizeof *values);
        if (!values) return fail(model->context, TAS_NO_MEMORY, "no memory for initial parameters");
        init_parameter(model->network, i, model->seed, values);
        status = write_once(model, index, values);
        free(values);
    }
    return status ? status : model->device->driver->finish(model->device);
}

/* Memory, and what it holds at first; all of it anew where a command failed, since it shows only later that the zeros
 * were not written. */
tas_status model_init(tas_model *model)
{
    tas_status status;
    int tries = 0;
    do {
        device_release(model->device, &model->parameters);
        status = device_alloc(model->device, bytes_of(model), &model->parameters);
        if (!status) status = init_once(model);
    } while (model_asks_again(model, status, &tries));
    return status;
}

/* A context that is lost ------------------------------------------------------------------------------------------- */

void model_forget(tas_model *model)
{
    free(model->kept);
    model->kept = NULL;
}

void model_lose(tas_model *model, const char *values)
{
    char *copy = malloc((size_t)bytes_of(model));
    if (!copy) return;
    memcpy(copy, values, (size_t)bytes_of(model));
    model_forget(model);
    model->kept = copy;
    model->gone = true;
}

void model_keep(tas_model *model)
{
    if (model->kept || model->device->pieces > 1) return; /* with others' memory there, it would be of no use */
    model->kept = malloc((size_t)bytes_of(model));
    if (!model->kept) return;
    tas_status status;
    int tries = 0;
    do status = model->device->driver->read(model->device, &model->parameters, 0, model->kept, bytes_of(model));
    while (model_asks_again(model, status, &tries));
    if (status) model_forget(model);
}

/* With another model's memory in it the device stays as it is. */
tas_status model_renew(tas_model *model)
{
    device_release(model->device, &model->parameters);
    tas_status status = model->device->pieces ? TAS_OK : device_renew(model->device);
    return status ? status : device_alloc(model->device, bytes_of(model), &model->parameters);
}

tas_status model_revive(tas_model *model)
{
    if (!model->kept) return fail(model->context, TAS_DEVICE_FAILED, "the host does not have the parameters");
    tas_status status;
    int tries = 0;
    model->gone = true;
    do {
        status = model_renew(model);
        if (!status)
            status =
                model->device->driver->write(model->device, &model->parameters, 0, model->kept, bytes_of(model), true);
    } while (model_asks_again(model, status, &tries));
    model->gone = status != TAS_OK;
    return status;
}
