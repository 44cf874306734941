/* tassello predict: what a checkpoint's network makes of further examples. */
#include "checkpoint.h"
#include "predictions.h"
#include "ranks.h"
#include "sets.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct settings {
    const char *checkpoint, *input, *device;
    uint32_t top; /* 0: it was not given */
    bool csv, json;
    cli_size budget;
    data_settings reading;
} settings;

#define READING(field) offsetof(settings, reading.field)

static const cli_option options[] = {
    {.name = "top",
     .metavar = "N",
     .group = GROUP_OUTPUT,
     .type = TYPE_U32,
     .least = 1,
     .most = 1 << 20,
     .offset = offsetof(settings, top),
     .help = "Classes only: print the N most likely ones (default 1)."},
    {.name = "csv",
     .group = GROUP_OUTPUT,
     .offset = offsetof(settings, csv),
     .help =
         "Print CSV with a heading: the example's number or file, then classes and their probabilities, or values."},
    OPTION_JSON(offsetof(settings, json)),
    OPTIONS_FORMAT(READING),
    OPTION_DEVICE(offsetof(settings, device)),
    OPTION_BUDGET(offsetof(settings, budget)),
    {0},
};

typedef struct session {
    cli_state cli;
    command_ranks ranks;
    settings s;
    checkpoint of;
    const char *path; /* what is read: INPUT, or the spool */
    tas_data *data, *rest;
    tas_device *device;
    tas_model *model;
    predictions out;
} session;

/* ------------------------------------------------------------------------------------------------------------- pipes
 */

static const char *input_name(const session *r) { return strcmp(r->s.input, "-") ? r->s.input : "stdin"; }

static bool is_pipe(const char *input)
{
    struct stat about;
    return !strcmp(input, "-") || (!stat(input, &about) && S_ISFIFO(about.st_mode));
}

/* The file that takes the place of a pipe, which has no size and can be read only once. It is removed once it has been
 * opened; "": there is none. */
static char spool[PATH_MAX];

static void remove_spool(void)
{
    if (*spool) unlink(spool);
}

static void on_end(int number)
{
    (void)number;
    remove_spool();
    _exit(EXIT_INTERRUPTED);
}

static int create_spool(void)
{
    const char *folder = getenv("TMPDIR");
    const size_t length =
        (size_t)snprintf(spool, sizeof spool, "%s/tassello-XXXXXX", folder && *folder ? folder : "/tmp");
    if (length >= sizeof spool) errno = ENAMETOOLONG;
    const int file = length < sizeof spool ? mkstemp(spool) : -1;
    if (file < 0) *spool = 0;
    cli_catch_ends(on_end);
    return file;
}

static bool write_all(int file, const char *bytes, size_t count)
{
    for (ssize_t done; count; bytes += done, count -= (size_t)done)
        if ((done = write(file, bytes, count)) < 0) return false;
    return true;
}

/* 0 at the end of the input, 1 if there may be more, -1 after a failure. */
static int copy_piece(FILE *from, int to)
{
    static char piece[1 << 16];
    const size_t got = fread(piece, 1, sizeof piece, from);
    if (ferror(from) || !write_all(to, piece, got)) return -1;
    return got == sizeof piece;
}

static bool spool_input(session *r)
{
    FILE *from = strcmp(r->s.input, "-") ? fopen(r->s.input, "rb") : stdin;
    const int file = from ? create_spool() : -1;
    int state = -1;
    if (file >= 0)
        while ((state = copy_piece(from, file)) > 0) continue;
    if (state) cli_error(&r->cli, "%s: cannot be read through a temporary file: %s", input_name(r), strerror(errno));
    if (file >= 0) close(file);
    if (from && from != stdin) fclose(from);
    r->path = spool;
    return !state;
}

/* The name of a spool in an error means nothing to people. */
static int report(session *r, tas_status status)
{
    const char *text = tas_error(r->cli.context), *at = *spool ? strstr(text, spool) : NULL;
    if (!at) return cli_failed(&r->cli, status);
    fprintf(stderr, "tassello %s: %.*s%s%s\n", predict_command.name, (int)(at - text), text, input_name(r),
            at + strlen(spool));
    return status == TAS_BAD_ARGUMENT ? EXIT_USAGE : EXIT_FAILED;
}

/* ------------------------------------------------------------------------------------------------------------ reading
 */

