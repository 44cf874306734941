/* The text description of networks: what is taken, what is refused and with which words, and the initial parameters. */
#include "network/network.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static tas_network *parse(const char *text)
{
    tas_network *network = NULL;
    expect_ok(tas_network_parse(context, text, "net", &network));
    return network;
}

static void refuse(const char *text, const char *place, const char *word)
{
    tas_network *network = (tas_network *)&context;
    expect(tas_network_parse(context, text, "net", &network), TAS_BAD_NETWORK, place, word);
    ck_assert_ptr_null(network);
}

static void check_tensor(const tas_network *network, size_t index, const char *name, size_t rows, size_t cols)
{
    const tas_tensor_info *info = tas_network_tensor(network, index);
    size_t elements = 1;
    ck_assert_ptr_nonnull(info);
    ck_assert_str_eq(info->name, name);
    ck_assert_uint_eq(info->dims[0], rows);
    ck_assert_uint_eq(info->dims[1], cols);
    ck_assert_uint_eq(info->ndims, strstr(name, "bias") ? 1 : strstr(name, "conv2d") ? 4 : 2);
    for (size_t d = 0; d < 4; d++) {
        ck_assert_int_eq(info->dims[d] > 0, d < info->ndims);
        elements *= d < info->ndims ? info->dims[d] : 1;
    }
    ck_assert_uint_eq(info->elements, elements);
}

/* Good ones -------------------------------------------------------------------------------------------------------- */

static const char example[] = "input 1x28x28 mean 0.2860 std 0.3530   # a comment\n"
                              "dense 500\n"
                              "relu\n"
                              "dense 10 init glorot\n"
                              "loss softmax\n";

START_TEST(reads_the_example)
{
    tas_network *network = parse(example);
    ck_assert_str_eq(tas_network_text(network), example);
    ck_assert_uint_eq(tas_network_inputs(network), 784);
    ck_assert_uint_eq(tas_network_outputs(network), 10);
    check_tensor(network, 0, "1.dense.weight", 500, 784);
    check_tensor(network, 1, "1.dense.bias", 500, 0);
    check_tensor(network, 2, "3.dense.weight", 10, 500);
    check_tensor(network, 3, "3.dense.bias", 10, 0);
    ck_assert_ptr_null(tas_network_tensor(network, 4));
    ck_assert_ptr_null(tas_network_tensor(network, SIZE_MAX));
    tas_network_close(&network);
    ck_assert_ptr_null(network);
    tas_network_close(&network);
}
END_TEST

START_TEST(summaries_tell_shapes_and_parameters)
{
    static const char *const words[][3] = {{"input", "1x28x28", ""},
                                           {"dense", "500", "392500 parameters"},
                                           {"relu", "500", ""},
                                           {"dense", " 10", "5010 parameters"},
                                           {"loss", "softmax", "10"}};
    tas_network *network = parse(example);
    for (size_t i = 0; i < 5; i++) {
        const char *line = tas_network_layer(network, i);
        ck_assert_ptr_nonnull(line);
        for (int k = 0; k < 3; k++) ck_assert_msg(strstr(line, words[i][k]), "\"%s\" lacks \"%s\"", line, words[i][k]);
        ck_assert_msg(!strstr(line, "parameters") == !words[i][2][0] || i == 4, "%s", line);
    }
    ck_assert_ptr_null(tas_network_layer(network, 5));
    tas_network_close(&network);
}
END_TEST

/* The same network, however it is written. */
START_TEST(spaces_comments_and_line_ends)
{
    static const char *const same[] = {
        "input 4\ndense 3\n",
        "input 4\ndense 3",
        "input 4\r\ndense 3\r\n",
        "\n\n# first\n   input\t4   # four\n\n\t\n  dense 3#three\n#end",
        "input 4x1x1\ndense 3 init he\nloss softmax\n\n\n",
        "input 4 mean 0 std 1\ndense 3\nloss softmax",
        "input 4 std 1 mean -0.0\r\n\r\ndense 3\r\nloss softmax\r\n",
        "\xef\xbb\xbfinput 4\ndense 3 # \xc3\xbc \xe2\x82\xac \xf0\x9f\xa7\xb5",
    };
    char first[65], other[65];
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        tas_model *model = model_of_text(same[i], 5);
        expect_ok(tas_model_digest(model, i ? other : first));
        if (i) ck_assert_msg(!strcmp(first, other), "%s", same[i]);
        ck_assert_uint_eq(tas_network_inputs(tas_model_network(model)), 4);
        tas_model_close(&model);
    }
}
END_TEST

START_TEST(shapes_and_layers)
{
    tas_network *network = parse("input 3x5x7\nleaky\nleaky 0.5\ntanh\nsigmoid\ngelu\ndense 2\nrelu\nloss mse\n");
    ck_assert_uint_eq(tas_network_inputs(network), 105);
    ck_assert_uint_eq(tas_network_outputs(network), 2);
    ck_assert(strstr(tas_network_layer(network, 5), "3x5x7"));
    ck_assert(strstr(tas_network_layer(network, 8), "mse"));
    check_tensor(network, 0, "6.dense.weight", 2, 105);
    tas_network_close(&network);
    network = parse("input 6x4\ndense 1\n");
    ck_assert_uint_eq(tas_network_inputs(network), 24);
    tas_network_close(&network);
}
END_TEST

/* "no bias" leaves the parameter out; the weights stay where they are. */
START_TEST(layers_without_biases)
{
    tas_network *network = parse("input 2x6x6\nconv2d 4 3 no bias groups 2\nconv2d 3 1\ndense 5 no bias init glorot\n");
    tas_layer_info info;
    check_tensor(network, 0, "1.conv2d.weight", 4, 1);
    check_tensor(network, 1, "2.conv2d.weight", 3, 4);
    check_tensor(network, 2, "2.conv2d.bias", 3, 0);
    check_tensor(network, 3, "3.dense.weight", 5, 48);
    ck_assert_ptr_null(tas_network_tensor(network, 4));
    ck_assert(tas_network_layer_info(network, 1, &info));
    ck_assert_uint_eq(info.parameters, 36);
    ck_assert_uint_eq(info.forward_flops, 2 * 36 * 16);
    tas_network_close(&network);
}
END_TEST

/* Shapes as PyTorch's ConvTranspose2d, Upsample and ZeroPad2d have them. */
START_TEST(layers_that_enlarge_planes)
{
    static const struct {
        const char *line;
        size_t out[3];
    } rows[] = {
        {"conv_transpose2d 3 2 stride 2", {3, 10, 12}},
        {"conv_transpose2d 3 3 stride 2 padding 1", {3, 9, 11}},
        {"conv_transpose2d 3 3 stride 2 padding 1 output_padding 1", {3, 10, 12}},
        {"conv_transpose2d 6 3x5 stride 1x3 output_padding 0x2 groups 2", {6, 7, 22}},
        {"upsample 2", {4, 10, 12}},
        {"upsample 3x1", {4, 15, 6}},
        {"pad 2", {4, 9, 10}},
        {"pad 1x2", {4, 7, 10}},
        {"pad 0x1 2x0", {4, 7, 7}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128];
        tas_layer_info info;
        snprintf(text, sizeof text, "input 4x5x6\n%s\nconv2d 1 1\n", rows[i].line);
        tas_network *network = parse(text);
        ck_assert(tas_network_layer_info(network, 1, &info));
        for (int d = 0; d < 3; d++)
            ck_assert_msg(info.out[d] == rows[i].out[d], "%s: %zu, expected %zu", rows[i].line, (size_t)info.out[d],
                          rows[i].out[d]);
        tas_network_close(&network);
    }
    tas_network *network = parse("input 4x5x6\nconv_transpose2d 6 3 groups 2\n");
    const tas_tensor_info *weight = tas_network_tensor(network, 0), *bias = tas_network_tensor(network, 1);
    static const size_t dims[] = {4, 3, 3, 3};
    for (int d = 0; d < 4; d++) ck_assert_uint_eq(weight->dims[d], dims[d]);
    ck_assert_uint_eq(bias->dims[0], 6);
    tas_network_close(&network);
}
END_TEST

START_TEST(losses_and_layers_of_tensors)
{
    tas_network *network = parse("input 1x6x6\nconv2d 2 3\nrelu\ndense 2\nloss mse\n");
    static const size_t layers[] = {1, 1, 3, 3};
    for (size_t i = 0; i < 4; i++) ck_assert_uint_eq(tas_network_tensor(network, i)->layer, layers[i]);
    ck_assert_int_eq(tas_network_loss(network), TAS_LOSS_MSE);
    tas_network_close(&network);
    network = parse(example);
    ck_assert_int_eq(tas_network_loss(network), TAS_LOSS_SOFTMAX);
    tas_network_close(&network);
    int losses = 0;
    for (; tas_loss_name((tas_loss)losses); losses++) {
        char text[64];
        snprintf(text, sizeof text, "input 4\ndense 2\nloss %s\n", tas_loss_name((tas_loss)losses));
        network = parse(text);
        ck_assert_int_eq((int)tas_network_loss(network), losses);
        ck_assert(strstr(tas_network_layer(network, 2), tas_loss_name((tas_loss)losses)));
        tas_network_close(&network);
    }
    ck_assert_int_eq(losses, TAS_LOSS_HUBER + 1);
}
END_TEST

/* A row for each layer, whose usage and arguments are those of the parser. */
START_TEST(the_language_is_that_of_the_parser)
{
    tas_layer_help help;
    size_t rows = 0;
    for (; tas_network_language(rows, &help); rows++) {
        char text[64], usage[256];
        ck_assert(help.text && strlen(help.text) > 10 && !strncmp(help.usage, help.layer, strlen(help.layer)));
        ck_assert_uint_lt(strlen(help.usage), sizeof help.usage - 1);
        for (size_t i = 0; i < help.arguments; i++)
            ck_assert(strstr(help.usage, help.argument[i].usage) && strlen(help.argument[i].text) > 10);
        if (!strcmp(help.layer, "input")) continue;
        snprintf(text, sizeof text, "input 1x4x4\n%s 1 1 1\n", help.layer);
        snprintf(usage, sizeof usage, "usage: %s", help.usage);
        refuse(text, "net:2", usage);
    }
    ck_assert_uint_ge(rows, 17);
    ck_assert(!tas_network_language(SIZE_MAX, &help));
    ck_assert(strstr(tas_network_rules(), "\n\n"));
}
END_TEST

