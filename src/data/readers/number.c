/* Reading numbers. Most have few digits, and then one operation on exact doubles gives the nearest one (Clinger, How to
 * Read Floating Point Numbers Accurately, 1990): up to 15 digits and powers of ten up to 10^22 are exact. strtod_l()
 * does the others. */
#include "data/readers/number.h"

#include <float.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

enum { DIGITS_EXACT = 15, POWER_EXACT = 22, EXPONENT_MOST = 100000 };

typedef struct decimal {
    uint64_t digits; /* of at most DIGITS_EXACT; */
    int count;       /* how many there are, without leading zeros */
    int exponent;    /* of ten */
    bool negative;
} decimal;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static const char *read_digits(const char *at, decimal *d, bool fraction)
{
    for (; is_digit(*at); at++) {
        if (d->count < DIGITS_EXACT) d->digits = 10 * d->digits + (uint64_t)(*at - '0');
        if ((d->digits || *at != '0') && d->count <= DIGITS_EXACT) d->count++;
        if (fraction && d->exponent > -EXPONENT_MOST) d->exponent--;
    }
    return at;
}

/* False if the text is not a number. */
static bool read_decimal(const char *at, decimal *d)
{
    *d = (decimal){.negative = *at == '-'};
    if (*at == '-' || *at == '+') at++;
    if (!is_digit(at[0]) && !(at[0] == '.' && is_digit(at[1]))) return false;
    at = read_digits(at, d, false);
    if (*at == '.') at = read_digits(at + 1, d, true);
    if (*at != 'e' && *at != 'E') return !*at;
    const bool below = *++at == '-';
    int exponent = 0;
    if (*at == '-' || *at == '+') at++;
    if (!is_digit(*at)) return false;
    for (; is_digit(*at); at++)
        if (exponent < EXPONENT_MOST) exponent = 10 * exponent + (*at - '0');
    d->exponent += below ? -exponent : exponent;
    return !*at;
}

static bool is_infinity(const char *text)
{
    if (*text == '-' || *text == '+') text++;
    return !strcasecmp(text, "inf") || !strcasecmp(text, "infinity");
}

static double value_of(const char *text, const decimal *d, locale_t c_locale)
{
    static const double powers[POWER_EXACT + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->count > DIGITS_EXACT || abs(d->exponent) > POWER_EXACT) return strtod_l(text, NULL, c_locale);
    const double digits = d->negative ? -(double)d->digits : (double)d->digits;
    return d->exponent < 0 ? digits / powers[-d->exponent] : digits * powers[d->exponent];
}

number_kind number_read(const char *text, locale_t c_locale, double *value)
{
    decimal d;
    if (!read_decimal(text, &d)) return is_infinity(text) ? NUMBER_INFINITE : NUMBER_NONE;
    *value = value_of(text, &d, c_locale);
    const float rounded = (float)*value;
    return rounded <= FLT_MAX && rounded >= -FLT_MAX ? NUMBER_FINITE : NUMBER_INFINITE;
}

bool number_is_missing(const char *text)
{
    static const char *const names[] = {"", "NA", "NaN", "null", "?"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcasecmp(text, names[i])) return true;
    return false;
}

/* From 2^53 on every double is whole, but hardly what was meant. */
bool number_is_whole(double value) { return value >= -0x1p53 && value <= 0x1p53 && (double)(int64_t)value == value; }
