/* Checkpoints of open runs: writing one, and going on from it.
 *
 * An exact copy of the run (run_copy.h) is the state; here it is brought into the canonical layout and back, so that it
 * does not depend on the device. Slots are named for their parameter and for themselves: `1.dense.weight.momentum`. */
#include "train/run_state.h"

#include "arith.h"
#include "base/text.h"
#include "model/checkpoint.h"
#include "train/options.h"
#include "train/piece.h"
#include "train/run_copy.h"
#include "train/step.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Saving ---------------------------------------------------------------------------------------------------------- */

typedef struct writing {
    safetensor *tensors;
    char (*names)[PIECE_NAME];
    float *values;
    size_t count;
} writing;

static tas_status collect_tensors(tas_run *run, const run_copy *copy, writing *out)
{
    uint64_t elements = 0, at = 0;
    size_t count = 0;
    for (piece p = piece_before_first; piece_next(run, &p); count++) elements += piece_info(run, &p)->elements;
    out->tensors = calloc(count, sizeof *out->tensors);
    out->names = calloc(count, sizeof *out->names);
    out->values = malloc((size_t)elements * sizeof *out->values);
    if (!out->tensors || !out->names || !out->values)
        return fail(run->model->context, TAS_NO_MEMORY, "no memory to write the state of a run");
    for (piece p = piece_before_first; piece_next(run, &p); out->count++) {
        float *values = out->values + at;
        parameters_unpack(run->model, run->model->network->parameters[p.parameter], copy->memory.bytes + p.at, values);
        out->tensors[out->count] =
            checkpoint_tensor(piece_info(run, &p), piece_name(run, &p, out->names[out->count]), values);
        at += piece_info(run, &p)->elements;
    }
    return TAS_OK;
}

/* Once per run: the set does not change. */
static tas_status find_fingerprint(tas_run *run)
{
    return *run->fingerprint ? TAS_OK : tas_data_fingerprint(run->data, run->fingerprint);
}

/* The copy's course stays its own. */
static char *describe(const tas_run *run, const run_copy *copy, char *more)
{
    run_state s = {.contract = tas_contract(),
                   .fast = run->model->device->arith == TAS_ARITH_FAST,
                   .step = copy->step,
                   .steps = copy->steps,
                   .count = run->count,
                   .examples = copy->result.examples,
                   .options = run->options,
                   .course = copy->course,
                   .changed = copy->changed,
                   .noise = copy->noise,
                   .preconditioned_noise = copy->preconditioned_noise,
                   .seconds = copy->result.seconds,
                   .last_loss = copy->result.last_loss,
                   .more = more};
    memcpy(s.data, run->fingerprint, sizeof s.data);
    return run_state_encode(&s);
}

static tas_status write_copy(tas_run *run, const run_copy *copy, const char *file, const char *more, bool keeps)
{
    writing w = {0};
    char *own = more ? strdup(more) : NULL;
    char *text = !more || own ? describe(run, copy, own) : NULL;
    tas_context *context = run->model->context;
    tas_status status;
    if (more && !text_is_utf8(more))
        status = fail(context, TAS_BAD_ARGUMENT, "%s: the caller's state cannot be written: it is not UTF-8", file);
    else
        status =
            text ? collect_tensors(run, copy, &w) : fail(context, TAS_NO_MEMORY, "%s: no memory to write it", file);
    if (!status) status = checkpoint_write(run->model, w.tensors, w.count, text, file, keeps);
    free(w.tensors);
    free(w.names);
    free(w.values);
    free(text);
    free(own);
    return status;
}

tas_status tas_run_save(tas_run *run, const char *file, const char *more, int keep)
{
    entry_state saved;
    run_copy *copy = NULL;
    entry_begin(run->model->context, &saved);
    tas_status status = run_copy_take(run, &copy);
    if (!status) status = find_fingerprint(run);
    if (!status) status = write_copy(run, copy, file, more, keep != 0);
    run_copy_free(&copy);
    entry_end(&saved);
    return status;
}

/* What a file has ------------------------------------------------------------------------------------------------- */

