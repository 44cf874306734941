/* The safetensors file format: reading and writing. A file may contain anything: each number is checked against the
 * file before it is used. */
#include "model/safetensors.h"

#include "arith.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(float) == 4, "float must be binary32");

#define METADATA "__metadata__"
enum { LENGTH_BYTES = 8, HEADER_MOST = 100000000 }; /* the format's own limit */

typedef struct entry_in_file {
    safetensor tensor;   /* first, so that its address is the entry's */
    uint64_t begin, end; /* offsets of its bytes */
} entry_in_file;

struct safetensors {
    tas_context *context;
    char *path;
    int fd;
    uint64_t data_begin, data_size; /* the bytes behind the header */
    json_t *header;                 /* owns the names and texts */
    bool any;                       /* types of elements */
    entry_in_file *entries;
    size_t count;
};

size_t safetensors_count(const safetensors *file) { return file->count; }
const safetensor *safetensors_get(const safetensors *file, size_t index) { return &file->entries[index].tensor; }

static int compare_names(const void *a, const void *b)
{
    const entry_in_file *x = a, *y = b;
    return strcmp(x->tensor.name, y->tensor.name);
}

const safetensor *safetensors_find(const safetensors *file, const char *name)
{
    const entry_in_file wanted = {.tensor.name = name};
    return bsearch(&wanted, file->entries, file->count, sizeof wanted, compare_names);
}

const char *safetensors_metadata(const safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, METADATA), key));
}

void safetensors_close(safetensors **file)
{
    if (!file || !*file) return;
    json_decref((*file)->header);
    free((*file)->entries);
    free((*file)->path);
    if ((*file)->fd >= 0) close((*file)->fd);
    free(*file);
    *file = NULL;
}

/* Bytes of a tensor; false if they overflow. */
static bool tensor_bytes(const uint64_t *dims, size_t ndims, size_t element, uint64_t *bytes)
{
    *bytes = element;
    for (size_t d = 0; d < ndims; d++)
        if (!mul_size(*bytes, dims[d], bytes)) return false;
    return true;
}

/* Reading --------------------------------------------------------------------------------------------------------- */

static tas_status bad_tensor(const safetensors *file, const char *name, const char *what)
{
    return fail(file->context, TAS_BAD_DATA, "%s: tensor \"%.200s\": %s", file->path, name, what);
}

/* A JSON integer of at least 0. */
static bool read_number(const json_t *value, uint64_t *number)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *number = (uint64_t)json_integer_value(value);
    return true;
}

/* The format's types, with the bytes of an element. Others, which it may get, are not looked at. */
static const struct dtype {
    const char *name;
    safetensor_type type;
    size_t bytes; /* 0: not known */
} dtypes[] = {{"F32", SAFETENSOR_F32, 4},    {"F16", SAFETENSOR_F16, 2},   {"BF16", SAFETENSOR_BF16, 2},
              {"F64", SAFETENSOR_F64, 8},    {"I64", SAFETENSOR_OTHER, 8}, {"I32", SAFETENSOR_OTHER, 4},
              {"I16", SAFETENSOR_OTHER, 2},  {"I8", SAFETENSOR_OTHER, 1},  {"U64", SAFETENSOR_OTHER, 8},
              {"U32", SAFETENSOR_OTHER, 4},  {"U16", SAFETENSOR_OTHER, 2}, {"U8", SAFETENSOR_OTHER, 1},
              {"BOOL", SAFETENSOR_OTHER, 1}, {NULL, SAFETENSOR_OTHER, 0}};

static const struct dtype *find_dtype(const char *name)
{
    const struct dtype *row = dtypes;
    while (row->name && strcmp(row->name, name) != 0) row++;
    return row;
}

