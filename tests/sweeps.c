/* Sweeps by hand: eight batches with plausible figures, and what may be odd about them. */
#include "sweeps.h"
#include "lab/advice/reason.h"
#include "lab/sweep/on_devices.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char odd_net[] = "a<b>&\"c'\" $(exit 3).net", odd_data[] = "\xff\xc3(/da ta/<script>alert(1)</script>\x80",
           odd_words[] = "validation loss < 0.5 & \"so\" </p><b>bold</b> \xe2\x82 end";

static const uint64_t sizes[] = {1, 4, 16, 32, 64, 128, 256, 1024};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* S = 120 (1 + 90 / B) steps of 0.9 ms + 14 us B, seeds 10 % apart. */
static const double S_MIN = 120, B_CRIT = 90, FIXED = 0.9e-3, EACH = 14e-6, SPREAD = 0.1;

/* Within a share of `size` of 1, not at random. */
static double wobble(double x, double size) { return 1 + size * sin(7.3 * x); }

static sweep_mean mean(double value, double spread) { return (sweep_mean){value, spread, 3}; }

static void set_no_figure(sweep_batch *b)
{
    const sweep_mean none = {NAN, NAN, 0};
    b->steps = b->examples = b->epochs = b->seconds = none;
    b->best_loss = b->last_loss = b->best_accuracy = b->last_accuracy = b->epochs_to_best = none;
    b->gap_equal_loss = b->gap_equal_epochs = b->gap_equal_steps = none;
    b->loss_equal_loss = b->loss_equal_epochs = b->loss_equal_steps = none;
    b->fluctuation = b->seed_spread = b->loss_compared = none;
    b->lr_edge_of_stability = NAN;
    b->noise = (noise_scale_range){.value = NAN, .high = INFINITY};
    b->worse_low = -INFINITY;
    b->worse_high = INFINITY;
    b->test_loss = b->test_accuracy = NAN;
}

static void begin(tas_sweep *s, const uint64_t *batches, int count)
{
    tas_sweep_options_init(&s->options);
    s->options.train.lr = 0.1f;
    s->options.train.momentum = 0;
    s->count = count;
    for (int i = 0; i < count; i++) {
        s->batch[i].batch = batches[i];
        set_no_figure(&s->batch[i]);
    }
    s->target = s->equal_loss = s->equal_epochs = s->nearest = s->forecast = NAN;
    s->base_epochs = s->base_best = NAN;
}

/* The recommendation ----------------------------------------------------------------------------------------------- */

void sweep_advised(tas_sweep *s)
{
    fit_time_point times[SWEEP_BATCHES];
    int timed = 0;
    for (int i = 0; i < s->count; i++) {
        const sweep_batch *b = &s->batch[i];
        s->row[i] = (recommend_row){.batch = b->batch,
                                    .lr = b->lr,
                                    .outcome = b->outcome,
                                    .seconds = b->step_seconds,
                                    .log_steps = log(b->steps.value),
                                    .log_spread = b->steps.spread > 0 ? b->steps.spread : 0,
                                    .seeds = b->steps.seeds,
                                    .loss = b->best_loss.value,
                                    .worse_low = b->worse_low,
                                    .worse_high = b->worse_high,
                                    .memory = (double)b->memory_used};
        if (b->step_seconds > 0) times[timed++] = (fit_time_point){(double)b->batch, b->step_seconds, 9};
    }
    s->input = (recommend_input){
        .rows = s->row, .count = s->count, .goal = TAS_GOAL_TIME, .limits.examples = s->examples, .lr = 0.1};
    fit_step_time(times, timed, &s->input.time);
    recommend(&s->input, &s->advice);
    reason_write(&s->input, &s->advice, s->reason, sizeof s->reason);
}

/* Plausible -------------------------------------------------------------------------------------------------------- */

static void fill_cost(sweep_batch *b)
{
    const double size = (double)b->batch;
    b->step_seconds = (FIXED + EACH * size) * wobble(size, 0.04);
    b->rounds = 9;
    b->examples_per_s = size / b->step_seconds;
    b->memory_forecast = b->memory_used = 3700000 + 21000 * b->batch;
    b->tile = 256;
    b->tiles = b->batch > 256 ? (uint32_t)(b->batch / 256) : 1;
    b->resident = 1;
}

