/* The plan, of itself: no device is asked, its limits and sizes are made up here. */
#include "ops/divisor.h"
#include "plan/plan.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLICES_MOST = 600, DRAWN_BATCH = 48 };

/* A made-up device. An odd one has panels by the matrix, lanes by the tile, and scratch that rises and falls with it.
 */
typedef struct fake {
    bool odd;
    uint32_t panel, lanes;
    uint64_t scratch_a_row;
} fake;

static uint32_t mixed(uint32_t a, uint32_t b) { return (a * 2654435761u ^ (b + 7) * 2246822519u) >> 7; }

static uint32_t fake_panel(void *self, uint32_t rows, uint32_t cols)
{
    const fake *f = self;
    return f->odd ? 1 + mixed(rows, cols) % f->panel : f->panel;
}

static uint64_t no_scratch(void *self, const op_args *args)
{
    (void)self, (void)args;
    return 0;
}

static uint32_t fake_lanes(void *self, uint32_t tile)
{
    const fake *f = self;
    return f->odd && mixed(tile, 1) % 3 == 0 ? 1 : f->lanes;
}

static uint64_t fake_scratch(void *self, const op_args *args)
{
    const fake *f = self;
    if (!args->n || args->batch < args->n || (args->panel_width != 1 && args->panel_width != fake_lanes(self, args->n)))
        ck_abort_msg("%s: sizes of a tile are known by then",
                     op_get(args->op)->name); /* each ck_assert costs a write */
    const uint64_t rows = f->odd ? mixed(args->n, (uint32_t)args->op) % 32 : args->n;
    return f->scratch_a_row * rows * (1 + (uint64_t)args->op % 3) + 5 + (args->panel_width > 1 ? 3 : 0) +
           (args->masked ? 7 * rows : 0);
}

typedef struct scene {
    tas_network *network;
    fake fake;
    plan_device device;
    plan_request request;
} scene;

static void scene_close(scene *s) { tas_network_close(&s->network); }

/* Call it with the scene where it stays: the device points into it. */
static void scene_open(scene *s, const char *text)
{
    *s = (scene){.fake = {.panel = 8, .lanes = 16, .scratch_a_row = 100}};
    s->device = (plan_device){.id = "fake",
                              .budget = UINT64_MAX,
                              .max_alloc = UINT64_MAX,
                              .align = 128,
                              .self = &s->fake,
                              .weight_panel = fake_panel,
                              .batch_panel = fake_lanes,
                              .scratch = fake_scratch};
    s->request = (plan_request){
        .training = true, .batch = 100, .max_tile = 100, .slots = 1, .input_bytes = 4 * 20, .target_bytes = 4};
    expect_ok(tas_network_parse(context, text, "net", &s->network));
}

static tas_status make(const scene *s, plan *p) { return plan_make(s->network, &s->device, &s->request, p); }

/* Of a step, or of a probe where that has more. */
static uint32_t examples_of(const scene *s)
{
    return s->request.noise.probe > s->request.batch ? s->request.noise.probe : s->request.batch;
}

/* Of the first leaf of a batch: a tile reaches no further. */
static uint32_t leaf_of(const scene *s, uint32_t examples)
{
    const uint32_t shards = s->request.shards ? s->request.shards : 1, shard = (examples + shards - 1) / shards;
    if (!s->request.training) return examples;
    return shard < 4096 ? shard : 4096;
}

/* Shards of a batch that have examples, at most: of any batch up to that one. */
static uint32_t shards_of(const scene *s)
{
    return s->request.shards < examples_of(s) ? s->request.shards : examples_of(s);
}

static uint32_t limit_of(const scene *s)
{
    const uint32_t leaf = leaf_of(s, examples_of(s));
    const uint32_t most = s->request.max_tile < leaf ? s->request.max_tile : leaf;
    return most < MAX_TILE ? most : MAX_TILE;
}

/* Bytes of the plan with that tile; 0 if there is none, since a part is too large. */
static uint64_t total_of(const scene *s, uint32_t tile, bool resident)
{
    plan p;
    if (resident && !s->request.resident) return 0;
    if (plan_with(s->network, &s->device, &s->request, tile, resident, &p)) return 0;
    if (p.tile != tile || p.resident != resident) ck_abort_msg("another plan than was asked for");
    const uint64_t total = p.total;
    plan_free(&p);
    return total;
}

static bool fits(const scene *s, uint32_t tile, bool resident)
{
    const uint64_t total = total_of(s, tile, resident);
    return total && total <= s->device.budget;
}

static const char medium[] = "input 20\ndense 30\nrelu\ndense 9\ngelu\ndense 10\n";
static const char pictures[] = "input 2x9x8\nconv2d 6 3 padding 1\nrelu\nmax_pool 2\ndropout 0.5\nconv2d 4 2\ntanh\n"
                               "global_avg_pool\ndense 5\nrelu\ndropout 0.25\ndense 3\n";

/* What every plan must be ----------------------------------------------------------------------------------------- */

typedef struct slices {
    const region *at[SLICES_MOST];
    int count;
} slices;

/* Of exactly so many bytes; of parameters, whose panels may have pads, of at least so many. */
static void add_slice(slices *all, const region *p, uint64_t bytes)
{
    if (p->part < 0) return;
    const bool pads = p->part == PART_PARAMETERS || p->part == PART_GRADIENT || p->part == PART_PARTIAL;
    if (all->count == SLICES_MOST || p->bytes < bytes || (!pads && p->bytes > bytes))
        ck_abort_msg("%llu bytes of part %d, expected %llu", (unsigned long long)p->bytes, p->part,
                     (unsigned long long)bytes);
    all->at[all->count++] = p;
}

/* What a tensor needs, but for pads of panels of parameters. */
static uint64_t bytes_of(const scene *s, const plan *p, const tensor *t)
{
    const uint32_t leaf = leaf_of(s, s->request.batch);
    const uint64_t step = p->tile < leaf ? p->tile : leaf; /* less than a probe's tile */
    const uint64_t tile_rows =
        t->batch_panels ? (p->tile + p->panel_width - 1) / p->panel_width * (uint64_t)p->panel_width : p->tile;
    const uint64_t step_rows =
        t->batch_panels ? (step + p->step_panel_width - 1) / p->step_panel_width * p->step_panel_width : step;
    const uint64_t rows = tile_rows > step_rows ? tile_rows : step_rows;
    switch (t->role) {
    case ROLE_INPUT:
    case ROLE_VALUE:
    case ROLE_TARGET:
    case ROLE_LABEL: return rows * t->elements * 4;
    case ROLE_LOSS:
    case ROLE_CORRECT: return 4 * (uint64_t)p->chunk;
    case ROLE_ORDER: return 0;
    default: return s->request.training || t->role == ROLE_PARAMETER ? t->elements * 4 : 0;
    }
}

