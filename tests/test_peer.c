/* Tassello against PyTorch: trainings whose batch is the whole data set, from the same weights. tests/peer/figures.py
 * has made the figures and says what the files in tests/peer hold; each is a test here. */
#include "driver.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MOST = 256, PATH_BYTES = 512, TEXT_BYTES = 1 << 14 };

static char *files[FILES_MOST];
static int file_count;

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static void list_files(void)
{
    DIR *folder = opendir(PEER_FOLDER);
    if (!folder) return;
    for (struct dirent *entry; (entry = readdir(folder)) && file_count < FILES_MOST;) {
        const size_t length = strlen(entry->d_name);
        if (length > 5 && !strcmp(entry->d_name + length - 5, ".json")) files[file_count++] = strdup(entry->d_name);
    }
    closedir(folder);
    qsort(files, (size_t)file_count, sizeof *files, compare_names);
}

/* ---- what both sides draw ---------------------------------------------------------------------------------------- */

/* Whole numbers from -2^15 to 2^15 - 1, as in figures.py. */
static uint32_t begin_numbers(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++) hash = (hash ^ (uint32_t)(unsigned char)*name) * 16777619u;
    return hash;
}

static int next_number(uint32_t *numbers)
{
    *numbers = *numbers * 1664525u + 1013904223u;
    return (int)(*numbers >> 16) - (1 << 15);
}

static bool ends_in(const char *name, const char *end)
{
    const size_t length = strlen(end);
    return strlen(name) >= length && !strcmp(name + strlen(name) - length, end);
}

static void draw_values(const tas_tensor_info *info, float *values)
{
    uint32_t numbers = begin_numbers(info->name);
    const double inputs = (double)info->elements / (double)info->dims[0];
    const double start = info->ndims == 1 && ends_in(info->name, ".weight") ? 1 : 0;
    double scale = 1;
    while (4 < inputs * scale * scale) scale /= 2;
    if (info->ndims == 1) scale = 0.25;
    for (size_t i = 0; i < info->elements; i++) values[i] = (float)(next_number(&numbers) * 0x1p-15 * scale + start);
}

static void draw_floats(const char *name, size_t count, bool bits, float *values)
{
    uint32_t numbers = begin_numbers(name);
    for (size_t i = 0; i < count; i++) {
        const float value = (float)next_number(&numbers) * 0x1p-14f;
        values[i] = !bits ? value : value > 0 ? 1 : 0;
    }
}

/* ---- a case ------------------------------------------------------------------------------------------------------ */

static double number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_number(value), "no number '%s'", key);
    return json_number_value(value);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    ck_assert_msg(text != NULL, "no text '%s'", key);
    return text;
}

static tas_model *open_model(const json_t *figures)
{
    char text[TEXT_BYTES] = "";
    const json_t *lines = json_object_get(figures, "network"), *line;
    size_t i, used = 0;
    tas_network *network;
    tas_model *model;
    json_array_foreach(lines, i, line) used +=
        (size_t)snprintf(text + used, sizeof text - used, "%s\n", json_string_value(line));
    ck_assert_uint_lt(used, sizeof text);
    expect_ok(tas_network_parse(context, text, "network", &network));
    expect_ok(tas_model_open(tested, network, 1, &model));
    tas_network_close(&network);
    const tas_tensor_info *info;
    for (i = 0; (info = tas_network_tensor(tas_model_network(model), i)); i++) {
        if (strstr(info->name, ".running_")) continue;
        float *values = malloc(info->elements * sizeof *values);
        draw_values(info, values);
        expect_ok(tas_model_write(model, info->name, values, info->elements));
        free(values);
    }
    return model;
}

