/* A model: a network's parameters on a device. Training, evaluation, prediction, checkpoints. */
#ifndef TASSELLO_MODEL_H
#define TASSELLO_MODEL_H

#include <tassello/data.h>
#include <tassello/device.h>
#include <tassello/network.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_model tas_model;

/* Puts a network's parameters on a device, initialised from the seed. *out is closed with tas_model_close(), before its
 * device. The network may be closed before. */
TAS_API tas_status tas_model_open(tas_device *device, const tas_network *network, uint64_t seed, tas_model **out);

/* Reads a checkpoint (safetensors, with the network in its metadata) onto a device. One that was written under another
 * version of the arithmetic contract is read with a note: its weights are good, but what follows from them may differ
 * in bits from what it was there. */
TAS_API tas_status tas_model_load(tas_device *device, const char *file, tas_model **out);

/* Reads the network of a checkpoint without the weights; their names, shapes and bytes are checked against it. *out is
 * closed with tas_network_close(). */
TAS_API tas_status tas_model_load_network(tas_context *context, const char *file, tas_network **out);
TAS_API void tas_model_close(tas_model **model);

/* Writes a checkpoint: to a temporary file beside it, made durable, then renamed. An earlier file survives a failure.
 */
TAS_API tas_status tas_model_save(tas_model *model, const char *file);

/* How the weights came about, in a line of UTF-8: what checkpoints carry of it (metadata "tassello.training"), and what
 * a loaded model's checkpoint did; "" where nothing is known. Set to NULL: nothing. The text is valid until it is set
 * again or the model is closed. */
TAS_API tas_status tas_model_set_training(tas_model *model, const char *text);
TAS_API const char *tas_model_training(const tas_model *model);

/* Bytes of device memory that evaluation and prediction may use, and training where its options have no budget: tiles
 * are cut to fit. 0: as much as the device allows. It changes no result. */
TAS_API void tas_model_set_budget(tas_model *model, uint64_t bytes);

/* The model's network. Valid until the model is closed. */
TAS_API const tas_network *tas_model_network(const tas_model *model);

/* Reads or sets a parameter by its canonical name, in its canonical layout, row-major; count must be its elements.
 * Values set are brought under the contract (magnitudes below 2^-40 become 0); NaN and infinity are refused. */
TAS_API tas_status tas_model_read(tas_model *model, const char *tensor, float *values, size_t count);
TAS_API tas_status tas_model_write(tas_model *model, const char *tensor, const float *values, size_t count);

/* SHA-256 over the parameters' float32 bits, little-endian, tensors in canonical order: 64 hexadecimal digits and a 0.
 */
TAS_API tas_status tas_model_digest(tas_model *model, char hex[65]);

/* Forward: inputs (n, inputs) as float32 (scaled like any float input, and 0 if below 2^-40 in magnitude), outputs (n,
 * outputs): logits under loss softmax. */
TAS_API tas_status tas_predict(tas_model *model, const float *inputs, size_t n, float *outputs);

/* What an evaluation saw. accuracy is -1 under a loss without classes. */
typedef struct tas_score {
    double loss; /* mean over the examples */
    double accuracy;
    uint64_t examples;
    uint64_t correct;    /* exact up to 2^24 */
    uint64_t peak_bytes; /* of the evaluation, as that of tas_train_result */
    uint64_t host_bytes; /* likewise */
} tas_score;
TAS_API tas_status tas_evaluate(tas_model *model, const tas_data *data, tas_score *score);

/* One step that is done. */
typedef struct tas_step {
    uint64_t step;  /* 1 is the first */
    uint64_t steps; /* of the whole run */
    uint64_t epoch; /* 1 is the first */
    uint32_t batch; /* examples in this step */
    float lr;
    float loss;        /* mean over this batch, before the update */
    double seconds;    /* since the start of training */
    uint64_t examples; /* trained on so far */
    double trace,
        square; /* with `noise`: this step's estimates of tr(S) and of |G|^2, see tas_noise; NaN: not measured */
} tas_step;

