/* Launches of cl/preconditioned.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/preconditioned.h"

static tas_status get_kernel(tas_device *device, const char *name, cl_kernel *out)
{
    const opencl_device *cl = device->cl;
    char options[64];
    snprintf(options, sizeof options, "-D GROUP=%u -D ROWS=%u -D VEC=%u", cl->group, cl->group / ROW_LANES,
             opencl_vector_width(device));
    return program_get_kernel(device, "preconditioned", name, options, out);
}

static tas_status preconditioned_blocks(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const size_t blocks = block_count(a->size[SQUARES_ELEMENTS], SQUARE_BLOCK);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, cl->cpu ? "preconditioned_blocks_run" : "preconditioned_blocks", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->size[SQUARES_ELEMENTS]),
                                  A_U32(a->size[SQUARES_AT]), A_F32(a->scalar[SQUARES_SCALE]),
                                  A_F32(a->scalar[PRECONDITIONED_UNBIAS]), A_F32(a->scalar[PRECONDITIONED_EPSILON]));
    const launch_range range = cl->cpu ? launch_line(1, blocks) : launch_line(cl->group, blocks * cl->group);
    return launch_kernel(device, kernel, range, &args);
}

static tas_status preconditioned_rows(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const uint32_t rows = a->size[SQUARES_ROWS], cols = a->size[SQUARES_COLS], items = cl->group / ROW_LANES;
    const size_t blocks = block_count(cols, SQUARE_COLUMNS);
    cl_kernel kernel;
    (void)scratch;
    const uint32_t panel = device_weight_panel(device, rows, cols);
    const bool run = cl->cpu && panel % opencl_vector_width(device) == 0; /* CLBlast uses the canonical layout */
    tas_status status = get_kernel(device, run ? "preconditioned_rows_run" : "preconditioned_rows", &kernel);
    if (status) return status;
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(rows), A_U32(cols),
                            A_U32(a->size[SQUARES_ROWS_AT]), A_F32(a->scalar[SQUARES_SCALE]),
                            A_F32(a->scalar[PRECONDITIONED_UNBIAS]), A_F32(a->scalar[PRECONDITIONED_EPSILON]));
    if (run) {
        launch_add(&args, A_U32(panel));
        return launch_kernel(device, kernel, launch_single(block_count(rows, opencl_vector_width(device)), blocks, 1),
                             &args);
    }
    const launch_range range = {.global = {block_count(rows, items) * blocks * ROW_LANES, items, 1},
                                .local = {ROW_LANES, items, 1}};
    return launch_kernel(device, kernel, range, &args);
}

const launcher preconditioned_launchers[] = {
    {OP_PRECONDITIONED_BLOCKS, preconditioned_blocks, NULL},
    {OP_PRECONDITIONED_ROWS, preconditioned_rows, NULL},
    {0},
};
