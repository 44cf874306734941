"""The bugs that mutate.py plants: one changed line each.

A row is a file, a text that is in it exactly once, what replaces it, the operations whose cases are to find it, and the
ways to look, in order, until one finds it:

    CPU, GPU     the cases of verify on PoCL, with the kernels for processors or for GPUs
    SMALL_GPU    likewise for GPUs, as if groups had at most 32 work-items
    RACES, RACES_GPU  a few of them under Oclgrind, whose log must stay empty
    DIGESTS      the canonical trainings on the reference
    test(NAME)   tests/test_NAME.c: for what kernels and references share, which no comparison of them sees

A row with a reason is equivalent: no result can show it.
"""

from dataclasses import dataclass, field

CPU, GPU, SMALL_GPU, RACES, RACES_GPU, DIGESTS = "cpu", "gpu", "small-gpu", "races", "races-gpu", "digests"


def test(name):
    return "test " + name


@dataclass
class Mutation:
    path: str
    old: str
    new: str
    operations: list = field(default_factory=list)
    ways: list = field(default_factory=list)
    equivalent: str = ""


MUTATIONS = []


def plant(path, operations, ways, rows):
    """Rows of one file that share operations and ways: (old, new) or (old, new, reason)."""
    for row in rows:
        MUTATIONS.append(Mutation(path, row[0], row[1], operations.split(), ways, row[2] if len(row) > 2 else ""))


BEHIND = "what lies behind dY is stored nowhere, and PoCL does not see that it is read"
UNSTORED = "it changes only sums that are not stored"
IEEE_CHAIN = "on a device that keeps denormals no chain that starts at +0 ends at -0: for llvmpipe"
LOSS_IS_LARGE = "a loss is 0, or 2^-36 at least: the logarithm of a sum of 1 or more, and what is far above that"
EQUAL_WRITES = "work-items past the end write what the last one writes, to the same place"

# ---- products on GPUs -----------------------------------------------------------------------------------------------

plant(
    "cl/block_sums.h",
    "dense_forward dense_backward_weights conv_forward",
    [GPU],
    [
        ("return i / run * (items * run) + item * run + i % run;", "return i / run * items + item * run + i % run;"),
        ("c[r][q] = fma(ak[r], bk[q], c[r][q])", "c[r][q] = ak[r] * bk[q] + c[r][q]"),
        ("v[i + 3] = u.w;", "v[i + 3] = u.z;"),
        ("v[i + 1] = u.y;                                                                                        \\\n"
         "            } else ",
         "v[i + 1] = u.x;                                                                                        \\\n"
         "            } else "),
        ("STEP][BLOCK_ROWS + 4] __attribute__", "STEP][BLOCK_ROWS] __attribute__"),
        ("read_right(bk, b[k], get_local_id(0));", "read_right(bk, b[k], get_local_id(1));"),
    ],
)
plant(
    "cl/dense_gpu.cl",
    "dense_forward dense_forward_no_bias dense_backward_input",
    [GPU],
    [
        ("k0 + k < K ? value : 0.0f;", "value;"),
        ("min(from.t0 + side_of(from, j, BLOCK), from.T - 1), k", "from.t0 + side_of(from, j, BLOCK), k", UNSTORED),
        ("return from.along_k ? e % STEP : e / block;", "return from.along_k ? e % STEP : e % block;"),
        ("for (uint k = from; k < K;) {", "for (uint k = from; k + STEP <= K;) {"),
        ("        keep_right(b[now], vb, right, k, K);\n        barrier(CLK_LOCAL_MEM_FENCE);\n",
         "        keep_right(b[now], vb, right, k, K);\n"),
        ("        now ^= 1;\n", ""),
        ("float start = biased ? bias[min(COL(q), O - 1)] : 0.0f;", "float start = bias[min(COL(q), O - 1)];"),
        ("const bool whole = COL_RUN == 4 && Q % 4 == 0 &&", "const bool whole = COL_RUN == 4 &&"),
        ("if (whole && ROW(r) < R && COL(q) < Q)", "if (whole && COL(q) < Q)"),
        ("if (!whole && ROW(r) < R && COL(q + i) < Q)", "if (!whole && ROW(r) <= R && COL(q + i) < Q)"),
        ("if (!whole && ROW(r) < R && COL(q + i) < Q)", "if (!whole && ROW(r) < R && COL(q + i) <= Q)"),
        ("return finish_value(sum, least);", "return arith_flush(sum);"),
        ("return finish_value(sum, least);", "return sum < least ? 0.0f : sum;"),
    ],
)
plant(
    "cl/dense_gpu.cl",
    "dense_backward_input",
    [GPU],
    [
        ("const operand right = {w, false, I, work_group_id(0) * BLOCK_COLS, I, NONE};",
         "const operand right = {w, false, O, work_group_id(0) * BLOCK_COLS, I, NONE};"),
        ("if (masked)\n", "if (!masked)\n"),
        ("return mask_value(finish_value(sum, -INFINITY), x);", "return mask_value(sum, x);"),
        ("const ulong at = (ulong)ROW(r) * Q;\n        UNROLL", "const ulong at = (ulong)ROW(r) * R;\n        UNROLL"),
        ("const ulong at = (ulong)ROW(r) * Q;\n            float4",
         "const ulong at = (ulong)ROW(r) * R;\n            float4"),
        ("const bool fours = COL_RUN == 4 && Q % 4 == 0 &&", "const bool fours = COL_RUN == 4 &&"),
        ("finish_masked(c[r][q + 3], mask.w));\n", "finish_masked(c[r][q + 3], mask.z));\n"),
        ("            if (ROW(r) >= R) return;\n", ""),
        ("if (COL(q) < Q)\n                    *(__global float4 *)(to",
         "if (COL(q) <= Q)\n                    *(__global float4 *)(to"),
        ("if (ROW(r) < R && COL(q) < Q) to[at + COL(q)] = c[r][q];", "if (COL(q) < Q) to[at + COL(q)] = c[r][q];"),
    ],
)
plant(
    "cl/dense_gpu.cl",
    "dense_backward_weights",
    [GPU],
    [
        ("if (begun && work_group_id(2) == 0) {", "if (begun) {"),
        ("store(c, to + (ulong)work_group_id(2) * stride,", "store(c, to + (ulong)work_group_id(1) * stride,"),
        ("add_products(c, a, b, left, right, run.x, run.y);", "add_products(c, a, b, left, right, run.x, N);"),
        ("return sum == 0.0f ? 0.0f : sum;", "return sum;", IEEE_CHAIN),
    ],
)
plant(
    "cl/dense_gpu.cl",
    "dense_backward_parameters",
    [GPU],
    [
        ("== from.one ? 1.0f : v[j];", "== from.one ? v[j] : v[j];"),
        ("if (ROW(r) < O && COL(q) == ones) c[r][q] = bias_partial[ROW(r)];", ""),
        ("bias_at + (ulong)work_group_id(2) * stride + ROW(r)", "bias_at + ROW(r)"),
        ("if (COL(q) == ones && ROW(r) < O)", "if (COL(q) == ones && ROW(r) <= O)"),
    ],
)
plant(
    "cl/activation.cl",
    "relu_forward relu_backward",
    [GPU],
    [
        ("forward(u.z, slope), forward(u.w, slope));", "forward(u.w, slope), forward(u.z, slope));"),
        ("backward(u.y, g.y, slope),", "backward(u.y, g.x, slope),"),
        ("if (to - from == 4 && (((size_t)x", "if ((((size_t)x"),
    ],
)
plant(
    "cl/granule_pass.h",
    "dense_backward_weights",
    [GPU],
    [
        ("uint begin = from - within + r * granule;", "uint begin = from + r * granule;"),
        ("r == 0 ? from : begin", "begin"),
        ("min(N, begin + granule)", "begin + granule"),
    ],
)
plant(
    "cl/conv_gpu.cl",
    "conv_forward conv_forward_no_bias",
    [GPU],
    [
        ("t.y += by.y + (over ? 1 : 0);", "t.y += by.y;"),
        ("t.c += by.c + (over ? 1 : 0);", "t.c += by.c;"),
        ("a.y + b.y < H && a.x + b.x < W", "a.y + b.y < H && a.x + b.x <= W"),
        ("v->is[j] ? v->right[j] : as_float(SKIPPED)", "v->is[j] ? v->right[j] : 0.0f"),
        ("if (most >= ARITH_INF)", "if (most > ARITH_INF)"),
        ("as_uint(bk[q]) == SKIPPED ? c[r][q] : sum;", "sum;"),
        ("offset o = {is ? y : FAR, x, (t.c * H + y) * W + x};", "offset o = {y, x, (t.c * H + y) * W + x};"),
        ("keep_offsets(step[now], p, t, k + STEP);", "keep_offsets(step[now ^ 1], p, t, k + STEP);"),
        ("load_steps(&v, w, p, step[now ^ 1], t, k);", "load_steps(&v, w, p, step[now], t, k);"),
        ("        keep_steps(a[now], b[now], &v);\n        barrier(CLK_LOCAL_MEM_FENCE);\n",
         "        keep_steps(a[now], b[now], &v);\n"),
        ("!whole && ROW(r) < rows && COL(q) < positions", "!whole && ROW(r) < rows"),
        ("!whole && ROW(r) < rows && COL(q) < positions", "!whole && COL(q) < positions"),
        ("&& whole && ROW(r) < rows && COL(q) < positions", "&& whole && COL(q) < positions"),
        ("QY == H && QX == W && H * W % 4 == 0", "QY == H && QX == W"),
        ("c[r][q] = finish_value(c[r][q], least);", "c[r][q] = arith_flush(c[r][q]);"),
        ("c[r][q] = finish_value(c[r][q], least);", "c[r][q] = c[r][q] < least ? 0.0f : c[r][q];"),
        ("value[min(ROW(r), rows - 1)]", "value[ROW(r) ? rows - 1 : 0]"),
        ("((p.c * C + group * channels) * H + y0)", "((p.c * C + channels) * H + y0)"),
    ],
)
plant(
    "cl/conv_gpu.cl",
    "conv_backward_input",
    [GPU],
    [
        ("return k < stride ? k : taps;", "return k;"),
        ("QY == H && QX == W && H * W % 4 == 0", "H * W % 4 == 0"),
        ("uint QY = (H - iy + SY - 1) / SY,", "uint QY = (H - iy) / SY,"),
        ("SY / gcd_y * KW,", "SY * KW,"),
        ("-(DY / gcd_y), -(DX / gcd_x)", "-DY, -DX"),
        ("QY, QX, H, W, iy, ix, SY, SX,", "QY, QX, H, W, iy, ix, SY, SY,"),
    ],
)
plant(
    "cl/conv_gpu.cl",
    "conv_backward_weights",
    [GPU],
    [
        ("before = begun && r0 == 0 ?", "before = begun ?"),
        ("p = advance(p, by, e.OH, e.OW);\n        load_positions(&v, e, tap, p, step + ITEM % STEP < run.y);",
         "p = advance(p, by, e.OH, e.OW);\n        load_positions(&v, e, tap, p, true);"),
        ("uint y = t.y * DY - PY, x0 = t.x * DX - PX;", "uint y = t.y - PY, x0 = t.x - PX;"),
        ("to[(size_t)r0 * stride + (group * outputs + ROW(r)) * K", "to[(group * outputs + ROW(r)) * K"),
        ("e.outputs - 1) * e.OH * e.OW];", "e.outputs - 1) * e.OH];"),
        ("column + ITEM < K ? y : FAR", "column + ITEM < K - (BLOCK_COLS == 16 && STEP == 16 && K == 16) ? y : FAR"),
        ("        keep_positions(a[now], b[now], &v, e);\n        barrier(CLK_LOCAL_MEM_FENCE);\n",
         "        keep_positions(a[now], b[now], &v, e);\n"),
        ("offset o = {column + ITEM < K ? y : FAR, x0,", "offset o = {y, x0,", UNSTORED),
    ],
)
plant(
    "cl/conv_gpu.cl",
    "conv_backward_parameters",
    [GPU],
    [
        ("j == e.one && v->counts ? 1.0f : right_of(v, j)", "j == e.one ? 1.0f : right_of(v, j)"),
        ("loaded % (ITEMS / STEP) == 0 ?", "loaded % (ITEMS / STEP) == 1 ?"),
        ("loaded = ones - column - ITEM / STEP;", "loaded = ones - (BLOCK_COLS > 32 ? column : 0) - ITEM / STEP;"),
        ("if (ROW(r) < rows && COL(q) == ones) c[r][q] = bias[ROW(r)];", ""),
        ("*bias = bias_partial + group * outputs;", "*bias = bias_partial;"),
        ("bias_to[bias_at + (size_t)r0 * stride + group * outputs + ROW(r)]",
         "bias_to[bias_at + (size_t)r0 * stride + ROW(r)]"),
    ],
)
plant(
    "cl/depthwise_gpu.cl",
    "conv_forward conv_backward_input",
    [GPU],
    [
        ("            if (ix < W)\n", "            if (ix <= W)\n"),
        ("kx < KW && iy < H; kx++", "kx < KW; kx++"),
        ("y[i] = finish_value(c, least);", "y[i] = arith_flush(c);"),
        ("y[i] = finish_value(c, least);", "y[i] = c < least ? 0.0f : c;"),
        ("dx[i] = arith_flush(c);", "dx[i] = c;"),
        ("if (masked) c = mask_value(c, x[i]);", ""),
        ("if (adds) c = arith_chain(arith_flush(c), z[i]);", "if (adds) c = arith_chain(c, z[i]);"),
        ("if (adds) c = arith_chain(arith_flush(c), z[i]);", ""),
        ("return k * dilation <= at && o * stride == from", "return o * stride == from",
         "a place that wrapped is past every output"),
        ("k * dilation <= at && o * stride == from && o < outputs", "k * dilation <= at && o < outputs"),
        ("channel = plane - n * C, M = O / G;", "channel = plane - n * C, M = 1;"),
    ],
)
plant(
    "cl/depthwise_gpu.cl",
    "conv_backward_weights",
    [GPU],
    [
        ("(uint)((int)size - 1 - at) / stride + 1", "(uint)((int)size - at) / stride + 1"),
        ("if (begun && r == 0)\n", "if (begun)\n"),
        ("((uint)-at + stride - 1) / stride : 0", "(uint)-at / stride : 0"),
    ],
)
plant(
    "cl/sum_examples.cl",
    "dense_backward_bias conv_backward_bias",
    [GPU],
    [
        ("for (; k + AHEAD <= count; k += AHEAD) {", "for (; k + AHEAD < count; k += AHEAD) {",
         "the loop after it adds the last eight, in the same order"),
        ("min(examples, run.y - n) * min(width, P - p);", "min(examples, run.y - n) * width;"),
        ("            barrier(CLK_LOCAL_MEM_FENCE);\n            if (adds)", "            if (adds)"),
        ("k[l] = first + row[l] < O ? example * width + position : UINT_MAX;", "k[l] = example * width + position;",
         "those rows are never added: the load is from inside the operand, or of a place that is not used"),
        ("if (adds && begun && r == 0)", "if (adds && r == 0)"),
        ("to[r * O + first + item] = c;", "to[first + item] = c;"),
    ],
)
plant(
    "cl/sum_examples.cl",
    "dense_backward_weights dense_backward_bias",
    [GPU],
    [
        ("if (closed && fresh)\n", "if (closed)\n"),
        ("sum = part[(size_t)r++ * stride];", "sum = part[(size_t)r * stride];"),
        ("*partial = part[(size_t)closed * stride];", "*partial = *part;"),
        ("for (; r < closed; r++)", "for (; r + 1 < closed; r++)"),
        ("for (; r + AHEAD <= closed; r += AHEAD) {", "for (; r + AHEAD <= closed; r += AHEAD + 1) {"),
    ],
)

