/* A sweep as JSON. Names carry their unit; what is not known is null. */
#include "lab/sweep/json_figures.h"

#include "base/buffer.h"
#include "base/context.h"
#include "base/json_text.h"
#include "lab/advice/reason.h"
#include "lab/sweep/branch_stage.h"
#include "lab/sweep/grown_stage.h"
#include "lab/sweep/output.h"
#include "lab/sweep/sweep.h"

#include <stdlib.h>

static void put(json_t *to, const char *name, json_t *value) { json_object_set_new(to, name, value); }
static void put_real(json_t *to, const char *name, double x) { put(to, name, json_known(x)); }
static void put_count(json_t *to, const char *name, uint64_t x) { put(to, name, json_count(x)); }
static void put_text(json_t *to, const char *name, const char *text)
{
    json_t *value = json_string(text);
    put(to, name, value ? value : json_null()); /* a name that is no UTF-8 */
}

static json_t *noise_json(const noise_scale_range *n)
{
    static const char *const states[] = {
        [NOISE_UNKNOWN] = "not known yet", [NOISE_AT_LEAST] = "at least", [NOISE_KNOWN] = "known"};
    json_t *out = json_object();
    put_text(out, "state", states[n->state]);
    put_real(out, "value", n->steps ? n->value : NAN);
    put_real(out, "low", n->low);
    put_real(out, "high", n->high);
    put_count(out, "steps", n->steps);
    return out;
}

static json_t *side_json(const recommend_side *side)
{
    json_t *out = json_object();
    put_count(out, "batch", side->batch);
    put_real(out, "times_the_seconds", side->seconds);
    put_real(out, "times_the_examples", side->examples);
    put_text(out, "verdict", reason_verdict(side->verdict));
    put(out, "measured", json_boolean(side->measured));
    return out;
}

static json_t *advice_json(const tas_sweep *s)
{
    const recommendation *r = &s->advice;
    json_t *out = json_object();
    put_count(out, "batch", r->batch);
    put_real(out, "lr", r->lr);
    put_count(out, "range_low", r->range_low);
    put_count(out, "range_high", r->range_high);
    put_real(out, "seconds", r->seconds);
    put_real(out, "seconds_low", r->seconds_low);
    put_real(out, "seconds_high", r->seconds_high);
    put_real(out, "steps", r->steps);
    put_text(out, "decided", reason_decision(r->decided));
    put_real(out, "knee", r->knee);
    put_real(out, "knee_low", r->knee_low);
    put_real(out, "knee_high", r->knee_high);
    put(out, "half", side_json(&r->half));
    put(out, "twice", side_json(&r->twice));
    put(out, "measure_too", r->measure ? json_count(r->measure) : json_null());
    put_text(out, "confidence", reason_confidence(r->confidence));
    put_real(out, "probability_best", r->probability);
    put_text(out, "reason", s->reason);
    return out;
}

