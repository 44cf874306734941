/* Random numbers of verification cases. */
#include "ops/draw.h"

#include "arith.h"
#include "philox.h"

uint32_t draw_u32(draw *d)
{
    philox_block b = philox(d->seed, PHILOX_CASES | d->operation, d->number, d->at / 4, 0);
    return b.v[d->at++ % 4];
}

uint32_t draw_below(draw *d, uint32_t bound) { return (uint32_t)(((uint64_t)draw_u32(d) * bound) >> 32); }

float draw_scaled(draw *d, int least, int most)
{
    uint32_t u = draw_u32(d);
    uint32_t exponent = (uint32_t)(127 + least + (int)draw_below(d, (uint32_t)(most - least + 1)));
    return arith_float((u & 0x80000000u) | exponent << 23 | (u & 0x7fffffu));
}

float draw_float(draw *d)
{
    switch (d->mode) {
    case DRAW_SPARSE:
        if (draw_u32(d) & 1) return 0;
        return draw_scaled(d, -3, 1);
    case DRAW_EDGE: { /* few mantissa bits, so that sums cancel to nothing or nearly */
        float x = draw_scaled(d, -40, -38);
        return arith_float(arith_bits(x) & 0xffe00000u);
    }
    case DRAW_WIDE: return draw_below(d, 10) ? draw_scaled(d, -40, 20) : 0;
    case DRAW_WILD:
        switch (draw_below(d, 40)) {
        case 0: return arith_float(0x7f800000u);
        case 1: return arith_float(0xff800000u);
        case 2: return arith_float(0x7fc00000u);
        case 3:
        case 4:
        case 5: return draw_scaled(d, 60, 127);
        default: return draw_scaled(d, -3, 1);
        }
    case DRAW_TINY:
        if (d->around_one) return draw_scaled(d, -3, 1);
        return draw_below(d, 8) ? draw_scaled(d, d->least, -38) : 0;
    default: return draw_scaled(d, -3, 1);
    }
}

uint32_t draw_size(draw *d, uint32_t most)
{
    static const uint32_t likely[] = {1,  2,  3,  5,  7,  8,  11,  13,  15,  16,  17,  31,  32,
                                      33, 47, 61, 63, 64, 65, 127, 128, 129, 251, 255, 256, 257};
    for (int attempt = 0; attempt < 4; attempt++) {
        uint32_t size = likely[draw_below(d, sizeof likely / sizeof *likely)];
        if (size <= most) return size;
    }
    return 1 + draw_below(d, most);
}

void draw_fill_update(update_role role, uint32_t elements, float examples, float *data, draw *d)
{
    for (uint32_t i = 0; i < elements; i++) {
        const bool none = i % 3 == 0; /* no gradient */
        const float tiny = draw_scaled(d, -43, -38);
        switch (role) {
        case UPDATE_WEIGHTS: data[i] = draw_scaled(d, -40, -20); break;
        case UPDATE_GRADIENT: data[i] = none ? 0 : tiny * examples; break;
        case UPDATE_STATE: data[i] = none ? draw_scaled(d, -100, -98) : tiny; break;
        }
    }
}

void draw_zeros(uint64_t count, float *values, draw *d)
{
    for (uint64_t i = 0; i < count; i++)
        if (draw_u32(d) & 1) values[i] = 0;
}

void draw_fill(op_type type, uint64_t count, void *data, draw *d)
{
    if (type == TYPE_F32) {
        float *x = data;
        for (uint64_t i = 0; i < count; i++) x[i] = draw_float(d);
    } else {
        unsigned char *bytes = data;
        for (uint64_t i = 0; i < count * op_type_bytes(type); i++) bytes[i] = 0;
    }
}
