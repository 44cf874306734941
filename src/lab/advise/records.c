#include "lab/advise/records.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NUMBER_BYTES = 64, SHOWN = 40 };

tas_status records_fail(const records_reader *reader, uint64_t line, uint64_t column, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return fail(reader->context, TAS_BAD_DATA, "%s:%" PRIu64 ":%" PRIu64 ": %s", reader->name, line, column, text);
}

int records_find(const records_reader *reader, const char *name, size_t bytes)
{
    for (int i = 0; i < reader->count; i++)
        if (strlen(reader->columns[i].name) == bytes && !memcmp(reader->columns[i].name, name, bytes)) return i;
    return -1;
}

/* Columns --------------------------------------------------------------------------------------------------------- */

/* Of the names that there are, the one that is probably meant: it contains the missing one ("batch_size"), or is near
 * to it. NULL: none. */
static const char *find_meant(const records_reader *reader, const char *missing, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcasestr(names[i], missing) && records_find(reader, names[i], strlen(names[i])) < 0) return names[i];
    return tas_suggest(missing, names);
}

tas_status records_check_present(const records_reader *reader, const bool *present, uint64_t line,
                                 const char *const *names)
{
    for (int i = 0; i < reader->count; i++) {
        const char *missing = reader->columns[i].name;
        if (present[i] || !reader->columns[i].required) continue;
        const char *meant = find_meant(reader, missing, names);
        if (meant) return records_fail(reader, line, 1, "no column '%s'; rename '%.60s'?", missing, meant);
        return records_fail(reader, line, 1, "no column '%s'; expected it in each row: %s", missing,
                            reader->columns[i].expected);
    }
    return TAS_OK;
}

/* Values ---------------------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *text, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (!strcasecmp(text, words[i])) return true;
    return false;
}

/* -?[0-9]*(.[0-9]*)?(e[+-]?[0-9]+)?, with a digit before the exponent: strtod() takes more. */
static bool is_number(const char *text)
{
    size_t digits = 0;
    if (*text == '-' || *text == '+') text++;
    for (; isdigit((unsigned char)*text); text++) digits++;
    if (*text == '.') text++;
    for (; isdigit((unsigned char)*text); text++) digits++;
    if (!digits) return false;
    if (*text != 'e' && *text != 'E') return !*text;
    text++;
    if (*text == '-' || *text == '+') text++;
    if (!isdigit((unsigned char)*text)) return false;
    while (isdigit((unsigned char)*text)) text++;
    return !*text;
}

/* "64", and "64.0" as programs write it that know numbers with a point alone. */
static bool read_whole(const char *text, double real, uint64_t *out)
{
    static const char most[] = "18446744073709551615";
    const size_t digits = strspn(text, "0123456789");
    *out = 0;
    if (digits && !text[digits]) {
        if (digits > strlen(most) || (digits == strlen(most) && strcmp(text, most) > 0)) return false;
        *out = strtoull(text, NULL, 10);
        return true;
    }
    if (!(real >= 0 && real <= 0x1p53) || real != floor(real)) return false;
    *out = (uint64_t)real;
    return true;
}

static bool read_number(const records_column *column, const char *text, records_value *out)
{
    if (!is_number(text)) return false;
    out->real = strtod(text, NULL);
    if (!isfinite(out->real) || out->real < column->least || out->real > column->most) return false;
    return !column->whole || read_whole(text, out->real, &out->whole);
}

static bool is_not_finite(const char *text)
{
    static const char *const words[] = {"nan",  "+nan",     "-nan",      "inf",       "+inf",
                                        "-inf", "infinity", "+infinity", "-infinity", NULL};
    return is_one_of(text, words);
}

tas_status records_set(const records_reader *reader, int place, const char *text, size_t bytes, records_value *value)
{
    static const char *const nothing[] = {"", "null", "na", "none", NULL};
    const records_column *column = &reader->columns[place];
    char number[NUMBER_BYTES];
    snprintf(number, sizeof number, "%.*s", (int)(bytes < sizeof number ? bytes : 0), text);
    if (strlen(number) == bytes) {
        const bool empty = is_one_of(number, nothing), not_finite = is_not_finite(number);
        value->given = true;
        if (not_finite && column->not_finite) {
            value->real = INFINITY;
            return TAS_OK;
        }
        if (!empty && !not_finite && read_number(column, number, value)) return TAS_OK;
        value->given = false;
        if ((empty || not_finite) && column->optional) return TAS_OK;
    }
    if (!bytes)
        return records_fail(reader, value->line, value->column, "%s is empty; expected %s", column->name,
                            column->expected);
    return records_fail(reader, value->line, value->column, "%s '%.*s%s': expected %s", column->name,
                        (int)(bytes < SHOWN ? bytes : SHOWN), text, bytes > SHOWN ? "..." : "", column->expected);
}

/* The text --------------------------------------------------------------------------------------------------------- */

tas_status records_read(const records_reader *reader, const char *text, size_t bytes)
{
    static const char mark[] = "\xef\xbb\xbf"; /* byte order mark */
    records_scan s = {.reader = reader, .at = text, .end = text + bytes, .start = text, .line = 1};
    if (bytes > RECORDS_BYTES)
        return fail(reader->context, TAS_BAD_DATA, "%s: %zu bytes, expected at most %u", reader->name, bytes,
                    (unsigned)RECORDS_BYTES);
    if (bytes >= 3 && !memcmp(text, mark, 3)) s.at = s.start = text + 3;
    for (; s.at < s.end && isspace((unsigned char)*s.at); s.at++)
        if (*s.at == '\n') s.line++, s.start = s.at + 1;
    if (s.at == s.end) return records_fail(reader, 1, 1, "no rows; expected a header and rows, or JSON lines");
    const char *first = s.at;
    s.at = s.start; /* the first name of a header may be empty */
    if (*first == '[')
        return records_fail(reader, s.line, records_scan_column(&s, first),
                            "a JSON array; expected one object per line, without brackets and commas around them");
    tas_status status = *first == '{' ? records_json_read(&s) : records_csv_read(&s);
    if (!status && !s.rows) status = records_fail(reader, s.line, 1, "no rows after the header");
    return status;
}
