/* See recommend.h for the rules. */
#include "lab/advice/recommend.h"

#include "stats/distributions.h"

#include <math.h>
#include <string.h>

static const double NEAR = 0.04879016416943205; /* log 1.05: the optimum is flat, and such differences count as equal */
static const double LOSS_MATTERS =
    0.01; /* of the best loss: with many rows some differ by chance, and less is not worth time */

static const double CLOCK = 0.02; /* error of a step's duration, relative */
static const double CURVE = 1.15; /* more than the error by fit.h, whose own parameters are estimated: by simulation */
static const double PRIOR = 4;    /* over the degrees of freedom: those that FIT_SEED_SPREAD counts for */

/* Rows with their costs, which are in the measure of the goal: logarithms, except for the loss. */
typedef struct work {
    const recommend_input *in;
    recommendation *out;
    int order[RECOMMEND_ROWS];        /* rows by batch */
    double log_steps[RECOMMEND_ROWS]; /* NaN: not known; of a row that was not run by the curve */
    double log_time[RECOMMEND_ROWS];  /* to the target, of seconds; NaN: not known */
    double cost[RECOMMEND_ROWS];      /* NaN: not known */
    double spread, freedom;           /* over seeds, in log */
    double fewest;                    /* log of the fewest examples to the target; NaN: not known */
} work;

/* Rows ------------------------------------------------------------------------------------------------------------- */

static bool not_below_0(double x) { return x >= 0 && isfinite(x); }

static bool row_usable(const recommend_row *row)
{
    if (!row->batch || !not_below_0(row->seconds) || !not_below_0(row->memory)) return false;
    if (row->outcome != ROW_REACHED) return row->outcome >= ROW_NOT_MEASURED && row->outcome <= ROW_OVER_BUDGET;
    return row->lr > 0 && isfinite(row->lr) && isfinite(row->log_steps) && not_below_0(row->log_spread) &&
           row->seeds > 0 && row->missed >= 0 && not_below_0(row->missed_steps);
}

static bool reached(const work *w, int i)
{
    return w->in->rows[i].outcome == ROW_REACHED && w->out->verdicts[i] != VERDICT_UNUSABLE;
}

/* What the limits say of a batch whose examples to the target are given, as a logarithm or NaN. */
static row_verdict judge_batch(const recommend_limits *limits, uint64_t batch, double log_examples, double fewest)
{
    if (limits->batch_most && batch > limits->batch_most) return VERDICT_LIMIT;
    if (limits->examples && batch > 1 && batch > limits->examples / 10) return VERDICT_DATA;
    if (limits->waste > 0 && log_examples - fewest > log(limits->waste) + 1e-9) return VERDICT_WASTE;
    return VERDICT_KEPT;
}

static row_verdict judge_row(const work *w, int i)
{
    static const row_verdict by_outcome[] = {
        [ROW_NOT_MEASURED] = VERDICT_NOT_MEASURED,
        [ROW_DIVERGED] = VERDICT_DIVERGED,
        [ROW_UNDERTRAINED] = VERDICT_UNDERTRAINED,
        [ROW_OVER_BUDGET] = VERDICT_MEMORY,
    };
    const recommend_row *row = &w->in->rows[i];
    const double memory = w->in->limits.memory;
    if (memory > 0 && row->memory > memory) return VERDICT_MEMORY;
    if (row->outcome != ROW_REACHED) return by_outcome[row->outcome];
    return judge_batch(&w->in->limits, row->batch, w->log_steps[i] + log((double)row->batch), w->fewest);
}

/* Losses are compared with the best of the remaining rows. The intervals are about the best of all rows: if that one
 * was refused for another reason, the difference of two remaining rows is that of their differences from it, and has
 * their half-widths together. */
