/* A cookie's cases: it bit, and what it bit came back. */
#include "reports/cases.h"

#include "base/buf.h"
#include "reports/explain.h"

#include <string.h>

struct counts {
	size_t bites, proved, recovered;
	const struct story_bite *unproved, *unrecovered; /* the first of each */
};

static struct counts count_bites(const struct story *s, const char *cookie)
{
	struct counts n = { 0 };

	for (size_t i = 0; i < s->n_bites; i++) {
		const struct story_bite *bite = &s->bites[i];

		if (!bite->b.cookie || strcmp(bite->b.cookie, cookie))
			continue;
		n.bites++;
		n.proved += bite->b.proved;
		if (!bite->b.proved && !n.unproved)
			n.unproved = bite;
		if (!bite->b.proved)
			continue;
		n.recovered += bite->b.recovered;
		if (!bite->b.recovered && !n.unrecovered)
			n.unrecovered = bite;
	}
	return n;
}

static enum check check_of_bites(
	const struct cases *c, const struct story_cookie *k, const struct counts *n)
{
	const struct story *s = c->story;
	bool over = k->end_ns >= 0 || s->end[STORY_FAULTS] >= 0;

	if (cases_blocked(c))
		return CHECK_NOT_RUN;
	if (c->complete) {
		if (s->signal && (s->end[STORY_FAULTS] < 0 || s->end[STORY_FAULTS] >= s->signal_ns))
			return CHECK_NOT_RUN;
		return CHECK_DONE;
	}
	if (over && (!n->unproved || s->end[STORY_RECOVERY] >= 0))
		return CHECK_DONE;
	return k->begin_ns >= 0 || s->begin[STORY_FAULTS] >= 0 ? CHECK_RUNNING : CHECK_WAITING;
}

/* Why nothing was bitten: the reasons and workloads on record. */
static char *skips_text(const struct story *s, const char *cookie)
{
	OWN_BUF struct buf text;
	size_t told = 0;

	buf_init(&text, 4096);
	for (size_t i = 0; i < s->n_skips && told < 5; i++) {
		const struct result_skip *skip = &s->skips[i];

		if (!skip->cookie || strcmp(skip->cookie, cookie))
			continue;
		buf_add_str(&text, told++ ? "; " : ": ");
		if (skip->name)
			buf_addf(&text, "%s %s/%s: ", skip->kind ? skip->kind : "workload",
				skip->ns ? skip->ns : "", skip->name);
		buf_addf(&text, "%s", skip->reason ? skip->reason : "no reason is on record");
	}
	return buf_take(&text);
}

static int set_unproved(struct result_case *rc, const struct counts *n)
{
	OWN_MEM char *bite = bite_text(n->unproved);
	const struct story_told *done = &n->unproved->done;
	const char *why = !done->ok && done->message ? done->message
			  : n->unproved->b.evidence  ? n->unproved->b.evidence
						     : "nothing shows that it took effect";

	return case_set(rc, VERDICT_BROKEN, "crumble.NotProved",
		"%zu of %zu bites not proved; %s: %s", n->bites - n->proved, n->bites,
		bite ? bite : "?", why);
}

static bool bites_hold(const struct story_expect *x, double proved)
{
	switch (x->parsed.op) {
	case OP_GE:
		return proved >= x->parsed.value;
	case OP_LE:
		return proved <= x->parsed.value;
	case OP_GT:
		return proved > x->parsed.value;
	case OP_LT:
		return proved < x->parsed.value;
	case OP_EQ:
		return proved == x->parsed.value;
	}
	return false;
}

static int judge_bites(struct cases *c, const struct story_cookie *k, const struct story_expect *x,
	const struct counts *n, struct result_case *rc)
{
	OWN_MEM char *why = skips_text(c->story, k->name);

	rc->value = (double)n->proved;
	rc->n = n->bites;
	if (!x->readable)
		return case_set(rc, VERDICT_BROKEN, "crumble.Unreadable",
			"this expectation is not understood: %s", x->text);
	if (!n->bites)
		return case_set(rc, VERDICT_BROKEN, "crumble.NoBite", "%s bit nothing%s", k->name,
			why && *why ? why : ": no round came to a target");
	if (n->unproved)
		return set_unproved(rc, n);
	if (!bites_hold(x, (double)n->proved))
		return case_set(rc, VERDICT_BROKEN, "crumble.TooFew",
			"%zu bites proved, expected %s: the runner fell short, not the service%s",
			n->proved, rc->limit ? rc->limit : "", why ? why : "");
	rc->verdict = VERDICT_PASS;
	return 0;
}

