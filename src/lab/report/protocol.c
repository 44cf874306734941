/* What was not measured, and how the rest was. */
#include "lab/report/report.h"

#include "base/format.h"
#include "lab/advice/reason.h"
#include "lab/report/plots.h"

#include <inttypes.h>
#include <math.h>

/* What is missing -------------------------------------------------------------------------------------------------- */

static void open_item(buffer *page) { buffer_print(page, "<li>"); }
static void close_item(buffer *page) { buffer_print(page, "</li>\n"); }

static void add_item(buffer *page, const char *text)
{
    open_item(page);
    buffer_escape(page, text);
    close_item(page);
}

static void add_missing_batch(const tas_sweep *sweep, int i, buffer *page)
{
    static const char *const outcomes[] = {[ROW_NOT_MEASURED] = "was not measured",
                                           [ROW_REACHED] = "",
                                           [ROW_DIVERGED] = "diverged",
                                           [ROW_UNDERTRAINED] = "did not reach the target",
                                           [ROW_OVER_BUDGET] = "needs more memory than there is, and was not run"};
    const sweep_batch *b = &sweep->batch[i];
    const char *what = outcomes[b->outcome];
    if (!*what && !*b->why && !b->lr_edge) return;
    open_item(page);
    buffer_print(page, "<strong>B = %" PRIu64 "</strong>%s%s", b->batch, *what ? " " : "", what);
    if (*b->why) {
        buffer_print(page, ": ");
        buffer_escape(page, b->why);
    }
    buffer_print(page, ".");
    if (b->lr_edge)
        buffer_print(page,
                     " The search for its rate ended at the limit of its range (%s): a better rate may lie beyond.",
                     format_number(b->lr).text);
    close_item(page);
}

static void add_missing_points(const tas_sweep *sweep, buffer *page)
{
    int measured = 0;
    for (int i = 0; i < FROZEN_POINTS; i++) measured += sweep->frozen[i].name != NULL;
    if (measured == FROZEN_POINTS) return;
    open_item(page);
    buffer_print(page, "Gradients at frozen weights were measured at %d of %d points of training%s.", measured,
                 (int)FROZEN_POINTS, sweep->options.brief ? ", since the sweep was brief" : "");
    close_item(page);
}

static void add_missing_branches(const tas_sweep *sweep, buffer *page)
{
    for (int i = 0; i < sweep->branches; i++) {
        const sweep_branch *b = &sweep->branch[i];
        if (b->critical.state != FIT_UNKNOWN || !b->why || !*b->why) continue;
        open_item(page);
        buffer_print(page, "The critical batch at example %" PRIu64 " is not known: %s.", b->examples, b->why);
        close_item(page);
    }
}

void protocol_unmeasured(const tas_sweep *sweep, buffer *page)
{
    const size_t start = page->bytes;
    buffer_print(page, "<ul>\n");
    const size_t empty = page->bytes;
    if (sweep->stopped) add_item(page, "The sweep was stopped early; it can resume from its state folder.");
    if (sweep->short_of_time) {
        open_item(page);
        buffer_print(page, "Time was short (limit %s): the batches farthest from the best were left out first.",
                     format_seconds(sweep->options.seconds).text);
        close_item(page);
    }
    if (*sweep->left_out) {
        open_item(page);
        buffer_print(page, "Time was short: left out ");
        buffer_escape(page, sweep->left_out);
        buffer_print(page, ".");
        close_item(page);
    }
    if (sweep->nearest_batch && isfinite(sweep->nearest)) {
        bool reached = false;
        for (int i = 0; i < sweep->count; i++) reached |= sweep->batch[i].reached > 0;
        if (!reached) {
            open_item(page);
            buffer_print(page, "No batch reached the target; the nearest was %s, at B = %" PRIu64 ".",
                         format_number(sweep->nearest).text, sweep->nearest_batch);
            close_item(page);
        }
    }
    int order[SWEEP_BATCHES];
    plots_order(sweep, order);
    for (int i = 0; i < sweep->count; i++) add_missing_batch(sweep, order[i], page);
    if (*sweep->notes) add_item(page, sweep->notes);
    if (!*sweep->source) add_missing_points(sweep, page);
    add_missing_branches(sweep, page);
    if (!table_any_test(sweep) && !*sweep->source)
        add_item(page, sweep->test ? "The test set was not evaluated."
                                   : "There was no test set: all losses are of training and validation examples.");
    if (page->bytes == empty && !page->failed) {
        page->bytes = start;
        page->text[start] = 0;
        buffer_print(page, "<p>Everything that was requested was measured.</p>\n");
        return;
    }
    buffer_print(page, "</ul>\n");
}

