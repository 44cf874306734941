#include "lab/sweep/setup.h"

#include "base/context.h"
#include "base/digest.h"
#include "base/format.h"
#include "data/dataset.h"
#include "lab/sweep/state.h"
#include "lab/sweep/trial.h"
#include "lab/sweep/weights.h"
#include "train/feed.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tassello/plan.h>

static const uint32_t default_batches[] = {1, 4, 16, 32, 64, 128, 256, 1024};

void tas_sweep_options_init(tas_sweep_options *options)
{
    *options = (tas_sweep_options){.size = sizeof *options, .target = NAN, .seeds = 3, .seed = 1};
    tas_train_options_init(&options->train);
    options->train.lr = 0;
}

const char *tas_goal_name(tas_goal goal)
{
    static const char *const names[] = {[TAS_GOAL_TIME] = "time",
                                        [TAS_GOAL_EXAMPLES] = "examples",
                                        [TAS_GOAL_ACCURACY] = "accuracy",
                                        [TAS_GOAL_MEMORY] = "memory"};
    return (unsigned)goal < sizeof names / sizeof *names ? names[goal] : NULL;
}

/* Options ---------------------------------------------------------------------------------------------------------- */

static tas_status check_batches(tas_context *context, const tas_sweep_options *options, uint64_t examples)
{
    if (options->batches && (options->batch_count < 1 || options->batch_count > SWEEP_BATCHES))
        return fail(context, TAS_BAD_ARGUMENT, "%d batches: expected 1 to %d", options->batch_count, SWEEP_BATCHES);
    for (int i = 0; options->batches && i < options->batch_count; i++) {
        if (!options->batches[i]) return fail(context, TAS_BAD_ARGUMENT, "a batch of 0: expected at least 1 example");
        if (options->batches[i] > examples)
            return fail(context, TAS_BAD_ARGUMENT,
                        "batch %u is larger than the %" PRIu64 " training examples; leave it out, or use more examples",
                        options->batches[i], examples);
        for (int k = 0; k < i; k++)
            if (options->batches[k] == options->batches[i])
                return fail(context, TAS_BAD_ARGUMENT, "batch %u is listed twice", options->batches[i]);
    }
    return TAS_OK;
}

tas_status setup_check(tas_context *context, const tas_sweep_options *options)
{
    if (options->size != sizeof *options || options->train.size != sizeof options->train)
        return fail(context, TAS_BAD_ARGUMENT,
                    "options.size is %zu, expected %zu: initialize with tas_sweep_options_init()", options->size,
                    sizeof *options);
    if (options->seeds < SETUP_SEEDS_LEAST || options->seeds > SWEEP_SEEDS)
        return fail(context, TAS_BAD_ARGUMENT, "%d seeds: expected 2 to %d", options->seeds, SWEEP_SEEDS);
    if (!isnan(options->target) && !(options->target > 0 && options->target < (options->by_accuracy ? 1.0 : 1e6)))
        return fail(context, TAS_BAD_ARGUMENT, "a target of %g: expected %s", options->target,
                    options->by_accuracy ? "an accuracy between 0 and 1" : "a loss above 0");
    if (options->train.change_count || options->train.schedule == TAS_SCHEDULE_SEESAW)
        return fail(context, TAS_BAD_ARGUMENT,
                    "a sweep compares batches that stay the same: expected no changes of them");
    if (options->rates && (!options->batches || isnan(options->target) || options->scale))
        return fail(context, TAS_BAD_ARGUMENT,
                    "given rates, one per batch, require batches and a target, and no scaling");
    for (int i = 0; options->rates && i < options->batch_count; i++)
        if (!(options->rates[i] >= 0x1p-30f && options->rates[i] <= 1024))
            return fail(context, TAS_BAD_ARGUMENT, "lr %g of batch %u: expected 1e-9 to 1024",
                        (double)options->rates[i], options->batches[i]);
    if (isnan(options->target) && options->by_accuracy)
        return fail(context, TAS_BAD_ARGUMENT, "an accuracy as target has no default: expected a target");
    if (!(options->epochs >= 0 && options->epochs <= 1e6))
        return fail(context, TAS_BAD_ARGUMENT, "%g epochs: expected at least 0 and at most 1e6", options->epochs);
    if (!(options->seconds >= 0))
        return fail(context, TAS_BAD_ARGUMENT, "time limit %g s: expected at least 0", options->seconds);
    if (!(options->waste == 0 || (options->waste >= 1 && isfinite(options->waste))))
        return fail(context, TAS_BAD_ARGUMENT, "waste %g: expected at least 1 (the fewest examples possible)",
                    options->waste);
    if (options->ranks > 1 && (options->ranks > TAS_SCALE_RANKS || options->ranks & (options->ranks - 1)))
        return fail(context, TAS_BAD_ARGUMENT, "%u devices: expected a power of two, at most %d", options->ranks,
                    TAS_SCALE_RANKS);
    if (options->ranks > 1 && !(options->link.bandwidth > 0 && isfinite(options->link.bandwidth) &&
                                options->link.latency >= 0 && isfinite(options->link.latency)))
        return fail(context, TAS_BAD_ARGUMENT, "%u devices: expected a bandwidth above 0 and a latency",
                    options->ranks);
    if (options->ranks > 1 && context->ranks)
        return fail(context, TAS_BAD_ARGUMENT,
                    "steps on several devices are forecast from those of one, but this "
                    "context has ranks");
    if (!(options->train.lr == 0 || (options->train.lr >= 0x1p-20f && options->train.lr <= 64)))
        return fail(context, TAS_BAD_ARGUMENT, "lr %g: expected 1e-6 to 64", (double)options->train.lr);
    if ((unsigned)options->goal > TAS_GOAL_MEMORY)
        return fail(context, TAS_BAD_ARGUMENT, "unknown goal %d", (int)options->goal);
    return TAS_OK;
}

