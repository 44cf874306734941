/* A sweep's evaluations as the rows that tas_advise_open() reads. */
#include "base/buffer.h"
#include "base/format.h"
#include "lab/sweep/output.h"
#include "lab/sweep/sweep.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As few digits as read as the same number; nothing if it is not known. */
static void add_number(buffer *out, double x)
{
    char text[32];
    buffer_print(out, ",");
    if (!isfinite(x)) return;
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    buffer_print(out, "%s", text);
}

/* Rates are floats. */
static void add_rate(buffer *out, double lr)
{
    if ((double)(float)lr == lr)
        buffer_print(out, ",%s", format_float((float)lr).text);
    else
        add_number(out, lr);
}

static double either(double a, double b) { return isfinite(a) ? a : b; }

/* All that is known at a step: a run may be evaluated twice there, on more examples the second time. */
static sweep_point merged(const sweep_run *run, int first, int *end)
{
    sweep_point out = run->point[first];
    for (*end = first + 1; *end < run->points && run->point[*end].step == out.step; ++*end) {
        const sweep_point *p = &run->point[*end];
        out.loss = either(p->loss, out.loss);
        out.accuracy = either(p->accuracy, out.accuracy);
        out.train_loss = either(p->train_loss, out.train_loss);
        out.target_value = either(out.target_value, p->target_value);
    }
    return out;
}

static void add_run(const tas_sweep *s, const sweep_batch *b, const sweep_run *run, buffer *out)
{
    for (int i = 0; i < run->points;) {
        const sweep_point p = merged(run, i, &i);
        buffer_print(out, "%" PRIu64, run->batch);
        add_rate(out, run->lr);
        buffer_print(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, run->seed, p.step, p.examples);
        add_number(out, b->step_seconds > 0 ? b->step_seconds * (double)p.step : p.seconds);
        add_number(out, p.loss);
        add_number(out, p.accuracy);
        add_number(out, p.train_loss);
        add_number(out, s->options.by_accuracy ? NAN : p.target_value);
        buffer_print(out, "\n");
    }
    /* A loss that is not finite ends a run and is no evaluation. */
    if (run->outcome != ROW_DIVERGED || !run->points) return;
    const sweep_point *last = &run->point[run->points - 1];
    buffer_print(out, "%" PRIu64, run->batch);
    add_rate(out, run->lr);
    buffer_print(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",,nan,,,\n", run->seed, last->step + 1,
                 last->examples + run->batch);
}

tas_status tas_sweep_runs(const tas_sweep *s, const char *file)
{
    entry_state saved;
    buffer out = {0};
    entry_begin(s->context, &saved);
    buffer_print(&out, "batch,lr,seed,steps,examples,seconds,loss,accuracy,train_loss,target_value\n");
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->runs; k++)
            if (sweep_is_figure(s, &s->batch[i], &s->run[k])) add_run(s, &s->batch[i], &s->run[k], &out);
    const tas_status status = out.failed ? fail(s->context, TAS_NO_MEMORY, "%s: no memory to write it", file)
                                         : output_write(s->context, file, out.text, out.bytes);
    free(out.text);
    entry_end(&saved);
    return status;
}
