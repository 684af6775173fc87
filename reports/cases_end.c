/* The two sentinels: the run came to its end, and nothing is left behind. */
#include "reports/cases.h"

#include "base/buf.h"
#include "reports/grow.h"
#include "reports/judge.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- run completed ---- */

static bool any_verifier(const struct story *s)
{
	for (size_t i = 0; i < s->n_verifiers; i++)
		if (!s->verifiers[i].control)
			return true;
	return false;
}

/* A control probe that saw nothing cannot clear anybody. */
static const char *blind_control(const struct cases *c, char why[ERR_TEXT_BYTES])
{
	for (size_t i = 0; i < c->story->n_verifiers; i++) {
		struct judge j = { .story = c->story, .m = c->measures[i] };

		if (c->story->verifiers[i].control && j.m && judge_unusable(&j, why))
			return why;
	}
	return NULL;
}

static bool judged_any(const struct result *r)
{
	for (size_t i = 0; i < r->n_cases; i++)
		if (r->cases[i].check && (r->cases[i].verdict == VERDICT_PASS ||
						 r->cases[i].verdict == VERDICT_FAIL))
			return true;
	return false;
}

static const char *first_error(const struct story *s)
{
	return s->n_errors ? s->errors[0] : "";
}

/* What makes the whole run BROKEN although it came to its end. */
static int completed_but(struct cases *c, struct result_case *rc)
{
	const struct story *s = c->story;
	char why[ERR_TEXT_BYTES];

	if (s->journal.bad_line)
		return case_set(rc, VERDICT_BROKEN, "crumble.DamagedRecord",
			"line %zu of journal.jsonl is damaged: what stands behind it is unknown",
			s->journal.bad_line);
	if (s->n_errors)
		return case_set(rc, VERDICT_BROKEN, "crumble.RunnerError", "%s%s", first_error(s),
			s->n_errors > 1 ? " (and more: see the report's notes)" : "");
	if (!s->n_cookies)
		return case_set(rc, VERDICT_BROKEN, "crumble.NoCookie",
			"the scenario feeds no cookie: it says nothing about faults");
	if (!any_verifier(s))
		return case_set(
			rc, VERDICT_BROKEN, "crumble.NoVerifier", "the scenario verifies nothing");
	if (!cases_blocked(c) && blind_control(c, why))
		return case_set(rc, VERDICT_BROKEN, "crumble.NoData", "control: %s", why);
	if (!cases_blocked(c) && !judged_any(c->result))
		return case_set(rc, VERDICT_BROKEN, "crumble.NothingJudged",
			"not one check came to a PASS or a FAIL");
	rc->verdict = VERDICT_PASS;
	return 0;
}

static int set_aborted(struct cases *c, struct result_case *rc)
{
	const struct story *s = c->story;

	return case_set(rc, VERDICT_BROKEN, "crumble.Aborted",
		"aborted by %s after %.1f s in phase %s",
		s->signal_name ? s->signal_name : "a signal", (double)s->signal_ns / 1e9,
		story_phase_at(s, s->signal_ns));
}

void cases_run_completed(struct cases *c)
{
	const struct story *s = c->story;
	struct result_case *rc = cases_add(c, "run completed");

	if (!rc)
		return;
	if (s->signal)
		c->nomem |= set_aborted(c, rc) != 0;
	else if (c->complete || s->journal.bad_line || s->n_errors)
		c->nomem |= completed_but(c, rc) != 0;
	if (s->signal || c->complete || rc->message)
		return;
	rc->running = c->live;
	c->nomem |=
		case_set(rc, VERDICT_BROKEN, "crumble.Incomplete",
			c->live ? "still running when this report was written (phase %s, %.1f s)"
				: "the runner was killed in phase %s, after %.1f s: no end is on "
				  "record",
			story_phase_now(s), (double)s->last_ns / 1e9) != 0;
}

/* ---- nothing left behind ---- */

__attribute__((format(printf, 2, 3))) static void leave(struct cases *c, const char *format, ...)
{
	char **place = GROW(c->result->left, c->result->n_left);
	va_list args;

	if (!place) {
		c->nomem = true;
		return;
	}
	va_start(args, format);
	if (vasprintf(place, format, args) < 0) {
		*place = NULL;
		c->result->n_left--;
		c->nomem = true;
	}
	va_end(args);
}

static void leave_bites(struct cases *c)
{
	const struct story *s = c->story;

	for (size_t i = 0; i < s->n_bites; i++) {
		const struct story_bite *bite = &s->bites[i];
		const struct result_target *t = bite->b.n_targets ? bite->b.targets : NULL;

		if (story_bite_open(bite))
			leave(c, "%s on %s %s/%s: crumble heal %s", bite->b.id ? bite->b.id : "?",
				t && t->kind ? t->kind : "target", t && t->ns ? t->ns : "",
				t && t->name ? t->name : "?", s->dir);
	}
}

static void list_left(struct cases *c)
{
	const struct story *s = c->story;

	if (story_own_sandbox(s)) /* what stood on it is gone with it */
		return;
	leave_bites(c);
	for (size_t i = 0; i < s->n_deploys; i++)
		if (story_deploy_open(&s->deploys[i]))
			leave(c, "deployment %s: crumble heal %s", s->deploys[i].name, s->dir);
	for (size_t i = 0; i < s->n_sweep_left; i++)
		leave(c, "%s: crumble heal %s", s->sweep_left[i], s->dir);
}

static int judge_left(struct cases *c, struct result_case *rc)
{
	const struct story *s = c->story;

	if (c->result->n_left)
		return case_set(rc, VERDICT_BROKEN, "crumble.LeftBehind",
			"%zu left behind; first: %s", c->result->n_left, c->result->left[0]);
	for (size_t i = 0; i < s->n_deploys; i++)
		if (!s->deploys[i].undo.ok && !s->deploys[i].kept)
			return case_set(rc, VERDICT_BROKEN, "crumble.UndoFailed",
				"undo of %s failed: %s (the sandbox it stood on is gone)",
				s->deploys[i].name,
				s->deploys[i].undo.message ? s->deploys[i].undo.message : "?");
	if (s->sweep.ok == 1 || (s->sweep.ok < 0 && !story_touched(s))) {
		rc->verdict = VERDICT_PASS;
		return 0;
	}
	return case_set(rc, VERDICT_BROKEN, "crumble.NotSwept", "%s",
		s->sweep.ok < 0    ? "the sweep did not run: nothing proves that all is gone"
		: s->sweep.message ? s->sweep.message
				   : "the sweep failed");
}

/* While a run lives its faults are open by intent: only its end, or its heal, can be judged. */
void cases_nothing_left(struct cases *c)
{
	const struct story *s = c->story;
	struct result_case *rc = cases_add(c, "nothing left behind");

	if (!rc)
		return;
	if (s->begin[STORY_SWEEP] >= 0 && s->end[STORY_SWEEP] >= 0)
		rc->time_ms = (s->end[STORY_SWEEP] - s->begin[STORY_SWEEP]) / 1000000;
	if (!c->live)
		list_left(c);
	if (c->complete || (!c->live && (c->result->n_left || s->sweep.ok >= 0))) {
		c->nomem |= judge_left(c, rc) != 0;
		return;
	}
	rc->running = c->live;
	c->nomem |= case_set(rc, VERDICT_BROKEN, "crumble.Incomplete",
			    c->live ? "not proved yet: the run has not ended (%s)"
				    : "not proved: the runner was killed; crumble heal %s",
			    c->live ? story_phase_now(s) : s->dir) != 0;
}