# ---- products on processors -----------------------------------------------------------------------------------------

plant(
    "cl/dense.cl",
    "dense_forward dense_forward_no_bias",
    [CPU],
    [
        ("min((uint)CHUNK, blocks - chunk * CHUNK)", "(uint)CHUNK"),
        ("at[r] = min((uint)r, N - 1 - n0) * I;", "at[r] = min((uint)r, N - n0) * I;", UNSTORED),
        ("if ((uint)(v + 1) * VEC <= count) {", "if ((uint)(v + 1) * VEC < count) {",
         "the loop in the other branch stores a whole vector too"),
        ("v * VEC + lane < count; lane++", "v * VEC + lane <= count; lane++"),
        ("if (n0 + r < N)\n", "if (n0 + r <= N)\n"),
        ("if (left > ROWS / 2)", "if (left >= ROWS / 2)", "both branches store the rows that are left"),
        ("if (left > ROWS / 2)", "if (left > ROWS / 2 + 1)"),
        ("vec done = finish_vec(c[v], least);", "vec done = c[v];"),
        ("vec done = finish_vec(c[v], least);", "vec done = flush_vec(c[v]);"),
        ("b += b_step;", "b += VEC;"),
        ("i += count) {\n        count = min(I - i, copied);", "i += count) {\n        count = copied;"),
        ("near[r][k] = x[at[r] + i + k];", "near[r][k] = x[at[r] + k];"),
        ("biased ? bias[min(o0 + v * VEC + lane, O - 1)] : 0.0f", "bias[min(o0 + v * VEC + lane, O - 1)]"),
    ],
)
plant(
    "cl/dense.cl",
    "dense_backward_input",
    [CPU],
    [
        ("for (; n + 4 <= examples && r + 4 <= inputs; r += 4) {", "for (; n + 4 <= examples && r < inputs; r += 4) {"),
        ("for (uint j = n; j < min(n + 4, examples); j++)", "for (uint j = n; j < n + 4; j++)"),
        ("bool end = ++within == PANEL;", "bool end = ++within == PANEL - 1;"),
        ("(ulong)(I - 1) * PANEL, dyt", "(ulong)I * PANEL, dyt"),
        ("if (VECS > 1 && N - n0 <= VEC)", "if (VECS > 1 && N - n0 < VEC)",
         "more lanes are computed, and as many are stored"),
        ("store_vec(flush_vec(c[r][v]), v, block[r]);", "store_vec(c[r][v], v, block[r]);"),
        ("dyt[o * PANEL + lane] = n0 + lane < N ? d : 0.0f;", "dyt[o * PANEL + lane] = d;", UNSTORED),
        ("for (; n0 + n + 4 <= N && o + 4 <= outputs; o += 4) {",
         "for (; n0 + n + 4 <= N && o + 4 < outputs; o += 4) {",
         "the loop after it copies the last four, too"),
    ],
)
plant(
    "cl/dense.cl",
    "dense_backward_weights",
    [CPU],
    [
        ("c[r][v] = within == 0 ? (vec)(0.0f) : load_vec(v, partial + at[r] * PANEL);",
         "c[r][v] = load_vec(v, partial + at[r] * PANEL);"),
        ("closed && j >= granule, total", "closed && j > granule, total"),
        ("x += (ulong)wide * I;", "x += (ulong)wide * I + 1;"),
        ("for (uint n = n0; n < min(n0 + PACK_ROWS, N); n++) {", "for (uint n = n0; n < n0 + PACK_ROWS; n++) {"),
        ("= row[min(o0 + lane, O - 1)];", "= row[min(lane, O - 1)];"),
        ("const uint wide = min(run, max(whole, n) - n);", "const uint wide = run;", BEHIND),
        ("load_row(d, dy, outputs);", "load_row(d, dy, outputs - 1);"),
        ("if (outputs < PANEL)\n            clear_lanes", "if (outputs < PANEL - 1)\n            clear_lanes"),
        ("whole_rows(at.y * panel_apart, pitch, end, outputs, N)", "whole_rows(0, pitch, end, outputs, N)", BEHIND),
    ],
)
plant(
    "cl/dense_sums.h",
    "dense_backward_weights",
    [CPU],
    [
        ("sum = load_vec(v, total + r * PANEL) + sum;", "sum = load_vec(v, total + r * PANEL);"),
        ("store_vec(sum == 0.0f ? (vec)(0.0f) : sum, v, to + r * PANEL);", "store_vec(sum, v, to + r * PANEL);",
         IEEE_CHAIN),
        ("if ((uint)r < inputs) {", "if ((uint)r <= inputs) {"),
        ("(end - at - PANEL) / pitch + 1, N)", "(end - at - PANEL) / pitch, N)", "the row is then loaded lane by lane"),
        ("at + PANEL > end ? 0", "at > end ? 0", BEHIND),
        ("v * VEC + lane < outputs ? 1.0f", "v * VEC + lane <= outputs ? 1.0f"),
        ("dy[min(v * VEC + lane, outputs - 1)];", "dy[min(lane, outputs - 1)];"),
    ],
)
plant(
    "cl/vectors.h",
    "dense_backward_input",
    [CPU],
    [
        ("t[1] = (float4)(a.y, b.y, c.y, d.y);", "t[1] = (float4)(a.y, b.y, d.y, c.y);"),
    ],
)
plant(
    "cl/dense_near.cl",
    "dense_backward_input dense_backward_weights",
    [CPU],
    [
        ("run = min(O - o, strip);", "run = strip;"),
        ("w + min(i, wide - 1) * PANEL", "w + min(i, wide) * PANEL", UNSTORED),
        ("w + (ulong)o * I, wide", "w + (ulong)o * I + PANEL, wide"),
        ("if (examples == PANEL && inputs == WIDE) {", "if (inputs == WIDE) {"),
        ("(as_int4(sum) & 0x7fffffff) < as_int(0x1p-40f) ? (float4)(0.0f) : sum;", "sum;"),
        ("arith_flush(sums[i * PANEL + n])", "sums[i * PANEL + n]"),
        ("min(group, (N + PANEL - 1) / PANEL - p0)", "group"),
        ("run = min(min(N - n, granule - within), strip);", "run = min(N - n, strip);"),
        ("within == 0, closed,", "n == 0, closed,"),
        ("closed && j >= granule, total", "closed && j > granule, total"),
    ],
)
plant(
    "cl/dense_few.cl",
    "dense_backward_input",
    [CPU],
    [
        ("t[2 * j].odd = from[j + VEC / 2].lo;", "t[2 * j].odd = from[j + 1].lo;"),
        ("d[n][k] = o + k < O ? row[min(o + k, O - 1)] : 0.0f;", "d[n][k] = row[min(o + k, O - 1)];",
         "the weights of outputs beyond the last are 0"),
        ("if (o + VEC <= O)", "if (o <= O)", "the loop after it stores the rest again"),
        ("(ulong)(o / PANEL) * I * PANEL + o % PANEL", "(ulong)(o / PANEL) * I * PANEL"),
        ("min(i0 + j, I - 1) * PANEL", "(i0 + j) * PANEL", UNSTORED),
        ("dx[(ulong)n * I + i0 + j] = arith_flush(done[n][j]);", "dx[(ulong)n * I + i0 + j] = done[n][j];"),
        ("j < inputs; j++", "j <= inputs; j++"),
        ("n < min((uint)EXAMPLES, N); n++", "n < EXAMPLES; n++"),
    ],
)
plant(
    "cl/dense_few.cl",
    "dense_backward_weights",
    [CPU],
    [
        ("add = closed && j >= granule;", "add = closed && j > granule;"),
        ("c[v] = within == 0 ? (vec)(0.0f) : load_vec(v, partial + i * PANEL);",
         "c[v] = load_vec(v, partial + i * PANEL);"),
        ("c[v] = k >= n && k < n + run ? fma", "c[v] = k < n + run ? fma"),
        ("c[v] = k >= n && k < n + run ? fma", "c[v] = k >= n ? fma"),
        ("store_vec(c[v] == 0.0f ? (vec)(0.0f) : c[v], v, to + i * PANEL);", "store_vec(c[v], v, to + i * PANEL);",
         IEEE_CHAIN),
        ("end = min(begin + RUN, I)", "end = begin + RUN"),
    ],
)
plant(
    "cl/vectors.h",
    "conv_forward dense_forward dense_sgd",
    [CPU],
    [
        ("& 0x7fffffff) < as_int(0x1p-40f)", "& 0x7fffffff) < as_int(0x1p-39f)"),
        ("& 0x7fffffff) < as_int(0x1p-100f)", "& 0x7fffffff) < as_int(0x1p-99f)"),
        ("return done < (vec)(least) ? (vec)(0.0f) : done;", "return done;"),
    ],
)
plant(
    "cl/dense_outputs.h",
    "dense_backward_weights dense_check dense_sgd",
    [CPU],
    [
        ("row[lane] = o0 + lane < O ? value : 0.0f;", "row[lane] = value;"),
        ("dy[min((uint)n, N - 1) * O", "dy[(uint)n * O", "examples beyond the last are not added"),
    ],
)
plant(
    "cl/dense_check.cl",
    "dense_check",
    [CPU, GPU],
    [
        ("for (uint n = 0; n < N; n++) c = fma", "for (uint n = 1; n < N; n++) c = fma"),
        ("for (uint n = 0; n < N; n++) c = arith", "for (uint n = 1; n < N; n++) c = arith"),
        ("id -= items;", ""),
        ("        x = x2;\n", ""),
        ("        dy = dy2;\n", ""),
        ("no_bias = no_bias2;", ""),
        ("id < runs ? I : O;", "I;"),
        ("id < runs ? x : dy;", "x;"),
        ("factors += width)", "factors += 1)"),
        ("k < to; k++)", "k < to - 1; k++)"),
        ("arith_bits(0x1p+58f)", "arith_bits(0x1p+67f)"),
        ("id < runs ? 0u : from, o1", "from, o1"),
        ("i0 = id < runs ? from : 0u", "i0 = 0u", "more is looked at"),
        ("i1 = id < runs ? to : I;", "i1 = to;"),
        ("finite = finite && is_bias_finite(dy, N, O, o);", ""),
        ("if (id >= runs && !no_bias)", "if (id >= runs)"),
        ("if (!finite) set_first_bad", "if (finite) set_first_bad"),
    ],
)
plant(
    "cl/dense_move.h",
    "dense_sgd",
    [CPU],
    [
        ("if (count >= 1.0f && (arith", "if ((arith"),
        ("(arith_bits(count) & ARITH_FRACTION) == 0u && factor == 1.0f)", "factor == 1.0f)"),
        ("== 0u && factor == 1.0f)", "== 0u)"),
        ("c[v] = flush_vec(c[v] * reciprocal);", "c[v] = c[v] * reciprocal;"),
        ("g = flush_vec(fma((vec)(decay), before, mean[k]));", "g = fma((vec)(decay), before, mean[k]);"),
        ("v = flush_state_vec(fma((vec)(momentum), load_vec(k, velocity), g));",
         "v = fma((vec)(momentum), load_vec(k, velocity), g);"),
        ("move = nesterov ? flush_state_vec(fma((vec)(momentum), v, g)) : v;", "move = v;"),
        ("store_vec(flush_vec(fma((vec)(-lr), move, before)), k, w", "store_vec(fma((vec)(-lr), move, before), k, w"),
        ("lane < outputs; lane++) sum[lane] = arith_chain", "lane < outputs - 1; lane++) sum[lane] = arith_chain"),
        ("o < outputs; o++)", "o < outputs - 1; o++)"),
    ],
)
plant(
    "cl/dense_update.cl",
    "dense_sgd",
    [CPU],
    [
        ("c[v] = n < N ? fma(d[n][v], xi, c[v]) : c[v];", "c[v] = fma(d[n][v], xi, c[v]);"),
        ("if (begin == 0 && !no_bias)", "if (!no_bias)"),
        ("if (begin == 0 && !no_bias)", "if (begin == 0)"),
        ("momentum, bias_decay);", "momentum, decay);"),
        ("if (first_bad[0]) return;", ""),
        ("w += (ulong)o0 * I;", ""),
    ],
)
plant(
    "cl/dense_update_near.cl",
    "dense_sgd",
    [CPU],
    [
        ("if (first_bad[0]) return;", ""),
        ("x + i0, wide, N, I);", "x, wide, N, I);"),
        ("min(p0 + group, (O + PANEL - 1) / PANEL)", "p0 + group", "what lies behind is not compared"),
        ("whole_rows(o0, O, N * O, outputs, N)", "whole_rows(0, O, N * O, outputs, N)", BEHIND),
        ("if (i0 == 0 && !no_bias)", "if (!no_bias)"),
        ("if (i0 == 0 && !no_bias)", "if (i0 == 0)"),
        ("bias_decay);\n        for", "decay);\n        for"),
        ("((ulong)p * I + i0 + i) * PANEL;", "((ulong)p * I + i0) * PANEL;"),
        ("near + i, WIDE", "near, WIDE"),
        ("if (i + r < wide)\n", "if (i + r <= wide)\n"),
        ("c[0], ROWS * VECS, mean", "c[0], ROWS * VECS - 1, mean"),
    ],
)
plant(
    "cl/dense_update_gpu.cl",
    "dense_sgd",
    [GPU],
    [
        ("for (uint n = 0; n < N; n++) c = fma", "for (uint n = 1; n < N; n++) c = fma"),
        ("for (uint n = 0; n < N; n++) c = arith", "for (uint n = 1; n < N; n++) c = arith"),
        ("if (first_bad[0] || i >= I) return;", "if (i >= I) return;"),
        ("if (first_bad[0] || i >= I) return;", "if (first_bad[0]) return;"),
        ("float factor = divisor[DIVISOR_FACTOR];", "float factor = 1.0f;"),
        ("if (i || no_bias) return;", "if (i) return;"),
        ("momentum, bias_decay);", "momentum, decay);"),
    ],
)
plant(
    "cl/dense.cl",
    "dense_backward_weights dense_backward_parameters",
    [CPU],
    [
        ("if (i0 == 0 && !no_bias)", "if (i0 == 0)"),
        ("if (i0 == 0 && !no_bias)", "if (!no_bias)"),
        ("x + (ulong)from * I, total", "x, total"),
        ("dy + (ulong)(from + n) * O;", "dy + (ulong)n * O;"),
    ],
)
plant(
    "cl/dense_sums.h",
    "dense_backward_weights dense_sgd",
    [CPU],
    [
        ("near[i] = x[min(i, wide - 1)];", "near[i] = x[min(i, wide - 2)];"),
        ("load_row(d, dy + k * pitch, outputs);", "load_row(d, dy, outputs);"),
        ("if (outputs < PANEL)\n        clear_lanes", "if (outputs < PANEL - 1)\n        clear_lanes"),
    ],
)
plant(
    "cl/dense_near.cl",
    "dense_backward_weights dense_backward_parameters",
    [CPU],
    [
        ("i0 == 0 && !no_bias; p++, o0 += PANEL)", "i0 == 0 && !no_bias; p++)"),
        ("whole_rows(from_dy, pitch, end, outputs, run)", "whole_rows(0, pitch, end, outputs, run)",
         BEHIND),
        ("x += (ulong)from * I + i0;", "x += i0;"),
    ],
)
plant(
    "cl/dense_few.cl",
    "dense_backward_weights dense_backward_parameters",
    [CPU],
    [("if (begin == 0 && !no_bias)", "if (begin == 0)")],
)
plant(
    "src/device/opencl/launchers/dense.c",
    "dense_backward_weights dense_backward_parameters",
    [CPU],
    [("count = most - (a->first + from + most) % granule;", "count = most;")],
)
plant(
    "cl/conv_weights.cl",
    "conv_backward_parameters",
    [CPU],
    [
        ("if (biased && k0 == 0)", "if (biased)"),
        ("for (uint o = 0; o < most && within; o++)", "for (uint o = 0; o < most; o++)"),
        ("total[o] = j < granule ? sum : total[o] + sum;", "total[o] = j <= granule ? sum : total[o] + sum;"),
    ],
)
plant(
    "cl/conv_pack.cl",
    "conv_forward conv_backward_input conv_backward_parameters",
    [CPU],
    [
        ("min(t, taps - 4), packed + r, block);", "t, packed + r, block);"),
        ("min(p, end - 4), to + o, VEC);", "p, to + o, VEC);"),
    ],
)
plant(
    "src/device/opencl/launchers/conv.c",
    "conv_backward_weights conv_backward_parameters",
    [CPU],
    [
        ("return a->n == 1 && op_panel_width(a) == 1;", "return a->n == 1;"),
        ("s[WINDOW_GRANULE] != 1 && !is_row(a);", "!is_row(a);"),
        ("> 1 && !s[WINDOW_PY] && !s[WINDOW_PX] &&", "> 1 &&"),
    ],
)
plant(
    "cl/dense_bias.h",
    "dense_backward_bias dense_backward_parameters",
    [CPU],
    [
        ("total[lane] = j < granule ? c[lane] :", "total[lane] = j <= granule ? c[lane] :"),
        ("c[lane] = within == 0 ? 0.0f : before;", "c[lane] = before;"),
        ("for (uint lane = 0; lane < outputs; lane++)\n                    c[lane]",
         "for (uint lane = 0; lane + 1 < outputs; lane++)\n                    c[lane]"),
    ],
)
plant(
    "cl/conv.cl",
    "conv_forward conv_forward_no_bias",
    [CPU],
    [
        ("int first = at < 0 ? (dilation - 1 - at) / dilation : 0;", "int first = at < 0 ? -at / dilation : 0;"),
        ("int end = at < size ? min(taps, (size - 1 - at) / dilation + 1) : 0;",
         "int end = at < size ? (size - 1 - at) / dilation + 1 : 0;"),
        ("if ((uint)r < rows) {", "if ((uint)r <= rows) {"),
        ("store_vec(finish_vec(c[r][v], least), v, y", "store_vec(c[r][v], v, y"),
        ("store_vec(finish_vec(c[r][v], least), v, y", "store_vec(flush_vec(c[r][v]), v, y"),
        ("store_vec(finish_vec(c[s][v], least), v, lanes[s]);", "store_vec(flush_vec(c[s][v]), v, lanes[s]);"),
        ("weight += taps.weights;", "weight += taps.values;"),
        ("values += channels.values;", "values += lines.values;"),
        ("chain(ROWS, c, x + at * PANEL, w + taps.first * ROWS,", "chain(ROWS, c, x + at * PANEL, w,"),
        ("if (SX == 1 && ox + PLACES <= OW &&", "if (ox + PLACES <= OW &&"),
        ("ox + PLACES <= OW && are_same(taps, taps_inside(x0 + PLACES - 1, W, KW, DX))", "ox + PLACES <= OW"),
        ("y[(size_t)r * apart + s] = lanes[s][r];", "y[(size_t)r + s] = lanes[s][r];"),
    ],
)
plant(
    "cl/conv.cl",
    "conv_backward_input",
    [CPU],
    [
        ("|| from >= size)", "|| from > size)"),
        ("r.places = -(r.taps * dilation / stride);", "r.places = -(dilation / stride);"),
        ("const uint oy = (iy + PY - lines.first * DY) / SY;", "const uint oy = (iy + PY - lines.first) / SY;"),
        ("across = {outputs, (long)OH * OW * PANEL, (long)KH * KW * ROWS};",
         "across = {outputs, (long)OH * OW * PANEL, (long)KW * ROWS};"),
        ("if (SX == 1 && left >= PLACES && are_same", "if (left >= PLACES && are_same"),
        ("const uint ix = left - some;", "const uint ix = left - 1;"),
        ("for (int k = 0; k < taps && k * dilation <= at; k++) {",
         "for (int k = 0; k < taps && k * dilation < at; k++) {"),
    ],
)
plant(
    "cl/conv_pack.cl",
    "conv_forward conv_backward_input",
    [CPU],
    [
        ("= r0 + r < rows ? row[t] : 0.0f;", "= row[t];", UNSTORED),
        ("to = min(depth, from + run);", "to = from + run;"),
        ("packed[t * block + r] =", "packed[t * block + r / 2] ="),
    ],
)
plant(
    "cl/conv_pack.cl",
    "conv_backward_weights",
    [CPU],
    [
        ("const uint by_fours = from % 4 + PANEL % 4 == 0 &&", "const uint by_fours = PANEL % 4 == 0 &&"),
        ("? lanes / 4 * 4 : 0;", "? (lanes + 3) / 4 * 4 : 0;",
         "lanes past the last granule are not added to the total, whatever they hold"),
        ("vstore4((float4)(a.y, a.w, b.y, b.w), 0,", "vstore4((float4)(a.y, a.w, b.w, b.y), 0,"),
        ("(row - c * lines) * line + (i - row * across) * step;", "(row - c * lines) * line + (i - row * across);"),
        ("(size_t)c * plane + (row - c * lines) * line", "(size_t)c * plane + row * line"),
        ("const uint n = from + min(lane, lanes - 1) * granule + s;",
         "const uint n = from + min(lane, lanes - 1) + s;"),
        ("to[j * example + (size_t)p * VEC + o] = o < left ? value : 0.0f;",
         "to[j * example + (size_t)p * VEC + o] = value;", UNSTORED),
        ("y[((size_t)s * elements + i) * VEC + lane] = lane < lanes ? value : 0.0f;",
         "y[((size_t)s * elements + i) * VEC + lane] = value;",
         "lanes past the last granule are not added to the total, whatever they hold"),
        ("__global float *rows = y + (size_t)(n - from) * elements;\n        const uint some = last - n >= 4 ? 4 : 1;",
         "__global float *rows = y + (size_t)(n - from) * elements;\n        const uint some = last - n >= 3 ? 4 : 1;"),
    ],
)
plant(
    "cl/conv_pack.cl",
    "conv_backward_bias",
    [CPU],
    [
        ("end > granule ? min(end - granule, begin) : 0,", "end > granule ? end - granule : 0,",
         "a turn that is repeated gives the same sums"),
        ("end > granule ? min(end - granule, begin) : 0,", "0,"),
        ("k = k + 1 == granule ? 0 : k + 1;", "k = k + 1;"),
        ("closed = within[lane] + 1 == granule || j + 1 == batch;", "closed = within[lane] + 1 == granule;"),
        ("        if (any)\n", "        if (any || true)\n"),
        ("next[o][0] = k == 0 ? 0.0f : before[o];", "next[o][0] = before[o];"),
    ],
)
plant(
    "cl/conv_weights.cl",
    "conv_backward_weights",
    [CPU],
    [
        ("if (i >= b->from[t] && i < b->to[t]) {", "if (i >= b->from[t] && i <= b->to[t]) {"),
        ("to = min(x0 + across, b->any_to);", "to = b->any_to;"),
        ("const int all_from = min(max(b->all_from, from), max(from, to));",
         "const int all_from = max(b->all_from, from);"),
        ("const int y_to = min(y0 + lines, b->y_to);", "const int y_to = b->y_to;"),
        ("min((uint)COLS, by_channel ? channels - c : KW - kx);", "min((uint)COLS, KW - kx);"),
        ("b->weight = (c * KH + ky) * KW + kx;", "b->weight = (c * KH + ky) + kx;"),
        ("totals[k][r][t] = begins ? sums[k][r][t] : totals[k][r][t] + sums[k][r][t];",
         "totals[k][r][t] = sums[k][r][t];"),
        ("add_granule(totals, sums, count, j < granule);", "add_granule(totals, sums, count, j <= granule);"),
        ("if (!any && j >= granule)", "if (j >= granule)"),
        ("if (within + run < granule && j + run < batch) {", "if (within + run < granule) {"),
        ("INLINE float positive_zero(float x) { return x == 0.0f ? 0.0f : x; }",
         "INLINE float positive_zero(float x) { return x; }", IEEE_CHAIN),
        ("        if (within)\n", "        if (within > 1)\n"),
        ("if (lane + j < lanes)", "if (lane + j + 1 < lanes)"),
        ("float4 sum = fresh ? (float4)(0.0f) : ", "float4 sum = "),
        ("t = !more ? t : wraps ? 0 : t + 1;", "t = wraps ? 0 : t + 1;"),
        ("r += more && wraps;", "r += wraps;"),
        ("                     first + n == 0);", "                     n == 0);"),
        ("step = n / VEC * granule + s,", "step = n / VEC + s,"),
        ("count = min(count, all - k0);", ""),
        ("at_dy[r] = min((uint)r, rows - 1 - r0) * a.dy_row;", "at_dy[r] = min((uint)r, rows - r0) * a.dy_row;",
         UNSTORED),
    ],
)
plant(
    "cl/depthwise.cl",
    "conv_forward conv_backward_input",
    [CPU],
    [
        ("l.taps.count == 3 && l.taps.values == neighbor && l.taps.weights == 1;", "l.taps.count == 3;"),
        ("const uint at = min(i, count - size);", "const uint at = i;"),
        ("const uint size = count >= COLS ? COLS :", "const uint size = count > COLS ? COLS :",
         "smaller blocks give the same sums"),
        ("*y = finish_value(c, least);", "*y = arith_flush(c);"),
        ("*y = finish_value(c, least);", "*y = c < least ? 0.0f : c;"),
        ("store_vec(finish_vec(c[s][v], least), v, y + s * y_step);",
         "store_vec(flush_vec(c[s][v]), v, y + s * y_step);"),
        ("            last = k;\n", ""),
        ("const int from = (padding + stride - 1) / stride, last", "const int from = padding / stride, last"),
        ("const run down = oy >= rows.x && oy < rows.y ? all_down", "const run down = oy < rows.y ? all_down"),
        ("            oy += count - 1;\n", "", "what was computed together is computed again, one by one"),
        ("inside ? min(left, rows.y - j) : 1;", "inside ? left : 1;"),
        ("const uint at = min(i, count - VEC);", "const uint at = i;"),
    ],
)
plant(
    "cl/depthwise_turns.cl",
    "conv_backward_weights",
    [CPU],
    [
        ("    if (SPLIT > 4)\n", "    if (SPLIT > 8)\n"),
        ("v[q] = (vec)(a.even, b.even);", "v[q] = (vec)(a.even, b.odd);"),
        ("const bool begins = (first + n) % granule == 0,", "const bool begins = n == 0,"),
        ("closes = (first + n + VEC) % granule == 0 || n + VEC >= N;", "closes = (first + n + VEC) % granule == 0;"),
        ("                if (!finite)\n", "                if (false)\n"),
        ("SPLIT + k >= lanes)", "SPLIT + k > lanes)"),
        ("r < VEC / SPLIT && r * SPLIT < lanes; r++", "r < VEC / SPLIT; r++",
         "the sums of lanes without an example are +0, which adds nothing"),
        ("kx + COLS < KW ? COLS :", "kx + COLS <= KW ? COLS :"),
        ("float sum = first + n < granule ?", "float sum = n < granule ?"),
    ],
)
plant(
    "cl/depthwise_weights.cl",
    "conv_backward_weights",
    [CPU],
    [
        ("all = all && (l >= (int)b->lines || (y >= b->y_from[l] && y < b->y_to[l]));",
         "all = all && (l >= (int)b->lines || y < b->y_to[l]);"),
        ("float sum = first + n == 0 ? part[0]", "float sum = n == 0 ? part[0]"),
        ("for (uint k = 1; k < lanes; k++)", "for (uint k = 1; k < VEC; k++)"),
        ("l < b.lines && within; l++", "l < b.lines; l++"),
        ("add_edge(c, b, y, xy, dyy, x_step, dy_step, b->all_to, b->any_to);", ""),
        ("i >= b->from[t] && i < b->to[t])", "i < b->to[t])"),
        ("b->col = (long)DX * pitch;", "b->col = (long)pitch;"),
    ],
)

