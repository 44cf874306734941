/* Options that say how fast messages between ranks are: by two numbers, or by a file of tassello bench --exchange. */
#ifndef LINK_H
#define LINK_H

#include "cli.h"

typedef struct link_settings {
    cli_size bandwidth;
    double latency; /* -1: not given */
    const char *file;
} link_settings;

/* clang-format off */
#define OPTIONS_LINK(field)                                                                                            \
    {.name = "bandwidth", .metavar = "SIZE", .group = GROUP_DEVICE, .type = TYPE_SIZE, .offset = field(bandwidth),     \
     .help = "Bytes per second that a rank can send while it receives as many: a number, or one with K, M or G "       \
             "(powers of 1024). Requires --latency."},                                                                 \
    {.name = "latency", .metavar = "SECONDS", .group = GROUP_DEVICE, .type = TYPE_F64, .offset = field(latency),       \
     .help = "Seconds that a small message between ranks takes, such as 2e-6. Requires --bandwidth."},                 \
    {.name = "exchange", .metavar = "FILE", .group = GROUP_DEVICE, .type = TYPE_TEXT, .complete = COMPLETE_FILE,       \
     .offset = field(file),                                                                                            \
     .help = "Take bandwidth and latency from this file, which holds what 'tassello bench --exchange --json' has "     \
             "printed."}
/* clang-format on */

static inline void link_begin(link_settings *s) { s->latency = -1; }

/* Refuses, as wrong usage, options that do not go together. */
void link_check(const cli_command *command, const link_settings *s);

/* Whether any of them is given. */
bool link_given(const link_settings *s);

/* What they say; a bandwidth of 0 if they are not given. False after reporting what is wrong with the file. */
bool link_read(cli_state *cli, const link_settings *s, tas_link *out);

#endif
