/* What a sweep expects of runs it has not made yet, from those it has made: examples to the target, and seconds. */
#ifndef ESTIMATE_H
#define ESTIMATE_H

#include "lab/sweep/lab.h"

enum {
    ESTIMATE_BASE = 64, /* the batch that lr belongs to, and at which the target is made */
    ESTIMATE_RATES = 2  /* that a batch tries if the target is out of reach */
};

/* |log(a / b)| */
double estimate_distance(double a, double b);

/* Of a run with its evaluations, on a machine that does nothing else. */
double estimate_run_seconds(const sweep_batch *b, double examples);

/* What a run took: under other load than when steps were timed, the estimates below grow by as much as recent runs did.
 */
void estimate_learn_pace(tas_sweep *s, const sweep_batch *b, double examples, double seconds);

/* A run, searches included, has reached the target. */
bool estimate_any_reached(const tas_sweep *s);

/* A complete search was too slow at every rate, and no run has reached the target. */
bool estimate_out_of_reach(const tas_sweep *s);

/* The most examples after which a run had not reached the target. */
double estimate_most_without(const tas_sweep *s);

/* The fewest examples with which a run at that batch has reached the target; INFINITY if none has. */
double estimate_fewest(const tas_sweep *s, uint64_t batch);

/* Examples to the target, whether or not the batch has been run. */
double estimate_examples(const tas_sweep *s, uint64_t batch);

/* Of a run. */
double estimate_examples_least(const tas_sweep *s);
double estimate_examples_most(const tas_sweep *s);

/* The batch at which the target is made if none is given. */
uint64_t estimate_target_batch(const tas_sweep *s);

/* Seconds still needed: to make the target; to search a batch's rate; to give it so many runs on fresh seeds, search
 * included; to measure at frozen weights, for the batches with of[i]. */
double estimate_target_seconds(const tas_sweep *s);
double estimate_search_seconds(const tas_sweep *s, const sweep_batch *b);
double estimate_batch_seconds(const tas_sweep *s, const sweep_batch *b, int seeds);
double estimate_measure_seconds(const tas_sweep *s, const bool *of);

/* The run at the base batch that goes on until it stops improving: as long as a run may be, or its share of the time.
 */
double estimate_depth_seconds(const tas_sweep *s);

/* The run that checks the advice, whichever batch it names. */
double estimate_check_seconds(const tas_sweep *s);

/* Everything that follows the runs, for the batches that have some and for `also` (may be NULL), with one evaluation
 * of the test set. */
double estimate_tail_seconds(const lab *l, const sweep_batch *also);

#endif
