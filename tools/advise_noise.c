/* tassello advise --noise. */
#include "advise.h"

#include <math.h>

static const char *range_text(const tas_noise *noise, char text[3 * FLOAT_TEXT])
{
    char value[FLOAT_TEXT], low[FLOAT_TEXT], high[FLOAT_TEXT];
    if (noise->state == TAS_NOISE_KNOWN)
        snprintf(text, 3 * FLOAT_TEXT, "%s (%s to %s)", cli_figures(noise->value, 3, value),
                 cli_figures(noise->low, 3, low), cli_figures(noise->high, 3, high));
    else if (noise->state == TAS_NOISE_AT_LEAST)
        snprintf(text, 3 * FLOAT_TEXT, "at least %s", cli_figures(noise->low, 3, low));
    else
        snprintf(text, 3 * FLOAT_TEXT, "not known yet");
    return text;
}

static void print_text(const char *name, const tas_advise_noise *n)
{
    char text[3 * FLOAT_TEXT], figures[2][FLOAT_TEXT];
    printf("rows         %s: steps %llu to %llu\n", cli_shown(name), (unsigned long long)n->all.first,
           (unsigned long long)n->all.last);
    printf("noise scale  %s%s, %llu steps\n", range_text(&n->all.noise, text),
           n->all.noise.state == TAS_NOISE_UNKNOWN ? "" : " examples (95 %)", (unsigned long long)n->all.noise.steps);
    for (int i = 0; i < n->parts; i++)
        printf("             steps %llu to %llu: %s\n", (unsigned long long)n->part[i].first,
               (unsigned long long)n->part[i].last, range_text(&n->part[i].noise, text));
    if (isfinite(n->trace))
        printf("trace        %s, |G|^2 %s\n", cli_figures(n->trace, 3, figures[0]),
               cli_figures(n->square, 3, figures[1]));
    if (n->skipped) printf("skipped      %llu rows, not finite\n", (unsigned long long)n->skipped);
    printf("use          ");
    cli_print_wrapped(stdout, n->reason, TEXT_COLUMN, TEXT_COLUMN, cli_text_width(stdout));
}

static json_t *describe_range(const tas_advise_noise_range *r)
{
    static const char *const states[] = {
        [TAS_NOISE_UNKNOWN] = "not known yet", [TAS_NOISE_AT_LEAST] = "at least", [TAS_NOISE_KNOWN] = "known"};
    const tas_noise *n = &r->noise;
    json_t *o = json_object();
    json_object_set_new(o, "first_step", json_integer((json_int_t)r->first));
    json_object_set_new(o, "last_step", json_integer((json_int_t)r->last));
    json_object_set_new(o, "state", json_string(states[n->state]));
    json_object_set_new(o, "value", cli_json_real(n->value));
    json_object_set_new(o, "low", n->state == TAS_NOISE_UNKNOWN ? json_null() : cli_json_real(n->low));
    json_object_set_new(o, "high", cli_json_real(n->high));
    json_object_set_new(o, "steps", json_integer((json_int_t)n->steps));
    return o;
}

static bool print_json(const char *name, const tas_advise_noise *n)
{
    json_t *o = json_object(), *parts = json_array();
    json_object_set_new(o, "file", cli_json_text(name));
    json_object_set_new(o, "noise_scale", describe_range(&n->all));
    for (int i = 0; i < n->parts; i++) json_array_append_new(parts, describe_range(&n->part[i]));
    json_object_set_new(o, "noise_scale_over_training", parts);
    json_object_set_new(o, "trace", cli_json_real(n->trace));
    json_object_set_new(o, "square", cli_json_real(n->square));
    json_object_set_new(o, "skipped", json_integer((json_int_t)n->skipped));
    json_object_set_new(o, "reason", cli_json_text(n->reason));
    return cli_json_print(o, stdout);
}

int advise_noise(cli_state *cli, const advise_settings *s, const char *name, const char *text, size_t bytes)
{
    tas_advise_noise n;
    const tas_status status = tas_advise_noise_text(cli->context, name, text, bytes, s->examples, &n);
    if (status) return cli_failed(cli, status);
    if (s->json) return print_json(name, &n) ? 0 : EXIT_FAILED;
    print_text(name, &n);
    return 0;
}
