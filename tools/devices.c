/* tassello devices: lists the devices, and what is known about them. */
#include "devices.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 100 };

typedef struct settings {
    const char *net;
    bool json, measure;
} settings;

static const cli_option options[] = {
    OPTION_JSON(offsetof(settings, json)),
    {.name = "measure",
     .group = GROUP_OUTPUT,
     .offset = offsetof(settings, measure),
     .help = "Test each device, and measure its fma rate and copy bandwidth (a few seconds per device)."},
    {.name = "net",
     .metavar = "NET",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .complete = COMPLETE_NET,
     .offset = offsetof(settings, net),
     .help = "Test each device, and print the largest batch that NET can use on it in one tile, and the tile for a "
             "batch of 256. Both assume the default budget and a data set that is streamed."},
    {0},
};

enum { PLANNED_BATCH = 256 };

/* plans is NULL without --net; a plan without a tile stands for a device without one. */
typedef struct session {
    cli_state cli;
    settings s;
    tas_network *network;
    tas_device_info *list;
    tas_plan *plans;
    size_t count;
} session;

/* If a device fails, its row gets the error, and the others follow. */
static void measure(cli_state *cli, tas_device_info *info)
{
    tas_device *device = NULL;
    tas_device_info seen;
    tas_status status = tas_device_open(cli->context, info->long_id, TAS_ARITH_EXACT, &device);
    if (!status) status = tas_device_test(device);
    if (status == TAS_MISMATCH) { /* measured even if its results are wrong */
        tas_device_close(&device);
        status = tas_device_open(cli->context, info->long_id, TAS_ARITH_UNTESTED, &device);
    }
    if (!status) {
        seen = *tas_device_get_info(device);
        status = tas_device_benchmark(device, &seen);
    }
    if (status)
        snprintf(info->note, sizeof info->note, "%s", tas_error(cli->context));
    else
        *info = seen;
    tas_device_close(&device);
}

static void plan(session *r, tas_device_info *info, tas_plan *out)
{
    tas_device *device = NULL;
    tas_plan_options request;
    tas_plan_options_init(&request);
    request.batch = PLANNED_BATCH;
    tas_status status = tas_device_open(r->cli.context, info->long_id, TAS_ARITH_EXACT, &device);
    if (!status) status = tas_device_test(device);
    if (!status) info->tier = tas_device_get_info(device)->tier;
    if (status == TAS_MISMATCH) info->tier = TAS_TIER_REFUSED;
    if (!status) status = tas_plan_make(device, r->network, NULL, NULL, &request, out);
    if (status) snprintf(info->note, sizeof info->note, "%s", tas_error(r->cli.context));
    tas_device_close(&device);
}

static tas_status open_session(session *r)
{
    tas_context *context = r->cli.context;
    const tas_status status = tas_devices(context, &r->list, &r->count);
    if (status) return status;
    for (size_t i = 0; r->s.measure && i < r->count; i++)
        if (r->list[i].type != TAS_TYPE_NONE) measure(&r->cli, &r->list[i]);
    if (!r->s.net) return TAS_OK;
    r->plans = calloc(r->count, sizeof *r->plans);
    if (!r->plans) cli_no_memory();
    for (size_t i = 0; i < r->count; i++)
        if (r->list[i].type != TAS_TYPE_NONE) plan(r, &r->list[i], &r->plans[i]);
    return TAS_OK;
}

/* ------------------------------------------------------------------------------------------------------- for people */

/* Numbers that the driver does not report are 0, and left out. */
static void print_units(const tas_device_info *d)
{
    if (!d->compute_units && !d->clock_mhz && !d->vector_width && !d->max_group) return;
    printf("  units      %u", d->compute_units);
    if (d->clock_mhz) printf(" at %u MHz", d->clock_mhz);
    if (d->vector_width) printf(", %u float%s per vector", d->vector_width, d->vector_width == 1 ? "" : "s");
    if (d->max_group) printf(", groups of up to %llu", (unsigned long long)d->max_group);
    putchar('\n');
}

static void print_memory(const tas_device_info *d)
{
    char text[BYTES_TEXT];
    printf("  memory     %s", d->global_bytes ? cli_bytes(d->global_bytes, text) : "unknown");
    if (d->max_alloc_bytes) printf(", at most %s in one piece", cli_bytes(d->max_alloc_bytes, text));
    if (d->local_bytes) printf(", %s local", cli_bytes(d->local_bytes, text));
    if (d->shared_memory) printf(", shared with the host");
    if (d->align_bytes) printf("\n             buffers start at multiples of %u bytes", d->align_bytes);
    putchar('\n');
}

