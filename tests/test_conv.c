/* Convolution, pooling and dropout: the references against a second opinion. The rules are written out anew, as loops
 * over all taps, from the formulas; once in floats, for the order of a sum, and once in double precision. */
#include "oracle.h"

#include "ops/bias.h"
#include "ops/resize.h"
#include "ops/window.h"
#include "philox.h"

/* A window's letters, as in ops/window.h; whole numbers with a sign, since taps lie outside of planes. */
typedef struct window {
    long c, h, w, o, oh, ow, kh, kw, sy, sx, py, px, dy, dx, groups;
} window;

static window window_of(const op_args *a)
{
    const uint32_t *s = a->size;
    return (window){s[WINDOW_C],  s[WINDOW_H_IN], s[WINDOW_W_IN], s[WINDOW_O],  s[WINDOW_OH],
                    s[WINDOW_OW], s[WINDOW_KH],   s[WINDOW_KW],   s[WINDOW_SY], s[WINDOW_SX],
                    s[WINDOW_PY], s[WINDOW_PX],   s[WINDOW_DY],   s[WINDOW_DX], s[WINDOW_GROUPS]};
}

/* The place in the input's plane of a tap of an output; -1 in the padding. */
static long place(const window *v, long oy, long ox, long ky, long kx)
{
    const long y = oy * v->sy + ky * v->dy - v->py, x = ox * v->sx + kx * v->dx - v->px;
    return y < 0 || y >= v->h || x < 0 || x >= v->w ? -1 : y * v->w + x;
}

static size_t in_elements(const window *v) { return (size_t)(v->c * v->h * v->w); }
static size_t out_elements(const window *v) { return (size_t)(v->o * v->oh * v->ow); }
static size_t chain_length(const window *v) { return (size_t)(v->c / v->groups * v->kh * v->kw); }

/* Convolution ------------------------------------------------------------------------------------------------------ */

/* Sums of products: as one float chain, and in double precision with the sum of magnitudes. */
typedef struct sums {
    float *chain;
    double *exact, *magnitudes;
} sums;

static sums sums_open(size_t count)
{
    return (sums){calloc(count, sizeof(float)), calloc(count, sizeof(double)), calloc(count, sizeof(double))};
}

static void sums_close(sums *s) { free(s->chain), free(s->exact), free(s->magnitudes); }

static void sums_add(sums *s, size_t at, float a, float b)
{
    s->chain[at] = fmaf(a, b, s->chain[at]);
    s->exact[at] += (double)a * b;
    s->magnitudes[at] += fabs((double)a * b);
}

/* y[..] += x[..] w[..], dx[..] += dy[..] w[..] or dw[..] += dy[..] x[..]: the same products, for the tensor that is
 * asked for. In this order of loops each sum's products come as the contract orders them. x and y are one example's. */
typedef enum role { TO_Y, TO_X, TO_W } role;

static void add_products(const window *v, role to, const float *x, const float *w, const float *y, sums *s)
{
    for (long o = 0; o < v->o; o++)
        for (long i = 0; i < v->c / v->groups; i++)
            for (long ky = 0; ky < v->kh; ky++)
                for (long kx = 0; kx < v->kw; kx++)
                    for (long oy = 0; oy < v->oh; oy++)
                        for (long ox = 0; ox < v->ow; ox++) {
                            const long c = o / (v->o / v->groups) * (v->c / v->groups) + i;
                            const long at = place(v, oy, ox, ky, kx);
                            if (at < 0) continue;
                            const long xi = c * v->h * v->w + at, yi = (o * v->oh + oy) * v->ow + ox;
                            const long wi = ((o * (v->c / v->groups) + i) * v->kh + ky) * v->kw + kx;
                            if (to == TO_Y) sums_add(s, (size_t)yi, x[xi], w[wi]);
                            if (to == TO_X) sums_add(s, (size_t)xi, y[yi], w[wi]);
                            if (to == TO_W) sums_add(s, (size_t)wi, y[yi], x[xi]);
                        }
}

/* The outputs, or the gradients to the inputs, of one example; b may be NULL. */
static sums example_sums(const window *v, role to, const float *from, const float *w, const float *b)
{
    sums s = sums_open(to == TO_Y ? out_elements(v) : in_elements(v));
    const size_t plane = (size_t)(v->oh * v->ow);
    for (size_t i = 0; b && i < out_elements(v); i++) {
        s.chain[i] = b[i / plane];
        s.exact[i] = (double)b[i / plane];
        s.magnitudes[i] = fabs(s.exact[i]);
    }
    add_products(v, to, to == TO_Y ? from : NULL, w, to == TO_Y ? NULL : from, &s);
    return s;
}

