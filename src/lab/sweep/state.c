#include "lab/sweep/state.h"

#include "base/base.h"
#include "lab/sweep/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST = 64 << 20, FORMAT = 2 }; /* 1 had no format, and when a run is given up in its name */

struct state {
    tas_context *context;
    char *folder, *settings, *place;
    struct stored {
        char *name;
        sweep_run run;
    } * stored;
    int count, room;
    int last; /* number of a run's file */
    int lock; /* the folder, open; -1: not yet */
};

/* A path in the folder, malloc()ed. */
static char *path_of(const state *s, const char *file)
{
    const size_t bytes = strlen(s->folder) + strlen(file) + 2;
    char *path = malloc(bytes);
    if (path)
        snprintf(path, bytes, "%s/%s", s->folder, file);
    else
        fail(s->context, TAS_NO_MEMORY, "no memory for a path");
    return path;
}

/* The name's FNV-1a hash: a batch has other weights at another rate. */
char *state_weights(const state *s, const char *run)
{
    char file[64];
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *run; run++) hash = (hash ^ (unsigned char)*run) * UINT64_C(0x100000001b3);
    snprintf(file, sizeof file, "weights-%016" PRIx64 ".safetensors", hash);
    return path_of(s, file);
}

/* Numbers: what is not known is null ----------------------------------------------------------------------------------
 */

static double number_of(const json_t *x) { return json_is_number(x) ? json_number_value(x) : NAN; }
static uint64_t count_of(const json_t *x)
{
    return json_is_integer(x) && json_integer_value(x) >= 0 ? (uint64_t)json_integer_value(x) : 0;
}

static json_t *write_noise(const noise *n)
{
    if (!n->steps && !n->skipped) return json_null();
    json_t *out = json_array();
    json_array_append_new(out, json_count(n->steps));
    json_array_append_new(out, json_count(n->skipped));
    json_array_append_new(out, json_count(n->pairs));
    const double numbers[] = {n->trace, n->square, n->last_trace, n->last_square, n->traces, n->products, n->squares};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) json_array_append_new(out, json_known(numbers[i]));
    return out;
}

static noise read_noise(const json_t *in)
{
    if (!json_is_array(in) || json_array_size(in) != 10) return (noise){0};
    double x[7];
    for (size_t i = 0; i < 7; i++) x[i] = number_of(json_array_get(in, 3 + i));
    return (noise){.steps = count_of(json_array_get(in, 0)),
                   .skipped = count_of(json_array_get(in, 1)),
                   .pairs = count_of(json_array_get(in, 2)),
                   .trace = x[0],
                   .square = x[1],
                   .last_trace = x[2],
                   .last_square = x[3],
                   .traces = x[4],
                   .products = x[5],
                   .squares = x[6]};
}

static json_t *write_points(const sweep_run *run)
{
    json_t *out = json_array();
    for (int i = 0; i < run->points; i++) {
        const sweep_point *p = &run->point[i];
        const double numbers[] = {p->seconds, p->train_loss, p->train_accuracy, p->loss, p->accuracy};
        json_t *one = json_array();
        json_array_append_new(one, json_count(p->step));
        json_array_append_new(one, json_count(p->examples));
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            json_array_append_new(one, json_known(numbers[k]));
        json_array_append_new(one, write_noise(&p->noise));
        json_array_append_new(out, one);
    }
    return out;
}

static bool read_points(const json_t *in, sweep_run *run)
{
    const size_t points = json_array_size(in);
    run->point = calloc(points ? points : 1, sizeof *run->point);
    if (!run->point) return false;
    for (size_t i = 0; i < points; i++) {
        const json_t *one = json_array_get(in, i);
        run->point[i] = (sweep_point){.step = count_of(json_array_get(one, 0)),
                                      .examples = count_of(json_array_get(one, 1)),
                                      .seconds = number_of(json_array_get(one, 2)),
                                      .train_loss = number_of(json_array_get(one, 3)),
                                      .train_accuracy = number_of(json_array_get(one, 4)),
                                      .loss = number_of(json_array_get(one, 5)),
                                      .accuracy = number_of(json_array_get(one, 6)),
                                      .noise = read_noise(json_array_get(one, 7))};
    }
    run->points = (int)points;
    return true;
}

