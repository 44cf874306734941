#include "lab/branch/critical.h"

#include "stats/distributions.h"
#include "stats/running.h"

#include <math.h>
#include <string.h>

/* The branches that count: row 0 is the smallest batch. */
typedef struct branches {
    const critical_input *input;
    int count;                      /* batches */
    int row[CRITICAL_BATCHES];      /* their rows in the input */
    int edge;                       /* the row of the input of the first batch that diverged; -1: none */
    double t[CRITICAL_REPEATS + 1]; /* Student's, by number of values */
} branches;

static double progress_of(const branches *b, int at, int repeat)
{
    return b->input->before[repeat] - b->input->loss[b->row[at]][repeat];
}

static bool was_made(const branches *b, int at, int repeat) { return isfinite(b->input->loss[b->row[at]][repeat]); }

static double batch_of(const branches *b, int at) { return b->input->batch[b->row[at]]; }

double critical_before(const critical_input *input)
{
    running before = {0};
    for (int r = 0; r < input->repeats; r++) running_add(&before, input->before[r]);
    return before.count ? before.mean : NAN;
}

/* Which batches count ---------------------------------------------------------------------------------------------- */

static bool is_usable(const critical_input *in)
{
    if (in->batches < 0 || in->batches > CRITICAL_BATCHES || in->repeats < 0 || in->repeats > CRITICAL_REPEATS)
        return false;
    for (int i = 0; i < in->batches; i++)
        if (!(in->batch[i] > (i ? in->batch[i - 1] : 0) && isfinite(in->batch[i]))) return false;
    return in->repeats == 0 || isfinite(critical_before(in));
}

static bool diverged(const critical_input *in, int row)
{
    for (int r = 0; r < in->repeats; r++)
        if (isinf(in->loss[row][r])) return true;
    return false;
}

/* Repeats of a batch that the smallest batch has as well. */
static int count_pairs(const critical_input *in, int row)
{
    int pairs = 0;
    for (int r = 0; r < in->repeats; r++) pairs += isfinite(in->loss[row][r]) && isfinite(in->loss[0][r]);
    return pairs;
}

static critical_obstacle select_batches(const critical_input *in, branches *b, critical_batch *out)
{
    *b = (branches){.input = in, .edge = -1};
    if (!is_usable(in)) return CRITICAL_UNUSABLE;
    for (int n = 2; n <= in->repeats; n++)
        b->t[n] = student_quantile(0.5 + 0.5 * (in->confidence > 0 ? in->confidence : 0.95), n - 1);
    if (in->batches < 2) return CRITICAL_ONE_BATCH;
    if (diverged(in, 0)) return CRITICAL_SMALLEST;
    if (count_pairs(in, 0) < 2) return CRITICAL_ONE_REPEAT;
    for (int i = 0; i < in->batches && b->edge < 0; i++) {
        out->used[i] = count_pairs(in, i);
        if (diverged(in, i))
            b->edge = i;
        else if (out->used[i] >= 2)
            b->row[b->count++] = i;
    }
    out->batches = b->count;
    out->repeats = out->used[0];
    return b->count < 2 && b->edge < 0 ? CRITICAL_ONE_BATCH : CRITICAL_NOTHING;
}

/* The critical batch ----------------------------------------------------------------------------------------------- */

/* Positions on the axis: at + part, between the batches `at` and `at + 1`, along log B. */
static double batch_at(const branches *b, double position)
{
    const int at = position >= b->count - 1 ? b->count - 1 : (int)position;
    if (at == b->count - 1) return batch_of(b, at);
    const double part = position - at;
    return exp((1 - part) * log(batch_of(b, at)) + part * log(batch_of(b, at + 1)));
}

/* The batches around a position, and the weights with which the cubic along log B through them (a parabola or a line at
 * the ends) goes through what lies between. A line alone would cut the bend where progress begins to fall. */
typedef struct stencil {
    int first, count;
    double weight[4];
} stencil;

static stencil stencil_at(const branches *b, double position)
{
    const int at = position >= b->count - 1 ? b->count - 1 : (int)position;
    if (position == at) return (stencil){at, 1, {1}};
    const int first = at > 0 ? at - 1 : 0, last = at + 2 < b->count ? at + 2 : b->count - 1;
    const double x = log(batch_at(b, position));
    stencil s = {.first = first, .count = last - first + 1};
    for (int i = first; i <= last; i++) {
        s.weight[i - first] = 1;
        for (int j = first; j <= last; j++)
            if (j != i) s.weight[i - first] *= (x - log(batch_of(b, j))) / (log(batch_of(b, i)) - log(batch_of(b, j)));
    }
    return s;
}

/* z at a position, over the repeats that the smallest batch and all of the stencil have. */
static running shortfall_at(const branches *b, double position)
{
    const stencil s = stencil_at(b, position);
    running z = {0};
    for (int r = 0; r < b->input->repeats; r++) {
        bool made = was_made(b, 0, r);
        double progress = 0;
        for (int i = 0; i < s.count && made; i++) {
            made = was_made(b, s.first + i, r);
            progress += s.weight[i] * progress_of(b, s.first + i, r);
        }
        if (made) running_add(&z, (1 - CRITICAL_TOLERANCE) * progress_of(b, 0, r) - progress);
    }
    return z;
}

