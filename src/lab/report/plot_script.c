/* A plot in gnuplot's words; and its legend, which a page can wrap as gnuplot's own cannot be. */
#include "lab/report/plot_scale.h"

#include "base/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Okabe and Ito's colors, which people with color blindness can tell apart, with a contrast of at least 3 on black and
 * on white; and gnuplot's marks. All but the first are hollow and of different shapes, so that marks at one place are
 * all seen. The last one is PLOT_GREY. */
static const struct look {
    const char *color;
    int mark;
    double size;
    const char *sign; /* the mark in a text */
} looks[] = {{"#0072b2", 7, 0.7, "&#9679;"},  {"#d55e00", 4, 0.95, "&#9633;"}, {"#009e73", 8, 1.15, "&#9651;"},
             {"#cc79a7", 12, 1.3, "&#9671;"}, {"#a07d00", 10, 1.3, "&#9661;"}, {"#808080", 6, 1.15, "&#9675;"}};
_Static_assert(sizeof looks / sizeof *looks == PLOT_LOOKS, "a row for each look");

/* What a browser shows under the pointer --------------------------------------------------------------------------- */

static void add_figure(buffer *out, const plot_series *s, int i)
{
    if (s->style == PLOT_FAILED) return;
    if (isnan(s->y[i]))
        buffer_print(out, ": at least %s", format_number(s->low[i]).text);
    else
        buffer_print(out, ": %s", format_number(s->y[i]).text);
    if (isnan(s->y[i]) || isnan(s->low[i]) || isnan(s->high[i])) return;
    if (isinf(s->high[i]))
        buffer_print(out, " (at least %s)", format_number(s->low[i]).text);
    else
        buffer_print(out, " (%s to %s)", format_number(s->low[i]).text, format_number(s->high[i]).text);
}

static void add_words(buffer *out, const plot *p, const plot_series *s, int i)
{
    if (p->batches) {
        buffer_print(out, "\"B = %.15g, %s", s->x[i], s->name);
        add_figure(out, s, i);
    } else {
        buffer_print(out, "\"%s", s->name);
        if (s->of[i] && s->of[i] != s->batch) buffer_print(out, ", B = %" PRIu64, s->of[i]);
        if (s->style != PLOT_FAILED) buffer_print(out, ", %s", p->y_label);
        add_figure(out, s, i);
        buffer_print(out, "; %s: %s", p->x_label, format_number(s->x[i]).text);
    }
    buffer_print(out, "\"");
}

/* Data ------------------------------------------------------------------------------------------------------------- */

static bool has_interval(const plot_series *s)
{
    for (int i = 0; i < s->count; i++)
        if (!isnan(s->low[i]) && !isnan(s->high[i])) return true;
    return false;
}

/* Without a value: in the middle of the margin above the points. */
static double height_of(const plot_series *s, int i, const plot_scale *y)
{
    if (s->style == PLOT_FAILED)
        return y->log ? y->high / pow(y->high / y->low, 0.03) : y->high - 0.03 * (y->high - y->low);
    return isnan(s->y[i]) ? s->low[i] : s->y[i];
}

/* x y low high text, clipped to the scale. */
static void add_data(buffer *out, const plot *p, int index, const plot_scale *x, const plot_scale *y)
{
    const plot_series *s = &p->series[index];
    buffer_print(out, "$d%d << EOD\n", index);
    for (int i = 0; i < s->count; i++) {
        const double at = height_of(s, i, y);
        const double low = isnan(s->low[i]) || isnan(s->high[i]) ? at : s->low[i];
        const double high = isnan(s->low[i]) || isnan(s->high[i]) ? at : s->high[i];
        if ((y->log && !(at > 0)) || (x->log && !(s->x[i] > 0))) continue;
        buffer_print(out, "%.9g %.9g %.9g %.9g ", s->x[i], at, low > y->low ? low : y->low,
                     high < y->high ? high : y->high);
        if (s->style == PLOT_CURVE)
            buffer_print(out, "\"\"");
        else
            add_words(out, p, s, i);
        buffer_print(out, "\n");
    }
    buffer_print(out, "EOD\n");
}

/* Layers, from the back to the front ------------------------------------------------------------------------------- */

static void next(buffer *out, bool *first)
{
    buffer_print(out, "%s", *first ? "plot " : ", \\\n  ");
    *first = false;
}

static void add_bars(buffer *out, const plot_series *s, int index, bool *first)
{
    if (s->style == PLOT_CURVE || s->quiet || !has_interval(s)) return;
    next(out, first); /* yerrorbars put white below each mark */
    buffer_print(out, "$d%d using 1:3:(0):($4-$3) with vectors nohead lw %.1f lc rgb '%s' notitle", index,
                 s->look ? 1.1 : 2.2, looks[s->look].color);
}

static void add_marks(buffer *out, const plot_series *s, int index, bool *first)
{
    const struct look *look = &looks[s->look];
    next(out, first);
    if (s->style == PLOT_CURVE || s->style == PLOT_DASHED)
        buffer_print(out, "$d%d using 1:2 with lines dt %d lw 1.4 lc rgb '%s'", index, s->style == PLOT_CURVE ? 2 : 4,
                     look->color);
    else
        buffer_print(out, "$d%d using 1:2 with %s pt %d ps %.2f lw 1.5 lc rgb '%s'", index,
                     s->style == PLOT_JOINED ? "linespoints" : "points",
                     s->style == PLOT_FAILED   ? 2
                     : s->style == PLOT_JOINED ? 7
                                               : look->mark,
                     s->style == PLOT_JOINED ? 0.35 : look->size, look->color);
    buffer_print(out, " notitle");
}

