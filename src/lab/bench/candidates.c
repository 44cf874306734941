/* The variants of one call: which differ, which are right, and which is the fastest. */
#include "lab/bench/tune.h"

#include "device/opencl/rehearse.h"
#include "device/variant.h"
#include "stats/median.h"

#include <stdlib.h>

/* Each candidate is timed once, and those that are not far behind in alternating rounds. A candidate's time is its
 * median; it is faster than the usual one only if the median of the ratios, round by round, and the shortest rounds say
 * so too: what else runs on the machine slows both. */
enum { ROUNDS = 7 };
static const double round_seconds = 0.006, far_behind = 1.2;

typedef struct candidate {
    int variant;
    rehearsal kernels;
    bool out; /* too slow for the rounds */
    double seconds[ROUNDS], median;
    double ratio; /* of its time to that of the usual one */
    double least;
} candidate;

typedef struct candidates {
    candidate list[TUNE_VARIANTS];
    int count; /* the first is the usual one */
    uint64_t repeat;
} candidates;

static bool are_same(const rehearsal *a, const rehearsal *b)
{
    if (a->count != b->count) return false;
    for (int k = 0; k < a->count; k++)
        if (rehearse_find(b->kernel, b->count, &a->kernel[k]) == b->count) return false;
    return true;
}

/* The kernels of a call, in the form of that variant, -1 being the usual one. */
static tas_status rehearse_variant(tas_device *device, const op_args *args, int variant, rehearsal *out)
{
    const device_tuning own = device->tuning;
    *out = (rehearsal){.count = 0};
    device->tuning.find = NULL;
    device->variant = variant;
    const tas_status status = rehearse(device, args, out);
    device->variant = -1;
    device->tuning = own;
    return status;
}

static bool is_known(const candidates *c, const rehearsal *kernels)
{
    for (int k = 0; k < c->count; k++)
        if (are_same(kernels, &c->list[k].kernels)) return true;
    return false;
}

/* The variants that fit the call and launch different kernels, the usual one first. */
static tas_status find_candidates(tune *t, const op_args *args, candidates *c)
{
    candidate *next = &c->list[0];
    *next = (candidate){.variant = -1};
    tas_status status = rehearse_variant(t->device, args, -1, &next->kernels);
    next->variant = next->kernels.chosen - 1;
    c->count = 1;
    for (int v = 0; v < t->device->variants[args->op] && v < TUNE_VARIANTS - 1 && !status; v++) {
        next = &c->list[c->count];
        *next = (candidate){.variant = v};
        status = rehearse_variant(t->device, args, v, &next->kernels);
        const bool fits = next->kernels.chosen == 1 + v;
        if (fits && !t->wrong[args->op][v] && !is_known(c, &next->kernels)) c->count++;
    }
    if (c->list[0].variant < 0) c->count = 1; /* a call without a choice */
    return status;
}

static tas_status report(tune *t, const op_args *args, int variant)
{
    char name[VARIANT_NAME];
    entry_state ours;
    if (!t->options->on_progress) return TAS_OK;
    device_name_variant(t->device, args->op, variant, name);
    const double now = now_seconds();
    const tas_tune_progress progress = {.network = t->network,
                                        .batch = t->batch,
                                        .operation = op_get(args->op)->name,
                                        .variant = name,
                                        .seconds = now - t->begun,
                                        .left = t->deadline > now ? t->deadline - now : 0};
    callback_begin(t->device->context, &ours);
    t->ended = t->options->on_progress(t->options->user, &progress) != 0;
    callback_end(&ours);
    return t->ended ? TAS_STOPPED : TAS_OK;
}

static tas_status time_candidate(tune *t, bench_piece *call, candidate *c, uint64_t count, double *seconds)
{
    t->device->variant = c->variant;
    const tas_status status = bench_time_once(bench_repeat, call, count, seconds);
    t->device->variant = -1;
    return status;
}

/* Holds a candidate against the reference, and times it for the first time. */
static tas_status try_candidate(tune *t, bench_piece *call, const op_args *args, candidates *c, int i)
{
    tas_device *device = t->device;
    candidate *one = &c->list[i];
    const double begin = now_seconds();
    bool right = true;
    if (begin + t->slowest > t->deadline) return TAS_STOPPED;
    tas_status status = report(t, args, one->variant);
    if (status) return status;
    device->variant = one->variant;
    status = device->tester.check(device->tester.self, args, &right);
    device->variant = -1;
    if (!status && !right) {
        t->wrong[args->op][one->variant] = 1;
        t->result->refused++;
        one->out = true;
        if (i) return TAS_OK;
        return fail(device->context, TAS_MISMATCH, "%s: the usual kernels of %s differ from the reference",
                    device->info.id, op_get(args->op)->name);
    }
    device->variant = one->variant;
    if (!status && !i) status = bench_find_count(bench_repeat, call, round_seconds, &c->repeat);
    device->variant = -1;
    if (!status && i) status = time_candidate(t, call, one, 1, &one->seconds[0]);
    if (!status) status = time_candidate(t, call, one, c->repeat, &one->seconds[0]);
    one->median = one->seconds[0];
    const double took = now_seconds() - begin;
    t->slowest = took > 0.8 * t->slowest ? took : 0.8 * t->slowest;
    return status;
}

