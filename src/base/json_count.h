/* Whole numbers of 64 bits in JSON, whose integers end at 2^63 - 1 in jansson: larger ones are texts of digits. */
#ifndef JSON_COUNT_H
#define JSON_COUNT_H

#include "base/context.h"

#include <inttypes.h>
#include <stdio.h>

#include <jansson.h>

static inline json_t *json_count(uint64_t x)
{
    char digits[24];
    if (x <= INT64_MAX) return json_integer((json_int_t)x);
    snprintf(digits, sizeof digits, "%" PRIu64, x);
    return json_string(digits);
}

/* False if it is not such a number. */
static inline bool json_read_count(const json_t *in, uint64_t *x)
{
    const char *text = json_string_value(in);
    *x = 0;
    if (json_is_integer(in) && json_integer_value(in) >= 0) *x = (uint64_t)json_integer_value(in);
    if (!text) return json_is_integer(in) && json_integer_value(in) >= 0;
    for (const char *at = text; *at; at++)
        if (*at < '0' || *at > '9' || !mul_size(*x, 10, x) || !add_size(*x, (uint64_t)(*at - '0'), x)) return false;
    return *text;
}

#endif
