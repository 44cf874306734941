/* tassello data: what is understood of a data set, or what is wrong with it. */
#include "sets.h"
#include "survey.h"

#include <stdlib.h>
#include <string.h>

enum { PROBLEMS = 10, EXAMPLES = 5 };

typedef struct settings {
    const char *data, *net, *loss;
    bool json;
    data_settings reading;
} settings;

#define READING(field) offsetof(settings, reading.field)

static const cli_option options[] = {
    {.name = "net",
     .metavar = "NET",
     .group = GROUP_READING,
     .type = TYPE_TEXT,
     .complete = COMPLETE_NET,
     .offset = offsetof(settings, net),
     .help = "Read the files as for this network, and check that they fit it: its input decides on the size of "
             "pictures, its loss on whether targets are classes."},
    OPTION_LOSS(offsetof(settings, loss)),
    OPTIONS_READING(READING),
    OPTION_JSON(offsetof(settings, json)),
    {0},
};

typedef struct session {
    cli_state cli;
    settings s;
    cli_sets sets; /* one split may be missing */
    cli_net net;
    tas_network *network;
    survey train, test;
    const survey *main; /* of those: the training split's, if there is one */
    json_t *problems;
} session;

/* ------------------------------------------------------------------------------------------------------- for people */

enum { LINES_MOST = 32, NAME_WIDTH = 28, LINE_WIDTH = 80 };

/* Of a long list the first lines are printed. */
static size_t lines_of(size_t count) { return count > LINES_MOST ? LINES_MOST : count; }

static void print_rest(size_t count)
{
    if (count > LINES_MOST) printf("  and %zu more, which --json has\n", count - LINES_MOST);
}

/* Of a name that is too long the beginning, and an ellipsis. */
static void print_name(const char *name)
{
    const char *text = cli_shown(name);
    if (strlen(text) > NAME_WIDTH)
        printf("  %.*s...", NAME_WIDTH - 3, text);
    else
        printf("  %-*s", NAME_WIDTH, text);
}

static void print_name_or(const char *const *names, size_t place, const char *what)
{
    char text[NAME_WIDTH];
    if (names) {
        print_name(names[place]);
        return;
    }
    snprintf(text, sizeof text, "%s %zu", what, place + 1);
    print_name(text);
}

static void print_counts(const session *r)
{
    printf("examples     ");
    if (r->train.data) printf("%llu to train", (unsigned long long)r->train.count);
    if (r->train.data && r->test.data) printf(", ");
    if (r->test.data) printf("%llu to test", (unsigned long long)r->test.count);
    if (r->test.info.held_out) printf(", held out: there is no test split");
    putchar('\n');
}

static void print_targets(const session *r)
{
    const tas_data_info *info = &r->main->info;
    const uint32_t classes = tas_data_classes(r->main->data);
    if (classes)
        printf("targets      %u class%s%s%s%s\n", classes, classes == 1 ? "" : "es", info->target_name ? " (" : "",
               info->target_name ? cli_shown(info->target_name[0]) : "", info->target_name ? ")" : "");
    else
        printf("targets      %zu value%s per example\n", info->target_size, info->target_size == 1 ? "" : "s");
}

static void print_missing(const session *r)
{
    const unsigned long long missing = r->train.info.missing + r->test.info.missing * !r->test.info.held_out;
    const unsigned long long dropped = r->train.info.dropped + r->test.info.dropped * !r->test.info.held_out;
    if (!missing && !dropped) return;
    printf("missing      %llu field%s", missing, missing == 1 ? "" : "s");
    if (dropped) printf("; %llu row%s left out", dropped, dropped == 1 ? "" : "s");
    if (!dropped) printf(", replaced by the mean of their column");
    putchar('\n');
}

static void print_head(const session *r)
{
    char text[SHAPE_TEXT];
    tas_format_info format;
    const tas_data_info *info = &r->main->info;
    printf("data         %s\n", cli_shown(r->s.data));
    for (size_t i = 0; tas_format(i, &format); i++)
        if (!strcmp(format.name, info->format)) printf("format       %s: %s\n", format.name, format.title);
    print_counts(r);
    printf("inputs       %s %s\n", sets_shape(r->main->data, text),
           info->input_type == TAS_INPUT_U8 ? "bytes; layers see byte / 255" : "numbers");
    print_targets(r);
    print_missing(r);
    if (r->network) printf("network      %s: they fit\n", cli_shown(r->s.net));
}

