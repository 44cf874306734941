/* The choice of blocks. */
#include "device/opencl/launchers/blocks.h"

#include "device/opencl/rehearse.h"

enum {
    GPU_ITEMS = 64,       /* work-items that a GPU runs together, used or not */
    ITEMS_PER_UNIT = 512, /* work-items that keep a unit busy */
};

static uint32_t items_of(block b) { return b.items_x * b.items_y; }

/* Whether the device may run such groups; its limit is 0 if it does not tell. The last block is always tried. */
static bool may_run(const tas_device *device, const block_table *table, int i)
{
    return i == table->count - 1 || !device->info.max_group || items_of(table->blocks[i]) <= device->info.max_group;
}

static bool is_usable(const tas_device *device, op_id op, int i)
{
    const opencl_device *cl = device->cl;
    return may_run(device, cl->blocks[op], i) && !(cl->refused_blocks[op] >> i & 1);
}

/* The place in the table of a variant, counted among the blocks that the device may run. */
static int find_block(const tas_device *device, const block_table *table, int variant)
{
    int i = 0;
    while (i < table->count - 1 && (!may_run(device, table, i) || variant-- > 0)) i++;
    return i;
}

/* And back. */
static int variant_of(const tas_device *device, const block_table *table, int i)
{
    int variant = 0;
    for (int k = 0; k < i; k++) variant += may_run(device, table, k);
    return variant;
}

/* The cost of a product in blocks of this size, for comparison: all its work-items, or as many as keep the device
 * busy, each with its sums. The cost of an fma includes its share of the reads from local memory and of the loads into
 * it. */
static double cost_of(const tas_device *device, const block_table *table, block b, product p)
{
    const double busy = (double)device->info.compute_units * ITEMS_PER_UNIT;
    const double groups = (double)(block_count(p.rows, b.rows) * block_count(p.cols, b.cols) * p.depth);
    const double items = groups * (items_of(b) > GPU_ITEMS ? items_of(b) : GPU_ITEMS);
    const double reads = (double)b.items_y / b.rows + (double)b.items_x / b.cols;
    const double loads = table->left / b.cols + table->right / b.rows;
    return (items > busy ? items : busy) * b.rows * b.cols / items_of(b) * (1 + reads + loads);
}

static int choose_block(const tas_device *device, const op_args *call, product p)
{
    const block_table *table = ((opencl_device *)device->cl)->blocks[call->op];
    const int variant = device_choose_variant(device, call), last = table->count - 1;
    int best = last;
    if (variant >= 0) {
        int i = find_block(device, table, variant);
        while (i < last && !is_usable(device, call->op, i)) i++;
        return i;
    }
    for (int i = last - 1; i >= 0; i--)
        if (is_usable(device, call->op, i) &&
            cost_of(device, table, table->blocks[i], p) <= cost_of(device, table, table->blocks[best], p))
            best = i;
    return best;
}

tas_status blocks_get_kernel(tas_device *device, const op_args *call, const char *name, product p, block *b,
                             cl_kernel *out)
{
    opencl_device *cl = device->cl;
    const block_table *table = cl->blocks[call->op];
    for (;;) {
        const int i = choose_block(device, call, p);
        char options[96];
        bool fits = true;
        *b = table->blocks[i];
        if (cl->rehearsal) rehearse_choice(cl->rehearsal, variant_of(device, table, i));
        snprintf(options, sizeof options, "-D BLOCK_ROWS=%u -D BLOCK_COLS=%u -D ITEMS_X=%u -D ITEMS_Y=%u -D STEP=%u",
                 b->rows, b->cols, b->items_x, b->items_y, b->step);
        tas_status status = program_get_kernel(device, table->program, name, options, out);
        if (!status && i < table->count - 1) status = program_check_group(device, *out, items_of(*b), &fits);
        if (!status && i < table->count - 1) status = program_check_spills(device, *out, &fits);
        if (status || fits) return status;
        cl->refused_blocks[call->op] |= 1u << i;
    }
}

launch_range blocks_range(block b, product p, uint64_t depth)
{
    return (launch_range){
        .global = {block_count(p.cols, b.cols) * b.items_x, block_count(p.rows, b.rows) * b.items_y, depth},
        .local = {b.items_x, b.items_y, 1}};
}

void blocks_install(tas_device *device, const block_table *table, op_id first, op_id last)
{
    opencl_device *cl = device->cl;
    int count = 0;
    for (int i = 0; i < table->count; i++) count += may_run(device, table, i);
    for (int op = first; op <= (int)last; op++) {
        cl->blocks[op] = table;
        cl->refused_blocks[op] = 0;
        device->variants[op] = count;
    }
}

void blocks_name(const tas_device *device, op_id op, int variant, char *name)
{
    const block_table *table = ((opencl_device *)device->cl)->blocks[op];
    const block b = table->blocks[find_block(device, table, variant)];
    snprintf(name, VARIANT_NAME, "%ux%u/%ux%u/%u", b.rows, b.cols, b.items_x, b.items_y, b.step);
}
