/* Ranks that are processes under MPI: a module, see transport.h. MPI moves bytes from one rank to another, and adds
 * nothing.
 *
 * A thread of each process gives a sign of life to the next rank twice a second and watches the one before: one that
 * is silent for TRANSPORT_SILENCE seconds has died, and one whose computation takes longer than its limit reports
 * itself. Whoever finds that out lets all others know. MPI is called by one thread at a time. */
#include "exchange/patience.h"
#include "exchange/transport.h"

#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TAG_DATA = 1, TAG_BEAT, TAG_FAIL };
enum { PIECE = 1 << 30 }; /* bytes: MPI counts them with an int */

typedef struct requests {
    int count;
    MPI_Request list[];
} requests;

typedef struct processes {
    pthread_mutex_t mutex;
    pthread_t watch;
    MPI_Comm comm;
    int rank, count;
    char host[64], (*names)[TRANSPORT_NAME];
    patience left;   /* of what this rank computes */
    double hangs_at; /* when that was over; 0: it is not */
    double seen;     /* when the rank before gave its last sign of life */
    bool failed, ends;
    void (*on_hang)(void *user, const char *why);
    void *hang_user;
    char why[TRANSPORT_WHY];
    char heard[TRANSPORT_WHY]; /* from another rank */
    char beat_in, beat_out;
    MPI_Request beat_received, beat_sent, fail_received;
} processes;

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void sleep_for(long nanoseconds)
{
    const struct timespec t = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    nanosleep(&t, NULL);
}

/* Failures -------------------------------------------------------------------------------------------------------- */

/* Under the mutex. What is sent here is never waited for. */
static void spread_failure(processes *p, const char *why)
{
    if (p->failed) return;
    p->failed = true;
    snprintf(p->why, sizeof p->why, "%s", why);
    for (int r = 0; r < p->count; r++) {
        MPI_Request request;
        if (r != p->rank && !MPI_Isend(p->why, sizeof p->why, MPI_BYTE, r, TAG_FAIL, p->comm, &request))
            MPI_Request_free(&request);
    }
}

static void mpi_fail(void *self, const char *why)
{
    processes *p = self;
    char text[TRANSPORT_WHY];
    snprintf(text, sizeof text, "rank %d (%s): %.300s", p->rank, p->names[p->rank], why);
    pthread_mutex_lock(&p->mutex);
    spread_failure(p, text);
    pthread_mutex_unlock(&p->mutex);
}

static bool mpi_good(void *self)
{
    processes *p = self;
    pthread_mutex_lock(&p->mutex);
    const bool good = !p->failed;
    pthread_mutex_unlock(&p->mutex);
    return good;
}

static const char *mpi_why(void *self) { return ((processes *)self)->why; }

static void mpi_limit(void *self, double seconds, double idle)
{
    processes *p = self;
    pthread_mutex_lock(&p->mutex);
    p->left = patience_begin(seconds, idle, seconds_now());
    if (!p->left.deadline) p->hangs_at = 0; /* it was only late */
    pthread_mutex_unlock(&p->mutex);
}

static void mpi_on_hang(void *self, void (*hangs)(void *user, const char *why), void *user)
{
    processes *p = self;
    pthread_mutex_lock(&p->mutex);
    p->on_hang = hangs;
    p->hang_user = user;
    pthread_mutex_unlock(&p->mutex);
}

static void mpi_name_device(void *self, const char *device)
{
    processes *p = self;
    char *name = p->names[p->rank];
    pthread_mutex_lock(&p->mutex);
    snprintf(name, TRANSPORT_NAME, "%.48s, process %ld, %.48s", p->host, (long)getpid(), device);
    pthread_mutex_unlock(&p->mutex);
}

static void mpi_describe(void *self, char name[TRANSPORT_NAME])
{
    processes *p = self;
    memcpy(name, p->names[p->rank], TRANSPORT_NAME);
}

/* The watch ------------------------------------------------------------------------------------------------------- */

static void listen_to_beats(processes *p)
{
    MPI_Irecv(&p->beat_in, 1, MPI_BYTE, (p->rank + p->count - 1) % p->count, TAG_BEAT, p->comm, &p->beat_received);
}

/* Under the mutex. */
static void hear(processes *p, double now)
{
    int done = 0;
    while (!MPI_Test(&p->beat_received, &done, MPI_STATUS_IGNORE) && done) {
        p->seen = now;
        listen_to_beats(p);
    }
    if (p->failed || MPI_Test(&p->fail_received, &done, MPI_STATUS_IGNORE) || !done) return;
    snprintf(p->why, sizeof p->why, "%.*s", TRANSPORT_WHY - 1, p->heard);
    p->failed = true;
}

