/* ONNX files: reading one into protobuf-c's structures, and writing one. */
#include "onnx/file.h"

#include "base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_LEAST = 1 << 26 };
#define FILE_MOST INT32_MAX /* of protobuf itself */

static const char *const type_names[] = {
    NULL,   "float",   "uint8",  "int8",   "uint16", "int16",     "int32",      "int64",    "text",
    "bool", "float16", "double", "uint32", "uint64", "complex64", "complex128", "bfloat16",
};

const char *onnx_type_name(int type, char text[24])
{
    if (type > 0 && (size_t)type < sizeof type_names / sizeof *type_names) return type_names[type];
    snprintf(text, 24, "type %d", type);
    return text;
}

/* Reading --------------------------------------------------------------------------------------------------------- */

/* An empty message takes two bytes of a file, and 100 of memory: a file of such is refused before it takes all. */
static void *alloc_within(void *room, size_t bytes)
{
    uint64_t *left = room;
    if (bytes > *left) return NULL;
    *left -= bytes;
    return malloc(bytes);
}

static void free_within(void *room, void *bytes)
{
    (void)room;
    free(bytes);
}

tas_status onnx_file_read(tas_context *context, const char *path, Onnx__ModelProto **out)
{
    char *bytes;
    size_t size;
    *out = NULL;
    tas_status status = file_read(context, path, FILE_MOST, &bytes, &size);
    if (status) return status;
    uint64_t room = 2 * (uint64_t)size + ROOM_LEAST;
    ProtobufCAllocator allocator = {.alloc = alloc_within, .free = free_within, .allocator_data = &room};
    Onnx__ModelProto *model = onnx__model_proto__unpack(&allocator, size, (const uint8_t *)bytes);
    free(bytes);
    if (model && model->graph && model->graph->n_node) {
        *out = model;
        return TAS_OK;
    }
    status = fail(context, TAS_BAD_DATA, "%s: expected an ONNX model, %s; the file seems to be %s", path,
                  model ? "found no graph with nodes in it" : "which it is not, or is truncated", file_describe(path));
    if (model) onnx__model_proto__free_unpacked(model, NULL);
    return status;
}

/* Writing --------------------------------------------------------------------------------------------------------- */

typedef struct stream_buffer {
    ProtobufCBuffer base;
    FILE *stream;
} stream_buffer;

static void append(ProtobufCBuffer *buffer, size_t bytes, const uint8_t *data)
{
    fwrite(data, 1, bytes, ((stream_buffer *)(void *)buffer)->stream);
}

tas_status onnx_file_write(tas_context *context, const char *path, const Onnx__ModelProto *model)
{
    file_writer writer;
    const uint64_t size = onnx__model_proto__get_packed_size(model);
    if (size > FILE_MOST)
        return fail(context, TAS_BAD_ARGUMENT, "%s: %" PRIu64 " bytes: an ONNX file has at most 2 GiB", path, size);
    tas_status status = file_begin(context, &writer, path);
    if (status) return status;
    stream_buffer buffer = {.base = {.append = append}, .stream = writer.stream};
    onnx__model_proto__pack_to_buffer(model, &buffer.base);
    if (!ferror(writer.stream)) return file_commit(context, &writer);
    status = fail(context, TAS_BAD_FILE, "%s: cannot be written: %s", path, strerror(errno));
    file_abandon(&writer);
    return status;
}
