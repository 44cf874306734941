/* What a table's columns become: numbers, categories, classes. */
#ifndef CSV_SCHEMA_H
#define CSV_SCHEMA_H

#include "data/readers/csv_map.h"

/* The schema of a training set that was scanned with its texts. Its input type is TAS_INPUT_F32. */
tas_status csv_schema_create(csv_table *table, const csv_map *map, schema *out);

/* Reports missing fields of a table that was scanned, if the reading does not say what becomes of them. */
tas_status csv_schema_check_missing(const csv_table *table);

#endif
