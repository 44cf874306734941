/* The noise scale from two norms per step (McCandlish et al. 2018, arXiv 1812.06162, appendix A.1). With G_b and G_B
 * the mean gradients of a small and a big batch,
 *
 *     trace  = ( |G_b|^2 - |G_B|^2 ) / ( 1/b - 1/B )
 *     square = |G_B|^2 - trace ( 1/B - 1/N )
 *
 * without bias, if batches are drawn without replacement from N examples; with replacement, or from an endless set, 1/N
 * is 0. Both are averaged over steps, and divided last: see noise_scale.h. */
#include "lab/advise/records.h"

#include "base/format.h"
#include "stats/noise_scale.h"

#include <tassello/lab.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEP, SMALL_BATCH, SMALL_NORM, BIG_BATCH, BIG_NORM, COLUMNS, ROWS = 1000000, PART_ROWS = 50 };

#define NORM_EXPECTED "a squared norm: a number, 0 or more, or nan"
#define BATCH_EXPECTED "a whole number from 1 to 9007199254740992"

static const records_column columns[COLUMNS] = {
    [STEP] = {.name = "step", .expected = "a whole number, 0 or more", .most = 0x1p53, .whole = true, .required = true},
    [SMALL_BATCH] = {.name = "small_batch",
                     .expected = BATCH_EXPECTED,
                     .least = 1,
                     .most = 0x1p53,
                     .whole = true,
                     .required = true},
    [SMALL_NORM] =
        {.name = "small_norm_sq", .expected = NORM_EXPECTED, .most = 1e300, .required = true, .not_finite = true},
    [BIG_BATCH] =
        {.name = "big_batch", .expected = BATCH_EXPECTED, .least = 1, .most = 0x1p53, .whole = true, .required = true},
    [BIG_NORM] =
        {.name = "big_norm_sq", .expected = NORM_EXPECTED, .most = 1e300, .required = true, .not_finite = true},
};

typedef struct norms_row {
    uint64_t step;
    double trace, square; /* NaN: skipped */
} norms_row;

typedef struct norms {
    records_reader reader;
    uint64_t examples;
    norms_row *row;
    size_t count, room;
    double log_batch; /* sum over the rows */
} norms;

static tas_status on_head(void *user, const bool *present, uint64_t line)
{
    (void)user, (void)present, (void)line;
    return TAS_OK;
}

static tas_status check_row(const norms *n, const records_value *v)
{
    const records_value *step = &v[STEP], *big = &v[BIG_BATCH];
    if (n->count && step->whole <= n->row[n->count - 1].step)
        return records_fail(&n->reader, step->line, step->column,
                            "step %" PRIu64 " after %" PRIu64 "; expected them in order", step->whole,
                            n->row[n->count - 1].step);
    if (big->whole <= v[SMALL_BATCH].whole)
        return records_fail(&n->reader, big->line, big->column,
                            "big_batch %" PRIu64 ": expected more than the small_batch of %" PRIu64, big->whole,
                            v[SMALL_BATCH].whole);
    if (n->examples && big->whole > n->examples)
        return records_fail(&n->reader, big->line, big->column,
                            "big_batch %" PRIu64 ": expected at most the %" PRIu64 " examples of the set", big->whole,
                            n->examples);
    if (n->count == ROWS) return records_fail(&n->reader, step->line, 1, "more than %d rows", (int)ROWS);
    return TAS_OK;
}

static tas_status on_row(void *user, const records_value *v, uint64_t line)
{
    norms *n = user;
    (void)line;
    tas_status status = check_row(n, v);
    if (status) return status;
    if (n->count == n->room) {
        n->room = n->room ? 2 * n->room : 256;
        norms_row *more = realloc(n->row, n->room * sizeof *more);
        if (!more) return fail(n->reader.context, TAS_NO_MEMORY, "%s: no memory for its rows", n->reader.name);
        n->row = more;
    }
    const double small = 1 / (double)v[SMALL_BATCH].whole, big = 1 / (double)v[BIG_BATCH].whole;
    const double all = n->examples ? 1 / (double)n->examples : 0;
    norms_row row = {.step = v[STEP].whole, .trace = (v[SMALL_NORM].real - v[BIG_NORM].real) / (small - big)};
    row.square = v[BIG_NORM].real - row.trace * (big - all);
    if (!isfinite(row.trace) || !isfinite(row.square)) row.trace = row.square = NAN;
    n->row[n->count++] = row;
    n->log_batch += log((double)v[BIG_BATCH].whole);
    return TAS_OK;
}

