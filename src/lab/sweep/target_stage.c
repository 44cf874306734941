/* The target is near the best that the network reaches: the loss within 2 % of what the base batch reaches at its rate
 * when it stops improving, on the worse of two seeds (every batch has to get there on every seed); if the two differ by
 * more, within that difference, at most 5 %. If there is not
 * enough time for all batches near 64 to get there, it is the deepest target that they have time for, on the way of the
 * same run. A given target is refused if untrained weights meet it, or a guess that looks at no input. */
#include "lab/sweep/target_stage.h"

#include "base/context.h"
#include "base/format.h"
#include "data/dataset.h"
#include "lab/sweep/aggregate.h"
#include "lab/sweep/estimate.h"
#include "lab/sweep/forecast.h"
#include "lab/sweep/resume.h"
#include "lab/sweep/search.h"
#include "lab/sweep/seen.h"
#include "lab/sweep/setup.h"
#include "lab/sweep/state.h"
#include "lab/sweep/trial.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static const double NEAR_BEST = 1.02, APART_MOST = 1.05, BETTER = 0.995; /* times the best loss */
static const double EASIER = 0.125;                   /* of the examples: where rates are searched first */
static const double PART = 0.85;                      /* of the time that is left, for what is sure to be run */
static const double DEPTH_STEP = M_SQRT1_2, CORE = 4; /* depths that are considered; a batch's factor from 64 */
static const double ROOM = 0.5; /* of a run's length: larger batches and other seeds take longer */
enum { DEPTHS = 12, SLOWER_RATES = 3, STEPS_LEAST = 8 };

/* A target that says nothing --------------------------------------------------------------------------------------- */

static const tas_data *target_set(const lab *l) { return l->sweep->options.on_train ? l->train_look : l->look; }

static tas_status refuse_target(const lab *l, const char *who, double value)
{
    const tas_sweep *s = l->sweep;
    const char *what = s->options.by_accuracy ? "accuracy" : "loss";
    return fail(s->context, TAS_BAD_ARGUMENT, "a target %s of %s says nothing: %s has %s %s; expected a %s one", what,
                format_number(s->target).text, who, what, format_number(value).text,
                s->options.by_accuracy ? "higher" : "lower");
}

static bool meets(const tas_sweep *s, double value)
{
    return s->options.by_accuracy ? value >= s->target : value <= s->target;
}

static tas_status check_untrained(const lab *l, uint64_t seed)
{
    const tas_sweep *s = l->sweep;
    tas_model *model;
    tas_score score = {.loss = NAN};
    tas_status status = tas_model_open(l->device, l->network, seed, &model);
    if (status) return status;
    tas_model_set_budget(model, l->look_bytes);
    status = tas_evaluate(model, target_set(l), &score);
    tas_model_close(&model);
    const double value = s->options.by_accuracy ? score.accuracy : score.loss;
    return status || !meets(s, value) ? status : refuse_target(l, "the untrained network", value);
}

/* The share of each class among labels. */
static tas_status count_classes(const tas_data *data, double *share, uint32_t classes)
{
    const size_t input = dataset_input_bytes(data);
    unsigned char *inputs = malloc(input);
    tas_status status = inputs ? TAS_OK : fail(data->context, TAS_NO_MEMORY, "no memory for an example");
    for (uint64_t i = 0; i < data->options.count && !status; i++) {
        uint32_t label = 0;
        status = dataset_fetch(data, i, 1, inputs, &label);
        if (!status && label < classes) share[label] += 1 / (double)data->options.count;
    }
    free(inputs);
    return status;
}

/* What knows the frequencies of classes alone: their entropy, the loss of predicting them; and the accuracy of naming
 * the most frequent one. INFINITY and 0 if the loss has no classes. */
static tas_status find_chance(const lab *l, double *entropy, double *most)
{
    const tas_data *data = target_set(l);
    const uint32_t classes = data->options.classes;
    *entropy = INFINITY;
    *most = 0;
    if (data->options.target_type != TAS_TARGET_LABEL || tas_network_loss(l->network) != TAS_LOSS_SOFTMAX)
        return TAS_OK;
    double *share = calloc(classes ? classes : 1, sizeof *share), sum = 0;
    tas_status status = share ? count_classes(data, share, classes)
                              : fail(data->context, TAS_NO_MEMORY, "no memory for the frequencies of classes");
    for (uint32_t i = 0; i < classes && !status; i++) {
        *most = fmax(*most, share[i]);
        if (share[i] > 0) sum -= share[i] * log(share[i]);
    }
    free(share);
    *entropy = sum;
    return status;
}

