/* The matrix products of a dense layer, for processors. The kernels for GPUs are in dense_gpu.cl; both compute the same
 * sums.
 *
 * N examples of the tile, I inputs, O outputs.
 * X (N, I), Y (N, O), dY (N, O), dX (N, I) are plain row-major. Weights are stored in panels of PANEL outputs,
 * w[O/PANEL][I][PANEL], so that one load fetches the weights of one input for neighboring outputs; the missing outputs
 * of the last panel hold 0. Gradients of weights have the layout of the weights.
 *
 * Every sum is one fma chain with k ascending, so speed comes from many sums at once: a work-item (each is a work-group
 * of its own) keeps a block of ROWS x PANEL sums in registers, and each step reads ROWS single floats of one operand
 * and PANEL contiguous floats of the other. The chain is never cut, since the contract forbids it. A block's operands
 * are streams that the prefetchers follow, and consecutive blocks share a panel.
 *
 * Options: VEC    4, 8 or 16 floats: the device's native vector
 *          PANEL  VEC, or a small multiple of it; VEC for layers with few outputs
 *          ROWS   even, such that ROWS * PANEL / VEC sums, a row of weights and one more fit in the vector registers
 */
// lint: -D VEC=16 -D PANEL=32 -D ROWS=8
// lint: -D VEC=16 -D PANEL=32 -D ROWS=12
// lint: -D VEC=8 -D PANEL=16 -D ROWS=6
// lint: -D VEC=4 -D PANEL=8 -D ROWS=6
#include "arith.h"
#include "dense_bias.h"
#include "dense_sums.h"
#include "finish.h"
#include "unroll.h"
#include "vectors.h"

#pragma OPENCL FP_CONTRACT OFF

// Blocks visited before the next panel; their rows stay in the level 2 cache meanwhile.
#define CHUNK 4

// The block of work-item `id` among blocks x panels: a chunk of blocks, then every panel, each with all blocks of the
// chunk.
INLINE uint2 find_block(uint id, uint blocks, uint panels)
{
    uint chunk = id / (CHUNK * panels);
    uint within = id - chunk * CHUNK * panels;
    uint size = min((uint)CHUNK, blocks - chunk * CHUNK);
    uint panel = within / size;
    return (uint2)(chunk * CHUNK + within - panel * size, panel);
}

// c(r, lane) = fma(a(r, k), b(k, lane), c(r, lane)) for k = 0 .. count-1, where b(k, lane) = b[k * b_step + lane] and
// a(r, k) = a[at[r] + k * a_step + k / PANEL * a_skip]. `rows`, `vecs` and `skips` are constants wherever this is
// inlined. It is one loop even if `a` skips: with a loop around it, compilers run out of 16 registers and spill the
// sums.
INLINE void chain(vec c[ROWS][VECS], const int rows, const int vecs,
                  const __global float *a, const uint at[ROWS], ulong a_step, const bool skips, ulong a_skip,
                  const __global float *b, ulong b_step, uint count)
{
    uint within = 0;
#pragma unroll 1
    for (uint k = 0; k < count; k++) {
        vec bk[VECS];
        UNROLL for (int v = 0; v < vecs; v++)
            bk[v] = load_vec(v, b);
        UNROLL for (int r = 0; r < rows; r++) {
            vec ar = a[at[r]];
            UNROLL for (int v = 0; v < vecs; v++)
                c[r][v] = fma(ar, bk[v], c[r][v]);
        }
        b += b_step;
        a += a_step;
        if (skips) {
            bool end = ++within == PANEL;
            a += end ? a_skip : 0;
            within = end ? 0 : within;
        }
    }
}

#define COPIED 256 // columns of X that are copied at once, at most

// chain_near() for rows of X, `copied` columns at a time by way of copies that do not share the sets of a cache.
INLINE void chain_copies(vec c[ROWS][VECS], const int rows, const __global float *x, const uint at[ROWS],
                         const __global float *w, uint I, uint copied)
{
    float near[ROWS][COPIED + VEC];
    for (uint i = 0, count; i < I; i += count) {
        count = min(I - i, copied);
        UNROLL for (int r = 0; r < rows; r++) {
            for (uint k = 0; k < count; k++)
                near[r][k] = x[at[r] + i + k];
        }
        chain_near(c, rows, near[0], COPIED + VEC, 1, w, PANEL, count);
        w += count * PANEL;
    }
}

