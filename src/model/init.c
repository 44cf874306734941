/* A model that takes its start from a file of weights: which of its tensors are whose, and what fits is set. */
#include "model/checkpoint.h"

#include "network/layers/layer.h"
#include "onnx/onnx.h"

#include <stdlib.h>
#include <string.h>

enum { TENSOR_NAME = 256 };

typedef struct start {
    tas_model *model;
    const char *path;
    safetensors *file; /* one of these two: */
    tas_onnx *onnx;
    safetensor *tensors;      /* of the ONNX model, one per parameter of its network */
    const tas_network *its;   /* of a checkpoint or an ONNX model; else NULL */
    tas_network *own;         /* the same, if it has to be closed */
    const safetensor **found; /* per parameter; NULL: none */
    bool *used;               /* per tensor of the file */
    size_t taken;
} start;

/* "weight", of "1.conv2d.weight". */
static const char *what_of(const tas_tensor_info *info) { return strrchr(info->name, '.') + 1; }

static const char *layer_name(const tas_network *network, size_t place) { return network->layers[place].name; }

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static size_t count_tensors(const start *s)
{
    return s->file ? safetensors_count(s->file) : (size_t)s->its->parameter_count;
}

static const safetensor *get_tensor(const start *s, size_t k)
{
    return s->file ? safetensors_get(s->file, k) : &s->tensors[k];
}

static const safetensor *find_named(const start *s, const char *name)
{
    if (s->file) return safetensors_find(s->file, name);
    for (size_t k = 0; k < count_tensors(s); k++)
        if (!strcmp(s->tensors[k].name, name)) return &s->tensors[k];
    return NULL;
}

static tas_status read_tensor(const start *s, const safetensor *t, float *values)
{
    if (s->file) return safetensors_read(s->file, t, values);
    memcpy(values, t->data, s->its->infos[t - s->tensors].elements * sizeof *values);
    return TAS_OK;
}

/* The loss is that of the model: none has to be chosen. */
static tas_status open_onnx(start *s)
{
    tas_context *context = s->model->context;
    const tas_status status = tas_onnx_open(context, s->path, tas_loss_name(s->model->network->loss), &s->onnx);
    if (status) return status;
    s->its = tas_onnx_network(s->onnx);
    s->tensors = calloc((size_t)s->its->parameter_count + 1, sizeof *s->tensors);
    if (!s->tensors) return fail(context, TAS_NO_MEMORY, "%s: no memory to read it", s->path);
    for (int i = 0; i < s->its->parameter_count; i++) {
        const tas_tensor_info *info = &s->its->infos[i];
        s->tensors[i] = checkpoint_tensor(info, info->name, tas_onnx_values(s->onnx, (size_t)i));
    }
    return TAS_OK;
}

static tas_status open_file(start *s)
{
    if (tas_onnx_is_name(s->path)) return open_onnx(s);
    const tas_status status = safetensors_open_any(s->model->context, s->path, &s->file);
    if (!status) s->its = s->own = checkpoint_network(s->model->context, s->file, s->path);
    return status;
}

/* ---- what is whose ----------------------------------------------------------------------------------------------- */

/* The parameter of the checkpoint's layer of that name. */
static const safetensor *find_in_checkpoint(const start *s, const char *name, const char *what)
{
    for (int i = 0; s->its && i < s->its->parameter_count; i++) {
        const tas_tensor_info *info = &s->its->infos[i];
        if (!strcmp(layer_name(s->its, info->layer), name) && !strcmp(what_of(info), what))
            return find_named(s, info->name);
    }
    return NULL;
}

/* Whether a tensor of the checkpoint belongs to a layer that has another name. */
static bool is_of_other_name(const start *s, const char *tensor_name, const char *name)
{
    for (int i = 0; s->its && i < s->its->parameter_count; i++) {
        const tas_tensor_info *info = &s->its->infos[i];
        const char *its = layer_name(s->its, info->layer);
        if (!strcmp(info->name, tensor_name)) return *its && *name && strcmp(its, name) != 0;
    }
    return false;
}

static const safetensor *find_tensor(const start *s, const tas_tensor_info *info)
{
    const char *name = layer_name(s->model->network, info->layer);
    char wanted[TENSOR_NAME];
    const safetensor *found = *name ? find_in_checkpoint(s, name, what_of(info)) : NULL;
    snprintf(wanted, sizeof wanted, "%s.%s", name, what_of(info));
    if (!found && *name) found = find_named(s, wanted);
    if (found || is_of_other_name(s, info->name, name)) return found;
    return find_named(s, info->name);
}

static bool fits(const safetensor *t, const tas_tensor_info *info)
{
    return t->type != SAFETENSOR_OTHER && checkpoint_has_shape(t, info);
}

/* What a checkpoint has beside its parameters is the state of its run. */
static bool is_of_run(const start *s, const char *name)
{
    for (int i = 0; s->its && i < s->its->parameter_count; i++)
        if (!strcmp(s->its->infos[i].name, name)) return false;
    return s->its != NULL;
}