static void judge_losses(work *w)
{
    const recommend_row *rows = w->in->rows;
    int best = -1, best_of_all = -1;
    for (int i = 0; i < w->in->count; i++) {
        if (!reached(w, i) || !isfinite(rows[i].loss)) continue;
        if (best_of_all < 0 || rows[i].loss < rows[best_of_all].loss) best_of_all = i;
        if (w->out->verdicts[i] == VERDICT_KEPT && (best < 0 || rows[i].loss < rows[best].loss)) best = i;
    }
    for (int i = 0; i < w->in->count && best >= 0; i++) {
        if (w->out->verdicts[i] != VERDICT_KEPT || i == best || !isfinite(rows[i].loss)) continue;
        const double half = (rows[i].worse_high - rows[i].worse_low) / 2,
                     half_best = (rows[best].worse_high - rows[best].worse_low) / 2,
                     more = rows[i].loss - rows[best].loss;
        if (more < LOSS_MATTERS * rows[best].loss) continue;
        if (best == best_of_all ? rows[i].worse_low > 0 : more > half + half_best) w->out->verdicts[i] = VERDICT_LOSS;
    }
}

/* Steps and times -------------------------------------------------------------------------------------------------- */

static void find_spread(work *w)
{
    double within = 0, freedom = 0;
    for (int i = 0; i < w->in->count; i++) {
        const recommend_row *row = &w->in->rows[i];
        if (!reached(w, i)) continue;
        within += (row->seeds - 1) * row->log_spread * row->log_spread;
        freedom += row->seeds - 1;
    }
    w->spread = freedom > 0 ? sqrt(within / freedom) : FIT_SEED_SPREAD;
    w->freedom = freedom > 0 ? freedom : INFINITY;
}

static void fit_rows(work *w)
{
    fit_point points[RECOMMEND_ROWS];
    fit_time_point times[RECOMMEND_ROWS];
    int count = 0, timed = 0;
    for (int i = 0; i < w->in->count; i++) {
        const recommend_row *row = &w->in->rows[i];
        if (w->out->verdicts[i] == VERDICT_UNUSABLE) continue;
        if (row->outcome == ROW_REACHED)
            points[count++] =
                (fit_point){(double)row->batch, row->log_steps, row->seeds > 1 ? row->log_spread : 0, row->seeds};
        if (row->seconds > 0) times[timed++] = (fit_time_point){(double)row->batch, row->seconds, 1};
    }
    fit_steps(points, count, &w->out->curve);
    w->out->time = w->in->time;
    if (!w->out->time.known) fit_step_time(times, timed, &w->out->time);
}

/* The steps of each row as expected by the curve, and its time. Without a curve, its own mean is used. */
static void weigh_rows(work *w)
{
    const fit_curve *curve = &w->out->curve;
    const fit_time *time = &w->out->time;
    for (int i = 0; i < w->in->count; i++) {
        const recommend_row *row = &w->in->rows[i];
        const double batch = (double)row->batch;
        w->log_steps[i] = w->log_time[i] = w->cost[i] = NAN;
        if (w->out->verdicts[i] == VERDICT_UNUSABLE) continue;
        if (curve->known)
            w->log_steps[i] = fit_expected(curve, batch);
        else if (row->outcome == ROW_REACHED)
            w->log_steps[i] = row->log_steps;
        const double seconds = row->seconds > 0 ? row->seconds : time->known ? fit_seconds(time, batch) : NAN;
        w->log_time[i] = seconds > 0 ? w->log_steps[i] + log(seconds) : NAN;
    }
}

static void find_fewest(work *w)
{
    const fit_range *e_min = &w->out->curve.e_min;
    w->fewest = e_min->state == FIT_KNOWN ? log(e_min->value) : NAN;
    for (int i = 0; i < w->in->count && e_min->state != FIT_KNOWN; i++)
        if (reached(w, i)) w->fewest = fmin(w->fewest, w->log_steps[i] + log((double)w->in->rows[i].batch));
}

/* What a row's missed seeds add to its cost: see recommend.h. */
static double cost_of_misses(const recommend_row *row)
{
    const double times = row->missed_steps > 0 ? row->missed_steps * exp(-row->log_steps) : 1;
    return row->outcome == ROW_REACHED ? log1p(times * row->missed / row->seeds) : 0;
}

