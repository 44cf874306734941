/* Operands on a device: see operand.h. */
#include "device/operand.h"

#include <stdlib.h>

layout operand_layout(tas_device *device, const op_args *args, int operand, uint64_t elements)
{
    const uint32_t rows = args->size[OP_MATRIX_ROWS], cols = args->size[OP_MATRIX_COLS];
    switch (op_get(args->op)->operand[operand].layout) {
    case LAYOUT_WEIGHT_PANELS: return (layout){rows, cols, device_weight_panel(device, rows, cols)};
    case LAYOUT_BATCH_PANELS: return (layout){args->n, (uint32_t)(elements / args->n), op_panel_width(args)};
    case LAYOUT_ROW_MAJOR: break;
    }
    return (layout){0};
}

tas_status operand_read(tas_device *device, layout from, op_type type, const mem *m, uint64_t at, uint64_t elements,
                        void *to)
{
    const uint64_t each = op_type_bytes(type);
    if (!from.rows || from.panel == 1) return device->driver->read(device, m, at * each, to, elements * each);
    const uint64_t bytes = layout_elements(from) * sizeof(float);
    float *packed = malloc((size_t)bytes + 1);
    if (!packed) return fail(device->context, TAS_NO_MEMORY, "no memory to read an operand");
    const tas_status status = device->driver->read(device, m, 0, packed, bytes);
    if (!status) layout_unpack(from, packed, to);
    free(packed);
    return status;
}
