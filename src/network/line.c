/* One line of a network's text. */
#include "network/line.h"

#include "arith.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

tas_status line_fail(const text_line *line, const char *format, ...)
{
    char what[512];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    return fail(line->context, TAS_BAD_NETWORK, "%s:%d: %s", line->from, line->number, what);
}

void line_usage(const char *name, const line_argument *arguments, char out[LINE_USAGE])
{
    int used = snprintf(out, LINE_USAGE, "%s", name);
    for (const line_argument *a = arguments; a && a->usage && used < LINE_USAGE; a++)
        used += snprintf(out + used, (size_t)(LINE_USAGE - used), a->optional ? " [%s]" : " %s", a->usage);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* A whole number at *at, which moves behind it; 0 if there is none or it is too large. */
static bool read_whole(const char **at, uint32_t *out)
{
    char *end = NULL;
    errno = 0;
    if (**at < '0' || **at > '9') return false;
    const unsigned long long value = strtoull(*at, &end, 10);
    if (errno || value > UINT32_MAX) return false;
    *out = (uint32_t)value;
    *at = end;
    return true;
}

/* Whole numbers with x between them, each from least to most: how many; 0 if the word is anything else. */
static int read_product(const char *word, int count_most, const line_argument *a, uint32_t *out)
{
    for (int count = 0; count < count_most; word++) {
        if (!read_whole(&word, &out[count]) || out[count] < a->least || out[count] > a->most) return 0;
        count++;
        if (!*word) return count;
        if (*word != 'x') return 0;
    }
    return 0;
}

static bool read_sizes(const char *word, const line_argument *a, uint32_t out[2])
{
    const int count = read_product(word, 2, a, out);
    if (count == 1) out[1] = out[0];
    return count > 0;
}

/* Two numbers are a plane, as everywhere else. */
static bool read_shape(const char *word, const line_argument *a, uint32_t out[3])
{
    uint32_t size[3];
    const int count = read_product(word, 3, a, size);
    if (!count) return false;
    out[0] = count == 2 ? 1 : size[0];
    out[1] = count == 1 ? 0 : size[count - 2];
    out[2] = count == 1 ? 0 : size[count - 1];
    return true;
}

/* A number that ends with `stop`, behind which *at moves. */
static bool read_number(const char **at, char stop, const line_argument *a, float *out)
{
    char *end;
    const float value = strtof(*at, &end);
    if (end == *at || *end != stop || !(value >= (float)a->least && value <= (float)a->most)) return false;
    *out = arith_flush(value);
    *at = end + 1;
    return true;
}

/* The place of the word among those that the usage has, with | between them. */
static bool read_choice(const char *word, const line_argument *a, int *out)
{
    const char *name = strrchr(a->usage, ' ');
    for (const char *at = name ? name + 1 : a->usage; *at; (*out)++) {
        const size_t length = strcspn(at, "|");
        if (strlen(word) == length && !strncmp(word, at, length)) return true;
        at += length + (at[length] == '|');
    }
    return false;
}

static bool read_value(const char *word, const line_argument *a, void *out)
{
    switch (a->type) {
    case ARGUMENT_COUNT: return read_product(word, 1, a, out);
    case ARGUMENT_SIZES: return read_sizes(word, a, out);
    case ARGUMENT_SHAPE: return read_shape(word, a, out);
    case ARGUMENT_NUMBER: return read_number(&word, 0, a, out);
    case ARGUMENT_CHOICE: *(int *)out = (int)a->least; return read_choice(word, a, out);
    case ARGUMENT_NAMES:
    case ARGUMENT_FLAG:
    case ARGUMENT_LIST: break;
    }
    return false;
}

static void set_initial(const line_argument *a, void *out)
{
    uint32_t *sizes = out;
    switch (a->type) {
    case ARGUMENT_SIZES: sizes[1] = (uint32_t)a->initial; /* fall through */
    case ARGUMENT_COUNT: sizes[0] = (uint32_t)a->initial; break;
    case ARGUMENT_SHAPE: break;
    case ARGUMENT_NUMBER: *(float *)out = (float)a->initial; break;
    case ARGUMENT_CHOICE: *(int *)out = (int)a->initial; break;
    case ARGUMENT_FLAG: *(bool *)out = false; break;
    case ARGUMENT_LIST: *(line_list *)out = (line_list){0}; break;
    case ARGUMENT_NAMES: break;
    }
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

enum { BOUND_TEXT = 32 };

/* 0.99, 1e6, 1e-6: printf has a sign and two digits in the exponent. */
static const char *print_bound(double bound, char out[BOUND_TEXT])
{
    snprintf(out, BOUND_TEXT, "%g", bound);
    char *exponent = strchr(out, 'e');
    if (exponent) sprintf(exponent, "e%d", atoi(exponent + 1));
    return out;
}

static tas_status fail_choice(const text_line *line, const line_argument *a, const char *word, const char *got)
{
    char list[LINE_USAGE], *rest = NULL;
    const char *names[LINE_WORDS + 1] = {NULL}, *behind_name = strrchr(a->usage, ' ');
    snprintf(list, sizeof list, "%s", behind_name ? behind_name + 1 : a->usage);
    int count = 0;
    for (char *name = strtok_r(list, "|", &rest); name && count < LINE_WORDS; name = strtok_r(NULL, "|", &rest))
        names[count++] = name;
    const char *meant = word ? tas_suggest(word, names) : NULL;
    if (meant) return line_fail(line, "expected %s, %s; did you mean '%s'?", a->what, got, meant);
    return line_fail(line, "expected %s, %s; usage: %s", a->what, got, line->usage);
}

static tas_status fail_value(const text_line *line, const line_argument *a, const char *word)
{
    char got[96] = "the line ends", least[BOUND_TEXT], most[BOUND_TEXT];
    if (word) snprintf(got, sizeof got, "got '%.60s'", word);
    if (word && a->data && !strcmp(word, LINE_DATA))
        return line_fail(line,
                         "'" LINE_DATA "' stands for %s, but the network is opened without a data set; expected one "
                         "beside it, or %s here",
                         a->data, a->what);
    switch (a->type) {
    case ARGUMENT_SHAPE:
        return line_fail(line,
                         "expected %s, such as 1x28x28 (channels x height x width), 28x28 (one channel) or 784 (values "
                         "without height and width), %s",
                         a->what, got);
    case ARGUMENT_COUNT:
        return line_fail(line, "expected %s, a whole number from %.0f to %.0f, %s; usage: %s", a->what, a->least,
                         a->most, got, line->usage);
    case ARGUMENT_SIZES:
        return line_fail(line, "expected %s, from %.0f to %.0f as one number or as height x width (3x5), %s; usage: %s",
                         a->what, a->least, a->most, got, line->usage);
    case ARGUMENT_NUMBER:
        return line_fail(line, "expected %s, a number from %s to %s, %s; usage: %s", a->what,
                         print_bound(a->least, least), print_bound(a->most, most), got, line->usage);
    case ARGUMENT_LIST:
        return line_fail(line,
                         "expected %s, numbers from %s to %s with commas and no spaces between them (0.5,0.25), %s; "
                         "usage: %s",
                         a->what, print_bound(a->least, least), print_bound(a->most, most), got, line->usage);
    case ARGUMENT_CHOICE:
    case ARGUMENT_NAMES:
    case ARGUMENT_FLAG: break;
    }
    return fail_choice(line, a, word, got);
}

static bool is_by_place(const line_argument *a) { return !strchr(a->usage, ' ') && a->type != ARGUMENT_FLAG; }

bool line_begins_name(const line_argument *arguments, const char *word)
{
    for (const line_argument *a = arguments; a && a->usage; a++)
        if (!is_by_place(a) && !strncmp(a->usage, word, strlen(word))) return true;
    return false;
}

static tas_status fail_word(const text_line *line, const char *word, const line_argument *arguments)
{
    char name[LINE_ARGUMENTS][16];
    const char *names[LINE_ARGUMENTS + 1] = {NULL};
    int count = 0;
    for (const line_argument *a = arguments; a && a->usage; a++) {
        if (is_by_place(a)) continue;
        snprintf(name[count], sizeof *name, "%.*s", (int)strcspn(a->usage, " "), a->usage);
        names[count] = name[count];
        count++;
    }
    const char *meant = tas_suggest(word, names);
    if (meant) return line_fail(line, "unknown word '%.60s'; did you mean '%s'? Usage: %s", word, meant, line->usage);
    return line_fail(line, "unexpected '%.60s'; usage: %s", word, line->usage);
}

/* ---- the line ---------------------------------------------------------------------------------------------------- */

static bool is_named(const line_argument *a, const char *word)
{
    const size_t length = strcspn(a->usage, " ");
    if (a->alias && !strcmp(word, a->alias)) return true;
    return !is_by_place(a) && strlen(word) == length && !strncmp(word, a->usage, length);
}

static tas_status read_names(text_line *line, const line_argument *a)
{
    const int count = line->count - line->read;
    if (count < (int)a->least) return line_fail(line, "expected %s, the line ends; usage: %s", a->what, line->usage);
    if (count > (int)a->most)
        return line_fail(line, "unexpected '%.60s'; usage: %s", line->word[line->read + (int)a->most], line->usage);
    for (; line->read < line->count; line->read++)
        if (strchr("0123456789", *line->word[line->read]))
            return line_fail(line, "expected %s, got '%.60s'; usage: %s", a->what, line->word[line->read], line->usage);
    return TAS_OK;
}

/* The second word of a flag, if it has one: "bias" of "no bias". */
static tas_status read_flag(text_line *line, const line_argument *a, void *out)
{
    const char *space = strchr(a->usage, ' '), *expected = space ? space + 1 : NULL;
    *(bool *)(void *)((char *)out + a->offset) = true;
    if (!expected) return TAS_OK;
    const char *word = line->read < line->count ? line->word[line->read++] : NULL;
    if (!word) return line_fail(line, "expected '%s', the line ends; usage: %s", a->usage, line->usage);
    if (strcmp(word, expected) != 0)
        return line_fail(line, "expected '%s', got '%.60s'; usage: %s", a->usage, word, line->usage);
    return TAS_OK;
}

static tas_status read_list(text_line *line, const line_argument *a, void *out)
{
    line_list *list = (line_list *)(void *)((char *)out + a->offset);
    const char *word = line->read < line->count ? line->word[line->read++] : NULL, *at = word;
    uint32_t count = 1;
    if (!word) return fail_value(line, a, word);
    for (const char *c = word; *c; c++) count += *c == ',';
    list->values = malloc(count * sizeof *list->values);
    if (!list->values) return fail(line->context, TAS_NO_MEMORY, "%s: no memory for %s", line->from, a->what);
    for (list->count = 0; list->count < count; list->count++)
        if (!read_number(&at, list->count + 1 < count ? ',' : 0, a, &list->values[list->count]))
            return fail_value(line, a, word);
    return TAS_OK;
}

static tas_status read_argument(text_line *line, const line_argument *a, void *out)
{
    if (a->type == ARGUMENT_NAMES) return read_names(line, a);
    if (a->type == ARGUMENT_FLAG) return read_flag(line, a, out);
    if (a->type == ARGUMENT_LIST) return read_list(line, a, out);
    const char *word = line->read < line->count ? line->word[line->read++] : NULL;
    return word && read_value(word, a, (char *)out + a->offset) ? TAS_OK : fail_value(line, a, word);
}

tas_status line_read(text_line *line, const line_argument *arguments, void *out)
{
    bool given[LINE_ARGUMENTS] = {false};
    tas_status status = TAS_OK;
    line->read = 1;
    for (const line_argument *a = arguments; a && a->usage && !status; a++) {
        if (a->optional) set_initial(a, (char *)out + a->offset);
        if (is_by_place(a) && (!a->optional || line->read < line->count)) status = read_argument(line, a, out);
    }
    while (!status && line->read < line->count) {
        const char *word = line->word[line->read++];
        int i = 0;
        while (arguments && arguments[i].usage && !is_named(&arguments[i], word)) i++;
        if (!arguments || !arguments[i].usage) return fail_word(line, word, arguments);
        if (given[i]) return line_fail(line, "a second '%s'; usage: %s", word, line->usage);
        given[i] = true;
        status = read_argument(line, &arguments[i], out);
    }
    return status;
}
