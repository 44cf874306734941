/* A model: a network's parameters on a device. Training, evaluation, prediction, checkpoints.
 *
 * Functions that return tas_status leave the reason of a failure in tas_error() of the model's context. A model is used
 * by one thread at a time; only tas_cancel() may be called from others. */
#ifndef TASSELLO_MODEL_H
#define TASSELLO_MODEL_H

#include <tassello/data.h>
#include <tassello/device.h>
#include <tassello/network.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_model tas_model;

/* Puts a network's parameters on a device, initialized from the seed. *out is closed with tas_model_close(), before its
 * device. The network may be closed earlier. TAS_NO_MEMORY if the device has no room for the parameters. */
TAS_API tas_status tas_model_open(tas_device *device, const tas_network *network, uint64_t seed, tas_model **out);

/* Reads a checkpoint (safetensors, with the network in its metadata) onto a device; *out is closed with
 * tas_model_close(). One that was written under another version of the arithmetic contract is read with a note: its
 * weights are good, but what follows from them may differ in bits from what it was there. TAS_BAD_FILE if the file
 * cannot be read, TAS_BAD_DATA if it is not a checkpoint or its tensors do not fit its network. */
TAS_API tas_status tas_model_load(tas_device *device, const char *file, tas_model **out);

/* Reads the network of a checkpoint without the weights; their names, shapes and bytes are checked against it. *out is
 * closed with tas_network_close(). */
TAS_API tas_status tas_model_load_network(tas_context *context, const char *file, tas_network **out);

/* Reads the schema of the data that a checkpoint's network was trained on, for tas_reading.schema: *out is freed with
 * free(), and NULL if the file has none. */
TAS_API tas_status tas_model_load_schema(tas_context *context, const char *file, char **out);

/* Frees a model and sets *model to NULL; it may be NULL already. Runs on it must have been closed. */
TAS_API void tas_model_close(tas_model **model);

/* Writes a checkpoint: to a temporary file beside it, made durable, then renamed. An earlier file survives a failure.
 */
TAS_API tas_status tas_model_save(tas_model *model, const char *file);

/* How the weights came about, one line of UTF-8 that checkpoints carry (metadata "tassello.training") and that loading
 * restores; "" if nothing is known. NULL removes it. The text returned is valid until it is set again or the model is
 * closed. TAS_BAD_ARGUMENT if it is not UTF-8. */
TAS_API tas_status tas_model_set_training(tas_model *model, const char *text);
TAS_API const char *tas_model_training(const tas_model *model);

/* What is needed to read further data as those that the model was trained on: tas_data_schema() of the last data set
 * from files that a run was opened with, which checkpoints carry (metadata "tassello.data") and loading restores; NULL
 * if nothing is known. Valid until a run is opened or the model is closed. */
TAS_API const char *tas_model_data_schema(const tas_model *model);

/* Bytes of device memory that evaluation and prediction may use, and training if its options have no budget: tiles are
 * made to fit. 0 (the default): as much as the device allows. It changes no result. */
TAS_API void tas_model_set_budget(tas_model *model, uint64_t bytes);

/* The model's network. Valid until the model is closed. */
TAS_API const tas_network *tas_model_network(const tas_model *model);

/* Reads or sets a parameter by its canonical name, row-major in its canonical shape. count must be the number of its
 * elements (TAS_BAD_ARGUMENT otherwise). Values that are set are brought under the contract (magnitudes below 2^-40
 * become 0); NaN and infinity are refused (TAS_BAD_DATA). Nothing can be set while a training run is open
 * (TAS_BAD_ARGUMENT). */
TAS_API tas_status tas_model_read(tas_model *model, const char *tensor, float *values, size_t count);
TAS_API tas_status tas_model_write(tas_model *model, const char *tensor, const float *values, size_t count);

/* SHA-256 over the parameters' float32 bits, little-endian, tensors in canonical order: 64 hexadecimal digits and a 0.
 */
TAS_API tas_status tas_model_digest(tas_model *model, char hex[65]);

