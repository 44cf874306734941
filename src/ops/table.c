/* The table of operations. */
#include "ops/rows.h"

static const op_row *const rows[OP_COUNT] = {
    [OP_GATHER_BYTES] = &row_gather_bytes,
    [OP_GATHER_FLOATS] = &row_gather_floats,
    [OP_GATHER_IMAGE_BYTES] = &row_gather_image_bytes,
    [OP_GATHER_IMAGE_FLOATS] = &row_gather_image_floats,
    [OP_ONE_HOT] = &row_one_hot,
    [OP_DENSE_FORWARD] = &row_dense_forward,
    [OP_DENSE_FORWARD_NO_BIAS] = &row_dense_forward_no_bias,
    [OP_DENSE_BACKWARD_INPUT] = &row_dense_backward_input,
    [OP_DENSE_BACKWARD_WEIGHTS] = &row_dense_backward_weights,
    [OP_DENSE_BACKWARD_PARAMETERS] = &row_dense_backward_parameters,
    [OP_DENSE_BACKWARD_BIAS] = &row_dense_backward_bias,
    [OP_DENSE_CHECK] = &row_dense_check,
    [OP_DENSE_SGD] = &row_dense_sgd,
    [OP_CONV_FORWARD] = &row_conv_forward,
    [OP_CONV_FORWARD_NO_BIAS] = &row_conv_forward_no_bias,
    [OP_CONV_BACKWARD_INPUT] = &row_conv_backward_input,
    [OP_CONV_BACKWARD_WEIGHTS] = &row_conv_backward_weights,
    [OP_CONV_BACKWARD_PARAMETERS] = &row_conv_backward_parameters,
    [OP_CONV_BACKWARD_BIAS] = &row_conv_backward_bias,
    [OP_MAX_POOL_FORWARD] = &row_max_pool_forward,
    [OP_MAX_POOL_BACKWARD] = &row_max_pool_backward,
    [OP_AVERAGE_POOL_FORWARD] = &row_average_pool_forward,
    [OP_AVERAGE_POOL_BACKWARD] = &row_average_pool_backward,
    [OP_UPSAMPLE_FORWARD] = &row_upsample_forward,
    [OP_UPSAMPLE_BACKWARD] = &row_upsample_backward,
    [OP_PAD_FORWARD] = &row_pad_forward,
    [OP_PAD_BACKWARD] = &row_pad_backward,
    [OP_ADD_BIAS] = &row_add_bias,
    [OP_DROPOUT_FORWARD] = &row_dropout_forward,
    [OP_DROPOUT_BACKWARD] = &row_dropout_backward,
    [OP_NORM_ROWS] = &row_norm_rows,
    [OP_NORM_STATISTICS] = &row_norm_statistics,
    [OP_NORM_FORWARD] = &row_norm_forward,
    [OP_NORM_BACKWARD_ROWS] = &row_norm_backward_rows,
    [OP_NORM_BACKWARD_SUMS] = &row_norm_backward_sums,
    [OP_NORM_BACKWARD_PARAMETERS] = &row_norm_backward_parameters,
    [OP_NORM_BACKWARD_INPUT] = &row_norm_backward_input,
    [OP_NORM_LOAD_RUNNING] = &row_norm_load_running,
    [OP_NORM_UPDATE_RUNNING] = &row_norm_update_running,
    [OP_NORM_MERGE_STATISTICS] = &row_norm_merge_statistics,
    [OP_NORM_MERGE_SUMS] = &row_norm_merge_sums,
    [OP_TO_ROWS] = &row_to_rows,
    [OP_TO_PANELS] = &row_to_panels,
#define ROWS(UPPER, NAME, S, SLOPE, TEXT)                                                                              \
    [OP_##UPPER##_FORWARD] = &row_##NAME##_forward, [OP_##UPPER##_BACKWARD] = &row_##NAME##_backward,
    ACTIVATIONS(ROWS)
#undef ROWS
        [OP_SOFTMAX_LOSS] = &row_softmax_loss,
#define LOSS_ROWS(UPPER, NAME) [OP_##UPPER##_LOSS] = &row_##NAME##_loss,
    TARGET_LOSSES(LOSS_ROWS)
#undef LOSS_ROWS
        [OP_WEIGH] = &row_weigh,
    [OP_SUM_BLOCKS] = &row_sum_blocks,
    [OP_CHECK_FINITE] = &row_check_finite,
    [OP_WATCH] = &row_watch,
    [OP_SQUARE_BLOCKS] = &row_square_blocks,
    [OP_SQUARE_ROWS] = &row_square_rows,
    [OP_DENSE_NORMS] = &row_dense_norms,
    [OP_PRECONDITIONED_BLOCKS] = &row_preconditioned_blocks,
    [OP_PRECONDITIONED_ROWS] = &row_preconditioned_rows,
    [OP_CLIP] = &row_clip,
    [OP_TRUST_RATIO] = &row_trust_ratio,
    [OP_SGD] = &row_sgd,
    [OP_ADAM] = &row_adam,
    [OP_RMSPROP] = &row_rmsprop,
    [OP_LION] = &row_lion,
    [OP_LARS] = &row_lars,
    [OP_LAMB_DIRECTION] = &row_lamb_direction,
    [OP_LAMB_STEP] = &row_lamb_step,
    [OP_ADD] = &row_add,
    [OP_MULTIPLY] = &row_multiply,
    [OP_CONCAT_FORWARD] = &row_concat_forward,
    [OP_CONCAT_BACKWARD] = &row_concat_backward,
    [OP_ADD_NODE] = &row_add_node,
    [OP_ADD_TREE] = &row_add_tree,
};

const op_row *op_get(op_id op) { return rows[op]; }

bool op_has_granules(const op_args *args)
{
    const uint8_t place = op_get(args->op)->granule;
    return place && args->size[place - 1] && args->size[place - 1] < args->batch;
}

uint64_t op_moves_all(const op_args *args, int operand)
{
    const op_row *row = op_get(args->op);
    return row->elements(args, operand) * (row->operand[operand].access == ACCESS_INOUT ? 2 : 1);
}

int op_result(const op_row *row)
{
    int result = 0;
    for (int o = 0; row->operand[o].name; o++)
        if (row->operand[o].access != ACCESS_IN) result = o;
    return result;
}

uint64_t op_bytes(const op_args *args)
{
    const op_row *row = op_get(args->op);
    uint64_t bytes = 0;
    for (int o = 0; row->operand[o].name; o++)
        bytes += (row->moves ? row->moves : op_moves_all)(args, o) * op_type_bytes(row->operand[o].type);
    return bytes;
}
