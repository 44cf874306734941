/* tas_bench_exchange(): messages between ranks, as a round of an exchange sends them. */
#include "base/context.h"
#include "stats/median.h"
#include "train/ranks.h"

#include <tassello/scale.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MOST = 64, REPETITIONS_MOST = 1000, ROUND_TRIPS = 32 };
static const uint64_t sizes[TAS_LINK_SIZES] = {16, 256, 4096, 16384, 65536, 1 << 18, 1 << 20, 1 << 22};
static const uint64_t volume = 1 << 23; /* bytes of one repetition, at most, if they are more than one message */

/* One rank's part. The slowest of all ranks counts in each repetition, as all wait for it in a round. */
typedef struct link_bench {
    exchange e;
    uint32_t repetitions;
    tas_link_bench *out;
    tas_status status;
} link_bench;

static uint32_t messages_of(uint64_t bytes)
{
    const uint64_t count = volume / bytes;
    return count < 1 ? 1 : count > ROUND_TRIPS ? ROUND_TRIPS : (uint32_t)count;
}

/* Some messages one after another with the rank that is `bit` away, both ways at once. */
static bool swap(link_bench *b, uint32_t bit, uint64_t bytes, char *out, char *in)
{
    transport *t = b->e.transport;
    const uint32_t peer = t->rank ^ bit;
    if (peer >= t->count) return true;
    for (uint32_t i = 0; i < messages_of(bytes); i++) {
        transport_op ops[] = {{.peer = peer, .receives = true, .data = in, .bytes = bytes},
                              {.peer = peer, .data = out, .bytes = bytes}};
        if (!transport_run(t, ops, 2)) return false;
    }
    return true;
}

static tas_status lost(const link_bench *b)
{
    const transport *t = b->e.transport;
    return fail(b->e.context, TAS_RANK_FAILED, "%s", t->kind->why(t->self));
}

/* The slowest of all ranks, on all of them. */
static tas_status agree(link_bench *b, double *seconds)
{
    const uint32_t count = b->e.transport->count;
    double *all = malloc(count * sizeof *all);
    if (!all) {
        b->e.transport->kind->fail(b->e.transport->self, "no memory to time messages");
        return lost(b);
    }
    tas_status status = exchange_blocks(&b->e, seconds, sizeof *seconds, all);
    for (uint32_t r = 0; r < count && b->e.transport->rank == 0 && !status; r++)
        if (all[r] > *seconds) *seconds = all[r];
    if (!status) status = exchange_broadcast(&b->e, seconds, sizeof *seconds);
    free(all);
    return status;
}

/* One repetition: the slowest of the distances of the rounds. */
static tas_status time_once(link_bench *b, uint64_t bytes, char *out, char *in, double *seconds)
{
    tas_status status = TAS_OK;
    *seconds = 0;
    for (uint32_t bit = 1; bit < b->e.transport->count && !status; bit *= 2) {
        double one = 0;
        status = agree(b, &one); /* all begin together */
        const double start = now_seconds();
        if (!status && !swap(b, bit, bytes, out, in)) status = lost(b);
        one = (now_seconds() - start) / messages_of(bytes);
        if (!status) status = agree(b, &one);
        if (one > *seconds) *seconds = one;
    }
    return status;
}

static tas_status time_size(link_bench *b, uint64_t bytes, char *out, char *in, double *seconds)
{
    tas_link_time *row = &b->out->time[b->out->count];
    double warm;
    tas_status status = time_once(b, bytes, out, in, &warm);
    for (uint32_t i = 0; i < b->repetitions && !status; i++) status = time_once(b, bytes, out, in, &seconds[i]);
    if (status) return status;
    row->bytes = bytes;
    row->seconds.median = median_of(seconds, b->repetitions); /* sorts them */
    row->seconds.low = seconds[0];
    row->seconds.high = seconds[b->repetitions - 1];
    b->out->count++;
    return TAS_OK;
}

/* The line through the smallest and the largest message. */
static void find_link(tas_link_bench *out)
{
    const tas_link_time *small = &out->time[0], *large = &out->time[out->count - 1];
    const double more = large->seconds.median - small->seconds.median;
    out->link.bandwidth = more > 0 ? (double)(large->bytes - small->bytes) / more : 0;
    out->link.latency = small->seconds.median;
}

static void measure(link_bench *b)
{
    const uint64_t most = sizes[TAS_LINK_SIZES - 1];
    double *seconds = malloc(b->repetitions * sizeof *seconds);
    char *out = calloc(1, (size_t)most), *in = calloc(1, (size_t)most);
    b->out->ranks = b->e.transport->count;
    b->out->transport = b->e.transport->kind->name;
    if (!seconds || !out || !in) {
        b->e.transport->kind->fail(b->e.transport->self, "no memory to time messages");
        b->status = lost(b);
    }
    for (int i = 0; i < TAS_LINK_SIZES && !b->status; i++) b->status = time_size(b, sizes[i], out, in, seconds);
    if (!b->status) find_link(b->out);
    if (!b->status && !(b->out->link.bandwidth > 0))
        b->status = fail(b->e.context, TAS_BAD_ARGUMENT,
                         "large messages took no longer than small ones: the machine is too busy to measure");
    free(seconds);
    free(out);
    free(in);
}

