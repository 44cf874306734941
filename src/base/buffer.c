/* Growing texts. */
#include "base/buffer.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(buffer *out, size_t more)
{
    if (out->failed || more > SIZE_MAX / 4 - out->bytes) return false;
    const size_t wanted = out->bytes + more + 1;
    if (wanted <= out->room) return true;
    const size_t room = wanted + wanted / 2 + 256;
    char *text = realloc(out->text, room);
    if (!text) return false;
    out->text = text;
    out->room = room;
    return true;
}

void buffer_add(buffer *out, const char *bytes, size_t count)
{
    if (!make_room(out, count)) {
        out->failed = true;
        return;
    }
    memcpy(out->text + out->bytes, bytes, count);
    out->bytes += count;
    out->text[out->bytes] = 0;
}

void buffer_print(buffer *out, const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    const int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (length >= 0 && make_room(out, (size_t)length)) {
        vsnprintf(out->text + out->bytes, (size_t)length + 1, format, again);
        out->bytes += (size_t)length;
    } else {
        out->failed = true;
    }
    va_end(again);
}

void buffer_escape(buffer *out, const char *text)
{
    static const char *const names[128] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
    while (*text) {
        const unsigned char c = (unsigned char)*text;
        const int length = text_character_bytes(text);
        const bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
        if (!length || control)
            buffer_print(out, "&#xfffd;");
        else if (c < 0x80 && names[c])
            buffer_print(out, "%s", names[c]);
        else
            buffer_add(out, text, (size_t)length);
        text += length ? length : 1;
    }
}

void buffer_quote(buffer *out, const char *word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/,:+=@%-";
    if (*word && !word[strspn(word, safe)]) {
        buffer_print(out, "%s", word);
        return;
    }
    buffer_print(out, "'");
    for (; *word; word++) {
        if (*word == '\'')
            buffer_print(out, "'\\''");
        else
            buffer_add(out, word, 1);
    }
    buffer_print(out, "'");
}
