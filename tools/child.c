/* Another process of this program. posix_spawn() of a program is safe beside any driver; a fork() is not. */
#include "child.h"
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PERIOD_MS = 200 };

typedef struct lines {
    int fd; /* -1: at its end */
    char *text;
    size_t count, bytes;
} lines;

typedef struct child {
    cli_state *cli;
    pid_t pid;
    lines out, err;
    void (*on_line)(void *user, char *line);
    void *user;
    double heard; /* when the last line came */
    child_end *end;
} child;

static volatile sig_atomic_t signaled;

static void on_signal(int number)
{
    (void)number;
    if (signaled) _exit(EXIT_INTERRUPTED);
    signaled = 1;
}

/* ------------------------------------------------------------------------------------------------------- starting */

/* In a process group of its own, so that compilers that its driver has started can be killed with it. */
static int spawn(child *c, const char *const *arguments, int out, int err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    const int error = posix_spawn(&c->pid, "/proc/self/exe", &actions, &attributes, (char *const *)arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static int start(child *c, const char *const *arguments)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1}, error = 0;
    if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) error = errno;
    if (!error) error = spawn(c, arguments, out[1], err[1]);
    if (out[1] >= 0) close(out[1]);
    if (err[1] >= 0) close(err[1]);
    c->out.fd = out[0];
    c->err.fd = err[0];
    return error;
}

/* -------------------------------------------------------------------------------------------------------- reading */

static void close_lines(lines *l)
{
    if (l->fd >= 0) close(l->fd);
    l->fd = -1;
}

/* Our own notes are shown; what drivers say last may be why they end. */
static void take_said(child *c, const char *line)
{
    static const char note[] = "tassello: note: ";
    if (!strncmp(line, note, sizeof note - 1)) {
        c->heard = cli_clock();
        cli_note(c->cli, "%s", line + sizeof note - 1);
    } else if (*line)
        snprintf(c->end->said, sizeof c->end->said, "%s", line);
}

static void take_line(child *c, const lines *from, char *line)
{
    if (from == &c->err) {
        take_said(c, line);
        return;
    }
    c->heard = cli_clock();
    c->on_line(c->user, line);
}

static void take_lines(child *c, lines *from)
{
    char *line = from->text, *end = from->text + from->count;
    for (char *at; (at = memchr(line, '\n', (size_t)(end - line))); line = at + 1) {
        *at = 0;
        take_line(c, from, line);
    }
    from->count = (size_t)(end - line);
    memmove(from->text, line, from->count);
}

/* A last line without its end was cut off: on stderr it still says something. */
static void read_some(child *c, lines *from)
{
    if (from->bytes - from->count < 4096) {
        char *more = realloc(from->text, from->bytes + 65536);
        if (!more) cli_no_memory();
        from->text = more;
        from->bytes += 65536;
    }
    const ssize_t got = read(from->fd, from->text + from->count, from->bytes - from->count - 1);
    if (got < 0 && errno == EINTR) return;
    if (got > 0) {
        from->count += (size_t)got;
        take_lines(c, from);
        return;
    }
    from->text[from->count] = 0;
    if (from == &c->err) take_said(c, from->text);
    close_lines(from);
}

/* The pipes end when every process that has them is gone; a compiler of the driver's may outlive the child. It is not
 * reaped yet, so that its process group is still its own. */
static bool has_ended(const child *c)
{
    siginfo_t about = {0};
    return !waitid(P_PID, (id_t)c->pid, &about, WEXITED | WNOHANG | WNOWAIT) && about.si_pid == c->pid;
}

static void read_rest(child *c, lines *from)
{
    struct pollfd one = {.fd = from->fd, .events = POLLIN};
    while (from->fd >= 0 && poll(&one, 1, 0) > 0) read_some(c, from);
}

static void watch(child *c, double limit)
{
    bool ended = false;
    while (!ended) {
        struct pollfd both[] = {{.fd = c->out.fd, .events = POLLIN}, {.fd = c->err.fd, .events = POLLIN}};
        poll(both, 2, PERIOD_MS);
        if (both[0].revents) read_some(c, &c->out);
        if (both[1].revents) read_some(c, &c->err);
        ended = has_ended(c);
        c->end->interrupted = signaled != 0;
        c->end->timed_out = !ended && cli_clock() - c->heard > limit;
        if (c->end->timed_out || c->end->interrupted) break;
    }
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, &c->end->status, 0) < 0 && errno == EINTR) continue;
    read_rest(c, &c->out);
    read_rest(c, &c->err);
}

bool child_run(cli_state *cli, const char *const *arguments, double limit, void (*on_line)(void *user, char *line),
               void *user, child_end *end)
{
    child c = {
        .cli = cli, .out.fd = -1, .err.fd = -1, .on_line = on_line, .user = user, .heard = cli_clock(), .end = end};
    *end = (child_end){0};
    cli_catch_ends(on_signal);
    const int error = start(&c, arguments);
    if (error)
        cli_error(cli, "cannot start another process of this program: %s", strerror(error));
    else
        watch(&c, limit);
    close_lines(&c.out);
    close_lines(&c.err);
    free(c.out.text);
    free(c.err.text);
    return !error;
}

/* -------------------------------------------------------------------------------------------------------- the end */

int child_signal(const child_end *end) { return WIFSIGNALED(end->status) ? WTERMSIG(end->status) : 0; }

void child_describe(const child_end *end, double limit, char *out, size_t bytes)
{
    const int number = child_signal(end);
    size_t used = 0;
    if (end->timed_out)
        used = (size_t)snprintf(out, bytes, "no result within %g s, after which it was killed", limit);
    else if (number)
        used = (size_t)snprintf(out, bytes, "killed by signal %d (%s)", number, strsignal(number));
    else
        used = (size_t)snprintf(out, bytes, "the process ended with status %d", WEXITSTATUS(end->status));
    if (*end->said && used < bytes) snprintf(out + used, bytes - used, "; its last line on stderr: %s", end->said);
}
