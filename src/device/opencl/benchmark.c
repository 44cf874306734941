/* tas_device_benchmark(): the rate of fma and of copying, by running them. */
#include "device/opencl/errors.h"
#include "device/opencl/launch.h"

#include "ops/dense.h"

enum {
    CHAINS = 8,
    UNROLLED = 8,
    RUN = 8, /* as in cl/benchmark.cl */
    RUNS = 5,
};

static const double long_enough = 0.05; /* seconds of a run that is believed */
static const double most_seconds = 0.5; /* for either figure */

/* One run of something, of a length that is asked for; waits for its end. */
typedef struct run run;
struct run {
    tas_device *device;
    tas_status (*go)(const run *r, uint32_t turns);
    double work; /* of one turn: operations, or bytes */
    mem a, b;
    cl_kernel kernel;
    launch_range range;
    uint32_t vectors;
};

static tas_status time_run(const run *r, uint32_t turns, double *seconds)
{
    const double start = now_seconds();
    tas_status status = r->go(r, turns);
    if (!status) status = r->device->driver->finish(r->device);
    *seconds = now_seconds() - start;
    return status;
}

/* Work per second, in units of 10^9. Warms up, makes the run long enough and takes the best of five; stops early on
 * a slow device. */
static tas_status best_rate(const run *r, double *rate)
{
    const double start = now_seconds();
    uint32_t turns = 1;
    double seconds;
    tas_status status = time_run(r, turns, &seconds); /* drivers finish kernels at their first launch */
    if (!status) status = time_run(r, turns, &seconds);
    while (!status && seconds < long_enough && now_seconds() - start < most_seconds && turns < 1u << 28) {
        const double factor = seconds > 0 ? 1.2 * long_enough / seconds : 16;
        turns = (uint32_t)(turns * (factor > 16 ? 16 : factor < 2 ? 2 : factor));
        status = time_run(r, turns, &seconds);
    }
    double best = seconds;
    for (int i = 1; i < RUNS && !status && now_seconds() - start < most_seconds; i++) {
        status = time_run(r, turns, &seconds);
        if (seconds < best) best = seconds;
    }
    if (!status) *rate = best > 0 ? 1e-9 * r->work * turns / best : 0;
    return status;
}

/* ---- OpenCL ---- */

static tas_status get_kernel(tas_device *device, const char *name, uint32_t *width, uint32_t *group, cl_kernel *out)
{
    const opencl_device *cl = device->cl;
    char options[64];
    *width = cl->cpu ? opencl_vector_width(device) : 1; /* else the driver makes vectors of neighboring work-items */
    *group = cl->cpu ? 1 : cl->group;
    snprintf(options, sizeof options, "-D GROUP=%u -D VEC=%u", *group, *width);
    return program_get_kernel(device, "benchmark", name, options, out);
}

static tas_status go_fma(const run *r, uint32_t turns)
{
    const launch_args args =
        ARGS(A_MEM(&r->a), A_U32(turns), A_F32(0.75f), A_F32(0.5f)); /* goes to 2, whatever the start */
    return launch_kernel(r->device, r->kernel, r->range, &args);
}

static tas_status benchmark_fma(tas_device *device, double *gflops)
{
    const opencl_device *cl = device->cl;
    run r = {.device = device, .go = go_fma};
    uint32_t width, group;
    tas_status status = get_kernel(device, "fma_rate", &width, &group, &r.kernel);
    if (status) return status;
    const uint32_t units = device->info.compute_units ? device->info.compute_units : 1;
    const uint32_t items = cl->cpu ? 4 * units * group : 32 * units * group; /* on GPUs, enough to fill every unit */
    r.range = launch_line(group, items);
    r.work = 2.0 * CHAINS * UNROLLED * (double)width * items;
    status = device->driver->alloc(device, (uint64_t)items * width * sizeof(float), &r.a); /* not of the ledger */
    if (status) return status;
    status = best_rate(&r, gflops);
    device->driver->release(device, &r.a);
    return status;
}

static tas_status go_copy_kernel(const run *r, uint32_t turns)
{
    const launch_args args = ARGS(A_MEM(&r->a), A_MEM(&r->b), A_U32(r->vectors));
    tas_status status = TAS_OK;
    for (uint32_t i = 0; i < turns && !status; i++) status = launch_kernel(r->device, r->kernel, r->range, &args);
    return status;
}

