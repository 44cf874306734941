/* Where the values of a tile lie: see values.h. */
#include "plan/values.h"

#include <stdlib.h>

/* Times of the arena: a pass has one before its calls, when it is fed, one per call, and one behind them, when values
 * are stored and the batch's calls run. */
typedef struct lifetime {
    int first, last; /* last < first: never */
    int first_pass, last_pass;
} lifetime;

typedef struct opener {
    value_map *map;
    const tas_network *network;
    bool loops;      /* a pass may run for several tiles */
    bool evaluation; /* whose result is read */
    bool fuses;      /* the update reads operands of calls */
    lifetime *lives;
    int *replaced; /* per tensor: the one in whose memory it lies in this pass; NO_TENSOR: none */
    int count;     /* of blocks */
} opener;

static bool is_in_arena(const opener *o, int t)
{
    const tensor *of = &o->network->tensors[t];
    if (of->role == ROLE_SUM) return of->spread == SPREAD_BATCH;
    if (o->map->passes.kept[t]) return o->map->spilled;
    return of->role == ROLE_INPUT || of->role == ROLE_LABEL || of->role == ROLE_TARGET || of->role == ROLE_VALUE;
}

static void extend(opener *o, int t, int pass, int first, int last)
{
    lifetime *l = &o->lives[o->map->source ? o->map->source[t] : t];
    if (l->last < l->first)
        *l = (lifetime){first, last, pass, pass};
    else if (last > l->last)
        l->last = last;
    l->last_pass = pass;
}

static void extend_calls(opener *o, const op_call *const *calls, int count, int pass, int begin, int end, int time)
{
    for (int c = 0; c < count; c++, time++)
        for (int k = 0; (!o->map->source || !network_copies(calls[c])) && op_get(calls[c]->args.op)->operand[k].name;
             k++) {
            const int t = calls[c]->operand[k];
            const bool sums = o->network->tensors[t].role == ROLE_SUM && o->loops; /* of all tiles of a pass */
            const bool stays = sums || (o->fuses && network_fuses(calls[c]));
            extend(o, t, pass, sums ? begin : time, stays ? end : time);
        }
}

static void extend_pass(opener *o, int number, int begin, int end)
{
    const tas_network *network = o->network;
    const batch_pass *p = &o->map->passes.pass[number];
    for (int t = 0; t < network->tensor_count && p->feeds; t++)
        if (network->tensors[t].role <= ROLE_TARGET) extend(o, t, number, begin, begin);
    for (int i = 0; i < p->load_count; i++) extend(o, p->loads[i], number, begin, begin);
    extend_calls(o, p->calls, p->count, number, begin, end, begin + 1);
    extend_calls(o, p->after, p->after_count, number, begin, end, end);
    for (int i = 0; i < p->store_count; i++) extend(o, p->stores[i], number, end, end);
    if (o->evaluation) extend(o, network->output, number, end, end);
}

/* Whether a value that a call makes at that time is the only one then to need the memory of another. */
static bool may_replace(const opener *o, const op_call *call, int input, int time)
{
    const op_row *row = op_get(call->args.op);
    const int from = call->operand[input], to = call->operand[op_result(row)];
    const tensor *a = &o->network->tensors[from], *b = &o->network->tensors[to];
    int readers = 0;
    for (int k = 0; row->operand[k].name; k++) readers += call->operand[k] == from;
    return row->operand[input].access == ACCESS_IN && row->may_replace(&call->args, input) && readers == 1 &&
           passes_is_value(a) && passes_is_value(b) && a->elements == b->elements &&
           a->batch_panels == b->batch_panels && is_in_arena(o, from) && is_in_arena(o, to) &&
           o->lives[from].last == time && o->lives[to].first == time;
}

/* The results of a pass that lie where inputs of their calls were. The first tensor of such a row then has its block
 * from the first of these times to the last. */
static void replace_values(opener *o, const batch_pass *p, int time)
{
    const int tensors = o->network->tensor_count;
    for (int t = 0; t < tensors; t++) o->replaced[t] = NO_TENSOR;
    for (int c = 0; c < p->count; c++, time++) {
        const op_row *row = op_get(p->calls[c]->args.op);
        for (int k = 0; row->may_replace && row->operand[k].name; k++) {
            const int from = p->calls[c]->operand[k], to = p->calls[c]->operand[op_result(row)];
            if (o->replaced[to] == NO_TENSOR && may_replace(o, p->calls[c], k, time))
                o->replaced[to] = o->replaced[from] == NO_TENSOR ? from : o->replaced[from];
        }
    }
    for (int t = 0; t < tensors; t++) {
        const int first = o->replaced[t];
        if (first != NO_TENSOR && o->lives[t].last > o->lives[first].last) o->lives[first].last = o->lives[t].last;
    }
}

