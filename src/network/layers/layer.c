/* The kinds of layers there are. */
#include "network/layers/layer.h"

#include "arith.h"
#include "ops/window.h"

#include <stdlib.h>
#include <string.h>

/* In the manual's order. */
static const layer_kind *const kinds[] = {
    &layer_input,
    &layer_augment,
    &layer_dense,
    &layer_conv2d,
    &layer_conv_transpose2d,
    &layer_max_pool,
    &layer_avg_pool,
    &layer_global_avg_pool,
    &layer_upsample,
    &layer_pad,
    &layer_flatten,
    &layer_dropout,
    &layer_batch_norm,
    &layer_layer_norm,
    &layer_group_norm,
    &layer_add,
    &layer_concat,
    &layer_multiply,
#define KIND(UPPER, NAME, S, SLOPE, TEXT) &layer_##NAME,
    ACTIVATIONS(KIND)
#undef KIND
        & layer_loss,
};

void layer_close(layer *self)
{
    free(self->summary);
    free(self->mean.values);
    free(self->std.values);
    free(self->weights.values);
}

const layer_kind *layer_at(size_t index) { return index < sizeof kinds / sizeof *kinds ? kinds[index] : NULL; }

const layer_kind *layer_find(const char *name)
{
    for (size_t i = 0; layer_at(i); i++)
        if (!strcmp(layer_at(i)->name, name)) return layer_at(i);
    return NULL;
}

static tas_status check_count(const text_line *line, const char *name, uint32_t found, uint32_t count, const char *what)
{
    if (found <= 1 || found == count) return TAS_OK;
    return line_fail(line, "'%s' has %u numbers; expected one, or one for each of the %u %s", name, found, count, what);
}

tas_status layer_check_scales(const text_line *line, const layer *self, uint32_t count, const char *what)
{
    if (self->normalize && (self->mean.count || self->std.count))
        return line_fail(line,
                         "'" LINE_NORMALIZE "' stands for mean and std, which are given as well; expected either");
    tas_status status = check_count(line, "mean", self->mean.count, count, what);
    if (!status) status = check_count(line, "std", self->std.count, count, what);
    for (uint32_t k = 0; !status && k < self->mean.count && k < count; k++)
        if (!arith_is_finite(arith_div(self->mean.values[k], line_list_at(&self->std, k, 1))))
            status = line_fail(line, "a mean of %g for a std of %g: their quotient is too large",
                               (double)self->mean.values[k], (double)line_list_at(&self->std, k, 1));
    return status;
}

tas_status layer_check_planes(const text_line *line, const layer *self)
{
    if (!self->in.flat || (self->kernel[0] == 1 && self->kernel[1] == 1)) return TAS_OK;
    return line_fail(line,
                     "%s %ux%u needs planes, but its input is %u values without height and width; expected an input of "
                     "channels x height x width (input 1x28x28), and no dense or flatten before it",
                     self->kind->name, self->kernel[0], self->kernel[1], self->in.channels);
}

op_args layer_window_args(const layer *self, op_id op)
{
    op_args args = {.op = op};
    uint32_t *size = args.size;
    size[WINDOW_C] = self->in.channels, size[WINDOW_H_IN] = self->in.height, size[WINDOW_W_IN] = self->in.width;
    size[WINDOW_O] = self->out.channels, size[WINDOW_OH] = self->out.height, size[WINDOW_OW] = self->out.width;
    size[WINDOW_KH] = self->kernel[0], size[WINDOW_KW] = self->kernel[1];
    size[WINDOW_SY] = self->stride[0], size[WINDOW_SX] = self->stride[1];
    size[WINDOW_PY] = self->padding[0], size[WINDOW_PX] = self->padding[1];
    size[WINDOW_DY] = self->dilation[0] ? self->dilation[0] : 1;
    size[WINDOW_DX] = self->dilation[1] ? self->dilation[1] : 1;
    size[WINDOW_GROUPS] = self->groups ? self->groups : 1;
    return args;
}
