/* A device that fails: what it refused is tried again; if its context is lost, so are the parameters in it, and the
 * host's copy of them is written to a new one. */
#include "model/model.h"

enum { TRIES_MOST = 3 };

void model_log_recovery(tas_model *model, const char *goes_on)
{
    if (!model->recovery_logged) note(model->context, "%s; %s", model->context->error, goes_on);
    model->recovery_logged = true;
}

bool model_should_retry(tas_model *model, tas_status status, int *tries)
{
    if (status != TAS_NO_MEMORY && status != TAS_DEVICE_FAILED) return false;
    if (++*tries >= TRIES_MOST) return false;
    model_log_recovery(model, "it is tried again");
    return true;
}

void model_drop_mirror(tas_model *model) { device_release_host(model->device, &model->mirror); }

void model_mark_lost(tas_model *model, host_mem *values)
{
    model_drop_mirror(model);
    model->mirror = *values;
    model->lost = true;
    *values = (host_mem){0};
}

void model_mirror(tas_model *model)
{
    const device_driver *driver = model->device->driver;
    if (model->mirror.bytes || driver->never_fails) return;
    if (model->device->pieces > 1) return; /* the device could not be reopened: others hold memory of it */
    if (device_alloc_host(model->device, parameters_bytes(model), &model->mirror)) return;
    tas_status status;
    int tries = 0;
    do status = driver->read(model->device, &model->parameters, 0, model->mirror.bytes, parameters_bytes(model));
    while (model_should_retry(model, status, &tries));
    if (status) model_drop_mirror(model);
}

/* The device is reopened only if no other model holds memory of it. */
tas_status model_reopen(tas_model *model)
{
    device_release(model->device, &model->parameters);
    tas_status status = model->device->pieces ? TAS_OK : device_reopen(model->device);
    return status ? status : device_alloc(model->device, parameters_bytes(model), &model->parameters);
}

tas_status model_restore(tas_model *model)
{
    if (!model->mirror.bytes) return fail(model->context, TAS_DEVICE_FAILED, "the host does not have the parameters");
    tas_status status;
    int tries = 0;
    model->lost = true;
    do {
        status = model_reopen(model);
        if (!status)
            status = model->device->driver->write(model->device, &model->parameters, 0, model->mirror.bytes,
                                                  parameters_bytes(model), true);
    } while (model_should_retry(model, status, &tries));
    model->lost = status != TAS_OK;
    return status;
}
