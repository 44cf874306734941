/* The forecast of a run: the plans that training and evaluation will make. */
#include "train/feed.h"
#include "train/options.h"
#include "train/ranked.h"
#include "train/update.h"

#include <tassello/plan.h>

#include <stdlib.h>

plan_request forecast_request(const tas_data *data, bool training, uint32_t batch, uint32_t tile)
{
    return (plan_request){.training = training,
                          .batch = batch,
                          .max_tile = tile ? tile : batch,
                          .resident = training ? data->options.count : 0, /* an evaluation passes over its set once */
                          .copy = training ? COPY_SNAPSHOT : COPY_NONE,
                          .order = training ? data->options.count : 0,
                          .input_bytes = dataset_input_bytes(data),
                          .target_bytes = dataset_target_bytes(data),
                          .weights = data->options.weights != NULL};
}

void forecast_request_noise(plan_request *request, const tas_network *network, uint32_t least, uint64_t examples,
                            uint32_t tile, bool preconditioned)
{
    const noise_schedule small = noise_schedule_for(network, least, examples);
    request->noise = noise_schedule_for(network, request->batch, examples);
    if (!request->noise.interval) request->noise = small;
    if (small.probe > request->noise.probe) request->noise.probe = small.probe;
    if (preconditioned) noise_schedule_precondition(&request->noise, request->batch);
    if (!tile && request->noise.probe > request->max_tile) request->max_tile = request->noise.probe;
}

void forecast_request_rank(plan_request *request)
{
    request->some_shards = true;
    request->slots = 0;
    request->clips = request->adapts = request->fuses = false;
}

void tas_plan_options_init(tas_plan_options *options)
{
    *options = (tas_plan_options){.size = sizeof *options, .batch = 64, .shards = 1, .rank = -1};
}

/* Without a set: bytes with labels, which are streamed. */
static plan_request request_without(const tas_network *network, uint32_t batch, uint32_t tile)
{
    return (plan_request){.training = true,
                          .batch = batch,
                          .max_tile = tile ? tile : batch,
                          .input_bytes = network->inputs,
                          .target_bytes =
                              network->classes ? sizeof(uint32_t) : sizeof(float) * (uint64_t)network->outputs};
}

/* Bytes that count towards the budget, and bytes of the host's memory. */
typedef struct amount {
    uint64_t counted, host;
} amount;

/* A validation runs while training's memory is in use; only the parameters are shared. */
typedef struct share {
    amount smallest; /* beside the run, with the smallest budget */
    amount beside;   /* beside the run, with the budget below */
    uint64_t budget; /* of the validation, parameters included */
} share;

typedef struct forecast {
    const tas_network *network;
    const tas_plan_options *options;
    plan_device limits;
    plan_request run, evaluation; /* the evaluation follows the run; batch 0: there is none */
    share validation;
    uint64_t smallest_evaluation;
    amount evaluation_amount;
} forecast;

static amount larger(amount a, amount b)
{
    return (amount){a.counted > b.counted ? a.counted : b.counted, a.host > b.host ? a.host : b.host};
}

static plan_request evaluation_request(const tas_data *data)
{
    return forecast_request(data, false, (uint32_t)data->options.count, EVALUATE_MOST);
}

/* What an evaluation takes with that budget, and what its parameters are of that. */
static tas_status plan_evaluation(const forecast *f, const plan_request *request, uint64_t budget, amount *out,
                                  uint64_t *parameters)
{
    plan p;
    plan_device limits = f->limits;
    limits.budget = budget;
    tas_status status = plan_make(f->network, &limits, request, &p);
    if (status) return status;
    *out = (amount){p.total, p.host};
    *parameters = p.bytes[PART_PARAMETERS];
    plan_free(&p);
    return TAS_OK;
}

static tas_status plan_beside(const forecast *f, const plan_request *request, uint64_t budget, amount *out,
                              uint64_t *parameters)
{
    tas_status status = plan_evaluation(f, request, budget, out, parameters);
    if (!status) out->counted -= *parameters;
    return status;
}

/* The validation gets a quarter of the budget at most, and no more than a run with the smallest budget leaves, but at
 * least the smallest that is sufficient for it. */
static tas_status share_budget(forecast *f, uint64_t smallest_run)
{
    const plan_request request = evaluation_request(f->options->validation);
    const uint64_t budget = f->limits.budget;
    share *out = &f->validation;
    uint64_t smallest, parameters;
    tas_status status = plan_smallest_budget(f->network, &f->limits, &request, &smallest);
    if (!status) status = plan_beside(f, &request, smallest, &out->smallest, &parameters);
    if (status) return status;
    const uint64_t left = budget > smallest_run ? budget - smallest_run + parameters : 0;
    out->budget = budget / 4 < left ? budget / 4 : left;
    if (out->budget < smallest) out->budget = smallest;
    return plan_beside(f, &request, out->budget, &out->beside, &parameters);
}

