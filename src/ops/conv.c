/* Convolutions and their gradients, as cross-correlations. Each sum is one fma chain in the order of the weights'
 * tensor, but for the gradients of weights and biases, which are sums over (example, oy, ox) by the rule of granules
 * (granule.h).
 *
 * N examples in the tile; size[] as in window.h. G groups; CG = C / G channels and OG = O / G outputs of a group; T =
 * KH KW taps; K = CG T weights per output; Q = H W and P = OH OW positions. x (N, C, Q), y (N, O, P), w (O, CG, T) =
 * (O, K), b (O)
 *
 * The loops run over the outputs or channels of a group innermost, since those sums are independent: tensors are
 * transposed for it. */
#include "ops/rows.h"

#include "ops/granule.h"
#include "ops/taps.h"

#include "arith.h"

/* ---- cases ------------------------------------------------------------------------------------------------------- */

enum { GEOMETRY = 14, FMAS = 300000 };

/* N, C, H, W, O, KH, KW, SY, SX, PY, PX, DY, DX, G: what networks have, ones, primes, and both sides of the blocks that
 * kernels may have. */
static const uint32_t edges[][GEOMETRY] = {
    /* ones, and lenet */
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1},
    {1, 1, 28, 28, 20, 5, 5, 1, 1, 0, 0, 1, 1, 1},
    {1, 20, 12, 12, 50, 5, 5, 1, 1, 0, 0, 1, 1, 1},
    /* 1 x 1 */
    {2, 3, 5, 4, 7, 1, 1, 1, 1, 0, 0, 1, 1, 1},
    {8, 16, 6, 6, 16, 1, 1, 1, 1, 0, 0, 1, 1, 1},
    {33, 20, 4, 3, 21, 1, 1, 2, 2, 0, 0, 1, 1, 1},
    /* 3 x 3 */
    {3, 4, 7, 7, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {16, 8, 8, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {7, 3, 9, 11, 12, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {32, 12, 5, 5, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    /* 5 x 5 */
    {17, 5, 9, 8, 6, 5, 5, 1, 1, 0, 0, 1, 1, 1},
    {2, 10, 9, 9, 19, 5, 5, 1, 1, 2, 2, 1, 1, 1},
    /* strides, some with a remainder */
    {31, 6, 8, 8, 11, 3, 3, 2, 2, 1, 1, 1, 1, 1},
    {2, 3, 8, 7, 4, 3, 3, 2, 2, 0, 0, 1, 1, 1},
    {8, 4, 12, 10, 9, 5, 5, 2, 2, 2, 2, 1, 1, 1},
    {32, 4, 10, 10, 5, 2, 2, 3, 3, 0, 0, 1, 1, 1},
    {3, 2, 11, 9, 3, 1, 1, 3, 3, 0, 0, 1, 1, 1},
    {7, 5, 9, 10, 4, 3, 3, 1, 2, 1, 0, 1, 1, 1},
    {16, 3, 13, 13, 17, 4, 4, 4, 4, 0, 0, 1, 1, 1},
    /* dilation */
    {3, 5, 11, 9, 4, 3, 3, 1, 1, 2, 2, 2, 2, 1},
    {2, 7, 12, 13, 6, 3, 3, 2, 2, 1, 1, 2, 2, 1},
    {7, 3, 9, 9, 20, 2, 3, 2, 1, 0, 2, 1, 3, 1},
    /* groups */
    {8, 16, 7, 7, 16, 3, 3, 1, 1, 1, 1, 1, 1, 16},
    {3, 5, 6, 6, 10, 3, 3, 1, 1, 1, 1, 1, 1, 5},
    {17, 13, 8, 8, 13, 5, 5, 2, 2, 2, 2, 1, 1, 13},
    {7, 6, 5, 5, 10, 3, 3, 1, 1, 1, 1, 1, 1, 2},
    {33, 8, 4, 4, 12, 2, 2, 2, 2, 0, 0, 1, 1, 4},
    {2, 34, 5, 5, 22, 3, 3, 1, 1, 1, 1, 1, 1, 2},
    /* not square */
    {2, 3, 6, 9, 4, 1, 7, 1, 1, 0, 3, 1, 1, 1},
    {3, 4, 9, 6, 5, 7, 1, 1, 1, 3, 0, 1, 1, 1},
    {16, 2, 7, 6, 11, 3, 2, 1, 1, 0, 0, 1, 1, 1},
    {31, 5, 3, 8, 10, 2, 5, 1, 1, 1, 2, 1, 1, 1},
    /* planes of one pixel */
    {65, 10, 1, 1, 13, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {2, 4, 1, 1, 4, 3, 3, 1, 1, 2, 2, 1, 1, 1},
    {3, 3, 1, 1, 5, 3, 3, 1, 1, 3, 3, 1, 1, 1},
    {8, 7, 1, 1, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    /* one output */
    {65, 12, 5, 5, 19, 5, 5, 1, 1, 0, 0, 1, 1, 1},
    {33, 16, 2, 2, 23, 2, 2, 1, 1, 0, 0, 1, 1, 1},
    /* lines */
    {3, 2, 17, 1, 5, 3, 1, 1, 1, 1, 0, 1, 1, 1},
    {7, 3, 1, 33, 5, 1, 5, 1, 1, 0, 2, 1, 1, 1},
    {31, 11, 1, 17, 16, 1, 3, 1, 2, 0, 1, 1, 1, 1},
    {65, 1, 9, 1, 2, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    /* channels */
    {16, 9, 3, 16, 15, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {17, 17, 3, 5, 4, 3, 3, 1, 1, 0, 0, 1, 1, 1},
    {1, 21, 8, 17, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {32, 15, 2, 31, 5, 1, 3, 1, 1, 0, 1, 1, 1, 1},
    /* wide planes, and single examples */
    {2, 2, 3, 230, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {3, 1, 2, 401, 9, 1, 3, 1, 2, 0, 1, 1, 1, 1},
    {1, 4, 6, 5, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    /* many examples */
    {97, 2, 3, 4, 5, 2, 2, 1, 1, 0, 0, 1, 1, 1},
    {130, 3, 3, 3, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {150, 1, 4, 5, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {171, 4, 2, 2, 6, 1, 1, 1, 1, 0, 0, 1, 1, 2},
    {200, 2, 3, 2, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1},
    {101, 3, 4, 5, 3, 3, 3, 1, 1, 1, 1, 1, 1, 3},
    {98, 2, 4, 3, 4, 3, 3, 2, 2, 1, 1, 1, 1, 2},
    /* depthwise: whole vectors of granules, single examples, windows of several blocks, and planes that few reach */
    {16, 8, 6, 6, 8, 3, 3, 1, 1, 1, 1, 1, 1, 8},
    {1, 6, 9, 21, 6, 3, 3, 1, 1, 1, 1, 1, 1, 6},
    {32, 5, 7, 7, 5, 5, 5, 1, 1, 2, 2, 1, 1, 5},
    {1, 3, 10, 23, 6, 3, 3, 2, 2, 1, 1, 1, 1, 3},
    {8, 4, 9, 9, 4, 7, 7, 1, 1, 3, 3, 1, 1, 4},
    {16, 9, 5, 5, 9, 3, 3, 1, 1, 2, 2, 2, 2, 9},
    {33, 3, 8, 5, 6, 2, 3, 1, 2, 1, 0, 1, 1, 3},
    {16, 2, 1, 1, 2, 1, 1, 3, 3, 1, 1, 1, 1, 2},
    {32, 17, 4, 3, 17, 3, 3, 1, 1, 1, 1, 1, 1, 17},
    {3, 3, 2, 3, 3, 3, 3, 2, 2, 3, 3, 1, 1, 3},
    {40, 2, 3, 4, 2, 1, 3, 1, 1, 0, 1, 1, 1, 2},
    {97, 3, 4, 4, 3, 3, 3, 1, 1, 1, 1, 1, 1, 3},
    {16, 16, 5, 6, 16, 3, 3, 1, 1, 1, 1, 1, 1, 16},
    {32, 4, 6, 6, 4, 3, 3, 1, 1, 2, 2, 2, 2, 4},
    {1, 4, 5, 5, 4, 3, 3, 1, 1, 0, 0, 1, 1, 4},
    {9, 17, 3, 3, 17, 3, 3, 1, 1, 1, 1, 1, 1, 17},
    {16, 8, 6, 1, 8, 3, 1, 1, 1, 1, 0, 1, 1, 8},
    /* a value past a run of 64; one column, and two granules past whole vectors */
    {104, 5, 1, 13, 3, 1, 3, 1, 1, 0, 1, 1, 1, 1},
    {100, 1, 2, 3, 4, 3, 1, 1, 1, 1, 0, 1, 1, 1},
    /* depthwise, of single examples, with margins of two */
    {1, 6, 9, 11, 6, 5, 5, 1, 1, 2, 2, 1, 1, 6},
    /* a single example and a stride of 3, of whose positions every fourth has the same taps */
    {1, 20, 8, 16, 3, 3, 3, 3, 3, 0, 0, 1, 1, 1},
    /* taps that fill 32 or 16 columns with the bias or without it, and outputs past so many rows */
    {3, 2, 6, 7, 17, 4, 4, 1, 1, 1, 1, 1, 1, 1},
    {7, 2, 7, 6, 33, 4, 4, 1, 1, 0, 0, 1, 1, 1},
    {5, 1, 3, 33, 17, 1, 31, 1, 1, 0, 0, 1, 1, 1},
    {9, 1, 7, 8, 33, 4, 4, 1, 1, 1, 1, 1, 1, 1},
    {6, 3, 6, 6, 17, 5, 1, 1, 1, 2, 0, 1, 1, 1},
};

#define PICK(d, list) (list)[draw_below(d, LENGTH(list))]

/* One side of a window: taps, stride, padding, dilation. */
static void draw_side(draw *d, uint32_t *taps, uint32_t *stride, uint32_t *padding, uint32_t *dilation)
{
    static const uint32_t sizes[] = {1, 2, 3, 3, 4, 5, 5, 7}, strides[] = {1, 1, 1, 2, 2, 3}, apart[] = {1, 1, 1, 2, 3};
    *taps = PICK(d, sizes);
    *stride = PICK(d, strides);
    *dilation = PICK(d, apart);
    *padding = draw_below(d, 3) ? (*taps - 1) * *dilation / 2 : draw_below(d, *taps + 1);
}

static void draw_geometry(draw *d, uint32_t g[GEOMETRY])
{
    static const uint32_t examples[] = {1, 2, 3, 7, 8, 16, 17, 31, 32, 33, 65};
    static const uint32_t channels[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 19, 20, 21, 23};
    const uint32_t kind = draw_below(d, 5), in = PICK(d, channels), out = PICK(d, channels); /* kind 0, 1: groups */
    g[0] = PICK(d, examples);
    g[13] = kind == 0 ? in : kind == 1 ? 2 : 1;
    g[1] = kind == 1 ? 2 * in : in;
    g[4] = kind == 0 ? in * (1 + draw_below(d, 2)) : kind == 1 ? 2 * out : out;
    g[2] = draw_below(d, 8) ? 1 + draw_below(d, 14) : 1;
    g[3] = draw_below(d, 3) ? g[2] : 1 + draw_below(d, 19);
    draw_side(d, &g[5], &g[7], &g[9], &g[11]);
    draw_side(d, &g[6], &g[8], &g[10], &g[12]);
    if (draw_below(d, 3) == 0) return;
    for (int i = 5; i < 13; i += 2) g[i + 1] = g[i]; /* square */
}

static void set_geometry(op_args *args, const uint32_t g[GEOMETRY])
{
    uint32_t *s = args->size;
    args->n = args->batch = g[0];
    s[WINDOW_C] = g[1], s[WINDOW_H_IN] = g[2], s[WINDOW_W_IN] = g[3], s[WINDOW_O] = g[4];
    s[WINDOW_KH] = g[5], s[WINDOW_KW] = g[6];
    s[WINDOW_SY] = g[7], s[WINDOW_SX] = g[8];
    s[WINDOW_PY] = g[9], s[WINDOW_PX] = g[10];
    s[WINDOW_DY] = g[11], s[WINDOW_DX] = g[12], s[WINDOW_GROUPS] = g[13];
    window_fit(args);
}

static bool conv_shape(op_args *args, draw *d, int edge)
{
    uint32_t drawn[GEOMETRY];
    if (edge >= LENGTH(edges)) return false;
    do {
        if (edge < 0) draw_geometry(d, drawn);
        set_geometry(args, edge < 0 ? drawn : edges[edge]);
    } while (edge < 0 && (!window_out_elements(args) || args->n * window_in_elements(args) > FMAS ||
                          args->n * window_out_elements(args) * window_chain(args) > FMAS));
    return true;
}

static bool conv_sum_fit(op_args *args)
{
    uint32_t *s = args->size;
    if (!window_fit(args) || !s[WINDOW_O] || s[WINDOW_C] % s[WINDOW_GROUPS] || s[WINDOW_O] % s[WINDOW_GROUPS])
        return false;
    return window_out_elements(args) && granule_fits(s[WINDOW_GRANULE]);
}

static bool conv_fit(op_args *args)
{
    args->batch = args->n;
    return conv_sum_fit(args);
}

/* A tile somewhere in a batch, for the sums over examples. */
static bool conv_sum_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t granules[] = {0, 1, 2, 4, 8, 16, 32}, many[] = {2, 4}; /* several vectors of granules */
    if (!conv_shape(args, d, edge)) return false;
    const bool depthwise = window_is_depthwise(args);
    args->size[WINDOW_GRANULE] = args->n < 97 ? PICK(d, granules) : PICK(d, many);
    if (args->n >= 97 && depthwise) args->size[WINDOW_GRANULE] = 1; /* vectors of granules of one example */
    args->first = draw_below(d, 3) && (args->n < 97 || edge % 2 == 0) ? draw_below(d, 100) : 0;
    args->batch = args->first + args->n + (draw_below(d, 2) ? draw_below(d, 40) : 0);
    const bool whole = edge >= 0 && depthwise && args->n % 16 == 0;
    if (whole) args->size[WINDOW_GRANULE] = 2u << edge % 4;
    if (args->size[WINDOW_GRANULE] > 1 && (draw_below(d, 2) || whole)) { /* whole granules, as of most tiles */
        args->first -= args->first % args->size[WINDOW_GRANULE];
        args->batch = args->first + args->n;
    }
    return true;
}

/* Biases are 0 in every second case, as they are at first: beside them the smallest products would go unseen. */
static bool forward_fill(const op_args *a, int operand, void *data, draw *d)
{
    if (operand != 2 || draw_below(d, 2)) return false;
    for (uint32_t o = 0; o < a->size[WINDOW_O]; o++) ((float *)data)[o] = 0;
    return true;
}

/* In wild cases of groups, and in half of the others, only one dy is infinite, so that most sums stay finite: a tap
 * outside the input must not become a product with 0. */
static bool backward_weights_fill(const op_args *a, int operand, void *data, draw *d)
{
    const uint64_t count = a->n * (operand == 0 ? window_in_elements(a) : window_out_elements(a));
    const draw_mode mode = d->mode;
    if (operand > 1 || mode != DRAW_WILD) return false;
    if (a->size[WINDOW_GROUPS] == 1 && d->number / DRAW_MODES % 2) return false;
    d->mode = DRAW_NORMAL;
    draw_fill(TYPE_F32, count, data, d);
    d->mode = mode;
    if (operand == 1) ((float *)data)[draw_below(d, (uint32_t)count)] = arith_float(0x7f800000u);
    return true;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

enum { OF_X, OF_W, OF_B, OF_Y };

static uint64_t conv_elements(const op_args *a, int of)
{
    switch (of) {
    case OF_X: return a->n * window_in_elements(a);
    case OF_W: return window_weights(a);
    case OF_B: return a->size[WINDOW_O];
    default: return a->n * window_out_elements(a);
    }
}

static uint64_t no_bias_elements(const op_args *a, int operand)
{
    static const int like[] = {OF_X, OF_W, OF_Y};
    return conv_elements(a, like[operand]);
}

static uint64_t backward_input_elements(const op_args *a, int operand)
{
    static const int like[] = {OF_Y, OF_W, OF_X, OF_X, OF_X};
    if ((operand == 3 && !a->masked) || (operand == 4 && !a->adds)) return 0;
    return conv_elements(a, like[operand]);
}

static uint64_t backward_weights_elements(const op_args *a, int operand)
{
    static const int like[] = {OF_X, OF_Y, OF_W, OF_W};
    return conv_elements(a, like[operand]);
}

static uint64_t backward_bias_elements(const op_args *a, int operand)
{
    static const int like[] = {OF_Y, OF_B, OF_B};
    return conv_elements(a, like[operand]);
}

/* All taps count, those in the padding too, as is usual. */
static uint64_t backward_weights_moves(const op_args *a, int operand)
{
    if (operand < 2) return op_moves_all(a, operand);
    return backward_weights_elements(a, operand) * granule_moves(a, a->size[WINDOW_GRANULE], operand == 3);
}

static uint64_t backward_bias_moves(const op_args *a, int operand)
{
    if (operand < 1) return op_moves_all(a, operand);
    return backward_bias_elements(a, operand) * granule_moves(a, a->size[WINDOW_GRANULE], operand == 2);
}

static uint64_t backward_parameters_elements(const op_args *a, int operand)
{
    return operand < 4 ? backward_weights_elements(a, operand) : backward_bias_elements(a, operand - 3);
}

static uint64_t backward_parameters_moves(const op_args *a, int operand)
{
    return operand < 4 ? backward_weights_moves(a, operand) : backward_bias_moves(a, operand - 3);
}

/* An element of x masks the same one of dx, and one of z is added to it. Kernels of depthwise convolutions do both for
 * whole lines at the end. */
static bool backward_input_may_replace(const op_args *a, int operand)
{
    return ((a->masked && operand == 3) || (a->adds && operand == 4)) && !window_is_depthwise(a);
}

static uint64_t conv_flops(const op_args *a) { return 2 * window_out_elements(a) * window_chain(a); }

/* A list of taps, the weights or their sums transposed, and one place's sums; then the outputs of one example. */
static uint64_t conv_scratch(const op_args *a)
{
    const uint64_t sums = window_weights(a) + a->size[WINDOW_O] + a->size[WINDOW_C];
    return taps_most(a) * sizeof(tap) + sums * sizeof(float);
}

static uint64_t backward_weights_scratch(const op_args *a)
{
    return conv_scratch(a) + window_out_elements(a) * sizeof(float);
}

/* ---- references -------------------------------------------------------------------------------------------------- */

/* Each sum takes one more product. */
static inline __attribute__((always_inline)) void add_products(float *restrict sum, float a, const float *restrict b,
                                                               uint32_t width)
{
    for (uint32_t i = 0; i < width; i++) sum[i] = __builtin_fmaf(a, b[i], sum[i]);
}

/* (rows, cols) to (cols, rows) */
static inline __attribute__((always_inline)) void transpose(const float *restrict from, uint32_t rows, uint32_t cols,
                                                            float *restrict to)
{
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < cols; c++) to[(uint64_t)c * rows + r] = from[(uint64_t)r * cols + c];
}

typedef struct letters {
    uint32_t g, c, cg, o, og, t, k, q, p;
} letters;

static inline letters letters_of(const op_args *a)
{
    const uint32_t *s = a->size;
    letters l = {.g = s[WINDOW_GROUPS], .c = s[WINDOW_C], .o = s[WINDOW_O], .t = taps_most(a)};
    l.cg = l.c / l.g;
    l.og = l.o / l.g;
    l.k = l.cg * l.t;
    l.q = s[WINDOW_H_IN] * s[WINDOW_W_IN];
    l.p = s[WINDOW_OH] * s[WINDOW_OW];
    return l;
}

/* y = b, or 0 if b is NULL, then fma over (c, ky, kx) ascending of x w */
static inline __attribute__((always_inline)) void convolve(const op_args *a, const float *x, const float *w,
                                                           const float *b, float *y, void *scratch)
{
    const letters l = letters_of(a);
    tap *const list = scratch;
    float *const wt = (float *)(void *)(list + l.t), *const sum = wt + (uint64_t)l.o * l.k; /* wt (G, K, OG) */

    for (uint32_t g = 0; g < l.g; g++)
        transpose(w + (uint64_t)g * l.og * l.k, l.og, l.k, wt + (uint64_t)g * l.og * l.k);
    for (uint32_t n = 0; n < a->n; n++, x += (uint64_t)l.c * l.q, y += (uint64_t)l.o * l.p)
        for (uint32_t p = 0; p < l.p; p++) {
            const uint32_t taps = taps_of_output(a, p / a->size[WINDOW_OW], p % a->size[WINDOW_OW], list);
            for (uint32_t g = 0; g < l.g; g++) {
                for (uint32_t o = 0; o < l.og; o++) sum[o] = b ? b[g * l.og + o] : 0;
                for (uint32_t c = g * l.cg; c < (g + 1) * l.cg; c++)
                    for (uint32_t t = 0; t < taps; t++)
                        add_products(sum, x[(uint64_t)c * l.q + list[t].at],
                                     wt + ((uint64_t)c * l.t + list[t].number) * l.og, l.og);
                for (uint32_t o = 0; o < l.og; o++) y[(uint64_t)(g * l.og + o) * l.p + p] = finish_value(a, sum[o]);
            }
        }
}

CLONES static void conv_forward(const op_args *a, void *const *operand, void *scratch)
{
    convolve(a, operand[0], operand[1], operand[2], operand[3], scratch);
}

CLONES static void conv_forward_no_bias(const op_args *a, void *const *operand, void *scratch)
{
    convolve(a, operand[0], operand[1], NULL, operand[2], scratch);
}

/* dx = fma over (o, ky, kx) ascending of dy w, and z, if it adds; 0 where x is, if it masks */
CLONES static void conv_backward_input(const op_args *a, void *const *operand, void *scratch)
{
    const float *dy = operand[0], *w = operand[1], *x = a->masked ? operand[3] : NULL, *z = a->adds ? operand[4] : NULL;
    float *dx = operand[2];
    const letters l = letters_of(a);
    tap *const list = scratch;
    float *const wt = (float *)(void *)(list + l.t), *const sum = wt + (uint64_t)l.o * l.k; /* wt (O, T, CG) */

    for (uint32_t o = 0; o < l.o; o++) transpose(w + (uint64_t)o * l.k, l.cg, l.t, wt + (uint64_t)o * l.k);
    for (uint32_t n = 0; n < a->n; n++, dy += (uint64_t)l.o * l.p)
        for (uint32_t q = 0; q < l.q; q++) {
            const uint32_t taps = taps_of_input(a, q / a->size[WINDOW_W_IN], q % a->size[WINDOW_W_IN], list);
            for (uint32_t g = 0; g < l.g; g++) {
                for (uint32_t c = 0; c < l.cg; c++) sum[c] = 0;
                for (uint32_t o = g * l.og; o < (g + 1) * l.og; o++)
                    for (uint32_t t = 0; t < taps; t++)
                        add_products(sum, dy[(uint64_t)o * l.p + list[t].at],
                                     wt + ((uint64_t)o * l.t + list[t].number) * l.cg, l.cg);
                for (uint32_t c = 0; c < l.cg; c++) {
                    const uint64_t at = ((uint64_t)n * l.c + g * l.cg + c) * l.q + q;
                    dx[at] = mask_value(a, x, at, finish_sum(a, z, at, sum[c]));
                }
            }
        }
}

/* One example's products for all weights: sum (G, K, OG) += x dy over (oy, ox) ascending; dyt (P, O). */
static inline __attribute__((always_inline)) void add_example(const op_args *a, const letters *l, const float *x,
                                                              const float *dyt, tap *list, float *sum)
{
    for (uint32_t p = 0; p < l->p; p++) {
        const uint32_t taps = taps_of_output(a, p / a->size[WINDOW_OW], p % a->size[WINDOW_OW], list);
        for (uint32_t c = 0; c < l->c; c++)
            for (uint32_t t = 0; t < taps; t++)
                add_products(sum + ((uint64_t)c * l->t + list[t].number) * l->og, x[(uint64_t)c * l->q + list[t].at],
                             dyt + (uint64_t)p * l->o + c / l->cg * l->og, l->og);
    }
}

/* total (O, K), partial (O, K): sums of dy x over the examples of the batch */
CLONES static void conv_backward_weights(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0], *dy = operand[1];
    float *total = operand[2], *partial = operand[3];
    const letters l = letters_of(a);
    tap *const list = scratch;
    float *const sum = (float *)(void *)(list + l.t), *const dyt = sum + (uint64_t)l.o * l.k;

    for (uint32_t r = 0; r < a->n;) {
        const granule_part part = granule_from(a, a->size[WINDOW_GRANULE], r);
        for (uint32_t o = 0; o < l.o; o++)
            for (uint32_t k = 0; k < l.k; k++) {
                const uint64_t at = (uint64_t)o * l.k + k;
                sum[((uint64_t)(o / l.og) * l.k + k) * l.og + o % l.og] = granule_start(part, total + at, partial + at);
            }
        for (; r < part.stop; r++) {
            transpose(dy + (uint64_t)r * l.o * l.p, l.o, l.p, dyt);
            add_example(a, &l, x + (uint64_t)r * l.c * l.q, dyt, list, sum);
        }
        for (uint32_t o = 0; o < l.o; o++)
            for (uint32_t k = 0; k < l.k; k++) {
                const uint64_t at = (uint64_t)o * l.k + k;
                granule_keep(part, sum[((uint64_t)(o / l.og) * l.k + k) * l.og + o % l.og], total + at, partial + at);
            }
    }
}

/* A launcher that cuts a granule into pieces keeps the sum between them in `partial`. */
static bool backward_weights_undefined(const op_args *a, int operand)
{
    const uint32_t granule = a->size[WINDOW_GRANULE];
    return (operand == 3 || operand == 5) && granule && !granule_is_open(a, granule);
}

/* total (O), partial (O): sums of dy over the examples of the batch */
CLONES static void conv_backward_bias(const op_args *a, void *const *operand, void *scratch)
{
    const float *dy = operand[0];
    float *total = operand[1], *partial = operand[2];
    const letters l = letters_of(a);
    (void)scratch;
    for (uint32_t o = 0; o < l.o; o++)
        for (uint32_t r = 0; r < a->n;) {
            const granule_part part = granule_from(a, a->size[WINDOW_GRANULE], r);
            float sum = granule_start(part, total + o, partial + o);
            for (; r < part.stop; r++)
                for (uint32_t p = 0; p < l.p; p++) sum += dy[((uint64_t)r * l.o + o) * l.p + p];
            granule_keep(part, sum, total + o, partial + o);
        }
}

static void conv_backward_parameters(const op_args *a, void *const *operand, void *scratch)
{
    void *const bias[] = {operand[1], operand[4], operand[5]};
    conv_backward_weights(a, operand, scratch);
    conv_backward_bias(a, bias, scratch);
}

const op_row row_conv_forward = {
    .name = "conv_forward",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"w", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"b", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = conv_elements,
    .scratch = conv_scratch,
    .flops = conv_flops,
    .may_relu = true,
    .reference = conv_forward,
    .shape = conv_shape,
    .fit = conv_fit,
    .fill = forward_fill,
};

const op_row row_conv_forward_no_bias = {
    .name = "conv_forward_no_bias",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"w", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"y", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS}},
    .elements = no_bias_elements,
    .scratch = conv_scratch,
    .flops = conv_flops,
    .may_relu = true,
    .reference = conv_forward_no_bias,
    .shape = conv_shape,
    .fit = conv_fit,
};

const op_row row_conv_backward_input = {
    .name = "conv_backward_input",
    .operand = {{"dy", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"w", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"dx", TYPE_F32, ACCESS_OUT, LAYOUT_BATCH_PANELS},
                {"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"z", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS}},
    .mask = 4,
    .addend = 5,
    .may_replace = backward_input_may_replace,
    .elements = backward_input_elements,
    .scratch = conv_scratch,
    .flops = conv_flops,
    .reference = conv_backward_input,
    .shape = conv_shape,
    .fit = conv_fit,
};

const op_row row_conv_backward_weights = {
    .name = "conv_backward_weights",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"dy", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"total", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"open", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = backward_weights_elements,
    .moves = backward_weights_moves,
    .scratch = backward_weights_scratch,
    .flops = conv_flops,
    .granule = 1 + WINDOW_GRANULE,
    .reference = conv_backward_weights,
    .shape = conv_sum_shape,
    .fit = conv_sum_fit,
    .fill = backward_weights_fill,
    .undefined = backward_weights_undefined,
};

const op_row row_conv_backward_parameters = {
    .name = "conv_backward_parameters",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"dy", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"total", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"open", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"bias_total", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"bias_open", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = backward_parameters_elements,
    .moves = backward_parameters_moves,
    .scratch = backward_weights_scratch,
    .flops = conv_flops,
    .granule = 1 + WINDOW_GRANULE,
    .reference = conv_backward_parameters,
    .shape = conv_sum_shape,
    .fit = conv_sum_fit,
    .fill = backward_weights_fill,
    .undefined = backward_weights_undefined,
};

const op_row row_conv_backward_bias = {
    .name = "conv_backward_bias",
    .operand = {{"dy", TYPE_F32, ACCESS_IN, LAYOUT_BATCH_PANELS},
                {"total", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR},
                {"open", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = backward_bias_elements,
    .moves = backward_bias_moves,
    .granule = 1 + WINDOW_GRANULE,
    .reference = conv_backward_bias,
    .shape = conv_sum_shape,
    .fit = conv_sum_fit,
};