static double cost_of(const work *w, int i)
{
    const recommend_row *row = &w->in->rows[i];
    switch (w->in->goal) {
    case TAS_GOAL_EXAMPLES: return w->log_steps[i] + log((double)row->batch) + cost_of_misses(row);
    case TAS_GOAL_ACCURACY: return row->outcome == ROW_REACHED ? row->loss : NAN;
    case TAS_GOAL_MEMORY: return row->memory > 0 ? log(row->memory) : NAN;
    default: return w->log_time[i] + cost_of_misses(row);
    }
}

static void find_knee(recommendation *out)
{
    const double a = out->time.fixed, b = out->time.each;
    out->knee = NAN;
    out->knee_high = INFINITY;
    if (!out->time.known || !out->curve.known || out->curve.b_crit.state == FIT_UNKNOWN) return;
    if (a == 0 || b == 0) { /* all time is fixed, or all is per example */
        out->knee = out->knee_low = out->knee_high = a == 0 ? 0 : INFINITY;
        return;
    }
    if (out->curve.b_crit.state == FIT_KNOWN) out->knee = sqrt(a / b * out->curve.b_crit.value);
    out->knee_low = sqrt(a / b * out->curve.b_crit.low);
    out->knee_high = sqrt(a / b * out->curve.b_crit.high);
}

static void sort_rows(work *w)
{
    for (int i = 0; i < w->in->count; i++) {
        int at = i;
        for (; at > 0 && w->in->rows[w->order[at - 1]].batch > w->in->rows[i].batch; at--)
            w->order[at] = w->order[at - 1];
        w->order[at] = i;
    }
}

/* The choice ------------------------------------------------------------------------------------------------------- */

/* Costs that count as equal to the best; a loss that was kept always does. */
static double near(const work *w) { return w->in->goal == TAS_GOAL_ACCURACY ? INFINITY : NEAR; }

/* As good as the best one, for a choice between rows with misses and rows without. A loss is no logarithm. */
static bool is_close(const work *w, int i, int best)
{
    const double more = w->cost[i] - w->cost[best];
    return more <= (w->in->goal == TAS_GOAL_ACCURACY ? NEAR * fabs(w->cost[best]) : NEAR);
}

/* The kept row with the least cost; with whole, of those that no seed missed the target with, and near the best. */
static int find_least(const work *w, bool whole, int best)
{
    int least = -1;
    for (int k = 0; k < w->in->count; k++) {
        const int i = w->order[k];
        if (w->out->verdicts[i] != VERDICT_KEPT || isnan(w->cost[i])) continue;
        if (whole && (w->in->rows[i].missed || !is_close(w, i, best))) continue;
        if (least < 0 || w->cost[i] < w->cost[least]) least = i;
    }
    return least;
}

/* The row with the least cost. If the goal leaves several that are practically equal, the fastest of them. */
static int choose(const work *w, int *best)
{
    *best = find_least(w, false, -1);
    if (*best >= 0 && w->in->rows[*best].missed) {
        const int whole = find_least(w, true, *best);
        if (whole >= 0) *best = whole;
    }
    int chosen = *best;
    for (int k = 0;
         k < w->in->count && *best >= 0 && (w->in->goal == TAS_GOAL_EXAMPLES || w->in->goal == TAS_GOAL_MEMORY); k++) {
        const int i = w->order[k];
        if (w->out->verdicts[i] != VERDICT_KEPT || !(w->cost[i] <= w->cost[*best] + NEAR)) continue;
        if (w->in->rows[i].missed > w->in->rows[chosen].missed) continue;
        if (w->log_time[i] < w->log_time[chosen]) chosen = i;
    }
    return chosen;
}

/* The batches around the choice whose costs are practically equal, up to the first row that is not; rows that were not
 * measured are skipped. */
static uint64_t find_range(const work *w, int chosen, int best, int step)
{
    uint64_t end = w->in->rows[chosen].batch;
    int k = 0;
    while (w->order[k] != chosen) k++;
    for (k += step; k >= 0 && k < w->in->count; k += step) {
        const int i = w->order[k];
        if (w->out->verdicts[i] == VERDICT_NOT_MEASURED || w->out->verdicts[i] == VERDICT_UNUSABLE) continue;
        if (w->out->verdicts[i] != VERDICT_KEPT || !(w->cost[i] <= w->cost[best] + near(w))) break;
        end = w->in->rows[i].batch;
    }
    return end;
}

