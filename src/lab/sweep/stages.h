/* The stages of a sweep, in their order. */
#ifndef STAGES_H
#define STAGES_H

#include "lab/sweep/trial.h"

enum {
    SEEDS_LEAST = 2,
    FROZEN_DRAWS = 30,
    STRETCHES = 4,
    STRETCH = 2048,
    RATES_FEW = 2 /* that a batch tries where the target is out of reach */
};                /* runs from the same weights, of so many examples */

/* prepare.c */
tas_status setup_check(tas_context *context, const tas_sweep_options *options);
tas_status setup_begin(lab *l, const tas_data *train); /* sets, batches, memory, state */
void setup_end(lab *l);

/* cost.c */
/* lab_tell(); but where earlier sessions used the time up, their runs can be told of all the same */
bool lab_progress_resumed(lab *l, bool now);
tas_status timing_steps(lab *l);
tas_status timing_test(lab *l);              /* what an evaluation of the test set takes */
tas_status forecast_check(lab *l);           /* the time limit must hold the target and two runs */
void forecast_update(lab *l);                /* into l->left */
void forecast_correct(lab *l);               /* tells a forecast that is far from the last one told */
bool sweep_batch_fits(const sweep_batch *b); /* it fits */
double estimate_distance(double a, double b);
bool estimate_any_reached(const tas_sweep *s); /* a run, searches too, has come to the target */
bool estimate_out_of_reach(
    const tas_sweep *s); /* a whole search was too slow at each rate, and no run has come to the target */
double estimate_examples(const tas_sweep *s, uint64_t batch);
double estimate_examples_least(const tas_sweep *s);
double estimate_examples_most(const tas_sweep *s);
double estimate_batch_seconds(const tas_sweep *s, const sweep_batch *b,
                              int seeds); /* that it wants yet to have so many */
/* What comes after the runs of batches with figures, and of `also` (NULL: of no other), and one evaluation of the test
 * set. */
double estimate_tail_seconds(const lab *l, const sweep_batch *also);
double estimate_test_seconds(const lab *l, int batches);
uint64_t estimate_target_batch(const tas_sweep *s); /* at which the target is made, where none is given */
int sweep_count_figures(const tas_sweep *s, const sweep_batch *b); /* runs on fresh seeds so far */

/* runs.c */
tas_status search_target(lab *l, double lr, double *best_lr);
tas_status search_batches(lab *l, double lr);

/* after.c */
tas_status frozen_stage_run(lab *l);
tas_status test_stage_run(lab *l);

#endif
