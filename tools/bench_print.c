/* Rows of tassello bench: for people, as CSV, as Markdown, as JSON. */
#include "bench.h"

#include <math.h>
#include <string.h>

static double rate(double work, const bench_row *row)
{
    return row->seconds.median > 0 ? 1e-9 * work / row->seconds.median : 0;
}

static double share(double part, double of) { return of > 0 ? part / of : 0; }

static double examples_per_s(const bench_row *row)
{
    return row->seconds.median > 0 ? row->batch / row->seconds.median : 0;
}

/* The row of CLBlast that computes the same as this one; NULL if there is none. */
static const bench_row *find_provider(const bench_rows *rows, const bench_row *row)
{
    for (const bench_row *r = rows->row; r < rows->row + rows->count; r++)
        if (r->device == row->device && r->batch == row->batch && !strcmp(r->provider, "clblast") &&
            !strcmp(r->network, row->network) && !strcmp(r->operation, row->operation) && !strcmp(r->layer, row->layer))
            return r;
    return NULL;
}

/* "12.3 us" into text. */
enum { SECONDS_TEXT = 32 };
static const char *print_seconds(double seconds, char text[SECONDS_TEXT])
{
    char figures[FLOAT_TEXT];
    const char *unit = seconds >= 1 ? "s" : seconds >= 1e-3 ? "ms" : "us";
    const double scale = seconds >= 1 ? 1 : seconds >= 1e-3 ? 1e3 : 1e6;
    snprintf(text, SECONDS_TEXT, "%s %s", cli_figures(seconds * scale, 3, figures), unit);
    return text;
}

/* "-3 to +8 %": the shortest and the longest repetition beside the median. */
static const char *print_spread(const tas_bench_time *time, char text[SECONDS_TEXT])
{
    const double low = 100 * share(time->low - time->median, time->median);
    const double high = 100 * share(time->high - time->median, time->median);
    snprintf(text, SECONDS_TEXT, "%+.0f to %+.0f %%", low, high);
    return text;
}

/* for people ------------------------------------------------------------------------------------------------------- */

/* A rate and its share of the device's; empty if the operation has none. */
static void print_rate(double value, double of)
{
    if (value > 0)
        printf("  %8.1f %5.1f %%", value, 100 * share(value, of));
    else
        printf("  %8s %7s", "", "");
}

static void print_call(const bench_rows *rows, const bench_row *row)
{
    const tas_device_info *device = &rows->device[row->device];
    const bench_row *provider = find_provider(rows, row);
    char median[SECONDS_TEXT], spread[SECONDS_TEXT];
    printf("%-14s %-46s %-28s %9s %13s", row->network, row->layer, row->operation,
           print_seconds(row->seconds.median, median), print_spread(&row->seconds, spread));
    print_rate(rate(row->flops, row), device->fma_gflops);
    print_rate(rate(row->bytes, row), device->copy_gbytes_s);
    if (provider) printf("  %8.1f", rate(provider->flops, provider));
    putchar('\n');
}

/* "dense_backward_weights 41 %, sgd 22 %, ...": where most of a step's time goes. */
static void print_kernels(const bench_row *row)
{
    enum { KERNELS = 3 };
    for (size_t i = 0; i < row->profile->count && i < KERNELS; i++)
        printf("%s%s %.0f %%", i ? ", " : "  ", row->profile->rows[i].name,
               100 * share(row->profile->rows[i].seconds, row->profile->wall_seconds));
}

static void print_step(const bench_row *row)
{
    char median[SECONDS_TEXT], spread[SECONDS_TEXT];
    printf("%-14s %5u %6u %11.0f %9s %13s %9.1f %6.1f %6.1f %%", row->network, row->batch, row->examples,
           examples_per_s(row), print_seconds(row->seconds.median, median), print_spread(&row->seconds, spread),
           row->launches, row->waits, 100 * row->gap_share);
    print_kernels(row);
    putchar('\n');
}

