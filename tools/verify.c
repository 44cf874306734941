/* tassello verify: compares every operation of a device with the C reference, bit for bit; then the canonical training.
 */
#include "progress.h"
#include "verify_coverage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MOST = 256 };

typedef struct settings {
    const char *device, *json, *op, *time;
    bool all;
    tas_verify_options verify;
    char *only[NAMES_MOST + 1]; /* of --op; ended by NULL */
    size_t only_count;
} settings;

static const cli_option options[] = {
    OPTION_DEVICE(offsetof(settings, device)),
    {.name = "all",
     .group = GROUP_DEVICE,
     .offset = offsetof(settings, all),
     .help = "Verify every device in turn, the reference included."},
    {.name = "op",
     .group = GROUP_DATA,
     .metavar = "NAME[,NAME...]",
     .type = TYPE_TEXT,
     .offset = offsetof(settings, op),
     .help = "Verify these operations alone; may be repeated. 'training' stands for the canonical trainings, 'clblast' "
             "for CLBlast's products. Default: everything."},
    {.name = "case",
     .group = GROUP_DATA,
     .metavar = "NAME",
     .type = TYPE_TEXT,
     .offset = offsetof(settings, verify.only_case),
     .help = "With --op only: run this case of the operation again. A failure prints the name of its case."},
    {.name = "seed",
     .group = GROUP_DATA,
     .metavar = "N",
     .type = TYPE_U64,
     .most = INT64_MAX,
     .offset = offsetof(settings, verify.seed),
     .help = "Seed of shapes and values (default 1)."},
    {.name = "cases",
     .group = GROUP_DATA,
     .metavar = "N",
     .type = TYPE_U32,
     .most = 1000000,
     .offset = offsetof(settings, verify.cases),
     .help = "Random cases per operation, in addition to the edge shapes (default 20)."},
    {.name = "time",
     .group = GROUP_DATA,
     .metavar = "TIME",
     .type = TYPE_TEXT,
     .offset = offsetof(settings, time),
     .help =
         "Instead of --cases: run as many cases as fit into TIME, such as 90s, 10m or 2h, of all operations in turn. "
         "The seed goes up by one with each round."},
    {.name = "json",
     .group = GROUP_OUTPUT,
     .metavar = "FILE",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(settings, json),
     .help = "Write the results as one JSON object; - is stdout, which then carries nothing else."},
    {0},
};

typedef enum verdict { PASSED = 0, FAILED, SKIPPED } verdict;
static const char *const verdicts[] = {[PASSED] = "passed", [FAILED] = "failed", [SKIPPED] = "skipped"};
static const char *const shown_verdicts[] = {[PASSED] = "ok", [FAILED] = "FAILED", [SKIPPED] = "skipped"};

/* A provider's row, kept until the end, so that rows with a tolerance are printed apart from the exact ones. */
typedef struct provider_row {
    char operation[64], provider[32], text[512];
    verdict verdict;
    uint32_t passed, failed;
    double seconds, worst_error;
} provider_row;

typedef struct device_run {
    char id[64], name[128];
    char why[1024]; /* why the device failed or was skipped as a whole */
    verdict verdict;
    tas_verify_result result;
} device_run;

typedef struct session {
    cli_state cli;
    settings s;
    progress progress;
    const char *device_id; /* that is verified */
    FILE *text;            /* rows for people: stdout, or stderr where JSON goes to stdout */
    json_t *devices, *rows, *coverage;
    provider_row *provider_rows;
    size_t provider_row_count;
    uint32_t count[3]; /* devices by verdict */
    device_run *runs;
    size_t run_count;
} session;

/* ------------------------------------------------------------------------------------------------------------- rows */

static verdict judge(const tas_verify_row *row) { return row->skipped ? SKIPPED : row->failed ? FAILED : PASSED; }

static void print_row(const session *v, verdict how, const char *operation, const char *provider, uint32_t passed,
                      uint32_t failed, double seconds, const char *tail, const char *text)
{
    fprintf(v->text, "  %-7s  %-24s  %-7s  %5u cases  %6.2f s%s\n", shown_verdicts[how], operation, provider,
            passed + failed, seconds, tail);
    if (how == FAILED) fprintf(v->text, "           %u of %u failed; the first: %s\n", failed, passed + failed, text);
    if (how == SKIPPED) fprintf(v->text, "           %s\n", text);
}

