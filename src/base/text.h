/* Text from outside: UTF-8, and what may be shown of it. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed UTF-8 character that text begins with; 0 if there is none. */
int text_character_bytes(const char *text);

bool text_is_utf8(const char *text);

/* Writes text into out, of which `bytes` are there, with everything that a terminal or a log could take for a command
 * replaced by its number: control characters and bytes that are not UTF-8 as \x1b, characters that reorder or hide
 * text as \u202e. The characters in keep ("\n\t", "") stay as they are. A backslash stays, so that escaping twice
 * changes nothing. Cut before the first character that does not fit; 4 strlen(text) + 1 bytes always suffice. Returns
 * out. */
char *text_escape(const char *text, const char *keep, char *out, size_t bytes);

/* The text's FNV-1a hash. */
uint64_t text_hash(const char *text);

#endif
