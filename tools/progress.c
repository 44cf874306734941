/* The progress line and the log. */
#include "progress.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double terminal_period = 0.1, plain_period = 10, epoch_period = 1, flush_period = 0.5; /* seconds */

enum { MEASURED_LEAST = 10 }; /* steps before the noise scale is shown */

/* A line that was cut when its writer was killed is ended. */
static FILE *open_behind(const char *name)
{
    FILE *file = fopen(name, "a+");
    if (!file) return NULL;
    const bool empty = fseek(file, -1, SEEK_END) != 0;
    const int last = empty ? '\n' : fgetc(file);
    const bool placed = last != EOF && !fseek(file, 0, SEEK_END);
    if (placed && (last == '\n' || fputc('\n', file) != EOF)) return file;
    const int error = errno;
    fclose(file);
    errno = error;
    return NULL;
}

bool progress_open(progress *p, cli_state *cli, const char *log_name, bool appends)
{
    *p = (progress){.cli = cli, .log_name = log_name};
    p->terminal = cli_is_terminal(STDERR_FILENO);
    if (!log_name) return true;
    p->log = appends ? open_behind(log_name) : fopen(log_name, "w");
    if (!p->log) cli_error(cli, "--log %s: cannot be written: %s", log_name, strerror(errno));
    return p->log != NULL;
}

/* Stops logging: training is worth more than its log. */
static void fail_log(progress *p, int error)
{
    cli_error(p->cli, "--log %s: cannot be written: %s; training continues without it", p->log_name, strerror(error));
    fclose(p->log);
    p->log = NULL;
    p->log_failed = true;
}

static void write_line(progress *p, json_t *line)
{
    if (!cli_json_print(line, p->log)) fail_log(p, errno);
}

void progress_flush(progress *p)
{
    if (p->log && fflush(p->log)) fail_log(p, errno);
}

void progress_log(progress *p, const char *key, json_t *value)
{
    if (!p->log) {
        json_decref(value);
        return;
    }
    json_t *line = json_object();
    json_object_set_new(line, key, value);
    write_line(p, line);
    progress_flush(p);
}

static void log_step(progress *p, const tas_step *step)
{
    json_t *line = json_object();
    json_object_set_new(line, "step", json_integer((json_int_t)step->step));
    json_object_set_new(line, "epoch", json_integer((json_int_t)step->epoch));
    json_object_set_new(line, "batch", json_integer(step->batch));
    json_object_set_new(line, "lr", cli_json_float(step->lr));
    json_object_set_new(line, "loss", cli_json_float(step->loss));
    json_object_set_new(line, "seconds", cli_json_real(step->seconds));
    if (isfinite(step->trace) && isfinite(step->square)) {
        json_object_set_new(line, "trace", cli_json_real(step->trace));
        json_object_set_new(line, "square", cli_json_real(step->square));
    }
    if (isfinite(step->preconditioned_trace) && isfinite(step->preconditioned_square)) {
        json_object_set_new(line, "preconditioned_trace", cli_json_real(step->preconditioned_trace));
        json_object_set_new(line, "preconditioned_square", cli_json_real(step->preconditioned_square));
    }
    write_line(p, line);
    if (step->seconds - p->flushed >= flush_period) {
        p->flushed = step->seconds;
        progress_flush(p);
    }
}

const char *progress_time(double seconds, char text[TIME_TEXT])
{
    unsigned long long s = seconds > 0 && seconds < 1e15 ? (unsigned long long)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(text, TIME_TEXT, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, TIME_TEXT, "%llu:%02llu", s / 60, s % 60);
    return text;
}

/* On a terminal a line is written over the last one, which works only if neither is wider than the terminal. */
static void show_line(progress *p, const char *text)
{
    if (p->terminal)
        fprintf(stderr, "\r\033[K%.*s", cli_columns(STDERR_FILENO) - 1, text);
    else
        fprintf(stderr, "%s\n", text);
    p->cli->line_open = p->terminal;
}

enum { PART_STEP, PART_BATCH, PART_EPOCH, PART_LOSS, PART_NOISE, PART_RATE, PART_LEFT, PARTS, PART_TEXT = 64 };

static void describe_step(const progress *p, char parts[PARTS][PART_TEXT])
{
    const tas_step *step = &p->last;
    char text[TIME_TEXT], total[32] = "";
    memset(parts, 0, PARTS * PART_TEXT);
    snprintf(parts[PART_STEP], PART_TEXT, "step %llu/%llu", (unsigned long long)step->step,
             (unsigned long long)step->steps);
    if (p->batch != p->first) snprintf(parts[PART_BATCH], PART_TEXT, "  batch %u", p->batch);
    if (p->epochs) snprintf(total, sizeof total, "/%llu", (unsigned long long)p->epochs);
    snprintf(parts[PART_EPOCH], PART_TEXT, "  epoch %llu%s", (unsigned long long)step->epoch, total);
    snprintf(parts[PART_LOSS], PART_TEXT, "  loss %.4f", p->epoch_loss / (double)p->epoch_examples);
    if (p->measured >= MEASURED_LEAST && p->squares > 0)
        snprintf(parts[PART_NOISE], PART_TEXT, "  noise scale %s",
                 cli_figures(p->traces > 0 ? p->traces / p->squares : 0, 3, text));
    if (step->seconds <= 0) return;
    snprintf(parts[PART_RATE], PART_TEXT, "  %.0f examples/s", (double)step->examples / step->seconds);
    progress_time((double)(step->steps - step->step) * step->seconds / (double)step->step, text);
    snprintf(parts[PART_LEFT], PART_TEXT, "  %s left", text);
}