static void fill_noise(sweep_batch *b, double longest)
{
    b->noise = (noise_scale_range){NOISE_KNOWN, 82, 61, 118, 900};
    b->noise_windows = 12;
    for (int w = 0; w < b->noise_windows; w++) {
        const double value = 12 * pow(1.3, w) * wobble(w + (double)b->batch, 0.1);
        b->noise_end[w] = longest * (w + 1) / b->noise_windows;
        b->noise_window[w] = (noise_scale_range){NOISE_KNOWN, value, value / 1.4, value * 1.6, 60};
    }
    b->noise_window[10] = (noise_scale_range){NOISE_AT_LEAST, NAN, 90, INFINITY, 60};
    b->noise_window[11] = (noise_scale_range){NOISE_UNKNOWN, NAN, 0, INFINITY, 0};
}

static void fill_runs(const tas_sweep *s, sweep_batch *b, int i)
{
    const double size = (double)b->batch, steps = S_MIN * (1 + B_CRIT / size) * wobble(i, 0.05);
    b->lr = 0.2 * size / (size + 90);
    b->outcome = ROW_REACHED;
    b->seeds = b->reached = 3;
    b->searches = 9;
    b->steps = mean(steps, SPREAD);
    b->examples = mean(steps * size, SPREAD);
    b->epochs = mean(steps * size / (double)s->examples, SPREAD);
    b->seconds = mean(steps * b->step_seconds, SPREAD);
    b->best_loss = mean(0.42 + 0.002 * i * i / 7, 0.004);
    b->last_loss = mean(0.43 + 0.002 * i * i / 7, 0.006);
    b->best_accuracy = mean(0.853 - 0.001 * i, 0.002);
    b->last_accuracy = mean(0.850 - 0.001 * i, 0.003);
    b->epochs_to_best = mean(1.4, 0.2);
    b->gap_equal_loss = mean(0.021 + 0.0003 * i, 0.003);
    b->gap_equal_epochs = mean(0.024 - 0.002 * i, 0.003);
    b->gap_equal_steps = mean(0.006 + 0.003 * i, 0.003);
    b->loss_equal_loss = b->loss_compared = mean(0.451 + 0.0003 * i, 0.003);
    b->loss_equal_epochs = mean(0.44 + 0.009 * i * i / 7, 0.004);
    b->loss_equal_steps = mean(0.62 - 0.025 * i, 0.006);
    b->fluctuation = mean(2e-3 / pow(size, 0.4), 2e-4 / pow(size, 0.4));
    b->seed_spread = mean(6e-3 / pow(size, 0.35), 9e-4 / pow(size, 0.35));
    b->worse_low = i ? -0.004 + 0.001 * i : 0;
    b->worse_high = i ? 0.004 + 0.001 * i : 0;
    b->test_loss = b->best_loss.value + 0.03;
    b->test_accuracy = b->best_accuracy.value - 0.01;
    fill_noise(b, 3 * steps * size);
}

static void fill_frozen(const tas_sweep *s, frozen_point *p, int at)
{
    static const char *const names[] = {"start", "middle", "target"};
    static const double traces[] = {11, 7, 5}, squares[] = {2.2, 0.11, 0.03};
    p->name = names[at];
    p->step = 400 * (uint64_t)at;
    p->loss = 2.3 / (1 + at);
    p->trace = traces[at];
    p->square = squares[at];
    for (int i = 0; i < s->count; i++) {
        frozen_figures *f = &p->batch[i];
        const double part = 1 / (double)s->batch[i].batch - 1 / (double)s->examples;
        f->draws = 30;
        f->variance_expected = p->trace * part;
        f->variance = f->variance_expected * wobble(i + at, 0.05);
        f->variance_error = f->variance * 0.06;
        f->cosine_expected = 1 / sqrt(1 + p->trace / p->square * part);
        f->cosine = 1 - (1 - f->cosine_expected) * wobble(i + 2 * at, 0.02);
        f->cosine_error = 0.02 * (1 - f->cosine_expected);
        f->loss_expected = 1.1 * sqrt(part);
        f->loss_spread = f->loss_expected * wobble(i + 3 * at, 0.1);
    }
}

