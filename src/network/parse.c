/* Reading a network's text, which is UTF-8: one layer a line, # starts a comment. */
#include "network/layer.h"

#include "arith.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors put it in front */
enum { TEXT_MOST = 1 << 20, LAYERS_MOST = 4096 };

struct shipped_network {
    const char *name, *text;
};
extern const struct shipped_network shipped_networks[]; /* embedded by the build, ends with a NULL name */

tas_status line_fail(const line *text, const char *format, ...)
{
    char what[512];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    return fail(text->context, TAS_BAD_NETWORK, "%s:%d: %s", text->from, text->number, what);
}

tas_status line_pair(line *text, const char *what, uint32_t least, uint32_t most, uint32_t out[2])
{
    if (text->read >= text->count) return line_fail(text, "expected %s, such as 3 or 3x5", what);
    const char *word = text->word[text->read++], *at = word;
    unsigned long long value[2] = {0, 0};
    int count = 0;
    while (count < 2) {
        char *end = NULL;
        errno = 0;
        value[count] = *at >= '0' && *at <= '9' ? strtoull(at, &end, 10) : UINT64_MAX;
        if (!end || errno || value[count] < least || value[count] > most) break;
        count++;
        if (!*end) {
            out[0] = (uint32_t)value[0];
            out[1] = (uint32_t)value[count - 1]; /* one stands for both */
            return TAS_OK;
        }
        if (*end != 'x') break;
        at = end + 1;
    }
    return line_fail(text, "expected %s from %u to %u, as one number or as height x width (3x5), got '%.60s'", what,
                     least, most, word);
}

tas_status line_init(line *text, init_rule *out)
{
    *out = INIT_HE;
    if (!line_is(text, "init") || line_is(text, "he")) return TAS_OK;
    if (!line_is(text, "glorot")) return line_fail(text, "expected 'he' or 'glorot' after 'init'");
    *out = INIT_GLOROT;
    return TAS_OK;
}

bool line_is(line *text, const char *word)
{
    if (text->read >= text->count || strcmp(text->word[text->read], word)) return false;
    text->read++;
    return true;
}

tas_status line_u32(line *text, const char *what, uint32_t least, uint32_t most, uint32_t *out)
{
    if (text->read >= text->count) return line_fail(text, "expected %s after '%s'", what, text->word[text->read - 1]);
    const char *word = text->word[text->read++];
    char *end;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 10);
    if (*word < '0' || *word > '9' || *end || errno || value < least || value > most)
        return line_fail(text, "expected %s, a whole number from %u to %u, got '%.60s'", what, least, most, word);
    *out = (uint32_t)value;
    return TAS_OK;
}

tas_status line_f32(line *text, const char *what, float *out)
{
    if (text->read >= text->count) return line_fail(text, "expected %s after '%s'", what, text->word[text->read - 1]);
    const char *word = text->word[text->read++];
    char *end;
    float value = strtof(word, &end);
    if (end == word || *end || !arith_is_finite(value))
        return line_fail(text, "expected %s, a number, got '%.60s'", what, word);
    *out = arith_flush(value);
    return TAS_OK;
}

/* A checkpoint holds the text, and holds UTF-8 alone: comments are no exception. */
static tas_status check_characters(const line *text, const char *at)
{
    for (int bytes, column = 1; *at; at += bytes, column++)
        if (!(bytes = utf8_character(at)))
            return line_fail(text, "character %d is not UTF-8; expected text in it", column);
    return TAS_OK;
}

/* Cuts one line in words, up to a comment. */
static tas_status cut_line(line *text, char *at)
{
    char *comment = strchr(at, '#'), *keep = NULL;
    if (comment) *comment = 0;
    text->count = 0;
    text->read = 1;
    for (char *word = strtok_r(at, " \t\r", &keep); word; word = strtok_r(NULL, " \t\r", &keep)) {
        if (text->count == WORDS_MOST) return line_fail(text, "more than %d words", WORDS_MOST);
        text->word[text->count++] = word;
    }
    return TAS_OK;
}

static tas_status unknown_layer(const line *text)
{
    char names[256] = "";
    for (int i = 0; layer_at(i); i++) {
        if (i) strcat(names, ", ");
        strcat(names, layer_at(i)->name);
    }
    return line_fail(text, "'%.60s' is no layer; expected one of: %s", text->word[0], names);
}

/* Where layers may stand: the input first and once, the loss last and once. */
static tas_status check_place(const line *text, const tas_network *network, const layer_kind *kind)
{
    const layer *last = network->layer_count ? &network->layers[network->layer_count - 1] : NULL;
    if (!last && kind != &layer_input)
        return line_fail(text, "expected the input's shape first, such as 'input 1x28x28'");
    if (last && kind == &layer_input)
        return line_fail(text, "a second input; the first is in line %d", network->layers[0].line);
    if (last && last->kind == &layer_loss) return line_fail(text, "the loss in line %d must be the last", last->line);
    return TAS_OK;
}

