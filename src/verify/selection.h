/* What a verification runs: some operations, the providers, the canonical trainings. */
#ifndef SELECTION_H
#define SELECTION_H

#include "base/context.h"
#include "ops/op.h"

#include <tassello/verify.h>

/* Numbers of tas_verify_name() behind those of the operations. */
enum { NAME_TRAINING = OP_COUNT, NAME_CLBLAST, NAME_GRADIENTS, NAMES };

typedef struct selection {
    bool op[OP_COUNT];
    bool all, providers, training, gradients; /* all: every operation */
} selection;

/* By options.only, or everything that the options ask for if it is NULL. */
tas_status selection_make(tas_context *context, const tas_verify_options *options, selection *out);

#endif
