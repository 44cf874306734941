/* Names of files and folders. */
#ifndef PATHS_H
#define PATHS_H

#include "base/context.h"

/* The part behind the last slash. */
const char *paths_base(const char *path);

bool paths_is_folder(const char *path);

/* FOLDER/NAME, malloc()ed; NULL without memory. */
char *paths_join(const char *folder, const char *name);

/* Whether a path is longer than an ending, and ends with it, in upper or lower case; or with it and .gz. */
bool paths_ends_with(const char *path, const char *ending);
bool paths_has_ending(const char *path, const char *ending);

/* Calls for the name of each entry of a folder, in the order of their bytes, until one fails. */
tas_status paths_for_each(tas_context *context, const char *folder, tas_status (*call)(void *user, const char *name),
                          void *user);

#endif
