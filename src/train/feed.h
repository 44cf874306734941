/* The feed: what lies between a data set and a tile's inputs on the device. */
#ifndef FEED_H
#define FEED_H

#include "train/workspace.h"

/* Checks that a data set fits the network: sizes, classes, kind of targets. */
tas_status feed_check(const tas_network *network, const tas_data *data);

/* Notes what fits but was probably not meant, once per network and set. For training, not for evaluation: a test split
 * need not hold all classes. */
void feed_note(const tas_network *network, const tas_data *data);

/* Uploads the set if the plan keeps it on the device, or else allocates the host's side of the stages. */
tas_status feed_open(workspace *w, const tas_data *data);

/* Waits for uploads, and releases the host's memory. */
void feed_close(workspace *w);

/* Waits for the uploads under way; fails if one has failed. Comes before anything computed from them is trusted. */
tas_status feed_settle(workspace *w);

/* Sets the order of all `count` examples: if the set is on the device, the order is, too. */
tas_status feed_order(workspace *w, const uint32_t *order, uint32_t count);

/* Gathers, normalizes and casts the tile of n examples order[at .. at+n-1]. feed_done() comes after its calls. */
tas_status feed_tile(workspace *w, const tas_data *data, const uint32_t *order, uint32_t at, uint32_t n);
tas_status feed_done(workspace *w);

/* The gather alone, from a source on the device: rows order[at ..], or rows 0 .. n-1 if `direct`. */
tas_status feed_gather(workspace *w, const tas_data *data, const source *from, bool direct, uint32_t at, uint32_t n);

#endif
