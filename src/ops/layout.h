/* The layout of a matrix of parameters. Canonical is row-major (rows, cols); a device may use panels of `panel` rows,
 * so that vectors run over rows: element (r, c) is at ((r / panel) * cols + c) * panel + r % panel. The rows that fill
 * up the last panel are 0. A panel of 1 is canonical. Gradients and optimizer state have the layout of their
 * parameters. */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdint.h>

typedef struct layout {
    uint32_t rows, cols, panel;
} layout;

static inline uint64_t layout_elements(layout l)
{
    return ((uint64_t)l.rows + l.panel - 1) / l.panel * l.panel * l.cols;
}

static inline uint64_t layout_index(layout l, uint32_t row, uint32_t col)
{
    return ((uint64_t)(row / l.panel) * l.cols + col) * l.panel + row % l.panel;
}

/* canonical (rows, cols) <-> the layout; pads are written as 0. */
void layout_pack(layout l, const float *canonical, float *packed);
void layout_unpack(layout l, const float *packed, float *canonical);

#endif
