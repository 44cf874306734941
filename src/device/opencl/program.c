/* Kernels: from the open device's table, else from the cache on disk, else built from source. */
#include "device/opencl/launch.h"

#include "device/coverage.h"
#include "device/opencl/binary.h"
#include "device/opencl/bundle.h"
#include "device/opencl/errors.h"
#include "device/opencl/fork.h"
#include "device/opencl/rehearse.h"
#include "device/opencl/sources.h"

#include <stdlib.h>
#include <string.h>

/* No flag that relaxes arithmetic: programs add only -D options. */
static const char common_options[] = "-cl-std=CL1.2";

/* Seconds: of a build that cannot have come from a driver's own cache, and of all such builds together, after which the
 * next ones are reported, at this interval. */
static const double real_build = 0.2, quiet_builds = 1, report_interval = 4;

/* ---- Building ---- */

/* Fails with the beginning of the compiler's log. */
static tas_status build_failed(tas_device *device, cl_program built, cl_int error, const char *program,
                               const char *options)
{
    const opencl_device *cl = device->cl;
    size_t bytes = 0;
    char *log = NULL;
    clGetProgramBuildInfo(built, cl->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes);
    log = calloc(1, bytes + 1);
    if (log && clGetProgramBuildInfo(built, cl->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL)) *log = 0;
    tas_status status = fail(device->context, TAS_DEVICE_FAILED, "%s: kernels of %s (%s) do not build: %s (%d)",
                             device->info.id, program, options, error_name(error), (int)error);
    if (log && bytes > 600) log[600] = 0;
    if (log && *log) error_add_lines(device->context, log);
    free(log);
    return status;
}

static tas_status build_program(tas_device *device, const char *program, const char *source, const char *options,
                                cl_program *out)
{
    const opencl_device *cl = device->cl;
    cl_int error;
    *out = NULL;
    cl_program built = clCreateProgramWithSource(cl->context, 1, &source, NULL, &error);
    if (error) return error_fail(device, error, "clCreateProgramWithSource");
    const double before = wait_begin(device->context, DEVICE_BUILD);
    error = clBuildProgram(built, 1, &cl->id, options, NULL, NULL);
    wait_end(device->context, before);
    if (error) {
        tas_status status = build_failed(device, built, error, program, options);
        clReleaseProgram(built);
        return status;
    }
    *out = built;
    return TAS_OK;
}

static void release_program(program_row *row)
{
    if (row->built) clReleaseProgram(row->built);
    free(row->text);
    free(row->key);
    free(row->path);
    *row = (program_row){0};
}

/* Caches a program. A driver that is slow to return one binary is not asked for others. */
static void keep_program(tas_device *device, const program_row *row)
{
    opencl_device *cl = device->cl;
    if (!row->path || (!cl->cache_all && (row->seconds < real_build || cl->slow_binaries))) return;
    const double begin = now_seconds();
    binary_store(device, row->path, row->key, row->built);
    cl->slow_binaries = now_seconds() - begin > 0.5 * row->seconds;
}

/* Only if builds take long, at intervals, and if no caller reports how far the work is. */
static void report_build(tas_device *device, const char *program)
{
    opencl_device *cl = device->cl;
    const double now = now_seconds();
    if (cl->build_seconds < quiet_builds || now < cl->next_report || device->reported) return;
    note(device->context, "building kernels for %s: %s (%d built so far, in %.0f s)", device->info.id, program,
         cl->build_count, cl->build_seconds);
    cl->next_report = now + report_interval;
}

/* From the cache unless `fresh`, else from source. */
static tas_status get_built(tas_device *device, const char *program, const char *source, const char *options,
                            bool fresh, program_row *row)
{
    opencl_device *cl = device->cl;
    char *key = binary_make_key(device, source, options), *path = binary_find_path(key);

    row->built = fresh ? NULL : binary_load(device, path, key, options);
    row->cached = row->built != NULL;
    if (row->cached) {
        free(path);
        free(key);
        return TAS_OK;
    }
    report_build(device, program);

    const double begin = now_seconds();
    const tas_status status = build_program(device, program, source, options, &row->built);
    row->seconds = now_seconds() - begin;
    if (!status && row->seconds > real_build) {
        cl->build_count++;
        cl->build_seconds += row->seconds;
    }
    row->key = key;
    row->path = path;
    if (status) release_program(row);
    return status;
}

