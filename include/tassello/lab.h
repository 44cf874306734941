/* The batch lab: how the batch size affects the training of a network on a data set, and which one to use. A sweep
 * trains at several batch sizes, measures, and recommends one. A probe recommends one within seconds, from the gradient
 * noise scale or from branches. Formulas: McCandlish et al. 2018, arXiv 1812.06162. */
#ifndef TASSELLO_LAB_H
#define TASSELLO_LAB_H

#include <tassello/model.h>
#include <tassello/scale.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tas_goal {
    TAS_GOAL_TIME = 0, /* seconds to the target */
    TAS_GOAL_EXAMPLES, /* examples to the target */
    TAS_GOAL_ACCURACY, /* the best validation loss */
    TAS_GOAL_MEMORY    /* the least memory that reaches the target */
} tas_goal;

/* "time", "examples", "accuracy", "memory"; NULL for other values. */
TAS_API const char *tas_goal_name(tas_goal goal);

/* The progress of a sweep, reported between runs and about once a second during a run. */
typedef struct tas_sweep_progress {
    const char *doing; /* "timing steps", "B = 64: searching for a rate, lr 0.16"; valid during the call */
    double seconds;    /* since the start */
    double left;       /* expected, if nothing is left out for lack of time; NaN: not known yet */
    int runs;          /* completed */
    /* A line worth keeping, such as a corrected forecast; NULL: none. Valid during the call. */
    const char *note;
} tas_sweep_progress;

/* Non-zero stops the sweep (TAS_STOPPED). Completed runs remain in the state folder. */
typedef int (*tas_sweep_fn)(void *user, const tas_sweep_progress *progress);

typedef struct tas_sweep_options {
    size_t size; /* of this struct: set by tas_sweep_options_init() */
    /* NULL: those of 1, 4, 16, 32, 64, 128, 256 and 1024 that are at most a tenth of the set. */
    const uint32_t *batches;
    int batch_count; /* at most 32 */
    /* Optimizer, momentum, weight decay, schedule, warm-up (in steps of a batch of base_batch) and lr: where the search
     * begins, or what is scaled; lr 0: the optimizer's default. Batch, epochs, steps, seed, budget and callback are
     * ignored. */
    tas_train_options train;
    /* One per batch, if the rates are known: no search. Requires batches and a target. NULL: none. */
    const float *rates;
    int scale;       /* non-zero: no search; train.lr is scaled by train.lr_scaling */
    int by_accuracy; /* the target is an accuracy; otherwise a loss */
    /* NaN: 1.02 times the best validation loss that a batch of 64 sees before it stops improving, or the deepest that
     * the time allows. TAS_BAD_ARGUMENT for one that an untrained network or the frequencies of classes meet. */
    double target;
    int on_train; /* the target is measured on the first 2048 training examples, not on the validation set */
    tas_goal goal;
    double epochs;       /* of a run, at most; 0: as many as the target needs, at most 20 */
    uint64_t examples;   /* to train on; 0: all */
    uint64_t validation; /* examples held out of the training set; 0: a tenth, at most 5000 */
    int seeds;           /* 3; at least 2 */
    double seconds;      /* time limit; 0: none */
    uint64_t budget;     /* bytes of device memory; 0: the device's default */
    uint32_t batch_most; /* recommend no larger batch; 0: no limit */
    double waste;        /* examples to the target, at most, as a multiple of the fewest possible; 0: no limit */
    uint32_t ranks; /* also say which batch to use on 2, 4, ... so many devices, up to 4096; 0 or 1: on one alone */
    tas_link link;  /* between them; ranks above 1 require it */
    uint64_t seed;  /* 1 */
    int branch;     /* non-zero: the critical batch is measured at several moments of a run, from branches */
    int grow;       /* non-zero: two runs whose batch grows on the way, from the base batch on */
    int brief;      /* non-zero: runs end at the target, and nothing is measured at frozen weights */
    /* NET and DATA in the command and the report; NULL: their own names. */
    const char *net_name, *data_name;
    const char *state; /* folder to resume from, created if missing; NULL: none */
    tas_sweep_fn on_progress;
    void *user;
} tas_sweep_options;
TAS_API void tas_sweep_options_init(tas_sweep_options *options);

typedef struct tas_sweep tas_sweep;