/* The smallest budget of the run, of the validation beside it and of the evaluation after it; 0: none is sufficient. */
static tas_status find_smallest(forecast *f, uint64_t *smallest)
{
    tas_status status = plan_smallest_budget(f->network, &f->limits, &f->run, smallest);
    if (!status && f->options->validation) status = share_budget(f, *smallest);
    if (status || !*smallest) return status;
    *smallest += f->validation.smallest.counted;
    if (!f->evaluation.batch) return TAS_OK;
    status = plan_smallest_budget(f->network, &f->limits, &f->evaluation, &f->smallest_evaluation);
    if (!f->smallest_evaluation) *smallest = 0;
    if (*smallest && f->smallest_evaluation > *smallest) *smallest = f->smallest_evaluation;
    return status;
}

/* Of products, per example: what backward computes again. */
static uint64_t count_repeated(const plan *p)
{
    uint64_t flops = 0;
    for (int i = 0; i < p->passes.count; i++)
        for (int c = 0; c < p->passes.pass[i].repeated; c++) {
            const op_args *args = &p->passes.pass[i].calls[c]->args;
            if (op_get(args->op)->flops) flops += op_get(args->op)->flops(args);
        }
    return flops;
}

enum { MADE_FORWARD = 1, READ_BACKWARD = 2, LEFT = MADE_FORWARD | READ_BACKWARD };

/* For each tensor whether forward makes that value, or it is an input, and whether backward reads it. */
static void mark_activations(const tas_network *network, unsigned char *marks)
{
    for (int t = 0; t < network->tensor_count; t++)
        if (network->tensors[t].role == ROLE_INPUT) marks[t] = MADE_FORWARD;
    for (const op_call *call = network->forward; call < network->forward + network->forward_count; call++) {
        const int t = call->operand[op_result(op_get(call->args.op))];
        if (passes_is_value(&network->tensors[t]) && t != network->output_gradient) marks[t] |= MADE_FORWARD;
    }
    for (const op_call *call = network->backward; call < network->backward + network->backward_count; call++) {
        const op_operand *operand = op_get(call->args.op)->operand;
        for (int o = 0; operand[o].name; o++)
            if (operand[o].access == ACCESS_IN) marks[call->operand[o]] |= READ_BACKWARD;
    }
}

/* Floats per example of all that forward leaves to backward, those in two layouts once. */
static tas_status count_activations(const tas_network *network, uint64_t *elements)
{
    unsigned char *marks = calloc((size_t)network->tensor_count + 1, sizeof *marks);
    *elements = 0;
    if (!marks) return fail(network->context, TAS_NO_MEMORY, "%s: no memory for a forecast", network->from);
    mark_activations(network, marks);
    for (int t = 0; t < network->tensor_count; t++) {
        const int other = network->tensors[t].converted;
        const bool twice = other != NO_TENSOR && marks[other] == LEFT;
        if (marks[t] == LEFT && !twice) *elements += network->tensors[t].elements;
    }
    free(marks);
    return TAS_OK;
}

static tas_status find_lower_bound(const forecast *f, const plan *p, uint64_t *bytes)
{
    const tas_network *network = f->network;
    uint64_t elements;
    const tas_status status = count_activations(network, &elements);
    elements *= plan_step_tile(p, network, f->run.batch);
    for (int i = 0; i < network->parameter_count; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        elements += t->elements * (t->role == ROLE_PARAMETER ? 2 + (uint64_t)f->run.slots : 1);
    }
    *bytes = elements * sizeof(float) + p->bytes[PART_KEPT];
    return status;
}

/* `one` is the plan of the smallest tile. */
static tas_status describe(const forecast *f, const plan *p, const plan *one, tas_plan *out)
{
    int count = 0;
    const bool alike = p->passes.count == one->passes.count;
    const uint64_t more = p->tile - one->tile, tiles = p->bytes[PART_VALUES] + p->bytes[PART_STAGING];
    const uint64_t grown = !alike ? tiles : p->total > one->total ? p->total - one->total : 0;
    const amount beside = f->validation.beside;
    const amount run = {p->total + beside.counted, p->host + beside.host}, all = larger(run, f->evaluation_amount);
    for (int part = 0; part < PART_COUNT; part++)
        out->part[count++] = (tas_plan_part){plan_part_names[part], p->bytes[part]};
    if (f->limits.shared) out->part[count++] = (tas_plan_part){"host memory", p->host};
    if (beside.counted) out->part[count++] = (tas_plan_part){"validation", beside.counted};
    if (all.counted > run.counted) out->part[count++] = (tas_plan_part){"evaluation", all.counted - run.counted};
    for (int part = 0; part < PART_COUNT; part++)
        if (part != PART_DATA && part != PART_STAGING) out->step_bytes += p->bytes[part];
    out->tile = plan_step_tile(p, f->network, f->run.batch);
    out->tiles = (uint32_t)plan_step_tiles(p, f->network, f->run.batch);
    out->resident = p->resident;
    out->bytes_total = all.counted;
    out->host_bytes = all.host;
    out->bytes_per_example = more && alike ? (grown + more - 1) / more : (tiles + p->tile - 1) / p->tile;
    out->passes = (uint32_t)p->passes.count;
    out->kept_bytes = p->bytes[PART_KEPT] + p->kept.host;
    out->kept_on_host = p->kept.spilled;
    out->repeated_flops = count_repeated(p);
    out->bytes_fixed = out->bytes_total > grown ? out->bytes_total - grown : 0;
    return find_lower_bound(f, p, &out->lower_bound);
}

