/* A device as the folders above see it: memory, and one launcher per operation. No OpenCL type is named here. */
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

/* A piece of device memory. host is set on the reference only, cl (a cl_mem) on OpenCL devices only. */
typedef struct mem {
    char *host;
    void *cl;
    uint64_t bytes;
} mem;

struct tas_device;
typedef tas_status (*op_launch)(struct tas_device *device, const op_args *args, const mem *operand, const mem *scratch);
typedef uint64_t (*op_scratch)(struct tas_device *device, const op_args *args);

/* What a kind of device does besides operations. Transfers and launches run in the order of the calls. */
typedef struct device_driver {
    bool never_fails; /* what alloc gave can be relied on, and so can what was launched */
    tas_status (*alloc)(struct tas_device *device, uint64_t bytes, mem *out);
    void (*release)(struct tas_device *device, mem *m);
    tas_status (*slice)(struct tas_device *device, const mem *whole, uint64_t offset, uint64_t bytes, mem *out);
    void (*release_slice)(struct tas_device *device, mem *m);
    tas_status (*zero)(struct tas_device *device, const mem *m);
    /* Unless wait, `from` must not change until the next finish. */
    tas_status (*write)(struct tas_device *device, const mem *m, uint64_t offset, const void *from, uint64_t bytes,
                        bool wait);
    tas_status (*read)(struct tas_device *device, const mem *m, uint64_t offset, void *to, uint64_t bytes); /* waits */
    /* Transfers beside the launches. A ticket stands for an event, NULL for one that needs no wait. write_later() and
     * read_later() begin after the event of `after`, which has been handed to the device, and set *ticket to their end;
     * until then `from` must not change, and `to` is not complete. await() makes the launches that follow wait for a
     * ticket, on the device. mark() sets *ticket to the end of all launches so far. join() waits on the host, and
     * releases the ticket. */
    tas_status (*write_later)(struct tas_device *device, const mem *m, const void *from, uint64_t bytes, void *after,
                              void **ticket);
    tas_status (*read_later)(struct tas_device *device, const mem *m, uint64_t offset, void *to, uint64_t bytes,
                             void *after, void **ticket);
    tas_status (*await)(struct tas_device *device, void *ticket);
    tas_status (*mark)(struct tas_device *device, void **ticket);
    tas_status (*join)(struct tas_device *device, void **ticket);
    tas_status (*flush)(struct tas_device *device);  /* hands what was queued to the device */
    tas_status (*finish)(struct tas_device *device); /* waits for all that was queued */
    /* Finishes, and begins to time commands (profile.h), or ends it, on failure too. */
    tas_status (*set_profiling)(struct tas_device *device, bool on);
    /* Replaces what a failure may have made unusable: a lost context, its queues and kernels. All memory and tickets
     * must have been released. After a failure every command fails, until another call succeeds. */
    tas_status (*reopen)(struct tas_device *device);
    void (*close)(struct tas_device *device);
} device_driver;

/* Looks on at each operation. A status that is not TAS_OK ends the call, which returns it. */
typedef struct device_observer {
    void *self;
    tas_status (*before)(void *self, const op_args *args, const mem *operand);
    tas_status (*after)(void *self, const op_args *args, const mem *operand);
} device_observer;

/* Sees to it that no kernel runs in an operation in which it has not been tested: verify/self_test.c. */
typedef struct device_tester {
    void *self;
    /* Called when a kernel is about to run in this call's operation for the first time, or for the first time in a
     * launch that may be cut into pieces. NULL: nothing is tested. */
    tas_status (*test)(void *self, const op_args *call, bool pieces);
    /* Tests the kernels that a call would launch, with its own sizes too. *right: they have the bits of the reference.
     * That they have not is no failure, and nothing remembers it. NULL on devices without kernels. */
    tas_status (*check)(void *self, const op_args *call, bool *right);
    /* Builds and tests the kernels of some calls. NULL on devices without kernels. */
    tas_status (*prepare)(void *self, const op_args *calls, int count);
    void (*close)(void *self);
} device_tester;

/* What was measured of a device's variants (variant.h). */
typedef struct device_tuning {
    void *self;
    /* The variant for such a call, less than device->variants[call->op]; -1: not known. NULL: nothing was measured. */
    int (*find)(const void *self, const struct tas_device *device, const op_args *call);
    void (*close)(void *self);
} device_tuning;

/* Which cases of verify run their launches in pieces. */
typedef enum case_cuts { CUTS_SOME, CUTS_NONE, CUTS_ALL } case_cuts;

/* Calls of device_run() that are listed and not run. */
typedef struct device_calls {
    op_args *list;
    int count, room;
    bool failed; /* no memory for more */
} device_calls;

