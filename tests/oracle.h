/* What the oracles of operations share: a case of verify whose reference has run, held against a second opinion. */
#ifndef ORACLE_H
#define ORACLE_H

#include "verify/cases.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define U 0x1p-24
#define TINY 0x1p-40

enum { RANDOM_CASES = 40 };

static const char *where; /* the operation that is looked at */
static test_case now;
static uint64_t flushed_results, flushed_to_zero; /* of the operation's cases */

/* got is within bound of want. A flushed result may be 0 where want is hardly 2^-40, and is never less than that. */
static inline void check_value(double want, float got, double bound, bool flushed, uint64_t element)
{
    bool good = fabs(got - want) <= bound + 0x1p-126;
    if (flushed) {
        flushed_results++;
        flushed_to_zero += got == 0 && want != 0 && fabs(want) < TINY;
        if (got == 0 && !signbit(got) && fabs(want) < TINY + bound) good = true;
        if (got != 0 && fabsf(got) < TINY) good = false;
        if (got == 0 && signbit(got)) good = false;
    }
    if (!good) /* ck_assert_msg() writes a file each time */
        ck_abort_msg("%s case %u, element %llu: %.9g, expected %.12g within %g", where, now.number,
                     (unsigned long long)element, got, want, bound);
}

static inline void check_exact(float want, float got, uint64_t element)
{
    const bool good = (isnan(want) && isnan(got)) || !memcmp(&want, &got, sizeof want);
    if (!good)
        ck_abort_msg("%s case %u, element %llu: %a, expected %a", where, now.number, (unsigned long long)element, got,
                     want);
}

/* Checks that hold with infinities and NaN too. */
static inline bool exact_in_all(op_id op)
{
    return op == OP_CHECK_FINITE || op == OP_WATCH || op == OP_SUM_BLOCKS || op == OP_MAX_POOL_FORWARD;
}

/* Runs a check over the edge shapes and random cases of an operation, except the wild ones. If it flushes its results,
 * one at least must need it: otherwise verify would pass a kernel that does not. */
static inline void each_case(op_id op, void (*check)(const test_case *))
{
    const uint64_t seed = test_seed();
    uint32_t looked = 0;
    where = op_get(op)->name;
    flushed_results = flushed_to_zero = 0;
    for (uint32_t number = 0; number < EDGE_CASES + RANDOM_CASES; number++) {
        const tas_status status = case_open(context, op, seed, number, &now);
        if (status == TAS_STOPPED && number < EDGE_CASES) {
            number = EDGE_CASES - 1;
            continue;
        }
        if (status == TAS_STOPPED) break;
        ck_assert_int_eq(status, TAS_OK);
        for (int o = 0; o < now.operands; o++) /* what is only read stays */
            if (op_get(op)->operand[o].access == ACCESS_IN)
                ck_assert(
                    !memcmp(now.before[o], now.after[o], now.elements[o] * op_type_bytes(op_get(op)->operand[o].type)));
        if (now.mode != DRAW_WILD || exact_in_all(op)) {
            check(&now);
            looked++;
        }
        case_close(&now);
    }
    ck_assert_uint_gt(looked, 2);
    ck_assert_msg(!flushed_results || flushed_to_zero, "%s: no result of %llu is small enough to flush", where,
                  (unsigned long long)flushed_results);
}

/* The operands of a case, before and after. */
#define IN(o) ((const float *)c->before[o])
#define OUT(o) ((const float *)c->after[o])
#define WORDS_IN(o) ((const uint32_t *)c->before[o])
#define WORDS_OUT(o) ((const uint32_t *)c->after[o])

static inline float flush(float x) { return fabsf(x) < 0x1p-40f ? 0 : x; }

/* What a product of that length may be off, for the sum of its terms' magnitudes. */
static inline double product_bound(uint64_t length, double magnitudes)
{
    return U * (4 + 2 * sqrt((double)length)) * magnitudes;
}

/* Runs a reference with scratch of its own. */
static inline void run(const op_args *args, void *const *operand)
{
    const op_row *row = op_get(args->op);
    const size_t bytes = row->scratch ? (size_t)row->scratch(args) : 0;
    void *scratch = malloc(bytes + 1);
    memset(scratch, 0xff, bytes); /* NaN */
    row->reference(args, operand, scratch);
    free(scratch);
}

#endif
