/* Shrinking: one size after the other is lowered, to the smallest at which the case still fails, until none can be
 * lowered alone. The shape is drawn as before, and then gets the lowered sizes: so the case is still known by its
 * number, and each operation says by its row's fit() which shapes it has. Lowering the drawn words instead, as property
 * testing does, would need no such function, but sizes come from lists of edges and of primes: it could not reach the
 * sizes between, nor shrink an edge shape. Values are drawn anew for each shape, from the same stream. */
#include "verify/shrink.h"

enum { TRIED_ALL = 256 }; /* sizes below that are tried one by one, from the smallest on, if a bisection finds none */

typedef struct shrinking {
    tas_device *device;
    op_id op;
    double deadline;
    case_name *name; /* the smallest that fails so far */
    difference *what;
} shrinking;

static bool is_late(const shrinking *s) { return now_seconds() > s->deadline; }

/* Keeps the name if its case exists and fails. */
static bool try_name(shrinking *s, const case_name *name)
{
    op_args args;
    difference what;
    if (is_late(s) || !case_draw_args(s->op, name, &args)) return false;
    if (case_verify(s->device, s->op, name, &what) || (!what.found && !what.stray)) return false;
    *s->name = *name;
    *s->what = what;
    return true;
}

/* A size that follows from others is not one to lower: fit() sets it. */
static bool try_size(shrinking *s, int field, uint32_t value)
{
    case_name name = *s->name;
    op_args args;
    name.given[field] = true;
    name.value[field] = value;
    if (!case_draw_args(s->op, &name, &args) || *case_name_field(&args, field) != value) return false;
    return try_name(s, &name);
}

/* Fewer examples in a batch that ends with them, as before. */
static bool try_examples(shrinking *s, uint32_t n)
{
    const op_args *args = &s->what->args;
    case_name name = *s->name;
    name.given[FIELD_N] = name.given[FIELD_BATCH] = true;
    name.value[FIELD_N] = n;
    name.value[FIELD_BATCH] = args->batch - (args->n - n);
    return try_name(s, &name);
}

static bool try_value(shrinking *s, int field, uint32_t value)
{
    return (field == FIELD_N && s->what->args.batch && try_examples(s, value)) || try_size(s, field, value);
}

static uint32_t size_now(const shrinking *s, int field)
{
    op_args args = s->what->args;
    return *case_name_field(&args, field);
}

/* By bisection, as if all sizes from some one on failed; then from the smallest on, where only some shapes exist. */
static bool lower_size(shrinking *s, int field)
{
    const uint32_t before = size_now(s, field);
    uint32_t passing = 0;
    if (!before || try_value(s, field, 0)) return before > 0;
    while (size_now(s, field) - passing > 1 && !is_late(s)) {
        const uint32_t middle = passing + (size_now(s, field) - passing) / 2;
        if (!try_value(s, field, middle)) passing = middle;
    }
    for (uint32_t value = 1; value < size_now(s, field) && value < TRIED_ALL && !is_late(s); value++)
        if (try_value(s, field, value)) break;
    return size_now(s, field) < before;
}

void shrink_case(tas_device *device, op_id op, double seconds, case_name *name, difference *what)
{
    shrinking s = {device, op, now_seconds() + seconds, name, what};
    bool lower = true;
    while (lower && !is_late(&s)) {
        lower = false;
        for (int field = 0; field < FIELDS; field++) lower |= lower_size(&s, field);
    }
}
