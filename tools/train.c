/* tassello train: the run. */
#include "train.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ----------------------------------------------------------------------------------------------------------- signals
 */

/* What a signal handler may see: the model, while it is trained; and which requests came. */
static tas_model *volatile running;
static volatile sig_atomic_t end_requested, save_requested;

/* The first signal ends the run after its step, and its weights are still written; the second, or any outside the run,
 * ends at once. But a terminal that is closed may send SIGHUP twice: the kernel does, and then the shell. */
static void on_end(int number)
{
    tas_model *model = running; /* once: the program may set it to NULL meanwhile */
    if (end_requested && number == SIGHUP) return;
    if (end_requested || !model) _exit(EXIT_INTERRUPTED);
    end_requested = 1;
    tas_cancel(model);
}

/* SIGUSR1: the run stops between two steps, writes its weights, and goes on. */
static void on_save(int number)
{
    (void)number;
    tas_model *model = running;
    save_requested = 1;
    if (model) tas_cancel(model);
}

/* ------------------------------------------------------------------------------------------------------------ opening
 */

/* Batch and rate of a run that leaves them to a probe, which keeps to the run's budget. */
static int choose_batch(train_session *session)
{
    tas_train_options *options = &session->settings.train;
    if (options->batch) return 0;
    const tas_status status = tas_auto_batch(session->device, session->network, session->train, options,
                                             session->reason, sizeof session->reason);
    session->chosen = !status;
    if (status) return cli_failed(&session->cli, status);
    char text[FLOAT_TEXT];
    train_resume_set(session->settings.options, "lr", cli_float(options->lr, text));
    snprintf(text, sizeof text, "%u", options->batch);
    train_resume_set(session->settings.options, "batch", text);
    return 0;
}

/* What a growing batch may become, and the examples by which it is decided. */
static tas_status prepare_growth(train_session *session)
{
    enum { JUDGE = 2048 };
    tas_train_options *options = &session->settings.train;
    const uint64_t examples = tas_data_count(session->train);
    const tas_data *set = session->sets.validation ? session->sets.validation : session->train;
    if (!session->settings.grows) return TAS_OK;
    if (!session->settings.batch_least)
        while (options->batch > 1 && options->batch > examples / 10) options->batch /= 2;
    options->batch_most = tas_growth_most(examples, options->batch, options->batch_most);
    return tas_data_head(set, tas_data_count(set) < JUDGE ? tas_data_count(set) : JUDGE, &session->judge);
}

/* The run's length is known, and with it whether the schedule fits into it. */
static int check_schedule(train_session *session)
{
    const tas_train_options *options = &session->settings.train;
    tas_batches *batches = &session->batches;
    tas_status status = tas_train_batches(session->cli.context, options, tas_data_count(session->train), batches);
    if (!status)
        status = tas_train_lr(session->cli.context, options,
                              options->warmup < batches->steps ? options->warmup : batches->steps, batches->steps,
                              &session->lr);
    return status ? cli_failed(&session->cli, status) : 0;
}

/* A run that the other ranks have no part in: see ranks_begin_run(). */
static bool on_rank_0_alone(const train_session *session)
{
    const tas_train_options *options = &session->settings.train;
    return options->noise || options->audit > 0 || options->audit_step || session->settings.trace ||
           session->settings.arith == TAS_ARITH_FAST;
}

