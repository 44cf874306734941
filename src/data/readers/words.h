/* A set of texts: the categories of a column, the classes of a set. */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All 0: empty. */
typedef struct words {
    char **text; /* (count), in the order in which they came */
    uint32_t count, room;
    uint32_t *slot; /* (slots), a hash table: index + 1 */
    uint32_t slots;
} words;

/* The index of a text; -1 if it is not there. */
int64_t words_find(const words *of, const char *text);

/* Adds a text that is not there; false without memory. */
bool words_add(words *of, const char *text);
void words_free(words *of);

/* In the order of their bytes; then nothing may be found or added. */
void words_sort(words *of);

#endif
