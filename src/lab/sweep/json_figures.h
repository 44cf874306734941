/* The figures that texts and the report show beside those of json.c, and which are measured and which fitted. */
#ifndef JSON_FIGURES_H
#define JSON_FIGURES_H

#include "lab/sweep/json.h"
#include "lab/sweep/sweep.h"

/* {"mean", "spread", "seeds"}: of no seeds there is no mean, of one no spread, whatever the fields hold. */
json_t *json_figures_mean(const sweep_mean *mean);

/* NAME, NAME_low, NAME_high; an end that does not exist is null. */
void json_figures_range(json_t *to, const char *name, const fit_range *range);

/* Into the object of a batch, and into that of the sweep. */
void json_figures_batch(json_t *to, const tas_sweep *sweep, int i);
void json_figures_sweep(json_t *to, const tas_sweep *sweep);

#endif
