/* Means and standard deviations over the examples of a data set. */
#ifndef MOMENTS_H
#define MOMENTS_H

#include "data/dataset.h"

/* Of the inputs as layers see them (byte / 255, or the float), which are `channels` planes of one size: of each
 * channel. Of float targets: of each. NULL: not wanted; mean and std belong together.
 *
 * std is the root of the mean of (x - mean)^2, over all examples whatever their weights; 1 if that is below 1e-12, or
 * if all values are the same. Sums are in double precision in the order of the examples, so that all machines have the
 * same bits. A callback is called for all examples. */
typedef struct moments {
    uint32_t channels;
    float *mean, *std;
    float *target_mean, *target_std;
} moments;

tas_status moments_read(const tas_data *data, const moments *out);

#endif
