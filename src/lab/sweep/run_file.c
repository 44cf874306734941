#include "lab/sweep/run_file.h"

#include "lab/sweep/json.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Loss and accuracy have values of this size; sums of squares of gradients too. */
static const double LARGE = 1e300, WHOLE = 0x1p53; /* the largest counts that doubles hold exactly */

/* Writing ---------------------------------------------------------------------------------------------------------- */

static json_t *encode_noise(const noise_scale *n)
{
    if (!n->steps && !n->skipped) return json_null();
    json_t *out = json_array();
    json_array_append_new(out, json_count(n->steps));
    json_array_append_new(out, json_count(n->skipped));
    json_array_append_new(out, json_count(n->pairs));
    const double numbers[] = {n->trace, n->square, n->last_trace, n->last_square, n->traces, n->products, n->squares};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) json_array_append_new(out, json_known(numbers[i]));
    return out;
}

static json_t *encode_points(const sweep_run *run)
{
    json_t *out = json_array();
    for (int i = 0; i < run->points; i++) {
        const sweep_point *p = &run->point[i];
        const double numbers[] = {p->seconds, p->train_loss, p->train_accuracy, p->loss, p->accuracy, p->target_value};
        json_t *one = json_array();
        json_array_append_new(one, json_count(p->step));
        json_array_append_new(one, json_count(p->examples));
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            json_array_append_new(one, json_known(numbers[k]));
        json_array_append_new(one, encode_noise(&p->noise));
        json_array_append_new(out, one);
    }
    return out;
}

json_t *run_file_encode(const run_key *key, const sweep_run *run, const char *place, int contract)
{
    char name[RUN_NAME_BYTES];
    json_t *out = json_object();
    run_key_name(key, name, sizeof name);
    json_object_set_new(out, "name", json_string(name));
    json_object_set_new(out, "contract", json_integer(contract));
    json_object_set_new(out, "batch", json_count(run->batch));
    json_object_set_new(out, "seed", json_count(run->seed));
    json_object_set_new(out, "lr", json_known(run->lr));
    json_object_set_new(out, "search", json_boolean(run->search));
    json_object_set_new(out, "give_up", json_known(run->give_up)); /* null: never */
    json_object_set_new(out, "start", json_known(run->start));
    json_object_set_new(out, "target", json_known(run->target));
    json_object_set_new(out, "place", json_string(place));
    json_object_set_new(out, "outcome", json_count(run->outcome));
    json_object_set_new(out, "steps", json_known(run->steps));
    json_object_set_new(out, "seconds", json_known(run->seconds));
    json_object_set_new(out, "race", json_known(run->final_metric));
    json_object_set_new(out, "memory", json_count(run->memory));
    json_object_set_new(out, "noise", encode_noise(&run->noise));
    json_object_set_new(out, "points", encode_points(run));
    return out;
}

/* Reading ---------------------------------------------------------------------------------------------------------- */

/* Keeps the first thing that does not fit. */
typedef struct reader {
    char *why;
    size_t bytes;
} reader;

static void refuse(const reader *r, const char *what, const char *how)
{
    if (!r->why[0]) snprintf(r->why, r->bytes, "\"%s\" %s", what, how);
}

static void require(const reader *r, bool fits, const char *what, const char *how)
{
    if (!fits) refuse(r, what, how);
}

/* A finite number within its range. */
static double read_real(const reader *r, const json_t *in, const char *what, double low, double high)
{
    const double x = json_is_number(in) ? json_number_value(in) : NAN;
    require(r, x >= low && x <= high, what, "is out of range");
    return x;
}

/* The same, or null: not known. */
static double read_known(const reader *r, const json_t *in, const char *what, double low, double high)
{
    return json_is_null(in) ? NAN : read_real(r, in, what, low, high);
}

static uint64_t read_count(const reader *r, const json_t *in, const char *what, uint64_t low, uint64_t high)
{
    uint64_t x;
    const bool fits = json_read_count(in, &x);
    require(r, fits && x >= low && x <= high, what, "is out of range");
    return x;
}

