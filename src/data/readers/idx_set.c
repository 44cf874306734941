/* Data sets of IDX files, as MNIST and its successors have them: images and labels of two splits. */
#include "data/readers/array_sets.h"
#include "data/readers/idx.h"
#include "data/readers/paths.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const role_words[] = {"images", "labels"};

/* The words of the splits; the test split has two. */
static const struct split_word {
    const char *text;
    tas_split split;
} split_words[] = {{"train", TAS_TRAIN}, {"t10k", TAS_TEST}, {"test", TAS_TEST}};

/* What a file's name says: "emnist-letters-", "train", "images". */
typedef struct file_name {
    char prefix[NAME_MAX + 1]; /* of the set; "": none */
    const struct split_word *word;
    int role;
    char point; /* before "idx": '-' or '.' */
    bool gzip;
} file_name;

/* *word: the word of a split that a text of `bytes` bytes ends with; what is before it ends with "-", "_" or ".", or is
 * nothing. */
static bool parse_split(const char *text, size_t bytes, file_name *out)
{
    for (size_t i = 0; i < sizeof split_words / sizeof *split_words; i++) {
        const size_t length = strlen(split_words[i].text), before = bytes - length;
        if (bytes < length || memcmp(text + before, split_words[i].text, length)) continue;
        if (before && !strchr("-_.", text[before - 1])) continue;
        memcpy(out->prefix, text, before);
        out->prefix[before] = 0;
        out->word = &split_words[i];
        return true;
    }
    return false;
}

/* [PREFIX-](train|t10k|test)-(images|labels)(-|.)idx...[.gz] */
static bool parse_name(const char *name, file_name *out)
{
    const size_t bytes = strlen(name);
    if (bytes > NAME_MAX) return false;
    out->gzip = bytes > 3 && !strcmp(name + bytes - 3, ".gz");
    for (out->role = 0; out->role < 2; out->role++) {
        char middle[16];
        const size_t length = (size_t)snprintf(middle, sizeof middle, "-%s", role_words[out->role]);
        for (const char *at = strstr(name, middle); at; at = strstr(at + 1, middle)) {
            out->point = at[length];
            if ((out->point == '-' || out->point == '.') && !strncmp(at + length + 1, "idx", 3) &&
                parse_split(name, (size_t)(at - name), out))
                return true;
        }
    }
    return false;
}

/* Finding ---------------------------------------------------------------------------------------------------------- */

typedef struct file_set {
    const reader_request *request;
    char *folder; /* ends with a slash, or is empty: the current one */
    bool whole;   /* the path is the folder, not one of its files */
    bool has_prefix;
    char prefix[NAME_MAX + 1];
    char *path[2][2];  /* by split and role; NULL: not there */
    bool chosen[2][2]; /* by the reading */
} file_set;

static tas_status no_memory(const file_set *of)
{
    return fail(of->request->context, TAS_NO_MEMORY, "%s: no memory", of->request->path);
}

static tas_status check_prefix(file_set *of, const char *prefix)
{
    if (!of->has_prefix) strcpy(of->prefix, prefix);
    of->has_prefix = true;
    if (!strcmp(of->prefix, prefix)) return TAS_OK;
    return fail(of->request->context, TAS_BAD_FILE,
                "%s: has files of several sets, such as %strain-images and %strain-images; name a file of one of them",
                of->request->path, of->prefix, prefix);
}

/* Some archives have each file in a folder of its name. */
static tas_status enter_folder(const file_set *of, const char *name, char **path)
{
    for (int compressed = 0; compressed < 2; compressed++) {
        char *inner = NULL;
        if (asprintf(&inner, "%s/%s%s", *path, name, compressed ? ".gz" : "") < 0) return no_memory(of);
        if (!access(inner, F_OK)) {
            free(*path);
            *path = inner;
            return TAS_OK;
        }
        free(inner);
    }
    return TAS_OK; /* opening the folder reports what is missing */
}

