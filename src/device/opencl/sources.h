/* Kernels as text, embedded by the build (tools/embed.py): includes are pasted in. */
#ifndef SOURCES_H
#define SOURCES_H

typedef struct cl_source {
    const char *name; /* "dense" */
    const char *text;
    const char *names, *macros; /* that it defines, with spaces between them; NULL: not known */
} cl_source;
extern const cl_source cl_sources[]; /* ends with a NULL name */

/* A place in a kernel that a build with -Dkernel_coverage=true counts; tools/instrument.py puts them there. */
typedef enum cl_point_kind {
    POINT_KERNEL, /* scopes: the points that follow belong to them, until the next scope */
    POINT_FUNCTION,
    POINT_MACRO,
    POINT_CONDITION,
    POINT_LOOP,
    POINT_DO
} cl_point_kind;

typedef struct cl_point {
    const char *program, *file;
    const char *text; /* the condition; the name of a scope */
    int line;
    int scope; /* the number of the scope's point in the program */
    cl_point_kind kind;
} cl_point;
extern const cl_point cl_points[]; /* by program; ends with a NULL program; empty in an ordinary build */

#endif
