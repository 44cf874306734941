/* Ranks: devices that train one model together. Rank 0 leads: it runs the program that a single device would have, and
 * gives the others commands, by messages alone. They have a run of the same settings each, of which they know what the
 * commands say: the order of an epoch, a step. */
#ifndef RANKS_H
#define RANKS_H

#include "exchange/exchange.h"
#include "train/evaluate.h"
#include "train/ranked.h"

#include <tassello/ranks.h>

#include <pthread.h>

typedef enum ranks_command {
    RANKS_LEAVE,
    RANKS_OPEN,   /* a run: ranks_opening, and what it says */
    RANKS_TIME,   /* a step of that run, again */
    RANKS_SHARES, /* the shares of all ranks; they get the weights then */
    RANKS_ORDER,  /* the epoch, and its order */
    RANKS_STEP,   /* ranks_stepping */
    RANKS_PUT,    /* all that steps leave comes from rank 0; the step */
    RANKS_GET,    /* or goes there */
    RANKS_CLOSE,
    RANKS_EVALUATE, /* a part of a set: as RANKS_OPEN; then the parameters */
    RANKS_PREDICT,  /* how many examples, and the network's text; then the parameters, and the inputs of each rank */
    RANKS_COMMANDS
} ranks_command;

/* The first message of a command, with its data if they are short. */
enum { RANKS_SHORT = 112 };
typedef struct ranks_header {
    uint32_t command, unused;
    uint64_t bytes;
    char data[RANKS_SHORT];
} ranks_header;

/* What a rank answers when it has opened a run. */
typedef struct ranks_reply {
    tas_status status;
    double seconds;  /* for its part of a batch */
    uint64_t room;   /* bytes of host memory that its budget has left */
    char layout[65]; /* slices_describe_layout() */
    char name[TRANSPORT_NAME], error[TRANSPORT_WHY];
} ranks_reply;

typedef struct ranks_opening {
    tas_train_options options; /* no pointer in it counts, */
    uint32_t change_count;     /* but so many changes follow, */
    uint32_t indexed;          /* the indices of the examples in their root, if it is 1, */
    uint64_t count, text;      /* how many there are; the bytes of the network's text, which is the last */
    char fingerprint[72];      /* of the root */
    const tas_data *data;      /* the set itself, for threads */
    bool outputs;              /* of an evaluation: they are wanted */
} ranks_opening;

typedef struct ranks_stepping {
    run_step step;
    optimizer_step of;
} ranks_stepping;

/* A message that opens a run or an evaluation, as it was received: what follows the head lies in the message. */
typedef struct ranks_opened {
    ranks_opening head;
    const tas_batch_change *changes;
    const uint32_t *index; /* NULL: the examples are those of the set */
    const char *text;
} ranks_opened;

/* A further device of this process. */
typedef struct ranks_worker {
    pthread_t thread;
    tas_device *device;
    struct tas_ranks *ranks; /* its own */
    uint64_t budget;         /* bytes that its device may use; 0: as by default */
    bool joined;             /* its thread has ended */
} ranks_worker;

enum { RANKS_ROOTS = 4 };

struct tas_ranks {
    tas_context *context;
    transport transport;
    exchange all;           /* for commands: no sums */
    bool local;             /* the others are devices of this process */
    bool failed;            /* the ranks cannot go on */
    bool in_step;           /* this one computes, and has a limit for that */
    tas_ranks_traffic done; /* of runs that are closed */
    ranks_worker *workers;
    uint32_t worker_count;
    tas_hang_fn on_hang; /* NULL: none */
    void *hang_user;
    uint32_t hanging; /* workers, also of those that were left out of a run */
    struct {
        const tas_data *of;
        char hex[65];
    } roots[RANKS_ROOTS]; /* whose fingerprints are known */
    int root_count;
    bool heard;      /* the parts of an evaluation have come */
    uint32_t *share; /* of the last run, as halving_share() has it; NULL: there was none */
    /* On other ranks than 0: */
    tas_status result; /* of what they did: TAS_RANK_FAILED if another one has failed */
    tas_device *device;
    uint64_t budget; /* 0: as by default */
    const tas_data *const *sets;
    size_t set_count;
    tas_network *network;
    tas_model *model;
    tas_data *part; /* of a set: the examples of the run */
    tas_run *run;
};

