/* Comparing results with those of the reference, bit for bit. */
#include "verify/compare.h"

#include "ops/compare.h"
#include "verify/cases.h"

#include "arith.h"

#include <stdio.h>
#include <string.h>

static void compare_operand(const test_case *c, int o, const void *got, difference *out)
{
    const op_type type = op_get(c->args.op)->operand[o].type;
    const comparison found = compare_bits(type, got, c->after[o], c->elements[o]);
    const uint32_t ulp = type == TYPE_F32 ? compare_ulp(arith_float(found.is), arith_float(found.should)) : 0;
    if (!found.different) return;
    out->found = true;
    out->operand = o;
    out->element = found.first;
    out->elements = c->elements[o];
    out->differing = found.different;
    out->got = found.is;
    out->expected = found.should;
    out->ulp = ulp == UINT32_MAX ? UINT64_MAX : ulp;
}

void compare_results(const test_case *c, void *const *got, difference *out)
{
    const op_row *row = op_get(c->args.op);
    *out = (difference){.args = c->args};
    for (int o = 0; o < c->operands && !out->found; o++)
        if (o + 1 != c->args.replaces && (!row->undefined || !row->undefined(&c->args, o)))
            compare_operand(c, o, got[o], out);
}

const char *compare_print_shape(const op_args *a, char text[SHAPE_TEXT])
{
    int n = snprintf(text, SHAPE_TEXT, "n=%u first=%u batch=%u at=%u ", a->n, a->first, a->batch, a->at);
    if (a->origin || a->shard)
        n += snprintf(text + n, SHAPE_TEXT - (size_t)n, "origin=%u shard=%u ", a->origin, a->shard);
    n += snprintf(text + n, SHAPE_TEXT - (size_t)n, "size=");
    int last = OP_SIZES - 1;
    while (last > 0 && !a->size[last]) last--;
    for (int i = 0; i <= last; i++) n += snprintf(text + n, SHAPE_TEXT - (size_t)n, "%s%u", i ? "," : "", a->size[i]);
    return text;
}

const char *compare_print(const difference *d, char text[DIFFERENCE_TEXT])
{
    char shape[SHAPE_TEXT], apart[48] = "", got[COMPARE_VALUE_TEXT], expected[COMPARE_VALUE_TEXT];
    const op_operand *operand = &op_get(d->args.op)->operand[d->operand];
    const char *limited = d->limited ? ", with small limits" : "";
    compare_print_shape(&d->args, shape);
    if (!d->found) {
        snprintf(text, DIFFERENCE_TEXT, "%s: wrote outside an operand%s", shape, limited);
        return text;
    }
    const int n =
        snprintf(text, DIFFERENCE_TEXT, "%s: %s[%llu] ", shape, operand->name, (unsigned long long)d->element);
    if (operand->type == TYPE_F32 && d->ulp != UINT64_MAX)
        snprintf(apart, sizeof apart, ", %llu ULP apart", (unsigned long long)d->ulp);
    snprintf(text + n, DIFFERENCE_TEXT - (size_t)n, "is %s, the reference has %s%s; %llu of %llu elements differ%s",
             compare_print_value(operand->type, d->got, got), compare_print_value(operand->type, d->expected, expected),
             apart, (unsigned long long)d->differing, (unsigned long long)d->elements, limited);
    return text;
}