static void check_products(const test_case *c)
{
    const window v = window_of(&c->args);
    const bool forward = c->args.op != OP_CONV_BACKWARD_INPUT, biased = c->args.op == OP_CONV_FORWARD;
    const size_t from = forward ? in_elements(&v) : out_elements(&v), to = forward ? out_elements(&v) : in_elements(&v);
    const uint64_t length = forward ? chain_length(&v) + 1 : (uint64_t)(v.o / v.groups * v.kh * v.kw);
    for (size_t n = 0; n < c->args.n; n++) {
        sums s = example_sums(&v, forward ? TO_Y : TO_X, IN(0) + n * from, IN(1), biased ? IN(2) : NULL);
        for (size_t i = 0; i < to; i++) {
            const float got = OUT(biased ? 3 : 2)[n * to + i];
            const bool masked = c->args.masked && IN(3)[n * to + i] == 0, below = c->args.relu && s.chain[i] < 0;
            const float z = c->args.adds ? IN(4)[n * to + i] : 0;
            const double sum = s.exact[i] + (double)z, rounded = c->args.adds ? U * fabs(sum) + TINY : 0;
            const float chain = c->args.adds ? flush(flush(s.chain[i]) + z) : flush(s.chain[i]);
            check_exact(masked || below ? 0 : chain, got, n * to + i);
            check_value(masked || (c->args.relu && s.exact[i] < 0) ? 0 : sum, got,
                        product_bound(length, s.magnitudes[i]) + rounded, true, n * to + i);
        }
        sums_close(&s);
    }
    const op_row *row = op_get(c->args.op);
    ck_assert_uint_eq(row->flops(&c->args), 2 * out_elements(&v) * chain_length(&v));
}

/* A case's sums over examples by the rule, example after example; total and open go in as they were before the tile. dy
 * alone where x is NULL: added, which fma(dy, 1, sum) is. True where the last example ended its granule. */
static bool sums_by_rule(const op_args *a, const float *x, const float *dy, sums *total, sums *partial, size_t count)
{
    const window v = window_of(a);
    const uint32_t granule = a->size[WINDOW_GRANULE];
    const size_t plane = (size_t)(v.oh * v.ow);
    bool closed = false;
    for (uint32_t e = a->first; e < a->first + a->n; e++, dy += out_elements(&v), x += x ? in_elements(&v) : 0) {
        sums *to = granule ? partial : total;
        for (size_t i = 0; (granule ? e % granule : e) == 0 && i < count; i++)
            to->chain[i] = 0, to->exact[i] = to->magnitudes[i] = 0;
        if (x) add_products(&v, TO_W, x, NULL, dy, to);
        for (size_t i = 0; !x && i < out_elements(&v); i++) sums_add(to, i / plane, dy[i], 1);
        closed = granule && ((e + 1) % granule == 0 || e + 1 == a->batch);
        for (size_t i = 0; closed && i < count; i++) {
            total->chain[i] = e < granule ? partial->chain[i] : total->chain[i] + partial->chain[i];
            total->exact[i] = (e < granule ? 0 : total->exact[i]) + partial->exact[i];
            total->magnitudes[i] = (e < granule ? 0 : total->magnitudes[i]) + partial->magnitudes[i];
        }
    }
    return closed;
}

/* Of the weights or of the biases, from operand `at` on: the total, and then what is open. */
static void check_sums_at(const test_case *c, bool bias, int at)
{
    const int dy = c->args.op == OP_CONV_BACKWARD_BIAS ? 0 : 1;
    const size_t count = c->elements[at];
    sums total = sums_open(count), partial = sums_open(count);
    memcpy(total.chain, IN(at), count * sizeof(float));
    memcpy(partial.chain, IN(at + 1), count * sizeof(float));
    const bool closed = sums_by_rule(&c->args, bias ? NULL : IN(0), IN(dy), &total, &partial, count);
    const bool goes_on = c->args.size[WINDOW_GRANULE] && !closed;
    for (size_t i = 0; i < count; i++) {
        check_exact(total.chain[i], OUT(at)[i], i);
        check_exact(goes_on ? partial.chain[i] : IN(at + 1)[i], OUT(at + 1)[i],
                    i); /* where it means nothing it stays */
    }
    sums_close(&total);
    sums_close(&partial);
}

static void check_sums(const test_case *c)
{
    const bool bias = c->args.op == OP_CONV_BACKWARD_BIAS;
    check_sums_at(c, bias, bias ? 1 : 2);
    if (c->args.op == OP_CONV_BACKWARD_PARAMETERS) check_sums_at(c, true, 4);
}

START_TEST(convolution)
{
    each_case(OP_CONV_FORWARD, check_products);
    each_case(OP_CONV_FORWARD_NO_BIAS, check_products);
    each_case(OP_CONV_BACKWARD_INPUT, check_products);
    each_case(OP_CONV_BACKWARD_WEIGHTS, check_sums);
    each_case(OP_CONV_BACKWARD_PARAMETERS, check_sums);
    each_case(OP_CONV_BACKWARD_BIAS, check_sums);
}
END_TEST

