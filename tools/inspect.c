/* tassello inspect: a network, layer by layer. */
#include "cli.h"

#include <string.h>

typedef struct settings {
    const char *net;
    bool json;
} settings;

static const cli_option options[] = {
    OPTION_JSON(offsetof(settings, json)),
    {0},
};

typedef struct session {
    cli_state cli;
    settings s;
    tas_network *network;
} session;

static int open_network(session *r)
{
    if (!cli_network_is_checkpoint(r->s.net)) return cli_network_open(&r->cli, r->s.net, &r->network);
    const tas_status status = tas_model_load_network(r->cli.context, r->s.net, &r->network);
    return status ? cli_failed(&r->cli, status) : 0;
}

/* The sum over all layers. */
static tas_layer_info add_up(const tas_network *network)
{
    tas_layer_info sum = {0}, layer;
    for (size_t i = 0; tas_network_layer_info(network, i, &layer); i++) {
        sum.parameters += layer.parameters;
        sum.value_bytes += layer.value_bytes;
        sum.forward_flops += layer.forward_flops;
        sum.train_flops += layer.train_flops;
    }
    return sum;
}

/* ------------------------------------------------------------------------------------------------------- for people */

enum { SHAPE_TEXT = 72 };

static const char *print_shape(const size_t shape[3], char text[SHAPE_TEXT])
{
    if (!shape[0]) /* the input layer has none */
        snprintf(text, SHAPE_TEXT, "-");
    else if (shape[1] == 1 && shape[2] == 1)
        snprintf(text, SHAPE_TEXT, "%zu", shape[0]);
    else
        snprintf(text, SHAPE_TEXT, "%zux%zux%zu", shape[0], shape[1], shape[2]);
    return text;
}

static void print_row(const char *place, const char *in, const char *out, const tas_layer_info *layer)
{
    printf("%2s  %-16s %12s %12s %12llu %12llu %15llu %15llu\n", place, layer->kind, in, out,
           (unsigned long long)layer->parameters, (unsigned long long)layer->value_bytes,
           (unsigned long long)layer->forward_flops, (unsigned long long)layer->train_flops);
}

static void print_table(const session *r)
{
    char in[SHAPE_TEXT], out[SHAPE_TEXT], place[24], text[BYTES_TEXT];
    tas_layer_info sum = add_up(r->network), layer;
    sum.kind = "sum";
    printf("network      %s\n", cli_shown(r->s.net));
    printf("%2s  %-16s %12s %12s %12s %12s %15s %15s\n", "", "layer", "in", "out", "parameters", "bytes",
           "forward FLOPs", "training FLOPs");
    for (size_t i = 0; tas_network_layer_info(r->network, i, &layer); i++) {
        snprintf(place, sizeof place, "%zu", i);
        print_row(place, print_shape(layer.in, in), print_shape(layer.out, out), &layer);
    }
    print_row("", "", "", &sum);
    printf("parameters   %llu, %s\n", (unsigned long long)sum.parameters,
           cli_bytes(sum.parameters * sizeof(float), text));
    printf("per example  %s of values, %.6g MFLOPs forward, %.6g in training\n", cli_bytes(sum.value_bytes, text),
           (double)sum.forward_flops / 1e6, (double)sum.train_flops / 1e6);
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static json_t *describe_shape(const size_t shape[3])
{
    if (!shape[0]) return json_null();
    json_t *a = json_array();
    for (int i = 0; i < 3; i++) json_array_append_new(a, json_integer((json_int_t)shape[i]));
    return a;
}

static void describe_sizes(json_t *o, const tas_layer_info *layer)
{
    json_object_set_new(o, "parameters", json_integer((json_int_t)layer->parameters));
    json_object_set_new(o, "parameter_bytes", json_integer((json_int_t)(layer->parameters * sizeof(float))));
    json_object_set_new(o, "value_bytes", json_integer((json_int_t)layer->value_bytes));
    json_object_set_new(o, "forward_flops", json_integer((json_int_t)layer->forward_flops));
    json_object_set_new(o, "train_flops", json_integer((json_int_t)layer->train_flops));
}

static void print_json(const session *r)
{
    json_t *layers = json_array(), *o = json_object();
    const tas_layer_info sum = add_up(r->network);
    tas_layer_info layer;
    for (size_t i = 0; tas_network_layer_info(r->network, i, &layer); i++) {
        json_t *row = json_object();
        json_object_set_new(row, "layer", cli_json_text(layer.kind));
        json_object_set_new(row, "in", describe_shape(layer.in));
        json_object_set_new(row, "out", describe_shape(layer.out));
        describe_sizes(row, &layer);
        json_array_append_new(layers, row);
    }
    json_object_set_new(o, "network", cli_json_text(r->s.net));
    describe_sizes(o, &sum);
    json_object_set_new(o, "layers", layers);
    cli_json_print(o, stdout);
}

/* ----------------------------------------------------------------------------------------------------------------- */

static int run(int argc, char **argv)
{
    session r = {0};
    cli_parse(&inspect_command, argc, argv, &r.s);
    if (!cli_open(&r.cli, &inspect_command)) return EXIT_FAILED;
    const int result = open_network(&r);
    if (!result && r.s.json) print_json(&r);
    if (!result && !r.s.json) print_table(&r);
    tas_network_close(&r.network);
    cli_close(&r.cli);
    return result;
}

const cli_command inspect_command = {
    .name = "inspect",
    .summary = "show a network's layers, parameters, bytes and FLOPs",
    .description =
        "Shows a network layer by layer: its shapes (channels x height x width), its parameters, and for one example "
        "the bytes of its output and the floating-point operations forward and in training.\n\n"
        "FLOPs are those of matrix products and convolutions only; an fma counts as two, and taps in the padding are "
        "counted. Training includes forward, the gradient of the weights and, if an earlier layer has parameters, the "
        "gradient of the inputs.",
    .arguments = {{.name = "NET",
                   .help = "a network's file, the name of one that ships, such as 'mlp', or a checkpoint",
                   .complete = COMPLETE_NET,
                   .offset = offsetof(settings, net)}},
    .options = options,
    .examples = {"tassello inspect lenet", "tassello inspect mlp.safetensors --json"},
    .run = run,
};
