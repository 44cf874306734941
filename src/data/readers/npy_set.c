/* Data sets of .npy files: a folder of them, one of them with the others beside it, or one file of inputs. */
#include "data/readers/named_arrays.h"
#include "data/readers/npy.h"
#include "data/readers/paths.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define ENDING ".npy"

typedef struct file_list {
    tas_context *context;
    const char *folder; /* not ended by a 0: */
    size_t folder_bytes;
    const char *known;   /* one of its arrays: only those of the same set; NULL: all */
    char **name, **path; /* (count); the names without ending */
    size_t count, room;
} file_list;

/* The name of a file without .npy, into `name`; false if it does not end so. */
static bool strip_ending(const char *file, char *name, size_t room)
{
    const size_t bytes = strlen(file), ending = sizeof ENDING - 1;
    if (bytes <= ending || bytes - ending >= room || strcmp(file + bytes - ending, ENDING)) return false;
    memcpy(name, file, bytes - ending);
    name[bytes - ending] = 0;
    return true;
}

static void free_list(file_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->name[i]);
        free(list->path[i]);
    }
    free(list->name);
    free(list->path);
}

static bool grow_list(file_list *list)
{
    const size_t room = list->room ? 2 * list->room : 8;
    if (list->count < list->room) return true;
    char **name = realloc(list->name, room * sizeof *name);
    if (name) list->name = name;
    char **path = realloc(list->path, room * sizeof *path);
    if (path) list->path = path;
    if (!name || !path) return false;
    list->room = room;
    return true;
}

/* path: NULL: the name in the list's folder, which is the current one if it has no bytes. */
static tas_status add_file(file_list *list, const char *name, const char *path)
{
    char *own_name = grow_list(list) ? strdup(name) : NULL, *own_path = path ? strdup(path) : NULL;
    if (own_name && !path && asprintf(&own_path, "%.*s%s" ENDING, (int)list->folder_bytes, list->folder, name) < 0)
        own_path = NULL;
    if (!own_name || !own_path) {
        free(own_name);
        free(own_path);
        return fail(list->context, TAS_NO_MEMORY, "%s: no memory", list->folder);
    }
    list->name[list->count] = own_name;
    list->path[list->count++] = own_path;
    return TAS_OK;
}

/* A .npy file of the folder, if it belongs to the set. */
static tas_status list_file(void *user, const char *file)
{
    file_list *list = user;
    char name[NAME_MAX + 1];
    if (!strip_ending(file, name, sizeof name)) return TAS_OK;
    return !list->known || named_arrays_is_partner(name, list->known) ? add_file(list, name, NULL) : TAS_OK;
}

static tas_status list_beside(const reader_request *request, file_list *list)
{
    char name[NAME_MAX + 1];
    const char *base = paths_base(request->path);
    const bool known = strip_ending(base, name, sizeof name) && named_arrays_is_known(name);
    if (request->inputs_only) return add_file(list, base, request->path);
    if (!known)
        return fail(request->context, TAS_BAD_DATA,
                    "%s: which targets belong to this array cannot be seen; expected a file x.npy with y.npy beside "
                    "it, or x_train.npy with y_train.npy (x_test.npy, y_test.npy)",
                    request->path);
    char *folder = base == request->path ? strdup(".") : strndup(request->path, (size_t)(base - request->path));
    if (!folder) return fail(request->context, TAS_NO_MEMORY, "%s: no memory", request->path);
    list->folder_bytes = (size_t)(base - request->path);
    list->known = name;
    const tas_status status = paths_for_each(request->context, folder, list_file, list);
    list->known = NULL;
    free(folder);
    return status;
}

static tas_status open_listed(void *user, int index, array *out)
{
    const file_list *list = user;
    return npy_open(list->context, list->path[index], out);
}

static tas_status open_sets(const reader_request *request, reader_result *out)
{
    char *folder = NULL;
    file_list list = {.context = request->context, .folder = request->path};
    tas_status status = reader_refuse_others(request, &reader_npy, (const char *const[]){NULL});
    if (status) return status;
    if (paths_is_folder(request->path)) {
        if (asprintf(&folder, "%s/", request->path) < 0)
            return fail(request->context, TAS_NO_MEMORY, "%s: no memory", request->path);
        list.folder = folder;
        list.folder_bytes = strlen(folder);
        status = paths_for_each(request->context, request->path, list_file, &list);
    } else {
        status = list_beside(request, &list);
    }
    const named_arrays all = {
        .name = (const char *const *)list.name, .count = list.count, .open = open_listed, .user = &list};
    if (!status) status = named_arrays_read(request, &all, out);
    free_list(&list);
    free(folder);
    return status;
}

static bool has_known_file(const char *folder)
{
    char name[NAME_MAX + 1];
    bool found = false;
    DIR *all = opendir(folder);
    for (const struct dirent *e; all && !found && (e = readdir(all));)
        found = strip_ending(e->d_name, name, sizeof name) && named_arrays_is_known(name);
    if (all) closedir(all);
    return found;
}

static bool recognize(const reader_look *look)
{
    char name[NAME_MAX + 1];
    if (look->folder) return has_known_file(look->path);
    return (look->head_bytes >= 6 && !memcmp(look->head, "\x93NUMPY", 6)) ||
           strip_ending(paths_base(look->path), name, sizeof name);
}

const reader reader_npy = {
    .name = "npy",
    .title = "a set of .npy files (NumPy)",
    .rules = "A folder of files as numpy.save() writes them: x_train.npy and y_train.npy, x_test.npy and y_test.npy; "
             "or x.npy and y.npy. The names may be in upper case. One of these files stands for itself and those "
             "beside it. Files of unsigned bytes and of little-endian f4 in C order are not read into memory but "
             "mapped, unless channels are last.\n\n" NAMED_ARRAYS_RULES,
    .recognize = recognize,
    .open = open_sets,
};