static noise_scale read_noise(const reader *r, const json_t *in, uint64_t steps)
{
    noise_scale n = {0};
    if (json_is_null(in)) return n;
    require(r, json_is_array(in) && json_array_size(in) == 10, "noise", "has not 10 numbers");
    n.steps = read_count(r, json_array_get(in, 0), "noise", 0, steps);
    n.skipped = read_count(r, json_array_get(in, 1), "noise", 0, steps);
    n.pairs = read_count(r, json_array_get(in, 2), "noise", 0, n.steps);
    double *const signed_[] = {&n.trace, &n.square, &n.last_trace, &n.last_square};
    for (size_t i = 0; i < 4; i++) *signed_[i] = read_real(r, json_array_get(in, 3 + i), "noise", -LARGE, LARGE);
    n.traces = read_real(r, json_array_get(in, 7), "noise", 0, LARGE);
    n.products = read_real(r, json_array_get(in, 8), "noise", -LARGE, LARGE);
    n.squares = read_real(r, json_array_get(in, 9), "noise", 0, LARGE);
    return n;
}

static sweep_point read_point(const reader *r, const json_t *in)
{
    sweep_point p = {.step = 0};
    require(r, json_array_size(in) == 9, "points", "are not of 9 parts each");
    p.step = read_count(r, json_array_get(in, 0), "step", 0, UINT32_MAX);
    p.examples = read_count(r, json_array_get(in, 1), "examples", 0, UINT64_MAX);
    p.seconds = read_real(r, json_array_get(in, 2), "seconds", 0, LARGE);
    p.train_loss = read_known(r, json_array_get(in, 3), "training loss", 0, LARGE);
    p.train_accuracy = read_known(r, json_array_get(in, 4), "training accuracy", 0, 1);
    p.loss = read_known(r, json_array_get(in, 5), "loss", 0, LARGE);
    p.accuracy = read_known(r, json_array_get(in, 6), "accuracy", 0, 1);
    p.target_value = read_known(r, json_array_get(in, 7), "value of the target", 0, LARGE);
    p.noise = read_noise(r, json_array_get(in, 8), p.step);
    return p;
}

/* Examples after so many steps: the last batch of an epoch may be smaller. All three are below 2^32. */
static uint64_t examples_after(uint64_t step, uint64_t batch, uint64_t all)
{
    const uint64_t steps = (all + batch - 1) / batch, rest = step % steps * batch;
    return step / steps * all + (rest < all ? rest : all);
}

/* In the order of steps, each with the examples of its step, none beyond the run's end. */
static void check_point(const reader *r, const run_limits *limits, const run_key *key, const sweep_run *run, int i)
{
    const sweep_point *p = &run->point[i];
    if (r->why[0]) return;
    require(r, !i || p->step >= p[-1].step, "step", "is before that of an earlier point");
    require(r, p->examples == examples_after(p->step, key->batch, limits->examples), "examples", "do not fit the step");
    require(r, (double)p->examples <= key->most + (double)key->batch, "examples", "are more than the run's");
}

static void read_points(const reader *r, const json_t *in, const run_limits *limits, const run_key *key, sweep_run *run)
{
    const size_t points = json_array_size(in);
    require(r, points >= 1, "points", "are missing");
    run->point = calloc(points ? points : 1, sizeof *run->point);
    if (!run->point) return refuse(r, "points", "need more memory than there is");
    for (size_t i = 0; i < points && !r->why[0]; i++) {
        run->point[i] = read_point(r, json_array_get(in, i));
        run->points = (int)i + 1;
        check_point(r, limits, key, run, (int)i);
    }
}

static bool is_rate(double lr) { return lr > 0 && lr <= (double)FLT_MAX && (double)(float)lr == lr; }

static bool has_seed(const run_limits *limits, const run_key *key)
{
    const uint64_t after = key->seed - limits->seed; /* modulo 2^64, as seeds are made */
    if (key->kind == RUN_SEARCH || key->kind == RUN_DEEP) return after == 0 || after == SWEEP_SECOND_SEED;
    if (key->kind == RUN_TO_TARGET && after >= SWEEP_CHECK_SEED) return after < SWEEP_CHECK_SEED + SWEEP_CHECKS;
    return after >= 1 && after <= SWEEP_SEEDS;
}

static void check_key(const reader *r, const run_limits *limits, const run_key *key)
{
    require(r, key->batch >= 1 && key->batch <= limits->examples && key->batch <= UINT32_MAX, "batch",
            "is larger than the set");
    require(r, is_rate(key->lr), "lr", "is out of range");
    require(r, has_seed(limits, key), "seed", "is none of this sweep");
    require(r, key->target >= 0 && key->target <= LARGE, "target", "is out of range");
    const bool searches = key->kind == RUN_SEARCH || key->kind == RUN_DEEP;
    require(r, isnan(limits->target) || key->target == limits->target, "target", "is not that of this sweep");
    require(r, key->target > 0 || searches, "target", "is missing");
    require(r, key->target == 0 || key->kind != RUN_DEEP, "target", "is that of another kind of run");
    require(r, key->most >= 1 && key->most <= WHOLE, "name", "has a number out of range");
    require(r, key->least >= 0 && key->least <= WHOLE, "name", "has a number out of range");
    require(r, key->look >= 0 && key->look <= WHOLE, "name", "has a number out of range");
}

