/* Forms of the kernels for processors: blocks of sums of other sizes, or another way to the same sums. A launcher has a
 * table of its forms, which are the variants (device/variant.h) of its operations, and chooses one in forms_choose().
 */
#ifndef FORMS_H
#define FORMS_H

#include "device/opencl/opencl.h"
#include "device/variant.h"

enum { FORM_SIZES = 3 };

typedef struct form {
    const char *name;          /* in records of tunings: it never gets another meaning */
    uint32_t size[FORM_SIZES]; /* what the kernel is built with; the table's file names the places */
} form;

typedef struct form_table {
    const form *row;
    int count;
    /* Whether the device can run that form for this call. */
    bool (*fits)(const tas_device *device, const op_args *call, const form *f);
} form_table;

/* Gives the table to the operations from `first` to `last`. */
void forms_install(tas_device *device, const form_table *table, op_id first, op_id last);

/* The device's name_variant. */
void forms_name(const tas_device *device, op_id op, int variant, char *name);

/* That of device_choose_variant(), if it fits the call; else row `usual`. */
const form *forms_choose(const tas_device *device, const op_args *call, int usual);

/* Whether calls may have another form than the usual one. Scratch is then as large as the largest form needs: a plan
 * asks for it once, for a tile of another size perhaps. */
static inline bool forms_are_open(const tas_device *device) { return device->variant >= 0 || device->tuning.find; }

#endif
