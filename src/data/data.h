/* The data set as the training loop sees it. */
#ifndef DATA_H
#define DATA_H

#include "base/base.h"

#include <tassello/data.h>

struct tas_data {
    tas_context *context;
    tas_data_options is;            /* with fill NULL: inputs and targets point at the whole set */
    char name[256];                 /* for errors: the folder and split, "arrays" or "callback" */
    void *own_inputs, *own_targets; /* freed at close */
};

/* Reads an IDX file, plain or gzip, of unsigned bytes with the given number of dimensions. Magic, dimensions and length
 * are held against each other before anything large is allocated. *bytes is malloc()ed. */
tas_status idx_read(tas_context *context, const char *path, int dims_wanted, uint64_t *dims, unsigned char **bytes);

/* Examples first .. first+n-1 of the set, in its own order, into inputs (n, input_size) and targets; from the arrays or the callback. */
tas_status data_fetch(const tas_data *data, uint64_t first, size_t n, void *inputs, void *targets);
size_t data_input_bytes(const tas_data *data); /* of one example */
size_t data_target_bytes(const tas_data *data);

/* The order of an epoch: a permutation of 0..count-1 drawn from (seed, epoch) by Philox; epoch counts from 0. */
void shuffle_order(uint64_t seed, uint32_t epoch, uint32_t *order, uint32_t count);

#endif
