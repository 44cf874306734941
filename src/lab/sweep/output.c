#include "lab/sweep/output.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMES = 100 };

/* file_begin() for a file beside the one that cannot be written; its name is freed by the caller. NULL: none can. */
static char *begin_beside(tas_context *context, const char *file, file_writer *out)
{
    char *name = malloc(strlen(file) + sizeof ".new-100");
    for (int i = 1; name && i < NAMES; i++) {
        sprintf(name, i == 1 ? "%s.new" : "%s.new-%d", file, i);
        if (!access(name, F_OK)) continue;
        if (!file_begin(context, out, name)) return name;
        break;
    }
    free(name);
    return NULL;
}

tas_status output_write(tas_context *context, const char *file, const char *text, size_t bytes)
{
    file_writer out;
    char *error = NULL, *name = NULL;
    tas_status status = file_begin(context, &out, file);
    if (status) {
        error = strdup(tas_error(context));
        name = begin_beside(context, file, &out);
    }
    if (!status || name) {
        fwrite(text, 1, bytes, out.stream); /* an error shows at the commit, which keeps what it cannot rename */
        const tas_status committed = file_commit(context, &out);
        if (!status) return committed;
        if (committed) free(name), name = NULL;
    }
    if (error && name)
        fail(context, status, "%s; what was written is in %s", error, name);
    else if (error)
        fail(context, status, "%s", error);
    free(error);
    free(name);
    return status;
}
