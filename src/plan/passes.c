/* The passes of a step: see passes.h. */
#include "plan/passes.h"

#include <stdlib.h>
#include <string.h>

/* What is known while passes are made. Calls count through forward and then backward. */
typedef struct builder {
    const tas_network *network;
    passes *out;
    const op_call **call; /* those of this kind of pass */
    int count, backward;  /* the first of backward; the loss, which makes a gradient, counts as that */
    int *pass;            /* of each call */
    int *writer;          /* per tensor: the pass that writes it; -1: none */
    bool *pending;        /* per tensor: written after the tiles of the pass that is being made */
    bool *needed;         /* per tensor, while the repeated calls of a pass are looked for */
} builder;

bool passes_is_value(const tensor *t) { return t->role == ROLE_VALUE && t->spread == SPREAD_EXAMPLE; }

static bool reads(const op_call *call, int o) { return op_get(call->args.op)->operand[o].access == ACCESS_IN; }
static bool is_operand(const op_call *call, int o) { return op_get(call->args.op)->operand[o].name != NULL; }

static bool list_calls(builder *b, passes_kind kind)
{
    const tas_network *network = b->network;
    const call_when not = kind == PASSES_EVALUATION ? CALL_TRAINING : CALL_EVALUATION;
    b->call = malloc(((size_t)network->forward_count + (size_t)network->backward_count + 1) * sizeof *b->call);
    if (!b->call) return false;
    for (int c = 0; c < network->forward_count; c++)
        if (network->forward[c].when != not ) b->call[b->count++] = &network->forward[c];
    b->backward = b->count - 1;
    for (int c = 0; c < network->backward_count && kind != PASSES_EVALUATION; c++)
        b->call[b->count++] = &network->backward[c];
    return true;
}

/* Which pass each call belongs to. Returns how many there are. */
static int assign_passes(builder *b, bool cut)
{
    const size_t tensors = (size_t)b->network->tensor_count;
    int now = 0;
    for (int c = 0; c < b->count; c++) {
        const op_call *call = b->call[c];
        bool waits = false;
        for (int o = 0; is_operand(call, o) && !call->whole_batch; o++) waits |= b->pending[call->operand[o]];
        if (waits) {
            memset(b->pending, 0, tensors * sizeof *b->pending);
            now++;
        }
        for (int o = 0; is_operand(call, o) && call->whole_batch && cut; o++)
            if (!reads(call, o)) b->pending[call->operand[o]] = true;
        b->pass[c] = now;
    }
    return now + 1;
}

static void find_writers(builder *b)
{
    for (int t = 0; t < b->network->tensor_count; t++) b->writer[t] = -1;
    for (int c = b->count - 1; c >= 0; c--)
        for (int o = 0; is_operand(b->call[c], o); o++)
            if (!reads(b->call[c], o)) b->writer[b->call[c]->operand[o]] = c;
    for (int c = 0; c < b->count; c++)
        for (int o = 0; is_operand(b->call[c], o); o++) {
            const int t = b->call[c]->operand[o], from = b->writer[t];
            if (!passes_is_value(&b->network->tensors[t]) || from < 0 || b->pass[from] == b->pass[c]) continue;
            b->out->kept[t] |= from >= b->backward || c < b->backward;
        }
}

/* Marks the calls of forward that pass p has to repeat, and the tensors that it reads from what was kept. */
static void find_repeated(builder *b, int p, bool *repeat)
{
    memset(b->needed, 0, (size_t)b->network->tensor_count * sizeof *b->needed);
    for (int c = 0; c < b->count; c++)
        for (int o = 0; is_operand(b->call[c], o) && b->pass[c] == p && !b->call[c]->whole_batch; o++) {
            const int t = b->call[c]->operand[o];
            const bool own = b->writer[t] >= 0 && b->pass[b->writer[t]] == p;
            if (reads(b->call[c], o) && !own) b->needed[t] = true;
        }
    for (int c = b->backward - 1; c >= 0; c--) {
        if (b->pass[c] >= p || b->call[c]->whole_batch) continue;
        for (int o = 0; is_operand(b->call[c], o); o++) {
            const int t = b->call[c]->operand[o];
            repeat[c] |=
                !reads(b->call[c], o) && b->needed[t] && !b->out->kept[t] && passes_is_value(&b->network->tensors[t]);
        }
        for (int o = 0; is_operand(b->call[c], o) && repeat[c]; o++)
            if (reads(b->call[c], o)) b->needed[b->call[c]->operand[o]] = true;
    }
}

