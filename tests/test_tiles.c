/* How a batch is cut leaves no trace: networks, sets, batches, budgets and tiles drawn at random end in the digest, the
 * losses, the scores and the predictions of a training that was not cut, which the reference did. TASSELLO_TEST_DEVICE
 * is the device that is cut, else the reference; TASSELLO_TEST_SIZE=small for simulators. */
#include "ops/window.h"
#include "queues.h" /* before check.h, which has a macro of the name fail */
#include "train/feed.h"
#include "train/update.h"

#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MOST = 9, CUTS_MOST = 64, ENDING = 400 };

static enum { SIZE_FULL, SIZE_SLOW, SIZE_SMALL } size; /* slow: where fma is software */

/* A training, and what is looked at after it. */
typedef struct task {
    plain_net net;
    char text[PLAIN_TEXT];
    uint32_t count, tests; /* examples of the set; the first are the test's */
    void *inputs, *targets;
    float *weights; /* of examples, else NULL */
    bool bytes;     /* the set's inputs are bytes */
    float *floats;  /* inputs of predictions */
    tas_network *network;
    tas_data *set, *test;
    tas_train_options options;
} task;

typedef struct outcome {
    char hex[65];
    tas_train_result result;
    float losses[STEPS_MOST];
    uint64_t steps;
    tas_score score;
    float *outputs; /* (tests, outputs) */
} outcome;

/* How often what was cut how. */
static struct {
    int streamed, resident, untiled, tiled, uneven;
} seen;

/* Tasks ----------------------------------------------------------------------------------------------------------- */

static tas_data *open_set(const task *t, uint32_t count)
{
    tas_data *data = NULL;
    tas_data_options options;
    const uint32_t outputs = plain_outputs(&t->net);
    tas_data_options_init(&options);
    options.count = count;
    options.input_size = t->net.inputs;
    options.input_type = t->bytes ? TAS_INPUT_U8 : TAS_INPUT_F32;
    options.target_type = t->net.mse && t->options.seed % 2 ? TAS_TARGET_F32 : TAS_TARGET_LABEL;
    options.classes = options.target_type == TAS_TARGET_LABEL ? outputs : 0;
    options.target_size = options.target_type == TAS_TARGET_LABEL ? 0 : outputs;
    options.inputs = t->inputs;
    options.targets = t->targets;
    options.weights = t->weights;
    expect_ok(tas_data_open(context, &options, &data));
    return data;
}

/* A line behind the input, and now and then a scale for each channel. */
static void add_augmentation(task *t)
{
    const plain_shape in = t->net.in;
    const uint32_t shorter = in.height < in.width ? in.height : in.width;
    char rest[PLAIN_TEXT], *end = strchr(t->text, '\n'), *name = strstr(t->text, " as ");
    const bool named = name && name < end; /* the input, whose name goes to the line of what it becomes */
    strcpy(rest, end);
    if (named) end = name;
    if (t->net.std == 0 && random_below(2)) {
        end += sprintf(end, " std 0.5");
        for (uint32_t c = 1; c < in.channels; c++) end += sprintf(end, ",%u", c);
    }
    end += sprintf(end, "\naugment flip");
    if (shorter > 1 && random_below(2)) end += sprintf(end, " shift %u", 1 + random_below(shorter - 1));
    if (random_below(2)) end += sprintf(end, " cutout %u", 1 + random_below(shorter));
    if (named) end += sprintf(end, " as v0");
    ck_assert_uint_lt((size_t)(end - t->text) + strlen(rest), sizeof t->text);
    strcpy(end, rest);
}

/* Normalization behind a layer whose line was just written, whose name it takes over; only of planes, so that one
 * example is enough for a variance. */
static int add_norm(char *text, size_t bytes, plain_shape out)
{
    char *name = strstr(strrchr(text, '\n'), " as "), taken[32] = "";
    char channels[32];
    snprintf(channels, sizeof channels, "group_norm %u", out.channels);
    const char *const kinds[] = {"batch_norm", "batch_norm", "batch_norm momentum 0.5", "layer_norm", channels};
    if (name) snprintf(taken, sizeof taken, "%s", name);
    if (name) *name = 0;
    const size_t used = strlen(text);
    return snprintf(text + used, bytes - used, "\n%s%s", kinds[random_below(5)], taken);
}

