/* The report's table of targets: how the answer changes with how far one trains. */
#include "lab/report/plots.h"
#include "lab/report/report.h"

#include "base/format.h"

#include <inttypes.h>
#include <math.h>

static void add_value(buffer *page, const sweep_mean *m, formatted (*in_words)(double))
{
    if (sweep_mean_known(m))
        buffer_print(page, "<td>%s</td>", in_words(m->value).text);
    else
        buffer_print(page, "<td class=\"none\">&ndash;</td>");
}

static void add_range(buffer *page, const fit_range *r)
{
    if (r->state == FIT_KNOWN)
        buffer_print(page, "<td>%s <small>%s to %s</small></td>", format_number(r->value).text,
                     format_number(r->low).text, format_number(r->high).text);
    else if (r->state == FIT_AT_LEAST)
        buffer_print(page, "<td>at least %s</td>", format_number(r->low).text);
    else if (r->state == FIT_AT_MOST)
        buffer_print(page, "<td>at most %s</td>", format_number(r->high).text);
    else
        buffer_print(page, "<td class=\"none\">&ndash;</td>");
}

static void add_target(buffer *page, double target)
{
    buffer_print(page, "<th scope=\"row\">%s</th>", isfinite(target) ? format_number(target).text : "&ndash;");
}

static formatted whole_word(double value) { return format_number(value >= 100 ? round(value) : value); }

static void add_level(const tas_sweep *sweep, int i, buffer *page)
{
    static const sweep_mean none = {NAN, NAN, 0};
    const sweep_level *l = &sweep->level[i];
    const bool deepest = i == sweep->levels - 1, known = l->best >= 0 && l->best < sweep->count;
    const int best = known ? l->best : 0;
    buffer_print(page, "<tr%s>", deepest ? " class=\"best\"" : "");
    add_target(page, l->target);
    buffer_print(page, isfinite(l->epochs) ? "<td>%s</td>" : "<td class=\"none\">&ndash;</td>",
                 format_number(l->epochs).text);
    if (known)
        buffer_print(page, "<td><strong>%" PRIu64 "</strong></td>", sweep->batch[best].batch);
    else
        buffer_print(page, "<td class=\"none\">&ndash;</td>");
    add_value(page, known ? &l->seconds[best] : &none, format_seconds);
    add_value(page, known ? &l->steps[best] : &none, whole_word);
    add_value(page, known ? &l->examples[best] : &none, whole_word);
    if (l->curve.known)
        add_range(page, &l->curve.b_crit);
    else
        buffer_print(page, "<td class=\"none\">&ndash;</td>");
    buffer_print(page, "<td class=\"words\">%s</td></tr>\n",
                 deepest                             ? "the target"
                 : sweep_is_shallow_after(l->epochs) ? "shallow"
                                                     : "");
}

static void open_table(buffer *page, const char *name)
{
    buffer_print(page,
                 "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n<table class=\"batches\">\n",
                 name);
}

typedef struct figure {
    const char *name;
    size_t offset; /* of the means in sweep_level */
    formatted (*in_words)(double);
} figure;

static const figure figures[] = {{"Seconds", offsetof(sweep_level, seconds), format_seconds},
                                 {"Steps", offsetof(sweep_level, steps), whole_word},
                                 {"Examples", offsetof(sweep_level, examples), whole_word}};

/* One row per target, one column per batch; the best one of each row is marked. */
static void add_figure(const tas_sweep *sweep, const figure *f, buffer *page)
{
    int order[SWEEP_BATCHES];
    plots_order(sweep, order);
    open_table(page, f->name);
    buffer_print(page,
                 "<caption>%s to each target by batch (measured)</caption>\n<thead><tr><th scope=\"col\">Target</th>",
                 f->name);
    for (int i = 0; i < sweep->count; i++)
        buffer_print(page, "<th scope=\"col\">%" PRIu64 "</th>", sweep->batch[order[i]].batch);
    buffer_print(page, "</tr></thead>\n<tbody>\n");
    for (int k = 0; k < sweep->levels; k++) {
        const sweep_mean *means = (const sweep_mean *)(const void *)((const char *)&sweep->level[k] + f->offset);
        buffer_print(page, "<tr>");
        add_target(page, sweep->level[k].target);
        for (int i = 0; i < sweep->count; i++) add_value(page, &means[order[i]], f->in_words);
        buffer_print(page, "</tr>\n");
    }
    buffer_print(page, "</tbody></table></div>\n");
}

void targets_write(const tas_sweep *sweep, buffer *page)
{
    if (!sweep->levels) return;
    buffer_print(page, "<section id=\"levels\">\n<h2>Every target</h2>\n");
    open_table(page, "Every target");
    buffer_print(page,
                 "<thead><tr><th scope=\"col\">%s</th><th scope=\"col\">Epochs of B = %" PRIu64
                 "</th><th scope=\"col\">Best batch</th><th scope=\"col\">Its time</th><th scope=\"col\">Its "
                 "steps</th><th scope=\"col\">Its examples</th><th scope=\"col\">Critical batch, "
                 "fitted</th><th scope=\"col\"></th></tr></thead>\n<tbody>\n",
                 sweep->options.by_accuracy ? "Accuracy" : "Validation loss", sweep->base_batch);
    for (int i = 0; i < sweep->levels; i++) add_level(sweep, i, page);
    buffer_print(page,
                 "</tbody></table></div>\n<p class=\"key\">Every run passes through many losses on its way. Times, "
                 "steps and examples are measured: geometric means over seeds. The best batch is the one "
                 "that takes the least time. The learning rates were tuned for the last row; at the rows above "
                 "another rate may be faster.</p>\n<details><summary>Every batch</summary>\n");
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) add_figure(sweep, &figures[i], page);
    buffer_print(page, "</details>\n</section>\n");
}