# ---- pooling, loss, sums --------------------------------------------------------------------------------------------

plant(
    "cl/pool.cl",
    "max_pool_forward average_pool_forward",
    [CPU, GPU],
    [
        ("return (x > best) | ((x != x) & (best == best));", "return x > best;"),
        ("min(max(from + taps, padding) - padding, inputs)}", "max(from + taps, padding) - padding}"),
        ("l < fold && l + fold < used; l++", "l < fold; l++"),
        ("lanes[(t + k) % 16][item] +=", "lanes[k % 16][item] +="),
        ("const uint t = (iy - rows.first) * KW;", "const uint t = iy - rows.first;"),
        ("arith_flush(arith_mean(arith_flush(((float *)&sum)[lane]), count, reciprocal))",
         "arith_flush(arith_mean(((float *)&sum)[lane], count, reciprocal))",
         "the mean of a sum below 2^-40 is below it too, as the count is 1 at least, and is flushed"),
        ("arith_flush(arith_mean(arith_flush(((float *)&sum)[lane]), count, reciprocal))",
         "arith_mean(arith_flush(((float *)&sum)[lane]), count, reciprocal)"),
        ("used = min(KH * KW, 16u);", "used = min(KH * KW, 15u);"),
        ("row_ends ? 0u : at.x + 1};", "row_ends ? 1u : at.x + 1};"),
    ],
)
plant(
    "cl/pool.cl",
    "max_pool_forward max_pool_backward",
    [CPU],
    [
        ("const int4 wins = (value[k] > best) |", "const int4 wins = (value[k] >= best) |"),
        ("| ((value[k] != value[k]) & (best == best));", ";"),
        ("const float4 value[4] = {above.even, above.odd, below.even, below.odd};",
         "const float4 value[4] = {above.even, below.even, above.odd, below.odd};"),
        ("vstore8(below, 0, dx + upper + W);", "vstore8(below, 0, dx + upper);"),
    ],
)
plant(
    "cl/pool.cl",
    "max_pool_backward average_pool_backward",
    [GPU, CPU],
    [
        ("return (x > best) |", "return (x >= best) |"),  # the first maximum becomes the last
        ("min(at / stride + 1, outputs)};", "min(at / stride, outputs)};"),
        ("j < i ? !beats(self, x[j]) : beats(x[j], self)", "beats(x[j], self)"),
        ("dx[i] = arith_flush(sum);", "dx[i] = sum;"),
        ("EACH_VECTOR d[v] = flush_vec(load_vec(v, dy + (size_t)i * PANEL));",
         "EACH_VECTOR d[v] = load_vec(v, dy + (size_t)i * PANEL);"),
        ("at.y + 1 < OH ? (at.y + 1) * SY - PY : H};", "at.y + 1 < OH ? rows.end : H};"),
        ("const vec done = flush_vec(load_vec(j, dx));", "const vec done = load_vec(j, dx);"),
        ("masked ? mask_vec(done, load_vec(j, x)) : done", "done"),
        ("if (masked) d = most == (float4)(0.0f)", "if (masked) d = d == (float4)(0.0f)"),
        ("if (masked) EACH_VECTOR d[v] = mask_vec(d[v], best[v]);", ""),
        ("masked ? mask_vec(done, load_vec(v, x + (size_t)i * PANEL)) : done", "done"),
        ("if (at.x == 0) down = outputs_of(at.y, OH, KH, SY, PY);", ""),
        ("at < taps ? 0u : (at - taps) / stride + 1", "at < taps ? 0u : (at - taps) / stride"),
    ],
)
plant(
    "cl/loss.cl",
    "softmax_loss",
    [GPU],
    [
        ("return wins | (xj > xl) | ((xj == xl) & (j < label));",
         "return wins | (xj > xl) | ((xj == xl) & (j <= label));"),
        ("return wins | (xj > xl) | ((xj == xl) & (j < label));", "return wins | (xj > xl);"),
        ("if (real) d[j] = arith_flush(p - (j == label ? on : off));",
         "d[j] = arith_flush(p - (j == label ? on : off));",
         EQUAL_WRITES),
        ("if (real) d[j] = arith_flush(p - (j == label ? on : off));", "if (real) d[j] = p - (j == label ? on : off);"),
        ("    if (real && l == 0) {\n        losses[first + r] = arith_flush(loss);",
         "    if (real && l == 0) {\n        losses[first + r] = loss;",
         LOSS_IS_LARGE),
        ("for (uint k = 0; k < LANES; k++) { /*", "for (uint k = 1; k < LANES; k++) { /*"),
        ("return (1.0f - smoothing) + off;", "return 1.0f - smoothing;"),
    ],
)
plant(
    "cl/loss.cl",
    "softmax_loss",
    [RACES_GPU],
    [("barrier(CLK_LOCAL_MEM_FENCE); /* all have read the sum */", "")],
)
plant(
    "cl/loss.cl",
    "softmax_loss",
    [CPU],
    [
        ("lane[l] += at + l < classes ? e : 0.0f;", "lane[l] += e;"),
        ("d[at + l] = arith_flush(p[l] - (at + l == label ? on : off));",
         "d[at + l] = p[l] - (at + l == label ? on : off);"),
        ("    losses[first + r] = arith_flush(loss);\n    hits[first + r]",
         "    losses[first + r] = loss;\n    hits[first + r]",
         LOSS_IS_LARGE),
        ("lane[l] = at + l < classes ? fma(q, surprise, lane[l]) : lane[l];", "lane[l] = fma(q, surprise, lane[l]);"),
        ("    __global float *d = gradient + r * classes;\n    const uint label = labels[r] < classes ? labels[r] "
         ": classes - 1;\n"
         "    const float xl = x[label], off = target_off(smoothing, classes), on = target_on(smoothing, off);\n"
         "    float lane[LANES]",
         "    __global float *d = gradient + r * classes;\n    const uint label = labels[r];\n"
         "    const float xl = x[label], off = target_off(smoothing, classes), on = target_on(smoothing, off);\n"
         "    float lane[LANES]"),
    ],
)
plant(
    "cl/target_loss.cl",
    "squared_loss absolute_loss huber_loss logistic_loss",
    [CPU],
    [
        ("if (real) gradient[r * outputs + j] = arith_flush(arith_div(slope(yj, tj, delta), (float)outputs));",
         "if (real) gradient[r * outputs + j] = arith_div(slope(yj, tj, delta), (float)outputs);"),
        ("losses[first + r] = arith_flush(arith_div(lanes[row][0], (float)outputs));",
         "losses[first + r] = arith_div(lanes[row][0], (float)outputs);"),
        ("losses[first + r] = arith_flush(", "losses[r] = arith_flush("),
        ("        if (l < fold) lanes[row][l] += lanes[row][l + fold];",
         "        if (l < fold) lanes[row][l] += lanes[row][fold];"),
    ],
)
plant(
    "cl/sum.cl",
    "sum_blocks check_finite",
    [CPU],
    [
        ("lane[l] = l < some ? x : 0.0f;", "lane[l] = x;"),
        ("begin = above * row + (block", "begin = above + (block"),
        ("in[from + begin +", "in[begin +"),
        ("        barrier(CLK_LOCAL_MEM_FENCE);\n", ""),
        ("find_largest(x, from, to) >= ARITH_INF", "find_largest(x, from, to) > ARITH_INF"),
        ("out[at + block] = lane[0];", "out[block] = lane[0];"),
    ],
)
plant(
    "cl/norm_fold.cl",
    "norm_merge_statistics norm_merge_sums norm_backward_sums",
    [CPU],
    [
        ("of_groups[3 * (size_t)C * g]));", "of_groups[3 * (size_t)C * g] * 1.5f));"),
        ("VALUES of = of_groups + which * C + c;", "VALUES of = of_groups + c;"),
        ("fma(d, d, of[C])", "of[C]"),
    ],
)
plant(
    "cl/tree.cl",
    "add_node",
    [GPU],
    [("*to4 = u;", "*to4 += u;"), ("*to4 += u;", "*to4 = u;")],
)
plant(
    "cl/tree.cl",
    "add_node add_tree",
    [CPU],
    [
        ("i < to; i++) node[i] = other[i];", "i < to; i++) node[i] += other[i];"),
        ("PLACE_RUN(at, count);", "PLACE_RUN(0u, count);"),
        ("for (uint r = 0; r < R; r++) tree_add", "for (uint r = 1; r < R; r++) tree_add"),
    ],
)
plant(
    "cl/binary_tree.h",
    "",
    [test("oracle"), test("norm")],
    [
        ("bits = number; bits & 1u; bits >>= 1)", "bits = number; bits & 2u; bits >>= 1)"),
        ("while (at) x = arith_chain(x, node[--at]);", "if (at) x = arith_chain(x, node[--at]);"),
        ("return ARITH_FMA(n - 1.0f, x, x);", "return ARITH_FMA(n, x, x);"),
    ],
)
plant(
    "cl/watch.cl",
    "watch",
    [CPU, GPU],
    [
        ("loss_lane[l] = l < sums ? loss : 0.0f;", "loss_lane[l] = loss;"),
        ("weight_lane[l] = l < sums ? weight : 0.0f;", "weight_lane[l] = weight;"),
        ("if (!arith_is_finite(loss)) set_first_bad", "if (arith_is_nan(loss)) set_first_bad"),
        ("find_largest(gradient, from, to) >= ARITH_INF", "find_largest(gradient, from, to) > ARITH_INF"),
        ("PLACE_RUN(0u, elements);", "PLACE_RUN(0u, elements - 1);"),
        ("ring[step % places] = loss;", "ring[step] = loss;"),
        ("loss = arith_flush(arith_div(loss_lane[0], count));", "loss = arith_div(loss_lane[0], count);"),
        ("weighted ? weight_lane[0] : examples,", "examples,"),
        ("weight == 0.0f ? 1.0f : weight", "weight"),
        ("if (item || !lanes) return;", "if (item) return;"),
    ],
)
plant(
    "cl/watch.cl",
    "watch",
    [RACES_GPU],
    [("        barrier(CLK_LOCAL_MEM_FENCE);\n", "")],
)
plant(
    "cl/first_bad.h",
    "watch check_finite",
    [CPU],
    [("if (atomic_cmpxchg(&first_bad[0], 0u, step) == 0u) first_bad[1] = what;",
      "atomic_cmpxchg(&first_bad[0], 0u, step); first_bad[1] = what;")],
)
plant(
    "cl/sum_squares.cl",
    "square_blocks square_rows dense_norms",
    [GPU],
    [
        ("for (uint i = l; i < some; i += LANES) {", "for (uint i = l; i < BLOCK; i += LANES) {"),
        ("const float value = arith_flush(x[(size_t)from + i]);", "const float value = x[(size_t)from + i];"),
        ("const float value = arith_flush(x[r * cols + c]);", "const float value = x[r * cols + c];"),
        ("if (real && l == 0) out[at + r * blocks + block] = scale", "if (real && l == 0) out[at + r + block] = scale"),
        ("norms[first + r] = fma(of_x[row][0] + bias, of_dy[row][0], added ? before : 0.0f);",
         "norms[first + r] = fma(of_x[row][0] + bias, of_dy[row][0], before);"),
        ("const uint end = from + min((uint)COLUMNS, cols - from);", "const uint end = from + COLUMNS;"),
    ],
)
plant(
    "cl/sum_squares.cl",
    "square_blocks square_rows dense_norms",
    [CPU],
    [
        ("i + 4 * VEC <= some; i += LANES) {", "i + 4 * VEC < some; i += LANES) {"),
        ("        const float value = arith_flush(x[i]);", "        const float value = x[i];"),
        ("r < VEC && first + r < rows; r++)", "r < VEC; r++)"),
        ("norms[first + r] = fma(of_x + bias, of_dy, added ? before : 0.0f);",
         "norms[first + r] = fma(of_x, of_dy, added ? before : 0.0f);"),
        ("* panel + first % panel;", "* panel;"),
        ("for (; i + ROW_LANES <= count; i += ROW_LANES) {", "for (; i + ROW_LANES < count; i += ROW_LANES) {",
         "the last sixteen go to the same lanes one by one"),
    ],
)
plant(
    "cl/preconditioned.cl",
    "preconditioned_blocks preconditioned_rows",
    [GPU],
    [
        ("if (item == 0) out[at + block] = scale * preconditioner_flush(lane[0]);",
         "if (item == 0) out[at + block] = scale * lane[0];"),
        ("if (real && l == 0) out[at + r * blocks + block] = scale * preconditioner_flush(lane[row][0]);",
         "if (real && l == 0) out[at + r * blocks + block] = scale * lane[row][0];"),
        ("sum = preconditioner_add(sum, arith_flush(x[r * cols + c]), v[r * cols + c], unbias, epsilon);",
         "sum = preconditioner_add(sum, x[r * cols + c], v[r * cols + c], unbias, epsilon);"),
    ],
)
plant(
    "cl/preconditioned.cl",
    "preconditioned_blocks preconditioned_rows",
    [CPU],
    [
        ("lane[l] = preconditioner_add(lane[l], arith_flush(x[i + l]), v[i + l], unbias, epsilon);",
         "lane[l] = preconditioner_add(lane[l], x[i + l], v[i + l], unbias, epsilon);"),
        ("    out[at + block] = scale * preconditioner_flush(lane[0]);\n}\n\n/* The same for processors, for a matrix",
         "    out[at + block] = scale * lane[0];\n}\n\n/* The same for processors, for a matrix"),
        ("float *sum = lane + c % ROW_LANES * VEC + r;", "float *sum = lane + c % ROW_LANES + r;"),
    ],
)