/* Without a schema the files must be whole sets. */
static tas_status read_with(session *r, const tas_reading *reading)
{
    if (reading->schema) return tas_data_read_inputs(r->cli.context, r->path, reading, &r->data);
    const tas_status status = tas_data_read(r->cli.context, r->path, reading, &r->rest, &r->data);
    if (status || r->data) return status;
    r->data = r->rest;
    r->rest = NULL;
    return TAS_OK;
}

static bool knows_format(const char *name)
{
    tas_format_info info;
    for (size_t i = 0; tas_format(i, &info); i++)
        if (!strcmp(info.name, name)) return true;
    return false;
}

/* Whether the spool begins as a text does. */
static bool is_text(void)
{
    char head[64] = "";
    FILE *file = fopen(spool, "rb");
    const size_t got = file ? fread(head, 1, sizeof head, file) : 0;
    if (file) fclose(file);
    for (size_t k = 0; k < got; k++)
        if ((unsigned char)head[k] < '\t') return false;
    return got;
}

/* What comes through a pipe has no name by which a table would be recognized. */
static int read_input(session *r)
{
    tas_reading reading;
    sets_reading(&r->s.reading, &reading);
    reading.test_share = 0;
    const int failed = checkpoint_expect(&r->of, &r->cli, &reading);
    if (failed) return failed;
    r->path = r->s.input;
    if (is_pipe(r->s.input) && !spool_input(r)) return EXIT_FAILED;
    tas_status status = read_with(r, &reading);
    if (status == TAS_BAD_FILE && *spool && !reading.format && is_text() && knows_format("csv")) {
        reading.format = "csv";
        status = read_with(r, &reading);
    }
    const int result = status ? report(r, status) : 0;
    sets_hint(&r->cli, status, false);
    remove_spool();
    return result;
}

static int check_fit(session *r)
{
    const size_t wanted = tas_network_inputs(r->of.network), found = tas_data_input_size(r->data);
    if (found == wanted) return 0;
    cli_error(&r->cli, "%s: takes %zu values per example, but %s has %zu", r->s.checkpoint, wanted, input_name(r),
              found);
    return EXIT_FAILED;
}

/* --------------------------------------------------------------------------------------------------------- predicting
 */

/* Examples at a time: what an example gives does not depend on how many there are. */
static size_t piece_of(const session *r)
{
    enum { PIECE_BYTES = 32 << 20, PIECE_MOST = 1 << 16 };
    const size_t bytes = (tas_network_inputs(r->of.network) + tas_network_outputs(r->of.network)) * sizeof(float);
    const size_t count = PIECE_BYTES / bytes ? PIECE_BYTES / bytes : 1;
    const size_t piece = count < PIECE_MOST ? count : PIECE_MOST;
    return r->ranks.ranks ? piece * tas_ranks_count(r->ranks.ranks) : piece;
}

static tas_status predict_piece(session *r, uint64_t first, size_t n, uint64_t *index, float *inputs, float *outputs)
{
    for (size_t k = 0; k < n; k++) index[k] = first + k;
    tas_status status = tas_data_get(r->data, index, n, inputs, NULL);
    if (!status) status = tas_predict(r->model, inputs, n, outputs);
    for (size_t k = 0; k < n && !status; k++) predictions_add(&r->out, first + k, outputs + k * r->out.outputs);
    return status;
}

static tas_status predict_all(session *r)
{
    const uint64_t count = tas_data_count(r->data);
    const size_t piece = piece_of(r);
    uint64_t *index = malloc(piece * sizeof *index);
    float *inputs = malloc(piece * tas_network_inputs(r->of.network) * sizeof *inputs);
    float *outputs = malloc(piece * tas_network_outputs(r->of.network) * sizeof *outputs);
    tas_status status = index && inputs && outputs ? TAS_OK : TAS_NO_MEMORY;
    for (uint64_t at = 0; at < count && !status; at += piece)
        status = predict_piece(r, at, count - at < piece ? (size_t)(count - at) : piece, index, inputs, outputs);
    free(index);
    free(inputs);
    free(outputs);
    return status;
}

static void print_json(const session *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "checkpoint", cli_json_text(r->s.checkpoint));
    json_object_set_new(o, "input", cli_json_text(r->s.input));
    json_object_set_new(o, "device", cli_json_text(tas_device_get_info(r->device)->id));
    json_object_set_new(o, "examples", json_integer((json_int_t)tas_data_count(r->data)));
    predictions_describe(&r->out, o);
    cli_json_print(o, stdout);
}

/* What is wrong with the files is found here, and not after kernels were built. Rank 0 alone reads the examples: the
 * others get theirs from it. */
