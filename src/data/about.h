/* What is known of a data set from files, beside its examples. */
#ifndef ABOUT_H
#define ABOUT_H

#include "data/schema.h"

typedef struct data_about {
    schema schema;
    char *text;         /* the schema, printed */
    char **input_names; /* (input_name_count) */
    size_t input_name_count;
    char **example_names; /* (example_name_count); NULL */
    size_t example_name_count;
    uint64_t missing, dropped;
} data_about;

/* Takes over the schema, whose memory is freed by about_free() even after a failure. */
tas_status about_create(tas_context *context, schema *of, data_about **out);
void about_free(data_about **about);

#endif
