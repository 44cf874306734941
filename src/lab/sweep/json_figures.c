#include "lab/sweep/json_figures.h"

#include "lab/advice/reason.h"
#include "lab/sweep/on_devices.h"

#include <stdlib.h>

static void put(json_t *to, const char *name, json_t *value) { json_object_set_new(to, name, value); }
static void put_real(json_t *to, const char *name, double x) { put(to, name, json_known(x)); }
static void put_count(json_t *to, const char *name, uint64_t x) { put(to, name, json_count(x)); }

static json_t *text_json(const char *text)
{
    json_t *value = text ? json_string(text) : NULL;
    return value ? value : json_null(); /* a name that is no UTF-8 */
}

json_t *json_figures_mean(const sweep_mean *m)
{
    json_t *out = json_object();
    put_real(out, "mean", m->seeds ? m->value : NAN);
    put_real(out, "spread", m->seeds > 1 && isfinite(m->value) ? m->spread : NAN);
    put_count(out, "seeds", (uint64_t)m->seeds);
    return out;
}

void json_figures_range(json_t *to, const char *name, const fit_range *r)
{
    char end[32];
    const bool low = r->state == FIT_KNOWN || r->state == FIT_AT_LEAST,
               high = r->state == FIT_KNOWN || r->state == FIT_AT_MOST;
    put_real(to, name, low && high ? r->value : NAN);
    snprintf(end, sizeof end, "%s_low", name);
    put_real(to, end, low ? r->low : NAN);
    snprintf(end, sizeof end, "%s_high", name);
    put_real(to, end, high ? r->high : NAN);
}

/* By the curve of the steps alone, and the line of the step's duration, and by both; but the seconds as the advice has
 * them. */
static json_t *fitted_json(const tas_sweep *s, int i)
{
    const double batch = (double)s->batch[i].batch;
    const fit_curve *c = &s->advice.curve;
    const fit_time *t = &s->advice.time;
    const double steps = c->known ? exp(fit_log_steps(c, batch)) : NAN, step = t->known ? fit_seconds(t, batch) : NAN;
    json_t *out = json_object();
    put_real(out, "steps", steps);
    put_real(out, "examples", steps * batch);
    put_real(out, "seconds", s->advice.row_fitted[i]);
    put_real(out, "steps_times_step_s", steps * step);
    put_real(out, "step_s", step);
    put_real(out, "examples_per_s", batch / step);
    return out;
}

void json_figures_batch(json_t *to, const tas_sweep *s, int i)
{
    const sweep_batch *b = &s->batch[i];
    put(to, "verdict_short", text_json(reason_short_verdict(s->advice.verdicts[i])));
    put(to, "loss_compared", json_figures_mean(&b->loss_compared));
    put_real(to, "lr_edge_of_stability", b->lr_edge_of_stability > 0 ? b->lr_edge_of_stability : NAN);
    put(to, "fitted", fitted_json(s, i));
}

static json_t *level_json(const tas_sweep *s, const sweep_level *l)
{
    json_t *out = json_object(), *batches = json_array();
    put_real(out, "target", l->target);
    put_real(out, "base_epochs", l->epochs);
    put(out, "best", l->best >= 0 && l->best < s->count ? json_count(s->batch[l->best].batch) : json_null());
    json_figures_range(out, "b_crit", l->curve.known ? &l->curve.b_crit : &(fit_range){.state = FIT_UNKNOWN});
    for (int i = 0; i < s->count; i++) {
        json_t *one = json_object();
        put_count(one, "batch", s->batch[i].batch);
        put_count(one, "reached", (uint64_t)l->reached[i]);
        put(one, "steps", json_figures_mean(&l->steps[i]));
        put(one, "examples", json_figures_mean(&l->examples[i]));
        put(one, "seconds", json_figures_mean(&l->seconds[i]));
        json_array_append_new(batches, one);
    }
    put(out, "batches", batches);
    return out;
}

static json_t *check_json(const sweep_check *c)
{
    json_t *out = json_object();
    put_count(out, "batch", c->batch);
    put_real(out, "lr", c->lr);
    put_count(out, "seed", c->seed);
    put_real(out, "promised_low_s", c->promised_low);
    put_real(out, "promised_high_s", c->promised_high);
    put(out, "reached", json_boolean(c->reached));
    put(out, "held", json_boolean(c->held));
    put_real(out, "steps", c->steps);
    put_real(out, "examples", c->examples);
    put_real(out, "seconds", c->seconds);
    put_real(out, "loss", c->loss);
    put_real(out, "accuracy", c->accuracy);
    return out;
}

static json_t *depth_json(const tas_sweep *s)
{
    tas_sweep_facts f;
    json_t *out = json_object();
    tas_sweep_get_facts(s, &f);
    put(out, "base_batch", f.base_batch ? json_count(f.base_batch) : json_null());
    put_real(out, "epochs", f.base_epochs);
    put_real(out, "best", f.base_best);
    return out;
}

static json_t *limits_json(const tas_sweep_options *options)
{
    json_t *out = json_object();
    put(out, "seconds", options->seconds > 0 ? json_real(options->seconds) : json_null());
    put(out, "budget", options->budget ? json_count(options->budget) : json_null());
    put(out, "batch_most", options->batch_most ? json_count(options->batch_most) : json_null());
    put(out, "waste", options->waste > 0 ? json_real(options->waste) : json_null());
    return out;
}

/* Means over fresh seeds, counts and clocks; what follows from a curve through them; and what the next seed takes,
 * about a measured mean by the spread of the seeds. */
static json_t *kinds_json(void)
{
    return json_pack("{s:[ssssssss],s:[ssssssssss],s:[s]}", "measured", "batches/* except fitted", "levels/*/batches",
                     "checks", "grown", "depth", "frozen", "runs", "recommendation/seconds and steps", "fitted",
                     "b_crit", "s_min", "e_min", "step_fixed_s", "step_each_s", "batches/*/fitted", "levels/*/b_crit",
                     "recommendation/knee", "on_devices", "recommendation/half and twice unless they say so",
                     "expected_of_the_next_seed", "recommendation/seconds_low and seconds_high");
}

void json_figures_sweep(json_t *to, const tas_sweep *s)
{
    json_t *levels = json_array(), *checks = json_array();
    char *command = tas_sweep_command(s), *end = command ? tas_sweep_command_end(s) : NULL;
    for (int i = 0; i < s->levels; i++) json_array_append_new(levels, level_json(s, &s->level[i]));
    for (int i = 0; i < s->checks; i++) json_array_append_new(checks, check_json(&s->check[i]));
    put(to, "kinds", kinds_json());
    put(to, "depth", depth_json(s));
    put(to, "levels", levels);
    put(to, "checks", checks);
    put(to, "limits", limits_json(&s->options));
    put(to, "on_devices", on_devices_describe(s));
    put_real(to, "step_misfit", s->advice.time.known ? s->advice.time.misfit : NAN);
    put(to, "command", text_json(command));
    put(to, "command_ends", text_json(end));
    free(command);
    free(end);
}
