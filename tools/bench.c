/* tassello bench: times the operations of networks and whole training steps. */
#include "bench.h"

#include "batch_schedule.h"
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCHES_MOST = 32 };

typedef struct settings {
    const char *device, *net, *batches, *operation, *compare;
    bool all, calls, steps, exchange, json, csv, markdown;
    cli_size tolerance;
    uint32_t ranks, repetitions, list[BATCHES_MOST]; /* ranks 0: not given */
    int batch_count;
} settings;

static const cli_option options[] = {
    OPTION_DEVICE(offsetof(settings, device)),
    {.name = "all", .group = GROUP_DEVICE, .offset = offsetof(settings, all), .help = "Measure every device in turn."},
    {.name = "net",
     .group = GROUP_DATA,
     .metavar = "NET",
     .type = TYPE_TEXT,
     .complete = COMPLETE_NET,
     .offset = offsetof(settings, net),
     .help = "Measure this network alone. Default: those that ship, and a product of square matrices of 1024."},
    {.name = "op",
     .group = GROUP_DATA,
     .metavar = "NAME",
     .type = TYPE_TEXT,
     .offset = offsetof(settings, operation),
     .help = "Measure this operation alone, such as conv_forward, and no whole steps."},
    {.name = "calls",
     .group = GROUP_DATA,
     .offset = offsetof(settings, calls),
     .help = "Measure single operations alone, and no whole steps."},
    {.name = "steps",
     .group = GROUP_DATA,
     .offset = offsetof(settings, steps),
     .help = "Measure whole steps alone, and no single operations."},
    {.name = "exchange",
     .group = GROUP_DATA,
     .offset = offsetof(settings, exchange),
     .help = "Measure messages between ranks alone, as 'tassello plan --exchange' reads them: between the processes "
             "that mpirun or srun has started, or as several devices of this process send them."},
    {.name = "ranks",
     .group = GROUP_DATA,
     .metavar = "N",
     .type = TYPE_U32,
     .least = 2,
     .most = 64,
     .offset = offsetof(settings, ranks),
     .help = "--exchange without mpirun or srun: between N threads of this process (default 2)."},
    {.name = "batches",
     .group = GROUP_BATCH,
     .metavar = "LIST",
     .type = TYPE_TEXT,
     .offset = offsetof(settings, batches),
     .help = "The batch sizes, such as 1,64. Default: 64 for operations, and 1, 8, 32, 64, 128, 512 and 2048 for whole "
             "steps."},
    {.name = "repetitions",
     .group = GROUP_BATCH,
     .metavar = "N",
     .type = TYPE_U32,
     .least = 1,
     .most = 1000,
     .offset = offsetof(settings, repetitions),
     .help = "Repetitions of each measurement, of which the median is printed (default 5)."},
    OPTION_JSON(offsetof(settings, json)),
    {.name = "csv",
     .group = GROUP_OUTPUT,
     .offset = offsetof(settings, csv),
     .help = "Print comma-separated values, one line per operation or step."},
    {.name = "md", .group = GROUP_OUTPUT, .offset = offsetof(settings, markdown), .help = "Print a Markdown table."},
    {.name = "compare",
     .group = GROUP_OUTPUT,
     .metavar = "FILE",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(settings, compare),
     .help = "Compare with an earlier run, whose --json this file holds, and exit with 1 if anything has become "
             "slower."},
    {.name = "tolerance",
     .group = GROUP_OUTPUT,
     .metavar = "SHARE",
     .type = TYPE_SHARE,
     .offset = offsetof(settings, tolerance),
     .help = "--compare: how much slower or faster is not reported (default 10%)."},
    {0},
};

typedef struct session {
    cli_state cli;
    settings s;
    progress progress;
    double begun;
    bench_rows rows;
    json_t *saved;
    const char *network; /* that is measured, */
    uint32_t batch;
} session;

static const uint32_t call_batches[] = {64}, step_batches[] = {1, 8, 32, 64, 128, 512, 2048};

static const char square_name[] = "1024^3", square[] = "input 1024\ndense 1024 no bias\nloss mse\n";
enum { SQUARE = 1024 };

/* measuring -------------------------------------------------------------------------------------------------------- */

static bench_row *add_row(session *r)
{
    bench_row *more = realloc(r->rows.row, (r->rows.count + 1) * sizeof *more);
    if (!more) cli_no_memory();
    r->rows.row = more;
    bench_row *row = &more[r->rows.count++];
    *row = (bench_row){.device = r->rows.device_count - 1, .batch = r->batch};
    const char *file = strrchr(r->network, '/');
    snprintf(row->network, sizeof row->network, "%s", cli_shown(file ? file + 1 : r->network));
    for (char *c = row->network; *c; c++)
        if (strchr(",\"|", *c)) *c = '_'; /* which CSV and Markdown would take for a separator */
    return row;
}

static void show(session *r, const char *what)
{
    char text[256];
    snprintf(text, sizeof text, "%s: %s, batch %u: %s", r->rows.device[r->rows.device_count - 1].id, r->network,
             r->batch, what);
    progress_work(&r->progress, text, cli_clock() - r->begun, NAN);
}