static void print_features(const tas_device_info *d)
{
    const struct {
        const char *name;
        int has;
    } features[] = {{"fma", d->fma}, {"denormals", d->denormals}, {"fp16", d->fp16}, {"fp64", d->fp64}};
    const char *separator = "";
    printf("  has        ");
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (features[i].has) {
            printf("%s%s", separator, features[i].name);
            separator = ", ";
        }
    if (!*separator) printf("none of fma, denormals, fp16, fp64");
    putchar('\n');
}

/* A note may be longer than a line. */
static void print_note(const char *text)
{
    if (!*text) return;
    printf("  %-10s ", "note");
    cli_print_wrapped(stdout, cli_shown(text), 13, 13, COLUMNS);
}

static void print_plan(const session *r, const tas_plan *plan)
{
    if (plan->tile)
        printf("  net        %s: batches up to %u untiled; a batch of %d takes %u tile%s of %u\n", r->s.net,
               plan->largest_untiled, PLANNED_BATCH, plan->tiles, plan->tiles == 1 ? "" : "s", plan->tile);
    else
        printf("  net        %s: no plan\n", r->s.net);
}

static void print_details(const session *r, size_t i)
{
    const tas_device_info *d = &r->list[i];
    printf("\n%s\n", cli_shown(d->id));
    if (d->type == TAS_TYPE_NONE) { /* no device, and the reason */
        printf("  platform   %s\n", cli_shown(d->platform));
        print_note(d->note);
        return;
    }
    printf("  name       %s\n", cli_shown(d->name));
    if (strcmp(d->id, d->long_id)) printf("  long id    %s\n", cli_shown(d->long_id));
    if (*d->vendor) printf("  vendor     %s\n", cli_shown(d->vendor));
    if (*d->platform) printf("  platform   %s\n", cli_shown(d->platform));
    if (*d->driver || *d->version)
        printf("  driver     %s%s%s\n", cli_shown(d->driver), *d->driver && *d->version ? ", " : "",
               cli_shown(d->version));
    print_units(d);
    print_memory(d);
    print_features(d);
    printf("  tier       %s\n", tas_tier_name(d->tier));
    if (d->fma_gflops > 0)
        printf("  measured   %.1f GFLOP/s in fma, %.1f GB/s copied (read plus written)\n", d->fma_gflops,
               d->copy_gbytes_s);
    if (r->plans) print_plan(r, &r->plans[i]);
    print_note(d->note);
}

static int widest(int width, const char *text)
{
    int length = (int)strlen(text);
    return length > width ? length : width;
}

