/* What the samples of one phase came to. */
#include "reports/analysis/tally.h"

#include <math.h>

void tally_sample(struct tally *t, const struct sample *s)
{
	if (sample_sent_ns(s) >= 0 && s->outcome != OUTCOME_UNSENT &&
		s->outcome != OUTCOME_CANCELLED)
		t->sent++;
	switch (sample_class(s)) {
	case SAMPLE_OK:
		t->ok++;
		histogram_add(&t->latency, s->done_us == SAMPLE_NEVER ? SAMPLE_LONG : s->done_us);
		break;
	case SAMPLE_BAD:
		t->bad++;
		break;
	case SAMPLE_NEITHER:
		if (s->outcome == OUTCOME_MISSED)
			t->missed++;
		else
			t->cancelled++;
		break;
	}
}

static int64_t add_capped(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void outage_add(struct outage_tally *t, const struct outage *o)
{
	int64_t mid = outage_length_ns(o);

	t->n++;
	t->bad += o->bad;
	t->censored |= o->max_ns == INT64_MAX;
	t->longest_mid_ns = larger(t->longest_mid_ns, mid);
	t->longest_min_ns = larger(t->longest_min_ns, o->min_ns);
	t->longest_max_ns = larger(t->longest_max_ns, o->max_ns);
	t->sum_mid_ns = add_capped(t->sum_mid_ns, mid);
	t->sum_min_ns = add_capped(t->sum_min_ns, o->min_ns);
	t->sum_max_ns = add_capped(t->sum_max_ns, o->max_ns);
}

static void outage_merge(struct outage_tally *into, const struct outage_tally *from)
{
	into->n += from->n;
	into->bad += from->bad;
	into->censored |= from->censored;
	into->longest_mid_ns = larger(into->longest_mid_ns, from->longest_mid_ns);
	into->longest_min_ns = larger(into->longest_min_ns, from->longest_min_ns);
	into->longest_max_ns = larger(into->longest_max_ns, from->longest_max_ns);
	into->sum_mid_ns = add_capped(into->sum_mid_ns, from->sum_mid_ns);
	into->sum_min_ns = add_capped(into->sum_min_ns, from->sum_min_ns);
	into->sum_max_ns = add_capped(into->sum_max_ns, from->sum_max_ns);
}

/* The one to tell of: the service's before the observer's, then the longer one. */
static void take_worst(
	struct tally *t, const struct outage *o, const struct blame *b, bool unobserved)
{
	if (t->outages.n && t->worst_unobserved != unobserved) {
		if (t->worst_unobserved)
			return;
	} else if (t->outages.n && outage_length_ns(o) <= outage_length_ns(&t->worst)) {
		return;
	}
	t->worst = *o;
	t->worst_blame = *b;
	t->worst_unobserved = unobserved;
}

void tally_outage(struct tally *t, const struct outage *o, const struct blame *b)
{
	bool unobserved = b->class != BLAME_OBSERVER;

	take_worst(t, o, b, unobserved);
	outage_add(&t->outages, o);
	if (unobserved)
		outage_add(&t->unobserved, o);
}

void tally_merge(struct tally *into, const struct tally *from)
{
	if (from->outages.n)
		take_worst(into, &from->worst, &from->worst_blame, from->worst_unobserved);
	into->ok += from->ok;
	into->bad += from->bad;
	into->missed += from->missed;
	into->cancelled += from->cancelled;
	into->sent += from->sent;
	histogram_merge(&into->latency, &from->latency);
	outage_merge(&into->outages, &from->outages);
	outage_merge(&into->unobserved, &from->unobserved);
}

void moments_add(struct moments *m, double x)
{
	double delta = x - m->mean;

	m->n++;
	m->mean += delta / (double)m->n;
	m->m2 += delta * (x - m->mean);
}

double moments_sigma(const struct moments *m)
{
	return m->n < 2 ? 0 : sqrt(m->m2 / (double)(m->n - 1));
}
