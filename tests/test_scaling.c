/* What a step costs on R ranks: the simulator against closed formulas, against a count by the definition of the tree,
 * against what threads really send, and against real runs. */
#include "exchange/exchange.h" /* before check.h, which has a macro of the name fail */
#include "lab/scale/scale.h"

#include "support.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

/* Closed formulas -------------------------------------------------------------------------------------------------- */

/* One seat per rank: 2 (R - 1) / R of the vector in 2 log2(R) messages, from every rank. */
START_TEST(powers_of_two)
{
    const scaling_volume volume = {.values = 1 << 20};
    const scaling_link link = {3e-6, 1e9};
    for (uint32_t rounds = 0; rounds <= 12; rounds++) {
        const uint32_t ranks = 1u << rounds;
        scaling_traffic *traffic = calloc(ranks, sizeof *traffic);
        scaling_exchange e;
        ck_assert_ptr_nonnull(traffic);
        ck_assert(scaling_walk(&volume, ranks, ranks, &link, traffic, &e));
        const uint64_t vector = sizeof(float) << 20, bytes = 2 * (vector - vector / ranks) + 2ull * rounds * 16;
        for (uint32_t r = 0; r < ranks; r++) {
            ck_assert_uint_eq(traffic[r].messages, 2 * rounds);
            ck_assert_uint_eq(traffic[r].bytes, bytes);
        }
        ck_assert_double_eq_tol(e.seconds, 2 * rounds * 3e-6 + (double)bytes / 1e9, 1e-12);
        ck_assert_double_eq_tol(e.slice, 1.0 / ranks, 1e-15);
        ck_assert_int_eq(e.nodes, 1);
        ck_assert_uint_eq(e.message_bytes, rounds ? vector / 2 + 16 : 0);
        free(traffic);
    }
}
END_TEST

/* Several seats per rank, if they are a whole subtree, change nothing. */
START_TEST(more_shards_than_ranks)
{
    const scaling_volume volume = {.values = 1 << 16, .rows = 3, .row_values = 40, .lists = 2, .list_values = 4096};
    const scaling_volume small = {.values = 1 << 16, .lists = 2, .list_values = 4096};
    scaling_exchange one, other;
    for (uint32_t ranks = 1; ranks <= 64; ranks *= 2) {
        ck_assert(scaling_walk(&volume, ranks, 64, NULL, NULL, &one));
        ck_assert(scaling_walk(&small, ranks, ranks, NULL, NULL, &other));
        ck_assert_uint_ge(one.most.bytes, other.most.bytes);
        ck_assert_double_eq_tol(one.slice, other.slice, 1e-15);
        ck_assert_double_eq_tol(one.seconds, 0, 1e-15);
        ck_assert_uint_eq(scaling_shards_most(ranks, 64), 64 / ranks);
    }
}
END_TEST

/* By the definition ------------------------------------------------------------------------------------------------ */

static uint32_t owner(const uint32_t *share, uint32_t shard)
{
    uint32_t rank = 0;
    while (share[rank + 1] <= shard) rank++;
    return rank;
}

/* In level l of the tree, place i meets place i ^ 2^l: if another rank has that, it gets half of what i has, which are
 * 1 / 2^l of the values. And afterwards a rank is sent what it lacks: all but the slices of its own places. Places of
 * the size of one shard would send the same as larger ones. */
static void count_by_tree(uint32_t ranks, uint32_t places, const uint32_t *share, double *sums, double *gathers)
{
    *sums = *gathers = 0;
    for (uint32_t half = 1; half < places; half *= 2)
        for (uint32_t i = 0; i < places; i++) *sums += owner(share, i) != owner(share, i ^ half) ? 0.5 / half : 0;
    for (uint32_t r = 0; r < ranks; r++)
        if (share[r + 1] > share[r]) *gathers += 1 - (double)(share[r + 1] - share[r]) / places;
}

START_TEST(any_number)
{
    const uint64_t values = 1 << 18;
    for (uint32_t ranks = 1; ranks <= 70; ranks++)
        for (uint32_t shards = 1; shards <= 256; shards *= 2) {
            uint32_t share[71];
            double sums, gathers, bytes = 0, messages = 0;
            scaling_traffic traffic[70];
            scaling_exchange e;
            if (shards < ranks) continue;
            halving_share(ranks, shards, NULL, share);
            count_by_tree(ranks, shards, share, &sums, &gathers);
            ck_assert(scaling_walk(&(scaling_volume){.values = values}, ranks, shards, NULL, traffic, &e));
            for (uint32_t r = 0; r < ranks; r++) {
                bytes += (double)traffic[r].bytes;
                messages += (double)traffic[r].messages;
            }
            /* bytes of a message are whole ones: less than one per message is cut */
            ck_assert_double_eq_tol(bytes - 16 * messages, (sums + gathers) * (double)values * 4, messages + 1e-3);
            ck_assert_double_ge(e.slice, 1.0 / ranks);
            ck_assert_uint_eq(scaling_shards_most(ranks, shards), (uint32_t)lround(e.slice * shards));
        }
}
END_TEST

