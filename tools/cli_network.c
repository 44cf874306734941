/* The argument NET: a network that ships, a file, a pipe, or stdin. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NETWORK_MOST = 1 << 20 }; /* as in the library */

static bool is_shipped(const char *net)
{
    const char *name;
    for (size_t i = 0; (name = tas_network_shipped(i)); i++)
        if (!strcmp(name, net)) return true;
    return false;
}

bool cli_network_is_file(const char *net, const char *path)
{
    struct stat its, other;
    if (!strcmp(net, "-") || is_shipped(net) || stat(net, &its) || stat(path, &other)) return false;
    return its.st_dev == other.st_dev && its.st_ino == other.st_ino;
}

/* It begins as safetensors does: with the length of a header, then JSON. No network's text has a zero byte. */
bool cli_network_is_checkpoint(const char *net)
{
    char head[9] = "";
    struct stat about;
    if (is_shipped(net) || stat(net, &about) || !S_ISREG(about.st_mode)) return false; /* a pipe can be read once */
    FILE *file = fopen(net, "rb");
    if (!file) return false;
    const bool whole = fread(head, sizeof head, 1, file) == 1;
    fclose(file);
    return whole && !head[7] && head[8] == '{';
}

/* The text of a stream, whose size is not known before its end. */
static int read_stream(cli_state *cli, FILE *stream, const char *name, char **out)
{
    char *text = malloc(NETWORK_MOST + 1);
    *out = NULL;
    if (!text) {
        cli_error(cli, "out of memory");
        return EXIT_FAILED;
    }
    const size_t size = fread(text, 1, NETWORK_MOST + 1, stream);
    if (ferror(stream))
        cli_error(cli, "%s: cannot be read: %s", name, strerror(errno));
    else if (size > NETWORK_MOST)
        cli_error(cli, "%s: more than %d bytes; expected a network's text", name, NETWORK_MOST);
    else if (memchr(text, 0, size))
        cli_error(cli, "%s: contains a zero byte; expected a network's text", name);
    else {
        text[size] = 0;
        *out = text;
        return 0;
    }
    free(text);
    return EXIT_FAILED;
}

/* What NET is taken for by mistake, in words that name the commands. */
static bool check_kind(cli_state *cli, const char *net, mode_t mode)
{
    if (S_ISDIR(mode))
        cli_error(cli, "%s: a folder; expected a network's file%s", net,
                  cli->command->arguments[1].name ? ". Are NET and DATA in the wrong order?" : "");
    else if (cli_network_is_checkpoint(net))
        cli_error(cli,
                  "%s: a checkpoint; expected a network's text. 'tassello eval' evaluates a checkpoint, 'tassello "
                  "inspect' shows its network",
                  net);
    else
        return true;
    return false;
}

void cli_check_loss(const cli_command *command, const char *loss, const char *net)
{
    char list[160] = "";
    const char *name;
    bool known = !loss;
    for (int i = 0; !known && (name = tas_loss_name((tas_loss)i)); i++) {
        known = !strcmp(loss, name);
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", name);
    }
    if (!known) cli_usage(command, "--loss '%s': expected one of: %s", loss, list);
    if (loss && !tas_onnx_is_name(net))
        cli_usage(command, "--loss is for ONNX models; the text of a network has the loss in its last line");
}

/* The network of an ONNX model, as a text. */
static int read_onnx(cli_state *cli, cli_net *net)
{
    tas_onnx *onnx = NULL;
    const tas_status status = tas_onnx_open(cli->context, net->name, net->loss, &onnx);
    if (status) return cli_failed(cli, status);
    net->text = strdup(tas_network_text(tas_onnx_network(onnx)));
    tas_onnx_close(&onnx);
    if (!net->text) cli_error(cli, "out of memory");
    if (net->text && !net->weights && cli->command != &inspect_command && cli->command != &plan_command)
        cli_note(cli, "%s: its network is used without its weights, which 'train --init' takes", cli_shown(net->name));
    return net->text ? 0 : EXIT_FAILED;
}

/* Reads what can be read once. Leaves the others to the library. */
static int read_network(cli_state *cli, cli_net *net)
{
    const char *name = net->name;
    struct stat about;
    if (net->text) return 0;
    net->from = strcmp(name, "-") ? name : "stdin";
    if (!strcmp(name, "-")) return read_stream(cli, stdin, net->from, &net->text);
    if (is_shipped(name) || stat(name, &about)) return 0;
    if (!check_kind(cli, name, about.st_mode)) return EXIT_FAILED;
    if (tas_onnx_is_name(name)) return read_onnx(cli, net);
    FILE *pipe = S_ISFIFO(about.st_mode) ? fopen(name, "r") : NULL;
    if (!pipe) return 0;
    const int failed = read_stream(cli, pipe, name, &net->text);
    fclose(pipe);
    return failed;
}

int cli_network_expect(cli_state *cli, cli_net *net, tas_reading *reading)
{
    const int failed = read_network(cli, net);
    if (failed) return failed;
    const tas_status status = net->text ? tas_network_expect_text(cli->context, net->text, net->from, reading)
                                        : tas_network_expect(cli->context, net->name, reading);
    return status ? cli_failed(cli, status) : 0;
}

int cli_network_open_for(cli_state *cli, cli_net *net, const tas_data *data, tas_network **out)
{
    const int failed = read_network(cli, net);
    if (failed) return failed;
    const tas_status status = net->text ? tas_network_parse_for(cli->context, net->text, net->from, data, out)
                                        : tas_network_open_for(cli->context, net->name, data, out);
    return status ? cli_failed(cli, status) : 0;
}

void cli_network_free(cli_net *net)
{
    free(net->text);
    net->text = NULL;
}

int cli_network_open(cli_state *cli, const char *net, tas_network **out)
{
    cli_net once = {.name = net};
    const int failed = cli_network_open_for(cli, &once, NULL, out);
    cli_network_free(&once);
    return failed;
}
