/* The schedule of a sum over ranks: see halving.h. */
#include "exchange/halving.h"

#include <stdlib.h>

/* Making ---------------------------------------------------------------------------------------------------------- */

bool halving_make(halving *s, uint32_t ranks, uint32_t shards, const uint32_t *share)
{
    uint32_t all = shards;
    *s = (halving){.ranks = ranks, .first = malloc((ranks + (size_t)1) * sizeof *s->first)};
    if (!s->first) return false;
    for (uint32_t r = 0; r <= ranks; r++) all |= share[r];
    s->shards_per_seat = all & -all; /* the lowest bit of any */
    s->seats = shards / s->shards_per_seat;
    while (1u << s->rounds < s->seats) s->rounds++;
    for (uint32_t r = 0; r <= ranks; r++) s->first[r] = share[r] / s->shards_per_seat;
    return true;
}

void halving_free(halving *s)
{
    free(s->first);
    *s = (halving){0};
}

/* Even shares are of whole seats; the more seats, the more even they are, but what lies across the borders of subtrees
 * is sent more often. The fewest with which the largest share is at most an eighth too large. */
static uint32_t even_seats(uint32_t ranks, uint32_t shards)
{
    uint32_t seats = 1;
    while (seats < shards && (seats < ranks || 8ull * ((seats - 1) / ranks + 1) * ranks > 9ull * seats)) seats *= 2;
    return seats;
}

/* By weight, as near as that can be, but at least one for each rank that has a weight, as long as there are any. */
static void share_seats(uint32_t ranks, uint32_t seats, const double *weight, uint32_t *share)
{
    double all = 0, before = 0;
    uint32_t left = 0;
    for (uint32_t r = 0; r < ranks; r++) {
        const double w = weight ? weight[r] : 1;
        all += w;
        left += w > 0;
    }
    share[0] = 0;
    for (uint32_t r = 0; r < ranks; r++) {
        const double w = weight ? weight[r] : 1;
        uint32_t to = share[r];
        before += w;
        left -= w > 0;
        if (w > 0) {
            to = left ? (uint32_t)((double)seats * before / all + 0.5) : seats;
            if (to < share[r] + 1) to = share[r] + 1;
            if (to + left > seats) to = seats > left ? seats - left : 0; /* the others need one each */
            if (to < share[r]) to = share[r];
        }
        share[r + 1] = to < seats ? to : seats;
    }
    share[ranks] = seats;
}

void halving_share(uint32_t ranks, uint32_t shards, const double *weight, uint32_t *share)
{
    enum { FINE = 8 }; /* seats per rank, if they have weights */
    uint32_t seats = even_seats(ranks, shards);
    while (weight && seats < shards && seats < FINE * (uint64_t)ranks) seats *= 2;
    share_seats(ranks, seats, weight, share);
    for (uint32_t r = 0; r <= ranks; r++) share[r] *= shards / seats;
}

/* Seats ----------------------------------------------------------------------------------------------------------- */

/* The level of the largest subtree that begins with this seat and has none from `end` on. */
static uint32_t node_level(uint32_t seat, uint32_t end)
{
    uint32_t level = 0;
    while (level < 31 && !(seat & (1u << level)) && seat + (2ull << level) <= end) level++;
    return level;
}

int halving_nodes(const halving *s, uint32_t rank, halving_node nodes[HALVING_NODES])
{
    const uint32_t end = s->first[rank + 1];
    int count = 0;
    for (uint32_t seat = s->first[rank]; seat < end; count++) {
        nodes[count] = (halving_node){seat, node_level(seat, end)};
        seat += 1u << nodes[count].level;
    }
    return count;
}

