/*
 * A limit against what was measured: one expectation of a verifier becomes one case.
 *
 * FAIL: the service broke the limit. BROKEN: we cannot tell (no data, too little, bounds on both
 * sides of the limit, a runner that fell short). Never PASS without knowing.
 */
#ifndef CRUMBLE_REPORTS_JUDGE_H
#define CRUMBLE_REPORTS_JUDGE_H

#include "reports/measure.h"

struct judge {
	const struct story *story;
	const struct measure *m;
	const struct story_expect *expect;
};

/* Fills verdict, type, message, text, value, bounds, n, unit, bite of a case whose name is set.
 * 0, or -1 without memory. */
int judge_expectation(const struct judge *j, struct result_case *c);

/* The metrics without a limit; asked only of verifiers that are usable. */
int judge_sla(const struct judge *j, struct result_case *c);
int judge_recovered(const struct judge *j, struct result_case *c);

/* Why nothing can be said of this verifier at all; false: it can. */
bool judge_unusable(const struct judge *j, char why[ERR_TEXT_BYTES]);

/* Sets verdict, type and message (taken by printf's rules). -1 without memory. */
int case_set(struct result_case *c, enum verdict verdict, const char *type, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
