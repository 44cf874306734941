/* A library for LD_PRELOAD whose calls of the C library fail when they are told to. Tests alone.
 *
 * TASSELLO_PRELOAD=RULE|RULE..., each of key=value, separated by ';':
 *     call=NAME    the call that fails, by one of the names in CALLS
 *     nth=N        the N-th such call, 1 (the default) being the first
 *     times=N      and so many in a row (default 1; 0: all that follow)
 *     error=E      with that errno (default 5, EIO); malloc always has ENOMEM
 *     short=1      reads and writes do half of what they were asked to, and do not fail
 * TASSELLO_PRELOAD_CALLERS  words, separated by ',': counted are calls from objects whose path has one of them, of
 * those that the program was linked with (default: tassello, and what it links for its own work) TASSELLO_PRELOAD_CLOCK
 * CLOCK:AFTER:SECONDS, with 'real' or 'steady' for CLOCK: from its AFTER-th reading on, that clock is so many seconds
 * ahead; SECONDS 'stop': it stands still TASSELLO_PRELOAD_LOG      a file to which the end of the program adds what was
 * counted, one JSON object TASSELLO_PRELOAD_FIRED    a file to which each fault adds a line: the call, and
 * object+offset of its caller
 *
 * What stdio does with a file is counted as well: streams are fopencookie()'s, whose functions are the calls below. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CALLS(CALL)                                                                                                    \
    CALL(malloc) /* and calloc, realloc, posix_memalign, aligned_alloc */                                              \
    CALL(open)   /* and openat, fopen, fdopen, opendir, mkstemp, mkostemp */                                           \
    CALL(close)  /* and fclose */                                                                                      \
    CALL(read)   /* and pread */                                                                                       \
    CALL(write)  /* and pwrite */                                                                                      \
    CALL(seek)   /* of streams */                                                                                      \
    CALL(fsync)  /* and fdatasync */                                                                                   \
    CALL(rename)                                                                                                       \
    CALL(link)                                                                                                         \
    CALL(unlink) /* and unlinkat */                                                                                    \
    CALL(mkdir)                                                                                                        \
    CALL(stat) /* and fstat, lstat, fstatat */                                                                         \
    CALL(mmap)                                                                                                         \
    CALL(ftruncate) /* and fallocate */

typedef enum call_id {
#define ID(name) CALL_##name,
    CALLS(ID)
#undef ID
        CALL_COUNT
} call_id;

static const char *const names[CALL_COUNT] = {
#define NAME(name) [CALL_##name] = #name,
    CALLS(NAME)
#undef NAME
};

enum { RULES = 8, RANGES = 64, STREAMS = 64, TEXT = 256 };

typedef struct rule {
    int call, error;
    bool is_short;
    uint64_t nth, times;
    _Atomic uint64_t seen;
} rule;

/* What a call shall do. */
typedef enum verdict { GO_ON, FAIL, CUT } verdict;

static rule rules[RULES];
static int rule_count;
static struct {
    uintptr_t from, to;
} ranges[RANGES]; /* code whose calls count */
static int range_count;
static _Atomic uint64_t counts[CALL_COUNT], faults;
static int fired_file = -1;
static bool tracing;
static bool ready; /* the calls of constructors before ours are let be */

static const char default_callers[] = "tassello,/libc.so,libjansson,libz.so,libzip,libpng,libjpeg,libprotobuf,nettle";

/* What it is told -------------------------------------------------------------------------------------------------- */

_Noreturn static void die(const char *what)
{
    dprintf(2, "fault preload: %s\n", what);
    abort();
}

static void set_key(rule *r, const char *key, const char *value)
{
    const uint64_t number = strtoull(value, NULL, 10);
    if (!strcmp(key, "call")) {
        for (int k = 0; k < CALL_COUNT; k++)
            if (!strcmp(names[k], value)) r->call = k;
    } else if (!strcmp(key, "nth"))
        r->nth = number;
    else if (!strcmp(key, "times"))
        r->times = number;
    else if (!strcmp(key, "error"))
        r->error = (int)number;
    else if (!strcmp(key, "short"))
        r->is_short = number != 0;
    else
        die(key);
}

