/* Predictions of a network. Probabilities are computed here from outputs that have the same bits on each device, in
 * double precision, so that the digits that are printed are the same, too. */
#include "predictions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 40 };

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static void softmax(double *values, size_t count)
{
    double most = values[0], sum = 0;
    for (size_t k = 1; k < count; k++)
        if (values[k] > most) most = values[k];
    for (size_t k = 0; k < count; k++) sum += values[k] = exp(values[k] - most);
    for (size_t k = 0; k < count; k++) values[k] /= sum;
}

/* ------------------------------------------------------------------------------------------------------------- names
 */

/* "coat", or "3"; a value or answer has its own name, or none. */
static const char *name_of(const predictions *p, size_t place, char text[24])
{
    const bool classes = p->kind == KIND_CLASSES;
    const char *const *names = classes ? p->info.class_name : p->info.target_name;
    const size_t named = classes ? tas_data_classes(p->data) : p->info.target_size;
    if (names && place < named) return names[place];
    if (!classes) return NULL;
    snprintf(text, 24, "%zu", place);
    return text;
}

static int find_width(const predictions *p)
{
    char text[24];
    size_t width = 1;
    for (size_t k = 0; k < p->count; k++) {
        const char *name = name_of(p, k, text);
        if (name && strlen(name) > width) width = strlen(name);
    }
    return width < NAME_MOST ? (int)width : NAME_MOST;
}

/* ----------------------------------------------------------------------------------------------------------- opening
 */

bool predictions_open(predictions *p, const tas_network *network, const tas_data *data, size_t top,
                      predictions_form form)
{
    *p = (predictions){.form = form, .loss = tas_network_loss(network), .outputs = tas_network_outputs(network)};
    p->data = data;
    tas_data_get_info(data, &p->info);
    const bool labels = p->info.target_type == TAS_TARGET_LABEL, bce = p->loss == TAS_LOSS_BCE;
    p->kind = labels || p->loss == TAS_LOSS_SOFTMAX ? KIND_CLASSES : bce ? KIND_ANSWERS : KIND_VALUES;
    p->count = p->outputs + (p->kind == KIND_CLASSES && bce && p->outputs == 1);
    p->top = top < p->count ? top : p->count;
    p->name_width = find_width(p);
    p->values = malloc(p->count * sizeof *p->values);
    if (form == FORM_JSON) p->list = json_array();
    return p->values && (form != FORM_JSON || p->list);
}

void predictions_close(predictions *p)
{
    free(p->values);
    json_decref(p->list);
    *p = (predictions){0};
}

/* What the outputs are to people. A single output of bce is the second class's. */
static void convert(predictions *p, const float *outputs)
{
    for (size_t k = 0; k < p->outputs; k++) p->values[k] = (double)outputs[k];
    if (p->loss == TAS_LOSS_SOFTMAX)
        softmax(p->values, p->outputs);
    else if (p->loss == TAS_LOSS_BCE)
        for (size_t k = 0; k < p->outputs; k++) p->values[k] = sigmoid(p->values[k]);
    if (p->count == p->outputs) return;
    p->values[1] = p->values[0];
    p->values[0] = 1 - p->values[1];
}

/* The next class by value after `last`, of equal ones the first; pass SIZE_MAX to begin. */
static size_t next_class(const predictions *p, size_t last)
{
    size_t best = SIZE_MAX;
    for (size_t k = 0; k < p->count; k++) {
        const bool later = last == SIZE_MAX || p->values[k] < p->values[last] ||
                           (p->values[k] == p->values[last] && k > last); /* not yet listed */
        if (later && (best == SIZE_MAX || p->values[k] > p->values[best])) best = k;
    }
    return best;
}

/* -------------------------------------------------------------------------------------------------------------- text
 */

static void print_example(const predictions *p, uint64_t place)
{
    if (p->info.example_name)
        printf("%s", cli_shown(p->info.example_name[place]));
    else
        printf("%*llu", snprintf(NULL, 0, "%llu", (unsigned long long)tas_data_count(p->data)),
               (unsigned long long)place + 1);
}

static void print_classes(const predictions *p)
{
    char text[24];
    size_t at = SIZE_MAX;
    for (size_t k = 0; k < p->top && (at = next_class(p, at)) != SIZE_MAX; k++)
        printf("  %s%-*s %.4f", p->info.class_name ? "" : "class ", p->name_width, cli_shown(name_of(p, at, text)),
               p->values[at]);
}

static void print_values(const predictions *p)
{
    char text[24];
    for (size_t k = 0; k < p->count; k++) {
        const char *name = name_of(p, k, text);
        printf("  %s%s", name ? cli_shown(name) : "", name ? " " : "");
        printf(p->kind == KIND_ANSWERS ? "%.4f" : "%.6g", p->values[k]);
    }
}

