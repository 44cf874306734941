/* Options of tassello sweep, and what goes together. */
#include "sweep_settings.h"

#include "batch_schedule.h"
#include "schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NO_WORD = -1 }; /* of an option that takes one of several: it was not given */

#define SWEEP(field) offsetof(sweep_settings, sweep.field)
#define TRAIN(field) offsetof(sweep_settings, sweep.train.field)
#define LINK(field) offsetof(sweep_settings, link.field)
#define READING(field) offsetof(sweep_settings, reading.field)

static const char *target_word(int number)
{
    static const char *const words[] = {"validation", "train", NULL};
    return words[number];
}

static const char *goal_word(int number) { return tas_goal_name((tas_goal)number); }

const cli_option sweep_options[] = {
    {.name = "batches",
     .group = GROUP_BATCH,
     .metavar = "LIST",
     .type = TYPE_TEXT,
     .offset = offsetof(sweep_settings, batches),
     .help =
         "The batch sizes to compare, such as 16,64,256. auto (the default): those of 1, 4, 16, 32, 64, 128, 256 and "
         "1024 that are at most a tenth of the examples."},
    OPTION_SHARDS(TRAIN(shards)),
    {.name = "ranks",
     .group = GROUP_BATCH,
     .metavar = "N",
     .type = TYPE_U32,
     .least = 2,
     .most = TAS_SCALE_RANKS,
     .offset = SWEEP(ranks),
     .help = "Also say which batch to use on 2, 4, ... N devices like this one, a forecast from the steps measured on "
             "one device; and from how many on a larger batch is wasted. Requires --bandwidth and --latency, or "
             "--exchange."},
    OPTIONS_LINK(LINK),
    {.name = "target-loss",
     .group = GROUP_TARGET,
     .metavar = "X",
     .type = TYPE_F64,
     .offset = offsetof(sweep_settings, target_loss),
     .help =
         "The loss to reach (default: within 2% of the best validation loss that a batch of 64 sees before it stops "
         "improving, as far as --time allows). A run has reached it if its mean loss over the next quarter of the "
         "examples is no higher."},
    {.name = "target-accuracy",
     .group = GROUP_TARGET,
     .metavar = "X",
     .type = TYPE_F64,
     .offset = offsetof(sweep_settings, target_accuracy),
     .help = "The accuracy to reach, between 0 and 1, instead of a loss."},
    {.name = "target-on",
     .group = GROUP_TARGET,
     .metavar = "WORD",
     .type = TYPE_WORD,
     .word = target_word,
     .offset = offsetof(sweep_settings, target_on),
     .help =
         "The examples on which the target is measured: validation (the default), which are held out, or train, the "
         "first 2048 training examples."},
    {.name = "goal",
     .group = GROUP_TARGET,
     .metavar = "WORD",
     .type = TYPE_WORD,
     .word = goal_word,
     .offset = offsetof(sweep_settings, goal),
     .help =
         "What the recommendation optimizes: time to the target (the default), examples to the target, accuracy (the "
         "best validation loss), or memory."},
    OPTIONS_ADVICE(SWEEP(batch_most), SWEEP(waste)),
    {.name = "epochs",
     .group = GROUP_DATA,
     .metavar = "X",
     .type = TYPE_F64,
     .offset = SWEEP(epochs),
     .help = "Maximum length of a run, in passes over the examples (default: as many as the target needs, up to 20)."},
    OPTION_EXAMPLES(SWEEP(examples)),
    OPTION_VALIDATION(offsetof(sweep_settings, validation), "Default: a tenth, at most 5000."),
    OPTIONS_READING(READING),
    OPTION_LOSS(offsetof(sweep_settings, loss)),
    {.name = "seeds",
     .group = GROUP_DATA,
     .metavar = "N",
     .type = TYPE_U32,
     .least = 2,
     .most = 32,
     .offset = offsetof(sweep_settings, seeds),
     .help = "Runs per batch, at its learning rate and each with a fresh seed, from which all figures are computed "
             "(default 3)."},
    OPTION_LR(TRAIN, ": where the search starts, or what is scaled"),
    {.name = "lr-grid",
     .group = GROUP_OPTIMIZER,
     .offset = offsetof(sweep_settings, grid),
     .help = "Search the best learning rate of each batch, by factors of 2 and then of the square root of 2 (the "
             "default)."},
    {.name = "rates",
     .group = GROUP_OPTIMIZER,
     .metavar = "LIST",
     .type = TYPE_TEXT,
     .offset = offsetof(sweep_settings, rates),
     .help = "Do not search the rates: use these, one for each of --batches, such as 0.05,0.1,0.2. Requires a target."},
    OPTIONS_OPTIMIZER(TRAIN, offsetof(sweep_settings, optimizer)),
    OPTIONS_SCHEDULE(TRAIN, offsetof(sweep_settings, schedule),
                     " N is for a batch of 64 (or --base-batch); for other batches it is as many examples."),
    OPTIONS_SCALING(TRAIN, offsetof(sweep_settings, scaling),
                    "Do not search the rates: use --lr as the rate for --base-batch and scale it with the batch, by k "
                    "(linear) or sqrt(k) (sqrt), where k = batch / base batch. auto: the optimizer's rule. none: the "
                    "same rate for all batches."),
    {.name = "seed",
     .group = GROUP_DATA,
     .metavar = "N",
     .type = TYPE_U64,
     .most = INT64_MAX,
     .offset = SWEEP(seed),
     .help = "Seed from which all others are derived (default 1)."},
    {.name = "branch",
     .group = GROUP_DATA,
     .offset = offsetof(sweep_settings, branch),
     .help = "Also measure the critical batch at several moments of a run at the base batch: from each, short branches "
             "at several batches train on the same examples. Holds for any optimizer."},
    {.name = "grow",
     .group = GROUP_DATA,
     .offset = offsetof(sweep_settings, grow),
     .help =
         "Also train to the target twice with a batch that grows on the way, as 'train --batch grow' does, from the "
         "base batch and its rate on."},
    {.name = "brief",
     .group = GROUP_DATA,
     .offset = offsetof(sweep_settings, brief),
     .help = "End each run at the target and measure nothing else: no overfitting, no variance of the gradient."},
    {.name = "time",
     .group = GROUP_DATA,
     .metavar = "TIME",
     .type = TYPE_TEXT,
     .offset = offsetof(sweep_settings, time),
     .help = "Time limit, such as 90s, 10m or 2h. What does not fit is left out, and the result lists it."},
    {.name = "state",
     .group = GROUP_OUTPUT,
     .metavar = "DIR",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FOLDER,
     .offset = offsetof(sweep_settings, state),
     .help =
         "Keep each run in this folder, which is created if missing. The same command then resumes from it, also on "
         "another device."},
    OPTION_REPORT(offsetof(sweep_settings, report)),
    {.name = "json",
     .group = GROUP_OUTPUT,
     .metavar = "FILE",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(sweep_settings, json),
     .help = "Write all figures as one JSON object. -: to stdout; the text for people then goes to stderr."},
    OPTION_WIDE(offsetof(sweep_settings, wide)),
    {.name = "runs",
     .group = GROUP_OUTPUT,
     .metavar = "FILE",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(sweep_settings, runs),
     .help = "Write the evaluations of all runs on fresh seeds as CSV, in the format that 'tassello advise' reads."},
    OPTION_DEVICE(offsetof(sweep_settings, device)),
    OPTION_BUDGET(offsetof(sweep_settings, budget)),
    {0},
};

