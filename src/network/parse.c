/* Reading a network's text, which is UTF-8: one layer per line, # begins a comment. */
#include "network/parse.h"

#include "base/text.h"
#include "network/layers/layer.h"

#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors write it first */
#define WORD_FROM "from"
#define WORD_AS "as"
#define WORD_FREEZE "freeze"
#define WORD_TO "to"
enum { LAYERS_MOST = 4096, KINDS_MOST = 64, NAMES_MOST = 64, GROUP_MOST = 1 << 24 };

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
    const char *names[KINDS_MOST + 3] = {NULL};
    char list[1024] = "";
    size_t count = 0;
    for (; count < KINDS_MOST && layer_at(count); count++) {
        names[count] = layer_at(count)->name;
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s, ", names[count]);
    }
    names[count++] = WORD_FROM;
    names[count] = WORD_FREEZE;
    const char *meant = tas_suggest(line->word[0], names);
    network->plausible |= meant != NULL;
    if (meant) return line_fail(line, "unknown layer '%.60s'; did you mean '%s'?", line->word[0], meant);
    return line_fail(line, "unknown layer '%.60s'; expected one of: %s" WORD_FROM ", " WORD_FREEZE, line->word[0],
                     list);
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

/* Cuts "as NAME" off the end of the line, into *name; NULL if there is none. */
static tas_status cut_name(text_line *line, const char **name)
{
    int at = 1;
    while (at < line->count && strcmp(line->word[at], WORD_AS) != 0) at++;
    *name = at + 1 < line->count ? line->word[at + 1] : NULL;
    if (at + 1 == line->count) return line_fail(line, "expected a name after 'as', the line ends");
    if (at + 2 < line->count)
        return line_fail(line, "unexpected '%.60s' after 'as %.60s'; expected the end of the line", line->word[at + 2],
                         *name);
    if (*name) line->count = at;
    return TAS_OK;
}

