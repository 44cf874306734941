/* The data sets of a command: how DATA is read, its two splits, and what --examples and --validation make of the
 * training set. */
#ifndef SETS_H
#define SETS_H

#include "cli.h"

/* How DATA is read. All 0: nothing is given. */
typedef struct data_settings {
    const char *target, *ignore;
    const char *train_images, *train_labels, *test_images, *test_labels;
    int format, header, missing, pixels, resize; /* words */
    cli_size test;
} data_settings;

typedef struct cli_sets {
    const tas_data *train;       /* what there is to train on: one of those below */
    tas_data *validation;        /* NULL: nothing is held out */
    tas_data *test;              /* NULL: not opened yet */
    tas_data *all, *part, *rest; /* the whole training set; --examples of it; what is left of that; NULL: not wanted */
} cli_sets;

/* The words of the options below. */
const char *sets_format_word(int number);
const char *sets_choice_word(int number);
const char *sets_missing_word(int number);

/* Rows of a command's table; field(x): the offset of field x of its data_settings. The first are for commands whose
 * checkpoint knows the columns already. */
/* clang-format off */
#define OPTIONS_FORMAT(field)                                                                                          \
    {.name = "format", .metavar = "WORD", .group = GROUP_READING, .type = TYPE_WORD, .word = sets_format_word,         \
     .offset = field(format),                                                                                          \
     .help = "The format of the files (default: auto, which recognizes it). tassello(1) describes each."},             \
    {.name = "header", .metavar = "WORD", .group = GROUP_READING, .type = TYPE_WORD, .word = sets_choice_word,         \
     .offset = field(header),                                                                                          \
     .help = "Tables: whether the first line has the names of the columns (default: auto, which looks for a line "     \
             "unlike those below it)."},                                                                               \
    {.name = "missing", .metavar = "WORD", .group = GROUP_READING, .type = TYPE_WORD, .word = sets_missing_word,       \
     .offset = field(missing),                                                                                         \
     .help = "Tables: what to do about fields that are empty, NA, NaN, null or ?. error (default): refuse the file. "  \
             "mean: use the mean of the column in the training set. drop: leave out the row."},                        \
    {.name = "resize", .metavar = "WORD", .group = GROUP_READING, .type = TYPE_WORD, .word = sets_choice_word,         \
     .offset = field(resize),                                                                                          \
     .help = "Pictures: whether those of another size than the network's input are resized (default: auto, which "     \
             "does so) or refused (no)."}
#define OPTIONS_COLUMNS(field)                                                                                         \
    {.name = "target", .metavar = "COLUMNS", .group = GROUP_READING, .type = TYPE_TEXT, .offset = field(target),       \
     .help = "Tables: the column to predict, by name or number from 1, or several values with commas between them "    \
             "(default: the last column)."},                                                                           \
    {.name = "ignore", .metavar = "COLUMNS", .group = GROUP_READING, .type = TYPE_TEXT, .offset = field(ignore),       \
     .help = "Tables: columns to leave out, such as an identifier."},                                                  \
    {.name = "pixels", .metavar = "WORD", .group = GROUP_READING, .type = TYPE_WORD, .word = sets_choice_word,         \
     .offset = field(pixels),                                                                                          \
     .help = "Whether whole numbers from 0 to 255 are pixels, which layers see divided by 255. Default: auto, which "  \
             "means bytes of binary formats, and tables if the network's input has a height and a width."}
#define OPTION_IDX(field, what, at)                                                                                    \
    {.name = (what), .metavar = "FILE", .group = GROUP_READING, .type = TYPE_TEXT, .complete = COMPLETE_FILE,          \
     .offset = field(at), .help = "IDX: use this file instead of the one that DATA has."}
#define OPTIONS_IDX(field)                                                                                             \
    OPTION_IDX(field, "train-images", train_images), OPTION_IDX(field, "train-labels", train_labels),                  \
    OPTION_IDX(field, "test-images", test_images), OPTION_IDX(field, "test-labels", test_labels)
#define OPTION_TEST(field, text)                                                                                       \
    {.name = "test", .metavar = "SHARE", .group = GROUP_READING, .type = TYPE_SHARE, .offset = field(test),            \
     .help = "If DATA has no test split: the examples to hold out as one, a number or a share such as 20%. The same "  \
             "ones are drawn each time, whatever --seed is. " text}
#define OPTIONS_READING(field)                                                                                         \
    OPTIONS_COLUMNS(field), OPTION_TEST(field, "Default: 10%."), OPTIONS_FORMAT(field), OPTIONS_IDX(field)
#define OPTION_EXAMPLES(where)                                                                                         \
    {.name = "examples", .metavar = "N", .group = GROUP_DATA, .type = TYPE_U64, .least = 1, .most = UINT32_MAX,        \
     .offset = (where),                                                                                                \
     .help = "Use N of the training examples, drawn at random with --seed (default: all)."}
#define OPTION_VALIDATION(where, text)                                                                                 \
    {.name = "validation", .metavar = "SHARE", .group = GROUP_DATA, .type = TYPE_SHARE, .offset = (where),             \
     .help = "Hold out training examples, drawn at random with --seed: a number, or a share such as 10%. " text}
/* clang-format on */

/* The number of examples that a share of `all` is, at least 1; 0 if no share was given. */
uint64_t sets_share(const cli_size *share, uint64_t all);

/* What the options ask for. The network's wishes and a checkpoint's schema are the caller's to add. */
void sets_reading(const data_settings *settings, tas_reading *reading);

/* After a reading has failed: names the options that may help. drops: rows can be left out. */
void sets_hint(cli_state *cli, tas_status status, bool drops);

/* Opens a training and a test split, which is held out if the files have none: 10 % unless --test says otherwise.
 * Returns 0, or the exit status after printing an error. */
int sets_read(cli_sets *sets, cli_state *cli, const char *path, const tas_reading *reading);

/* Cuts the training set; examples and validation are 0 if not given. Returns as sets_read(). */
int sets_cut(cli_sets *sets, cli_state *cli, const char *path, uint64_t examples, const cli_size *validation,
             uint64_t seed);
void sets_close(cli_sets *sets);

/* Refuses, as wrong usage, an output (NULL: there is none) that would replace the network or a file of the data set. */
void sets_check_output(const cli_command *command, const char *option, const char *output, const char *net,
                       const char *path, const data_settings *settings);

/* "28 x 28", "3 x 32 x 32", or the number of values. */
enum { SHAPE_TEXT = 64 };
const char *sets_shape(const tas_data *data, char text[SHAPE_TEXT]);

#endif
