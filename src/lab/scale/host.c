/* What a rank's host needs in a step, timed: see scale.h. */
#include "lab/scale/scale.h"

#include "lab/bench/bench.h"
#include "train/slices.h"

#include <stdlib.h>

/* A rank that is alone has all slices. */
typedef struct host {
    tas_model *model;
    tas_train_options options;
    transport transport;
    exchange exchange;
    slices slices;
    float *gradient, *weights;
} host;

static tas_status stage_once(host *h)
{
    const slices *s = &h->slices;
    tas_status status = TAS_OK;
    for (int k = 0; k < s->count && !status; k++)
        status = parameters_read(h->model, s->tensor[k], h->weights + s->at[k]);
    for (uint64_t i = 0; i < s->elements; i++) h->gradient[i] += 0x1p-40f * h->weights[i];
    for (int k = 0; k < s->count && !status; k++)
        status = parameters_write(h->model, s->tensor[k], h->weights + s->at[k]);
    return status;
}

static tas_status stage_all(void *self, uint64_t count)
{
    tas_status status = TAS_OK;
    for (uint64_t i = 0; i < count && !status; i++) status = stage_once(self);
    return status;
}

static tas_status update_all(void *self, uint64_t count)
{
    host *h = self;
    const optimizer_step step = {.lr = 0x1p-20f, .t = 1, .beta2 = h->options.beta2, .faded2 = (double)h->options.beta2};
    float *const vectors[HALVING_NODES] = {h->gradient};
    tas_status status = TAS_OK;
    for (uint64_t i = 0; i < count && !status; i++) {
        float divisor[DIVISOR_VALUES] = {1, 1};
        uint32_t record[2] = {0, 0};
        bool finite = slices_are_finite(&h->slices, NULL, vectors);
        status = slices_update(&h->slices, &step, 1, 1, h->weights, vectors, divisor, record);
        finite &= slices_are_finite(&h->slices, h->weights, NULL);
        if (!finite) h->weights[0] = 0; /* so that both looks are made */
    }
    return status;
}

static tas_status open_host(host *h, tas_device *device, const tas_network *network, tas_optimizer which)
{
    const uint32_t share[] = {0, 1};
    tas_context *context = device->context;
    tas_train_options_init(&h->options);
    tas_train_options_choose(&h->options, which);
    tas_status status = tas_model_open(device, network, 1, &h->model);
    if (status) return status;
    if (!transport_open_threads(1, &h->transport)) return fail(context, TAS_NO_MEMORY, "no memory for an exchange");
    status = exchange_open(&h->exchange, context, &h->transport, 1, share);
    if (!status) status = slices_open(&h->slices, h->model, &h->options, &h->exchange, false);
    if (status) return status;
    h->gradient = calloc((size_t)h->slices.elements + 1, sizeof *h->gradient);
    h->weights = calloc((size_t)h->slices.elements + 1, sizeof *h->weights);
    return h->gradient && h->weights ? TAS_OK : fail(context, TAS_NO_MEMORY, "no memory to time an update");
}

static void close_host(host *h)
{
    free(h->gradient);
    free(h->weights);
    slices_close(&h->slices);
    exchange_close(&h->exchange);
    if (h->transport.self) h->transport.kind->close(h->transport.self);
    tas_model_close(&h->model);
}

tas_status scale_time_host(tas_device *device, const tas_network *network, tas_optimizer which, double *staging,
                           double *updating)
{
    host h = {.gradient = NULL};
    tas_bench_options options;
    tas_bench_time time = {0};
    tas_bench_options_init(&options);
    tas_status status = open_host(&h, device, network, which);
    const bench b = {.model = h.model};
    if (!status) status = bench_time(&b, &options, stage_all, &h, &time);
    *staging = time.median;
    if (!status) status = bench_time(&b, &options, update_all, &h, &time);
    *updating = time.median;
    close_host(&h);
    return status;
}