static tas_status read_entry(const safetensors *file, const char *name, const json_t *about, entry_in_file *e)
{
    const json_t *dtype = json_object_get(about, "dtype"), *shape = json_object_get(about, "shape");
    const json_t *offsets = json_object_get(about, "data_offsets");
    uint64_t bytes;

    if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets) || json_object_size(about) != 3)
        return bad_tensor(
            file, name, "expected an object with a string \"dtype\", an array \"shape\" and an array \"data_offsets\"");
    const struct dtype *row = find_dtype(json_string_value(dtype));
    e->tensor.type = row->type;
    if (row->type != SAFETENSOR_F32 && !file->any)
        return fail(file->context, TAS_BAD_DATA, "%s: tensor \"%.200s\": dtype \"%.20s\", expected \"F32\"", file->path,
                    name, json_string_value(dtype));
    e->tensor.ndims = json_array_size(shape);
    if (e->tensor.ndims > SAFETENSORS_DIMS)
        return fail(file->context, TAS_BAD_DATA, "%s: tensor \"%.200s\": %zu dimensions, expected at most %d",
                    file->path, name, e->tensor.ndims, SAFETENSORS_DIMS);
    for (size_t d = 0; d < e->tensor.ndims; d++)
        if (!read_number(json_array_get(shape, d), &e->tensor.dims[d]))
            return bad_tensor(file, name, "a dimension is not an integer of at least 0");
    if (json_array_size(offsets) != 2 || !read_number(json_array_get(offsets, 0), &e->begin) ||
        !read_number(json_array_get(offsets, 1), &e->end))
        return bad_tensor(file, name, "expected two integers of at least 0 in \"data_offsets\"");
    if (e->begin > e->end || e->end > file->data_size)
        return fail(file->context, TAS_BAD_DATA,
                    "%s: tensor \"%.200s\": offsets %" PRIu64 " to %" PRIu64
                    ", expected them in order and within the %" PRIu64 " bytes of data; is the file truncated?",
                    file->path, name, e->begin, e->end, file->data_size);
    if (!tensor_bytes(e->tensor.dims, e->tensor.ndims, row->bytes, &bytes))
        return bad_tensor(file, name, "the product of its dimensions is not below 2^64 bytes");
    if (row->bytes && e->end - e->begin != bytes)
        return fail(file->context, TAS_BAD_DATA,
                    "%s: tensor \"%.200s\": offsets %" PRIu64 " to %" PRIu64 ", expected %" PRIu64
                    " bytes for its shape",
                    file->path, name, e->begin, e->end, bytes);
    e->tensor.name = name;
    return TAS_OK;
}

static tas_status check_metadata(const safetensors *file, json_t *metadata)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return fail(file->context, TAS_BAD_DATA, "%s: " METADATA " is not an object", file->path);
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value))
            return fail(file->context, TAS_BAD_DATA, "%s: " METADATA ": \"%.200s\" is not a string", file->path, key);
    }
    return TAS_OK;
}

/* An empty tensor comes before the one that begins where it lies. */
static int compare_entries(const void *a, const void *b)
{
    const entry_in_file *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Every byte of the data belongs to exactly one tensor. */
static tas_status check_cover(safetensors *file)
{
    uint64_t at = 0;
    qsort(file->entries, file->count, sizeof *file->entries, compare_entries);
    for (size_t i = 0; i < file->count; i++) {
        const entry_in_file *e = &file->entries[i];
        if (e->begin != at)
            return fail(file->context, TAS_BAD_DATA,
                        "%s: tensor \"%.200s\" begins at %" PRIu64 ", expected %" PRIu64
                        ", where the tensor before it ends: %s",
                        file->path, e->tensor.name, e->begin, at, e->begin < at ? "they overlap" : "there is a hole");
        at = e->end;
    }
    if (at != file->data_size)
        return fail(file->context, TAS_BAD_DATA,
                    "%s: %" PRIu64 " bytes of data, expected %" PRIu64 ", where the last tensor ends: trailing bytes",
                    file->path, file->data_size, at);
    return TAS_OK;
}

static tas_status read_entries(safetensors *file)
{
    const char *name;
    json_t *about;
    /* one more than needed: calloc(0) may return NULL */
    file->entries = calloc(json_object_size(file->header) + 1, sizeof *file->entries);
    if (!file->entries) return fail(file->context, TAS_NO_MEMORY, "%s: no memory to read it", file->path);
    json_object_foreach(file->header, name, about) {
        tas_status status = strcmp(name, METADATA) ? read_entry(file, name, about, &file->entries[file->count++])
                                                   : check_metadata(file, about);
        if (status) return status;
    }
    tas_status status = check_cover(file);
    qsort(file->entries, file->count, sizeof *file->entries, compare_names);
    return status;
}

/* The bytes and the length of the header; what cannot be one is another kind of file. */
static tas_status find_header(safetensors *file, uint64_t size, uint64_t *length)
{
    unsigned char head[LENGTH_BYTES + 1] = {0};
    tas_status status =
        size < sizeof head ? TAS_OK : file_read_at(file->context, file->path, file->fd, 0, head, sizeof head);
    if (status) return status;
    *length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--) *length = *length << 8 | head[i];
    if (head[LENGTH_BYTES] != '{' || head[LENGTH_BYTES - 1] || *length == 0)
        return fail(file->context, TAS_BAD_DATA, "%s: expected a safetensors checkpoint, found %s", file->path,
                    file_describe(file->path));
    const uint64_t most = size - LENGTH_BYTES < HEADER_MOST ? size - LENGTH_BYTES : HEADER_MOST;
    if (*length > most)
        return fail(file->context, TAS_BAD_DATA,
                    "%s: a header of %" PRIu64 " bytes, expected at most %" PRIu64 ": truncated, or not safetensors",
                    file->path, *length, most);
    return TAS_OK;
}

