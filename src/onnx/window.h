/* Sizes of windows over planes: what convolutions, pools and padding have in common. */
#ifndef ONNX_WINDOW_H
#define ONNX_WINDOW_H

#include "onnx/import.h"

enum { ONNX_SIDE_MOST = 1 << 12, ONNX_CHANNELS_MOST = 1 << 24 };

/* Sizes are (y, x). */
typedef struct onnx_window {
    uint32_t kernel[2], stride[2], before[2], after[2], dilation[2], groups;
} onnx_window;

/* The attributes of the draft's node. kernel: that of the weights; NULL: kernel_shape must give it. */
tas_status onnx_window_read(const onnx_import *self, const onnx_draft *draft, const uint64_t *kernel, onnx_window *w);

/* Two numbers of an attribute, from least on. */
tas_status onnx_window_pair(const onnx_import *self, const onnx_node *node, const char *name, int64_t least,
                            uint32_t initial, uint32_t out[2]);

bool onnx_window_is_symmetric(const onnx_window *w);

/* Outputs along a side; 0: the window does not fit. */
uint32_t onnx_window_out(const onnx_window *w, int side, uint32_t in);

/* A layer's arguments: " N K stride S ..."; units 0: of a pool. extra: output_padding, or NULL. */
const char *onnx_window_print(onnx_import *self, const onnx_window *w, uint32_t units, const uint32_t extra[2],
                              bool bias);

/* " name3" or " name3x2" at *at, which moves behind it. */
void onnx_window_print_pair(char **at, const char *name, const uint32_t pair[2]);

/* A shape of planes, unless it is empty or too large. */
tas_status onnx_window_planes(const onnx_import *self, const onnx_draft *draft, uint64_t c, uint64_t h, uint64_t w,
                              onnx_shape *out);

#endif
