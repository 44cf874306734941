/* Dropout, as in src/ops/dropout.c: y = word < threshold ? 0 : x scale, with a word drawn for each unit of each
 * example.
 *
 * E units per example; a Philox block holds the words of four neighboring units. x[panels][E][PANEL]: PANEL examples
 * side by side. A work-item draws DRAWS blocks, VEC at a time, for its SPAN units: draw d is for lane d % PANEL and for
 * the four units from 4 (d / PANEL) on. Dimension 1 is the panel. The forward pass maps x to y, the backward pass dy to
 * dx. With -D FORWARD=activation_gelu (or another) the activation comes first, with -D
 * BACKWARD=activation_gelu_gradient its gradient last, which is computed from s. */
// lint: -D GROUP=64 -D PANEL=1 -D DRAWS=1
// lint: -D GROUP=64 -D PANEL=1 -D DRAWS=1 -D FORWARD=activation_gelu
// lint: -D GROUP=64 -D PANEL=1 -D DRAWS=1 -D BACKWARD=activation_gelu_gradient
// lint: -D GROUP=1 -D PANEL=1 -D DRAWS=32
// lint: -D GROUP=1 -D PANEL=16 -D DRAWS=32
// lint: -D GROUP=1 -D PANEL=8 -D DRAWS=16
// lint: -D GROUP=1 -D PANEL=4 -D DRAWS=8
#include "activation_functions.h"
#include "each_alone.h"
#include "philox.h"
#include "unroll.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define MOST (PANEL > 1 ? PANEL : DRAWS)
#if DRAWS == 1
#define VEC 1
typedef uint words;
#else
#if MOST >= 16
#define VEC 16
#define HALF 8
#elif MOST == 8
#define VEC 8
#define HALF 4
#else
#define VEC 4
#define HALF 2
#endif
typedef JOIN(uint, VEC) words;
typedef JOIN(ulong, HALF) pairs;
#define as_words JOIN(as_uint, VEC)
#define as_pairs JOIN(as_ulong, HALF)
#endif
#ifdef FORWARD
#define activate(x) FORWARD(x, slope)
#else
#define activate(x) (x)
#endif
#ifdef BACKWARD
#define deactivate(s, dy) BACKWARD(s, dy, slope)
#else
#define deactivate(s, dy) (dy)
#endif
#define SPAN (4 * DRAWS / PANEL) /* units per work-item */
#define INLINE static inline __attribute__((always_inline))

/* The high words of w m. In vectors, the two words of each 64 bits are multiplied separately: processors have an
 * instruction for this, while some compilers generate slow code for mul_hi. */
INLINE words high_words(words w, uint m)
{
#if VEC == 1
    return mul_hi(w, m);
#else
    const pairs even = (as_pairs(w) & 0xffffffffu) * m, odd = (as_pairs(w) >> 32) * m;
    return as_words((even >> 32) | (odd & 0xffffffff00000000u));
#endif
}

/* The rounds of philox.h on VEC counters, which become VEC blocks. */
INLINE void draw_blocks(words c[4], uint k0, uint k1)
{
    UNROLL for (int round = 0; round < 10; round++) {
        const words high0 = high_words(c[0], 0xd2511f53u), low0 = c[0] * 0xd2511f53u;
        const words high2 = high_words(c[2], 0xcd9e8d57u), low2 = c[2] * 0xcd9e8d57u;
        c[0] = high2 ^ c[1] ^ k0;
        c[1] = low2;
        c[2] = high0 ^ c[3] ^ k1;
        c[3] = low0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
}

/* order[at + r] is the example in row r. Lanes past the last row n-1 repeat that row. If threshold is 0, nothing is
 * drawn. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void dropout(
    __global const float *x, __global const uint *restrict order, __global float *y /* dx: may be dy */,
    __global const float *restrict s, uint n, uint elements, uint at, uint seed_low, uint seed_high, uint purpose,
    uint epoch, uint threshold, float scale, float slope)
{
    const uint unit = get_global_id(0) * SPAN, row = get_global_id(1) * PANEL;
    if (unit >= elements) return;
    const size_t start = (size_t)row * elements + (size_t)unit * PANEL;
    const uint count = min((uint)SPAN, elements - unit) * PANEL;
    uint word[4 * DRAWS]; /* for unit u of the span and lane l: word[u PANEL + l] */
    for (uint from = 0; from < DRAWS && threshold; from += VEC) {
        words c[4] = {purpose, epoch, 0, 0};
        UNROLL for (uint d = 0; d < VEC; d++) {
            ((uint *)&c[2])[d] = order[at + min(row + (from + d) % PANEL, n - 1)];
            ((uint *)&c[3])[d] = unit / 4 + (from + d) / PANEL;
        }
        draw_blocks(c, seed_low, seed_high);
        for (uint k = 0; k < 4; k++) {
            for (uint d = 0; d < VEC; d++)
                word[(4 * ((from + d) / PANEL) + k) * PANEL + (from + d) % PANEL] = ((uint *)&c[k])[d];
        }
    }
    /* in quarters, so that with DRAWS 1 the words have fixed places, in registers */
    UNROLL for (uint k = 0; k < 4; k++) {
        EACH_ALONE for (uint i = k * DRAWS; i < min(count, (k + 1) * DRAWS); i++) {
            const float kept = arith_flush(activate(x[start + i]) * scale);
            const float done = threshold && word[DRAWS == 1 ? k : i] < threshold ? 0.0f : kept;
            y[start + i] = deactivate(s[start + i], done);
        }
    }
}

/* The backward pass behind a relu, with y of the forward pass: nothing is drawn. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void dropout_relu_backward(
    __global const float *dy, __global const float *restrict y, __global float *dx /* may be dy */, uint elements,
    float scale)
{
    const uint unit = get_global_id(0) * SPAN, row = get_global_id(1) * PANEL;
    if (unit >= elements) return;
    const size_t start = (size_t)row * elements + (size_t)unit * PANEL;
    const uint count = min((uint)SPAN, elements - unit) * PANEL;
    EACH_ALONE for (uint i = 0; i < count; i++)
        dx[start + i] = activation_relu_gradient(y[start + i], arith_flush(dy[start + i] * scale), 0.0f);
}
