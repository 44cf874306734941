/* The examples of a table. */
#ifndef CSV_VALUES_H
#define CSV_VALUES_H

#include "data/readers/csv_map.h"

/* Reads the rows of a table that was scanned into *set, as the schema says. */
tas_status csv_values_read(csv_table *table, const csv_map *map, const schema *of, reader_set *set);

#endif
