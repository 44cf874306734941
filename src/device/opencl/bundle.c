/* Several programs as one text: see bundle.h. */
#include "device/opencl/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    FILE *stream;
    int place;
} writer;

typedef void (*write_word)(const writer *w, const char *word, int length);

static void each_word(const writer *w, const char *words, write_word write)
{
    while (*words) {
        const int length = (int)strcspn(words, " ");
        if (length) write(w, words, length);
        words += length + (words[length] == ' ');
    }
}

static void rename_word(const writer *w, const char *word, int length)
{
    fprintf(w->stream, "#define %.*s u%d_%.*s\n", length, word, w->place, length, word);
}

static void undefine(const writer *w, const char *word, int length)
{
    fprintf(w->stream, "#undef %.*s\n", length, word);
}

static bool is_flag(const char *word, int length) { return length == 2 && !strncmp(word, "-D", 2); }

/* "A=1" or "A". */
static void define_option(const writer *w, const char *word, int length)
{
    const char *equals = memchr(word, '=', (size_t)length);
    const int name = equals ? (int)(equals - word) : length;
    if (is_flag(word, length)) return;
    fprintf(w->stream, "#define %.*s %.*s\n", name, word, equals ? length - name - 1 : 1, equals ? equals + 1 : "1");
}

static void undefine_option(const writer *w, const char *word, int length)
{
    const char *equals = memchr(word, '=', (size_t)length);
    if (!is_flag(word, length)) undefine(w, word, equals ? (int)(equals - word) : length);
}

static void write_unit(const writer *w, const bundle_unit *unit)
{
    each_word(w, unit->options, define_option);
    each_word(w, unit->source->names, rename_word);
    fputs(unit->source->text, w->stream);
    each_word(w, unit->options, undefine_option);
    each_word(w, unit->source->names, undefine);
    each_word(w, unit->source->macros, undefine);
}

char *bundle_make_text(const bundle_unit *unit, int count)
{
    char *text = NULL;
    size_t bytes = 0;
    writer w = {.stream = open_memstream(&text, &bytes)};
    if (!w.stream) return NULL;
    for (; w.place < count; w.place++) write_unit(&w, &unit[w.place]);
    const bool failed = ferror(w.stream) != 0;
    if (fclose(w.stream) || failed) {
        free(text);
        return NULL;
    }
    return text;
}

bool bundle_may_have(const bundle_unit *unit)
{
    const char *at = unit->options;
    while (*at == ' ') at++;
    for (; *at; at += strspn(at, " ")) {
        if (strncmp(at, "-D ", 3)) return false;
        at += 3;
        at += strcspn(at, " ");
    }
    return unit->source && unit->source->names && unit->source->macros;
}

void bundle_name(int place, const char *kernel, char name[BUNDLE_NAME])
{
    snprintf(name, BUNDLE_NAME, "u%d_%s", place, kernel);
}
