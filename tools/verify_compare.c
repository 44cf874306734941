/* Two files of verify: what differs in their results, and what else is different and may be why. */
#include "verify.h"

#include <math.h>
#include <string.h>

enum { REASON = 512, VALUE = 256 };

typedef struct comparison {
    size_t results;   /* what differs and counts, */
    bool has_printed; /* and the head of what does not */
} comparison;

/* ---------------------------------------------------------------------------------------------------------- files */

static json_t *read_file(cli_state *cli, const char *file)
{
    char why[REASON];
    json_error_t error;
    json_t *found = json_load_file(file, JSON_REJECT_DUPLICATES, &error);
    if (!found && error.line <= 0)
        cli_error(cli, "--compare %s: %s", file, cli_shown(error.text));
    else if (!found)
        cli_error(cli, "--compare %s: line %d, column %d: %s", file, error.line, error.column, cli_shown(error.text));
    if (!found || verify_schema_check(found, why, sizeof why)) return found;
    cli_error(cli, "--compare %s: %s", file, why);
    json_decref(found);
    return NULL;
}

/* ---------------------------------------------------------------------------------------------------- differences */

static void print_values(const char *what, const char *a, const char *b)
{
    char first[VALUE], second[VALUE];
    printf("  %-40s %s -> %s\n", what, tas_escape(*a ? a : "-", first, sizeof first),
           tas_escape(*b ? b : "-", second, sizeof second));
}

static void compare_results(comparison *c, const char *what, const char *a, const char *b)
{
    if (!strcmp(a, b)) return;
    c->results++;
    print_values(what, a, b);
}

static void compare_context(comparison *c, const char *what, const char *a, const char *b)
{
    if (!strcmp(a, b)) return;
    if (!c->has_printed) printf("circumstances that differ:\n");
    c->has_printed = true;
    print_values(what, a, b);
}

static void compare_number(comparison *c, const json_t *a, const json_t *b, const char *key)
{
    char first[VALUE], second[VALUE];
    snprintf(first, sizeof first, "%.17g", verify_number(a, key));
    snprintf(second, sizeof second, "%.17g", verify_number(b, key));
    compare_context(c, key, first, second);
}

/* -------------------------------------------------------------------------------------------------------- devices */

static bool is_same(const json_t *a, const json_t *b, const char *key)
{
    return !strcmp(verify_text(a, key), verify_text(b, key));
}

/* By id; else by name and driver, as an id depends on the other devices of its machine. */
static const json_t *find_device(const json_t *devices, const json_t *like)
{
    size_t i;
    const json_t *device;
    json_array_foreach(devices, i, device) if (is_same(device, like, "id")) return device;
    json_array_foreach(devices, i,
                       device) if (is_same(device, like, "name") && is_same(device, like, "driver")) return device;
    return NULL;
}

static const json_t *find_row(const json_t *rows, const json_t *like)
{
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row) if (is_same(row, like, "operation") && is_same(row, like, "provider")) return row;
    return NULL;
}

static const char *row_name(const json_t *device, const json_t *row, char out[VALUE])
{
    snprintf(out, VALUE, "%s: %s (%s)", verify_text(device, "id"), verify_text(row, "operation"),
             verify_text(row, "provider"));
    return out;
}

static void show_row(const json_t *row, char out[VALUE])
{
    const double error = verify_number(row, "worst_error");
    if (!row)
        snprintf(out, VALUE, "not run");
    else if (error > 0)
        snprintf(out, VALUE, "%s, largest error %.6g of the bound", verify_text(row, "status"), error);
    else
        snprintf(out, VALUE, "%s", verify_text(row, "status"));
}

static void compare_row(comparison *c, const json_t *device, const json_t *named, const json_t *a, const json_t *b)
{
    char what[VALUE], first[VALUE], second[VALUE];
    show_row(a, first);
    show_row(b, second);
    compare_results(c, row_name(device, named, what), first, second);
}

static void compare_rows(comparison *c, const json_t *a, const json_t *b)
{
    size_t i;
    const json_t *row, *of_a = json_object_get(a, "rows"), *of_b = json_object_get(b, "rows");
    json_array_foreach(of_a, i, row) compare_row(c, a, row, row, find_row(of_b, row));
    json_array_foreach(of_b, i, row) if (!find_row(of_a, row)) compare_row(c, a, row, NULL, row);
}

