/* The passes of a step, run on marks instead of numbers: whatever a call reads is there, and is of the right tile. No
 * device is asked, its limits are made up. */
#include "plan/plan.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <stdlib.h>
#include <string.h>

/* Chains, blocks with skips and with a shortcut, concatenations, gates; statistics right behind the input and right
 * before the loss; two normalizations of one value. */
static const char *const texts[] = {
    "input 1x6x6\nconv2d 4 3 padding 1\nbatch_norm\nrelu\nconv2d 4 3\nbatch_norm\nrelu\ndense 3\n",
    "input 1x6x6\nbatch_norm\nconv2d 4 3 padding 1\nbatch_norm\nrelu as s\nconv2d 4 3 padding 1\nbatch_norm\nrelu\n"
    "conv2d 4 3 padding 1\nbatch_norm\nadd s\nrelu as t\nconv2d 6 3 stride 2 padding 1\nbatch_norm as u\nfrom t\n"
    "conv2d 6 1 stride 2\nbatch_norm\nadd u\nrelu\nglobal_avg_pool\ndense 3\n",
    "input 2x6x6\nconv2d 4 3 padding 1 as a\nbatch_norm\nrelu\nconv2d 4 3 padding 1\nconcat a as b\nbatch_norm\ntanh\n"
    "dropout 0.5\nconv2d 4 3 padding 1\nconcat b a\nmax_pool 2\ndense 3\nbatch_norm\n",
    "input 20\ndense 8\nbatch_norm\nrelu as h\ndense 8\nbatch_norm\nsigmoid as gate\nfrom h\nmultiply gate\n"
    "add h\ndense 3\n",
    "input 20\ndense 8 as h\nbatch_norm as one\nfrom h\nbatch_norm\nmultiply one\ndense 3\nloss mse\n",
};

static uint32_t fake_panel(void *self, uint32_t rows, uint32_t cols)
{
    (void)self, (void)rows, (void)cols;
    return 8;
}

static uint32_t fake_lanes(void *self, uint32_t tile)
{
    (void)self;
    return tile < 8 ? 1 : 8;
}

static uint64_t fake_scratch(void *self, const op_args *args)
{
    (void)self;
    return args->op % 3 ? 64 * args->n + 4 * (uint64_t)args->op : 0;
}

static plan_device make_device(void)
{
    return (plan_device){.id = "fake",
                         .budget = UINT64_MAX,
                         .max_alloc = UINT64_MAX,
                         .align = 128,
                         .weight_panel = fake_panel,
                         .batch_panel = fake_lanes,
                         .scratch = fake_scratch};
}

/* Marks in memory ------------------------------------------------------------------------------------------------- */

enum { HOST = PART_COUNT, MARKS_MOST = 20000, SCRATCH = -2 /* in place of a tensor */ };

/* A value of a tile lies there. */
typedef struct mark {
    int part;
    uint64_t offset, bytes;
    int tensor;
    uint32_t tile;
} mark;

typedef struct memory {
    const tas_network *network;
    const plan *p;
    uint32_t batch;
    int count;
    mark marks[MARKS_MOST];
} memory;

static void put(memory *m, region at, int t, uint32_t tile)
{
    int kept = 0;
    for (int i = 0; i < m->count; i++) {
        const mark *old = &m->marks[i];
        const bool hit =
            old->part == at.part && old->offset < at.offset + at.bytes && at.offset < old->offset + old->bytes;
        if (!hit) m->marks[kept++] = *old;
    }
    ck_assert_int_lt(kept, MARKS_MOST);
    m->marks[kept] = (mark){at.part, at.offset, at.bytes, t, tile};
    m->count = kept + 1;
}

static bool is_there(const memory *m, region at, int t, uint32_t tile)
{
    for (int i = 0; i < m->count; i++) {
        const mark *x = &m->marks[i];
        if (x->part == at.part && x->offset == at.offset && x->tensor == t && x->tile == tile) return true;
    }
    return false;
}

/* Where a tensor lies in a pass, for a tile. */
static region place(const memory *m, int pass, uint32_t tile, int t)
{
    const plan *p = m->p;
    const bool kept = p->kept.region && p->kept.region[t].part >= 0;
    if (kept && !p->kept.spilled)
        return (region){PART_KEPT, p->kept.region[t].offset + tile * p->kept.bytes[t], p->kept.bytes[t]};
    if (p->values && p->values[(size_t)pass * (size_t)m->network->tensor_count + (size_t)t].part >= 0)
        return p->values[(size_t)pass * (size_t)m->network->tensor_count + (size_t)t];
    return p->tensor[t];
}