static void print_count(const survey *of, uint32_t class)
{
    if (of->data) printf(" %12llu", (unsigned long long)of->classes[class]);
}

static void print_classes(const session *r)
{
    const uint32_t classes = tas_data_classes(r->main->data);
    char number[16];
    printf("%-*s", NAME_WIDTH + 2, "classes");
    if (r->train.data) printf(" %12s", "train");
    if (r->test.data) printf(" %12s", "test");
    putchar('\n');
    for (uint32_t k = 0; k < lines_of(classes); k++) {
        snprintf(number, sizeof number, "%u", k);
        print_name(r->main->info.class_name ? r->main->info.class_name[k] : number);
        print_count(&r->train, k);
        print_count(&r->test, k);
        putchar('\n');
    }
    print_rest(classes);
}

static void print_range(const survey_range *range)
{
    printf(" %12.6g %12.6g %12.6g\n", range->least, range->mean, range->most);
}

static void print_ranges(const char *title, const char *one, const char *const *names, const survey_range *ranges,
                         size_t count)
{
    printf("%-*s %12s %12s %12s\n", NAME_WIDTH + 2, title, "min", "mean", "max");
    for (size_t k = 0; k < lines_of(count); k++) {
        print_name_or(names, k, one);
        print_range(&ranges[k]);
    }
    print_rest(count);
}

static void print_inputs(const survey *of)
{
    static const char *const all[] = {"all pixels"};
    if (of->looked < of->count)
        printf("ranges       of %llu examples, evenly spaced\n", (unsigned long long)of->looked);
    if (of->info.height)
        print_ranges("inputs", "", all, of->inputs, 1);
    else
        print_ranges("inputs", "input", of->info.input_name, of->inputs, of->input_count);
}

/* As many values as have room on a line. */
static void print_values(const float *values, size_t count, int column)
{
    for (size_t k = 0; k < count; k++) {
        const int width = snprintf(NULL, 0, " %.6g", (double)values[k]);
        if (column + width + (k + 1 < count ? 4 : 0) > LINE_WIDTH) {
            printf(" ...");
            break;
        }
        column += printf(" %.6g", (double)values[k]);
    }
    putchar('\n');
}

static void print_pixels(const float *values, size_t count)
{
    double sum = 0;
    for (size_t k = 0; k < count; k++) sum += (double)values[k];
    printf("  pixels of mean %.3f\n", sum / (double)count);
}

static void print_example(const survey *of, uint64_t place, const float *inputs, const void *target)
{
    const size_t size = tas_data_input_size(of->data);
    int column = printf("  %llu ", (unsigned long long)place + 1);
    if (of->info.example_name) column += printf(" %s ", cli_shown(of->info.example_name[place]));
    if (of->classes && of->info.class_name)
        column += printf(" class %s:", cli_shown(of->info.class_name[*(const uint32_t *)target]));
    else if (of->classes)
        column += printf(" class %u:", *(const uint32_t *)target);
    for (size_t k = 0; k < of->info.target_size && k < 4 && !of->classes; k++)
        column +=
            printf(" %.6g%s", (double)((const float *)target)[k], k + 1 == of->info.target_size || k == 3 ? ":" : "");
    if (of->info.height)
        print_pixels(inputs, size);
    else
        print_values(inputs, size, column);
}

static size_t target_bytes(const survey *of)
{
    return of->classes ? sizeof(uint32_t) : of->info.target_size * sizeof(float);
}

static tas_status get_examples(const survey *of, size_t count, float **inputs, void **targets)
{
    *inputs = malloc(count * tas_data_input_size(of->data) * sizeof **inputs);
    *targets = malloc(count * target_bytes(of));
    return *inputs && *targets ? tas_data_get(of->data, NULL, count, *inputs, *targets) : TAS_NO_MEMORY;
}

static size_t example_count(const survey *of) { return of->count < EXAMPLES ? (size_t)of->count : EXAMPLES; }

