/* Kernels from source and from the cache on disk, on the device that TASSELLO_TEST_DEVICE names (an id; else the
 * first). */
#include "device/opencl/discover.h"
#include "device/opencl/errors.h"
#include "device/opencl/launch.h"
#include "device/opencl/sources.h"
#include "device/select.h"

#include "base/file.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const cl_point cl_points[] = {{0}};
const cl_source cl_sources[] = {
    {"tiny",
     "#ifndef ADD\n"
     "#define ADD 1\n"
     "#endif\n"
     "__kernel __attribute__((reqd_work_group_size(4, 1, 1))) void tiny(__global uint *y, __global const uint *x,\n"
     "                                                                  uint a, float f)\n"
     "{\n"
     "    __local uint l[4];\n"
     "    uint k = get_global_id(0);\n"
     "    l[get_local_id(0)] = a + (uint)f + ADD;\n"
     "    barrier(CLK_LOCAL_MEM_FENCE);\n"
     "    y[k] = l[get_local_id(0)] + (x ? x[k] : 0);\n"
     "}\n"
     "__kernel __attribute__((reqd_work_group_size(2, 2, 1))) void plane(__global uint *y)\n"
     "{\n"
     "    y[get_global_id(1) * get_global_size(0) + get_global_id(0)] = 10 * get_global_id(1) + get_global_id(0);\n"
     "}\n",
     NULL, NULL},
    {"wrong", "__kernel void wrong(__global uint *y) { y[0] = no_such_thing; }\n", "wrong", ""},
    {"left",
     "#define MORE(x) ((x) + 1)\n"
     "typedef uint number;\n"
     "number add(number a) { return MORE(a) + BY; }\n"
     "__kernel __attribute__((reqd_work_group_size(4, 1, 1))) void tiny(__global uint *y, __global const uint *x,\n"
     "                                                                  uint a, float f)\n"
     "{\n"
     "    y[get_global_id(0)] = add(x[get_global_id(0)]) + a + (uint)f;\n"
     "}\n",
     "add number tiny", "MORE"},
    {"right",
     "#ifdef MORE\n"
     "#error\n"
     "#endif\n"
     "#define MORE(x) ((x) + 100)\n"
     "typedef ulong number;\n"
     "number add(number a) { return MORE(a) + (sizeof(number) == 8); }\n"
     "__kernel __attribute__((reqd_work_group_size(4, 1, 1))) void tiny(__global uint *y, __global const uint *x,\n"
     "                                                                  uint a, float f)\n"
     "{\n"
     "    y[get_global_id(0)] = (uint)add(x[get_global_id(0)]) + a + (uint)f;\n"
     "}\n",
     "add number tiny", "MORE"},
    {NULL, NULL, NULL, NULL},
};

enum { ITEMS = 8 };

static tas_context *context;
static tas_device_info info;
static char folder[] = "/tmp/tassello-test-program-XXXXXX";
static char cache[sizeof folder + 16]; /* $XDG_CACHE_HOME, anew for each test */
static bool keeps;                     /* whether this driver gives binaries at all */
static char noted[4096];

static void keep_note(void *user, const char *line)
{
    (void)user;
    strncat(noted, line, sizeof noted - strlen(noted) - 1);
}

static void open_device(tas_device *device, opencl_device *cl)
{
    cl_int error;
    memset(cl, 0, sizeof *cl);
    *device = (tas_device){.context = context, .info = info, .cl = cl};
    cl->cache_all = true;
    ck_assert_msg(!discover_find(context, info.long_id, &cl->platform, &cl->id), "%s", tas_error(context));
    cl->context = clCreateContext(NULL, 1, &cl->id, NULL, NULL, &error);
    ck_assert_int_eq(error, CL_SUCCESS);
    cl->queue = clCreateCommandQueue(cl->context, cl->id, 0, &error);
    ck_assert_int_eq(error, CL_SUCCESS);
}

