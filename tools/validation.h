/* Evaluations of the held-out examples during training. */
#ifndef VALIDATION_H
#define VALIDATION_H

#include "cli.h"

typedef struct validated {
    uint64_t step;
    double epochs;
    tas_score score;
} validated;

typedef struct validation {
    validated *list;
    size_t count;
} validation;

/* Evaluates a model after a step, and appends the result to the list. */
tas_status validation_add(validation *v, tas_model *model, const tas_data *data, uint64_t step, double epochs);
void validation_free(validation *v);

/* Raises both to what the most demanding evaluation needed, in all and of the host's memory. */
void validation_raise_peaks(const validation *v, uint64_t *peak, uint64_t *host);

/* One evaluation, and all of them. */
json_t *validation_describe(const validated *one);
json_t *validation_describe_all(const validation *v);

/* "validation   accuracy 0.8512 loss 0.4321; the lowest loss was 0.4298, after step 1688", if there is any. */
void validation_print(const validation *v);

#endif
