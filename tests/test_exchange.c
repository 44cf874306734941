/* Sums over ranks that are threads, against a definition by recursion; and what they send, against the schedule. */
#include "exchange/exchange.h"
#include "exchange/patience.h"

#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { RANKS = 40, SHARDS = 64, ELEMENTS = 500, WIDTH = 3 };

static struct {
    uint32_t ranks, shards, used; /* shards that have something: the first so many */
    uint32_t share[RANKS + 1];
    uint64_t elements;
    float leaf[SHARDS][ELEMENTS], sum[ELEMENTS];
    transport place[RANKS], sent[RANKS]; /* sent: after a sum and a gathering */
} job;

/* The sum of a subtree of shards; false: there is nothing. */
static bool add_by_recursion(uint32_t first, uint32_t count, float *sum)
{
    float right[ELEMENTS];
    if (first >= job.used) return false;
    if (count == 1) {
        memcpy(sum, job.leaf[first], sizeof right);
        return true;
    }
    add_by_recursion(first, count / 2, sum);
    if (add_by_recursion(first + count / 2, count / 2, right))
        for (uint64_t i = 0; i < job.elements; i++) sum[i] += right[i];
    return true;
}

static void draw_job(void)
{
    double weight[RANKS];
    job.shards = 1u << random_below(7);
    job.ranks = 1 + random_below(job.shards < RANKS ? job.shards : RANKS);
    job.used = random_below(2) ? job.shards : 1 + random_below(job.shards);
    job.elements = 1 + random_below(ELEMENTS);
    for (uint32_t r = 0; r < job.ranks; r++) weight[r] = r && !random_below(6) ? 0 : 1 + random_below(4);
    halving_share(job.ranks, job.shards, random_below(2) ? weight : NULL, job.share);
    for (uint32_t s = 0; s < job.shards; s++)
        for (uint64_t i = 0; i < job.elements; i++) job.leaf[s][i] = random_float(-1, 1);
    ck_assert(add_by_recursion(0, job.shards, job.sum));
    ck_assert_uint_eq(job.share[0], 0);
    ck_assert_uint_eq(job.share[job.ranks], job.shards);
    ck_assert(transport_open_threads(job.ranks, job.place));
}

static void check_sum(exchange *e, uint32_t rank)
{
    const exchange_range ranges[] = {{job.elements / 3, 7}, {job.elements - job.elements / 3, 4}};
    uint64_t cut[SHARDS + 1];
    float *vector[HALVING_NODES], *all = calloc(ELEMENTS, sizeof *all);
    const uint32_t per_seat = e->halving.shards_per_seat;
    uint32_t flags = 1u << rank % 32, gathered = 0;
    exchange_cut(e, ranges, 2, job.elements, cut);
    for (int k = 0; k < e->nodes; k++) {
        vector[k] = malloc(sizeof job.sum);
        memset(vector[k], 0x55, sizeof job.sum); /* of what is empty, nothing may be read */
        add_by_recursion(e->node[k].seat * per_seat, per_seat << e->node[k].level, vector[k]);
    }
    ck_assert_int_eq(exchange_sum(e, vector, cut, (job.used - 1) / per_seat + 1, &flags), TAS_OK);
    for (uint32_t seat = e->halving.first[rank]; seat < e->halving.first[rank + 1]; seat++) {
        int node;
        uint64_t from, to;
        exchange_slice(e, cut, seat, &node, &from, &to);
        memcpy(all + from, vector[node] + from, (size_t)(to - from) * sizeof *all);
    }
    ck_assert_int_eq(exchange_gather(e, all, cut, &gathered), TAS_OK);
    if (e->nodes) ck_assert(!memcmp(all, job.sum, (size_t)job.elements * sizeof *all));
    for (uint32_t r = 0; r < job.ranks && e->nodes; r++)
        if (job.share[r] < job.share[r + 1]) ck_assert(flags & 1u << r % 32);
    for (int k = 0; k < e->nodes; k++) free(vector[k]);
    free(all);
}

static void check_rest(exchange *e, uint32_t rank)
{
    float rows[SHARDS * WIDTH] = {0};
    uint32_t word = rank ? 0 : 77, all[RANKS], own = rank + 5;
    for (uint32_t i = job.share[rank] * WIDTH; i < job.share[rank + 1] * WIDTH; i++) rows[i] = (float)i;
    ck_assert_int_eq(exchange_rows(e, rows, WIDTH), TAS_OK);
    for (uint32_t i = 0; i < job.shards * WIDTH && e->nodes; i++) ck_assert(rows[i] == (float)i);
    ck_assert_int_eq(exchange_broadcast(e, &word, sizeof word), TAS_OK);
    ck_assert_uint_eq(word, 77);
    ck_assert_int_eq(exchange_blocks(e, &own, sizeof own, all), TAS_OK);
    for (uint32_t r = 0; r < job.ranks && !rank; r++) ck_assert_uint_eq(all[r], r + 5);
}

static void *run_rank(void *place)
{
    transport *t = place;
    tas_context *own;
    exchange e;
    ck_assert_int_eq(tas_context_open(&own), TAS_OK);
    ck_assert_int_eq(exchange_open(&e, own, t, job.shards, job.share), TAS_OK);
    check_sum(&e, t->rank);
    job.sent[t->rank] = *t;
    check_rest(&e, t->rank);
    exchange_close(&e);
    t->kind->close(t->self);
    tas_context_close(&own);
    return NULL;
}

