/* tassello train: settings, the run, what it says at its end. */
#include "optimizer.h"
#include "progress.h"
#include "schedule.h"
#include "sets.h"
#include "validation.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    const char *net, *data, *device, *save, *log;
    int arith;
    bool json, noise, profile;
    int schedule, lr_scaling;
    optimizer_words optimizer;
    uint64_t examples;
    cli_size budget, validation;
    tas_train_options train;
} settings;

#define TRAIN(field) offsetof(settings, train.field)

static const char *arith_word(int number)
{
    static const char *const words[] = {[TAS_ARITH_EXACT] = "exact", [TAS_ARITH_FAST] = "fast", NULL};
    return words[number];
}

static const cli_option options[] = {
    {.name = "epochs",
     .metavar = "N",
     .group = GROUP_DATA,
     .type = TYPE_U64,
     .least = 1,
     .most = UINT32_MAX,
     .offset = TRAIN(epochs),
     .help = "Passes over the data (default 1)."},
    {.name = "steps",
     .metavar = "N",
     .group = GROUP_DATA,
     .type = TYPE_U64,
     .least = 1,
     .most = INT64_MAX,
     .offset = TRAIN(steps),
     .help = "Updates, instead of --epochs."},
    OPTION_VALIDATION(offsetof(settings, validation), "They are evaluated after each epoch; the memory for that is "
                                                      "part of the budget."),
    OPTION_EXAMPLES(offsetof(settings, examples)),
    {.name = "seed",
     .metavar = "N",
     .group = GROUP_DATA,
     .type = TYPE_U64,
     .most = INT64_MAX,
     .offset = TRAIN(seed),
     .help = "Seed of the initial weights, the shuffling and the drawing of examples (default 1)."},
    {.name = "batch",
     .metavar = "N",
     .group = GROUP_BATCH,
     .type = TYPE_U32,
     .least = 1,
     .most = UINT32_MAX,
     .instead = "auto",
     .offset = TRAIN(batch),
     .help = "Examples per update (default 64). auto: let a short probe (at most 5% of the run or 30 s) choose the "
             "batch size and scale --lr, which is then taken as the rate for a batch of 64. Falls back to 64 if the "
             "probe is inconclusive. The choice is printed, so that the run can be reproduced."},
    OPTION_BUDGET(offsetof(settings, budget)),
    OPTION_TILE(TRAIN(tile)),
    OPTION_LR(TRAIN, ""),
    OPTIONS_OPTIMIZER(TRAIN, offsetof(settings, optimizer)),
    OPTIONS_SCHEDULE(TRAIN, offsetof(settings, schedule), ""),
    OPTIONS_SCALING(TRAIN, offsetof(settings, lr_scaling),
                    "Treat --lr as the rate for --base-batch and scale it with the batch: by k (linear) or sqrt(k) "
                    "(sqrt), where k = batch / base batch. none: do not scale (default). --lr-end is scaled too."),
    {.name = "save",
     .metavar = "FILE",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(settings, save),
     .help = "Write a checkpoint (safetensors, with the network in it) at the end, and on SIGUSR1. An existing FILE is "
             "replaced only when the new one is complete."},
    {.name = "log",
     .metavar = "FILE",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(settings, log),
     .help = "Write JSON lines: the settings, one line per step, the result."},
    OPTION_JSON(offsetof(settings, json)),
    {.name = "noise",
     .group = GROUP_OUTPUT,
     .offset = offsetof(settings, noise),
     .help = "Measure the gradient noise scale during training, at a cost of a few percent, and print it with its "
             "95% interval. The weights do not change."},
    {.name = "profile",
     .group = GROUP_OUTPUT,
     .offset = offsetof(settings, profile),
     .help = "Profile training: time per kernel, bytes transferred and idle gaps. Start-up is excluded. The weights do "
             "not change; the run is slightly slower."},
    OPTION_DEVICE(offsetof(settings, device)),
    {.name = "arith",
     .metavar = "WORD",
     .group = GROUP_DEVICE,
     .type = TYPE_WORD,
     .word = arith_word,
     .offset = offsetof(settings, arith),
     .help = "exact (default): the same bits on every device. fast: CLBlast may compute matrix products."},
    {0},
};