static tas_status read_state(const checkpoint *c, run_state *out)
{
    char why[RUN_STATE_WHY];
    const char *text = checkpoint_state(c);
    *out = (run_state){0};
    if (!text)
        return fail(c->context, TAS_BAD_DATA, "%s: has weights, but not the state of a run, and cannot be resumed",
                    c->path);
    if (run_state_decode(c->context, text, out, why)) return TAS_OK;
    return fail(c->context, TAS_BAD_DATA, "%s: the state of its run: %s", c->path, why);
}

/* What the library gives out, and what is behind it. */
typedef struct saved_run {
    tas_saved_run public; /* first, so that its address is that of all */
    run_state state;
    tas_batch_change changes[TAS_BATCH_CHANGES];
} saved_run;

/* The options of the run with all batches that they asked for, or with none if these were decided on the way. */
static void list_changes(const run_state *s, tas_train_options *options, tas_batch_change list[TAS_BATCH_CHANGES])
{
    if (s->changed || s->options.schedule == TAS_SCHEDULE_SEESAW) return;
    for (int i = 1; i < s->course.segments; i++)
        list[i - 1] = (tas_batch_change){s->course.segment[i].step, s->course.segment[i].batch};
    options->change_count = s->course.segments - 1;
    options->changes = list;
}

tas_status tas_saved_run_open(tas_context *context, const char *file, tas_saved_run **out)
{
    entry_state saved;
    checkpoint c;
    entry_begin(context, &saved);
    *out = NULL;
    saved_run *s = calloc(1, sizeof *s);
    tas_status status = s ? checkpoint_open(context, file, &c) : fail(context, TAS_NO_MEMORY, "%s: no memory", file);
    if (!status) {
        status = read_state(&c, &s->state);
        checkpoint_close(&c);
    }
    if (status)
        free(s);
    else {
        s->public = (tas_saved_run){.step = s->state.step,
                                    .steps = s->state.steps,
                                    .examples = s->state.count,
                                    .options = s->state.options,
                                    .more = s->state.more};
        list_changes(&s->state, &s->public.options, s->changes);
        *out = &s->public;
    }
    entry_end(&saved);
    return status;
}

void tas_saved_run_close(tas_saved_run **saved)
{
    if (!saved || !*saved) return;
    saved_run *s = (saved_run *)(void *)*saved;
    run_state_free(&s->state);
    free(s);
    *saved = NULL;
}

/* What must be the same ------------------------------------------------------------------------------------------- */

/* The next line of a network's text with something on it: its words, with one space between them. It has room for the
 * text. */
static bool next_line(const char **at, char *line)
{
    while (**at) {
        const size_t length = strcspn(*at, "\n"), end = strcspn(*at, "#\n");
        size_t used = 0;
        for (size_t i = 0; i < end; i++) {
            const bool space = strchr(" \t\r", (*at)[i]) != NULL;
            if (!space)
                line[used++] = (*at)[i];
            else if (used && line[used - 1] != ' ')
                line[used++] = ' ';
        }
        while (used && line[used - 1] == ' ') used--;
        line[used] = 0;
        *at += length + ((*at)[length] != 0);
        if (used) return true;
    }
    line[0] = 0;
    return false;
}

/* *there, *here: the first lines that differ; "" for none, and both if the texts are the same. */
static void find_difference(const char *a, const char *b, char *there, char *here)
{
    bool more = true;
    do {
        const bool more_there = next_line(&a, there), more_here = next_line(&b, here);
        more = more_there || more_here;
    } while (more && !strcmp(there, here));
}

static tas_status check_network(const checkpoint *c, const tas_network *network)
{
    const char *a = c->network->text, *b = network->text;
    char *there = malloc(strlen(a) + 1), *here = malloc(strlen(b) + 1);
    tas_status status = there && here ? TAS_OK : fail(c->context, TAS_NO_MEMORY, "%s: no memory", c->path);
    if (!status) find_difference(a, b, there, here);
    if (!status && strcmp(there, here) != 0)
        status = fail(c->context, TAS_BAD_NETWORK, "%s: its run has another network: '%.200s' there, '%.200s' in %s",
                      c->path, *there ? there : "no further line", *here ? here : "no further line", network->from);
    free(there);
    free(here);
    return status;
}