enum { PIECE = 4096, SPREAD = 1024 }; /* examples at once; examples whose inputs enter the hash of a set */

/* Sets ------------------------------------------------------------------------------------------------------------- */

static tas_status check_classes(const tas_data *data)
{
    if (data->options.target_type != TAS_TARGET_LABEL) return TAS_OK;
    uint32_t first = 0;
    unsigned char *inputs = malloc(PIECE * dataset_input_bytes(data));
    uint32_t *labels = malloc(PIECE * sizeof *labels);
    tas_status status = inputs && labels ? TAS_OK : fail(data->context, TAS_NO_MEMORY, "no memory for labels");
    bool others = false;
    for (uint64_t at = 0; at < data->options.count && !status && !others; at += PIECE) {
        const size_t n = data->options.count - at < PIECE ? (size_t)(data->options.count - at) : PIECE;
        status = dataset_fetch(data, at, n, inputs, labels);
        if (!at) first = labels[0];
        for (size_t i = 0; i < n && !status; i++) others |= labels[i] != first;
    }
    free(inputs);
    free(labels);
    if (status || others) return status;
    return fail(data->context, TAS_BAD_DATA, "%s: all examples are of class %u: there is nothing to learn", data->name,
                first);
}

static tas_status open_sets(lab *l, const tas_data *train)
{
    tas_sweep *s = l->sweep;
    const tas_sweep_options *options = &s->options;
    if (options->examples > train->options.count)
        return fail(s->context, TAS_BAD_ARGUMENT, "%" PRIu64 " examples requested, but %s has %" PRIu64,
                    options->examples, train->name, train->options.count);
    tas_status status = feed_check(l->network, train);
    if (!status) feed_note(l->network, train);
    if (!status && options->examples && options->examples < train->options.count)
        status = tas_data_split(train, options->examples, options->seed, NULL, &l->part);
    const tas_data *part = l->part ? l->part : train;
    uint64_t held = options->validation ? options->validation : part->options.count / 10;
    if (!options->validation && held > 5000) held = 5000;
    if (!status && (!held || held >= part->options.count))
        status =
            fail(s->context, TAS_BAD_ARGUMENT, "%" PRIu64 " of %" PRIu64 " examples cannot be held out for validation",
                 held, part->options.count);
    if (!status) status = tas_data_split(part, held, options->seed, &l->rest, &l->held);
    if (status) return status;
    s->examples = l->rest->options.count;
    s->validation = held;
    s->test = l->test ? l->test->options.count : 0;
    status = tas_data_head(l->rest, s->examples < LOOK_MOST ? s->examples : LOOK_MOST, &l->train_look);
    if (!status && held > LOOK_MOST) status = tas_data_head(l->held, LOOK_MOST, &l->look);
    if (!status && held <= LOOK_MOST) l->look = l->held;
    return status ? status : check_classes(l->rest);
}

