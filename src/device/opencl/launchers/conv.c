/* Launches of convolutions on processors: cl/conv.cl, conv_weights.cl, conv_pack.cl. Those for GPUs are in
 * conv_gpu.c. The kernel and its blocks depend on sizes and on the device's vectors; the sums, and so the bits, do
 * not. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/depthwise.h"
#include "device/opencl/launchers/forms.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/window.h"

enum { PACK_RUN = 64, WEIGHT_BLOCKS = 12, BIAS_OUTPUTS = 4 }; /* as in the kernels */

static uint32_t outputs_of(const op_args *a) { return a->size[WINDOW_O] / a->size[WINDOW_GROUPS]; }
static uint32_t channels_of(const op_args *a) { return a->size[WINDOW_C] / a->size[WINDOW_GROUPS]; }
static uint32_t taps_of(const op_args *a) { return a->size[WINDOW_KH] * a->size[WINDOW_KW]; }
static uint32_t positions_of(const op_args *a) { return a->size[WINDOW_OH] * a->size[WINDOW_OW]; }

static void add_geometry(launch_args *args, const op_args *a)
{
    for (int i = 0; i <= WINDOW_GROUPS; i++) launch_add(args, A_U32(a->size[i]));
}

/* A vector of 16 floats fills a cache line; half of one holds up to 8 examples. Narrower ones are used in pairs, which
 * compute more products per load, except if one is enough, or if a pair would leave an eighth of all lanes empty that
 * one does not. */
uint32_t conv_batch_panel(const tas_device *device, uint32_t tile)
{
    const uint32_t vec = opencl_vector_width(device);
    const uint64_t one = block_count(tile, vec) * (uint64_t)vec, two = block_count(tile, 2 * vec) * 2 * (uint64_t)vec;
    if (tile == 1) return 1;
    if (vec == 16 && tile <= vec / 2) return vec / 2;
    return vec == 16 || tile <= vec || (two - one) * 8 > two ? vec : 2 * vec;
}

uint32_t conv_vector_width(const tas_device *device, const op_args *a)
{
    const uint32_t vec = opencl_vector_width(device), panel = op_panel_width(a);
    return panel > 1 && panel < vec ? panel : vec;
}

/* The block size in the list that leaves the fewest sums empty; `more` is the cost of a block besides its rows. */
static uint32_t best_block(const uint32_t *list, int length, uint32_t rows, uint32_t more)
{
    uint32_t best = list[0];
    for (int i = 1; i < length; i++)
        if (block_count(rows, list[i]) * (list[i] + more) <= block_count(rows, best) * (best + more)) best = list[i];
    return best;
}
#define BEST_BLOCK(list, rows, more) best_block(list, (int)(sizeof(list) / sizeof *(list)), rows, more)

/* ---- Forward, and back to the input ---- */

/* Rows of a block, or vectors of rows if a panel is one example. */
enum { ROWS, VECTORS };
static const form forms[] = {
    {"rows-4", {4}},   {"rows-5", {5}},   {"rows-6", {6}},       {"rows-8", {8}},       {"rows-10", {10}},
    {"rows-12", {12}}, {"rows-16", {16}}, {"vectors-1", {0, 1}}, {"vectors-2", {0, 2}}, {"vectors-4", {0, 4}},
};
enum { FORMS = sizeof forms / sizeof *forms };

/* Sums, one value per vector and one more fit the registers. */
static bool form_fits(const tas_device *device, const op_args *a, const form *f)
{
    const uint32_t vectors = op_panel_width(a) / conv_vector_width(device, a);
    if (window_is_depthwise(a) || (op_panel_width(a) == 1) != (f->size[VECTORS] > 0)) return false;
    return f->size[VECTORS] || (f->size[ROWS] + 1) * vectors + 1 <= opencl_vector_registers(device);
}

static const form_table form_list = {forms, FORMS, form_fits};

static int find_form(int place, uint32_t size)
{
    int i = 0;
    while (i < FORMS - 1 && forms[i].size[place] != size) i++;
    return i;
}

