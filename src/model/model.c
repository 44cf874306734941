/* A model: opening, reading and setting parameters, digest, checkpoints. */
#include "model/model.h"

#include "arith.h"
#include "base/digest.h"
#include "model/safetensors.h"

#include <stdlib.h>
#include <string.h>

static uint32_t panel_of(void *self, uint32_t rows, uint32_t cols) { return device_panel(self, rows, cols); }
static uint32_t lanes_of(void *self, uint32_t tile) { return device_lanes(self, tile); }
static uint64_t scratch_of(void *self, const op_args *args) { return device_scratch(self, args); }

/* At most 60 % of a discrete device's memory, 50 % of a shared one: allocation is over-committed (pitfall 1). */
plan_device device_limits(tas_device *device)
{
    const tas_device_info *info = &device->info; /* a limit of 0 is one that the driver would not tell */
    const uint64_t budget = info->shared_memory ? info->global_bytes / 2 : info->global_bytes / 5 * 3;
    return (plan_device){
        .id = info->id,
        .budget = budget ? budget : UINT64_MAX,
        .max_alloc = info->max_alloc_bytes ? info->max_alloc_bytes : UINT64_MAX,
        .align = info->align_bytes > 64 ? info->align_bytes : 64,
        .self = device,
        .panel = panel_of,
        .lanes = lanes_of,
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

static tas_status open_model(tas_device *device, const tas_network *network, uint64_t seed, tas_model **out)
{
    tas_context *context = device->context;
    tas_model *model = calloc(1, sizeof *model);
    *out = NULL;
    if (!model) return fail(context, TAS_NO_MEMORY, "no memory for a model");
    *model = (tas_model){.context = context, .device = device, .seed = seed, .limits = device_limits(device)};

    const plan_work nothing = {.batch = 1, .tile_most = 1};
    plan_device limits = model->limits;
    limits.budget = UINT64_MAX; /* these are the parameters alone: a run has its own plan */
    tas_status status = tas_network_parse(context, network->text, network->from, &model->network);
    if (!status) status = plan_with(model->network, &limits, &nothing, 1, false, &model->places);
    if (!status) status = model_init(model);
    if (status) {
        tas_model_close(&model);
        return status;
    }
    *out = model;
    return TAS_OK;
}

tas_status tas_model_open(tas_device *device, const tas_network *network, uint64_t seed, tas_model **out)
{
    entry_state saved;
    entry_begin(device->context, &saved);
    tas_status status = open_model(device, network, seed, out);
    entry_end(&saved);
    return status;
}

void tas_model_close(tas_model **model)
{
    if (!model || !*model) return;
    device_release((*model)->device, &(*model)->parameters);
    plan_free(&(*model)->places);
    free((*model)->kept);
    free((*model)->training);
    tas_network_close(&(*model)->network);
    free(*model);
    *model = NULL;
}

const tas_network *tas_model_network(const tas_model *model) { return model->network; }

const char *tas_model_training(const tas_model *model) { return model->training ? model->training : ""; }

static tas_status set_training(tas_model *model, const char *text)
{
    char *copy = NULL;
    for (const char *at = text ? text : ""; *at; at += utf8_character(at))
        if (!utf8_character(at))
            return fail(model->context, TAS_BAD_ARGUMENT, "how a model was trained: expected a text in UTF-8");
    if (text && *text && !(copy = strdup(text)))
        return fail(model->context, TAS_NO_MEMORY, "no memory for how a model was trained");
    free(model->training);
    model->training = copy;
    return TAS_OK;
}

tas_status tas_model_set_training(tas_model *model, const char *text)
{
    entry_state saved;
    entry_begin(model->context, &saved);
    const tas_status status = set_training(model, text);
    entry_end(&saved);
    return status;
}

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "tas_cancel() must be safe in a signal handler");
void tas_cancel(tas_model *model) { atomic_store(&model->cancelled, 1); }

/* A parameter by name; the error names those there are. */
static tas_status find_parameter(tas_model *model, const char *name, size_t count, int *index)
{
    const tas_network *network = model->network;
    char names[512] = "";
    for (int i = 0; i < network->parameter_count; i++) {
        const tas_tensor_info *info = &network->infos[i];
        if (!strcmp(info->name, name)) {
            if (info->elements != count)
                return fail(model->context, TAS_BAD_ARGUMENT, "%s: has %zu elements, not %zu", name, info->elements,
                            count);
            *index = network->parameters[i];
            return TAS_OK;
        }
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", info->name);
    }
    return fail(model->context, TAS_BAD_ARGUMENT, "'%s' is no parameter of this network; there are: %s", name, names);
}

tas_status tas_model_read(tas_model *model, const char *name, float *values, size_t count)
{
    entry_state saved;
    int index = 0;
    entry_begin(model->context, &saved);
    tas_status status = find_parameter(model, name, count, &index);
    if (!status) status = model_read_parameter(model, index, values);
    entry_end(&saved);
    return status;
}

/* Writes values that came from outside: finite, and brought under rule 8. */
static tas_status set_parameter(tas_model *model, int index, const float *values)
{
    const tensor *t = &model->network->tensors[index];
    float *flushed = malloc((size_t)t->elements * sizeof *flushed);
    if (!flushed) return fail(model->context, TAS_NO_MEMORY, "%s: no memory to set it", t->name);
    tas_status status = TAS_OK;
    for (uint64_t i = 0; i < t->elements && !status; i++) {
        flushed[i] = arith_flush(values[i]);
        if (!arith_is_finite(values[i]))
            status =
                fail(model->context, TAS_BAD_DATA, "%s: element %llu is not finite", t->name, (unsigned long long)i);
    }
    if (!status) status = model_write_parameter(model, index, flushed);
    free(flushed);
    return status;
}

tas_status tas_model_write(tas_model *model, const char *name, const float *values, size_t count)
{
    entry_state saved;
    int index = 0;
    entry_begin(model->context, &saved);
    tas_status status = find_parameter(model, name, count, &index);
    if (!status) status = set_parameter(model, index, values);
    entry_end(&saved);
    return status;
}

/* All parameters in canonical order and layout; freed by the caller. */
static tas_status read_all(tas_model *model, float **values)
{
    const tas_network *network = model->network;
    uint64_t elements = 0, at = 0;
    for (int i = 0; i < network->parameter_count; i++) elements += network->infos[i].elements;
    *values = malloc((size_t)elements * sizeof **values);
    if (!*values) return fail(model->context, TAS_NO_MEMORY, "no memory to read the parameters");
    tas_status status = TAS_OK;
    for (int i = 0; i < network->parameter_count && !status; i++) {
        status = model_read_parameter(model, network->parameters[i], *values + at);
        at += network->infos[i].elements;
    }
    if (status) {
        free(*values);
        *values = NULL;
    }
    return status;
}

tas_status tas_model_digest(tas_model *model, char hex[65])
{
    entry_state saved;
    float *values = NULL;
    uint64_t elements = 0;
    entry_begin(model->context, &saved);
    tas_status status = read_all(model, &values);
    if (!status) {
        digest d;
        for (int i = 0; i < model->network->parameter_count; i++) elements += model->network->infos[i].elements;
        digest_begin(&d);
        digest_add(&d, values, (size_t)elements);
        digest_end(&d, hex);
    }
    free(values);
    entry_end(&saved);
    return status;
}

/* Checkpoints -------------------------------------------------------------------------------------------------------
 */

enum { NAME_MOST = 255 };

/* What a checkpoint calls its network: the end of its path, with ? for each byte that is not UTF-8, which cannot be
 * stored. */
static void network_name(const tas_network *network, char name[NAME_MOST + 1])
{
    const char *slash = strrchr(network->from, '/'), *at = slash ? slash + 1 : network->from;
    size_t used = 0;
    for (int bytes; *at; at += bytes) {
        const int found = utf8_character(at);
        bytes = found ? found : 1;
        if (used + (size_t)bytes > NAME_MOST) break;
        memcpy(name + used, found ? at : "?", (size_t)bytes);
        used += (size_t)bytes;
    }
    name[used] = 0;
}

/* The network is called as the checkpoint says, so that saving it again keeps the name. */
static tas_status rename_network(tas_network *network, const char *name)
{
    if (!name || !*name || strlen(name) > NAME_MOST) return TAS_OK;
    char *copy = strdup(name);
    if (!copy) return fail(network->context, TAS_NO_MEMORY, "no memory for a network's name");
    free(network->from);
    network->from = copy;
    return TAS_OK;
}

static tas_status save_model(tas_model *model, const char *file)
{
    const tas_network *network = model->network;
    const int count = network->parameter_count;
    float *values = NULL;
    uint64_t at = 0;
    char contract[16], name[NAME_MOST + 1];
    file_writer writer;
    safetensor *tensors = calloc((size_t)count, sizeof *tensors);
    if (!tensors) return fail(model->context, TAS_NO_MEMORY, "%s: no memory to write it", file);
    tas_status status = read_all(model, &values);
    if (status) goto end;
    for (int i = 0; i < count; i++) {
        const tas_tensor_info *info = &network->infos[i];
        tensors[i] = (safetensor){.name = info->name, .ndims = info->ndims, .data = values + at};
        for (size_t d = 0; d < info->ndims; d++) tensors[i].dims[d] = info->dims[d];
        at += info->elements;
    }
    snprintf(contract, sizeof contract, "%d", tas_contract());
    network_name(network, name);
    const safetensors_pair metadata[] = {{"tassello.network", network->text},
                                         {"tassello.name", name},
                                         {"tassello.contract", contract},
                                         {"tassello.training", model->training}};
    const size_t pairs = sizeof metadata / sizeof *metadata - !model->training;
    status = file_begin(model->context, &writer, file);
    if (status) goto end;
    status = safetensors_write(model->context, &writer, metadata, pairs, tensors, (size_t)count);
    if (status)
        file_abandon(&writer);
    else
        status = file_commit(model->context, &writer);
end:
    free(values);
    free(tensors);
    return status;
}

tas_status tas_model_save(tas_model *model, const char *file)
{
    entry_state saved;
    entry_begin(model->context, &saved);
    tas_status status = save_model(model, file);
    entry_end(&saved);
    return status;
}

/* What is wrong with the values is told with the file that they came from. */
static tas_status set_loaded(tas_model *model, int index, const float *values, const char *path)
{
    tas_status status = set_parameter(model, index, values);
    return status == TAS_BAD_DATA ? fail(model->context, status, "%s: %s", path, model->context->error) : status;
}

/* "20 x 1 x 5 x 5" */
static const char *print_dims(const tas_tensor_info *info, char text[96])
{
    size_t at = 0;
    for (size_t d = 0; d < info->ndims; d++)
        at += (size_t)snprintf(text + at, 96 - at, "%s%zu", d ? " x " : "", info->dims[d]);
    return text;
}

static bool same_shape(const safetensor *t, const tas_tensor_info *info)
{
    bool same = t->ndims == info->ndims;
    for (size_t d = 0; d < info->ndims && same; d++) same = t->dims[d] == info->dims[d];
    return same;
}

/* Each parameter must be there, with its shape. */
static tas_status load_parameters(tas_model *model, const safetensors *file, const char *path)
{
    tas_status status = TAS_OK;
    for (int i = 0; i < model->network->parameter_count && !status; i++) {
        const tas_tensor_info *info = &model->network->infos[i];
        const safetensor *t = safetensors_find(file, info->name);
        char dims[96];
        if (!t)
            status = fail(model->context, TAS_BAD_DATA, "%s: lacks tensor %s of its own network", path, info->name);
        else if (!same_shape(t, info))
            status = fail(model->context, TAS_BAD_DATA, "%s: tensor %s has another shape than its own network's (%s)",
                          path, info->name, print_dims(info, dims));
        else
            status = set_loaded(model, model->network->parameters[i], t->data, path);
    }
    return status;
}

static tas_status load_model(tas_device *device, const char *path, tas_model **out)
{
    safetensors *file = NULL;
    tas_network *network = NULL;
    *out = NULL;
    tas_status status = safetensors_read(device->context, path, &file);
    if (status) return status;
    const char *text = safetensors_metadata(file, "tassello.network");
    if (!text)
        status = fail(device->context, TAS_BAD_DATA,
                      "%s: no network in its metadata (tassello.network): not a checkpoint of Tassello", path);
    if (!status) status = tas_network_parse(device->context, text, path, &network);
    if (!status) status = rename_network(network, safetensors_metadata(file, "tassello.name"));
    if (!status) status = open_model(device, network, 0, out);
    if (!status) status = load_parameters(*out, file, path);
    if (!status) status = set_training(*out, safetensors_metadata(file, "tassello.training"));
    if (status) tas_model_close(out);
    tas_network_close(&network);
    safetensors_close(&file);
    return status;
}

tas_status tas_model_load(tas_device *device, const char *file, tas_model **out)
{
    entry_state saved;
    entry_begin(device->context, &saved);
    tas_status status = load_model(device, file, out);
    entry_end(&saved);
    return status;
}
