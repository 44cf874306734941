/* What a step costs on R ranks: see scaling.h. */
#include "exchange/scaling.h"

#include <stdlib.h>

typedef struct walk {
    const scaling_volume *volume;
    const scaling_link *link;
    halving s;
    uint32_t shards;
    halving_part *parts;
    scaling_traffic *traffic; /* of each rank */
    scaling_exchange *out;
} walk;

/* A vector that is exchanged so often: its values, which are all of its slices. */
typedef struct vector {
    double values;
    uint32_t times;
} vector;

uint32_t scaling_shards_most(uint32_t ranks, uint32_t shards)
{
    uint32_t most = 0, before = 0;
    uint32_t *share = malloc((ranks + (size_t)1) * sizeof *share);
    if (!share) return shards;
    halving_share(ranks, shards, NULL, share);
    for (uint32_t r = 0; r < ranks; before = share[++r])
        if (share[r + 1] - before > most) most = share[r + 1] - before;
    free(share);
    return most;
}

/* What a rank sends in a round: messages, and slices in them. */
static scaling_traffic walk_rank(walk *w, halving_phase phase, uint32_t round, uint32_t rank)
{
    const uint32_t count = halving_parts(&w->s, phase, round, rank, false, w->parts);
    scaling_traffic sent = {0, 0};
    for (uint32_t i = 0; i < count; i++) {
        sent.messages += !i || w->parts[i].peer != w->parts[i - 1].peer;
        sent.bytes += w->parts[i].to - w->parts[i].from;
    }
    return sent;
}

/* A round of one vector, for all ranks. Gives the seconds of the slowest. */
static double add_round(walk *w, const scaling_traffic *sent, vector v, bool whole)
{
    double slowest = 0;
    if (!v.times) return 0;
    for (uint32_t r = 0; r < w->s.ranks; r++) {
        const uint64_t bytes = (uint64_t)((double)sent[r].bytes * v.values * sizeof(float) / w->s.seats) +
                               sent[r].messages * SCALING_HEADER;
        double seconds = 0;
        if (w->link) seconds = (double)sent[r].messages * w->link->latency + (double)bytes / w->link->bandwidth;
        w->traffic[r].messages += v.times * sent[r].messages;
        w->traffic[r].bytes += v.times * bytes;
        const uint64_t all = bytes * v.times; /* one bucket may have nearly all */
        if (whole && all > w->out->message_bytes) w->out->message_bytes = all;
        if (seconds > slowest) slowest = seconds;
    }
    return v.times * slowest;
}

static void walk_rounds(walk *w, scaling_traffic *sent)
{
    const scaling_volume *v = w->volume;
    const uint32_t buckets = v->buckets ? v->buckets : 1;
    const vector gradient = {(double)v->values / buckets, v->values ? buckets : 0};
    const vector list = {v->lists ? (double)v->list_values / v->lists : 0, v->lists};
    const vector rows = {v->rows ? (double)v->row_values * w->shards / v->rows : 0, v->rows};
    for (uint32_t round = 0; round < w->s.rounds; round++)
        for (int phase = HALVING_SUM; phase <= HALVING_GATHER; phase++) {
            for (uint32_t r = 0; r < w->s.ranks; r++) sent[r] = walk_rank(w, (halving_phase)phase, round, r);
            w->out->seconds += add_round(w, sent, gradient, true) + add_round(w, sent, list, false);
            if (phase == HALVING_GATHER) w->out->seconds += add_round(w, sent, rows, false);
        }
}

/* A binomial tree: a rank sends to those that differ from it in one bit below its lowest. */
static void walk_broadcasts(walk *w)
{
    const scaling_volume *v = w->volume;
    uint32_t depth = 0;
    while (1u << depth < w->s.ranks) depth++;
    for (uint32_t r = 0; r < w->s.ranks; r++)
        for (uint32_t bit = 1; bit < w->s.ranks && !(r & bit); bit *= 2) {
            if (r + bit >= w->s.ranks) continue;
            w->traffic[r].messages += v->broadcasts;
            w->traffic[r].bytes += v->broadcast_bytes;
        }
    if (w->link)
        w->out->seconds += depth * (v->broadcasts * w->link->latency + v->broadcast_bytes / w->link->bandwidth);
}

static void find_most(walk *w)
{
    scaling_exchange *out = w->out;
    for (uint32_t r = 0; r < w->s.ranks; r++) {
        halving_node nodes[HALVING_NODES];
        const int count = halving_nodes(&w->s, r, nodes);
        const double slice = (double)(w->s.first[r + 1] - w->s.first[r]) / w->s.seats;
        if (count > out->nodes) out->nodes = count;
        if (slice > out->slice) out->slice = slice;
        if (w->traffic[r].messages > out->most.messages) out->most.messages = w->traffic[r].messages;
        if (w->traffic[r].bytes > out->most.bytes) out->most.bytes = w->traffic[r].bytes;
    }
}

bool scaling_walk(const scaling_volume *volume, uint32_t ranks, uint32_t shards, const scaling_link *link,
                  scaling_traffic *traffic, scaling_exchange *out)
{
    walk w = {.volume = volume, .link = link, .shards = shards, .out = out};
    uint32_t *share = malloc((ranks + (size_t)1) * sizeof *share);
    scaling_traffic *sent = calloc(ranks, sizeof *sent);
    *out = (scaling_exchange){.seconds = 0};
    w.traffic = calloc(ranks, sizeof *w.traffic);
    w.parts = malloc(shards * sizeof *w.parts);
    if (share) halving_share(ranks, shards, NULL, share);
    const bool done = share && sent && w.traffic && w.parts && halving_make(&w.s, ranks, shards, share);
    if (done) {
        walk_rounds(&w, sent);
        walk_broadcasts(&w);
        find_most(&w);
    }
    for (uint32_t r = 0; r < ranks && done && traffic; r++) traffic[r] = w.traffic[r];
    halving_free(&w.s);
    free(share);
    free(sent);
    free(w.traffic);
    free(w.parts);
    return done;
}

scaling_time scaling_time_of(uint32_t ranks, const scaling_work *work, const scaling_exchange *exchange)
{
    scaling_time t = {.update = work->update * exchange->slice};
    t.seconds = work->compute + work->staging + exchange->seconds + t.update;
    if (ranks == 1) t = (scaling_time){.seconds = work->alone};
    t.speedup = work->alone / t.seconds;
    t.efficiency = t.speedup / ranks;
    return t;
}
