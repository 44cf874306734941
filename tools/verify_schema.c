/* The fields of verify's JSON. doc/verify.md says what they mean, and tests hold the two together. */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

typedef enum kind { TEXT = 0, WHOLE, REAL, TRUTH, STATUS, TEXTS, OBJECT, MAYBE, OBJECTS } kind;

typedef struct field {
    const char *name; /* NULL ends the table */
    kind kind;
    bool optional;
    const struct field *fields; /* of an object, or of each of several */
} field;

static const field machine_fields[] = {
    {.name = "processor"}, {.name = "architecture"}, {.name = "system"}, {.name = "kernel"}, {0},
};

static const field failure_fields[] = {
    {.name = "case"},
    {.name = "shape"},
    {.name = "operand"},
    {.name = "element", .kind = WHOLE, .optional = true},
    {.name = "got", .optional = true},
    {.name = "expected", .optional = true},
    {.name = "ulp", .kind = REAL, .optional = true},
    {.name = "differing", .kind = WHOLE, .optional = true},
    {.name = "elements", .kind = WHOLE, .optional = true},
    {0},
};

static const field row_fields[] = {
    {.name = "operation"},
    {.name = "provider"},
    {.name = "status", .kind = STATUS},
    {.name = "passed", .kind = WHOLE},
    {.name = "failed", .kind = WHOLE},
    {.name = "seconds", .kind = REAL},
    {.name = "worst_error", .kind = REAL},
    {.name = "text"},
    {.name = "command"},
    {.name = "failure", .kind = MAYBE, .fields = failure_fields},
    {.name = "signal", .kind = WHOLE, .optional = true},
    {0},
};

static const field device_fields[] = {
    {.name = "id"},
    {.name = "long_id"},
    {.name = "name"},
    {.name = "vendor"},
    {.name = "platform"},
    {.name = "driver"},
    {.name = "version"},
    {.name = "type"},
    {.name = "compute_units", .kind = WHOLE},
    {.name = "clock_mhz", .kind = WHOLE},
    {.name = "vector_width", .kind = WHOLE},
    {.name = "global_bytes", .kind = WHOLE},
    {.name = "local_bytes", .kind = WHOLE},
    {.name = "max_alloc_bytes", .kind = WHOLE},
    {.name = "max_group", .kind = WHOLE},
    {.name = "align_bytes", .kind = WHOLE},
    {.name = "fma", .kind = TRUTH},
    {.name = "denormals", .kind = TRUTH},
    {.name = "fp16", .kind = TRUTH},
    {.name = "fp64", .kind = TRUTH},
    {.name = "shared_memory", .kind = TRUTH},
    {.name = "tier"},
    {.name = "fma_gflops", .kind = REAL},
    {.name = "copy_gbytes_s", .kind = REAL},
    {.name = "note"},
    {.name = "status", .kind = STATUS},
    {.name = "why"},
    {.name = "digests", .kind = TEXTS},
    {.name = "digest_ok", .kind = TRUTH},
    {.name = "cases", .kind = WHOLE},
    {.name = "passed", .kind = WHOLE},
    {.name = "failed", .kind = WHOLE},
    {.name = "skipped", .kind = WHOLE},
    {.name = "rows", .kind = OBJECTS, .fields = row_fields},
    {0},
};

static const field fields[] = {
    {.name = "schema", .kind = WHOLE},
    {.name = "version"},
    {.name = "build"},
    {.name = "contract", .kind = WHOLE},
    {.name = "date"},
    {.name = "machine", .kind = OBJECT, .fields = machine_fields},
    {.name = "seed", .kind = WHOLE},
    {.name = "cases", .kind = WHOLE},
    {.name = "time", .kind = REAL},
    {.name = "stated_digests", .kind = TEXTS},
    {.name = "devices", .kind = OBJECTS, .fields = device_fields},
    {.name = "passed", .kind = WHOLE},
    {.name = "failed", .kind = WHOLE},
    {.name = "skipped", .kind = WHOLE},
    {0},
};

typedef struct check {
    char *why;
    size_t bytes;
} check;

static bool fail_at(const check *c, const char *place, const char *expected)
{
    snprintf(c->why, c->bytes, "%s: expected %s", place, expected);
    return false;
}

static bool is_word(const json_t *value)
{
    int status = 0;
    const char *text = json_string_value(value);
    while (text && status < VERIFY_STATUSES && strcmp(verify_word(status), text) != 0) status++;
    return text && status < VERIFY_STATUSES;
}

static bool are_texts(const json_t *list)
{
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) if (!json_is_string(one)) return false;
    return json_is_array(list);
}

static bool is_of_kind(const json_t *value, kind wanted)
{
    switch (wanted) {
    case TEXT: return json_is_string(value);
    case WHOLE: return json_is_integer(value) && json_integer_value(value) >= 0;
    case REAL: return json_is_number(value) || json_is_null(value);
    case TRUTH: return json_is_boolean(value);
    case STATUS: return is_word(value);
    case TEXTS: return are_texts(value);
    case OBJECT: return json_is_object(value);
    case MAYBE: return json_is_object(value) || json_is_null(value);
    case OBJECTS: return json_is_array(value);
    }
    return false;
}

static bool check_object(const check *c, const json_t *object, const field *known, const char *place);

static bool check_list(const check *c, const json_t *list, const field *known, const char *place)
{
    size_t i;
    const json_t *one;
    bool good = true;
    json_array_foreach(list, i, one)
    {
        char *at = NULL;
        if (asprintf(&at, "%s[%zu]", place, i) < 0) cli_no_memory();
        good = json_is_object(one) ? check_object(c, one, known, at) : fail_at(c, at, "an object");
        free(at);
        if (!good) break;
    }
    return good;
}

static bool check_field(const check *c, const json_t *value, const field *f, const char *at)
{
    static const char *const expected[] = {
        [TEXT] = "a text",
        [WHOLE] = "a whole number, 0 or more",
        [REAL] = "a number or null",
        [TRUTH] = "a boolean",
        [STATUS] = "a status: exact, tolerance, wrong, unsupported, crashed or timed out",
        [TEXTS] = "an array of texts",
        [OBJECT] = "an object",
        [MAYBE] = "an object or null",
        [OBJECTS] = "an array of objects",
    };
    if (!is_of_kind(value, f->kind)) return fail_at(c, at, expected[f->kind]);
    if (json_is_object(value)) return check_object(c, value, f->fields, at);
    return f->kind != OBJECTS || check_list(c, value, f->fields, at);
}

/* Fields that are not known are left to later versions. */
static bool check_object(const check *c, const json_t *object, const field *known, const char *place)
{
    bool good = true;
    for (const field *f = known; f->name && good; f++) {
        char *at = NULL;
        const json_t *value = json_object_get(object, f->name);
        if (!value && f->optional) continue;
        if (asprintf(&at, "%s%s%s", place, *place ? "." : "", f->name) < 0) cli_no_memory();
        good = check_field(c, value, f, at);
        free(at);
    }
    return good;
}

bool verify_schema_check(const json_t *found, char *why, size_t bytes)
{
    const check c = {why, bytes};
    const json_t *schema = json_object_get(found, "schema");
    if (!json_is_integer(schema)) return fail_at(&c, "schema", "what 'tassello verify' writes, with its number here");
    if (json_integer_value(schema) == VERIFY_SCHEMA) return check_object(&c, found, fields, "");
    snprintf(why, bytes, "schema: is %lld, and this version reads %d", (long long)json_integer_value(schema),
             VERIFY_SCHEMA);
    return false;
}
