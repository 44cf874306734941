/* arith.h and philox.h against the C library in double precision and against the machine's own division and square
 * root.
 *
 * By default each function is tried on one float in 499, evenly over the exponents; with TASSELLO_LONG_TESTS in the
 * environment on all 2^32, which takes long (an hour or so where two cores are shared). The worst errors are printed.
 */
#include "arith.h"
#include "ops/clones.h"
#include "philox.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 4096 };

static bool run_long(void) { return getenv("TASSELLO_LONG_TESTS") != NULL; }

/* Any bits, the same in each run. */
static uint32_t draw(uint32_t i, uint32_t j) { return philox(1, PHILOX_CASES, 0, j, i).v[0]; }

static float one_to_two(uint32_t fraction) { return arith_float(ARITH_ONE | (fraction & ARITH_FRACTION)); }

/* The machine's result, as arith.h promises it: operands' and results' denormals are 0, there is no -0, one NaN. */
static uint32_t expected(float machine)
{
    if (arith_is_nan(machine)) return ARITH_NAN;
    return arith_is_zero(machine) ? 0 : arith_bits(machine);
}

static void expect_bits(const char *what, float a, float b, float is, float should)
{
    ck_assert_msg(arith_bits(is) == arith_bits(should), "%s(%a, %a) is %a (%08x), not %a (%08x)", what, (double)a,
                  (double)b, (double)is, arith_bits(is), (double)should, arith_bits(should));
}

/* ---- functions of one argument, in ULP ---- */

#define OVER(function)                                                                                                 \
    static CLONES void function##_over(const float *restrict x, float *restrict y)                                     \
    {                                                                                                                  \
        for (int i = 0; i < CHUNK; i++) y[i] = arith_##function(x[i]);                                                 \
    }
OVER(exp)
OVER(log)
OVER(sigmoid)
OVER(softplus)
OVER(tanh)
OVER(erf)
OVER(normal_cdf)
OVER(normal_pdf)
OVER(sinpi)
OVER(cospi)
OVER(sqrt)
OVER(near_sqrt)
OVER(near_reciprocal)