static tas_data *open_data(const json_t *figures, const tas_model *model)
{
    const tas_network *network = tas_model_network(model);
    const char *kind = text_of(figures, "targets");
    const size_t inputs = tas_network_inputs(network), outputs = tas_network_outputs(network);
    const bool labels = !strcmp(kind, "labels");
    tas_data_options options;
    tas_data *data;
    tas_data_options_init(&options);
    options.count = (uint64_t)number_of(figures, "count");
    options.input_size = inputs;
    options.input_type = TAS_INPUT_F32;
    options.target_type = labels ? TAS_TARGET_LABEL : TAS_TARGET_F32;
    float *x = malloc(options.count * inputs * sizeof *x), *floats = malloc(options.count * outputs * sizeof *floats);
    uint32_t *classes = malloc(options.count * sizeof *classes), numbers = begin_numbers("labels");
    draw_floats("inputs", options.count * inputs, false, x);
    draw_floats("targets", options.count * outputs, !strcmp(kind, "bits"), floats);
    float *weights = malloc(options.count * sizeof *weights);
    draw_floats("weights", options.count, false, weights);
    for (uint64_t i = 0; i < options.count; i++) weights[i] = weights[i] / 2 + 1;
    if (json_is_true(json_object_get(figures, "weights"))) options.weights = weights;
    if (labels) options.classes = (uint32_t)number_of(figures, "classes");
    for (uint64_t i = 0; labels && i < options.count; i++)
        classes[i] = (uint32_t)(next_number(&numbers) + (1 << 15)) % options.classes;
    if (!labels) options.target_size = outputs;
    options.inputs = x;
    options.targets = labels ? (void *)classes : (void *)floats;
    expect_ok(tas_data_open(context, &options, &data));
    free(x);
    free(floats);
    free(classes);
    free(weights);
    return data;
}

static const char *optimizer_name(int i) { return tas_optimizer_name((tas_optimizer)i); }
static const char *schedule_name(int i) { return tas_schedule_name((tas_schedule)i); }
static const char *decay_on_name(int i) { return tas_decay_on_name((tas_decay_on)i); }

typedef struct option {
    const char *key;
    size_t offset;
    enum { OPTION_FLOAT, OPTION_INT, OPTION_U64, OPTION_NAME } type;
    const char *(*name_of)(int);
} option;

#define OPTION(name, ...)                                                                                              \
    {                                                                                                                  \
#name, offsetof(tas_train_options, name), __VA_ARGS__                                                          \
    }
static const option options_known[] = {
    OPTION(optimizer, OPTION_NAME, optimizer_name),
    OPTION(lr, OPTION_FLOAT, NULL),
    OPTION(momentum, OPTION_FLOAT, NULL),
    OPTION(nesterov, OPTION_INT, NULL),
    OPTION(weight_decay, OPTION_FLOAT, NULL),
    OPTION(decay_on, OPTION_NAME, decay_on_name),
    OPTION(beta1, OPTION_FLOAT, NULL),
    OPTION(beta2, OPTION_FLOAT, NULL),
    OPTION(epsilon, OPTION_FLOAT, NULL),
    OPTION(alpha, OPTION_FLOAT, NULL),
    OPTION(clip, OPTION_FLOAT, NULL),
    OPTION(schedule, OPTION_NAME, schedule_name),
    OPTION(decay_steps, OPTION_U64, NULL),
    OPTION(decay, OPTION_FLOAT, NULL),
    OPTION(lr_end, OPTION_FLOAT, NULL),
    OPTION(power, OPTION_FLOAT, NULL),
    OPTION(rise, OPTION_FLOAT, NULL),
};

static int find_name(const char *name, const char *(*name_of)(int))
{
    int i = 0;
    while (name_of(i) && strcmp(name_of(i), name) != 0) i++;
    ck_assert_msg(name_of(i) != NULL, "unknown name '%s'", name);
    return i;
}

static void set_option(tas_train_options *options, const char *key, const json_t *value)
{
    const option *of = options_known, *end = of + sizeof options_known / sizeof *options_known;
    while (of < end && strcmp(of->key, key) != 0) of++;
    ck_assert_msg(of < end, "unknown option '%s'", key);
    void *place = (char *)options + of->offset;
    switch (of->type) {
    case OPTION_FLOAT: *(float *)place = (float)json_number_value(value); break;
    case OPTION_INT: *(int *)place = (int)json_integer_value(value); break;
    case OPTION_U64: *(uint64_t *)place = (uint64_t)json_integer_value(value); break;
    case OPTION_NAME: *(int *)place = find_name(json_string_value(value), of->name_of); break;
    }
}

