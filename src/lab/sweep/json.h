/* Numbers in JSON: what is not known, or has no end, is null. */
#ifndef JSON_H
#define JSON_H

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

static inline json_t *json_known(double x) { return isfinite(x) ? json_real(x) : json_null(); }

/* JSON's integers end at 2^63 - 1 here: seeds may be larger, and are then written as text. */
static inline json_t *json_count(uint64_t x)
{
    char digits[24];
    if (x <= INT64_MAX) return json_integer((json_int_t)x);
    snprintf(digits, sizeof digits, "%" PRIu64, x);
    return json_string(digits);
}

#endif
