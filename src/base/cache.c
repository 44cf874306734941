/* The folder of what can be made again. */
#include "base/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes every missing folder on the way to path. */
static bool make_folders(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        mkdir(path, 0700); /* most exist; the last one decides */
        *at = '/';
    }
    struct stat about;
    mkdir(path, 0700);
    /* what is in it is run: nobody else may have put it there */
    return !stat(path, &about) && S_ISDIR(about.st_mode) && about.st_uid == geteuid() &&
           !(about.st_mode & (S_IWGRP | S_IWOTH)) && !access(path, R_OK | W_OK | X_OK);
}

bool cache_folder(char *folder, size_t bytes)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (cache && *cache == '/')
        n = snprintf(folder, bytes, "%s/tassello", cache);
    else if (home && *home == '/')
        n = snprintf(folder, bytes, "%s/.cache/tassello", home);
    return n > 0 && (size_t)n < bytes && make_folders(folder);
}
