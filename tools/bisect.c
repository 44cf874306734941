/* tassello bisect: where two traces of training (train_trace.c) begin to differ. */
#include "trace_file.h"

#include <math.h>
#include <string.h>

typedef struct bisect_settings {
    const char *a, *b;
    bool repeat, json;
    uint32_t elements;
} bisect_settings;

/* What was found. */
typedef struct difference {
    uint64_t compared, equal; /* steps that both have; the last of them that was equal, 0: none */
    uint64_t step;            /* the first that differs; 0: none does */
    size_t entry, different, count;
    const json_t *of_a; /* that entry: operation, tensor, digest */
} difference;

typedef struct bisect_session {
    cli_state cli;
    bisect_settings settings;
    trace_file a, b;         /* as given, */
    trace_file own_a, own_b; /* and as they were repeated */
    difference found;
    bool repeated;
} bisect_session;

/* Comparing ------------------------------------------------------------------------------------------------------- */

static bool is_same_entry(const json_t *a, const json_t *b)
{
    return json_equal(json_array_get(a, 0), json_array_get(b, 0)) &&
           json_equal(json_array_get(a, 1), json_array_get(b, 1));
}

/* False if the two have other operations, which is reported. */
static bool compare_step(bisect_session *session, const trace_file *a, const trace_file *b, difference *out)
{
    const json_t *of_a = trace_file_digests(a), *of_b = trace_file_digests(b);
    out->count = json_array_size(of_a);
    out->different = 0;
    for (size_t i = 0; i < out->count; i++) {
        const json_t *one = json_array_get(of_a, i), *other = json_array_get(of_b, i);
        if (json_array_size(of_b) != out->count || !is_same_entry(one, other)) {
            cli_error(&session->cli, "%s, %s: step %llu has other operations in the two", a->name, b->name,
                      (unsigned long long)a->step);
            return false;
        }
        if (json_equal(one, other)) continue;
        if (!out->different++) {
            out->entry = i;
            out->of_a = one;
        }
    }
    out->compared++;
    if (out->different)
        out->step = a->step;
    else
        out->equal = a->step;
    return true;
}

/* The steps that both have, up to the first that differs. */
static bool compare_steps(bisect_session *session, trace_file *a, trace_file *b, difference *out)
{
    *out = (difference){0};
    bool good = trace_file_next(a) && trace_file_next(b);
    while (good && a->step && b->step && !out->step) {
        if (a->step == b->step && !compare_step(session, a, b, out)) return false;
        if (out->step) break;
        const uint64_t at_a = a->step, at_b = b->step;
        if (at_a <= at_b) good = trace_file_next(a);
        if (at_b <= at_a) good = good && trace_file_next(b);
    }
    if (!good) return false;
    if (!out->compared) cli_error(&session->cli, "%s, %s: have no step in common", a->name, b->name);
    return out->compared;
}

/* Repeating ------------------------------------------------------------------------------------------------------- */

/* Both runs up to that step, again. */
static bool repeat_both(bisect_session *session, const trace_part *part)
{
    trace_file_close(&session->own_a);
    trace_file_close(&session->own_b);
    return trace_file_repeat(&session->cli, &session->a, part, &session->own_a) &&
           trace_file_repeat(&session->cli, &session->b, part, &session->own_b);
}

/* Steps that were not traced may differ before. Then once more, for the values. */
static bool repeat(bisect_session *session)
{
    difference *found = &session->found, again;
    trace_part part = {.from = found->equal + 1, .to = found->step};
    if (!repeat_both(session, &part)) return false;
    if (!compare_steps(session, &session->own_a, &session->own_b, &again)) return false;
    if (!again.step) {
        cli_note(&session->cli, "repeated, steps %llu to %llu are equal: what differs does not repeat itself",
                 (unsigned long long)part.from, (unsigned long long)part.to);
        return true;
    }
    part = (trace_part){.from = again.step, .to = again.step, .entry = again.entry + 1};
    if (!repeat_both(session, &part) || !trace_file_next(&session->own_a) || !trace_file_next(&session->own_b))
        return false;
    again.compared = found->compared;
    if (!again.equal) again.equal = found->equal;
    again.of_a = json_array_get(trace_file_digests(&session->own_a), again.entry);
    *found = again;
    session->repeated = true;
    return true;
}

/* Printing -------------------------------------------------------------------------------------------------------- */

