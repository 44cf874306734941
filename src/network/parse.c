/* Reading a network's text, which is UTF-8: one layer per line, # begins a comment. */
#include "network/parse.h"

#include "base/text.h"
#include "network/layers/layer.h"

#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors write it first */
enum { LAYERS_MOST = 4096, KINDS_MOST = 64 };

/* A checkpoint holds the text, and holds nothing but UTF-8: comments are no exception. */
static tas_status check_characters(const text_line *line, const char *at)
{
    for (int bytes, column = 1; *at; at += bytes, column++)
        if (!(bytes = text_character_bytes(at)))
            return line_fail(line, "character %d is not UTF-8; expected a network's text", column);
    return TAS_OK;
}

/* Cuts one line into words, up to a comment. */
static tas_status cut_line(text_line *line, char *at)
{
    char *comment = strchr(at, '#'), *rest = NULL;
    if (comment) *comment = 0;
    line->count = 0;
    for (char *word = strtok_r(at, " \t\r", &rest); word; word = strtok_r(NULL, " \t\r", &rest)) {
        if (line->count == LINE_WORDS) return line_fail(line, "more than %d words", LINE_WORDS);
        line->word[line->count++] = word;
    }
    return TAS_OK;
}

static tas_status unknown_layer(tas_network *network, const text_line *line)
{
    const char *names[KINDS_MOST + 1] = {NULL};
    char list[256] = "";
    for (size_t i = 0; i < KINDS_MOST && layer_at(i); i++) {
        names[i] = layer_at(i)->name;
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *meant = tas_suggest(line->word[0], names);
    network->plausible |= meant != NULL;
    if (meant) return line_fail(line, "unknown layer '%.60s'; did you mean '%s'?", line->word[0], meant);
    return line_fail(line, "unknown layer '%.60s'; expected one of: %s", line->word[0], list);
}

/* Where layers may stand: the input first and once, the loss last and once. */
static tas_status check_place(const text_line *line, const tas_network *network, const layer_kind *kind)
{
    const layer *last = network->layer_count ? &network->layers[network->layer_count - 1] : NULL;
    if (!last && kind != &layer_input)
        return line_fail(line, "expected the input's shape first, such as 'input 1x28x28'");
    if (last && kind == &layer_input)
        return line_fail(line, "a second input; the first is in line %d", network->layers[0].line);
    if (last && last->kind == &layer_loss) return line_fail(line, "the loss in line %d must be the last", last->line);
    return TAS_OK;
}

/* "dense 10 relu" */
static tas_status check_one_layer(const text_line *line)
{
    for (int i = 1; i < line->count; i++)
        if (layer_find(line->word[i]))
            return line_fail(line, "'%s' is a layer; expected it in a line of its own", line->word[i]);
    return TAS_OK;
}

/* Room for one more layer. It doubles, so that long texts take linear time. */
static layer *add_layer(tas_network *network)
{
    const size_t used = (size_t)network->layer_count;
    if ((used & (used - 1)) == 0) { /* a power of two, or 0: full */
        layer *grown = realloc(network->layers, sizeof *grown * (used ? 2 * used : 1));
        if (!grown) return NULL;
        network->layers = grown;
    }
    network->layer_count++;
    return &network->layers[used];
}

static tas_status parse_layer(tas_network *network, text_line *line, const layer_kind *kind)
{
    tas_status status = check_place(line, network, kind);
    if (!status) status = check_one_layer(line);
    if (status) return status;
    if (network->layer_count == LAYERS_MOST) return line_fail(line, "more than %d layers", LAYERS_MOST);
    layer *self = add_layer(network);
    if (!self) return fail(line->context, TAS_NO_MEMORY, "%s: no memory for its layers", line->from);
    *self =
        (layer){.kind = kind, .line = line->number, .x = NO_TENSOR, .y = NO_TENSOR, .dx = NO_TENSOR, .dy = NO_TENSOR};
    if (network->layer_count > 1) self->in = self[-1].out;
    self->out = self->in;

    line_usage(kind->name, kind->arguments, line->usage);
    status = line_read(line, kind->arguments, self);
    if (!status && kind->infer) status = kind->infer(line, self);
    if (!status && shape_elements(self->out) > UINT32_MAX)
        status = line_fail(line, "more than 2^32 values per example");
    return status;
}

/* A text without a loss has softmax. */
static tas_status add_loss(tas_network *network, const text_line *last)
{
    char name[] = "loss", softmax[] = "softmax";
    text_line line = *last;
    line.count = 2;
    line.word[0] = name;
    line.word[1] = softmax;
    return parse_layer(network, &line, &layer_loss);
}

tas_status parse_text(tas_network *network, char *text)
{
    char *next = NULL;
    text_line line = {.context = network->context, .from = network->from};
    const size_t mark = strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) ? 0 : strlen(BYTE_ORDER_MARK);
    for (char *at = text + mark; at; at = next) {
        line.number++;
        next = strchr(at, '\n');
        if (next) *next++ = 0;
        tas_status status = check_characters(&line, at);
        if (!status) status = cut_line(&line, at);
        if (!status && line.count) {
            const layer_kind *kind = layer_find(line.word[0]);
            network->plausible |= kind != NULL;
            status = kind ? parse_layer(network, &line, kind) : unknown_layer(network, &line);
        }
        if (status) return status;
    }
    if (!network->layer_count) return line_fail(&line, "no layers; expected the input's shape first (input 1x28x28)");
    if (network->layers[network->layer_count - 1].kind == &layer_loss) return TAS_OK;
    return add_loss(network, &line);
}