/* The command that repeats a row's first failure. */
enum { COMMAND_TEXT = 1024 };
static const char *describe_command(const session *v, const tas_verify_row *row, char text[COMMAND_TEXT])
{
    snprintf(text, COMMAND_TEXT, "tassello verify --device %s --op %s --case %s", v->device_id, row->operation,
             row->failure.name);
    return text;
}

/* A row's first failure: null if there is none. */
static json_t *describe_failure(const session *v, const tas_verify_row *row)
{
    const tas_verify_failure *f = &row->failure;
    char command[COMMAND_TEXT], bits[16];
    if (!f->name || !*f->name) return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "case", cli_json_text(f->name));
    json_object_set_new(o, "command", cli_json_text(describe_command(v, row, command)));
    json_object_set_new(o, "shape", cli_json_text(f->shape));
    json_object_set_new(o, "operand", cli_json_text(f->operand));
    if (!*f->operand) return o;
    json_object_set_new(o, "element", json_integer((json_int_t)f->element));
    snprintf(bits, sizeof bits, "%08x", f->got);
    json_object_set_new(o, "got", json_string(bits));
    snprintf(bits, sizeof bits, "%08x", f->expected);
    json_object_set_new(o, "expected", json_string(bits));
    json_object_set_new(o, "ulp", f->ulp == UINT64_MAX ? json_null() : json_integer((json_int_t)f->ulp));
    json_object_set_new(o, "differing", json_integer((json_int_t)f->differing));
    json_object_set_new(o, "elements", json_integer((json_int_t)f->elements));
    return o;
}

static json_t *describe_row(const session *v, const tas_verify_row *row)
{
    json_t *o = json_object();
    json_object_set_new(o, "operation", cli_json_text(row->operation));
    json_object_set_new(o, "provider", cli_json_text(row->provider));
    json_object_set_new(o, "status", json_string(verdicts[judge(row)]));
    json_object_set_new(o, "passed", json_integer(row->passed));
    json_object_set_new(o, "failed", json_integer(row->failed));
    json_object_set_new(o, "seconds", cli_json_real(row->seconds));
    json_object_set_new(o, "worst_error", cli_json_real(row->worst_error));
    json_object_set_new(o, "text", cli_json_text(row->text ? row->text : ""));
    json_object_set_new(o, "failure", describe_failure(v, row));
    return o;
}

static void keep_provider_row(session *v, const tas_verify_row *row)
{
    provider_row *more = realloc(v->provider_rows, (v->provider_row_count + 1) * sizeof *more);
    if (!more) abort();
    v->provider_rows = more;
    provider_row *a = &v->provider_rows[v->provider_row_count++];
    *a = (provider_row){.verdict = judge(row),
                        .passed = row->passed,
                        .failed = row->failed,
                        .seconds = row->seconds,
                        .worst_error = row->worst_error};
    snprintf(a->operation, sizeof a->operation, "%s", row->operation);
    snprintf(a->provider, sizeof a->provider, "%s", row->provider);
    snprintf(a->text, sizeof a->text, "%s", row->text ? row->text : "");
}

static void on_row(void *user, const tas_verify_row *row)
{
    session *v = user;
    cli_wipe_line(&v->cli);
    json_array_append_new(v->rows, describe_row(v, row));
    if (strcmp(row->provider, "kernel") && strcmp(row->provider, "reference")) {
        keep_provider_row(v, row);
        return;
    }
    print_row(v, judge(row), row->operation, row->provider, row->passed, row->failed, row->seconds, "",
              row->text ? row->text : "");
    if (row->failure.name && *row->failure.name) {
        char command[COMMAND_TEXT];
        fprintf(v->text, "           to repeat it: %s\n", describe_command(v, row, command));
    }
    fflush(v->text);
}

