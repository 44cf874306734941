/* A model: opening, reading and setting parameters, digest. */
#include "model/model.h"

#include "base/digest.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static uint32_t weight_panel_of(void *self, uint32_t rows, uint32_t cols)
{
    return device_weight_panel(self, rows, cols);
}
static uint32_t batch_panel_of(void *self, uint32_t tile) { return device_batch_panel(self, tile); }
static uint64_t scratch_of(void *self, const op_args *args) { return device_scratch(self, args); }

/* Not all of the memory, because drivers allocate lazily and over-commit. */
plan_device model_device_limits(tas_device *device)
{
    const tas_device_info *info = &device->info; /* 0: the driver does not report this limit */
    const uint64_t budget = info->shared_memory ? info->global_bytes / 2 : info->global_bytes / 5 * 3;
    return (plan_device){
        .id = info->id,
        .shared = info->shared_memory,
        .snapshots = info->shared_memory ? 1 : 2,
        .budget = budget ? budget : UINT64_MAX,
        .max_alloc = info->max_alloc_bytes ? info->max_alloc_bytes : UINT64_MAX,
        .align = info->align_bytes > 64 ? info->align_bytes : 64,
        .self = device,
        .weight_panel = weight_panel_of,
        .batch_panel = batch_panel_of,
        .scratch = scratch_of,
    };
}

plan_device model_limits(const tas_model *model, uint64_t budget)
{
    plan_device limits = model->limits;
    if (!budget) budget = model->budget;
    if (budget) limits.budget = budget;
    return limits;
}

void tas_model_set_budget(tas_model *model, uint64_t bytes) { model->budget = bytes; }

tas_status model_open(tas_device *device, tas_network *network, parameters_source source, void *user, tas_model **out)
{
    tas_context *context = device->context;
    tas_model *model = calloc(1, sizeof *model);
    *out = NULL;
    if (!model) {
        tas_network_close(&network);
        return fail(context, TAS_NO_MEMORY, "no memory for a model");
    }
    *model =
        (tas_model){.context = context, .device = device, .network = network, .limits = model_device_limits(device)};

    const plan_request nothing = {.batch = 1, .max_tile = 1};
    plan_device limits = model->limits;
    limits.budget = UINT64_MAX; /* this plan has only the parameters: a run has its own */
    tas_status status = plan_with(network, &limits, &nothing, 1, false, &model->regions);
    if (!status) status = parameters_fill(model, source, user);
    if (status) {
        tas_model_close(&model);
        return status;
    }
    *out = model;
    return TAS_OK;
}

static tas_status draw_initial(void *user, const tas_model *model, int index, float *values)
{
    const uint64_t *seed = user;
    network_init_parameter(model->network, index, *seed, values);
    return TAS_OK;
}

tas_status tas_model_open(tas_device *device, const tas_network *network, uint64_t seed, tas_model **out)
{
    entry_state saved;
    tas_network *own = NULL;
    *out = NULL;
    entry_begin(device->context, &saved);
    tas_status status = network_check_resolved(network);
    if (!status) status = tas_network_parse(device->context, network->text, network->from, &own);
    if (!status) status = model_open(device, own, draw_initial, &seed, out);
    entry_end(&saved);
    return status;
}

void tas_model_close(tas_model **model)
{
    if (!model || !*model) return;
    device_release((*model)->device, &(*model)->parameters);
    plan_free(&(*model)->regions);
    model_drop_mirror(*model);
    free((*model)->training);
    free((*model)->schema);
    tas_network_close(&(*model)->network);
    free(*model);
    *model = NULL;
}

const tas_network *tas_model_network(const tas_model *model) { return model->network; }

const char *tas_model_training(const tas_model *model) { return model->training ? model->training : ""; }

tas_status model_set_training(tas_model *model, const char *text)
{
    char *copy = NULL;
    if (text && !text_is_utf8(text))
        return fail(model->context, TAS_BAD_ARGUMENT, "how a model was trained: expected a text in UTF-8");
    if (text && *text && !(copy = strdup(text)))
        return fail(model->context, TAS_NO_MEMORY, "no memory for how a model was trained");
    free(model->training);
    model->training = copy;
    return TAS_OK;
}

