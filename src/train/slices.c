/* The update of a run over ranks: see slices.h. */
#include "train/slices.h"

#include "arith.h"
#include "base/digest.h"
#include "ops/sum_squares.h"
#include "plan/plan.h"
#include "train/options.h"

#include <stdlib.h>
#include <string.h>

/* Opening --------------------------------------------------------------------------------------------------------- */

void slices_describe_layout(const tas_model *model, char hex[65])
{
    const tas_network *network = model->network;
    digest d;
    digest_begin(&d);
    for (int i = 0; i < network->parameter_count; i++) {
        const uint32_t panel = parameters_layout(model, network->parameters[i]).panel;
        digest_add_values(&d, &panel, sizeof panel, 1);
    }
    digest_end(&d, hex);
}

/* Slices are cut at multiples of so many elements: at rows of a matrix, or panels of them, or at blocks. */
static exchange_range range_of(const slices *s, int k)
{
    const layout l = parameters_layout(s->model, s->tensor[k]);
    if (!s->model->network->tensors[s->tensor[k]].weight_panels) return (exchange_range){l.cols, SQUARE_BLOCK};
    if (s->as_devices) return (exchange_range){layout_elements(l), (uint64_t)l.panel * l.cols};
    return (exchange_range){(uint64_t)l.rows * l.cols, l.cols};
}

static tas_status list_tensors(slices *s)
{
    const tas_network *network = s->model->network;
    const size_t most = (size_t)network->parameter_count + 1;
    s->tensor = calloc(most, sizeof *s->tensor);
    s->range = calloc(most, sizeof *s->range);
    s->at = calloc(most, sizeof *s->at);
    s->bucket = calloc(most, sizeof *s->bucket);
    if (!s->tensor || !s->range || !s->at || !s->bucket)
        return fail(s->exchange->context, TAS_NO_MEMORY, "no memory for a list of parameters");
    for (int i = 0; i < network->parameter_count; i++) {
        const int index = network->parameters[i];
        if (network->tensors[index].role != ROLE_PARAMETER) continue;
        s->tensor[s->count] = index;
        s->range[s->count] = range_of(s, s->count);
        s->at[s->count] = s->elements;
        s->elements += s->range[s->count++].elements;
    }
    return TAS_OK;
}

/* A bucket of fewer elements takes in the parameters before it: in smaller messages, latency would cost the most. */
enum { BUCKET_LEAST = 1 << 16 };

/* Whether a parameter begins another bucket, from the last parameter to the first. *held: the elements of the bucket
 * so far. */
static bool begins_bucket(uint64_t *held, uint64_t elements)
{
    const bool begins = *held >= BUCKET_LEAST;
    *held = begins ? elements : *held + elements;
    return begins;
}

static void list_buckets(slices *s)
{
    uint64_t held = 0;
    s->buckets = 1;
    for (int k = s->count; k--;) {
        s->buckets += begins_bucket(&held, s->range[k].elements);
        slices_bucket *b = &s->bucket[s->buckets - 1];
        if (!b->count++) b->to = s->at[k] + s->range[k].elements;
        b->first = k;
        b->from = s->at[k];
    }
}

uint32_t slices_buckets(const tas_network *network)
{
    uint32_t count = 1;
    uint64_t held = 0;
    for (int i = network->parameter_count; i--;) {
        const tensor *t = &network->tensors[network->parameters[i]];
        if (t->role == ROLE_PARAMETER) count += begins_bucket(&held, t->elements);
    }
    return count;
}

static tas_status cut_buckets(slices *s)
{
    const size_t cuts = s->exchange->halving.seats + (size_t)1;
    s->cut = calloc(cuts * (size_t)s->buckets + 1, sizeof *s->cut);
    if (!s->cut) return fail(s->exchange->context, TAS_NO_MEMORY, "no memory for a list of slices");
    for (int i = 0; i < s->buckets; i++) {
        slices_bucket *b = &s->bucket[i];
        uint64_t *cut = s->cut + cuts * (size_t)i;
        exchange_cut(s->exchange, s->range + b->first, b->count, b->to - b->from, cut);
        for (size_t k = 0; k < cuts; k++) cut[k] += b->from;
        b->cut = cut;
    }
    return TAS_OK;
}

/* The pieces of a slice; without a list they are only counted. */
static void add_pieces(slices *s, int node, uint64_t from, uint64_t to, slice_piece *list)
{
    for (int k = 0; k < s->count; k++) {
        const uint64_t begin = s->at[k], end = begin + s->range[k].elements;
        const uint64_t first = from > begin ? from : begin, last = to < end ? to : end;
        if (first >= last) continue;
        if (list)
            list[s->pieces] = (slice_piece){.parameter = k,
                                            .node = node,
                                            .first = first - begin,
                                            .at = first,
                                            .slot_at = s->own,
                                            .elements = last - first};
        s->pieces++;
        s->own += last - first;
    }
}

