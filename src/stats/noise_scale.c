#include "stats/noise_scale.h"

#include "stats/distributions.h"

#include <math.h>

static bool usable(const noise_scale_groups *g, uint64_t batch)
{
    return g->count >= 2 && g->count <= batch && isfinite(g->parts) && isfinite(g->whole) && g->parts >= 0 &&
           g->whole >= 0;
}

bool noise_scale_estimate(const noise_scale_groups *layers, int count, uint64_t batch, uint64_t examples, double *trace,
                          double *square)
{
    const double b = (double)batch, unseen = examples ? 1 - b / (double)examples : 1;
    double traces = 0, squares = 0;
    if (count < 1 || (examples && batch > examples)) return false;
    for (int i = 0; i < count; i++) {
        if (!usable(&layers[i], batch)) return false;
        const double of_layer = (layers[i].parts - layers[i].whole / b) / (double)(layers[i].count - 1);
        traces += of_layer;
        squares += (layers[i].whole / b - of_layer * unseen) / b;
    }
    if (!isfinite(traces) || !isfinite(squares)) return false;
    *trace = traces;
    *square = squares;
    return true;
}

static void add_pair(noise_scale *n, double trace, double square)
{
    n->pairs++;
    n->traces += trace * trace;
    n->products += trace * square;
    n->squares += square * square;
}

void noise_scale_add(noise_scale *n, double trace, double square)
{
    n->steps++;
    n->trace += (trace - n->trace) / (double)n->steps;
    n->square += (square - n->square) / (double)n->steps;
    if (n->follows) add_pair(n, trace - n->last_trace, square - n->last_square);
    n->last_trace = trace;
    n->last_square = square;
    n->follows = true;
}

bool noise_scale_add_groups(noise_scale *n, const noise_scale_groups *layers, int count, uint64_t batch,
                            uint64_t examples)
{
    double trace, square;
    const bool counts = noise_scale_estimate(layers, count, batch, examples, &trace, &square);
    if (counts)
        noise_scale_add(n, trace, square);
    else
        n->skipped++;
    return counts;
}

void noise_scale_merge(noise_scale *n, const noise_scale *other)
{
    n->skipped += other->skipped;
    if (!other->steps) return;
    const double share = (double)other->steps / (double)(n->steps + other->steps);
    n->steps += other->steps;
    n->pairs += other->pairs;
    n->trace += (other->trace - n->trace) * share;
    n->square += (other->square - n->square) * share;
    n->traces += other->traces;
    n->products += other->products;
    n->squares += other->squares;
    n->last_trace = other->last_trace;
    n->last_square = other->last_square;
    n->follows = other->follows;
}

/* The roots of a b^2 - 2 h b + c, without cancellation; *first is the one that stays finite when a goes to 0. */
static void find_roots(double a, double h, double c, double root, double *first, double *second)
{
    const double q = h + copysign(root, h);
    *first = c / q;
    *second = q / a;
}

/* Fieller's set, restricted to b >= 0. With a > 0 it lies between the roots. Otherwise it is everything except what
 * lies between them, and one of them is negative if tr(S) itself is known to be positive (c > 0): what remains is "at
 * least". */
noise_scale_range noise_scale_result(const noise_scale *n)
{
    noise_scale_range answer = {
        .value = n->square > 0 ? n->trace / n->square : NAN, .high = INFINITY, .steps = n->steps};
    double first, second;
    if (!n->pairs) return answer;
    /* A sum of m squared differences estimates a variance as 2 m^2 / (3 m - 1) independent squares would (von Neumann).
     */
    const double m = (double)n->pairs, t = student_95(2 * m * m / (3 * m - 1));
    const double scale = t * t / (2 * m * (double)n->steps);
    const double vt = n->traces * scale, vp = n->products * scale, vs = n->squares * scale;
    const double a = n->square * n->square - vs, h = n->trace * n->square - vp, c = n->trace * n->trace - vt;
    /* h^2 - a c, in which the largest terms have cancelled. */
    const double d =
        n->trace * n->trace * vs - 2 * n->trace * n->square * vp + n->square * n->square * vt - (vt * vs - vp * vp);
    if (a > 0) {
        find_roots(a, h, c, sqrt(d > 0 ? d : 0), &first, &second);
        const double low = first < second ? first : second, high = first < second ? second : first;
        if (!(n->trace > 0 && n->square > 0 && high > 0)) return answer;
        answer.state = NOISE_KNOWN;
        answer.low = low > 0 ? low : 0;
        answer.high = high;
    } else if (d > 0 && c > 0 && n->trace > 0) {
        find_roots(a, h, c, sqrt(d), &first, &second);
        const double low = first > 0 ? first : second;
        if (!isfinite(low)) return answer;
        answer.state = NOISE_AT_LEAST;
        answer.low = low;
    }
    return answer;
}