static void read_rule(char *text)
{
    char *at = NULL;
    if (rule_count == RULES) die("too many rules");
    rule *r = &rules[rule_count++];
    *r = (rule){.call = CALL_COUNT, .nth = 1, .times = 1, .error = EIO};
    for (char *pair = strtok_r(text, ";", &at); pair; pair = strtok_r(NULL, ";", &at)) {
        char *equals = strchr(pair, '=');
        if (!equals) die(pair);
        *equals = 0;
        set_key(r, pair, equals + 1);
    }
    if (r->call == CALL_COUNT || !r->nth) die("a rule without a call, or with nth=0");
    if (r->call == CALL_malloc) r->error = ENOMEM;
}

static bool has_word(const char *path, const char *words)
{
    char word[TEXT];
    for (const char *at = words; *at; at += strspn(at, ",")) {
        const size_t length = strcspn(at, ",");
        if (length && length < sizeof word) {
            memcpy(word, at, length);
            word[length] = 0;
            if (strstr(path, word)) return true;
        }
        at += length;
    }
    return false;
}

/* The program's own entry has no name. */
static int add_ranges(struct dl_phdr_info *object, size_t size, void *words)
{
    (void)size;
    const char *path = object->dlpi_name && *object->dlpi_name ? object->dlpi_name : "/tassello";
    if (strstr(path, "fault_preload") || !has_word(path, words)) return 0;
    for (int k = 0; k < object->dlpi_phnum && range_count < RANGES; k++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[k];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        ranges[range_count].from = object->dlpi_addr + part->p_vaddr;
        ranges[range_count++].to = object->dlpi_addr + part->p_vaddr + part->p_memsz;
    }
    return 0;
}

static void read_clock(const char *text);

__attribute__((constructor)) static void begin(void)
{
    char text[2 * TEXT], *at = NULL;
    const char *told = getenv("TASSELLO_PRELOAD"), *callers = getenv("TASSELLO_PRELOAD_CALLERS");
    const char *fired = getenv("TASSELLO_PRELOAD_FIRED"), *clock = getenv("TASSELLO_PRELOAD_CLOCK");
    if (told && strlen(told) >= sizeof text) die("too long a text");
    strcpy(text, told ? told : "");
    for (char *one = strtok_r(text, "|", &at); one; one = strtok_r(NULL, "|", &at)) read_rule(one);
    tracing = getenv("TASSELLO_PRELOAD_TRACE") != NULL;
    if (clock && *clock) read_clock(clock);
    if (fired && *fired) fired_file = open(fired, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    dl_iterate_phdr(add_ranges, (void *)(callers && *callers ? callers : default_callers));
    ready = true;
}

/* What it answers -------------------------------------------------------------------------------------------------- */

static bool counts_caller(const void *caller)
{
    for (int k = 0; ready && k < range_count; k++)
        if ((uintptr_t)caller >= ranges[k].from && (uintptr_t)caller < ranges[k].to) return true;
    return false;
}

static void tell(call_id call, const void *caller)
{
    Dl_info about = {0};
    if (fired_file < 0) return;
    dladdr(caller, &about);
    char line[TEXT + 64];
    const int n =
        snprintf(line, sizeof line, "%s %.*s+0x%zx\n", names[call], TEXT, about.dli_fname ? about.dli_fname : "?",
                 (size_t)((uintptr_t)caller - (uintptr_t)about.dli_fbase));
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "write");
    if (n > 0) (void)!real(fired_file, line, (size_t)n);
}

/* Counts the call; FAIL sets errno. */
static verdict judge(call_id call, const void *caller)
{
    if (!counts_caller(caller)) return GO_ON;
    counts[call]++;
    if (tracing) tell(call, caller);
    for (int k = 0; k < rule_count; k++) {
        rule *r = &rules[k];
        if (r->call != (int)call) continue;
        const uint64_t seen = ++r->seen;
        if (seen < r->nth || (r->times && seen - r->nth >= r->times)) continue;
        faults++;
        if (!tracing) tell(call, caller);
        if (r->is_short) return CUT;
        errno = r->error;
        return FAIL;
    }
    return GO_ON;
}

#define CALLER __builtin_return_address(0)
/* The C library's own function. */
#define REAL(name) find_real(&real_##name, #name)
#define DECLARE(name) static __typeof__(&name) real_##name

