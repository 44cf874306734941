/* Ranks that are threads of one process. A message is copied when it is sent, and once more when it is received.
 *
 * A rank that fails, or cannot go on as it waits for one that has, stops. The others stop only when they wait for what
 * a stopped rank has not sent: all get as far as they can, and so equally far. */
#include "base/context.h"
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
    pthread_cond_t changed;
    uint32_t count, open;
    queue *queues;    /* from rank a to rank b: [a * count + b] */
    double *deadline; /* of each rank's computation; 0: none */
    bool *stopped;    /* for each rank */
    char (*names)[TRANSPORT_NAME];
    char why[TRANSPORT_WHY];
} hub;

typedef struct place {
    hub *hub;
    uint32_t rank;
} place;

/* The first reason counts. */
static void stop(hub *h, uint32_t rank, const char *why)
{
    if (!*h->why) snprintf(h->why, sizeof h->why, "%s: %.380s", h->names[rank], why);
    h->stopped[rank] = true;
    h->deadline[rank] = 0;
    pthread_cond_broadcast(&h->changed);
}

static void post_message(hub *h, queue *q, message *m)
{
    pthread_mutex_lock(&h->mutex);
    *(q->last ? &q->last->next : &q->first) = m;
    q->last = m;
    pthread_cond_broadcast(&h->changed);
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

/* Until anything changes, or a while has passed: then ranks may be found to hang. */
static void threads_pause(void *self, uint32_t tries)
{
    hub *h = ((place *)self)->hub;
    struct timespec until;
    (void)tries;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 1000000; /* a message may have come since it was looked for */
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&h->mutex);
    pthread_cond_timedwait(&h->changed, &h->mutex, &until);
    pthread_mutex_unlock(&h->mutex);
}

static void threads_limit(void *self, double seconds)
{
    place *p = self;
    pthread_mutex_lock(&p->hub->mutex);
    p->hub->deadline[p->rank] = seconds > 0 ? now_seconds() + seconds : 0;
    pthread_mutex_unlock(&p->hub->mutex);
}

static bool threads_good(void *self)
{
    place *p = self;
    hub *h = p->hub;
    const double now = now_seconds();
    pthread_mutex_lock(&h->mutex);
    for (uint32_t r = 0; r < h->count; r++)
        if (h->deadline[r] > 0 && now > h->deadline[r]) stop(h, r, "hangs: a step takes far longer than those before");
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
    free(h->queues);
    free(h->deadline);
    free(h->stopped);
    free(h->names);
    free(h);
}

static void threads_close(void *self)
{
    place *p = self;
    hub *h = p->hub;
    pthread_mutex_lock(&h->mutex);
    h->deadline[p->rank] = 0;
    const bool last = --h->open == 0;
    pthread_mutex_unlock(&h->mutex);
    if (last) free_hub(h);
    free(p);
}

static const transport_kind threads_kind = {
    .name = "threads",
    .version = TRANSPORT_VERSION,
    .post = threads_post,
    .test = threads_test,
    .pause = threads_pause,
    .limit = threads_limit,
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
    h->count = count;
    h->queues = calloc((size_t)count * count, sizeof *h->queues);
    h->deadline = calloc(count, sizeof *h->deadline);
    h->stopped = calloc(count, sizeof *h->stopped);
    h->names = calloc(count, sizeof *h->names);
    bool done = h->queues && h->deadline && h->stopped && h->names;
    for (uint32_t r = 0; r < count && done; r++) name_rank(h, r, "");
    for (uint32_t r = 0; r < count && done; r++) {
        place *p = malloc(sizeof *p);
        done = p != NULL;
        if (!p) break;
        *p = (place){h, r};
        out[r] = (transport){.kind = &threads_kind, .self = p, .rank = r, .count = count};
        h->open++;
    }
    if (done) return true;
    for (uint32_t r = 0, opened = h->open; r < opened; r++) free(out[r].self);
    if (!h->queues) h->count = 0;
    free_hub(h);
    return false;
}
