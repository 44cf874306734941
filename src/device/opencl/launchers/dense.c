/* Launches of the dense layer's products on processors: cl/dense.cl, dense_few.cl, dense_near.cl. Those for GPUs are in
 * dense_gpu.c. A work-item is a group of its own and computes ROWS x PANEL sums in registers. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/forms.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/dense.h"

enum {
    PACK_ROWS = 32,        /* rows of dY that one work-item of dense_pack_columns packs */
    COPIED_INPUTS = 1024,  /* whose multiples put X's rows into one set of a cache: they are copied, */
    COPIED = 256,          /* so many columns at once */
    PACKED_OUTPUTS = 512,  /* whose multiples put dY's rows into a few sets of a cache: it is packed */
    PACKED_EXAMPLES = 512, /* rows of dY that are packed at once */
    FEW = 4,               /* examples at most for the kernels of dense_few.cl */
    FEW_RUN = 64,          /* inputs of a work-item there */
    NEAR_PANELS = 2,       /* at least for the kernels of dense_near.cl, so that copying costs little */
    NEAR_BLOCKS = 8,       /* of inputs, of a work-item there to the inputs; */
    NEAR_EXAMPLES = 256,   /* of a strip of one to the weights at most; */
    NEAR_FLOATS = 4096,    /* of a panel of dY there, which stay in the level 1 cache */
    FAR_EXAMPLES = 1024,   /* from which on vectors of 16 floats gain by them, too: up to twice the rate */
};

/* Two vectors; one of 16 floats if a layer has no more outputs than that. */
uint32_t dense_weight_panel(const tas_device *device, uint32_t rows, uint32_t cols)
{
    const uint32_t vec = opencl_vector_width(device);
    (void)cols;
    return vec == 16 && rows <= 16 ? 16 : 2 * vec;
}

/* ---- Forms of the kernels ---- */

/* Either rows of a block of sums, 1 for the kernels of dense_near.cl; or examples at most for those of dense_few.cl. */
enum { ROWS, EXAMPLES, NEAR };
static const form forms[] = {
    {"rows-4", {4}},   {"rows-6", {6}},       {"rows-8", {8}},       {"rows-10", {10}},
    {"rows-12", {12}}, {"few-1", {0, 1}},     {"few-2", {0, 2}},     {"few-4", {0, 4}},
    {"few-8", {0, 8}}, {"near-4", {4, 0, 1}}, {"near-6", {6, 0, 1}}, {"near-8", {8, 0, 1}},
};
enum { ROWS_4, ROWS_6, ROWS_8, FEW_1 = 5, FEW_4 = 7, NEAR_6 = 10, NEAR_8, FORMS = sizeof forms / sizeof *forms };

static uint32_t panel_of(const tas_device *device, const op_args *a)
{
    return dense_weight_panel(device, a->size[DENSE_OUTPUTS], a->size[DENSE_INPUTS]);
}

/* Sums, a row of weights and one value fit the registers, or the examples the kernel. */
static bool form_fits(const tas_device *device, const op_args *a, const form *f)
{
    const uint32_t vectors = panel_of(device, a) / opencl_vector_width(device);
    if (f->size[EXAMPLES]) return a->n <= f->size[EXAMPLES];
    if (f->size[NEAR] && a->op != OP_DENSE_BACKWARD_INPUT && a->size[DENSE_GRANULE] > NEAR_EXAMPLES) return false;
    return (f->size[ROWS] + 1) * vectors + 1 <= opencl_vector_registers(device);
}

static const form_table form_list = {forms, FORMS, form_fits}, block_list = {forms, FEW_1, form_fits};

/* Rows of a block. Sums, a row of weights and one value fill 16 registers. Machines with 16 floats per vector have
 * 32, of which 8 rows of two vectors are chains enough. */
static int usual_rows(const tas_device *device) { return opencl_vector_width(device) == 16 ? ROWS_8 : ROWS_6; }

uint32_t dense_block_rows(const tas_device *device) { return forms[usual_rows(device)].size[ROWS]; }

uint32_t dense_panel_group(tas_device *device, uint32_t most, size_t panels, size_t wide)
{
    const size_t items = device_limit(device, device->info.compute_units * 8, 1);
    while (most > 1 && wide * block_count(panels, most) < items) most /= 2;
    return most;
}

static const form *choose_block(const tas_device *device, const op_args *a)
{
    return forms_choose(device, a, usual_rows(device));
}

