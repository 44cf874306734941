/* Files: read whole, written atomically, told apart. */
#ifndef FILE_H
#define FILE_H

#include "base/context.h"

/* Reads a whole file, at most `most` bytes, into malloc()ed *data with a 0 behind its *bytes. */
tas_status file_read(tas_context *context, const char *path, uint64_t most, char **data, size_t *bytes);

/* Writes a file so that either all of it is there or the earlier one still is: begin makes a temporary file beside it,
 * commit makes it durable and renames it, abandon removes it. begin at the start of long work finds out early. */
typedef struct file_writer {
    FILE *stream;
    char *path, *temporary;
} file_writer;
tas_status file_begin(tas_context *context, file_writer *writer, const char *path);
tas_status file_commit(tas_context *context, file_writer *writer);
void file_abandon(file_writer *writer);

/* The folder of what may be made again: $XDG_CACHE_HOME/tassello, else ~/.cache/tassello, made where it is missing.
 * False where neither can be used, or where others may write. */
bool cache_folder(char *folder, size_t bytes);

/* What a file seems to be, by its first bytes, as a message names it: "a CSV text", "a safetensors checkpoint", "an IDX
 * file (gzip)", "a network's text", "a folder of IDX files (a data set)", "a PNG image", "empty", "missing". A static
 * text, never NULL. Nothing but a regular file is opened. */
const char *file_describe(const char *path);

#endif
