/* The rates of an OpenCL device, by kernels of cl/benchmark.cl. */
#include "device/benchmark.h"

#include "device/opencl/errors.h"
#include "device/opencl/launch.h"

enum {
    CHAINS = 8,
    UNROLLED = 8,
    RUN = 8, /* as in cl/benchmark.cl */
};

typedef struct run {
    benchmark of; /* first, so that its address is the run's */
    cl_kernel kernel;
    launch_range range;
    uint32_t vectors;
} run;

static tas_status get_kernel(tas_device *device, const char *name, uint32_t *width, uint32_t *group, cl_kernel *out)
{
    const opencl_device *cl = device->cl;
    char options[64];
    *width = cl->cpu ? opencl_vector_width(device) : 1; /* else the driver makes vectors of neighboring work-items */
    *group = cl->cpu ? 1 : cl->group;
    snprintf(options, sizeof options, "-D GROUP=%u -D VEC=%u", *group, *width);
    return program_get_kernel(device, "benchmark", name, options, out);
}

static tas_status go_fma(const benchmark *of, uint32_t turns)
{
    const run *r = (const run *)(const void *)of;
    const launch_args args =
        ARGS(A_MEM(&r->of.a), A_U32(turns), A_F32(0.75f), A_F32(0.5f)); /* goes to 2, whatever the start */
    return launch_kernel(r->of.device, r->kernel, r->range, &args);
}

static tas_status benchmark_fma(tas_device *device, double *gflops)
{
    const opencl_device *cl = device->cl;
    run r = {.of = {.device = device, .go = go_fma}};
    uint32_t width, group;
    tas_status status = get_kernel(device, "fma_rate", &width, &group, &r.kernel);
    if (status) return status;
    const uint32_t units = device->info.compute_units ? device->info.compute_units : 1;
    const uint32_t items = cl->cpu ? 4 * units * group : 32 * units * group; /* on GPUs, enough to fill every unit */
    r.range = launch_line(group, items);
    r.of.work = 2.0 * CHAINS * UNROLLED * (double)width * items;
    status = device->driver->alloc(device, (uint64_t)items * width * sizeof(float), &r.of.a); /* not of the ledger */
    if (status) return status;
    status = benchmark_rate(&r.of, gflops);
    device->driver->release(device, &r.of.a);
    return status;
}

static tas_status go_copy_kernel(const benchmark *of, uint32_t turns)
{
    const run *r = (const run *)(const void *)of;
    const launch_args args = ARGS(A_MEM(&r->of.a), A_MEM(&r->of.b), A_U32(r->vectors));
    tas_status status = TAS_OK;
    for (uint32_t i = 0; i < turns && !status; i++) status = launch_kernel(r->of.device, r->kernel, r->range, &args);
    return status;
}

static tas_status go_copy_command(const benchmark *r, uint32_t turns)
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
    r->of.work = 2.0 * sizeof(float) * width * vectors;
    r->of.go = go_copy_kernel;
}

/* The better of a kernel and the driver's own command. If a small part shows that the kernel would take long
 * (simulators), only the command. */
static tas_status copy_rates(run *r, uint32_t width, uint32_t group, double *gbytes_s)
{
    enum { PARTS = 1024 };
    double by_kernel = 0, by_command = 0, seconds = 0;
    const uint64_t bytes = r->of.a.bytes;
    const uint32_t all = (uint32_t)(bytes / sizeof(float) / width);
    set_part(r, width, group, all / PARTS);
    tas_status status = benchmark_time(&r->of, 1, &seconds);
    if (!status) status = benchmark_time(&r->of, 1, &seconds); /* the first may have built something */
    if (!status && seconds * PARTS < benchmark_most) {
        set_part(r, width, group, all);
        status = benchmark_rate(&r->of, &by_kernel);
    }
    if (status) return status;
    r->of.work = 2.0 * (double)bytes;
    r->of.go = go_copy_command;
    status = benchmark_rate(&r->of, &by_command);
    *gbytes_s = by_kernel > by_command ? by_kernel : by_command;
    return status;
}

static tas_status benchmark_copy(tas_device *device, double *gbytes_s)
{
    run r = {.of.device = device};
    uint32_t width, group;
    uint64_t bytes = 64 << 20; /* well above caches */
    if (bytes > device->info.max_alloc_bytes / 10) bytes = device->info.max_alloc_bytes / 10 / 4096 * 4096;
    tas_status status = get_kernel(device, "copy_rate", &width, &group, &r.kernel);
    if (status) return status;
    status = device->driver->alloc(device, bytes, &r.of.a);
    if (!status) status = device->driver->alloc(device, bytes, &r.of.b);
    if (!status) status = device->driver->zero(device, &r.of.a); /* so that the pages are there */
    if (!status) status = device->driver->zero(device, &r.of.b);
    if (!status) status = copy_rates(&r, width, group, gbytes_s);
    if (r.of.b.cl) device->driver->release(device, &r.of.b);
    if (r.of.a.cl) device->driver->release(device, &r.of.a);
    return status;
}

tas_status benchmark_opencl(tas_device *device, double *gflops, double *gbytes_s)
{
    const tas_status status = benchmark_fma(device, gflops);
    return status ? status : benchmark_copy(device, gbytes_s);
}
