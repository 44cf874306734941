/* The folder of what can be made again. */
#include "base/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes every missing folder on the way to path, and that one. */
static void make_folders(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        mkdir(path, 0700); /* most exist; the last one decides */
        *at = '/';
    }
    mkdir(path, 0700);
}

static bool can_use(const char *path) { return !access(path, R_OK | W_OK | X_OK); }

static bool make_own_folder(char *path)
{
    struct stat about;
    make_folders(path);
    /* what is in it is run: nobody else may have put it there */
    return !stat(path, &about) && S_ISDIR(about.st_mode) && about.st_uid == geteuid() &&
           !(about.st_mode & (S_IWGRP | S_IWOTH)) && can_use(path);
}

bool cache_folder(char *folder, size_t bytes)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (cache && *cache == '/')
        n = snprintf(folder, bytes, "%s/tassello", cache);
    else if (home && *home == '/')
        n = snprintf(folder, bytes, "%s/.cache/tassello", home);
    return n > 0 && (size_t)n < bytes && make_own_folder(folder);
}

bool cache_choose_folder(const char *wanted, char *folder, size_t bytes)
{
    struct stat about;
    if (!wanted) return cache_folder(folder, bytes);
    const int n = snprintf(folder, bytes, "%s", wanted);
    if (n <= 0 || (size_t)n >= bytes) return false;
    make_folders(folder);
    return !stat(folder, &about) && S_ISDIR(about.st_mode) && can_use(folder);
}
