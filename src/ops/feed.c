/* The feed: examples of a data set that lies on the device, gathered into a tile, with their labels if it has any.
 *
 * size[] and scalar[] as in feed.h. Row r of the tile is row order[at + r] of the source, or row r if it is direct.
 *
 * Gathering images normalizes each channel by its own scale and shift, and augments: the tile's image O of the source's
 * S is, in each channel,
 *
 *     F(y, x) = S(y, x), or S(y, W - 1 - x) with probability 1/2         flip
 *     O(y, x) = F(y + dy, x + dx), dy and dx uniform in -N .. N;         shift N; outside of the plane the source's
 *               normalized                                               value is 0, as in PyTorch's RandomCrop
 *     O(y, x) = 0 for y in cy - N/2 .. cy - N/2 + N - 1, x likewise,     cutout N (DeVries and Taylor 2017, arXiv
 *               cy uniform in the height, cx in the width                1708.04552): 0 after normalization
 *
 * Words of Philox by (augment, epoch, example order[at + r], 0): 0 flip, 1 dy, 2 dx; and by (..., 1): 0 cy, 1 cx. A
 * number below k is (word k) / 2^32. Nothing that a tile, a device or a resume could change is in it. */
#include "ops/feed.h"

#include "ops/rows.h"

#include "arith.h"
#include "philox.h"

static bool gather_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][3] = {{1, 1, 1},     {3, 63, 5},   {7, 64, 7},   {2, 65, 33},
                                        {13, 784, 13}, {64, 1, 64},  {2, 1025, 3}, {17, 3072, 9},
                                        {1025, 1, 50}, {2050, 2, 7}, {1, 1025, 3}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 64);
    args->size[GATHER_ELEMENTS] = edge >= 0 ? edges[edge][1] : draw_size(d, 800);
    args->size[GATHER_SOURCE] = edge >= 0 ? edges[edge][2] : draw_size(d, 100);
    args->size[GATHER_AT] = draw_below(d, 20);
    args->size[GATHER_ORDER] = args->size[GATHER_AT] + args->n + draw_below(d, 3);
    args->size[GATHER_DIRECT] = args->n <= args->size[GATHER_SOURCE] && draw_below(d, 3) == 0;
    args->size[GATHER_LABELS] = draw_below(d, 2);
    args->scalar[GATHER_SCALE] = 0.011107810773f;
    args->scalar[GATHER_SHIFT] = -0.81022666f;
    if (d->mode == DRAW_TINY) { /* bytes become tiny by the scale, floats that are tiny may become large */
        args->scalar[GATHER_SCALE] = args->op == OP_GATHER_BYTES ? draw_scaled(d, -48, -42) : draw_scaled(d, -6, 6);
        args->scalar[GATHER_SHIFT] = draw_below(d, 2) ? 0 : draw_scaled(d, -40, -38);
    }
    args->batch = args->n;
    return true;
}

static bool gather_fit(op_args *args)
{
    const uint32_t *s = args->size;
    args->batch = args->n;
    return s[GATHER_ELEMENTS] && s[GATHER_SOURCE] && s[GATHER_ORDER] >= (uint64_t)s[GATHER_AT] + args->n &&
           (!s[GATHER_DIRECT] || args->n <= s[GATHER_SOURCE]);
}

static uint64_t gather_elements(const op_args *a, int operand)
{
    const uint32_t *s = a->size;
    const uint64_t elements[] = {(uint64_t)s[GATHER_SOURCE] * s[GATHER_ELEMENTS], s[GATHER_ORDER],
                                 (uint64_t)s[GATHER_SOURCE] * s[GATHER_LABELS], (uint64_t)a->n * s[GATHER_LABELS],
                                 (uint64_t)a->n * s[GATHER_ELEMENTS]};
    return elements[operand];
}

static bool gather_fill(const op_args *a, int operand, void *data, draw *d)
{
    if (operand == 1)
        for (uint32_t i = 0; i < a->size[GATHER_ORDER]; i++)
            ((uint32_t *)data)[i] = draw_below(d, a->size[GATHER_SOURCE]);
    else if (operand == 2)
        for (uint64_t i = 0; i < gather_elements(a, 2); i++) ((uint32_t *)data)[i] = draw_u32(d);
    else if (a->op == OP_GATHER_BYTES || a->op == OP_GATHER_IMAGE_BYTES)
        for (uint64_t i = 0; i < gather_elements(a, 0); i++) ((uint8_t *)data)[i] = (uint8_t)draw_u32(d);
    else
        return false;
    return true;
}

