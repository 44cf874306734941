/* The launchers of all operations: one file per subject, as in cl/. */
#ifndef LAUNCHERS_H
#define LAUNCHERS_H

#include "device/device.h"

/* A row of a file's launchers; the list ends with a row without a launch. */
typedef struct launcher {
    op_id op;
    op_launch launch;
    op_scratch scratch; /* NULL: none */
} launcher;

extern const launcher activation_launchers[];
extern const launcher adam_launchers[];
extern const launcher bias_launchers[];
extern const launcher conv_launchers[], conv_gpu_launchers[]; /* for processors, and for GPUs */
extern const launcher dense_launchers[], dense_gpu_launchers[];
extern const launcher divisor_launchers[];
extern const launcher dropout_launchers[];
extern const launcher feed_launchers[];
extern const launcher join_launchers[];
extern const launcher lion_launchers[];
extern const launcher loss_launchers[];
extern const launcher norm_launchers[];
extern const launcher pool_launchers[];
extern const launcher reorder_launchers[];
extern const launcher resize_launchers[];
extern const launcher rmsprop_launchers[];
extern const launcher dense_update_launchers[];
extern const launcher sgd_launchers[];
extern const launcher sum_launchers[];
extern const launcher sum_squares_launchers[];
extern const launcher tree_launchers[];
extern const launcher watch_launchers[];
extern const launcher weigh_launchers[];

/* Layouts that the launchers for processors expect: see tas_device. */
uint32_t dense_weight_panel(const tas_device *device, uint32_t rows, uint32_t cols);
uint32_t conv_batch_panel(const tas_device *device, uint32_t tile);
/* Of vectors over the examples of a call's panels: the device's, or a panel if that is less. */
uint32_t conv_vector_width(const tas_device *device, const op_args *a);

/* The function of cl/activation_functions.h that an activation's operations call; its gradient's name ends with
 * _gradient. NULL: it is no activation. */
const char *activation_function(op_id op);

/* Rows of a block of sums of a dense layer on a processor. And panels that a work-item processes, at most `most`, so
 * that there are enough work-items if there are `wide` of them for each group of panels. */
uint32_t dense_block_rows(const tas_device *device);
uint32_t dense_panel_group(tas_device *device, uint32_t most, size_t panels, size_t wide);

/* Of a work-item that copies what it reads of some examples: INPUTS in cl/dense_sums.h, and panels at most. */
enum { DENSE_NEAR_INPUTS = 96, DENSE_NEAR_PANELS = 16 };

/* Count the blocks of sums that a GPU may run, and the forms of the kernels for processors, as variants. */
void dense_gpu_install_blocks(tas_device *device);
void conv_gpu_install_blocks(tas_device *device);
void dense_install_forms(tas_device *device);
void conv_install_forms(tas_device *device);

/* Fills the device's table for its kind. */
void launchers_install(tas_device *device);

/* Overrides the rows of a list. */
void launchers_override(tas_device *device, const launcher *rows);

#endif
