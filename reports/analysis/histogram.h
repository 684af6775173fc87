/*
 * A log-linear histogram of microseconds: 128 buckets an octave, so that a value read back is
 * within 0.4 % of one that was put in. Fixed size, no allocation, mergeable.
 */
#ifndef CRUMBLE_REPORTS_ANALYSIS_HISTOGRAM_H
#define CRUMBLE_REPORTS_ANALYSIS_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 3328

/* Zeroed is empty. */
struct histogram {
	uint64_t total;
	uint32_t max_us; /* exact */
	uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint32_t us);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value at rank ceil(q * total) (q = 0.99: p99), in ns; -1 when empty. q >= 1: the exact
 * maximum. */
int64_t histogram_quantile_ns(const struct histogram *h, double q);

#endif