/* On rank 0: a command, and its data. Gives TAS_RANK_FAILED if the ranks have failed. */
tas_status ranks_tell(tas_ranks *ranks, ranks_command command, const void *data, uint64_t bytes);

/* What opens a run, or with options NULL an evaluation: malloc()ed, *bytes long. And the same on the other ranks. */
tas_status ranks_encode_opening(tas_ranks *ranks, const tas_model *model, const tas_data *data,
                                const tas_train_options *options, bool outputs, char **out, uint64_t *bytes);
void ranks_decode_opening(const char *message, ranks_opened *out);

/* On rank 0: the replies of all to such a message. Not TAS_OK if one of them could not do it. */
tas_status ranks_hear(tas_ranks *ranks, double seconds, ranks_reply *replies);

/* The ranks of a context, whose driver's calls have a limit from then on; NULL: it has none anymore. */
void ranks_attach(tas_context *context, tas_ranks *ranks);

/* Whether this rank leads the others. */
static inline bool ranks_lead(const tas_ranks *ranks) { return ranks->transport.rank == 0; }

/* A run that is being opened: it is over the ranks of its context, if there are any. It has an even share until the
 * speeds are known. TAS_BAD_ARGUMENT if its settings do not allow for that. */
tas_status ranks_begin_run(tas_run *run);

/* On rank 0, when a run is open there, its kernels are built and a step was timed: opens it on the others, with the
 * shares of all. */
tas_status ranks_open_run(tas_run *run);

/* Bytes of host memory that the budget of a run on this rank has left. */
uint64_t ranks_room(const tas_run *run);

/* Commands for a run that is open; on rank 0. */
tas_status ranks_order(tas_run *run, uint64_t epoch);
tas_status ranks_step(tas_run *run, const run_step *step, const optimizer_step *of);
tas_status ranks_put(tas_run *run, const char *from, uint64_t step);
tas_status ranks_get(tas_run *run, char *to);
void ranks_close_run(tas_run *run);

/* An evaluation on rank 0: whether the others can have parts of it; gives them theirs; takes what they have made of
 * them, once; and the end. */
bool ranks_can_evaluate(const tas_ranks *ranks, const tas_model *model, const tas_data *data);
tas_status ranks_evaluate(tas_ranks *ranks, tas_model *model, const tas_data *data, bool outputs);
tas_status ranks_evaluated(tas_ranks *ranks, uint32_t outputs, const tas_data *data, evaluate_part *part);
void ranks_end_evaluation(tas_ranks *ranks);

/* To all, after such a command; they take them. */
tas_status ranks_send_parameters(tas_ranks *ranks, tas_model *model);

/* A prediction on rank 0: whether the others can have parts of it; all of it. If one of the others could not do its
 * part it is TAS_RANK_FAILED, but the ranks go on. And which examples a rank has. */
bool ranks_can_predict(const tas_ranks *ranks, uint32_t count);
tas_status ranks_predict(tas_ranks *ranks, tas_model *model, const float *inputs, uint32_t count, float *outputs);
void ranks_cut_examples(const tas_ranks *ranks, uint64_t count, uint32_t rank, uint64_t *from, uint32_t *n);

/* Sums and outputs of a part, to or from another rank. */
tas_status ranks_move_part(tas_ranks *ranks, uint32_t peer, bool receives, uint32_t outputs, const evaluate_part *part);

/* The fingerprint of a set that is no part, once. */
tas_status ranks_fingerprint(tas_ranks *ranks, const tas_data *root, const char **hex);

/* After TAS_RANK_FAILED, on rank 0: if the others are devices of this process, the run goes on without those that have
 * failed, from the last step that was done. False if it cannot. */
bool ranks_rescue(tas_run *run, tas_status *status);

/* The shards of each rank before their speeds are known. */
void ranks_even_share(const tas_ranks *ranks, uint32_t shards, uint32_t *share);

#endif
