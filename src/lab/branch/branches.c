#include "lab/branch/branches.h"

#include "train/run.h"
#include "train/run_copy.h"

#include <math.h>

enum { MEMORIES = 3, MEMORY_MOST = 100, STEPS_LEAST = 8, PIECES = 5 };

tas_lr_scaling branches_rule(tas_optimizer which)
{
    return which == TAS_SGD || which == TAS_LARS ? TAS_SCALING_LINEAR : TAS_SCALING_SQRT;
}

double branches_rate_power(tas_optimizer which) { return branches_rule(which) == TAS_SCALING_LINEAR ? 0.75 : 0.5; }

/* What is left after a step of the mean of earlier gradients. */
static double decay_of(const tas_train_options *options)
{
    switch (options->optimizer) {
    case TAS_SGD:
    case TAS_LARS:
    case TAS_RMSPROP: return (double)options->momentum;
    default: return (double)options->beta1;
    }
}

static double memory_of(const tas_train_options *options) { return fmin(1 / (1 - decay_of(options)), MEMORY_MOST); }

uint32_t branches_steps(const tas_train_options *options)
{
    return (uint32_t)fmax(STEPS_LEAST, ceil(MEMORIES * memory_of(options) - 1e-3));
}

uint64_t branches_memory(const tas_train_options *options) { return (uint64_t)ceil(memory_of(options) - 1e-3); }

uint64_t branches_examples(uint64_t wanted, uint64_t most, uint64_t epoch)
{
    const uint64_t examples = (wanted < epoch ? wanted : epoch) / most * most;
    return examples ? examples : most;
}

uint64_t branches_wait(const tas_run *run, const branches_request *request)
{
    const course_step next = course_at(&run->course, run->step + 1);
    const uint64_t between = request->repeats > 1 ? (uint64_t)(request->repeats - 1) * request->apart * next.batch : 0;
    return run->count - next.at >= request->examples + between || !next.at ? 0 : next.left;
}

typedef struct maker {
    tas_run *run;
    const branches_request *request;
    run_copy *copy;
    tas_train_options own, options; /* of the run; of branches */
    branches_cost cost;
    double begun;
    int piece; /* of those that are timed */
} maker;

