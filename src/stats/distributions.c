#include "stats/distributions.h"

#include "stats/running.h"

#include <math.h>

static double keep_from_zero(double x) { return fabs(x) < 1e-300 ? 1e-300 : x; }

/* The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), by Lentz's method. It
 * settles in about sqrt(max(a, b)) rounds if x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 / keep_from_zero(1 - (a + b) * x / (a + 1)), h = d;
    for (int m = 1; m < 100000; m++) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / keep_from_zero(1 + even * d);
        c = keep_from_zero(1 + even / c);
        h *= d * c;
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / keep_from_zero(1 + odd * d);
        c = keep_from_zero(1 + odd / c);
        h *= d * c;
        if (fabs(d * c - 1) < 1e-15) break;
    }
    return h;
}

static double log_gamma(double x)
{
    int sign; /* lgamma() writes to a global */
    return lgamma_r(x, &sign);
}

/* The regularized incomplete beta function I_x(a, b); y = 1 - x is passed too, since it may be too small to compute. */
static double beta_part(double a, double b, double x, double y)
{
    if (x <= 0) return 0;
    if (y <= 0) return 1;
    const double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, y) / b;
}

double normal_below(double z) { return 0.5 * erfc(-z * M_SQRT1_2); }

/* P(T > t) for t >= 0. Beyond 1e7 degrees the normal distribution is more accurate than the logarithms of gamma. */
static double student_tail(double t, double freedom)
{
    if (freedom > 1e7) return normal_below(-t);
    const double whole = freedom + t * t;
    return 0.5 * beta_part(freedom / 2, 0.5, freedom / whole, t * t / whole);
}

double student_below(double t, double freedom)
{
    if (!(freedom > 0)) return NAN;
    return t < 0 ? student_tail(-t, freedom) : 1 - student_tail(t, freedom);
}

double student_quantile(double p, double freedom)
{
    if (!(p > 0 && p < 1 && freedom > 0)) return NAN;
    if (p < 0.5) return -student_quantile(1 - p, freedom);
    double low = 0, high = 1;
    while (student_tail(high, freedom) > 1 - p && high < 1e150) {
        low = high;
        high *= 2;
    }
    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        const double middle = 0.5 * (low + high);
        if (student_tail(middle, freedom) > 1 - p)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

double student_95(double freedom) { return student_quantile(0.975, freedom); }

double fisher_tail(double f, double above, double below)
{
    if (!(f > 0)) return 1;
    if (isinf(f)) return 0;
    const double whole = below + above * f;
    return beta_part(below / 2, above / 2, below / whole, above * f / whole);
}

bool student_paired(const double *a, const double *b, int seeds, student_interval *out)
{
    running r = {0};
    for (int i = 0; i < seeds; i++) {
        if (!isfinite(a[i] - b[i])) return false;
        running_add(&r, a[i] - b[i]);
    }
    if (seeds < 1) return false;
    const double mean = r.mean, reach = seeds > 1 ? student_95(seeds - 1) * running_error(&r) : INFINITY;
    *out = (student_interval){mean, mean - reach, mean + reach};
    return true;
}