static void list_noise(const scene *s, const plan *p, slices *all)
{
    const uint64_t batch = s->request.batch, norms = batch < 64 ? 64 : batch;
    uint64_t whole = 0, group = 0, all_groups = 0;
    for (int t = 0; t < s->network->tensor_count; t++) {
        const tensor *of = &s->network->tensors[t];
        const uint64_t sums =
            of->weight_panels ? of->dims[0] * (uint64_t)((of->dims[1] + 255) / 256) : (of->elements + 4095) / 4096;
        if (of->role == ROLE_PARAMETER) whole += sums;
        add_slice(all, &p->group_gradients[t], p->tensor[t].bytes); /* of the batch's own */
        ck_assert(p->group_gradients[t].part == -1 || of->role == ROLE_GRADIENT || of->role == ROLE_PARTIAL);
        if (p->group_gradients[t].part == -1 || of->role != ROLE_GRADIENT) continue;
        if (of->noise == NOISE_GROUPS) group += sums;
        if (of->noise != NOISE_NOTHING) all_groups += sums;
    }
    const bool preconditioned = s->request.noise.preconditioned;
    ck_assert_uint_eq(p->group_squares, group);
    ck_assert_uint_eq(p->preconditioned_squares, preconditioned ? all_groups : 0);
    ck_assert(preconditioned || all_groups == group);
    const uint64_t squares = 16 * group > whole ? 16 * group : whole;
    add_slice(all, &p->norms, norms * 4);
    add_slice(all, &p->squares, squares * 4);
    if (preconditioned) add_slice(all, &p->preconditioned, 16 * all_groups * 4);
    const uint64_t most = preconditioned && 16 * all_groups > squares ? 16 * all_groups : squares;
    for (uint64_t level = 0, count = norms > most ? norms : most; level < SUM_LEVELS; level++)
        add_slice(all, &p->noise_sum[level], 4 * (count = (count + 255) / 256));
    add_slice(all, &p->noise_ring, RING * 4 * (preconditioned ? 6 : 4));
}

static void list_slices(const scene *s, const plan *p, slices *all)
{
    const plan_request *request = &s->request;
    if (request->noise.interval) list_noise(s, p, all);
    for (int t = 0; t < s->network->tensor_count; t++)
        if (t != s->network->order) /* which is a source's */
            add_slice(all, &p->tensor[t], bytes_of(s, p, &s->network->tensors[t]));
    uint64_t count = examples_of(s);
    for (int level = 0; level < SUM_LEVELS; level++) {
        count = (count + 255) / 256 + (p->shards > 1 ? shards_of(s) : 0);
        add_slice(all, &p->sum[level], count * 4);
        add_slice(all, &p->correct_sum[level], count * 4);
    }
    if (p->shards > 1) add_slice(all, &p->shard_losses, shards_of(s) * 4);
    add_slice(all, &p->ring, RING * 4);
    add_slice(all, &p->first_bad, 8);
    if (request->training) add_slice(all, &p->divisor, DIVISOR_VALUES * 4);
    if (request->training && p->update_squares.part >= 0) add_slice(all, &p->update_squares, p->update_squares.bytes);
    const uint64_t examples = p->resident ? request->resident : p->tile;
    for (int stage = 0; stage < STAGES; stage++) {
        const plan_source *from = &p->source[stage];
        const int part = p->resident ? (stage ? -1 : PART_DATA) : PART_STAGING;
        ck_assert(from->inputs.part == part && from->targets.part == part && from->order.part == part);
        add_slice(all, &from->inputs, examples * request->input_bytes);
        add_slice(all, &from->targets, examples * request->target_bytes);
        add_slice(all, &from->order, examples * 4);
    }
    for (int c = 0; c < network_calls(s->network); c++)
        if (p->scratch[c].part >= 0) add_slice(all, &p->scratch[c], p->scratch[c].bytes);
}

static bool overlap(const region *x, const region *y)
{
    return x->part == y->part && x->offset < y->offset + y->bytes && y->offset < x->offset + x->bytes;
}

/* Nodes that wait: one per level of a tree with as many leaves as any batch up to this one can have, in powers of two.
 */
static uint64_t node_bytes(const scene *s, const plan *p)
{
    uint32_t nodes = 0;
    for (uint32_t count = 1; s->request.training && count < shards_of(s); count *= 2) nodes++;
    const uint32_t shards = s->request.shards ? s->request.shards : 1;
    const uint32_t leaves = ((examples_of(s) + shards - 1) / shards + 4095) / 4096;
    for (uint32_t count = 1; s->request.training && count < leaves; count *= 2) nodes++;
    return nodes * p->bytes[PART_GRADIENT];
}

/* Slices start aligned and lie within their part; but for values, which check_lives() looks at, they do not overlap. */
static void check_slices(const scene *s, const plan *p)
{
    slices all = {.count = 0};
    uint64_t ends[PART_COUNT] = {0};
    list_slices(s, p, &all);
    for (int a = 0; a < all.count; a++) {
        const region *x = all.at[a];
        if (x->part >= PART_COUNT || x->offset % s->device.align || x->offset + x->bytes > p->bytes[x->part])
            ck_abort_msg("a slice at %llu of part %d", (unsigned long long)x->offset, x->part);
        if (x->offset + x->bytes > ends[x->part]) ends[x->part] = x->offset + x->bytes;
        for (int b = 0; b < a; b++)
            if (x->part != PART_VALUES && overlap(x, all.at[b])) ck_abort_msg("slices overlap");
    }
    ck_assert_uint_eq(p->bytes[PART_NODES], node_bytes(s, p));
    for (int part = 0; part < PART_COUNT; part++) /* and no part is larger than what lies there */
        if (part != PART_STATE && part != PART_STATE_2 && part != PART_NODES)
            ck_assert_uint_eq(p->bytes[part], (ends[part] + s->device.align - 1) / s->device.align * s->device.align);
}

static uint64_t aligned_to(uint64_t bytes, uint64_t align) { return (bytes + align - 1) / align * align; }

