/* Launches of cl/activation.cl. */
#include "device/opencl/opencl.h"

/* The macro that builds a function's kernels. */
static const char *function_of(op_id op)
{
    switch (op) {
    case OP_RELU_FORWARD:
    case OP_RELU_BACKWARD: return "RELU";
    case OP_LEAKY_FORWARD:
    case OP_LEAKY_BACKWARD: return "LEAKY";
    case OP_TANH_FORWARD:
    case OP_TANH_BACKWARD: return "TANH";
    case OP_SIGMOID_FORWARD:
    case OP_SIGMOID_BACKWARD: return "SIGMOID";
    default: return "GELU";
    }
}

static tas_status activate(tas_device *device, const op_args *a, const mem *m, const char *name, int operands)
{
    const struct cl_device *cl = device->cl;
    const uint32_t count = op_padded(a) * a->size[0];
    char options[64];
    cl_kernel kernel;
    snprintf(options, sizeof options, " -D %s", function_of(a->op));
    tas_status status = cl_get_elements(device, "activation", name, options, &kernel);
    if (status) return status;
    cl_arg args[5];
    int n = 0;
    for (; n < operands; n++) args[n] = A_MEM(&m[n]);
    args[n++] = A_U32(count);
    args[n++] = A_F32(a->scalar[0]);
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
    static const op_id forwards[] = {OP_RELU_FORWARD, OP_LEAKY_FORWARD, OP_TANH_FORWARD, OP_SIGMOID_FORWARD,
                                     OP_GELU_FORWARD};
    static const op_id backwards[] = {OP_RELU_BACKWARD, OP_LEAKY_BACKWARD, OP_TANH_BACKWARD, OP_SIGMOID_BACKWARD,
                                      OP_GELU_BACKWARD};
    for (int i = 0; i < 5; i++) {
        device->launch[forwards[i]] = forward;
        device->launch[backwards[i]] = backward;
    }
}
