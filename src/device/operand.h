/* Operands of a call as a device holds them, and reading them in the canonical layout, which the reference uses. */
#ifndef OPERAND_H
#define OPERAND_H

#include "device/device.h"

/* How an operand of so many elements lies on the device, in panels; rows 0: as the reference has it. Panels of
 * parameters follow from the device, those of examples from args.panel_width. */
layout operand_layout(tas_device *device, const op_args *args, int operand, uint64_t elements);

/* Reads `elements` values of a piece of memory that has that layout, from element `at` on; `at` is 0 if it lies in
 * panels. Waits. */
tas_status operand_read(tas_device *device, layout from, op_type type, const mem *m, uint64_t at, uint64_t elements,
                        void *to);

#endif
