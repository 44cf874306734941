/* The plan of a run, told before it: the same plans that training and evaluation make. */
#include "train/feed.h"
#include "train/update.h"

#include <tassello/plan.h>

plan_request plan_request_for(const tas_data *data, bool training, uint32_t batch, uint32_t tile)
{
    return (plan_request){.training = training,
                          .batch = batch,
                          .tile_most = tile ? tile : batch,
                          .resident = training ? data->options.count : 0, /* an evaluation passes over its set once */
                          .copy = training ? COPY_SNAPSHOT : COPY_NONE,
                          .order = training ? data->options.count : 0,
                          .input_bytes = dataset_input_bytes(data),
                          .target_bytes = dataset_target_bytes(data)};
}

void work_alone(plan_request *request, const tas_device *device)
{
    request->copy = device->driver->never_fails ? COPY_NONE : COPY_PARAMETERS;
}

void plan_request_noise(plan_request *request, const tas_network *network, uint64_t examples, uint32_t tile)
{
    request->noise = noise_schedule_for(network, request->batch, examples);
    if (!tile && request->noise.probe > request->tile_most) request->tile_most = request->noise.probe;
}

void tas_plan_options_init(tas_plan_options *options)
{
    *options = (tas_plan_options){.size = sizeof *options, .batch = 64};
}

/* Of a set that is not there: bytes with labels. */
static plan_request request_without(const tas_network *network, uint32_t batch, uint32_t tile)
{
    return (plan_request){.training = true,
                          .batch = batch,
                          .tile_most = tile ? tile : batch,
                          .input_bytes = network->inputs,
                          .target_bytes =
                              network->classes ? sizeof(uint32_t) : sizeof(float) * (uint64_t)network->outputs};
}

/* Whether the whole batch fits in one tile. */
static bool is_untiled(const tas_network *network, const plan_device *limits, plan_request request, uint32_t batch)
{
    bool untiled = false;
    request.batch = request.tile_most = batch;
    request.noise.probe = 0; /* it comes in tiles where it must */
    for (int resident = 0; resident <= (request.resident != 0) && !untiled; resident++) {
        plan p;
        if (plan_with(network, limits, &request, batch, resident, &p)) continue;
        untiled = p.total <= limits->budget;
        plan_free(&p);
    }
    return untiled;
}

static uint32_t largest_untiled(const tas_network *network, const plan_device *limits, const plan_request *request)
{
    uint32_t most = TILE_MOST, good = 0; /* what a plan needs never falls with the batch */
    if (request->resident && request->resident < most) most = (uint32_t)request->resident;
    for (uint32_t step = 1u << 31; step; step /= 2)
        if (step <= most - good && is_untiled(network, limits, *request, good + step)) good += step;
    return good;
}

/* Bytes that count towards the budget, and bytes of the host's memory. */
typedef struct amount {
    uint64_t counted, host;
} amount;

/* `beside` is what validation takes while the run is open. */
static void describe(const plan *p, const plan *one, uint32_t batch, amount beside, amount evaluation, bool shared,
                     tas_plan *out)
{
    int count = 0;
    const uint64_t grown = p->total > one->total ? p->total - one->total : 0, more = p->tile - 1;
    const amount both = {p->total + beside.counted, p->host + beside.host};
    for (int part = 0; part < PART_COUNT; part++)
        out->part[count++] = (tas_plan_part){plan_part_names[part], p->bytes[part]};
    if (shared) out->part[count++] = (tas_plan_part){"host memory", p->host};
    if (beside.counted) out->part[count++] = (tas_plan_part){"validation", beside.counted};
    if (evaluation.counted > both.counted)
        out->part[count++] = (tas_plan_part){"evaluation", evaluation.counted - both.counted};
    out->tile = p->tile < batch ? p->tile : batch; /* a probe's may be larger */
    out->tiles = (batch - 1) / out->tile + 1;
    out->resident = p->resident;
    out->bytes_total = evaluation.counted > both.counted ? evaluation.counted : both.counted;
    out->host_bytes = evaluation.host > both.host ? evaluation.host : both.host;
    out->bytes_per_example = more ? (grown + more - 1) / more : p->bytes[PART_VALUES] + p->bytes[PART_STAGING];
    out->bytes_fixed = out->bytes_total > grown ? out->bytes_total - grown : 0;
}

static plan_request evaluation_of(const tas_data *data)
{
    return plan_request_for(data, false, (uint32_t)data->options.count, EVALUATE_MOST);
}

/* Bytes of the evaluation, which keeps to what training took wherever it can. */
static tas_status plan_evaluation(const tas_network *network, plan_device limits, const plan_request *request,
                                  uint64_t train, uint64_t least, amount *out)
{
    plan p;
    limits.budget = train > least ? train : least;
    tas_status status = plan_make(network, &limits, request, &p);
    if (status) return status;
    *out = (amount){p.total, p.host};
    plan_free(&p);
    return TAS_OK;
}

