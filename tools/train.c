/* tassello train: settings, the run, what it says at its end. */
#include "progress.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct settings {
    const char *net, *data, *device, *save, *log;
    int arith;
    bool json, nesterov, profile;
    cli_size budget;
    tas_train_options train;
} settings;

#define TRAIN(field) offsetof(settings, train.field)

static const cli_option options[] = {
    OPTION_DEVICE(offsetof(settings, device)),
    {.name = "arith",
     .metavar = "WORD",
     .type = TYPE_WORD,
     .words = "exact fast",
     .offset = offsetof(settings, arith),
     .help = "exact (the default): the same bits on every device. fast: CLBlast may take the matrix products."},
    {.name = "batch",
     .metavar = "N",
     .type = TYPE_U32,
     .least = 1,
     .most = UINT32_MAX,
     .offset = TRAIN(batch),
     .help = "Examples whose mean gradient makes one update (default 64)."},
    {.name = "epochs",
     .metavar = "N",
     .type = TYPE_U64,
     .least = 1,
     .most = UINT32_MAX,
     .offset = TRAIN(epochs),
     .help = "Passes over the data (default 1)."},
    {.name = "steps",
     .metavar = "N",
     .type = TYPE_U64,
     .least = 1,
     .most = INT64_MAX,
     .offset = TRAIN(steps),
     .help = "Updates, instead of --epochs."},
    {.name = "lr", .metavar = "X", .type = TYPE_F32, .offset = TRAIN(lr), .help = "Learning rate (default 0.02)."},
    {.name = "momentum",
     .metavar = "X",
     .type = TYPE_F32,
     .below = 1,
     .offset = TRAIN(momentum),
     .help = "Momentum, from 0 to below 1 (default 0.9)."},
    {.name = "nesterov", .offset = offsetof(settings, nesterov), .help = "Nesterov's momentum."},
    {.name = "weight-decay",
     .metavar = "X",
     .type = TYPE_F32,
     .offset = TRAIN(weight_decay),
     .help = "Adds X times the weights to the gradient (default 0)."},
    {.name = "seed",
     .metavar = "N",
     .type = TYPE_U64,
     .most = INT64_MAX,
     .offset = TRAIN(seed),
     .help = "Seed of the first weights and of the shuffles (default 1)."},
    {.name = "save",
     .metavar = "FILE",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(settings, save),
     .help = "Write a checkpoint at the end (safetensors, with the network in it). An earlier FILE is replaced: by a "
             "temporary file beside it, which is renamed once it is whole."},
    {.name = "log",
     .metavar = "FILE",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(settings, log),
     .help = "Write JSON lines: the run's settings, then a line a step, then the result."},
    {.name = "profile",
     .offset = offsetof(settings, profile),
     .help =
         "Time the device's work, and tell it by kernel, with the bytes moved and the gaps between: of training alone, "
         "without its start. The weights stay the same; the run becomes a little slower."},
    OPTION_BUDGET(offsetof(settings, budget)),
    OPTION_TILE(TRAIN(tile)),
    OPTION_JSON(offsetof(settings, json)),
    {0},
};

/* All that a run holds. */
typedef struct session {
    cli_state cli;
    settings s;
    progress progress;
    tas_device *device;
    tas_network *network;
    tas_data *train, *test;
    tas_model *model;
    tas_plan plan;
    tas_train_result result;
    tas_profile *profile; /* NULL: not asked for */
    tas_score score;
    bool scored, interrupted;
    char sha256[65];
} session;

/* ----------------------------------------------------------------------------------------------------- interruption */

/* What a signal handler may see: the model that the first signal stops, once there is one; and how many came. */
static tas_model *volatile running;
static volatile sig_atomic_t signals;

/* The first ends the run after its step, and its weights are still written; the second, or any before the run, ends at
 * once. */
static void on_signal(int number)
{
    (void)number;
    tas_model *model = running; /* once: another thread may set it to NULL */
    if (signals || !model) _exit(EXIT_INTERRUPTED);
    signals = 1;
    tas_cancel(model);
}

static void catch_signals(tas_model *model)
{
    running = model;
    cli_catch(on_signal);
}

/* --------------------------------------------------------------------------------------------------------- settings */

