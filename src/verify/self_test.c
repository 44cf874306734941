/* The self-test. A call of a network is rehearsed (device/opencl/rehearse.h), which gives the kernels that it would
 * launch. If one of them has not passed in this operation, cases run that launch it, and no kernel besides that the
 * network does not need: so nothing is built for the test alone. */
#include "verify/self_test.h"

#include "device/opencl/launchers/clblast.h"
#include "device/tuning.h"
#include "verify/build_progress.h"
#include "verify/cases.h"
#include "verify/tier.h"

#include <stdlib.h>
#include <string.h>

enum {
    SELF_TEST_CASES = 10, /* edge shapes, and as many random ones: each mode of values in each form of the products */
    CUT_CASES = 3,        /* with each launch in pieces: likewise */
    CASES_TRIED = 300,    /* random ones that are rehearsed, to find so many */
    CHECKED_FLOPS = 50000000,
};

/* Seconds: a build that takes no longer may have come from the driver's cache. */
static const double real_build = 0.2;

typedef struct self_test {
    tas_device *device;
    tier_record record;
    bool preparing;       /* the record is written at the end */
    bool checking, wrong; /* a difference is no failure, but is noted here */
    bool changed;         /* it is not as written */
    build_progress progress;
} self_test;

/* The device's state that cases change, as the call that waits for them needs it. */
typedef struct device_state {
    device_tester tester;
    const device_observer *observer;
    uint64_t flops, peak_bytes, host_peak_bytes;
    int variant;
    uint32_t small_limits, launch_pieces;
    case_cuts cuts;
    bool limited, reported;
} device_state;

static device_state begin_cases(tas_device *device, case_cuts cuts)
{
    const device_state state = {.tester = device->tester,
                                .observer = device->observer,
                                .flops = device->flops,
                                .peak_bytes = device->peak_bytes,
                                .host_peak_bytes = device->host_peak_bytes,
                                .variant = device->variant,
                                .small_limits = device->small_limits,
                                .launch_pieces = device->launch_pieces,
                                .cuts = device->cuts,
                                .limited = device->limited,
                                .reported = device->reported};
    device->tester = (device_tester){0};
    device->observer = NULL;
    device->cuts = cuts;
    device->reported = true;
    return state;
}

static void end_cases(tas_device *device, const device_state *state)
{
    device->tester = state->tester;
    device->observer = state->observer;
    device->flops = state->flops;
    device->peak_bytes = state->peak_bytes;
    device->host_peak_bytes = state->host_peak_bytes;
    device->variant = state->variant;
    device->small_limits = state->small_limits;
    device->launch_pieces = state->launch_pieces;
    device->cuts = state->cuts;
    device->limited = state->limited;
    device->reported = state->reported;
}

/* ---- Which cases ---- */

static void print_line(op_id op, bool pieces, const rehearsed_kernel *kernel, char line[TIER_LINE])
{
    snprintf(line, TIER_LINE, "%s%s %s %s%s%s", pieces ? "pieces " : "", op_get(op)->name, kernel->program,
             kernel->name, *kernel->options ? " " : "", kernel->options);
}

static bool has_passed(const self_test *t, op_id op, bool pieces, const rehearsed_kernel *kernel)
{
    char line[TIER_LINE];
    print_line(op, pieces, kernel, line);
    return tier_has_passed(&t->record, line);
}

static bool is_among(const rehearsal *list, const rehearsed_kernel *kernel)
{
    return rehearse_find(list->kernel, list->count, kernel) < list->count;
}

/* The kernels of a call that have not passed. */
static rehearsal find_untested(const self_test *t, op_id op, bool pieces, const rehearsal *needed)
{
    rehearsal out = {.count = 0};
    for (int k = 0; k < needed->count; k++)
        if (!has_passed(t, op, pieces, &needed->kernel[k])) out.kernel[out.count++] = needed->kernel[k];
    return out;
}

static void remove_kernels(rehearsal *from, const rehearsal *those)
{
    int kept = 0;
    for (int k = 0; k < from->count; k++)
        if (!is_among(those, &from->kernel[k])) from->kernel[kept++] = from->kernel[k];
    from->count = kept;
}

