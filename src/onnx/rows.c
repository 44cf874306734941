/* Which nodes become which layers. */
#include "onnx/import.h"

#include <string.h>

/* The first row that fits is taken: patterns of several nodes come before the node alone. */
static const onnx_row rows[] = {
    {"Mul", .match = onnx_match_unit, .add = onnx_add_same},
    {"Div", .match = onnx_match_unit, .add = onnx_add_same},
    {"Gemm", .add = onnx_add_gemm},
    {"Add", .match = onnx_match_matmul_bias, .add = onnx_add_matmul},
    {"MatMul", .add = onnx_add_matmul},
    {"Conv", .match = onnx_match_conv, .add = onnx_add_conv},
    {"ConvTranspose", .add = onnx_add_conv_transpose},
    {"MaxPool", .add = onnx_add_max_pool},
    {"AveragePool", .add = onnx_add_average_pool},
    {"GlobalAveragePool", .add = onnx_add_global_pool},
    {"GlobalMaxPool", .add = onnx_add_global_max_pool},
    {"ReduceMean", .add = onnx_add_reduce_mean},
    {"Pad", .add = onnx_add_pad},
    {"Resize", .add = onnx_add_resize},
    {"Upsample", .add = onnx_add_resize},

    {"BatchNormalization", .add = onnx_add_batch_norm},
    {"LayerNormalization", .add = onnx_add_layer_norm},
    {"GroupNormalization", .add = onnx_add_group_norm},
    {"InstanceNormalization", .add = onnx_add_instance_norm},
    {"Add", .match = onnx_match_grouped_scaled, .add = onnx_add_grouped},
    {"Reshape", .match = onnx_match_grouped, .add = onnx_add_grouped},

    {"Relu", .add = onnx_add_activation, .kind = "relu"},
    {"Tanh", .add = onnx_add_activation, .kind = "tanh"},
    {"Sigmoid", .add = onnx_add_activation, .kind = "sigmoid"},
    {"HardSwish", .add = onnx_add_activation, .kind = "hard_swish"},
    {"Softplus", .add = onnx_add_activation, .kind = "softplus"},
    {"Where", .match = onnx_match_softplus, .add = onnx_add_activation, .kind = "softplus"},
    {"LeakyRelu", .add = onnx_add_leaky},
    {"Gelu", .add = onnx_add_gelu},
    {"Swish", .add = onnx_add_swish},
    {"Mul", .match = onnx_match_gelu, .add = onnx_add_activation, .kind = "gelu"},
    {"Mul", .match = onnx_match_silu, .add = onnx_add_activation, .kind = "silu"},
    {"Mul", .match = onnx_match_hard_swish, .add = onnx_add_activation, .kind = "hard_swish"},

    {"Add", .match = onnx_match_scaled_input, .add = onnx_add_scaled_input},
    {"Sub", .match = onnx_match_scaled_input, .add = onnx_add_scaled_input},
    {"Mul", .match = onnx_match_scaled_input, .add = onnx_add_scaled_input},
    {"Div", .match = onnx_match_scaled_input, .add = onnx_add_scaled_input},
    {"Add", .match = onnx_match_sum, .add = onnx_add_sum, .kind = "add"},
    {"Sum", .match = onnx_match_sum, .add = onnx_add_sum, .kind = "add"},
    {"Mul", .match = onnx_match_product, .add = onnx_add_product, .kind = "multiply"},
    {"Concat", .match = onnx_match_concat, .add = onnx_add_concat},

    {"Identity", .add = onnx_add_same},
    {"Cast", .add = onnx_add_cast},
    {"Dropout", .add = onnx_add_dropout},
    {"Flatten", .add = onnx_add_flatten},
    {"Reshape", .add = onnx_add_reshape},
    {"Squeeze", .add = onnx_add_squeeze},
    {"Unsqueeze", .add = onnx_add_unsqueeze},
};

/* A node that reads one value of a layer, and constants. */
static bool match_first(onnx_import *self, onnx_draft *draft)
{
    const char **input = onnx_alloc(&self->arena, 1, sizeof *input);
    draft->inputs = input && onnx_input(draft->node, 0) ? 1 : 0;
    draft->input = input;
    if (draft->inputs) *input = onnx_input(draft->node, 0);
    return draft->inputs;
}

const onnx_row *onnx_find_row(onnx_import *self, onnx_draft *draft)
{
    const onnx_node *node = draft->node;
    if (!node->op_type || (node->domain && *node->domain && strcmp(node->domain, "ai.onnx"))) return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const onnx_row *row = &rows[i];
        if (strcmp(row->op, node->op_type)) continue;
        if ((row->match ? row->match : match_first)(self, draft)) return row;
    }
    return NULL;
}
