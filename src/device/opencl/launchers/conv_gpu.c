/* Launches of cl/conv_gpu.cl: convolutions on GPUs. Values are stored as rows (a panel is one example). */
#include "device/opencl/launchers/blocks.h"
#include "device/opencl/launchers/depthwise.h"
#include "device/opencl/launchers/launchers.h"
#include "device/opencl/launchers/sum_examples.h"

#include "ops/window.h"

/* The narrow blocks, for sums over examples: their columns are the taps and the bias, 10 to 28 in most first layers.
 * The columns of the other products are positions, of which there are plenty. */
enum { NARROW = 4 };
static const block blocks[] = {{32, 32, 8, 8, 8},   {16, 32, 8, 8, 16},   {32, 16, 4, 16, 16}, {16, 16, 4, 16, 16},
                               {64, 128, 16, 8, 8}, {64, 128, 16, 16, 8}, {32, 128, 16, 8, 8}, {64, 64, 16, 16, 8},
                               {32, 64, 16, 4, 8},  {16, 64, 16, 4, 8},   {4, 64, 64, 1, 16},  {16, 32, 8, 4, 8},
                               {16, 16, 4, 4, 8}};

/* Finding a load of the right side takes more steps: see load_right(). */
#define TABLE(first)                                                                                                   \
    {                                                                                                                  \
        .program = "conv_gpu", .blocks = blocks + (first), .count = sizeof blocks / sizeof *blocks - (first),          \
        .left = 7, .right = 12                                                                                         \
    }
static const block_table sums_over_examples = TABLE(0), other_products = TABLE(NARROW);

enum { DEPTH_MOST = 65535 }; /* work-groups in dimension 2, the most that GPUs accept */

void conv_gpu_install_blocks(tas_device *device)
{
    blocks_install(device, &other_products, OP_CONV_FORWARD, OP_CONV_BACKWARD_INPUT);
    blocks_install(device, &sums_over_examples, OP_CONV_BACKWARD_WEIGHTS, OP_CONV_BACKWARD_PARAMETERS);
}

/* The examples and the geometry, as WINDOW in the kernels. */
static void add_window(launch_args *args, const op_args *a)
{
    launch_add(args, A_U32(a->n));
    for (int i = 0; i < WINDOW_GRANULE; i++) launch_add(args, A_U32(a->size[i]));
}

/* Builds the kernel and runs it over all matrices of sums, in launches of as many as a GPU accepts; the first matrix of
 * a launch is the kernel's last argument. */
static tas_status launch_product(tas_device *device, const op_args *a, const char *name, product p,
                                 const launch_args *args)
{
    const uint64_t most = device_limit(device, DEPTH_MOST, 1);
    block b;
    cl_kernel kernel;
    tas_status status = blocks_get_kernel(device, a, name, p, &b, &kernel);
    for (uint64_t depth = 0; depth < p.depth && !status; depth += most) {
        const uint64_t matrices = p.depth - depth < most ? p.depth - depth : most;
        launch_args all = *args;
        launch_add(&all, A_U32((uint32_t)depth));
        status = launch_kernel(device, kernel, blocks_range(b, p, matrices), &all);
    }
    return status;
}

/* Without a bias, any other buffer stands in its place. */
static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const bool biased = a->op == OP_CONV_FORWARD;
    const uint32_t *s = a->size, groups = s[WINDOW_GROUPS];
    const product p = {s[WINDOW_O] / groups, (uint64_t)a->n * s[WINDOW_OH] * s[WINDOW_OW], groups};
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[biased ? 2 : 1]), A_MEM(&m[biased ? 3 : 2]));
    (void)scratch;
    if (window_is_depthwise(a)) return depthwise_gpu_forward(device, a, m);
    add_window(&args, a);
    launch_add(&args, A_U32(biased));
    launch_add(&args, A_LEAST(a));
    return launch_product(device, a, "conv_forward", p, &args);
}

