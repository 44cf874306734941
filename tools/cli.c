/* Reading options by the commands' tables; messages; JSON. */
#include "cli.h"

#include <argp.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tassello/tassello.h>

enum { KEY_FIRST = 0x100, OPTIONS_MOST = 64 }; /* keys above all characters: no option has a short form */

typedef struct parse_state {
    const cli_command *command;
    char *settings;
} parse_state;

/* The C locale, for numbers. Made once and kept to the end, as the program itself never changes it. */
static locale_t c_locale(void)
{
    static locale_t locale;
    if (!locale) locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return locale;
}

bool cli_read_u64(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9') return false; /* strtoull() takes spaces and a minus */
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || value < least || value > most) return false;
    *out = value;
    return true;
}

/* What strtod() takes beyond a decimal number. */
static bool is_decimal(const char *text)
{
    return strchr("0123456789.+-", *text) && !strchr(text, 'x') && !strchr(text, 'X');
}

bool cli_read_f32(const char *text, float *out)
{
    char *end;
    if (!is_decimal(text)) return false;
    errno = 0;
    float value = strtof_l(text, &end, c_locale());
    if (errno || end == text || *end || !isfinite(value)) return false;
    *out = value;
    return true;
}

bool cli_read_f64(const char *text, double *out)
{
    char *end;
    if (!is_decimal(text)) return false;
    errno = 0;
    double value = strtod_l(text, &end, c_locale());
    if (errno || end == text || *end || !isfinite(value)) return false;
    *out = value;
    return true;
}

bool cli_read_size(const char *text, cli_size *out)
{
    static const char units[] = "KMG";
    const size_t digits = strspn(text, "0123456789.");
    const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;
    char *end;
    *out = (cli_size){0};
    if (!text[digits]) return cli_read_u64(text, 1, INT64_MAX, &out->bytes);
    const double value = strtod_l(text, &end, c_locale());
    if (end != text + digits || end == text || end[1]) return false;
    if (*end == '%') {
        out->percent = value;
        return value > 0 && value <= 100;
    }
    if (!unit) return false;
    const double bytes = value * (double)(UINT64_C(1) << 10 * (unit - units + 1));
    if (!(bytes >= 1 && bytes < 0x1p63)) return false;
    out->bytes = (uint64_t)bytes;
    return true;
}

bool cli_read_share(const char *text, cli_size *out)
{
    const size_t digits = strspn(text, "0123456789");
    return (!text[digits] || strchr(text, '%')) && cli_read_size(text, out) && out->bytes <= UINT32_MAX &&
           out->percent < 100;
}

/* The place of text among words, which are separated by spaces; -1 where it is none of them. */
static int find_word(const char *words, const char *text)
{
    size_t length = strlen(text);
    for (int place = 0;; place++) {
        size_t span = strcspn(words, " ");
        if (length && span == length && !memcmp(words, text, span)) return place;
        if (!words[span]) return -1;
        words += span + 1;
    }
}

static bool in_range(const cli_option *option, double value)
{
    return value >= 0 && (option->below == 0 || value < (double)option->below);
}

static void set_float(struct argp_state *state, const cli_option *option, const char *text, void *out)
{
    if (option->type == TYPE_F32 && cli_read_f32(text, out) && in_range(option, (double)*(float *)out)) return;
    if (option->type == TYPE_F64 && cli_read_f64(text, out) && in_range(option, *(double *)out)) return;
    if (option->below != 0)
        argp_error(state, "--%s %s: expected a number from 0 to below %g", option->name, text, (double)option->below);
    else
        argp_error(state, "--%s %s: expected a finite number, 0 or more", option->name, text);
}

