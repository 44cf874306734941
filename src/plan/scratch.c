/* The scratch memory of calls: see scratch.h. */
#include "plan/scratch.h"

#include <stdlib.h>
#include <string.h>

static int compare_calls(const void *a, const void *b)
{
    const scratch_call *x = a, *y = b;
    if (x->args.op != y->args.op) return x->args.op < y->args.op ? -1 : 1;
    if (x->batch_panels != y->batch_panels) return x->batch_panels ? 1 : -1;
    if (x->whole_batch != y->whole_batch) return x->whole_batch ? 1 : -1;
    if (x->args.masked != y->args.masked) return x->args.masked ? 1 : -1;
    const int sizes = memcmp(x->args.size, y->args.size, sizeof x->args.size);
    return sizes ? sizes : memcmp(x->args.scalar, y->args.scalar, sizeof x->args.scalar);
}

/* The layers of a deep network are alike, and so are their calls. */
bool scratch_open(scratch *s, const tas_network *network, bool training)
{
    const int all = network_calls(network), count = training ? all : network->forward_count;
    *s = (scratch){.network = network};
    s->call = malloc((size_t)(count + 1) * sizeof *s->call);
    s->place = malloc((size_t)(all + 1) * sizeof *s->place);
    s->bytes = calloc((size_t)all + 1, sizeof *s->bytes);
    if (!s->call || !s->place || !s->bytes) return false;
    for (int c = 0; c < all; c++) s->place[c] = -1;
    for (int c = 0; c < count; c++) {
        const op_call *call = network_call(network, c);
        s->call[c] =
            (scratch_call){call->args, network_has_batch_panels(network, call), call->whole_batch, call->number, 0};
    }
    qsort(s->call, (size_t)count, sizeof *s->call, compare_calls);
    for (int c = 0; c < count; c++) {
        const int number = s->call[c].number;
        if (!s->count || compare_calls(&s->call[s->count - 1], &s->call[c])) s->call[s->count++] = s->call[c];
        s->place[number] = s->count - 1;
    }
    return true;
}

void scratch_close(scratch *s)
{
    free(s->call);
    free(s->place);
    free(s->bytes);
    *s = (scratch){0};
}

static void keep_most(uint64_t *most, uint64_t bytes) { *most = bytes > *most ? bytes : *most; }

static void ask_tile(scratch_call *call, const plan_device *device, uint32_t batch, uint32_t tile, uint32_t panel_width)
{
    op_args args = call->args;
    args.batch = batch;
    args.n = call->whole_batch ? batch : tile;
    args.panel_width = call->batch_panels ? panel_width : 1;
    keep_most(&call->bytes, device->scratch(device->self, &args));
}

/* Of what makes one row of those of shards. */
static void ask_merge(scratch_call *call, const plan_device *device, uint32_t shards)
{
    op_args args = call->args;
    args.op = op_get(call->args.op)->merge;
    args.batch = args.n = shards;
    args.shard = 1;
    if (call->whole_batch && args.op) keep_most(&call->bytes, device->scratch(device->self, &args));
}

void scratch_ask(scratch *s, const plan_device *device, const value_sizes *sizes, uint32_t shards)
{
    const bool other_step = sizes->step_panel_width != sizes->panel_width;
    for (scratch_call *call = s->call; call < s->call + s->count; call++) {
        call->bytes = 0;
        ask_tile(call, device, sizes->batch, sizes->tile, sizes->panel_width);
        if (other_step) ask_tile(call, device, sizes->batch, sizes->step_tile, sizes->step_panel_width);
        if (shards) ask_merge(call, device, shards);
    }
    for (int c = 0; c < network_calls(s->network); c++)
        if (s->place[c] >= 0) s->bytes[c] = s->call[s->place[c]].bytes;
}
