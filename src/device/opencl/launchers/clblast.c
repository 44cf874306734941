/* Dense products by CLBlast, on a device opened with TAS_ARITH_FAST. Results are then right within a tolerance: CLBlast
 * may use mad, adds its sum to C at the end, and knows no granules; nor are results brought under rule 8 of the
 * contract (0 or at least 2^-40), so a device that keeps denormals may compute with them.
 *
 * CLBlast 1.5.3 computes wrong products under some of its own tuning rows, and says that all is well (CLBlast#533,
 * #542). So a row is set here, and CLBlast is not used unless integer-valued products come out exact.
 *
 * N examples in the tile, I inputs, O outputs.  size[0] = O, size[1] = I. Matrices are canonical, row-major. */
#include "device/opencl/launchers/clblast.h"

#include "device/opencl/fork.h"
#include "device/opencl/opencl.h"
#include "device/profile.h"
#include "ops/dense.h"

#include <clblast_c.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRODUCTS_SECONDS = 10, /* that the self-test's products may take */
    ALL_SECONDS = 300,     /* with all builds */
    LARGEST_EDGE = 4096,
};

typedef struct state {
    bool used;
    char why[400]; /* it is not */
} state;

/* CLBlast's caches belong to the process, so calls from several contexts' threads are serialised. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* C (m, n) = A B + beta C, sums of length k. A turned lies as (k, m), B turned as (n, k). */
typedef struct product {
    bool a_turned, b_turned;
    size_t m, n, k;
} product;

static product forward_product(const op_args *a)
{
    return (product){false, true, a->n, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]};
}
static product input_product(const op_args *a)
{
    return (product){false, false, a->n, a->size[DENSE_INPUTS], a->size[DENSE_OUTPUTS]};
}
static product weights_product(const op_args *a)
{
    return (product){true, false, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS], a->n};
}

static CLBlastTranspose turned(bool is) { return is ? CLBlastTransposeYes : CLBlastTransposeNo; }
static size_t a_stride(product p) { return p.a_turned ? p.m : p.k; }
static size_t b_stride(product p) { return p.b_turned ? p.k : p.n; }
static double work_of(product p) { return (double)p.m * (double)p.n * (double)p.k; }

/* CLBlast's kernels index with int. */
static bool is_indexable(product p)
{
    const uint64_t most = INT32_MAX - (1 << 20), mk = (uint64_t)p.m * p.k, kn = (uint64_t)p.k * p.n,
                   mn = (uint64_t)p.m * p.n;
    return mk < most && kn < most && mn < most;
}

/* Bytes that CLBlast wants beside the operands. Where it would not tell: 0, and the call itself then fails. */
static uint64_t temporary_bytes(tas_device *device, product p)
{
    struct cl_device *cl = device->cl;
    size_t bytes = 0;
    pthread_mutex_lock(&one_at_a_time);
    CLBlastStatusCode error =
        CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, turned(p.a_turned), turned(p.b_turned), p.m, p.n, p.k, 0,
                                   a_stride(p), 0, b_stride(p), 0, p.n, &cl->queue, &bytes);
    pthread_mutex_unlock(&one_at_a_time);
    return error ? 0 : bytes;
}

/* beta is 0, and C is only written; or 1, and the sums are added to it. */
static CLBlastStatusCode multiply(tas_device *device, product p, const mem *a, const mem *b, float beta, const mem *c,
                                  const mem *temporary)
{
    struct cl_device *cl = device->cl;
    cl_mem space = temporary && temporary->bytes ? temporary->cl : NULL; /* NULL: it makes its own, if it wants any */
    pthread_mutex_lock(&one_at_a_time);
    CLBlastStatusCode error = CLBlastSgemmWithTempBuffer(CLBlastLayoutRowMajor, turned(p.a_turned), turned(p.b_turned),
                                                         p.m, p.n, p.k, 1.0f, a->cl, 0, a_stride(p), b->cl, 0,
                                                         b_stride(p), beta, c->cl, 0, p.n, &cl->queue, NULL, space);
    pthread_mutex_unlock(&one_at_a_time);
    return error;
}

