/* The sparse text of LIBSVM and SVMlight. What a line does not name is 0. */
#include "data/builder.h"
#include "data/readers/libsvm_rows.h"
#include "data/readers/number.h"
#include "data/readers/paths.h"
#include "data/readers/targets.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Recognizing ----------------------------------------------------------------------------------------------------- */

/* index:value, or qid:value */
static bool is_entry(const char *at)
{
    const size_t digits = strncmp(at, "qid", 3) ? strspn(at, "0123456789") : 3;
    return digits && at[digits] == ':' && strspn(at + digits + 1, "0123456789+-.eE");
}

/* Whether the text begins with such a line: a label, unless it is for prediction, and an entry. Behind comments. */
static bool is_sparse(const char *at)
{
    at += strspn(at, " \t\r\n");
    while (*at == '#' && strchr(at, '\n')) {
        at = strchr(at, '\n');
        at += strspn(at, " \t\r\n");
    }
    const char *label = at;
    at += strspn(at, "0123456789+-.eE,"); /* a comma: several labels, which are refused with a reason */
    return is_entry(label) || (at > label && (*at == ' ' || *at == '\t') && is_entry(at + strspn(at, " \t")));
}

static bool has_ending(const char *path, const char *const *endings)
{
    while (*endings && !paths_has_ending(path, *endings)) endings++;
    return *endings;
}

/* Tables have numbers with colons, too: times. */
static bool recognize(const reader_look *look)
{
    static const char *const own[] = {".libsvm", ".svm", ".svmlight", NULL};
    static const char *const others[] = {".csv", ".tsv", ".tab", NULL};
    char text[sizeof look->head + 1];
    if (look->folder || has_ending(look->path, others)) return false;
    if (has_ending(look->path, own)) return true;
    memcpy(text, look->head, look->head_bytes);
    text[look->head_bytes] = 0;
    return is_sparse(text);
}

/* Files ----------------------------------------------------------------------------------------------------------- */

/* What is known of a split after its first reading. */
typedef struct libsvm_split {
    char *path; /* NULL: there is none */
    libsvm_rows rows;
    double *labels;  /* (count); 0 where predictions have none */
    uint64_t *lines; /* (count), for errors */
    uint64_t count, room;
    uint32_t least, most; /* indices; least is UINT32_MAX if there are none */
    uint64_t least_line, most_line;
    bool bytes; /* all values are whole numbers from 0 to 255 */
} libsvm_split;

typedef struct libsvm_set {
    const reader_request *request;
    libsvm_split split[2];
    targets_kind targets;
    schema *schema;
    uint32_t first; /* the index of the first input: 0 or 1 */
} libsvm_set;

static tas_status no_memory(const libsvm_set *set)
{
    return fail(set->request->context, TAS_NO_MEMORY, "%s: no memory", set->request->path);
}

/* FILE.t, or FILE.t.gz, where FILE may end with .gz itself. */
static tas_status find_test(libsvm_set *set)
{
    const char *path = set->request->path;
    const int length = (int)strlen(path) - (paths_ends_with(path, ".gz") ? 3 : 0);
    for (int compressed = 0; compressed < 2; compressed++) {
        char *test = NULL;
        if (asprintf(&test, "%.*s.t%s", length, path, compressed ? ".gz" : "") < 0) return no_memory(set);
        if (!access(test, F_OK)) {
            set->split[TAS_TEST].path = test;
            return TAS_OK;
        }
        free(test);
    }
    return TAS_OK;
}

/* Counting -------------------------------------------------------------------------------------------------------- */

static tas_status keep_label(libsvm_set *set, libsvm_split *split)
{
    if (split->count == UINT32_MAX)
        return fail(set->request->context, TAS_BAD_DATA, "%s: more than 4294967295 examples", split->path);
    if (split->count == split->room) {
        const uint64_t room = split->room ? 2 * split->room : 1024;
        double *labels = realloc(split->labels, room * sizeof *labels);
        if (labels) split->labels = labels;
        uint64_t *lines = labels ? realloc(split->lines, room * sizeof *lines) : NULL;
        if (!lines) return no_memory(set);
        split->lines = lines;
        split->room = room;
    }
    split->labels[split->count] = split->rows.has_label ? split->rows.label : 0;
    split->lines[split->count++] = split->rows.line;
    return TAS_OK;
}

