/* Kernels: from the open device's table, else from the cache on disk, else built from source. */
#include "device/opencl/fork.h"
#include "device/opencl/opencl.h"

#include "base/cache.h"
#include "base/file.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No flag that relaxes arithmetic: a program's own options are -D alone. */
static const char common_options[] = "-cl-std=CL1.2";

static const double worth_caching =
    0.1; /* seconds of a build that is cached: with a cache of its own a driver is quicker */
static const double real_build = 0.2; /* of one that did not come from such a cache, */
static const double quiet_builds = 1; /* and of those together, after which each is reported before it begins */

/* The cache ------------------------------------------------------------------------------------------------------- */

/* A bad binary aborts drivers, so none is handed over that is not what was written for exactly this key:
 *
 *     "TASKRN1\n" | bytes of key, u64 | key | bytes of binary, u64 | binary | SHA-256 of all before
 *
 * in a file named by the SHA-256 of the key. Numbers are little-endian. Any doubt means to build again. */
static const char magic[8] = "TASKRN1\n";
static const uint64_t cache_most = 256u << 20;
enum { HEAD = sizeof magic + 8, DIGEST = SHA256_DIGEST_SIZE };

typedef struct cache_place {
    char *path; /* of this key's file; NULL: there is no cache */
    char folder[512];
} cache_place;

static void sha256(const void *data, size_t bytes, uint8_t digest[DIGEST])
{
    struct sha256_ctx state;
    sha256_init(&state);
    sha256_update(&state, bytes, data);
    sha256_digest(&state, DIGEST, digest);
}

static void put_u64(char *to, uint64_t value)
{
    for (int k = 0; k < 8; k++) to[k] = (char)(value >> 8 * k & 255);
}

static uint64_t get_u64(const char *from)
{
    uint64_t value = 0;
    for (int k = 0; k < 8; k++) value |= (uint64_t)(unsigned char)from[k] << 8 * k;
    return value;
}

/* The line of /proc/cpuinfo that starts with `word`: a home folder may be shared by processors with other instructions,
 * and a driver's name for them need not differ. */
static void write_cpu_line(FILE *stream, const char *word)
{
    char *line = NULL;
    size_t room = 0;
    FILE *info = fopen("/proc/cpuinfo", "r");
    while (info && getline(&line, &room, info) > 0) {
        if (strncmp(line, word, strlen(word))) continue;
        fprintf(stream, "%s", line);
        break;
    }
    free(line);
    if (info) fclose(info);
}

/* All that a binary depends on, as text; malloc()ed, NULL where it cannot be had. */
static char *make_key(const tas_device *device, const char *source, const char *options)
{
    const struct cl_device *cl = device->cl;
    char name[256] = "", version[256] = "", *key = NULL;
    size_t bytes;
    if (clGetPlatformInfo(cl->platform, CL_PLATFORM_NAME, sizeof name - 1, name, NULL)) return NULL;
    if (clGetPlatformInfo(cl->platform, CL_PLATFORM_VERSION, sizeof version - 1, version, NULL)) return NULL;
    FILE *stream = open_memstream(&key, &bytes);
    if (!stream) return NULL;
    fprintf(stream, "platform: %s, %s\ndevice: %s, %s\ndriver: %s\nversion: %s\noptions: %s\n", name, version,
            device->info.vendor, device->info.name, device->info.driver, device->info.version, options);
    if (device->info.type == TAS_TYPE_CPU) {
        write_cpu_line(stream, "model name");
        write_cpu_line(stream, "flags");    /* x86 */
        write_cpu_line(stream, "Features"); /* Arm */
    }
    fprintf(stream, "source:\n%s", source);
    bool failed = ferror(stream) != 0;
    failed |= fclose(stream) != 0;
    if (!failed) return key;
    free(key);
    return NULL;
}