static json_t *batch_json(const tas_sweep *s, int i)
{
    const sweep_batch *b = &s->batch[i];
    json_t *out = json_object(), *windows = json_array();
    put_count(out, "batch", b->batch);
    put_real(out, "lr", b->lr > 0 ? b->lr : NAN);
    put(out, "lr_at_edge", json_boolean(b->lr_edge));
    put_text(out, "outcome", outcome_name(b->outcome));
    put_text(out, "verdict", reason_verdict(s->advice.verdicts[i]));
    put_text(out, "why", b->why);
    put_count(out, "seeds", (uint64_t)b->seeds);
    put_count(out, "reached", (uint64_t)b->reached);
    put_count(out, "diverged", (uint64_t)b->diverged);
    put_count(out, "search_runs", (uint64_t)b->searches);
    put_real(out, "step_s", b->rounds ? b->step_seconds : NAN);
    put_real(out, "examples_per_s", b->rounds ? b->examples_per_s : NAN);
    put_count(out, "rounds", (uint64_t)b->rounds);
    put_count(out, "memory_forecast", b->memory_forecast);
    put_count(out, "memory_used", b->memory_used);
    put(out, "memory_elsewhere", json_boolean(b->memory_elsewhere));
    put_count(out, "tile", b->tile);
    put_count(out, "tiles", b->tiles);
    put(out, "resident", json_boolean(b->resident));
    json_t *noise = noise_json(&b->noise);
    if (b->noise_obstacle) put_text(noise, "state", "not estimated");
    put(out, "noise_scale", noise);
    put(out, "noise_scale_group", b->noise_group ? json_count(b->noise_group) : json_null());
    put(out, "noise_scale_obstacle", b->noise_obstacle ? json_string(b->noise_obstacle) : json_null());
    for (int w = 0; w < b->noise_windows; w++) {
        json_t *window = noise_json(&b->noise_window[w]);
        put_real(window, "examples", b->noise_end[w]);
        json_array_append_new(windows, window);
    }
    put(out, "noise_scale_over_training", windows);
    const struct {
        const char *name;
        const sweep_mean *mean;
    } means[] = {{"steps", &b->steps},
                 {"examples", &b->examples},
                 {"epochs", &b->epochs},
                 {"seconds", &b->seconds},
                 {"best_loss", &b->best_loss},
                 {"last_loss", &b->last_loss},
                 {"best_accuracy", &b->best_accuracy},
                 {"last_accuracy", &b->last_accuracy},
                 {"epochs_to_best", &b->epochs_to_best},
                 {"gap_equal_loss", &b->gap_equal_loss},
                 {"gap_equal_epochs", &b->gap_equal_epochs},
                 {"gap_equal_steps", &b->gap_equal_steps},
                 {"loss_equal_loss", &b->loss_equal_loss},
                 {"loss_equal_epochs", &b->loss_equal_epochs},
                 {"loss_equal_steps", &b->loss_equal_steps},
                 {"fluctuation", &b->fluctuation},
                 {"seed_spread", &b->seed_spread}};
    for (size_t k = 0; k < sizeof means / sizeof *means; k++) put(out, means[k].name, json_figures_mean(means[k].mean));
    put_real(out, "worse_low", b->worse_low);
    put_real(out, "worse_high", b->worse_high);
    put_real(out, "test_loss", b->test_loss);
    put_real(out, "test_accuracy", b->test_accuracy);
    json_figures_batch(out, s, i);
    return out;
}

static json_t *frozen_json(const tas_sweep *s, const frozen_point *p)
{
    json_t *out = json_object(), *batches = json_array();
    put_text(out, "at", p->name);
    put_count(out, "step", p->step);
    put_real(out, "loss", p->loss);
    put_real(out, "trace", p->trace);
    put_real(out, "square", p->square);
    for (int i = 0; i < s->count; i++) {
        const frozen_figures *f = &p->batch[i];
        json_t *one = json_object();
        if (!f->draws) {
            json_decref(one);
            continue;
        }
        put_count(one, "batch", s->batch[i].batch);
        put_count(one, "draws", (uint64_t)f->draws);
        put_real(one, "variance", f->variance);
        put_real(one, "variance_error", f->variance_error);
        put_real(one, "variance_expected", f->variance_expected);
        put_real(one, "cosine", f->cosine);
        put_real(one, "cosine_error", f->cosine_error);
        put_real(one, "cosine_expected", f->cosine_expected);
        put_real(one, "loss_spread", f->loss_spread);
        put_real(one, "loss_expected", f->loss_expected);
        json_array_append_new(batches, one);
    }
    put(out, "batches", batches);
    return out;
}

static json_t *run_json(const sweep_run *r)
{
    json_t *out = json_object(), *points = json_array();
    put_count(out, "batch", r->batch);
    put_real(out, "lr", r->lr);
    put_count(out, "seed", r->seed);
    put(out, "search", json_boolean(r->search));
    put_real(out, "target", r->target > 0 ? r->target : NAN);
    put_text(out, "outcome", outcome_name(r->outcome));
    put_real(out, "steps", r->steps);
    put_real(out, "seconds", r->seconds);
    put_count(out, "memory", r->memory);
    for (int i = 0; i < r->points; i++) {
        const sweep_point *p = &r->point[i];
        json_t *one = json_object();
        put_count(one, "step", p->step);
        put_count(one, "examples", p->examples);
        put_real(one, "seconds", p->seconds);
        if (isfinite(p->train_loss)) put_real(one, "train_loss", p->train_loss);
        if (isfinite(p->train_accuracy)) put_real(one, "train_accuracy", p->train_accuracy);
        if (isfinite(p->loss)) put_real(one, "loss", p->loss);
        if (isfinite(p->accuracy)) put_real(one, "accuracy", p->accuracy);
        json_array_append_new(points, one);
    }
    put(out, "points", points);
    return out;
}

