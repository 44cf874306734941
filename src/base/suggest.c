/* "did you mean": the word of a list that a misspelt one was probably meant to be. */
#include <tassello/context.h>

#include <stdlib.h>
#include <string.h>

enum { WORD_LETTERS = 48, TOO_FAR = 1000 };

/* In ASCII, whatever the program's locale. */
static char lower_case(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* The letters of a word in lower case, without - and _; -1 if there are none or too many. */
static int fold_word(const char *word, char folded[WORD_LETTERS])
{
    int count = 0;
    for (; *word; word++) {
        if (*word == '-' || *word == '_') continue;
        if (count == WORD_LETTERS) return -1;
        folded[count++] = lower_case(*word);
    }
    return count ? count : -1;
}

static int min_of(int a, int b) { return a < b ? a : b; }

/* Insertions, deletions, substitutions and swaps of neighbors that turn a into b (optimal string alignment). */
static int edit_distance(const char *a, int a_length, const char *b, int b_length)
{
    int row[WORD_LETTERS + 1][WORD_LETTERS + 1];
    for (int i = 0; i <= a_length; i++) row[i][0] = i;
    for (int j = 0; j <= b_length; j++) row[0][j] = j;
    for (int i = 1; i <= a_length; i++)
        for (int j = 1; j <= b_length; j++) {
            row[i][j] = min_of(row[i - 1][j], row[i][j - 1]) + 1;
            row[i][j] = min_of(row[i][j], row[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[i][j] = min_of(row[i][j], row[i - 2][j - 2] + 1);
        }
    return row[a_length][b_length];
}

/* Whether `letters` are the first letters of the word's parts: lr of learning-rate. */
static int is_initials(const char *word, const char *letters, int count)
{
    int seen = 0;
    while (*word == '-') word++;
    for (const char *at = word; *at; at++) {
        if (*at == '-' || *at == '_' || (at > word && at[-1] != '-' && at[-1] != '_')) continue;
        if (seen == count || lower_case(*at) != letters[seen]) return 0;
        seen++;
    }
    return seen == count && count > 1;
}

/* 0 for the same word in another case or with other dashes, TOO_FAR for a different word. */
static int distance_between(const char *word, const char *candidate)
{
    char a[WORD_LETTERS], b[WORD_LETTERS];
    const int a_length = fold_word(word, a), b_length = fold_word(candidate, b);
    if (a_length < 0 || b_length < 0) return TOO_FAR;
    const int shorter = min_of(a_length, b_length), distance = edit_distance(a, a_length, b, b_length);
    if (distance <= (a_length > b_length ? a_length : b_length) / 3) return distance;
    if (shorter >= 3 && !memcmp(a, b, (size_t)shorter)) return WORD_LETTERS + abs(a_length - b_length);
    return is_initials(word, b, b_length) ? 2 * WORD_LETTERS : TOO_FAR;
}

const char *tas_suggest(const char *word, const char *const *candidates)
{
    const char *nearest = NULL;
    int least = TOO_FAR;
    for (; *candidates; candidates++) {
        const int distance = distance_between(word, *candidates);
        if (distance >= least) continue;
        least = distance;
        nearest = *candidates;
    }
    return nearest;
}