/* Whether the result of a call lies exactly where that input was, as the operation allows. */
static bool is_replaced(const plan *p, const op_call *call, int o)
{
    const op_row *row = op_get(call->args.op);
    const region *from = &p->tensor[call->operand[o]], *to = &p->tensor[call->operand[op_result(row)]];
    return o != op_result(row) && row->may_replace && row->may_replace(&call->args, o) && from->part == to->part &&
           from->offset == to->offset && from->bytes == to->bytes;
}

/* The tensor in whose place a value lies: its own, or that of its source. */
static int source_of(const tas_network *network, const plan *p, int t)
{
    for (int c = 0; c < network->forward_count && p->shares_copies; c++)
        if (network_copies(&network->forward[c]) && network->forward[c].operand[1] == t)
            return source_of(network, p, network->forward[c].operand[0]);
    for (int c = 0; c < network->backward_count && p->shares_copies; c++)
        if (network_copies(&network->backward[c]) && network->backward[c].operand[1] == t)
            return source_of(network, p, network->backward[c].operand[0]);
    return t;
}

/* Most bytes of values that are needed at once: from what is written first to what is read last. */
static uint64_t needed_at_once(const scene *s, const plan *p)
{
    const tas_network *network = s->network;
    const int forward = network->forward_count, calls = forward + (s->request.training ? network->backward_count : 0);
    uint64_t most = 0;
    for (int now = 0; now <= calls; now++) {
        uint64_t sum = 0;
        for (int t = 0; t < network->tensor_count; t++) {
            const tensor_role role = network->tensors[t].role;
            bool before = role == ROLE_INPUT || role == ROLE_LABEL || role == ROLE_TARGET, after = now == 0 && before;
            for (int c = 1; c <= calls; c++) {
                const op_call *call = c <= forward ? &network->forward[c - 1] : &network->backward[c - 1 - forward];
                for (int o = 0; op_get(call->args.op)->operand[o].name; o++) {
                    const bool runs = !p->shares_copies || !network_copies(call);
                    const bool mentions = runs && source_of(network, p, call->operand[o]) == t;
                    before |= c <= now && mentions;
                    after |= c >= now && mentions;
                }
            }
            if (p->tensor[t].part == PART_VALUES && before && after)
                sum += aligned_to(p->tensor[t].bytes, s->device.align);
        }
        const op_call *at = now > forward ? &network->backward[now - 1 - forward]
                            : now         ? &network->forward[now - 1]
                                          : NULL;
        for (int o = 0; at && op_get(at->args.op)->operand[o].name; o++)
            if (is_replaced(p, at, o)) sum -= aligned_to(p->tensor[at->operand[o]].bytes, s->device.align);
        if (at && p->scratch[at->number].part >= 0) sum += aligned_to(p->scratch[at->number].bytes, s->device.align);
        most = sum > most ? sum : most;
    }
    return most;
}

/* Memory as a run uses it: what a tensor holds is lost as soon as another is written over it. */
typedef struct tape {
    const scene *s;
    const plan *p;
    bool *whole, *written; /* one a tensor */
} tape;

/* What lies there. */
static void tape_lose(tape *of, const region *at)
{
    for (int t = 0; t < of->s->network->tensor_count && at->part == PART_VALUES; t++)
        if (overlap(at, &of->p->tensor[t])) of->whole[t] = false;
}

static void tape_write(tape *of, int t)
{
    tape_lose(of, &of->p->tensor[t]);
    of->whole[t] = of->written[t] = true;
}

static void tape_read(const tape *of, int t, const char *who)
{
    if (of->p->tensor[t].part == PART_VALUES && !of->whole[t])
        ck_abort_msg("%s reads \"%s\", which is lost", who, of->s->network->tensors[t].name);
}

static void tape_calls(tape *of, const op_call *calls, int count)
{
    for (int c = 0; c < count; c++) {
        const op_row *row = op_get(calls[c].args.op);
        const int *operand = calls[c].operand;
        if (of->p->shares_copies && network_copies(&calls[c])) { /* does not run */
            tape_read(of, operand[0], row->name);
            of->whole[operand[1]] = of->written[operand[1]] = true;
            continue;
        }
        tape_lose(of, &of->p->scratch[calls[c].number]);
        for (int o = 0; row->operand[o].name; o++) { /* the first call that adds to a concatenation begins it */
            const bool begins = row->operand[o].access == ACCESS_INOUT && !of->written[operand[o]];
            if (row->operand[o].access != ACCESS_OUT && !begins) tape_read(of, operand[o], row->name);
        }
        for (int o = 0; row->operand[o].name; o++)
            if (row->operand[o].access != ACCESS_IN) tape_write(of, operand[o]);
        tape_lose(of, &of->p->scratch[calls[c].number]);
        for (int o = 0; row->operand[o].name; o++) /* while it runs, all of its operands are needed */
            if (!is_replaced(of->p, &calls[c], o)) tape_read(of, operand[o], row->name);
    }
}

/* No value is written over that a call still reads. Losses, gradients and sums keep what earlier tiles left. */
static void check_lives(const scene *s, const plan *p)
{
    const tas_network *network = s->network;
    const int fed[] = {network->input, network->label, network->target}; /* the last one is made from labels, or fed */
    tape of = {.s = s, .p = p};
    of.whole = calloc((size_t)network->tensor_count, sizeof(bool));
    of.written = calloc((size_t)network->tensor_count, sizeof(bool));
    for (int f = 0; f < 3; f++)
        if (fed[f] != NO_TENSOR) tape_write(&of, fed[f]);
    for (int f = 0; f < 3; f++)
        if (fed[f] != NO_TENSOR) tape_read(&of, fed[f], "the feed");
    tape_calls(&of, network->forward, network->forward_count);
    if (s->request.training)
        tape_calls(&of, network->backward, network->backward_count);
    else
        tape_read(&of, network->output, "a prediction");
    free(of.whole), free(of.written);
}

static bool call_held(const tas_network *network, const op_call *call)
{
    bool held = false;
    for (int o = 0; op_get(call->args.op)->operand[o].name; o++)
        held |= network->tensors[call->operand[o]].batch_panels;
    return held;
}

