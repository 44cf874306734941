/* Launches of cl/sum_squares.cl and, with the second moment as an operand more, of cl/preconditioned.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/preconditioned.h"

static tas_status get_kernel_of(tas_device *device, const char *file, const char *name, cl_kernel *out)
{
    const opencl_device *cl = device->cl;
    char options[64];
    snprintf(options, sizeof options, "-D GROUP=%u -D ROWS=%u -D VEC=%u", cl->group, cl->group / ROW_LANES,
             opencl_vector_width(device));
    return program_get_kernel(device, file, name, options, out);
}

static tas_status get_kernel(tas_device *device, const char *name, cl_kernel *out)
{
    return get_kernel_of(device, "sum_squares", name, out);
}

/* The names of its two kernels: for GPUs, and for processors. */
typedef struct kernel_names {
    const char *file, *gpu, *cpu;
} kernel_names;
static const kernel_names square_block_names = {"sum_squares", "square_blocks", "square_blocks_run"};
static const kernel_names square_row_names = {"sum_squares", "square_rows", "square_rows_run"};
static const kernel_names preconditioned_block_names = {"preconditioned", "preconditioned_blocks",
                                                        "preconditioned_blocks_run"};
static const kernel_names preconditioned_row_names = {"preconditioned", "preconditioned_rows",
                                                      "preconditioned_rows_run"};

static void add_moment(launch_args *args, const op_args *a)
{
    launch_add(args, A_F32(a->scalar[PRECONDITIONED_UNBIAS]));
    launch_add(args, A_F32(a->scalar[PRECONDITIONED_EPSILON]));
}

static tas_status blocks_of(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const bool moment = a->op == OP_PRECONDITIONED_BLOCKS;
    const kernel_names *names = moment ? &preconditioned_block_names : &square_block_names;
    const size_t blocks = block_count(a->size[SQUARES_ELEMENTS], SQUARE_BLOCK);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel_of(device, names->file, cl->cpu ? names->cpu : names->gpu, &kernel);
    if (status) return status;
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]));
    if (moment) launch_add(&args, A_MEM(&m[2]));
    launch_add(&args, A_U32(a->size[SQUARES_ELEMENTS]));
    launch_add(&args, A_U32(a->size[SQUARES_AT]));
    launch_add(&args, A_F32(a->scalar[SQUARES_SCALE]));
    if (moment) add_moment(&args, a);
    const launch_range range = cl->cpu ? launch_line(1, blocks) : launch_line(cl->group, blocks * cl->group);
    return launch_kernel(device, kernel, range, &args);
}

static tas_status rows_of(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const bool moment = a->op == OP_PRECONDITIONED_ROWS;
    const kernel_names *names = moment ? &preconditioned_row_names : &square_row_names;
    const uint32_t rows = a->size[SQUARES_ROWS], cols = a->size[SQUARES_COLS], items = cl->group / ROW_LANES;
    const size_t blocks = block_count(cols, SQUARE_COLUMNS);
    cl_kernel kernel;
    (void)scratch;
    const uint32_t panel = device_weight_panel(device, rows, cols);
    const bool run = cl->cpu && panel % opencl_vector_width(device) == 0; /* CLBlast uses the canonical layout */
    tas_status status = get_kernel_of(device, names->file, run ? names->cpu : names->gpu, &kernel);
    if (status) return status;
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]));
    if (moment) launch_add(&args, A_MEM(&m[2]));
    launch_add(&args, A_U32(rows));
    launch_add(&args, A_U32(cols));
    launch_add(&args, A_U32(a->size[SQUARES_ROWS_AT]));
    launch_add(&args, A_F32(a->scalar[SQUARES_SCALE]));
    if (moment) add_moment(&args, a);
    if (run) {
        launch_add(&args, A_U32(panel));
        return launch_kernel(device, kernel, launch_single(block_count(rows, opencl_vector_width(device)), blocks, 1),
                             &args);
    }
    const launch_range range = {.global = {block_count(rows, items) * blocks * ROW_LANES, items, 1},
                                .local = {ROW_LANES, items, 1}};
    return launch_kernel(device, kernel, range, &args);
}

static tas_status dense_norms(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const uint32_t rows = cl->group / ROW_LANES;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, cl->cpu ? "dense_norms_row" : "dense_norms", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->n), A_U32(a->size[NORMS_INPUTS]),
                                  A_U32(a->size[NORMS_OUTPUTS]), A_U32(a->first), A_U32(a->size[NORMS_ADDED]),
                                  A_F32(a->size[NORMS_NO_BIAS] ? 0 : 1));
    if (cl->cpu) return launch_kernel(device, kernel, launch_line(1, a->n), &args);
    const launch_range range = {.global = {ROW_LANES, (a->n + rows - 1) / rows * rows, 1},
                                .local = {ROW_LANES, rows, 1}};
    return launch_kernel(device, kernel, range, &args);
}

const launcher sum_squares_launchers[] = {
    {OP_SQUARE_BLOCKS, blocks_of, NULL},         {OP_SQUARE_ROWS, rows_of, NULL},
    {OP_PRECONDITIONED_BLOCKS, blocks_of, NULL}, {OP_PRECONDITIONED_ROWS, rows_of, NULL},
    {OP_DENSE_NORMS, dense_norms, NULL},         {0},
};
