/* What verify finds, as JSON: doc/verify.md has its fields, and verify_schema.c checks them. */
#include "verify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

enum { LINE = 512 };

/* --------------------------------------------------------------------------------------------------------- status */

static const char *const words[VERIFY_STATUSES + 1] = {
    [VERIFY_EXACT] = "exact",     [VERIFY_TOLERANCE] = "tolerance",
    [VERIFY_WRONG] = "wrong",     [VERIFY_UNSUPPORTED] = "unsupported",
    [VERIFY_CRASHED] = "crashed", [VERIFY_TIMED_OUT] = "timed out",
};

const char *verify_word(int status) { return words[status]; }

const char *verify_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

double verify_number(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

verify_status verify_status_of(const json_t *row)
{
    int status = 0;
    while (status < VERIFY_STATUSES - 1 && strcmp(words[status], verify_text(row, "status")) != 0) status++;
    return (verify_status)status;
}

bool verify_has_passed(verify_status status) { return status == VERIFY_EXACT || status == VERIFY_TOLERANCE; }

bool verify_has_failed(verify_status status) { return !verify_has_passed(status) && status != VERIFY_UNSUPPORTED; }

static void set_status(json_t *object, verify_status status)
{
    json_object_set_new(object, "status", json_string(words[status]));
}

/* ----------------------------------------------------------------------------------------------------------- rows */

/* Other providers keep a bound, not the bits. */
static bool is_exact(const char *provider) { return !strcmp(provider, "kernel") || !strcmp(provider, "reference"); }

static verify_status judge(const tas_verify_row *row)
{
    if (row->skipped) return VERIFY_UNSUPPORTED;
    if (row->failed) return VERIFY_WRONG;
    return is_exact(row->provider) ? VERIFY_EXACT : VERIFY_TOLERANCE;
}

/* The command that repeats a row: its first failure, or all of it; "" if it needs none. The id of a device that is not
 * known yet is what was asked for. */
static void set_command(const verify_session *v, json_t *row, const char *case_name)
{
    char text[LINE] = "";
    if (!verify_has_failed(verify_status_of(row)) || !v->unit) {
    } else if (case_name && *case_name)
        snprintf(text, sizeof text, "tassello verify --device %s --op %s --case %s", verify_text(v->device, "id"),
                 v->unit, case_name);
    else
        snprintf(text, sizeof text, "tassello verify --device %s --op %s --seed %llu --cases %u",
                 verify_text(v->device, "id"), v->unit, (unsigned long long)v->s.verify.seed, v->s.verify.cases);
    json_object_set_new(row, "command", cli_json_text(text));
}

/* A row's first failure: null if there is none. */
static json_t *describe_failure(const tas_verify_failure *f)
{
    if (!f->name || !*f->name) return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "case", cli_json_text(f->name));
    json_object_set_new(o, "shape", cli_json_text(f->shape));
    json_object_set_new(o, "operand", cli_json_text(f->operand));
    if (!*f->operand) return o;
    json_object_set_new(o, "element", json_integer((json_int_t)f->element));
    json_object_set_new(o, "got", cli_json_bits(f->got));
    json_object_set_new(o, "expected", cli_json_bits(f->expected));
    json_object_set_new(o, "ulp", f->ulp == UINT64_MAX ? json_null() : json_integer((json_int_t)f->ulp));
    json_object_set_new(o, "differing", json_integer((json_int_t)f->differing));
    json_object_set_new(o, "elements", json_integer((json_int_t)f->elements));
    return o;
}

json_t *verify_describe_row(const verify_session *v, const tas_verify_row *row)
{
    json_t *o = json_object();
    json_object_set_new(o, "operation", cli_json_text(row->operation));
    json_object_set_new(o, "provider", cli_json_text(row->provider));
    set_status(o, judge(row));
    json_object_set_new(o, "passed", json_integer(row->passed));
    json_object_set_new(o, "failed", json_integer(row->failed));
    json_object_set_new(o, "seconds", cli_json_real(row->seconds));
    json_object_set_new(o, "worst_error", cli_json_real(row->worst_error));
    json_object_set_new(o, "text", cli_json_text(row->text ? row->text : ""));
    set_command(v, o, row->failure.name);
    json_object_set_new(o, "failure", describe_failure(&row->failure));
    return o;
}

/* Of a unit with several rows it is not known which was lost. */
json_t *verify_describe_loss(const verify_session *v, verify_status status, const char *why, int signal)
{
    static const struct {
        const char *unit, *operation, *provider;
    } others[] = {{"clblast", "products", "clblast"}, {"gradients", "gradients", "gradient"}};
    tas_verify_row row = {.operation = v->unit, .provider = "kernel", .text = why};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(v->unit, others[i].unit)) {
            row.operation = others[i].operation;
            row.provider = others[i].provider;
        }
    json_t *o = verify_describe_row(v, &row);
    set_status(o, status);
    set_command(v, o, NULL);
    if (signal) json_object_set_new(o, "signal", json_integer(signal));
    return o;
}

/* -------------------------------------------------------------------------------------------------------- devices */

json_t *verify_begin_device(json_t *described)
{
    json_object_set_new(described, "status", json_null());
    json_object_set_new(described, "why", json_string(""));
    json_object_set_new(described, "digests", json_array());
    json_object_set_new(described, "digest_ok", json_false());
    json_object_set_new(described, "rows", json_array());
    return described;
}

static bool counts_as_passed(const json_t *row) { return verify_has_passed(verify_status_of(row)); }
static bool counts_as_failed(const json_t *row) { return verify_has_failed(verify_status_of(row)); }

