/* Launches of depthwise convolutions on processors: cl/depthwise.cl, depthwise_weights.cl, depthwise_turns.cl. Those
 * for GPUs are in depthwise_gpu.c. */
#include "device/opencl/launchers/depthwise.h"
#include "device/opencl/launchers/launchers.h"

enum {
    PACK_RUN = 64,         /* as in the kernel */
    ITEM_POSITIONS = 1024, /* of a work-item, at most, so that starting it costs little */
    ITEMS_PER_UNIT = 4,    /* at least, if there are enough lines */
    PACKED_MOST = 4 << 20, /* bytes of x and dy that are packed at once, or one example */
};

static void add_geometry(launch_args *args, const op_args *a)
{
    for (int i = 0; i <= WINDOW_GROUPS; i++) launch_add(args, A_U32(a->size[i]));
}

/* ---- Forward, and back to the input ---- */

/* Positions of a block: all sums, a weight and a value fit the registers, 32 if vectors have 16 floats. */
static uint32_t cols_of(const tas_device *device, const op_args *a)
{
    const uint32_t panel = op_panel_width(a);
    return panel == 1 ? 2 : panel == conv_vector_width(device, a) ? 8 : 6;
}

static tas_status get_kernel(tas_device *device, const op_args *a, const char *name, uint32_t vec, cl_kernel *out)
{
    char options[64];
    snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u -D COLS=%u", vec, op_panel_width(a), cols_of(device, a));
    return program_get_kernel(device, "depthwise", name, options, out);
}

/* Launches over `planes` of height x width positions, and adds the last arguments: the lines and planes of a work-item,
 * as many as it takes to make starting it cheap, but not so many that there is not enough for all units. */
static tas_status launch_planes(tas_device *device, cl_kernel kernel, const op_args *a, uint32_t planes,
                                uint32_t height, uint32_t width, launch_args *args)
{
    const uint32_t panels = op_padded(a) / op_panel_width(a);
    const uint64_t units = device->info.compute_units ? device->info.compute_units : 1;
    const uint64_t all = (uint64_t)planes * panels * height * width;
    uint64_t positions = device_limit(device, ITEM_POSITIONS, 8);
    if (positions > all / (ITEMS_PER_UNIT * units)) positions = all / (ITEMS_PER_UNIT * units);
    uint64_t lines = positions / width > 1 ? positions / width : 1;
    if (lines > height) lines = height;
    lines = block_count(height, block_count(height, lines)); /* of equal length */
    const uint64_t fit = lines < height ? 1 : positions / ((uint64_t)height * width), some = fit > 1 ? fit : 1;
    launch_add(args, A_U32((uint32_t)lines));
    launch_add(args, A_U32((uint32_t)some));
    return launch_kernel(device, kernel, launch_single(block_count(planes, some), block_count(height, lines), panels),
                         args);
}

/* Without a bias, any other buffer stands in its place. */
tas_status depthwise_forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const bool biased = a->op == OP_CONV_FORWARD;
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[biased ? 2 : 1]), A_MEM(&m[biased ? 3 : 2]));
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, a, "depthwise_forward", conv_vector_width(device, a), &kernel);
    if (status) return status;
    add_geometry(&args, a);
    launch_add(&args, A_U32(biased));
    launch_add(&args, A_LEAST(a));
    return launch_planes(device, kernel, a, a->size[WINDOW_O], a->size[WINDOW_OH], a->size[WINDOW_OW], &args);
}

tas_status depthwise_backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MASK(a, m), A_ADDEND(a, m));
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, a, "depthwise_backward_input", conv_vector_width(device, a), &kernel);
    if (status) return status;
    add_geometry(&args, a);
    launch_add(&args, A_U32(a->masked));
    launch_add(&args, A_U32(a->adds));
    return launch_planes(device, kernel, a, a->size[WINDOW_C], a->size[WINDOW_H_IN], a->size[WINDOW_W_IN], &args);
}

/* ---- To the weights ---- */

