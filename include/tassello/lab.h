/* The batch lab: what the batch size does to a network on a data set, and which one to take. A sweep trains at several
 * batches, measures, and recommends one; the probe does so in seconds, from the gradient noise scale. Formulas:
 * McCandlish et al. 2018, arXiv 1812.06162. */
#ifndef TASSELLO_LAB_H
#define TASSELLO_LAB_H

#include <tassello/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tas_goal {
    TAS_GOAL_TIME = 0, /* seconds to the target */
    TAS_GOAL_EXAMPLES, /* examples to the target */
    TAS_GOAL_ACCURACY, /* the best validation loss */
    TAS_GOAL_MEMORY    /* the least memory that reaches the target */
} tas_goal;

/* Where a sweep stands; told between runs and about once a second within one. */
typedef struct tas_sweep_progress {
    const char *doing; /* "times steps", "B 64: searches a rate, lr 0.16"; valid during the call */
    double seconds;    /* since the start */
    double left;       /* expected, were nothing left out for want of time; NaN: not known yet */
    int runs;          /* done */
    const char *note;  /* a line that is worth keeping, such as a forecast that is corrected; NULL: none. Valid during
                          the call */
} tas_sweep_progress;

/* Non-zero ends the sweep (TAS_STOPPED): what is done lies in the state folder. */
typedef int (*tas_sweep_fn)(void *user, const tas_sweep_progress *progress);

typedef struct tas_sweep_options {
    size_t size; /* of this struct: set by tas_sweep_options_init() */
    const uint32_t
        *batches;    /* NULL: 1, 4, 16, 32, 64, 128, 256 and 1024, as far as they are at most a tenth of the set */
    int batch_count; /* at most 32 */
    tas_train_options train; /* optimizer, momentum, weight decay, schedule, warm-up (in steps of B = base_batch), lr:
                                where the search begins, or what is scaled. lr 0: the optimizer's default. batch,
                                epochs, steps, seed, budget, callback: not used */
    const float *rates;      /* one a batch, where they are known: no search. Wants batches and a target; NULL: none */
    int scale;               /* non-zero: no search; rates by train.lr_scaling from train.lr */
    int by_accuracy;         /* the target is an accuracy, else a loss */
    double target;           /* NaN: the validation loss that B = 64 reaches in one epoch */
    int on_train;            /* the target is of the training set's first 2048 examples, else of the validation set */
    tas_goal goal;
    double epochs;       /* most, of a run; 0: as many as the target wants, at most 20 */
    uint64_t examples;   /* trained on; 0: all */
    uint64_t validation; /* examples held out of the training set; 0: a tenth, at most 5000 */
    int seeds;           /* 3; at least 2 */
    double seconds;      /* time limit; 0: none */
    uint64_t budget;     /* bytes of device memory; 0: the device's default */
    uint32_t batch_most; /* the user's own limit to the batch recommended; 0: none */
    double waste;        /* most examples to the target, as a multiple of the fewest possible; 0: no limit */
    uint64_t seed;       /* 1 */
    int brief;           /* non-zero: runs end at the target, and nothing is measured at frozen weights */
    const char *net_name, *data_name; /* NET and DATA in the command and the report; NULL: as they call themselves */
    const char *state;                /* folder to go on from, made where it is not there; NULL: none */
    tas_sweep_fn on_progress;
    void *user;
} tas_sweep_options;
TAS_API void tas_sweep_options_init(tas_sweep_options *options);

typedef struct tas_sweep tas_sweep;

/* Sweeps. The test set (NULL: none) is evaluated at the end, once for each batch; short of time for the recommended
 * batch alone. *out, which is to be closed with tas_sweep_close(), is what is known: set after TAS_OK, TAS_STOPPED and
 * TAS_NOT_REACHED, else NULL. Errors: TAS_NOT_REACHED where no batch reached the target (the text names the nearest),
 * or time left none a run on a fresh seed; TAS_BAD_ARGUMENT for batches larger than the set and a time limit too short
 * for one run (the text says how long one takes); TAS_BAD_DATA for a set of one class alone; TAS_NOT_FINITE where no
 * rate gave a finite step. */
