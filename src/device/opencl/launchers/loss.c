/* Launches of cl/loss.cl: 16 lanes a row, as many rows a group as the device's group holds. */
#include "device/opencl/opencl.h"

#include "ops/loss.h"

#include <string.h>

static tas_status loss(tas_device *device, const op_args *a, const mem *m, const char *name, int operands)
{
    const struct cl_device *cl = device->cl;
    const uint32_t rows = cl->group / ROW_LANES;
    char options[32];
    cl_kernel kernel;
    snprintf(options, sizeof options, "-D ROWS=%u", rows);
    tas_status status = cl_get_kernel(device, "loss", name, options, &kernel);
    if (status) return status;
    cl_arg args[8];
    int n = 0;
    for (; n < operands; n++) args[n] = A_MEM(&m[n]);
    args[n++] = A_U32(a->n);
    args[n++] = A_U32(a->size[LOSS_OUTPUTS]);
    args[n++] = A_U32(a->first);
    if (!strcmp(name, "softmax_loss_row")) return cl_launch(device, kernel, cl_line(1, a->n), n, args);
    const cl_range range = {.global = {ROW_LANES, (a->n + rows - 1) / rows * rows, 1}, .local = {ROW_LANES, rows, 1}};
    return cl_launch(device, kernel, range, n, args);
}

/* On processors a work-item takes a whole row. */
static tas_status softmax_loss(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return loss(device, a, m, ((const struct cl_device *)device->cl)->cpu ? "softmax_loss_row" : "softmax_loss", 5);
}

static tas_status squared_loss(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return loss(device, a, m, "squared_loss", 4);
}

void cl_override_loss(tas_device *device)
{
    device->launch[OP_SOFTMAX_LOSS] = softmax_loss;
    device->launch[OP_SQUARED_LOSS] = squared_loss;
}