static size_t count_rows(const json_t *rows, bool (*counts)(const json_t *row))
{
    size_t i, count = 0;
    const json_t *row;
    json_array_foreach(rows, i, row) count += counts(row);
    return count;
}

const char *verify_find_name(const char *name)
{
    size_t i = 0;
    while (tas_verify_name(i) && strcmp(tas_verify_name(i), name) != 0) i++;
    return tas_verify_name(i);
}

/* Of the device's own operations. */
static json_t *count_cases(const json_t *rows)
{
    size_t i;
    double count = 0;
    const json_t *row;
    json_array_foreach(rows, i, row) if (is_exact(verify_text(row, "provider")) &&
                                         verify_find_name(verify_text(row, "operation"))) count +=
        verify_number(row, "passed") + verify_number(row, "failed");
    return json_integer((json_int_t)count);
}

/* The worst of its rows; a row with a tolerance is not the device's own work. */
static verify_status judge_device(const json_t *rows)
{
    size_t i, count[VERIFY_STATUSES] = {0};
    const json_t *row;
    json_array_foreach(rows, i, row) count[verify_status_of(row)]++;
    if (count[VERIFY_CRASHED]) return VERIFY_CRASHED;
    if (count[VERIFY_TIMED_OUT]) return VERIFY_TIMED_OUT;
    if (count[VERIFY_WRONG]) return VERIFY_WRONG;
    return count[VERIFY_EXACT] || count[VERIFY_TOLERANCE] ? VERIFY_EXACT : VERIFY_UNSUPPORTED;
}

static void set_counts(json_t *object, const json_t *rows)
{
    const size_t passed = count_rows(rows, counts_as_passed), failed = count_rows(rows, counts_as_failed);
    json_object_set_new(object, "passed", json_integer((json_int_t)passed));
    json_object_set_new(object, "failed", json_integer((json_int_t)failed));
    json_object_set_new(object, "skipped", json_integer((json_int_t)(json_array_size(rows) - passed - failed)));
}

void verify_end_device(json_t *device)
{
    char why[64];
    const json_t *rows = json_object_get(device, "rows");
    if (!json_is_string(json_object_get(device, "status"))) set_status(device, judge_device(rows));
    if (verify_has_failed(verify_status_of(device)) && strcmp(verify_text(device, "id"), "reference") != 0)
        json_object_set_new(device, "tier", json_string(tas_tier_name(TAS_TIER_REFUSED)));
    set_counts(device, rows);
    json_object_set_new(device, "cases", count_cases(rows));
    const unsigned failed = (unsigned)verify_number(device, "failed");
    if (*verify_text(device, "why") || !failed) return;
    snprintf(why, sizeof why, "%u of %zu rows failed", failed, json_array_size(rows));
    json_object_set_new(device, "why", json_string(why));
}

/* ---------------------------------------------------------------------------------------------------- the machine */

/* The value of "KEY : VALUE" or KEY="VALUE" in a file of lines; "" if there is none. */
static void find_value(const char *path, const char *key, char out[LINE])
{
    char line[LINE];
    FILE *file = fopen(path, "r");
    *out = 0;
    while (file && !*out && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        const char *value = line + strlen(key);
        value += strspn(value, " \t:=\"");
        snprintf(out, LINE, "%.*s", (int)strcspn(value, "\"\n"), value);
    }
    if (file) fclose(file);
}

static void find_processor(char out[LINE])
{
    static const char *const keys[] = {"model name", "Model", "processor 0", "uarch", "cpu"};
    *out = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !*out; i++) find_value("/proc/cpuinfo", keys[i], out);
}

static json_t *describe_machine(void)
{
    char text[LINE];
    struct utsname name = {0};
    json_t *o = json_object();
    uname(&name);
    find_processor(text);
    json_object_set_new(o, "processor", cli_json_text(text));
    json_object_set_new(o, "architecture", cli_json_text(name.machine));
    find_value("/etc/os-release", "PRETTY_NAME", text);
    json_object_set_new(o, "system", cli_json_text(text));
    snprintf(text, sizeof text, "%s %s", name.sysname, name.release);
    json_object_set_new(o, "kernel", cli_json_text(text));
    return o;
}

/* ------------------------------------------------------------------------------------------------------ the whole */

static json_t *list_digests(void)
{
    json_t *list = json_array();
    for (size_t k = 0; tas_canonical_digest(k); k++) json_array_append_new(list, json_string(tas_canonical_digest(k)));
    return list;
}

static json_t *describe_date(void)
{
    char text[32];
    const time_t now = time(NULL);
    struct tm parts = {0};
    gmtime_r(&now, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return json_string(text);
}

json_t *verify_describe(const verify_session *v)
{
    json_t *o = json_object();
    json_object_set_new(o, "schema", json_integer(VERIFY_SCHEMA));
    json_object_set_new(o, "version", json_string(tas_version()));
    json_object_set_new(o, "build", json_string(tas_build()));
    json_object_set_new(o, "contract", json_integer(tas_contract()));
    json_object_set_new(o, "date", describe_date());
    json_object_set_new(o, "machine", describe_machine());
    json_object_set_new(o, "seed", json_integer((json_int_t)v->s.verify.seed));
    json_object_set_new(o, "cases", json_integer(v->s.verify.cases));
    json_object_set_new(o, "time", cli_json_real(v->s.verify.seconds));
    json_object_set_new(o, "stated_digests", list_digests());
    json_object_set(o, "devices", v->devices);
    set_counts(o, v->devices);
    if (v->coverage) json_object_set(o, "kernel_coverage", v->coverage);
    return o;
}