/* All that a run holds. */
typedef struct session {
    cli_state cli;
    settings s;
    progress progress;
    tas_device *device;
    tas_network *network;
    cli_sets sets;
    const tas_data *train, *test; /* of the sets */
    uint64_t epoch_steps;
    float lr; /* as it is scaled */
    tas_model *model;
    tas_plan plan;
    bool chosen; /* the batch, and the rate: by a probe, for this reason */
    char reason[2048];
    tas_train_result result;
    tas_profile *profile; /* NULL: not asked for */
    validation validation;
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

static void read_settings(settings *s, int argc, char **argv)
{
    tas_train_options_init(&s->train);
    const uint64_t epochs = s->train.epochs;
    s->train.epochs = 0; /* so that one that was given is known */
    optimizer_begin(&s->train);
    schedule_begin(&s->train);
    cli_parse(&train_command, argc, argv, s);
    optimizer_end(&train_command, &s->optimizer, &s->train);
    s->train.schedule = (tas_schedule)s->schedule;
    s->train.lr_scaling = (tas_lr_scaling)s->lr_scaling;
    schedule_end(&train_command, &s->train);
    if (s->profile && (s->validation.bytes || s->validation.percent > 0))
        cli_usage(&train_command,
                  "--profile and --validation: expected one of them, as a profile is of training alone");
    s->train.noise = s->noise;
    s->train.ahead = 1;
    if (s->train.epochs && s->train.steps)
        cli_usage(&train_command, "--epochs and --steps: expected one of them, not both");
    if (!s->train.epochs && !s->train.steps) s->train.epochs = epochs;
    if (!s->train.batch && s->train.lr_scaling != TAS_SCALING_NONE)
        cli_usage(&train_command, "--batch auto and --lr-scaling: expected one of them, as auto sets the rate, too");
    if (!s->train.batch && s->train.lr == 0) cli_usage(&train_command, "--batch auto: expected --lr above 0");
    if (s->save && s->log && !strcmp(s->save, s->log))
        cli_usage(&train_command, "--save and --log: expected two files");
    if (cli_is_network(s->net, s->save)) cli_usage(&train_command, "--save %s: would replace the network NET", s->save);
    if (cli_is_network(s->net, s->log)) cli_usage(&train_command, "--log %s: would replace the network NET", s->log);
}

/* ------------------------------------------------------------------------------------------------------- the result */

static json_t *describe_choice(const session *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "batch", json_integer(r->s.train.batch));
    json_object_set_new(o, "lr", cli_json_float(r->s.train.lr));
    json_object_set_new(o, "reason", cli_json_text(r->reason));
    return o;
}

static json_t *describe_settings(const session *r)
{
    const tas_train_options *t = &r->s.train;
    json_t *o = json_object();
    json_object_set_new(o, "network", cli_json_text(r->s.net));
    json_object_set_new(o, "parameters", json_integer((json_int_t)cli_parameters(r->network)));
    json_object_set_new(o, "data", cli_json_text(r->s.data));
    json_object_set_new(o, "examples", json_integer((json_int_t)tas_data_count(r->train)));
    json_object_set_new(o, "held_out",
                        json_integer(r->sets.validation ? (json_int_t)tas_data_count(r->sets.validation) : 0));
    json_object_set_new(o, "device", cli_json_text(tas_device_get_info(r->device)->id));
    json_object_set_new(o, "arith", json_string(r->s.arith == TAS_ARITH_FAST ? "fast" : "exact"));
    json_object_set_new(o, "batch", json_integer(t->batch));
    if (r->chosen) json_object_set_new(o, "auto", describe_choice(r));
    json_object_set_new(o, "lr", cli_json_float(t->lr));
    schedule_describe(t, r->lr, o);
    optimizer_describe(t, o);
    json_object_set_new(o, "seed", json_integer((json_int_t)t->seed));
    json_object_set_new(o, "budget", cli_json_budget(r->plan.budget));
    return o;
}