/* Floats from one to the other, in their order; -1 if one is NaN. */
static int64_t ulp_of(uint32_t a, uint32_t b)
{
    const int64_t x = a >> 31 ? -(int64_t)(a & 0x7fffffff) : (int64_t)a;
    const int64_t y = b >> 31 ? -(int64_t)(b & 0x7fffffff) : (int64_t)b;
    if (isnan(cli_float_of(a)) || isnan(cli_float_of(b))) return -1;
    return x < y ? y - x : x - y;
}

typedef struct element {
    size_t index;
    uint32_t a, b;
} element;

/* The next element that differs, from `index` on; false past the last. */
static bool next_element(const bisect_session *session, element *e)
{
    for (; e->index < trace_file_values(&session->own_a) && e->index < trace_file_values(&session->own_b); e->index++) {
        e->a = trace_file_value(&session->own_a, e->index);
        e->b = trace_file_value(&session->own_b, e->index);
        if (e->a != e->b) return true;
    }
    return false;
}

/* "3d382d38 (0.044964999)" */
enum { VALUE_TEXT = 32 };
static const char *print_value(uint32_t bits, bool is_float, char text[VALUE_TEXT])
{
    if (is_float)
        snprintf(text, VALUE_TEXT, "%08x (%.9g)", bits, (double)cli_float_of(bits));
    else
        snprintf(text, VALUE_TEXT, "%08x (%u)", bits, bits);
    return text;
}

static void print_elements(const bisect_session *session)
{
    const bool is_float = trace_file_is_float(&session->own_a);
    char first[VALUE_TEXT], second[VALUE_TEXT];
    size_t count = 0;
    printf("             %10s  %-26s  %-26s%s\n", "element", "first", "second", is_float ? "  ULP" : "");
    for (element e = {0}; next_element(session, &e); e.index++) {
        if (count++ >= session->settings.elements) continue;
        printf("             %10zu  %-26s  %-26s", e.index, print_value(e.a, is_float, first),
               print_value(e.b, is_float, second));
        if (is_float && ulp_of(e.a, e.b) >= 0) printf("  %lld", (long long)ulp_of(e.a, e.b));
        putchar('\n');
    }
    printf("elements     %zu of %zu differ\n", count, trace_file_values(&session->own_a));
}

static void print_side(const char *name, const trace_file *f)
{
    printf("%-12s %s: %s (%s", name, cli_shown(f->name), cli_shown(trace_file_text(f, "device")),
           cli_shown(trace_file_text(f, "device_name")));
    printf(", driver %s), version %s\n", cli_shown(trace_file_text(f, "driver")),
           cli_shown(trace_file_text(f, "version")));
}

static const char *entry_text(const difference *d, size_t i) { return json_string_value(json_array_get(d->of_a, i)); }

static void print_found(const bisect_session *session)
{
    const difference *d = &session->found;
    print_side("first", &session->a);
    print_side("second", &session->b);
    if (!d->step) {
        printf("equal        all %llu steps that both have\n", (unsigned long long)d->compared);
        return;
    }
    printf("different    step %llu: %s: %s; %zu of %zu digests differ\n", (unsigned long long)d->step,
           cli_shown(entry_text(d, 0)), cli_shown(entry_text(d, 1)), d->different, d->count);
    if (d->equal) printf("equal        up to step %llu\n", (unsigned long long)d->equal);
    if (session->repeated) print_elements(session);
}

static json_t *describe_side(const trace_file *f)
{
    static const char *const keys[] = {"device", "device_name", "driver", "version"};
    json_t *o = json_object();
    json_object_set_new(o, "file", cli_json_text(f->name));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_object_set_new(o, keys[i], cli_json_text(trace_file_text(f, keys[i])));
    json_object_set_new(o, "truncated", json_boolean(f->truncated));
    return o;
}

static json_t *describe_element(const element *e, bool is_float)
{
    const int64_t ulp = ulp_of(e->a, e->b);
    json_t *o = json_object();
    json_object_set_new(o, "element", json_integer((json_int_t)e->index));
    json_object_set_new(o, "first_bits", cli_json_bits(e->a));
    json_object_set_new(o, "second_bits", cli_json_bits(e->b));
    if (!is_float) return o;
    json_object_set_new(o, "first", cli_json_real((double)cli_float_of(e->a)));
    json_object_set_new(o, "second", cli_json_real((double)cli_float_of(e->b)));
    json_object_set_new(o, "ulp", ulp < 0 ? json_null() : json_integer(ulp));
    return o;
}