INLINE void store_row(__global float *y, const vec c[VECS], uint count, float least)
{
    UNROLL for (int v = 0; v < VECS; v++) {
        vec done = finish_vec(c[v], least);
        if ((uint)(v + 1) * VEC <= count) {
            store_vec(done, v, y);
        } else {
            for (uint lane = 0; v * VEC + lane < count; lane++)
                y[v * VEC + lane] = ((float *)&done)[lane];
        }
    }
}

INLINE void forward_block(const int rows, const __global float *x, const __global float *w, const __global float *bias,
                          __global float *y, uint n0, uint o0, uint N, uint I, uint O, uint biased,
                          float least, uint copied)
{
    vec c[ROWS][VECS];
    uint at[ROWS];
    vec start[VECS];
    UNROLL for (int v = 0; v < VECS; v++) {
        UNROLL for (int lane = 0; lane < VEC; lane++)
            ((float *)&start[v])[lane] = biased ? bias[min(o0 + v * VEC + lane, O - 1)] : 0.0f;
    }
    UNROLL for (int r = 0; r < rows; r++) {
        at[r] = min((uint)r, N - 1 - n0) * I;
        UNROLL for (int v = 0; v < VECS; v++)
            c[r][v] = start[v];
    }
    if (copied)
        chain_copies(c, rows, x + (ulong)n0 * I, at, w + (ulong)o0 * I, I, copied);
    else
        chain(c, rows, VECS, x + (ulong)n0 * I, at, 1, false, 0, w + (ulong)o0 * I, PANEL, I);
    UNROLL for (int r = 0; r < rows; r++) {
        if (n0 + r < N)
            store_row(y + (ulong)(n0 + r) * O + o0, c[r], min((uint)PANEL, O - o0), least);
    }
}

INLINE void forward(const __global float *x, const __global float *w, const __global float *bias, __global float *y,
                    uint N, uint I, uint O, uint biased, float least, uint copied)
{
    uint2 at = find_block(get_global_id(0), (N + ROWS - 1) / ROWS, (O + PANEL - 1) / PANEL);
    uint n0 = at.x * ROWS, o0 = at.y * PANEL, left = N - n0;
    if (left > ROWS / 2)
        forward_block(ROWS, x, w, bias, y, n0, o0, N, I, O, biased, least, copied);
    else
        forward_block(ROWS / 2, x, w, bias, y, n0, o0, N, I, O, biased, least, copied);
}

/* Y = X Wt + b, or without b if `biased` is 0. One work-item per block: ceil(N / ROWS) * ceil(O / PANEL). */
KERNEL dense_forward(const __global float *x /* (N, I) */, const __global float *w /* panels */,
                     const __global float *bias /* (O) */, __global float *y /* (N, O) */, uint N, uint I, uint O,
                     uint biased, float least)
{
    forward(x, w, bias, y, N, I, O, biased, least, 0);
}

/* The same; X is copied, `copied` columns at a time. */
KERNEL dense_forward_copied(const __global float *x /* (N, I) */, const __global float *w /* panels */,
                            const __global float *bias /* (O) */, __global float *y /* (N, O) */, uint N, uint I,
                            uint O, uint biased, float least, uint copied)
{
    forward(x, w, bias, y, N, I, O, biased, least, copied);
}

// dX[n0 + lane][i0 + r] = c(r, lane), or 0 where X is, if it masks (else it is 0 here).
INLINE void store_transposed(__global float *dx, const __global float *x, vec c[ROWS][VECS], const int rows,
                             const int vecs, uint n0, uint i0, uint N, uint I)
{
    float block[ROWS][PANEL];
    UNROLL for (int r = 0; r < rows; r++) {
        UNROLL for (int v = 0; v < vecs; v++)
            store_vec(flush_vec(c[r][v]), v, block[r]);
    }
    uint examples = min((uint)(vecs * VEC), N - n0), inputs = min((uint)rows, I - i0);
    dx += (ulong)n0 * I + i0;
    x += x ? (ulong)n0 * I + i0 : 0;
    for (uint n = 0; n < examples; n += 4) {
        uint r = 0;
        for (; n + 4 <= examples && r + 4 <= inputs; r += 4) {
            float4 t[4];
            UNROLL for (int j = 0; j < 4; j++)
                t[j] = vload4(0, &block[r + j][n]);
            transpose_fours(t);
            UNROLL for (int j = 0; j < 4; j++) {
                const ulong at = (ulong)(n + j) * I + r;
                vstore4(x ? mask_fours(t[j], vload4(0, x + at)) : t[j], 0, dx + at);
            }
        }
        for (; r < inputs; r++) {
            for (uint j = n; j < min(n + 4, examples); j++) {
                const ulong at = (ulong)j * I + r;
                dx[at] = x ? mask_value(block[r][j], x[at]) : block[r][j];
            }
        }
    }
}

