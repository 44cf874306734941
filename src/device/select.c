/* Names of devices, and which one is meant. */
#include "device/select.h"

#include <stdlib.h>
#include <string.h>

/* Only names: nothing here decides how a device is used. A platform's usual type has no suffix. */
enum { NO_USUAL = -1, ANY_TYPE = -2 };
static const struct {
    const char *platform; /* is part of the platform's own name */
    const char *id;
    int usual;
} short_names[] = {
    {"Portable Computing Language", "pocl", TAS_TYPE_CPU},
    {"rusticl", "rusticl", TAS_TYPE_CPU},
    {"Clover", "clover", TAS_TYPE_GPU},
    {"Oclgrind", "oclgrind", ANY_TYPE},
    {"Intel(R) FPGA", "intel-fpga", ANY_TYPE},
    {"Intel", "intel", NO_USUAL},
    {"NVIDIA", "nvidia", TAS_TYPE_GPU},
    {"AMD Accelerated", "amd", TAS_TYPE_GPU},
    {"Apple", "apple", TAS_TYPE_GPU},
    {"QUALCOMM", "qualcomm", TAS_TYPE_GPU},
    {"ARM Platform", "arm", TAS_TYPE_GPU},
};

static const char *const type_suffix[] = {
    [TAS_TYPE_REFERENCE] = "",   [TAS_TYPE_CPU] = "-cpu", [TAS_TYPE_GPU] = "-gpu",
    [TAS_TYPE_OTHER] = "-other", [TAS_TYPE_NONE] = "",
};

/* Reduces text to [a-z0-9-], with one '-' for any run of other characters, at most 24 characters. */
static void plain_name(const char *text, char out[25])
{
    size_t n = 0;
    for (; *text && n < 24; text++) {
        char c = *text;
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            out[n++] = c;
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && out[n - 1] == '-') n--;
    out[n] = 0;
}

void select_short_id(const char *platform, tas_device_type type, char *id, size_t bytes)
{
    char plain[25];
    const char *name = plain;
    int usual = TAS_TYPE_GPU;
    size_t row = 0;
    const size_t rows = sizeof short_names / sizeof *short_names;

    while (row < rows && !strstr(platform, short_names[row].platform)) row++;
    if (row < rows) {
        name = short_names[row].id;
        usual = short_names[row].usual;
    } else {
        plain_name(platform, plain);
        if (!*plain) strcpy(plain, "opencl");
        if (!strcmp(plain, "reference")) strcpy(plain, "opencl-reference");
    }
    snprintf(id, bytes, "%s%s", name, usual == ANY_TYPE || usual == (int)type ? "" : type_suffix[type]);
}