static void find_place(const char *key, cache_place *place)
{
    uint8_t digest[DIGEST];
    *place = (cache_place){0};
    if (!key || !cache_folder(place->folder, sizeof place->folder)) return;
    const size_t length = strlen(place->folder);
    place->path = malloc(length + 1 + 2 * DIGEST + 1);
    if (!place->path) return;
    memcpy(place->path, place->folder, length);
    place->path[length] = '/';
    sha256(key, strlen(key), digest);
    for (int k = 0; k < DIGEST; k++) sprintf(place->path + length + 1 + 2 * k, "%02x", digest[k]);
}

/* Checks a cache file's content against the key; the binary in it, or NULL. */
static const char *check_container(const char *data, size_t bytes, const char *key, size_t *binary_bytes)
{
    const uint64_t key_bytes = strlen(key), least = HEAD + key_bytes + 8 + DIGEST;
    uint8_t digest[DIGEST];
    if (bytes <= least || memcmp(data, magic, sizeof magic)) return NULL;
    if (get_u64(data + sizeof magic) != key_bytes || memcmp(data + HEAD, key, key_bytes)) return NULL;
    if (get_u64(data + HEAD + key_bytes) != bytes - least) return NULL;
    sha256(data, bytes - DIGEST, digest);
    if (memcmp(data + bytes - DIGEST, digest, DIGEST)) return NULL;
    *binary_bytes = bytes - least;
    return data + HEAD + key_bytes + 8;
}

/* The program from the cache, or NULL, for whatever reason: the context's error stays what it was. */
static cl_program load_program(tas_device *device, const cache_place *place, const char *key, const char *options)
{
    const struct cl_device *cl = device->cl;
    char *data = NULL, before[sizeof device->context->error];
    size_t bytes, binary_bytes = 0;
    cl_program program = NULL;
    cl_int error, valid = CL_SUCCESS;

    if (!place->path || access(place->path, R_OK)) return NULL;
    memcpy(before, device->context->error, sizeof before);
    if (file_read(device->context, place->path, cache_most, &data, &bytes)) {
        memcpy(device->context->error, before, sizeof before);
        return NULL;
    }
    const char *binary = check_container(data, bytes, key, &binary_bytes);
    if (binary) {
        const unsigned char *given = (const unsigned char *)binary;
        program = clCreateProgramWithBinary(cl->context, 1, &cl->id, &binary_bytes, &given, &valid, &error);
        if (program && (error || valid || clBuildProgram(program, 1, &cl->id, options, NULL, NULL))) {
            clReleaseProgram(program);
            program = NULL;
        }
    }
    free(data);
    return program;
}

/* The container with the program's binary in it, malloc()ed; NULL where the driver gives none. */
static char *make_container(cl_program program, const char *key, size_t *bytes)
{
    const size_t key_bytes = strlen(key);
    size_t binary_bytes = 0;
    cl_uint devices = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_NUM_DEVICES, sizeof devices, &devices, NULL) || devices != 1) return NULL;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof binary_bytes, &binary_bytes, NULL)) return NULL;
    if (!binary_bytes || binary_bytes > cache_most - HEAD - key_bytes - 8 - DIGEST) return NULL;

    *bytes = HEAD + key_bytes + 8 + binary_bytes + DIGEST;
    char *data = calloc(1, *bytes);
    if (!data) return NULL;
    memcpy(data, magic, sizeof magic);
    put_u64(data + sizeof magic, key_bytes);
    memcpy(data + HEAD, key, key_bytes);
    put_u64(data + HEAD + key_bytes, binary_bytes);
    unsigned char *binary = (unsigned char *)data + HEAD + key_bytes + 8;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL)) {
        free(data);
        return NULL;
    }
    sha256(data, *bytes - DIGEST, (uint8_t *)data + *bytes - DIGEST);
    return data;
}