static tas_status check_chance(const lab *l)
{
    const bool by_accuracy = l->sweep->options.by_accuracy;
    double entropy, most;
    const tas_status status = find_chance(l, &entropy, &most);
    if (status || isinf(entropy)) return status;
    const double value = by_accuracy ? most : entropy;
    const char *who = by_accuracy ? "naming the most frequent class" : "predicting the frequencies of classes";
    return meets(l->sweep, value) ? refuse_target(l, who, value) : TAS_OK;
}

static tas_status check_given(lab *l)
{
    tas_sweep *s = l->sweep;
    snprintf(s->target_words, sizeof s->target_words, "%s %s %s", s->options.on_train ? "training" : "validation",
             s->options.by_accuracy ? "accuracy" : "loss", format_number(s->target).text);
    tas_status status = check_chance(l);
    for (int i = 0; i <= s->options.seeds && !status; i++) status = check_untrained(l, s->options.seed + (uint64_t)i);
    return status;
}

/* A run that goes on until it stops improving ---------------------------------------------------------------------- */

typedef struct deep_run {
    double lr, best;
    double slack;      /* times the best: what still counts as near it */
    reach_point *seen; /* malloc()ed */
    int count;
} deep_run;

static trial deep_trial(const lab *l, uint64_t seed, double lr, double seconds)
{
    return (trial){.batch = estimate_target_batch(l->sweep),
                   .seed = seed,
                   .lr = lr,
                   .search = true,
                   .target = NAN,
                   .give_up = INFINITY,
                   .examples_most = estimate_examples_most(l->sweep),
                   .patient = true,
                   .seconds_most = seconds};
}

static tas_status run_deep(lab *l, uint64_t seed, double lr, double seconds, deep_run *out)
{
    const tas_sweep *s = l->sweep;
    sweep_run run;
    const trial t = deep_trial(l, seed, lr, seconds);
    snprintf(l->doing, sizeof l->doing, "B = %" PRIu64 ": training until it stops improving, lr %s", t.batch,
             format_number(lr).text);
    *out = (deep_run){.lr = lr, .best = NAN, .slack = NEAR_BEST};
    const tas_status status = resume_trial(l, &t, &run, NULL);
    if (status) return status;
    out->seen = seen_of_run(s, &run, &out->count);
    if (!out->seen) return fail(s->context, TAS_NO_MEMORY, "no memory for the looks of a run");
    if (run.outcome != ROW_DIVERGED) out->best = reach_deepest(out->seen, out->count, INFINITY);
    return TAS_OK;
}

/* Whether there is time for another such run; one that the state has takes none. */
static bool may_run_deep(const lab *l, uint64_t seed, double lr, double limit, double begun, double share)
{
    const trial t = deep_trial(l, seed, lr, limit);
    return !(limit > 0) || lab_seconds(l) - begun <= share * limit || resume_has(l, &t);
}

/* Lower rates are often better late: halved as long as that helps and there is time. A rate that diverges late was too
 * high, too. */
static tas_status find_slower(lab *l, double limit, double begun, deep_run *best)
{
    const uint64_t seed = l->sweep->options.seed;
    double lr = best->lr;
    for (int i = 0; i < SLOWER_RATES; i++) {
        deep_run next;
        lr = (double)(float)(0.5 * lr);
        if (isfinite(best->best) && !may_run_deep(l, seed, lr, limit, begun, 0.5)) break;
        const tas_status status = run_deep(l, seed, lr, limit, &next);
        const bool better = !status && isfinite(next.best) && !(next.best >= BETTER * best->best);
        free(better ? best->seen : next.seen);
        if (status) return status;
        if (better) *best = next;
        if (isfinite(best->best) && !better) break;
    }
    return TAS_OK;
}

/* The worse of two seeds. */
static tas_status find_deepest(lab *l, double lr, deep_run *out)
{
    const tas_sweep *s = l->sweep;
    const double limit = s->options.seconds > 0 ? estimate_depth_seconds(s) : 0, begun = lab_seconds(l);
    const uint64_t other = s->options.seed + SWEEP_SECOND_SEED;
    tas_status status = run_deep(l, s->options.seed, lr, limit, out);
    if (!status && !s->options.scale) status = find_slower(l, limit, begun, out);
    if (status || !isfinite(out->best) || !may_run_deep(l, other, out->lr, limit, begun, 1.2)) return status;
    deep_run second;
    status = run_deep(l, other, out->lr, limit, &second);
    const bool worse = !status && second.best > out->best;
    const double apart = second.best > out->best ? second.best / out->best : out->best / second.best;
    free(worse ? out->seen : second.seen);
    if (worse) *out = second;
    if (apart > out->slack) out->slack = fmin(apart, APART_MOST);
    return status;
}

