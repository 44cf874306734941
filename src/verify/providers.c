/* Compares a provider's dense products with an oracle in double precision. The bound of one element: u (4 + 2 sqrt K) S
 * + FLT_MIN with u = 2^-24, K the length of its sum, S the sum of the magnitudes of what is summed. Integer-valued
 * products must be exact. */
#include "verify/providers.h"

#include "device/opencl/launchers/clblast.h"
#include "ops/dense.h"
#include "verify/cases.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE_SHAPES = 3, LARGE_ELEMENTS = 4096 };

/* One element: start + sum over k of a[k a_step] b[k b_step], from one operand or none as the start. */
typedef struct element {
    const float *start, *a, *b;
    size_t a_step, b_step, k;
} element;

/* What element i of the product's result is made of. */
typedef element (*get_element)(const test_case *c, uint64_t i);

static element forward_element(const test_case *c, uint64_t i)
{
    const float *x = c->before[0], *w = c->before[1], *b = c->before[2];
    const size_t outputs = c->args.size[DENSE_OUTPUTS], inputs = c->args.size[DENSE_INPUTS];
    return (element){b + i % outputs, x + i / outputs * inputs, w + i % outputs * inputs, 1, 1, inputs};
}

static element no_bias_element(const test_case *c, uint64_t i)
{
    const float *x = c->before[0], *w = c->before[1];
    const size_t outputs = c->args.size[DENSE_OUTPUTS], inputs = c->args.size[DENSE_INPUTS];
    return (element){NULL, x + i / outputs * inputs, w + i % outputs * inputs, 1, 1, inputs};
}

static element input_element(const test_case *c, uint64_t i)
{
    const float *dy = c->before[0], *w = c->before[1];
    const size_t outputs = c->args.size[DENSE_OUTPUTS], inputs = c->args.size[DENSE_INPUTS];
    return (element){NULL, dy + i / inputs * outputs, w + i % inputs, 1, inputs, outputs};
}

static element weights_element(const test_case *c, uint64_t i)
{
    const float *x = c->before[0], *dy = c->before[1], *total = c->before[2];
    const size_t outputs = c->args.size[DENSE_OUTPUTS], inputs = c->args.size[DENSE_INPUTS];
    return (element){c->args.first ? total + i : NULL, dy + i / inputs, x + i % inputs, outputs, inputs, c->args.n};
}

static const struct product_test {
    op_id op;
    int result; /* the operand */
    get_element get;
} tests[] = {
    {OP_DENSE_FORWARD, 3, forward_element},
    {OP_DENSE_FORWARD_NO_BIAS, 2, no_bias_element},
    {OP_DENSE_BACKWARD_INPUT, 2, input_element},
    {OP_DENSE_BACKWARD_WEIGHTS, 2, weights_element},
    {OP_DENSE_BACKWARD_PARAMETERS, 2, weights_element},
};

/* The error in units of the bound; NaN and infinity must match (0 or HUGE_VAL). Where finite values come near the end
 * of float's range, the order of the sum decides what comes out, and nothing is asked. */
static double error_of(element e, bool relu, float got)
{
    double sum = e.start ? *e.start : 0, size = isfinite(sum) ? fabs(sum) : 0;
    for (size_t k = 0; k < e.k; k++) {
        const double term = (double)e.a[k * e.a_step] * e.b[k * e.b_step];
        sum += term;
        size += isfinite(term) ? fabs(term) : 0;
    }
    if (relu && sum < 0) sum = 0;
    if (isnan(sum)) return isnan(got) ? 0 : HUGE_VAL;
    if (size >= FLT_MAX / 4) return 0;
    if (isinf(sum)) return got == (float)sum ? 0 : HUGE_VAL;
    if (!isfinite(got)) return HUGE_VAL;
    return fabs(got - sum) / (ldexp(4 + 2 * sqrt((double)e.k), -24) * size + FLT_MIN);
}

