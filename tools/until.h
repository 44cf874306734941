/* The target that ends a training: --until-loss, --until-accuracy. */
#ifndef UNTIL_H
#define UNTIL_H

#include "cli.h"

/* An evaluation of the held-out examples on the way. */
typedef struct until_look {
    uint64_t step;
    double seconds; /* of training, without evaluation */
    double value;   /* the loss or the accuracy */
} until_look;

typedef struct until {
    double loss, accuracy; /* NaN: not given. At most one is */
    const tas_data *held;  /* what is evaluated: `head`, or all that is held out */
    tas_data *head;
    until_look *look;
    tas_reach_point *point; /* the same, for tas_reach_find() */
    int looks, room;
    uint64_t due;                    /* the step after which the next one is due */
    double batch_loss;               /* a running mean */
    uint64_t peak_bytes, host_bytes; /* of the most demanding evaluation */
    tas_reach_state state;
    int at; /* TAS_REACH_DONE: which look */
} until;

/* "loss", "accuracy", or NULL if there is no target; and the target. */
const char *until_measure(const until *u);
double until_target(const until *u);

/* Chooses the examples, and evaluates the untrained model: a target that it meets is refused. 0, or the exit status
 * after reporting what is wrong. Does nothing without a target. */
int until_begin(until *u, cli_state *cli, tas_model *model, const tas_data *validation);
void until_free(until *u);

/* The evaluations so far for a checkpoint; null without a target. until_resume() goes on from them, in place of
 * until_begin(). 0, or the exit status after reporting that the target is of another kind, or that they are damaged. */
json_t *until_encode(const until *u);
int until_resume(until *u, cli_state *cli, const json_t *in, const tas_data *validation);

/* After each step. */
void until_step(until *u, const tas_step *step);

/* Steps that may be done before the next evaluation, from a step on. */
uint64_t until_stretch(const until *u, uint64_t step);

/* Evaluates the model if it is time to; over: the run has ended. Nothing follows once the target has been reached, or
 * given back. */
tas_status until_evaluate(until *u, tas_model *model, const tas_train_result *result, uint32_t batch, bool over);

/* " until loss 0.45", for the settings; "target  loss 0.4500 reached after step 512 ...", for the result; both as JSON.
 * Nothing without a target. */
void until_print_setting(const until *u, FILE *stream);
void until_print(const until *u, uint64_t steps);
json_t *until_describe(const until *u);

#endif