static tas_status read_header(safetensors *file, uint64_t size)
{
    uint64_t length = 0;
    json_error_t error;
    tas_status status = find_header(file, size, &length);
    if (status) return status;
    char *text = malloc((size_t)length);
    if (!text) return fail(file->context, TAS_NO_MEMORY, "%s: no memory for its header", file->path);
    status = file_read_at(file->context, file->path, file->fd, LENGTH_BYTES, text, (size_t)length);
    if (!status) file->header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!status && !file->header)
        status = fail(file->context, TAS_BAD_DATA, "%s: header, byte %d: %s, expected JSON", file->path, error.position,
                      error.text);
    file->data_begin = LENGTH_BYTES + length;
    file->data_size = size - file->data_begin;
    return status;
}

static tas_status open_file(tas_context *context, const char *path, bool any, safetensors **out)
{
    uint64_t size = 0;
    safetensors *file = *out = calloc(1, sizeof *file);
    if (!file) return fail(context, TAS_NO_MEMORY, "%s: no memory to read it", path);
    *file = (safetensors){.context = context, .path = strdup(path), .fd = -1, .any = any};
    tas_status status = file->path ? TAS_OK : fail(context, TAS_NO_MEMORY, "%s: no memory to read it", path);
    if (!status) status = file_open(context, path, &file->fd, &size);
    if (!status) status = read_header(file, size);
    if (!status) status = read_entries(file);
    if (status) safetensors_close(out);
    return status;
}

tas_status safetensors_open(tas_context *context, const char *path, safetensors **out)
{
    return open_file(context, path, false, out);
}

tas_status safetensors_open_any(tas_context *context, const char *path, safetensors **out)
{
    return open_file(context, path, true, out);
}

/* A float16's value: its subnormals are normal float32. */
static float read_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31) return arith_float(sign | 0x7f800000u | fraction << 13);
    const float magnitude =
        exponent ? arith_float((exponent + 112) << 23 | fraction << 13) : (float)fraction * 0x1p-24f;
    return sign ? -magnitude : magnitude;
}

static void convert(safetensor_type type, size_t count, const unsigned char *bytes, float *values)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        double wide;
        if (type == SAFETENSOR_F64) {
            memcpy(&wide, bytes + i * sizeof wide, sizeof wide);
            values[i] = (float)wide;
            continue;
        }
        memcpy(&half, bytes + i * sizeof half, sizeof half);
        values[i] = type == SAFETENSOR_F16 ? read_half(half) : arith_float((uint32_t)half << 16);
    }
}

/* A tensor's values as they are in the file, in the processor's order of bytes. */
static tas_status read_values(const safetensors *file, const entry_in_file *e, size_t element, void *values)
{
    const size_t size = (size_t)(e->end - e->begin);
    const tas_status status =
        file_read_at(file->context, file->path, file->fd, file->data_begin + e->begin, values, size);
    if (!status) bytes_little_endian(values, values, element, size / element);
    return status;
}

tas_status safetensors_read(const safetensors *file, const safetensor *tensor, float *values)
{
    const entry_in_file *e = (const entry_in_file *)(const void *)tensor;
    const size_t size = (size_t)(e->end - e->begin);
    const size_t element = tensor->type == SAFETENSOR_F64 ? sizeof(double) : sizeof(uint16_t);
    if (tensor->type == SAFETENSOR_F32) return read_values(file, e, sizeof *values, values);
    unsigned char *bytes = malloc(size + 1);
    if (!bytes) return fail(file->context, TAS_NO_MEMORY, "%s: no memory to read it", file->path);
    const tas_status status = read_values(file, e, element, bytes);
    if (!status) convert(tensor->type, size / element, bytes, values);
    free(bytes);
    return status;
}

/* Writing --------------------------------------------------------------------------------------------------------- */

/* jansson returns NULL both for text that is not UTF-8 and if memory runs out. */
static tas_status cannot_write(tas_context *context, const file_writer *writer, const char *key, const char *text)
{
    if (text_is_utf8(key) && text_is_utf8(text))
        return fail(context, TAS_NO_MEMORY, "%s: no memory to write it", writer->path);
    return fail(context, TAS_BAD_FILE, "%s: \"%.200s\" cannot be written: it is not UTF-8", writer->path, key);
}

static tas_status check_unused(tas_context *context, const file_writer *writer, const json_t *object, const char *key)
{
    if (!json_object_get(object, key)) return TAS_OK;
    return fail(context, TAS_BAD_FILE, "%s: \"%.200s\" cannot be written: the name is used twice", writer->path, key);
}