static void close_device(tas_device *device)
{
    opencl_device *cl = device->cl;
    program_keep_all(device);
    program_release_all(cl);
    ck_assert_int_eq(clReleaseCommandQueue(cl->queue), CL_SUCCESS);
    ck_assert_int_eq(clReleaseContext(cl->context), CL_SUCCESS);
}

/* Runs the kernel, and holds every element against what it must be. */
static void run_tiny(tas_device *device, cl_kernel kernel, uint32_t add, bool with_x)
{
    const opencl_device *cl = device->cl;
    cl_int error;
    uint32_t x[ITEMS], y[ITEMS + 1];
    for (uint32_t k = 0; k < ITEMS; k++) x[k] = 100 * k;
    memset(y, 0xAA, sizeof y);
    mem to = {.bytes = sizeof y}, from = {.bytes = sizeof x}, none = {0};
    to.cl = clCreateBuffer(cl->context, CL_MEM_COPY_HOST_PTR, sizeof y, y, &error);
    ck_assert_int_eq(error, CL_SUCCESS);
    from.cl = clCreateBuffer(cl->context, CL_MEM_COPY_HOST_PTR, sizeof x, x, &error);
    ck_assert_int_eq(error, CL_SUCCESS);
    const launch_args args = ARGS(A_MEM(&to), A_MEM(with_x ? &from : &none), A_U32(7), A_F32(20.0f));
    ck_assert_msg(!launch_kernel(device, kernel, launch_line(4, ITEMS), &args), "%s", tas_error(context));
    ck_assert_int_eq(clEnqueueReadBuffer(cl->queue, to.cl, CL_TRUE, 0, sizeof y, y, 0, NULL, NULL), CL_SUCCESS);
    for (uint32_t k = 0; k < ITEMS; k++) ck_assert_uint_eq(y[k], 27 + add + (with_x ? x[k] : 0));
    ck_assert_uint_eq(y[ITEMS], 0xAAAAAAAA);
    clReleaseMemObject(to.cl);
    clReleaseMemObject(from.cl);
}

/* Opens the device anew, gets the kernel, runs it; whether it came from the cache. */
static bool once(const char *options, uint32_t add)
{
    opencl_device cl;
    tas_device device;
    cl_kernel kernel, again;
    open_device(&device, &cl);
    ck_assert_msg(!program_get_kernel(&device, "tiny", "tiny", options, &kernel), "%s", tas_error(context));
    ck_assert_int_eq(program_get_kernel(&device, "tiny", "tiny", options, &again), TAS_OK);
    ck_assert_ptr_eq(kernel, again);
    ck_assert_int_eq(cl.program_count, 1);
    ck_assert_str_eq(tas_error(context), "");
    const bool cached = cl.programs[0].cached;
    run_tiny(&device, kernel, add, true);
    close_device(&device);
    return cached;
}

/* The last is there already. */
static const program_need needs[] = {{"left", "-D BY=1"}, {"left", "-D BY=20"}, {"right", ""}, {"left", "-D BY=1"}};
enum { NEEDS = 3 };

static void get_and_run(tas_device *device, const program_need *need, uint32_t add)
{
    cl_kernel kernel;
    const tas_status status = program_get_kernel(device, need->program, "tiny", need->options, &kernel);
    ck_assert_msg(!status, "%s", tas_error(context));
    run_tiny(device, kernel, add, true);
}

/* Programs with the same names in one: each has its own options, macros and functions. Whether it came from the
 * cache. */
static bool once_bundled(void)
{
    opencl_device cl;
    tas_device device;
    open_device(&device, &cl);
    program_build_all(&device, needs, NEEDS + 1);
    ck_assert_int_eq(cl.program_count, NEEDS);
    for (int k = 1; k < NEEDS; k++) ck_assert_ptr_eq(cl.programs[k].built, cl.programs[0].built);
    const bool cached = cl.programs[0].cached;
    get_and_run(&device, &needs[0], 2);
    get_and_run(&device, &needs[1], 21);
    get_and_run(&device, &needs[2], 101);
    program_build_all(&device, needs, NEEDS);
    ck_assert_int_eq(cl.program_count, NEEDS);
    close_device(&device);
    return cached;
}

