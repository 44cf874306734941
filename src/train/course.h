/* The course of a run: which examples each of its steps takes. The data go on where they were when the batch changes,
 * and the order of what is still to come may be drawn anew. */
#ifndef COURSE_H
#define COURSE_H

#include "base/context.h"

#include <tassello/model.h>

#include <stdbool.h>

/* Steps with one batch. */
typedef struct course_segment {
    uint64_t step; /* steps done before its first one */
    uint32_t batch;
    uint32_t at;    /* its first step begins with this entry of the order */
    uint64_t epoch; /* of this epoch, from 0 on */
} course_segment;

/* From this entry of this epoch on the order is drawn from the seed. */
typedef struct course_order {
    uint64_t epoch, seed;
    uint32_t at;
} course_order;

typedef struct course {
    uint32_t examples;
    bool drop_last;
    course_segment *segment; /* ascending by step, the first at step 0 */
    course_order *order;     /* ascending by epoch and entry, the first at epoch 0, entry 0 */
    int segments, orders;
} course;

/* The course that options ask for, on a set of so many examples. Closed with course_close(). */
tas_status course_open(course *c, tas_context *context, const tas_train_options *options, uint64_t examples);
void course_close(course *c);

/* *to is closed with course_close(); it may be closed already, or hold another course. */
tas_status course_copy(course *to, tas_context *context, const course *from);

/* A step: examples order[at .. at+count-1] of an epoch. */
typedef struct course_step {
    uint64_t epoch; /* from 0 on */
    uint32_t at, count;
    uint32_t batch; /* count is less at the end of an epoch */
    uint64_t left;  /* steps up to the end of the epoch, or of the steps with this batch; with this one */
} course_step;
course_step course_at(const course *c, uint64_t step); /* 1 being the first */

/* Steps until so many epochs are over. */
uint64_t course_end(const course *c, uint64_t epochs);

/* Another batch, or another order of the examples, for what comes after `step` steps; what was to follow is dropped. */
tas_status course_change_batch(course *c, tas_context *context, uint64_t step, uint32_t batch);
tas_status course_change_order(course *c, tas_context *context, uint64_t step, uint64_t seed);

/* Adds an order, which begins after the last one. */
tas_status course_add_order(course *c, tas_context *context, const course_order *order);

/* The order of all examples in an epoch. */
void course_fill(const course *c, uint64_t epoch, uint32_t *order);

#endif
