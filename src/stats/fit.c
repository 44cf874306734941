#include "stats/fit.h"

#include "stats/distributions.h"

#include <math.h>
#include <string.h>

/* Steps against batch ---------------------------------------------------------------------------------------------- */

/* The curve in logarithms: y = u + log(1 + exp(v - x)), with y = log S, x = log B, u = log S_min, v = log B_crit. */
typedef struct problem {
    const fit_point *points;
    int count, batches; /* points; different batches among them */
    double seeds;       /* of all points together */
    double x[FIT_BATCHES];
    double first, last; /* v is searched between these */
} problem;

/* A v with its best u, and the sum of squares there. */
typedef struct spot {
    double v, u, rss;
} spot;

static double bend(double v, double x) { return v > x ? v - x + log1p(exp(x - v)) : log1p(exp(v - x)); }

/* The slope of log S along log B_crit. */
static double slope_at(double log_b_crit, double x) { return 1 / (1 + exp(x - log_b_crit)); }

static spot spot_at(const problem *p, double v)
{
    spot s = {.v = v};
    double rest[FIT_BATCHES];
    for (int i = 0; i < p->count; i++) {
        rest[i] = p->points[i].log_steps - bend(v, p->x[i]);
        s.u += p->points[i].seeds * rest[i] / p->seeds;
    }
    for (int i = 0; i < p->count; i++) s.rss += p->points[i].seeds * (rest[i] - s.u) * (rest[i] - s.u);
    return s;
}

/* Beyond the ends of the search the curve is a single arm to within 1e-5. */
static const double BEYOND = 11.5;
enum { GRID = 400 };
static double grid_v(const problem *p, int i) { return p->first + (p->last - p->first) * i / GRID; }

/* The least sum of squares: the best of the grid, then golden sections around it. */
static spot find_best(const problem *p)
{
    const double golden = 0.6180339887498949;
    int best = 0;
    double least = INFINITY;
    for (int i = 0; i <= GRID; i++) {
        const double rss = spot_at(p, grid_v(p, i)).rss;
        if (rss < least) {
            least = rss;
            best = i;
        }
    }
    double low = grid_v(p, best > 0 ? best - 1 : 0), high = grid_v(p, best < GRID ? best + 1 : GRID);
    spot a = spot_at(p, high - golden * (high - low)), b = spot_at(p, low + golden * (high - low));
    for (int i = 0; i < 100; i++) {
        if (a.rss < b.rss) {
            high = b.v;
            b = a;
            a = spot_at(p, high - golden * (high - low));
        } else {
            low = a.v;
            a = b;
            b = spot_at(p, low + golden * (high - low));
        }
    }
    return a.rss < b.rss ? a : b;
}

/* The end of the interval on one side, searched from far away, so that no part of the set is missed. *open: the set
 * reaches the end of the search. */
static double find_end(const problem *p, const spot *best, double allowed, bool upwards, bool *open)
{
    int i = upwards ? GRID : 0;
    const int step = upwards ? -1 : 1;
    double outside = NAN, inside = best->v;
    for (; upwards ? grid_v(p, i) > best->v : grid_v(p, i) < best->v; i += step) {
        if (spot_at(p, grid_v(p, i)).rss <= best->rss + allowed) {
            inside = grid_v(p, i);
            break;
        }
        outside = grid_v(p, i);
    }
    *open = isnan(outside);
    for (int round = 0; round < 60 && !*open; round++) {
        const double middle = 0.5 * (inside + outside);
        if (spot_at(p, middle).rss <= best->rss + allowed)
            inside = middle;
        else
            outside = middle;
    }
    return inside;
}

static fit_range range_of(double value, double low, bool no_low, double high, bool no_high)
{
    static const fit_state states[2][2] = {{FIT_KNOWN, FIT_AT_LEAST}, {FIT_AT_MOST, FIT_UNKNOWN}};
    return (fit_range){.state = states[no_low][no_high],
                       .value = exp(value),
                       .low = no_low ? 0 : exp(low),
                       .high = no_high ? INFINITY : exp(high)};
}

/* The interval of B_crit, and those of S_min and E_min: the ends of the same set of (u, v) along u and along u + v. At
 * each v the set contains the u within sqrt((allowed - more) / seeds) of the best. If B_crit has no upper bound, S_min
 * has no lower one; if it has no lower bound, E_min has none. */