/* A plain file before one of gzip, which it may have been unpacked from; a file before a folder. */
static tas_status add_file(void *user, const char *name)
{
    file_set *of = user;
    file_name parsed;
    if (!parse_name(name, &parsed) || (!of->whole && strcmp(of->prefix, parsed.prefix))) return TAS_OK;
    const tas_status status = check_prefix(of, parsed.prefix);
    char **path = &of->path[parsed.word->split][parsed.role];
    if (status || of->chosen[parsed.word->split][parsed.role] || (*path && parsed.gzip)) return status;
    char *found = NULL;
    if (asprintf(&found, "%s%s", of->folder, name) < 0) return no_memory(of);
    const bool is_folder = paths_is_folder(found);
    if (is_folder && *path) {
        free(found);
        return TAS_OK;
    }
    free(*path);
    *path = found;
    return is_folder ? enter_folder(of, name, path) : TAS_OK;
}

static tas_status choose_files(file_set *of)
{
    const tas_reading *reading = of->request->reading;
    const char *const given[2][2] = {{reading->train_images, reading->train_labels},
                                     {reading->test_images, reading->test_labels}};
    for (int split = 0; split < 2; split++)
        for (int role = 0; role < 2; role++) {
            of->chosen[split][role] = given[split][role] != NULL;
            if (!given[split][role]) continue;
            of->path[split][role] = strdup(given[split][role]);
            if (!of->path[split][role]) return no_memory(of);
        }
    return TAS_OK;
}

/* The folder, and which of its files belong to the set. */
static tas_status choose_folder(file_set *of)
{
    const char *path = of->request->path, *base = paths_base(path);
    file_name parsed = {.role = 0};
    of->whole = paths_is_folder(path);
    if (of->whole) return asprintf(&of->folder, "%s/", path) < 0 ? (of->folder = NULL, no_memory(of)) : TAS_OK;
    if (!parse_name(base, &parsed))
        return fail(of->request->context, TAS_BAD_FILE,
                    "%s: which labels belong to these images cannot be seen from the name; expected a name such as "
                    "train-images-idx3-ubyte, with train-labels-idx1-ubyte beside it",
                    path);
    of->has_prefix = true;
    strcpy(of->prefix, parsed.prefix);
    of->folder = strndup(path, (size_t)(base - path));
    return of->folder ? TAS_OK : no_memory(of);
}

static tas_status find_files(file_set *of)
{
    tas_status status = choose_files(of);
    if (status || (of->chosen[TAS_TRAIN][0] && of->chosen[TAS_TEST][0])) return status;
    if (of->request->inputs_only && !paths_is_folder(of->request->path)) {
        of->path[TAS_TRAIN][ARRAY_INPUTS] = strdup(of->request->path);
        return of->path[TAS_TRAIN][ARRAY_INPUTS] ? TAS_OK : no_memory(of);
    }
    if (of->chosen[TAS_TRAIN][0] && !paths_is_folder(of->request->path)) return TAS_OK;
    status = choose_folder(of);
    return status ? status : paths_for_each(of->request->context, *of->folder ? of->folder : ".", add_file, of);
}

/* The name of what lacks, from that of the file which it belongs to. */
static tas_status refuse_lack(const file_set *of, int split, int role)
{
    file_name parsed = {.point = '-', .word = &split_words[split]};
    char name[2 * NAME_MAX];
    parse_name(paths_base(of->path[split][!role]), &parsed);
    snprintf(name, sizeof name, "%s%s-%s%cidx%c-ubyte", parsed.prefix, parsed.word ? parsed.word->text : "",
             role_words[role], parsed.point, role == ARRAY_INPUTS ? '3' : '1');
    return fail(of->request->context, TAS_BAD_FILE, "%s: neither %s nor %s.gz is there", of->request->path, name, name);
}

