/* What is judged without a limit: its own criteria, whether it came back, whether anything can be
 * said of it at all. */
#include "reports/judge.h"

#include "base/own.h"
#include "reports/explain.h"
#include "reports/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* ---- metrics without a limit ---- */

int judge_sla(const struct judge *j, struct result_case *c)
{
	const struct story_verifier *v = j->m->verifier;
	size_t failed = 0, unknown = 0, passed = 0;
	const char *first = NULL;

	for (size_t i = 0; i < v->n_cases; i++) {
		bool bad = v->cases[i].verdict == VERDICT_FAIL;

		failed += bad;
		passed += v->cases[i].verdict == VERDICT_PASS;
		unknown += v->cases[i].verdict == VERDICT_BROKEN;
		if (bad && !first)
			first = v->cases[i].message ? v->cases[i].message : v->cases[i].name;
	}
	c->n = v->n_cases;
	if (failed)
		return case_set(c, VERDICT_FAIL, "crumble.AssertionFailed",
			"%zu of %zu criteria failed: %s", failed, v->n_cases, first ? first : "");
	if (unknown || !passed)
		return case_set(c, VERDICT_BROKEN, "crumble.NoData",
			unknown ? "%zu of %zu criteria could not be judged"
				: "no criterion was judged (%zu of %zu)",
			unknown ? unknown : passed, v->n_cases);
	c->verdict = VERDICT_PASS;
	return 0;
}

/* The mean latency of the last ok samples against the baseline: degraded is above mean + 4 sigma.
 * Below a millisecond of difference it is the runner's own lateness that is seen. */
static bool still_slow(const struct measure *m, double *ret_now_ns, double *ret_limit_ns)
{
	double sum = 0, limit;

	if (m->baseline.n < LAST_LATENCIES || m->n_last_us < LAST_LATENCIES)
		return false;
	for (size_t i = 0; i < LAST_LATENCIES; i++)
		sum += m->last_us[i];
	limit = 4 * moments_sigma(&m->baseline);
	*ret_limit_ns = 1000 * (m->baseline.mean + (limit > 1000 ? limit : 1000));
	*ret_now_ns = 1000 * sum / LAST_LATENCIES;
	return *ret_now_ns > *ret_limit_ns;
}

static int set_not_back(const struct judge *j, size_t ok, struct result_case *c)
{
	OWN_MEM struct tally *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	if (j->m->last_class == BLAME_OBSERVER)
		return case_set(c, VERDICT_BROKEN, "crumble.Observer",
			"%zu of its last %d samples are ok, but the control probe failed too: "
			"the observer may be to blame",
			ok, LAST_SAMPLES);
	measure_window(j->m, WINDOW_RUN, t);
	return explain_window(j, t, c) ||
	       case_set(c, VERDICT_FAIL, "crumble.AssertionFailed",
		       "not back at the end: %zu of its last %d samples are ok", ok, LAST_SAMPLES);
}

static int set_still_slow(double now_ns, double limit_ns, struct result_case *c)
{
	char now[FORMAT_BYTES], limit[FORMAT_BYTES];

	format_value("ns", now_ns, NAN, NAN, now);
	format_value("ns", limit_ns, NAN, NAN, limit);
	return case_set(c, VERDICT_FAIL, "crumble.AssertionFailed",
		"not back at its baseline: its last %d ok samples took %s in the mean, the "
		"baseline's mean + 4 sigma is %s",
		LAST_LATENCIES, now, limit);
}

/* Of a verifier that did not watch the faults, its last samples say nothing about them. */
static bool watched_chaos(const struct measure *m)
{
	const struct tally *faults = &m->phase[MEASURE_FAULTS];
	const struct tally *recovery = &m->phase[MEASURE_RECOVERY];

	return faults->ok + faults->bad + recovery->ok + recovery->bad;
}

int judge_recovered(const struct judge *j, struct result_case *c)
{
	const struct measure *m = j->m;
	double now_ns, limit_ns;
	size_t ok = 0;

	if (m->verifier->finite) { /* how it ended was asked before: it ended with success */
		c->verdict = VERDICT_PASS;
		c->n = m->records;
		return 0;
	}
	c->n = m->n_last;
	if (!watched_chaos(m))
		return case_set(c, VERDICT_BROKEN, "crumble.NoData",
			"no samples in chaos: recovered cannot be told");
	if (m->n_last < LAST_SAMPLES)
		return case_set(c, VERDICT_BROKEN, "crumble.NoData",
			"%" PRIu64 " of %d samples needed for recovered", m->n_last, LAST_SAMPLES);
	for (size_t i = 0; i < LAST_SAMPLES; i++)
		ok += m->last_ok[i];
	if (ok < LAST_SAMPLES)
		return set_not_back(j, ok, c);
	if (still_slow(m, &now_ns, &limit_ns))
		return set_still_slow(now_ns, limit_ns, c);
	c->verdict = VERDICT_PASS;
	return 0;
}

/* ---- a verifier of which nothing can be said ---- */

static bool finite_unusable(const struct judge *j, char why[ERR_TEXT_BYTES])
{
	const struct story_verifier *v = j->m->verifier;

	if (v->success.ok < 0)
		snprintf(why, ERR_TEXT_BYTES, "%s was still running at the end", v->name);
	else if (!v->success.ok)
		snprintf(why, ERR_TEXT_BYTES, "%s did not end with success: %s", v->name,
			v->success.message ? v->success.message : "no reason is on record");
	else if (!j->m->met_bite)
		snprintf(why, ERR_TEXT_BYTES,
			"no sample of %s overlaps a bite in force: it says nothing about faults",
			v->name);
	else
		return false;
	return true;
}

bool judge_unusable(const struct judge *j, char why[ERR_TEXT_BYTES])
{
	const struct measure *m = j->m;
	uint64_t missed = m->by_outcome[OUTCOME_MISSED], all = m->records + m->lost_records;

	if (m->trouble[0]) {
		snprintf(why, ERR_TEXT_BYTES, "%s", m->trouble);
		return true;
	}
	if (m->verifier->finite && finite_unusable(j, why))
		return true;
	if (!m->records)
		snprintf(why, ERR_TEXT_BYTES, "%s has no samples", m->verifier->name);
	else if (m->lost_records * 100 > all)
		snprintf(why, ERR_TEXT_BYTES,
			"%" PRIu64 " of %" PRIu64 " records of %s are lost (%" PRIu64
			" bytes in bad or torn blocks, %" PRIu64
			" slots at its end without a record): more than 1%%",
			m->lost_records, all, m->verifier->name, m->lost_bytes, m->unwritten);
	else if (missed * 100 > m->records)
		snprintf(why, ERR_TEXT_BYTES,
			"%" PRIu64 " of %" PRIu64
			" samples of %s were missed (the runner was late by more than a period): more "
			"than 1%%",
			missed, m->records, m->verifier->name);
	else
		return false;
	return true;
}