static void set_option(struct argp_state *state, const cli_option *option, const char *text, char *settings)
{
    void *where = settings + option->offset;
    uint64_t whole = 0;
    switch (option->type) {
    case TYPE_FLAG: *(bool *)where = true; break;
    case TYPE_TEXT:
        if (!*text) argp_error(state, "--%s: expected %s, not an empty text", option->name, option->metavar);
        *(const char **)where = text;
        break;
    case TYPE_U32:
    case TYPE_U64:
        if (!(option->words && !strcmp(text, option->words)) &&
            !cli_read_u64(text, option->least, option->most, &whole))
            argp_error(state, "--%s %s: expected a whole number from %llu to %llu%s%s", option->name, text,
                       (unsigned long long)option->least, (unsigned long long)option->most,
                       option->words ? ", or " : "", option->words ? option->words : "");
        if (option->type == TYPE_U32)
            *(uint32_t *)where = (uint32_t)whole;
        else
            *(uint64_t *)where = whole;
        break;
    case TYPE_F32:
    case TYPE_F64: set_float(state, option, text, where); break;
    case TYPE_WORD:
        *(int *)where = find_word(option->words, text);
        if (*(int *)where < 0) argp_error(state, "--%s %s: expected one of: %s", option->name, text, option->words);
        break;
    case TYPE_SIZE:
        if (!cli_read_size(text, where))
            argp_error(state, "--%s %s: expected bytes, such as 1000000, 64M or 1.5G, or a share above 0%% to 100%%",
                       option->name, text);
        break;
    case TYPE_SHARE:
        if (!cli_read_share(text, where))
            argp_error(state, "--%s %s: expected a whole number of examples, or a share above 0%% and below 100%%",
                       option->name, text);
        break;
    }
}

