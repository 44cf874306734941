/* Which batch to take, and why. Pure, as noise.h is: rows of measurements in, a recommendation out.
 *
 * With S = S_min (1 + B_crit / B) steps to the target, each of a + b B seconds, the time is
 *
 *     T(B) = S_min (a + b B_crit + b B + a B_crit / B),   least at B* = sqrt(a B_crit / b), the speed knee
 *
 * and the optimum is flat: so the answer is a range (within 5 % of the best) and one batch in it, which was
 * measured. Each row's steps are those that fit.h expects, curve and smooth part: its own mean alone, of three
 * seeds, would be 7 % off. Its step's time is its own, else the line's.
 *
 * A row that the goal would take may be refused: it did not converge or reach the target; it wants more memory than
 * allowed; it is above the user's limit, or above a tenth of the data set; it takes too many times the fewest
 * possible examples; its validation loss is worse than the best row's by 1 % at least, and beyond the paired interval
 * over seeds. (Never the gap between training and validation: that favours the row that is trained less. And, unless
 * accuracy is the goal, not the lowest loss of each run, which is against the row that is trained less: but the loss at
 * equal training loss. See facts.c.) A refusal "decides" where it costs 5 % or more. Figures should come from fresh
 * seeds: those on which a rate was found the best of a grid promise 3 to 9 % too much. */
#ifndef RECOMMEND_H
#define RECOMMEND_H

#include "lab/advice/outcome.h"
#include "stats/fit.h"

#include <stdint.h>

enum {
    RECOMMEND_ROWS = FIT_BATCHES,
    RECOMMEND_DEFAULT = 64, /* where nothing is known: in the middle of 32 to 128, which is a good start for most */
    RECOMMEND_DEFAULT_LOW = 32,
    RECOMMEND_DEFAULT_HIGH = 128,
    RECOMMEND_TEXT = 2048 /* bytes that the reason fits in */
};

typedef struct recommend_row {
    uint64_t batch;
    double lr;
    row_outcome outcome;
    double seconds;               /* of a step, evaluation excluded; 0: not timed, and the line a + b B stands in */
    double log_steps, log_spread; /* to the target, as in fit_point; of ROW_REACHED alone */
    int seeds;
    double loss; /* validation loss, mean over seeds: where rows can be compared, see facts.c; NaN: not measured */
    double worse_low, worse_high; /* this less the loss of the row with the best, by compare_paired(); 0 for that row */
    double memory;                /* bytes; 0: not known */
} recommend_row;

typedef enum recommend_goal { GOAL_TIME, GOAL_EXAMPLES, GOAL_ACCURACY, GOAL_MEMORY, GOAL_COUNT } recommend_goal;

/* 0: no such limit, or not known. */
typedef struct recommend_limits {
    double memory;       /* bytes */
    double waste;        /* most examples to the target, as a multiple of E_min */
    uint64_t batch_most; /* the user's own */
    uint64_t examples;   /* N of the training set: no batch above N / 10 */
} recommend_limits;

typedef struct recommend_input {
    const recommend_row *rows;
    int count;
    recommend_goal goal;
    recommend_limits limits;
    fit_time time; /* where not known it is fitted to the rows that were timed */
    double lr;     /* for a batch of 64, where nothing better is known; 0: none */
} recommend_input;

typedef enum row_verdict {
    VERDICT_KEPT,
    VERDICT_NOT_MEASURED,
    VERDICT_UNUSABLE, /* a figure is impossible: NaN, a time below 0, no seeds */
    VERDICT_DIVERGED,
    VERDICT_UNDERTRAINED,
    VERDICT_MEMORY,
    VERDICT_LIMIT,
    VERDICT_DATA,
    VERDICT_WASTE,
    VERDICT_LOSS,
    VERDICT_COUNT
} row_verdict;