/* Behind some of the layers. A step in tiles then has several passes over the batch. */
static void add_norms(task *t)
{
    char from[PLAIN_TEXT], to[PLAIN_TEXT] = "", *rest = NULL;
    int layers = 0;
    strcpy(from, t->text);
    for (char *line = strtok_r(from, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const bool counts = strncmp(line, "input", 5) && strncmp(line, "from", 4) && strncmp(line, "loss", 4);
        snprintf(to + strlen(to), sizeof to - strlen(to), "\n%s", line);
        const plain_shape out = plain_shape_after(&t->net, layers += counts);
        if (counts && out.height * out.width > 1 && random_below(3) == 0) add_norm(to, sizeof to, out);
    }
    ck_assert_uint_lt(strlen(to) + 1, sizeof t->text);
    snprintf(t->text, sizeof t->text, "%s\n", to + 1);
}

/* Weights, some of them 0, of half of the sets. */
static float *draw_weights(uint32_t count)
{
    if (random_below(2)) return NULL;
    float *weights = malloc(count * sizeof *weights);
    for (uint32_t k = 0; k < count; k++) weights[k] = random_below(4) ? random_float(0, 2) : 0;
    return weights;
}

/* The net's loss, or another one with that kind of targets; with labels now and then weights of classes. */
static void choose_loss(plain_net *net, bool labels, char ending[ENDING])
{
    static const char *const of_labels[] = {"softmax", "softmax smoothing 0.125"}, *const of_floats[] = {
                                                                                       "mse", "bce", "mae", "huber",
                                                                                       "huber delta 0.5"};
    int n = sprintf(ending, "%s", net->mse ? of_floats[random_below(5)] : of_labels[random_below(2)]);
    const uint32_t classes = plain_outputs(net) == 1 && !strcmp(ending, "bce") ? 2 : plain_outputs(net);
    for (uint32_t k = 0; k < classes && labels && random_below(k ? 1 : 2) == 0 && n < ENDING - 16; k++)
        n += sprintf(ending + n, "%s%u.5", k ? "," : " weights ", k % 7);
    net->ending = ending;
}

/* Examples and settings for the network; targets are labels, or floats, by what open_set() wants. */
static task *open_task(const plain_net *net, uint32_t count, uint32_t batch, uint32_t steps)
{
    task *t = calloc(1, sizeof *t);
    char ending[ENDING];
    const uint32_t outputs = plain_outputs(net), values = count * net->inputs;
    t->net = *net;
    t->count = count;
    t->tests = 1 + random_below(count);
    t->bytes = random_below(2);
    tas_train_options_init(&t->options);
    t->options.seed = random_u64();
    t->options.batch = batch;
    t->options.steps = steps;
    tas_train_options_choose(&t->options, (tas_optimizer)random_below(TAS_LAMB + 1));
    t->options.lr = 0x1p-12f; /* no network drawn may diverge */
    t->options.momentum = random_below(3) ? 0.9f : 0;
    t->options.nesterov = random_below(2);
    t->options.weight_decay = random_below(2) ? 0.001f : 0;
    t->options.decay_on = (tas_decay_on)random_below(2);
    t->options.clip = random_below(2) ? random_float(0.01f, 1) : 0;
    t->inputs = malloc(values * sizeof(float));
    t->floats = malloc(values * sizeof(float));
    t->targets = malloc(count * outputs * sizeof(float));
    for (uint32_t k = 0; k < values; k++) {
        t->floats[k] = random_float(-1, 1);
        if (t->bytes)
            ((unsigned char *)t->inputs)[k] = (unsigned char)random_u64();
        else
            ((float *)t->inputs)[k] = t->floats[k];
    }
    for (uint32_t k = 0; k < count * outputs; k++)
        if (net->mse && t->options.seed % 2)
            ((float *)t->targets)[k] = random_float(-1, 1);
        else if (k < count)
            ((uint32_t *)t->targets)[k] = random_below(outputs);
    t->weights = draw_weights(count);
    choose_loss(&t->net, !(net->mse && t->options.seed % 2), ending);
    plain_text(&t->net, t->text, sizeof t->text);
    t->net.ending = NULL;
    if (net->in.channels && random_below(2)) add_norms(t);
    if (net->in.channels && random_below(2)) add_augmentation(t);
    t->options.keep_on_host = random_below(2);
    if (random_below(2)) t->options.shards = 1u << random_below(5);
    expect_ok(tas_network_parse(context, t->text, "task", &t->network));
    t->set = open_set(t, count);
    t->test = open_set(t, t->tests);
    return t;
}

static void close_task(task *t)
{
    tas_data_close(&t->set);
    tas_data_close(&t->test);
    tas_network_close(&t->network);
    free(t->inputs), free(t->targets), free(t->weights), free(t->floats), free(t);
}

static int keep_loss(void *user, const tas_step *step)
{
    outcome *o = user;
    ck_assert_uint_lt(o->steps, STEPS_MOST);
    ck_assert_uint_eq(step->step, o->steps + 1);
    o->losses[o->steps++] = step->loss;
    return 0;
}

/* Budgets of what comes after training: of evaluation and of prediction, from the least up. */
static void look_at(const task *t, tas_model *model, bool cut, outcome *o)
{
    uint64_t least;
    tas_score none;
    if (cut) {
        tas_model_set_budget(model, 1);
        expect(tas_evaluate(model, t->test, &none), TAS_NO_MEMORY, "budget", "");
        least = smallest_budget();
        tas_model_set_budget(model, least - 1);
        expect(tas_evaluate(model, t->test, &none), TAS_NO_MEMORY, "budget", "");
        tas_model_set_budget(model, least + (random_below(3) ? random_u64() % least : 0));
    }
    expect_ok(tas_evaluate(model, t->test, &o->score));
    if (cut) {
        tas_model_set_budget(model, 1);
        expect(tas_predict(model, t->floats, t->tests, o->outputs), TAS_NO_MEMORY, "budget", "");
        least = smallest_budget();
        tas_model_set_budget(model, least + (random_below(3) ? random_u64() % least : 0));
    }
    expect_ok(tas_predict(model, t->floats, t->tests, o->outputs));
}

static void run_task(const task *t, tas_device *on, uint64_t budget, uint32_t tile, bool cut, outcome *o)
{
    tas_model *model = NULL;
    tas_train_options options = t->options;
    *o = (outcome){.outputs = malloc(t->tests * plain_outputs(&t->net) * sizeof(float))};
    options.budget = budget;
    options.tile = tile;
    options.on_step = keep_loss;
    options.user = o;
    expect_ok(tas_model_open(on, t->network, 7, &model));
    expect_ok(tas_train(model, t->set, &options, &o->result));
    expect_ok(tas_model_digest(model, o->hex));
    look_at(t, model, cut, o);
    tas_model_close(&model);
}

/* With an evaluation behind it the forecast is of the larger of both, to the byte, where that keeps to what was
 * forecast. */
static void check_evaluation(const task *t, const tas_plan_options *options, uint64_t trained)
{
    tas_plan forecast;
    tas_model *model = NULL;
    tas_score score;
    const tas_status status = tas_plan_make(tested, t->network, t->set, t->test, options, &forecast);
    ck_assert_uint_gt(forecast.min_budget, 0);
    if (status) { /* the evaluation wants more than training, and more than there is */
        expect(status, TAS_NO_MEMORY, "", "");
        ck_assert(options->budget && options->budget < forecast.min_budget);
        return;
    }
    expect_ok(tas_model_open(tested, t->network, 7, &model));
    tas_model_set_budget(model, forecast.bytes_total);
    expect_ok(tas_evaluate(model, t->test, &score));
    ck_assert_uint_eq(score.peak_bytes > trained ? score.peak_bytes : trained, forecast.bytes_total);
    if (options->budget) ck_assert_uint_le(forecast.bytes_total, options->budget);
    tas_model_close(&model);
}

/* Of a shard but the last that has examples. */
static uint32_t shard_of(const task *t) { return (t->options.batch - 1) / t->options.shards + 1; }

static uint32_t tiles_of(const task *t, uint32_t tile)
{
    uint32_t tiles = 0;
    for (uint32_t left = t->options.batch, some; left; left -= some) {
        some = left < shard_of(t) ? left : shard_of(t);
        tiles += (some - 1) / tile + 1;
    }
    return tiles;
}

/* The plan came true, and nothing else is to be seen of it. */
static void check_cut(const task *t, const outcome *whole, uint64_t budget, uint32_t tile)
{
    outcome o;
    tas_plan forecast;
    tas_plan_options options;
    tas_plan_options_init(&options);
    options.batch = t->options.batch;
    options.budget = budget;
    options.tile = tile;
    options.optimizer = t->options.optimizer;
    options.keep_on_host = t->options.keep_on_host;
    options.shards = t->options.shards;
    options.clip = t->options.clip > 0;
    expect_ok(tas_plan_make(tested, t->network, t->set, NULL, &options, &forecast));
    run_task(t, tested, budget, tile, true, &o);
    const bool same = !strcmp(o.hex, whole->hex) && !memcmp(o.losses, whole->losses, sizeof o.losses) &&
                      o.score.loss == whole->score.loss && o.score.correct == whole->score.correct &&
                      !memcmp(o.outputs, whole->outputs, t->tests * plain_outputs(&t->net) * sizeof(float));
    ck_assert_msg(
        same,
        "budget %llu, at most %u: tiles of %u, %s, of a batch of %u (%u examples, %u tested) differ in%s%s%s%s of\n%s",
        (unsigned long long)budget, tile, o.result.tile, o.result.resident ? "resident" : "streamed", t->options.batch,
        t->count, t->tests, strcmp(o.hex, whole->hex) ? " weights" : "",
        memcmp(o.losses, whole->losses, sizeof o.losses) ? " losses" : "",
        o.score.loss != whole->score.loss || o.score.correct != whole->score.correct ? " score" : "",
        memcmp(o.outputs, whole->outputs, t->tests * plain_outputs(&t->net) * sizeof(float)) ? " outputs" : "",
        t->text);
    ck_assert_uint_eq(o.result.peak_bytes, forecast.bytes_total);
    ck_assert_uint_eq(o.result.tile, forecast.tile);
    ck_assert_int_eq(o.result.resident, forecast.resident);
    ck_assert_int_eq(o.result.cuts + o.result.replays, 0);
    ck_assert_uint_eq(forecast.tiles, tiles_of(t, forecast.tile));
    if (budget) ck_assert_uint_le(o.result.peak_bytes, budget);
    if (tile) ck_assert_uint_le(o.result.tile, tile);
    check_evaluation(t, &options, o.result.peak_bytes);
    seen.streamed += !forecast.resident, seen.resident += forecast.resident;
    seen.untiled += forecast.tiles == 1, seen.tiled += forecast.tiles > 1,
        seen.uneven += t->options.batch % forecast.tile > 0;
    free(o.outputs);
}

/* Cuts ------------------------------------------------------------------------------------------------------------ */

typedef struct cuts {
    uint64_t budget[CUTS_MOST];
    uint32_t tile[CUTS_MOST];
    int count;
} cuts;

static void add_cut(cuts *all, uint64_t budget, uint32_t tile)
{
    if (all->count == CUTS_MOST) return;
    all->budget[all->count] = budget;
    all->tile[all->count++] = tile;
}

/* Bytes of the plan with just that tile. */
static uint64_t bytes_of(const task *t, uint32_t tile, bool resident)
{
    const plan_device limits = model_device_limits(tested);
    plan_request request = forecast_request(t->set, true, t->options.batch, tile);
    update_request(&request, t->options.optimizer, t->options.clip > 0, t->options.noise != 0);
    request.spills = t->options.keep_on_host;
    request.shards = t->options.shards;
    plan p;
    expect_ok(plan_with(t->network, &limits, &request, tile, resident, &p));
    const uint64_t bytes = p.total;
    plan_free(&p);
    return bytes;
}

/* That tile if the set lies on the device, and if it is streamed, if the budget for that is not enough for the
 * other. */
static void add_tile(cuts *all, const task *t, uint32_t tile)
{
    if (!tile || tile > shard_of(t)) return;
    add_cut(all, 0, tile);
    add_cut(all, bytes_of(t, tile, false), tile);
}

/* The tiles where mistakes are to be expected: the smallest, those around each granule, half of the batch and all of
 * it. */
static void list_tiles(cuts *all, const task *t)
{
    static const uint32_t few[] = {1, 2, 3, 7};
    for (int k = 0; k < 4; k++) add_tile(all, t, few[k]);
    add_tile(all, t, shard_of(t) / 2);
    add_tile(all, t, shard_of(t));
    for (int c = 0; c < t->network->backward_count; c++) {
        const op_args *args = &t->network->backward[c].args;
        const bool conv = args->op == OP_CONV_BACKWARD_PARAMETERS, dense = args->op == OP_DENSE_BACKWARD_PARAMETERS;
        const uint32_t granule = conv ? args->size[WINDOW_GRANULE] : dense ? args->size[2] : 0;
        if (!granule) continue;
        add_tile(all, t, granule - 1);
        add_tile(all, t, granule);
        add_tile(all, t, granule + 1);
    }
}

/* Budgets between the least and everything. */
static void list_budgets(cuts *all, const task *t, int some)
{
    tas_plan forecast;
    tas_plan_options options;
    tas_plan_options_init(&options);
    options.batch = t->options.batch;
    options.optimizer = t->options.optimizer;
    options.keep_on_host = t->options.keep_on_host;
    options.shards = t->options.shards;
    options.clip = t->options.clip > 0;
    expect_ok(tas_plan_make(tested, t->network, t->set, NULL, &options, &forecast));
    const uint64_t least = forecast.min_budget, resident = bytes_of(t, shard_of(t), true),
                   streamed = bytes_of(t, shard_of(t), false), most = resident > streamed ? resident : streamed;
    add_cut(all, least, 0);
    for (int k = 0; k < some; k++) add_cut(all, least + random_u64() % (most - least + 1), 0);
    options.budget = least - 1;
    expect(tas_plan_make(tested, t->network, t->set, NULL, &options, &forecast), TAS_NO_MEMORY, "", "");
    ck_assert_uint_eq(forecast.min_budget, least);
    add_cut(all, most, 0);
}

/* Scratch never falls with the examples: a tile's is enough for the last one, which may be smaller. */
static void check_scratch(const task *t)
{
    for (int list = 0; list < 2; list++)
        for (int c = 0; c < (list ? t->network->backward_count : t->network->forward_count); c++) {
            op_args args = list ? t->network->backward[c].args : t->network->forward[c].args;
            const bool held =
                network_has_batch_panels(t->network, list ? &t->network->backward[c] : &t->network->forward[c]);
            uint64_t before = 0;
            args.batch = t->options.batch;
            args.panel_width = held ? device_batch_panel(tested, t->options.batch) : 1;
            for (args.n = 1; args.n <= t->options.batch; args.n++) {
                const uint64_t bytes = device_scratch(tested, &args);
                ck_assert_msg(bytes >= before, "%s: %llu bytes for %u examples, %llu for one less",
                              op_get(args.op)->name, (unsigned long long)bytes, args.n, (unsigned long long)before);
                before = bytes;
            }
        }
}

/* All of the tiles or `some` of them, and `some` budgets. */
static void check_task(task *t, bool tiles, int some)
{
    cuts all = {.count = 0};
    outcome whole;
    check_scratch(t);
    run_task(t, reference, 0, 0, false, &whole);
    if (tiles) list_tiles(&all, t);
    list_budgets(&all, t, some);
    for (int k = 0; k < all.count; k++) check_cut(t, &whole, all.budget[k], all.tile[k]);
    free(whole.outputs);
    close_task(t);
}

/* Tests ----------------------------------------------------------------------------------------------------------- */

/* Batches of one, of primes and of the whole set; the last one of an epoch may be of one example. */
static task *draw_task(bool spatial, uint32_t most)
{
    static const uint32_t batches[] = {1, 2, 3, 7, 16, 31, 53, 64};
    plain_net net;
    if (random_below(2))
        plain_draw_graph(&net, spatial, most);
    else
        plain_draw(&net, spatial, most);
    const uint32_t batch = random_below(3) ? batches[random_below(8)] : 1 + random_below(64);
    const uint32_t rest = random_below(3) ? random_below(batch) : 1, count = batch * (1 + random_below(4)) + rest;
    return open_task(&net, count,
                     random_below(4) ? batch
                     : count < 130   ? count
                                     : batch,
                     2 + random_below(STEPS_MOST - 1));
}

START_TEST(drawn_tasks)
{
    for (int round = 0; round < 36; round++) check_task(draw_task(round % 3 != 0, 90), round % 2, 5);
    ck_assert_msg(seen.streamed > 50 && seen.resident > 50 && seen.untiled > 20 && seen.tiled > 100 && seen.uneven > 20,
                  "%d streamed, %d resident, %d in one tile, %d in several, %d in uneven ones", seen.streamed,
                  seen.resident, seen.untiled, seen.tiled, seen.uneven);
}
END_TEST

/* Several granules of 256 examples a batch, blocks of losses, chunks of an evaluation. */
START_TEST(large_batches)
{
    static const uint32_t batches[] = {255, 256, 257, 300, 513, 700};
    for (int k = 0; k < 6; k++) {
        plain_net net;
        plain_draw(&net, false, 20);
        for (int l = 0; l < net.layers; l++)
            if (net.layer[l].units > 5) net.layer[l].units = 5;
        task *t = open_task(&net, batches[k] * (1 + (uint32_t)k % 2) + 1, batches[k], 3);
        tas_data_close(&t->test);
        t->tests = t->count;
        t->test = open_set(t, t->tests);
        check_task(t, true, 4);
    }
}
END_TEST

/* A layer whose sums are one chain over the batch. */
START_TEST(one_chain)
{
    plain_net net = {.inputs = 300};
    plain_add(&net, PLAIN_DENSE, 220);
    plain_add(&net, PLAIN_RELU, 0);
    plain_add(&net, PLAIN_DENSE, 3);
    check_task(open_task(&net, 41, 20, 3), true, 2);
}
END_TEST

/* So few examples that the update makes the gradient of such a layer: whole batches against tiles, whose gradients are
 * stored. */
START_TEST(gradients_of_updates)
{
    static const uint32_t batches[] = {1, 3, 4, 8, 9};
    plain_net net = {.inputs = 30};
    plain_add(&net, PLAIN_DENSE, 22);
    plain_add(&net, PLAIN_RELU, 0);
    plain_add(&net, PLAIN_DENSE, 3);
    for (int k = 0; k < 5; k++) {
        task *t = open_task(&net, 2 * batches[k] + batches[k] / 2, batches[k], size == SIZE_FULL ? 5 : 2);
        t->options.nesterov = k % 2;
        t->options.weight_decay = k % 3 ? 0.01f : 0;
        t->options.shards = 1;
        check_task(t, false, 2);
    }
}
END_TEST

/* Planes, so that granules are of few examples; dropout before and behind. */
static plain_net small_planes(uint32_t channels)
{
    plain_net net = {.inputs = 64, .in = {1, 8, 8, false}, .mean = 0.25, .std = 0.5};
    plain_add_window(&net, (plain_layer){.kind = PLAIN_CONV, .units = channels, .kernel = {3, 3}, .padding = {1, 1}});
    plain_add(&net, PLAIN_RELU, 0);
    plain_add_window(&net, (plain_layer){.kind = PLAIN_MAX_POOL, .kernel = {2, 2}, .stride = {2, 2}});
    plain_add(&net, PLAIN_DROPOUT, 0);
    plain_add_window(&net, (plain_layer){.kind = PLAIN_CONV, .units = channels + 1, .kernel = {3, 3}});
    plain_add(&net, PLAIN_TANH, 0);
    plain_add(&net, PLAIN_FLATTEN, 0);
    plain_add(&net, PLAIN_DROPOUT, 0);
    plain_add(&net, PLAIN_DENSE, 5);
    return net;
}

START_TEST(convolutions_with_dropout)
{
    const plain_net net = small_planes(size == SIZE_FULL ? 6 : 2);
    if (size == SIZE_SMALL)
        check_task(open_task(&net, 7, 4, 2), false, 1);
    else if (size == SIZE_SLOW)
        check_task(open_task(&net, 21, 13, 2), false, 8);
    else
        check_task(open_task(&net, 37, 16, 4), true, 20);
}
END_TEST

/* Two residual blocks, the second with a convolution as its shortcut, a concatenation, and a gate: values in both
 * layouts, and some that are read three times. */
static plain_net residual_planes(uint32_t channels)
{
    const plain_layer same = {.kind = PLAIN_CONV, .units = channels, .kernel = {3, 3}, .padding = {1, 1}};
    const plain_layer half = {
        .kind = PLAIN_CONV, .units = channels, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}};
    plain_layer shortcut = {.kind = PLAIN_CONV, .units = channels, .kernel = {1, 1}, .stride = {2, 2}, .jumps = true};
    plain_net net = {.inputs = 64, .in = {1, 8, 8, false}, .mean = 0.25, .std = 0.5};
    plain_add_window(&net, same);
    plain_add(&net, PLAIN_RELU, 0);
    const plain_value start = net.layers;
    plain_add_window(&net, same);
    plain_add(&net, PLAIN_RELU, 0);
    plain_add_window(&net, same);
    plain_join(&net, PLAIN_ADD, start);
    plain_add(&net, PLAIN_RELU, 0);
    const plain_value middle = net.layers;
    plain_add_window(&net, half);
    const plain_value body = net.layers;
    shortcut.from = middle;
    plain_add_window(&net, shortcut);
    plain_join(&net, PLAIN_ADD, body);
    plain_add(&net, PLAIN_TANH, 0);
    plain_join(&net, PLAIN_CONCAT, body);
    plain_add(&net, PLAIN_GLOBAL_POOL, 0);
    plain_add(&net, PLAIN_DENSE, 5);
    const plain_value left = net.layers;
    plain_add(&net, PLAIN_DENSE, 5); /* of the planes' rows */
    net.layer[net.layers - 1].jumps = true;
    net.layer[net.layers - 1].from = middle;
    plain_add(&net, PLAIN_SIGMOID, 0);
    plain_join(&net, PLAIN_MULTIPLY, left);
    return net;
}