static void print_table(const session *r)
{
    const tas_device_info *list = r->list;
    char memory[BYTES_TEXT];
    int id = 2, type = 4, tier = 4;
    for (size_t i = 0; i < r->count; i++) {
        id = widest(id, list[i].id);
        type = widest(type, tas_device_type_name(list[i].type));
        tier = widest(tier, tas_tier_name(list[i].tier));
    }
    int name = COLUMNS - (id + 2 + type + 2 + 5 + 2 + 10 + 2 + tier + 2);
    if (name < 12) name = 12;
    printf("%-*s  %-*s  %5s  %10s  %-*s  %s\n", id, "id", type, "type", "units", "memory", tier, "tier", "name");
    for (size_t i = 0; i < r->count; i++) {
        const tas_device_info *d = &list[i];
        if (d->type == TAS_TYPE_NONE) {
            printf("%-*s  %-*s  %5s  %10s  %-*s  %.*s\n", id, d->id, type, tas_device_type_name(d->type), "-", "-",
                   tier, "-", name, d->name);
            continue;
        }
        printf("%-*s  %-*s  %5u  %10s  %-*s  %.*s\n", id, d->id, type, tas_device_type_name(d->type), d->compute_units,
               d->global_bytes ? cli_bytes(d->global_bytes, memory) : "-", tier, tas_tier_name(d->tier), name, d->name);
    }
    for (size_t i = 0; i < r->count; i++) print_details(r, i);
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

json_t *devices_describe(const tas_device_info *d)
{
    json_t *row = json_object();
    json_object_set_new(row, "id", cli_json_text(d->id));
    json_object_set_new(row, "long_id", cli_json_text(d->long_id));
    json_object_set_new(row, "name", cli_json_text(d->name));
    json_object_set_new(row, "vendor", cli_json_text(d->vendor));
    json_object_set_new(row, "platform", cli_json_text(d->platform));
    json_object_set_new(row, "driver", cli_json_text(d->driver));
    json_object_set_new(row, "version", cli_json_text(d->version));
    json_object_set_new(row, "type", json_string(tas_device_type_name(d->type)));
    json_object_set_new(row, "compute_units", json_integer(d->compute_units));
    json_object_set_new(row, "clock_mhz", json_integer(d->clock_mhz));
    json_object_set_new(row, "vector_width", json_integer(d->vector_width));
    json_object_set_new(row, "global_bytes", json_integer((json_int_t)d->global_bytes));
    json_object_set_new(row, "local_bytes", json_integer((json_int_t)d->local_bytes));
    json_object_set_new(row, "max_alloc_bytes", json_integer((json_int_t)d->max_alloc_bytes));
    json_object_set_new(row, "max_group", json_integer((json_int_t)d->max_group));
    json_object_set_new(row, "align_bytes", json_integer(d->align_bytes));
    json_object_set_new(row, "fma", json_boolean(d->fma));
    json_object_set_new(row, "denormals", json_boolean(d->denormals));
    json_object_set_new(row, "fp16", json_boolean(d->fp16));
    json_object_set_new(row, "fp64", json_boolean(d->fp64));
    json_object_set_new(row, "shared_memory", json_boolean(d->shared_memory));
    json_object_set_new(row, "tier", json_string(tas_tier_name(d->tier)));
    json_object_set_new(row, "fma_gflops", cli_json_real(d->fma_gflops));
    json_object_set_new(row, "copy_gbytes_s", cli_json_real(d->copy_gbytes_s));
    json_object_set_new(row, "note", cli_json_text(d->note));
    return row;
}

static json_t *describe_plan(const tas_plan *plan)
{
    if (!plan->tile) return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "batch", json_integer(PLANNED_BATCH));
    json_object_set_new(o, "tile", json_integer(plan->tile));
    json_object_set_new(o, "tiles", json_integer(plan->tiles));
    json_object_set_new(o, "largest_untiled", json_integer(plan->largest_untiled));
    return o;
}

static void print_json(const session *r)
{
    json_t *rows = json_array(), *object = json_object();
    for (size_t i = 0; i < r->count; i++) {
        json_t *row = devices_describe(&r->list[i]);
        if (r->plans) json_object_set_new(row, "plan", describe_plan(&r->plans[i]));
        json_array_append_new(rows, row);
    }
    if (r->s.net) json_object_set_new(object, "network", cli_json_text(r->s.net));
    json_object_set_new(object, "devices", rows);
    cli_json_print(object, stdout);
}

static int run(int argc, char **argv)
{
    session r = {0};
    int result = 0;

    cli_parse(&devices_command, argc, argv, &r.s);
    if (!cli_open(&r.cli, &devices_command)) return EXIT_FAILED;
    if (r.s.net) result = cli_network_open(&r.cli, r.s.net, &r.network);
    const tas_status status = result ? TAS_OK : open_session(&r);
    if (status) result = cli_failed(&r.cli, status);
    if (!result && r.s.json) print_json(&r);
    if (!result && !r.s.json) print_table(&r);
    free(r.plans);
    tas_devices_free(r.list);
    tas_network_close(&r.network);
    cli_close(&r.cli);
    return result;
}

const cli_command devices_command = {
    .name = "devices",
    .summary = "list the OpenCL devices, and the reference",
    .description =
        "Lists every OpenCL device of every platform, the platforms without a device (with the reason), and the C "
        "reference, which every machine has.\n\n"
        "The tier is the result of tests: exact (the same bits as the reference), tolerance (close; only with "
        "'--arith fast'), refused (wrong), or untested. A device is untested until all operations have been tested, by "
        "'tassello verify' or by --net or --measure here. Until then each operation is tested before a network first "
        "runs it there.",
    .options = options,
    .examples = {"tassello devices --measure", "tassello devices --net lenet"},
    .run = run,
};
