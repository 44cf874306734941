/* The cache of built programs on disk. */
#include "device/opencl/binary.h"

#include "base/cache.h"
#include "base/file.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Drivers abort on a bad binary, so a binary is only used if it is exactly what was written for this key:
 *
 * "TASKRN1\n" | bytes of key, u64 | key | bytes of binary, u64 | binary | SHA-256 of all before
 *
 * in a file named by the SHA-256 of the key. Numbers are little-endian. In any doubt the program is built again. */
static const char magic[8] = "TASKRN1\n";
static const uint64_t file_most = 256u << 20;
enum { HEAD = sizeof magic + 8, DIGEST = SHA256_DIGEST_SIZE };

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

/* The line of /proc/cpuinfo that starts with `word`: a home folder may be shared by processors with different
 * instructions, for which a driver may have the same name. */
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

char *binary_make_key(const tas_device *device, const char *source, const char *options)
{
    const opencl_device *cl = device->cl;
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

char *binary_find_path(const char *key)
{
    uint8_t digest[DIGEST];
    char folder[512];
    if (!key || !cache_folder(folder, sizeof folder)) return NULL;
    const size_t length = strlen(folder);
    char *path = malloc(length + 1 + 2 * DIGEST + 1);
    if (!path) return NULL;
    memcpy(path, folder, length);
    path[length] = '/';
    sha256(key, strlen(key), digest);
    for (int k = 0; k < DIGEST; k++) sprintf(path + length + 1 + 2 * k, "%02x", digest[k]);
    return path;
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

cl_program binary_load(tas_device *device, const char *path, const char *key, const char *options)
{
    const opencl_device *cl = device->cl;
    char *data = NULL, before[sizeof device->context->error];
    size_t bytes, binary_bytes = 0;
    cl_program program = NULL;
    cl_int error, valid = CL_SUCCESS;

    if (!path || access(path, R_OK)) return NULL;
    memcpy(before, device->context->error, sizeof before);
    if (file_read(device->context, path, file_most, &data, &bytes)) {
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

/* The container with the program's binary, malloc()ed; NULL if the driver returns none. */
static char *make_container(cl_program program, const char *key, size_t *bytes)
{
    const size_t key_bytes = strlen(key);
    size_t binary_bytes = 0;
    cl_uint devices = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_NUM_DEVICES, sizeof devices, &devices, NULL) || devices != 1) return NULL;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof binary_bytes, &binary_bytes, NULL)) return NULL;
    if (!binary_bytes || binary_bytes > file_most - HEAD - key_bytes - 8 - DIGEST) return NULL;

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

void binary_store(tas_device *device, const char *path, const char *key, cl_program program)
{
    char before[sizeof device->context->error];
    file_writer writer;
    size_t bytes;
    if (!path) return;
    char *data = make_container(program, key, &bytes);
    if (!data) return;

    memcpy(before, device->context->error, sizeof before);
    if (!file_begin(device->context, &writer, path)) {
        if (fwrite(data, 1, bytes, writer.stream) == bytes)
            file_commit(device->context, &writer);
        else
            file_abandon(&writer);
    }
    memcpy(device->context->error, before, sizeof before);
    free(data);
}
