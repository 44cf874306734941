#include "lab/advise/advise.h"

#include "base/context.h"
#include "base/file.h"
#include "base/format.h"
#include "lab/advise/records.h"
#include "lab/sweep/aggregate.h"
#include "stats/median.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void tas_advise_options_init(tas_advise_options *options)
{
    *options = (tas_advise_options){.size = sizeof *options, .target_loss = NAN};
}

void advise_note(tas_sweep *s, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    text_buffer out = {.text = s->notes, .bytes = sizeof s->notes, .used = strlen(s->notes)};
    format_add(&out, "%s%s", *s->notes ? " " : "", text);
}

/* Batches ---------------------------------------------------------------------------------------------------------- */

/* In ascending order, each once. */
static tas_status add_batches(tas_sweep *s)
{
    for (int i = 0; i < s->runs; i++) {
        const uint64_t batch = s->run[i].batch;
        int at = 0;
        while (at < s->count && s->batch[at].batch < batch) at++;
        if (at < s->count && s->batch[at].batch == batch) continue;
        if (s->count == SWEEP_BATCHES)
            return fail(s->context, TAS_BAD_DATA, "%s: more than %d batch sizes", s->source, (int)SWEEP_BATCHES);
        memmove(&s->batch[at + 1], &s->batch[at], (size_t)(s->count++ - at) * sizeof *s->batch);
        s->batch[at] = (sweep_batch){.batch = batch,
                                     .lr_edge_of_stability = NAN,
                                     .worse_low = NAN,
                                     .worse_high = NAN,
                                     .test_loss = NAN,
                                     .test_accuracy = NAN};
    }
    return TAS_OK;
}

/* Seconds per step of a whole run, up to the target or the last evaluation that has both; NaN: not known. */
static double step_seconds(const sweep_run *run)
{
    for (int i = run->points - 1; i >= 0; i--) {
        const sweep_point *p = &run->point[i];
        const double steps = isfinite(run->steps) && run->points == 1 ? run->steps : (double)p->step;
        if (steps > 0 && p->seconds > 0) return p->seconds / steps;
    }
    return NAN;
}

static tas_status time_batch(const tas_sweep *s, sweep_batch *b)
{
    double *seconds = malloc((size_t)s->runs * sizeof *seconds);
    if (!seconds) return fail(s->context, TAS_NO_MEMORY, "%s: no memory for its runs", s->source);
    for (int i = 0; i < s->runs; i++) {
        const double one = s->run[i].batch == b->batch ? step_seconds(&s->run[i]) : NAN;
        if (one > 0) seconds[b->rounds++] = one;
    }
    if (b->rounds) {
        b->step_seconds = median_of(seconds, (size_t)b->rounds);
        b->examples_per_s = (double)b->batch / b->step_seconds;
    }
    free(seconds);
    return TAS_OK;
}

static tas_status count_seeds(tas_sweep *s, const sweep_batch *b)
{
    const int seeds = sweep_count_figures(s, b);
    if (seeds > SWEEP_SEEDS)
        return fail(s->context, TAS_BAD_DATA, "%s: %d seeds at batch %" PRIu64 ", lr %g; expected at most %d",
                    s->source, seeds, b->batch, b->lr, (int)SWEEP_SEEDS);
    if (seeds > s->options.seeds) s->options.seeds = seeds;
    return TAS_OK;
}

static tas_status fill_batches(tas_sweep *s)
{
    int several = 0, stale = 0, single = 0, untimed = 0;
    for (int i = 0; i < s->count; i++) {
        sweep_batch *b = &s->batch[i];
        bool fresh;
        const int rates = advise_rates_choose(s, b, &fresh);
        several += rates > 1;
        stale += !fresh;
        tas_status status = time_batch(s, b);
        if (!status) status = count_seeds(s, b);
        if (status) return status;
        single += sweep_count_figures(s, b) == 1;
        untimed += !b->rounds;
    }
    if (stale)
        advise_note(s,
                    "The rate of %d of %d batches was chosen on the seeds that are used for the figures, which promise "
                    "3 to 9 %% too much for that: run two or more other seeds at the chosen rates.",
                    stale, s->count);
    if (several < s->count && several)
        advise_note(s, "%d of %d batches were run at one rate alone: whether it suits them is not known.",
                    s->count - several, s->count);
    if (single)
        advise_note(
            s, "%d of %d batches have one seed, so that the spread over seeds is not known for them: run two more.",
            single, s->count);
    if (untimed) advise_note(s, "%d of %d batches have no seconds.", untimed, s->count);
    return TAS_OK;
}

/* The whole -------------------------------------------------------------------------------------------------------- */