/* ---- The open device's tables ---- */

static const cl_source *find_source(const char *program)
{
    for (const cl_source *s = cl_sources; s->name; s++) {
        if (!strcmp(s->name, program)) return s;
    }
    return NULL;
}

static bool same(const char *a, const char *b) { return a == b || !strcmp(a, b); }

static kernel_row *find_kernel(opencl_device *cl, const char *program, const char *name, const char *options)
{
    for (int k = 0; k < cl->kernel_count; k++) {
        kernel_row *e = &cl->kernels[k];
        if (same(e->name, name) && same(e->program, program) && !strcmp(e->options, options)) return e;
    }
    return NULL;
}

static program_row *find_program(opencl_device *cl, const char *program, const char *options)
{
    for (int k = 0; k < cl->program_count; k++) {
        program_row *e = &cl->programs[k];
        if (same(e->program, program) && !strcmp(e->options, options)) return e;
    }
    return NULL;
}

/* The built program; adds its row if there is none. */
static tas_status get_program(tas_device *device, const char *program, const char *options, bool fresh,
                              program_row **out)
{
    opencl_device *cl = device->cl;
    program_row *row = find_program(cl, program, options);
    char all[sizeof row->options + sizeof common_options + 1 + COVERAGE_OPTION_BYTES];
    char cover[COVERAGE_OPTION_BYTES];

    *out = row;
    if (row && !fresh) return TAS_OK;

    program_row made = {.program = program, .place = -1};
    const cl_source *source = find_source(program);
    if (!source) return fail(device->context, TAS_DEVICE_FAILED, "%s: no kernels named %s", device->info.id, program);
    if (!row && cl->program_count == OPENCL_KERNELS)
        return fail(device->context, TAS_DEVICE_FAILED, "%s: no room for another program (%s)", device->info.id,
                    program);
    strcpy(made.options, options);
    tas_status status = coverage_add(device, program, options, cover, sizeof cover);
    if (status) return status;
    snprintf(all, sizeof all, "%s%s%s%s", common_options, *options ? " " : "", options, cover);
    status = get_built(device, program, source->text, all, fresh, &made);
    if (status) return status;
    if (row)
        release_program(row);
    else
        row = &cl->programs[cl->program_count++];
    *row = made;
    *out = row;
    return TAS_OK;
}

/* The rows of a bundle's units, of which the first has what is cached. */
static void add_bundle(opencl_device *cl, const bundle_unit *unit, int count, const program_row *made)
{
    for (int k = 0; k < count; k++) {
        program_row *row = &cl->programs[cl->program_count++];
        *row = k ? (program_row){.built = made->built, .cached = made->cached} : *made;
        row->program = unit[k].source->name;
        row->place = k;
        strcpy(row->options, unit[k].options);
        if (k) clRetainProgram(made->built);
    }
}

void program_build_all(tas_device *device, const program_need *list, int count)
{
    opencl_device *cl = device->cl;
    bundle_unit *unit = calloc((size_t)count + 1, sizeof *unit);
    char error[sizeof device->context->error];
    int units = 0;
    if (!unit || cl_points[0].program || cl->rehearsal || fork_is_child()) count = 0;
    for (int k = 0; k < count; k++) {
        const bundle_unit next = {find_source(list[k].program), list[k].options};
        bool listed = find_program(cl, list[k].program, list[k].options) != NULL;
        for (int i = 0; i < units; i++)
            listed |= unit[i].source == next.source && !strcmp(unit[i].options, next.options);
        if (!listed && bundle_may_have(&next)) unit[units++] = next;
    }
    program_row made = {.program = "all"};
    if (units > 1 && cl->program_count + units <= OPENCL_KERNELS) made.text = bundle_make_text(unit, units);
    memcpy(error, device->context->error, sizeof error);
    if (made.text && !get_built(device, made.program, made.text, common_options, false, &made))
        add_bundle(cl, unit, units, &made);
    else
        free(made.text);
    memcpy(device->context->error, error, sizeof error);
    free(unit);
}

