/* ONNX files: reading one into protobuf-c's structures, and writing one.
 *
 * The format: https://github.com/onnx/onnx/blob/main/docs/IR.md */
#ifndef ONNX_FILE_H
#define ONNX_FILE_H

#include "base/context.h"

#include "onnx/onnx.pb-c.h"

/* TensorProto.DataType */
enum { ONNX_FLOAT = 1, ONNX_INT32 = 6, ONNX_INT64 = 7, ONNX_BOOL = 9, ONNX_DOUBLE = 11 };

/* "float16"; "type 42" for what the schema does not have. */
const char *onnx_type_name(int type, char text[24]);

/* The model of a file, which is freed with onnx__model_proto__free_unpacked(). The memory for it is limited by the
 * file's size. */
tas_status onnx_file_read(tas_context *context, const char *path, Onnx__ModelProto **out);

tas_status onnx_file_write(tas_context *context, const char *path, const Onnx__ModelProto *model);

#endif
