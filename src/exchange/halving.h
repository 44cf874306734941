/* The schedule of a sum over ranks: who adds what, and who sends what to whom. Pure: the exchange runs it, and `plan`
 * counts with it.
 *
 * The sum is a fixed binary tree over `seats` leaves, a power of two; a rank has a run of neighboring seats, which it
 * has added itself as far as they are whole subtrees (its nodes). The rest is done by recursive halving: in round l,
 * seat i and seat i ^ 2^l, whose subtrees are neighbors in the tree, exchange halves of what they have, and each adds
 * the half that it keeps. After log2(seats) rounds each seat has one slice of the whole sum. What becomes of the slices
 * is gathered by recursive doubling, the same rounds backward. With one seat per rank, each sends and receives
 * (R - 1) / R of a vector in each of the two phases, in log2(R) messages: no scheme sends less.
 *
 * Slices are numbered from 0 to seats - 1; those that a seat has are always neighbors. */
#ifndef HALVING_H
#define HALVING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct halving {
    uint32_t ranks, seats, rounds; /* seats = 2^rounds */
    uint32_t shards_per_seat;
    uint32_t *first; /* ranks + 1 of them: rank r has seats first[r] .. first[r + 1] - 1 */
} halving;

/* For ranks of which rank r has shards share[r] .. share[r + 1] - 1, from 0 to `shards`, a power of two. A seat has as
 * many shards as all shares allow. Freed with halving_free(); false: no memory. */
bool halving_make(halving *s, uint32_t ranks, uint32_t shards, const uint32_t *share);
void halving_free(halving *s);

/* Shares: rank r has shards share[r] .. share[r + 1] - 1. By weight, 0 for ranks that get none; each other rank has at
 * least one if there are enough. NULL: all alike. */
void halving_share(uint32_t ranks, uint32_t shards, const double *weight, uint32_t *share);

/* A subtree that a rank has added itself: 2^level seats. */
typedef struct halving_node {
    uint32_t seat, level;
} halving_node;
enum { HALVING_NODES = 64 }; /* of a rank, at most */
int halving_nodes(const halving *s, uint32_t rank, halving_node nodes[HALVING_NODES]);
uint32_t halving_rank(const halving *s, uint32_t seat);

/* The slices that a seat has before that round of the sum: *from .. *to - 1. */
void halving_slices(const halving *s, uint32_t seat, uint32_t round, uint32_t *from, uint32_t *to);

typedef enum halving_phase { HALVING_SUM, HALVING_GATHER } halving_phase;

/* What two seats of different ranks exchange in a round, in one direction: slices from .. to - 1. */
typedef struct halving_part {
    uint32_t peer;          /* the other rank: parts with the same one follow each other, and are one message */
    uint32_t seat, partner; /* this rank's, and the peer's */
    uint32_t from, to;
} halving_part;

/* The parts that a rank sends, or receives, in a round: at most one per seat of the rank. Rounds of the sum are 0, 1,
 * ...; those of gathering run backward, to 0. Gives how many there are. */
uint32_t halving_parts(const halving *s, halving_phase phase, uint32_t round, uint32_t rank, bool receives,
                       halving_part *parts);

/* What a rank sends in both phases together, of a vector of so many bytes that is cut into equal slices; headers: bytes
 * per message. False: no memory. */
typedef struct halving_cost {
    uint64_t messages, bytes;
} halving_cost;
bool halving_count(const halving *s, uint32_t rank, uint64_t vector, uint64_t headers, halving_cost *out);

#endif
