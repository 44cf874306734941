/* Launches of the dense layer's products: cl/dense.cl on processors, cl/dense_gpu.cl elsewhere. Which one, and its
 * blocks, follow from the device's type and limits; the sums, and so the bits, are the same. */
#include "device/opencl/launchers/sum_examples.h"

#include "ops/dense.h"

/* On processors ------------------------------------------------------------------------------------------------------
 * A work-item is a group of its own and computes ROWS x PANEL sums in registers. */

enum { PACK_ROWS = 32 }; /* rows of dY that one work-item of dense_pack_columns packs */

/* Two vectors; one of 16 lanes where a layer has no more outputs than that. */
static uint32_t cpu_panel(tas_device *device, uint32_t rows, uint32_t cols)
{
    const uint32_t vec = cl_vector(device);
    (void)cols;
    return vec == 16 && rows <= 16 ? 16 : 2 * vec;
}

/* Rows of a block: sums, a row of weights and one value fill 16 registers; machines of 16 lanes have 32, but more than
 * 8 rows lose where they lie 4096 bytes apart and share one set of an 8-way cache. */
static uint32_t cpu_rows(const tas_device *device) { return cl_vector(device) == 16 ? 8 : 6; }

static tas_status cpu_kernel(tas_device *device, const op_args *a, const char *name, cl_kernel *out)
{
    const uint32_t panel = cpu_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    char options[64];
    snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u -D ROWS=%u", cl_vector(device), panel, cpu_rows(device));
    return cl_get_kernel(device, "dense", name, options, out);
}

static tas_status cpu_forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t panel = cpu_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = cpu_kernel(device, a, "dense_forward", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),
                           A_MEM(&m[1]),
                           A_MEM(&m[2]),
                           A_MEM(&m[3]),
                           A_U32(a->n),
                           A_U32(a->size[DENSE_INPUTS]),
                           A_U32(a->size[DENSE_OUTPUTS])};
    return cl_launch(device, kernel,
                     cl_line(1, cl_blocks(a->n, cpu_rows(device)) * cl_blocks(a->size[DENSE_OUTPUTS], panel)), 7, args);
}

/* dY in panels of examples, transposed: the lanes of dense_backward_input are examples. */
static uint64_t cpu_input_scratch(tas_device *device, const op_args *a)
{
    const uint32_t panel = cpu_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    return cl_blocks(a->n, panel) * panel * (uint64_t)a->size[DENSE_OUTPUTS] * sizeof(float);
}

static tas_status cpu_backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t panel = cpu_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    cl_kernel pack, kernel;
    tas_status status = cpu_kernel(device, a, "dense_pack_rows", &pack);
    if (!status) status = cpu_kernel(device, a, "dense_backward_input", &kernel);
    if (status) return status;
    const cl_arg packing[] = {A_MEM(&m[0]), A_MEM(scratch), A_U32(a->n), A_U32(a->size[DENSE_OUTPUTS])};
    status = cl_launch(device, pack, cl_line(1, cl_blocks(a->n, panel) * cl_blocks(a->size[DENSE_OUTPUTS], panel)), 4,
                       packing);
    if (status) return status;
    const cl_arg args[] = {A_MEM(scratch),
                           A_MEM(&m[1]),
                           A_MEM(&m[2]),
                           A_U32(a->n),
                           A_U32(a->size[DENSE_INPUTS]),
                           A_U32(a->size[DENSE_OUTPUTS])};
    return cl_launch(device, kernel,
                     cl_line(1, cl_blocks(a->size[DENSE_INPUTS], cpu_rows(device)) * cl_blocks(a->n, panel)), 6, args);
}

/* dY in panels of outputs */
static uint64_t cpu_weights_scratch(tas_device *device, const op_args *a)
{
    const uint32_t panel = cpu_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    return cl_blocks(a->size[DENSE_OUTPUTS], panel) * panel * (uint64_t)a->n * sizeof(float);
}

static tas_status cpu_backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t panel = cpu_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    cl_kernel pack, kernel;
    tas_status status = cpu_kernel(device, a, "dense_pack_columns", &pack);
    if (!status) status = cpu_kernel(device, a, "dense_backward_weights", &kernel);
    if (status) return status;
    const cl_arg packing[] = {A_MEM(&m[1]), A_MEM(scratch), A_U32(a->n), A_U32(a->size[DENSE_OUTPUTS])};
    status = cl_launch(device, pack, cl_line(1, cl_blocks(a->size[DENSE_OUTPUTS], panel) * cl_blocks(a->n, PACK_ROWS)),
                       4, packing);
    if (status) return status;
    const cl_arg args[] = {A_MEM(scratch),
                           A_MEM(&m[0]),
                           A_MEM(&m[2]),
                           A_MEM(&m[3]),
                           A_U32(a->n),
                           A_U32(a->size[DENSE_INPUTS]),
                           A_U32(a->size[DENSE_OUTPUTS]),
                           A_U32(a->first),
                           A_U32(a->batch),
                           A_U32(a->size[DENSE_GRANULE])};
    return cl_launch(
        device, kernel,
        cl_line(1, cl_blocks(a->size[DENSE_INPUTS], cpu_rows(device)) * cl_blocks(a->size[DENSE_OUTPUTS], panel)), 10,
        args);
}

