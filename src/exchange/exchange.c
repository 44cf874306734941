/* Sums over ranks: see exchange.h. A message of a round has a header, and the slices of its parts. A long part that has
 * a message to itself is not copied into a buffer: it is sent from its vector, after the header, and a gather receives
 * it in its place. */
#include "exchange/exchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct header {
    uint64_t serial;
    uint32_t round, flags;
} header;

tas_status exchange_open(exchange *e, tas_context *context, transport *t, uint32_t shards, const uint32_t *share)
{
    *e = (exchange){.context = context, .transport = t};
    bool made = halving_make(&e->halving, t->count, shards, share);
    const uint32_t seats = made ? e->halving.first[t->rank + 1] - e->halving.first[t->rank] : 0;
    if (made) {
        e->nodes = halving_nodes(&e->halving, t->rank, e->node);
        e->parts = malloc((seats + (size_t)1) * sizeof *e->parts);
        e->awaited = malloc((seats + (size_t)1) * sizeof *e->awaited);
        e->ops = malloc(4 * (seats + (size_t)t->count) * sizeof *e->ops);
    }
    if (made && e->parts && e->awaited && e->ops) return TAS_OK;
    exchange_close(e);
    return fail(context, TAS_NO_MEMORY, "no memory for the schedule of %u ranks", t->count);
}

static void free_messages(exchange *e)
{
    if (!e->lent) {
        free(e->out);
        free(e->in);
    }
    e->out = e->in = NULL;
    e->lent = false;
}

void exchange_lend(exchange *e, char *out, char *in, uint64_t bytes)
{
    free_messages(e);
    e->out = out;
    e->in = in;
    e->room = bytes;
    e->lent = true;
}

void exchange_close(exchange *e)
{
    halving_free(&e->halving);
    free(e->parts);
    free(e->awaited);
    free(e->ops);
    free_messages(e);
    *e = (exchange){0};
}

/* Slices ---------------------------------------------------------------------------------------------------------- */

/* The multiple of a range's unit that is next to an element, and not above `elements`. */
static uint64_t round_to_unit(const exchange_range *ranges, int count, uint64_t element, uint64_t elements)
{
    uint64_t at = 0;
    for (int k = 0; k < count; at += ranges[k++].elements) {
        const uint64_t unit = ranges[k].unit;
        if (element >= at + ranges[k].elements) continue;
        const uint64_t rounded = at + (element - at + unit / 2) / unit * unit, end = at + ranges[k].elements;
        return rounded < end ? rounded : end;
    }
    return count ? elements : element;
}

void exchange_cut(const exchange *e, const exchange_range *ranges, int count, uint64_t elements, uint64_t *cut)
{
    const uint32_t seats = e->halving.seats;
    for (uint32_t k = 0; k <= seats; k++) {
        const uint64_t even = elements / seats * k + elements % seats * k / seats;
        cut[k] = k == seats ? elements : round_to_unit(ranges, count, even, elements);
    }
}

static int node_of(const exchange *e, uint32_t seat)
{
    int k = 0;
    while (seat >= e->node[k].seat + (1u << e->node[k].level)) k++;
    return k;
}

void exchange_slice(const exchange *e, const uint64_t *cut, uint32_t seat, int *node, uint64_t *from, uint64_t *to)
{
    uint32_t first, end;
    halving_slices(&e->halving, seat, e->halving.rounds, &first, &end);
    *node = node_of(e, seat);
    *from = cut[first];
    *to = cut[end];
}

/* Messages -------------------------------------------------------------------------------------------------------- */

/* This rank stops as well. */
static tas_status lost(const exchange *e)
{
    e->transport->kind->fail(e->transport->self, e->transport->kind->why(e->transport->self));
    return fail(e->context, TAS_RANK_FAILED, "%s", e->transport->kind->why(e->transport->self));
}

static tas_status no_room(const exchange *e)
{
    e->transport->kind->fail(e->transport->self, "no memory for messages between ranks");
    return lost(e);
}

static tas_status run_ops(exchange *e, uint32_t count)
{
    const double start = now_seconds();
    const bool done = !count || transport_run(e->transport, e->ops, count);
    e->waited += now_seconds() - start;
    return done ? TAS_OK : lost(e);
}

static uint64_t part_bytes(const halving_part *part, const uint64_t *cut)
{
    return (cut[part->to] - cut[part->from]) * sizeof(float);
}

static bool begins_message(const halving_part *parts, uint32_t i) { return !i || parts[i].peer != parts[i - 1].peer; }

static uint64_t round_bytes(const halving_part *parts, uint32_t count, const uint64_t *cut)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += part_bytes(&parts[i], cut) + (begins_message(parts, i) ? sizeof(header) : 0);
    return bytes;
}