static void set_tensors(const builder *b, batch_pass *of, int p)
{
    for (int t = 0; t < b->network->tensor_count; t++) {
        const tensor_role role = b->network->tensors[t].role;
        of->feeds |= b->needed[t] && role <= ROLE_TARGET;
        if (!b->out->kept[t]) continue;
        if (b->needed[t]) of->loads[of->load_count++] = t;
        if (b->pass[b->writer[t]] == p) of->stores[of->store_count++] = t;
    }
}

static bool make_pass(builder *b, int p, bool cut, bool *repeat)
{
    batch_pass *of = &b->out->pass[p];
    const size_t calls = (size_t)b->count + 1, tensors = (size_t)b->network->tensor_count;
    *of = (batch_pass){.calls = malloc(calls * sizeof *of->calls),
                       .after = malloc(calls * sizeof *of->after),
                       .loads = malloc(tensors * sizeof *of->loads),
                       .stores = malloc(tensors * sizeof *of->stores)};
    if (!of->calls || !of->after || !of->loads || !of->stores) return false;
    memset(repeat, 0, calls * sizeof *repeat);
    find_repeated(b, p, repeat);
    for (int c = 0; c < b->count; c++)
        if (repeat[c]) of->calls[of->count++] = b->call[c];
    of->repeated = of->count;
    for (int c = 0; c < b->count; c++) {
        if (b->pass[c] != p) continue;
        if (cut && b->call[c]->whole_batch)
            of->after[of->after_count++] = b->call[c];
        else
            of->calls[of->count++] = b->call[c];
    }
    set_tensors(b, of, p);
    return true;
}

static bool build(builder *b, passes_kind kind)
{
    const size_t tensors = (size_t)b->network->tensor_count;
    const bool cut = kind == PASSES_STEP;
    if (!list_calls(b, kind)) return false;
    const size_t calls = (size_t)b->count + 1;
    b->pass = calloc(calls, sizeof *b->pass);
    b->writer = calloc(tensors, sizeof *b->writer);
    b->pending = calloc(tensors, sizeof *b->pending);
    b->needed = calloc(tensors, sizeof *b->needed);
    b->out->kept = calloc(tensors, sizeof *b->out->kept);
    bool *repeat = calloc(calls, sizeof *repeat);
    bool done = b->pass && b->writer && b->pending && b->needed && b->out->kept && repeat;
    const int count = done ? assign_passes(b, cut) : 0;
    if (done) find_writers(b);
    if (done) b->out->pass = calloc((size_t)count, sizeof *b->out->pass);
    done = done && b->out->pass;
    for (; b->out->count < count && done; b->out->count++) done = make_pass(b, b->out->count, cut, repeat);
    free(repeat);
    return done;
}

bool passes_open(passes *p, const tas_network *network, passes_kind kind)
{
    builder b = {.network = network, .out = p};
    *p = (passes){0};
    const bool done = build(&b, kind);
    free(b.call);
    free(b.pass);
    free(b.writer);
    free(b.pending);
    free(b.needed);
    return done;
}

void passes_close(passes *p)
{
    for (int i = 0; i < p->count; i++) {
        free(p->pass[i].calls);
        free(p->pass[i].after);
        free(p->pass[i].loads);
        free(p->pass[i].stores);
    }
    free(p->pass);
    free(p->kept);
    *p = (passes){0};
}