/* Two runs of B = 64: one whole, one of the search, given up. */
static void fill_first_runs(tas_sweep *s)
{
    for (int r = 0; r < 2; r++) {
        sweep_run *run = &s->run[s->runs++];
        *run = (sweep_run){.batch = 64, .seed = 7 + (uint64_t)r, .lr = 0.083, .search = r == 1, .points = 3};
        run->outcome = r ? ROW_UNDERTRAINED : ROW_REACHED;
        run->steps = r ? NAN : 288;
        run->seconds = r ? NAN : 0.51;
        run->final_metric = NAN;
        run->point = calloc(3, sizeof *run->point);
        for (int k = 0; k < run->points; k++) {
            sweep_point *p = &run->point[k];
            *p = (sweep_point){.step = 144 * (uint64_t)k, .examples = 9216 * (uint64_t)k, .seconds = 0.25 * k};
            p->train_loss = r ? NAN : 2.3 / (1 + k);
            p->train_accuracy = r ? NAN : 0.4 * k;
            p->loss = 2.35 / (1 + k);
            p->accuracy = 0.4 * k;
        }
    }
}

/* A loss that falls from 2.3 to the target and a little below. */
static void fill_figure_run(tas_sweep *s, const sweep_batch *b, uint64_t seed)
{
    enum { POINTS = 24 };
    sweep_run *run = &s->run[s->runs++];
    *run = (sweep_run){.batch = b->batch, .seed = 100 + seed, .lr = b->lr, .target = s->target, .outcome = ROW_REACHED};
    run->steps = b->steps.value * wobble((double)seed, SPREAD);
    run->seconds = run->steps * b->step_seconds;
    run->final_metric = s->target;
    run->points = POINTS;
    run->point = calloc(POINTS, sizeof *run->point);
    for (int k = 0; k < POINTS; k++) {
        const double part = 1.25 * k / (POINTS - 1), loss = 0.4 + 1.9 / (1 + 37 * part);
        sweep_point *p = &run->point[k];
        p->step = (uint64_t)(part * run->steps);
        p->examples = p->step * b->batch;
        p->seconds = (double)p->step * b->step_seconds;
        p->loss = loss * wobble(k + (double)seed, 0.02);
        p->train_loss = loss - 0.03 * part;
        p->accuracy = p->train_accuracy = 1 - 0.4 * loss;
    }
}

/* The rates of a search, to a target on the way; the highest diverges. */
static void fill_search_runs(tas_sweep *s, sweep_batch *b)
{
    for (int k = -3; k <= 3; k++) {
        sweep_run *run = &s->run[s->runs++];
        *run = (sweep_run){.batch = b->batch, .seed = 7, .lr = b->lr * pow(2, k), .search = true, .target = 0.6};
        run->outcome = k == 3 ? ROW_DIVERGED : ROW_REACHED;
        run->steps = k == 3 ? NAN : 0.4 * b->steps.value * (1 + 0.25 * (k + 0.3) * (k + 0.3));
        run->seconds = run->steps * b->step_seconds;
        run->final_metric = 0.6;
    }
    b->lr_edge_of_stability = b->lr * 8;
}

static void fill_run_list(tas_sweep *s)
{
    enum { SEEDS = 2, RATES = 7 };
    s->runs_room = 2 + s->count * (SEEDS + RATES);
    s->run = calloc((size_t)s->runs_room, sizeof *s->run);
    fill_first_runs(s);
    for (int i = 0; i < s->count; i++) {
        fill_figure_run(s, &s->batch[i], 0);
        fill_figure_run(s, &s->batch[i], 1);
        fill_search_runs(s, &s->batch[i]);
    }
}