INLINE void backward_input_block(const int rows, const int vecs, const __global float *dyt, const __global float *w,
                                 __global float *dx, const __global float *x, uint n0, uint i0, uint N, uint I, uint O)
{
    vec c[ROWS][VECS];
    uint at[ROWS];
    UNROLL for (int r = 0; r < rows; r++) {
        at[r] = min((uint)r, I - 1 - i0) * PANEL;
        UNROLL for (int v = 0; v < vecs; v++)
            c[r][v] = (vec)(0.0f);
    }
    chain(c, rows, vecs, w + (ulong)i0 * PANEL, at, 1, true, (ulong)(I - 1) * PANEL, dyt + (ulong)n0 * O, PANEL, O);
    store_transposed(dx, x, c, rows, vecs, n0, i0, N, I);
}

/* dX = dY W, or 0 where X is if `masked` is set; lanes are examples. One work-item per block:
 * ceil(I / ROWS) * ceil(N / PANEL). */
KERNEL dense_backward_input(const __global float *dyt /* dense_pack_rows of dY */, const __global float *w /* panels */,
                            __global float *dx /* (N, I) */, const __global float *x /* (N, I) */, uint N, uint I,
                            uint O, uint masked)
{
    uint2 at = find_block(get_global_id(0), (I + ROWS - 1) / ROWS, (N + PANEL - 1) / PANEL);
    uint i0 = at.x * ROWS, n0 = at.y * PANEL;
    const __global float *mask = masked ? x : 0;
    if (VECS > 1 && N - n0 <= VEC)
        backward_input_block(ROWS, 1, dyt, w, dx, mask, n0, i0, N, I, O);
    else
        backward_input_block(ROWS, VECS, dyt, w, dx, mask, n0, i0, N, I, O);
}

INLINE void backward_weights_block(const int rows, const __global float *dy, ulong pitch, uint whole, uint outputs,
                                   const __global float *x, __global float *total, __global float *partial, uint i0,
                                   uint N, uint I, uint first, uint batch, uint granule)
{
    uint at[ROWS];
    UNROLL for (int r = 0; r < rows; r++)
        at[r] = min((uint)r, I - 1 - i0);
    uint inputs = min((uint)rows, I - i0);
    x += i0;

    for (uint n = 0, run; n < N; n += run) {
        uint j = first + n, within = j % granule;
        run = min(N - n, granule - within);
        vec c[ROWS][VECS];
        UNROLL for (int r = 0; r < rows; r++) {
            UNROLL for (int v = 0; v < VECS; v++)
                c[r][v] = within == 0 ? (vec)(0.0f) : load_vec(v, partial + at[r] * PANEL);
        }
        const uint wide = min(run, max(whole, n) - n);
        chain(c, rows, VECS, x, at, I, false, 0, dy, pitch, wide);
        x += (ulong)wide * I;
        dy += wide * pitch;
        for (uint k = wide; k < run; k++, x += I, dy += pitch) {
            vec d[VECS];
            load_row(d, dy, outputs);
            UNROLL for (int r = 0; r < rows; r++) {
                UNROLL for (int v = 0; v < VECS; v++)
                    c[r][v] = fma((vec)(x[at[r]]), d[v], c[r][v]);
            }
        }
        if (outputs < PANEL)
            clear_lanes(c, rows, outputs);

        bool closed = within + run == granule || j + run == batch;
        store_sums(c, rows, inputs, closed, closed && j >= granule, total, partial);
    }
}

/* dW = dYt X over examples first .. first+N-1 of a batch, which x has from example `from` on. The sum is computed by
 * granules (0: the whole batch is one).
 * A granule that the tile leaves unfinished is kept in `partial`, without arith_flush, like all partial sums. The
 * first block of a panel has the gradient of the bias, too, unless `no_bias` is set. One work-item per block:
 * ceil(I / ROWS) * ceil(O / PANEL).
 * dy begins with the first of the examples. A panel of its outputs lies `panel_apart` floats from the one before, and a
 * row `pitch` from the one before: dense_pack_columns of dY, or dY itself. Of dy, `end` floats may be read. */
