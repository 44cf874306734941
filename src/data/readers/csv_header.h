/* Whether the first line of a table has names. */
#ifndef CSV_HEADER_H
#define CSV_HEADER_H

#include "data/readers/csv_table.h"

/* Reads the first records of a table that was opened, and sets its columns and their names. The next record to be read
 * is any: csv_table_rewind() comes next. */
tas_status csv_header_read(csv_table *table, const schema *of);

#endif
