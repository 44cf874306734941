/* Planes that are enlarged, and the gradients.
 *
 *     upsample    each value becomes a block of Y x X equal ones (nearest neighbor); OH = H Y, OW = W X
 *     pad         zeros around each plane, Y rows above and X columns to the left of it
 *
 * N examples in the tile; size[] as in resize.h. x (N, C, H, W), y (N, C, OH, OW). */
#include "ops/resize.h"

#include "ops/rows.h"

#include "arith.h"

/* N, C, H, W, and the block, or the zeros above, left, below and right of the plane */
enum { GEOMETRY = 8 };
static const uint32_t edges[][GEOMETRY] = {
    {1, 1, 1, 1, 1, 1, 0, 0},  {2, 3, 4, 5, 2, 2, 2, 2},    {7, 8, 7, 7, 2, 2, 1, 1},  {3, 5, 1, 9, 3, 1, 0, 2},
    {17, 4, 6, 3, 1, 4, 1, 0}, {33, 16, 2, 2, 2, 3, 0, 1},  {65, 3, 3, 4, 4, 4, 4, 4}, {16, 21, 5, 5, 1, 1, 1, 1},
    {31, 2, 9, 8, 5, 2, 0, 0}, {8, 12, 12, 12, 2, 2, 3, 3}, {130, 2, 2, 3, 2, 2, 0, 1}};

static bool is_pad(const op_args *a) { return a->op == OP_PAD_FORWARD || a->op == OP_PAD_BACKWARD; }

static bool resize_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t examples[] = {1, 2, 3, 7, 8, 16, 17, 31, 32, 33, 65};
    uint32_t g[GEOMETRY], *s = args->size;
    if (edge >= LENGTH(edges)) return false;
    g[0] = examples[draw_below(d, LENGTH(examples))];
    g[1] = 1 + draw_below(d, 20);
    for (int i = 2; i < 4; i++) g[i] = 1 + draw_below(d, 12);
    for (int i = 4; i < GEOMETRY; i++) g[i] = i < 6 ? 1 + draw_below(d, 4) : draw_below(d, 4);
    const uint32_t *of = edge < 0 ? g : edges[edge];
    const bool pad = is_pad(args);
    args->n = args->batch = of[0];
    s[RESIZE_C] = of[1], s[RESIZE_H] = of[2], s[RESIZE_W] = of[3];
    s[RESIZE_Y] = of[4] - pad, s[RESIZE_X] = of[5] - pad;
    s[RESIZE_OH] = pad ? of[2] + s[RESIZE_Y] + of[6] : of[2] * of[4];
    s[RESIZE_OW] = pad ? of[3] + s[RESIZE_X] + of[7] : of[3] * of[5];
    return true;
}

/* What is behind a padded plane takes what is left. */
static bool resize_fit(op_args *args)
{
    uint32_t *s = args->size;
    args->batch = args->n;
    if (!s[RESIZE_C] || !s[RESIZE_H] || !s[RESIZE_W]) return false;
    if (is_pad(args)) return s[RESIZE_OH] >= s[RESIZE_H] + s[RESIZE_Y] && s[RESIZE_OW] >= s[RESIZE_W] + s[RESIZE_X];
    s[RESIZE_OH] = s[RESIZE_H] * s[RESIZE_Y];
    s[RESIZE_OW] = s[RESIZE_W] * s[RESIZE_X];
    return s[RESIZE_OH] && s[RESIZE_OW];
}

static uint64_t resize_elements(const op_args *a, int operand)
{
    const uint32_t *s = a->size;
    const bool forward = a->op == OP_UPSAMPLE_FORWARD || a->op == OP_PAD_FORWARD, large = forward == (operand == 1);
    return (uint64_t)a->n * s[RESIZE_C] * s[large ? RESIZE_OH : RESIZE_H] * s[large ? RESIZE_OW : RESIZE_W];
}

/* The plane that a plane of the other size belongs to, and its line y. */
static const float *line_of(const op_args *a, const float *planes, uint64_t plane, uint32_t y, bool large)
{
    const uint32_t *s = a->size;
    return planes + (plane * s[large ? RESIZE_OH : RESIZE_H] + y) * s[large ? RESIZE_OW : RESIZE_W];
}

static void upsample_forward(const op_args *a, void *const *operand, void *scratch)
{
    const uint32_t *s = a->size;
    float *y = operand[1];
    (void)scratch;
    for (uint64_t plane = 0; plane < (uint64_t)a->n * s[RESIZE_C]; plane++)
        for (uint32_t oy = 0; oy < s[RESIZE_OH]; oy++) {
            const float *x = line_of(a, operand[0], plane, oy / s[RESIZE_Y], false);
            for (uint32_t ox = 0; ox < s[RESIZE_OW]; ox++) *y++ = x[ox / s[RESIZE_X]];
        }
}

/* dx = the sum of dy over the block, line after line */
static void upsample_backward(const op_args *a, void *const *operand, void *scratch)
{
    const uint32_t *s = a->size;
    float *dx = operand[1];
    (void)scratch;
    for (uint64_t plane = 0; plane < (uint64_t)a->n * s[RESIZE_C]; plane++)
        for (uint32_t y = 0; y < s[RESIZE_H]; y++)
            for (uint32_t x = 0; x < s[RESIZE_W]; x++) {
                float sum = 0;
                for (uint32_t j = 0; j < s[RESIZE_Y]; j++)
                    for (uint32_t i = 0; i < s[RESIZE_X]; i++)
                        sum += line_of(a, operand[0], plane, y * s[RESIZE_Y] + j, true)[x * s[RESIZE_X] + i];
                *dx++ = arith_flush(sum);
            }
}

static void pad_forward(const op_args *a, void *const *operand, void *scratch)
{
    const uint32_t *s = a->size;
    float *y = operand[1];
    (void)scratch;
    for (uint64_t plane = 0; plane < (uint64_t)a->n * s[RESIZE_C]; plane++)
        for (uint32_t oy = 0; oy < s[RESIZE_OH]; oy++)
            for (uint32_t ox = 0; ox < s[RESIZE_OW]; ox++) {
                const uint32_t iy = oy - s[RESIZE_Y], ix = ox - s[RESIZE_X]; /* wrapped before the plane */
                *y++ = iy < s[RESIZE_H] && ix < s[RESIZE_W] ? line_of(a, operand[0], plane, iy, false)[ix] : 0;
            }
}

static void pad_backward(const op_args *a, void *const *operand, void *scratch)
{
    const uint32_t *s = a->size;
    float *dx = operand[1];
    (void)scratch;
    for (uint64_t plane = 0; plane < (uint64_t)a->n * s[RESIZE_C]; plane++)
        for (uint32_t y = 0; y < s[RESIZE_H]; y++)
            for (uint32_t x = 0; x < s[RESIZE_W]; x++)
                *dx++ = line_of(a, operand[0], plane, y + s[RESIZE_Y], true)[x + s[RESIZE_X]];
}

#define ROW(NAME, FROM, TO)                                                                                            \
    .name = #NAME,                                                                                                     \
    .operand = {{FROM, TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}, {TO, TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},    \
    .elements = resize_elements, .reference = NAME, .shape = resize_shape, .fit = resize_fit

const op_row row_upsample_forward = {ROW(upsample_forward, "x", "y")};
const op_row row_upsample_backward = {ROW(upsample_backward, "dy", "dx"), .flushes = true};
const op_row row_pad_forward = {ROW(pad_forward, "x", "y")};
const op_row row_pad_backward = {ROW(pad_backward, "dy", "dx")};
