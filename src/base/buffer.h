/* A text that grows: pages, scripts, a program's output. Starts as {0}; its text is freed with free(). */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct buffer {
    char *text; /* ends with a 0; NULL while it is empty */
    size_t bytes, room;
    bool failed; /* out of memory: everything added later is missing */
} buffer;

void buffer_add(buffer *out, const char *bytes, size_t count);
void buffer_print(buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds text for use in HTML or in an attribute: escapes markup, replaces malformed UTF-8 and control characters. */
void buffer_escape(buffer *out, const char *text);

/* Adds text as one word of a POSIX shell. */
void buffer_quote(buffer *out, const char *word);

#endif