/* What became of a tensor when a model took its start from a file. */
typedef enum tas_init_state {
    TAS_INIT_TAKEN = 0,
    /* The file has none for this parameter of the model, which keeps its value. */
    TAS_INIT_MISSING,
    /* It has one of another shape, or of a type that is no float: the parameter keeps its value. */
    TAS_INIT_OTHER_SHAPE,
    /* The file's, for which the model has no parameter. */
    TAS_INIT_UNUSED
} tas_init_state;

typedef struct tas_init_entry {
    tas_init_state state;
    /* The model's parameter, NULL if it is UNUSED; and the file's tensor, NULL if it is MISSING. Valid during the call,
     * as is all of it. */
    const tas_tensor_info *parameter;
    const char *tensor;
    /* Of the file's. */
    size_t dims[8], ndims;
} tas_init_entry;

typedef void (*tas_init_fn)(void *user, const tas_init_entry *entry);

/* Sets parameters and running statistics from a file, for fine-tuning: a checkpoint, whatever its network, a state_dict
 * of PyTorch in safetensors, or an ONNX model (a name in .onnx), which is as a checkpoint of its network; elements of
 * F32, F16, BF16 (both exactly) or F64 (rounded). A parameter takes the tensor
 *
 *     NAME.what       if its layer has a name ('as NAME'): 'as layer1.0.conv1' takes layer1.0.conv1.weight and .bias,
 *                     with batch_norm also .running_mean and .running_var; of a checkpoint, those of its layer NAME
 *     3.conv2d.what   else, or if there is none: its own name; but not of a checkpoint whose layer has another NAME
 *
 * if that has the same shape. `report` (may be NULL) is called once per parameter in canonical order, then once for
 * each tensor of the file that was not used. *taken (may be NULL) counts parameters. Either all of that is set or
 * nothing: TAS_BAD_DATA: nothing fits, the file is damaged, or an element is not finite; TAS_BAD_ARGUMENT: a run is
 * open. */
TAS_API tas_status tas_model_init_from(tas_model *model, const char *file, tas_init_fn report, void *user,
                                       size_t *taken);

/* Runs the network forward without its loss. inputs: (n, inputs) float32, scaled by the network's mean and std, and 0
 * if below 2^-40 in magnitude; outputs: (n, outputs), logits if the loss is softmax or bce, and
 * in the data's own units (output S + M, in float32) if the loss has mean M and std S. n may be 0; at most 2^32 - 1.
 * TAS_NO_MEMORY if the budget is too small: the error names the smallest that is sufficient. */
TAS_API tas_status tas_predict(tas_model *model, const float *inputs, size_t n, float *outputs);

/* The result of an evaluation. */
typedef struct tas_score {
    /* Mean over the examples. */
    double loss;
    /* Share of the examples whose largest output is that of their class; -1 if the network's loss has no classes. */
    double accuracy;
    uint64_t examples;
    /* Exact up to 2^24. */
    uint64_t correct;
    /* As in tas_train_result, of the evaluation. */
    uint64_t peak_bytes, host_bytes;
} tas_score;

/* Evaluates the model on a data set. If the loss has mean and std, it is that of the scaled targets, and metrics are in
 * the data's own units. TAS_BAD_NETWORK if the set does not fit the network; TAS_NO_MEMORY as
 * tas_predict(). */
TAS_API tas_status tas_evaluate(tas_model *model, const tas_data *data, tas_score *score);

/* Training -------------------------------------------------------------------------------------------------------- */

/* One step that is done. */
typedef struct tas_step {
    /* From 1 on, of `steps` in the whole run. */
    uint64_t step, steps;
    /* From 1 on. */
    uint64_t epoch;
    /* Examples in this step. */
    uint32_t batch;
    float lr;
    /* Mean over the batch, before the update. */
    float loss;
    /* Since the start of training. */
    double seconds;
    /* Trained on so far. */
    uint64_t examples;
    /* Non-zero: the last step of its epoch. */
    int ends_epoch;
    /* With options.noise: this step's estimates of tr(S) and |G|^2, see tas_noise; NaN if it was not measured. */
    double trace, square;
    /* With options.preconditioned_noise: of tr(P S) and G' P G, likewise. */
    double preconditioned_trace, preconditioned_square;
} tas_step;