/* What does not fit is left out: the rate first. */
static void show(progress *p)
{
    static const int expendable[] = {PART_RATE, PART_NOISE, PART_EPOCH, PART_BATCH, PART_LEFT};
    char parts[PARTS][PART_TEXT], line[PARTS * PART_TEXT] = "";
    size_t length = 0, most = p->terminal ? (size_t)cli_columns(STDERR_FILENO) - 1 : sizeof line;
    describe_step(p, parts);
    for (int i = 0; i < PARTS; i++) length += strlen(parts[i]);
    for (size_t i = 0; i < sizeof expendable / sizeof *expendable && length > most; i++) {
        length -= strlen(parts[expendable[i]]);
        parts[expendable[i]][0] = 0;
    }
    for (int i = 0; i < PARTS; i++) strcat(line, parts[i]);
    show_line(p, line);
    p->shown = p->last.seconds;
}

static bool is_due(const progress *p, const tas_step *next)
{
    const double period = p->terminal ? terminal_period : plain_period;
    return p->epoch_examples && next->seconds > p->last.seconds && p->last.seconds - p->shown >= period;
}

void progress_step(progress *p, const tas_step *step)
{
    if (is_due(p, step)) show(p);
    if (step->epoch != p->last.epoch) { /* an epoch begins */
        p->epoch_loss = 0;
        p->epoch_examples = 0;
    }
    p->epoch_loss += (double)step->loss * step->batch;
    p->epoch_examples += step->batch;
    p->last = *step;
    if (!p->first) p->first = p->batch = step->batch;
    if (!step->ends_epoch) p->batch = step->batch;
    if (isfinite(step->trace) && isfinite(step->square)) {
        p->measured++;
        p->traces += step->trace;
        p->squares += step->square;
    }

    if (p->log) log_step(p, step);
    const bool epoch_shows = step->ends_epoch && !p->terminal && step->seconds - p->shown >= epoch_period;
    if (step->step == step->steps || epoch_shows) show(p);
}

json_t *progress_encode(const progress *p)
{
    const tas_step *step = &p->last;
    return json_pack("[I, I, b, f, I, f, I, I, f, f]", (json_int_t)step->step, (json_int_t)step->epoch,
                     step->ends_epoch, step->seconds, (json_int_t)step->examples, p->epoch_loss,
                     (json_int_t)p->epoch_examples, (json_int_t)p->measured, p->traces, p->squares);
}

bool progress_decode(progress *p, const json_t *in)
{
    json_int_t step, epoch, examples, epoch_examples, measured;
    if (json_unpack((json_t *)in, "[I, I, b, F, I, F, I, I, F, F!]", &step, &epoch, &p->last.ends_epoch,
                    &p->last.seconds, &examples, &p->epoch_loss, &epoch_examples, &measured, &p->traces, &p->squares))
        return false;
    p->last.step = (uint64_t)step;
    p->last.epoch = (uint64_t)epoch;
    p->last.examples = (uint64_t)examples;
    p->epoch_examples = (uint64_t)epoch_examples;
    p->measured = (uint64_t)measured;
    p->shown = p->flushed = p->validated = p->last.seconds;
    return true;
}

void progress_work(progress *p, const char *doing, double seconds, double left)
{
    char text[TIME_TEXT], line[1024];
    if (p->shown > 0 && seconds - p->shown < (p->terminal ? terminal_period : plain_period)) return;
    int length = snprintf(line, sizeof line, "%.900s  %s", doing, progress_time(seconds, text));
    if (!isnan(left))
        snprintf(line + length, sizeof line - (size_t)length, ", about %s left", progress_time(left, text));
    show_line(p, line);
    p->shown = seconds;
}

void progress_validation(progress *p, const tas_score *score)
{
    const tas_step *step = &p->last;
    if (step->step < step->steps && p->validated > 0 && step->seconds - p->validated < epoch_period) return;
    p->validated = step->seconds;
    progress_end_line(p);
    fprintf(stderr, "step %llu/%llu  validation ", (unsigned long long)step->step, (unsigned long long)step->steps);
    if (score->accuracy >= 0) fprintf(stderr, "accuracy %.4f ", score->accuracy);
    fprintf(stderr, "loss %.4f\n", score->loss);
}

void progress_end_line(progress *p)
{
    if (p->cli->line_open) fputc('\n', stderr);
    p->cli->line_open = false;
}

bool progress_close(progress *p)
{
    if (p->log && fclose(p->log)) {
        cli_error(p->cli, "--log %s: cannot be written: %s", p->log_name, strerror(errno));
        p->log_failed = true;
    }
    p->log = NULL;
    return !p->log_failed;
}
