/* The rows, each defined in the file of its subject; and what those files share. */
#ifndef ROWS_H
#define ROWS_H

#include "ops/clones.h"
#include "ops/draw.h"
#include "ops/op.h"

#include "arith.h"

extern const op_row row_gather_bytes, row_gather_floats, row_one_hot;
extern const op_row row_gather_image_bytes, row_gather_image_floats;
extern const op_row row_dense_forward, row_dense_forward_no_bias, row_dense_backward_input, row_dense_backward_weights,
    row_dense_backward_parameters, row_dense_backward_bias, row_dense_check, row_dense_sgd;
extern const op_row row_conv_forward, row_conv_forward_no_bias, row_conv_backward_input, row_conv_backward_weights,
    row_conv_backward_parameters, row_conv_backward_bias;
extern const op_row row_max_pool_forward, row_max_pool_backward, row_average_pool_forward, row_average_pool_backward;
extern const op_row row_upsample_forward, row_upsample_backward, row_pad_forward, row_pad_backward, row_add_bias;
extern const op_row row_dropout_forward, row_dropout_backward;
extern const op_row row_norm_rows, row_norm_statistics, row_norm_forward, row_norm_backward_rows;
extern const op_row row_norm_backward_sums, row_norm_backward_parameters, row_norm_backward_input;
extern const op_row row_norm_load_running, row_norm_update_running;
extern const op_row row_norm_merge_statistics, row_norm_merge_sums;
extern const op_row row_to_rows, row_to_panels;
#define DECLARE(UPPER, NAME, S, SLOPE, TEXT) extern const op_row row_##NAME##_forward, row_##NAME##_backward;
ACTIVATIONS(DECLARE)
#undef DECLARE
extern const op_row row_softmax_loss;
#define DECLARE(UPPER, NAME) extern const op_row row_##NAME##_loss;
TARGET_LOSSES(DECLARE)
#undef DECLARE
extern const op_row row_weigh;
extern const op_row row_sum_blocks, row_check_finite, row_watch;
extern const op_row row_square_blocks, row_square_rows, row_dense_norms;
extern const op_row row_preconditioned_blocks, row_preconditioned_rows;
extern const op_row row_clip, row_trust_ratio;
extern const op_row row_sgd, row_adam, row_rmsprop, row_lion, row_lars, row_lamb_direction, row_lamb_step;
extern const op_row row_add, row_multiply, row_concat_forward, row_concat_backward;
extern const op_row row_add_node, row_add_tree;

/* A finished value of an operation that may end with a relu. */
static inline float finish_value(const op_args *a, float x)
{
    const float done = arith_flush(x);
    return a->relu && done < 0 ? 0 : done;
}

/* A value of an operation with an addend, as if it were finished and stored, and added by an operation of its own. */
static inline float finish_sum(const op_args *a, const float *addend, uint64_t i, float x)
{
    return finish_value(a, a->adds ? arith_flush(x) + addend[i] : x);
}

/* A finished value of an operation that may mask its result: the gradient to x[i], and through the relu that made it.
 */
static inline float mask_value(const op_args *a, const float *x, uint64_t i, float done)
{
    return a->masked && x[i] == 0 ? 0 : done;
}

#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))

/* Lanes fold 8, 4, 2, 1. */
static inline float fold_row(float *lane)
{
    for (int half = ROW_LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

#endif
