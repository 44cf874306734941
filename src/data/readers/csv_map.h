/* Which columns of a table are inputs and targets. */
#ifndef CSV_MAP_H
#define CSV_MAP_H

#include "data/readers/csv_table.h"

typedef struct csv_map {
    uint32_t *inputs, *targets; /* columns of the file, from 0 */
    uint32_t input_count, target_count;
} csv_map;

/* As the reading says. of: a network's that was not trained on a table, which says how many inputs there are; or NULL.
 * Both give the columns their roles; *out is freed with csv_map_free(), after a failure, too. */
tas_status csv_map_choose(csv_table *table, const schema *of, csv_map *out);

/* As a schema with columns says: by their names if both have any, else by their places. Further columns are ignored.
 * Without a header a file may also have nothing but the inputs, or all but the targets, if only inputs are wanted. */
tas_status csv_map_match(csv_table *table, const schema *of, csv_map *out);
void csv_map_free(csv_map *map);

#endif