TAS_API tas_status tas_sweep_run(tas_device *device, const tas_network *network, const tas_data *train,
                                 const tas_data *test, const tas_sweep_options *options, tas_sweep **out);
TAS_API void tas_sweep_close(tas_sweep **sweep);

/* What a sweep found, in short. */
typedef struct tas_advice {
    uint32_t batch, range_low, range_high;     /* the range: within 5 % of the best */
    float lr;                                  /* NaN: not known */
    double seconds, seconds_low, seconds_high; /* to the target, 95 %; NaN: not known */
    double b_crit, b_crit_low, b_crit_high;    /* examples; 0 and infinity: no such end; NaN: not known */
    const char *reason;                        /* in words; valid until the sweep is closed */
} tas_advice;
TAS_API void tas_sweep_advice(const tas_sweep *sweep, tas_advice *out);

/* A batch of the sweep, in the order of size. NaN: not known. Figures to the target are geometric means over the seeds
 * that reached it. */
typedef struct tas_sweep_row {
    uint32_t batch;
    double lr;
    double examples_per_s;
    uint64_t memory; /* bytes of device memory that training took; 0: it was not run, or its runs are a state's, made on
                        another device or in another budget */
    double steps, examples, epochs, seconds;
    double loss, accuracy; /* the best on the validation set, mean over the seeds; NaN: the loss has no classes */
    double test_loss, test_accuracy;
    int seeds, reached;  /* runs on fresh seeds; of these, that reached the target */
    const char *verdict; /* "kept", "diverged" ...: why it may be recommended, or not. Static */
    const char *why; /* where it was not measured, or not to its end; "" elsewhere. Valid until the sweep is closed */
} tas_sweep_row;

/* Returns 0 past the last. */
TAS_API int tas_sweep_batch(const tas_sweep *sweep, size_t index, tas_sweep_row *out);

/* The command that trains as the sweep recommends, for a shell; freed by the caller. NULL: no memory. */
TAS_API char *tas_sweep_command(const tas_sweep *sweep);

/* What was to be reached: "validation loss 0.412 (...)"; and the seconds that the sweep took, in all its sessions. */
TAS_API const char *tas_sweep_target(const tas_sweep *sweep);
TAS_API double tas_sweep_seconds(const tas_sweep *sweep);

/* All of it, as JSON and as a report (one self-contained HTML file; its plots are drawn by gnuplot, which must be
 * installed). Either replaces the file as a whole, or leaves it. */
TAS_API tas_status tas_sweep_json(const tas_sweep *sweep, const char *file);

/* The same JSON, on one line; freed by the caller. NULL: no memory. */
TAS_API char *tas_sweep_json_text(const tas_sweep *sweep);
TAS_API tas_status tas_sweep_report(const tas_sweep *sweep, const char *file);

/* Whether a report can be written there, before hours of work: folder, permission, gnuplot. */
TAS_API tas_status tas_report_check(tas_context *context, const char *file);

/* Chooses batch and rate for a run that is about to begin, from a probe on weights of its own, which tells how long
 * steps are, and the noise scale. It takes at most 5 % of the time of the run's steps, or 30 s, whichever is less, and
 * a first start. options->batch and options->lr are written; options->lr, as given, belongs to a batch of 64, and so
 * options->lr_scaling must be none. Why that batch: reason, in sentences. Under momentum or Adam, where the noise scale
 * stays open or is not known within a factor of 4, where the loss does not fall, where the run is too short to be
 * probed, or a probe's time too short for such steps, or where a probe does not fit the memory (the run may), it takes
 * 64 and says so; never more than a tenth of the set. What it finds depends on how fast the device is just then; the
 * run itself depends on options alone. */
TAS_API tas_status tas_auto_batch(tas_device *device, const tas_network *network, const tas_data *train,
                                  tas_train_options *options, char *reason, size_t reason_bytes);

#ifdef __cplusplus
}
#endif

#endif