static bool make_room(exchange *e, uint64_t bytes)
{
    if (bytes <= e->room) return true;
    free_messages(e);
    e->out = malloc((size_t)bytes);
    e->in = malloc((size_t)bytes);
    e->room = e->out && e->in ? bytes : 0;
    return e->room != 0;
}

/* A round: where its parts are, or come to. */
typedef struct round_of {
    halving_phase phase;
    uint32_t round, sent, received; /* parts */
    const uint64_t *cut;
    float *const *vectors; /* HALVING_SUM: of nodes; else one */
    uint32_t used;         /* HALVING_SUM: seats that have something */
    uint32_t *flags;
} round_of;

static float *vector_of(const exchange *e, const round_of *r, const halving_part *part)
{
    return r->vectors[r->phase == HALVING_SUM ? node_of(e, part->seat) : 0];
}

enum { LONG_PART = 1 << 16 }; /* bytes: copying them takes longer than a message of the header */

/* Whether a part has a message to itself and is long enough to be sent apart from the header. */
static bool is_alone(const halving_part *parts, uint32_t count, uint32_t i, const uint64_t *cut)
{
    return begins_message(parts, i) && (i + 1 == count || begins_message(parts, i + 1)) &&
           part_bytes(&parts[i], cut) >= LONG_PART;
}

/* Where such a part is sent from or received: in a vector, but in the buffer if it is to be added. */
static char *part_at(const exchange *e, const round_of *r, const halving_part *part, bool receives, char *buffer)
{
    return receives && r->phase == HALVING_SUM ? buffer : (char *)(vector_of(e, r, part) + r->cut[part->from]);
}

/* A list of the messages of a round, one behind another in a buffer. */
static uint32_t list_messages(exchange *e, const round_of *r, const halving_part *parts, uint32_t count, bool receives,
                              uint32_t ops)
{
    char *at = receives ? e->in : e->out;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t bytes = part_bytes(&parts[i], r->cut);
        if (begins_message(parts, i)) {
            e->ops[ops++] =
                (transport_op){.peer = parts[i].peer, .receives = receives, .data = at, .bytes = sizeof(header)};
            at += sizeof(header);
        }
        if (is_alone(parts, count, i, r->cut))
            e->ops[ops++] = (transport_op){.peer = parts[i].peer,
                                           .receives = receives,
                                           .data = part_at(e, r, &parts[i], receives, at),
                                           .bytes = bytes,
                                           .continues = true};
        else
            e->ops[ops - 1].bytes += bytes;
        at += bytes;
    }
    return ops;
}

static void pack(exchange *e, const round_of *r)
{
    const header head = {e->serial, r->round, *r->flags};
    char *at = e->out;
    for (uint32_t i = 0; i < r->sent; i++) {
        const halving_part *part = &e->parts[i];
        const uint64_t from = r->cut[part->from], bytes = (r->cut[part->to] - from) * sizeof(float);
        if (begins_message(e->parts, i)) {
            memcpy(at, &head, sizeof head);
            at += sizeof head;
        }
        if (!is_alone(e->parts, r->sent, i, r->cut)) memcpy(at, vector_of(e, r, part) + from, (size_t)bytes);
        at += bytes;
    }
}

/* The subtree of a seat before a round: whether any of its seats has something. */
static bool has_sum(const round_of *r, uint32_t seat) { return seat >> r->round << r->round < r->used; }

/* The sum of a seat's subtree gets that of its partner's. If one of them has nothing it is the other. */
static void add(const round_of *r, uint32_t seat, uint32_t partner, float *restrict to, const float *restrict from,
                uint64_t count)
{
    if (!has_sum(r, partner)) return;
    if (!has_sum(r, seat))
        memcpy(to, from, (size_t)count * sizeof *to);
    else
        for (uint64_t i = 0; i < count; i++) to[i] += from[i];
}

/* Adds what has come, or puts it in its place. */
static bool unpack(exchange *e, const round_of *r)
{
    const char *at = e->in;
    for (uint32_t i = 0; i < r->received; i++) {
        const halving_part *part = &e->awaited[i];
        const uint64_t from = r->cut[part->from], count = r->cut[part->to] - from;
        header head;
        if (begins_message(e->awaited, i)) {
            memcpy(&head, at, sizeof head);
            at += sizeof head;
            if (head.serial != e->serial || head.round != r->round) return false;
            *r->flags |= head.flags;
        }
        float *to = vector_of(e, r, part) + from;
        if (r->phase == HALVING_SUM)
            add(r, part->seat, part->partner, to, (const float *)(const void *)at, count);
        else if (!is_alone(e->awaited, r->received, i, r->cut))
            memcpy(to, at, (size_t)count * sizeof *to);
        at += count * sizeof *to;
    }
    return true;
}