static tas_status add_layer(tas_network *network, line *text, const layer_kind *kind)
{
    tas_status status = check_place(text, network, kind);
    if (status) return status;
    if (network->layer_count == LAYERS_MOST) return line_fail(text, "more than %d layers", LAYERS_MOST);
    layer *grown = realloc(network->layers, sizeof *grown * (size_t)(network->layer_count + 1));
    if (!grown) return fail(text->context, TAS_NO_MEMORY, "%s: no memory for its layers", text->from);
    network->layers = grown;
    layer *self = &grown[network->layer_count];
    *self =
        (layer){.kind = kind, .line = text->number, .x = NO_TENSOR, .y = NO_TENSOR, .dx = NO_TENSOR, .dy = NO_TENSOR};
    if (network->layer_count) self->in = grown[network->layer_count - 1].out;
    self->out = self->in;
    network->layer_count++;

    if (kind->parse) status = kind->parse(text, self);
    if (!status && text->read < text->count)
        status = line_fail(text, "'%.60s' is not expected; the line reads: %s", text->word[text->read], kind->usage);
    if (!status && kind->infer) status = kind->infer(text, self);
    if (!status && shape_elements(self->out) > UINT32_MAX) status = line_fail(text, "more than 2^32 values an example");
    return status;
}

static tas_status parse_text(tas_network *network, char *copy)
{
    char *keep = NULL;
    line text = {.context = network->context, .from = network->from};
    const size_t mark = strncmp(copy, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) ? 0 : strlen(BYTE_ORDER_MARK);
    for (char *at = copy + mark; at; at = keep) {
        text.number++;
        keep = strchr(at, '\n');
        if (keep) *keep++ = 0;
        tas_status status = check_characters(&text, at);
        if (!status) status = cut_line(&text, at);
        if (!status && text.count) {
            const layer_kind *kind = layer_find(text.word[0]);
            status = kind ? add_layer(network, &text, kind) : unknown_layer(&text);
        }
        if (status) return status;
    }
    if (!network->layer_count) return line_fail(&text, "no layer; expected 'input 1x28x28' or the like first");
    if (network->layers[network->layer_count - 1].kind != &layer_loss) { /* the default */
        char loss[] = "loss", softmax[] = "softmax";
        line standard = {.context = network->context,
                         .from = network->from,
                         .number = text.number,
                         .count = 2,
                         .read = 1,
                         .word = {loss, softmax}};
        return add_layer(network, &standard, &layer_loss);
    }
    return TAS_OK;
}

tas_status tas_network_parse(tas_context *context, const char *text, const char *from, tas_network **out)
{
    entry_state saved;
    entry_begin(context, &saved);
    tas_status status = TAS_OK;
    char *copy = strdup(text);
    tas_network *network = calloc(1, sizeof *network);
    *out = NULL;
    if (!network || !copy || !(network->text = strdup(text)) || !(network->from = strdup(from ? from : "network"))) {
        status = fail(context, TAS_NO_MEMORY, "no memory for a network");
        goto end;
    }
    network->context = context;
    status = parse_text(network, copy);
    if (!status) status = lower_network(network);
    if (status) goto end;
    *out = network;
    network = NULL;
end:
    tas_network_close(&network);
    free(copy);
    entry_end(&saved);
    return status;
}

tas_status tas_network_open(tas_context *context, const char *name_or_file, tas_network **out)
{
    *out = NULL;
    for (int i = 0; shipped_networks[i].name; i++)
        if (!strcmp(shipped_networks[i].name, name_or_file))
            return tas_network_parse(context, shipped_networks[i].text, name_or_file, out);

    char *text = NULL;
    size_t bytes = 0;
    tas_status status;
    if (!strchr(name_or_file, '/') && !strchr(name_or_file, '.') && access(name_or_file, F_OK)) {
        char names[256] = "";
        for (int i = 0; shipped_networks[i].name && strlen(names) < 200; i++) {
            if (i) strcat(names, ", ");
            strcat(names, shipped_networks[i].name);
        }
        return fail(context, TAS_BAD_FILE, "'%s' is neither a file nor a network that ships (%s)", name_or_file, names);
    }
    status = file_read(context, name_or_file, TEXT_MOST, &text, &bytes);
    if (!status && strlen(text) != bytes)
        status = fail(context, TAS_BAD_NETWORK, "%s: a zero byte in it; expected text", name_or_file);
    if (!status) status = tas_network_parse(context, text, name_or_file, out);
    free(text);
    return status;
}

const char *tas_network_shipped(size_t index)
{
    for (size_t i = 0; shipped_networks[i].name; i++)
        if (i == index) return shipped_networks[i].name;
    return NULL;
}

void tas_network_close(tas_network **network)
{
    if (!network || !*network) return;
    tas_network *n = *network;
    for (int i = 0; i < n->layer_count; i++) free(n->layers[i].summary);
    free(n->layers);
    free(n->tensors);
    free(n->parameters);
    free(n->infos);
    free(n->forward);
    free(n->backward);
    free(n->text);
    free(n->from);
    free(n);
    *network = NULL;
}

const char *tas_network_text(const tas_network *network) { return network->text; }
size_t tas_network_inputs(const tas_network *network) { return network->inputs; }
size_t tas_network_outputs(const tas_network *network) { return network->outputs; }

const char *tas_network_layer(const tas_network *network, size_t index)
{
    return index < (size_t)network->layer_count ? network->layers[index].summary : NULL;
}

const tas_tensor_info *tas_network_tensor(const tas_network *network, size_t index)
{
    return index < (size_t)network->parameter_count ? &network->infos[index] : NULL;
}

int tas_network_layer_info(const tas_network *network, size_t index, tas_layer_info *info)
{
    if (index >= (size_t)network->layer_count) return 0;
    const layer *self = &network->layers[index];
    *info = (tas_layer_info){.kind = self->kind->name,
                             .in = {self->in.channels, self->in.height, self->in.width},
                             .out = {self->out.channels, self->out.height, self->out.width},
                             .parameters = self->parameters,
                             .value_bytes = sizeof(float) * shape_elements(self->out),
                             .forward_flops = self->forward_flops,
                             .train_flops = self->train_flops};
    return 1;
}
