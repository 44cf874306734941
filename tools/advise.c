/* tassello advise: the recommendation from runs that another program made. */
#include "advise.h"

#include "sweep_print.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MOST = 64 << 20 };

static const char *goal_word(int number)
{
    return number < TAS_GOAL_MEMORY ? tas_goal_name((tas_goal)number) : NULL; /* rows have no memory */
}

static const cli_option options[] = {
    {.name = "noise",
     .group = GROUP_DATA,
     .offset = offsetof(advise_settings, noise),
     .help = "The rows are norms of gradients: step, small_batch, small_norm_sq, big_batch, big_norm_sq. Prints the "
             "gradient noise scale."},
    {.name = "target-loss",
     .group = GROUP_TARGET,
     .metavar = "X",
     .type = TYPE_F64,
     .offset = offsetof(advise_settings, target_loss),
     .help = "The loss to reach, if there is one row per evaluation. Default: 1.02 times the best loss of the batch "
             "nearest to 64, or the lowest that most batches reach."},
    {.name = "goal",
     .group = GROUP_TARGET,
     .metavar = "WORD",
     .type = TYPE_WORD,
     .word = goal_word,
     .offset = offsetof(advise_settings, goal),
     .help = "What the recommendation optimizes: time to the target (the default), examples to the target, or accuracy "
             "(the best loss)."},
    OPTIONS_ADVICE(offsetof(advise_settings, batch_most), offsetof(advise_settings, waste)),
    {.name = "examples",
     .group = GROUP_DATA,
     .metavar = "N",
     .type = TYPE_U64,
     .least = 1,
     .most = INT64_MAX,
     .offset = offsetof(advise_settings, examples),
     .help = "Examples in the training set: no batch above a tenth of them is recommended, and epochs are shown. With "
             "--noise: batches are drawn from so many without replacement."},
    OPTION_REPORT(offsetof(advise_settings, report)),
    OPTION_WIDE(offsetof(advise_settings, wide)),
    OPTION_JSON(offsetof(advise_settings, json)),
    {0},
};

/* The file --------------------------------------------------------------------------------------------------------- */

/* A stream cannot be read twice, and its size is not known before its end. */
static char *read_stream(cli_state *cli, FILE *stream, const char *name, size_t *bytes)
{
    size_t room = 1 << 16;
    char *text = NULL;
    *bytes = 0;
    do {
        char *more = realloc(text, room + 1);
        if (!more) {
            cli_error(cli, "out of memory");
            free(text);
            return NULL;
        }
        text = more;
        *bytes += fread(text + *bytes, 1, room - *bytes, stream);
        room *= 2;
    } while (*bytes == room / 2 && room <= 2 * (size_t)FILE_MOST);
    if (!ferror(stream)) return text;
    cli_error(cli, "%s: cannot be read: %s", name, strerror(errno));
    free(text);
    return NULL;
}

