/* ONNX: networks go out and come back with the same bits; graphs by hand, and those of PyTorch's exporters, become the
 * layers that they should; what cannot is refused by the node's name and type. Outputs are compared with onnxruntime's
 * in tests/peer/onnx_models.py. */
#include "onnx/write.h"

#include "support.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/tassello-onnx-XXXXXX", path[sizeof folder + 16];

/* ---- graphs from a text ------------------------------------------------------------------------------------------ */

enum { WORDS = 32, PLACES = 4 };

/* One line per part:
 *     input NAME TYPE DIM...       a DIM that is not a number is a symbol
 *     float NAME DIM...            values from -0.5 to 0.5, in turn
 *     number NAME VALUE            a scalar
 *     ints NAME VALUE...
 *     type NAME TYPE, bytes NAME COUNT, elsewhere NAME FILE, nan NAME    damage an earlier tensor
 *     output NAME, opset VERSION, domain DOMAIN (of the node before)
 *     OP OUTPUT INPUT... KEY=VALUE...    _ is an input that is left out */
typedef struct graph {
    onnx_writer w;
    Onnx__ValueInfoProto *inputs[PLACES], *outputs[PLACES];
    size_t input_count, output_count;
    int64_t opset;
} graph;

static char *copy(graph *g, const char *text) { return (char *)(uintptr_t)onnx_text(&g->w, "%s", text); }

static Onnx__TensorProto *last_tensor(graph *g, const char *name)
{
    for (size_t i = 0; i < g->w.tensors.count; i++) {
        Onnx__TensorProto *t = g->w.tensors.items[i];
        if (!strcmp(t->name, name)) return t;
    }
    ck_abort_msg("no tensor %s", name);
}

static void add_floats(graph *g, const char *name, const int64_t *dims, size_t ndims)
{
    size_t count = 1;
    for (size_t d = 0; d < ndims; d++) count *= (size_t)dims[d];
    float *values = onnx_alloc(&g->w.arena, count + 1, sizeof *values);
    for (size_t i = 0; i < count; i++) values[i] = (float)((i * 37 + 11) % 101) / 101 - 0.5f;
    onnx_tensor_add(&g->w, name, dims, ndims, values);
}

static void add_place(graph *g, char **word, int count, bool output)
{
    int64_t dims[8] = {0};
    for (int k = 4; k < count; k++) dims[k - 4] = atoll(word[k]);
    Onnx__ValueInfoProto *info = onnx_info(&g->w, copy(g, word[1]), dims, count > 4 ? (size_t)(count - 4) : 0);
    Onnx__TensorShapeProto *shape = info->type->tensor_type->shape;
    if (count > 2) info->type->tensor_type->elem_type = atoi(word[2]);
    for (int k = 3; k < count; k++) {
        const bool number = strspn(word[k], "-0123456789") == strlen(word[k]);
        shape->dim[k - 3]->has_dim_value = number;
        shape->dim[k - 3]->dim_value = atoll(word[k]);
        shape->dim[k - 3]->dim_param = number ? NULL : copy(g, word[k]);
    }
    if (count == 3) shape->n_dim = 0;
    if (output)
        g->outputs[g->output_count++] = info;
    else
        g->inputs[g->input_count++] = info;
}

static void add_attribute(graph *g, Onnx__NodeProto *node, const char *word)
{
    char *key = copy(g, word), *value = strchr(key, '='), *rest = NULL;
    int64_t list[WORDS];
    size_t count = 0;
    *value++ = 0;
    if (strspn(value, "-0123456789,") != strlen(value)) {
        if (strspn(value, "-0123456789.e") == strlen(value))
            onnx_node_float(&g->w, node, key, strtof(value, NULL));
        else
            onnx_node_word(&g->w, node, key, value);
    } else if (!strchr(value, ','))
        onnx_node_int(&g->w, node, key, atoll(value));
    else {
        for (char *at = strtok_r(value, ",", &rest); at; at = strtok_r(NULL, ",", &rest)) list[count++] = atoll(at);
        onnx_node_list(&g->w, node, key, list, count);
    }
}

static void add_node(graph *g, char **word, int count)
{
    Onnx__NodeProto *node = onnx_node_add(&g->w, copy(g, word[0]), copy(g, word[1]));
    for (int k = 2; k < count; k++)
        if (strchr(word[k], '='))
            add_attribute(g, node, word[k]);
        else
            onnx_node_reads(&g->w, node, strcmp(word[k], "_") ? copy(g, word[k]) : "");
}

/* False if the line is no damage. */
static bool damage(graph *g, char **word)
{
    if (!strcmp(word[0], "type"))
        last_tensor(g, word[1])->data_type = atoi(word[2]);
    else if (!strcmp(word[0], "bytes"))
        last_tensor(g, word[1])->raw_data.len = (size_t)atoi(word[2]);
    else if (!strcmp(word[0], "nan"))
        ((float *)(void *)last_tensor(g, word[1])->raw_data.data)[1] = (float)strtod("nan", NULL);
    else if (!strcmp(word[0], "elsewhere")) {
        Onnx__StringStringEntryProto *entry = onnx_alloc(&g->w.arena, 1, sizeof *entry);
        Onnx__StringStringEntryProto **entries = onnx_alloc(&g->w.arena, 1, sizeof *entries);
        onnx__string_string_entry_proto__init(entry);
        *entries = entry;
        entry->key = copy(g, "location");
        entry->value = copy(g, word[2]);
        Onnx__TensorProto *t = last_tensor(g, word[1]);
        t->external_data = entries;
        t->n_external_data = 1;
        t->has_data_location = t->data_location = 1;
        t->has_raw_data = 0;
    } else
        return false;
    return true;
}