static inline uint32_t row_of(const op_args *a, const uint32_t *order, uint32_t r)
{
    return a->size[GATHER_DIRECT] ? r : order[a->size[GATHER_AT] + r];
}

/* label (N) = the label of the source's row */
static inline void gather_labels(const op_args *a, void *const *operand)
{
    const uint32_t *order = operand[1], *labels = operand[2];
    uint32_t *label = operand[3];
    for (uint32_t r = 0; r < a->n && a->size[GATHER_LABELS]; r++) label[r] = labels[row_of(a, order, r)];
}

/* x (N, E) = source byte * scale + shift */
CLONES static void gather_bytes(const op_args *a, void *const *operand, void *scratch)
{
    const uint8_t *source = operand[0];
    const uint32_t *order = operand[1];
    float *restrict x = operand[4];
    (void)scratch;
    gather_labels(a, operand);
    for (uint32_t r = 0; r < a->n; r++) {
        const uint8_t *from = source + (uint64_t)row_of(a, order, r) * a->size[GATHER_ELEMENTS];
        for (uint32_t i = 0; i < a->size[GATHER_ELEMENTS]; i++)
            x[(uint64_t)r * a->size[GATHER_ELEMENTS] + i] =
                arith_flush(__builtin_fmaf((float)from[i], a->scalar[GATHER_SCALE], a->scalar[GATHER_SHIFT]));
    }
}

/* x (N, E) = source float * scale + shift */
CLONES static void gather_floats(const op_args *a, void *const *operand, void *scratch)
{
    const float *source = operand[0];
    const uint32_t *order = operand[1];
    float *restrict x = operand[4];
    (void)scratch;
    gather_labels(a, operand);
    for (uint32_t r = 0; r < a->n; r++) {
        const float *from = source + (uint64_t)row_of(a, order, r) * a->size[GATHER_ELEMENTS];
        for (uint32_t i = 0; i < a->size[GATHER_ELEMENTS]; i++)
            x[(uint64_t)r * a->size[GATHER_ELEMENTS] + i] =
                arith_flush(__builtin_fmaf(arith_flush(from[i]), a->scalar[GATHER_SCALE], a->scalar[GATHER_SHIFT]));
    }
}

static bool image_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][4] = {{1, 1, 1, 1},   {3, 1, 1, 7},  {5, 3, 5, 4},   {16, 1, 28, 28}, {17, 1, 9, 28},
                                        {2, 3, 32, 32}, {33, 2, 1, 8}, {15, 70, 1, 1}, {2, 1, 17, 64}};
    if (edge >= LENGTH(edges)) return false;
    gather_shape(args, d, edge < 0 ? -1 : 0); /* where the tile begins */
    args->n = args->batch = edge >= 0 ? edges[edge][0] : draw_size(d, 40);
    const uint32_t channels = edge >= 0 ? edges[edge][1] : draw_size(d, 4);
    const uint32_t height = edge >= 0 ? edges[edge][2] : draw_size(d, 33);
    const uint32_t width = edge >= 0 ? edges[edge][3] : draw_size(d, 33);
    const uint32_t shorter = height < width ? height : width;
    args->size[GATHER_ELEMENTS] = channels * height * width;
    args->size[GATHER_SOURCE] = args->n + draw_below(d, 20);
    args->size[GATHER_ORDER] = args->size[GATHER_AT] + args->n + draw_below(d, 3);
    args->size[GATHER_DIRECT] = draw_below(d, 3) == 0;
    args->size[IMAGE_HEIGHT] = height;
    args->size[IMAGE_WIDTH] = width;
    args->size[IMAGE_FLIP] = draw_below(d, 2);
    args->size[IMAGE_SHIFT] = draw_below(d, 3) ? draw_below(d, shorter) : 0;
    args->size[IMAGE_CUTOUT] = draw_below(d, 3) ? draw_below(d, shorter + 1) : 0;
    args->epoch = draw_below(d, 2) ? draw_below(d, 100) : draw_u32(d);
    args->seed = (uint64_t)draw_u32(d) << 32;
    args->seed |= draw_u32(d);
    return true;
}

/* As many channels as the elements are enough for. */
static bool image_fit(op_args *args)
{
    uint32_t *s = args->size;
    const uint32_t height = s[IMAGE_HEIGHT], width = s[IMAGE_WIDTH], shorter = height < width ? height : width;
    if (!shorter || s[IMAGE_SHIFT] >= shorter || s[IMAGE_CUTOUT] > shorter) return false;
    s[GATHER_ELEMENTS] -= s[GATHER_ELEMENTS] % (height * width);
    return gather_fit(args);
}