static const char *digest_of(const json_t *device, size_t number)
{
    const char *text = json_string_value(json_array_get(json_object_get(device, "digests"), number));
    return text ? text : "none";
}

static void compare_devices(comparison *c, const json_t *a, const json_t *b)
{
    char what[VALUE];
    snprintf(what, sizeof what, "%s: status", verify_text(a, "id"));
    compare_results(c, what, verify_text(a, "status"), verify_text(b, "status"));
    for (size_t k = 0; k < TAS_CANONICAL_TRAININGS; k++) {
        snprintf(what, sizeof what, "%s: digest %zu", verify_text(a, "id"), k + 1);
        compare_results(c, what, digest_of(a, k), digest_of(b, k));
    }
    compare_rows(c, a, b);
}

/* A tier depends on the number of cases as well: a device that is exact in few has none yet. */
static void compare_drivers(comparison *c, const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"id", "name", "platform", "driver", "version", "tier"};
    char what[VALUE];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(what, sizeof what, "%s: %s", verify_text(a, "id"), keys[i]);
        compare_context(c, what, verify_text(a, keys[i]), verify_text(b, keys[i]));
    }
}

/* ------------------------------------------------------------------------------------------------------ the files */

static void compare_all_contexts(comparison *c, const json_t *a, const json_t *b)
{
    static const char *const texts[] = {"version", "build"};
    static const char *const parts[] = {"processor", "architecture", "system", "kernel"};
    static const char *const numbers[] = {"seed", "cases"};
    const json_t *of_a = json_object_get(a, "machine"), *of_b = json_object_get(b, "machine");
    size_t i;
    const json_t *device, *other;
    for (i = 0; i < sizeof texts / sizeof *texts; i++)
        compare_context(c, texts[i], verify_text(a, texts[i]), verify_text(b, texts[i]));
    for (i = 0; i < sizeof parts / sizeof *parts; i++)
        compare_context(c, parts[i], verify_text(of_a, parts[i]), verify_text(of_b, parts[i]));
    for (i = 0; i < sizeof numbers / sizeof *numbers; i++) compare_number(c, a, b, numbers[i]);
    json_array_foreach(json_object_get(a, "devices"), i,
                       device) if ((other = find_device(json_object_get(b, "devices"), device)))
        compare_drivers(c, device, other);
}

static void compare_contracts(comparison *c, const json_t *a, const json_t *b)
{
    char first[VALUE], second[VALUE];
    snprintf(first, sizeof first, "%.0f", verify_number(a, "contract"));
    snprintf(second, sizeof second, "%.0f", verify_number(b, "contract"));
    compare_results(c, "arithmetic contract", first, second);
}

static void compare_all_results(comparison *c, const json_t *a, const json_t *b)
{
    size_t i;
    const json_t *device, *other, *of_a = json_object_get(a, "devices"), *of_b = json_object_get(b, "devices");
    compare_contracts(c, a, b);
    json_array_foreach(of_a, i, device)
    {
        other = find_device(of_b, device);
        if (other)
            compare_devices(c, device, other);
        else
            compare_results(c, verify_text(device, "id"), verify_text(device, "status"), "not tested");
    }
    json_array_foreach(of_b, i, device) if (!find_device(of_a, device))
        compare_results(c, verify_text(device, "id"), "not tested", verify_text(device, "status"));
}

int verify_compare(cli_state *cli, const char *a, const char *b)
{
    comparison c = {0};
    json_t *of_a = read_file(cli, a), *of_b = of_a ? read_file(cli, b) : NULL;
    const bool read = of_a && of_b;
    if (read) {
        compare_all_contexts(&c, of_a, of_b);
        printf("results:\n");
        compare_all_results(&c, of_a, of_b);
        if (c.results)
            printf("%zu difference%s\n", c.results, c.results == 1 ? "" : "s");
        else
            printf("the same\n");
    }
    json_decref(of_a);
    json_decref(of_b);
    return read && !c.results ? 0 : EXIT_FAILED;
}
