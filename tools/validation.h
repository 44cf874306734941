/* Evaluations of the held-out examples during training. */
#ifndef VALIDATION_H
#define VALIDATION_H

#include "cli.h"

typedef struct validated {
    uint64_t step;
    double epochs;
    tas_score score;
} validated;

/* What the best evaluation is chosen by. */
typedef enum validation_figure { BY_LOSS, BY_ACCURACY } validation_figure;
const char *validation_word(int number);

typedef struct validation {
    validated *list;
    size_t count, best; /* best: its place; the first of equals */
    validation_figure by;
} validation;

/* Evaluates a model after a step, and appends the result to the list; it is the best if v->best is its place. */
tas_status validation_add(validation *v, tas_model *model, const tas_data *data, uint64_t step, double epochs);
void validation_free(validation *v);

/* All of them for a checkpoint, and back; false if it is damaged. */
json_t *validation_encode(const validation *v);
bool validation_decode(validation *v, const json_t *in);

/* Raises both to what the most demanding evaluation needed, in all and of the host's memory. */
void validation_raise_peaks(const validation *v, uint64_t *peak, uint64_t *host);

/* One evaluation, and all of them. */
json_t *validation_describe(const validated *one);
json_t *validation_describe_all(const validation *v);

/* How many evaluations there were since the best one. */
size_t validation_since_best(const validation *v);

/* "validation   accuracy 0.8512 loss 0.4321; the lowest loss was 0.4298, after step 1688", if there is any. */
void validation_print(const validation *v);

#endif
