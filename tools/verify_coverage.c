/* Coverage of kernels, of a library that was built with -Dkernel_coverage=true. */
#include "verify_coverage.h"

typedef struct listing {
    FILE *text;
    json_t *rows;
    size_t count, reached;
} listing;

static json_t *describe_outcome(const tas_coverage_outcome *outcome)
{
    json_t *o = json_object();
    json_object_set_new(o, "file", cli_json_text(outcome->file));
    json_object_set_new(o, "line", json_integer(outcome->line));
    json_object_set_new(o, "function", cli_json_text(outcome->function));
    json_object_set_new(o, "text", cli_json_text(outcome->text));
    json_object_set_new(o, "outcome", json_string(outcome->outcome));
    json_object_set_new(o, "reached", json_boolean(outcome->reached));
    return o;
}

static void on_row(void *user, const tas_coverage_row *row)
{
    listing *l = user;
    json_t *o = json_object(), *outcomes = json_array();
    l->count += row->count;
    l->reached += row->reached;
    fprintf(l->text, "  %5zu of %5zu  %s %s\n", row->reached, row->count, row->program, row->options);
    for (size_t k = 0; k < row->count; k++) {
        const tas_coverage_outcome *at = &row->outcomes[k];
        json_array_append_new(outcomes, describe_outcome(at));
        if (!at->reached)
            fprintf(l->text, "                  %s:%d: %s: '%s' never %s\n", at->file, at->line, at->function, at->text,
                    at->outcome);
    }
    json_object_set_new(o, "program", cli_json_text(row->program));
    json_object_set_new(o, "options", cli_json_text(row->options));
    json_object_set_new(o, "outcomes", outcomes);
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
    fprintf(text, "coverage of kernels: %zu of %zu outcomes\n", l.reached, l.count);
    return l.rows;
}
