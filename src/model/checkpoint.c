/* Checkpoints: a model's parameters in a safetensors file, with its network in the metadata. A file that is read may
 * hold anything: its names, shapes and size are checked against its network before memory is taken for weights. */
#include "model/checkpoint.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define KEY_NETWORK "tassello.network"
#define KEY_NAME "tassello.name"
#define KEY_CONTRACT "tassello.contract"
#define KEY_TRAINING "tassello.training"
#define KEY_DATA "tassello.data"
#define KEY_STATE "tassello.state"
enum { NAME_MOST = 255 };

/* Saving ---------------------------------------------------------------------------------------------------------- */

/* What a checkpoint calls its network: the end of its path, with ? for each byte that is not UTF-8, which cannot be
 * stored. */
static void network_name(const tas_network *network, char name[NAME_MOST + 1])
{
    const char *slash = strrchr(network->from, '/'), *at = slash ? slash + 1 : network->from;
    size_t used = 0;
    for (int bytes; *at; at += bytes) {
        const int found = text_character_bytes(at);
        bytes = found ? found : 1;
        if (used + (size_t)bytes > NAME_MOST) break;
        memcpy(name + used, found ? at : "?", (size_t)bytes);
        used += (size_t)bytes;
    }
    name[used] = 0;
}

/* Reads all parameters into one array, which is *values, and describes them as tensors of a file. */
static tas_status read_parameters(tas_model *model, safetensor *tensors, float **values)
{
    const tas_network *network = model->network;
    uint64_t elements = 0, at = 0;
    for (int i = 0; i < network->parameter_count; i++) elements += network->infos[i].elements;
    *values = malloc((size_t)elements * sizeof **values);
    if (!*values) return fail(model->context, TAS_NO_MEMORY, "no memory to read the parameters");
    for (int i = 0; i < network->parameter_count; i++) {
        const tas_tensor_info *info = &network->infos[i];
        const tas_status status = parameters_read(model, network->parameters[i], *values + at);
        if (status) return status;
        tensors[i] = checkpoint_tensor(info, info->name, *values + at);
        at += info->elements;
    }
    return TAS_OK;
}

safetensor checkpoint_tensor(const tas_tensor_info *info, const char *name, const float *data)
{
    safetensor out = {.name = name, .ndims = info->ndims, .data = data};
    for (size_t d = 0; d < info->ndims; d++) out.dims[d] = info->dims[d];
    return out;
}

tas_status checkpoint_write(const tas_model *model, const safetensor *tensors, size_t count, const char *state,
                            const char *path, bool keeps)
{
    char contract[16], name[NAME_MOST + 1];
    file_writer writer;
    snprintf(contract, sizeof contract, "%d", tas_contract());
    network_name(model->network, name);
    const safetensors_pair all[] = {
        {KEY_NETWORK, model->network->text}, {KEY_NAME, name},          {KEY_CONTRACT, contract},
        {KEY_TRAINING, model->training},     {KEY_DATA, model->schema}, {KEY_STATE, state}};
    safetensors_pair pairs[sizeof all / sizeof *all];
    size_t used = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].text) pairs[used++] = all[i];
    tas_status status = file_begin(model->context, &writer, path);
    if (status) return status;
    status = safetensors_write(model->context, &writer, pairs, used, tensors, count);
    if (!status) return keeps ? file_commit_beside(model->context, &writer) : file_commit(model->context, &writer);
    file_abandon(&writer);
    return status;
}

tas_status tas_model_save(tas_model *model, const char *file)
{
    entry_state saved;
    float *values = NULL;
    const size_t count = (size_t)model->network->parameter_count;
    entry_begin(model->context, &saved);
    safetensor *tensors = calloc(count, sizeof *tensors);
    tas_status status = tensors ? TAS_OK : fail(model->context, TAS_NO_MEMORY, "%s: no memory to write it", file);
    if (!status) status = read_parameters(model, tensors, &values);
    if (!status) status = checkpoint_write(model, tensors, count, NULL, file, false);
    free(values);
    free(tensors);
    entry_end(&saved);
    return status;
}

/* Loading --------------------------------------------------------------------------------------------------------- */

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

/* "20 x 1 x 5 x 5" */
static const char *print_dims(const tas_tensor_info *info, char text[96])
{
    size_t at = 0;
    for (size_t d = 0; d < info->ndims; d++)
        at += (size_t)snprintf(text + at, 96 - at, "%s%zu", d ? " x " : "", info->dims[d]);
    return text;
}

bool checkpoint_has_shape(const safetensor *found, const tas_tensor_info *info)
{
    bool same = found->ndims == info->ndims;
    for (size_t d = 0; d < info->ndims && same; d++) same = found->dims[d] == info->dims[d];
    return same;
}

