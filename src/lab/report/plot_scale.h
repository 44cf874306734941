/* The scales of a plot: their ends and the ticks, in gnuplot's words. gnuplot's own are not used: their labels collide
 * and have exponents. */
#ifndef PLOT_SCALE_H
#define PLOT_SCALE_H

#include "lab/report/plot.h"

typedef struct plot_scale {
    double low, high;
    bool log;
} plot_scale;

plot_scale plot_scale_x(const plot *p);
plot_scale plot_scale_y(const plot *p);

/* "'1' 1, '2' 2": of round numbers; of the measured batches, as far as their labels have room. */
void plot_scale_tics(buffer *out, const plot_scale *s);
void plot_scale_batches(buffer *out, const plot *p, const plot_scale *s);

/* A number as a scale shows it: 20k, 1.5M, 0.05, 1e-5. */
typedef struct plot_label {
    char text[24];
} plot_label;
plot_label plot_scale_number(double value);

#endif