static bool refused(row_verdict v) { return v != VERDICT_KEPT && v != VERDICT_NOT_MEASURED && v != VERDICT_UNUSABLE; }

/* The natural logarithm of a row's own seconds to the target; NaN: it was not measured, or not timed. */
static double measured_time(const work *w, int i)
{
    const recommend_row *row = &w->in->rows[i];
    return reached(w, i) && row->seconds > 0 ? row->log_steps + log(row->seconds) : NAN;
}

/* Figures of a side are both measured if the rows are: otherwise both are fitted. */
static void compare_side(const work *w, int chosen, int at, recommend_side *side)
{
    const recommend_row *rows = w->in->rows;
    const double batches = (double)side->batch / (double)rows[chosen].batch;
    const double times = measured_time(w, at) - measured_time(w, chosen);
    side->measured = reached(w, at) && (!isnan(times) || isnan(w->log_time[at]));
    side->seconds = exp(side->measured ? times : w->log_time[at] - w->log_time[chosen]);
    side->examples = batches * exp(side->measured ? rows[at].log_steps - rows[chosen].log_steps
                                                  : w->log_steps[at] - w->log_steps[chosen]);
}

static void find_side(const work *w, int chosen, uint64_t batch, recommend_side *side)
{
    const fit_curve *curve = &w->out->curve;
    const fit_time *time = &w->out->time;
    *side = (recommend_side){.batch = batch, .verdict = VERDICT_NOT_MEASURED, .seconds = NAN, .examples = NAN};
    if (!batch) return;
    int at = -1;
    for (int i = 0; i < w->in->count; i++)
        if (w->in->rows[i].batch == batch && w->out->verdicts[i] != VERDICT_UNUSABLE) at = i;
    if (at >= 0) side->verdict = w->out->verdicts[at];
    const double log_steps = at >= 0 ? w->log_steps[at] : curve->known ? fit_expected(curve, (double)batch) : NAN;
    if (at < 0 || side->verdict == VERDICT_NOT_MEASURED) {
        const row_verdict v = judge_batch(&w->in->limits, batch, log_steps + log((double)batch), w->fewest);
        side->verdict = v == VERDICT_KEPT ? VERDICT_NOT_MEASURED : v;
    }
    if (side->verdict == VERDICT_DIVERGED || side->verdict == VERDICT_UNDERTRAINED) return;
    if (at >= 0) {
        compare_side(w, chosen, at, side);
        return;
    }
    const double seconds = time->known ? fit_seconds(time, (double)batch) : NAN;
    side->seconds = exp(log_steps + log(seconds) - w->log_time[chosen]);
    side->examples = exp(log_steps - w->log_steps[chosen]) * (double)batch / (double)w->in->rows[chosen].batch;
}

/* In factors of the batch, as a logarithm. */
static double distance(const work *w, int a, int b)
{
    return fabs(log((double)w->in->rows[a].batch / (double)w->in->rows[b].batch));
}

/* What decided: the refused row nearest to the choice that would have been better by 5 % or more. If there is none, the
 * choice may still be the largest row, with its double forbidden. */
static void find_decision(const work *w, int chosen, int best)
{
    static const recommend_decision by_verdict[VERDICT_COUNT] = {
        [VERDICT_DIVERGED] = DECIDED_CONVERGENCE,
        [VERDICT_UNDERTRAINED] = DECIDED_CONVERGENCE,
        [VERDICT_MEMORY] = DECIDED_MEMORY,
        [VERDICT_LIMIT] = DECIDED_LIMIT,
        [VERDICT_DATA] = DECIDED_DATA,
        [VERDICT_WASTE] = DECIDED_WASTE,
        [VERDICT_LOSS] = DECIDED_LOSS,
    };
    recommendation *out = w->out;
    const bool speed = w->in->goal == TAS_GOAL_TIME;
    const double margin = w->in->goal == TAS_GOAL_ACCURACY ? 0 : NEAR;
    out->decider = -1;
    out->decided = speed ? DECIDED_SPEED : DECIDED_GOAL;
    for (int i = 0; i < w->in->count; i++)
        if (refused(out->verdicts[i]) && w->cost[i] < w->cost[best] - margin &&
            (out->decider < 0 || distance(w, i, chosen) < distance(w, out->decider, chosen)))
            out->decider = i;
    if (out->decider >= 0)
        out->decided = by_verdict[out->verdicts[out->decider]];
    else if (speed && out->twice.seconds < exp(-NEAR) && refused(out->twice.verdict))
        out->decided = by_verdict[out->twice.verdict];
}