/* What the case's shape gives for whole numbers, whose sums are exact in any order. */
static void check_whole(const test_case *c)
{
    op_args a = c->args;
    const window v = window_of(&a);
    const size_t xs = a.n * in_elements(&v), ys = a.n * out_elements(&v), ws = (size_t)v.o * chain_length(&v),
                 os = (size_t)v.o;
    float *x = banded(xs, 3), *y = banded(ys, 3), *w = banded(ws, 3), *b = banded(os, 3);
    float *dx = banded(xs, 0), *dw = banded(ws, 0), *db = banded(os, 0), *out = banded(ys, 0),
          *partial = banded(ws + os, 0);
    sums sx, sw = sums_open(ws), sy, sb = sums_open(os), unused = sums_open(ws + os);

    a.op = OP_CONV_FORWARD, run(&a, (void *[]){x, w, b, out});
    a.op = OP_CONV_BACKWARD_INPUT, run(&a, (void *[]){y, w, dx});
    a.first = 0, a.batch = a.n;
    a.op = OP_CONV_BACKWARD_WEIGHTS, run(&a, (void *[]){x, y, dw, partial});
    a.op = OP_CONV_BACKWARD_BIAS, run(&a, (void *[]){y, db, partial + ws});

    where = "whole numbers";
    for (size_t n = 0; n < a.n; n++) {
        sy = example_sums(&v, TO_Y, x + n * in_elements(&v), w, b);
        sx = example_sums(&v, TO_X, y + n * out_elements(&v), w, NULL);
        for (size_t i = 0; i < out_elements(&v); i++) check_exact((float)sy.exact[i], out[n * out_elements(&v) + i], i);
        for (size_t i = 0; i < in_elements(&v); i++) check_exact((float)sx.exact[i], dx[n * in_elements(&v) + i], i);
        sums_close(&sx), sums_close(&sy);
    }
    sums_by_rule(&a, x, y, &sw, &unused, ws);
    sums_by_rule(&a, NULL, y, &sb, &unused, os);
    for (size_t i = 0; i < ws; i++) check_exact((float)sw.exact[i], dw[i], i);
    for (size_t i = 0; i < os; i++) check_exact((float)sb.exact[i], db[i], i);

    sums_close(&sw), sums_close(&sb), sums_close(&unused);
    unband(x, xs), unband(y, ys), unband(w, ws), unband(b, os);
    unband(dx, xs), unband(dw, ws), unband(db, os), unband(out, ys), unband(partial, ws + os);
}

START_TEST(whole_numbers) { each_case(OP_CONV_BACKWARD_WEIGHTS, check_whole); }
END_TEST

/* The sums over a batch in tiles of `tile` examples, or of random ones if it is 0. */
static void sum_in_tiles(op_args a, uint32_t tile, float *x, float *dy, float *dw, float *db, float *partial)
{
    const window v = window_of(&a);
    const size_t ws = (size_t)v.o * chain_length(&v);
    a.batch = a.n;
    for (a.first = 0; a.first < a.batch; a.first += a.n) {
        const uint32_t rest = a.batch - a.first, wanted = tile ? tile : 1 + random_below(10);
        a.n = wanted < rest ? wanted : rest;
        float *const xt = x + a.first * in_elements(&v), *const dyt = dy + a.first * out_elements(&v);
        a.op = OP_CONV_BACKWARD_WEIGHTS, run(&a, (void *[]){xt, dyt, dw, partial});
        a.op = OP_CONV_BACKWARD_BIAS, run(&a, (void *[]){dyt, db, partial + ws});
    }
}

/* However a batch is cut, its sums have the bits of the whole, which are within the bound. */
static void check_tiles(const test_case *c)
{
    static const uint32_t granules[] = {0, 1, 2, 4, 16}, tiles[] = {1, 2, 3, 7, 0};
    op_args a = c->args;
    const window v = window_of(&a);
    const size_t ws = (size_t)v.o * chain_length(&v), os = (size_t)v.o, positions = (size_t)(a.n * v.oh * v.ow);
    float *whole = banded(ws + os, 0), *cut = banded(ws + os, 0), *partial = banded(ws + os, 0);
    float *x = c->before[0], *dy = c->before[1];
    a.size[WINDOW_GRANULE] = granules[now.number % 5];
    sum_in_tiles(a, a.n, x, dy, whole, whole + ws, partial);
    for (int t = 0; t < 5; t++) {
        for (size_t i = 0; i < ws + os; i++) cut[i] = partial[i] = NAN;
        sum_in_tiles(a, tiles[t], x, dy, cut, cut + ws, partial);
        where = "a batch in tiles";
        for (size_t i = 0; i < ws + os; i++) check_exact(whole[i], cut[i], i);
    }
    a.first = 0, a.batch = a.n;
    a.size[WINDOW_GRANULE] = 0; /* in double precision it is all the same */
    sums weights = sums_open(ws), biases = sums_open(os);
    sums_by_rule(&a, x, dy, &weights, NULL, ws);
    sums_by_rule(&a, NULL, dy, &biases, NULL, os);
    for (size_t i = 0; i < ws; i++)
        check_value(weights.exact[i], whole[i], product_bound(positions, weights.magnitudes[i]), false, i);
    for (size_t i = 0; i < os; i++)
        check_value(biases.exact[i], whole[ws + i], product_bound(positions, biases.magnitudes[i]), false, ws + i);
    sums_close(&weights), sums_close(&biases);
    unband(whole, ws + os), unband(cut, ws + os), unband(partial, ws + os);
}

