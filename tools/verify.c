/* tassello verify: compares every operation of a device with the C reference, bit for bit; then the canonical training.
 */
#include "verify.h"
#include "verify_coverage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const cli_option options[] = {
    OPTION_DEVICE(offsetof(verify_settings, device)),
    {.name = "all",
     .group = GROUP_DEVICE,
     .offset = offsetof(verify_settings, all),
     .help = "Verify every device in turn, the reference included."},
    {.name = "op",
     .group = GROUP_DATA,
     .metavar = "NAME[,NAME...]",
     .type = TYPE_TEXT,
     .offset = offsetof(verify_settings, op),
     .help = "Verify these operations alone; may be repeated. 'training' stands for the canonical trainings, 'clblast' "
             "for CLBlast's products, 'gradients' for --gradients. Default: everything."},
    {.name = "case",
     .group = GROUP_DATA,
     .metavar = "NAME",
     .type = TYPE_TEXT,
     .offset = offsetof(verify_settings, verify.only_case),
     .help = "With --op only: run this case of the operation again. A failure prints the name of its case."},
    {.name = "gradients",
     .group = GROUP_DATA,
     .offset = offsetof(verify_settings, gradients),
     .help =
         "Also compare gradients of each kind of layer and each loss with finite differences of losses, all computed "
         "by the device."},
    {.name = "seed",
     .group = GROUP_DATA,
     .metavar = "N",
     .type = TYPE_U64,
     .most = INT64_MAX,
     .offset = offsetof(verify_settings, verify.seed),
     .help = "Seed of shapes and values (default 1)."},
    {.name = "cases",
     .group = GROUP_DATA,
     .metavar = "N",
     .type = TYPE_U32,
     .most = 1000000,
     .offset = offsetof(verify_settings, verify.cases),
     .help = "Random cases per operation, in addition to the edge shapes (default 20)."},
    {.name = "time",
     .group = GROUP_DATA,
     .metavar = "TIME",
     .type = TYPE_TEXT,
     .offset = offsetof(verify_settings, time),
     .help =
         "Instead of --cases: run as many cases as fit into TIME, such as 90s, 10m or 2h, of all operations in turn, "
         "and no trainings. The seed goes up by one with each round."},
    {.name = "json",
     .group = GROUP_OUTPUT,
     .metavar = "FILE",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(verify_settings, json),
     .help = "Write the results as one JSON object; - is stdout, which then carries nothing else. Its fields are in "
             "doc/verify.md."},
    {.name = "report",
     .group = GROUP_OUTPUT,
     .metavar = "DIR",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FOLDER,
     .offset = offsetof(verify_settings, report),
     .help =
         "Write the results into a folder, which is made: verify.json, the page index.html, and report.txt for a "
         "bug report. Each device is verified in a process of its own, so that a driver that crashes or hangs fails "
         "its own rows only."},
    {.name = "limit",
     .group = GROUP_DEVICE,
     .metavar = "SECONDS",
     .type = TYPE_U32,
     .least = 1,
     .most = 1000000,
     .offset = offsetof(verify_settings, limit),
     .help =
         "--report only: the time that one case, one canonical training or opening the device, which builds kernels, "
         "may take before its process is killed (default 600)."},
    {.name = "compare",
     .group = GROUP_OUTPUT,
     .metavar = "FILE",
     .type = TYPE_TEXT,
     .complete = COMPLETE_FILE,
     .offset = offsetof(verify_settings, compare),
     .help =
         "Verify nothing: print what differs between this file of --json or --report and OTHER. Exits with 0 if the "
         "results are the same."},
    {.name = "lines",
     .group = GROUP_OUTPUT,
     .offset = offsetof(verify_settings, lines),
     .help =
         "Print JSON lines while it works, and nothing else, on stdout: what is known of the device, each operation "
         "that begins, each row, the result and the end."},
    {0},
};