/* Called after each step, in order. Non-zero ends training after that step with TAS_STOPPED. With `ahead` 0, that is
 * exact, and the model has the weights after that step: it can be read, saved, evaluated and used for prediction here.
 * With `ahead` 1, later steps may be done already. The run cannot be advanced or closed here. */
typedef int (*tas_step_fn)(void *user, const tas_step *step);

typedef enum tas_optimizer {
    /* v = momentum v + g, w = w - lr v */
    TAS_SGD = 0,
    /* Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1; weight decay is added to the gradient. */
    TAS_ADAM,
    /* Loshchilov and Hutter 2019 (arXiv 1711.05101): Adam with w = w - lr weight_decay w beside it. */
    TAS_ADAMW,
    /* Tieleman and Hinton 2012, as torch.optim.RMSprop has it: v = alpha v + (1 - alpha) g^2,
     * b = momentum b + g / (sqrt(v) + epsilon), w = w - lr b; weight decay is added to the gradient. */
    TAS_RMSPROP,
    /* Chen et al. 2023 (arXiv 2302.06675): w = w - lr (sign(beta1 m + (1 - beta1) g) + weight_decay w),
     * m = beta2 m + (1 - beta2) g. */
    TAS_LION,
    /* You et al. 2017 (arXiv 1708.03888): v = momentum v + lr r (g + weight_decay w), w = w - v, for each tensor of
     * weights with r = trust |w| / (|g| + weight_decay |w|). Biases and the parameters of normalization have r = 1, and
     * so have weights if one of the norms is 0. */
    TAS_LARS,
    /* You et al. 2020 (arXiv 1904.00962): Adam's step, and weight_decay w beside it, times r = |w| / |step|; r = 1
     * where LARS has it. */
    TAS_LAMB
} tas_optimizer;

/* Which parameters decay: all, or all but biases and the parameters of normalization. */
typedef enum tas_decay_on { TAS_DECAY_ON_ALL = 0, TAS_DECAY_ON_WEIGHTS } tas_decay_on;

/* The learning rate of step s, counted from 0. It rises linearly in the first `warmup` steps: lr (s + 1) / warmup. */
typedef enum tas_schedule {
    TAS_SCHEDULE_CONSTANT = 0,
    /* lr decay^floor((s - warmup) / decay_steps) */
    TAS_SCHEDULE_STEP,
    /* lr_end + (lr - lr_end) (1 + cos(pi (s - warmup) / (steps - warmup))) / 2 */
    TAS_SCHEDULE_COSINE,
    /* lr_end + (lr - lr_end) (1 - (s - warmup) / (steps - warmup))^power */
    TAS_SCHEDULE_POLYNOMIAL,
    /* lr decay^((s - warmup) / decay_steps) */
    TAS_SCHEDULE_EXPONENTIAL,
    /* Smith and Topin 2019 (arXiv 1708.07120), as torch.optim.lr_scheduler.OneCycleLR has it with its defaults, but
     * without a cycle of momentum: with p = rise steps - 1, up from lr / 25 at step 0 to lr at step p, then down to
     * lr / 250000 at the last step, each along half a cosine wave. There is no warm-up beside it. */
    TAS_SCHEDULE_ONE_CYCLE,
    /* Seesaw (Meterez et al. 2025, arXiv 2510.14717): after every decay_steps steps of the first batch, counted in
     * examples from the end of the warm-up on, where a step schedule would halve the rate it is divided by the square
     * root of 2 and the batch is doubled. From the largest batch on the rate is halved. lr_scaling scales to the first
     * batch alone. */
    TAS_SCHEDULE_SEESAW
} tas_schedule;

/* If lr is the rate for a batch of base_batch, the rate for another batch, k = batch / base_batch: lr, lr k or
 * lr sqrt(k). With Adam, AdamW and LAMB all but TAS_SCALING_NONE also take beta2 as that for base_batch, and beta2^k
 * for another batch: v then forgets half of what it has after the same number of examples (Marek et al. 2025, arXiv
 * 2507.07101). */
