/* What a bug report needs of a verification: plain text, narrow, without what went well. */
#include "verify.h"

#include <string.h>

enum { WIDTH = 79, COLUMN = 11, ROW_COLUMN = 4 };

static void write_fact(FILE *note, const char *name, const char *text)
{
    if (!*text) return;
    fprintf(note, "%-*s", COLUMN, name);
    cli_print_wrapped(note, cli_shown(text), COLUMN, COLUMN, WIDTH);
}

static void write_machine(const json_t *found, FILE *note)
{
    const json_t *machine = json_object_get(found, "machine");
    char text[512];
    snprintf(text, sizeof text, "%s, %s, contract %g", verify_text(found, "version"), verify_text(found, "build"),
             verify_number(found, "contract"));
    write_fact(note, "tassello", text);
    write_fact(note, "date", verify_text(found, "date"));
    write_fact(note, "processor", verify_text(machine, "processor"));
    snprintf(text, sizeof text, "%s, %s %s", verify_text(machine, "system"), verify_text(machine, "kernel"),
             verify_text(machine, "architecture"));
    write_fact(note, "system", text);
    snprintf(text, sizeof text, "%.0f random per operation, seed %.0f", verify_number(found, "cases"),
             verify_number(found, "seed"));
    write_fact(note, "cases", text);
}

/* "61 exact, 4 tolerance, 1 wrong" */
static void count_statuses(const json_t *rows, char *out, size_t bytes)
{
    size_t i, count[VERIFY_STATUSES] = {0}, used = 0;
    const json_t *row;
    *out = 0;
    json_array_foreach(rows, i, row) count[verify_status_of(row)]++;
    for (int s = 0; s < VERIFY_STATUSES && used < bytes; s++)
        if (count[s])
            used += (size_t)snprintf(out + used, bytes - used, "%s%zu %s", used ? ", " : "", count[s], verify_word(s));
    if (!used) snprintf(out, bytes, "none");
}

static void write_digests(const json_t *device, FILE *note)
{
    char text[256] = "";
    size_t k, used = 0;
    const json_t *digest, *digests = json_object_get(device, "digests");
    json_array_foreach(digests, k, digest) used +=
        (size_t)snprintf(text + used, sizeof text - used, "%.16s ", json_string_value(digest));
    if (!used) return;
    snprintf(text + used, sizeof text - used, "%s",
             json_is_true(json_object_get(device, "digest_ok")) ? "as expected" : "NOT as expected");
    write_fact(note, "digests", text);
}

static void write_flags(const json_t *device, FILE *note)
{
    char text[256];
    snprintf(text, sizeof text, "%s, %.0f units, %.0f MiB, %s, %s, tier %s", verify_text(device, "type"),
             verify_number(device, "compute_units"), verify_number(device, "global_bytes") / 1048576,
             json_is_true(json_object_get(device, "fma")) ? "fma" : "no fma",
             json_is_true(json_object_get(device, "denormals")) ? "denormals" : "no denormals",
             verify_text(device, "tier"));
    write_fact(note, "has", text);
}

static void write_failure(const json_t *row, FILE *note)
{
    fprintf(note, "  %s (%s): %s\n%*s", verify_text(row, "operation"), verify_text(row, "provider"),
            verify_text(row, "status"), ROW_COLUMN, "");
    cli_print_wrapped(note, cli_shown(verify_text(row, "text")), ROW_COLUMN, ROW_COLUMN, WIDTH);
    fprintf(note, "    %s\n", cli_shown(verify_text(row, "command")));
}

static void write_device(const json_t *device, FILE *note)
{
    char text[512];
    size_t i;
    const json_t *row, *rows = json_object_get(device, "rows");
    fprintf(note, "\n%s: %s\n", cli_shown(verify_text(device, "id")), verify_text(device, "status"));
    write_fact(note, "name", verify_text(device, "name"));
    write_fact(note, "platform", verify_text(device, "platform"));
    snprintf(text, sizeof text, "%s  %s", verify_text(device, "driver"), verify_text(device, "version"));
    if (*verify_text(device, "driver")) write_fact(note, "driver", text);
    write_flags(device, note);
    count_statuses(rows, text, sizeof text);
    write_fact(note, "rows", text);
    write_digests(device, note);
    write_fact(note, "why", verify_text(device, "why"));
    json_array_foreach(rows, i, row) if (verify_has_failed(verify_status_of(row))) write_failure(row, note);
}

void verify_note_write(const json_t *found, FILE *note)
{
    size_t i;
    const json_t *device;
    fputs("tassello verify\n", note);
    write_machine(found, note);
    json_array_foreach(json_object_get(found, "devices"), i, device) write_device(device, note);
}
