/* Data sets: from a folder of IDX files, from arrays, or from a callback that fills examples by index. */
#ifndef TASSELLO_DATA_H
#define TASSELLO_DATA_H

#include <tassello/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_data tas_data;

typedef enum tas_split { TAS_TRAIN = 0, TAS_TEST } tas_split;

/* The type of an input element, and what becomes of it. With the network's `mean` and `std` (0 and 1 by default), a
 * layer sees (value - mean) / std. */
typedef enum tas_input_type {
    /* unsigned char; value = byte / 255 */
    TAS_INPUT_U8 = 0,

    /* float; value = the float. Magnitudes below 2^-40, before or after that scaling, become 0 */
    TAS_INPUT_F32
} tas_input_type;

typedef enum tas_target_type {
    /* One uint32_t per example: its class, below `classes` */
    TAS_TARGET_LABEL = 0,

    /* target_size floats per example, for every loss but softmax; from 0 to 1 for bce */
    TAS_TARGET_F32
} tas_target_type;

/* Fills n examples: inputs (n, input_size) of the input type, and targets uint32_t (n) or float (n, target_size).
 * index[k] is the index of example k in the data set; indices come in any order, and the same index must always give
 * the same values. Called only on the thread that called the library. A result other than 0 fails that call with
 * TAS_BAD_DATA. */
typedef int (*tas_fill_fn)(void *user, const uint64_t *index, size_t n, void *inputs, void *targets);

/* Describes a data set of arrays (inputs and targets) or of a callback (fill). Initialize it with
 * tas_data_options_init(). */
typedef struct tas_data_options {
    /* sizeof(tas_data_options), set by tas_data_options_init() */
    size_t size;

    /* Examples: 1 to 2^32 - 1 */
    uint64_t count;

    /* Elements of one example's input: at least 1 */
    size_t input_size;

    tas_input_type input_type;
    tas_target_type target_type;

    /* TAS_TARGET_LABEL only: number of classes, at least 1 */
    uint32_t classes;

    /* TAS_TARGET_F32 only: elements of one example's target, at least 1 */
    size_t target_size;

    /* (count, input_size), row-major; any alignment */
    const void *inputs;

    /* uint32_t (count), or float (count, target_size) */
    const void *targets;

    /* 0: the arrays are copied. Otherwise they are used in place and must stay valid and unchanged until the data set
     * is closed */
    int borrow;

    /* A weight per example: float (count), each from 0 to 1000000; NULL (the default): 1. It multiplies the example's
     * loss, and means divide by the sum of the weights. Weights below 2^-40 count as 0. Also with a callback. Copied or
     * borrowed as the other arrays are, even with a callback */
    const float *weights;

    /* NULL with arrays; `user` is its first argument */
    tas_fill_fn fill;
    void *user;
} tas_data_options;

/* Sets size, and everything else to 0. */
TAS_API void tas_data_options_init(tas_data_options *options);

/* Opens a data set of arrays or of a callback; *out is closed with tas_data_close(). TAS_BAD_ARGUMENT if the options
 * contradict each other. TAS_BAD_DATA, naming the example, if a label is not below `classes` or a float is not finite:
 * arrays are checked here, a callback's examples whenever they are read.
 *
 * Float inputs below 2^-40 (9.1e-13) in magnitude are used as 0, as weights are, because the arithmetic contract rules
 * out denormal partial sums. A note counts them. Scale inputs up if such values matter. */
TAS_API tas_status tas_data_open(tas_context *context, const tas_data_options *options, tas_data **out);

/* Opens one split of a folder of IDX files: train-images-idx3-ubyte and train-labels-idx1-ubyte, or t10k-..., plain or
 * .gz. *out is closed with tas_data_close(). The classes are 0 to the largest label.
 *
 * Labels and gzip files are read into memory. Images of a plain file are mapped, so that a set can be larger than
 * memory: the file must not change until the data set is closed. If it gets shorter, reading examples fails with
 * TAS_BAD_DATA, or raises SIGBUS if that happens while they are read. Replacing the file by a rename is safe. */
TAS_API tas_status tas_data_open_folder(tas_context *context, const char *folder, tas_split split, tas_data **out);

/* Closes *data and sets it to NULL; does nothing if data or *data is NULL. */
TAS_API void tas_data_close(tas_data **data);

/* What a folder of a data set holds, for manuals: paragraphs with an empty line between them. */
TAS_API const char *tas_data_rules(void);

/* Divides a set into two without copies: `count` examples, drawn from the seed, are *held_out; the others are *rest.
 * Both keep the order of the whole set. count: 1 to all but one. rest or held_out may be NULL if that part is not
 * needed. The whole set must stay open until both are closed.
 *
 * A part trains to the same bits as a data set of only its examples: shuffles, dropout masks and augmentation depend on
 * the index in the part. Its classes are those of the whole set. A part can be divided again, also with the same seed.
 */
TAS_API tas_status tas_data_split(const tas_data *whole, uint64_t count, uint64_t seed, tas_data **rest,
                                  tas_data **held_out);

/* The first `count` examples of a set, 1 to all, without copies. The whole set must stay open until *out is closed. */
TAS_API tas_status tas_data_head(const tas_data *whole, uint64_t count, tas_data **out);

/* Examples. */
TAS_API uint64_t tas_data_count(const tas_data *data);

/* Elements of one example's input. */
TAS_API size_t tas_data_input_size(const tas_data *data);

/* Classes; 0 with float targets. */
TAS_API uint32_t tas_data_classes(const tas_data *data);

#ifdef __cplusplus
}
#endif

#endif
