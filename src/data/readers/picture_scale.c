/* Pictures of another size, in exact integer arithmetic: a triangle as wide as an output pixel, at least as an input
 * pixel ("bilinear with antialiasing"). Both sides are scaled by themselves; nothing is cut off.
 *
 *     n, N       pixels of a side of the picture and of the output
 *     i, o       pixel of the picture and of the output, from 0
 *     w(o, i)    max(0, 2 max(n, N) - |(2 i + 1) N - (2 o + 1) n|)
 *     out(y, x)  (2 S + D) / (2 D), rounded down, where
 *                S = sum over i, j of wy(y, i) wx(x, j) in(i, j)
 *                D = sum over i, j of wy(y, i) wx(x, j)
 *
 * Centers of pixels are (2 i + 1) / 2 n and (2 o + 1) / 2 N of the side; w is their distance's share of the triangle,
 * times 2 n N. With n = N each pixel has itself alone.
 *
 * RGB becomes gray before it is scaled: (299 R + 587 G + 114 B + 500) / 1000, rounded down (the luma of ITU-R BT.601).
 * Gray becomes RGB by three equal planes. */
#include "data/readers/picture.h"

#include "base/context.h"

#include <stdlib.h>
#include <string.h>

/* The weights of one side. */
typedef struct axis {
    uint32_t *first, *count; /* (N): pixels of the picture that count */
    uint32_t *weights;       /* of all outputs, one after the other */
    uint64_t *sum;           /* (N): of the weights */
    uint64_t sum_most;
    size_t used;
} axis;

static void close_axis(axis *a)
{
    free(a->first);
    free(a->count);
    free(a->weights);
    free(a->sum);
}

static uint64_t weight_of(uint64_t n, uint64_t out_n, uint64_t o, uint64_t i)
{
    const uint64_t a = (2 * i + 1) * out_n, b = (2 * o + 1) * n, half = 2 * (n > out_n ? n : out_n);
    const uint64_t distance = a > b ? a - b : b - a;
    return distance < half ? half - distance : 0;
}

/* The first pixel that may have a weight: that before o n / N - half, in pixels. */
static uint32_t first_of(uint64_t n, uint64_t out_n, uint64_t o)
{
    const uint64_t center = (2 * o + 1) * n, half = 2 * (n > out_n ? n : out_n);
    return center <= half ? 0 : (uint32_t)((center - half) / (2 * out_n));
}

static void set_weights(axis *a, uint32_t n, uint32_t out_n, uint32_t o)
{
    uint32_t i = first_of(n, out_n, o);
    while (i < n - 1 && !weight_of(n, out_n, o, i)) i++;
    a->first[o] = i;
    a->count[o] = 0;
    a->sum[o] = 0;
    for (uint64_t w; i < n && (w = weight_of(n, out_n, o, i)); i++) {
        a->weights[a->used++] = (uint32_t)w;
        a->count[o]++;
        a->sum[o] += w;
    }
    if (a->sum[o] > a->sum_most) a->sum_most = a->sum[o];
}

static bool open_axis(axis *a, uint32_t n, uint32_t out_n)
{
    /* a triangle is at most 2 max(1, n / N) pixels wide, with one more at an end */
    const size_t most = (size_t)out_n * (3 + 2 * (size_t)(n / out_n + 1));
    *a = (axis){.first = malloc(out_n * sizeof *a->first),
                .count = malloc(out_n * sizeof *a->count),
                .weights = malloc(most * sizeof *a->weights),
                .sum = malloc(out_n * sizeof *a->sum)};
    if (!a->first || !a->count || !a->weights || !a->sum) return false;
    for (uint32_t o = 0; o < out_n; o++) set_weights(a, n, out_n, o);
    return true;
}

/* column[k] = sum over i of wy(y, i) in(i, k), for all k of a row of pixels and channels */
static void sum_rows(const picture *from, const axis *rows, uint32_t y, const uint32_t *weights, uint64_t *column)
{
    const size_t row = (size_t)from->width * from->channels;
    memset(column, 0, row * sizeof *column);
    for (uint32_t i = 0; i < rows->count[y]; i++) {
        const unsigned char *in = from->pixels + (rows->first[y] + i) * row;
        const uint64_t w = weights[i];
        for (size_t k = 0; k < row; k++) column[k] += w * in[k];
    }
}

static void sum_columns(const picture *from, const axis *columns, uint32_t width, uint64_t row_sum,
                        const uint64_t *column, uint32_t channel, unsigned char *out)
{
    const uint32_t *weights = columns->weights;
    for (uint32_t x = 0; x < width; x++) {
        const uint64_t *in = column + (size_t)columns->first[x] * from->channels + channel;
        const uint64_t divisor = row_sum * columns->sum[x];
        uint64_t sum = divisor / 2;
        for (uint32_t i = 0; i < columns->count[x]; i++) sum += *weights++ * in[(size_t)i * from->channels];
        out[x] = (unsigned char)(sum / divisor);
    }
}

static bool scale(const picture *from, uint32_t height, uint32_t width, unsigned char *planes)
{
    const size_t plane = (size_t)height * width;
    axis rows, columns = {0};
    uint64_t most, *column = malloc((size_t)from->width * from->channels * sizeof *column);
    bool done = open_axis(&rows, from->height, height) && open_axis(&columns, from->width, width) && column;
    done = done && mul_size(rows.sum_most, columns.sum_most, &most) && mul_size(most, 256, &most);
    const uint32_t *weights = rows.weights;
    for (uint32_t y = 0; y < height && done; y++) {
        sum_rows(from, &rows, y, weights, column);
        weights += rows.count[y];
        for (uint32_t c = 0; c < from->channels; c++)
            sum_columns(from, &columns, width, rows.sum[y], column, c, planes + c * plane + (size_t)y * width);
    }
    close_axis(&rows);
    close_axis(&columns);
    free(column);
    return done;
}

static void copy_planes(const picture *from, unsigned char *planes)
{
    const size_t plane = (size_t)from->height * from->width;
    for (uint32_t c = 0; c < from->channels; c++)
        for (size_t i = 0; i < plane; i++) planes[c * plane + i] = from->pixels[i * from->channels + c];
}

static void make_gray(picture *of)
{
    const size_t count = (size_t)of->height * of->width;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *rgb = of->pixels + 3 * i;
        of->pixels[i] = (unsigned char)((299u * rgb[0] + 587u * rgb[1] + 114u * rgb[2] + 500u) / 1000u);
    }
    of->channels = 1;
}

bool picture_scale(picture *from, uint32_t channels, uint32_t height, uint32_t width, unsigned char *planes)
{
    const size_t plane = (size_t)height * width;
    bool done = true;
    if (from->channels == 3 && channels == 1) make_gray(from);
    if (from->height == height && from->width == width)
        copy_planes(from, planes);
    else
        done = scale(from, height, width, planes);
    for (uint32_t c = from->channels; c < channels && done; c++) memcpy(planes + c * plane, planes, plane);
    return done;
}
