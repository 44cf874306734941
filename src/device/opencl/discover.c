/* Lists the OpenCL devices and what their drivers report about them. */
#include "device/opencl/discover.h"

#include "device/opencl/errors.h"
#include "device/opencl/fork.h"
#include "device/opencl/properties.h"
#include "device/select.h"

#include "base/cache.h"

#include <stdlib.h>
#include <string.h>

enum { NO_PLATFORM = -1001 }; /* CL_PLATFORM_NOT_FOUND_KHR, which <CL/cl.h> does not define */

/* What was found beside each row of the list. */
typedef struct found {
    cl_platform_id platform;
    cl_device_id id;   /* NULL: a platform without a device, or the reference */
    tas_status status; /* of opening it, as far as the driver reports; the row's note gives the reason */
} found;

typedef struct findings {
    tas_device_info *list;
    found *device;
    char (*pci)[PCI_TEXT];
    size_t count;
} findings;

static void free_findings(findings *f)
{
    free(f->list);
    free(f->device);
    free(f->pci);
    *f = (findings){0};
}

/* Makes room for `more` rows. */
static bool grow(findings *f, size_t more)
{
    const size_t room = f->count + more;
    void *list = realloc(f->list, room * sizeof *f->list);
    if (list) f->list = list;
    void *device = realloc(f->device, room * sizeof *f->device);
    if (device) f->device = device;
    void *pci = realloc(f->pci, room * sizeof *f->pci);
    if (pci) f->pci = pci;
    return list && device && pci;
}

/* A row for a platform that has no device to offer: without it nothing would show that its driver is installed. */
static tas_status add_platform_row(tas_context *context, const char *name, cl_int error, const char *call, findings *f)
{
    char folder[512];
    if (!grow(f, 1)) return fail(context, TAS_NO_MEMORY, "no memory to list the devices");
    tas_device_info *info = &f->list[f->count];
    *info = (tas_device_info){.type = TAS_TYPE_NONE};
    snprintf(info->name, sizeof info->name, "%s", name);
    snprintf(info->platform, sizeof info->platform, "%s", name);
    if (error)
        properties_add_note(info, "%s: %s (%d)", call, error_name(error), (int)error);
    else if (!cache_folder(folder, sizeof folder))
        properties_add_note(info,
                            "no usable device; some drivers need a writable cache folder: check HOME, XDG_CACHE_HOME");
    else
        properties_add_note(
            info, "no usable device; check the hardware, access to it (/dev/dri), and the driver's own settings");
    f->device[f->count] = (found){.status = error ? TAS_DEVICE_FAILED : TAS_NO_DEVICE};
    f->pci[f->count][0] = 0;
    f->count++;
    return TAS_OK;
}

/* All devices of one platform, or a row that says why there is none. */
static tas_status add_platform(tas_context *context, cl_platform_id platform, findings *f)
{
    char raw[256] = "", name[128];
    cl_uint count = 0;
    const cl_int name_error = clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof raw - 1, raw, NULL);
    properties_clean_text(name_error ? "unnamed" : raw, name, sizeof name);

    cl_int error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count);
    if (error == CL_DEVICE_NOT_FOUND || (!error && !count)) return add_platform_row(context, name, CL_SUCCESS, NULL, f);
    cl_device_id *ids = error ? NULL : calloc(count, sizeof *ids);
    if (!error && !ids) return fail(context, TAS_NO_MEMORY, "no memory to list %u devices of %s", count, name);
    if (!error) error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids, NULL);
    if (error) {
        free(ids);
        return add_platform_row(context, name, error, "clGetDeviceIDs", f);
    }
    if (!grow(f, count)) {
        free(ids);
        return fail(context, TAS_NO_MEMORY, "no memory to list %u devices of %s", count, name);
    }
    for (cl_uint k = 0; k < count; k++, f->count++) {
        f->device[f->count] = (found){.platform = platform, .id = ids[k]};
        f->device[f->count].status = properties_read(ids[k], name, &f->list[f->count]);
        if (name_error) properties_add_note(&f->list[f->count], "CL_PLATFORM_NAME: %s", error_name(name_error));
        properties_find_address(ids[k], f->pci[f->count]);
    }
    free(ids);
    return TAS_OK;
}

/* Every device of every platform, the reference last, with their ids. Freed with free_findings(), on failure too. */
static tas_status find_all(tas_context *context, findings *f)
{
    cl_platform_id *platforms = NULL;
    cl_uint count = 0;

    *f = (findings){0};
    tas_status status = fork_check(context);
    if (status) return status;
    fork_watch();
    cl_int error = clGetPlatformIDs(0, NULL, &count);
    if (!error && count) {
        platforms = calloc(count, sizeof *platforms);
        if (!platforms) return fail(context, TAS_NO_MEMORY, "no memory to list %u platforms", count);
        error = clGetPlatformIDs(count, platforms, NULL);
    }
    if (error && error != NO_PLATFORM) status = add_platform_row(context, "OpenCL", error, "clGetPlatformIDs", f);
    for (cl_uint k = 0; !error && k < count && !status; k++) status = add_platform(context, platforms[k], f);
    free(platforms);
    if (status) return status;

    if (!grow(f, 1)) return fail(context, TAS_NO_MEMORY, "no memory to list the devices");
    reference_describe(&f->list[f->count]);
    f->device[f->count] = (found){0};
    f->pci[f->count][0] = 0;
    f->count++;
    select_name_all(f->list, (const char(*)[PCI_TEXT])f->pci, f->count);
    return TAS_OK;
}

tas_status discover_list(tas_context *context, tas_device_info **list, size_t *count)
{
    findings f;
    *list = NULL;
    *count = 0;
    tas_status status = find_all(context, &f);
    if (!status) {
        *list = f.list;
        *count = f.count;
        f.list = NULL;
    }
    free_findings(&f);
    return status;
}

void tas_devices_free(tas_device_info *list) { free(list); }

tas_status discover_find(tas_context *context, const char *long_id, cl_platform_id *platform, cl_device_id *id)
{
    findings f;
    *platform = NULL;
    *id = NULL;
    tas_status status = find_all(context, &f);
    if (status) goto end;
    size_t k = 0;
    while (k < f.count && (f.list[k].type == TAS_TYPE_REFERENCE || strcmp(f.list[k].long_id, long_id))) k++;
    if (k == f.count) {
        status = fail(context, TAS_NO_DEVICE, "device %s is no longer present", long_id);
    } else if (f.device[k].status) {
        status = fail(context, f.device[k].status, "%s cannot be used: %s", f.list[k].id, f.list[k].note);
    } else {
        *platform = f.device[k].platform;
        *id = f.device[k].id;
    }
end:
    free_findings(&f);
    return status;
}
