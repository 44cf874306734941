#include "lab/sweep/weight_fluctuation.h"

#include "train/feed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_LEAST = 16, MOMENTS = 8, TRIES = 3 };

typedef struct fluctuation {
    tas_model *model;
    const tas_data *data;
    tas_train_options options;
    int stretches;
    uint64_t elements; /* of the parameters as the device lays them out; its gaps hold 0 */
    float *start;      /* the model's own weights */
    float *now;
    float *first;  /* the first moment's */
    double *shift; /* sum over the moments of now - first */
    float *ends;   /* (stretches, elements) */
    double *of;    /* (stretches) a figure of each */
} fluctuation;

/* Retried, since a device may fail once. */
static tas_status read_weights(const fluctuation *f, float *to)
{
    const tas_model *model = f->model;
    tas_status status = TAS_OK;
    for (int tries = 0; !tries || (status && tries < TRIES); tries++)
        status = model->device->driver->read(model->device, &model->parameters, 0, to, model->parameters.bytes);
    return status;
}

static tas_status restore(const fluctuation *f)
{
    const tas_model *model = f->model;
    tas_status status = TAS_OK;
    for (int tries = 0; !tries || (status && tries < TRIES); tries++)
        status =
            model->device->driver->write(model->device, &model->parameters, 0, f->start, model->parameters.bytes, true);
    return status;
}

/* The mean of |w - mean w|^2 over the moments, by |mean w|^2. Distances are taken from the weights at the first moment,
 * which are near, so that little cancels. */
static double close_moments(const fluctuation *f, double squares)
{
    double shift = 0, weights = 0;
    for (uint64_t k = 0; k < f->elements; k++) {
        const double mean = f->shift[k] / MOMENTS, w = (double)f->first[k] + mean;
        shift += mean * mean;
        weights += w * w;
    }
    const double spread = squares / MOMENTS - shift;
    return (spread > 0 ? spread : 0) / weights;
}

static double add_moment(fluctuation *f)
{
    double square = 0;
    for (uint64_t k = 0; k < f->elements; k++) {
        const double off = (double)f->now[k] - (double)f->first[k];
        f->shift[k] += off;
        square += off * off;
    }
    return square;
}

/* Trains the stretch, and reads the weights at the moments of its second half; the last moment is its end. */
static tas_status run_moments(fluctuation *f, tas_run *run, uint64_t steps, double *out)
{
    const uint64_t apart = steps / (2 * MOMENTS);
    double squares = 0;
    memset(f->shift, 0, (size_t)f->elements * sizeof *f->shift);
    for (int m = 0; m < MOMENTS; m++) {
        tas_status status = tas_run_advance(run, m ? apart : steps - (MOMENTS - 1) * apart, NULL);
        if (!status) status = read_weights(f, f->now);
        if (status) return status;
        if (!m) memcpy(f->first, f->now, (size_t)f->elements * sizeof *f->first);
        squares += add_moment(f);
    }
    *out = close_moments(f, squares);
    return TAS_OK;
}

static tas_status run_stretch(fluctuation *f, int number)
{
    tas_run *run;
    tas_train_options options = f->options;
    options.seed += (uint64_t)(number + 1) << 32; /* not a seed of the user's runs */
    tas_status status = restore(f);
    if (!status) status = tas_run_open(f->model, f->data, &options, &run);
    if (status) return status;
    status = run_moments(f, run, options.steps, &f->of[number]);
    if (!status) memcpy(f->ends + (uint64_t)number * f->elements, f->now, (size_t)f->elements * sizeof *f->ends);
    tas_run_close(&run);
    return status;
}

static sweep_mean mean_of(const double *values, int count)
{
    running r = {0};
    for (int i = 0; i < count; i++) running_add(&r, values[i]);
    return sweep_mean_of(&r);
}

/* Each end's share of the unbiased variance: |end - mean end|^2 n / (n - 1), by |mean end|^2. */
static sweep_mean compare_ends(fluctuation *f)
{
    const int n = f->stretches;
    double weights = 0;
    if (n < 2) return (sweep_mean){NAN, NAN, n};
    memset(f->of, 0, (size_t)n * sizeof *f->of);
    for (uint64_t k = 0; k < f->elements; k++) {
        double sum = 0;
        for (int s = 0; s < n; s++) sum += (double)f->ends[(uint64_t)s * f->elements + k];
        const double mean = sum / n;
        weights += mean * mean;
        for (int s = 0; s < n; s++) {
            const double off = (double)f->ends[(uint64_t)s * f->elements + k] - mean;
            f->of[s] += off * off;
        }
    }
    for (int s = 0; s < n; s++) f->of[s] *= n / ((n - 1) * weights);
    return mean_of(f->of, n);
}

static tas_status alloc_memory(fluctuation *f)
{
    const size_t elements = (size_t)f->elements;
    f->start = malloc(elements * sizeof *f->start);
    f->now = malloc(elements * sizeof *f->now);
    f->first = malloc(elements * sizeof *f->first);
    f->shift = malloc(elements * sizeof *f->shift);
    f->ends = malloc(elements * (size_t)f->stretches * sizeof *f->ends);
    f->of = malloc((size_t)f->stretches * sizeof *f->of);
    if (f->start && f->now && f->first && f->shift && f->ends && f->of) return TAS_OK;
    return fail(f->model->context, TAS_NO_MEMORY, "no memory for weights of %zu floats", elements);
}

static void finish(fluctuation *f)
{
    free(f->start);
    free(f->now);
    free(f->first);
    free(f->shift);
    free(f->ends);
    free(f->of);
}

static tas_status run_stretches(fluctuation *f, weight_fluctuation *out)
{
    tas_status status = TAS_OK;
    for (int s = 0; s < f->stretches && !status; s++) status = run_stretch(f, s);
    char error[sizeof f->model->context->error];
    memcpy(error, f->model->context->error, sizeof error);
    const tas_status back = restore(f);
    if (status) memcpy(f->model->context->error, error, sizeof error);
    if (status || back) return status ? status : back;
    out->fluctuation = mean_of(f->of, f->stretches);
    out->seed_spread = compare_ends(f);
    return TAS_OK;
}

tas_status weight_fluctuation_measure(tas_model *model, const tas_data *data, const tas_train_options *options,
                                      uint64_t examples, int stretches, weight_fluctuation *out)
{
    fluctuation f = {.model = model,
                     .data = data,
                     .options = *options,
                     .stretches = stretches,
                     .elements = model->parameters.bytes / sizeof(float)};
    *out = (weight_fluctuation){.steps = 0};
    if (stretches < 1) return fail(model->context, TAS_BAD_ARGUMENT, "%d stretches: expected at least 1", stretches);
    if (!options->batch) return fail(model->context, TAS_BAD_ARGUMENT, "batch 0: expected at least 1 example");
    f.options.steps = (examples + options->batch - 1) / options->batch;
    if (f.options.steps < STEPS_LEAST) f.options.steps = STEPS_LEAST;
    f.options.schedule = TAS_SCHEDULE_CONSTANT; /* the rate belongs to these weights, not to the start of a run */
    f.options.warmup = 0;
    f.options.noise = 0;
    out->steps = f.options.steps;
    tas_status status = alloc_memory(&f);
    if (!status) status = read_weights(&f, f.start);
    if (!status) status = run_stretches(&f, out);
    finish(&f);
    return status;
}