static void check_shape(const tas_network *network, size_t place, size_t channels, size_t height, size_t width)
{
    tas_layer_info info;
    ck_assert(tas_network_layer_info(network, place, &info));
    ck_assert_msg(info.out[0] == channels && info.out[1] == height && info.out[2] == width,
                  "layer %zu, %s: %zux%zux%zu, expected %zux%zux%zu", place, info.kind, info.out[0], info.out[1],
                  info.out[2], channels, height, width);
}

START_TEST(shapes_of_windows)
{
    tas_network *network = parse("input 6x11x14\n"
                                 "conv2d 8 3x5\n"                                             /* 1 */
                                 "conv2d 8 3 stride 2x3 padding 1\n"                          /* 2 */
                                 "conv2d 4 3 padding 2x3 dilation 2x3 groups 4 init glorot\n" /* 3 */
                                 "max_pool 2\n"                                               /* 4 */
                                 "avg_pool 2x1 stride 1 padding 1x0\n"                        /* 5 */
                                 "flatten\n"                                                  /* 6 */
                                 "dropout 0.5\n"                                              /* 7 */
                                 "dense 3\n");                                                /* 8 */
    check_shape(network, 0, 6, 11, 14);
    check_shape(network, 1, 8, 9, 10);
    check_shape(network, 2, 8, 5, 4);
    check_shape(network, 3, 4, 5, 4);
    check_shape(network, 4, 4, 2, 2);
    check_shape(network, 5, 4, 3, 2);
    check_shape(network, 6, 24, 1, 1);
    check_shape(network, 7, 24, 1, 1);
    check_shape(network, 8, 3, 1, 1);
    check_tensor(network, 0, "1.conv2d.weight", 8, 6);
    check_tensor(network, 4, "3.conv2d.weight", 4, 2);
    check_tensor(network, 6, "8.dense.weight", 3, 24);
    tas_network_close(&network);
    network = parse("input 5x3x4\nglobal_avg_pool\ndense 2\n");
    check_shape(network, 1, 5, 1, 1);
    tas_network_close(&network);
}
END_TEST

/* Two sizes are height x width wherever they stand; of one, an input has values without planes. */
START_TEST(short_forms_of_shapes)
{
    tas_network *network = parse("input 28x20\nconv2d 20 5x3\nmax_pool 2x1\navg_pool 3x1 stride 1x2\ndense 10\n");
    check_shape(network, 0, 1, 28, 20);
    check_shape(network, 1, 20, 24, 18);
    check_shape(network, 2, 20, 12, 18);
    check_shape(network, 3, 20, 10, 9);
    check_tensor(network, 0, "1.conv2d.weight", 20, 1);
    tas_network_close(&network);
    network = parse("input 1x28\nmax_pool 1x2\ndense 3\n"); /* a line of one channel */
    check_shape(network, 1, 1, 1, 14);
    tas_network_close(&network);
    network = parse("input 784\nconv2d 20 1\nglobal_avg_pool\nconv2d 20 3 padding 1\ndense 10\n");
    check_shape(network, 0, 784, 1, 1);
    check_shape(network, 3, 20, 1, 1);
    tas_network_close(&network);
    refuse("input 784\nconv2d 20 5\ndense 10\n", "net:2", "needs planes");
    refuse("input 784\nrelu\nconv2d 20 5 padding 2\ndense 10\n", "net:3", "784 values");
    refuse("input 28x28\nflatten\nmax_pool 2 padding 1\ndense 10\n", "net:3", "needs planes");
    refuse("input 28x28\ndense 9\navg_pool 3x1 padding 1x0\ndense 10\n", "net:3", "9 values");
}
END_TEST

/* What layers cost is told an example: products count double, training takes what the gradients need. */
START_TEST(costs_of_layers)
{
    tas_layer_info info;
    tas_network *network = parse("input 2x6x6\nconv2d 4 3 groups 2\nrelu\nconv2d 5 2\ndense 7\n");
    const uint64_t first = 2 * (3 * 3) * 4 * 4 * 4, second = 2 * (4 * 2 * 2) * 5 * 3 * 3, third = 2 * 45 * 7;
    static const uint64_t parameters[] = {0, 4 * 9 + 4, 0, 5 * 16 + 5, 45 * 7 + 7, 0};
    const uint64_t forward[] = {0, first, 0, second, third, 0};
    const uint64_t train[] = {0, 2 * first, 0, 3 * second, 3 * third, 0}; /* the first has no gradient to its input */
    for (size_t i = 0; i < 6; i++) {
        ck_assert(tas_network_layer_info(network, i, &info));
        ck_assert_uint_eq(info.parameters, parameters[i]);
        ck_assert_uint_eq(info.forward_flops, forward[i]);
        ck_assert_uint_eq(info.train_flops, train[i]);
        ck_assert_uint_eq(info.value_bytes, 4 * info.out[0] * info.out[1] * info.out[2]);
    }
    ck_assert(!tas_network_layer_info(network, 6, &info) && !tas_network_layer_info(network, SIZE_MAX, &info));
    tas_network_close(&network);
}
END_TEST

START_TEST(shipped_networks_open_by_name)
{
    static const char *const shipped[] = {"cnn", "densenet-small", "lenet", "mlp", "resnet20", "tabular"};
    static const size_t count = sizeof shipped / sizeof *shipped;
    for (size_t i = 0; i < count; i++) {
        tas_network *network = NULL;
        ck_assert_str_eq(tas_network_shipped(i), shipped[i]);
        if (strcmp(shipped[i], "tabular"))
            expect_ok(tas_network_open(context, shipped[i], &network));
        else /* its shapes are those of the data */
            expect(tas_network_open(context, shipped[i], &network), TAS_BAD_NETWORK, "tabular:4: 'data' stands for",
                   "");
        tas_network_close(&network);
    }
    ck_assert_ptr_null(tas_network_shipped(count));
    ck_assert_ptr_null(tas_network_shipped(SIZE_MAX));
}
END_TEST

/* One scale for all channels needs no memory; nor do lists of one. */
START_TEST(scales_of_channels)
{
    static const char *const alike[] = {"input 3x2x2 mean 0.5 std 0.25\ndense 2\n",
                                        "input 3x2x2 std 2.5e-1 mean 0.5\ndense 2\n"};
    static const char *const apart[] = {"input 3x2x2 mean 0.5 std 0.25,0.25,0.25\ndense 2\n",
                                        "input 3x2x2 mean 0.5,0.5,0.5 std 0.25\ndense 2\n",
                                        "input 3x2x2 mean 0.5 std 0.25\naugment cutout 1 flip shift 1\ndense 2\n"};
    const float scale[] = {(float)(1 / (255 * 0.25)), 4, -2};
    for (int i = 0; i < 2; i++) {
        tas_network *network = parse(alike[i]);
        ck_assert_int_eq(network->channel_scales, NO_TENSOR);
        ck_assert_mem_eq(network->scale, scale, sizeof scale);
        tas_network_close(&network);
    }
    for (int i = 0; i < 3; i++) {
        tas_network *network = parse(apart[i]);
        const tensor *t = &network->tensors[network->channel_scales];
        ck_assert_int_eq(network->by_channel, i < 2);
        ck_assert_uint_eq(t->elements, 9);
        for (int c = 0; c < 3; c++) ck_assert_mem_eq(t->constants + 3 * c, scale, sizeof scale);
        ck_assert_int_eq(network->flip && network->shift == 1 && network->cutout == 1, i == 2);
        ck_assert_int_eq(network->forward[0].args.op, OP_DENSE_FORWARD); /* and nothing else is computed */
        tas_network_close(&network);
    }
    tas_network *network = parse("input 3 mean 1,-2,3 std 1,2,4\ndense 2\n");
    const float *constants = network->tensors[network->channel_scales].constants;
    for (int c = 0; c < 3; c++) {
        ck_assert_float_eq(constants[3 * c + 1], 1.0f / (float)(1 << c));
        ck_assert_float_eq(constants[3 * c + 2], (c == 1 ? 2.0f : -1.0f - (float)c) / (float)(1 << c));
    }
    tas_network_close(&network);
}
END_TEST

/* Refused ---------------------------------------------------------------------------------------------------------- */