/* Under the mutex. The last beat may still be on its way, if its receiver does nothing. */
static void beat(processes *p)
{
    int done = 0;
    if (MPI_Test(&p->beat_sent, &done, MPI_STATUS_IGNORE) || !done) return;
    MPI_Isend(&p->beat_out, 1, MPI_BYTE, (p->rank + 1) % p->count, TAG_BEAT, p->comm, &p->beat_sent);
}

/* Under the mutex. */
static void judge(processes *p, double now)
{
    char why[TRANSPORT_WHY];
    const int before = (p->rank + p->count - 1) % p->count;
    if (now - p->seen > TRANSPORT_SILENCE) {
        snprintf(why, sizeof why, "rank %d (%s) has not answered for %d s: it has died, hangs or cannot be reached",
                 before, p->names[before], TRANSPORT_SILENCE);
        spread_failure(p, why);
    } else if (!p->hangs_at && patience_ends(&p->left, now)) {
        snprintf(why, sizeof why, "rank %d (%s) %s", p->rank, p->names[p->rank], patience_verdict(&p->left));
        spread_failure(p, why);
        p->hangs_at = now;
    }
}

/* Under the mutex. The others end the job, unless they hang as well. */
static void end_job(processes *p, double now)
{
    static const double moment = 3;
    if (!p->hangs_at || now - p->hangs_at < moment) return;
    if (p->on_hang) p->on_hang(p->hang_user, p->why);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void *watch_ranks(void *self)
{
    processes *p = self;
    double last = seconds_now(), last_beat = 0;
    bool ends = false;
    while (!ends) {
        const double now = seconds_now();
        pthread_mutex_lock(&p->mutex);
        if (now - last > 1) { /* all of this process was stopped */
            p->seen += now - last;
            patience_shift(&p->left, now - last);
        }
        hear(p, now);
        if (now - last_beat > 0.5) {
            beat(p);
            last_beat = now;
        }
        judge(p, now);
        end_job(p, now);
        ends = p->ends;
        pthread_mutex_unlock(&p->mutex);
        last = now;
        sleep_for(20000000);
    }
    return NULL;
}

/* Messages -------------------------------------------------------------------------------------------------------- */

static bool mpi_post(void *self, transport_op *op)
{
    processes *p = self;
    const int count = (int)(op->bytes ? (op->bytes - 1) / PIECE + 1 : 1);
    requests *r = malloc(sizeof *r + (size_t)count * sizeof *r->list);
    int failed = !r;
    if (!r) {
        mpi_fail(self, "no memory for a message");
        return false;
    }
    r->count = count;
    pthread_mutex_lock(&p->mutex);
    for (int k = 0; k < count && !failed; k++) {
        char *at = (char *)op->data + (uint64_t)k * PIECE;
        const int bytes = (int)(k + 1 < count ? PIECE : op->bytes - (uint64_t)k * PIECE);
        failed = op->receives ? MPI_Irecv(at, bytes, MPI_BYTE, (int)op->peer, TAG_DATA, p->comm, &r->list[k])
                              : MPI_Isend(at, bytes, MPI_BYTE, (int)op->peer, TAG_DATA, p->comm, &r->list[k]);
    }
    pthread_mutex_unlock(&p->mutex);
    op->ticket = r;
    if (failed) mpi_fail(self, "MPI does not take a message");
    return !failed;
}

static bool mpi_test(void *self, transport_op *op)
{
    processes *p = self;
    requests *r = op->ticket;
    int done = 1, failed = 0;
    pthread_mutex_lock(&p->mutex);
    for (int k = 0; k < r->count && done && !failed; k++) failed = MPI_Test(&r->list[k], &done, MPI_STATUS_IGNORE);
    pthread_mutex_unlock(&p->mutex);
    if (failed) mpi_fail(self, "MPI has lost a message");
    if (!failed && !done) return true;
    free(r);
    op->ticket = NULL;
    op->done = done != 0;
    return !failed;
}

/* Others may need the processor. At first this thread only yields it: one that sleeps wakes up late by the timer's
 * slack, which is longer than most messages take. */
static void mpi_pause(void *self, uint32_t tries)
{
    (void)self;
    if (tries < 500)
        sched_yield();
    else
        sleep_for(tries < 1000 ? 20000 : 200000);
}

/* Begin and end --------------------------------------------------------------------------------------------------- */

/* All leave together. */
static void leave(processes *p)
{
    MPI_Request request;
    int done = 0;
    pthread_mutex_lock(&p->mutex);
    MPI_Ibarrier(p->comm, &request);
    pthread_mutex_unlock(&p->mutex);
    while (!done && mpi_good(p)) {
        pthread_mutex_lock(&p->mutex);
        if (MPI_Test(&request, &done, MPI_STATUS_IGNORE)) done = 1;
        pthread_mutex_unlock(&p->mutex);
        if (!done) sleep_for(200000);
    }
}

static void end_watch(processes *p)
{
    pthread_mutex_lock(&p->mutex);
    p->ends = true;
    pthread_mutex_unlock(&p->mutex);
    pthread_join(p->watch, NULL);
}

static void drop(MPI_Request *request)
{
    MPI_Cancel(request);
    MPI_Request_free(request);
}

/* After a failure rank 0 has a moment to report it; processes that hang are ended with the rest. */
static void mpi_close(void *self)
{
    processes *p = self;
    int done = 0;
    leave(p);
    if (!mpi_good(p)) {
        fflush(NULL);
        sleep_for(p->rank ? 1000000000l : 500000000l);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    end_watch(p);
    for (int tries = 0; !done && tries < 500; tries++) { /* the last beat is taken by a receive of the next rank */
        MPI_Test(&p->beat_sent, &done, MPI_STATUS_IGNORE);
        if (!done) sleep_for(1000000);
    }
    drop(&p->beat_received);
    drop(&p->fail_received);
    MPI_Comm_free(&p->comm);
    MPI_Finalize();
    pthread_mutex_destroy(&p->mutex);
    free(p->names);
    free(p);
}

static const transport_kind mpi_kind = {
    .name = "MPI",
    .version = TRANSPORT_VERSION,
    .post = mpi_post,
    .test = mpi_test,
    .pause = mpi_pause,
    .limit = mpi_limit,
    .on_hang = mpi_on_hang,
    .good = mpi_good,
    .why = mpi_why,
    .fail = mpi_fail,
    .name_device = mpi_name_device,
    .describe = mpi_describe,
    .close = mpi_close,
};

static bool begin(processes *p)
{
    char own[TRANSPORT_NAME] = "";
    gethostname(p->host, sizeof p->host - 1);
    snprintf(own, sizeof own, "%s, process %ld", p->host, (long)getpid());
    if (MPI_Comm_dup(MPI_COMM_WORLD, &p->comm)) return false;
    MPI_Comm_set_errhandler(p->comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(p->comm, &p->rank);
    MPI_Comm_size(p->comm, &p->count);
    p->names = calloc((size_t)p->count, sizeof *p->names);
    if (!p->names) return false;
    if (MPI_Allgather(own, TRANSPORT_NAME, MPI_BYTE, p->names, TRANSPORT_NAME, MPI_BYTE, p->comm)) return false;
    listen_to_beats(p);
    MPI_Irecv(p->heard, sizeof p->heard, MPI_BYTE, MPI_ANY_SOURCE, TAG_FAIL, p->comm, &p->fail_received);
    p->beat_sent = MPI_REQUEST_NULL;
    p->seen = seconds_now();
    pthread_mutex_init(&p->mutex, NULL);
    return !pthread_create(&p->watch, NULL, watch_ranks, p);
}

static bool open_processes(transport *out, char why[TRANSPORT_WHY])
{
    int provided = 0, initialized = 0;
    processes *p = calloc(1, sizeof *p);
    MPI_Initialized(&initialized);
    snprintf(why, TRANSPORT_WHY, "%s",
             initialized ? "MPI was opened before in this process" : "MPI cannot be opened in this process");
    if (p && !initialized && !MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided)) {
        if (provided < MPI_THREAD_SERIALIZED)
            snprintf(why, TRANSPORT_WHY, "this MPI was built without support for threads");
        else if (begin(p)) {
            *out = (transport){.kind = &mpi_kind, .self = p, .rank = (uint32_t)p->rank, .count = (uint32_t)p->count};
            return true;
        }
        MPI_Finalize();
    }
    free(p);
    return false;
}

__attribute__((visibility("default"))) extern const transport_module transport_mpi_module;
const transport_module transport_mpi_module = {TRANSPORT_VERSION, open_processes};