static void print_text(const session *r, const float *inputs, const char *targets)
{
    const survey *of = r->main;
    print_head(r);
    if (of->classes)
        print_classes(r);
    else
        print_ranges("targets", "target", of->info.target_name, of->targets, of->info.target_size);
    print_inputs(of);
    printf("first examples\n");
    for (size_t k = 0; k < example_count(of); k++)
        print_example(of, k, inputs + k * tas_data_input_size(of->data), targets + k * target_bytes(of));
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static json_t *describe_name(const char *const *names, size_t place)
{
    return names ? cli_json_text(names[place]) : json_null();
}

static json_t *describe_ranges(const survey_range *ranges, size_t count, const char *const *names)
{
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++) {
        json_t *o = json_object();
        json_object_set_new(o, "name", describe_name(names, k));
        json_object_set_new(o, "min", cli_json_real(ranges[k].least));
        json_object_set_new(o, "mean", cli_json_real(ranges[k].mean));
        json_object_set_new(o, "max", cli_json_real(ranges[k].most));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *describe_classes(const survey *of)
{
    json_t *list = json_array();
    for (uint32_t k = 0; k < tas_data_classes(of->data); k++) {
        json_t *o = json_object();
        json_object_set_new(o, "name", describe_name(of->info.class_name, k));
        json_object_set_new(o, "examples", json_integer((json_int_t)of->classes[k]));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *describe_split(const survey *of)
{
    if (!of->data) return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "examples", json_integer((json_int_t)of->count));
    json_object_set_new(o, "held_out", json_boolean(of->info.held_out));
    json_object_set_new(o, "missing", json_integer((json_int_t)of->info.missing));
    json_object_set_new(o, "dropped", json_integer((json_int_t)of->info.dropped));
    if (of->classes)
        json_object_set_new(o, "classes", describe_classes(of));
    else
        json_object_set_new(o, "targets", describe_ranges(of->targets, of->info.target_size, of->info.target_name));
    json_object_set_new(o, "ranges_of", json_integer((json_int_t)of->looked));
    json_object_set_new(o, "inputs",
                        describe_ranges(of->inputs, of->input_count, of->info.height ? NULL : of->info.input_name));
    return o;
}

static json_t *describe_input(const survey *of)
{
    json_t *o = json_object();
    json_object_set_new(o, "size", json_integer((json_int_t)tas_data_input_size(of->data)));
    json_object_set_new(o, "channels", of->info.height ? json_integer(of->info.channels) : json_null());
    json_object_set_new(o, "height", of->info.height ? json_integer(of->info.height) : json_null());
    json_object_set_new(o, "width", of->info.height ? json_integer(of->info.width) : json_null());
    json_object_set_new(o, "type", json_string(of->info.input_type == TAS_INPUT_U8 ? "byte" : "float"));
    return o;
}

static json_t *describe_values(const float *values, size_t count)
{
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++) json_array_append_new(list, cli_json_float(values[k]));
    return list;
}

static json_t *describe_examples(const survey *of, const float *inputs, const char *targets)
{
    json_t *list = json_array();
    const size_t size = tas_data_input_size(of->data);
    for (size_t k = 0; k < example_count(of); k++) {
        json_t *o = json_object();
        const void *target = targets + k * target_bytes(of);
        json_object_set_new(o, "name", describe_name(of->info.example_name, k));
        if (of->classes)
            json_object_set_new(o, "class", json_integer(*(const uint32_t *)target));
        else
            json_object_set_new(o, "targets", describe_values(target, of->info.target_size));
        json_object_set_new(o, "inputs", of->info.height ? json_null() : describe_values(inputs + k * size, size));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *begin_json(const session *r, json_t *problems)
{
    json_t *o = json_object();
    json_object_set_new(o, "data", cli_json_text(r->s.data));
    json_object_set(o, "problems", problems);
    return o;
}

static void print_json(const session *r, const float *inputs, const char *targets)
{
    json_t *o = begin_json(r, r->problems);
    json_object_set_new(o, "format", json_string(r->main->info.format));
    json_object_set_new(o, "input", describe_input(r->main));
    json_object_set_new(o, "train", describe_split(&r->train));
    json_object_set_new(o, "test", describe_split(&r->test));
    json_object_set_new(o, "first_examples", describe_examples(r->main, inputs, targets));
    cli_json_print(o, stdout);
}

/* --------------------------------------------------------------------------------------------------------- the work */

static int show(session *r)
{
    float *inputs = NULL;
    void *targets = NULL;
    tas_status status = survey_make(&r->train, r->sets.all);
    if (!status) status = survey_make(&r->test, r->sets.test);
    r->main = r->train.data ? &r->train : &r->test;
    if (!status) status = get_examples(r->main, example_count(r->main), &inputs, &targets);
    if (!status && r->s.json)
        print_json(r, inputs, targets);
    else if (!status)
        print_text(r, inputs, targets);
    free(inputs);
    free(targets);
    return status ? cli_failed(&r->cli, status) : 0;
}

/* The text is of the library, which has escaped it. */
static void add_problem(void *user, const char *problem)
{
    session *r = user;
    json_array_append_new(r->problems, cli_json_text(problem));
    fprintf(stderr, "tassello %s: %s\n", data_command.name, problem);
}

/* More of what is wrong than the one that ended the reading, which may have passed, as a failing disk does. */
static int show_problems(session *r, const tas_reading *reading)
{
    int count = 0;
    char *first = strdup(tas_error(r->cli.context));
    const tas_status status = tas_data_check(r->cli.context, r->s.data, reading, PROBLEMS, add_problem, r, &count);
    if (!status && !count) add_problem(r, first ? first : "it could not be read at first");
    free(first);
    if (status) return cli_failed(&r->cli, status);
    if (count >= PROBLEMS) cli_note(&r->cli, "only the first %d problems are listed", count);
    sets_hint(&r->cli, TAS_BAD_DATA, true);
    if (r->s.json) cli_json_print(begin_json(r, r->problems), stdout);
    return EXIT_FAILED;
}

static int check_network(session *r)
{
    const char *net = r->s.net, *data = r->s.data;
    if (!net) return 0;
    const int failed = cli_network_open_for(&r->cli, &r->net, r->sets.all, &r->network);
    if (failed) return failed;
    const bool fit = (!r->sets.all || cli_check_fit(&r->cli, r->network, net, r->sets.all, data, TAS_TRAIN)) &&
                     (!r->sets.test || cli_check_fit(&r->cli, r->network, net, r->sets.test, data, TAS_TEST));
    return fit ? 0 : EXIT_FAILED;
}

static int work(session *r)
{
    tas_reading reading;
    sets_reading(&r->s.reading, &reading);
    r->net.name = r->s.net;
    r->net.loss = r->s.loss;
    const int unknown = r->s.net ? cli_network_expect(&r->cli, &r->net, &reading) : 0;
    if (unknown) return unknown;
    const tas_status status = tas_data_read(r->cli.context, r->s.data, &reading, &r->sets.all, &r->sets.test);
    if (status == TAS_BAD_DATA || status == TAS_BAD_FILE) return show_problems(r, &reading);
    if (status) return cli_failed(&r->cli, status);
    const int failed = check_network(r);
    return failed ? failed : show(r);
}

static int run(int argc, char **argv)
{
    session r = {0};
    cli_parse(&data_command, argc, argv, &r.s);
    if (r.s.loss && !r.s.net) cli_usage(&data_command, "--loss requires --net");
    cli_check_loss(&data_command, r.s.loss, r.s.net);
    if (!cli_open(&r.cli, &data_command)) return EXIT_FAILED;
    r.problems = json_array();
    const int result = work(&r);
    json_decref(r.problems);
    survey_free(&r.train);
    survey_free(&r.test);
    sets_close(&r.sets);
    tas_network_close(&r.network);
    cli_network_free(&r.net);
    cli_close(&r.cli);
    return result;
}

const cli_command data_command = {
    .name = "data",
    .summary = "show what is understood of a data set",
    .description =
        "Shows how the files of a data set are read: their format, splits, shapes, classes with their counts, missing "
        "values, the range of each input, and the first examples. A split for the test is held out as 'tassello train' "
        "does it.\n\n"
        "If the set cannot be used, its first ten problems are reported, and the exit status is 1.\n\n"
        "Counts are of all examples. The ranges of a set above 1 GiB come from 65536 of them, evenly spaced.",
    .arguments = {ARGUMENT_DATA(offsetof(settings, data), false)},
    .options = options,
    .examples = {"tassello data houses.csv --target price --ignore id", "tassello data pictures/ --net lenet --json"},
    .run = run,
};
