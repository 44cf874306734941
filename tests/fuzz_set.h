/* What the fuzzers of data sets share: files that are in memory alone, and what must hold of a set that was read. */
#ifndef FUZZ_SET_H
#define FUZZ_SET_H

#include <tassello/tassello.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FUZZ_FD = 200 }; /* the first of their descriptors */

static char fuzz_made[] = "/tmp/tassello-fuzz-XXXXXX", fuzz_links[8][128];

/* libFuzzer calls exit() at the end of its time. */
static inline void fuzz_remove_folder(void)
{
    for (int i = 0; i < 8; i++)
        if (*fuzz_links[i]) unlink(fuzz_links[i]);
    rmdir(fuzz_made);
}

/* A folder of links to them, made once. */
static inline const char *fuzz_folder(void)
{
    static bool made;
    if (!made && (!mkdtemp(fuzz_made) || atexit(fuzz_remove_folder))) abort();
    made = true;
    return fuzz_made;
}

/* File number i has these bytes; in the folder it has that name, unless it has none, or no bytes. */
static inline void fuzz_put(int i, const char *name, const uint8_t *bytes, size_t size)
{
    char target[64];
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || dup2(fd, FUZZ_FD + i) < 0 || write(fd, bytes, size) != (ssize_t)size) abort();
    close(fd);
    if (*fuzz_links[i]) unlink(fuzz_links[i]);
    *fuzz_links[i] = 0;
    if (!name || !size) return;
    snprintf(fuzz_links[i], sizeof fuzz_links[i], "%s/%s", fuzz_folder(), name);
    snprintf(target, sizeof target, "/proc/self/fd/%d", FUZZ_FD + i);
    if (symlink(target, fuzz_links[i])) abort();
}

/* Cuts a part off the front: its length is in the first 2 bytes. */
static inline size_t fuzz_cut(const uint8_t **input, size_t *size, const uint8_t **part)
{
    size_t length = 0;
    if (*size >= 2) {
        length = (*input)[0] | (size_t)(*input)[1] << 8;
        *input += 2;
        *size -= 2;
    }
    if (length > *size) length = *size;
    *part = *input;
    *input += length;
    *size -= length;
    return length;
}

/* Every example is there, finite, and of a class that there is. */
static inline void fuzz_walk(const tas_data *data)
{
    const size_t size = tas_data_input_size(data);
    const uint32_t classes = tas_data_classes(data);
    const uint64_t count = tas_data_count(data);
    tas_data_info info;
    tas_data_get_info(data, &info);
    if (!count || !size || (info.target_type == TAS_TARGET_LABEL) != (classes > 0)) abort();
    if (info.height && (size_t)info.channels * info.height * info.width != size) abort();
    const size_t targets = classes ? 1 : info.target_size;
    float *input = malloc(size * sizeof *input), *target = malloc(targets * sizeof *target);
    for (uint64_t i = 0; i<count; i += count> 64 ? count / 64 : 1) {
        uint32_t label;
        if (tas_data_get(data, &i, 1, input, target)) abort();
        for (size_t k = 0; k < size; k++)
            if (!(input[k] - input[k] == 0)) abort();
        memcpy(&label, target, sizeof label);
        if (classes && label >= classes) abort();
        for (size_t k = 0; !classes && k < targets; k++)
            if (!(target[k] - target[k] == 0)) abort();
    }
    for (uint32_t k = 0; info.class_name && k < classes; k++)
        if (!info.class_name[k]) abort();
    free(input);
    free(target);
}

/* The file of inputs alone, with the schema that the reading has. */
static inline void fuzz_read_inputs(tas_context *context, const char *path, const tas_reading *reading)
{
    tas_data *inputs = NULL;
    tas_data_read_inputs(context, path, reading, &inputs);
    if (inputs) fuzz_walk(inputs);
    tas_data_close(&inputs);
}

static inline void fuzz_no_problem(void *user, const char *problem)
{
    (void)user;
    if (!*problem) abort();
}

/* Checking finds a problem in the files of a set if they cannot be read. */
static inline void fuzz_check(tas_context *context, const char *path, const tas_reading *reading, tas_status status)
{
    int count = -1;
    const tas_status checked = tas_data_check(context, path, reading, 3, fuzz_no_problem, NULL, &count);
    if (count < 0 || count > 3 || (!checked && !status != !count)) abort();
}

/* Reads a set; if it can be read, then also with the schema that results, and that and another file for prediction;
 * other: NULL: there is none. */
static inline void fuzz_read_as(const char *path, tas_reading reading, const char *other)
{
    tas_context *context = NULL;
    tas_data *sets[2] = {NULL, NULL}, *again[2] = {NULL, NULL};
    if (tas_context_open(&context)) abort();
    const tas_status status = tas_data_read(context, path, &reading, &sets[TAS_TRAIN], &sets[TAS_TEST]);
    if (status && (sets[0] || sets[1] || !*tas_error(context))) abort();
    fuzz_check(context, path, &reading, status);
    for (int split = 0; split < 2; split++)
        if (sets[split]) fuzz_walk(sets[split]);
    const tas_data *one = sets[TAS_TRAIN] ? sets[TAS_TRAIN] : sets[TAS_TEST];
    if (one) {
        reading.schema = tas_data_schema(one);
        if (!reading.schema || tas_data_read(context, path, &reading, &again[TAS_TRAIN], &again[TAS_TEST])) {
            fprintf(stderr, "%s\n", tas_error(context));
            abort();
        }
        if (!again[TAS_TRAIN] != !sets[TAS_TRAIN] || !again[TAS_TEST] != !sets[TAS_TEST]) abort();
        fuzz_read_inputs(context, path, &reading);
        if (other) fuzz_read_inputs(context, other, &reading);
    }
    for (int split = 0; split < 2; split++) {
        tas_data_close(&again[split]);
        tas_data_close(&sets[split]);
    }
    tas_context_close(&context);
}

/* As the byte `choices` has it. */
static inline void fuzz_read(const char *path, const char *format, unsigned choices)
{
    tas_reading reading;
    tas_reading_init(&reading);
    reading.format = format;
    reading.targets = (tas_targets)(choices % 3);
    reading.pixels = (tas_choice)(choices / 3 % 3);
    if (choices & 64) reading.channels = 3, reading.height = 2, reading.width = 2;
    fuzz_read_as(path, reading, NULL);
}

#endif
