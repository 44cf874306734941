#include "lab/report/plot_scale.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double FAR_APART = 4; /* figures: from there on a logarithmic scale shows them better */

plot_label plot_scale_number(double value)
{
    plot_label l;
    const double size = fabs(value);
    if (size >= 999500)
        snprintf(l.text, sizeof l.text, "%.3gM", value / 1e6);
    else if (size >= 10000)
        snprintf(l.text, sizeof l.text, "%.3gk", value / 1e3);
    else if (size >= 0.001 || size == 0)
        snprintf(l.text, sizeof l.text, "%.4g", value);
    else
        snprintf(l.text, sizeof l.text, "%.0e", value);
    char *zero = strstr(l.text, "e-0");
    if (zero) memmove(zero + 2, zero + 3, strlen(zero + 3) + 1);
    return l;
}

/* The ends --------------------------------------------------------------------------------------------------------- */

static void widen(plot_scale *s, double value)
{
    if (!isfinite(value) || (s->log && !(value > 0))) return;
    if (!(value >= s->low)) s->low = value; /* NaN at first */
    if (!(value <= s->high)) s->high = value;
}

static void widen_points(const plot *p, plot_scale *s)
{
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < p->series[i].count; k++) {
            const plot_series *one = &p->series[i];
            if (p->log_x && !(one->x[k] > 0)) continue;
            widen(s, one->y[k]);
            if (isnan(one->y[k])) widen(s, one->low[k] * (s->log ? 2 : 1.3)); /* at least: a bar that is seen */
        }
}

/* An interval of two or three seeds is wide: the scale is that of the points, and of bars as far as they do not make
 * the points' differences small. */
static void widen_bars(const plot *p, plot_scale *s)
{
    const double room = s->log ? fmax(s->high / s->low, 1.5) : fmax(s->high - s->low, 0.1 * fabs(s->high));
    const double lowest = s->log ? s->low / sqrt(room) : s->low - 0.5 * room;
    const double highest = s->log ? s->high * sqrt(room) : s->high + 0.5 * room;
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < p->series[i].count; k++) {
            const plot_series *one = &p->series[i];
            if (one->quiet) continue;
            if (isfinite(one->low[k])) widen(s, fmax(one->low[k], lowest));
            if (isfinite(one->high[k])) widen(s, fmin(one->high[k], highest));
        }
}

static void pad(plot_scale *s, const plot *p)
{
    if (s->log) {
        const double share = s->high / s->low > 1.5 ? pow(s->high / s->low, 0.06) : 1.5;
        s->low /= share;
        s->high *= share;
        return;
    }
    if (p->zero) {
        widen(s, 0);
        widen(s, p->most);
    }
    double room = 0.06 * (s->high - s->low);
    if (!(room > 0)) room = s->high != 0 ? 0.2 * fabs(s->high) : 1;
    const bool floor_0 = s->low == 0 && p->zero;
    s->low -= floor_0 ? 0 : room;
    s->high += room;
}

bool plot_span(const plot *p, double *least, double *most)
{
    plot_scale s = {NAN, NAN, true};
    widen_points(p, &s);
    *least = s.low;
    *most = s.high;
    return !isnan(s.low);
}

static bool is_log(const plot *p)
{
    double least, most;
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < p->series[i].count; k++)
            if (p->series[i].y[k] <= 0) return false;
    return !p->signs && !p->zero && plot_span(p, &least, &most) && most / least > FAR_APART;
}

plot_scale plot_scale_y(const plot *p)
{
    plot_scale s = {NAN, NAN, is_log(p)};
    widen_points(p, &s);
    if (isnan(s.low)) s.low = s.high = 1;
    const bool negative = s.low < 0;
    widen_bars(p, &s);
    pad(&s, p);
    if (!p->signs && !negative && s.low < 0) s.low = 0; /* an interval of what has no sign */
    return s;
}

plot_scale plot_scale_x(const plot *p)
{
    plot_scale s = {NAN, NAN, p->batches || p->log_x};
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < p->series[i].count; k++) widen(&s, p->series[i].x[k]);
    if (isnan(s.low)) s.low = s.high = 1;
    if (s.log) {
        const double share = s.high > s.low ? pow(s.high / s.low, 0.05) : 2;
        s.low /= share;
        s.high *= share;
    } else {
        s.low = 0;
        s.high = s.high > 0 ? s.high * 1.03 : 1;
    }
    return s;
}

/* The ticks -------------------------------------------------------------------------------------------------------- */

static void add_tic(buffer *out, bool *first, double value)
{
    buffer_print(out, "%s'%s' %.9g", *first ? "" : ", ", plot_scale_number(value).text, value);
    *first = false;
}

static void linear_tics(buffer *out, const plot_scale *s)
{
    const double rough = (s->high - s->low) / 5, unit = pow(10, floor(log10(rough))), share = rough / unit;
    const double step = unit * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
    bool first = true;
    for (double k = ceil(s->low / step); k * step <= s->high * (1 + 1e-12) && k < ceil(s->low / step) + 20; k++)
        add_tic(out, &first, k == 0 ? 0 : k * step);
    if (first) add_tic(out, &first, s->low);
}

/* Powers of ten, or some of them; also 2 and 5 times them if there are few. Returns their number; out may be NULL. */
static int log_tics(buffer *out, const plot_scale *s)
{
    static const double parts[] = {1, 2, 5};
    const double decades = log10(s->high / s->low);
    const int all = decades < 2.3 ? 3 : 1, stride = decades > 6 ? (int)ceil(decades / 6) : 1;
    int count = 0;
    bool first = true;
    for (int e = (int)floor(log10(s->low)); e <= (int)ceil(log10(s->high)); e++)
        for (int k = 0; k < all; k++) {
            const double value = parts[k] * pow(10, e);
            if (e % stride || value < s->low || value > s->high) continue;
            if (out) add_tic(out, &first, value);
            count++;
        }
    return count;
}

void plot_scale_tics(buffer *out, const plot_scale *s)
{
    if (!s->log || log_tics(NULL, s) < 2)
        linear_tics(out, s);
    else
        log_tics(out, s);
}

void plot_scale_batches(buffer *out, const plot *p, const plot_scale *s)
{
    size_t count;
    double *x = plot_measured_x(p, &count), last = 0;
    const double room = log(s->high / s->low) / 10;
    for (size_t i = 0; x && i < count; i++) {
        const bool fits = last == 0 || log(x[i] / last) >= room * (x[i] >= 1000 ? 1.15 : 0.8);
        char name[24] = "";
        if (fits) snprintf(name, sizeof name, "%.15g", x[i]);
        buffer_print(out, "%s'%s' %.9g", i ? ", " : "", name, x[i]);
        if (fits) last = x[i];
    }
    free(x);
}