typedef enum tas_lr_scaling {
    TAS_SCALING_NONE = 0,
    TAS_SCALING_LINEAR,
    TAS_SCALING_SQRT,
    /* The rule of the optimizer: linear for SGD (Goyal et al. 2017, arXiv 1706.02677) and LARS, else the square root
     * (You et al. 2020 for LAMB; Malladi et al. 2022, arXiv 2205.10287, for Adam and RMSprop). */
    TAS_SCALING_AUTO
} tas_lr_scaling;

/* From this step on, counted from 0, batches have so many examples. */
typedef struct tas_batch_change {
    uint64_t step;
    uint32_t batch;
} tas_batch_change;
enum { TAS_BATCH_CHANGES = 64 /* of a run, at most */, TAS_SHARDS = 4096 /* of a batch, at most */ };

/* Their names: "sgd", "adam", "adamw", "rmsprop", "lion", "lars", "lamb"; "all", "weights"; "constant", "step",
 * "cosine", "polynomial", "exponential", "one-cycle", "seesaw"; "none", "linear", "sqrt", "auto". NULL for other
 * values, so that a loop from 0 on finds all of them. */
TAS_API const char *tas_optimizer_name(tas_optimizer optimizer);
TAS_API const char *tas_decay_on_name(tas_decay_on decay_on);
TAS_API const char *tas_schedule_name(tas_schedule schedule);
TAS_API const char *tas_lr_scaling_name(tas_lr_scaling scaling);

/* What one operation has made in a step. */
typedef struct tas_trace_entry {
    /* Names: of the operation, which is static, and of what it made. */
    const char *operation;
    char tensor[320];
    uint64_t elements;
    /* Of the bits of its values, little-endian, in canonical order, examples in the order of the batch. It does not
     * depend on device, tile or budget. Each NaN counts as 7fc00000. */
    char sha256[65];
    /* Non-zero: float32; else uint32. */
    int is_float;
} tas_trace_entry;

/* A step: what was gathered, what each operation forward and backward has made, the loss, the divisor of the update,
 * and parameters and optimizer's slots after it. Valid during the call. */
typedef struct tas_trace {
    uint64_t step;
    uint32_t batch;
    const tas_trace_entry *entries;
    int count;
    /* options.trace_values: the values of that entry, of so many bytes; else NULL. */
    const void *values;
    size_t bytes;
} tas_trace;
typedef int (*tas_trace_fn)(void *user, const tas_trace *trace);

