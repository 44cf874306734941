/* A plot as data: a script for gnuplot, and the same figures as a table. Pure. */
#ifndef PLOT_H
#define PLOT_H

#include "base/buffer.h"

#include <stdint.h>

enum { PLOT_SERIES = 8, PLOT_POINTS = 512, PLOT_NAME = 64, PLOT_LOOKS = 5 };

typedef enum plot_style {
    PLOT_MARKS,
    PLOT_CURVE,
    PLOT_JOINED
} plot_style; /* measured; a formula's; measured, over time */

typedef struct plot_series {
    char name[PLOT_NAME];
    plot_style style;
    int look; /* color and mark: a formula has those of what it is about */
    int count;
    double x[PLOT_POINTS], y[PLOT_POINTS];
    double low[PLOT_POINTS], high[PLOT_POINTS]; /* NaN: no interval; high INFINITY: it has no such end */
} plot_series;

typedef struct plot {
    const char *id, *title; /* the id is a word */
    const char *x_label, *y_label;
    bool batches;               /* x is the batch, on a scale of powers of two; else it starts at 0 */
    bool log_x;                 /* else, on a scale of powers of ten */
    bool log_y, zero;           /* zero: the y axis reaches it */
    bool signs;                 /* what is shown may be negative */
    bool apart;                 /* marks of different series stand a little beside their batch, so that all are seen */
    double most;                /* upper limit of y: 1 for a cosine; 0: none */
    double band_low, band_high; /* of x, shaded; 0: none */
    double line;                /* of x, drawn; 0: none */
    int count;
    plot_series series[PLOT_SERIES];
} plot;

/* A new, empty series; NULL if there is no more room. */
plot_series *plot_add(plot *p, plot_style style, int look, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Adds a point. Points without a finite y (positive, on a logarithmic scale) are left out, except "at least": low
 * finite and high INFINITY. low and high NaN: no interval. */
void plot_point(plot_series *s, double x, double y, double low, double high);

/* The number of measured points; with 0 there is nothing to draw. */
int plot_measured(const plot *p);

/* gnuplot's script, which prints an SVG. */
void plot_script(const plot *p, buffer *out);

/* The figures as an HTML table, one row for each measured x. */
void plot_table(const plot *p, buffer *page);

/* A number as a scale shows it: 20k, 1.5M, 0.05, 1e-5. */
typedef struct plot_label {
    char text[24];
} plot_label;
plot_label plot_number(double value);

#endif