/* Whether path is the file that NET is read from: neither a link nor another way to write its name hides that. */
static bool is_network(const settings *s, const char *path)
{
    struct stat net, other;
    const char *name;
    for (size_t i = 0; (name = tas_network_shipped(i)); i++)
        if (!strcmp(name, s->net)) return false;
    return path && !stat(s->net, &net) && !stat(path, &other) && net.st_dev == other.st_dev &&
           net.st_ino == other.st_ino;
}

static void read_settings(settings *s, int argc, char **argv)
{
    tas_train_options_init(&s->train);
    const uint64_t epochs = s->train.epochs;
    s->train.epochs = 0; /* so that one that was given is known */
    cli_parse(&train_command, argc, argv, s);
    s->train.nesterov = s->nesterov;
    s->train.ahead = 1;
    if (s->train.epochs && s->train.steps)
        cli_usage(&train_command, "--epochs and --steps: expected one of them, not both");
    if (!s->train.epochs && !s->train.steps) s->train.epochs = epochs;
    if (s->nesterov && s->train.momentum == 0) cli_usage(&train_command, "--nesterov: expected --momentum above 0");
    if (s->save && s->log && !strcmp(s->save, s->log))
        cli_usage(&train_command, "--save and --log: expected two files");
    if (is_network(s, s->save)) cli_usage(&train_command, "--save %s: would replace the network NET", s->save);
    if (is_network(s, s->log)) cli_usage(&train_command, "--log %s: would replace the network NET", s->log);
}

/* Finds out before the work, not after it, whether a checkpoint can be written: beside it, as the library
 * will do it. */
static bool check_save(cli_state *cli, const char *path)
{
    struct stat about;
    if (!stat(path, &about) && !S_ISREG(about.st_mode)) {
        cli_error(cli, "--save %s: cannot be written: not a regular file", path);
        return false;
    }
    char *temporary = malloc(strlen(path) + sizeof ".XXXXXX");
    if (!temporary) {
        cli_error(cli, "no memory");
        return false;
    }
    int fd = mkstemp(strcat(strcpy(temporary, path), ".XXXXXX"));
    if (fd < 0)
        cli_error(cli, "--save %s: cannot be written: %s", path, strerror(errno));
    else {
        close(fd);
        unlink(temporary);
    }
    free(temporary);
    return fd >= 0;
}

/* ------------------------------------------------------------------------------------------------------- the result */

static json_t *describe_settings(const session *r)
{
    const tas_train_options *t = &r->s.train;
    json_t *o = json_object();
    json_object_set_new(o, "network", cli_json_text(r->s.net));
    json_object_set_new(o, "parameters", json_integer((json_int_t)cli_parameters(r->network)));
    json_object_set_new(o, "data", cli_json_text(r->s.data));
    json_object_set_new(o, "examples", json_integer((json_int_t)tas_data_count(r->train)));
    json_object_set_new(o, "device", cli_json_text(tas_device_get_info(r->device)->id));
    json_object_set_new(o, "arith", json_string(r->s.arith == TAS_ARITH_FAST ? "fast" : "exact"));
    json_object_set_new(o, "batch", json_integer(t->batch));
    json_object_set_new(o, "lr", cli_json_float(t->lr));
    json_object_set_new(o, "momentum", cli_json_float(t->momentum));
    json_object_set_new(o, "nesterov", json_boolean(t->nesterov));
    json_object_set_new(o, "weight_decay", cli_json_float(t->weight_decay));
    json_object_set_new(o, "seed", json_integer((json_int_t)t->seed));
    json_object_set_new(o, "budget", cli_json_budget(r->plan.budget));
    return o;
}

/* Of training and of the evaluation, as the plan forecasts it. */
static uint64_t peak_bytes(const session *r)
{
    return r->score.peak_bytes > r->result.peak_bytes ? r->score.peak_bytes : r->result.peak_bytes;
}

static void describe_tiles(json_t *o, const session *r, uint32_t tile, int resident)
{
    const uint32_t batch = r->s.train.batch;
    json_object_set_new(o, "tile", json_integer(tile));
    json_object_set_new(o, "tiles", json_integer(tile ? (batch - 1) / tile + 1 : 0));
    json_object_set_new(o, "resident", json_boolean(resident));
    json_object_set_new(o, "forecast_bytes", json_integer((json_int_t)r->plan.bytes_total));
}