static void look_at_entries(libsvm_split *split)
{
    const libsvm_rows *rows = &split->rows;
    if (!rows->count) return;
    const uint32_t least = rows->entries[0].index, most = rows->entries[rows->count - 1].index;
    if (least < split->least) split->least_line = rows->line;
    if (least < split->least) split->least = least;
    if (most > split->most || !split->most_line) split->most_line = rows->line;
    if (most > split->most) split->most = most;
    for (size_t i = 0; i < rows->count && split->bytes; i++) {
        const float value = rows->entries[i].value;
        split->bytes = value >= 0 && value <= 255 && value == (float)(int)value;
    }
}

static tas_status scan_split(libsvm_set *set, libsvm_split *split)
{
    bool more = true;
    split->least = UINT32_MAX;
    split->bytes = true;
    tas_status status = libsvm_rows_open(set->request, split->path, &split->rows);
    while (!status) {
        status = libsvm_rows_next(&split->rows, &more);
        if (status || !more) break;
        look_at_entries(split);
        status = keep_label(set, split);
    }
    if (status || split->count) return status;
    if (reader_has_problems(set->request)) return TAS_OK;
    return fail(set->request->context, TAS_BAD_DATA, "%s: no examples; expected lines of label index:value ...",
                split->path);
}

/* Sizes and types ------------------------------------------------------------------------------------------------- */

static uint32_t least_of(const libsvm_set *set)
{
    const libsvm_split *train = &set->split[TAS_TRAIN], *test = &set->split[TAS_TEST];
    return test->count && test->least < train->least ? test->least : train->least;
}

static tas_status keep_sizes(libsvm_set *set)
{
    const schema *of = set->schema;
    set->first = !of->sparse_from_zero;
    for (int k = 0; k < 2; k++) {
        const libsvm_split *split = &set->split[k];
        if (split->count && split->least < set->first)
            return fail(set->request->context, TAS_BAD_DATA,
                        "%s:%" PRIu64 ": index 0, but those of the training set count from 1", split->path,
                        split->least_line);
        if (split->most_line && split->most - set->first >= of->input_size)
            return fail(set->request->context, TAS_BAD_DATA,
                        "%s:%" PRIu64 ": index %" PRIu32 ", expected at most %zu as the network has inputs",
                        split->path, split->most_line, split->most, of->input_size - 1 + set->first);
    }
    return TAS_OK;
}

/* The inputs of both splits, and those that the network has beyond them: trailing zeros are not written. */
static tas_status choose_sizes(libsvm_set *set)
{
    const tas_reading *reading = set->request->reading;
    const libsvm_split *train = &set->split[TAS_TRAIN], *test = &set->split[TAS_TEST];
    const bool picture = reading->height > 1 && reading->width > 1;
    const uint32_t most = test->most > train->most ? test->most : train->most;
    uint64_t wanted = reading->channels;
    schema *of = set->schema;
    set->first = least_of(set) ? 1 : 0;
    of->sparse_from_zero = !set->first;
    of->input_size = most + 1 - set->first;
    if (!train->most_line && !test->most_line)
        return fail(set->request->context, TAS_BAD_DATA, "%s: no example has an index:value", set->request->path);
    if (reading->height && reading->width &&
        (!mul_size(wanted, reading->height, &wanted) || !mul_size(wanted, reading->width, &wanted)))
        wanted = 0;
    if (wanted > of->input_size && wanted <= LIBSVM_INDEX_MOST) of->input_size = (size_t)wanted;
    const bool bytes = train->bytes && (test->bytes || !test->count);
    const bool pixels = reading->pixels == TAS_CHOICE_YES || (reading->pixels == TAS_CHOICE_AUTO && picture && bytes);
    of->input_type = pixels ? TAS_INPUT_U8 : TAS_INPUT_F32;
    if (!pixels || !picture || wanted != of->input_size) return TAS_OK;
    of->channels = reading->channels;
    of->height = reading->height;
    of->width = reading->width;
    return TAS_OK;
}

