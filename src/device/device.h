/* A device as the folders above see it: memory, and one launcher an operation. Filled with the references first; OpenCL
 * overrides rows. No OpenCL type is named here. */
#ifndef DEVICE_H
#define DEVICE_H

#include "base/context.h"
#include "ops/layout.h"
#include "ops/op.h"

#include <tassello/device.h>

/* Host memory of which the ledger knows. */
typedef struct host_mem {
    char *bytes;
    uint64_t count;
} host_mem;

/* A piece of device memory. host is set on the reference alone, cl (a cl_mem) on OpenCL devices alone. */
typedef struct mem {
    char *host;
    void *cl;
    uint64_t bytes;
} mem;

struct tas_device;
typedef tas_status (*op_launch)(struct tas_device *device, const op_args *args, const mem *operand, const mem *scratch);
typedef uint64_t (*op_scratch)(struct tas_device *device, const op_args *args);

/* What a kind of device does beside operations. Transfers are ordered with launches, in the order of the calls. */
typedef struct device_driver {
    bool never_fails; /* what alloc gave can be relied on, and so can what was launched */
    tas_status (*alloc)(struct tas_device *device, uint64_t bytes, mem *out);
    void (*release)(struct tas_device *device, mem *m);
    tas_status (*slice)(struct tas_device *device, const mem *whole, uint64_t offset, uint64_t bytes, mem *out);
    void (*release_slice)(struct tas_device *device, mem *m);
    tas_status (*zero)(struct tas_device *device, const mem *m);
    /* from must stay as it is until the next finish, unless wait */
    tas_status (*write)(struct tas_device *device, const mem *m, uint64_t offset, const void *from, uint64_t bytes,
                        bool wait);
    tas_status (*read)(struct tas_device *device, const mem *m, uint64_t offset, void *to, uint64_t bytes); /* waits */
    /* Transfers beside the launches, for streams. write_later() begins once `after` (NULL: at once) has come, and from
     * must stay until its ticket has; launches that follow await() wait for it on the device; mark() comes once all
     * launches so far are done. join() waits on the host and takes the ticket back. Tickets are NULL where nothing has
     * to be waited for. */
    tas_status (*write_later)(struct tas_device *device, const mem *m, const void *from, uint64_t bytes, void *after,
                              void **ticket);
    tas_status (*await)(struct tas_device *device, void *ticket);
    tas_status (*mark)(struct tas_device *device, void **ticket);
    tas_status (*join)(struct tas_device *device, void **ticket);
    tas_status (*flush)(struct tas_device *device);  /* hands what was queued to the device */
    tas_status (*finish)(struct tas_device *device); /* waits for all that was queued */
    /* Finishes, and from then on times what it does, or no longer: that in any case (profile.h). */
    tas_status (*set_profiling)(struct tas_device *device, bool on);
    /* With all memory and tickets given back: makes anew what a failure may have left of no use (a lost context, its
     * queues and kernels). Where it fails every command fails, until another call goes well. */
    tas_status (*reopen)(struct tas_device *device);
    void (*close)(struct tas_device *device);
} device_driver;

struct tas_device {
    tas_context *context;
    tas_device_info info;
    tas_arith arith;
    const device_driver *driver;
    op_launch launch[OP_COUNT];
    op_scratch scratch[OP_COUNT]; /* NULL: none */
    /* Width of the panels in which this device keeps a matrix (rows, cols) of parameters; 1: canonical. */
    uint32_t (*weight_panel)(struct tas_device *device, uint32_t rows, uint32_t cols);
    /* Examples of a panel in which values of a tile lie between convolutions and the like (LAYOUT_BATCH_PANELS);
     * NULL: 1. */
    uint32_t (*batch_panel)(struct tas_device *device, uint32_t tile);
    /* What verify asks for, so that small cases reach the code for large ones. The bits do not depend on it. */
    int variants[OP_COUNT]; /* forms that an operation takes by its size; 0: one */
    int variant;            /* the form to take; -1: by the size */
    uint32_t small_limits;  /* 1, 2, ...: device_limit() gives so many times the small limit; 0: the usual one */
    bool limited;           /* set by device_limit(): an operation has limits */
    /* The ledger. A device that shares the host's memory counts what runs allocate there as used, too. */
    uint64_t used_bytes, peak_bytes;
    uint64_t host_bytes, host_peak_bytes;
    int pieces;              /* of memory, that are taken */
    bool reported;           /* progress is reported by a caller: kernels are built without notes */
    struct profile *profile; /* NULL: nobody asked for one (profile.h) */
    void *cl;                /* opencl_device (opencl.h), NULL on the reference */
};

/* All devices, the reference last, as tas_devices() gives them but for their tiers. */
tas_status discover_list(tas_context *context, tas_device_info **list, size_t *count);

/* Opens exactly that device, untested: see verify/open_device.c for what the public call adds. */
tas_status reference_open(tas_context *context, tas_device **out);
tas_status open_opencl(tas_context *context, const tas_device_info *info, tas_arith arith, tas_device **out);
void device_close(tas_device **device);
void reference_describe(tas_device_info *info);

/* Takes memory, counted in the ledger; released with device_release(). */
tas_status device_alloc(tas_device *device, uint64_t bytes, mem *out);
void device_release(tas_device *device, mem *m);

/* Host memory that a plan counts, likewise; released with device_release_host(). */
tas_status device_alloc_host(tas_device *device, uint64_t bytes, host_mem *out);
void device_release_host(tas_device *device, host_mem *m);

/* The peaks are from now on those of what follows. */
void device_reset_peaks(tas_device *device);

/* The driver's renew. Fails where memory is still taken, as it would be lost without its holder's knowledge. */
tas_status device_reopen(tas_device *device);

/* Runs one operation. scratch has at least device_scratch() bytes, and may be NULL where that is 0. */
tas_status device_run(tas_device *device, const op_args *args, const mem *operand, const mem *scratch);
uint64_t device_scratch(tas_device *device, const op_args *args);
uint32_t device_weight_panel(tas_device *device, uint32_t rows, uint32_t cols);
uint32_t device_batch_panel(tas_device *device, uint32_t tile);

/* A limit by which a launcher cuts its work into pieces: `usual`, or in a case of verify a few times `small`. */
uint64_t device_limit(tas_device *device, uint64_t usual, uint64_t small);

#endif