# ---- updates --------------------------------------------------------------------------------------------------------

plant(
    "cl/adam.cl",
    "adam lamb_direction lamb_step",
    [CPU],
    [
        ("return arith_flush(fma(-lr, arith_flush_state(fma(decoupled, w, move)), w));",
         "return fma(-lr, arith_flush_state(fma(decoupled, w, move)), w);"),
        ("return arith_flush(fma(-lr, arith_flush_state(fma(decoupled, w, move)), w));",
         "return arith_flush(fma(-lr, fma(decoupled, w, move), w));",
         "a move below 2^-100 changes no weight, which is 0 or 2^-40 at least"),
        ("const float g = arith_flush(fma(decay, w, mean));", "const float g = fma(decay, w, mean);"),
        ("return arith_flush(fma(decay, w, adam_move(g, m, v, beta1, rest1, beta2, rest2, unbias1, unbias2,",
         "return (fma(decay, w, adam_move(g, m, v, beta1, rest1, beta2, rest2, unbias1, unbias2,"),
        ("if (first_bad[0]) return;", ""),
        ("const float rate = adapted ? arith_flush_state(lr * divisor[DIVISOR_RATIO]) : lr;",
         "const float rate = arith_flush_state(lr * divisor[DIVISOR_RATIO]);"),
        ("w[i] = arith_flush(fma(-rate, direction[i], w[i]));", "w[i] = fma(-rate, direction[i], w[i]);"),
    ],
)
plant(
    "cl/adam.cl",
    "lamb_step",
    [GPU],
    [("fma(-rate, move[k], x[k])", "fma(-rate, move[0], x[k])")],
)
plant(
    "cl/update_run.h",
    "sgd adam",
    [CPU, GPU],
    [
        ("        a[i] = state;", "        a[i] = x;"),
        ("        a[i] = first;", "        a[i] = second;"),
        ("        store_four(state, a + from);", "        store_four(x, a + from);"),
        ("        store_four(second, b + from);", "        store_four(first, b + from);"),
        ("&first[k], &second[k], means[k],", "&first[k], &second[k], means[0],"),
        ("#define MEAN(i) one_mean(sum[i], divisor)", "#define MEAN(i) sum[i]"),
    ],
)
plant(
    "cl/fours.h",
    "sgd watch",
    [GPU],
    [
        ("from = max(four, (uint)(at));", "from = four;"),
        ("to = min(four + 4u, (at) + (count))\n", "to = four + 4u\n"),
        ("((at) & ~3u)", "(at)"),
        ("v[3] = u.w;", "v[3] = u.z;"),
        ("(float4)(v[0], v[1], v[2], v[3])", "(float4)(v[0], v[1], v[2], v[2])"),
        ("max(max(u.x, u.y), max(u.z, u.w))", "max(max(u.x, u.y), u.w)"),
    ],
)
plant(
    "cl/gradient_means.h",
    "sgd lion",
    [CPU],
    [
        ("arith_flush(sum[k] * reciprocal)", "sum[k] * reciprocal"),
        (" && factor == 1.0f", ""),
        (" && (arith_bits(count) & ARITH_FRACTION) == 0u", ""),
        ("count >= 1.0f && ", ""),
    ],
)
plant(
    "cl/sgd.cl",
    "sgd lars",
    [CPU],
    [
        ("const float velocity = arith_flush_state(fma(momentum, *v, arith_flush_state(rate * g)));",
         "const float velocity = arith_flush_state(fma(momentum, *v, rate * g));"),
        ("return arith_flush(w - velocity);", "return w - velocity;"),
        ("adapted ? arith_flush_state(lr * divisor[DIVISOR_RATIO]) : lr;", "lr;"),
        ("return arith_flush(w - velocity);", "return arith_flush(w + velocity);"),
    ],
)
plant(
    "cl/sgd_move.h",
    "sgd",
    [CPU],
    [
        ("const float move = nesterov ? arith_flush_state(fma(momentum, velocity, g)) : velocity;",
         "const float move = velocity;"),
        ("const float velocity = arith_flush_state(fma(momentum, *v, g));",
         "const float velocity = fma(momentum, *v, g);"),
        ("return arith_flush(fma(-lr, move, w));", "return fma(-lr, move, w);"),
    ],
)
plant(
    "cl/rmsprop.cl",
    "rmsprop",
    [CPU],
    [
        ("const float mean = arith_select(squares < 0x1p-80f, 0.0f, squares);", "const float mean = squares;"),
        ("const float g = arith_flush(fma(decay, w, gradient));", "const float g = fma(decay, w, gradient);"),
        ("*b = velocity;", "*b = ratio;"),
    ],
)
plant(
    "cl/fours.h",
    "rmsprop",
    [CPU],
    [("to = min(from + RUN, (at) + (count))", "to = from + RUN")],
)
plant(
    "cl/lion.cl",
    "lion",
    [CPU],
    [
        ("*m = arith_flush_state(fma(beta2, *m, rest2 * g));", "*m = fma(beta2, *m, rest2 * g);"),
        ("const float c = arith_flush_state(fma(beta1, *m, rest1 * g));", "const float c = fma(beta1, *m, rest1 * g);"),
        ("arith_select(c < 0.0f, -1.0f, c)", "-1.0f"),
        ("return arith_flush(fma(-lr, fma(decay, w, sign), w));", "return arith_flush(fma(-lr, sign, w));"),
    ],
)
plant(
    "cl/divisor.cl",
    "gradient_clip trust_ratio",
    [RACES_GPU],
    [("barrier(CLK_LOCAL_MEM_FENCE); /* an earlier sum was read */", "")],
)
plant(
    "cl/divisor.cl",
    "gradient_clip trust_ratio",
    [GPU],
    [
        ("divisor[DIVISOR_FACTOR] = factor < 1.0f ? factor : 1.0f;", "divisor[DIVISOR_FACTOR] = factor;"),
        ("if (!arith_is_finite(norm)) set_first_bad(first_bad, step, what);",
         "if (arith_is_nan(norm)) set_first_bad(first_bad, step, what);"),
        ("arith_is_zero(w) || arith_is_zero(other) ? 1.0f : ratio;", "arith_is_zero(w) ? 1.0f : ratio;"),
        ("const float other = of_sum ? arith_flush_state(mean) : root,", "const float other = of_sum ? mean : root,"),
        ("for (uint i = l + LANES; i < count; i += LANES)", "for (uint i = l + LANES; i + 1 < count; i += LANES)"),
    ],
)

