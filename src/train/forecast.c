/* The plan of a run, told before it: the same plans that training and evaluation make. */
#include "train/model.h"

#include <tassello/plan.h>

void tas_plan_options_init(tas_plan_options *options)
{
    *options = (tas_plan_options){.size = sizeof *options, .batch = 64};
}

/* Of a set that is not there: bytes with labels. */
static plan_work work_without(const tas_network *network, uint32_t batch, uint32_t tile)
{
    return (plan_work){.training = true,
                       .batch = batch,
                       .tile_most = tile ? tile : batch,
                       .input_bytes = network->inputs,
                       .target_bytes =
                           network->classes ? sizeof(uint32_t) : sizeof(float) * (uint64_t)network->outputs};
}

/* Whether the whole batch fits in one tile. */
static bool is_untiled(const tas_network *network, const plan_device *limits, plan_work work, uint32_t batch)
{
    bool untiled = false;
    work.batch = work.tile_most = batch;
    for (int resident = 0; resident <= (work.resident != 0) && !untiled; resident++) {
        plan p;
        if (plan_with(network, limits, &work, batch, resident, &p)) continue;
        untiled = p.total <= limits->budget;
        plan_free(&p);
    }
    return untiled;
}

static uint32_t largest_untiled(const tas_network *network, const plan_device *limits, const plan_work *work)
{
    uint32_t most = TILE_MOST, good = 0; /* what a plan needs never falls with the batch */
    if (work->resident && work->resident < most) most = (uint32_t)work->resident;
    for (uint32_t step = TILE_MOST; step; step /= 2)
        if (good + step <= most && is_untiled(network, limits, *work, good + step)) good += step;
    return good;
}

static void describe(const plan *p, const plan *one, uint32_t batch, uint64_t evaluation, tas_plan *out)
{
    int count = 0;
    const uint64_t grown = p->total > one->total ? p->total - one->total : 0, more = p->tile - 1;
    for (int part = 0; part < PART_COUNT; part++)
        out->part[count++] = (tas_plan_part){plan_part_names[part], p->bytes[part]};
    if (evaluation > p->total) out->part[count++] = (tas_plan_part){"evaluation", evaluation - p->total};
    out->tile = p->tile;
    out->tiles = (batch - 1) / p->tile + 1;
    out->resident = p->resident;
    out->bytes_total = evaluation > p->total ? evaluation : p->total;
    out->bytes_per_example = more ? (grown + more - 1) / more : p->bytes[PART_VALUES] + p->bytes[PART_STAGING];
    out->bytes_fixed = out->bytes_total > grown ? out->bytes_total - grown : 0;
}

/* Bytes of the evaluation, which keeps to what training took wherever it can. */
static tas_status plan_evaluation(const tas_network *network, plan_device limits, const tas_data *test, uint64_t train,
                                  uint64_t least, uint64_t *bytes)
{
    const plan_work work = work_of(test, false, (uint32_t)test->is.count, EVALUATE_MOST);
    plan p;
    limits.budget = train > least ? train : least;
    tas_status status = plan_make(network, &limits, &work, &p);
    if (status) return status;
    *bytes = p.total;
    plan_free(&p);
    return TAS_OK;
}

static tas_status least_budget(const tas_network *network, const plan_device *limits, const plan_work *work,
                               const tas_data *test, uint64_t *evaluation, uint64_t *out)
{
    tas_status status = plan_least(network, limits, work, out);
    if (status || !test || !*out) return status;
    const plan_work tested = work_of(test, false, (uint32_t)test->is.count, EVALUATE_MOST);
    status = plan_least(network, limits, &tested, evaluation);
    if (!*evaluation) *out = 0;
    if (*out && *evaluation > *out) *out = *evaluation;
    return status;
}

static tas_status make(tas_device *device, const tas_network *network, const tas_data *train, const tas_data *test,
                       const tas_plan_options *is, tas_plan *out)
{
    plan_device limits = device_limits(device);
    const plan_work work =
        train ? work_of(train, true, is->batch, is->tile) : work_without(network, is->batch, is->tile);
    uint64_t least_evaluation = 0, evaluation = 0;
    plan p, one;
    if (is->budget) limits.budget = is->budget;
    out->budget = limits.budget;
    tas_status status = least_budget(network, &limits, &work, test, &least_evaluation, &out->min_budget);
    if (status) return status;
    if (out->min_budget && limits.budget < out->min_budget)
        return fail(device->context, TAS_NO_MEMORY,
                    "%s: a budget of %llu bytes is too small; the smallest that would do is %llu", limits.id,
                    (unsigned long long)limits.budget, (unsigned long long)out->min_budget);
    status = plan_make(network, &limits, &work, &p);
    if (status) return status;
    if (test) status = plan_evaluation(network, limits, test, p.total, least_evaluation, &evaluation);
    if (!status) status = plan_with(network, &limits, &work, 1, p.resident, &one);
    if (!status) describe(&p, &one, is->batch, evaluation, out);
    if (!status) plan_free(&one);
    plan_free(&p);
    if (!status) out->largest_untiled = largest_untiled(network, &limits, &work);
    return status;
}

tas_status tas_plan_make(tas_device *device, const tas_network *network, const tas_data *train, const tas_data *test,
                         const tas_plan_options *options, tas_plan *out)
{
    entry_state saved;
    tas_context *context = device->context;
    entry_begin(context, &saved);
    *out = (tas_plan){0};
    tas_status status = TAS_OK;
    if (options->size != sizeof *options)
        status =
            fail(context, TAS_BAD_ARGUMENT, "options of %zu bytes; this library knows %zu: use tas_plan_options_init()",
                 options->size, sizeof *options);
    else if (!options->batch || options->batch > 1u << 24)
        status = fail(context, TAS_BAD_ARGUMENT, "batch %u: expected 1 to 2^24 examples", options->batch);
    else if (train && options->batch > train->is.count)
        status = fail(context, TAS_BAD_ARGUMENT, "batch %u is larger than the data set: %s has %llu examples",
                      options->batch, train->name, (unsigned long long)train->is.count);
    if (!status && train) status = check_data(network, train);
    if (!status && test) status = check_data(network, test);
    if (!status) status = make(device, network, train, test, options, out);
    entry_end(&saved);
    return status;
}
