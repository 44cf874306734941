/* tassello inspect: a network, layer by layer. */
#include "checkpoint.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *net, *loss;
    bool dot, json;
} settings;

static const cli_option options[] = {
    {.name = "dot",
     .group = GROUP_OUTPUT,
     .offset = offsetof(settings, dot),
     .help = "Print the network as a graph in the language of Graphviz, for 'dot -Tsvg'."},
    OPTION_LOSS(offsetof(settings, loss)),
    OPTION_JSON(offsetof(settings, json)),
    {0},
};

typedef struct session {
    cli_state cli;
    settings s;
    checkpoint of; /* its network and its data, or those of none */
    tas_network *network;
} session;

static int open_network(session *r)
{
    cli_net net = {.name = r->s.net, .loss = r->s.loss};
    if (!cli_network_is_checkpoint(r->s.net)) {
        const int failed = cli_network_open_for(&r->cli, &net, NULL, &r->network);
        cli_network_free(&net);
        return failed;
    }
    const int failed = checkpoint_open(&r->of, &r->cli, r->s.net);
    r->network = r->of.network;
    r->of.network = NULL;
    return failed;
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

static bool reads_the_one_before(const tas_layer_info *layer, size_t place)
{
    return place ? layer->inputs == 1 && (size_t)layer->input[0] == place - 1 : !layer->inputs;
}

/* Widths of what only a network with branches shows; 0 if it is a chain. */
static int name_width(const tas_network *network)
{
    tas_layer_info layer;
    size_t width = strlen("name");
    bool chain = true;
    for (size_t i = 0; tas_network_layer_info(network, i, &layer); i++) {
        chain &= reads_the_one_before(&layer, i);
        if (layer.name && strlen(layer.name) > width) width = strlen(layer.name);
    }
    return chain ? 0 : (int)width;
}

static void print_inputs(const tas_network *network, const tas_layer_info *layer)
{
    tas_layer_info from;
    for (size_t k = 0; k < layer->inputs; k++) {
        tas_network_layer_info(network, (size_t)layer->input[k], &from);
        printf(k ? ", " : "  ");
        if (from.name)
            printf("%s", from.name);
        else
            printf("%d", layer->input[k]);
    }
}

/* Without names if width is 0. */
static void print_row(const char *place, const tas_layer_info *layer, int width, const char *in, const char *out)
{
    printf("%2s  %-16s ", place, layer->kind);
    if (width) printf("%-*s ", width, layer->name ? layer->name : "");
    printf("%12s %12s %12llu %12llu %15llu %15llu", in, out, (unsigned long long)layer->parameters,
           (unsigned long long)layer->value_bytes, (unsigned long long)layer->forward_flops,
           (unsigned long long)layer->train_flops);
}

static void print_head(int width)
{
    printf("%2s  %-16s ", "", "layer");
    if (width) printf("%-*s ", width, "name");
    printf("%12s %12s %12s %12s %15s %15s%s\n", "in", "out", "parameters", "bytes", "forward FLOPs", "training FLOPs",
           width ? "  inputs" : "");
}

/* "red, blue" */
static void print_list(FILE *stream, json_t *texts)
{
    size_t k;
    json_t *text;
    json_array_foreach(texts, k, text) fprintf(stream, "%s%s", k ? ", " : "", cli_shown(json_string_value(text)));
}

/* Behind a title, as long as it may be. */
static void print_long(const char *title, void (*print)(FILE *stream, json_t *of), json_t *of)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = json_array_size(of) ? open_memstream(&text, &bytes) : NULL;
    if (!stream) return;
    print(stream, of);
    const bool failed = ferror(stream) != 0, unfinished = fclose(stream) || !text;
    printf("%-*s", TEXT_COLUMN, title);
    cli_print_wrapped(stdout, failed || unfinished ? "(no memory)" : text, TEXT_COLUMN, TEXT_COLUMN,
                      cli_text_width(stdout));
    free(text);
}

/* "age, city (Bari, Como)": a column of words with its categories, each of which is an input. */
static void print_columns(FILE *stream, json_t *columns)
{
    size_t k;
    json_t *column;
    json_array_foreach(columns, k, column)
    {
        const char *name = json_string_value(json_object_get(column, "name"));
        json_t *categories = json_object_get(column, "categories");
        if (k) fprintf(stream, ", ");
        if (name)
            fprintf(stream, "%s", cli_shown(name));
        else
            fprintf(stream, "column %d", (int)json_integer_value(json_object_get(column, "place")) + 1);
        if (!categories) continue;
        fprintf(stream, " (");
        print_list(stream, categories);
        fprintf(stream, ")");
    }
}

/* What a checkpoint has of its data: tas_data_schema(). */
static json_t *read_schema(const session *r) { return r->of.schema ? json_loads(r->of.schema, 0, NULL) : NULL; }

static void print_schema(const session *r)
{
    json_t *schema = read_schema(r);
    if (!schema) return;
    const char *format = json_string_value(json_object_get(schema, "format"));
    if (format) printf("data         %s\n", cli_shown(format));
    print_long("columns", print_columns, json_object_get(schema, "columns"));
    print_long("targets", print_list, json_object_get(schema, "target_names"));
    print_long("classes", print_list, json_object_get(schema, "class_names"));
    json_decref(schema);
}