static void print_provider_rows(session *v)
{
    if (v->provider_row_count)
        fprintf(v->text, "  providers used with --arith fast (compared with a bound, not bit for bit):\n");
    for (size_t i = 0; i < v->provider_row_count; i++) {
        const provider_row *a = &v->provider_rows[i];
        char tail[64] = "";
        if (a->verdict != SKIPPED) snprintf(tail, sizeof tail, "  largest error %.3f of the bound", a->worst_error);
        print_row(v, a->verdict, a->operation, a->provider, a->passed, a->failed, a->seconds, tail, a->text);
    }
    free(v->provider_rows);
    v->provider_rows = NULL;
    v->provider_row_count = 0;
}

/* --------------------------------------------------------------------------------------------------------- a device */

static void print_digest(const session *v, const tas_verify_result *result)
{
    if (!*result->digest[0]) return;
    for (size_t k = 0; k < TAS_CANONICAL_TRAININGS; k++) {
        fprintf(v->text, "digest %s\n", result->digest[k]);
        if (strcmp(result->digest[k], tas_canonical_digest(k)) != 0)
            fprintf(v->text, "the digest DIFFERS: expected %s\n", tas_canonical_digest(k));
    }
    if (result->digest_ok) fprintf(v->text, "the digests are the expected ones\n");
}

static json_t *describe_device(session *v, const device_run *run)
{
    json_t *o = json_object();
    json_object_set_new(o, "device", cli_json_text(run->id));
    json_object_set_new(o, "name", cli_json_text(run->name));
    json_object_set_new(o, "status", json_string(verdicts[run->verdict]));
    json_object_set_new(o, "why", cli_json_text(run->why));
    json_object_set_new(o, "cases", json_integer((json_int_t)run->result.cases));
    json_object_set_new(o, "passed", json_integer(run->result.passed));
    json_object_set_new(o, "failed", json_integer(run->result.failed));
    json_object_set_new(o, "skipped", json_integer(run->result.skipped));
    json_t *digests = json_array();
    for (size_t k = 0; k < TAS_CANONICAL_TRAININGS && *run->result.digest[k]; k++)
        json_array_append_new(digests, json_string(run->result.digest[k]));
    json_object_set_new(o, "digests", digests);
    json_object_set_new(o, "digest_ok", json_boolean(run->result.digest_ok));
    json_object_set_new(o, "rows", v->rows);
    v->rows = NULL;
    return o;
}

/* Verifications that end soon show nothing. */
static void on_progress(void *user, const tas_verify_progress *now)
{
    session *v = user;
    char doing[128];
    if (now->seconds < (v->progress.terminal ? 1 : 10)) return;
    snprintf(doing, sizeof doing, "%llu cases, %.0f/s  %s", (unsigned long long)now->cases,
             (double)now->cases / now->seconds, now->operation);
    progress_work(&v->progress, doing, now->seconds, now->left);
}

static void print_start(const session *v, const tas_device_info *info)
{
    const tas_verify_options *verify = &v->s.verify;
    fprintf(v->text, "%s (%s), ", info->id, info->name);
    if (verify->only_case)
        fprintf(v->text, "case %s\n", verify->only_case);
    else if (verify->seconds > 0)
        fprintf(v->text, "seed %llu, cases for %s\n", (unsigned long long)verify->seed, v->s.time);
    else
        fprintf(v->text, "seed %llu, %u random cases per operation\n", (unsigned long long)verify->seed, verify->cases);
}

/* A device that is not available or has no compiler is skipped; any other failure counts as failed. */
static void verify_device(session *v, const char *id, device_run *run)
{
    tas_device *device = NULL;
    v->rows = json_array();
    tas_status status = tas_device_open(v->cli.context, id, TAS_ARITH_UNTESTED, &device);
    if (status) {
        run->verdict = status == TAS_NO_DEVICE ? SKIPPED : FAILED;
        if (v->s.all)
            fprintf(v->text, "%s (%s)\n  %-7s  %s\n", run->id, run->name, shown_verdicts[run->verdict],
                    tas_error(v->cli.context));
    } else {
        const tas_device_info *info = tas_device_get_info(device);
        memcpy(run->id, info->id, sizeof run->id);
        memcpy(run->name, info->name, sizeof run->name);
        print_start(v, info);
        fflush(v->text);
        v->device_id = run->id;
        v->progress.shown = 0;
        status = tas_verify(device, &v->s.verify, on_row, v, &run->result);
        run->verdict = status || run->result.failed ? FAILED : PASSED;
        cli_wipe_line(&v->cli);
        print_provider_rows(v);
    }
    if (status) {
        snprintf(run->why, sizeof run->why, "%s", tas_error(v->cli.context));
        if (!v->s.all) cli_error(&v->cli, "%s", run->why);
    }
    print_digest(v, &run->result);
    v->count[run->verdict]++;
    json_array_append_new(v->devices, describe_device(v, run));
    tas_device_close(&device);
}

