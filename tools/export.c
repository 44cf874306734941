/* tassello export: a checkpoint as an ONNX model. */
#include "cli.h"

#include <string.h>

typedef struct settings {
    const char *checkpoint, *file;
    bool probabilities, json;
} settings;

static const cli_option options[] = {
    {.name = "probabilities",
     .group = GROUP_OUTPUT,
     .offset = offsetof(settings, probabilities),
     .help = "End with the softmax of the outputs, or with their sigmoid if the loss is bce, instead of the outputs "
             "themselves, which are logits."},
    OPTION_JSON(offsetof(settings, json)),
    {0},
};

static void print_json(const settings *s, const tas_network *network, const char *sha256)
{
    json_t *o = json_object();
    json_object_set_new(o, "checkpoint", cli_json_text(s->checkpoint));
    json_object_set_new(o, "onnx", cli_json_text(s->file));
    json_object_set_new(o, "parameters", json_integer((json_int_t)cli_parameters(network, NULL)));
    json_object_set_new(o, "inputs", json_integer((json_int_t)tas_network_inputs(network)));
    json_object_set_new(o, "outputs", json_integer((json_int_t)tas_network_outputs(network)));
    json_object_set_new(o, "weights_sha256", json_string(sha256));
    cli_json_print(o, stdout);
}

static void print_text(const settings *s, const tas_network *network, const char *sha256)
{
    tas_layer_info first;
    tas_network_layer_info(network, 0, &first);
    printf("network      %s, %llu parameters\n", cli_shown(s->checkpoint),
           (unsigned long long)cli_parameters(network, NULL));
    printf("model        %s\n", cli_shown(s->file));
    if (first.out[1] == 1 && first.out[2] == 1)
        printf("input        float32 (n, %zu)\n", first.out[0]);
    else
        printf("input        float32 (n, %zu, %zu, %zu), pixels as byte / 255\n", first.out[0], first.out[1],
               first.out[2]);
    printf("output       float32 (n, %zu)%s\n", tas_network_outputs(network),
           s->probabilities ? ", probabilities" : "");
    printf("weights sha256 %s\n", sha256);
}

/* The reference: nothing is computed. */
static tas_status export(cli_state *cli, const settings *s, tas_device **device, tas_model **model)
{
    char sha256[65];
    tas_status status = tas_device_open(cli->context, "reference", TAS_ARITH_EXACT, device);
    if (!status) status = tas_model_load(*device, s->checkpoint, model);
    if (!status) status = tas_onnx_save(*model, s->file, s->probabilities);
    if (!status) status = tas_model_digest(*model, sha256);
    if (!status && s->json) print_json(s, tas_model_network(*model), sha256);
    if (!status && !s->json) print_text(s, tas_model_network(*model), sha256);
    return status;
}

static int run(int argc, char **argv)
{
    settings s = {0};
    cli_state cli;
    tas_device *device = NULL;
    tas_model *model = NULL;
    cli_parse(&export_command, argc, argv, &s);
    if (cli_is_one_file(s.checkpoint, s.file))
        cli_usage(&export_command, "the model would replace its checkpoint, %s", s.checkpoint);
    if (!cli_open(&cli, &export_command)) return EXIT_FAILED;
    const tas_status status = export(&cli, &s, &device, &model);
    const int result = status ? cli_failed(&cli, status) : 0;
    tas_model_close(&model);
    tas_device_close(&device);
    cli_close(&cli);
    return result;
}

const cli_command export_command = {
    .name = "export",
    .summary = "write a checkpoint as an ONNX model",
    .description =
        "Writes the network of a checkpoint and its weights as an ONNX model (opset 17), which onnxruntime and other "
        "programs read. Its tensors have the names that they have here (12.dense.weight).\n\n"
        "Its input is float32: (n, channels, height, width), or (n, values) for a network without planes; n may be "
        "any. Values are those that the network's input line takes: for pixels byte / 255. The line's mean and std "
        "are nodes of the model. Its output is (n, outputs): logits for softmax and bce, else predictions.\n\n"
        "Augmentation, the loss and everything about training is left out. Dropout is a node, which does nothing in "
        "inference.",
    .arguments = {{.name = "CHECKPOINT",
                   .help = "a file that 'tassello train --save' wrote",
                   .complete = COMPLETE_FILE,
                   .offset = offsetof(settings, checkpoint)},
                  {.name = "FILE",
                   .help = "the ONNX model to write, such as model.onnx",
                   .complete = COMPLETE_FILE,
                   .offset = offsetof(settings, file)}},
    .options = options,
    .examples = {"tassello export mlp.safetensors mlp.onnx",
                 "tassello export mlp.safetensors mlp.onnx --probabilities"},
    .run = run,
};