START_TEST(residual_blocks)
{
    const plain_net net = residual_planes(size == SIZE_FULL ? 6 : 2);
    if (size == SIZE_SMALL)
        check_task(open_task(&net, 7, 4, 2), false, 1);
    else if (size == SIZE_SLOW)
        check_task(open_task(&net, 21, 13, 2), false, 8);
    else
        check_task(open_task(&net, 37, 16, 4), true, 20);
}
END_TEST

/* On a device kernels are built for each network, so that there are few. */
START_TEST(few_drawn_tasks)
{
    if (size == SIZE_SMALL) return;
    for (int round = 0; round < (size == SIZE_FULL ? 3 : 1); round++) {
        plain_net net;
        if (round == 2)
            plain_draw_graph(&net, true, 90);
        else
            plain_draw(&net, round != 1, size == SIZE_FULL ? 90 : 40);
        check_task(open_task(&net, size == SIZE_FULL ? 33 : 17, size == SIZE_FULL ? 16 : 8, 3), false, 6);
    }
}
END_TEST

/* Nothing is read or written over before its time, whatever is done as late or as early as it may be. */
START_TEST(queues_in_any_order)
{
    for (int round = 0; round < 24; round++) {
        task *t = draw_task(round % 2, 60);
        outcome whole;
        cuts all = {.count = 0};
        run_task(t, reference, 0, 0, false, &whole);
        add_tile(&all, t, 1 + random_below(t->options.batch));
        add_tile(&all, t, 1 + random_below(7));
        list_budgets(&all, t, 1);
        queues_open(tested, (queues_order)(round % QUEUES_ORDERS));
        for (int k = 0; k < all.count; k++) check_cut(t, &whole, all.budget[k], all.tile[k]);
        queues_close(tested);
        free(whole.outputs);
        close_task(t);
    }
}
END_TEST

/* The program ----------------------------------------------------------------------------------------------------- */

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create("tiles");
    TCase *tc = tcase_create(id ? id : "reference");
    size = tested_small ? SIZE_SMALL : tested->info.vector_width < 4 && id ? SIZE_SLOW : SIZE_FULL;
    tcase_set_timeout(tc, id ? 0 : 200);
    tcase_add_checked_fixture(tc, seed_anew, NULL);
    if (!id) tcase_add_test(tc, drawn_tasks);
    if (!id) tcase_add_test(tc, large_batches);
    if (!id) tcase_add_test(tc, one_chain);
    if (!id) tcase_add_test(tc, queues_in_any_order);
    tcase_add_test(tc, gradients_of_updates);
    tcase_add_test(tc, convolutions_with_dropout);
    tcase_add_test(tc, residual_blocks);
    if (id) tcase_add_test(tc, few_drawn_tasks);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void) { return driver_run(make_suite); }