/* Whether half or twice the choice, not measured, is expected to be more than 5 % better than the best row. */
static bool promises(const work *w, const recommend_side *side, int chosen, int best)
{
    const double times = w->in->goal == TAS_GOAL_TIME       ? side->seconds
                         : w->in->goal == TAS_GOAL_EXAMPLES ? side->examples
                                                            : NAN;
    return side->verdict == VERDICT_NOT_MEASURED && log(times) + w->cost[chosen] < w->cost[best] - NEAR;
}

/* Which batch to measure next: in a gap between the rows, or beyond the smallest or largest that reached the target. */
static void find_gap(const work *w, int chosen, int best)
{
    recommendation *out = w->out;
    const bool half = promises(w, &out->half, chosen, best), twice = promises(w, &out->twice, chosen, best);
    bool smaller = false, larger = false;
    for (int i = 0; i < w->in->count; i++) {
        if (!reached(w, i)) continue;
        smaller |= w->in->rows[i].batch < w->in->rows[chosen].batch;
        larger |= w->in->rows[i].batch > w->in->rows[chosen].batch;
    }
    out->measure = half ? out->half.batch : twice ? out->twice.batch : 0;
    out->edge = (half && !smaller) || (twice && !larger);
}

/* Confidence ------------------------------------------------------------------------------------------------------- */

/* The standard error of the difference of two rows' costs. */
static double difference_error(const work *w, int a, int b)
{
    const recommend_row *rows = w->in->rows;
    const double spread = w->spread, prior = FIT_SEED_SPREAD, own = w->freedom, more = PRIOR / own,
                 square = isinf(own) ? spread * spread : (own * spread * spread + more * prior * prior) / (own + more);
    const double clocks = w->in->goal == TAS_GOAL_TIME ? CLOCK * M_SQRT2 : 0;
    double error = sqrt(square * (1.0 / rows[a].seeds + 1.0 / rows[b].seeds));
    if (w->out->curve.known) {
        error = CURVE * fit_difference_error(&w->out->curve, (double)rows[a].batch, (double)rows[b].batch);
        if (spread > 0) error *= fmax(1, sqrt(square) / spread);
    }
    return hypot(error, clocks);
}

/* See recommend.h. With one seed per batch the spread is not known, and nothing can be said. */
static double find_probability(const work *w, int best)
{
    double probability = 1;
    bool rival = false;
    for (int i = 0; i < w->in->count; i++) {
        if (i == best || w->out->verdicts[i] != VERDICT_KEPT || isnan(w->cost[i])) continue;
        const double error = difference_error(w, i, best), margin = w->cost[i] + NEAR - w->cost[best];
        rival = true;
        probability -= error > 0 ? 1 - student_below(margin / error, w->freedom) : margin < 0;
    }
    return !rival || isnan(probability) || isinf(w->freedom) ? NAN : fmax(probability, 0);
}

/* Lowers the confidence, if it is higher. */
static void doubt(recommendation *out, recommend_confidence most, recommend_doubt why)
{
    if (out->confidence <= most) return;
    out->confidence = most;
    out->doubt = why;
}

static recommend_confidence confidence_of(double probability)
{
    return probability >= 0.9 ? CONFIDENCE_HIGH : probability >= 0.6 ? CONFIDENCE_MEDIUM : CONFIDENCE_LOW;
}