START_TEST(tiles_leave_no_trace) { each_case(OP_CONV_BACKWARD_WEIGHTS, check_tiles); }
END_TEST

/* By hand: a cross-correlation, not a flipped kernel; rows before columns. */
START_TEST(by_hand)
{
    float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[] = {1, 2, 3, 4}, b[] = {1}, y[4];
    const float plain[] = {38, 48, 68, 78}, wide[] = {21, 16, 11, 6};
    op_args a = {.op = OP_CONV_FORWARD, .n = 1, .batch = 1, .size = {1, 3, 3, 1, 2, 2, 2, 2, 1, 1, 0, 0, 1, 1, 1}};
    where = "by hand";
    run(&a, (void *[]){x, w, b, y});
    for (int i = 0; i < 4; i++) check_exact(plain[i], y[i], (uint64_t)i);
    a = (op_args){.op = OP_CONV_FORWARD, .n = 1, .batch = 1, .size = {1, 3, 3, 1, 2, 2, 2, 2, 2, 2, 1, 1, 2, 2, 1}};
    run(&a, (void *[]){x, w, b, y});
    for (int i = 0; i < 4; i++) check_exact(wide[i], y[i], (uint64_t)i);
}
END_TEST

/* One pixel in a padding of one: all taps but the middle one are skipped, so what is not finite there is not seen. */
START_TEST(padding_is_skipped)
{
    float x[] = {2}, w[] = {NAN, NAN, NAN, NAN, 3, INFINITY, NAN, NAN, NAN}, b[] = {1}, y[1], dx[1], dy[] = {5};
    float dw[9], partial[9], many[9] = {NAN, NAN, NAN, NAN, 5, NAN, NAN, NAN, NAN};
    op_args a = {.n = 1, .batch = 1, .size = {1, 1, 1, 1, 1, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1}};
    where = "padding";
    a.op = OP_CONV_FORWARD, run(&a, (void *[]){x, w, b, y});
    check_exact(7, y[0], 0);
    a.op = OP_CONV_BACKWARD_INPUT, run(&a, (void *[]){dy, w, dx});
    check_exact(15, dx[0], 0);
    a.op = OP_CONV_BACKWARD_WEIGHTS, run(&a, (void *[]){x, dy, dw, partial});
    for (int i = 0; i < 9; i++) check_exact(i == 4 ? 10 : 0, dw[i], (uint64_t)i);

    /* 1 x 1 with padding of one: outputs around the pixel see nothing but the bias */
    op_args one = {.n = 1, .batch = 1, .size = {1, 1, 1, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}};
    one.op = OP_CONV_FORWARD, run(&one, (void *[]){x, w + 4, b, dw});
    for (int i = 0; i < 9; i++) check_exact(i == 4 ? 7 : 1, dw[i], (uint64_t)i);
    one.op = OP_CONV_BACKWARD_INPUT, run(&one, (void *[]){many, w + 4, dx});
    check_exact(15, dx[0], 0);
    one.op = OP_CONV_BACKWARD_WEIGHTS, run(&one, (void *[]){x, many, dw, partial});
    check_exact(10, dw[0], 0);
}
END_TEST

/* Pooling ---------------------------------------------------------------------------------------------------------- */

/* The place of the window's winner: its first NaN, else its first maximum. */
static long winner(const window *v, const float *plane, long oy, long ox)
{
    long best = -1;
    for (long ky = 0; ky < v->kh; ky++)
        for (long kx = 0; kx < v->kw; kx++) {
            const long at = place(v, oy, ox, ky, kx);
            if (at >= 0 && isnan(plane[at])) return at;
            if (at >= 0 && (best < 0 || plane[at] > plane[best])) best = at;
        }
    if (best < 0) ck_abort(); /* shapes see to it that each window has a tap inside */
    return best;
}

static void check_max_forward(const test_case *c)
{
    const window v = window_of(&c->args);
    for (long i = 0; i < (long)c->elements[1]; i++) {
        const float *plane = IN(0) + i / (v.oh * v.ow) * v.h * v.w;
        check_exact(plane[winner(&v, plane, i / v.ow % v.oh, i % v.ow)], OUT(1)[i], (uint64_t)i);
    }
}

static void check_max_backward(const test_case *c)
{
    const window v = window_of(&c->args);
    const long in = v.h * v.w, out = v.oh * v.ow;
    long *won = malloc((size_t)out * sizeof *won);
    for (long plane = 0; plane < (long)c->args.n * v.c; plane++) {
        for (long i = 0; i < out; i++) won[i] = winner(&v, IN(0) + plane * in, i / v.ow, i % v.ow);
        for (long q = 0; q < in; q++) {
            float sum = 0;
            double exact = 0, magnitudes = 0;
            for (long i = 0; i < out; i++) {
                const float dy = IN(1)[plane * out + i];
                if (won[i] != q) continue;
                sum += dy;
                exact += dy;
                magnitudes += fabsf(dy);
            }
            if (c->args.masked && IN(0)[plane * in + q] == 0) sum = 0, exact = magnitudes = 0;
            const float got = OUT(2)[plane * in + q];
            check_exact(flush(sum), got, (uint64_t)(plane * in + q));
            check_value(exact, got, product_bound((uint64_t)(v.kh * v.kw), magnitudes), true,
                        (uint64_t)(plane * in + q));
        }
    }
    free(won);
}