/* Defaults stand in parentheses. */
typedef struct tas_train_options {
    /* sizeof of this struct: set by tas_train_options_init(). */
    size_t size;
    /* Examples whose mean gradient makes one update (64): at most those of the data set, and 2^24. */
    uint32_t batch;
    /* Other batches later in the run, `change_count` of them (0), ascending by step from 1 on. The data go on where
     * they are, and lr_scaling gives each batch its rate. Read when the run is opened. */
    const tas_batch_change *changes;
    int change_count;
    /* Seesaw: the largest batch; 0 (the default), or above it: a tenth of the examples. Other schedules: the largest
     * batch that the memory of the run allows for, which changes no result; 0: that of the run's own. */
    uint32_t batch_most;
    /* Non-zero: the last, smaller batch of an epoch is left out (0). */
    int drop_last;
    /* Parts in which each batch is summed, which are then added as a binary tree, so that several devices can have them
     * (1): a power of two, at most TAS_SHARDS. It decides bits, as all sums over examples do. Tiles do not reach from
     * one part into the next. */
    uint32_t shards;
    /* The length of the run: steps, or if they are 0 (the default) epochs (1). */
    uint64_t epochs, steps;
    /* Learning rate (0.02): 0, or from 1e-18 to 1000000. */
    float lr;
    /* SGD, RMSprop and LARS only (0.9): 0, or from 1e-18 to 1. */
    float momentum;
    /* SGD only: non-zero for Nesterov's form, w = w - lr (g + momentum v). */
    int nesterov;
    /* (0): 0, or from 1e-18 to 1000000. Added to the gradient as weight_decay w, except with AdamW, Lion and LAMB. */
    float weight_decay;
    /* (TAS_DECAY_ON_ALL) */
    tas_decay_on decay_on;
    /* (TAS_SGD); tas_train_options_choose() sets it, and what is usual with it. */
    tas_optimizer optimizer;
    /* Adam, AdamW, Lion and LAMB only (0.9 and 0.999): 0, or from 1e-18 to below 1. */
    float beta1, beta2;
    /* Adam, AdamW, RMSprop and LAMB only (1e-8): from 1e-18 to 1000000. */
    float epsilon;
    /* RMSprop only (0.99): 0, or from 1e-18 to below 1. */
    float alpha;
    /* LARS only (0.001): from 1e-18 to 1000000. */
    float trust;
    /* 0 (the default), or from 1e-18 to 1000000: the mean gradient g of a step is multiplied with
     * min(1, clip / (|g| + 1e-6)), where |g| is its norm over all parameters. */
    float clip;
    /* (TAS_SCHEDULE_CONSTANT) */
    tas_schedule schedule;
    /* Steps (0): at most those of the run. */
    uint64_t warmup;
    /* Step, exponential and seesaw schedules only, which need it: at least 1. */
    uint64_t decay_steps;
    /* Step and exponential schedules only (0.1): from 1e-18 to 1. */
    float decay;
    /* Cosine and polynomial schedules only (0): as lr, and scaled as lr is. */
    float lr_end;
    /* Polynomial schedule only (1): above 0, at most 100. */
    float power;
    /* One-cycle schedule only (0.3): above 0 and below 1. */
    float rise;
    /* (TAS_SCALING_NONE) */
    tas_lr_scaling lr_scaling;
    /* With lr_scaling only (64): from 1 to 2^24. */
    uint32_t base_batch;
    /* Non-zero: measure the gradient noise scale. It changes no bit of the weights. */
    int noise;
    /* Adam and AdamW only, beside `noise`; else ignored. Non-zero: measure the preconditioned noise scale as well, from
     * step 33 on. It changes no bit of the weights, nor of the other. */
    int preconditioned_noise;
    /* Of the shuffles, of dropout and of augmentation (1). */
    uint64_t seed;
    /* Bytes of memory that may be used, see tas_plan; 0 (the default): the model's budget, or else 60 % of a discrete
     * device's memory and 50 % of a shared one's. It changes no result. */
    uint64_t budget;
    /* Examples on the device at once, at most; 0 (the default): as the budget allows. It changes no result. */
    uint32_t tile;
    /* Non-zero: what the passes of a step keep for the whole batch (see tas_plan) goes to the host even if the device
     * has room for it (0). It changes no result. */
    int keep_on_host;
    /* Above 0, up to 1: audit the run in about this share of its time (0). At random moments, drawn from the seed, one
     * tile of a step is checked operation by operation: the reference runs on the same operands, and its results must
     * have the same bits. The first step that is audited is one of the first 16. A difference ends the run with
     * TAS_MISMATCH. It changes no result. Needs host memory for the operands of one operation, which no plan counts.
     * TAS_BAD_ARGUMENT on the reference itself, and with TAS_ARITH_FAST. */
    float audit;
    /* Instead: audit all tiles of this step, 1 being the first, and no other (0). */
    uint64_t audit_step;
    /* Non-zero: log and count differences, and go on (0). */
    int audit_continues;
    /* With on_trace: trace step 1 and each whose number is a multiple of this (0: none). It changes no result. */
    uint64_t trace_every;
    /* But no step before this one, which is traced as well (0). */
    uint64_t trace_first;
    /* The entry whose values on_trace gets, 1 being the first (0: none). */
    int trace_values;
    /* Called once per traced step, after its update. May be NULL. A result that is not 0 ends training as on_step does.
     */
    tas_trace_fn on_trace;
    /* May be NULL. */
    tas_step_fn on_step;
    void *user;
    /* 0 (the default): wait for each step before on_step is called. 1: keep the device busy; on_step is called late, by
     * at most about a fifth of a second of steps, and the steps already given to the device are still done and reported
     * after it has returned non-zero. */
    int ahead;
} tas_train_options;
TAS_API void tas_train_options_init(tas_train_options *options);

