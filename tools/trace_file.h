/* Traces of training (train_trace.c), read step by step; and runs that are repeated for a part of one. */
#ifndef TRACE_FILE_H
#define TRACE_FILE_H

#include "cli.h"

typedef struct trace_file {
    cli_state *cli;
    const char *name;
    FILE *stream;
    json_t *head, *line; /* the first line; that of the step */
    uint64_t number;     /* lines read */
    uint64_t step;       /* 0: past the last */
    bool truncated;      /* the last line is not whole */
} trace_file;

/* All report what is wrong. Closed with trace_file_close(). */
bool trace_file_open(cli_state *cli, const char *name, trace_file *out);
void trace_file_close(trace_file *f);

/* Refuses traces that are not of the same training. */
bool trace_file_check(cli_state *cli, const trace_file *a, const trace_file *b);

/* The next step. A last line that is not whole is noted. */
bool trace_file_next(trace_file *f);

/* Of the step: [operation, tensor, digest] of each; and the values of one of them, if it has some. */
const json_t *trace_file_digests(const trace_file *f);
size_t trace_file_values(const trace_file *f);
uint32_t trace_file_value(const trace_file *f, size_t i);
bool trace_file_is_float(const trace_file *f);

/* A text of the first line; "" if there is none. */
const char *trace_file_text(const trace_file *f, const char *key);

/* Runs the training again in a process of its own, for these steps; entry: of a digest whose values are wanted, 1 being
 * the first; 0: none. */
typedef struct trace_part {
    uint64_t from, to;
    size_t entry;
} trace_part;
bool trace_file_repeat(cli_state *cli, const trace_file *of, const trace_part *part, trace_file *out);

#endif