static layer *find_name(const tas_network *network, const char *name)
{
    for (int i = 0; i < network->layer_count; i++)
        if (!strcmp(network->layers[i].name, name)) return &network->layers[i];
    return NULL;
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static tas_status set_name(const text_line *line, const tas_network *network, layer *self, const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const layer *other = find_name(network, name);
    if (strlen(name) >= LAYER_NAME || strspn(name, allowed) != strlen(name) || !is_letter(*name))
        return line_fail(
            line, "'%.60s' is not a name: expected a letter, then letters, digits, _, - or ., at most %d characters",
            name, LAYER_NAME - 1);
    if (layer_find(name) || !strcmp(name, WORD_FROM) || !strcmp(name, WORD_AS) || !strcmp(name, WORD_FREEZE))
        return line_fail(line, "'%s' is a word of the language; expected another name after 'as'", name);
    if (self->kind == &layer_loss) return line_fail(line, "the loss has no value to name");
    if (other) return line_fail(line, "a second value named '%s'; the first is in line %d", name, other->line);
    strcpy(self->name, name);
    return TAS_OK;
}

/* Whether a line below names its value so. Those lines are not cut into words yet. */
static bool is_defined_later(const text_line *line, const char *name)
{
    static const char blank[] = " \t\r";
    for (const char *at = line->rest; at; at = strchr(at, '\n')) {
        const char *word = "", *before = "";
        size_t length = 0, length_before = 0;
        at += *at == '\n';
        for (at += strspn(at, blank); *at && *at != '\n' && *at != '#'; at += strspn(at, blank)) {
            before = word, length_before = length;
            word = at, length = strcspn(at, " \t\r\n#");
            at += length;
        }
        if (length == strlen(name) && !strncmp(word, name, length) && length_before == strlen(WORD_AS) &&
            !strncmp(before, WORD_AS, length_before))
            return true;
    }
    return false;
}

/* The layer of a name that a line uses. */
static tas_status use_name(const text_line *line, const tas_network *network, const char *name, int *from)
{
    const char *names[NAMES_MOST + 1] = {NULL};
    layer *found = find_name(network, name);
    int count = 0;
    if (found) {
        found->uses++;
        *from = (int)(found - network->layers);
        return TAS_OK;
    }
    for (int i = 0; i < network->layer_count && count < NAMES_MOST; i++)
        if (*network->layers[i].name) names[count++] = network->layers[i].name;
    const char *meant = tas_suggest(name, names);
    if (is_defined_later(line, name))
        return line_fail(line, "'%s' is used before it is defined; expected the name of an earlier value", name);
    if (layer_find(name))
        return line_fail(line, "unknown name '%s', which is a layer; expected it in a line of its own", name);
    if (meant) return line_fail(line, "unknown name '%.60s'; did you mean '%s'?", name, meant);
    return line_fail(line, "unknown name '%.60s'; expected one that an earlier line defines with 'as %.60s'", name,
                     name);
}

/* "dense 10 relu"; but "conv2d 16 3 pad 1" means padding. */
static tas_status check_one_layer(const text_line *line, const layer_kind *kind)
{
    const line_argument *a = kind->arguments;
    for (int i = 1; i < line->count; i++)
        if (layer_find(line->word[i]) && !(a && a->type == ARGUMENT_NAMES) && !line_begins_name(a, line->word[i]))
            return line_fail(line, "'%s' is a layer; expected it in a line of its own", line->word[i]);
    return TAS_OK;
}

static layer *add_layer(tas_network *network)
{
    const size_t used = (size_t)network->layer_count;
    if ((used & (used - 1)) == 0) { /* a power of two, or 0: full */
        layer *grown = realloc(network->layers, (used ? 2 * used : 1) * sizeof *grown);
        if (!grown) return NULL;
        network->layers = grown;
    }
    network->layer_count++;
    return &network->layers[used];
}

static void add_input(tas_network *network, layer *self, int from)
{
    self->from[self->inputs] = from;
    self->ins[self->inputs++] = network->layers[from].out;
    network->layers[from].readers++;
}

/* The value so far, and what the line names. */
static tas_status read_inputs(const text_line *line, tas_network *network, layer *self)
{
    const line_argument *a = self->kind->arguments;
    tas_status status = TAS_OK;
    if (self == network->layers) return TAS_OK;
    add_input(network, self, network->end);
    for (int i = 1; a && a->type == ARGUMENT_NAMES && i < line->count && !status; i++) {
        int from;
        status = use_name(line, network, line->word[i], &from);
        if (!status) add_input(network, self, from);
    }
    self->in = self->ins[0];
    return status;
}

/* Tiles hold whole groups of each layer: their size is a multiple of all groups' sizes. */
static tas_status join_groups(const text_line *line, tas_network *network, const layer *self)
{
    uint32_t a = network->group, b = self->batch_group;
    while (b) {
        const uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    const uint64_t together = (uint64_t)(network->group / a) * (self->batch_group ? self->batch_group : a);
    if (together > GROUP_MOST)
        return line_fail(line,
                         "groups of %u examples, and of %u above: a tile would need whole groups of both, %llu "
                         "examples, but has at most 2^24; expected groups with a smaller common multiple",
                         self->batch_group, network->group, (unsigned long long)together);
    network->group = (uint32_t)together;
    return TAS_OK;
}

static tas_status parse_layer(tas_network *network, text_line *line, const layer_kind *kind)
{
    const char *name;
    tas_status status = check_place(line, network, kind);
    if (!status) status = cut_name(line, &name);
    if (!status) status = check_one_layer(line, kind);
    if (status) return status;
    if (network->layer_count == LAYERS_MOST) return line_fail(line, "more than %d layers", LAYERS_MOST);
    layer *self = add_layer(network);
    if (!self) return fail(line->context, TAS_NO_MEMORY, "%s: no memory for its layers", line->from);
    *self = (layer){.kind = kind, .line = line->number, .y = NO_TENSOR, .dy = NO_TENSOR, .sum = -1};
    for (int k = 0; k < LAYER_INPUTS; k++) self->x[k] = self->dx[k] = NO_TENSOR;

    line_usage(kind->name, kind->arguments, line->usage);
    status = line_read(line, kind->arguments, self);
    if (!status) status = read_inputs(line, network, self);
    self->out = self->inputs ? self->in : self->out;
    if (!status && kind->infer) status = kind->infer(line, self);
    if (!status) status = join_groups(line, network, self);
    if (!status && shape_elements(self->out) > UINT32_MAX)
        status = line_fail(line, "more than 2^32 values per example");
    if (!status && name) status = set_name(line, network, self, name);
    network->end = network->layer_count - 1;
    return status;
}

/* from NAME: the next line reads that value. */
static tas_status parse_from(tas_network *network, text_line *line)
{
    int from;
    const layer *last = network->layer_count ? &network->layers[network->layer_count - 1] : NULL;
    if (!last) return line_fail(line, "expected the input's shape first, such as 'input 1x28x28'");
    if (last->kind == &layer_loss) return line_fail(line, "the loss in line %d must be the last", last->line);
    if (line->count != 2) return line_fail(line, "expected one name of an earlier value; usage: " WORD_FROM " NAME");
    const tas_status status = use_name(line, network, line->word[1], &from);
    if (!status) network->end = from;
    return status;
}

/* freeze NAME..., or freeze to NAME: those layers act as in evaluation, and their parameters are not trained. */
static tas_status parse_freeze(tas_network *network, text_line *line)
{
    const bool up_to = line->count == 3 && !strcmp(line->word[1], WORD_TO);
    if (line->count < 2)
        return line_fail(line, "expected names of layers, the line ends; usage: " WORD_FREEZE
                               " NAME..., or " WORD_FREEZE " " WORD_TO " NAME");
    for (int i = up_to ? 2 : 1; i < line->count; i++) {
        int last;
        const tas_status status = use_name(line, network, line->word[i], &last);
        if (status) return status;
        if (!up_to && !network->layers[last].kind->freezes)
            return line_fail(line, "'%s' is a layer without parameters, %s: there is nothing to freeze", line->word[i],
                             network->layers[last].kind->name);
        for (int k = up_to ? 0 : last; k <= last; k++) network->layers[k].frozen = network->layers[k].kind->freezes;
    }
    return TAS_OK;
}

/* Each value has a use, and each name but those of parameters, which files of weights use as well: what nothing reads
 * was probably meant to be read. */
static tas_status check_used(const tas_network *network, const text_line *last)
{
    text_line line = *last;
    for (int i = 0; i < network->layer_count - 1; i++) {
        const layer *self = &network->layers[i];
        line.number = self->line;
        if (*self->name && !(self->uses && self->readers) && !(self->kind->freezes && self->readers))
            return line_fail(&line, "'%s' is never used; expected a line below that refers to it, or no 'as %s'",
                             self->name, self->name);
        if (!self->readers)
            return line_fail(&line, "the value of this line is never used, as a '" WORD_FROM
                                    "' follows; expected 'as NAME' here and a line that uses the name");
    }
    return TAS_OK;
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

static tas_status parse_line(tas_network *network, text_line *line)
{
    const layer_kind *kind = layer_find(line->word[0]);
    network->plausible |= kind != NULL;
    if (kind) return parse_layer(network, line, kind);
    if (!strcmp(line->word[0], WORD_FROM)) return parse_from(network, line);
    return strcmp(line->word[0], WORD_FREEZE) ? unknown_layer(network, line) : parse_freeze(network, line);
}

tas_status parse_text(tas_network *network, char *text)
{
    text_line line = {.context = network->context, .from = network->from};
    network->group = 1;
    const size_t mark = strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) ? 0 : strlen(BYTE_ORDER_MARK);
    for (char *at = text + mark; at; at = line.rest) {
        line.number++;
        line.rest = strchr(at, '\n');
        if (line.rest) *line.rest++ = 0;
        tas_status status = check_characters(&line, at);
        if (!status) status = cut_line(&line, at);
        if (!status && line.count) status = parse_line(network, &line);
        if (status) return status;
    }
    if (!network->layer_count) return line_fail(&line, "no layers; expected the input's shape first (input 1x28x28)");
    const bool ended = network->layers[network->layer_count - 1].kind == &layer_loss;
    tas_status status = ended ? TAS_OK : add_loss(network, &line);
    return status ? status : check_used(network, &line);
}