/* The panels of a gradient: of examples or outputs. */
static uint32_t panels_of(const tas_device *device, const op_args *a)
{
    const uint32_t lanes = a->op == OP_DENSE_BACKWARD_INPUT ? a->n : a->size[DENSE_OUTPUTS];
    return (uint32_t)block_count(lanes, panel_of(device, a));
}

static const form *choose_form(const tas_device *device, const op_args *a)
{
    const bool wide = opencl_vector_width(device) == 16;
    const int near = wide ? NEAR_8 : NEAR_6;
    const bool is_near =
        (!wide || a->n >= FAR_EXAMPLES) && panels_of(device, a) >= NEAR_PANELS && form_fits(device, a, &forms[near]);
    const int usual = a->n == 1 ? FEW_1 : a->n <= FEW ? FEW_4 : is_near ? near : usual_rows(device);
    return forms_choose(device, a, usual);
}

static tas_status get_kernel(tas_device *device, const op_args *a, const form *f, const char *name, cl_kernel *out)
{
    const bool few = f->size[EXAMPLES] > 0;
    char options[64];
    snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u -D %s=%u", opencl_vector_width(device),
             panel_of(device, a), few ? "EXAMPLES" : "ROWS", f->size[few ? EXAMPLES : ROWS]);
    return program_get_kernel(device, few ? "dense_few" : "dense", name, options, out);
}

static uint32_t near_limit(tas_device *device, uint32_t most, uint32_t small)
{
    const uint64_t limit = device_limit(device, most, small);
    return limit < most ? (uint32_t)limit : most;
}

static tas_status launch_near(tas_device *device, const op_args *a, const form *f, const char *name, uint32_t inputs,
                              uint32_t strip, uint32_t group, launch_args *args)
{
    const size_t panels = panels_of(device, a), wide = block_count(a->size[DENSE_INPUTS], inputs);
    char options[64];
    cl_kernel kernel;
    snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u -D ROWS=%u", opencl_vector_width(device),
             panel_of(device, a), f->size[ROWS]);
    tas_status status = program_get_kernel(device, "dense_near", name, options, &kernel);
    if (status) return status;
    group = dense_panel_group(device, group, panels, wide);
    launch_add(args, A_U32(strip));
    launch_add(args, A_U32(group));
    return launch_kernel(device, kernel, launch_single(wide, block_count(panels, group), 1), args);
}

/* Runs a kernel of dense_near.cl on arguments to which its strips and groups are added. */
static tas_status run_near_input(tas_device *device, const op_args *a, const form *f, launch_args *args)
{
    const uint32_t panel = panel_of(device, a), strip = near_limit(device, 128 / panel, 1) * panel;
    return launch_near(device, a, f, "dense_backward_input_near", NEAR_BLOCKS * f->size[ROWS], strip,
                       near_limit(device, 8, 2), args);
}

static tas_status run_near_weights(tas_device *device, const op_args *a, const form *f, launch_args *args)
{
    const uint32_t granule = a->size[DENSE_GRANULE], most = NEAR_FLOATS / panel_of(device, a);
    const uint32_t usual = most < NEAR_EXAMPLES ? most : NEAR_EXAMPLES;
    const uint32_t strip = granule ? granule : near_limit(device, usual, 5);
    return launch_near(device, a, f, "dense_backward_weights_near", DENSE_NEAR_INPUTS, strip,
                       near_limit(device, DENSE_NEAR_PANELS, 2), args);
}

/* ---- Launches ---- */

/* Without a bias, any other buffer stands in its place. */
static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const bool biased = a->op == OP_DENSE_FORWARD;
    const bool copies = a->size[DENSE_INPUTS] % near_limit(device, COPIED_INPUTS, 3) == 0;
    const uint32_t panel = panel_of(device, a);
    const form *f = choose_block(device, a);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, a, f, copies ? "dense_forward_copied" : "dense_forward", &kernel);
    if (status) return status;
    launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[biased ? 2 : 1]), A_MEM(&m[biased ? 3 : 2]), A_U32(a->n),
             A_U32(a->size[DENSE_INPUTS]), A_U32(a->size[DENSE_OUTPUTS]), A_U32(biased), A_LEAST(a));
    if (copies) launch_add(&args, A_U32(near_limit(device, COPIED, 2)));
    return launch_kernel(device, kernel,
                         launch_line(1, block_count(a->n, f->size[ROWS]) * block_count(a->size[DENSE_OUTPUTS], panel)),
                         &args);
}

/* dY in panels of examples, transposed: the lanes of dense_backward_input are examples. */
static uint64_t input_scratch(tas_device *device, const op_args *a)
{
    if (a->n <= FEW && !forms_are_open(device)) return 0;
    const uint32_t panel = panel_of(device, a);
    return block_count(a->n, panel) * panel * (uint64_t)a->size[DENSE_OUTPUTS] * sizeof(float);
}