# ---- value by value -------------------------------------------------------------------------------------------------

plant(
    "cl/weigh.cl",
    "weigh",
    [CPU],
    [
        ("return w == 0.0f ? 0.0f : arith_flush(w * x);", "return arith_flush(w * x);"),
        ("const float w = arith_flush(source[direct ? r : order[at + r]]);",
         "const float w = source[direct ? r : order[at + r]];"),
        ("losses[first + r] = weighed(losses[first + r], w);", "losses[first + r] = weighed(losses[r], w);"),
    ],
)
plant(
    "cl/bias.cl",
    "add_bias",
    [CPU, GPU],
    [
        ("y[i] = arith_flush(y[i] + bias);", "y[i] = y[i] + bias;"),
        ("const float bias = b[plane % O];", "const float bias = b[plane / O];"),
        ("to = min(from + RUN, elements);", "to = from + RUN;"),
    ],
)
plant(
    "cl/join.cl",
    "add multiply",
    [GPU],
    [
        ("finish_value(sum[k] + other[k], least)", "sum[k] + other[k]"),
        ("mask_value(sum[k], mask[k])", "mask_value(sum[k], other[k])"),
        ("arith_flush(u[k] * v[k])", "u[k] * v[k]"),
    ],
)
plant(
    "cl/join.cl",
    "add multiply concat_forward concat_backward",
    [CPU],
    [
        ("y[i] = finish_value(a[i] + b[i], least);", "y[i] = arith_flush(a[i] + b[i]);"),
        ("y[i] = finish_value(a[i] + b[i], least);", "y[i] = a[i] + b[i] < least ? 0.0f : a[i] + b[i];"),
        ("y[i] = mask_value(finish_value(a[i] + b[i], least), x[i]);", "y[i] = finish_value(a[i] + b[i], least);"),
        ("y[i] = mask_value(finish_value(a[i] + b[i], least), x[i]);", "y[i] = mask_value(a[i] + b[i], x[i]);"),
        ("    if (masked)\n        EACH_ALONE", "    if (!masked)\n        EACH_ALONE"),
        ("y[i] = arith_flush(a[i] * b[i]);", "y[i] = a[i] * b[i];"),
        ("(size_t)to_width + to_at;", "(size_t)to_width;"),
        ("first = get_global_id(0) * RUN, end = min(first + RUN, elements);",
         "first = get_global_id(0) * RUN, end = first + RUN;"),
    ],
)
plant(
    "cl/reorder.cl",
    "to_rows to_panels",
    [CPU],
    [
        ("lane < min((uint)PANEL, n - r); lane++", "lane < (uint)PANEL; lane++"),
        ("y[i * PANEL + lane] = row == lane ? value : 0.0f;", "y[i * PANEL + lane] = value;",
         "what is in a panel past the tile's end does not matter"),
        ("y[(size_t)lane * elements + i] = x[i * PANEL + lane];", "y[(size_t)lane * elements + i] = x[i * PANEL];"),
    ],
)
plant(
    "cl/resize.cl",
    "upsample_forward upsample_backward pad_forward pad_backward",
    [CPU],
    [
        ("if (iy < H && ix < W)", "if (iy < H && ix <= W)"),
        ("* H + at.y / Y) * W + at.x / X) * PANEL,", "* H + at.y / X) * W + at.x / X) * PANEL,"),
        ("EACH_VECTOR store_vec(flush_vec(sum[v]), v,", "EACH_VECTOR store_vec(sum[v], v,"),
        ("* OH + at.y + Y) * OW + at.x + X) * PANEL,", "* OH + at.y + Y) * OW + at.x + Y) * PANEL,"),
        ("EACH_VECTOR store_vec((vec)0.0f, v, y", "EACH_VECTOR store_vec((vec)1.0f, v, y"),
    ],
)
plant(
    "cl/dropout.cl",
    "dropout_forward dropout_backward",
    [CPU],
    [
        ("const float kept = arith_flush(activate(x[start + i]) * scale);",
         "const float kept = activate(x[start + i]) * scale;"),
        ("arith_flush(activate(x[start + i]) * scale);", "arith_flush(x[start + i] * scale);"),
        ("deactivate(s[start + i], done);", "done;"),
        ("deactivate(s[start + i], done);", "deactivate(s[i], done);"),
        ("activation_relu_gradient(y[start + i], ", "activation_relu_gradient(y[i], "),
        ("arith_flush(dy[start + i] * scale)", "arith_flush(dy[start + i])"),
        ("((uint *)&c[3])[d] = unit / 4 + (from + d) / PANEL;", "((uint *)&c[3])[d] = unit / 4;"),
        ("c[2] = high0 ^ c[3] ^ k1;", "c[2] = high0 ^ c[3] ^ k0;"),
        ("order[at + min(row + (from + d) % PANEL, n - 1)];", "order[min(row + (from + d) % PANEL, n - 1)];"),
        ("const float done = threshold && word", "const float done = word",
         "no word is below a threshold of 0, whatever is in what was not drawn"),
        ("round < 10; round++", "round < 9; round++"),
    ],
)
plant(
    "cl/feed.cl",
    "gather_bytes gather_floats gather_image_bytes gather_image_floats one_hot",
    [CPU],
    [
        ("const uint row = order[direct ? 0u : at + r];", "const uint row = order[direct ? 0u : r];"),
        ("{ return arith_flush(fma(source, scale, shift)); }", "{ return fma(source, scale, shift); }"),
        ("a.dy = mul_hi(word.v[1], 2 * shift + 1) - shift;", "a.dy = mul_hi(word.v[1], 2 * shift) - shift;"),
        ("a.mirrored = flip && word.v[0] >> 31;", "a.mirrored = flip && word.v[0] & 1;"),
        ("const int hole = row - a[lane].top < cutout &&", "const int hole = row - a[lane].top <= cutout &&"),
        ("if (++row == height) row = 0, channel++;", "++row;"),
        ("target[i] = label[i / classes] == first + i % classes", "target[i] = label[i / classes] == i % classes"),
        ("width - 1 - u : u);", "width - u : u);"),
        ("label[i] = labels[row_of(order, at, direct, i)];", "label[i] = labels[order[at + i]];"),
        ("!from && i < min(r + PANEL, labelled)", "!from && i < min(r + 1, labelled)"),
    ],
)
plant(
    "cl/feed.cl",
    "gather_bytes gather_floats",
    [GPU],
    [
        ("if (to - from == 4 && ", "if ("),
        ("cast(read(s.z), scale, shift), cast(read(s.w), scale, shift))", "cast(read(s.z), scale, shift), read(s.w))"),
        ("label[i] = labels[row_of(order, at, direct, i)];", "label[i] = labels[i];"),
    ],
)