START_TEST(refuses_with_file_line_and_words)
{
    static const char *const bad[][3] = {
        {"", "net:", "input 1x28x28"},
        {"\n# nothing\n\n", "net:", "input 1x28x28"},
        {"dense 3\n", "net:1", "input"},
        {"\n\nrelu\n", "net:3", "input"},
        {"loss mse", "net:1", "input"},
        {"input 4\n", "net", "dense"},
        {"input 4\nrelu\ntanh\n", "net", "dense"},
        {"input 4\nloss mse\n", "net", "dense"},
        {"input 4\nconvolution 3\n", "net:2", "input, augment, dense, conv2d, conv_transpose2d, max_pool, avg_pool, "},
        {"input 4\nconvolution 3\n", "net:2", ", add, concat, multiply, relu, leaky, "},
        {"input 4\nconvolution 3\n", "net:2", ", loss, from"},
        {"input 4\nDense 3\n", "net:2", "'Dense'"},
        {"input 4\nDense 3\n", "net:2", "'dense'"},
        {"input 4\nRelu\n", "net:2", "'relu'"},
        {"input 1x4x4\nmaxpool 2\n", "net:2", "'max_pool'"},
        {"input 1x4x4\nMaxPool2d 2\n", "net:2", "'max_pool'"},
        {"input 1x4x4\nconv 2 3\n", "net:2", "'conv2d'"},
        {"inptu 4\n", "net:1", "input"},
        {"input 1x4x4\nconv2d 2 3 strid 2\n", "net:2", "'stride'"},
        {"input 4\nconv_transpose2d 2 3\n", "net:2", "planes"},
        {"input 1x4x4\nconv_transpose2d 2 3 output_padding 1\n", "net:2", "less than the stride"},
        {"input 1x1x1\nconv_transpose2d 2 3 padding 2\n", "net:2", "leaves nothing"},
        {"input 3x4x4\nconv_transpose2d 2 3 groups 2\n", "net:2", "groups 2"},
        {"input 1x4096x4096\nconv_transpose2d 2 1 stride 4096\n", "net:2", "too large"},
        {"input 4\nupsample 2\n", "net:2", "planes"},
        {"input 1x4x4\nupsample 0\n", "net:2", "a factor"},
        {"input 1x4096x4\nupsample 4096x1\nupsample 2\n", "net:3", "too large"},
        {"input 4\npad 1\n", "net:2", "planes"},
        {"input 1x4x4\npad\n", "net:2", "the padding"},
        {"input 1x4x4\npad 1 1 1\n", "net:2", "unexpected '1'"},
        {"input 4\ndense 2 no bais\n", "net:2", "bias"},
        {"input 4\ndense 2 no\n", "net:2", "bias"},
        {"input 4\ndense 2 no bias no bias\n", "net:2", "a second 'no"},
        {"input 4\ndense 2 bias\n", "net:2", "[no bias]"},
        {"input 1x4x4\nconv2d 2 3 Padding 2\n", "net:2", "'padding'"},
        {"input 1x4x4 sdt 2\nconv2d 2 3\n", "net:1", "'std'"},
        {"input 4\ndense 3 relu\n", "net:2: 'relu'", "a line of its own"},
        {"input 4 dense 3\n", "net:1: 'dense'", "a line of its own"},
        {"input 1x4x4\nconv2d 2 3 stride 1 stride 1\n", "net:2", "a second 'stride'"},
        {"input 4 mean 1 std 2 mean 1\n", "net:1", "a second 'mean'"},
        {"input 4\ndense\n", "net:2", "expected a number of outputs"},
        {"input 4\ndense # 3\n", "net:2", "expected a number of outputs"},
        {"input 4\ndense 0\n", "net:2", "'0'"},
        {"input 4\ndense -3\n", "net:2", "'-3'"},
        {"input 4\ndense +3\n", "net:2", "'+3'"},
        {"input 4\ndense 3.5\n", "net:2", "'3.5'"},
        {"input 4\ndense 3x\n", "net:2", "'3x'"},
        {"input 4\ndense ten\n", "net:2", "'ten'"},
        {"input 4\ndense 16777217\n", "net:2", "16777216"},
        {"input 4\ndense 99999999999999999999999\n", "net:2", "16777216"},
        {"input 4\ndense 3 init\n", "net:2", "he"},
        {"input 4\ndense 3 init xavier\n", "net:2", "glorot"},
        {"input 4\ndense 3 4\n", "net:2: unexpected '4'", "dense N [init he|glorot]"},
        {"input 4\ndense 3 init he init he\n", "net:2", "a second 'init'"},
        {"input 4\nrelu 3\ndense 2\n", "net:2", "unexpected '3'"},
        {"input 4\nleaky x\ndense 2\n", "net:2", "slope"},
        {"input 4\nleaky -0.1\ndense 2\n", "net:2", "from 0 to 1"},
        {"input 4\nleaky 1.5\ndense 2\n", "net:2", "from 0 to 1"},
        {"input 4\nleaky nan\ndense 2\n", "net:2", "slope"},
        {"input 4\ndense 2\nloss\n", "net:3: expected a loss", "softmax|mse|bce|mae|huber"},
        {"input 4\ndense 2\nloss l1\n", "net:3: expected a loss", "softmax|mse|bce|mae|huber"},
        {"input 4\ndense 2\nloss hubre\n", "net:3", "did you mean 'huber'"},
        {"input 4\ndense 2\nloss softmax smoothing\n", "net:3: expected the smoothing", "from 0 to 1"},
        {"input 4\ndense 2\nloss softmax smoothing 1.5\n", "net:3: expected the smoothing", "from 0 to 1"},
        {"input 4\ndense 2\nloss mse smoothing 0.1\n", "net:3: 'smoothing'", "loss softmax alone, not for loss mse"},
        {"input 4\ndense 2\nloss mae delta 1\n", "net:3: 'delta'", "loss huber alone, not for loss mae"},
        {"input 4\ndense 2\nloss huber delta 0\n", "net:3: expected the delta", "from 1e-6 to 1e6"},
        {"input 4\ndense 2\nloss huber 2\n", "net:3: unexpected '2'", "[delta D]"},
        {"input 4\ndense 2\nloss softmax weights\n", "net:3: expected the weights of classes", "line ends"},
        {"input 4\ndense 2\nloss softmax weights 1,-1\n", "net:3: expected the weights", "from 0 to 1e6"},
        {"input 4\ndense 2\nloss softmax weights 1,2,3\n", "net:3: expected 2 weights", "one per class, got 3"},
        {"input 4\ndense 2\nloss bce weights 1\n", "net:3: expected 2 weights", "one per class, got 1"},
        {"input 4\ndense 1\nloss bce weights 1\n", "net:3: expected 2 weights", "one per class, got 1"},
        {"input 4\ndense 1\nloss mse weights 1,2\n", "net:3: expected 1 weights", "one per class, got 2"},
        {"input 4\ndense 2\nloss softmax weights 0,0\n", "net:3: the weights are all 0", "above 0"},
        {"input 4\ndense 2\nloss SoftMax\n", "net:3", "did you mean 'softmax'"},
        {"input 4\ndense 2 init glorto\n", "net:2", "did you mean 'glorot'"},
        {"input 4\ndense 2\nloss mse\nrelu\n", "net:4", "line 3"},
        {"input 4\ndense 2\nloss mse\nloss mse\n", "net:4", "line 3"},
        {"input 4\ndense 2\n\ninput 4\n", "net:4", "second input"},
        {"input\ndense 2\n", "net:1", "1x28x28"},
        {"input 0\ndense 2\n", "net:1", "'0'"},
        {"input 1x0x28\ndense 2\n", "net:1", "'1x0x28'"},
        {"input 1x2x3x4\ndense 2\n", "net:1", "such as 1x28x28"},
        {"input 1x2x3x4x5\ndense 2\n", "net:1", "such as 1x28x28"},
        {"input 28x\ndense 2\n", "net:1", "'28x'"},
        {"input x28\ndense 2\n", "net:1", "'x28'"},
        {"input 28,28\ndense 2\n", "net:1", "'28,28'"},
        {"input -4\ndense 2\n", "net:1", "'-4'"},
        {"input 16777217\ndense 2\n", "net:1", "16777217"},
        {"input 4 4\ndense 2\n", "net:1", "unexpected '4'"},
        {"input 4 std\ndense 2\n", "net:1", "standard deviation"},
        {"input 4 std 0\ndense 2\n", "net:1", "from 1e-12 to 1e30"},
        {"input 4 std -1\ndense 2\n", "net:1", "from 1e-12 to 1e30"},
        {"input 4 std 1e31\ndense 2\n", "net:1", "from 1e-12 to 1e30"},
        {"input 4 std inf\ndense 2\n", "net:1", "'inf'"},
        {"input 4 mean nan\ndense 2\n", "net:1", "'nan'"},
        {"input 4 mean 1e40\ndense 2\n", "net:1", "'1e40'"},
        {"input 4 mean 1e31\ndense 2\n", "net:1", "from -1e30 to 1e30"},
        {"input 4 mean 1e30 std 1e-12\ndense 2\n", "net:1: a mean of 1e+30 for a std of 1e-12", "too large"},
        {"input 4 mean 0,5\ndense 2\n", "net:1: 'mean' has 2 numbers", "each of the 4 values"},
        {"input 4x1x1 std 1,2,3\ndense 2\n", "net:1: 'std' has 3 numbers", "each of the 4 channels"},
        {"input 2 mean 0.5,\ndense 2\n", "net:1", "numbers from -1e30 to 1e30 with commas and no spaces between them"},
        {"input 2 mean ,0.5\ndense 2\n", "net:1", "got ',0.5'"},
        {"input 2 mean 1,,2\ndense 2\n", "net:1", "got '1,,2'"},
        {"input 2 std 1,0\ndense 2\n", "net:1", "from 1e-12 to 1e30"},
        {"input 3x8x8\nconv2d 4 3 pad 1\n", "net:2: unknown word 'pad'", "did you mean 'padding'?"},
        {"input 3x8x8\nconv2d 4 3 padding 1 relu\n", "net:2: 'relu' is a layer", "in a line of its own"},
        {"input data\ndense 2\n", "net:1: 'data' stands for the shape of the data set's examples",
         "without a data set"},
        {"input 2 normalize std 1\ndense 2\n", "net:1: 'normalize' stands for mean and std", "either"},
        {"input 2 normalize normalise\ndense 2\n", "net:1: a second 'normalise'", ""},
        {"input 2 normal\ndense 2\n", "net:1: unknown word 'normal'", "did you mean 'normalize'?"},
        {"input 2\ndense data\n", "net:2: 'data' stands for the number of the data set's classes",
         "a number of outputs"},
        {"input 2\ndense 2\nloss data\n", "net:3: 'data' stands for softmax", "without a data set"},
        {"input 2\ndense 2\nloss softmax mean 1\n", "net:3: 'mean' is for losses mse, mae and huber alone", "softmax"},
        {"input 2\ndense 2\nloss bce std 1\n", "net:3: 'std' is for losses mse, mae and huber alone", "bce"},
        {"input 2\ndense 2\nloss softmax normalize\n", "net:3: 'normalize' is for losses mse", "softmax"},
        {"input 2\ndense 3\nloss mse mean 1,2\n", "net:3: 'mean' has 2 numbers", "each of the 3 outputs"},
        {"input 2\ndense 3 as a\ndense 1\nfreeze\n", "net:4: expected names of layers", "freeze to NAME"},
        {"input 2\ndense 3 as a\ndense 1\nfreeze b\n", "net:4: unknown name 'b'", "'as b'"},
        {"input 2\ndense 3 as ab\ndense 1\nfreeze to abc\n", "net:4: unknown name 'abc'", "did you mean 'ab'?"},
        {"freeze a\ninput 2\ndense 3 as a\ndense 1\n", "net:1: 'a' is used before it is defined", ""},
        {"input 2\ndense 3\nrelu as a\ndense 1\nfreeze a\n", "net:5: 'a' is a layer without parameters, relu", ""},
        {"input 2\ndense 3 as a\ndense 1 as b\nfreeze a b\n", "net: all layers with parameters are frozen",
         "at least one that is trained"},
        {"input 2\ndense 3 as freeze\n", "net:2: 'freeze' is a word of the language", ""},
        {"input 2 mean 1, 2\ndense 2\n", "net:1", "got '1,'"},
        {"input 2 mean 1,2 mean 1\ndense 2\n", "net:1", "a second 'mean'"},
        {"input 4 mean 1 deviation 2\ndense 2\n", "net:1", "'deviation'"},
        {"input 4\nd\x01\n", "net:2", "unknown layer 'd"},
        {"input 1x8x8\nrelu\nmax_pool 2\nflatten\n", "net", "no layer has parameters"},
        {"input 1x8x8\nconv2d\n", "net:2", "output channels"},
        {"input 1x8x8\nconv2d 3\n", "net:2", "the kernel's size"},
        {"input 1x8x8\nconv2d 0 3\n", "net:2", "'0'"},
        {"input 1x8x8\nconv2d 3 0\n", "net:2", "the kernel's size"},
        {"input 1x8x8\nconv2d 3 3x\n", "net:2", "'3x'"},
        {"input 1x8x8\nconv2d 3 x3\n", "net:2", "'x3'"},
        {"input 1x8x8\nconv2d 3 3x3x3\n", "net:2", "'3x3x3'"},
        {"input 1x8x8\nconv2d 3 3x0\n", "net:2", "'3x0'"},
        {"input 1x8x8\nconv2d 3 4097\n", "net:2", "from 1 to 4096"},
        {"input 1x8x8\nconv2d 3 -3\n", "net:2", "'-3'"},
        {"input 1x8x8\nconv2d 3 3 stride\n", "net:2", "the stride"},
        {"input 1x8x8\nconv2d 3 3 stride 0\n", "net:2", "the stride"},
        {"input 1x8x8\nconv2d 3 3 padding -1\n", "net:2", "the padding"},
        {"input 1x8x8\nconv2d 3 3 dilation 0\n", "net:2", "the dilation"},
        {"input 1x8x8\nconv2d 3 3 dilation 4\n", "net:2", "does not fit planes of 8x8"},
        {"input 1x8x8\nconv2d 3 9\n", "net:2", "9x9"},
        {"input 1x8x8\nconv2d 3 1x9\n", "net:2", "1x9"},
        {"input 4x8x8\nconv2d 6 3 groups 3\n", "net:2", "groups 3: expected a divisor of 4 channels in and 6 out"},
        {"input 6x8x8\nconv2d 4 3 groups 3\n", "net:2", "groups 3"},
        {"input 6x8x8\nconv2d 6 3 groups 0\n", "net:2", "groups"},
        {"input 1x8x8\nconv2d 3 3 init xavier\n", "net:2", "glorot"},
        {"input 1x8x8\nconv2d 3 3 bias\n", "net:2", "unexpected 'bias'"},
        {"input 1x8x8\nconv2d 3 3 stride 2 2\n", "net:2", "unexpected '2'"},
        {"input 1x8x8\nmax_pool\ndense 2\n", "net:2", "the window's size"},
        {"input 1x8x8\nmax_pool 9\ndense 2\n", "net:2", "does not fit planes of 8x8"},
        {"input 1x8x8\nmax_pool 3 padding 2\ndense 2\n", "net:2", "at most half of the window"},
        {"input 1x8x8\navg_pool 2x3 padding 1x2\ndense 2\n", "net:2", "at most half of the window"},
        {"input 1x8x8\navg_pool 2 dilation 2\ndense 2\n", "net:2", "unexpected 'dilation'"},
        {"input 1x8x8\nglobal_avg_pool 2\ndense 2\n", "net:2", "unexpected '2'"},
        {"input 1x8x8\nflatten 1\ndense 2\n", "net:2", "unexpected '1'"},
        {"input 4x8x8\naugment\ndense 2\n", "net:2", "usage: augment [flip] [shift N] [cutout N]"},
        {"input 4x8x8\naugment flop\ndense 2\n", "net:2", "did you mean 'flip'"},
        {"input 4x8x8\naugment flip flip\ndense 2\n", "net:2", "a second 'flip'"},
        {"input 4x8x8\naugment shift\ndense 2\n", "net:2", "the largest shift"},
        {"input 4x8x8\naugment shift 0\ndense 2\n", "net:2", "from 1 to 4096"},
        {"input 4x8x9\naugment shift 8\ndense 2\n", "net:2: a shift of 8", "expected at most 7"},
        {"input 4x9x8\naugment flip cutout 9\ndense 2\n", "net:2: a cutout of 9", "9 x 8; expected at most 8"},
        {"input 64\naugment flip\ndense 2\n", "net:2: augment needs planes", "64 values"},
        {"input 8x8\nrelu\naugment flip\ndense 2\n", "net:3", "in the line after the input"},
        {"input 8x8\naugment flip\naugment shift 1\ndense 2\n", "net:3", "in the line after the input"},
        {"input 8x8 as image\naugment flip\nfrom image\ndense 2\n", "net:2: 'image' is named", "'as image'"},
        {"augment flip\ndense 2\n", "net:1", "input"},
        {"input 4\ndropout\ndense 2\n", "net:2", "share of values to drop"},
        {"input 4\ndropout 1\ndense 2\n", "net:2", "from 0 to 0.99"},
        {"input 4\ndropout -0.1\ndense 2\n", "net:2", "from 0 to 0.99"},
        {"input 4\ndropout nan\ndense 2\n", "net:2", "share of values to drop"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) refuse(bad[i][0], bad[i][1], bad[i][2]);
}
END_TEST

/* Products of sizes that pass 2^32, and those that pass 2^64. */
/* Lone bytes, characters that end early, longer forms than needed, surrogates, more than U+10FFFF. */
START_TEST(refuses_what_is_not_utf8)
{
    static const char *const bad[] = {"\x80",         "\xff",         "\xfc\xdf",        "\xc3",
                                      "\xe2\x82",     "\xf0\x9f\xa7", "\xe2\x82\xc3",    "\xc0\xaf",
                                      "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    char text[64];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "input 4\ndense 3 # \xc3\xbc%s\n", bad[i]);
        refuse(text, "net:2:", "character 12 is not UTF-8");
    }
}
END_TEST

START_TEST(refuses_sizes_that_overflow)
{
    refuse("input 65536x65536\ndense 2\n", "net:1", "2^32");
    refuse("input 16777216x16777216\ndense 2\n", "net:1", "2^32");
    refuse("input 16777216x16777216x65536\ndense 2\n", "net:1", "2^32");    /* 2^64 */
    refuse("input 16777216x16777216x16777216\ndense 2\n", "net:1", "2^32"); /* 2^72 */
    refuse("input 1048577x4194304x4194304\ndense 2\n", "net:1", "2^32");
    refuse("input 65536\ndense 65536\n", "net:2", "weights");
    refuse("input 4\ndense 16777216\ndense 16777216\n", "net:3", "weights");
    refuse("input 1x4096x4096\nconv2d 16777216 1 padding 4096\ndense 1\n", "net:2", "2^32");
    refuse("input 1x4096x4096\nconv2d 256 1\ndense 1\n", "net:2", "2^32"); /* 2^32 values */
    refuse("input 65536x1x1\nconv2d 65536 1\n", "net:2", "weights");
    refuse("input 16777216x1x1\nconv2d 16777216 4096x4096 padding 4096\n", "net:2", "weights");
    refuse("input 1x65536x65535\nglobal_avg_pool\ndense 1\n", "net:2", "2^24");
    tas_network *network = parse("input 65535x65537\nrelu\ndense 1\n"); /* 2^32 - 1 */
    ck_assert_uint_eq(tas_network_inputs(network), UINT32_MAX);
    tas_network_close(&network);
}
END_TEST

START_TEST(long_texts)
{
    enum { LINES = 5000, BYTES = 8 };
    char *text = malloc(LINES * BYTES + 100), *at = text;
    ck_assert_ptr_nonnull(text);
    at += sprintf(at, "input 4\n");
    for (int i = 0; i < LINES; i++) at += sprintf(at, "relu\n");
    refuse(text, "net:", "more than 4096 layers");
    at = text + sprintf(text, "input 4\ndense ");
    memset(at, '7', LINES * BYTES);
    at[LINES * BYTES] = 0;
    refuse(text, "net:2", "77777");
    memset(text + 8, 'q', LINES * BYTES);
    refuse(text, "net:2", "unknown layer");
    free(text);
}
END_TEST

/* Of this process: others may be busy. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds that the parser takes for a line that comes so often. */
static double time_lines(char *text, const char *line, int lines)
{
    char *at = text + sprintf(text, "input 1x1x3\n");
    for (int i = 0; i < lines; i++) at += sprintf(at, "%s", line);
    strcpy(at, "dense 3\n");
    const double begin = seconds();
    tas_network *network = parse(text);
    tas_network_close(&network);
    return seconds() - begin;
}

/* The longest text that is allowed, of each layer, takes no more than a moment: its time does not grow with the square
 * of its length. And nothing longer is read, whoever wrote it. */
START_TEST(long_texts_take_little_time)
{
    enum { LAYERS = 4080, PART = 8, BYTES = 1 << 20 };
    static const char *const lines[] = {"dense 3\n", "conv2d 1 1\n", "relu\n", "dropout 0.5\n", "max_pool 1\n"};
    char *text = malloc(BYTES + 100);
    ck_assert_ptr_nonnull(text);
    for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) {
        double few = 0;
        for (int i = 0; i < PART; i++) few += time_lines(text, lines[k], LAYERS / PART);
        const double many = time_lines(text, lines[k], LAYERS);
        ck_assert_msg(many < 3 * few + 0.02, "%s: %.3f s, and in eight parts %.3f s", lines[k], many, few);
    }
    memset(text, '#', BYTES);
    text[BYTES] = 0;
    memcpy(text, "input 3\ndense 3\n", 16);
    tas_network *network = parse(text);
    tas_network_close(&network);
    strcpy(text + BYTES, "#");
    refuse(text, "net", "1048576 bytes");
    free(text);
}
END_TEST