static tas_status check_files(const file_set *of)
{
    const reader_request *request = of->request;
    bool any = false;
    for (int split = 0; split < 2; split++)
        for (int role = 0; role < 2; role++) {
            any |= of->path[split][role] != NULL;
            if (request->wanted[split] && !of->path[split][role] && of->path[split][!role] &&
                !(role == ARRAY_TARGETS && request->inputs_only))
                return refuse_lack(of, split, role);
        }
    if (any) return TAS_OK;
    return fail(request->context, TAS_BAD_FILE,
                "%s: no IDX files in this folder; expected train-images-idx3-ubyte and train-labels-idx1-ubyte, "
                "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, plain or .gz",
                request->path);
}

/* Reading ---------------------------------------------------------------------------------------------------------- */

static tas_status open_file(void *user, int index, array *out)
{
    const file_set *of = user;
    return idx_open(of->request->context, of->path[index / 2][index % 2], out);
}

static tas_status read_files(file_set *of, reader_result *out)
{
    array_sets sets = {.open = open_file, .user = of, .bytes_are_labels = true};
    for (int split = 0; split < 2; split++)
        for (int role = 0; role < 2; role++)
            sets.at[split][role] = of->path[split][role] ? 2 * split + role : ARRAY_NONE;
    if (of->request->inputs_only && !of->path[TAS_TRAIN][ARRAY_INPUTS])
        memcpy(sets.at[TAS_TRAIN], sets.at[TAS_TEST], sizeof sets.at[TAS_TRAIN]);
    return array_sets_read(of->request, &sets, out);
}

static tas_status open_sets(const reader_request *request, reader_result *out)
{
    file_set files = {.request = request};
    tas_status status = reader_refuse_others(request, &reader_idx, (const char *const[]){"files", NULL});
    if (!status) status = find_files(&files);
    if (!status) status = check_files(&files);
    if (!status) status = read_files(&files, out);
    for (int k = 0; k < 4; k++) free(files.path[k / 2][k % 2]);
    free(files.folder);
    return status;
}

static bool has_files(const char *folder)
{
    file_name parsed;
    bool found = false;
    DIR *all = opendir(folder);
    for (const struct dirent *e; all && !found && (e = readdir(all));) found = parse_name(e->d_name, &parsed);
    if (all) closedir(all);
    return found;
}

static bool recognize(const reader_look *look)
{
    const unsigned char *head = look->head;
    file_name parsed;
    if (look->folder) return has_files(look->path);
    if (parse_name(paths_base(look->path), &parsed)) return true;
    return look->head_bytes >= 8 && !head[0] && !head[1] && head[2] >= 8 && head[2] <= 14 && head[3] >= 1 &&
           head[3] <= 4;
}

const reader reader_idx = {
    .name = "idx",
    .title = "a set of IDX files",
    .rules =
        "A folder of four IDX files, the format of MNIST: train-images-idx3-ubyte and train-labels-idx1-ubyte for "
        "training, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (or test-...) for the test. A name may have a "
        "dot before idx, a prefix before train as in emnist-letters-train-images-idx3-ubyte, and .gz at its end if the "
        "file is compressed with gzip. Each file may be in a folder of its own name. One of these files stands for its "
        "set: name it if a folder has several. Files of other names can be given one by one.\n\n"
        "An IDX file is a magic number, the sizes and the elements, row by row; all numbers have their most "
        "significant byte first. The magic number is two zero bytes, the type (08: unsigned bytes, 09: signed bytes, "
        "0b and 0c: integers of 2 and 4 bytes, 0d and 0e: floats of 4 and 8 bytes) and the number of dimensions; each "
        "size has 4 bytes. Inputs have 1 to 4 dimensions, of which the first counts the examples: (n) is one feature, "
        "(n, features), (n, height, width) of one channel, or 4 as for NumPy. Unsigned bytes are pixels, everything "
        "else is floats. Labels have the size (n); labels from 0 to n-1 are the classes, others become classes in "
        "ascending order, named by their numbers. Of types other than unsigned bytes they are labels if they are "
        "whole numbers of at most 20 values, else values.\n\n"
        "The images of EMNIST are transposed. They are used as they are.",
    .recognize = recognize,
    .open = open_sets,
};