/* Sets the optimizer, and what is usual with it: lr (SGD 0.02; Adam, AdamW, RMSprop, LAMB 0.001; Lion 0.0001; LARS 2),
 * momentum (SGD, LARS 0.9; RMSprop 0), nesterov 0, betas (0.9 and 0.999; Lion 0.9 and 0.99), epsilon (1e-8; LAMB 1e-6),
 * alpha 0.99, trust 0.001. What does not belong to it becomes 0. */
TAS_API void tas_train_options_choose(tas_train_options *options, tas_optimizer optimizer);

/* The learning rate of a step from 0 on in a run of `steps` steps: *lr. Step `warmup` has lr as it is scaled; `steps`
 * is one behind the last. A rate that would be below 2^-60 is 0. TAS_BAD_ARGUMENT, with the reason, for options that a
 * run of that length would refuse. */
TAS_API tas_status tas_train_lr(tas_context *context, const tas_train_options *options, uint64_t step, uint64_t steps,
                                float *lr);

/* The scaling that options stand for: none, linear or by the square root; and beta2 for a batch, as it is scaled. */
TAS_API tas_lr_scaling tas_train_scaling(const tas_train_options *options);
TAS_API float tas_train_beta2(const tas_train_options *options, uint32_t batch);

/* The batches of a run: those of the options, or of the seesaw schedule. */
typedef struct tas_batches {
    /* The first is options->batch, at step 0. */
    tas_batch_change list[TAS_BATCH_CHANGES + 1];
    int count;
    uint32_t most;
    /* Of the whole run. */
    uint64_t steps;
    /* Seesaw: non-zero if the batch cannot be doubled as often as the run has decays; the rate is then halved. */
    int capped;
} tas_batches;

/* *out for a run on so many examples. TAS_BAD_ARGUMENT, with the reason, if such batches would be refused. */
TAS_API tas_status tas_train_batches(tas_context *context, const tas_train_options *options, uint64_t examples,
                                     tas_batches *out);

/* What is known of the gradient noise scale: nothing yet, its interval has no upper end, or both ends; or it cannot be
 * estimated at all. */
typedef enum tas_noise_state {
    TAS_NOISE_UNKNOWN = 0,
    TAS_NOISE_AT_LEAST,
    TAS_NOISE_KNOWN,
    TAS_NOISE_IMPOSSIBLE
} tas_noise_state;

/* The gradient noise scale tr(S) / |G|^2, in examples: S the covariance of one example's gradient, G the true gradient
 * (McCandlish et al. 2018, arXiv 1812.06162). A ratio of averages over the steps that were measured, with Fieller's
 * 95 % interval.
 *
 * The preconditioned one is tr(P S) / G' P G, where P divides each component of a gradient by sqrt(v) + epsilon, v
 * being Adam's second moment before the step, its bias corrected: the noise scale of the coordinates in which Adam,
 * without its momentum, is plain gradient descent. It shows how the noise of one run under Adam changes from one part
 * of the run to another. It is not a batch size: it ignores momentum, takes the curvature to be that of P, and v itself
 * depends on the batch. Figures in which each component is divided by sqrt(v) before it is squared are other figures.
 */
typedef struct tas_noise {
    tas_noise_state state;
    /* NaN if the average of |G|^2 is not above 0. */
    double value;
    double low, high;
    /* That were measured. */
    uint64_t steps;
    /* Examples of each group of a batch whose gradients were compared. Dense layers yield each example's own, unless
     * there is batch normalization in groups; 1: all layers do. 0 if nothing can be measured. */
    uint32_t group;
    /* Why it cannot be estimated, as the end of a sentence, else NULL. Static. */
    const char *obstacle;
} tas_noise;

