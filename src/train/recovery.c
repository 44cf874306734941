/* Recovery of a run: see recovery.h. */
#include "train/recovery.h"

#include "train/diagnose.h"
#include "train/feed.h"
#include "train/step.h"

#include <string.h>

enum { FAILURES_MOST = 3 };
static const double snapshot_seconds = 2, snapshot_share = 0.02;

/* Smaller tiles --------------------------------------------------------------------------------------------------- */

tas_status recovery_shrink(tas_run *run)
{
    workspace *w = &run->w;
    model_log_recovery(run->model, "the run goes on, in smaller tiles if there are any, with the same bits");
    for (;;) {
        run->result.cuts++;
        feed_close(w);
        tas_status status = workspace_shrink(w, run->model, &run->request);
        if (status) return status;
        status = feed_open(w, run->data);
        if (!status && run->epoch) status = feed_order(w, run->order, run->count); /* there is one */
        if (status != TAS_NO_MEMORY) return status;
    }
}

tas_status recovery_repeat(tas_run *run, recovery_part part, const run_step *step)
{
    tas_status status;
    while ((status = part(run, step)) == TAS_NO_MEMORY) {
        const tas_status none = recovery_shrink(run);
        if (none) return none;
    }
    return status;
}

/* Snapshots ------------------------------------------------------------------------------------------------------- */

/* A read that was refused left the device as it was, and is issued again. */
static tas_status read_part(tas_run *run, plan_part part, char *to)
{
    workspace *w = &run->w;
    tas_status status;
    int tries = 0;
    do status = w->device->driver->read(w->device, &w->part[part], 0, to, w->plan.bytes[part]);
    while (status == TAS_NO_MEMORY && model_should_retry(run->model, status, &tries));
    return status;
}

tas_status recovery_read(tas_run *run, char *to)
{
    const plan *p = &run->w.plan;
    tas_status status = TAS_OK;
    for (int k = 0; k < WORKSPACE_PARTS && !status; to += p->bytes[workspace_parts[k++]])
        if (p->bytes[workspace_parts[k]]) status = read_part(run, workspace_parts[k], to);
    return status;
}

/* If the device has memory of its own there are two copies: it may be lost while one is read, and the host has room. A
 * device that shares the host's memory has one: for a second one, which is of use only if the device fails in that
 * moment, tiles would be smaller, or the data set would not stay there. */
static tas_status read_snapshot(tas_run *run)
{
    const bool two = run->snapshot.copy[1].bytes != NULL;
    const host_mem to = run->snapshot.copy[two];
    run->snapshot.time = now_seconds();
    run->snapshot.whole &= two;
    const tas_status status = recovery_read(run, to.bytes);
    if (status) return status;
    if (two) run->snapshot.copy[1] = run->snapshot.copy[0];
    run->snapshot.copy[0] = to;
    run->snapshot.whole = true;
    run->snapshot.step = run->step;
    run->snapshot.seconds = now_seconds() - run->snapshot.time;
    return TAS_OK;
}

tas_status recovery_open(tas_run *run)
{
    tas_status status = TAS_OK;
    int tries = 0;
    for (uint32_t i = 0; i < run->w.plan.snapshots && !status; i++)
        status = device_alloc_host(run->model->device, run->w.plan.snapshot, &run->snapshot.copy[i]);
    if (status) return status;
    do status = read_snapshot(run);
    while (model_should_retry(run->model, status, &tries));
    run->snapshot.seconds = 0; /* most of it was waiting for what the workspace had queued */
    if (!status) audit_keep(run, run->snapshot.copy[0].bytes, run->step);
    return status;
}

void recovery_close(tas_run *run)
{
    for (int i = 0; i < 2; i++) device_release_host(run->model->device, &run->snapshot.copy[i]);
}

/* Every two seconds, but less often if that would take a large share of the time. */
static bool is_due(const tas_run *run)
{
    const double apart = run->snapshot.seconds / snapshot_share;
    return now_seconds() - run->snapshot.time > (apart > snapshot_seconds ? apart : snapshot_seconds);
}

tas_status recovery_take(tas_run *run)
{
    const tas_status status = diagnose_weights(run);
    return status ? status : read_snapshot(run);
}

tas_status recovery_snapshot(tas_run *run)
{
    if (!is_due(run)) return TAS_OK;
    const tas_status status = recovery_take(run);
    return status == TAS_NO_MEMORY ? TAS_OK : status; /* a refusal changes nothing: it is taken later */
}

