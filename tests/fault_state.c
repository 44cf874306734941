/* The fault layer's memory: what it is told, what it knows of objects, what it answers, what it counted. */
#include "fault_layer.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    bool told;
} calls[CALL_COUNT] = {
#define NAME(n, t) [CALL_##n] = {.name = #n, .told = t},
    CALLS(NAME)
#undef NAME
};

static const char *const kind_names[KIND_COUNT] = {"mem", "kernel", "program", "queue", "context", "event"};

enum { OBJECTS = 8192, ARGUMENTS = 32, KERNEL_NAMES = 256, NAME_BYTES = 64, RULES = 16, TRACE = 1 << 20 };

typedef struct object {
    void *handle; /* NULL: a free row */
    kind kind;
    int context;               /* which it belongs to: the n-th that was created */
    char platform[NAME_BYTES]; /* whose it is */
    int references;            /* the program's */
    int parts;                 /* sub-buffers, which keep their buffer alive */
    struct object *whole;      /* of a sub-buffer */
    uint64_t bytes;            /* of a buffer */
    bool backed;               /* touched under the lazy budget */
    int name;                  /* of a kernel: its place among the names */
    void *args[ARGUMENTS];     /* of a kernel: the buffers that it was given */
} object;

typedef struct rule {
    char call[NAME_BYTES], kernel[NAME_BYTES], platform[NAME_BYTES];
    uint64_t nth, after, times, pause, every, corrupt, at;
    cl_int code;
    bool prefix, lazy, lost, spoil, drop, aborts;
    uint64_t seen, owed; /* matching calls so far; waits that are still to fail */
} rule;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static rule rules[RULES];
static int rule_count;
static uint64_t budget, lazy_budget; /* 0: none */
static struct {
    cl_device_info what;
    const char *variable;
    bool without, told; /* without: these bits are cleared */
    uint64_t says;
} facts[] = {
    {.what = CL_DEVICE_MAX_MEM_ALLOC_SIZE, .variable = "TASSELLO_FAULT_MAX_ALLOC"},
    {.what = CL_DEVICE_GLOBAL_MEM_SIZE, .variable = "TASSELLO_FAULT_GLOBAL"},
    {.what = CL_DEVICE_LOCAL_MEM_SIZE, .variable = "TASSELLO_FAULT_LOCAL"},
    {.what = CL_DEVICE_HOST_UNIFIED_MEMORY, .variable = "TASSELLO_FAULT_UNIFIED"},
    {.what = CL_DEVICE_MEM_BASE_ADDR_ALIGN, .variable = "TASSELLO_FAULT_ALIGN"},
    {.what = CL_DEVICE_TYPE, .variable = "TASSELLO_FAULT_TYPE"},
    {.what = CL_DEVICE_MAX_COMPUTE_UNITS, .variable = "TASSELLO_FAULT_UNITS"},
    {.what = CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, .variable = "TASSELLO_FAULT_VECTOR_WIDTH"},
    {.what = CL_DEVICE_MAX_WORK_GROUP_SIZE, .variable = "TASSELLO_FAULT_MAX_GROUP"},
    {.what = CL_DEVICE_SINGLE_FP_CONFIG, .variable = "TASSELLO_FAULT_WITHOUT_FP", .without = true},
};
enum { FACTS = sizeof facts / sizeof *facts };
static cl_int budget_code = CL_MEM_OBJECT_ALLOCATION_FAILURE, lost_code;
static int contexts, lost; /* created so far; those that are lost: the first, the second ... up to this */

static object objects[OBJECTS];
static int object_count; /* rows that were ever used */
static int alive[KIND_COUNT];
static uint64_t bytes, peak_bytes, largest_bytes, backed_bytes, buffers, launches, events, faults;
static uint64_t call_counts[CALL_COUNT], call_events[CALL_COUNT];
static uint64_t moved[CALL_COUNT]; /* bytes of transfers */
static struct {
    char text[NAME_BYTES];
    uint64_t launches, events, peak; /* peak_bytes at its last launch */
} names[KERNEL_NAMES];
static int name_count;
static struct {
    const char *name;
    cl_int code;
    bool skipped;
} trace[TRACE];
static size_t trace_count;
static cl_mem corrupted; /* of the launch that is made now: an element of it, and which, are made wrong */
static uint64_t corrupted_at;
static int tracing;
static bool spoiling; /* the buffers shall be overwritten */

