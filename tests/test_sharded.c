/* The sums of a batch by the contract's rule 4: its leaves, each summed as a batch of its own, and the tree over them,
 * added here by recursion. And how good these sums are. */
#include "data/shuffle.h"
#include "ops/dense.h"
#include "ops/sum.h"
#include "plan/shards.h"
#include "train/gradients.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Gradients ------------------------------------------------------------------------------------------------------- */

typedef struct subject {
    tas_network *network;
    tas_model *model;
    tas_data *data;
    gradients g;
    uint32_t count, width, outputs;
    float *inputs, *targets, *weights;
    uint32_t *list;
} subject;

static void open_subject(subject *s, const char *text, uint32_t count, bool weighted, void (*fill)(subject *s))
{
    *s = (subject){.count = count};
    expect_ok(tas_network_parse(context, text, "net", &s->network));
    s->width = (uint32_t)tas_network_inputs(s->network), s->outputs = (uint32_t)tas_network_outputs(s->network);
    s->inputs = malloc((size_t)count * s->width * sizeof(float));
    s->targets = malloc((size_t)count * s->outputs * sizeof(float));
    s->weights = malloc(count * sizeof(float));
    s->list = malloc(count * sizeof(uint32_t));
    for (uint32_t i = 0; i < count * s->width; i++) s->inputs[i] = random_float(-1, 1);
    for (uint32_t i = 0; i < count * s->outputs; i++) s->targets[i] = random_float(-1, 1);
    for (uint32_t i = 0; i < count; i++) s->list[i] = i, s->weights[i] = random_float(0, 2);
    if (fill) fill(s);
    tas_data_options options;
    tas_data_options_init(&options);
    options.count = count;
    options.input_size = s->width;
    options.input_type = TAS_INPUT_F32;
    options.target_type = TAS_TARGET_F32;
    options.target_size = s->outputs;
    options.inputs = s->inputs;
    options.targets = s->targets;
    options.weights = weighted ? s->weights : NULL;
    expect_ok(tas_data_open(context, &options, &s->data));
    expect_ok(tas_model_open(device, s->network, 5, &s->model));
    expect_ok(gradients_open(&s->g, s->model, s->data, count, 0, 9));
}

static void close_subject(subject *s)
{
    gradients_close(&s->g);
    tas_model_close(&s->model);
    tas_data_close(&s->data);
    tas_network_close(&s->network);
    free(s->inputs), free(s->targets), free(s->weights), free(s->list);
}

static void set_shards(subject *s, uint32_t shards, uint32_t tile)
{
    workspace_close(&s->g.w);
    s->g.fed = false;
    s->g.request.shards = shards;
    if (tile) s->g.request.max_tile = tile;
}

/* The sum of a batch, the first `count` examples from `first` on. */
static float *sum(subject *s, uint32_t first, uint32_t count)
{
    float *out = malloc(s->g.elements * sizeof *out), *losses = malloc(count * sizeof *losses);
    expect_ok(gradients_sum(&s->g, s->list + first, count, out, losses, NULL));
    free(losses);
    return out;
}

/* Of the places of a tree from `place` on, a power of two; NULL: none has examples. */
static float *sum_tree(subject *s, const shard_cut *cut, uint32_t place, uint32_t places)
{
    const example_run leaf = shards_leaf(cut, place);
    if (places == 1) return leaf.count ? sum(s, leaf.first, leaf.count) : NULL;
    float *left = sum_tree(s, cut, place, places / 2), *right = sum_tree(s, cut, place + places / 2, places / 2);
    for (uint64_t i = 0; left && right && i < s->g.elements; i++) left[i] += right[i];
    if (left) free(right);
    return left ? left : right;
}

static void expect_as_defined(subject *s, uint32_t batch, uint32_t shards, uint32_t tile)
{
    const shard_cut cut = shards_cut(batch, shards, s->network->group);
    set_shards(s, 1, 0);
    float *defined = sum_tree(s, &cut, 0, cut.count * cut.slots);
    set_shards(s, shards, tile);
    float *found = sum(s, 0, batch);
    ck_assert_msg(!memcmp(found, defined, s->g.elements * sizeof *found),
                  "%u examples in %u shards, tiles of %u of\n%s", batch, shards, tile, s->network->text);
    free(found), free(defined);
}

/* No layer here depends on the batch as a whole: each shard is what a batch of its examples is. */
static const char *const texts[] = {
    "input 7\ndense 5\nrelu\ndense 3\nloss mse\n",
    "input 300\ndense 220\ntanh\ndense 2\nloss mse\n", /* one chain */
    "input 2x7x6\nconv2d 4 3\nrelu\nmax_pool 2\ndropout 0.5\ndense 3\nloss huber\n",
    "input 3x5x5\nconv2d 6 3 padding 1\nlayer_norm\ntanh\nglobal_avg_pool\ndense 2\nloss mse\n",
    "input 6\ndense 6\nbatch_norm group 4\ntanh\ndense 2\nloss mse\n",
    "input 3x4x4\nconv2d 4 3 padding 1\nbatch_norm group 3\nrelu\ndense 4\nbatch_norm group 2\ndense 2\nloss mse\n",
};
enum { TEXTS = sizeof texts / sizeof *texts };

