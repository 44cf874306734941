/* Ranks that are threads of one process. A message is copied when it is sent, and once more when it is received.
 *
 * A rank that fails, or cannot go on as it waits for one that has, stops. The others stop only when they wait for what
 * a stopped rank has not sent: all get as far as they can, and so equally far. A thread beside them watches whether
 * one of them hangs. */
#include "base/context.h"
#include "exchange/patience.h"
#include "exchange/transport.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct message {
    struct message *next;
    uint64_t bytes;
    char data[];
} message;

typedef struct queue {
    message *first, *last;
    uintptr_t awaited, taken; /* how many messages the receiver has requested, in order, and how many it has */
} queue;

/* What all of them share. */
typedef struct hub {
    pthread_mutex_t mutex;
    pthread_cond_t changed, over; /* over: all ranks have ended */
    uint32_t count, open;
    queue *queues;  /* from rank a to rank b: [a * count + b] */
    patience *left; /* of each rank */
    bool *stopped, *hangs;
    pthread_t watch;
    bool ends;                                    /* the watch */
    uint64_t changes;                             /* so far */
    void (*on_hang)(void *user, const char *why); /* if rank 0 hangs */
    void *hang_user;
    char (*names)[TRANSPORT_NAME];
    char why[TRANSPORT_WHY];
} hub;

typedef struct place {
    hub *hub;
    uint32_t rank;
    bool looked; /* for a message, since it last paused; the first time after so many changes: */
    uint64_t seen;
} place;

/* Under the mutex. */
static void change(hub *h)
{
    h->changes++;
    pthread_cond_broadcast(&h->changed);
}

/* The first reason counts. */
static void stop(hub *h, uint32_t rank, const char *why)
{
    if (!*h->why) snprintf(h->why, sizeof h->why, "%s: %.380s", h->names[rank], why);
    h->stopped[rank] = true;
    h->left[rank] = (patience){0};
    change(h);
}

static void post_message(hub *h, queue *q, message *m)
{
    pthread_mutex_lock(&h->mutex);
    *(q->last ? &q->last->next : &q->first) = m;
    q->last = m;
    change(h);
    pthread_mutex_unlock(&h->mutex);
}

static void threads_fail(void *self, const char *why)
{
    place *p = self;
    pthread_mutex_lock(&p->hub->mutex);
    stop(p->hub, p->rank, why);
    pthread_mutex_unlock(&p->hub->mutex);
}

static bool threads_post(void *self, transport_op *op)
{
    place *p = self;
    if (op->receives) {
        queue *from = &p->hub->queues[op->peer * p->hub->count + p->rank];
        op->ticket = (void *)(uintptr_t)from->awaited++;
        return true;
    }
    message *m = malloc(sizeof *m + (size_t)op->bytes);
    if (!m) {
        threads_fail(self, "no memory for a message between devices");
        return false;
    }
    m->next = NULL;
    m->bytes = op->bytes;
    memcpy(m->data, op->data, (size_t)op->bytes);
    post_message(p->hub, &p->hub->queues[p->rank * p->hub->count + op->peer], m);
    op->done = true;
    return true;
}

static bool threads_test(void *self, transport_op *op)
{
    place *p = self;
    hub *h = p->hub;
    queue *q = &h->queues[op->peer * h->count + p->rank];
    pthread_mutex_lock(&h->mutex);
    if (!p->looked) p->seen = h->changes;
    p->looked = true;
    const bool is_next = q->taken == (uintptr_t)op->ticket;
    message *m = is_next ? q->first : NULL;
    if (m) {
        q->taken++;
        q->first = m->next;
        if (!q->first) q->last = NULL;
        if (m->bytes != op->bytes) stop(h, p->rank, "a message has another length than was expected");
    }
    const bool comes = !is_next || !h->stopped[op->peer];
    pthread_mutex_unlock(&h->mutex);
    if (!m) return comes;
    const bool same = m->bytes == op->bytes;
    if (same) memcpy(op->data, m->data, (size_t)m->bytes);
    free(m);
    op->done = same;
    return same;
}

/* Under the mutex, for so many nanoseconds at most. */
static void wait_for(hub *h, pthread_cond_t *what, long nanoseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += nanoseconds;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(what, &h->mutex, &until);
}

/* Until anything changes, unless that has happened since a message was looked for. */
static void threads_pause(void *self, uint32_t tries)
{
    place *p = self;
    hub *h = p->hub;
    (void)tries;
    pthread_mutex_lock(&h->mutex);
    if (!p->looked || p->seen == h->changes) wait_for(h, &h->changed, 20000000);
    p->looked = false;
    pthread_mutex_unlock(&h->mutex);
}

static void threads_limit(void *self, double seconds, double idle)
{
    place *p = self;
    pthread_mutex_lock(&p->hub->mutex);
    p->hub->left[p->rank] = patience_begin(seconds, idle, now_seconds());
    pthread_mutex_unlock(&p->hub->mutex);
}

