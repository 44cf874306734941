/* What verify prints for people: a row per operation, as soon as it is known; then the totals. */
#include "verify.h"

#include <string.h>

static const char *const shown[VERIFY_STATUSES] = {
    [VERIFY_EXACT] = "ok",        [VERIFY_TOLERANCE] = "ok",
    [VERIFY_WRONG] = "FAILED",    [VERIFY_UNSUPPORTED] = "skipped",
    [VERIFY_CRASHED] = "CRASHED", [VERIFY_TIMED_OUT] = "TIMEOUT",
};

static const char *shown_status(const json_t *object) { return shown[verify_status_of(object)]; }

static unsigned whole(const json_t *object, const char *key) { return (unsigned)verify_number(object, key); }

void verify_print_head(const verify_session *v)
{
    const tas_verify_options *verify = &v->s.verify;
    if (!v->text) return;
    fprintf(v->text, "%s (%s), ", cli_shown(verify_text(v->device, "id")), cli_shown(verify_text(v->device, "name")));
    if (verify->only_case)
        fprintf(v->text, "case %s\n", verify->only_case);
    else if (verify->seconds > 0)
        fprintf(v->text, "seed %llu, cases for %s\n", (unsigned long long)verify->seed, v->s.time);
    else
        fprintf(v->text, "seed %llu, %u random cases per operation\n", (unsigned long long)verify->seed, verify->cases);
    fflush(v->text);
}

static void print_row(const verify_session *v, const json_t *row, const char *tail)
{
    const verify_status status = verify_status_of(row);
    const unsigned failed = whole(row, "failed"), cases = whole(row, "passed") + failed;
    const char *text = cli_shown(verify_text(row, "text"));
    fprintf(v->text, "  %-7s  %-28s  %-8s  %5u cases  %6.2f s%s\n", shown[status], verify_text(row, "operation"),
            verify_text(row, "provider"), cases, verify_number(row, "seconds"), tail);
    if (status == VERIFY_WRONG)
        fprintf(v->text, "           %u of %u failed; the first: %s\n", failed, cases, text);
    else if (!verify_has_passed(status))
        fprintf(v->text, "           %s\n", text);
    if (*verify_text(row, "command"))
        fprintf(v->text, "           to repeat it: %s\n", cli_shown(verify_text(row, "command")));
}

static bool is_provider(const json_t *row, const char *name) { return !strcmp(verify_text(row, "provider"), name); }

/* Rows of providers that are not used by default are printed at the end, apart from the others. */
static bool is_apart(const json_t *row)
{
    return !is_provider(row, "kernel") && !is_provider(row, "reference") && !is_provider(row, "gradient");
}

/* How near to its bound comes what is compared with one; "" for the rest. */
enum { ERROR_TEXT = 64 };
static const char *describe_error(const json_t *row, char text[ERROR_TEXT])
{
    text[0] = 0;
    if (verify_status_of(row) <= VERIFY_WRONG && (is_apart(row) || is_provider(row, "gradient")))
        snprintf(text, ERROR_TEXT, "  largest error %.3f of the bound", verify_number(row, "worst_error"));
    return text;
}

void verify_print_row(verify_session *v, const json_t *row)
{
    char error[ERROR_TEXT];
    if (!v->text) return;
    cli_wipe_line(&v->cli);
    if (is_apart(row)) return;
    print_row(v, row, describe_error(row, error));
    fflush(v->text);
}

static void print_tolerances(const verify_session *v)
{
    size_t i, printed = 0;
    const json_t *row;
    json_array_foreach(json_object_get(v->device, "rows"), i, row)
    {
        char error[ERROR_TEXT];
        if (!is_apart(row)) continue;
        if (!printed++)
            fprintf(v->text, "  providers used with --arith fast (compared with a bound, not bit for bit):\n");
        print_row(v, row, describe_error(row, error));
    }
}

static void print_digests(const verify_session *v)
{
    size_t k;
    const json_t *digest, *digests = json_object_get(v->device, "digests");
    json_array_foreach(digests, k, digest)
    {
        fprintf(v->text, "digest %s\n", json_string_value(digest));
        if (strcmp(json_string_value(digest), tas_canonical_digest(k)) != 0)
            fprintf(v->text, "the digest DIFFERS: expected %s\n", tas_canonical_digest(k));
    }
    if (json_is_true(json_object_get(v->device, "digest_ok"))) fprintf(v->text, "the digests are the expected ones\n");
}

void verify_print_end(verify_session *v)
{
    const char *why = verify_text(v->device, "why");
    if (!v->text) return;
    cli_wipe_line(&v->cli);
    v->progress.shown = 0;
    print_tolerances(v);
    if (*why && !json_array_size(json_object_get(v->device, "rows")) && v->s.all)
        fprintf(v->text, "%s (%s)\n  %-7s  %s\n", cli_shown(verify_text(v->device, "id")),
                cli_shown(verify_text(v->device, "name")), shown_status(v->device), cli_shown(why));
    print_digests(v);
    if (v->s.all) fputc('\n', v->text);
    fflush(v->text);
}

/* Rows, and digests if both trainings were run; or why there are none. */
static void print_device(const verify_session *v, const json_t *device)
{
    const json_t *digests = json_object_get(device, "digests");
    const char *why = verify_text(device, "why");
    fprintf(v->text, "%-7s  %-16s  ", shown_status(device), cli_shown(verify_text(device, "id")));
    if (json_array_size(digests) == TAS_CANONICAL_TRAININGS)
        fprintf(v->text, "%.0f cases, %u rows, digests %.16s... and %.16s...\n", verify_number(device, "cases"),
                whole(device, "passed") + whole(device, "failed"), json_string_value(json_array_get(digests, 0)),
                json_string_value(json_array_get(digests, 1)));
    else if (*why)
        fprintf(v->text, "%s\n", cli_shown(why));
    else
        fprintf(v->text, "%zu rows\n", json_array_size(json_object_get(device, "rows")));
}

static void print_devices(const verify_session *v)
{
    size_t i, count[3] = {0};
    const json_t *device;
    json_array_foreach(v->devices, i, device)
    {
        const verify_status status = verify_status_of(device);
        print_device(v, device);
        count[verify_has_passed(status) ? 0 : verify_has_failed(status) ? 1 : 2]++;
    }
    fprintf(v->text, "%zu passed, %zu failed, %zu skipped\n", count[0], count[1], count[2]);
}

/* A device that was named and could not be opened is an error, which was printed. */
void verify_print_total(const verify_session *v)
{
    const json_t *one = json_array_get(v->devices, 0);
    if (!v->text) return;
    if (v->s.all)
        print_devices(v);
    else if (verify_status_of(one) != VERIFY_UNSUPPORTED || json_array_size(json_object_get(one, "rows"))) {
        const unsigned failed = whole(one, "failed");
        const bool only_device = !failed && verify_has_failed(verify_status_of(one));
        if (verify_number(one, "cases") > 0)
            fprintf(v->text, "%.0f cases of operations\n", verify_number(one, "cases"));
        fprintf(v->text, "%u passed, %u failed, %u skipped\n", whole(one, "passed"), failed + only_device,
                whole(one, "skipped"));
    }
}

/* Verifications that end soon show nothing. */
void verify_show_progress(verify_session *v, const tas_verify_progress *now)
{
    char doing[128];
    if (!v->text || now->seconds < (v->progress.terminal ? 1 : 10)) return;
    snprintf(doing, sizeof doing, "%llu cases, %.0f/s  %s", (unsigned long long)now->cases,
             (double)now->cases / now->seconds, now->operation);
    progress_work(&v->progress, doing, now->seconds, now->left);
}