static void read_batches(sweep_settings *s)
{
    if (!s->batches || !strcmp(s->batches, "auto")) return;
    s->sweep.batch_count =
        batch_schedule_read_list(&sweep_command, s->batches, ", or auto", SWEEP_BATCHES_MOST, s->list);
    s->sweep.batches = s->list;
}

/* "0.05,0.1,0.2": one per batch. */
static void read_rates(sweep_settings *s)
{
    const int batches = s->sweep.batch_count;
    int count = 1;
    if (!s->rates) return;
    if (s->grid || s->scaling != NO_WORD || s->sweep.train.lr >= 0)
        cli_usage(&sweep_command, "--rates and --%s: expected only one of them",
                  s->grid                 ? "lr-grid"
                  : s->scaling != NO_WORD ? "lr-scaling"
                                          : "lr");
    if (isnan(s->sweep.target)) cli_usage(&sweep_command, "--rates: also requires --target-loss or --target-accuracy");
    for (const char *at = s->rates; *at; at++) count += *at == ',';
    if (!batches) cli_usage(&sweep_command, "--rates: also requires --batches");
    if (count != batches)
        cli_usage(&sweep_command, "--rates: expected one for each of the %d --batches, found %d", batches, count);
    const char *at = s->rates;
    for (int i = 0; i < batches; i++, at += strcspn(at, ",") + 1) {
        char word[32];
        const size_t length = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 0, at);
        if (!cli_read_f32(word, &s->rate_list[i]) || !(s->rate_list[i] > 0))
            cli_usage(&sweep_command, "--rates %s: expected numbers above 0 separated by commas", s->rates);
        if (!(s->rate_list[i] >= 0x1p-30f && s->rate_list[i] <= 1024)) /* the library's bounds */
            cli_usage(&sweep_command, "--rates: %s: expected rates from 1e-9 to 1024", word);
    }
    s->sweep.rates = s->rate_list;
}

static void read_time(sweep_settings *s)
{
    if (s->time && !cli_read_time(s->time, &s->sweep.seconds))
        cli_usage(&sweep_command, "--time %s: expected a time, such as 90s, 10m or 2h", s->time);
}

