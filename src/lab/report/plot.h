/* A plot as data: a script for gnuplot, and the same figures as a table. Pure. */
#ifndef PLOT_H
#define PLOT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

enum { PLOT_SERIES = 20, PLOT_POINTS = 320, PLOT_NAME = 64, PLOT_LOOKS = 6, PLOT_GREY = 5 };

typedef enum plot_style {
    PLOT_MARKS,  /* measured */
    PLOT_JOINED, /* measured, over time */
    PLOT_DASHED, /* measured, over time, without marks */
    PLOT_FAILED, /* measured, without a value: at the upper edge */
    PLOT_CURVE   /* a formula's */
} plot_style;

typedef struct plot_series {
    char name[PLOT_NAME]; /* "": not in the legend, nor in the table */
    plot_style style;
    int look;       /* color and mark: a formula has those of what it is about */
    uint64_t batch; /* whose points these are; 0: see x or of[] */
    bool quiet;     /* its intervals are not drawn: they stand in the texts and in the table */
    int count;
    double x[PLOT_POINTS], y[PLOT_POINTS];
    double low[PLOT_POINTS], high[PLOT_POINTS]; /* NaN: no interval; high INFINITY: it has no such end */
    uint64_t of[PLOT_POINTS];                   /* the batch, if x is something else and points differ; 0 */
} plot_series;

/* A scale is logarithmic if that shows the figures better: if they are far apart. */
typedef struct plot {
    const char *id, *title; /* the id is a word */
    const char *x_label, *y_label;
    bool batches;               /* x is the batch, on a scale of powers of two */
    bool log_x;                 /* a scale of powers of ten; otherwise it starts at 0 */
    bool signs;                 /* y may be negative, and its scale is linear */
    bool zero;                  /* y is linear and includes 0 */
    double most;                /* upper limit of y: 1 for a cosine; 0: none */
    double band_low, band_high; /* of x, shaded; 0: none */
    double line;                /* of x, drawn; 0: none */
    const char *dashed_name;    /* in the legend, for all of PLOT_DASHED together; NULL: each has its own */
    const char *curves_name;    /* in the legend, for the unnamed curves; NULL: they have none */
    int count;
    plot_series series[PLOT_SERIES];
} plot;

/* A new, empty series; NULL if there is no more room. */
plot_series *plot_add(plot *p, plot_style style, int look, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Adds a point. Points without a finite y are left out, except those of PLOT_FAILED, and "at least": low finite and
 * high INFINITY. low and high NaN: no interval. */
void plot_point(plot_series *s, double x, double y, double low, double high);

/* The same of one batch, in a series that has several. */
void plot_point_of(plot_series *s, uint64_t batch, double x, double y);

/* The number of measured points; with 0 there is nothing to draw. */
int plot_measured(const plot *p);

/* The least and the largest finite y above 0; false: there is none. */
bool plot_span(const plot *p, double *least, double *most);

/* gnuplot's script, which prints an SVG. Measured points have a text that a browser shows under the pointer. */
void plot_script(const plot *p, buffer *out);

/* The names of what is drawn, as HTML. */
void plot_legend(const plot *p, buffer *page);

/* The figures as an HTML table: one row for each measured batch, or for each measured point. */
void plot_table(const plot *p, buffer *page);

/* Each measured x once, in ascending order; malloc()ed, NULL without memory. */
double *plot_measured_x(const plot *p, size_t *count);

#endif