/* What a call needs while it runs. */
static void add_scratch(opener *o, arena_block *blocks, const op_call *const *calls, int count, int pass, int time,
                        int step)
{
    for (int c = 0; c < count; c++, time += step) {
        o->map->block[o->count] = (value_block){NO_TENSOR, calls[c]->number, pass, pass};
        blocks[o->count++] = (arena_block){.first = time, .last = time};
    }
}

static void add_shares(opener *o, int pass, int from)
{
    value_map *m = o->map;
    for (int t = 0; t < o->network->tensor_count; t++) {
        int b = from;
        if (o->replaced[t] == NO_TENSOR) continue;
        while (m->block[b].tensor != o->replaced[t]) b++;
        m->share[m->share_count++] = (value_share){t, o->replaced[t], pass, b};
    }
}

static bool grow_blocks(opener *o, int more)
{
    value_map *m = o->map;
    value_block *grown = realloc(m->block, ((size_t)o->count + (size_t)more + 1) * sizeof *grown);
    if (grown) m->block = grown;
    value_share *shares = realloc(m->share, ((size_t)m->share_count + (size_t)more + 1) * sizeof *shares);
    if (shares) m->share = shares;
    return grown && shares;
}

/* Values live within one pass, and have a block in each, as calls have for their scratch memory; sums are there from
 * the first pass that mentions them to the last one. */
static bool list_blocks(opener *o, arena_block **out)
{
    const tas_network *network = o->network;
    value_map *m = o->map;
    arena_block *blocks = NULL;
    int begin = 0;
    lifetime *sums = calloc((size_t)network->tensor_count, sizeof *sums);
    bool done = sums != NULL;
    for (int t = 0; t < network->tensor_count && done; t++) sums[t].last = -1;
    for (int p = 0; p < m->passes.count && done; p++) {
        const int end = begin + m->passes.pass[p].count + 1;
        for (int t = 0; t < network->tensor_count; t++)
            o->lives[t] = network->tensors[t].role == ROLE_SUM ? sums[t] : (lifetime){.last = -1};
        extend_pass(o, p, begin, end);
        replace_values(o, &m->passes.pass[p], begin + 1);
        const batch_pass *pass = &m->passes.pass[p];
        const int before = o->count, more = network->tensor_count + pass->count + pass->after_count;
        arena_block *grown = realloc(blocks, ((size_t)o->count + (size_t)more + 1) * sizeof *grown);
        if (grown) blocks = grown;
        done = grown && grow_blocks(o, more);
        for (int t = 0; t < network->tensor_count && done; t++) {
            const lifetime *l = &o->lives[t];
            const bool sum = network->tensors[t].role == ROLE_SUM;
            if (sum) sums[t] = *l;
            if (l->last < l->first || !is_in_arena(o, t) || (sum && p < m->passes.count - 1)) continue;
            if (o->replaced[t] != NO_TENSOR) continue;
            m->block[o->count] = (value_block){t, -1, l->first_pass, l->last_pass};
            blocks[o->count++] = (arena_block){.first = l->first, .last = l->last};
        }
        if (done) add_scratch(o, blocks, pass->calls, pass->count, p, begin + 1, 1);
        if (done) add_scratch(o, blocks, pass->after, pass->after_count, p, end, 0);
        if (done) add_shares(o, p, before);
        begin = end + 1;
    }
    free(sums);
    *out = blocks;
    return done;
}

static int count_times(const passes *p)
{
    int times = 0;
    for (int i = 0; i < p->count; i++) times += p->pass[i].count + 2;
    return times;
}

static bool open_arena(opener *o)
{
    value_map *m = o->map;
    arena_block *blocks = NULL;
    bool done = list_blocks(o, &blocks) && arena_open(&m->arena, o->count, count_times(&m->passes));
    for (int b = 0; b < o->count && done; b++) {
        const int t = m->block[b].tensor;
        const bool grows = t != NO_TENSOR && o->network->tensors[t].spread == SPREAD_EXAMPLE;
        m->arena.block[b] = blocks[b];
        m->arena.block[b].bytes = grows ? o->network->tensors[t].elements * sizeof(float) : 0;
    }
    free(blocks);
    if (done) m->example_bytes = arena_fullest(&m->arena);
    return done;
}