static tas_status describe_run(forecast *f, const plan_device *limits, const plan *p, tas_plan *out)
{
    uint64_t parameters,
        budget = p->total + f->validation.beside.counted; /* what training took is enough if it can be */
    tas_status status = TAS_OK;
    plan one;
    const uint32_t least = f->network->group < f->run.batch ? f->network->group : f->run.batch;
    if (budget < f->smallest_evaluation) budget = f->smallest_evaluation;
    if (f->evaluation.batch) status = plan_evaluation(f, &f->evaluation, budget, &f->evaluation_amount, &parameters);
    if (!status) status = plan_with(f->network, limits, &f->run, least, p->resident, &one);
    if (status) return status;
    status = describe(f, p, &one, out);
    plan_free(&one);
    return status ? status : plan_largest_untiled(f->network, limits, &f->run, &out->largest_untiled);
}

static tas_status forecast_make(forecast *f, tas_plan *out)
{
    plan_device limits = f->limits;
    plan p;
    out->budget = limits.budget;
    tas_status status = find_smallest(f, &out->min_budget);
    if (status) return status;
    if (out->min_budget > limits.budget) return plan_too_small(f->network->context, &limits, out->min_budget);
    out->train_budget = limits.budget = limits.budget - f->validation.beside.counted;
    out->validation_budget = f->validation.budget;
    status = plan_make(f->network, &limits, &f->run, &p);
    if (status) return status;
    if (limits.shared && f->options->grows) out->train_budget -= p.snapshot; /* the run's own plan is without it */
    status = describe_run(f, &limits, &p, out);
    plan_free(&p);
    return status;
}

static uint32_t largest_batch(const tas_plan_options *options)
{
    uint32_t most = options->batch > options->batch_most ? options->batch : options->batch_most;
    for (int i = 0; i < options->change_count; i++)
        if (options->changes[i].batch > most) most = options->changes[i].batch;
    return most;
}

static uint32_t smallest_batch(const tas_plan_options *options)
{
    uint32_t least = options->batch_most ? 1 : options->batch;
    for (int i = 0; i < options->change_count; i++)
        if (options->changes[i].batch < least) least = options->changes[i].batch;
    return least;
}

/* One of several ranks, whose memory for the exchange counts. */
static tas_status request_rank(tas_device *device, const tas_network *network, const tas_plan_options *options,
                               plan_request *request)
{
    tas_train_options train = {
        .optimizer = options->optimizer, .clip = options->clip ? 1 : 0, .shards = options->shards};
    forecast_request_rank(request);
    return ranked_host_bytes(device, network, &train, NULL, options->ranks, options->rank, &request->exchange);
}

static tas_status forecast_run(tas_device *device, const tas_network *network, const tas_data *train,
                               const tas_data *test, const tas_plan_options *options, tas_plan *out)
{
    forecast f = {.network = network, .options = options, .limits = model_device_limits(device)};
    const uint32_t most = largest_batch(options), examples = train ? (uint32_t)train->options.count : 0;
    f.run = train ? forecast_request(train, true, most, options->tile) : request_without(network, most, options->tile);
    f.run.shards = options->shards;
    f.run.spills = options->keep_on_host;
    f.run.run_copies = (options->grows != 0) + (options->audits != 0);
    update_request(&f.run, options->optimizer, options->clip != 0, options->noise != 0);
    tas_status status = options->ranks > 1 ? request_rank(device, network, options, &f.run) : TAS_OK;
    if (status) return status;
    if (options->noise)
        forecast_request_noise(&f.run, network, smallest_batch(options), examples, options->tile,
                               options->preconditioned_noise && update_preconditions(options->optimizer));
    if (test) f.evaluation = evaluation_request(test);
    if (test) f.evaluation.copy = device->driver->never_fails ? COPY_NONE : COPY_PARAMETERS;
    if (options->budget) f.limits.budget = options->budget;
    return forecast_make(&f, out);
}

static tas_status check_batches(tas_context *context, const tas_data *train, const tas_plan_options *options)
{
    const uint32_t least = smallest_batch(options), most = largest_batch(options);
    if (!options->batch || !least || most > 1u << 24)
        return fail(context, TAS_BAD_ARGUMENT, "batch %u: expected 1 to 2^24 examples",
                    options->batch && least ? most : 0);
    if (!train || most <= train->options.count) return TAS_OK;
    return fail(context, TAS_BAD_ARGUMENT, "batch %u is larger than the data set: %s has %llu examples", most,
                train->name, (unsigned long long)train->options.count);
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
    else
        status = options_check_shards(context, options->shards);
    if (!status) status = check_batches(context, train, options);
    if (!status && train) status = feed_check(network, train);
    if (!status && train) feed_note(network, train);
    if (!status && test) status = feed_check(network, test);
    if (!status && options->validation) status = feed_check(network, options->validation);
    if (!status) status = forecast_run(device, network, train, test, options, out);
    entry_end(&saved);
    return status;
}