static int open_files(session *r)
{
    int failed = checkpoint_open(&r->of, &r->cli, r->s.checkpoint);
    if (failed || r->ranks.index) return failed;
    failed = read_input(r);
    return failed ? failed : check_fit(r);
}

static int open_device(session *r)
{
    const char *id;
    const int failed = ranks_read_devices(&r->ranks, r->s.device, &r->s.budget, &id);
    if (failed) return failed;
    ranks_keep_first(&r->ranks);
    const tas_status status = tas_device_open_for(r->cli.context, id, TAS_ARITH_EXACT, r->of.network, 0, &r->device);
    if (status) return cli_failed(&r->cli, status);
    const char *const texts[] = {"the network", tas_network_text(r->of.network), NULL};
    return ranks_join(&r->ranks, texts, TAS_ARITH_EXACT, r->of.network);
}

static int predict(session *r)
{
    const predictions_form form = r->s.csv ? FORM_CSV : r->s.json ? FORM_JSON : FORM_TEXT;
    uint64_t budget;
    if (!cli_budget(&r->cli, &r->s.budget, tas_device_get_info(r->device), &budget)) return EXIT_FAILED;
    tas_status status = tas_model_load(r->device, r->s.checkpoint, &r->model);
    if (!status && !predictions_open(&r->out, r->of.network, r->data, r->s.top ? r->s.top : 1, form))
        status = TAS_NO_MEMORY;
    if (status) return cli_failed(&r->cli, status);
    if (r->s.top && r->out.kind != KIND_CLASSES) {
        cli_error(&r->cli, "--top: expected a network that predicts classes; that of %s predicts %s", r->s.checkpoint,
                  r->out.kind == KIND_VALUES ? "values" : "independent probabilities");
        return EXIT_USAGE;
    }
    if (*spool) r->out.info.example_name = NULL; /* that of the spool */
    tas_model_set_budget(r->model, budget);
    predictions_begin(&r->out);
    status = predict_all(r);
    if (status) return cli_failed(&r->cli, status);
    if (form == FORM_JSON) print_json(r);
    return 0;
}

static int run(int argc, char **argv)
{
    session r = {0};
    cli_parse(&predict_command, argc, argv, &r.s);
    if (r.s.csv && r.s.json) cli_usage(&predict_command, "--csv and --json: expected only one of them");
    if (r.s.reading.missing == TAS_MISSING_DROP)
        cli_usage(&predict_command, "--missing drop: expected error or mean, as each example has its line of output");
    if (!cli_open(&r.cli, &predict_command)) return EXIT_FAILED;
    int result = ranks_begin(&r.ranks, &r.cli) ? open_files(&r) : EXIT_FAILED;
    if (!result) result = open_device(&r);
    if (!result) result = r.ranks.index ? ranks_serve(&r.ranks, r.device, NULL, 0) : predict(&r);
    predictions_close(&r.out);
    tas_model_close(&r.model);
    ranks_end(&r.ranks);
    tas_device_close(&r.device);
    tas_data_close(&r.data);
    tas_data_close(&r.rest);
    checkpoint_close(&r.of);
    remove_spool();
    cli_close(&r.cli);
    return result;
}

const cli_command predict_command = {
    .name = "predict",
    .summary = "apply a checkpoint to further examples",
    .description =
        "Prints what the network of a checkpoint predicts, one line per example: its number or its file, the most "
        "likely class and its probability, or the values in the units of the training data.\n\n"
        "The input is read as the training data were: a table has the same columns, with or without those of the "
        "targets. No row is left out, so --missing is error or mean. Predictions do not depend on the other examples, "
        "on the device or on --budget. Under MPI (mpirun, srun) each process predicts some of them: rank 0 reads "
        "INPUT and prints.",
    .arguments = {{.name = "CHECKPOINT",
                   .help = "a file that 'tassello train --save' wrote",
                   .complete = COMPLETE_FILE,
                   .offset = offsetof(settings, checkpoint)},
                  {.name = "INPUT",
                   .help = "examples in any format of DATA, also without targets: a table, an array, a picture or a "
                           "folder of them; -: stdin, a CSV table unless another format is recognized",
                   .complete = COMPLETE_FILE,
                   .offset = offsetof(settings, input)}},
    .options = options,
    .examples = {"tassello predict iris.safetensors new.csv --top 2",
                 "tassello predict lenet.safetensors photos/ --csv"},
    .run = run,
};
