/* Numbers as a reader wants them, for the texts of the lab: three figures and no exponent. */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdbool.h>
#include <stddef.h>

enum { WORD_BYTES = 32 };

typedef struct word {
    char text[WORD_BYTES];
} word;

word number_word(double value);    /* 119, 48.3, 0.531, 0.00941, 12400; 0; 2.1e-05 below 0.001 */
word seconds_word(double seconds); /* 420 us, 12.3 ms, 48.3 s, 5.2 min, 1.4 h */

/* The shortest form that reads back as the same float: 0.1, 100, 1000000; 1e-05 below 0.0001, 1e+15 from there on. */
word float_word(float value);

/* A text that is written piece by piece into a buffer, always ended by a 0, cut where the buffer ends. */
typedef struct writer {
    char *text;
    size_t bytes, used;
} writer;
void say(writer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
