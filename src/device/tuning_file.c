/* Tunings in the cache, a small file each:
 *
 *     tassello tuning 1               the version of this format
 *     device   NAME, VENDOR, PLATFORM, VERSION
 *     driver   VERSION
 *     contract 3
 *     dense_forward|n=64 o=256 i=512|rows-8|rows-12|51234|48123
 *     ...                             operation, class of shapes, usual and fastest variant, and their nanoseconds
 *     sha256 HEX                      of all before
 *
 * Its name depends on what is in the head, on the library and on its kernels (record.h). */
#include "device/tuning.h"

#include "base/digest.h"
#include "base/file.h"
#include "device/record.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char magic[] = "tassello tuning 1";

enum { FILE_MOST = 1 << 20, PATH_BYTES = 640, END_BYTES = sizeof "sha256 " - 1 + 64 + 1 };

static const char *kind_of(const tas_device *device)
{
    return device->arith == TAS_ARITH_FAST ? "tuning-fast" : "tuning";
}

static void write_head(FILE *stream, const tas_device_info *info)
{
    fprintf(stream, "%s\ndevice   %s, %s, %s, %s\ndriver   %s\ncontract %d\n", magic, info->name, info->vendor,
            info->platform, info->version, info->driver, tas_contract());
}

/* The whole file, malloc()ed; NULL if there is no memory. */
static char *write_text(const tas_device *device, size_t *bytes)
{
    char *text = NULL, hex[65];
    const tuning *t = tuning_of(device);
    digest d;
    FILE *stream = open_memstream(&text, bytes);
    if (!stream) return NULL;
    write_head(stream, &device->info);
    for (int i = 0; t && i < t->count; i++) {
        tas_tune_row row;
        tuning_describe(device, &t->row[i], &row);
        fprintf(stream, "%s|%s|%s|%s|%llu|%llu\n", row.operation, row.shape, row.usual, row.choice,
                (unsigned long long)t->row[i].usual_time, (unsigned long long)t->row[i].time);
    }
    bool failed = fflush(stream) != 0;
    digest_begin(&d);
    if (!failed) digest_add_bytes(&d, text, *bytes);
    digest_end(&d, hex);
    fprintf(stream, "sha256 %s\n", hex);
    failed |= ferror(stream) != 0;
    failed |= fclose(stream) != 0;
    if (!failed) return text;
    free(text);
    return NULL;
}

static tas_status find_path(const tas_device *device, char path[PATH_BYTES])
{
    if (record_path(&device->info, kind_of(device), path, PATH_BYTES)) return TAS_OK;
    return fail(device->context, TAS_BAD_FILE,
                "%s: the tuning cannot be kept: no cache folder can be used: $XDG_CACHE_HOME/tassello, or "
                "~/.cache/tassello, to which nobody else may write",
                device->info.id);
}

tas_status tuning_can_store(const tas_device *device)
{
    char path[PATH_BYTES];
    const tas_status status = find_path(device, path);
    return status ? status : file_check(device->context, path);
}

tas_status tuning_store(const tas_device *device)
{
    char path[PATH_BYTES];
    file_writer writer;
    size_t bytes;
    tas_status status = find_path(device, path);
    if (status) return status;
    char *text = write_text(device, &bytes);
    if (!text) return fail(device->context, TAS_NO_MEMORY, "%s: no memory for a tuning", device->info.id);
    status = file_begin(device->context, &writer, path);
    if (!status) {
        fwrite(text, 1, bytes, writer.stream); /* commit looks for errors */
        status = file_commit(device->context, &writer);
    }
    free(text);
    return status;
}

/* Cuts the last line off; false if it is not the digest of the rest. */
static bool check_end(char *text, size_t bytes)
{
    char hex[65];
    digest d;
    if (bytes < END_BYTES || strlen(text) != bytes || text[bytes - 1] != '\n') return false;
    char *end = text + bytes - END_BYTES;
    digest_begin(&d);
    digest_add_bytes(&d, text, bytes - END_BYTES);
    digest_end(&d, hex);
    if (strncmp(end, "sha256 ", 7) || strncmp(end + 7, hex, 64)) return false;
    *end = 0;
    return true;
}

/* What stands behind this device's head; NULL if that is not the file's. */
static char *skip_head(char *text, const tas_device_info *info)
{
    char *head = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&head, &bytes);
    if (!stream) return NULL;
    write_head(stream, info);
    if (fclose(stream)) bytes = 0;
    char *rest = bytes && !strncmp(text, head, bytes) ? text + bytes : NULL;
    free(head);
    return rest;
}

static bool read_row(const tas_device *device, char *line, tuning_row *out)
{
    char *field[6] = {line};
    tas_tune_row row = {.seconds = 0};
    for (int i = 1; i < 6; i++) {
        field[i] = strchr(field[i - 1], '|');
        if (!field[i]) return false;
        *field[i]++ = 0;
    }
    snprintf(row.operation, sizeof row.operation, "%s", field[0]);
    snprintf(row.shape, sizeof row.shape, "%s", field[1]);
    snprintf(row.usual, sizeof row.usual, "%s", field[2]);
    snprintf(row.choice, sizeof row.choice, "%s", field[3]);
    if (tuning_resolve(device, &row, out)) return false;
    out->usual_time = strtoull(field[4], NULL, 10);
    out->time = strtoull(field[5], NULL, 10);
    return true;
}

/* False if the text is not what was written for this device. */
static bool read_text(tas_device *device, char *text, size_t bytes)
{
    char *line = check_end(text, bytes) ? skip_head(text, &device->info) : NULL, *end;
    if (!line) return false;
    for (; (end = strchr(line, '\n')); line = end + 1) {
        tuning_row row;
        *end = 0;
        if (!read_row(device, line, &row) || tuning_set(device->context, tuning_of(device), &row)) return false;
    }
    return !*line;
}

tas_status tuning_load(tas_device *device)
{
    char path[PATH_BYTES], before[sizeof device->context->error], *text = NULL;
    size_t bytes;
    if (!record_path(&device->info, kind_of(device), path, sizeof path) || access(path, R_OK)) return TAS_OK;
    memcpy(before, device->context->error, sizeof before);
    tas_status status = tuning_attach(device);
    if (status) return status;
    if (file_read(device->context, path, FILE_MOST, &text, &bytes) || !read_text(device, text, bytes)) {
        tuning_of(device)->count = 0;
        note(device->context, "%s: the tuning in %s is damaged, and is not used", device->info.id, path);
    }
    memcpy(device->context->error, before, sizeof before);
    free(text);
    return TAS_OK;
}
