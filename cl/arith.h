/* Arithmetic with the same bits everywhere: valid as OpenCL C 1.2 and as C11.
 *
 * The / sqrt exp log tanh ... of compilers and vendors differ in the last bits. These functions use only IEEE binary32
 * + - * and fma, comparisons, selections and integers, and give the same bits on devices that flush denormals and on
 * those that keep them:
 *   - No product feeds a sum; if both are meant, it is an fma. A compiler that contracts finds nothing to contract.
 *   - No step gives a denormal, whatever the argument. Denormal arguments count as zero, by the bits of the exponent.
 *   - A result below 2^-126 in magnitude is +0. No function that computes returns -0.
 *   - A NaN that a function makes or passes on is 0x7fc00000; arith_flush, arith_flush_state and arith_mean return NaN
 *     unchanged.
 * There are no branches, tables or loops, so that loops over these functions vectorize.
 *
 * Errors are in units in the last place (ULP) of the exact result: the largest seen over every float of magnitude in
 * [2^-15, 2^8) (log [2^-3, 8), sinpi and cospi [2^-15, 16)), and every 61st elsewhere. tests/test_arith.c holds them
 * to bounds; with TASSELLO_LONG_TESTS it tries all 2^32. Polynomials are minimax fits in the relative error of the
 * function, coefficients rounded one by one. */
#ifndef ARITH_H
#define ARITH_H

#if defined(__OPENCL_C_VERSION__) || defined(__OPENCL_VERSION__)
#pragma OPENCL FP_CONTRACT OFF
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpsabi" /* vectors wider than the processor's, which no caller passes */
#endif
typedef uint arith_u32;
typedef int arith_i32;
#define ARITH_FMA(a, b, c) fma(a, b, c)
static inline arith_u32 arith_bits(float x) { return as_uint(x); }
static inline float arith_float(arith_u32 bits) { return as_float(bits); }
static inline arith_u32 arith_choose(int c, arith_u32 a, arith_u32 b) { return c ? a : b; }
#else
#include <float.h>
#include <stdint.h>
/* clang has macros for the first two alone: meson.build refuses the flags themselves as well. */
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) ||                               \
    defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error "Tassello's bits need IEEE binary32 as written: no -ffast-math, -funsafe-math-optimizations or parts of them"
#endif
#if FLT_EVAL_METHOD != 0
#error "Tassello's bits need IEEE binary32 as written: no excess precision (on 32-bit x86: -msse2 -mfpmath=sse)"
#endif
typedef uint32_t arith_u32;
typedef int32_t arith_i32;
#define ARITH_FMA(a, b, c) __builtin_fmaf(a, b, c)

/* The bits of a float. */
static inline arith_u32 arith_bits(float x)
{
    union {
        float f;
        arith_u32 u;
    } pun = {x};
    return pun.u;
}

/* The float of 32 bits. */
static inline float arith_float(arith_u32 bits)
{
    union {
        arith_u32 u;
        float f;
    } pun = {bits};
    return pun.f;
}

/* c ? a : b, for c of 0 or 1. A mask, since gcc turns a selection into branches and then does not vectorize the loop
 * around it. */
static inline arith_u32 arith_choose(int c, arith_u32 a, arith_u32 b) { return b ^ ((a ^ b) & (0u - (arith_u32)c)); }
#endif

/* c ? a : b; both are evaluated. */
static inline float arith_select(int c, float a, float b)
{
    return arith_float(arith_choose(c, arith_bits(a), arith_bits(b)));
}

#define ARITH_SIGN 0x80000000u
#define ARITH_INF 0x7f800000u
#define ARITH_NAN 0x7fc00000u
#define ARITH_ONE 0x3f800000u
#define ARITH_FRACTION 0x007fffffu /* the bits below the exponent */

/* ---- magnitude and kind, exact ----------------------------------------------------------------------------------- */

