/* Which batch to use, and why. Pure: measurements in, a recommendation out.
 *
 * With S = S_min (1 + B_crit / B) steps to the target, each of a + b B seconds, the time is
 *
 *     T(B) = S_min (a + b B_crit + b B + a B_crit / B),   smallest at B* = sqrt(a B_crit / b), the speed knee
 *
 * and the optimum is flat. The answer is therefore a range (within 5 % of the best) and one measured batch in it. Rows
 * are chosen by the steps that fit.h expects, curve and smooth part together: a row's own mean alone, over three seeds,
 * would be 7 % off. The duration of a step is the row's own, or the line's if it was not timed. What is shown of the
 * chosen row are its own means, as measured; figures of batches that were not measured are fitted, and marked as such.
 *
 * A seed that missed the target costs what its run took. A row of which r runs reached the target, and m did not, is
 * tried (r + m) / r times on average until it is reached (the mean of a geometric distribution), so that its steps and
 * its time count 1 + (m / r) (steps of a missed run / steps to the target) times. A row with misses also loses to one
 * without that is within 5 %.
 *
 * How sure the answer is: each rival is more than 5 % better with at most the probability
 * P(T > (its cost + log 1.05 - the least cost) / error), and these are added up. T has Student's distribution with the
 * freedom of the spread over seeds, since that is estimated from few. error is that of the difference of two costs:
 * from fit.h, the curve's own error included, or of two means of seeds; and of both clocks, CLOCK each. As few seeds
 * may by chance lie close together, the spread is moderated: PRIOR / freedom degrees of freedom of FIT_SEED_SPREAD are
 * added to its square (after Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3, 3), but none to the freedom of T. In
 * simulated sweeps the sentence "above 0.99" is right in 0.99 or more (tests/test_coverage.c). It is not given if
 * something else makes the answer uncertain: the words about confidence never contradict it.
 *
 * A row that the goal would choose may be refused: because it diverged or did not reach the target; because it needs
 * more memory than allowed; because it is above the user's limit, or above a tenth of the data set; because it needs
 * too many times the fewest possible examples; or because its validation loss is worse than the best row's by at least
 * 1 %, and beyond its interval over seeds, which allows for the choice of the best and for the number of rows (Hsu's
 * multiple comparisons with the best, see stats/best.h). (Never because of the gap between training and validation
 * loss, which favors the row that is trained less; and, unless accuracy is the goal, not because of the lowest loss of
 * each run, which disfavors the row that is trained less, but because of the loss at equal training loss: see
 * aggregate.c.) A refusal "decides" if it costs 5 % or more. Figures should come from fresh seeds: those on which a
 * rate was found the best of a grid promise 3 to 9 % too much. */
#ifndef RECOMMEND_H
#define RECOMMEND_H

#include "lab/advice/outcome.h"
#include "stats/fit.h"

#include <tassello/lab.h>

#include <math.h>
#include <stdint.h>

enum {
    RECOMMEND_ROWS = FIT_BATCHES,
    RECOMMEND_DEFAULT = 64, /* if nothing is known: in the middle of 32 to 128 */
    RECOMMEND_DEFAULT_LOW = 32,
    RECOMMEND_DEFAULT_HIGH = 128,
    RECOMMEND_GOALS = TAS_GOAL_MEMORY + 1,
    RECOMMEND_TEXT = 2048 /* bytes, enough for the reason */
};

typedef struct recommend_row {
    uint64_t batch;
    double lr;
    row_outcome outcome;
    double seconds;               /* of a step, without evaluation; 0: not timed, the line a + b B is used */
    double log_steps, log_spread; /* to the target, as in fit_point; of ROW_REACHED alone */
    int seeds;                    /* that reached the target */
    int missed;                   /* that did not */
    double missed_steps;          /* that these took, on average; 0: not known, taken to be as many as to the target */
    double loss; /* validation loss at which rows are compared, mean over seeds: see aggregate.c; NaN: not measured */
    double worse_low, worse_high; /* this less the best of the other rows that reached the target, by best_compare() */
    double memory;                /* bytes; 0: not known */
} recommend_row;

/* 0: no limit, or not known. */
typedef struct recommend_limits {
    double memory;       /* bytes */
    double waste;        /* examples to the target, at most, as a multiple of E_min */
    uint64_t batch_most; /* by the user */
    uint64_t examples;   /* N of the training set: no batch above N / 10 */
} recommend_limits;