typedef enum recommend_decision {
    DECIDED_DEFAULT, /* nothing is known: `unknown` says why */
    DECIDED_SPEED,   /* the speed knee */
    DECIDED_GOAL,    /* the goal's own measure: the fewest examples, the least memory, the best loss */
    DECIDED_CONVERGENCE,
    DECIDED_MEMORY,
    DECIDED_LIMIT,
    DECIDED_DATA,
    DECIDED_WASTE,
    DECIDED_LOSS,
    DECIDED_TIMED, /* of a probe: larger batches are too far from those that were timed */
    DECIDED_COUNT
} recommend_decision;

typedef enum recommend_unknown {
    UNKNOWN_NOTHING,
    UNKNOWN_NO_ROWS,
    UNKNOWN_NONE_REACHED,
    UNKNOWN_ALL_REFUSED,
    UNKNOWN_NOT_TIMED,     /* or, by goal: no loss, no memory */
    UNKNOWN_NOISE_OPEN,    /* the noise scale has no upper end yet */
    UNKNOWN_NOISE_WIDE,    /* or its interval is wider than a factor of 4 */
    UNKNOWN_NOT_PLAIN_SGD, /* under momentum or Adam the noise scale is no critical batch */
    UNKNOWN_NOT_FALLING,   /* the loss does not fall at that rate */
    UNKNOWN_TOO_SHORT,     /* the run is too short for a probe */
    UNKNOWN_NO_TIME,       /* a probe's time was over before it knew enough: steps are long */
    UNKNOWN_NO_MEMORY,     /* a probe wants more memory than there is */
    UNKNOWN_COUNT
} recommend_unknown;

typedef enum recommend_confidence {
    CONFIDENCE_NONE,
    CONFIDENCE_LOW,
    CONFIDENCE_MEDIUM,
    CONFIDENCE_HIGH,
    CONFIDENCE_COUNT
} recommend_confidence;

/* Half of the batch, or twice it. */
typedef struct recommend_side {
    uint64_t batch;           /* 0: there is none */
    row_verdict verdict;      /* NOT_MEASURED: a row would have been kept */
    double seconds, examples; /* to the target, as multiples of the recommendation's; NaN: not known */
} recommend_side;

typedef struct recommendation {
    uint64_t batch, range_low, range_high;
    double lr;        /* NaN: not known; of a default, that of 64 alone */
    int row;          /* -1: it was not measured, but interpolated, or is the default */
    uint64_t measure; /* half or twice the batch, where it was not measured and is expected to be better by more than 5
                         %; 0 */
    bool edge;        /* it lies beyond all that was measured: the curve goes on falling there */
    recommend_decision decided;
    int decider; /* the row whose refusal decided; -1: none */
    recommend_unknown unknown;
    double steps, seconds;            /* to the target, expected; NaN: not known */
    double seconds_low, seconds_high; /* 95 % for the next seed: the spread over seeds, and the error of its mean */
    double knee, knee_low, knee_high; /* B*, from the interval of B_crit; NaN, or 0 and INFINITY, where not known */
    recommend_side half, twice;
    recommend_confidence confidence;
    /* At least this: that no row that was kept is more than 5 % better than the best of them; NaN: not known. */
    double probability;
    fit_curve curve;
    fit_time time;
    row_verdict verdicts[RECOMMEND_ROWS];
    double row_seconds[RECOMMEND_ROWS]; /* to the target, expected; NaN: not known */
} recommendation;

/* False where there is nothing to answer to: more than RECOMMEND_ROWS rows, a limit that is no number or below 0, no
 * such goal. Rows with impossible figures are left out, and are VERDICT_UNUSABLE. */
bool recommend(const recommend_input *input, recommendation *out);

/* For both: the limits make sense; the largest batch of the user's limit and of a tenth of the data set; and what is
 * taken where nothing is known, 64 or as near to it as the limits and the verdicts allow. */
bool recommend_limits_usable(const recommend_limits *limits);
uint64_t recommend_limits_batch(const recommend_limits *limits);
void recommend_default(const recommend_input *input, recommend_unknown unknown, recommendation *out);

#endif
