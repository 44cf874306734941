/* What a checkpoint has of the run that wrote it, beside tensors: JSON in its metadata (tassello.state). A text that is
 * read may hold anything: every number is checked, and one that is accepted makes a course that is sound. Pure. */
#ifndef RUN_STATE_H
#define RUN_STATE_H

#include "stats/noise_scale.h"
#include "train/course.h"

enum { RUN_STATE_WHY = 256, RUN_STATE_ORDERS = 1024 /* at most */ };

typedef struct run_state {
    int contract;
    bool fast;                 /* the device computed with TAS_ARITH_FAST */
    uint64_t step, steps;      /* done, and of the whole run */
    uint64_t count, examples;  /* of the set; trained on */
    tas_train_options options; /* its changes are not there: the course has them; lr_scaling is not AUTO */
    course course;
    bool changed; /* the course is not that of the options */
    noise_scale noise, preconditioned_noise;
    double seconds;
    float last_loss;
    char data[65]; /* tas_data_fingerprint() */
    char *more;    /* the caller's own; NULL: nothing */
} run_state;

/* The text, on one line, which the caller frees; NULL: no memory, or `more` is not UTF-8. */
char *run_state_encode(const run_state *s);

/* Reads a text; false with what is wrong in `why`, and *out is empty. What is read is freed with run_state_free(). */
bool run_state_decode(tas_context *context, const char *text, run_state *out, char why[RUN_STATE_WHY]);
void run_state_free(run_state *s);

/* "lr 0.02 there, 0.05 here; seed 1 there, 2 here": the settings that decide bits and differ. Those that do nothing
 * with this optimizer and this schedule are left out, and so is the length of the run. False if there is none. */
bool run_state_differences(const run_state *s, const tas_train_options *options, char *text, size_t bytes);

/* Whether the rates of a run depend on how long it is. */
bool run_state_follows_length(const tas_train_options *options);

#endif
