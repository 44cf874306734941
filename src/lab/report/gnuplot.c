/* gnuplot, run as a child process, and its pictures made fit for a page. */
#include "lab/report/gnuplot.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const double PATIENCE = 30; /* seconds; a plot takes about 0.05 */
static const char what_to_do[] = "the report's plots require it; on Debian: apt install gnuplot-nox";

/* The child -------------------------------------------------------------------------------------------------------- */

/* Our ends of its input, output and error output; -1: closed. */
typedef struct child {
    pid_t pid;
    int in, out, complaints;
} child;

static void shut(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* The environment with the C locale and without settings of gnuplot; the caller frees only the list. */
static char **plain_environment(void)
{
    size_t count = 0;
    while (environ[count]) count++;
    char **list = calloc(count + 2, sizeof *list);
    if (!list) return NULL;
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "LC_", 3) && strncmp(environ[i], "LANG", 4) && strncmp(environ[i], "GNU", 3))
            list[used++] = environ[i];
    list[used] = (char *)"LC_ALL=C.UTF-8"; /* if missing, C is used, and gnuplot warns about its degree sign */
    return list;
}

/* A group of its own, so that a Ctrl-C for the program does not end it midway; signals as a shell would leave them. */
static int spawn(child *c, const char *const *arguments, char **environment, const int ends[3])
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int error = posix_spawn_file_actions_init(&files);
    if (error) return error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&files);
        return error;
    }
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    for (int i = 0; i < 3 && !error; i++) error = posix_spawn_file_actions_adddup2(&files, ends[i], i);
    if (!error) error = posix_spawnp(&c->pid, "gnuplot", &files, &attributes, (char *const *)arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* A descriptor that is one of the standard three (a host that closed its own) could not be handed on safely. */
static bool move_up(int *fd)
{
    if (*fd > 2) return true;
    const int moved = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    close(*fd);
    *fd = moved;
    return moved >= 0;
}

/* Its input is a socket: if the child is gone, a write fails without the SIGPIPE that a pipe would raise in the host.
 */
static int start(child *c, const char *const *arguments)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, complaints[2] = {-1, -1};
    int error = 0;
    char **environment = plain_environment();
    if (!environment) return ENOMEM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) || pipe2(out, O_CLOEXEC) || pipe2(complaints, O_CLOEXEC))
        error = errno;
    for (int i = 0; i < 2 && !error; i++)
        if (!move_up(&in[i]) || !move_up(&out[i]) || !move_up(&complaints[i])) error = errno;
    const int ends[3] = {in[1], out[1], complaints[1]};
    if (!error) error = spawn(c, arguments, environment, ends);
    free(environment);
    shut(&in[1]);
    shut(&out[1]);
    shut(&complaints[1]);
    if (error) {
        shut(&in[0]);
        shut(&out[0]);
        shut(&complaints[0]);
    }
    c->in = in[0];
    c->out = out[0];
    c->complaints = complaints[0];
    return error;
}

/* Reads what is available; closes at the end. */
static void take(int *fd, buffer *into)
{
    char bytes[16384];
    const ssize_t n = read(*fd, bytes, sizeof bytes);
    if (n > 0)
        buffer_add(into, bytes, (size_t)n);
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        shut(fd);
}

static void give(int *fd, const char **text)
{
    const ssize_t n = send(*fd, *text, strlen(*text), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) *text += n;
    if (!**text || (n < 0 && errno != EINTR && errno != EAGAIN)) shut(fd);
}

/* Feeds it and reads, until it has closed both outputs. False: it took too long. */
static bool converse(child *c, const char *script, buffer *out, buffer *complaints)
{
    const double end = now_seconds() + PATIENCE;
    if (!*script) shut(&c->in);
    while (c->out >= 0 || c->complaints >= 0) {
        const double left = end - now_seconds();
        if (left <= 0) return false;
        struct pollfd polled[3] = {{.fd = c->in, .events = POLLOUT},
                                   {.fd = c->out, .events = POLLIN},
                                   {.fd = c->complaints, .events = POLLIN}};
        if (poll(polled, 3, (int)(left * 1000) + 1) < 0 && errno != EINTR) return false;
        if (c->in >= 0 && polled[0].revents) give(&c->in, &script);
        if (c->out >= 0 && polled[1].revents) take(&c->out, out);
        if (c->complaints >= 0 && polled[2].revents) take(&c->complaints, complaints);
    }
    return true;
}