/* Correctly rounded, since a double holds twice the bits of a float and more. */
static float mean_of(const window *v, float sum)
{
    return flush((float)((double)flush(sum) / (double)(v->kh * v->kw)));
}

/* Lane l of a window, with all that folds into it while `width` lanes are left. */
static float lane(const window *v, const float *plane, long oy, long ox, long l, long width)
{
    if (width < 16) {
        const float left = lane(v, plane, oy, ox, l, 2 * width), right = lane(v, plane, oy, ox, l + width, 2 * width);
        return left + right;
    }
    float sum = 0;
    for (long t = l; t < v->kh * v->kw; t += 16) {
        const long at = place(v, oy, ox, t / v->kw, t % v->kw);
        if (at >= 0) sum += plane[at];
    }
    return sum;
}

static void check_average_forward(const test_case *c)
{
    const window v = window_of(&c->args);
    const long taps = v.kh * v.kw;
    for (long i = 0; i < (long)c->elements[1]; i++) {
        const float *plane = IN(0) + i / (v.oh * v.ow) * v.h * v.w;
        const long oy = i / v.ow % v.oh, ox = i % v.ow;
        double exact = 0, magnitudes = 0;
        for (long t = 0; t < taps; t++) {
            const long at = place(&v, oy, ox, t / v.kw, t % v.kw);
            exact += at < 0 ? 0 : (double)plane[at] / (double)taps;
            magnitudes += at < 0 ? 0 : fabs((double)plane[at]) / (double)taps;
        }
        check_exact(mean_of(&v, lane(&v, plane, oy, ox, 0, 1)), OUT(1)[i], (uint64_t)i);
        check_value(exact, OUT(1)[i], product_bound((uint64_t)taps, magnitudes) + TINY, true, (uint64_t)i);
    }
}

static void check_average_backward(const test_case *c)
{
    const window v = window_of(&c->args);
    const long in = v.h * v.w, out = v.oh * v.ow;
    for (long i = 0; i < (long)c->elements[1]; i++) {
        const long y = i % in / v.w, x = i % v.w;
        float sum = 0;
        double exact = 0, magnitudes = 0;
        for (long oy = 0; oy < v.oh; oy++)
            for (long ox = 0; ox < v.ow; ox++) {
                const long ky = y + v.py - oy * v.sy, kx = x + v.px - ox * v.sx;
                if (ky < 0 || ky >= v.kh || kx < 0 || kx >= v.kw) continue;
                const float dy = IN(0)[i / in * out + oy * v.ow + ox];
                sum += dy;
                exact += (double)dy / (double)(v.kh * v.kw);
                magnitudes += fabs((double)dy) / (double)(v.kh * v.kw);
            }
        if (c->args.masked && IN(2)[i] == 0) sum = 0, exact = magnitudes = 0;
        check_exact(mean_of(&v, sum), OUT(1)[i], (uint64_t)i);
        check_value(exact, OUT(1)[i], product_bound((uint64_t)(v.kh * v.kw), magnitudes) + TINY, true, (uint64_t)i);
    }
}

START_TEST(pooling)
{
    each_case(OP_MAX_POOL_FORWARD, check_max_forward);
    each_case(OP_MAX_POOL_BACKWARD, check_max_backward);
    each_case(OP_AVERAGE_POOL_FORWARD, check_average_forward);
    each_case(OP_AVERAGE_POOL_BACKWARD, check_average_backward);
}
END_TEST

/* A tie goes to the first; NaN wins over all, the first of them. */
START_TEST(ties_and_nan)
{
    float x[] = {1, 7, 7, 2, /* */ 5, NAN, 9, NAN, /* */ -INFINITY, -INFINITY, -INFINITY, -INFINITY}, dy[] = {2, 3, 4},
          y[3], dx[12];
    const float largest[] = {7, NAN, -INFINITY}, share[] = {0, 2, 0, 0, 0, 3, 0, 0, 4, 0, 0, 0};
    op_args a = {.n = 1, .batch = 1, .size = {3, 2, 2, 3, 1, 1, 2, 2, 2, 2, 0, 0, 1, 1, 1}};
    where = "ties";
    a.op = OP_MAX_POOL_FORWARD, run(&a, (void *[]){x, y});
    for (int i = 0; i < 3; i++) check_exact(largest[i], y[i], (uint64_t)i);
    a.op = OP_MAX_POOL_BACKWARD, run(&a, (void *[]){x, dy, dx});
    for (int i = 0; i < 12; i++) check_exact(share[i], dx[i], (uint64_t)i);
}
END_TEST

/* Dropout ---------------------------------------------------------------------------------------------------------- */

