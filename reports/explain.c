/* What is told beside a verdict: the window, its worst outage, the bite behind it. */
#include "reports/explain.h"

#include "reports/format.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

char *bite_text(const struct story_bite *bite)
{
	const struct result_bite *b = &bite->b;
	OWN_BUF struct buf text;
	char at[FORMAT_BYTES];

	buf_init(&text, 4096);
	format_t(b->sent_ns >= 0 ? b->sent_ns : b->due_ns, at);
	buf_addf(&text, "%s: ", b->id ? b->id : "?");
	for (size_t i = 0; i < b->n_targets && i < 3; i++) {
		const struct result_target *t = &b->targets[i];

		buf_addf(&text, "%s%s %s/%s", i ? ", " : "", t->kind ? t->kind : "pod",
			t->ns ? t->ns : "", t->name ? t->name : "?");
		if (bite->workloads && bite->workloads[i])
			buf_addf(&text, " of %s", bite->workloads[i]);
	}
	if (b->n_targets > 3)
		buf_addf(&text, " and %zu more", b->n_targets - 3);
	buf_addf(&text, ", at %s", at);
	return buf_take(&text);
}

static const char *detail_of(const struct story_verifier *v, uint16_t number)
{
	for (size_t i = 0; number && i < v->n_details; i++)
		if (v->details[i].number == number)
			return v->details[i].text;
	return NULL;
}

static void add_blame(struct buf *text, const struct judge *j, const struct blame *b)
{
	buf_addf(text, "%s",
		b->class == BLAME_CAUSED      ? "caused by "
		: b->class == BLAME_AMBIGUOUS ? "ambiguous, in force were "
		: b->class == BLAME_RESIDUAL
			? "residual (it went on after everything was healed) of "
		: b->class == BLAME_OBSERVER ? "the control probe failed too (observer); in force: "
		: b->class == BLAME_PRE_EXISTING ? "pre-existing: it began before any bite"
						 : "no bite explains it");
	if (b->class == BLAME_OBSERVER && !b->n_bites)
		buf_add_str(text, "no bite");
	for (size_t i = 0; i < b->n_bites; i++) {
		OWN_MEM char *bite = bite_text(&j->story->bites[b->bites[i]]);

		buf_addf(text, "%s%s", i ? "; " : "", bite ? bite : "?");
	}
	if (b->n_bites && b->in_force > b->n_bites)
		buf_addf(text, ", while %zu other%s in force", b->in_force - b->n_bites,
			b->in_force - b->n_bites == 1 ? " was" : "s were");
}

/* "longest outage 5.3s ±0.05s at t+42.1s (refused), caused by ..." */
void explain_worst(struct buf *text, const struct judge *j, const struct tally *t)
{
	const struct outage *o = &t->worst;
	const char *detail = detail_of(j->m->verifier, o->detail);
	char length[FORMAT_BYTES], at[FORMAT_BYTES];

	if (!t->outages.n)
		return;
	format_value("ns", (double)outage_length_ns(o), (double)o->min_ns,
		o->max_ns == INT64_MAX ? INFINITY : (double)o->max_ns, length);
	format_t(o->begin_ns, at);
	buf_addf(text, "longest outage %s at %s (%s%s%s), ", length, at, outcome_name(o->outcome),
		detail ? ": " : "", detail ? detail : "");
	add_blame(text, j, &t->worst_blame);
}

int explain_window(const struct judge *j, const struct tally *t, struct result_case *c)
{
	const struct expectation *e = &j->expect->parsed;
	char from_text[FORMAT_BYTES], to_text[FORMAT_BYTES];
	OWN_BUF struct buf text;
	int64_t from, to;

	buf_init(&text, 16384);
	window_times(j->story, e->window, &from, &to);
	format_t(from, from_text);
	format_t(to, to_text);
	buf_addf(&text,
		"expected %s; %" PRIu64 " samples ok, %" PRIu64 " not, in %s [%s, %s]; %" PRIu64
		" outage%s\n",
		j->expect->text, t->ok, t->bad, window_name(e->window), from_text, to_text,
		t->outages.n, t->outages.n == 1 ? "" : "s");
	explain_worst(&text, j, t);
	free(c->text);
	c->text = buf_take(&text);
	if (t->outages.n && t->worst_blame.n_bites) {
		const char *id = j->story->bites[t->worst_blame.bites[0]].b.id;

		free(c->bite);
		c->bite = id ? strdup(id) : NULL;
	}
	return c->text ? 0 : -1;
}
