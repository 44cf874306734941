/* Launches of cl/conv_gpu.cl: convolutions, for GPUs. Values lie as rows there (LANES is 1). */
#include "device/opencl.h"
#include "ops/window.h"

/* The blocks of sums that a work-group may compute, in the order of its items: what a device takes is an end of the list. */
static const struct block {
    uint32_t rows, cols, items_x, items_y;
} blocks[] = {{64, 64, 16, 16}, {32, 64, 16, 4}, {16, 64, 16, 4}, {4, 64, 64, 1}, {16, 32, 8, 4}, {16, 16, 4, 4}};
enum { BLOCKS = sizeof blocks / sizeof *blocks };

enum {
    SCRATCH_MOST = 16 << 20, /* bytes that the sums of a wave of granules may take, if there is more than one granule */
    DEPTH_MOST = 65535,      /* work-groups in dimension 2, of which GPUs take no more */
    WAVE = 64,               /* work-items that a GPU runs together, whether it has use for them or not */
    ITEMS_A_UNIT = 512,      /* work-items that keep a unit busy */
    SHORT_WAVE = 3,          /* granules of a wave in every second form that verify asks for */
};

/* What a launch computes: `depth` matrices of rows x cols sums. */
typedef struct product {
    uint64_t rows, cols, depth;
} product;

static uint32_t items_of(struct block b) { return b.items_x * b.items_y; }

/* What a product costs in blocks of this size, as a number to compare: all its items, or those that would keep the device busy,
 * each with its sums; for one fma there are its share of the reads from local memory and of what is brought there. */
static double cost_of(const tas_device *device, struct block b, product p)
{
    const double busy = (double)device->info.compute_units * ITEMS_A_UNIT;
    const double groups = (double)(cl_blocks(p.rows, b.rows) * cl_blocks(p.cols, b.cols) * p.depth);
    const double items = groups * (items_of(b) > WAVE ? items_of(b) : WAVE);
    const double reads = (double)b.items_y / b.rows + (double)b.items_x / b.cols;
    const double fetches = 7.0 / b.cols + 12.0 / b.rows; /* the right side is found by more steps: see load_right() */
    return (items > busy ? items : busy) * b.rows * b.cols / items_of(b) * (1 + reads + fetches);
}

static int choose_block(const tas_device *device, product p)
{
    const int first = ((struct cl_device *)device->cl)->conv_block;
    int best = first;
    if (device->variant >= 0) return first + device->variant < BLOCKS ? first + device->variant : BLOCKS - 1;
    for (int i = first + 1; i < BLOCKS; i++)
        if (cost_of(device, blocks[i], p) < cost_of(device, blocks[best], p)) best = i;
    return best;
}

/* The kernel, and the block that it is built for. What a kernel allows may be less than what the device says (pitfall 7), so it
 * is asked, and blocks that it does not take are left alone from then on. */
static tas_status get_kernel(tas_device *device, const char *name, product p, struct block *b, cl_kernel *out)
{
    struct cl_device *cl = device->cl;
    for (;;) {
        const int i = choose_block(device, p);
        char options[80];
        size_t most = 0;
        *b = blocks[i];
        snprintf(options, sizeof options, "-D TILE_ROWS=%u -D TILE_COLS=%u -D ITEMS_X=%u -D ITEMS_Y=%u", b->rows,
                 b->cols, b->items_x, b->items_y);
        tas_status status = cl_get_kernel(device, "conv_gpu", name, options, out);
        if (status || i == BLOCKS - 1) return status;
        cl_int error = clGetKernelWorkGroupInfo(*out, cl->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
        if (error) return cl_fail(device, error, "clGetKernelWorkGroupInfo");
        if (items_of(*b) <= most) return TAS_OK;
        while (cl->conv_block < BLOCKS - 1 && items_of(blocks[cl->conv_block]) > most) cl->conv_block++;
    }
}

static cl_range range_of(struct block b, product p)
{
    return (cl_range){.global = {cl_blocks(p.cols, b.cols) * b.items_x, cl_blocks(p.rows, b.rows) * b.items_y, p.depth},
                      .local = {b.items_x, b.items_y, 1}};
}

enum { ARGS_MOST = 28 };

/* The examples and the geometry, as WINDOW in the kernels; answers how many arguments there are now. */
static int put_window(cl_arg *args, int count, const op_args *a)
{
    args[count++] = A_U32(a->n);
    for (int i = 0; i < WINDOW_GRANULE; i++) args[count++] = A_U32(a->size[i]);
    return count;
}

static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t *s = a->size, groups = s[WINDOW_GROUPS];
    const product p = {s[WINDOW_O] / groups, (uint64_t)a->n * s[WINDOW_OH] * s[WINDOW_OW], groups};
    cl_arg args[ARGS_MOST] = {A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3])};
    const int count = put_window(args, 4, a);
    struct block b;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, "conv_forward", p, &b, &kernel);
    if (status) return status;
    return cl_launch(device, kernel, range_of(b, p), count, args);
}

