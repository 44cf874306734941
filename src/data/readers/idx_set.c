/* Data sets of IDX files, as MNIST has them: images and labels of two splits. */
#include "data/readers/idx.h"
#include "data/readers/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRAIN_IMAGES "train-images-idx3-ubyte"
#define TRAIN_LABELS "train-labels-idx1-ubyte"
#define TEST_IMAGES "t10k-images-idx3-ubyte"
#define TEST_LABELS "t10k-labels-idx1-ubyte"

static const char *const image_files[] = {TRAIN_IMAGES, TEST_IMAGES};
static const char *const label_files[] = {TRAIN_LABELS, TEST_LABELS};

/* folder/name, or folder/name.gz if that is not there; NULL in *path if neither is. */
static bool find_file(const char *folder, const char *name, char **path)
{
    *path = malloc(strlen(folder) + strlen(name) + sizeof "/.gz");
    if (!*path) return false;
    strcat(strcat(strcpy(*path, folder), "/"), name);
    if (!access(*path, F_OK) || !access(strcat(*path, ".gz"), F_OK)) return true;
    free(*path);
    *path = NULL;
    return true;
}

static bool has_file(const char *folder, const char *name)
{
    char *path;
    const bool found = find_file(folder, name, &path) && path;
    free(path);
    return found;
}

static bool has_split(const char *folder, tas_split split)
{
    return has_file(folder, image_files[split]) || has_file(folder, label_files[split]);
}

static bool recognize(const reader_look *look)
{
    return look->folder && (has_split(look->path, TAS_TRAIN) || has_split(look->path, TAS_TEST));
}

static tas_status open_file(tas_context *context, const char *folder, const char *name, int dims_wanted, bool map,
                            uint64_t *dims, data_elements *out)
{
    char *path = NULL;
    if (!find_file(folder, name, &path)) return fail(context, TAS_NO_MEMORY, "%s: no memory", folder);
    if (!path) return fail(context, TAS_BAD_FILE, "%s: neither %s nor %s.gz is there", folder, name, name);
    const tas_status status = idx_open(context, path, dims_wanted, map, dims, out);
    free(path);
    return status;
}

/* Labels are uint32_t in memory; classes are as many as the greatest label needs. */
static tas_status widen_labels(tas_context *context, const char *folder, const unsigned char *labels, reader_set *set)
{
    uint32_t *wide = malloc((size_t)set->options.count * sizeof *wide);
    if (!wide) return fail(context, TAS_NO_MEMORY, "%s: no memory for the labels", folder);
    set->targets = wide;
    for (uint64_t i = 0; i < set->options.count; i++) {
        wide[i] = labels[i];
        if (wide[i] >= set->options.classes) set->options.classes = wide[i] + 1;
    }
    return TAS_OK;
}

static tas_status open_split(const reader_request *request, tas_split split, reader_result *out)
{
    tas_context *context = request->context;
    const char *folder = request->path;
    reader_set *set = &out->split[split];
    uint64_t images[3], count = 0; /* (count, height, width) */
    data_elements labels = {0};
    tas_status status = open_file(context, folder, image_files[split], 3, true, images, &set->inputs);
    if (!status) status = open_file(context, folder, label_files[split], 1, false, &count, &labels);
    if (!status && images[0] != count)
        status = fail(context, TAS_BAD_DATA, "%s: %" PRIu64 " images in %s, but %" PRIu64 " labels in %s", folder,
                      images[0], image_files[split], count, label_files[split]);
    if (!status) {
        set->present = true;
        set->options.count = count;
        set->options.input_size = (size_t)(images[1] * images[2]);
        out->schema.channels = 1;
        out->schema.height = (uint32_t)images[1];
        out->schema.width = (uint32_t)images[2];
        status = widen_labels(context, folder, labels.bytes, set);
    }
    elements_close(&labels);
    return status;
}

static tas_status open_sets(const reader_request *request, reader_result *out)
{
    tas_status status = TAS_OK;
    for (int split = 0; split < 2 && !status; split++)
        if (request->wanted[split] && has_split(request->path, (tas_split)split))
            status = open_split(request, (tas_split)split, out);
    return status;
}

const reader reader_idx = {
    .name = "idx",
    .title = "a folder of IDX files",
    .rules =
        "A data set is a folder of four IDX files, the format of MNIST: " TRAIN_IMAGES " and " TRAIN_LABELS
        " for training, " TEST_IMAGES " and " TEST_LABELS " for the test. Each may be compressed with gzip; its name "
        "then ends in .gz.\n\n"
        "An IDX file is a magic number, the sizes and the elements, row by row; all numbers have 4 bytes, the most "
        "significant first. Images have the magic number 0x00000803 and the sizes count, height and width; labels have "
        "0x00000801 and the size count. The elements are unsigned bytes. The classes are 0 to the greatest label.",
    .recognize = recognize,
    .open = open_sets,
};
