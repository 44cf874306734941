/* Sums over ranks, in the order of a fixed tree, and what goes with them: see halving.h.
 *
 * All ranks make the same calls in the same order. A failure of one of them ends the call in all of them. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "base/context.h"
#include "exchange/halving.h"
#include "exchange/transport.h"

typedef struct exchange {
    tas_context *context; /* of this rank */
    transport *transport;
    halving halving;
    halving_node node[HALVING_NODES]; /* this rank's */
    int nodes;
    uint64_t serial;               /* of the calls */
    halving_part *parts, *awaited; /* of a round: what is sent, and what is received */
    transport_op *ops;
    char *out, *in; /* messages */
    uint64_t room;  /* bytes of each */
    bool lent;      /* both are the caller's */
    double seconds; /* that this rank spent in exchanges, */
    double waited;  /* and of these, for messages */
} exchange;

/* The shares as halving_make() has them; the transport is the caller's. Closed with exchange_close(). */
tas_status exchange_open(exchange *e, tas_context *context, transport *t, uint32_t shards, const uint32_t *share);
void exchange_close(exchange *e);

/* Cuts `elements` into a slice per seat, evenly but at multiples of unit[k] within range k alone: cut[0 .. seats].
 * Ranges follow each other; NULL: units of one element. */
typedef struct exchange_range {
    uint64_t elements, unit;
} exchange_range;
void exchange_cut(const exchange *e, const exchange_range *ranges, int count, uint64_t elements, uint64_t *cut);

/* Bytes that a rank's longest messages of such a vector have, out or in, in all calls; and elements in its slices. */
tas_status exchange_room(const exchange *e, const uint64_t *cut, uint32_t rank, uint64_t *bytes);
uint64_t exchange_own(const exchange *e, const uint64_t *cut, uint32_t rank);

/* Memory of the caller's for messages out and in, which stays until the exchange is closed: what needs more room has it
 * allocated. */
void exchange_lend(exchange *e, char *out, char *in, uint64_t bytes);

/* Adds vectors: vectors[k], which is node k's. The first `used` seats alone have something; the others' vectors are not
 * read, and nothing is added in their place. Afterwards the slices of each seat are in the vector of its node
 * (exchange_slice); the rest of the vectors is of no use. Flags are or-ed over all ranks that have seats. */
tas_status exchange_sum(exchange *e, float *const *vectors, const uint64_t *cut, uint32_t used, uint32_t *flags);

/* The slice that a seat of this rank has after a sum: elements *from .. *to - 1, in the vector of node *node. */
void exchange_slice(const exchange *e, const uint64_t *cut, uint32_t seat, int *node, uint64_t *from, uint64_t *to);

/* The slices of a vector, of which each seat has its own, come to all ranks that have seats. Flags are or-ed. */
tas_status exchange_gather(exchange *e, float *vector, const uint64_t *cut, uint32_t *flags);

/* A row of `width` floats per shard, of which each rank has those of its own: all of them come to all. */
tas_status exchange_rows(exchange *e, float *rows, uint64_t width);

/* From rank 0 to all: bytes, of which all know how many there are. */
tas_status exchange_broadcast(exchange *e, void *data, uint64_t bytes);

/* The slices of a vector: from their ranks to rank 0 (collect), or to them (scatter). Elsewhere only a rank's own
 * slices are read or written. */
tas_status exchange_collect(exchange *e, float *vector, const uint64_t *cut);
tas_status exchange_scatter(exchange *e, float *vector, const uint64_t *cut);

/* A message to another rank, which receives it by the same call. */
tas_status exchange_move(exchange *e, uint32_t peer, bool receives, void *data, uint64_t bytes);

/* Collects one block per rank, each of `bytes` bytes, in `all` on rank 0, in the order of the ranks. The other ranks do
 * not use `all`. */
tas_status exchange_blocks(exchange *e, const void *block, uint64_t bytes, void *all);

#endif
