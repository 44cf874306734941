/* Profiles: the account of a device's time, and the public calls that open and close it. */
#include "device/profile.h"

#include <stdlib.h>
#include <string.h>

enum { EARLIEST = 1000 }; /* nanoseconds that a device's clock has run before its first command */

int profile_count(profile *p, const char *name, uint64_t bytes)
{
    int row = 0;
    while (row < p->count && strcmp(p->row[row].name, name)) row++;
    if (row == PROFILE_ROWS) row--; /* cannot be */
    if (row == p->count) p->row[p->count++] = (tas_profile_row){.name = name};
    p->row[row].launches++;
    p->row[row].bytes += bytes;
    return row;
}

/* Some drivers report 0, the same few nanoseconds for every command (rusticl of Mesa 22.3), or ends before starts.
 * A time is accepted if it lies within the time since profiling was switched on, with a wide margin: the two clocks
 * need not agree. */
static bool is_plausible(const profile *p, uint64_t start, uint64_t end)
{
    const double most = 1e9 * (2 * (now_seconds() - p->since) + 1);
    const uint64_t away = !p->last ? 0 : start > p->first ? start - p->first : p->first - start;
    return start >= EARLIEST && end >= start && (double)(end - start) <= most && (double)away <= most;
}

/* Launches come in the order of their ends, as there is one queue for them. If two overlap, what they share is
 * counted once. */
void profile_time(profile *p, int row, uint64_t start, uint64_t end, bool beside)
{
    if (!is_plausible(p, start, end)) return;
    p->row[row].timed++;
    p->time[row] += end - start;
    if (beside) return;
    if (!p->last) p->first = p->last = start;
    if (end <= p->last) return;
    p->wall += end - p->last;
    p->busy += end - (start > p->last ? start : p->last);
    p->last = end;
}

static uint64_t host_clock(void) { return (uint64_t)(1e9 * now_seconds()); }

uint64_t profile_begin(const tas_device *device) { return is_profiled(device) ? host_clock() : 0; }

void profile_end(tas_device *device, uint64_t begun, const char *name, uint64_t bytes)
{
    if (!begun) return;
    profile_time(device->profile, profile_count(device->profile, name, bytes), begun, host_clock(), false);
}

void profile_begin_step(tas_device *device)
{
    if (is_profiled(device)) device->profile->before = device->profile->moved;
}

void profile_end_step(tas_device *device, uint64_t least)
{
    profile *p = device->profile;
    p->steps++;
    p->steps_moved += p->moved - p->before;
    p->steps_least += least;
}

/* ---- On and off ---- */

tas_status profile_pause(tas_device *device)
{
    profile *p = device->profile;
    if (!is_profiled(device)) return TAS_OK;
    p->on = false;
    return device->driver->set_profiling(device, false);
}

tas_status profile_resume(tas_device *device)
{
    profile *p = device->profile;
    if (!p || p->on) return TAS_OK;
    tas_status status = device->driver->set_profiling(device, true);
    if (status) return status;
    p->first = p->last = 0;
    p->since = now_seconds();
    p->on = true;
    return TAS_OK;
}

void profile_close(tas_device *device)
{
    profile_pause(device);
    free(device->profile);
    device->profile = NULL;
}

/* ---- The public calls ---- */

static int compare_rows(const void *a, const void *b)
{
    const tas_profile_row *x = a, *y = b;
    if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
    if (x->launches != y->launches) return x->launches < y->launches ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* In one piece with its rows; NULL: no memory. */
static tas_profile *make_result(const profile *p)
{
    tas_profile *out = calloc(1, sizeof *out + (size_t)p->count * sizeof *out->rows);
    if (!out) return NULL;
    tas_profile_row *rows = (tas_profile_row *)(out + 1);
    memcpy(rows, p->row, (size_t)p->count * sizeof *rows);
    for (int i = 0; i < p->count; i++) rows[i].seconds = 1e-9 * (double)p->time[i];
    qsort(rows, (size_t)p->count, sizeof *rows, compare_rows);
    *out = (tas_profile){.wall_seconds = 1e-9 * (double)p->wall,
                         .busy_seconds = 1e-9 * (double)p->busy,
                         .gap_seconds = 1e-9 * (double)(p->wall - p->busy),
                         .flushes = p->flushes,
                         .waits = p->waits,
                         .steps = p->steps,
                         .step_bytes = p->steps ? (double)p->steps_moved / (double)p->steps : 0,
                         .least_bytes = p->steps ? (double)p->steps_least / (double)p->steps : 0,
                         .count = (size_t)p->count,
                         .rows = rows};
    return out;
}

static tas_status start(tas_device *device)
{
    if (device->profile)
        return fail(device->context, TAS_BAD_ARGUMENT, "%s is already being profiled", device->info.id);
    device->profile = calloc(1, sizeof *device->profile);
    if (!device->profile) return fail(device->context, TAS_NO_MEMORY, "%s: no memory for its profile", device->info.id);
    tas_status status = profile_resume(device);
    if (status) profile_close(device);
    return status;
}

static tas_status stop(tas_device *device, tas_profile **out)
{
    if (!device->profile)
        return fail(device->context, TAS_BAD_ARGUMENT, "%s is not being profiled: see tas_profile_start()",
                    device->info.id);
    tas_status status = profile_pause(device);
    if (!status && out && !(*out = make_result(device->profile)))
        status = fail(device->context, TAS_NO_MEMORY, "%s: no memory for its profile", device->info.id);
    profile_close(device);
    return status;
}

tas_status tas_profile_start(tas_device *device)
{
    entry_state saved;
    entry_begin(device->context, &saved);
    tas_status status = start(device);
    entry_end(&saved);
    return status;
}

tas_status tas_profile_stop(tas_device *device, tas_profile **out)
{
    entry_state saved;
    entry_begin(device->context, &saved);
    if (out) *out = NULL;
    tas_status status = stop(device, out);
    entry_end(&saved);
    return status;
}

void tas_profile_free(tas_profile *seen) { free(seen); }