/* Of training and of the evaluation, as the plan forecasts it. */
static uint64_t peak_bytes(const session *r)
{
    const uint64_t most = r->score.peak_bytes > r->result.peak_bytes ? r->score.peak_bytes : r->result.peak_bytes;
    const uint64_t beside = validation_peak(&r->validation);
    return beside > most ? beside : most;
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

static json_t *describe_noise(const tas_noise *is)
{
    static const char *const states[] = {
        [TAS_NOISE_UNKNOWN] = "not known yet", [TAS_NOISE_AT_LEAST] = "at least", [TAS_NOISE_KNOWN] = "known"};
    json_t *o = json_object();
    json_object_set_new(o, "state", json_string(states[is->state]));
    json_object_set_new(o, "value", cli_json_real(is->value));
    json_object_set_new(o, "low", is->state == TAS_NOISE_UNKNOWN ? json_null() : cli_json_real(is->low));
    json_object_set_new(o, "high", cli_json_real(is->high));
    json_object_set_new(o, "steps", json_integer((json_int_t)is->steps));
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
    if (r->s.noise) json_object_set_new(o, "noise", describe_noise(&t->noise));
    if (r->profile) json_object_set_new(o, "profile", describe_profile(r->profile));
    json_object_set_new(o, "interrupted", json_boolean(r->interrupted));
    if (r->sets.validation) json_object_set_new(o, "validation", validation_describe_all(&r->validation));
    json_object_set_new(o, "accuracy",
                        r->scored && r->score.accuracy >= 0 ? cli_json_real(r->score.accuracy) : json_null());
    json_object_set_new(o, "loss", r->scored ? cli_json_real(r->score.loss) : json_null());
    json_object_set_new(o, "weights_sha256", json_string(r->sha256));
    return o;
}

/* "batch 64 lr 0.02  momentum 0.9 ...", for people and for the checkpoint; with these numbers the run can be repeated.
 */
static void print_settings(const session *r, FILE *stream)
{
    const tas_train_options *t = &r->s.train;
    char lr[FLOAT_TEXT];
    fprintf(stream, "batch %u lr %s", t->batch, cli_float(t->lr, lr));
    if (r->chosen) fprintf(stream, " (auto: %s)", r->reason);
    schedule_print(t, r->lr, stream);
    optimizer_print(t, stream);
    fprintf(stream, "  seed %llu", (unsigned long long)t->seed);
    if (r->sets.part) fprintf(stream, "  examples %llu", (unsigned long long)tas_data_count(r->sets.part));
    if (r->sets.validation)
        fprintf(stream, "  validation %llu", (unsigned long long)tas_data_count(r->sets.validation));
}

static void print_head(const session *r)
{
    const tas_device_info *d = tas_device_get_info(r->device);
    const tas_train_options *t = &r->s.train;
    char text[BYTES_TEXT];
    printf("device       %s (%s)%s\n", d->id, d->name, r->s.arith == TAS_ARITH_FAST ? ", fast arithmetic" : "");
    cli_print_network(r->network, r->s.net);
    printf("data         %llu examples to train, ", (unsigned long long)tas_data_count(r->train));
    if (r->sets.validation) printf("%llu held out, ", (unsigned long long)tas_data_count(r->sets.validation));
    printf("%llu to test\nsettings     ", (unsigned long long)tas_data_count(r->test));
    print_settings(r, stdout);
    printf("\nplan         ");
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

/* What it means depends on the optimiser: McCandlish et al. 2018 put it beside the critical batch of plain SGD. */
static void print_noise(const tas_noise *is, const tas_train_options *t)
{
    printf("noise scale  ");
    if (is->state == TAS_NOISE_KNOWN)
        printf("%.3g examples (%.3g to %.3g)", is->value, is->low, is->high);
    else if (is->state == TAS_NOISE_AT_LEAST)
        printf("at least %.3g examples", is->low);
    else
        printf("not known yet");
    printf(", %llu step%s measured\n", (unsigned long long)is->steps, is->steps == 1 ? "" : "s");
    if (t->optimizer == TAS_SGD && t->momentum == 0)
        printf("             of the gradient, over this run; for plain SGD it stands in for the critical batch, above "
               "which larger batches hardly save steps\n");
    else
        printf("             of the gradient alone, over this run: under momentum or Adam it tells nothing about which "
               "batch to take\n");
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
    if (r->s.noise) print_noise(&t->noise, &r->s.train);
    validation_print(&r->validation);
    if (r->scored)
        cli_print_score(&r->score, r->sha256);
    else
        printf("weights sha256 %s\n", r->sha256);
}

/* ---------------------------------------------------------------------------------------------------------- the run */

/* Batch and rate of a run that leaves them to a probe, which keeps to the run's budget. */
static int choose_batch(session *r)
{
    if (r->s.train.batch) return 0;
    const tas_status status = tas_auto_batch(r->device, r->network, r->train, &r->s.train, r->reason, sizeof r->reason);
    r->chosen = !status;
    return status ? cli_failed(&r->cli, status) : 0;
}

/* The run's length is known, and with it whether the rate's course fits into it. */
static int check_schedule(session *r)
{
    const tas_train_options *t = &r->s.train;
    r->epoch_steps = (tas_data_count(r->train) + t->batch - 1) / t->batch;
    const uint64_t steps = t->steps ? t->steps : t->epochs * r->epoch_steps;
    const tas_status status = tas_train_lr(r->cli.context, t, t->warmup < steps ? t->warmup : steps, steps, &r->lr);
    return status ? cli_failed(&r->cli, status) : 0;
}

/* What the checkpoint says of its weights. */
static tas_status tell_training(session *r)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream) return TAS_NO_MEMORY;
    print_settings(r, stream);
    const tas_status status = fclose(stream) ? TAS_NO_MEMORY : tas_model_set_training(r->model, text);
    free(text);
    return status;
}

