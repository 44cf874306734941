/* Metrics, as train and eval print them. */
#include "score.h"

#include <math.h>

enum { TABLE_WIDTH = 100 };

static void print_name(int *printed, const char *name) { printf("%s%s ", (*printed)++ ? " " : "metrics      ", name); }

/* "precision 0.9312", or nothing if there is no such number. The first has a heading before it. */
static void print_figure(int *printed, const char *name, double value)
{
    if (isnan(value)) return;
    print_name(printed, name);
    printf("%.4f", value);
}

/* Of errors in the data's units, which may be of any magnitude. */
static void print_error(int *printed, const char *name, double value)
{
    char text[FLOAT_TEXT];
    if (isnan(value)) return;
    print_name(printed, name);
    fputs(cli_figures(value, 5, text), stdout);
}

void score_print_summary(const tas_score *score, const tas_metrics *m)
{
    int printed = 0;
    if (score->accuracy < 0) print_figure(&printed, "accuracy", m->accuracy);
    print_figure(&printed, "top-5", m->top5);
    print_error(&printed, "RMSE", m->rmse);
    print_error(&printed, "MAE", m->mae);
    print_figure(&printed, "R2", m->r2);
    if (printed) putchar('\n');
}

static void print_cell(double value)
{
    if (isnan(value))
        printf(" %9s", "-");
    else
        printf(" %9.4f", value);
}

/* What a class or an answer is called; NULL: it has no name. */
static const char *name_of(const tas_data *data, uint32_t place)
{
    tas_data_info info;
    tas_data_get_info(data, &info);
    const char *const *names = tas_data_classes(data) ? info.class_name : info.target_name;
    const size_t count = tas_data_classes(data) ? tas_data_classes(data) : info.target_size;
    return names && place < count ? names[place] : NULL;
}

static void end_row(const tas_data *data, uint32_t place)
{
    const char *name = name_of(data, place);
    if (name) printf("  %s", cli_shown(name));
    putchar('\n');
}

static void print_classes(const tas_metrics *m, const tas_data *data)
{
    const bool answers = m->kind == TAS_METRICS_ANSWERS;
    printf("%-12s %6s %9s %9s %9s %9s\n", answers ? "answers" : "classes", answers ? "answer" : "class", "precision",
           "recall", "F1", "support");
    for (uint32_t j = 0; j < m->count; j++) {
        const tas_class_metrics *c = &m->classes[j];
        printf("%12s %6u", "", j);
        print_cell(c->precision);
        print_cell(c->recall);
        print_cell(c->f1);
        printf(" %9llu", (unsigned long long)c->support);
        end_row(data, j);
    }
    printf("%12s %6s", "", "mean");
    print_cell(m->precision);
    print_cell(m->recall);
    print_cell(m->f1);
    printf(" %9llu\n", (unsigned long long)m->examples);
}

/* As wide as its largest number; not printed if the terminal's usual width is not enough. */
static void print_confusion(const tas_metrics *m, const tas_data *data)
{
    uint64_t most = m->count;
    for (size_t i = 0; i < (size_t)m->count * m->count; i++) most = m->confusion[i] > most ? m->confusion[i] : most;
    const int width = snprintf(NULL, 0, " %llu", (unsigned long long)most);
    if (20 + (uint64_t)width * m->count > TABLE_WIDTH) {
        printf("confusion    %u x %u: too wide for a table; --json has it\n", m->count, m->count);
        return;
    }
    printf("confusion    %6s, and as what its examples were predicted\n%12s %6s", "class", "", "");
    for (uint32_t j = 0; j < m->count; j++) printf(" %*u", width - 1, j);
    putchar('\n');
    for (uint32_t i = 0; i < m->count; i++) {
        printf("%12s %6u", "", i);
        for (uint32_t j = 0; j < m->count; j++)
            printf(" %*llu", width - 1, (unsigned long long)m->confusion[(size_t)i * m->count + j]);
        end_row(data, i);
    }
}

void score_print_tables(const tas_metrics *m, const tas_data *data)
{
    if (m->classes) print_classes(m, data);
    if (m->confusion) print_confusion(m, data);
}

static json_t *describe_class(const tas_class_metrics *c, const char *name)
{
    json_t *o = json_object();
    if (name) json_object_set_new(o, "name", cli_json_text(name));
    json_object_set_new(o, "precision", cli_json_real(c->precision));
    json_object_set_new(o, "recall", cli_json_real(c->recall));
    json_object_set_new(o, "f1", cli_json_real(c->f1));
    json_object_set_new(o, "support", json_integer((json_int_t)c->support));
    json_object_set_new(o, "predicted", json_integer((json_int_t)c->predicted));
    json_object_set_new(o, "correct", json_integer((json_int_t)c->correct));
    return o;
}

static json_t *describe_confusion(const tas_metrics *m)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < m->count; i++) {
        json_t *row = json_array();
        for (uint32_t j = 0; j < m->count; j++)
            json_array_append_new(row, json_integer((json_int_t)m->confusion[(size_t)i * m->count + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

json_t *score_describe(const tas_metrics *m, bool tables, const tas_data *data)
{
    json_t *o = json_object(), *classes = json_array();
    json_object_set_new(o, "accuracy", cli_json_real(m->accuracy));
    json_object_set_new(o, "top5", cli_json_real(m->top5));
    json_object_set_new(o, "precision", cli_json_real(m->precision));
    json_object_set_new(o, "recall", cli_json_real(m->recall));
    json_object_set_new(o, "f1", cli_json_real(m->f1));
    json_object_set_new(o, "rmse", cli_json_real(m->rmse));
    json_object_set_new(o, "mae", cli_json_real(m->mae));
    json_object_set_new(o, "r2", cli_json_real(m->r2));
    for (uint32_t j = 0; j < m->count && m->classes && tables; j++)
        json_array_append_new(classes, describe_class(&m->classes[j], name_of(data, j)));
    if (tables) json_object_set(o, m->kind == TAS_METRICS_ANSWERS ? "answers" : "classes", classes);
    if (tables && m->confusion) json_object_set_new(o, "confusion", describe_confusion(m));
    json_decref(classes);
    return o;
}
