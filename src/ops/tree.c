/* The tree over the sums of a batch's leaves and shards: raw sums, which are not flushed.
 *
 *     add_node    to = to + from, or to = from, which then waits for what comes next to it
 *     add_tree    out (E) = the tree over rows (R, E) */
#include "ops/tree.h"

#include "ops/rows.h"

#include "binary_tree.h"

static bool node_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[] = {1, 2, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025, 3000};
    if (edge >= LENGTH(edges)) return false;
    args->size[NODE_ELEMENTS] = edge >= 0 ? edges[edge] : 1 + draw_below(d, 5000);
    args->size[NODE_AT] = draw_below(d, 2) ? draw_below(d, 100) : 0;
    args->size[NODE_KEEPS] = draw_below(d, 3) == 0;
    return true;
}

static bool node_fit(op_args *args) { return args->size[NODE_ELEMENTS] > 0; }

static uint64_t node_elements(const op_args *a, int operand)
{
    (void)operand;
    return (uint64_t)a->size[NODE_AT] + a->size[NODE_ELEMENTS];
}

static uint64_t node_moves(const op_args *a, int operand)
{
    return (uint64_t)a->size[NODE_ELEMENTS] * (operand || a->size[NODE_KEEPS] ? 1 : 2);
}

CLONES static void add_node(const op_args *a, void *const *operand, void *scratch)
{
    float *restrict to = (float *)operand[0] + a->size[NODE_AT];
    const float *restrict from = (const float *)operand[1] + a->size[NODE_AT];
    (void)scratch;
    for (uint32_t i = 0; i < a->size[NODE_ELEMENTS]; i++) to[i] = a->size[NODE_KEEPS] ? from[i] : to[i] + from[i];
}

static bool tree_shape(op_args *args, draw *d, int edge)
{
    static const uint32_t edges[][2] = {{1, 1},  {1, 70}, {2, 1},   {2, 64},   {3, 65},   {4, 3},    {5, 257},
                                        {7, 33}, {8, 17}, {15, 31}, {16, 100}, {33, 129}, {4095, 2}, {4096, 1}};
    if (edge >= LENGTH(edges)) return false;
    args->size[TREE_ROWS] = edge >= 0 ? edges[edge][0] : 1 + draw_below(d, draw_below(d, 4) ? 20 : 300);
    args->size[TREE_ELEMENTS] = edge >= 0 ? edges[edge][1] : 1 + draw_below(d, 200);
    return true;
}

static bool tree_fit(op_args *args)
{
    return args->size[TREE_ROWS] && args->size[TREE_ROWS] <= TREE_ROWS_MOST && args->size[TREE_ELEMENTS];
}

static uint64_t tree_elements(const op_args *a, int operand)
{
    return (uint64_t)a->size[TREE_ELEMENTS] * (operand ? 1 : a->size[TREE_ROWS]);
}

static void add_tree(const op_args *a, void *const *operand, void *scratch)
{
    const float *rows = operand[0];
    float *out = operand[1];
    (void)scratch;
    for (uint32_t e = 0; e < a->size[TREE_ELEMENTS]; e++) {
        float node[TREE_DEPTH];
        for (uint32_t r = 0; r < a->size[TREE_ROWS]; r++)
            tree_add(node, r, rows[(uint64_t)r * a->size[TREE_ELEMENTS] + e]);
        out[e] = tree_total(node, a->size[TREE_ROWS]);
    }
}

const op_row row_add_node = {
    .name = "add_node",
    .operand = {{"to", TYPE_F32, ACCESS_INOUT, LAYOUT_ROW_MAJOR}, {"from", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}},
    .elements = node_elements,
    .moves = node_moves,
    .reference = add_node,
    .shape = node_shape,
    .fit = node_fit,
};

const op_row row_add_tree = {
    .name = "add_tree",
    .operand = {{"rows", TYPE_F32, ACCESS_IN, LAYOUT_ROW_MAJOR}, {"out", TYPE_F32, ACCESS_OUT, LAYOUT_ROW_MAJOR}},
    .elements = tree_elements,
    .reference = add_tree,
    .shape = tree_shape,
    .fit = tree_fit,
};
