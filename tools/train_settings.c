/* The options of tassello train, and what goes together. */
#include "schedule.h"
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRAIN(field) offsetof(train_settings, train.field)
#define READING(field) offsetof(train_settings, reading.field)

static const char *arith_word(int number)
{
    static const char *const words[] = {[TAS_ARITH_EXACT] = "exact", [TAS_ARITH_FAST] = "fast", NULL};
    return words[number];
}

const cli_option train_settings_options[] = {
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
    OPTION_VALIDATION(offsetof(train_settings, validation),
                      "They are evaluated after each epoch; the memory for that is "
                      "part of the budget."),
    {.name = "patience",
     .metavar = "N",
     .group = GROUP_DATA,
     .type = TYPE_U32,
     .least = 1,
     .most = UINT32_MAX,
     .offset = offsetof(train_settings, patience),
     .help = "End the run after N validations in a row that were not better than the best one."},
    {.name = "until-loss",
     .metavar = "X",
     .group = GROUP_DATA,
     .type = TYPE_F64,
     .offset = offsetof(train_settings, until_loss),
     .help = "End the run once the loss of the held-out examples (the first 2048 of them) has reached X and stays "
             "there: its mean over the next quarter of the examples must be at most X, too, as in a sweep. It is "
             "evaluated whenever the examples have grown by 4%. --epochs or --steps is the limit. If the target is not "
             "reached, that is reported, and the exit status is 0 as after any run."},
    {.name = "until-accuracy",
     .metavar = "X",
     .group = GROUP_DATA,
     .type = TYPE_F64,
     .offset = offsetof(train_settings, until_accuracy),
     .help = "The same for an accuracy of at least X."},
    {.name = "watch",
     .metavar = "WORD",
     .group = GROUP_DATA,
     .type = TYPE_WORD,
     .word = validation_word,
     .offset = offsetof(train_settings, watch),
     .help = "What makes a validation better, for --patience and --save-best: a lower loss (default) or a higher "
             "accuracy."},
    OPTION_EXAMPLES(offsetof(train_settings, examples)),
    OPTIONS_READING(READING),
    OPTION_LOSS(offsetof(train_settings, loss)),
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
     .type = TYPE_U64,
     .least = 1,
     .most = UINT32_MAX,
     .instead = {"auto", "grow"},
     .offset = offsetof(train_settings, batch),
     .help =
         "Examples per update (default 64, or all if there are fewer). auto: let a short probe (at most 5% of the run "
         "or 30 s) choose the "
         "batch size and scale --lr, which is then taken as the rate for a batch of 64. Falls back to 64 if the "
         "probe is inconclusive. The choice is printed, so that the run can be reproduced. grow: enlarge the batch on "
         "the way to the largest that is about as good at equal examples, by the gradient noise scale and, with "
         "momentum or Adam, beyond it by short branches of the run. --lr is for a batch of 64, or --base-batch. The "
         "result depends on the settings alone, and the --batch-schedule that repeats it is printed."},
    {.name = "batch-least",
     .metavar = "N",
     .group = GROUP_BATCH,
     .type = TYPE_U32,
     .least = 1,
     .most = 1 << 24,
     .offset = offsetof(train_settings, batch_least),
     .help = "--batch grow only: the first batch (default 64, at most a tenth of the examples)."},
    OPTION_BATCH_SCHEDULE(offsetof(train_settings, batch_schedule),
                          "--lr-scaling gives each its rate. Tiles are for the largest."),
    {.name = "batch-most",
     .metavar = "N",
     .group = GROUP_BATCH,
     .type = TYPE_U32,
     .least = 1,
     .most = 1 << 24,
     .offset = TRAIN(batch_most),
     .help = "--batch grow and the seesaw schedule only: the largest batch (default, and at most: a tenth of the "
             "examples)."},
    {.name = "drop-last",
     .group = GROUP_BATCH,
     .offset = offsetof(train_settings, drop_last),
     .help = "Leave out the last, smaller batch of an epoch, which may have too few examples for batch normalization. "
             "The order is new in each epoch, so that other examples are left out."},
    OPTION_SHARDS(TRAIN(shards)),
    OPTION_BUDGET(offsetof(train_settings, budget)),
    OPTION_TILE(TRAIN(tile)),
    OPTION_KEEP_ON_HOST(offsetof(train_settings, keep_on_host)),
    OPTION_LR(TRAIN, ""),
    OPTIONS_OPTIMIZER(TRAIN, offsetof(train_settings, optimizer)),
    OPTIONS_SCHEDULE(TRAIN, offsetof(train_settings, schedule), ""),
    OPTIONS_SCALING(TRAIN, offsetof(train_settings, lr_scaling),
                    "Treat --lr as the rate for --base-batch and scale it with the batch: by k (linear) or sqrt(k) "
                    "(sqrt), where k = batch / base batch. auto: the optimizer's rule, which is linear for SGD and "
                    "LARS and sqrt for the others. none: do not scale (default). --lr-end is scaled too. With Adam, "
                    "AdamW and LAMB --beta2 is scaled as well, to beta2^k, so that it averages over the same number of "
                    "examples (Marek et al. 2025)."),
    {.name = "save",
     .metavar = "FILE",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(train_settings, save),
     .help =
         "Write a checkpoint (safetensors, with the network in it) at the end, on SIGUSR1, and with the last good "
         "weights if training fails. An existing FILE is replaced only when the new one is complete. It has the "
         "state of the run, too (two or three times the bytes of the weights), so that --resume can go on from it."},
    {.name = "save-every",
     .metavar = "TIME",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .offset = offsetof(train_settings, save_every),
     .help =
         "Write --save on the way, too: every so many steps (500), or every 90s, 5m or 2h. The file before it stays "
         "as FILE.previous. Whatever happens, at least one of the two is whole."},
    {.name = "init",
     .metavar = "FILE",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(train_settings, init),
     .help =
         "Begin with the weights of a file, for fine-tuning: a checkpoint, also of another network, a state_dict of "
         "PyTorch in safetensors, or an ONNX model. A layer with a name takes that layer's tensors: 'conv2d 64 3 as "
         "conv1' takes conv1.weight and conv1.bias, batch_norm also running_mean and running_var. Others take those of "
         "their own names (1.conv2d.weight). What has another shape or is not there is drawn from --seed. What was "
         "taken and what was not is listed; it is an error if nothing was. See 'freeze' in tassello-network(5)."},
    {.name = "resume",
     .metavar = "FILE",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(train_settings, resume),
     .help =
         "Go on with the run that wrote FILE by --save, with the same bits as without interruption, also on another "
         "device or with another budget. NET and DATA are given again; settings are those of the run unless given, "
         "and one that would change its result is refused. --epochs or --steps may prolong the run, unless the "
         "schedule depends on its length. Files to write (--save, --save-every, --save-best, --log, which is "
         "appended to), the device and memory are not taken from FILE."},
    {.name = "save-best",
     .metavar = "FILE",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(train_settings, save_best),
     .help = "Write a checkpoint, as --save does, after each validation that is the best so far."},
    {.name = "log",
     .metavar = "FILE",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(train_settings, log),
     .help = "Write JSON lines: the settings, one line per step, the result."},
    {.name = "trace",
     .metavar = "FILE",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(train_settings, trace),
     .help = "Write a SHA-256 of what each operation makes in each step, as JSON lines, for 'tassello bisect'. It does "
             "not depend on the device, the tile or the budget. The result does not change; the run is slower."},
    {.name = "trace-every",
     .metavar = "N",
     .group = GROUP_OUTPUT,
     .type = TYPE_U64,
     .least = 1,
     .most = UINT32_MAX,
     .offset = TRAIN(trace_every),
     .help = "Trace step 1 and each Nth step (default: each step)."},
    {.name = "trace-only",
     .metavar = "FROM:TO",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .offset = offsetof(train_settings, trace_only),
     .help = "Trace these steps and end the run after them. FROM:TO:K also writes all values of the Kth digest."},
    OPTION_JSON(offsetof(train_settings, json)),
    {.name = "noise",
     .group = GROUP_OUTPUT,
     .offset = offsetof(train_settings, noise),
     .help = "Measure the gradient noise scale during training, at a cost of a few percent, and print it with its "
             "95% interval; with adam and adamw also that of the gradient as the optimizer scales it, by the root of "
             "its second moment. The weights do not change."},
    {.name = "profile",
     .group = GROUP_OUTPUT,
     .offset = offsetof(train_settings, profile),
     .help = "Profile training: time per kernel, bytes transferred, idle gaps, and the bytes that each step moves "
             "beside what it needs at least. Start-up is excluded. The weights do not change; the run is slightly "
             "slower."},
    {.name = "device",
     .metavar = "LIST",
     .group = GROUP_DEVICE,
     .type = TYPE_TEXT,
     .complete = COMPLETE_DEVICE,
     .offset = offsetof(train_settings, device),
     .help = "Use this device; 'tassello devices' lists them. Default: a GPU before a CPU, then the one with the most "
             "memory; the reference if there is no driver. Several with commas between them, or all: they share each "
             "batch, of which --shards makes as many parts or more, and the faster ones get more of these. Under MPI "
             "(mpirun, srun) each process has one of the list, by its place on its machine. See doc/scale.md."},
    {.name = "arith",
     .metavar = "WORD",
     .group = GROUP_DEVICE,
     .type = TYPE_WORD,
     .word = arith_word,
     .offset = offsetof(train_settings, arith),
     .help = "exact (default): the same bits on every device. fast: CLBlast may compute matrix products."},
    {.name = "audit",
     .metavar = "SHARE",
     .alone = "1%",
     .group = GROUP_DEVICE,
     .type = TYPE_TEXT,
     .offset = offsetof(train_settings, audit),
     .help = "Verify the device while it trains: at random moments, drawn from --seed, check one tile of one step on "
             "the C reference, operation by operation and bit for bit, in about SHARE of the time (1%), but once in "
             "the first 16 steps. The first difference ends the run with status 1, and --save gets the weights of "
             "the last audited step that was right. With continue (or 5%,continue) differences are logged and "
             "counted. step:N checks all tiles of step N alone. The result does not change. The host needs memory for "
             "the operands of an operation beside the budget."},
    {0},
};