/* Targets on the way: the critical batch grows. */
static void fill_levels(tas_sweep *s)
{
    static const double targets[] = {1.1, 0.86, 0.69, 0.57, 0.5, 0.45};
    s->levels = sizeof targets / sizeof *targets;
    s->base_batch = 64;
    s->base_epochs = 0.6;
    s->base_best = 0.43;
    for (int k = 0; k < s->levels; k++) {
        sweep_level *l = &s->level[k];
        fit_point points[SWEEP_BATCHES];
        const double part = pow(2, k - s->levels + 1), critical = B_CRIT * pow(part, 0.4);
        l->target = targets[k];
        l->epochs = s->base_epochs * part;
        for (int i = 0; i < s->count; i++) {
            const double size = (double)s->batch[i].batch,
                         steps = S_MIN * part * (1 + critical / size) * wobble(i, 0.05);
            l->steps[i] = mean(steps, SPREAD);
            l->examples[i] = mean(steps * size, SPREAD);
            l->seconds[i] = mean(steps * s->batch[i].step_seconds, SPREAD);
            l->reached[i] = 3;
            points[i] = (fit_point){size, log(steps), SPREAD, 3};
            if (!i || l->seconds[i].value < l->seconds[l->best].value) l->best = i;
        }
        fit_steps(points, s->count, &l->curve);
    }
}

static void fill_checks(tas_sweep *s)
{
    s->checks = 2;
    s->check[0] = (sweep_check){128, 2001, 0.117, 0.4, 0.55, true, false, 260, 33000, 0.72, 0.449, 0.84};
    s->check[1] = (sweep_check){64, 2001, 0.083, 0.45, 0.63, true, true, 290, 18600, 0.52, 0.448, 0.842};
}

static void fill_branches(tas_sweep *s)
{
    s->branches = 6;
    for (int i = 0; i < s->branches; i++) {
        const double value = 20 * pow(1.7, i);
        sweep_branch *b = &s->branch[i];
        *b = (sweep_branch){.step = 64 * (uint64_t)i, .examples = 4096 * (uint64_t)(i + 1), .loss = 1.5 / (1 + i)};
        b->critical = (fit_range){FIT_KNOWN, value, value / 1.5, value * 1.6};
        b->b_crit = (fit_range){FIT_KNOWN, 4 * value, 2.5 * value, 6 * value};
        b->why = "";
        b->progress = 0.1;
        b->repeats = 4;
    }
    s->branch[4].critical = (fit_range){FIT_AT_LEAST, NAN, 128, INFINITY};
    s->branch[5].critical = s->branch[5].b_crit = (fit_range){FIT_UNKNOWN, NAN, 0, INFINITY};
    s->branch[5].why = "the loss does not fall by more than chance";
    s->grown = (sweep_grown){.seeds = 3, .reached = 3, .seconds_deciding = 0.05};
    s->grown.steps = mean(210, SPREAD);
    s->grown.examples = mean(15500, SPREAD);
    s->grown.seconds = mean(0.43, SPREAD);
    snprintf(s->grown.schedule, sizeof s->grown.schedule, "16,60:32,140:128");
}

static void fill_plausible_of(tas_sweep *s, int count)
{
    begin(s, sizes, count);
    snprintf(s->net, sizeof s->net, "mlp");
    snprintf(s->data, sizeof s->data, "/usr/share/datasets/fashion-mnist");
    snprintf(s->device, sizeof s->device, "pocl");
    snprintf(s->device_name, sizeof s->device_name, "pthread-skylake-avx512-Intel(R) Xeon(R) Platinum 8370C");
    s->examples = 55000;
    s->validation = 5000;
    s->test = 10000;
    s->parameters = 101770;
    s->target = 0.45;
    snprintf(s->target_words, sizeof s->target_words,
             "validation loss 0.45, what B = 64 reaches in one epoch at lr 0.08");
    s->forecast = 190;
    s->elapsed = 204;
    s->equal_loss = 0.43;
    s->equal_epochs = 1.4;
    s->equal_steps = 240;
    for (int i = 0; i < s->count; i++) {
        fill_cost(&s->batch[i]);
        fill_runs(s, &s->batch[i], i);
    }
    for (int p = 0; p < FROZEN_POINTS; p++) fill_frozen(s, &s->frozen[p], p);
    fill_run_list(s);
    fill_levels(s);
    fill_checks(s);
    fill_branches(s);
    sweep_advised(s);
}