static tas_status check_options(tas_context *context, const tas_advise_options *o)
{
    if (o->size != sizeof *o)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options.size is %zu, expected %zu: initialize with tas_advise_options_init()", o->size, sizeof *o);
    if (!isnan(o->target_loss) && !(o->target_loss > 0 && isfinite(o->target_loss)))
        return fail(context, TAS_BAD_ARGUMENT, "a target loss of %g: expected a number above 0", o->target_loss);
    if (!(o->waste == 0 || (o->waste >= 1 && isfinite(o->waste))))
        return fail(context, TAS_BAD_ARGUMENT, "a limit of %g times the fewest examples: expected at least 1",
                    o->waste);
    if (!tas_goal_name(o->goal)) return fail(context, TAS_BAD_ARGUMENT, "unknown goal %d", (int)o->goal);
    if (o->goal == TAS_GOAL_MEMORY)
        return fail(context, TAS_BAD_ARGUMENT, "the goal is memory, of which the rows say nothing");
    return TAS_OK;
}

static void own_options(tas_sweep *s, const tas_advise_options *o)
{
    tas_sweep_options_init(&s->options);
    s->options.goal = o->goal;
    s->options.batch_most = o->batch_most;
    s->options.waste = o->waste;
    s->options.target = o->target_loss;
    s->options.seeds = 0;
    s->examples = o->examples;
    s->target = s->base_epochs = s->base_best = s->forecast = s->elapsed = NAN;
}

static tas_status set_target(tas_sweep *s, const rows *r, const tas_advise_options *o)
{
    if (r->evaluations) return advise_target_set(s, o);
    if (!isnan(o->target_loss))
        return fail(s->context, TAS_BAD_ARGUMENT,
                    "a target loss for rows of runs, whose steps are to a target already; expected one row per "
                    "evaluation, with a column 'examples'");
    snprintf(s->target_words, sizeof s->target_words, "that of the steps in %.120s", s->source);
    return TAS_OK;
}

/* In the order of the file's runs, so that their seeds ascend as a sweep's do. */
static void take_runs(tas_sweep *s, rows *r)
{
    s->run = r->run;
    s->runs = s->runs_room = r->runs;
    *r = (rows){.evaluations = r->evaluations};
}

static bool any_reached(const tas_sweep *s)
{
    for (int i = 0; i < s->count; i++)
        if (s->batch[i].reached) return true;
    return false;
}

static void conclude(tas_sweep *s)
{
    const uint64_t base = s->base_batch;
    aggregate_runs(s);
    for (int i = 0; i < s->count; i++) /* the nearest to 64 that reached the target is another one */
        if (s->batch[i].batch == s->base_batch && base != s->base_batch) s->base_best = s->batch[i].best_loss.value;
    for (int k = 0; k < s->levels && !s->examples; k++) s->level[k].epochs = NAN;
    if (!s->examples) s->base_epochs = NAN;
    text_buffer out = {.text = s->reason, .bytes = sizeof s->reason, .used = strlen(s->reason)};
    if (*s->notes) format_add(&out, " %s", s->notes);
}

static tas_status make_sweep(tas_sweep *s, rows *r, const tas_advise_options *o)
{
    own_options(s, o);
    take_runs(s, r);
    tas_status status = add_batches(s);
    if (!status) status = set_target(s, r, o);
    if (!status) status = fill_batches(s);
    if (status) return status;
    conclude(s);
    if (any_reached(s)) return TAS_OK;
    if (s->nearest_batch && isfinite(s->nearest))
        return fail(s->context, TAS_NOT_REACHED,
                    "%s: no batch reached the target; the nearest was %s (B = %" PRIu64 ")", s->source,
                    format_number(s->nearest).text, s->nearest_batch);
    return fail(s->context, TAS_NOT_REACHED, "%s: no batch reached the target", s->source);
}

static tas_status read_text(tas_context *context, const char *name, const char *text, size_t bytes,
                            const tas_advise_options *options, tas_sweep **out)
{
    rows r = {.run = NULL};
    tas_status status = rows_read(context, name, text, bytes, &r);
    tas_sweep *s = status ? NULL : calloc(1, sizeof *s);
    if (!status && !s) status = fail(context, TAS_NO_MEMORY, "%s: no memory for its runs", name);
    if (!status) {
        s->context = context;
        snprintf(s->source, sizeof s->source, "%s", name);
        status = make_sweep(s, &r, options);
    }
    rows_free(&r);
    if (s && (!status || (status == TAS_NOT_REACHED && *s->reason)))
        *out = s;
    else
        tas_sweep_close(&s);
    return status;
}

tas_status tas_advise_open_text(tas_context *context, const char *text, size_t bytes, const tas_advise_options *options,
                                tas_sweep **out)
{
    entry_state saved;
    entry_begin(context, &saved);
    *out = NULL;
    tas_status status = check_options(context, options);
    if (!status)
        status =
            read_text(context, options->name && *options->name ? options->name : "rows", text, bytes, options, out);
    entry_end(&saved);
    return status;
}

tas_status tas_advise_open(tas_context *context, const char *file, const tas_advise_options *options, tas_sweep **out)
{
    entry_state saved;
    char *text = NULL;
    size_t bytes;
    entry_begin(context, &saved);
    *out = NULL;
    tas_status status = check_options(context, options);
    if (!status) status = file_read(context, file, RECORDS_BYTES, &text, &bytes);
    if (!status)
        status = read_text(context, options->name && *options->name ? options->name : file, text, bytes, options, out);
    free(text);
    entry_end(&saved);
    return status;
}