/* An operand of each call is placed, and its scratch is what it wants: of a tile, or of a step that has other lanes. */
static void check_calls(const scene *s, const plan *p)
{
    for (int c = 0; c < (s->request.training ? network_calls(s->network) : s->network->forward_count); c++) {
        const op_call *call = network_call(s->network, c);
        uint64_t most = 0;
        ck_assert_int_eq(call->number, c);
        for (int step = 0; step < 2; step++) {
            op_args args = call->args;
            args.n = step && p->step_panel_width != p->panel_width ? leaf_of(s, s->request.batch) : p->tile;
            args.batch = examples_of(s);
            args.panel_width = !call_held(s->network, call) ? 1 : step ? p->step_panel_width : p->panel_width;
            const uint64_t bytes = s->device.scratch(s->device.self, &args);
            most = bytes > most ? bytes : most;
        }
        if (call->when != (s->request.training ? CALL_EVALUATION : CALL_TRAINING))
            ck_assert_uint_eq(p->scratch[c].bytes, most);
        const op_row *row = op_get(call->args.op);
        const uint32_t granule = row->granule ? call->args.size[row->granule - 1] : 0;
        for (int o = 0; row->operand[o].name; o++) { /* of a single granule there is no unfinished one */
            const bool open = s->network->tensors[call->operand[o]].role == ROLE_PARTIAL;
            const bool needed = !open || (granule && granule < leaf_of(s, examples_of(s)));
            if ((p->tensor[call->operand[o]].part >= 0) != needed) ck_abort_msg("a place");
        }
    }
}

/* The copies in case of a failure, the order, and what examples pass through on their way to the device. */
static uint64_t host_bytes(const scene *s, const plan *p)
{
    const plan_request *request = &s->request;
    const uint64_t parameters = p->bytes[PART_PARAMETERS], row = request->input_bytes + request->target_bytes;
    uint64_t piece = row < 1 << 18 ? (1 << 18) / row * row : row, bytes = 0;
    if (piece > row * request->resident) piece = row * request->resident;
    if (request->copy == COPY_PARAMETERS) bytes += parameters;
    if (request->copy == COPY_SNAPSHOT)
        bytes += s->device.snapshots * (parameters + p->bytes[PART_STATE] + p->bytes[PART_STATE_2]);
    bytes += 4 * (request->order ? request->order : p->tile);
    return bytes + (p->resident ? piece : 2 * p->tile * (row + 4));
}

static void check_plan(const scene *s, const plan *p)
{
    const plan_request *request = &s->request;
    uint64_t sum = 0;
    check_slices(s, p);
    check_lives(s, p);
    check_calls(s, p);
    for (int part = 0; part < PART_COUNT; part++) {
        sum += p->bytes[part];
        if (part != PART_NODES) ck_assert_uint_le(p->bytes[part], s->device.max_alloc);
    }
    ck_assert_uint_eq(p->host, host_bytes(s, p));
    ck_assert_uint_eq(sum + (s->device.shared ? p->host : 0), p->total);
    ck_assert_uint_le(p->total, s->device.budget);
    ck_assert_uint_ge(p->tile, 1);
    ck_assert_uint_le(p->tile, limit_of(s));
    ck_assert_uint_eq(p->panel_width, s->network->batch_panels ? fake_lanes(s->device.self, p->tile) : 1);
    ck_assert(!p->resident || request->resident);
    ck_assert(!p->bytes[p->resident ? PART_STAGING : PART_DATA]);
    if (request->training)
        ck_assert_uint_eq(p->chunk, examples_of(s));
    else
        ck_assert(p->chunk >= p->tile && (p->chunk == request->batch || p->chunk % 256 == 0));
    const region *order = &p->tensor[s->network->order], *first = &p->source[0].order;
    ck_assert(order->part == first->part && order->offset == first->offset && order->bytes == first->bytes);
}

/* Drawn scenes ---------------------------------------------------------------------------------------------------- */

static void scene_draw(scene *s)
{
    plain_net net;
    char text[PLAIN_TEXT];
    if (random_below(2))
        plain_draw_graph(&net, random_below(4) != 0, 200);
    else
        plain_draw(&net, random_below(4) != 0, 200);
    plain_text(&net, text, sizeof text);
    scene_open(s, text);
    s->fake = (fake){.odd = random_below(2),
                     .panel = 1u << random_below(6),
                     .lanes = 1u << random_below(5),
                     .scratch_a_row = random_below(3) * (uint64_t)random_below(500)};
    s->device.align = 1u << random_below(13);
    s->device.shared = random_below(2);
    s->device.snapshots = random_below(3);
    s->request = (plan_request){.training = random_below(4) != 0,
                                .batch = 1 + random_below(DRAWN_BATCH),
                                .max_tile = 1 + random_below(2 * DRAWN_BATCH),
                                .input_bytes = 1 + random_below(2000),
                                .target_bytes = 4 * (1 + (uint64_t)random_below(10)),
                                .slots = (int)random_below(3),
                                .order = random_below(2) * (uint64_t)random_below(5000),
                                .copy = (host_copy)random_below(3)};
    if (!s->request.training) s->request.batch *= 1 + random_below(40);
    if (random_below(2)) s->request.shards = 1u << random_below(6);
    if (s->request.training && random_below(2))
        s->request.noise = noise_schedule_for(s->network, s->request.batch, s->request.batch + random_below(100));
    if (s->request.noise.interval && random_below(2)) noise_schedule_precondition(&s->request.noise, s->request.batch);
    if (random_below(3)) s->request.resident = s->request.batch + random_below(random_below(2) ? 10 : 2000);
}

/* The least and the most bytes of any plan, and of its largest part, at that budget and max_alloc. */
typedef struct range {
    uint64_t least, most, least_part, most_part;
} range;

static range range_of(const scene *s)
{
    range r = {.least = UINT64_MAX, .least_part = UINT64_MAX};
    for (int resident = 0; resident <= (s->request.resident != 0); resident++)
        for (uint32_t tile = 1; tile <= limit_of(s); tile++) {
            plan p;
            uint64_t largest = 0;
            if (plan_with(s->network, &s->device, &s->request, tile, resident, &p)) continue;
            for (int part = 0; part < PART_COUNT; part++)
                if (part != PART_NODES && p.bytes[part] > largest) largest = p.bytes[part];
            r.least = p.total < r.least ? p.total : r.least;
            r.most = p.total > r.most ? p.total : r.most;
            r.least_part = largest < r.least_part ? largest : r.least_part;
            r.most_part = largest > r.most_part ? largest : r.most_part;
            plan_free(&p);
        }
    return r;
}

static uint64_t between(uint64_t least, uint64_t most) { return least + random_u64() % (most - least + 1); }

