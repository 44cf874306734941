/* The plan, of itself: no device is asked, its limits and sizes are made up here. */
#include "plan/plan.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <stdlib.h>
#include <string.h>

/* A made-up device: panels of 8 rows, scratch that grows with the tile and differs from call to call. */
typedef struct fake {
    uint32_t panel;
    uint64_t scratch_a_row;
} fake;

static uint32_t fake_panel(void *self, uint32_t rows, uint32_t cols)
{
    (void)rows;
    (void)cols;
    return ((fake *)self)->panel;
}

static uint64_t fake_scratch(void *self, const op_args *args)
{
    ck_assert_uint_gt(args->n, 0); /* the size of a tile is known by then */
    ck_assert_uint_ge(args->batch, args->n);
    return ((fake *)self)->scratch_a_row * args->n * (1 + (uint64_t)args->op % 3) + 5;
}

typedef struct scene {
    tas_network *network;
    fake fake;
    plan_device device;
    plan_work work;
} scene;

static void scene_close(scene *s) { tas_network_close(&s->network); }

static void scene_open(scene *s, const char *text)
{
    *s = (scene){.fake = {.panel = 8, .scratch_a_row = 100}};
    s->device = (plan_device){.id = "fake",
                              .budget = UINT64_MAX,
                              .max_alloc = UINT64_MAX,
                              .align = 128,
                              .self = NULL,
                              .panel = fake_panel,
                              .scratch = fake_scratch};
    s->work = (plan_work){
        .training = true, .batch = 100, .tile_most = 100, .window = 1000, .input_bytes = 4 * 20, .target_bytes = 4};
    expect_ok(tas_network_parse(context, text, "net", &s->network));
}

static tas_status make(scene *s, plan *p)
{
    s->device.self = &s->fake;
    return plan_make(s->network, &s->device, &s->work, p);
}

static uint64_t total_of(scene *s, uint32_t tile)
{
    plan p;
    const scene kept = *s;
    s->device.budget = s->device.max_alloc = UINT64_MAX;
    s->work.tile_most = tile;
    expect_ok(make(s, &p));
    ck_assert_uint_eq(p.tile, tile < s->work.batch ? tile : s->work.batch);
    const uint64_t total = p.total;
    plan_free(&p);
    *s = kept;
    return total;
}

static const char medium[] = "input 20\ndense 30\nrelu\ndense 9\ngelu\ndense 10\n";

/* What every plan must be -------------------------------------------------------------------------------------------- */

typedef struct slices {
    const place *at[400];
    int count;
} slices;

static void add_slice(slices *all, const place *p, uint64_t least)
{
    if (p->part < 0) return;
    ck_assert_uint_ge(p->bytes, least);
    all->at[all->count++] = p;
}

/* Slices start aligned, lie within their part and do not overlap; parts add up. */
static void check_plan(const scene *s, const plan *p)
{
    slices all = {.count = 0};
    const plan_work *work = &s->work;
    const tas_network *network = s->network;
    for (int t = 0; t < network->tensor_count; t++) {
        const tensor *is = &network->tensors[t];
        uint64_t least = is->elements * 4;
        if (is->role == ROLE_INPUT || is->role == ROLE_VALUE || is->role == ROLE_TARGET || is->role == ROLE_LABEL)
            least *= p->tile;
        if (is->role == ROLE_LOSS || is->role == ROLE_HIT) least *= work->batch;
        add_slice(&all, &p->tensor[t], least);
    }
    uint64_t count = work->batch;
    for (int level = 0; level < SUM_LEVELS; level++) {
        count = (count + 255) / 256;
        add_slice(&all, &p->sum[level], count * 4);
        add_slice(&all, &p->hit_sum[level], count * 4);
    }
    add_slice(&all, &p->ring, RING * 4);
    add_slice(&all, &p->record, 8);
    add_slice(&all, &p->inputs, work->window * work->input_bytes);
    add_slice(&all, &p->targets, work->window * work->target_bytes);
    add_slice(&all, &p->order, work->window * 4);

    for (int a = 0; a < all.count; a++) {
        const place *x = all.at[a];
        ck_assert_int_lt(x->part, PART_COUNT);
        ck_assert_uint_eq(x->offset % s->device.align, 0);
        ck_assert_uint_le(x->offset + x->bytes, p->bytes[x->part]);
        for (int b = 0; b < a; b++) {
            const place *y = all.at[b];
            ck_assert(x->part != y->part || x->offset >= y->offset + y->bytes || y->offset >= x->offset + x->bytes);
        }
    }
    uint64_t sum = 0;
    for (int part = 0; part < PART_COUNT; part++) {
        sum += p->bytes[part];
        ck_assert_uint_le(p->bytes[part], s->device.max_alloc);
    }
    ck_assert_uint_eq(sum, p->total);
    ck_assert_uint_le(p->total, s->device.budget);
    ck_assert_uint_ge(p->tile, 1);
    ck_assert_uint_le(p->tile, work->batch);
    ck_assert_uint_le(p->tile, work->tile_most);
}

