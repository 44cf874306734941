/* The pictures of a folder: classes are folders. */
#include "data/readers/picture_list.h"

#include "base/file.h"
#include "base/text.h"
#include "data/readers/paths.h"
#include "data/readers/picture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Names in a folder ----------------------------------------------------------------------------------------------- */

typedef struct names {
    char **name;
    size_t count;
} names;

static int compare_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Of whole numbers without leading zeros. */
static int compare_numbers(const void *a, const void *b)
{
    const size_t x = strlen(*(char *const *)a), y = strlen(*(char *const *)b);
    return x != y ? (x > y) - (x < y) : compare_bytes(a, b);
}

static bool is_number(const char *name)
{
    return name[strspn(name, "0123456789")] == 0 && (name[0] != '0' || !name[1]);
}

static void free_names(names *all)
{
    for (size_t i = 0; i < all->count; i++) free(all->name[i]);
    free(all->name);
    *all = (names){0};
}

static bool add_name(names *all, const char *name)
{
    if (!(all->count & (all->count + 1))) { /* room is 2^k - 1 */
        char **grown = realloc(all->name, (2 * all->count + 1) * sizeof *grown);
        if (!grown) return false;
        all->name = grown;
    }
    char *copy = strdup(name);
    if (copy) all->name[all->count++] = copy;
    return copy != NULL;
}

/* Calls for each entry but . and ..; *all has their names. */
static tas_status list_folder(tas_context *context, const char *path, names *all)
{
    tas_status status = TAS_OK;
    DIR *folder = opendir(path);
    if (!folder) return fail(context, TAS_BAD_FILE, "%s: %s", path, strerror(errno));
    errno = 0;
    for (const struct dirent *entry; !status && (entry = readdir(folder)); errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !add_name(all, entry->d_name))
            status = fail(context, TAS_NO_MEMORY, "%s: no memory to list it", path);
    if (!status && errno) status = fail(context, TAS_BAD_FILE, "%s: %s", path, strerror(errno));
    closedir(folder);
    if (all->count) qsort(all->name, all->count, sizeof *all->name, compare_bytes);
    return status;
}

/* Whether there is a folder; what cannot be looked at is an error. */
static tas_status find_folder(tas_context *context, const char *path, bool *found)
{
    struct stat about;
    *found = false;
    if (stat(path, &about))
        return errno == ENOENT || errno == ENOTDIR ? TAS_OK
                                                   : fail(context, TAS_BAD_FILE, "%s: %s", path, strerror(errno));
    *found = S_ISDIR(about.st_mode);
    return TAS_OK;
}

/* Hidden folders have no class, and neither has what archives of macOS have beside their content. */
static tas_status find_class(tas_context *context, const char *folder, const char *name, bool *found)
{
    *found = false;
    if (name[0] == '.' || !strcmp(name, "__MACOSX")) return TAS_OK;
    char *path = paths_join(folder, name);
    tas_status status =
        path ? find_folder(context, path, found) : fail(context, TAS_NO_MEMORY, "%s: no memory to list it", folder);
    free(path);
    return status;
}

/* A folder's folders. *others: its other entries. */
static tas_status list_folders(tas_context *context, const char *path, names *folders, uint64_t *others)
{
    names all = {0};
    tas_status status = list_folder(context, path, &all);
    for (size_t i = 0; i < all.count && !status; i++) {
        bool found = false;
        status = find_class(context, path, all.name[i], &found);
        if (!status && !found)
            ++*others;
        else if (!status && !add_name(folders, all.name[i]))
            status = fail(context, TAS_NO_MEMORY, "%s: no memory to list it", path);
    }
    free_names(&all);
    return status;
}

/* Pictures -------------------------------------------------------------------------------------------------------- */

static picture_kind look_at(const char *path)
{
    unsigned char head[PICTURE_HEAD];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const size_t count = fd < 0 ? 0 : file_read_head(fd, head, sizeof head);
    if (fd >= 0) close(fd);
    return count ? picture_recognize(head, count) : PICTURE_NONE;
}

