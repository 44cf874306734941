/* The smallest shape in which a case still fails. */
#ifndef SHRINK_H
#define SHRINK_H

#include "verify/cases.h"

/* Lowers the sizes of a case that failed for as long as it fails, and for `seconds` at most. */
void shrink_case(tas_device *device, op_id op, double seconds, case_name *name, difference *what);

#endif