static tas_status cpu_backward_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t panel = cpu_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = cpu_kernel(device, a, "dense_backward_bias", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),
                           A_MEM(&m[1]),
                           A_MEM(&m[2]),
                           A_U32(a->n),
                           A_U32(a->size[DENSE_OUTPUTS]),
                           A_U32(a->first),
                           A_U32(a->batch),
                           A_U32(a->size[DENSE_GRANULE])};
    return cl_launch(device, kernel, cl_line(1, cl_blocks(a->size[DENSE_OUTPUTS], panel)), 8, args);
}

/* On GPUs ------------------------------------------------------------------------------------------------------------
 * A group computes a tile of sums through local memory. */

typedef struct gpu_tile {
    uint32_t tile, items_x, items_y;
} gpu_tile;

/* By size. Where groups may be large, those of the smallest tile are so too: a small layer has few other work-items. */
static const gpu_tile gpu_tiles[] = {{64, 16, 16}, {32, 8, 8}, {16, 16, 16}, /* or, of smaller groups, */
                                     {32, 8, 8},   {32, 8, 4}, {16, 4, 4}};
enum { GPU_TILES = sizeof gpu_tiles / sizeof *gpu_tiles, GPU_LARGE = 3 };

/* The end of the list that the device takes. */
static int gpu_tiles_end(const tas_device *device)
{
    return ((struct cl_device *)device->cl)->gpu_tile < GPU_LARGE ? GPU_LARGE : GPU_TILES;
}

/* The tile for `depth` matrices of sums (rows, cols): the largest that the device takes, or a smaller one where there
 * would be too few groups to fill its units. */
static gpu_tile gpu_tile_of(const tas_device *device, uint32_t rows, uint32_t cols, uint32_t depth)
{
    int i = ((struct cl_device *)device->cl)->gpu_tile;
    if (device->variant >= 0) return gpu_tiles[i + device->variant];
    const size_t wanted = 2 * (size_t)device->info.compute_units;
    while (i < gpu_tiles_end(device) - 1 &&
           cl_blocks(rows, gpu_tiles[i].tile) * cl_blocks(cols, gpu_tiles[i].tile) * depth < wanted)
        i++;
    return gpu_tiles[i];
}

static tas_status gpu_kernel(tas_device *device, gpu_tile t, const char *name, cl_kernel *out)
{
    char options[64];
    snprintf(options, sizeof options, "-D TILE=%u -D ITEMS_X=%u -D ITEMS_Y=%u", t.tile, t.items_x, t.items_y);
    return cl_get_kernel(device, "dense_gpu", name, options, out);
}

/* Whether every product of this tile runs in groups of its size: what a kernel allows may be less than what the device
 * says (pitfall 7), so the kernels are asked. */
static tas_status gpu_tile_fits(tas_device *device, bool *fits)
{
    static const char *const names[] = {"dense_forward", "dense_backward_input", "dense_backward_weights"};
    const struct cl_device *cl = device->cl;
    const gpu_tile t = gpu_tiles[cl->gpu_tile];
    *fits = t.items_x * t.items_y <= device->info.max_group;
    for (int i = 0; i < 3 && *fits; i++) {
        cl_kernel kernel;
        size_t most = 0;
        tas_status status = gpu_kernel(device, t, names[i], &kernel);
        if (status) return status;
        cl_int error = clGetKernelWorkGroupInfo(kernel, cl->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
        if (error) return cl_fail(device, error, "clGetKernelWorkGroupInfo");
        *fits = t.items_x * t.items_y <= most;
    }
    return TAS_OK;
}

/* The largest tile that fits; the smallest where none says so. */
static tas_status gpu_choose_tile(tas_device *device)
{
    struct cl_device *cl = device->cl;
    for (cl->gpu_tile = 0; cl->gpu_tile < GPU_TILES - 1; cl->gpu_tile += cl->gpu_tile ? 1 : GPU_LARGE) {
        bool fits;
        tas_status status = gpu_tile_fits(device, &fits);
        if (status || fits) return status;
    }
    return TAS_OK;
}

/* Tiles over `depth` matrices of sums (rows, cols). */
static cl_range gpu_range(gpu_tile t, uint32_t rows, uint32_t cols, uint32_t depth)
{
    return (cl_range){.global = {cl_blocks(cols, t.tile) * t.items_x, cl_blocks(rows, t.tile) * t.items_y, depth},
                      .local = {t.items_x, t.items_y, 1}};
}

static tas_status gpu_forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const gpu_tile t = gpu_tile_of(device, a->n, a->size[DENSE_OUTPUTS], 1);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = gpu_kernel(device, t, "dense_forward", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),
                           A_MEM(&m[1]),
                           A_MEM(&m[2]),
                           A_MEM(&m[3]),
                           A_U32(a->n),
                           A_U32(a->size[DENSE_INPUTS]),
                           A_U32(a->size[DENSE_OUTPUTS])};
    return cl_launch(device, kernel, gpu_range(t, a->n, a->size[DENSE_OUTPUTS], 1), 7, args);
}

