/* Data sets: from a folder of IDX files, from arrays, or from a callback that fills examples by index. */
#ifndef TASSELLO_DATA_H
#define TASSELLO_DATA_H

#include <tassello/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_data tas_data;

typedef enum tas_split { TAS_TRAIN = 0, TAS_TEST } tas_split;

typedef enum tas_input_type {
    TAS_INPUT_U8 = 0, /* bytes, scaled by 1/255 and then by the network's mean and std */
    TAS_INPUT_F32     /* float32, scaled by the network's mean and std; below 2^-40 in magnitude, before or after: 0 */
} tas_input_type;

typedef enum tas_target_type {
    TAS_TARGET_LABEL = 0, /* one uint32_t an example, the class, below `classes` */
    TAS_TARGET_F32        /* target_size floats an example, for loss mse */
} tas_target_type;

/* Fills n examples: inputs (n, input_size) of the input type and targets (n) or (n, target_size). index[k] is the place
 * in the data set of the k-th; they come in any order. The same index must always give the same bytes. Called on the
 * caller's thread alone. Non-zero stops with TAS_BAD_DATA. */
typedef int (*tas_fill_fn)(void *user, const uint64_t *index, size_t n, void *inputs, void *targets);

/* Describes a data set. Fill with tas_data_options_init() first. Either inputs and targets, or fill. */
typedef struct tas_data_options {
    size_t size;       /* of this struct: set by init */
    uint64_t count;    /* examples */
    size_t input_size; /* elements of an example */
    tas_input_type input_type;
    tas_target_type target_type;
    uint32_t classes;    /* with labels */
    size_t target_size;  /* with float targets */
    const void *inputs;  /* (count, input_size) */
    const void *targets; /* uint32_t (count), or float (count, target_size) */
    int borrow;          /* non-zero: the arrays are used in place and must live until the data set is closed */
    tas_fill_fn fill;
    void *user;
} tas_data_options;
TAS_API void tas_data_options_init(tas_data_options *options);

/* Opens a data set of arrays or of a callback. *out is closed with tas_data_close(). Labels are checked against
 * classes, floats against NaN and infinity: arrays here, a callback's examples whenever they are read. TAS_BAD_DATA
 * names the example.
 *
 * Float inputs below 2^-40 (9.1e-13) in magnitude are used as 0, as weights are, because of the arithmetic contract (no
 * partial sum may be a denormal number). A note counts them; scale inputs of that size up. */
TAS_API tas_status tas_data_open(tas_context *context, const tas_data_options *options, tas_data **out);

/* Opens one split of a folder of IDX files: train-images-idx3-ubyte and train-labels-idx1-ubyte, or t10k-..., plain or
 * .gz. Labels and gzip files are read whole, once. Images of a plain file are mapped and not read, so that a set may be
 * larger than memory: that file must stay as it is until the data set is closed. One that has become shorter fails with
 * TAS_BAD_DATA when examples are wanted; one cut in the midst of that raises SIGBUS. Replacing it by rename is safe. */
TAS_API tas_status tas_data_open_folder(tas_context *context, const char *folder, tas_split split, tas_data **out);
TAS_API void tas_data_close(tas_data **data);

/* The files of such a folder, for manuals: paragraphs with an empty line between them. */
TAS_API const char *tas_data_rules(void);

/* Takes `count` of a set's examples as two sets, without copies: held_out has `count` of them, drawn from the seed,
 * rest all others; each keeps the whole's order. Together they are the whole. It must stay open until both are closed.
 * count from 1 to all but one. Either of the pointers may be NULL: that part is not wanted. A part trains to the bits
 * of a set of its own: shuffles and dropout masks go by the place in the part, classes are the whole's. A part can be
 * split again, with the same seed too. */
TAS_API tas_status tas_data_split(const tas_data *whole, uint64_t count, uint64_t seed, tas_data **rest,
                                  tas_data **held_out);

/* The set's first `count` examples, without copies, as a set; it must stay open until *out is closed. count from 1 to
 * all. */
TAS_API tas_status tas_data_head(const tas_data *whole, uint64_t count, tas_data **out);

TAS_API uint64_t tas_data_count(const tas_data *data);
TAS_API size_t tas_data_input_size(const tas_data *data);
TAS_API uint32_t tas_data_classes(const tas_data *data); /* 0 with float targets */

#ifdef __cplusplus
}
#endif

#endif