static uint32_t image_channels(const op_args *a)
{
    return a->size[GATHER_ELEMENTS] / (a->size[IMAGE_HEIGHT] * a->size[IMAGE_WIDTH]);
}

static uint64_t image_elements(const op_args *a, int operand)
{
    if (operand == 5) return IMAGE_CONSTANTS * (uint64_t)image_channels(a);
    return gather_elements(a, operand);
}

/* Scales and shifts are the host's, and finite. If rows are direct, the order is for the augmentation alone. */
static bool image_fill(const op_args *a, int operand, void *data, draw *d)
{
    const bool tiny = d->mode == DRAW_TINY;
    float *scale = data;
    if (operand == 1 && a->size[GATHER_DIRECT])
        for (uint32_t i = 0; i < a->size[GATHER_ORDER]; i++) ((uint32_t *)data)[i] = draw_u32(d);
    else if (operand == 5)
        for (uint32_t c = 0; c < image_channels(a); c++, scale += IMAGE_CONSTANTS) {
            scale[IMAGE_SCALE_BYTES] = tiny ? draw_scaled(d, -48, -42) : draw_scaled(d, -8, -6);
            scale[IMAGE_SCALE_FLOATS] = tiny ? draw_scaled(d, -6, 6) : draw_scaled(d, -2, 2);
            scale[IMAGE_OFFSET] = draw_below(d, 4) ? tiny ? draw_scaled(d, -40, -38) : draw_scaled(d, -2, 1) : 0;
        }
    else
        return gather_fill(a, operand, data, d);
    return true;
}

static uint32_t number_below(uint32_t word, uint32_t bound) { return (uint32_t)(((uint64_t)word * bound) >> 32); }

/* The place in a channel of the source's value for (y, x); -1: outside. */
static int64_t place_in_source(const op_args *a, const philox_block *word, uint32_t y, uint32_t x)
{
    const int64_t height = a->size[IMAGE_HEIGHT], width = a->size[IMAGE_WIDTH], most = a->size[IMAGE_SHIFT];
    const int64_t from_y = y + number_below(word->v[1], 2 * (uint32_t)most + 1) - most;
    const int64_t from_x = x + number_below(word->v[2], 2 * (uint32_t)most + 1) - most;
    if (from_y < 0 || from_y >= height || from_x < 0 || from_x >= width) return -1;
    return from_y * width + (a->size[IMAGE_FLIP] && word->v[0] >> 31 ? width - 1 - from_x : from_x);
}

static bool is_cut_out(const op_args *a, const philox_block *word, uint32_t y, uint32_t x)
{
    const int64_t side = a->size[IMAGE_CUTOUT];
    const int64_t top = number_below(word->v[0], a->size[IMAGE_HEIGHT]) - side / 2;
    const int64_t left = number_below(word->v[1], a->size[IMAGE_WIDTH]) - side / 2;
    return y >= top && y < top + side && x >= left && x < left + side;
}

/* x (N, channels, H, W) = augmented source * scale + offset, by the scales (channels, IMAGE_CONSTANTS) */
static void gather_image(const op_args *a, void *const *operand, void *scratch)
{
    const uint8_t *bytes = operand[0];
    const float *floats = operand[0], *scales = operand[5];
    const uint32_t *order = operand[1];
    const uint32_t height = a->size[IMAGE_HEIGHT], width = a->size[IMAGE_WIDTH], channels = image_channels(a);
    const int factor = a->op == OP_GATHER_IMAGE_BYTES ? IMAGE_SCALE_BYTES : IMAGE_SCALE_FLOATS;
    float *to = operand[4];
    (void)scratch;
    gather_labels(a, operand);
    for (uint32_t r = 0; r < a->n; r++) {
        const uint32_t example = order[a->size[GATHER_AT] + r];
        const philox_block places = philox(a->seed, PHILOX_AUGMENT, a->epoch, example, 0);
        const philox_block hole = philox(a->seed, PHILOX_AUGMENT, a->epoch, example, 1);
        for (uint32_t c = 0; c < channels; c++) {
            const float *scale = scales + (uint64_t)c * IMAGE_CONSTANTS;
            for (uint32_t y = 0; y < height; y++)
                for (uint32_t x = 0; x < width; x++) {
                    const uint64_t channel = ((uint64_t)row_of(a, order, r) * channels + c) * height * width;
                    const int64_t from = place_in_source(a, &places, y, x);
                    float value = 0;
                    if (from >= 0)
                        value = a->op == OP_GATHER_IMAGE_BYTES ? (float)bytes[channel + (uint64_t)from]
                                                               : arith_flush(floats[channel + (uint64_t)from]);
                    value = arith_flush(__builtin_fmaf(value, scale[factor], scale[IMAGE_OFFSET]));
                    *to++ = is_cut_out(a, &hole, y, x) ? 0 : value;
                }
        }
    }
}