/* The choice, by trying each tile: what plan.h and design.md, 4 say in words. */
typedef struct choice {
    uint32_t tile; /* 0: there is none */
    bool resident;
} choice;

static uint32_t largest_of(const scene *s, bool resident)
{
    uint32_t largest = 0;
    for (uint32_t tile = 1; tile <= limit_of(s); tile++) largest = fits(s, tile, resident) ? tile : largest;
    return largest;
}

/* As many tiles, of one size, in whole panels where that can be. An evaluation goes through its set in chunks of whole
 * blocks. */
static uint32_t evened(const scene *s, uint32_t largest, bool resident)
{
    const uint32_t blocks = (largest + 255) / 256 * 256;
    const uint32_t most = leaf_of(s, examples_of(s)), count = s->request.training || most < blocks ? most : blocks;
    const uint32_t lanes = s->network->batch_panels ? fake_lanes(s->device.self, largest) : 1;
    if (largest < count && largest > lanes && fits(s, largest / lanes * lanes, resident))
        largest = largest / lanes * lanes; /* panels that are full */
    const uint32_t tiles = (count + largest - 1) / largest, even = (count + tiles - 1) / tiles;
    uint32_t whole = even;
    while (whole % lanes) whole++;
    if (whole <= largest && fits(s, whole, resident)) return whole;
    return fits(s, even, resident) ? even : largest;
}

static choice choose(const scene *s)
{
    const uint32_t streamed = largest_of(s, false), beside = largest_of(s, true);
    const uint32_t enough = limit_of(s) < USEFUL_TILE ? limit_of(s) : USEFUL_TILE;
    const bool resident = beside && (beside >= enough || beside >= streamed);
    const uint32_t largest = resident ? beside : streamed;
    return (choice){largest ? evened(s, largest, resident) : 0, resident};
}

START_TEST(drawn_plans_are_whole)
{
    uint64_t taken = 0, needed = 0;
    for (int round = 0; round < 400; round++) {
        scene s;
        plan p;
        scene_draw(&s);
        const bool resident = s.request.resident && random_below(2);
        expect_ok(plan_with(s.network, &s.device, &s.request, 1 + random_below(limit_of(&s)), resident, &p));
        check_plan(&s, &p);
        ck_assert_uint_ge(p.bytes[PART_VALUES], needed_at_once(&s, &p));
        taken += p.bytes[PART_VALUES];
        needed += needed_at_once(&s, &p);
        plan_free(&p);
        scene_close(&s);
    }
    ck_assert_double_le((double)taken, 1.1 * (double)needed); /* greedy, and so not the least, but close */
}
END_TEST

START_TEST(tile_is_the_largest_that_fits)
{
    for (int round = 0; round < 120; round++) {
        scene s;
        plan p;
        scene_draw(&s);
        const range all = range_of(&s);
        for (int k = 0; k < 4; k++) {
            s.device.budget = k ? between(all.least, all.most + 100) : UINT64_MAX;
            s.device.max_alloc = k < 2 ? UINT64_MAX : between(all.least_part, all.most_part);
            const choice chosen = choose(&s);
            const tas_status status = make(&s, &p);
            ck_assert_int_eq(status, chosen.tile ? TAS_OK : TAS_NO_MEMORY);
            if (status) continue;
            check_plan(&s, &p);
            ck_assert_msg(p.tile == chosen.tile && p.resident == chosen.resident,
                          "%llu bytes: tile %u (resident %d), expected %u (%d)", (unsigned long long)s.device.budget,
                          p.tile, p.resident, chosen.tile, chosen.resident);
            plan_free(&p);
        }
        scene_close(&s);
    }
}
END_TEST

/* The least is the least of any tile and mode; with it there is a plan, with a byte less there is none, and the error
 * says so. */
START_TEST(least_budget_is_the_least)
{
    for (int round = 0; round < 200; round++) {
        scene s;
        plan p;
        uint64_t least;
        char number[32];
        scene_draw(&s);
        range all = range_of(&s);
        if (round % 2) {
            s.device.max_alloc = between(all.least_part, all.most_part);
            all = range_of(&s);
        }
        s.device.budget = random_below(2) ? 0 : UINT64_MAX; /* which it does not ask for */
        expect_ok(plan_smallest_budget(s.network, &s.device, &s.request, &least));
        ck_assert_uint_eq(least, all.least);
        s.device.budget = least;
        expect_ok(make(&s, &p));
        check_plan(&s, &p);
        ck_assert_uint_eq(p.total, least);
        plan_free(&p);
        s.device.budget = least - 1;
        snprintf(number, sizeof number, " %llu ", (unsigned long long)least);
        expect(make(&s, &p), TAS_NO_MEMORY, "fake", number);
        ck_assert_ptr_null(p.tensor);
        scene_close(&s);
    }
}
END_TEST

static void expect_place(const region *a, const region *b)
{
    if (a->part != b->part || (a->part >= 0 && (a->offset != b->offset || a->bytes != b->bytes)))
        ck_abort_msg("places differ");
}

static void expect_same(const scene *s, const plan *a, const plan *b)
{
    ck_assert(a->tile == b->tile && a->panel_width == b->panel_width && a->resident == b->resident &&
              a->chunk == b->chunk);
    ck_assert(!memcmp(a->bytes, b->bytes, sizeof a->bytes) && a->total == b->total);
    for (int t = 0; t < s->network->tensor_count; t++) expect_place(&a->tensor[t], &b->tensor[t]);
    for (int level = 0; level < SUM_LEVELS; level++) {
        expect_place(&a->sum[level], &b->sum[level]);
        expect_place(&a->correct_sum[level], &b->correct_sum[level]);
    }
    expect_place(&a->ring, &b->ring);
    expect_place(&a->first_bad, &b->first_bad);
    expect_place(&a->divisor, &b->divisor);
    for (int stage = 0; stage < STAGES; stage++) {
        expect_place(&a->source[stage].inputs, &b->source[stage].inputs);
        expect_place(&a->source[stage].targets, &b->source[stage].targets);
        expect_place(&a->source[stage].order, &b->source[stage].order);
    }
}

/* A plan that was searched for is the one that plan_with() makes at once: nothing is left of the tiles that were tried.
 */
