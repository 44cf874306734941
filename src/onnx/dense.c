/* Gemm, and MatMul with or without Add: dense. */
#include "onnx/import.h"

#include <inttypes.h>

/* Rows (outputs, inputs) of a matrix that has them, or their transpose. */
static const float *rows_of(onnx_import *self, const onnx_tensor *w, bool transposed)
{
    if (!transposed) return w->floats;
    const uint64_t inputs = w->dims[0], outputs = w->dims[1];
    float *rows = onnx_alloc(&self->arena, (size_t)w->count + 1, sizeof *rows);
    for (uint64_t i = 0; rows && i < inputs; i++)
        for (uint64_t o = 0; o < outputs; o++) rows[o * inputs + i] = w->floats[i * outputs + o];
    return rows;
}

/* transposed: the matrix is (inputs, outputs). */
static tas_status add_dense(onnx_import *self, onnx_draft *draft, const onnx_node *node, const char *matrix,
                            bool transposed, const char *bias)
{
    onnx_tensor w;
    const float *b = NULL;
    tas_status status = onnx_need_rank(self, draft, 2);
    if (!status) status = onnx_floats(self, node, matrix, "the matrix", &w);
    if (status) return status;
    const uint32_t in = onnx_shape_in(self, draft).c;
    if (w.ndims != 2 || w.dims[!transposed] != in || !w.dims[transposed] || w.dims[transposed] > 1 << 24)
        return onnx_refuse(self, node,
                           "its matrix has %d dimensions, %" PRIu64 " x %" PRIu64 "; expected a matrix for %u inputs",
                           w.ndims, w.dims[0], w.dims[1], in);
    const uint32_t out = (uint32_t)w.dims[transposed];
    if (bias) status = onnx_vector(self, draft->node, bias, "the bias", out, 0, &b);
    if (status) return status;
    const float *rows = rows_of(self, &w, transposed);
    onnx_layer *layer = rows ? onnx_layer_add(self, draft, "dense") : NULL;
    if (!rows) return onnx_no_memory(self);
    if (!layer) return TAS_BAD_NETWORK;
    layer->arguments = onnx_print(&self->arena, " %u%s", out, b ? "" : " no bias");
    onnx_layer_weight(layer, "weight", rows, w.count);
    if (b) onnx_layer_weight(layer, "bias", b, out);
    return onnx_layer_end(self, draft, (onnx_shape){out, 1, 1, 2});
}

tas_status onnx_add_gemm(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *node = draft->node;
    const float alpha = onnx_float(node, "alpha", 1), beta = onnx_float(node, "beta", 1);
    if (onnx_int(node, "transA", 0)) return onnx_refuse(self, node, "transA is not supported");
    if (alpha != 1 || (beta != 1 && onnx_input(node, 2)))
        return onnx_refuse(self, node, "alpha %g and beta %g; expected 1", (double)alpha, (double)beta);
    return add_dense(self, draft, node, onnx_input(node, 1), !onnx_int(node, "transB", 0), onnx_input(node, 2));
}

/* Add(MatMul(x, matrix), bias), unless the product is read elsewhere, too. */
bool onnx_match_matmul_bias(onnx_import *self, onnx_draft *draft)
{
    for (size_t k = 0; k < 2; k++) {
        const char *name = onnx_input(draft->node, k), *bias = onnx_input(draft->node, 1 - k);
        const onnx_node *product = onnx_producer(self, name, "MatMul");
        const char **input = product ? onnx_alloc(&self->arena, 1, sizeof *input) : NULL;
        if (!input || !onnx_input(product, 0) || onnx_find(self, name)->readers > 1) continue;
        if (!onnx_is_constant(self, bias) || !onnx_is_constant(self, onnx_input(product, 1))) continue;
        draft->part[0] = product;
        *input = onnx_input(product, 0);
        draft->input = input;
        draft->inputs = 1;
        draft->constant[0] = bias;
        return true;
    }
    return false;
}

tas_status onnx_add_matmul(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *node = draft->part[0] ? draft->part[0] : draft->node;
    return add_dense(self, draft, node, onnx_input(node, 1), true, draft->constant[0]);
}
