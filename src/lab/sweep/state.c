#include "lab/sweep/state.h"

#include "base/context.h"
#include "base/file.h"
#include "base/format.h"
#include "base/text.h"
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

enum {
    FILE_MOST = 64 << 20,
    FORMAT = 3,           /* 1 had no format, and when a run is given up in its name; points of 2 had 8 parts */
    NUMBER_LIMIT = 99999, /* of a run's file, which is below it; no sweep makes as many */
    ELAPSED_MOST = 1000000000
};
static const double DEPTH_MOST = 0x1p53;

struct state {
    tas_context *context;
    char *folder, *settings, *environment;
    run_limits limits;
    struct stored {
        char name[RUN_NAME_BYTES];
        sweep_run run;
    } *stored;
    int count, room;
    int last;     /* number of a run's file */
    double depth; /* of the target; 0: not known */
    int lock;     /* the folder, open; -1: not yet */
    char ignored[512];
    int ignored_count;
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

/* By the name's hash. */
char *state_weights(const state *s, const run_key *key)
{
    char name[RUN_NAME_BYTES], file[64];
    run_key_name(key, name, sizeof name);
    snprintf(file, sizeof file, "weights-%016" PRIx64 ".safetensors", text_hash(name));
    return path_of(s, file);
}

/* Files ------------------------------------------------------------------------------------------------------------ */

static tas_status write_file(const state *s, const char *file, json_t *value)
{
    file_writer to;
    char *path = path_of(s, file);
    tas_status status = path && value ? file_begin(s->context, &to, path) : TAS_NO_MEMORY;
    if (!status &&
        (json_dumpf(value, to.stream, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) || fputc('\n', to.stream) == EOF)) {
        const int error = errno;
        file_abandon(&to);
        status = fail(s->context, TAS_BAD_FILE, "%s: cannot be written: %s", path, strerror(error));
    } else if (!status) {
        status = file_commit(s->context, &to);
    }
    free(path);
    json_decref(value);
    return status;
}

/* The first few are listed, the others counted. */
static void ignore(state *s, const char *file, const char *why)
{
    text_buffer out = {s->ignored, sizeof s->ignored - 32, strlen(s->ignored)};
    if (s->ignored_count++ < 4) format_add(&out, "%s%s: %s", out.used ? "; " : "", file, why);
}

/* *out NULL: there is no such file, or it is not JSON, as *error then says. */
static tas_status read_file(const state *s, const char *file, json_error_t *error, json_t **out)
{
    char *path = path_of(s, file), *text = NULL;
    size_t bytes;
    struct stat about;
    tas_status status = TAS_OK;
    *out = NULL;
    *error = (json_error_t){.line = 0};
    if (!path) return TAS_NO_MEMORY;
    if (stat(path, &about) && errno == ENOENT) {
        free(path);
        return TAS_OK;
    }
    status = file_read(s->context, path, FILE_MOST, &text, &bytes);
    if (!status) *out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, error);
    free(text);
    free(path);
    return status;
}

static tas_status keep(state *s, const run_key *key, const sweep_run *run)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 32;
        struct stored *more = realloc(s->stored, (size_t)s->room * sizeof *more);
        if (!more) return fail(s->context, TAS_NO_MEMORY, "no memory for the runs of a sweep");
        s->stored = more;
    }
    struct stored *stored = &s->stored[s->count];
    stored->run = *run;
    stored->run.point = malloc((size_t)(run->points ? run->points : 1) * sizeof *run->point);
    if (!stored->run.point) return fail(s->context, TAS_NO_MEMORY, "no memory for the runs of a sweep");
    if (run->points) memcpy(stored->run.point, run->point, (size_t)run->points * sizeof *run->point);
    run_key_name(key, stored->name, sizeof stored->name);
    s->count++;
    return TAS_OK;
}

