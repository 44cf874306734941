/* --help: a command's table for people, as wide as the terminal. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Options begin at column 2 and their texts at HELP_COLUMN; on a terminal narrower than NARROW the texts stand below.
 */
enum { HELP_COLUMN = 25, TEXT_BELOW = 6, NARROW = 60, WIDEST = 100 };

bool cli_is_terminal(int fd)
{
    const char *terminal = getenv("TERM");
    return isatty(fd) && terminal && strcmp(terminal, "dumb") != 0;
}

int cli_columns(int fd)
{
    const char *given = getenv("COLUMNS");
    struct winsize size;
    uint64_t columns;
    if (given && cli_read_u64(given, 1, 10000, &columns)) return (int)columns;
    return !ioctl(fd, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
}

int cli_text_width(FILE *stream)
{
    const int columns = cli_columns(fileno(stream));
    return columns > WIDEST ? WIDEST : columns;
}

void cli_print_wrapped(FILE *stream, const char *text, int column, int indent, int width)
{
    bool start = true; /* of a line */
    for (size_t length; *text; text += length) {
        length = strcspn(text, " \n");
        if (!start && column + 1 + (int)length >= width) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
            start = true;
        }
        if (length) column += fprintf(stream, "%s%.*s", start ? "" : " ", (int)length, text);
        start = start && !length;
        text += length;
        length = strspn(text, " ");
        if (text[length] != '\n') continue;
        for (; text[length] == '\n'; length++) fputc('\n', stream); /* a line break, or a paragraph's end */
        fprintf(stream, "%*s", indent, "");
        column = indent;
        start = true;
    }
    fputc('\n', stream);
}

/* A row: its name at column 2, then its text. */
static void print_row(const char *name, const char *metavar, const char *text, int width)
{
    const int indent = width < NARROW ? TEXT_BELOW : HELP_COLUMN;
    int column = printf("  %s%s%s", name, metavar ? "=" : "", metavar ? metavar : "");
    if (column + 2 > indent || width < NARROW) {
        putchar('\n');
        column = 0;
    }
    column += printf("%*s", indent - column, "");
    cli_print_wrapped(stdout, text, column, indent, width);
}

const char *cli_group_name(cli_group group)
{
    static const char *const names[] = {
        [GROUP_TARGET] = "Target and recommendation",
        [GROUP_DATA] = "Data and length",
        [GROUP_READING] = "Reading DATA",
        [GROUP_BATCH] = "Batch and memory",
        [GROUP_OPTIMIZER] = "Optimizer",
        [GROUP_SCHEDULE] = "Learning rate schedule",
        [GROUP_OUTPUT] = "Output",
        [GROUP_DEVICE] = "Device",
    };
    return names[group];
}

const cli_option *cli_next_option(const cli_command *command, cli_group group, const cli_option *after)
{
    for (const cli_option *o = after ? after + 1 : command->options; o->name; o++)
        if (o->group == group) return o;
    return NULL;
}

static void print_options(const cli_command *command, int width)
{
    for (cli_group group = 0; group < GROUPS; group++) {
        const cli_option *o = cli_next_option(command, group, NULL);
        if (o) printf("\n%s:\n", cli_group_name(group));
        for (; o; o = cli_next_option(command, group, o)) {
            char name[64];
            snprintf(name, sizeof name, o->alone ? "--%s[=%s]" : "--%s", o->name, o->metavar);
            print_row(name, o->alone ? NULL : o->metavar, o->help, width);
        }
    }
}

void cli_help(const cli_command *command)
{
    const int width = cli_text_width(stdout);
    printf("Usage: tassello %s [OPTION]...", command->name);
    for (const cli_argument *a = command->arguments; a->name; a++) printf(a->optional ? " [%s]" : " %s", a->name);
    printf("\n\n");
    cli_print_wrapped(stdout, command->description, 0, 0, width);
    if (command->arguments->name) putchar('\n');
    for (const cli_argument *a = command->arguments; a->name; a++) print_row(a->name, NULL, a->help, width);
    print_options(command, width);
    printf("\nExamples:\n");
    for (int i = 0; i < EXAMPLES_MOST && command->examples[i]; i++) printf("  %s\n", command->examples[i]);
}