static region on_host(const memory *m, uint32_t tile, int t)
{
    const plan *p = m->p;
    return (region){HOST, p->kept.region[t].offset + tile * p->kept.bytes[t], p->kept.bytes[t]};
}

static bool is_marked(const memory *m, int t)
{
    return passes_is_value(&m->network->tensors[t]) || m->network->tensors[t].role <= ROLE_TARGET;
}

/* A step on marks ------------------------------------------------------------------------------------------------- */

static void run_call(memory *m, int pass, uint32_t tile, const op_call *call)
{
    const op_row *row = op_get(call->args.op);
    const region scratch = m->p->scratch[pass * network_calls(m->network) + call->number];
    ck_assert_msg((scratch.part < 0) == (call->args.op % 3 == 0), "%s: scratch memory", row->name);
    if (scratch.part >= 0) put(m, scratch, SCRATCH, tile);
    for (int o = 0; row->operand[o].name; o++) {
        const int t = call->operand[o];
        if (row->operand[o].access != ACCESS_IN || t == m->network->order || !is_marked(m, t)) continue;
        ck_assert_msg(!call->whole_batch, "%s: a tile's values, after all tiles", row->name);
        if (!is_there(m, place(m, pass, tile, t), t, tile))
            ck_abort_msg("pass %d, tile %u: %s reads %s, which is lost", pass, tile, row->name,
                         m->network->tensors[t].name);
    }
    for (int o = 0; row->operand[o].name; o++) {
        const int t = call->operand[o];
        const region at = place(m, pass, tile, t);
        const uint32_t granule = row->granule ? call->args.size[row->granule - 1] : 0;
        const bool alone = m->network->tensors[t].role == ROLE_PARTIAL && granule >= m->batch; /* the only granule */
        ck_assert_msg((at.part < 0) == alone || t == m->network->order, "%s: %s has %s place", row->name,
                      m->network->tensors[t].name, at.part < 0 ? "no" : "a");
        if (row->operand[o].access != ACCESS_IN) put(m, at, t, is_marked(m, t) ? tile : 0);
    }
    if (scratch.part >= 0)
        ck_assert_msg(is_there(m, scratch, SCRATCH, tile), "%s writes into its scratch memory", row->name);
}

static void run_tile(memory *m, int number, uint32_t tile)
{
    const batch_pass *pass = &m->p->passes.pass[number];
    const int fed[] = {m->network->input, m->network->label, m->network->target};
    for (int i = 0; i < pass->load_count; i++) {
        const int t = pass->loads[i];
        if (!m->p->kept.spilled) continue;
        ck_assert_msg(is_there(m, on_host(m, tile, t), t, tile), "pass %d loads %s, which was not kept", number,
                      m->network->tensors[t].name);
        put(m, place(m, number, tile, t), t, tile);
    }
    for (int f = 0; f < 3 && pass->feeds; f++)
        if (fed[f] != NO_TENSOR) put(m, place(m, number, tile, fed[f]), fed[f], tile);
    for (int c = 0; c < pass->count; c++) run_call(m, number, tile, pass->calls[c]);
    for (int i = 0; i < pass->store_count; i++) {
        const int t = pass->stores[i];
        ck_assert_msg(is_there(m, place(m, number, tile, t), t, tile), "pass %d keeps %s, which is lost", number,
                      m->network->tensors[t].name);
        if (m->p->kept.spilled) put(m, on_host(m, tile, t), t, tile);
    }
}

static void run_step(const tas_network *network, const plan *p, uint32_t batch)
{
    memory *m = malloc(sizeof *m);
    m->network = network;
    m->p = p;
    m->batch = batch;
    m->count = 0;
    const uint32_t tiles = (batch - 1) / p->tile + 1;
    for (int pass = 0; pass < p->passes.count; pass++) {
        for (uint32_t tile = 0; tile < tiles; tile++) run_tile(m, pass, tile);
        for (int c = 0; c < p->passes.pass[pass].after_count; c++) run_call(m, pass, 0, p->passes.pass[pass].after[c]);
    }
    free(m);
}