/* Of runs that another program made it is not known. */
static void put_training(json_t *out, const tas_sweep *s)
{
    const bool known = !*s->source;
    put_text(out, "optimizer", known ? tas_optimizer_name(s->options.train.optimizer) : NULL);
    put_real(out, "momentum", known ? (double)s->options.train.momentum : NAN);
    put_real(out, "weight_decay", known ? (double)s->options.train.weight_decay : NAN);
    put(out, "seed", known ? json_count(s->options.seed) : json_null());
}

static void put_protocol(json_t *out, const tas_sweep *s)
{
    put_text(out, "source", *s->source ? s->source : NULL);
    put_text(out, "net", s->net);
    put_text(out, "data", s->data);
    put_text(out, "device", s->device);
    put_text(out, "device_name", s->device_name);
    put_count(out, "parameters", s->parameters);
    put_count(out, "examples", s->examples);
    put_count(out, "validation", s->validation);
    put_count(out, "test", s->test);
    put_text(out, "goal", tas_goal_name(s->options.goal));
    put_training(out, s);
    put_count(out, "seeds", (uint64_t)s->options.seeds);
    put_real(out, "target", s->target);
    put_text(out, "target_words", s->target_words);
    put_real(out, "forecast_s", s->forecast);
    put_real(out, "elapsed_s", s->elapsed);
    put(out, "short_of_time", json_boolean(s->short_of_time || s->left_out[0]));
    put_text(out, "left_out", s->left_out);
    put(out, "stopped", json_boolean(s->stopped));
}

static json_t *sweep_json(const tas_sweep *s)
{
    json_t *out = json_object(), *batches = json_array(), *frozen = json_array(), *runs = json_array();
    const fit_curve *c = &s->advice.curve;
    put_protocol(out, s);
    json_figures_range(out, "b_crit", &c->b_crit);
    json_figures_range(out, "s_min", &c->s_min);
    json_figures_range(out, "e_min", &c->e_min);
    put_real(out, "step_fixed_s", s->advice.time.known ? s->advice.time.fixed : NAN);
    put_real(out, "step_each_s", s->advice.time.known ? s->advice.time.each : NAN);
    put(out, "recommendation", advice_json(s));
    json_figures_sweep(out, s);
    put_real(out, "equal_loss", s->equal_loss);
    put_real(out, "equal_epochs", s->equal_epochs);
    put_count(out, "equal_steps", s->equal_steps);
    for (int i = 0; i < s->count; i++) json_array_append_new(batches, batch_json(s, i));
    for (int i = 0; i < FROZEN_POINTS; i++)
        if (s->frozen[i].name) json_array_append_new(frozen, frozen_json(s, &s->frozen[i]));
    for (int i = 0; i < s->runs; i++) json_array_append_new(runs, run_json(&s->run[i]));
    put(out, "batches", batches);
    put(out, "frozen", frozen);
    put(out, "runs", runs);
    put(out, "branches", branch_stage_describe(s));
    put(out, "grown", grown_stage_describe(s));
    return out;
}

tas_status tas_sweep_json(const tas_sweep *sweep, const char *file)
{
    entry_state saved;
    entry_begin(sweep->context, &saved);
    json_t *value = sweep_json(sweep);
    char *text = value ? json_text(value, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    buffer out = {.failed = !text};
    if (text) buffer_print(&out, "%s\n", text);
    const tas_status status = out.failed ? fail(sweep->context, TAS_NO_MEMORY, "no memory for JSON")
                                         : output_write(sweep->context, file, out.text, out.bytes);
    free(out.text);
    free(text);
    json_decref(value);
    entry_end(&saved);
    return status;
}

char *tas_sweep_json_text(const tas_sweep *sweep)
{
    entry_state saved;
    entry_begin(sweep->context, &saved);
    json_t *value = sweep_json(sweep);
    char *text = value ? json_text(value, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(value);
    entry_end(&saved);
    return text;
}
