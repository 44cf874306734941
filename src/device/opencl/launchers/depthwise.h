/* Depthwise convolutions: those of conv.c and conv_gpu.c whose groups have one input channel. */
#ifndef DEPTHWISE_H
#define DEPTHWISE_H

#include "device/opencl/launchers/sum_examples.h"

#include "ops/window.h"

/* On processors: op_launch and op_scratch of each operation. */
tas_status depthwise_forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch);
tas_status depthwise_backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch);
tas_status depthwise_backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch);
uint64_t depthwise_weights_scratch(tas_device *device, const op_args *a);

/* On GPUs. */
tas_status depthwise_gpu_forward(tas_device *device, const op_args *a, const mem *m);
tas_status depthwise_gpu_backward_input(tas_device *device, const op_args *a, const mem *m);
tas_status depthwise_gpu_weights_pass(tas_device *device, const op_args *a, const mem *m, const granule_pass *p);

#endif