enum { NEAR_DEPTH = 384 }; /* of 16 rows: 24 KB of weights */

/* As many rows as fit the registers beside one value per vector, and leave few sums of the last block empty. The lists
 * are short, since each size is a kernel to build. Blocks of 16 rows, for vectors of 16 floats, are slower than smaller
 * ones if their weights, `depth` per row, leave the nearest cache no room for values. */
static int usual_form(const tas_device *device, const op_args *a, uint32_t rows, uint64_t depth)
{
    static const uint32_t many[] = {4, 8, 10, 12, 16}, few[] = {4, 5, 6}, vectors[] = {1, 2, 4};
    const uint32_t vec = opencl_vector_width(device);
    if (op_panel_width(a) == 1) return find_form(VECTORS, BEST_BLOCK(vectors, (uint32_t)block_count(rows, vec), 1));
    const bool single = vec == 16 || op_panel_width(a) == vec;
    const int length = vec == 16 && depth <= NEAR_DEPTH ? 5 : 4;
    return find_form(ROWS, single ? best_block(many, length, rows, 1) : BEST_BLOCK(few, rows, 1));
}

static uint32_t rows_of(const tas_device *device, const form *f)
{
    return f->size[VECTORS] ? f->size[VECTORS] * opencl_vector_width(device) : f->size[ROWS];
}

static uint32_t rows_for(const tas_device *device, const op_args *a, uint32_t rows, uint32_t places)
{
    return rows_of(device, forms_choose(device, a, usual_form(device, a, rows, (uint64_t)places * taps_of(a))));
}

/* The layout of weights in packed blocks: conv_pack_weights. */
typedef struct packing {
    uint32_t block, rows, depth, row_step, depth_step;
} packing;

static packing packing_of(const tas_device *device, const op_args *a)
{
    const uint32_t outputs = outputs_of(a), channels = channels_of(a), taps = taps_of(a);
    if (a->op != OP_CONV_BACKWARD_INPUT)
        return (packing){rows_for(device, a, outputs, channels), outputs, channels, channels * taps, taps};
    return (packing){rows_for(device, a, channels, outputs), channels, outputs, taps, channels * taps};
}

static uint64_t packed_scratch(tas_device *device, const op_args *a)
{
    if (window_is_depthwise(a)) return 0;
    const packing p = packing_of(device, a);
    uint64_t most = block_count(p.rows, p.block) * p.block;
    for (int i = 0; i < FORMS && forms_are_open(device); i++) {
        const uint64_t block = rows_of(device, &forms[i]), padded = block_count(p.rows, block) * block;
        if (form_fits(device, a, &forms[i]) && padded > most) most = padded;
    }
    return most * a->size[WINDOW_GROUPS] * p.depth * taps_of(a) * sizeof(float);
}

static tas_status get_kernel(tas_device *device, const op_args *a, const char *name, uint32_t vec, cl_kernel *out)
{
    char options[64];
    snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u", vec, op_panel_width(a));
    return program_get_kernel(device, "conv_pack", name, options, out);
}

/* Lines of a window are so short that counting their taps takes long. Those of other lengths are rare, and each length
 * is a kernel to build; with vectors of 16 floats, none was measured. */
static tas_status get_product(tas_device *device, const op_args *a, const char *name, uint32_t rows, cl_kernel *out)
{
    const uint32_t vec = conv_vector_width(device, a), panel = op_panel_width(a), kw = a->size[WINDOW_KW];
    char options[64];
    snprintf(options, sizeof options, "-D VEC=%u -D PANEL=%u -D ROWS=%u -D TAPS=%u", vec, panel, rows,
             opencl_vector_width(device) < 16 && panel > 1 && (kw == 3 || kw == 5) ? kw : 0);
    return program_get_kernel(device, "conv", name, options, out);
}

