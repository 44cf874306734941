/* Checks of what a command was given, before its work. */
#include "cli.h"

#include <errno.h>
#include <limits.h>
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
    const bool one_answer = tas_network_loss(network) == TAS_LOSS_BCE && outputs == 1; /* 0 or 1 */
    if (classes > outputs + one_answer) {
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

static bool find_folder(const char *file, struct stat *out)
{
    const char *slash = strrchr(file, '/');
    char *folder = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");
    const bool found = folder && !stat(folder, out);
    free(folder);
    return found;
}

bool cli_is_one_file(const char *a, const char *b)
{
    struct stat of_a, of_b;
    const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');
    if (strcmp(slash_a ? slash_a + 1 : a, slash_b ? slash_b + 1 : b) != 0) return false;
    return find_folder(a, &of_a) && find_folder(b, &of_b) && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

/* Whether path is a file of a data set in folder, by any of its names or links. */
static bool is_data_file(const char *folder, const char *path)
{
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                        "t10k-labels-idx1-ubyte"};
    char name[PATH_MAX];
    struct stat its, other;
    if (stat(path, &other)) return false;
    for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "%s/%s%s", folder, names[i / 2], i % 2 ? ".gz" : "");
        if (!stat(name, &its) && its.st_dev == other.st_dev && its.st_ino == other.st_ino) return true;
    }
    return false;
}

void cli_check_output(const cli_command *command, const char *option, const char *path, const char *net,
                      const char *folder)
{
    if (!path) return;
    if (cli_network_is_file(net, path)) cli_usage(command, "--%s %s: would overwrite the network NET", option, path);
    if (is_data_file(folder, path)) cli_usage(command, "--%s %s: would overwrite a file of DATA", option, path);
}
