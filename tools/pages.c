/* tassello(1) and the completion for bash, from the same tables as --help. */
#include "cli.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------------ tassello(1) */

enum { ROFF_COLUMNS = 68 }; /* of text: escapes make a line longer, and mandoc's lint wants less than 80 */

/* Text for roff: dashes that can be copied, no escapes, no line that begins like a request; an empty line is a
 * paragraph. */
static void print_roff(const char *text)
{
    bool start = true;
    size_t column = 0;
    for (; *text; text++, column = start ? 0 : column + 1) {
        if (start && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        start = false;
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '`' || *text == '\'')
            fputs(*text == '`' ? "\\(oq" : "\\(cq", stdout);
        else if (text[0] == '\n' && text[1] == '\n') {
            fputs("\n.PP\n", stdout);
            text++;
            start = true;
        } else if (*text == ' ' && column + strcspn(text + 1, " \n") >= ROFF_COLUMNS) {
            putchar('\n');
            start = true;
        } else {
            putchar(*text);
            start = *text == '\n';
        }
    }
    putchar('\n');
}

static void print_option_name(const cli_option *o)
{
    printf("\\fB\\-\\-");
    for (const char *c = o->name; *c; c++) printf(*c == '-' ? "\\-" : "%c", *c);
    if (o->metavar)
        printf("\\fR \\fI%s\\fR", o->metavar);
    else
        printf("\\fR");
}

static void print_synopsis(const cli_command *command)
{
    printf(".B tassello %s\n", command->name);
    for (const cli_argument *a = command->arguments; a->name; a++)
        printf(a->optional ? "[\\fI%s\\fR]\n" : ".I %s\n", a->name);
    for (cli_group group = 0; group < GROUPS; group++)
        for (const cli_option *o = NULL; (o = cli_next_option(command, group, o));) {
            putchar('[');
            print_option_name(o);
            printf("]\n");
        }
    printf(".br\n");
}

static void print_command(const cli_command *command)
{
    printf(".SS tassello %s\n", command->name);
    print_roff(command->description);
    for (const cli_argument *a = command->arguments; a->name; a++) {
        printf(".TP\n.I %s\n", a->name);
        print_roff(a->help);
    }
    for (cli_group group = 0; group < GROUPS; group++) {
        if (cli_next_option(command, group, NULL)) printf(".PP\n%s:\n", cli_group_name(group));
        for (const cli_option *o = NULL; (o = cli_next_option(command, group, o));) {
            printf(".TP\n");
            print_option_name(o);
            putchar('\n');
            print_roff(o->help);
        }
    }
    printf(".PP\nExamples:\n.PP\n.nf\n");
    for (int i = 0; i < EXAMPLES_MOST && command->examples[i]; i++) print_roff(command->examples[i]);
    printf(".fi\n");
}

static const char man_end[] =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\ndone\n"
    ".TP\n.B 1\nfailed: a device, data, a file that cannot be written,\n"
    "a loss that is not finite, a difference found\n"
    ".TP\n.B 2\nwrong usage\n"
    ".TP\n.B 130\ninterrupted by SIGINT or SIGTERM; the second one quits at once\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B XDG_CACHE_HOME\nwhere built kernels, and what is known of devices, are kept (tassello/ below it)\n"
    ".TP\n.B OCL_ICD_VENDORS\nthe OpenCL loader's folder of drivers, or one driver\n"
    ".SH FILES\n"
    ".I DATA\nis a folder with four files, in the IDX format of MNIST, each plain or with .gz behind its name:\n"
    ".PP\n.nf\n"
    "train\\-images\\-idx3\\-ubyte    images to train on: count, height, width\n"
    "train\\-labels\\-idx1\\-ubyte    their classes, numbered from 0\n"
    "t10k\\-images\\-idx3\\-ubyte     images to test with\n"
    "t10k\\-labels\\-idx1\\-ubyte     their classes\n"
    ".fi\n"
    ".SH SEE ALSO\n.BR tassello\\-network (5)\n";

void print_man_page(const cli_command *const *commands)
{
    printf(".TH TASSELLO 1 \"" TASSELLO_DATE "\" \"Tassello %s\" \"User Commands\"\n", tas_version());
    printf(".SH NAME\ntassello \\- train neural networks on any OpenCL device,\nwith the same bits on each\n"
           ".SH SYNOPSIS\n");
    for (const cli_command *const *c = commands; *c; c++) print_synopsis(*c);
    printf(".B tassello \\-\\-help\n.br\n.B tassello \\-\\-version\n.SH DESCRIPTION\n"
           "The result of training is a function of the network, the data, the settings\nand the seed.\n"
           "It is not a function of the device, the driver or the memory:\nequal means equal bits.\n"
           "Results go to standard output, progress, notes and errors to standard error.\n.SH COMMANDS\n");
    for (const cli_command *const *c = commands; *c; c++) print_command(*c);
    fputs(man_end, stdout);
}

