/* tassello tune: which variants of kernels are the fastest on a device. */
#include "tune.h"

#include "batch_schedule.h"
#include "progress.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NETWORKS_MOST = 32, BATCHES_MOST = 32 };

typedef struct settings {
    const char *device, *net, *batches, *time, *export, *import;
    int arith;
    bool json;
    double seconds;
    uint32_t list[BATCHES_MOST];
    int batch_count;
} settings;

static const char *arith_word(int number)
{
    static const char *const words[] = {[TAS_ARITH_EXACT] = "exact", [TAS_ARITH_FAST] = "fast", NULL};
    return words[number];
}

static const cli_option options[] = {
    OPTION_DEVICE(offsetof(settings, device)),
    {.name = "arith",
     .metavar = "WORD",
     .group = GROUP_DEVICE,
     .type = TYPE_WORD,
     .word = arith_word,
     .offset = offsetof(settings, arith),
     .help = "exact (default), or fast: tune the device for trainings with '--arith fast', which have a tuning of "
             "their own."},
    {.name = "net",
     .group = GROUP_DATA,
     .metavar = "NET",
     .type = TYPE_TEXT,
     .complete = COMPLETE_NET,
     .offset = offsetof(settings, net),
     .help = "Measure the shapes of this network alone. Default: those of the networks that ship."},
    {.name = "batches",
     .group = GROUP_BATCH,
     .metavar = "LIST",
     .type = TYPE_TEXT,
     .offset = offsetof(settings, batches),
     .help = "The batch sizes, in the order in which they are measured (default 64,8,512,1)."},
    {.name = "time",
     .group = GROUP_DATA,
     .metavar = "TIME",
     .type = TYPE_TEXT,
     .offset = offsetof(settings, time),
     .help = "The time for all measurements, such as 90s or 5m (default 60s). Shapes for which no time is left keep "
             "their usual variants."},
    OPTION_JSON(offsetof(settings, json)),
    {.name = "export",
     .group = GROUP_OUTPUT,
     .metavar = "FILE",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(settings, export),
     .help = "Write the device's tuning to this file as well, as JSON."},
    {.name = "import",
     .group = GROUP_DATA,
     .metavar = "FILE",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(settings, import),
     .help = "Measure nothing: take the tuning that --export wrote, on such a device with the same driver and version "
             "of the arithmetic contract."},
    {0},
};

/* The first signal ends the measurement, whose rows so far are kept; the second ends the command at once. */
static volatile sig_atomic_t signals, measuring;

static void on_signal(int number)
{
    if (signals && number == SIGHUP) return; /* a closing terminal may send it twice */
    if (signals || !measuring) _exit(EXIT_INTERRUPTED);
    signals = 1;
}

typedef struct session {
    cli_state cli;
    settings s;
    progress progress;
    tas_device *device;
    const char *name[NETWORKS_MOST];
    tas_network *network[NETWORKS_MOST];
    size_t count;
    tas_tune_result result;
    bool printed; /* the head of the table */
} session;

/* ---- For people ---- */

static double gain(const tas_tune_row *row)
{
    return row->usual_seconds > 0 && row->seconds > 0 ? row->usual_seconds / row->seconds - 1 : 0;
}

static void print_row(session *r, const tas_tune_row *row)
{
    if (!r->printed)
        printf("%-23s %-28s %-16s %10s  %-16s %10s %7s\n", "operation", "shape", "usual", "us", "fastest", "us",
               "gain");
    r->printed = true;
    printf("%-23s %-28s %-16s %10.1f  %-16s %10.1f %5.0f %%\n", row->operation, row->shape, row->usual,
           row->usual_seconds * 1e6, row->choice, row->seconds * 1e6, 100 * gain(row));
}

static void on_row(void *user, const tas_tune_row *row)
{
    session *r = user;
    cli_wipe_line(&r->cli);
    if (!r->s.json) print_row(r, row);
    fflush(stdout);
}

static int on_progress(void *user, const tas_tune_progress *p)
{
    session *r = user;
    char text[256];
    snprintf(text, sizeof text, "%s, batch %u: %s %s", r->name[p->network], p->batch, p->operation, p->variant);
    progress_work(&r->progress, text, p->seconds, p->left);
    return signals > 0;
}

static void print_result(session *r)
{
    const tas_tune_result *t = &r->result;
    printf("%zu classes of shapes measured in %.0f s: %zu have a faster variant\n", t->classes, t->seconds, t->changed);
    if (t->refused) printf("%zu variants differ from the reference and are not used\n", t->refused);
    if (t->left_out)
        printf("%zu of %zu batches of networks were left out: there was no time, or no memory\n", t->left_out,
               t->left_out + t->batches);
}

/* ---- The work ---- */

/* Networks that wait for a data set are left out. */
static int open_networks(session *r)
{
    if (r->s.net) {
        r->name[r->count] = r->s.net;
        return cli_network_open(&r->cli, r->s.net, &r->network[r->count++]);
    }
    const char *name;
    for (size_t i = 0; (name = tas_network_shipped(i)) && r->count < NETWORKS_MOST; i++) {
        r->name[r->count] = name;
        if (!tas_network_open(r->cli.context, name, &r->network[r->count])) r->count++;
    }
    return 0;
}