void setup_end(lab *l)
{
    if (l->look != l->held) tas_data_close(&l->look);
    tas_data_close(&l->train_look);
    tas_data_close(&l->held);
    tas_data_close(&l->rest);
    tas_data_close(&l->part);
}

/* Memory ----------------------------------------------------------------------------------------------------------- */

/* Evaluations happen while a run is open: their memory is set aside, at most a quarter, or the minimum if `tight`. */
static tas_status share_memory(lab *l, bool tight)
{
    plan_device limits = model_device_limits(l->device);
    const uint64_t all = l->sweep->options.budget ? l->sweep->options.budget : limits.budget;
    const tas_data *most = l->held->options.count > l->train_look->options.count ? l->held : l->train_look;
    const plan_request work = forecast_request(most, false, (uint32_t)most->options.count, EVALUATE_MOST);
    uint64_t least = 0;
    plan p;
    tas_status status = plan_smallest_budget(l->network, &limits, &work, &least);
    if (status) return status;
    limits.budget = all / 4 > least && !tight ? all / 4 : least;
    status = plan_make(l->network, &limits, &work, &p);
    if (status) return status;
    l->look_bytes = p.total;
    plan_free(&p);
    if (l->look_bytes >= all)
        return fail(l->sweep->context, TAS_NO_MEMORY,
                    "a budget of %" PRIu64 " bytes is too small: evaluation alone needs %" PRIu64, all, l->look_bytes);
    l->train_bytes = all - l->look_bytes;
    return TAS_OK;
}

/* From what the noise scale will be estimated. */
static void describe_noise(const lab *l, sweep_batch *b)
{
    const uint64_t examples = l->rest->options.count;
    const noise_schedule schedule = noise_schedule_for(l->network, (uint32_t)b->batch, examples);
    const uint32_t measured = schedule.probe ? schedule.probe : (uint32_t)b->batch;
    b->noise_group = schedule.grouped ? noise_schedule_group(&schedule, measured) : schedule.dense;
    b->noise_obstacle = noise_schedule_obstacle(l->network, (uint32_t)b->batch, examples);
}

/* One that does not fit is not run. */
static tas_status plan_batch(lab *l, sweep_batch *b)
{
    const tas_sweep *s = l->sweep;
    tas_plan p;
    tas_plan_options plan_options;
    tas_plan_options_init(&plan_options);
    plan_options.batch = (uint32_t)b->batch;
    plan_options.shards = s->options.train.shards;
    plan_options.budget = l->train_bytes;
    plan_options.optimizer = s->options.train.optimizer;
    plan_options.clip = s->options.train.clip > 0;
    plan_options.noise = 1;
    describe_noise(l, b);
    tas_status status = tas_plan_make(l->device, l->network, l->rest, NULL, &plan_options, &p);
    if (status == TAS_NO_MEMORY && p.min_budget > p.budget) { /* else this program lacks memory */
        b->outcome = ROW_OVER_BUDGET;
        b->memory_forecast = p.min_budget + l->look_bytes;
        snprintf(b->why, sizeof b->why, "does not fit: the smallest sufficient budget is %" PRIu64 " bytes",
                 b->memory_forecast);
        return TAS_OK;
    }
    if (status) return status;
    b->memory_forecast = p.bytes_total;
    b->tile = p.tile;
    b->tiles = p.tiles;
    b->resident = p.resident;
    b->outcome = ROW_NOT_MEASURED;
    b->why[0] = 0;
    return TAS_OK;
}

static tas_status plan_batches(lab *l, int *fitting)
{
    tas_sweep *s = l->sweep;
    *fitting = 0;
    for (int i = 0; i < s->count; i++) {
        const tas_status status = plan_batch(l, &s->batch[i]);
        if (status) return status;
        *fitting += sweep_batch_fits(&s->batch[i]);
    }
    return TAS_OK;
}

static tas_status plan_memory(lab *l)
{
    tas_sweep *s = l->sweep;
    int fitting = 0;
    tas_status status = TAS_OK;
    for (int tight = 0; tight < 2 && !status && fitting < s->count; tight++) {
        status = share_memory(l, tight);
        if (!status) status = plan_batches(l, &fitting);
    }
    if (status || fitting) return status;
    return fail(s->context, TAS_NO_MEMORY, "B = %" PRIu64 " %s", s->batch[0].batch, s->batch[0].why);
}