static json_t *describe_run(const session *r)
{
    json_t *o = describe_settings(r);
    if (r->s.train.steps)
        json_object_set_new(o, "steps", json_integer((json_int_t)r->s.train.steps));
    else
        json_object_set_new(o, "epochs", json_integer((json_int_t)r->s.train.epochs));
    describe_tiles(o, r, r->plan.tile, r->plan.resident);
    json_object_set_new(o, "version", json_string(tas_version()));
    json_object_set_new(o, "contract", json_integer(tas_contract()));
    return o;
}

static json_t *describe_profile(const tas_profile *p)
{
    json_t *o = json_object(), *rows = json_array();
    json_object_set_new(o, "wall_s", cli_json_real(p->wall_seconds));
    json_object_set_new(o, "busy_s", cli_json_real(p->busy_seconds));
    json_object_set_new(o, "gap_s", cli_json_real(p->gap_seconds));
    json_object_set_new(o, "flushes", json_integer((json_int_t)p->flushes));
    json_object_set_new(o, "waits", json_integer((json_int_t)p->waits));
    for (const tas_profile_row *r = p->rows; r < p->rows + p->count; r++) {
        json_t *row = json_object();
        json_object_set_new(row, "name", json_string(r->name));
        json_object_set_new(row, "launches", json_integer((json_int_t)r->launches));
        json_object_set_new(row, "timed", json_integer((json_int_t)r->timed));
        json_object_set_new(row, "seconds", r->timed ? cli_json_real(r->seconds) : json_null());
        json_object_set_new(row, "bytes", json_integer((json_int_t)r->bytes));
        json_array_append_new(rows, row);
    }
    json_object_set_new(o, "rows", rows);
    return o;
}

static json_t *describe_result(const session *r)
{
    const tas_train_result *t = &r->result;
    json_t *o = describe_settings(r);
    json_object_set_new(o, "steps", json_integer((json_int_t)t->steps));
    json_object_set_new(o, "epochs", cli_json_real((double)t->examples / (double)tas_data_count(r->train)));
    json_object_set_new(o, "seconds", cli_json_real(t->seconds));
    json_object_set_new(o, "examples_per_s", cli_json_real(t->examples_per_s));
    json_object_set_new(o, "peak_bytes", json_integer((json_int_t)peak_bytes(r)));
    describe_tiles(o, r, t->tile, t->resident);
    json_object_set_new(o, "cuts", json_integer(t->cuts));
    json_object_set_new(o, "replays", json_integer(t->replays));
    if (r->profile) json_object_set_new(o, "profile", describe_profile(r->profile));
    json_object_set_new(o, "interrupted", json_boolean(r->interrupted));
    json_object_set_new(o, "accuracy",
                        r->scored && r->score.accuracy >= 0 ? cli_json_real(r->score.accuracy) : json_null());
    json_object_set_new(o, "loss", r->scored ? cli_json_real(r->score.loss) : json_null());
    json_object_set_new(o, "weights_sha256", json_string(r->sha256));
    return o;
}

static void print_head(const session *r)
{
    const tas_device_info *d = tas_device_get_info(r->device);
    const tas_train_options *t = &r->s.train;
    char text[BYTES_TEXT];
    printf("device       %s (%s)%s\n", d->id, d->name, r->s.arith == TAS_ARITH_FAST ? ", fast arithmetic" : "");
    cli_print_network(r->network, r->s.net);
    printf("data         %llu examples to train, %llu to test\n", (unsigned long long)tas_data_count(r->train),
           (unsigned long long)tas_data_count(r->test));
    printf("settings     batch %u  lr %g  momentum %g%s  weight decay %g  seed %llu\n", t->batch, (double)t->lr,
           (double)t->momentum, t->nesterov ? " (Nesterov)" : "", (double)t->weight_decay, (unsigned long long)t->seed);
    printf("plan         ");
    cli_print_tiles(&r->plan, t->batch);
    printf(", %s forecast\n", cli_bytes(r->plan.bytes_total, text));
    fflush(stdout);
}

/* What a device that broke its word was answered with. */
static void print_troubles(const tas_train_result *t)
{
    if (!t->cuts && !t->replays) return;
    printf("troubles     memory refused %d time%s, %d return%s to a snapshot; tile %u at the end, data set %s\n",
           t->cuts, t->cuts == 1 ? "" : "s", t->replays, t->replays == 1 ? "" : "s", t->tile,
           t->resident ? "on the device" : "streamed");
}