/* Runs a sweep. The test set (NULL: none) is evaluated at the end, once per batch; if time is short, for the
 * recommended batch only. *out is what is known, to be closed with tas_sweep_close(): set after TAS_OK, TAS_STOPPED and
 * TAS_NOT_REACHED, otherwise NULL. Errors: TAS_NOT_REACHED if no batch reached the target (the text names the nearest),
 * or if no batch had time for a run on a fresh seed; TAS_BAD_ARGUMENT for batches larger than the set and for a time
 * limit too short for one run (the text says how long one takes); TAS_BAD_DATA for a set with only one class;
 * TAS_NOT_FINITE if no learning rate gave a finite loss. */
TAS_API tas_status tas_sweep_run(tas_device *device, const tas_network *network, const tas_data *train,
                                 const tas_data *test, const tas_sweep_options *options, tas_sweep **out);
TAS_API void tas_sweep_close(tas_sweep **sweep);

/* The result in short. */
typedef struct tas_advice {
    int known; /* 0: too little was measured to recommend a batch, as the reason says; `batch` is a usual one */
    uint32_t batch, range_low, range_high;     /* the range: within 5 % of the best */
    float lr;                                  /* NaN: not known */
    double seconds, seconds_low, seconds_high; /* to the target, 95 %; NaN: not known */
    double b_crit, b_crit_low, b_crit_high;    /* examples; 0 and infinity: no such bound; NaN: not known */
    const char *reason;                        /* in sentences; valid until the sweep is closed */
} tas_advice;
TAS_API void tas_sweep_advice(const tas_sweep *sweep, tas_advice *out);

/* One batch of the sweep. NaN: not known. Figures to the target are geometric means over the seeds that reached it. */
typedef struct tas_sweep_row {
    uint32_t batch;
    double lr;
    double examples_per_s;
    /* Bytes of device memory that training used. 0: it was not run, or its runs come from a state and were made on
     * another device or with another budget. */
    uint64_t memory;
    double steps, examples, epochs, seconds;
    double loss, accuracy; /* the best on the validation set, mean over the seeds; NaN: the loss has no classes */
    double test_loss, test_accuracy;
    /* The validation loss by which batches are compared, see tas_sweep_facts; and the interval of it minus that of the
     * best of the other batches: 95 % for all batches together. Infinite ends: not known. */
    double compared, worse_low, worse_high;
    int seeds, reached;        /* runs on fresh seeds; how many of them reached the target */
    const char *verdict;       /* "kept", "diverged", ...: whether it may be recommended. Static */
    const char *short_verdict; /* the same in at most 14 characters */
    const char *why; /* why it was not measured, or not completely; otherwise "". Valid until the sweep is closed */
} tas_sweep_row;

/* In ascending order of the batch. Returns 0 after the last one. */
TAS_API int tas_sweep_batch(const tas_sweep *sweep, size_t index, tas_sweep_row *out);

/* The target, and how deep it is. NaN: not known. */
typedef struct tas_sweep_facts {
    double target; /* a loss, or an accuracy */
    int by_accuracy, on_train;
    uint32_t base_batch;  /* at which depth is judged; 0: it was not run */
    double base_epochs;   /* that it takes to the target */
    double base_best;     /* the best value that it saw at all */
    double compared_at;   /* the training loss at which validation losses are compared; NaN: the lowest ones are */
    double seconds_limit; /* 0: none */
} tas_sweep_facts;
TAS_API void tas_sweep_get_facts(const tas_sweep *sweep, tas_sweep_facts *out);

/* One of the targets on the way down, as every run passes through many. Figures of the best batch are geometric means
 * over the seeds that reached it. NaN: not known. */
typedef struct tas_level {
    double target;
    double epochs;                          /* that the base batch takes to it */
    double b_crit, b_crit_low, b_crit_high; /* fitted; 0 and infinity: no such bound */
    uint32_t best;                          /* the batch with the least time; 0: not known */
    double best_steps, best_examples, best_seconds;
} tas_level;

/* From the shallowest to the deepest, which is the target. Returns 0 after the last one. */
TAS_API int tas_sweep_level(const tas_sweep *sweep, size_t index, tas_level *out);

