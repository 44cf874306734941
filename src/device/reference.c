/* The reference device: host memory, and the rows' own references. */
#include "device/profile.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static tas_status reference_alloc(tas_device *device, uint64_t bytes, mem *out)
{
    void *p = NULL;
    *out = (mem){0};
    if (bytes > SIZE_MAX - 64 || posix_memalign(&p, 64, bytes ? (size_t)bytes : 1))
        return fail(device->context, TAS_NO_MEMORY, "reference: no memory for %llu bytes", (unsigned long long)bytes);
    *out = (mem){.host = p, .bytes = bytes};
    return TAS_OK;
}

static void reference_release(tas_device *device, mem *m)
{
    (void)device;
    free(m->host);
}

static tas_status reference_slice(tas_device *device, const mem *whole, uint64_t offset, uint64_t bytes, mem *out)
{
    (void)device;
    *out = (mem){.host = whole->host + offset, .bytes = bytes};
    return TAS_OK;
}

static void reference_release_slice(tas_device *device, mem *m)
{
    (void)device;
    *m = (mem){0};
}

static tas_status reference_zero(tas_device *device, const mem *m)
{
    const uint64_t begun = profile_begin(device);
    memset(m->host, 0, (size_t)m->bytes);
    profile_end(device, begun, "fill", m->bytes);
    return TAS_OK;
}

static tas_status reference_write(tas_device *device, const mem *m, uint64_t offset, const void *from, uint64_t bytes,
                                  bool wait)
{
    (void)wait;
    if (!bytes) return TAS_OK;
    const uint64_t begun = profile_begin(device);
    memcpy(m->host + offset, from, (size_t)bytes);
    profile_end(device, begun, "write", bytes);
    return TAS_OK;
}

static tas_status reference_read(tas_device *device, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    if (!bytes) return TAS_OK;
    const uint64_t begun = profile_begin(device);
    memcpy(to, m->host + offset, (size_t)bytes);
    profile_end(device, begun, "read", bytes);
    return TAS_OK;
}

static tas_status reference_write_later(tas_device *device, const mem *m, const void *from, uint64_t bytes, void *after,
                                        void **ticket)
{
    (void)after;
    (void)ticket;
    return reference_write(device, m, 0, from, bytes, true);
}

static tas_status reference_read_later(tas_device *device, const mem *m, uint64_t offset, void *to, uint64_t bytes,
                                       void *after, void **ticket)
{
    (void)after;
    (void)ticket;
    return reference_read(device, m, offset, to, bytes);
}

static tas_status reference_await(tas_device *device, void *ticket)
{
    (void)device;
    (void)ticket;
    return TAS_OK;
}

static tas_status reference_ticket(tas_device *device, void **ticket)
{
    (void)device;
    (void)ticket;
    return TAS_OK;
}

static tas_status reference_finish(tas_device *device)
{
    (void)device;
    return TAS_OK;
}

static tas_status reference_set_profiling(tas_device *device, bool on)
{
    (void)device;
    (void)on;
    return TAS_OK;
}

static void reference_close(tas_device *device) { (void)device; }

static const device_driver driver = {
    .never_fails = true,
    .alloc = reference_alloc,
    .release = reference_release,
    .slice = reference_slice,
    .release_slice = reference_release_slice,
    .zero = reference_zero,
    .write = reference_write,
    .read = reference_read,
    .write_later = reference_write_later,
    .read_later = reference_read_later,
    .await = reference_await,
    .mark = reference_ticket,
    .join = reference_ticket,
    .flush = reference_finish,
    .finish = reference_finish,
    .set_profiling = reference_set_profiling,
    .reopen = reference_finish,
    .close = reference_close,
};

static tas_status reference_launch(tas_device *device, const op_args *args, const mem *operand, const mem *scratch)
{
    void *pointers[OP_OPERANDS] = {0};
    for (int i = 0; op_get(args->op)->operand[i].name; i++) pointers[i] = operand[i].host;
    const uint64_t begun = profile_begin(device);
    op_get(args->op)->reference(args, pointers, scratch ? scratch->host : NULL);
    profile_end(device, begun, op_get(args->op)->name, 0);
    return TAS_OK;
}

static uint64_t reference_scratch(tas_device *device, const op_args *args)
{
    (void)device;
    return op_get(args->op)->scratch ? op_get(args->op)->scratch(args) : 0;
}

/* How it computes: with the machine's fma, if a clone of the loops uses it (ops/clones.h). */
static const char *reference_name(void)
{
#if defined(__x86_64__) && defined(__linux__)
    if (!__builtin_cpu_supports("fma")) return "C reference, one thread, fma in software";
#endif
    return "C reference, one thread";
}

void reference_describe(tas_device_info *info)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    *info = (tas_device_info){
        .id = "reference",
        .long_id = "reference",
        .vendor = "Tassello",
        .platform = "Tassello",
        .type = TAS_TYPE_REFERENCE,
        .compute_units = 1,
        .vector_width = 1,
        .global_bytes = (uint64_t)pages * (uint64_t)page,
        .max_alloc_bytes = (uint64_t)pages * (uint64_t)page,
        .max_group = 1,
        .align_bytes = 64,
        .fma = 1,
        .denormals = 1,
        .fp64 = 1,
        .shared_memory = 1,
        .tier = TAS_TIER_EXACT,
    };
    snprintf(info->name, sizeof info->name, "%s", reference_name());
    snprintf(info->driver, sizeof info->driver, "%s", tas_version());
    snprintf(info->version, sizeof info->version, "contract %d", tas_contract());
}

tas_status reference_open(tas_context *context, tas_device **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return fail(context, TAS_NO_MEMORY, "reference: no memory to open it");
    tas_device *device = *out;
    reference_describe(&device->info);
    device->context = context;
    device->driver = &driver;
    for (int op = 0; op < OP_COUNT; op++) {
        device->launch[op] = reference_launch;
        device->scratch[op] = reference_scratch;
    }
    return TAS_OK;
}