/* What the name states is also stored; both have to agree. */
static void check_names(const reader *r, const json_t *in, const run_key *key, const sweep_run *run)
{
    const char *how = "does not match the name";
    const json_t *search = json_object_get(in, "search");
    require(r, run->batch == key->batch, "batch", how);
    require(r, run->seed == key->seed, "seed", how);
    require(r, run->lr == key->lr, "lr", how);
    require(r, run->target == key->target, "target", how);
    require(r, json_is_boolean(search) && run->search == (key->kind == RUN_SEARCH || key->kind == RUN_DEEP), "search",
            how);
}

/* The target was reached at one of the points, if it was. */
static void check_outcome(const reader *r, const run_limits *limits, const sweep_run *run)
{
    bool is_point = false;
    if (r->why[0]) return;
    for (int i = 0; i < run->points; i++) is_point |= (double)run->point[i].step == run->steps;
    require(r, run->outcome == ROW_REACHED ? is_point : isnan(run->steps), "steps", "do not match the outcome");
    require(r, isnan(run->steps) == isnan(run->seconds), "seconds", "do not match the steps");
    require(r, run->outcome != ROW_REACHED || run->target > 0, "outcome", "needs a target");
    require(r, isnan(run->final_metric) || limits->by_accuracy == (run->final_metric < 0) || run->final_metric == 0,
            "race", "is out of range");
}

static void read_numbers(const reader *r, const json_t *in, sweep_run *run)
{
    const json_t *give_up = json_object_get(in, "give_up");
    run->batch = read_count(r, json_object_get(in, "batch"), "batch", 1, UINT32_MAX);
    run->seed = read_count(r, json_object_get(in, "seed"), "seed", 0, UINT64_MAX);
    run->lr = read_real(r, json_object_get(in, "lr"), "lr", 0, LARGE);
    run->search = json_is_true(json_object_get(in, "search"));
    run->give_up = json_is_null(give_up) ? INFINITY : read_real(r, give_up, "give_up", 0, LARGE);
    run->start = read_real(r, json_object_get(in, "start"), "start", 0, LARGE);
    run->target = read_real(r, json_object_get(in, "target"), "target", 0, LARGE);
    run->outcome = (row_outcome)read_count(r, json_object_get(in, "outcome"), "outcome", ROW_REACHED, ROW_UNDERTRAINED);
    run->steps = read_known(r, json_object_get(in, "steps"), "steps", 1, UINT32_MAX);
    run->seconds = read_known(r, json_object_get(in, "seconds"), "seconds", 0, LARGE);
    run->final_metric = read_known(r, json_object_get(in, "race"), "race", -1, LARGE);
    run->memory = read_count(r, json_object_get(in, "memory"), "memory", 0, INT64_MAX);
    run->noise = read_noise(r, json_object_get(in, "noise"), UINT32_MAX);
}

bool run_file_decode(const json_t *in, const run_limits *limits, const char *place, run_key *key, sweep_run *run,
                     char *why, size_t bytes)
{
    const reader r = {why, bytes};
    const char *name = json_string_value(json_object_get(in, "name"));
    const char *there = json_string_value(json_object_get(in, "place"));
    const json_t *contract = json_object_get(in, "contract");
    *run = (sweep_run){.elsewhere = !there || strcmp(there, place) != 0};
    why[0] = 0;
    if (!name || !run_key_parse(name, key)) {
        refuse(&r, "name", "is not that of a run");
        return false;
    }
    if (!json_is_integer(contract) || json_integer_value(contract) != limits->contract)
        refuse(&r, "contract", "is another version of the arithmetic contract, under which results have other bits");
    check_key(&r, limits, key);
    read_numbers(&r, in, run);
    check_names(&r, in, key, run);
    if (!why[0]) read_points(&r, json_object_get(in, "points"), limits, key, run);
    check_outcome(&r, limits, run);
    if (!why[0]) return true;
    free(run->point);
    run->point = NULL;
    run->points = 0;
    return false;
}
