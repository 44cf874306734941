/* Rehearsals of launches. */
#include "device/opencl/rehearse.h"

#include "device/opencl/program.h"

#include <string.h>

void rehearse_kernel(rehearsal *to, const char *program, const char *name, const char *options)
{
    for (int k = 0; k < to->count; k++) {
        const rehearsed_kernel *known = &to->kernel[k];
        if (!strcmp(known->name, name) && !strcmp(known->program, program) && !strcmp(known->options, options)) return;
    }
    if (to->count == REHEARSED_MOST) return; /* what is left out is built and tested when it is first used */
    rehearsed_kernel *added = &to->kernel[to->count++];
    *added = (rehearsed_kernel){.program = program, .name = name};
    snprintf(added->options, sizeof added->options, "%s", options);
}

tas_status rehearse(tas_device *device, const op_args *call, rehearsal *to)
{
    opencl_device *cl = device->cl;
    const op_row *row = op_get(call->op);
    const mem none[OP_OPERANDS] = {{0}};
    const uint64_t flops = device->flops;
    device->flops = row->flops ? row->flops(call) * call->n : 0;
    cl->rehearsal = to;
    const tas_status status = device->launch[call->op](device, call, none, none);
    cl->rehearsal = NULL;
    device->flops = flops;
    return status;
}

bool rehearse_is_built(const tas_device *device, const rehearsed_kernel *kernel)
{
    return program_has_kernel(device, kernel->program, kernel->name, kernel->options);
}

tas_status rehearse_build(tas_device *device, const rehearsed_kernel *kernel)
{
    cl_kernel built;
    return program_get_kernel(device, kernel->program, kernel->name, kernel->options, &built);
}