/* A run of the recommended settings on a seed of its own: what was promised, and what it did. */
typedef struct tas_check {
    uint32_t batch;
    uint64_t seed;
    double lr;
    double promised_low, promised_high;              /* seconds to the target; NaN: not known */
    int reached, held;                               /* the target; all that was promised */
    double steps, examples, seconds, loss, accuracy; /* NaN: not reached, not known */
} tas_check;

/* In the order in which they were made; the last one is that of the advice. Returns 0 after it. */
TAS_API int tas_sweep_check(const tas_sweep *sweep, size_t index, tas_check *out);

/* Runs on fresh seeds whose batch grew on the way to the target. Figures are geometric means over those that reached
 * it; NaN: not known. */
typedef struct tas_grown {
    int seeds, reached;
    double steps, examples, seconds;
    double seconds_deciding; /* of `seconds` */
    const char *schedule;    /* of the first run: "64,256:256"; valid until the sweep is closed */
} tas_grown;

/* Returns 0 if there were no such runs. */
TAS_API int tas_sweep_grown(const tas_sweep *sweep, tas_grown *out);

/* Branches from one moment of a run at the base batch, with `branch`: the largest batch that is as good at equal
 * examples (Merrill et al. 2025, arXiv 2505.23971). */
typedef struct tas_sweep_moment {
    uint64_t step, examples;
    double loss;                                  /* there */
    double critical, critical_low, critical_high; /* 95 %; NaN, 0 and infinity: not known */
    const char *why;                              /* it is not known; "". Valid until the sweep is closed */
} tas_sweep_moment;

/* In the order of training. Returns 0 after the last one. */
TAS_API int tas_sweep_branch(const tas_sweep *sweep, size_t index, tas_sweep_moment *out);

/* With options.ranks: a forecast for several devices like this one, from the curve of the steps, the duration of a
 * step, and the exchange (scale.h), with as many shards as devices. */
typedef struct tas_sweep_devices {
    uint32_t devices;
    /* The power of two with the least time to the target: at most the largest batch that reached it, or that the limits
     * allow. */
    uint32_t batch;
    double knee;     /* the batch with the least time on the fitted curve, without these limits; NaN: not known */
    double seconds;  /* to the target */
    double speedup;  /* against one device, with the best batch for that */
    double examples; /* to the target, as a multiple of the fewest possible; NaN: not known */
    int wasted;      /* the knee is above the critical batch: more than half of the examples are spent to save time */
} tas_sweep_devices;

/* For 1, 2, 4, ... devices. Returns 0 after the last one, and if nothing is known of several devices. */
TAS_API int tas_sweep_on_devices(const tas_sweep *sweep, size_t index, tas_sweep_devices *out);

/* The command line that trains as recommended, for a shell; freed by the caller. NULL: nothing is recommended, since
 * too little was measured (the advice's reason says what is missing); the runs are of another program; or no memory. */
TAS_API char *tas_sweep_command(const tas_sweep *sweep);

/* How a run of that command ends, in a sentence; freed by the caller. NULL: there is no command, or no memory. */
TAS_API char *tas_sweep_command_end(const tas_sweep *sweep);

/* The target: "validation loss 0.412 (...)". */
TAS_API const char *tas_sweep_target(const tas_sweep *sweep);

/* Seconds that the sweep took, in all its sessions. */
TAS_API double tas_sweep_seconds(const tas_sweep *sweep);

/* Writes everything as JSON. Replaces the file completely, or not at all. */
TAS_API tas_status tas_sweep_json(const tas_sweep *sweep, const char *file);

/* The same JSON on one line; freed by the caller. NULL: no memory. */
TAS_API char *tas_sweep_json_text(const tas_sweep *sweep);

/* Writes a report: one self-contained HTML file with plots drawn by gnuplot, which must be installed. Replaces the file
 * completely, or not at all. */
TAS_API tas_status tas_sweep_report(const tas_sweep *sweep, const char *file);

/* The style sheet of reports, for pages that look like them. A static text. */
TAS_API const char *tas_report_style(void);

/* Whether a report can be written there, before hours of work: folder, permission, gnuplot. */
TAS_API tas_status tas_report_check(tas_context *context, const char *file);