static tas_status run_round(exchange *e, round_of *r)
{
    const uint32_t rank = e->transport->rank;
    r->sent = halving_parts(&e->halving, r->phase, r->round, rank, false, e->parts);
    r->received = halving_parts(&e->halving, r->phase, r->round, rank, true, e->awaited);
    const uint64_t out = round_bytes(e->parts, r->sent, r->cut);
    const uint64_t in = round_bytes(e->awaited, r->received, r->cut);
    if (!make_room(e, out > in ? out : in)) return no_room(e);
    pack(e, r);
    const uint32_t awaited = list_messages(e, r, e->awaited, r->received, true, 0);
    const tas_status status = run_ops(e, list_messages(e, r, e->parts, r->sent, false, awaited));
    if (status || unpack(e, r)) return status;
    e->transport->kind->fail(e->transport->self, "the ranks are not in the same step: this is an error of the program");
    return lost(e);
}

/* Sums ------------------------------------------------------------------------------------------------------------ */

/* Two of this rank's seats in different nodes: each adds what it keeps. */
static void add_local(const exchange *e, const round_of *r, uint32_t seat, uint32_t partner)
{
    float *own = r->vectors[node_of(e, seat)];
    const float *other = r->vectors[node_of(e, partner)];
    uint32_t from, to;
    halving_slices(&e->halving, seat, r->round + 1, &from, &to);
    add(r, seat, partner, own + r->cut[from], other + r->cut[from], r->cut[to] - r->cut[from]);
}

static void add_locals(const exchange *e, const round_of *r)
{
    const uint32_t first = e->halving.first[e->transport->rank], end = e->halving.first[e->transport->rank + 1];
    for (uint32_t seat = first; seat < end; seat++) {
        const uint32_t partner = seat ^ (1u << r->round);
        if (partner >= first && partner < end && node_of(e, seat) != node_of(e, partner))
            add_local(e, r, seat, partner);
    }
}

tas_status exchange_sum(exchange *e, float *const *vectors, const uint64_t *cut, uint32_t used, uint32_t *flags)
{
    const double start = now_seconds();
    tas_status status = TAS_OK;
    e->serial++;
    for (uint32_t l = 0; l < e->halving.rounds && !status && e->nodes; l++) {
        round_of r = {HALVING_SUM, l, 0, 0, cut, vectors, used, flags};
        add_locals(e, &r); /* they are in other slices than what is sent or received */
        status = run_round(e, &r);
    }
    e->seconds += now_seconds() - start;
    return status;
}

tas_status exchange_gather(exchange *e, float *vector, const uint64_t *cut, uint32_t *flags)
{
    const double start = now_seconds();
    float *const vectors[] = {vector};
    tas_status status = TAS_OK;
    e->serial++;
    for (uint32_t l = e->halving.rounds; l-- && !status && e->nodes;) {
        round_of r = {HALVING_GATHER, l, 0, 0, cut, vectors, 0, flags};
        status = run_round(e, &r);
    }
    e->seconds += now_seconds() - start;
    return status;
}

/* The slice that is gathered from each seat. */
static uint32_t slice_of(const exchange *e, uint32_t seat)
{
    uint32_t from, to;
    halving_slices(&e->halving, seat, e->halving.rounds, &from, &to);
    return from;
}

tas_status exchange_rows(exchange *e, float *rows, uint64_t width)
{
    const uint32_t seats = e->halving.seats, rank = e->transport->rank;
    const uint64_t of_seat = width * e->halving.shards_per_seat;
    uint64_t *cut = malloc((seats + (size_t)1) * sizeof *cut);
    float *slices = malloc((size_t)(of_seat * seats) * sizeof *slices);
    uint32_t flags = 0;
    tas_status status = cut && slices ? TAS_OK : no_room(e);
    for (uint32_t k = 0; k <= seats && !status; k++) cut[k] = of_seat * k;
    for (uint32_t s = e->halving.first[rank]; s < e->halving.first[rank + 1] && !status; s++)
        memcpy(slices + slice_of(e, s) * of_seat, rows + s * of_seat, (size_t)of_seat * sizeof *rows);
    if (!status) status = exchange_gather(e, slices, cut, &flags);
    for (uint32_t s = 0; s < seats && !status; s++)
        memcpy(rows + s * of_seat, slices + slice_of(e, s) * of_seat, (size_t)of_seat * sizeof *rows);
    free(cut);
    free(slices);
    return status;
}

/* One and all ----------------------------------------------------------------------------------------------------- */

