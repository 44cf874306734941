/* Networks, described in text (UTF-8), one layer per line:
 *
 *     input 1x28x28 mean 0.2860 std 0.3530   # channels x height x width; pixels are (byte / 255 - mean) / std
 *     augment flip shift 2                   # in training alone; or cutout 8
 *     conv2d 20 5                            # outputs, kernel (5 or 5x3)
 *     batch_norm                             # or layer_norm, group_norm 4
 *     relu                                   # or leaky 0.01, tanh, sigmoid, gelu
 *     max_pool 2                             # or avg_pool
 *     dropout 0.25                           # the share of values that become 0
 *     dense 500                              # outputs
 *     relu
 *     dense 10
 *     loss softmax                           # the default; or mse, bce, mae, huber
 *
 * Tables often begin with 'input data normalize' and end with 'dense data' and 'loss data normalize': see
 * tas_network_open_for(). A line 'freeze NAME...' keeps layers from being trained, for fine-tuning.
 *
 * tas_network_language() has all layers and their options, and what each means. */
#ifndef TASSELLO_NETWORK_H
#define TASSELLO_NETWORK_H

#include <tassello/data.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_network tas_network;

/* Opens a network by the name of one that is shipped ("mlp"), or from a file. An error names the file, the line and
 * what was expected. Close *out with tas_network_close(); models opened from it keep what they need. */
TAS_API tas_status tas_network_open(tas_context *context, const char *name_or_file, tas_network **out);

/* The same from a text in memory, which is copied and may have up to 1 MiB. `from` names it in errors. */
TAS_API tas_status tas_network_parse(tas_context *context, const char *text, const char *from, tas_network **out);
TAS_API void tas_network_close(tas_network **network);

/* The same for a data set, to which a network's text may refer. If the text has
 *
 *     input data        the shape of the set's examples: channels x height x width of pictures, else their number of
 *                       values
 *     dense data        its number of classes or of target values; with 'loss bce' and two classes: 1
 *     loss data         softmax if its targets are labels, else mse
 *     input ... normalize   mean M,... std S,... over all examples of the set: per channel if the input has height and
 *                       width, else per value; of values as layers see them, byte / 255 or the float
 *     loss ... normalize    mean M,... std S,... of the float targets, per value; nothing for labels after 'loss data'
 *
 * those words become what is beside them, so pass the set that the network is trained on. M is the mean, S the root of
 * the mean of (x - M)^2, 1 if that is below 1e-12: the examples' weights do not matter, sums are in double precision in
 * the order of the examples, and the result is the same on each machine. `normalise` is the same word.
 * tas_network_text() has the numbers, so that checkpoints need no data set.
 *
 * A text without such words is opened as without a set; data may be NULL. TAS_BAD_NETWORK: the set has another number
 * of values than an input with normalize, or labels that a loss would normalize, or the text with its numbers is too
 * long; TAS_BAD_DATA: examples cannot be read. Without a set `data` is an error, and a network with `normalize` can be
 * looked at and planned for, but no model can be opened on it. */
TAS_API tas_status tas_network_open_for(tas_context *context, const char *name_or_file, const tas_data *data,
                                        tas_network **out);
TAS_API tas_status tas_network_parse_for(tas_context *context, const char *text, const char *from, const tas_data *data,
                                         tas_network **out);

/* What a network needs of data, into a reading that is initialized, before the data are read: `targets`, and channels,
 * height and width of its input (0: those of the data). Of a text without the word `data` all is checked, else only
 * what tas_network_open_for() does not check later. Loss softmax needs labels; mse, mae and huber with one output, or
 * behind 'dense data', values; otherwise the data decide. */
TAS_API tas_status tas_network_expect(tas_context *context, const char *name_or_file, tas_reading *reading);
TAS_API tas_status tas_network_expect_text(tas_context *context, const char *text, const char *from,
                                           tas_reading *reading);

/* The text as it was read, with what a data set has filled in. Valid until the network is closed. */
TAS_API const char *tas_network_text(const tas_network *network);

/* Writes that text as a file, from which tas_network_open() reads the network again. */
TAS_API tas_status tas_network_save(const tas_network *network, const char *file);

