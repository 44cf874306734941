/* Kernels as text, embedded by the build (tools/embed.py): includes are pasted in. */
#ifndef SOURCES_H
#define SOURCES_H

typedef struct cl_source {
    const char *name; /* "dense" */
    const char *text;
} cl_source;
extern const cl_source cl_sources[]; /* ends with a NULL name */

#endif
