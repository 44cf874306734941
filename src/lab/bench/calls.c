/* tas_bench_calls(): the calls of a training step one by one, in the memory of an open run. */
#include "lab/bench/bench.h"

#include "device/opencl/launchers/clblast.h"
#include "network/network.h"
#include "train/feed.h"
#include "train/step.h"

#include <string.h>

enum { LAYER_TEXT = 128 };

tas_status bench_repeat(void *self, uint64_t count)
{
    const bench_piece *p = self;
    tas_device *device = p->b->model->device;
    tas_status status = TAS_OK;
    for (uint64_t i = 0; i < count && !status; i++) status = p->go(p);
    return status ? status : device->driver->finish(device);
}

tas_status bench_go_call(const bench_piece *p)
{
    return workspace_run(&p->b->run->w, p->call, p->examples, 0, p->b->run->request.batch);
}

static tas_status go_feed(const bench_piece *p)
{
    workspace *w = &p->b->run->w;
    const tas_status status = feed_tile(w, p->b->data, p->b->run->order, 0, p->examples);
    return status ? status : feed_done(w);
}

static tas_status go_watch(const bench_piece *p)
{
    const step_batch batch = {.data = p->b->data, .count = p->b->run->request.batch};
    return step_watch(&p->b->run->w, &batch, 0);
}

static tas_status go_update(const bench_piece *p)
{
    tas_run *run = p->b->run;
    const optimizer_step step = {.lr = run->options.lr, .t = 1};
    const tas_status status = update_begin(&run->update, &step, 0, run->request.batch);
    return status ? status : update_run(&run->update);
}

static double call_bytes(const op_call *call, uint32_t n, uint32_t batch)
{
    op_args args = call->args;
    args.n = n;
    args.batch = batch;
    return (double)op_bytes(&args);
}

static double call_flops(const op_call *call, uint32_t n)
{
    const op_row *row = op_get(call->args.op);
    return row->flops ? (double)row->flops(&call->args) * n : 0;
}

/* Whether the call has the operation and the shapes of an earlier one. */
static bool is_repeated(const op_call *list, int c)
{
    const op_call *call = &list[c];
    for (int k = 0; k < c; k++)
        if (list[k].args.op == call->args.op && list[k].when != CALL_EVALUATION &&
            !memcmp(list[k].args.size, call->args.size, sizeof call->args.size))
            return true;
    return false;
}

/* Who computes it; NULL: it is not timed, as the device was opened for CLBlast's products. */
static const char *provider_of(tas_device *device, const op_call *call)
{
    if (!device->cl) return "reference";
    if (device->arith != TAS_ARITH_FAST) return "kernel";
    return call && !clblast_unused(device) && clblast_provides(call->args.op) ? "clblast" : NULL;
}

static const char *describe_layer(const tas_network *network, const op_call *call, char text[LAYER_TEXT])
{
    tas_layer_info info;
    text[0] = 0;
    if (call && tas_network_layer_info(network, (size_t)call->layer, &info))
        snprintf(text, LAYER_TEXT, "%d %s %zux%zux%zu -> %zux%zux%zu", call->layer, info.kind, info.in[0], info.in[1],
                 info.in[2], info.out[0], info.out[1], info.out[2]);
    return text;
}

typedef struct listener {
    const tas_bench_options *options;
    tas_bench_fn on_call;
    void *user;
} listener;

static tas_status time_piece(bench_piece p, const char *name, double bytes, const listener *to)
{
    char shapes[LAYER_TEXT];
    const workspace *w = &p.b->run->w;
    const char *provider = provider_of(w->device, p.call);
    if (!provider || (to->options->operation && strcmp(to->options->operation, name))) return TAS_OK;
    tas_bench_call row = {.operation = name,
                          .provider = provider,
                          .layer = describe_layer(w->network, p.call, shapes),
                          .examples = p.examples,
                          .bytes = bytes,
                          .flops = p.call ? call_flops(p.call, p.examples) : 0};
    const tas_status status = bench_time(p.b, to->options, bench_repeat, &p, &row.seconds);
    if (!status) to->on_call(to->user, &row);
    return status;
}

static tas_status time_list(bench *b, const op_call *list, int count, uint32_t tile, const listener *to)
{
    const uint32_t batch = b->run->request.batch;
    tas_status status = TAS_OK;
    for (int c = 0; c < count && !status; c++) {
        const uint32_t n = list[c].whole_batch ? batch : tile;
        if (list[c].when == CALL_EVALUATION || is_repeated(list, c)) continue;
        status = time_piece((bench_piece){b, bench_go_call, &list[c], n}, op_get(list[c].args.op)->name,
                            call_bytes(&list[c], n, batch), to);
    }
    return status;
}

/* The values and gradients of a whole step are there before the first call is timed. */
static tas_status time_step(bench *b, const listener *to)
{
    const workspace *w = &b->run->w;
    const tas_network *network = w->network;
    const uint32_t batch = b->run->request.batch, tile = bench_tile(b);
    const double parameters = (double)w->plan.trained, gradient = (double)w->plan.bytes[PART_GRADIENT];
    tas_status status = tas_run_advance(b->run, 1, NULL);
    if (!status)
        status = time_piece((bench_piece){b, go_feed, NULL, tile}, "feed",
                            (double)tile * (double)network->inputs * (1 + sizeof(float)), to);
    if (!status) status = time_list(b, network->forward, network->forward_count, tile, to);
    if (!status) status = time_list(b, network->backward, network->backward_count, tile, to);
    if (!status) status = time_piece((bench_piece){b, go_watch, NULL, batch}, "watch", gradient, to);
    /* weights and momentum are read and written, gradients that are stored are read */
    return status ? status
                  : time_piece((bench_piece){b, go_update, NULL, batch}, "update", 4 * parameters + gradient, to);
}

tas_status tas_bench_calls(tas_device *device, const tas_network *network, const tas_bench_options *options,
                           tas_bench_fn on_call, void *user)
{
    entry_state saved;
    bench b;
    entry_begin(device->context, &saved);
    const device_tuning tuning = device->tuning;
    if (device->arith == TAS_ARITH_FAST) device->tuning.find = NULL; /* which may prefer kernels to CLBlast */
    tas_status status = bench_open(device, network, options, &b);
    if (!status) status = time_step(&b, &(listener){options, on_call, user});
    bench_close(&b);
    device->tuning.find = tuning.find;
    entry_end(&saved);
    return status;
}