/* At the rate of the run's next step, which stays the same; as long as it takes. */
static tas_train_options branch_options(const tas_run *run, const branches_request *request)
{
    tas_train_options options = run->options;
    options.lr = run_lr(run, run->step + 1);
    options.lr_scaling = request->rate_power > 0 ? TAS_SCALING_NONE : request->rule;
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

static void keep_least(double *least, double each)
{
    if (each > 0 && (*least == 0 || each < *least)) *least = each;
}

/* Trains until so many examples are done, in pieces of 1, 2, 4, 8 and 16 steps in turn, of which the fastest gives the
 * time of a step: a long one hides what a piece itself takes, a short one falls between the turns of other programs. */
static tas_status train_to(maker *m, uint64_t end, int at)
{
    tas_run *run = m->run;
    const uint32_t batch = m->request->batch[at];
    tas_status status = TAS_OK;
    while (!status && run->result.examples < end) {
        const uint64_t left = (end - run->result.examples + batch - 1) / batch, steps = run->result.steps;
        const uint64_t piece = 1u << m->piece++ % PIECES;
        const double before = run->result.seconds;
        status = tas_run_advance(run, piece < left ? piece : left, NULL);
        const double each = (run->result.seconds - before) / (double)(run->result.steps - steps);
        if (!status) keep_least(&m->cost.step_seconds[at], each);
    }
    return status;
}

/* The copy, with the order of a repeat, at a batch. */
static tas_status begin_branch(maker *m, uint32_t batch, int repeat)
{
    tas_run *run = m->run;
    const double power = m->request->rate_power, k = (double)batch / m->options.base_batch;
    tas_status status = run_copy_restore(run, m->copy);
    if (!status) status = run_change_order(run, m->request->seed + (uint64_t)repeat);
    if (!status && run_change_batch(run, batch)) return TAS_BAD_ARGUMENT;
    if (power > 0) run->options.lr = (float)((double)m->options.lr * pow(k, power));
    return status;
}

/* Evaluations are whole steps of the largest batch apart, the last one at the end. *loss: their mean. */
static tas_status train_and_look(maker *m, int at, double *loss)
{
    const branches_request *request = m->request;
    const uint64_t most = request->batch[request->batches - 1], half = request->examples / most / 2;
    const uint64_t wanted = request->looks > 1 ? (uint64_t)request->looks : 1;
    const uint64_t looks = wanted <= half ? wanted : half ? half : 1, gap = half / looks * most;
    const uint64_t end = m->run->result.examples + request->examples;
    tas_status status = TAS_OK;
    double sum = 0;
    for (uint64_t left = looks; left-- > 0 && !status;) {
        double value;
        status = train_to(m, end - left * gap, at);
        if (!status) status = evaluate(m, &value);
        if (!status) sum += value;
    }
    *loss = sum / (double)looks;
    return status;
}

static tas_status make_one(maker *m, int at, int repeat, double *loss)
{
    const tas_train_result *now = &m->run->result;
    tas_status status = begin_branch(m, m->request->batch[at], repeat);
    const uint64_t before = now->examples;
    if (!status) status = train_and_look(m, at, loss);
    m->cost.examples += now->examples - before;
    if (status == TAS_NOT_FINITE || status == TAS_BAD_ARGUMENT) {
        *loss =
            status == TAS_NOT_FINITE ? INFINITY : NAN; /* NaN: a layer cannot take its statistics from such a batch */
        return TAS_OK;
    }
    if (!status && m->request->on_branch && m->request->on_branch(m->request->user)) status = TAS_STOPPED;
    return status;
}

/* Whether this batch and the one before are worse than the smallest, by half of its progress, if it made any. */
static bool is_hopeless(const critical_input *in, int at)
{
    const double half = in->loss[0][0] + 0.5 * fmax(in->before[0] - in->loss[0][0], 0);
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
        status = make_one(m, i, repeat, &out->loss[i][repeat]);
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

/* The state that branches of a repeat begin with: the present one, or one some steps later. */
static tas_status begin_repeat(maker *m, int repeat, critical_input *out)
{
    tas_run *run = m->run;
    tas_status status = TAS_OK;
    if (repeat && !m->request->apart) {
        out->before[repeat] = out->before[0];
        return TAS_OK;
    }
    if (repeat) {
        status = run_copy_restore(run, m->copy);
        run_copy_free(&m->copy);
        run->options = m->own;
        if (!status) status = tas_run_advance(run, m->request->apart, NULL);
    }
    if (!status) status = run_copy_take(run, &m->copy);
    if (!status) status = evaluate(m, &out->before[repeat]);
    m->options = branch_options(run, m->request);
    run->options = m->options;
    return status;
}

static tas_status make_all(maker *m, critical_input *out)
{
    const branches_request *request = m->request;
    tas_status status = TAS_OK;
    double longest = 0;
    while (out->repeats < request->repeats && !status && !is_late(m, longest)) {
        const double begun = now_seconds();
        if (request->enough && out->repeats >= request->enough && is_narrow(out)) break;
        status = begin_repeat(m, out->repeats, out);
        if (!status) status = make_repeat(m, out->repeats, out);
        longest = fmax(longest, now_seconds() - begun);
        if (!status) out->repeats++;
    }
    return status;
}

static void begin(const branches_request *request, critical_input *out)
{
    *out = (critical_input){.batches = request->batches, .confidence = request->confidence};
    for (int i = 0; i < CRITICAL_BATCHES; i++)
        for (int r = 0; r < CRITICAL_REPEATS; r++) out->loss[i][r] = NAN;
    for (int i = 0; i < request->batches; i++) out->batch[i] = request->batch[i];
}

tas_status branches_make(tas_run *run, const branches_request *request, critical_input *out, branches_cost *cost)
{
    const double step_seconds = run->step_seconds;
    maker m = {.run = run, .request = request, .own = run->options, .begun = now_seconds()};
    begin(request, out);
    const tas_status status = make_all(&m, out);
    run->options = m.own;
    const tas_status back = m.copy ? run_copy_restore(run, m.copy) : TAS_OK;
    run_copy_free(&m.copy);
    run->step_seconds = step_seconds;
    m.cost.seconds = now_seconds() - m.begun;
    if (cost) *cost = m.cost;
    return status ? status : back;
}