/* What an audit has found first. step 0: nothing. */
typedef struct tas_audit_difference {
    uint64_t step;
    /* Of its batch, 1 being the first; 0: the operation is one for the whole batch. */
    uint32_t tile;
    /* Names: of the operation and of its operand, which are static; of the network's tensor, or "". */
    const char *operation, *operand;
    char tensor[64];
    /* The operand's elements, how many of them differ, and which is the first, in canonical order. */
    uint64_t elements, different, element;
    /* Its bits on the device, and those that the reference has. */
    uint32_t is, should;
    /* Non-zero: they are a float32. Floats that lie between them, and one; UINT32_MAX if one is NaN. */
    int is_float;
    uint32_t ulp;
} tas_audit_difference;

/* What was audited. */
typedef struct tas_audit {
    /* Steps of which a tile was checked, the operations in them, and those with a difference. */
    uint64_t steps, operations, different;
    /* Operands that were not compared, as their operation leaves anything in them. */
    uint64_t undefined;
    /* Time that these steps took beyond what a step takes. */
    double seconds;
    tas_audit_difference first;
} tas_audit;

/* What a run did. Filled in as far as known if training fails or is stopped, too. */
typedef struct tas_train_result {
    /* Done and reported. */
    uint64_t steps;
    uint64_t examples;
    /* Training alone: start-up and evaluation are excluded. */
    double seconds;
    double examples_per_s;
    /* Bytes of device memory in use at most; host_bytes are among them if the device shares the host's memory. */
    uint64_t peak_bytes;
    /* Bytes of host memory in use at most, of those that a plan counts: see tas_plan. */
    uint64_t host_bytes;
    /* Examples per tile, at the end. */
    uint32_t tile;
    /* Non-zero: the data set lay on the device; else it was streamed. */
    int resident;
    /* Times that the device refused memory and tiles became smaller. */
    int cuts;
    /* Times that the device failed and the run resumed from a snapshot. */
    int replays;
    float last_loss;
    /* The step whose weights the model has: `steps`, or less after a failure; 0: those before the run, or none that can
     * be relied on. */
    uint64_t weights_step;
    /* TAS_NOT_FINITE only: the first step in which something was not finite, and the first such tensor. */
    uint64_t bad_step;
    char bad_tensor[64];
    /* If options.noise and options.preconditioned_noise asked for them. */
    tas_noise noise, preconditioned_noise;
    /* If options.audit or options.audit_step asked for it. */
    tas_audit audit;
} tas_train_result;

/* Trains with mini-batches. The optimizer's state, epochs and shuffles start anew with each call: two calls of one
 * epoch are not one call of two. Each epoch is shuffled from (seed, epoch). result may be NULL.
 *
 * If the device refuses memory, training goes on in smaller tiles; if it fails, from the last snapshot, which is taken
 * every few seconds, if need be in a context opened anew. Each is noted in the log, once per model; the bits are the
 * same.
 *
 * TAS_BAD_ARGUMENT: options, or a run is open on this model. TAS_BAD_NETWORK: the data set does not fit the network.
 * Other failures come on the way; result.weights_step is then the step whose weights the model has:
 *     TAS_STOPPED                          on_step, or tas_cancel(): the last step done
 *     TAS_BAD_DATA                         the last step whose examples could be read
 *     TAS_NOT_FINITE                       the step before result.bad_step; if that step's update itself made the
 *                                          weights overflow, the last snapshot's
 *     TAS_MISMATCH                         the last audited step that was right; else those before step 1
 *     TAS_NO_MEMORY, TAS_DEVICE_FAILED     the last snapshot's, which the host holds: they can be read and saved. The
 *                                          first is taken before step 1; if that fails, the weights cannot be relied on
 */
TAS_API tas_status tas_train(tas_model *model, const tas_data *data, const tas_train_options *options,
                             tas_train_result *result);

/* The same in stretches; momentum, shuffles and bits are those of one call. Between stretches the model can be read,
 * saved, evaluated and used for prediction; it has the weights of the last step done. Its parameters cannot be set, and
 * a second run on it is refused (TAS_BAD_ARGUMENT). The run keeps its memory until tas_run_close(), which comes before
 * its model and its data set are closed. */