static void add_line(graph *g, char *line)
{
    char *word[WORDS] = {NULL}, *rest = NULL;
    int64_t numbers[WORDS];
    int count = 0;
    for (char *at = strtok_r(line, " ", &rest); at; at = strtok_r(NULL, " ", &rest)) word[count++] = at;
    if (!count || damage(g, word)) return;
    for (int k = 2; k < count; k++) numbers[k - 2] = atoll(word[k]);
    if (!strcmp(word[0], "input") || !strcmp(word[0], "output"))
        add_place(g, word, count, *word[0] == 'o');
    else if (!strcmp(word[0], "float"))
        add_floats(g, copy(g, word[1]), numbers, (size_t)count - 2);
    else if (!strcmp(word[0], "ints"))
        onnx_ints_add(&g->w, copy(g, word[1]), numbers, (size_t)count - 2);
    else if (!strcmp(word[0], "number"))
        onnx_number_add(&g->w, copy(g, word[1]), strtof(word[2], NULL));
    else if (!strcmp(word[0], "opset"))
        g->opset = atoll(word[1]);
    else if (!strcmp(word[0], "domain"))
        ((Onnx__NodeProto *)g->w.nodes.items[g->w.nodes.count - 1])->domain = copy(g, word[1]);
    else
        add_node(g, word, count);
}

static void write_graph(const char *text)
{
    graph g = {.w.arena.room = UINT64_MAX, .opset = 17};
    char *lines = strdup(text), *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) add_line(&g, line);
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[] = {&opset};
    Onnx__GraphProto out = ONNX__GRAPH_PROTO__INIT;
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    opset.has_version = 1;
    opset.version = g.opset;
    out.node = (Onnx__NodeProto **)g.w.nodes.items;
    out.n_node = g.w.nodes.count;
    out.initializer = (Onnx__TensorProto **)g.w.tensors.items;
    out.n_initializer = g.w.tensors.count;
    out.input = g.inputs;
    out.n_input = g.input_count;
    out.output = g.outputs;
    out.n_output = g.output_count;
    model.graph = &out;
    model.opset_import = opsets;
    model.n_opset_import = 1;
    expect_ok(onnx_file_write(context, path, &model));
    onnx_free(&g.w.arena);
    free(lines);
}

/* The network's text without its first line, which says where it comes from; the last line is left out unless the
 * expected text ends with a loss. */
static void check_text(const tas_onnx *onnx, const char *expected)
{
    const char *text = strchr(tas_network_text(tas_onnx_network(onnx)), '\n') + 1;
    const size_t length = strlen(expected);
    ck_assert_msg(!strncmp(text, expected, length) && (!text[length] || !strncmp(text + length, "loss ", 5)),
                  "the text is\n%s\nexpected\n%s", text, expected);
}

/* ---- out and back ------------------------------------------------------------------------------------------------ */

/* Texts as the import writes them, so that the same text comes back. */
static const char *const chains[] = {
    "input 1x8x8\ndense 7\nrelu\ndense 4\nloss softmax\n",
    "input 12 mean 1,2,3,4,5,6,7,8,9,10,11,12 std 0.5\ndense 7 no bias\ntanh\ndense 4\nloss mse\n",
    "input 3x8x8 mean 0.1,0.2,0.3 std 0.5,0.6,0.7\nconv2d 6 3x2 stride 2x1 padding 1x0 dilation 1x2 groups 3\nleaky "
    "0.2\n"
    "flatten\nsigmoid\ndense 4\nloss bce\n",
    "input 2x8x8\nconv_transpose2d 4 3x2 stride 2 padding 1x0 output_padding 1x0 groups 2\ngelu\nmax_pool 3x2 stride 2 "
    "padding 1\nsilu\navg_pool 2 stride 1x2 padding 1\nhard_swish\nsoftplus\nglobal_avg_pool\ndense 4\nloss mae\n",
    "input 2x4x4\nupsample 2x3\npad 1x2 0x3\nmax_pool 2\npad 1\navg_pool 2\ndropout 0.25\ndense 4\nloss huber\n",
    "input 4x6x6\nbatch_norm momentum 0.3 epsilon 0.001\nlayer_norm\ngroup_norm 2 epsilon 0.01\nflatten\nlayer_norm "
    "epsilon 0.0001\ngroup_norm 12\nbatch_norm\ndense 4\nloss softmax\n",
    "input 2x6x6\nconv2d 4 3 padding 1 no bias\nbatch_norm\nrelu as relu_3\nconv2d 4 3 padding 1 no bias\nadd relu_3 "
    "as "
    "add_5\nconv2d 3 1\nconcat add_5 as concat_7\nconv2d 7 1\nsigmoid\nmultiply concat_7\nglobal_avg_pool\ndense "
    "4\nloss softmax\n",
    "input 9\ndense 5\nloss mse mean 1,2,3,4,5 std 0.5\n",
};
enum { CHAINS = sizeof chains / sizeof *chains };

