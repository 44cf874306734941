/* What a sweep found, for those who use the library: targets on the way down, checks of the advice. */
#include "lab/sweep/sweep.h"

#include <math.h>

static double known(const sweep_mean *m) { return sweep_mean_known(m) ? m->value : NAN; }

static double positive(double value) { return value > 0 ? value : NAN; }

void tas_sweep_get_facts(const tas_sweep *sweep, tas_sweep_facts *out)
{
    const tas_sweep_options *options = &sweep->options;
    *out = (tas_sweep_facts){.target = sweep->target,
                             .by_accuracy = options->by_accuracy,
                             .on_train = options->on_train,
                             .base_batch = (uint32_t)sweep->base_batch,
                             .base_epochs = sweep->base_batch ? positive(sweep->base_epochs) : NAN,
                             .base_best = sweep->base_batch ? positive(sweep->base_best) : NAN,
                             .compared_at = options->goal == TAS_GOAL_ACCURACY ? NAN : sweep->equal_loss,
                             .seconds_limit = options->seconds};
}

int tas_sweep_branch(const tas_sweep *sweep, size_t index, tas_sweep_moment *out)
{
    if (index >= (size_t)sweep->branches) return 0;
    const sweep_branch *b = &sweep->branch[index];
    const fit_range *r = &b->critical;
    *out = (tas_sweep_moment){.step = b->step,
                              .examples = b->examples,
                              .loss = b->loss,
                              .critical = r->state == FIT_KNOWN ? r->value : NAN,
                              .critical_low = r->state == FIT_KNOWN || r->state == FIT_AT_LEAST ? r->low : 0,
                              .critical_high = r->state == FIT_KNOWN || r->state == FIT_AT_MOST ? r->high : INFINITY,
                              .why = b->why ? b->why : ""};
    return 1;
}

int tas_sweep_level(const tas_sweep *sweep, size_t index, tas_level *out)
{
    if (index >= (size_t)sweep->levels) return 0;
    const sweep_level *l = &sweep->level[index];
    const fit_range *b = &l->curve.b_crit;
    *out = (tas_level){.target = l->target,
                       .epochs = l->epochs,
                       .b_crit = NAN,
                       .b_crit_low = 0,
                       .b_crit_high = INFINITY,
                       .best_steps = NAN,
                       .best_examples = NAN,
                       .best_seconds = NAN};
    if (l->curve.known && b->state == FIT_KNOWN) out->b_crit = b->value;
    if (l->curve.known && (b->state == FIT_KNOWN || b->state == FIT_AT_LEAST)) out->b_crit_low = b->low;
    if (l->curve.known && (b->state == FIT_KNOWN || b->state == FIT_AT_MOST)) out->b_crit_high = b->high;
    if (l->best < 0 || l->best >= sweep->count) return 1;
    out->best = (uint32_t)sweep->batch[l->best].batch;
    out->best_steps = known(&l->steps[l->best]);
    out->best_examples = known(&l->examples[l->best]);
    out->best_seconds = known(&l->seconds[l->best]);
    return 1;
}

int tas_sweep_check(const tas_sweep *sweep, size_t index, tas_check *out)
{
    if (index >= (size_t)sweep->checks) return 0;
    const sweep_check *c = &sweep->check[index];
    *out = (tas_check){.batch = (uint32_t)c->batch,
                       .seed = c->seed,
                       .lr = c->lr,
                       .promised_low = c->promised_low,
                       .promised_high = c->promised_high,
                       .reached = c->reached,
                       .held = c->held,
                       .steps = c->steps,
                       .examples = c->examples,
                       .seconds = c->seconds,
                       .loss = c->loss,
                       .accuracy = c->accuracy};
    return 1;
}
