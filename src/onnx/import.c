/* Reading an ONNX file as a network. */
#include "onnx/import.h"

#include "network/layers/layer.h"
#include "onnx/onnx.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPSET_LEAST = 7, FOLDS_MOST = 1 << 16, ENDS_MOST = 8, ROOM_FACTOR = 8, ROOM_LEAST = 1 << 28 };

struct tas_onnx {
    onnx_arena arena; /* of the values */
    tas_network *network;
    const float **values; /* one array per parameter */
};

const char *tas_onnx_missing(void) { return NULL; }

/* ---- what the graph declares ------------------------------------------------------------------------------------- */

static tas_status read_opset(onnx_import *self)
{
    const Onnx__ModelProto *m = self->model;
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const char *domain = m->opset_import[i]->domain;
        if (!domain || !*domain || !strcmp(domain, "ai.onnx")) self->opset = m->opset_import[i]->version;
    }
    if (self->opset >= OPSET_LEAST) return TAS_OK;
    return fail(self->context, TAS_BAD_NETWORK, "%s: opset %" PRId64 "; expected version %d or newer, 17 say",
                self->path, self->opset, OPSET_LEAST);
}

/* Whole sizes, except for the number of examples. */
static tas_status read_dims(onnx_import *self, const Onnx__ValueInfoProto *input, onnx_shape *out)
{
    const Onnx__TensorShapeProto *declared = input->type->tensor_type->shape;
    uint32_t dims[4] = {0, 1, 1, 1};
    if (!declared || declared->n_dim < 2 || declared->n_dim > 4)
        return fail(self->context, TAS_BAD_NETWORK,
                    "%s: input '%.200s' has %zu dimensions; expected (n, values) or (n, channels, height, width)",
                    self->path, input->name, declared ? declared->n_dim : 0);
    const Onnx__TensorShapeProto__Dimension *first = declared->dim[0];
    self->batch = first->has_dim_value && first->dim_value > 0 ? first->dim_value : 0;
    for (size_t d = 1; d < declared->n_dim; d++) {
        const Onnx__TensorShapeProto__Dimension *dim = declared->dim[d];
        if (!dim->has_dim_value || dim->dim_value < 1 || dim->dim_value > 1 << 24)
            return fail(self->context, TAS_BAD_NETWORK,
                        "%s: dimension %zu of input '%.200s' is '%.80s'; expected a number, as only the first, of the "
                        "examples, may vary",
                        self->path, d + 1, input->name, dim->dim_param ? dim->dim_param : "unknown");
        dims[d] = (uint32_t)dim->dim_value;
    }
    *out = (onnx_shape){dims[1], dims[2], dims[3], (int)declared->n_dim};
    if (out->rank == 3) *out = (onnx_shape){1, dims[1], dims[2], 3};
    if ((uint64_t)out->h * out->w > UINT32_MAX || onnx_elements(*out) > UINT32_MAX)
        return fail(self->context, TAS_BAD_NETWORK, "%s: input '%.200s' has more than 2^32 values per example",
                    self->path, input->name);
    return TAS_OK;
}

/* The first layer. */
static tas_status add_input(onnx_import *self)
{
    char type[24];
    const Onnx__ValueInfoProto *input = NULL;
    const onnx_draft none = {0};
    for (size_t i = 0; i < self->graph->n_input; i++) {
        const onnx_value *value = onnx_find(self, self->graph->input[i]->name);
        if (value && value->input) input = self->graph->input[i];
    }
    if (!input || !input->type || !input->type->tensor_type)
        return fail(self->context, TAS_BAD_NETWORK, "%s: the type of the graph's input is missing", self->path);
    if (input->type->tensor_type->elem_type != ONNX_FLOAT)
        return fail(self->context, TAS_BAD_NETWORK, "%s: input '%.200s' is of %s; expected float (float32)", self->path,
                    input->name, onnx_type_name(input->type->tensor_type->elem_type, type));
    onnx_value *value = onnx_find(self, input->name);
    const tas_status status = read_dims(self, input, &value->shape);
    if (status) return status;
    self->layers = onnx_alloc(&self->arena, ONNX_LAYERS_MOST, sizeof *self->layers);
    if (!self->layers) return onnx_no_memory(self);
    onnx_layer_add(self, &none, "input")->shape = value->shape;
    value->layer = 0;
    return TAS_OK;
}

/* ---- the layers -------------------------------------------------------------------------------------------------- */