START_TEST(plans_do_not_depend_on_what_was_planned_before)
{
    for (int round = 0; round < 100; round++) {
        scene s, other;
        plan searched, direct, again, more;
        scene_draw(&s);
        scene_draw(&other);
        const range all = range_of(&s);
        s.device.budget = between(all.least, all.most);
        expect_ok(make(&s, &searched));
        expect_ok(plan_with(s.network, &s.device, &s.request, searched.tile, searched.resident, &direct));
        expect_ok(make(&other, &more));
        expect_ok(make(&s, &again));
        expect_same(&s, &searched, &direct);
        expect_same(&s, &searched, &again);
        plan_free(&searched);
        plan_free(&direct);
        plan_free(&again);
        plan_free(&more);
        scene_close(&s);
        scene_close(&other);
    }
}
END_TEST

/* Parts ----------------------------------------------------------------------------------------------------------- */

/* So that an update is one launch over all. */
START_TEST(gradients_and_state_lie_as_parameters_do)
{
    scene s;
    plan p;
    scene_open(&s, pictures);
    s.request.batch = s.request.max_tile = 300; /* more than any granule */
    expect_ok(make(&s, &p));
    ck_assert_uint_eq(p.bytes[PART_GRADIENT], p.bytes[PART_PARAMETERS]);
    ck_assert_uint_eq(p.bytes[PART_STATE], p.bytes[PART_PARAMETERS]);
    ck_assert_uint_eq(p.bytes[PART_STATE_2], 0);
    for (int i = 0; i < s.network->parameter_count; i++) {
        const tensor *t = &s.network->tensors[s.network->parameters[i]];
        const region *w = &p.tensor[s.network->parameters[i]], *g = &p.tensor[t->gradient],
                     *partial = &p.tensor[t->partial];
        ck_assert_int_eq(w->part, PART_PARAMETERS);
        ck_assert_int_eq(g->part, PART_GRADIENT);
        ck_assert_int_eq(partial->part, PART_PARTIAL);
        ck_assert(w->offset == g->offset && w->bytes == g->bytes && w->bytes == partial->bytes);
        const bool matrix = t->ndims == 2;
        const uint64_t rows = matrix ? (t->dims[0] + 7) / 8 * 8 : t->elements; /* pads of the last panel */
        ck_assert_uint_eq(w->bytes, rows * (matrix ? t->dims[1] : 1) * 4);
        ck_assert_uint_eq(plan_parameter_bytes(&s.device, t), w->bytes);
    }
    const uint64_t bytes = p.bytes[PART_PARAMETERS], total = p.total;
    plan_free(&p);
    ck_assert_ptr_null(p.tensor);
    s.request.slots = 2;
    expect_ok(make(&s, &p));
    ck_assert_uint_eq(p.bytes[PART_STATE_2], bytes);
    ck_assert_uint_eq(p.total, total + bytes);
    plan_free(&p);
    scene_close(&s);
}
END_TEST

/* What is stored of the gradient lies as its parameters do, from the first one on. */
START_TEST(what_the_update_makes_is_not_stored)
{
    static const struct {
        uint32_t batch, tile, panel;
        bool left;
    } cases[] = {{100, 100, 8, true}, {256, 256, 8, true}, {257, 257, 8, false},
                 {100, 50, 8, false}, {8, 8, 1, true},     {9, 9, 1, false}};
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        scene s;
        plan p, other;
        scene_open(&s, pictures);
        s.fake.panel = cases[i].panel;
        s.request.batch = cases[i].batch;
        s.request.max_tile = cases[i].tile;
        expect_ok(make(&s, &other));
        s.request.fuses = true;
        expect_ok(make(&s, &p));
        uint64_t stored = 0;
        for (int k = 0; k < s.network->parameter_count; k++) {
            const tensor *t = &s.network->tensors[s.network->parameters[k]];
            const region *w = &p.tensor[s.network->parameters[k]], *g = &p.tensor[t->gradient];
            const bool left = cases[i].left && s.network->tensors[t->gradient].fuses;
            ck_assert_int_eq(g->part, left ? -1 : PART_GRADIENT);
            if (left) continue;
            ck_assert(g->bytes == w->bytes && g->offset == w->offset - p.stored.from);
            stored += (g->bytes + s.device.align - 1) / s.device.align * s.device.align;
        }
        ck_assert_uint_eq(p.bytes[PART_GRADIENT], stored);
        ck_assert_uint_eq(other.bytes[PART_GRADIENT], other.trained);
        ck_assert_uint_eq(p.bytes[PART_STATE], other.bytes[PART_STATE]);
        ck_assert_int_eq(p.bytes[PART_GRADIENT] < p.trained, cases[i].left);
        plan_free(&p);
        plan_free(&other);
        scene_close(&s);
    }
}
END_TEST

START_TEST(one_chain_needs_no_open_granule)
{
    static const char *const texts[] = {"input 256\ndense 256\n", "input 64x3x3\nconv2d 128 3\n"};
    for (int i = 0; i < 2; i++) {
        scene s;
        plan p;
        scene_open(&s, texts[i]);
        expect_ok(make(&s, &p));
        ck_assert_uint_eq(p.bytes[PART_PARTIAL], 0);
        ck_assert_uint_gt(p.bytes[PART_GRADIENT], 0);
        plan_free(&p);
        scene_close(&s);
    }
}
END_TEST

START_TEST(evaluation_plans_no_gradients)
{
    scene s;
    plan p;
    scene_open(&s, pictures);
    s.request.training = false;
    expect_ok(make(&s, &p));
    ck_assert(!p.bytes[PART_GRADIENT] && !p.bytes[PART_STATE] && !p.bytes[PART_STATE_2] && !p.bytes[PART_PARTIAL]);
    for (int i = 0; i < s.network->parameter_count; i++)
        ck_assert_int_eq(p.tensor[s.network->tensors[s.network->parameters[i]].gradient].part, -1);
    plan_free(&p);
    scene_close(&s);
}
END_TEST

/* Depth costs an evaluation nothing, and training its activations alone: their gradients take turns. */
START_TEST(values_share_places)
{
    enum { DEPTH = 20, ROW = 64 * 4, TILE = 10 };
    char text[DEPTH * 10 + 20] = "input 64\n";
    scene s;
    plan p;
    for (int i = 0; i < DEPTH; i++) strcat(text, "dense 64\n");
    scene_open(&s, text);
    s.request.batch = s.request.max_tile = TILE;
    s.device.align = 4;
    s.device.scratch = no_scratch;
    expect_ok(make(&s, &p));
    ck_assert_uint_ge(p.bytes[PART_VALUES], (DEPTH + 1) * ROW * TILE);
    ck_assert_uint_le(p.bytes[PART_VALUES], (DEPTH + 2) * ROW * TILE + TILE * 4);
    plan_free(&p);
    s.request.training = false;
    expect_ok(make(&s, &p));
    ck_assert_uint_eq(p.bytes[PART_VALUES], 2 * ROW * TILE + TILE * 4);
    plan_free(&p);
    scene_close(&s);
}
END_TEST