static void summarize(candidates *c)
{
    const candidate *usual = &c->list[0];
    for (int i = c->count - 1; i >= 0; i--) { /* the usual one last, as the median sorts */
        candidate *one = &c->list[i];
        double ratio[ROUNDS];
        if (one->out) continue;
        for (int round = 0; round < ROUNDS; round++) ratio[round] = one->seconds[round] / usual->seconds[round];
        one->ratio = median_of(ratio, ROUNDS);
        one->median = median_of(one->seconds, ROUNDS); /* sorts them */
        one->least = one->seconds[0];
    }
}

/* By more than noise: round by round, in its median, and in the round that was disturbed least. */
static bool is_faster(const candidate *one, const candidate *usual)
{
    const double noise = 1 - TAS_TUNE_NOISE;
    return one->ratio <= noise && one->median <= noise * usual->median && one->least <= noise * usual->least;
}

static tas_status run_rounds(tune *t, bench_piece *call, candidates *c)
{
    double best = c->list[0].median;
    tas_status status = TAS_OK;
    for (int i = 1; i < c->count; i++)
        if (!c->list[i].out && c->list[i].median < best) best = c->list[i].median;
    for (int i = 1; i < c->count; i++) c->list[i].out |= c->list[i].median > far_behind * best;
    for (int round = 0; round < ROUNDS && !status; round++)
        for (int i = 0; i < c->count && !status; i++)
            if (!c->list[i].out) status = time_candidate(t, call, &c->list[i], c->repeat, &c->list[i].seconds[round]);
    if (!status) summarize(c);
    return status;
}

/* The fastest by the rounds; 0, the usual one, unless another gains more than noise. */
static int find_best(const candidates *c)
{
    int best = 0;
    for (int i = 1; i < c->count; i++) {
        const candidate *one = &c->list[i];
        if (!one->out && is_faster(one, &c->list[0]) && one->median < c->list[best].median) best = i;
    }
    return best;
}

/* The best of many is often the one that was disturbed least. So it has to win again, against the usual one alone, in
 * rounds that begin with either by turns. */
static tas_status confirm(tune *t, bench_piece *call, candidates *c, int *best)
{
    candidates two = {.list = {c->list[0], c->list[*best]}, .count = 2, .repeat = c->repeat};
    tas_status status = TAS_OK;
    for (int round = 0; round < ROUNDS && !status; round++)
        for (int i = 0; i < 2 && !status; i++) {
            candidate *one = &two.list[(round + i) % 2];
            status = time_candidate(t, call, one, c->repeat, &one->seconds[round]);
        }
    if (status) return status;
    summarize(&two);
    c->list[0] = two.list[0];
    c->list[*best] = two.list[1];
    if (!is_faster(&two.list[1], &two.list[0])) *best = 0;
    return TAS_OK;
}

static tuning_row describe_choice(const op_args *args, const candidates *c, int best)
{
    return (tuning_row){.op = args->op,
                        .shape = tuning_shape_of(args),
                        .usual = c->list[0].variant,
                        .choice = c->list[best].variant,
                        .usual_time = (uint64_t)(c->list[0].median * 1e9),
                        .time = (uint64_t)(c->list[best].median * 1e9)};
}

static tas_status keep(tune *t, const tuning_row *row)
{
    tas_device *device = t->device;
    entry_state ours;
    tas_tune_row described;
    tas_status status = tuning_set(device->context, &t->done, row);
    if (!status) status = tuning_set(device->context, tuning_of(device), row);
    if (status) return status;
    t->result->classes++;
    t->result->changed += row->choice != row->usual;
    if (!t->options->on_row) return TAS_OK;
    tuning_describe(device, row, &described);
    callback_begin(device->context, &ours);
    t->options->on_row(t->options->user, &described);
    callback_end(&ours);
    return TAS_OK;
}

/* The arguments with which a call runs; false if none of its operations has variants. */
static tas_status list_call(tas_device *device, const bench_piece *call, op_args *out, bool *found)
{
    device_calls calls = {0};
    device->calls = &calls;
    tas_status status = call->go(call);
    device->calls = NULL;
    *found = false;
    for (int i = 0; i < calls.count && !*found; i++) {
        *found = device->variants[calls.list[i].op] > 1;
        *out = calls.list[i];
    }
    free(calls.list);
    return status;
}

tas_status candidates_measure(tune *t, bench_piece call)
{
    candidates c;
    op_args args;
    bool found;
    tas_status status = list_call(t->device, &call, &args, &found);
    if (status || !found || tuning_find(&t->done, args.op, tuning_shape_of(&args))) return status;
    status = find_candidates(t, &args, &c);
    if (status || c.count == 1) return status;
    for (int i = 0; i < c.count && !status; i++) status = try_candidate(t, &call, &args, &c, i);
    if (!status) status = run_rounds(t, &call, &c);
    int best = status ? 0 : find_best(&c);
    if (!status && best) status = confirm(t, &call, &c, &best);
    if (status) return status;
    const tuning_row row = describe_choice(&args, &c, best);
    return keep(t, &row);
}
