/* Coverage of kernels, of a library that was built with -Dkernel_coverage=true. */
#include "verify_coverage.h"

typedef struct listing {
    FILE *text;
    json_t *rows;
    uint64_t outcomes, reached;
} listing;

static json_t *describe_gap(const tas_coverage_gap *gap)
{
    json_t *o = json_object();
    json_object_set_new(o, "file", cli_json_text(gap->file));
    json_object_set_new(o, "line", json_integer(gap->line));
    json_object_set_new(o, "function", cli_json_text(gap->function));
    json_object_set_new(o, "text", cli_json_text(gap->text));
    json_object_set_new(o, "missing", json_string(gap->missing));
    return o;
}

static void on_row(void *user, const tas_coverage_row *row)
{
    listing *l = user;
    json_t *o = json_object(), *gaps = json_array();
    l->outcomes += row->outcomes;
    l->reached += row->reached;
    fprintf(l->text, "  %5u of %5u  %s %s\n", row->reached, row->outcomes, row->program, row->options);
    for (size_t k = 0; k < row->gap_count; k++) {
        const tas_coverage_gap *gap = &row->gaps[k];
        fprintf(l->text, "                  %s:%d: %s: '%s' %s\n", gap->file, gap->line, gap->function, gap->text,
                gap->missing);
        json_array_append_new(gaps, describe_gap(gap));
    }
    json_object_set_new(o, "program", cli_json_text(row->program));
    json_object_set_new(o, "options", cli_json_text(row->options));
    json_object_set_new(o, "outcomes", json_integer(row->outcomes));
    json_object_set_new(o, "reached", json_integer(row->reached));
    json_object_set_new(o, "gaps", gaps);
    json_array_append_new(l->rows, o);
}

json_t *verify_coverage_print(tas_context *context, FILE *text)
{
    listing l = {.text = text, .rows = json_array()};
    fflush(text);
    if (tas_kernel_coverage(context, on_row, &l) || !json_array_size(l.rows)) {
        json_decref(l.rows);
        return NULL;
    }
    fprintf(text, "coverage of kernels: %llu of %llu outcomes\n", (unsigned long long)l.reached,
            (unsigned long long)l.outcomes);
    return l.rows;
}