/* Operations ----------------------------------------------------------------------------------------------------------
 */

static tas_status run_product(tas_device *device, product p, const mem *a, const mem *b, float beta, const mem *c,
                              const mem *scratch)
{
    if (fork_is_child()) return fork_check(device->context);
    if (!is_indexable(p))
        return fail(device->context, TAS_DEVICE_FAILED, "%s: CLBlast cannot index a product of %zu x %zu x %zu",
                    device->info.id, p.m, p.n, p.k);
    CLBlastStatusCode error = multiply(device, p, a, b, beta, c, scratch);
    /* the event that it would give is of its last kernel alone, so its time stays unknown */
    if (!error && is_profiled(device)) profile_count(device->profile, "clblast", 0);
    if (!error) return TAS_OK;
    char call[128];
    snprintf(call, sizeof call, "CLBlastSgemm of %zu x %zu x %zu", p.m, p.n, p.k);
    if (error >= CLBlastInvalidValue) return cl_fail(device, (cl_int)error, call); /* OpenCL's own numbers */
    return fail(device->context, error == CLBlastTempBufferAllocFailure ? TAS_NO_MEMORY : TAS_DEVICE_FAILED,
                "%s: %s: CLBlast status %d", device->info.id, call, (int)error);
}

static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const struct cl_device *cl = device->cl;
    const product p = forward_product(a);
    const uint64_t count = (uint64_t)p.m * p.n;
    cl_kernel kernel;
    if (!is_indexable(p)) return run_product(device, p, &m[0], &m[1], 1, &m[3], scratch);
    tas_status status = cl_get_simple(device, "clblast", "bias_rows", &kernel);
    if (status) return status;
    const cl_arg args[] = {A_MEM(&m[2]), A_MEM(&m[3]), A_U32((uint32_t)count), A_U32(a->size[DENSE_OUTPUTS])};
    status = cl_launch(device, kernel, cl_line(cl->group, (size_t)count), 4, args);
    return status ? status : run_product(device, p, &m[0], &m[1], 1, &m[3], scratch);
}

static tas_status backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    return run_product(device, input_product(a), &m[0], &m[1], 0, &m[2], scratch);
}

/* All goes to the total; m[3], the open granules, is left alone. */
static tas_status backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    return run_product(device, weights_product(a), &m[1], &m[0], a->first ? 1 : 0, &m[2], scratch);
}

static uint64_t forward_scratch(tas_device *device, const op_args *a)
{
    return temporary_bytes(device, forward_product(a));
}
static uint64_t input_scratch(tas_device *device, const op_args *a)
{
    return temporary_bytes(device, input_product(a));
}
static uint64_t weights_scratch(tas_device *device, const op_args *a)
{
    return temporary_bytes(device, weights_product(a));
}

/* Parameters ----------------------------------------------------------------------------------------------------------
 */

static tas_status override(tas_device *device, const char *kernel, size_t count, const char **names,
                           const size_t *values)
{
    const struct cl_device *cl = device->cl;
    pthread_mutex_lock(&one_at_a_time);
    CLBlastStatusCode error = CLBlastOverrideParameters(cl->id, kernel, CLBlastPrecisionSingle, count, names, values);
    pthread_mutex_unlock(&one_at_a_time);
    if (!error) return TAS_OK;
    return fail(device->context, TAS_DEVICE_FAILED, "%s: CLBlastOverrideParameters of %s: CLBlast status %d",
                device->info.id, kernel, (int)error);
}

tas_status clblast_set_row(tas_device *device, const clblast_row *row)
{
    const char *names[] = {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB",
                           "NDIMC", "NWG",  "SA",  "SB",  "STRM",  "STRN",  "VWM", "VWN"};
    const size_t values[] = {row->gemmk, row->kreg, row->kwg, row->kwi, row->mdima, row->mdimc, row->mwg, row->ndimb,
                             row->ndimc, row->nwg,  row->sa,  row->sb,  row->strm,  row->strn,  row->vwm, row->vwn};
    return override(device, "Xgemm", sizeof values / sizeof *values, names, values);
}

