/* libFuzzer: any bytes as a table. The first picks how it is read, the second how many of them are the test split. */
#include "data/readers/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tassello/data.h>

static int write_file(const uint8_t *bytes, size_t size, char path[64])
{
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) abort();
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

/* Everything that a set says must be there. */
static void check_set(const reader_set *set, const schema *of)
{
    const tas_data_options *o = &set->options;
    const size_t inputs = (size_t)o->count * o->input_size;
    double sum = 0;
    if (!o->count || !o->input_size || o->input_size != of->input_size || !set->targets || !set->inputs.bytes) abort();
    for (size_t i = 0; i < inputs; i++) {
        float value = set->inputs.bytes[i * (o->input_type == TAS_INPUT_U8 ? 1 : sizeof value)];
        if (o->input_type == TAS_INPUT_F32) memcpy(&value, set->inputs.bytes + i * sizeof value, sizeof value);
        if (!isfinite(value)) abort();
        sum += (double)value;
    }
    for (uint64_t i = 0; i < o->count && o->target_type == TAS_TARGET_LABEL; i++)
        if (((uint32_t *)set->targets)[i] >= o->classes) abort();
    for (uint64_t i = 0; i < o->count * o->target_size && o->target_type == TAS_TARGET_F32; i++)
        if (!isfinite(((float *)set->targets)[i])) abort();
    if (isnan(sum)) abort();
}

static void free_result(reader_result *result)
{
    for (int split = 0; split < 2; split++) {
        elements_close(&result->split[split].inputs);
        free(result->split[split].targets);
    }
    schema_free(&result->schema);
}

static void ignore_problem(void *user, const char *problem)
{
    (void)user;
    if (!*problem) abort();
}

static bool read_table(const reader_request *request, const reader *format, reader_result *result)
{
    *result = (reader_result){.schema.format = NULL};
    const tas_status status = format->open(request, result);
    result->schema.format = format->name;
    if (status && !*tas_error(request->context)) abort();
    if (status || (request->problems && request->problems->count)) return false;
    check_set(&result->split[TAS_TRAIN], &result->schema);
    return true;
}

/* The schema as a checkpoint has it, with which the second part is read. */
static void read_again(reader_request *request, const reader *format, const schema *of, const char *path)
{
    schema kept;
    reader_result result;
    char *text = schema_print(of);
    if (!text || schema_parse(request->context, text, "schema", &kept)) abort();
    request->schema = &kept;
    request->path = path;
    for (int inputs = 0; inputs < 2; inputs++) {
        request->inputs_only = inputs;
        if (read_table(request, format, &result) && result.schema.input_size != of->input_size) abort();
        free_result(&result);
    }
    schema_free(&kept);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static const char *const targets[] = {NULL, "y", "1", "2,1"}, *const ignored[] = {NULL, NULL, "2", "a,1"};
    tas_context *context = NULL;
    char first[64], second[64];
    tas_reading reading;
    reader_result result;
    if (size < 2 || tas_context_open(&context)) return 0;
    const int pick = input[0], cut = input[1];
    const size_t bytes = size - 2, part = bytes * (size_t)(255 - cut) / 255;
    reader_problems problems = {.found = ignore_problem, .most = 3};
    tas_reading_init(&reading);
    reading.target = targets[pick & 3];
    reading.ignore = ignored[pick >> 2 & 3];
    reading.missing = (tas_missing)((pick >> 4 & 3) % 3);
    reading.targets = (tas_targets)((pick >> 6 & 3) % 3);
    reading.header = (tas_choice)(cut % 3);
    reading.pixels = (tas_choice)(cut / 3 % 3);
    if (cut & 64) reading.channels = 1, reading.height = reading.width = 2;
    const int fd = write_file(input + 2, part, first), other = write_file(input + 2 + part, bytes - part, second);
    reader_request request = {.context = context, .path = first, .reading = &reading, .wanted = {true, true}};
    if (cut & 128) request.problems = &problems;
    const reader *format = cut & 32 ? &reader_tsv : &reader_csv;
    if (read_table(&request, format, &result)) read_again(&request, format, &result.schema, second);
    free_result(&result);
    close(fd);
    close(other);
    tas_context_close(&context);
    return 0;
}
