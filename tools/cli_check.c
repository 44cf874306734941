/* Checks of what a command was given, before its work. */
#include "cli.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool check_values(cli_state *cli, const tas_network *network, const char *net, const tas_data *data,
                         const char *folder, const char *split)
{
    tas_data_info info;
    tas_data_get_info(data, &info);
    if (tas_network_loss(network) == TAS_LOSS_SOFTMAX)
        cli_error(cli, "%s: its loss is softmax, which needs classes, but the targets of %s (%s) are values", net,
                  folder, split);
    else if (info.target_size != tas_network_outputs(network))
        cli_error(cli, "%s: has %zu outputs, but %s (%s) has %zu values to predict", net, tas_network_outputs(network),
                  folder, split, info.target_size);
    else
        return true;
    return false;
}

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
    if (!classes && !check_values(cli, network, net, data, folder, name)) return false;
    const bool one_answer = tas_network_loss(network) == TAS_LOSS_BCE && outputs == 1; /* 0 or 1 */
    if (classes > outputs + one_answer) {
        cli_error(cli, "%s: has %zu outputs, but %s (%s) has %u classes", net, outputs, folder, name, classes);
        return false;
    }
    return true;
}

void cli_check_shards(const cli_command *command, uint32_t shards)
{
    if (shards & (shards - 1)) cli_usage(command, "--shards %u: expected a power of two", shards);
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

/* What Tassello writes as checkpoints, logs and reports begins as no file of a data set does. */
static bool is_output(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    const int first = fgetc(file);
    fclose(file);
    return first == EOF || first == '{' || first == '<' || cli_network_is_checkpoint(path);
}

/* Whether a file has one of its names below a folder, by which it may be found from outside as well. */
static bool is_linked_below(const char *folder, const struct stat *its)
{
    char *roots[] = {(char *)folder, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL, NULL);
    const FTSENT *entry;
    bool found = false;
    while (walk && !found && (entry = fts_read(walk)))
        found = entry->fts_info == FTS_F && entry->fts_statp->st_dev == its->st_dev &&
                entry->fts_statp->st_ino == its->st_ino;
    if (walk) fts_close(walk);
    return found;
}

static bool is_below(const char *folder, const char *path)
{
    char real_folder[PATH_MAX], real_path[PATH_MAX];
    if (!realpath(folder, real_folder) || !realpath(path, real_path)) return false;
    const size_t length = strlen(real_folder);
    return !strncmp(real_path, real_folder, length) && (real_path[length] == '/' || length == 1);
}

/* Whether path is the file DATA, or one of the folder DATA, by any of its names or links. */
static bool is_data_file(const char *data, const char *path)
{
    struct stat its, other;
    if (stat(path, &other) || stat(data, &its) || !S_ISREG(other.st_mode)) return false;
    if (!S_ISDIR(its.st_mode)) return its.st_dev == other.st_dev && its.st_ino == other.st_ino;
    return (is_below(data, path) || (other.st_nlink > 1 && is_linked_below(data, &other))) && !is_output(path);
}

void cli_check_output(const cli_command *command, const char *option, const char *path, const char *net,
                      const char *data)
{
    if (!path) return;
    if (cli_network_is_file(net, path)) cli_usage(command, "--%s %s: would overwrite the network NET", option, path);
    if (data && is_data_file(data, path)) cli_usage(command, "--%s %s: would overwrite a file of DATA", option, path);
}
