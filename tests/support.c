/* What several suites share. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

tas_context *context;
tas_device *device;

/* Random numbers --------------------------------------------------------------------------------------------------- */

static uint64_t state = 1;

uint64_t test_seed(void)
{
    static uint64_t seed;
    static bool known;
    if (known) return seed;
    const char *given = getenv("TASSELLO_SEED");
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    known = true;
    printf("TASSELLO_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

void random_seed(uint64_t seed) { state = seed; }

uint64_t random_u64(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint32_t random_below(uint32_t bound) { return (uint32_t)((random_u64() >> 32) * bound >> 32); }
double random_unit(void) { return (double)(random_u64() >> 11) * 0x1p-53; }
float random_float(float least, float most) { return (float)(least + (most - least) * random_unit()); }

enum { BAND = 64 };
float *banded(size_t n, int most)
{
    float *all = malloc((n + 2 * BAND) * sizeof *all);
    for (size_t i = 0; i < n + 2 * BAND; i++) all[i] = NAN;
    for (size_t i = 0; most && i < n; i++) all[BAND + i] = (float)((int)random_below(2 * (uint32_t)most + 1) - most);
    return all + BAND;
}

void unband(float *values, size_t n)
{
    for (size_t i = 0; i < BAND; i++) ck_assert(isnan(values[-1 - (long)i]) && isnan(values[n + i]));
    free(values - BAND);
}

/* Fixtures --------------------------------------------------------------------------------------------------------- */

void support_open(void)
{
    random_seed(test_seed());
    ck_assert_int_eq(tas_context_open(&context), TAS_OK);
    expect_ok(tas_device_open(context, "reference", TAS_ARITH_EXACT, &device));
}

void support_close(void)
{
    tas_device_close(&device);
    tas_context_close(&context);
}

const char sample_net[] = "input 6 mean 0.1 std 0.7\ndense 9\nrelu\ndense 7\ntanh\ndense 4\n";
float sample_inputs[COUNT * INPUTS];
uint32_t sample_labels[COUNT];
tas_data *sample;

void sample_open(void)
{
    support_open();
    for (uint32_t e = 0; e < COUNT; e++) {
        sample_labels[e] = random_below(CLASSES);
        for (uint32_t i = 0; i < INPUTS; i++)
            sample_inputs[e * INPUTS + i] = random_float(-1, 1) + (float)(i == sample_labels[e]);
    }
    sample = data_of(COUNT, INPUTS, sample_inputs, sample_labels, CLASSES, 0);
}

void sample_close(void)
{
    tas_data_close(&sample);
    support_close();
}

tas_train_options sample_options(uint32_t batch, uint64_t steps)
{
    tas_train_options options;
    tas_train_options_init(&options);
    options.batch = batch;
    options.steps = steps;
    options.lr = 0.05f;
    return options;
}

int support_run(Suite *suite)
{
    test_seed(); /* before tests are forked, so that all have the same */
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_ENV);
    const int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}

void expect(tas_status found, tas_status wanted, const char *word, const char *other)
{
    ck_assert_msg(found == wanted, "%s, expected %s: %s", tas_status_name(found), tas_status_name(wanted),
                  tas_error(context));
    if (!wanted) return;
    ck_assert_msg(strstr(tas_error(context), word) && strstr(tas_error(context), other),
                  "\"%s\" lacks \"%s\" or \"%s\"", tas_error(context), word, other);
}

char *text_replaced(const char *text, const char *from, const char *to)
{
    char *out = calloc(1, strlen(text) * (2 + strlen(to)));
    ck_assert_msg(strstr(text, from) != NULL, "nothing to replace: %s", from);
    for (const char *at; (at = strstr(text, from)); text = at + strlen(from)) {
        strncat(out, text, (size_t)(at - text));
        strcat(out, to);
    }
    return strcat(out, text);
}

uint64_t smallest_budget(void)
{
    static const char words[] = "smallest sufficient budget is ";
    const char *at = strstr(tas_error(context), words);
    ck_assert_msg(at, "%s", tas_error(context));
    return strtoull(at + sizeof words - 1, NULL, 10);
}

/* Networks in double precision ------------------------------------------------------------------------------------- */

static const char *const names[] = {"dense",
                                    "conv2d",
                                    "max_pool",
                                    "avg_pool",
                                    "global_avg_pool",
                                    "flatten",
                                    "dropout",
                                    "relu",
                                    "leaky",
                                    "tanh",
                                    "sigmoid",
                                    "gelu",
                                    "silu",
                                    "hard_swish",
                                    "softplus",
                                    "add",
                                    "concat",
                                    "multiply",
                                    "conv_transpose2d",
                                    "upsample",
                                    "pad"};

void plain_add(plain_net *net, plain_kind kind, uint32_t units)
{
    ck_assert(net->layers < PLAIN_LAYERS && units <= PLAIN_WIDTH);
    net->layer[net->layers++] = (plain_layer){.kind = kind, .units = units, .slope = 0.125, .rate = 0.25f};
}

/* Windows along one side. */
static uint32_t windows(const plain_layer *l, int side, uint32_t in)
{
    const long room = (long)in + 2 * (long)l->padding[side] - (long)l->dilation[side] * ((long)l->kernel[side] - 1) - 1;
    return room < 0 ? 0 : (uint32_t)(room / (long)l->stride[side] + 1);
}

/* The side of which the values are added to by a transposed convolution. */
static uint32_t side_transposed(const plain_layer *l, int side, uint32_t in)
{
    const uint32_t whole = (in - 1) * l->stride[side] + l->kernel[side] + l->after[side];
    return whole < 2 * l->padding[side] ? 0 : whole - 2 * l->padding[side];
}

static plain_shape shape_out(const plain_layer *l, plain_shape in)
{
    switch (l->kind) {
    case PLAIN_DENSE: return (plain_shape){l->units, 1, 1, true};
    case PLAIN_CONV: return (plain_shape){l->units, windows(l, 0, in.height), windows(l, 1, in.width), false};
    case PLAIN_MAX_POOL:
    case PLAIN_AVERAGE_POOL:
        return (plain_shape){in.channels, windows(l, 0, in.height), windows(l, 1, in.width), false};
    case PLAIN_GLOBAL_POOL: return (plain_shape){in.channels, 1, 1, false};
    case PLAIN_CONV_TRANSPOSE:
        return (plain_shape){l->units, side_transposed(l, 0, in.height), side_transposed(l, 1, in.width), false};
    case PLAIN_UPSAMPLE: return (plain_shape){in.channels, in.height * l->stride[0], in.width * l->stride[1], false};
    case PLAIN_PAD:
        return (plain_shape){in.channels, in.height + l->padding[0] + l->after[0],
                             in.width + l->padding[1] + l->after[1], false};
    case PLAIN_FLATTEN: return (plain_shape){in.channels * in.height * in.width, 1, 1, true};
    default: return in;
    }
}

static uint32_t values_of(plain_shape s) { return s.channels * s.height * s.width; }

static plain_value value_read(const plain_net *net, int layer)
{
    return net->layer[layer].jumps ? net->layer[layer].from : layer;
}

/* Of all values up to what that many layers give. */
static void list_shapes(const plain_net *net, int layers, plain_shape shape[PLAIN_LAYERS + 1])
{
    shape[0] = net->in.channels ? net->in : (plain_shape){net->inputs, 1, 1, true};
    for (int l = 0; l < layers; l++) {
        const plain_layer *layer = &net->layer[l];
        shape[l + 1] = shape_out(layer, shape[value_read(net, l)]);
        for (int k = 0; layer->kind == PLAIN_CONCAT && k < layer->joins; k++)
            shape[l + 1].channels += shape[layer->join[k]].channels;
    }
}

plain_shape plain_shape_after(const plain_net *net, int layers)
{
    plain_shape shape[PLAIN_LAYERS + 1];
    list_shapes(net, layers, shape);
    return shape[layers];
}

/* Of what the layer reads first. */
static plain_shape shape_before(const plain_net *net, int layer)
{
    return plain_shape_after(net, value_read(net, layer));
}

void plain_join(plain_net *net, plain_kind kind, plain_value with)
{
    plain_add(net, kind, 0);
    net->layer[net->layers - 1].join[0] = with;
    net->layer[net->layers - 1].joins = 1;
}

static bool has_channels(const plain_layer *l) { return l->kind == PLAIN_CONV || l->kind == PLAIN_CONV_TRANSPOSE; }

bool plain_add_window(plain_net *net, plain_layer layer)
{
    const plain_shape in = plain_shape_after(net, layer.jumps ? layer.from : net->layers);
    for (int side = 0; side < 2; side++) {
        if (!layer.stride[side]) layer.stride[side] = 1;
        if (!layer.dilation[side]) layer.dilation[side] = 1;
    }
    if (!layer.groups) layer.groups = 1;
    const plain_shape out = shape_out(&layer, in);
    if (net->layers == PLAIN_LAYERS || !values_of(out) || values_of(out) > PLAIN_WIDTH) return false;
    if (has_channels(&layer) && (in.channels % layer.groups || layer.units % layer.groups)) return false;
    if (in.flat && layer.kind != PLAIN_GLOBAL_POOL && (layer.kernel[0] != 1 || layer.kernel[1] != 1)) return false;
    net->layer[net->layers++] = layer;
    return true;
}

static uint32_t pick(const uint32_t *list, uint32_t count) { return list[random_below(count)]; }

/* A layer that enlarges planes. */
static void draw_larger(plain_net *net, uint32_t most)
{
    plain_layer l = {
        .kind = (plain_kind)(PLAIN_CONV_TRANSPOSE + random_below(3)), .groups = 1, .units = 1 + random_below(4)};
    for (int side = 0; side < 2; side++) {
        l.stride[side] = 1 + random_below(3);
        l.after[side] = l.kind == PLAIN_UPSAMPLE ? 0 : random_below(l.stride[side]);
        l.padding[side] = l.kind == PLAIN_UPSAMPLE ? 0 : random_below(2);
        l.kernel[side] = l.kind == PLAIN_CONV_TRANSPOSE ? 1 + random_below(3) : 0;
    }
    const plain_shape in = plain_shape_after(net, net->layers), out = shape_out(&l, in);
    if (!in.flat && values_of(out) <= most) plain_add_window(net, l);
}

/* A convolution or pool of any geometry, or a layer that enlarges planes. */
static void draw_window(plain_net *net, uint32_t most)
{
    if (!random_below(4)) {
        draw_larger(net, most);
        return;
    }
    static const uint32_t kernels[] = {1, 2, 3, 3, 5}, strides[] = {1, 1, 1, 2, 3}, groups[] = {1, 1, 2, 3};
    const uint32_t kind = random_below(5);
    plain_layer l = {.kind = kind < 3 ? PLAIN_CONV : kind == 3 ? PLAIN_MAX_POOL : PLAIN_AVERAGE_POOL};
    for (int side = 0; side < 2; side++) {
        const bool square = side && random_below(3);
        l.kernel[side] = square ? l.kernel[0] : pick(kernels, 5);
        l.stride[side] = square ? l.stride[0] : pick(strides, 5);
        l.padding[side] = square ? l.padding[0] : random_below(l.kernel[side] / 2 + 1);
        l.dilation[side] = l.kind == PLAIN_CONV && !random_below(4) ? 2 : 1;
    }
    l.groups = l.kind == PLAIN_CONV ? pick(groups, 4) : 1;
    l.units = l.groups * (1 + random_below(5));
    l.no_bias = l.kind == PLAIN_CONV && !random_below(4);
    const plain_shape out = shape_out(&l, plain_shape_after(net, net->layers));
    if (values_of(out) <= most) plain_add_window(net, l);
}

static void draw_pointwise(plain_net *net)
{
    const uint32_t kind = random_below(11);
    if (kind >= 10 || net->layers + 3 > PLAIN_LAYERS) return;
    plain_add(net, (plain_kind)(PLAIN_DROPOUT + (kind ? kind - 1 : 0)), 0); /* dropout twice as often */
    net->layer[net->layers - 1].rate = random_float(0, 0.9f);
}

void plain_draw(plain_net *net, bool spatial, uint32_t most)
{
    const plain_shape in = {1 + random_below(3), 1 + random_below(9), 1 + random_below(9), false};
    *net = (plain_net){.inputs = spatial ? values_of(in) : 1 + random_below(12), .mse = random_below(3) == 0};
    if (spatial) net->in = in;
    if (random_below(2)) net->mean = 0.25, net->std = 0.5;
    for (uint32_t k = 1 + random_below(3); spatial && k; k--) draw_window(net, most), draw_pointwise(net);
    if (spatial && random_below(2)) plain_add(net, random_below(2) ? PLAIN_FLATTEN : PLAIN_GLOBAL_POOL, 0);
    for (uint32_t k = random_below(3); k && net->layers + 4 < PLAIN_LAYERS; k--) {
        plain_add(net, PLAIN_DENSE, 1 + random_below(most < 14 ? most : 14));
        net->layer[net->layers - 1].no_bias = !random_below(4);
        draw_pointwise(net);
    }
    if (!spatial || random_below(4)) plain_add(net, PLAIN_DENSE, 1 + random_below(6));
    if (!plain_parameters(net)) plain_add(net, PLAIN_DENSE, 2);
}

/* A layer that goes out from any value, and a join of what it gives with the value so far: a branch of equal planes. */
static void draw_branch(plain_net *net, uint32_t most)
{
    static const plain_kind joins[] = {PLAIN_ADD, PLAIN_ADD, PLAIN_CONCAT, PLAIN_MULTIPLY};
    const plain_kind kind = joins[random_below(4)];
    const plain_value now = net->layers, from = (plain_value)random_below((uint32_t)net->layers + 1);
    const plain_shape shape = plain_shape_after(net, now), start = plain_shape_after(net, from);
    const bool planes = start.height == shape.height && start.width == shape.width && !start.flat && random_below(4);
    const uint32_t units = kind == PLAIN_CONCAT ? 1 + random_below(3) : shape.channels;
    if (net->layers + 4 > PLAIN_LAYERS) return;
    if (values_of(shape) + units * shape.height * shape.width > most) return;
    if (planes)
        plain_add_window(net, (plain_layer){.kind = PLAIN_CONV, .units = units, .kernel = {3, 1}, .padding = {1, 0}});
    else if (shape.height == 1 && shape.width == 1)
        plain_add(net, PLAIN_DENSE, units);
    else if (kind != PLAIN_CONCAT)
        plain_add(net, PLAIN_TANH, 0); /* of the value itself, which has the shape */
    if (net->layers == now) return;
    net->layer[now].jumps = net->layer[now].kind != PLAIN_TANH;
    net->layer[now].from = from;
    if (random_below(3) == 0) draw_pointwise(net);
    plain_join(net, kind, now);
    if (kind != PLAIN_MULTIPLY && random_below(4) == 0) { /* a third input, maybe the same once more */
        net->layer[net->layers - 1].join[1] = now;
        net->layer[net->layers - 1].joins = 2;
    }
}

void plain_draw_graph(plain_net *net, bool spatial, uint32_t most)
{
    const plain_shape in = {1 + random_below(3), 1 + random_below(6), 1 + random_below(6), false};
    *net = (plain_net){.inputs = spatial ? values_of(in) : 1 + random_below(12), .mse = random_below(3) == 0};
    if (spatial) net->in = in;
    for (uint32_t k = 1 + random_below(2); spatial && k; k--) {
        draw_window(net, most), draw_pointwise(net);
        for (uint32_t branches = random_below(3); branches; branches--) draw_branch(net, most);
    }
    if (spatial && random_below(2)) plain_add(net, random_below(2) ? PLAIN_FLATTEN : PLAIN_GLOBAL_POOL, 0);
    if (net->layers + 2 < PLAIN_LAYERS) plain_add(net, PLAIN_DENSE, 2 + random_below(5)), draw_branch(net, most);
    if (net->layers < PLAIN_LAYERS) plain_add(net, PLAIN_DENSE, 2 + random_below(4));
}

uint32_t plain_outputs(const plain_net *net) { return values_of(plain_shape_after(net, net->layers)); }

/* Inputs that one output of a dense layer or a convolution is made of. */
static size_t chain_of(const plain_layer *l, plain_shape in)
{
    if (l->kind == PLAIN_DENSE) return values_of(in);
    return has_channels(l) ? (size_t)in.channels / l->groups * l->kernel[0] * l->kernel[1] : 0;
}

static size_t parameters_of(const plain_layer *l, plain_shape in)
{
    const size_t chain = chain_of(l, in);
    return chain ? (chain + !l->no_bias) * l->units : 0;
}

size_t plain_parameters(const plain_net *net)
{
    size_t count = 0;
    for (int l = 0; l < net->layers; l++) count += parameters_of(&net->layer[l], shape_before(net, l));
    return count;
}

static int pair_text(char *text, size_t bytes, const char *word, const uint32_t pair[2])
{
    if (pair[0] == pair[1]) return snprintf(text, bytes, "%s %u", word, pair[0]);
    return snprintf(text, bytes, "%s %ux%u", word, pair[0], pair[1]);
}

static int window_text(char *text, size_t bytes, const plain_layer *l)
{
    int n = pair_text(text, bytes, "", l->kernel);
    n += pair_text(text + n, bytes - (size_t)n, " stride", l->stride);
    if (l->padding[0] || l->padding[1]) n += pair_text(text + n, bytes - (size_t)n, " padding", l->padding);
    if (!has_channels(l)) return n;
    if (l->kind == PLAIN_CONV) n += pair_text(text + n, bytes - (size_t)n, " dilation", l->dilation);
    if (l->kind == PLAIN_CONV_TRANSPOSE) n += pair_text(text + n, bytes - (size_t)n, " output_padding", l->after);
    return n + snprintf(text + n, bytes - (size_t)n, " groups %u", l->groups);
}

static int layer_text(char *text, size_t bytes, const plain_layer *l)
{
    int n = snprintf(text, bytes, "\n%s", names[l->kind]);
    if (l->kind == PLAIN_UPSAMPLE) n += pair_text(text + n, bytes - (size_t)n, "", l->stride);
    if (l->kind == PLAIN_PAD) n += pair_text(text + n, bytes - (size_t)n, "", l->padding);
    if (l->kind == PLAIN_PAD) n += pair_text(text + n, bytes - (size_t)n, "", l->after);
    if (l->kind == PLAIN_DENSE || has_channels(l)) n += snprintf(text + n, bytes - (size_t)n, " %u", l->units);
    if (l->kernel[0]) n += window_text(text + n, bytes - (size_t)n, l);
    if (l->no_bias) n += snprintf(text + n, bytes - (size_t)n, " no bias");
    if (l->kind == PLAIN_LEAKY) n += snprintf(text + n, bytes - (size_t)n, " %.9g", l->slope);
    if (l->kind == PLAIN_DROPOUT) n += snprintf(text + n, bytes - (size_t)n, " %.9g", l->rate);
    for (int k = 0; k < l->joins; k++) n += snprintf(text + n, bytes - (size_t)n, " v%d", l->join[k]);
    return n;
}

/* Whether a later line refers to the value, which then has a name. */
static bool is_named(const plain_net *net, plain_value value)
{
    for (int l = 0; l < net->layers; l++) {
        const plain_layer *layer = &net->layer[l];
        if (layer->jumps && layer->from == value) return true;
        for (int k = 0; k < layer->joins; k++)
            if (layer->join[k] == value) return true;
    }
    return false;
}

void plain_text(const plain_net *net, char *text, size_t bytes)
{
    int n = snprintf(text, bytes, "input %u", net->inputs);
    if (net->in.channels) n = snprintf(text, bytes, "input %ux%ux%u", net->in.channels, net->in.height, net->in.width);
    if (net->std > 0) n += snprintf(text + n, bytes - (size_t)n, " mean %.9g std %.9g", net->mean, net->std);
    if (is_named(net, 0)) n += snprintf(text + n, bytes - (size_t)n, " as v0");
    for (int l = 0; l < net->layers; l++) {
        const plain_layer *layer = &net->layer[l];
        if (layer->jumps) n += snprintf(text + n, bytes - (size_t)n, "\nfrom v%d", layer->from);
        n += layer_text(text + n, bytes - (size_t)n, layer);
        if (is_named(net, l + 1)) n += snprintf(text + n, bytes - (size_t)n, " as v%d", l + 1);
    }
    n += snprintf(text + n, bytes - (size_t)n, "\nloss %s\n", net->ending ? net->ending : net->mse ? "mse" : "softmax");
    ck_assert_int_lt(n, (int)bytes);
}

static double activate(const plain_layer *layer, double x)
{
    switch (layer->kind) {
    case PLAIN_RELU: return x > 0 ? x : 0;
    case PLAIN_LEAKY: return x > 0 ? x : layer->slope * x;
    case PLAIN_TANH: return tanh(x);
    case PLAIN_SIGMOID: return 1 / (1 + exp(-x));
    case PLAIN_GELU: return x * 0.5 * erfc(-x / sqrt(2));
    case PLAIN_SILU: return x / (1 + exp(-x));
    case PLAIN_HARD_SWISH: return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
    case PLAIN_SOFTPLUS: return log1p(exp(x));
    default: return x;
    }
}

static void dense(const plain_layer *l, plain_shape in, const double *w, const double *x, double *y)
{
    const uint32_t width = values_of(in);
    for (uint32_t o = 0; o < l->units; o++) {
        y[o] = l->no_bias ? 0 : w[(size_t)width * l->units + o];
        for (uint32_t i = 0; i < width; i++) y[o] += w[(size_t)o * width + i] * x[i];
    }
}

/* The input under tap (ky, kx) of the window at (oy, ox), or -1 where that is in the padding. */
static long under(const plain_layer *l, plain_shape in, uint32_t oy, uint32_t ox, uint32_t ky, uint32_t kx)
{
    const long y = (long)(oy * l->stride[0] + ky * l->dilation[0]) - (long)l->padding[0];
    const long x = (long)(ox * l->stride[1] + kx * l->dilation[1]) - (long)l->padding[1];
    return y < 0 || x < 0 || y >= (long)in.height || x >= (long)in.width ? -1 : y * (long)in.width + x;
}

static double convolve(const plain_layer *l, plain_shape in, const double *w, const double *x, uint32_t o, uint32_t oy,
                       uint32_t ox)
{
    const uint32_t channels = in.channels / l->groups, first = o / (l->units / l->groups) * channels;
    const size_t chain = chain_of(l, in);
    double sum = l->no_bias ? 0 : w[chain * l->units + o];
    for (uint32_t c = 0; c < channels; c++)
        for (uint32_t ky = 0; ky < l->kernel[0]; ky++)
            for (uint32_t kx = 0; kx < l->kernel[1]; kx++) {
                const long at = under(l, in, oy, ox, ky, kx);
                if (at < 0) continue;
                sum += w[o * chain + (c * l->kernel[0] + ky) * l->kernel[1] + kx] *
                       x[(size_t)(first + c) * in.height * in.width + (size_t)at];
            }
    return sum;
}

/* The mean counts the padding as zeros. */
static double pool(const plain_layer *l, plain_shape in, const double *x, uint32_t oy, uint32_t ox, double *kink)
{
    double most = -INFINITY, next = -INFINITY, sum = 0;
    for (uint32_t ky = 0; ky < l->kernel[0]; ky++)
        for (uint32_t kx = 0; kx < l->kernel[1]; kx++) {
            const long at = under(l, in, oy, ox, ky, kx);
            if (at < 0) continue;
            sum += x[at];
            if (x[at] > most)
                next = most, most = x[at];
            else if (x[at] < most && x[at] > next)
                next = x[at];
        }
    if (l->kind == PLAIN_AVERAGE_POOL) return sum / (l->kernel[0] * l->kernel[1]);
    if (kink && most - next < *kink) *kink = most - next; /* equal ones are zeros of a relu that all stay */
    return most;
}

static void slide(const plain_layer *l, plain_shape in, const double *w, const double *x, double *y, double *kink)
{
    const plain_shape out = shape_out(l, in);
    for (uint32_t c = 0; c < out.channels; c++)
        for (uint32_t oy = 0; oy < out.height; oy++)
            for (uint32_t ox = 0; ox < out.width; ox++)
                y[(c * out.height + oy) * out.width + ox] =
                    l->kind == PLAIN_CONV ? convolve(l, in, w, x, c, oy, ox)
                                          : pool(l, in, x + (size_t)c * in.height * in.width, oy, ox, kink);
}

/* Each input is added to K x K outputs; w (C, units / groups, K, K), then biases. */
static void convolve_transposed(const plain_layer *l, plain_shape in, const double *w, const double *x, double *y)
{
    const plain_shape out = shape_out(l, in);
    const uint32_t units = l->units / l->groups, channels = in.channels / l->groups, plane = out.height * out.width;
    for (uint32_t i = 0; i < values_of(out); i++)
        y[i] = l->no_bias ? 0 : w[(size_t)in.channels * units * l->kernel[0] * l->kernel[1] + i / plane];
    for (uint32_t c = 0; c < in.channels; c++)
        for (uint32_t u = 0; u < units; u++)
            for (uint32_t ky = 0; ky < l->kernel[0]; ky++)
                for (uint32_t kx = 0; kx < l->kernel[1]; kx++, w++)
                    for (uint32_t iy = 0; iy < in.height; iy++)
                        for (uint32_t ix = 0; ix < in.width; ix++) {
                            const long oy = (long)(iy * l->stride[0] + ky) - (long)l->padding[0];
                            const long ox = (long)(ix * l->stride[1] + kx) - (long)l->padding[1];
                            if (oy < 0 || ox < 0 || oy >= (long)out.height || ox >= (long)out.width) continue;
                            y[(c / channels * units + u) * plane + (size_t)(oy * (long)out.width + ox)] +=
                                *w * x[(c * in.height + iy) * in.width + ix];
                        }
}

/* upsample: each value is repeated; pad: it is moved. */
static void resize(const plain_layer *l, plain_shape in, const double *x, double *y)
{
    const plain_shape out = shape_out(l, in);
    for (uint32_t c = 0; c < out.channels; c++)
        for (uint32_t oy = 0; oy < out.height; oy++)
            for (uint32_t ox = 0; ox < out.width; ox++) {
                const bool pad = l->kind == PLAIN_PAD;
                const uint32_t iy = pad ? oy - l->padding[0] : oy / l->stride[0];
                const uint32_t ix = pad ? ox - l->padding[1] : ox / l->stride[1];
                const bool inside = iy < in.height && ix < in.width;
                y[(c * out.height + oy) * out.width + ox] = inside ? x[(c * in.height + iy) * in.width + ix] : 0;
            }
}

void philox_again(uint64_t seed, const uint32_t counter[4], uint32_t out[4])
{
    uint32_t x[4], key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    memcpy(x, counter, sizeof x);
    for (int round = 0; round < 10; round++) {
        const uint64_t a = UINT64_C(0xD2511F53) * x[0], b = UINT64_C(0xCD9E8D57) * x[2];
        const uint32_t next[4] = {(uint32_t)(b >> 32) ^ x[1] ^ key[0], (uint32_t)b, (uint32_t)(a >> 32) ^ x[3] ^ key[1],
                                  (uint32_t)a};
        memcpy(x, next, sizeof x);
        key[0] += 0x9E3779B9;
        key[1] += 0xBB67AE85;
    }
    memcpy(out, x, sizeof x);
}

/* A unit is dropped where its word, as a fraction of 2^32, is below the rate. */
static void drop(const plain_net *net, int number, uint32_t width, const double *x, double *y)
{
    const double rate = net->layer[number].rate;
    for (uint32_t i = 0; i < width; i++) {
        uint32_t word[4];
        philox_again(net->seed, (const uint32_t[4]){3u << 24 | (uint32_t)(number + 1), net->epoch, net->example, i / 4},
                     word);
        y[i] = !net->training ? x[i] : word[i % 4] * 0x1p-32 < rate ? 0 : x[i] / (1 - rate);
    }
}

static void apply(const plain_net *net, int number, plain_shape in, const double *w, const double *x, double *y,
                  double *kink)
{
    const plain_layer *l = &net->layer[number];
    const uint32_t width = values_of(in);
    switch (l->kind) {
    case PLAIN_DENSE: dense(l, in, w, x, y); return;
    case PLAIN_CONV:
    case PLAIN_MAX_POOL:
    case PLAIN_AVERAGE_POOL: slide(l, in, w, x, y, kink); return;
    case PLAIN_CONV_TRANSPOSE: convolve_transposed(l, in, w, x, y); return;
    case PLAIN_UPSAMPLE:
    case PLAIN_PAD: resize(l, in, x, y); return;
    case PLAIN_DROPOUT: drop(net, number, width, x, y); return;
    case PLAIN_GLOBAL_POOL:
        for (uint32_t c = 0; c < in.channels; c++) {
            const uint32_t plane = in.height * in.width;
            y[c] = 0;
            for (uint32_t i = 0; i < plane; i++) y[c] += x[c * plane + i] / plane;
        }
        return;
    default:
        for (uint32_t i = 0; i < width; i++) {
            const bool bent =
                x[i] != 0 && (l->kind == PLAIN_RELU || l->kind == PLAIN_LEAKY); /* a 0 was made, and stays */
            if (kink && bent && fabs(x[i]) < *kink) *kink = fabs(x[i]);
            if (kink && l->kind == PLAIN_HARD_SWISH) *kink = fmin(*kink, fabs(fabs(x[i]) - 3));
            y[i] = activate(l, x[i]);
        }
    }
}

/* Further inputs, after the first has become the output: sums and products of values, channels behind channels. */
static void join(const plain_net *net, int number, double (*value)[PLAIN_WIDTH], const plain_shape *shape)
{
    const plain_layer *l = &net->layer[number];
    double *y = value[number + 1];
    uint32_t at = values_of(shape[value_read(net, number)]);
    for (int k = 0; k < l->joins; k++) {
        const double *x = value[l->join[k]];
        const uint32_t width = values_of(shape[l->join[k]]);
        for (uint32_t i = 0; i < width; i++) {
            if (l->kind == PLAIN_ADD) y[i] += x[i];
            if (l->kind == PLAIN_MULTIPLY) y[i] *= x[i];
            if (l->kind == PLAIN_CONCAT) y[at++] = x[i];
        }
    }
}

void plain_forward(const plain_net *net, const double *parameters, const double *inputs, double *outputs, double *kink)
{
    double value[PLAIN_LAYERS + 1][PLAIN_WIDTH];
    plain_shape shape[PLAIN_LAYERS + 1];
    ck_assert_uint_le(net->inputs, PLAIN_WIDTH);
    list_shapes(net, net->layers, shape);
    for (uint32_t i = 0; i < net->inputs; i++)
        value[0][i] = net->std > 0 ? (inputs[i] - net->mean) / net->std : inputs[i];
    for (int l = 0; l < net->layers; l++) {
        const plain_value from = value_read(net, l);
        apply(net, l, shape[from], parameters, value[from], value[l + 1], kink);
        join(net, l, value, shape);
        parameters += parameters_of(&net->layer[l], shape[from]);
    }
    memcpy(outputs, value[net->layers], plain_outputs(net) * sizeof *outputs);
}

double plain_softmax(const double *outputs, uint32_t count, uint32_t label)
{
    double sum = 0;
    for (uint32_t j = 0; j < count; j++) sum += exp(outputs[j] - outputs[label]);
    return log(sum);
}

double plain_squared(const double *outputs, uint32_t count, const double *target)
{
    double sum = 0;
    for (uint32_t j = 0; j < count; j++) sum += (outputs[j] - target[j]) * (outputs[j] - target[j]);
    return sum / count;
}

static double smoothed(const double *outputs, uint32_t count, uint32_t label, double smoothing)
{
    double sum = 0;
    for (uint32_t j = 0; j < count; j++)
        sum += (smoothing / count + (j == label ? 1 - smoothing : 0)) * plain_softmax(outputs, count, j);
    return sum;
}

/* Of one output y and its target. */
static double output_loss(const plain_net *net, double y, double target, double *kink)
{
    const double d = fabs(y - target), bend = net->loss == TAS_LOSS_MAE ? d : fabs(d - net->delta);
    if (net->loss == TAS_LOSS_BCE) return -target * log(1 / (1 + exp(-y))) - (1 - target) * log(1 / (1 + exp(y)));
    if (kink && bend < *kink) *kink = bend;
    if (net->loss == TAS_LOSS_MAE) return d;
    ck_assert_int_eq(net->loss, TAS_LOSS_HUBER);
    return d <= net->delta ? d * d / 2 : net->delta * (d - net->delta / 2);
}

double plain_loss(const plain_net *net, const double *outputs, uint32_t label, const double *target, double *kink)
{
    const uint32_t count = plain_outputs(net);
    double sum = 0;
    if (!net->mse) return smoothed(outputs, count, label, net->smoothing);
    if (!net->ending) return plain_squared(outputs, count, target);
    for (uint32_t j = 0; j < count; j++) sum += output_loss(net, outputs[j], target[j], kink);
    return sum / count;
}

/* Models ----------------------------------------------------------------------------------------------------------- */

tas_model *model_of_text(const char *text, uint64_t seed)
{
    tas_network *network = NULL;
    tas_model *model = NULL;
    expect_ok(tas_network_parse(context, text, "test", &network));
    expect_ok(tas_model_open(device, network, seed, &model));
    tas_network_close(&network);
    return model;
}

tas_model *model_of(const plain_net *net, uint64_t seed)
{
    char text[PLAIN_TEXT];
    plain_text(net, text, sizeof text);
    return model_of_text(text, seed);
}

size_t model_elements(const tas_model *model)
{
    size_t count = 0;
    const tas_tensor_info *info;
    for (size_t i = 0; (info = tas_network_tensor(tas_model_network(model), i)); i++) count += info->elements;
    return count;
}

float *model_get(tas_model *model)
{
    float *values = malloc(model_elements(model) * sizeof *values);
    const tas_tensor_info *info;
    size_t at = 0;
    for (size_t i = 0; (info = tas_network_tensor(tas_model_network(model), i)); i++) {
        expect_ok(tas_model_read(model, info->name, values + at, info->elements));
        at += info->elements;
    }
    return values;
}

void model_set(tas_model *model, const float *values)
{
    const tas_tensor_info *info;
    size_t at = 0;
    for (size_t i = 0; (info = tas_network_tensor(tas_model_network(model), i)); i++) {
        expect_ok(tas_model_write(model, info->name, values + at, info->elements));
        at += info->elements;
    }
}

tas_data *data_of(uint64_t count, size_t input_size, const float *inputs, const void *targets, uint32_t classes,
                  size_t target_size)
{
    return data_with_weights(count, input_size, inputs, targets, classes, target_size, NULL);
}

tas_data *data_with_weights(uint64_t count, size_t input_size, const float *inputs, const void *targets,
                            uint32_t classes, size_t target_size, const float *weights)
{
    tas_data *data = NULL;
    tas_data_options options;
    tas_data_options_init(&options);
    options.count = count;
    options.input_size = input_size;
    options.input_type = TAS_INPUT_F32;
    options.target_type = classes ? TAS_TARGET_LABEL : TAS_TARGET_F32;
    options.classes = classes;
    options.target_size = target_size;
    options.inputs = inputs;
    options.targets = targets;
    options.weights = weights;
    expect_ok(tas_data_open(context, &options, &data));
    return data;
}