static void find_ranges(const problem *p, const spot *best, double allowed, fit_curve *out)
{
    bool no_low, no_high;
    const double low = find_end(p, best, allowed, false, &no_low), high = find_end(p, best, allowed, true, &no_high);
    double s[2] = {INFINITY, -INFINITY}, e[2] = {INFINITY, -INFINITY};
    for (int i = 0; i <= GRID; i++) {
        const spot at = spot_at(p, low + (high - low) * i / GRID);
        const double more = at.rss - best->rss, reach = sqrt(allowed > more ? (allowed - more) / p->seeds : 0);
        s[0] = fmin(s[0], at.u - reach);
        s[1] = fmax(s[1], at.u + reach);
        e[0] = fmin(e[0], at.u + at.v - reach);
        e[1] = fmax(e[1], at.u + at.v + reach);
    }
    out->b_crit = range_of(best->v, low, no_low, high, no_high);
    out->s_min = range_of(best->u, s[0], no_high, s[1], false);
    out->e_min = range_of(best->u + best->v, e[0], no_low, e[1], false);
}

static bool pose(const fit_point *points, int count, problem *out)
{
    problem p = {.points = points, .count = count, .first = INFINITY, .last = -INFINITY};
    if (count < FIT_LEAST || count > FIT_BATCHES) return false;
    for (int i = 0; i < count; i++) {
        const fit_point *at = &points[i];
        bool known = false;
        if (!(at->batch > 0 && isfinite(at->batch)) || !isfinite(at->log_steps) || at->seeds < 1) return false;
        if (!(at->log_spread >= 0 && isfinite(at->log_spread))) return false;
        p.x[i] = log(at->batch);
        p.seeds += at->seeds;
        for (int j = 0; j < i; j++) known |= points[j].batch == at->batch;
        p.batches += !known;
        p.first = fmin(p.first, p.x[i] - BEYOND);
        p.last = fmax(p.last, p.x[i] + BEYOND);
    }
    *out = p;
    return p.batches >= FIT_LEAST;
}

/* Sets the curve's spread, freedom and lack from residuals and seeds. Returns s^2 and its degrees of freedom. */
static double find_error(const problem *p, double rss, double *freedom, fit_curve *out)
{
    double within = 0;
    const double about_freedom = p->count - 2, within_freedom = p->seeds - p->count;
    for (int i = 0; i < p->count; i++)
        within += (p->points[i].seeds - 1) * p->points[i].log_spread * p->points[i].log_spread;
    const double about = rss / about_freedom; /* of the batches about the curve, for one seed */
    const bool several = within_freedom > 0;
    out->spread = several ? sqrt(within / within_freedom) : FIT_SEED_SPREAD;
    out->freedom = several ? within_freedom : INFINITY;
    const double more = (about - out->spread * out->spread) * p->count / p->seeds;
    out->lack = more > 0 ? sqrt(more) : 0;
    /* A misfit that is as large as the seeds' errors shows in half of all fits alone; with one degree of freedom in
     * fewer. */
    const double unlikely = about_freedom < 2 ? 0.7 : 0.5;
    if (!several ||
        (about > 0 && fisher_tail(about * within_freedom / within, about_freedom, within_freedom) < unlikely)) {
        *freedom = about_freedom;
        return about;
    }
    *freedom = p->seeds - 2;
    return (rss + within) / *freedom;
}

/* The standard error of v: s / sqrt(sum of squares of the slope along v, u being free). */
static double find_slope_error(const problem *p, const spot *best, double square)
{
    double mean = 0, sum = 0, slope[FIT_BATCHES];
    for (int i = 0; i < p->count; i++) {
        slope[i] = slope_at(best->v, p->x[i]);
        mean += p->points[i].seeds * slope[i] / p->seeds;
    }
    for (int i = 0; i < p->count; i++) sum += p->points[i].seeds * (slope[i] - mean) * (slope[i] - mean);
    return sum > 0 ? sqrt(square / sum) : INFINITY;
}

/* The smooth part -------------------------------------------------------------------------------------------------- */

/* Of two batches, by log B; 1 for one and the same. */
static double correlation(double x, double y)
{
    const double octaves = (x - y) / M_LN2 / 1.5;
    return exp(-octaves * octaves / 2);
}

static double lack_squared(const fit_curve *c) { return fmax(c->lack * c->lack, FIT_LACK_LEAST * FIT_LACK_LEAST); }

/* Solves L y = v in place, L the Cholesky factor. */
static void solve_lower(const fit_curve *c, double *v)
{
    for (int i = 0; i < c->count; i++) {
        for (int j = 0; j < i; j++) v[i] -= c->factor[i][j] * v[j];
        v[i] /= c->factor[i][i];
    }
}

static void find_smooth(const problem *p, fit_curve *c)
{
    c->count = p->count;
    memcpy(c->x, p->x, sizeof c->x);
    for (int i = 0; i < c->count; i++) {
        /* Slightly more than the error of the seeds, so that the factor exists even if that is 0. */
        const double error = c->spread * c->spread / p->points[i].seeds + 1e-6 * lack_squared(c);
        for (int j = 0; j <= i; j++) {
            double sum = lack_squared(c) * correlation(c->x[i], c->x[j]) + (i == j ? error : 0);
            for (int k = 0; k < j; k++) sum -= c->factor[i][k] * c->factor[j][k];
            c->factor[i][j] = i == j ? sqrt(sum) : sum / c->factor[j][j];
        }
        c->pull[i] = p->points[i].log_steps - fit_log_steps(c, p->points[i].batch);
    }
    solve_lower(c, c->pull);
    for (int i = c->count - 1; i >= 0; i--) { /* and with the transpose */
        for (int j = i + 1; j < c->count; j++) c->pull[i] -= c->factor[j][i] * c->pull[j];
        c->pull[i] /= c->factor[i][i];
    }
}

