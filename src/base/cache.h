/* The folder of what can be made again. */
#ifndef CACHE_H
#define CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* $XDG_CACHE_HOME/tassello, else ~/.cache/tassello, created if it is missing. False if neither can be used, or if
 * others may write to it. */
bool cache_folder(char *folder, size_t bytes);

/* The wanted folder instead, created if it is missing; NULL: the one above. False if it cannot be used. */
bool cache_choose_folder(const char *wanted, char *folder, size_t bytes);

#endif
