/* Dense products by CLBlast, on a device opened with TAS_ARITH_FAST. Results are then right within a tolerance:
 * CLBlast may use mad, adds its sum to C at the end, and has no granules. Results are not flushed by rule 8 of the
 * contract (0 or at least 2^-40), so a device that keeps denormals may compute with them.
 *
 * CLBlast 1.5.3 computes wrong products for some of its own tuning rows, and returns success (CLBlast#533, #542).
 * So a row is set here, and CLBlast is only used if integer-valued products are exact.
 *
 * Matrices are canonical, row-major. */
#include "device/opencl/launchers/clblast.h"

#include "device/opencl/errors.h"
#include "device/opencl/fork.h"
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"
#include "device/opencl/rehearse.h"
#include "device/profile.h"
#include "device/variant.h"
#include "ops/dense.h"

#include <clblast_c.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_EDGE = 4096 };

enum { PRODUCTS = 5 };

struct clblast_state {
    bool used;
    char why[400];             /* not */
    launcher kernel[PRODUCTS]; /* the launchers of kernels that are replaced, in the order of `products` */
    void (*name_variant)(const tas_device *device, op_id op, int variant, char *name);
};

/* CLBlast's caches belong to the process, so calls from the threads of several contexts are serialized. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static clblast_product forward_product(const op_args *a)
{
    return (clblast_product){false, true, a->n, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]};
}
static clblast_product input_product(const op_args *a)
{
    return (clblast_product){false, false, a->n, a->size[DENSE_INPUTS], a->size[DENSE_OUTPUTS]};
}
static clblast_product weights_product(const op_args *a)
{
    return (clblast_product){true, false, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS], a->n};
}

static CLBlastTranspose turned(bool is) { return is ? CLBlastTransposeYes : CLBlastTransposeNo; }
static size_t a_stride(clblast_product p) { return p.a_turned ? p.m : p.k; }
static size_t b_stride(clblast_product p) { return p.b_turned ? p.k : p.n; }

/* CLBlast's kernels index with int. */
static bool is_indexable(clblast_product p)
{
    const uint64_t most = INT32_MAX - (1 << 20), mk = (uint64_t)p.m * p.k, kn = (uint64_t)p.k * p.n,
                   mn = (uint64_t)p.m * p.n;
    return mk < most && kn < most && mn < most;
}

/* Bytes that CLBlast wants beside the operands. Where it would not tell: 0, and the call itself then fails. */
uint64_t clblast_temporary_bytes(tas_device *device, clblast_product p)
{
    opencl_device *cl = device->cl;
    size_t bytes = 0;
    pthread_mutex_lock(&one_at_a_time);
    CLBlastStatusCode error =
        CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, turned(p.a_turned), turned(p.b_turned), p.m, p.n, p.k, 0,
                                   a_stride(p), 0, b_stride(p), 0, p.n, &cl->queue, &bytes);
    pthread_mutex_unlock(&one_at_a_time);
    return error ? 0 : bytes;
}

/* beta is 0, and C is only written; or 1, and the sums are added to it. */
int clblast_multiply(tas_device *device, clblast_product p, const mem *a, const mem *b, float beta, const mem *c,
                     const mem *temporary)
{
    opencl_device *cl = device->cl;
    cl_mem space = temporary && temporary->bytes ? temporary->cl : NULL; /* NULL: CLBlast allocates its own, if it
                                                                          * needs any */
    pthread_mutex_lock(&one_at_a_time);
    CLBlastStatusCode error = CLBlastSgemmWithTempBuffer(CLBlastLayoutRowMajor, turned(p.a_turned), turned(p.b_turned),
                                                         p.m, p.n, p.k, 1.0f, a->cl, 0, a_stride(p), b->cl, 0,
                                                         b_stride(p), beta, c->cl, 0, p.n, &cl->queue, NULL, space);
    pthread_mutex_unlock(&one_at_a_time);
    return error;
}

/* ---- Operations ---- */