static tas_status read_stored(state *s, const char *file)
{
    json_t *in;
    json_error_t error;
    run_key key;
    sweep_run run;
    char why[160];
    tas_status status = read_file(s, file, &error, &in);
    if (status == TAS_BAD_FILE) {
        ignore(s, file, "it cannot be read");
        return TAS_OK;
    }
    if (status) return status;
    if (!in) {
        snprintf(why, sizeof why, "line %d is not JSON", error.line);
        ignore(s, file, why);
    } else if (run_file_decode(in, &s->limits, s->environment, &key, &run, why, sizeof why)) {
        status = keep(s, &key, &run);
        free(run.point);
    } else {
        ignore(s, file, why);
    }
    json_decref(in);
    return status;
}

/* The number of a run's file, NUMBER_LIMIT if it is as large or larger; 0: it is not one. */
static int run_number(const char *file)
{
    if (strncmp(file, "run-", 4) != 0) return 0;
    const size_t digits = strspn(file + 4, "0123456789");
    if (digits < 1 || strcmp(file + 4 + digits, ".json") != 0) return 0;
    const unsigned long number = digits < 9 ? strtoul(file + 4, NULL, 10) : NUMBER_LIMIT;
    return number > NUMBER_LIMIT ? NUMBER_LIMIT : (int)number;
}

static tas_status read_numbered(state *s, const char *file)
{
    const int number = run_number(file);
    if (!number) return TAS_OK;
    if (number == NUMBER_LIMIT) {
        ignore(s, file, "its number is too large");
        return TAS_OK;
    }
    if (number > s->last) s->last = number;
    return read_stored(s, file);
}

