/* augment [flip] [shift N] [cutout N]: in training each image is mirrored, shifted and loses a square at random. The
 * feed does it while it gathers the images (ops/feed.c), so that nothing is computed here: what the line says is kept
 * in the network. */
#include "network/build.h"

static tas_status check_sizes(const text_line *line, const layer *self)
{
    const shape s = self->in;
    const uint32_t shorter = s.height < s.width ? s.height : s.width;
    if (s.flat)
        return line_fail(line,
                         "augment needs planes, but the input is %u values without height and width; expected an input "
                         "of channels x height x width (input 1x28x28)",
                         s.channels);
    if (!self->flip && !self->shift && !self->cutout)
        return line_fail(line, "expected what to do with the images; usage: %s", line->usage);
    if (self->shift >= shorter)
        return line_fail(line, "a shift of %u would move an image of %u x %u out of itself; expected at most %u",
                         self->shift, s.height, s.width, shorter - 1);
    if (self->cutout > shorter)
        return line_fail(line, "a cutout of %u is larger than an image of %u x %u; expected at most %u", self->cutout,
                         s.height, s.width, shorter);
    return TAS_OK;
}

static tas_status infer(const text_line *line, layer *self)
{
    const layer *above = self - 1; /* the input is the first */
    if (above->kind != &layer_input) return line_fail(line, "expected augment in the line after the input");
    if (*above->name)
        return line_fail(line, "'%s' is named before it is augmented; expected 'as %s' at the end of this line",
                         above->name, above->name);
    return check_sizes(line, self);
}

static void lower(tas_network *network, layer *self)
{
    network->flip = self->flip;
    network->shift = self->shift;
    network->cutout = self->cutout;
    self->y = self->x[0];
}

/* The input has no gradient. */
static void lower_backward(tas_network *network, layer *self)
{
    (void)network;
    (void)self;
}

static const line_argument arguments[] = {
    {.usage = "flip",
     .what = "'flip'",
     .text = "Mirrors each image, left to right, with probability 1/2.",
     .type = ARGUMENT_FLAG,
     .optional = true,
     .offset = offsetof(layer, flip)},
    {.usage = "shift N",
     .what = "the largest shift",
     .text = "Moves each image by -N to N pixels up or down, and by as many to the left or right. What comes in from "
             "outside is 0 before it is scaled by the input's mean and std (PyTorch's RandomCrop with padding N).",
     .type = ARGUMENT_COUNT,
     .optional = true,
     .offset = offsetof(layer, shift),
     .least = 1,
     .most = 1 << 12},
    {.usage = "cutout N",
     .what = "the side of what is cut out",
     .text = "Replaces a square of N x N pixels of each image by the mean, which is 0 once it is scaled. Its center is "
             "anywhere in the image; what is outside of the image is not replaced (DeVries and Taylor 2017).",
     .type = ARGUMENT_COUNT,
     .optional = true,
     .offset = offsetof(layer, cutout),
     .least = 1,
     .most = 1 << 12},
    {0},
};

const layer_kind layer_augment = {
    .name = "augment",
    .text = "Changes the images at random in training, for each epoch anew; in evaluation and prediction they stay as "
            "they are. What happens to an image depends on the seed, the epoch, and its place in the data set. In the "
            "line after the input.",
    .arguments = arguments,
    .elementwise = true,
    .infer = infer,
    .lower = lower,
    .lower_backward = lower_backward,
};