/* There must be a plan within the budget, and the evaluation keeps to what the plan forecasts. */
static int plan_session(train_session *session)
{
    tas_train_options *options = &session->settings.train;
    tas_plan_options wanted;
    if (!cli_budget(&session->cli, &session->settings.budget, tas_device_get_info(session->device), &options->budget))
        return EXIT_FAILED;
    int failed = choose_batch(session);
    if (!failed && prepare_growth(session)) failed = cli_failed(&session->cli, TAS_NO_MEMORY);
    if (!failed) failed = check_schedule(session);
    if (failed) return failed;
    tas_plan_options_init(&wanted);
    wanted.batch = options->batch;
    wanted.changes = session->batches.list + 1;
    wanted.change_count = session->batches.count - 1;
    if (session->settings.grows) session->batches.most = wanted.batch_most = options->batch_most;
    wanted.budget = options->budget;
    wanted.tile = options->tile;
    wanted.grows = session->settings.grows;
    wanted.validation = session->sets.validation ? session->sets.validation : session->judge;
    wanted.noise = options->noise;
    wanted.preconditioned_noise = options->preconditioned_noise;
    wanted.shards = options->shards;
    wanted.keep_on_host = options->keep_on_host;
    wanted.optimizer = options->optimizer;
    wanted.clip = options->clip > 0;
    wanted.audits = options->audit > 0 || options->audit_step;
    if (session->ranks.ranks && !on_rank_0_alone(session)) {
        wanted.ranks = tas_ranks_count(session->ranks.ranks);
        wanted.rank = 0;
    }
    const tas_status status =
        tas_plan_make(session->device, session->network, session->train, session->test, &wanted, &session->plan);
    options->budget = session->plan.train_budget; /* without one, training would use the model's, which is smaller */
    return status ? cli_failed(&session->cli, status) : 0;
}

/* The default is not more than there is. */
static void limit_batch(train_session *session)
{
    const train_settings *settings = &session->settings;
    const uint64_t all = tas_data_count(session->train);
    if (settings->batch == UINT64_MAX && !settings->batch_schedule.first && settings->train.batch > all)
        session->settings.train.batch = (uint32_t)all;
}

/* The data as the network needs them, and the network with what the data fill in: from the whole training split, so
 * that it is the network of a sweep, whatever is held out. */
static int open_data(train_session *session)
{
    const train_settings *settings = &session->settings;
    tas_reading reading;
    sets_reading(&settings->reading, &reading);
    session->net.name = settings->net;
    session->net.loss = settings->loss;
    session->net.weights = settings->init != NULL;
    int failed = cli_network_expect(&session->cli, &session->net, &reading);
    if (!failed) failed = sets_read(&session->sets, &session->cli, settings->data, &reading);
    if (!failed)
        failed = sets_cut(&session->sets, &session->cli, settings->data, settings->examples, &settings->validation,
                          settings->train.seed);
    session->train = session->sets.train;
    session->test = session->sets.test;
    if (!failed) limit_batch(session);
    if (!failed) failed = cli_network_open_for(&session->cli, &session->net, session->sets.all, &session->network);
    if (failed) return failed;
    if (!cli_check_fit(&session->cli, session->network, settings->net, session->train, settings->data, TAS_TRAIN) ||
        !cli_check_fit(&session->cli, session->network, settings->net, session->test, settings->data, TAS_TEST))
        return EXIT_FAILED;
    const bool fits = batch_schedule_check(&session->cli, &settings->batch_schedule, session->train, settings->data) &&
                      cli_check_batch(&session->cli, settings->train.batch, session->train, settings->data);
    return fits ? 0 : EXIT_USAGE;
}

static int on_step(void *user, const tas_step *step)
{
    train_session *session = user;
    until_step(&session->until, step);
    progress_step(&session->progress, step);
    if (train_save_is_late(session)) tas_cancel(session->model); /* to save */
    return 0;
}

/* A growing batch, from the file if the run is. Its batches so far are those of the settings. */
static tas_status open_growth(train_session *session)
{
    const json_t *state = session->settings.state;
    const char *text = json_string_value(json_object_get(state, "growth"));
    tas_batches *batches = &session->batches;
    tas_growth_options growing;
    int changes;
    tas_growth_options_init(&growing);
    if (!session->settings.resume) return tas_growth_open(session->run, session->judge, &growing, &session->growth);
    const tas_status status =
        tas_growth_resume(session->run, session->judge, &growing, text ? text : "", &session->growth);
    if (status) return status;
    const tas_batch_change *list = tas_growth_changes(session->growth, &changes);
    for (int i = 0; i < changes; i++) batches->list[batches->count++] = list[i];
    return TAS_OK;
}

static tas_status open_run(train_session *session)
{
    tas_train_options *options = &session->settings.train;
    options->on_step = on_step;
    if (session->settings.trace) options->on_trace = train_trace_step;
    options->user = session;
    tas_status status;
    tas_model_set_budget(session->model, session->plan.bytes_total);
    if (session->settings.resume)
        status = tas_run_resume(session->model, session->train, options, session->settings.resume, &session->run);
    else
        status = tas_run_open(session->model, session->train, options, &session->run);
    if (!status && session->settings.grows) status = open_growth(session);
    return status ? status : train_save_describe(session, 0, NULL);
}

