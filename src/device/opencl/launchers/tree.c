/* Launches of cl/tree.cl. */
#include "device/opencl/launch.h"
#include "device/opencl/launchers/launchers.h"

#include "ops/tree.h"

static tas_status add_node(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_elementwise(device, "tree", "add_node", "", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->size[NODE_AT]), A_U32(a->size[NODE_ELEMENTS]),
                                  A_U32(a->size[NODE_KEEPS]));
    return launch_kernel(device, kernel, launch_elements(device->cl, a->size[NODE_AT], a->size[NODE_ELEMENTS]), &args);
}

static tas_status add_tree(tas_device *device, const op_args *a, const mem *m, const mem *scratch)
{
    cl_kernel kernel;
    (void)scratch;
    tas_status status = program_get_singles(device, "tree", "add_tree", "", &kernel);
    if (status) return status;
    const launch_args args = ARGS(A_MEM(&m[0]), A_MEM(&m[1]), A_U32(a->size[TREE_ROWS]), A_U32(a->size[TREE_ELEMENTS]));
    return launch_kernel(device, kernel, launch_singles(device->cl, a->size[TREE_ELEMENTS]), &args);
}

const launcher tree_launchers[] = {
    {OP_ADD_NODE, add_node, NULL},
    {OP_ADD_TREE, add_tree, NULL},
    {0},
};
