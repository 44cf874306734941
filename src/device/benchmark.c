/* tas_device_benchmark(): the rate of fma and of copying, by running them. */
#include "device/benchmark.h"

#include "ops/dense.h"

enum { RUNS = 5 };

static const double long_enough = 0.05; /* seconds of a run that is believed */
const double benchmark_most = 0.5;

tas_status benchmark_time(const benchmark *r, uint32_t turns, double *seconds)
{
    const double start = now_seconds();
    tas_status status = r->go(r, turns);
    if (!status) status = r->device->driver->finish(r->device);
    *seconds = now_seconds() - start;
    return status;
}

tas_status benchmark_rate(const benchmark *r, double *rate)
{
    const double start = now_seconds();
    uint32_t turns = 1;
    double seconds;
    tas_status status = benchmark_time(r, turns, &seconds); /* drivers finish kernels at their first launch */
    if (!status) status = benchmark_time(r, turns, &seconds);
    while (!status && seconds < long_enough && now_seconds() - start < benchmark_most && turns < 1u << 28) {
        const double factor = seconds > 0 ? 1.2 * long_enough / seconds : 16;
        turns = (uint32_t)(turns * (factor > 16 ? 16 : factor < 2 ? 2 : factor));
        status = benchmark_time(r, turns, &seconds);
    }
    double best = seconds;
    for (int i = 1; i < RUNS && !status && now_seconds() - start < benchmark_most; i++) {
        status = benchmark_time(r, turns, &seconds);
        if (seconds < best) best = seconds;
    }
    if (!status) *rate = best > 0 ? 1e-9 * r->work * turns / best : 0;
    return status;
}

/* ---- The reference: its own forward product, and a copy of the host's memory ---- */

enum { SIDE = 256 };

static tas_status go_reference_fma(const benchmark *r, uint32_t turns)
{
    const op_args args = {
        .op = OP_DENSE_FORWARD, .n = SIDE, .batch = SIDE, .size = {[DENSE_OUTPUTS] = SIDE, [DENSE_INPUTS] = SIDE}};
    const uint64_t matrix = SIDE * SIDE * sizeof(float);
    const mem operand[] = {
        r->a, {.host = r->a.host + matrix}, {.host = r->a.host + 2 * matrix}, {.host = r->a.host + 3 * matrix}};
    tas_status status = TAS_OK;
    for (uint32_t i = 0; i < turns && !status; i++) status = device_run(r->device, &args, operand, &r->b);
    return status;
}

static tas_status go_reference_copy(const benchmark *r, uint32_t turns)
{
    tas_status status = TAS_OK;
    for (uint32_t i = 0; i < turns && !status; i++)
        status = r->device->driver->read(r->device, &r->a, 0, i % 2 ? r->b.host : r->b.host + r->a.bytes, r->a.bytes);
    return status;
}

static tas_status benchmark_reference(tas_device *device, double *gflops, double *gbytes_s)
{
    const device_driver *driver = device->driver;
    const op_args args = {
        .op = OP_DENSE_FORWARD, .n = SIDE, .batch = SIDE, .size = {[DENSE_OUTPUTS] = SIDE, [DENSE_INPUTS] = SIDE}};
    benchmark fma = {.device = device, .go = go_reference_fma, .work = 2.0 * SIDE * SIDE * SIDE};
    benchmark copy = {.device = device, .go = go_reference_copy, .work = 2.0 * (64 << 20)};
    tas_status status = driver->alloc(device, 4 * SIDE * SIDE * sizeof(float), &fma.a);
    if (!status) status = driver->alloc(device, device_scratch(device, &args), &fma.b);
    if (!status) status = driver->alloc(device, 64 << 20, &copy.a);
    if (!status) status = driver->alloc(device, 2 * (64 << 20), &copy.b);
    if (!status) status = driver->zero(device, &fma.a);
    if (!status) status = driver->zero(device, &copy.a);
    if (!status) status = benchmark_rate(&fma, gflops);
    if (!status) status = benchmark_rate(&copy, gbytes_s);
    mem *const all[] = {&fma.a, &fma.b, &copy.a, &copy.b};
    for (int i = 0; i < 4; i++)
        if (all[i]->host) driver->release(device, all[i]);
    return status;
}

tas_status tas_device_benchmark(tas_device *device, tas_device_info *info)
{
    entry_state saved;
    double gflops = 0, gbytes_s = 0;
    entry_begin(device->context, &saved);
    tas_status status = (device->cl ? benchmark_opencl : benchmark_reference)(device, &gflops, &gbytes_s);
    if (!status) {
        device->info.fma_gflops = gflops;
        device->info.copy_gbytes_s = gbytes_s;
        *info = device->info;
    }
    entry_end(&saved);
    return status;
}
