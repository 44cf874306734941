/* Messages between ranks: bytes from one to another, in order. Kinds: transport_threads.c for ranks that are threads of
 * one process, transport_mpi.c for processes under MPI, which is a module of its own, so that the library does not
 * depend on MPI. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

/* One message. Between two ranks messages come in the order in which they were sent; a receiver knows how long they
 * are. */
typedef struct transport_op {
    uint32_t peer;
    bool receives;
    void *data; /* must stay, and not change, until it is done */
    uint64_t bytes;
    bool continues; /* the rest of the message before it, to the same peer: both are counted as one */
    void *ticket;   /* the kind's own */
    bool done;
} transport_op;

enum { TRANSPORT_WHY = 512, TRANSPORT_NAME = 128 };

typedef struct transport_kind {
    const char *name;
    int version; /* TRANSPORT_VERSION: a module may be of another build */
    /* Begins a message; looks whether it is done. False: it cannot be, and why() has the reason. */
    bool (*post)(void *self, transport_op *op);
    bool (*test)(void *self, transport_op *op);
    /* Waits a moment, after so many looks without success. */
    void (*pause)(void *self, uint32_t tries);
    /* This rank computes, and will be done within so many seconds, or else hangs; it also hangs if `idle` seconds pass,
     * unless 0, in which its process uses hardly any of the processor (patience.h). 0 seconds: it does something else,
     * which takes as long as it takes. */
    void (*limit)(void *self, double seconds, double idle);
    /* Calls a function if this rank hangs, from another thread, when nothing else ends the process: at once for threads
     * of it, and under MPI if the others have not ended it, which happens after the call. NULL: nothing is called. */
    void (*on_hang)(void *self, void (*hangs)(void *user, const char *why), void *user);
    /* Whether a rank was found to hang. NULL: the kind does not know. */
    bool (*hangs)(void *self, uint32_t rank);
    /* False if the ranks cannot go on, as one of them has failed, ended or does not answer. */
    bool (*good)(void *self);
    /* The reason, which names the rank. */
    const char *(*why)(void *self);
    /* Lets all ranks know that this one fails. Only the first reason counts. */
    void (*fail)(void *self, const char *why);
    /* Adds the device to the name of this rank, for what it says of itself from then on. */
    void (*name_device)(void *self, const char *device);
    /* The host and the process of this rank, and its device. */
    void (*describe)(void *self, char name[TRANSPORT_NAME]);
    /* Ends. All ranks do so together if all is good; else what is left of them is ended after a moment. */
    void (*close)(void *self);
} transport_kind;

typedef struct transport {
    const transport_kind *kind;
    void *self;
    uint32_t rank, count;
    uint64_t messages, bytes; /* sent */
} transport;

enum { TRANSPORT_VERSION = 4 };
enum { TRANSPORT_SILENCE = 5 /* seconds without a sign of life after which a process is taken for dead */ };

/* Runs messages, of which those that are received are begun first, and waits for all. False if one cannot be. */
bool transport_run(transport *t, transport_op *ops, uint32_t count);

/* So many threads as ranks of one process: *out has room for as many, each closed by its thread. False: no memory. */
bool transport_open_threads(uint32_t count, transport *out);

/* Modules: what one has under the name transport_mpi_module. It is opened once per process; *rank and *count are set.
 * NULL: why says why not. */
typedef struct transport_module {
    int version;
    bool (*open)(transport *out, char why[TRANSPORT_WHY]);
} transport_module;

/* Whether this process was started as one of several by a launcher of MPI (mpirun, srun). */
bool transport_is_launched(void);

/* Opens the module of the MPI that started this process; it lies beside the library. */
bool transport_open_mpi(transport *out, char why[TRANSPORT_WHY]);

#endif
