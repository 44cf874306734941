/* Collects examples whose form in a file is not the one in memory: decoded pictures, parsed numbers. They lie in memory
 * up to a limit, and beyond it in a file of the cache without a name, which is mapped at the end. */
#ifndef BUILDER_H
#define BUILDER_H

#include "data/elements.h"

typedef struct builder builder;

/* row: bytes of one example's input. from names the files in errors; folder: of the spilled file, NULL: the user's
 * cache. most: bytes in memory; 0: a quarter of the machine's. *out is closed with builder_close(). */
tas_status builder_open(tas_context *context, const char *from, size_t row, const char *folder, uint64_t most,
                        builder **out);

/* Room for the next n examples, valid until the next call: the caller fills it. Memory grows with what has been added,
 * so that a header which promises much claims little if examples are added a few MiB at a time. */
tas_status builder_add(builder *b, size_t n, void **rows);

/* The last n examples that were added are taken back. */
void builder_drop(builder *b, size_t n);

/* All examples, in their order; the builder has none then. *count: how many. */
tas_status builder_finish(builder *b, data_elements *out, uint64_t *count);

/* Closes *b and sets it to NULL; it may be NULL already. */
void builder_close(builder **b);

#endif
