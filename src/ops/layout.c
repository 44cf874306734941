/* Into panels and back. */
#include "ops/layout.h"

void layout_pack(layout l, const float *canonical, float *packed)
{
    for (uint64_t i = 0; i < layout_elements(l); i++) packed[i] = 0;
    for (uint32_t r = 0; r < l.rows; r++)
        for (uint32_t c = 0; c < l.cols; c++) packed[layout_index(l, r, c)] = canonical[(uint64_t)r * l.cols + c];
}

void layout_unpack(layout l, const float *packed, float *canonical)
{
    for (uint32_t r = 0; r < l.rows; r++)
        for (uint32_t c = 0; c < l.cols; c++) canonical[(uint64_t)r * l.cols + c] = packed[layout_index(l, r, c)];
}