/* The cache's files: how many, and the path of the last. */
static int count_files(char *path, size_t bytes)
{
    char place[sizeof cache + 16];
    int count = 0;
    snprintf(place, sizeof place, "%s/tassello", cache);
    DIR *all = opendir(place);
    for (struct dirent *e; all && (e = readdir(all));) {
        if (*e->d_name == '.') continue;
        count++;
        if (path) snprintf(path, bytes, "%s/%s", place, e->d_name);
    }
    if (all) closedir(all);
    return count;
}

static bool remove_all(void)
{
    char command[sizeof folder + 64];
    snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", folder, folder);
    return !system(command);
}

/* Whether the driver gives a binary at all, asked apart from the code that is tested. */
static bool gives_binaries(void)
{
    opencl_device cl;
    tas_device device;
    size_t bytes = 0;
    open_device(&device, &cl);
    cl_program program =
        clCreateProgramWithSource(cl.context, 1, (const char *[]){"__kernel void k(void) {}"}, NULL, NULL);
    if (program && !clBuildProgram(program, 1, &cl.id, "", NULL, NULL))
        clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL);
    if (program) clReleaseProgram(program);
    close_device(&device);
    return bytes != 0;
}

static void setup(void)
{
    static bool asked;
    static int tests;
    snprintf(cache, sizeof cache, "%s/%d", folder, ++tests);
    ck_assert_int_eq(setenv("XDG_CACHE_HOME", cache, 1), 0);
    if (!asked) {
        keeps = gives_binaries();
        printf("binaries: %s\n", keeps ? "yes" : "none, so that nothing is cached");
        asked = true;
    }
    context->error[0] = 0;
    *noted = 0;
}

static void read_all(const char *path, char **data, size_t *bytes)
{
    ck_assert_msg(!file_read(context, path, 1u << 30, data, bytes), "%s", tas_error(context));
}

static void write_all(const char *path, const char *data, size_t bytes)
{
    FILE *stream = fopen(path, "wb");
    ck_assert_ptr_nonnull(stream);
    ck_assert_uint_eq(fwrite(data, 1, bytes, stream), bytes);
    ck_assert_int_eq(fclose(stream), 0);
}

START_TEST(second_time)
{
    ck_assert(!once("", 1));
    ck_assert_int_eq(once("", 1), keeps);
    ck_assert_str_eq(noted, ""); /* neither takes long */
    ck_assert_int_eq(count_files(NULL, 0), keeps);
}
END_TEST

/* Once builds have taken long, each is reported: the program, and how many there were; but nothing that is cached, and
 * nothing if somebody else reports the progress. */
START_TEST(long_builds_are_reported)
{
    opencl_device cl;
    tas_device device;
    cl_kernel kernel;
    for (int turn = 0; turn < 3; turn++) { /* built, cached, built silently */
        open_device(&device, &cl);
        cl.build_count = 34;
        cl.build_seconds = 5;
        device.reported = turn == 2;
        ck_assert_int_eq(program_get_kernel(&device, "tiny", "tiny", turn < 2 ? "" : "-D ADD=2", &kernel), TAS_OK);
        const bool reported = strstr(noted, "tiny") && strstr(noted, info.id) && strstr(noted, "34");
        ck_assert_int_eq(reported, !turn || (turn == 1 && !keeps));
        *noted = 0;
        close_device(&device);
    }
}
END_TEST