/* Whether a case launches one of the untested kernels, and none that the call does not need. */
static bool is_of_use(const self_test *t, op_id op, const rehearsal *launched, const rehearsal *needed,
                      const rehearsal *untested)
{
    bool any = false;
    for (int k = 0; k < launched->count; k++) {
        const rehearsed_kernel *kernel = &launched->kernel[k];
        any |= is_among(untested, kernel);
        if (!is_among(needed, kernel) && !has_passed(t, op, false, kernel)) return false;
    }
    return any;
}

/* ---- The test ---- */

typedef struct call_test {
    self_test *t;
    const op_args *call;
    bool pieces;                /* each launch in pieces, after the kernels have passed in whole launches */
    rehearsal needed, untested; /* kernels of the call; those of which no case has run are also */
    rehearsal missed;           /* here */
    case_results results;
    bool own; /* the case that failed has the sizes of the call */
} call_test;

/* Runs up to `most` cases from number `first` on that are of use, out of `tried`. */
static tas_status run_some(call_test *c, uint32_t first, uint32_t tried, uint32_t most)
{
    tas_device *device = c->t->device;
    const op_id op = c->call->op;
    tas_status status = TAS_OK;
    for (uint32_t i = 0, run = 0; i < tried && run < most && !status && !c->results.failed; i++) {
        const case_name name = {.seed = 1, .number = first + i};
        rehearsal launched = {.count = 0};
        status = case_rehearse(device, op, &name, &launched);
        if (status || !is_of_use(c->t, op, &launched, &c->needed, &c->untested)) continue;
        status = cases_count(device, op, &name, &c->results);
        remove_kernels(&c->missed, &launched);
        run++;
    }
    return status == TAS_STOPPED ? TAS_OK : status; /* past the last edge shape */
}

/* The smallest tile of the call with which it still launches the kernels that no case did. */
static tas_status find_tile(call_test *c, op_args *out)
{
    tas_device *device = c->t->device;
    static const uint32_t tiles[] = {2, 32, UINT32_MAX};
    tas_status status = TAS_OK;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles && !status; i++) {
        rehearsal launched = {.count = 0}, missed = c->missed;
        *out = *c->call;
        if (tiles[i] >= out->n) return TAS_OK;
        out->first = 0;
        out->n = out->batch = tiles[i];
        if (!op_get(out->op)->fit(out)) continue;
        status = rehearse(device, out, &launched);
        remove_kernels(&missed, &launched);
        if (!missed.count) return status;
    }
    return status;
}

/* Kernels that the cases do not reach are run with the sizes of the call. */
static tas_status run_call(call_test *c)
{
    op_args args;
    tas_status status = find_tile(c, &args);
    for (uint32_t number = 0; number < DRAW_MODES && !status && !c->results.failed; number++) {
        status = case_verify_call(c->t->device, &args, number, &c->results.what);
        c->results.failed += c->results.what.found || c->results.what.stray;
        c->own = true;
    }
    return status;
}

static void remember_passed(call_test *c)
{
    char line[TIER_LINE];
    self_test *t = c->t;
    const op_id op = c->call->op;
    for (int k = 0; k < c->untested.count; k++) {
        print_line(op, c->pieces, &c->untested.kernel[k], line);
        tier_add_passed(&t->record, line);
    }
    if (!strcmp(t->record.refused, op_get(op)->name)) { /* mended without a new version */
        t->record.refused[0] = 0;
        t->record.tier = t->device->info.tier = TAS_TIER_UNTESTED;
    }
    t->changed = true;
}

static void write_record(self_test *t)
{
    if (t->changed) tier_write(t->device->context, &t->device->info, &t->record);
    t->changed = false;
}

/* what: the first difference, and the case's name. */
static tas_status refuse(self_test *t, op_id op, const char *what)
{
    tas_device *device = t->device;
    t->record.tier = device->info.tier = TAS_TIER_REFUSED;
    snprintf(t->record.refused, sizeof t->record.refused, "%s", op_get(op)->name);
    t->changed = true;
    write_record(t);
    return fail(device->context, TAS_MISMATCH,
                "%s: failed its self-test: its results differ from the reference: %s: %s", device->info.id,
                op_get(op)->name, what);
}

