/* libFuzzer: any bytes as the run files of a sweep's state, one after the other with a 0 between them, up to the advice
 * that follows from them. */
#include "lab/sweep/aggregate.h"
#include "lab/sweep/run_file.h"

#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 900 };

static const run_limits limits = {.examples = EXAMPLES, .seed = 1, .target = 0.5, .contract = 1};

/* The batch of a run, in the order of size. */
static sweep_batch *place_batch(tas_sweep *s, uint64_t batch)
{
    int at = 0;
    while (at < s->count && s->batch[at].batch < batch) at++;
    if (at < s->count && s->batch[at].batch == batch) return &s->batch[at];
    if (s->count == SWEEP_BATCHES) return NULL;
    memmove(&s->batch[at + 1], &s->batch[at], (size_t)(s->count++ - at) * sizeof *s->batch);
    s->batch[at] = (sweep_batch){.batch = batch, .step_seconds = 1e-3 + 2e-5 * (double)batch, .rounds = 5};
    return &s->batch[at];
}

/* As a sweep takes a run over, whatever it has asked for. */
static void add_run(tas_sweep *s, const sweep_run *run)
{
    sweep_batch *b = place_batch(s, run->batch);
    if (b && !run->search) b->lr = run->lr;
    s->run = realloc(s->run, (size_t)(s->runs + 1) * sizeof *s->run);
    if (!s->run) abort();
    s->run[s->runs++] = *run;
}

static void read_run(tas_sweep *s, const char *text, size_t bytes)
{
    run_key key, again;
    sweep_run run;
    char why[160], name[RUN_NAME_BYTES];
    json_t *in = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    if (!run_file_decode(in, &limits, "here", &key, &run, why, sizeof why)) {
        if (!*why || run.point) abort();
    } else {
        run_key_name(&key, name, sizeof name);
        if (*why || !run.points || !run_key_parse(name, &again)) abort();
        add_run(s, &run);
    }
    json_decref(in);
}

static void check_advice(const tas_sweep *s)
{
    tas_advice advice;
    tas_sweep_row row;
    bool is_known = false;
    tas_sweep_advice(s, &advice);
    for (size_t i = 0; tas_sweep_batch(s, i, &row); i++) is_known |= row.batch == advice.batch;
    if (!is_known && advice.batch != RECOMMEND_DEFAULT) abort();
    if (!*advice.reason) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    tas_context *context = NULL;
    tas_sweep *s = calloc(1, sizeof *s);
    if (!s || tas_context_open(&context)) abort();
    s->context = context;
    s->examples = EXAMPLES;
    s->target = limits.target;
    tas_sweep_options_init(&s->options);
    if (size) s->options.goal = (tas_goal)(input[size - 1] % 4);
    for (size_t at = 0, end; at < size; at = end + 1) {
        for (end = at; end < size && input[end]; end++) {}
        read_run(s, (const char *)input + at, end - at);
    }
    aggregate_runs(s);
    check_advice(s);
    char *text = tas_sweep_json_text(s);
    if (!text) abort();
    free(text);
    tas_sweep_close(&s);
    tas_context_close(&context);
    return 0;
}