# ---- normalization --------------------------------------------------------------------------------------------------

plant(
    "cl/norm.cl",
    "norm_rows norm_forward norm_backward_rows norm_backward_input",
    [CPU],
    [
        ("EACH_SUM if (p + l < P) sum[l]", "EACH_SUM if (p + l <= P) sum[l]"),
        ("const vec mean = flush_vec(divide_vec(total, (float)P));", "const vec mean = divide_vec(total, (float)P);"),
        ("if (at.group >= at.base + at.N) // one group", "if (at.group >= at.N) // one group"),
        ("store_vec(finish_vec(adds ? flush_vec(alone) + load_vec(p, z) : alone, least), p, y);",
         "store_vec(flush_vec(adds ? flush_vec(alone) + load_vec(p, z) : alone), p, y);"),
        ("store_vec(finish_vec(adds ? flush_vec(alone) + load_vec(p, z) : alone, least), p, y);",
         "store_vec(finish_vec(adds ? alone + load_vec(p, z) : alone, least), p, y);"),
        ("store_vec(finish_vec(adds ? flush_vec(alone) + load_vec(p, z) : alone, least), p, y);",
         "store_vec(finish_vec(adds ? finish_vec(alone, least) + load_vec(p, z) : alone, least), p, y);"),
        ("store_vec(finish_vec(adds ? flush_vec(alone) + load_vec(p, z) : alone, least), p, y);",
         "store_vec(finish_vec(alone, least), p, y);"),
        ("z += adds ? channel : 0;", ""),
        ("store_rows(flush_vec(inverse * products), rows, 1,", "store_rows(inverse * products, rows, 1,"),
        ("lane < min((uint)VEC, at.N - min(first, at.N)); lane++", "lane < (uint)VEC; lane++"),
        ("fma(scale, load_vec(p, dy), -from_dy))), p, dx);", "fma(scale, load_vec(p, dy), from_dy))), p, dx);"),
        ("EACH_LANE {\n        const uint example = min(first + lane, at.N - 1);",
         "EACH_LANE {\n        const uint example = min(first, at.N - 1);"),
    ],
)
plant(
    "cl/norm.cl",
    "norm_rows norm_forward norm_backward_rows norm_backward_input",
    [GPU],
    [
        ("const bool stores = own < N * C && l == 0;", "const bool stores = l == 0;", EQUAL_WRITES),
        ("for (; k + (AHEAD - 1) * LANES < P; k += AHEAD * LANES) {",
         "for (; k + (AHEAD - 1) * LANES <= P; k += AHEAD * LANES) {"),
        ("for (; k < P; k += LANES) sum = term(sum, load(k));",
         "for (; k < P - 1; k += LANES) sum = term(sum, load(k));"),
        ("y[i] = finish_value(adds ? arith_flush(alone) + z[i] : alone, least);",
         "y[i] = arith_flush(adds ? arith_flush(alone) + z[i] : alone);"),
        ("y[i] = finish_value(adds ? arith_flush(alone) + z[i] : alone, least);",
         "y[i] = finish_value(adds ? alone + z[i] : alone, least);"),
        ("y[i] = finish_value(adds ? arith_flush(alone) + z[i] : alone, least);",
         "y[i] = finish_value(alone, least);"),
        ("z += adds ? own.begin : 0;", ""),
        ("dx[i] = arith_flush(fma(-normalized,", "dx[i] = (fma(-normalized,"),
        ("        rows[0] = arith_flush(total);\n        rows[C] = arith_flush(inverse * products);",
         "        rows[0] = total;\n        rows[C] = arith_flush(inverse * products);"),
        ("rows[C + i] = arith_flush(OF_SET(inverse, i) * (dy[i]", "rows[C + i] = (OF_SET(inverse, i) * (dy[i]"),
    ],
)
plant(
    "cl/norm_fold.cl",
    "norm_statistics norm_backward_sums norm_backward_parameters norm_update_running norm_load_running",
    [GPU],
    [
        ("const uint count = min(group, R - g * group) * W;                                                        "
         "          \\",
         "const uint count = group * W;                                                                            "
         "          \\"),
        ("const bool first = fresh && g == begin;", "const bool first = g == begin;"),
        ("if (c >= C || first_bad[0]) return;", "if (c >= C) return;"),
        ("fma(count, (float)P, -1.0f));", "count * (float)P);"),
        ("statistics[2 * (size_t)C + c] = arith_flush(arith_div(1.0f, arith_sqrt(variance[c] + epsilon)));",
         "statistics[2 * (size_t)C + c] = arith_div(1.0f, arith_sqrt(variance[c] + epsilon));"),
        ("m = arith_flush(fma(momentum, of[0], keep * m));", "m = fma(momentum, of[0], keep * m);"),
    ],
)
plant(
    "cl/norm_fold.cl",
    "norm_statistics norm_backward_sums norm_backward_parameters",
    [CPU],
    [
        ("sum[e % LANES] = term(sum[e % LANES], e);", "sum[0] = term(sum[0], e);"),
        ("const uint own = get_global_id(0) * VEC, c = min(own, C - VEC)",
         "const uint own = get_global_id(0) * VEC, c = own"),
        ("total = fresh && g == begin ? a : total + a;", "total = fresh ? a : total + a;"),
        ("for (; w + LANES <= count; w += LANES) {", "for (; w + LANES < count; w += LANES) {",
         "the loop after it does the same, one channel at a time"),
        ("sums[S + lane] = finish_sum(((float *)&of_products)[lane], inverse[lane], count, P);",
         "sums[S + lane] = finish_sum(((float *)&of_products)[lane], inverse[0], count, P);"),
    ],
)