/* How it was measured ---------------------------------------------------------------------------------------------- */

static void open_fact(buffer *page, const char *name) { buffer_print(page, "<div><dt>%s</dt><dd>", name); }
static void close_fact(buffer *page) { buffer_print(page, "</dd></div>\n"); }

static void add_fact(buffer *page, const char *name, const char *text)
{
    open_fact(page, name);
    buffer_escape(page, text);
    close_fact(page);
}

static void add_optimizer(const tas_sweep *sweep, buffer *page)
{
    static const char *const names[] = {
        [TAS_SGD] = "SGD",   [TAS_ADAM] = "Adam", [TAS_ADAMW] = "AdamW", [TAS_RMSPROP] = "RMSprop",
        [TAS_LION] = "Lion", [TAS_LARS] = "LARS", [TAS_LAMB] = "LAMB"};
    static const char *const courses[] = {[TAS_SCHEDULE_CONSTANT] = "constant rate",
                                          [TAS_SCHEDULE_STEP] = "rate decaying in steps",
                                          [TAS_SCHEDULE_COSINE] = "cosine decay of the rate",
                                          [TAS_SCHEDULE_POLYNOMIAL] = "polynomial decay of the rate",
                                          [TAS_SCHEDULE_EXPONENTIAL] = "exponential decay of the rate",
                                          [TAS_SCHEDULE_ONE_CYCLE] = "one cycle of the rate"};
    const tas_train_options *train = &sweep->options.train;
    open_fact(page, "Optimizer");
    buffer_print(page, "%s", names[train->optimizer]);
    if (train->optimizer == TAS_SGD && train->momentum > 0)
        buffer_print(page, ", momentum %.4g%s", (double)train->momentum, train->nesterov ? " (Nesterov)" : "");
    else if (train->optimizer == TAS_SGD)
        buffer_print(page, ", no momentum");
    if (train->weight_decay > 0)
        buffer_print(page, ", weight decay %.4g%s", (double)train->weight_decay,
                     train->decay_on == TAS_DECAY_ON_WEIGHTS ? " (weights alone)" : "");
    if (train->shards > 1) buffer_print(page, ", batches summed in %u shards", train->shards);
    if (train->clip > 0) buffer_print(page, ", gradient clipped to %.4g", (double)train->clip);
    buffer_print(page, ", %s", courses[train->schedule]);
    if (train->warmup)
        buffer_print(page, ", warm-up %" PRIu64 " steps of B = %u", train->warmup, (unsigned)train->base_batch);
    close_fact(page);
}

static void add_rates(const tas_sweep *sweep, buffer *page)
{
    static const char *const rules[] = {[TAS_SCALING_NONE] = "the same for each batch",
                                        [TAS_SCALING_LINEAR] = "in proportion to the batch",
                                        [TAS_SCALING_SQRT] = "in proportion to the batch's square root"};
    const tas_train_options *train = &sweep->options.train;
    open_fact(page, "Learning rates");
    if (sweep->options.scale)
        buffer_print(page, "no search: %s, %.4g at B = %u", rules[tas_train_scaling(train)], (double)train->lr,
                     (unsigned)train->base_batch);
    else
        buffer_print(page, "searched for each batch, on seeds that are not used for the figures");
    close_fact(page);
}

static void add_runs(const tas_sweep *sweep, buffer *page)
{
    int searches = 0;
    for (int i = 0; i < sweep->runs; i++) searches += sweep->run[i].search;
    open_fact(page, "Runs");
    buffer_print(page, "%d for the figures, on %d fresh seeds per batch; %d for searches", sweep->runs - searches,
                 sweep->options.seeds, searches);
    close_fact(page);
}

static void add_time(const tas_sweep *sweep, buffer *page)
{
    open_fact(page, "Time taken");
    buffer_print(page, "%s", isfinite(sweep->elapsed) ? format_seconds(sweep->elapsed).text : "not known");
    if (isfinite(sweep->forecast) && sweep->forecast > 0)
        buffer_print(page, " (forecast %s)", format_seconds(sweep->forecast).text);
    if (sweep->options.seconds > 0) buffer_print(page, ", limit %s", format_seconds(sweep->options.seconds).text);
    close_fact(page);
}

