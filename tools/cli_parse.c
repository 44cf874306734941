/* Reading a command line by a command's table. */
#include "cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_FIRST = 0x100 }; /* above all characters: but for -h, no option has a short form */

static int count_options(const cli_command *command)
{
    int count = 0;
    while (command->options[count].name) count++;
    return count;
}

/* ---------------------------------------------------------------------------------------------------------- values */

int cli_words(const cli_option *option, const char *words[WORDS_MOST])
{
    int count = 0;
    const char *word;
    for (int i = 0; i < 2 && option->instead[i]; i++) words[count++] = option->instead[i];
    for (int i = 0; option->word && (word = option->word(i)); i++) {
        if (count == WORDS_MOST - 1) abort();
        words[count++] = word;
    }
    words[count] = NULL;
    return count;
}

/* "--optimizer adan: expected sgd, adam or adamw; did you mean adam?" */
static _Noreturn void refuse_word(const cli_command *command, const cli_option *option, const char *text)
{
    const char *words[WORDS_MOST];
    char list[512];
    int used = 0;
    const int count = cli_words(option, words);
    for (int i = 0; i < count; i++)
        used += snprintf(list + used, sizeof list - (size_t)used, "%s%s",
                         i == 0           ? ""
                         : i == count - 1 ? " or "
                                          : ", ",
                         words[i]);
    const char *meant = tas_suggest(text, words);
    cli_usage(command, "--%s %s: expected %s%s%s%s", option->name, text, list, meant ? "; did you mean " : "",
              meant ? meant : "", meant ? "?" : "");
}

static bool in_range(const cli_option *option, double value)
{
    return value >= 0 && (option->below == 0 || value < (double)option->below);
}

static void set_float(const cli_command *command, const cli_option *option, const char *text, void *out)
{
    if (option->type == TYPE_F32 && cli_read_f32(text, out) && in_range(option, (double)*(float *)out)) return;
    if (option->type == TYPE_F64 && cli_read_f64(text, out) && in_range(option, *(double *)out)) return;
    if (option->below != 0)
        cli_usage(command, "--%s %s: expected a number from 0 to below %g", option->name, text, (double)option->below);
    cli_usage(command, "--%s %s: expected a finite number, 0 or more", option->name, text);
}

static void set_whole(const cli_command *command, const cli_option *option, const char *text, void *out)
{
    const char *const *words = option->instead;
    uint64_t value = 0;
    if (words[1] && !strcmp(text, words[1]))
        value = option->most + 1;
    else if (!(words[0] && !strcmp(text, words[0])) && !cli_read_u64(text, option->least, option->most, &value))
        cli_usage(command, "--%s %s: expected a whole number from %llu to %llu%s%s%s%s", option->name, text,
                  (unsigned long long)option->least, (unsigned long long)option->most, words[0] ? ", or " : "",
                  words[0] ? words[0] : "", words[1] ? " or " : "", words[1] ? words[1] : "");
    if (option->type == TYPE_U32)
        *(uint32_t *)out = (uint32_t)value;
    else
        *(uint64_t *)out = value;
}

static void set_word(const cli_command *command, const cli_option *option, const char *text, int *out)
{
    const char *word;
    for (int i = 0; (word = option->word(i)); i++)
        if (!strcmp(text, word)) {
            *out = i;
            return;
        }
    refuse_word(command, option, text);
}

void cli_set_option(const cli_command *command, const cli_option *option, const char *text, void *settings)
{
    void *out = (char *)settings + option->offset;
    switch (option->type) {
    case TYPE_FLAG: *(bool *)out = true; break;
    case TYPE_TEXT:
        if (!*text) cli_usage(command, "--%s: expected %s, not an empty text", option->name, option->metavar);
        *(const char **)out = text;
        break;
    case TYPE_U32:
    case TYPE_U64: set_whole(command, option, text, out); break;
    case TYPE_F32:
    case TYPE_F64: set_float(command, option, text, out); break;
    case TYPE_WORD: set_word(command, option, text, out); break;
    case TYPE_SIZE:
        if (!cli_read_size(text, out))
            cli_usage(command,
                      "--%s %s: expected bytes, such as 1000000, 64M or 1.5G, or a share from above 0%% to 100%%",
                      option->name, text);
        break;
    case TYPE_SHARE:
        if (!cli_read_share(text, out))
            cli_usage(command, "--%s %s: expected a whole number of examples, or a share above 0%% and below 100%%",
                      option->name, text);
        break;
    }
}