static error_t parse_one(int key, char *text, struct argp_state *state)
{
    const parse_state *parse = state->input;
    const cli_argument *arguments = parse->command->arguments;
    if (key >= KEY_FIRST && key < KEY_FIRST + OPTIONS_MOST) {
        set_option(state, &parse->command->options[key - KEY_FIRST], text, parse->settings);
        return 0;
    }
    switch (key) {
    case ARGP_KEY_ARG:
        if (!arguments[state->arg_num].name) argp_error(state, "%s: one argument too many", text);
        *(const char **)(void *)(parse->settings + arguments[state->arg_num].offset) = text;
        return 0;
    case ARGP_KEY_END:
        if (arguments[state->arg_num].name && !arguments[state->arg_num].optional)
            argp_error(state, "%s is missing", arguments[state->arg_num].name);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* "NET [DATA]", and the text above the options: the description, then a line an argument. */
static void describe_arguments(const cli_command *command, FILE *names, FILE *text)
{
    fputs(command->description, text);
    for (const cli_argument *a = command->arguments; a->name; a++) {
        fprintf(names, a->optional ? "%s[%s]" : "%s%s", a == command->arguments ? "" : " ", a->name);
        fprintf(text, "%s%s: %s", a == command->arguments ? "\n\n" : "\n", a->name, a->help);
    }
}

void cli_parse(const cli_command *command, int argc, char **argv, void *settings)
{
    struct argp_option rows[OPTIONS_MOST + 1] = {{0}};
    char program[64], *names = NULL, *text = NULL;
    size_t size;
    parse_state parse = {command, settings};

    for (int i = 0; command->options[i].name; i++) {
        if (i == OPTIONS_MOST) abort();
        const cli_option *o = &command->options[i];
        rows[i] = (struct argp_option){.name = o->name, .key = KEY_FIRST + i, .arg = o->metavar, .doc = o->help};
    }
    FILE *names_stream = open_memstream(&names, &size), *text_stream = open_memstream(&text, &size);
    if (!names_stream || !text_stream) abort();
    describe_arguments(command, names_stream, text_stream);
    fclose(names_stream);
    fclose(text_stream);

    snprintf(program, sizeof program, "tassello %s", command->name);
    argv[0] = program;
    argp_err_exit_status = EXIT_USAGE;
    const struct argp argp = {.options = rows, .parser = parse_one, .args_doc = names, .doc = text};
    error_t error = argp_parse(&argp, argc, argv, 0, NULL, &parse);
    argv[0] = (char *)command->name;
    free(names);
    free(text);
    if (error) {
        fprintf(stderr, "tassello %s: %s\n", command->name, strerror(error));
        exit(EXIT_USAGE);
    }
}

void cli_usage(const cli_command *command, const char *format, ...)
{
    va_list list;
    fprintf(stderr, "tassello %s: ", command->name);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\nTry `tassello %s --help' for more information.\n", command->name);
    exit(EXIT_USAGE);
}

/* ----------------------------------------------------------------------------------------------- context, messages */

static void wipe_line(cli_state *cli)
{
    if (cli->line_open) fputs("\r\033[K", stderr);
    cli->line_open = false;
}

static void print_note(void *user, const char *line)
{
    wipe_line(user);
    fprintf(stderr, "tassello: note: %s\n", line);
}

bool cli_open(cli_state *cli, const cli_command *command)
{
    *cli = (cli_state){.command = command};
    if (tas_context_open(&cli->context)) {
        cli_error(cli, "no memory");
        return false;
    }
    tas_set_log(cli->context, print_note, cli);
    return true;
}

void cli_catch(void (*handler)(int))
{
    static const int numbers[] = {SIGINT, SIGTERM};
    struct sigaction now, action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < 2; i++) sigaddset(&action.sa_mask, numbers[i]);
    for (int i = 0; i < 2; i++)
        if (!sigaction(numbers[i], NULL, &now) && now.sa_handler != SIG_IGN) sigaction(numbers[i], &action, NULL);
}

void cli_close(cli_state *cli) { tas_context_close(&cli->context); }

void cli_error(cli_state *cli, const char *format, ...)
{
    va_list list;
    wipe_line(cli);
    fprintf(stderr, "tassello %s: ", cli->command->name);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

int cli_failed(cli_state *cli, tas_status status)
{
    const char *text = tas_error(cli->context);
    cli_error(cli, "%s", *text ? text : tas_status_name(status));
    return status == TAS_BAD_ARGUMENT ? EXIT_USAGE : EXIT_FAILED;
}

bool cli_budget(cli_state *cli, const cli_size *size, const tas_device_info *device, uint64_t *bytes)
{
    *bytes = size->bytes;
    if (size->percent == 0) return true;
    if (!device->global_bytes) {
        cli_error(cli, "--budget %g%%: %s does not tell how much memory it has; expected bytes", size->percent,
                  device->id);
        return false;
    }
    *bytes = (uint64_t)((double)device->global_bytes * size->percent / 100);
    if (!*bytes) *bytes = 1; /* 0 would mean none given */
    return true;
}

/* Found here, and not by the library after kernels were built, or after training. */
bool cli_check_fit(cli_state *cli, const tas_network *network, const char *net, const tas_data *data,
                   const char *folder, const char *split)
{
    const size_t inputs = tas_network_inputs(network), outputs = tas_network_outputs(network);
    if (tas_data_input_size(data) != inputs)
        cli_error(cli, "%s: takes %zu values an example, but %s (%s) has %zu", net, inputs, folder, split,
                  tas_data_input_size(data));
    else if (tas_data_classes(data) > outputs)
        cli_error(cli, "%s: has %zu outputs, but %s (%s) has %u classes", net, outputs, folder, split,
                  tas_data_classes(data));
    else
        return true;
    return false;
}

bool cli_check_batch(cli_state *cli, uint32_t batch, const tas_data *train, const char *folder)
{
    const uint64_t examples = tas_data_count(train);
    if (batch <= examples) return true;
    cli_error(cli, "--batch %u: expected no more than the %llu examples of %s (train)", batch,
              (unsigned long long)examples, folder);
    return false;
}

bool cli_check_write(cli_state *cli, const char *option, const char *path)
{
    const tas_status status = tas_file_check(cli->context, path);
    if (status) cli_error(cli, "--%s %s", option, tas_error(cli->context));
    return !status;
}

bool cli_is_network(const char *net, const char *path)
{
    struct stat its, other;
    const char *name;
    for (size_t i = 0; (name = tas_network_shipped(i)); i++)
        if (!strcmp(name, net)) return false;
    return path && !stat(net, &its) && !stat(path, &other) && its.st_dev == other.st_dev && its.st_ino == other.st_ino;
}

/* -------------------------------------------------------------------------------------------------- what is printed */

uint64_t cli_parameters(const tas_network *network)
{
    uint64_t sum = 0;
    const tas_tensor_info *tensor;
    for (size_t i = 0; (tensor = tas_network_tensor(network, i)); i++) sum += tensor->elements;
    return sum;
}

void cli_print_network(const tas_network *network, const char *name)
{
    const char *line;
    printf("network      %s\n", name);
    for (size_t i = 0; (line = tas_network_layer(network, i)); i++) printf("             %s\n", line);
    printf("parameters   %llu\n", (unsigned long long)cli_parameters(network));
}

void cli_print_peak(uint64_t bytes)
{
    char text[BYTES_TEXT];
    printf("peak memory  %s (%llu bytes) on the device\n", cli_bytes(bytes, text), (unsigned long long)bytes);
}

void cli_print_score(const tas_score *score, const char *sha256)
{
    if (score->accuracy >= 0)
        printf("test accuracy %.4f loss %.4f\n", score->accuracy, score->loss);
    else
        printf("test loss %.4f\n", score->loss);
    printf("weights sha256 %s\n", sha256);
}

int cli_check_score(cli_state *cli, const tas_score *score)
{
    if (isfinite(score->loss)) return 0;
    cli_error(cli, "the test loss is not finite: the weights are too large; a smaller learning rate may help");
    return EXIT_FAILED;
}

const char *cli_bytes(uint64_t bytes, char text[BYTES_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024; unit++) value /= 1024;
    bool whole = value == (double)(uint64_t)value;
    snprintf(text, BYTES_TEXT, "%.*f %s", whole ? 0 : 1, value, units[unit]);
    return text;
}

void cli_print_tiles(const tas_plan *plan, uint32_t batch)
{
    printf("tile %u of %u (%u tile%s), data set %s", plan->tile, batch, plan->tiles, plan->tiles == 1 ? "" : "s",
           plan->resident ? "on the device" : "streamed");
}

const char *cli_tier_name(tas_tier tier)
{
    static const char *const names[] = {
        [TAS_TIER_UNTESTED] = "not tested yet",
        [TAS_TIER_EXACT] = "exact",
        [TAS_TIER_TOLERANCE] = "tolerance",
        [TAS_TIER_REFUSED] = "refused",
    };
    return names[tier];
}

const char *cli_type_name(tas_device_type type)
{
    static const char *const names[] = {
        [TAS_TYPE_REFERENCE] = "reference",
        [TAS_TYPE_CPU] = "CPU",
        [TAS_TYPE_GPU] = "GPU",
        [TAS_TYPE_OTHER] = "other",
        [TAS_TYPE_NONE] = "none",
    };
    return names[type];
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

json_t *cli_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value) return value;
    char *copy = strdup(text);
    if (!copy) return json_null();
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    value = json_string(copy);
    free(copy);
    return value ? value : json_null();
}

json_t *cli_json_real(double value) { return isfinite(value) ? json_real(value) : json_null(); }

const char *cli_float(float value, char text[FLOAT_TEXT])
{
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, FLOAT_TEXT, "%.*g", digits, (double)value);
        if (strtof_l(text, NULL, c_locale()) == value) break;
    }
    return text;
}

json_t *cli_json_float(float value)
{
    char text[FLOAT_TEXT];
    return isfinite(value) ? json_real(strtod_l(cli_float(value, text), NULL, c_locale())) : json_null();
}

json_t *cli_json_budget(uint64_t bytes) { return bytes < UINT64_MAX ? json_integer((json_int_t)bytes) : json_null(); }

bool cli_json_print(json_t *value, FILE *stream)
{
    bool done = !json_dumpf(value, stream, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(value);
    done &= fputc('\n', stream) != EOF;
    return done;
}