/* Two options that exclude each other. */
static void refuse_both(const char *one, const char *other, const char *why)
{
    cli_usage(&train_command, "--%s and --%s: expected only one of them%s%s", one, other, *why ? ", as " : "", why);
}

static void refuse_same(const char *one, const char *file, const char *other, const char *other_file)
{
    if (file && other_file && cli_is_one_file(file, other_file))
        cli_usage(&train_command, "--%s and --%s: expected two different files", one, other);
}

/* The file before that --save-every keeps. */
static void check_previous(const train_settings *settings)
{
    char *previous = NULL;
    if (!settings->save_every || !settings->save || asprintf(&previous, "%s.previous", settings->save) < 0) return;
    refuse_same("save-every", previous, "save-best", settings->save_best);
    refuse_same("save-every", previous, "log", settings->log);
    free(previous);
}

/* --save may replace what --resume and --init have read. */
static void check_files(const train_settings *settings)
{
    const char *save = settings->save, *log = settings->log, *best = settings->save_best;
    if (best && !strcmp(best, "-")) cli_usage(&train_command, "--save-best -: expected a file, not stdout");
    if (save && !strcmp(save, "-")) cli_usage(&train_command, "--save -: expected a file, not stdout");
    if (log && !strcmp(log, "-")) cli_usage(&train_command, "--log -: expected a file; /dev/stdout is one");
    const char *trace = settings->trace;
    refuse_same("trace", trace, "save", save);
    refuse_same("trace", trace, "save-best", best);
    refuse_same("trace", trace, "log", log);
    refuse_same("trace", trace, "resume", settings->resume);
    refuse_same("trace", trace, "init", settings->init);
    sets_check_output(&train_command, "trace", trace, settings->net, settings->data, &settings->reading);
    refuse_same("save", save, "save-best", best);
    refuse_same("save", save, "log", log);
    refuse_same("save-best", best, "log", log);
    refuse_same("save-best", best, "resume", settings->resume);
    refuse_same("log", log, "resume", settings->resume);
    refuse_same("save-best", best, "init", settings->init);
    refuse_same("log", log, "init", settings->init);
    check_previous(settings);
    sets_check_output(&train_command, "save-best", best, settings->net, settings->data, &settings->reading);
    sets_check_output(&train_command, "save", save, settings->net, settings->data, &settings->reading);
    sets_check_output(&train_command, "log", log, settings->net, settings->data, &settings->reading);
}