/* What is evaluated on the way begins, or goes on. */
static int begin_evaluations(train_session *session)
{
    const train_settings *settings = &session->settings;
    const tas_data *held = session->sets.validation;
    if (!settings->resume) return until_begin(&session->until, &session->cli, session->model, held);
    return until_resume(&session->until, &session->cli, json_object_get(settings->state, "until"), held);
}

static bool check_accuracy(train_session *session)
{
    const train_settings *settings = &session->settings;
    const char *option = settings->watch == BY_ACCURACY     ? "--watch accuracy"
                         : !isnan(settings->until_accuracy) ? "--until-accuracy"
                                                            : NULL;
    if (!option || tas_network_loss(session->network) == TAS_LOSS_SOFTMAX) return true;
    cli_error(&session->cli, "%s: the loss of %s is %s, which has no accuracy", option, settings->net,
              tas_loss_name(tas_network_loss(session->network)));
    return false;
}

/* What decides bits: the network, the settings, the examples. */
static int join_ranks(train_session *session)
{
    const train_settings *settings = &session->settings;
    char train[65], test[65];
    if (!session->ranks.ranks) return ranks_join(&session->ranks, NULL, (tas_arith)settings->arith, session->network);
    tas_status status = tas_data_fingerprint(session->train, train);
    if (!status) status = tas_data_fingerprint(session->test, test);
    if (status) return cli_failed(&session->cli, status);
    char *options = json_dumps(settings->options, JSON_COMPACT | JSON_SORT_KEYS);
    if (!options) cli_no_memory();
    const char *const texts[] = {"the fingerprint of the training examples",
                                 train, /* normalize: first */
                                 "the fingerprint of the test examples",
                                 test,
                                 "the network",
                                 tas_network_text(session->network),
                                 "the list of settings",
                                 options,
                                 NULL};
    const int failed = ranks_join(&session->ranks, texts, (tas_arith)settings->arith, session->network);
    free(options);
    return failed;
}

/* A process that is another rank than 0 serves that until it is done. */
static int open_device(train_session *session)
{
    const train_settings *settings = &session->settings;
    const char *id;
    int failed = ranks_read_devices(&session->ranks, settings->device, &settings->budget, &id);
    if (failed) return failed;
    const tas_status status = tas_device_open_for(session->cli.context, id, (tas_arith)settings->arith,
                                                  session->network, 1, &session->device);
    if (status) return cli_failed(&session->cli, status);
    failed = join_ranks(session);
    session->served = !failed && session->ranks.index;
    if (!session->served) return failed;
    const tas_data *const sets[] = {session->sets.all, session->test};
    return ranks_serve(&session->ranks, session->device, sets, 2);
}

/* What is read comes before the device, as its kernels may take long to build; the log is opened, which empties it,
 * once nothing can be refused anymore. */
static int open_session(train_session *session)
{
    const train_settings *settings = &session->settings;
    int failed = open_data(session);
    if (!failed && !check_accuracy(session)) failed = EXIT_USAGE;
    if (failed) return failed;
    failed = open_device(session);
    if (failed || session->served) return failed;
    failed = plan_session(session);
    if (failed) return failed;
    tas_status status;
    status = tas_model_open(session->device, session->network, settings->train.seed, &session->model);
    if (status) return cli_failed(&session->cli, status);
    failed = train_init(session);
    if (failed) return failed;
    status = open_run(session);
    if (status) return cli_failed(&session->cli, status);
    session->start_seconds = cli_clock() - session->began;
    tas_model_set_budget(session->model, session->plan.validation_budget);
    failed = begin_evaluations(session);
    if (failed) return failed;
    if (!progress_open(&session->progress, &session->cli, settings->log, settings->resume != NULL)) return EXIT_FAILED;
    if (!train_trace_open(session)) return EXIT_FAILED;
    return settings->resume ? train_resume_begin(session) : 0;
}

