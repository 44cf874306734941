/* Text from outside. */
#include "base/text.h"

#include <tassello/context.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The Unicode Standard, table 3-7: the range of the second byte leaves out longer forms than needed, surrogates, and
 * what is above U+10FFFF. */
static const struct utf8_row {
    unsigned char first, last; /* of the first byte */
    unsigned char least, most; /* of the second */
    int bytes;
} utf8_rows[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

int text_character_bytes(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    for (size_t i = 0; i < sizeof utf8_rows / sizeof *utf8_rows; i++) {
        const struct utf8_row *row = &utf8_rows[i];
        if (at[0] < row->first || at[0] > row->last) continue;
        if (row->bytes == 1) return 1;
        if (at[1] < row->least || at[1] > row->most) return 0;
        for (int k = 2; k < row->bytes; k++)
            if (at[k] < 0x80 || at[k] > 0xbf) return 0; /* the text's end, too */
        return row->bytes;
    }
    return 0;
}

bool text_is_utf8(const char *text)
{
    for (int bytes; *text; text += bytes)
        if (!(bytes = text_character_bytes(text))) return false;
    return true;
}

/* The character's number in Unicode; its first byte has the number of bytes as leading ones. */
static uint32_t code_point(const unsigned char *at, int bytes)
{
    uint32_t code = bytes == 1 ? at[0] : at[0] & (0x7fu >> bytes);
    for (int k = 1; k < bytes; k++) code = code << 6 | (at[k] & 0x3fu);
    return code;
}

/* Controls of terminals (C0, DEL, C1), line and paragraph separators, and marks that change the direction of the text
 * around them or that nobody sees. */
static int is_unsafe(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x200b, 0x200f},
                  {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xe0000, 0xe007f}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i].first && code <= ranges[i].last) return 1;
    return 0;
}

char *text_escape(const char *text, const char *keep, char *out, size_t bytes)
{
    size_t used = 0;
    for (int length; *text; text += length) {
        char piece[16];
        const int found = text_character_bytes(text);
        length = found ? found : 1;
        const uint32_t code = code_point((const unsigned char *)text, length);
        if (found && (!is_unsafe(code) || strchr(keep, *text)))
            snprintf(piece, sizeof piece, "%.*s", length, text);
        else if (!found || code < 0x80)
            snprintf(piece, sizeof piece, "\\x%02x", (unsigned)(unsigned char)*text);
        else
            snprintf(piece, sizeof piece, code < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)code);
        const size_t size = strlen(piece);
        if (used + size >= bytes) break;
        memcpy(out + used, piece, size);
        used += size;
    }
    if (bytes) out[used] = 0;
    return out;
}

uint64_t text_hash(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = text; *c; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    return hash;
}

char *tas_escape(const char *text, char *out, size_t bytes) { return text_escape(text, "", out, bytes); }
