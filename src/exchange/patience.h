/* How long a rank may compute, or wait for its device's driver, before it is taken to hang.
 *
 * A driver that blocks and one that is busy differ: the first call of a kernel may include its compiler, which takes
 * as long as it takes, but uses the processor. So a wait has two limits, one in all and a shorter one for the time in
 * which this process uses hardly any of the processor. */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdbool.h>
#include <time.h>

typedef struct patience {
    double deadline;      /* 0: nothing is waited for */
    double idle;          /* seconds; 0: the deadline alone counts */
    double busy;          /* when the process was last seen to use the processor */
    double looked, spent; /* the last look, and the process's own time then; below 0: there was none */
} patience;

static inline patience patience_begin(double seconds, double idle, double now)
{
    if (!(seconds > 0)) return (patience){0};
    return (patience){.deadline = now + seconds, .idle = idle, .busy = now, .looked = now, .spent = -1};
}

/* Whether it is over. Asked several times a second. */
static inline bool patience_ends(patience *p, double now)
{
    static const double interval = 0.25, busy_share = 0.05;
    if (p->deadline <= 0) return false;
    if (p->idle > 0 && now - p->looked >= interval) {
        struct timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        const double spent = (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
        if (p->spent < 0 || spent - p->spent > busy_share * (now - p->looked)) p->busy = now;
        p->looked = now;
        p->spent = spent;
    }
    return now > p->deadline || (p->idle > 0 && now - p->busy > p->idle);
}

/* The whole process was stopped for so long: a shell's Ctrl-Z, a machine that slept. */
static inline void patience_shift(patience *p, double seconds)
{
    if (p->deadline <= 0) return;
    p->deadline += seconds;
    p->busy += seconds;
}

/* What is wrong with a rank whose patience is over. */
static inline const char *patience_verdict(const patience *p)
{
    return p->idle > 0 ? "hangs: its device does not answer" : "hangs: a step takes far longer than those before";
}

#endif
