/* Sets of texts: open addressing, at most half full. */
#include "data/readers/words.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static uint32_t slot_of(const words *of, const char *text)
{
    uint32_t at = (uint32_t)text_hash(text) & (of->slots - 1);
    while (of->slot[at] && strcmp(of->text[of->slot[at] - 1], text)) at = (at + 1) & (of->slots - 1);
    return at;
}

int64_t words_find(const words *of, const char *text)
{
    return of->slots ? (int64_t)of->slot[slot_of(of, text)] - 1 : -1;
}

/* Twice the room, and all texts in it anew. */
static bool grow(words *of)
{
    const uint32_t room = of->room ? 2 * of->room : 8;
    char **text = realloc(of->text, room * sizeof *text);
    if (!text) return false;
    of->text = text;
    uint32_t *slot = calloc(2 * (size_t)room, sizeof *slot);
    if (!slot) return false;
    free(of->slot);
    of->slot = slot;
    of->slots = 2 * room;
    of->room = room;
    for (uint32_t i = 0; i < of->count; i++) of->slot[slot_of(of, of->text[i])] = i + 1;
    return true;
}

bool words_add(words *of, const char *text)
{
    if (of->count == of->room && !grow(of)) return false;
    char *copy = strdup(text);
    if (!copy) return false;
    of->slot[slot_of(of, text)] = of->count + 1;
    of->text[of->count++] = copy;
    return true;
}

void words_free(words *of)
{
    for (uint32_t i = 0; i < of->count; i++) free(of->text[i]);
    free(of->text);
    free(of->slot);
    *of = (words){0};
}

static int compare_texts(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

void words_sort(words *of)
{
    if (of->count) qsort(of->text, of->count, sizeof *of->text, compare_texts);
}