/* A binary that costs more than a build is not asked for. */
START_TEST(slow_binaries)
{
    opencl_device cl;
    tas_device device;
    cl_kernel kernel;
    open_device(&device, &cl);
    cl.cache_all = false;
    cl.slow_binaries = true;
    ck_assert_int_eq(program_get_kernel(&device, "tiny", "tiny", "", &kernel), TAS_OK);
    ck_assert_int_eq(count_files(NULL, 0), 0);
    run_tiny(&device, kernel, 1, true);
    close_device(&device);
}
END_TEST

START_TEST(options_are_keys)
{
    ck_assert(!once("-D ADD=5", 5));
    ck_assert(!once("-D ADD=6", 6));
    ck_assert(!once(NULL, 1));
    ck_assert_int_eq(once("-D ADD=5", 5), keeps);
    ck_assert_int_eq(once("-D ADD=6", 6), keeps);
    ck_assert_int_eq(once("", 1), keeps);
    ck_assert_int_eq(count_files(NULL, 0), keeps ? 3 : 0);
}
END_TEST

START_TEST(several_programs_in_one)
{
    ck_assert(!once_bundled());
    ck_assert(once_bundled() == keeps);
}
END_TEST

/* Nothing is lost if a bundle cannot be made, or does not build. */
START_TEST(programs_that_are_no_bundle)
{
    static const program_need unnamed[] = {{"tiny", "-D ADD=5"}, {"right", ""}};
    static const program_need wrong[] = {{"wrong", ""}, {"left", "-D BY=20"}, {"right", ""}};
    opencl_device cl;
    tas_device device;
    open_device(&device, &cl);
    program_build_all(&device, unnamed, 2);
    ck_assert_int_eq(cl.program_count, 0);
    program_build_all(&device, wrong, 3);
    ck_assert_int_eq(cl.program_count, 0);
    ck_assert_str_eq(tas_error(context), "");
    get_and_run(&device, &unnamed[0], 5);
    get_and_run(&device, &wrong[1], 21);
    get_and_run(&device, &wrong[2], 101);
    close_device(&device);
}
END_TEST

START_TEST(one_program_for_all_its_kernels)
{
    opencl_device cl;
    tas_device device;
    cl_kernel tiny, plane, other;
    char text[8] = "tiny"; /* equal text at another address */
    open_device(&device, &cl);
    ck_assert_int_eq(program_get_kernel(&device, "tiny", "tiny", "", &tiny), TAS_OK);
    ck_assert_int_eq(program_get_kernel(&device, "tiny", "plane", "", &plane), TAS_OK);
    ck_assert_int_eq(program_get_kernel(&device, text, text, NULL, &other), TAS_OK);
    ck_assert_ptr_eq(tiny, other);
    ck_assert_int_eq(cl.program_count, 1);
    ck_assert_int_eq(program_get_kernel(&device, "tiny", "tiny", "-D ADD=3", &other), TAS_OK);
    ck_assert_ptr_ne(tiny, other);
    ck_assert_int_eq(cl.program_count, 2);
    run_tiny(&device, other, 3, true);
    run_tiny(&device, tiny, 1, true);
    close_device(&device);
}
END_TEST

/* Not one byte of the file may be other than it was written. */
START_TEST(flipped_bytes)
{
    char path[512], *data;
    size_t bytes;
    if (!keeps) return;
    once("", 1);
    ck_assert_int_eq(count_files(path, sizeof path), 1);
    read_all(path, &data, &bytes);
    /* a build each: the head, the lengths and the end wholly, the rest in strides */
    const char *device = strstr(data + 16, "source:");
    const size_t key_end =
        device ? (size_t)(device - data) + strlen(device) : 16; /* key ends where a length's 0 stands */
    const size_t stride = bytes / 24 + 1;
    for (size_t k = 0; k < bytes; k++) {
        const bool every = k < 18 || (k >= key_end - 2 && k < key_end + 10) || k >= bytes - 3;
        if (!every && k % stride) continue;
        data[k] ^= k % 2 ? 0x01 : (char)0x80;
        write_all(path, data, bytes);
        ck_assert_msg(!once("", 1), "byte %zu of %zu was changed, and the file was used", k, bytes);
        data[k] ^= k % 2 ? 0x01 : (char)0x80;
    }
    ck_assert(once("", 1)); /* written anew by the last */
    ck_assert_int_eq(count_files(NULL, 0), 1);
    free(data);
}
END_TEST

