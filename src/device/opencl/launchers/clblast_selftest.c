/* The self-test of CLBlast's products: integer-valued ones, which must be exact. */
#include "device/opencl/launchers/clblast.h"

#include "device/opencl/opencl.h"

#include <stdlib.h>
#include <string.h>

enum {
    PRODUCTS_SECONDS = 10, /* that the self-test's products may take */
    ALL_SECONDS = 300,     /* with all builds */
};

static double work_of(clblast_product p) { return (double)p.m * (double)p.n * (double)p.k; }

/* Operands of rank two, A = a0 p0' + a1 p1' and B = q0 b0' + q1 b1' with factors from -2 to 2: each element of the
 * product is known from four sums over k, whatever the size, and no partial sum reaches 2^24. */
typedef struct factors {
    int8_t *a[2], *p[2], *q[2], *b[2];
} factors;

typedef struct trial {
    uint32_t random;
    double start;    /* of it all */
    double products; /* seconds of products only */
    double rate;     /* best so far, fma per second */
} trial;

static int8_t draw_factor(trial *t)
{
    t->random = t->random * 1664525u + 1013904223u;
    return (int8_t)((int)(t->random >> 24) % 5 - 2);
}

static void draw_factors(trial *t, factors *f, clblast_product p)
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

static void fill_operands(const factors *f, clblast_product p, float *a, float *b)
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

/* Bytes behind each buffer: with a wrong row kernels write there, which on a processor is the program's own heap. */
static uint64_t slack_bytes(clblast_product p)
{
    const uint64_t most = 16 << 20, block = 256;
    const uint64_t elements = (p.m / block + 1) * (p.n / block + 1) * block * block;
    return 4 * elements * sizeof(float) < most ? 4 * elements * sizeof(float) : most;
}

/* The number of elements of C that are wrong, and of stray writes. */
static size_t count_wrong(const factors *f, clblast_product p, bool add, const float *c)
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

static tas_status buffers_open(tas_device *device, clblast_product p, buffers *b)
{
    const uint64_t elements[] = {(uint64_t)p.m * p.k, (uint64_t)p.k * p.n, (uint64_t)p.m * p.n + BAND};
    int8_t **const vector[] = {b->f.a, b->f.b, b->f.p, b->f.q};
    const size_t length[] = {p.m, p.n, p.k, p.k};
    bool there = true;
    tas_status status = TAS_OK;
    for (int i = 0; i < 8; i++) there &= (vector[i / 2][i % 2] = malloc(length[i / 2])) != NULL;
    for (int i = 0; i < 3; i++) there &= (b->host[i] = malloc((size_t)elements[i] * sizeof(float))) != NULL;
    if (!there) return fail(device->context, TAS_NO_MEMORY, "no memory to test CLBlast");
    const uint64_t temporary = clblast_temporary_bytes(device, p),
                   slack = slack_bytes(p); /* none of it of the ledger */
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

/* One product, with C full of NaN or, if `add`, of integers. why gets what was wrong, or "". */
static tas_status try_product(tas_device *device, clblast_product p, bool add, buffers *b, double *seconds, char *why,
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
    const int error = clblast_multiply(device, p, &b->device[0], &b->device[1], add, &b->device[2], &b->temporary);
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
        const clblast_product p = {forms[f][0], forms[f][1], shape[0], shape[1], shape[2]};
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

tas_status clblast_selftest(tas_device *device, bool *right, char *why, size_t bytes)
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
