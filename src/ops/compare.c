/* Comparing values: see compare.h. */
#include "ops/compare.h"

#include "arith.h"

#include <stdio.h>

static uint32_t word_at(op_type type, const void *values, uint64_t i)
{
    return type == TYPE_U8 ? ((const uint8_t *)values)[i] : ((const uint32_t *)values)[i];
}

static bool is_equal(op_type type, uint32_t a, uint32_t b)
{
    return a == b || (type == TYPE_F32 && arith_is_nan(arith_float(a)) && arith_is_nan(arith_float(b)));
}

comparison compare_bits(op_type type, const void *is, const void *should, uint64_t elements)
{
    comparison out = {0};
    for (uint64_t i = 0; i < elements; i++) {
        const uint32_t a = word_at(type, is, i), b = word_at(type, should, i);
        if (is_equal(type, a, b)) continue;
        if (!out.different++) out = (comparison){1, i, a, b};
    }
    return out;
}

/* Floats in their order as whole numbers. */
static int64_t rank_of(float x)
{
    const int64_t magnitude = arith_magnitude(x);
    return arith_bits(x) >> 31 ? -magnitude : magnitude;
}

uint32_t compare_ulp(float a, float b)
{
    if (arith_is_nan(a) || arith_is_nan(b)) return UINT32_MAX;
    const int64_t apart = rank_of(a) - rank_of(b);
    return (uint32_t)(apart < 0 ? -apart : apart);
}

const char *compare_print_value(op_type type, uint32_t bits, char text[COMPARE_VALUE_TEXT])
{
    if (type == TYPE_F32)
        snprintf(text, COMPARE_VALUE_TEXT, "%08x (%.9g)", bits, (double)arith_float(bits));
    else
        snprintf(text, COMPARE_VALUE_TEXT, "%08x (%u)", bits, bits);
    return text;
}