static inline arith_u32 arith_magnitude(float x) { return arith_bits(x) & ~ARITH_SIGN; }
static inline float arith_abs(float x) { return arith_float(arith_magnitude(x)); }
static inline int arith_is_finite(float x) { return arith_magnitude(x) < ARITH_INF; }
static inline int arith_is_nan(float x) { return arith_magnitude(x) > ARITH_INF; }

/* True of 0, -0 and denormals. */
static inline int arith_is_zero(float x) { return arith_magnitude(x) <= ARITH_FRACTION; }

/* x, or +0 for 0, -0 and denormals. */
static inline float arith_normal_or_zero(float x) { return arith_select(arith_is_zero(x), 0.0f, x); }

/* x, or +0 if its magnitude is below 2^-40. NaN stays. Whatever enters a product passes through this: products are then
 * multiples of 2^-126. */
static inline float arith_flush(float x) { return arith_select(arith_abs(x) < 0x1p-40f, 0.0f, x); }

/* x, or +0 if its magnitude is below 2^-100. NaN stays. For the state of an optimizer. */
static inline float arith_flush_state(float x) { return arith_select(arith_abs(x) < 0x1p-100f, 0.0f, x); }

/* x, or NaN if `from` is one. */
static inline float arith_keep_nan(float from, float x)
{
    return arith_select(arith_is_nan(from), arith_float(ARITH_NAN), x);
}

/* sum + x, for a sum of single floats that a loop carries. The test for NaN, which then stays, keeps compilers from
 * treating the loop as a reduction and changing its order, as Intel's runtime for processors (2026.22) does although
 * nothing allows it. */
static inline float arith_chain(float sum, float x) { return arith_select(arith_is_nan(sum), sum, sum + x); }

/* ---- quotients and the square root, correctly rounded ------------------------------------------------------------ */

/* 1/d for d in [2^-60, 2^60], within 0.51 ULP; exact at powers of two.
 * A line through the bits (error 0.0505), then Newton: e = 1 - d y, y += e y; 0.0505 -> 2.6e-3 -> 6.5e-6 -> 4e-11. */
static inline float arith_near_reciprocal(float d)
{
    float y = arith_float(0x7ef31000u - arith_bits(d));
    y = ARITH_FMA(ARITH_FMA(-d, y, 1.0f), y, y);
    y = ARITH_FMA(ARITH_FMA(-d, y, 1.0f), y, y);
    return ARITH_FMA(ARITH_FMA(-d, y, 1.0f), y, y);
}

/* a / b, correctly rounded: the bits of IEEE's quotient wherever that is normal. Under 2^-126: +0. As IEEE: x/0 and
 * inf/x are inf of the sign that the operands' signs give (so 1/-0 is -inf), 0/0 and inf/inf NaN.
 *
 * For significands a, b with a/b in [1, 2): q is rounded from a value within 7/2^48 of a/b, so it is the quotient, or
 * the float beside it where a/b is as near to a midpoint, on its other side. Of those quotients, 93 million within
 * 16/2^48, q is below a/b for 34 and above it for none (tests/test_arith.c); r = a - b q is exact, and r > b 2^-24 says
 * that the next float is nearer. A quotient of floats is never a midpoint. q is 1 at least, since a/b is, and a/b <= 2
 * - 2^-22 cannot round up to 2; nor can a quotient under 2^-126 round up to it. */