/* --------------------------------------------------------------------------------------------------- the whole line */

/* `given` is what stands on the command line: "--batchsize", "--learning-rate=1". A prefix of one option is accepted by
 * getopt_long(), so this is a prefix of several, or of none. */
static _Noreturn void refuse_option(const cli_command *command, const char *given)
{
    const char *names[OPTIONS_MOST + 2] = {NULL};
    char name[64], list[1024];
    int count = 0, used = 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(given + 2, "="), given + 2);
    for (const cli_option *o = command->options; o->name; o++)
        if (!strncmp(o->name, name, strlen(name)))
            used += snprintf(list + used, sizeof list - (size_t)used, "%s--%s", used ? ", " : "", o->name);
    if (used) cli_usage(command, "--%s could be any of: %s", name, list);
    for (const cli_option *o = command->options; o->name; o++) names[count++] = o->name;
    names[count] = "help";
    const char *meant = tas_suggest(name, names);
    cli_usage(command, "unknown option --%s%s%s%s", name, meant ? "; did you mean --" : "", meant ? meant : "",
              meant ? "?" : "");
}

static void add_argument(const cli_command *command, int *count, const char *text, char *settings)
{
    const cli_argument *argument = &command->arguments[*count];
    if (!argument->name) cli_usage(command, "unexpected argument %s", text);
    *(const char **)(void *)(settings + argument->offset) = text;
    ++*count;
}

static void check_arguments(const cli_command *command, int count)
{
    const cli_argument *next = &command->arguments[count];
    if (next->name && !next->optional) cli_usage(command, "%s is missing", next->name);
}

static int needs_value(const cli_option *option)
{
    return !option->metavar ? no_argument : option->alone ? optional_argument : required_argument;
}

void cli_parse_seen(const cli_command *command, int argc, char **argv, void *settings, cli_seen_fn seen, void *user)
{
    struct option rows[OPTIONS_MOST + 2] = {{0}};
    const int options = count_options(command);
    int key, arguments = 0;
    if (options > OPTIONS_MOST) abort();
    for (int i = 0; i < options; i++)
        rows[i] = (struct option){command->options[i].name, needs_value(&command->options[i]), NULL, KEY_FIRST + i};
    rows[options] = (struct option){"help", no_argument, NULL, 'h'};

    opterr = optind = 0; /* it may have been read before */
    while ((key = getopt_long(argc, argv, "-:h", rows, NULL)) != -1) {
        if (key >= KEY_FIRST) {
            const cli_option *option = &command->options[key - KEY_FIRST];
            const char *text = optarg ? optarg : option->alone;
            cli_set_option(command, option, text, settings);
            if (seen) seen(user, option, text);
        } else if (key == 1)
            add_argument(command, &arguments, optarg, settings);
        else if (key == 'h' || (key == '?' && optopt == '?')) {
            cli_help(command);
            cli_exit(0);
        } else if (key == ':')
            cli_usage(command, "--%s requires a value (%s)", command->options[optopt - KEY_FIRST].name,
                      command->options[optopt - KEY_FIRST].metavar);
        else if (optopt >= KEY_FIRST)
            cli_usage(command, "--%s takes no value", command->options[optopt - KEY_FIRST].name);
        else if (optopt == 'h')
            cli_usage(command, "--help takes no value");
        else if (optopt)
            cli_usage(command, "unknown option -%c", optopt);
        else
            refuse_option(command, argv[optind - 1]);
    }
    for (; optind < argc; optind++) add_argument(command, &arguments, argv[optind], settings);
    check_arguments(command, arguments);
}

void cli_parse(const cli_command *command, int argc, char **argv, void *settings)
{
    cli_parse_seen(command, argc, argv, settings, NULL, NULL);
}

void cli_usage(const cli_command *command, const char *format, ...)
{
    char message[MESSAGE_BYTES], text[MESSAGE_BYTES];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    fprintf(stderr, "tassello %s: %s\nTry 'tassello %s --help'.\n", command->name,
            tas_escape(message, text, sizeof text), command->name);
    exit(EXIT_USAGE);
}
