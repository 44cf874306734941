#include "plan_ranks.h"

#include <math.h>

enum { SECONDS_TEXT = 32 };

/* "12.3 us" into text; "-" if it is not known. */
static const char *seconds_text(double seconds, char text[SECONDS_TEXT])
{
    char figures[FLOAT_TEXT];
    const char *unit = seconds >= 1 ? "s" : seconds >= 1e-3 ? "ms" : "us";
    snprintf(text, SECONDS_TEXT, "%s %s",
             cli_figures(seconds * (seconds >= 1      ? 1
                                    : seconds >= 1e-3 ? 1e3
                                                      : 1e6),
                         3, figures),
             unit);
    if (!isfinite(seconds)) snprintf(text, SECONDS_TEXT, "-");
    return text;
}

static void print_asked(const tas_scale *scale)
{
    const tas_scale_row *row = &scale->asked;
    char text[BYTES_TEXT], state[BYTES_TEXT];
    printf("ranks        %u, of up to %u examples each\n", row->ranks, row->examples);
    printf("per rank     the memory above, of which %s (%llu bytes) of the host are for the exchange and its slice of\n"
           "             the optimizer's state, %s (%llu bytes)\n",
           cli_bytes(scale->host_bytes, text), (unsigned long long)scale->host_bytes,
           cli_bytes(scale->state_bytes, state), (unsigned long long)scale->state_bytes);
    printf("per step     a rank sends up to %llu messages, %s (%llu bytes)\n", (unsigned long long)row->messages,
           cli_bytes(row->bytes, text), (unsigned long long)row->bytes);
}

static void print_row(const tas_scale_row *row)
{
    char text[BYTES_TEXT], times[4][SECONDS_TEXT];
    const double host = row->staging + row->update;
    const double values[] = {row->compute, row->ranks > 1 ? host : NAN, row->ranks > 1 ? row->exchange : NAN,
                             row->seconds};
    for (int i = 0; i < 4; i++) seconds_text(values[i], times[i]);
    printf("%5u  %6u  %8u  %10s  %8s  %8s  %8s  %8s  %8.2f  %8.1f %%\n", row->ranks, row->shards, row->examples,
           cli_bytes(row->bytes, text), times[0], times[1], times[2], times[3], row->speedup, 100 * row->efficiency);
}

void plan_ranks_print(const tas_scale *scale, const tas_link *link)
{
    char latency[SECONDS_TEXT], bytes[BYTES_TEXT];
    print_asked(scale);
    if (!(link->bandwidth > 0)) return;
    printf("link         latency %s, %s/s\n", seconds_text(link->latency, latency),
           cli_bytes((uint64_t)link->bandwidth, bytes));
    printf("host         %s to move gradient and weights, %s to update all weights on one rank (measured)\n",
           seconds_text(scale->staging, latency), seconds_text(scale->update, bytes));
    printf("%5s  %6s  %8s  %10s  %8s  %8s  %8s  %8s  %8s  %10s\n", "ranks", "shards", "examples", "sent", "compute",
           "host", "exchange", "step", "speed-up", "efficiency");
    for (int i = 0; i < scale->count; i++) print_row(&scale->row[i]);
    if (scale->most)
        printf("pays         up to %u rank%s: efficiency of at least 50 %%\n", scale->most, scale->most > 1 ? "s" : "");
}

static json_t *describe_row(const tas_scale_row *row)
{
    json_t *o = json_object();
    json_object_set_new(o, "ranks", json_integer(row->ranks));
    json_object_set_new(o, "shards", json_integer(row->shards));
    json_object_set_new(o, "examples", json_integer(row->examples));
    json_object_set_new(o, "messages", json_integer((json_int_t)row->messages));
    json_object_set_new(o, "bytes", json_integer((json_int_t)row->bytes));
    json_object_set_new(o, "compute_s", cli_json_real(row->compute));
    json_object_set_new(o, "staging_s", cli_json_real(row->staging));
    json_object_set_new(o, "exchange_s", cli_json_real(row->exchange));
    json_object_set_new(o, "update_s", cli_json_real(row->update));
    json_object_set_new(o, "step_s", cli_json_real(row->seconds));
    json_object_set_new(o, "speedup", cli_json_real(row->speedup));
    json_object_set_new(o, "efficiency", cli_json_real(row->efficiency));
    return o;
}

json_t *plan_ranks_describe(const tas_scale *scale, const tas_link *link)
{
    const bool timed = link->bandwidth > 0;
    json_t *o = json_object(), *table = json_array();
    for (int i = 0; i < scale->count; i++) json_array_append_new(table, describe_row(&scale->row[i]));
    json_object_set_new(o, "asked", describe_row(&scale->asked));
    json_object_set_new(o, "exchange_host_bytes", json_integer((json_int_t)scale->host_bytes));
    json_object_set_new(o, "state_bytes", json_integer((json_int_t)scale->state_bytes));
    json_object_set_new(o, "latency_s", timed ? cli_json_real(link->latency) : json_null());
    json_object_set_new(o, "bandwidth_bytes_per_s", timed ? cli_json_real(link->bandwidth) : json_null());
    json_object_set_new(o, "staging_s", timed ? cli_json_real(scale->staging) : json_null());
    json_object_set_new(o, "update_s", timed ? cli_json_real(scale->update) : json_null());
    json_object_set_new(o, "most_that_pays", scale->most ? json_integer(scale->most) : json_null());
    json_object_set_new(o, "table", table);
    return o;
}