/* What a run leaves of the budget for the validation set, which is evaluated while the run is open and holds the
 * parameters. */
typedef struct share {
    amount least;    /* beside the run, with the smallest tile */
    uint64_t budget; /* of the evaluation, parameters and all */
    amount beside;   /* what it then takes beside the run */
} share;

static tas_status plan_beside(const tas_network *network, plan_device limits, const plan_request *request,
                              uint64_t budget, amount *beside, uint64_t *parameters)
{
    plan p;
    limits.budget = budget;
    tas_status status = plan_make(network, &limits, request, &p);
    if (status) return status;
    *parameters = p.bytes[PART_PARAMETERS];
    *beside = (amount){p.total - *parameters, p.host};
    plan_free(&p);
    return TAS_OK;
}

/* A quarter of the budget at most, and no more than a run of the least memory leaves; but what it cannot do without. */
static tas_status share_budget(const tas_network *network, const plan_device *limits, const tas_data *data,
                               uint64_t least_run, share *out)
{
    const plan_request request = evaluation_of(data);
    uint64_t least, parameters;
    tas_status status = plan_smallest_budget(network, limits, &request, &least);
    if (!status) status = plan_beside(network, *limits, &request, least, &out->least, &parameters);
    if (status) return status;
    const uint64_t left = limits->budget > least_run ? limits->budget - least_run + parameters : 0;
    out->budget = limits->budget / 4 < left ? limits->budget / 4 : left;
    if (out->budget < least) out->budget = least;
    return plan_beside(network, *limits, &request, out->budget, &out->beside, &parameters);
}

/* Of a run that takes `run` bytes at least, and of the evaluation after it. 0: none would do. */
static tas_status least_budget(const tas_network *network, const plan_device *limits, uint64_t run,
                               const plan_request *request, uint64_t *evaluation, uint64_t *out)
{
    *out = run;
    if (!request->batch || !run) return TAS_OK;
    tas_status status = plan_smallest_budget(network, limits, request, evaluation);
    if (!*evaluation) *out = 0;
    if (*out && *evaluation > *out) *out = *evaluation;
    return status;
}

static tas_status too_small(const plan_device *limits, tas_context *context, uint64_t least)
{
    return fail(context, TAS_NO_MEMORY, "%s: a budget of %llu bytes is too small; the smallest that would do is %llu",
                limits->id, (unsigned long long)limits->budget, (unsigned long long)least);
}

static tas_status make(tas_device *device, const tas_network *network, const tas_data *train, const tas_data *test,
                       const tas_plan_options *options, tas_plan *out)
{
    plan_device limits = model_device_limits(device), run = limits;
    plan_request request = train ? plan_request_for(train, true, options->batch, options->tile)
                                 : request_without(network, options->batch, options->tile);
    request.second = update_slots(options->optimizer) > 1;
    if (options->noise) plan_request_noise(&request, network, train ? train->options.count : 0, options->tile);
    uint64_t least = 0, least_evaluation = 0;
    share validation = {0};
    plan_request evaluated = {0}; /* after the run */
    amount evaluation = {0};
    plan p, one;
    if (test) {
        evaluated = evaluation_of(test);
        work_alone(&evaluated, device);
    }
    if (options->budget) limits.budget = options->budget;
    out->budget = limits.budget;
    tas_status status = plan_smallest_budget(network, &limits, &request, &least);
    if (!status && options->validation)
        status = share_budget(network, &limits, options->validation, least, &validation);
    if (!status && least) least += validation.least.counted;
    if (!status) status = least_budget(network, &limits, least, &evaluated, &least_evaluation, &out->min_budget);
    if (status) return status;
    if (out->min_budget && limits.budget < out->min_budget) return too_small(&limits, device->context, out->min_budget);
    out->train_budget = run.budget = limits.budget - validation.beside.counted;
    out->validation_budget = validation.budget;
    status = plan_make(network, &run, &request, &p);
    if (status) return status;
    if (test)
        status = plan_evaluation(network, limits, &evaluated, p.total + validation.beside.counted, least_evaluation,
                                 &evaluation);
    if (!status) status = plan_with(network, &run, &request, 1, p.resident, &one);
    if (!status) describe(&p, &one, options->batch, validation.beside, evaluation, limits.shared, out);
    if (!status) plan_free(&one);
    plan_free(&p);
    if (!status) out->largest_untiled = largest_untiled(network, &run, &request);
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
    else if (train && options->batch > train->options.count)
        status = fail(context, TAS_BAD_ARGUMENT, "batch %u is larger than the data set: %s has %llu examples",
                      options->batch, train->name, (unsigned long long)train->options.count);
    if (!status && train) status = check_data(network, train);
    if (!status && train) note_data(network, train);
    if (!status && test) status = check_data(network, test);
    if (!status && options->validation) status = check_data(network, options->validation);
    if (!status) status = make(device, network, train, test, options, out);
    entry_end(&saved);
    return status;
}