/* FNV-1a: it only has to distinguish the devices of one machine. */
static uint32_t hash_text(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* Whether row a comes before row b among rows with the same long id: by what the driver reports, then by position. */
static bool comes_before(const tas_device_info *list, size_t a, size_t b)
{
    const tas_device_info *x = &list[a], *y = &list[b];
    int c = strcmp(x->name, y->name);
    if (!c) c = strcmp(x->platform, y->platform);
    if (!c) c = strcmp(x->driver, y->driver);
    if (!c) c = strcmp(x->version, y->version);
    return c ? c < 0 : a < b;
}

static void write_long_id(const tas_device_info *info, const char *pci, char *out, size_t bytes)
{
    if (*pci)
        snprintf(out, bytes, "%s@%s", info->id, pci);
    else
        snprintf(out, bytes, "%s@%08x", info->id, hash_text(info->name));
}

/* Whether id is the part of a long id before its '@': the short id of a device if no other shares it. */
static bool is_short_of(const char *id, size_t length, const char *long_id)
{
    return strcspn(long_id, "@") == length && !memcmp(id, long_id, length);
}

void select_name_all(tas_device_info *list, const char pci[][PCI_TEXT], size_t count)
{
    char mine[sizeof list->long_id], other[sizeof list->long_id];

    for (size_t k = 0; k < count; k++) {
        if (list[k].type == TAS_TYPE_REFERENCE)
            strcpy(list[k].id, "reference");
        else
            select_short_id(list[k].platform, list[k].type, list[k].id, sizeof list[k].id - PCI_TEXT - 8);
    }
    for (size_t k = 0; k < count; k++) {
        unsigned place = 1;
        if (list[k].type == TAS_TYPE_REFERENCE) {
            strcpy(list[k].long_id, "reference");
            continue;
        }
        write_long_id(&list[k], pci[k], mine, sizeof mine);
        for (size_t j = 0; j < count; j++) {
            if (j == k || list[j].type == TAS_TYPE_REFERENCE) continue;
            write_long_id(&list[j], pci[j], other, sizeof other);
            if (!strcmp(mine, other) && comes_before(list, j, k)) place++;
        }
        /* Identical cards without an address, or one card listed twice: the first keeps its name, the others get
         * ".2", ".3". */
        if (place == 1)
            snprintf(list[k].long_id, sizeof list[k].long_id, "%s", mine);
        else
            snprintf(list[k].long_id, sizeof list[k].long_id, "%.*s.%u", (int)sizeof mine - 12, mine, place);
    }
    for (size_t k = 0; k < count; k++) {
        const size_t length = strcspn(list[k].long_id, "@");
        bool alone = true;
        for (size_t j = 0; j < count; j++) {
            if (list[j].type == TAS_TYPE_NONE && list[k].type != TAS_TYPE_NONE)
                continue; /* does not compete with
                           * devices for a name */
            alone &= j == k || !is_short_of(list[k].long_id, length, list[j].long_id);
        }
        if (!alone) snprintf(list[k].id, sizeof list[k].id, "%.*s", (int)sizeof list[k].id - 1, list[k].long_id);
    }
}

/* Smaller ranks are tried first. */
static int type_rank(const tas_device_info *info)
{
    switch (info->type) {
    case TAS_TYPE_GPU: return 0;
    case TAS_TYPE_OTHER: return 1;
    case TAS_TYPE_CPU: return info->vector_width > 1 ? 2 : 3;
    case TAS_TYPE_REFERENCE:
    case TAS_TYPE_NONE: break;
    }
    return 4;
}

static int compare_rows(const void *a, const void *b, void *rows)
{
    const tas_device_info *x = (const tas_device_info *)rows + *(const size_t *)a;
    const tas_device_info *y = (const tas_device_info *)rows + *(const size_t *)b;
    const int rank = type_rank(x) - type_rank(y);
    if (rank) return rank;
    if (x->global_bytes != y->global_bytes) return x->global_bytes > y->global_bytes ? -1 : 1;
    return strcmp(x->long_id, y->long_id);
}

static void order_all(const tas_device_info *list, size_t count, size_t *order, size_t *order_count)
{
    size_t n = 0;
    for (size_t k = 0; k < count; k++) {
        if (list[k].type != TAS_TYPE_REFERENCE && list[k].type != TAS_TYPE_NONE) order[n++] = k;
    }
    for (size_t k = 0; k < count && !n; k++) {
        if (list[k].type == TAS_TYPE_REFERENCE) order[n++] = k;
    }
    qsort_r(order, n, sizeof *order, compare_rows, (void *)list);
    *order_count = n;
}

/* The ids of devices, separated by commas: all of them, or the long ids of those that share a short one. */
static void write_ids(const tas_device_info *list, size_t count, const char *short_id, char *out, size_t bytes)
{
    size_t n = 0;
    *out = 0;
    for (size_t k = 0; k < count; k++) {
        if (list[k].type == TAS_TYPE_NONE) continue;
        if (short_id && !is_short_of(short_id, strlen(short_id), list[k].long_id)) continue;
        int more = snprintf(out + n, bytes - n, "%s%s", n ? ", " : "", short_id ? list[k].long_id : list[k].id);
        if (more < 0 || n + (size_t)more >= bytes) break;
        n += (size_t)more;
    }
}

/* Whether id would belong to a device of that platform, which offers none: the row's id, followed by a type or an
 * address. */
static bool is_of_platform(const char *id, const tas_device_info *row)
{
    const size_t length = strlen(row->id);
    return row->type == TAS_TYPE_NONE && !strncmp(id, row->id, length) && (id[length] == '-' || id[length] == '@');
}

tas_status select_device(tas_context *context, const char *id, const tas_device_info *list, size_t count, size_t *order,
                         size_t *order_count)
{
    char ids[800];
    *order_count = 0;
    if (!id) {
        order_all(list, count, order, order_count);
        if (*order_count) return TAS_OK;
        return fail(context, TAS_NO_DEVICE, "no device");
    }
    size_t matches = 0;
    for (size_t k = 0; k < count; k++) {
        if (!strcmp(id, list[k].id) || !strcmp(id, list[k].long_id)) {
            order[0] = k;
            *order_count = 1;
            return TAS_OK;
        }
        if (is_short_of(id, strlen(id), list[k].long_id)) matches++;
    }
    if (matches) {
        write_ids(list, count, id, ids, sizeof ids);
        return fail(context, TAS_NO_DEVICE, "more than one device is named %s: choose one of %s", id, ids);
    }
    for (size_t k = 0; k < count; k++) {
        if (!is_of_platform(id, &list[k])) continue;
        order[0] = k;
        *order_count = 1;
        return TAS_OK;
    }
    write_ids(list, count, NULL, ids, sizeof ids);
    const char *reason = count == 1 ? list->note : "";
    return fail(context, TAS_NO_DEVICE, "no device %.100s; available: %s%s%s", id, ids, *reason ? "; " : "", reason);
}