typedef struct tas_run tas_run;
TAS_API tas_status tas_run_open(tas_model *model, const tas_data *data, const tas_train_options *options,
                                tas_run **out);

/* Trains up to `steps` more steps, fewer if the run ends. *result (may be NULL) is that of the run so far. After
 * TAS_STOPPED the run can go on; after any other failure each call fails likewise. */
TAS_API tas_status tas_run_advance(tas_run *run, uint64_t steps, tas_train_result *result);

/* Steps of the whole run; and of its epoch, those that are left of it. */
TAS_API uint64_t tas_run_steps(const tas_run *run);
TAS_API uint64_t tas_run_epoch_left(const tas_run *run);

/* The batch of the next step. */
TAS_API uint32_t tas_run_batch(const tas_run *run);

/* Writes a checkpoint as tas_model_save() does, from which the run can go on as well: with the optimizer's slots as
 * further tensors (`1.dense.weight.momentum`: the bits that its operation keeps) and, in the metadata
 * ("tassello.state", JSON), the step, the settings, the batches so far, the figures of the noise scale and the
 * fingerprint of the data. It has as many bytes for each slot as for the weights: twice as many in all with SGD, Lion
 * and LARS, three times with the others. tas_model_load() reads it like any other.
 *
 * more: a text (UTF-8) of the caller's own, which tas_saved_run has; may be NULL. keep: non-zero if a file of that name
 * stays as FILE.previous, in place of one that has this name; at any instant FILE is then whole, if it was there before
 * (on a file system without hard links FILE or FILE.previous is). Between stretches only, not from on_step. The host
 * needs memory for two copies of the state while it is written. TAS_BAD_ARGUMENT if the run is advancing; a run that
 * has failed fails likewise: tas_model_save() writes its last good weights. */
TAS_API tas_status tas_run_save(tas_run *run, const char *file, const char *more, int keep);

/* Goes on with a run from what tas_run_save() wrote, with the bits that it would have had without interruption: result,
 * losses, order of the examples, noise figures. The device, the budget, the tile and keep_on_host may be others; so may
 * `noise`, whose figures begin here if it was not measured before. The length may be another one unless
 * the schedule depends on it (cosine, polynomial, one-cycle), but not shorter than what is done. A callback of the
 * options is called from the next step on.
 *
 * model: of the same network; its weights are replaced by those of the file. options: NULL for those of the file.
 * TAS_BAD_NETWORK if the network is another one. TAS_BAD_ARGUMENT if other settings would change the result; the error
 * names each, as it is there and here. TAS_BAD_DATA if the data are others (tas_data_fingerprint()), if the file has no
 * state, was written under another version of the arithmetic contract, or is damaged. */
TAS_API tas_status tas_run_resume(tas_model *model, const tas_data *data, const tas_train_options *options,
                                  const char *file, tas_run **out);

/* What a checkpoint has of its run. */
typedef struct tas_saved_run {
    /* Done, and of the whole run. */
    uint64_t step, steps;
    /* Of its data set. */
    uint64_t examples;
    /* Its settings. Without batches that were decided on the way (tas_growth). */
    tas_train_options options;
    /* The caller's own text; NULL if there was none. */
    const char *more;
} tas_saved_run;

/* *out is valid until it is closed. TAS_BAD_DATA if the file is not a checkpoint, or has no state. */
TAS_API tas_status tas_saved_run_open(tas_context *context, const char *file, tas_saved_run **out);
TAS_API void tas_saved_run_close(tas_saved_run **saved);

/* Frees a run and sets *run to NULL; it may be NULL already. The model keeps its weights. */
TAS_API void tas_run_close(tas_run **run);

/* Asks a training run on this model to stop after the step that is running and those already given to the device.
 * Async-signal-safe; may come from any thread. A request stays until a run has obeyed it. */
TAS_API void tas_cancel(tas_model *model);

#ifdef __cplusplus
}
#endif

#endif
