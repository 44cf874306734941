/* Launches of cl/norm.cl and cl/norm_fold.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/norm.h"

enum { GPU_RUN = 4, CPU_RUN = 1024 };

/* ---- Passes over values ------------------------------------------------------------------------------------------ */

/* What the work-items of cl/norm.cl share. */
typedef enum line { LINE_POSITIONS, LINE_CHANNELS, LINE_SET } line;

static line line_of(const op_args *a)
{
    if (a->size[NORM_POSITIONS] > 1) return LINE_POSITIONS;
    return a->size[NORM_SETS] == a->size[NORM_CHANNELS] ? LINE_CHANNELS : LINE_SET;
}

/* Work-items for lines, in groups that have `block` values of one. */
static launch_range lines_range(const opencl_device *cl, const op_args *a)
{
    const uint32_t channels = a->size[NORM_CHANNELS], sets = a->size[NORM_SETS], group = cl->cpu ? 1 : cl->group;
    const uint32_t lengths[] = {a->size[NORM_POSITIONS], channels, channels / sets}, lines[] = {channels, 1, sets};
    const uint64_t blocks = block_count(lengths[line_of(a)], group * (cl->cpu ? CPU_RUN : GPU_RUN));
    return launch_line(group, (uint64_t)a->n * lines[line_of(a)] * blocks * group);
}

/* Rows of 16 lanes. */
static launch_range lanes_range(const opencl_device *cl, uint64_t rows)
{
    const uint32_t some = cl->group / ROW_LANES;
    return (launch_range){.global = {block_count(rows, some) * ROW_LANES, some, 1}, .local = {ROW_LANES, some, 1}};
}

/* One work-item per channel of a panel; else by lines, or for sums over a row's positions by rows. */
static launch_range values_range(const opencl_device *cl, const op_args *a, bool sums)
{
    const uint64_t channels = (uint64_t)op_padded(a) / op_panel_width(a) * a->size[NORM_CHANNELS];
    if (op_panel_width(a) > 1) return launch_line(1, channels);
    if (!sums || line_of(a) != LINE_POSITIONS) return lines_range(cl, a);
    return cl->cpu ? launch_line(1, channels) : lanes_range(cl, channels);
}

static tas_status run_values(tas_device *device, const op_args *a, const mem *m, int operands, const char *name,
                             bool sums)
{
    const opencl_device *cl = device->cl;
    const uint32_t panel = op_panel_width(a);
    launch_args args = {0};
    char options[80];
    cl_kernel kernel;
    snprintf(options, sizeof options, "-D PANEL=%u -D GROUP=%u -D RUN=%u -D LINE=%d", panel, cl->cpu ? 1 : cl->group,
             cl->cpu ? CPU_RUN : GPU_RUN, panel > 1 ? 0 : (int)line_of(a));
    tas_status status = program_get_kernel(device, "norm", name, options, &kernel);
    if (status) return status;
    for (int k = 0; k < operands; k++) launch_add(&args, A_MEM(&m[k]));
    if (a->op == OP_NORM_FORWARD) launch_add(&args, A_ADDEND(a, m));
    launch_add(&args, A_U32(a->n));
    launch_add(&args, A_U32(a->size[NORM_CHANNELS]));
    launch_add(&args, A_U32(a->size[NORM_POSITIONS]));
    launch_add(&args, A_U32(a->size[NORM_SETS]));
    launch_add(&args, A_U32(norm_rows_first(a)));
    launch_add(&args, A_U32(norm_group(a)));
    if (a->op == OP_NORM_FORWARD) {
        launch_add(&args, A_LEAST(a));
        launch_add(&args, A_U32(a->adds));
    }
    return launch_kernel(device, kernel, values_range(cl, a, sums), &args);
}

static tas_status rows(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return run_values(device, a, m, 2, "norm_rows", true);
}

static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return run_values(device, a, m, 5, "norm_forward", false);
}

static tas_status backward_rows(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return run_values(device, a, m, 4, "norm_backward_rows", true);
}

static tas_status backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    (void)scratch;
    return run_values(device, a, m, 6, "norm_backward_input", false);
}

/* ---- Folds ------------------------------------------------------------------------------------------------------- */

/* The vectors of a processor, or narrower ones that have no more lanes than there are channels; 0: there are fewer. */
static uint32_t channel_vector(const tas_device *device, const op_args *a)
{
    uint32_t vec = opencl_vector_width(device);
    while (vec > a->size[NORM_CHANNELS]) vec /= 2;
    return ((const opencl_device *)device->cl)->cpu && vec >= 4 ? vec : 0;
}

static tas_status get_fold(tas_device *device, const char *name, uint32_t vec, cl_kernel *out)
{
    const opencl_device *cl = device->cl;
    char options[64];
    snprintf(options, sizeof options, "-D GROUP=%u -D ROWS=%u -D VEC=%u", cl->group, cl->group / ROW_LANES,
             vec ? vec : 4);
    return program_get_kernel(device, "norm_fold", name, options, out);
}

typedef struct group_range {
    uint32_t begin, count;
} group_range;

/* The groups of the tile. */
static group_range find_groups(const op_args *a)
{
    const uint32_t group = norm_group(a), begin = norm_rows_first(a) / group;
    return (group_range){begin, (uint32_t)block_count((uint64_t)norm_rows_first(a) + a->n, group) - begin};
}