/* Earlier files are replaced, not written over: another name of one keeps what it had. */
START_TEST(saved_as_text)
{
    static const char text[] = "input 4 # a comment\ndense 2\n";
    char folder[] = "/tmp/tassello-network-XXXXXX", file[64], link_name[64], first[8] = "";
    tas_network *network = NULL, *again = NULL;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/a.net", folder);
    snprintf(link_name, sizeof link_name, "%s/b.net", folder);
    expect_ok(tas_network_parse(context, text, "net", &network));
    expect(tas_network_save(network, folder), TAS_BAD_FILE, folder, "not a regular file");
    for (int round = 0; round < 2; round++) {
        expect_ok(tas_network_save(network, file));
        expect_ok(tas_network_open(context, file, &again));
        ck_assert_str_eq(tas_network_text(again), text);
        tas_network_close(&again);
        if (round) break;
        ck_assert_int_eq(truncate(file, 7), 0);
        ck_assert_int_eq(link(file, link_name), 0);
    }
    FILE *earlier = fopen(link_name, "r");
    ck_assert_ptr_nonnull(earlier);
    ck_assert_uint_eq(fread(first, 1, sizeof first, earlier), 7);
    fclose(earlier);
    tas_network_close(&network);
    unlink(file);
    unlink(link_name);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else is left */
}
END_TEST