/* An operand of each call is placed; so is a scratch that is enough for each of them. */
static void check_calls(scene *s, const plan *p)
{
    for (int list = 0; list < (s->work.training ? 2 : 1); list++) {
        const op_call *calls = list ? s->network->backward : s->network->forward;
        for (int c = 0; c < (list ? s->network->backward_count : s->network->forward_count); c++) {
            op_args args = calls[c].args;
            args.n = p->tile;
            args.batch = s->work.batch;
            ck_assert_uint_ge(p->bytes[PART_SCRATCH], fake_scratch(&s->fake, &args));
            for (int o = 0; op_get(args.op)->operand[o].name; o++)
                ck_assert_int_ge(p->tensor[calls[c].operand[o]].part, 0);
        }
    }
}

START_TEST(slices_are_aligned_and_apart)
{
    static const char *const texts[] = {medium, "input 7\ndense 1\nloss mse\n",
                                        "input 300\ntanh\ndense 220\nleaky\ndense 3\nsigmoid\nloss mse\n"};
    for (int round = 0; round < 300; round++) {
        scene s;
        plan p;
        scene_open(&s, texts[round % 3]);
        s.work.training = random_below(4) != 0;
        s.work.batch = 1 + random_below(round % 5 ? 200 : 70000);
        s.work.tile_most = 1 + random_below(300);
        s.work.window = 1 + random_below(5000);
        s.work.input_bytes = 1 + random_below(1000);
        s.device.align = 1u << random_below(13);
        s.fake.panel = 1u << random_below(6);
        s.fake.scratch_a_row = random_below(3) * 64;
        const uint64_t least = total_of(&s, 1), most = total_of(&s, s.work.tile_most);
        if (random_below(2)) s.device.budget = least + random_u64() % (most - least + 1);
        expect_ok(make(&s, &p));
        check_plan(&s, &p);
        check_calls(&s, &p);
        plan_free(&p);
        scene_close(&s);
    }
}
END_TEST

/* So that an update is one launch over all. */
START_TEST(gradients_and_state_lie_as_parameters_do)
{
    scene s;
    plan p;
    scene_open(&s, medium);
    expect_ok(make(&s, &p));
    ck_assert_uint_eq(p.bytes[PART_GRADIENT], p.bytes[PART_PARAMETERS]);
    ck_assert_uint_eq(p.bytes[PART_STATE], p.bytes[PART_PARAMETERS]);
    for (int i = 0; i < s.network->parameter_count; i++) {
        const tensor *t = &s.network->tensors[s.network->parameters[i]];
        const place *w = &p.tensor[s.network->parameters[i]], *g = &p.tensor[t->gradient], *open = &p.tensor[t->open];
        ck_assert_int_eq(w->part, PART_PARAMETERS);
        ck_assert_int_eq(g->part, PART_GRADIENT);
        ck_assert_int_eq(open->part, PART_OPEN);
        ck_assert(w->offset == g->offset && w->bytes == g->bytes && w->bytes == open->bytes);
        const uint64_t rows = t->cols ? (t->rows + 7) / 8 * 8 : t->rows; /* pads of the last panel */
        ck_assert_uint_eq(w->bytes, rows * (t->cols ? t->cols : 1) * 4);
    }
    plan_free(&p);
    ck_assert_ptr_null(p.tensor);
    scene_close(&s);
}
END_TEST

START_TEST(one_chain_needs_no_open_granule)
{
    scene s;
    plan p;
    scene_open(&s, "input 256\ndense 256\n");
    expect_ok(make(&s, &p));
    ck_assert_uint_eq(p.bytes[PART_OPEN], 0);
    ck_assert_uint_gt(p.bytes[PART_GRADIENT], 0);
    plan_free(&p);
    scene_close(&s);
}
END_TEST

START_TEST(evaluation_plans_no_gradients)
{
    scene s;
    plan p;
    scene_open(&s, medium);
    s.work.training = false;
    expect_ok(make(&s, &p));
    ck_assert(!p.bytes[PART_GRADIENT] && !p.bytes[PART_STATE] && !p.bytes[PART_OPEN]);
    for (int i = 0; i < s.network->parameter_count; i++)
        ck_assert_int_eq(p.tensor[s.network->tensors[s.network->parameters[i]].gradient].part, -1);
    plan_free(&p);
    scene_close(&s);
}
END_TEST