/* True if it succeeded. In a host that lets the system reap its children the status is unknown: then the output
 * decides. */
static bool finish(child *c, bool patient)
{
    int status = 0;
    shut(&c->in);
    shut(&c->out);
    shut(&c->complaints);
    if (!patient) kill(c->pid, SIGKILL);
    pid_t ended;
    do ended = waitpid(c->pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    return patient && (ended < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

/* The last error message, without gnuplot's picture of its place in the script; warnings come before it. */
static void one_line(const buffer *complaints, char *line, size_t bytes)
{
    const char *at = complaints->text ? complaints->text : "", *last = NULL;
    for (const char *next = at; (next = strstr(next, "line ")); next++) last = next;
    snprintf(line, bytes, "%s", last ? last : at + strspn(at, " \n^"));
    line[strcspn(line, "\n")] = 0;
}

tas_status gnuplot_run(tas_context *context, const char *script, buffer *out)
{
    static const char *const ask[] = {"gnuplot", "--version", NULL}, *const draw[] = {"gnuplot", "-d", NULL};
    child c = {0};
    buffer complaints = {0};
    char line[256];
    const int error = start(&c, script ? draw : ask);
    if (error == ENOENT) return fail(context, TAS_BAD_FILE, "gnuplot was not found in PATH; %s", what_to_do);
    if (error) return fail(context, TAS_BAD_FILE, "gnuplot cannot be run: %s; %s", strerror(error), what_to_do);
    const bool patient = converse(&c, script ? script : "", out, &complaints);
    const bool well = finish(&c, patient);
    one_line(&complaints, line, sizeof line);
    free(complaints.text);
    if (!patient) return fail(context, TAS_BAD_FILE, "gnuplot did not answer within %.0f s; %s", PATIENCE, what_to_do);
    if (!well) return fail(context, TAS_BAD_FILE, "gnuplot failed%s%s", *line ? ": " : "", line);
    if (out->failed) return fail(context, TAS_NO_MEMORY, "no memory for the output of gnuplot");
    return TAS_OK;
}

/* Pictures --------------------------------------------------------------------------------------------------------- */

typedef struct span {
    const char *text;
    size_t bytes;
} span;

static bool span_is(span s, const char *word) { return s.bytes == strlen(word) && !strncmp(s.text, word, s.bytes); }

static bool span_begins(span s, const char *word)
{
    return s.bytes > strlen(word) && !strncmp(s.text, word, strlen(word));
}

/* "black" and "rgb(  0,   0,   0)" */
static bool is_black(span s)
{
    char tight[16];
    size_t n = 0;
    for (size_t i = 0; i < s.bytes && n < sizeof tight; i++)
        if (s.text[i] != ' ') tight[n++] = s.text[i];
    const span t = {tight, n};
    return span_is(t, "black") || span_is(t, "rgb(0,0,0)") || span_is(t, "#000000");
}

static void add_attribute(buffer *page, span name, span value, const char *id)
{
    buffer_add(page, name.text, name.bytes);
    buffer_print(page, "=\"");
    if (span_is(name, "id") || span_is(name, "class"))
        buffer_print(page, "%s-", id);
    else if (span_is(name, "xlink:href") && span_begins(value, "#")) {
        buffer_print(page, "#%s-", id);
        value = (span){value.text + 1, value.bytes - 1};
    } else if (span_begins(value, "url(#")) {
        buffer_print(page, "url(#%s-", id);
        value = (span){value.text + 5, value.bytes - 5};
    } else if (span_is(name, "color") &&
               span_is(value, "white")) { /* a halo about a mark, which dark paper would show */
        value = (span){"transparent", strlen("transparent")};
    } else if (is_black(value)) {
        const char *own = span_is(name, "color") ? "inherit" : "currentColor";
        value = (span){own, strlen(own)};
    }
    buffer_add(page, value.text, value.bytes);
    buffer_print(page, "\"");
}

/* gnuplot calls a script of its own under the pointer: "gnuplot_svg.showHypertext(evt,'TEXT')". The page has no
 * scripts: TEXT becomes the title of the group. */
static span text_of_call(span value)
{
    const char *from = memchr(value.text, '\'', value.bytes), *to = memrchr(value.text, '\'', value.bytes);
    return from && to > from ? (span){from + 1, (size_t)(to - from - 1)} : (span){"", 0};
}

/* Copies the attributes of a tag, up to its ">", except calls of scripts; NULL if the tag is not well formed. */
static const char *copy_attributes(buffer *page, const char *at, const char *id, span *hover)
{
    for (;;) {
        const size_t space = strspn(at, " \t\r\n");
        at += space;
        if (!*at || *at == '<') return NULL;
        if (*at == '>' || *at == '/') return at;
        span name = {at, strcspn(at, "= \t\r\n>/<")};
        at += name.bytes;
        at += strspn(at, " \t\r\n"); /* polygons have blanks about the sign */
        if (!name.bytes || *at != '=') return NULL;
        at += strspn(at + 1, " \t\r\n");
        if (at[1] != '"' && at[1] != '\'') return NULL;
        const char *end = strchr(at + 2, at[1]);
        if (!end) return NULL;
        const span value = {at + 2, (size_t)(end - at - 2)};
        if (span_is(name, "onmousemove")) *hover = text_of_call(value);
        if (!span_begins(name, "on")) {
            buffer_print(page, " ");
            add_attribute(page, name, value, id);
        }
        at = end + 1;
    }
}

/* gnuplot's titles are numbers; only those of points have words. */
static const char *replace_title(buffer *page, const char *at, span *hover)
{
    const char *end = strstr(at, "</title>");
    if (end && hover->bytes) {
        buffer_print(page, "<title>");
        buffer_add(page, hover->text, hover->bytes);
        buffer_print(page, "</title>");
    }
    *hover = (span){"", 0};
    return end ? end + strlen("</title>") : NULL;
}

static const char *copy_tag(buffer *page, const char *at, const char *id, span *hover)
{
    if (!strncmp(at, "<title>", strlen("<title>"))) return replace_title(page, at, hover);
    const size_t name = 1 + (at[1] == '/') + strcspn(at + 1 + (at[1] == '/'), " \t\r\n/>");
    buffer_add(page, at, name);
    at = copy_attributes(page, at + name, id, hover);
    if (!at) return NULL;
    const char *end = strchr(at, '>');
    if (!end) return NULL;
    buffer_add(page, at, (size_t)(end + 1 - at));
    return end + 1;
}

/* After the header: the XML declaration, and gnuplot's own title and description. */
static const char *body_of(const char *svg, const char **head)
{
    *head = strstr(svg, "<svg");
    const char *close = *head ? strstr(*head, "</desc>") : NULL;
    return close ? close + strlen("</desc>") : NULL;
}

bool gnuplot_embed(buffer *page, const char *svg, const char *id, const char *title, const char *words)
{
    const char *head, *at = svg ? body_of(svg, &head) : NULL;
    span hover = {"", 0};
    if (!at) return false;
    const size_t start = page->bytes;
    buffer_print(page, "<svg role=\"img\" aria-label=\"");
    buffer_escape(page, words);
    buffer_print(page, "\"");
    if (!copy_attributes(page, head + strlen("<svg"), id, &hover)) goto broken;
    buffer_print(page, ">\n<title>");
    buffer_escape(page, title);
    buffer_print(page, "</title>\n<desc>");
    buffer_escape(page, words);
    buffer_print(page, "</desc>\n");
    size_t group = 0; /* where the group begins that nothing was added to; 0: there is none */
    while (*at) {
        const size_t text = strcspn(at, "<");
        const char *from = at;
        at += text;
        while (from < at && isspace((unsigned char)*from)) from++; /* between tags */
        if (from < at) buffer_add(page, from, (size_t)(at - from)), group = 0;
        if (!strncmp(at, "</svg>", 6)) {
            buffer_print(page, "</svg>\n");
            return true;
        }
        const char *comment = strncmp(at, "<!--", 4) ? NULL : strstr(at, "-->");
        if (comment) {
            at = comment + 3;
        } else if (group && !strncmp(at, "</g>", 4)) { /* half of gnuplot's groups are empty */
            page->bytes = group;
            group = 0;
            at += 4;
        } else {
            group = strncmp(at, "<g ", 3) ? 0 : page->bytes;
            if (!*at || !(at = copy_tag(page, at, id, &hover))) break;
        }
    }
broken:
    page->bytes = start;
    if (page->text) page->text[start] = 0;
    return false;
}
