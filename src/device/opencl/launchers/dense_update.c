/* Launches of cl/dense_check.cl, of cl/dense_update.cl and dense_update_near.cl, for processors, and of
 * cl/dense_update_gpu.cl. */
#include "ops/dense_update.h"

#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/sgd.h"
#include "ops/watch.h"

enum {
    COLUMNS = 64,    /* of a work-item of dense_check on processors */
    FEW = 8,         /* examples at most for dense_update.cl */
    FEW_INPUTS = 64, /* of a work-item there */
};

/* ---- dense_check ---- */

static size_t check_items(size_t run, uint32_t outputs, uint32_t inputs)
{
    return block_count(inputs, run) + block_count(outputs, run);
}

static tas_status check(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const uint32_t *size = a->size, run = cl->cpu ? COLUMNS : 1, group = cl->cpu ? 1 : (uint32_t)cl->group;
    const size_t items = check_items(run, size[DENSE_OUTPUTS], size[DENSE_INPUTS]);
    const size_t second = check_items(run, size[CHECK_OUTPUTS], size[CHECK_INPUTS]);
    const mem *other = size[CHECK_INPUTS] ? m + 2 : m; /* if there is one */
    char options[64];
    cl_kernel kernel;
    (void)scratch;
    snprintf(options, sizeof options, "-D GROUP=%u -D RUN=%u", group, run);
    tas_status status = program_get_kernel(device, "dense_check", "dense_check", options, &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&other[0]), A_MEM(&other[1]), A_MEM(&m[4]),
                                  A_U32(a->n), A_U32(size[DENSE_INPUTS]), A_U32(size[DENSE_OUTPUTS]),
                                  A_U32(size[DENSE_NO_BIAS]), A_U32(size[CHECK_INPUTS]), A_U32(size[CHECK_OUTPUTS]),
                                  A_U32(size[CHECK_NO_BIAS]), A_U32(size[FUSED_STEP]), A_U32(BAD_STEP));
    return launch_kernel(device, kernel, launch_line(group, items + second), &args);
}

/* ---- dense_sgd ---- */

static tas_status run_few(tas_device *device, const op_args *a, uint32_t panel, const launch_args *args)
{
    const int examples = a->n == 1 ? 1 : a->n <= 4 ? 4 : FEW;
    const size_t panels = block_count(a->size[DENSE_OUTPUTS], panel);
    char options[64];
    cl_kernel kernel;
    snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u -D EXAMPLES=%d", opencl_vector_width(device), panel,
             examples);
    const tas_status status = program_get_kernel(device, "dense_update", "dense_sgd", options, &kernel);
    if (status) return status;
    return launch_kernel(device, kernel, launch_single(block_count(a->size[DENSE_INPUTS], FEW_INPUTS), panels, 1),
                         args);
}

static tas_status run_near(tas_device *device, const op_args *a, uint32_t panel, launch_args *args)
{
    const uint32_t rows = dense_block_rows(device);
    const size_t panels = block_count(a->size[DENSE_OUTPUTS], panel);
    const size_t wide = block_count(a->size[DENSE_INPUTS], DENSE_NEAR_INPUTS);
    const uint32_t group = dense_panel_group(device, DENSE_NEAR_PANELS, panels, wide);
    char options[64];
    cl_kernel kernel;
    snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u -D ROWS=%u", opencl_vector_width(device), panel, rows);
    const tas_status status = program_get_kernel(device, "dense_update_near", "dense_sgd_near", options, &kernel);
    if (status) return status;
    launch_add(args, A_U32(group));
    return launch_kernel(device, kernel, launch_single(wide, block_count(panels, group), 1), args);
}

/* Of weights in the canonical layout, which CLBlast takes on processors, too. */
static tas_status run_each(tas_device *device, const op_args *a, const launch_args *args)
{
    const opencl_device *cl = device->cl;
    launch_range range = launch_line(cl->group, a->size[DENSE_INPUTS]);
    char options[32];
    cl_kernel kernel;
    range.global[1] = a->size[DENSE_OUTPUTS];
    snprintf(options, sizeof options, "-D GROUP=%u", cl->group);
    const tas_status status = program_get_kernel(device, "dense_update_gpu", "dense_sgd", options, &kernel);
    return status ? status : launch_kernel(device, kernel, range, args);
}

static tas_status sgd(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&m[4]), A_MEM(&m[5]),
                            A_MEM(&m[6]), A_MEM(&m[7]), A_U32(a->n), A_U32(a->size[DENSE_INPUTS]),
                            A_U32(a->size[DENSE_OUTPUTS]), A_U32(a->size[DENSE_NO_BIAS]), A_U32(a->size[SGD_NESTEROV]));
    const uint32_t panel = device_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
    (void)scratch;
    for (int k = 0; k <= FUSED_BIAS_DECAY; k++) launch_add(&args, A_F32(a->scalar[k])); /* in their order */
    if (panel == 1) return run_each(device, a, &args);
    return a->n <= FEW ? run_few(device, a, panel, &args) : run_near(device, a, panel, &args);
}

const launcher dense_update_launchers[] = {{OP_DENSE_CHECK, check, NULL}, {OP_DENSE_SGD, sgd, NULL}, {0}};
