/* A sweep in progress: what its stages share, its clock and what it reports while it runs. */
#ifndef LAB_H
#define LAB_H

#include "lab/sweep/sweep.h"

typedef struct lab {
    tas_sweep *sweep;
    tas_device *device;
    const tas_network *network;
    const tas_data *test;
    tas_data *part, *rest, *held;     /* the examples used; those trained on; those held out for validation */
    tas_data *train_look, *look;      /* the first of each, for evaluations during a run */
    uint64_t train_bytes, look_bytes; /* device memory for training, and for evaluation at the same time */
    float *weights[SWEEP_BATCHES];    /* at the end of a batch's first run on a fresh seed; NULL: none */
    size_t weight_count;
    struct state *state;             /* NULL: none */
    bool visited[SWEEP_BATCHES];     /* search_batches() visits each batch once */
    double started, earlier_seconds; /* the clock at the start; seconds of earlier sessions */
    double reported_at;              /* seconds at the last progress report */
    double seconds_left;             /* expected */
    double reserve;                  /* seconds before the time limit at which runs end, for what follows them */
    double reported_total;           /* seconds in all, by the last forecast that was reported */
    bool corrected;                  /* a run has shown how far the target is, and the forecast was updated */
    bool noted_elsewhere;            /* it was noted that some runs in the state were made elsewhere */
    double test_seconds;             /* of one evaluation of the test set */
    char doing[160];
    bool stopped, late;   /* by the caller; by the time limit */
    sweep_batch *waiting; /* the next run that is not in the state starts only if this batch has time; NULL: none */
    int waiting_seeds;    /* how many runs on fresh seeds that batch is to have */
} lab;

/* Since the start of the sweep, including earlier sessions. */
double lab_seconds(const lab *l);

/* Reports progress about once a second, or `now`. False: stop. Sets stopped, and late if the time is up. */
bool lab_progress(lab *l, bool now);

/* The same while reading runs from a state: these are used even if earlier sessions took up all the time. */
bool lab_progress_resumed(lab *l, bool now);

/* Reports one line that is worth keeping, or logs it if nobody listens. A request to stop takes effect at the next
 * lab_progress(). */
void lab_note(lab *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
