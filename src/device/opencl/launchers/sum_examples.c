/* Waves of granules, and launches of cl/sum_examples.cl. */
#include "device/opencl/launchers/sum_examples.h"

enum {
    SCRATCH_MOST = 16 << 20, /* bytes that the sums of a pass may take, if there is more than one granule */
    OUTPUTS = 16,            /* of a work-group, as in cl/sum_examples.cl */
};

static tas_status get_kernel(tas_device *device, const char *name, cl_kernel *out)
{
    char options[32];
    snprintf(options, sizeof options, "-D GROUP=%u", ((struct cl_device *)device->cl)->group);
    return cl_get_kernel(device, "sum_examples", name, options, out);
}

/* The granules of a pass: no more than a tile may touch, whatever its place in the batch. */
static uint32_t granules_most(tas_device *device, const op_args *a, uint64_t count, uint32_t granule)
{
    const uint64_t touched = cl_blocks((uint64_t)a->n + granule - 1, granule);
    const uint64_t room = SCRATCH_MOST / (count * sizeof(float));
    const uint64_t most = device_limit(device, room ? room : 1, 1);
    return (uint32_t)(touched < most ? touched : most);
}

uint64_t sum_examples_scratch(tas_device *device, const op_args *a, uint64_t count, uint32_t granule)
{
    return granule ? granules_most(device, a, count, granule) * count * sizeof(float) : 0;
}

static tas_status add_granules(tas_device *device, const op_args *a, const cl_sums *s, const granule_pass *w,
                               bool left_open)
{
    const struct cl_device *cl = device->cl;
    cl_kernel kernel;
    tas_status status = get_kernel(device, "add_granules", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(w->to),
                           A_MEM(s->total),
                           A_MEM(s->partial),
                           A_U32((uint32_t)s->count),
                           A_U32(w->granules - left_open),
                           A_U32(a->first + w->from == w->within), /* the batch begins here */
                           A_U32(left_open)};
    return cl_launch(device, kernel, cl_line(cl->group, s->count), 7, args);
}

tas_status cl_sum_examples(tas_device *device, const op_args *a, const cl_sums *s, const mem *m, const mem *scratch,
                           launch_granule_pass launch)
{
    const uint32_t granule = s->granule;
    if (!granule) { /* one chain, which goes on in the total */
        const granule_pass all = {0, 0, a->n, 1, a->first > 0, s->total, s->total};
        return launch(device, a, m, &all);
    }
    const uint32_t most = granules_most(device, a, s->count, granule);
    for (uint32_t from = 0; from < a->n;) {
        granule_pass w = {.from = from, .granule = granule, .partial = s->partial, .to = scratch};
        w.within = (a->first + from) % granule;
        w.begun = w.within > 0;
        const uint64_t left = cl_blocks((uint64_t)w.within + a->n - from, granule);
        w.granules = left < most ? (uint32_t)left : most;
        const uint64_t end = (uint64_t)from + (uint64_t)w.granules * granule - w.within;
        from = end < a->n ? (uint32_t)end : a->n;
        const bool left_open = (a->first + from) % granule && a->first + from < a->batch;
        tas_status status = launch(device, a, m, &w);
        if (!status) status = add_granules(device, a, s, &w, left_open);
        if (status) return status;
    }
    return TAS_OK;
}

int sum_examples_put(cl_arg *args, int count, const granule_pass *w)
{
    args[count++] = A_U32(w->from);
    args[count++] = A_U32(w->within);
    args[count++] = A_U32(w->granule);
    args[count++] = A_U32(w->begun);
    return count;
}

tas_status sum_examples_bias(tas_device *device, const op_args *a, uint32_t outputs, uint32_t positions, const mem *m,
                             const granule_pass *w)
{
    const struct cl_device *cl = device->cl;
    cl_arg args[10] = {A_MEM(&m[0]), A_MEM(w->partial), A_MEM(w->to), A_U32(a->n), A_U32(outputs), A_U32(positions)};
    const cl_range range = {.global = {cl_blocks(outputs, OUTPUTS) * cl->group, w->granules, 1},
                            .local = {cl->group, 1, 1}};
    cl_kernel kernel;
    tas_status status = get_kernel(device, "backward_bias", &kernel);
    if (status) return status;
    return cl_launch(device, kernel, range, sum_examples_put(args, 6, w), args);
}
