/* tassello import: an ONNX model as a network's text and a checkpoint. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *file, *name, *loss;
    bool json;
} settings;

static const cli_option options[] = {
    {.name = "loss",
     .metavar = "NAME",
     .group = GROUP_OUTPUT,
     .type = TYPE_TEXT,
     .offset = offsetof(settings, loss),
     .help = "The loss in the network's text, which an ONNX model does not have: softmax, mse, bce, mae or huber. "
             "Default: softmax, or bce if the model ends in a sigmoid."},
    OPTION_JSON(offsetof(settings, json)),
    {0},
};

typedef struct session {
    cli_state cli;
    settings s;
    char *text_path, *checkpoint_path;
    tas_onnx *onnx;
    tas_device *device;
    tas_model *model;
} session;

static void print_json(const session *r, const char *sha256)
{
    const tas_network *network = tas_onnx_network(r->onnx);
    json_t *o = json_object();
    json_object_set_new(o, "onnx", cli_json_text(r->s.file));
    json_object_set_new(o, "network", cli_json_text(r->text_path));
    json_object_set_new(o, "checkpoint", cli_json_text(r->checkpoint_path));
    json_object_set_new(o, "parameters", json_integer((json_int_t)cli_parameters(network, NULL)));
    json_object_set_new(o, "loss", cli_json_text(tas_loss_name(tas_network_loss(network))));
    json_object_set_new(o, "weights_sha256", json_string(sha256));
    cli_json_print(o, stdout);
}

static void print_text(const session *r, const char *sha256)
{
    const tas_network *network = tas_onnx_network(r->onnx);
    cli_print_network(network, r->s.file);
    printf("loss         %s\n", tas_loss_name(tas_network_loss(network)));
    printf("text         %s\n", cli_shown(r->text_path));
    printf("checkpoint   %s\n", cli_shown(r->checkpoint_path));
    printf("weights sha256 %s\n", sha256);
}

/* The reference holds the weights, as nothing is computed. */
static tas_status write_checkpoint(session *r, char sha256[65])
{
    char training[512] = "imported from ";
    const char *slash = strrchr(r->s.file, '/');
    tas_status status = tas_device_open(r->cli.context, "reference", TAS_ARITH_EXACT, &r->device);
    if (!status) status = tas_onnx_model(r->onnx, r->device, r->text_path, &r->model);
    const size_t words = strlen(training);
    tas_escape(slash ? slash + 1 : r->s.file, training + words, sizeof training - words);
    if (!status) status = tas_model_set_training(r->model, training);
    if (!status) status = tas_model_save(r->model, r->checkpoint_path);
    return status ? status : tas_model_digest(r->model, sha256);
}

static int import(session *r)
{
    char sha256[65];
    tas_status status = tas_onnx_open(r->cli.context, r->s.file, r->s.loss, &r->onnx);
    if (!status) status = tas_file_check(r->cli.context, r->text_path);
    if (!status) status = write_checkpoint(r, sha256);
    if (!status) status = tas_network_save(tas_onnx_network(r->onnx), r->text_path);
    if (status) return cli_failed(&r->cli, status);
    if (r->s.json)
        print_json(r, sha256);
    else
        print_text(r, sha256);
    return 0;
}

static int run(int argc, char **argv)
{
    session r = {0};
    cli_parse(&import_command, argc, argv, &r.s);
    if (!tas_onnx_is_name(r.s.file))
        cli_usage(&import_command, "%s: expected a file whose name ends in .onnx", r.s.file);
    cli_check_loss(&import_command, r.s.loss, r.s.file);
    if (!cli_open(&r.cli, &import_command)) return EXIT_FAILED;
    int result = EXIT_FAILED;
    if (asprintf(&r.text_path, "%s.net", r.s.name) < 0 || asprintf(&r.checkpoint_path, "%s.safetensors", r.s.name) < 0)
        cli_error(&r.cli, "out of memory");
    else
        result = import(&r);
    tas_model_close(&r.model);
    tas_device_close(&r.device);
    tas_onnx_close(&r.onnx);
    free(r.text_path);
    free(r.checkpoint_path);
    cli_close(&r.cli);
    return result;
}

const cli_command import_command = {
    .name = "import",
    .summary = "turn an ONNX model into a network and a checkpoint",
    .description =
        "Reads an ONNX model, such as PyTorch exports, and writes NAME.net, the network as a text, and "
        "NAME.safetensors, a checkpoint with the model's weights.\n\n"
        "Supported are Gemm, MatMul with Add, Conv, ConvTranspose, BatchNormalization, LayerNormalization, "
        "GroupNormalization and InstanceNormalization, MaxPool, AveragePool, GlobalAveragePool and ReduceMean over "
        "planes, Relu, LeakyRelu, Tanh, Sigmoid, Gelu, HardSwish, Softplus and silu, Add and Mul of two values, "
        "Concat, Pad, Resize by whole factors, Flatten and Reshape to rows, Dropout, Identity, and constants that "
        "scale the input, which become its mean and std. A softmax at the end is part of the loss here, and is left "
        "out. Anything else is refused, with the node's name and type.\n\n"
        "Weights have to be in the file itself (torch.onnx.export(..., external_data=False)). To keep batch "
        "normalization, which PyTorch's exporters merge into convolutions, see doc/pytorch.md.",
    .arguments =
        {{.name = "FILE", .help = "an ONNX model", .complete = COMPLETE_FILE, .offset = offsetof(settings, file)},
         {.name = "NAME", .help = "what the two files are called", .offset = offsetof(settings, name)}},
    .options = options,
    .examples = {"tassello import model.onnx model", "tassello import model.onnx model --loss mse"},
    .run = run,
};
