/* Ranks other than 0: they carry out the commands of rank 0. */
#ifndef RANKS_SERVE_H
#define RANKS_SERVE_H

#include "train/ranks.h"

/* The thread of a further device of this process; self: its tas_ranks. If it ends by a failure its run stays open, for
 * its slices. ranks_serve_free() closes what is left when the thread has ended. */
void *ranks_serve_thread(void *self);
void ranks_serve_free(tas_ranks *ranks);

#endif
