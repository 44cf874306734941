#include "stats/best.h"

#include "stats/distributions.h"
#include "stats/running.h"

#include <math.h>

static const double BEST_ALL = 0.05; /* what all intervals together leave out */

/* What a pair's own interval leaves out. */
static double own_share(int rows) { return BEST_ALL * 2 / rows; }

static running difference_of(const best_table *t, int a, int b)
{
    running out = {0};
    for (int s = 0; s < t->seeds; s++) {
        const double d = t->loss[a][s] - t->loss[b][s];
        if (isfinite(d)) running_add(&out, d);
    }
    return out;
}

/* Of a difference, from all pairs. Without missing values, pairs have (rows - 1) (seeds - 1) degrees of freedom. */
typedef struct pooled {
    double variance, t;
    double own[BEST_SEEDS + 1]; /* t of a pair's own variance, by the number of its seeds; 0: no pair has so many */
} pooled;

static pooled pool_pairs(const best_table *t)
{
    pooled out = {.variance = NAN, .t = INFINITY};
    double squares = 0, freedom = 0;
    int pairs = 0;
    for (int a = 0; a < t->rows; a++) {
        for (int b = 0; b < a; b++) {
            const running d = difference_of(t, a, b);
            if (d.count < 2) continue;
            double *own = &out.own[d.count];
            if (*own == 0) *own = student_quantile(1 - own_share(t->rows) / 2, (double)(d.count - 1));
            pairs++;
            squares += d.squares;
            freedom += (double)(d.count - 1);
        }
    }
    if (!pairs) return out;
    out.variance = squares / freedom;
    out.t = student_quantile(1 - BEST_ALL / 2 / pairs, freedom * 2 / t->rows);
    return out;
}

static double half_width(const running *d, const pooled *all)
{
    if (d->count < 2) return INFINITY;
    return fmax(all->own[d->count] * running_error(d), all->t * sqrt(all->variance / (double)d->count));
}

static best_interval compare_row(const best_table *t, int row, const pooled *all)
{
    best_interval out = {NAN, -INFINITY, -INFINITY, false};
    for (int other = 0; other < t->rows; other++) {
        if (other == row) continue;
        const running d = difference_of(t, row, other);
        const double half = half_width(&d, all);
        if (d.count) out.value = fmax(out.value, d.mean);
        out.low = fmax(out.low, d.count ? d.mean - half : -INFINITY);
        out.high = fmax(out.high, d.count ? d.mean + half : INFINITY);
    }
    if (t->rows == 1) out = (best_interval){0, 0, 0, false};
    out.worse = out.low > 0;
    return out;
}

bool best_compare(const best_table *table, best_interval *out)
{
    if (table->rows < 0 || table->rows > BEST_ROWS || table->seeds < 0 || table->seeds > BEST_SEEDS) return false;
    const pooled all = pool_pairs(table);
    for (int i = 0; i < table->rows; i++) out[i] = compare_row(table, i, &all);
    return true;
}
