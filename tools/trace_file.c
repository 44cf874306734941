/* Reading traces: see trace_file.h. */
#include "trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Lines ----------------------------------------------------------------------------------------------------------- */

/* The next line as an object; NULL at the end, or if it is none: *bad. A line without its end is one that a run was
 * about to write. */
static json_t *read_object(trace_file *f, bool *bad)
{
    char *text = NULL;
    size_t room = 0;
    const ssize_t length = getline(&text, &room, f->stream);
    json_t *line = length > 0 ? json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const bool whole = length > 0 && text[length - 1] == '\n';
    free(text);
    *bad = ferror(f->stream) != 0;
    if (length <= 0) return NULL;
    f->number++;
    if (whole && json_is_object(line)) return line;
    json_decref(line);
    f->truncated = !whole;
    *bad = whole;
    return NULL;
}

static bool refuse(const trace_file *f, const char *what)
{
    cli_error(f->cli, "%s:%llu: %s", f->name, (unsigned long long)f->number, what);
    return false;
}

static bool is_head(const json_t *head)
{
    static const char *const texts[] = {"version", "device", "device_name", "driver", "network", "data"};
    const json_t *word;
    size_t i;
    for (i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!json_is_string(json_object_get(head, texts[i]))) return false;
    json_array_foreach(json_object_get(head, "command"), i, word)
    {
        if (!json_is_string(word)) return false;
    }
    return json_is_integer(json_object_get(head, "contract")) && json_is_object(json_object_get(head, "settings")) &&
           json_array_size(json_object_get(head, "command")) >= 2;
}

bool trace_file_open(cli_state *cli, const char *name, trace_file *out)
{
    bool bad;
    *out = (trace_file){.cli = cli, .name = name, .stream = fopen(name, "re")};
    if (!out->stream) {
        cli_error(cli, "%s: %s", name, strerror(errno));
        return false;
    }
    out->head = read_object(out, &bad);
    const json_t *format = json_object_get(out->head, "tassello_trace");
    if (!out->number)
        return refuse(out, bad ? "cannot be read" : "is empty; expected a trace of 'tassello train --trace'");
    if (!json_is_integer(format)) return refuse(out, "is no trace; expected what 'tassello train --trace' writes");
    if (json_integer_value(format) != 1) return refuse(out, "is a trace in a format that this version does not know");
    return is_head(out->head) || refuse(out, "the first line of the trace is damaged");
}

void trace_file_close(trace_file *f)
{
    if (f->stream) fclose(f->stream);
    json_decref(f->head);
    json_decref(f->line);
    *f = (trace_file){0};
}

static bool is_step(const json_t *line)
{
    const json_t *digests = json_object_get(line, "digests"), *entry;
    size_t i, k;
    if (!json_is_integer(json_object_get(line, "step")) || !json_array_size(digests)) return false;
    json_array_foreach(digests, i, entry)
    {
        if (json_array_size(entry) != 3) return false;
        for (k = 0; k < 3; k++)
            if (!json_is_string(json_array_get(entry, k))) return false;
    }
    return true;
}

bool trace_file_next(trace_file *f)
{
    bool bad;
    const uint64_t before = f->step;
    json_decref(f->line);
    f->line = read_object(f, &bad);
    f->step = 0;
    if (bad) return refuse(f, "is not a line of a trace");
    if (!f->line && f->truncated)
        cli_note(f->cli, "%s: ends within a line, after step %llu; what is before it is compared", f->name,
                 (unsigned long long)before);
    if (!f->line) return true;
    const json_int_t step = json_integer_value(json_object_get(f->line, "step"));
    if (!is_step(f->line) || step <= 0 || (uint64_t)step <= before)
        return refuse(f, "expected the digests of a later step");
    f->step = (uint64_t)step;
    return true;
}

const json_t *trace_file_digests(const trace_file *f) { return json_object_get(f->line, "digests"); }
size_t trace_file_values(const trace_file *f) { return json_string_length(json_object_get(f->line, "values")) / 8; }
bool trace_file_is_float(const trace_file *f) { return json_is_true(json_object_get(f->line, "float")); }

uint32_t trace_file_value(const trace_file *f, size_t i)
{
    char text[9] = "";
    memcpy(text, json_string_value(json_object_get(f->line, "values")) + 8 * i, 8);
    return (uint32_t)strtoul(text, NULL, 16);
}

const char *trace_file_text(const trace_file *f, const char *key)
{
    const char *text = json_string_value(json_object_get(f->head, key));
    return text ? text : "";
}

/* Whether they can be compared ------------------------------------------------------------------------------------ */

