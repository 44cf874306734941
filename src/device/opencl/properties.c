/* What drivers report about a device. */
#include "device/opencl/properties.h"

#include "device/opencl/errors.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Constants of extensions, which <CL/cl.h> does not define. */
enum {
    AMD_TOPOLOGY = 0x4037,
    NV_BUS = 0x4008,
    NV_SLOT = 0x4009,
    NV_DOMAIN = 0x400A,
    KHR_BUS = 0x410F,
};

/* One property: the query, how its answer is stored, and the field. */
typedef struct property {
    const char *name;
    cl_device_info query;
    cl_int (*put)(const struct property *p, cl_device_id id, tas_device_info *info);
    size_t at, size; /* in tas_device_info */
    cl_ulong bit;
    const char *text;
} property;

void properties_add_note(tas_device_info *info, const char *format, ...)
{
    va_list list;
    size_t n = strlen(info->note);
    if (n + 16 > sizeof info->note) return; /* it is long enough */
    if (n) n += (size_t)snprintf(info->note + n, sizeof info->note - n, "; ");
    va_start(list, format);
    vsnprintf(info->note + n, sizeof info->note - n, format, list);
    va_end(list);
}

/* Printable ASCII without blanks around it: drivers pad with blanks, and the text goes into terminals and JSON. */
void properties_clean_text(const char *from, char *to, size_t bytes)
{
    size_t n = 0;
    while (*from == ' ') from++;
    for (; *from && n + 1 < bytes; from++) to[n++] = *from < ' ' || *from > '~' ? '?' : *from;
    while (n && to[n - 1] == ' ') n--;
    to[n] = 0;
}

/* The text of a property, malloc()ed. */
static cl_int get_text(cl_device_id id, cl_device_info query, char **out)
{
    size_t bytes = 0;
    *out = NULL;
    cl_int error = clGetDeviceInfo(id, query, 0, NULL, &bytes);
    if (error) return error;
    char *text = calloc(1, bytes + 1);
    if (!text) return CL_OUT_OF_HOST_MEMORY;
    error = clGetDeviceInfo(id, query, bytes, text, NULL);
    if (error) {
        free(text);
        return error;
    }
    *out = text;
    return CL_SUCCESS;
}

/* Any unsigned property of at most eight bytes, whatever its width. */
static cl_int get_number(cl_device_id id, cl_device_info query, cl_ulong *out)
{
    union {
        cl_ulong wide;
        cl_uint narrow;
    } value = {0};
    size_t bytes = 0;
    *out = 0;
    cl_int error = clGetDeviceInfo(id, query, sizeof value, &value, &bytes);
    if (error) return error;
    if (bytes != sizeof value.wide && bytes != sizeof value.narrow) return CL_INVALID_VALUE;
    *out = bytes == sizeof value.wide ? value.wide : value.narrow;
    return CL_SUCCESS;
}

static void put_number(const property *p, tas_device_info *info, cl_ulong value)
{
    char *to = (char *)info + p->at;
    if (p->size == sizeof(uint64_t))
        *(uint64_t *)to = value;
    else
        *(uint32_t *)to = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static cl_int put_text(const property *p, cl_device_id id, tas_device_info *info)
{
    char *text;
    cl_int error = get_text(id, p->query, &text);
    if (error) return error;
    properties_clean_text(text, (char *)info + p->at, p->size);
    free(text);
    return CL_SUCCESS;
}

static cl_int put_value(const property *p, cl_device_id id, tas_device_info *info)
{
    cl_ulong value;
    cl_int error = get_number(id, p->query, &value);
    put_number(p, info, value);
    return error;
}

static cl_int put_bytes(const property *p, cl_device_id id, tas_device_info *info) /* reported in bits */
{
    cl_ulong value;
    cl_int error = get_number(id, p->query, &value);
    put_number(p, info, value / 8);
    return error;
}

static cl_int put_bit(const property *p, cl_device_id id, tas_device_info *info)
{
    cl_ulong value;
    cl_int error = get_number(id, p->query, &value);
    put_number(p, info, (value & p->bit) != 0);
    return error;
}

/* A device of several types (a simulator is all of them) counts as the first of CPU, GPU, other. */
static cl_int put_type(const property *p, cl_device_id id, tas_device_info *info)
{
    cl_ulong value;
    cl_int error = get_number(id, p->query, &value);
    info->type = value & CL_DEVICE_TYPE_CPU ? TAS_TYPE_CPU : value & CL_DEVICE_TYPE_GPU ? TAS_TYPE_GPU : TAS_TYPE_OTHER;
    return error;
}

static bool has_word(const char *words, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += length) {
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length])) return true;
    }
    return false;
}

static cl_int put_extension(const property *p, cl_device_id id, tas_device_info *info)
{
    char *words;
    cl_int error = get_text(id, p->query, &words);
    put_number(p, info, !error && has_word(words, p->text));
    free(words);
    return error;
}

#define QUERY(q) .name = #q, .query = q
#define AT(field) .at = offsetof(tas_device_info, field), .size = sizeof((tas_device_info *)0)->field