static void on_call(void *user, const tas_bench_call *call)
{
    session *r = user;
    show(r, call->operation);
    bench_row *row = add_row(r);
    row->examples = call->examples;
    row->seconds = call->seconds;
    row->flops = call->flops;
    row->bytes = call->bytes;
    snprintf(row->operation, sizeof row->operation, "%s", call->operation);
    snprintf(row->provider, sizeof row->provider, "%s", call->provider);
    snprintf(row->layer, sizeof row->layer, "%s", call->layer);
}

static tas_bench_options options_for(const session *r)
{
    tas_bench_options o;
    tas_bench_options_init(&o);
    o.batch = r->batch;
    o.repetitions = r->s.repetitions;
    o.operation = r->s.operation;
    return o;
}

static tas_status bench_calls(session *r, tas_device *device, tas_device *fast, const tas_network *network)
{
    const tas_bench_options o = options_for(r);
    tas_status status = tas_bench_calls(device, network, &o, on_call, r);
    return status || !fast ? status : tas_bench_calls(fast, network, &o, on_call, r);
}

static tas_status bench_step(session *r, tas_device *device, const tas_network *network)
{
    const tas_bench_options o = options_for(r);
    tas_bench_steps steps;
    show(r, "steps");
    tas_status status = tas_bench_steps_run(device, network, &o, &steps);
    if (status) return status;
    bench_row *row = add_row(r);
    row->step = true;
    row->examples = steps.tile;
    row->seconds = steps.seconds;
    row->launches = steps.launches;
    row->waits = steps.waits;
    row->gap_share = steps.gap_share;
    row->profiled_steps = steps.profiled_steps;
    row->profile = steps.profile;
    snprintf(row->operation, sizeof row->operation, "step");
    snprintf(row->provider, sizeof row->provider, "kernel");
    return TAS_OK;
}

/* What one network has; a list of batches for whole steps, and one for single calls. */
static tas_status bench_network(session *r, tas_device *device, tas_device *fast, const tas_network *network)
{
    const bool given = r->s.batch_count > 0;
    const uint32_t *calls = given ? r->s.list : call_batches, *steps = given ? r->s.list : step_batches;
    const int call_count = given ? r->s.batch_count : (int)(sizeof call_batches / sizeof *call_batches);
    const int step_count = given ? r->s.batch_count : (int)(sizeof step_batches / sizeof *step_batches);
    tas_status status = TAS_OK;
    for (int i = 0; i < call_count && !status && !r->s.steps; i++) {
        r->batch = calls[i];
        status = bench_calls(r, device, fast, network);
    }
    for (int i = 0; i < step_count && !status && !r->s.calls; i++) {
        r->batch = steps[i];
        status = bench_step(r, device, network);
    }
    return status;
}

/* The product of square matrices, whose rows are those of its dense layer. */
static tas_status bench_square(session *r, tas_device *device, tas_device *fast)
{
    tas_network *network = NULL;
    tas_status status = tas_network_parse(r->cli.context, square, square_name, &network);
    r->network = square_name;
    r->batch = SQUARE;
    if (!status) status = bench_calls(r, device, fast, network);
    tas_network_close(&network);
    return status;
}

/* Networks that wait for a data set are left out. */
static tas_status bench_shipped(session *r, tas_device *device, tas_device *fast)
{
    tas_status status = TAS_OK;
    for (size_t i = 0; (r->network = tas_network_shipped(i)) && !status; i++) {
        tas_network *network = NULL;
        if (tas_network_open(r->cli.context, r->network, &network)) continue;
        status = bench_network(r, device, fast, network);
        tas_network_close(&network);
    }
    return status;
}

/* 0, or the exit status after reporting a failure. */
static int bench_networks(session *r, tas_device *device, tas_device *fast)
{
    tas_status status = TAS_OK;
    if (r->s.net) {
        tas_network *network = NULL;
        const int failed = cli_network_open(&r->cli, r->s.net, &network);
        if (failed) return failed;
        r->network = r->s.net;
        status = bench_network(r, device, fast, network);
        tas_network_close(&network);
    } else {
        if (!r->s.steps) status = bench_square(r, device, fast);
        if (!status) status = bench_shipped(r, device, fast);
    }
    return status ? cli_failed(&r->cli, status) : 0;
}

/* CLBlast's products, if it is there, on the same device opened a second time. */
static int bench_device(session *r, const char *id)
{
    tas_device *device = NULL, *fast = NULL;
    tas_device_info *info = &r->rows.device[r->rows.device_count];
    tas_status status = tas_device_open(r->cli.context, id, TAS_ARITH_EXACT, &device);
    if (!status) status = tas_device_benchmark(device, info);
    if (!status && info->type != TAS_TYPE_REFERENCE && !r->s.steps)
        status = tas_device_open(r->cli.context, info->long_id, TAS_ARITH_FAST, &fast);
    int result = status ? cli_failed(&r->cli, status) : 0;
    if (!result) {
        r->rows.device_count++;
        result = bench_networks(r, device, fast);
    }
    progress_end_line(&r->progress);
    tas_device_close(&fast);
    tas_device_close(&device);
    return result;
}