/* From which cube's edge Xgemm is used. On processors neither kernel is faster; a small edge lets the self-test be
 * quick. Elsewhere CLBlast's own figure stays. */
static tas_status set_threshold(tas_device *device)
{
    const struct cl_device *cl = device->cl;
    const char *name = "XGEMM_MIN_INDIRECT_SIZE";
    const size_t edge = 64;
    return cl->cpu ? override(device, "GemmRoutine", 1, &name, &edge) : TAS_OK;
}

/* Best first. Kernel 0 in each; processors have nothing to win from local memory, and lose by barriers. */
// clang-format off
static const clblast_row cpu_row =
    {.kreg = 1, .kwg = 32, .kwi = 2, .mdima = 8, .mdimc = 8, .mwg = 32, .ndimb = 8, .ndimc = 8, .nwg = 64, .vwm = 4, .vwn = 4};
static const clblast_row gpu_rows[] = {
    {.kreg = 1, .kwg = 32, .kwi = 2, .mdima = 16, .mdimc = 16, .mwg = 64, .ndimb = 8, .ndimc = 8, .nwg = 64,
     .sa = 1, .sb = 1, .vwm = 4, .vwn = 4},
    {.kreg = 1, .kwg = 32, .kwi = 2, .mdima = 8, .mdimc = 8, .mwg = 32, .ndimb = 8, .ndimc = 8, .nwg = 32,
     .sa = 1, .sb = 1, .vwm = 4, .vwn = 4},
};
static const clblast_row least_row =
    {.kreg = 1, .kwg = 16, .kwi = 2, .mdima = 4, .mdimc = 4, .mwg = 16, .ndimb = 4, .ndimc = 4, .nwg = 16, .vwm = 4, .vwn = 4};
// clang-format on

static bool row_fits(const tas_device *device, const clblast_row *row)
{
    const uint64_t local = (row->sa * row->mwg + row->sb * row->nwg) * row->kwg * sizeof(float);
    return row->mdimc * row->ndimc <= device->info.max_group && local <= device->info.local_bytes;
}

static const clblast_row *choose_row(const tas_device *device)
{
    const struct cl_device *cl = device->cl;
    const clblast_row *const rows = cl->cpu ? &cpu_row : gpu_rows;
    const size_t count = cl->cpu ? 1 : sizeof gpu_rows / sizeof *gpu_rows;
    for (size_t i = 0; i < count; i++)
        if (row_fits(device, &rows[i])) return &rows[i];
    return &least_row;
}

uint32_t clblast_indirect_edge(tas_device *device)
{
    for (uint32_t edge = 17; edge < LARGEST_EDGE;
         edge = (edge + edge / 8) | 1) /* odd ones are padded, and so want memory */
        if (temporary_bytes(device, (product){false, false, edge, edge, edge})) return edge;
    return 0;
}

/* Self-test -----------------------------------------------------------------------------------------------------------
 */

/* Operands of rank two, A = a0 p0' + a1 p1' and B = q0 b0' + q1 b1' with factors from -2 to 2: each element of the
 * product is known from four sums over k, whatever the size, and no partial sum reaches 2^24. */
typedef struct factors {
    int8_t *a[2], *p[2], *q[2], *b[2];
} factors;

typedef struct trial {
    uint32_t random;
    double start;    /* of it all */
    double products; /* seconds of products alone */
    double rate;     /* best so far, fma a second */
} trial;

static int8_t draw_factor(trial *t)
{
    t->random = t->random * 1664525u + 1013904223u;
    return (int8_t)((int)(t->random >> 24) % 5 - 2);
}