static tas_status run_product(tas_device *device, clblast_product p, const mem *a, const mem *b, float beta,
                              const mem *c, const mem *scratch)
{
    if (fork_is_child()) return fork_check(device->context);
    if (!is_indexable(p))
        return fail(device->context, TAS_DEVICE_FAILED, "%s: CLBlast cannot index a product of %zu x %zu x %zu",
                    device->info.id, p.m, p.n, p.k);
    CLBlastStatusCode error = clblast_multiply(device, p, a, b, beta, c, scratch);
    /* the event that CLBlast returns is that of its last kernel only, so the time stays unknown */
    if (!error && is_profiled(device)) profile_count(device->profile, "clblast", 0);
    if (!error) return TAS_OK;
    char call[128];
    snprintf(call, sizeof call, "CLBlastSgemm of %zu x %zu x %zu", p.m, p.n, p.k);
    if (error >= CLBlastInvalidValue) return error_fail(device, (cl_int)error, call); /* OpenCL's own numbers */
    return fail(device->context, error == CLBlastTempBufferAllocFailure ? TAS_NO_MEMORY : TAS_DEVICE_FAILED,
                "%s: %s: CLBlast status %d", device->info.id, call, (int)error);
}

/* Runs a kernel over so many elements whose first arguments are given. */
static tas_status run_rows(tas_device *device, const char *name, uint64_t count, launch_args args)
{
    const opencl_device *cl = device->cl;
    cl_kernel kernel;
    const tas_status status = program_get_grouped(device, "clblast", name, &kernel);
    if (status) return status;
    launch_add(&args, A_U32((uint32_t)count));
    return launch_kernel(device, kernel, launch_line(cl->group, (size_t)count), &args);
}

static tas_status end_with_relu(tas_device *device, const op_args *a, uint64_t count, const mem *y)
{
    return a->relu ? run_rows(device, "relu_rows", count, ARGS(A_MEM(y))) : TAS_OK;
}

static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const clblast_product p = forward_product(a);
    const uint64_t count = (uint64_t)p.m * p.n;
    cl_kernel kernel;
    if (!is_indexable(p)) return run_product(device, p, &m[0], &m[1], 1, &m[3], scratch);
    tas_status status = program_get_grouped(device, "clblast", "bias_rows", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[2]), A_MEM(&m[3]), A_U32((uint32_t)count), A_U32(a->size[DENSE_OUTPUTS]));
    status = launch_kernel(device, kernel, launch_line(cl->group, (size_t)count), &args);
    if (!status) status = run_product(device, p, &m[0], &m[1], 1, &m[3], scratch);
    return status ? status : end_with_relu(device, a, count, &m[3]);
}

static tas_status forward_no_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const clblast_product p = forward_product(a);
    const tas_status status = run_product(device, p, &m[0], &m[1], 0, &m[2], scratch);
    return status ? status : end_with_relu(device, a, (uint64_t)p.m * p.n, &m[2]);
}

/* An x that the product replaces is kept at the end of the scratch memory, behind what CLBlast wants. */
static tas_status backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const clblast_product p = input_product(a);
    const uint64_t count = (uint64_t)p.m * p.n;
    const uint32_t at = a->replaces ? (uint32_t)(scratch->bytes / sizeof(float) - count) : 0;
    const mem *x = a->replaces ? scratch : &m[3];
    tas_status status = TAS_OK;
    if (a->replaces) status = run_rows(device, "keep_rows", count, ARGS(A_MEM(&m[3]), A_MEM(scratch), A_U32(at)));
    if (!status) status = run_product(device, p, &m[0], &m[1], 0, &m[2], scratch);
    if (!status && a->masked) status = run_rows(device, "mask_rows", count, ARGS(A_MEM(x), A_MEM(&m[2]), A_U32(at)));
    return status;
}

/* Everything is added to the total; m[3], the partial sums, is not used. */
static tas_status backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    return run_product(device, weights_product(a), &m[1], &m[0], a->first ? 1 : 0, &m[2], scratch);
}

/* The biases are left to the kernel, which is exact. */
static tas_status backward_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    op_args args = *a;
    args.op = OP_DENSE_BACKWARD_BIAS;
    return device->launch[args.op](device, &args, m, scratch);
}

static tas_status backward_parameters(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    return launch_parameters(device, a, m, scratch, backward_weights, backward_bias);
}

/* Bytes for tiles of up to so many examples. CLBlast copies operands that do not fill its blocks, and so wants more for
 * some numbers of examples than for the next one. */
static uint64_t temporary_bytes(tas_device *device, const op_args *a, clblast_product (*product)(const op_args *))
{
    op_args less = *a;
    if (less.n > 1) less.n--;
    const uint64_t bytes = clblast_temporary_bytes(device, product(a));
    const uint64_t others = clblast_temporary_bytes(device, product(&less));
    return bytes > others ? bytes : others;
}