static tas_status pack_weights(tas_device *device, const op_args *a, const packing *p, const mem *w, const mem *scratch)
{
    const uint32_t taps = taps_of(a), run = 1 + (uint32_t)device_limit(device, 1024, 1) / (taps * p->block);
    cl_kernel kernel;
    tas_status status = get_kernel(device, a, "conv_pack_weights", opencl_vector_width(device), &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(w), A_MEM(scratch), A_U32(p->block), A_U32(p->rows), A_U32(p->depth),
                                  A_U32(taps), A_U32(p->row_step), A_U32(p->depth_step), A_U32(run));
    launch_range range = launch_line(1, a->size[WINDOW_GROUPS] * block_count(p->rows, p->block));
    range.global[1] = block_count(p->depth, run);
    range.local[1] = 1;
    return launch_kernel(device, kernel, range, &args);
}

/* Without a bias, any other buffer stands in its place. */
static tas_status forward(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    if (window_is_depthwise(a)) return depthwise_forward(device, a, m, scratch);
    const bool biased = a->op == OP_CONV_FORWARD;
    const packing p = packing_of(device, a);
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(scratch), A_MEM(&m[biased ? 2 : 1]), A_MEM(&m[biased ? 3 : 2]));
    cl_kernel kernel;
    tas_status status = get_product(device, a, "conv_forward", p.block, &kernel);
    if (!status) status = pack_weights(device, a, &p, &m[1], scratch);
    if (status) return status;
    const launch_range range = {.global = {a->size[WINDOW_GROUPS] * block_count(p.rows, p.block), a->size[WINDOW_OH],
                                           op_padded(a) / op_panel_width(a)},
                                .local = {1, 1, 1}};
    add_geometry(&args, a);
    launch_add(&args, A_U32(biased));
    launch_add(&args, A_LEAST(a));
    return launch_kernel(device, kernel, range, &args);
}

static tas_status backward_input(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    if (window_is_depthwise(a)) return depthwise_backward_input(device, a, m, scratch);
    const packing p = packing_of(device, a);
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(scratch), A_MEM(&m[2]), A_MASK(a, m), A_ADDEND(a, m));
    cl_kernel kernel;
    tas_status status = get_product(device, a, "conv_backward_input", p.block, &kernel);
    if (!status) status = pack_weights(device, a, &p, &m[1], scratch);
    if (status) return status;
    const launch_range range = {.global = {a->size[WINDOW_GROUPS] * block_count(p.rows, p.block), a->size[WINDOW_H_IN],
                                           op_padded(a) / op_panel_width(a)},
                                .local = {1, 1, 1}};
    add_geometry(&args, a);
    launch_add(&args, A_U32(a->masked));
    launch_add(&args, A_U32(a->adds));
    return launch_kernel(device, kernel, range, &args);
}

/* ---- To the weights ---- */

/* Whole granules run side by side in the lanes, if they fill them. The rest of the tile runs one granule after the
 * other, with outputs in the lanes. Both add to the totals in the granules' order. */

enum {
    PACKED_MOST = 1 << 20,   /* bytes of x and dy that are packed at once, for a near cache, or one example or pass */
    IN_PLACE_MOST = 4 << 20, /* of a launch that reads panels with narrow vectors */
    SMALL_STRIP = 5, /* outputs of a strip in verify's cases: of narrow planes a few lines, of wide ones part of one */
};

typedef struct weights_way {
    uint32_t vec, lanes, granule;     /* lanes: of granules side by side */
    uint32_t cols, rows, spread_rows; /* blocks of sums: with granules in the lanes, and with outputs there */
    uint32_t vectors;                 /* of the outputs of a group */
    uint64_t x, dy, spread_dy;        /* elements per example */
    op_args read;                     /* the call, with x as the products read it */
} weights_way;

