/* Copies of a run: see run_copy.h. */
#include "train/run_copy.h"

#include "train/piece.h"
#include "train/ranks.h"
#include "train/recovery.h"

#include <stdlib.h>

static tas_status check(const tas_run *run, bool may_be_bad)
{
    tas_context *context = run->model->context;
    const bool bad = run->over == TAS_NOT_FINITE && run->snapshot.copy[0].bytes;
    if (run->advancing) return fail(context, TAS_BAD_ARGUMENT, "this run is advancing: it cannot be copied meanwhile");
    if (!run->over || (may_be_bad && bad)) return TAS_OK;
    return fail(context, run->over, "this run has failed before and cannot go on; close it");
}

/* If the device fails, the steps since its last snapshot are repeated first. */
static tas_status read_state(tas_run *run, char *to)
{
    const uint64_t step = run->step;
    if (run->ranked) return ranks_get(run, to);
    tas_status status = recovery_read(run, to);
    while (status && recovery_resume(run, &status)) {
        status = run_repeat(run, step);
        if (!status) status = recovery_read(run, to);
    }
    return status;
}

static tas_status take(tas_run *run, run_copy *copy)
{
    tas_status status = course_copy(&copy->course, run->model->context, &run->course);
    if (!status) status = device_alloc_host(copy->device, piece_bytes(run), &copy->memory);
    if (status) return status;
    status = read_state(run, copy->memory.bytes);
    recovery_end(run, status);
    if (status) run->over = status;
    return status;
}

tas_status run_copy_take(tas_run *run, run_copy **out)
{
    tas_context *context = run->model->context;
    entry_state saved;
    *out = NULL;
    tas_status status = check(run, false);
    run_copy *copy = status ? NULL : calloc(1, sizeof *copy);
    if (status) return status;
    if (!copy) return fail(context, TAS_NO_MEMORY, "no memory for a copy of a run");
    entry_begin(context, &saved);
    *copy = (run_copy){.device = run->model->device,
                       .step = run->step,
                       .steps = run->steps,
                       .changed = run->changed,
                       .result = run->result,
                       .noise = run->noise,
                       .preconditioned_noise = run->preconditioned_noise,
                       .before = run->before};
    status = take(run, copy);
    if (status)
        run_copy_free(&copy);
    else
        *out = copy;
    entry_end(&saved);
    return status;
}

/* But for what belongs to the device. */
static void restore_result(tas_run *run, const tas_train_result *copy)
{
    const tas_train_result now = run->result;
    tas_train_result *result = &run->result;
    *result = *copy;
    result->peak_bytes = now.peak_bytes;
    result->host_bytes = now.host_bytes;
    result->tile = now.tile;
    result->resident = now.resident;
    result->cuts = now.cuts;
    result->replays = now.replays;
    result->audit = now.audit;
}

tas_status run_copy_restore(tas_run *run, const run_copy *copy)
{
    entry_state saved;
    tas_status status = check(run, true);
    if (status) return status;
    entry_begin(run->model->context, &saved);
    status = course_copy(&run->course, run->model->context, &copy->course);
    if (!status) {
        run->steps = copy->steps;
        run->changed = copy->changed;
        run->noise = copy->noise;
        run->preconditioned_noise = copy->preconditioned_noise;
        run->before = copy->before;
        run->over = TAS_OK;
        run->weights_bad = false;
        restore_result(run, &copy->result);
        status = run->ranked ? ranks_put(run, copy->memory.bytes, copy->step)
                             : recovery_put(run, copy->memory.bytes, copy->step);
        recovery_end(run, status);
        run->over = status;
    }
    entry_end(&saved);
    return status;
}

void run_copy_free(run_copy **copy)
{
    if (!*copy) return;
    device_release_host((*copy)->device, &(*copy)->memory);
    course_close(&(*copy)->course);
    free(*copy);
    *copy = NULL;
}
