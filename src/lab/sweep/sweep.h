/* A sweep: what was asked, what was run, what came of it. sweep.c runs it, race.c searches rates, state.c keeps runs in
 * a folder, facts.c makes a batch's figures of its runs, frozen.c measures gradients at weights that stand still,
 * json.c and report.c tell. */
#ifndef SWEEP_H
#define SWEEP_H

#include "lab/advice/recommend.h"
#include "stats/fit.h"
#include "stats/noise_scale.h"
#include "stats/running.h"

#include <tassello/lab.h>

enum {
    SWEEP_BATCHES = FIT_BATCHES,
    SWEEP_SEEDS = 32,
    SWEEP_SECOND_SEED = 1000003, /* above the sweep's own: of runs that confirm a rate */
    FROZEN_POINTS = 3,           /* the start, the middle, the target */
    NOISE_WINDOWS = 24
};

/* A moment of a run. NaN: not evaluated there. The training loss is that of the set's first examples (LOOK_MOST). */
typedef struct sweep_point {
    uint64_t step, examples;
    double seconds;                                    /* of training alone */
    double train_loss, train_accuracy, loss, accuracy; /* the last two: validation */
    noise_scale noise;                                 /* of the steps since the point before */
} sweep_point;

/* One training run. */
typedef struct sweep_run {
    uint64_t batch, seed;
    double lr;
    bool search;    /* a run of the search for a rate: it may have been given up */
    double give_up; /* of a search: examples, after which a run without the target was lost */
    double start;   /* of a search: the rate that it began with; 0: no search */
    double target;  /* that it was to come to; 0: none yet, it makes the target */
    bool elsewhere; /* from a state: run on another device or in another budget, so that its memory tells nothing */
    row_outcome outcome;
    double steps, seconds; /* to the target; NaN: not reached */
    double final_metric;   /* of a search without a target: the value that it is judged by */
    noise_scale noise;     /* up to the target, or of the whole run */
    uint64_t memory;       /* bytes, the ledger's peak in training */
    sweep_point *point;
    int points;
} sweep_run;

/* At weights that stand still: batches drawn independently, against the gradient of the whole set. */
typedef struct frozen_figures {
    int draws;                          /* 0: not measured */
    double variance, variance_expected; /* mean |g_B - G|^2, g_B the mean over the batch; tr(S) (1/B - 1/N) */
    double variance_error;              /* standard error of that mean */
    double cosine, cosine_expected;     /* mean; 1 / sqrt(1 + B_simple (1/B - 1/N)) */
    double cosine_error;
    double loss_spread, loss_expected; /* standard deviation of the batch's loss; the examples' own sqrt(1/B - 1/N) */
} frozen_figures;

typedef struct frozen_point {
    const char *name;     /* "start", "middle", "target"; NULL: not measured */
    uint64_t step;        /* of the run whose weights they are */
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
    double lr_given;              /* by the caller; 0: it is searched or scaled */
    bool lr_edge;                 /* the search ended at an end of the rates that it may try */
    row_outcome outcome;          /* of most seeds */
    char why[160];                /* where it was not measured, or not to its end: in words */
    int seeds, reached, diverged; /* runs on fresh seeds; of these */
    int searches;                 /* runs of the search */

    double step_seconds; /* median of the rounds */
    int rounds;
    double examples_per_s;
    uint64_t memory_forecast, memory_used;
    bool memory_elsewhere; /* some runs were made on another device or in another budget: not in memory_used */
    uint32_t tile, tiles;
    int resident;

    noise_scale_range noise;         /* from the start to the target, all seeds */
    double noise_end[NOISE_WINDOWS]; /* over training: windows of examples, their ends; */
    noise_scale_range noise_window[NOISE_WINDOWS];
    int noise_windows;

    sweep_mean steps, examples, epochs, seconds; /* to the target: geometric means, the spread in log */
    sweep_mean best_loss, last_loss, best_accuracy, last_accuracy, epochs_to_best; /* validation */
    sweep_mean gap_equal_loss, gap_equal_epochs, gap_equal_steps;    /* validation loss less training loss */
    sweep_mean loss_equal_loss, loss_equal_epochs, loss_equal_steps; /* validation loss at the same moments */
    sweep_mean
        fluctuation; /* of the weights late in a run: |w - mean w|^2 / |w|^2 along stretches from the same weights */
    sweep_mean seed_spread;          /* and between the ends of such stretches, that differ in their shuffles alone */
    double worse_low, worse_high;    /* validation loss less the best batch's, paired over seeds, 95 % */
    double test_loss, test_accuracy; /* NaN: not evaluated */
} sweep_batch;

struct tas_sweep {
    tas_context *context;
    tas_sweep_options options; /* strings and arrays are the sweep's own */
    char net[4096], data[4096], device[64], device_name[128];
    uint64_t examples, validation, test; /* of the sets */
    uint64_t parameters;
    double target;               /* what is to be reached; made by the sweep where none was given */
    char target_words[160];      /* "validation loss 0.412 (what B = 64 reaches in one epoch at lr 0.08)" */
    double forecast, elapsed;    /* seconds: said beforehand; taken, in all sessions */
    bool stopped, short_of_time; /* by the caller; batches or seeds were left out for want of time */
    char left_out[256];          /* what else was left out for want of time, in words; "": nothing */
    int count;
    sweep_batch batch[SWEEP_BATCHES];
    double equal_loss, equal_epochs; /* where the gaps are compared */
    uint64_t equal_steps;
    sweep_run *run;
    int runs, runs_room;
    frozen_point frozen[FROZEN_POINTS];
    recommend_input input; /* rows, in the order of batch[] */
    recommend_row row[SWEEP_BATCHES];
    recommendation advice;
    char reason[RECOMMEND_TEXT];
    double nearest;         /* where no batch reached the target: the best value seen, */
    uint64_t nearest_batch; /* and where */
};

/* Whether the batch fits into the memory budget. */
static inline bool sweep_batch_fits(const sweep_batch *b) { return b->outcome != ROW_OVER_BUDGET; }

/* Runs on fresh seeds at the batch's rate. */
int sweep_count_figures(const tas_sweep *s, const sweep_batch *b);

/* Without values it is unknown, whatever the fields hold. */
static inline bool sweep_mean_known(const sweep_mean *m) { return m->seeds > 0 && isfinite(m->value); }

static inline sweep_mean sweep_mean_of(const running *values)
{
    return (sweep_mean){values->count ? values->mean : NAN, sqrt(running_variance(values)), (int)values->count};
}

#endif
