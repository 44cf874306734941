/* Into panels and back. */
#include "ops/layout.h"

#include <string.h>

/* Blocks of so many rows and columns are moved at once. */
enum { BLOCK = 4 };

/* to[c][r] = from[r][c]; rows of them are so many floats apart. */
static inline void transpose_block(const float *restrict from, uint64_t from_row, float *restrict to, uint64_t to_row)
{
    float block[BLOCK][BLOCK];
    for (int r = 0; r < BLOCK; r++)
        for (int c = 0; c < BLOCK; c++) block[c][r] = from[(uint64_t)r * from_row + (uint64_t)c];
    for (int c = 0; c < BLOCK; c++) memcpy(to + (uint64_t)c * to_row, block[c], sizeof block[c]);
}

/* The same for any matrix. */
static void transpose(uint32_t rows, uint32_t cols, const float *restrict from, uint64_t from_row, float *restrict to,
                      uint64_t to_row)
{
    const uint32_t whole_rows = rows / BLOCK * BLOCK, whole_cols = cols / BLOCK * BLOCK;
    for (uint32_t c = 0; c < whole_cols; c += BLOCK)
        for (uint32_t r = 0; r < whole_rows; r += BLOCK)
            transpose_block(from + r * from_row + c, from_row, to + c * to_row + r, to_row);
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = r < whole_rows ? whole_cols : 0; c < cols; c++) to[c * to_row + r] = from[r * from_row + c];
}

/* A panel is the transpose of its rows. */
void layout_pack(layout l, const float *canonical, float *packed)
{
    if (l.panel == 1) {
        memcpy(packed, canonical, (size_t)layout_elements(l) * sizeof *packed);
        return;
    }
    const uint64_t end = layout_index(l, l.rows / l.panel * l.panel, 0);
    memset(packed + end, 0, (size_t)(layout_elements(l) - end) * sizeof *packed);
    for (uint32_t at = 0; at < l.rows; at += l.panel)
        transpose(l.rows - at < l.panel ? l.rows - at : l.panel, l.cols, canonical + (uint64_t)at * l.cols, l.cols,
                  packed + layout_index(l, at, 0), l.panel);
}

void layout_unpack(layout l, const float *packed, float *canonical)
{
    if (l.panel == 1) {
        memcpy(canonical, packed, (size_t)layout_elements(l) * sizeof *packed);
        return;
    }
    for (uint32_t at = 0; at < l.rows; at += l.panel)
        transpose(l.cols, l.rows - at < l.panel ? l.rows - at : l.panel, packed + layout_index(l, at, 0), l.panel,
                  canonical + (uint64_t)at * l.cols, l.cols);
}
