/* A run of tassello bench beside a saved one. */
#include "bench.h"

#include <string.h>

json_t *bench_read(cli_state *cli, const char *file)
{
    json_error_t error;
    json_t *saved = json_load_file(file, JSON_REJECT_DUPLICATES, &error);
    if (!saved) {
        cli_error(cli, "--compare %s: line %d: %s", file, error.line > 0 ? error.line : 1, cli_shown(error.text));
        return NULL;
    }
    if (json_integer_value(json_object_get(saved, "bench")) == 1 && json_is_array(json_object_get(saved, "rows")))
        return saved;
    cli_error(cli, "--compare %s: expected what 'tassello bench --json' of this version prints", file);
    json_decref(saved);
    return NULL;
}

static bool has_text(const json_t *row, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(row, key));
    return value && !strcmp(value, text);
}

static const json_t *find_saved(const bench_rows *rows, const bench_row *row, const json_t *saved)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(saved, "rows"), i,
                       one) if (has_text(one, "device", rows->device[row->device].id) &&
                                has_text(one, "network", row->network) && has_text(one, "layer", row->layer) &&
                                has_text(one, "operation", row->operation) &&
                                has_text(one, "provider", row->provider) &&
                                json_integer_value(json_object_get(one, "batch")) == (json_int_t)row->batch) return one;
    return NULL;
}

size_t bench_compare(const bench_rows *rows, const json_t *saved, double tolerance, FILE *to)
{
    size_t compared = 0, slower = 0, faster = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const bench_row *row = &rows->row[i];
        const json_t *before = find_saved(rows, row, saved);
        const double seconds = json_number_value(json_object_get(before, "seconds"));
        const double ratio = seconds > 0 ? row->seconds.median / seconds : 0;
        if (ratio <= 0) continue;
        compared++;
        if (ratio <= 1 + tolerance && ratio >= 1 / (1 + tolerance)) continue;
        fprintf(to, "%s  %.2f times the time: %s %s %s %s, batch %u%s\n", ratio > 1 ? "slower" : "faster", ratio,
                cli_shown(rows->device[row->device].id), row->network, row->layer, row->operation, row->batch,
                strcmp(row->provider, "clblast") ? "" : ", clblast");
        if (ratio > 1)
            slower++;
        else
            faster++;
    }
    fprintf(to, "%zu rows compared: %zu slower, %zu faster by more than %.3g %%\n", compared, slower, faster,
            100 * tolerance);
    return slower;
}
