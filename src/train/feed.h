/* The feed: what lies between a data set and a tile's inputs on the device. */
#ifndef FEED_H
#define FEED_H

#include "train/workspace.h"

/* Checks that a data set fits the network: sizes, classes, kind of targets. */
tas_status feed_check(const tas_network *network, const tas_data *data);

/* Notes what fits but was probably not meant, once per network and set. For training, not for evaluation: a test split
 * need not hold all classes. */
void feed_note(const tas_network *network, const tas_data *data);

/* Makes ready for a set: uploads it where the plan holds it on the device, else takes the host's side of the stages. */
tas_status feed_open(workspace *w, const tas_data *data);
void feed_close(workspace *w); /* waits for uploads */

/* Waits for the uploads under way and tells whether one failed: before anything that was computed from them is
 * believed. */
tas_status feed_settle(workspace *w);

/* A new order of all examples, on the device where the set is. */
tas_status feed_order(workspace *w, const uint32_t *order, uint32_t count);

/* Gathers, normalises and casts the tile of n examples order[at .. at+n-1]; after its calls, feed_done(). */
tas_status feed_tile(workspace *w, const tas_data *data, const uint32_t *order, uint32_t at, uint32_t n);
tas_status feed_done(workspace *w);

/* The gather alone, from a source on the device: rows order[at ..], or rows 0 .. n-1 where direct. */
tas_status feed_gather(workspace *w, const tas_data *data, const source *from, bool direct, uint32_t at, uint32_t n);

#endif