/* Rank 0 is the program's own thread: if it hangs, the others cannot end the process, but the program can. */
static void threads_on_hang(void *self, void (*hangs)(void *user, const char *why), void *user)
{
    place *p = self;
    if (p->rank) return;
    pthread_mutex_lock(&p->hub->mutex);
    p->hub->on_hang = hangs;
    p->hub->hang_user = user;
    pthread_mutex_unlock(&p->hub->mutex);
}

static bool threads_hangs(void *self, uint32_t rank)
{
    hub *h = ((place *)self)->hub;
    pthread_mutex_lock(&h->mutex);
    const bool hangs = h->hangs[rank];
    pthread_mutex_unlock(&h->mutex);
    return hangs;
}

/* Under the mutex. */
static void judge(hub *h, double now)
{
    for (uint32_t r = 0; r < h->count; r++) {
        if (!patience_ends(&h->left[r], now)) continue;
        h->hangs[r] = true;
        stop(h, r, patience_verdict(&h->left[r]));
        if (!r && h->on_hang) h->on_hang(h->hang_user, h->why);
    }
}

static void *watch_threads(void *self)
{
    hub *h = self;
    pthread_mutex_lock(&h->mutex);
    for (double last = now_seconds(), now; !h->ends; last = now) {
        wait_for(h, &h->over, 50000000);
        now = now_seconds();
        for (uint32_t r = 0; r < h->count && now - last > 1; r++) patience_shift(&h->left[r], now - last);
        judge(h, now);
    }
    pthread_mutex_unlock(&h->mutex);
    return NULL;
}

static bool threads_good(void *self)
{
    place *p = self;
    hub *h = p->hub;
    pthread_mutex_lock(&h->mutex);
    const bool good = !h->stopped[p->rank];
    pthread_mutex_unlock(&h->mutex);
    return good;
}

static const char *threads_why(void *self) { return ((place *)self)->hub->why; }

static void name_rank(hub *h, uint32_t rank, const char *device)
{
    snprintf(h->names[rank], TRANSPORT_NAME, "device %u of %u%s%.64s", rank + 1, h->count, *device ? ", " : "", device);
}

static void threads_name_device(void *self, const char *device)
{
    place *p = self;
    pthread_mutex_lock(&p->hub->mutex);
    name_rank(p->hub, p->rank, device);
    pthread_mutex_unlock(&p->hub->mutex);
}

static void threads_describe(void *self, char name[TRANSPORT_NAME])
{
    const place *p = self;
    memcpy(name, p->hub->names[p->rank], TRANSPORT_NAME);
}

static void free_hub(hub *h)
{
    for (uint64_t i = 0; i < (uint64_t)h->count * h->count; i++)
        for (message *m = h->queues[i].first, *next; m; m = next) {
            next = m->next;
            free(m);
        }
    pthread_mutex_destroy(&h->mutex);
    pthread_cond_destroy(&h->changed);
    pthread_cond_destroy(&h->over);
    free(h->queues);
    free(h->left);
    free(h->stopped);
    free(h->hangs);
    free(h->names);
    free(h);
}

static void threads_close(void *self)
{
    place *p = self;
    hub *h = p->hub;
    pthread_mutex_lock(&h->mutex);
    h->left[p->rank] = (patience){0};
    const bool last = --h->open == 0;
    if (last) {
        h->ends = true;
        pthread_cond_signal(&h->over);
    }
    pthread_mutex_unlock(&h->mutex);
    if (last) {
        pthread_join(h->watch, NULL);
        free_hub(h);
    }
    free(p);
}

static const transport_kind threads_kind = {
    .name = "threads",
    .version = TRANSPORT_VERSION,
    .post = threads_post,
    .test = threads_test,
    .pause = threads_pause,
    .limit = threads_limit,
    .on_hang = threads_on_hang,
    .hangs = threads_hangs,
    .good = threads_good,
    .why = threads_why,
    .fail = threads_fail,
    .name_device = threads_name_device,
    .describe = threads_describe,
    .close = threads_close,
};

bool transport_open_threads(uint32_t count, transport *out)
{
    hub *h = calloc(1, sizeof *h);
    if (!h) return false;
    pthread_mutex_init(&h->mutex, NULL);
    pthread_cond_init(&h->changed, NULL);
    pthread_cond_init(&h->over, NULL);
    h->count = count;
    h->queues = calloc((size_t)count * count, sizeof *h->queues);
    h->left = calloc(count, sizeof *h->left);
    h->stopped = calloc(count, sizeof *h->stopped);
    h->hangs = calloc(count, sizeof *h->hangs);
    h->names = calloc(count, sizeof *h->names);
    bool done = h->queues && h->left && h->stopped && h->hangs && h->names;
    for (uint32_t r = 0; r < count && done; r++) name_rank(h, r, "");
    for (uint32_t r = 0; r < count && done; r++) {
        place *p = malloc(sizeof *p);
        done = p != NULL;
        if (!p) break;
        *p = (place){.hub = h, .rank = r};
        out[r] = (transport){.kind = &threads_kind, .self = p, .rank = r, .count = count};
        h->open++;
    }
    if (done && !pthread_create(&h->watch, NULL, watch_threads, h)) return true;
    for (uint32_t r = 0, opened = h->open; r < opened; r++) free(out[r].self);
    if (!h->queues) h->count = 0;
    free_hub(h);
    return false;
}