/* Granules of one example have a lane each. Otherwise the lanes are outputs, and x and dy are packed for it. */
typedef struct weights_way {
    bool spread;
    uint32_t vec, lanes;  /* of outputs, and of examples */
    uint32_t lines, cols; /* of a block of sums */
    uint32_t vectors;     /* of outputs */
    uint64_t x, dy;       /* packed floats per example */
} weights_way;

/* The edge in the list that leaves the fewest of `size` sums empty; the longest of those. */
static uint32_t best_edge(const uint32_t *list, int length, uint32_t size)
{
    uint32_t best = list[0];
    for (int i = 1; i < length; i++)
        if (block_count(size, list[i]) * list[i] <= block_count(size, best) * best) best = list[i];
    return best;
}

/* Few sizes, since each is a kernel to build; at most 10 sums, which is enough to keep a processor busy. */
static weights_way way_of(const tas_device *device, const op_args *a)
{
    weights_way w = {.vec = opencl_vector_width(device), .lanes = conv_vector_width(device, a)};
    static const uint32_t cols[] = {5, 3}, lines[] = {2, 3};
    w.spread = a->size[WINDOW_GRANULE] != 1 || op_panel_width(a) == 1;
    w.cols = best_edge(cols, 2, a->size[WINDOW_KW]);
    w.lines = a->size[WINDOW_KH] == 1 ? 1 : best_edge(lines, w.cols == 3 ? 2 : 1, a->size[WINDOW_KH]);
    w.vectors = (uint32_t)block_count(a->size[WINDOW_O], w.vec);
    w.x = (uint64_t)w.vectors * w.vec * a->size[WINDOW_H_IN] * a->size[WINDOW_W_IN];
    w.dy = (uint64_t)w.vectors * w.vec * a->size[WINDOW_OH] * a->size[WINDOW_OW];
    return w;
}

/* The examples that are packed at once. */
static uint32_t packed_most(tas_device *device, const op_args *a, const weights_way *w)
{
    const uint64_t fit = PACKED_MOST / ((w->x + w->dy) * sizeof(float));
    const uint64_t most = device_limit(device, fit ? fit : 1, 1);
    return (uint32_t)(a->n < most ? a->n : most);
}

uint64_t depthwise_weights_scratch(tas_device *device, const op_args *a)
{
    const weights_way w = way_of(device, a);
    return w.spread ? packed_most(device, a, &w) * (w.x + w.dy) * sizeof(float) : 0;
}

static tas_status run_weights(tas_device *device, const op_args *a, const weights_way *w, const mem *x, const mem *dy,
                              uint32_t dy_at, uint32_t r, uint32_t count, const mem *m)
{
    char options[80];
    cl_kernel kernel;
    snprintf(options, sizeof options, "-D VEC=%u -D LINES=%u -D COLS=%u -D SPREAD=%d", w->spread ? w->vec : w->lanes,
             w->lines, w->cols, w->spread);
    tas_status status = program_get_kernel(device, "depthwise_weights", "depthwise_backward_weights", options, &kernel);
    if (status) return status;
    launch_args args = ARGS(A_MEM(x), A_MEM(dy), A_MEM(&m[2]), A_MEM(&m[3]), A_U32(dy_at));
    const launch_arg more[] = {A_U32(a->size[WINDOW_GRANULE]), A_U32(count), A_U32(a->first + r), A_U32(a->batch),
                               A_U32(w->spread ? w->vec : op_panel_width(a))};
    add_geometry(&args, a);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) launch_add(&args, more[i]);
    return launch_kernel(device, kernel,
                         launch_single(block_count(a->size[WINDOW_KW], w->cols),
                                       block_count(a->size[WINDOW_KH], w->lines),
                                       w->spread ? w->vectors : a->size[WINDOW_O]),
                         &args);
}

