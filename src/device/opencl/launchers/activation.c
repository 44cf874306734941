/* Launches of cl/activation.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

const char *activation_function(op_id op)
{
    static const char *const functions[OP_COUNT] = {
#define FUNCTIONS(UPPER, NAME, S, SLOPE, TEXT)                                                                         \
    [OP_##UPPER##_FORWARD] = "activation_" #NAME, [OP_##UPPER##_BACKWARD] = "activation_" #NAME,
        ACTIVATIONS(FUNCTIONS)
#undef FUNCTIONS
    };
    return functions[op];
}

static tas_status activate(tas_device *device, const op_args *a, const char *name, launch_args *args)
{
    const uint32_t count = op_padded(a) * a->size[ACTIVATION_ELEMENTS];
    char options[64];
    cl_kernel kernel;
    snprintf(options, sizeof options, " -D FUNCTION=%s", activation_function(a->op));
    tas_status status = program_get_elementwise(device, "activation", name, options, &kernel);
    if (status) return status;
    launch_add(args, A_U32(count));
    launch_add(args, A_F32(a->scalar[ACTIVATION_SLOPE]));
    return launch_kernel(device, kernel, launch_elements(device->cl, 0, count), args);
}

static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]));
    (void)scratch;
    return activate(device, a, "activation_forward", &args);
}

static tas_status backward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]));
    (void)scratch;
    return activate(device, a, "activation_backward", &args);
}

const launcher activation_launchers[] = {
#define ROWS(UPPER, NAME, S, SLOPE, TEXT)                                                                              \
    {OP_##UPPER##_FORWARD, forward, NULL}, {OP_##UPPER##_BACKWARD, backward, NULL},
    ACTIVATIONS(ROWS)
#undef ROWS
        {0},
};