/* How deep --------------------------------------------------------------------------------------------------------- */

/* The examples after which the run has reached a target; NaN: it has not. */
static double examples_to(const deep_run *run, double target)
{
    const reach r = reach_find(run->seen, run->count, target, false);
    return r.state == REACH_DONE ? run->seen[r.at].examples : NAN;
}

/* Seconds for the batches near 64, if the base batch takes so many examples to the target, and for what follows. */
static double seconds_at_depth(lab *l, double depth)
{
    tas_sweep *s = l->sweep;
    const double before[] = {s->depth, s->search_depth, s->target, s->search_target};
    double seconds = 0;
    s->depth = depth;
    s->search_depth = EASIER * depth;
    s->target = s->search_target = 1; /* known, whatever it is */
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        if (sweep_batch_fits(b) && estimate_distance((double)b->batch, ESTIMATE_BASE) <= log(CORE) + 1e-9)
            seconds += estimate_batch_seconds(s, b, s->options.seeds);
    }
    seconds += estimate_tail_seconds(l, NULL);
    s->depth = before[0], s->search_depth = before[1], s->target = before[2], s->search_target = before[3];
    return seconds;
}

/* The same in each session: the state keeps it. */
static double choose_depth(lab *l, double whole)
{
    const tas_sweep *s = l->sweep;
    const double stored = l->state ? state_depth(l->state) : 0;
    double depth = whole;
    if (stored > 0) return stored;
    for (int i = 0; i < DEPTHS && s->options.seconds > 0; i++, depth *= DEPTH_STEP)
        if (seconds_at_depth(l, depth) < PART * (s->options.seconds - lab_seconds(l))) break;
    return depth;
}

/* How deep it is in epochs is measured later, on fresh seeds. */
static void say_target(tas_sweep *s, const deep_run *run, uint64_t batch)
{
    text_buffer out = {s->target_words, sizeof s->target_words, 0};
    format_add(&out, "%s loss %.4g, ", s->options.on_train ? "training" : "validation", s->target);
    if (s->target < 1.003 * run->slack * run->best)
        format_add(&out, "within %.2g %% of the best of B = %" PRIu64 " (%.4g, lr %s)", 100 * (run->slack - 1), batch,
                   run->best, format_number(run->lr).text);
    else
        format_add(&out, "the deepest that runs have %s for (by B = %" PRIu64 ", lr %s)",
                   s->options.seconds > 0 ? "time" : "epochs", batch, format_number(run->lr).text);
}

/* The next larger number of four digits: it is shown and given to the command as it is. */
static double four_digits(double target)
{
    const double unit = pow(10, floor(log10(target)) - 3);
    char text[32];
    snprintf(text, sizeof text, "%.4g", ceil(target / unit - 1e-9) * unit);
    return strtod(text, NULL);
}

/* The deepest target after so many examples, or more if there is none that is better than chance. */
static double deepest_below(const deep_run *run, double depth, double whole, double chance)
{
    double deepest = reach_deepest(run->seen, run->count, depth);
    for (; depth < whole && !(deepest < chance); depth /= DEPTH_STEP)
        deepest = reach_deepest(run->seen, run->count, depth);
    return deepest < chance ? deepest : NAN;
}

static tas_status set_target(lab *l, const deep_run *run)
{
    tas_sweep *s = l->sweep;
    const uint64_t batch = estimate_target_batch(s);
    const double whole = examples_to(run, run->slack * run->best);
    const double depth = choose_depth(l, fmin(whole, ROOM * estimate_examples_most(s)));
    double entropy, most;
    tas_status status = find_chance(l, &entropy, &most);
    if (status) return status;
    s->base_batch = batch;
    s->base_best = run->best;
    s->target = depth < whole ? deepest_below(run, depth, whole, entropy) : NAN;
    if (!(s->target > run->slack * run->best)) s->target = run->slack * run->best;
    s->target = four_digits(s->target);
    s->depth = examples_to(run, s->target);
    s->search_target = reach_deepest(run->seen, run->count, EASIER * s->depth);
    s->search_depth = examples_to(run, s->search_target);
    if (!(s->search_target > 1.02 * s->target) || !(s->search_depth >= STEPS_LEAST * (double)batch))
        s->search_target = NAN;
    say_target(s, run, batch);
    status = l->state ? state_set_depth(l->state, depth, lab_seconds(l)) : TAS_OK;
    forecast_correct(l);
    return status;
}