START_TEST(files)
{
    char path[] = "/tmp/tassello-network-XXXXXX";
    const int fd = mkstemp(path);
    static const char binary[] = "input 4\n\0\x80\xffrelu";
    tas_network *network = NULL;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "input 4\ndense 2\nlos mse", 23), 23);
    expect(tas_network_open(context, path, &network), TAS_BAD_NETWORK, path, ":3: unknown layer 'los'");
    ck_assert_ptr_null(network);
    ck_assert_int_eq(ftruncate(fd, 16), 0);
    expect_ok(tas_network_open(context, path, &network));
    ck_assert_uint_eq(tas_network_outputs(network), 2);
    tas_network_close(&network);
    ck_assert_int_eq(pwrite(fd, binary, sizeof binary, 0), (int)sizeof binary);
    expect(tas_network_open(context, path, &network), TAS_BAD_NETWORK, path, "zero byte");
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(pwrite(fd, "a,b,c\n1,2,3\n", 12, 0), 12);
    expect(tas_network_open(context, path, &network), TAS_BAD_NETWORK, path, "a CSV text");
    ck_assert_int_eq(pwrite(fd, "\0\0\x08\3\0\0\0\1", 8, 0), 8);
    expect(tas_network_open(context, path, &network), TAS_BAD_NETWORK, path, "an IDX file");
    ck_assert_int_eq(ftruncate(fd, 2 << 20), 0);
    expect(tas_network_open(context, path, &network), TAS_BAD_DATA, path, "an IDX file");
    ck_assert_int_eq(pwrite(fd, "\x40\0\0\0\0\0\0\0{\"a\"", 12, 0), 12);
    expect(tas_network_open(context, path, &network), TAS_BAD_DATA, path, "a safetensors checkpoint");
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(pwrite(fd, "Input 4\ndense 2\n", 16, 0), 16);
    expect(tas_network_open(context, path, &network), TAS_BAD_NETWORK, path, "did you mean 'input'?");
    ck_assert_msg(!strstr(tas_error(context), "seems to be"), "%s", tas_error(context));
    close(fd);
    unlink(path);
    expect(tas_network_open(context, path, &network), TAS_BAD_FILE, path, "No such file");
    expect(tas_network_open(context, "no-such-network", &network), TAS_BAD_FILE, "no-such-network", "mlp");
    expect(tas_network_open(context, "mpl", &network), TAS_BAD_FILE, "'mpl'", "did you mean 'mlp'");
    expect(tas_network_open(context, "/tmp/", &network), TAS_BAD_FILE, "/tmp", "a folder");
    ck_assert_ptr_null(network);
}
END_TEST

/* Chains ----------------------------------------------------------------------------------------------------------- */

static int count_calls(const op_call *calls, int count, op_id op)
{
    int found = 0;
    for (int c = 0; c < count; c++) found += calls[c].args.op == op;
    return found;
}

static int count_relus(const tas_network *network)
{
    int found = 0;
    for (int c = 0; c < network->forward_count; c++) found += network->forward[c].args.relu;
    return found;
}

/* Those layers between an input and a last layer; what they freeze comes behind that. */
static tas_network *parse_chain(const char *layers)
{
    char text[200];
    const char *freeze = strstr(layers, "freeze");
    const int length = freeze ? (int)(freeze - layers) : (int)strlen(layers);
    snprintf(text, sizeof text, "input 4\n%.*sdense 2\n%s", length, layers, freeze ? freeze : "");
    return parse(text);
}