/* Of the rows from first on, before end. A row that is skipped interrupts the pairs of successive ones. */
static tas_advise_noise_range range_of(const norms *n, size_t first, size_t end, noise_scale *sum)
{
    static const tas_noise_state states[] = {
        [NOISE_UNKNOWN] = TAS_NOISE_UNKNOWN, [NOISE_AT_LEAST] = TAS_NOISE_AT_LEAST, [NOISE_KNOWN] = TAS_NOISE_KNOWN};
    *sum = (noise_scale){0};
    for (size_t i = first; i < end; i++) {
        if (isfinite(n->row[i].trace)) {
            noise_scale_add(sum, n->row[i].trace, n->row[i].square);
        } else {
            sum->skipped++;
            sum->follows = false;
        }
    }
    const noise_scale_range r = noise_scale_result(sum);
    return (tas_advise_noise_range){
        .first = n->row[first].step,
        .last = n->row[end - 1].step,
        .noise = {.state = states[r.state], .value = r.value, .low = r.low, .high = r.high, .steps = r.steps}};
}

static void write_reason(const tas_noise *noise, tas_advise_noise *out)
{
    text_buffer w = {.text = out->reason, .bytes = sizeof out->reason};
    if (noise->state == TAS_NOISE_UNKNOWN) {
        format_add(&w, "Not known yet: the interval has no bounds. More rows narrow it, and so does a larger ratio of "
                       "the two batches.");
        return;
    }
    format_add(&w,
               "With plain SGD it approximates the critical batch (at best within a factor of 2; ratios from 0.05 to "
               "8 have been reported): a batch well below it needs more steps, a batch well above it more examples "
               "to the same loss. With momentum or Adam it is the noise of the raw gradient and no batch size: what "
               "a batch size costs shows in runs at several of them.");
    const double ratio = out->batch / (isfinite(noise->high) ? noise->high : noise->low);
    if (noise->state == TAS_NOISE_KNOWN && ratio > 2)
        format_add(&w,
                   " The big batch of %s is above the whole interval: with plain SGD most of its examples are not "
                   "needed.",
                   format_number(out->batch).text);
    else if (noise->low > 2 * out->batch)
        format_add(&w,
                   " The big batch of %s is below the whole interval: with plain SGD a larger one would need fewer "
                   "steps for hardly more examples.",
                   format_number(out->batch).text);
}

static void conclude(const norms *n, tas_advise_noise *out)
{
    noise_scale sum;
    const size_t parts = n->count / TAS_ADVISE_NOISE_PARTS >= PART_ROWS ? TAS_ADVISE_NOISE_PARTS : 0;
    for (size_t i = 0; i < parts; i++)
        out->part[i] = range_of(n, n->count * i / parts, n->count * (i + 1) / parts, &sum);
    out->parts = (int)parts;
    out->all = range_of(n, 0, n->count, &sum);
    out->skipped = sum.skipped;
    out->trace = sum.steps ? sum.trace : NAN;
    out->square = sum.steps ? sum.square : NAN;
    out->batch = exp(n->log_batch / (double)n->count);
    write_reason(&out->all.noise, out);
}

tas_status tas_advise_noise_text(tas_context *context, const char *name, const char *text, size_t bytes,
                                 uint64_t examples, tas_advise_noise *out)
{
    entry_state saved;
    entry_begin(context, &saved);
    norms n = {.examples = examples};
    memset(out, 0, sizeof *out);
    n.reader = (records_reader){.context = context,
                                .name = name,
                                .columns = columns,
                                .count = COLUMNS,
                                .head = on_head,
                                .row = on_row,
                                .user = &n};
    const tas_status status = records_read(&n.reader, text, bytes);
    if (!status) conclude(&n, out);
    free(n.row);
    entry_end(&saved);
    return status;
}
