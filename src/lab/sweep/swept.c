/* A sweep's figures, batch by batch, for programs that print a table of their own. */
#include "lab/sweep/sweep.h"

#include <math.h>

static double known(const sweep_mean *m) { return m->seeds ? m->value : NAN; }

int tas_sweep_batch(const tas_sweep *sweep, size_t index, tas_sweep_row *out)
{
    if (index >= (size_t)sweep->count) return 0;
    const sweep_batch *b = &sweep->batch[index];
    *out = (tas_sweep_row){.batch = (uint32_t)b->batch,
                           .lr = b->lr > 0 ? b->lr : NAN,
                           .examples_per_s = b->rounds ? b->examples_per_s : NAN,
                           .memory = b->memory_used,
                           .steps = known(&b->steps),
                           .examples = known(&b->examples),
                           .epochs = known(&b->epochs),
                           .seconds = known(&b->seconds),
                           .loss = known(&b->best_loss),
                           .accuracy = known(&b->best_accuracy),
                           .test_loss = b->test_loss,
                           .test_accuracy = b->test_accuracy,
                           .seeds = b->seeds,
                           .reached = b->reached,
                           .verdict = reason_verdict(sweep->advice.verdicts[index]),
                           .why = b->why};
    return 1;
}

const char *tas_sweep_target(const tas_sweep *sweep) { return sweep->target_words; }
double tas_sweep_seconds(const tas_sweep *sweep) { return sweep->elapsed; }