static void find_pieces(slices *s, slice_piece *list)
{
    const halving *of = &s->exchange->halving;
    const uint32_t rank = s->exchange->transport->rank;
    s->pieces = 0;
    s->own = 0;
    for (int i = 0; i < s->buckets; i++)
        for (uint32_t seat = of->first[rank]; seat < of->first[rank + 1]; seat++) {
            int node;
            uint64_t from, to;
            exchange_slice(s->exchange, s->bucket[i].cut, seat, &node, &from, &to);
            add_pieces(s, node, from, to, list);
        }
}

tas_status slices_list(slices *s, const tas_model *model, const tas_train_options *options, exchange *e,
                       bool as_devices)
{
    *s = (slices){.model = model, .options = options, .exchange = e, .as_devices = as_devices};
    tas_status status = list_tensors(s);
    if (!status) list_buckets(s);
    if (!status) status = cut_buckets(s);
    if (status) return status;
    find_pieces(s, NULL);
    s->piece = calloc((size_t)s->pieces + 1, sizeof *s->piece);
    if (s->piece) find_pieces(s, s->piece);
    return s->piece ? TAS_OK : fail(e->context, TAS_NO_MEMORY, "no memory for a list of slices");
}

tas_status slices_open(slices *s, const tas_model *model, const tas_train_options *options, exchange *e,
                       bool as_devices)
{
    tas_status status = slices_list(s, model, options, e, as_devices);
    const uint64_t bytes = (s->own ? s->own : 1) * sizeof(float);
    for (int k = 0; k < optimizers_row(options->optimizer)->slots && !status; k++) {
        status = device_alloc_host(model->device, bytes, &s->slot_memory[k]);
        s->slot[k] = (float *)(void *)s->slot_memory[k].bytes;
        if (!status) memset(s->slot[k], 0, (size_t)bytes);
    }
    return status;
}

void slices_close(slices *s)
{
    free(s->tensor);
    free(s->range);
    free(s->at);
    free(s->bucket);
    free(s->cut);
    free(s->piece);
    for (int k = 0; k < OPTIMIZER_SLOTS && s->model; k++) device_release_host(s->model->device, &s->slot_memory[k]);
    *s = (slices){0};
}

void slices_unpack(const slices *s, int k, const char *packed, float *vector)
{
    if (s->as_devices)
        memcpy(vector + s->at[k], packed, (size_t)s->range[k].elements * sizeof *vector);
    else
        parameters_unpack(s->model, s->tensor[k], packed, vector + s->at[k]);
}

void slices_pack(const slices *s, int k, const float *vector, char *packed)
{
    if (s->as_devices)
        memcpy(packed, vector + s->at[k], (size_t)s->range[k].elements * sizeof *vector);
    else
        parameters_pack(s->model, s->tensor[k], vector + s->at[k], packed);
}

void slices_read(const slices *s, int slot, float *vector)
{
    for (int i = 0; i < s->pieces; i++) {
        const slice_piece *p = &s->piece[i];
        memcpy(vector + p->at, s->slot[slot] + p->slot_at, (size_t)p->elements * sizeof *vector);
    }
}

void slices_write(slices *s, int slot, const float *vector)
{
    for (int i = 0; i < s->pieces; i++) {
        const slice_piece *p = &s->piece[i];
        memcpy(s->slot[slot] + p->slot_at, vector + p->at, (size_t)p->elements * sizeof *vector);
    }
}

bool slices_are_finite(const slices *s, const float *vector, float *const *vectors)
{
    uint32_t bad = 0;
    for (int i = 0; i < s->pieces; i++) {
        const float *sum = (vector ? vector : vectors[s->piece[i].node]) + s->piece[i].at;
        for (uint64_t k = 0; k < s->piece[i].elements; k++) bad |= !arith_is_finite(sum[k]);
    }
    return !bad;
}

/* An update ------------------------------------------------------------------------------------------------------- */

typedef struct work {
    slices *s;
    const optimizer_step *step;
    uint32_t batch;
    float *weights;
    float *const *vectors;
    float *divisor;
    uint32_t *record;
} work;

static void run(const op_args *args, void *const *operand) { op_get(args->op)->reference(args, operand, NULL); }

