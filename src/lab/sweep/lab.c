#include "lab/sweep/lab.h"

#include "base/context.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

double lab_seconds(const lab *l) { return l->earlier_seconds + now_seconds() - l->started; }

static void call_progress(lab *l, double seconds, const char *note)
{
    const tas_sweep *s = l->sweep;
    const tas_sweep_progress p = {
        .doing = l->doing, .seconds = seconds, .left = l->seconds_left, .runs = s->runs, .note = note};
    entry_state ours;
    l->reported_at = seconds;
    callback_begin(s->context, &ours);
    if (s->options.on_progress(s->options.user, &p)) l->stopped = true;
    callback_end(&ours);
}

bool lab_progress(lab *l, bool now)
{
    const tas_sweep *s = l->sweep;
    const double seconds = lab_seconds(l);
    if (s->options.seconds > 0 && seconds > s->options.seconds - l->reserve) l->late = true;
    if (s->options.on_progress && (now || seconds - l->reported_at >= 1)) {
        const double before = l->reported_at;
        call_progress(l, seconds, NULL);
        l->seconds_left -= before > 0 && l->seconds_left > seconds - before ? seconds - before : 0;
    }
    return !l->stopped && !l->late;
}

bool lab_progress_resumed(lab *l, bool now)
{
    if (lab_progress(l, now)) return true;
    if (l->stopped || !(l->earlier_seconds > 0)) return false;
    l->late = false;
    return true;
}

void lab_note(lab *l, const char *format, ...)
{
    char text[1024], shown[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (!l->sweep->options.on_progress)
        note(l->sweep->context, "%s", text);
    else
        call_progress(l, lab_seconds(l), text_escape(text, "", shown, sizeof shown));
}
