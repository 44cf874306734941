/* gnuplot's own scales are not used: their labels collide and have exponents. */
#include "lab/report/plot.h"

#include "base/format.h"
#include "stats/median.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Okabe and Ito's colors, which people with color blindness can tell apart, with a contrast of at least 3 on black and
 * on white; and gnuplot's marks. */
static const struct look {
    const char *color;
    int mark;
    double size;
} looks[] = {
    {"#0072b2", 7, 0.75}, {"#d55e00", 5, 0.7}, {"#009e73", 9, 0.95}, {"#cc79a7", 13, 1.0}, {"#808080", 11, 0.95}};
_Static_assert(sizeof looks / sizeof *looks == PLOT_LOOKS, "a row for each look");

plot_series *plot_add(plot *p, plot_style style, int look, const char *format, ...)
{
    if (p->count >= PLOT_SERIES) return NULL;
    plot_series *s = &p->series[p->count++];
    s->style = style;
    s->look = look % PLOT_LOOKS;
    s->count = 0;
    va_list list;
    va_start(list, format);
    vsnprintf(s->name, sizeof s->name, format, list);
    va_end(list);
    return s;
}

void plot_point(plot_series *s, double x, double y, double low, double high)
{
    if (!s || s->count >= PLOT_POINTS || !isfinite(x)) return;
    if (!isfinite(y) && !(isfinite(low) && low > 0 && isinf(high))) return;
    const int i = s->count++;
    s->x[i] = x;
    s->y[i] = y;
    s->low[i] = low;
    s->high[i] = high;
}

int plot_measured(const plot *p)
{
    int points = 0;
    for (int i = 0; i < p->count; i++)
        if (p->series[i].style != PLOT_CURVE) points += p->series[i].count;
    return points;
}

/* Scales ----------------------------------------------------------------------------------------------------------- */

plot_label plot_number(double value)
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

typedef struct scale {
    double low, high;
    bool log;
} scale;

static void widen(scale *s, double value)
{
    if (!isfinite(value) || (s->log && !(value > 0))) return;
    if (!(value >= s->low)) s->low = value; /* NaN at first */
    if (!(value <= s->high)) s->high = value;
}

/* A logarithmic scale shows only part of an error bar that reaches below 0, or far below everything else. */
static void widen_bar(scale *s, double y, double end)
{
    if (!s->log || (end > y / 30 && end < y * 30)) widen(s, end);
}

static void pad(scale *s, const plot *p)
{
    if (isnan(s->low)) s->low = s->high = 1;
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

static scale y_scale(const plot *p)
{
    scale s = {NAN, NAN, p->log_y};
    bool negative = false;
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < p->series[i].count; k++) {
            const plot_series *one = &p->series[i];
            negative |= one->y[k] < 0;
            widen(&s, one->y[k]);
            if (isnan(one->y[k])) widen(&s, one->low[k] * (p->log_y ? 3 : 1.5)); /* at least: a bar that is seen */
            widen_bar(&s, isnan(one->y[k]) ? one->low[k] : one->y[k], one->low[k]);
            widen_bar(&s, one->y[k], one->high[k]);
        }
    pad(&s, p);
    if (!p->signs && !negative && s.low < 0) s.low = 0; /* an interval of what has no sign */
    return s;
}