/* Within the budget there must be a plan, and the evaluation keeps to what the plan forecasts. */
static int plan_session(session *r)
{
    tas_train_options *t = &r->s.train;
    tas_plan_options is;
    if (!cli_budget(&r->cli, &r->s.budget, tas_device_get_info(r->device), &t->budget)) return EXIT_FAILED;
    int failed = choose_batch(r);
    if (!failed) failed = check_schedule(r);
    if (failed) return failed;
    tas_plan_options_init(&is);
    is.batch = t->batch;
    is.budget = t->budget;
    is.tile = t->tile;
    is.validation = r->sets.validation;
    is.noise = t->noise;
    is.optimizer = t->optimizer;
    const tas_status status = tas_plan_make(r->device, r->network, r->train, r->test, &is, &r->plan);
    t->budget = r->plan.train_budget; /* with none given, training would take the model's, which is smaller */
    return status ? cli_failed(&r->cli, status) : 0;
}

/* What is read comes before the device, as its kernels may take long to build; the log is opened, and so emptied, once
 * there is a plan. */
static int open_session(session *r)
{
    tas_context *context = r->cli.context;
    const settings *s = &r->s;
    tas_status status = tas_network_open(context, s->net, &r->network);
    if (status) return cli_failed(&r->cli, status);
    const int refused = sets_open(&r->sets, &r->cli, s->data, s->examples, &s->validation, s->train.seed);
    if (refused) return refused;
    r->train = r->sets.train;
    r->test = r->sets.test;
    if (!cli_check_fit(&r->cli, r->network, s->net, r->train, s->data, "train")) return EXIT_FAILED;
    if (!cli_check_fit(&r->cli, r->network, s->net, r->test, s->data, "test")) return EXIT_FAILED;
    if (!cli_check_batch(&r->cli, s->train.batch, r->train, s->data)) return EXIT_USAGE;

    status = tas_device_open(context, s->device, (tas_arith)s->arith, &r->device);
    if (status) return cli_failed(&r->cli, status);
    const int failed = plan_session(r);
    if (failed) return failed;
    if (!progress_open(&r->progress, &r->cli, s->log)) return EXIT_FAILED;
    status = tas_model_open(r->device, r->network, s->train.seed, &r->model);
    if (!status) status = tell_training(r);
    if (status) return cli_failed(&r->cli, status);
    tas_model_set_budget(r->model, r->plan.bytes_total);
    return 0;
}

static void close_session(session *r)
{
    running = NULL;
    tas_profile_free(r->profile);
    tas_model_close(&r->model);
    sets_close(&r->sets);
    validation_free(&r->validation);
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

static tas_status validate(session *r)
{
    const double epochs = (double)r->result.examples / (double)tas_data_count(r->train);
    tas_model_set_budget(r->model, r->plan.validation_budget);
    const tas_status status = validation_add(&r->validation, r->model, r->sets.validation, r->result.steps, epochs);
    if (status) return status;
    const validated *last = &r->validation.list[r->validation.count - 1];
    progress_validation(&r->progress, &last->score);
    progress_log(&r->progress, "validation", validation_describe(last));
    return TAS_OK;
}

/* At once, or with a look at the examples held out after each epoch and at the end. */
static tas_status train_all(session *r)
{
    tas_run *run = NULL;
    tas_status status = tas_run_open(r->model, r->train, &r->s.train, &run);
    const uint64_t stretch = r->sets.validation ? r->epoch_steps : UINT64_MAX;
    while (!status && r->result.steps < tas_run_steps(run)) {
        status = tas_run_advance(run, stretch, &r->result);
        if (!status && r->sets.validation) status = validate(r);
    }
    tas_run_close(&run);
    tas_model_set_budget(r->model, r->plan.bytes_total);
    return status;
}

static int train(session *r)
{
    tas_train_options *t = &r->s.train;
    const int failed = open_session(r);
    if (failed) return failed;

    t->on_step = on_step;
    t->user = r;
    r->progress.epochs = t->steps ? 0 : t->epochs;
    r->progress.epoch_steps = r->epoch_steps;
    progress_log(&r->progress, "run", describe_run(r));
    if (!r->s.json) print_head(r);

    tas_status status = r->s.profile ? tas_profile_start(r->device) : TAS_OK;
    if (status) return cli_failed(&r->cli, status);
    catch_signals(r->model);
    status = train_all(r);
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
    if (!r.s.save || cli_check_write(&r.cli, "save", r.s.save)) {
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
    .examples = {"tassello train mlp DATA --epochs 10 --save mlp.safetensors",
                 "tassello train my.net DATA --batch 256 --schedule cosine --validation 10%"},
    .run = run,
};