START_TEST(as_defined)
{
    random_seed(test_seed() + (uint64_t)_i);
    subject s;
    open_subject(&s, texts[_i % TEXTS], 90, random_below(2), NULL);
    for (int round = 0; round < 12; round++) {
        const uint32_t batch = random_below(3) ? 1 + random_below(90) : 1 + random_below(8);
        expect_as_defined(&s, batch, 1u << random_below(random_below(6) ? 5 : 13), 1 + random_below(60));
    }
    close_subject(&s);
}
END_TEST

/* Above 4096 examples there are leaves, too. */
START_TEST(leaves_as_defined)
{
    static const uint32_t batches[] = {4096, 4097, 8192, 9000, 12289, 20000};
    random_seed(test_seed() + (uint64_t)_i);
    subject s;
    open_subject(&s,
                 _i % 2 ? "input 3\ndense 4\nbatch_norm group 48\ntanh\ndense 2\nloss mse\n"
                        : "input 5\ndense 3\ntanh\ndense 2\nloss mse\n",
                 20000, false, NULL);
    expect_as_defined(&s, batches[_i % 6], 1u << random_below(3), 1 + random_below(5000));
    close_subject(&s);
}
END_TEST

/* Accuracy -------------------------------------------------------------------------------------------------------- */

/* The loss |y - t| has the gradient 1 here, so that the gradient of a weight is the sum of its inputs. */
static const char one_output[] = "input 3\ndense 1\nloss mae\n";
enum { NEAR_ONE_NUMBER, ANY, ONE_NUMBER };

static void fill(subject *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        s->inputs[3 * i + NEAR_ONE_NUMBER] = 0.1f * (1 + random_float(-5e-4f, 5e-4f));
        s->inputs[3 * i + ANY] = random_float(0, 1);
        s->inputs[3 * i + ONE_NUMBER] = 0.1f;
        s->targets[i] = -1000;
    }
}

/* As a layer of 2^16 weights or more is summed. */
static void make_one_chain(subject *s)
{
    for (int c = 0; c < s->network->backward_count; c++)
        if (network_fuses(&s->network->backward[c]))
            s->network->backward[c].args.size[DENSE_GRANULE] = 0;
}

/* Against double precision. One chain over all would be wrong by 1e-2 with a million examples. */
START_TEST(sums_of_many_examples)
{
    static const uint32_t counts[] = {60000, 60000, 1000000, 1000000};
    static const double most[] = {[NEAR_ONE_NUMBER] = 5e-6, [ANY] = 1e-6, [ONE_NUMBER] = 5e-5};
    subject s;
    random_seed(test_seed() + (uint64_t)_i);
    open_subject(&s, one_output, counts[_i % 4], false, fill);
    if (_i % 2) make_one_chain(&s);
    for (uint32_t shards = 1; shards <= (_i < 4 ? 1 : 8); shards *= 8) {
        set_shards(&s, shards, 0);
        float *found = sum(&s, 0, s.count);
        for (int k = 0; k < 3; k++) {
            double exact = 0;
            float chain = 0;
            for (uint32_t i = 0; i < s.count; i++) exact += s.inputs[3 * i + k], chain += s.inputs[3 * i + k];
            const double error = fabs(found[k] - exact) / exact;
            ck_assert_msg(error <= most[k], "%u examples, weight %d: relative error %.2g", s.count, k, error);
            if (k == NEAR_ONE_NUMBER) ck_assert_double_gt(fabs(chain - exact) / exact, 1e-4);
        }
        const tensor *bias = &s.network->tensors[s.network->parameters[1]];
        ck_assert(found[s.g.w.plan.tensor[bias->gradient].offset / sizeof(float)] == (float)s.count);
        free(found);
    }
    close_subject(&s);
}
END_TEST

/* Training ----------------------------------------------------------------------------------------------------------
 */

/* The digest of a short training of a sample's network. */
static void train(const char *text, uint32_t batch, uint32_t shards, uint32_t tile, char hex[65])
{
    tas_network *network = NULL;
    tas_model *model = NULL;
    tas_train_options options = sample_options(batch, 9);
    options.shards = shards;
    options.tile = tile;
    expect_ok(tas_network_parse(context, text, "net", &network));
    expect_ok(tas_model_open(device, network, 7, &model));
    expect_ok(tas_train(model, sample, &options, NULL));
    expect_ok(tas_model_digest(model, hex));
    tas_model_close(&model);
    tas_network_close(&network);
}