/* Blocks of sums: taps; outputs, with granules in the lanes; vectors, with outputs there. */
enum { COLS, OUTPUTS, SPREAD };
static const form blocks[] = {
    {"2x5-2x5", {5, 2, 2}}, {"4x5-2x5", {5, 4, 2}}, {"5x5-2x5", {5, 5, 2}}, {"2x5-4x5", {5, 2, 4}},
    {"4x5-4x5", {5, 4, 4}}, {"5x5-4x5", {5, 5, 4}}, {"2x4-2x4", {4, 2, 2}}, {"4x4-2x4", {4, 4, 2}},
    {"5x4-2x4", {4, 5, 2}}, {"2x4-4x4", {4, 2, 4}}, {"4x4-4x4", {4, 4, 4}}, {"5x4-4x4", {4, 5, 4}},
    {"2x3-2x3", {3, 2, 2}}, {"4x3-2x3", {3, 4, 2}}, {"5x3-2x3", {3, 5, 2}}, {"8x3-2x3", {3, 8, 2}},
    {"2x3-4x3", {3, 2, 4}}, {"4x3-4x3", {3, 4, 4}}, {"5x3-4x3", {3, 5, 4}}, {"8x3-4x3", {3, 8, 4}},
};
enum { BLOCKS = sizeof blocks / sizeof *blocks };

/* Sums that registers hold beside their operands. */
static uint32_t sums_most(const tas_device *device) { return opencl_vector_registers(device) == 16 ? 12 : 25; }

static bool block_fits(const tas_device *device, const op_args *a, const form *f)
{
    const uint32_t rows = f->size[OUTPUTS] > f->size[SPREAD] ? f->size[OUTPUTS] : f->size[SPREAD];
    return !window_is_depthwise(a) && rows * f->size[COLS] <= sums_most(device);
}

static const form_table block_list = {blocks, BLOCKS, block_fits};

/* The blocks that leave the fewest sums empty. */
static int usual_blocks(const tas_device *device, const op_args *a, uint32_t vectors)
{
    static const uint32_t cols[] = {5, 4, 3}, many[] = {2, 4, 5, 8}, spread[] = {2, 4};
    const uint32_t most = opencl_vector_width(device) == 16 ? 25 : 12;
    const uint32_t taps = a->size[WINDOW_KW] == 1 ? channels_of(a) : a->size[WINDOW_KW];
    const uint32_t best = BEST_BLOCK(cols, taps, 0);
    int length = 1, spread_length = 1, i = 0;
    while (length < 4 && many[length] * best <= most) length++;
    while (spread_length < 2 && spread[spread_length] * best <= most) spread_length++;
    const uint32_t rows = best_block(many, length, outputs_of(a), 0);
    const uint32_t spread_rows = best_block(spread, spread_length, vectors, 0);
    while (i < BLOCKS - 1 &&
           (blocks[i].size[COLS] != best || blocks[i].size[OUTPUTS] != rows || blocks[i].size[SPREAD] != spread_rows))
        i++;
    return i;
}

/* Whether x is read in place. */
static bool is_row(const op_args *a) { return a->n == 1 && op_panel_width(a) == 1; }

/* A window of a single tap may step over positions of x. Those that it reads are packed as a plane of their own. */
static bool skips(const op_args *a)
{
    const uint32_t *s = a->size;
    return taps_of(a) == 1 && s[WINDOW_SY] * (uint64_t)s[WINDOW_SX] > 1 && !s[WINDOW_PY] && !s[WINDOW_PX] &&
           s[WINDOW_GRANULE] != 1 && !is_row(a);
}

static weights_way way_of(const tas_device *device, const op_args *a)
{
    weights_way w = {.vec = opencl_vector_width(device), .granule = a->size[WINDOW_GRANULE]};
    w.lanes = w.granule == 1 ? conv_vector_width(device, a) : w.vec; /* in place, or packed */
    w.vectors = (uint32_t)block_count(outputs_of(a), w.vec);
    const form *f = forms_choose(device, a, usual_blocks(device, a, w.vectors));
    w.cols = f->size[COLS];
    w.rows = f->size[OUTPUTS];
    w.spread_rows = f->size[SPREAD];
    w.read = *a;
    if (skips(a)) {
        w.read.size[WINDOW_H_IN] = a->size[WINDOW_OH];
        w.read.size[WINDOW_W_IN] = a->size[WINDOW_OW];
        w.read.size[WINDOW_SY] = w.read.size[WINDOW_SX] = 1;
    }
    w.x = window_in_elements(&w.read);
    w.dy = window_out_elements(a);
    w.spread_dy = (uint64_t)a->size[WINDOW_GROUPS] * w.vectors * w.vec * positions_of(a);
    return w;
}