static void draw_factors(trial *t, factors *f, product p)
{
    for (int r = 0; r < 2; r++) {
        for (size_t i = 0; i < p.m; i++) f->a[r][i] = draw_factor(t);
        for (size_t i = 0; i < p.n; i++) f->b[r][i] = draw_factor(t);
        for (size_t i = 0; i < p.k; i++) {
            f->p[r][i] = draw_factor(t);
            f->q[r][i] = draw_factor(t);
        }
    }
}

static void fill_operands(const factors *f, product p, float *a, float *b)
{
    for (size_t i = 0; i < p.m; i++)
        for (size_t k = 0; k < p.k; k++)
            a[p.a_turned ? k * p.m + i : i * p.k + k] = (float)(f->a[0][i] * f->p[0][k] + f->a[1][i] * f->p[1][k]);
    for (size_t k = 0; k < p.k; k++)
        for (size_t j = 0; j < p.n; j++)
            b[p.b_turned ? j * p.k + k : k * p.n + j] = (float)(f->q[0][k] * f->b[0][j] + f->q[1][k] * f->b[1][j]);
}

static float c_before(size_t i, size_t j) { return (float)((int)((7 * i + 3 * j) % 11) - 5); }

enum { BAND = 64 }; /* elements behind C, which must stay */

/* Bytes behind each buffer: under a wrong row kernels write there, which on a processor is the program's own heap. */
static uint64_t slack_bytes(product p)
{
    const uint64_t most = 16 << 20, block = 256;
    const uint64_t elements = (p.m / block + 1) * (p.n / block + 1) * block * block;
    return 4 * elements * sizeof(float) < most ? 4 * elements * sizeof(float) : most;
}

/* Elements of C that are wrong, and stray writes. */
static size_t count_wrong(const factors *f, product p, bool add, const float *c)
{
    int sum[2][2] = {{0}};
    size_t wrong = 0;
    for (size_t k = 0; k < p.k; k++)
        for (int x = 0; x < 2; x++)
            for (int y = 0; y < 2; y++) sum[x][y] += f->p[x][k] * f->q[y][k];
    for (size_t i = 0; i < p.m; i++)
        for (size_t j = 0; j < p.n; j++) {
            int is = 0;
            for (int x = 0; x < 2; x++)
                for (int y = 0; y < 2; y++) is += f->a[x][i] * f->b[y][j] * sum[x][y];
            wrong += !(c[i * p.n + j] == (float)is + (add ? c_before(i, j) : 0));
        }
    for (size_t i = 0; i < BAND; i++) wrong += c[p.m * p.n + i] == c[p.m * p.n + i];
    return wrong;
}

typedef struct buffers {
    float *host[3];
    mem device[3], temporary;
    factors f;
} buffers;

static tas_status buffers_open(tas_device *device, product p, buffers *b)
{
    const uint64_t elements[] = {(uint64_t)p.m * p.k, (uint64_t)p.k * p.n, (uint64_t)p.m * p.n + BAND};
    int8_t **const vector[] = {b->f.a, b->f.b, b->f.p, b->f.q};
    const size_t length[] = {p.m, p.n, p.k, p.k};
    bool there = true;
    tas_status status = TAS_OK;
    for (int i = 0; i < 8; i++) there &= (vector[i / 2][i % 2] = malloc(length[i / 2])) != NULL;
    for (int i = 0; i < 3; i++) there &= (b->host[i] = malloc((size_t)elements[i] * sizeof(float))) != NULL;
    if (!there) return fail(device->context, TAS_NO_MEMORY, "no memory to test CLBlast");
    const uint64_t temporary = temporary_bytes(device, p), slack = slack_bytes(p); /* none of it of the ledger */
    for (int i = 0; i < 3 && !status; i++)
        status = device->driver->alloc(device, elements[i] * sizeof(float) + slack, &b->device[i]);
    if (!status && temporary) status = device->driver->alloc(device, temporary + slack, &b->temporary);
    return status;
}

