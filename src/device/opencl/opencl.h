/* What the files of the OpenCL side share. */
#ifndef OPENCL_H
#define OPENCL_H

#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include "device/device.h"
#include "device/opencl/sources.h"

enum { KERNELS_MOST = 512 };

typedef struct cl_kernel_entry {
    const char *program, *name; /* static strings: the file in cl/ without .cl, and the kernel */
    char options[160];
    cl_kernel kernel;
} cl_kernel_entry;

typedef struct cl_program_entry {
    const char *program;
    char options[160];
    cl_program built;
    bool cached; /* from the cache on disk, and not built by this process */
} cl_program_entry;

struct cl_device {
    cl_platform_id platform;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    cl_command_queue transfers; /* of streams, NULL until one runs */
    bool cpu;                   /* kernels for CPUs (a work-item a block) rather than for GPUs */
    int gpu_tile;               /* of the products on GPUs: a place in the list of dense.c */
    int conv_block;             /* of convolutions on GPUs: the first in the list of conv_gpu.c that the device takes */
    uint32_t group;             /* work-items in a group of the simple kernels: 64, less where a device takes less */
    cl_kernel_entry kernels[KERNELS_MOST];
    cl_program_entry programs[KERNELS_MOST];
    int kernel_count, program_count;
    int build_count; /* programs that the compiler has built, and how long that took: see program.c */
    double build_seconds;
    bool slow_binaries; /* the driver takes too long to hand out a binary for that to be worth it */
    bool cache_all;     /* for tests: cache whatever it costs */
    void *providers;    /* CLBlast's state (clblast.c), NULL until asked for */
    /* events.c: of commands that are timed, NULL unless the device is profiled; and what a wait for them told, with
     * which the next wait fails. */
    struct cl_events *events;
    cl_int late_error;
};

/* The error's name, such as "CL_OUT_OF_RESOURCES". */
const char *cl_error_name(cl_int error);

/* Fails with the call's name, the error's name and the device's id; memory errors are TAS_NO_MEMORY. */
tas_status cl_fail(tas_device *device, cl_int error, const char *call);

/* discover.c: the platform and device of a row that tas_devices() gave, found again by its long id. */
tas_status cl_find(tas_context *context, const char *long_id, cl_platform_id *platform, cl_device_id *id);

/* program.c: the kernel `name` of cl/<program>.cl built with `options` (such as "-D PANEL=32"), from the open device's
 * table, or the cache on disk, or the compiler. */
tas_status cl_get_kernel(tas_device *device, const char *program, const char *name, const char *options,
                         cl_kernel *out);
void cl_release_programs(struct cl_device *cl);

/* launch.c: sets arguments and enqueues. */
typedef struct cl_arg {
    enum { ARG_MEM, ARG_U32, ARG_F32, ARG_LOCAL } kind;
    const mem *m;
    uint32_t u;
    float f;
    size_t local;
} cl_arg;
#define A_MEM(x) ((cl_arg){.kind = ARG_MEM, .m = (x)})
#define A_U32(x) ((cl_arg){.kind = ARG_U32, .u = (x)})
#define A_F32(x) ((cl_arg){.kind = ARG_F32, .f = (x)})

typedef struct cl_range {
    size_t global[3], local[3];
} cl_range;

tas_status cl_launch(tas_device *device, cl_kernel kernel, cl_range range, int count, const cl_arg *args);

/* events.c: commands are asked for an event while the device is profiled. cl_ask_event() is the last argument of an
 * enqueue, and where that is not NULL and the command was accepted, cl_keep_event() takes the event over. That of a
 * stream stays its caller's. */
static inline cl_event *cl_ask_event(const struct cl_device *cl, cl_event *event) { return cl->events ? event : NULL; }
void cl_keep_event(tas_device *device, cl_event event, const char *name, uint64_t bytes);
void cl_keep_stream(tas_device *device, cl_event event, uint64_t bytes);
tas_status cl_set_profiling(tas_device *device, bool on);
void cl_drop_events(struct cl_device *cl); /* of a context that goes: their times are lost */
tas_status cl_make_queue(tas_device *device, bool timed, cl_command_queue *out);

/* Blocks of that size that cover `size` things. */
static inline uint64_t cl_blocks(uint64_t size, uint64_t block) { return (size + block - 1) / block; }

/* `items` work-items in one dimension, rounded up to whole groups. */
static inline cl_range cl_line(size_t group, size_t items)
{
    return (cl_range){.global = {(items + group - 1) / group * group, 1, 1}, .local = {group, 1, 1}};
}

/* The launch of a kernel over single elements: -D GROUP work-items a group, each with -D RUN neighbours. Processors
 * take long runs, which compilers vectorise; elsewhere a run is 1, so that neighbours read neighbours. */
enum { CPU_RUN = 1024 };
static inline cl_range cl_elements(const struct cl_device *cl, size_t count)
{
    return cl->cpu ? cl_line(1, (count + CPU_RUN - 1) / CPU_RUN) : cl_line(cl->group, count);
}
tas_status cl_get_elements(tas_device *device, const char *program, const char *name, const char *more, cl_kernel *out);

/* Lanes of the vectors that kernels for processors use: 16, 8 or 4. */
static inline uint32_t cl_vector(const tas_device *device)
{
    const uint32_t width = device->info.vector_width;
    return width >= 16 ? 16 : width >= 8 ? 8 : 4;
}

/* A kernel built with -D GROUP= the device's group alone. */
tas_status cl_get_simple(tas_device *device, const char *program, const char *name, cl_kernel *out);

/* Each file of operations overrides its rows. */
void cl_override_feed(tas_device *device);
tas_status cl_override_dense(tas_device *device);
void cl_override_activation(tas_device *device);
void cl_override_loss(tas_device *device);
void cl_override_pool(tas_device *device);
void cl_override_dropout(tas_device *device);
void cl_override_conv(tas_device *device);
void cl_override_conv_gpu(tas_device *device); /* those of conv.c, for GPUs */
void cl_override_reorder(tas_device *device);
void cl_override_sum(tas_device *device);
void cl_override_sum_squares(tas_device *device);
void cl_override_sgd(tas_device *device);
void cl_override_adam(tas_device *device);
tas_status cl_override_clblast(tas_device *device); /* TAS_ARITH_FAST: products by CLBlast, where its self-test holds */
void cl_close_providers(tas_device *device);
tas_status cl_reopen_providers(tas_device *device,
                               tas_status (*renew)(tas_device *device)); /* around the context's renewal */

#endif
