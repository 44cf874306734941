/* Checks of what a command was given, before its work. */
#include "cli.h"

#include <string.h>
#include <sys/stat.h>

/* Found here, and not by the library after kernels were built, or after training. */
bool cli_check_fit(cli_state *cli, const tas_network *network, const char *net, const tas_data *data,
                   const char *folder, const char *split)
{
    const size_t inputs = tas_network_inputs(network), outputs = tas_network_outputs(network);
    if (tas_data_input_size(data) != inputs)
        cli_error(cli, "%s: takes %zu values an example, but %s (%s) has %zu", net, inputs, folder, split,
                  tas_data_input_size(data));
    else if (tas_data_classes(data) > outputs)
        cli_error(cli, "%s: has %zu outputs, but %s (%s) has %u classes", net, outputs, folder, split,
                  tas_data_classes(data));
    else
        return true;
    return false;
}

bool cli_check_batch(cli_state *cli, uint32_t batch, const tas_data *train, const char *folder)
{
    const uint64_t examples = tas_data_count(train);
    if (batch <= examples) return true;
    cli_error(cli, "--batch %u: expected no more than the %llu examples of %s (train)", batch,
              (unsigned long long)examples, folder);
    return false;
}

bool cli_check_write(cli_state *cli, const char *option, const char *path)
{
    const tas_status status = tas_file_check(cli->context, path);
    if (status) cli_error(cli, "--%s %s", option, tas_error(cli->context));
    return !status;
}

bool cli_is_network(const char *net, const char *path)
{
    struct stat its, other;
    const char *name;
    for (size_t i = 0; (name = tas_network_shipped(i)); i++)
        if (!strcmp(name, net)) return false;
    return path && strcmp(net, "-") && !stat(net, &its) && !stat(path, &other) && its.st_dev == other.st_dev &&
           its.st_ino == other.st_ino;
}
