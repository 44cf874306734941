#include "lab/report/plot.h"

#include "base/format.h"
#include "stats/median.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

plot_series *plot_add(plot *p, plot_style style, int look, const char *format, ...)
{
    if (p->count >= PLOT_SERIES) return NULL;
    plot_series *s = &p->series[p->count++];
    s->style = style;
    s->look = look % PLOT_LOOKS;
    s->batch = 0;
    s->quiet = false;
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
    const bool without = s->style == PLOT_FAILED || (isfinite(low) && low > 0 && isinf(high));
    if (!isfinite(y) && !without) return;
    const int i = s->count++;
    s->x[i] = x;
    s->y[i] = isfinite(y) ? y : NAN;
    s->low[i] = low;
    s->high[i] = high;
    s->of[i] = s->batch;
}

void plot_point_of(plot_series *s, uint64_t batch, double x, double y)
{
    const int before = s ? s->count : 0;
    plot_point(s, x, y, NAN, NAN);
    if (s && s->count > before) s->of[before] = batch;
}

int plot_measured(const plot *p)
{
    int points = 0;
    for (int i = 0; i < p->count; i++)
        if (p->series[i].style != PLOT_CURVE) points += p->series[i].count;
    return points;
}

double *plot_measured_x(const plot *p, size_t *count)
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

/* The table -------------------------------------------------------------------------------------------------------- */

static int find_x(const plot_series *s, double x)
{
    for (int i = 0; i < s->count; i++)
        if (s->x[i] == x) return i;
    return -1;
}

static void add_cell(buffer *page, const plot_series *s, int i)
{
    if (i < 0)
        buffer_print(page, "<td>&ndash;</td>");
    else if (isnan(s->y[i]) && isnan(s->low[i]))
        buffer_print(page, "<td>none</td>");
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

static void add_head(buffer *page, const char *text)
{
    buffer_print(page, "<th scope=\"col\">");
    buffer_escape(page, text);
    buffer_print(page, "</th>");
}

static bool in_table(const plot_series *s) { return s->count && *s->name; }

static void add_batches(const plot *p, buffer *page)
{
    size_t count;
    double *x = plot_measured_x(p, &count);
    buffer_print(page, "<thead><tr>");
    add_head(page, p->x_label);
    for (int i = 0; i < p->count; i++)
        if (in_table(&p->series[i])) add_head(page, p->series[i].name);
    buffer_print(page, "</tr></thead>\n<tbody>\n");
    for (size_t k = 0; x && k < count; k++) {
        buffer_print(page, "<tr><th scope=\"row\">%.15g</th>", x[k]);
        for (int i = 0; i < p->count; i++)
            if (in_table(&p->series[i])) add_cell(page, &p->series[i], find_x(&p->series[i], x[k]));
        buffer_print(page, "</tr>\n");
    }
    page->failed |= !x;
    free(x);
}

static void add_points(const plot *p, buffer *page)
{
    bool tagged = false;
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < p->series[i].count; k++) tagged |= !p->series[i].batch && p->series[i].of[k];
    buffer_print(page, "<thead><tr><th scope=\"col\">Series</th>%s", tagged ? "<th scope=\"col\">Batch</th>" : "");
    add_head(page, p->x_label);
    add_head(page, p->y_label);
    buffer_print(page, "</tr></thead>\n<tbody>\n");
    for (int i = 0; i < p->count; i++) {
        const plot_series *s = &p->series[i];
        if (s->style == PLOT_CURVE || !in_table(s)) continue;
        for (int k = 0; k < s->count; k++) {
            buffer_print(page, "<tr><th scope=\"row\">");
            buffer_escape(page, s->name);
            buffer_print(page, "</th>");
            if (tagged) buffer_print(page, "<td>%" PRIu64 "</td>", s->of[k]);
            buffer_print(page, "<td>%s</td>", format_number(s->x[k]).text);
            add_cell(page, s, k);
            buffer_print(page, "</tr>\n");
        }
    }
}

void plot_table(const plot *p, buffer *page)
{
    buffer_print(page, "<table>\n<caption>");
    buffer_escape(page, p->y_label);
    buffer_print(page, "</caption>\n");
    if (p->batches)
        add_batches(p, page);
    else
        add_points(p, page);
    buffer_print(page, "</tbody></table>\n");
}