static void bites_case(struct cases *c, const struct story_cookie *k,
	const struct story_expect *all, size_t n_all, size_t i, const struct counts *n)
{
	OWN_MEM char *name = cases_expect_name(k->name, all, n_all, i);
	enum check check = check_of_bites(c, k, n);
	struct result_case *rc = cases_add(c, name);
	int64_t from, to;

	if (!rc)
		return;
	rc->check = true;
	rc->line = all[i].line ? all[i].line : k->line;
	rc->metric = strdup("bites");
	rc->unit = strdup("");
	rc->limit = cases_limit(&all[i]);
	window_times(c->story, WINDOW_FAULTS, &from, &to);
	rc->time_ms = (to - from) / 1000000;
	c->nomem |= !rc->metric || !rc->unit;
	if (check == CHECK_DONE)
		c->nomem |= judge_bites(c, k, &all[i], n, rc) != 0;
	else
		cases_set_pending(c, rc, check, STORY_FAULTS);
}

/* ---- recovered ---- */

static enum check check_of_recovered(
	const struct cases *c, const struct story_cookie *k, const struct counts *n)
{
	const struct story *s = c->story;

	if (cases_blocked(c))
		return CHECK_NOT_RUN;
	if (c->complete) {
		bool cut = s->signal &&
			   (s->end[STORY_RECOVERY] < 0 || s->end[STORY_RECOVERY] >= s->signal_ns);

		return cut && (n->unrecovered || check_of_bites(c, k, n) != CHECK_DONE)
			       ? CHECK_NOT_RUN
			       : CHECK_DONE;
	}
	if (s->end[STORY_RECOVERY] >= 0)
		return CHECK_DONE;
	return k->begin_ns >= 0 || s->begin[STORY_FAULTS] >= 0 ? CHECK_RUNNING : CHECK_WAITING;
}

static int set_unrecovered(struct result_case *rc, const struct counts *n)
{
	const struct story_bite *bite = n->unrecovered;
	OWN_MEM char *text = bite_text(bite);

	if (!bite->instant)
		return case_set(rc, VERDICT_BROKEN, "crumble.NotHealed",
			"%zu of %zu bites not proved healed; %s: %s", n->proved - n->recovered,
			n->proved, text ? text : "?",
			bite->heal.message ? bite->heal.message : "no proof is on record");
	rc->bite = bite->b.id ? strdup(bite->b.id) : NULL;
	return case_set(rc, VERDICT_FAIL, "crumble.AssertionFailed",
		"%zu of %zu bites not recovered by the end: no replacement Ready for %s",
		n->proved - n->recovered, n->proved, text ? text : "?");
}

static void recovered_case(struct cases *c, const struct story_cookie *k, const struct counts *n)
{
	OWN_MEM char *name = str_format("%s recovered", k->name);
	enum check check = check_of_recovered(c, k, n);
	struct result_case *rc = cases_add(c, name);
	int64_t from, to;

	if (!rc)
		return;
	rc->line = k->line;
	rc->check = true;
	rc->n = n->proved;
	window_times(c->story, WINDOW_CHAOS, &from, &to);
	rc->time_ms = (to - from) / 1000000;
	if (check != CHECK_DONE)
		cases_set_pending(c, rc, check, STORY_FAULTS);
	else if (!n->proved)
		c->nomem |= case_set(rc, VERDICT_SKIP, NULL,
				    "not run: no proved bite to recover from") != 0;
	else if (n->unrecovered)
		c->nomem |= set_unrecovered(rc, n) != 0;
	else
		rc->verdict = VERDICT_PASS;
}

void cases_of_cookie(struct cases *c, const struct story_cookie *k)
{
	struct story_expect one = { .text = (char *)"bites >= 1",
		.readable = true,
		.parsed = { METRIC_BITES, OP_GE, 1, WINDOW_CHAOS } };
	const struct story_expect *all = k->n_expects ? k->expects : &one;
	size_t n_all = k->n_expects ? k->n_expects : 1;
	struct counts n = count_bites(c->story, k->name);

	for (size_t i = 0; i < n_all; i++)
		bites_case(c, k, all, n_all, i, &n);
	recovered_case(c, k, &n);
}