static bool is_exact(element e, bool relu, float got)
{
    double sum = e.start ? *e.start : 0;
    for (size_t k = 0; k < e.k; k++) sum += (double)e.a[k * e.a_step] * e.b[k * e.b_step];
    return got == (relu && sum < 0 ? 0 : sum);
}

/* Whether a mask makes element i 0, whatever it is without. */
static bool is_masked(const test_case *c, uint64_t i)
{
    return c->args.masked && ((const float *)c->before[op_get(c->args.op)->mask - 1])[i] == 0;
}

/* Compares the result with the oracle: every element, or of a large one LARGE_ELEMENTS, evenly spread. */
static void judge(const struct product_test *t, const test_case *c, const float *got, bool exact, uint64_t seed,
                  tas_verify_row *row, char *text, size_t bytes)
{
    const uint64_t elements = c->elements[t->result];
    const uint64_t step = c->number == UINT32_MAX && elements > LARGE_ELEMENTS ? (elements / LARGE_ELEMENTS) | 1 : 1;
    uint64_t worst_at = 0;
    double worst = 0;
    for (uint64_t i = 0; i < elements; i += step) {
        const element e = t->get(c, i);
        double error = exact ? (is_exact(e, c->args.relu, got[i]) ? 0 : HUGE_VAL) : error_of(e, c->args.relu, got[i]);
        if (is_masked(c, i)) error = got[i] == 0 ? 0 : HUGE_VAL;
        if (error > worst) {
            worst = error;
            worst_at = i;
        }
    }
    if (worst > row->worst_error && worst < HUGE_VAL) row->worst_error = worst;
    if (worst <= 1)
        row->passed++;
    else if (!row->failed++)
        snprintf(text, bytes, "n=%u first=%u size=%u,%u: element %llu is %.9g, %s; seed %llu case %u", c->args.n,
                 c->args.first, c->args.size[DENSE_OUTPUTS], c->args.size[DENSE_INPUTS], (unsigned long long)worst_at,
                 (double)got[worst_at], exact ? "and is not the exact integer" : "outside its bound",
                 (unsigned long long)seed, c->number);
}

static tas_status run_case(tas_device *fast, const struct product_test *t, const test_case *c, bool exact,
                           uint64_t seed, tas_verify_row *row, char *text, size_t bytes)
{
    void *got[OP_OPERANDS] = {0};
    bool stray = false;
    tas_status status = case_run(fast, c, got, &stray);
    if (!status) judge(t, c, got[t->result], exact, seed, row, text, bytes);
    if (!status && stray) {
        row->failed++;
        snprintf(text, bytes, "wrote outside an operand; seed %llu case %u", (unsigned long long)seed, c->number);
    }
    case_free_results(c, got);
    return status;
}

/* Small integers, so that no partial sum reaches 2^24. */
static void make_integers(test_case *c, uint64_t seed)
{
    draw d = {.seed = seed, .operation = c->args.op, .number = c->number ^ 0x80000000u};
    for (int o = 0; o < c->operands; o++) {
        if (op_get(c->args.op)->operand[o].access == ACCESS_OUT) continue;
        for (uint64_t i = 0; i < c->elements[o]; i++) ((float *)c->before[o])[i] = (float)((int)draw_below(&d, 17) - 8);
    }
}

/* One drawn case, with its own values and with integers. Gradients of weights are summed over a whole batch, or every
 * second time over a later tile that is added to the total: granules are ignored. */
static tas_status drawn_case(tas_device *fast, const struct product_test *t, uint64_t seed, uint32_t number,
                             tas_verify_row *row, char *text, size_t bytes)
{
    test_case c;
    tas_status status = case_open(fast->context, t->op, seed, number, &c);
    if (status) return status;
    c.args.first = t->get == weights_element && number % 2 ? c.args.n : 0;
    c.args.batch = c.args.first + c.args.n;
    status = run_case(fast, t, &c, false, seed, row, text, bytes);
    make_integers(&c, seed);
    if (!status) status = run_case(fast, t, &c, true, seed, row, text, bytes);
    case_close(&c);
    return status;
}