/* By a binomial tree: rank r gets it from r without its lowest bit, and gives it to r + 1, r + 2, ... below that. */
tas_status exchange_broadcast(exchange *e, void *data, uint64_t bytes)
{
    const uint32_t rank = e->transport->rank, count = e->transport->count;
    uint32_t lowest = rank & -rank, ops = 0;
    if (rank) {
        e->ops[0] = (transport_op){.peer = rank - lowest, .receives = true, .data = data, .bytes = bytes};
        const tas_status status = run_ops(e, 1);
        if (status) return status;
    } else
        for (lowest = 1; lowest < count;) lowest *= 2;
    for (uint32_t more = lowest / 2; more; more /= 2)
        if (rank + more < count) e->ops[ops++] = (transport_op){.peer = rank + more, .data = data, .bytes = bytes};
    return run_ops(e, ops);
}

/* The slices of one rank's seats, one after another. */
static uint64_t slices_of(const exchange *e, const uint64_t *cut, uint32_t rank, float *vector, char *buffer, bool out)
{
    uint64_t at = 0;
    for (uint32_t seat = e->halving.first[rank]; seat < e->halving.first[rank + 1]; seat++) {
        uint32_t from, to;
        halving_slices(&e->halving, seat, e->halving.rounds, &from, &to);
        const uint64_t bytes = (cut[to] - cut[from]) * sizeof(float);
        if (buffer && out) memcpy(buffer + at, vector + cut[from], (size_t)bytes);
        if (buffer && !out) memcpy(vector + cut[from], buffer + at, (size_t)bytes);
        at += bytes;
    }
    return at;
}

uint64_t exchange_own(const exchange *e, const uint64_t *cut, uint32_t rank)
{
    return slices_of(e, cut, rank, NULL, NULL, false) / sizeof(float);
}

tas_status exchange_room(const exchange *e, const uint64_t *cut, uint32_t rank, uint64_t *bytes)
{
    halving_part *parts = malloc(e->halving.seats * sizeof *parts);
    *bytes = 0;
    if (!parts) return fail(e->context, TAS_NO_MEMORY, "no memory for the schedule of %u ranks", e->halving.ranks);
    for (uint32_t l = 0; l < e->halving.rounds; l++)
        for (int way = 0; way < 4; way++) {
            const halving_phase phase = way & 2 ? HALVING_GATHER : HALVING_SUM;
            const uint32_t count = halving_parts(&e->halving, phase, l, rank, way & 1, parts);
            const uint64_t needed = round_bytes(parts, count, cut);
            if (needed > *bytes) *bytes = needed;
        }
    for (uint32_t r = rank ? rank : 1; r < (rank ? rank + 1 : e->halving.ranks); r++) { /* see move_slices() */
        const uint64_t needed = slices_of(e, cut, r, NULL, NULL, false);
        if (needed > *bytes) *bytes = needed;
    }
    free(parts);
    return TAS_OK;
}

/* One rank after another, as rank 0 has room for one. */
static tas_status move_slices(exchange *e, float *vector, const uint64_t *cut, bool to_rank_0)
{
    const uint32_t rank = e->transport->rank, count = e->transport->count;
    tas_status status = TAS_OK;
    for (uint32_t r = rank ? rank : 1; r < count && !status; r++) {
        const uint64_t bytes = slices_of(e, cut, r, vector, NULL, false);
        const bool sends = (rank == 0) != to_rank_0;
        if (!make_room(e, bytes)) return no_room(e);
        if (sends) slices_of(e, cut, r, vector, e->out, true);
        e->ops[0] =
            (transport_op){.peer = rank ? 0 : r, .receives = !sends, .data = sends ? e->out : e->in, .bytes = bytes};
        if (bytes) status = run_ops(e, 1);
        if (!sends && !status) slices_of(e, cut, r, vector, e->in, false);
        if (rank) break;
    }
    return status;
}

tas_status exchange_collect(exchange *e, float *vector, const uint64_t *cut)
{
    return move_slices(e, vector, cut, true);
}

tas_status exchange_scatter(exchange *e, float *vector, const uint64_t *cut)
{
    return move_slices(e, vector, cut, false);
}

tas_status exchange_move(exchange *e, uint32_t peer, bool receives, void *data, uint64_t bytes)
{
    e->ops[0] = (transport_op){.peer = peer, .receives = receives, .data = data, .bytes = bytes};
    return bytes ? run_ops(e, 1) : TAS_OK;
}

tas_status exchange_blocks(exchange *e, const void *block, uint64_t bytes, void *all)
{
    const uint32_t rank = e->transport->rank, count = e->transport->count;
    if (rank) {
        e->ops[0] = (transport_op){.peer = 0, .data = (void *)(uintptr_t)block, .bytes = bytes};
        return run_ops(e, 1);
    }
    memcpy(all, block, (size_t)bytes);
    for (uint32_t r = 1; r < count; r++)
        e->ops[r - 1] = (transport_op){.peer = r, .receives = true, .data = (char *)all + r * bytes, .bytes = bytes};
    return run_ops(e, count - 1);
}
