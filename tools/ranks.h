/* Commands over ranks: processes that a launcher of MPI has started, or several devices of this one. */
#ifndef TOOLS_RANKS_H
#define TOOLS_RANKS_H

#include "cli.h"

enum { RANKS_DEVICES = 64 /* of one process, at most */ };

typedef struct command_ranks {
    cli_state *cli;
    tas_ranks *ranks; /* NULL: there are none */
    uint32_t index;   /* of this one */
    bool joined;      /* all have begun */
    const cli_size *budget;
    char *ids; /* of devices, in pieces */
    const char *id[RANKS_DEVICES];
    int id_count;
    tas_context *contexts[RANKS_DEVICES]; /* of the devices beside the first, */
    tas_device *devices[RANKS_DEVICES];   /* and these */
    cli_state states[RANKS_DEVICES];      /* for their notes */
    int others;
} command_ranks;

/* Joins the other processes, if a launcher has started this one with them; those beside rank 0 print nothing from then
 * on. False after reporting why it cannot. */
bool ranks_begin(command_ranks *r, cli_state *cli);

/* Reads --device, which may be a list, or `all`: *first is what this process opens. The budget is that of each device,
 * and must stay. 0, or the exit status after reporting what is wrong. */
int ranks_read_devices(command_ranks *r, const char *text, const cli_size *budget, const char **first);

/* For what several devices of one process do not share: the first one does it, and a note says so. */
void ranks_keep_first(command_ranks *r);

/* Once its device is open: compares texts with those of the other ranks, in pairs of a name and a text, up to NULL; and
 * opens the further devices of this process. Likewise. */
int ranks_join(command_ranks *r, const char *const *texts, tas_arith arith, const tas_network *network);

/* Not rank 0: does what that says until it is done. Gives the exit status. */
int ranks_serve(command_ranks *r, tas_device *device, const tas_data *const *sets, size_t count);

/* Ends, after what was opened on the first device was closed. */
void ranks_end(command_ranks *r);

#endif