/* First one epoch at each rate, of which the best one is taken further. */
static tas_status make_target(lab *l, double lr, double *best_lr)
{
    tas_sweep *s = l->sweep;
    rate_search r;
    deep_run run = {.best = NAN};
    const trial t = {.batch = estimate_target_batch(s),
                     .target = NAN,
                     .examples_most = fmin((double)s->examples, estimate_examples_most(s))};
    double first = s->options.scale ? (double)(float)search_scaled_rate(s, lr, t.batch) : lr;
    rate_search_begin(&r, first, 1.02, 1.1);
    tas_status status = s->options.scale ? TAS_OK : search_rates(l, t, &r);
    if (!status && !s->options.scale && r.best >= 0) first = (double)(float)rate_search_best(&r);
    if (!status && (s->options.scale || r.best >= 0)) status = find_deepest(l, first, &run);
    if (!status && !isfinite(run.best))
        status = fail(s->context, TAS_NOT_FINITE,
                      "B = %" PRIu64 ": no learning rate near %g gave a finite loss; check the data and the network",
                      t.batch, lr);
    if (!status) status = set_target(l, &run);
    if (!status && !s->options.scale) *best_lr = run.lr;
    free(run.seen);
    return status;
}

tas_status target_stage_run(lab *l, double lr, double *best_lr)
{
    l->sweep->search_target = NAN;
    l->sweep->base_best = l->sweep->base_epochs = NAN;
    return isnan(l->sweep->target) ? make_target(l, lr, best_lr) : check_given(l);
}

/* A target that turned out to be too deep -------------------------------------------------------------------------- */

/* The deepest target that all runs of a batch on fresh seeds reached; INFINITY: fewer than two, or one diverged. */
static double deepest_of_all(const tas_sweep *s, const sweep_batch *b)
{
    double deepest = 0;
    int runs = 0;
    for (int i = 0; i < s->runs; i++) {
        const sweep_run *run = &s->run[i];
        if (!sweep_is_figure(s, b, run)) continue;
        int count;
        reach_point *seen = run->outcome == ROW_DIVERGED ? NULL : seen_of_run(s, run, &count);
        const double of_run = seen ? reach_deepest(seen, count, INFINITY) : NAN;
        free(seen);
        if (!isfinite(of_run)) return INFINITY;
        deepest = fmax(deepest, of_run);
        runs++;
    }
    return runs >= SETUP_SEEDS_LEAST ? deepest : INFINITY;
}

/* The runs as they are with the new target. */
static void judge_again(tas_sweep *s)
{
    for (int i = 0; i < s->runs; i++) {
        sweep_run *run = &s->run[i];
        if (run->search || run->outcome == ROW_DIVERGED) continue;
        const reach r = seen_reach(s, run, s->target);
        const bool reached = r.state == REACH_DONE;
        run->target = s->target;
        run->outcome = reached ? ROW_REACHED : r.state == REACH_GAVE_BACK ? ROW_DIVERGED : ROW_UNDERTRAINED;
        run->steps = reached ? (double)run->point[r.at].step : NAN;
        run->seconds = reached ? run->point[r.at].seconds : NAN;
    }
}

tas_status target_stage_relax(lab *l)
{
    tas_sweep *s = l->sweep;
    double least = INFINITY, second = INFINITY;
    int run = 0, reached = 0;
    if (!isnan(s->options.target)) return TAS_OK;
    aggregate_runs(s);
    for (int i = 0; i < s->count; i++) {
        const double deepest = deepest_of_all(s, &s->batch[i]);
        run += sweep_count_figures(s, &s->batch[i]) >= SETUP_SEEDS_LEAST;
        reached += s->batch[i].outcome == ROW_REACHED;
        second = fmin(second, fmax(least, deepest));
        least = fmin(least, deepest);
    }
    const double easier = four_digits(isfinite(second) ? second : least);
    if (reached >= 2 || (reached && run < 2) || !isfinite(easier) || easier <= s->target) return TAS_OK;
    lab_note(l, "the target %.4g was too deep for most seeds; it is %.4g now, which batches reach on every seed",
             s->target, easier);
    snprintf(s->target_words, sizeof s->target_words, "%s loss %.4g, the deepest that batches reach on every seed",
             s->options.on_train ? "training" : "validation", easier);
    s->target = easier;
    judge_again(s);
    for (int i = 0; i < s->count; i++)
        if (sweep_count_figures(s, &s->batch[i])) s->batch[i].why[0] = 0;
    return TAS_OK;
}