/* A larger shape than those that are drawn, for the provider's kernel for large products; filled with values around 1,
 * then with integers. */
static tas_status large_case(tas_device *fast, const struct product_test *t, uint64_t seed, uint32_t edge, int shape,
                             tas_verify_row *row, char *text, size_t bytes)
{
    const uint32_t shapes[LARGE_SHAPES][3] = {
        {edge, edge + 1, edge + 2}, {2 * edge, edge / 2 + 1, edge + 7}, {edge / 2, 2 * edge + 6, 257}};
    const op_row *op = op_get(t->op);
    test_case c = {.args = {.op = t->op}, .number = UINT32_MAX};
    draw d = {.seed = seed, .operation = t->op, .number = UINT32_MAX - (uint32_t)shape};
    tas_status status = TAS_OK;
    c.args.n = c.args.batch = shapes[shape][0];
    c.args.size[DENSE_OUTPUTS] = shapes[shape][1];
    c.args.size[DENSE_INPUTS] = shapes[shape][2];
    for (int o = 0; op->operand[o].name; o++) {
        c.operands = o + 1;
        c.elements[o] = op->elements(&c.args, o);
        c.before[o] = malloc((size_t)c.elements[o] * sizeof(float) + 1);
        if (!c.before[o]) status = fail(fast->context, TAS_NO_MEMORY, "no memory for a case of %s", op->name);
        if (!status) draw_fill(TYPE_F32, c.elements[o], c.before[o], &d);
    }
    if (!status) status = run_case(fast, t, &c, false, seed, row, text, bytes);
    if (!status) make_integers(&c, seed);
    if (!status) status = run_case(fast, t, &c, true, seed, row, text, bytes);
    case_close(&c);
    return status;
}

static tas_status verify_product(tas_device *fast, const struct product_test *t, uint64_t seed, uint32_t cases,
                                 uint32_t edge, tas_verify_row *row, char *text, size_t bytes)
{
    const double start = now_seconds();
    tas_status status = TAS_OK;
    *row = (tas_verify_row){.operation = op_get(t->op)->name, .provider = "clblast", .text = text};
    text[0] = 0;
    for (uint32_t i = 0; i < EDGE_CASES && !status; i++) status = drawn_case(fast, t, seed, i, row, text, bytes);
    if (status == TAS_STOPPED) status = TAS_OK; /* past the last edge shape */
    for (uint32_t i = 0; i < cases && !status; i++)
        status = drawn_case(fast, t, seed, EDGE_CASES + i, row, text, bytes);
    for (int i = 0; i < LARGE_SHAPES && edge && !status; i++)
        status = large_case(fast, t, seed, edge, i, row, text, bytes);
    row->seconds = now_seconds() - start;
    return status;
}

tas_status providers_verify(tas_device *device, uint64_t seed, uint32_t cases, const report *to)
{
    tas_device *fast = NULL;
    const double start = now_seconds();
    tas_status status = open_opencl(device->context, &device->info, TAS_ARITH_FAST, &fast);
    if (status) return status;
    fast->tuning.find = NULL; /* which may prefer kernels */
    const char *unused = clblast_unused(fast);
    if (unused) {
        const tas_verify_row row = {.operation = "products",
                                    .provider = "clblast",
                                    .skipped = 1,
                                    .text = unused,
                                    .seconds = now_seconds() - start};
        report_row(to, &row);
    }
    const uint32_t edge = unused ? 0 : clblast_indirect_edge(fast);
    for (size_t i = 0; i < sizeof tests / sizeof *tests && !unused && !status; i++) {
        char text[512];
        tas_verify_row row;
        status = verify_product(fast, &tests[i], seed, cases, edge, &row, text, sizeof text);
        if (status == TAS_NO_MEMORY) break;
        if (status) { /* it may fail in one operation and pass others */
            row.failed++;
            row.text = tas_error(device->context);
            status = TAS_OK;
        }
        report_row(to, &row);
    }
    device_close(&fast);
    return status;
}
