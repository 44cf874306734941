/* Launches of cl/activation.cl. */
#include "device/opencl/opencl.h"

/* The name of a function's kernels. */
static const char *function_of(op_id op)
{
    switch (op) {
#define NAME_OF(UPPER, NAME, S, SLOPE, TEXT)                                                                           \
    case OP_##UPPER##_FORWARD:                                                                                         \
    case OP_##UPPER##_BACKWARD: return "activation_" #NAME;
        ACTIVATIONS(NAME_OF)
#undef NAME_OF
    default: return NULL;
    }
}

static tas_status activate(tas_device *device, const op_args *a, const mem *m, const char *name, int operands)
{
    const struct cl_device *cl = device->cl;
    const uint32_t count = op_padded(a) * a->size[ACTIVATION_ELEMENTS];
    char options[64];
    cl_kernel kernel;
    snprintf(options, sizeof options, " -D FUNCTION=%s", function_of(a->op));
    tas_status status = cl_get_elements(device, "activation", name, options, &kernel);
    if (status) return status;
    cl_arg args[5];
    int n = 0;
    for (; n < operands; n++) args[n] = A_MEM(&m[n]);
    args[n++] = A_U32(count);
    args[n++] = A_F32(a->scalar[ACTIVATION_SLOPE]);
    return cl_launch(device, kernel, cl_elements(cl, count), n, args);
}

static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return activate(device, a, m, "activation_forward", 2);
}

static tas_status backward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return activate(device, a, m, "activation_backward", 3);
}

void cl_override_activation(tas_device *device)
{
#define OVERRIDE(UPPER, NAME, S, SLOPE, TEXT)                                                                          \
    device->launch[OP_##UPPER##_FORWARD] = forward;                                                                    \
    device->launch[OP_##UPPER##_BACKWARD] = backward;
    ACTIVATIONS(OVERRIDE)
#undef OVERRIDE
}
