#include "lab/advise/rows.h"

#include "lab/advise/records.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH,
    LR,
    SEED,
    EXAMPLES,
    STEPS,
    SECONDS,
    LOSS,
    TRAIN_LOSS,
    ACCURACY,
    TARGET_VALUE,
    COLUMNS,
    TABLE = 2 * ROWS_RUNS /* places of the hash table, a power of two */
};

#define LOSS_EXPECTED "a number, 0 or more, or nan"

static const records_column columns[COLUMNS] = {
    [BATCH] = {.name = "batch",
               .expected = "a whole number from 1 to 16777216",
               .least = 1,
               .most = 1 << 24,
               .whole = true,
               .required = true},
    [LR] = {.name = "lr", .expected = "a number above 0", .least = RECORDS_ABOVE_0, .most = 1e9, .required = true},
    [SEED] = {.name = "seed",
              .expected = "a whole number, 0 or more",
              .least = 0,
              .most = 0x1p64,
              .whole = true,
              .required = true},
    [EXAMPLES] = {.name = "examples",
                  .expected = "a whole number, 0 or more",
                  .least = 0,
                  .most = 0x1p53,
                  .whole = true,
                  .optional = true},
    [STEPS] = {.name = "steps", .expected = "a number, 0 or more", .least = 0, .most = 0x1p53, .optional = true},
    [SECONDS] = {.name = "seconds",
                 .expected = "a number, 0 or more",
                 .least = 0,
                 .most = 1e12,
                 .required = true,
                 .optional = true},
    [LOSS] = {.name = "loss",
              .expected = LOSS_EXPECTED,
              .least = 0,
              .most = DBL_MAX,
              .required = true,
              .optional = true,
              .not_finite = true},
    [TRAIN_LOSS] = {.name = "train_loss",
                    .expected = LOSS_EXPECTED,
                    .least = 0,
                    .most = DBL_MAX,
                    .optional = true,
                    .not_finite = true},
    [ACCURACY] = {.name = "accuracy", .expected = "a number from 0 to 1", .least = 0, .most = 1, .optional = true},
    [TARGET_VALUE] = {.name = "target_value",
                      .expected = LOSS_EXPECTED,
                      .least = 0,
                      .most = DBL_MAX,
                      .optional = true,
                      .not_finite = true},
};

typedef struct parser {
    records_reader reader;
    rows *rows;
    int table[TABLE]; /* 1 + the run; 0: free */
    int room;
    int points_room[ROWS_RUNS];
    uint64_t line[ROWS_RUNS]; /* of each run's first row */
    int last;                 /* the run of the row before */
} parser;

static double real_or(const records_value *v, double other) { return v->given ? v->real : other; }

/* The run of a row ------------------------------------------------------------------------------------------------- */

static bool is_run(const sweep_run *run, const records_value *v)
{
    return run->batch == v[BATCH].whole && run->lr == v[LR].real && run->seed == v[SEED].whole;
}

static uint32_t hash_run(const records_value *v)
{
    uint64_t bits, h = v[BATCH].whole;
    memcpy(&bits, &v[LR].real, sizeof bits);
    h = (h ^ bits) * 0x9e3779b97f4a7c15;
    h = (h ^ h >> 29 ^ v[SEED].whole) * 0xbf58476d1ce4e5b9;
    return (uint32_t)(h >> 32) % TABLE;
}

static tas_status add_run(parser *p, const records_value *v, uint64_t line)
{
    rows *r = p->rows;
    if (r->runs == ROWS_RUNS)
        return records_fail(&p->reader, line, 1, "more than %d runs (batch, lr and seed)", (int)ROWS_RUNS);
    if (r->runs == p->room) {
        p->room = p->room ? 2 * p->room : 64;
        sweep_run *more = realloc(r->run, (size_t)p->room * sizeof *more);
        if (!more) return fail(p->reader.context, TAS_NO_MEMORY, "%s: no memory for its runs", p->reader.name);
        r->run = more;
    }
    p->line[r->runs] = line;
    r->run[r->runs++] = (sweep_run){.batch = v[BATCH].whole,
                                    .seed = v[SEED].whole,
                                    .lr = v[LR].real,
                                    .outcome = ROW_UNDERTRAINED,
                                    .steps = NAN,
                                    .seconds = NAN,
                                    .final_metric = NAN};
    return TAS_OK;
}