static tas_status check_device(const checkpoint *c, const run_state *s, const tas_device *device)
{
    const bool fast = device->arith == TAS_ARITH_FAST;
    if (s->contract != tas_contract())
        return fail(c->context, TAS_BAD_DATA,
                    "%s: its run is under version %d of the arithmetic contract, but this is version %d: it cannot go "
                    "on with the same bits. Its weights are usable",
                    c->path, s->contract, tas_contract());
    if (s->fast == fast) return TAS_OK;
    return fail(c->context, TAS_BAD_ARGUMENT, "%s: settings differ from those of its run: arithmetic %s there, %s here",
                c->path, s->fast ? "fast" : "exact", fast ? "fast" : "exact");
}

static tas_status check_data(const checkpoint *c, const run_state *s, const tas_data *data)
{
    char hex[65];
    const uint64_t count = data->options.count;
    if (count != s->count)
        return fail(c->context, TAS_BAD_DATA,
                    "%s: its run used other data: %" PRIu64 " examples, not the %" PRIu64 " of %s", c->path, s->count,
                    count, data->name);
    const tas_status status = tas_data_fingerprint(data, hex);
    if (status || !strcmp(hex, s->data)) return status;
    return fail(c->context, TAS_BAD_DATA, "%s: its run used other data than %s: fingerprint %.16s there, %.16s here",
                c->path, data->name, s->data, hex);
}

/* "32,500:64" */
static void print_batches(const course *c, char *text, size_t bytes)
{
    size_t used = (size_t)snprintf(text, bytes, "%u", c->segment[0].batch);
    for (int i = 1; i < c->segments && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, ",%" PRIu64 ":%u", c->segment[i].step, c->segment[i].batch);
}

/* Batches behind the end of the shorter of two runs do not count. */
static bool same_batches(const course *a, uint64_t a_steps, const course *b, uint64_t b_steps)
{
    for (int i = 0; i < a->segments || i < b->segments; i++) {
        const course_segment *x = i < a->segments ? &a->segment[i] : NULL, *y = i < b->segments ? &b->segment[i] : NULL;
        if (x && y && x->step == y->step && x->batch == y->batch) continue;
        if ((!x || x->step >= b_steps) && (!y || y->step >= a_steps)) continue;
        return false;
    }
    return true;
}

static tas_status check_length(const checkpoint *c, const run_state *s, uint64_t steps)
{
    if (steps != s->steps && run_state_follows_length(&s->options))
        return fail(c->context, TAS_BAD_ARGUMENT,
                    "%s: its run has %" PRIu64 " steps, not %" PRIu64 ", and with the %s schedule the rates depend on "
                    "their number: a longer run is another run from its first step on",
                    c->path, s->steps, steps, tas_schedule_name(s->options.schedule));
    if (steps >= s->step) return TAS_OK;
    return fail(c->context, TAS_BAD_ARGUMENT,
                "%s: its run is after step %" PRIu64 ", but this one has only %" PRIu64 " steps", c->path, s->step,
                steps);
}

/* The course that the run goes on with, and its length. Decided batches cannot be derived from options. */
static tas_status continue_course(const checkpoint *c, const run_state *s, const tas_train_options *options,
                                  course *out, uint64_t *steps)
{
    char there[512], here[512];
    tas_status status =
        s->changed ? course_copy(out, c->context, &s->course) : options_course(out, c->context, options, s->count);
    if (status) return status;
    *steps = options_steps(options, out);
    status = check_length(c, s, *steps);
    if (status || same_batches(&s->course, s->steps, out, *steps)) return status;
    print_batches(&s->course, there, sizeof there);
    print_batches(out, here, sizeof here);
    return fail(c->context, TAS_BAD_ARGUMENT, "%s: settings differ from those of its run: batches %s there, %s here",
                c->path, there, here);
}

static tas_status check_settings(const checkpoint *c, const run_state *s, const tas_train_options *options)
{
    char text[1024];
    tas_train_options own = *options;
    own.lr_scaling = tas_train_scaling(options);
    if (run_state_differences(s, &own, text, sizeof text))
        return fail(c->context, TAS_BAD_ARGUMENT, "%s: settings differ from those of its run: %s", c->path, text);
    if (!s->changed || !options->change_count) return TAS_OK;
    return fail(c->context, TAS_BAD_ARGUMENT, "%s: the batches of its run were decided on the way: expected no others",
                c->path);
}

