/* Data sets in folders: each format is a row of a table. */
#include "data/dataset.h"
#include "data/readers/reader.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const reader *const readers[] = {&reader_idx};
enum { READERS = sizeof readers / sizeof *readers };

const char *tas_data_rules(void) { return reader_idx.rules; }

static tas_status find_reader(tas_context *context, const char *folder, tas_split split, const reader **out)
{
    struct stat about;
    char expected[512] = "";
    if (split != TAS_TRAIN && split != TAS_TEST)
        return fail(context, TAS_BAD_ARGUMENT, "%s: unknown split %d", folder, (int)split);
    if (stat(folder, &about)) return fail(context, TAS_BAD_FILE, "%s: %s", folder, strerror(errno));
    if (!S_ISDIR(about.st_mode))
        return fail(context, TAS_BAD_FILE, "%s: expected a folder of IDX files, found %s", folder,
                    file_describe(folder));
    if (access(folder, X_OK)) return fail(context, TAS_BAD_FILE, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < READERS; i++) {
        const size_t used = strlen(expected);
        *out = readers[i];
        if (readers[i]->recognize(folder, split)) return TAS_OK;
        snprintf(expected + used, sizeof expected - used, "%s%s", i ? "; or " : "", readers[i]->expected[split]);
    }
    return fail(context, TAS_BAD_FILE, "%s: no %s set in this folder; expected %s", folder,
                split == TAS_TRAIN ? "training" : "test", expected);
}

static tas_status open_folder(tas_context *context, const char *folder, tas_split split, tas_data **out)
{
    const reader *format;
    reader_set set = {0};
    char name[sizeof(*out)->name];
    tas_data_options_init(&set.options);
    tas_status status = find_reader(context, folder, split, &format);
    if (!status) status = format->open(context, folder, split, &set);
    if (!status) {
        snprintf(name, sizeof name, "%.*s (%s)", (int)sizeof name - 10, folder, split == TAS_TRAIN ? "train" : "test");
        status = dataset_create(context, &set.options, name, out);
    }
    if (status) {
        elements_close(&set.inputs);
        free(set.targets);
        return status;
    }
    (*out)->inputs = set.inputs;
    (*out)->own_targets = set.targets;
    (*out)->height = set.height;
    (*out)->width = set.width;
    return TAS_OK;
}

tas_status tas_data_open_folder(tas_context *context, const char *folder, tas_split split, tas_data **out)
{
    entry_state caller;
    *out = NULL;
    entry_begin(context, &caller);
    const tas_status status = open_folder(context, folder, split, out);
    entry_end(&caller);
    return status;
}
