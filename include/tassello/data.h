/* Data sets: from files of many formats, from arrays, or from a callback that fills examples by index. */
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

/* Reading files --------------------------------------------------------------------------------------------------- */

/* What the targets of a file are taken for. AUTO: classes if they are words, or whole numbers of at most 20 values;
 * else values. */
typedef enum tas_targets { TAS_TARGETS_AUTO = 0, TAS_TARGETS_CLASSES, TAS_TARGETS_VALUES } tas_targets;

/* Empty fields, and those of "NA", "NaN", "null" and "?": an error; the mean of their column in the training set (of
 * words: a category of its own); or their rows are left out. */
typedef enum tas_missing { TAS_MISSING_ERROR = 0, TAS_MISSING_MEAN, TAS_MISSING_DROP } tas_missing;

typedef enum tas_choice { TAS_CHOICE_AUTO = 0, TAS_CHOICE_YES, TAS_CHOICE_NO } tas_choice;

/* How files are read. Initialize it with tas_reading_init(). Texts may be NULL. What a format has no use for is
 * refused, except for what the network needs, which is ignored. */
typedef struct tas_reading {
    /* sizeof(tas_reading), set by tas_reading_init() */
    size_t size;
    /* A name of tas_format(); NULL: the format is recognized. */
    const char *format;
    /* What the network needs: the kind of its targets; its input, all 0 if any will do: channels x height x width, or
     * with height and width 0 a count of values. */
    tas_targets targets;
    uint32_t channels, height, width;
    /* Tables: the columns of the targets, and those to leave out, as names or numbers from 1 with commas between them;
     * NULL: the last column, and none. Whether the first line has names; AUTO: it has if one of its fields is not a
     * number although all below that field are, or if all of its fields are words that differ. */
    const char *target, *ignore;
    tas_choice header;
    tas_missing missing;
    /* Whole numbers from 0 to 255 as pixels, so that layers see value / 255. AUTO: unsigned bytes of binary formats;
     * in tables, if the network's input has height and width. */
    tas_choice pixels;
    /* Pictures of another size than the network's input are brought to it, unless NO. */
    tas_choice resize;
    /* IDX: files instead of those that the folder has. */
    const char *train_images, *train_labels, *test_images, *test_labels;
    /* If there is no test split: examples to hold out for one, as a number or as a share of all, drawn from the seed;
     * both 0: there is none. */
    uint64_t test_count;
    double test_share;
    uint64_t test_seed;
    /* tas_data_schema() of the data that a network was trained on: columns, categories, classes and sizes are its, and
     * what differs is refused. NULL: the training split's. */
    const char *schema;
    /* Where what had to be decoded is kept; NULL: the user's cache. */
    const char *cache;
} tas_reading;
TAS_API void tas_reading_init(tas_reading *reading);

/* Opens files: a file or a folder, whose format is recognized. *train and *test are closed with tas_data_close(), in
 * any order; *test is NULL if the files have no test split and none is held out, *train if they have nothing but one.
 * Either pointer may be NULL: that split is not read.
 *
 * TAS_BAD_FILE: nothing is recognized, or a file cannot be read. TAS_BAD_DATA: what a file has is wrong; the error
 * names file, line or member, column, and what was expected. TAS_BAD_ARGUMENT: the reading contradicts itself or the
 * format.
 *
 * Elements that files have as they are used are mapped; others are converted into memory, or beyond a quarter of the
 * machine's memory into a file of the cache without a name, which is mapped: so a set can be larger than memory, with
 * the same bits. A mapped file must not change until the data set is closed. If it gets shorter, reading examples fails
 * with TAS_BAD_DATA, or raises SIGBUS if that happens while they are read. Replacing the file by a rename is safe. */
TAS_API tas_status tas_data_read(tas_context *context, const char *path, const tas_reading *reading, tas_data **train,
                                 tas_data **test);

/* Opens files for prediction: their targets may be missing, and are not to be used. The reading has a schema. *out is
 * closed with tas_data_close(). Fails as tas_data_read(). */
TAS_API tas_status tas_data_read_inputs(tas_context *context, const char *path, const tas_reading *reading,
                                        tas_data **out);

/* One split, as tas_data_read() has it with the initial reading; TAS_BAD_FILE if there is no such split. */
TAS_API tas_status tas_data_open_folder(tas_context *context, const char *path, tas_split split, tas_data **out);

/* What is wrong with files that tas_data_read() refuses: up to `most` problems, one per call of `found`, in the order
 * of the files, where readers can go on behind one. *count: how many there were, as far as was read; 0: it would read
 * them. TAS_OK unless something else failed. */
typedef void (*tas_problem_fn)(void *user, const char *problem);
TAS_API tas_status tas_data_check(tas_context *context, const char *path, const tas_reading *reading, int most,
                                  tas_problem_fn found, void *user, int *count);

/* What is known of a data set from files; of others all is 0 or NULL. Texts are valid until the set is closed. */
typedef struct tas_data_info {
    /* "csv", of tas_format() */
    const char *format;
    /* Of pictures and of arrays with such dimensions; else 0 */
    uint32_t channels, height, width;
    tas_input_type input_type;
    tas_target_type target_type;
    /* Elements of a target; 0 with labels */
    size_t target_size;
    /* What labels stand for, in the order of the classes; NULL: they have no names */
    const char *const *class_name;
    /* Names of inputs, input_size of them, a category's as "column=value"; NULL: they have none */
    const char *const *input_name;
    /* Names of the targets, target_size of them or that of the class; NULL: they have none */
    const char *const *target_name;
    /* Files that examples came from, in the order of the examples; NULL: many come from one. Not of parts. */
    const char *const *example_name;
    /* Of the files: fields that were missing, and rows left out because of them, of this split */
    uint64_t missing, dropped;
    /* Non-zero: the examples were drawn from the training split, as the files have no test split */
    int held_out;
} tas_data_info;
TAS_API void tas_data_get_info(const tas_data *data, tas_data_info *info);

/* What one needs to read further files the same way, as JSON on one line; NULL of arrays and callbacks. Valid until the
 * set is closed. Checkpoints carry it (metadata "tassello.data"). */
TAS_API const char *tas_data_schema(const tas_data *data);

/* Examples of a set, by index (NULL: 0 to n-1): inputs as layers see them before the network's mean and std, that is
 * byte / 255 or the float, (n, input_size); and labels uint32_t (n) or float (n, target_size). Either may be NULL. */
TAS_API tas_status tas_data_get(const tas_data *data, const uint64_t *index, size_t n, float *inputs, void *targets);

/* SHA-256 over the sizes, types, inputs, targets and weights of a set: 64 hexadecimal digits and a 0. Of more than 1
 * GiB only 65536 examples, evenly spaced, count. Of a callback only the sizes. */
TAS_API tas_status tas_data_fingerprint(const tas_data *data, char hex[65]);

/* The formats: names for tas_reading.format, and how such files look, for manuals: paragraphs with an empty line
 * between them. `missing`: NULL, or the package without which this build refuses it. */
typedef struct tas_format_info {
    const char *name, *title, *rules, *missing;
} tas_format_info;
/* Fills *info with row `index`; returns 0 past the last. */
TAS_API int tas_format(size_t index, tas_format_info *info);

/* Closes *data and sets it to NULL; does nothing if data or *data is NULL. */
TAS_API void tas_data_close(tas_data **data);

/* Parts ----------------------------------------------------------------------------------------------------------- */

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