/* The activation of a case alone, or its gradient: of x, or of s and dy. */
static void activate(const op_args *a, bool backward, float *first, float *second, float *out)
{
    op_args alone = {.op = a->size[4] + backward, .n = a->n, .batch = a->n};
    alone.size[0] = a->size[0];
    alone.scalar[0] = a->scalar[1];
    run(&alone, backward ? (void *[]){first, second, out} : (void *[]){first, out});
}

static void check_dropout(const test_case *c)
{
    const op_args *a = &c->args;
    const bool backward = a->op == OP_DROPOUT_BACKWARD, relu = backward && a->size[4] == OP_RELU_FORWARD;
    float *x = banded(c->elements[0], 0), *y = banded(c->elements[0], 0), *done = banded(c->elements[0], 0);
    memcpy(x, c->before[0], c->elements[0] * sizeof *x);
    if (a->size[4] && !backward) activate(a, false, c->before[0], NULL, x);
    for (uint64_t i = 0; i < c->elements[0]; i++) {
        const uint32_t unit = (uint32_t)(i % a->size[0]), example = WORDS_IN(1)[a->at + i / a->size[0]];
        const philox_block block = philox(a->seed, PHILOX_DROPOUT | a->size[1], a->epoch, example, unit / 4);
        const bool dropped = block.v[unit % 4] < a->size[2];
        const float kept = flush((float)((double)x[i] * a->scalar[0])); /* 48 bits: rounded once */
        y[i] = a->evaluating ? x[i] : (relu ? IN(3)[i] == 0 : dropped) ? 0 : kept;
    }
    if (a->size[4] && backward && !relu) activate(a, true, c->before[3], y, done);
    for (uint64_t i = 0; i < c->elements[0]; i++)
        check_exact(a->size[4] && backward && !relu ? done[i] : y[i], OUT(2)[i], i);
    unband(x, c->elements[0]);
    unband(y, c->elements[0]);
    unband(done, c->elements[0]);
}

START_TEST(dropout)
{
    each_case(OP_DROPOUT_FORWARD, check_dropout);
    each_case(OP_DROPOUT_BACKWARD, check_dropout);
}
END_TEST

enum { EXAMPLES = 64, UNITS = 301 };

/* 1 if a unit is kept, 0 if it is dropped: ones, by a scale of 1. */
static void mask(op_args a, uint32_t *order, float *out)
{
    float *ones = malloc(sizeof(float) * a.n * UNITS);
    for (uint32_t i = 0; i < a.n * UNITS; i++) ones[i] = 1;
    a.size[0] = UNITS;
    a.size[3] = a.at + a.n;
    a.scalar[0] = 1;
    run(&a, (void *[]){ones, order, out});
    free(ones);
}

static op_args mask_args(float rate)
{
    op_args a = {.op = OP_DROPOUT_FORWARD, .n = EXAMPLES, .batch = EXAMPLES, .epoch = 3};
    a.seed = random_u64();
    a.size[1] = 4;
    a.size[2] = (uint32_t)(rate * 4294967296.0);
    return a;
}

static uint32_t count_equal(const float *a, const float *b)
{
    uint32_t equal = 0;
    for (int i = 0; i < EXAMPLES * UNITS; i++) equal += a[i] == b[i];
    return equal;
}

static float whole_mask[EXAMPLES * UNITS], other_mask[EXAMPLES * UNITS];

/* The share of units that are kept is 1 - rate, within five standard deviations; of each example's and each unit's,
 * within six. */
START_TEST(masks_keep_their_share)
{
    static const float rates[] = {0, 0.1f, 0.25f, 0.5f, 0.9f};
    uint32_t order[EXAMPLES];
    for (uint32_t i = 0; i < EXAMPLES; i++) order[i] = i;
    for (int r = 0; r < 5; r++) {
        const double kept = 1 - rates[r], total = EXAMPLES * UNITS, deviation = sqrt(kept * rates[r]);
        double sum = 0, of_unit[UNITS] = {0}, of_example[EXAMPLES] = {0};
        mask(mask_args(rates[r]), order, whole_mask);
        for (int i = 0; i < EXAMPLES * UNITS; i++) {
            sum += whole_mask[i];
            of_example[i / UNITS] += whole_mask[i];
            of_unit[i % UNITS] += whole_mask[i];
        }
        ck_assert_double_le(fabs(sum - kept * total), 5 * deviation * sqrt(total) + 1e-3);
        for (int i = 0; i < EXAMPLES; i++)
            ck_assert_double_le(fabs(of_example[i] - kept * UNITS), 6 * deviation * sqrt(UNITS) + 1e-3);
        for (int u = 0; u < UNITS; u++)
            ck_assert_double_le(fabs(of_unit[u] - kept * EXAMPLES), 6 * deviation * sqrt(EXAMPLES) + 1e-3);
    }
}
END_TEST

/* A mask belongs to the example: no tile, no place in the order changes it; another epoch, layer, seed or example does.
 */