/* The number of examples, or of passes, of so many bytes each that a launch has, of `most` bytes. */
static uint64_t at_most(tas_device *device, uint64_t wanted, uint64_t bytes, uint64_t most)
{
    const uint64_t fit = device_limit(device, most / bytes ? most / bytes : 1, 1);
    return wanted < fit ? wanted : fit;
}

/* Bytes of an example packed for lanes of outputs, and of a pass packed for lanes of granules. */
static uint64_t example_bytes(const weights_way *w, const op_args *a)
{
    return ((is_row(a) ? 0 : w->x) + w->spread_dy) * sizeof(float);
}
static uint64_t pass_bytes(const weights_way *w) { return w->lanes * w->granule * (w->x + w->dy) * sizeof(float); }

/* If whole passes of granules run abreast, the runs that are left for lanes of outputs are shorter than a pass. */
static uint64_t spread_most(tas_device *device, const weights_way *w, const op_args *a)
{
    const uint64_t pass = (uint64_t)w->lanes * w->granule;
    return at_most(device, pass && op_panel_width(a) > 1 && pass < a->n ? pass : a->n, example_bytes(w, a),
                   PACKED_MOST);
}

/* Whether so many granules, less than a pass, run side by side: if that costs less than with lanes of outputs, packing
 * included. */
static bool pass_pays(const weights_way *w, const op_args *a, uint32_t granules)
{
    const size_t abreast = block_count(outputs_of(a), w->rows) * w->rows;
    const size_t apart = granules * block_count(w->vectors, w->spread_rows) * w->spread_rows;
    return 4 * abreast < 5 * apart;
}

static uint64_t weights_scratch(tas_device *device, const op_args *a)
{
    if (window_is_depthwise(a)) return depthwise_weights_scratch(device, a);
    const weights_way w = way_of(device, a);
    const uint64_t spread = spread_most(device, &w, a) * example_bytes(&w, a);
    const uint32_t whole = w.granule > 1 ? a->n / w.granule : 0;
    if (!whole || (whole < w.vec && !pass_pays(&w, a, whole) && !forms_are_open(device))) return spread;
    const uint64_t passes = at_most(device, block_count(whole, w.lanes), pass_bytes(&w), PACKED_MOST) * pass_bytes(&w);
    return spread > passes ? spread : passes;
}

/* How many of the next whole granules run side by side: full passes, and a last one if that pays. */
static uint32_t granules_abreast(const weights_way *w, const op_args *a, uint32_t r)
{
    if (!w->granule || op_panel_width(a) == 1 || (a->first + r) % w->granule) return 0;
    const uint32_t whole = (a->n - r) / w->granule, rest = whole % w->vec;
    return pass_pays(w, a, rest) ? whole : whole - rest;
}

typedef struct weights_run {
    bool spread, biased;
    const mem *x, *dy;
    uint32_t dy_at;                  /* place in its buffer, in floats */
    uint32_t begin, n, first, pitch; /* granules or examples; see cl/conv_weights.cl */
} weights_run;

/* Blocks per work-item: many share what they load, but leave fewer work-items to the device's units. Measured in
 * steps of one position; loading a row's dy costs about two. */
static uint32_t blocks_of_item(tas_device *device, size_t all, size_t row_blocks, uint32_t cols)
{
    const size_t units = device_limit(device, device->info.compute_units ? device->info.compute_units : 1, 1);
    size_t best = 1, least = SIZE_MAX;
    for (size_t count = 1; count <= WEIGHT_BLOCKS && count <= all; count++) {
        const size_t cost = block_count(block_count(all, count) * row_blocks, units) * (count * cols + 2);
        if (cost <= least) best = count, least = cost;
    }
    return (uint32_t)best;
}

