/* Metrics, as train and eval print them. */
#ifndef SCORE_H
#define SCORE_H

#include "cli.h"

/* One line of what the last result lines do not have: "metrics      top-5 0.9987"; nothing if there is nothing else. */
void score_print_summary(const tas_score *score, const tas_metrics *metrics);

/* All of them: a table of the classes or answers, and of which classes were taken for which. data: what was
 * evaluated, for the names of the classes. */
void score_print_tables(const tas_metrics *metrics, const tas_data *data);

/* As JSON; the summary has no tables, and needs no data. */
json_t *score_describe(const tas_metrics *metrics, bool tables, const tas_data *data);

#endif