/* Rows are gathered, and commands go down a tree. */
START_TEST(rows_and_broadcasts)
{
    scaling_exchange e;
    scaling_traffic traffic[8];
    const scaling_volume rows = {.rows = 2, .row_values = 10};
    ck_assert(scaling_walk(&rows, 8, 8, NULL, traffic, &e));
    for (int r = 0; r < 8; r++) { /* 1 + 2 + 4 rows of the shards, each of 5 values on average */
        ck_assert_uint_eq(traffic[r].messages, 2 * 3);
        ck_assert_uint_eq(traffic[r].bytes, 2 * (7 * 5 * 4 + 3 * 16));
    }
    static const uint64_t sends[] = {3, 0, 1, 0, 2, 0, 1, 0};
    const scaling_link link = {1, 100};
    ck_assert(scaling_walk(&(scaling_volume){.broadcasts = 2, .broadcast_bytes = 300}, 8, 8, &link, traffic, &e));
    for (int r = 0; r < 8; r++) {
        ck_assert_uint_eq(traffic[r].messages, 2 * sends[r]);
        ck_assert_uint_eq(traffic[r].bytes, 300 * sends[r]);
    }
    ck_assert_double_eq_tol(e.seconds, 3 * (2 + 3), 1e-12);
}
END_TEST

START_TEST(times)
{
    const scaling_work work = {.alone = 10, .compute = 2.5, .staging = 0.25, .update = 1};
    const scaling_exchange e = {.seconds = 0.5, .slice = 0.25};
    scaling_time t = scaling_time_of(4, &work, &e);
    ck_assert_double_eq_tol(t.seconds, 2.5 + 0.25 + 0.5 + 0.25, 1e-15);
    ck_assert_double_eq_tol(t.speedup, 10 / 3.5, 1e-12);
    ck_assert_double_eq_tol(t.efficiency, 10 / 3.5 / 4, 1e-12);
    t = scaling_time_of(1, &work, &e);
    ck_assert_double_eq_tol(t.seconds, 10, 1e-15);
    ck_assert_double_eq_tol(t.efficiency, 1, 1e-15);
}
END_TEST

/* What is really sent ---------------------------------------------------------------------------------------------- */

enum { THREADS = 8, VALUES = 1 << 12, ROW = 5 };

typedef struct rank {
    pthread_t thread;
    transport transport;
    uint32_t shards;
    uint32_t *share;
    tas_context *context;
    tas_status status;
} rank;

static void *run_rank(void *self)
{
    rank *r = self;
    exchange e;
    uint64_t cut[257];
    float *vectors[HALVING_NODES];
    uint32_t flags = 0;
    r->status = exchange_open(&e, r->context, &r->transport, r->shards, r->share);
    if (r->status) return NULL;
    exchange_cut(&e, NULL, 0, VALUES, cut);
    for (int k = 0; k < e.nodes; k++) vectors[k] = calloc(VALUES, sizeof(float));
    r->status = exchange_sum(&e, vectors, cut, e.halving.seats, &flags);
    if (!r->status) r->status = exchange_gather(&e, vectors[0], cut, &flags);
    float *rows = calloc(ROW * (size_t)r->shards, sizeof *rows);
    if (!r->status) r->status = exchange_rows(&e, rows, ROW);
    free(rows);
    for (int k = 0; k < e.nodes; k++) free(vectors[k]);
    exchange_close(&e);
    return NULL;
}

static void run_threads(uint32_t count, uint32_t shards, scaling_traffic *sent)
{
    rank ranks[THREADS] = {{.shards = 0}};
    transport places[THREADS];
    uint32_t share[THREADS + 1];
    halving_share(count, shards, NULL, share);
    ck_assert(transport_open_threads(count, places));
    for (uint32_t r = 0; r < count; r++) {
        ranks[r] = (rank){.transport = places[r], .shards = shards, .share = share};
        ck_assert_int_eq(tas_context_open(&ranks[r].context), TAS_OK);
        ck_assert_int_eq(pthread_create(&ranks[r].thread, NULL, run_rank, &ranks[r]), 0);
    }
    for (uint32_t r = 0; r < count; r++) ck_assert_int_eq(pthread_join(ranks[r].thread, NULL), 0);
    for (uint32_t r = 0; r < count; r++) {
        ck_assert_int_eq(ranks[r].status, TAS_OK);
        sent[r] = (scaling_traffic){ranks[r].transport.messages, ranks[r].transport.bytes};
        ranks[r].transport.kind->close(ranks[r].transport.self);
        tas_context_close(&ranks[r].context);
    }
}