START_TEST(other_lengths)
{
    char path[512], *data;
    size_t bytes;
    if (!keeps) return;
    once("", 1);
    ck_assert_int_eq(count_files(path, sizeof path), 1);
    read_all(path, &data, &bytes);
    const size_t lengths[] = {0, 1, 8, 15, 16, 17, 40, bytes / 2, bytes - 33, bytes - 32, bytes - 1};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        write_all(path, data, lengths[k]);
        ck_assert_msg(!once("", 1), "a file of %zu bytes was used", lengths[k]);
    }
    data = realloc(data, bytes + 1);
    data[bytes] = 0;
    write_all(path, data, bytes + 1);
    ck_assert(!once("", 1));
    ck_assert(once("", 1));
    free(data);
}
END_TEST

/* One key's file under another's name is whole, and still not used. */
START_TEST(swapped_files)
{
    char first[512], second[512], *data;
    size_t bytes;
    if (!keeps) return;
    once("-D ADD=5", 5);
    count_files(first, sizeof first);
    read_all(first, &data, &bytes);
    unlink(first);
    once("-D ADD=6", 6);
    count_files(second, sizeof second);
    ck_assert_str_ne(first, second);
    write_all(second, data, bytes);
    ck_assert(!once("-D ADD=6", 6));
    ck_assert(once("-D ADD=6", 6));
    free(data);
}
END_TEST

START_TEST(another_driver_version)
{
    const tas_device_info before = info;
    once("", 1);
    snprintf(info.driver, sizeof info.driver, "another");
    ck_assert(!once("", 1));
    info = before;
    ck_assert_int_eq(once("", 1), keeps);
}
END_TEST

/* No cache is no error. Root may write anywhere, so the folder's place is taken by a file. */
START_TEST(folder_is_a_file)
{
    char path[512];
    ck_assert_int_eq(mkdir(cache, 0700), 0);
    snprintf(path, sizeof path, "%s/tassello", cache);
    write_all(path, "x", 1);
    ck_assert(!once("", 1));
    ck_assert(!once("", 1));
}
END_TEST

START_TEST(unwritable_folder)
{
    char path[512];
    if (!geteuid()) return; /* main() has said so */
    ck_assert_int_eq(mkdir(cache, 0700), 0);
    snprintf(path, sizeof path, "%s/tassello", cache);
    ck_assert_int_eq(mkdir(path, 0500), 0);
    ck_assert(!once("", 1));
    ck_assert(!once("", 1));
    ck_assert_int_eq(count_files(NULL, 0), 0);
}
END_TEST

START_TEST(file_is_a_folder)
{
    char path[512];
    if (!keeps) return;
    once("", 1);
    ck_assert_int_eq(count_files(path, sizeof path), 1);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert(!once("", 1));
    ck_assert(!once("", 1));
}
END_TEST

/* What anyone may write into is not run. */
START_TEST(open_to_all)
{
    char path[512];
    once("", 1);
    snprintf(path, sizeof path, "%s/tassello", cache);
    ck_assert_int_eq(chmod(path, 0777), 0);
    ck_assert(!once("", 1));
    ck_assert_int_eq(chmod(path, 0700), 0);
    ck_assert_int_eq(once("", 1), keeps);
}
END_TEST

START_TEST(no_home)
{
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", cache, 1);
    ck_assert(!once("", 1));
    ck_assert_int_eq(once("", 1), keeps); /* in ~/.cache */
    ck_assert_int_ne(access("relative", F_OK), 0);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    ck_assert(!once("", 1));
    if (home) setenv("HOME", home, 1);
    free(home);
}
END_TEST