static uint64_t forward_scratch(tas_device *device, const op_args *a)
{
    return temporary_bytes(device, a, forward_product);
}
/* Whether a masking x is replaced is not known yet. */
static uint64_t input_scratch(tas_device *device, const op_args *a)
{
    const uint64_t wanted = block_count(temporary_bytes(device, a, input_product), sizeof(float));
    return (wanted + (a->masked ? (uint64_t)a->n * a->size[DENSE_INPUTS] : 0)) * sizeof(float);
}
static uint64_t weights_scratch(tas_device *device, const op_args *a)
{
    return temporary_bytes(device, a, weights_product);
}

static uint64_t parameters_scratch(tas_device *device, const op_args *a)
{
    const op_scratch bias = device->scratch[OP_DENSE_BACKWARD_BIAS];
    const uint64_t weights = weights_scratch(device, a), other = bias ? bias(device, a) : 0;
    return weights > other ? weights : other;
}

/* ---- Parameters ---- */

static tas_status override(tas_device *device, const char *kernel, size_t count, const char **names,
                           const size_t *values)
{
    const opencl_device *cl = device->cl;
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

/* The edge of a cube from which Xgemm is used. On processors neither kernel is faster, and a small edge makes the
 * self-test quick. On other devices CLBlast's own value stays. */
static tas_status set_threshold(tas_device *device)
{
    const opencl_device *cl = device->cl;
    const char *name = "XGEMM_MIN_INDIRECT_SIZE";
    const size_t edge = 64;
    return cl->cpu ? override(device, "GemmRoutine", 1, &name, &edge) : TAS_OK;
}

/* Best first. Kernel 0 in each; processors do not gain from local memory, and barriers cost them time. */
// clang-format off
static const clblast_row cpu_row =
    {.kreg = 1, .kwg = 32, .kwi = 2, .mdima = 8, .mdimc = 8,
     .mwg = 32, .ndimb = 8, .ndimc = 8, .nwg = 64, .vwm = 4, .vwn = 4};
static const clblast_row gpu_rows[] = {
    {.kreg = 1, .kwg = 32, .kwi = 2, .mdima = 16, .mdimc = 16, .mwg = 64, .ndimb = 8, .ndimc = 8, .nwg = 64,
     .sa = 1, .sb = 1, .vwm = 4, .vwn = 4},
    {.kreg = 1, .kwg = 32, .kwi = 2, .mdima = 8, .mdimc = 8, .mwg = 32, .ndimb = 8, .ndimc = 8, .nwg = 32,
     .sa = 1, .sb = 1, .vwm = 4, .vwn = 4},
};
static const clblast_row least_row =
    {.kreg = 1, .kwg = 16, .kwi = 2, .mdima = 4, .mdimc = 4,
     .mwg = 16, .ndimb = 4, .ndimc = 4, .nwg = 16, .vwm = 4, .vwn = 4};
// clang-format on

static bool row_fits(const tas_device *device, const clblast_row *row)
{
    const uint64_t local = (row->sa * row->mwg + row->sb * row->nwg) * row->kwg * sizeof(float);
    return row->mdimc * row->ndimc <= device->info.max_group && local <= device->info.local_bytes;
}

static const clblast_row *choose_row(const tas_device *device)
{
    const opencl_device *cl = device->cl;
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
        if (clblast_temporary_bytes(device, (clblast_product){false, false, edge, edge, edge})) return edge;
    return 0;
}

/* ---- Opening and closing ---- */

const char *clblast_unused(const tas_device *device)
{
    const opencl_device *cl = device->cl;
    const struct clblast_state *s = cl ? cl->clblast : NULL;
    return !s ? "it was not asked for" : s->used ? NULL : s->why;
}

static const launcher products[PRODUCTS + 1] = {
    {OP_DENSE_FORWARD, forward, forward_scratch},
    {OP_DENSE_FORWARD_NO_BIAS, forward_no_bias, forward_scratch},
    {OP_DENSE_BACKWARD_INPUT, backward_input, input_scratch},
    {OP_DENSE_BACKWARD_WEIGHTS, backward_weights, weights_scratch},
    {OP_DENSE_BACKWARD_PARAMETERS, backward_parameters, parameters_scratch},
    {0},
};

static int find_product(op_id op)
{
    int i = 0;
    while (i < PRODUCTS && products[i].op != op) i++;
    return i;
}

/* ---- Beside kernels ---- */

/* CLBlast is the last variant of its operations, behind those of the kernels, and the usual one. On processors it is
 * the only one. */
static bool is_for_kernel(const tas_device *device, const op_args *call)
{
    const int variant = device_choose_variant(device, call);
    return variant >= 0 && variant < device->variants[call->op] - 1;
}

bool clblast_computes(const tas_device *device, const op_args *call)
{
    return !clblast_unused(device) && clblast_provides(call->op) && !is_for_kernel(device, call);
}

static void name_variant(const tas_device *device, op_id op, int variant, char *name)
{
    const struct clblast_state *s = ((opencl_device *)device->cl)->clblast;
    if (clblast_provides(op) && variant == device->variants[op] - 1)
        snprintf(name, VARIANT_NAME, "clblast");
    else
        s->name_variant(device, op, variant, name);
}

static tas_status run(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const opencl_device *cl = device->cl;
    const int i = find_product(a->op);
    if (is_for_kernel(device, a)) return cl->clblast->kernel[i].launch(device, a, m, scratch);
    if (!cl->rehearsal) return products[i].launch(device, a, m, scratch);
    rehearse_choice(cl->rehearsal, device->variants[a->op] - 1);
    rehearse_kernel(cl->rehearsal, "clblast", "sgemm", ""); /* which no case of the self-test launches */
    return a->op == OP_DENSE_BACKWARD_PARAMETERS ? launch_biases(device, a, m, scratch, backward_bias) : TAS_OK;
}

/* If calls may have another variant than the usual one: as much as either needs. */
static uint64_t scratch_of(tas_device *device, const op_args *a)
{
    const int i = find_product(a->op);
    const uint64_t own = products[i].scratch(device, a);
    const op_scratch kernel = ((opencl_device *)device->cl)->clblast->kernel[i].scratch;
    const bool open = device->variants[a->op] && (device->variant >= 0 || device->tuning.find);
    const uint64_t other = open && kernel ? kernel(device, a) : 0;
    return own > other ? own : other;
}

static void install(tas_device *device, struct clblast_state *s)
{
    const opencl_device *cl = device->cl;
    for (int i = 0; i < PRODUCTS; i++) {
        const op_id op = products[i].op;
        s->kernel[i] = (launcher){op, device->launch[op], device->scratch[op]};
        device->launch[op] = run;
        device->scratch[op] = scratch_of;
        device->variants[op] = cl->cpu ? 0 : device->variants[op] + 1;
    }
    s->name_variant = device->name_variant;
    device->name_variant = name_variant;
}

tas_status clblast_open(tas_device *device)
{
    opencl_device *cl = device->cl;
    bool right = false;
    struct clblast_state *s = cl->clblast = calloc(1, sizeof *s);
    if (!s) return fail(device->context, TAS_NO_MEMORY, "%s: no memory for CLBlast", device->info.id);

    note(device->context,
         "%s: building and testing CLBlast's kernels, which takes several seconds, and the first time up to minutes",
         device->info.id);
    tas_status status = clblast_set_row(device, choose_row(device));
    if (!status) status = set_threshold(device);
    if (!status)
        status = clblast_selftest(device, &right, s->why, sizeof s->why);
    else
        snprintf(s->why, sizeof s->why, "%s", tas_error(device->context));
    if (!right) {
        note(device->context, "%s: CLBlast is not used: %s", device->info.id, s->why);
        return TAS_OK;
    }
    s->used = true;
    device->weight_panel = NULL; /* canonical */
    install(device, s);
    return TAS_OK;
}

/* CLBlast keeps programs, and with them their context, until its cache is cleared; at the end of the process they
 * would be released after their driver, which may crash. Another open device then only builds its programs again. */
static void clear_cache(void)
{
    pthread_mutex_lock(&one_at_a_time);
    CLBlastClearCache();
    pthread_mutex_unlock(&one_at_a_time);
}

/* The result of the self-test stays valid. */
tas_status clblast_reopen(tas_device *device, tas_status (*reopen)(tas_device *device))
{
    const struct clblast_state *s = ((opencl_device *)device->cl)->clblast;
    if (s) clear_cache();
    tas_status status = reopen(device);
    if (!status && s && s->used) status = clblast_set_row(device, choose_row(device));
    if (!status && s && s->used) status = set_threshold(device);
    return status;
}

void clblast_close(tas_device *device)
{
    opencl_device *cl = device->cl;
    if (!cl->clblast) return;
    clear_cache();
    free(cl->clblast);
    cl->clblast = NULL;
}

bool clblast_provides(op_id op) { return find_product(op) < PRODUCTS; }