static void *find_next(void **kept, const char *name)
{
    if (!*kept) *kept = dlsym(RTLD_NEXT, name);
    if (!*kept) die(name);
    return *kept;
}
#define find_real(kept, name) ((__typeof__(*(kept)))find_next((void **)(kept), name))

/* Memory ----------------------------------------------------------------------------------------------------------- */

/* glibc's own names: dlsym() itself allocates. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes) { return judge(CALL_malloc, CALLER) ? NULL : __libc_malloc(bytes); }

void *calloc(size_t count, size_t bytes) { return judge(CALL_malloc, CALLER) ? NULL : __libc_calloc(count, bytes); }

void *realloc(void *old, size_t bytes) { return judge(CALL_malloc, CALLER) ? NULL : __libc_realloc(old, bytes); }

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return judge(CALL_malloc, CALLER) ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    void *memory = judge(CALL_malloc, CALLER) ? NULL : __libc_memalign(alignment, bytes);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}

/* Files ------------------------------------------------------------------------------------------------------------ */

/* Returns from the function if the call fails. */
#define MAY_FAIL(call, caller, failed)                                                                                 \
    do {                                                                                                               \
        if (judge(call, caller) == FAIL) return failed;                                                                \
    } while (0)

/* On Linux the descriptor is closed even if close() fails. */
static int close_for(int fd, const void *caller)
{
    DECLARE(close);
    const verdict v = judge(CALL_close, caller);
    const int error = errno, answer = REAL(close)(fd);
    if (v != FAIL) return answer;
    errno = error;
    return -1;
}

static ssize_t read_for(int fd, void *to, size_t bytes, const void *caller)
{
    DECLARE(read);
    const verdict v = judge(CALL_read, caller);
    if (v == FAIL) return -1;
    return REAL(read)(fd, to, v == CUT && bytes > 1 ? bytes / 2 : bytes);
}

static ssize_t write_for(int fd, const void *from, size_t bytes, const void *caller)
{
    DECLARE(write);
    const verdict v = judge(CALL_write, caller);
    if (v == FAIL) return -1;
    return REAL(write)(fd, from, v == CUT && bytes > 1 ? bytes / 2 : bytes);
}

int close(int fd) { return close_for(fd, CALLER); }

ssize_t read(int fd, void *to, size_t bytes) { return read_for(fd, to, bytes, CALLER); }

ssize_t write(int fd, const void *from, size_t bytes) { return write_for(fd, from, bytes, CALLER); }

ssize_t pread64(int fd, void *to, size_t bytes, off64_t at)
{
    DECLARE(pread64);
    const verdict v = judge(CALL_read, CALLER);
    if (v == FAIL) return -1;
    return REAL(pread64)(fd, to, v == CUT && bytes > 1 ? bytes / 2 : bytes, at);
}

ssize_t pwrite64(int fd, const void *from, size_t bytes, off64_t at)
{
    DECLARE(pwrite64);
    const verdict v = judge(CALL_write, CALLER);
    if (v == FAIL) return -1;
    return REAL(pwrite64)(fd, from, v == CUT && bytes > 1 ? bytes / 2 : bytes, at);
}

int fsync(int fd)
{
    DECLARE(fsync);
    MAY_FAIL(CALL_fsync, CALLER, -1);
    return REAL(fsync)(fd);
}

int rename(const char *from, const char *to)
{
    DECLARE(rename);
    MAY_FAIL(CALL_rename, CALLER, -1);
    return REAL(rename)(from, to);
}

int link(const char *from, const char *to)
{
    DECLARE(link);
    MAY_FAIL(CALL_link, CALLER, -1);
    return REAL(link)(from, to);
}