static void print_row(const tas_profile_row *row, double wall)
{
    char bytes[BYTES_TEXT];
    printf("             %-24s %10llu", row->name, (unsigned long long)row->launches);
    if (row->timed)
        printf(" %10.5f %7.1f %%", row->seconds, wall > 0 ? 100 * row->seconds / wall : 0);
    else
        printf(" %10s %9s", "not timed", "");
    if (row->bytes) printf(" %10s", cli_bytes(row->bytes, bytes));
    putchar('\n');
}

/* What has no time is said to have none: CLBlast's products, and what a driver is silent about. */
static void print_profile(const tas_profile *p)
{
    const double wall = p->wall_seconds;
    uint64_t untimed = 0;
    printf("profile      %.3f s on the device: %.3f s busy, %.3f s (%.1f %%) in gaps; %llu flushes, %llu waits\n", wall,
           p->busy_seconds, p->gap_seconds, wall > 0 ? 100 * p->gap_seconds / wall : 0, (unsigned long long)p->flushes,
           (unsigned long long)p->waits);
    printf("             %-24s %10s %10s %9s %10s\n", "kernel", "launches", "seconds", "share", "bytes");
    for (const tas_profile_row *r = p->rows; r < p->rows + p->count; r++) {
        print_row(r, wall);
        untimed += r->launches - r->timed;
    }
    if (untimed)
        printf("             %llu launches could not be timed%s\n", (unsigned long long)untimed,
               wall > 0 ? ": their time is in the gaps" : "");
}

static void print_result(const session *r)
{
    const tas_train_result *t = &r->result;
    printf("steps        %llu in %.1f s (%.2f epochs)\n", (unsigned long long)t->steps, t->seconds,
           (double)t->examples / (double)tas_data_count(r->train));
    printf("rate         %.0f examples/s\n", t->examples_per_s);
    print_troubles(t);
    cli_print_peak(peak_bytes(r));
    if (r->profile) print_profile(r->profile);
    if (r->scored)
        cli_print_score(&r->score, r->sha256);
    else
        printf("weights sha256 %s\n", r->sha256);
}

/* ---------------------------------------------------------------------------------------------------------- the run */

/* Within the budget there must be a plan, and the evaluation keeps to what the plan forecasts. */
static int plan_session(session *r)
{
    tas_train_options *t = &r->s.train;
    tas_plan_options is;
    if (!cli_budget(&r->cli, &r->s.budget, tas_device_get_info(r->device), &t->budget)) return EXIT_FAILED;
    tas_plan_options_init(&is);
    is.batch = t->batch;
    is.budget = t->budget;
    is.tile = t->tile;
    const tas_status status = tas_plan_make(r->device, r->network, r->train, r->test, &is, &r->plan);
    t->budget = r->plan.budget; /* with none given, training would take the model's, which is smaller */
    return status ? cli_failed(&r->cli, status) : 0;
}

/* What is read comes before the device, as its kernels may take long to build; the log is opened, and so emptied, once
 * there is a plan. */
static int open_session(session *r)
{
    tas_context *context = r->cli.context;
    const settings *s = &r->s;
    tas_status status = tas_network_open(context, s->net, &r->network);
    if (!status) status = tas_data_open_folder(context, s->data, TAS_TRAIN, &r->train);
    if (!status) status = tas_data_open_folder(context, s->data, TAS_TEST, &r->test);
    if (status) return cli_failed(&r->cli, status);
    if (!cli_check_fit(&r->cli, r->network, s->net, r->train, s->data, "train")) return EXIT_FAILED;
    if (!cli_check_fit(&r->cli, r->network, s->net, r->test, s->data, "test")) return EXIT_FAILED;
    if (!cli_check_batch(&r->cli, s->train.batch, r->train, s->data)) return EXIT_USAGE;

    status = tas_device_open(context, s->device, (tas_arith)s->arith, &r->device);
    if (status) return cli_failed(&r->cli, status);
    const int failed = plan_session(r);
    if (failed) return failed;
    if (!progress_open(&r->progress, &r->cli, s->log)) return EXIT_FAILED;
    status = tas_model_open(r->device, r->network, s->train.seed, &r->model);
    if (status) return cli_failed(&r->cli, status);
    tas_model_set_budget(r->model, r->plan.bytes_total);
    return 0;
}