static inline float arith_div(float a, float b)
{
    const arith_u32 ua = arith_bits(a), ub = arith_bits(b), sign = (ua ^ ub) & ARITH_SIGN;
    const arith_u32 fa = ua & ARITH_FRACTION, fb = ub & ARITH_FRACTION;
    const arith_u32 below = (arith_u32)(fa < fb); /* then a's significand is doubled, and the exponent is one less */
    const float ma = arith_float((ARITH_ONE + (below << 23)) | fa), mb = arith_float(ARITH_ONE | fb);

    const float y = arith_near_reciprocal(mb);
    const float q0 = ma * y;
    const float q = ARITH_FMA(ARITH_FMA(-mb, q0, ma), y, q0);
    const float r = ARITH_FMA(-mb, q, ma), half_ulp = mb * 0x1p-24f;
    const arith_u32 rounded = arith_bits(q) + (arith_u32)(r > half_ulp);

    const arith_i32 exponent = (arith_i32)(ua >> 23 & 255u) - (arith_i32)(ub >> 23 & 255u) - (arith_i32)below + 127;
    arith_u32 bits = (arith_u32)exponent << 23 | (rounded & ARITH_FRACTION);
    bits = arith_choose(exponent > 254, ARITH_INF, bits);
    bits = arith_choose(exponent < 1, 0u, bits);

    const arith_u32 na = ua & ~ARITH_SIGN, nb = ub & ~ARITH_SIGN;
    const int a_zero = na <= ARITH_FRACTION, b_zero = nb <= ARITH_FRACTION;
    const int a_inf = na == ARITH_INF, b_inf = nb == ARITH_INF;
    bits = arith_choose(a_zero | b_inf, 0u, bits);
    bits = arith_choose(a_inf | b_zero, ARITH_INF, bits);
    bits = arith_choose(bits == 0u, 0u, bits | sign);
    bits = arith_choose((na > ARITH_INF) | (nb > ARITH_INF) | (a_zero & b_zero) | (a_inf & b_inf), ARITH_NAN, bits);
    return arith_float(bits);
}

/* sqrt(x), correctly rounded. 0, -0 and denormals: +0. Under 0: NaN.
 *
 * x = m 4^k with m in [1, 4). y is near 1/sqrt(m), by Newton: y += y (1/2 - m y^2 / 2); 0.0342 -> 1.8e-3 -> 4.7e-6 ->
 * 4e-11. s is the root for each of the 2^24 m (tests/test_arith.c). */
static inline float arith_sqrt(float x)
{
    const arith_u32 u = arith_bits(x);
    const arith_u32 even = ~u & 0x00800000u; /* the biased exponent is even, the true one odd: m in [2, 4) */
    const float m = arith_float((ARITH_ONE + even) | (u & ARITH_FRACTION)), h = 0.5f * m;

    float y = arith_float(0x5f376400u - (arith_bits(m) >> 1));
    y = y * ARITH_FMA(-h, y * y, 1.5f);
    y = y * ARITH_FMA(-h, y * y, 1.5f);
    y = y * ARITH_FMA(-h, y * y, 1.5f);
    const float s0 = m * y;
    const float s = ARITH_FMA(ARITH_FMA(-s0, s0, m), 0.5f * y, s0);

    arith_u32 bits = (((u >> 23) + 127u) >> 1) << 23 | (arith_bits(s) & ARITH_FRACTION);
    bits = arith_choose(u > ARITH_INF, ARITH_NAN, bits); /* the sign bit is set, or NaN */
    bits = arith_choose(u == ARITH_INF, ARITH_INF, bits);
    bits = arith_choose(arith_is_zero(x), 0u, bits);
    return arith_float(bits);
}

/* sqrt(x) for x in [2^-80, 2^120], within 0.51 ULP; 0 below, NaN stays. A third of the work of arith_sqrt, whose steps
 * these are: y is off by 4.7e-6, and the last line squares that. x - s^2 is a multiple of 2^-126. */
static inline float arith_near_sqrt(float x)
{
    const float h = 0.5f * x;
    float y = arith_float(0x5f376400u - (arith_bits(x) >> 1));
    y = y * ARITH_FMA(-h, y * y, 1.5f);
    y = y * ARITH_FMA(-h, y * y, 1.5f);
    const float s = x * y;
    return arith_select(x < 0x1p-80f, 0.0f, ARITH_FMA(ARITH_FMA(-s, s, x), 0.5f * y, s));
}