static json_t *write_run(const state *s, const char *name, const sweep_run *run)
{
    json_t *out = json_object();
    json_object_set_new(out, "name", json_string(name));
    json_object_set_new(out, "batch", json_count(run->batch));
    json_object_set_new(out, "seed", json_count(run->seed));
    json_object_set_new(out, "lr", json_known(run->lr));
    json_object_set_new(out, "search", json_boolean(run->search));
    json_object_set_new(out, "give_up", json_known(run->give_up)); /* null: never */
    json_object_set_new(out, "start", json_known(run->start));
    json_object_set_new(out, "target", json_known(run->target));
    json_object_set_new(out, "place", json_string(s->place));
    json_object_set_new(out, "outcome", json_count(run->outcome));
    json_object_set_new(out, "steps", json_known(run->steps));
    json_object_set_new(out, "seconds", json_known(run->seconds));
    json_object_set_new(out, "race", json_known(run->race));
    json_object_set_new(out, "memory", json_count(run->memory));
    json_object_set_new(out, "noise", write_noise(&run->noise));
    json_object_set_new(out, "points", write_points(run));
    return out;
}

static bool read_run(const state *s, const json_t *in, sweep_run *run)
{
    const char *place = json_string_value(json_object_get(in, "place"));
    const json_t *give_up = json_object_get(in, "give_up");
    const uint64_t outcome = count_of(json_object_get(in, "outcome"));
    *run = (sweep_run){.batch = count_of(json_object_get(in, "batch")),
                       .seed = count_of(json_object_get(in, "seed")),
                       .lr = number_of(json_object_get(in, "lr")),
                       .search = json_is_true(json_object_get(in, "search")),
                       .give_up = json_is_number(give_up) ? json_number_value(give_up) : INFINITY,
                       .start = number_of(json_object_get(in, "start")),
                       .target = number_of(json_object_get(in, "target")),
                       .elsewhere = !place || strcmp(place, s->place) != 0,
                       .outcome = (row_outcome)outcome,
                       .steps = number_of(json_object_get(in, "steps")),
                       .seconds = number_of(json_object_get(in, "seconds")),
                       .race = number_of(json_object_get(in, "race")),
                       .memory = count_of(json_object_get(in, "memory")),
                       .noise = read_noise(json_object_get(in, "noise"))};
    if (!run->batch || !(run->lr > 0) || outcome > ROW_OVER_BUDGET) return false;
    return read_points(json_object_get(in, "points"), run);
}

/* Files --------------------------------------------------------------------------------------------------------------
 */

static tas_status write_file(const state *s, const char *file, json_t *value)
{
    file_writer writer;
    char *path = path_of(s, file);
    tas_status status = path && value ? file_begin(s->context, &writer, path) : TAS_NO_MEMORY;
    if (!status && (json_dumpf(value, writer.stream, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) ||
                    fputc('\n', writer.stream) == EOF)) {
        const int error = errno;
        file_abandon(&writer);
        status = fail(s->context, TAS_BAD_FILE, "%s: cannot be written: %s", path, strerror(error));
    } else if (!status) {
        status = file_commit(s->context, &writer);
    }
    free(path);
    json_decref(value);
    return status;
}

/* *out NULL: there is no such file. `then`: what to do about one that is no JSON. */
static tas_status read_file(const state *s, const char *file, const char *then, json_t **out)
{
    char *path = path_of(s, file), *text = NULL;
    size_t bytes;
    struct stat is;
    json_error_t error;
    tas_status status = TAS_OK;
    *out = NULL;
    if (!path) return TAS_NO_MEMORY;
    if (stat(path, &is) && errno == ENOENT) {
        free(path);
        return TAS_OK;
    }
    status = file_read(s->context, path, FILE_MOST, &text, &bytes);
    if (!status && !(*out = json_loadb(text, bytes, 0, &error)))
        status = fail(s->context, TAS_BAD_FILE, "%s:%d: %s; %s", path, error.line, error.text, then);
    free(text);
    free(path);
    return status;
}

