/* Records of devices: a small file per device and driver in the cache, valid for these kernels and this contract:
 *
 *     tassello self-test 1            the version of this format
 *     pocl@...                        the device
 *     untested                        or exact, or refused, with the operation if the self-test found one wrong
 *     dense_forward dense dense_forward -D VEC=16 -D PANEL=32 -D ROWS=8
 *     ...                             operation, program, kernel and options that passed the self-test
 */
#include "verify/tier.h"

#include "base/file.h"
#include "device/record.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char format_line[] = "tassello self-test 1";

static bool read_line(FILE *stream, char line[TIER_LINE])
{
    if (!fgets(line, TIER_LINE, stream)) return false;
    line[strcspn(line, "\n")] = 0;
    return true;
}

static void read_tier(const char *line, tier_record *out)
{
    for (int tier = TAS_TIER_EXACT; tier <= TAS_TIER_REFUSED; tier++) {
        const char *name = tas_tier_name((tas_tier)tier);
        const size_t length = strlen(name);
        if (strncmp(line, name, length) || (line[length] && line[length] != ' ')) continue;
        out->tier = (tas_tier)tier;
        if (line[length]) snprintf(out->refused, sizeof out->refused, "%s", line + length + 1);
    }
}

void tier_read(const tas_device_info *info, tier_record *out)
{
    char path[640], line[TIER_LINE];
    *out = (tier_record){.tier = TAS_TIER_UNTESTED};
    FILE *stream = record_path(info, "tested", path, sizeof path) ? fopen(path, "r") : NULL;
    if (!stream) return;
    if (read_line(stream, line) && !strcmp(line, format_line) && read_line(stream, line) && read_line(stream, line)) {
        read_tier(line, out);
        while (read_line(stream, line)) tier_add_passed(out, line);
    }
    fclose(stream);
}

void tier_free(tier_record *record)
{
    free(record->passed);
    *record = (tier_record){.tier = TAS_TIER_UNTESTED};
}

bool tier_has_passed(const tier_record *record, const char *line)
{
    for (int i = 0; i < record->count; i++)
        if (!strcmp(record->passed[i], line)) return true;
    return false;
}

void tier_add_passed(tier_record *record, const char *line)
{
    if (tier_has_passed(record, line)) return;
    if ((record->count & (record->count - 1)) == 0) { /* a power of two, or 0: full */
        void *grown = realloc(record->passed, (size_t)(record->count ? 2 * record->count : 1) * sizeof *record->passed);
        if (!grown) return;
        record->passed = grown;
    }
    snprintf(record->passed[record->count++], TIER_LINE, "%s", line);
}

void tier_write(tas_context *context, const tas_device_info *info, const tier_record *record)
{
    char path[640], error[sizeof context->error];
    file_writer writer;
    tier_record others;
    if (!record_path(info, "tested", path, sizeof path)) return;
    tier_read(info, &others);
    memcpy(error, context->error, sizeof error); /* failing to remember is no error, and must not replace one */
    if (!file_begin(context, &writer, path)) {
        fprintf(writer.stream, "%s\n%s\n%s%s%s\n", format_line, info->long_id, tas_tier_name(record->tier),
                *record->refused ? " " : "", record->refused);
        for (int i = 0; i < record->count; i++) fprintf(writer.stream, "%s\n", record->passed[i]);
        for (int i = 0; i < others.count && record->count; i++)
            if (!tier_has_passed(record, others.passed[i])) fprintf(writer.stream, "%s\n", others.passed[i]);
        file_commit(context, &writer);
    }
    memcpy(context->error, error, sizeof error);
    tier_free(&others);
}

tas_tier tier_recall(const tas_device_info *info)
{
    tier_record record;
    if (info->type == TAS_TYPE_REFERENCE) return TAS_TIER_EXACT;
    tier_read(info, &record);
    const tas_tier tier = record.tier;
    tier_free(&record);
    return tier;
}

void tier_remember(tas_context *context, const tas_device_info *info, tas_tier tier)
{
    tier_write(context, info, &(tier_record){.tier = tier});
}