/* sum / n, correctly rounded, for n in [2^-40, 2^64] and r = arith_div(1, n), unless the quotient overflows. sum is 0,
 * or 2^-40 at least in magnitude, or inf or NaN, which come back as they are.
 *
 * sum r is off by up to 1.5 ULP: half of its own, and one from r's half. The correction rounds a value within 7/2^48 of
 * the quotient's significand; of the quotients that are as near to a midpoint none is wrong (tests/test_arith.c), as by
 * Markstein's theorem (IBM J. Res. Dev. 34, 1990) for q within one ULP and r the *correctly rounded* reciprocal. The
 * remainder is 0 or above 2^-112; nothing overflows, since |q| <= |sum|. */
static inline float arith_mean(float sum, float n, float r)
{
    const float q = sum * r;
    return arith_select(arith_is_finite(sum), ARITH_FMA(ARITH_FMA(-q, n, sum), r, q), sum);
}

/* ---- exponential and logarithm ----------------------------------------------------------------------------------- */

/* x + SHIFT rounds x to a whole number, |x| < 2^22, which is then in the low bits of the sum. */
#define ARITH_SHIFT 0x1.8p+23f
#define ARITH_LOG2E 0x1.715476p+0f
#define ARITH_LN2 0x1.62e430p-1f /* ln 2 = LN2 + LN2_LOW to 2^-54 */
#define ARITH_LN2_LOW (-0x1.05c610p-29f)

/* For x in [-104, 89]: SHIFT + k, where k = x / ln 2 rounded. */
static inline float arith_exp_shifted(float x) { return ARITH_FMA(x, ARITH_LOG2E, ARITH_SHIFT); }

/* x - k ln 2, of magnitude 0.3467 at most. The first step is exact: both terms are multiples of 2^-24 (of 2^-25 where
 * x < 1/2). */
static inline float arith_exp_reduced(float x, float shifted)
{
    const float k = shifted - ARITH_SHIFT;
    return ARITH_FMA(k, -ARITH_LN2_LOW, ARITH_FMA(k, -ARITH_LN2, x));
}

/* e^r = 1 + r + r^2 Q(r) for |r| <= 0.3467; the fit is good to 2^-28.2. r is 0, or 2^-60 at least. */
static inline float arith_exp_fraction(float r)
{
    float q = 0x1.6a4d5cp-10f;
    q = ARITH_FMA(q, r, 0x1.12398ep-7f);
    q = ARITH_FMA(q, r, 0x1.5558b0p-5f);
    q = ARITH_FMA(q, r, 0x1.555492p-3f);
    q = ARITH_FMA(q, r, 0x1.fffffcp-2f);
    return 1.0f + ARITH_FMA(r * r, q, r);
}

/* y 2^k for y in [2^-7, 2) and k in [-151, 128]; inf from 2^128, +0 under 2^-126. */
static inline float arith_exp_scaled(float y, float shifted)
{
    const arith_i32 bits = (arith_i32)(arith_bits(y) + (arith_bits(shifted) << 23));
    const arith_u32 finite = arith_choose(bits > 0x7f800000, ARITH_INF, (arith_u32)bits);
    return arith_float(arith_choose(bits < 0x00800000, 0u, finite));
}

/* e^x, within 1.02 ULP. +0 if that is under 2^-126, inf if it is over FLT_MAX; 1 at 0. */
static inline float arith_exp(float x)
{
    float c = arith_select(x > 89.0f, 89.0f, arith_flush(x));
    c = arith_select(c < -104.0f, -104.0f, c);
    const float shifted = arith_exp_shifted(c);
    return arith_keep_nan(x, arith_exp_scaled(arith_exp_fraction(arith_exp_reduced(c, shifted)), shifted));
}

/* Q(f) in ln(1 + f) = f + f^2 Q(f), for 1 + f in [sqrt(1/2), sqrt(2)); the fit is good to 2^-27.8. */
static inline float arith_log_fraction(float f)
{
    float q = -0x1.385116p-4f;
    q = ARITH_FMA(q, f, 0x1.087d52p-3f);
    q = ARITH_FMA(q, f, -0x1.0f4c96p-3f);
    q = ARITH_FMA(q, f, 0x1.226b3ap-3f);
    q = ARITH_FMA(q, f, -0x1.542424p-3f);
    q = ARITH_FMA(q, f, 0x1.99a428p-3f);
    q = ARITH_FMA(q, f, -0x1.000438p-2f);
    q = ARITH_FMA(q, f, 0x1.555550p-2f);
    q = ARITH_FMA(q, f, -0x1.fffff8p-2f);
    return q;
}

