/* A sweep: its options, its runs and its results. */
#ifndef SWEEP_H
#define SWEEP_H

#include "lab/advice/devices.h"
#include "stats/fit.h"
#include "stats/noise_scale.h"
#include "stats/running.h"

#include <tassello/lab.h>

enum {
    SWEEP_BATCHES = FIT_BATCHES,
    SWEEP_SEEDS = 32,
    SWEEP_SECOND_SEED = 1000003, /* above the sweep's own: of runs that confirm a rate */
    SWEEP_CHECK_SEED = 64,       /* the same, of the first run that checks the advice */
    SWEEP_TARGETS = 8,           /* at most: from a shallow one to the deepest */
    SWEEP_CHECKS = 3,            /* candidates whose command is checked, at most */
    SWEEP_GROWN_SEED = 96,       /* above the sweep's own, of the first run with a growing batch */
    SWEEP_BRANCHES = 16,         /* moments of a run at which branches are made, at most */
    FROZEN_POINTS = 3,           /* the start, the middle, the target */
    NOISE_WINDOWS = 24
};

/* A moment of a run. NaN: not evaluated there. The training loss is that of the first examples of the set (LOOK_MOST).
 */
typedef struct sweep_point {
    uint64_t step, examples;
    double seconds;      /* of training, without evaluation */
    double deciding;     /* and of decisions on a growing batch, which are not in them */
    double target_value; /* of the target's own measure (loss or accuracy; on LOOK_MOST examples at most) */
    double train_loss, train_accuracy, loss, accuracy; /* the last two: validation */
    noise_scale noise;                                 /* of the steps since the point before */
} sweep_point;

/* One training run. */
typedef struct sweep_run {
    uint64_t batch, seed;
    double lr;
    bool search;    /* of the search for a rate: it may have been given up */
    double give_up; /* search only: examples after which the run was given up */
    double start;   /* search only: its first rate; otherwise 0 */
    double target;  /* 0: none yet, the run makes the target */
    bool elsewhere; /* from a state, and run on another device or with another budget: its memory is ignored */
    row_outcome outcome;
    double steps, seconds; /* to the target; NaN: not reached */
    double final_metric;   /* of the target's measure; an accuracy is negated */
    noise_scale noise;     /* up to the target, or of the whole run */
    uint64_t memory;       /* peak bytes in training */
    sweep_point *point;
    int points;
} sweep_run;

/* At frozen weights: independent batches, compared with the gradient of the whole set. */
typedef struct frozen_figures {
    int draws;                          /* 0: not measured */
    double variance, variance_expected; /* mean |g_B - G|^2, g_B the mean over the batch; tr(S) (1/B - 1/N) */
    double variance_error;              /* standard error of that mean */
    double cosine, cosine_expected;     /* mean; 1 / sqrt(1 + B_simple (1/B - 1/N)) */
    double cosine_error;
    double loss_spread,
        loss_expected; /* standard deviation of the batch's loss; that of the examples times sqrt(1/B - 1/N) */
} frozen_figures;

typedef struct frozen_point {
    const char *name;     /* "start", "middle", "target"; NULL: not measured */
    uint64_t step;        /* of the run whose weights are frozen */
    double loss;          /* mean over the training set */
    double trace, square; /* tr(S) and |G|^2 of the whole set: exact for dense layers, else estimated from groups */
    frozen_figures batch[SWEEP_BATCHES]; /* in the sweep's order */
} frozen_point;

/* A mean over seeds, and its standard deviation (NaN with one seed). value NaN: not known. */
typedef struct sweep_mean {
    double value, spread;
    int seeds;
} sweep_mean;

