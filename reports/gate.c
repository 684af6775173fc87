/*
 * The steady-state gate: before any fault is fed, every limit `during baseline` holds, the
 * availability limits hold in the baseline too, and no outage is open at its end.
 */
#include "reports/cases.h"
#include "reports/format.h"
#include "reports/judge.h"
#include "reports/report.h"

#include "base/clock.h"
#include "base/own.h"

#include <stdio.h>
#include <string.h>

struct gate {
	const struct story *story;
	struct measure_env env;
	char *message;
};

/* One limit, applied to the baseline. */
static int gate_limit(struct gate *g, const struct measure *m, const struct story_expect *x,
	bool *ret_ok, struct err *err)
{
	struct story_expect here = *x;
	struct judge j = { .story = g->story, .m = m, .expect = &here };
	struct result_case c = { 0 };

	here.parsed.window = WINDOW_BASELINE;
	c.limit = cases_limit(&here);
	if (judge_expectation(&j, &c))
		err_set(err, ERR_NOMEM, "no memory for the gate");
	*ret_ok = c.verdict == VERDICT_PASS;
	if (!*ret_ok)
		snprintf(g->message, 256, "%s: %s", m->verifier->name, c.message ? c.message : "");
	free(c.limit);
	free(c.message);
	free(c.text);
	free(c.type);
	free(c.unit);
	free(c.bite);
	return err && err->code ? -1 : 0;
}

static bool is_asked(const struct story_expect *x)
{
	return !x->readable || x->parsed.window == WINDOW_BASELINE ||
	       x->parsed.metric == METRIC_AVAILABILITY;
}

/* Requests that hang at the end have no record yet: then the newest one is too old. A second and a
 * half is what the writing of records may take. */
static bool is_silent(const struct gate *g, const struct measure *m)
{
	int64_t end = g->story->end[STORY_BASELINE];
	int64_t allowed = m->slowest_ns + 2 * m->verifier->period_ns + 3 * NS_PER_S / 2;

	if (end < 0)
		end = g->story->last_ns;
	return end - m->last_due_ns > allowed;
}

static int gate_measured(struct gate *g, const struct measure *m, bool *ret_ok, struct err *err)
{
	const struct story_verifier *v = m->verifier;
	const struct tally *t = &m->phase[MEASURE_BASELINE];

	*ret_ok = false;
	if (m->trouble[0]) {
		snprintf(g->message, 256, "%.255s", m->trouble);
		return 0;
	}
	if (!(t->ok + t->bad)) {
		snprintf(g->message, 256, "%s: no samples in the baseline", v->name);
		return 0;
	}
	for (size_t i = 0; i < v->n_expects; i++)
		if (is_asked(&v->expects[i]) &&
			(gate_limit(g, m, &v->expects[i], ret_ok, err) || !*ret_ok))
			return err && err->code ? -1 : 0;
	*ret_ok = !m->open_at_end && !is_silent(g, m);
	if (!m->open_at_end && !*ret_ok) {
		char at[FORMAT_BYTES];

		format_t(m->last_due_ns, at);
		snprintf(g->message, 256, "%s: no answer to any request since %s", v->name, at);
	}
	if (m->open_at_end) {
		char at[FORMAT_BYTES];

		format_t(t->worst.begin_ns, at);
		snprintf(g->message, 256,
			"%s: an outage is open at the end of the baseline (%s, the longest began at %s)",
			v->name, outcome_name(t->worst.outcome), at);
	}
	return 0;
}

static int gate_verifier(struct gate *g, size_t i, bool *ret_ok, struct err *err)
{
	const struct story_verifier *v = &g->story->verifiers[i];
	OWN_MEM struct measure *m = NULL;
	int64_t until = g->story->begin[STORY_FAULTS];

	*ret_ok = true;
	if (v->finite || v->control || !(v->phases & 1))
		return 0;
	if (measure_verifier(&g->env, i, until < 0 ? INT64_MAX : until, &m, err))
		return -1;
	if (!m->lost_bytes) /* gaps are requests under way */
		m->lost_records = 0;
	return gate_measured(g, m, ret_ok, err);
}

int report_gate(const char *dir, bool *ret_ok, char message[256], struct err *err)
{
	struct gate g = { .message = message };
	struct story *story = NULL;
	struct err mine = { 0 };
	bool ok = true;
	int result;

	message[0] = '\0';
	if (story_read(dir, &story, err))
		return -1;
	g.story = story;
	result = measure_env_init(&g.env, story, &mine);
	for (size_t i = 0; !result && ok && i < story->n_verifiers; i++)
		result = gate_verifier(&g, i, &ok, &mine);
	measure_env_done(&g.env);
	story_free(story);
	if (result)
		return err_set(err, mine.code, "%s", mine.text);
	*ret_ok = ok;
	return 0;
}