static uint32_t gcd(uint32_t a, uint32_t b) { return b ? gcd(b, a % b) : a; }
static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static tas_status backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t *s = a->size, groups = s[WINDOW_GROUPS], h = s[WINDOW_H_IN], w = s[WINDOW_W_IN];
    const uint64_t positions = a->n * cl_blocks(h, s[WINDOW_SY]) * cl_blocks(w, s[WINDOW_SX]);
    const product p = {s[WINDOW_C] / groups, positions,
                       (uint64_t)groups * least(s[WINDOW_SY], h) * least(s[WINDOW_SX], w)};
    cl_arg args[ARGS_MOST] = {A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2])};
    int count = put_window(args, 3, a);
    struct block b;
    cl_kernel kernel;
    (void)scratch;
    args[count++] = A_U32(gcd(s[WINDOW_SY], s[WINDOW_DY]));
    args[count++] = A_U32(gcd(s[WINDOW_SX], s[WINDOW_DX]));
    tas_status status = get_kernel(device, "conv_backward_input", p, &b, &kernel);
    if (status) return status;
    return cl_launch(device, kernel, range_of(b, p), count, args);
}

/* Sums over examples ------------------------------------------------------------------------------------------------
 * Granules run in waves: each granule of a wave has its own sums in scratch, which are then added in order to the total. */

typedef struct wave {
    uint32_t from;     /* the tile's example that it begins with */
    uint32_t within;   /* examples of its first granule that are before that one */
    uint32_t granule;  /* examples of a granule */
    uint32_t granules; /* those of the wave */
    bool begun;        /* the first granule has sums already, in `open` */
    const mem *open, *to;
} wave;

typedef tas_status (*launch_wave)(tas_device *device, const op_args *a, const mem *m, const wave *w);

/* The granules of a wave: no more than a tile may touch, whatever its place in the batch. */
static uint32_t granules_most(const tas_device *device, const op_args *a, uint64_t sums)
{
    const uint32_t granule = a->size[WINDOW_GRANULE];
    if (!granule) return 1;
    const uint64_t touched = cl_blocks((uint64_t)a->n + granule - 1, granule);
    const uint64_t room = SCRATCH_MOST / (sums * sizeof(float)), depth = DEPTH_MOST / a->size[WINDOW_GROUPS];
    const uint64_t fit = room < depth ? room : depth,
                   most = device->variant > 0 && device->variant % 2 ? SHORT_WAVE : fit;
    return (uint32_t)(touched < most ? touched : most ? most : 1);
}

static uint64_t scratch_of(const tas_device *device, const op_args *a, uint64_t sums)
{
    return a->size[WINDOW_GRANULE] ? granules_most(device, a, sums) * sums * sizeof(float) : 0;
}

/* The matrices of sums of the weights' gradient, as many as a wave has at most. */
static product weights_product(const op_args *a, uint32_t granules)
{
    const uint32_t groups = a->size[WINDOW_GROUPS];
    return (product){a->size[WINDOW_O] / groups, window_chain(a), (uint64_t)groups * granules};
}

/* The kernel of a work-item a sum, in the program that the weights' gradient has anyway. */
static tas_status get_line(tas_device *device, const op_args *a, const char *name, uint64_t items, cl_range *range,
                           cl_kernel *out)
{
    struct block b;
    const product p = weights_product(a, granules_most(device, a, window_weights(a)));
    tas_status status = get_kernel(device, name, p, &b, out);
    *range = cl_line(items_of(b), items);
    return status;
}

static tas_status add_granules(tas_device *device, const op_args *a, const mem *total, const mem *open, uint64_t sums,
                               const wave *w, bool left_open)
{
    cl_range range;
    cl_kernel kernel;
    tas_status status = get_line(device, a, "conv_add_granules", sums, &range, &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(w->to),
                           A_MEM(total),
                           A_MEM(open),
                           A_U32((uint32_t)sums),
                           A_U32(w->granules - left_open),
                           A_U32(a->first + w->from == w->within), /* the batch begins here */
                           A_U32(left_open)};
    return cl_launch(device, kernel, range, 7, args);
}

