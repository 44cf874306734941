/* Checks of what a command was given, before its work. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Found here, and not by the library after kernels were built, or after training. */
bool cli_check_fit(cli_state *cli, const tas_network *network, const char *net, const tas_data *data,
                   const char *folder, tas_split split)
{
    const char *name = split == TAS_TRAIN ? "train" : "test";
    const size_t inputs = tas_network_inputs(network), outputs = tas_network_outputs(network);
    const uint32_t classes = tas_data_classes(data);
    if (tas_data_input_size(data) != inputs) {
        cli_error(cli, "%s: takes %zu values per example, but %s (%s) has %zu", net, inputs, folder, name,
                  tas_data_input_size(data));
        return false;
    }
    if (classes > outputs) {
        cli_error(cli, "%s: has %zu outputs, but %s (%s) has %u classes", net, outputs, folder, name, classes);
        return false;
    }
    return true;
}

bool cli_check_batch(cli_state *cli, uint32_t batch, const tas_data *train, const char *folder)
{
    const uint64_t examples = tas_data_count(train);
    if (batch <= examples) return true;
    cli_error(cli, "--batch %u: more than the %llu example%s of %s (train)", batch, (unsigned long long)examples,
              examples == 1 ? "" : "s", folder);
    return false;
}

bool cli_check_write(cli_state *cli, const char *option, const char *path)
{
    const tas_status status = tas_file_check(cli->context, path);
    if (status) cli_error(cli, "--%s %s", option, tas_error(cli->context));
    return !status;
}

static bool can_make(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    const bool can = folder && !access(folder, W_OK | X_OK);
    free(folder);
    return can;
}

bool cli_check_stream(cli_state *cli, const char *option, const char *path)
{
    struct stat about;
    const bool exists = !stat(path, &about);
    if (exists && S_ISDIR(about.st_mode))
        errno = EISDIR;
    else if (exists ? !access(path, W_OK) : can_make(path))
        return true;
    cli_error(cli, "--%s %s: cannot be written: %s", option, path, strerror(errno));
    return false;
}
