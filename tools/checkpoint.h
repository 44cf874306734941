/* A checkpoint before its weights are on a device. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "cli.h"

typedef struct checkpoint {
    tas_network *network;
    char *schema; /* of its data; NULL if the file does not have it */
} checkpoint;

/* Returns 0, or the exit status after printing an error. To be closed even then. */
int checkpoint_open(checkpoint *of, cli_state *cli, const char *file);
void checkpoint_close(checkpoint *of);

/* Has files read as those that the network was trained on. Returns as checkpoint_open(). */
int checkpoint_expect(const checkpoint *of, cli_state *cli, tas_reading *reading);

#endif
