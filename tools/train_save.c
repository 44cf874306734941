/* tassello train: the files that a run writes. */
#include "train.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the checkpoint says about its weights; of a whole run `what` is NULL, else "is running", "failed". */
tas_status train_save_describe(train_session *session, uint64_t step, const char *what)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream) return TAS_NO_MEMORY;
    train_print_settings(session, stream);
    if (what) fprintf(stream, "  step %llu of a run that %s", (unsigned long long)step, what);
    const bool failed = ferror(stream) != 0, unfinished = fclose(stream) || !text;
    const tas_status status = failed || unfinished ? TAS_NO_MEMORY : tas_model_set_training(session->model, text);
    free(text);
    return status;
}

/* Where the command is, beside the library's own state: what it was asked for, evaluations, the progress. NULL: no
 * memory. */
static char *encode_state(const train_session *session)
{
    const progress *p = &session->progress;
    char *growth = NULL;
    if (session->growth && tas_growth_save(session->growth, &growth)) return NULL;
    (void)cli_json_is_whole(); /* what lacked memory before is no part of it */
    json_t *o = json_object();
    json_object_set(o, "options", session->settings.options);
    json_object_set_new(o, "evaluated", json_integer((json_int_t)session->evaluated));
    json_object_set_new(o, "validations", validation_encode(&session->validation));
    json_object_set_new(o, "until", until_encode(&session->until));
    json_object_set_new(o, "growth", growth ? json_string(growth) : json_null());
    json_object_set_new(o, "progress", progress_encode(p));
    char *text = cli_json_dump(o, JSON_COMPACT);
    json_decref(o);
    free(growth);
    if (cli_json_is_whole()) return text;
    free(text);
    return NULL;
}

/* The run with its state, so that it can go on. */
static tas_status save_run(train_session *session)
{
    const train_settings *settings = &session->settings;
    char *text = encode_state(session);
    if (!text) return TAS_NO_MEMORY;
    progress_flush(&session->progress); /* or a kill could leave a log without steps that the file has */
    const tas_status status = tas_run_save(session->run, settings->save, text, settings->save_every != NULL);
    free(text);
    session->saved_step = session->result.steps;
    session->saved_at = cli_clock();
    if (!status) session->saved_any = true;
    return status;
}

static tas_status save_running(train_session *session, uint64_t step)
{
    const tas_status status = train_save_describe(session, step, "is running");
    return status ? status : save_run(session);
}

static tas_status save_weights(train_session *session, uint64_t step, const char *what, const char *file)
{
    const tas_status status = train_save_describe(session, step, what);
    return status ? status : tas_model_save(session->model, file);
}

/* Writes the weights of a validation that is the best so far. If the file cannot be written that is reported, and the
 * run goes on. */
void train_save_best(train_session *session)
{
    const char *file = session->settings.save_best;
    if (!file || validation_since_best(&session->validation)) return;
    const tas_status status = save_weights(session, session->result.steps, "had its best validation there", file);
    session->best_unsaved = status != TAS_OK;
    if (status) cli_failed(&session->cli, status);
    train_save_describe(session, 0, NULL);
}

/* A file that cannot be written is reported, and the run goes on. */
void train_save_asked(train_session *session)
{
    const char *file = session->settings.save;
    const unsigned long long steps = session->result.steps;
    tas_status status = TAS_OK;
    if (!file)
        cli_note(&session->cli, "SIGUSR1 after step %llu: there is no --save FILE to write", steps);
    else if (!steps)
        cli_note(&session->cli, "SIGUSR1 before the first step: nothing to write yet");
    else if ((status = save_running(session, steps)))
        cli_failed(&session->cli, status);
    else
        cli_note(&session->cli, "SIGUSR1: the weights after step %llu are in %s", steps, file);
    train_save_describe(session, 0, NULL);
}

/* --save-every ---------------------------------------------------------------------------------------------------- */

uint64_t train_save_left(const train_session *session)
{
    const uint64_t every = session->settings.save_steps;
    return every ? every - session->result.steps % every : UINT64_MAX;
}

bool train_save_is_late(const train_session *session)
{
    const double seconds = session->settings.save_seconds;
    return seconds > 0 && cli_clock() - session->saved_at >= seconds;
}

/* A file that cannot be written is reported, and the run goes on. */
void train_save_regularly(train_session *session)
{
    const uint64_t steps = session->result.steps, every = session->settings.save_steps;
    if (!steps || steps == session->saved_step) return;
    if (!train_save_is_late(session) && !(every && steps % every == 0)) return;
    const tas_status status = save_running(session, steps);
    if (status) {
        session->saved_at = cli_clock();
        cli_failed(&session->cli, status);
    } else
        progress_log(&session->progress, "saved", json_integer((json_int_t)steps));
    train_save_describe(session, 0, NULL);
}

/* The end --------------------------------------------------------------------------------------------------------- */

/* A failure of anything but the file is one of the run. */
tas_status train_save_end(train_session *session)
{
    tas_status status = TAS_OK;
    const char *what = session->interrupted                     ? "was interrupted"
                       : session->stopped_early                 ? "was ended by its patience"
                       : session->until.state == TAS_REACH_DONE ? "reached its target"
                                                                : NULL;
    if (what) status = train_save_describe(session, session->result.steps, what);
    if (!status && session->settings.save) status = save_run(session);
    if (status != TAS_BAD_FILE) return status;
    session->unsaved = true;
    cli_failed(&session->cli, status);
    return TAS_OK;
}

/* What --save-every has written can go on, which is worth more than weights alone; unless an audit has found that they
 * may be wrong. */
void train_save_after_failure(train_session *session, tas_status why)
{
    const char *save = session->settings.save;
    const uint64_t step = session->result.weights_step;
    if (!save) return;
    const bool good = why != TAS_MISMATCH || session->saved_step <= step;
    tas_status status = TAS_OK;
    if (session->settings.save_every && session->saved_any && good)
        cli_error(&session->cli, "--save %s: as it was written after step %llu, from where --resume goes on", save,
                  (unsigned long long)session->saved_step);
    else if (!step)
        cli_error(&session->cli, "--save %s: not written, as there are no good weights of a finished step", save);
    else if ((status = save_weights(session, step, "failed", save)))
        cli_failed(&session->cli, status);
    else
        cli_error(&session->cli, "--save %s: written with the last good weights, those of step %llu", save,
                  (unsigned long long)step);
}