/* Targets --------------------------------------------------------------------------------------------------------- */

static tas_status decide_targets(libsvm_set *set)
{
    const tas_targets wanted = set->request->reading->targets;
    const libsvm_split *split = &set->split[TAS_TRAIN];
    tas_status status = TAS_OK;
    if (set->request->schema) return targets_keep(set->request, split->path, &set->targets);
    for (uint64_t i = 0; i < split->count && wanted == TAS_TARGETS_CLASSES && !status; i++)
        if (!number_is_whole(split->labels[i]))
            status = reader_problem(set->request, "%s:%" PRIu64 ": label %g, expected a whole number for a class",
                                    split->path, split->lines[i], split->labels[i]);
    if (status || reader_has_problems(set->request)) return status;
    return targets_decide(set->request, split->path, split->labels, split->count, 1, wanted, &set->targets);
}

static tas_status fill_targets(libsvm_set *set, const libsvm_split *split, reader_set *out)
{
    const targets_kind *kind = &set->targets;
    uint32_t label;
    tas_status status = TAS_OK;
    if (set->request->inputs_only) return targets_fill_zero(set->request, split->path, split->count, kind, out);
    for (uint64_t i = 0; i < split->count && kind->type == TAS_TARGET_LABEL && !status; i++)
        if (!targets_find_label(kind, split->labels[i], &label))
            status = reader_problem(set->request, "%s:%" PRIu64 ": label %g is not a class of the training set",
                                    split->path, split->lines[i], split->labels[i]);
    if (status || reader_has_problems(set->request)) return status;
    return targets_fill(set->request, split->path, split->labels, split->count, 1, kind, out);
}

/* Inputs ---------------------------------------------------------------------------------------------------------- */

static tas_status fill_bytes(const libsvm_set *set, const libsvm_split *split, unsigned char *out)
{
    tas_status status = TAS_OK;
    memset(out, 0, set->schema->input_size);
    for (size_t i = 0; i < split->rows.count && !status; i++) {
        const libsvm_entry *e = &split->rows.entries[i];
        if (e->value >= 0 && e->value <= 255 && e->value == (float)(int)e->value)
            out[e->index - set->first] = (unsigned char)e->value;
        else
            status = reader_problem(set->request,
                                    "%s:%" PRIu64 ": index %" PRIu32
                                    ": %g is not a pixel: expected a whole number from 0 to 255",
                                    split->path, split->rows.line, e->index, (double)e->value);
    }
    return status;
}

static void fill_floats(const libsvm_set *set, const libsvm_split *split, float *out)
{
    memset(out, 0, set->schema->input_size * sizeof *out);
    for (size_t i = 0; i < split->rows.count; i++)
        out[split->rows.entries[i].index - set->first] = split->rows.entries[i].value;
}

static bool fits(const libsvm_set *set, const libsvm_split *split)
{
    const libsvm_rows *rows = &split->rows;
    return !rows->count || (rows->entries[0].index >= set->first &&
                            rows->entries[rows->count - 1].index - set->first < set->schema->input_size);
}

static tas_status fill_rows(const libsvm_set *set, libsvm_split *split, builder *all)
{
    bool more = true;
    uint64_t done = 0;
    void *row;
    tas_status status = libsvm_rows_rewind(&split->rows);
    for (; !status; done++) {
        status = libsvm_rows_next(&split->rows, &more);
        if (status || !more) break;
        if (done == split->count || !fits(set, split)) break;
        status = builder_add(all, 1, &row);
        if (status) break;
        if (set->schema->input_type == TAS_INPUT_U8)
            status = fill_bytes(set, split, row);
        else
            fill_floats(set, split, row);
    }
    if (!status && (more || done < split->count))
        status = fail(set->request->context, TAS_BAD_DATA, "%s: changed while it was read", split->path);
    return status;
}

