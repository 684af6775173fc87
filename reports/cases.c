/* The list of a run's cases: its order, names, and what is not done yet. */
#include "reports/cases.h"

#include "base/buf.h"
#include "base/own.h"
#include "reports/clean.h"
#include "reports/grow.h"
#include "reports/judge.h"

#include <math.h>

#define NAME_BYTES 120 /* consumers make folders of names */

struct result_case *cases_add(struct cases *c, const char *name)
{
	struct result_case *rc = GROW(c->result->cases, c->result->n_cases);

	if (!rc) {
		c->nomem = true;
		return NULL;
	}
	rc->name = name ? strdup(name) : NULL;
	rc->value = rc->low = rc->high = NAN;
	rc->verdict = VERDICT_BROKEN;
	if (!rc->name)
		c->nomem = true;
	return rc;
}

/* ---- names ---- */

static bool is_lower(const struct story_expect *x)
{
	return x->parsed.op == OP_GE || x->parsed.op == OP_GT;
}

/* Limits of one metric and window in both directions get (min) and (max). */
static const char *direction(const struct story_expect *all, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (k != i && all[k].readable && all[k].parsed.metric == all[i].parsed.metric &&
			all[k].parsed.window == all[i].parsed.window)
			return is_lower(&all[i]) ? " (min)" : " (max)";
	return "";
}

char *cases_expect_name(const char *of, const struct story_expect *all, size_t n, size_t i)
{
	const struct story_expect *x = &all[i];
	const char *in = x->parsed.window == WINDOW_CHAOS ? "" : " in ";

	if (!x->readable) /* the text is the scenario's own, so it is stable too */
		return str_format("%s %s", of, x->text);
	return str_format("%s %s%s%s%s", of, metric_name(x->parsed.metric), in,
		*in ? window_name(x->parsed.window) : "", direction(all, n, i));
}

char *cases_limit(const struct story_expect *x)
{
	char text[EXPECTATION_BYTES], *limit, *during;

	if (!x->readable)
		return NULL;
	expectation_format(&x->parsed, text);
	during = strstr(text, " during ");
	if (during)
		*during = '\0';
	limit = strchr(text, ' ');
	return limit ? strdup(limit + 1) : NULL;
}

/* ---- where a check stands ---- */

bool cases_deploy_failed(const struct story *s, const struct story_deploy **ret)
{
	for (size_t i = 0; i < s->n_deploys; i++) {
		if (s->deploys[i].done.ok)
			continue;
		*ret = &s->deploys[i];
		return true;
	}
	return false;
}

const char *cases_blocked(const struct cases *c)
{
	const struct story_deploy *d;

	if (!c->story->preflight.ok)
		return "preflight failed";
	if (cases_deploy_failed(c->story, &d))
		return "a deployment failed";
	if (!c->story->gate.ok)
		return "steady state was not reached";
	return NULL;
}

static enum story_phase last_phase(const struct story_expect *x)
{
	if (x->readable && x->parsed.window == WINDOW_BASELINE)
		return STORY_BASELINE;
	if (x->readable && x->parsed.window == WINDOW_FAULTS)
		return STORY_FAULTS;
	return STORY_RECOVERY;
}

enum story_phase cases_first_phase(const struct story_expect *x)
{
	if (!x->readable || x->parsed.window == WINDOW_CHAOS)
		return STORY_FAULTS;
	if (x->parsed.window == WINDOW_RUN)
		return STORY_BASELINE;
	return last_phase(x);
}

/* What was due in a window may come in until its timeout. */
static bool window_over(
	const struct story *s, const struct story_verifier *v, enum story_phase last)
{
	if (s->end[last] < 0)
		return false;
	return v->end_ns >= s->end[last] || s->last_ns - s->end[last] >= v->timeout_ns;
}

enum check check_of_expect(
	const struct cases *c, const struct story_verifier *v, const struct story_expect *x)
{
	const struct story *s = c->story;
	enum story_phase last = last_phase(x), first = cases_first_phase(x);
	/* without a baseline `run` begins with the faults */
	bool begun = s->begin[first] >= 0 ||
		     (first == STORY_BASELINE && last != first && s->begin[STORY_FAULTS] >= 0);

	if (cases_blocked(c))
		return CHECK_NOT_RUN;
	if (c->complete) {
		if (s->signal && (s->end[last] < 0 || s->end[last] >= s->signal_ns))
			return CHECK_NOT_RUN;
		return !begun && s->n_errors ? CHECK_NOT_RUN : CHECK_DONE;
	}
	if (!begun)
		return CHECK_WAITING;
	return window_over(s, v, last) ? CHECK_DONE : CHECK_RUNNING;
}

void cases_set_pending(
	struct cases *c, struct result_case *rc, enum check check, enum story_phase waits_for)
{
	const char *blocked = cases_blocked(c), *now = story_phase_now(c->story);
	double at = (double)c->story->last_ns / 1e9;

	rc->running = check == CHECK_RUNNING;
	if (blocked)
		c->nomem |= case_set(rc, VERDICT_SKIP, NULL, "not run: %s", blocked) != 0;
	else if (check == CHECK_RUNNING && c->live)
		c->nomem |= case_set(rc, VERDICT_BROKEN, "crumble.Incomplete",
				    "still running when this report was written (phase %s, %.1f s)",
				    now, at) != 0;
	else if (check == CHECK_RUNNING)
		c->nomem |=
			case_set(rc, VERDICT_BROKEN, "crumble.Incomplete",
				"was running when the runner was killed (phase %s, after %.1f s)",
				now, at) != 0;
	else if (check == CHECK_WAITING && c->live)
		c->nomem |= case_set(rc, VERDICT_SKIP, NULL, "not run: waits for phase %s",
				    story_phase_names[waits_for]) != 0;
	else if (check == CHECK_WAITING)
		c->nomem |= case_set(rc, VERDICT_SKIP, NULL,
				    "not run: the runner was killed in phase %s", now) != 0;
	else
		c->nomem |= case_set(rc, VERDICT_SKIP, NULL, "not run: run %s",
				    c->story->signal ? "aborted" : "broken off") != 0;
}

