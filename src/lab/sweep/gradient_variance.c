/* Batches of each size are drawn independently of each other, each without replacement, and compared with the gradient
 * G of the whole set of N examples. The population is finite, so that the expected values are exact (Cochran, Sampling
 * Techniques, 2.5), with the divisor N - 1 in S and in the variance of the losses:
 *
 *     E |g_B - G|^2      = tr(S) (1/B - 1/N)
 *     Var(loss of batch) = Var(loss of example) (1/B - 1/N)
 *
 * and approximately 1 / sqrt(1 + tr(S) / |G|^2 (1/B - 1/N)) for the cosine. All sums on the host are doubles. */
#include "lab/sweep/gradient_variance.h"

#include "data/shuffle.h"
#include "train/gradients.h"

#include <math.h>
#include <stdlib.h>

enum {
    CHUNK = 1024,      /* examples of the set at once, if memory allows */
    GROUP_MOST = 64,   /* examples of a group, if the trace comes from groups */
    GROUPS_WANTED = 32 /* at least, for a small set */
};
static const double call_cost = 64; /* overhead of a batch in examples, for progress reports */

typedef struct frozen {
    gradients g;
    tas_context *context;
    uint32_t count; /* N */
    uint32_t chunk; /* examples of the set at once */
    uint64_t seed;
    double *mean;   /* (elements) G */
    float *sum;     /* (elements) of a batch */
    float *losses;  /* (largest batch) */
    float *norms;   /* (chunk) */
    uint32_t *list; /* (N) */
    double loss_variance;
    int (*on_progress)(void *user, double share);
    void *user;
    double done, all, reported_at;
} frozen;

/* The sum over one batch; reports progress. */
static tas_status run(frozen *f, const uint32_t *list, uint32_t n, float *norms)
{
    if (atomic_exchange(&f->g.model->cancelled, 0)) return fail(f->context, TAS_STOPPED, "stopped");
    tas_status status = gradients_sum(&f->g, list, n, f->sum, f->losses, norms);
    f->done += n + call_cost;
    if (status || !f->on_progress || now_seconds() - f->reported_at < 1) return status;
    f->reported_at = now_seconds();
    return f->on_progress(f->user, f->done / f->all) ? fail(f->context, TAS_STOPPED, "stopped") : TAS_OK;
}

/* The whole set ---------------------------------------------------------------------------------------------------- */

/* Sums over the set. */
typedef struct set_sums {
    noise_scale_groups dense, rest;
    running losses;
} set_sums;

static uint32_t group_size(const frozen *f)
{
    const uint32_t few = f->count / GROUPS_WANTED, group = few < 1 ? 1 : few < GROUP_MOST ? few : GROUP_MOST;
    return f->g.rests && group < f->chunk ? group : f->chunk;
}

static double rest_of_sum(const frozen *f)
{
    double square = 0;
    for (int r = 0; r < f->g.rests; r++) {
        const float *from = f->sum + f->g.rest[r].from;
        for (uint64_t k = 0; k < f->g.rest[r].count; k++) square += (double)from[k] * from[k];
    }
    return square;
}

static void add_group(frozen *f, uint32_t n, set_sums *of)
{
    for (uint64_t k = 0; k < f->g.elements; k++) f->mean[k] += (double)f->sum[k];
    for (uint32_t k = 0; k < n; k++) {
        of->dense.parts += (double)f->norms[k];
        running_add(&of->losses, (double)f->losses[k]);
    }
    of->rest.parts += rest_of_sum(f) / n;
    of->rest.count++;
}

/* Turns the sum over the set into G, and splits its square by kind of layer. */
static void close_sum(frozen *f, set_sums *of)
{
    double all = 0;
    for (uint64_t k = 0; k < f->g.elements; k++) all += f->mean[k] * f->mean[k];
    for (int r = 0; r < f->g.rests; r++)
        for (uint64_t k = f->g.rest[r].from; k < f->g.rest[r].from + f->g.rest[r].count; k++)
            of->rest.whole += f->mean[k] * f->mean[k];
    of->dense.whole = all > of->rest.whole ? all - of->rest.whole : 0;
    for (uint64_t k = 0; k < f->g.elements; k++) f->mean[k] /= f->count;
}

