/* Rehearsals of launches. */
#include "device/opencl/rehearse.h"

#include "device/opencl/program.h"

#include <stdlib.h>
#include <string.h>

int rehearse_find(const rehearsed_kernel *list, int count, const rehearsed_kernel *kernel)
{
    int k = 0;
    while (k < count && (strcmp(list[k].name, kernel->name) || strcmp(list[k].program, kernel->program) ||
                         strcmp(list[k].options, kernel->options)))
        k++;
    return k;
}

void rehearse_kernel(rehearsal *to, const char *program, const char *name, const char *options)
{
    rehearsed_kernel kernel = {.program = program, .name = name};
    snprintf(kernel.options, sizeof kernel.options, "%s", options);
    if (rehearse_find(to->kernel, to->count, &kernel) < to->count) return;
    if (to->count == REHEARSED_MOST) return; /* what is left out is built and tested when it is first used */
    to->kernel[to->count++] = kernel;
}

void rehearse_choice(rehearsal *to, int variant)
{
    if (!to->chosen) to->chosen = 1 + variant;
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

void rehearse_build_all(tas_device *device, const rehearsed_kernel *list, int count)
{
    program_need *needs = calloc((size_t)count + 1, sizeof *needs);
    for (int k = 0; k < count && needs; k++) needs[k] = (program_need){list[k].program, list[k].options};
    if (needs) program_build_all(device, needs, count);
    free(needs);
}