static int measure(session *r)
{
    tas_tune_options o;
    int result = open_networks(r);
    if (result) return result;
    tas_tune_options_init(&o);
    if (r->s.seconds > 0) o.seconds = r->s.seconds;
    if (r->s.batch_count) o.batches = r->s.list;
    o.batch_count = (size_t)r->s.batch_count;
    o.on_progress = on_progress;
    o.on_row = on_row;
    o.user = r;
    cli_catch_ends(on_signal);
    measuring = 1;
    const tas_status status = tas_tune(r->device, (const tas_network *const *)r->network, r->count, &o, &r->result);
    progress_end_line(&r->progress);
    if (status == TAS_STOPPED) cli_note(&r->cli, "interrupted; what was measured is kept");
    return status && status != TAS_STOPPED ? cli_failed(&r->cli, status) : 0;
}

static void print_json(session *r)
{
    json_t *o = tune_describe(r->device, (tas_arith)r->s.arith);
    if (!r->s.import) {
        const tas_tune_result *t = &r->result;
        json_object_set_new(o, "classes", json_integer((json_int_t)t->classes));
        json_object_set_new(o, "changed", json_integer((json_int_t)t->changed));
        json_object_set_new(o, "refused", json_integer((json_int_t)t->refused));
        json_object_set_new(o, "batches", json_integer((json_int_t)t->batches));
        json_object_set_new(o, "left_out", json_integer((json_int_t)t->left_out));
        json_object_set_new(o, "seconds", cli_json_real(t->seconds));
    }
    cli_json_print(o, stdout);
}

static int tune_device(session *r)
{
    const tas_device_info *info = tas_device_get_info(r->device);
    if (info->type == TAS_TYPE_REFERENCE) {
        cli_error(&r->cli, "%s: there is nothing to tune: the C reference has one form of each operation", info->id);
        return EXIT_FAILED;
    }
    const tas_status can = tas_tuning_can_keep(r->device);
    if (can) return cli_failed(&r->cli, can);
    if (r->s.export && !cli_check_write(&r->cli, "export", r->s.export)) return EXIT_FAILED;
    const int result = r->s.import ? tune_import(&r->cli, r->device, (tas_arith)r->s.arith, r->s.import) : measure(r);
    if (result) return result;
    const tas_status kept = tas_tuning_keep(r->device);
    if (kept) return cli_failed(&r->cli, kept);
    if (r->s.export && !tune_export(&r->cli, r->device, (tas_arith)r->s.arith, r->s.export)) return EXIT_FAILED;
    if (r->s.json)
        print_json(r);
    else if (r->s.import)
        printf("%s: %zu rows are kept\n", info->id, tas_tuning_count(r->device));
    else
        print_result(r);
    return signals ? EXIT_INTERRUPTED : 0;
}

static void check_settings(settings *s)
{
    if (s->import && (s->net || s->batches || s->time))
        cli_usage(&tune_command, "--import: expected none of --net, --batches and --time with it");
    if (s->import && s->export && cli_is_one_file(s->import, s->export))
        cli_usage(&tune_command, "--export and --import: expected two files");
    if (s->batches) s->batch_count = batch_schedule_read_list(&tune_command, s->batches, "", BATCHES_MOST, s->list);
    if (s->time && !cli_read_time(s->time, &s->seconds))
        cli_usage(&tune_command, "--time %s: expected a time, such as 90s, 10m or 2h", cli_shown(s->time));
}

static int run(int argc, char **argv)
{
    session r = {.s = {.arith = TAS_ARITH_EXACT}};
    cli_parse(&tune_command, argc, argv, &r.s);
    check_settings(&r.s);
    if (!cli_open(&r.cli, &tune_command)) return EXIT_FAILED;
    progress_open(&r.progress, &r.cli, NULL, false);
    const tas_status status = tas_device_open(r.cli.context, r.s.device, (tas_arith)r.s.arith, &r.device);
    const int result = status ? cli_failed(&r.cli, status) : tune_device(&r);
    for (size_t i = 0; i < r.count; i++) tas_network_close(&r.network[i]);
    tas_device_close(&r.device);
    cli_close(&r.cli);
    return result;
}

const cli_command tune_command = {
    .name = "tune",
    .summary = "measure which variants of kernels are the fastest on a device",
    .description =
        "Kernels have variants: blocks of sums of other sizes, or another way to the same sums. Which one runs follows "
        "from the device's type and limits, until this command has measured them for the shapes of some networks. Each "
        "variant is first held against the C reference, bit by bit: no choice changes a result, only the time. "
        "Another variant than the usual one is kept if it gains at least 3 % in the median and in the shortest of "
        "alternating rounds, twice.\n\n"
        "The tuning is kept in the cache ($XDG_CACHE_HOME/tassello, or ~/.cache/tassello) for this device, driver, "
        "version of the library and of the arithmetic contract, and used by all commands from then on. It has a row "
        "per operation and class of shapes; the sizes of a class are rounded down to powers of two: n examples, o "
        "outputs and i inputs of a dense layer; n examples, o outputs and c channels of a group, t taps and p "
        "positions of a convolution. So it serves other networks of like sizes, too.\n\n"
        "Measure on a quiet machine.",
    .options = options,
    .examples = {"tassello tune", "tassello tune --net cnn --time 5m --export cnn.tuning.json"},
    .run = run,
};
