/* gnuplot as a child process: a script goes in, a picture comes out. */
#ifndef GNUPLOT_H
#define GNUPLOT_H

#include "base/buffer.h"
#include "base/context.h"

/* Runs gnuplot from PATH, without a shell and without the user's settings. script NULL: asks for its version. What it
 * prints goes behind *out. TAS_BAD_FILE where it is not found, fails, or takes longer than half a minute: the text says
 * what to do. */
tas_status gnuplot_run(tas_context *context, const char *script, buffer *out);

/* Puts gnuplot's picture into an HTML page: without the XML head, its ids and classes begin with `id`, black becomes
 * the text's own colour, and it has a title and a description for those who do not see it. False where it is no whole
 * picture. */
bool gnuplot_embed(buffer *page, const char *svg, const char *id, const char *title, const char *words);

#endif
