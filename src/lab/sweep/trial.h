/* A trial: one training run of a sweep, looked at on its way. */
#ifndef TRIAL_H
#define TRIAL_H

#include "lab/sweep/sweep.h"

enum { LOOK_MOST = 2048 }; /* examples of a look */

/* What trials share: the sweep, the device, the sets. */
typedef struct lab {
    tas_sweep *sweep;
    tas_device *device;
    const tas_network *network;
    const tas_data *test;
    tas_data *part, *rest, *held;     /* the examples taken; of these trained on; and held out */
    tas_data *train_look, *look;      /* the first of each */
    uint64_t train_bytes, look_bytes; /* of device memory, of training and of evaluation beside it */
    float *weights[SWEEP_BATCHES];    /* at the end of the first figure run, for the test; NULL: there are none */
    size_t weight_count;
    bool visited[SWEEP_BATCHES];     /* batches whose turn has come: each has one */
    double started, earlier_seconds; /* the clock's start; seconds of earlier sessions */
    double reported_at;              /* when progress was last told of */
    double seconds_left;             /* seconds that are expected yet */
    double reserve;                  /* seconds before the limit at which runs end, for what comes after them */
    double reported_total;           /* the last forecast that was told, with what had gone by then */
    bool corrected;                  /* by a first run to the target, or to its end without */
    bool noted_elsewhere;            /* that runs of the state were made elsewhere */
    double test_seconds;             /* of one evaluation of the test set */
    char doing[160];
    bool stopped, late;   /* by the caller; by the time limit */
    sweep_batch *waiting; /* begins with its next run that the state does not hold, if there is time; NULL: none does */
    int waiting_seeds;    /* runs on fresh seeds that it is to have then */
    struct state *state;  /* NULL: none */
} lab;

typedef struct trial {
    uint64_t batch, seed;
    double lr;
    bool search;
    double start;         /* of a search: its first rate */
    double give_up;       /* examples, after which a run that has not reached the target is lost */
    double examples_most; /* of the run, which its schedule ends with */
    bool to_target;       /* ends there; else goes on to `examples_least` */
    double examples_least;
    double look_at; /* examples after which there is one whole look, to be compared with other batches' */
} trial;

double lab_seconds(const lab *l); /* since the sweep's beginning, earlier sessions too */

/* Tells of progress, about once a second or where `now`; false: stop. Sets stopped, and late where the time is up. */
bool lab_progress(lab *l, bool now);

/* Tells what is to be kept, a line; what the caller answers is seen at the next lab_tell(). */
void lab_note(lab *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs a trial from its seed's own weights. out->point is malloc()ed. weights (may be NULL) get the model's at the end.
 * A run that diverges is TAS_OK; TAS_STOPPED: stopped or out of time, and *out is of no use. */
tas_status trial_run(lab *l, const trial *t, sweep_run *out, float *weights);

/* The steps of a run of so many examples. */
uint64_t trial_steps(const tas_sweep *s, uint64_t batch, double examples);

/* The options of tas_run_open() for it. */
tas_train_options trial_options(const lab *l, const trial *t);

/* All parameters, in canonical order. */
tas_status weights_read(tas_model *model, float *weights);
tas_status weights_write(tas_model *model, const float *weights);
size_t weights_count(const tas_network *network);

#endif
