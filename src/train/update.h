/* The update of a step: a list of calls, built once per run.
 *
 *     clip          if the gradient is clipped: sums of its squares, and the factor made of them
 *     fused         in steps that the plan allows: dense layers whose gradients are made here (ops/dense_update.h)
 *     optimizer     one call per group of parameters that share their settings; with LARS and LAMB the norms of each
 *                   weight, their ratio, and a call for it
 *     statistics    network->update
 *
 * A device may refuse a call. Each is ticked off once it is accepted, so that only those that were not are issued
 * again. What a call needs of earlier ones is in memory that does not depend on the tile, but for what fused calls
 * read: if one of them is refused, the run goes back to its last snapshot. */
#ifndef UPDATE_H
#define UPDATE_H

#include "train/optimizers.h"
#include "train/workspace.h"

/* Checks the optimizer and its settings. */
tas_status update_check(tas_context *context, const tas_train_options *options);

/* What the update asks of a plan, for a request whose batch is known; clips: the gradient is clipped; noise: its scale
 * is measured. */
void update_request(plan_request *request, tas_optimizer optimizer, bool clips, bool noise);

/* Whether an update divides by Adam's second moment, so that the noise scale can be preconditioned by it. */
bool update_preconditions(tas_optimizer optimizer);

/* "momentum 0.9", "betas 0.9 and 0.999, epsilon 1e-08": its settings, for a message. */
const char *update_print(const tas_train_options *options, char text[OPTIMIZERS_TEXT]);

typedef struct update_call update_call;

typedef struct update {
    const tas_train_options *options;
    workspace *w;
    update_call *calls;
    int count, accepted;   /* of this step */
    plan_range stored;     /* of the plan for which it was built */
    bool statistics_alone; /* the list is that of update_open_statistics() */
    bool failed;           /* while it is built: memory ran out */
} update;

/* Builds the list for a workspace whose plan was made as update_request() asks; or that of the statistics alone. Closed
 * with update_close(). */
tas_status update_open(update *u, const tas_train_options *options, workspace *w);
tas_status update_open_statistics(update *u, const tas_train_options *options, workspace *w);
void update_close(update *u);

/* Begins the update of a step, of whose number these are the low 32 bits (0: it updates nothing, since
 * the record is set), after a batch of so many examples. After a change of the plan the list is built again. */
tas_status update_begin(update *u, const optimizer_step *step, uint32_t number, uint32_t batch);

/* Issues the calls that were not accepted yet. They change nothing once a step was recorded. */
tas_status update_run(update *u);

#endif