static tas_status refuse_node(onnx_import *self, const onnx_node *node)
{
    static const char *const scaling[] = {"Add", "Sub", "Mul", "Div"};
    if (node->domain && *node->domain && strcmp(node->domain, "ai.onnx") != 0)
        return onnx_refuse(self, node, "operators of the domain '%.80s' are not supported", node->domain);
    if (node->op_type && !strcmp(node->op_type, "ArgMax"))
        return onnx_refuse(self, node,
                           "not supported; expected a graph that ends in the outputs of its last layer, "
                           "not in a class");
    for (size_t i = 0; node->op_type && i < sizeof scaling / sizeof *scaling; i++)
        if (!strcmp(node->op_type, scaling[i]))
            return onnx_refuse(self, node,
                               "no layer does this; expected the sum or the product of two values, a bias "
                               "after MatMul, or constants that scale the graph's input");
    return onnx_refuse(self, node, "no layer does this");
}

/* A value that a node needs has a layer, or its node is to be visited: *next. */
static tas_status find_input(onnx_import *self, const onnx_node *reader, const char *name, onnx_draft **next)
{
    const onnx_value *value = onnx_find(self, name);
    *next = NULL;
    if (!value) return onnx_refuse(self, reader, "its input '%.200s' is nowhere in the graph", name);
    if (value->layer >= 0) return TAS_OK;
    if (value->tensor) return onnx_refuse(self, reader, "its input '%.200s' is a constant", name);
    onnx_node *node = self->graph->node[value->node];
    onnx_draft *draft = &self->drafts[value->node];
    if (strcmp(node->output[0], name) != 0)
        return onnx_refuse(self, node, "its output '%.200s' is read; expected the first alone", name);
    if (draft->state == DRAFT_OPEN)
        return onnx_refuse(self, node, "its input depends on its own output, '%.200s'", name);
    *next = draft;
    draft->node = node;
    draft->state = DRAFT_OPEN;
    draft->row = onnx_find_row(self, draft);
    return draft->row ? TAS_OK : refuse_node(self, node);
}

/* All layers that read the input read it in one scale, which the input line has. */
static tas_status use_input(onnx_import *self, const onnx_draft *draft)
{
    const bool passes = draft->row->add == onnx_add_scaled_input || draft->row->add == onnx_add_same ||
                        draft->row->add == onnx_add_cast;
    for (size_t k = 0; k < draft->inputs && !passes; k++) {
        const onnx_value *value = onnx_find(self, draft->input[k]);
        if (value->layer) continue;
        if (self->input_used && (self->mean != value->mean || self->std != value->std))
            return onnx_refuse(self, draft->node,
                               "it reads the input in another scale than another node does; "
                               "expected one scale, that of the input line");
        self->input_used = true;
        self->mean = value->mean;
        self->std = value->std;
    }
    return TAS_OK;
}

static tas_status add_layer(onnx_import *self, onnx_draft *draft)
{
    tas_status status = use_input(self, draft);
    if (!status) status = draft->row->add(self, draft);
    draft->state = DRAFT_DONE;
    if (!status && onnx_output(self, draft->node)->layer < 0) status = onnx_no_memory(self);
    return status;
}

/* The input without a layer whose node comes first in the file, as the text keeps the file's order; NULL: all have one.
 */
static const char *next_input(const onnx_import *self, const onnx_draft *draft)
{
    const char *next = NULL;
    int first = INT32_MAX;
    for (size_t k = 0; k < draft->inputs; k++) {
        const onnx_value *value = onnx_find(self, draft->input[k]);
        if (value && (value->layer >= 0 || value->node >= first)) continue;
        next = draft->input[k];
        first = value ? value->node : ONNX_NONE;
    }
    return next;
}

/* Depth first, without recursion: a graph may be as deep as it is long. */
static tas_status visit_nodes(onnx_import *self, onnx_draft **stack, const char *end)
{
    size_t depth = 0;
    onnx_draft *next;
    tas_status status = find_input(self, self->graph->node[0], end, &next);
    if (next) stack[depth++] = next;
    while (!status && depth) {
        onnx_draft *top = stack[depth - 1];
        const char *name = next_input(self, top);
        status = name ? find_input(self, top->node, name, &next) : add_layer(self, top);
        if (name && !status && next)
            stack[depth++] = next;
        else
            depth--;
    }
    return status;
}

