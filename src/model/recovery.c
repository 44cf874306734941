/* A device that fails a model: what it refused is asked for again; if its context is lost, so are the parameters in it,
 * and the host's copy of them is put into a new one. */
#include "model/model.h"

#include <string.h>

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

void model_forget(tas_model *model)
{
    device_release_host(model->device, &model->kept);
}

void model_lose(tas_model *model, const char *values)
{
    host_mem copy;
    if (device_alloc_host(model->device, parameters_bytes(model), &copy)) return;
    memcpy(copy.bytes, values, (size_t)parameters_bytes(model));
    model_forget(model);
    model->kept = copy;
    model->gone = true;
}

void model_keep(tas_model *model)
{
    const device_driver *driver = model->device->driver;
    if (model->kept.bytes || driver->never_fails) return;
    if (model->device->pieces > 1) return; /* with others' memory there, it would be of no use */
    if (device_alloc_host(model->device, parameters_bytes(model), &model->kept)) return;
    tas_status status;
    int tries = 0;
    do status = driver->read(model->device, &model->parameters, 0, model->kept.bytes, parameters_bytes(model));
    while (model_asks_again(model, status, &tries));
    if (status) model_forget(model);
}

/* With another model's memory in it the device stays as it is. */
tas_status model_renew(tas_model *model)
{
    device_release(model->device, &model->parameters);
    tas_status status = model->device->pieces ? TAS_OK : device_renew(model->device);
    return status ? status : device_alloc(model->device, parameters_bytes(model), &model->parameters);
}

tas_status model_revive(tas_model *model)
{
    if (!model->kept.bytes) return fail(model->context, TAS_DEVICE_FAILED, "the host does not have the parameters");
    tas_status status;
    int tries = 0;
    model->gone = true;
    do {
        status = model_renew(model);
        if (!status)
            status = model->device->driver->write(model->device, &model->parameters, 0, model->kept.bytes,
                                                  parameters_bytes(model), true);
    } while (model_asks_again(model, status, &tries));
    model->gone = status != TAS_OK;
    return status;
}