static void fill_plausible(tas_sweep *s) { fill_plausible_of(s, SIZES); }

/* Odd -------------------------------------------------------------------------------------------------------------- */

static void fill_unknown(tas_sweep *s)
{
    begin(s, sizes, SIZES);
    s->options.brief = 1;
    s->stopped = s->short_of_time = true;
    snprintf(s->left_out, sizeof s->left_out, "the test at B = 4 & 16");
    for (int i = 0; i < s->count; i++) snprintf(s->batch[i].why, sizeof s->batch[i].why, "short of time");
    sweep_advised(s);
}

static void set_nan(double *first, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *first; i++) first[i] = NAN;
}

/* All that is a figure, is none, though all is said to be measured. */
static void fill_nan(tas_sweep *s)
{
    fill_plausible(s);
    for (int i = 0; i < s->count; i++) {
        sweep_batch *b = &s->batch[i];
        sweep_mean *const means[] = {&b->steps,           &b->examples,          &b->epochs,
                                     &b->seconds,         &b->best_loss,         &b->last_loss,
                                     &b->best_accuracy,   &b->last_accuracy,     &b->epochs_to_best,
                                     &b->gap_equal_loss,  &b->gap_equal_epochs,  &b->gap_equal_steps,
                                     &b->loss_equal_loss, &b->loss_equal_epochs, &b->loss_equal_steps,
                                     &b->fluctuation,     &b->seed_spread,       &b->loss_compared};
        for (size_t k = 0; k < sizeof means / sizeof *means; k++) *means[k] = mean(NAN, NAN);
        b->lr = b->step_seconds = b->examples_per_s = b->worse_low = b->worse_high = NAN;
        b->test_loss = b->test_accuracy = NAN;
        b->noise = (noise_scale_range){NOISE_KNOWN, NAN, NAN, NAN, 10};
        for (int w = 0; w < b->noise_windows; w++) b->noise_window[w] = b->noise, b->noise_end[w] = NAN;
        for (int p = 0; p < FROZEN_POINTS; p++) {
            frozen_figures *f = &s->frozen[p].batch[i];
            set_nan(&f->variance, sizeof *f - offsetof(frozen_figures, variance));
        }
    }
    for (int p = 0; p < FROZEN_POINTS; p++) s->frozen[p].loss = s->frozen[p].trace = s->frozen[p].square = NAN;
    s->target = s->forecast = s->elapsed = s->equal_loss = s->equal_epochs = s->base_epochs = s->base_best = NAN;
    for (int i = 0; i < s->runs; i++) s->run[i].points = 0, s->run[i].steps = s->run[i].lr = NAN;
    for (int k = 0; k < s->levels; k++) {
        sweep_level *l = &s->level[k];
        l->target = l->epochs = NAN;
        for (int i = 0; i < s->count; i++) l->steps[i] = l->examples[i] = l->seconds[i] = mean(NAN, NAN);
        l->curve = (fit_curve){0};
    }
    for (int i = 0; i < s->branches; i++)
        s->branch[i].critical = s->branch[i].b_crit = (fit_range){FIT_KNOWN, NAN, NAN, NAN};
    for (int i = 0; i < s->checks; i++) set_nan(&s->check[i].lr, 3 * sizeof(double)), set_nan(&s->check[i].steps, 40);
    s->grown.steps = s->grown.examples = s->grown.seconds = mean(NAN, NAN);
    sweep_advised(s);
}

static void fill_one(tas_sweep *s) { fill_plausible_of(s, 1); }

static void fill_unreached(tas_sweep *s)
{
    const sweep_mean none = {NAN, NAN, 0};
    fill_plausible(s);
    for (int i = 0; i < s->count; i++) {
        sweep_batch *b = &s->batch[i];
        b->outcome = ROW_UNDERTRAINED;
        b->reached = 0;
        b->steps = b->examples = b->epochs = b->seconds = none;
        b->gap_equal_loss = b->gap_equal_epochs = b->gap_equal_steps = none;
        b->loss_equal_loss = b->loss_equal_epochs = b->loss_equal_steps = none;
    }
    s->equal_loss = s->equal_epochs = NAN;
    s->equal_steps = 0;
    s->levels = s->checks = 0;
    s->grown.reached = 0;
    for (int i = 2; i < s->runs; i++) s->run[i].outcome = ROW_UNDERTRAINED, s->run[i].steps = NAN;
    s->nearest = 0.474;
    s->nearest_batch = 32;
    sweep_advised(s);
}