tas_status model_set_schema(tas_model *model, const char *schema)
{
    char *copy = schema ? strdup(schema) : NULL;
    if (schema && !copy) return fail(model->context, TAS_NO_MEMORY, "no memory for what the data were");
    free(model->schema);
    model->schema = copy;
    return TAS_OK;
}

const char *tas_model_data_schema(const tas_model *model) { return model->schema; }

tas_status tas_model_set_training(tas_model *model, const char *text)
{
    entry_state saved;
    entry_begin(model->context, &saved);
    const tas_status status = model_set_training(model, text);
    entry_end(&saved);
    return status;
}

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "tas_cancel() must be safe in a signal handler");
void tas_cancel(tas_model *model) { atomic_store(&model->cancelled, 1); }

/* Fails with the nearest name, and the list of all. */
static tas_status unknown_parameter(const tas_model *model, const char *name)
{
    const tas_network *network = model->network;
    const char **known = calloc((size_t)network->parameter_count + 1, sizeof *known);
    char names[512] = "", hint[128] = "";
    if (!known) return fail(model->context, TAS_NO_MEMORY, "no memory to look up a parameter");
    for (int i = 0; i < network->parameter_count; i++) {
        const size_t used = strlen(names);
        known[i] = network->infos[i].name;
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", known[i]);
    }
    const char *nearest = tas_suggest(name, known);
    if (nearest) snprintf(hint, sizeof hint, " (did you mean '%s'?)", nearest);
    free(known);
    return fail(model->context, TAS_BAD_ARGUMENT, "unknown parameter '%s'%s; this network has: %s", name, hint, names);
}

static tas_status find_parameter(const tas_model *model, const char *name, size_t count, int *index)
{
    const tas_network *network = model->network;
    for (int i = 0; i < network->parameter_count; i++) {
        const tas_tensor_info *info = &network->infos[i];
        if (strcmp(info->name, name) != 0) continue;
        *index = network->parameters[i];
        if (info->elements == count) return TAS_OK;
        return fail(model->context, TAS_BAD_ARGUMENT, "%s has %zu elements, not %zu", name, info->elements, count);
    }
    return unknown_parameter(model, name);
}

tas_status tas_model_read(tas_model *model, const char *name, float *values, size_t count)
{
    entry_state saved;
    int index = 0;
    entry_begin(model->context, &saved);
    tas_status status = find_parameter(model, name, count, &index);
    if (!status) status = parameters_read(model, index, values);
    entry_end(&saved);
    return status;
}

static tas_status set_parameter(tas_model *model, int index, const float *values)
{
    const tensor *t = &model->network->tensors[index];
    float *own = malloc((size_t)t->elements * sizeof *own);
    if (!own) return fail(model->context, TAS_NO_MEMORY, "%s: no memory to set it", t->name);
    memcpy(own, values, (size_t)t->elements * sizeof *own);
    tas_status status = parameters_admit(model, index, own);
    if (!status) status = parameters_write(model, index, own);
    free(own);
    return status;
}

tas_status tas_model_write(tas_model *model, const char *name, const float *values, size_t count)
{
    entry_state saved;
    int index = 0;
    entry_begin(model->context, &saved);
    tas_status status = find_parameter(model, name, count, &index);
    if (!status && model->run)
        status = fail(model->context, TAS_BAD_ARGUMENT, "%s: cannot be set while a training run is open", name);
    if (!status) status = set_parameter(model, index, values);
    entry_end(&saved);
    return status;
}

static tas_status digest_parameters(tas_model *model, char hex[65])
{
    const tas_network *network = model->network;
    tas_status status = TAS_OK;
    digest d;
    digest_begin(&d);
    for (int i = 0; i < network->parameter_count && !status; i++) {
        const size_t elements = network->infos[i].elements;
        float *values = malloc(elements * sizeof *values);
        status = values ? parameters_read(model, network->parameters[i], values)
                        : fail(model->context, TAS_NO_MEMORY, "%s: no memory to read it", network->infos[i].name);
        if (!status) digest_add(&d, values, elements);
        free(values);
    }
    digest_end(&d, hex);
    return status;
}

tas_status tas_model_digest(tas_model *model, char hex[65])
{
    entry_state saved;
    entry_begin(model->context, &saved);
    const tas_status status = digest_parameters(model, hex);
    entry_end(&saved);
    return status;
}
