/* Recommendations in sentences, and the names of what they are made of. */
#ifndef REASON_H
#define REASON_H

#include "lab/advice/probe.h"
#include "lab/advice/recommend.h"

void reason_write(const recommend_input *input, const recommendation *r, char *text, size_t bytes);
void reason_write_probe(const probe_facts *probe, const recommendation *r, char *text, size_t bytes);

const char *reason_verdict(row_verdict verdict);
const char *reason_short_verdict(row_verdict verdict);
const char *reason_decision(recommend_decision decision);
const char *reason_confidence(recommend_confidence confidence);

/* Where the time is shortest: "near a batch of 349 (127 to 900, fitted)", "at a batch of at least 127 (fitted)"; "" if
 * nothing is known. Returns text. */
const char *reason_knee(const recommendation *r, char *text, size_t bytes);

/* Why the answer is as sure as it is: "probability at least 0.93 that ...", "fewer than three batches reached the
 * target"; "" if there is nothing to say. Returns text. */
const char *reason_sureness(const recommendation *r, char *text, size_t bytes);

/* Which further batch to measure, and why; "" if none. Returns text. */
const char *reason_measure(const recommendation *r, char *text, size_t bytes);

/* "119 (84 to 162)", "at least 40", "not known yet". */
void reason_noise(const noise_scale_range *range, char *text, size_t bytes);

#endif