static void buffers_close(tas_device *device, buffers *b)
{
    int8_t **const vector[] = {b->f.a, b->f.b, b->f.p, b->f.q};
    for (int i = 0; i < 8; i++) free(vector[i / 2][i % 2]);
    for (int i = 0; i < 3; i++) {
        free(b->host[i]);
        if (b->device[i].cl) device->driver->release(device, &b->device[i]);
    }
    if (b->temporary.cl) device->driver->release(device, &b->temporary);
}

/* One product, with C full of NaN or, where add, of integers. Says in why what was wrong; "" where nothing was. */
static tas_status try_product(tas_device *device, product p, bool add, buffers *b, double *seconds, char *why,
                              size_t bytes)
{
    const device_driver *driver = device->driver;
    const uint64_t written[] = {p.m * p.k * sizeof(float), p.k * p.n * sizeof(float),
                                (p.m * p.n + BAND) * sizeof(float)};
    float *const c = b->host[2];
    fill_operands(&b->f, p, b->host[0], b->host[1]);
    for (size_t i = 0; i < p.m; i++)
        for (size_t j = 0; j < p.n; j++) c[i * p.n + j] = add ? c_before(i, j) : __builtin_nanf("");
    for (size_t i = 0; i < BAND; i++) c[p.m * p.n + i] = __builtin_nanf("");
    tas_status status = TAS_OK;
    for (int i = 0; i < 3 && !status; i++)
        status = driver->write(device, &b->device[i], 0, b->host[i], written[i], true);
    if (status) return status;

    const double start = now_seconds();
    CLBlastStatusCode error = multiply(device, p, &b->device[0], &b->device[1], add, &b->device[2], &b->temporary);
    if (!error) status = driver->finish(device);
    *seconds = now_seconds() - start;
    if (!status && !error) status = driver->read(device, &b->device[2], 0, c, written[2]);
    if (status) return status;
    const size_t wrong = error ? 0 : count_wrong(&b->f, p, add, c);
    if (error)
        snprintf(why, bytes, "status %d for a product of %zu x %zu x %zu", (int)error, p.m, p.n, p.k);
    else if (wrong)
        snprintf(why, bytes, "%zu elements of %zu are wrong in a product of %zu x %zu x %zu%s%s", wrong, p.m * p.n, p.m,
                 p.n, p.k, p.a_turned ? ", A turned" : "", p.b_turned ? ", B turned" : "");
    return TAS_OK;
}

/* One shape in the three forms that the launchers use. Only the second run of each is timed: kernels are built in the
 * first. */
static tas_status try_shape(tas_device *device, trial *t, const size_t shape[3], char *why, size_t bytes)
{
    static const bool forms[][2] = {{false, true}, {false, false}, {true, false}};
    tas_status status = TAS_OK;
    for (int f = 0; f < 3 && !status && !why[0]; f++) {
        const product p = {forms[f][0], forms[f][1], shape[0], shape[1], shape[2]};
        buffers b = {0};
        status = buffers_open(device, p, &b);
        if (!status) draw_factors(t, &b.f, p);
        for (int add = 0; add < 2 && !status && !why[0]; add++) {
            double seconds = 0;
            if (t->products + (t->rate > 0 ? work_of(p) / t->rate : 0) > PRODUCTS_SECONDS ||
                now_seconds() - t->start > ALL_SECONDS) {
                snprintf(why, bytes, "too slow for its self-test (%.3g Gflop/s; the next product is %zu x %zu x %zu)",
                         2e-9 * t->rate, p.m, p.n, p.k);
                break;
            }
            status = try_product(device, p, add, &b, &seconds, why, bytes);
            if (add) t->products += seconds;
            if (add && work_of(p) > t->rate * seconds) t->rate = work_of(p) / seconds;
        }
        buffers_close(device, &b);
    }
    return status;
}

