/* input CxHxW [mean M] [std S]: x = (byte / 255 - M) / S, or (float - M) / S. */
#include "network/layer.h"

#include "arith.h"

#include <errno.h>
#include <stdlib.h>

/* "1x28x28" or "784" */
static tas_status parse_shape(line *text, shape *out)
{
    if (text->read >= text->count) return line_fail(text, "expected a shape after 'input', such as 1x28x28");
    uint32_t size[3] = {1, 1, 1};
    int count = 0;
    const char *word = text->word[text->read++], *at = word;
    for (;; at++) {
        char *end;
        errno = 0;
        unsigned long long value = *at >= '0' && *at <= '9' ? strtoull(at, &end, 10) : 0;
        if (!value || errno || value > (1u << 24) || count == 3) break;
        size[count++] = (uint32_t)value;
        at = end;
        if (!*at) {
            *out = (shape){size[0], size[1], size[2]};
            return TAS_OK;
        }
        if (*at != 'x') break;
    }
    return line_fail(text, "expected a shape of 1 to 3 sizes, such as 1x28x28 (channels x height x width), got '%.60s'",
                     word);
}

static tas_status parse(line *text, layer *self)
{
    tas_status status = parse_shape(text, &self->out);
    self->value = 0;
    self->std = 1;
    while (!status && text->read < text->count) {
        if (line_is(text, "mean"))
            status = line_f32(text, "the mean of the pixels", &self->value);
        else if (line_is(text, "std"))
            status = line_f32(text, "the standard deviation of the pixels", &self->std);
        else
            break;
    }
    if (!status && !(self->std > 1e-6f && self->std < 1e6f))
        status = line_fail(text, "std must lie between 1e-6 and 1e6");
    if (!status && !(self->value > -1e6f && self->value < 1e6f))
        status = line_fail(text, "mean must lie between -1e6 and 1e6");
    return status;
}

static void lower(tas_network *network, layer *self)
{
    network->inputs = (uint32_t)shape_elements(self->out);
    network->scale_u8 = arith_div(1, 255 * self->std);
    network->scale_f32 = arith_div(1, self->std);
    network->shift = arith_flush(arith_div(-self->value, self->std));
    network->input = self->y = add_tensor(network, ROLE_INPUT, network->inputs, "input");
    if (self->y >= 0) network->tensors[self->y].held = self->held;
}

const layer_kind layer_input = {
    .name = "input",
    .usage = "input CxHxW [mean M] [std S]",
    .parse = parse,
    .lower = lower,
};