/* Values per example: of the input, and of the output (logits with softmax and bce, or predictions). */
TAS_API size_t tas_network_inputs(const tas_network *network);
TAS_API size_t tas_network_outputs(const tas_network *network);

/* tassello-network(5) has their formulas. */
typedef enum tas_loss { TAS_LOSS_SOFTMAX, TAS_LOSS_MSE, TAS_LOSS_BCE, TAS_LOSS_MAE, TAS_LOSS_HUBER } tas_loss;
TAS_API tas_loss tas_network_loss(const tas_network *network);

/* "softmax", "mse", "bce", "mae", "huber"; NULL if there is no such loss. */
TAS_API const char *tas_loss_name(tas_loss loss);

/* Layer `index` as a line for people: kind, output shape, parameters, and its inputs if there are others than the layer
 * before it. NULL past the last. Valid until close. */
TAS_API const char *tas_network_layer(const tas_network *network, size_t index);

/* A layer's sizes, for one example. */
typedef struct tas_layer_info {
    /* "conv2d". Valid until the network is closed. */
    const char *kind;
    /* Of its value, from "as NAME"; NULL if there is none. Valid until the network is closed. */
    const char *name;
    /* The places of the layers whose values it reads: first of the value so far, then of those that the line names. The
     * input has none. Valid until the network is closed. */
    const int *input;
    size_t inputs;
    /* Channels, height, width; in: of its first input, 0 for the input layer. */
    size_t in[3], out[3];
    /* Running statistics are not among them. */
    uint64_t parameters;
    /* Of its output, as float32. */
    uint64_t value_bytes;
    /* Of matrix products and convolutions, including taps in the padding; an fma counts as two. */
    uint64_t forward_flops;
    /* Forward, plus the gradients that training needs from this layer. */
    uint64_t train_flops;
    /* Non-zero: a line 'freeze' names it, so that its parameters are not trained. */
    int frozen;
} tas_layer_info;

/* Fills *info; returns 0 past the last layer. */
TAS_API int tas_network_layer_info(const tas_network *network, size_t index, tas_layer_info *info);

/* The tensor of a parameter or a running statistic. The name is made of the layer's place (the input is 0), its kind,
 * and what it is:
 *
 *     1.conv2d.weight             (outputs, inputs / groups, kernel height, kernel width)
 *     1.conv2d.bias               (outputs)
 *     2.batch_norm.weight         (channels); as bias, running_mean and running_var, which is the unbiased variance
 *     4.dense.weight              (outputs, inputs)
 *     4.dense.bias                (outputs) */
typedef struct tas_tensor_info {
    const char *name;
    /* Those past ndims are 0. */
    size_t dims[4], ndims;
    size_t elements;
    /* The layer's place, an index of tas_network_layer_info(). */
    size_t layer;
    /* Zero for running statistics and for parameters of frozen layers: they are stored, but not trained. */
    int trained;
} tas_tensor_info;

/* The parameters and running statistics in canonical order; NULL past the last. */
TAS_API const tas_tensor_info *tas_network_tensor(const tas_network *network, size_t index);

/* What may follow a layer's name. */
typedef struct tas_layer_argument {
    /* "stride S" */
    const char *usage;
    /* What it means. */
    const char *text;
} tas_layer_argument;

/* A row of the network language. Its texts are static. */
typedef struct tas_layer_help {
    /* "conv2d" */
    const char *layer;
    /* What it computes. */
    const char *text;
    /* "conv2d N K [stride S] ..." */
    char usage[160];
    /* How many entries of argument[] are used. */
    size_t arguments;
    tas_layer_argument argument[12];
} tas_layer_help;

/* The network language for manuals, from the tables that the parser reads. Fills *help with row `index`; returns 0 past
 * the last. */
TAS_API int tas_network_language(size_t index, tas_layer_help *help);

/* The rules that hold for a whole text: lines, words, shapes, order. Paragraphs, separated by empty lines. */
TAS_API const char *tas_network_rules(void);

/* Names of the shipped networks; NULL past the last. */
TAS_API const char *tas_network_shipped(size_t index);

#ifdef __cplusplus
}
#endif

#endif