/* A regression, without classes, on arrays, under Adam and a schedule. */
static void fill_untested(tas_sweep *s)
{
    const sweep_mean none = {NAN, NAN, 0};
    fill_plausible(s);
    s->test = 0;
    s->data[0] = 0;
    s->options.train.optimizer = TAS_ADAMW;
    s->options.train.weight_decay = 0.01f;
    s->options.train.schedule = TAS_SCHEDULE_COSINE;
    s->options.train.warmup = 100;
    s->options.epochs = 4;
    s->options.budget = 64 << 20;
    s->options.waste = 3;
    for (int i = 0; i < s->count; i++) {
        sweep_batch *b = &s->batch[i];
        b->test_loss = b->test_accuracy = NAN;
        b->best_accuracy = b->last_accuracy = none;
    }
    sweep_advised(s);
}

static void fill_diverged(tas_sweep *s)
{
    fill_plausible(s);
    sweep_batch *b = &s->batch[s->count - 1];
    const uint64_t size = b->batch;
    set_no_figure(b);
    b->batch = size;
    b->outcome = ROW_DIVERGED;
    b->diverged = 3;
    b->reached = 0;
    b->lr_edge = true;
    snprintf(b->why, sizeof b->why, "the loss was not finite at step 12, at each rate that was tried");
    b = &s->batch[s->count - 2];
    b->diverged = 1;
    b->reached = 2;
    sweep_advised(s);
}

static void fill_names(tas_sweep *s)
{
    fill_plausible(s);
    snprintf(s->net, sizeof s->net, "%s", odd_net);
    snprintf(s->data, sizeof s->data, "%s", odd_data);
    snprintf(s->device, sizeof s->device, "x\"><i>&");
    snprintf(s->device_name, sizeof s->device_name, "card <0> \"&amp;\" \xfe");
    snprintf(s->target_words, sizeof s->target_words, "%s", odd_words);
    snprintf(s->reason, sizeof s->reason, "%s", odd_words);
    snprintf(s->batch[3].why, sizeof s->batch[3].why, "%s", odd_words);
}

/* Eight devices, between which messages are fast: the knee moves. */
static void fill_devices(tas_sweep *s)
{
    fill_plausible(s);
    s->options.ranks = 8;
    s->options.link = (tas_link){2e-6, 1e10};
    s->more_count = 4;
    for (int i = 1; i < s->more_count; i++) s->more[i] = 1e-5 * i;
    on_devices_advise(s);
}

const sweep_fixture sweep_fixtures[] = {
    {"plausible", fill_plausible}, {"unknown", fill_unknown},   {"nan", fill_nan},           {"one", fill_one},
    {"unreached", fill_unreached}, {"untested", fill_untested}, {"diverged", fill_diverged}, {"names", fill_names},
    {"devices", fill_devices},
};
const int sweep_fixture_count = sizeof sweep_fixtures / sizeof *sweep_fixtures;

tas_sweep *sweep_made(tas_context *context, const char *name)
{
    for (int i = 0; i < sweep_fixture_count; i++) {
        if (strcmp(name, sweep_fixtures[i].name)) continue;
        tas_sweep *s = calloc(1, sizeof *s);
        s->context = context;
        sweep_fixtures[i].fill(s);
        return s;
    }
    return NULL;
}

tas_sweep *sweep_blank(tas_context *context, const uint64_t *batches, int count)
{
    tas_sweep *s = calloc(1, sizeof *s);
    s->context = context;
    begin(s, batches, count);
    s->advice.row = -1;
    return s;
}

void sweep_freed(tas_sweep *s)
{
    for (int i = 0; s && i < s->runs; i++) free(s->run[i].point);
    if (s) free(s->run);
    free(s);
}
