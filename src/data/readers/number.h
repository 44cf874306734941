/* Numbers and missing fields in texts. */
#ifndef NUMBER_H
#define NUMBER_H

#include <locale.h>
#include <stdbool.h>

typedef enum number_kind {
    NUMBER_NONE,    /* another text */
    NUMBER_FINITE,  /* as a float, too */
    NUMBER_INFINITE /* "inf", or beyond the range of floats */
} number_kind;

/* Decimal numbers as C, Python and pandas write them: 3, +.5, -1.25e-3, but neither 0x10 nor nan. *value is the nearest
 * double if it is finite. c_locale is of the C locale. */
number_kind number_read(const char *text, locale_t c_locale, double *value);

/* An empty text, or in any case NA, NaN, null or ?. */
bool number_is_missing(const char *text);

bool number_is_whole(double value);

#endif