/* *at: the run with the row's batch, rate and seed, which is made if there is none. */
static tas_status find_run(parser *p, const records_value *v, uint64_t line, int *at)
{
    if (p->rows->runs && is_run(&p->rows->run[p->last], v)) {
        *at = p->last;
        return TAS_OK;
    }
    uint32_t place = hash_run(v);
    while (p->table[place] && !is_run(&p->rows->run[p->table[place] - 1], v)) place = (place + 1) % TABLE;
    *at = p->table[place] - 1;
    if (*at < 0) {
        const tas_status status = add_run(p, v, line);
        if (status) return status;
        *at = p->rows->runs - 1;
        p->table[place] = *at + 1;
    }
    p->last = *at;
    return TAS_OK;
}

static tas_status add_point(parser *p, int at, const sweep_point *point)
{
    sweep_run *run = &p->rows->run[at];
    if (run->points == p->points_room[at]) {
        p->points_room[at] = p->points_room[at] ? 2 * p->points_room[at] : p->rows->evaluations ? 32 : 1;
        sweep_point *more = realloc(run->point, (size_t)p->points_room[at] * sizeof *more);
        if (!more) return fail(p->reader.context, TAS_NO_MEMORY, "%s: no memory for its rows", p->reader.name);
        run->point = more;
    }
    run->point[run->points++] = *point;
    return TAS_OK;
}

/* Rows ------------------------------------------------------------------------------------------------------------- */

static sweep_point point_of(const records_value *v, double steps, double examples)
{
    return (sweep_point){.step = (uint64_t)llround(steps),
                         .examples = (uint64_t)llround(examples),
                         .seconds = real_or(&v[SECONDS], NAN),
                         .target_value = v[TARGET_VALUE].given ? v[TARGET_VALUE].real : real_or(&v[LOSS], NAN),
                         .train_loss = real_or(&v[TRAIN_LOSS], NAN),
                         .train_accuracy = NAN,
                         .loss = real_or(&v[LOSS], NAN),
                         .accuracy = real_or(&v[ACCURACY], NAN)};
}

/* A whole run: the first of its batch, rate and seed. */
static tas_status add_whole(parser *p, const records_value *v, int at, uint64_t line)
{
    sweep_run *run = &p->rows->run[at];
    if (run->points)
        return records_fail(&p->reader, line, 1,
                            "a second row for batch %" PRIu64 ", lr %g, seed %" PRIu64 ", as in line %" PRIu64
                            "; for one row per evaluation a column 'examples' is missing",
                            run->batch, run->lr, run->seed, p->line[at]);
    if (v[STEPS].given && !(v[STEPS].real > 0))
        return records_fail(&p->reader, v[STEPS].line, v[STEPS].column,
                            "steps 0: expected a number above 0, or nothing if the target was not reached");
    const double steps = real_or(&v[STEPS], 0);
    sweep_point point = point_of(v, steps, fmin(steps * (double)run->batch, 0x1p62));
    if (v[STEPS].given) {
        run->outcome = ROW_REACHED;
        run->steps = v[STEPS].real;
        if (v[SECONDS].given && v[SECONDS].real > 0) run->seconds = v[SECONDS].real;
    } else if (v[LOSS].given && !isfinite(v[LOSS].real)) {
        run->outcome = ROW_DIVERGED;
    }
    if (!isfinite(point.loss)) point.loss = point.target_value = NAN;
    return add_point(p, at, &point);
}