/* G, its square, tr(S): from each example's norm for dense layers, from groups drawn at random for others. */
static tas_status measure_whole(frozen *f, frozen_point *point)
{
    set_sums of = {.dense.count = f->count};
    tas_status status = TAS_OK;
    shuffle_draw(f->seed, 0, f->list, f->count, f->count); /* sets may be sorted */
    for (uint32_t at = 0, n; at < f->count && !status; at += n) {
        n = f->count - at < group_size(f) ? f->count - at : group_size(f);
        status = run(f, f->list + at, n, f->norms);
        if (!status) add_group(f, n, &of);
    }
    if (status) return status;
    close_sum(f, &of);
    const noise_scale_groups groups[] = {of.dense, of.rest};
    const bool known =
        noise_scale_estimate(groups, f->g.rests ? 2 : 1, f->count, f->count, &point->trace, &point->square);
    if (!known || !isfinite(of.losses.mean))
        return fail(f->context, TAS_NOT_FINITE, "the gradient of %s is not finite at these weights", f->g.data->name);
    if (point->trace < 0) point->trace = 0; /* rounding, if all examples are equal */
    point->loss = of.losses.mean;
    f->loss_variance = running_variance(&of.losses);
    return TAS_OK;
}

/* Batches ---------------------------------------------------------------------------------------------------------- */

/* |g - G|^2, and the cosine of the angle between them: 0 if one of them is 0. */
static void compare(const frozen *f, uint32_t batch, double *distance, double *cosine)
{
    double product = 0, ours = 0, theirs = 0;
    *distance = 0;
    for (uint64_t k = 0; k < f->g.elements; k++) {
        const double g = (double)f->sum[k] / batch, whole = f->mean[k], off = g - whole;
        *distance += off * off;
        product += g * whole;
        ours += g * g;
        theirs += whole * whole;
    }
    *cosine = ours > 0 && theirs > 0 ? product / (sqrt(ours) * sqrt(theirs)) : 0;
    *cosine = *cosine > 1 ? 1 : *cosine < -1 ? -1 : *cosine;
}

static void expect_of(const frozen *f, uint32_t batch, const frozen_point *point, frozen_figures *out)
{
    const double share = 1.0 / batch - 1.0 / f->count;
    out->variance_expected = point->trace * share;
    out->loss_expected = sqrt(f->loss_variance * share);
    out->cosine_expected = point->square > 0 ? 1 / sqrt(1 + point->trace / point->square * share) : NAN;
}

static tas_status measure_batch(frozen *f, uint32_t batch, int draws, const frozen_point *point, frozen_figures *out)
{
    running distances = {0}, cosines = {0};
    double losses = 0; /* sum of (batch's loss - the set's)^2 */
    for (int d = 0; d < draws; d++) {
        double distance, cosine, loss = 0;
        shuffle_draw(f->seed, (uint32_t)d, f->list, f->count, batch);
        tas_status status = run(f, f->list, batch, NULL);
        if (status) return status;
        compare(f, batch, &distance, &cosine);
        for (uint32_t k = 0; k < batch; k++) loss += (double)f->losses[k];
        loss = loss / batch - point->loss;
        losses += loss * loss;
        running_add(&distances, distance);
        running_add(&cosines, cosine);
    }
    if (!isfinite(distances.mean))
        return fail(f->context, TAS_NOT_FINITE, "the gradient of a batch of %u is not finite at these weights", batch);
    *out = (frozen_figures){.draws = draws,
                            .variance = distances.mean,
                            .variance_error = running_error(&distances),
                            .cosine = cosines.mean,
                            .cosine_error = running_error(&cosines),
                            .loss_spread = sqrt(losses / draws)};
    expect_of(f, batch, point, out);
    return TAS_OK;
}