static double exact_sigmoid(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double exact_softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double exact_cdf(double x) { return 0.5 * erfc(-x * sqrt(0.5)); }
static double exact_pdf(double x) { return exp(-0.5 * x * x) * 0.39894228040143267794; }

/* sin(pi (x + quarters / 2)): the argument is reduced exactly, so that the zeros are exact too. */
static double exact_turn(double x, int quarters)
{
    if (!(fabs(x) <= 0x1p20)) return NAN;
    const double n = nearbyint(2 * x), r = 3.14159265358979323846 * (x - 0.5 * n);
    const int turn = (int)(((long long)n + quarters) & 3);
    const double y = turn & 1 ? cos(r) : sin(r);
    return turn & 2 ? -y : y;
}
static double exact_sinpi(double x) { return exact_turn(x, 0); }
static double exact_cospi(double x) { return exact_turn(x, 1); }

static const struct row {
    const char *name;
    void (*over)(const float *restrict, float *restrict);
    double (*exact)(double);
    double bound; /* ULP */
} rows[] = {
    {.name = "exp", .over = exp_over, .exact = exp, .bound = 1.1},
    {.name = "log", .over = log_over, .exact = log, .bound = 1.0},
    {.name = "sigmoid", .over = sigmoid_over, .exact = exact_sigmoid, .bound = 3.0},
    {.name = "softplus", .over = softplus_over, .exact = exact_softplus, .bound = 2.0},
    {.name = "tanh", .over = tanh_over, .exact = tanh, .bound = 2.0},
    {.name = "erf", .over = erf_over, .exact = erf, .bound = 2.5},
    {.name = "normal_cdf", .over = normal_cdf_over, .exact = exact_cdf, .bound = 5.5},
    {.name = "normal_pdf", .over = normal_pdf_over, .exact = exact_pdf, .bound = 2.5},
    {.name = "sinpi", .over = sinpi_over, .exact = exact_sinpi, .bound = 1.0},
    {.name = "cospi", .over = cospi_over, .exact = exact_cospi, .bound = 1.0},
    {.name = "sqrt", .over = sqrt_over, .exact = sqrt, .bound = 0.5},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* The error of y in units of the last place of the exact result; 0 where the contract names the result and y is it. */
static double ulp_error(float y, double exact)
{
    if (isnan(exact)) return arith_bits(y) == ARITH_NAN ? 0 : INFINITY;
    const double size = fabs(exact);
    if (size == INFINITY) return y == exact ? 0 : INFINITY;
    if (arith_bits(y) == ARITH_SIGN || (arith_bits(y) && arith_is_zero(y)))
        return INFINITY; /* -0 and denormals are never right */
    if (y == 0 && size < 0x1.000008p-126) return 0;
    if (isinf(y) && size >= 0x1.ffffffp127 && signbit(y) == signbit(exact)) return 0;
    int exponent;
    frexp(size < 0x1p-126 ? 0x1p-126 : size, &exponent);
    return ldexp(fabs((double)y - exact), 24 - exponent);
}

START_TEST(errors_in_ulp)
{
    const struct row *row = &rows[_i];
    const uint32_t stride = run_long() ? 1 : 499; /* a prime, so that all low bits come up */
    double worst = 0;
    float worst_at = 0;
    for (uint64_t start = 0; start < UINT64_C(1) << 32; start += (uint64_t)stride * CHUNK) {
        float x[CHUNK], y[CHUNK];
        for (uint32_t i = 0; i < CHUNK; i++) x[i] = arith_float((uint32_t)start + i * stride);
        row->over(x, y);
        for (uint32_t i = 0; i < CHUNK; i++) {
            const double error = ulp_error(y[i], row->exact(arith_is_zero(x[i]) ? 0.0 : (double)x[i]));
            if (!(error <= row->bound)) /* not an assertion, which costs a system call each time that it holds */
                ck_abort_msg("%s(%a) is %a (%08x), not %a: %g ULP", row->name, (double)x[i], (double)y[i],
                             arith_bits(y[i]), row->exact((double)x[i]), error);
            if (error > worst) worst = error, worst_at = x[i];
        }
    }
    fprintf(stderr, "# %-10s %.3f ULP at %a\n", row->name, worst, (double)worst_at);
}
END_TEST

START_TEST(named_values)
{
    const float inf = arith_float(ARITH_INF), nan = arith_float(ARITH_NAN);
    const float other_nan = arith_float(0xff800001u), least = 0x1p-126f, denormal = arith_float(0x007fffffu);
    const struct {
        const char *name;
        float (*function)(float);
        float at_zero, at_inf, at_minus_inf, at_least; /* denormals are as zero */
    } functions[] = {
        {"flush", arith_flush, 0, inf, -inf, 0},
        {"flush_state", arith_flush_state, 0, inf, -inf, 0},
        {"sqrt", arith_sqrt, 0, inf, nan, 0x1p-63f},
        {"exp", arith_exp, 1, inf, 0, 1},
        {"log", arith_log, -inf, inf, nan, -0x1.5d58a0p+6f},
        {"sigmoid", arith_sigmoid, 0.5f, 1, 0, 0.5f},
        {"softplus", arith_softplus, 0x1.62e430p-1f, inf, 0, 0x1.62e430p-1f},
        {"tanh", arith_tanh, 0, 1, -1, least},
        {"erf", arith_erf, 0, 1, -1, 0x1.20dd74p-126f},
        {"normal_cdf", arith_normal_cdf, 0.5f, 1, 0, 0.5f},
        {"normal_pdf", arith_normal_pdf, 0x1.988454p-2f, 0, 0, 0x1.988454p-2f},
        {"sinpi", arith_sinpi, 0, nan, nan, ARITH_PI * 0x1p-126f},
        {"cospi", arith_cospi, 1, nan, nan, 1},
    };
    for (size_t k = 0; k < sizeof functions / sizeof *functions; k++) {
        const char *name = functions[k].name;
        float (*const f)(float) = functions[k].function;
        expect_bits(name, 0, 0, f(0.0f), functions[k].at_zero);
        expect_bits(name, -0.0f, 0, f(-0.0f), functions[k].at_zero);
        expect_bits(name, denormal, 0, f(denormal), functions[k].at_zero);
        expect_bits(name, -denormal, 0, f(-denormal), functions[k].at_zero);
        expect_bits(name, least, 0, f(least), functions[k].at_least);
        expect_bits(name, inf, 0, f(inf), functions[k].at_inf);
        expect_bits(name, -inf, 0, f(-inf), functions[k].at_minus_inf);
        ck_assert_msg(arith_is_nan(f(nan)) && arith_is_nan(f(other_nan)), "%s(NaN) is a number", name);
    }
    ck_assert(arith_is_finite(0x1.fffffep127f) && !arith_is_finite(-inf) && !arith_is_finite(other_nan));
    ck_assert(!arith_is_nan(inf) && arith_is_nan(nan) && arith_is_nan(-other_nan));
    expect_bits("abs", -2, 0, arith_abs(-2), 2);
    expect_bits("flush", 0x1p-40f, 0, arith_flush(-0x1p-40f), -0x1p-40f);
    expect_bits("flush", 0x1.fffffep-41f, 0, arith_flush(-0x1.fffffep-41f), 0);
    expect_bits("flush_state", 0x1p-100f, 0, arith_flush_state(-0x1p-100f), -0x1p-100f);
    expect_bits("flush_state", 0x1.fffffep-101f, 0, arith_flush_state(-0x1.fffffep-101f), 0);
    expect_bits("log", 1, 0, arith_log(1), 0);
    expect_bits("cospi", 0.5f, 0, arith_cospi(0.5f), 0);
    expect_bits("cospi", 1, 0, arith_cospi(1), -1);
    expect_bits("sinpi", -3, 0, arith_sinpi(-3), 0);
    expect_bits("sinpi", 1.5f, 0, arith_sinpi(1.5f), -1);
    expect_bits("sinpi", 0x1p20f, 0, arith_sinpi(0x1p20f), 0);
}
END_TEST

/* ---- division: the machine's own is correctly rounded ---- */

static CLONES void div_over(const float *restrict a, const float *restrict b, float *restrict is)
{
    for (int i = 0; i < CHUNK; i++) is[i] = arith_div(a[i], b[i]);
}

static struct {
    float a[CHUNK], b[CHUNK];
    int count;
} pairs;

/* x, or 0 of its sign if it is denormal. */
static float signed_zero(float x) { return arith_is_zero(x) ? arith_float(arith_bits(x) & ARITH_SIGN) : x; }

static void check_quotients(void)
{
    float is[CHUNK];
    div_over(pairs.a, pairs.b, is);
    for (int i = 0; i < CHUNK; i++) {
        const float a = signed_zero(pairs.a[i]), b = signed_zero(pairs.b[i]);
        if (arith_bits(is[i]) != expected(a / b)) expect_bits("div", a, b, is[i], arith_float(expected(a / b)));
    }
    pairs.count = 0;
}

static void check_quotient(float a, float b)
{
    pairs.a[pairs.count] = a;
    pairs.b[pairs.count] = b;
    if (++pairs.count == CHUNK) check_quotients();
}

START_TEST(quotients_by_every_significand)
{
    for (uint32_t k = 0; k < 1u << 23; k++) {
        const float b = one_to_two(k);
        check_quotient(1, b);
        check_quotient(b, 0x1.fffffep+0f); /* the all-ones divisor, and dividend */
        check_quotient(0x1.fffffep+127f, b);
        check_quotient(one_to_two(draw(k, 1)), b);
    }
    check_quotients();
}
END_TEST

/* 1 / odd modulo 2^32, by Newton from three right bits. */
static uint32_t invert(uint32_t odd)
{
    uint32_t inverse = odd;
    for (int i = 0; i < 4; i++) inverse *= 2 - odd * inverse;
    return inverse;
}

/* The quotients within 16/2^48 of the midway between two floats in [1, 2], all of them or those of a part of divisors:
 * for b of 24 bits and an odd M of 25, M b = a 2^24 - k says that a/b is M/2^24 + k/(2^24 b). So M is -k/b modulo 2^24,
 * or modulo less if b is even. Where arith_div's correction is needed, b is near 2. */
START_TEST(quotients_near_midway)
{
    const uint32_t end = 1u << 24, dense = run_long() ? 1u << 23 : end - (1u << 16);
    for (uint32_t at = 1u << 23; at < end; at += at < dense ? 16 : 1) {
        const uint32_t b = at < dense ? at | draw(at, 2) % 16 : at;
        const uint32_t twos = (uint32_t)__builtin_ctz(b), inverse = invert(b >> twos), modulus = end >> twos;
        const int32_t part = 1 << (twos < 5 ? twos : 5); /* divides k */
        const float r = arith_div(1, (float)b);
        for (int32_t k = -16; k <= 16; k++) {
            if (!k || k % part) continue;
            const uint32_t first = (0u - (uint32_t)(k / part) * inverse) % modulus;
            for (uint32_t m = end + first; m < 2 * end; m += modulus) {
                const uint64_t a = ((uint64_t)b * m + (uint64_t)(int64_t)k) >> 24;
                if (!(m & 1) || a < b || (a >= end && a & 1)) continue;
                const float sum = (float)a, should = sum / (float)b, mean = arith_mean(sum, (float)b, r);
                check_quotient(sum, (float)b);
                if (arith_bits(mean) != arith_bits(should)) expect_bits("mean", sum, (float)b, mean, should);
            }
        }
    }
    check_quotients();
}
END_TEST

START_TEST(quotients_of_every_exponent)
{
    for (uint32_t i = 0; i < 512; i++)
        for (uint32_t j = 0; j < 512; j++)
            for (uint32_t k = 0; k < 6; k++) {
                const uint32_t fraction = draw(i << 9 | j, 3 + k);
                const uint32_t a = i << 23 | (k < 4 ? fraction & ARITH_FRACTION : 0),
                               b = j << 23 | (k < 5 ? fraction >> 9 : 0);
                check_quotient(arith_float(a), arith_float(b)); /* k = 5: zeros, infinities and powers of two */
            }
    check_quotients();
}
END_TEST

/* ---- the square root: every significand, both parities; every exponent is among the functions in ULP ---- */

START_TEST(roots_of_every_significand)
{
    float x[CHUNK], y[CHUNK];
    for (uint32_t start = ARITH_ONE; start < 0x40800000u; start += CHUNK) {
        for (uint32_t i = 0; i < CHUNK; i++) x[i] = arith_float(start + i);
        sqrt_over(x, y);
        for (uint32_t i = 0; i < CHUNK; i++)
            if (arith_bits(y[i]) != arith_bits(sqrtf(x[i]))) expect_bits("sqrt", x[i], 0, y[i], sqrtf(x[i]));
    }
    for (uint32_t exponent = 1; exponent < 255; exponent++)
        for (uint32_t k = 0; k < 4096; k++) {
            const float a = arith_float(exponent << 23 |
                                        (k < 4095 ? draw(exponent << 12 | k, 9) & ARITH_FRACTION : ARITH_FRACTION));
            if (arith_bits(arith_sqrt(a)) != arith_bits(sqrtf(a))) expect_bits("sqrt", a, 0, arith_sqrt(a), sqrtf(a));
        }
}
END_TEST

/* ---- the quick ones: every significand, both parities; a step of the exponent changes no other bit ---- */

static double ulps(float is, double exact) { return fabs(is - exact) / ldexp(1, ilogb(exact) - 23); }

START_TEST(near_roots_and_reciprocals)
{
    float x[CHUNK], roots[CHUNK], reciprocals[CHUNK];
    for (uint32_t start = ARITH_ONE; start < 0x40800000u; start += CHUNK) {
        for (uint32_t i = 0; i < CHUNK; i++) x[i] = arith_float(start + i);
        near_sqrt_over(x, roots);
        near_reciprocal_over(x, reciprocals);
        for (uint32_t i = 0; i < CHUNK; i++) {
            if (!(ulps(roots[i], sqrt((double)x[i])) < 0.51)) /* ck_assert_msg() writes a file each time */
                ck_abort_msg("root of %a: %a", (double)x[i], (double)roots[i]);
            if (!(ulps(reciprocals[i], 1 / (double)x[i]) < 0.51))
                ck_abort_msg("1 / %a: %a", (double)x[i], (double)reciprocals[i]);
        }
        const uint32_t k = draw(start, 11) % CHUNK;
        for (int e = -40; e <= 59; e++) /* 2^-80 to 2^120 */
            if (arith_near_sqrt(ldexpf(x[k], 2 * e)) != ldexpf(roots[k], e))
                expect_bits("near_sqrt", ldexpf(x[k], 2 * e), 0, arith_near_sqrt(ldexpf(x[k], 2 * e)),
                            ldexpf(roots[k], e));
        for (int e = -60; e <= 58; e++)
            if (arith_near_reciprocal(ldexpf(x[k], e)) != ldexpf(reciprocals[k], -e))
                expect_bits("near_reciprocal", ldexpf(x[k], e), 0, arith_near_reciprocal(ldexpf(x[k], e)),
                            ldexpf(reciprocals[k], -e));
    }
    const float none[] = {0, -0.0f, 1e-45f, 0x1p-126f, 0x1.fffffep-81f};
    for (int k = 0; k < 5; k++) expect_bits("near_sqrt", none[k], 0, arith_near_sqrt(none[k]), 0);
    ck_assert(isnan(arith_near_sqrt(NAN)));
}
END_TEST

/* ---- means ---- */

static CLONES void mean_over(const float *restrict sum, float n, float r, float *restrict is)
{
    for (int i = 0; i < CHUNK; i++) is[i] = arith_mean(sum[i], n, r);
}

/* A sum whose mean is near the midway of two floats, as in quotients_near_midway, or any other. There the divisor is
 * n's odd part of t bits, and M odd = a 2^(t + 1) +- 1 has many solutions with a of 24 bits. */
static float draw_sum(uint32_t i, uint32_t n)
{
    const philox_block b = philox(2, PHILOX_CASES, 0, n, i);
    const uint32_t exponent = 87 + b.v[0] % 168; /* 2^-40 and more */
    uint32_t fraction = b.v[1];
    if (b.v[0] & 1u << 30) {
        const uint32_t odd = n >> __builtin_ctz(n), s = 33 - (uint32_t)__builtin_clz(odd), mask = (1u << s) - 1;
        const uint64_t low = (b.v[2] & 1 ? invert(odd) : 0u - invert(odd)) & mask;
        const uint64_t m = low | (b.v[1] & 0x00ffffffu & ~mask) | 1u << 24;
        fraction = arith_bits((float)((m * odd + 1) >> s));
    }
    if (i < 4) return arith_float(0x7f7fffffu - i);
    return arith_float((b.v[3] & ARITH_SIGN) | exponent << 23 | (fraction & ARITH_FRACTION));
}

START_TEST(means)
{
    const uint32_t all = run_long() ? 65536 : 700, most = 1u << 24;
    for (uint32_t k = 1; k < all + 1500; k++) {
        uint32_t n = k <= all ? k : 1 + draw(k, 10) % most; /* small, then any, then the largest and all-ones ones */
        if (k >= all + 1400) n = most - (k - all - 1400);
        if (k >= all + 1450) n = (1u << (k % 24 + 1)) - 1;
        const float r = arith_div(1, (float)n);
        float sum[CHUNK], is[CHUNK];
        for (uint32_t i = 0; i < CHUNK; i++) sum[i] = draw_sum(i, n);
        sum[4] = 0;
        mean_over(sum, (float)n, r, is);
        for (uint32_t i = 0; i < CHUNK; i++) {
            const float should = sum[i] / (float)n;
            if (arith_bits(is[i]) != arith_bits(should)) expect_bits("mean", sum[i], (float)n, is[i], should);
        }
        expect_bits("mean", INFINITY, (float)n, arith_mean(INFINITY, (float)n, r), INFINITY);
        expect_bits("mean", -INFINITY, (float)n, arith_mean(-INFINITY, (float)n, r), -INFINITY);
        ck_assert(arith_is_nan(arith_mean(NAN, (float)n, r)));
    }
    for (uint32_t k = 0; k < 1000; k++) { /* sums of weights */
        const float n = arith_float((draw(k, 12) % 104 + 87) << 23 | (draw(k, 13) & ARITH_FRACTION));
        const float r = arith_div(1, n);
        float sum[CHUNK], is[CHUNK];
        for (uint32_t i = 0; i < CHUNK; i++)
            sum[i] = arith_float((draw(k << 12 | i, 14) % 100 + 87) << 23 | draw(k << 12 | i, 15) >> 9);
        mean_over(sum, n, r, is);
        for (uint32_t i = 0; i < CHUNK; i++)
            if (arith_bits(is[i]) != arith_bits(sum[i] / n)) expect_bits("mean", sum[i], n, is[i], sum[i] / n);
    }
}
END_TEST

/* ---- random numbers ---- */

/* From Random123's kat_vectors (philox4x32 10). */
START_TEST(philox_known_answers)
{
    static const struct {
        uint64_t key;
        uint32_t counter[4], block[4];
    } known[] = {
        {0, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX,
         {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822,
         {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        const uint32_t *c = known[k].counter;
        const philox_block block = philox(known[k].key, c[0], c[1], c[2], c[3]);
        for (int i = 0; i < 4; i++)
            ck_assert_msg(block.v[i] == known[k].block[i], "vector %zu, word %d: %08x, not %08x", k, i, block.v[i],
                          known[k].block[i]);
    }
}
END_TEST

START_TEST(philox_units)
{
    expect_bits("unit", 0, 0, philox_unit(0), 0x1p-24f);
    expect_bits("unit", 0, 0, philox_unit(511), 0x1p-24f);
    expect_bits("unit", 0, 0, philox_unit(UINT32_MAX), 1 - 0x1p-24f);
    for (uint32_t k = 0; k < 1u << 23; k++) {
        const double should = (k + 0.5) * 0x1p-23;
        if (philox_unit(k << 9) != should)
            ck_abort_msg("philox_unit(%08x) is %a, not %a", k << 9, (double)philox_unit(k << 9), should);
    }
}
END_TEST

/* Moments 1 to 4 are 0, 1, 0, 3, with variances 1, 2, 15, 96 over the count; the pair is uncorrelated. Five deviations.
 */
START_TEST(philox_normal_moments)
{
    enum { PAIRS = 1 << 19 };
    double moment[5] = {0}, product = 0, most = 0;
    for (uint32_t i = 0; i < PAIRS; i++) {
        const philox_block b = philox(3, PHILOX_CASES, 0, 0, i);
        float z[2];
        philox_normal(b.v[0], b.v[1], &z[0], &z[1]);
        product += (double)z[0] * (double)z[1];
        for (int k = 0; k < 2; k++) {
            double power = 1;
            for (int p = 1; p <= 4; p++) moment[p] += power *= (double)z[k];
            if (fabs((double)z[k]) > most) most = fabs((double)z[k]);
        }
    }
    const double mean[5] = {0, 0, 1, 0, 3}, variance[5] = {0, 1, 2, 15, 96};
    for (int p = 1; p <= 4; p++) {
        const double off = moment[p] / (2.0 * PAIRS) - mean[p], deviation = sqrt(variance[p] / (2.0 * PAIRS));
        ck_assert_msg(fabs(off) < 5 * deviation, "moment %d is off by %g, %g deviations", p, off, off / deviation);
    }
    ck_assert_msg(fabs(product / PAIRS) < 5 / sqrt(PAIRS), "correlation %g", product / PAIRS);
    ck_assert_msg(most > 4 && most < 5.78, "the largest is %g", most);

    float first, second;
    philox_normal(0, 1u << 31, &first, &second); /* the largest radius, just past half a turn */
    ck_assert_msg(first > -5.7682f && first < -5.7680f && second < 0 && second > -1e-5f, "%g, %g", (double)first,
                  (double)second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arith");
    TCase *tests = tcase_create("arith");
    tcase_set_timeout(tests, run_long() ? 7200 : 120);
    tcase_add_test(tests, named_values);
    tcase_add_loop_test(tests, errors_in_ulp, 0, ROWS);
    tcase_add_test(tests, quotients_by_every_significand);
    tcase_add_test(tests, quotients_near_midway);
    tcase_add_test(tests, quotients_of_every_exponent);
    tcase_add_test(tests, roots_of_every_significand);
    tcase_add_test(tests, near_roots_and_reciprocals);
    tcase_add_test(tests, means);
    tcase_add_test(tests, philox_known_answers);
    tcase_add_test(tests, philox_units);
    tcase_add_test(tests, philox_normal_moments);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