START_TEST(threads_send_that)
{
    for (uint32_t count = 1; count <= THREADS; count++)
        for (uint32_t shards = 8; shards <= 64; shards *= 2) {
            scaling_traffic sent[THREADS], walked[THREADS];
            scaling_exchange e;
            run_threads(count, shards, sent);
            const scaling_volume volume = {.values = VALUES, .rows = 1, .row_values = ROW};
            ck_assert(scaling_walk(&volume, count, shards, NULL, walked, &e));
            for (uint32_t r = 0; r < count; r++) {
                ck_assert_uint_eq(sent[r].messages, walked[r].messages);
                ck_assert_uint_eq(sent[r].bytes, walked[r].bytes);
            }
        }
}
END_TEST

/* Runs ------------------------------------------------------------------------------------------------------------- */

/* What rank 0 sends in so many steps. */
static scaling_traffic train(uint32_t count, const char *text, tas_train_options options, uint64_t steps)
{
    tas_context *contexts[THREADS];
    tas_device *devices[THREADS];
    tas_ranks *ranks;
    tas_network *network;
    tas_model *model;
    tas_ranks_traffic traffic;
    for (uint32_t i = 0; i + 1 < count; i++) {
        ck_assert_int_eq(tas_context_open(&contexts[i]), TAS_OK);
        ck_assert_int_eq(tas_device_open(contexts[i], "reference", TAS_ARITH_EXACT, &devices[i]), TAS_OK);
    }
    expect_ok(tas_ranks_open_devices(context, devices, count - 1, &ranks));
    expect_ok(tas_network_parse(context, text, "the test", &network));
    expect_ok(tas_model_open(device, network, 3, &model));
    options.steps = steps;
    expect_ok(tas_train(model, sample, &options, NULL));
    tas_ranks_get_traffic(ranks, &traffic);
    tas_model_close(&model);
    tas_network_close(&network);
    tas_ranks_close(&ranks);
    for (uint32_t i = 0; i + 1 < count; i++) {
        tas_device_close(&devices[i]);
        tas_context_close(&contexts[i]);
    }
    return (scaling_traffic){traffic.messages, traffic.bytes};
}

/* With as many shards as ranks the shares are even, however fast the devices. Slices are cut at rows, so that bytes are
 * not those of equal ones; messages are. */
static void compare_runs(const char *text, tas_train_options options)
{
    tas_network *network;
    expect_ok(tas_network_parse(context, text, "the test", &network));
    const scaling_volume volume = scale_volume(network, options.optimizer, options.clip > 0);
    tas_network_close(&network);
    for (uint32_t count = 2; count <= THREADS; count *= 2) {
        scaling_traffic walked[THREADS];
        scaling_exchange e;
        options.shards = count;
        const scaling_traffic one = train(count, text, options, 1), three = train(count, text, options, 3);
        ck_assert(scaling_walk(&volume, count, count, NULL, walked, &e));
        ck_assert_uint_eq(three.messages - one.messages, 2 * walked[0].messages);
        ck_assert_double_eq_tol((double)(three.bytes - one.bytes), 2 * (double)walked[0].bytes,
                                0.05 * 2 * (double)walked[0].bytes);
    }
}

START_TEST(runs_send_that)
{
    tas_train_options options = sample_options(16, 1);
    compare_runs("input 6\ndense 64\nrelu\ndense 64\nrelu\ndense 4\nloss softmax\n", options);
    compare_runs("input 6\ndense 64\nbatch_norm\nrelu\ndense 32\nbatch_norm\ndense 4\nloss softmax\n", options);
    compare_runs("input 6\ndense 260\nrelu\ndense 260\nrelu\ndense 4\nloss softmax\n", options); /* two buckets */
    options.clip = 0.5f;
    compare_runs("input 6\ndense 64\nrelu\ndense 64\nrelu\ndense 4\nloss softmax\n", options);
    tas_train_options_choose(&options, TAS_LAMB);
    compare_runs("input 6\ndense 64\nrelu\ndense 64\nrelu\ndense 4\nloss softmax\n", options);
}
END_TEST

/* The forecast ----------------------------------------------------------------------------------------------------- */

