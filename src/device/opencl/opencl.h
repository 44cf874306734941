/* An open OpenCL device: what the files of this folder keep of it. */
#ifndef OPENCL_H
#define OPENCL_H

#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include "device/device.h"

enum { OPENCL_KERNELS = 1024, OPENCL_PACES = 64 };

typedef struct kernel_row {
    const char *program, *name; /* static strings: the file in cl/ without .cl, and the kernel */
    char options[160];
    cl_kernel kernel;
    uint64_t tested[2][(OP_COUNT + 63) / 64]; /* operations in which it may run, whole and in pieces: one bit each */
} kernel_row;

typedef struct program_row {
    const char *program;
    char options[160];
    cl_program built;
    char *text;       /* of a bundle (bundle.h), in the first of its rows */
    int place;        /* in a bundle; -1: it is a program of its own */
    bool cached;      /* from the cache on disk, and not built by this process */
    char *key, *path; /* its key in the cache on disk, and the file to write there; NULL: it is not written */
    double seconds;   /* that the build took */
} program_row;

/* How long a group of a large launch takes: pieces.c. */
typedef struct launch_pace {
    cl_kernel kernel;
    size_t groups[3];
    uint64_t work; /* floating-point operations and bytes */
    double seconds;
    int times; /* that it was measured */
} launch_pace;

typedef struct opencl_device {
    cl_platform_id platform;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    cl_command_queue transfers; /* of streams, NULL until one runs */
    bool cpu;                   /* kernels for CPUs (one work-item per block) rather than for GPUs */
    /* blocks.c: of operations that have blocks of sums, the table (NULL: none) and what is known not to run, one bit a
     * block */
    const struct block_table *blocks[OP_COUNT];
    uint32_t refused_blocks[OP_COUNT];
    const struct form_table *forms[OP_COUNT]; /* on processors, likewise: forms.c */
    uint32_t group;       /* work-items in a group of the simple kernels: 64, or less if the device requires it */
    uint32_t large_group; /* of those over all elements of a tensor: 256 on GPUs that allow it, else `group` */
    /* program.c */
    kernel_row kernels[OPENCL_KERNELS];
    program_row programs[OPENCL_KERNELS];
    int kernel_count, program_count;
    int build_count; /* programs that the compiler has built, and how long that took */
    double build_seconds;
    double next_report;          /* the earliest time of the next note on a build */
    bool slow_binaries;          /* the driver takes too long to return a binary for caching to pay off */
    bool cache_all;              /* for tests: cache whatever it costs */
    struct rehearsal *rehearsal; /* NULL: kernels are built and launched */
    /* pieces.c: the latest ones */
    launch_pace paces[OPENCL_PACES];
    int pace_count;
    /* clblast.c: NULL unless the device was opened with TAS_ARITH_FAST */
    struct clblast_state *clblast;
    /* events.c: of commands that are timed, NULL unless the device is profiled; and an error that a wait for them
     * returned, with which the next wait fails */
    struct timed_events *events;
    cl_int late_error;
} opencl_device;

/* Width of the vectors that kernels for processors use: 16, 8 or 4. */
static inline uint32_t opencl_vector_width(const tas_device *device)
{
    const uint32_t width = device->info.vector_width;
    return width >= 16 ? 16 : width >= 8 ? 8 : 4;
}

/* Vectors that registers hold: 16 with AVX; 32 with AVX-512 and on Arm. Of the others that have vectors of 4 floats
 * some have fewer: forms that need more are slow there. */
static inline uint32_t opencl_vector_registers(const tas_device *device)
{
    return opencl_vector_width(device) == 8 ? 16 : 32;
}

#endif
