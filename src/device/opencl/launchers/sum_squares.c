/* Launches of cl/sum_squares.cl. */
#include "device/opencl/opencl.h"

#include "ops/sum_squares.h"

static tas_status get_kernel(tas_device *device, const char *name, cl_kernel *out)
{
    const struct cl_device *cl = device->cl;
    char options[64];
    snprintf(options, sizeof options, "-D GROUP=%u -D ROWS=%u -D VEC=%u", cl->group, cl->group / ROW_LANES,
             cl_vector(device));
    return cl_get_kernel(device, "sum_squares", name, options, out);
}

static tas_status square_blocks(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const struct cl_device *cl = device->cl;
    const size_t blocks = cl_blocks(a->size[SQUARES_ELEMENTS], SQUARE_BLOCK);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, cl->cpu ? "square_blocks_run" : "square_blocks", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->size[SQUARES_ELEMENTS]), A_U32(a->size[SQUARES_AT]),
                           A_F32(a->scalar[SQUARES_SCALE])};
    const cl_range range = cl->cpu ? cl_line(1, blocks) : cl_line(cl->group, blocks * cl->group);
    return cl_launch(device, kernel, range, 5, args);
}

static tas_status square_rows(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const struct cl_device *cl = device->cl;
    const uint32_t rows = a->size[SQUARES_ROWS], cols = a->size[SQUARES_COLS], items = cl->group / ROW_LANES;
    const size_t blocks = cl_blocks(cols, SQUARE_COLUMNS);
    cl_kernel kernel;
    (void)scratch;
    const uint32_t panel = device_weight_panel(device, rows, cols);
    const bool run = cl->cpu && panel % cl_vector(device) == 0; /* CLBlast wants the canonical layout */
    tas_status status = get_kernel(device, run ? "square_rows_run" : "square_rows", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),
                           A_MEM(&m[1]),
                           A_U32(rows),
                           A_U32(cols),
                           A_U32(a->size[SQUARES_ROWS_AT]),
                           A_F32(a->scalar[SQUARES_SCALE]),
                           A_U32(panel)};
    const cl_range each = {.global = {cl_blocks(rows, cl_vector(device)), blocks, 1}, .local = {1, 1, 1}};
    const cl_range some = {.global = {cl_blocks(rows, items) * blocks * ROW_LANES, items, 1},
                           .local = {ROW_LANES, items, 1}};
    return run ? cl_launch(device, kernel, each, 7, args) : cl_launch(device, kernel, some, 6, args);
}

static tas_status dense_norms(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const struct cl_device *cl = device->cl;
    const uint32_t rows = cl->group / ROW_LANES;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, cl->cpu ? "dense_norms_row" : "dense_norms", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[0]),
                           A_MEM(&m[1]),
                           A_MEM(&m[2]),
                           A_U32(a->n),
                           A_U32(a->size[NORMS_INPUTS]),
                           A_U32(a->size[NORMS_OUTPUTS]),
                           A_U32(a->first),
                           A_U32(a->size[NORMS_ADDED])};
    if (cl->cpu) return cl_launch(device, kernel, cl_line(1, a->n), 8, args);
    const cl_range range = {.global = {ROW_LANES, (a->n + rows - 1) / rows * rows, 1}, .local = {ROW_LANES, rows, 1}};
    return cl_launch(device, kernel, range, 8, args);
}

void cl_override_sum_squares(tas_device *device)
{
    device->launch[OP_SQUARE_BLOCKS] = square_blocks;
    device->launch[OP_SQUARE_ROWS] = square_rows;
    device->launch[OP_DENSE_NORMS] = dense_norms;
}