static void run_all(void *(*run)(void *))
{
    pthread_t thread[RANKS];
    for (uint32_t r = 0; r < job.ranks; r++) ck_assert_int_eq(pthread_create(&thread[r], NULL, run, &job.place[r]), 0);
    for (uint32_t r = 0; r < job.ranks; r++) pthread_join(thread[r], NULL);
}

START_TEST(sums)
{
    random_seed(test_seed() + (uint64_t)_i);
    draw_job();
    run_all(run_rank);
}
END_TEST

/* Each rank sends as many messages, and together as many bytes, as the schedule says: of slices that are cut evenly. */
START_TEST(costs)
{
    enum { HEADER = 16 };
    random_seed(test_seed() + (uint64_t)_i);
    draw_job();
    halving s;
    ck_assert(halving_make(&s, job.ranks, job.shards, job.share));
    run_all(run_rank);
    uint64_t bytes = 0, all = 0;
    for (uint32_t r = 0; r < job.ranks; r++) {
        halving_cost cost;
        ck_assert(halving_count(&s, r, job.elements * sizeof(float), HEADER, &cost));
        ck_assert_uint_eq(cost.messages, job.sent[r].messages);
        bytes += job.sent[r].bytes;
        all += cost.bytes;
    }
    const uint64_t units = 7 * sizeof(float) * s.seats * 2 * (s.rounds + 1); /* slices are whole units */
    ck_assert_uint_le(bytes, all + units);
    ck_assert_uint_le(all, bytes + units);
    halving_free(&s);
}
END_TEST

/* With one seat per rank, each sends 2 (R - 1) / R of the vector in 2 log2(R) messages. */
START_TEST(volume)
{
    uint32_t share[257];
    for (uint32_t ranks = 2; ranks <= 256; ranks *= 2) {
        halving s;
        halving_share(ranks, 1024, NULL, share);
        ck_assert(halving_make(&s, ranks, 1024, share));
        ck_assert_uint_eq(s.seats, ranks);
        for (uint32_t r = 0; r < ranks; r++) {
            halving_cost cost;
            ck_assert(halving_count(&s, r, 1 << 20, 0, &cost));
            ck_assert_uint_eq(cost.bytes, 2 * (ranks - 1) * ((1u << 20) / ranks));
            ck_assert_uint_eq(cost.messages, 2 * s.rounds);
        }
        halving_free(&s);
    }
}
END_TEST

/* The last rank fails before a sum: all others are told so, whatever they wait for. */
static void *run_or_fail(void *place)
{
    transport *t = place;
    tas_context *own;
    exchange e;
    ck_assert_int_eq(tas_context_open(&own), TAS_OK);
    ck_assert_int_eq(exchange_open(&e, own, t, job.shards, job.share), TAS_OK);
    if (t->rank + 1 == job.ranks)
        (t->kind->fail)(t->self, "a planted failure"); /* Check has a macro of that name */
    else {
        uint64_t cut[SHARDS + 1];
        float *vector[HALVING_NODES];
        uint32_t flags = 0;
        exchange_cut(&e, NULL, 0, job.elements, cut);
        for (int k = 0; k < e.nodes; k++) vector[k] = calloc(ELEMENTS, sizeof(float));
        ck_assert_int_eq(exchange_sum(&e, vector, cut, e.halving.seats, &flags), TAS_RANK_FAILED);
        ck_assert_ptr_nonnull(strstr(tas_error(own), "a planted failure"));
        for (int k = 0; k < e.nodes; k++) free(vector[k]);
    }
    exchange_close(&e);
    t->kind->close(t->self);
    tas_context_close(&own);
    return NULL;
}

START_TEST(failures)
{
    random_seed(test_seed() + (uint64_t)_i);
    job.shards = 8;
    job.ranks = 2 + random_below(7);
    job.elements = 100;
    halving_share(job.ranks, job.shards, NULL, job.share);
    ck_assert(transport_open_threads(job.ranks, job.place));
    run_all(run_or_fail);
}
END_TEST

/* In a process that waits the shorter limit counts; one that computes has the longer one. */
START_TEST(patience_of_what_waits)
{
    patience none = patience_begin(0, 0, 5), plain = patience_begin(4, 0, 5), idle = patience_begin(9, 1, 0);
    ck_assert(!patience_ends(&none, 1e9));
    ck_assert(!patience_ends(&plain, 9) && patience_ends(&plain, 9.1));
    patience_shift(&plain, 3);
    ck_assert(!patience_ends(&plain, 12) && patience_ends(&plain, 12.1));
    ck_assert(!patience_ends(&idle, 0.5)); /* the first look */
    ck_assert(!patience_ends(&idle, 1.4));
    ck_assert(patience_ends(&idle, 1.6));
    for (double now = 2; now <= 9; now += 0.5) {
        for (const clock_t begin = clock(); clock() - begin < CLOCKS_PER_SEC / 20;) continue;
        ck_assert(!patience_ends(&idle, now));
    }
    ck_assert(patience_ends(&idle, 9.1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exchange");
    TCase *tc = tcase_create("exchange");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, sums, 0, 40);
    tcase_add_loop_test(tc, costs, 0, 40);
    tcase_add_test(tc, volume);
    tcase_add_test(tc, patience_of_what_waits);
    tcase_add_loop_test(tc, failures, 0, 10);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
