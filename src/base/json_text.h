/* JSON as a text. */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include <jansson.h>

/* What json_dumps() gives, which the caller frees: NULL without memory. json_dumps() itself, of jansson 2.14, leaves
 * out a key for which its buffer cannot grow, and goes on. */
char *json_text(const json_t *value, size_t flags);

#endif