static tas_status keep(state *s, const char *name, const sweep_run *run)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 32;
        struct stored *more = realloc(s->stored, (size_t)s->room * sizeof *more);
        if (!more) return fail(s->context, TAS_NO_MEMORY, "no memory for the runs of a sweep");
        s->stored = more;
    }
    s->stored[s->count] = (struct stored){strdup(name), *run};
    s->stored[s->count].run.point = malloc((size_t)(run->points ? run->points : 1) * sizeof *run->point);
    if (!s->stored[s->count].name || !s->stored[s->count].run.point)
        return fail(s->context, TAS_NO_MEMORY, "no memory for the runs of a sweep");
    if (run->points) memcpy(s->stored[s->count].run.point, run->point, (size_t)run->points * sizeof *run->point);
    s->count++;
    return TAS_OK;
}

static tas_status read_stored(state *s, const char *file)
{
    json_t *in;
    sweep_run run = {.point = NULL};
    tas_status status = read_file(s, file, "remove the file, and its run is made again", &in);
    if (status || !in) return status;
    const char *name = json_string_value(json_object_get(in, "name"));
    if (name && read_run(s, in, &run))
        status = keep(s, name, &run);
    else
        status = fail(s->context, TAS_BAD_FILE, "%s/%s: no run of a sweep; remove the file, and it is made again",
                      s->folder, file);
    free(run.point);
    json_decref(in);
    return status;
}

/* What a process that was killed left of a file that it was writing: see file_begin(). */
static bool is_leftover(const char *file)
{
    const char *end = strrchr(file, '.');
    const bool ours = !strncmp(file, "run-", 4) || !strncmp(file, "weights-", 8) || !strncmp(file, "sweep.json.", 11);
    return ours && end && strlen(end) == 8 && strspn(end + 1, "0123456789") == 7;
}

static void remove_leftover(const state *s, const char *file)
{
    char *path = path_of(s, file);
    if (path) unlink(path);
    free(path);
}

static tas_status read_runs(state *s)
{
    struct dirent **list;
    const int files = scandir(s->folder, &list, NULL, alphasort);
    tas_status status = TAS_OK;
    if (files < 0) return fail(s->context, TAS_BAD_FILE, "%s: cannot be read: %s", s->folder, strerror(errno));
    for (int i = 0; i < files; i++) {
        int number = 0, end = 0;
        const char *file = list[i]->d_name;
        const bool is_run = sscanf(file, "run-%d.json%n", &number, &end) == 1 && end && !file[end];
        if (is_run && !status) status = read_stored(s, file);
        if (is_run && number > s->last) s->last = number;
        if (is_leftover(file)) remove_leftover(s, file);
        free(list[i]);
    }
    free(list);
    return status;
}

/* The first line in which two texts differ. */
static void differing_line(const char *a, const char *b, char *line_a, char *line_b, size_t bytes)
{
    for (;;) {
        const size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        if (n != m || memcmp(a, b, n) != 0 || !a[n] || !b[m]) {
            snprintf(line_a, bytes, "%.*s", (int)n, a);
            snprintf(line_b, bytes, "%.*s", (int)m, b);
            return;
        }
        a += n + 1;
        b += m + 1;
    }
}

/* Without sweep.json *begun is false. */
static tas_status check_settings(state *s, double *elapsed, bool *begun)
{
    json_t *in;
    char there[256], here[256];
    tas_status status = read_file(s, "sweep.json", "name another folder", &in);
    *elapsed = 0;
    *begun = in;
    if (status || !in) return status;
    const char *settings = json_string_value(json_object_get(in, "settings"));
    const uint64_t format = settings && !json_object_get(in, "format") ? 1 : count_of(json_object_get(in, "format"));
    if (settings && format != FORMAT) {
        status =
            fail(s->context, TAS_BAD_FILE,
                 "%s/sweep.json: of format %" PRIu64 ", from another version of tassello; this one knows format %d; "
                 "name another folder",
                 s->folder, format, FORMAT);
    } else if (!settings) {
        status = fail(s->context, TAS_BAD_FILE, "%s/sweep.json: it has no settings; name another folder", s->folder);
    } else if (strcmp(settings, s->settings) != 0) {
        differing_line(settings, s->settings, there, here, sizeof there);
        status = fail(s->context, TAS_BAD_ARGUMENT,
                      "%s: holds another sweep: there '%s', here '%s'; name another folder, or give the same settings",
                      s->folder, there, here);
    } else {
        const double seconds = number_of(json_object_get(in, "elapsed"));
        *elapsed = seconds >= 0 ? seconds : 0;
    }
    json_decref(in);
    return status;
}