/* {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}; NULL if that fails. */
static json_t *describe_tensor(const safetensor *tensor, uint64_t begin, uint64_t end)
{
    json_t *shape = json_array();
    bool failed = !shape;
    for (size_t d = 0; d < tensor->ndims; d++)
        failed |= json_array_append_new(shape, json_integer((json_int_t)tensor->dims[d])) != 0;
    if (!failed)
        return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape, "data_offsets", (json_int_t)begin,
                         (json_int_t)end);
    json_decref(shape);
    return NULL;
}

static tas_status add_metadata(tas_context *context, const file_writer *writer, const safetensors_pair *pairs,
                               size_t count, json_t *header)
{
    json_t *metadata = json_object();
    if (json_object_set_new(header, METADATA, metadata)) return cannot_write(context, writer, METADATA, "");
    tas_status status = TAS_OK;
    for (size_t i = 0; i < count && !status; i++) {
        status = check_unused(context, writer, metadata, pairs[i].key);
        if (!status && json_object_set_new(metadata, pairs[i].key, json_string(pairs[i].text)))
            status = cannot_write(context, writer, pairs[i].key, pairs[i].text);
    }
    return status;
}

static tas_status add_tensors(tas_context *context, const file_writer *writer, const safetensor *tensors, size_t count,
                              json_t *header)
{
    uint64_t begin = 0, bytes, end;
    for (size_t i = 0; i < count; i++, begin = end) {
        const safetensor *t = &tensors[i];
        if (t->ndims > SAFETENSORS_DIMS || !tensor_bytes(t->dims, t->ndims, sizeof(float), &bytes) ||
            !add_size(begin, bytes, &end) || end > INT64_MAX)
            return fail(context, TAS_BAD_ARGUMENT, "%s: tensor \"%.200s\" has too many dimensions or bytes",
                        writer->path, t->name);
        if (!strcmp(t->name, METADATA))
            return fail(context, TAS_BAD_FILE, "%s: no tensor can have the name " METADATA, writer->path);
        const tas_status status = check_unused(context, writer, header, t->name);
        if (status) return status;
        if (json_object_set_new(header, t->name, describe_tensor(t, begin, end)))
            return cannot_write(context, writer, t->name, "");
    }
    return TAS_OK;
}

/* Length, JSON, and spaces that align the data to a multiple of 8. */
static tas_status write_header(tas_context *context, file_writer *writer, const json_t *header)
{
    unsigned char length[LENGTH_BYTES];
    char *text = json_text(header, JSON_COMPACT);
    if (!text) return fail(context, TAS_NO_MEMORY, "%s: no memory to write it", writer->path);
    const size_t bytes = strlen(text), padded = (bytes + 7) / 8 * 8;
    if (padded > HEADER_MOST) {
        free(text);
        return fail(context, TAS_BAD_ARGUMENT, "%s: a header of %zu bytes, the format allows at most %d", writer->path,
                    padded, HEADER_MOST);
    }
    for (int i = 0; i < LENGTH_BYTES; i++) length[i] = (unsigned char)((uint64_t)padded >> 8 * i & 255);
    fwrite(length, 1, sizeof length, writer->stream);
    fprintf(writer->stream, "%s%*s", text, (int)(padded - bytes), "");
    free(text);
    return TAS_OK;
}

static void write_floats(FILE *stream, const float *values, size_t count)
{
    float piece[1024];
    const size_t most = sizeof piece / sizeof *piece;
    for (size_t at = 0; at < count; at += most) {
        const size_t n = count - at < most ? count - at : most;
        bytes_little_endian(piece, values + at, sizeof *piece, n);
        fwrite(piece, sizeof *piece, n, stream);
    }
}

tas_status safetensors_write(tas_context *context, file_writer *writer, const safetensors_pair *pairs,
                             size_t pair_count, const safetensor *tensors, size_t tensor_count)
{
    uint64_t bytes = 0;
    json_t *header = json_object();
    tas_status status = header ? TAS_OK : fail(context, TAS_NO_MEMORY, "%s: no memory to write it", writer->path);
    if (!status && pair_count) status = add_metadata(context, writer, pairs, pair_count, header);
    if (!status) status = add_tensors(context, writer, tensors, tensor_count, header);
    if (!status) status = write_header(context, writer, header);
    for (size_t i = 0; !status && i < tensor_count; i++) {
        tensor_bytes(tensors[i].dims, tensors[i].ndims, sizeof(float), &bytes);
        write_floats(writer->stream, tensors[i].data, (size_t)bytes / sizeof(float));
    }
    json_decref(header);
    if (!status && ferror(writer->stream))
        status = fail(context, TAS_BAD_FILE, "%s: cannot be written: %s", writer->path, strerror(errno));
    return status;
}
