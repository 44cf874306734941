/* A format of data sets: a row of the table in data/read.c. */
#ifndef READER_H
#define READER_H

#include "data/elements.h"
#include "data/schema.h"

#include <sys/stat.h>
#include <tassello/data.h>

/* What is looked at to recognize a format. */
typedef struct reader_look {
    const char *path;
    bool folder;
    unsigned char head[512]; /* a file's first bytes, unpacked if it is compressed with gzip; */
    size_t head_bytes;       /* fewer if it is shorter */
    bool gzip;
} reader_look;

/* Where a reader can go on behind a problem, it reports it. Then this collects up to `most`. */
typedef struct reader_problems {
    tas_problem_fn found;
    void *user;
    int count, most;
} reader_problems;

typedef struct reader_request {
    tas_context *context;
    const char *path;
    const tas_reading *reading;
    const schema *schema;      /* of a checkpoint, to be kept to; NULL: the training split makes one */
    reader_problems *problems; /* NULL: the first one fails the reading */
    bool wanted[2];            /* by tas_split */
    bool inputs_only;          /* for prediction: files may lack targets, which are then 0 */
} reader_request;

/* A split as a reader leaves it. */
typedef struct reader_set {
    bool present;
    tas_data_options options; /* count, sizes and types; its pointers are not looked at */
    data_elements inputs;
    void *targets; /* malloc()ed: uint32_t labels or floats */
    char **names;  /* malloc()ed: the file of each example, as people call it; NULL: there is none of its own */
    uint64_t missing, dropped;
} reader_set;

/* Of both splits. The schema is the reader's to fill as far as its format knows: names, channels, height, width,
 * classes. Sizes and types are filled in from the splits by the caller. */
typedef struct reader_result {
    reader_set split[2];
    schema schema;
} reader_result;

typedef struct reader {
    const char *name;    /* for tas_reading.format */
    const char *title;   /* "a CSV table" */
    const char *rules;   /* how such files look, for manuals: paragraphs with an empty line between them */
    const char *missing; /* NULL; or the package without which this build refuses the format; recognize still works */

    /* Whether a file or folder seems to be of the format, well or badly formed. */
    bool (*recognize)(const reader_look *look);

    /* Reads the wanted splits that are there. If a format or its files have no splits, all examples are TAS_TRAIN's
     * (drawing a test split from them is the caller's). What it has put into *out is the caller's, even if it fails. */
    tas_status (*open)(const reader_request *request, reader_result *out);
} reader;

/* The context's error is one of the problems. */
void reader_add_problem(tas_context *context, reader_problems *problems);

/* Reports a problem, a sentence's text as for fail(). Not TAS_OK: the reader has to end with that status. TAS_OK: it
 * may go on, to find further ones; what it reads is thrown away. */
tas_status reader_problem(const reader_request *request, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether one was reported, so that nothing read is used. */
bool reader_has_problems(const reader_request *request);

/* Refuses each field of tas_reading that is set although the format has no use for it, named as in tas_reading;
 * `uses`: those it has, of target, ignore, header, missing, resize and files (train_images and so on), 0-terminated
 * pointers to static names. pixels, targets and sizes are never refused. */
tas_status reader_refuse_others(const reader_request *request, const reader *format, const char *const uses[]);

extern const reader reader_idx, reader_csv, reader_tsv, reader_libsvm, reader_npz, reader_npy, reader_images,
    reader_cifar;

#endif