/* The beginning ---------------------------------------------------------------------------------------------------- */

/* In ascending order. What belongs to a batch's index moves with it. */
static int insert_batch(lab *l, uint64_t batch, double lr_given)
{
    tas_sweep *s = l->sweep;
    int at = s->count++;
    for (; at > 0 && s->batch[at - 1].batch > batch; at--) {
        s->batch[at] = s->batch[at - 1];
        l->weights[at] = l->weights[at - 1];
        l->visited[at] = l->visited[at - 1];
    }
    s->batch[at] = (sweep_batch){
        .batch = batch, .lr_given = lr_given, .lr_edge_of_stability = NAN, .test_loss = NAN, .test_accuracy = NAN};
    l->weights[at] = NULL;
    l->visited[at] = false;
    return at;
}

static void fill_batches(lab *l)
{
    const tas_sweep *s = l->sweep;
    const bool given = s->options.batches;
    const int count = given ? s->options.batch_count : (int)(sizeof default_batches / sizeof *default_batches);
    for (int i = 0; i < count; i++) {
        const uint32_t batch = given ? s->options.batches[i] : default_batches[i];
        if (given || batch <= 1 || batch <= s->examples / 10)
            insert_batch(l, batch, s->options.rates ? (double)s->options.rates[i] : 0);
    }
}

tas_status setup_add_batch(lab *l, uint64_t batch, int *at)
{
    sweep_batch planned = {.batch = batch};
    *at = -1;
    const tas_status status = plan_batch(l, &planned);
    if (status || !sweep_batch_fits(&planned)) return status;
    *at = insert_batch(l, batch, 0);
    sweep_batch *b = &l->sweep->batch[*at];
    b->added = true;
    return plan_batch(l, b);
}

static void hash_weights(const tas_data *data, digest *d)
{
    const tas_data *root = dataset_root(data);
    for (uint64_t k = 0; k < data->options.count && root->options.weights; k++) {
        float weight;
        dataset_weights(data, NULL, k, 1, &weight);
        digest_add(d, &weight, 1);
    }
}

/* Usually targets are in memory; if a callback makes them, they come with their inputs. */
static tas_status hash_targets(const tas_data *data, digest *d)
{
    const tas_data *root = data->root ? data->root : data;
    const size_t input = dataset_input_bytes(data), target = dataset_target_bytes(data);
    const unsigned char *all = root->options.targets;
    if (!root->options.fill) {
        for (uint64_t k = 0; k < data->options.count; k++)
            dataset_digest_targets(data, all + (data->index ? data->index[k] : k) * target, 1, d);
        return TAS_OK;
    }
    unsigned char *some = malloc(PIECE * (input + target));
    tas_status status = some ? TAS_OK : fail(data->context, TAS_NO_MEMORY, "no memory for examples");
    for (uint64_t at = 0; at < data->options.count && !status; at += PIECE) {
        const size_t n = data->options.count - at < PIECE ? (size_t)(data->options.count - at) : PIECE;
        status = dataset_fetch(data, at, n, some, some + n * input);
        if (!status) dataset_digest_targets(data, some + n * input, n, d);
    }
    free(some);
    return status;
}

static tas_status hash_inputs(const tas_data *data, digest *d)
{
    const size_t input = dataset_input_bytes(data), target = dataset_target_bytes(data);
    const uint64_t apart = data->options.count > SPREAD ? data->options.count / SPREAD : 1;
    unsigned char *one = malloc(input + target);
    tas_status status = one ? TAS_OK : fail(data->context, TAS_NO_MEMORY, "no memory for an example");
    for (uint64_t at = 0; at < data->options.count && !status; at += apart) {
        status = dataset_fetch(data, at, 1, one, one + input);
        if (!status) dataset_digest_inputs(data, one, 1, d);
    }
    free(one);
    return status;
}

/* The hash of training and validation examples: all targets and weights, and the inputs of some. */
static tas_status hash_sets(const lab *l, digest *d)
{
    tas_status status = hash_targets(l->rest, d);
    hash_weights(l->rest, d);
    hash_weights(l->held, d);
    if (!status) status = hash_inputs(l->rest, d);
    if (!status) status = hash_targets(l->held, d);
    return status ? status : hash_inputs(l->held, d);
}