void fault_die(const char *format, ...)
{
    va_list list;
    fputs("fault layer: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    abort();
}

/* What it is told ------------------------------------------------------------------------------------------------- */

static int64_t read_number(const char *name, const char *text)
{
    char *end;
    const int64_t value = strtoll(text, &end, 10);
    if (end == text || *end) fault_die("%s=%s: expected a number", name, text);
    return value;
}

static uint64_t read_variable(const char *name)
{
    const char *text = getenv(name);
    return text && *text ? (uint64_t)read_number(name, text) : 0;
}

static void set_key(rule *r, const char *key, const char *value)
{
    if (!strcmp(key, "call")) {
        snprintf(r->call, sizeof r->call, "%s", value);
        char *star = strchr(r->call, '*');
        r->prefix = star != NULL;
        if (star) *star = 0;
    } else if (!strcmp(key, "kernel"))
        snprintf(r->kernel, sizeof r->kernel, "%s", value);
    else if (!strcmp(key, "platform"))
        snprintf(r->platform, sizeof r->platform, "%s", value);
    else if (!strcmp(key, "nth"))
        r->nth = (uint64_t)read_number(key, value);
    else if (!strcmp(key, "after"))
        r->after = (uint64_t)read_number(key, value);
    else if (!strcmp(key, "times"))
        r->times = (uint64_t)read_number(key, value);
    else if (!strcmp(key, "code"))
        r->code = (cl_int)read_number(key, value);
    else if (!strcmp(key, "lazy"))
        r->lazy = read_number(key, value) != 0;
    else if (!strcmp(key, "lost"))
        r->lost = read_number(key, value) != 0;
    else if (!strcmp(key, "spoil"))
        r->spoil = read_number(key, value) != 0;
    else if (!strcmp(key, "drop"))
        r->drop = read_number(key, value) != 0;
    else if (!strcmp(key, "abort"))
        r->aborts = read_number(key, value) != 0;
    else if (!strcmp(key, "every"))
        r->every = (uint64_t)read_number(key, value);
    else if (!strcmp(key, "corrupt"))
        r->corrupt = (uint64_t)read_number(key, value);
    else if (!strcmp(key, "at"))
        r->at = (uint64_t)read_number(key, value);
    else if (!strcmp(key, "pause"))
        r->pause = (uint64_t)read_number(key, value);
    else
        fault_die("TASSELLO_FAULT: %s is no key", key);
}

static bool names_call(const rule *r, call_id call)
{
    return r->prefix ? !strncmp(calls[call].name, r->call, strlen(r->call)) : !strcmp(calls[call].name, r->call);
}

static void read_rule(char *text)
{
    char *at = NULL;
    if (rule_count == RULES) fault_die("TASSELLO_FAULT: more than %d rules", RULES);
    rule *r = &rules[rule_count++];
    *r = (rule){.nth = 1, .times = 1, .code = CL_OUT_OF_RESOURCES};
    for (char *pair = strtok_r(text, ";", &at); pair; pair = strtok_r(NULL, ";", &at)) {
        char *equals = strchr(pair, '=');
        if (!equals) fault_die("TASSELLO_FAULT: %s: expected key=value", pair);
        *equals = 0;
        set_key(r, pair, equals + 1);
    }
    bool known = false;
    for (int call = 0; call < CALL_COUNT; call++) known |= names_call(r, (call_id)call);
    if (!known || !(*r->call || r->prefix)) fault_die("TASSELLO_FAULT: call=%s: no such call is wrapped", r->call);
    if (!r->nth) fault_die("TASSELLO_FAULT: nth=0: the first is 1");
    if (r->corrupt > ARGUMENTS) fault_die("TASSELLO_FAULT: corrupt: at most %d arguments", ARGUMENTS);
}

void fault_begin(void)
{
    char *text = getenv("TASSELLO_FAULT"), *at = NULL;
    text = strdup(text ? text : "");
    if (!text) fault_die("no memory");
    for (char *one = strtok_r(text, "|", &at); one; one = strtok_r(NULL, "|", &at)) read_rule(one);
    free(text);
    budget = read_variable("TASSELLO_FAULT_BUDGET");
    lazy_budget = read_variable("TASSELLO_FAULT_LAZY_BUDGET");
    for (int i = 0; i < FACTS; i++) {
        facts[i].told = getenv(facts[i].variable) != NULL;
        facts[i].says = read_variable(facts[i].variable);
    }
    tracing = (int)read_variable("TASSELLO_FAULT_TRACE");
    text = getenv("TASSELLO_FAULT_CODE");
    if (text) budget_code = (cl_int)read_number("TASSELLO_FAULT_CODE", text);
}

/* What it knows of objects ---------------------------------------------------------------------------------------- */

static object *find(const void *handle)
{
    for (int i = 0; handle && i < object_count; i++)
        if (objects[i].handle == handle) return &objects[i];
    return NULL;
}

static object *add(kind k, void *handle, const void *of)
{
    const object *beside = find(of);
    const int context = k == KIND_CONTEXT ? ++contexts : beside ? beside->context : 0;
    if (!context) fault_die("an object of no context");
    for (int i = 0; i < OBJECTS; i++) {
        if (objects[i].handle) continue;
        if (i == object_count) object_count++;
        objects[i] = (object){.handle = handle, .kind = k, .context = context, .references = 1};
        if (beside) memcpy(objects[i].platform, beside->platform, NAME_BYTES);
        alive[k]++;
        return &objects[i];
    }
    fault_die("more than %d objects", OBJECTS);
}

static int find_name(const char *text)
{
    for (int i = 0; i < name_count; i++)
        if (!strcmp(names[i].text, text)) return i;
    if (name_count == KERNEL_NAMES || strlen(text) >= NAME_BYTES)
        fault_die("kernel %s: too many, or too long a name", text);
    strcpy(names[name_count].text, text);
    return name_count++;
}

/* Once nothing refers to it: memory is given back, and kernels forget it (another object may get that address). */
static void remove_object(object *o)
{
    if (o->references || o->parts) return;
    object *whole = o->whole;
    if (o->kind == KIND_MEM && !whole) bytes -= o->bytes;
    if (o->backed) backed_bytes -= o->bytes;
    for (int i = 0; o->kind == KIND_MEM && i < object_count; i++)
        for (int a = 0; objects[i].kind == KIND_KERNEL && a < ARGUMENTS; a++)
            if (objects[i].args[a] == o->handle) objects[i].args[a] = NULL;
    *o = (object){0};
    if (!whole) return;
    whole->parts--;
    remove_object(whole);
}

/* Takes a buffer's bytes from the lazy budget at its first touch; false where they are not there. */
static bool back(const void *handle)
{
    object *o = find(handle);
    if (o && o->whole) o = o->whole;
    if (!o || o->kind != KIND_MEM || o->backed) return true;
    if (o->bytes > lazy_budget || backed_bytes > lazy_budget - o->bytes) return false;
    o->backed = true;
    backed_bytes += o->bytes;
    return true;
}

/* What it answers ------------------------------------------------------------------------------------------------- */

/* The error of a wait that an earlier command owes. */
static cl_int collect_debt(void)
{
    for (int i = 0; i < rule_count; i++) {
        if (!rules[i].owed) continue;
        if (rules[i].owed != UINT64_MAX) rules[i].owed--;
        spoiling |= rules[i].spoil;
        return rules[i].code;
    }
    return CL_SUCCESS;
}

static bool matches(const rule *r, const request *q)
{
    const object *kernel = find(q->kernel);
    const object *of = find(q->of);
    if (!names_call(r, q->call) || launches < r->after) return false;
    if (*r->platform && (!of || strcmp(of->platform, r->platform))) return false;
    return !*r->kernel || (kernel && !strcmp(names[kernel->name].text, r->kernel));
}

/* Counts a call that the rule names; true if it is one of those that fail. */
static bool fires(rule *r, const request *q)
{
    if (!matches(r, q)) return false;
    const uint64_t seen = ++r->seen;
    if (seen < r->nth) return false;
    if (r->every) return (seen - r->nth) % r->every == 0;
    return !r->times || seen - r->nth < (r->lazy ? 1 : r->times);
}

static int context_of(const request *q)
{
    const object *o = find(q->of);
    return o ? o->context : 0;
}

static void lose(const request *q, cl_int code)
{
    if (context_of(q) > lost) lost = context_of(q);
    lost_code = code;
}

static cl_int follow_rules(const request *q, bool *skip)
{
    cl_int answer = CL_SUCCESS;
    for (int i = 0; i < rule_count; i++) {
        if (!fires(&rules[i], q)) continue;
        if (rules[i].aborts) abort();
        if (rules[i].drop) {
            *skip = q->command;
            continue;
        }
        if (rules[i].pause) {
            const struct timespec time = {(time_t)(rules[i].pause / 1000), (long)(rules[i].pause % 1000) * 1000000};
            nanosleep(&time, NULL);
            continue;
        }
        if (rules[i].corrupt) {
            const object *kernel = find(q->kernel);
            faults++;
            corrupted = kernel ? kernel->args[rules[i].corrupt - 1] : NULL;
            corrupted_at = rules[i].at;
            if (!corrupted) fault_die("corrupt: no buffer is argument %d", (int)rules[i].corrupt);
            continue;
        }
        if (rules[i].lazy) {
            faults++;
            rules[i].owed = rules[i].times ? rules[i].times : UINT64_MAX;
            *skip = q->command;
            continue;
        }
        if (rules[i].lost) lose(q, rules[i].code);
        spoiling |= rules[i].spoil && q->waits;
        if (!answer) answer = rules[i].code;
    }
    return answer;
}

static cl_int follow_budgets(const request *q)
{
    const object *kernel = q->call == CALL_clEnqueueNDRangeKernel ? find(q->kernel) : NULL;
    if (budget && q->creates && (q->creates > budget || bytes > budget - q->creates)) return budget_code;
    if (!lazy_budget || !q->command) return CL_SUCCESS;
    bool fits = back(q->touches[0]) && back(q->touches[1]);
    for (int a = 0; kernel && a < ARGUMENTS; a++) fits = fits && back(kernel->args[a]);
    return fits ? CL_SUCCESS : budget_code;
}

cl_mem fault_corrupt(uint64_t *at)
{
    cl_mem buffer = corrupted;
    *at = corrupted_at;
    corrupted = NULL;
    return buffer;
}

/* What was asked is counted, and answered: with an error, or *skip is set, or the driver shall do it. */
cl_int fault_judge(const request *q, bool *skip)
{
    pthread_mutex_lock(&lock);
    const object *kernel = q->call == CALL_clEnqueueNDRangeKernel ? find(q->kernel) : NULL;
    *skip = false;
    call_counts[q->call]++;
    cl_int answer = q->of && context_of(q) <= lost ? lost_code : CL_SUCCESS;
    if (!answer && q->waits) answer = collect_debt(); /* before a rule makes this call owe it */
    const cl_int rule_answer = follow_rules(q, skip);
    if (!answer) answer = rule_answer;
    if (!answer) answer = follow_budgets(q);
    if (answer) faults++;
    if (tracing > 1 || (tracing && calls[q->call].told)) {
        if (trace_count == TRACE) fault_die("a trace of more than %d calls", TRACE);
        trace[trace_count].name = kernel ? names[kernel->name].text : calls[q->call].name;
        trace[trace_count].skipped = *skip;
        trace[trace_count++].code = answer;
    }
    if (kernel && !answer) {
        launches++;
        names[kernel->name].launches++;
        names[kernel->name].peak = peak_bytes;
    }
    pthread_mutex_unlock(&lock);
    return answer;
}

/* What it counted ------------------------------------------------------------------------------------------------- */

static void write_count(FILE *stream, bool first, const char *name, uint64_t count)
{
    fprintf(stream, "%s\"%s\": %llu", first ? "" : ", ", name, (unsigned long long)count);
}

static void write_log(void)
{
    const char *path = getenv("TASSELLO_FAULT_LOG");
    FILE *stream = path && *path ? fopen(path, "w") : NULL;
    if (path && *path && !stream) fault_die("%s: cannot be written", path);
    if (!stream) return;
    fputc('{', stream);
    write_count(stream, true, "peak_bytes", peak_bytes);
    write_count(stream, false, "current_bytes", bytes);
    write_count(stream, false, "largest_bytes", largest_bytes);
    write_count(stream, false, "buffers", buffers);
    write_count(stream, false, "events", events);
    write_count(stream, false, "faults", faults);
    fputs(", \"bytes\": {", stream);
    write_count(stream, true, "write", moved[CALL_clEnqueueWriteBuffer]);
    write_count(stream, false, "read", moved[CALL_clEnqueueReadBuffer]);
    write_count(stream, false, "fill", moved[CALL_clEnqueueFillBuffer]);
    write_count(stream, false, "copy", moved[CALL_clEnqueueCopyBuffer]);
    fputs("}, \"left\": {", stream);
    for (int k = 0; k < KIND_COUNT; k++) write_count(stream, !k, kind_names[k], (uint64_t)alive[k]);
    fputs("}, \"calls\": {", stream);
    for (int c = 0; c < CALL_COUNT; c++) write_count(stream, !c, calls[c].name, call_counts[c]);
    fputs("}, \"kernels\": {", stream);
    for (int k = 0; k < name_count; k++) write_count(stream, !k, names[k].text, names[k].launches);
    fputs("}, \"peaks\": {", stream); /* when a kernel was last launched */
    for (int k = 0; k < name_count; k++) write_count(stream, !k, names[k].text, names[k].peak);
    fputs("}, \"events_of\": {", stream); /* of each call, launches by their kernels */
    for (int c = 0; c < CALL_COUNT; c++) write_count(stream, !c, calls[c].name, call_events[c]);
    for (int k = 0; k < name_count; k++) write_count(stream, false, names[k].text, names[k].events);
    fputc('}', stream);
    for (size_t i = 0; i < trace_count; i++) {
        fprintf(stream, "%s\"%s", i ? ", " : ", \"trace\": [", trace[i].name);
        if (trace[i].code) fprintf(stream, "!%d", trace[i].code);
        fputs(trace[i].skipped ? "~\"" : "\"", stream);
    }
    fputs(trace_count ? "]}\n" : "}\n", stream);
    if (fclose(stream)) fault_die("%s: cannot be written", path);
}

__attribute__((destructor)) static void at_exit(void)
{
    pthread_mutex_lock(&lock);
    write_log();
    pthread_mutex_unlock(&lock);
}

/* What happens to objects ------------------------------------------------------------------------------------------ */

void fault_created(kind k, void *handle, const void *of)
{
    pthread_mutex_lock(&lock);
    add(k, handle, of);
    pthread_mutex_unlock(&lock);
}

void fault_created_context(void *handle, const char *platform)
{
    pthread_mutex_lock(&lock);
    object *o = add(KIND_CONTEXT, handle, NULL);
    snprintf(o->platform, sizeof o->platform, "%s", platform);
    pthread_mutex_unlock(&lock);
}

void fault_created_buffer(void *handle, uint64_t size, const void *of)
{
    pthread_mutex_lock(&lock);
    add(KIND_MEM, handle, of)->bytes = size;
    buffers++;
    bytes += size;
    if (bytes > peak_bytes) peak_bytes = bytes;
    if (size > largest_bytes) largest_bytes = size;
    pthread_mutex_unlock(&lock);
}

void fault_created_part(void *handle, const void *whole)
{
    pthread_mutex_lock(&lock);
    object *o = add(KIND_MEM, handle, whole);
    o->whole = find(whole);
    if (!o->whole) fault_die("clCreateSubBuffer of a buffer that is none");
    o->whole->parts++;
    pthread_mutex_unlock(&lock);
}

void fault_created_kernel(void *handle, const char *name, const void *of)
{
    pthread_mutex_lock(&lock);
    add(KIND_KERNEL, handle, of)->name = find_name(name);
    pthread_mutex_unlock(&lock);
}

void fault_retained(const void *handle)
{
    pthread_mutex_lock(&lock);
    object *o = find(handle);
    if (!o || !o->references) fault_die("an object is retained that is not there");
    o->references++;
    pthread_mutex_unlock(&lock);
}

void fault_releasing(const void *handle)
{
    pthread_mutex_lock(&lock);
    object *o = find(handle);
    if (!o || !o->references) fault_die("an object is released that is not there");
    const kind k = o->kind;
    if (!--o->references) {
        alive[k]--;
        remove_object(o);
        if (k == KIND_CONTEXT && !alive[k]) write_log();
    }
    pthread_mutex_unlock(&lock);
}

void fault_set_argument(const void *kernel, cl_uint index, void *value)
{
    if (index >= ARGUMENTS) fault_die("argument %u: a kernel has at most %d here", (unsigned)index, ARGUMENTS);
    pthread_mutex_lock(&lock);
    object *o = find(kernel);
    const object *buffer = find(value);
    if (buffer && buffer->kind != KIND_MEM) buffer = NULL; /* a number that looks like a handle */
    if (o && buffer && buffer->context != o->context) fault_die("a buffer of another context is given to a kernel");
    if (o) o->args[index] = buffer ? value : NULL;
    pthread_mutex_unlock(&lock);
}

void fault_enqueued(const request *q, uint64_t size, const cl_event *event)
{
    pthread_mutex_lock(&lock);
    const object *o = find(q->kernel);
    moved[q->call] += size;
    if (event) {
        add(KIND_EVENT, *event, q->of);
        events++;
        ++*(o ? &names[o->name].events : &call_events[q->call]);
    }
    pthread_mutex_unlock(&lock);
}

cl_mem fault_spoil(int *at, uint64_t *size)
{
    cl_mem found = NULL;
    pthread_mutex_lock(&lock);
    for (; spoiling && *at < object_count && !found; ++*at) {
        const object *o = &objects[*at];
        if (!o->handle || o->kind != KIND_MEM || o->whole || !o->references) continue;
        found = o->handle;
        *size = o->bytes;
    }
    if (!found) spoiling = false;
    pthread_mutex_unlock(&lock);
    return found;
}

bool fault_device_info(cl_device_info what, uint64_t *value)
{
    for (int i = 0; i < FACTS; i++) {
        if (facts[i].what != what || !facts[i].told) continue;
        *value = facts[i].without ? *value & ~facts[i].says : facts[i].says;
        return true;
    }
    return false;
}