# ---- what kernels and references share ------------------------------------------------------------------------------

plant(
    "cl/arith.h",
    "",
    [test("arith")],
    [
        ("arith_select(arith_abs(x) < 0x1p-40f, 0.0f, x);", "arith_select(arith_abs(x) <= 0x1p-40f, 0.0f, x);"),
        ("arith_select(arith_abs(x) < 0x1p-100f, 0.0f, x);", "arith_select(arith_abs(x) < 0x1p-101f, 0.0f, x);"),
        ("bits = arith_choose(exponent > 254, ARITH_INF, bits);",
         "bits = arith_choose(exponent > 255, ARITH_INF, bits);"),
        ("const float s = ARITH_FMA(ARITH_FMA(-s0, s0, m), 0.5f * y, s0);\n\n", "const float s = s0;\n\n"),
        ("arith_bits(q) + (arith_u32)(r > half_ulp);", "arith_bits(q);"),
        ("bits = arith_choose(u > ARITH_INF, ARITH_NAN, bits); /* the sign",
         "bits = arith_choose(u >= ARITH_INF, ARITH_NAN, bits); /* the sign",
         "the next line gives infinity its root"),
        ("float c = arith_select(x > 89.0f, 89.0f, arith_flush(x));",
         "float c = arith_select(x > 88.0f, 88.0f, arith_flush(x));"),
        ("q = ARITH_FMA(q, r, 0x1.5558b0p-5f);", "q = ARITH_FMA(q, r, 0x1.5568b0p-5f);"),
        ("y = arith_select(u == ARITH_ONE, 0.0f, y);", "", "ln 1 is +0 by the polynomial as well: k and f are +0"),
        ("arith_select(x < 0.0f, e * y, y)", "arith_select(x <= 0.0f, e * y, y)", "at 0 e is 1, so that both are y"),
        ("ARITH_FMA(ARITH_FMA(-q, n, sum), r, q), sum);", "q, sum);"),
        ("arith_normal_or_zero(arith_select(n < 0.0f, -y, y)));\n}\n\n/* ---- the normal",
         "arith_normal_or_zero(y));\n}\n\n/* ---- the normal"),
        ("^ (n & 2u) << 30);", "^ (n & 1u) << 31);"),
        ("return arith_select(x < 0x1p-80f, 0.0f, ARITH_FMA(", "return arith_select(x < 0x1p-60f, 0.0f, ARITH_FMA("),
    ],
)
plant(
    "cl/activation_functions.h",
    "",
    [test("oracle"), DIGESTS],
    [
        ("return arith_flush(dy * ARITH_FMA(-y, y, 1.0f));", "return arith_flush(dy * ARITH_FMA(y, y, 1.0f));"),
        ("return y == 0.0f ? 0.0f : dy;", "return dy;"),
        ("arith_select(x < 3.0f, middle, dy)", "dy"),
        ("arith_flush(x > 0.0f ? dy : slope * dy);", "arith_flush(x > 0.0f ? dy : dy);"),
    ],
)
plant(
    "cl/adam_move.h",
    "adam lamb_direction",
    [CPU],
    [
        ("ARITH_FMA(beta2, *v, rest2 * (g * g));", "ARITH_FMA(beta2, *v, rest1 * (g * g));"),
        ("const float seen = second * unbias2,", "const float seen = second * unbias1,"),
    ],
)
plant(
    "cl/philox.h",
    "",
    [DIGESTS],
    [
        ("round < 10; round++", "round < 9; round++"),
        ("c1 = (arith_u32)p1;", "c1 = (arith_u32)p0;"),
    ],
)

# ---- references -----------------------------------------------------------------------------------------------------

