/* Batches that do not fit into memory are made of tiles whose gradients are added up. This costs no memory, but it
 * makes nothing faster either: from the first such batch on, a smaller one may be the better choice. */
#include "lab/report/report.h"

#include "base/format.h"

#include <inttypes.h>
#include <math.h>

static bool is_timed(const sweep_batch *b) { return b->tiles > 0 && b->step_seconds > 0; }
static double each_seconds(const sweep_batch *b) { return b->step_seconds / (double)b->batch; }

/* The largest batch of one tile, and the smallest of several; NULL: none was timed. */
static void find_border(const tas_sweep *sweep, const sweep_batch **whole, const sweep_batch **tiled)
{
    *whole = *tiled = NULL;
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        if (!is_timed(b)) continue;
        if (b->tiles == 1 && (!*whole || b->batch > (*whole)->batch)) *whole = b;
        if (b->tiles > 1 && (!*tiled || b->batch < (*tiled)->batch)) *tiled = b;
    }
}

/* The fastest to the target, of all batches below `limit`. */
static const sweep_batch *fastest_below(const tas_sweep *sweep, uint64_t limit)
{
    const sweep_batch *best = NULL;
    for (int i = 0; i < sweep->count; i++) {
        const sweep_batch *b = &sweep->batch[i];
        if (b->outcome != ROW_REACHED || !sweep_mean_known(&b->seconds) || b->batch >= limit) continue;
        if (!best || b->seconds.value < best->seconds.value) best = b;
    }
    return best;
}

static void write_none(const tas_sweep *sweep, const sweep_batch *whole, buffer *page)
{
    uint64_t planned = 0;
    for (int i = 0; i < sweep->count; i++)
        if (sweep->batch[i].tiles > 1 && (!planned || sweep->batch[i].batch < planned)) planned = sweep->batch[i].batch;
    buffer_print(page, "<p>No batch that was measured needs tiles");
    if (whole) buffer_print(page, ": the largest, B = %" PRIu64 ", is computed whole", whole->batch);
    buffer_print(page, ".");
    if (planned)
        buffer_print(page, " The plan would divide batches from B = %" PRIu64 " on, which was not timed.", planned);
    buffer_print(page, "</p>\n");
}

static void compare_speed(const sweep_batch *whole, const sweep_batch *tiled, buffer *page)
{
    buffer_print(page,
                 "<p>From B = %" PRIu64 " on, a batch is computed in tiles (%u at B = %" PRIu64
                 "), whose gradients are added up. A training example takes %s there",
                 tiled->batch, (unsigned)tiled->tiles, tiled->batch, format_seconds(each_seconds(tiled)).text);
    if (whole)
        buffer_print(page, ", against %s at B = %" PRIu64 ", the largest batch that is computed whole",
                     format_seconds(each_seconds(whole)).text, whole->batch);
    buffer_print(page, " (measured).</p>\n");
}

/* Which smaller batch would be the better choice, by measured times alone. */
static void compare_targets(const tas_sweep *sweep, const sweep_batch *tiled, buffer *page)
{
    const sweep_batch *other = fastest_below(sweep, tiled->batch);
    if (tiled->outcome != ROW_REACHED || !sweep_mean_known(&tiled->seconds)) {
        buffer_print(page, "<p>B = %" PRIu64 " has no time to the target, so whether its tiles pay is not known.</p>\n",
                     tiled->batch);
        return;
    }
    if (!other) return;
    const double times = tiled->seconds.value / other->seconds.value;
    buffer_print(page,
                 "<p>To the target, B = %" PRIu64 " takes %s and B = %" PRIu64 " takes %s (measured): ", tiled->batch,
                 format_seconds(tiled->seconds.value).text, other->batch, format_seconds(other->seconds.value).text);
    if (times > 1.05)
        buffer_print(page, "the smaller batch is the better choice, %s times as fast, and tiles do not pay.</p>\n",
                     format_number(times).text);
    else if (times < 1 / 1.05)
        buffer_print(page, "tiles pay there, %s times as fast.</p>\n", format_number(1 / times).text);
    else
        buffer_print(page, "no difference of 5 %% or more; the smaller batch needs no tiles.</p>\n");
}

void tiles_write(const tas_sweep *sweep, buffer *page)
{
    const sweep_batch *whole, *tiled;
    find_border(sweep, &whole, &tiled);
    if (!tiled) {
        write_none(sweep, whole, page);
        return;
    }
    compare_speed(whole, tiled, page);
    for (int i = 0; i < sweep->count; i++)
        if (is_timed(&sweep->batch[i]) && sweep->batch[i].tiles > 1) compare_targets(sweep, &sweep->batch[i], page);
}
