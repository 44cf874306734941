/* The update of a run over ranks: each rank has some slices of the parameters that are trained and of the optimizer's
 * slots, on the host, and updates them by the references of the operations that a device would run. Bits are the same,
 * and so is the order of each sum: slices are cut between the blocks of sums of squares.
 *
 * Parameters are in canonical order. If the devices of all ranks use the same layout, they are in that one, so that
 * nothing has to be reordered; else in the canonical layout. */
#ifndef SLICES_H
#define SLICES_H

#include "exchange/exchange.h"
#include "model/model.h"
#include "ops/divisor.h"
#include "train/optimizers.h"

/* Some neighbors of one tensor, which are in one slice. */
typedef struct slice_piece {
    int parameter, node;  /* of slices.tensor; of the rank, in whose vector the sum of gradients is */
    uint64_t first;       /* its first element in the tensor, */
    uint64_t at, slot_at; /* in vectors, and in the memory of slots */
    uint64_t elements;
} slice_piece;

/* Neighbors among the parameters, whose gradients are exchanged together. */
typedef struct slices_bucket {
    int first, count;    /* of slices.tensor */
    uint64_t from, to;   /* in vectors */
    const uint64_t *cut; /* as exchange_cut() has it, but in vectors */
} slices_bucket;

/* The parameters that are trained, one after another, as a vector. */
typedef struct slices {
    const tas_model *model;
    const tas_train_options *options;
    exchange *exchange; /* the caller's */
    bool as_devices;    /* in the layout of the devices, which is the same on all ranks; else canonical */
    int *tensor;        /* in canonical order */
    exchange_range *range;
    uint64_t *at; /* in vectors */
    int count;
    uint64_t elements;
    slices_bucket *bucket; /* from the last ones, whose gradients come first, to the first */
    int buckets;
    uint64_t *cut; /* of all buckets */
    slice_piece *piece;
    int pieces;
    uint64_t own; /* elements in them */
    host_mem slot_memory[OPTIMIZER_SLOTS];
    float *slot[OPTIMIZER_SLOTS]; /* in it */
} slices;

/* A digest of the layout of the parameters on the model's device, to compare devices with. */
void slices_describe_layout(const tas_model *model, char hex[65]);

/* as_devices: the devices of all ranks use the layout of this model's. slices_list() leaves out the slots' memory. */
tas_status slices_list(slices *s, const tas_model *model, const tas_train_options *options, exchange *e,
                       bool as_devices);
tas_status slices_open(slices *s, const tas_model *model, const tas_train_options *options, exchange *e,
                       bool as_devices);
void slices_close(slices *s);

/* Parameter k, or its gradient or slots, from this rank's device's layout to its place in a vector, and back. */
void slices_unpack(const slices *s, int k, const char *packed, float *vector);
void slices_pack(const slices *s, int k, const float *vector, char *packed);

/* How many buckets a network's parameters have: at least one. */
uint32_t slices_buckets(const tas_network *network);

/* Copies the slices of a slot into a vector of all elements, or out of it. */
void slices_read(const slices *s, int slot, float *vector);
void slices_write(slices *s, int slot, const float *vector);

/* Updates this rank's slices of the weights from those of the sums of gradients, which are in vectors[node]. divisor is
 * what the watch has made; record is set if a norm is not finite. All ranks make this call together. */
tas_status slices_update(slices *s, const optimizer_step *step, uint32_t number, uint32_t batch, float *weights,
                         float *const *vectors, float divisor[DIVISOR_VALUES], uint32_t record[2]);

/* Whether this rank's slices of a vector are finite, or if there is none those of vectors[node]. */
bool slices_are_finite(const slices *s, const float *vector, float *const *vectors);

#endif