/* Two sweeps in one folder would number their runs alike. The lock ends with the process, however that ends. */
static tas_status lock_folder(state *s)
{
    s->lock = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->lock < 0) return fail(s->context, TAS_BAD_FILE, "%s: cannot be read: %s", s->folder, strerror(errno));
    if (!flock(s->lock, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK) return TAS_OK; /* some file systems have no locks */
    return fail(s->context, TAS_BAD_FILE,
                "%s: another sweep is at work there; wait until it has ended, or name another folder", s->folder);
}

/* Runs of which nothing says whose they are would pass for this sweep's. */
static tas_status begin_folder(state *s)
{
    if (!s->count) return state_save_elapsed(s, 0);
    return fail(s->context, TAS_BAD_FILE,
                "%s: holds runs, but no sweep.json that tells of which sweep; name another folder", s->folder);
}

tas_status state_open(tas_context *context, const char *folder, const char *settings, const char *place,
                      double *elapsed, state **out)
{
    state *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return fail(context, TAS_NO_MEMORY, "no memory for the state of a sweep");
    *s = (state){
        .context = context, .folder = strdup(folder), .settings = strdup(settings), .place = strdup(place), .lock = -1};
    tas_status status = TAS_OK;
    bool begun = false;
    if (!s->folder || !s->settings || !s->place)
        status = fail(context, TAS_NO_MEMORY, "no memory for the state of a sweep");
    if (!status && mkdir(folder, 0777) && errno != EEXIST)
        status = fail(context, TAS_BAD_FILE, "%s: the folder cannot be made: %s", folder, strerror(errno));
    if (!status) status = lock_folder(s);
    if (!status) status = check_settings(s, elapsed, &begun);
    if (!status) status = read_runs(s);
    if (!status && !begun) status = begin_folder(s);
    if (status)
        state_close(&s);
    else
        *out = s;
    return status;
}

void state_close(state **s)
{
    if (!*s) return;
    for (int i = 0; i < (*s)->count; i++) {
        free((*s)->stored[i].name);
        free((*s)->stored[i].run.point);
    }
    if ((*s)->lock >= 0) close((*s)->lock);
    free((*s)->stored);
    free((*s)->folder);
    free((*s)->settings);
    free((*s)->place);
    free(*s);
    *s = NULL;
}

/* A run that came to the target, fell apart or went to its end would have done so whenever it was to be given up. */
static bool tells(const sweep_run *run, double give_up)
{
    const double done = run->points ? (double)run->point[run->points - 1].examples : 0;
    return isfinite(run->steps) || run->outcome == ROW_DIVERGED || done <= run->give_up || run->give_up >= give_up;
}

const sweep_run *state_run(const state *s, int number) { return number < s->count ? &s->stored[number].run : NULL; }

bool state_find(const state *s, const char *name, double give_up, sweep_run *out)
{
    for (int i = 0; i < s->count; i++) {
        const sweep_run *run = &s->stored[i].run;
        if (strcmp(s->stored[i].name, name) != 0 || !tells(run, give_up)) continue;
        *out = *run;
        out->point = malloc((size_t)(run->points ? run->points : 1) * sizeof *run->point);
        if (out->point && run->points) memcpy(out->point, run->point, (size_t)run->points * sizeof *run->point);
        return out->point != NULL;
    }
    return false;
}

tas_status state_save(state *s, const char *name, const sweep_run *run)
{
    char file[32];
    tas_status status = keep(s, name, run);
    if (status) return status;
    snprintf(file, sizeof file, "run-%04d.json", ++s->last);
    return write_file(s, file, write_run(s, name, run));
}

tas_status state_save_elapsed(state *s, double elapsed)
{
    json_t *out = json_object();
    json_object_set_new(out, "format", json_count(FORMAT));
    json_object_set_new(out, "settings", json_string(s->settings));
    json_object_set_new(out, "elapsed", json_known(elapsed));
    return write_file(s, "sweep.json", out);
}