/* Called after each step, in order. Non-zero ends training after that step (TAS_STOPPED), exactly where `ahead` is 0.
 */
typedef int (*tas_step_fn)(void *user, const tas_step *step);

typedef enum tas_optimizer {
    TAS_SGD = 0, /* v = momentum v + g, w = w - lr v */
    TAS_ADAM,    /* Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1; weight decay is added to the gradient */
    TAS_ADAMW    /* Loshchilov and Hutter 2019 (arXiv 1711.05101): w = w - lr weight_decay w beside it */
} tas_optimizer;

/* The learning rate's course, s being the step from 0 on and `warmup` steps, in which it rises in a line, before it. */
typedef enum tas_schedule {
    TAS_SCHEDULE_CONSTANT = 0,
    TAS_SCHEDULE_STEP,  /* lr decay^floor((s - warmup) / decay_steps) */
    TAS_SCHEDULE_COSINE /* lr_end + (lr - lr_end) (1 + cos(pi (s - warmup) / (steps - warmup))) / 2 */
} tas_schedule;

/* What becomes of lr, which belongs to a batch of base_batch, at another batch: lr k or lr sqrt(k), k = batch /
 * base_batch. */
typedef enum tas_lr_scaling { TAS_SCALING_NONE = 0, TAS_SCALING_LINEAR, TAS_SCALING_SQRT } tas_lr_scaling;

/* Their names: "sgd", "adam", "adamw"; "constant", "step", "cosine"; "none", "linear", "sqrt". NULL for other values,
 * so that a loop from 0 on finds all of them. */
TAS_API const char *tas_optimizer_name(tas_optimizer optimizer);
TAS_API const char *tas_schedule_name(tas_schedule schedule);
TAS_API const char *tas_lr_scaling_name(tas_lr_scaling scaling);

typedef struct tas_train_options {
    size_t size;        /* of this struct: set by tas_train_options_init() */
    uint32_t batch;     /* examples an update; 64 */
    uint64_t epochs;    /* 1; used where steps is 0 */
    uint64_t steps;     /* 0: by epochs */
    float lr;           /* 0.02 */
    float momentum;     /* 0.9; v = momentum v + g, w = w - lr v. Adam and AdamW ignore it */
    int nesterov;       /* w = w - lr (g + momentum v). They ignore it */
    float weight_decay; /* g + weight_decay w, for every parameter; with TAS_ADAMW beside the gradient; 0 */
    tas_optimizer optimizer;
    float beta1, beta2; /* of Adam and AdamW: 0.9, 0.999; 0, or from 1e-18 to below 1 */
    float epsilon;      /* of them: 1e-8; from 1e-18 to 1e6. Their usual lr is 0.001 */
    tas_schedule schedule;
    uint64_t warmup;      /* steps: lr (s + 1) / warmup for s below it; 0 */
    uint64_t decay_steps; /* of the step schedule; no default */
    float decay;          /* 0.1 */
    float lr_end;         /* of the cosine schedule; 0. Scaled as lr is */
    tas_lr_scaling lr_scaling;
    uint32_t base_batch; /* 64 */
    int noise;           /* non-zero: measure the gradient noise scale. No trained bit changes */
    uint64_t seed;       /* of the shuffles; 1 */
    uint64_t budget;     /* bytes of device memory to use; 0: 60 % of a discrete device's, 50 % of a shared one's */
    uint32_t tile;       /* most examples on the device at once; 0: as the budget allows. It changes no result */
    tas_step_fn on_step;
    void *user;
    int ahead; /* 0: wait for each step before on_step is called. 1: keep the device busy, on_step is called late (by at
                  most about a fifth of a second of steps), and steps already given to the device are still done and
                  told of after it returned non-zero */
} tas_train_options;
TAS_API void tas_train_options_init(tas_train_options *options);

