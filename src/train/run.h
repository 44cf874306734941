/* A training run that is open: its settings, its memory, how far it is. */
#ifndef RUN_H
#define RUN_H

#include "train/audit.h"
#include "train/course.h"
#include "train/trace.h"
#include "train/update.h"

#include "stats/noise_scale.h"

struct tas_run {
    tas_model *model;
    const tas_data *data;
    tas_train_options options;
    tas_train_result result; /* result.steps: those whose losses were read, and reported to the callback */
    workspace w;
    plan_request request;
    update update;
    uint32_t count; /* examples of the set */
    course course;
    bool changed; /* it is not that of the options */
    uint64_t steps;
    uint64_t step; /* those done, of which a failure may undo some */
    host_mem order_memory;
    uint32_t *order; /* in it */
    uint64_t epoch;  /* whose order lies in `order` and on the device, from 1; 0: none */
    float ring[RING], figures[RING * NOISE_SUMS_MOST]; /* as read from the device */
    noise_scale noise, preconditioned_noise;
    noise_schedule noise_schedule; /* of steps with noise_batch */
    uint32_t noise_batch;
    double start, before;     /* of this stretch, and seconds of earlier ones */
    double step_seconds;      /* of one step, the last time they were read; 0: not known */
    uint32_t batch;           /* of that step */
    uint64_t peak, host_peak; /* bytes */
    bool advancing;           /* tas_run_advance() is running */
    bool weights_bad;         /* the parameters are not finite */
    tas_status over;          /* not TAS_OK: the failure after which the run cannot go on */
    struct {
        host_mem copy[2]; /* the parts that a step leaves, as the device holds them; the second may be missing */
        bool whole;       /* the first one can be restored */
        uint64_t step;
        double time, seconds; /* when the last one was begun, and how long it took */
    } snapshot;
    struct ranked *ranked; /* the run is over ranks: see ranks.h; else NULL */
    audit audit;
    trace trace;
    char fingerprint[65]; /* of the set; "": not needed yet */
    int failures;         /* since the run last got further than `furthest` */
    uint64_t furthest;
};

/* A step: its examples are order[at .. at+count-1]. */
typedef struct run_step {
    uint32_t number; /* the low 32 bits, 1 being the first; 0: it updates nothing */
    uint32_t at, count;
    uint32_t batch; /* count is less at the end of an epoch */
} run_step;
run_step run_step_at(const tas_run *run, uint64_t step);

/* The learning rate of a step, 1 being the first. */
float run_lr(const tas_run *run, uint64_t step);

/* Repeats the steps up to `last`, those that were done and that a failure has undone. */
tas_status run_repeat(tas_run *run, uint64_t last);

/* Times a step of a run over ranks that updates nothing: run->ranked->warm_seconds. */
tas_status run_time_step(tas_run *run);

/* From the next step on: another batch, up to the largest that the run was opened for, with the rate that
 * options.lr_scaling gives it; what the options say of later batches is dropped. A run of epochs then ends when these
 * are over. Not while the run is advancing. TAS_BAD_ARGUMENT, and no change, if a layer cannot take its statistics from
 * such a batch, or the rate would be out of bounds. */
tas_status run_change_batch(tas_run *run, uint32_t batch);

/* From the next step on: what is left of the epoch comes in another order, drawn from the seed, and so do later epochs.
 */
tas_status run_change_order(tas_run *run, uint64_t seed);

#endif