/* Shards decide bits, and nothing else does: tiles do not, nor shards that have no examples. */
START_TEST(shards_decide)
{
    static const char *const nets[] = {sample_net,
                                       "input 6\ndense 9\nbatch_norm\nrelu\ndropout 0.25\ndense 4\nloss softmax\n"};
    for (int n = 0; n < 2; n++) {
        char one[65], eight[65], other[65];
        train(nets[n], 20, 1, 0, one);
        train(nets[n], 20, 8, 0, eight);
        ck_assert_str_ne(one, eight);
        train(nets[n], 20, 8, 2, other);
        ck_assert_str_eq(other, eight);
        train(nets[n], 5, 8, 0, eight);
        train(nets[n], 5, 64, 1, other);
        ck_assert_str_eq(other, eight);
    }
}
END_TEST

static int keep_loss(void *user, const tas_step *step)
{
    *(float *)user = step->loss;
    return 0;
}

static float add_shards(const float *sums, uint32_t count)
{
    uint32_t half = 1;
    if (count == 1) return *sums;
    while (2 * half < count) half *= 2;
    return add_shards(sums, half) + add_shards(sums + half, count - half);
}

/* Blocks of 256 examples of a shard, and blocks of their sums. */
static float sum_shard(const float *values, uint32_t count)
{
    float blocks[64];
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i += 256) blocks[n++] = sum_lanes(values + i, count - i < 256 ? count - i : 256);
    return sum_lanes(blocks, n);
}

/* The loss of the first step: sums of shards and the tree over them, over the weights' likewise. */
START_TEST(losses_as_defined)
{
    static const uint32_t batches[] = {1, 5, 37, 300, 2100, 2600};
    random_seed(test_seed() + (uint64_t)_i);
    const uint32_t batch = batches[_i % 6], shards = 2u << random_below(4), size = (batch - 1) / shards + 1;
    const bool weighted = _i % 2;
    subject s;
    open_subject(&s, "input 3\ndense 2\nloss mse\n", 2600, weighted, NULL);
    float loss, *losses = malloc(batch * sizeof *losses), *weights = malloc(batch * sizeof *weights);
    float sums[32], counts[32], *gradient = malloc(s.g.elements * sizeof *gradient);
    tas_train_options options = sample_options(batch, 1);
    options.shards = shards;
    options.on_step = keep_loss;
    options.user = &loss;
    shuffle_order(options.seed, 0, s.list, s.count);
    expect_ok(gradients_sum(&s.g, s.list, batch, gradient, losses, NULL));
    gradients_close(&s.g);
    uint32_t used = 0;
    for (uint32_t i = 0; i < batch; i++) weights[i] = s.weights[s.list[i]];
    for (uint32_t first = 0; first < batch; first += size, used++) {
        const uint32_t count = batch - first < size ? batch - first : size;
        sums[used] = sum_shard(losses + first, count);
        counts[used] = sum_shard(weights + first, count);
    }
    const float count = weighted ? add_shards(counts, used) : (float)batch, all = add_shards(sums, used);
    expect_ok(tas_train(s.model, s.data, &options, NULL));
    ck_assert_msg(loss == (float)((double)all / count), "%u examples in %u shards: loss %a, defined %a", batch, shards,
                  (double)loss, (double)all / count);
    free(losses), free(weights), free(gradient);
    close_subject(&s);
}
END_TEST

START_TEST(refusals)
{
    static const uint32_t wrong[] = {0, 3, 6, 100, 8192, UINT32_MAX};
    tas_network *network = NULL;
    tas_model *model = NULL;
    tas_plan p;
    tas_plan_options planned;
    expect_ok(tas_network_parse(context, sample_net, "net", &network));
    expect_ok(tas_model_open(device, network, 7, &model));
    tas_plan_options_init(&planned);
    planned.batch = 8;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tas_train_options options = sample_options(8, 2);
        options.shards = planned.shards = wrong[i];
        expect(tas_train(model, sample, &options, NULL), TAS_BAD_ARGUMENT, "shards", "power of two from 1 to 4096");
        expect(tas_plan_make(device, network, sample, NULL, &planned, &p), TAS_BAD_ARGUMENT, "shards", "power of two");
    }
    tas_model_close(&model);
    tas_network_close(&network);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sharded");
    TCase *cases = tcase_create("sums"), *training = tcase_create("training");
    tcase_add_checked_fixture(cases, support_open, support_close);
    tcase_add_loop_test(cases, as_defined, 0, 3 * TEXTS);
    tcase_add_loop_test(cases, leaves_as_defined, 0, 6);
    tcase_add_loop_test(cases, sums_of_many_examples, 0, 5);
    tcase_set_timeout(cases, 120);
    tcase_add_checked_fixture(training, sample_open, sample_close);
    tcase_add_test(training, shards_decide);
    tcase_add_test(training, refusals);
    tcase_add_loop_test(cases, losses_as_defined, 0, 12);
    suite_add_tcase(suite, cases);
    suite_add_tcase(suite, training);
    return support_run(suite);
}