static void add_sets(const tas_sweep *sweep, buffer *page)
{
    open_fact(page, "Data");
    buffer_escape(page, *sweep->data ? sweep->data : "arrays");
    buffer_print(page, ": %" PRIu64 " training examples", sweep->examples);
    if (sweep->validation) buffer_print(page, ", %" PRIu64 " held out for validation", sweep->validation);
    if (sweep->test) buffer_print(page, ", %" PRIu64 " test examples, evaluated once at the end", sweep->test);
    close_fact(page);
}

static void add_limits(const tas_sweep *sweep, buffer *page)
{
    const tas_sweep_options *options = &sweep->options;
    if (!options->budget && !options->batch_most && !(options->waste > 0)) return;
    open_fact(page, "Limits");
    const char *comma = "";
    if (options->budget) {
        buffer_print(page, "%s of device memory", format_bytes(options->budget).text);
        comma = ", ";
    }
    if (options->batch_most) {
        buffer_print(page, "%sbatch at most %u", comma, (unsigned)options->batch_most);
        comma = ", ";
    }
    if (options->waste > 0)
        buffer_print(page, "%sat most %s times the fewest examples", comma, format_number(options->waste).text);
    close_fact(page);
}

static void add_network(const tas_sweep *sweep, buffer *page)
{
    open_fact(page, "Network");
    buffer_escape(page, sweep->net);
    buffer_print(page, ", %" PRIu64 " parameters", sweep->parameters);
    close_fact(page);
}

static void add_device(const tas_sweep *sweep, buffer *page)
{
    open_fact(page, "Device");
    buffer_escape(page, sweep->device);
    if (*sweep->device_name) {
        buffer_print(page, " (");
        buffer_escape(page, sweep->device_name);
        buffer_print(page, ")");
    }
    close_fact(page);
}

static void add_version(buffer *page)
{
    open_fact(page, "Version");
    buffer_print(page, "Tassello %s, arithmetic contract %d, ", tas_version(), tas_contract());
    buffer_escape(page, tas_build());
    close_fact(page);
}

/* Of runs that another program made. */
static void write_source(const tas_sweep *sweep, const char *goal, buffer *page)
{
    int searches = 0;
    for (int i = 0; i < sweep->runs; i++) searches += sweep->run[i].search;
    add_fact(page, "Rows", sweep->source);
    if (sweep->examples) {
        open_fact(page, "Data");
        buffer_print(page, "%" PRIu64 " training examples", sweep->examples);
        close_fact(page);
    }
    if (*sweep->target_words) add_fact(page, "Target", sweep->target_words);
    add_fact(page, "Goal", goal);
    add_fact(page, "Learning rates", "of those given the best for each batch, by its mean over seeds");
    open_fact(page, "Runs");
    buffer_print(page, "%d for the figures; %d that only chose a rate", sweep->runs - searches, searches);
    close_fact(page);
    add_limits(sweep, page);
    add_fact(page, "Step times", "medians over the runs of a batch of seconds divided by steps, as the rows have them");
    add_fact(page, "Intervals", "95 %: Student's t over seeds");
    add_version(page);
}

void protocol_write(const tas_sweep *sweep, buffer *page)
{
    static const char *const goals[] = {[TAS_GOAL_TIME] = "the least time to the target",
                                        [TAS_GOAL_EXAMPLES] = "the fewest examples to the target",
                                        [TAS_GOAL_ACCURACY] = "the lowest validation loss",
                                        [TAS_GOAL_MEMORY] = "the least memory that reaches the target"};
    buffer_print(page, "<dl class=\"facts\">\n");
    if (*sweep->source) {
        write_source(sweep, goals[sweep->options.goal], page);
        buffer_print(page, "</dl>\n");
        return;
    }
    add_network(sweep, page);
    add_sets(sweep, page);
    add_device(sweep, page);
    if (*sweep->target_words) add_fact(page, "Target", sweep->target_words);
    add_fact(page, "Goal", goals[sweep->options.goal]);
    add_optimizer(sweep, page);
    add_rates(sweep, page);
    add_runs(sweep, page);
    add_limits(sweep, page);
    add_time(sweep, page);
    add_fact(page, "Step times", "medians over interleaved rounds; training only, without evaluation");
    add_fact(page, "Intervals", "95 %: Student's t over seeds, Fieller's method for the noise scale");
    add_version(page);
    buffer_print(page, "</dl>\n");
}
