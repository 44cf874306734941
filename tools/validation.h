/* What the examples held out of a training showed, epoch by epoch. */
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

/* Measures a model after a step, and keeps it as the list's last. */
tas_status validation_add(validation *v, tas_model *model, const tas_data *data, uint64_t step, double epochs);
void validation_free(validation *v);

/* Raises both to what the most demanding one took, of all that counts and of the host. */
void validation_raise_peaks(const validation *v, uint64_t *peak, uint64_t *host);

/* Of one, and of all. */
json_t *validation_describe(const validated *is);
json_t *validation_describe_all(const validation *v);

/* "validation   accuracy 0.8512 loss 0.4321; the least loss was 0.4298, after step 1688", where there is one. */
void validation_print(const validation *v);

#endif