double fit_log_steps(const fit_curve *curve, double batch)
{
    return curve->log_s_min + bend(curve->log_b_crit, log(batch));
}

double fit_expected(const fit_curve *curve, double batch)
{
    double off = 0;
    for (int i = 0; i < curve->count; i++) off += curve->pull[i] * correlation(log(batch), curve->x[i]);
    return fit_log_steps(curve, batch) + lack_squared(curve) * off;
}

double fit_difference_error(const fit_curve *curve, double batch, double other)
{
    const double x = log(batch), y = log(other), lack = lack_squared(curve);
    const double apart = slope_at(curve->log_b_crit, x) - slope_at(curve->log_b_crit, y);
    const double of_curve = apart != 0 ? apart * curve->log_b_crit_error : 0;
    double seen[FIT_BATCHES], variance = 2 * lack * (1 - correlation(x, y));
    for (int i = 0; i < curve->count; i++) seen[i] = lack * (correlation(x, curve->x[i]) - correlation(y, curve->x[i]));
    solve_lower(curve, seen);
    for (int i = 0; i < curve->count; i++) variance -= seen[i] * seen[i];
    return sqrt((variance > 0 ? variance : 0) + of_curve * of_curve);
}

bool fit_steps(const fit_point *points, int count, fit_curve *out)
{
    problem p;
    double freedom;
    memset(out, 0, sizeof *out);
    if (!pose(points, count, &p)) return false;
    const spot best = find_best(&p);
    const double square = find_error(&p, best.rss, &freedom, out), t = student_95(freedom);
    out->known = true;
    out->log_s_min = best.u;
    out->log_b_crit = best.v;
    out->log_b_crit_error = find_slope_error(&p, &best, square);
    find_ranges(&p, &best, t * t * square, out);
    find_smooth(&p, out);
    return true;
}

/* The time of a step ----------------------------------------------------------------------------------------------- */

double fit_seconds(const fit_time *time, double batch) { return time->fixed + time->each * batch; }

static double time_misfit(const fit_time_point *points, int count, double fixed, double each)
{
    double sum = 0, weights = 0;
    for (int i = 0; i < count; i++) {
        const double off = (fixed + each * points[i].batch) / points[i].seconds - 1;
        sum += points[i].weight * off * off;
        weights += points[i].weight;
    }
    return sqrt(sum / weights);
}

bool fit_step_time(const fit_time_point *points, int count, fit_time *out)
{
    /* Normal equations of a / t + b B / t = 1. */
    double aa = 0, ab = 0, bb = 0, a1 = 0, b1 = 0;
    bool two = false;
    *out = (fit_time){.known = false};
    for (int i = 0; i < count; i++) {
        const double batch = points[i].batch, seconds = points[i].seconds, w = points[i].weight;
        if (!(batch > 0 && isfinite(batch) && seconds > 0 && isfinite(seconds) && w > 0 && isfinite(w))) return false;
        const double one = 1 / seconds, many = batch / seconds;
        aa += w * one * one;
        ab += w * one * many;
        bb += w * many * many;
        a1 += w * one;
        b1 += w * many;
        two |= batch != points[0].batch;
    }
    if (!two) return false;
    const double whole = aa * bb - ab * ab;
    double fixed = (a1 * bb - b1 * ab) / whole, each = (b1 * aa - a1 * ab) / whole;
    if (!(fixed >= 0 && each >= 0)) { /* then the minimum is on an edge: one of them is 0 */
        const bool through_zero = time_misfit(points, count, 0, b1 / bb) <= time_misfit(points, count, a1 / aa, 0);
        fixed = through_zero ? 0 : a1 / aa;
        each = through_zero ? b1 / bb : 0;
    }
    *out = (fit_time){.known = true, .fixed = fixed, .each = each, .misfit = time_misfit(points, count, fixed, each)};
    return true;
}

int fit_rising_time(const fit_time_point *points, int count, fit_time *out)
{
    for (int n = count; n >= 2; n--) {
        if (!fit_step_time(points, n, out)) continue;
        if (out->each == 0 && out->misfit < 0.1) out->each = fmax(out->misfit, 0.01) * out->fixed / points[n - 1].batch;
        if (out->fixed > 0 && out->each > 0) return n;
    }
    *out = (fit_time){.known = false};
    return 0;
}
