/* Words of a network's text that stand for what a data set has, and the text with that in their place:
 *
 *     input data               the shape of an example
 *     dense data               the number of classes, or of target values
 *     loss data                softmax, or mse
 *     ... normalize            of the input and of the loss: mean M,... std S,... */
#ifndef FILL_H
#define FILL_H

#include "network/network.h"

/* What a text says before there is a data set. Mistakes in it are found when it is parsed, and not here. */
typedef struct fill_outline {
    bool words; /* there is some 'data' */
    bool normalize_inputs, normalize_targets;
    uint32_t channels, height, width; /* of the input; 0: not known */
    uint32_t outputs;                 /* of the last dense; 0: not known */
    bool outputs_data;                /* that is 'dense data' */
    bool loss_known;                  /* 'loss data' is not */
    tas_loss loss;
} fill_outline;

fill_outline fill_read(const char *text);

/* One per channel or output; NULL: none. */
typedef struct fill_scales {
    uint32_t count;
    const float *mean, *std;
} fill_scales;

typedef struct fill_values {
    const char *shape; /* "1x28x28" */
    uint32_t outputs;
    const char *loss;
    fill_scales inputs, targets;
    bool drops_normalize; /* of a loss, if there are no scales of targets */
} fill_values;

/* The text with the values, which the caller frees. Its lines stay the same. */
tas_status fill_text(tas_context *context, const char *text, const fill_values *values, char **out);

#endif