/* one_hot: 1 at the label, 0 elsewhere. The first output may be class 1: a single one is then the label itself. */
static bool one_hot_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1}, {13, 17}, {64, 16}, {205, 10}};
    if (edge >= LENGTH(edges)) return false;
    args->n = edge >= 0 ? edges[edge][0] : draw_size(d, 64);
    args->size[ONE_HOT_CLASSES] = edge >= 0 ? edges[edge][1] : draw_size(d, 40);
    args->size[ONE_HOT_FIRST] = draw_below(d, 2);
    args->batch = args->n;
    return true;
}

static bool one_hot_fit(op_args *args)
{
    args->batch = args->n;
    return args->size[ONE_HOT_CLASSES] > 0;
}

/* Of the source, the order and the labels only the tile's rows. */
static uint64_t gather_moves(const op_args *a, int operand)
{
    if (operand == 0) return (uint64_t)a->n * a->size[GATHER_ELEMENTS];
    if (operand == 2) return (uint64_t)a->n * a->size[GATHER_LABELS];
    return operand == 1 ? a->n : op_moves_all(a, operand);
}

static uint64_t one_hot_elements(const op_args *a, int operand)
{
    return operand ? (uint64_t)a->n * a->size[ONE_HOT_CLASSES] : a->n;
}

static bool one_hot_fill(const op_args *a, int operand, void *data, draw *d)
{
    if (operand) return false;
    for (uint32_t r = 0; r < a->n; r++)
        ((uint32_t *)data)[r] = draw_below(d, a->size[ONE_HOT_CLASSES] + a->size[ONE_HOT_FIRST]);
    return true;
}

/* target (N, classes) = 1 at the label less the first class, else 0 */
static void one_hot(const op_args *a, void *const *operand, void *scratch)
{
    const uint32_t *label = operand[0];
    float *target = operand[1];
    (void)scratch;
    for (uint32_t r = 0; r < a->n; r++)
        for (uint32_t j = 0; j < a->size[ONE_HOT_CLASSES]; j++)
            target[(uint64_t)r * a->size[ONE_HOT_CLASSES] + j] = label[r] == a->size[ONE_HOT_FIRST] + j ? 1 : 0;
}

#define GATHER_OPERANDS(TYPE)                                                                                          \
    {"source", TYPE, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"order", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR},                   \
        {"labels", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"label", TYPE_U32, ACCESS_OUT, LAYOUT_ROW_MAJOR},          \
    {                                                                                                                  \
        "x", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS                                                                 \
    }

const op_row row_gather_bytes = {
    .name = "gather_bytes",
    .operand = {GATHER_OPERANDS(TYPE_U8)},
    .elements = gather_elements,
    .moves = gather_moves,
    .reference = gather_bytes,
    .shape = gather_shape,
    .fit = gather_fit,
    .fill = gather_fill,
};

const op_row row_gather_floats = {
    .name = "gather_floats",
    .operand = {GATHER_OPERANDS(TYPE_F32)},
    .elements = gather_elements,
    .moves = gather_moves,
    .reference = gather_floats,
    .shape = gather_shape,
    .fit = gather_fit,
    .fill = gather_fill,
    .flushes = true,
};

const op_row row_gather_image_bytes = {
    .name = "gather_image_bytes",
    .operand = {GATHER_OPERANDS(TYPE_U8), {"scales", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = image_elements,
    .moves = gather_moves,
    .reference = gather_image,
    .shape = image_shape,
    .fit = image_fit,
    .fill = image_fill,
};

const op_row row_gather_image_floats = {
    .name = "gather_image_floats",
    .operand = {GATHER_OPERANDS(TYPE_F32), {"scales", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = image_elements,
    .moves = gather_moves,
    .reference = gather_image,
    .shape = image_shape,
    .fit = image_fit,
    .fill = image_fill,
    .flushes = true,
};

const op_row row_one_hot = {
    .name = "one_hot",
    .operand = {{"label", TYPE_U32, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"target", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = one_hot_elements,
    .reference = one_hot,
    .shape = one_hot_shape,
    .fit = one_hot_fit,
    .fill = one_hot_fill,
};
