/* tassello sweep: runs the sweep, prints its table and the recommendation. */
#include "progress.h"
#include "ranks.h"
#include "sweep_print.h"
#include "sweep_settings.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct session {
    cli_state cli;
    sweep_settings s;
    progress progress;
    bool forecast; /* it was printed */
    FILE *text;    /* for people: stdout, or stderr if stdout carries JSON */
    command_ranks ranks;
    bool served; /* this process was another rank than 0, and is done */
    tas_device *device;
    cli_net net;
    tas_network *network;
    cli_sets sets;
    const tas_data *train, *test; /* of the sets */
    tas_sweep *sweep;
} session;

/* ----------------------------------------------------------------------------------------------------- interruption */

static volatile sig_atomic_t signals, sweeping;

/* The first signal ends the sweep within a step or so, or lets its files be completed. A second one, or one that comes
 * before the sweep, ends the command at once. */
static void on_signal(int number)
{
    if (signals && number == SIGHUP) return; /* a closing terminal may send it twice */
    if (signals || !sweeping) _exit(EXIT_INTERRUPTED);
    signals = 1;
}

/* ------------------------------------------------------------------------------------------------- before the work */

/* The library creates the folder later, when it has something to put there. */
static bool check_state(session *r)
{
    const char *path = r->s.state;
    struct stat about;
    if (!stat(path, &about)) {
        if (!S_ISDIR(about.st_mode))
            cli_error(&r->cli, "--state %s: not a folder", path);
        else if (access(path, R_OK | W_OK | X_OK))
            cli_error(&r->cli, "--state %s: cannot be written: %s", path, strerror(errno));
        else
            return true;
        return false;
    }
    if (errno != ENOENT) {
        cli_error(&r->cli, "--state %s: %s", path, strerror(errno));
        return false;
    }
    if (!mkdir(path, 0777)) return !rmdir(path);
    cli_error(&r->cli, "--state %s: cannot be created: %s", path, strerror(errno));
    return false;
}

static bool check_outputs(session *r)
{
    const sweep_settings *s = &r->s;
    if (s->report && tas_report_check(r->cli.context, s->report)) {
        cli_error(&r->cli, "--report %s: %s", s->report, tas_error(r->cli.context));
        return false;
    }
    if (s->json && strcmp(s->json, "-") && !cli_check_write(&r->cli, "json", s->json)) return false;
    if (s->runs && !cli_check_write(&r->cli, "runs", s->runs)) return false;
    return !s->state || check_state(r);
}

static bool check_examples(session *r)
{
    tas_sweep_options *options = &r->s.sweep;
    const uint64_t all = tas_data_count(r->train), of = options->examples ? options->examples : all;
    options->validation = sets_share(&r->s.validation, of);
    for (int i = 0; i < options->batch_count; i++)
        if (options->batches[i] > of) {
            cli_error(&r->cli, "--batches: %u is larger than the %llu examples of %s (train)", options->batches[i],
                      (unsigned long long)of, r->s.data);
            return false;
        }
    if (of > all)
        cli_error(&r->cli, "--examples %llu: expected no more than the %llu examples of %s (train)",
                  (unsigned long long)of, (unsigned long long)all, r->s.data);
    else if (options->validation >= of)
        cli_error(&r->cli, "--validation: %llu examples to hold out, expected fewer than the %llu of %s (train)",
                  (unsigned long long)options->validation, (unsigned long long)of, r->s.data);
    else if (!options->validation && of < 10)
        cli_error(
            &r->cli,
            "%s (train): with %llu examples, a tenth for validation is none; expected 10 or more, or --validation",
            r->s.data, (unsigned long long)of);
    else
        return true;
    return false;
}

static bool check_accuracy(session *r)
{
    if (!r->s.sweep.by_accuracy || tas_network_loss(r->network) == TAS_LOSS_SOFTMAX) return true;
    cli_error(&r->cli, "--target-accuracy: the loss of %s is mse, which has no accuracy; expected --target-loss",
              r->s.net);
    return false;
}

/* The data as the network needs them, and the network with what the data fill in. */
static int open_data(session *r)
{
    const sweep_settings *s = &r->s;
    tas_reading reading;
    sets_reading(&s->reading, &reading);
    r->net.name = s->net;
    r->net.loss = s->loss;
    int failed = cli_network_expect(&r->cli, &r->net, &reading);
    if (!failed) failed = sets_read(&r->sets, &r->cli, s->data, &reading);
    r->train = r->sets.train;
    r->test = r->sets.test;
    return failed ? failed : cli_network_open_for(&r->cli, &r->net, r->train, &r->network);
}

