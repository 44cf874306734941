/* Evaluations of which several ranks have a part each, and the passes that they are made of. */
#ifndef EVALUATE_H
#define EVALUATE_H

#include "data/dataset.h"
#include "model/model.h"
#include "train/workspace.h"

enum { SUM_LOSSES, SUM_WEIGHTS, SUM_CORRECT, SUM_COUNT }; /* what is summed over a set */

/* A part of a set: whole blocks of sums, but for the last. */
typedef struct evaluate_part {
    uint32_t from, to;       /* examples */
    float *block[SUM_COUNT]; /* of the whole set, of which those of the part are written */
    float *outputs;          /* of the whole set, likewise; NULL: they are not wanted */
} evaluate_part;

/* Memory for a set's sums, and its outputs; released with evaluate_free(). */
tas_status evaluate_alloc(const tas_model *model, const tas_data *data, bool outputs, evaluate_part *part);
void evaluate_free(evaluate_part *part);

/* Evaluates a part alone. */
tas_status evaluate_some(tas_model *model, const tas_data *data, evaluate_part *part);

/* The part of one of `count` ranks. */
void evaluate_cut(uint64_t examples, uint32_t rank, uint32_t count, evaluate_part *part);

/* A pass over a set changes nothing: if a device refuses memory or fails, it is repeated. message: for the log. */
tas_status evaluate_pass(tas_model *model, const tas_data *data,
                         tas_status (*pass)(workspace *w, const tas_data *data, void *out), void *out,
                         const char *message);

#endif