/* Has the kernel tested in the operation that runs, unless it was. */
static tas_status test_kernel(tas_device *device, kernel_row *row, bool pieces)
{
    const op_args *call = device->running;
    if (!call || !device->tester.test) return TAS_OK;
    uint64_t *bits = &row->tested[pieces][call->op / 64];
    const uint64_t bit = (uint64_t)1 << call->op % 64;
    const tas_status status = *bits & bit ? TAS_OK : device->tester.test(device->tester.self, call, pieces);
    if (!status) *bits |= bit;
    return status;
}

static cl_kernel create_of(const program_row *from, const char *name, cl_int *error)
{
    char own[BUNDLE_NAME];
    if (from->place < 0) return clCreateKernel(from->built, name, error);
    bundle_name(from->place, name, own);
    return clCreateKernel(from->built, own, error);
}

/* Of a kernel that is not in the table. */
static tas_status create_kernel(tas_device *device, const char *program, const char *name, const char *options,
                                kernel_row **out)
{
    opencl_device *cl = device->cl;
    program_row *from;
    kernel_row *row = NULL;
    cl_int error;

    if (fork_is_child()) return fork_check(device->context);
    if (strlen(options) >= sizeof row->options || cl->kernel_count == OPENCL_KERNELS)
        return fail(device->context, TAS_DEVICE_FAILED, "%s: no room for kernel %s (%s)", device->info.id, name,
                    options);

    tas_status status = get_program(device, program, options, false, &from);
    if (status) return status;
    cl_kernel kernel = create_of(from, name, &error);
    if (error && from->cached) { /* the driver accepted the binary, but cannot use it */
        status = get_program(device, program, options, true, &from);
        if (status) return status;
        kernel = create_of(from, name, &error);
    }
    if (error) {
        char call[128];
        snprintf(call, sizeof call, "clCreateKernel of %s in %s", name, program);
        return error_fail(device, error, call);
    }
    row = &cl->kernels[cl->kernel_count++];
    *row = (kernel_row){.program = program, .name = name, .kernel = kernel};
    strcpy(row->options, options);
    coverage_expect(program, options, name);
    *out = row;
    return TAS_OK;
}

tas_status program_get_kernel(tas_device *device, const char *program, const char *name, const char *options,
                              cl_kernel *out)
{
    opencl_device *cl = device->cl;
    tas_status status = TAS_OK;
    *out = NULL;
    if (!options) options = "";
    if (cl->rehearsal) {
        rehearse_kernel(cl->rehearsal, program, name, options);
        return TAS_OK;
    }
    kernel_row *row = find_kernel(cl, program, name, options);
    if (!row) status = create_kernel(device, program, name, options, &row);
    if (!status) status = test_kernel(device, row, false);
    if (!status) *out = row->kernel;
    return status;
}

tas_status program_test_pieces(tas_device *device, cl_kernel kernel)
{
    opencl_device *cl = device->cl;
    for (int k = 0; k < cl->kernel_count; k++)
        if (cl->kernels[k].kernel == kernel) return test_kernel(device, &cl->kernels[k], true);
    return TAS_OK;
}

bool program_has_kernel(const tas_device *device, const char *program, const char *name, const char *options)
{
    return find_kernel(device->cl, program, name, options) != NULL;
}

/* A driver that builds a program again in a moment has a cache of its own, and binaries are of no use: from one, PoCL
 * compiles every kernel again. */
static bool has_own_cache(tas_device *device, const program_row *row)
{
    char options[sizeof row->options + sizeof common_options + 1], error[sizeof device->context->error];
    cl_program again;
    const char *own = row->text ? "" : row->options, *text = row->text ? row->text : find_source(row->program)->text;
    memcpy(error, device->context->error, sizeof error);
    snprintf(options, sizeof options, "%s%s%s", common_options, *own ? " " : "", own);
    const double begin = now_seconds();
    const tas_status status = build_program(device, row->program, text, options, &again);
    const double seconds = now_seconds() - begin;
    if (!status) clReleaseProgram(again);
    memcpy(device->context->error, error, sizeof error);
    return status || seconds < 0.5 * row->seconds;
}