static void print_table(const session *r)
{
    char in[SHAPE_TEXT], out[SHAPE_TEXT], place[24], text[BYTES_TEXT];
    const int width = name_width(r->network);
    tas_layer_info sum = add_up(r->network), layer;
    char note[TRAINED_TEXT];
    uint64_t trained;
    cli_parameters(r->network, &trained);
    sum.kind = "sum";
    printf("network      %s\n", cli_shown(r->s.net));
    print_head(width);
    for (size_t i = 0; tas_network_layer_info(r->network, i, &layer); i++) {
        snprintf(place, sizeof place, "%zu", i);
        print_row(place, &layer, width, print_shape(layer.in, in), print_shape(layer.out, out));
        if (width) print_inputs(r->network, &layer);
        if (layer.frozen) printf("  frozen");
        putchar('\n');
    }
    print_row("", &sum, width, "", "");
    printf("\nparameters   %llu, %s%s\n", (unsigned long long)sum.parameters,
           cli_bytes(sum.parameters * sizeof(float), text), cli_print_trained(sum.parameters, trained, note));
    printf("per example  %s of values, %.6g MFLOPs forward, %.6g in training\n", cli_bytes(sum.value_bytes, text),
           (double)sum.forward_flops / 1e6, (double)sum.train_flops / 1e6);
    print_schema(r);
}

/* --------------------------------------------------------------------------------------------------------- Graphviz */

/* Between quotation marks, where \n and the like have a meaning. */
static void print_quoted(const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        putchar(*text);
    }
}

static void print_node(size_t place, const tas_layer_info *layer)
{
    char shape[SHAPE_TEXT];
    printf("    n%zu [label=\"%zu %s", place, place, layer->kind);
    if (layer->name) printf(" as %s", layer->name);
    printf("\\n%s", print_shape(layer->out, shape));
    if (layer->parameters)
        printf("\\n%llu parameters%s", (unsigned long long)layer->parameters, layer->frozen ? ", frozen" : "");
    printf("\"];\n");
}

/* The language: https://graphviz.org/doc/info/lang.html. */
static void print_dot(const session *r)
{
    tas_layer_info layer;
    printf("digraph network {\n    label=\"");
    print_quoted(cli_shown(r->s.net));
    printf("\";\n    labelloc=t;\n    node [shape=box];\n");
    for (size_t i = 0; tas_network_layer_info(r->network, i, &layer); i++) print_node(i, &layer);
    for (size_t i = 0; tas_network_layer_info(r->network, i, &layer); i++)
        for (size_t k = 0; k < layer.inputs; k++) printf("    n%d -> n%zu;\n", layer.input[k], i);
    printf("}\n");
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static json_t *describe_shape(const size_t shape[3])
{
    if (!shape[0]) return json_null();
    json_t *a = json_array();
    for (int i = 0; i < 3; i++) json_array_append_new(a, json_integer((json_int_t)shape[i]));
    return a;
}

static json_t *describe_inputs(const tas_layer_info *layer)
{
    json_t *a = json_array();
    for (size_t k = 0; k < layer->inputs; k++) json_array_append_new(a, json_integer(layer->input[k]));
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
    uint64_t trained;
    for (size_t i = 0; tas_network_layer_info(r->network, i, &layer); i++) {
        json_t *row = json_object();
        json_object_set_new(row, "layer", cli_json_text(layer.kind));
        json_object_set_new(row, "name", layer.name ? cli_json_text(layer.name) : json_null());
        json_object_set_new(row, "inputs", describe_inputs(&layer));
        json_object_set_new(row, "in", describe_shape(layer.in));
        json_object_set_new(row, "out", describe_shape(layer.out));
        describe_sizes(row, &layer);
        json_object_set_new(row, "frozen", json_boolean(layer.frozen));
        json_array_append_new(layers, row);
    }
    json_object_set_new(o, "network", cli_json_text(r->s.net));
    describe_sizes(o, &sum);
    cli_parameters(r->network, &trained);
    json_object_set_new(o, "trained_parameters", json_integer((json_int_t)trained));
    json_object_set_new(o, "layers", layers);
    json_t *schema = read_schema(r);
    if (schema) json_object_set_new(o, "data", schema);
    cli_json_print(o, stdout);
}

/* ----------------------------------------------------------------------------------------------------------------- */

static int run(int argc, char **argv)
{
    session r = {0};
    cli_parse(&inspect_command, argc, argv, &r.s);
    if (r.s.dot && r.s.json) cli_usage(&inspect_command, "--dot and --json are two formats of the same output");
    cli_check_loss(&inspect_command, r.s.loss, r.s.net);
    if (!cli_open(&r.cli, &inspect_command)) return EXIT_FAILED;
    const int result = open_network(&r);
    if (!result && r.s.json) print_json(&r);
    if (!result && r.s.dot) print_dot(&r);
    if (!result && !r.s.json && !r.s.dot) print_table(&r);
    tas_network_close(&r.network);
    checkpoint_close(&r.of);
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
        "gradient of the inputs.\n\n"
        "In a network with branches each layer is shown with the name of its value, if it has one, and with the layers "
        "whose values it reads: their names or, without one, their numbers.\n\n"
        "Of a checkpoint also what it has of its data: their format, columns, with the words of those that have words, "
        "targets and classes.",
    .arguments = {{.name = "NET",
                   .help =
                       "a network's file, the name of one that ships, such as 'mlp', a checkpoint, or an ONNX model",
                   .complete = COMPLETE_NET,
                   .offset = offsetof(settings, net)}},
    .options = options,
    .examples = {"tassello inspect lenet", "tassello inspect mlp.safetensors --json"},
    .run = run,
};
