/* Means and standard deviations. With k the first value, S = sum of x - k and Q = sum of (x - k)^2 over n values:
 *
 *     mean = k + S / n      variance = (Q - S^2 / n) / n
 *
 * which loses no digits as long as k is not far outside of the data, and needs one pass. Values that are all the same
 * have Q = 0 exactly. */
#include "data/moments.h"

#include "arith.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 1 << 20 };

typedef struct sums {
    double first, sum, squares;
} sums;

static inline void add(sums *s, double x)
{
    s->sum += x - s->first;
    s->squares += (x - s->first) * (x - s->first);
}

/* Inputs of n examples, of `channels` x `positions` values each. */
static void add_bytes(sums *s, uint32_t channels, size_t positions, size_t n, const unsigned char *x, bool begin)
{
    double value[256];
    for (int b = 0; b < 256; b++) value[b] = b / 255.0;
    for (uint32_t c = 0; c < channels && begin; c++) s[c].first = value[x[c * positions]];
    for (size_t i = 0; i < n; i++)
        for (uint32_t c = 0; c < channels; c++)
            for (size_t p = 0; p < positions; p++) add(&s[c], value[*x++]);
}

static void add_floats(sums *s, uint32_t channels, size_t positions, size_t n, const float *x, bool begin)
{
    for (uint32_t c = 0; c < channels && begin; c++) s[c].first = (double)arith_flush(x[c * positions]);
    for (size_t i = 0; i < n; i++)
        for (uint32_t c = 0; c < channels; c++)
            for (size_t p = 0; p < positions; p++) add(&s[c], (double)arith_flush(*x++));
}

/* Newton's method from a guess that halves the exponent: only + * /, which are the same everywhere; libm's sqrt() need
 * not be there in a library without libm. */
static double root(double x)
{
    uint64_t bits;
    double y;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits >> 1) + (UINT64_C(1023) << 51);
    memcpy(&y, &bits, sizeof y);
    for (int k = 0; k < 6; k++) y = 0.5 * (y + x / y);
    return y;
}

static void finish(const sums *s, uint32_t count, double n, float *mean, float *std)
{
    for (uint32_t c = 0; c < count; c++) {
        const double variance = (s[c].squares - s[c].sum * s[c].sum / n) / n;
        mean[c] = (float)(s[c].first + s[c].sum / n);
        std[c] = variance >= 1e-24 ? (float)root(variance) : 1;
    }
}

typedef struct piece {
    void *inputs, *targets;
    sums *of_inputs, *of_targets;
} piece;

static tas_status add_piece(const tas_data *data, const moments *out, const piece *of, uint64_t first, size_t n)
{
    const tas_data_options *options = &data->options;
    const bool inputs = out->mean || dataset_root(data)->options.fill;
    const tas_status status = dataset_fetch(data, first, n, inputs ? of->inputs : NULL, of->targets);
    if (status) return status;
    if (out->mean && options->input_type == TAS_INPUT_U8)
        add_bytes(of->of_inputs, out->channels, options->input_size / out->channels, n, of->inputs, !first);
    else if (out->mean)
        add_floats(of->of_inputs, out->channels, options->input_size / out->channels, n, of->inputs, !first);
    if (out->target_mean) add_floats(of->of_targets, (uint32_t)options->target_size, 1, n, of->targets, !first);
    return TAS_OK;
}

static tas_status add_pieces(const tas_data *data, const moments *out, const piece *of, uint64_t most)
{
    const uint64_t count = data->options.count;
    tas_status status = TAS_OK;
    for (uint64_t at = 0; at < count && !status; at += most)
        status = add_piece(data, out, of, at, (size_t)(count - at < most ? count - at : most));
    return status;
}

tas_status moments_read(const tas_data *data, const moments *out)
{
    const tas_data_options *options = &data->options;
    const size_t example = dataset_input_bytes(data) + dataset_target_bytes(data);
    const uint64_t piece_most = example < PIECE_BYTES ? PIECE_BYTES / example : 1;
    const uint64_t most = piece_most < options->count ? piece_most : options->count;
    const size_t targets = out->target_mean ? options->target_size : 0, channels = out->mean ? out->channels : 0;
    const piece of = {.inputs = malloc((size_t)most * dataset_input_bytes(data)),
                      .targets = malloc((size_t)most * dataset_target_bytes(data)),
                      .of_inputs = calloc(channels + 1, sizeof(sums)),
                      .of_targets = calloc(targets + 1, sizeof(sums))};
    tas_status status = of.inputs && of.targets && of.of_inputs && of.of_targets
                            ? add_pieces(data, out, &of, most)
                            : fail(data->context, TAS_NO_MEMORY, "%s: no memory for its means", data->name);
    if (!status && out->mean)
        finish(of.of_inputs, out->channels, (double)options->count * ((double)options->input_size / out->channels),
               out->mean, out->std);
    if (!status && out->target_mean)
        finish(of.of_targets, (uint32_t)targets, (double)options->count, out->target_mean, out->target_std);
    free(of.inputs);
    free(of.targets);
    free(of.of_inputs);
    free(of.of_targets);
    return status;
}