/* Writes the program into the cache. A failure is silent: the next start builds again. */
static void store_program(tas_device *device, const cache_place *place, const char *key, cl_program program)
{
    char before[sizeof device->context->error];
    file_writer writer;
    size_t bytes;
    if (!place->path) return;
    char *data = make_container(program, key, &bytes);
    if (!data) return;

    memcpy(before, device->context->error, sizeof before);
    if (!file_begin(device->context, &writer, place->path)) {
        if (fwrite(data, 1, bytes, writer.stream) == bytes)
            file_commit(device->context, &writer);
        else
            file_abandon(&writer);
    }
    memcpy(device->context->error, before, sizeof before);
    free(data);
}

/* Building -------------------------------------------------------------------------------------------------------- */

/* Fails with what the compiler said, cut short. */
static tas_status build_failed(tas_device *device, cl_program built, cl_int error, const char *program,
                               const char *options)
{
    const struct cl_device *cl = device->cl;
    size_t bytes = 0;
    char *log = NULL;
    clGetProgramBuildInfo(built, cl->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes);
    log = calloc(1, bytes + 1);
    if (log && clGetProgramBuildInfo(built, cl->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL)) *log = 0;
    tas_status status = fail(device->context, TAS_DEVICE_FAILED, "%s: kernels of %s (%s) do not build: %s (%d)",
                             device->info.id, program, options, cl_error_name(error), (int)error);
    if (log && bytes > 600) log[600] = 0;
    if (log && *log) error_add_lines(device->context, log);
    free(log);
    return status;
}

static tas_status build_program(tas_device *device, const char *program, const char *source, const char *options,
                                cl_program *out)
{
    const struct cl_device *cl = device->cl;
    cl_int error;
    *out = NULL;
    cl_program built = clCreateProgramWithSource(cl->context, 1, &source, NULL, &error);
    if (error) return cl_fail(device, error, "clCreateProgramWithSource");
    error = clBuildProgram(built, 1, &cl->id, options, NULL, NULL);
    if (error) {
        tas_status status = build_failed(device, built, error, program, options);
        clReleaseProgram(built);
        return status;
    }
    *out = built;
    return TAS_OK;
}

/* Caches what took `seconds` to build. PoCL compiles every kernel once more when it is asked for a
 * binary, and keeps its own cache anyway (dense: 1.2 s to build, 2.2 s to ask; from its cache 0.04 s): a driver that
 * takes its time over one binary is asked for no other. */
static void keep_program(tas_device *device, const cache_place *place, const char *key, cl_program program,
                         double seconds)
{
    struct cl_device *cl = device->cl;
    if (!cl->cache_all && (seconds < worth_caching || cl->slow_binaries)) return;
    const double begin = now_seconds();
    store_program(device, place, key, program);
    cl->slow_binaries = now_seconds() - begin > 0.5 * seconds;
}

/* Only where builds take long, and nobody above reports how far the work is. */
static void report_build(tas_device *device, const char *program)
{
    const struct cl_device *cl = device->cl;
    if (cl->build_seconds > quiet_builds && !device->reported)
        note(device->context, "building kernels for %s: %s (%d built so far, in %.0f s)", device->info.id, program,
             cl->build_count, cl->build_seconds);
}

/* From the cache unless `fresh`, else from source and then into the cache. */
static tas_status get_built(tas_device *device, const char *program, const char *source, const char *options,
                            bool fresh, cl_program_entry *row)
{
    struct cl_device *cl = device->cl;
    tas_status status = TAS_OK;
    cache_place place;
    char *key = make_key(device, source, options);
    find_place(key, &place);

    row->built = fresh ? NULL : load_program(device, &place, key, options);
    row->cached = row->built != NULL;
    if (row->cached) goto end;
    report_build(device, program);

    double seconds = now_seconds();
    status = build_program(device, program, source, options, &row->built);
    if (status) goto end;
    seconds = now_seconds() - seconds;
    if (seconds > real_build) {
        cl->build_count++;
        cl->build_seconds += seconds;
    }
    keep_program(device, &place, key, row->built, seconds);
end:
    free(place.path);
    free(key);
    return status;
}

