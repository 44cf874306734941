/* What the subcommands share: tables of options, from which parsing, --help, the manual and the completion are made; a
 * context whose notes go to stderr; messages; checks; JSON. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>
#include <tassello/tassello.h>

/* Exit statuses. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

enum { MESSAGE_BYTES = 8192 }; /* a path is at most 4096, and what is wrong with it stands behind it */

/* What the shell offers for a value. */
typedef enum cli_complete {
    COMPLETE_NOTHING = 0,
    COMPLETE_FILE,
    COMPLETE_FOLDER,
    COMPLETE_DEVICE,
    COMPLETE_NET
} cli_complete;

/* How a value is read, and the type at `offset` of the command's settings. */
typedef enum cli_type {
    TYPE_FLAG = 0, /* bool */
    TYPE_TEXT,     /* const char * */
    TYPE_U32,  /* uint32_t, least to most; 0 for the first word of `instead`, if there is one, least being above 0 */
    TYPE_U64,  /* uint64_t, the same; most + 1 for the second word */
    TYPE_F32,  /* float, 0 or more, below `below` */
    TYPE_F64,  /* double, the same */
    TYPE_WORD, /* int: the number that `word` gives this word for */
    TYPE_SIZE, /* cli_size */
    TYPE_SHARE /* cli_size: a number, in its bytes, or a share below 100 % */
} cli_type;

/* Memory: bytes, or a share of what a device has; all 0 if none is given. */
typedef struct cli_size {
    uint64_t bytes;
    double percent; /* 0: bytes are meant */
} cli_size;

/* In --help and the man page options stand in groups, in this order; within a group as in the table. */
typedef enum cli_group {
    GROUP_TARGET = 0,
    GROUP_DATA,
    GROUP_READING,
    GROUP_BATCH,
    GROUP_OPTIMIZER,
    GROUP_SCHEDULE,
    GROUP_OUTPUT,
    GROUP_DEVICE,
    GROUPS
} cli_group;

typedef struct cli_option {
    const char *name;    /* without its dashes; NULL ends the table */
    const char *metavar; /* NULL with TYPE_FLAG alone */
    const char *alone;   /* the value if it is given without one; a value then stands behind '='. NULL: it needs one */
    const char *help;
    cli_group group;
    cli_type type;
    cli_complete complete;
    const char *(*word)(int number); /* the words from number 0 on, then NULL */
    const char *instead[2];          /* words instead of a number: "auto" */
    uint64_t least, most;
    float below; /* 0: any finite number */
    size_t offset;
} cli_option;

/* Arguments come in order; those that may be left out come last. */
typedef struct cli_argument {
    const char *name; /* "NET"; NULL ends the table */
    const char *help;
    cli_complete complete;
    bool optional;
    size_t offset; /* of a const char * in the settings */
} cli_argument;

enum { ARGUMENTS_MOST = 4, EXAMPLES_MOST = 2, OPTIONS_MOST = 96, WORDS_MOST = 16 };

typedef struct cli_command {
    const char *name;
    const char *summary;     /* for the list of commands */
    const char *description; /* paragraphs, with an empty line between */
    cli_argument arguments[ARGUMENTS_MOST];
    const cli_option *options;
    const char *examples[EXAMPLES_MOST];
    int (*run)(int argc, char **argv); /* gives the exit status */
} cli_command;

extern const cli_command advise_command, bench_command, bisect_command, data_command, devices_command, eval_command,
    export_command, import_command, inspect_command, plan_command, predict_command, sweep_command, train_command,
    tune_command, verify_command;

/* Options and arguments of more than one command. */
/* clang-format off */
#define OPTION_DEVICE(where)                                                                                           \
    {.name = "device", .metavar = "ID", .group = GROUP_DEVICE, .type = TYPE_TEXT, .complete = COMPLETE_DEVICE,         \
     .offset = (where),                                                                                                \
     .help = "Use this device; 'tassello devices' lists them. Default: a GPU before a CPU, then the one with the "     \
             "most memory; the reference if there is no driver."}
#define OPTION_JSON(where)                                                                                             \
    {.name = "json", .group = GROUP_OUTPUT, .offset = (where),                                                         \
     .help = "Print one JSON object on one line, and nothing else, on stdout."}
#define OPTION_BUDGET(where)                                                                                           \
    {.name = "budget", .metavar = "SIZE", .group = GROUP_BATCH, .type = TYPE_SIZE, .offset = (where),                  \
     .help = "Device memory to use: bytes, a number with K, M or G (powers of 1024), or a share of the device's "      \
             "memory, such as 25%. Default: 60% for a discrete device, 50% for one that shares the host's memory. "    \
             "Results do not depend on it."}