/* The whole -------------------------------------------------------------------------------------------------------- */

static tas_status check(const tas_data *data, const uint32_t *batches, int count, int draws)
{
    const uint64_t examples = data->options.count;
    if (count < 0 || count > SWEEP_BATCHES)
        return fail(data->context, TAS_BAD_ARGUMENT, "%d batch sizes: expected at most %d", count, SWEEP_BATCHES);
    if (draws < 2) return fail(data->context, TAS_BAD_ARGUMENT, "%d batches of each size: expected at least 2", draws);
    if (examples < 2) return fail(data->context, TAS_BAD_ARGUMENT, "%s: expected at least 2 examples", data->name);
    for (int k = 0; k < count; k++)
        if (!batches[k] || batches[k] > examples)
            return fail(data->context, TAS_BAD_ARGUMENT, "batch %u: expected 1 to %llu, the examples of %s", batches[k],
                        (unsigned long long)examples, data->name);
    return TAS_OK;
}

static void finish(frozen *f)
{
    gradients_close(&f->g);
    free(f->mean);
    free(f->sum);
    free(f->losses);
    free(f->norms);
    free(f->list);
}

/* Host memory, and the total work for progress reports. */
static tas_status prepare(frozen *f, const uint32_t *batches, int count, int draws, uint32_t largest)
{
    const size_t elements = (size_t)f->g.elements;
    f->mean = calloc(elements, sizeof *f->mean);
    f->sum = malloc(elements * sizeof *f->sum);
    f->losses = malloc(largest * sizeof *f->losses);
    f->norms = malloc(f->chunk * sizeof *f->norms);
    f->list = malloc(f->count * sizeof *f->list);
    if (!f->mean || !f->sum || !f->losses || !f->norms || !f->list)
        return fail(f->context, TAS_NO_MEMORY, "no memory for gradients of %zu floats", elements);
    f->all = f->count + ceil((double)f->count / group_size(f)) * call_cost;
    for (int k = 0; k < count; k++) f->all += draws * (batches[k] + call_cost);
    f->reported_at = now_seconds();
    return TAS_OK;
}

/* The memory in which training at the largest batch works must suffice: then the set comes in chunks of that size. */
static tas_status open_gradients(frozen *f, tas_model *model, const tas_data *data, uint32_t asked, uint64_t budget)
{
    const uint32_t most = f->count < CHUNK ? f->count : CHUNK;
    f->chunk = most;
    tas_status status = gradients_open(&f->g, model, data, asked > most ? asked : most, budget, f->seed);
    if (status != TAS_NO_MEMORY || !asked || asked >= most) return status;
    gradients_close(&f->g);
    f->chunk = asked;
    return gradients_open(&f->g, model, data, asked, budget, f->seed);
}

tas_status gradient_variance_measure(tas_model *model, const tas_data *data, const uint32_t *batches, int count,
                                     int draws, uint64_t seed, uint64_t budget,
                                     int (*on_progress)(void *user, double share), void *user, frozen_point *point)
{
    frozen f = {.context = model->context,
                .count = (uint32_t)data->options.count,
                .seed = seed,
                .on_progress = on_progress,
                .user = user};
    uint32_t largest = 0;
    for (int k = 0; k < SWEEP_BATCHES; k++) point->batch[k] = (frozen_figures){.draws = 0};
    tas_status status = check(data, batches, count, draws);
    if (status) return status;
    for (int k = 0; k < count; k++)
        if (batches[k] > largest) largest = batches[k];
    status = open_gradients(&f, model, data, largest, budget);
    if (!status) status = prepare(&f, batches, count, draws, largest > f.chunk ? largest : f.chunk);
    if (!status) status = measure_whole(&f, point);
    for (int k = 0; k < count && !status; k++) status = measure_batch(&f, batches[k], draws, point, &point->batch[k]);
    finish(&f);
    return status;
}
