/*
 * Attribution: which bite an outage is laid to. It explains and never excuses: every outage counts
 * in its window, whatever its class. Pure.
 */
#ifndef CRUMBLE_REPORTS_ANALYSIS_BLAME_H
#define CRUMBLE_REPORTS_ANALYSIS_BLAME_H

#include "reports/analysis/outages.h"

#include <stddef.h>

/* The time in which a bite is in force: from its request to its end, plus `settle`. */
struct span {
	int64_t sent_ns;
	int64_t end_ns;  /* settle included; INT64_MAX: it has no end yet */
	size_t bite;     /* index of the caller's */
	int64_t max_end_ns; /* inner: the latest end up to here */
};

/* Sorts by sent and prepares. */
void spans_prepare(struct span *spans, size_t n);
/* Is any bite in force at some time within [from, to]? */
bool spans_meet(const struct span *spans, size_t n, int64_t from_ns, int64_t to_ns);

enum blame_class {
	BLAME_CAUSED,       /* by exactly one bite */
	BLAME_AMBIGUOUS,    /* several were in force: all are named */
	BLAME_RESIDUAL,     /* goes on after everything was healed */
	BLAME_PRE_EXISTING, /* began before any bite */
	BLAME_UNATTRIBUTED, /* no bite explains it */
	BLAME_OBSERVER,     /* the control probe failed too */
};
const char *blame_name(enum blame_class class); /* "caused", ... static */

#define BLAME_BITES 16

struct blame {
	enum blame_class class;
	size_t bites[BLAME_BITES]; /* newest first */
	size_t n_bites;            /* named */
	size_t in_force;           /* bites in force when it began, named or not */
};

/* Times in which the control probe failed, sorted. */
struct bad_time {
	int64_t from_ns, to_ns;
};

void blame_outage(const struct outage *o, const struct span *spans, size_t n_spans,
	const struct bad_time *control, size_t n_control, struct blame *ret);

#endif