#define OPTION_TILE(where)                                                                                             \
    {.name = "tile", .metavar = "N", .group = GROUP_BATCH, .type = TYPE_U32, .least = 1, .most = UINT32_MAX,           \
     .offset = (where),                                                                                                \
     .help = "Have at most N examples of a batch on the device at a time, but whole groups of 'batch_norm "            \
             "group'; for tests. Results do not depend on it."}
#define OPTION_SHARDS(where)                                                                                           \
    {.name = "shards", .metavar = "N", .group = GROUP_BATCH, .type = TYPE_U32, .least = 1, .most = TAS_SHARDS,         \
     .offset = (where),                                                                                                \
     .help = "Sum each batch in N equal parts, a power of two, and add their sums as a binary tree, so that several "  \
             "devices can share a batch (default 1). Results depend on it, but not on how many devices there are. "    \
             "Tiles have examples of one part alone."}
#define OPTION_KEEP_ON_HOST(where)                                                                                     \
    {.name = "keep-on-host", .group = GROUP_BATCH, .offset = (where),                                                  \
     .help = "Batch normalization in tiles only: keep the values that a later pass over the batch needs in the "       \
             "host's memory even if the device has room for them. Results do not depend on it."}
#define OPTIONS_ADVICE(batch_most_at, waste_at)                                                                        \
    {.name = "batch-most", .metavar = "N", .group = GROUP_TARGET, .type = TYPE_U32, .least = 1, .most = UINT32_MAX,    \
     .offset = (batch_most_at), .help = "Recommend no larger batch."},                                                 \
    {.name = "waste", .metavar = "X", .group = GROUP_TARGET, .type = TYPE_F64, .offset = (waste_at),                   \
     .help = "Recommend no batch that needs more than X times the fewest possible examples to reach the target."}
#define OPTION_REPORT(where)                                                                                           \
    {.name = "report", .metavar = "FILE", .group = GROUP_OUTPUT, .type = TYPE_TEXT, .complete = COMPLETE_FILE,         \
     .offset = (where), .help = "Write a report: one HTML file with plots. Requires gnuplot."}
#define OPTION_WIDE(where)                                                                                             \
    {.name = "wide", .group = GROUP_OUTPUT, .offset = (where),                                                         \
     .help = "Print all columns of the table; otherwise it fits into 80."}
#define OPTION_LOSS(where)                                                                                             \
    {.name = "loss", .metavar = "NAME", .group = GROUP_DATA, .type = TYPE_TEXT, .offset = (where),                     \
     .help = "ONNX models only: the loss, which they do not have: softmax, mse, bce, mae or huber. Default: softmax; " \
             "bce if the model ends in a sigmoid."}
#define ARGUMENT_NET(where)                                                                                            \
    {.name = "NET", .complete = COMPLETE_NET, .offset = (where),                                                       \
     .help = "file with a network's description (tassello-network(5)), - for stdin, the name of a network that "       \
             "ships, such as mlp, or an ONNX model (.onnx), of which only the network is used"}
#define ARGUMENT_DATA(where, or_not)                                                                                   \
    {.name = "DATA", .complete = COMPLETE_FILE, .optional = (or_not), .offset = (where),                               \
     .help = "file or folder of a data set; tassello(1) lists the formats, 'tassello data' shows what is understood"}
/* clang-format on */

/* Reads options and arguments into settings. A mistake is reported with a hint at --help and ends with status 2;
 * --help ends with 0. */
void cli_parse(const cli_command *command, int argc, char **argv, void *settings);

/* The same, which calls `seen` with each option and its text, NULL for a flag. It may be called again. */
typedef void (*cli_seen_fn)(void *user, const cli_option *option, const char *text);
void cli_parse_seen(const cli_command *command, int argc, char **argv, void *settings, cli_seen_fn seen, void *user);

/* Sets one option as if it stood on the command line. A text must stay valid. */
void cli_set_option(const cli_command *command, const cli_option *option, const char *text, void *settings);

