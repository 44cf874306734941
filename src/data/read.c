/* Data sets from files: a reader's result becomes one set for each split. */
#include "data/dataset.h"
#include "data/recognize.h"
#include "data/shuffle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const split_names[] = {"train", "test"};

void tas_reading_init(tas_reading *reading) { *reading = (tas_reading){.size = sizeof *reading, .test_seed = 1}; }

/* Checking -------------------------------------------------------------------------------------------------------- */

static tas_status check_reading(tas_context *context, const tas_reading *reading)
{
    if (reading->size != sizeof *reading)
        return fail(context, TAS_BAD_ARGUMENT,
                    "data: reading.size is %zu, expected %zu: initialize with tas_reading_init()", reading->size,
                    sizeof *reading);
    if (!(reading->test_share >= 0 && reading->test_share < 1) || (reading->test_share > 0 && reading->test_count))
        return fail(context, TAS_BAD_ARGUMENT, "data: a test share of %g, expected 0 to below 1, and no test count",
                    reading->test_share);
    if ((reading->train_images || reading->train_labels) && !(reading->train_images && reading->train_labels))
        return fail(context, TAS_BAD_ARGUMENT, "data: train_images without train_labels, or the reverse");
    if ((reading->test_images || reading->test_labels) && !(reading->test_images && reading->test_labels))
        return fail(context, TAS_BAD_ARGUMENT, "data: test_images without test_labels, or the reverse");
    return TAS_OK;
}

static bool same_sizes(const tas_data_options *a, const tas_data_options *b)
{
    return a->input_size == b->input_size && a->input_type == b->input_type && a->target_type == b->target_type &&
           a->target_size == b->target_size;
}

/* The schema's sizes and types are those of the splits, which must agree. Classes are the most that either has. */
static tas_status complete_schema(const reader_request *request, const reader *format, reader_result *result)
{
    reader_set *train = &result->split[TAS_TRAIN], *test = &result->split[TAS_TEST];
    const reader_set *one = train->present ? train : test;
    schema *of = &result->schema;
    if (train->present && test->present && !same_sizes(&train->options, &test->options))
        return fail(request->context, TAS_BAD_DATA,
                    "%s: the examples of its test split are unlike those for training: %zu inputs and %zu target "
                    "values, expected %zu and %zu, of the same types",
                    request->path, test->options.input_size, test->options.target_size, train->options.input_size,
                    train->options.target_size);
    of->format = format->name;
    of->input_size = one->options.input_size;
    of->input_type = one->options.input_type;
    of->target_type = one->options.target_type;
    of->target_size = of->target_type == TAS_TARGET_F32 ? one->options.target_size : 0;
    for (int split = 0; split < 2; split++)
        if (result->split[split].present && result->split[split].options.classes > of->classes)
            of->classes = result->split[split].options.classes;
    for (int split = 0; split < 2; split++) result->split[split].options.classes = of->classes;
    return TAS_OK;
}

/* Creating -------------------------------------------------------------------------------------------------------- */

static tas_status create_set(const reader_request *request, const schema *of, reader_set *set, tas_split split,
                             tas_data **out)
{
    tas_context *context = request->context;
    schema copy = {0};
    char name[sizeof(*out)->name];
    snprintf(name, sizeof name, "%.*s (%s)", (int)sizeof name - 10, request->path, split_names[split]);
    tas_status status = dataset_create(context, &set->options, name, out);
    if (status) return status;
    tas_data *data = *out;
    data->options.inputs = set->inputs.bytes;
    data->options.targets = set->targets;
    data->inputs = set->inputs;
    data->own_targets = set->targets;
    set->inputs = (data_elements){0};
    set->targets = NULL;
    status = schema_copy(context, of, &copy);
    if (!status) status = about_create(context, &copy, &data->about);
    if (status) return status;
    data->about->example_names = set->names;
    data->about->example_name_count = set->names ? (size_t)set->options.count : 0;
    set->names = NULL;
    data->about->missing = set->missing;
    data->about->dropped = set->dropped;
    return dataset_check(data);
}

static uint64_t examples_to_hold_out(const tas_reading *reading, uint64_t count)
{
    if (reading->test_count) return reading->test_count;
    if (!(reading->test_share > 0)) return 0;
    const uint64_t share = (uint64_t)((double)count * reading->test_share);
    return share ? share : 1;
}

/* *train becomes two parts that share it. */
static tas_status hold_out(const reader_request *request, uint64_t count, tas_data **train, tas_data **test)
{
    tas_data *whole = *train, *rest = NULL, *drawn = NULL;
    if (count >= tas_data_count(whole))
        return fail(request->context, TAS_BAD_ARGUMENT,
                    "%s: cannot hold out %" PRIu64 " examples for the test, there are %" PRIu64, request->path, count,
                    tas_data_count(whole));
    const tas_status status = tas_data_split(whole, count, request->reading->test_seed, &rest, &drawn);
    if (status) return status;
    rest->shared = drawn->shared = whole;
    whole->parts = 2;
    drawn->held_out = true;
    *train = rest;
    *test = drawn;
    return TAS_OK;
}

