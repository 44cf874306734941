/* Launches of the dense layer's products on GPUs: cl/dense_gpu.cl. */
#include "device/opencl/launchers/blocks.h"
#include "device/opencl/launchers/launchers.h"
#include "device/opencl/launchers/sum_examples.h"

#include "ops/dense.h"

/* Those of large groups, and of small ones. The groups of a small block are large, too, where they may be: a small
 * layer has few other work-items. */
static const block blocks[] = {{128, 128, 16, 16, 8}, {128, 64, 16, 16, 8}, {64, 64, 16, 16, 16},
                               {64, 64, 8, 16, 8},    {32, 32, 16, 16, 16}, {32, 32, 8, 8, 8},
                               {16, 16, 16, 16, 16},  {32, 32, 8, 4, 8},    {16, 16, 4, 4, 8}};
static const block_table table = {
    .program = "dense_gpu", .blocks = blocks, .count = sizeof blocks / sizeof *blocks, .left = 4, .right = 4};

void dense_gpu_install_blocks(tas_device *device)
{
    blocks_install(device, &table, OP_DENSE_FORWARD, OP_DENSE_BACKWARD_PARAMETERS);
}

/* Without a bias, any other buffer stands in its place. */
static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const bool biased = a->op == OP_DENSE_FORWARD;
    const product p = {a->n, a->size[DENSE_OUTPUTS], 1};
    block b;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = blocks_get_kernel(device, a, "dense_forward", p, &b, &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[biased ? 2 : 1]), A_MEM(&m[biased ? 3 : 2]), A_U32(a->n),
             A_U32(a->size[DENSE_INPUTS]), A_U32(a->size[DENSE_OUTPUTS]), A_U32(biased), A_LEAST(a));
    return launch_kernel(device, kernel, blocks_range(b, p, 1), &args);
}

static tas_status backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const product p = {a->n, a->size[DENSE_INPUTS], 1};
    block b;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = blocks_get_kernel(device, a, "dense_backward_input", p, &b, &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MASK(a, m), A_U32(a->n),
                                  A_U32(a->size[DENSE_INPUTS]), A_U32(a->size[DENSE_OUTPUTS]), A_U32(a->masked));
    return launch_kernel(device, kernel, blocks_range(b, p, 1), &args);
}

static uint64_t weights_of(const op_args *a) { return (uint64_t)a->size[DENSE_OUTPUTS] * a->size[DENSE_INPUTS]; }

static tas_status weights_pass(tas_device *device, const op_args *a, const mem *m, const granule_pass *g)
{
    const product p = {a->size[DENSE_OUTPUTS], (uint64_t)a->size[DENSE_INPUTS] + g->biased, g->granules};
    launch_args args = ARGS(A_MEM(&m[1]), A_MEM(&m[0]), A_MEM(g->partial), A_MEM(g->to), A_U32(a->n),
                            A_U32(a->size[DENSE_INPUTS]), A_U32(a->size[DENSE_OUTPUTS]));
    block b;
    cl_kernel kernel;
    tas_status status = blocks_get_kernel(device, a, "dense_backward_weights", p, &b, &kernel);
    if (status) return status;
    sum_examples_add_pass(&args, g);
    sum_examples_add_biases(&args, g);
    return launch_kernel(device, kernel, blocks_range(b, p, g->granules), &args);
}

static example_sums sums_of(const op_args *a, const mem *operand)
{
    const uint32_t biases = a->op == OP_DENSE_BACKWARD_PARAMETERS ? a->size[DENSE_OUTPUTS] : 0;
    return sum_examples_of(weights_of(a), biases, a->size[DENSE_GRANULE], operand);
}

static example_sums bias_sums_of(const op_args *a, const mem *operand)
{
    return sum_examples_of(a->size[DENSE_OUTPUTS], 0, a->size[DENSE_GRANULE], operand);
}

static tas_status backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const example_sums sums = sums_of(a, &m[2]);
    return sum_examples_run(device, a, &sums, m, scratch, weights_pass);
}

static uint64_t weights_scratch(tas_device *device, const op_args *a)
{
    const example_sums sums = sums_of(a, NULL);
    return sum_examples_scratch(device, a, &sums);
}

static tas_status bias_pass(tas_device *device, const op_args *a, const mem *m, const granule_pass *p)
{
    return sum_examples_bias(device, a, a->size[DENSE_OUTPUTS], 1, m, p);
}

static tas_status backward_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const example_sums sums = bias_sums_of(a, &m[1]);
    return sum_examples_run(device, a, &sums, m, scratch, bias_pass);
}

static uint64_t bias_scratch(tas_device *device, const op_args *a)
{
    const example_sums sums = bias_sums_of(a, NULL);
    return sum_examples_scratch(device, a, &sums);
}

const launcher dense_gpu_launchers[] = {
    {OP_DENSE_FORWARD, forward, NULL},
    {OP_DENSE_FORWARD_NO_BIAS, forward, NULL},
    {OP_DENSE_BACKWARD_INPUT, backward_input, NULL},
    {OP_DENSE_BACKWARD_WEIGHTS, backward_weights, weights_scratch},
    {OP_DENSE_BACKWARD_PARAMETERS, backward_weights, weights_scratch},
    {OP_DENSE_BACKWARD_BIAS, backward_bias, bias_scratch},
    {0},
};