static const property properties[] = {
    {QUERY(CL_DEVICE_NAME), put_text, AT(name)},
    {QUERY(CL_DEVICE_VENDOR), put_text, AT(vendor)},
    {QUERY(CL_DRIVER_VERSION), put_text, AT(driver)},
    {QUERY(CL_DEVICE_VERSION), put_text, AT(version)},
    {QUERY(CL_DEVICE_TYPE), put_type, AT(type)},
    {QUERY(CL_DEVICE_MAX_COMPUTE_UNITS), put_value, AT(compute_units)},
    {QUERY(CL_DEVICE_MAX_CLOCK_FREQUENCY), put_value, AT(clock_mhz)},
    {QUERY(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT), put_value, AT(vector_width)},
    {QUERY(CL_DEVICE_GLOBAL_MEM_SIZE), put_value, AT(global_bytes)},
    {QUERY(CL_DEVICE_LOCAL_MEM_SIZE), put_value, AT(local_bytes)},
    {QUERY(CL_DEVICE_MAX_MEM_ALLOC_SIZE), put_value, AT(max_alloc_bytes)},
    {QUERY(CL_DEVICE_MAX_WORK_GROUP_SIZE), put_value, AT(max_group)},
    {QUERY(CL_DEVICE_MEM_BASE_ADDR_ALIGN), put_bytes, AT(align_bytes)},
    {QUERY(CL_DEVICE_SINGLE_FP_CONFIG), put_bit, AT(fma), .bit = CL_FP_FMA},
    {QUERY(CL_DEVICE_SINGLE_FP_CONFIG), put_bit, AT(denormals), .bit = CL_FP_DENORM},
    {QUERY(CL_DEVICE_EXTENSIONS), put_extension, AT(fp16), .text = "cl_khr_fp16"},
    {QUERY(CL_DEVICE_EXTENSIONS), put_extension, AT(fp64), .text = "cl_khr_fp64"},
    {QUERY(CL_DEVICE_HOST_UNIFIED_MEMORY), put_bit, AT(shared_memory), .bit = CL_TRUE},
};

/* What a device must have to be usable. */
static const struct {
    const char *name;
    cl_device_info query;
    const char *text;
} needs[] = {
    {QUERY(CL_DEVICE_AVAILABLE), "not available"},
    {QUERY(CL_DEVICE_COMPILER_AVAILABLE), "has no compiler"},
    {QUERY(CL_DEVICE_ENDIAN_LITTLE), "not little-endian"},
};

/* Three queries for a device's PCI address, each valid with one extension only. */
static bool pci_khr(cl_device_id id, char *out)
{
    struct {
        cl_uint domain, bus, device, function;
    } at;
    if (clGetDeviceInfo(id, KHR_BUS, sizeof at, &at, NULL)) return false;
    snprintf(out, PCI_TEXT, "%04x:%02x:%02x.%x", at.domain, at.bus & 255, at.device & 31, at.function & 7);
    return true;
}

static bool pci_nvidia(cl_device_id id, char *out)
{
    cl_ulong bus, slot, domain;
    if (get_number(id, NV_BUS, &bus) || get_number(id, NV_SLOT, &slot)) return false;
    if (get_number(id, NV_DOMAIN, &domain)) domain = 0; /* older drivers do not report it */
    snprintf(out, PCI_TEXT, "%04x:%02x:%02x.%x", (unsigned)domain, (unsigned)bus & 255, (unsigned)slot >> 3 & 31,
             (unsigned)slot & 7);
    return true;
}

static bool pci_amd(cl_device_id id, char *out)
{
    struct {
        cl_uint type;
        unsigned char unused[17], bus, device, function;
    } at;
    if (clGetDeviceInfo(id, AMD_TOPOLOGY, sizeof at, &at, NULL) || at.type != 1) return false;
    snprintf(out, PCI_TEXT, "0000:%02x:%02x.%x", at.bus, at.device & 31, at.function & 7);
    return true;
}

static const struct {
    const char *extension;
    bool (*get)(cl_device_id id, char *out);
} addresses[] = {
    {"cl_khr_pci_bus_info", pci_khr},
    {"cl_nv_device_attribute_query", pci_nvidia},
    {"cl_amd_device_attribute_query", pci_amd},
};

void properties_find_address(cl_device_id id, char out[PCI_TEXT])
{
    char *words;
    *out = 0;
    if (get_text(id, CL_DEVICE_EXTENSIONS, &words)) return;
    for (size_t k = 0; k < sizeof addresses / sizeof *addresses && !*out; k++) {
        if (has_word(words, addresses[k].extension) && !addresses[k].get(id, out)) *out = 0;
    }
    free(words);
}

tas_status properties_read(cl_device_id id, const char *platform, tas_device_info *info)
{
    tas_status status = TAS_OK;
    memset(info, 0, sizeof *info);
    snprintf(info->platform, sizeof info->platform, "%s", platform);
    for (size_t k = 0; k < sizeof properties / sizeof *properties; k++) {
        const property *p = &properties[k];
        cl_int error = p->put(p, id, info);
        if (error) properties_add_note(info, "%s: %s", p->name, error_name(error));
    }
    for (size_t k = 0; k < sizeof needs / sizeof *needs; k++) {
        cl_ulong value;
        cl_int error = get_number(id, needs[k].query, &value);
        if (error)
            properties_add_note(info, "%s: %s", needs[k].name, error_name(error));
        else if (!value) {
            properties_add_note(info, "%s", needs[k].text);
            status = TAS_NO_DEVICE;
        }
    }
    return status;
}