/* figure: [value, tolerance] */
static void check_loss(const char *what, uint64_t step, double loss, const json_t *figure)
{
    const double wanted = json_number_value(json_array_get(figure, 0));
    const double tolerance = json_number_value(json_array_get(figure, 1));
    ck_assert_msg(fabs(loss - wanted) <= tolerance, "%s %llu: %.9g, PyTorch has %.9g within %.2g (%.1f times that)",
                  what, (unsigned long long)step, loss, wanted, tolerance, fabs(loss - wanted) / tolerance);
}

static int check_step(void *user, const tas_step *step)
{
    check_loss("the loss of step", step->step, (double)step->loss,
               json_array_get(json_object_get(user, "losses"), (size_t)step->step - 1));
    return 0;
}

static void check_tensor(tas_model *model, const tas_tensor_info *info, const json_t *figures)
{
    const json_t *tensor = json_object_get(json_object_get(figures, "tensors"), info->name);
    ck_assert_msg(tensor != NULL, "no figures of '%s'", info->name);
    const json_t *values = json_object_get(tensor, "values"), *value;
    const size_t every = (size_t)number_of(tensor, "every");
    const double tolerance = number_of(tensor, "tolerance");
    float *got = malloc(info->elements * sizeof *got);
    size_t i;
    expect_ok(tas_model_read(model, info->name, got, info->elements));
    ck_assert_uint_gt(json_array_size(values), 0);
    json_array_foreach(values, i, value)
    {
        const double wanted = json_number_value(value), distance = fabs((double)got[i * every] - wanted);
        ck_assert_uint_lt(i * every, info->elements);
        ck_assert_msg(distance <= tolerance, "%s[%zu]: %.9g, PyTorch has %.9g within %.2g (%.1f times that)",
                      info->name, i * every, (double)got[i * every], wanted, tolerance, distance / tolerance);
    }
    free(got);
}

START_TEST(file)
{
    char path[PATH_BYTES];
    json_error_t error;
    tas_train_options options;
    tas_train_result result;
    tas_score score;
    const char *key;
    json_t *value;
    const tas_tensor_info *info;
    size_t tensors = 0;
    snprintf(path, sizeof path, "%s/%s", PEER_FOLDER, files[_i]);
    fprintf(stderr, "%s\n", files[_i]); /* a failure's message has only its number */
    json_t *figures = json_load_file(path, 0, &error);
    ck_assert_msg(figures != NULL, "%s:%d: %s", path, error.line, error.text);

    tas_model *model = open_model(figures);
    tas_data *data = open_data(figures, model);
    tas_train_options_init(&options);
    tas_train_options_choose(
        &options, (tas_optimizer)find_name(text_of(json_object_get(figures, "options"), "optimizer"), optimizer_name));
    json_object_foreach(json_object_get(figures, "options"), key, value) set_option(&options, key, value);
    options.batch = (uint32_t)tas_data_count(data);
    options.steps = json_array_size(json_object_get(figures, "losses"));
    options.on_step = check_step;
    options.user = figures;
    expect_ok(tas_train(model, data, &options, &result));
    ck_assert_uint_eq(result.steps, 20);
    for (; (info = tas_network_tensor(tas_model_network(model), tensors)); tensors++)
        check_tensor(model, info, figures);
    ck_assert_uint_eq(tensors, json_object_size(json_object_get(figures, "tensors")));
    expect_ok(tas_evaluate(model, data, &score));
    check_loss("the evaluation after step", result.steps, score.loss, json_object_get(figures, "evaluation"));

    tas_data_close(&data);
    tas_model_close(&model);
    json_decref(figures);
}
END_TEST

START_TEST(files_are_there) { ck_assert_int_gt(file_count, 0); }
END_TEST

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create(id ? id : "reference");
    TCase *tc = tcase_create("peer");
    list_files();
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, files_are_there);
    tcase_add_loop_test(tc, file, 0, file_count);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void) { return driver_run(make_suite); }
