/* The table of operations, and what all of them share. */
#include "ops/rows.h"

#include "ops/layout.h"

static const op_row *const rows[OP_COUNT] = {
    [OP_GATHER_BYTES] = &row_gather_bytes,
    [OP_GATHER_FLOATS] = &row_gather_floats,
    [OP_GATHER_LABELS] = &row_gather_labels,
    [OP_ONE_HOT] = &row_one_hot,
    [OP_DENSE_FORWARD] = &row_dense_forward,
    [OP_DENSE_BACKWARD_INPUT] = &row_dense_backward_input,
    [OP_DENSE_BACKWARD_WEIGHTS] = &row_dense_backward_weights,
    [OP_DENSE_BACKWARD_BIAS] = &row_dense_backward_bias,
    [OP_CONV_FORWARD] = &row_conv_forward,
    [OP_CONV_BACKWARD_INPUT] = &row_conv_backward_input,
    [OP_CONV_BACKWARD_WEIGHTS] = &row_conv_backward_weights,
    [OP_CONV_BACKWARD_BIAS] = &row_conv_backward_bias,
    [OP_MAX_POOL_FORWARD] = &row_max_pool_forward,
    [OP_MAX_POOL_BACKWARD] = &row_max_pool_backward,
    [OP_AVERAGE_POOL_FORWARD] = &row_average_pool_forward,
    [OP_AVERAGE_POOL_BACKWARD] = &row_average_pool_backward,
    [OP_DROPOUT_FORWARD] = &row_dropout_forward,
    [OP_DROPOUT_BACKWARD] = &row_dropout_backward,
    [OP_TO_ROWS] = &row_to_rows,
    [OP_TO_PANELS] = &row_to_panels,
    [OP_RELU_FORWARD] = &row_relu_forward,
    [OP_RELU_BACKWARD] = &row_relu_backward,
    [OP_LEAKY_FORWARD] = &row_leaky_forward,
    [OP_LEAKY_BACKWARD] = &row_leaky_backward,
    [OP_TANH_FORWARD] = &row_tanh_forward,
    [OP_TANH_BACKWARD] = &row_tanh_backward,
    [OP_SIGMOID_FORWARD] = &row_sigmoid_forward,
    [OP_SIGMOID_BACKWARD] = &row_sigmoid_backward,
    [OP_GELU_FORWARD] = &row_gelu_forward,
    [OP_GELU_BACKWARD] = &row_gelu_backward,
    [OP_SOFTMAX_LOSS] = &row_softmax_loss,
    [OP_SQUARED_LOSS] = &row_squared_loss,
    [OP_SUM_BLOCKS] = &row_sum_blocks,
    [OP_RECORD_LOSS] = &row_record_loss,
    [OP_CHECK_FINITE] = &row_check_finite,
    [OP_SQUARE_BLOCKS] = &row_square_blocks,
    [OP_SQUARE_ROWS] = &row_square_rows,
    [OP_DENSE_NORMS] = &row_dense_norms,
    [OP_SGD] = &row_sgd,
    [OP_ADAM] = &row_adam,
};

const op_row *op_get(op_id op) { return rows[op]; }

size_t type_bytes(op_type type) { return type == TYPE_U8 ? 1 : 4; }

void layout_pack(layout l, const float *canonical, float *packed)
{
    for (uint64_t i = 0; i < layout_elements(l); i++) packed[i] = 0;
    for (uint32_t r = 0; r < l.rows; r++)
        for (uint32_t c = 0; c < l.cols; c++) packed[layout_index(l, r, c)] = canonical[(uint64_t)r * l.cols + c];
}

void layout_unpack(layout l, const float *packed, float *canonical)
{
    for (uint32_t r = 0; r < l.rows; r++)
        for (uint32_t c = 0; c < l.cols; c++) canonical[(uint64_t)r * l.cols + c] = packed[layout_index(l, r, c)];
}
