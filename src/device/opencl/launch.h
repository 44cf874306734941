/* Launches of kernels: arguments, ranges, and the kernels themselves. What a launcher of an operation includes. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include "device/opencl/program.h"

#include <math.h>

typedef struct launch_arg {
    enum { ARG_MEM, ARG_U32, ARG_F32, ARG_LOCAL } kind;
    union {
        const mem *m;
        uint32_t u;
        float f;
    } value;
} launch_arg;
#define A_MEM(x) ((launch_arg){.kind = ARG_MEM, .value.m = (x)})
#define A_U32(x) ((launch_arg){.kind = ARG_U32, .value.u = (x)})
#define A_F32(x) ((launch_arg){.kind = ARG_F32, .value.f = (x)})
#define A_LOCAL(bytes) ((launch_arg){.kind = ARG_LOCAL, .value.u = (bytes)})

/* The bound below which results become 0, of an operation that may end with a relu. */
#define A_LEAST(a) A_F32((a)->relu ? 0 : -INFINITY)

/* The operand x that masks a result, of an operation that may mask it: without it, any other buffer stands in its
 * place. Kernels get op_args.masked as well. */
#define A_MASK(a, m) A_MEM(&(m)[(a)->masked ? op_get((a)->op)->mask - 1 : 0])

/* And the operand that a result is added to, of one that may add it: kernels get op_args.adds as well. */
#define A_ADDEND(a, m) A_MEM(&(m)[(a)->adds ? op_get((a)->op)->addend - 1 : 0])

enum { LAUNCH_ARGS = 32 }; /* more than any kernel has */

/* The arguments of a launch, in the kernel's order. */
typedef struct launch_args {
    int count;
    launch_arg arg[LAUNCH_ARGS];
} launch_args;

/* Counts its arguments: ARGS(A_MEM(&m[0]), A_U32(n)). launch_add() appends more. */
#define ARGS(...)                                                                                                      \
    ((launch_args){.count = (int)(sizeof((launch_arg[]){__VA_ARGS__}) / sizeof(launch_arg)), .arg = {__VA_ARGS__}})

static inline void launch_add(launch_args *args, launch_arg arg) { args->arg[args->count++] = arg; }

/* Work-items and work-groups in each dimension. A local size of 0 in dimensions 1 and 2 stands for one work-item there.
 */
typedef struct launch_range {
    size_t global[3], local[3];
} launch_range;

/* Sets the arguments and enqueues the kernel, in pieces if it takes long (pieces.h): it finds its group by
 * work_group_id(), not get_group_id(). A range without work-items does nothing. */
tas_status launch_kernel(tas_device *device, cl_kernel kernel, launch_range range, const launch_args *args);

/* The number of blocks of `block` things that cover `size`. */
static inline uint64_t block_count(uint64_t size, uint64_t block) { return (size + block - 1) / block; }

/* `items` work-items in one dimension, rounded up to whole groups. */
static inline launch_range launch_line(size_t group, size_t items)
{
    return (launch_range){.global = {block_count(items, group) * group, 1, 1}, .local = {group, 1, 1}};
}

/* Groups of one work-item, in three dimensions. */
static inline launch_range launch_single(size_t x, size_t y, size_t z)
{
    return (launch_range){.global = {x, y, z}, .local = {1, 1, 1}};
}

/* Of a layer whose operation sums the gradients of its weights and biases (x, dy, total, open, bias_total, bias_open):
 * those of the biases, by what launches them from dy and their own sums; and both, one after the other. */
tas_status launch_biases(tas_device *device, const op_args *args, const mem *m, const mem *scratch, op_launch biases);
tas_status launch_parameters(tas_device *device, const op_args *args, const mem *m, const mem *scratch,
                             op_launch weights, op_launch biases);

/* The range of a kernel over single elements: -D GROUP work-items in a group, each with -D RUN neighbors. Processors
 * get long runs, which compilers vectorize. */
enum { LAUNCH_CPU_RUN = 1024 };
static inline launch_range launch_runs(const opencl_device *cl, size_t group, size_t run, size_t count)
{
    return cl->cpu ? launch_line(1, block_count(count, LAUNCH_CPU_RUN)) : launch_line(group, block_count(count, run));
}

/* Over elements at .. at+count-1 of a tensor (cl/fours.h). */
static inline launch_range launch_elements(const opencl_device *cl, size_t at, size_t count)
{
    return launch_runs(cl, cl->large_group, 4, cl->cpu ? count : at % 4 + count);
}

/* Over rows, each of `count` elements, by kernels that read and write four neighbors at once. */
static inline launch_range launch_fours(const opencl_device *cl, size_t count)
{
    return launch_runs(cl, cl->group, 4, count);
}

/* By those that have one element each, so that neighbors read neighbors. */
static inline launch_range launch_singles(const opencl_device *cl, size_t count)
{
    return launch_runs(cl, cl->group, 1, count);
}

#endif
