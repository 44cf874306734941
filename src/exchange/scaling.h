/* What a step costs on R ranks: a simulator that walks the schedule of the exchange (halving.h), and the time that
 * follows from it. Pure. The model is that of Thakur, Rabenseifner and Gropp 2005 (Optimization of Collective
 * Communication Operations in MPICH, IJHPCA 19, 1): a message of n bytes takes
 *
 *     latency + n / bandwidth
 *
 * and in each round all ranks wait for the slowest. Nothing is assumed to overlap: that the sums of the last layers'
 * buckets are made while the device computes the gradients of the first layers makes a step faster than that. So
 *
 *     T(R) = compute + staging + exchange(R) + update * slice(R)
 *
 *     compute    the gradient of the shards of the rank that has the most of them, on its device
 *     staging    the gradient comes from the device, and the weights go there: of all values, on every rank
 *     exchange   the sum and the gathering of V bytes of gradient and weights, in buckets of neighboring layers, in
 *                log2(seats) rounds each: with one seat per rank 2 log2(R) messages for each bucket, and
 *                2 V (R - 1) / R bytes in all;
 *                rows of shards (losses, statistics of the batch), each gathered in log2(seats) rounds;
 *                lists of sums of squares, if the update needs them, summed and gathered as the gradient is;
 *                broadcasts of rank 0's commands, of ceil(log2(R)) messages one after another
 *     update     of all values on one rank's host; slice(R) is the share of the rank that has the most slices
 *
 *     speedup(R) = T(1) / T(R), efficiency(R) = speedup(R) / R
 *
 * where T(1) is the step of one device without ranks. */
#ifndef SCALING_H
#define SCALING_H

#include "exchange/halving.h"

/* Seconds of a small message; bytes per second that a rank sends while it receives as many. */
typedef struct scaling_link {
    double latency, bandwidth;
} scaling_link;

/* What ranks exchange in a step. */
typedef struct scaling_volume {
    uint64_t values;                      /* of the gradient, and so of the weights that are trained; float32; */
    uint32_t buckets;                     /* so many times a part of them is summed, and gathered; 0 counts as 1 */
    uint32_t rows;                        /* how often rows of shards are gathered, */
    uint64_t row_values;                  /* and a shard's values in all of them together */
    uint32_t lists;                       /* of sums of squares, */
    uint64_t list_values;                 /* and their values */
    uint32_t broadcasts, broadcast_bytes; /* messages from rank 0 to all, and the bytes of all of them together */
} scaling_volume;

enum { SCALING_HEADER = 16 /* bytes in front of each message of an exchange */ };

/* Messages and bytes that a rank sends in a step. */
typedef struct scaling_traffic {
    uint64_t messages, bytes;
} scaling_traffic;

typedef struct scaling_exchange {
    scaling_traffic most;   /* of the rank that sends the most bytes, and of the one that sends the most messages */
    double seconds;         /* of a step; 0 without a link */
    uint64_t message_bytes; /* of the gradient or the weights, that a rank sends in one round, at most */
    double slice;           /* share of the values that a rank updates, at most */
    int nodes;              /* sums of subtrees that a rank has, at most */
} scaling_exchange;

/* Walks a step of ranks that have even shares of the shards. traffic: of each rank, or NULL. link: NULL if no time is
 * wanted. False: no memory. */
bool scaling_walk(const scaling_volume *volume, uint32_t ranks, uint32_t shards, const scaling_link *link,
                  scaling_traffic *traffic, scaling_exchange *out);

/* Shards of the rank that has the most of them. */
uint32_t scaling_shards_most(uint32_t ranks, uint32_t shards);

/* Seconds that do not depend on the exchange. */
typedef struct scaling_work {
    double alone;   /* a step of one device without ranks */
    double compute; /* of the rank with the most shards */
    double staging, update;
} scaling_work;

typedef struct scaling_time {
    double update, seconds, speedup, efficiency;
} scaling_time;

/* One rank is a device without ranks. */
scaling_time scaling_time_of(uint32_t ranks, const scaling_work *work, const scaling_exchange *exchange);

/* An efficiency that still pays. */
#define SCALING_PAYS 0.5

#endif
