/* A batch that grows during a run: see tassello/lab.h. At moments that are fixed in examples, the batch is doubled if
 * twice the batch is as good at equal examples: by branches, if the loss after them exceeds that of the batch itself by
 * at most CRITICAL_TOLERANCE of its progress; for plain SGD by the gradient noise scale of the run so far, for which
 * the same tolerance means a noise scale of at least 3 batches, since progress is then inversely proportional to 1 + B
 * / B_noise (McCandlish et al. 2018, arXiv 1812.06162). Nothing depends on a clock. */
#ifndef GROWTH_H
#define GROWTH_H

#include "lab/branch/branches.h"

#include <tassello/lab.h>

/* Whether twice the batch is as good, from branches at both: row 0 is the batch itself. Without repeats it is not. */
bool growth_doubles(const critical_input *in, int row);

#endif
