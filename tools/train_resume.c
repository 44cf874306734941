/* tassello train --resume: what the file has of the command that wrote it. */
#include "train.h"

#include <string.h>

/* What belongs to a command line, not to the run: where it writes, on what device, in how much memory. */
static bool is_remembered(const char *name)
{
    static const char *const others[] = {"resume",  "init",  "save",        "save-every", "save-best", "log",
                                         "profile", "json",  "device",      "budget",     "tile",      "keep-on-host",
                                         "audit",   "trace", "trace-every", "trace-only"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(name, others[i])) return false;
    return true;
}

void train_resume_note(void *options, const cli_option *option, const char *text)
{
    if (!is_remembered(option->name)) return;
    json_object_set_new(options, option->name, text ? cli_json_text(text) : json_null());
}

void train_resume_set(json_t *options, const char *name, const char *text)
{
    json_object_set_new(options, name, json_string(text));
}

static const cli_option *find_option(const char *name)
{
    const cli_option *option = train_command.options;
    while (option->name && strcmp(option->name, name) != 0) option++;
    return option->name && is_remembered(name) ? option : NULL;
}

/* An option that stands for another one, which it replaces. */
static bool is_replaced(const char *name, const json_t *given)
{
    static const char *const pairs[][2] = {{"epochs", "steps"}, {"batch", "batch-schedule"}};
    for (int i = 0; i < 4; i++)
        if (!strcmp(name, pairs[i / 2][i % 2]) && json_object_get(given, pairs[i / 2][1 - i % 2])) return true;
    return json_object_get(given, name) != NULL;
}

/* Sets what was given then and not now, and remembers it. The texts stay where the state is. */
static bool apply_options(train_settings *settings, json_t *given)
{
    const char *name;
    json_t *value, *then = json_object_get(settings->state, "options");
    if (!json_is_object(then)) return false;
    json_object_foreach(then, name, value) {
        const cli_option *option = find_option(name);
        if (!option || (option->metavar ? !json_is_string(value) : !json_is_null(value))) return false;
        if (is_replaced(name, given)) continue;
        cli_set_option(&train_command, option, json_string_value(value), settings);
        json_object_set(settings->options, name, value);
    }
    return true;
}

static int damaged(cli_state *cli, const char *file)
{
    cli_error(cli, "--resume %s: what the command that wrote it was given is damaged", file);
    return EXIT_FAILED;
}

int train_resume_open(cli_state *cli, const char *file, train_settings *settings, json_t *given)
{
    const tas_status status = tas_saved_run_open(cli->context, file, &settings->saved);
    if (status) return cli_failed(cli, status);
    if (!settings->saved->more) {
        cli_note(cli, "%s was not written by this command: its settings have to be given again", file);
        return 0;
    }
    settings->state = json_loads(settings->saved->more, JSON_REJECT_DUPLICATES, NULL);
    return apply_options(settings, given) ? 0 : damaged(cli, file);
}

/* The rest, once the run is open. */
static bool read_state(train_session *session, const json_t *state)
{
    const json_t *evaluated = json_object_get(state, "evaluated");
    if (!json_is_integer(evaluated) || json_integer_value(evaluated) < 0) return false;
    session->evaluated = (uint64_t)json_integer_value(evaluated);
    return validation_decode(&session->validation, json_object_get(state, "validations")) &&
           progress_decode(&session->progress, json_object_get(state, "progress"));
}

int train_resume_begin(train_session *session)
{
    const train_settings *settings = &session->settings;
    tas_run_advance(session->run, 0, &session->result);
    session->resumed_step = session->saved_step = session->result.steps;
    session->saved_any = settings->save && cli_is_one_file(settings->save, settings->resume);
    if (!settings->state || read_state(session, settings->state)) return 0;
    return damaged(&session->cli, settings->resume);
}
