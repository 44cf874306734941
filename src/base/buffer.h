/* A text that grows: pages, scripts, what a program printed. {0} is the start; free() its text at the end. */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct buffer {
    char *text; /* ended by a 0; NULL while nothing is in it */
    size_t bytes, room;
    bool failed; /* there was no memory: all that came later is missing */
} buffer;

void buffer_add(buffer *out, const char *bytes, size_t count);
void buffer_print(buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As HTML's text or an attribute's value: markup escaped, malformed UTF-8 and control characters replaced. */
void buffer_escape(buffer *out, const char *text);

/* As one word of a POSIX shell. */
void buffer_quote(buffer *out, const char *word);

#endif