/* safetensors_open() has checked that the file has the bytes for it. */
tas_status checkpoint_find(const checkpoint *c, const tas_tensor_info *info, const char *name, const safetensor **out)
{
    char dims[96];
    *out = safetensors_find(c->file, name);
    if (!*out) return fail(c->context, TAS_BAD_DATA, "%s: tensor %s of its own network is missing", c->path, name);
    if (checkpoint_has_shape(*out, info)) return TAS_OK;
    return fail(c->context, TAS_BAD_DATA, "%s: the shape of tensor %s differs from its own network's (%s)", c->path,
                name, print_dims(info, dims));
}

/* Each parameter must be there, with its shape. */
static tas_status check_tensors(const checkpoint *c)
{
    const safetensor *t;
    tas_status status = TAS_OK;
    for (int i = 0; i < c->network->parameter_count && !status; i++)
        status = checkpoint_find(c, &c->network->infos[i], c->network->infos[i].name, &t);
    return status;
}

/* Weights are usable under any version of the contract; only a claim of equal bits is not. */
static void note_contract(const checkpoint *c)
{
    char ours[16];
    const char *its = safetensors_metadata(c->file, KEY_CONTRACT);
    snprintf(ours, sizeof ours, "%d", tas_contract());
    if (its && strcmp(its, ours) != 0)
        note(c->context,
             "%s: written under version %.20s of the arithmetic contract, but this is version %s: the weights are "
             "usable, but results may differ in bits from those of that version",
             c->path, its, ours);
}

const char *checkpoint_state(const checkpoint *c) { return safetensors_metadata(c->file, KEY_STATE); }

void checkpoint_close(checkpoint *c)
{
    tas_network_close(&c->network);
    safetensors_close(&c->file);
}

tas_status checkpoint_open(tas_context *context, const char *path, checkpoint *c)
{
    *c = (checkpoint){.context = context, .path = path};
    tas_status status = safetensors_open(context, path, &c->file);
    if (status) return status;
    const char *text = safetensors_metadata(c->file, KEY_NETWORK);
    if (!text)
        status = fail(context, TAS_BAD_DATA,
                      "%s: no network in its metadata (" KEY_NETWORK "): not a checkpoint of Tassello", path);
    if (!status) status = tas_network_parse(context, text, path, &c->network);
    if (!status) status = rename_network(c->network, safetensors_metadata(c->file, KEY_NAME));
    if (!status) status = check_tensors(c);
    if (status) checkpoint_close(c);
    return status;
}

tas_network *checkpoint_network(tas_context *context, const safetensors *file, const char *path)
{
    tas_network *network = NULL;
    const char *text = safetensors_metadata(file, KEY_NETWORK);
    if (text && tas_network_parse(context, text, path, &network)) network = NULL;
    return network;
}

/* An error in the values names the file that they came from. */
static tas_status read_values(void *user, const tas_model *model, int parameter, float *values)
{
    const checkpoint *c = user;
    const safetensor *t = safetensors_find(c->file, model->network->infos[parameter].name);
    tas_status status = safetensors_read(c->file, t, values);
    if (status) return status;
    status = parameters_admit(model, model->network->parameters[parameter], values);
    return status ? fail(c->context, status, "%s: %s", c->path, c->context->error) : TAS_OK;
}

static tas_status load_model(tas_device *device, const char *path, tas_model **out)
{
    checkpoint c;
    *out = NULL;
    tas_status status = checkpoint_open(device->context, path, &c);
    if (status) return status;
    note_contract(&c);
    tas_network *network = c.network;
    c.network = NULL; /* the model's */
    status = model_open(device, network, read_values, &c, out);
    if (!status) status = model_set_training(*out, safetensors_metadata(c.file, KEY_TRAINING));
    if (!status) status = model_set_schema(*out, safetensors_metadata(c.file, KEY_DATA));
    if (status) tas_model_close(out);
    checkpoint_close(&c);
    return status;
}

tas_status tas_model_load(tas_device *device, const char *file, tas_model **out)
{
    entry_state saved;
    entry_begin(device->context, &saved);
    const tas_status status = load_model(device, file, out);
    entry_end(&saved);
    return status;
}

tas_status tas_model_load_network(tas_context *context, const char *file, tas_network **out)
{
    entry_state saved;
    checkpoint c;
    *out = NULL;
    entry_begin(context, &saved);
    const tas_status status = checkpoint_open(context, file, &c);
    if (!status) {
        *out = c.network;
        c.network = NULL;
        checkpoint_close(&c);
    }
    entry_end(&saved);
    return status;
}

tas_status tas_model_load_schema(tas_context *context, const char *path, char **out)
{
    entry_state saved;
    safetensors *file = NULL;
    *out = NULL;
    entry_begin(context, &saved);
    tas_status status = safetensors_open(context, path, &file);
    const char *text = status ? NULL : safetensors_metadata(file, KEY_DATA);
    if (text && !(*out = strdup(text))) status = fail(context, TAS_NO_MEMORY, "%s: no memory for its schema", path);
    safetensors_close(&file);
    entry_end(&saved);
    return status;
}
