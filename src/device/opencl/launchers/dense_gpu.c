/* Launches of the dense layer's products on GPUs: cl/dense_gpu.cl. A group computes a block of sums through local
 * memory. Which block follows from the device's limits; the sums, and so the bits, are the same. */
#include "device/opencl/launchers/launchers.h"
#include "device/opencl/launchers/sum_examples.h"

#include "ops/dense.h"

typedef struct block {
    uint32_t edge, items_x, items_y;
} block;

/* By size. If groups may be large, those of the smallest block are large too: a small layer has few other work-items.
 */
static const block blocks[] = {{64, 16, 16}, {32, 8, 8}, {16, 16, 16}, /* or, of smaller groups, */
                               {32, 8, 8},   {32, 8, 4}, {16, 4, 4}};
enum { BLOCKS = sizeof blocks / sizeof *blocks, LARGE_BLOCKS = 3 };

/* The end of the part of the list that the device uses. */
static int blocks_end(const tas_device *device)
{
    return ((opencl_device *)device->cl)->dense_block < LARGE_BLOCKS ? LARGE_BLOCKS : BLOCKS;
}

/* The block for `depth` matrices of sums (rows, cols): the largest that the device can run, or a smaller one if there
 * would be too few groups to fill its units. */
static block choose_block(const tas_device *device, uint32_t rows, uint32_t cols, uint32_t depth)
{
    int i = ((opencl_device *)device->cl)->dense_block;
    if (device->variant >= 0) return blocks[i + device->variant];
    const size_t wanted = 2 * (size_t)device->info.compute_units;
    while (i < blocks_end(device) - 1 &&
           block_count(rows, blocks[i].edge) * block_count(cols, blocks[i].edge) * depth < wanted)
        i++;
    return blocks[i];
}

static tas_status get_kernel(tas_device *device, block b, const char *name, cl_kernel *out)
{
    char options[64];
    snprintf(options, sizeof options, "-D BLOCK=%u -D ITEMS_X=%u -D ITEMS_Y=%u", b.edge, b.items_x, b.items_y);
    return program_get_kernel(device, "dense_gpu", name, options, out);
}

/* Whether every product with this block runs in groups of its size: a kernel may allow less than the device does. */
static tas_status check_block(tas_device *device, block b, bool *fits)
{
    static const char *const names[] = {"dense_forward", "dense_backward_input", "dense_backward_weights"};
    const uint32_t items = b.items_x * b.items_y;
    *fits = items <= device->info.max_group;
    for (int i = 0; i < 3 && *fits; i++) {
        cl_kernel kernel;
        tas_status status = get_kernel(device, b, names[i], &kernel);
        if (!status) status = program_check_group(device, kernel, items, fits);
        if (status) return status;
    }
    return TAS_OK;
}

/* The largest block that fits, or the smallest if none is known to. */
static tas_status find_first_block(tas_device *device)
{
    opencl_device *cl = device->cl;
    for (cl->dense_block = 0; cl->dense_block < BLOCKS - 1; cl->dense_block += cl->dense_block ? 1 : LARGE_BLOCKS) {
        bool fits;
        tas_status status = check_block(device, blocks[cl->dense_block], &fits);
        if (status || fits) return status;
    }
    return TAS_OK;
}

tas_status dense_gpu_choose_blocks(tas_device *device)
{
    tas_status status = find_first_block(device);
    for (int op = OP_DENSE_FORWARD; op <= OP_DENSE_BACKWARD_BIAS; op++)
        device->variants[op] = blocks_end(device) - ((opencl_device *)device->cl)->dense_block;
    return status;
}

/* Blocks that cover `depth` matrices of sums (rows, cols). */
static launch_range blocks_range(block b, uint32_t rows, uint32_t cols, uint32_t depth)
{
    return (launch_range){
        .global = {block_count(cols, b.edge) * b.items_x, block_count(rows, b.edge) * b.items_y, depth},
        .local = {b.items_x, b.items_y, 1}};
}

/* Without a bias, any other buffer stands in its place. */
static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const bool biased = a->op == OP_DENSE_FORWARD;
    const block b = choose_block(device, a->n, a->size[DENSE_OUTPUTS], 1);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, b, "dense_forward", &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[biased ? 2 : 1]), A_MEM(&m[biased ? 3 : 2]), A_U32(a->n),
             A_U32(a->size[DENSE_INPUTS]), A_U32(a->size[DENSE_OUTPUTS]), A_U32(biased));
    return launch_kernel(device, kernel, blocks_range(b, a->n, a->size[DENSE_OUTPUTS], 1), &args);
}

static tas_status backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const block b = choose_block(device, a->n, a->size[DENSE_INPUTS], 1);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, b, "dense_backward_input", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->n), A_U32(a->size[DENSE_INPUTS]),
                                  A_U32(a->size[DENSE_OUTPUTS]));
    return launch_kernel(device, kernel, blocks_range(b, a->n, a->size[DENSE_INPUTS], 1), &args);
}

static uint64_t weights_of(const op_args *a) { return (uint64_t)a->size[DENSE_OUTPUTS] * a->size[DENSE_INPUTS]; }

static tas_status weights_pass(tas_device *device, const op_args *a, const mem *m, const granule_pass *p)
{
    const block b = choose_block(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS], p->granules);
    launch_args args = ARGS(A_MEM(&m[1]), A_MEM(&m[0]), A_MEM(p->partial), A_MEM(p->to), A_U32(a->n),
                            A_U32(a->size[DENSE_INPUTS]), A_U32(a->size[DENSE_OUTPUTS]));
    cl_kernel kernel;
    tas_status status = get_kernel(device, b, "dense_backward_weights", &kernel);
    if (status) return status;
    sum_examples_add_pass(&args, p);
    return launch_kernel(device, kernel, blocks_range(b, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS], p->granules),
                         &args);
}

static tas_status backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const example_sums sums = {weights_of(a), a->size[DENSE_GRANULE], &m[2], &m[3]};
    return sum_examples_run(device, a, &sums, m, scratch, weights_pass);
}

static uint64_t weights_scratch(tas_device *device, const op_args *a)
{
    return sum_examples_scratch(device, a, weights_of(a), a->size[DENSE_GRANULE]);
}

static tas_status bias_pass(tas_device *device, const op_args *a, const mem *m, const granule_pass *p)
{
    return sum_examples_bias(device, a, a->size[DENSE_OUTPUTS], 1, m, p);
}

static tas_status backward_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const example_sums sums = {a->size[DENSE_OUTPUTS], a->size[DENSE_GRANULE], &m[1], &m[2]};
    return sum_examples_run(device, a, &sums, m, scratch, bias_pass);
}

static uint64_t bias_scratch(tas_device *device, const op_args *a)
{
    return sum_examples_scratch(device, a, a->size[DENSE_OUTPUTS], a->size[DENSE_GRANULE]);
}

const launcher dense_gpu_launchers[] = {
    {OP_DENSE_FORWARD, forward, NULL},
    {OP_DENSE_FORWARD_NO_BIAS, forward, NULL},
    {OP_DENSE_BACKWARD_INPUT, backward_input, NULL},
    {OP_DENSE_BACKWARD_WEIGHTS, backward_weights, weights_scratch},
    {OP_DENSE_BACKWARD_BIAS, backward_bias, bias_scratch},
    {0},
};
