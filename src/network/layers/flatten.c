/* flatten: channels x height x width become one row. Nothing is computed; if the next layer needs rows, lower.c
 * converts. */
#include "network/build.h"

static tas_status infer(const text_line *line, layer *self)
{
    (void)line;
    self->out = (shape){(uint32_t)shape_elements(self->in), 1, 1, .flat = true};
    return TAS_OK;
}

static void lower(tas_network *network, layer *self)
{
    (void)network;
    self->y = self->x[0];
}

static void lower_backward(tas_network *network, layer *self)
{
    (void)network;
    self->dx[0] = self->dy;
}

const layer_kind layer_flatten = {
    .name = "flatten",
    .text = "All values become one row, in the order channel, row, column. dense does this by itself.",
    .elementwise = true,
    .infer = infer,
    .lower = lower,
    .lower_backward = lower_backward,
};