/* ln x, within 0.88 ULP. -inf at 0, -0 and denormals, NaN under 0, inf at inf, +0 at 1.
 * x = 2^k m with m in [sqrt(1/2), sqrt(2)), f = m - 1, exact: ln x = k ln 2 + f + f^2 Q(f). */
static inline float arith_log(float x)
{
    const arith_u32 u = arith_bits(x), root_half = 0x3f3504f3u, from = u + (ARITH_ONE - root_half);
    const float k = (float)((arith_i32)(from >> 23) - 127);
    const float f = arith_float((from & ARITH_FRACTION) + root_half) - 1.0f;

    const float q = arith_log_fraction(f);
    const float low = ARITH_FMA(f * f, q, k * ARITH_LN2_LOW);
    float y = ARITH_FMA(k, ARITH_LN2, f + low);

    y = arith_select(u == ARITH_ONE, 0.0f, y);
    y = arith_select(u == ARITH_INF, x, y);
    y = arith_select(u > ARITH_INF, arith_float(ARITH_NAN), y); /* the sign bit is set, or NaN */
    return arith_select(arith_is_zero(x), arith_float(ARITH_SIGN | ARITH_INF), y);
}

/* ---- sigmoid, softplus and tanh ---------------------------------------------------------------------------------- */

/* 1 / (1 + e^-x) = e^x / (1 + e^x), within 2.83 ULP, by e^-|x|, which cannot overflow. +0 below -87.34, 1 above 16.64.
 * The product is normal: where e is under 2^-24, 1 + e is 1 and so is y. */
static inline float arith_sigmoid(float x)
{
    const float e = arith_exp(-arith_abs(x));
    const float y = arith_near_reciprocal(1.0f + e);
    return arith_keep_nan(x, arith_select(x < 0.0f, e * y, y));
}

/* ln(1 + e^x), within 1.71 ULP. ln 2 at 0, x itself from 15 on, +0 below -87.34.
 * It is max(x, 0) + ln(1 + u) with u = e^-|x|, which neither overflows nor cancels. From sqrt(2) on, 1 + u is halved,
 * as in arith_log: ln(1 + u) = ln 2 + ln(1 + f), f = (u - 1) / 2. Below 2^-40, u^2 counts for nothing. */
static inline float arith_softplus(float x)
{
    const float u = arith_exp(-arith_abs(x));
    const int halved = u > 0x1.a8279ap-2f; /* sqrt(2) - 1 */
    const float f = arith_select(halved, ARITH_FMA(0.5f, u, -0.5f), u), t = arith_flush(f);
    const float q = t * arith_log_fraction(t);
    const float low = ARITH_FMA(t, q, arith_select(halved, ARITH_LN2_LOW, 0.0f));
    const float y = arith_select(halved, ARITH_LN2 + (f + low), f + low);
    return arith_keep_nan(x, arith_select(x > 0.0f, x + y, y));
}

/* tanh x, within 1.41 ULP. Odd, +0 at 0, -0 and denormals; x itself to 2^-13, 1 or -1 beyond 9.02.
 * |x| < 0.6: x + x z P(z), z = x^2; the fit is good to 2^-28.4. Beyond: 1 - 2 e / (1 + e), e = e^(-2|x|). */
static inline float arith_tanh(float x)
{
    const float n = arith_normal_or_zero(x), a = arith_abs(n), t = arith_flush(a), z = t * t;
    float p = -0x1.828776p-8f;
    p = ARITH_FMA(p, z, 0x1.54c3c2p-6f);
    p = ARITH_FMA(p, z, -0x1.b89abap-5f);
    p = ARITH_FMA(p, z, 0x1.1109bep-3f);
    p = ARITH_FMA(p, z, -0x1.55553ep-2f);
    const float inner = ARITH_FMA(t, z * p, a);

    const float e = arith_exp(-(a + a));
    const float outer = ARITH_FMA(-(e + e), arith_near_reciprocal(1.0f + e), 1.0f);

    const float y = arith_select(a < 0.6f, inner, outer);
    return arith_keep_nan(x, arith_normal_or_zero(arith_select(n < 0.0f, -y, y)));
}

