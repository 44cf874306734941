/* The data set as the training loop sees it. */
#ifndef DATASET_H
#define DATASET_H

#include "base/context.h"
#include "data/about.h"
#include "data/elements.h"

#include <tassello/data.h>

struct digest;

struct tas_data {
    tas_context *context;
    tas_data_options options; /* with fill NULL: inputs and targets point at the whole set */
    char name[256];           /* for errors: the folder and split, "arrays" or "callback", and which part of it */
    void *own_inputs, *own_targets, *own_weights; /* freed at close */
    data_elements inputs;                         /* of files: what options.inputs points at */
    data_about *about;                            /* of files; else NULL */
    const tas_data *root;  /* of a part: the set that its examples come from, itself no part; else NULL */
    const uint32_t *index; /* example k is the root's index[k]; NULL: the root's k */
    uint32_t *own_index;   /* freed at close */
    bool has_noted_tiny;   /* that some inputs are used as 0 */
    tas_data *shared;      /* of a part: the root, if it is closed with the last of its parts; else NULL */
    int parts;             /* of a root: those that share it */
    bool held_out;         /* drawn for a test split that the files do not have */
};

/* Creates a set, which is closed with tas_data_close(). The arrays of the options are not copied. name is for errors.
 */
tas_status dataset_create(tas_context *context, const tas_data_options *options, const char *name, tas_data **out);

/* Checks a whole set of arrays: labels below `classes`, floats finite. Notes inputs that are used as 0. */
tas_status dataset_check(const tas_data *data);

/* The set that a part's examples come from; a set that is no part is its own. */
static inline const tas_data *dataset_root(const tas_data *data) { return data->root ? data->root : data; }

/* Examples first .. first+n-1 of the set, in its own order, into inputs (n, input_size) and targets; from the arrays or
 * the callback. Unless there is one, inputs may be NULL. */
tas_status dataset_fetch(const tas_data *data, uint64_t first, size_t n, void *inputs, void *targets);

/* The same for a list of indices, in its order, which may repeat examples. */
tas_status dataset_pick(const tas_data *data, const uint32_t *index, size_t n, void *inputs, void *targets);

/* The weights of those examples, of a list or without one from `first` on: 1 if the set has none. */
void dataset_weights(const tas_data *data, const uint32_t *index, uint64_t first, size_t n, float *weights);
size_t dataset_input_bytes(const tas_data *data); /* of one example */
size_t dataset_target_bytes(const tas_data *data);

/* Add n examples, as dataset_fetch() returns them, to a digest, which does not depend on the processor. */
void dataset_digest_inputs(const tas_data *data, const void *inputs, size_t n, struct digest *d);
void dataset_digest_targets(const tas_data *data, const void *targets, size_t n, struct digest *d);

#endif