/* Examples are not sparse in memory: a few lines with great indices would need any amount of it. */
static tas_status check_memory(const libsvm_set *set, const libsvm_split *split, size_t row)
{
    enum { SMALL = 1 << 30, TIMES_MOST = 1000 };
    uint64_t bytes;
    const bool counts = mul_size(split->count, row, &bytes);
    if (counts && (bytes <= SMALL || bytes / TIMES_MOST <= split->rows.read)) return TAS_OK;
    return fail(set->request->context, TAS_BAD_DATA,
                "%s: %" PRIu64
                " examples of %zu inputs are too sparse: with their zeros they are more than %d times as "
                "large as the file",
                split->path, split->count, set->schema->input_size, TIMES_MOST);
}

static tas_status fill_split(libsvm_set *set, libsvm_split *split, reader_set *out)
{
    const schema *of = set->schema;
    const size_t element = of->input_type == TAS_INPUT_U8 ? 1 : sizeof(float);
    builder *all = NULL;
    uint64_t count = 0;
    out->options.count = split->count;
    out->options.input_size = of->input_size;
    out->options.input_type = of->input_type;
    tas_status status = check_memory(set, split, of->input_size * element);
    if (!status) status = fill_targets(set, split, out);
    if (status || reader_has_problems(set->request)) return status;
    status = builder_open(set->request->context, split->path, of->input_size * element, set->request->reading->cache, 0,
                          &all);
    if (!status) status = fill_rows(set, split, all);
    if (!status) status = builder_finish(all, &out->inputs, &count);
    out->present = !status;
    builder_close(&all);
    return status;
}

/* Opening --------------------------------------------------------------------------------------------------------- */

static tas_status read_set(libsvm_set *set, reader_result *out)
{
    const reader_request *request = set->request;
    tas_status status = TAS_OK;
    if (request->schema) status = schema_copy(request->context, request->schema, set->schema);
    for (int k = 0; k < 2 && !status; k++)
        if (set->split[k].path && (!request->schema || request->wanted[k])) status = scan_split(set, &set->split[k]);
    if (status || reader_has_problems(request)) return status;
    status = request->schema ? keep_sizes(set) : choose_sizes(set);
    if (!status) status = decide_targets(set);
    if (!status && !request->schema) status = targets_describe(request, &set->targets, set->schema);
    for (int k = 0; k < 2 && !status; k++)
        if (set->split[k].path && request->wanted[k]) status = fill_split(set, &set->split[k], &out->split[k]);
    return status;
}

static tas_status open_set(const reader_request *request, reader_result *out)
{
    static const char *const uses[] = {NULL};
    libsvm_set set = {.request = request, .schema = &out->schema};
    tas_status status = reader_refuse_others(request, &reader_libsvm, uses);
    if (status) return status;
    set.split[TAS_TRAIN].path = strdup(request->path);
    status = set.split[TAS_TRAIN].path ? TAS_OK : no_memory(&set);
    if (!status && !request->inputs_only) status = find_test(&set);
    if (!status) status = read_set(&set, out);
    for (int k = 0; k < 2; k++) {
        libsvm_rows_close(&set.split[k].rows);
        free(set.split[k].path);
        free(set.split[k].labels);
        free(set.split[k].lines);
    }
    targets_free(&set.targets);
    return status;
}

const reader reader_libsvm = {
    .name = "libsvm",
    .title = "a LIBSVM text",
    .rules =
        "Sparse text, plain or compressed with gzip: each line has a label and then index:value for what is not 0, "
        "with blanks between them and ascending indices; # begins a comment. Indices count from 1, or from 0 if one of "
        "them is 0. If there is a file of the same name with .t (or .t.gz) behind it, that is the test split.\n\n"
        "Inputs are as many as the greatest index of both splits says, or as the network has if those are more. Labels "
        "are classes if they are whole numbers of at most 20 values, such as -1 and 1; else values. Several labels per "
        "example are refused.",
    .recognize = recognize,
    .open = open_set,
};