/* Packs one operand of `count` examples from r on; each of its channels is that of `copies` outputs. */
static tas_status pack(tas_device *device, const op_args *a, const weights_way *w, const mem *from, const mem *to,
                       uint32_t at, uint32_t copies, uint32_t elements, uint32_t r, uint32_t count)
{
    const uint32_t lanes = op_panel_width(a);
    cl_kernel kernel;
    tas_status status = get_kernel(device, a, "depthwise_pack", w->vec, &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(from), A_MEM(to), A_U32(at), A_U32(a->size[WINDOW_O]), A_U32(copies),
                                  A_U32(elements), A_U32(r), A_U32(count));
    return launch_kernel(
        device, kernel,
        launch_single(block_count(elements, PACK_RUN), w->vectors, (r + count - 1) / lanes - r / lanes + 1), &args);
}

/* Bytes of local memory that depthwise_turns.cl needs, or 0 if it does not apply: for whole granules of several
 * examples, powers of two. */
static uint32_t turns_local(const tas_device *device, const op_args *a, uint32_t vec)
{
    const uint32_t *s = a->size, granule = s[WINDOW_GRANULE], split = granule < vec ? granule : vec;
    const uint64_t height = (s[WINDOW_OH] - 1) * (uint64_t)s[WINDOW_SY] + (s[WINDOW_KH] - 1) * s[WINDOW_DY] + 1;
    const uint64_t width = (s[WINDOW_OW] - 1) * (uint64_t)s[WINDOW_SX] + (s[WINDOW_KW] - 1) * s[WINDOW_DX] + 1;
    const uint64_t planes = height * width + (uint64_t)s[WINDOW_OH] * s[WINDOW_OW];
    const uint64_t floats = (split * planes + (uint64_t)s[WINDOW_KH] * s[WINDOW_KW]) * vec;
    const bool whole = a->first % granule == 0 && (a->n % granule == 0 || a->first + a->n == a->batch);
    if (granule & (granule - 1) || !whole || op_panel_width(a) == 1) return 0;
    return floats * sizeof(float) <= device->info.local_bytes ? (uint32_t)(floats * sizeof(float)) : 0;
}

static tas_status run_turns(tas_device *device, const op_args *a, const weights_way *w, uint32_t local, const mem *m)
{
    const uint32_t granule = a->size[WINDOW_GRANULE], split = granule < w->lanes ? granule : w->lanes;
    char options[80];
    cl_kernel kernel;
    snprintf(options, sizeof options, "-D VEC=%u -D SPLIT=%u -D LINES=%u -D COLS=%u", w->lanes, split, w->lines,
             w->cols);
    tas_status status = program_get_kernel(device, "depthwise_turns", "depthwise_weights_turns", options, &kernel);
    if (status) return status;
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_LOCAL(local));
    const launch_arg more[] = {A_U32(granule), A_U32(a->n), A_U32(a->first), A_U32(op_panel_width(a))};
    add_geometry(&args, a);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) launch_add(&args, more[i]);
    return launch_kernel(device, kernel, launch_single(block_count(a->size[WINDOW_O], split), 1, 1), &args);
}

tas_status depthwise_backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const weights_way w = way_of(device, a);
    const uint32_t *s = a->size;
    if (!w.spread) return run_weights(device, a, &w, &m[0], &m[1], 0, 0, a->n, m);
    const uint32_t local = s[WINDOW_GRANULE] ? turns_local(device, a, w.lanes) : 0;
    if (local) return run_turns(device, a, &w, local, m);
    const uint32_t most = packed_most(device, a, &w);
    tas_status status = TAS_OK;
    for (uint32_t r = 0, some; r < a->n && !status; r += some) {
        some = a->n - r < most ? a->n - r : most;
        const uint32_t dy_at = (uint32_t)(some * w.x);
        status =
            pack(device, a, &w, &m[0], scratch, 0, s[WINDOW_O] / s[WINDOW_C], s[WINDOW_H_IN] * s[WINDOW_W_IN], r, some);
        if (!status) status = pack(device, a, &w, &m[1], scratch, dy_at, 1, s[WINDOW_OH] * s[WINDOW_OW], r, some);
        if (!status) status = run_weights(device, a, &w, scratch, scratch, dy_at, r, some, m);
    }
    return status;
}