struct tas_device {
    tas_context *context;
    tas_device_info info;
    tas_arith arith;
    const device_driver *driver;
    op_launch launch[OP_COUNT];
    op_scratch scratch[OP_COUNT]; /* NULL: none */
    /* Width of the panels in which this device stores a matrix (rows, cols) of parameters; 1: canonical. NULL: 1. */
    uint32_t (*weight_panel)(const struct tas_device *device, uint32_t rows, uint32_t cols);
    /* Examples per panel of a tile's values between convolutions and the like (LAYOUT_BATCH_PANELS). NULL: 1. */
    uint32_t (*batch_panel)(const struct tas_device *device, uint32_t tile);
    /* Set by verify, so that small cases reach the code for large ones. The bits do not depend on it. */
    int variants[OP_COUNT]; /* forms of an operation (variant.h); 0: only one */
    int variant;            /* the form to choose; -1: by the tuning, or by the size */
    uint32_t small_limits;  /* 1, 2, ...: device_limit() gives so many times the small limit; 0: the usual one */
    bool limited;           /* set by device_limit(): an operation has limits */
    case_cuts cuts;
    uint32_t launch_pieces; /* in which each launch is cut, about; 0: those that take too long, or are too wide */
    double queued;          /* seconds that what was queued since the last wait may take; kept for ranks alone */
    uint64_t flops;         /* of products, of the operation that runs; 0: none */
    const op_args *running; /* the call of device_run(); NULL: none */
    device_tester tester;
    device_tuning tuning;
    /* Writes the name of a variant, of VARIANT_NAME bytes at most. NULL if no operation has variants. */
    void (*name_variant)(const struct tas_device *device, op_id op, int variant, char *name);
    device_calls *calls; /* NULL: calls are run */
    bool bare;           /* operands have no guard bands: a test sees itself what is read past their ends */
    /* The ledger. A device that shares the host's memory counts what runs allocate there as used, too. */
    uint64_t used_bytes, peak_bytes;
    uint64_t host_bytes, host_peak_bytes;
    int pieces;                      /* of memory that are allocated */
    bool reported;                   /* a caller reports progress: kernels are built without notes */
    struct profile *profile;         /* NULL unless the device is profiled */
    const device_observer *observer; /* NULL: nobody looks on */
    void *cl;                        /* opencl_device (opencl.h), NULL on the reference */
};

/* Around a call of the driver: see wait_begin(). It may take a moment, and as long as what is queued. */
enum { DEVICE_MOMENT = 8, DEVICE_BUILD = 60 /* a build, or to find devices: seconds */ };
static inline double device_wait_begin(tas_device *device)
{
    return wait_begin(device->context, DEVICE_MOMENT + device->queued);
}

/* The list of tas_devices(), without tiers. */
tas_status discover_list(tas_context *context, tas_device_info **list, size_t *count);

/* Open exactly that device, without the self-test of tas_device_open(). Closed with device_close(). */
tas_status reference_open(tas_context *context, tas_device **out);
tas_status open_opencl(tas_context *context, const tas_device_info *info, tas_arith arith, tas_device **out);
void device_close(tas_device **device);
void reference_describe(tas_device_info *info);

/* Allocates memory, counted in the ledger; released with device_release(). */
tas_status device_alloc(tas_device *device, uint64_t bytes, mem *out);
void device_release(tas_device *device, mem *m);

/* Host memory that a plan counts, likewise; released with device_release_host(). */
tas_status device_alloc_host(tas_device *device, uint64_t bytes, host_mem *out);
void device_release_host(tas_device *device, host_mem *m);

/* The peaks are from now on those of what follows. */
void device_reset_peaks(tas_device *device);

/* The driver's reopen. Fails if memory is allocated, since its owner would not know that it is lost. */
tas_status device_reopen(tas_device *device);

/* Runs one operation. scratch has at least device_scratch() bytes, and may be NULL if that is 0. */
tas_status device_run(tas_device *device, const op_args *args, const mem *operand, const mem *scratch);

/* Until device_prepare(), device_run() only lists its calls. device_prepare() then builds and tests the kernels that
 * they need, as far as that was not done before, and reports how far it is. It is for speed and order alone: a kernel
 * that was not prepared is built and tested when it is first used. */
void device_list_calls(tas_device *device, device_calls *calls);
tas_status device_prepare(tas_device *device);

uint64_t device_scratch(tas_device *device, const op_args *args);
uint32_t device_weight_panel(tas_device *device, uint32_t rows, uint32_t cols);
uint32_t device_batch_panel(tas_device *device, uint32_t tile);

/* A limit by which a launcher cuts its work into pieces: `usual`, or in a case of verify a few times `small`. */
uint64_t device_limit(tas_device *device, uint64_t usual, uint64_t small);

#endif