/* The same end for a mistake that only the command itself can find. */
_Noreturn void cli_usage(const cli_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The words that an option takes, ended by NULL; gives their count. */
int cli_words(const cli_option *option, const char *words[WORDS_MOST]);

/* Prints a command's help on stdout. */
void cli_help(const cli_command *command);
const char *cli_group_name(cli_group group);

/* The group's next option after one (NULL: its first); NULL past the last. */
const cli_option *cli_next_option(const cli_command *command, cli_group group, const cli_option *after);

/* Columns of the terminal that a file descriptor is: as COLUMNS says, or the terminal itself; 80 if neither does. */
int cli_columns(int fd);

/* Whether a line can be written over there. */
bool cli_is_terminal(int fd);

/* What a command prints stands behind names of this width. */
enum { TEXT_COLUMN = 13 };

/* How wide text for people is on a stream: as the terminal, but not above 100, as longer lines are hard to read. */
int cli_text_width(FILE *stream);

/* Prints text from `column` on, breaking lines at spaces before `width` and beginning them at `indent`. */
void cli_print_wrapped(FILE *stream, const char *text, int column, int indent, int width);

/* Strict readers, in the C locale whatever the program's is: all of text, no spaces, no overflow. */
bool cli_read_u64(const char *text, uint64_t least, uint64_t most, uint64_t *out);
bool cli_read_f32(const char *text, float *out);
bool cli_read_f64(const char *text, double *out);
bool cli_read_size(const char *text, cli_size *out);   /* above 0; "1000000", "64M", "1.5G", "25%" */
bool cli_read_share(const char *text, cli_size *out);  /* above 0; "5000", "12.5%" */
bool cli_read_time(const char *text, double *seconds); /* above 0; "90s", "10m", "1.5h"; a bare number is seconds */

/* A command's own state: its context, whose notes go to stderr. */
typedef struct cli_state {
    const cli_command *command;
    tas_context *context;
    bool line_open;   /* an unfinished progress line is on the terminal, to be wiped before other text */
    tas_ranks *rank;  /* a rank other than 0, which prints nothing: its errors go there. Else NULL */
    double build_due; /* seconds of a build after which its progress is shown next */
} cli_state;
bool cli_open(cli_state *cli, const cli_command *command); /* reports a failure itself */
void cli_close(cli_state *cli);

/* Ends the program. Status 0 becomes 1 if stdout could not be written, which is reported. */
_Noreturn void cli_exit(int status);

/* The process will end without what exit() does, as a driver hangs. */
void cli_exit_at_once(void);

/* Ends the program with a message, where nothing is lost by it. */
_Noreturn void cli_no_memory(void);

/* Has a signal call handler, unless the parent had it ignored, as nohup and shells' scripts do. cli_catch_ends() does
 * so for those that ask a program to end: SIGINT, SIGTERM, SIGHUP. */
void cli_catch(int number, void (*handler)(int));
void cli_catch_ends(void (*handler)(int));

/* Seconds of a clock that never jumps. */
double cli_clock(void);

/* Wipes an unfinished progress line from the terminal. */
void cli_wipe_line(cli_state *cli);

/* Prints "tassello: note: ..." on stderr. */
void cli_note(cli_state *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints "tassello train: ..." on stderr. */
void cli_error(cli_state *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the text of the context's last error; gives the exit status that belongs to `status`. */
int cli_failed(cli_state *cli, tas_status status);

/* NET, as {.name = ...}: the name of a network that ships, a file, a pipe, or - for stdin. What can be read only once
 * is kept from the first call on, until cli_network_free(). */
typedef struct cli_net {
    const char *name, *loss; /* loss: of an ONNX model; NULL: its own, */
    bool weights;            /* whose weights are used as well */
    char *text;              /* of a stream or an ONNX model, else NULL, */
    const char *from;        /* and its name in errors */
} cli_net;

/* What NET needs of data, into a reading that is initialized; then the network for the data that were read, NULL if
 * there are none. 0, or the exit status after reporting what is wrong. */
int cli_network_expect(cli_state *cli, cli_net *net, tas_reading *reading);
int cli_network_open_for(cli_state *cli, cli_net *net, const tas_data *data, tas_network **out);
void cli_network_free(cli_net *net);

/* Refuses, as wrong usage, a loss (NULL: there is none) that is not one, or whose NET is not an ONNX model. */
void cli_check_loss(const cli_command *command, const char *loss, const char *net);

/* Ends the program if a batch cannot be cut in so many parts. */
void cli_check_shards(const cli_command *command, uint32_t shards);

/* A network without data, at once. */
int cli_network_open(cli_state *cli, const char *net, tas_network **out);

/* The bytes that a budget means on a device; 0 if none is given. False, after reporting it, if the budget is a share
 * and the driver does not report the device's memory. */
bool cli_budget(cli_state *cli, const cli_size *size, const tas_device_info *device, uint64_t *bytes);

/* Whether a network can be trained or tested on a split of a data set; reports why not. */
bool cli_check_fit(cli_state *cli, const tas_network *network, const char *net, const tas_data *data,
                   const char *folder, tas_split split);

/* The same for a batch and the split to train on. */
bool cli_check_batch(cli_state *cli, uint32_t batch, const tas_data *train, const char *folder);

/* Finds out before the work, not after it, whether a file that an option names can be written: beside it, as the
 * library will do it. */
bool cli_check_write(cli_state *cli, const char *option, const char *path);

/* The same for a file, a device or a pipe that is opened as it is, after the work has begun: it is not opened yet, so
 * that one there is left as it was if the work is refused. */
bool cli_check_stream(cli_state *cli, const char *option, const char *path);

/* Whether two names stand for one file, which need not exist yet: by folder and name. */
bool cli_is_one_file(const char *a, const char *b);

/* Refuses, as wrong usage, an output (NULL: there is none) that would replace the network, the file `data`, or a file
 * below the folder `data` that is none of Tassello's outputs. */
void cli_check_output(const cli_command *command, const char *option, const char *path, const char *net,
                      const char *data);

/* Whether path is the file that NET is read from, by any of its names or links. */
bool cli_network_is_file(const char *net, const char *path);

/* Whether NET is the file of a checkpoint. */
bool cli_network_is_checkpoint(const char *net);

/* Text of unknown origin - a driver's, a file's, a path - as it may be printed: tas_escape(). Valid until the fourth
 * call from here. */
const char *cli_shown(const char *text);

/* Prints a network's layers with their shapes, and its parameters, for people. */
void cli_print_network(const tas_network *network, const char *name);

/* The parameters of all layers; trained (may be NULL): without those of frozen ones. */
uint64_t cli_parameters(const tas_network *network, uint64_t *trained);

/* ", 650 of them trained"; "" if all are. */
enum { TRAINED_TEXT = 48 };
const char *cli_print_trained(uint64_t parameters, uint64_t trained, char text[TRAINED_TEXT]);

/* "peak memory  50.9 MiB (53326464 bytes) on the device" */
void cli_print_peak(const tas_device_info *device, uint64_t bytes, uint64_t host);

/* The last lines of train and eval: `test accuracy A loss L`, or `test loss L`; then `weights sha256 HEX`. */
void cli_print_score(const tas_score *score, const char *sha256);

/* Reports a test loss that is not finite; gives the exit status. */
int cli_check_score(cli_state *cli, const tas_score *score);

/* "512 B", "12.5 MiB" into text. */
enum { BYTES_TEXT = 32 };
const char *cli_bytes(uint64_t bytes, char text[BYTES_TEXT]);

/* "tile 64 of 512 (8 tiles), data set on the device", for train and plan. */
void cli_print_tiles(const tas_plan *plan, uint32_t batch);

/* JSON values: text with what is not UTF-8 replaced; a number, or null if it is not finite; a float by its shortest
 * decimal form; a budget, or null if there is no limit. */
json_t *cli_json_text(const char *text);
json_t *cli_json_real(double value);
json_t *cli_json_float(float value);
json_t *cli_json_budget(uint64_t bytes);

/* The bits of a value as 8 hexadecimal digits, so that a NaN keeps them; and the float that they are. */
json_t *cli_json_bits(uint32_t bits);
float cli_float_of(uint32_t bits);

/* A number with all its bits, which may be NaN or infinite, and back; false if that is none. */
json_t *cli_json_exact(double value);
bool cli_json_read_exact(const json_t *in, double *value);

/* A number for people, of so many significant digits: "0.02", "100", "1230"; with an exponent only below 1e-5 and from
 * 1e10 on. cli_float() gives as few digits as read as the same float. */
enum { FLOAT_TEXT = 32 };
const char *cli_figures(double value, int digits, char text[FLOAT_TEXT]);
const char *cli_float(float value, char text[FLOAT_TEXT]);

/* Prints value on one line and releases it. False, with errno, if the stream failed, or memory for the value. */
bool cli_json_print(json_t *value, FILE *stream);

/* The value as a text, which the caller frees; NULL without memory. */
char *cli_json_dump(const json_t *value, size_t flags);

/* Jansson leaves out of an object what it has no memory for. From watch() on, is_whole() gives whether it had memory
 * since it was asked last, and was_whole() whether it always had; without that cli_exit() reports it. */
void cli_json_watch(void);
bool cli_json_is_whole(void);
bool cli_json_was_whole(void);

/* manual.c: tassello(1) from the commands' tables, and tassello-network(5) from the layers'. completion.c: for bash.
 * `commands` ends with NULL. */
void manual_print(const cli_command *const *commands);
void manual_print_network(void);
void completion_print(const cli_command *const *commands);

#endif
