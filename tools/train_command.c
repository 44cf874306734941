/* tassello train: the command line that repeats a run. */
#include "train.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void add_word(json_t *words, const char *format, ...)
{
    char *text = NULL;
    va_list list;
    va_start(list, format);
    const int length = vasprintf(&text, format, list);
    va_end(list);
    if (length < 0) return;
    json_array_append_new(words, cli_json_text(text));
    free(text);
}

static void add_option(json_t *words, const char *name, const char *text)
{
    if (text) add_word(words, "--%s=%s", name, text);
}

json_t *train_command_words(const train_session *session, uint32_t tile)
{
    const train_settings *settings = &session->settings;
    json_t *words = json_array(), *value;
    const char *name;
    add_word(words, "%s", settings->net);
    add_word(words, "%s", settings->data);
    json_object_foreach(settings->options, name, value) {
        if (json_is_string(value))
            add_option(words, name, json_string_value(value));
        else
            add_word(words, "--%s", name);
    }
    add_option(words, "init", settings->init);
    add_option(words, "resume", settings->resume);
    add_option(words, "device", tas_device_get_info(session->device)->id);
    if (tile) add_word(words, "--tile=%u", tile);
    if (settings->keep_on_host) add_word(words, "--keep-on-host");
    return words;
}

/* As a shell reads it. */
static void print_quoted(const char *text, FILE *stream)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+./:,=%@";
    if (*text && text[strspn(text, plain)] == 0) {
        fputs(text, stream);
        return;
    }
    fputc('\'', stream);
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stream);
        else
            fputc(*text, stream);
    fputc('\'', stream);
}

void train_command_print(const train_session *session, FILE *stream)
{
    json_t *words = train_command_words(session, session->result.tile), *word;
    size_t i;
    fputs("tassello train", stream);
    json_array_foreach(words, i, word)
    {
        fputc(' ', stream);
        print_quoted(json_string_value(word), stream);
    }
    json_decref(words);
}