START_TEST(forecasts)
{
    tas_scale_options options;
    tas_scale scale;
    tas_network *network;
    expect_ok(tas_network_open(context, "lenet", &network));
    tas_scale_options_init(&options);
    options.batch = 256;
    options.shards = 8;
    options.ranks = 4;
    expect_ok(tas_scale_forecast(device, network, &options, &scale));
    ck_assert_int_eq(scale.count, 9);
    ck_assert_uint_eq(scale.most, 0);
    ck_assert(isnan(scale.row[3].seconds) && isnan(scale.asked.efficiency));
    ck_assert_uint_eq(scale.asked.examples, 64);
    ck_assert_uint_gt(scale.asked.bytes, 0);
    options.step_seconds = 1;
    options.link = (tas_link){1e-6, 1e12};
    expect_ok(tas_scale_forecast(device, network, &options, &scale));
    for (int i = 0; i < scale.count; i++) {
        const tas_scale_row *row = &scale.row[i];
        const double parts = row->compute + row->staging + row->exchange + row->update;
        ck_assert_uint_eq(row->ranks, 1u << i);
        ck_assert_uint_eq(row->shards, row->ranks > 8 ? row->ranks : 8);
        ck_assert_uint_eq(row->examples, 256u >> i);
        ck_assert_double_eq_tol(row->compute, 1.0 / row->ranks, 1e-12);
        ck_assert_double_eq_tol(row->seconds, parts, 1e-12);
        ck_assert_double_eq_tol(row->efficiency, 1 / row->seconds / row->ranks, 1e-9);
        if (row->ranks <= scale.most) ck_assert_double_ge(row->efficiency, 0.5);
        if (row->ranks == 2 * scale.most) ck_assert_double_lt(row->efficiency, 0.5);
    }
    ck_assert_double_eq_tol(scale.asked.seconds, scale.row[2].seconds, 0.2 * scale.row[2].seconds);
    /* momentum: a value per parameter, of which a rank has a quarter; a sum, the weights, messages of half a bucket */
    const uint64_t vector = 4 * (uint64_t)431080;
    ck_assert_uint_eq(scale.state_bytes, vector / 4);
    ck_assert_uint_gt(scale.host_bytes, vector / 4 + 2 * vector);
    ck_assert_uint_le(scale.host_bytes, vector / 4 + 3 * vector + 4096);
    options.step_seconds = 0;
    options.batch = 8;
    expect_ok(tas_scale_forecast(device, network, &options, &scale));
    ck_assert(scale.count == 4 && scale.row[0].compute > scale.row[3].compute && scale.row[3].compute > 0);
    options.ranks = 9;
    expect(tas_scale_forecast(device, network, &options, &scale), TAS_BAD_ARGUMENT, "9 ranks", "8 shards");
    options.ranks = 2;
    options.link.latency = -1;
    expect(tas_scale_forecast(device, network, &options, &scale), TAS_BAD_ARGUMENT, "latency", "");
    options.link.latency = 0;
    options.step_seconds = NAN;
    expect(tas_scale_forecast(device, network, &options, &scale), TAS_BAD_ARGUMENT, "step", "");
    tas_network_close(&network);
}
END_TEST

START_TEST(messages_are_timed)
{
    tas_link_bench bench;
    expect_ok(tas_bench_exchange(context, NULL, 3, 3, &bench));
    ck_assert(bench.ranks == 3 && bench.count == TAS_LINK_SIZES);
    ck_assert_str_eq(bench.transport, "threads");
    ck_assert(bench.link.latency > 0 && bench.link.bandwidth > 0);
    for (int i = 0; i < bench.count; i++) {
        const tas_bench_time *t = &bench.time[i].seconds;
        ck_assert(t->low > 0 && t->low <= t->median && t->median <= t->high);
        ck_assert(!i || bench.time[i].bytes > bench.time[i - 1].bytes);
    }
    expect(tas_bench_exchange(context, NULL, 1, 3, &bench), TAS_BAD_ARGUMENT, "1 ranks", "at least 2");
    expect(tas_bench_exchange(context, NULL, 65, 3, &bench), TAS_BAD_ARGUMENT, "65 ranks", "64");
    expect(tas_bench_exchange(context, NULL, 2, 0, &bench), TAS_BAD_ARGUMENT, "repetitions 0", "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scaling");
    TCase *tc = tcase_create("scaling");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, sample_open, sample_close);
    tcase_add_test(tc, powers_of_two);
    tcase_add_test(tc, more_shards_than_ranks);
    tcase_add_test(tc, any_number);
    tcase_add_test(tc, rows_and_broadcasts);
    tcase_add_test(tc, times);
    tcase_add_test(tc, threads_send_that);
    tcase_add_test(tc, runs_send_that);
    tcase_add_test(tc, forecasts);
    tcase_add_test(tc, messages_are_timed);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