int unlink(const char *path)
{
    DECLARE(unlink);
    MAY_FAIL(CALL_unlink, CALLER, -1);
    return REAL(unlink)(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    DECLARE(unlinkat);
    MAY_FAIL(CALL_unlink, CALLER, -1);
    return REAL(unlinkat)(folder, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    DECLARE(mkdir);
    MAY_FAIL(CALL_mkdir, CALLER, -1);
    return REAL(mkdir)(path, mode);
}

int ftruncate64(int fd, off64_t bytes)
{
    DECLARE(ftruncate64);
    MAY_FAIL(CALL_ftruncate, CALLER, -1);
    return REAL(ftruncate64)(fd, bytes);
}

int fallocate64(int fd, int mode, off64_t from, off64_t bytes)
{
    DECLARE(fallocate64);
    MAY_FAIL(CALL_ftruncate, CALLER, -1);
    return REAL(fallocate64)(fd, mode, from, bytes);
}

void *mmap64(void *at, size_t bytes, int protection, int flags, int fd, off64_t from)
{
    DECLARE(mmap64);
    MAY_FAIL(CALL_mmap, CALLER, MAP_FAILED);
    return REAL(mmap64)(at, bytes, protection, flags, fd, from);
}

int stat64(const char *path, struct stat64 *about)
{
    DECLARE(stat64);
    MAY_FAIL(CALL_stat, CALLER, -1);
    return REAL(stat64)(path, about);
}

int lstat64(const char *path, struct stat64 *about)
{
    DECLARE(lstat64);
    MAY_FAIL(CALL_stat, CALLER, -1);
    return REAL(lstat64)(path, about);
}

int fstat64(int fd, struct stat64 *about)
{
    DECLARE(fstat64);
    MAY_FAIL(CALL_stat, CALLER, -1);
    return REAL(fstat64)(fd, about);
}

int fstatat64(int folder, const char *path, struct stat64 *about, int flags)
{
    DECLARE(fstatat64);
    MAY_FAIL(CALL_stat, CALLER, -1);
    return REAL(fstatat64)(folder, path, about, flags);
}

static mode_t mode_of(int flags, va_list list) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; }

int open64(const char *path, int flags, ...)
{
    DECLARE(open64);
    va_list list;
    va_start(list, flags);
    const mode_t mode = mode_of(flags, list);
    va_end(list);
    MAY_FAIL(CALL_open, CALLER, -1);
    return REAL(open64)(path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
    DECLARE(openat64);
    va_list list;
    va_start(list, flags);
    const mode_t mode = mode_of(flags, list);
    va_end(list);
    MAY_FAIL(CALL_open, CALLER, -1);
    return REAL(openat64)(folder, path, flags, mode);
}

int mkstemp64(char *pattern)
{
    DECLARE(mkstemp64);
    MAY_FAIL(CALL_open, CALLER, -1);
    return REAL(mkstemp64)(pattern);
}

int mkostemp64(char *pattern, int flags)
{
    DECLARE(mkostemp64);
    MAY_FAIL(CALL_open, CALLER, -1);
    return REAL(mkostemp64)(pattern, flags);
}

DIR *opendir(const char *path)
{
    DECLARE(opendir);
    MAY_FAIL(CALL_open, CALLER, NULL);
    return REAL(opendir)(path);
}

/* Streams ---------------------------------------------------------------------------------------------------------- */

typedef struct stream {
    _Atomic(FILE *) ours; /* NULL: a free row */
    int fd;
    const void *caller; /* who opened it: the calls of its buffer count as his */
} stream;
static stream streams[STREAMS];

static ssize_t read_stream(void *cookie, char *to, size_t bytes)
{
    const stream *s = cookie;
    return read_for(s->fd, to, bytes, s->caller);
}

/* As glibc's streams do: all of it, or an error. */
static ssize_t write_stream(void *cookie, const char *from, size_t bytes)
{
    const stream *s = cookie;
    for (size_t done = 0; done < bytes;) {
        const ssize_t count = write_for(s->fd, from + done, bytes - done, s->caller);
        if (count < 0) return (ssize_t)done;
        done += (size_t)count;
    }
    return (ssize_t)bytes;
}

static int seek_stream(void *cookie, off64_t *at, int whence)
{
    const stream *s = cookie;
    MAY_FAIL(CALL_seek, s->caller, -1);
    const off64_t found = lseek64(s->fd, *at, whence);
    if (found < 0) return -1;
    *at = found;
    return 0;
}

static int close_stream(void *cookie)
{
    stream *s = cookie;
    const int answer = close_for(s->fd, s->caller);
    s->ours = NULL;
    return answer;
}

/* The same stream over our calls; no caller's that do not count. */
static FILE *cover(int fd, const char *mode, const void *caller)
{
    static const cookie_io_functions_t functions = {read_stream, write_stream, seek_stream, close_stream};
    for (int k = 0; k < STREAMS; k++) {
        stream *s = &streams[k];
        FILE *none = NULL;
        if (!atomic_compare_exchange_strong(&s->ours, &none, (FILE *)s)) continue;
        s->fd = fd;
        s->caller = caller;
        FILE *made = fopencookie(s, mode, functions);
        s->ours = made; /* NULL frees the row */
        return made;
    }
    die("too many streams");
}

FILE *fdopen(int fd, const char *mode)
{
    DECLARE(fdopen);
    MAY_FAIL(CALL_open, CALLER, NULL);
    return counts_caller(CALLER) ? cover(fd, mode, CALLER) : REAL(fdopen)(fd, mode);
}

static int flags_of(const char *mode)
{
    const int way = strchr(mode, '+') ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
    const int more = *mode == 'w' ? O_CREAT | O_TRUNC : *mode == 'a' ? O_CREAT | O_APPEND : 0;
    return way | more | (strchr(mode, 'e') ? O_CLOEXEC : 0) | (strchr(mode, 'x') ? O_EXCL : 0);
}

static FILE *open_stream(const char *path, const char *mode, const void *caller)
{
    DECLARE(open64);
    MAY_FAIL(CALL_open, caller, NULL);
    const int fd = REAL(open64)(path, flags_of(mode), 0666);
    if (fd < 0) return NULL;
    FILE *made = cover(fd, mode, caller);
    const int error = errno;
    if (!made) (void)!close_for(fd, NULL);
    errno = error;
    return made;
}

FILE *fopen64(const char *path, const char *mode)
{
    DECLARE(fopen64);
    return counts_caller(CALLER) ? open_stream(path, mode, CALLER) : REAL(fopen64)(path, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    DECLARE(fopen);
    return counts_caller(CALLER) ? open_stream(path, mode, CALLER) : REAL(fopen)(path, mode);
}

int fileno(FILE *of)
{
    DECLARE(fileno);
    for (int k = 0; k < STREAMS; k++)
        if (streams[k].ours == of) return streams[k].fd;
    return REAL(fileno)(of);
}

/* Clocks ----------------------------------------------------------------------------------------------------------- */

static struct {
    bool told, stops;
    clockid_t which;
    uint64_t after;
    time_t seconds;
    _Atomic uint64_t readings;
    struct timespec stopped;
} wrong;

static void read_clock(const char *text)
{
    char which[16], seconds[32];
    unsigned long long after;
    if (sscanf(text, "%15[^:]:%llu:%31s", which, &after, seconds) != 3) die(text);
    wrong.which = strcmp(which, "real") ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    wrong.after = after;
    wrong.stops = !strcmp(seconds, "stop");
    wrong.seconds = (time_t)strtoll(seconds, NULL, 10);
    wrong.told = true;
}

static void falsify(struct timespec *now)
{
    if (++wrong.readings < wrong.after) return;
    if (!wrong.stops)
        now->tv_sec += wrong.seconds;
    else if (wrong.stopped.tv_sec)
        *now = wrong.stopped;
    else
        wrong.stopped = *now;
}

/* The C library and drivers have the right time. */
int clock_gettime(clockid_t which, struct timespec *now)
{
    DECLARE(clock_gettime);
    const int answer = REAL(clock_gettime)(which, now);
    if (!answer && wrong.told && which == wrong.which && counts_caller(CALLER)) falsify(now);
    return answer;
}

time_t time(time_t *out)
{
    struct timespec now;
    DECLARE(clock_gettime);
    REAL(clock_gettime)(CLOCK_REALTIME, &now);
    if (wrong.told && wrong.which == CLOCK_REALTIME && counts_caller(CALLER)) falsify(&now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

/* What it counted -------------------------------------------------------------------------------------------------- */

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("TASSELLO_PRELOAD_LOG");
    ready = false;
    FILE *log = path && *path ? fopen(path, "w") : NULL;
    if (!log) return;
    for (int k = 0; k < CALL_COUNT; k++)
        fprintf(log, "%s\"%s\": %llu", k ? ", " : "{", names[k], (unsigned long long)counts[k]);
    fprintf(log, ", \"clock\": %llu, \"faults\": %llu}\n", (unsigned long long)wrong.readings,
            (unsigned long long)faults);
    fclose(log);
}
