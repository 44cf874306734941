/* Long launches are cut into pieces of whole groups, with the same bits: a group does not see which piece it is in.
 *
 * No command should run for longer than about 0.1 s: some drivers end it, and the display of the device stands still
 * meanwhile. On a processor neither is so, but a run can be stopped between commands, and 2 s are enough. How long a
 * launch takes is measured, not known. A launch that would take less than that on any device, by its products and its
 * memory, is enqueued at once and never measured: drivers may build a kernel once more for launches that do not begin
 * at 0. The first one of each other kind (kernel, range
 * and work) is measured while it runs: it begins with a small piece, and waits for each before it chooses the next,
 * larger one. Later ones need no wait, and are whole if the device is fast enough. A kind that is still cut is measured
 * twice more, since the first time may include the driver's compiler; the shortest time counts.
 *
 * Besides, no piece has more than 65,535 groups in dimensions 1 and 2, which is NVIDIA's limit. No query reports it. */
#ifndef PIECES_H
#define PIECES_H

#include "device/opencl/launch.h"

/* Whether pieces_enqueue() may cut such a launch of the operation that runs. */
bool pieces_may_cut(const tas_device *device, const launch_range *range, uint64_t bytes);

/* Enqueues a kernel whose arguments are set. `bytes` is the memory that it may read or write, `name` its row in a
 * profile. Returns the driver's error if the first piece was refused. If a later one is, the launch counts as accepted,
 * and the next wait fails. */
cl_int pieces_enqueue(tas_device *device, cl_kernel kernel, const launch_range *range, uint64_t bytes,
                      const char *name);

#endif
