/* A folder for the files of a suite, and what a context notes. */
#ifndef FILES_H
#define FILES_H

#include "support.h"

/* Before and after the suite; the folder is empty at the start of each test with files_setup(), which also does what
 * support_open() does and keeps notes. */
void files_open(void);
void files_close(void);
void files_setup(void);
void files_clear(void);

const char *files_folder(void);

/* The path of a file in it. The last 8 are valid. */
const char *files_path(const char *name);
void files_write(const char *name, const void *bytes, size_t n);

/* Whole, malloc()ed. */
unsigned char *files_read(const char *name, size_t *n);

/* What has been noted since, line by line. */
const char *files_notes(void);
void files_forget_notes(void);

int files_count_descriptors(void);

#endif