/* Chooses batch and learning rate for a run that is about to begin, with a probe on weights of its own: the duration
 * of steps, and for plain SGD the gradient noise scale. For other optimizers it is the critical batch from branches:
 * short continuations of a short training, at several batches on the same examples (arXiv 2505.23971), for three times
 * as long as the optimizer remembers gradients, and as many times as it takes or there is time for. Apart from a first
 * start the probe takes at most 5 % of the time of the run's steps or 30 s, whichever is less. Writes options->batch
 * and options->lr. On entry options->lr is the rate for a batch of 64, so options->lr_scaling must be none; with
 * branches it is scaled with the power 0.75 of the batch for SGD and LARS, 0.5 for the others. reason: why that batch,
 * in sentences. It never chooses more than a tenth of the set, nor, with branches, more than they have shown to train.
 * It falls back to 64, and says so: if the noise scale is not known within a factor of 4, or branches give no lower
 * bound; if the loss does not fall; if the run, or the time for a probe, is too short, or the set too small; and if
 * the probe does not fit into memory (the run still may). The choice depends on the current speed of the device; the
 * run itself depends on options alone. */
TAS_API tas_status tas_auto_batch(tas_device *device, const tas_network *network, const tas_data *train,
                                  tas_train_options *options, char *reason, size_t reason_bytes);

/* Advice from figures that any program can write ------------------------------------------------------------------- */

typedef struct tas_advise_options {
    size_t size;         /* of this struct: set by tas_advise_options_init() */
    const char *name;    /* of the rows, for messages and the report; NULL: the file's */
    double target_loss;  /* NaN: 1.02 times the best loss of the batch nearest to 64, or the lowest that most batches
                            reach. Only with one row per evaluation: rows of runs have a target already */
    tas_goal goal;       /* all except memory, of which the rows say nothing */
    uint64_t examples;   /* in the training set, for epochs and for the limit of a tenth of it; 0: not known */
    uint32_t batch_most; /* recommend no larger batch; 0: no limit */
    double waste;        /* examples to the target, at most, as a multiple of the fewest possible; 0: no limit */
} tas_advise_options;
TAS_API void tas_advise_options_init(tas_advise_options *options);

/* Makes a sweep of training runs that another program made, for tas_sweep_advice(), tas_sweep_batch(),
 * tas_sweep_json() and tas_sweep_report(). No device is needed. The text is CSV (RFC 4180, or tabs), or one JSON object
 * per line:
 *
 *     batch,lr,seed,steps,seconds,loss     one row per run: steps and seconds to the target; no steps: not reached
 *     batch,lr,seed,examples,seconds,loss  one row per evaluation, in the order of the run
 *
 * with accuracy and train_loss if they are known, in any order; other columns are ignored. A loss of nan or inf is a
 * run that diverged. If a batch was run at several rates, the best of them by its mean over seeds is used. As in a
 * sweep, *out is set after TAS_OK and TAS_NOT_REACHED (no batch reached the target), and is to be closed with
 * tas_sweep_close(). TAS_BAD_DATA names file, line, column and what was expected. */
TAS_API tas_status tas_advise_open(tas_context *context, const char *file, const tas_advise_options *options,
                                   tas_sweep **out);

/* The same of a text in memory. */
TAS_API tas_status tas_advise_open_text(tas_context *context, const char *text, size_t bytes,
                                        const tas_advise_options *options, tas_sweep **out);

/* Writes a sweep's evaluations, of its runs on fresh seeds, as CSV with one row per evaluation. Seconds are steps times
 * the step time that the sweep measured for the batch. Replaces the file completely, or not at all. */
TAS_API tas_status tas_sweep_runs(const tas_sweep *sweep, const char *file);

/* The gradient noise scale from the squared norms of the mean gradients of a small and a big batch at the same weights,
 * such as one worker's and that of all workers in data-parallel training (McCandlish et al. 2018, appendix A.1). */
typedef struct tas_advise_noise_range {
    uint64_t first, last; /* steps */
    tas_noise noise;
} tas_advise_noise_range;

enum { TAS_ADVISE_NOISE_PARTS = 4 };

typedef struct tas_advise_noise {
    tas_advise_noise_range all;
    tas_advise_noise_range
        part[TAS_ADVISE_NOISE_PARTS]; /* the rows in quarters, as the noise scale grows in training */
    int parts;                        /* 0: too few rows */
    uint64_t skipped;                 /* rows whose norms are not finite */
    double trace, square;             /* means: tr(S) and |G|^2 */
    double batch;                     /* geometric mean of the big batches */
    char reason[1024];                /* what it may be used for, in sentences */
} tas_advise_noise;