/* A relu is a call of its own only if what is before it has other readers, or cannot end with one. */
START_TEST(relus_end_what_is_before_them)
{
    static const struct {
        const char *text;
        int alone, ends;
    } cases[] = {
        {"dense 4\nrelu\n", 0, 1},
        {"dense 4\nflatten\nrelu\n", 0, 1},
        {"dense 4\nrelu\nrelu\n", 1, 1},
        {"dense 4\ntanh\nrelu\n", 1, 0},
        {"dense 4\nbatch_norm\nrelu\n", 0, 2}, /* of training, and of evaluation */
        {"dense 4\nbatch_norm group 2\nrelu\n", 0, 2},
        {"dense 4\nbatch_norm as n\nrelu\nfreeze n\n", 0, 1},
        {"dense 4\nlayer_norm\nrelu\n", 0, 1},
        {"dense 4\nbatch_norm as n\nrelu\nadd n\n", 1, 0},
        {"dense 4\nbatch_norm as n\nflatten\nrelu\nadd n\n", 1, 0},
        {"dense 4 as d\nbatch_norm as n\nfrom d\nflatten\nrelu\nadd n\n", 1, 0},
        {"dense 4 as d\ntanh\nadd d\nrelu\n", 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tas_network *network = parse_chain(cases[i].text);
        ck_assert_msg(count_calls(network->forward, network->forward_count, OP_RELU_FORWARD) == cases[i].alone &&
                          count_relus(network) == cases[i].ends,
                      "%s", cases[i].text);
        tas_network_close(&network);
    }
}
END_TEST

/* Normalization adds the other input of a sum behind it. */
START_TEST(sums_end_normalizations)
{
    static const struct {
        const char *text;
        int alone, ends;
    } cases[] = {
        {"dense 4 as d\nbatch_norm\nadd d\n", 0, 2}, /* of training, and of evaluation */
        {"dense 4 as d\nlayer_norm\nadd d\n", 0, 1},
        {"dense 4 as d\nbatch_norm as n\nadd d\nfreeze n\n", 0, 1},
        {"dense 4 as d\nbatch_norm\nflatten\nadd d\nrelu\n", 0, 2},
        {"dense 4 as d\nbatch_norm\nadd d d\n", 1, 2},
        {"dense 4 as d\nbatch_norm as n\nfrom d\nlayer_norm\nadd n\n", 0, 1},
        {"dense 4 as d\nbatch_norm as n\nfrom d\ntanh\nadd n\n", 1, 0}, /* tanh comes later */
        {"dense 4\nbatch_norm as n\nadd n\n", 1, 0},
        {"dense 4 as d\nbatch_norm as n\nadd d\nadd n\n", 2, 0},
        {"dense 4 as d\nbatch_norm as n\nflatten\nadd d\nadd n\n", 2, 0},
        {"dense 4 as d\nbatch_norm\nrelu\nadd d\n", 1, 0}, /* which ends the normalization */
        {"dense 4 as d\ntanh\nadd d\n", 1, 0},
        {"dense 4 as d\nbatch_norm\nmultiply d\n", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int ends = 0;
        tas_network *network = parse_chain(cases[i].text);
        for (int c = 0; c < network->forward_count; c++) ends += network->forward[c].args.adds;
        ck_assert_msg(count_calls(network->forward, network->forward_count, OP_ADD) == cases[i].alone &&
                          ends == cases[i].ends,
                      "%s", cases[i].text);
        tas_network_close(&network);
    }
}
END_TEST

/* The gradient of a relu is applied where its value's gradient is made: by its only reader, or by the sum over all. */
START_TEST(gradients_of_relus_are_applied_before_them)
{
    static const struct {
        const char *text;
        int alone, masked;
    } cases[] = {
        {"dense 4\nrelu\n", 0, 1},
        {"dense 4\nrelu\ntanh\n", 1, 0},
        {"dense 4\nrelu as r\ntanh\nadd r\n", 0, 1},
        {"dense 4\nrelu as r\nadd r\n", 0, 1},
        {"dense 4\nrelu as r\ntanh\nadd r\nadd r\n", 0, 1},
        {"dense 4\nrelu as r\nflatten\ntanh\nadd r\n", 0, 1},
        {"dense 4\nrelu\nflatten as f\ntanh\nadd f\n", 0, 1},
        {"dense 4\nrelu\nrelu as r\ntanh\nadd r\n", 1, 1},
        {"dense 4 as d\ntanh\nadd d\n", 0, 0},
        {"dense 4\nleaky as l\ntanh\nadd l\n", 0, 0},
        /* a sum's gradient is that of both its inputs */
        {"dense 4 as d\nrelu\nadd d as s\ntanh\nadd s\n", 1, 0},
        {"dense 4 as d\nrelu\nadd d\nflatten as s\ntanh\nadd s\n", 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int masked = 0;
        tas_network *network = parse_chain(cases[i].text);
        for (int c = 0; c < network->backward_count; c++) masked += network->backward[c].args.masked;
        ck_assert_msg(count_calls(network->backward, network->backward_count, OP_RELU_BACKWARD) == cases[i].alone &&
                          masked == cases[i].masked,
                      "%s", cases[i].text);
        tas_network_close(&network);
    }
}
END_TEST

/* A convolution adds its gradient to that of other readers, and applies that of the relu before if it is the last. */
START_TEST(gradients_are_summed_by_convolutions)
{
    static const struct {
        const char *text;
        int alone, added, masked;
    } cases[] = {
        {"relu as r\nconv2d 3 1\nbatch_norm\nadd r\n", 0, 1, 1},
        {"tanh as r\nconv2d 3 1\nbatch_norm\nadd r\n", 0, 1, 0},
        {"relu as r\nconv2d 3 1 as a\nfrom r\nconv2d 3 1\nadd a\n", 0, 1, 1},
        {"relu as r\nconv2d 3 1 as a\nfrom r\nconv2d 3 1\nadd a r\n", 0, 2, 1},
        {"relu as r\nflatten\ndense 75\nflatten as a\nfrom r\nconv2d 3 1\nflatten\nadd a\n", 1, 0, 1},
        {"relu as r\nconv2d 3 1\ntanh\nconv2d 3 1\nadd r\n", 0, 1, 1},
        {"conv2d 3 1 as r\nadd r\n", 1, 0, 0}, /* one gradient twice */
        {"relu as r\ntanh\nadd r\n", 1, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        int added = 0, masked = 0;
        snprintf(text, sizeof text, "input 2x5x5\nconv2d 3 1\n%sdense 2\n", cases[i].text);
        tas_network *network = parse(text);
        for (int c = 0; c < network->backward_count; c++) {
            added += network->backward[c].args.adds;
            masked += network->backward[c].args.masked;
        }
        ck_assert_msg(count_calls(network->backward, network->backward_count, OP_ADD) == cases[i].alone &&
                          added == cases[i].added && masked == cases[i].masked,
                      "%s: %d %d %d", cases[i].text, count_calls(network->backward, network->backward_count, OP_ADD),
                      added, masked);
        tas_network_close(&network);
    }
}
END_TEST

/* An activation is computed with the dropout behind it, unless its gradient needs what it makes; its gradient with
 * dropout's. */
START_TEST(activations_before_dropout_are_computed_with_it)
{
    static const struct {
        const char *text;
        op_id op;
        int forward, backward;
    } cases[] = {
        {"dense 4\ngelu\ndropout 0.5\n", OP_GELU_FORWARD, 0, 0},
        {"dense 4\nleaky 0.2\nflatten\ndropout 0.5\n", OP_LEAKY_FORWARD, 0, 0},
        {"dense 4\ntanh\ndropout 0.5\n", OP_TANH_FORWARD, 1, 0},
        {"dense 4\nrelu\ndropout 0.5\n", OP_RELU_FORWARD, 0, 0},
        {"dense 4\ntanh\nrelu\ndropout 0.5\n", OP_RELU_FORWARD, 0, 0},
        {"dense 4\nsilu\ndropout 0.5\ndropout 0.2\n", OP_SILU_FORWARD, 0, 0},
        {"dense 4\ndropout 0.5\nsilu\n", OP_SILU_FORWARD, 1, 1},
        {"dense 4\ngelu as g\ndropout 0.5\nadd g\n", OP_GELU_FORWARD, 1, 1},
        {"dense 4\ngelu\ndropout 0.5 as d\nfreeze d\n", OP_GELU_FORWARD, 1, 1},
        {"dense 4\ngelu\nsigmoid\ndropout 0.5\n", OP_GELU_FORWARD, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tas_network *network = parse_chain(cases[i].text);
        ck_assert_msg(count_calls(network->forward, network->forward_count, cases[i].op) == cases[i].forward &&
                          count_calls(network->backward, network->backward_count, cases[i].op + 1) == cases[i].backward,
                      "%s", cases[i].text);
        tas_network_close(&network);
    }
}
END_TEST

/* Graphs ----------------------------------------------------------------------------------------------------------- */

/* A residual block with a convolution as its shortcut, and a concatenation. */
static const char residual[] = "input 3x9x8\n"
                               "conv2d 4 3 padding 1\n" /* 1 */
                               "relu as start\n"
                               "conv2d 6 3 stride 2 padding 1\n" /* 3 */
                               "relu\n"
                               "conv2d 6 3 padding 1 as body\n"
                               "from start\n"
                               "conv2d 6 1 stride 2\n" /* 6 */
                               "add body\n"
                               "relu as sum # of both\n"
                               "avg_pool 3x1 stride 1 padding 1x0\n"
                               "concat sum body\n" /* 10 */
                               "flatten as rows\n"
                               "dense 360\n"
                               "multiply rows\n" /* 13 */
                               "dense 3\n";

START_TEST(shapes_of_joins)
{
    tas_network *network = parse(residual);
    check_shape(network, 6, 6, 5, 4);
    check_shape(network, 7, 6, 5, 4);
    check_shape(network, 9, 6, 5, 4);
    check_shape(network, 10, 18, 5, 4);
    check_shape(network, 11, 360, 1, 1);
    tas_layer_info info;
    static const int inputs[][3] = {{-1}, {0, -1}, {1, -1}, {2, -1}, {3, -1}, {4, -1}, {2, -1}, {6, 5, -1}};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        ck_assert(tas_network_layer_info(network, i, &info));
        for (size_t k = 0; k <= info.inputs; k++) ck_assert_int_eq(k < info.inputs ? info.input[k] : -1, inputs[i][k]);
        ck_assert(i == 2 || i == 5 ? !strcmp(info.name, i == 2 ? "start" : "body") : !info.name);
    }
    ck_assert(tas_network_layer_info(network, 10, &info) && info.inputs == 3);
    ck_assert(info.input[0] == 9 && info.input[1] == 8 && info.input[2] == 5);
    ck_assert(strstr(tas_network_layer(network, 7), "  of 6, body"));
    ck_assert(strstr(tas_network_layer(network, 6), "30 parameters  of start"));
    ck_assert(!strstr(tas_network_layer(network, 5), " of "));
    tas_network_close(&network);
}
END_TEST

/* Rows meet planes of one value; the first input says whether there are planes. */
START_TEST(joins_of_rows_and_planes_of_one_value)
{
    tas_network *network = parse("input 3x5x5\nconv2d 4 3 as planes\nglobal_avg_pool as mean\n"
                                 "from planes\ndense 4\nadd mean\ndense 2\n");
    check_shape(network, 4, 4, 1, 1);
    tas_network_close(&network);
    network = parse("input 3x5x5\ndense 4 as row\nconcat row row\nconv2d 3 1\ndense 2\n");
    check_shape(network, 2, 12, 1, 1);
    tas_network_close(&network);
    refuse("input 3x5x5\ndense 4 as row\nconcat row row\nconv2d 3 3\ndense 2\n", "net:4", "needs planes");
}
END_TEST

/* Wherever blanks, comments and ends of lines are; a name may be a number's or an argument's. */
START_TEST(names_are_words)
{
    static const char *const good[] = {
        "input 4 mean 1 as x\ndense 4\nadd x\n",
        "input 4\tas\tx # as y\r\ndense 4\r\n\r\nadd\tx\r\nloss mse\r\n",
        "input 4 as he\ndense 4 init he as softmax\nadd he softmax as bias\nmultiply bias\n",
        "input 4 as x1\ndense 4 as X1\nadd x1 X1 as x_-\nadd x_-",
        "input 4 as abcdefghijklmnopqrstuvwxyz01234\ndense 4\nadd abcdefghijklmnopqrstuvwxyz01234",
        "input 4 as x\ndense 3 as a\nfrom x\ndense 3\nadd a\n",
        "input 4 as x\ndense 3 as a\nfrom x\nfrom x\ndense 3\nadd a as b\nfrom b\n", /* the end reads b */
        "input 4\ndense 4 as layer1.0.fc\nbatch_norm as layer1.0.bn\n",              /* files of weights use them */
        "input 4 as x\ndense 4\nadd x x x x x x x x x x x x x x x x x x x x x as y\nadd y\n",
        "input 4 as x\ndense 4\nadd x x x x x x x x x x x x x x x x x x x x x x x\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        tas_network *network = parse(good[i]);
        tas_network_close(&network);
    }
}
END_TEST

START_TEST(refuses_names_with_file_line_and_words)
{
    static const char *const bad[][3] = {
        {"input 4\ndense 4\nadd x\n", "net:3: unknown name 'x'", "'as x'"},
        {"input 4\ndense 4\n\n\nfrom x\n", "net:5: unknown name 'x'", "'as x'"},
        {"input 4\ndense 4 as start\nrelu\nadd stat\n", "net:4: unknown name 'stat'", "did you mean 'start'?"},
        {"input 4\ndense 4 as start\nrelu\nadd Start\n", "net:4: unknown name 'Start'", "did you mean 'start'?"},
        {"input 4\ndense 4\nadd b\nrelu as b\n", "net:3: 'b' is used before it is defined", "an earlier value"},
        {"input 4\ndense 4\nfrom b\n\n#\n\tleaky\tas \tb\t# b\n", "net:3: 'b' is used before it is", "earlier"},
        {"input 4\ndense 4\nfrom b\r\nrelu as b\r\n", "net:3: 'b' is used before it is defined", "an earlier"},
        {"input 4\ndense 4\nadd b\nrelu as b#\n", "net:3: 'b' is used before it is defined", "an earlier value"},
        {"input 4\ndense 4\nadd b\nrelu # as b\n", "net:3: unknown name 'b'", "'as b'"},
        {"input 4\ndense 4\nadd b\nrelu as bb\nrelu has b\n", "net:3: unknown name 'b'", "'as b'"},
        {"input 4\ndense 4\nadd b as b\n", "net:3: unknown name 'b'", "'as b'"},
        {"input 4 as a\ndense 4 as a\nadd a\n", "net:2: a second value named 'a'", "the first is in line 1"},
        {"input 4\ndense 4 as a\nrelu\nadd a as a\n", "net:4: a second value named 'a'", "line 2"},
        {"input 4\ndense 4\nrelu as a\ndense 4\n", "net:3: 'a' is never used", "a line below that refers to it"},
        {"input 4\ndense 4\nrelu as a", "net:3: 'a' is never used", "or no 'as a'"},
        {"input 4 as x\ndense 4 as a\nfrom x\ndense 2\n", "net:2: 'a' is never used", "refers to it"},
        {"input 4 as x\ndense 4 as a\nfrom a\nfrom x\ndense 2\n", "net:2: 'a' is never used", "refers to it"},
        {"input 4 as x\ndense 4\nrelu\nfrom x\ndense 2\n", "net:3: the value of this line is never used", "'as NAME'"},
        {"input 4\ndense 3 as a\ndense 4\nadd a\n", "net:4: 'a' is 3 values",
         "the value before this line is 4 values; add expects values of one shape"},
        {"input 4\ndense 3 as a\ndense 4\nmultiply a\n", "net:4: 'a' is 3 values", "is 4 values; multiply expects"},
        {"input 2x4x5\nconv2d 3 1 as a\nconv2d 2 1\nadd a\n", "net:4: 'a' is 3x4x5", "this line is 2x4x5"},
        {"input 2x4x5\nconv2d 2 2 as a\nmax_pool 1x2\nadd a\n", "net:4: 'a' is 2x3x4", "this line is 2x3x2"},
        {"input 2x4x5 as x\nconv2d 2 1x2\nconcat x\n", "net:3: 'x' is 2x4x5",
         "2x4x4; concat expects planes of one height and width"},
        {"input 2x4x5 as x\nconv2d 2 1 as a\nconv2d 2 2x1\nconcat a x\n", "net:4: 'a' is 2x4x5", "2x3x5; concat"},
        {"input 2x4x5\nconv2d 2 1 as a\nflatten\nadd a\n", "net:4: 'a' is 2x4x5", "this line is 40 values"},
        {"input 4\ndense 4 as\n", "net:2: expected a name after 'as'", "the line ends"},
        {"input 4\ndense 4 as a b\n", "net:2: unexpected 'b' after 'as a'", "the end of the line"},
        {"input 4\ndense 4 as a init he\n", "net:2: unexpected 'init' after 'as a'", "the end of the line"},
        {"input 4\ndense as a\n", "net:2: expected a number of outputs", "the line ends"},
        {"input 4\ndense 4 as 3\n", "net:2: '3' is not a name", "a letter"},
        {"input 4\ndense 4 as -a\n", "net:2: '-a' is not a name", "a letter"},
        {"input 4\ndense 4 as a:b\n", "net:2: 'a:b' is not a name", "digits, _, - or ."},
        {"input 4\ndense 4 as \xc3\xa4\n", "net:2: '\xc3\xa4' is not a name", "a letter"},
        {"input 4\ndense 4 as abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01\n", "net:2: 'abcdef",
         "at most 63 characters"},
        {"input 4\ndense 4 as relu\n", "net:2: 'relu' is a word of the language", "another name"},
        {"input 4\ndense 4 as from\n", "net:2: 'from' is a word of the language", "another name"},
        {"input 4\ndense 4 as as\n", "net:2: 'as' is a word of the language", "another name"},
        {"input 4\ndense 4\nloss mse as a\n", "net:3: the loss has no value to name", ""},
        {"from a\ninput 4\n", "net:1: expected the input's shape first", ""},
        {"input 4\ndense 4 as a\nloss mse\nfrom a\n", "net:4: the loss in line 3 must be the last", ""},
        {"input 4\ndense 4\nfrom\n", "net:3: expected one name", "usage: from NAME"},
        {"input 4 as x\ndense 4\nfrom x x\n", "net:3: expected one name", "usage: from NAME"},
        {"input 4 as x\ndense 4\nfrom x as y\n", "net:3: expected one name", "usage: from NAME"},
        {"input 4 as x\ndense 4\nform x\n", "net:3: unknown layer 'form'", "did you mean 'from'?"},
        {"input 4 as x\ndense 4\nadd\n", "net:3: expected names of earlier values, the line ends", "add NAME..."},
        {"input 4 as x\ndense 4\nadd as y\n", "net:3: expected names of earlier values, the line ends", "add NAME..."},
        {"input 4 as x\ndense 4\nadd 1\n", "net:3: expected names of earlier values, got '1'", "add NAME..."},
        {"input 4 as x\ndense 4\nmultiply x x\n", "net:3: unexpected 'x'", "multiply NAME"},
        {"input 4 as x\ndense 4\nadd x relu\n", "net:3: unknown name 'relu'", ""},
        {"input 4 as x\ndense 4\nadd x x x x x x x x x x x x x x x x x x x x x x x x\n", "net:3: more than 24 words",
         ""},
        {"input 4 as x\nadd x\nmultiply x\n", "net: no layer has parameters", "dense N"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) refuse(bad[i][0], bad[i][1], bad[i][2]);
}
END_TEST

START_TEST(refuses_joins_that_overflow)
{
    refuse("input 65536x32767 as x\nconcat x x\ndense 1\n", "net:2", "2^32 values");
    refuse("input 16777216 as x\nconcat x x x x x x x x x x x x x x x as a\nconcat a a a a a a a a a a a a a a a a\n",
           "net:3", "2^32");
}
END_TEST

/* Values that flow into each other by the thousand, and as many names. */
START_TEST(large_graphs_take_little_time)
{
    enum { BLOCKS = 2000, BYTES = 1 << 20 };
    char *text = calloc(1, BYTES);
    ck_assert_ptr_nonnull(text);
    char *at = text + sprintf(text, "input 3\ndense 3 as v0\n");
    ck_assert_ptr_nonnull(text);
    for (int i = 1; i < BLOCKS; i++) at += sprintf(at, "relu\nadd v%d v%d as v%d\n", i - 1, i / 2, i);
    sprintf(at, "add v%d\n", BLOCKS - 1);
    const double begin = seconds();
    tas_network *network = parse(text);
    ck_assert_msg(seconds() - begin < 2, "%.2f s", seconds() - begin);
    tas_network_close(&network);
    free(text);
}
END_TEST

/* Granules --------------------------------------------------------------------------------------------------------- */

START_TEST(granules)
{
    ck_assert_uint_eq(network_granule(65536, 1), 0);
    ck_assert_uint_eq(network_granule(1ull << 40, 784), 0);
    ck_assert_uint_eq(network_granule(65535, 1), 256);
    ck_assert_uint_eq(network_granule(1, 1), 256);
    ck_assert_uint_eq(network_granule(1, 2), 128);
    ck_assert_uint_eq(network_granule(1, 3), 128); /* 64 of 3 are too few */
    ck_assert_uint_eq(network_granule(1, 127), 4);
    ck_assert_uint_eq(network_granule(1, 128), 2);
    ck_assert_uint_eq(network_granule(1, 255), 2);
    ck_assert_uint_eq(network_granule(1, 256), 1);
    ck_assert_uint_eq(network_granule(1, UINT32_MAX), 1);
}
END_TEST

/* A granule goes by the positions of a convolution's outputs, whatever its stride; its weights alone count for one
 * chain. */
START_TEST(granules_of_convolutions)
{
    tas_network *network = parse("input 64x17x8\nconv2d 2 2 stride 2\nconv2d 4 2\ndense 3\n");
    static const uint32_t wanted[] = {8, 16, 256}; /* of 8 x 4, 7 x 3 and one position */
    const op_id ops[] = {OP_DENSE_BACKWARD_PARAMETERS, OP_CONV_BACKWARD_PARAMETERS, OP_CONV_BACKWARD_PARAMETERS};
    int seen = 0;
    for (int c = 0; c < network->backward_count; c++) {
        const op_args *args = &network->backward[c].args;
        const bool dense = args->op == OP_DENSE_BACKWARD_PARAMETERS;
        if (!dense && args->op != OP_CONV_BACKWARD_PARAMETERS) continue;
        ck_assert_int_eq(args->op, ops[seen]);
        ck_assert_uint_eq(args->size[dense ? 2 : 15], wanted[2 - seen]);
        seen++;
    }
    ck_assert_int_eq(seen, 3);
    tas_network_close(&network);
    network = parse("input 256x3x3\nconv2d 256 1\nconv2d 255 1\n");
    ck_assert_int_eq(network->tensors[network->parameters[0]].partial, NO_TENSOR);
    ck_assert_int_eq(network->tensors[network->parameters[1]].partial, NO_TENSOR);
    ck_assert_int_ge(network->tensors[network->parameters[2]].partial, 0);
    ck_assert_int_ge(network->tensors[network->parameters[3]].partial, 0);
    tas_network_close(&network);
}
END_TEST

/* A layer has an open granule below 65536 weights, and none from there. */
START_TEST(open_granules_are_of_small_layers)
{
    tas_network *network = parse("input 256\ndense 256\ndense 255\n");
    ck_assert_int_eq(network->tensors[network->parameters[0]].partial, NO_TENSOR);
    ck_assert_int_eq(network->tensors[network->parameters[1]].partial, NO_TENSOR); /* a bias goes with its layer */
    ck_assert_int_ge(network->tensors[network->parameters[2]].partial, 0);
    ck_assert_int_ge(network->tensors[network->parameters[3]].partial, 0);
    tas_network_close(&network);
}
END_TEST

/* Initial parameters ----------------------------------------------------------------------------------------------- */

static double unit_again(uint32_t u) { return ((double)(u >> 9) + 0.5) / 8388608; }

/* Value `element` of a weight tensor, in double precision. */
static double init_again(uint64_t seed, uint32_t place, uint32_t element, bool he, double fan_in, double fan_out)
{
    uint32_t v[4];
    philox_again(seed, (const uint32_t[4]){1u << 24 | place, 0, 0, element / 4}, v);
    if (!he) return sqrt(6 / (fan_in + fan_out)) * (2 * unit_again(v[element % 4]) - 1);
    const uint32_t pair = element % 4 / 2 * 2;
    const double radius = sqrt(-2 * log(unit_again(v[pair]))), angle = 2 * acos(-1) * unit_again(v[pair + 1]);
    return sqrt(2 / fan_in) * radius * (element % 2 ? sin(angle) : cos(angle));
}

START_TEST(philox_of_the_paper)
{
    uint32_t v[4]; /* known answers of Random123 */
    philox_again(0, (const uint32_t[4]){0, 0, 0, 0}, v);
    ck_assert(v[0] == 0x6627e8d5 && v[1] == 0xe169c58d && v[2] == 0xbc57ac4c && v[3] == 0x9b00dbd8);
    philox_again(0x299f31d0a4093822, (const uint32_t[4]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, v);
    ck_assert(v[0] == 0xd16cfe09 && v[1] == 0x94fdcceb && v[2] == 0x5001e420 && v[3] == 0x24126ea1);
}
END_TEST

START_TEST(initial_values_are_those_of_the_definition)
{
    const uint64_t seeds[] = {0, 7, 0x123456789abcdef0};
    for (int s = 0; s < 3; s++) {
        tas_network *network = parse("input 30\ndense 21\ndense 10 init glorot\n");
        float he[630], biases[21], glorot[210];
        network_init_parameter(network, 0, seeds[s], he);
        network_init_parameter(network, 1, seeds[s], biases);
        network_init_parameter(network, 2, seeds[s], glorot);
        for (uint32_t i = 0; i < 630; i++)
            ck_assert_double_eq_tol(he[i], init_again(seeds[s], 0, i, true, 30, 21), 1e-6);
        for (uint32_t i = 0; i < 210; i++)
            ck_assert_double_eq_tol(glorot[i], init_again(seeds[s], 2, i, false, 21, 10), 1e-7);
        for (int i = 0; i < 21; i++) ck_assert(biases[i] == 0 && !signbit(biases[i]));
        tas_network_close(&network);
    }
}
END_TEST

/* Of a convolution: fan-in and fan-out of a group, with the kernel's taps. */
START_TEST(initial_values_of_convolutions)
{
    tas_network *network = parse("input 6x9x9\nconv2d 4 3x5 groups 2\nconv2d 6 2 groups 2 init glorot\n");
    float he[4 * 3 * 15], glorot[6 * 2 * 4];
    network_init_parameter(network, 0, 99, he);
    network_init_parameter(network, 2, 99, glorot);
    for (uint32_t i = 0; i < 180; i++) ck_assert_double_eq_tol(he[i], init_again(99, 0, i, true, 45, 30), 1e-6);
    for (uint32_t i = 0; i < 48; i++) ck_assert_double_eq_tol(glorot[i], init_again(99, 2, i, false, 8, 12), 1e-7);
    tas_network_close(&network);
}
END_TEST

/* Bits that no change of the sources may change without a new contract. */
START_TEST(initial_bits_are_pinned)
{
    static const uint32_t he[] = {0xbe993c22, 0x3e66d319, 0x3ecd7e33, 0xbe3ab8e9,
                                  0xbe1cc043, 0x3e171a5b, 0xbdc4b850, 0x3f0bd106};
    static const uint32_t glorot[] = {0xbe2b07bf, 0xbdf47755, 0xbdf3c125, 0xbead658a,
                                      0xbe67f826, 0xbe6e8a8a, 0x3dde5e83, 0x3dec1f09};
    tas_network *network = parse("input 30\ndense 21\ndense 10 init glorot\n");
    float values[630];
    network_init_parameter(network, 0, 7, values);
    for (int i = 0; i < 8; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        ck_assert_msg(bits == he[i], "he %d: %#010x", i, bits);
    }
    network_init_parameter(network, 2, 7, values);
    for (int i = 0; i < 8; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        ck_assert_msg(bits == glorot[i], "glorot %d: %#010x", i, bits);
    }
    tas_network_close(&network);
}
END_TEST

START_TEST(initial_values_of_normalization)
{
    static const struct {
        const char *name;
        float value;
    } wanted[] = {{"1.batch_norm.weight", 1},      {"1.batch_norm.bias", 0},   {"1.batch_norm.running_mean", 0},
                  {"1.batch_norm.running_var", 1}, {"2.layer_norm.weight", 1}, {"2.layer_norm.bias", 0}};
    tas_model *model = model_of_text("input 7x3x3\nbatch_norm\nlayer_norm\ndense 2\n", 5);
    for (int i = 0; i < 6; i++) {
        float values[7];
        expect_ok(tas_model_read(model, wanted[i].name, values, 7));
        for (int k = 0; k < 7; k++) ck_assert_float_eq(values[k], wanted[i].value);
    }
    tas_model_close(&model);
}
END_TEST

START_TEST(initial_statistics)
{
    enum { IN = 300, OUT = 200, ALL = IN * OUT };
    tas_network *network = parse("input 300\ndense 200\ndense 300 init glorot\n");
    float *values = malloc(ALL * sizeof *values), *other = malloc(ALL * sizeof *other);
    const double bound = sqrt(6.0 / (IN + OUT));
    double sum = 0, squares = 0, fourth = 0, most = 0;
    network_init_parameter(network, 0, 3, values);
    network_init_parameter(network, 0, 4, other);
    uint32_t equal = 0;
    for (int i = 0; i < ALL; i++) {
        sum += values[i];
        squares += (double)values[i] * values[i];
        fourth += pow(values[i], 4);
        equal += values[i] == other[i];
    }
    const double variance = squares / ALL;
    ck_assert_uint_lt(equal, 10);
    ck_assert_double_eq_tol(sum / ALL, 0, 4 * sqrt(2.0 / IN / ALL));
    ck_assert_double_eq_tol(variance, 2.0 / IN, 0.03 * 2.0 / IN);
    ck_assert_double_eq_tol(fourth / ALL / variance / variance, 3, 0.15); /* as a normal distribution has it */
    network_init_parameter(network, 2, 3, values);
    sum = squares = 0;
    for (int i = 0; i < ALL; i++) {
        if (fabs(values[i]) > most) most = fabs(values[i]);
        sum += values[i];
        squares += (double)values[i] * values[i];
    }
    ck_assert(most <= bound * (1 + 1e-6) && most > 0.999 * bound);
    ck_assert_double_eq_tol(sum / ALL, 0, 4 * bound / sqrt(3.0 * ALL));
    ck_assert_double_eq_tol(squares / ALL, bound * bound / 3, 0.02 * bound * bound / 3);
    free(values), free(other);
    tas_network_close(&network);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("network");
    TCase *tc = tcase_create("text");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, support_open, support_close);
    tcase_add_test(tc, reads_the_example);
    tcase_add_test(tc, summaries_tell_shapes_and_parameters);
    tcase_add_test(tc, spaces_comments_and_line_ends);
    tcase_add_test(tc, shapes_and_layers);
    tcase_add_test(tc, layers_without_biases);
    tcase_add_test(tc, layers_that_enlarge_planes);
    tcase_add_test(tc, losses_and_layers_of_tensors);
    tcase_add_test(tc, the_language_is_that_of_the_parser);
    tcase_add_test(tc, shapes_of_windows);
    tcase_add_test(tc, short_forms_of_shapes);
    tcase_add_test(tc, costs_of_layers);
    tcase_add_test(tc, shipped_networks_open_by_name);
    tcase_add_test(tc, scales_of_channels);
    tcase_add_test(tc, refuses_with_file_line_and_words);
    tcase_add_test(tc, refuses_what_is_not_utf8);
    tcase_add_test(tc, refuses_sizes_that_overflow);
    tcase_add_test(tc, long_texts);
    tcase_add_test(tc, long_texts_take_little_time);
    tcase_add_test(tc, files);
    tcase_add_test(tc, saved_as_text);
    tcase_add_test(tc, relus_end_what_is_before_them);
    tcase_add_test(tc, sums_end_normalizations);
    tcase_add_test(tc, gradients_of_relus_are_applied_before_them);
    tcase_add_test(tc, gradients_are_summed_by_convolutions);
    tcase_add_test(tc, activations_before_dropout_are_computed_with_it);
    tcase_add_test(tc, shapes_of_joins);
    tcase_add_test(tc, joins_of_rows_and_planes_of_one_value);
    tcase_add_test(tc, names_are_words);
    tcase_add_test(tc, refuses_names_with_file_line_and_words);
    tcase_add_test(tc, refuses_joins_that_overflow);
    tcase_add_test(tc, large_graphs_take_little_time);
    tcase_add_test(tc, granules);
    tcase_add_test(tc, granules_of_convolutions);
    tcase_add_test(tc, open_granules_are_of_small_layers);
    tcase_add_test(tc, philox_of_the_paper);
    tcase_add_test(tc, initial_values_are_those_of_the_definition);
    tcase_add_test(tc, initial_values_of_convolutions);
    tcase_add_test(tc, initial_bits_are_pinned);
    tcase_add_test(tc, initial_values_of_normalization);
    tcase_add_test(tc, initial_statistics);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}