static void describe_elements(const bisect_session *session, json_t *o)
{
    json_t *list = json_array();
    size_t count = 0;
    for (element e = {0}; next_element(session, &e); e.index++)
        if (count++ < session->settings.elements)
            json_array_append_new(list, describe_element(&e, trace_file_is_float(&session->own_a)));
    json_object_set_new(o, "elements", json_integer((json_int_t)trace_file_values(&session->own_a)));
    json_object_set_new(o, "different_elements", json_integer((json_int_t)count));
    json_object_set_new(o, "values", list);
}

static json_t *describe_found(const bisect_session *session)
{
    const difference *d = &session->found;
    json_t *o = json_object();
    json_object_set_new(o, "first", describe_side(&session->a));
    json_object_set_new(o, "second", describe_side(&session->b));
    json_object_set_new(o, "equal", json_boolean(!d->step));
    json_object_set_new(o, "compared", json_integer((json_int_t)d->compared));
    if (!d->step) return o;
    json_object_set_new(o, "step", json_integer((json_int_t)d->step));
    json_object_set_new(o, "equal_step", d->equal ? json_integer((json_int_t)d->equal) : json_null());
    json_object_set_new(o, "operation", cli_json_text(entry_text(d, 0)));
    json_object_set_new(o, "tensor", cli_json_text(entry_text(d, 1)));
    json_object_set_new(o, "different", json_integer((json_int_t)d->different));
    json_object_set_new(o, "digests", json_integer((json_int_t)d->count));
    if (session->repeated) describe_elements(session, o);
    return o;
}

/* The command ----------------------------------------------------------------------------------------------------- */

/* The exit status: 0 equal, 1 different, 2 trouble. */
static int compare(bisect_session *session)
{
    const bisect_settings *settings = &session->settings;
    if (!trace_file_open(&session->cli, settings->a, &session->a) ||
        !trace_file_open(&session->cli, settings->b, &session->b) ||
        !trace_file_check(&session->cli, &session->a, &session->b) ||
        !compare_steps(session, &session->a, &session->b, &session->found))
        return EXIT_USAGE;
    if (session->found.step && settings->repeat && !repeat(session)) return EXIT_USAGE;
    if (settings->json)
        cli_json_print(describe_found(session), stdout);
    else
        print_found(session);
    return session->found.step ? EXIT_FAILED : 0;
}

static int run(int argc, char **argv)
{
    bisect_session session = {.settings = {.elements = 10}};
    cli_parse(&bisect_command, argc, argv, &session.settings);
    if (!cli_open(&session.cli, &bisect_command)) return EXIT_USAGE;
    const int result = compare(&session);
    trace_file_close(&session.a);
    trace_file_close(&session.b);
    trace_file_close(&session.own_a);
    trace_file_close(&session.own_b);
    cli_close(&session.cli);
    return result;
}

static const cli_option options[] = {
    {.name = "repeat",
     .group = GROUP_TARGET,
     .offset = offsetof(bisect_settings, repeat),
     .help = "Run both trainings again up to the step that differs, on their devices, which must be at hand, and print "
             "the elements that differ. If not all steps were traced, this finds the first step as well."},
    {.name = "elements",
     .metavar = "N",
     .group = GROUP_TARGET,
     .type = TYPE_U32,
     .most = UINT32_MAX,
     .offset = offsetof(bisect_settings, elements),
     .help = "Print at most N of them (10)."},
    OPTION_JSON(offsetof(bisect_settings, json)),
    {0},
};

const cli_command bisect_command = {
    .name = "bisect",
    .summary = "find where two runs begin to differ",
    .description =
        "Compares two traces of training, which 'tassello train --trace' wrote on two devices, drivers, versions or "
        "machines, or with two budgets, and names the first step and the first operation whose digests differ, in the "
        "order in which a step runs them: what came later differs as a consequence.\n\n"
        "Traces of another network, of other data or settings, or of another version of the arithmetic contract are "
        "refused. The exit status is 0 if all steps that both have are equal, 1 if one differs, and 2 if they cannot "
        "be compared.",
    .arguments =
        {{.name = "A", .complete = COMPLETE_FILE, .offset = offsetof(bisect_settings, a), .help = "a trace"},
         {.name = "B", .complete = COMPLETE_FILE, .offset = offsetof(bisect_settings, b), .help = "another one"}},
    .options = options,
    .examples = {"tassello bisect gpu.jsonl cpu.jsonl", "tassello bisect gpu.jsonl cpu.jsonl --repeat"},
    .run = run,
};
