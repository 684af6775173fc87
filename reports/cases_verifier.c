/* A verifier's cases: each of its expectations, and each criterion of its own. */
#include "reports/cases.h"

#include "base/buf.h"
#include "reports/judge.h"

#include <string.h>

static int judge(struct cases *c, const struct measure *m, const struct story_expect *x,
	struct result_case *rc)
{
	struct judge j = { .story = c->story, .m = m, .expect = x };

	return judge_expectation(&j, rc);
}

static void expect_case(
	struct cases *c, size_t verifier, const struct story_expect *all, size_t n_all, size_t i)
{
	const struct story_verifier *v = &c->story->verifiers[verifier];
	const struct story_expect *x = &all[i];
	OWN_MEM char *name = cases_expect_name(v->name, all, n_all, i);
	struct result_case *rc = cases_add(c, name);
	enum check check = check_of_expect(c, v, x);
	int64_t from, to;

	if (!rc)
		return;
	rc->check = true;
	rc->line = x->line ? x->line : v->line;
	rc->limit = cases_limit(x);
	if (x->readable) {
		rc->metric = strdup(metric_name(x->parsed.metric));
		rc->window = strdup(window_name(x->parsed.window));
		c->nomem |= !rc->metric || !rc->window;
		window_times(c->story, x->parsed.window, &from, &to);
		rc->time_ms = (to - from) / 1000000;
	}
	if (check == CHECK_DONE && c->measures[verifier])
		c->nomem |= judge(c, c->measures[verifier], x, rc) != 0;
	else
		cases_set_pending(c, rc, check == CHECK_DONE ? CHECK_RUNNING : check, STORY_FAULTS);
}

/* "sla: failure_rate": whoever wrote the event may have put the word there already. */
static char *criterion_name(const struct story_verifier *v, const struct story_case *k)
{
	const char *name = k->name ? k->name : "?";

	return str_format("%s %s%s", v->name, strncmp(name, "sla: ", 5) ? "sla: " : "", name);
}

static int severity(enum verdict verdict)
{
	static const int by_verdict[] = {
		[VERDICT_SKIP] = 0, [VERDICT_PASS] = 1, [VERDICT_BROKEN] = 2, [VERDICT_FAIL] = 3
	};

	return by_verdict[verdict];
}

/* One name, one case: of several results the worst. */
static struct result_case *case_named(
	struct cases *c, const char *name, size_t from, enum verdict verdict)
{
	struct result_case *rc;

	for (size_t i = from; i < c->result->n_cases; i++) {
		rc = &c->result->cases[i];
		if (rc->name && !strcmp(rc->name, name))
			return severity(verdict) > severity(rc->verdict) ? rc : NULL;
	}
	return cases_add(c, name);
}

static void criterion(
	struct cases *c, const struct story_verifier *v, const struct story_case *k, size_t from)
{
	static const char *const types[] = { NULL, "crumble.AssertionFailed", "crumble.NoData",
		NULL };
	OWN_MEM char *name = criterion_name(v, k);
	struct result_case *rc = name ? case_named(c, name, from, k->verdict) : NULL;

	if (!rc) {
		c->nomem |= !name;
		return;
	}
	rc->check = true;
	rc->line = v->line;
	rc->verdict = k->verdict;
	free(rc->text);
	rc->text = k->text ? strdup(k->text) : NULL;
	if (k->verdict != VERDICT_PASS)
		c->nomem |= case_set(rc, k->verdict, types[k->verdict], "%s",
				    k->message ? k->message
				    : k->text  ? k->text
					       : "no reason given") != 0;
}

void cases_of_verifier(struct cases *c, size_t verifier)
{
	const struct story_verifier *v = &c->story->verifiers[verifier];
	struct story_expect one = { .text = (char *)"recovered",
		.readable = true,
		.parsed = { .metric = METRIC_RECOVERED, .window = WINDOW_CHAOS } };
	const struct story_expect *all = v->n_expects ? v->expects : &one;
	size_t n_all = v->n_expects ? v->n_expects : 1, from = c->result->n_cases;

	if (v->control && !v->n_expects)
		return;
	for (size_t i = 0; i < n_all; i++)
		expect_case(c, verifier, all, n_all, i);
	for (size_t i = 0; i < v->n_cases; i++)
		criterion(c, v, &v->cases[i], from);
}