static void find_confidence(const work *w, int chosen, int best)
{
    recommendation *out = w->out;
    const tas_goal goal = w->in->goal;
    const bool timed = goal == TAS_GOAL_TIME || goal == TAS_GOAL_EXAMPLES;
    bool rival = false, unknown_rival = false;
    int runs = 0;
    for (int i = 0; i < w->in->count; i++) {
        runs += reached(w, i);
        rival |= i != best && out->verdicts[i] == VERDICT_KEPT && !isnan(w->cost[i]);
        unknown_rival |= out->verdicts[i] == VERDICT_NOT_MEASURED && w->cost[i] < w->cost[best] - NEAR;
    }
    out->probability = timed ? find_probability(w, best) : NAN;
    out->confidence = goal == TAS_GOAL_MEMORY || !rival ? CONFIDENCE_HIGH
                      : isnan(out->probability) ? CONFIDENCE_MEDIUM /* a loss that is not worse is not the best */
                                                : confidence_of(out->probability);
    out->doubt = timed && rival && isinf(w->freedom) ? DOUBT_ONE_SEED : DOUBT_NONE;
    if (isinf(w->freedom) && goal != TAS_GOAL_MEMORY) doubt(out, CONFIDENCE_MEDIUM, DOUBT_ONE_SEED);
    if (w->in->rows[chosen].missed) doubt(out, CONFIDENCE_MEDIUM, DOUBT_MISSED);
    if (timed && out->measure && out->confidence > CONFIDENCE_LOW) doubt(out, out->confidence - 1, DOUBT_GAP);
    if (timed && unknown_rival) doubt(out, CONFIDENCE_LOW, DOUBT_UNMEASURED);
    if (timed && !out->curve.known) doubt(out, CONFIDENCE_LOW, DOUBT_NO_CURVE);
    if (goal == TAS_GOAL_ACCURACY && runs < 3) doubt(out, CONFIDENCE_MEDIUM, DOUBT_NO_CURVE);
    if (runs < 2) doubt(out, CONFIDENCE_LOW, DOUBT_ONE_BATCH);
    if (out->doubt) out->probability = NAN;
}

/* The answer ------------------------------------------------------------------------------------------------------- */

/* How far the next seed may be from the mean, in log. Rows need not scatter equally, and a few seeds say little about
 * their own spread: that of all rows counts as two additional degrees of freedom (after Smyth 2004). */
static double next_seed(const work *w, const recommend_row *row)
{
    const double prior = w->freedom < 2 ? w->freedom : 2, own = row->seeds - 1;
    const double square = (prior * w->spread * w->spread + own * row->log_spread * row->log_spread) / (prior + own);
    return student_95(isinf(w->freedom) ? INFINITY : prior + own) * sqrt(square * (1 + 1.0 / row->seeds));
}

static void fill_choice(work *w, int chosen, int best)
{
    const recommend_row *row = &w->in->rows[chosen];
    recommendation *out = w->out;
    out->row = chosen;
    out->batch = row->batch;
    out->lr = row->lr;
    out->range_low = find_range(w, chosen, best, -1);
    out->range_high = find_range(w, chosen, best, 1);
    out->steps = exp(row->log_steps);
    out->measured = row->seconds > 0;
    out->seconds = out->measured     ? out->steps * row->seconds
                   : out->time.known ? out->steps * fit_seconds(&out->time, (double)row->batch)
                                     : NAN;
    const double reach = next_seed(w, row);
    out->seconds_low = out->seconds * exp(-reach);
    out->seconds_high = out->seconds * exp(reach);
    find_side(w, chosen, row->batch > 1 ? row->batch / 2 : 0, &out->half);
    find_side(w, chosen, row->batch * 2, &out->twice);
    find_decision(w, chosen, best);
    find_gap(w, chosen, best);
    find_confidence(w, chosen, best);
}

bool recommend_limits_usable(const recommend_limits *l)
{
    return not_below_0(l->memory) && not_below_0(l->waste) && (l->waste == 0 || l->waste >= 1);
}

uint64_t recommend_limits_batch(const recommend_limits *limits)
{
    const uint64_t most = limits->batch_most ? limits->batch_most : UINT64_MAX, tenth = limits->examples / 10;
    if (!limits->examples || most <= tenth) return most;
    return tenth ? tenth : 1;
}