static int join_ranks(session *r)
{
    char train[65], test[65];
    if (!r->ranks.ranks) return ranks_join(&r->ranks, NULL, TAS_ARITH_EXACT, r->network);
    tas_status status = tas_data_fingerprint(r->train, train);
    if (!status) status = tas_data_fingerprint(r->test, test);
    if (status) return cli_failed(&r->cli, status);
    const char *const texts[] = {"the fingerprint of the training examples",
                                 train,
                                 "the fingerprint of the test examples",
                                 test,
                                 "the network",
                                 tas_network_text(r->network),
                                 NULL};
    return ranks_join(&r->ranks, texts, TAS_ARITH_EXACT, r->network);
}

/* Problems with files are found before kernels are built. */
static int open_session(session *r)
{
    tas_context *context = r->cli.context;
    const sweep_settings *s = &r->s;
    if (!link_read(&r->cli, &r->s.link, &r->s.sweep.link)) return EXIT_FAILED;
    if (!check_outputs(r)) return EXIT_FAILED;
    int failed = open_data(r);
    if (failed) return failed;
    if (!cli_check_fit(&r->cli, r->network, s->net, r->train, s->data, TAS_TRAIN)) return EXIT_FAILED;
    if (!cli_check_fit(&r->cli, r->network, s->net, r->test, s->data, TAS_TEST)) return EXIT_FAILED;
    if (!check_examples(r) || !check_accuracy(r)) return EXIT_USAGE;
    const char *id;
    failed = ranks_read_devices(&r->ranks, s->device, &s->budget, &id);
    if (failed) return failed;
    const tas_status status = tas_device_open_for(context, id, TAS_ARITH_EXACT, r->network, 1, &r->device);
    if (status) return cli_failed(&r->cli, status);
    failed = join_ranks(r);
    r->served = !failed && r->ranks.index;
    if (failed) return failed;
    if (r->served) {
        const tas_data *const sets[] = {r->sets.all, r->test};
        return ranks_serve(&r->ranks, r->device, sets, 2);
    }
    const tas_device_info *device = tas_device_get_info(r->device);
    return cli_budget(&r->cli, &s->budget, device, &r->s.sweep.budget) ? 0 : EXIT_FAILED;
}

/* --------------------------------------------------------------------------------------------------------- the end */

static void print_result(const session *r)
{
    sweep_print_result(r->sweep, r->text, r->s.wide);
    fflush(r->text); /* complete even if a second signal comes while files are written */
}

static bool print_json(session *r)
{
    char *text = tas_sweep_json_text(r->sweep);
    const bool done = text && puts(text) >= 0;
    if (!text) cli_error(&r->cli, "--json -: no memory");
    free(text);
    return done;
}

/* "-" is stdout. */
static bool write_json(session *r)
{
    const char *file = r->s.json;
    if (!strcmp(file, "-")) return print_json(r);
    const tas_status status = tas_sweep_json(r->sweep, file);
    if (status)
        cli_failed(&r->cli, status);
    else
        fprintf(r->text, "json         %s\n", file);
    return !status;
}

static bool write_report(session *r)
{
    const tas_status status = tas_sweep_report(r->sweep, r->s.report);
    if (status)
        cli_failed(&r->cli, status);
    else
        fprintf(r->text, "report       %s\n", r->s.report);
    return !status;
}

static bool write_runs(session *r)
{
    const tas_status status = tas_sweep_runs(r->sweep, r->s.runs);
    if (status)
        cli_failed(&r->cli, status);
    else
        fprintf(r->text, "runs         %s\n", r->s.runs);
    return !status;
}

static bool write_outputs(session *r)
{
    bool done = !r->s.report || write_report(r);
    if (r->s.runs) done &= write_runs(r);
    if (r->s.json) done &= write_json(r);
    return done;
}

static void report_interrupted(session *r)
{
    if (r->s.state)
        cli_error(&r->cli, "interrupted; completed runs are in %s: the same command resumes from there", r->s.state);
    else
        cli_error(&r->cli, "interrupted; with --state DIR the next sweep could resume from here");
}

/* --------------------------------------------------------------------------------------------------------- the work */

static int on_progress(void *user, const tas_sweep_progress *now)
{
    session *r = user;
    char text[TIME_TEXT];
    if (!r->forecast && !isnan(now->left)) {
        r->forecast = true;
        progress_end_line(&r->progress);
        fprintf(stderr, "forecast: about %s%s%s\n", progress_time(now->left, text),
                r->s.sweep.seconds > 0 && now->seconds + now->left > r->s.sweep.seconds ? ", more than --time " : "",
                r->s.sweep.seconds > 0 && now->seconds + now->left > r->s.sweep.seconds ? r->s.time : "");
    }
    if (now->note) {
        progress_end_line(&r->progress);
        fprintf(stderr, "%s\n", now->note);
    }
    const double limit = r->s.sweep.seconds > 0 ? r->s.sweep.seconds - now->seconds : INFINITY;
    progress_work(&r->progress, now->doing, now->seconds, now->left > limit ? limit : now->left);
    return signals != 0;
}

