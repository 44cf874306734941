/* libFuzzer: any bytes as sparse text. The first picks how it is read. */
#include "data/readers/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tassello/data.h>

/* Examples with indices of more digits than these only take long. */
static bool has_great_index(const uint8_t *bytes, size_t size)
{
    size_t digits = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == ':' && digits > 4 && digits < 10) return true;
        digits = bytes[i] >= '0' && bytes[i] <= '9' ? digits + 1 : 0;
    }
    return false;
}

static void check_set(const reader_set *set, const schema *of)
{
    const tas_data_options *o = &set->options;
    const size_t inputs = (size_t)o->count * o->input_size;
    if (!o->count || !o->input_size || o->input_size != of->input_size || !set->targets || !set->inputs.bytes) abort();
    for (size_t i = 0; i < inputs; i++) {
        float value = set->inputs.bytes[i * (o->input_type == TAS_INPUT_U8 ? 1 : sizeof value)];
        if (o->input_type == TAS_INPUT_F32) memcpy(&value, set->inputs.bytes + i * sizeof value, sizeof value);
        if (!isfinite(value)) abort();
    }
    for (uint64_t i = 0; i < o->count && o->target_type == TAS_TARGET_LABEL; i++)
        if (((uint32_t *)set->targets)[i] >= o->classes) abort();
}

static void free_result(reader_result *result)
{
    for (int split = 0; split < 2; split++) {
        elements_close(&result->split[split].inputs);
        free(result->split[split].targets);
    }
    schema_free(&result->schema);
}

static bool read_file(const reader_request *request, reader_result *result)
{
    *result = (reader_result){.schema.format = NULL};
    const tas_status status = reader_libsvm.open(request, result);
    result->schema.format = reader_libsvm.name;
    if (status && !*tas_error(request->context)) abort();
    if (status || (request->problems && request->problems->count)) return false;
    check_set(&result->split[TAS_TRAIN], &result->schema);
    /* as data/read.c does */
    result->schema.target_type = result->split[TAS_TRAIN].options.target_type;
    result->schema.target_size = result->split[TAS_TRAIN].options.target_size;
    return true;
}

static void ignore_problem(void *user, const char *problem)
{
    (void)user;
    if (!*problem) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    tas_context *context = NULL;
    char path[64];
    tas_reading reading;
    reader_result result, again;
    if (size < 1 || has_great_index(input, size) || tas_context_open(&context)) return 0;
    const int pick = input[0], fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, input + 1, size - 1) != (ssize_t)(size - 1)) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    reader_problems problems = {.found = ignore_problem, .most = 3};
    tas_reading_init(&reading);
    reading.targets = (tas_targets)((pick & 3) % 3);
    reading.pixels = (tas_choice)((pick >> 2 & 3) % 3);
    if (pick & 16) reading.channels = 1, reading.height = reading.width = 3;
    reader_request request = {.context = context, .path = path, .reading = &reading, .wanted = {true, true}};
    if (pick & 32) request.problems = &problems;
    if (read_file(&request, &result)) { /* with its own schema, it is read again */
        request.schema = &result.schema;
        request.inputs_only = pick & 64;
        if (!read_file(&request, &again)) abort();
        if (memcmp(again.split[0].inputs.bytes, result.split[0].inputs.bytes, (size_t)result.split[0].options.count))
            abort();
        free_result(&again);
    }
    free_result(&result);
    close(fd);
    tas_context_close(&context);
    return 0;
}