START_TEST(masks_belong_to_examples)
{
    uint32_t order[EXAMPLES], shifted[EXAMPLES];
    for (uint32_t i = 0; i < EXAMPLES; i++) order[i] = 1000 * i, shifted[i] = 1000 * i + 1;
    const op_args a = mask_args(0.5f);
    mask(a, order, whole_mask);
    for (op_args tile = a; tile.at < EXAMPLES; tile.at += tile.n) {
        tile.n = 1 + random_below(EXAMPLES - tile.at);
        mask(tile, order, other_mask + tile.at * UNITS);
    }
    ck_assert_uint_eq(count_equal(whole_mask, other_mask), EXAMPLES * UNITS);
    op_args back = a;
    back.op = OP_DROPOUT_BACKWARD;
    mask(back, order, other_mask);
    ck_assert_uint_eq(count_equal(whole_mask, other_mask), EXAMPLES * UNITS);

    op_args changed[] = {a, a, a, a, a};
    changed[0].epoch++;
    changed[1].size[1]++;
    changed[2].seed++;
    changed[3].seed ^= (uint64_t)1 << 32;
    for (int i = 0; i < 5; i++) { /* the last has other examples */
        mask(changed[i], i == 4 ? shifted : order, other_mask);
        const double equal = count_equal(whole_mask, other_mask), total = EXAMPLES * UNITS;
        ck_assert_double_le(fabs(equal - total / 2), 3 * sqrt(total)); /* six standard deviations */
    }
}
END_TEST

/* A unit whose word is the threshold is kept, so that a rate of 0 keeps all. */
START_TEST(threshold_is_exclusive)
{
    op_args a = mask_args(0);
    uint32_t order[EXAMPLES] = {12345};
    a.n = 1;
    const philox_block block = philox(a.seed, PHILOX_DROPOUT | a.size[1], a.epoch, order[0], 2);
    for (uint32_t more = 0; more < 2; more++) {
        a.size[2] = block.v[3] + more;
        mask(a, order, whole_mask);
        ck_assert(whole_mask[11] == 1 - (float)more);
    }
}
END_TEST

/* Behind a relu the gradient is computed from what dropout made, as if by two operations from the mask and the relu's
 * own result. */
START_TEST(gradient_behind_a_relu_needs_no_mask)
{
    static float x[EXAMPLES * UNITS], y[EXAMPLES * UNITS], z[EXAMPLES * UNITS], dy[EXAMPLES * UNITS];
    static float once[EXAMPLES * UNITS], twice[EXAMPLES * UNITS];
    uint32_t order[EXAMPLES];
    op_args a = mask_args(0.25f);
    for (uint32_t i = 0; i < EXAMPLES; i++) order[i] = 7 * i;
    for (int i = 0; i < EXAMPLES * UNITS; i++) {
        x[i] = (float)random_below(9) - 4;
        dy[i] = (float)random_below(9) - 4;
    }
    x[0] = 0x1p-40f; /* the least that is not flushed */
    a.size[0] = UNITS;
    a.size[3] = EXAMPLES;
    a.scalar[0] = 4.0f / 3;
    a.size[4] = OP_RELU_FORWARD;
    activate(&a, false, x, NULL, y);
    run(&a, (void *[]){x, order, z});
    a.op = OP_DROPOUT_BACKWARD;
    run(&a, (void *[]){dy, order, once, z});
    op_args alone = a;
    alone.size[4] = 0;
    run(&alone, (void *[]){dy, order, twice, NULL});
    activate(&a, true, y, twice, twice);
    ck_assert_mem_eq(once, twice, sizeof once);
}
END_TEST

START_TEST(evaluation_drops_nothing)
{
    uint32_t order[EXAMPLES] = {0};
    op_args a = mask_args(0.75f);
    a.evaluating = true;
    mask(a, order, whole_mask);
    for (int i = 0; i < EXAMPLES * UNITS; i++) ck_assert(whole_mask[i] == 1);
}
END_TEST

/* Shapes ----------------------------------------------------------------------------------------------------------- */

/* Cases are small, in their planes and in their products, and they are as varied as they are meant to be. */
START_TEST(cases_are_small_and_varied)
{
    const uint64_t seed = test_seed();
    uint64_t strides = 0, dilations = 0, groups = 0, examples = 0, open_ends = 0, random = 0;
    uint64_t vectors = 0, wide = 0;
    for (uint32_t number = 0; number < EDGE_CASES + 300; number++) {
        if (case_open(context, OP_CONV_BACKWARD_WEIGHTS, seed, number, &now) == TAS_STOPPED) continue;
        const window v = window_of(&now.args);
        const uint32_t granule = now.args.size[WINDOW_GRANULE], end = now.args.first + now.args.n;
        const uint64_t fmas = now.args.n * out_elements(&v) * chain_length(&v);
        ck_assert_uint_le(fmas, number < EDGE_CASES ? 3000000 : 300000);
        ck_assert(out_elements(&v) > 0 && v.c % v.groups == 0 && v.o % v.groups == 0);
        ck_assert_int_eq(v.oh, (v.h + 2 * v.py - v.dy * (v.kh - 1) - 1) / v.sy + 1);
        ck_assert_int_eq(v.ow, (v.w + 2 * v.px - v.dx * (v.kw - 1) - 1) / v.sx + 1);
        ck_assert_uint_le(end, now.args.batch);
        strides += v.sy > 1 || v.sx > 1;
        dilations += v.dy > 1 || v.dx > 1;
        groups += v.groups > 1;
        examples += now.args.n > 16;
        open_ends += granule > 1 && end % granule && end < now.args.batch;
        vectors += granule > 1 && now.args.first == 0 && now.args.n / granule >= 2 * 16; /* of granules, of 16 lanes */
        wide += v.ow >= 200;
        random += number >= EDGE_CASES;
        case_close(&now);
    }
    ck_assert_uint_eq(random, 300);
    ck_assert_uint_ge(strides, 50);
    ck_assert_uint_ge(dilations, 30);
    ck_assert_uint_ge(groups, 50);
    ck_assert_uint_ge(examples, 50);
    ck_assert_uint_ge(open_ends, 20);
    ck_assert_uint_ge(vectors, 2);
    ck_assert_uint_ge(wide, 2);
}
END_TEST

