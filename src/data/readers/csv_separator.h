/* What divides the lines of a table. */
#ifndef CSV_SEPARATOR_H
#define CSV_SEPARATOR_H

#include <stddef.h>

/* The first of tab, semicolon and comma that a text's first lines have equally often; 0 if there is none. */
char csv_separator_find(const char *text, size_t bytes);

/* That one; or a blank, for runs of blanks and tabs, if these divide all lines into the same number of words and
 * nothing else could; or the one that there are most of, in lines that are unlike. A comma if there is none. */
char csv_separator_guess(const char *text, size_t bytes);

#endif