/* Offsets of options that are of this process alone. */
static const size_t own_options[] = {
    offsetof(verify_settings, device),    offsetof(verify_settings, all),    offsetof(verify_settings, op),
    offsetof(verify_settings, json),      offsetof(verify_settings, report), offsetof(verify_settings, limit),
    offsetof(verify_settings, gradients),
};

/* -------------------------------------------------------------------------------------------------------- options */

static void check_name(const char *name)
{
    if (verify_find_name(name)) return;
    const char *meant = tas_verify_suggest(name);
    cli_usage(&verify_command, "--op %s: unknown operation%s%s%s", name, meant ? "; did you mean " : "",
              meant ? meant : "", meant ? "?" : "");
}

/* Adds the names of one --op. */
static void add_names(verify_settings *s, const char *text)
{
    for (const char *at = text; *at; at += strcspn(at, ",")) {
        at += strspn(at, ",");
        if (!*at) break;
        if (s->only_count == VERIFY_NAMES) cli_usage(&verify_command, "--op: expected at most %d names", VERIFY_NAMES);
        char *name = strndup(at, strcspn(at, ","));
        if (!name) cli_no_memory();
        s->only[s->only_count++] = name;
        check_name(name);
    }
}

/* Keeps what another process is to be given as well: all that decides about the cases. */
static void pass_on(verify_settings *s, const cli_option *option, const char *text)
{
    char *words = NULL;
    for (size_t i = 0; i < sizeof own_options / sizeof *own_options; i++)
        if (option->offset == own_options[i]) return;
    if (s->passed_count == VERIFY_PASSED_ON) cli_usage(&verify_command, "--%s: too many options", option->name);
    if (asprintf(&words, "--%s%s%s", option->name, text ? "=" : "", text ? text : "") < 0) cli_no_memory();
    s->passed_on[s->passed_count++] = words;
}

static void on_option(void *user, const cli_option *option, const char *text)
{
    verify_settings *s = user;
    if (option->offset == offsetof(verify_settings, op)) add_names(s, text);
    pass_on(s, option, text);
}

static void read_settings(verify_settings *s, int argc, char **argv)
{
    tas_verify_options_init(&s->verify);
    s->limit = 600;
    cli_parse_seen(&verify_command, argc, argv, s, on_option, s);
    if (s->op && !s->only_count) cli_usage(&verify_command, "--op %s: expected names of operations", s->op);
    if (s->verify.only_case && s->only_count != 1)
        cli_usage(&verify_command, "--case %s: expected --op with the name of its operation", s->verify.only_case);
    s->verify.gradients = s->gradients;
    if (s->only_count) s->verify.only = (const char *const *)s->only;
    if (s->all && s->device) cli_usage(&verify_command, "--all and --device: expected only one of them");
    if (s->time && !cli_read_time(s->time, &s->verify.seconds))
        cli_usage(&verify_command, "--time %s: expected a time, such as 90s, 10m or 2h", s->time);
    if (s->time && s->verify.only_case) cli_usage(&verify_command, "--time and --case: expected only one of them");
    if (s->lines && (s->all || s->report || s->json))
        cli_usage(&verify_command, "--lines: expected no --all, --report or --json with it");
    if (s->compare && !s->other) cli_usage(&verify_command, "--compare %s: expected a second file, OTHER", s->compare);
    if (s->other && !s->compare) cli_usage(&verify_command, "%s: unexpected without --compare", s->other);
}

/* ------------------------------------------------------------------------------------------------------- the work */

static tas_status verify_all(verify_session *v)
{
    tas_device_info *list = NULL;
    size_t count = 0;
    const tas_status status = tas_devices(v->cli.context, &list, &count);
    for (size_t i = 0; i < count; i++) verify_device(v, list[i].long_id, &list[i]);
    tas_devices_free(list);
    return status;
}

static int verify_here(verify_session *v)
{
    tas_device_info named = {0};
    if (v->s.all) {
        const tas_status status = verify_all(v);
        if (status) return cli_failed(&v->cli, status);
    } else {
        snprintf(named.id, sizeof named.id, "%s", v->s.device ? v->s.device : "");
        verify_device(v, v->s.device, &named);
    }
    v->coverage = v->text ? verify_coverage_print(v->cli.context, v->text) : NULL;
    return 0;
}

