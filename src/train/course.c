/* The course of a run: see course.h. */
#include "train/course.h"

#include "data/shuffle.h"

#include <stdlib.h>
#include <string.h>

/* Steps from entry `at` of an epoch to its end. */
static uint64_t steps_from(const course *c, uint32_t batch, uint32_t at)
{
    const uint32_t left = c->examples - at;
    return left / batch + (left % batch && !c->drop_last);
}

/* Lists grow by powers of two. */
static void *grown(void *list, int count, size_t size)
{
    if (count & (count - 1)) return list;
    return realloc(list, (size_t)(count ? 2 * count : 1) * size);
}

static tas_status no_memory(tas_context *context)
{
    return fail(context, TAS_NO_MEMORY, "no memory for the course of a run");
}

static tas_status add_segment(course *c, tas_context *context, course_segment segment)
{
    course_segment *list = grown(c->segment, c->segments, sizeof *list);
    if (!list) return no_memory(context);
    c->segment = list;
    list[c->segments++] = segment;
    return TAS_OK;
}

tas_status course_add_order(course *c, tas_context *context, const course_order *order)
{
    course_order *list = grown(c->order, c->orders, sizeof *list);
    if (!list) return no_memory(context);
    c->order = list;
    list[c->orders++] = *order;
    return TAS_OK;
}

tas_status course_open(course *c, tas_context *context, const tas_train_options *options, uint64_t examples)
{
    *c = (course){.examples = (uint32_t)examples, .drop_last = options->drop_last != 0};
    tas_status status = add_segment(c, context, (course_segment){.batch = options->batch});
    if (!status) status = course_add_order(c, context, &(course_order){.seed = options->seed});
    if (status) course_close(c);
    return status;
}

void course_close(course *c)
{
    free(c->segment);
    free(c->order);
    *c = (course){0};
}

tas_status course_copy(course *to, tas_context *context, const course *from)
{
    course copy = {.examples = from->examples, .drop_last = from->drop_last};
    tas_status status = TAS_OK;
    for (int i = 0; i < from->segments && !status; i++) status = add_segment(&copy, context, from->segment[i]);
    for (int i = 0; i < from->orders && !status; i++) status = course_add_order(&copy, context, &from->order[i]);
    course_close(status ? &copy : to);
    if (!status) *to = copy;
    return status;
}

/* The step that comes after `done` steps, if the last segments are left out. */
static course_step step_of(const course *c, int segments, uint64_t done)
{
    const course_segment *s = &c->segment[segments - 1];
    while (s->step > done) s--;
    const uint64_t first = steps_from(c, s->batch, s->at), each = steps_from(c, s->batch, 0), k = done - s->step;
    const bool later = k >= first; /* than the epoch in which the segment begins */
    const uint64_t in_epoch = later ? (k - first) % each : k;
    course_step step = {.epoch = later ? s->epoch + 1 + (k - first) / each : s->epoch,
                        .at = (later ? 0 : s->at) + (uint32_t)(in_epoch * s->batch),
                        .batch = s->batch,
                        .left = (later ? each : first) - in_epoch};
    const uint32_t rest = c->examples - step.at;
    const uint64_t next = s < &c->segment[segments - 1] ? s[1].step - done : UINT64_MAX;
    step.count = rest < s->batch ? rest : s->batch;
    if (next < step.left) step.left = next;
    return step;
}

course_step course_at(const course *c, uint64_t step) { return step_of(c, c->segments, step - 1); }

uint64_t course_end(const course *c, uint64_t epochs)
{
    for (const course_segment *s = c->segment;; s++) {
        const uint64_t first = steps_from(c, s->batch, s->at), each = steps_from(c, s->batch, 0);
        const uint64_t end = s->epoch >= epochs ? s->step : s->step + first + (epochs - s->epoch - 1) * each;
        if (s + 1 == c->segment + c->segments || end <= s[1].step) return end;
    }
}

/* An epoch that was over with the batch before is over. */
tas_status course_change_batch(course *c, tas_context *context, uint64_t step, uint32_t batch)
{
    while (c->segments > 1 && c->segment[c->segments - 1].step >= step) c->segments--;
    if (!step) {
        c->segment[0].batch = batch;
        return TAS_OK;
    }
    const course_step next = step_of(c, c->segments, step);
    course_segment segment = {.step = step, .batch = batch, .epoch = next.epoch, .at = next.at};
    if (!steps_from(c, batch, segment.at)) { /* what is left of the epoch is dropped */
        segment.epoch++;
        segment.at = 0;
    }
    return add_segment(c, context, segment);
}

static bool is_before(const course_order *a, const course_order *b)
{
    return a->epoch < b->epoch || (a->epoch == b->epoch && a->at < b->at);
}

tas_status course_change_order(course *c, tas_context *context, uint64_t step, uint64_t seed)
{
    const course_step next = step_of(c, c->segments, step);
    const course_order order = {.epoch = next.epoch, .at = next.at, .seed = seed};
    while (c->orders && !is_before(&c->order[c->orders - 1], &order)) c->orders--;
    return course_add_order(c, context, &order);
}

/* The whole epoch's from the last seed before it, and then from each that begins in it what it draws anew. */
void course_fill(const course *c, uint64_t epoch, uint32_t *order)
{
    const course_order *o = &c->order[c->orders - 1], *end = c->order + c->orders;
    while (o->epoch > epoch || (o->epoch == epoch && o->at)) o--;
    shuffle_order(o->seed, (uint32_t)epoch, order, c->examples);
    for (o++; o < end && o->epoch == epoch; o++)
        shuffle_again(o->seed, (uint32_t)epoch, order + o->at, c->examples - o->at);
}