static tas_status verify_all(session *v)
{
    tas_device_info *list = NULL;
    size_t count = 0;
    tas_status status = tas_devices(v->cli.context, &list, &count);
    if (status) return status;
    v->runs = calloc(count, sizeof *v->runs);
    if (!v->runs) abort();
    v->run_count = count;
    for (size_t i = 0; i < count; i++) {
        memcpy(v->runs[i].id, list[i].id, sizeof v->runs[i].id);
        memcpy(v->runs[i].name, list[i].name, sizeof v->runs[i].name);
        verify_device(v, list[i].long_id, &v->runs[i]);
        fputc('\n', v->text);
    }
    tas_devices_free(list);
    return TAS_OK;
}

/* ---------------------------------------------------------------------------------------------------------- the end */

static void print_total(const session *v)
{
    const device_run *one = &v->runs[0];
    if (!v->s.all && one->verdict == SKIPPED) return; /* it could not be opened; the error was printed */
    if (!v->s.all) {
        fprintf(v->text, "%llu cases of operations\n", (unsigned long long)one->result.cases);
        fprintf(v->text, "%u passed, %u failed, %u skipped\n", one->result.passed,
                one->result.failed + (!one->result.failed && one->verdict == FAILED), one->result.skipped);
        return;
    }
    for (size_t i = 0; i < v->run_count; i++) {
        const device_run *run = &v->runs[i];
        fprintf(v->text, "%-7s  %-16s  ", shown_verdicts[run->verdict], run->id);
        if (*run->result.digest[0])
            fprintf(v->text, "%llu cases, %u rows, digests %.16s... and %.16s...\n",
                    (unsigned long long)run->result.cases, run->result.passed + run->result.failed,
                    run->result.digest[0], run->result.digest[1]);
        else
            fprintf(v->text, "%s\n", run->why);
    }
    fprintf(v->text, "%u passed, %u failed, %u skipped\n", v->count[PASSED], v->count[FAILED], v->count[SKIPPED]);
}

static json_t *describe_session(session *v)
{
    json_t *o = json_object();
    json_object_set_new(o, "version", json_string(tas_version()));
    json_object_set_new(o, "contract", json_integer(tas_contract()));
    json_object_set_new(o, "seed", json_integer((json_int_t)v->s.verify.seed));
    json_object_set_new(o, "cases", json_integer(v->s.verify.cases));
    json_t *stated = json_array();
    for (size_t k = 0; k < TAS_CANONICAL_TRAININGS; k++)
        json_array_append_new(stated, json_string(tas_canonical_digest(k)));
    json_object_set_new(o, "stated_digests", stated);
    json_object_set_new(o, "devices", v->devices);
    json_object_set_new(o, "passed", json_integer(v->count[PASSED]));
    json_object_set_new(o, "failed", json_integer(v->count[FAILED]));
    json_object_set_new(o, "skipped", json_integer(v->count[SKIPPED]));
    v->devices = NULL;
    if (v->coverage) json_object_set(o, "kernel_coverage", v->coverage);
    return o;
}

static int verify_one_or_all(session *v)
{
    if (v->s.all) {
        tas_status status = verify_all(v);
        if (status) return cli_failed(&v->cli, status);
    } else {
        v->runs = calloc(1, sizeof *v->runs);
        if (!v->runs) abort();
        v->run_count = 1;
        snprintf(v->runs->id, sizeof v->runs->id, "%s", v->s.device ? v->s.device : "");
        verify_device(v, v->s.device, v->runs);
    }
    v->coverage = verify_coverage_print(v->cli.context, v->text);
    print_total(v);
    /* a device that was named but could not be opened has not passed */
    return v->count[FAILED] || !v->count[PASSED] ? EXIT_FAILED : 0;
}

