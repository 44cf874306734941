/* Comparing results with those of the reference, bit for bit. */
#include "verify/compare.h"

#include "verify/cases.h"

#include "arith.h"

#include <stdio.h>
#include <string.h>

static uint32_t word_of(op_type type, const void *data, uint64_t i)
{
    return type == TYPE_U8 ? ((const uint8_t *)data)[i] : ((const uint32_t *)data)[i];
}

static bool equal_words(uint32_t a, uint32_t b, op_type type)
{
    if (a == b) return true;
    return type == TYPE_F32 && arith_is_nan(arith_float(a)) && arith_is_nan(arith_float(b));
}

/* Floats in their order as whole numbers; both zeros are 0. */
static int64_t rank_of(uint32_t bits)
{
    const int64_t magnitude = bits & 0x7fffffffu;
    return bits >> 31 ? -magnitude : magnitude;
}

static uint64_t ulp_between(uint32_t a, uint32_t b)
{
    if (arith_is_nan(arith_float(a)) || arith_is_nan(arith_float(b))) return UINT64_MAX;
    const int64_t apart = rank_of(a) - rank_of(b);
    return (uint64_t)(apart < 0 ? -apart : apart);
}

static void compare_operand(const test_case *c, int o, const void *got, difference *out)
{
    const op_type type = op_get(c->args.op)->operand[o].type;
    for (uint64_t i = 0; i < c->elements[o]; i++) {
        const uint32_t is = word_of(type, got, i), should = word_of(type, c->after[o], i);
        if (equal_words(is, should, type)) continue;
        if (out->differing++) continue;
        out->found = true;
        out->operand = o;
        out->element = i;
        out->elements = c->elements[o];
        out->got = is;
        out->expected = should;
        out->ulp = type == TYPE_F32 ? ulp_between(is, should) : 0;
    }
}

void compare_results(const test_case *c, void *const *got, difference *out)
{
    const op_row *row = op_get(c->args.op);
    *out = (difference){.args = c->args};
    for (int o = 0; o < c->operands && !out->found; o++)
        if (!row->undefined || !row->undefined(&c->args, o)) compare_operand(c, o, got[o], out);
}

const char *compare_print_shape(const op_args *a, char text[SHAPE_TEXT])
{
    int n = snprintf(text, SHAPE_TEXT, "n=%u first=%u batch=%u at=%u size=", a->n, a->first, a->batch, a->at);
    int last = OP_SIZES - 1;
    while (last > 0 && !a->size[last]) last--;
    for (int i = 0; i <= last; i++) n += snprintf(text + n, SHAPE_TEXT - (size_t)n, "%s%u", i ? "," : "", a->size[i]);
    return text;
}

const char *compare_print(const difference *d, char text[DIFFERENCE_TEXT])
{
    char shape[SHAPE_TEXT], apart[48] = "";
    const op_operand *operand = &op_get(d->args.op)->operand[d->operand];
    const char *limited = d->limited ? ", with small limits" : "";
    compare_print_shape(&d->args, shape);
    if (!d->found) {
        snprintf(text, DIFFERENCE_TEXT, "%s: wrote outside an operand%s", shape, limited);
        return text;
    }
    int n = snprintf(text, DIFFERENCE_TEXT, "%s: %s[%llu] ", shape, operand->name, (unsigned long long)d->element);
    char *end = text + n;
    const size_t left = DIFFERENCE_TEXT - (size_t)n;
    if (d->ulp != UINT64_MAX) snprintf(apart, sizeof apart, ", %llu ULP apart", (unsigned long long)d->ulp);
    if (operand->type == TYPE_F32)
        n = snprintf(end, left, "is %08x (%.9g), the reference has %08x (%.9g)%s", d->got, (double)arith_float(d->got),
                     d->expected, (double)arith_float(d->expected), apart);
    else
        n = snprintf(end, left, "is %08x (%u), the reference has %08x (%u)", d->got, d->got, d->expected, d->expected);
    snprintf(end + n, left - (size_t)n, "; %llu of %llu elements differ%s", (unsigned long long)d->differing,
             (unsigned long long)d->elements, limited);
    return text;
}