static void random_outputs(tas_model *model, float *outputs)
{
    const tas_network *network = tas_model_network(model);
    const size_t count = tas_network_inputs(network);
    float *inputs = malloc(5 * count * sizeof *inputs);
    random_seed(7);
    for (size_t i = 0; i < 5 * count; i++) inputs[i] = random_float(-1, 1);
    expect_ok(tas_predict(model, inputs, 5, outputs));
    free(inputs);
}

START_TEST(comes_back)
{
    tas_model *model = model_of_text(chains[_i], 3), *again = NULL;
    tas_onnx *onnx = NULL;
    float found[100], expected[100];
    char digest[2][65];
    const size_t outputs = 5 * tas_network_outputs(tas_model_network(model));
    ck_assert_uint_le(outputs, 100);
    expect_ok(tas_onnx_save(model, path, 0));
    const char *loss = strstr(chains[_i], "loss ") + 5;
    char name[16] = "";
    strncpy(name, loss, strcspn(loss, " \n"));
    expect_ok(tas_onnx_open(context, path, name, &onnx));
    check_text(onnx, chains[_i]);
    expect_ok(tas_onnx_model(onnx, device, NULL, &again));
    expect_ok(tas_model_digest(model, digest[0]));
    expect_ok(tas_model_digest(again, digest[1]));
    ck_assert_str_eq(digest[1], digest[0]);
    random_outputs(model, expected);
    random_outputs(again, found);
    ck_assert(!memcmp(found, expected, outputs * sizeof *found));
    tas_model_close(&again);
    tas_onnx_close(&onnx);
    tas_model_close(&model);
}
END_TEST

/* A new kind of layer needs a row in src/onnx/export_layers.c, and a way back. */
START_TEST(every_layer)
{
    tas_layer_help help;
    char line[64];
    for (size_t i = 0; tas_network_language(i, &help); i++) {
        bool found = !strcmp(help.layer, "augment") || !strcmp(help.layer, "freeze"); /* of training alone */
        for (int k = 0; k < CHAINS; k++) {
            const size_t length = (size_t)snprintf(line, sizeof line, "%s", help.layer);
            for (const char *at = chains[k]; (at = strstr(at, line)); at += length)
                found |= (at == chains[k] || at[-1] == '\n') && strchr(" \n", at[length]);
        }
        ck_assert_msg(found, "no network with %s goes out and comes back", help.layer);
    }
}
END_TEST

/* Augmentation is left out, and frozen layers are layers. */
START_TEST(of_training_alone)
{
    tas_onnx *onnx = NULL;
    tas_model *model = model_of_text("input 1x4x4\naugment flip\nconv2d 2 3 as c\nrelu\ndense 3\nfreeze c\n", 1);
    expect_ok(tas_onnx_save(model, path, 0));
    expect_ok(tas_onnx_open(context, path, NULL, &onnx));
    check_text(onnx, "input 1x4x4\nconv2d 2 3\nrelu\ndense 3\nloss softmax\n");
    tas_onnx_close(&onnx);
    tas_model_close(&model);
}
END_TEST

START_TEST(probabilities)
{
    tas_onnx *onnx = NULL;
    tas_model *model = model_of_text("input 6\ndense 3\n", 1),
              *squares = model_of_text("input 6\ndense 3\nloss mse\n", 1);
    expect_ok(tas_onnx_save(model, path, 1));
    expect_ok(tas_onnx_open(context, path, NULL, &onnx));
    check_text(onnx, "input 6\ndense 3\nloss softmax\n");
    tas_onnx_close(&onnx);
    expect(tas_onnx_open(context, path, "mse", &onnx), TAS_BAD_NETWORK, "(Softmax)", "no layer does this");
    expect(tas_onnx_save(squares, path, 1), TAS_BAD_ARGUMENT, "loss mse", "probabilities");
    expect(tas_onnx_open(context, path, "mes", &onnx), TAS_BAD_ARGUMENT, "did you mean 'mse'", "");
    tas_model_close(&squares);
    tas_model_close(&model);
}
END_TEST

/* ---- graphs by hand ---------------------------------------------------------------------------------------------- */

#define ROW "input x 1 n 6\noutput y\n"
#define PLANES "input x 1 n 2 6 6\noutput y\n"
#define DENSE "float w 6 4\nMatMul y x w\n"

