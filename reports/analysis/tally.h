/*
 * What the samples of one phase came to: counts, latencies, outages. Tallies of phases merge into
 * those of windows. Pure, fixed size.
 */
#ifndef CRUMBLE_REPORTS_ANALYSIS_TALLY_H
#define CRUMBLE_REPORTS_ANALYSIS_TALLY_H

#include "reports/analysis/blame.h"
#include "reports/analysis/histogram.h"
#include "reports/analysis/outages.h"

/* Outages of one phase. `mid`, `min`, `max` are for limits: max INT64_MAX when one is censored. */
struct outage_tally {
	uint64_t n, bad;
	bool censored;
	int64_t longest_mid_ns, longest_min_ns, longest_max_ns;
	int64_t sum_mid_ns, sum_min_ns, sum_max_ns;
};

/* Zeroed is empty. */
struct tally {
	uint64_t ok, bad, missed, cancelled, sent;
	struct histogram latency;     /* of ok samples, done - due */
	struct outage_tally outages;  /* all that began here */
	struct outage_tally unobserved; /* those without class observer: what the service did */
	struct outage worst;          /* the longest, of outages.n > 0 */
	struct blame worst_blame;
	bool worst_unobserved;        /* worst is not of class observer, if any such is there */
};

void tally_sample(struct tally *t, const struct sample *s);
void tally_outage(struct tally *t, const struct outage *o, const struct blame *b);
void tally_merge(struct tally *into, const struct tally *from);

/* Mean and standard deviation, by Welford. Zeroed is empty. */
struct moments {
	uint64_t n;
	double mean, m2;
};
void moments_add(struct moments *m, double x);
double moments_sigma(const struct moments *m); /* of the sample; 0 below two */

#endif
