/* A command's context, its messages, its signals, and how it ends. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void cli_wipe_line(cli_state *cli)
{
    if (cli->line_open) fputs("\r\033[K", stderr);
    cli->line_open = false;
}

static void print_note(void *user, const char *line)
{
    cli_state *cli = user;
    if (cli->rank) return;
    cli_wipe_line(cli);
    fprintf(stderr, "tassello: note: %s\n", line);
}

/* On a terminal a line that is written over, else a note now and then; nothing if all is built in a moment. */
static void print_build(void *user, const tas_build_progress *progress)
{
    static const double terminal_first = 0.3, terminal_period = 0.1, plain_first = 1, plain_period = 2; /* seconds */
    cli_state *cli = user;
    const bool terminal = cli_is_terminal(STDERR_FILENO), first = progress->number == 1;
    if (!progress->kernel) {
        cli_wipe_line(cli);
        cli->build_due = 0;
        return;
    }
    if (first || !(cli->build_due > 0)) cli->build_due = terminal ? terminal_first : plain_first;
    if (progress->seconds < cli->build_due) return;
    cli->build_due = progress->seconds + (terminal ? terminal_period : plain_period);
    char text[256];
    if (cli->rank) return;
    snprintf(text, sizeof text, "building and testing kernels for %s: %s (%u of %u)", progress->device,
             progress->kernel, progress->number, progress->count);
    if (!terminal) {
        print_note(cli, text);
        return;
    }
    fprintf(stderr, "\r\033[K%.*s", cli_columns(STDERR_FILENO) - 1, text);
    cli->line_open = true;
}

bool cli_open(cli_state *cli, const cli_command *command)
{
    *cli = (cli_state){.command = command};
    if (tas_context_open(&cli->context)) {
        cli_error(cli, "out of memory");
        return false;
    }
    tas_set_log(cli->context, print_note, cli);
    tas_set_build_progress(cli->context, print_build, cli);
    return true;
}

void cli_catch(int number, void (*handler)(int))
{
    struct sigaction now, action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    if (!sigaction(number, NULL, &now) && now.sa_handler != SIG_IGN) sigaction(number, &action, NULL);
}

void cli_catch_ends(void (*handler)(int))
{
    cli_catch(SIGINT, handler);
    cli_catch(SIGTERM, handler);
    cli_catch(SIGHUP, handler);
}

void cli_close(cli_state *cli) { tas_context_close(&cli->context); }

/* Names and texts of files can be part of a message. */
static void print_message(cli_state *cli, const char *who, const char *format, va_list list)
{
    char message[MESSAGE_BYTES], text[MESSAGE_BYTES];
    vsnprintf(message, sizeof message, format, list);
    if (cli->rank) {
        if (strcmp(who, ": note") != 0) tas_ranks_fail(cli->rank, message);
        return;
    }
    cli_wipe_line(cli);
    fprintf(stderr, "tassello%s: %s\n", who, tas_escape(message, text, sizeof text));
}

void cli_note(cli_state *cli, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_message(cli, ": note", format, list);
    va_end(list);
}

void cli_error(cli_state *cli, const char *format, ...)
{
    char who[32];
    va_list list;
    snprintf(who, sizeof who, " %s", cli->command->name);
    va_start(list, format);
    print_message(cli, who, format, list);
    va_end(list);
}

int cli_failed(cli_state *cli, tas_status status)
{
    const char *text = tas_error(cli->context); /* which is escaped, and may hold a compiler's lines */
    if (!*text) text = status == TAS_NO_MEMORY ? "no memory" : tas_status_name(status);
    cli_wipe_line(cli);
    if (cli->rank)
        tas_ranks_fail(cli->rank, text);
    else
        fprintf(stderr, "tassello %s: %s\n", cli->command->name, text);
    return status == TAS_BAD_ARGUMENT ? EXIT_USAGE : EXIT_FAILED;
}

bool cli_budget(cli_state *cli, const cli_size *size, const tas_device_info *device, uint64_t *bytes)
{
    *bytes = size->bytes;
    if (size->percent == 0) return true;
    if (!device->global_bytes) {
        cli_error(cli, "--budget %g%%: %s does not report its memory size; expected bytes", size->percent, device->id);
        return false;
    }
    *bytes = (uint64_t)((double)device->global_bytes * size->percent / 100);
    if (!*bytes) *bytes = 1; /* 0 would mean none given */
    return true;
}

_Noreturn void cli_no_memory(void)
{
    fputs("tassello: no memory\n", stderr);
    exit(EXIT_FAILED);
}

static bool at_once;

void cli_exit_at_once(void) { at_once = true; }

void cli_exit(int status)
{
    const bool failed = ferror(stdout);
    if (fflush(stdout) || failed) {
        fprintf(stderr, "tassello: standard output cannot be written: %s\n", strerror(errno));
        if (!status) status = EXIT_FAILED;
    }
    if (!status && !cli_json_was_whole()) {
        fputs("tassello: no memory for all of the JSON\n", stderr);
        status = EXIT_FAILED;
    }
    if (at_once) _exit(status);
    exit(status);
}

double cli_clock(void)
{
    static double latest, missing; /* of a clock that was set back, which this one should never be */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec + missing;
    if (seconds > latest)
        latest = seconds;
    else
        missing += latest - seconds;
    return latest;
}
