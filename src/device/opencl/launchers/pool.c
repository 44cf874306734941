/* Launches of cl/pool.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/pool.h"

enum { POOL_RUN = 64, LINES_RUN = 32 };

static uint32_t run_of(const opencl_device *cl) { return cl->cpu ? POOL_RUN : 1; }

static bool is_backward(const op_args *a) { return a->op == OP_MAX_POOL_BACKWARD || a->op == OP_AVERAGE_POOL_BACKWARD; }

/* Runs a kernel over `items` work-items and `count` elements. Averages have two more scalars. Without a mask, any other
 * buffer stands in its place. */
static tas_status pool(tas_device *device, const op_args *a, const mem *m, int operands, const char *name,
                       uint32_t items, uint32_t count)
{
    static const int window[] = {WINDOW_H_IN, WINDOW_W_IN, WINDOW_OH, WINDOW_OW, WINDOW_KH,
                                 WINDOW_KW,   WINDOW_SY,   WINDOW_SX, WINDOW_PY, WINDOW_PX};
    const opencl_device *cl = device->cl;
    const uint32_t group = cl->cpu ? 1 : cl->group;
    const int mask = a->op == OP_AVERAGE_POOL_BACKWARD ? 2 : -1;
    launch_args args = {0};
    char options[64];
    cl_kernel kernel;
    snprintf(options, sizeof options, "-D GROUP=%u -D RUN=%u -D PANEL=%u", group, run_of(cl), op_panel_width(a));
    tas_status status = program_get_kernel(device, "pool", name, options, &kernel);
    if (status) return status;
    for (int k = 0; k < operands; k++) launch_add(&args, k == mask ? A_MASK(a, m) : A_MEM(&m[k]));
    launch_add(&args, A_U32(count));
    if (a->op == OP_AVERAGE_POOL_FORWARD || a->op == OP_AVERAGE_POOL_BACKWARD) {
        launch_add(&args, A_F32(a->scalar[POOL_COUNT]));
        launch_add(&args, A_F32(a->scalar[POOL_RECIPROCAL]));
    }
    for (size_t w = 0; w < sizeof window / sizeof *window; w++) launch_add(&args, A_U32(a->size[window[w]]));
    if (is_backward(a)) launch_add(&args, A_U32(a->masked));
    return launch_kernel(device, kernel, launch_line(group, items), &args);
}

/* Planes of examples and channels, each of a panel of examples. */
static uint32_t planes_of(const op_args *a) { return op_padded(a) / op_panel_width(a) * a->size[WINDOW_C]; }

static tas_status by_outputs(tas_device *device, const op_args *a, const mem *m, int operands, const char *name)
{
    const uint32_t count = planes_of(a) * a->size[WINDOW_OH] * a->size[WINDOW_OW], run = run_of(device->cl);
    return pool(device, a, m, operands, name, count / run + (count % run != 0), count);
}

static tas_status by_inputs(tas_device *device, const op_args *a, const mem *m, int operands, const char *name)
{
    const uint32_t count = planes_of(a) * a->size[WINDOW_H_IN] * a->size[WINDOW_W_IN], run = run_of(device->cl);
    return pool(device, a, m, operands, name, count / run + (count % run != 0), count);
}

/* Windows of 2 x 2 side by side, which cover planes of single examples, on a processor: vectors run over outputs. */
static bool are_pairs(const opencl_device *cl, const op_args *a)
{
    static const int twos[] = {WINDOW_KH, WINDOW_KW, WINDOW_SY, WINDOW_SX}, nones[] = {WINDOW_PY, WINDOW_PX};
    const uint32_t *s = a->size;
    bool pairs = cl->cpu && op_panel_width(a) == 1 && s[WINDOW_OW] >= 4;
    for (int k = 0; k < 4; k++) pairs &= s[twos[k]] == 2;
    for (int k = 0; k < 2; k++) pairs &= s[nones[k]] == 0;
    return pairs && s[WINDOW_H_IN] == 2 * s[WINDOW_OH] && s[WINDOW_W_IN] == 2 * s[WINDOW_OW];
}

static tas_status pairs(tas_device *device, const op_args *a, const mem *m, int operands, const char *name)
{
    const uint32_t lines = a->n * a->size[WINDOW_C] * a->size[WINDOW_OH];
    launch_args args = {0};
    char options[64];
    cl_kernel kernel;
    snprintf(options, sizeof options, "-D GROUP=1 -D RUN=%d -D PANEL=1", LINES_RUN);
    tas_status status = program_get_kernel(device, "pool", name, options, &kernel);
    if (status) return status;
    for (int k = 0; k < operands; k++) launch_add(&args, A_MEM(&m[k]));
    launch_add(&args, A_U32(lines));
    launch_add(&args, A_U32(a->size[WINDOW_W_IN]));
    launch_add(&args, A_U32(a->size[WINDOW_OW]));
    if (is_backward(a)) launch_add(&args, A_U32(a->masked));
    return launch_kernel(device, kernel, launch_line(1, block_count(lines, LINES_RUN)), &args);
}

static tas_status max_forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    if (are_pairs(device->cl, a)) return pairs(device, a, m, 2, "max_pool_forward_pairs");
    return by_outputs(device, a, m, 2, "max_pool_forward");
}

/* Windows that share inputs: on GPUs by inputs, so that neighbors write neighbors; on processors each window is read
 * once. */
static tas_status max_backward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    (void)scratch;
    if (are_pairs(cl, a)) return pairs(device, a, m, 3, "max_pool_backward_pairs");
    if (pool_is_apart(a)) return by_outputs(device, a, m, 3, "max_pool_backward_apart");
    if (!cl->cpu) return by_inputs(device, a, m, 3, "max_pool_backward");
    return pool(device, a, m, 3, "max_pool_backward_planes", planes_of(a), planes_of(a));
}

static tas_status average_forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return by_outputs(device, a, m, 2, "average_pool_forward");
}

static tas_status average_backward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return by_inputs(device, a, m, 3, "average_pool_backward");
}

const launcher pool_launchers[] = {
    {OP_MAX_POOL_FORWARD, max_forward, NULL},
    {OP_MAX_POOL_BACKWARD, max_backward, NULL},
    {OP_AVERAGE_POOL_FORWARD, average_forward, NULL},
    {OP_AVERAGE_POOL_BACKWARD, average_backward, NULL},
    {0},
};
