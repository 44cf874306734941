/* Launches of cl/dense_update.cl, for processors, and of cl/dense_update_gpu.cl. */
#include "ops/dense_update.h"

#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/sgd.h"
#include "ops/watch.h"

enum { INPUTS = 64 }; /* of a work-item of a processor */

static uint32_t panel_of(tas_device *device, const op_args *a)
{
    return device_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
}

/* Of both layers of a check, which reads no weights: the wider one of theirs. */
static uint32_t check_panel(tas_device *device, const op_args *a)
{
    const uint32_t own = panel_of(device, a), *size = a->size;
    const uint32_t other = device_weight_panel(device, size[CHECK_OUTPUTS], size[CHECK_INPUTS]);
    return size[CHECK_INPUTS] && other > own ? other : own;
}

/* On processors kernels are built for 1, 4 and 8 examples; weights in the canonical layout, which CLBlast takes, are
 * updated as on GPUs. */
static tas_status get_kernel(tas_device *device, const op_args *a, uint32_t panel, const char *name, cl_kernel *out)
{
    const opencl_device *cl = device->cl;
    const int examples = a->n == 1 ? 1 : a->n <= 4 ? 4 : FUSED_EXAMPLES;
    char options[64];
    if (panel > 1)
        snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u -D EXAMPLES=%d", opencl_vector_width(device), panel,
                 examples);
    else
        snprintf(options, sizeof options, "-D GROUP=%u", cl->group);
    return program_get_kernel(device, panel > 1 ? "dense_update" : "dense_update_gpu", name, options, out);
}

static launch_range weights_range(tas_device *device, const op_args *a)
{
    const opencl_device *cl = device->cl;
    const uint32_t panel = panel_of(device, a);
    if (panel > 1)
        return launch_single(block_count(a->size[DENSE_INPUTS], INPUTS), block_count(a->size[DENSE_OUTPUTS], panel), 1);
    launch_range range = launch_line(cl->group, a->size[DENSE_INPUTS]);
    range.global[1] = a->size[DENSE_OUTPUTS];
    return range;
}

/* Of a layer that is checked. */
static size_t check_items(uint32_t panel, uint32_t outputs, uint32_t inputs)
{
    if (panel == 1) return (size_t)outputs * inputs;
    return block_count(inputs, INPUTS) * block_count(outputs, panel);
}

static tas_status check(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const uint32_t panel = check_panel(device, a), *size = a->size;
    const size_t items = check_items(panel, size[DENSE_OUTPUTS], size[DENSE_INPUTS]);
    const size_t second = check_items(panel, size[CHECK_OUTPUTS], size[CHECK_INPUTS]);
    const mem *other = size[CHECK_INPUTS] ? m + 2 : m; /* if there is one */
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, a, panel, "dense_check", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&other[0]), A_MEM(&other[1]), A_MEM(&m[4]),
                                  A_U32(a->n), A_U32(size[DENSE_INPUTS]), A_U32(size[DENSE_OUTPUTS]),
                                  A_U32(size[DENSE_NO_BIAS]), A_U32(size[CHECK_INPUTS]), A_U32(size[CHECK_OUTPUTS]),
                                  A_U32(size[CHECK_NO_BIAS]), A_U32(size[FUSED_STEP]), A_U32(BAD_STEP));
    return launch_kernel(device, kernel, launch_line(panel > 1 ? 1 : cl->group, items + second), &args);
}

static tas_status sgd(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]), A_MEM(&m[5]),
                            A_MEM(&m[6]), A_MEM(&m[7]), A_U32(a->n), A_U32(a->size[DENSE_INPUTS]),
                            A_U32(a->size[DENSE_OUTPUTS]), A_U32(a->size[DENSE_NO_BIAS]), A_U32(a->size[SGD_NESTEROV]));
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, a, panel_of(device, a), "dense_sgd", &kernel);
    if (status) return status;
    for (int k = 0; k <= FUSED_BIAS_DECAY; k++) launch_add(&args, A_F32(a->scalar[k])); /* in their order */
    return launch_kernel(device, kernel, weights_range(device, a), &args);
}

const launcher dense_update_launchers[] = {{OP_DENSE_CHECK, check, NULL}, {OP_DENSE_SGD, sgd, NULL}, {0}};
