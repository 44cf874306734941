/* The safetensors file format; written, and by default read, float32 alone:
 *
 *     8 bytes    N, the length of the header, little-endian
 *     N bytes    the header: JSON, then spaces up to a multiple of 8
 *                {"__metadata__": {"key": "text"}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
 *     the rest   the tensors' bytes, little-endian, row-major; offsets count from here, without holes and overlaps
 *
 * See https://github.com/huggingface/safetensors, "Format". */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "base/context.h"
#include "base/file.h"

enum { SAFETENSORS_DIMS = 8 }; /* most dimensions of a tensor */

typedef struct safetensors_pair {
    const char *key, *text;
} safetensors_pair;

/* Types of elements that can be read as float32; others have none. */
typedef enum safetensor_type {
    SAFETENSOR_F32,
    SAFETENSOR_F16,
    SAFETENSOR_BF16,
    SAFETENSOR_F64,
    SAFETENSOR_OTHER
} safetensor_type;

typedef struct safetensor {
    const char *name;
    uint64_t dims[SAFETENSORS_DIMS];
    size_t ndims;      /* 0: a scalar */
    const float *data; /* to be written; NULL in a file that is read */
    safetensor_type type;
} safetensor;

/* Writes a whole file into an open writer, which the caller then commits or abandons. */
tas_status safetensors_write(tas_context *context, file_writer *writer, const safetensors_pair *pairs,
                             size_t pair_count, const safetensor *tensors, size_t tensor_count);

typedef struct safetensors safetensors;

/* Opens a file and reads its header, each number of which is checked against the file's size; memory is taken for the
 * header alone. *out is closed with safetensors_close(); what the calls below return lives until then. */
tas_status safetensors_open(tas_context *context, const char *path, safetensors **out);

/* The same for files of other programs: of any types of elements. */
tas_status safetensors_open_any(tas_context *context, const char *path, safetensors **out);
void safetensors_close(safetensors **file);

/* Tensors in the order of their names. */
size_t safetensors_count(const safetensors *file);
const safetensor *safetensors_get(const safetensors *file, size_t index);

/* By name and by key; NULL if there is none. */
const safetensor *safetensors_find(const safetensors *file, const char *name);
const char *safetensors_metadata(const safetensors *file, const char *key);

/* Reads all values of one of its tensors, row-major, as float32: F16 and BF16 exactly, F64 rounded. Not of type
 * SAFETENSOR_OTHER. */
tas_status safetensors_read(const safetensors *file, const safetensor *tensor, float *values);

#endif
