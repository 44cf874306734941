/* The completion for bash, from the tables of options. */
#include "cli.h"

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
        if (!o->metavar || o->alone) continue;
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
        if (o->metavar && !o->alone) printf(" --%s ", o->name);
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

void completion_print(const cli_command *const *commands)
{
    const char *net;
    printf("# Completion of tassello for bash; made by 'tassello --bash-completion'. -*- shell-script -*-\n");
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
