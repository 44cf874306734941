/* What tassello bench has measured: rows, and how they are written and compared. */
#ifndef BENCH_H
#define BENCH_H

#include "cli.h"

enum { BENCH_NAME = 64, BENCH_LAYER = 128 };

/* A call of a training step, or a whole step. */
typedef struct bench_row {
    size_t device;              /* its place in the list of devices */
    char network[BENCH_NAME];   /* "1024^3": a product of square matrices */
    char operation[BENCH_NAME]; /* "step": a whole one */
    char provider[BENCH_NAME];  /* "kernel", "clblast", "reference" */
    char layer[BENCH_LAYER];    /* "" if it belongs to none */
    bool step;
    uint32_t batch, examples; /* examples: of the call or the tile */
    tas_bench_time seconds;
    double flops, bytes;               /* of a call */
    double launches, waits, gap_share; /* of a step */
    uint64_t profiled_steps;
    tas_profile *profile; /* of so many steps; NULL for a call */
} bench_row;

/* Rows of devices whose rates were measured. */
typedef struct bench_rows {
    tas_device_info *device;
    size_t device_count;
    bench_row *row;
    size_t count;
} bench_rows;

/* bench_print.c: for people, one device; all rows as CSV, as Markdown, as JSON. */
void bench_print_text(const bench_rows *rows, size_t device);
void bench_print_csv(const bench_rows *rows);
void bench_print_markdown(const bench_rows *rows);
json_t *bench_describe(const bench_rows *rows);

/* bench_exchange.c: times messages between the processes that a launcher has started, or as many threads, and prints
 * the result. Gives the exit status. */
int bench_exchange(cli_state *cli, uint32_t threads, uint32_t repetitions, bool json);

/* bench_compare.c: a saved run, as --json printed it; NULL after reporting what is wrong with the file. */
json_t *bench_read(cli_state *cli, const char *file);

/* Prints the rows that have become slower or faster than in the saved run by more than `tolerance`, a share. Gives how
 * many are slower. */
size_t bench_compare(const bench_rows *rows, const json_t *saved, double tolerance, FILE *to);

#endif
