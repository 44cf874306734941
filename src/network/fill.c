/* Words that stand for what a data set has: see fill.h. */
#include "network/fill.h"

#include "base/buffer.h"
#include "network/layers/layer.h"

#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* A word of the text, with the first of its line and the one before it. */
typedef struct word {
    const char *at; /* NULL: behind the last */
    size_t length;
    int place;  /* in its line, from 0 */
    bool named; /* it follows an 'as' */
} word;

static bool is(const word *w, const char *text)
{
    return w->length == strlen(text) && !strncmp(w->at, text, w->length);
}

static bool is_normalize(const word *w) { return !w->named && (is(w, LINE_NORMALIZE) || is(w, LINE_NORMALISE)); }

/* Whether it stands for a value of the data set, as the argument of a layer. */
static bool is_data(const word *w) { return w->place == 1 && is(w, LINE_DATA); }

static word first_word(const char *text)
{
    const size_t mark = strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) ? 0 : strlen(BYTE_ORDER_MARK);
    return (word){.at = text + mark, .place = -1};
}

/* Moves to the next word: past blanks, comments and ends of lines. */
static bool next_word(word *w)
{
    const bool as = w->length == 2 && !strncmp(w->at, "as", 2);
    const char *at = w->at + w->length;
    bool same_line = true;
    for (;; at++) {
        at += strspn(at, " \t\r");
        if (*at == '#') at += strcspn(at, "\n");
        if (*at != '\n') break;
        same_line = false;
    }
    *w = (word){.at = at, .length = strcspn(at, " \t\r\n#"), .place = same_line ? w->place + 1 : 0};
    w->named = as && same_line;
    return w->length > 0;
}

/* ---- the outline ------------------------------------------------------------------------------------------------- */

static void read_shape(fill_outline *out, const word *w)
{
    unsigned long size[3] = {0};
    char *end = NULL;
    int count = 0;
    for (const char *at = w->at; count < 3; at = end + 1) {
        size[count++] = strtoul(at, &end, 10);
        if (*end != 'x') break;
    }
    if (!end || end != w->at + w->length) return; /* parse_text() reports it */
    out->channels = (uint32_t)(count == 2 ? 1 : size[0]);
    out->height = (uint32_t)(count == 1 ? 0 : size[count - 2]);
    out->width = (uint32_t)(count == 1 ? 0 : size[count - 1]);
}

static void read_loss(fill_outline *out, const word *w)
{
    out->loss_known = false;
    for (int k = 0; tas_loss_name((tas_loss)k); k++) {
        if (!is(w, tas_loss_name((tas_loss)k))) continue;
        out->loss = (tas_loss)k;
        out->loss_known = true;
    }
}

fill_outline fill_read(const char *text)
{
    fill_outline out = {.loss_known = true, .loss = TAS_LOSS_SOFTMAX};
    word first = {.at = text}, w = first_word(text);
    while (next_word(&w)) {
        if (!w.place) first = w;
        const bool input = is(&first, layer_input.name), loss = is(&first, layer_loss.name);
        const bool dense = is(&first, layer_dense.name);
        out.words |= is_data(&w) && (input || loss || dense);
        out.normalize_inputs |= input && is_normalize(&w);
        out.normalize_targets |= loss && is_normalize(&w);
        if (w.place != 1) continue;
        if (input) read_shape(&out, &w);
        if (loss) read_loss(&out, &w);
        if (dense) out.outputs = (uint32_t)strtoul(w.at, NULL, 10);
        if (dense) out.outputs_data = is_data(&w);
    }
    return out;
}

/* ---- filling in -------------------------------------------------------------------------------------------------- */

static void add_list(buffer *out, const char *name, uint32_t count, const float *values)
{
    buffer_print(out, "%s ", name);
    for (uint32_t k = 0; k < count; k++) buffer_print(out, "%s%.9g", k ? "," : "", (double)values[k]);
}

static void add_scales(buffer *out, const fill_scales *scales)
{
    if (!scales->count) return;
    add_list(out, "mean", scales->count, scales->mean);
    add_list(out, " std", scales->count, scales->std);
}

/* Writes what a word stands for; false if it stands for itself. */
static bool replace_word(buffer *out, const fill_values *values, const word *first, const word *w)
{
    const bool input = is(first, layer_input.name), loss = is(first, layer_loss.name);
    if (loss && is_normalize(w) && !values->targets.count && !values->drops_normalize) return false;
    if ((input || loss) && is_normalize(w) && w->place)
        add_scales(out, input ? &values->inputs : &values->targets);
    else if (input && is_data(w))
        buffer_print(out, "%s", values->shape);
    else if (loss && is_data(w))
        buffer_print(out, "%s", values->loss);
    else if (is(first, layer_dense.name) && is_data(w))
        buffer_print(out, "%u", values->outputs);
    else
        return false;
    return true;
}

tas_status fill_text(tas_context *context, const char *text, const fill_values *values, char **out)
{
    buffer filled = {0};
    const char *copied = text;
    word first = {.at = text}, w = first_word(text);
    *out = NULL;
    while (next_word(&w)) {
        if (!w.place) first = w;
        buffer_add(&filled, copied, (size_t)(w.at - copied));
        if (!replace_word(&filled, values, &first, &w)) buffer_add(&filled, w.at, w.length);
        copied = w.at + w.length;
    }
    buffer_add(&filled, copied, strlen(copied));
    if (filled.failed || !(filled.text || (filled.text = strdup("")))) {
        free(filled.text);
        return fail(context, TAS_NO_MEMORY, "no memory for a network's text");
    }
    *out = filled.text;
    return TAS_OK;
}