static bool write_json(session *v)
{
    const bool to_stdout = v->text == stderr;
    FILE *stream = to_stdout ? stdout : fopen(v->s.json, "w");
    bool done = stream && cli_json_print(describe_session(v), stream);
    if (stream && !to_stdout) done &= !fclose(stream);
    if (!done) cli_error(&v->cli, "--json %s: cannot be written: %s", v->s.json, strerror(errno));
    return done;
}

/* -------------------------------------------------------------------------------------------------------- options */

static void check_name(const char *name)
{
    for (size_t i = 0; tas_verify_name(i); i++)
        if (!strcmp(tas_verify_name(i), name)) return;
    const char *meant = tas_verify_suggest(name);
    cli_usage(&verify_command, "--op %s: unknown operation%s%s%s", name, meant ? "; did you mean " : "",
              meant ? meant : "", meant ? "?" : "");
}

/* Adds the names of one --op. */
static void on_option(void *user, const cli_option *option, const char *text)
{
    settings *s = user;
    if (option->offset != offsetof(settings, op)) return;
    for (const char *at = text; *at; at += strcspn(at, ",")) {
        at += strspn(at, ",");
        if (!*at) break;
        if (s->only_count == NAMES_MOST) cli_usage(&verify_command, "--op: expected at most %d names", NAMES_MOST);
        char *name = strndup(at, strcspn(at, ","));
        if (!name) abort();
        s->only[s->only_count++] = name;
        check_name(name);
    }
}

static int run(int argc, char **argv)
{
    session v = {.text = stdout};
    int result = EXIT_FAILED;
    tas_verify_options_init(&v.s.verify);
    cli_parse_seen(&verify_command, argc, argv, &v.s, on_option, &v.s);
    if (v.s.op && !v.s.only_count) cli_usage(&verify_command, "--op %s: expected names of operations", v.s.op);
    if (v.s.verify.only_case && v.s.only_count != 1)
        cli_usage(&verify_command, "--case %s: expected --op with the name of its operation", v.s.verify.only_case);
    if (v.s.only_count) v.s.verify.only = (const char *const *)v.s.only;
    if (v.s.all && v.s.device) cli_usage(&verify_command, "--all and --device: expected only one of them");
    if (v.s.time && !cli_read_time(v.s.time, &v.s.verify.seconds))
        cli_usage(&verify_command, "--time %s: expected a time, such as 90s, 10m or 2h", v.s.time);
    if (v.s.time && v.s.verify.only_case) cli_usage(&verify_command, "--time and --case: expected only one of them");
    if (!cli_open(&v.cli, &verify_command)) return EXIT_FAILED;
    progress_open(&v.progress, &v.cli, NULL, false);
    v.s.verify.on_progress = on_progress;

    if (v.s.json && !strcmp(v.s.json, "-")) v.text = stderr;
    v.devices = json_array();
    if (!v.s.json || v.text == stderr || cli_check_stream(&v.cli, "json", v.s.json)) {
        result = verify_one_or_all(&v);
        if (v.s.json && !write_json(&v)) result = EXIT_FAILED;
    }
    json_decref(v.devices);
    json_decref(v.coverage);
    free(v.runs);
    for (size_t i = 0; i < v.s.only_count; i++) free(v.s.only[i]);
    cli_close(&v.cli);
    return result;
}

const cli_command verify_command = {
    .name = "verify",
    .summary = "compare a device with the C reference, bit for bit",
    .description =
        "Runs each operation on random and edge shapes, on the device and by its reference in C, and compares the "
        "results bit for bit. Then runs two short canonical trainings, whose digests must be the expected ones. Exits "
        "with 0 only if everything matches. --op restricts this to the operations named.\n\n"
        "With --all, the last lines are one per device, and their count.",
    .options = options,
    .examples = {"tassello verify", "tassello verify --all --json verify.json"},
    .run = run,
};