static const struct good {
    const char *graph, *text;
} goods[] = {
    {ROW DENSE, "input 6\ndense 4 no bias\n"},
    {ROW "float w 6 4\nfloat b 4\nMatMul p x w\nAdd y b p\n", "input 6\ndense 4\n"},
    {ROW "float w 4 6\nTranspose t w perm=1,0\nMatMul y x t\n", "input 6\ndense 4 no bias\n"},
    {ROW "float w 6 4\nGemm y x w\n", "input 6\ndense 4 no bias\n"},
    {ROW "float w 4 6\nfloat b 1 4\nGemm g x w b transB=1\nSoftmax y g axis=-1\n", "input 6\ndense 4\nloss softmax\n"},
    {ROW "float w 6 4\nGemm g x w\nSigmoid y g\n", "input 6\ndense 4 no bias\nloss bce\n"},
    {ROW "number m 0.5\nnumber s 0.25\nSub a x m\nDiv b a s\nfloat w 6 4\nMatMul y b w\n",
     "input 6 mean 0.5 std 0.25\ndense 4 no bias\n"},
    {ROW "number m 2\nnumber s -1\nMul a x m\nAdd b a s\nfloat w 6 4\nMatMul y b w\n",
     "input 6 mean 0.5 std 0.5\ndense 4 no bias\n"},
    {ROW "float w 6 4\nMatMul a x w\nSigmoid g a\nMul s a g\nIdentity y s\n", "input 6\ndense 4 no bias\nsilu\n"},
    {ROW "float w 6 4\nMatMul a x w\nHardSigmoid g a alpha=0.16666667 beta=0.5\nMul y g a\n",
     "input 6\ndense 4 no bias\nhard_swish\n"},
    {ROW
     "float w 6 4\nnumber r 1.4142135\nnumber one 1\nnumber half 0.5\nMatMul a x w\nDiv d a r\nErf e d\nAdd s e one\n"
     "Mul h a half\nMul y h s\n",
     "input 6\ndense 4 no bias\ngelu\n"},
    {ROW
     "float w 6 4\nnumber r 0.70710677\nnumber one 1\nnumber half 0.5\nMatMul a x w\nMul d a r\nErf e d\nAdd s e one\n"
     "Mul h s half\nMul y a h\n",
     "input 6\ndense 4 no bias\ngelu\n"},
    {ROW
     "float w 6 4\nnumber t 20\nnumber one 1\nMatMul a x w\nSoftplus p a\nGreater g a t\nWhere s g a p\nMul y s one\n",
     "input 6\ndense 4 no bias\nsoftplus\n"},
    {ROW "float w 6 4\nMatMul a x w\nLeakyRelu y a alpha=0.125\n", "input 6\ndense 4 no bias\nleaky 0.125\n"},
    {ROW "float w 6 6\nMatMul a x w\nAdd b x a\nRelu c b\nAdd y a c\n",
     "input 6 as input_0\ndense 6 no bias as dense_1\nadd input_0\nrelu\nadd dense_1\n"},
    {ROW "float w 6 6\nMatMul a x w\nSum y a x a\n",
     "input 6 as input_0\ndense 6 no bias as dense_1\nadd input_0 dense_1\n"},
    {ROW "float w 6 4\nnumber c 3\nnumber m -1\nMatMul a x w\nRelu r a\nMul p r c\nAdd y m p\n",
     "input 6\ndense 4 no bias\nrelu\nloss mse mean -1 std 3\n"},
    {PLANES "float w 3 2 3 3\nConv y x w pads=0,1,2,1\n", "input 2x6x6\npad 0x1 2x1\nconv2d 3 3 no bias\n"},
    {PLANES "float w 3 2 3 3\nConv y x w auto_pad=SAME_UPPER strides=2,2\n",
     "input 2x6x6\npad 0 1\nconv2d 3 3 stride 2 no bias\n"},
    {PLANES "float w 3 2 3 3\nints p 0 0 1 1 0 0 1 1\nPad a x p\nConv y a w\n",
     "input 2x6x6\nconv2d 3 3 padding 1 no bias\n"},
    {PLANES "float w 3 2 3 3\nints p 0 0 1 1 0 0 1 1\nPad a x p\nConv c a w\nConv d a w\nAdd y c d\n",
     "input 2x6x6\npad 1 as pad_1\nconv2d 3 3 no bias as conv2d_2\nfrom pad_1\nconv2d 3 3 no bias\nadd conv2d_2\n"},
    {PLANES
     "float w 1 2 1 1\nints s 0 -1\nints h 2 3\nConv a x w\nReduceMean b a h keepdims=0\nfloat v 1 4\nMatMul y b v\n",
     "input 2x6x6\nconv2d 1 1 no bias\nglobal_avg_pool\ndense 4 no bias\n"},
    {PLANES "float w 72 4\nShape s x\nints z 0\nGather b s z axis=0\nints l -1\nConcat t b l axis=0\nReshape f x "
            "t\nMatMul y f "
            "w\n",
     "input 2x6x6\ndense 4 no bias\n"},
    {PLANES "float w 72 4\nFlatten f x\nRelu r f\nMatMul y r w\n", "input 2x6x6\nflatten\nrelu\ndense 4 no bias\n"},
    {PLANES "float w 72 4\nints s 0 -1\nReshape f x s\nRelu r f\nMatMul y r w\n",
     "input 2x6x6\nflatten\nrelu\ndense 4 no bias\n"},
    {PLANES
     "float s 2\nfloat b 2\nfloat w 2 4\nInstanceNormalization i x s b\nGlobalMaxPool g i\nFlatten f g\nMatMul y f w\n",
     "input 2x6x6\ngroup_norm 2\nmax_pool 6x6\nflatten\ndense 4 no bias\n"},
    {"opset 18\n" PLANES "float s 1\nfloat b 1\nfloat w 1 2 1 1\nGroupNormalization g x s b num_groups=1\nConv y g w\n",
     "input 2x6x6\nlayer_norm\nconv2d 1 1 no bias\n"},
    {"opset 21\n" PLANES
     "float s 2\nfloat b 2\nfloat w 1 2 1 1\nGroupNormalization g x s b num_groups=2 epsilon=0.001\nConv y g w\n",
     "input 2x6x6\ngroup_norm 2 epsilon 0.001\nconv2d 1 1 no bias\n"},
    {PLANES "float w 1 2 1 1\nConv c x w\nfloat s 4\nints z 1 1 12 12\nResize y c _ _ z "
            "coordinate_transformation_mode=half_pixel "
            "nearest_mode=round_prefer_floor\n",
     "input 2x6x6\nconv2d 1 1 no bias\nupsample 2\n"},
    {"input x 1 n 6 6\noutput y\nints a 1\nfloat w 1 1 3 3\nUnsqueeze u x a\nConv y u w\n",
     "input 1x6x6\nconv2d 1 3 no bias\n"},
    {"input x 1 5 12\noutput y\nints s 5 3 2 2\nfloat w 1 3 2 2\nReshape r x s\nConv y r w\n",
     "input 3x2x2\nconv2d 1 2 no bias\n"},
    {ROW "float w 6 4\nMatMul a x w\nDropout d a\nRelu y d\nRelu nobody d\n",
     "input 6\ndense 4 no bias\ndropout 0.5\nrelu\n"},
};
enum { GOODS = sizeof goods / sizeof *goods };