static tas_status backward_input_few(tas_device *device, const op_args *a, const form *f, const mem *m)
{
    cl_kernel kernel;
    tas_status status = get_kernel(device, a, f, "dense_backward_input_few", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_MASK(a, m), A_U32(a->n),
                                  A_U32(a->size[DENSE_INPUTS]), A_U32(a->size[DENSE_OUTPUTS]), A_U32(a->masked));
    return launch_kernel(device, kernel,
                         launch_line(1, block_count(a->size[DENSE_INPUTS], opencl_vector_width(device))), &args);
}

static tas_status backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t panel = panel_of(device, a);
    const form *f = choose_form(device, a);
    cl_kernel pack, kernel = NULL;
    if (f->size[EXAMPLES]) return backward_input_few(device, a, f, m);
    tas_status status = get_kernel(device, a, f, "dense_pack_rows", &pack);
    if (!status && !f->size[NEAR]) status = get_kernel(device, a, f, "dense_backward_input", &kernel);
    if (status) return status;
    const launch_args packing = ARGS(A_MEM(&m[0]), A_MEM(scratch), A_U32(a->n), A_U32(a->size[DENSE_OUTPUTS]));
    status = launch_kernel(
        device, pack, launch_line(1, block_count(a->n, panel) * block_count(a->size[DENSE_OUTPUTS], panel)), &packing);
    if (status) return status;
    launch_args args = ARGS(A_MEM(scratch), A_MEM(&m[1]), A_MEM(&m[2]), A_MASK(a, m), A_U32(a->n),
                            A_U32(a->size[DENSE_INPUTS]), A_U32(a->size[DENSE_OUTPUTS]), A_U32(a->masked));
    if (f->size[NEAR]) return run_near_input(device, a, f, &args);
    return launch_kernel(device, kernel,
                         launch_line(1, block_count(a->size[DENSE_INPUTS], f->size[ROWS]) * block_count(a->n, panel)),
                         &args);
}

/* Whether dY is packed in panels of outputs: else it is read where it lies. */
static bool packs_outputs(tas_device *device, const op_args *a, const form *f)
{
    return f->size[NEAR] || a->size[DENSE_OUTPUTS] % near_limit(device, PACKED_OUTPUTS, 2) == 0;
}

/* The examples at most of which it is packed at once: whole granules, so that none is left open between them. */
static uint32_t packed_most(tas_device *device, const op_args *a)
{
    const uint32_t most = near_limit(device, PACKED_EXAMPLES, 3), granule = a->size[DENSE_GRANULE];
    const uint32_t whole = granule ? (most < granule ? granule : most / granule * granule) : most;
    return a->n < whole ? a->n : whole;
}

static uint64_t weights_scratch(tas_device *device, const op_args *a)
{
    const form *f = choose_form(device, a);
    if (!forms_are_open(device) && (f->size[EXAMPLES] || !packs_outputs(device, a, f))) return 0;
    const uint32_t panel = panel_of(device, a);
    return block_count(a->size[DENSE_OUTPUTS], panel) * panel * (uint64_t)packed_most(device, a) * sizeof(float);
}

static bool has_bias(const op_args *a) { return a->op == OP_DENSE_BACKWARD_PARAMETERS; }

/* The gradient of the bias (0), and its partial sums (1). Without a bias, those of the weights stand in. */
static const mem *bias_of(const op_args *a, const mem *m, int part) { return &m[(has_bias(a) ? 4 : 2) + part]; }

static tas_status backward_weights_few(tas_device *device, const op_args *a, const form *f, const mem *m)
{
    const uint32_t panel = panel_of(device, a);
    cl_kernel kernel;
    tas_status status = get_kernel(device, a, f, "dense_backward_weights_few", &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[1]), A_MEM(&m[0]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(bias_of(a, m, 0)), A_MEM(bias_of(a, m, 1)),
             A_U32(a->n), A_U32(a->size[DENSE_INPUTS]), A_U32(a->size[DENSE_OUTPUTS]), A_U32(a->first), A_U32(a->batch),
             A_U32(a->size[DENSE_GRANULE]), A_U32(!has_bias(a)));
    return launch_kernel(
        device, kernel,
        launch_single(block_count(a->size[DENSE_INPUTS], FEW_RUN), block_count(a->size[DENSE_OUTPUTS], panel), 1),
        &args);
}