/* A setting that the two have and that differs, or one of them lacks; NULL: none. */
static const char *other_setting(const json_t *a, const json_t *b)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)a, name, value) {
        if (!json_equal(value, json_object_get(b, name))) return name;
    }
    json_object_foreach((json_t *)b, name, value) {
        if (!json_object_get(a, name)) return name;
    }
    return NULL;
}

static bool refuse_setting(cli_state *cli, const trace_file *a, const trace_file *b, const char *name)
{
    char *first = cli_json_dump(json_object_get(json_object_get(a->head, "settings"), name), JSON_ENCODE_ANY);
    char *second = cli_json_dump(json_object_get(json_object_get(b->head, "settings"), name), JSON_ENCODE_ANY);
    cli_error(cli, "%s, %s: traces of other settings: %s is %s in the first and %s in the second", a->name, b->name,
              name, first ? first : "missing", second ? second : "missing");
    free(first);
    free(second);
    return false;
}

/* Rates that go by the length of the run. */
static bool follows_length(const trace_file *f)
{
    const char *schedule = json_string_value(json_object_get(json_object_get(f->head, "settings"), "schedule"));
    return schedule &&
           (!strcmp(schedule, "cosine") || !strcmp(schedule, "polynomial") || !strcmp(schedule, "one-cycle"));
}

bool trace_file_check(cli_state *cli, const trace_file *a, const trace_file *b)
{
    static const char *const parts[][2] = {{"contract", "of other versions of the arithmetic contract"},
                                           {"network", "of other networks"},
                                           {"data", "of other data"}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!json_equal(json_object_get(a->head, parts[i][0]), json_object_get(b->head, parts[i][0]))) {
            cli_error(cli, "%s, %s: traces %s", a->name, b->name, parts[i][1]);
            return false;
        }
    const char *name = other_setting(json_object_get(a->head, "settings"), json_object_get(b->head, "settings"));
    if (name) return refuse_setting(cli, a, b, name);
    if (!follows_length(a) || json_equal(json_object_get(a->head, "steps"), json_object_get(b->head, "steps")))
        return true;
    cli_error(cli, "%s, %s: traces of runs of other lengths, by which the rate goes", a->name, b->name);
    return false;
}

/* Repeating ------------------------------------------------------------------------------------------------------- */

/* The words of the command line, ended by NULL; the last two are the caller's. */
static char **list_words(const trace_file *of, char *trace, char *only)
{
    const json_t *command = json_object_get(of->head, "command");
    const size_t count = json_array_size(command);
    char **words = calloc(count + 5, sizeof *words);
    if (!words) return NULL;
    words[0] = (char *)"tassello";
    words[1] = (char *)"train";
    for (size_t i = 0; i < count; i++) words[i + 2] = (char *)json_string_value(json_array_get(command, i));
    words[count + 2] = trace;
    words[count + 3] = only;
    return words;
}

/* This program again, whose result lines nobody needs. */
static bool run_training(cli_state *cli, const trace_file *of, char **words)
{
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    cli_note(cli, "repeating %s on %s", of->name, trace_file_text(of, "device"));
    const int error = posix_spawn(&child, "/proc/self/exe", &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) {
        cli_error(cli, "%s: cannot be repeated: %s", of->name, strerror(error));
        return false;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (WIFEXITED(status) && !WEXITSTATUS(status)) return true;
    cli_error(cli, "%s: the run cannot be repeated here, on %s", of->name, trace_file_text(of, "device"));
    return false;
}

static bool repeat_into(cli_state *cli, const trace_file *of, const trace_part *part, const char *path)
{
    char only[96], *trace = NULL;
    bool done = false;
    int n = snprintf(only, sizeof only, "--trace-only=%llu:%llu", (unsigned long long)part->from,
                     (unsigned long long)part->to);
    if (part->entry) snprintf(only + n, sizeof only - (size_t)n, ":%zu", part->entry);
    if (asprintf(&trace, "--trace=%s", path) < 0) return false;
    char **words = list_words(of, trace, only);
    if (words) done = run_training(cli, of, words);
    free(words);
    free(trace);
    return done;
}

bool trace_file_repeat(cli_state *cli, const trace_file *of, const trace_part *part, trace_file *out)
{
    const char *folder = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/tassello-trace-XXXXXX", folder && *folder ? folder : "/tmp") < 0) return false;
    const int fd = mkstemp(path);
    bool done = fd >= 0;
    if (!done) cli_error(cli, "%s: %s", path, strerror(errno));
    if (done) close(fd);
    done = done && repeat_into(cli, of, part, path) && trace_file_open(cli, path, out);
    if (fd >= 0) unlink(path);
    out->name = of->name;
    free(path);
    return done;
}