static tas_status test_launches(self_test *t, const op_args *call, bool pieces, const rehearsal *needed)
{
    call_test c = {.t = t,
                   .call = call,
                   .pieces = pieces,
                   .needed = *needed,
                   .untested = find_untested(t, call->op, pieces, needed)};
    const uint32_t most = pieces ? CUT_CASES : SELF_TEST_CASES;
    if (!c.untested.count) return TAS_OK;
    c.missed = c.untested;
    const device_state state = begin_cases(t->device, pieces ? CUTS_ALL : CUTS_NONE);
    tas_status status = run_some(&c, 0, EDGE_CASES, most);
    if (!status) status = run_some(&c, EDGE_CASES, CASES_TRIED, most);
    t->device->variant = state.variant; /* cases have had their own */
    if (!status && !c.results.failed && c.missed.count) status = run_call(&c);
    end_cases(t->device, &state);
    if (status) return status;
    t->wrong |= c.results.failed > 0;
    if (c.results.failed && t->checking) return TAS_OK;
    if (c.results.failed) {
        char text[CASES_TEXT];
        return refuse(t, call->op, c.own ? compare_print(&c.results.what, text) : cases_print(&c.results, text));
    }
    remember_passed(&c);
    return TAS_OK;
}

static tas_status test_kernels(self_test *t, const op_args *call, const rehearsal *needed)
{
    tas_status status = test_launches(t, call, false, needed);
    if (!status && needed->cuts) status = test_launches(t, call, true, needed);
    return status;
}

/* CLBlast's products are not held against the reference; it has a test of its own. */
static bool is_exempt(const tas_device *device, const op_args *call)
{
    return device->arith == TAS_ARITH_FAST && clblast_computes(device, call);
}

/* On a device that verify found exact, only kernels that a tuning chose are tested. */
static bool needs_test(const self_test *t, const op_args *call)
{
    if (!t->device->tester.test || is_exempt(t->device, call)) return false;
    return t->record.tier != TAS_TIER_EXACT || tuning_changes(t->device, call);
}

static tas_status test(void *self, const op_args *call, bool pieces)
{
    self_test *t = self;
    rehearsal needed = {.count = 0};
    if (!needs_test(t, call)) return TAS_OK;
    tas_status status = rehearse(t->device, call, &needed);
    needed.cuts |= pieces;
    if (!status) status = test_kernels(t, call, &needed);
    if (!t->preparing) write_record(t);
    return status;
}

/* The call itself, on as few examples as the reference computes in a moment. */
static tas_status check_sizes(self_test *t, const op_args *call)
{
    const op_row *row = op_get(call->op);
    const uint64_t flops = row->flops ? row->flops(call) : 0;
    op_args few = *call;
    tas_status status = TAS_OK;
    few.first = 0;
    while (few.n > 1 && flops * few.n > CHECKED_FLOPS) few.n /= 2;
    few.batch = few.n;
    const device_state state = begin_cases(t->device, CUTS_NONE);
    for (uint32_t number = 0; number < 2 && row->fit(&few) && !status && !t->wrong; number++) {
        difference what;
        status = case_verify_call(t->device, &few, number, &what);
        t->wrong |= what.found || what.stray;
    }
    end_cases(t->device, &state);
    return status;
}

static tas_status check(void *self, const op_args *call, bool *right)
{
    self_test *t = self;
    rehearsal needed = {.count = 0};
    *right = true;
    if (is_exempt(t->device, call)) return TAS_OK;
    t->checking = true;
    t->wrong = false;
    tas_status status = rehearse(t->device, call, &needed);
    if (!status) status = test_kernels(t, call, &needed);
    if (!status && !t->wrong) status = check_sizes(t, call);
    t->checking = false;
    *right = !t->wrong;
    write_record(t);
    return status;
}

/* ---- Kernels that are known to be needed ---- */

/* Each kernel once. */
typedef struct kernel_list {
    rehearsed_kernel *kernel;
    int count;
} kernel_list;

/* *tests: some have to be tested. */
static tas_status list_unbuilt(self_test *t, const op_args *calls, int count, kernel_list *list, bool *tests)
{
    tas_status status = TAS_OK;
    for (int i = 0; i < count && !status; i++) {
        rehearsal needed = {.count = 0};
        if (is_exempt(t->device, &calls[i])) continue;
        status = rehearse(t->device, &calls[i], &needed);
        if (needs_test(t, &calls[i]) && find_untested(t, calls[i].op, false, &needed).count) *tests = true;
        for (int k = 0; k < needed.count && !status; k++) {
            if (rehearse_find(list->kernel, list->count, &needed.kernel[k]) < list->count) continue;
            if (rehearse_is_built(t->device, &needed.kernel[k])) continue;
            rehearsed_kernel *grown = realloc(list->kernel, (size_t)(list->count + 1) * sizeof *grown);
            if (!grown) status = fail(t->device->context, TAS_NO_MEMORY, "no memory for a list of kernels");
            if (!grown) break;
            list->kernel = grown;
            list->kernel[list->count++] = needed.kernel[k];
        }
    }
    return status;
}

