/* tassello verify: what it is asked for, and what it has found. All that is found is kept as the JSON that
 * doc/verify.md describes, from the row of a library's call to the page of a report. */
#ifndef VERIFY_H
#define VERIFY_H

#include "progress.h"

enum { VERIFY_SCHEMA = 1, VERIFY_NAMES = 256, VERIFY_PASSED_ON = OPTIONS_MOST };

typedef struct verify_settings {
    const char *device, *json, *op, *time, *report, *compare, *other;
    bool all, lines, gradients;
    uint32_t limit; /* seconds */
    tas_verify_options verify;
    char *only[VERIFY_NAMES + 1]; /* of --op; ended by NULL */
    size_t only_count;
    char *passed_on[VERIFY_PASSED_ON]; /* options that another process gets as well */
    size_t passed_count;
} verify_settings;

typedef struct verify_session {
    cli_state cli;
    verify_settings s;
    progress progress;
    FILE *text;       /* rows for people: stdout, stderr if stdout has JSON, or NULL */
    json_t *devices;  /* as in the JSON */
    json_t *device;   /* the one that is verified now */
    const char *unit; /* what is verified now: a name that --op takes; NULL: nothing yet */
    bool interrupted;
    json_t *coverage; /* of kernels, in a build that has it; else NULL */
} verify_session;

/* In the order of their words. */
typedef enum verify_status {
    VERIFY_EXACT = 0,
    VERIFY_TOLERANCE,
    VERIFY_WRONG,
    VERIFY_UNSUPPORTED,
    VERIFY_CRASHED,
    VERIFY_TIMED_OUT,
    VERIFY_STATUSES
} verify_status;

/* verify_json.c ---------------------------------------------------------------------------------------------------- */

/* "exact", "tolerance", ...; NULL past the last. */
const char *verify_word(int status);

/* The status of a row or a device. */
verify_status verify_status_of(const json_t *row);

/* Whether a row or a device of that status counts as passed or as failed; unsupported is neither. */
bool verify_has_passed(verify_status status);
bool verify_has_failed(verify_status status);

/* The name of an operation, or another that --op takes, as the library has it; NULL if there is none. */
const char *verify_find_name(const char *name);

/* A text or a number of an object of the JSON; "" or 0 if it is not there. */
const char *verify_text(const json_t *object, const char *key);
double verify_number(const json_t *object, const char *key);

/* A row of the device v->device: as the library reports it; or what was lost when its process ended. */
json_t *verify_describe_row(const verify_session *v, const tas_verify_row *row);
json_t *verify_describe_loss(const verify_session *v, verify_status status, const char *why, int signal);

/* A device without rows, made of what 'devices --json' has of it. Then what is known at its end: its status and counts,
 * from its rows. A status that was set before stays: that of a device that could not be opened. */
json_t *verify_begin_device(json_t *described);
void verify_end_device(json_t *device);

/* Everything: the devices, and what they were verified by and on. */
json_t *verify_describe(const verify_session *v);

/* verify_print.c: the same for people ------------------------------------------------------------------------------ */

void verify_print_head(const verify_session *v);
void verify_print_row(verify_session *v, const json_t *row);
void verify_print_end(verify_session *v);         /* of a device: rows with a tolerance, and its digests */
void verify_print_total(const verify_session *v); /* the last lines */

/* How far it is, in a line that is shown only if the verification takes longer. */
void verify_show_progress(verify_session *v, const tas_verify_progress *now);

/* verify_device.c: a device in this process; false, after reporting it, if it could not be verified ---------------- */

void verify_device(verify_session *v, const char *id, const tas_device_info *known);

/* The JSON lines of --lines. */
void verify_print_line(const char *key, json_t *value);

/* verify_isolated.c: devices in processes of their own ------------------------------------------------------------- */

/* False if it was interrupted, or after reporting what failed. */
bool verify_isolated(verify_session *v);

/* verify_report.c and what it writes: the folder of --report ------------------------------------------------------- */

/* Before the work: whether it can be written; it is made. Both report what fails. */
bool verify_report_check(verify_session *v);
bool verify_report_write(verify_session *v);

void verify_page_write(const json_t *found, FILE *page); /* verify_page.c */
void verify_note_write(const json_t *found, FILE *note); /* verify_note.c: for a bug report */

/* verify_compare.c and verify_schema.c ----------------------------------------------------------------------------- */

/* Prints what differs between two files; gives the exit status. */
int verify_compare(cli_state *cli, const char *a, const char *b);

/* Checks JSON that was read; false, with the place and what was expected there, if it is not that of the schema. */
bool verify_schema_check(const json_t *found, char *why, size_t bytes);

#endif
