/* From panels of examples to rows, and back, if one layer has a tile in another layout than the next. In the canonical
 * layout both are copies. size[] as in reorder.h. */
#include "ops/reorder.h"

#include "ops/rows.h"

#include <string.h>

static bool reorder_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1}, {2, 63}, {33, 5}, {31, 64}, {65, 7}, {16, 800}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 70);
    args->size[REORDER_ELEMENTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 300);
    args->batch = args->n;
    return true;
}

static bool reorder_fit(op_args *args)
{
    args->batch = args->n;
    return args->size[REORDER_ELEMENTS] > 0;
}

static uint64_t reorder_elements(const op_args *a, int operand)
{
    (void)operand;
    return (uint64_t)a->n * a->size[REORDER_ELEMENTS];
}

static void copy(const op_args *a, void *const *operand, void *scratch)
{
    (void)scratch;
    memcpy(operand[1], operand[0], (size_t)reorder_elements(a, 0) * sizeof(float));
}

const op_row row_to_rows = {
    .name = "to_rows",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}, {"y", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = reorder_elements,
    .reference = copy,
    .shape = reorder_shape,
    .fit = reorder_fit,
};

const op_row row_to_panels = {
    .name = "to_panels",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = reorder_elements,
    .reference = copy,
    .shape = reorder_shape,
    .fit = reorder_fit,
};