static char *read_file(cli_state *cli, const char *path, size_t *bytes)
{
    struct stat about;
    if (!strcmp(path, "-")) return read_stream(cli, stdin, "stdin", bytes);
    FILE *file = fopen(path, "rb");
    if (!file) {
        cli_error(cli, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    if (!fstat(fileno(file), &about) && S_ISDIR(about.st_mode))
        cli_error(cli, "%s: a folder; expected a file of rows", path);
    else
        text = read_stream(cli, file, path, bytes);
    fclose(file);
    return text;
}

/* The advice ------------------------------------------------------------------------------------------------------- */

static bool print_json(cli_state *cli, const tas_sweep *sweep)
{
    char *text = tas_sweep_json_text(sweep);
    const bool done = text && puts(text) >= 0;
    if (!text) cli_error(cli, "out of memory");
    free(text);
    return done;
}

static bool write_report(cli_state *cli, const advise_settings *s, const tas_sweep *sweep)
{
    const tas_status status = tas_sweep_report(sweep, s->report);
    if (status)
        cli_failed(cli, status);
    else if (!s->json)
        printf("report       %s\n", s->report);
    return !status;
}

static int advise(cli_state *cli, const advise_settings *s, const char *name, const char *text, size_t bytes)
{
    tas_advise_options o;
    tas_sweep *sweep = NULL;
    tas_advise_options_init(&o);
    o.name = name;
    o.target_loss = s->target_loss;
    o.goal = (tas_goal)s->goal;
    o.examples = s->examples;
    o.batch_most = s->batch_most;
    o.waste = s->waste < 0 ? 0 : s->waste;
    if (s->report && tas_report_check(cli->context, s->report)) {
        cli_error(cli, "--report %s: %s", s->report, tas_error(cli->context));
        return EXIT_FAILED;
    }
    const tas_status status = tas_advise_open_text(cli->context, text, bytes, &o, &sweep);
    int result = status ? cli_failed(cli, status) : 0;
    if (!sweep) return result;
    if (!s->json) printf("rows         %s\n", cli_shown(name));
    if (s->json)
        result = print_json(cli, sweep) ? result : EXIT_FAILED;
    else
        sweep_print_result(sweep, stdout, s->wide);
    if (s->report && !write_report(cli, s, sweep)) result = EXIT_FAILED;
    tas_sweep_close(&sweep);
    return result;
}

/* The command ------------------------------------------------------------------------------------------------------ */

static void check_settings(const cli_command *command, const advise_settings *s)
{
    const char *other = !isnan(s->target_loss) ? "target-loss"
                        : s->goal              ? "goal"
                        : s->batch_most        ? "batch-most"
                        : s->waste >= 0        ? "waste"
                        : s->report            ? "report"
                        : s->wide              ? "wide"
                                               : NULL;
    if (s->noise && other) cli_usage(command, "--noise and --%s: expected only one of them", other);
    if (!isnan(s->target_loss) && !(s->target_loss > 0 && s->target_loss < 1e6))
        cli_usage(command, "--target-loss %g: expected a loss above 0 and below 1e6", s->target_loss);
    if (s->waste >= 0 && s->waste < 1)
        cli_usage(command, "--waste %g: expected at least 1 (the fewest examples possible)", s->waste);
    if (s->report && !strcmp(s->report, "-"))
        cli_usage(command, "--report -: expected a file; only --json goes to stdout");
    if (s->report && strcmp(s->file, "-") != 0 && cli_is_one_file(s->report, s->file))
        cli_usage(command, "--report %s: would replace the rows", s->report);
}

static int run(int argc, char **argv)
{
    advise_settings s = {.target_loss = NAN, .waste = -1};
    cli_state cli;
    size_t bytes;
    cli_parse(&advise_command, argc, argv, &s);
    check_settings(&advise_command, &s);
    if (!cli_open(&cli, &advise_command)) return EXIT_FAILED;
    const char *name = strcmp(s.file, "-") != 0 ? s.file : "stdin";
    char *text = read_file(&cli, s.file, &bytes);
    int result = EXIT_FAILED;
    if (text && s.noise)
        result = advise_noise(&cli, &s, name, text, bytes);
    else if (text)
        result = advise(&cli, &s, name, text, bytes);
    free(text);
    cli_close(&cli);
    return result;
}

const cli_command advise_command = {
    .name = "advise",
    .summary = "recommend a batch size from runs of any program",
    .description =
        "Reads training runs that another program made, fits the steps to a target against the batch size, and "
        "recommends a batch size as sweep does: with its reasons, and the critical batch with its interval. No device "
        "is needed.\n\n"
        "The rows are CSV with a header, the same with tabs, or one JSON object per line. One row per run: batch, lr, "
        "seed, steps, seconds, loss, where steps and seconds are those to the target; a run that did not reach it has "
        "no steps. Or one row per evaluation, if there is a column examples: batch, lr, seed, examples (or steps), "
        "seconds, loss; rows with the same batch, lr and seed are one run. accuracy and train_loss are used if they "
        "are there, and other columns are ignored. A loss of nan or inf is a run that diverged. If a batch was run at "
        "several rates, the best by its mean over seeds is used.\n\n"
        "Recipes for PyTorch are in doc/advise.md.",
    .arguments = {{.name = "FILE",
                   .help = "the rows; - for stdin",
                   .complete = COMPLETE_FILE,
                   .offset = offsetof(advise_settings, file)}},
    .options = options,
    .examples = {"tassello advise runs.csv --examples 50000 --report runs.html",
                 "tassello advise --noise norms.csv --json"},
    .run = run,
};
