/* What is in a split of a data set: counts, and ranges of its values. */
#ifndef SURVEY_H
#define SURVEY_H

#include "cli.h"

/* Of all values of a feature or target; of none at all most is below least. */
typedef struct survey_range {
    double least, most, mean;
} survey_range;

typedef struct survey {
    const tas_data *data;
    tas_data_info info;
    uint64_t count;       /* examples; */
    uint64_t looked;      /* those that ranges come from: fewer, evenly spaced, of a set above 1 GiB */
    survey_range *inputs; /* (input_count): of each input of a table, or one of all pixels of pictures */
    size_t input_count;
    survey_range *targets; /* (info.target_size); NULL of labels */
    uint64_t *classes;     /* (tas_data_classes()): examples of each; NULL of values */
} survey;

/* data may be NULL: there is nothing then. To be freed even after a failure. */
tas_status survey_make(survey *of, const tas_data *data);
void survey_free(survey *of);

#endif