/* Writes the snapshot to the device. */
static tas_status write_snapshot(tas_run *run)
{
    workspace *w = &run->w;
    const char *from = run->snapshot.copy[0].bytes;
    tas_status status = TAS_OK;
    for (int k = 0; k < WORKSPACE_PARTS && !status; from += w->plan.bytes[workspace_parts[k++]])
        if (w->plan.bytes[workspace_parts[k]])
            status = w->device->driver->write(w->device, &w->part[workspace_parts[k]], 0, from,
                                              w->plan.bytes[workspace_parts[k]], true);
    return status;
}

/* Puts the snapshot back into memory that is allocated anew, on the device opened anew if `reopen`. The order of its
 * epoch is written by the loop. */
static tas_status restore(tas_run *run, bool reopen)
{
    workspace *w = &run->w;
    w->device->driver->finish(w->device); /* its failure is the one that is known */
    run->epoch = 0;
    tas_status status =
        reopen ? workspace_restore(w, run->model, &run->request) : workspace_reallocate(w, run->model, &run->request);
    if (!status) status = write_snapshot(run);
    return status ? status : feed_open(w, run->data);
}

/* False after an attempt to reopen the device that failed. */
static bool has_parameters(const tas_run *run) { return run->model->parameters.cl || run->model->parameters.host; }

/* The second failure in a row counts as a lost context. */
bool recovery_resume(tas_run *run, tas_status *status)
{
    while ((*status == TAS_DEVICE_FAILED || *status == TAS_NO_MEMORY) && run->snapshot.whole &&
           run->failures++ < FAILURES_MOST) {
        model_log_recovery(run->model, "the run resumes from its last snapshot, with the same bits");
        *status = restore(run, run->failures == 2 || !has_parameters(run));
        run->result.replays++;
        run->step = run->snapshot.step;
        if (!*status) return true;
    }
    return false;
}

tas_status recovery_put(tas_run *run, const char *from, uint64_t step)
{
    const device_driver *driver = run->w.device->driver;
    const uint32_t clear[2] = {0, 0};
    memcpy(run->snapshot.copy[0].bytes, from, run->w.plan.snapshot);
    audit_keep(run, from, step);
    run->snapshot.whole = true;
    run->snapshot.step = run->step = run->furthest = step;
    run->snapshot.time = now_seconds();
    run->epoch = 0;
    run->failures = run->w.stuck = 0;
    tas_status status = write_snapshot(run);
    if (!status) status = driver->write(run->w.device, &run->w.first_bad, 0, clear, sizeof clear, true);
    if (!status) status = driver->finish(run->w.device);
    if (status) recovery_resume(run, &status);
    return status;
}

/* The parameters are written over with those of a copy; false if the device fails, and the error text stays. */
static bool write_weights(tas_run *run, const host_mem *copy)
{
    workspace *w = &run->w;
    const device_driver *driver = w->device->driver;
    char why[sizeof run->model->context->error];
    memcpy(why, run->model->context->error, sizeof why);
    const bool done =
        !driver->write(w->device, &w->part[PART_PARAMETERS], 0, copy->bytes, w->plan.bytes[PART_PARAMETERS], true) &&
        !driver->finish(w->device);
    memcpy(run->model->context->error, why, sizeof why);
    return done;
}

void recovery_progress(tas_run *run)
{
    if (run->step <= run->furthest) return;
    run->furthest = run->step;
    run->failures = run->w.stuck = 0;
}

/* What a device has computed that was wrong once is not to be trusted since the last audit. */
static void go_back(tas_run *run)
{
    run->step = run->audit.step;
    if (!write_weights(run, &run->audit.copy)) model_mark_lost(run->model, &run->audit.copy);
}

void recovery_end(tas_run *run, tas_status status)
{
    if (status == TAS_MISMATCH) {
        go_back(run);
        return;
    }
    const bool lost = status == TAS_DEVICE_FAILED || status == TAS_NO_MEMORY;
    if (!lost && !run->weights_bad) return;
    run->step = run->snapshot.whole ? run->snapshot.step : 0;
    if (!run->snapshot.whole) return; /* it was lost while it was read */
    if (!lost && write_weights(run, &run->snapshot.copy[0])) return;
    model_mark_lost(run->model, &run->snapshot.copy[0]);
    run->snapshot.whole = false;
}
