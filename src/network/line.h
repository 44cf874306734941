/* One line of a network's text: its words, and the arguments of a layer read from them by a table. */
#ifndef LINE_H
#define LINE_H

#include "base/context.h"

#define LINE_DATA "data" /* the word for what a data set has */
#define LINE_NORMALIZE "normalize"
#define LINE_NORMALISE "normalise"
enum { LINE_WORDS = 24, LINE_ARGUMENTS = 12, LINE_USAGE = 160 };

typedef struct text_line {
    tas_context *context;
    const char *from; /* the file's name, for errors */
    int number;
    int count;
    char *word[LINE_WORDS];
    int read;   /* words read so far */
    char *rest; /* the text below it; NULL: none */
    char usage[LINE_USAGE];
} text_line;

typedef enum argument_type {
    ARGUMENT_COUNT,  /* uint32_t: a whole number */
    ARGUMENT_SIZES,  /* uint32_t[2]: height x width, or one number for both */
    ARGUMENT_SHAPE,  /* uint32_t[3]: channels x height x width; height x width of 1 channel; one number, then x 0 x 0 */
    ARGUMENT_NUMBER, /* float */
    ARGUMENT_CHOICE, /* int: which of the words after the name, counted from `least` */
    ARGUMENT_NAMES,  /* the rest of the line: from least to most names of values; parse.c reads them */
    ARGUMENT_FLAG,   /* bool: whether the words of the usage ("no bias", "flip") are there */
    ARGUMENT_LIST,   /* line_list: numbers with commas between them */
} argument_type;

/* The values are freed by whoever has the list. */
typedef struct line_list {
    uint32_t count; /* 0: it is not in the line */
    float *values;
} line_list;

/* The k-th value of a list, or its only one; `initial` if it is not in the line. */
static inline float line_list_at(const line_list *list, uint32_t k, float initial)
{
    return list->count ? list->values[list->count > 1 ? k : 0] : initial;
}

/* An argument is given by its place, as N in "dense N", or after its name, as S in "stride S"; the named ones come
 * last, in any order. */
typedef struct line_argument {
    const char *usage; /* "N", "stride S", "init he|glorot" */
    const char *alias; /* of a flag's word: another spelling; else NULL */
    const char *data;  /* what the word 'data' stands for in its place, once there is a data set (fill.h); else NULL */
    const char *what;  /* for errors: "the stride" */
    const char *text;  /* for the manual */
    argument_type type;
    bool optional;
    size_t offset; /* in the struct that line_read() fills */
    double least, most;
    double initial; /* if it is optional and left out */
} line_argument;

/* Writes "conv2d N K [stride S]". The list ends with a usage of NULL, or is NULL. */
void line_usage(const char *name, const line_argument *arguments, char out[LINE_USAGE]);

/* Reads all words after the first. An error names file, line, and what was expected. */
tas_status line_read(text_line *line, const line_argument *arguments, void *out);

/* Whether the word is the beginning of an argument's name: "pad" of "padding P". */
bool line_begins_name(const line_argument *arguments, const char *word);

/* Sets the error to "FILE:LINE: ...". */
tas_status line_fail(const text_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