typedef struct sweep_batch {
    uint64_t batch;
    double lr;
    double lr_given;              /* by the caller; 0: searched or scaled */
    bool lr_edge;                 /* the search ended at the limit of its range */
    row_outcome outcome;          /* of most seeds */
    char why[160];                /* why it was not measured, or not completely */
    int seeds, reached, diverged; /* runs on fresh seeds, and their outcomes */
    int searches;                 /* runs of the search */
    bool lowered;                 /* a run on a fresh seed diverged at the rate found, and lr is half of it */
    bool added;                   /* not asked for: expected to be better than its neighbors */
    bool failed_check;            /* its command fell short when it was checked, and that run counts as another seed */
    bool missed_check;            /* it did not reach the target then */

    double step_seconds; /* median over the rounds */
    int rounds;
    double examples_per_s;
    uint64_t memory_forecast, memory_used;
    bool memory_elsewhere; /* runs made elsewhere do not count in memory_used */
    uint32_t tile, tiles;
    int resident;

    noise_scale_range noise;         /* from the start to the target, all seeds */
    double noise_end[NOISE_WINDOWS]; /* over training: where each window of examples ends, */
    noise_scale_range noise_window[NOISE_WINDOWS];
    int noise_windows;
    uint32_t noise_group;       /* examples of the groups that were compared, as in tas_noise */
    const char *noise_obstacle; /* why it cannot be estimated, as the end of a sentence; NULL: it can */

    sweep_mean steps, examples, epochs, seconds; /* to the target: geometric means, the spread in log */
    sweep_mean best_loss, last_loss, best_accuracy, last_accuracy, epochs_to_best; /* validation */
    sweep_mean gap_equal_loss, gap_equal_epochs, gap_equal_steps;    /* validation loss minus training loss */
    sweep_mean loss_equal_loss, loss_equal_epochs, loss_equal_steps; /* validation loss at the same moments */
    sweep_mean
        fluctuation; /* of the weights late in a run: |w - mean w|^2 / |w|^2 along stretches from the same weights */
    sweep_mean seed_spread;          /* and between the ends of such stretches, that differ in their shuffles alone */
    sweep_mean loss_compared;        /* the validation loss that decides: see loss_to_compare() in aggregate.c */
    double worse_low, worse_high;    /* it minus that of the best of the others: see stats/best.h */
    double lr_edge_of_stability;     /* the lowest rate at which a run of the search diverged; NaN: none did */
    double test_loss, test_accuracy; /* NaN: not evaluated */
} sweep_batch;

/* One of the targets on the way down, for all batches: every run passes through many. */
typedef struct sweep_level {
    double target; /* of the target's own measure */
    double epochs; /* that the base batch takes; NaN: not known */
    sweep_mean steps[SWEEP_BATCHES], examples[SWEEP_BATCHES], seconds[SWEEP_BATCHES]; /* geometric means */
    int reached[SWEEP_BATCHES]; /* runs on fresh seeds that stayed there */
    fit_curve curve;
    int best; /* the batch that takes the least time, counting seeds that missed it; of those that most reached it with;
                 -1: none */
} sweep_level;

/* The printed command, run on a seed of its own: what was promised, and what it did. */
typedef struct sweep_check {
    uint64_t batch, seed;
    double lr;
    double promised_low, promised_high;              /* seconds; NaN: not known */
    bool reached, held;                              /* the target; and all that was promised */
    double steps, examples, seconds, loss, accuracy; /* NaN: not reached, not known */
} sweep_check;

/* Branches from one moment of a run: the largest batch that is as good at equal examples (arXiv 2505.23971). */
typedef struct sweep_branch {
    uint64_t step, examples;
    double loss;                                                            /* there */
    fit_range critical;                                                     /* examples */
    fit_range b_crit;                                                       /* as of a curve: see critical.h */
    const char *why;                                                        /* critical is unknown; static; else "" */
    double progress;                                                        /* of the smallest batch */
    int repeats, batches;                                                   /* of the branches */
    double batch[FIT_BATCHES], difference[FIT_BATCHES], error[FIT_BATCHES]; /* of the loss, against the smallest */
} sweep_branch;

