/* Files: read whole, written atomically, told apart. */
#ifndef FILE_H
#define FILE_H

#include "base/context.h"

/* Opens a regular file for reading; *bytes is its size. */
tas_status file_open(tas_context *context, const char *path, int *fd, uint64_t *bytes);

/* Reads `bytes` bytes from offset `at` of an open file; it is an error if the file ends before. path is for errors. */
tas_status file_read_at(tas_context *context, const char *path, int fd, uint64_t at, void *out, size_t bytes);

/* Reads at most `bytes` bytes from the beginning of an open file: as many as there are; 0 if that fails. */
size_t file_read_head(int fd, void *out, size_t bytes);

/* Reads a whole file of at most `most` bytes into *data, which the caller frees, with a 0 after its *bytes. */
tas_status file_read(tas_context *context, const char *path, uint64_t most, char **data, size_t *bytes);

/* Writes a file so that either all of it is there or the earlier one still is: begin creates a temporary file beside it
 * (NAME.tassello-1234567, locked as long as its writer lives) with the earlier one's mode, commit makes it durable and
 * renames it, abandon removes it. If that rename is refused, commit fails, but what was written stays under a name of
 * its own, which the error gives. begin fails if it can tell that the rename would. */
typedef struct file_writer {
    FILE *stream;
    char *path, *temporary;
} file_writer;
tas_status file_begin(tas_context *context, file_writer *writer, const char *path);
tas_status file_commit(tas_context *context, file_writer *writer);
void file_abandon(file_writer *writer);

/* The same as commit, and the earlier file stays as NAME.previous, in place of one that has this name. At any instant
 * NAME is whole. On a file system without hard links there is an instant in which only NAME.previous is there. */
tas_status file_commit_beside(tas_context *context, file_writer *writer);

/* Whether file_begin() would succeed, for before long work. */
tas_status file_check(tas_context *context, const char *path);

/* Removes the temporary files that killed writers of folder/name left, or of any file in the folder if name is NULL.
 * file_begin() does so for the name that it is given. */
void file_remove_leftovers(const char *folder, const char *name);

/* What a file seems to be, by its first bytes, as a message names it: "a CSV text", "a safetensors checkpoint", "an IDX
 * file (gzip)", "a network's text", "a folder of IDX files (a data set)", "a PNG image", "an empty file", "no file". A
 * static text, never NULL. Nothing but a regular file is opened. */
const char *file_describe(const char *path);

#endif