/* Whether a mean is below 0 (-1) or above (1) beyond its 95 % interval; 0: it may be either. */
static int side_of(const branches *b, const running *values)
{
    if (values->count < 2) return 0;
    const double reach = b->t[values->count] * running_error(values);
    return values->mean + reach < 0 ? -1 : values->mean - reach > 0 ? 1 : 0;
}

typedef bool (*position_test)(const branches *b, double position);

static bool may_be_short(const branches *b, double position)
{
    const running z = shortfall_at(b, position);
    return side_of(b, &z) >= 0;
}

static bool is_short(const branches *b, double position)
{
    const running z = shortfall_at(b, position);
    return side_of(b, &z) > 0;
}

static bool mean_is_short(const branches *b, double position) { return shortfall_at(b, position).mean > 0; }

/* The first position that passes the test, from the smallest batch on; -1: none does. */
static double first_position(const branches *b, position_test test)
{
    enum { PARTS = 32 };
    const int most = (b->count - 1) * PARTS;
    int i = 0;
    while (i <= most && !test(b, (double)i / PARTS)) i++;
    if (i > most) return -1;
    double inside = (double)i / PARTS, outside = inside - (i ? 1.0 / PARTS : 0);
    for (int round = 0; round < 40; round++) {
        const double middle = 0.5 * (inside + outside);
        if (test(b, middle))
            inside = middle;
        else
            outside = middle;
    }
    return inside;
}

/* The batch at the first such position; else the batch that diverged, if any; else INFINITY. */
static double first_batch(const branches *b, position_test test)
{
    const double position = first_position(b, test);
    if (position >= 0) return batch_at(b, position);
    return b->edge >= 0 ? b->input->batch[b->edge] : INFINITY;
}

static critical_obstacle find_critical(const branches *b, critical_batch *out)
{
    static const fit_state states[2][2] = {{FIT_KNOWN, FIT_AT_LEAST}, {FIT_AT_MOST, FIT_UNKNOWN}};
    const double first = batch_of(b, 0), last = batch_of(b, b->count - 1);
    const double low = fmin(first_batch(b, may_be_short), last), high = first_batch(b, is_short);
    /* However small the true one: with progress inversely proportional to the batch, B_0 / (1 - T) is found. */
    const bool no_low = low <= first / (1 - CRITICAL_TOLERANCE), no_high = isinf(high);
    out->critical = (fit_range){.state = states[no_low][no_high],
                                .value = fmin(first_batch(b, mean_is_short), last),
                                .low = no_low ? 0 : low,
                                .high = high};
    return out->critical.state == FIT_UNKNOWN ? CRITICAL_NOISE : CRITICAL_NOTHING;
}

/* The curve of efficiency ------------------------------------------------------------------------------------------ */

static double curve_at(double b_crit, double first, double batch) { return (first + b_crit) / (batch + b_crit); }

/* Repeats that all batches have. */
static bool is_complete(const branches *b, int repeat)
{
    for (int i = 0; i < b->count; i++)
        if (!was_made(b, i, repeat)) return false;
    return true;
}

/* What the residuals of a repeat pull B_crit up by, its height A_r being free: sums over the batches of progress times
 * that part of the slope of g along B_crit that is at a right angle to g. */
static running pull_at(const branches *b, double b_crit)
{
    double g[CRITICAL_BATCHES], slope[CRITICAL_BATCHES], gg = 0, gs = 0, ss = 0;
    running pull = {0};
    for (int i = 0; i < b->count; i++) {
        g[i] = curve_at(b_crit, batch_of(b, 0), batch_of(b, i));
        slope[i] = g[i] * (batch_of(b, i) - batch_of(b, 0)) / (batch_of(b, i) + b_crit);
        gg += g[i] * g[i];
        gs += g[i] * slope[i];
    }
    for (int i = 0; i < b->count; i++) slope[i] -= gs / gg * g[i];
    for (int i = 0; i < b->count; i++) ss += slope[i] * slope[i];
    for (int r = 0; r < b->input->repeats; r++) {
        double sum = 0;
        if (!is_complete(b, r)) continue;
        for (int i = 0; i < b->count; i++) sum += progress_of(b, i, r) * slope[i] / sqrt(ss);
        running_add(&pull, sum);
    }
    return pull;
}

/* Along log B_crit, from a thousandth of the smallest batch to a thousand times the largest: the pull is upward below
 * the interval and downward above it. */