static void check_until(const train_settings *settings, bool validates)
{
    const bool by_loss = !isnan(settings->until_loss), by_accuracy = !isnan(settings->until_accuracy);
    if (by_loss && by_accuracy) refuse_both("until-loss", "until-accuracy", "");
    if (by_loss && !(settings->until_loss > 0 && settings->until_loss < 1e6))
        cli_usage(&train_command, "--until-loss %g: expected a loss above 0 and below 1e6", settings->until_loss);
    if (by_accuracy && !(settings->until_accuracy > 0 && settings->until_accuracy < 1))
        cli_usage(&train_command, "--until-accuracy %g: expected a fraction between 0 and 1", settings->until_accuracy);
    if ((by_loss || by_accuracy) && !validates)
        cli_usage(&train_command, "--until-%s requires --validation, such as --validation 10%%",
                  by_loss ? "loss" : "accuracy");
}

/* What goes by validations. */
static void check_watch(const train_settings *settings)
{
    const bool validates = settings->validation.bytes || settings->validation.percent > 0;
    check_until(settings, validates);
    if (settings->patience && !validates) cli_usage(&train_command, "--patience requires --validation");
    if (settings->save_best && !validates) cli_usage(&train_command, "--save-best requires --validation");
    if (settings->watch && !settings->patience && !settings->save_best)
        cli_usage(&train_command, "--watch requires --patience or --save-best");
}

