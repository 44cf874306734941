/* tassello train: what it is asked for, and all that a run has. */
#ifndef TRAIN_H
#define TRAIN_H

#include "batch_schedule.h"
#include "optimizer.h"
#include "progress.h"
#include "ranks.h"
#include "sets.h"
#include "until.h"
#include "validation.h"

typedef struct train_settings {
    const char *net, *data, *loss, *device, *save, *save_every, *save_best, *resume, *init, *log, *audit, *trace,
        *trace_only;
    uint64_t trace_end;   /* of --trace-only: the last step; 0: not given */
    uint64_t save_steps;  /* --save-every, */
    double save_seconds;  /* as one of them */
    json_t *options;      /* those that checkpoints remember, by name: their texts, null for flags */
    tas_saved_run *saved; /* --resume: its run, */
    json_t *state;        /* and what the command that wrote it has stored there; NULL: nothing */
    int arith;
    bool json, noise, keep_on_host, drop_last, profile;
    int schedule, lr_scaling;
    uint32_t batch_least; /* of --batch grow; 0: not given */
    bool grows;
    uint64_t batch; /* 0: auto; UINT64_MAX: not given */
    batch_schedule batch_schedule;
    optimizer_words optimizer;
    uint64_t examples;
    uint32_t patience; /* validations without improvement; 0: as many as there are */
    int watch;         /* a validation_figure */
    cli_size budget, validation;
    data_settings reading;
    double until_loss, until_accuracy; /* NaN: not given */
    tas_train_options train;
} train_settings;

typedef struct train_session {
    cli_state cli;
    train_settings settings;
    progress progress;
    command_ranks ranks;
    bool served; /* this process was another rank than 0, and is done */
    tas_device *device;
    cli_net net;
    tas_network *network;
    cli_sets sets;
    const tas_data *train, *test; /* of the sets */
    tas_batches batches;
    float lr; /* after scaling */
    tas_model *model;
    json_t *init; /* --init: what was taken; else NULL */
    tas_run *run;
    tas_data *judge; /* of a growing batch: the first of what is held out, or of what is trained on; */
    tas_growth *growth;
    tas_growth_cost growth_cost; /* once the run is closed */
    tas_plan plan;
    bool chosen; /* a probe chose the batch and the rate, for this reason */
    char reason[2048];
    tas_train_result result;
    double began;          /* by cli_clock(): the command, */
    double start_seconds;  /* and how long it took until a first step could run: data read, kernels built and tested */
    uint64_t resumed_step; /* the run went on from there */
    uint64_t evaluated;    /* the last step after which evaluations were made */
    uint64_t saved_step;   /* of the last --save; */
    double saved_at;       /* when that was, or when training began */
    bool saved_any, unsaved; /* it was written with a state; it could not be written at the end */
    tas_profile *profile;    /* NULL: not asked for */
    validation validation;
    until until;
    tas_score score;
    tas_metrics *metrics; /* of that */
    FILE *trace;          /* of --trace */
    bool trace_failed;    /* it could not be written; */
    bool trace_over;      /* it has what --trace-only asks for */
    bool scored, interrupted;
    bool stopped_early, best_unsaved; /* by --patience; --save-best could not be written */
    char sha256[65];
} train_session;

/* train_settings.c: the table of options; reads the command line and what --resume adds to it into settings, and ends
 * with status 2 on what does not go together. 0, or the exit status after reporting what is wrong with a file. */
extern const cli_option train_settings_options[];
int train_settings_read(train_settings *settings, cli_state *cli, int argc, char **argv);
void train_settings_free(train_settings *settings);

/* train_save.c: what --save, --save-every and --save-best write. _describe sets what checkpoints tell of the weights;
 * _asked is for SIGUSR1. _left: steps until --save-every is due; _is_late: it is due by the clock; _regularly writes if
 * it is due. _end comes before the run is closed, _after_failure after that. */
tas_status train_save_describe(train_session *session, uint64_t step, const char *what);
void train_save_best(train_session *session);
void train_save_asked(train_session *session);
uint64_t train_save_left(const train_session *session);
bool train_save_is_late(const train_session *session);
void train_save_regularly(train_session *session);
tas_status train_save_end(train_session *session);
void train_save_after_failure(train_session *session, tas_status why);

/* train_init.c: sets the weights that --init names, and lists what was taken. 0, or the exit status after reporting
 * what is wrong. */
int train_init(train_session *session);

/* train_audit.c: reads --audit. _repeat prints, after a difference, the command that audits that step again. */
void train_audit_read(train_settings *settings);
void train_audit_repeat(train_session *session);
void train_audit_print(const train_session *session);
json_t *train_audit_describe(const train_session *session);

/* train_command.c: the arguments and options of a command that repeats the run, without the files that it wrote; as a
 * shell reads it. tile: 0: as the budget allows. */
json_t *train_command_words(const train_session *session, uint32_t tile);
void train_command_print(const train_session *session, FILE *stream);

/* train_trace.c: reads --trace and what belongs to it; the file: _open writes its first line, _step is called by the
 * library. _close gives false if it could not be written. */
void train_trace_read(train_settings *settings);
bool train_trace_open(train_session *session);
int train_trace_step(void *user, const tas_trace *trace);
bool train_trace_close(train_session *session);

/* train_resume.c: _note puts an option into those that checkpoints remember, _set replaces one of these. _open reads
 * the file and sets the options that were given to its run and are not `given` now; _begin has the session go on from
 * there, once the run is open. Both: 0, or the exit status after reporting what is wrong. */
void train_resume_note(void *options, const cli_option *option, const char *text);
void train_resume_set(json_t *options, const char *name, const char *text);
int train_resume_open(cli_state *cli, const char *file, train_settings *settings, json_t *given);
int train_resume_begin(train_session *session);

/* train_print.c: what a run prints before it, after it, and "batch 64 lr 0.02  momentum 0.9 ..." for the checkpoint:
 * numbers with which the run can be repeated. */
void train_print_head(const train_session *session);
void train_print_result(const train_session *session);

/* Whether the preconditioned noise scale is measured. */
bool train_preconditions(const train_session *session);
void train_print_settings(const train_session *session, FILE *stream);

/* train_json.c: the log's first line, and the result. */
json_t *train_json_run(const train_session *session);
json_t *train_json_result(const train_session *session);

/* The most memory in use at a time, by training, the evaluation or a validation; *host: the same of the host alone. */
uint64_t train_json_peak(const train_session *session, uint64_t *host);

#endif
