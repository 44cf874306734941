/* Running this program again, in a process of its own: what its drivers do there ends nothing here. */
#ifndef CHILD_H
#define CHILD_H

#include "cli.h"

enum { CHILD_SAID = 512 };

typedef struct child_end {
    bool timed_out, interrupted; /* then it was killed */
    int status;                  /* as waitpid() gives it */
    char said[CHILD_SAID];       /* the last line on its stderr */
} child_end;

/* Runs the subcommand with its arguments, which end with NULL, and hands each line of its stdout to on_line. Its
 * notes are printed here. It is killed when neither came for `limit` seconds, or on a signal that ends programs:
 * cli_catch_ends() is called. False, after reporting it, if it cannot be started. */
bool child_run(cli_state *cli, const char *const *arguments, double limit, void (*on_line)(void *user, char *line),
               void *user, child_end *end);

/* How it ended, if not with status 0: "killed by signal 6 (Aborted): LINE OF STDERR". */
void child_describe(const child_end *end, double limit, char *out, size_t bytes);

/* The signal that ended it; 0: none. */
int child_signal(const child_end *end);

#endif
