/* The update of a step: an optimizer's operation and its scalars. */
#ifndef UPDATE_H
#define UPDATE_H

#include "train/workspace.h"

#include <tassello/model.h>

enum { UPDATE_TEXT = 128 };

/* Checks the optimizer and its settings. */
tas_status update_check(tas_context *context, const tas_train_options *options);

/* Values that the optimizer keeps per parameter, beside the parameter itself. */
int update_slots(tas_optimizer optimizer);

/* "momentum 0.9", "betas 0.9 and 0.999, epsilon 1e-08": its settings, for a message. */
const char *update_print(const tas_train_options *options, char text[UPDATE_TEXT]);

/* The call that updates `elements` parameters with learning rate lr in step t (1 is
 * the first). Operands: parameters, sum of gradients, the optimizer's slots, the divisor, the record of what was not
 * finite. */
op_args update_args(const tas_train_options *options, float lr, uint64_t t, uint32_t elements);

/* Updates the parameters with the batch's gradient (update_args()). It does nothing once a step was recorded. It is
 * one launch, which is accepted or is not. */
tas_status update_run(workspace *w, const op_args *args);

#endif