/* The open device's tables ---------------------------------------------------------------------------------------- */

static const char *find_source(const char *program)
{
    for (const cl_source *s = cl_sources; s->name; s++) {
        if (!strcmp(s->name, program)) return s->text;
    }
    return NULL;
}

static bool same(const char *a, const char *b) { return a == b || !strcmp(a, b); }

static cl_kernel_entry *find_kernel(struct cl_device *cl, const char *program, const char *name, const char *options)
{
    for (int k = 0; k < cl->kernel_count; k++) {
        cl_kernel_entry *e = &cl->kernels[k];
        if (same(e->name, name) && same(e->program, program) && !strcmp(e->options, options)) return e;
    }
    return NULL;
}

/* The built program, whose row is made where there is none yet. */
static tas_status get_program(tas_device *device, const char *program, const char *options, bool fresh,
                              cl_program_entry **out)
{
    struct cl_device *cl = device->cl;
    cl_program_entry *row = NULL;
    char all[sizeof row->options + sizeof common_options + 1];

    for (int k = 0; k < cl->program_count && !row; k++) {
        cl_program_entry *e = &cl->programs[k];
        if (same(e->program, program) && !strcmp(e->options, options)) row = e;
    }
    *out = row;
    if (row && !fresh) return TAS_OK;

    cl_program_entry made = {.program = program};
    const char *source = find_source(program);
    if (!source)
        return fail(device->context, TAS_DEVICE_FAILED, "%s: there are no kernels called %s", device->info.id, program);
    if (!row && cl->program_count == KERNELS_MOST)
        return fail(device->context, TAS_DEVICE_FAILED, "%s: no room for another program (%s)", device->info.id,
                    program);
    strcpy(made.options, options);
    snprintf(all, sizeof all, "%s%s%s", common_options, *options ? " " : "", options);
    tas_status status = get_built(device, program, source, all, fresh, &made);
    if (status) return status;
    if (row)
        clReleaseProgram(row->built);
    else
        row = &cl->programs[cl->program_count++];
    *row = made;
    *out = row;
    return TAS_OK;
}

tas_status cl_get_kernel(tas_device *device, const char *program, const char *name, const char *options, cl_kernel *out)
{
    struct cl_device *cl = device->cl;
    cl_program_entry *from;
    cl_int error;

    if (!options) options = "";
    cl_kernel_entry *row = find_kernel(cl, program, name, options);
    *out = row ? row->kernel : NULL;
    if (row) return TAS_OK;
    if (fork_is_child()) return fork_check(device->context);
    if (strlen(options) >= sizeof row->options || cl->kernel_count == KERNELS_MOST)
        return fail(device->context, TAS_DEVICE_FAILED, "%s: no room for kernel %s (%s)", device->info.id, name,
                    options);

    tas_status status = get_program(device, program, options, false, &from);
    if (status) return status;
    cl_kernel kernel = clCreateKernel(from->built, name, &error);
    if (error && from->cached) { /* a driver took the binary, and cannot use it */
        status = get_program(device, program, options, true, &from);
        if (status) return status;
        kernel = clCreateKernel(from->built, name, &error);
    }
    if (error) {
        char call[128];
        snprintf(call, sizeof call, "clCreateKernel of %s in %s", name, program);
        return cl_fail(device, error, call);
    }
    row = &cl->kernels[cl->kernel_count++];
    *row = (cl_kernel_entry){.program = program, .name = name, .kernel = kernel};
    strcpy(row->options, options);
    *out = kernel;
    return TAS_OK;
}

void cl_release_programs(struct cl_device *cl)
{
    for (int k = 0; k < cl->kernel_count; k++) clReleaseKernel(cl->kernels[k].kernel);
    for (int k = 0; k < cl->program_count; k++) clReleaseProgram(cl->programs[k].built);
    cl->kernel_count = cl->program_count = 0;
}
