/* What several suites share: a seed that can be given, random numbers that are not the product's, a context with the
 * reference device, and a double-precision network that is written from the documents and not from src/. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tassello/tassello.h>

/* Random numbers: splitmix64. TASSELLO_SEED gives the seed, else the clock; it is printed. */
uint64_t test_seed(void);
void random_seed(uint64_t seed);
uint64_t random_u64(void);
uint32_t random_below(uint32_t bound); /* 0 .. bound-1 */
double random_unit(void);              /* [0, 1) */
float random_float(float least, float most);

/* n floats between bands of NaN: whole numbers from -most to most, or NaN where most is 0. unband() frees them, and
 * fails where a band was written to. */
float *banded(size_t n, int most);
void unband(float *values, size_t n);

/* A context and the reference device, opened before each test and closed after it: for tcase_add_checked_fixture(). */
extern tas_context *context;
extern tas_device *device;
void support_open(void);
void support_close(void);

/* Examples drawn anew for each test, with a network for them. sample_open() opens what support_open() does, too. */
enum { COUNT = 53, INPUTS = 6, CLASSES = 4 };
extern const char sample_net[];
extern float sample_inputs[COUNT * INPUTS];
extern uint32_t sample_labels[COUNT];
extern tas_data *sample;
void sample_open(void);
void sample_close(void);
tas_train_options sample_options(uint32_t batch, uint64_t steps); /* lr 0.05, else the defaults */

/* The suite's main(): runs it, and answers whether it failed. */
int support_run(Suite *suite);

/* The last call ended so; where it failed its text has each of the words ("" for any). */
void expect(tas_status found, tas_status wanted, const char *word, const char *other);
#define expect_ok(call) expect(call, TAS_OK, "", "")

/* The text with each `from` replaced, malloc()ed; fails if there is none. */
char *text_replaced(const char *text, const char *from, const char *to);

/* The smallest sufficient budget that the last error names. */
uint64_t smallest_budget(void);

/* Networks in double precision ------------------------------------------------------------------------------------- */

typedef enum plain_kind {
    PLAIN_DENSE,
    PLAIN_CONV,
    PLAIN_MAX_POOL,
    PLAIN_AVERAGE_POOL,
    PLAIN_GLOBAL_POOL,
    PLAIN_FLATTEN,
    PLAIN_DROPOUT,
    PLAIN_RELU,
    PLAIN_LEAKY,
    PLAIN_TANH,
    PLAIN_SIGMOID,
    PLAIN_GELU,
    PLAIN_SILU,
    PLAIN_HARD_SWISH,
    PLAIN_SOFTPLUS,
    PLAIN_ADD,
    PLAIN_CONCAT,
    PLAIN_MULTIPLY,
    PLAIN_CONV_TRANSPOSE,
    PLAIN_UPSAMPLE,
    PLAIN_PAD
} plain_kind;
enum { PLAIN_LAYERS = 20, PLAIN_WIDTH = 1024, PLAIN_TEXT = 2048, PLAIN_JOINS = 3 };

/* A value of a network: 0 is the input, l + 1 what layer l gives. */
typedef int plain_value;

typedef struct plain_layer {
    plain_kind kind;
    uint32_t units;                                                 /* dense; conv: channels out */
    uint32_t kernel[2], stride[2], padding[2], dilation[2], groups; /* conv, pools; (y, x) */
    uint32_t after[2];                                              /* conv transposed: output_padding; pad */
    double slope;                                                   /* leaky */
    float rate;                                                     /* dropout */
    bool no_bias;                                                   /* dense, conv */
    bool jumps;                                                     /* it reads `from`, not the value before it */
    plain_value from, join[PLAIN_JOINS];                            /* add, concat, multiply: further inputs */
    int joins;
} plain_layer;

typedef struct plain_shape {
    uint32_t channels, height, width;
    bool flat; /* a row without planes, of which a window takes one value at most */
} plain_shape;

typedef struct plain_net {
    uint32_t inputs;
    plain_shape in; /* of the inputs, where they are planes; 0: a row */
    int layers;
    plain_layer layer[PLAIN_LAYERS];
    bool mse;           /* targets are floats; the loss is mse if it is not another one: */
    const char *ending; /* of the text, "bce"; NULL: mse or softmax */
    tas_loss loss;      /* that one */
    bool weighted;      /* the examples have weights */
    double smoothing;   /* of softmax, */
    double delta;       /* and of huber, both as in the ending */
    double mean, std;   /* of the input line; std 0: none is written */
    bool training;      /* dropout drops, by seed, epoch (0 is the first) and example (its index in the set) */
    uint64_t seed;
    uint32_t epoch, example;
} plain_net;

void plain_add(plain_net *net, plain_kind kind, uint32_t units);

/* Adds a convolution, a pool, an upsample (by the stride) or a pad; its fields of groups, strides and dilations that
 * are 0 become 1. False, and nothing is added, if it does not fit. */
bool plain_add_window(plain_net *net, plain_layer layer);

/* Adds a layer of PLAIN_ADD, PLAIN_CONCAT or PLAIN_MULTIPLY: of the value so far and that one. */
void plain_join(plain_net *net, plain_kind kind, plain_value with);

/* A network drawn at random: with planes, convolutions, pools and dropout where `spatial`. No layer has more than about
 * `most` values. */
void plain_draw(plain_net *net, bool spatial, uint32_t most);

/* The same with branches, which go out from values and meet others. */
void plain_draw_graph(plain_net *net, bool spatial, uint32_t most);
plain_shape plain_shape_after(const plain_net *net, int layers);
uint32_t plain_outputs(const plain_net *net);
size_t
plain_parameters(const plain_net *net); /* weights (O, I) or (O, I / groups, y, x), then biases, layer after layer */
void plain_text(const plain_net *net, char *text, size_t bytes);

/* Philox4x32-10, from the paper. */
void philox_again(uint64_t seed, const uint32_t counter[4], uint32_t out[4]);

/* The outputs of one example, whose inputs are as the caller gives them (before mean and std). *kink, where not NULL,
 * gets smaller: the least distance of what enters relu or leaky from 0, and of a window's maximum from what is less
 * than it. */
void plain_forward(const plain_net *net, const double *parameters, const double *inputs, double *outputs, double *kink);

/* The loss of one example from its outputs: softmax with a label, or mse with a target. */
double plain_softmax(const double *outputs, uint32_t count, uint32_t label);
double plain_squared(const double *outputs, uint32_t count, const double *target);

/* The same for the net's loss. *kink, where not NULL, gets smaller: the least distance to where mae and huber bend. */
double plain_loss(const plain_net *net, const double *outputs, uint32_t label, const double *target, double *kink);

/* Models --------------------------------------------------------------------------------------------------------- */

tas_model *model_of_text(const char *text, uint64_t seed);
tas_model *model_of(const plain_net *net, uint64_t seed);

/* All parameters in canonical order, malloc()ed. */
size_t model_elements(const tas_model *model);
float *model_get(tas_model *model);
void model_set(tas_model *model, const float *values);

/* A data set of arrays that are the caller's: targets are uint32_t with classes, else floats of target_size. */
tas_data *data_of(uint64_t count, size_t input_size, const float *inputs, const void *targets, uint32_t classes,
                  size_t target_size);
tas_data *data_with_weights(uint64_t count, size_t input_size, const float *inputs, const void *targets,
                            uint32_t classes, size_t target_size, const float *weights);

#endif