static tas_status run_weights(tas_device *device, const op_args *a, const weights_way *w, const weights_run *r,
                              const mem *m)
{
    /* dy of a strip fits the level 1 cache, which loads whole lines even if a vector is only half of one */
    const uint32_t vec = r->spread ? w->vec : w->lanes, bytes = (r->pitch > vec ? 16 : 32) << 10;
    const uint32_t rows = r->spread ? w->spread_rows : w->rows, channels = channels_of(a), kw = a->size[WINDOW_KW];
    const size_t row_blocks = a->size[WINDOW_GROUPS] * block_count(r->spread ? w->vectors : outputs_of(a), rows);
    const size_t all =
        a->size[WINDOW_KH] * (kw == 1 ? block_count(channels, w->cols) : channels * block_count(kw, w->cols));
    const uint32_t count = blocks_of_item(device, all, row_blocks, w->cols);
    const uint32_t near = (uint32_t)device_limit(device, bytes / (rows * 64), SMALL_STRIP), ow = a->size[WINDOW_OW];
    const uint32_t lines = ow < near ? near / ow : 1, across = (uint32_t)block_count(ow, block_count(ow, near));
    char options[80];
    cl_kernel kernel;
    snprintf(options, sizeof options, "-D VEC=%u -D ROWS=%u -D COLS=%u -D SPREAD=%d", vec, rows, w->cols, r->spread);
    tas_status status = program_get_kernel(device, "conv_weights", "conv_backward_weights", options, &kernel);
    if (status) return status;
    const mem *bias = &m[r->biased ? 4 : 2]; /* or any other buffer */
    launch_args args =
        ARGS(A_MEM(r->x), A_MEM(r->dy), A_MEM(&m[2]), A_MEM(&m[3]), A_MEM(&bias[0]), A_MEM(&bias[1]), A_U32(r->dy_at));
    const launch_arg more[] = {A_U32(w->granule), A_U32(r->begin), A_U32(r->n),  A_U32(r->first), A_U32(a->batch),
                               A_U32(r->biased),  A_U32(r->pitch), A_U32(count), A_U32(lines),    A_U32(across)};
    add_geometry(&args, &w->read);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) launch_add(&args, more[i]);
    launch_range range = launch_line(1, block_count(all, count));
    range.global[1] = row_blocks;
    range.local[1] = 1;
    return launch_kernel(device, kernel, range, &args);
}

/* Which elements of an operand are packed. */
static void add_places(launch_args *args, const op_args *a, bool skips_some, uint64_t elements)
{
    const uint32_t *s = a->size, line = s[WINDOW_SY] * s[WINDOW_W_IN];
    const launch_arg more[] = {A_U32((uint32_t)(skips_some ? window_in_elements(a) : elements)),
                               A_U32(skips_some ? s[WINDOW_OW] : 0),
                               A_U32(s[WINDOW_OH]),
                               A_U32(s[WINDOW_H_IN] * s[WINDOW_W_IN]),
                               A_U32(line),
                               A_U32(s[WINDOW_SX])};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) launch_add(args, more[i]);
}

/* Packs `count` whole granules of x or dy, from example r of the tile on. */
static tas_status pack_granules(tas_device *device, const op_args *a, const weights_way *w, bool of_x, const mem *from,
                                const mem *to, uint32_t at, uint32_t r, uint32_t count)
{
    const uint64_t elements = of_x ? w->x : w->dy;
    cl_kernel kernel;
    tas_status status = get_kernel(device, a, "conv_pack_granules", w->lanes, &kernel);
    if (status) return status;
    launch_args args =
        ARGS(A_MEM(from), A_MEM(to), A_U32(at), A_U32((uint32_t)elements), A_U32(r), A_U32(w->granule), A_U32(count));
    add_places(&args, a, of_x && skips(a), elements);
    launch_range range = launch_line(1, block_count(elements, PACK_RUN));
    range.global[1] = block_count(count, w->lanes);
    range.local[1] = 1;
    return launch_kernel(device, kernel, range, &args);
}