/* From the pass that makes a value to the last one that needs it. */
static bool open_kept(opener *o)
{
    value_map *m = o->map;
    const passes *all = &m->passes;
    const int tensors = o->network->tensor_count;
    int count = 0;
    for (int t = 0; t < tensors; t++) count += all->kept[t];
    m->kept_tensor = malloc(((size_t)count + 1) * sizeof *m->kept_tensor);
    if (!m->kept_tensor || !arena_open(&m->kept, count, all->count)) return false;
    for (int t = 0, k = 0; t < tensors; t++) {
        if (!all->kept[t]) continue;
        m->kept_tensor[k] = t;
        m->kept.block[k] = (arena_block){.first = all->count, .bytes = o->network->tensors[t].elements * sizeof(float)};
        for (int p = 0; p < all->count; p++) {
            const batch_pass *of = &all->pass[p];
            for (int i = 0; i < of->store_count; i++)
                if (of->stores[i] == t) m->kept.block[k].first = m->kept.block[k].last = p;
            for (int i = 0; i < of->load_count; i++)
                if (of->loads[i] == t) m->kept.block[k].last = p;
        }
        k++;
    }
    m->kept_example_bytes = arena_fullest(&m->kept);
    return true;
}

/* A copy's source is known before it, as calls are in their order. */
static bool find_sources(value_map *m, const tas_network *network)
{
    const batch_pass *pass = &m->passes.pass[0];
    m->source = malloc((size_t)network->tensor_count * sizeof *m->source);
    for (int t = 0; t < network->tensor_count && m->source; t++) m->source[t] = t;
    for (int c = 0; c < pass->count && m->source; c++)
        if (network_copies(pass->calls[c]))
            m->source[pass->calls[c]->operand[1]] = m->source[pass->calls[c]->operand[0]];
    return m->source != NULL;
}

bool values_open(value_map *m, const tas_network *network, passes_kind kind, bool spilled, bool fuses, bool rows)
{
    *m = (value_map){.spilled = spilled};
    opener o = {.map = m,
                .network = network,
                .loops = kind == PASSES_STEP,
                .evaluation = kind == PASSES_EVALUATION,
                .fuses = fuses};
    o.lives = calloc((size_t)network->tensor_count, sizeof *o.lives);
    o.replaced = calloc((size_t)network->tensor_count, sizeof *o.replaced);
    bool done = o.lives && o.replaced && passes_open(&m->passes, network, kind);
    if (done && rows && m->passes.count == 1) done = find_sources(m, network);
    done = done && open_arena(&o) && open_kept(&o);
    free(o.lives);
    free(o.replaced);
    return done;
}

void values_close(value_map *m)
{
    arena_close(&m->arena);
    arena_close(&m->kept);
    passes_close(&m->passes);
    free(m->block);
    free(m->share);
    free(m->source);
    free(m->kept_tensor);
    *m = (value_map){0};
}

static uint64_t padded(uint64_t examples, uint64_t panel_width)
{
    return (examples + panel_width - 1) / panel_width * panel_width;
}

uint64_t values_bytes(const tensor *t, const value_sizes *s)
{
    uint64_t rows = 1;
    if (t->spread == SPREAD_BATCH) rows = s->batch;
    if (t->spread == SPREAD_GROUP)
        rows = t->group && !s->one_group ? ((uint64_t)s->batch + t->group - 1) / t->group : 1;
    if (t->spread == SPREAD_EXAMPLE) {
        const uint64_t all = padded(s->tile, t->batch_panels ? s->panel_width : 1);
        const uint64_t step = padded(s->step_tile, t->batch_panels ? s->step_panel_width : 1);
        rows = all > step ? all : step;
    }
    return rows * t->elements * sizeof(float); /* labels are 4 bytes, too */
}

static uint64_t aligned(uint64_t bytes, uint64_t align) { return (bytes + align - 1) / align * align; }

/* Of a block of the arena. */
static uint64_t block_bytes(const value_map *m, const tas_network *network, const value_sizes *s, int b)
{
    const value_block *block = &m->block[b];
    return block->tensor == NO_TENSOR ? s->scratch[block->call] : values_bytes(&network->tensors[block->tensor], s);
}

void values_outline(value_map *m, const tas_network *network, const value_sizes *s, uint64_t *bytes, uint64_t *kept)
{
    for (int b = 0; b < m->arena.count; b++) m->arena.block[b].bytes = aligned(block_bytes(m, network, s, b), s->align);
    for (int k = 0; k < m->kept.count; k++)
        m->kept.block[k].bytes = s->tiles * aligned(values_bytes(&network->tensors[m->kept_tensor[k]], s), s->align);
    const bool packed = m->packed == s->tile;
    *bytes = packed ? m->packed_bytes : arena_fullest(&m->arena);
    *kept = packed ? m->packed_kept : arena_fullest(&m->kept);
}

void values_pack(value_map *m, const value_sizes *s)
{
    if (m->packed == s->tile) return;
    m->packed_bytes = arena_pack(&m->arena);
    m->packed_kept = m->kept.count ? arena_pack(&m->kept) : 0;
    m->packed = s->tile;
}
