/* The kinds of layers there are. */
#include "network/layer.h"

#include <string.h>

static const layer_kind *const kinds[] = {
    &layer_input,   &layer_dense,   &layer_conv2d, &layer_max_pool, &layer_avg_pool, &layer_global_avg_pool,
    &layer_flatten, &layer_dropout, &layer_relu,   &layer_leaky,    &layer_tanh,     &layer_sigmoid,
    &layer_gelu,    &layer_loss,
};

const layer_kind *layer_at(int index) { return index < (int)(sizeof kinds / sizeof *kinds) ? kinds[index] : NULL; }

const layer_kind *layer_find(const char *name)
{
    for (int i = 0; layer_at(i); i++)
        if (!strcmp(layer_at(i)->name, name)) return layer_at(i);
    return NULL;
}
