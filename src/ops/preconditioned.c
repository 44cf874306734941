/* Sums of x^2 / (sqrt(v unbias) + epsilon), from which the preconditioned noise scale is computed
 * (stats/noise_scale.h); v is Adam's second moment, kept times 2^40. What has no second moment yet, v = 0, adds
 * nothing. In the order of square_blocks and square_rows (sum_squares.c), whose sizes these have. size[] and scalar[]
 * as in preconditioned.h.
 *
 * Gradients are raw sums, so they are flushed first: x is 0 or 2^-40 at least, and a weight 2^-39 at least, so that
 * x^2 / ... is 2^-119 or more. A sum below 2^-80 becomes 0, since it is divided by the examples of a group. */
#include "ops/preconditioned.h"

#include "ops/adam.h"
#include "ops/rows.h"

#include "preconditioner.h"

static void draw_scalars(op_args *args, draw *d)
{
    static const float unbias[] = {1, 1.5f, 0x1p+10f}, epsilons[] = {1e-8f, 1e-8f, 0x1p-60f, 1e-3f, 1};
    args->scalar[SQUARES_SCALE] = arith_div(1, (float)(1 + draw_below(d, 100)));
    args->scalar[PRECONDITIONED_UNBIAS] = unbias[draw_below(d, LENGTH(unbias))];
    const float epsilon = epsilons[draw_below(d, LENGTH(epsilons))];
    args->scalar[PRECONDITIONED_EPSILON] = (d->mode == DRAW_EDGE ? 0x1p-60f : epsilon) * ADAM_ROOT; /* fill() */
}

/* Gradients below 2^-40 under second moments so small that they would count; in DRAW_TINY gradients barely above it
 * under second moments so large that the sums are on both sides of 2^-80. */
static bool fill(uint64_t elements, int operand, void *data, draw *d)
{
    float *x = data;
    const bool all = draw_below(d, 2);
    const int large = 30 + 30 * (int)draw_below(d, 3);
    if (operand > 1 || (operand == 0 && d->mode != DRAW_EDGE && d->mode != DRAW_TINY)) return false;
    for (uint64_t i = 0; i < elements; i++) {
        const float value = draw_float(d);
        if (operand == 0 && d->mode == DRAW_TINY)
            x[i] = draw_scaled(d, -40, -38);
        else if (operand == 0)
            x[i] = value * (all || i % 3 == 0 ? 0x1p-25f : 1);
        else if (d->mode == DRAW_TINY)
            x[i] = arith_abs(draw_scaled(d, large, large + 10));
        else if (d->mode == DRAW_EDGE)
            x[i] = arith_abs(draw_scaled(d, -80, -70));
        else if (d->mode == DRAW_WILD)
            x[i] = arith_abs(value) * (i % 5 ? 1 : 0x1p+117f);
        else
            x[i] = value * value * ADAM_SCALE;
        if (operand == 1 && i % 7 == 3) x[i] = 0;
    }
    return true;
}

/* preconditioned_blocks: out[at + b] = scale * the sum over block b of 4096 elements. */
static bool blocks_shape(op_args *args, draw *d, int edge)
{
    if (!row_square_blocks.shape(args, d, edge)) return false;
    draw_scalars(args, d);
    return true;
}

static bool blocks_fit(op_args *args) { return row_square_blocks.fit(args); }

static uint64_t blocks_elements(const op_args *a, int operand) { return row_square_blocks.elements(a, operand == 2); }

static bool blocks_fill(const op_args *a, int operand, void *data, draw *d)
{
    return fill(a->size[SQUARES_ELEMENTS], operand, data, d);
}

CLONES static void preconditioned_blocks(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0], *v = operand[1];
    float *out = (float *)operand[2] + a->size[SQUARES_AT];
    const float unbias = a->scalar[PRECONDITIONED_UNBIAS], epsilon = a->scalar[PRECONDITIONED_EPSILON];
    (void)scratch;
    for (uint32_t left = a->size[SQUARES_ELEMENTS], some; left; left -= some, x += some, v += some) {
        float lane[SUM_LANES] = {0};
        some = left < SQUARE_BLOCK ? left : SQUARE_BLOCK;
        for (uint32_t i = 0; i < some; i += SUM_LANES)
            for (uint32_t l = 0, lanes = some - i < SUM_LANES ? some - i : SUM_LANES; l < lanes; l++)
                lane[l] = preconditioner_add(lane[l], arith_flush(x[i + l]), v[i + l], unbias, epsilon);
        for (int half = SUM_LANES / 2; half; half /= 2)
            for (int l = 0; l < half; l++) lane[l] += lane[l + half];
        *out++ = a->scalar[SQUARES_SCALE] * preconditioner_flush(lane[0]);
    }
}

/* preconditioned_rows: out[at + r * blocks + b] = scale * the sum over columns 256 b .. of row r of a matrix. */
static bool rows_shape(op_args *args, draw *d, int edge)
{
    if (!row_square_rows.shape(args, d, edge)) return false;
    draw_scalars(args, d);
    return true;
}

static bool rows_fit(op_args *args) { return row_square_rows.fit(args); }

static uint64_t rows_elements(const op_args *a, int operand) { return row_square_rows.elements(a, operand == 2); }

static bool rows_fill(const op_args *a, int operand, void *data, draw *d)
{
    return fill(rows_elements(a, 0), operand, data, d);
}

CLONES static void preconditioned_rows(const op_args *a, void *const *operand, void *scratch)
{
    const float *x = operand[0], *v = operand[1];
    float *out = (float *)operand[2] + a->size[SQUARES_ROWS_AT];
    const float unbias = a->scalar[PRECONDITIONED_UNBIAS], epsilon = a->scalar[PRECONDITIONED_EPSILON];
    (void)scratch;
    for (uint32_t r = 0; r < a->size[SQUARES_ROWS]; r++)
        for (uint32_t left = a->size[SQUARES_COLS], some; left; left -= some, x += some, v += some) {
            float lane[ROW_LANES] = {0};
            some = left < SQUARE_COLUMNS ? left : SQUARE_COLUMNS;
            for (uint32_t c = 0; c < some; c += ROW_LANES)
                for (uint32_t l = 0, lanes = some - c < ROW_LANES ? some - c : ROW_LANES; l < lanes; l++)
                    lane[l] = preconditioner_add(lane[l], arith_flush(x[c + l]), v[c + l], unbias, epsilon);
            *out++ = a->scalar[SQUARES_SCALE] * preconditioner_flush(fold_row(lane));
        }
}

const op_row row_preconditioned_blocks = {
    .name = "preconditioned_blocks",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"v", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR},
                {"out", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = blocks_elements,
    .reference = preconditioned_blocks,
    .shape = blocks_shape,
    .fit = blocks_fit,
    .fill = blocks_fill,
};

const op_row row_preconditioned_rows = {
    .name = "preconditioned_rows",
    .operand = {{"x", TYPE_F32, ACCESS_IN, LAYOUT_WEIGHT_PANELS},
                {"v", TYPE_F32, ACCESS_IN, LAYOUT_WEIGHT_PANELS},
                {"out", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}},
    .elements = rows_elements,
    .reference = preconditioned_rows,
    .shape = rows_shape,
    .fit = rows_fit,
    .fill = rows_fill,
};
