/* Long launches, cut into pieces. */
#include "device/opencl/pieces.h"

#include "device/opencl/events.h"
#include "device/profile.h"

#include <string.h>

enum {
    SIDE_MOST = 65535, /* groups in dimensions 1 and 2 */
    TIMES = 3,         /* that a kind of launch is measured while it is cut */
};
static const double piece_seconds = 0.08, cpu_piece_seconds = 2; /* of a piece, at most */
static const double least_flops = 2e9, least_bytes = 1e9;        /* per second: less than any device reaches */

/* Groups of a launch, in its three dimensions. */
typedef struct box {
    size_t at[3], groups[3];
} box;

typedef struct launch {
    tas_device *device;
    cl_kernel kernel;
    const launch_range *range;
    const char *name;
    size_t most;       /* groups of a piece */
    launch_pace *pace; /* NULL: the launch is short */
    bool timed;        /* each piece is waited for, to measure it */
    int pieces;        /* enqueued so far */
    cl_int error;
} launch;

static size_t count_groups(const size_t *groups) { return groups[0] * groups[1] * groups[2]; }

static double most_seconds(const tas_device *device)
{
    const opencl_device *cl = device->cl;
    return cl->cpu ? cpu_piece_seconds : piece_seconds;
}

/* The work is the time in nanoseconds that a device of the least rates would take. */
static uint64_t work_of(const tas_device *device, uint64_t bytes)
{
    return (uint64_t)((double)device->flops * (1e9 / least_flops) + (double)bytes * (1e9 / least_bytes));
}

/* The row of this kind of launch; a new one replaces the oldest. */
static launch_pace *find_pace(opencl_device *cl, cl_kernel kernel, const size_t *groups, uint64_t work)
{
    for (int k = 0; k < cl->pace_count && k < OPENCL_PACES; k++) {
        launch_pace *p = &cl->paces[k];
        if (p->kernel == kernel && p->work == work && !memcmp(p->groups, groups, sizeof p->groups)) return p;
    }
    launch_pace *p = &cl->paces[cl->pace_count % OPENCL_PACES];
    *p = (launch_pace){.kernel = kernel, .work = work, .seconds = (double)work * 1e-9 / (double)count_groups(groups)};
    memcpy(p->groups, groups, sizeof p->groups);
    cl->pace_count = cl->pace_count + 1 < 2 * OPENCL_PACES ? cl->pace_count + 1 : OPENCL_PACES;
    return p;
}

/* The dimension in which the box is to be halved, or -1. Fewer groups than the device has units would take as long. */
static int dimension_to_halve(const launch *l, const box *b)
{
    const size_t groups = count_groups(b->groups), units = l->device->info.compute_units;
    int widest = 0;
    for (int k = 1; k < 3; k++) {
        if (b->groups[k] > SIDE_MOST) return k;
        if (b->groups[k] > b->groups[widest]) widest = k;
    }
    if (groups < 2) return -1;
    if (groups > l->most) return widest;
    return l->pace && groups > units && (double)groups * l->pace->seconds > most_seconds(l->device) ? widest : -1;
}

/* Waits for all that is queued. An error is kept for the caller's next wait, as in events.c. */
static bool finish(launch *l)
{
    opencl_device *cl = l->device->cl;
    const cl_int error = clFinish(cl->queue);
    if (is_profiled(l->device)) l->device->profile->waits++;
    if (!cl->late_error) cl->late_error = error;
    return !error;
}

/* Of the pieces of a first launch the last counts, which is the largest. */
static void keep_time(launch_pace *p, double seconds)
{
    if (!p->times || seconds < p->seconds) p->seconds = seconds;
}

static void enqueue_piece(launch *l, const box *b)
{
    const opencl_device *cl = l->device->cl;
    const size_t *local = l->range->local;
    size_t offset[3], global[3];
    cl_uint dimensions = 1;
    for (cl_uint k = 0; k < 3; k++) {
        const bool whole = b->groups[k] * local[k] > l->range->global[k]; /* not whole groups: left to the driver */
        offset[k] = b->at[k] * local[k];
        global[k] = whole ? l->range->global[k] : b->groups[k] * local[k];
        if (l->range->global[k] > 1 || local[k] > 1) dimensions = k + 1;
    }
    const double start = l->timed ? now_seconds() : 0;
    cl_event event, *asked = events_ask(cl, &event);
    l->error = clEnqueueNDRangeKernel(cl->queue, l->kernel, dimensions, offset, global, local, 0, NULL, asked);
    if (l->error) return;
    l->pieces++;
    if (asked) events_keep(l->device, event, l->name, 0);
    if (l->timed && finish(l)) keep_time(l->pace, (now_seconds() - start) / (double)count_groups(b->groups));
}

/* The second half is cut by what was learned from the first. */
static void enqueue_box(launch *l, box b)
{
    const int k = dimension_to_halve(l, &b);
    if (k < 0) {
        enqueue_piece(l, &b);
        return;
    }
    box rest = b;
    b.groups[k] -= b.groups[k] / 2;
    rest.at[k] += b.groups[k];
    rest.groups[k] -= b.groups[k];
    enqueue_box(l, b);
    if (!l->error) enqueue_box(l, rest);
}

bool pieces_may_cut(const tas_device *device, const launch_range *range, uint64_t bytes)
{
    bool wide = false;
    for (int k = 1; k < 3; k++) wide |= block_count(range->global[k], range->local[k]) > SIDE_MOST;
    return wide || (double)work_of(device, bytes) * 1e-9 > most_seconds(device);
}

cl_int pieces_enqueue(tas_device *device, cl_kernel kernel, const launch_range *range, uint64_t bytes, const char *name)
{
    opencl_device *cl = device->cl;
    launch l = {.device = device, .kernel = kernel, .range = range, .name = name, .most = SIZE_MAX};
    const uint64_t work = work_of(device, bytes);
    box all = {{0}, {0}};
    for (int k = 0; k < 3; k++) all.groups[k] = block_count(range->global[k], range->local[k]);
    if (device->launch_pieces) l.most = block_count(count_groups(all.groups), device->launch_pieces);
    if ((double)work * 1e-9 > most_seconds(device)) {
        l.pace = find_pace(cl, kernel, all.groups, work);
        l.timed = !l.pace->times || (l.pace->times < TIMES && dimension_to_halve(&l, &all) >= 0);
    }
    if (l.timed && !finish(&l)) return CL_SUCCESS; /* nothing needs to follow a failure */
    enqueue_box(&l, all);
    if (l.timed) l.pace->times++;
    if (!l.error || !l.pieces) return l.error;
    if (!cl->late_error) cl->late_error = l.error;
    return CL_SUCCESS;
}