/* A skip keeps its value while it is waited for. For its gradient a sum needs none of its inputs, a product both. */
START_TEST(values_live_as_long_as_they_are_read)
{
    enum { ROW = 64 * 4, TILE = 10 };
    static const struct {
        const char *join;
        uint32_t training, evaluation; /* values at once: input, x, two more, the sum, output, its gradient; ... */
    } cases[] = {{"relu", 7, 2}, {"add x", 7, 3}, {"multiply x", 8, 3}, {"add x x x", 7, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        const bool named = strchr(cases[i].join, 'x') != NULL;
        snprintf(text, sizeof text, "input 64\ndense 64%s\ndense 64\ndense 64\ndense 64\n%s\ndense 64\n",
                 named ? " as x" : "", cases[i].join);
        for (int training = 0; training < 2; training++) {
            scene s;
            plan p;
            scene_open(&s, text);
            s.request.batch = s.request.max_tile = TILE;
            s.device.align = 4;
            s.device.scratch = no_scratch;
            s.request.training = training;
            expect_ok(make(&s, &p));
            check_plan(&s, &p);
            const uint64_t rows = training ? cases[i].training : cases[i].evaluation;
            ck_assert_msg(p.bytes[PART_VALUES] == rows * ROW * TILE + TILE * 4, "%s: %g values", text,
                          (double)(p.bytes[PART_VALUES] - TILE * 4) / (ROW * TILE));
            plan_free(&p);
            scene_close(&s);
        }
    }
}
END_TEST

/* However large the set is that is evaluated, its losses are summed in chunks of a tile's whole blocks. */
START_TEST(evaluation_grows_by_its_sums_alone)
{
    scene s;
    plan small, large;
    scene_open(&s, medium);
    s.request.training = false;
    s.request.max_tile = 512;
    s.request.batch = 10000;
    expect_ok(make(&s, &small));
    s.request.batch = 1000000;
    expect_ok(make(&s, &large));
    check_plan(&s, &large);
    ck_assert_uint_eq(small.chunk, 512);
    ck_assert_uint_eq(large.chunk, 512);
    ck_assert_uint_le(large.total - small.total, 2 * 4 * 1000000 / 250);
    plan_free(&small);
    plan_free(&large);
    s.request.batch = 400; /* less than a chunk would be */
    expect_ok(make(&s, &small));
    ck_assert_uint_eq(small.chunk, 400);
    plan_free(&small);
    s.request.batch = 10000;
    s.request.max_tile = 511; /* which leaves one example of a chunk of 512, and halves one of 256 */
    expect_ok(make(&s, &small));
    ck_assert_uint_eq(small.tile, 256);
    ck_assert_uint_eq(small.chunk, 256);
    plan_free(&small);
    scene_close(&s);
}
END_TEST

/* Budgets ---------------------------------------------------------------------------------------------------------- */

/* From the smallest budget up, the tile never gets smaller, and is more than half of the largest that fits. */
START_TEST(tile_follows_the_budget)
{
    scene s;
    plan p;
    scene_open(&s, medium);
    uint64_t need[101];
    for (uint32_t tile = 1; tile <= 100; tile++) need[tile] = total_of(&s, tile, false);
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
    s.request.max_tile = 17;
    expect_ok(make(&s, &p));
    ck_assert_uint_eq(p.tile, 17);
    plan_free(&p);
    s.request.max_tile = s.request.batch = 16 * MAX_TILE;
    s.device.budget = UINT64_MAX;
    expect_ok(make(&s, &p));
    ck_assert_uint_eq(p.tile, LEAF_EXAMPLES);
    plan_free(&p);
    scene_close(&s);
}
END_TEST

/* 100 examples in tiles of at most 70: 50 and 50. In panels of 16: 64 and 36, which leaves fewer lanes empty. */
START_TEST(tiles_are_evened_out)
{
    static const struct {
        const char *text;
        uint32_t tile;
    } cases[] = {{medium, 50}, {pictures, 64}};
    for (int i = 0; i < 2; i++) {
        scene s;
        plan p;
        scene_open(&s, cases[i].text);
        s.device.budget = total_of(&s, 70, false);
        expect_ok(make(&s, &p));
        ck_assert_uint_eq(p.tile, cases[i].tile);
        plan_free(&p);
        scene_close(&s);
    }
}
END_TEST

/* The set lies on the device as soon as a tile of 64 fits beside it, or as large a one as without it. */
START_TEST(resident_set)
{
    static const struct {
        uint32_t batch, tile; /* the tile that must fit beside the set */
        uint64_t set;
    } cases[] = {{100, USEFUL_TILE, 1000}, {1000, USEFUL_TILE, 60000}, {40, 40, 1000}, {1, 1, 50000}};
    for (int i = 0; i < 4; i++) {
        scene s;
        plan p;
        scene_open(&s, medium);
        s.request.batch = s.request.max_tile = cases[i].batch;
        s.request.resident = cases[i].set;
        s.device.budget = total_of(&s, cases[i].tile, true);
        expect_ok(make(&s, &p));
        ck_assert(p.resident);
        ck_assert_uint_ge(p.bytes[PART_DATA], cases[i].set * (4 * 20 + 4 + 4));
        plan_free(&p);
        s.device.budget--;
        expect_ok(make(&s, &p));
        check_plan(&s, &p);
        ck_assert(!p.resident);
        plan_free(&p);
        s.device.budget = UINT64_MAX;
        s.device.max_alloc = 4 * 20 * cases[i].set; /* not in one piece */
        expect_ok(make(&s, &p));
        check_plan(&s, &p);
        ck_assert(!p.resident);
        plan_free(&p);
        scene_close(&s);
    }
}
END_TEST

/* A set of few examples takes less than the stages of a tile do. */
START_TEST(small_sets_are_resident_with_the_least_budget)
{
    scene s;
    plan p;
    uint64_t least;
    scene_open(&s, medium);
    s.request.batch = s.request.max_tile = s.request.resident = 1;
    expect_ok(plan_smallest_budget(s.network, &s.device, &s.request, &least));
    s.device.budget = least;
    expect_ok(make(&s, &p));
    check_plan(&s, &p);
    ck_assert(p.resident);
    plan_free(&p);
    scene_close(&s);
}
END_TEST

START_TEST(no_part_is_larger_than_one_allocation)
{
    scene s;
    plan p, one;
    uint64_t least;
    scene_open(&s, medium);
    s.fake.scratch_a_row = 10;
    expect_ok(plan_with(s.network, &s.device, &s.request, 1, false, &one));
    for (uint64_t most = one.bytes[PART_BATCH]; most < 4 * one.bytes[PART_BATCH]; most += 501) {
        s.device.max_alloc = most;
        expect_ok(make(&s, &p));
        check_plan(&s, &p);
        plan_free(&p);
    }
    s.device.max_alloc = one.bytes[PART_BATCH] - 1; /* no tile helps against that */
    expect(make(&s, &p), TAS_NO_MEMORY, "fake", "batch");
    ck_assert_ptr_null(p.tensor);
    expect(plan_with(s.network, &s.device, &s.request, 1, false, &p), TAS_NO_MEMORY, "fake", "batch");
    ck_assert_ptr_null(p.tensor);
    expect_ok(plan_smallest_budget(s.network, &s.device, &s.request, &least));
    ck_assert_uint_eq(least, 0);
    s.device.max_alloc = 1000000;
    s.request.resident = 100000;
    expect(plan_with(s.network, &s.device, &s.request, 1, true, &p), TAS_NO_MEMORY, "data set", "1000000");
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
    s.request.batch = s.request.max_tile = 1u << 24;
    s.request.resident = UINT32_MAX;
    s.request.input_bytes = 4 * 65536;
    expect_ok(make(&s, &p));
    check_plan(&s, &p);
    ck_assert_uint_eq(p.bytes[PART_PARAMETERS], 59392ull * 65536 * 4 + 59392 * 4);
    ck_assert_uint_ge(p.bytes[PART_DATA], 4 * 65536ull * UINT32_MAX);
    plan_free(&p);
    scene_close(&s);

    scene_open(&s, "input 65536\ndense 65535\n"); /* more elements than kernels count */
    ck_assert_int_eq(make(&s, &p), TAS_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(tas_error(s.network->context), "parameters"));
    scene_close(&s);
}
END_TEST

/* Whatever the budget: as if each batch had been tried. */
START_TEST(largest_untiled_batch)
{
    for (int round = 0; round < 60; round++) {
        scene s;
        uint32_t found, expected = 0;
        bool fit[4 * DRAWN_BATCH + 2] = {true};
        scene_draw(&s);
        s.fake.odd = false; /* a larger batch then takes no less, but for how values are packed */
        s.request.training = true;
        s.request.batch = s.request.max_tile = DRAWN_BATCH;
        s.request.noise.probe = 0;
        const range all = range_of(&s);
        s.device.budget = between(all.least, all.most + 1000);
        if (s.request.resident) s.request.resident += DRAWN_BATCH;
        for (uint32_t batch = 1; batch <= 4 * DRAWN_BATCH; batch++) {
            s.request.batch = s.request.max_tile = batch;
            if (s.request.resident && batch > s.request.resident) break;
            const uint32_t tile = leaf_of(&s, batch);
            fit[batch] = fits(&s, tile, false) || fits(&s, tile, true);
            if (fit[batch]) expected = batch;
        }
        s.request.batch = 1 + random_below(DRAWN_BATCH); /* which does not matter */
        expect_ok(plan_largest_untiled(s.network, &s.device, &s.request, &found));
        ck_assert(expected < 4 * DRAWN_BATCH ? found <= expected && fit[found] && !fit[found + 1] : found >= expected);
        scene_close(&s);
    }
}
END_TEST

/* 801 layers and every batch of `plan`'s table: with lifetimes, packing or the search over tiles in time that grows
 * with the square of the depth, it takes minutes. */
START_TEST(deep_networks_are_planned_at_once)
{
    enum { DEPTH = 400 };
    static const uint32_t batches[] = {1, 8, 64, 512, 4096, 60000};
    static char text[DEPTH * 16 + 40] = "input 1x28x28\n";
    char *at = text + strlen(text);
    scene s;
    const clock_t begin = clock();
    for (int i = 0; i < DEPTH; i++) at += sprintf(at, "dense 16\nrelu\n");
    scene_open(&s, text);
    s.request.input_bytes = 784;
    s.request.resident = 60000;
    s.request.noise = noise_schedule_for(s.network, 64, 60000);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        plan p;
        uint64_t smallest;
        uint32_t untiled;
        s.request.batch = s.request.max_tile = batches[i];
        s.device.budget = 80 << 20;
        expect_ok(make(&s, &p));
        expect_ok(plan_smallest_budget(s.network, &s.device, &s.request, &smallest));
        expect_ok(plan_largest_untiled(s.network, &s.device, &s.request, &untiled));
        ck_assert(smallest < p.total && untiled >= p.tile);
        plan_free(&p);
    }
    const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    ck_assert_msg(seconds < 2, "%g s", seconds);
    scene_close(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, drawn_plans_are_whole);
    tcase_add_test(tc, tile_is_the_largest_that_fits);
    tcase_add_test(tc, least_budget_is_the_least);
    tcase_add_test(tc, plans_do_not_depend_on_what_was_planned_before);
    tcase_add_test(tc, gradients_and_state_lie_as_parameters_do);
    tcase_add_test(tc, one_chain_needs_no_open_granule);
    tcase_add_test(tc, what_the_update_makes_is_not_stored);
    tcase_add_test(tc, evaluation_plans_no_gradients);
    tcase_add_test(tc, values_share_places);
    tcase_add_test(tc, values_live_as_long_as_they_are_read);
    tcase_add_test(tc, evaluation_grows_by_its_sums_alone);
    tcase_add_test(tc, tile_follows_the_budget);
    tcase_add_test(tc, tiles_are_evened_out);
    tcase_add_test(tc, resident_set);
    tcase_add_test(tc, small_sets_are_resident_with_the_least_budget);
    tcase_add_test(tc, no_part_is_larger_than_one_allocation);
    tcase_add_test(tc, large_numbers);
    tcase_add_test(tc, largest_untiled_batch);
    tcase_add_test(tc, deep_networks_are_planned_at_once);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
