/* The command that trains as the sweep recommends. */
#include "base/base.h"
#include "lab/report.h"
#include "lab/stages.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The shortest form that reads back as the same float. */
static void add_float(buffer *out, const char *option, float value)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    buffer_print(out, " %s %s", option, text);
}

static void add_optimizer(buffer *out, const tas_train_options *is, const tas_train_options *plain)
{
    static const char *const names[] = {[TAS_SGD] = "sgd", [TAS_ADAM] = "adam", [TAS_ADAMW] = "adamw"};
    if (is->optimizer != TAS_SGD) {
        buffer_print(out, " --optimizer %s", names[is->optimizer]);
        if (is->beta1 != plain->beta1) add_float(out, "--beta1", is->beta1);
        if (is->beta2 != plain->beta2) add_float(out, "--beta2", is->beta2);
        if (is->epsilon != plain->epsilon) add_float(out, "--epsilon", is->epsilon);
    } else {
        if (is->momentum != plain->momentum) add_float(out, "--momentum", is->momentum);
        if (is->nesterov) buffer_print(out, " --nesterov");
    }
    if (is->weight_decay != plain->weight_decay) add_float(out, "--weight-decay", is->weight_decay);
}

/* A sweep's steps of warm-up and decay are those of a batch of base_batch. */
static void add_schedule(buffer *out, const tas_train_options *is, uint64_t batch)
{
    static const char *const names[] = {
        [TAS_SCHEDULE_CONSTANT] = "constant", [TAS_SCHEDULE_STEP] = "step", [TAS_SCHEDULE_COSINE] = "cosine"};
    const double k = (double)is->base_batch / (double)batch;
    if (is->warmup) buffer_print(out, " --warmup %.0f", round((double)is->warmup * k));
    if (is->schedule == TAS_SCHEDULE_CONSTANT) return;
    buffer_print(out, " --schedule %s", names[is->schedule]);
    if (is->schedule == TAS_SCHEDULE_STEP) {
        buffer_print(out, " --decay-steps %.0f", fmax(1, round((double)is->decay_steps * k)));
        add_float(out, "--decay", is->decay);
    } else if (is->lr_end != 0) {
        add_float(out, "--lr-end", is->lr_end);
    }
}

/* Whole epochs, enough for the steps to the target; a course that ends with the run has the length of the sweep's runs. */
static void add_length(buffer *out, const tas_sweep *sweep)
{
    const recommendation *r = &sweep->advice;
    const bool expected = isfinite(r->steps) && r->steps > 0 && sweep->examples;
    const double epochs = expected ? ceil(r->steps * (double)r->batch / (double)sweep->examples) : sweep->is.epochs;
    if (sweep->is.train.schedule == TAS_SCHEDULE_COSINE && sweep->examples)
        buffer_print(out, " --steps %" PRIu64, trial_steps(sweep, r->batch, examples_most(sweep)));
    else if (epochs >= 1)
        buffer_print(out, " --epochs %.0f", epochs);
}

void report_command(const tas_sweep *sweep, buffer *out)
{
    const recommendation *r = &sweep->advice;
    const tas_train_options *is = &sweep->is.train;
    tas_train_options plain;
    tas_train_options_init(&plain);
    buffer_print(out, "tassello train ");
    buffer_quote(out, *sweep->net ? sweep->net : "NET");
    buffer_print(out, " ");
    buffer_quote(out, *sweep->data ? sweep->data : "DATA");
    buffer_print(out, " --batch %" PRIu64, r->batch);
    if (r->lr > 0 && isfinite(r->lr)) add_float(out, "--lr", (float)r->lr);
    add_optimizer(out, is, &plain);
    add_schedule(out, is, r->batch);
    add_length(out, sweep);
    if (sweep->is.seed != plain.seed)
        buffer_print(out, " --seed %" PRIu64, sweep->is.seed); /* it draws what is held out */
    if (sweep->is.examples) buffer_print(out, " --examples %" PRIu64, sweep->is.examples);
    if (sweep->validation) buffer_print(out, " --validation %" PRIu64, sweep->validation);
    if (sweep->is.budget) buffer_print(out, " --budget %" PRIu64, sweep->is.budget);
    if (*sweep->device) {
        buffer_print(out, " --device ");
        buffer_quote(out, sweep->device);
    }
}

char *tas_sweep_command(const tas_sweep *sweep)
{
    entry_state saved;
    buffer out = {0};
    entry_begin(sweep->context, &saved);
    report_command(sweep, &out);
    entry_end(&saved);
    if (!out.failed) return out.text;
    free(out.text);
    return NULL;
}
