/* Coverage of kernels: the memory that their points store to, and what is read from there. */
#include "device/coverage.h"

#include "device/opencl/sources.h"

#include <tassello/verify.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A region at a fixed place, mapped when the first program is built and kept until the process ends:
 *
 *     list of variants | slot 0 | slot 1 | ...
 *
 * A variant is a program with a set of options. A digest of both chooses its slot, which has three bytes for each point
 * of the program. */
enum { OUTCOMES = 3, SLOT_BYTES = 4096, SLOTS = 1 << 20, VARIANTS = 1024 };
static const uint64_t region_place = UINT64_C(0x200000000000);

typedef struct variant {
    char program[32], options[160];
    uint32_t slot;
} variant;

typedef struct region {
    char magic[8];
    uint32_t count;
    variant variants[VARIANTS];
} region;

static const char region_magic[8] = "TASCOVR";
enum { HEAD_BYTES = (sizeof(region) + SLOT_BYTES - 1) / SLOT_BYTES * SLOT_BYTES };

static region *find_region(void) { return (region *)(uintptr_t)region_place; } // NOLINT: see above

static uint64_t slot_place(uint32_t slot) { return region_place + HEAD_BYTES + (uint64_t)slot * SLOT_BYTES; }

/* NULL if the place is taken. */
static region *map_region(void)
{
    region *r = find_region();
    void *at = mmap(r, HEAD_BYTES + (size_t)SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (at == r)
        memcpy(r->magic, region_magic, sizeof r->magic);
    else if (at != MAP_FAILED)
        munmap(at, HEAD_BYTES + (size_t)SLOTS * SLOT_BYTES);
    return memcmp(r->magic, region_magic, sizeof r->magic) ? NULL : r;
}

static bool is_variant(const variant *v, const char *program, const char *options)
{
    return !strcmp(v->program, program) && !strcmp(v->options, options);
}

/* FNV-1a (Fowler, Noll and Vo), folded. */
static uint32_t choose_slot(const char *program, const char *options)
{
    uint32_t hash = 2166136261u;
    for (const char *c = program; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (const char *c = options; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    return (hash ^ hash >> 20) % SLOTS;
}

static const cl_point *first_point(const char *program)
{
    const cl_point *p = cl_points;
    while (p->program && strcmp(p->program, program) != 0) p++;
    return p;
}

/* NULL if there is no room, or another variant has the slot. */
static const variant *add_variant(region *r, const char *program, const char *options)
{
    const uint32_t slot = choose_slot(program, options);
    for (uint32_t k = 0; k < r->count; k++) {
        if (is_variant(&r->variants[k], program, options)) return &r->variants[k];
        if (r->variants[k].slot == slot) return NULL;
    }
    if (r->count == VARIANTS) return NULL;
    variant *v = &r->variants[r->count++];
    snprintf(v->program, sizeof v->program, "%s", program);
    snprintf(v->options, sizeof v->options, "%s", options);
    v->slot = slot;
    return v;
}

tas_status coverage_add(tas_device *device, const char *program, const char *options, char *option, size_t bytes)
{
    *option = 0;
    if (!cl_points->program) return TAS_OK;
    if (device->info.type != TAS_TYPE_CPU)
        return fail(
            device->context, TAS_DEVICE_FAILED,
            "%s: this library was built with -Dkernel_coverage=true, for drivers that run kernels on processors",
            device->info.id);
    region *r = map_region();
    const variant *v = r ? add_variant(r, program, options) : NULL;
    if (!v) return fail(device->context, TAS_NO_MEMORY, "no memory for the coverage of %s (%s)", program, options);
    snprintf(option, bytes, " -cl-opt-disable -D COVER=0x%llxUL", (unsigned long long)slot_place(v->slot));
    return TAS_OK;
}

static unsigned char *variant_bytes(const variant *v)
{
    return (unsigned char *)(uintptr_t)slot_place(v->slot); // NOLINT: see above
}

/* The second byte of a kernel's point: it will run. */
void coverage_expect(const char *program, const char *options, const char *kernel)
{
    if (!cl_points->program) return;
    const region *r = find_region();
    const cl_point *first = first_point(program);
    for (uint32_t k = 0; k < r->count; k++) {
        if (!is_variant(&r->variants[k], program, options)) continue;
        unsigned char *bytes = variant_bytes(&r->variants[k]);
        for (const cl_point *p = first; p->program && !strcmp(p->program, program); p++)
            if (p->kind == POINT_KERNEL && !strcmp(p->text, kernel)) bytes[OUTCOMES * (p - first) + 1] = 1;
    }
}

/* Whether a scope was entered. A macro has no point at its beginning: any of its points counts. */
static bool scope_entered(const cl_point *first, int scope, const unsigned char *bytes)
{
    if (first[scope].kind != POINT_MACRO) return bytes[OUTCOMES * scope];
    for (int k = scope + 1; first[k].program == first->program && first[k].scope == scope; k++)
        for (int o = 0; o < OUTCOMES; o++)
            if (bytes[OUTCOMES * k + o]) return true;
    return false;
}

/* Of the same name, for other options (#if). */
static bool other_ran(const cl_point *first, int k, const unsigned char *bytes)
{
    for (int other = 0; first[other].program == first->program; other++)
        if (first[other].kind == POINT_KERNEL && !strcmp(first[other].text, first[k].text) && bytes[OUTCOMES * other])
            return true;
    return false;
}

/* An outcome that point k has to show, NULL: there is none. */
static const char *name_outcome(const cl_point *first, int k, int outcome, const unsigned char *bytes)
{
    static const char *const names[][OUTCOMES] = {
        [POINT_CONDITION] = {"true", "false"},
        [POINT_LOOP] = {"zero times", "once", "several times"},
        [POINT_DO] = {NULL, "once", "several times"},
    };
    const unsigned char *own = bytes + OUTCOMES * k;
    switch (first[k].kind) {
    case POINT_FUNCTION:
    case POINT_MACRO: return NULL;
    case POINT_KERNEL: return !outcome && own[1] && (own[0] || !other_ran(first, k, bytes)) ? "runs" : NULL;
    default: return scope_entered(first, first[k].scope, bytes) ? names[first[k].kind][outcome] : NULL;
    }
}

/* Room for `points` points; what is written. */
static size_t list_outcomes(const cl_point *first, size_t points, const unsigned char *bytes,
                            tas_coverage_outcome *list)
{
    size_t count = 0;
    for (int k = 0; k < (int)points; k++)
        for (int o = 0; o < OUTCOMES; o++) {
            const char *name = name_outcome(first, k, o, bytes);
            if (!name) continue;
            list[count++] = (tas_coverage_outcome){.file = first[k].file,
                                                   .line = first[k].line,
                                                   .function = first[first[k].scope].text,
                                                   .text = first[k].text,
                                                   .outcome = name,
                                                   .reached = bytes[OUTCOMES * k + o]};
        }
    return count;
}

static tas_status report_variant(tas_context *context, const variant *v, tas_coverage_fn on_row, void *user)
{
    const cl_point *first = first_point(v->program);
    size_t points = 0;
    while (first[points].program && !strcmp(first[points].program, v->program)) points++;
    tas_coverage_outcome *list = malloc((OUTCOMES * points + 1) * sizeof *list);
    if (!list) return fail(context, TAS_NO_MEMORY, "no memory for the coverage of kernels");
    tas_coverage_row row = {.program = v->program, .options = v->options, .outcomes = list};
    row.count = list_outcomes(first, points, variant_bytes(v), list);
    for (size_t k = 0; k < row.count; k++) row.reached += list[k].reached != 0;
    on_row(user, &row);
    free(list);
    return TAS_OK;
}

tas_status tas_kernel_coverage(tas_context *context, tas_coverage_fn on_row, void *user)
{
    tas_status status = TAS_OK;
    if (!cl_points->program) return TAS_OK;
    const region *r = map_region();
    for (uint32_t k = 0; r && k < r->count && !status; k++)
        status = report_variant(context, &r->variants[k], on_row, user);
    return status;
}