plant(
    "src/ops/dense.c",
    "dense_forward dense_backward_input dense_backward_weights dense_backward_bias",
    [CPU],
    [
        ("y[(uint64_t)n * outputs + at + o] = finish_value(a, c[o]);",
         "y[(uint64_t)n * outputs + at + o] = arith_flush(c[o]);"),
        ("mask_value(a, x, at, arith_flush(row[i]));", "mask_value(a, x, at, row[i]);"),
        ("if (!x)\n                for (uint32_t i = 0; i < width; i++) c[i] += dr;",
         "if (!x)\n                c[0] = dr;"),
        ("outputs - at < BLOCK ? outputs - at : BLOCK;", "outputs - at < BLOCK ? outputs - at : BLOCK - 1;"),
    ],
)
plant(
    "src/ops/granule.h",
    "dense_backward_weights conv_backward_weights",
    [CPU],
    [
        ("return part.begins ? 0 : part.chain ? *total : *partial;", "return part.begins ? 0 : *partial;"),
        ("*total = part.first ? sum : *total + sum;", "*total = *total + sum;"),
        ("else if (!part.ends)", "else if (part.begins && !part.ends)"),
        ("a->batch - begin < size ? a->batch : begin + size;", "begin + size;"),
    ],
)
plant(
    "src/ops/conv.c",
    "conv_forward conv_backward_input conv_backward_weights",
    [CPU],
    [
        ("y[(uint64_t)(g * l.og + o) * l.p + p] = finish_value(a, sum[o]);",
         "y[(uint64_t)(g * l.og + o) * l.p + p] = arith_flush(sum[o]);"),
        ("wt + ((uint64_t)c * l.t + list[t].number) * l.og, l.og);", "wt + ((uint64_t)c * l.t + t) * l.og, l.og);"),
        ("dyt + (uint64_t)p * l->o + c / l->cg * l->og, l->og);", "dyt + (uint64_t)p * l->o, l->og);"),
        ("mask_value(a, x, at, finish_sum(a, z, at, sum[c]))", "finish_sum(a, z, at, sum[c])"),
    ],
)
plant(
    "src/ops/pool.c",
    "max_pool_forward max_pool_backward average_pool_forward average_pool_backward",
    [CPU],
    [
        ("if (value > plane[best] || arith_is_nan(value)) best",
         "if (value >= plane[best] || arith_is_nan(value)) best"),
        ("lane[list[t].number % ROW_LANES] +=", "lane[t % ROW_LANES] +="),
        ("dx[i] = arith_flush(dx[i]);", ";"),
        ("t < taps && !arith_is_nan(plane[best]); t++", "t < taps; t++"),
    ],
)
plant(
    "src/ops/loss.c",
    "softmax_loss",
    [CPU],
    [
        ("return xj > xl || (xj == xl && j < label);", "return xj >= xl;"),
        ("on = (1 - smoothing) + off;", "on = 1 - smoothing;"),
        ("lane[j % ROW_LANES] += g[j];", "lane[0] += g[j];"),
    ],
)
plant(
    "src/ops/sgd.c",
    "sgd",
    [CPU],
    [
        ("if (first_bad[0]) return;", ""),
        ("const float velocity = arith_flush_state(__builtin_fmaf(momentum, v[i], g));",
         "const float velocity = __builtin_fmaf(momentum, v[i], g);"),
    ],
)
plant(
    "src/ops/norm.c",
    "norm_rows norm_forward norm_backward_rows",
    [CPU],
    [
        ("rows[c] = arith_flush(arith_div(sum_row(x, positions), (float)positions));",
         "rows[c] = arith_div(sum_row(x, positions), (float)positions);"),
        ("rows[channels + c] = arith_flush(at.inverse * sum_products(dy, x, at.mean, positions));",
         "rows[channels + c] = at.inverse * sum_products(dy, x, at.mean, positions);"),
        ("return (place){of[0], of[2 * sets]};", "return (place){of[0], of[sets]};"),
        ("y[p] = finish_sum(a, z, row + p,", "y[p] = finish_sum(a, z, p,"),
    ],
)
plant(
    "src/ops/rows.h",
    "norm_forward",
    [test("norm")],
    [
        ("a->adds ? arith_flush(x) + addend[i] : x);", "a->adds ? x + addend[i] : x);"),
        ("return finish_value(a, a->adds ? arith_flush(x)", "return finish_value(a, a->adds ? finish_value(a, x)"),
    ],
)
plant(
    "src/ops/join.c",
    "add",
    [test("oracle")],
    [
        ("y[i] = mask_value(a, x, i, finish_value(a, first[i] + second[i]));",
         "y[i] = finish_value(a, first[i] + second[i]);"),
        ("y[i] = mask_value(a, x, i, finish_value(a, first[i] + second[i]));",
         "y[i] = mask_value(a, x, i, arith_flush(first[i] + second[i]));"),
    ],
)

# ---- launchers ------------------------------------------------------------------------------------------------------

plant(
    "src/device/opencl/launchers/dense.c",
    "dense_forward dense_backward_input dense_backward_weights",
    [CPU],
    [
        ("block_count(a->n, f->size[ROWS]) * block_count(a->size[DENSE_OUTPUTS], panel)),",
         "block_count(a->n, f->size[ROWS]) * (a->size[DENSE_OUTPUTS] / panel)),"),
        ("panels * block_count(count, PACK_ROWS)),", "panels * (size_t)(count / PACK_ROWS)),"),
        ("dy_rows dy = {m[1], panel_of(device, a), outputs, a->n * outputs};",
         "dy_rows dy = {m[1], panel_of(device, a), outputs, (a->n + 1) * outputs};",
         BEHIND),
        ("const bool copies = a->size[DENSE_INPUTS] % near_limit(device, COPIED_INPUTS, 3) == 0;",
         "const bool copies = false;", "the same sums, slower"),

        ("PACK_ROWS = 32,", "PACK_ROWS = 33,"),
    ],
)
plant(
    "src/device/opencl/launchers/forms.c",
    "dense_backward_input dense_backward_weights conv_forward",
    [CPU],
    [("chosen = fits ? wanted : usual", "chosen = wanted >= 0 ? wanted : usual")],
)
plant(
    "src/device/opencl/launchers/conv.c",
    "conv_forward conv_backward_input conv_backward_weights conv_backward_bias",
    [CPU],
    [
        ("range.global[1] = block_count(p->depth, run);", "range.global[1] = p->depth / run;"),
        ("w->granule || op_panel_width(a) == 1 || (a->first + r) % w->granule) return 0;",
         "w->granule || op_panel_width(a) == 1) return 0;"),
        ("const uint32_t whole = (a->n - r) / w->granule,", "const uint32_t whole = (a->n - r + 1) / w->granule,"),
        ("across = (uint32_t)block_count(ow, block_count(ow, near));", "across = (uint32_t)block_count(ow, near);"),
        ("launch_line(1, block_count(a->size[WINDOW_O], BIAS_OUTPUTS))",
         "launch_line(1, a->size[WINDOW_O] / BIAS_OUTPUTS)"),
    ],
)
plant(
    "src/device/opencl/launchers/blocks.c",
    "dense_forward dense_backward_weights",
    [GPU],
    [
        ("block_count(p.rows, b.rows) * b.items_y, depth},", "block_count(p.rows, b.rows) * b.items_y, 1},"),
        (".global = {block_count(p.cols, b.cols) * b.items_x,",
         ".global = {(p.cols / b.cols + !(p.cols / b.cols)) * b.items_x,"),
    ],
)
plant(
    "src/device/opencl/launchers/sum_examples.c",
    "dense_backward_weights conv_backward_weights",
    [GPU],
    [
        ("from = end < a->n ? (uint32_t)end : a->n;", "from = (uint32_t)end;"),
        ("(a->first + end) % s->granule && a->first + end < a->batch;", "(a->first + end) % s->granule;"),
        ("p->granules == 1 && (goes_on || a->first + p->from == p->within);", "p->granules == 1;"),
        ("sum_in_place(p, s, goes_on);", "sum_in_place(p, s, false);"),
    ],
)
plant(
    "src/device/opencl/launchers/sum_examples.c",
    "dense_backward_parameters conv_backward_parameters",
    [GPU],
    [
        (".bias_at = (uint32_t)s->count,", ".bias_at = (uint32_t)s->count - 1,"),
        ("const uint64_t all = s->count + s->biases;", "const uint64_t all = s->count;"),
    ],
)
plant(
    "src/device/opencl/pieces.c",
    "conv_forward dense_forward norm_rows",
    [CPU, GPU],
    [
        ("rest.at[k] += b.groups[k];", "rest.at[k] += b.groups[k] + 1;"),
        ("b.groups[k] -= b.groups[k] / 2;", "b.groups[k] /= 2;",
         "either half may have the odd group"),
        ("offset[k] = b->at[k] * local[k];", "offset[k] = b->at[k];"),
    ],
)
plant(
    "cl/work_group.h",
    "dense_forward norm_rows sum_blocks add_bias",
    [GPU],
    [(" + get_global_offset(dimension) / get_local_size(dimension));", ");")],
)
plant(
    "cl/finish.h",
    "dense_backward_input conv_backward_input",
    [GPU],
    [("arith_select(x == 0.0f, 0.0f, done)", "arith_select(x <= 0.0f, 0.0f, done)")],
)
plant(
    "cl/conv_gpu.cl",
    "conv_backward_input",
    [GPU],
    [
        ("masked ? x : 0", "masked && G == 1 ? x : 0"),
        ("adds ? z : 0", "adds && G == 1 ? z : 0"),
        ("arith_flush(arith_chain(c[r][q], addend[at + (from + ROW(r)) * H * W]));",
         "arith_chain(c[r][q], addend[at + (from + ROW(r)) * H * W]);"),
        ("addend[at + (from + ROW(r)) * H * W]", "addend[at + ROW(r) * H * W]"),
        ("mask[at + (from + ROW(r)) * H * W]", "mask[at + ROW(r) * H * W]"),
    ],
)
plant(
    "cl/dense.cl",
    "dense_backward_input",
    [CPU],
    [
        ("x ? mask_fours(t[j], vload4(0, x + at)) : t[j]", "t[j]"),
        ("x ? mask_value(block[r][j], x[at]) : block[r][j]", "block[r][j]"),
    ],
)
plant(
    "cl/dense_near.cl",
    "dense_backward_input",
    [CPU],
    [
        ("x ? mask_fours(t[j], vload4(0, x + at)) : t[j]", "t[j]"),
        ("x ? mask_value(done, x[at]) : done", "done"),
        ("masked ? x + (ulong)n0 * I + i0 : 0", "masked ? x + i0 : 0"),
    ],
)
plant(
    "cl/dense_few.cl",
    "dense_backward_input",
    [CPU],
    [("mask_value(done[n][j], x[(ulong)n * I + i0 + j])", "mask_value(done[n][j], x[i0 + j])")],
)
plant(
    "cl/conv.cl",
    "conv_backward_input",
    [CPU],
    [
        ("x + (size_t)min((uint)r, rows - 1) * apart * PANEL;", "x + (size_t)min((uint)r, rows - 1) * PANEL;"),
        ("z + (size_t)min((uint)r, rows - 1) * apart * PANEL;", "z + (size_t)min((uint)r, rows - 1) * PANEL;"),
        ("flush_vec(c[r][v]) + load_vec(v, row);", "c[r][v] + load_vec(v, row);"),
        ("arith_flush(lanes[r]) + z[(size_t)r * apart + s];", "arith_flush(lanes[r]) + z[(size_t)r * apart];"),
        ("z += adds ? line : 0;", ""),
        ("mask_value(lanes[r], x[(size_t)r * apart + s])", "mask_value(lanes[r], x[(size_t)r * apart])"),
    ],
)
plant(
    "cl/depthwise.cl",
    "conv_backward_input",
    [CPU],
    [
        ("mask_run(dx + run, x + run, (l1 - l0) * W * PANEL);", "mask_run(dx + run, x + run, W * PANEL);"),
        ("add_run(dx + run, z + run, (l1 - l0) * W * PANEL);", "add_run(dx + run, z + run, W * PANEL);"),
        ("dx[i] = arith_flush(dx[i] + z[i]);", "dx[i] = dx[i] + z[i];"),
    ],
)
