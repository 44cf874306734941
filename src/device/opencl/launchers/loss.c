/* Launches of cl/loss.cl and cl/target_loss.cl: 16 work-items per row, as many rows per group as the device's group
 * holds. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/loss.h"

/* The functions for which cl/target_loss.cl is built. */
static const char *const functions[OP_COUNT] = {
#define FUNCTIONS(UPPER, NAME) [OP_##UPPER##_LOSS] = "loss_" #NAME,
    TARGET_LOSSES(FUNCTIONS)
#undef FUNCTIONS
};

static launch_range rows_range(const tas_device *device, const op_args *a)
{
    const uint32_t rows = ((const opencl_device *)device->cl)->group / ROW_LANES;
    return (launch_range){.global = {ROW_LANES, block_count(a->n, rows) * rows, 1}, .local = {ROW_LANES, rows, 1}};
}

/* On processors one work-item computes a whole row. */
static tas_status softmax_loss(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    char options[32];
    cl_kernel kernel;
    (void)scratch;
    snprintf(options, sizeof options, "-D ROWS=%u", cl->group / ROW_LANES);
    tas_status status =
        program_get_kernel(device, "loss", cl->cpu ? "softmax_loss_row" : "softmax_loss", options, &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]), A_U32(a->n),
                                  A_U32(a->size[LOSS_OUTPUTS]), A_U32(a->first), A_F32(a->scalar[LOSS_SMOOTHING]));
    return launch_kernel(device, kernel, cl->cpu ? launch_line(1, a->n) : rows_range(device, a), &args);
}

static tas_status target_loss(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    char options[64];
    cl_kernel kernel;
    (void)scratch;
    snprintf(options, sizeof options, "-D ROWS=%u -D FUNCTION=%s",
             ((const opencl_device *)device->cl)->group / ROW_LANES, functions[a->op]);
    tas_status status = program_get_kernel(device, "target_loss", "target_loss", options, &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_U32(a->n),
                                  A_U32(a->size[LOSS_OUTPUTS]), A_U32(a->first), A_F32(a->scalar[LOSS_DELTA]));
    return launch_kernel(device, kernel, rows_range(device, a), &args);
}

const launcher loss_launchers[] = {
    {OP_SOFTMAX_LOSS, softmax_loss, NULL},
#define ROWS(UPPER, NAME) {OP_##UPPER##_LOSS, target_loss, NULL},
    TARGET_LOSSES(ROWS)
#undef ROWS
        {0},
};
