/* tassello train: what it is asked for, and all that a run has. */
#ifndef TRAIN_H
#define TRAIN_H

#include "batch_schedule.h"
#include "optimizer.h"
#include "progress.h"
#include "sets.h"
#include "until.h"
#include "validation.h"

typedef struct train_settings {
    const char *net, *data, *device, *save, *save_best, *log;
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
    tas_device *device;
    cli_net net;
    tas_network *network;
    cli_sets sets;
    const tas_data *train, *test; /* of the sets */
    tas_batches batches;
    float lr; /* after scaling */
    tas_model *model;
    tas_run *run;
    tas_data *judge; /* of a growing batch: the first of what is held out, or of what is trained on; */
    tas_growth *growth;
    tas_growth_cost growth_cost; /* once the run is closed */
    tas_plan plan;
    bool chosen; /* a probe chose the batch and the rate, for this reason */
    char reason[2048];
    tas_train_result result;
    tas_profile *profile; /* NULL: not asked for */
    validation validation;
    until until;
    tas_score score;
    tas_metrics *metrics; /* of that */
    bool scored, interrupted;
    bool stopped_early, best_unsaved; /* by --patience; --save-best could not be written */
    char sha256[65];
} train_session;

/* train_settings.c: the table of options; reads the command line into settings that are {0}, and ends with status 2 on
 * what does not go together. */
extern const cli_option train_settings_options[];
void train_settings_read(train_settings *settings, int argc, char **argv);

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
