/* The rows, each defined in the file of its subject; and what those files share. */
#ifndef ROWS_H
#define ROWS_H

#include "ops/clones.h"
#include "ops/draw.h"
#include "ops/op.h"

extern const op_row row_gather_bytes, row_gather_floats, row_gather_labels, row_one_hot;
extern const op_row row_dense_forward, row_dense_backward_input, row_dense_backward_weights, row_dense_backward_bias;
extern const op_row row_relu_forward, row_relu_backward, row_leaky_forward, row_leaky_backward;
extern const op_row row_tanh_forward, row_tanh_backward, row_sigmoid_forward, row_sigmoid_backward;
extern const op_row row_gelu_forward, row_gelu_backward;
extern const op_row row_softmax_loss, row_squared_loss;
extern const op_row row_sum_blocks, row_record_loss, row_check_finite;
extern const op_row row_sgd;

#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))

#endif