void program_keep_all(tas_device *device)
{
    const opencl_device *cl = device->cl;
    const program_row *longest = NULL;
    for (int k = 0; k < cl->program_count; k++)
        if (!longest || cl->programs[k].seconds > longest->seconds) longest = &cl->programs[k];
    if (!longest || (!cl->cache_all && (longest->seconds < real_build || has_own_cache(device, longest)))) return;
    for (int k = 0; k < cl->program_count; k++) keep_program(device, &cl->programs[k]);
}

void program_release_all(opencl_device *cl)
{
    for (int k = 0; k < cl->kernel_count; k++) clReleaseKernel(cl->kernels[k].kernel);
    for (int k = 0; k < cl->program_count; k++) release_program(&cl->programs[k]);
    cl->kernel_count = cl->program_count = 0;
}

tas_status program_get_grouped(tas_device *device, const char *program, const char *name, cl_kernel *out)
{
    char options[32];
    snprintf(options, sizeof options, "-D GROUP=%u -D RUN=1", ((opencl_device *)device->cl)->group);
    return program_get_kernel(device, program, name, options, out);
}

static tas_status get_runs(tas_device *device, const char *program, const char *name, const char *more, uint32_t group,
                           uint32_t run, cl_kernel *out)
{
    const opencl_device *cl = device->cl;
    char options[80];
    snprintf(options, sizeof options, "-D GROUP=%u -D RUN=%u%s", cl->cpu ? 1 : group,
             cl->cpu ? (uint32_t)LAUNCH_CPU_RUN : run, more);
    return program_get_kernel(device, program, name, options, out);
}

/* A kernel may allow less than the device does, so it is asked. */
tas_status program_get_elementwise(tas_device *device, const char *program, const char *name, const char *more,
                                   cl_kernel *out)
{
    opencl_device *cl = device->cl;
    bool fits = true;
    tas_status status = get_runs(device, program, name, more, cl->large_group, 4, out);
    if (status || cl->cpu || cl->large_group == cl->group) return status;
    status = program_check_group(device, *out, cl->large_group, &fits);
    if (status || fits) return status;
    cl->large_group = cl->group;
    return get_runs(device, program, name, more, cl->large_group, 4, out);
}

tas_status program_get_fours(tas_device *device, const char *program, const char *name, const char *more,
                             cl_kernel *out)
{
    return get_runs(device, program, name, more, ((opencl_device *)device->cl)->group, 4, out);
}

tas_status program_get_singles(tas_device *device, const char *program, const char *name, const char *more,
                               cl_kernel *out)
{
    return get_runs(device, program, name, more, ((opencl_device *)device->cl)->group, 1, out);
}

tas_status program_check_group(tas_device *device, cl_kernel kernel, size_t group, bool *fits)
{
    const opencl_device *cl = device->cl;
    size_t most = 0;
    if (cl->rehearsal) return TAS_OK;
    cl_int error = clGetKernelWorkGroupInfo(kernel, cl->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
    if (error) return error_fail(device, error, "clGetKernelWorkGroupInfo");
    *fits = *fits && group <= most;
    return TAS_OK;
}

tas_status program_check_spills(tas_device *device, cl_kernel kernel, bool *fits)
{
    const opencl_device *cl = device->cl;
    cl_ulong bytes = 0;
    if (cl->rehearsal || device->info.type != TAS_TYPE_GPU) return TAS_OK;
    cl_int error = clGetKernelWorkGroupInfo(kernel, cl->id, CL_KERNEL_PRIVATE_MEM_SIZE, sizeof bytes, &bytes, NULL);
    if (error) return error_fail(device, error, "clGetKernelWorkGroupInfo");
    *fits = *fits && !bytes;
    return TAS_OK;
}
