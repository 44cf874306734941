/* The language of a network's text, as manuals print it, from the tables that the parser reads. */
#include "network/layers/layer.h"

#include <string.h>

static const char rules[] =
    "A network is a text in UTF-8 with one layer per line, in the order of the data. Words are separated by spaces or "
    "tabs, # begins a comment, empty lines are ignored. The first layer is the input, the last is the loss; without a "
    "loss the text ends with 'loss softmax'. At least one layer has parameters (dense, conv2d).\n\n"
    "Each layer reads the value of the line above it. A line that ends in 'as NAME' names its value, and lines below "
    "it can refer to that: 'add NAME...', 'concat NAME...' and 'multiply NAME' read it beside the value of the line "
    "above, and the line 'from NAME' lets the next layer read it instead. A name is a letter, followed by letters, "
    "digits, _, - or ., at most 63 characters; words of the language are not names. Each value has to be used, and "
    "each name but those of layers with parameters, for which files of weights have names as well.\n\n"
    "A line 'freeze NAME...' freezes layers that lines above it name, 'freeze to NAME' all layers down to that line. "
    "Frozen layers act in training as they do in evaluation: their parameters keep their values, batch_norm uses its "
    "running statistics and leaves them as they are, dropout drops nothing. Nothing is computed for gradients that no "
    "layer needs. Weight decay, the norm of the gradient, and the noise scale are of the other parameters.\n\n"
    "'input data', 'dense data' and 'loss data' take the shape, the number of outputs and the loss from a data set, "
    "and 'normalize' the means and standard deviations of the examples to train on; both need a data set, and a "
    "checkpoint stores what they stand for.\n\n"
    "Shapes are channels x height x width. If a size has two dimensions, it is written as height x width (5x3); one "
    "number stands for both. Arguments in brackets are optional; named ones follow the others, in any order.\n\n"
    "Parameters are named after the layer's place, the input being 0 (a 'from' does not count), and its kind: "
    "1.conv2d.weight (outputs, inputs / groups, kernel height, kernel width), 1.conv2d.bias (outputs), 3.dense.weight "
    "(outputs, inputs). Running statistics are stored with them: 2.batch_norm.running_mean and running_var (channels).";

const char *tas_network_rules(void) { return rules; }

_Static_assert(LINE_ARGUMENTS <= sizeof((tas_layer_help *)0)->argument / sizeof(tas_layer_argument),
               "an entry for each argument of a layer");

int tas_network_language(size_t index, tas_layer_help *help)
{
    const layer_kind *kind = layer_at(index);
    if (!kind) return 0;
    *help = (tas_layer_help){.layer = kind->name, .text = kind->text};
    line_usage(kind->name, kind->arguments, help->usage);
    for (const line_argument *a = kind->arguments; a && a->usage; a++)
        help->argument[help->arguments++] = (tas_layer_argument){.usage = a->usage, .text = a->text};
    return 1;
}
