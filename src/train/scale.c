/* Scales of targets: see scale.h. */
#include "train/scale.h"

#include "arith.h"

#include <string.h>

/* The host's stage may lie anywhere. */
static float load(const unsigned char *at)
{
    float value;
    memcpy(&value, at, sizeof value);
    return value;
}

void scale_targets(const tas_network *network, size_t n, void *targets)
{
    unsigned char *at = targets;
    if (!network_scales_targets(network)) return;
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < network->outputs; k++, at += sizeof(float)) {
            const float scaled = arith_div(load(at) - network_target_mean(network, k), network_target_std(network, k));
            memcpy(at, &scaled, sizeof scaled);
        }
}

void scale_outputs(const tas_network *network, size_t n, float *outputs)
{
    if (!network_scales_targets(network)) return;
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < network->outputs; k++, outputs++)
            *outputs = __builtin_fmaf(*outputs, network_target_std(network, k), network_target_mean(network, k));
}
