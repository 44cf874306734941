/* Sets that are read from tables in a suite's folder, and shown as text. */
#ifndef TABLES_H
#define TABLES_H

#include "files.h"

/* What was read last, and how the next files are read; new for each test with the fixture below. */
extern tas_reading reading;
extern tas_data *train, *test;
void tables_setup(void); /* with files_setup() */
void tables_teardown(void);

/* Compressed with gzip if the name has ".gz". */
void tables_write_bytes(const char *name, const char *text, size_t bytes);
void tables_write(const char *name, const char *text);

/* What was read before is closed, also if this is refused; open: it must not be. */
tas_status tables_read(const char *path);
void tables_open(const char *path);
void tables_open_text(const char *name, const char *text);

/* Inputs, then "|", then the label or values; ";" behind each example. Valid until the next call. */
const char *tables_show(const tas_data *data, int digits);

#endif