START_TEST(errors_tell)
{
    opencl_device cl;
    tas_device device;
    cl_kernel kernel;
    char endless[400];
    open_device(&device, &cl);
    ck_assert_int_eq(program_get_kernel(&device, "wrong", "wrong", "-D SOME=1", &kernel), TAS_DEVICE_FAILED);
    ck_assert_ptr_null(kernel);
    ck_assert_ptr_nonnull(strstr(tas_error(context), "no_such_thing"));
    ck_assert_ptr_nonnull(strstr(tas_error(context), "-D SOME=1"));
    ck_assert_ptr_nonnull(strstr(tas_error(context), info.id));
    ck_assert_int_eq(program_get_kernel(&device, "tiny", "none", "", &kernel), TAS_DEVICE_FAILED);
    ck_assert_ptr_nonnull(strstr(tas_error(context), "none"));
    ck_assert_int_eq(program_get_kernel(&device, "no-file", "none", "", &kernel), TAS_DEVICE_FAILED);
    ck_assert_ptr_nonnull(strstr(tas_error(context), "no-file"));
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    ck_assert_int_eq(program_get_kernel(&device, "tiny", "tiny", endless, &kernel), TAS_DEVICE_FAILED);
    ck_assert_int_eq(program_get_kernel(&device, "tiny", "tiny", "", &kernel), TAS_OK);
    run_tiny(&device, kernel, 1, true); /* the device is as good as before */
    close_device(&device);
}
END_TEST

START_TEST(launches)
{
    opencl_device cl;
    tas_device device;
    cl_kernel tiny, plane;
    cl_int error;
    uint32_t y[24];
    open_device(&device, &cl);
    ck_assert_int_eq(program_get_kernel(&device, "tiny", "tiny", "", &tiny), TAS_OK);
    ck_assert_int_eq(program_get_kernel(&device, "tiny", "plane", "", &plane), TAS_OK);
    run_tiny(&device, tiny, 1, false); /* a buffer that is not there */

    mem to = {.bytes = sizeof y};
    to.cl = clCreateBuffer(cl.context, CL_MEM_READ_WRITE, sizeof y, NULL, &error);
    ck_assert_int_eq(error, CL_SUCCESS);
    const launch_args args = ARGS(A_MEM(&to)), more = ARGS(A_MEM(&to), A_U32(1));
    const launch_range range = {.global = {6, 4}, .local = {2, 2}}, wide = {.global = {6, 4, 1}, .local = {2, 2, 1}};
    const launch_range empty = {.global = {6, 0}, .local = {2, 2}}, line = {.global = {0, 1, 1}, .local = {2, 2, 1}};
    const launch_range odd = {.global = {6, 3, 1}, .local = {2, 2, 1}};
    for (int turn = 0; turn < 2; turn++) {
        ck_assert_msg(!launch_kernel(&device, plane, turn ? wide : range, &args), "%s", tas_error(context));
        ck_assert_int_eq(clEnqueueReadBuffer(cl.queue, to.cl, CL_TRUE, 0, sizeof y, y, 0, NULL, NULL), CL_SUCCESS);
        for (uint32_t k = 0; k < 24; k++) ck_assert_uint_eq(y[k], k / 6 * 10 + k % 6);
    }
    ck_assert_int_eq(launch_kernel(&device, plane, empty, &args), TAS_OK);
    ck_assert_int_eq(launch_kernel(&device, plane, line, &args), TAS_OK);
    ck_assert_str_eq(tas_error(context), "");
    ck_assert_int_eq(launch_kernel(&device, plane, odd, &args), TAS_DEVICE_FAILED);
    ck_assert_ptr_nonnull(strstr(tas_error(context), "plane"));
    ck_assert_int_eq(launch_kernel(&device, plane, range, &more), TAS_DEVICE_FAILED);
    ck_assert_ptr_nonnull(strstr(tas_error(context), "argument 1"));
    ck_assert_int_eq(clFinish(cl.queue), CL_SUCCESS);
    clReleaseMemObject(to.cl);
    close_device(&device);
}
END_TEST

