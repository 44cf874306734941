/* The data set as the training loop sees it. */
#ifndef DATASET_H
#define DATASET_H

#include "base/base.h"

#include <tassello/data.h>

/* The elements of an IDX file: of a plain one mapped, of gzip in memory. All 0: none. */
typedef struct idx_elements {
    unsigned char *bytes; /* malloc()ed, or within the mapping: then not to be written */
    void *map;            /* the whole file; NULL: not mapped, and the rest is unused */
    size_t size;          /* of the file, when it was mapped */
    int fd;               /* kept to ask the size again: to touch a page behind the file's end is SIGBUS */
    char *path;
} idx_elements;

struct tas_data {
    tas_context *context;
    tas_data_options is; /* with fill NULL: inputs and targets point at the whole set */
    char name[256];      /* for errors: the folder and split, "arrays" or "callback", and which part of that */
    void *own_inputs, *own_targets; /* freed at close */
    idx_elements images;            /* of a folder: what is.inputs points at */
    uint32_t height, width;         /* of its images; else 0 */
    const tas_data *root;           /* of a part: the set that its examples come from, itself no part; else NULL */
    const uint32_t *index;          /* example k is the root's index[k]; NULL: the root's k */
    uint32_t *own_index;            /* freed at close */
};

/* The set that the examples of this one come from. */
static inline const tas_data *data_root(const tas_data *data) { return data->root ? data->root : data; }

/* Reads an IDX file, plain or gzip, of unsigned bytes with the given number of dimensions. Magic, dimensions and length
 * are held against each other before anything large is allocated. *bytes is malloc()ed. */
tas_status idx_read(tas_context *context, const char *path, int dims_wanted, uint64_t *dims, unsigned char **bytes);

/* The same; with map a plain file is mapped. One that cannot be (not every file system can) is read, with a note. */
tas_status idx_open(tas_context *context, const char *path, int dims_wanted, bool map, uint64_t *dims,
                    idx_elements *out);
void idx_close(idx_elements *elements);

/* Before each use of the bytes: says which way they will be read, and fails where the mapped file is no longer whole.
 */
typedef enum idx_way { IDX_IN_ORDER, IDX_AT_RANDOM } idx_way;
tas_status idx_begin(tas_context *context, const idx_elements *elements, idx_way way);

/* Examples first .. first+n-1 of the set, in its own order, into inputs (n, input_size) and targets; from the arrays or
 * the callback. */
tas_status data_fetch(const tas_data *data, uint64_t first, size_t n, void *inputs, void *targets);

/* The same for the examples of a list, in its order; one may stand in it more than once. */
tas_status data_pick(const tas_data *data, const uint32_t *index, size_t n, void *inputs, void *targets);
size_t data_input_bytes(const tas_data *data); /* of one example */
size_t data_target_bytes(const tas_data *data);

/* The order of an epoch: a permutation of 0..count-1 drawn from (seed, epoch) by Philox; epoch counts from 0. */
void shuffle_order(uint64_t seed, uint32_t epoch, uint32_t *order, uint32_t count);

/* Draws `take` of 0..count-1 from the seed by Philox, each set of them as likely as any other. Both lists rise; either
 * may be NULL. */
void draw_split(uint64_t seed, uint32_t count, uint32_t take, uint32_t *taken, uint32_t *left);

/* Draws `take` of 0..count-1 in a random order, without repetition, by Philox: draw number `which` of that size from
 * the seed. They are the first of `order`, whose other entries are those not drawn. */
void draw_batch(uint64_t seed, uint32_t which, uint32_t *order, uint32_t count, uint32_t take);

#endif
