/* Numbers in JSON: what is not known, or has no end, is null. */
#ifndef JSON_H
#define JSON_H

#include <math.h>
#include <stdint.h>

#include <jansson.h>

static inline json_t *json_known(double x) { return isfinite(x) ? json_real(x) : json_null(); }
static inline json_t *json_count(uint64_t x) { return json_integer((json_int_t)x); }

#endif