static tas_status sum_examples(tas_device *device, const op_args *a, const mem *m, const mem *total, const mem *open,
                               const mem *scratch, uint64_t sums, launch_wave launch)
{
    const uint32_t granule = a->size[WINDOW_GRANULE];
    if (!granule) { /* one chain, which goes on in the total */
        const wave all = {0, 0, a->n, 1, a->first > 0, total, total};
        return launch(device, a, m, &all);
    }
    const uint32_t most = granules_most(device, a, sums);
    for (uint32_t from = 0; from < a->n;) {
        wave w = {.from = from, .granule = granule, .open = open, .to = scratch};
        w.within = (a->first + from) % granule;
        w.begun = w.within > 0;
        w.granules = least(most, (uint32_t)cl_blocks((uint64_t)w.within + a->n - from, granule));
        const uint64_t end = (uint64_t)from + (uint64_t)w.granules * granule - w.within;
        from = end < a->n ? (uint32_t)end : a->n;
        const bool left_open = (a->first + from) % granule && a->first + from < a->batch;
        tas_status status = launch(device, a, m, &w);
        if (!status) status = add_granules(device, a, total, open, sums, &w, left_open);
        if (status) return status;
    }
    return TAS_OK;
}

static tas_status weights_wave(tas_device *device, const op_args *a, const mem *m, const wave *w)
{
    const product p = weights_product(a, w->granules);
    cl_arg args[ARGS_MOST] = {A_MEM(&m[1]), A_MEM(&m[0]), A_MEM(w->open), A_MEM(w->to)};
    int count = put_window(args, 4, a);
    struct block b;
    cl_kernel kernel;
    args[count++] = A_U32(w->from);
    args[count++] = A_U32(w->within);
    args[count++] = A_U32(w->granule);
    args[count++] = A_U32(w->begun);
    tas_status status = get_kernel(device, "conv_backward_weights", p, &b, &kernel);
    if (status) return status;
    return cl_launch(device, kernel, range_of(b, p), count, args);
}

static tas_status backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    return sum_examples(device, a, m, &m[2], &m[3], scratch, window_weights(a), weights_wave);
}

static tas_status bias_wave(tas_device *device, const op_args *a, const mem *m, const wave *w)
{
    const uint32_t outputs = a->size[WINDOW_O];
    cl_range range;
    cl_kernel kernel;
    tas_status status = get_line(device, a, "conv_backward_bias", (uint64_t)outputs * w->granules, &range, &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),    A_MEM(w->open),    A_MEM(w->to),
                           A_U32(a->n),     A_U32(outputs),    A_U32(a->size[WINDOW_OH] * a->size[WINDOW_OW]),
                           A_U32(w->from),  A_U32(w->within),  A_U32(w->granule),
                           A_U32(w->begun), A_U32(w->granules)};
    return cl_launch(device, kernel, range, 11, args);
}

static tas_status backward_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    return sum_examples(device, a, m, &m[1], &m[2], scratch, a->size[WINDOW_O], bias_wave);
}

static uint64_t weights_scratch(tas_device *device, const op_args *a)
{
    return scratch_of(device, a, window_weights(a));
}

static uint64_t bias_scratch(tas_device *device, const op_args *a) { return scratch_of(device, a, a->size[WINDOW_O]); }

void cl_override_conv_gpu(tas_device *device)
{
    static const struct {
        op_id op;
        op_launch launch;
        op_scratch scratch;
    } rows[] = {{OP_CONV_FORWARD, forward, NULL},
                {OP_CONV_BACKWARD_INPUT, backward_input, NULL},
                {OP_CONV_BACKWARD_WEIGHTS, backward_weights, weights_scratch},
                {OP_CONV_BACKWARD_BIAS, backward_bias, bias_scratch}};
    struct cl_device *cl = device->cl;
    cl->conv_block = 0;
    while (cl->conv_block < BLOCKS - 1 && items_of(blocks[cl->conv_block]) > device->info.max_group) cl->conv_block++;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        device->launch[rows[i].op] = rows[i].launch;
        device->scratch[rows[i].op] = rows[i].scratch;
        device->variants[rows[i].op] = BLOCKS - cl->conv_block;
    }
}