/* Errors of the library name no option. */
static void print_hint(session *r, tas_status status)
{
    const double limit = r->s.sweep.seconds;
    if (status == TAS_NOT_REACHED && limit > 0 && r->sweep && tas_sweep_seconds(r->sweep) >= 0.5 * limit)
        cli_note(&r->cli, "try a longer --time, fewer --batches, --brief, or a target that is easier to reach");
    else if (status == TAS_NOT_REACHED)
        cli_note(&r->cli, "try a target that is easier to reach, or more --epochs");
    else if (status == TAS_NOT_FINITE)
        cli_note(&r->cli, "try another --lr");
}

static void print_head(const session *r)
{
    const tas_device_info *d = tas_device_get_info(r->device);
    fprintf(r->text, "device       %s (%s)\nnetwork      %s, %llu parameters\n", cli_shown(d->id), cli_shown(d->name),
            cli_shown(r->s.net), (unsigned long long)cli_parameters(r->network, NULL));
    fprintf(r->text, "data         %s, %llu examples to train, %llu to test\n", cli_shown(r->s.data),
            (unsigned long long)tas_data_count(r->train), (unsigned long long)tas_data_count(r->test));
    fflush(r->text);
}

/* However the sweep ended, the results so far are printed. */
static int sweep(session *r)
{
    int result = open_session(r);
    if (result || r->served) return result;
    print_head(r);
    r->s.sweep.on_progress = on_progress;
    r->s.sweep.user = r;
    cli_catch_ends(on_signal);
    cli_catch(SIGUSR1, SIG_IGN); /* which has train write --save: what a sweep can write, --state has already */
    sweeping = 1;
    const tas_status status = tas_sweep_run(r->device, r->network, r->train, r->test, &r->s.sweep, &r->sweep);
    progress_end_line(&r->progress);
    if (status == TAS_STOPPED)
        report_interrupted(r);
    else if (status)
        result = cli_failed(&r->cli, status);
    print_hint(r, status);
    if (!r->sweep) return result;
    print_result(r);
    if (!write_outputs(r)) result = EXIT_FAILED;
    return result;
}

static int run(int argc, char **argv)
{
    session r = {.text = stdout};
    sweep_read(&r.s, argc, argv);
    if (r.s.json && !strcmp(r.s.json, "-")) r.text = stderr;
    if (!cli_open(&r.cli, &sweep_command)) return EXIT_FAILED;
    progress_open(&r.progress, &r.cli, NULL, false);
    int result = ranks_begin(&r.ranks, &r.cli) ? 0 : EXIT_FAILED;
    if (r.ranks.index) r.s.report = r.s.runs = r.s.json = r.s.state = r.s.sweep.state = NULL;
    if (!result) result = sweep(&r);
    if (signals) result = EXIT_INTERRUPTED;
    tas_sweep_close(&r.sweep);
    sets_close(&r.sets);
    tas_network_close(&r.network);
    cli_network_free(&r.net);
    ranks_end(&r.ranks);
    tas_device_close(&r.device);
    cli_close(&r.cli);
    return result;
}

const cli_command sweep_command = {
    .name = "sweep",
    .summary = "compare batch sizes and recommend one",
    .description =
        "Trains a network at several batch sizes, each at its best learning rate, until it reaches a target. Prints "
        "what each batch size took, also to easier targets on the way, which one to use on this device, and why. The "
        "recommended training is run once more on a fresh seed, and what it did is printed beside what was "
        "promised.\n\n"
        "Some examples are held out of the training set for validation. The test set is evaluated once, at the end; if "
        "time is short, for the recommended batch only. A forecast of the time is printed first. If --time does not "
        "suffice, the batches farthest from the best one are left out. The first SIGINT, SIGTERM or SIGHUP ends the "
        "sweep and prints the results so far; the second quits at once. SIGUSR1 is ignored.",
    .arguments = {ARGUMENT_NET(offsetof(sweep_settings, net)), ARGUMENT_DATA(offsetof(sweep_settings, data), false)},
    .options = sweep_options,
    .examples = {"tassello sweep mlp DATA --time 10m --report mlp.html",
                 "tassello sweep lenet DATA --batches 16,64,256 --target-accuracy 0.9"},
    .run = run,
};
