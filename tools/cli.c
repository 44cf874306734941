/* A command's context, its messages, its signals, and how it ends. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void wipe_line(cli_state *cli)
{
    if (cli->line_open) fputs("\r\033[K", stderr);
    cli->line_open = false;
}

static void print_note(void *user, const char *line)
{
    wipe_line(user);
    fprintf(stderr, "tassello: note: %s\n", line);
}

bool cli_open(cli_state *cli, const cli_command *command)
{
    *cli = (cli_state){.command = command};
    if (tas_context_open(&cli->context)) {
        cli_error(cli, "no memory");
        return false;
    }
    tas_set_log(cli->context, print_note, cli);
    return true;
}

void cli_catch(void (*handler)(int))
{
    static const int numbers[] = {SIGINT, SIGTERM};
    struct sigaction now, action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < 2; i++) sigaddset(&action.sa_mask, numbers[i]);
    for (int i = 0; i < 2; i++)
        if (!sigaction(numbers[i], NULL, &now) && now.sa_handler != SIG_IGN) sigaction(numbers[i], &action, NULL);
}

void cli_close(cli_state *cli) { tas_context_close(&cli->context); }

void cli_error(cli_state *cli, const char *format, ...)
{
    va_list list;
    wipe_line(cli);
    fprintf(stderr, "tassello %s: ", cli->command->name);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

int cli_failed(cli_state *cli, tas_status status)
{
    const char *text = tas_error(cli->context);
    cli_error(cli, "%s", *text ? text : tas_status_name(status));
    return status == TAS_BAD_ARGUMENT ? EXIT_USAGE : EXIT_FAILED;
}

bool cli_budget(cli_state *cli, const cli_size *size, const tas_device_info *device, uint64_t *bytes)
{
    *bytes = size->bytes;
    if (size->percent == 0) return true;
    if (!device->global_bytes) {
        cli_error(cli, "--budget %g%%: %s does not tell how much memory it has; expected bytes", size->percent,
                  device->id);
        return false;
    }
    *bytes = (uint64_t)((double)device->global_bytes * size->percent / 100);
    if (!*bytes) *bytes = 1; /* 0 would mean none given */
    return true;
}

void cli_exit(int status)
{
    const bool failed = ferror(stdout);
    if (fflush(stdout) || failed) {
        fprintf(stderr, "tassello: standard output cannot be written: %s\n", strerror(errno));
        if (!status) status = EXIT_FAILED;
    }
    exit(status);
}
