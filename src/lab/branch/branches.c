#include "lab/branch/branches.h"

#include "train/run.h"
#include "train/run_copy.h"

#include <math.h>

tas_lr_scaling branches_rule(tas_optimizer which)
{
    return which == TAS_SGD || which == TAS_LARS ? TAS_SCALING_LINEAR : TAS_SCALING_SQRT;
}

uint64_t branches_examples(uint64_t wanted, uint64_t most, uint64_t epoch)
{
    const uint64_t examples = (wanted < epoch ? wanted : epoch) / most * most;
    return examples ? examples : most;
}

uint64_t branches_wait(const tas_run *run, uint64_t examples)
{
    const course_step next = course_at(&run->course, run->step + 1);
    return run->count - next.at >= examples || !next.at ? 0 : next.left;
}

typedef struct maker {
    tas_run *run;
    const branches_request *request;
    run_copy *copy;
    tas_train_options options; /* of branches */
    branches_cost cost;
    double begun;
} maker;

/* At the rate of the run's next step, which stays the same; as long as it takes. */
static tas_train_options branch_options(const tas_run *run, const branches_request *request)
{
    tas_train_options options = run->options;
    options.lr = run_lr(run, run->step + 1);
    options.lr_scaling = request->rule;
    options.base_batch = course_at(&run->course, run->step + 1).batch;
    options.schedule = TAS_SCHEDULE_CONSTANT;
    options.warmup = 0;
    options.steps = UINT32_MAX - 2;
    options.on_step = NULL;
    options.ahead = 1;
    return options;
}

static tas_status evaluate(maker *m, double *loss)
{
    tas_score score = {0};
    tas_run *run = m->run;
    const tas_status status = tas_evaluate(run->model, m->request->judge, &score);
    if (score.peak_bytes > run->peak) run->peak = score.peak_bytes; /* the copy's memory is in use at the same time */
    if (score.host_bytes > run->host_peak) run->host_peak = score.host_bytes;
    if (status && status != TAS_NOT_FINITE) return status;
    *loss = status || !isfinite(score.loss) ? INFINITY : score.loss;
    return TAS_OK;
}

/* Trains from the copy on until so many examples are done. */
static tas_status train(maker *m, uint32_t batch, int repeat)
{
    tas_run *run = m->run;
    tas_status status = run_copy_restore(run, m->copy);
    const uint64_t begun = run->result.examples, end = begun + m->request->examples;
    if (!status) status = run_change_order(run, m->request->seed + (uint64_t)repeat);
    if (!status && run_change_batch(run, batch)) return TAS_BAD_ARGUMENT;
    while (!status && run->result.examples < end) {
        const uint64_t left = end - run->result.examples;
        status = tas_run_advance(run, (left + batch - 1) / batch, NULL);
    }
    m->cost.examples += run->result.examples - begun;
    return status;
}

static tas_status make_one(maker *m, uint32_t batch, int repeat, double *loss)
{
    tas_status status = train(m, batch, repeat);
    if (status == TAS_NOT_FINITE || status == TAS_BAD_ARGUMENT) {
        *loss =
            status == TAS_NOT_FINITE ? INFINITY : NAN; /* NaN: a layer cannot take its statistics from such a batch */
        return TAS_OK;
    }
    if (!status) status = evaluate(m, loss);
    if (!status && m->request->on_branch && m->request->on_branch(m->request->user)) status = TAS_STOPPED;
    return status;
}

/* Whether this batch and the one before are worse than the smallest, by half of its progress, if it made any. */
static bool is_hopeless(const critical_input *in, int at)
{
    const double half = in->loss[0][0] + 0.5 * fmax(in->before - in->loss[0][0], 0);
    return at > 1 && in->loss[at][0] > half && in->loss[at - 1][0] > half;
}

/* Whether so many more seconds are too many. */
static bool is_late(const maker *m, double more)
{
    return m->request->seconds > 0 && now_seconds() - m->begun + more > m->request->seconds;
}

static tas_status make_repeat(maker *m, int repeat, critical_input *out)
{
    tas_status status = TAS_OK;
    for (int i = 0; i < out->batches && !status && !is_late(m, 0); i++) {
        status = make_one(m, m->request->batch[i], repeat, &out->loss[i][repeat]);
        if (!status && !repeat && is_hopeless(out, i)) out->batches = i + 1;
    }
    return status;
}

static bool is_narrow(const critical_input *in)
{
    critical_batch found;
    critical_find(in, &found);
    return found.b_crit.state == FIT_KNOWN && found.b_crit.high <= 3 * found.b_crit.low;
}

static tas_status make_all(maker *m, critical_input *out)
{
    const branches_request *request = m->request;
    tas_status status = TAS_OK;
    double longest = 0;
    while (out->repeats < request->repeats && !status && !is_late(m, longest)) {
        const double begun = now_seconds();
        if (request->enough && out->repeats >= request->enough && is_narrow(out)) break;
        status = make_repeat(m, out->repeats, out);
        longest = fmax(longest, now_seconds() - begun);
        if (!status) out->repeats++;
    }
    return status;
}

static void begin(const branches_request *request, critical_input *out)
{
    *out = (critical_input){.batches = request->batches};
    for (int i = 0; i < CRITICAL_BATCHES; i++)
        for (int r = 0; r < CRITICAL_REPEATS; r++) out->loss[i][r] = NAN;
    for (int i = 0; i < request->batches; i++) out->batch[i] = request->batch[i];
}

tas_status branches_make(tas_run *run, const branches_request *request, critical_input *out, branches_cost *cost)
{
    const tas_train_options options = run->options;
    const double step_seconds = run->step_seconds;
    maker m = {.run = run, .request = request, .options = branch_options(run, request), .begun = now_seconds()};
    begin(request, out);
    tas_status status = run_copy_take(run, &m.copy);
    if (status) return status;
    status = evaluate(&m, &out->before);
    run->options = m.options;
    if (!status) status = make_all(&m, out);
    run->options = options;
    const tas_status back = run_copy_restore(run, m.copy);
    run_copy_free(&m.copy);
    run->step_seconds = step_seconds;
    m.cost.seconds = now_seconds() - m.begun;
    if (cost) *cost = m.cost;
    return status ? status : back;
}