/* What must agree so that runs of a state can be used, one line each. */
static tas_status describe_settings(lab *l, char *text, size_t bytes)
{
    const tas_sweep *s = l->sweep;
    const tas_train_options *t = &s->options.train;
    digest d;
    char net[65], data[65];
    text_buffer out = {text, bytes, 0};
    const char *net_text = tas_network_text(l->network);
    digest_begin(&d);
    digest_add_bytes(&d, net_text, strlen(net_text));
    digest_end(&d, net);
    digest_begin(&d);
    tas_status status = hash_sets(l, &d);
    digest_end(&d, data);
    format_add(&out, "network %.16s\ndata %.16s: %" PRIu64 " to train on, %" PRIu64 " held out\nseed %" PRIu64 "\n",
               net, data, s->examples, s->validation, s->options.seed);
    format_add(&out, "optimizer %s, beta %g %g, epsilon %g, momentum %g%s, weight decay %g\n",
               tas_optimizer_name(t->optimizer), (double)t->beta1, (double)t->beta2, (double)t->epsilon,
               (double)t->momentum, t->nesterov ? " Nesterov" : "", (double)t->weight_decay);
    if (t->optimizer == TAS_RMSPROP) format_add(&out, "alpha %g\n", (double)t->alpha);
    if (t->optimizer == TAS_LARS) format_add(&out, "trust %g\n", (double)t->trust);
    if (t->decay_on != TAS_DECAY_ON_ALL) format_add(&out, "decay on %s\n", tas_decay_on_name(t->decay_on));
    if (t->shards > 1) format_add(&out, "shards %u\n", t->shards);
    if (t->clip > 0) format_add(&out, "clip %g\n", (double)t->clip);
    format_add(&out, "lr %g, %s, scaling %s from B = %u\n", (double)t->lr, s->options.scale ? "scaled" : "searched",
               tas_lr_scaling_name(t->lr_scaling), t->base_batch);
    format_add(&out, "schedule %s, warm-up %" PRIu64 ", decay %g every %" PRIu64 ", end %g\n",
               tas_schedule_name(t->schedule), t->warmup, (double)t->decay, t->decay_steps, (double)t->lr_end);
    if (t->schedule == TAS_SCHEDULE_POLYNOMIAL) format_add(&out, "power %g\n", (double)t->power);
    if (t->schedule == TAS_SCHEDULE_ONE_CYCLE) format_add(&out, "rise %g\n", (double)t->rise);
    format_add(&out, "target %g, by %s of %s\n", s->options.target, s->options.by_accuracy ? "accuracy" : "loss",
               s->options.on_train ? "training" : "validation");
    return status;
}

static float usual_rate(tas_optimizer optimizer)
{
    tas_train_options usual = {0};
    tas_train_options_choose(&usual, optimizer);
    return usual.lr;
}

tas_status setup_begin(lab *l, const tas_data *train)
{
    tas_sweep *s = l->sweep;
    tas_status status = open_sets(l, train);
    if (!status) status = check_batches(s->context, &s->options, s->examples);
    if (status) return status;
    fill_batches(l);
    if (!s->options.train.lr) s->options.train.lr = usual_rate(s->options.train.optimizer);
    l->weight_count = weights_count(l->network);
    s->parameters = weights_trained(l->network);
    status = plan_memory(l);
    if (status || !s->options.state) return status;
    char settings[2048], where[256];
    snprintf(where, sizeof where, "%s (%s), %" PRIu64 " bytes to train in", s->device, s->device_name, l->train_bytes);
    status = describe_settings(l, settings, sizeof settings);
    const state_sweep sweep = {.settings = settings,
                               .environment = where,
                               .limits = {.examples = s->examples,
                                          .seed = s->options.seed,
                                          .target = s->options.target,
                                          .by_accuracy = s->options.by_accuracy,
                                          .contract = tas_contract()}};
    if (!status) status = state_open(s->context, s->options.state, &sweep, &l->earlier_seconds, &l->state);
    if (!status && *state_ignored(l->state))
        lab_note(l, "state: some files are ignored and their runs repeated: %s", state_ignored(l->state));
    return status;
}