START_TEST(error_classes)
{
    tas_device device = {.context = context, .info = info};
    ck_assert_int_eq(error_fail(&device, CL_MEM_OBJECT_ALLOCATION_FAILURE, "clFinish"), TAS_NO_MEMORY);
    ck_assert_int_eq(error_fail(&device, CL_OUT_OF_RESOURCES, "clEnqueueNDRangeKernel of x"), TAS_NO_MEMORY);
    ck_assert_int_eq(error_fail(&device, CL_OUT_OF_RESOURCES, "clFinish"), TAS_DEVICE_FAILED);
    ck_assert_int_eq(error_fail(&device, CL_INVALID_VALUE, "clCreateBuffer"), TAS_DEVICE_FAILED);
    ck_assert_ptr_nonnull(strstr(tas_error(context), "clCreateBuffer: CL_INVALID_VALUE (-30)"));
    ck_assert_str_eq(error_name(-12345), "an unknown error");
    cl_platform_id platform;
    cl_device_id id;
    ck_assert_int_eq(discover_find(context, "reference", &platform, &id), TAS_NO_DEVICE);
    ck_assert_int_eq(discover_find(context, "none", &platform, &id), TAS_NO_DEVICE);
}
END_TEST

/* The device to test, into info; false with the reason printed. */
static bool choose_device(void)
{
    tas_device_info *list;
    size_t count, order[64], chosen;
    const char *id = getenv("TASSELLO_TEST_DEVICE");
    if (discover_list(context, &list, &count) || count > 64 ||
        select_device(context, id, list, count, order, &chosen)) {
        printf("skipped: %s\n", tas_error(context));
        return false;
    }
    info = list[order[0]];
    tas_devices_free(list);
    if (info.type != TAS_TYPE_REFERENCE) return true;
    printf("skipped: no OpenCL device\n");
    return false;
}

int main(void)
{
    if (tas_context_open(&context)) return EXIT_FAILURE;
    if (!choose_device()) return 77;
    tas_set_log(context, keep_note, NULL);
    if (!mkdtemp(folder)) return EXIT_FAILURE;
    printf("device %s (%s)%s\n", info.long_id, info.name,
           geteuid() ? "" : "; as root, who may write anywhere: unwritable_folder is skipped");
    fflush(stdout);

    Suite *suite = suite_create("program");
    TCase *all = tcase_create("program");
    tcase_set_timeout(all, 300);
    tcase_add_checked_fixture(all, setup, NULL);
    tcase_add_test(all, second_time);
    tcase_add_test(all, long_builds_are_reported);
    tcase_add_test(all, slow_binaries);
    tcase_add_test(all, options_are_keys);
    tcase_add_test(all, several_programs_in_one);
    tcase_add_test(all, programs_that_are_no_bundle);
    tcase_add_test(all, one_program_for_all_its_kernels);
    tcase_add_test(all, flipped_bytes);
    tcase_add_test(all, other_lengths);
    tcase_add_test(all, swapped_files);
    tcase_add_test(all, another_driver_version);
    tcase_add_test(all, folder_is_a_file);
    tcase_add_test(all, unwritable_folder);
    tcase_add_test(all, file_is_a_folder);
    tcase_add_test(all, open_to_all);
    tcase_add_test(all, no_home);
    tcase_add_test(all, errors_tell);
    tcase_add_test(all, launches);
    tcase_add_test(all, error_classes);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* a child may not go on with its parent's driver */
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    tas_context_close(&context);
    return failed || !remove_all() ? EXIT_FAILURE : EXIT_SUCCESS;
}
