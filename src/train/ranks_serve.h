/* Ranks other than 0: they carry out the commands of rank 0. */
#ifndef RANKS_SERVE_H
#define RANKS_SERVE_H

#include "train/ranks.h"

/* The thread of a further device of this process; self: its tas_ranks, which it frees. */
void *ranks_serve_thread(void *self);

#endif
