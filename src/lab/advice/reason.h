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

/* Which further batch to measure, and why; "" if none. Returns text. */
const char *reason_measure(const recommendation *r, char *text, size_t bytes);

/* Near which batch the time is shortest: "65.0 (59.6 to 70.9)", "at least 40"; "" if it is not known. Returns text. */
const char *reason_knee(const recommendation *r, char *text, size_t bytes);

/* "119 (84 to 162)", "at least 40", "not known yet". */
void reason_noise(const noise_scale_range *range, char *text, size_t bytes);

#endif