enum { GROWTH_LEAST = 64 };
static const uint64_t BATCH_GROW = (uint64_t)UINT32_MAX + 1; /* the second word of --batch */

/* The rate is that of the base batch. A schedule that goes by the number of steps would not be known beforehand. */
static void set_growth(train_settings *settings)
{
    tas_train_options *options = &settings->train;
    const tas_schedule s = options->schedule;
    if (options->lr == 0) cli_usage(&train_command, "--batch grow: requires --lr above 0");
    if (!options->steps && s != TAS_SCHEDULE_CONSTANT && s != TAS_SCHEDULE_STEP && s != TAS_SCHEDULE_EXPONENTIAL)
        cli_usage(&train_command,
                  "--batch grow and --schedule %s: requires --steps, as the rate depends on their number",
                  tas_schedule_name(s));
    if (settings->batch_least && options->batch_most && options->batch_most < settings->batch_least)
        cli_usage(&train_command, "--batch-most %u: expected at least --batch-least %u", options->batch_most,
                  settings->batch_least);
    options->batch = settings->batch_least ? settings->batch_least : GROWTH_LEAST;
    if (options->lr_scaling == TAS_SCALING_NONE) options->lr_scaling = tas_growth_scaling(options->optimizer);
}

/* The first batch, and how it changes. */
static void set_batches(train_settings *settings)
{
    tas_train_options *options = &settings->train;
    const bool given = settings->batch != UINT64_MAX, seesaw = options->schedule == TAS_SCHEDULE_SEESAW;
    batch_schedule_read(&train_command, &settings->batch_schedule);
    const uint32_t first = settings->batch_schedule.first;
    if (given && first) refuse_both("batch", "batch-schedule", "");
    if (seesaw && first) refuse_both("schedule seesaw", "batch-schedule", "seesaw makes its own");
    if (seesaw && !settings->batch) refuse_both("schedule seesaw", "batch auto", "the rate decays with the batch");
    settings->grows = settings->batch == BATCH_GROW;
    if (seesaw && settings->grows) refuse_both("schedule seesaw", "batch grow", "seesaw makes its own batches");
    if (options->batch_most && !seesaw && !settings->grows)
        cli_usage(&train_command, "--batch-most requires --batch grow or --schedule seesaw");
    if (settings->batch_least && !settings->grows) cli_usage(&train_command, "--batch-least requires --batch grow");
    if (settings->grows) set_growth(settings);
    if (given && !settings->grows) options->batch = (uint32_t)settings->batch;
    if (!first) return;
    options->batch = first;
    options->changes = settings->batch_schedule.list;
    options->change_count = settings->batch_schedule.count;
}