static tas_status create_sets(const reader_request *request, const reader *format, reader_result *result,
                              tas_data **sets)
{
    tas_status status = complete_schema(request, format, result);
    for (int split = 0; split < 2 && !status; split++)
        if (result->split[split].present)
            status = create_set(request, &result->schema, &result->split[split], (tas_split)split, &sets[split]);
    if (status || !sets[TAS_TRAIN] || sets[TAS_TEST] || !request->wanted[TAS_TEST]) return status;
    const uint64_t count = examples_to_hold_out(request->reading, tas_data_count(sets[TAS_TRAIN]));
    return count ? hold_out(request, count, &sets[TAS_TRAIN], &sets[TAS_TEST]) : TAS_OK;
}

static void free_result(reader_result *result)
{
    for (int split = 0; split < 2; split++) {
        elements_close(&result->split[split].inputs);
        free(result->split[split].targets);
        schema_free_names(&result->split[split].names, (size_t)result->split[split].options.count);
    }
    schema_free(&result->schema);
}

/* sets[split] stays NULL if there is no such split. */
static tas_status read_sets(reader_request *request, tas_data *sets[2])
{
    const reader *format = NULL;
    schema kept = {0};
    reader_result result = {.schema.format = NULL};
    for (int split = 0; split < 2; split++) tas_data_options_init(&result.split[split].options);
    tas_status status = check_reading(request->context, request->reading);
    if (!status) status = recognize_format(request->context, request->path, request->reading, &format);
    if (!status && request->reading->schema) {
        status = schema_parse(request->context, request->reading->schema, request->path, &kept);
        request->schema = &kept;
    }
    if (!status) status = format->open(request, &result);
    if (!status && reader_has_problems(request)) status = TAS_BAD_DATA;
    if (!status) status = create_sets(request, format, &result, sets);
    free_result(&result);
    schema_free(&kept);
    if (status)
        for (int split = 0; split < 2; split++) tas_data_close(&sets[split]);
    return status;
}

/* Entry points ---------------------------------------------------------------------------------------------------- */

tas_status tas_data_read(tas_context *context, const char *path, const tas_reading *reading, tas_data **train,
                         tas_data **test)
{
    entry_state caller;
    tas_data *sets[2] = {NULL, NULL};
    const bool draws = test && (reading->test_count || reading->test_share > 0); /* maybe from the training split */
    reader_request request = {.context = context, .path = path, .reading = reading, .wanted = {train || draws, test}};
    entry_begin(context, &caller);
    const tas_status status = read_sets(&request, sets);
    if (train) *train = sets[TAS_TRAIN];
    if (test) *test = sets[TAS_TEST];
    if (!train) tas_data_close(&sets[TAS_TRAIN]);
    if (!test) tas_data_close(&sets[TAS_TEST]);
    entry_end(&caller);
    return status;
}

tas_status tas_data_read_inputs(tas_context *context, const char *path, const tas_reading *reading, tas_data **out)
{
    entry_state caller;
    tas_data *sets[2] = {NULL, NULL};
    reader_request request = {
        .context = context, .path = path, .reading = reading, .wanted = {true, false}, .inputs_only = true};
    *out = NULL;
    entry_begin(context, &caller);
    tas_status status = reading->schema ? read_sets(&request, sets)
                                        : fail(context, TAS_BAD_ARGUMENT, "%s: inputs alone need a schema", path);
    if (!status && !sets[TAS_TRAIN]) status = fail(context, TAS_BAD_FILE, "%s: it has no examples", path);
    if (!status) *out = sets[TAS_TRAIN];
    entry_end(&caller);
    return status;
}

tas_status tas_data_open_folder(tas_context *context, const char *path, tas_split split, tas_data **out)
{
    entry_state caller;
    tas_reading reading;
    tas_data *sets[2] = {NULL, NULL};
    *out = NULL;
    if (split != TAS_TRAIN && split != TAS_TEST)
        return fail(context, TAS_BAD_ARGUMENT, "%s: unknown split %d", path, (int)split);
    tas_reading_init(&reading);
    reader_request request = {
        .context = context, .path = path, .reading = &reading, .wanted = {split == TAS_TRAIN, split == TAS_TEST}};
    entry_begin(context, &caller);
    tas_status status = read_sets(&request, sets);
    *out = sets[split];
    tas_data_close(&sets[1 - split]);
    if (!status && !*out) status = fail(context, TAS_BAD_FILE, "%s: there is no %s split", path, split_names[split]);
    entry_end(&caller);
    return status;
}

tas_status tas_data_check(tas_context *context, const char *path, const tas_reading *reading, int most,
                          tas_problem_fn found, void *user, int *count)
{
    entry_state caller;
    tas_data *sets[2] = {NULL, NULL};
    reader_problems problems = {.found = found, .user = user, .most = most > 0 ? most : 1};
    reader_request request = {
        .context = context, .path = path, .reading = reading, .wanted = {true, true}, .problems = &problems};
    *count = 0;
    entry_begin(context, &caller);
    tas_status status = read_sets(&request, sets);
    const bool of_files = status == TAS_BAD_DATA || status == TAS_BAD_FILE;
    if (of_files && !problems.count) reader_add_problem(context, &problems); /* one that ended the reading at once */
    *count = problems.count;
    for (int split = 0; split < 2; split++) tas_data_close(&sets[split]);
    entry_end(&caller);
    return problems.count ? TAS_OK : status;
}