static tas_status go_copy_command(const run *r, uint32_t turns)
{
    const opencl_device *cl = r->device->cl;
    cl_int error = CL_SUCCESS;
    for (uint32_t i = 0; i < turns && !error; i++)
        error = clEnqueueCopyBuffer(cl->queue, r->a.cl, r->b.cl, 0, 0, r->a.bytes, 0, NULL, NULL);
    return error ? error_fail(r->device, error, "clEnqueueCopyBuffer") : TAS_OK;
}

static void set_part(run *r, uint32_t width, uint32_t group, uint32_t vectors)
{
    r->vectors = vectors;
    r->range = launch_line(group, (vectors + RUN - 1) / RUN);
    r->work = 2.0 * sizeof(float) * width * vectors;
    r->go = go_copy_kernel;
}

/* The better of a kernel and the driver's own command. If a small part shows that the kernel would take long
 * (simulators), only the command. */
static tas_status copy_rates(run *r, uint32_t width, uint32_t group, double *gbytes_s)
{
    enum { PARTS = 1024 };
    double by_kernel = 0, by_command = 0, seconds = 0;
    const uint64_t bytes = r->a.bytes;
    const uint32_t all = (uint32_t)(bytes / sizeof(float) / width);
    set_part(r, width, group, all / PARTS);
    tas_status status = time_run(r, 1, &seconds);
    if (!status) status = time_run(r, 1, &seconds); /* the first may have built something */
    if (!status && seconds * PARTS < most_seconds) {
        set_part(r, width, group, all);
        status = best_rate(r, &by_kernel);
    }
    if (status) return status;
    r->work = 2.0 * (double)bytes;
    r->go = go_copy_command;
    status = best_rate(r, &by_command);
    *gbytes_s = by_kernel > by_command ? by_kernel : by_command;
    return status;
}

static tas_status benchmark_copy(tas_device *device, double *gbytes_s)
{
    run r = {.device = device};
    uint32_t width, group;
    uint64_t bytes = 64 << 20; /* well above caches */
    if (bytes > device->info.max_alloc_bytes / 10) bytes = device->info.max_alloc_bytes / 10 / 4096 * 4096;
    tas_status status = get_kernel(device, "copy_rate", &width, &group, &r.kernel);
    if (status) return status;
    status = device->driver->alloc(device, bytes, &r.a);
    if (!status) status = device->driver->alloc(device, bytes, &r.b);
    if (!status) status = device->driver->zero(device, &r.a); /* so that the pages are there */
    if (!status) status = device->driver->zero(device, &r.b);
    if (!status) status = copy_rates(&r, width, group, gbytes_s);
    if (r.b.cl) device->driver->release(device, &r.b);
    if (r.a.cl) device->driver->release(device, &r.a);
    return status;
}

/* ---- The reference: its own forward product, and a copy of the host's memory ---- */

enum { SIDE = 256 };

static tas_status go_reference_fma(const run *r, uint32_t turns)
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

static tas_status go_reference_copy(const run *r, uint32_t turns)
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
    run fma = {.device = device, .go = go_reference_fma, .work = 2.0 * SIDE * SIDE * SIDE};
    run copy = {.device = device, .go = go_reference_copy, .work = 2.0 * (64 << 20)};
    tas_status status = driver->alloc(device, 4 * SIDE * SIDE * sizeof(float), &fma.a);
    if (!status) status = driver->alloc(device, device_scratch(device, &args), &fma.b);
    if (!status) status = driver->alloc(device, 64 << 20, &copy.a);
    if (!status) status = driver->alloc(device, 2 * (64 << 20), &copy.b);
    if (!status) status = driver->zero(device, &fma.a);
    if (!status) status = driver->zero(device, &copy.a);
    if (!status) status = best_rate(&fma, gflops);
    if (!status) status = best_rate(&copy, gbytes_s);
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
    tas_status status;
    if (device->cl) {
        status = benchmark_fma(device, &gflops);
        if (!status) status = benchmark_copy(device, &gbytes_s);
    } else {
        status = benchmark_reference(device, &gflops, &gbytes_s);
    }
    if (!status) {
        device->info.fma_gflops = gflops;
        device->info.copy_gbytes_s = gbytes_s;
        *info = device->info;
    }
    entry_end(&saved);
    return status;
}