/* Rows of dY: the first of them, and how kernels find the others. */
typedef struct dy_rows {
    mem at;
    uint32_t panel_apart, pitch, end;
} dy_rows;

static tas_status pack_outputs(tas_device *device, const op_args *a, const form *f, uint32_t from, uint32_t count,
                               const mem *m, const mem *scratch, dy_rows *out)
{
    const uint32_t panel = panel_of(device, a), outputs = a->size[DENSE_OUTPUTS];
    const uint32_t panels = (uint32_t)block_count(outputs, panel);
    cl_kernel kernel;
    *out = (dy_rows){*scratch, panel * count, panel, panels * panel * count};
    tas_status status = get_kernel(device, a, f, "dense_pack_columns", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[1]), A_MEM(scratch), A_U32(from), A_U32(count), A_U32(outputs));
    return launch_kernel(device, kernel, launch_line(1, panels * block_count(count, PACK_ROWS)), &args);
}

/* Of `count` examples of the tile, which are rows of dY. */
static tas_status backward_weights_of(tas_device *device, const op_args *a, const form *f, uint32_t from,
                                      uint32_t count, const mem *m, const dy_rows *dy)
{
    const uint32_t outputs = a->size[DENSE_OUTPUTS], inputs = a->size[DENSE_INPUTS];
    cl_kernel kernel = NULL;
    tas_status status = f->size[NEAR] ? TAS_OK : get_kernel(device, a, f, "dense_backward_weights", &kernel);
    if (status) return status;
    launch_args args =
        ARGS(A_MEM(&dy->at), A_MEM(&m[0]), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(bias_of(a, m, 0)), A_MEM(bias_of(a, m, 1)),
             A_U32(from), A_U32(count), A_U32(inputs), A_U32(outputs), A_U32(a->first + from), A_U32(a->batch),
             A_U32(a->size[DENSE_GRANULE]), A_U32(!has_bias(a)));
    if (f->size[NEAR]) return run_near_weights(device, a, f, &args);
    launch_add(&args, A_U32(dy->panel_apart));
    launch_add(&args, A_U32(dy->pitch));
    launch_add(&args, A_U32(dy->end));
    return launch_kernel(device, kernel,
                         launch_line(1, block_count(inputs, f->size[ROWS]) * block_count(outputs, panel_of(device, a))),
                         &args);
}

static tas_status backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const form *f = choose_form(device, a);
    const uint32_t outputs = a->size[DENSE_OUTPUTS];
    dy_rows dy = {m[1], panel_of(device, a), outputs, a->n * outputs};
    if (f->size[EXAMPLES]) return backward_weights_few(device, a, f, m);
    if (!packs_outputs(device, a, f)) return backward_weights_of(device, a, f, 0, a->n, m, &dy);
    const uint32_t most = packed_most(device, a), granule = a->size[DENSE_GRANULE] ? a->size[DENSE_GRANULE] : 1;
    tas_status status = TAS_OK;
    for (uint32_t from = 0, count; from < a->n && !status; from += count) {
        count = a->n - from;
        if (count > most) count = most - (a->first + from + most) % granule;
        status = pack_outputs(device, a, f, from, count, m, scratch, &dy);
        if (!status) status = backward_weights_of(device, a, f, from, count, m, &dy);
    }
    return status;
}

static tas_status backward_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    const uint32_t panel = panel_of(device, a);
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, a, &forms[usual_rows(device)], "dense_backward_bias", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->n), A_U32(a->size[DENSE_OUTPUTS]),
                                  A_U32(a->first), A_U32(a->batch), A_U32(a->size[DENSE_GRANULE]));
    return launch_kernel(device, kernel, launch_line(1, block_count(a->size[DENSE_OUTPUTS], panel)), &args);
}

const launcher dense_launchers[] = {
    {OP_DENSE_FORWARD, forward, NULL},
    {OP_DENSE_FORWARD_NO_BIAS, forward, NULL},
    {OP_DENSE_BACKWARD_INPUT, backward_input, input_scratch},
    {OP_DENSE_BACKWARD_WEIGHTS, backward_weights, weights_scratch},
    {OP_DENSE_BACKWARD_PARAMETERS, backward_weights, weights_scratch},
    {OP_DENSE_BACKWARD_BIAS, backward_bias, NULL},
    {0},
};

void dense_install_forms(tas_device *device)
{
    forms_install(device, &block_list, OP_DENSE_FORWARD, OP_DENSE_FORWARD_NO_BIAS);
    forms_install(device, &form_list, OP_DENSE_BACKWARD_INPUT, OP_DENSE_BACKWARD_PARAMETERS);
}
