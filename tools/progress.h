/* What is shown of a run while it runs: a line on stderr, and the log of JSON lines. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "cli.h"

typedef struct progress {
    cli_state *cli;
    bool terminal;         /* stderr is one: a line is written over; else lines are printed now and then */
    uint64_t epochs;       /* 0: the run's length is in steps */
    double shown, flushed; /* seconds of the run at which the line was last shown, and the log flushed */
    tas_step last;         /* the latest step; steps come in bursts, and only a burst's last one shows the speed */
    uint32_t first, batch; /* the first step's batch, and the latest that an epoch's end did not cut short */
    double validated;      /* seconds at which a validation was last shown */
    double epoch_loss;     /* sum over the examples of the epoch so far, and their count */
    uint64_t epoch_examples;
    uint64_t measured; /* steps with figures of the noise scale, and the sums of these */
    double traces, squares;
    FILE *log; /* NULL: none, or closed after an error */
    const char *log_name;
    bool log_failed;
} progress;

/* Opens the log, if log_name is not NULL; appends: it goes on behind what is there. False after reporting why it cannot
 * be written. */
bool progress_open(progress *p, cli_state *cli, const char *log_name, bool appends);

/* How far it is, for a checkpoint, and back; false if it is damaged. */
json_t *progress_encode(const progress *p);
bool progress_decode(progress *p, const json_t *in);

/* Writes {"key":value} as a line of the log; without a log, only releases value. */
void progress_log(progress *p, const char *key, json_t *value);

/* Writes what is left of the log. */
void progress_flush(progress *p);

/* Shows and logs one step. */
void progress_step(progress *p, const tas_step *step);

/* Shows work other than one training: what is done, since when, and the seconds left (NaN: not known). */
void progress_work(progress *p, const char *doing, double seconds, double left);

/* "1:02:03" or "2:03" into text. */
enum { TIME_TEXT = 32 };
const char *progress_time(double seconds, char text[TIME_TEXT]);

/* Shows the evaluation of the held-out examples after the latest step; if epochs are short, not each time. */
void progress_validation(progress *p, const tas_score *score);

/* Ends the line on the terminal, so that it stays. */
void progress_end_line(progress *p);

/* Closes the log. False if any of it could not be written, which has been reported by then. */
bool progress_close(progress *p);

#endif