static tas_status open_bench(link_bench *b, tas_context *context, transport *t)
{
    uint32_t shards = 1, *share = malloc((t->count + (size_t)1) * sizeof *share);
    if (!share) return fail(context, TAS_NO_MEMORY, "no memory to time messages");
    while (shards < t->count) shards *= 2;
    halving_share(t->count, shards, NULL, share);
    const tas_status status = exchange_open(&b->e, context, t, shards, share);
    free(share);
    return status;
}

/* Threads ---------------------------------------------------------------------------------------------------------- */

typedef struct link_thread {
    pthread_t thread;
    bool started;
    transport transport;
    tas_context *context;
    uint32_t repetitions;
    tas_link_bench out;
    tas_status status;
} link_thread;

static void *run_thread(void *self)
{
    link_thread *t = self;
    link_bench b = {.repetitions = t->repetitions, .out = &t->out};
    b.status = open_bench(&b, t->context, &t->transport);
    if (b.status)
        t->transport.kind->fail(t->transport.self, "no memory to time messages");
    else
        measure(&b);
    exchange_close(&b.e);
    t->transport.kind->close(t->transport.self);
    t->status = b.status;
    return NULL;
}

/* The first of them runs on the caller's thread, with its context: the others have contexts of their own. */
static tas_status run_threads(tas_context *context, link_thread *threads, uint32_t count, uint32_t repetitions)
{
    tas_status status = TAS_OK;
    threads[0].context = context;
    for (uint32_t i = 0; i < count; i++) {
        link_thread *t = &threads[i];
        t->repetitions = repetitions;
        if (!i) continue;
        if (!status) status = tas_context_open(&t->context);
        t->started = !status && !pthread_create(&t->thread, NULL, run_thread, t);
        if (t->started) continue;
        if (!status) status = TAS_NO_MEMORY;
        t->transport.kind->fail(t->transport.self, "no memory, or no thread, to time messages");
        t->transport.kind->close(t->transport.self);
    }
    run_thread(&threads[0]);
    for (uint32_t i = 1; i < count; i++) {
        if (threads[i].started) pthread_join(threads[i].thread, NULL);
        tas_context_close(&threads[i].context);
    }
    return status ? fail(context, status, "no memory, or no thread, to time messages") : threads[0].status;
}

static tas_status time_threads(tas_context *context, uint32_t count, uint32_t repetitions, tas_link_bench *out)
{
    link_thread *threads = calloc(count, sizeof *threads);
    transport *places = calloc(count, sizeof *places);
    tas_status status = threads && places && transport_open_threads(count, places)
                            ? TAS_OK
                            : fail(context, TAS_NO_MEMORY, "no memory for %u threads", count);
    for (uint32_t i = 0; i < count && !status; i++) threads[i].transport = places[i];
    if (!status) status = run_threads(context, threads, count, repetitions);
    if (!status) *out = threads[0].out;
    free(threads);
    free(places);
    return status;
}

/* Ranks ------------------------------------------------------------------------------------------------------------ */

static tas_status time_ranks(tas_context *context, tas_ranks *ranks, uint32_t repetitions, tas_link_bench *out)
{
    link_bench b = {.repetitions = repetitions, .out = out};
    b.status = open_bench(&b, context, &ranks->transport);
    if (b.status)
        ranks->transport.kind->fail(ranks->transport.self, "no memory to time messages");
    else
        measure(&b);
    exchange_close(&b.e);
    return b.status;
}

tas_status tas_bench_exchange(tas_context *context, tas_ranks *ranks, uint32_t threads, uint32_t repetitions,
                              tas_link_bench *out)
{
    entry_state saved;
    const uint32_t count = ranks ? ranks->transport.count : threads;
    tas_status status = TAS_OK;
    *out = (tas_link_bench){.count = 0};
    entry_begin(context, &saved);
    if (count < 2 || (!ranks && count > THREADS_MOST))
        status = fail(context, TAS_BAD_ARGUMENT, "%u ranks: expected at least 2%s", count,
                      ranks ? "" : ", and at most 64 threads");
    else if (!repetitions || repetitions > REPETITIONS_MOST)
        status = fail(context, TAS_BAD_ARGUMENT, "repetitions %u: expected 1 to %d", repetitions, REPETITIONS_MOST);
    else
        status =
            ranks ? time_ranks(context, ranks, repetitions, out) : time_threads(context, threads, repetitions, out);
    entry_end(&saved);
    return status;
}
