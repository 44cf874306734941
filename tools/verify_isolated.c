/* Devices in processes of their own, so that a driver that aborts, hangs or is killed fails the operation that it was
 * at. The others follow in another process. This one uses no driver; it reads the lines of --lines. */
#include "child.h"
#include "devices.h"
#include "verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS = VERIFY_PASSED_ON + 16, NAMES_TEXT = 16384 };

/* A device, from process to process. */
typedef struct isolated {
    verify_session *v;
    const char *left[VERIFY_NAMES]; /* what has no row yet, by name */
    size_t count;
    bool begun, opened, ended; /* in this process: an operation; the device; and all that was left */
    bool has_result;
} isolated;

/* ------------------------------------------------------------------------------------------------------ its lines */

static void remove_unit(isolated *i, size_t at)
{
    i->count--;
    memmove(i->left + at, i->left + at + 1, (i->count - at) * sizeof *i->left);
}

static void remove_name(isolated *i, const char *name)
{
    for (size_t at = 0; at < i->count; at++)
        if (!strcmp(i->left[at], name)) {
            remove_unit(i, at);
            return;
        }
}

static void begin_unit(isolated *i, const char *name)
{
    const char *known = verify_find_name(name);
    if (known) i->v->unit = known;
    i->begun = i->v->unit != NULL;
}

/* A row of the unit, or of an operation: with --time all rows come at the end. */
static void take_row(isolated *i, json_t *row)
{
    json_array_append(json_object_get(i->v->device, "rows"), row);
    remove_name(i, verify_text(row, "operation"));
    if (!i->v->s.time) remove_name(i, i->v->unit ? i->v->unit : "");
    verify_print_row(i->v, row);
}

static void take_progress(isolated *i, const json_t *line)
{
    const json_t *left = json_object_get(line, "left");
    const tas_verify_progress now = {.operation = verify_text(line, "operation"),
                                     .cases = (uint64_t)verify_number(line, "cases"),
                                     .seconds = verify_number(line, "seconds"),
                                     .left = json_is_number(left) ? json_number_value(left) : NAN};
    verify_show_progress(i->v, &now);
}

static void take_device(isolated *i, json_t *device)
{
    if (!i->opened) json_object_update_existing(i->v->device, device);
    if (!i->opened && json_array_size(json_object_get(i->v->device, "rows")) == 0) verify_print_head(i->v);
    i->opened = true;
}

/* Of several processes of a device, the last one has verified the trainings. What failed beside its rows is its own
 * reason; the rows are counted at the end. */
static void take_result(isolated *i, json_t *result)
{
    static const char *const always[] = {"tier", "digests", "digest_ok"};
    const bool failed = verify_has_failed(verify_status_of(result)) && verify_number(result, "failed") == 0;
    for (size_t k = 0; k < sizeof always / sizeof *always; k++)
        json_object_set(i->v->device, always[k], json_object_get(result, always[k]));
    i->has_result = true;
    if (i->opened && !failed) return;
    json_object_set(i->v->device, "status", json_object_get(result, "status"));
    json_object_set(i->v->device, "why", json_object_get(result, "why"));
}

/* What is no line of ours, a driver has printed. */
static void on_line(void *user, char *text)
{
    isolated *i = user;
    json_t *line = json_loads(text, 0, NULL), *value;
    if ((value = json_object_get(line, "device"))) take_device(i, value);
    if (json_is_string(value = json_object_get(line, "begin"))) begin_unit(i, json_string_value(value));
    if (json_is_object(value = json_object_get(line, "row"))) take_row(i, value);
    if (json_is_object(value = json_object_get(line, "progress"))) take_progress(i, value);
    if (json_is_object(value = json_object_get(line, "result"))) take_result(i, value);
    if (json_object_get(line, "end")) i->ended = true;
    json_decref(line);
}

/* ------------------------------------------------------------------------------------------------------ a process */

/* The names that are left, for --op; "" if that is everything, by which a device earns its tier. */
static void join_names(const isolated *i, bool everything, char out[NAMES_TEXT])
{
    size_t used = 0;
    *out = 0;
    for (size_t k = 0; k < i->count && !everything && used < NAMES_TEXT; k++)
        used += (size_t)snprintf(out + used, NAMES_TEXT - used, "%s%s", k ? "," : "", i->left[k]);
}

static bool run_process(isolated *i, const char *id, bool first, child_end *end)
{
    const verify_settings *s = &i->v->s;
    const char *arguments[ARGUMENTS] = {"tassello", "verify", "--lines"};
    char names[NAMES_TEXT];
    size_t count = 3;
    join_names(i, first && !s->only_count, names);
    if (id) {
        arguments[count++] = "--device";
        arguments[count++] = id;
    }
    if (*names) {
        arguments[count++] = "--op";
        arguments[count++] = names;
    }
    if (s->gradients && !*names) arguments[count++] = "--gradients"; /* else they are one of the names */
    for (size_t k = 0; k < s->passed_count; k++) arguments[count++] = s->passed_on[k];
    i->begun = i->opened = i->ended = i->has_result = false;
    return child_run(&i->v->cli, arguments, s->limit, on_line, i, end);
}

