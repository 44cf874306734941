/* How far building and testing kernels is. */
#include "verify/build_progress.h"

/* Seconds until the first note, and from one to the next. */
static const double first_note = 1, note_interval = 2;

void build_progress_begin(build_progress *p, tas_device *device, int count, bool shows)
{
    *p = (build_progress){.device = device, .count = count, .started = now_seconds(), .shows = shows};
    p->noted = p->started + first_note;
}

void build_progress_report(build_progress *p, const char *name, int number)
{
    tas_context *context = p->device->context;
    const double now = now_seconds();
    if (!p->shows) return;
    if (context->build) {
        context_call_build(context, &(tas_build_progress){.device = p->device->info.id,
                                                          .kernel = name,
                                                          .number = (uint32_t)number,
                                                          .count = (uint32_t)p->count,
                                                          .seconds = now - p->started});
        return;
    }
    if (now < p->noted) return;
    p->noted = now + note_interval;
    note(context, "building and testing kernels for %s: %s (%d of %d)", p->device->info.id, name, number, p->count);
}

void build_progress_end(const build_progress *p)
{
    tas_context *context = p->device->context;
    if (p->shows && context->build)
        context_call_build(context,
                           &(tas_build_progress){.device = p->device->info.id, .seconds = now_seconds() - p->started});
}