static int verify_elsewhere(verify_session *v)
{
    if (!verify_report_check(v)) return EXIT_FAILED;
    if (verify_isolated(v)) return 0;
    if (v->interrupted) cli_error(&v->cli, "interrupted; %s is left as it was", v->s.report);
    return v->interrupted ? EXIT_INTERRUPTED : EXIT_FAILED;
}

/* A device that was named but could not be opened has not passed. */
static int judge_devices(const verify_session *v)
{
    size_t i, passed = 0, failed = 0;
    const json_t *device;
    json_array_foreach(v->devices, i, device)
    {
        passed += verify_has_passed(verify_status_of(device));
        failed += verify_has_failed(verify_status_of(device));
    }
    return failed || !passed ? EXIT_FAILED : 0;
}

/* A file is written whole, and else the earlier one stays; a pipe, say, as it is. */
static bool write_file(verify_session *v)
{
    struct stat about;
    const char *path = v->s.json;
    const bool whole = stat(path, &about) || S_ISREG(about.st_mode);
    char *text = NULL;
    size_t bytes;
    FILE *stream = whole ? open_memstream(&text, &bytes) : fopen(path, "w");
    bool done = stream && cli_json_print(verify_describe(v), stream);
    if (stream && fclose(stream)) done = false;
    if (done && text && tas_file_write(v->cli.context, path, text, bytes)) {
        cli_error(&v->cli, "--json %s", tas_error(v->cli.context));
        free(text);
        return false;
    }
    done &= !whole || text;
    free(text);
    if (!done) cli_error(&v->cli, "--json %s: cannot be written: %s", path, strerror(errno));
    return done;
}

static bool write_json(verify_session *v)
{
    if (v->text != stderr) return write_file(v);
    if (cli_json_print(verify_describe(v), stdout)) return true;
    cli_error(&v->cli, "--json -: cannot be written: %s", strerror(errno));
    return false;
}

static int verify(verify_session *v)
{
    const bool to_file = v->s.json && strcmp(v->s.json, "-") != 0;
    if (to_file && !cli_check_stream(&v->cli, "json", v->s.json)) return EXIT_FAILED;
    v->text = v->s.lines ? NULL : v->s.json && !to_file ? stderr : stdout;
    int result = v->s.report ? verify_elsewhere(v) : verify_here(v);
    if (result) return result;
    result = judge_devices(v);
    verify_print_total(v);
    if (v->s.report && !verify_report_write(v)) result = EXIT_FAILED;
    if (v->s.json && !write_json(v)) result = EXIT_FAILED;
    return result;
}

static void free_settings(verify_settings *s)
{
    for (size_t i = 0; i < s->only_count; i++) free(s->only[i]);
    for (size_t i = 0; i < s->passed_count; i++) free(s->passed_on[i]);
}

static int run(int argc, char **argv)
{
    verify_session v = {0};
    read_settings(&v.s, argc, argv);
    if (!cli_open(&v.cli, &verify_command)) return EXIT_FAILED;
    progress_open(&v.progress, &v.cli, NULL, false);
    v.devices = json_array();
    const int result = v.s.compare ? verify_compare(&v.cli, v.s.compare, v.s.other) : verify(&v);
    json_decref(v.devices);
    json_decref(v.coverage);
    free_settings(&v.s);
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
        "With --all, the last lines are one per device, and their count. With --report, an operation in which a driver "
        "crashes or hangs is a row like others, and the rest goes on in a new process.",
    .arguments = {{.name = "OTHER",
                   .complete = COMPLETE_FILE,
                   .optional = true,
                   .offset = offsetof(verify_settings, other),
                   .help = "with --compare only: the file that is compared"}},
    .options = options,
    .examples = {"tassello verify --all --report report", "tassello verify --compare report/verify.json theirs.json"},
    .run = run,
};