static void set_device_status(const isolated *i, verify_status status, const char *doing, const char *why)
{
    char text[1024];
    snprintf(text, sizeof text, "%s: %s", doing, why);
    json_object_set_new(i->v->device, "status", json_string(verify_word(status)));
    json_object_set_new(i->v->device, "why", cli_json_text(text));
}

/* The process ended too early. False: there is nothing left to do. */
static bool take_loss(isolated *i, const child_end *end)
{
    char why[768];
    const verify_status status = end->timed_out ? VERIFY_TIMED_OUT : VERIFY_CRASHED;
    child_describe(end, i->v->s.limit, why, sizeof why);
    if (!i->begun || i->has_result) {
        set_device_status(i, status, i->has_result ? "closing the device" : "opening the device", why);
        return false;
    }
    json_t *row = verify_describe_loss(i->v, status, why, end->timed_out ? 0 : child_signal(end));
    take_row(i, row);
    json_decref(row);
    remove_name(i, i->v->unit);
    return i->count > 0;
}

static void list_names(isolated *i)
{
    const verify_settings *s = &i->v->s;
    for (size_t k = 0; tas_verify_name(k) && i->count < VERIFY_NAMES; k++) {
        const bool gradients = !strcmp(tas_verify_name(k), "gradients");
        bool named = gradients ? s->gradients : !s->only_count;
        for (size_t n = 0; n < s->only_count; n++) named |= !strcmp(s->only[n], tas_verify_name(k));
        if (named) i->left[i->count++] = tas_verify_name(k);
    }
}

/* False if it was interrupted, or no process could be started. */
static bool verify_one(verify_session *v, const char *id, json_t *described)
{
    isolated i = {.v = v};
    child_end end = {0};
    bool first = true, started;
    v->device = verify_begin_device(described);
    v->unit = NULL;
    list_names(&i);
    do {
        started = run_process(&i, id, first, &end);
        first = false;
    } while (started && !end.interrupted && !i.ended && take_loss(&i, &end));
    verify_end_device(v->device);
    json_array_append_new(v->devices, v->device);
    v->interrupted |= end.interrupted;
    if (!started || end.interrupted) return false;
    verify_print_end(v);
    return true;
}

/* ---------------------------------------------------------------------------------------------------- the devices */

/* Listing the devices loads all drivers, and may fail as anything they do. */
static void on_list(void *user, char *text)
{
    json_t **list = user, *line = json_loads(text, 0, NULL);
    json_t *devices = json_object_get(line, "devices");
    if (json_is_array(devices)) {
        json_decref(*list);
        *list = json_incref(devices);
    }
    json_decref(line);
}

/* A row for all drivers, and the device that needs none. */
static json_t *list_reference(verify_session *v, const child_end *end)
{
    const tas_device_info drivers = {.id = "drivers", .name = "all OpenCL drivers", .type = TAS_TYPE_NONE};
    const tas_device_info reference = {.id = "reference", .long_id = "reference", .name = "C reference"};
    isolated i = {.v = v};
    char why[768];
    child_describe(end, v->s.limit, why, sizeof why);
    v->device = verify_begin_device(devices_describe(&drivers));
    set_device_status(&i, end->timed_out ? VERIFY_TIMED_OUT : VERIFY_CRASHED, "listing the devices", why);
    verify_end_device(v->device);
    verify_print_end(v);
    json_array_append_new(v->devices, v->device);
    return json_pack("[o]", devices_describe(&reference));
}

static bool verify_each(verify_session *v, const json_t *list)
{
    size_t k;
    json_t *described;
    json_array_foreach(list, k, described)
    {
        const char *id = verify_text(described, "long_id");
        if (!verify_one(v, *id ? id : verify_text(described, "id"), json_copy(described))) return false;
    }
    return true;
}

static bool verify_all(verify_session *v)
{
    static const char *const arguments[] = {"tassello", "devices", "--json", NULL};
    child_end end;
    json_t *list = NULL;
    const bool started = child_run(&v->cli, arguments, v->s.limit, on_list, &list, &end);
    v->interrupted = started && end.interrupted;
    if (!started || end.interrupted) return false;
    if (!list) list = list_reference(v, &end);
    const bool done = verify_each(v, list);
    json_decref(list);
    return done;
}

bool verify_isolated(verify_session *v)
{
    tas_device_info named = {0};
    if (v->s.all) return verify_all(v);
    snprintf(named.id, sizeof named.id, "%s", v->s.device ? v->s.device : "");
    if (!verify_one(v, v->s.device, devices_describe(&named))) return false;
    if (*verify_text(v->device, "why")) cli_error(&v->cli, "%s", verify_text(v->device, "why"));
    return true;
}