/* Granules of one example each, which the panels already have in the lanes. */
static tas_status run_in_place(tas_device *device, const op_args *a, const weights_way *w, uint32_t count, const mem *m)
{
    const uint64_t bytes = w->vec == 16 ? UINT64_MAX : IN_PLACE_MOST;
    const uint32_t most = w->lanes * (uint32_t)at_most(device, block_count(count, w->lanes), pass_bytes(w), bytes);
    tas_status status = TAS_OK;
    for (uint32_t begin = 0, end; begin < count && !status; begin = end) {
        end = count - begin < most ? count : begin + most;
        const weights_run run = {
            .x = &m[0], .dy = &m[1], .begin = begin, .n = end, .first = a->first, .pitch = op_panel_width(a)};
        status = run_weights(device, a, w, &run, m);
    }
    return status;
}

/* `count` whole granules from example r on, side by side. */
static tas_status run_abreast(tas_device *device, const op_args *a, const weights_way *w, uint32_t r, uint32_t count,
                              const mem *m, const mem *scratch)
{
    const uint32_t number = (a->first + r) / w->granule;
    const uint64_t passes = at_most(device, block_count(count, w->lanes), pass_bytes(w), PACKED_MOST);
    const uint32_t most = w->lanes * (uint32_t)passes;
    tas_status status = TAS_OK;
    if (w->granule == 1) return run_in_place(device, a, w, count, m);
    for (uint32_t done = 0, some; done < count && !status; done += some, r += some * w->granule) {
        some = count - done < most ? count - done : most;
        const uint32_t dy_at = (uint32_t)(block_count(some, w->lanes) * w->lanes * w->granule * w->x);
        status = pack_granules(device, a, w, true, &m[0], scratch, 0, r, some);
        if (!status) status = pack_granules(device, a, w, false, &m[1], scratch, dy_at, r, some);
        const weights_run run = {
            .x = scratch, .dy = scratch, .dy_at = dy_at, .n = some, .first = number + done, .pitch = w->lanes};
        if (!status) status = run_weights(device, a, w, &run, m);
    }
    return status;
}

/* Packs x of `count` examples from r on into rows, at the beginning of the scratch memory. */
static tas_status pack_rows(tas_device *device, const op_args *a, const weights_way *w, uint32_t r, uint32_t count,
                            const mem *m, const mem *scratch)
{
    const uint32_t lanes = op_panel_width(a), panels = (r + count - 1) / lanes - r / lanes + 1;
    cl_kernel kernel;
    tas_status status = get_kernel(device, a, "conv_pack_rows", w->vec, &kernel);
    if (status) return status;
    launch_args args = ARGS(A_MEM(&m[0]), A_MEM(scratch), A_U32((uint32_t)w->x), A_U32(r), A_U32(count));
    add_places(&args, a, skips(a), w->x);
    const launch_range range = {.global = {block_count(w->x, PACK_RUN), panels, 1}, .local = {1, 1, 1}};
    return launch_kernel(device, kernel, range, &args);
}

/* The same of dy into vectors of outputs, from place `at` on. */
static tas_status pack_outputs(tas_device *device, const op_args *a, const weights_way *w, uint32_t r, uint32_t count,
                               uint32_t at, const mem *m, const mem *scratch)
{
    const uint32_t lanes = op_panel_width(a), panels = (r + count - 1) / lanes - r / lanes + 1;
    cl_kernel kernel;
    tas_status status = get_kernel(device, a, "conv_pack_outputs", w->vec, &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[1]), A_MEM(scratch), A_U32(at), A_U32(a->size[WINDOW_O]),
                                  A_U32(positions_of(a)), A_U32(a->size[WINDOW_GROUPS]), A_U32(r), A_U32(count));
    const launch_range range = {
        .global = {block_count(positions_of(a), PACK_RUN), (size_t)a->size[WINDOW_GROUPS] * w->vectors, panels},
        .local = {1, 1, 1}};
    return launch_kernel(device, kernel, range, &args);
}