static bool is_for_people(const settings *s) { return !s->json && !s->csv && !s->markdown; }

/* A device that cannot be measured is reported, and the others follow. */
static int bench_devices(session *r)
{
    tas_device_info *list = NULL;
    size_t count = 1;
    int result = 0;
    tas_status status = r->s.all ? tas_devices(r->cli.context, &list, &count) : TAS_OK;
    if (status) return cli_failed(&r->cli, status);
    r->rows.device = calloc(count, sizeof *r->rows.device);
    if (!r->rows.device) cli_no_memory();
    for (size_t i = 0; i < count; i++) {
        if (list && list[i].type == TAS_TYPE_NONE) continue;
        const size_t before = r->rows.device_count, rows = r->rows.count;
        const int failed = bench_device(r, list ? list[i].long_id : r->s.device);
        if (failed) result = failed;
        if (is_for_people(&r->s) && r->rows.count > rows) bench_print_text(&r->rows, before);
        fflush(stdout);
    }
    tas_devices_free(list);
    return result;
}

static int print_rows(session *r, int result)
{
    size_t slower = 0;
    if (r->s.csv) bench_print_csv(&r->rows);
    if (r->s.markdown) bench_print_markdown(&r->rows);
    if (r->s.json) cli_json_print(bench_describe(&r->rows), stdout);
    if (r->saved)
        slower =
            bench_compare(&r->rows, r->saved, r->s.tolerance.percent / 100, is_for_people(&r->s) ? stdout : stderr);
    if (!result && !r->rows.count && r->s.operation) {
        cli_error(&r->cli, "no call of these networks has the operation %s", cli_shown(r->s.operation));
        return EXIT_USAGE;
    }
    return result ? result : slower ? EXIT_FAILED : 0;
}

/* the start -------------------------------------------------------------------------------------------------------- */

static void check_settings(settings *s)
{
    if (s->all && s->device) cli_usage(&bench_command, "--all and --device: expected only one of them");
    if (s->calls && s->steps) cli_usage(&bench_command, "--calls and --steps: expected only one of them");
    if (s->operation && s->steps) cli_usage(&bench_command, "--op and --steps: expected only one of them");
    if (s->json + s->csv + s->markdown > 1)
        cli_usage(&bench_command, "--json, --csv and --md: expected only one of them");
    if (s->tolerance.bytes) cli_usage(&bench_command, "--tolerance: expected a share, such as 10%%");
    if (s->tolerance.percent > 0 && !s->compare) cli_usage(&bench_command, "--tolerance: expected --compare with it");
    if (!(s->tolerance.percent > 0)) s->tolerance.percent = 10;
    if (s->ranks && !s->exchange) cli_usage(&bench_command, "--ranks: expected --exchange with it");
    if (s->exchange && (s->all || s->device || s->net || s->operation || s->calls || s->steps || s->batches || s->csv ||
                        s->markdown || s->compare))
        cli_usage(&bench_command, "--exchange: expected only --ranks, --repetitions and --json with it");
    if (s->ranks && tas_ranks_launched())
        cli_usage(&bench_command, "--ranks: the launcher that has started this process decides how many there are");
    if (s->operation) s->calls = true;
    if (s->batches) s->batch_count = batch_schedule_read_list(&bench_command, s->batches, "", BATCHES_MOST, s->list);
}

static int run(int argc, char **argv)
{
    session r = {.s = {.repetitions = 5}};
    int result = EXIT_FAILED;
    cli_parse(&bench_command, argc, argv, &r.s);
    check_settings(&r.s);
    if (!cli_open(&r.cli, &bench_command)) return EXIT_FAILED;
    if (r.s.exchange) {
        result = bench_exchange(&r.cli, r.s.ranks ? r.s.ranks : 2, r.s.repetitions, r.s.json);
        cli_close(&r.cli);
        return result;
    }
    r.begun = cli_clock();
    progress_open(&r.progress, &r.cli, NULL, false);
    if (r.s.compare) r.saved = bench_read(&r.cli, r.s.compare);
    if (!r.s.compare || r.saved) result = print_rows(&r, bench_devices(&r));
    for (size_t i = 0; i < r.rows.count; i++) tas_profile_free(r.rows.row[i].profile);
    free(r.rows.row);
    free(r.rows.device);
    json_decref(r.saved);
    cli_close(&r.cli);
    return result;
}

const cli_command bench_command = {
    .name = "bench",
    .summary = "measure how fast operations and training steps are",
    .description =
        "Times each operation of a training step alone, and whole training steps, on random data, and prints medians "
        "with the spread of the repetitions. Rates stand beside the device's own, which are measured first: FLOPs of "
        "products beside its fma rate, and bytes of operands beside the rate at which it copies. What stays in a cache "
        "can be faster than that. If CLBlast can be used, its products have a column of their own.\n\n"
        "Measure on a quiet machine.",
    .options = options,
    .examples = {"tassello bench --net lenet --batches 1,64", "tassello bench --json > before.json"},
    .run = run,
};
