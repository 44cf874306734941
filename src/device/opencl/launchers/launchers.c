/* The choice of launchers for a device. */
#include "device/opencl/launchers/launchers.h"

#include "device/opencl/launchers/blocks.h"
#include "device/opencl/launchers/forms.h"

static const struct {
    const launcher *cpu, *gpu;
} lists[] = {
    {activation_launchers, activation_launchers},
    {adam_launchers, adam_launchers},
    {bias_launchers, bias_launchers},
    {conv_launchers, conv_gpu_launchers},
    {dense_launchers, dense_gpu_launchers},
    {dense_update_launchers, dense_update_launchers},
    {divisor_launchers, divisor_launchers},
    {dropout_launchers, dropout_launchers},
    {feed_launchers, feed_launchers},
    {join_launchers, join_launchers},
    {lion_launchers, lion_launchers},
    {loss_launchers, loss_launchers},
    {norm_launchers, norm_launchers},
    {pool_launchers, pool_launchers},
    {reorder_launchers, reorder_launchers},
    {resize_launchers, resize_launchers},
    {rmsprop_launchers, rmsprop_launchers},
    {sgd_launchers, sgd_launchers},
    {sum_launchers, sum_launchers},
    {sum_squares_launchers, sum_squares_launchers},
    {tree_launchers, tree_launchers},
    {watch_launchers, watch_launchers},
    {weigh_launchers, weigh_launchers},
};

void launchers_override(tas_device *device, const launcher *rows)
{
    for (; rows->launch; rows++) {
        device->launch[rows->op] = rows->launch;
        device->scratch[rows->op] = rows->scratch;
        device->variants[rows->op] = 0;
    }
}

void launchers_install(tas_device *device)
{
    const opencl_device *cl = device->cl;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        launchers_override(device, cl->cpu ? lists[i].cpu : lists[i].gpu);
    device->weight_panel = cl->cpu ? dense_weight_panel : NULL;
    device->batch_panel = cl->cpu ? conv_batch_panel : NULL;
    device->name_variant = cl->cpu ? forms_name : blocks_name;
    if (cl->cpu) {
        conv_install_forms(device);
        dense_install_forms(device);
    } else {
        conv_gpu_install_blocks(device);
        dense_gpu_install_blocks(device);
    }
}
