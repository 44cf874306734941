/* A model on its device. */
#ifndef MODEL_H
#define MODEL_H

#include "device/device.h"
#include "network/network.h"
#include "plan/plan.h"

#include <tassello/model.h>

#include <stdatomic.h>

struct tas_run;

struct tas_model {
    tas_context *context;
    tas_device *device;
    tas_network *network; /* its own */
    char *training;       /* what checkpoints say of how the weights came about; NULL: nothing */
    char *schema;         /* and of the data: tas_data_schema(); NULL: nothing */
    uint64_t budget;      /* of evaluation and prediction, and of training that has none of its own; 0: the device's */
    plan_device limits;
    struct tas_run *run;  /* the training run that is open on it; NULL: none */
    mem parameters;       /* the whole part */
    plan regions;         /* of the parameters alone */
    atomic_int cancelled; /* set by signal handlers and other threads */
    bool recovery_logged;
    host_mem mirror; /* the parameters on the host, as the device lays them out; empty: only the device has them */
    bool lost;       /* the device has lost them */
};

/* Notes, once per model, that its device failed: how, as the context's error has it, and how it goes on. */
void model_log_recovery(tas_model *model, const char *goes_on);

/* Whether to try again what the device refused, as it may refuse once what it can do. *tries counts, from 0. */
bool model_should_retry(tas_model *model, tas_status status, int *tries);

/* Gives the values of the parameter with this index among the parameters, in canonical layout. */
typedef tas_status (*parameters_source)(void *user, const tas_model *model, int parameter, float *values);

/* Opens a model, whose parameters come from a source. The network is the model's from then on, even if this fails. */
tas_status model_open(tas_device *device, tas_network *network, parameters_source source, void *user, tas_model **out);

/* tas_model_set_training(), without being an entry point. */
tas_status model_set_training(tas_model *model, const char *text);

/* Sets what checkpoints say of the data that the model was trained on; NULL: nothing. */
tas_status model_set_schema(tas_model *model, const char *schema);

/* Allocates the parameters' memory on the device and fills it from a source. */
tas_status parameters_fill(tas_model *model, parameters_source source, void *user);
uint64_t parameters_bytes(const tas_model *model); /* of that memory */

/* Brings values from outside under rule 8 of the contract; refuses infinity and NaN. index: of the tensor. */
tas_status parameters_admit(const tas_model *model, int index, float *values);

/* The layout on the model's device of the parameter that is tensor `index`. What is not in panels is one row. */
layout parameters_layout(const tas_model *model, int index);

/* Values of the parameter that is tensor `index`, or of its optimizer's slots, between the canonical layout and the
 * device's, as a plan places them; pads are written as 0. */
void parameters_pack(const tas_model *model, int index, const float *values, char *packed);
void parameters_unpack(const tas_model *model, int index, const char *packed, float *values);

/* All values of the parameter that is tensor `index`, in canonical layout. */
tas_status parameters_write(tas_model *model, int index, const float *values);
tas_status parameters_read(tas_model *model, int index, float *values);

/* A lost context takes all memory in it with it. mirror: the host gets a copy of the parameters, which is valid until
 * they change (drop_mirror), if that goes well. mark_lost: only the host has them, and these, in the device's layout.
 * reopen: the device is opened anew, if nobody else holds memory of it, with memory for them that holds nothing yet.
 * restore: the same, and the mirror is written to it; lost if that fails. */
void model_mirror(tas_model *model);
void model_drop_mirror(tas_model *model);
void model_mark_lost(tas_model *model, host_mem *values); /* which are the model's from now on */
tas_status model_reopen(tas_model *model);
tas_status model_restore(tas_model *model);

/* What a device allows, at most: 60 % of a discrete device's memory, 50 % of a shared one's. */
plan_device model_device_limits(tas_device *device);

/* The same for a model; budget replaces its own, unless it is 0. */
plan_device model_limits(const tas_model *model, uint64_t budget);

#endif
