/* Which batch to use on several devices: see devices.h. */
#include "lab/advice/devices.h"

#include "base/format.h"
#include "base/text.h"

#include <inttypes.h>

/* The batches that may be recommended: of those that reached the target. */
static bool find_limits(const recommend_input *in, const recommendation *r, uint64_t *least, uint64_t *most)
{
    *least = *most = 0;
    for (int i = 0; i < in->count; i++) {
        if (r->verdicts[i] != VERDICT_KEPT) continue;
        if (!*least || in->rows[i].batch < *least) *least = in->rows[i].batch;
        if (in->rows[i].batch > *most) *most = in->rows[i].batch;
    }
    return *most > 0;
}

static double seconds_of(const recommendation *r, uint64_t batch, uint32_t devices, double more)
{
    const uint64_t own = (batch + devices - 1) / devices;
    return exp(fit_expected(&r->curve, (double)batch)) * (fit_seconds(&r->time, (double)own) + more);
}

static bool fill_row(const recommendation *r, uint64_t least, uint64_t most, uint32_t devices, double more,
                     devices_row *row)
{
    const fit_curve *curve = &r->curve;
    const double b_crit = curve->b_crit.state == FIT_KNOWN ? curve->b_crit.value : NAN;
    const double each = r->time.each;
    *row = (devices_row){.devices = devices, .seconds = INFINITY};
    for (uint64_t batch = 1; batch <= most; batch *= 2) {
        if (batch < least || batch < devices) continue;
        const double seconds = seconds_of(r, batch, devices, more);
        if (seconds < row->seconds) {
            row->seconds = seconds;
            row->batch = batch;
        }
    }
    row->knee = each > 0 ? sqrt((r->time.fixed + more) / each * b_crit * devices) : NAN;
    row->examples = 1 + (double)row->batch / b_crit;
    row->wasted = row->knee > b_crit;
    return row->batch > 0;
}

int devices_recommend(const recommend_input *input, const recommendation *r, const double *more, int count,
                      devices_row *rows)
{
    uint64_t least, most;
    int made = 0;
    if (!r->curve.known || !r->time.known || !find_limits(input, r, &least, &most)) return 0;
    while (made < count && fill_row(r, least, most, 1u << made, more[made], &rows[made])) {
        rows[made].speedup = rows[0].seconds / rows[made].seconds;
        made++;
    }
    return made;
}

void devices_write(const devices_row *rows, int count, char *text, size_t bytes)
{
    text_buffer out = {.text = text, .bytes = bytes};
    const devices_row *last = &rows[count - 1], *wasted = NULL, *best = rows;
    if (bytes) text[0] = 0;
    if (count < 2) return;
    for (int i = count - 1; i >= 0; i--)
        if (rows[i].wasted) wasted = &rows[i];
    for (int i = 0; i < count; i++)
        if (rows[i].seconds < best->seconds) best = &rows[i];
    format_add(&out, "On %u devices: batch %" PRIu64 ", %s to the target, %s times as fast as one (a forecast).",
               last->devices, last->batch, format_seconds(last->seconds).text, format_number(last->speedup).text);
    if (best != last)
        format_add(&out, " %u device%s would be faster: %s.", best->devices, best->devices > 1 ? "s" : "",
                   format_seconds(best->seconds).text);
    if (wasted)
        format_add(&out,
                   " From %u device%s on, the batch with the least time is above the critical batch: a larger one "
                   "spends more than half of its examples to save time.",
                   wasted->devices, wasted->devices > 1 ? "s" : "");
}