/* Invisible discs, larger than the marks, that have the texts. */
static void add_texts(buffer *out, const plot_series *s, int index, bool *first)
{
    if (s->style == PLOT_CURVE) return;
    next(out, first);
    buffer_print(out, "$d%d using 1:2:5 with labels hypertext point pt 7 ps %.1f lc rgb '#ff%s' notitle", index,
                 s->style == PLOT_JOINED || s->style == PLOT_DASHED ? 0.9 : 1.5, looks[s->look].color + 1);
}

/* The script ------------------------------------------------------------------------------------------------------- */

static void add_axes(buffer *out, const plot *p, const plot_scale *x, const plot_scale *y)
{
    if (x->log) buffer_print(out, "set logscale x %d\n", p->batches ? 2 : 10);
    if (y->log) buffer_print(out, "set logscale y 10\n");
    buffer_print(out, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", x->low, x->high, y->low, y->high);
    buffer_print(out, "set xtics nomirror scale 0.5 (");
    if (p->batches)
        plot_scale_batches(out, p, x);
    else
        plot_scale_tics(out, x);
    buffer_print(out, ")\nset ytics nomirror scale 0.5 (");
    plot_scale_tics(out, y);
    buffer_print(out, ")\nset xlabel '%s' offset 0,0.4\nset ylabel '%s'\n", p->x_label, p->y_label);
}

static bool has_band(const plot *p) { return p->band_low > 0 && p->band_high > p->band_low; }

static void add_advice(buffer *out, const plot *p, const plot_scale *y)
{
    if (has_band(p))
        buffer_print(out,
                     "set object 1 rectangle from first %.9g, graph 0 to first %.9g, graph 1 behind "
                     "fc rgb '#808080' fs transparent solid 0.18 noborder\n",
                     p->band_low / 1.06, p->band_high * 1.06);
    if (p->line > 0)
        buffer_print(
            out, "set arrow 1 from first %.9g, graph 0 to first %.9g, graph 1 nohead dt 3 lw 1.6 lc rgb '#808080'\n",
            p->line, p->line);
    if (!y->log && y->low < 0 && y->high > 0)
        buffer_print(out, "set arrow 2 from graph 0, first 0 to graph 1, first 0 nohead lw 1 lc rgb '#808080'\n");
}

void plot_script(const plot *p, buffer *out)
{
    const plot_scale x = plot_scale_x(p), y = plot_scale_y(p);
    bool first = true;
    buffer_print(out,
                 "set encoding utf8\nset terminal svg size 480,300 dynamic noenhanced font 'sans,14' name '%s'\n"
                 "set border 3 lc rgb 'black' lw 0.8\nset grid lc rgb '#808080' lw 0.4 dt 3\nset pointintervalbox 0\n"
                 "unset key\n",
                 p->id);
    add_axes(out, p, &x, &y);
    add_advice(out, p, &y);
    for (int i = 0; i < p->count; i++) add_data(out, p, i, &x, &y);
    for (int i = 0; i < p->count; i++)
        if (p->series[i].count) add_bars(out, &p->series[i], i, &first);
    for (int i = 0; i < p->count; i++)
        if (p->series[i].count) add_marks(out, &p->series[i], i, &first);
    for (int i = 0; i < p->count; i++)
        if (p->series[i].count) add_texts(out, &p->series[i], i, &first);
    buffer_print(out, "\n");
}

/* The legend ------------------------------------------------------------------------------------------------------- */

static void add_name(buffer *page, const char *kind, const char *color, const char *sign, const char *name)
{
    buffer_print(page, "<span><i class=\"%s\" style=\"color:%s\">%s</i>", kind, color, sign);
    buffer_escape(page, name);
    buffer_print(page, "</span>\n");
}

static void add_series_name(buffer *page, const plot_series *s)
{
    const struct look *look = &looks[s->look];
    switch (s->style) {
    case PLOT_MARKS: add_name(page, "sign", look->color, look->sign, s->name); break;
    case PLOT_FAILED: add_name(page, "sign", look->color, "&times;", s->name); break;
    case PLOT_JOINED: add_name(page, "solid", look->color, "", s->name); break;
    case PLOT_DASHED:
    case PLOT_CURVE: add_name(page, "dashed", look->color, "", s->name); break;
    }
}

void plot_legend(const plot *p, buffer *page)
{
    char text[96];
    bool unnamed = false, dashed = false;
    buffer_print(page, "<figcaption class=\"legend\">\n");
    for (int i = 0; i < p->count; i++) {
        const plot_series *s = &p->series[i];
        if (!s->count) continue;
        unnamed |= s->style == PLOT_CURVE && !*s->name;
        dashed |= s->style == PLOT_DASHED && p->dashed_name;
        if (*s->name && !(s->style == PLOT_DASHED && p->dashed_name)) add_series_name(page, s);
    }
    if (dashed) add_name(page, "dashed", looks[PLOT_GREY].color, "", p->dashed_name);
    if (unnamed && p->curves_name) add_name(page, "dashed", looks[PLOT_GREY].color, "", p->curves_name);
    if (has_band(p)) {
        snprintf(text, sizeof text, "recommended range: %.15g to %.15g", p->band_low, p->band_high);
        add_name(page, "band", looks[PLOT_GREY].color, "", text);
    }
    if (p->line > 0) {
        snprintf(text, sizeof text, "recommended: B = %.15g", p->line);
        add_name(page, "line", looks[PLOT_GREY].color, "", text);
    }
    buffer_print(page, "</figcaption>\n");
}
