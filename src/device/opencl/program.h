/* Kernels of an open device. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "device/opencl/opencl.h"

/* The kernel `name` of cl/<program>.cl built with `options` (such as "-D PANEL=32", or NULL): from the open device's
 * table, else from the cache on disk, else from the compiler. *out belongs to the device. Fails with the compiler's
 * log, with *out NULL. */
tas_status program_get_kernel(tas_device *device, const char *program, const char *name, const char *options,
                              cl_kernel *out);

/* Kernels that are known to be needed. */
typedef struct program_need {
    const char *program, *options; /* as program_get_kernel() gets them */
} program_need;

/* Builds the programs of a list at once, in a text of their own, unless they are built. A failure is none: each is then
 * built when it is needed. */
void program_build_all(tas_device *device, const program_need *list, int count);

/* Has a kernel tested in launches that are cut into pieces, in the operation that runs, unless it was. */
tas_status program_test_pieces(tas_device *device, cl_kernel kernel);

/* Whether it is in the open device's table. */
bool program_has_kernel(const tas_device *device, const char *program, const char *name, const char *options);

/* A kernel that is built with -D GROUP (the device's group) and -D RUN=1. */
tas_status program_get_grouped(tas_device *device, const char *program, const char *name, cl_kernel *out);

/* A kernel over single elements, for a launch over launch_elements(); `more` are further options, "" or " -D ...". */
tas_status program_get_elementwise(tas_device *device, const char *program, const char *name, const char *more,
                                   cl_kernel *out);

/* Likewise for launch_fours(), and for launch_singles(). */
tas_status program_get_fours(tas_device *device, const char *program, const char *name, const char *more,
                             cl_kernel *out);
tas_status program_get_singles(tas_device *device, const char *program, const char *name, const char *more,
                               cl_kernel *out);

/* *fits becomes false if the driver runs the kernel only in groups smaller than `group` work-items, which may be less
 * than the device's limit. */
tas_status program_check_group(tas_device *device, cl_kernel kernel, size_t group, bool *fits);

/* *fits becomes false if a GPU's driver says that the kernel has private memory, where registers go that it lacks. */
tas_status program_check_spills(tas_device *device, cl_kernel kernel, bool *fits);

/* Writes what was built to the cache on disk. Comes last: a driver may take as long for it as for the build. */
void program_keep_all(tas_device *device);

void program_release_all(opencl_device *cl);

#endif