/* Going on -------------------------------------------------------------------------------------------------------- */

/* The batches of a run that decided on them must have room, and be such that layers can take them. */
static tas_status check_room(const checkpoint *c, const tas_run *run, const course *next)
{
    for (int i = 0; i < next->segments; i++)
        if (next->segment[i].batch > run->request.batch)
            return fail(c->context, TAS_BAD_ARGUMENT,
                        "%s: settings differ from those of its run: batch_most %u here, but it "
                        "has a batch of %u",
                        c->path, run->request.batch, next->segment[i].batch);
    return options_check_batches(run->model->network, &run->options, next, 0);
}

static tas_status read_piece(const checkpoint *c, const tas_run *run, const piece *p, char *to)
{
    char name[PIECE_NAME];
    const tas_tensor_info *info = piece_info(run, p);
    const safetensor *t;
    tas_status status = checkpoint_find(c, info, piece_name(run, p, name), &t);
    if (status) return status;
    float *values = malloc(info->elements * sizeof *values);
    if (!values) return fail(c->context, TAS_NO_MEMORY, "%s: no memory to read %s", c->path, name);
    status = safetensors_read(c->file, t, values);
    for (size_t i = 0; i < info->elements && !status; i++)
        if (!arith_is_finite(values[i]))
            status = fail(c->context, TAS_BAD_DATA, "%s: %s: element %zu is not finite", c->path, name, i);
    if (!status) parameters_pack(run->model, run->model->network->parameters[p->parameter], values, to);
    free(values);
    return status;
}

/* Makes a copy of the run that wrote the file, and has this one go on from it. */
static tas_status restore(const checkpoint *c, const run_state *s, tas_run *run, const course *next, uint64_t steps)
{
    tas_device *device = run->model->device;
    run_copy copy = {.device = device,
                     .course = *next,
                     .changed = s->changed,
                     .step = s->step,
                     .steps = steps,
                     .result = {.steps = s->step,
                                .examples = s->examples,
                                .seconds = s->seconds,
                                .last_loss = s->last_loss,
                                .weights_step = s->step},
                     .noise = s->noise,
                     .preconditioned_noise = s->preconditioned_noise,
                     .before = s->seconds};
    tas_status status = check_room(c, run, next);
    if (!status) status = device_alloc_host(device, piece_bytes(run), &copy.memory);
    if (!status) memset(copy.memory.bytes, 0, (size_t)piece_bytes(run));
    for (piece p = piece_before_first; !status && piece_next(run, &p);)
        status = read_piece(c, run, &p, copy.memory.bytes + p.at);
    if (!status) status = run_copy_restore(run, &copy);
    device_release_host(device, &copy.memory);
    return status;
}

/* The options of the file serve if there are none. */
static tas_status resume(const checkpoint *c, const run_state *s, tas_model *model, const tas_data *data,
                         const tas_train_options *options, tas_run **out)
{
    tas_train_options own = options ? *options : s->options;
    tas_batch_change changes[TAS_BATCH_CHANGES];
    course next = {0};
    uint64_t steps;
    if (!options) list_changes(s, &own, changes);
    tas_status status = check_device(c, s, model->device);
    if (!status) status = check_data(c, s, data); /* first: the network's mean and std may come from them */
    if (!status) status = check_network(c, model->network);
    if (!status) status = options_check(model->network, data, &own);
    if (!status) status = check_settings(c, s, &own);
    if (!status) status = continue_course(c, s, &own, &next, &steps);
    if (!status) status = tas_run_open(model, data, &own, out);
    if (!status) status = restore(c, s, *out, &next, steps);
    if (status) tas_run_close(out);
    course_close(&next);
    return status;
}

tas_status tas_run_resume(tas_model *model, const tas_data *data, const tas_train_options *options, const char *file,
                          tas_run **out)
{
    entry_state saved;
    checkpoint c;
    run_state s;
    entry_begin(model->context, &saved);
    *out = NULL;
    tas_status status = checkpoint_open(model->context, file, &c);
    if (!status) {
        status = read_state(&c, &s);
        if (!status) status = resume(&c, &s, model, data, options, out);
        run_state_free(&s);
        checkpoint_close(&c);
    }
    entry_end(&saved);
    return status;
}
