/* Which of its rates a batch is judged at.
 *
 * If a batch was run at several rates, the best by the mean over seeds is used. That choice takes the luckiest of
 * several figures: on the same seeds they promise 3 to 9 % too much (measured). So if there are seeds that were run at
 * several rates, and at least two others at the chosen rate, the first ones choose and the others give the figures. */
#include "lab/advise/advise.h"

#include "base/context.h"

#include <inttypes.h>
#include <math.h>

enum { RATES = 64, FRESH_LEAST = 2 };

typedef struct rate {
    double lr;
    running cost; /* of the runs that choose: log of the steps of those that reached the target */
    running loss; /* and the best loss, of all */
    int runs, reached, diverged, choosing, fresh;
} rate;

typedef struct choice {
    const tas_sweep *s;
    uint64_t batch;
    rate rate[RATES]; /* ascending */
    int rates;
    bool full; /* there are more */
} choice;

static bool is_of(const choice *c, const sweep_run *run, double lr) { return run->batch == c->batch && run->lr == lr; }

/* Whether the seed was run at two or more rates of the batch. */
static bool is_shared(const choice *c, uint64_t seed)
{
    int count = 0;
    for (int i = 0; i < c->s->runs; i++) count += c->s->run[i].batch == c->batch && c->s->run[i].seed == seed;
    return count > 1;
}

static double best_loss(const sweep_run *run)
{
    double least = INFINITY;
    for (int i = 0; i < run->points; i++)
        if (run->point[i].loss < least) least = run->point[i].loss;
    return least;
}

static void find_rates(choice *c)
{
    for (int i = 0; i < c->s->runs; i++) {
        const double lr = c->s->run[i].lr;
        int at = c->rates;
        if (c->s->run[i].batch != c->batch) continue;
        while (at > 0 && c->rate[at - 1].lr > lr) at--;
        if (at > 0 && c->rate[at - 1].lr == lr) continue;
        c->full |= c->rates == RATES;
        if (c->rates == RATES) continue;
        for (int k = c->rates++; k > at; k--) c->rate[k] = c->rate[k - 1];
        c->rate[at] = (rate){.lr = lr};
    }
}

/* By the shared seeds alone, or by all. */
static void weigh_rates(choice *c, bool shared_alone)
{
    for (int k = 0; k < c->rates; k++) {
        rate *r = &c->rate[k];
        *r = (rate){.lr = r->lr};
        for (int i = 0; i < c->s->runs; i++) {
            const sweep_run *run = &c->s->run[i];
            if (!is_of(c, run, r->lr)) continue;
            const bool shared = is_shared(c, run->seed);
            r->runs++;
            r->fresh += !shared;
            r->diverged += run->outcome == ROW_DIVERGED;
            if (shared_alone && !shared) continue;
            r->choosing++;
            r->reached += run->outcome == ROW_REACHED;
            if (run->outcome == ROW_REACHED) running_add(&r->cost, log(run->steps));
            if (isfinite(best_loss(run))) running_add(&r->loss, best_loss(run));
        }
    }
}

/* Below 0: a is better. The share of runs that reached the target first; then the steps, or the loss if that is the
 * goal or nothing was reached. */
static double compare_rates(const choice *c, const rate *a, const rate *b)
{
    const double share = (double)b->reached / fmax(b->choosing, 1) - (double)a->reached / fmax(a->choosing, 1);
    if (share != 0) return share;
    if (a->reached && c->s->options.goal != TAS_GOAL_ACCURACY) return a->cost.mean - b->cost.mean;
    if (!a->loss.count || !b->loss.count) return (double)b->loss.count - (double)a->loss.count;
    return a->loss.mean - b->loss.mean;
}

/* The lowest rate at which a run diverged; infinite: none did. */
static double edge_of(const choice *c)
{
    for (int k = 0; k < c->rates; k++)
        if (c->rate[k].diverged) return c->rate[k].lr;
    return INFINITY;
}

/* The best rate that keeps a factor of 2 from those that diverged; if none of them reached the target, the best of all.
 * Of equal ones the lowest. */
static int best_rate(const choice *c)
{
    const double edge = edge_of(c);
    int best = -1, safe = -1;
    for (int k = 0; k < c->rates; k++) {
        const rate *r = &c->rate[k];
        if (!r->choosing) continue;
        if (best < 0 || compare_rates(c, r, &c->rate[best]) < 0) best = k;
        if (r->lr > 0.5 * edge || !r->reached) continue;
        if (safe < 0 || compare_rates(c, r, &c->rate[safe]) < 0) safe = k;
    }
    return safe >= 0 ? safe : best;
}

static bool all_choose(const choice *c)
{
    for (int k = 0; k < c->rates; k++)
        if (!c->rate[k].choosing) return false;
    return true;
}

int advise_rates_choose(tas_sweep *s, sweep_batch *b, bool *fresh)
{
    choice c = {.s = s, .batch = b->batch};
    find_rates(&c);
    if (c.full)
        note(s->context,
             "B = %" PRIu64 ": runs at more than %d learning rates; those that come after them are left out", b->batch,
             RATES);
    weigh_rates(&c, true);
    int best = all_choose(&c) ? best_rate(&c) : -1;
    *fresh = best >= 0 && c.rate[best].fresh >= FRESH_LEAST;
    if (!*fresh) {
        weigh_rates(&c, false);
        best = best_rate(&c);
    }
    const double edge = edge_of(&c);
    b->lr = c.rate[best].lr;
    b->lr_edge = c.rates > 1 && (best == 0 || best == c.rates - 1);
    b->lr_edge_of_stability = isfinite(edge) ? edge : NAN;
    for (int i = 0; i < s->runs; i++) {
        sweep_run *run = &s->run[i];
        if (run->batch != b->batch) continue;
        run->search = run->lr != b->lr || (*fresh && is_shared(&c, run->seed));
        b->searches += run->search;
    }
    if (c.rates == 1) *fresh = true;
    return c.rates;
}