static const tensor *tensor_of(const work *w, const slice_piece *p)
{
    return &w->s->model->network->tensors[w->s->tensor[p->parameter]];
}

/* One of the optimizer's operations, for a piece. */
static void run_piece(const work *w, op_id op, const slice_piece *p, bool adapted)
{
    const optimizer *row = optimizers_row(w->s->options->optimizer);
    void *operand[OP_OPERANDS] = {w->weights + p->at, w->vectors[p->node] + p->at};
    op_args args = {.op = op, .n = w->batch, .batch = w->batch};
    int count = 2;
    row->set(w->s->options, w->step, options_decay(w->s->options, tensor_of(w, p)->decays), &args);
    args.size[UPDATE_AT] = 0;
    args.size[UPDATE_ELEMENTS] = (uint32_t)p->elements;
    if (adapted) args.size[UPDATE_ADAPTED] = 1;
    for (int k = 0; k < row->slots && op != OP_LAMB_STEP; k++) operand[count++] = w->s->slot[k] + p->slot_at;
    operand[count++] = w->divisor;
    operand[count] = w->record;
    run(&args, operand);
}

static void run_pieces(const work *w, op_id op)
{
    for (int i = 0; i < w->s->pieces; i++) run_piece(w, op, &w->s->piece[i], false);
}

/* All ranks end. */
static tas_status no_memory(const work *w)
{
    static const char why[] = "no memory for sums of squares";
    exchange *e = w->s->exchange;
    e->transport->kind->fail(e->transport->self, why);
    return fail(e->context, TAS_NO_MEMORY, "%s", why);
}

/* Of rows of a matrix. */
static tas_status square_rows(const work *w, const slice_piece *p, const float *values, float *list)
{
    const tensor *t = tensor_of(w, p);
    const uint32_t first = (uint32_t)(p->first / t->dims[1]), held = (uint32_t)(p->elements / t->dims[1]);
    const uint32_t rows = held < t->dims[0] - first ? held : t->dims[0] - first; /* without those that fill it up */
    const uint32_t panel = parameters_layout(w->s->model, w->s->tensor[p->parameter]).panel;
    const op_args args = {.op = OP_SQUARE_ROWS,
                          .size = {[SQUARES_ROWS] = rows,
                                   [SQUARES_COLS] = t->dims[1],
                                   [SQUARES_ROWS_AT] = first * (plan_squares(t) / t->dims[0])},
                          .scalar = {[SQUARES_SCALE] = 1}};
    float *canonical = NULL;
    if (w->s->as_devices && panel > 1) {
        canonical = malloc((size_t)p->elements * sizeof *canonical + 1);
        if (!canonical) return no_memory(w);
        layout_unpack((layout){rows, t->dims[1], panel}, values, canonical);
    }
    void *const operand[] = {canonical ? canonical : (void *)(uintptr_t)values, list};
    run(&args, operand);
    free(canonical);
    return TAS_OK;
}

/* Sums of squares of a piece's values, into the list of those of its tensor. */
static tas_status square_piece(const work *w, const slice_piece *p, const float *values, float *list)
{
    if (tensor_of(w, p)->weight_panels) return square_rows(w, p, values, list);
    const op_args args = {
        .op = OP_SQUARE_BLOCKS,
        .size = {[SQUARES_ELEMENTS] = (uint32_t)p->elements, [SQUARES_AT] = (uint32_t)(p->first / SQUARE_BLOCK)},
        .scalar = {[SQUARES_SCALE] = 1}};
    void *const operand[] = {(void *)(uintptr_t)values, list};
    run(&args, operand);
    return TAS_OK;
}

/* Sums of squares: a list, in which those of a parameter are from at[parameter] on. */
typedef struct square_list {
    float *list;
    uint64_t *at, count;
} square_list;

/* Of all tensors once, or of those that decay twice. */
static tas_status squares_open(square_list *q, const work *w, bool twice)
{
    const tas_network *network = w->s->model->network;
    *q = (square_list){.at = calloc((size_t)w->s->count + 1, sizeof *q->at)};
    for (int k = 0; k < w->s->count && q->at; k++) {
        const tensor *t = &network->tensors[w->s->tensor[k]];
        q->at[k] = q->count;
        q->count += !twice ? plan_squares(t) : t->decays ? 2 * plan_squares(t) : 0;
    }
    q->list = calloc((size_t)q->count + 1, sizeof *q->list);
    return q->list && q->at ? TAS_OK : no_memory(w);
}

static void squares_close(square_list *q)
{
    free(q->list);
    free(q->at);
}

/* A list of which each rank has some, and 0 elsewhere, becomes whole in all of them. Nothing in it is below 0, so that
 * sums with 0 change no bit. */