typedef struct recommend_input {
    const recommend_row *rows;
    int count;
    tas_goal goal;
    recommend_limits limits;
    fit_time time;          /* if not known, it is fitted to the rows that were timed */
    double lr;              /* for a batch of 64, if nothing better is known; 0: none */
    double shallow_epochs;  /* that shallow_batch takes to a target that is shallow; 0: it is not */
    uint64_t shallow_batch; /* 0: RECOMMEND_DEFAULT */
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
    DECIDED_TIMED,  /* probe only: larger batches are too far from those that were timed, */
    DECIDED_STABLE, /* or no branch has shown that they train */
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
    UNKNOWN_NOT_PLAIN_SGD, /* with momentum or Adam the noise scale is not the critical batch */
    UNKNOWN_NOT_FALLING,   /* the loss does not fall at that rate */
    UNKNOWN_TOO_SHORT,     /* the run is too short for a probe */
    UNKNOWN_NO_TIME,       /* steps take too long for a probe */
    UNKNOWN_NO_MEMORY,     /* a probe needs more memory than there is */
    UNKNOWN_COUPLED,       /* the noise scale cannot be estimated */
    UNKNOWN_FEW,           /* the set is too small for branches */
    UNKNOWN_BRANCHES,      /* branches do not bound the critical batch from below */
    UNKNOWN_STEPS,         /* the durations of a probe's steps do not rise with the batch, or to nothing */
    UNKNOWN_COUNT
} recommend_unknown;

typedef enum recommend_confidence {
    CONFIDENCE_NONE,
    CONFIDENCE_LOW,
    CONFIDENCE_MEDIUM,
    CONFIDENCE_HIGH,
    CONFIDENCE_COUNT
} recommend_confidence;

/* Why the answer is less certain than the measured rows alone make it. */
typedef enum recommend_doubt {
    DOUBT_NONE,
    DOUBT_ONE_BATCH, /* only one batch reached the target */
    DOUBT_NO_CURVE,  /* fewer than three batches did */
    DOUBT_UNMEASURED,
    DOUBT_GAP, /* half or twice the batch is expected to be better, and was not measured */
    DOUBT_ONE_SEED,
    DOUBT_MISSED, /* seeds of the chosen batch missed the target */
    DOUBT_COUNT
} recommend_doubt;

/* Half of the batch, or twice it. */
typedef struct recommend_side {
    uint64_t batch;           /* 0: there is none */
    row_verdict verdict;      /* NOT_MEASURED: a row would have been kept */
    double seconds, examples; /* to the target, as multiples of the recommendation's; NaN: not known */
    bool measured;            /* both are ratios of measured means; otherwise of fitted ones */
} recommend_side;

typedef struct recommendation {
    uint64_t batch, range_low, range_high;
    double lr;        /* NaN: not known; of a default, that of 64 alone */
    int row;          /* -1: it was not measured, but interpolated, or is the default */
    uint64_t measure; /* half or twice the batch, if not measured and expected to be better by 5 %; 0 */
    bool edge;        /* it lies beyond all that was measured: the curve goes on falling there */
    recommend_decision decided;
    int decider; /* the row whose refusal decided; -1: none */
    recommend_unknown unknown;
    double steps, seconds;            /* to the target: the row's own geometric means; NaN: not known */
    bool measured;                    /* seconds too; otherwise the duration of a step is the line's */
    double seconds_low, seconds_high; /* 95 % for the next seed: the spread over seeds, and the error of its mean */
    double knee, knee_low, knee_high; /* B*, fitted; knee NaN: only one end is known, or neither (0 and INFINITY) */
    recommend_side half, twice;
    recommend_confidence confidence;
    recommend_doubt doubt; /* what lowered the confidence */
    /* A lower bound of the probability that no other kept row is more than 5 % better than the best; NaN: not known, or
     * not said because of the doubt. */
    double probability;
    fit_curve curve;
    fit_time time;
    row_verdict verdicts[RECOMMEND_ROWS];
    double
        row_seconds[RECOMMEND_ROWS]; /* to the target: its own mean, or fitted if it was not measured; NaN: not known */
    bool row_measured[RECOMMEND_ROWS];
    double row_fitted[RECOMMEND_ROWS]; /* as the curve and its smooth part expect it, without the cost of misses */
} recommendation;

/* False for more than RECOMMEND_ROWS rows, a limit that is negative or not a number, or an unknown goal. Rows with
 * impossible figures are ignored, and are VERDICT_UNUSABLE. */
bool recommend(const recommend_input *input, recommendation *out);

/* Whether the speed knee is known, or one end of its interval. */
static inline bool recommend_knee_known(const recommendation *r) { return r->knee_low > 0 || r->knee_high < INFINITY; }

/* For probe.c as well: whether the limits make sense; the largest batch they allow; and the choice if nothing is known,
 * 64 or as near to it as the limits and the verdicts allow. */
bool recommend_limits_usable(const recommend_limits *limits);
uint64_t recommend_limits_batch(const recommend_limits *limits);
void recommend_default(const recommend_input *input, recommend_unknown unknown, recommendation *out);

#endif
