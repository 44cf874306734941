/* The tensors of a run's state: the values of each parameter, then its slots, as an exact copy of the run has them. */
#ifndef PIECE_H
#define PIECE_H

#include "train/run.h"

/* What of a copy belongs to one parameter: its values, or those of a slot. */
typedef struct piece {
    int parameter; /* among the network's */
    int slot;      /* -1: the values */
    uint64_t at;   /* bytes, in the copy's memory */
} piece;

/* The next one, from piece_before_first on; false past the last. Statistics, and what is not trained, have no slots. */
static const piece piece_before_first = {.parameter = -1, .slot = -1};
bool piece_next(const tas_run *run, piece *p);

/* Bytes of all of them. Slots of a run over ranks are not on its device. */
uint64_t piece_bytes(const tas_run *run);

const tas_tensor_info *piece_info(const tas_run *run, const piece *p);

/* "1.dense.weight", "1.dense.weight.momentum" */
enum { PIECE_NAME = 320 };
const char *piece_name(const tas_run *run, const piece *p, char name[PIECE_NAME]);

#endif
