/* Putting a graph together. What is added lives in an arena, and `failed` is set if memory runs out, so that calls need
 * no checks of their own. */
#ifndef ONNX_WRITE_H
#define ONNX_WRITE_H

#include "onnx/arena.h"
#include "onnx/file.h"

typedef struct onnx_list {
    void **items;
    size_t count, room;
} onnx_list;

typedef struct onnx_writer {
    onnx_arena arena;
    onnx_list nodes, tensors;
    bool failed;
} onnx_writer;

/* A text of the arena; never NULL. */
const char *onnx_text(onnx_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A node, whose name is that of its only output. */
Onnx__NodeProto *onnx_node_add(onnx_writer *w, const char *op, const char *name);
void onnx_node_reads(onnx_writer *w, Onnx__NodeProto *node, const char *name); /* "": that input is left out */
void onnx_node_int(onnx_writer *w, Onnx__NodeProto *node, const char *name, int64_t value);
void onnx_node_float(onnx_writer *w, Onnx__NodeProto *node, const char *name, float value);
void onnx_node_word(onnx_writer *w, Onnx__NodeProto *node, const char *name, const char *value);
void onnx_node_list(onnx_writer *w, Onnx__NodeProto *node, const char *name, const int64_t *values, size_t count);

/* Constants, copied, but for the floats' values; give their name. */
const char *onnx_tensor_add(onnx_writer *w, const char *name, const int64_t *dims, size_t ndims, const float *values);
const char *onnx_ints_add(onnx_writer *w, const char *name, const int64_t *values, size_t count);
const char *onnx_number_add(onnx_writer *w, const char *name, float value); /* a scalar */

/* n x dims of floats. */
Onnx__ValueInfoProto *onnx_info(onnx_writer *w, const char *name, const int64_t *dims, size_t ndims);

#endif