static void find_all(start *s)
{
    for (size_t k = 0; k < count_tensors(s); k++) s->used[k] = is_of_run(s, get_tensor(s, k)->name);
    const tas_network *network = s->model->network;
    for (int i = 0; i < network->parameter_count; i++) {
        s->found[i] = find_tensor(s, &network->infos[i]);
        if (s->found[i] && fits(s->found[i], &network->infos[i])) s->taken++;
        for (size_t k = 0; k < count_tensors(s); k++) s->used[k] |= get_tensor(s, k) == s->found[i];
    }
}

static void report_one(const tas_init_entry *entry, tas_init_fn report, void *user, tas_context *context)
{
    entry_state ours;
    callback_begin(context, &ours);
    report(user, entry);
    callback_end(&ours);
}

static tas_init_entry describe(tas_init_state state, const tas_tensor_info *info, const safetensor *t)
{
    tas_init_entry entry = {.state = state, .parameter = info, .tensor = t ? t->name : NULL};
    entry.ndims = t ? t->ndims : 0;
    for (size_t d = 0; d < entry.ndims; d++) entry.dims[d] = (size_t)t->dims[d];
    return entry;
}

static void report_all(const start *s, tas_init_fn report, void *user)
{
    const tas_network *network = s->model->network;
    for (int i = 0; i < network->parameter_count; i++) {
        const safetensor *t = s->found[i];
        const tas_init_state state = !t                            ? TAS_INIT_MISSING
                                     : fits(t, &network->infos[i]) ? TAS_INIT_TAKEN
                                                                   : TAS_INIT_OTHER_SHAPE;
        const tas_init_entry entry = describe(state, &network->infos[i], t);
        report_one(&entry, report, user, s->model->context);
    }
    for (size_t k = 0; k < count_tensors(s); k++) {
        const tas_init_entry entry = describe(TAS_INIT_UNUSED, NULL, get_tensor(s, k));
        if (!s->used[k]) report_one(&entry, report, user, s->model->context);
    }
}

/* Reads a parameter's values; writes: and sets them. */
static tas_status transfer(const start *s, int i, bool writes)
{
    tas_model *model = s->model;
    const int index = model->network->parameters[i];
    float *values = malloc((size_t)model->network->tensors[index].elements * sizeof *values);
    if (!values) return fail(model->context, TAS_NO_MEMORY, "%s: no memory to read it", s->path);
    tas_status status = read_tensor(s, s->found[i], values);
    if (!status) {
        status = parameters_admit(model, index, values);
        if (status) fail(model->context, status, "%s: %s: %s", s->path, s->found[i]->name, model->context->error);
    }
    if (!status && writes) status = parameters_write(model, index, values);
    free(values);
    return status;
}

/* All are read before any is written. */
static tas_status transfer_all(const start *s)
{
    const tas_network *network = s->model->network;
    tas_status status = TAS_OK;
    for (int writes = 0; writes < 2; writes++)
        for (int i = 0; i < network->parameter_count && !status; i++)
            if (s->found[i] && fits(s->found[i], &network->infos[i])) status = transfer(s, i, writes);
    return status;
}

static tas_status fail_nothing(const start *s)
{
    enum { SHOWN = 6 };
    const tas_network *network = s->model->network;
    size_t count = 0;
    char list[512] = "";
    for (size_t k = 0; k < count_tensors(s); k++) {
        const char *name = get_tensor(s, k)->name;
        const size_t used = strlen(list);
        if (is_of_run(s, name)) continue;
        if (count < SHOWN) snprintf(list + used, sizeof list - used, "%s%.60s", count ? ", " : "", name);
        count++;
    }
    return fail(
        s->model->context, TAS_BAD_DATA,
        "%s: none of its %zu tensors has the name and shape of a parameter of %s; expected names such as %s, or "
        "layers named as in the file ('as fc1' for fc1.weight); it has: %s%s",
        s->path, count, network->from, network->infos[0].name, list, count > SHOWN ? ", ..." : "");
}

static tas_status init_from(start *s, tas_init_fn report, void *user)
{
    tas_context *context = s->model->context;
    if (s->model->run)
        return fail(context, TAS_BAD_ARGUMENT, "%s: parameters cannot be set while a training run is open", s->path);
    const tas_status status = open_file(s);
    if (status) return status;
    s->found = calloc((size_t)s->model->network->parameter_count, sizeof *s->found);
    s->used = calloc(count_tensors(s) + 1, sizeof *s->used);
    if (!s->found || !s->used) return fail(context, TAS_NO_MEMORY, "%s: no memory to read it", s->path);
    find_all(s);
    if (report) report_all(s, report, user);
    return s->taken ? transfer_all(s) : fail_nothing(s);
}

tas_status tas_model_init_from(tas_model *model, const char *file, tas_init_fn report, void *user, size_t *taken)
{
    start s = {.model = model, .path = file};
    entry_state saved;
    entry_begin(model->context, &saved);
    const tas_status status = init_from(&s, report, user);
    if (taken) *taken = status ? 0 : s.taken;
    tas_network_close(&s.own);
    safetensors_close(&s.file);
    free(s.tensors);
    tas_onnx_close(&s.onnx);
    free(s.found);
    free(s.used);
    entry_end(&saved);
    return status;
}