/* A kernel's names: by lanes; for sets of one channel on processors, and for groups of one example there. */
typedef struct fold_names {
    const char *lanes, *channels, *set;
} fold_names;

/* The arguments of a fold over sets; the kernel and its range. */
static tas_status prepare_fold(tas_device *device, const op_args *a, const mem *m, int operands,
                               const fold_names *names, launch_args *args, cl_kernel *kernel, launch_range *range)
{
    const opencl_device *cl = device->cl;
    const uint32_t channels = a->size[NORM_CHANNELS], sets = a->size[NORM_SETS];
    const uint32_t vec = sets == channels ? channel_vector(device, a) : 0;
    const group_range groups = find_groups(a);
    const bool by_set = cl->cpu && sets < channels;
    *range = lanes_range(cl, (uint64_t)sets * groups.count);
    if (vec) *range = launch_single(block_count(channels, vec), groups.count, 1);
    if (by_set) *range = launch_single(sets, groups.count, 1);
    *args = (launch_args){0};
    for (int k = 0; k < operands; k++) launch_add(args, A_MEM(&m[k]));
    launch_add(args, A_U32(channels));
    launch_add(args, A_U32(a->size[NORM_POSITIONS]));
    launch_add(args, A_U32(sets));
    launch_add(args, A_U32(norm_rows_total(a)));
    launch_add(args, A_U32(norm_group(a)));
    launch_add(args, A_U32(groups.begin));
    launch_add(args, A_U32(groups.count));
    return get_fold(device, vec ? names->channels : by_set ? names->set : names->lanes, vec, kernel);
}

static tas_status statistics(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    static const fold_names names = {"norm_statistics", "norm_statistics_channels", "norm_statistics_set"};
    launch_args args;
    launch_range range;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = prepare_fold(device, a, m, 2, &names, &args, &kernel, &range);
    if (status) return status;
    launch_add(&args, A_F32(a->scalar[NORM_EPSILON]));
    return launch_kernel(device, kernel, range, &args);
}

static tas_status backward_sums(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    static const fold_names names = {"norm_backward_sums", "norm_backward_sums_channels", "norm_backward_sums_set"};
    launch_args args;
    launch_range range;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = prepare_fold(device, a, m, 4, &names, &args, &kernel, &range);
    if (status) return status;
    launch_add(&args, A_U32(a->shard == 0));
    return launch_kernel(device, kernel, range, &args);
}

static tas_status backward_parameters(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const uint32_t channels = a->size[NORM_CHANNELS], vec = channel_vector(device, a);
    const group_range groups = find_groups(a);
    cl_kernel kernel;
    (void)scratch;
    tas_status status =
        get_fold(device, vec ? "norm_backward_parameters_channels" : "norm_backward_parameters", vec, &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(channels), A_U32(norm_rows_total(a)),
                                  A_U32(norm_group(a)), A_U32(groups.begin), A_U32(groups.count), A_U32(a->first == 0));
    const launch_range range = vec ? launch_line(1, block_count(channels, vec)) : lanes_range(cl, channels);
    return launch_kernel(device, kernel, range, &args);
}

static tas_status merge(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const char *name = a->op == OP_NORM_MERGE_SUMS ? "norm_merge_sums" : "norm_merge_statistics";
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_fold(device, name, channel_vector(device, a), &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->size[NORM_CHANNELS]), A_U32(norm_rows_total(a)),
                                  A_U32(norm_group(a)), A_U32(norm_groups(a)), A_F32(a->scalar[NORM_EPSILON]));
    return launch_kernel(device, kernel, launch_line(cl->group, a->size[NORM_CHANNELS]), &args);
}

/* ---- Running statistics ------------------------------------------------------------------------------------------ */

static tas_status load_running(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_fold(device, "norm_load_running", channel_vector(device, a), &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->size[NORM_CHANNELS]), A_F32(a->scalar[NORM_EPSILON]));
    return launch_kernel(device, kernel, launch_line(cl->group, a->size[NORM_CHANNELS]), &args);
}

static tas_status update_running(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_fold(device, "norm_update_running", channel_vector(device, a), &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MEM(&m[3]), A_U32(a->size[NORM_CHANNELS]),
                                  A_U32(a->size[NORM_POSITIONS]), A_U32(norm_rows_total(a)), A_U32(norm_group(a)),
                                  A_U32(norm_groups(a)), A_F32(a->scalar[NORM_MOMENTUM]));
    return launch_kernel(device, kernel, launch_line(cl->group, a->size[NORM_CHANNELS]), &args);
}

const launcher norm_launchers[] = {
    {OP_NORM_ROWS, rows, NULL},
    {OP_NORM_STATISTICS, statistics, NULL},
    {OP_NORM_FORWARD, forward, NULL},
    {OP_NORM_BACKWARD_ROWS, backward_rows, NULL},
    {OP_NORM_BACKWARD_SUMS, backward_sums, NULL},
    {OP_NORM_BACKWARD_PARAMETERS, backward_parameters, NULL},
    {OP_NORM_BACKWARD_INPUT, backward_input, NULL},
    {OP_NORM_LOAD_RUNNING, load_running, NULL},
    {OP_NORM_UPDATE_RUNNING, update_running, NULL},
    {OP_NORM_MERGE_STATISTICS, merge, NULL},
    {OP_NORM_MERGE_SUMS, merge, NULL},
    {0},
};
