/* What norm.c and norm_fold.c share: their cases, the sizes of their operands, and which group an example is in. */
#ifndef OPS_NORM_CASES_H
#define OPS_NORM_CASES_H

#include "ops/norm.h"
#include "ops/rows.h"

bool norm_shape(op_args *args, draw *d, int edge);
bool norm_fit(op_args *args);
bool norm_running_shape(op_args *args, draw *d, int edge);
bool norm_running_fit(op_args *args);
bool norm_merge_shape(op_args *args, draw *d, int edge);
bool norm_merge_fit(op_args *args);
uint64_t norm_elements(const op_args *a, int operand);

/* The fill of norm_statistics, norm_load_running and norm_update_running. */
bool norm_fill_rows(const op_args *a, int operand, void *data, draw *d);
bool norm_fill_running(const op_args *a, int operand, void *data, draw *d);
bool norm_fill_update(const op_args *a, int operand, void *data, draw *d);

/* The group of the tile's example i, and the set of a channel. */
static inline uint32_t norm_group_of(const op_args *a, uint32_t i) { return (norm_rows_first(a) + i) / norm_group(a); }
static inline uint32_t norm_set_of(const op_args *a, uint32_t channel)
{
    return channel / (a->size[NORM_CHANNELS] / a->size[NORM_SETS]);
}

#endif
