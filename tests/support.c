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
    tas_train_options is;
    tas_train_options_init(&is);
    is.batch = batch;
    is.steps = steps;
    is.lr = 0.05f;
    return is;
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

/* Networks in double precision ------------------------------------------------------------------------------------- */

static const char *const names[] = {"dense", "relu", "leaky", "tanh", "sigmoid", "gelu"};

void plain_add(plain_net *net, plain_kind kind, uint32_t units)
{
    ck_assert(net->layers < PLAIN_LAYERS && units <= PLAIN_WIDTH);
    net->layer[net->layers++] = (plain_layer){.kind = kind, .units = units, .slope = 0.125};
}

uint32_t plain_outputs(const plain_net *net)
{
    uint32_t width = net->inputs;
    for (int l = 0; l < net->layers; l++)
        if (net->layer[l].kind == PLAIN_DENSE) width = net->layer[l].units;
    return width;
}

size_t plain_parameters(const plain_net *net)
{
    size_t width = net->inputs, count = 0;
    for (int l = 0; l < net->layers; l++) {
        if (net->layer[l].kind != PLAIN_DENSE) continue;
        count += (width + 1) * net->layer[l].units;
        width = net->layer[l].units;
    }
    return count;
}

void plain_text(const plain_net *net, char *text, size_t bytes)
{
    int n = snprintf(text, bytes, "input %u", net->inputs);
    if (net->std > 0) n += snprintf(text + n, bytes - (size_t)n, " mean %.9g std %.9g", net->mean, net->std);
    for (int l = 0; l < net->layers; l++) {
        const plain_layer *layer = &net->layer[l];
        n += snprintf(text + n, bytes - (size_t)n, "\n%s", names[layer->kind]);
        if (layer->kind == PLAIN_DENSE) n += snprintf(text + n, bytes - (size_t)n, " %u", layer->units);
        if (layer->kind == PLAIN_LEAKY) n += snprintf(text + n, bytes - (size_t)n, " %.9g", layer->slope);
    }
    n += snprintf(text + n, bytes - (size_t)n, "\nloss %s\n", net->mse ? "mse" : "softmax");
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
    default: return x;
    }
}

void plain_forward(const plain_net *net, const double *parameters, const double *inputs, double *outputs, double *kink)
{
    double value[2][PLAIN_WIDTH];
    uint32_t width = net->inputs;
    int at = 0;
    ck_assert_uint_le(width, PLAIN_WIDTH);
    for (uint32_t i = 0; i < width; i++) value[0][i] = net->std > 0 ? (inputs[i] - net->mean) / net->std : inputs[i];
    for (int l = 0; l < net->layers; l++) {
        const plain_layer *layer = &net->layer[l];
        double *x = value[at], *y = value[at ^= 1];
        if (layer->kind == PLAIN_DENSE) {
            const double *bias = parameters + (size_t)width * layer->units;
            for (uint32_t o = 0; o < layer->units; o++) {
                y[o] = bias[o];
                for (uint32_t i = 0; i < width; i++) y[o] += parameters[(size_t)o * width + i] * x[i];
            }
            width = layer->units;
            parameters = bias + width;
            continue;
        }
        for (uint32_t i = 0; i < width; i++) {
            if (kink && (layer->kind == PLAIN_RELU || layer->kind == PLAIN_LEAKY) && fabs(x[i]) < *kink)
                *kink = fabs(x[i]);
            y[i] = activate(layer, x[i]);
        }
    }
    memcpy(outputs, value[at], width * sizeof *outputs);
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
    char text[1024];
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
    tas_data *data = NULL;
    tas_data_options is;
    tas_data_options_init(&is);
    is.count = count;
    is.input_size = input_size;
    is.input_type = TAS_INPUT_F32;
    is.target_type = classes ? TAS_TARGET_LABEL : TAS_TARGET_F32;
    is.classes = classes;
    is.target_size = target_size;
    is.inputs = inputs;
    is.targets = targets;
    expect_ok(tas_data_open(context, &is, &data));
    return data;
}
