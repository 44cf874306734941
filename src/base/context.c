/* The context, errors, the log, the floating-point state at entry points. */
#include "base/context.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

tas_status tas_context_open(tas_context **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return TAS_NO_MEMORY;
    (*out)->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!(*out)->c_locale) {
        free(*out);
        *out = NULL;
        return TAS_NO_MEMORY;
    }
    return TAS_OK;
}

void tas_context_close(tas_context **context)
{
    if (!context || !*context) return;
    if ((*context)->hangs) {
        *context = NULL;
        return;
    }
    freelocale((*context)->c_locale);
    free(*context);
    *context = NULL;
}

const char *tas_error(const tas_context *context) { return context->error; }

void tas_set_log(tas_context *context, tas_log_fn log, void *user)
{
    context->log = log;
    context->log_user = user;
}

void tas_set_build_progress(tas_context *context, tas_build_fn build, void *user)
{
    context->build = build;
    context->build_user = user;
}

void context_call_build(tas_context *context, const tas_build_progress *progress)
{
    entry_state ours;
    callback_begin(context, &ours);
    context->build(context->build_user, progress);
    callback_end(&ours);
}

tas_status fail(tas_context *context, tas_status status, const char *format, ...)
{
    va_list list;
    char text[MESSAGE_BYTES]; /* an argument may be the earlier error itself */
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    text_escape(text, "", context->error, sizeof context->error);
    return status;
}

void error_add_lines(tas_context *context, const char *lines)
{
    strncat(context->error, ":\n", sizeof context->error - strlen(context->error) - 1);
    const size_t used = strlen(context->error);
    text_escape(lines, "\n\t", context->error + used, sizeof context->error - used);
}

static void hand_to_log(tas_context *context, const char *text)
{
    char line[MESSAGE_BYTES];
    entry_state ours;
    text_escape(text, "", line, sizeof line);
    callback_begin(context, &ours);
    context->log(context->log_user, line);
    callback_end(&ours);
}

void note(tas_context *context, const char *format, ...)
{
    if (!context->log) return;
    va_list list;
    char text[MESSAGE_BYTES];
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    hand_to_log(context, text);
}

void note_once(tas_context *context, const char *format, ...)
{
    if (!context->log) return;
    va_list list;
    char text[MESSAGE_BYTES];
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    const uint64_t hash = text_hash(text);
    for (int i = 0; i < context->notes && i < NOTES_KEPT; i++)
        if (context->noted[i] == hash) return;
    context->noted[context->notes++ % NOTES_KEPT] = hash;
    hand_to_log(context, text);
}

void entry_begin(tas_context *context, entry_state *saved)
{
    context->error[0] = 0;
    saved->context = context;
    saved->locale = uselocale(context->c_locale);
    fegetenv(&saved->fenv);
    fesetenv(FE_DFL_ENV);                          /* to nearest, no traps, denormals kept */
    if (!context->caller) context->caller = saved; /* else an entry point was called by another */
}

void entry_end(const entry_state *saved)
{
    if (saved->context->caller == saved) saved->context->caller = NULL;
    fesetenv(&saved->fenv);
    uselocale(saved->locale);
}

void callback_begin(tas_context *context, entry_state *ours)
{
    const entry_state *caller = context->caller;
    ours->context = context;
    ours->locale = uselocale(caller ? caller->locale : (locale_t)0);
    fegetenv(&ours->fenv);
    if (caller) fesetenv(&caller->fenv);
}

void callback_end(const entry_state *ours)
{
    entry_state *caller = ours->context->caller, now;
    fegetenv(&now.fenv);
    now.locale = uselocale(ours->locale);
    fesetenv(&ours->fenv);
    if (!caller) return; /* a test called from within: there is no entry point around it */
    caller->fenv = now.fenv;
    caller->locale = now.locale;
}

double now_seconds(void)
{
    static _Thread_local double latest, missing; /* of a clock that was set back, which this one should never be */
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const double seconds = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec + missing;
    if (seconds > latest)
        latest = seconds;
    else
        missing += latest - seconds;
    return latest;
}

const char *tas_status_name(tas_status status)
{
    static const char *const names[] = {
        [TAS_OK] = "TAS_OK",
        [TAS_BAD_ARGUMENT] = "TAS_BAD_ARGUMENT",
        [TAS_BAD_FILE] = "TAS_BAD_FILE",
        [TAS_BAD_DATA] = "TAS_BAD_DATA",
        [TAS_BAD_NETWORK] = "TAS_BAD_NETWORK",
        [TAS_NO_DEVICE] = "TAS_NO_DEVICE",
        [TAS_DEVICE_FAILED] = "TAS_DEVICE_FAILED",
        [TAS_NO_MEMORY] = "TAS_NO_MEMORY",
        [TAS_NOT_FINITE] = "TAS_NOT_FINITE",
        [TAS_STOPPED] = "TAS_STOPPED",
        [TAS_MISMATCH] = "TAS_MISMATCH",
        [TAS_NOT_REACHED] = "TAS_NOT_REACHED",
        [TAS_RANK_FAILED] = "TAS_RANK_FAILED",
    };
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "unknown status";
}