static void close_session(train_session *session)
{
    running = NULL;
    tas_profile_free(session->profile);
    tas_metrics_free(&session->metrics);
    tas_growth_close(&session->growth);
    tas_run_close(&session->run);
    tas_model_close(&session->model);
    json_decref(session->init);
    tas_data_close(&session->judge);
    until_free(&session->until);
    sets_close(&session->sets);
    validation_free(&session->validation);
    tas_network_close(&session->network);
    cli_network_free(&session->net);
    ranks_end(&session->ranks);
    tas_device_close(&session->device);
    train_settings_free(&session->settings);
    cli_close(&session->cli);
}

/* ----------------------------------------------------------------------------------------------------------- training
 */

static tas_status validate(train_session *session)
{
    const double epochs = (double)session->result.examples / (double)tas_data_count(session->train);
    tas_model_set_budget(session->model, session->plan.validation_budget);
    const tas_status status =
        validation_add(&session->validation, session->model, session->sets.validation, session->result.steps, epochs);
    if (status) return status;
    const validated *last = &session->validation.list[session->validation.count - 1];
    progress_validation(&session->progress, &last->score);
    progress_log(&session->progress, "validation", validation_describe(last));
    return TAS_OK;
}

/* Steps until something has to be evaluated. */
static uint64_t next_stretch(const train_session *session)
{
    const uint64_t to_look = until_stretch(&session->until, session->result.steps);
    const uint64_t to_epoch = tas_run_epoch_left(session->run);
    const uint64_t to_decision = session->growth ? tas_growth_left(session->growth) : UINT64_MAX;
    const uint64_t to_save = train_save_left(session), pause = to_save < to_decision ? to_save : to_decision;
    if (!session->sets.validation) return pause;
    const uint64_t first = to_look < to_epoch ? to_look : to_epoch;
    return first < pause ? first : pause;
}

/* Decides on the batch if it is time to. A change is printed with the progress, and the settings have it from then on.
 */
static tas_status decide_batch(train_session *session)
{
    tas_batches *batches = &session->batches;
    int changes;
    if (!session->growth || tas_growth_left(session->growth)) return TAS_OK;
    tas_model_set_budget(session->model, session->plan.validation_budget);
    const tas_status status = tas_growth_decide(session->growth);
    const tas_batch_change *list = tas_growth_changes(session->growth, &changes);
    if (status || changes < batches->count) return status;
    batches->list[batches->count++] = list[changes - 1];
    cli_note(&session->cli, "batch %u from step %llu on", list[changes - 1].batch,
             (unsigned long long)list[changes - 1].step);
    return train_save_describe(session, 0, NULL);
}

/* The run so far, with what decisions on its batch took. */
static tas_train_result with_decisions(const train_session *session)
{
    tas_train_result out = session->result;
    if (session->growth) out.seconds += tas_growth_get_cost(session->growth).seconds;
    return out;
}

static bool is_out_of_patience(const train_session *session)
{
    const uint32_t patience = session->settings.patience;
    return patience && session->validation.count && validation_since_best(&session->validation) >= patience;
}

/* After a stretch: whether the run ends here, by its target or by its patience. */
static tas_status evaluate_stretch(train_session *session, bool *ends)
{
    const tas_train_result so_far = with_decisions(session);
    const uint64_t done = so_far.steps;
    const uint32_t batch = tas_run_batch(session->run);
    const bool last = done == tas_run_steps(session->run);
    tas_model_set_budget(session->model, session->plan.validation_budget);
    tas_status status = until_evaluate(&session->until, session->model, &so_far, batch, last);
    *ends = session->until.state == TAS_REACH_DONE;
    if (status || (!session->progress.last.ends_epoch && !last && !*ends)) return status;
    status = validate(session);
    if (status) return status;
    train_save_best(session);
    session->stopped_early = !last && !*ends && is_out_of_patience(session);
    if (!session->stopped_early) return TAS_OK;
    *ends = true;
    return until_evaluate(&session->until, session->model, &so_far, batch, true);
}

/* A run that was interrupted, or ended, may have been so between the last step and what follows it. */
static tas_status settle(train_session *session, bool *ends)
{
    const uint64_t done = session->result.steps;
    tas_status status = TAS_OK;
    if (!session->settings.resume || !done) return status;
    if (session->sets.validation && session->evaluated < done) {
        status = evaluate_stretch(session, ends);
        session->evaluated = done;
    } else {
        session->stopped_early = done < tas_run_steps(session->run) && is_out_of_patience(session);
        *ends = session->until.state == TAS_REACH_DONE || session->stopped_early;
    }
    return status || *ends || done == tas_run_steps(session->run) ? status : decide_batch(session);
}