void bench_print_text(const bench_rows *rows, size_t device)
{
    const tas_device_info *info = &rows->device[device];
    bool calls = false, steps = false;
    printf("device       %s (%s)\n", cli_shown(info->id), cli_shown(info->name));
    printf("rates        %.1f GFLOP/s of fma, %.1f GB/s copied (measured)\n", info->fma_gflops, info->copy_gbytes_s);
    for (size_t i = 0; i < rows->count; i++) {
        const bench_row *row = &rows->row[i];
        if (row->device != device || row->step || !strcmp(row->provider, "clblast")) continue;
        if (!calls)
            printf("%-14s %-46s %-28s %9s %13s  %8s %7s  %8s %7s  %8s\n", "network", "layer", "operation", "median",
                   "spread", "GFLOP/s", "of fma", "GB/s", "of copy", "CLBlast");
        calls = true;
        print_call(rows, row);
    }
    for (size_t i = 0; i < rows->count; i++) {
        const bench_row *row = &rows->row[i];
        if (row->device != device || !row->step) continue;
        if (!steps)
            printf("%-14s %5s %6s %11s %9s %13s %9s %6s %8s  %s\n", "network", "batch", "tile", "examples/s", "step",
                   "spread", "launches", "waits", "gaps", "most time in");
        steps = true;
        print_step(row);
    }
}

/* CSV and Markdown ------------------------------------------------------------------------------------------------- */

enum { CELL = 160 };

/* A column of both: its name, and how a row fills it; empty if the row has no such figure. */
typedef struct column {
    const char *name;
    void (*print)(const bench_rows *rows, const bench_row *row, char text[CELL]);
} column;

static void print_number(double value, char text[CELL])
{
    if (value > 0) snprintf(text, CELL, "%.6g", value);
}

static void device_cell(const bench_rows *rows, const bench_row *row, char text[CELL])
{
    snprintf(text, CELL, "%s", rows->device[row->device].id);
}

#define TEXT_CELL(field)                                                                                               \
    static void field##_cell(const bench_rows *rows, const bench_row *row, char text[CELL])                            \
    {                                                                                                                  \
        (void)rows;                                                                                                    \
        snprintf(text, CELL, "%s", row->field);                                                                        \
    }
#define NUMBER_CELL(name, value)                                                                                       \
    static void name##_cell(const bench_rows *rows, const bench_row *row, char text[CELL])                             \
    {                                                                                                                  \
        (void)rows;                                                                                                    \
        print_number(value, text);                                                                                     \
    }
TEXT_CELL(network)
TEXT_CELL(layer)
TEXT_CELL(operation)
TEXT_CELL(provider)
NUMBER_CELL(batch, row->batch)
NUMBER_CELL(examples, row->examples)
NUMBER_CELL(median, row->seconds.median)
NUMBER_CELL(low, row->seconds.low)
NUMBER_CELL(high, row->seconds.high)
NUMBER_CELL(gflops, rate(row->flops, row))
NUMBER_CELL(fma_share, share(rate(row->flops, row), rows->device[row->device].fma_gflops))
NUMBER_CELL(gbytes_s, rate(row->bytes, row))
NUMBER_CELL(copy_share, share(rate(row->bytes, row), rows->device[row->device].copy_gbytes_s))
NUMBER_CELL(examples_per_s, row->step ? examples_per_s(row) : 0)
NUMBER_CELL(launches, row->launches)
NUMBER_CELL(waits, row->waits)
NUMBER_CELL(gap_share, row->gap_share)

