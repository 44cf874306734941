/* What the subcommands share: one table of options from which parsing, --help, the man page and the completion come;
 * opening a context with its log; messages; JSON. */
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
    TYPE_U32,      /* uint32_t, least to most */
    TYPE_U64,      /* uint64_t, least to most */
    TYPE_F32,      /* float, 0 or more, below `below` */
    TYPE_WORD      /* int, the word's place in `words` */
} cli_type;

typedef struct cli_option {
    const char *name;    /* without its dashes; NULL ends the table */
    const char *metavar; /* NULL with TYPE_FLAG alone */
    const char *help;
    cli_type type;
    cli_complete complete;
    const char *words; /* of TYPE_WORD, with a space between */
    uint64_t least, most;
    float below; /* 0: any finite number */
    size_t offset;
} cli_option;

/* Arguments are required, and come in order. */
typedef struct cli_argument {
    const char *name; /* "NET"; NULL ends the table */
    const char *help;
    cli_complete complete;
    size_t offset; /* of a const char * in the settings */
} cli_argument;

enum { ARGUMENTS_MOST = 4 };

typedef struct cli_command {
    const char *name;
    const char *summary;     /* for the list of commands */
    const char *description; /* paragraphs, with an empty line between */
    cli_argument arguments[ARGUMENTS_MOST];
    const cli_option *options;
    int (*run)(int argc, char **argv); /* gives the exit status */
} cli_command;

extern const cli_command devices_command, eval_command, train_command, verify_command;

/* --help, and the same settings, for each command that opens a device or prints JSON. */
#define OPTION_DEVICE(where)                                                                                           \
    {                                                                                                                  \
        .name = "device", .metavar = "ID", .type = TYPE_TEXT, .complete = COMPLETE_DEVICE, .offset = (where),          \
        .help = "Use this device, as `tassello devices' lists them. Without it: a GPU before a CPU, then the most "    \
                "memory; "                                                                                             \
                "the reference where there is no driver."                                                              \
    }
#define OPTION_JSON(where)                                                                                             \
    {                                                                                                                  \
        .name = "json", .offset = (where), .help = "Print one JSON object on one line, and nothing else, on stdout."   \
    }

/* Reads options and arguments into settings. A mistake is reported with a hint at --help and ends with status 2;
 * --help ends with 0. */
void cli_parse(const cli_command *command, int argc, char **argv, void *settings);

/* The same end for what only the command itself can tell. */
_Noreturn void cli_usage(const cli_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Strict readers, in the C locale whatever the program's is: all of text, no spaces, no overflow. */
bool cli_read_u64(const char *text, uint64_t least, uint64_t most, uint64_t *out);
bool cli_read_f32(const char *text, float *out);

/* A command's own state: its context, whose notes go to stderr. */
typedef struct cli_state {
    const cli_command *command;
    tas_context *context;
    bool line_open; /* an unfinished progress line is on the terminal, to be wiped before other text */
} cli_state;
bool cli_open(cli_state *cli, const cli_command *command); /* reports a failure itself */
void cli_close(cli_state *cli);

/* Has SIGINT and SIGTERM call handler, except where the parent had them ignored, as nohup and shells' scripts do. */
void cli_catch(void (*handler)(int));

/* Prints `tassello train: ...` on stderr. */
void cli_error(cli_state *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the text of the context's last error; gives the exit status that belongs to `status`. */
int cli_failed(cli_state *cli, tas_status status);

/* Prints a network's layers with their shapes, and its parameters, for people. */
void cli_print_network(const tas_network *network, const char *name);
uint64_t cli_parameters(const tas_network *network);

/* The last lines of train and eval: `test accuracy A loss L`, or `test loss L`; then `weights sha256 HEX`. */
void cli_print_score(const tas_score *score, const char *sha256);

/* Says so where the test loss is not finite; gives the exit status. */
int cli_check_score(cli_state *cli, const tas_score *score);

/* "512 B", "12.5 MiB" into text. */
enum { BYTES_TEXT = 32 };
const char *cli_bytes(uint64_t bytes, char text[BYTES_TEXT]);

const char *cli_tier_name(tas_tier tier);
const char *cli_type_name(tas_device_type type);

/* JSON values: text with what is not UTF-8 replaced; numbers, null where they are not finite; a float by its shortest
 * decimal form. */
json_t *cli_json_text(const char *text);
json_t *cli_json_real(double value);
json_t *cli_json_float(float value);

/* Prints value on one line and releases it. False where the stream failed. */
bool cli_json_print(json_t *value, FILE *stream);

/* pages.c: tassello(1) and the completion for bash, from the tables. `commands` ends with NULL. */
void print_man_page(const cli_command *const *commands);
void print_bash_completion(const cli_command *const *commands);

#endif