/* ---- the first two ---- */

static void preflight(struct cases *c)
{
	const struct story_told *told = &c->story->preflight;
	struct result_case *rc = cases_add(c, "preflight");

	if (!rc)
		return;
	if (told->ok == 1)
		rc->verdict = VERDICT_PASS;
	else if (!told->ok)
		c->nomem |= case_set(rc, VERDICT_BROKEN, "crumble.PreconditionFailed", "%s",
				    told->message ? told->message : "preflight failed") != 0;
	else if (c->complete && !c->story->signal)
		c->nomem |= case_set(rc, VERDICT_BROKEN, "crumble.Incomplete",
				    "the run ended before its preflight did") != 0;
	else
		cases_set_pending(c, rc,
			c->complete ? CHECK_NOT_RUN
			: c->story->n_deploys || c->story->begin[STORY_DEPLOY] >= 0 ||
					c->story->last_ns > 0
				? CHECK_RUNNING
				: CHECK_WAITING,
			STORY_DEPLOY);
}

static bool has_baseline(const struct story *s)
{
	return s->begin[STORY_BASELINE] >= 0 || json_num(s->run, 0, "phases", "baseline", NULL) > 0;
}

static void steady_undone(struct cases *c, struct result_case *rc)
{
	const struct story *s = c->story;

	if (!has_baseline(s))
		c->nomem |= case_set(rc, VERDICT_SKIP, NULL,
				    "no baseline phase: nothing says what is normal") != 0;
	else if (c->complete && !s->signal && !cases_blocked(c))
		c->nomem |= case_set(rc, VERDICT_BROKEN, "crumble.Incomplete",
				    "the run ended before its steady state was judged") != 0;
	else
		cases_set_pending(c, rc,
			c->complete                     ? CHECK_NOT_RUN
			: s->begin[STORY_BASELINE] >= 0 ? CHECK_RUNNING
							: CHECK_WAITING,
			STORY_BASELINE);
}

static void steady_state(struct cases *c)
{
	const struct story *s = c->story;
	struct result_case *rc = cases_add(c, "steady state");
	const struct story_deploy *d;

	if (!rc)
		return;
	if (s->begin[STORY_BASELINE] >= 0 && s->end[STORY_BASELINE] >= 0)
		rc->time_ms = (s->end[STORY_BASELINE] - s->begin[STORY_BASELINE]) / 1000000;
	if (s->preflight.ok && cases_deploy_failed(s, &d)) /* else the preflight has said so */
		c->nomem |= case_set(rc, VERDICT_BROKEN, "crumble.PreconditionFailed",
				    "deployment %s: %s", d->name,
				    d->done.message ? d->done.message : "failed") != 0;
	else if (s->gate.ok == 1)
		rc->verdict = VERDICT_PASS;
	else if (!s->gate.ok)
		c->nomem |= case_set(rc, VERDICT_BROKEN, "crumble.PreconditionFailed", "%s",
				    s->gate.message ? s->gate.message : "not steady") != 0;
	else
		steady_undone(c, rc);
}

/* ---- names that stay apart ---- */

/* Consumers map all but [A-Za-z0-9_$] to '_', and take two of one name for retries. */
static bool same_mapped(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		bool plain_a = strchr("_$", *a) || (*a >= '0' && *a <= '9') ||
			       ((*a | 32) >= 'a' && (*a | 32) <= 'z');
		bool plain_b = strchr("_$", *b) || (*b >= '0' && *b <= '9') ||
			       ((*b | 32) >= 'a' && (*b | 32) <= 'z');

		if (plain_a != plain_b ? (plain_a ? *a : *b) != '_' : plain_a && *a != *b)
			return false;
	}
	return *a == *b;
}

/* As they will be printed: one clean line of at most NAME_BYTES. */
static void clean_names(struct cases *c)
{
	for (size_t i = 0; i < c->result->n_cases; i++) {
		char *name = clean_copy(c->result->cases[i].name, NAME_BYTES, true);

		if (!name) {
			c->nomem = true;
			return;
		}
		free(c->result->cases[i].name);
		c->result->cases[i].name = name;
	}
}

static void make_unique(struct cases *c)
{
	struct result *r = c->result;

	for (size_t i = 1; i < r->n_cases; i++) {
		unsigned number = 1;

		for (size_t k = 0; !c->nomem && k < i; k++) {
			OWN_MEM char *old = NULL;

			if (!same_mapped(r->cases[k].name, r->cases[i].name))
				continue;
			old = r->cases[i].name;
			r->cases[i].name = str_format("%s (%u)", old, ++number);
			c->nomem |= !r->cases[i].name;
			k = (size_t)-1; /* from the start, against all before it */
		}
	}
}

int cases_build(struct cases *c, struct err *err)
{
	preflight(c);
	steady_state(c);
	for (size_t i = 0; i < c->story->n_cookies; i++)
		cases_of_cookie(c, &c->story->cookies[i]);
	for (size_t i = 0; i < c->story->n_verifiers; i++)
		cases_of_verifier(c, i);
	cases_run_completed(c);
	cases_nothing_left(c);
	if (!c->nomem)
		clean_names(c);
	if (!c->nomem)
		make_unique(c);
	return c->nomem ? err_set(err, ERR_NOMEM, "%s: no memory for the cases", c->story->dir) : 0;
}
