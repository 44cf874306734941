/* Passes over granules, and launches of cl/sum_examples.cl. */
#include "device/opencl/launchers/sum_examples.h"

enum {
    SCRATCH_MOST = 16 << 20, /* bytes for the sums of a pass, if there is more than one granule */
    OUTPUTS = 16,            /* of a work-group, as in cl/sum_examples.cl */
};

static tas_status get_kernel(tas_device *device, const char *name, cl_kernel *out)
{
    char options[32];
    snprintf(options, sizeof options, "-D GROUP=%u", ((opencl_device *)device->cl)->group);
    return program_get_kernel(device, "sum_examples", name, options, out);
}

example_sums sum_examples_of(uint64_t count, uint32_t biases, uint32_t granule, const mem *operand)
{
    example_sums s = {.count = count, .granule = granule, .biases = biases};
    if (!operand) return s;
    s.total = &operand[0];
    s.partial = &operand[1];
    s.bias_total = &operand[biases ? 2 : 0];
    s.bias_partial = &operand[biases ? 3 : 1];
    return s;
}

/* From a granule's sums to the next one's: whole runs of 4 if there are biases, for kernels that store such runs. */
static uint64_t stride_of(const example_sums *s) { return s->biases ? (s->count + s->biases + 3) / 4 * 4 : s->count; }

/* The granules of a pass: no more than a tile can touch, whatever its place in the batch. */
static uint32_t granules_most(tas_device *device, const op_args *a, const example_sums *s)
{
    const uint64_t touched = block_count((uint64_t)a->n + s->granule - 1, s->granule);
    const uint64_t room = SCRATCH_MOST / (stride_of(s) * sizeof(float));
    const uint64_t most = device_limit(device, room ? room : 1, 1);
    return (uint32_t)(touched < most ? touched : most);
}

uint64_t sum_examples_scratch(tas_device *device, const op_args *a, const example_sums *s)
{
    return s->granule ? granules_most(device, a, s) * stride_of(s) * sizeof(float) : 0;
}

/* Adds the sums of a pass to the total; those of its last granule are kept apart if the granule goes on. */
static tas_status add_granules(tas_device *device, const op_args *a, const example_sums *s, const granule_pass *p,
                               bool goes_on)
{
    const opencl_device *cl = device->cl;
    const bool batch_begins = a->first + p->from == p->within;
    cl_kernel kernel;
    tas_status status = get_kernel(device, "add_granules", &kernel);
    if (status) return status;
    const uint64_t all = s->count + s->biases;
    const launch_args args = ARGS(A_MEM(p->to), A_MEM(s->total), A_MEM(s->partial), A_MEM(s->bias_total),
                                  A_MEM(s->bias_partial), A_U32((uint32_t)s->count), A_U32((uint32_t)all),
                                  A_U32(p->stride), A_U32(p->granules - goes_on), A_U32(batch_begins), A_U32(goes_on));
    return launch_kernel(device, kernel, launch_line(cl->group, all), &args);
}

/* The pass's sums are those of the total, or of the unfinished granule. */
static void sum_in_place(granule_pass *p, const example_sums *s, bool partial)
{
    p->to = partial ? s->partial : s->total;
    p->bias_to = partial ? s->bias_partial : s->bias_total;
    p->bias_at = 0;
}

/* A launch per pass, and one that adds what it leaves, unless a single granule needs no other memory. */
static tas_status run_pass(tas_device *device, const op_args *a, const example_sums *s, const mem *m, granule_pass *p,
                           granule_launch launch, uint32_t end)
{
    const bool goes_on = (a->first + end) % s->granule && a->first + end < a->batch;
    const bool alone = p->granules == 1 && (goes_on || a->first + p->from == p->within);
    if (alone) sum_in_place(p, s, goes_on);
    const tas_status status = launch(device, a, m, p);
    return status || alone ? status : add_granules(device, a, s, p, goes_on);
}

tas_status sum_examples_run(tas_device *device, const op_args *a, const example_sums *s, const mem *m,
                            const mem *scratch, granule_launch launch)
{
    const uint32_t granule = s->granule, biased = s->biases > 0;
    if (!granule) { /* one chain, which goes on in the total */
        const granule_pass all = {.granule = a->n,
                                  .granules = 1,
                                  .begun = a->first > 0,
                                  .partial = s->total,
                                  .to = s->total,
                                  .bias_partial = s->bias_total,
                                  .bias_to = s->bias_total,
                                  .biased = biased};
        return launch(device, a, m, &all);
    }
    const uint32_t most = granules_most(device, a, s);
    for (uint32_t from = 0; from < a->n;) {
        granule_pass p = {.from = from,
                          .granule = granule,
                          .partial = s->partial,
                          .to = scratch,
                          .bias_partial = s->bias_partial,
                          .bias_to = scratch,
                          .biased = biased,
                          .bias_at = (uint32_t)s->count,
                          .stride = (uint32_t)stride_of(s)};
        p.within = (a->first + from) % granule;
        p.begun = p.within > 0;
        const uint64_t left = block_count((uint64_t)p.within + a->n - from, granule);
        p.granules = left < most ? (uint32_t)left : most;
        const uint64_t end = (uint64_t)from + (uint64_t)p.granules * granule - p.within;
        from = end < a->n ? (uint32_t)end : a->n;
        const tas_status status = run_pass(device, a, s, m, &p, launch, from);
        if (status) return status;
    }
    return TAS_OK;
}

void sum_examples_add_pass(launch_args *args, const granule_pass *p)
{
    launch_add(args, A_U32(p->from));
    launch_add(args, A_U32(p->within));
    launch_add(args, A_U32(p->granule));
    launch_add(args, A_U32(p->begun));
}

void sum_examples_add_biases(launch_args *args, const granule_pass *p)
{
    launch_add(args, A_MEM(p->bias_partial));
    launch_add(args, A_MEM(p->bias_to));
    launch_add(args, A_U32(p->biased));
    launch_add(args, A_U32(p->bias_at));
    launch_add(args, A_U32(p->stride));
}

tas_status sum_examples_bias(tas_device *device, const op_args *a, uint32_t outputs, uint32_t positions, const mem *m,
                             const granule_pass *p)
{
    const opencl_device *cl = device->cl;
    launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(p->partial), A_MEM(p->to), A_U32(a->n), A_U32(outputs), A_U32(positions));
    const launch_range range = {.global = {block_count(outputs, OUTPUTS) * cl->group, p->granules, 1},
                                .local = {cl->group, 1, 1}};
    cl_kernel kernel;
    tas_status status = get_kernel(device, "backward_bias", &kernel);
    if (status) return status;
    sum_examples_add_pass(&args, p);
    return launch_kernel(device, kernel, range, &args);
}
