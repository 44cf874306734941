#include "link.h"

#include <math.h>

bool link_given(const link_settings *s) { return s->file || s->bandwidth.bytes > 0; }

void link_check(const cli_command *command, const link_settings *s)
{
    const bool bandwidth = s->bandwidth.bytes || s->bandwidth.percent > 0;
    if (s->bandwidth.percent > 0) cli_usage(command, "--bandwidth: expected bytes per second, not a share");
    if (s->file && (bandwidth || s->latency >= 0))
        cli_usage(command, "--exchange and --%s: expected only one of them", bandwidth ? "bandwidth" : "latency");
    if (bandwidth != (s->latency >= 0))
        cli_usage(command, "--%s: also requires --%s", bandwidth ? "bandwidth" : "latency",
                  bandwidth ? "latency" : "bandwidth");
    if (s->latency > 60) cli_usage(command, "--latency %g: expected seconds, at most 60", s->latency);
}

static bool read_file(cli_state *cli, const char *file, tas_link *out)
{
    json_error_t error;
    json_t *saved = json_load_file(file, JSON_REJECT_DUPLICATES, &error);
    if (!saved) {
        cli_error(cli, "--exchange %s: line %d: %s", file, error.line > 0 ? error.line : 1, cli_shown(error.text));
        return false;
    }
    out->latency = json_number_value(json_object_get(saved, "latency_s"));
    out->bandwidth = json_number_value(json_object_get(saved, "bandwidth_bytes_per_s"));
    const bool good = json_integer_value(json_object_get(saved, "exchange")) == 1 && out->latency > 0 &&
                      out->bandwidth > 0 && out->latency <= 60;
    json_decref(saved);
    if (!good) cli_error(cli, "--exchange %s: expected what 'tassello bench --exchange --json' prints", file);
    return good;
}

bool link_read(cli_state *cli, const link_settings *s, tas_link *out)
{
    *out = (tas_link){s->latency >= 0 ? s->latency : 0, (double)s->bandwidth.bytes};
    return !s->file || read_file(cli, s->file, out);
}