/* ---- the normal distribution and erf ----------------------------------------------------------------------------- */

#define ARITH_GAUSS_END 15.0f /* e^(-15^2 / 2) is 2^-162: all below is +0 by then */

/* c e^(-t^2 / 2) for t in [0, 15] and c in [2^-6, 1). -t^2 / 2 is taken as a float and its exact remainder, without
 * which the error would grow as t^2; t under 2^-20 counts as 0, so that the remainder is never denormal. */
static inline float arith_gauss(float t, float c)
{
    const float s = arith_select(t < 0x1p-20f, 0.0f, t), minus_half = -0.5f * s;
    const float high = minus_half * s, low = ARITH_FMA(minus_half, s, -high);
    const float shifted = arith_exp_shifted(high);
    return arith_exp_scaled(c * arith_exp_fraction(arith_exp_reduced(high, shifted) + low), shifted);
}

/* Phi(-t) for t in [0, 15]: e^(-t^2 / 2) P(u) / (t + 4), u = (t - 4) / (t + 4); the fit is good to 2^-25.7 on [0,
 * 13.2]. A rational change of variable, as Shepherd and Laframboise have it (Math. Comp. 36, 1981), makes one
 * polynomial do for the whole tail. */
static inline float arith_normal_tail(float t)
{
    const float v = arith_near_reciprocal(t + 4.0f), u = (t - 4.0f) * v;
    float p = -0x1.8db09ep-14f;
    p = ARITH_FMA(p, u, 0x1.f9653cp-13f);
    p = ARITH_FMA(p, u, 0x1.9adaccp-10f);
    p = ARITH_FMA(p, u, -0x1.d1b144p-9f);
    p = ARITH_FMA(p, u, -0x1.ed9420p-8f);
    p = ARITH_FMA(p, u, 0x1.eee6b0p-5f);
    p = ARITH_FMA(p, u, -0x1.7dff62p-3f);
    p = ARITH_FMA(p, u, 0x1.8c6d70p-2f);
    p = ARITH_FMA(p, u, -0x1.373e3ap-1f);
    p = ARITH_FMA(p, u, 0x1.82b4bcp-1f);
    return arith_gauss(t, p * v);
}

/* |x|, at most 15; 15 for NaN. */
static inline float arith_gauss_clamped(float x)
{
    const float a = arith_abs(x);
    return arith_select(a < ARITH_GAUSS_END, a, ARITH_GAUSS_END);
}

/* Phi(x) = (1 + erf(x / sqrt(2))) / 2, within 5.07 ULP, in the lower tail too. +0 below -12.95, 1/2 at 0, 1 above 5.42.
 * |x| < 1: 1/2 + x C(x^2); the fit is good to 2^-28.3. Beyond: the tail, or 1 less the tail. */
static inline float arith_normal_cdf(float x)
{
    const float t = arith_flush(x), z = t * t;
    float c = -0x1.122004p-17f;
    c = ARITH_FMA(c, z, 0x1.e26c88p-14f);
    c = ARITH_FMA(c, z, -0x1.376eacp-10f);
    c = ARITH_FMA(c, z, 0x1.46d558p-7f);
    c = ARITH_FMA(c, z, -0x1.105862p-4f);
    c = ARITH_FMA(c, z, 0x1.988454p-2f);
    const float inner = ARITH_FMA(t, c, 0.5f);

    const float tail = arith_normal_tail(arith_gauss_clamped(x));
    const float outer = arith_select(x < 0.0f, tail, 1.0f - tail);
    return arith_keep_nan(x, arith_select(arith_abs(x) < 1.0f, inner, outer));
}

