/* The layers that a graph becomes. */
#include "onnx/import.h"

#include <string.h>

onnx_layer *onnx_layer_add(onnx_import *self, const onnx_draft *draft, const char *kind)
{
    if (self->layer_count == ONNX_LAYERS_MOST) {
        fail(self->context, TAS_BAD_NETWORK, "%s: more than %d layers", self->path, ONNX_LAYERS_MOST);
        return NULL;
    }
    onnx_layer *layer = &self->layers[self->layer_count++];
    *layer = (onnx_layer){.kind = kind, .arguments = ""};
    for (size_t k = 0; k < draft->inputs && k < ONNX_INPUTS; k++)
        layer->input[layer->inputs++] = onnx_find(self, draft->input[k])->layer;
    return layer;
}

void onnx_layer_weight(onnx_layer *layer, const char *what, const float *values, uint64_t count)
{
    layer->weight[layer->weights++] = (onnx_weight){.what = what, .values = values, .count = count};
}

tas_status onnx_layer_end(onnx_import *self, const onnx_draft *draft, onnx_shape shape)
{
    onnx_layer *layer = &self->layers[self->layer_count - 1];
    onnx_value *value = onnx_output(self, draft->node);
    if (!layer->arguments) return onnx_no_memory(self);
    layer->shape = shape;
    value->layer = self->layer_count - 1;
    value->shape = shape;
    return TAS_OK;
}

tas_status onnx_pass(onnx_import *self, const onnx_draft *draft, onnx_shape shape)
{
    const onnx_value *from = onnx_find(self, draft->input[0]);
    onnx_value *value = onnx_output(self, draft->node);
    value->layer = from->layer;
    value->shape = shape;
    value->scaled = from->scaled;
    value->mean = from->mean;
    value->std = from->std;
    return TAS_OK;
}

onnx_shape onnx_shape_in(const onnx_import *self, const onnx_draft *draft)
{
    return onnx_find(self, draft->input[0])->shape;
}

tas_status onnx_need_rank(const onnx_import *self, const onnx_draft *draft, int rank)
{
    char text[48];
    const onnx_shape in = onnx_shape_in(self, draft);
    if (in.rank == rank) return TAS_OK;
    return onnx_refuse(self, draft->node, "its input '%.200s' is %s; expected %s", draft->input[0],
                       onnx_shape_text(in, text), rank == 4 ? "(n, channels, height, width)" : "(n, values)");
}

uint64_t onnx_elements(onnx_shape shape) { return (uint64_t)shape.c * shape.h * shape.w; }

const char *onnx_shape_text(onnx_shape shape, char text[48])
{
    if (shape.rank == 2)
        snprintf(text, 48, "(n, %u)", shape.c);
    else if (shape.rank == 3)
        snprintf(text, 48, "(n, %u, %u)", shape.h, shape.w);
    else
        snprintf(text, 48, "(n, %u, %u, %u)", shape.c, shape.h, shape.w);
    return text;
}
