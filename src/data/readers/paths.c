/* Names of files and folders. */
#include "data/readers/paths.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

const char *paths_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool paths_is_folder(const char *path)
{
    struct stat about;
    return !stat(path, &about) && S_ISDIR(about.st_mode);
}

char *paths_join(const char *folder, const char *name)
{
    char *path = NULL;
    const char *slash = *folder && folder[strlen(folder) - 1] == '/' ? "" : "/";
    return asprintf(&path, "%s%s%s", folder, slash, name) < 0 ? NULL : path;
}

bool paths_ends_with(const char *path, const char *ending)
{
    const size_t length = strlen(path), more = strlen(ending);
    return length > more && !strcasecmp(path + length - more, ending);
}

bool paths_has_ending(const char *path, const char *ending)
{
    char compressed[16];
    snprintf(compressed, sizeof compressed, "%s.gz", ending);
    return paths_ends_with(path, ending) || paths_ends_with(path, compressed);
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

tas_status paths_for_each(tas_context *context, const char *folder, tas_status (*call)(void *user, const char *name),
                          void *user)
{
    struct dirent **entry = NULL;
    tas_status status = TAS_OK;
    const int count = scandir(folder, &entry, NULL, compare_names);
    if (count < 0) return fail(context, TAS_BAD_FILE, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (!status) status = call(user, entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
    return status;
}
