/* tassello train --init: the weights that a run begins with, and what was taken of the file. */
#include "train.h"

#include <string.h>

/* By tas_init_state: the name in JSON, and for people. */
static const struct {
    const char *name, *text;
} states[] = {[TAS_INIT_TAKEN] = {"taken", "taken"},
              [TAS_INIT_MISSING] = {"missing", "not in the file, so as in a new network"},
              [TAS_INIT_OTHER_SHAPE] = {"other_shape", "of another shape or type in the file, so as in a new network"},
              [TAS_INIT_UNUSED] = {"unused", "in the file, but not in the network"}};
enum { STATES = sizeof states / sizeof *states };

static json_t *describe_dims(const size_t *dims, size_t count)
{
    json_t *a = json_array();
    for (size_t d = 0; d < count; d++) json_array_append_new(a, json_integer((json_int_t)dims[d]));
    return a;
}

static void add_entry(void *user, const tas_init_entry *entry)
{
    const tas_tensor_info *parameter = entry->parameter;
    json_t *o = json_object();
    if (parameter) json_object_set_new(o, "parameter", json_string(parameter->name));
    if (parameter) json_object_set_new(o, "shape", describe_dims(parameter->dims, parameter->ndims));
    if (entry->tensor) json_object_set_new(o, "tensor", cli_json_text(entry->tensor));
    if (entry->tensor) json_object_set_new(o, "tensor_shape", describe_dims(entry->dims, entry->ndims));
    json_array_append_new(json_object_get(user, states[entry->state].name), o);
}

/* " (20 x 1 x 5 x 5)" */
static void print_dims(const json_t *dims, FILE *stream)
{
    for (size_t d = 0; d < json_array_size(dims); d++)
        fprintf(stream, "%s%lld", d ? " x " : " (", (long long)json_integer_value(json_array_get(dims, d)));
    if (json_array_size(dims)) fprintf(stream, ")");
}

/* "3.dense.weight = fc.weight": the parameter, and the tensor if that has another name; shapes if they differ. */
static void print_entry(const json_t *entry, bool shapes, FILE *stream)
{
    const char *parameter = json_string_value(json_object_get(entry, "parameter"));
    const char *tensor = json_string_value(json_object_get(entry, "tensor"));
    if (parameter) fprintf(stream, "%s", parameter);
    if (parameter && shapes) print_dims(json_object_get(entry, "shape"), stream);
    if (tensor && (!parameter || shapes || strcmp(parameter, tensor) != 0))
        fprintf(stream, "%s%s", parameter ? " = " : "", cli_shown(tensor));
    if (tensor && shapes) print_dims(json_object_get(entry, "tensor_shape"), stream);
}

static void print_state(const json_t *init, int state)
{
    const json_t *list = json_object_get(init, states[state].name);
    if (!json_array_size(list)) return;
    fprintf(stderr, "  %zu %s: ", json_array_size(list), states[state].text);
    for (size_t i = 0; i < json_array_size(list); i++) {
        fprintf(stderr, "%s", i ? ", " : "");
        print_entry(json_array_get(list, i), state == TAS_INIT_OTHER_SHAPE, stderr);
    }
    fprintf(stderr, "\n");
}

/* The frozen layer's parameter; NULL: it is trained. */
static const tas_tensor_info *find_frozen(const tas_network *network, const char *name)
{
    const tas_tensor_info *info;
    tas_layer_info layer;
    for (size_t i = 0; (info = tas_network_tensor(network, i)); i++)
        if (!name || !strcmp(info->name, name))
            if (tas_network_layer_info(network, info->layer, &layer) && layer.frozen) return info;
    return NULL;
}

/* Frozen weights that nothing has set were probably meant to be set. */
static void note_frozen(train_session *session)
{
    const tas_network *network = session->network;
    const tas_tensor_info *found = NULL;
    if (!session->init && !session->settings.resume) found = find_frozen(network, NULL);
    for (int state = TAS_INIT_MISSING; session->init && state <= TAS_INIT_OTHER_SHAPE && !found; state++) {
        const json_t *list = json_object_get(session->init, states[state].name);
        for (size_t i = 0; i < json_array_size(list) && !found; i++)
            found = find_frozen(network, json_string_value(json_object_get(json_array_get(list, i), "parameter")));
    }
    if (found)
        cli_note(&session->cli, "%s belongs to a frozen layer, and stays as it is drawn from the seed%s", found->name,
                 session->init ? "" : "; --init sets weights");
}

static int read_weights(train_session *session)
{
    const char *file = session->settings.init;
    json_t *init = session->init = json_pack("{s:o}", "file", cli_json_text(file));
    for (int k = 0; k < STATES; k++) json_object_set_new(init, states[k].name, json_array());
    const tas_status status = tas_model_init_from(session->model, file, add_entry, init, NULL);
    if (!status) cli_note(&session->cli, "weights from %s:", cli_shown(file));
    for (int k = status ? TAS_INIT_OTHER_SHAPE : 0; k < STATES; k++)
        if (!status || k == TAS_INIT_OTHER_SHAPE) print_state(init, k);
    return status ? cli_failed(&session->cli, status) : 0;
}

int train_init(train_session *session)
{
    const int failed = session->settings.init ? read_weights(session) : 0;
    if (!failed) note_frozen(session);
    return failed;
}