tas_status clblast_self_test(tas_device *device, bool *right, char *why, size_t bytes)
{
    static const size_t small[][3] = {{1, 1, 1},      {1, 63, 7},     {7, 1, 64},     {63, 7, 1},
                                      {65, 63, 7},    {64, 64, 64},   {1, 256, 256},  {129, 65, 63},
                                      {63, 256, 129}, {256, 129, 65}, {128, 128, 128}};
    trial t = {.random = 1, .start = now_seconds()};
    tas_status status = TAS_OK;
    why[0] = 0;
    for (size_t i = 0; i < sizeof small / sizeof *small && !status && !why[0]; i++)
        status = try_shape(device, &t, small[i], why, bytes);

    /* Above the edge CLBlast pads and turns its operands for another kernel; the last shape needs neither. */
    const size_t e = !status && !why[0] ? clblast_indirect_edge(device) : 0;
    const size_t even = (e + 255) / 256 * 256;
    const size_t large[][3] = {
        {e, e, e}, {e / 2, 2 * e + 1, e + 7}, {2 * e + 1, e + 64, e / 2 + 1}, {even, even, even}};
    for (size_t i = 0; i < sizeof large / sizeof *large && e && !status && !why[0]; i++)
        status = try_shape(device, &t, large[i], why, bytes);

    if (status && !why[0]) snprintf(why, bytes, "%s", tas_error(device->context)); /* the device's trouble is a no */
    *right = !why[0];
    return TAS_OK;
}

/* Opening and closing -------------------------------------------------------------------------------------------------
 */

const char *clblast_unused(const tas_device *device)
{
    const struct cl_device *cl = device->cl;
    const state *s = cl ? cl->providers : NULL;
    return !s ? "it was not asked for" : s->used ? NULL : s->why;
}

tas_status cl_override_clblast(tas_device *device)
{
    struct cl_device *cl = device->cl;
    bool right = false;
    state *s = cl->providers = calloc(1, sizeof *s);
    if (!s) return fail(device->context, TAS_NO_MEMORY, "%s: no memory for CLBlast", device->info.id);

    note(device->context,
         "%s: building CLBlast's kernels and testing them; this may take several seconds, and up to minutes at first",
         device->info.id);
    tas_status status = clblast_set_row(device, choose_row(device));
    if (!status) status = set_threshold(device);
    if (!status)
        status = clblast_self_test(device, &right, s->why, sizeof s->why);
    else
        snprintf(s->why, sizeof s->why, "%s", tas_error(device->context));
    if (!right) {
        note(device->context, "%s: CLBlast is not used: %s", device->info.id, s->why);
        return TAS_OK;
    }
    s->used = true;
    device->weight_panel = NULL; /* canonical */
    device->launch[OP_DENSE_FORWARD] = forward;
    device->launch[OP_DENSE_BACKWARD_INPUT] = backward_input;
    device->launch[OP_DENSE_BACKWARD_WEIGHTS] = backward_weights;
    device->scratch[OP_DENSE_FORWARD] = forward_scratch;
    device->scratch[OP_DENSE_BACKWARD_INPUT] = input_scratch;
    device->scratch[OP_DENSE_BACKWARD_WEIGHTS] = weights_scratch;
    return TAS_OK;
}

/* CLBlast keeps programs, and with them their context, until its cache is cleared; left to the end of the process they
 * are released after their driver, which may crash. Another open device then builds its programs again, and no more. */
static void clear_cache(void)
{
    pthread_mutex_lock(&one_at_a_time);
    CLBlastClearCache();
    pthread_mutex_unlock(&one_at_a_time);
}

/* What the self-test told of the device stays true of it. */
tas_status cl_reopen_providers(tas_device *device, tas_status (*renew)(tas_device *device))
{
    const state *s = ((struct cl_device *)device->cl)->providers;
    if (s) clear_cache();
    tas_status status = renew(device);
    if (!status && s && s->used) status = clblast_set_row(device, choose_row(device));
    if (!status && s && s->used) status = set_threshold(device);
    return status;
}

void cl_close_providers(tas_device *device)
{
    struct cl_device *cl = device->cl;
    if (!cl->providers) return;
    clear_cache();
    free(cl->providers);
    cl->providers = NULL;
}