/* In one stretch, or with an evaluation of the held-out examples after each epoch and at the end, and whenever the
 * target asks for one. */
static tas_status train_all(train_session *session)
{
    uint64_t *done = &session->result.steps;
    bool ends = false;
    tas_status status = settle(session, &ends);
    while (!status && !ends && *done < tas_run_steps(session->run)) {
        const uint64_t before = *done;
        if (save_requested) {
            save_requested = 0;
            train_save_asked(session);
        }
        train_save_regularly(session);
        status = tas_run_advance(session->run, next_stretch(session), &session->result);
        if (status == TAS_STOPPED && !end_requested) status = TAS_OK; /* to save, or the trace is whole */
        ends |= session->trace_over;
        if (!status && session->sets.validation && *done > before) {
            status = evaluate_stretch(session, &ends);
            session->evaluated = *done;
        }
        if (!status && !ends && *done < tas_run_steps(session->run)) status = decide_batch(session);
        if (status == TAS_STOPPED && !end_requested) status = TAS_OK;
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------------------ the end
 */

static void close_run(train_session *session)
{
    if (session->growth) session->growth_cost = tas_growth_get_cost(session->growth);
    session->result.seconds += session->growth_cost.seconds; /* the run's own excludes them */
    tas_growth_close(&session->growth);
    tas_run_close(&session->run);
    tas_model_set_budget(session->model, session->plan.bytes_total);
}

/* After a run that failed on its way. If a validation failed, the run finds out what the device still has. */
static int report_failure(train_session *session, tas_status status)
{
    tas_train_result *result = &session->result;
    json_t *o = json_object();
    const int failed = cli_failed(&session->cli, status);
    tas_run_advance(session->run, 0, result);
    close_run(session);
    if (status == TAS_MISMATCH) train_audit_repeat(session);
    train_save_after_failure(session, status);
    if (status == TAS_NOT_FINITE) {
        json_object_set_new(o, "bad_step", json_integer((json_int_t)result->bad_step));
        json_object_set_new(o, "bad_tensor", cli_json_text(result->bad_tensor));
    }
    if (session->settings.audit) json_object_set_new(o, "audit", train_audit_describe(session));
    json_object_set_new(o, "error", json_string(tas_status_name(status)));
    json_object_set_new(o, "steps", json_integer((json_int_t)result->steps));
    json_object_set_new(o, "weights_step", json_integer((json_int_t)result->weights_step));
    progress_log(&session->progress, "result", o);
    return failed;
}

/* Evaluates what is not interrupted. 0, or the exit status. */
static int evaluate(train_session *session)
{
    if (session->interrupted) return 0;
    const tas_status status = tas_evaluate_metrics(session->model, session->test, &session->score, &session->metrics);
    if (status) return cli_failed(&session->cli, status);
    session->scored = true;
    return cli_check_score(&session->cli, &session->score);
}

/* Evaluates and reports, once the weights are written. */
static int finish(train_session *session)
{
    const char *save = session->settings.save;
    tas_status status;
    int result = session->unsaved ? EXIT_FAILED : 0;
    fflush(NULL); /* from here on, a signal ends at once: the evaluation can take long */
    running = NULL;
    session->interrupted |= end_requested != 0;
    if (session->interrupted)
        cli_error(&session->cli, "interrupted after step %llu%s%s", (unsigned long long)session->result.steps,
                  save && !result ? "; the weights are in " : "", save && !result ? save : "");
    const int failed = evaluate(session);
    if (session->best_unsaved) result = EXIT_FAILED;
    if (failed) result = failed;
    if (!session->scored && !session->interrupted) return result;
    if ((status = tas_model_digest(session->model, session->sha256))) return cli_failed(&session->cli, status);
    progress_log(&session->progress, "result", train_json_result(session));
    if (session->settings.json)
        cli_json_print(train_json_result(session), stdout);
    else
        train_print_result(session);
    return result;
}

static int train(train_session *session)
{
    const train_settings *settings = &session->settings;
    const int failed = open_session(session);
    if (failed || session->served) return failed;

    session->progress.epochs = settings->train.steps ? 0 : settings->train.epochs;
    session->saved_at = cli_clock();
    progress_log(&session->progress, "run", train_json_run(session));
    if (!settings->json) train_print_head(session);

    tas_status status = settings->profile ? tas_profile_start(session->device) : TAS_OK;
    if (status) return cli_failed(&session->cli, status);
    running = session->model;
    cli_catch_ends(on_end);
    cli_catch(SIGUSR1, on_save); /* again: LLVM, by which drivers build kernels, has a handler of its own for it */
    status = train_all(session);
    progress_end_line(&session->progress);
    session->interrupted = status == TAS_STOPPED;
    if (status && !session->interrupted) return report_failure(session, status);
    if (settings->profile && (status = tas_profile_stop(session->device, &session->profile)))
        return report_failure(session, status);
    if ((status = train_save_end(session))) return report_failure(session, status);
    close_run(session);
    return finish(session);
}

/* Rank 0 alone writes. */
static void forget_files(train_settings *settings)
{
    settings->save = settings->save_best = settings->log = settings->trace = NULL;
}

static int run(int argc, char **argv)
{
    train_session session = {.began = cli_clock()};
    int result = EXIT_FAILED;
    if (!cli_open(&session.cli, &train_command)) return EXIT_FAILED;
    session.ranks.cli = &session.cli;
    result = train_settings_read(&session.settings, &session.cli, argc, argv);
    cli_catch(SIGUSR1, on_save);
    if (!result && !ranks_begin(&session.ranks, &session.cli)) result = EXIT_FAILED;
    if (!result && session.ranks.index) forget_files(&session.settings);
    if (result) {
        close_session(&session);
        return result;
    }
    result = EXIT_FAILED;
    const char *save = session.settings.save, *best = session.settings.save_best, *log = session.settings.log;
    const char *trace = session.settings.trace;
    session.validation.by = (validation_figure)session.settings.watch;
    session.until.loss = session.settings.until_loss;
    session.until.accuracy = session.settings.until_accuracy;
    if ((!save || cli_check_write(&session.cli, "save", save)) &&
        (!best || cli_check_write(&session.cli, "save-best", best)) &&
        (!log || cli_check_stream(&session.cli, "log", log)) &&
        (!trace || cli_check_stream(&session.cli, "trace", trace))) {
        result = train(&session);
        if (!progress_close(&session.progress)) result = EXIT_FAILED;
        if (!train_trace_close(&session)) result = EXIT_FAILED;
    }
    if (end_requested) result = EXIT_INTERRUPTED;
    close_session(&session);
    return result;
}

const cli_command train_command = {
    .name = "train",
    .summary = "train a network on a data set",
    .description =
        "Trains a network with mini-batch gradient descent, then evaluates it on the test split.\n\n"
        "The last two lines are the test accuracy and loss, and a digest of the weights' bits. The digest depends on "
        "the network, the data, the settings and the seed, and on nothing else.\n\n"
        "The first SIGINT, SIGTERM or SIGHUP finishes the step and writes --save; the second quits at once. SIGUSR1 "
        "writes --save, and training continues.\n\n"
        "Checkpoints of --save have the network with its normalization, what is known of the data (names of classes, "
        "columns), the weights, and the state of the run: the optimizer's, the step, the settings, a fingerprint of "
        "the examples, evaluations so far. With --resume a run goes on from one after it was interrupted, killed or "
        "over, and ends with the same bits and the same figures as without that, because settings and examples are "
        "checked: what may be another is the device, the memory, the tile, files that are written, --noise, --patience "
        "and the value of --until-loss or --until-accuracy; and the length, unless the schedule (cosine, polynomial, "
        "one-cycle) depends on it. Checkpoints of --save-best have weights alone.",
    .arguments = {ARGUMENT_NET(offsetof(train_settings, net)), ARGUMENT_DATA(offsetof(train_settings, data), false)},
    .options = train_settings_options,
    .examples = {"tassello train mlp DATA --epochs 10 --save mlp.safetensors",
                 "tassello train my.net DATA --batch 256 --schedule cosine --validation 10%"},
    .run = run,
};
