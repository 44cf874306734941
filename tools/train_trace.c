/* tassello train --trace: JSON lines, which tassello bisect compares. The first has what the run can be repeated with,
 * each other one a step:
 *
 *     {"tassello_trace": 1, "version": ..., "contract": ..., "device": ..., "network": its text, "data": the examples'
 *      fingerprint, "settings": {...}, "command": ["NET", "DATA", "--batch=64", ...], "every": 1}
 *     {"step": 1, "batch": 64, "digests": [["conv_forward", "1.conv2d", SHA-256], ...]}
 *
 * With --trace-only FROM:TO:K a step also has "values": those of its Kth digest, 8 hexadecimal digits each. */
#include "train.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "5:8" or "5:8:31" */
static void read_only(train_settings *settings)
{
    tas_train_options *options = &settings->train;
    uint64_t from = 0, to = 0, entry = 0;
    char *text = settings->trace_only ? strdup(settings->trace_only) : NULL, *at = text;
    if (!text) return;
    const char *first = strsep(&at, ":"), *second = strsep(&at, ":"), *third = strsep(&at, ":");
    if (at || !second || !cli_read_u64(first, 1, UINT32_MAX, &from) || !cli_read_u64(second, from, UINT32_MAX, &to) ||
        (third && !cli_read_u64(third, 1, INT32_MAX, &entry)))
        cli_usage(&train_command, "--trace-only %s: expected steps, such as 5:8, or a digest of them, such as 5:8:31",
                  settings->trace_only);
    free(text);
    settings->trace_end = to;
    options->trace_first = from;
    options->trace_every = 1;
    options->trace_values = (int)entry;
}

void train_trace_read(train_settings *settings)
{
    tas_train_options *options = &settings->train;
    if (!settings->trace && (options->trace_every || settings->trace_only))
        cli_usage(&train_command, "--trace-%s requires --trace FILE", settings->trace_only ? "only" : "every");
    if (!settings->trace) return;
    if (settings->grows)
        cli_usage(&train_command, "--trace and --batch grow: expected only one of them, as a growing batch goes back "
                                  "and forth between steps");
    if (!options->trace_every) options->trace_every = 1;
    read_only(settings);
}

/* Writing -------------------------------------------------------------------------------------------------------- */

static void write_line(train_session *session, json_t *line)
{
    if (session->trace_failed) {
        json_decref(line);
        return;
    }
    session->trace_failed = !cli_json_print(line, session->trace) || fflush(session->trace);
    if (session->trace_failed)
        cli_error(&session->cli, "--trace %s: cannot be written: %s", session->settings.trace, strerror(errno));
}

/* What decides the digests, but for the network and the data, which stand beside it. */
static json_t *describe_settings(const train_session *session)
{
    static const char *const others[] = {"network", "data",         "device",         "budget",         "tile",
                                         "tiles",   "resident",     "forecast_bytes", "version",        "steps",
                                         "epochs",  "resumed_step", "init",           "auto",           "patience",
                                         "watch",   "held_out",     "contract",       "until_accuracy", "until_loss"};
    json_t *o = train_json_run(session);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) json_object_del(o, others[i]);
    return o;
}

static json_t *describe_head(train_session *session, const char *fingerprint)
{
    const tas_device_info *device = tas_device_get_info(session->device);
    const tas_train_options *options = &session->settings.train;
    json_t *o = json_object();
    json_object_set_new(o, "tassello_trace", json_integer(1));
    json_object_set_new(o, "version", json_string(tas_version()));
    json_object_set_new(o, "contract", json_integer(tas_contract()));
    json_object_set_new(o, "device", cli_json_text(device->id));
    json_object_set_new(o, "device_name", cli_json_text(device->name));
    json_object_set_new(o, "driver", cli_json_text(device->driver));
    json_object_set_new(o, "network", cli_json_text(tas_network_text(session->network)));
    json_object_set_new(o, "data", json_string(fingerprint));
    json_object_set_new(o, "settings", describe_settings(session));
    json_object_set_new(o, "steps", json_integer((json_int_t)tas_run_steps(session->run)));
    json_object_set_new(o, "command", train_command_words(session, session->plan.tile));
    json_object_set_new(o, "every", json_integer((json_int_t)options->trace_every));
    return o;
}

bool train_trace_open(train_session *session)
{
    char fingerprint[65];
    if (!session->settings.trace) return true;
    if (tas_data_fingerprint(session->train, fingerprint)) {
        cli_failed(&session->cli, TAS_BAD_DATA);
        return false;
    }
    session->trace = fopen(session->settings.trace, "we");
    if (!session->trace) {
        cli_error(&session->cli, "--trace %s: cannot be written: %s", session->settings.trace, strerror(errno));
        return false;
    }
    write_line(session, describe_head(session, fingerprint));
    return !session->trace_failed;
}

static json_t *describe_values(const tas_trace *trace)
{
    const size_t words = trace->bytes / sizeof(uint32_t);
    char *hex = malloc(8 * words + 1);
    for (size_t i = 0; i < words && hex; i++) snprintf(hex + 8 * i, 9, "%08x", ((const uint32_t *)trace->values)[i]);
    json_t *text = hex ? json_stringn(hex, 8 * words) : json_null();
    free(hex);
    return text;
}

int train_trace_step(void *user, const tas_trace *trace)
{
    train_session *session = user;
    json_t *o = json_object(), *digests = json_array();
    json_object_set_new(o, "step", json_integer((json_int_t)trace->step));
    json_object_set_new(o, "batch", json_integer(trace->batch));
    for (const tas_trace_entry *e = trace->entries; e < trace->entries + trace->count; e++)
        json_array_append_new(digests, json_pack("[sos]", e->operation, cli_json_text(e->tensor), e->sha256));
    json_object_set_new(o, "digests", digests);
    const int kept = session->settings.train.trace_values;
    if (trace->values && kept <= trace->count) {
        json_object_set_new(o, "float", json_boolean(trace->entries[kept - 1].is_float));
        json_object_set_new(o, "values", describe_values(trace));
    }
    write_line(session, o);
    session->trace_over = session->settings.trace_end && trace->step >= session->settings.trace_end;
    return session->trace_over;
}

bool train_trace_close(train_session *session)
{
    if (session->trace && fclose(session->trace) && !session->trace_failed) {
        cli_error(&session->cli, "--trace %s: cannot be written: %s", session->settings.trace, strerror(errno));
        session->trace_failed = true;
    }
    session->trace = NULL;
    return !session->trace_failed;
}