/* Budgets ---------------------------------------------------------------------------------------------------------- */

/* From the least budget up, the tile never gets smaller, and is more than half of the largest that fits. */
START_TEST(tile_follows_the_budget)
{
    scene s;
    plan p;
    scene_open(&s, medium);
    uint64_t need[101];
    for (uint32_t tile = 1; tile <= 100; tile++) need[tile] = total_of(&s, tile);
    uint32_t before = 1;
    for (uint64_t budget = need[1]; budget <= need[100] + 1000; budget += 97) {
        uint32_t largest = 1;
        for (uint32_t tile = 1; tile <= 100; tile++) largest = need[tile] <= budget ? tile : largest;
        s.device.budget = budget;
        expect_ok(make(&s, &p));
        check_plan(&s, &p);
        ck_assert_msg(p.tile >= before && 2 * p.tile >= largest, "%llu bytes: tile %u, %u would fit",
                      (unsigned long long)budget, p.tile, largest);
        before = p.tile;
        plan_free(&p);
    }
    ck_assert_uint_eq(before, 100);
    s.work.tile_most = 17;
    expect_ok(make(&s, &p));
    ck_assert_uint_eq(p.tile, 17);
    plan_free(&p);
    scene_close(&s);
}
END_TEST

/* The number in the error is the least that will do, to the byte. */
START_TEST(error_names_the_least_budget)
{
    scene s;
    plan p;
    char number[32];
    scene_open(&s, medium);
    const uint64_t least = total_of(&s, 1);
    snprintf(number, sizeof number, " %llu ", (unsigned long long)least);
    for (int k = 0; k < 3; k++) {
        s.device.budget = k == 0 ? least - 1 : k == 1 ? least / 2 : 0;
        expect(make(&s, &p), TAS_NO_MEMORY, "fake", number);
        ck_assert_ptr_null(p.tensor);
    }
    s.device.budget = least;
    expect_ok(make(&s, &p));
    ck_assert_uint_eq(p.tile, 1);
    ck_assert_uint_eq(p.total, least);
    plan_free(&p);
    scene_close(&s);
}
END_TEST

START_TEST(no_part_is_larger_than_one_allocation)
{
    scene s;
    plan p, one;
    scene_open(&s, medium);
    s.work.window = 1;
    s.fake.scratch_a_row = 10;
    s.work.tile_most = 1;
    expect_ok(make(&s, &one));
    s.work.tile_most = 100;
    for (uint64_t most = one.bytes[PART_BATCH]; most < 4 * one.bytes[PART_BATCH]; most += 501) {
        s.device.max_alloc = most;
        expect_ok(make(&s, &p));
        check_plan(&s, &p);
        ck_assert(p.tile < 100 || most >= 128);
        plan_free(&p);
    }
    s.device.max_alloc = one.bytes[PART_BATCH] - 1; /* no tile helps against that */
    expect(make(&s, &p), TAS_NO_MEMORY, "fake", "batch");
    s.work.window = 100000;
    s.device.max_alloc = 1000000;
    expect(make(&s, &p), TAS_NO_MEMORY, "data set", "1000000");
    s.device.max_alloc = 64;
    expect(make(&s, &p), TAS_NO_MEMORY, "parameters", "64");
    plan_free(&one);
    scene_close(&s);
}
END_TEST

/* More than 2^32 bytes are counted as they are. */
START_TEST(large_numbers)
{
    scene s;
    plan p;
    scene_open(&s, "input 65536\ndense 59392\n");
    s.work.batch = s.work.tile_most = 1u << 24;
    s.work.window = UINT32_MAX;
    s.work.input_bytes = 4 * 65536;
    expect_ok(make(&s, &p));
    check_plan(&s, &p);
    ck_assert_uint_eq(p.bytes[PART_PARAMETERS], 59392ull * 65536 * 4 + 59392 * 4);
    ck_assert_uint_ge(p.bytes[PART_DATA], 4 * 65536ull * UINT32_MAX);
    plan_free(&p);
    scene_close(&s);

    scene_open(&s, "input 65536\ndense 65535\n"); /* more elements than kernels count */
    ck_assert_int_eq(make(&s, &p), TAS_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(tas_error(s.network->context), "parameters need"));
    scene_close(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, slices_are_aligned_and_apart);
    tcase_add_test(tc, gradients_and_state_lie_as_parameters_do);
    tcase_add_test(tc, one_chain_needs_no_open_granule);
    tcase_add_test(tc, evaluation_plans_no_gradients);
    tcase_add_test(tc, tile_follows_the_budget);
    tcase_add_test(tc, error_names_the_least_budget);
    tcase_add_test(tc, no_part_is_larger_than_one_allocation);
    tcase_add_test(tc, large_numbers);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