static tas_status gpu_backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const gpu_tile t = gpu_tile_of(device, a->n, a->size[DENSE_INPUTS], 1);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = gpu_kernel(device, t, "dense_backward_input", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),
                           A_MEM(&m[1]),
                           A_MEM(&m[2]),
                           A_U32(a->n),
                           A_U32(a->size[DENSE_INPUTS]),
                           A_U32(a->size[DENSE_OUTPUTS])};
    return cl_launch(device, kernel, gpu_range(t, a->n, a->size[DENSE_INPUTS], 1), 6, args);
}

static uint64_t weights_of(const op_args *a) { return (uint64_t)a->size[DENSE_OUTPUTS] * a->size[DENSE_INPUTS]; }

static tas_status gpu_weights_pass(tas_device *device, const op_args *a, const mem *m, const granule_pass *w)
{
    const gpu_tile t = gpu_tile_of(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS], w->granules);
    cl_arg args[11] = {A_MEM(&m[1]),
                       A_MEM(&m[0]),
                       A_MEM(w->partial),
                       A_MEM(w->to),
                       A_U32(a->n),
                       A_U32(a->size[DENSE_INPUTS]),
                       A_U32(a->size[DENSE_OUTPUTS])};
    cl_kernel kernel;
    tas_status status = gpu_kernel(device, t, "dense_backward_weights", &kernel);
    if (status) return status;
    return cl_launch(device, kernel, gpu_range(t, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS], w->granules),
                     sum_examples_put(args, 7, w), args);
}

static tas_status gpu_backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const cl_sums sums = {weights_of(a), a->size[DENSE_GRANULE], &m[2], &m[3]};
    return cl_sum_examples(device, a, &sums, m, scratch, gpu_weights_pass);
}

static uint64_t gpu_weights_scratch(tas_device *device, const op_args *a)
{
    return sum_examples_scratch(device, a, weights_of(a), a->size[DENSE_GRANULE]);
}

static tas_status gpu_bias_pass(tas_device *device, const op_args *a, const mem *m, const granule_pass *w)
{
    return sum_examples_bias(device, a, a->size[DENSE_OUTPUTS], 1, m, w);
}

static tas_status gpu_backward_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const cl_sums sums = {a->size[DENSE_OUTPUTS], a->size[DENSE_GRANULE], &m[1], &m[2]};
    return cl_sum_examples(device, a, &sums, m, scratch, gpu_bias_pass);
}

static uint64_t gpu_bias_scratch(tas_device *device, const op_args *a)
{
    return sum_examples_scratch(device, a, a->size[DENSE_OUTPUTS], a->size[DENSE_GRANULE]);
}

tas_status cl_override_dense(tas_device *device)
{
    const struct cl_device *cl = device->cl;
    device->weight_panel = cl->cpu ? cpu_panel : NULL;
    device->launch[OP_DENSE_FORWARD] = cl->cpu ? cpu_forward : gpu_forward;
    device->launch[OP_DENSE_BACKWARD_INPUT] = cl->cpu ? cpu_backward_input : gpu_backward_input;
    device->launch[OP_DENSE_BACKWARD_WEIGHTS] = cl->cpu ? cpu_backward_weights : gpu_backward_weights;
    device->launch[OP_DENSE_BACKWARD_BIAS] = cl->cpu ? cpu_backward_bias : gpu_backward_bias;
    device->scratch[OP_DENSE_BACKWARD_INPUT] = cl->cpu ? cpu_input_scratch : NULL;
    device->scratch[OP_DENSE_BACKWARD_WEIGHTS] = cl->cpu ? cpu_weights_scratch : gpu_weights_scratch;
    device->scratch[OP_DENSE_BACKWARD_BIAS] = cl->cpu ? NULL : gpu_bias_scratch;
    tas_status status = cl->cpu ? TAS_OK : gpu_choose_tile(device);
    for (int op = OP_DENSE_FORWARD; op <= OP_DENSE_BACKWARD_BIAS; op++)
        device->variants[op] = cl->cpu ? 0 : gpu_tiles_end(device) - cl->gpu_tile;
    return status;
}