uint32_t halving_rank(const halving *s, uint32_t seat)
{
    uint32_t low = 0, high = s->ranks - 1; /* the last rank whose first seat is not behind it */
    while (low < high) {
        const uint32_t middle = low + (high - low + 1) / 2;
        if (s->first[middle] <= seat)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

void halving_slices(const halving *s, uint32_t seat, uint32_t round, uint32_t *from, uint32_t *to)
{
    *from = 0;
    for (uint32_t l = 0; l < round; l++)
        if (seat & (1u << l)) *from += s->seats >> (l + 1);
    *to = *from + (s->seats >> round);
}

/* Rounds ---------------------------------------------------------------------------------------------------------- */

/* Whether the seat's rank has another one with the same slices after round l of gathering, which are those of the seats
 * that agree with it in the lowest l + 1 bits; the first of them counts. */
static uint32_t first_alike(const halving *s, uint32_t rank, uint32_t seat, uint32_t round)
{
    const uint32_t first = s->first[rank], mask = (2u << round) - 1;
    return first + ((seat - first) & mask);
}

/* Whether a seat's rank lacks what its partner has before that round of gathering, and this seat is to get it. */
static bool lacks(const halving *s, uint32_t rank, uint32_t seat, uint32_t round)
{
    const uint32_t partner = seat ^ (1u << round);
    return first_alike(s, rank, partner, round) >= s->first[rank + 1] && first_alike(s, rank, seat, round) == seat;
}

/* Whether a seat takes part in a round of the sum: it is not inside of a node whose sum is there already. */
static bool takes_part(const halving *s, uint32_t rank, uint32_t partner)
{
    return partner < s->first[rank] || partner >= s->first[rank + 1];
}

uint32_t halving_parts(const halving *s, halving_phase phase, uint32_t round, uint32_t rank, bool receives,
                       halving_part *parts)
{
    uint32_t count = 0;
    for (uint32_t seat = s->first[rank]; seat < s->first[rank + 1]; seat++) {
        const uint32_t partner = seat ^ (1u << round), keeper = receives ? seat : partner;
        halving_part part = {.seat = seat, .partner = partner};
        if (!takes_part(s, rank, partner)) continue;
        part.peer = halving_rank(s, partner);
        if (phase == HALVING_SUM) /* what the one that adds will have */
            halving_slices(s, keeper, round + 1, &part.from, &part.to);
        else if (lacks(s, receives ? rank : part.peer, keeper, round)) /* what the other one has */
            halving_slices(s, keeper ^ (1u << round), round + 1, &part.from, &part.to);
        else
            continue;
        parts[count++] = part;
    }
    return count;
}

/* What it costs --------------------------------------------------------------------------------------------------- */

/* Messages, and slices in them, that a rank sends in a round. */
static halving_cost count_round(const halving *s, halving_phase phase, uint32_t round, uint32_t rank,
                                halving_part *parts)
{
    const uint32_t count = halving_parts(s, phase, round, rank, false, parts);
    halving_cost cost = {0};
    for (uint32_t i = 0; i < count; i++) {
        cost.messages += !i || parts[i].peer != parts[i - 1].peer;
        cost.bytes += parts[i].to - parts[i].from;
    }
    return cost;
}

static halving_part *parts_of_any(const halving *s)
{
    uint32_t most = 1;
    for (uint32_t r = 0; r < s->ranks; r++)
        if (s->first[r + 1] - s->first[r] > most) most = s->first[r + 1] - s->first[r];
    return malloc(most * sizeof(halving_part));
}

bool halving_count(const halving *s, uint32_t rank, uint64_t vector, uint64_t headers, halving_cost *out)
{
    halving_part *parts = parts_of_any(s);
    *out = (halving_cost){0};
    if (!parts) return false;
    for (uint32_t round = 0; round < s->rounds; round++)
        for (int phase = HALVING_SUM; phase <= HALVING_GATHER; phase++) {
            const halving_cost one = count_round(s, (halving_phase)phase, round, rank, parts);
            out->messages += one.messages;
            out->bytes += one.bytes;
        }
    out->bytes = out->bytes * vector / s->seats + out->messages * headers;
    free(parts);
    return true;
}