/* Runs whose batch grew on the way, to the same target. A step takes as long as when steps were timed. */
typedef struct sweep_grown {
    int seeds, reached; /* 0: none was made */
    sweep_mean steps, examples, seconds;
    double seconds_deciding; /* of `seconds`, spent in branches, mean */
    char schedule[256];      /* of its first run, as --batch-schedule takes it */
} sweep_grown;

struct tas_sweep {
    tas_context *context;
    tas_sweep_options options; /* strings and arrays are the sweep's own */
    char net[4096], data[4096], device[64], device_name[128];
    char source[4096];                   /* the file of rows that the runs come from; "": they were made here */
    char notes[1024];                    /* what limits the figures of such rows, in sentences, part of the reason */
    uint64_t examples, validation, test; /* of the sets */
    uint64_t parameters;
    bool rates_given;           /* by the caller: there is no search */
    double target;              /* the deepest; made by the sweep if none was given */
    double search_target;       /* an easier one, at which rates are searched first; NaN: none */
    double taken, paced;        /* seconds of recent runs; and what their steps would take on a quiet machine */
    double depth, search_depth; /* examples that the base batch took to both when they were made; 0: it was not run */
    uint64_t base_batch;        /* at which it was made, or is judged how deep it is; 0: that was not run */
    double base_epochs, base_best; /* that it takes there; the best that this run saw; NaN: not known */
    sweep_level level[SWEEP_TARGETS];
    int levels; /* from the shallowest to the deepest, which is the target */
    sweep_check check[SWEEP_CHECKS];
    int checks;
    sweep_branch branch[SWEEP_BRANCHES];
    int branches;
    sweep_grown grown;
    char target_words[160];      /* "validation loss 0.412 (what B = 64 reaches in one epoch at lr 0.08)" */
    double forecast, elapsed;    /* seconds: the first forecast; in all sessions */
    bool stopped, short_of_time; /* by the caller; batches or seeds were left out for lack of time */
    char left_out[256];          /* what else was left out for lack of time; "": nothing */
    int count;
    sweep_batch batch[SWEEP_BATCHES];
    double equal_loss, equal_epochs; /* where gaps are compared */
    uint64_t equal_steps;
    sweep_run *run;
    int runs, runs_room;
    frozen_point frozen[FROZEN_POINTS];
    recommend_input input; /* rows, in the order of batch[] */
    recommend_row row[SWEEP_BATCHES];
    recommendation advice;
    double more[DEVICES_ROWS]; /* seconds that 1, 2, 4, ... ranks add to a step; */
    int more_count;            /* 0: they are not wanted */
    devices_row on_device[DEVICES_ROWS];
    int on_devices;
    char reason[RECOMMEND_TEXT];
    double nearest;         /* if no batch reached the target: the best value seen, */
    uint64_t nearest_batch; /* and where */
};

/* Few epochs are enough for it: deeper ones may need another batch. */
static inline bool sweep_is_shallow_after(double epochs) { return epochs < 2; }
static inline bool sweep_is_shallow(const tas_sweep *s) { return sweep_is_shallow_after(s->base_epochs); }

/* Whether the batch fits into the memory budget. */
static inline bool sweep_batch_fits(const sweep_batch *b) { return b->outcome != ROW_OVER_BUDGET; }

/* Whether it is a run on a fresh seed at the batch's rate; one that checked the advice counts if it fell short. */
bool sweep_is_figure(const tas_sweep *s, const sweep_batch *b, const sweep_run *r);

/* Runs on fresh seeds at the batch's rate, without those that checked the advice. */
int sweep_count_figures(const tas_sweep *s, const sweep_batch *b);

/* The batch of that size, if its steps were timed; else NULL. */
const sweep_batch *sweep_find_timed(const tas_sweep *s, double batch);

/* Without values it is unknown, whatever the fields hold. */
static inline bool sweep_mean_known(const sweep_mean *m) { return m->seeds > 0 && isfinite(m->value); }

static inline sweep_mean sweep_mean_of(const running *values)
{
    return (sweep_mean){values->count ? values->mean : NAN, sqrt(running_variance(values)), (int)values->count};
}

#endif