static scale x_scale(const plot *p)
{
    scale s = {NAN, NAN, p->batches || p->log_x};
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

static void add_tic(buffer *out, bool *first, double value)
{
    buffer_print(out, "%s'%s' %.9g", *first ? "" : ", ", plot_number(value).text, value);
    *first = false;
}

static void linear_tics(buffer *out, const scale *s)
{
    const double rough = (s->high - s->low) / 5, unit = pow(10, floor(log10(rough))), share = rough / unit;
    const double step = unit * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
    bool first = true;
    for (double k = ceil(s->low / step); k * step <= s->high * (1 + 1e-12) && k < ceil(s->low / step) + 20; k++)
        add_tic(out, &first, k == 0 ? 0 : k * step);
    if (first) add_tic(out, &first, s->low);
}

/* Powers of ten, or some of them; also 2 and 5 times them if there are few. Returns their number; out may be NULL. */
static int log_tics(buffer *out, const scale *s)
{
    static const double parts[] = {1, 2, 5};
    const double decades = log10(s->high / s->low);
    const int all = decades < 1.8 ? 3 : 1, stride = decades > 6 ? (int)ceil(decades / 6) : 1;
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

static void add_tics(buffer *out, const scale *s)
{
    if (!s->log || log_tics(NULL, s) < 2)
        linear_tics(out, s);
    else
        log_tics(out, s);
}

/* Each measured x once, in ascending order; malloc()ed. */
static double *measured_x(const plot *p, size_t *count)
{
    double *x = malloc(sizeof *x * PLOT_SERIES * PLOT_POINTS);
    size_t n = 0, kept = 0;
    *count = 0;
    if (!x) return NULL;
    for (int i = 0; i < p->count; i++)
        if (p->series[i].style != PLOT_CURVE)
            for (int k = 0; k < p->series[i].count; k++) x[n++] = p->series[i].x[k];
    qsort(x, n, sizeof *x, median_order);
    for (size_t i = 0; i < n; i++)
        if (!kept || x[i] != x[kept - 1]) x[kept++] = x[i];
    *count = kept;
    return x;
}

/* A label at each batch that has room; always at the first. */
static void batch_tics(buffer *out, const plot *p, const scale *s)
{
    size_t count;
    double *x = measured_x(p, &count), last = 0;
    const double room = log(s->high / s->low) / 10;
    for (size_t i = 0; i < count; i++) {
        const bool fits = last == 0 || log(x[i] / last) >= room * (x[i] >= 1000 ? 1.15 : 0.8);
        buffer_print(out, "%s'%s' %.9g", i ? ", " : "", fits ? plot_number(x[i]).text : "", x[i]);
        if (fits) last = x[i];
    }
    free(x);
}

/* The script ------------------------------------------------------------------------------------------------------- */

static bool has_interval(const plot_series *s)
{
    for (int i = 0; i < s->count; i++)
        if (!isnan(s->low[i]) && !isnan(s->high[i])) return true;
    return false;
}

/* x y low high, clipped to the scale. */
static void add_data(buffer *out, const plot *p, int index, const scale *y)
{
    const plot_series *s = &p->series[index];
    const double aside = p->apart && s->style != PLOT_CURVE ? pow(1.06, index - 0.5 * (p->count - 1)) : 1;
    buffer_print(out, "$d%d << EOD\n", index);
    for (int i = 0; i < s->count; i++) {
        const bool least = isnan(s->y[i]);
        const double at = least ? s->low[i] : s->y[i];
        const double low = isnan(s->low[i]) || isnan(s->high[i]) ? at : s->low[i];
        const double high = isnan(s->low[i]) || isnan(s->high[i]) ? at : s->high[i];
        if (y->log && !(at > 0)) continue;
        buffer_print(out, "%.9g %.9g %.9g %.9g\n", s->x[i] * aside, at, low > y->low ? low : y->low,
                     high < y->high ? high : y->high);
    }
    buffer_print(out, "EOD\n");
}

static void add_series(buffer *out, const plot_series *s, int index, bool *first)
{
    const struct look *look = &looks[s->look];
    buffer_print(out, "%s", *first ? "plot " : ", \\\n  ");
    *first = false;
    if (s->style == PLOT_CURVE) {
        buffer_print(out, "$d%d using 1:2 with lines dt 2 lw 1.4 lc rgb '%s' title '%s'", index, look->color, s->name);
        return;
    }
    if (has_interval(s))
        buffer_print(out, "$d%d using 1:3:(0):($4-$3) with vectors nohead lw 1.2 lc rgb '%s' notitle, \\\n  ", index,
                     look->color); /* yerrorbars put white below each mark */
    buffer_print(out, "$d%d using 1:2 with %s pt %d ps %.2f lc rgb '%s' title '%s'", index,
                 s->style == PLOT_JOINED ? "linespoints" : "points", look->mark, look->size, look->color, s->name);
}

static void add_axes(buffer *out, const plot *p, const scale *x, const scale *y)
{
    if (x->log) buffer_print(out, "set logscale x %d\n", p->batches ? 2 : 10);
    if (p->log_y) buffer_print(out, "set logscale y 10\n");
    buffer_print(out, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", x->low, x->high, y->low, y->high);
    buffer_print(out, "set xtics nomirror scale 0.5 (");
    if (p->batches)
        batch_tics(out, p, x);
    else
        add_tics(out, x);
    buffer_print(out, ")\nset ytics nomirror scale 0.5 (");
    add_tics(out, y);
    buffer_print(out, ")\nset xlabel '%s' offset 0,0.4\nset ylabel '%s'\n", p->x_label, p->y_label);
}

static void add_marks(buffer *out, const plot *p, const scale *y)
{
    if (p->band_low > 0 && p->band_high >= p->band_low)
        buffer_print(out,
                     "set object 1 rectangle from first %.9g, graph 0 to first %.9g, graph 1 behind "
                     "fc rgb '#808080' fs transparent solid 0.18 noborder\n",
                     p->band_low / 1.12, p->band_high * 1.12);
    if (p->line > 0)
        buffer_print(
            out, "set arrow 1 from first %.9g, graph 0 to first %.9g, graph 1 nohead dt 3 lw 1.2 lc rgb '#808080'\n",
            p->line, p->line);
    if (!p->log_y && y->low < 0 && y->high > 0)
        buffer_print(out, "set arrow 2 from graph 0, first 0 to graph 1, first 0 nohead lw 1 lc rgb '#808080'\n");
}

/* gnuplot puts the names below the plot, in as many columns as fit: the picture grows with their rows. */
static int key_height(const plot *p)
{
    size_t longest = 1, names = 0;
    for (int i = 0; i < p->count; i++) {
        if (!p->series[i].count) continue;
        const size_t length = strlen(p->series[i].name);
        names++;
        if (length > longest) longest = length;
    }
    const size_t columns = 420 / (70 + 8 * longest), rows = columns > 1 ? (names + columns - 1) / columns : names;
    return 20 * (int)rows;
}

void plot_script(const plot *p, buffer *out)
{
    const scale x = x_scale(p), y = y_scale(p);
    buffer_print(out,
                 "set encoding utf8\nset terminal svg size 480,%d dynamic noenhanced font 'sans,14' name '%s'\n"
                 "set border 3 lc rgb 'black' lw 0.8\nset grid lc rgb '#808080' lw 0.4 dt 3\nset pointintervalbox 0\n"
                 "set key bmargin center horizontal Left reverse samplen 2 spacing 1.1 width 1 height 0.8\n",
                 300 + key_height(p), p->id);
    add_axes(out, p, &x, &y);
    add_marks(out, p, &y);
    for (int i = 0; i < p->count; i++) add_data(out, p, i, &y);
    bool first = true;
    for (int i = 0; i < p->count; i++)
        if (p->series[i].count) add_series(out, &p->series[i], i, &first);
    buffer_print(out, "\n");
}

/* The table -------------------------------------------------------------------------------------------------------- */

static int find_x(const plot_series *s, double x)
{
    for (int i = 0; i < s->count; i++)
        if (s->x[i] == x) return i;
    return -1;
}

static void add_cell(buffer *page, const plot_series *s, double x)
{
    const int i = find_x(s, x);
    if (i < 0)
        buffer_print(page, "<td>&ndash;</td>");
    else if (isnan(s->y[i]))
        buffer_print(page, "<td>at least %s</td>", format_number(s->low[i]).text);
    else if (isnan(s->low[i]) || isnan(s->high[i]))
        buffer_print(page, "<td>%s</td>", format_number(s->y[i]).text);
    else if (isinf(s->high[i]))
        buffer_print(page, "<td>%s (at least %s)</td>", format_number(s->y[i]).text, format_number(s->low[i]).text);
    else
        buffer_print(page, "<td>%s (%s to %s)</td>", format_number(s->y[i]).text, format_number(s->low[i]).text,
                     format_number(s->high[i]).text);
}

void plot_table(const plot *p, buffer *page)
{
    size_t count;
    double *x = measured_x(p, &count);
    buffer_print(page, "<table>\n<caption>");
    buffer_escape(page, p->y_label);
    buffer_print(page, "</caption>\n<thead><tr><th scope=\"col\">");
    buffer_escape(page, p->x_label);
    buffer_print(page, "</th>");
    for (int i = 0; i < p->count; i++) {
        if (!p->series[i].count) continue;
        buffer_print(page, "<th scope=\"col\">");
        buffer_escape(page, p->series[i].name);
        buffer_print(page, "</th>");
    }
    buffer_print(page, "</tr></thead>\n<tbody>\n");
    for (size_t k = 0; k < count; k++) {
        buffer_print(page, "<tr><th scope=\"row\">%.15g</th>", x[k]);
        for (int i = 0; i < p->count; i++)
            if (p->series[i].count) add_cell(page, &p->series[i], x[k]);
        buffer_print(page, "</tr>\n");
    }
    buffer_print(page, "</tbody></table>\n");
    free(x);
}