static void close_session(session *r)
{
    running = NULL;
    tas_profile_free(r->profile);
    tas_model_close(&r->model);
    tas_data_close(&r->test);
    tas_data_close(&r->train);
    tas_network_close(&r->network);
    tas_device_close(&r->device);
    cli_close(&r->cli);
}

static int on_step(void *user, const tas_step *step)
{
    session *r = user;
    progress_step(&r->progress, step);
    return 0;
}

/* A run that failed on its way says what became of the weights. */
static int report_failure(session *r, tas_status status)
{
    const tas_train_result *t = &r->result;
    json_t *o = json_object();
    const int result = cli_failed(&r->cli, status);
    if (status == TAS_NOT_FINITE) {
        json_object_set_new(o, "bad_step", json_integer((json_int_t)t->bad_step));
        json_object_set_new(o, "bad_tensor", cli_json_text(t->bad_tensor));
    }
    json_object_set_new(o, "error", json_string(tas_status_name(status)));
    json_object_set_new(o, "steps", json_integer((json_int_t)t->steps));
    progress_log(&r->progress, "result", o);
    if (r->s.save) cli_error(&r->cli, "--save %s: not written, because the run failed", r->s.save);
    return result;
}

/* Keeps the weights before anything else can fail; then measures and tells. */
static int finish(session *r)
{
    int result = 0;
    tas_status status;
    if (r->s.save && (status = tas_model_save(r->model, r->s.save))) result = cli_failed(&r->cli, status);
    fflush(NULL); /* from here on, a signal ends at once: the evaluation can take long */
    running = NULL;
    r->interrupted |= signals != 0;
    if (r->interrupted)
        cli_error(&r->cli, "interrupted after step %llu%s%s", (unsigned long long)r->result.steps,
                  r->s.save && !result ? "; the weights are in " : "", r->s.save && !result ? r->s.save : "");
    if (!r->interrupted) {
        if ((status = tas_evaluate(r->model, r->test, &r->score))) return cli_failed(&r->cli, status);
        r->scored = true;
        if (cli_check_score(&r->cli, &r->score)) result = EXIT_FAILED;
    }
    if ((status = tas_model_digest(r->model, r->sha256))) return cli_failed(&r->cli, status);
    progress_log(&r->progress, "result", describe_result(r));
    if (r->s.json)
        cli_json_print(describe_result(r), stdout);
    else
        print_result(r);
    return result;
}

static int train(session *r)
{
    tas_train_options *t = &r->s.train;
    const int failed = open_session(r);
    if (failed) return failed;

    t->on_step = on_step;
    t->user = r;
    r->progress.epochs = t->steps ? 0 : t->epochs;
    r->progress.epoch_steps = (tas_data_count(r->train) + t->batch - 1) / t->batch;
    progress_log(&r->progress, "run", describe_run(r));
    if (!r->s.json) print_head(r);

    tas_status status = r->s.profile ? tas_profile_start(r->device) : TAS_OK;
    if (status) return cli_failed(&r->cli, status);
    catch_signals(r->model);
    status = tas_train(r->model, r->train, t, &r->result);
    progress_end_line(&r->progress);
    r->interrupted = status == TAS_STOPPED;
    if (status && !r->interrupted) return report_failure(r, status);
    if (r->s.profile && (status = tas_profile_stop(r->device, &r->profile))) return report_failure(r, status);
    return finish(r);
}

static int run(int argc, char **argv)
{
    session r = {0};
    int result = EXIT_FAILED;
    read_settings(&r.s, argc, argv);
    if (!cli_open(&r.cli, &train_command)) return EXIT_FAILED;
    if (!r.s.save || check_save(&r.cli, r.s.save)) {
        result = train(&r);
        if (!progress_close(&r.progress)) result = EXIT_FAILED;
    }
    if (signals) result = EXIT_INTERRUPTED;
    close_session(&r);
    return result;
}

const cli_command train_command = {
    .name = "train",
    .summary = "train a network on a data set",
    .description =
        "Trains a network with mini-batch gradient descent, then measures it on the test split.\n\n"
        "The last two lines are the test accuracy and loss, and a digest of the weights' bits, which depends on the "
        "network, the data, the settings and the seed alone. The first SIGINT or SIGTERM finishes the step and "
        "writes --save; the second quits at once.",
    .arguments = {ARGUMENT_NET(offsetof(settings, net)), ARGUMENT_DATA(offsetof(settings, data), false)},
    .options = options,
    .run = run,
};