static void find_b_crit(const branches *b, critical_batch *out)
{
    enum { GRID = 600 };
    static const fit_state states[2][2] = {{FIT_KNOWN, FIT_AT_LEAST}, {FIT_AT_MOST, FIT_UNKNOWN}};
    const double first = log(batch_of(b, 0) / 1000), last = log(batch_of(b, b->count - 1) * 1000);
    double low = NAN, high = NAN, value = first;
    out->b_crit = (fit_range){.state = FIT_UNKNOWN, .value = NAN, .low = 0, .high = INFINITY};
    if (b->count < 2 || pull_at(b, exp(first)).count < 2) return;
    for (int i = 0; i <= GRID; i++) {
        const double x = first + (last - first) * i / GRID;
        const running pull = pull_at(b, exp(x));
        if (pull.mean > 0) value = x;
        if (side_of(b, &pull) > 0) low = x;
        if (side_of(b, &pull) < 0 && isnan(high)) high = x;
    }
    if (high < low) high = NAN;
    out->b_crit = (fit_range){.state = states[isnan(low)][isnan(high)],
                              .value = exp(value),
                              .low = isnan(low) ? 0 : exp(low),
                              .high = isnan(high) ? INFINITY : exp(high)};
}

/* Figures of each batch -------------------------------------------------------------------------------------------- */

static void find_differences(const critical_input *in, critical_batch *out)
{
    for (int i = 0; i < in->batches; i++) {
        running d = {0};
        for (int r = 0; r < in->repeats; r++)
            if (isfinite(in->loss[i][r]) && isfinite(in->loss[0][r])) running_add(&d, in->loss[i][r] - in->loss[0][r]);
        out->difference[i] = d.count && !diverged(in, i) ? d.mean : NAN;
        out->error[i] = i ? running_error(&d) : 0;
    }
}

static bool ends_below(const critical_input *in, int row)
{
    running loss = {0};
    for (int r = 0; r < in->repeats; r++)
        if (isfinite(in->loss[row][r])) running_add(&loss, in->loss[row][r]);
    return !diverged(in, row) && loss.count && loss.mean < critical_before(in);
}

static double find_stable(const critical_input *in)
{
    double most = 0;
    for (int i = 0; i < in->batches && ends_below(in, i); i++) most = in->batch[i];
    return most;
}

/* Of the loss: less progress is not told from the rounding of float32 sums. */
static const double progress_least = 1e-5;

/* Whether the smallest batch gets anywhere. */
static critical_obstacle find_progress(const branches *b, critical_batch *out)
{
    running progress = {0};
    for (int r = 0; r < b->input->repeats; r++)
        if (was_made(b, 0, r)) running_add(&progress, progress_of(b, 0, r));
    out->progress = progress.mean;
    const int side = fabs(progress.mean) < progress_least * fabs(critical_before(b->input)) ? 0 : side_of(b, &progress);
    return side > 0 ? CRITICAL_NOTHING : side < 0 ? CRITICAL_RISING : CRITICAL_NOT_FALLING;
}

/* Where the smallest batch gets nowhere, one that ends significantly below it is within any tolerance: larger ones may
 * be, too. */
static void find_better(const critical_input *in, critical_batch *out)
{
    for (int i = 1; i < in->batches; i++) {
        if (out->used[i] < 2 || !(out->difference[i] + student_95(out->used[i] - 1) * out->error[i] < 0)) continue;
        out->critical =
            (fit_range){.state = FIT_AT_LEAST, .value = in->batch[i], .low = in->batch[i], .high = INFINITY};
    }
}

void critical_find(const critical_input *input, critical_batch *out)
{
    branches b;
    const fit_range nothing = {.state = FIT_UNKNOWN, .value = NAN, .low = 0, .high = INFINITY};
    *out = (critical_batch){.critical = nothing, .b_crit = nothing, .progress = NAN};
    for (int i = 0; i < CRITICAL_BATCHES; i++) out->difference[i] = out->error[i] = NAN;
    out->obstacle = select_batches(input, &b, out);
    if (out->obstacle == CRITICAL_UNUSABLE) return;
    find_differences(input, out);
    out->stable_most = find_stable(input);
    if (!out->obstacle) out->obstacle = find_progress(&b, out);
    if (out->obstacle == CRITICAL_NOT_FALLING || out->obstacle == CRITICAL_RISING) find_better(input, out);
    if (out->obstacle) return;
    out->obstacle = find_critical(&b, out);
    find_b_crit(&b, out);
}

const char *critical_why(critical_obstacle obstacle)
{
    static const char *const texts[CRITICAL_OBSTACLES] = {
        [CRITICAL_NOTHING] = "",
        [CRITICAL_ONE_BATCH] = "only one batch was tried",
        [CRITICAL_ONE_REPEAT] = "the smallest batch was tried only once",
        [CRITICAL_SMALLEST] = "training diverges even with the smallest batch",
        [CRITICAL_NOT_FALLING] = "the loss does not fall by more than chance",
        [CRITICAL_RISING] = "the loss rises",
        [CRITICAL_NOISE] = "the batches differ less than their repeats do",
        [CRITICAL_UNUSABLE] = "the figures are unusable",
    };
    return (unsigned)obstacle < CRITICAL_OBSTACLES ? texts[obstacle] : "unknown";
}