static tas_status check_order(const parser *p, const records_value *v, const sweep_run *run, const sweep_point *now)
{
    if (!run->points) return TAS_OK;
    const sweep_point *before = &run->point[run->points - 1];
    const records_value *where = v[EXAMPLES].given ? &v[EXAMPLES] : &v[STEPS];
    if (now->examples <= before->examples)
        return records_fail(&p->reader, where->line, where->column,
                            "%s: %" PRIu64 " examples after %" PRIu64 " in the same run (batch %" PRIu64
                            ", lr %g, seed %" PRIu64 "); expected more",
                            v[EXAMPLES].given ? "examples" : "steps", now->examples, before->examples, run->batch,
                            run->lr, run->seed);
    if (now->seconds < before->seconds)
        return records_fail(&p->reader, v[SECONDS].line, v[SECONDS].column,
                            "seconds %g after %g in the same run; expected the time since its start", now->seconds,
                            before->seconds);
    if (now->step < before->step)
        return records_fail(&p->reader, v[STEPS].line, v[STEPS].column,
                            "steps %" PRIu64 " after %" PRIu64 " in the same run; expected more", now->step,
                            before->step);
    return TAS_OK;
}

static tas_status add_evaluation(parser *p, const records_value *v, int at, uint64_t line)
{
    const sweep_run *run = &p->rows->run[at];
    const double batch = (double)run->batch;
    if (!v[EXAMPLES].given && !v[STEPS].given)
        return records_fail(&p->reader, v[EXAMPLES].line ? v[EXAMPLES].line : line,
                            v[EXAMPLES].line ? v[EXAMPLES].column : 1,
                            "neither examples nor steps; expected one of them");
    const double examples = v[EXAMPLES].given ? v[EXAMPLES].real : fmin(v[STEPS].real * batch, 0x1p62);
    const double steps = v[STEPS].given ? v[STEPS].real : examples / batch;
    const sweep_point point = point_of(v, steps, examples);
    if (run->points == ROWS_POINTS)
        return records_fail(&p->reader, line, 1, "more than %d evaluations of one run", (int)ROWS_POINTS);
    const tas_status status = check_order(p, v, run, &point);
    return status ? status : add_point(p, at, &point);
}

static tas_status on_head(void *user, const bool *present, uint64_t line)
{
    parser *p = user;
    p->rows->evaluations = present[EXAMPLES];
    if (!present[EXAMPLES] && !present[STEPS])
        return records_fail(&p->reader, line, 1,
                            "no column 'steps' (to the target, one row per run), nor 'examples' (one row per "
                            "evaluation)");
    return TAS_OK;
}

static tas_status on_row(void *user, const records_value *v, uint64_t line)
{
    parser *p = user;
    int at;
    if (p->rows->count == ROWS_MOST) return records_fail(&p->reader, line, 1, "more than %d rows", (int)ROWS_MOST);
    if (!p->rows->evaluations && v[EXAMPLES].given) /* JSON lines */
        return records_fail(&p->reader, v[EXAMPLES].line, v[EXAMPLES].column,
                            "examples, which the first row does not have; expected either rows of runs or of "
                            "evaluations");
    tas_status status = find_run(p, v, line, &at);
    if (status) return status;
    p->rows->count++;
    return p->rows->evaluations ? add_evaluation(p, v, at, line) : add_whole(p, v, at, line);
}

tas_status rows_read(tas_context *context, const char *name, const char *text, size_t bytes, rows *out)
{
    *out = (rows){.run = NULL};
    parser *p = calloc(1, sizeof *p);
    if (!p) return fail(context, TAS_NO_MEMORY, "%s: no memory to read it", name);
    p->rows = out;
    p->reader = (records_reader){.context = context,
                                 .name = name,
                                 .columns = columns,
                                 .count = COLUMNS,
                                 .head = on_head,
                                 .row = on_row,
                                 .user = p};
    const tas_status status = records_read(&p->reader, text, bytes);
    free(p);
    return status;
}

void rows_free(rows *r)
{
    for (int i = 0; i < r->runs; i++) free(r->run[i].point);
    free(r->run);
    *r = (rows){.run = NULL};
}
