/* Numbers in JSON: what is not known, or has no end, is null. */
#ifndef JSON_H
#define JSON_H

#include "base/json_count.h"

#include <math.h>

static inline json_t *json_known(double x) { return isfinite(x) ? json_real(x) : json_null(); }

#endif
