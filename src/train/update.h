/* The update of a step: which operation, and with which scalars. */
#ifndef UPDATE_H
#define UPDATE_H

#include "base/base.h"
#include "ops/op.h"

#include <tassello/model.h>

tas_status update_check(tas_context *context, const tas_train_options *is);

/* Whether the optimiser keeps a second value of each parameter. */
bool update_has_second(tas_optimizer optimizer);

/* Of `elements` parameters, after a batch of so many examples, with this rate, at step t from 1 on. Operands: w, sum,
 * state, the second state where there is one, record. */
op_args update_args(const tas_train_options *is, float lr, uint64_t t, uint32_t elements, uint32_t batch);

#endif
