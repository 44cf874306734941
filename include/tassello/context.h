/* A context owns the log, the caches and the text of the last error. There are no globals: two contexts share nothing.
 * Only one thread at a time may use a context and what was opened with it.
 *
 * Every call that can fail returns a tas_status; on failure an output such as *out is NULL and tas_error() has the
 * text.
 *
 * fork(): drivers do not survive it. In a child of a process that has listed or opened OpenCL devices, every call that
 * would reach one fails with TAS_DEVICE_FAILED, and closing releases only host memory. The reference device works
 * there.
 *
 * Signals: the library changes no signal's disposition. Writing a file beyond the process's size limit (ulimit -f)
 * raises SIGXFSZ, which ends the process unless it is ignored; if it is, the call fails with TAS_BAD_FILE. */
#ifndef TASSELLO_CONTEXT_H
#define TASSELLO_CONTEXT_H

#include <tassello/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_context tas_context;

/* Opens a context, which is closed with tas_context_close(). TAS_NO_MEMORY is the only error. */
TAS_API tas_status tas_context_open(tas_context **out);

/* Closes *context and sets it to NULL; does nothing if context or *context is NULL. Everything opened with it must have
 * been closed before. */
TAS_API void tas_context_close(tas_context **context);

/* The text of the last failed call's error, "" if none has failed. Valid until the next call on this context. */
TAS_API const char *tas_error(const tas_context *context);

/* Receives notes (a slow kernel build, a device that was skipped): one line each, without a newline, valid during the
 * call. It must not call the library with the same context. */
typedef void (*tas_log_fn)(void *user, const char *line);

/* Sets the function that receives notes; NULL, the default, drops them. */
TAS_API void tas_set_log(tas_context *context, tas_log_fn log, void *user);

/* A kernel that is about to be built and tested, for the first use of what needs it. */
typedef struct tas_build_progress {
    /* The device's id. */
    const char *device;
    /* The kernel; an operation if all are tested (tas_device_test()). NULL: the work is done. */
    const char *kernel;
    /* This is kernel `number` (from 1 on) of `count`. */
    uint32_t number, count;
    /* Since this work began. */
    double seconds;
} tas_build_progress;

/* Receives the progress of builds, of each kernel. Nothing is reported if all have been tested and come from a cache.
 * It must not call the library with the same context. */
typedef void (*tas_build_fn)(void *user, const tas_build_progress *progress);

/* Sets the function that receives the progress of builds; NULL, the default: builds that take long are reported by
 * notes. */
TAS_API void tas_set_build_progress(tas_context *context, tas_build_fn build, void *user);

/* The library's version, such as "0.1.0". */
TAS_API const char *tas_version(void);

/* The commit and the compiler that the library was built from and with. */
TAS_API const char *tas_build(void);

/* Makes text of unknown origin safe to print: from a checkpoint, a network, a driver, a path. Control characters
 * (terminal escapes, line breaks) and bytes that are not UTF-8 are written as \x1b, characters that hide or reorder
 * text as \u202e. Escaping twice changes nothing. Writes at most `bytes` bytes, including the final 0, and stops before
 * the first character that does not fit; 4 strlen(text) + 1 bytes always suffice. Returns out.
 *
 * The texts of tas_error() and of notes are escaped already. */
TAS_API char *tas_escape(const char *text, char *out, size_t bytes);

/* Checks before long work that a file could be written at path; TAS_BAD_FILE gives the reason if not.
 *
 * The library writes files under a temporary name in the same folder, then renames them: an earlier file survives a
 * failure, and its mode is kept. If the rename is refused after all, the error names the file that was written. */
TAS_API tas_status tas_file_check(tas_context *context, const char *path);

/* Writes a file like that: `bytes` bytes of data. TAS_BAD_FILE gives the reason if it cannot. */
TAS_API tas_status tas_file_write(tas_context *context, const char *path, const void *data, size_t bytes);

/* The version of the arithmetic contract: it changes whenever the bits of any result can. */
TAS_API int tas_contract(void);

/* For "did you mean '...'?": the candidate that a misspelt word is nearest to, by edit distance, as a beginning or an
 * abbreviation of it, whatever its case and its dashes; NULL if none is near. `candidates` ends with NULL. */
TAS_API const char *tas_suggest(const char *word, const char *const *candidates);

#ifdef __cplusplus
}
#endif

#endif