/* Whether a file should be a picture, by the end of its name. */
static bool is_named_picture(const char *name)
{
    static const char *const endings[] = {"png", "jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff", "ppm", "pgm"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (!strcasecmp(dot + 1, endings[i])) return true;
    return false;
}

static bool add_file(picture_set *set, char *path, const struct stat *about, uint32_t label)
{
    if (set->count == set->room) {
        const size_t room = set->room ? 2 * set->room : 64;
        picture_file *grown = realloc(set->file, room * sizeof *grown);
        if (!grown) return false;
        set->file = grown;
        set->room = room;
    }
    set->file[set->count++] = (picture_file){.path = path,
                                             .label = label,
                                             .size = (uint64_t)about->st_size,
                                             .modified = about->st_mtim,
                                             .changed = about->st_ctim};
    return true;
}

/* A file of a class: added, ignored, or a problem. Owns path. */
static tas_status list_file(const reader_request *request, const char *name, char *path, uint32_t label,
                            picture_list *list, picture_set *set)
{
    struct stat about;
    tas_status status = TAS_OK;
    if (!path) return fail(request->context, TAS_NO_MEMORY, "%s: no memory to list it", request->path);
    if (stat(path, &about) || (S_ISREG(about.st_mode) && access(path, R_OK))) {
        status = reader_problem(request, "%s: %s", path, strerror(errno));
    } else if (name[0] != '.' && S_ISREG(about.st_mode) && look_at(path) != PICTURE_NONE) {
        if (add_file(set, path, &about, label)) return TAS_OK;
        status = fail(request->context, TAS_NO_MEMORY, "%s: no memory to list it", request->path);
    } else if (name[0] != '.' && S_ISREG(about.st_mode) && is_named_picture(name)) {
        status = reader_problem(request, "%s: expected a PNG or JPEG picture, found %s", path, file_describe(path));
    } else {
        list->ignored++;
    }
    free(path);
    return status;
}

/* A folder's own pictures. */
static tas_status list_files(const reader_request *request, const char *folder, uint32_t label, picture_list *list,
                             picture_set *set)
{
    names all = {0};
    const size_t before = set->count;
    tas_status status = list_folder(request->context, folder, &all);
    for (size_t i = 0; i < all.count && !status; i++)
        status = list_file(request, all.name[i], paths_join(folder, all.name[i]), label, list, set);
    free_names(&all);
    if (!status && set->count == before)
        status = reader_problem(request, "%s: no pictures in this folder; expected PNG or JPEG files", folder);
    return status;
}

/* Classes --------------------------------------------------------------------------------------------------------- */

static bool are_numbers(const names *classes)
{
    for (size_t i = 0; i < classes->count; i++)
        if (!is_number(classes->name[i])) return false;
    return true;
}

/* Numbers from 0 without a gap need no names. */
static bool are_numbers_from_zero(const names *classes)
{
    char text[24];
    for (size_t i = 0; i < classes->count; i++) {
        snprintf(text, sizeof text, "%zu", i);
        if (strcmp(text, classes->name[i]) != 0) return false;
    }
    return true;
}

static tas_status check_names(const reader_request *request, const char *folder, const names *classes)
{
    tas_status status = TAS_OK;
    for (size_t i = 0; i < classes->count && !status; i++)
        if (!text_is_utf8(classes->name[i]))
            status = reader_problem(request, "%s/%s: the name of a class is not UTF-8", folder, classes->name[i]);
    return status;
}

/* Takes the names over. */
static tas_status set_classes(const reader_request *request, const char *folder, names *classes, picture_list *list)
{
    tas_status status = check_names(request, folder, classes);
    if (status) return status;
    if (!classes->count)
        return fail(request->context, TAS_BAD_DATA,
                    "%s: expected a folder of PNG or JPEG pictures for each class, found no folders", folder);
    if (are_numbers(classes)) qsort(classes->name, classes->count, sizeof *classes->name, compare_numbers);
    list->classes = (uint32_t)classes->count;
    if (are_numbers_from_zero(classes)) return TAS_OK;
    if (are_numbers(classes))
        note_once(request->context, "%s: the classes %s to %s become 0 to %" PRIu32, folder, classes->name[0],
                  classes->name[classes->count - 1], list->classes - 1);
    list->class_names = classes->name;
    *classes = (names){0};
    return TAS_OK;
}

static tas_status keep_classes(const reader_request *request, picture_list *list)
{
    const schema *kept = request->schema;
    list->classes = kept->classes;
    if (!kept->class_names || !kept->classes) return TAS_OK;
    list->class_names = calloc(kept->classes, sizeof *list->class_names);
    for (uint32_t i = 0; list->class_names && i < kept->classes; i++) {
        list->class_names[i] = strdup(kept->class_names[i]);
        if (!list->class_names[i]) return fail(request->context, TAS_NO_MEMORY, "%s: no memory", request->path);
    }
    return list->class_names ? TAS_OK : fail(request->context, TAS_NO_MEMORY, "%s: no memory", request->path);
}

/* False: there is no such class. */
static bool find_label(const picture_list *list, const char *name, uint32_t *label)
{
    if (!list->class_names) {
        *label = (uint32_t)strtoul(name, NULL, 10);
        return is_number(name) && strlen(name) < 10 && *label < list->classes;
    }
    for (*label = 0; *label < list->classes; ++*label)
        if (!strcmp(list->class_names[*label], name)) return true;
    return false;
}

static tas_status list_class(const reader_request *request, const char *folder, const char *name, picture_list *list,
                             picture_set *set)
{
    uint32_t label = 0;
    char *path = paths_join(folder, name);
    if (!path) return fail(request->context, TAS_NO_MEMORY, "%s: no memory to list it", folder);
    tas_status status = TAS_OK;
    if (request->inputs_only || find_label(list, name, &label))
        status = list_files(request, path, label, list, set);
    else
        status = reader_problem(request, "%s: a class that training has not; it has %" PRIu32 "%s%s%s", path,
                                list->classes, list->class_names ? ", from " : " (numbers from 0)",
                                list->class_names ? list->class_names[0] : "", list->class_names ? " on" : "");
    free(path);
    return status;
}

/* Splits ---------------------------------------------------------------------------------------------------------- */

static tas_status list_split(const reader_request *request, const char *folder, picture_list *list, picture_set *set)
{
    names classes = {0};
    tas_status status = list_folders(request->context, folder, &classes, &list->ignored);
    if (!status && !classes.count && request->inputs_only) {
        list->ignored = 0; /* they are looked at again */
        status = list_files(request, folder, 0, list, set);
    }
    if (!status && !list->classes && !request->inputs_only) {
        names own = {0};
        for (size_t i = 0; i < classes.count && !status; i++)
            if (!add_name(&own, classes.name[i]))
                status = fail(request->context, TAS_NO_MEMORY, "%s: no memory to list it", folder);
        if (!status) status = set_classes(request, folder, &own, list);
        free_names(&own);
    }
    if (are_numbers(&classes) && classes.count)
        qsort(classes.name, classes.count, sizeof *classes.name, compare_numbers);
    for (size_t i = 0; i < classes.count && !status; i++)
        status = list_class(request, folder, classes.name[i], list, set);
    set->present = true;
    free_names(&classes);
    return status;
}

/* Whether folder/name has folders: a class that is called "train" has pictures instead. */
static tas_status find_split(tas_context *context, const char *folder, const char *name, bool *found)
{
    char *path = paths_join(folder, name);
    if (!path) return fail(context, TAS_NO_MEMORY, "%s: no memory to list it", folder);
    tas_status status = find_folder(context, path, found);
    DIR *entries = !status && *found ? opendir(path) : NULL;
    *found = false;
    for (const struct dirent *entry; entries && !*found && !status && (entry = readdir(entries));)
        status = find_class(context, path, entry->d_name, found);
    if (entries) closedir(entries);
    free(path);
    return status;
}

static const char *const split_folders[2][4] = {{"train"}, {"test", "val", "validation"}};

static tas_status list_folder_of(const reader_request *request, picture_list *list)
{
    bool found = false;
    tas_status status = TAS_OK;
    for (int split = 0; split < 2 && !status; split++)
        for (const char *const *name = split_folders[split]; *name && !status && !list->set[split].present; name++) {
            bool is_split = false;
            status = find_split(request->context, request->path, *name, &is_split);
            if (status || !is_split) continue;
            char *path = paths_join(request->path, *name);
            status = path ? list_split(request, path, list, &list->set[split])
                          : fail(request->context, TAS_NO_MEMORY, "%s: no memory to list it", request->path);
            free(path);
            found = true;
        }
    return found || status ? status : list_split(request, request->path, list, &list->set[TAS_TRAIN]);
}

/* One picture, for prediction. */
static tas_status list_one(const reader_request *request, picture_list *list)
{
    if (!request->inputs_only)
        return fail(request->context, TAS_BAD_DATA, "%s: a picture; expected a folder of pictures for each class",
                    request->path);
    list->set[TAS_TRAIN].present = true;
    return list_file(request, request->path, strdup(request->path), 0, list, &list->set[TAS_TRAIN]);
}

tas_status picture_list_open(const reader_request *request, picture_list *out)
{
    struct stat about;
    *out = (picture_list){0};
    if (stat(request->path, &about))
        return fail(request->context, TAS_BAD_FILE, "%s: %s", request->path, strerror(errno));
    tas_status status = request->schema ? keep_classes(request, out) : TAS_OK;
    if (!status) status = S_ISDIR(about.st_mode) ? list_folder_of(request, out) : list_one(request, out);
    if (!status && out->ignored)
        note_once(request->context, "%s: %" PRIu64 " %s ignored", request->path, out->ignored,
                  out->ignored == 1 ? "entry of its folders, which is not a picture, is"
                                    : "entries of its folders, which are not pictures, are");
    return status;
}

void picture_list_close(picture_list *list)
{
    for (int split = 0; split < 2; split++) {
        for (size_t i = 0; i < list->set[split].count; i++) free(list->set[split].file[i].path);
        free(list->set[split].file);
    }
    for (uint32_t i = 0; list->class_names && i < list->classes; i++) free(list->class_names[i]);
    free(list->class_names);
    *list = (picture_list){0};
}

/* Recognizing ----------------------------------------------------------------------------------------------------- */

/* Entries that are looked at in a folder. */
enum { LOOKS_MOST = 200 };

static bool has_pictures(const char *folder, int depth)
{
    struct stat about;
    bool found = false;
    int looks = 0;
    DIR *entries = opendir(folder);
    for (const struct dirent *entry; entries && !found && looks < LOOKS_MOST && (entry = readdir(entries));) {
        if (entry->d_name[0] == '.') continue;
        char *path = paths_join(folder, entry->d_name);
        looks++;
        if (path && !stat(path, &about) && S_ISREG(about.st_mode))
            found = look_at(path) != PICTURE_NONE;
        else if (path && depth && !stat(path, &about) && S_ISDIR(about.st_mode))
            found = has_pictures(path, depth - 1);
        free(path);
    }
    if (entries) closedir(entries);
    return found;
}

bool picture_list_recognize(const char *folder) { return has_pictures(folder, 2); }