/* phi(x) = e^(-x^2 / 2) / sqrt(2 pi), the derivative of Phi, within 2.13 ULP. +0 beyond 13.15. */
static inline float arith_normal_pdf(float x)
{
    return arith_keep_nan(x, arith_gauss(arith_gauss_clamped(x), 0x1.988454p-2f));
}

/* erf x, within 2.32 ULP. Odd, +0 at 0, -0 and denormals; 1 or -1 beyond 3.92.
 * |x| < 0.8: x + x Q(x^2); the fit is good to 2^-28.1. Beyond: 1 - 2 Phi(-sqrt(2) |x|). */
static inline float arith_erf(float x)
{
    const float n = arith_normal_or_zero(x), a = arith_abs(n), t = arith_flush(a), z = t * t;
    float q = -0x1.570096p-11f;
    q = ARITH_FMA(q, z, 0x1.4d5f72p-8f);
    q = ARITH_FMA(q, z, -0x1.b774a4p-6f);
    q = ARITH_FMA(q, z, 0x1.ce2888p-4f);
    q = ARITH_FMA(q, z, -0x1.812732p-2f);
    q = ARITH_FMA(q, z, 0x1.06eba8p-3f);
    const float inner = ARITH_FMA(a, q, a);

    const float outer =
        ARITH_FMA(-2.0f, arith_normal_tail(arith_gauss_clamped(0x1.6a09e6p+0f * arith_gauss_clamped(a))), 1.0f);

    const float y = arith_select(a < 0.8f, inner, outer);
    return arith_keep_nan(x, arith_normal_or_zero(arith_select(n < 0.0f, -y, y)));
}

/* ---- circular functions ------------------------------------------------------------------------------------------ */

#define ARITH_PI 0x1.921fb6p+1f

/* sin(pi (x + quarters / 2)) for |x| <= 2^20, NaN beyond. n = 2 x rounded, r = x - n/2, exact, |r| <= 1/4; by n +
 * quarters it is sin, cos, -sin, -cos of pi r: r (PI + c0 + r^2 P), good to 2^-28.1, and 1 + r^2 C(r^2), good to
 * 2^-31. */
static inline float arith_turn(float x, arith_u32 quarters)
{
    const float a = arith_normal_or_zero(x);
    const float shifted = ARITH_FMA(a, 2.0f, ARITH_SHIFT);
    const arith_u32 n = arith_bits(shifted) + quarters;
    const float r = ARITH_FMA(-0.5f, shifted - ARITH_SHIFT, a), t = arith_flush(r), z = t * t;

    float s = -0x1.2da156p-1f;
    s = ARITH_FMA(s, z, 0x1.465eeap+1f);
    s = ARITH_FMA(s, z, -0x1.4abbbap+2f);
    s = ARITH_FMA(s, z, -0x1.a32bd2p-24f);
    s = ARITH_FMA(r, ARITH_PI, t * s);

    float c = 0x1.d4f632p-3f;
    c = ARITH_FMA(c, z, -0x1.55b2b4p+0f);
    c = ARITH_FMA(c, z, 0x1.03c1b0p+2f);
    c = ARITH_FMA(c, z, -0x1.3bd3ccp+2f);
    c = ARITH_FMA(c, z, 1.0f);

    const float y = arith_float(arith_bits(arith_select((int)(n & 1u), c, s)) ^ (n & 2u) << 30);
    return arith_select(arith_abs(x) <= 0x1p+20f, arith_normal_or_zero(y), arith_float(ARITH_NAN));
}

/* sin(pi x), within 0.97 ULP, for |x| <= 2^20, NaN beyond. +0 at each whole number and at denormals. */
static inline float arith_sinpi(float x) { return arith_turn(x, 0u); }

/* cos(pi x), within 0.88 ULP, for |x| <= 2^20, NaN beyond. +0 at each half, 1 at 0 and denormals. */
static inline float arith_cospi(float x) { return arith_turn(x, 1u); }

#endif
