/* Text from outside. */
#include "base.h"

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

int utf8_character(const char *text)
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
