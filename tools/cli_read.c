/* Strict readers of numbers and sizes. */
#include "cli.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

bool cli_read_time(const char *text, double *seconds)
{
    static const char units[] = "smh";
    static const double unit_seconds[] = {1, 60, 3600};
    char number[32] = "";
    const size_t length = strlen(text);
    const char *unit = length ? strchr(units, text[length - 1]) : NULL;
    double value;
    snprintf(number, sizeof number, "%.*s", length < sizeof number ? (int)(length - (unit != NULL)) : 0, text);
    if (!cli_read_f64(number, &value) || !(value > 0 && value < 1e9)) return false;
    *seconds = value * (unit ? unit_seconds[unit - units] : 1);
    return true;
}
