/* The context, errors, the log, the floating-point state at entry points, checked sizes, a clock. */
#ifndef CONTEXT_H
#define CONTEXT_H

#include <fenv.h>
#include <locale.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <tassello/context.h>

enum { NOTES_KEPT = 8, MESSAGE_BYTES = 8192 }; /* a path has at most 4096, followed by what is wrong with it */

struct tas_context {
    char error[MESSAGE_BYTES];
    tas_log_fn log;
    void *log_user;
    tas_build_fn build; /* NULL: builds are reported by notes */
    void *build_user;
    locale_t c_locale;          /* for reading and printing numbers, whatever the program uses */
    struct entry_state *caller; /* the program's own state during a call, else NULL */
    uint64_t noted[NOTES_KEPT]; /* the last lines of note_once(), hashed */
    int notes;                  /* how many there were */
    bool hangs;                 /* a thread hangs in the driver of its device: both are never closed */
    struct tas_ranks *ranks;    /* over which runs of its models are; NULL: over none */
    /* Hears how many seconds a driver may take for a call that was just begun, and 0 at its end; NULL: nobody does. */
    void (*wait)(struct tas_ranks *ranks, double seconds);
    double waits; /* the seconds that it heard last */
};

/* Sets the context's error text, escaped as text_escape() does, since names and texts of files are in it; returns
 * status, so that `return fail(context, TAS_BAD_FILE, ...)` reads well. */
tas_status fail(tas_context *context, tas_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds ":" and another program's output to the error text, line breaks and all: a compiler's messages. */
void error_add_lines(tas_context *context, const char *lines);

/* Writes one line to the log, escaped in the same way. */
void note(tas_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, unless it was one of the last such lines: for what each run of many would repeat. */
void note_once(tas_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reports a build to the caller's function, which is not NULL. */
void context_call_build(tas_context *context, const tas_build_progress *progress);

/* Each entry point saves the caller's floating-point environment and locale, sets the library's and restores them at
 * its end: a host program may use flush-to-zero, another rounding mode, or a locale with a decimal comma. */
typedef struct entry_state {
    tas_context *context;
    fenv_t fenv;
    locale_t locale;
} entry_state;
void entry_begin(tas_context *context, entry_state *saved);
void entry_end(const entry_state *saved);

/* Around a callback: it runs in the caller's own state, and what it changes of that stays changed for the caller. */
void callback_begin(tas_context *context, entry_state *ours);
void callback_end(const entry_state *ours);

/* Around a call of a driver that hangs if it blocks for longer than so many seconds, so that other ranks notice. What
 * wait_begin() gives goes to wait_end(): waits may lie within others. */
static inline double wait_begin(tas_context *context, double seconds)
{
    const double before = context->waits;
    if (!context->wait) return 0;
    context->waits = seconds;
    context->wait(context->ranks, seconds);
    return before;
}

static inline void wait_end(tas_context *context, double before)
{
    if (!context->wait) return;
    context->waits = before;
    context->wait(context->ranks, before);
}

/* *out = a * b and a + b; false if they overflow. */
static inline bool mul_size(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool add_size(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }

/* Seconds of a monotonic clock. */
double now_seconds(void);

#endif