/* The learning rate that a run of `steps` has at a step from 0 on: *lr. TAS_BAD_ARGUMENT where its options cannot be.
 * Step `warmup` has lr as it is scaled; step `steps` would come behind the last. A rate that has become less than 2^-60
 * is 0. */
TAS_API tas_status tas_train_lr(tas_context *context, const tas_train_options *options, uint64_t step, uint64_t steps,
                                float *lr);

/* The gradient noise scale tr(S) / |G|^2, in examples: S the covariance of one example's gradient, G the true gradient
 * (McCandlish et al. 2018, arXiv 1812.06162). A ratio of averages over the steps that were measured, with Fieller's 95
 * % interval. */
typedef enum tas_noise_state { TAS_NOISE_UNKNOWN = 0, TAS_NOISE_AT_LEAST, TAS_NOISE_KNOWN } tas_noise_state;
typedef struct tas_noise {
    tas_noise_state state; /* UNKNOWN: the interval holds everything; AT_LEAST: it has no upper end */
    double value;          /* NaN where the average of |G|^2 is not above 0 */
    double low, high;
    uint64_t steps; /* that were measured */
} tas_noise;

/* What a run did. Filled as far as known when training fails or is stopped, too. */
typedef struct tas_train_result {
    uint64_t steps;
    uint64_t examples;
    double seconds; /* training alone: no start, no evaluation */
    double examples_per_s;
    uint64_t peak_bytes; /* of device memory; where the host's is the same, with host_bytes */
    uint64_t host_bytes; /* of the host's: see tas_plan */
    uint32_t tile;       /* examples a tile, at the end */
    int resident;        /* the data set lay on the device; else it was streamed */
    int cuts, replays;   /* times that the device refused memory, or failed and the run went on from a snapshot */
    float last_loss;
    uint64_t bad_step;   /* with TAS_NOT_FINITE: the first such step, else 0 */
    char bad_tensor[64]; /* and the first tensor in it */
    tas_noise noise;     /* where it was asked for */
} tas_train_result;

/* Trains with mini-batches. The optimiser's state, epochs and shuffles start anew with each call: two calls of one
 * epoch are not one call of two. Each epoch is shuffled anew from (seed, epoch). result may be NULL. TAS_STOPPED after
 * tas_cancel() or by the callback: the model holds the weights after the last step done. A device that refuses memory
 * gets smaller tiles, one that fails goes on from a snapshot, where that does not help in a context made anew: with a
 * note a model, and the same bits. Where all that is of no use (TAS_NO_MEMORY, TAS_DEVICE_FAILED), the model holds what
 * the last snapshot has, some step's weights of the last few seconds, on the host: they can be read and saved; before
 * the first snapshot, and where the host has no memory for them, they are not to be relied on. TAS_NOT_FINITE: the
 * model holds the weights before the bad step; where the very last update overflowed, it says so. */
TAS_API tas_status tas_train(tas_model *model, const tas_data *data, const tas_train_options *options,
                             tas_train_result *result);

/* The same in stretches, between which the model can be evaluated, read and saved; momentum, shuffles and bits are
 * those of one call. The run keeps its memory until it is closed, which is before its model and its data; meanwhile the
 * parameters must not be written. */
typedef struct tas_run tas_run;
TAS_API tas_status tas_run_open(tas_model *model, const tas_data *data, const tas_train_options *options,
                                tas_run **out);

/* Up to `steps` more steps, less where the run ends. *result (may be NULL) is of the run so far. After TAS_STOPPED it
 * can go on; after any other failure each call gives that failure again. */
TAS_API tas_status tas_run_advance(tas_run *run, uint64_t steps, tas_train_result *result);
TAS_API uint64_t tas_run_steps(const tas_run *run); /* of the whole run */
TAS_API void tas_run_close(tas_run **run);

/* Asks a training run on this model to stop after the step that is running, and those already given to the device.
 * Async-signal-safe; may come from any thread. A request outlives the call until a run has obeyed it. */
TAS_API void tas_cancel(tas_model *model);

#ifdef __cplusplus
}
#endif

#endif
