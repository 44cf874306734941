/* Benchmarks: what the timing of single calls and of whole steps share. */
#ifndef BENCH_H
#define BENCH_H

#include "train/run.h"

#include <tassello/bench.h>

/* A run on random data, whose weights nobody looks at. */
typedef struct bench {
    tas_data *data;
    tas_model *model;
    tas_run *run;
} bench;

/* Checks the options and opens a run; closed with bench_close(), on failure too. */
tas_status bench_open(tas_device *device, const tas_network *network, const tas_bench_options *options, bench *out);
void bench_close(bench *b);

/* Examples of its largest tile. */
uint32_t bench_tile(const bench *b);

/* What is timed alone: a call of a layer, or else what a step does besides. bench_repeat() is a bench_work. */
typedef struct bench_piece bench_piece;
struct bench_piece {
    bench *b;
    tas_status (*go)(const bench_piece *p);
    const op_call *call;
    uint32_t examples;
};
tas_status bench_repeat(void *piece, uint64_t count);
tas_status bench_go_call(const bench_piece *p);

/* What is timed: `count` times in a row; the device has finished when it returns. */
typedef tas_status (*bench_work)(void *self, uint64_t count);

/* Seconds of one, of `count` in a row; and how many, after warming up, last so many seconds, at least one. */
tas_status bench_time_once(bench_work work, void *self, uint64_t count, double *seconds);
tas_status bench_find_count(bench_work work, void *self, double seconds, uint64_t *count);

/* Seconds of one: warms up, finds how many make a repetition, and repeats. */
tas_status bench_time(const bench *b, const tas_bench_options *options, bench_work work, void *self,
                      tas_bench_time *out);

#endif