KERNEL dense_backward_weights(const __global float *dy, const __global float *x /* (N, I) */,
                              __global float *total /* panels */,
                              __global float *partial /* panels, or unused if granule is 0 */,
                              __global float *bias_total /* (O) */, __global float *bias_partial /* (O), likewise */,
                              uint from, uint N, uint I, uint O, uint first, uint batch, uint granule, uint no_bias,
                              uint panel_apart, uint pitch, uint end)
{
    uint2 at = find_block(get_global_id(0), (I + ROWS - 1) / ROWS, (O + PANEL - 1) / PANEL);
    uint i0 = at.x * ROWS, o0 = at.y * PANEL, outputs = min((uint)PANEL, O - o0);
    const uint whole = whole_rows(at.y * panel_apart, pitch, end, outputs, N);
    dy += at.y * panel_apart;
    if (i0 == 0 && !no_bias)
        add_biases(dy, pitch, outputs, bias_total + o0, bias_partial + o0, N, first, batch, granule);
    if (granule == 0) {
        granule = batch;
        partial = total;
    }
    total += (ulong)o0 * I + (ulong)i0 * PANEL;
    partial += (ulong)o0 * I + (ulong)i0 * PANEL;
    backward_weights_block(ROWS, dy, pitch, whole, outputs, x + (ulong)from * I, total, partial, i0, N, I, first, batch,
                           granule);
}

/* The gradient of the bias alone, by the same rule. One work-item per PANEL outputs: ceil(O / PANEL). */
KERNEL dense_backward_bias(const __global float *dy /* (N, O) */, __global float *total /* (O) */,
                           __global float *partial /* (O), or unused if granule is 0 */,
                           uint N, uint O, uint first, uint batch, uint granule)
{
    const uint o0 = get_global_id(0) * PANEL;
    add_biases(dy + o0, O, min((uint)PANEL, O - o0), total + o0, partial + o0, N, first, batch, granule);
}

// Rows of dY per work-item of dense_pack_columns.
#define PACK_ROWS 32

/* Panels of PANEL columns of N rows of dY, from row `from` on, dyp[ceil(O / PANEL)][N][PANEL]; the last column is
 * repeated beyond O. ceil(O / PANEL) * ceil(N / PACK_ROWS) work-items. */
KERNEL dense_pack_columns(const __global float *dy /* (N, O) */, __global float *dyp, uint from, uint N, uint O)
{
    uint panels = (O + PANEL - 1) / PANEL, id = get_global_id(0), group = id / panels;
    uint o0 = (id - group * panels) * PANEL, n0 = group * PACK_ROWS;
    dyp += (ulong)o0 * N;
    for (uint n = n0; n < min(n0 + PACK_ROWS, N); n++) {
        const __global float *row = dy + (ulong)(from + n) * O;
        if (o0 + PANEL <= O) {
            UNROLL for (int v = 0; v < VECS; v++)
                store_vec(load_vec(v, row + o0), v, dyp + (ulong)n * PANEL);
        } else {
            for (uint lane = 0; lane < PANEL; lane++)
                dyp[(ulong)n * PANEL + lane] = row[min(o0 + lane, O - 1)];
        }
    }
}

/* Panels of PANEL rows of dY, transposed: dyt[ceil(N / PANEL)][O][PANEL], 0 beyond N.
 * ceil(N / PANEL) * ceil(O / PANEL) work-items. */
KERNEL dense_pack_rows(const __global float *dy /* (N, O) */, __global float *dyt, uint N, uint O)
{
    uint panels = (O + PANEL - 1) / PANEL, id = get_global_id(0), group = id / panels;
    uint o0 = (id - group * panels) * PANEL, n0 = group * PANEL;
    uint outputs = min((uint)PANEL, O - o0);
    dy += (ulong)n0 * O + o0;
    dyt += (ulong)n0 * O + (ulong)o0 * PANEL;
    for (uint n = 0; n < PANEL; n += 4) {
        uint o = 0;
        for (; n0 + n + 4 <= N && o + 4 <= outputs; o += 4) {
            float4 t[4];
            UNROLL for (int j = 0; j < 4; j++)
                t[j] = vload4(0, dy + (ulong)(n + j) * O + o);
            transpose_fours(t);
            UNROLL for (int j = 0; j < 4; j++)
                vstore4(t[j], 0, dyt + (o + j) * PANEL + n);
        }
        for (; o < outputs; o++) {
            for (uint lane = n; lane < n + 4; lane++) {
                float d = dy[(ulong)min(lane, N - 1 - n0) * O + o];
                dyt[o * PANEL + lane] = n0 + lane < N ? d : 0.0f;
            }
        }
    }
}