/* Each call of a step runs once, and none of forward is repeated more than once. */
static void count_calls(const tas_network *network, const plan *p)
{
    const int forward = network->forward_count, all = forward + network->backward_count;
    for (int c = 0; c < all; c++) {
        const op_call *call = c < forward ? &network->forward[c] : &network->backward[c - forward];
        int own = 0, repeated = 0;
        for (int i = 0; i < p->passes.count; i++) {
            const batch_pass *pass = &p->passes.pass[i];
            for (int k = 0; k < pass->count; k++)
                if (pass->calls[k] == call) k < pass->repeated ? repeated++ : own++;
            for (int k = 0; k < pass->after_count; k++) own += pass->after[k] == call;
        }
        ck_assert_int_eq(own, call->when != CALL_EVALUATION);
        ck_assert_int_le(repeated, c < forward);
    }
}

static void check(const tas_network *network, const plan_request *request, uint32_t tile)
{
    const plan_device limits = make_device();
    plan p;
    expect_ok(plan_with(network, &limits, request, tile, false, &p));
    run_step(network, &p, request->batch);
    count_calls(network, &p);
    ck_assert_uint_eq(p.bytes[PART_KEPT] == 0, p.passes.count == 1 || p.kept.spilled);
    ck_assert_uint_eq(p.kept.host != 0, p.kept.spilled);
    plan_free(&p);
}

START_TEST(every_call_finds_what_it_reads)
{
    static const uint32_t tiles[] = {1, 2, 3, 7, 8, 9, 20, 21, 40, 41};
    tas_network *network = NULL;
    expect_ok(tas_network_parse(context, texts[_i], "net", &network));
    for (size_t k = 0; k < 2 * sizeof tiles / sizeof *tiles; k++) {
        const plan_request request = {.training = true,
                                      .batch = 41,
                                      .max_tile = 41,
                                      .slots = 1,
                                      .input_bytes = 4,
                                      .target_bytes = 4,
                                      .spills = k % 2};
        check(network, &request, tiles[k / 2]);
    }
    tas_network_close(&network);
}
END_TEST

/* The whole batch at once needs one pass and keeps nothing; so does an evaluation, in any tiles. */
START_TEST(one_pass_is_enough_for_one_tile)
{
    tas_network *network = NULL;
    const plan_device limits = make_device();
    expect_ok(tas_network_parse(context, texts[_i], "net", &network));
    for (int k = 0; k < 2; k++) {
        const plan_request request = {
            .training = !k, .batch = 41, .max_tile = 41, .slots = 1, .input_bytes = 4, .target_bytes = 4};
        plan p;
        expect_ok(plan_with(network, &limits, &request, k ? 5 : 41, false, &p));
        ck_assert_int_eq(p.passes.count, 1);
        ck_assert_uint_eq(p.bytes[PART_KEPT] + p.kept.host, 0);
        plan_free(&p);
    }
    tas_network_close(&network);
}
END_TEST

/* The smallest budget is the minimum over all tiles and both places for what is kept, and is sufficient. */
START_TEST(the_smallest_budget_is_true)
{
    tas_network *network = NULL;
    plan_device limits = make_device();
    uint64_t smallest = UINT64_MAX, found;
    expect_ok(tas_network_parse(context, texts[_i], "net", &network));
    plan_request request = {
        .training = true, .batch = 41, .max_tile = 41, .slots = 1, .input_bytes = 4, .target_bytes = 4};
    for (uint32_t k = 0; k < 82; k++) {
        plan p;
        request.spills = k % 2;
        expect_ok(plan_with(network, &limits, &request, k / 2 + 1, false, &p));
        smallest = p.total < smallest ? p.total : smallest;
        plan_free(&p);
    }
    request.spills = false;
    expect_ok(plan_smallest_budget(network, &limits, &request, &found));
    ck_assert_uint_eq(found, smallest);
    for (int less = 0; less < 2; less++) {
        plan p;
        limits.budget = smallest - (uint64_t)less;
        ck_assert_int_eq(plan_make(network, &limits, &request, &p), less ? TAS_NO_MEMORY : TAS_OK);
        if (!less) plan_free(&p);
    }
    tas_network_close(&network);
}
END_TEST

int main(void)
{
    const int count = (int)(sizeof texts / sizeof *texts);
    Suite *suite = suite_create("passes");
    TCase *tc = tcase_create("passes");
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_loop_test(tc, every_call_finds_what_it_reads, 0, count);
    tcase_add_loop_test(tc, one_pass_is_enough_for_one_tile, 0, count);
    tcase_add_loop_test(tc, the_smallest_budget_is_true, 0, count);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