/* CSV or JSON lines with step, small_batch, small_norm_sq, big_batch, big_norm_sq. examples: those of a set from which
 * batches are drawn without replacement; 0: not known, or endless. name: for errors. */
TAS_API tas_status tas_advise_noise_text(tas_context *context, const char *name, const char *text, size_t bytes,
                                         uint64_t examples, tas_advise_noise *out);

/* A batch that grows during a run. When a 16th of an epoch is over, and each time the examples have grown by half
 * since then, it is decided whether the batch becomes 2, 4 or 8 times as large: by the gradient noise scale of the run
 * so far, if options.noise is set, which decides alone with plain SGD and is a lower bound with momentum and Adam; and
 * beyond it by branches of the run at the batch and at a multiple of it (see tas_auto_batch()), after which the run
 * goes on as if there had been none. Branches wait until they have taken no more than a share of the examples trained
 * on so far. Decisions depend on losses and gradients alone, never on a clock: the run is a function of its settings,
 * and a run with the same batches as changes of its options has the same bits. The batch stays at most
 * options.batch_most of the run, and a tenth of its examples.
 *
 *     tas_run_open(model, data, &options, &run);           options.batch: the first; batch_most: the largest;
 *     tas_growth_open(run, judge, &growing, &growth);      lr_scaling: such as tas_growth_scaling()
 *     while (result.steps < tas_run_steps(run)) {
 *         tas_run_advance(run, tas_growth_left(growth), &result);
 *         tas_growth_decide(growth);
 *     }
 */
typedef struct tas_growth tas_growth;

typedef struct tas_growth_options {
    size_t size;  /* of this struct: set by tas_growth_options_init() */
    double share; /* of the examples trained on so far, that branches may have trained on, at most (0.05) */
} tas_growth_options;
TAS_API void tas_growth_options_init(tas_growth_options *options);

/* The scaling of the rate that suits a batch that grows far: the square root, for any optimizer. */
TAS_API tas_lr_scaling tas_growth_scaling(tas_optimizer optimizer);

/* The largest batch that a run on so many examples may grow to from its first: a power of two times it, at most a tenth
 * of the examples, and at most `most` unless that is 0. */
TAS_API uint32_t tas_growth_most(uint64_t examples, uint32_t first, uint32_t most);

/* judge: the examples whose loss is compared, open as long as the growth is. TAS_BAD_ARGUMENT for a run whose batch or
 * rate is planned by its steps. Closed before the run is. */
TAS_API tas_status tas_growth_open(tas_run *run, const tas_data *judge, const tas_growth_options *options,
                                   tas_growth **out);
TAS_API void tas_growth_close(tas_growth **growth);

/* The decisions so far as a text, such as for tas_run_save(); *text is freed with free(). tas_growth_resume() goes on
 * from it on a run that tas_run_resume() has given: later decisions are those of a run without interruption.
 * TAS_BAD_DATA if the text is damaged; TAS_BAD_ARGUMENT, beside what tas_growth_open() refuses, if the length of the
 * run, the options or the judge are others. */
TAS_API tas_status tas_growth_save(const tas_growth *growth, char **text);
TAS_API tas_status tas_growth_resume(tas_run *run, const tas_data *judge, const tas_growth_options *options,
                                     const char *text, tas_growth **out);

/* Steps until the batch is to be decided: 0 if it is now, UINT64_MAX if it never is again. */
TAS_API uint64_t tas_growth_left(const tas_growth *growth);

/* Decides if it is time to, and otherwise does nothing. */
TAS_API tas_status tas_growth_decide(tas_growth *growth);

/* The changes so far, as tas_train_options takes them; valid until the next decision. */
TAS_API const tas_batch_change *tas_growth_changes(const tas_growth *growth, int *count);

/* What the decisions so far have taken: examples that branches were trained on, and seconds. */
typedef struct tas_growth_cost {
    uint64_t examples;
    double seconds;
    int decisions;
} tas_growth_cost;
TAS_API tas_growth_cost tas_growth_get_cost(const tas_growth *growth);

#ifdef __cplusplus
}
#endif

#endif