static tas_status add_layers(onnx_import *self)
{
    const char *end = NULL;
    onnx_draft **stack = onnx_alloc(&self->arena, self->graph->n_node, sizeof *stack);
    tas_status status = stack ? onnx_find_end(self, &end) : onnx_no_memory(self);
    if (status) return status;
    if (!onnx_find(self, end))
        return fail(self->context, TAS_BAD_NETWORK, "%s: the graph's output '%.200s' is computed nowhere", self->path,
                    end);
    status = visit_nodes(self, stack, end);
    if (status) return status;
    self->end = onnx_find(self, end)->layer;
    if (self->end > 0) return onnx_finish_loss(self, onnx_elements(onnx_find(self, end)->shape));
    return fail(self->context, TAS_BAD_NETWORK, "%s: the graph's output does not depend on its input through a layer",
                self->path);
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

/* The weights of each layer, in the order of the network's parameters. */
static tas_status set_values(onnx_import *self, tas_onnx *onnx)
{
    const tas_network *network = onnx->network;
    const onnx_layer **by_place = onnx_alloc(&self->arena, (size_t)self->layer_count + 1, sizeof *by_place);
    onnx->values = onnx_alloc(&self->arena, (size_t)network->parameter_count + 1, sizeof *onnx->values);
    if (!by_place || !onnx->values) return onnx_no_memory(self);
    for (int i = 0; i < self->layer_count; i++)
        if (self->layers[i].place != ONNX_NONE) by_place[self->layers[i].place] = &self->layers[i];
    for (int p = 0; p < network->parameter_count; p++) {
        const tas_tensor_info *info = &network->infos[p];
        const onnx_layer *from = info->layer <= (size_t)self->layer_count ? by_place[info->layer] : NULL;
        for (int w = 0; from && w < from->weights; w++)
            if (!strcmp(strrchr(info->name, '.') + 1, from->weight[w].what) && from->weight[w].count == info->elements)
                onnx->values[p] = from->weight[w].values;
        if (!onnx->values[p])
            return fail(self->context, TAS_BAD_NETWORK, "%s: no values for %s, which its network has", self->path,
                        info->name);
    }
    return TAS_OK;
}

/* Layers that share a matrix in the graph have one each here, which are trained apart. */
static void note_shared(const onnx_import *self)
{
    int shared = 0;
    for (int i = 1; i < self->layer_count; i++)
        for (int j = 1; j < i; j++) {
            const onnx_layer *a = &self->layers[i], *b = &self->layers[j];
            const bool products = a->weights && a->weights <= 2 && b->weights && !strcmp(a->kind, b->kind);
            if (!products || a->weight[0].values != b->weight[0].values || strstr(a->kind, "norm")) continue;
            shared++;
            break;
        }
    if (shared)
        note(self->context, "%s: weights that layers share (%d times) are separate here, with the same values at first",
             self->path, shared);
}

/* Errors in the text are those of what no row has looked at. */
static tas_status open_network(onnx_import *self, tas_onnx *onnx)
{
    char *text = NULL;
    tas_status status = onnx_write_text(self, &text);
    if (!status) status = tas_network_parse(self->context, text, self->path, &onnx->network);
    free(text);
    if (!status) note_shared(self);
    return status ? status : set_values(self, onnx);
}

static tas_status import(onnx_import *self, tas_onnx *onnx)
{
    self->folds_left = FOLDS_MOST;
    self->arena.room = ROOM_LEAST + ROOM_FACTOR * (uint64_t)onnx__model_proto__get_packed_size(self->model);
    tas_status status = read_opset(self);
    if (!status) status = onnx_open_values(self);
    if (!status) status = add_input(self);
    if (!status) status = add_layers(self);
    if (!status) status = open_network(self, onnx);
    onnx->arena = self->arena;
    return status;
}

static tas_status open_file(tas_context *context, const char *file, const char *loss, tas_onnx **out)
{
    onnx_import self = {.context = context, .path = file};
    *out = calloc(1, sizeof **out);
    tas_status status =
        *out ? onnx_choose_loss(&self, loss) : fail(context, TAS_NO_MEMORY, "%s: no memory to read it", file);
    if (!status) status = onnx_file_read(context, file, &self.model);
    if (!status) {
        self.graph = self.model->graph;
        status = import(&self, *out);
        onnx__model_proto__free_unpacked(self.model, NULL);
    }
    if (status) tas_onnx_close(out);
    return status;
}

tas_status tas_onnx_open(tas_context *context, const char *file, const char *loss, tas_onnx **out)
{
    entry_state saved;
    entry_begin(context, &saved);
    const tas_status status = open_file(context, file, loss, out);
    entry_end(&saved);
    return status;
}

void tas_onnx_close(tas_onnx **onnx)
{
    if (!onnx || !*onnx) return;
    tas_network_close(&(*onnx)->network);
    onnx_free(&(*onnx)->arena);
    free(*onnx);
    *onnx = NULL;
}

const tas_network *tas_onnx_network(const tas_onnx *onnx) { return onnx->network; }

const float *tas_onnx_values(const tas_onnx *onnx, size_t index)
{
    return index < (size_t)onnx->network->parameter_count ? onnx->values[index] : NULL;
}