static void print_text(const predictions *p, uint64_t place)
{
    print_example(p, place);
    if (p->kind == KIND_CLASSES)
        print_classes(p);
    else
        print_values(p);
    putchar('\n');
}

/* --------------------------------------------------------------------------------------------------------------- CSV
 */

/* RFC 4180. */
static void print_field(const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) printf(*text == '"' ? "\"\"" : "%c", *text);
    putchar('"');
}

/* The score of a class is a probability only with these losses. */
static const char *score_word(const predictions *p)
{
    return p->loss == TAS_LOSS_SOFTMAX || p->loss == TAS_LOSS_BCE ? "probability" : "score";
}

static void print_columns(const predictions *p)
{
    char text[24];
    for (size_t k = 0; k < p->count; k++) {
        const char *name = name_of(p, k, text);
        putchar(',');
        if (name)
            print_field(name);
        else
            printf(p->count > 1 ? "%s_%zu" : "%s", p->kind == KIND_ANSWERS ? "answer" : "value", k + 1);
    }
}

void predictions_begin(const predictions *p)
{
    if (p->form != FORM_CSV) return;
    printf("example");
    if (p->kind == KIND_CLASSES) printf(",class,%s", score_word(p));
    for (size_t k = 2; k <= p->top && p->kind == KIND_CLASSES; k++) printf(",class_%zu,%s_%zu", k, score_word(p), k);
    if (p->kind != KIND_CLASSES) print_columns(p);
    putchar('\n');
}

/* Values are floats; probabilities have more digits than would differ. */
static void print_number(const predictions *p, double value)
{
    char text[FLOAT_TEXT];
    if (p->kind == KIND_VALUES)
        fputs(cli_float((float)value, text), stdout);
    else
        printf("%.9g", value);
}

static void print_row(const predictions *p, uint64_t place)
{
    char text[24];
    size_t at = SIZE_MAX;
    if (p->info.example_name)
        print_field(p->info.example_name[place]);
    else
        printf("%llu", (unsigned long long)place + 1);
    for (size_t k = 0; k < p->top && p->kind == KIND_CLASSES && (at = next_class(p, at)) != SIZE_MAX; k++) {
        putchar(',');
        print_field(name_of(p, at, text));
        putchar(',');
        print_number(p, p->values[at]);
    }
    for (size_t k = 0; k < p->count && p->kind != KIND_CLASSES; k++) {
        putchar(',');
        print_number(p, p->values[k]);
    }
    putchar('\n');
}

/* -------------------------------------------------------------------------------------------------------------- JSON
 */

static json_t *describe_class(const predictions *p, size_t class)
{
    json_t *o = json_object();
    json_object_set_new(o, "class", json_integer((json_int_t) class));
    if (p->info.class_name && class < tas_data_classes(p->data))
        json_object_set_new(o, "name", cli_json_text(p->info.class_name[class]));
    json_object_set_new(o, score_word(p), cli_json_real(p->values[class]));
    return o;
}

static json_t *describe_example(const predictions *p, uint64_t place)
{
    json_t *o = json_object(), *list = json_array();
    size_t at = SIZE_MAX;
    json_object_set_new(o, "example", json_integer((json_int_t)place + 1));
    if (p->info.example_name) json_object_set_new(o, "name", cli_json_text(p->info.example_name[place]));
    for (size_t k = 0; k < p->top && p->kind == KIND_CLASSES && (at = next_class(p, at)) != SIZE_MAX; k++)
        json_array_append_new(list, describe_class(p, at));
    for (size_t k = 0; k < p->count && p->kind == KIND_ANSWERS; k++)
        json_array_append_new(list, cli_json_real(p->values[k]));
    for (size_t k = 0; k < p->count && p->kind == KIND_VALUES; k++)
        json_array_append_new(list, cli_json_float((float)p->values[k]));
    json_object_set_new(o, p->kind == KIND_CLASSES ? "top" : p->kind == KIND_ANSWERS ? "answers" : "values", list);
    return o;
}

void predictions_describe(const predictions *p, json_t *o)
{
    json_t *names = p->kind == KIND_CLASSES ? NULL : json_array();
    char text[24];
    for (size_t k = 0; k < p->count && names; k++) {
        const char *name = name_of(p, k, text);
        json_array_append_new(names, name ? cli_json_text(name) : json_null());
    }
    if (names) json_object_set_new(o, "names", names);
    json_object_set(o, "predictions", p->list);
}

void predictions_add(predictions *p, uint64_t place, const float *outputs)
{
    convert(p, outputs);
    switch (p->form) {
    case FORM_TEXT: print_text(p, place); break;
    case FORM_CSV: print_row(p, place); break;
    case FORM_JSON: json_array_append_new(p->list, describe_example(p, place)); break;
    }
}