static const column columns[] = {
    {"device", device_cell},       {"network", network_cell},       {"layer", layer_cell},
    {"operation", operation_cell}, {"provider", provider_cell},     {"batch", batch_cell},
    {"examples", examples_cell},   {"seconds", median_cell},        {"seconds_low", low_cell},
    {"seconds_high", high_cell},   {"gflops", gflops_cell},         {"fma_share", fma_share_cell},
    {"gbytes_s", gbytes_s_cell},   {"copy_share", copy_share_cell}, {"examples_per_s", examples_per_s_cell},
    {"launches", launches_cell},   {"waits", waits_cell},           {"gap_share", gap_share_cell},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void print_table(const bench_rows *rows, const char *begin, const char *between, const char *end)
{
    for (size_t i = 0; i < rows->count; i++) {
        printf("%s", begin);
        for (int c = 0; c < COLUMNS; c++) {
            char text[CELL] = "";
            columns[c].print(rows, &rows->row[i], text);
            printf("%s%s", c ? between : "", text);
        }
        printf("%s\n", end);
    }
}

static void print_names(const char *begin, const char *between, const char *end)
{
    printf("%s", begin);
    for (int c = 0; c < COLUMNS; c++) printf("%s%s", c ? between : "", columns[c].name);
    printf("%s\n", end);
}

/* No text in it has a comma, a quote or a bar. */
void bench_print_csv(const bench_rows *rows)
{
    print_names("", ",", "");
    print_table(rows, "", ",", "");
}

void bench_print_markdown(const bench_rows *rows)
{
    print_names("| ", " | ", " |");
    for (int c = 0; c < COLUMNS; c++) printf("| --- ");
    printf("|\n");
    print_table(rows, "| ", " | ", " |");
}

/* JSON ------------------------------------------------------------------------------------------------------------- */

static json_t *describe_kernels(const bench_row *row)
{
    json_t *list = json_array();
    const double steps = (double)row->profiled_steps;
    for (size_t i = 0; i < row->profile->count; i++) {
        const tas_profile_row *kernel = &row->profile->rows[i];
        json_t *o = json_object();
        json_object_set_new(o, "name", cli_json_text(kernel->name));
        json_object_set_new(o, "launches", cli_json_real((double)kernel->launches / steps));
        json_object_set_new(o, "seconds", cli_json_real(kernel->seconds / steps));
        json_object_set_new(o, "bytes", cli_json_real((double)kernel->bytes / steps));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *describe_row(const bench_rows *rows, const bench_row *row)
{
    json_t *o = json_object();
    json_object_set_new(o, "device", cli_json_text(rows->device[row->device].id));
    json_object_set_new(o, "network", cli_json_text(row->network));
    json_object_set_new(o, "layer", cli_json_text(row->layer));
    json_object_set_new(o, "operation", cli_json_text(row->operation));
    json_object_set_new(o, "provider", cli_json_text(row->provider));
    json_object_set_new(o, "batch", json_integer(row->batch));
    json_object_set_new(o, "examples", json_integer(row->examples));
    json_object_set_new(o, "seconds", cli_json_real(row->seconds.median));
    json_object_set_new(o, "seconds_low", cli_json_real(row->seconds.low));
    json_object_set_new(o, "seconds_high", cli_json_real(row->seconds.high));
    if (row->step) {
        json_object_set_new(o, "examples_per_s", cli_json_real(examples_per_s(row)));
        json_object_set_new(o, "launches", cli_json_real(row->launches));
        json_object_set_new(o, "waits", cli_json_real(row->waits));
        json_object_set_new(o, "gap_share", cli_json_real(row->gap_share));
        json_object_set_new(o, "kernels", describe_kernels(row));
    } else {
        json_object_set_new(o, "flops", cli_json_real(row->flops));
        json_object_set_new(o, "bytes", cli_json_real(row->bytes));
    }
    return o;
}

json_t *bench_describe(const bench_rows *rows)
{
    json_t *o = json_object(), *devices = json_array(), *list = json_array();
    for (size_t i = 0; i < rows->device_count; i++) {
        const tas_device_info *info = &rows->device[i];
        json_t *device = json_object();
        json_object_set_new(device, "id", cli_json_text(info->id));
        json_object_set_new(device, "name", cli_json_text(info->name));
        json_object_set_new(device, "driver", cli_json_text(info->driver));
        json_object_set_new(device, "fma_gflops", cli_json_real(info->fma_gflops));
        json_object_set_new(device, "copy_gbytes_s", cli_json_real(info->copy_gbytes_s));
        json_array_append_new(devices, device);
    }
    for (size_t i = 0; i < rows->count; i++) json_array_append_new(list, describe_row(rows, &rows->row[i]));
    json_object_set_new(o, "bench", json_integer(1));
    json_object_set_new(o, "version", json_string(tas_version()));
    json_object_set_new(o, "devices", devices);
    json_object_set_new(o, "rows", list);
    return o;
}