START_TEST(is_understood)
{
    tas_onnx *onnx = NULL;
    write_graph(goods[_i].graph);
    const tas_status status = tas_onnx_open(context, path, NULL, &onnx);
    ck_assert_msg(!status, "%s\n%s", goods[_i].graph, tas_error(context));
    check_text(onnx, goods[_i].text);
    tas_onnx_close(&onnx);
}
END_TEST

/* MatMul's matrix is (inputs, outputs), this library's (outputs, inputs). */
START_TEST(matrix_is_transposed)
{
    tas_onnx *onnx = NULL;
    write_graph(ROW DENSE);
    expect_ok(tas_onnx_open(context, path, NULL, &onnx));
    const float *values = tas_onnx_values(onnx, 0);
    ck_assert_ptr_null(tas_onnx_values(onnx, 1));
    for (size_t i = 0; i < 6; i++)
        for (size_t o = 0; o < 4; o++)
            ck_assert(values[o * 6 + i] == (float)(((i * 4 + o) * 37 + 11) % 101) / 101 - 0.5f);
    tas_onnx_close(&onnx);
}
END_TEST

static void keep_note(void *user, const char *line) { snprintf(user, 256, "%s", line); }

START_TEST(shared_weights)
{
    tas_onnx *onnx = NULL;
    char last[256] = "";
    write_graph(ROW "float w 6 6\nGemm a x w transB=1\nRelu r a\nGemm y r w transB=1\n");
    tas_set_log(context, keep_note, last);
    expect_ok(tas_onnx_open(context, path, "mse", &onnx));
    tas_set_log(context, NULL, NULL);
    ck_assert_msg(strstr(last, "share (1 times)") != NULL, "%s", last);
    ck_assert(!memcmp(tas_onnx_values(onnx, 0), tas_onnx_values(onnx, 1), 36 * sizeof(float)));
    tas_onnx_close(&onnx);
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static const struct bad {
    const char *graph;
    tas_status status;
    const char *word, *other;
} bads[] = {
    {"input x 1 n 6\n" DENSE, TAS_BAD_NETWORK, "0 outputs", "one"},
    {ROW "output z\n" DENSE, TAS_BAD_NETWORK, "2 outputs", "one"},
    {"output y\nfloat w 6 4\nMatMul y x w\n", TAS_BAD_NETWORK, "no input", ""},
    {"input z 1 n 6\n" ROW DENSE, TAS_BAD_NETWORK, "inputs 'z' and 'x'", "one input"},
    {"input x 2 n 6\noutput y\n" DENSE, TAS_BAD_NETWORK, "input 'x' is of uint8", "float32"},
    {"input x 1 n 6 6 w\noutput y\n" DENSE, TAS_BAD_NETWORK, "dimension 4 of input 'x' is 'w'", "may vary"},
    {"input x 1 n 6 6 6 6\noutput y\n" DENSE, TAS_BAD_NETWORK, "5 dimensions", "(n, values)"},
    {"input x 1 n 0\noutput y\n" DENSE, TAS_BAD_NETWORK, "dimension 2", ""},
    {"input x 1 n 16000000 16000000 16000000\noutput y\n" DENSE, TAS_BAD_NETWORK, "more than 2^32", ""},
    {"opset 5\n" ROW DENSE, TAS_BAD_NETWORK, "opset 5", "7"},
    {ROW "float w 6 4\nMatMul a x w\nAbs y a\n", TAS_BAD_NETWORK, "node 'y' (Abs)", "no layer does this"},
    {ROW "float w 6 4\nMatMul a x w\nRelu y a\ndomain com.acme\n", TAS_BAD_NETWORK, "(Relu)", "domain 'com.acme'"},
    {ROW "float w 6 4\nMatMul a x w\nArgMax y a axis=1\n", TAS_BAD_NETWORK, "(ArgMax)", "not in a class"},
    {ROW "Relu y z\n", TAS_BAD_NETWORK, "node 'y' (Relu)", "'z' is nowhere"},
    {ROW "Relu z x\n", TAS_BAD_NETWORK, "output 'y'", "nowhere"},
    {ROW "Relu a b\nRelu b a\nAdd y a x\n", TAS_BAD_NETWORK, "depends on its own output", "(Relu)"},
    {ROW "Relu y x\nTanh y x\n", TAS_BAD_NETWORK, "node 'y' (Tanh)", "each name once"},
    {ROW "Relu x x\nRelu y x\n", TAS_BAD_NETWORK, "graph's input", "(Relu)"},
    {ROW "float w 6 4\nfloat w 6 4\nMatMul y x w\n", TAS_BAD_NETWORK, "two initializers", "'w'"},
    {ROW "Identity y x\n", TAS_BAD_NETWORK, "does not depend", ""},
    {ROW "float w 6 4\nRelu y w\n", TAS_BAD_NETWORK, "'w' is a constant", "(Relu)"},
    {ROW "float w 5 4\nMatMul y x w\n", TAS_BAD_NETWORK, "5 x 4", "6 inputs"},
    {ROW "float w 6\nMatMul y x w\n", TAS_BAD_NETWORK, "1 dimensions", "6 inputs"},
    {ROW "float w 6 4\nfloat b 3\nMatMul a x w\nAdd y a b\n", TAS_BAD_NETWORK, "'b' has 3 values", "expected 4"},
    {ROW "float w 6 4\nGemm y x w alpha=0.5\n", TAS_BAD_NETWORK, "alpha 0.5", "expected 1"},
    {ROW "float w 6 4\nGemm y x w transA=1\n", TAS_BAD_NETWORK, "transA", ""},
    {ROW "Relu r x\nMatMul y x r\n", TAS_BAD_NETWORK, "computed at run time", "(MatMul)"},
    {PLANES "float w 6 4\nMatMul y x w\n", TAS_BAD_NETWORK, "is (n, 2, 6, 6)", "(n, values)"},
    {ROW "float w 3 2 3 3\nConv y x w\n", TAS_BAD_NETWORK, "is (n, 6)", "(n, channels, height, width)"},
    {PLANES "float w 3 1 3 3\nConv y x w\n", TAS_BAD_NETWORK, "for 1 channels", "has 2"},
    {PLANES "float w 3 2 3 3\nConv y x w kernel_shape=3,5\n", TAS_BAD_NETWORK, "kernel_shape", ""},
    {PLANES "float w 3 2 7 7\nConv y x w\n", TAS_BAD_NETWORK, "3 planes of 0 x 0", ""},
    {PLANES "float w 3 2 3\nConv y x w\n", TAS_BAD_NETWORK, "3 dimensions", "planes"},
    {PLANES "float w 3 2 3 3\nConv y x w pads=1,1\n", TAS_BAD_NETWORK, "'pads' has 2", "four"},
    {PLANES "float w 3 2 3 3\nConv y x w pads=-1,0,0,0\n", TAS_BAD_NETWORK, "'pads' has -1", ""},
    {PLANES "float w 3 2 3 3\nConv y x w strides=0,1\n", TAS_BAD_NETWORK, "'strides' has 0", ""},
    {PLANES "float w 3 2 3 3\nConv y x w strides=1,1,1\n", TAS_BAD_NETWORK, "'strides' has 3 numbers", "at most 2"},
    {PLANES "float w 2 2 3 3\nConvTranspose y x w dilations=2,2\n", TAS_BAD_NETWORK, "no dilation", "(ConvTranspose)"},
    {PLANES "AveragePool y x kernel_shape=3,3 pads=1,1,1,1\n", TAS_BAD_NETWORK, "count_include_pad", "(AveragePool)"},
    {PLANES "MaxPool y x kernel_shape=4,4 strides=4,4 ceil_mode=1\n", TAS_BAD_NETWORK, "ceil_mode", "6 x 6"},
    {PLANES "MaxPool y x kernel_shape=2,2 dilations=2,2\n", TAS_BAD_NETWORK, "dilations", "(MaxPool)"},
    {PLANES "MaxPool y x\n", TAS_BAD_NETWORK, "kernel_shape", "(MaxPool)"},
    {PLANES "ints p 0 1 1 1 0 0 1 1\nPad y x p\n", TAS_BAD_NETWORK, "rows and columns alone", "(Pad)"},
    {PLANES "ints p 0 0 1 1 0 0 1 1\nPad y x p mode=reflect\n", TAS_BAD_NETWORK, "'constant'", "(Pad)"},
    {PLANES "ints z 1 2 9 9\nResize y x _ _ z nearest_mode=floor coordinate_transformation_mode=asymmetric\n",
     TAS_BAD_NETWORK, "1.5 x 1.5", "whole"},
    {PLANES "ints z 1 2 12 12\nResize y x _ _ z mode=linear\n", TAS_BAD_NETWORK, "nearest", "(Resize)"},
    {PLANES "ints a 1\nReduceMean y x a\n", TAS_BAD_NETWORK, "axes 2 and 3", "(ReduceMean)"},
    {PLANES "float s 3\nBatchNormalization y x s s s s\n", TAS_BAD_NETWORK, "'s' has 3 values", "expected 2"},
    {PLANES "float s 2\nBatchNormalization y x s s s s epsilon=0.\n", TAS_BAD_NETWORK, "epsilon 0", ""},
    {PLANES "float s 6\nLayerNormalization y x s s\n", TAS_BAD_NETWORK, "(LayerNormalization)", "group normalization"},
    {PLANES "float s 2\nGroupNormalization y x s s num_groups=3\n", TAS_BAD_NETWORK, "3 groups", "2 channels"},
    {ROW "float w 6 4\nMatMul a x w\nGelu y a approximate=tanh\n", TAS_BAD_NETWORK, "(Gelu)", "exact"},
    {ROW "float w 6 4\nMatMul a x w\nLeakyRelu y a alpha=2.5\n", TAS_BAD_NETWORK, "alpha 2.5", "0 to 1"},
    {ROW "float w 6 4\nnumber c 3\nMatMul a x w\nRelu r a\nMul m r c\nTanh y m\n", TAS_BAD_NETWORK, "node 'm' (Mul)",
     "scale"},
    {ROW "number c -2\nMul s x c\nfloat w 6 4\nMatMul y s w\n", TAS_BAD_NETWORK, "(Mul)", "standard deviation"},
    {ROW "number c 2\nMul s x c\nRelu a s\nRelu b x\nAdd y a b\n", TAS_BAD_NETWORK, "another scale", "(Relu)"},
    {ROW "float w 6 4\nMatMul a x w\nAdd y a x\n", TAS_BAD_NETWORK, "(n, 4) and (n, 6)", "one shape"},
    {PLANES "MaxPool p x kernel_shape=2,2 strides=2,2\nConcat y x p axis=1\n", TAS_BAD_NETWORK, "(n, 2, 3, 3)",
     "planes of one"},
    {PLANES "Relu r x\nConcat y x r axis=2\n", TAS_BAD_NETWORK, "axis 2", "channels"},
    {PLANES "ints s 0 2 36\nRelu r x\nReshape y r s\n", TAS_BAD_NETWORK, "to (0, 2, 36)", "one row"},
    {PLANES "ints s 0 71\nRelu r x\nReshape y r s\n", TAS_BAD_NETWORK, "to (0, 71)", "one row"},
    {PLANES "Relu r x\nFlatten y r axis=2\n", TAS_BAD_NETWORK, "axis 2", "expected 1"},
    {PLANES "Relu r x\nTranspose y r perm=0,2,3,1\n", TAS_BAD_NETWORK, "(Transpose)", "no layer"},
    {PLANES "Relu r x\nCast y r to=10\n", TAS_BAD_NETWORK, "to float16", "(Cast)"},
    {ROW DENSE "type w 10\n", TAS_BAD_DATA, "tensor 'w' is of float16", "float32"},
    {ROW DENSE "type w 99\n", TAS_BAD_DATA, "type 99", ""},
    {ROW DENSE "bytes w 92\n", TAS_BAD_DATA, "has 23 values", "24"},
    {ROW DENSE "bytes w 91\n", TAS_BAD_DATA, "whole number of values", ""},
    {ROW DENSE "nan w\n", TAS_BAD_NETWORK, "value 1 is not finite", "'w'"},
    {ROW DENSE "elsewhere w model.onnx.data\n", TAS_BAD_DATA, "another file, 'model.onnx.data'", "external_data=False"},
};
enum { BADS = sizeof bads / sizeof *bads };

START_TEST(is_refused)
{
    tas_onnx *onnx = (tas_onnx *)&context;
    write_graph(bads[_i].graph);
    const tas_status status = tas_onnx_open(context, path, NULL, &onnx);
    ck_assert_msg(status == bads[_i].status && strstr(tas_error(context), bads[_i].word) &&
                      strstr(tas_error(context), bads[_i].other) && strstr(tas_error(context), path),
                  "%s\n%s: %s\nexpected %s, '%s' and '%s'", bads[_i].graph, tas_status_name(status), tas_error(context),
                  tas_status_name(bads[_i].status), bads[_i].word, bads[_i].other);
    ck_assert_ptr_null(onnx);
}
END_TEST

/* A valid file, cut anywhere, is refused or read, and nothing is read behind its end. */
START_TEST(cut_files)
{
    char bytes[4096];
    tas_onnx *onnx = NULL;
    write_graph(ROW DENSE);
    FILE *file = fopen(path, "rb");
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    ck_assert_uint_lt(size, sizeof bytes);
    for (size_t cut = 0; cut < size; cut++) {
        file = fopen(path, "wb");
        fwrite(bytes, 1, cut, file);
        fclose(file);
        if (!tas_onnx_open(context, path, NULL, &onnx)) ck_assert_uint_gt(cut, size - 32);
        tas_onnx_close(&onnx);
    }
    expect(tas_onnx_open(context, "/nonexistent.onnx", NULL, &onnx), TAS_BAD_FILE, "/nonexistent.onnx", "");
    file = fopen(path, "w");
    fputs("input 1x28x28\ndense 10\n", file);
    fclose(file);
    expect(tas_onnx_open(context, path, NULL, &onnx), TAS_BAD_DATA, "expected an ONNX model", "a network's text");
}
END_TEST

/* As deep as it is long: nothing is recursive. */
START_TEST(deep_graph)
{
    enum { DEEP = 5000 };
    tas_onnx *onnx = NULL;
    char *text = malloc(DEEP * 32 + 64), *at = text + sprintf(text, "input x 1 n 6\noutput a%d\nRelu a0 x\n", DEEP);
    for (int i = 1; i <= DEEP; i++) at += sprintf(at, "Relu a%d a%d\n", i, i - 1);
    write_graph(text);
    expect(tas_onnx_open(context, path, NULL, &onnx), TAS_BAD_NETWORK, "more than 4096 layers", "");
    free(text);
}
END_TEST

/* ---- PyTorch's exporters ----------------------------------------------------------------------------------------- */

static const char *const peers[] = {"mlp-old",         "mlp-new",   "resnet-old", "resnet-new", "activations-old",
                                    "activations-new", "norms-old", "norms-new",  "dense-old",  "dense-new"};
enum { PEERS = sizeof peers / sizeof *peers };

/* What tests/peer/onnx_models.py has written: the text, inputs, and PyTorch's outputs. */
START_TEST(pytorch)
{
    char model_path[512], json_path[512];
    tas_onnx *onnx = NULL;
    tas_model *model = NULL;
    json_error_t error;
    snprintf(model_path, sizeof model_path, PEER_FOLDER "/onnx/%s.onnx", peers[_i]);
    snprintf(json_path, sizeof json_path, PEER_FOLDER "/onnx/%s.json", peers[_i]);
    json_t *expected = json_load_file(json_path, 0, &error), *line, *row, *number;
    ck_assert_msg(expected != NULL, "%s: %s", json_path, error.text);
    expect_ok(tas_onnx_open(context, model_path, NULL, &onnx));
    char text[4096], *at = text;
    size_t i, k;
    json_array_foreach(json_object_get(expected, "network"), i, line) at +=
        sprintf(at, "%s\n", json_string_value(line));
    check_text(onnx, text);

    expect_ok(tas_onnx_model(onnx, device, "peer", &model));
    const size_t inputs = tas_network_inputs(tas_onnx_network(onnx)),
                 outputs = tas_network_outputs(tas_onnx_network(onnx));
    float *x = malloc(inputs * sizeof *x), *y = malloc(outputs * sizeof *y);
    double largest = 0, distance = 0;
    json_array_foreach(json_object_get(expected, "inputs"), i, row)
    {
        const json_t *wanted = json_array_get(json_object_get(expected, "outputs"), i);
        ck_assert_uint_eq(json_array_size(row), inputs);
        ck_assert_uint_eq(json_array_size(wanted), outputs);
        json_array_foreach(row, k, number) x[k] = (float)json_number_value(number);
        expect_ok(tas_predict(model, x, 1, y));
        json_array_foreach(wanted, k, number)
        {
            const double value = json_number_value(number), off = value - (double)y[k];
            if (value > largest || -value > largest) largest = value > 0 ? value : -value;
            if (off > distance || -off > distance) distance = off > 0 ? off : -off;
        }
    }
    ck_assert_uint_ge(i, 5);
    ck_assert_msg(distance <= 1e-5 * largest, "%s: %g apart, the largest output is %g", peers[_i], distance, largest);
    free(x);
    free(y);
    json_decref(expected);
    tas_model_close(&model);
    tas_onnx_close(&onnx);
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    Suite *suite = suite_create("onnx");
    TCase *tests = tcase_create("onnx");
    tcase_add_checked_fixture(tests, support_open, support_close);
    tcase_add_loop_test(tests, comes_back, 0, CHAINS);
    tcase_add_test(tests, every_layer);
    tcase_add_test(tests, of_training_alone);
    tcase_add_test(tests, probabilities);
    tcase_add_loop_test(tests, is_understood, 0, GOODS);
    tcase_add_test(tests, matrix_is_transposed);
    tcase_add_test(tests, shared_weights);
    tcase_add_loop_test(tests, is_refused, 0, BADS);
    tcase_add_test(tests, cut_files);
    tcase_add_test(tests, deep_graph);
    tcase_add_loop_test(tests, pytorch, 0, PEERS);
    suite_add_tcase(suite, tests);
    const int result = support_run(suite);
    unlink(path);
    rmdir(folder);
    return result;
}