/* A row forbids its own batch if it diverged, and all batches from its own on if it needs too much memory. */
static bool row_forbids(const recommend_input *in, const recommendation *out, uint64_t batch)
{
    for (int i = 0; i < in->count; i++) {
        if (out->verdicts[i] == VERDICT_MEMORY && in->rows[i].batch <= batch) return true;
        if (out->verdicts[i] == VERDICT_DIVERGED && in->rows[i].batch == batch) return true;
    }
    return false;
}

void recommend_default(const recommend_input *in, recommend_unknown unknown, recommendation *out)
{
    static const uint64_t tries[] = {RECOMMEND_DEFAULT, 32, 128, 16, 8, 4, 2, 1};
    const uint64_t most = recommend_limits_batch(&in->limits);
    const int count = sizeof tries / sizeof *tries;
    int k = 0;
    while (k < count - 1 && (tries[k] > most || row_forbids(in, out, tries[k]))) k++;
    out->batch = tries[k];
    out->range_low = out->batch < RECOMMEND_DEFAULT_LOW ? out->batch : RECOMMEND_DEFAULT_LOW;
    out->range_high = most < RECOMMEND_DEFAULT_HIGH ? most : RECOMMEND_DEFAULT_HIGH;
    while (out->range_high > out->batch && row_forbids(in, out, out->range_high)) out->range_high /= 2;
    if (out->range_high < out->batch) out->range_high = out->batch;
    out->row = out->decider = -1;
    out->lr = in->lr > 0 && out->batch == RECOMMEND_DEFAULT ? in->lr : NAN;
    out->decided = DECIDED_DEFAULT;
    out->unknown = unknown;
    out->confidence = CONFIDENCE_NONE;
    out->steps = out->seconds = out->seconds_low = out->seconds_high = out->probability = NAN;
    out->half = (recommend_side){out->batch / 2, VERDICT_NOT_MEASURED, NAN, NAN, false};
    out->twice = (recommend_side){out->batch * 2, VERDICT_NOT_MEASURED, NAN, NAN, false};
}

static recommend_unknown why_none(const work *w)
{
    bool any = false, kept = false, run = false;
    for (int i = 0; i < w->in->count; i++) {
        run |= w->in->rows[i].outcome != ROW_NOT_MEASURED && w->in->rows[i].outcome != ROW_OVER_BUDGET;
        any |= reached(w, i);
        kept |= w->out->verdicts[i] == VERDICT_KEPT;
    }
    return kept ? UNKNOWN_NOT_TIMED : any ? UNKNOWN_ALL_REFUSED : run ? UNKNOWN_NONE_REACHED : UNKNOWN_NO_ROWS;
}

bool recommend(const recommend_input *input, recommendation *out)
{
    work w = {.in = input, .out = out};
    int best;
    memset(out, 0, sizeof *out);
    if (input->count < 0 || input->count > RECOMMEND_ROWS || !recommend_limits_usable(&input->limits)) return false;
    if ((unsigned)input->goal >= RECOMMEND_GOALS) return false;
    for (int i = 0; i < input->count; i++)
        out->verdicts[i] = row_usable(&input->rows[i]) ? VERDICT_KEPT : VERDICT_UNUSABLE;
    sort_rows(&w);
    find_spread(&w);
    fit_rows(&w);
    find_knee(out);
    weigh_rows(&w);
    find_fewest(&w);
    for (int i = 0; i < input->count; i++) {
        if (out->verdicts[i] != VERDICT_UNUSABLE) out->verdicts[i] = judge_row(&w, i);
        const bool failed = out->verdicts[i] == VERDICT_DIVERGED || out->verdicts[i] == VERDICT_UNDERTRAINED;
        w.cost[i] = cost_of(&w, i);
        out->row_fitted[i] = failed ? NAN : exp(w.log_time[i]);
        out->row_measured[i] = isfinite(measured_time(&w, i));
        out->row_seconds[i] = out->row_measured[i] ? exp(measured_time(&w, i)) : out->row_fitted[i];
    }
    judge_losses(&w);
    const int chosen = choose(&w, &best);
    if (chosen >= 0)
        fill_choice(&w, chosen, best);
    else
        recommend_default(input, why_none(&w), out);
    return true;
}
