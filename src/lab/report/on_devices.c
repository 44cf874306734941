/* The report's table of devices: which batch several of them would use. */
#include "lab/report/report.h"

#include "base/format.h"

#include <inttypes.h>
#include <math.h>

static void add_number(double value, const char *unit, buffer *page)
{
    if (isfinite(value))
        buffer_print(page, "<td>%s%s</td>", format_number(value).text, unit);
    else
        buffer_print(page, "<td class=\"none\">&ndash;</td>");
}

static void add_row(const devices_row *row, buffer *page)
{
    buffer_print(page, "<tr><th scope=\"row\">%u</th><td><strong>%" PRIu64 "</strong></td>", row->devices, row->batch);
    buffer_print(page, "<td>%s</td>", format_seconds(row->seconds).text);
    add_number(row->speedup, "&times;", page);
    add_number(row->examples, "&times;", page);
    add_number(row->knee, "", page);
    buffer_print(page, "<td class=\"words\">%s</td></tr>\n", row->wasted ? "above the critical batch" : "");
}

void on_devices_write(const tas_sweep *sweep, buffer *page)
{
    if (sweep->on_devices < 2) return;
    buffer_print(page, "<section id=\"devices\">\n<h2>On several devices</h2>\n<div class=\"scroll\" tabindex=\"0\" "
                       "role=\"region\" aria-label=\"On several devices\">\n<table class=\"batches\">\n<thead><tr>"
                       "<th scope=\"col\">Devices</th><th scope=\"col\">Best batch</th><th scope=\"col\">Time to the "
                       "target</th><th scope=\"col\">Speed-up</th><th scope=\"col\">Examples</th><th scope=\"col\">Knee"
                       "</th><th scope=\"col\"></th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < sweep->on_devices; i++) add_row(&sweep->on_device[i], page);
    buffer_print(page,
                 "</tbody></table></div>\n<p class=\"key\">A forecast: the fitted steps, times the fitted duration of "
                 "a step whose examples the devices share, with the exchange of the gradient and the weights "
                 "(latency %s, %s/s). Examples: as a multiple of the fewest possible. Knee: the batch with the "
                 "least time, whatever was measured. Above the critical batch more than half of the "
                 "examples are spent to save time.</p>\n</section>\n",
                 format_seconds(sweep->options.link.latency).text,
                 format_bytes((uint64_t)sweep->options.link.bandwidth).text);
}