static tas_status read_runs(state *s)
{
    struct dirent **list;
    file_remove_leftovers(s->folder, NULL);
    const int files = scandir(s->folder, &list, NULL, versionsort);
    tas_status status = TAS_OK;
    if (files < 0) return fail(s->context, TAS_BAD_FILE, "%s: cannot be read: %s", s->folder, strerror(errno));
    for (int i = 0; i < files; i++) {
        const char *file = list[i]->d_name;
        if (!status) status = read_numbered(s, file);
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
    json_error_t error;
    char there[256], here[256];
    tas_status status = read_file(s, "sweep.json", &error, &in);
    *elapsed = 0;
    *begun = in;
    if (!status && !in && error.text[0])
        return fail(s->context, TAS_BAD_FILE, "%s/sweep.json:%d: %s; use another folder", s->folder, error.line,
                    error.text);
    if (status || !in) return status;
    const char *settings = json_string_value(json_object_get(in, "settings"));
    const json_int_t format = json_object_get(in, "format") ? json_integer_value(json_object_get(in, "format")) : 1;
    if (settings && format != FORMAT) {
        status = fail(s->context, TAS_BAD_FILE,
                      "%s/sweep.json: of format %" JSON_INTEGER_FORMAT
                      ", from another version of tassello; this one knows format %d; "
                      "use another folder",
                      s->folder, format, FORMAT);
    } else if (!settings) {
        status = fail(s->context, TAS_BAD_FILE, "%s/sweep.json: has no settings; use another folder", s->folder);
    } else if (strcmp(settings, s->settings) != 0) {
        differing_line(settings, s->settings, there, here, sizeof there);
        status = fail(s->context, TAS_BAD_ARGUMENT,
                      "%s: belongs to another sweep: there '%s', here '%s'; use another folder, or the same settings",
                      s->folder, there, here);
    } else {
        const double seconds = json_number_value(json_object_get(in, "elapsed"));
        const double depth = json_number_value(json_object_get(in, "depth"));
        *elapsed = seconds > 0 && seconds < ELAPSED_MOST ? seconds : 0;
        s->depth = depth >= 1 && depth < DEPTH_MOST ? depth : 0;
    }
    json_decref(in);
    return status;
}

/* Two sweeps in one folder would number their runs alike. The lock ends with the process. */
static tas_status lock_folder(state *s)
{
    s->lock = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->lock < 0) return fail(s->context, TAS_BAD_FILE, "%s: cannot be read: %s", s->folder, strerror(errno));
    if (!flock(s->lock, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK) return TAS_OK; /* some file systems have no locks */
    return fail(s->context, TAS_BAD_FILE, "%s: in use by another sweep; wait until it ends, or use another folder",
                s->folder);
}

/* Runs of an unknown sweep must not be used for this one. */
static tas_status begin_folder(state *s)
{
    if (!s->count && !s->ignored_count) return state_save_elapsed(s, 0);
    return fail(s->context, TAS_BAD_FILE, "%s: has runs, but no sweep.json with their settings; use another folder",
                s->folder);
}

static void end_ignored(state *s)
{
    text_buffer out = {s->ignored, sizeof s->ignored, strlen(s->ignored)};
    if (s->ignored_count > 4) format_add(&out, "; and %d more", s->ignored_count - 4);
}

tas_status state_open(tas_context *context, const char *folder, const state_sweep *sweep, double *elapsed, state **out)
{
    state *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return fail(context, TAS_NO_MEMORY, "no memory for the state of a sweep");
    *s = (state){.context = context,
                 .folder = strdup(folder),
                 .settings = strdup(sweep->settings),
                 .environment = strdup(sweep->environment),
                 .limits = sweep->limits,
                 .lock = -1};
    tas_status status = TAS_OK;
    bool begun = false;
    if (!s->folder || !s->settings || !s->environment)
        status = fail(context, TAS_NO_MEMORY, "no memory for the state of a sweep");
    if (!status && mkdir(folder, 0777) && errno != EEXIST)
        status = fail(context, TAS_BAD_FILE, "%s: the folder cannot be created: %s", folder, strerror(errno));
    if (!status) status = lock_folder(s);
    if (!status) status = check_settings(s, elapsed, &begun);
    if (!status) status = read_runs(s);
    if (!status && !begun) status = begin_folder(s);
    end_ignored(s);
    if (status)
        state_close(&s);
    else
        *out = s;
    return status;
}

void state_close(state **s)
{
    if (!*s) return;
    for (int i = 0; i < (*s)->count; i++) free((*s)->stored[i].run.point);
    if ((*s)->lock >= 0) close((*s)->lock);
    free((*s)->stored);
    free((*s)->folder);
    free((*s)->settings);
    free((*s)->environment);
    free(*s);
    *s = NULL;
}

/* A run that reached the target, diverged or went to its end would have done so anyway. */
static bool is_conclusive(const sweep_run *run, double give_up)
{
    const double done = run->points ? (double)run->point[run->points - 1].examples : 0;
    return isfinite(run->steps) || run->outcome == ROW_DIVERGED || done <= run->give_up || run->give_up >= give_up;
}

const sweep_run *state_run(const state *s, int number) { return number < s->count ? &s->stored[number].run : NULL; }

const char *state_ignored(const state *s) { return s->ignored; }

bool state_find(const state *s, const run_key *key, double give_up, sweep_run *out)
{
    char name[RUN_NAME_BYTES];
    run_key_name(key, name, sizeof name);
    for (int i = 0; i < s->count; i++) {
        const sweep_run *run = &s->stored[i].run;
        if (strcmp(s->stored[i].name, name) != 0 || !is_conclusive(run, give_up)) continue;
        *out = *run;
        out->point = malloc((size_t)(run->points ? run->points : 1) * sizeof *run->point);
        if (out->point && run->points) memcpy(out->point, run->point, (size_t)run->points * sizeof *run->point);
        return out->point != NULL;
    }
    return false;
}

tas_status state_save(state *s, const run_key *key, const sweep_run *run)
{
    char file[32];
    tas_status status = keep(s, key, run);
    if (status) return status;
    snprintf(file, sizeof file, "run-%04d.json", ++s->last);
    return write_file(s, file, run_file_encode(key, run, s->environment, s->limits.contract));
}

tas_status state_save_elapsed(state *s, double elapsed)
{
    json_t *out = json_object();
    json_object_set_new(out, "format", json_count(FORMAT));
    json_object_set_new(out, "settings", json_string(s->settings));
    json_object_set_new(out, "elapsed", json_known(elapsed));
    json_object_set_new(out, "depth", json_known(s->depth));
    return write_file(s, "sweep.json", out);
}

double state_depth(const state *s) { return s->depth; }

tas_status state_set_depth(state *s, double depth, double elapsed)
{
    s->depth = depth;
    return state_save_elapsed(s, elapsed);
}
