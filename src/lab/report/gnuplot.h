/* gnuplot as a child process: a script in, a picture out. */
#ifndef GNUPLOT_H
#define GNUPLOT_H

#include "base/buffer.h"
#include "base/context.h"

/* Runs gnuplot from PATH, without a shell and without the user's settings. script NULL: asks for its version. Its
 * output is appended to *out. TAS_BAD_FILE if it is not found, fails, or takes longer than half a minute; the text says
 * what to do. */
tas_status gnuplot_run(tas_context *context, const char *script, buffer *out);

/* Puts gnuplot's picture into an HTML page: without the XML header, with ids and classes that start with `id`, with
 * black replaced by the color of the text, and with a title and a description for screen readers. False if the picture
 * is not complete. */
bool gnuplot_embed(buffer *page, const char *svg, const char *id, const char *title, const char *words);

#endif
