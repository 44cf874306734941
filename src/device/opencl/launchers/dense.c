/* Launches of the dense layer's products on processors: cl/dense.cl and dense_few.cl. Those for GPUs are in
 * dense_gpu.c. A work-item is a group of its own and computes ROWS x PANEL sums in registers. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/dense.h"

enum {
    PACK_ROWS = 32, /* rows of dY that one work-item of dense_pack_columns packs */
    FEW = 4,        /* examples at most for the kernels of dense_few.cl */
    FEW_RUN = 64,   /* inputs of a work-item there */
};

/* Two vectors; one of 16 floats if a layer has no more outputs than that. */
uint32_t dense_weight_panel(tas_device *device, uint32_t rows, uint32_t cols)
{
    const uint32_t vec = opencl_vector_width(device);
    (void)cols;
    return vec == 16 && rows <= 16 ? 16 : 2 * vec;
}

/* Rows of a block. Sums, a row of weights and one value fill 16 registers. Machines with 16 floats per vector have
 * 32, but more than 8 rows are slower if they are 4096 bytes apart and share one set of an 8-way cache. */
static uint32_t rows_of_block(const tas_device *device) { return opencl_vector_width(device) == 16 ? 8 : 6; }

static tas_status get_kernel(tas_device *device, const op_args *a, const char *name, cl_kernel *out)
{
    const uint32_t panel = dense_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    char options[64];
    snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u -D ROWS=%u", opencl_vector_width(device), panel,
             rows_of_block(device));
    return program_get_kernel(device, "dense", name, options, out);
}

/* For up to FEW examples. */
static tas_status get_few(tas_device *device, const op_args *a, const char *name, cl_kernel *out)
{
    const uint32_t panel = dense_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    char options[64];
    snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u -D EXAMPLES=%d", opencl_vector_width(device), panel,
             a->n == 1 ? 1 : FEW);
    return program_get_kernel(device, "dense_few", name, options, out);
}

/* Without a bias, any other buffer stands in its place. */
static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const bool biased = a->op == OP_DENSE_FORWARD;
    const uint32_t panel = dense_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, a, "dense_forward", &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[biased ? 2 : 1]), A_MEM(&m[biased ? 3 : 2]), A_U32(a->n),
             A_U32(a->size[DENSE_INPUTS]), A_U32(a->size[DENSE_OUTPUTS]), A_U32(biased));
    return launch_kernel(
        device, kernel,
        launch_line(1, block_count(a->n, rows_of_block(device)) * block_count(a->size[DENSE_OUTPUTS], panel)), &args);
}

/* dY in panels of examples, transposed: the lanes of dense_backward_input are examples. */
static uint64_t input_scratch(tas_device *device, const op_args *a)
{
    if (a->n <= FEW) return 0;
    const uint32_t panel = dense_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    return block_count(a->n, panel) * panel * (uint64_t)a->size[DENSE_OUTPUTS] * sizeof(float);
}

static tas_status backward_input_few(tas_device *device, const op_args *a, const mem *m)
{
    cl_kernel kernel;
    tas_status status = get_few(device, a, "dense_backward_input_few", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->n), A_U32(a->size[DENSE_INPUTS]),
                                  A_U32(a->size[DENSE_OUTPUTS]));
    return launch_kernel(device, kernel,
                         launch_line(1, block_count(a->size[DENSE_INPUTS], opencl_vector_width(device))), &args);
}

static tas_status backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t panel = dense_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    cl_kernel pack, kernel;
    if (a->n <= FEW) return backward_input_few(device, a, m);
    tas_status status = get_kernel(device, a, "dense_pack_rows", &pack);
    if (!status) status = get_kernel(device, a, "dense_backward_input", &kernel);
    if (status) return status;
    const launch_args packing = ARGS(A_MEM(&m[0]), A_MEM(scratch), A_U32(a->n), A_U32(a->size[DENSE_OUTPUTS]));
    status = launch_kernel(
        device, pack, launch_line(1, block_count(a->n, panel) * block_count(a->size[DENSE_OUTPUTS], panel)), &packing);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(scratch), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->n), A_U32(a->size[DENSE_INPUTS]),
                                  A_U32(a->size[DENSE_OUTPUTS]));
    return launch_kernel(
        device, kernel,
        launch_line(1, block_count(a->size[DENSE_INPUTS], rows_of_block(device)) * block_count(a->n, panel)), &args);
}

/* dY in panels of outputs */
static uint64_t weights_scratch(tas_device *device, const op_args *a)
{
    if (a->n <= FEW) return 0;
    const uint32_t panel = dense_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    return block_count(a->size[DENSE_OUTPUTS], panel) * panel * (uint64_t)a->n * sizeof(float);
}

static tas_status backward_weights_few(tas_device *device, const op_args *a, const mem *m)
{
    const uint32_t panel = dense_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    cl_kernel kernel;
    tas_status status = get_few(device, a, "dense_backward_weights_few", &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[1]), A_MEM(&m[0]), A_MEM(&m[2]), A_MEM(&m[3]), A_U32(a->n), A_U32(a->size[DENSE_INPUTS]),
             A_U32(a->size[DENSE_OUTPUTS]), A_U32(a->first), A_U32(a->batch), A_U32(a->size[DENSE_GRANULE]));
    return launch_kernel(
        device, kernel,
        launch_single(block_count(a->size[DENSE_INPUTS], FEW_RUN), block_count(a->size[DENSE_OUTPUTS], panel), 1),
        &args);
}

static tas_status backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t panel = dense_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    cl_kernel pack, kernel;
    if (a->n <= FEW) return backward_weights_few(device, a, m);
    tas_status status = get_kernel(device, a, "dense_pack_columns", &pack);
    if (!status) status = get_kernel(device, a, "dense_backward_weights", &kernel);
    if (status) return status;
    const launch_args packing = ARGS(A_MEM(&m[1]), A_MEM(scratch), A_U32(a->n), A_U32(a->size[DENSE_OUTPUTS]));
    status = launch_kernel(device, pack,
                           launch_line(1, block_count(a->size[DENSE_OUTPUTS], panel) * block_count(a->n, PACK_ROWS)),
                           &packing);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(scratch), A_MEM(&m[0]), A_MEM(&m[2]), A_MEM(&m[3]), A_U32(a->n), A_U32(a->size[DENSE_INPUTS]),
             A_U32(a->size[DENSE_OUTPUTS]), A_U32(a->first), A_U32(a->batch), A_U32(a->size[DENSE_GRANULE]));
    return launch_kernel(device, kernel,
                         launch_line(1, block_count(a->size[DENSE_INPUTS], rows_of_block(device)) *
                                            block_count(a->size[DENSE_OUTPUTS], panel)),
                         &args);
}

static tas_status backward_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t panel = dense_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, a, "dense_backward_bias", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->n), A_U32(a->size[DENSE_OUTPUTS]),
                                  A_U32(a->first), A_U32(a->batch), A_U32(a->size[DENSE_GRANULE]));
    return launch_kernel(device, kernel, launch_line(1, block_count(a->size[DENSE_OUTPUTS], panel)), &args);
}

const launcher dense_launchers[] = {
    {OP_DENSE_FORWARD, forward, NULL},
    {OP_DENSE_FORWARD_NO_BIAS, forward, NULL},
    {OP_DENSE_BACKWARD_INPUT, backward_input, input_scratch},
    {OP_DENSE_BACKWARD_WEIGHTS, backward_weights, weights_scratch},
    {OP_DENSE_BACKWARD_BIAS, backward_bias, NULL},
    {0},
};