/* Resizing, and biases --------------------------------------------------------------------------------------------- */

/* The value of the large plane that (y, x) of the small one is copied to first, and how many there are below and beside
 * it. Checked from the large side forward, and from the small one backward. */
static void check_resize(const test_case *c)
{
    const uint32_t *s = c->args.size, h = s[RESIZE_H], w = s[RESIZE_W], oh = s[RESIZE_OH], ow = s[RESIZE_OW];
    const bool pad = c->args.op == OP_PAD_FORWARD || c->args.op == OP_PAD_BACKWARD;
    const bool forward = c->args.op == OP_UPSAMPLE_FORWARD || c->args.op == OP_PAD_FORWARD;
    const uint32_t down = pad ? 1 : s[RESIZE_Y], across = pad ? 1 : s[RESIZE_X];
    const size_t planes = (size_t)c->args.n * s[RESIZE_C];
    float *want = calloc(planes * (forward ? (size_t)oh * ow : (size_t)h * w), sizeof *want);
    double *exact = calloc(planes * h * w, sizeof *exact), *magnitudes = calloc(planes * h * w, sizeof *magnitudes);
    for (size_t p = 0; p < planes; p++)
        for (uint32_t y = 0; y < h; y++)
            for (uint32_t x = 0; x < w; x++)
                for (uint32_t j = 0; j < down; j++)
                    for (uint32_t i = 0; i < across; i++) {
                        const uint32_t oy = pad ? y + s[RESIZE_Y] : y * down + j;
                        const uint32_t ox = pad ? x + s[RESIZE_X] : x * across + i;
                        const size_t small = (p * h + y) * w + x, large = (p * oh + oy) * ow + ox;
                        if (forward) {
                            want[large] = IN(0)[small];
                            continue;
                        }
                        want[small] += IN(0)[large];
                        exact[small] += (double)IN(0)[large];
                        magnitudes[small] += fabs((double)IN(0)[large]);
                    }
    for (uint64_t i = 0; i < c->elements[1]; i++) {
        check_exact(c->args.op == OP_UPSAMPLE_BACKWARD ? flush(want[i]) : want[i], OUT(1)[i], i);
        if (c->args.op == OP_UPSAMPLE_BACKWARD)
            check_value(exact[i], OUT(1)[i], product_bound(down * across, magnitudes[i]), true, i);
    }
    free(want), free(exact), free(magnitudes);
}

static void check_bias(const test_case *c)
{
    const uint32_t channels = c->args.size[BIAS_CHANNELS], positions = c->args.size[BIAS_POSITIONS];
    for (uint64_t i = 0; i < c->elements[0]; i++) {
        const double want = (double)IN(0)[i] + IN(1)[i / positions % channels];
        check_value(want, OUT(0)[i], U * fabs(want), true, i);
    }
}

START_TEST(resizing_and_biases)
{
    each_case(OP_UPSAMPLE_FORWARD, check_resize);
    each_case(OP_UPSAMPLE_BACKWARD, check_resize);
    each_case(OP_PAD_FORWARD, check_resize);
    each_case(OP_PAD_BACKWARD, check_resize);
    each_case(OP_ADD_BIAS, check_bias);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conv");
    TCase *tc = tcase_create("windows and masks");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, convolution);
    tcase_add_test(tc, whole_numbers);
    tcase_add_test(tc, tiles_leave_no_trace);
    tcase_add_test(tc, by_hand);
    tcase_add_test(tc, padding_is_skipped);
    tcase_add_test(tc, pooling);
    tcase_add_test(tc, ties_and_nan);
    tcase_add_test(tc, dropout);
    tcase_add_test(tc, masks_keep_their_share);
    tcase_add_test(tc, masks_belong_to_examples);
    tcase_add_test(tc, threshold_is_exclusive);
    tcase_add_test(tc, gradient_behind_a_relu_needs_no_mask);
    tcase_add_test(tc, evaluation_drops_nothing);
    tcase_add_test(tc, resizing_and_biases);
    tcase_add_test(tc, cases_are_small_and_varied);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
