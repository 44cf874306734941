/* The canonical trainings: between them every kind of operation, but small enough for an fma in software. Their data
 * are drawn by Philox, so that they need no file; 210 examples in batches of 40 leave a last batch of 10. */
#include "verify/training.h"

#include "arith.h"
#include "philox.h"

#include <tassello/model.h>
#include <tassello/verify.h>

static const char chain[] = "input 1x7x7 mean 0.5 std 0.25\n"
                            "conv2d 6 3 padding 1\n"
                            "relu\n"
                            "max_pool 2 stride 1\n"
                            "conv2d 8 3x2 stride 2x1 padding 1 groups 2 init glorot\n"
                            "leaky 0.1\n"
                            "avg_pool 3 stride 2 padding 1\n"
                            "dropout 0.1\n"
                            "flatten\n"
                            "dense 20\n"
                            "gelu\n"
                            "dense 16 init glorot\n"
                            "tanh\n"
                            "dropout 0.2\n"
                            "dense 12\n"
                            "sigmoid\n"
                            "dense 10\n"
                            "loss softmax\n";

/* A network with branches: a residual block, a gate, a concatenation; and what works on whole batches. */
static const char graph[] = "input 1x7x7 mean 0.5 std 0.25\n"
                            "augment flip shift 1 cutout 2\n"
                            "conv2d 8 3 padding 1 no bias\n"
                            "batch_norm\n"
                            "relu as skip\n"
                            "conv2d 8 3 padding 1 groups 8 no bias\n"
                            "batch_norm\n"
                            "silu\n"
                            "conv2d 8 1\n"
                            "batch_norm group 5\n"
                            "add skip\n"
                            "hard_swish as block\n"
                            "conv2d 8 1 init glorot\n"
                            "sigmoid as gate\n"
                            "from block\n"
                            "multiply gate\n"
                            "concat skip block\n"
                            "group_norm 4\n"
                            "pad 1\n"
                            "max_pool 3 stride 3\n"
                            "upsample 2\n"
                            "conv_transpose2d 4 2 stride 2\n"
                            "layer_norm\n"
                            "softplus\n"
                            "dense 24 no bias\n"
                            "batch_norm\n"
                            "dropout 0.1\n"
                            "dense 10\n"
                            "loss softmax smoothing 0.1\n";

enum { EXAMPLES = 210, PIXELS = 49, CLASSES = 10 };

/* Ten noisy patterns of pixels. */
static int fill(void *user, const uint64_t *index, size_t n, void *inputs, void *targets)
{
    (void)user;
    for (size_t k = 0; k < n; k++) {
        const uint32_t i = (uint32_t)index[k], label = i % CLASSES;
        ((uint32_t *)targets)[k] = label;
        for (uint32_t p = 0; p < PIXELS; p++) {
            const philox_block noise = philox(1, PHILOX_CASES, 0, i, p), pattern = philox(1, PHILOX_CASES, 1, label, p);
            ((uint8_t *)inputs)[k * PIXELS + p] = (uint8_t)((noise.v[0] % 128) + (pattern.v[0] % 128));
        }
    }
    return 0;
}

static void set_chain(tas_train_options *run)
{
    run->steps = 48;
    run->lr = 0.1f;
    run->nesterov = 1;
    run->weight_decay = 0.0005f;
}

static void set_graph(tas_train_options *run)
{
    run->steps = 12; /* two epochs, one with other images than the other */
    run->optimizer = TAS_LAMB;
    run->schedule = TAS_SCHEDULE_ONE_CYCLE;
    run->lr = 0.02f;
    run->weight_decay = 0.01f;
    run->decay_on = TAS_DECAY_ON_WEIGHTS;
    run->clip = 1;
    run->tile = 15; /* several passes over the batch */
}

/* A canonical training is a row; the digests are those of the contract's version. */
static const struct canonical {
    const char *name, *text;
    void (*set)(tas_train_options *run);
    const char *digest;
} trainings[TRAININGS] = {
    {"canonical training", chain, set_chain, "3595960705381ef1d4b1ccf60fb75b5c457147171548c49a2ea2dfcd28a6d8ad"},
    {"canonical graph training", graph, set_graph, "b7e9626fe7f6e361fcca566adb4536e9b9e8e6f490f77843ec78cfc5fb6d1d09"},
};

const char *training_name(int which) { return trainings[which].name; }

tas_status training_digest(tas_device *device, int which, char hex[65])
{
    tas_context *context = device->context;
    tas_network *network = NULL;
    tas_model *model = NULL;
    tas_data *data = NULL;
    tas_data_options set;
    tas_train_options run;
    tas_data_options_init(&set);
    set.count = EXAMPLES;
    set.input_size = PIXELS;
    set.input_type = TAS_INPUT_U8;
    set.classes = CLASSES;
    set.fill = fill;
    tas_train_options_init(&run);
    run.batch = 40;
    run.seed = 2;
    trainings[which].set(&run);

    tas_status status = tas_network_parse(context, trainings[which].text, "canonical", &network);
    if (!status) status = tas_data_open(context, &set, &data);
    if (!status) status = tas_model_open(device, network, 1, &model);
    if (!status) status = tas_train(model, data, &run, NULL);
    if (!status) status = tas_model_digest(model, hex);
    tas_model_close(&model);
    tas_data_close(&data);
    tas_network_close(&network);
    return status;
}

const char *tas_canonical_digest(size_t training) { return training < TRAININGS ? trainings[training].digest : NULL; }