static uint32_t gcd(uint32_t a, uint32_t b) { return b ? gcd(b, a % b) : a; }
static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static tas_status backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t *s = a->size, groups = s[WINDOW_GROUPS], h = s[WINDOW_H_IN], w = s[WINDOW_W_IN];
    const uint64_t positions = a->n * block_count(h, s[WINDOW_SY]) * block_count(w, s[WINDOW_SX]);
    const product p = {s[WINDOW_C] / groups, positions,
                       (uint64_t)groups * least(s[WINDOW_SY], h) * least(s[WINDOW_SX], w)};
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MASK(a, m), A_ADDEND(a, m));
    (void)scratch;
    if (window_is_depthwise(a)) return depthwise_gpu_backward_input(device, a, m);
    add_window(&args, a);
    launch_add(&args, A_U32(gcd(s[WINDOW_SY], s[WINDOW_DY])));
    launch_add(&args, A_U32(gcd(s[WINDOW_SX], s[WINDOW_DX])));
    launch_add(&args, A_U32(a->masked));
    launch_add(&args, A_U32(a->adds));
    return launch_product(device, a, "conv_backward_input", p, &args);
}

/* ---- Sums over examples ---- */

static tas_status weights_pass(tas_device *device, const op_args *a, const mem *m, const granule_pass *g)
{
    const uint32_t groups = a->size[WINDOW_GROUPS];
    const product p = {a->size[WINDOW_O] / groups, window_chain(a) + g->biased, (uint64_t)groups * g->granules};
    launch_args args = ARGS(A_MEM(&m[1]), A_MEM(&m[0]), A_MEM(g->partial), A_MEM(g->to));
    add_window(&args, a);
    sum_examples_add_pass(&args, g);
    sum_examples_add_biases(&args, g);
    return launch_product(device, a, "conv_backward_weights", p, &args);
}

static example_sums sums_of(const op_args *a, const mem *operand)
{
    const bool biased = a->op == OP_CONV_BACKWARD_PARAMETERS && !window_is_depthwise(a);
    return sum_examples_of(window_weights(a), biased ? a->size[WINDOW_O] : 0, a->size[WINDOW_GRANULE], operand);
}

static example_sums bias_sums_of(const op_args *a, const mem *operand)
{
    return sum_examples_of(a->size[WINDOW_O], 0, a->size[WINDOW_GRANULE], operand);
}

static tas_status backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const example_sums sums = sums_of(a, &m[2]);
    return sum_examples_run(device, a, &sums, m, scratch,
                            window_is_depthwise(a) ? depthwise_gpu_weights_pass : weights_pass);
}

static tas_status bias_pass(tas_device *device, const op_args *a, const mem *m, const granule_pass *g)
{
    return sum_examples_bias(device, a, a->size[WINDOW_O], a->size[WINDOW_OH] * a->size[WINDOW_OW], m, g);
}

static tas_status backward_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const example_sums sums = bias_sums_of(a, &m[1]);
    return sum_examples_run(device, a, &sums, m, scratch, bias_pass);
}

/* Depthwise convolutions have few products per sum, and a kernel of their own. */
static tas_status backward_parameters(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    if (!window_is_depthwise(a)) return backward_weights(device, a, m, scratch);
    return launch_parameters(device, a, m, scratch, backward_weights, backward_bias);
}

static uint64_t weights_scratch(tas_device *device, const op_args *a)
{
    const example_sums sums = sums_of(a, NULL);
    return sum_examples_scratch(device, a, &sums);
}

static uint64_t bias_scratch(tas_device *device, const op_args *a)
{
    const example_sums sums = bias_sums_of(a, NULL);
    return sum_examples_scratch(device, a, &sums);
}

const launcher conv_gpu_launchers[] = {
    {OP_CONV_FORWARD, forward, NULL},
    {OP_CONV_FORWARD_NO_BIAS, forward, NULL},
    {OP_CONV_BACKWARD_INPUT, backward_input, NULL},
    {OP_CONV_BACKWARD_WEIGHTS, backward_weights, weights_scratch},
    {OP_CONV_BACKWARD_PARAMETERS, backward_parameters, weights_scratch},
    {OP_CONV_BACKWARD_BIAS, backward_bias, bias_scratch},
    {0},
};