static tas_status complete(const work *w, float *list, uint64_t count)
{
    exchange *e = w->s->exchange;
    float *lists[HALVING_NODES] = {list};
    uint32_t flags = 0;
    uint64_t *cut = calloc(e->halving.seats + (size_t)1, sizeof *cut);
    float *zeros = calloc((size_t)(e->nodes * count) + 1, sizeof *zeros);
    tas_status status = cut && zeros ? TAS_OK : no_memory(w);
    if (!status) {
        exchange_cut(e, NULL, 0, count, cut);
        for (int k = 1; k < e->nodes; k++) lists[k] = zeros + (uint64_t)k * count;
        status = exchange_sum(e, lists, cut, e->halving.seats, &flags);
    }
    const uint32_t rank = e->transport->rank;
    for (uint32_t seat = e->halving.first[rank]; seat < e->halving.first[rank + 1] && !status; seat++) {
        int node;
        uint64_t from, to;
        exchange_slice(e, cut, seat, &node, &from, &to);
        memmove(list + from, lists[node] + from, (size_t)(to - from) * sizeof *list);
    }
    if (!status) status = exchange_gather(e, list, cut, &flags);
    free(cut);
    free(zeros);
    return status;
}

/* The factor of the whole gradient. */
static tas_status clip(const work *w, uint32_t number)
{
    slices *s = w->s;
    square_list q;
    tas_status status = squares_open(&q, w, false);
    for (int i = 0; i < s->pieces && !status; i++) {
        const slice_piece *p = &s->piece[i];
        status = square_piece(w, p, w->vectors[p->node] + p->at, q.list + q.at[p->parameter]);
    }
    if (!status) status = complete(w, q.list, q.count);
    const op_args args = {.op = OP_CLIP,
                          .size = {[CLIP_SQUARES] = (uint32_t)q.count, [CLIP_STEP] = number},
                          .scalar = {[CLIP_NORM] = s->options->clip}};
    void *const operand[] = {q.list, w->divisor, w->record};
    if (!status) run(&args, operand);
    squares_close(&q);
    return status;
}

/* LARS and LAMB: weights have rates of their own. The list has for each of them the squares of the weights, and then
 * those of the gradient or of what replaced it. */
static void adapt(const work *w, const float *list)
{
    slices *s = w->s;
    const optimizer *row = optimizers_row(s->options->optimizer);
    const float own = w->divisor[DIVISOR_RATIO];
    for (int k = 0; k < s->count; k++) {
        const tensor *t = &s->model->network->tensors[s->tensor[k]];
        const uint32_t squares = plan_squares(t);
        op_args args = {.op = OP_TRUST_RATIO, .size = {[TRUST_WEIGHTS] = squares, [TRUST_OTHERS] = squares}};
        void *const operand[] = {(void *)(uintptr_t)list, w->divisor};
        w->divisor[DIVISOR_RATIO] = own;
        if (t->decays) {
            row->set_ratio(s->options, options_decay(s->options, t->decays), &args);
            run(&args, operand);
            list += 2 * squares;
        }
        for (int i = 0; i < s->pieces; i++)
            if (s->piece[i].parameter == k) run_piece(w, row->op, &s->piece[i], t->decays);
    }
}

static tas_status update_adapted(const work *w)
{
    slices *s = w->s;
    square_list q;
    tas_status status = squares_open(&q, w, true);
    for (int i = 0; i < s->pieces && !status; i++) {
        const slice_piece *p = &s->piece[i];
        const tensor *t = tensor_of(w, p);
        float *list = q.list + q.at[p->parameter];
        if (!t->decays) continue;
        status = square_piece(w, p, w->weights + p->at, list);
        if (!status) status = square_piece(w, p, w->vectors[p->node] + p->at, list + plan_squares(t));
    }
    if (!status) status = complete(w, q.list, q.count);
    if (!status) adapt(w, q.list);
    squares_close(&q);
    return status;
}

tas_status slices_update(slices *s, const optimizer_step *step, uint32_t number, uint32_t batch, float *weights,
                         float *const *vectors, float divisor[DIVISOR_VALUES], uint32_t record[2])
{
    const optimizer *row = optimizers_row(s->options->optimizer);
    const work w = {s, step, batch, weights, vectors, divisor, record};
    tas_status status = s->options->clip > 0 ? clip(&w, number) : TAS_OK;
    if (status) return status;
    if (row->before) run_pieces(&w, row->before);
    if (row->adapts) return update_adapted(&w);
    run_pieces(&w, row->op);
    return TAS_OK;
}