/* All programs at once. */
static void build_programs(self_test *t, const kernel_list *list)
{
    if (!list->count) return;
    const double begin = now_seconds();
    build_progress_report(&t->progress, list->kernel[0].name, 1);
    rehearse_build_all(t->device, list->kernel, list->count);
    t->progress.shows |= now_seconds() - begin > real_build;
}

static tas_status prepare_call(self_test *t, const op_args *call)
{
    rehearsal needed = {.count = 0};
    if (is_exempt(t->device, call)) return TAS_OK;
    tas_status status = rehearse(t->device, call, &needed);
    for (int k = 0; k < needed.count && !status; k++) {
        if (rehearse_is_built(t->device, &needed.kernel[k])) continue;
        build_progress_report(&t->progress, needed.kernel[k].name, ++t->progress.done);
        const double begin = now_seconds();
        status = rehearse_build(t->device, &needed.kernel[k]);
        t->progress.shows |= now_seconds() - begin > real_build;
    }
    return !status && needs_test(t, call) ? test_kernels(t, call, &needed) : status;
}

static tas_status prepare(void *self, const op_args *calls, int count)
{
    self_test *t = self;
    const bool reported = t->device->reported;
    kernel_list list = {NULL, 0};
    bool tests = false;
    tas_status status = list_unbuilt(t, calls, count, &list, &tests);
    build_progress_begin(&t->progress, t->device, list.count, tests);
    t->preparing = t->device->reported = true;
    if (!status) build_programs(t, &list);
    free(list.kernel);
    for (int i = 0; i < count && !status; i++) status = prepare_call(t, &calls[i]);
    t->preparing = false;
    t->device->reported = reported;
    write_record(t);
    build_progress_end(&t->progress);
    return status == TAS_NO_MEMORY ? TAS_OK
                                   : status; /* the rest is built and tested at its first use: a run recovers */
}

/* ---- All of it ---- */

tas_status self_test_all(tas_device *device)
{
    self_test *t = device->tester.self;
    tas_status status = TAS_OK;
    if (!t || !device->tester.test) return TAS_OK;
    build_progress_begin(&t->progress, device, OP_COUNT, true);
    for (int op = 0; op < OP_COUNT && !status; op++) {
        case_results results;
        char text[CASES_TEXT];
        if (device->arith == TAS_ARITH_FAST && !clblast_unused(device) && clblast_provides((op_id)op)) continue;
        build_progress_report(&t->progress, op_get((op_id)op)->name, op + 1);
        const device_state state = begin_cases(device, CUTS_SOME);
        status = cases_verify(device, (op_id)op, 1, SELF_TEST_CASES, SELF_TEST_CASES, NULL, &results);
        end_cases(device, &state);
        if (!status && results.failed) status = refuse(t, (op_id)op, cases_print(&results, text));
    }
    build_progress_end(&t->progress);
    if (status || device->arith == TAS_ARITH_FAST) return status; /* its own products were not tested */
    device->info.tier = TAS_TIER_EXACT;
    device->tester.test = NULL;
    tier_remember(device->context, &device->info, TAS_TIER_EXACT);
    return TAS_OK;
}

static void close_test(void *self)
{
    self_test *t = self;
    tier_free(&t->record);
    free(t);
}

tas_status self_test_attach(tas_device *device)
{
    self_test *t = calloc(1, sizeof *t);
    if (!t) return fail(device->context, TAS_NO_MEMORY, "%s: no memory to test it", device->info.id);
    t->device = device;
    tier_read(&device->info, &t->record);
    device->info.tier = t->record.tier;
    device->tester = (device_tester){.self = t, .test = test, .check = check, .prepare = prepare, .close = close_test};
    if (t->record.tier == TAS_TIER_EXACT && !tuning_of(device)) device->tester.test = NULL;
    return TAS_OK;
}
