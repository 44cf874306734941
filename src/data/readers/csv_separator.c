/* Counting separators in the first lines. */
#include "data/readers/csv_separator.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { LINES_LOOKED_AT = 10, KINDS = 4, BLANKS = 3 };

/* A decimal comma is as frequent as the semicolons around it: so commas come last. */
static const char separators[KINDS] = {'\t', ';', ',', ' '};

/* By kind; blanks: gaps between words. */
typedef struct separator_count {
    uint32_t first[KINDS], now[KINDS]; /* in the first line, and in this one */
    uint64_t all[KINDS];
    bool unlike[KINDS]; /* a line has another number than the first one */
    bool in_word, in_gap;
    int lines;
} separator_count;

static void count_character(separator_count *count, char c, bool quoted)
{
    const char *which = quoted ? NULL : memchr(separators, c, BLANKS);
    if (which) count->now[which - separators]++;
    if (!quoted && (c == ' ' || c == '\t')) {
        count->in_gap = count->in_word;
        return;
    }
    count->now[BLANKS] += count->in_gap;
    count->in_gap = false;
    count->in_word = true;
}

static void end_line(separator_count *count)
{
    for (int s = 0; s < KINDS; s++) {
        if (!count->lines) count->first[s] = count->now[s];
        count->unlike[s] |= !count->first[s] || count->now[s] != count->first[s];
        count->all[s] += count->now[s];
        count->now[s] = 0;
    }
    count->in_gap = count->in_word = false;
    count->lines++;
}

/* A last line without an end may have been cut, and counts only if there is no other. */
static separator_count count_separators(const char *text, size_t bytes)
{
    separator_count count = {.lines = 0};
    bool quoted = false;
    for (size_t i = 0; i < bytes && count.lines < LINES_LOOKED_AT; i++) {
        if (text[i] == '"') quoted = !quoted;
        if (quoted || (text[i] != '\n' && text[i] != '\r'))
            count_character(&count, text[i], quoted);
        else if (count.in_word || count.now[0])
            end_line(&count);
    }
    if (!count.lines) end_line(&count);
    return count;
}

static char find_alike(const separator_count *count)
{
    for (int s = 0; s < BLANKS; s++)
        if (!count->unlike[s]) return separators[s];
    return 0;
}

char csv_separator_find(const char *text, size_t bytes)
{
    const separator_count count = count_separators(text, bytes);
    return find_alike(&count);
}

char csv_separator_guess(const char *text, size_t bytes)
{
    const separator_count count = count_separators(text, bytes);
    const char found = find_alike(&count);
    int most = 2;
    if (found) return found;
    if (!count.all[1] && !count.all[2] && !count.unlike[BLANKS]) return ' ';
    for (int s = 0; s < BLANKS; s++)
        if (count.all[s] > count.all[most]) most = s;
    return separators[most];
}