static void read_target(sweep_settings *s)
{
    tas_sweep_options *options = &s->sweep;
    const bool by_loss = !isnan(s->target_loss), by_accuracy = !isnan(s->target_accuracy);
    if (by_loss && by_accuracy)
        cli_usage(&sweep_command, "--target-loss and --target-accuracy: expected only one of them");
    if (by_loss && !(s->target_loss > 0 && s->target_loss < 1e6))
        cli_usage(&sweep_command, "--target-loss %g: expected a loss above 0 and below 1e6", s->target_loss);
    if (by_accuracy && !(s->target_accuracy > 0 && s->target_accuracy < 1))
        cli_usage(&sweep_command, "--target-accuracy %g: expected a fraction between 0 and 1", s->target_accuracy);
    if (!by_loss && !by_accuracy && s->target_on)
        cli_usage(&sweep_command, "--target-on train: also requires --target-loss or --target-accuracy");
    options->by_accuracy = by_accuracy;
    options->target = by_accuracy ? s->target_accuracy : s->target_loss;
    options->on_train = s->target_on;
}

/* Outputs that are one file, or would replace the network. */
static void check_files(const sweep_settings *s)
{
    if (s->report && !strcmp(s->report, "-"))
        cli_usage(&sweep_command, "--report -: expected a file; only --json can go to stdout");
    if (s->report && s->json && cli_is_one_file(s->report, s->json))
        cli_usage(&sweep_command, "--report and --json: expected two different files");
    if (s->runs && s->json && cli_is_one_file(s->runs, s->json))
        cli_usage(&sweep_command, "--runs and --json: expected two different files");
    if (s->runs && s->report && cli_is_one_file(s->runs, s->report))
        cli_usage(&sweep_command, "--runs and --report: expected two different files");
    sets_check_output(&sweep_command, "runs", s->runs, s->net, s->data, &s->reading);
    sets_check_output(&sweep_command, "report", s->report, s->net, s->data, &s->reading);
    sets_check_output(&sweep_command, "json", s->json, s->net, s->data, &s->reading);
}

/* What sweep and train have in common. Without scaling the rate is searched. */
static void read_training(sweep_settings *s)
{
    tas_train_options *t = &s->sweep.train;
    if (s->grid && s->scaling != NO_WORD)
        cli_usage(&sweep_command, "--lr-grid and --lr-scaling: expected only one of them");
    s->sweep.scale = s->scaling != NO_WORD;
    t->lr_scaling = s->sweep.scale ? (tas_lr_scaling)s->scaling : TAS_SCALING_NONE;
    t->schedule = (tas_schedule)s->schedule;
    optimizer_end(&sweep_command, &s->optimizer, t);
    schedule_end(&sweep_command, t);
    if (t->schedule == TAS_SCHEDULE_SEESAW)
        cli_usage(&sweep_command,
                  "--schedule seesaw: expected another one, as a sweep compares batches that stay the same");
    if (t->lr == 0) cli_usage(&sweep_command, "--lr 0: expected a rate above 0");
    if (!(t->lr >= 0x1p-20f && t->lr <= 64)) /* the library's bounds */
        cli_usage(&sweep_command, "--lr %g: expected a rate from 1e-6 to 64", (double)t->lr);
}

/* -1: not given. */
static void read_limits(tas_sweep_options *options)
{
    if (options->waste >= 0 && options->waste < 1)
        cli_usage(&sweep_command, "--waste %g: expected at least 1 (the fewest examples possible)", options->waste);
    if (options->epochs == 0) cli_usage(&sweep_command, "--epochs 0: expected more than 0");
    if (options->epochs > 1e6) cli_usage(&sweep_command, "--epochs %g: expected at most 1e6", options->epochs);
    if (options->waste < 0) options->waste = 0;
    if (options->epochs < 0) options->epochs = 0;
}

void sweep_read(sweep_settings *s, int argc, char **argv)
{
    tas_sweep_options *options = &s->sweep;
    tas_sweep_options_init(options);
    s->target_loss = s->target_accuracy = NAN;
    s->scaling = NO_WORD;
    s->seeds = (uint32_t)options->seeds;
    options->waste = options->epochs = -1;
    link_begin(&s->link);
    optimizer_begin(&options->train);
    schedule_begin(&options->train);
    cli_parse(&sweep_command, argc, argv, s);
    cli_check_loss(&sweep_command, s->loss, s->net);
    cli_check_shards(&sweep_command, s->sweep.train.shards);
    link_check(&sweep_command, &s->link);
    if (!s->sweep.ranks && link_given(&s->link))
        cli_usage(&sweep_command, "--bandwidth, --latency and --exchange: expected --ranks with them");
    if (s->sweep.ranks && !link_given(&s->link))
        cli_usage(&sweep_command, "--ranks: also requires --bandwidth and --latency, or --exchange");
    if (s->sweep.ranks & (s->sweep.ranks - 1))
        cli_usage(&sweep_command, "--ranks %u: expected a power of two", s->sweep.ranks);
    read_limits(options);
    read_batches(s);
    read_time(s);
    read_target(s);
    read_rates(s);
    read_training(s);
    check_files(s);
    if (s->brief && s->goal == TAS_GOAL_ACCURACY)
        cli_usage(&sweep_command,
                  "--brief and --goal accuracy: expected only one of them, since brief runs end at the target");
    options->goal = (tas_goal)s->goal;
    options->seeds = (int)s->seeds;
    options->brief = s->brief;
    options->branch = s->branch;
    options->grow = s->grow;
    options->state = s->state;
    options->net_name = s->net;
    options->data_name = s->data;
}
