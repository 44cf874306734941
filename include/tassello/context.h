/* A context owns the log, the caches and the text of the last error. There are no globals: two contexts share nothing.
 * One thread at a time may use a context and what was made from it.
 *
 * fork(): drivers do not survive it. In a child of a process that has listed or opened OpenCL devices, every call that
 * would reach one fails with TAS_DEVICE_FAILED, and closing releases host memory only. The reference device works
 * there.
 */
#ifndef TASSELLO_CONTEXT_H
#define TASSELLO_CONTEXT_H

#include <tassello/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_context tas_context;

/* Opens a context. On success *out is the caller's, to be closed with tas_context_close(); else *out is NULL. */
TAS_API tas_status tas_context_open(tas_context **out);

/* Closes *context and sets it to NULL; NULL and *NULL are taken. Everything made from it must have been closed. */
TAS_API void tas_context_close(tas_context **context);

/* The text of the last failed call on this context, "" where there was none. Valid until the next call. */
TAS_API const char *tas_error(const tas_context *context);

/* Notes (a slow kernel build, a device passed over), one line each without a newline. NULL: silence, the default. */
typedef void (*tas_log_fn)(void *user, const char *line);
TAS_API void tas_set_log(tas_context *context, tas_log_fn log, void *user);

/* "0.1.0"; with commit and compiler in tas_build(). */
TAS_API const char *tas_version(void);
TAS_API const char *tas_build(void);

/* Makes text of unknown origin safe to print: a checkpoint's, a network's, a device's, a path. Control characters
 * (terminal escapes, line breaks) and bytes that are not UTF-8 become \x1b, characters that hide or reorder text
 * \u202e; escaping twice changes nothing. Writes at most `bytes` with the ending 0, cut before the first character that
 * does not fit; 4 strlen(text) + 1 bytes always suffice. Returns out. tas_error() and the log's lines are escaped. */
TAS_API char *tas_escape(const char *text, char *out, size_t bytes);

/* Whether the library could write a file at path, for before long work: TAS_BAD_FILE with the reason if it could not.
 * Files are written whole under a temporary name beside theirs and then renamed. */
TAS_API tas_status tas_file_check(tas_context *context, const char *path);

/* The version of the arithmetic contract: it changes whenever the bits of any result may. */
TAS_API int tas_contract(void);

/* For "did you mean '...'?": the candidate that a misspelt word is nearest to, by edit distance, as a beginning or an
 * abbreviation of it, whatever its case and its dashes; NULL if none is near. `candidates` ends with NULL. */
TAS_API const char *tas_suggest(const char *word, const char *const *candidates);

#ifdef __cplusplus
}
#endif

#endif