/* "500", "90s", "5m", "2h" */
static void read_save_every(train_settings *settings)
{
    static const char units[] = "smh";
    static const double seconds[] = {1, 60, 3600};
    const char *text = settings->save_every;
    const size_t length = text ? strlen(text) : 0;
    char number[24];
    uint64_t value;
    if (!text) return;
    const char *unit = length > 1 ? strchr(units, text[length - 1]) : NULL;
    snprintf(number, sizeof number, "%.*s", (int)(length < 23 ? length : 23) - (unit != NULL), text);
    if (length >= sizeof number || !cli_read_u64(number, 1, UINT32_MAX, &value))
        cli_usage(&train_command, "--save-every %s: expected a number of steps, or a time such as 90s, 5m or 2h", text);
    if (!settings->save) cli_usage(&train_command, "--save-every requires --save FILE");
    if (unit)
        settings->save_seconds = (double)value * seconds[unit - units];
    else
        settings->save_steps = value;
}

static void begin_settings(train_settings *settings, json_t *remembered)
{
    *settings = (train_settings){.options = remembered};
    settings->until_loss = settings->until_accuracy = NAN;
    settings->batch = UINT64_MAX;
    tas_train_options_init(&settings->train);
    settings->train.epochs = 0; /* not given */
    optimizer_begin(&settings->train);
    schedule_begin(&settings->train);
}

/* What is given now comes last, so that it counts. */
static int read_resumed(train_settings *settings, cli_state *cli, int argc, char **argv)
{
    const char *file = settings->resume;
    json_t *given = json_deep_copy(settings->options);
    begin_settings(settings, settings->options);
    const int failed = train_resume_open(cli, file, settings, given);
    json_decref(given);
    if (!failed) cli_parse(&train_command, argc, argv, settings);
    if (!failed && !settings->batch) refuse_both("resume", "batch auto", "the file has the batch that was chosen");
    return failed;
}

void train_settings_free(train_settings *settings)
{
    json_decref(settings->options);
    json_decref(settings->state);
    tas_saved_run_close(&settings->saved);
}

int train_settings_read(train_settings *settings, cli_state *cli, int argc, char **argv)
{
    tas_train_options *options = &settings->train;
    begin_settings(settings, json_object());
    cli_parse_seen(&train_command, argc, argv, settings, train_resume_note, settings->options);
    if (settings->resume && settings->init) refuse_both("resume", "init", "the weights are those of the run");
    const int failed = settings->resume ? read_resumed(settings, cli, argc, argv) : 0;
    if (failed) return failed;
    if (settings->init && !settings->batch) refuse_both("init", "batch auto", "its probe begins with other weights");
    if (!settings->resume) cli_check_loss(&train_command, settings->loss, settings->net);
    read_save_every(settings);
    optimizer_end(&train_command, &settings->optimizer, options);
    options->schedule = (tas_schedule)settings->schedule;
    options->lr_scaling = (tas_lr_scaling)settings->lr_scaling;
    schedule_end(&train_command, options);
    set_batches(settings);
    cli_check_shards(&train_command, options->shards);
    if (settings->profile && settings->grows) refuse_both("profile", "batch grow", "a profile covers training alone");
    if (settings->profile && (settings->validation.bytes || settings->validation.percent > 0))
        refuse_both("profile", "validation", "a profile covers training alone");
    if (options->epochs && options->steps) refuse_both("epochs", "steps", "");
    if (!options->batch && options->lr_scaling != TAS_SCALING_NONE)
        refuse_both("batch auto", "lr-scaling", "auto sets the rate too");
    if (!options->batch && options->lr == 0) cli_usage(&train_command, "--batch auto: requires --lr above 0");
    if (!options->epochs && !options->steps) options->epochs = 1;
    options->noise = options->preconditioned_noise = settings->noise;
    if (settings->grows) options->noise = 1;
    options->keep_on_host = settings->keep_on_host;
    options->drop_last = settings->drop_last;
    options->ahead = 1;
    train_audit_read(settings);
    train_trace_read(settings);
    check_watch(settings);
    check_files(settings);
    return 0;
}