/* -------------------------------------------------------------------------------------------------- bash completion */

static const char *completion_action(cli_complete complete)
{
    switch (complete) {
    case COMPLETE_FILE: return "_tassello_files -f";
    case COMPLETE_FOLDER: return "_tassello_files -d";
    case COMPLETE_DEVICE: return "_tassello_words \"$(_tassello_devices)\"";
    case COMPLETE_NET: return "_tassello_words \"$_tassello_nets\"; _tassello_files -f";
    case COMPLETE_NOTHING: break;
    }
    return ":";
}

static void print_words(const char *const *words)
{
    printf("_tassello_words '");
    for (int i = 0; words[i]; i++) printf("%s%s", i ? " " : "", words[i]);
    printf("' ;;\n");
}

static void print_values(const cli_command *command)
{
    for (const cli_option *o = command->options; o->name; o++) {
        const char *words[WORDS_MOST];
        if (!o->metavar) continue;
        printf("        '%s --%s') ", command->name, o->name);
        if (cli_words(o, words) == 0)
            printf("%s ;;\n", completion_action(o->complete));
        else
            print_words(words);
    }
}

static void print_options_and_arguments(const cli_command *command)
{
    printf("    %s)\n        flags='--help", command->name);
    for (const cli_option *o = command->options; o->name; o++) printf(" --%s", o->name);
    printf("'\n        takes='");
    for (const cli_option *o = command->options; o->name; o++)
        if (o->metavar) printf(" --%s ", o->name);
    printf("'\n        ;;\n");
}

static const char completion_head[] =
    "_tassello_words() { mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
    "_tassello_files() {\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen \"$1\" -- \"$cur\")\n"
    "}\n"
    "_tassello_devices() {\n"
    "    \"${COMP_WORDS[0]}\" devices --json 2>/dev/null | grep -o '\"id\":\"[^\"]*\"' | cut -d '\"' -f 4\n"
    "}\n\n"
    "_tassello() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local command=${COMP_WORDS[1]} flags='' takes='' place=1 i\n"
    "    COMPREPLY=()\n"
    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
    "        _tassello_words \"$_tassello_commands help --help --version\"\n"
    "        return\n"
    "    fi\n"
    "    if [ \"$command\" = help ]; then\n"
    "        _tassello_words \"$_tassello_commands\"\n"
    "        return\n"
    "    fi\n"
    "    case $command in\n";

/* The place of the argument under the cursor is counted over words that are neither options nor their values. */
static const char completion_middle[] = "    *) return ;;\n"
                                        "    esac\n"
                                        "    if [[ $takes == *\" $previous \"* ]]; then\n"
                                        "        case \"$command $previous\" in\n";

static const char completion_arguments[] = "        esac\n"
                                           "        return\n"
                                           "    fi\n"
                                           "    if [[ $cur == -* ]]; then\n"
                                           "        _tassello_words \"$flags\"\n"
                                           "        return\n"
                                           "    fi\n"
                                           "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
                                           "        if [[ $takes == *\" ${COMP_WORDS[i]} \"* ]]; then\n"
                                           "            ((++i))\n"
                                           "        elif [[ ${COMP_WORDS[i]} != -* ]]; then\n"
                                           "            ((++place))\n"
                                           "        fi\n"
                                           "    done\n"
                                           "    case \"$command $place\" in\n";

void print_bash_completion(const cli_command *const *commands)
{
    const char *net;
    printf("# Completion of tassello for bash; made by `tassello --bash-completion`. -*- shell-script -*-\n");
    printf("# shellcheck shell=bash\n_tassello_commands='");
    for (const cli_command *const *c = commands; *c; c++) printf("%s%s", c == commands ? "" : " ", (*c)->name);
    printf("'\n_tassello_nets='");
    for (size_t i = 0; (net = tas_network_shipped(i)); i++) printf("%s%s", i ? " " : "", net);
    printf("'\n\n");
    fputs(completion_head, stdout);
    for (const cli_command *const *c = commands; *c; c++) print_options_and_arguments(*c);
    fputs(completion_middle, stdout);
    for (const cli_command *const *c = commands; *c; c++) print_values(*c);
    fputs(completion_arguments, stdout);
    for (const cli_command *const *c = commands; *c; c++)
        for (int i = 0; (*c)->arguments[i].name; i++)
            printf("    '%s %d') %s ;;\n", (*c)->name, i + 1, completion_action((*c)->arguments[i].complete));
    printf("    *) _tassello_words \"$flags\" ;;\n    esac\n}\n\ncomplete -F _tassello tassello\n");
}
