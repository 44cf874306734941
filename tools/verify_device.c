/* A device, verified in this process: by the library, row by row. */
#include "devices.h"
#include "verify.h"

#include <string.h>

static const double line_period = 0.5; /* seconds between lines of progress */

void verify_print_line(const char *key, json_t *value)
{
    cli_json_print(json_pack("{s:o}", key, value), stdout);
    fflush(stdout);
}

static void on_begin(void *user, const char *name)
{
    verify_session *v = user;
    v->unit = name;
    if (v->s.lines) verify_print_line("begin", json_string(name));
}

/* In the lines, it is a sign of life. */
static void on_progress(void *user, const tas_verify_progress *now)
{
    verify_session *v = user;
    verify_show_progress(v, now);
    if (!v->s.lines || now->seconds - v->progress.shown < line_period) return;
    v->progress.shown = now->seconds;
    verify_print_line("progress",
                      json_pack("{s:s, s:I, s:f, s:o}", "operation", now->operation, "cases", (json_int_t)now->cases,
                                "seconds", now->seconds, "left", cli_json_real(now->left)));
}

static void on_row(void *user, const tas_verify_row *row)
{
    verify_session *v = user;
    json_t *o = verify_describe_row(v, row);
    json_array_append_new(json_object_get(v->device, "rows"), o);
    if (v->s.lines) verify_print_line("row", json_incref(o));
    verify_print_row(v, o);
}

static void set_why(verify_session *v)
{
    const char *why = tas_error(v->cli.context);
    json_object_set_new(v->device, "why", cli_json_text(why));
    if (!v->s.all && !v->s.lines) cli_error(&v->cli, "%s", why);
}

static void set_result(verify_session *v, const tas_device *device, const tas_verify_result *result)
{
    json_t *digests = json_object_get(v->device, "digests");
    for (size_t k = 0; k < TAS_CANONICAL_TRAININGS && *result->digest[k]; k++)
        json_array_append_new(digests, json_string(result->digest[k]));
    json_object_set_new(v->device, "digest_ok", json_boolean(result->digest_ok));
    json_object_set_new(v->device, "tier", json_string(tas_tier_name(tas_device_get_info(device)->tier)));
}

static void verify_opened(verify_session *v, tas_device *device)
{
    tas_verify_result result;
    const tas_device_info *info = tas_device_get_info(device);
    v->device = verify_begin_device(devices_describe(info));
    if (v->s.lines) verify_print_line("device", devices_describe(info));
    verify_print_head(v);
    v->s.verify.on_begin = on_begin;
    v->s.verify.on_progress = on_progress;
    const tas_status status = tas_verify(device, &v->s.verify, on_row, v, &result);
    if (status) set_why(v);
    if (status && status != TAS_MISMATCH)
        json_object_set_new(v->device, "status", json_string(verify_word(VERIFY_WRONG)));
    set_result(v, device, &result);
}

/* One that is not available or has no compiler is unsupported; any other failure is the device's. */
static void verify_unopened(verify_session *v, const tas_device_info *known, tas_status status)
{
    v->device = verify_begin_device(devices_describe(known));
    set_why(v);
    json_object_set_new(v->device, "status",
                        json_string(verify_word(status == TAS_NO_DEVICE ? VERIFY_UNSUPPORTED : VERIFY_WRONG)));
}

/* All that is known before the device is closed, in which drivers may crash. */
static void print_result(const verify_session *v)
{
    json_t *result = json_copy(v->device);
    json_object_del(result, "rows");
    verify_print_line("result", result);
}

void verify_device(verify_session *v, const char *id, const tas_device_info *known)
{
    tas_device *device = NULL;
    const tas_status status = tas_device_open(v->cli.context, id, TAS_ARITH_UNTESTED, &device);
    if (status)
        verify_unopened(v, known, status);
    else
        verify_opened(v, device);
    verify_end_device(v->device);
    if (v->s.lines) print_result(v);
    tas_device_close(&device);
    if (v->s.lines) verify_print_line("end", json_true());
    verify_print_end(v);
    json_array_append_new(v->devices, v->device);
}