/* `count` examples from r on, granule after granule. */
static tas_status run_spread(tas_device *device, const op_args *a, const weights_way *w, bool biased, uint32_t r,
                             uint32_t count, const mem *m, const mem *scratch)
{
    const uint32_t most = (uint32_t)spread_most(device, w, a);
    const bool packs = !is_row(a);
    tas_status status = TAS_OK;
    for (uint32_t end = r + count, some; r < end && !status; r += some) {
        some = end - r < most ? end - r : most;
        const uint32_t dy_at = packs ? (uint32_t)(some * w->x) : 0;
        if (packs) status = pack_rows(device, a, w, r, some, m, scratch);
        if (!status) status = pack_outputs(device, a, w, r, some, dy_at, m, scratch);
        const weights_run run = {.spread = true,
                                 .biased = biased,
                                 .x = packs ? scratch : &m[0],
                                 .dy = scratch,
                                 .dy_at = dy_at,
                                 .n = some,
                                 .first = a->first + r,
                                 .pitch = 1};
        if (!status) status = run_weights(device, a, w, &run, m);
    }
    return status;
}

/* Some examples from r on that run in one way: side by side, if `abreast` is not 0. */
static uint32_t run_from(const weights_way *w, const op_args *a, uint32_t r, uint32_t *abreast)
{
    const uint32_t within = w->granule ? (a->first + r) % w->granule : 0, left = a->n - r;
    *abreast = granules_abreast(w, a, r);
    if (*abreast) return *abreast * w->granule;
    return within && w->granule - within < left ? w->granule - within : left;
}

/* Whether no example runs side by side with others: then the bias is summed with the weights. */
static bool all_spread(const weights_way *w, const op_args *a)
{
    uint32_t abreast = 0;
    for (uint32_t r = 0; r < a->n && !abreast;) r += run_from(w, a, r, &abreast);
    return !abreast;
}

static tas_status run_all(tas_device *device, const op_args *a, const weights_way *w, bool biased, const mem *m,
                          const mem *scratch)
{
    tas_status status = TAS_OK;
    for (uint32_t r = 0, some, abreast; r < a->n && !status; r += some) {
        some = run_from(w, a, r, &abreast);
        status = abreast ? run_abreast(device, a, w, r, abreast, m, scratch)
                         : run_spread(device, a, w, biased, r, some, m, scratch);
    }
    return status;
}

static tas_status backward_weights(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    if (window_is_depthwise(a)) return depthwise_backward_weights(device, a, m, scratch);
    const weights_way w = way_of(device, a);
    return run_all(device, a, &w, false, m, scratch);
}

static tas_status backward_bias(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    cl_kernel kernel;
    (void)scratch;
    tas_status status = get_kernel(device, a, "conv_backward_bias", conv_vector_width(device, a), &kernel);
    if (status) return status;
    const launch_args args =
        ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_MEM(&m[2]), A_U32(a->n), A_U32(a->size[WINDOW_O]), A_U32(positions_of(a)),
             A_U32(a->first), A_U32(a->batch), A_U32(a->size[WINDOW_GRANULE]));
    return launch_kernel(device, kernel, launch_line(1, block_count(a->size[WINDOW_O], BIAS_OUTPUTS)), &args);
}

static tas_status backward_parameters(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    if (!window_is_depthwise(a)) {
        const weights_way w = way_of(device, a);
        if (all_spread(&w, a)) return run_all(device, a, &w, true, m, scratch);
    }
    return launch_parameters(device, a, m, scratch, backward_weights, backward_bias);
}

const launcher conv_launchers[] = {
    {OP_CONV_FORWARD, forward, packed_scratch},
    {OP_CONV_FORWARD_NO_BIAS, forward, packed_scratch},
    {OP_CONV_BACKWARD_INPUT, backward_input, packed_scratch},
    {OP_CONV_BACKWARD_WEIGHTS, backward_weights, weights_scratch},
    {OP_CONV_BACKWARD_PARAMETERS, backward_parameters, weights_scratch},
    {OP_CONV_BACKWARD_BIAS, backward_bias, NULL},
    {0},
};

void conv_install_forms(tas_device *device)
{
    forms_install(device, &form_list, OP_CONV_FORWARD, OP_CONV_BACKWARD_INPUT);
    forms_install(device, &block_list, OP_CONV_BACKWARD_WEIGHTS, OP_CONV_BACKWARD_PARAMETERS);
}
