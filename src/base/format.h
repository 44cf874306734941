/* Numbers for people, and texts that are put together in a fixed buffer. */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FORMATTED_BYTES = 32 };

typedef struct formatted {
    char text[FORMATTED_BYTES];
} formatted;

/* Three figures without an exponent: 119, 48.3, 0.531, 0.00941, 12400; 0; 2.1e-05 below 0.001. */
formatted format_number(double value);

/* Three figures with a unit: 420 us, 12.3 ms, 48.3 s, 5.2 min, 1.4 h. */
formatted format_seconds(double seconds);

/* Three figures with a unit: 880 bytes, 12.3 KiB, 48.3 MiB. */
formatted format_bytes(uint64_t bytes);

/* The shortest form that reads back as the same float: 0.1, 100, 1000000; 1e-05 below 0.0001, 1e+15 from there on. */
formatted format_float(float value);

/* A text that is written piece by piece into a buffer, always ended by a 0, cut where the buffer ends. */
typedef struct text_buffer {
    char *text;
    size_t bytes, used;
} text_buffer;
void format_add(text_buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
