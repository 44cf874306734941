/* A batch that grows during a run: see tassello/lab.h. At moments that are fixed in examples, it becomes the largest
 * power of two times itself that is at most the critical batch of critical.h, seen from the batch itself: the largest
 * that keeps 1 - CRITICAL_TOLERANCE of its progress with the same examples. Nothing depends on a clock.
 *
 * B_crit is first taken to be the gradient noise scale of the run so far, which costs no examples (McCandlish et al.
 * 2018, arXiv 1812.06162). For plain SGD that decides. With momentum or Adam the critical batch is larger (Zhang et al.
 * 2019, arXiv 1907.04164): 4 times the noise scale on a 784-128-10 network with momentum 0.9 (246 and 61), 4 to 10
 * times on `mlp`. There three times the noise scale is taken for a lower bound, up to which the batch is doubled. What
 * lies above is found by branches at the batch and at a multiple of it, which must never diverge; if it is worse than
 * that on average, the share of the progress that it keeps gives B_crit by the curve in critical.h, and with it a batch
 * in between. Branches have to outlast the optimizer's memory and so take many examples: they wait until these are a
 * small share of those that the run has trained on. */
#ifndef GROWTH_H
#define GROWTH_H

#include "lab/branch/branches.h"

#include <tassello/lab.h>

/* What the batch may be multiplied with, from branches at it and at a multiple: a power of two, at most the multiple.
 * Without repeats, or if the multiple diverges, 1. */
int growth_factor(const critical_input *in);

#endif
