/* Tunings as JSON: {"tuning": 1, what they were measured with, "rows": [...]}. */
#include "tune.h"

#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1 };

/* What a tuning is bound to: the same key in a file must have the same text. */
typedef struct bond {
    const char *key;
    size_t offset; /* in tas_device_info */
    const char *what;
} bond;
static const bond bonds[] = {
    {"name", offsetof(tas_device_info, name), "another device"},
    {"vendor", offsetof(tas_device_info, vendor), "a device of another vendor"},
    {"platform", offsetof(tas_device_info, platform), "another platform"},
    {"version", offsetof(tas_device_info, version), "another version of OpenCL"},
    {"driver", offsetof(tas_device_info, driver), "another driver"},
};
enum { BONDS = sizeof bonds / sizeof *bonds };

static const char *text_of(const tas_device *device, const bond *b)
{
    return (const char *)tas_device_get_info(device) + b->offset;
}

static const char *arith_name(tas_arith arith) { return arith == TAS_ARITH_FAST ? "fast" : "exact"; }

/* ---- Writing ---- */

static json_t *describe_row(const tas_tune_row *row)
{
    json_t *o = json_object();
    json_object_set_new(o, "operation", cli_json_text(row->operation));
    json_object_set_new(o, "shape", cli_json_text(row->shape));
    json_object_set_new(o, "usual", cli_json_text(row->usual));
    json_object_set_new(o, "choice", cli_json_text(row->choice));
    json_object_set_new(o, "usual_seconds", cli_json_real(row->usual_seconds));
    json_object_set_new(o, "seconds", cli_json_real(row->seconds));
    return o;
}

json_t *tune_describe(const tas_device *device, tas_arith arith)
{
    char kernels[65];
    tas_tune_row row;
    json_t *o = json_object(), *key = json_object(), *rows = json_array();
    tas_tuning_kernels(kernels);
    for (int i = 0; i < BONDS; i++) json_object_set_new(key, bonds[i].key, cli_json_text(text_of(device, &bonds[i])));
    for (size_t i = 0; tas_tuning_get(device, i, &row); i++) json_array_append_new(rows, describe_row(&row));
    json_object_set_new(o, "tuning", json_integer(FORMAT));
    json_object_set_new(o, "library", cli_json_text(tas_version()));
    json_object_set_new(o, "kernels", cli_json_text(kernels));
    json_object_set_new(o, "contract", json_integer(tas_contract()));
    json_object_set_new(o, "arith", json_string(arith_name(arith)));
    json_object_set_new(o, "device", key);
    json_object_set_new(o, "rows", rows);
    return o;
}

bool tune_export(cli_state *cli, const tas_device *device, tas_arith arith, const char *path)
{
    json_t *o = tune_describe(device, arith);
    char *text = cli_json_dump(o, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(o);
    if (!text) cli_no_memory();
    const tas_status status = tas_file_write(cli->context, path, text, strlen(text));
    free(text);
    if (status) cli_error(cli, "--export %s", tas_error(cli->context));
    return !status;
}

/* ---- Reading ---- */

static const char *read_text(const json_t *from, const char *key)
{
    const char *text = json_string_value(json_object_get(from, key));
    return text ? text : "";
}

/* Copies a text that has to fit. */
static bool read_name(const json_t *from, const char *key, char *out, size_t bytes)
{
    const char *text = read_text(from, key);
    return *text && (size_t)snprintf(out, bytes, "%s", text) < bytes;
}

static bool read_row(const json_t *from, tas_tune_row *out)
{
    *out = (tas_tune_row){.usual_seconds = json_number_value(json_object_get(from, "usual_seconds")),
                          .seconds = json_number_value(json_object_get(from, "seconds"))};
    return read_name(from, "operation", out->operation, sizeof out->operation) &&
           read_name(from, "shape", out->shape, sizeof out->shape) &&
           read_name(from, "usual", out->usual, sizeof out->usual) &&
           read_name(from, "choice", out->choice, sizeof out->choice);
}

/* What it was measured with must be what is here. */
static bool check_bonds(cli_state *cli, const tas_device *device, tas_arith arith, const char *path,
                        const json_t *tuning)
{
    const json_t *key = json_object_get(tuning, "device"), *contract = json_object_get(tuning, "contract");
    for (int i = 0; i < BONDS; i++) {
        const char *there = read_text(key, bonds[i].key), *here = text_of(device, &bonds[i]);
        if (!strcmp(there, here)) continue;
        cli_error(cli, "--import %s: measured with %s: %s; %s has %s", path, bonds[i].what, cli_shown(there),
                  tas_device_get_info(device)->id, cli_shown(here));
        return false;
    }
    if (!json_is_integer(contract) || json_integer_value(contract) != tas_contract()) {
        cli_error(cli, "--import %s: measured with version %lld of the arithmetic contract; this is version %d", path,
                  (long long)json_integer_value(contract), tas_contract());
        return false;
    }
    if (strcmp(read_text(tuning, "arith"), arith_name(arith)) != 0) {
        cli_error(cli, "--import %s: measured with '--arith %s'", path, cli_shown(read_text(tuning, "arith")));
        return false;
    }
    return true;
}

static int set_rows(cli_state *cli, tas_device *device, const char *path, const json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        tas_tune_row row;
        if (!read_row(json_array_get(rows, i), &row)) {
            cli_error(cli, "--import %s: row %zu: expected an operation, a shape, and its usual and chosen variant",
                      path, i + 1);
            return EXIT_FAILED;
        }
        if (tas_tuning_set(device, &row)) {
            cli_error(cli, "--import %s: row %zu: %s", path, i + 1, tas_error(cli->context));
            return EXIT_FAILED;
        }
    }
    return 0;
}

/* Other kernels may have other times. */
static void note_kernels(cli_state *cli, const json_t *tuning, const char *path)
{
    char kernels[65];
    tas_tuning_kernels(kernels);
    if (strcmp(read_text(tuning, "kernels"), kernels) != 0)
        cli_note(cli, "%s: measured with the kernels of another version (%s); these may have other times", path,
                 cli_shown(read_text(tuning, "library")));
}

int tune_import(cli_state *cli, tas_device *device, tas_arith arith, const char *path)
{
    json_error_t error;
    int result = EXIT_FAILED;
    json_t *tuning = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    const json_t *rows = json_object_get(tuning, "rows");
    if (!tuning)
        cli_error(cli, "--import %s: line %d: %s", path, error.line > 0 ? error.line : 1, cli_shown(error.text));
    else if (json_integer_value(json_object_get(tuning, "tuning")) != FORMAT || !json_is_array(rows))
        cli_error(cli, "--import %s: expected what 'tassello tune --export' of this version writes", path);
    else if (check_bonds(cli, device, arith, path, tuning))
        result = set_rows(cli, device, path, rows);
    if (!result) note_kernels(cli, tuning, path);
    json_decref(tuning);
    return result;
}
