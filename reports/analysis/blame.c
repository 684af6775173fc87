/* Attribution of outages to bites. */
#include "reports/analysis/blame.h"

#include "base/clock.h"

#include <stdlib.h>

/* How soon after a bite what it breaks is seen, and how long a bite must have been survived to be
 * acquitted. */
#define NEAR_NS (2 * NS_PER_S)

static int by_sent(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->sent_ns != y->sent_ns)
		return x->sent_ns < y->sent_ns ? -1 : 1;
	return x->bite < y->bite ? -1 : x->bite > y->bite;
}

void spans_prepare(struct span *spans, size_t n)
{
	int64_t latest = INT64_MIN;

	if (n)
		qsort(spans, n, sizeof(*spans), by_sent);
	for (size_t i = 0; i < n; i++) {
		if (spans[i].end_ns > latest)
			latest = spans[i].end_ns;
		spans[i].max_end_ns = latest;
	}
}

/* How many were sent at `at` or before. */
static size_t sent_until(const struct span *spans, size_t n, int64_t at_ns)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (spans[middle].sent_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool spans_meet(const struct span *spans, size_t n, int64_t from_ns, int64_t to_ns)
{
	size_t i = sent_until(spans, n, to_ns);

	return i && spans[i - 1].max_end_ns >= from_ns;
}

const char *blame_name(enum blame_class class)
{
	static const char *const names[] = { "caused", "ambiguous", "residual", "pre-existing",
		"unattributed", "observer" };

	return (unsigned)class < sizeof(names) / sizeof(names[0]) ? names[class] : "unattributed";
}

static bool control_failed(const struct outage *o, const struct bad_time *control, size_t n)
{
	size_t low = 0, high = n;

	while (low < high) { /* the first that ends at the outage's begin or behind it */
		size_t middle = low + (high - low) / 2;

		if (control[middle].to_ns < o->begin_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && control[low].from_ns <= o->last_done_ns;
}

/* Collects the bites in force within (last ok sent, first bad done], newest first. `acquitted` is
 * told whether each older one was survived: an ok sample was sent NEAR or later behind it. */
static void collect(const struct outage *o, const struct span *spans, size_t n, struct blame *ret,
	bool *ret_older_acquitted, int64_t *ret_newest_ns)
{
	*ret_older_acquitted = true;
	for (size_t i = sent_until(spans, n, o->first_done_ns); i-- > 0;) {
		const struct span *s = &spans[i];

		if (s->max_end_ns <= o->ok_before_ns)
			break;
		if (s->end_ns <= o->ok_before_ns)
			continue;
		if (!ret->in_force++)
			*ret_newest_ns = s->sent_ns;
		else if (o->ok_before_ns < 0 || o->ok_before_ns - s->sent_ns < NEAR_NS)
			*ret_older_acquitted = false;
		if (ret->n_bites < BLAME_BITES)
			ret->bites[ret->n_bites++] = s->bite;
	}
}

/* Was the newest bite sent just before the first bad request, or just before it failed? */
static bool just_before(const struct outage *o, int64_t bite_ns)
{
	int64_t to_sent = o->begin_ns - bite_ns, to_failed = o->first_done_ns - bite_ns;

	if (!o->first_sent)
		return false;
	if (to_sent >= 0 && to_sent <= NEAR_NS)
		return true;
	return o->outcome != OUTCOME_TIMEOUT && to_failed >= 0 && to_failed <= NEAR_NS;
}

void blame_outage(const struct outage *o, const struct span *spans, size_t n_spans,
	const struct bad_time *control, size_t n_control, struct blame *ret)
{
	int64_t newest_ns = 0;
	bool older_acquitted;

	*ret = (struct blame){ 0 };
	collect(o, spans, n_spans, ret, &older_acquitted, &newest_ns);
	if (control_failed(o, control, n_control)) {
		ret->class = BLAME_OBSERVER;
	} else if (!ret->in_force) {
		ret->class = sent_until(spans, n_spans, o->first_done_ns) ? BLAME_UNATTRIBUTED
									  : BLAME_PRE_EXISTING;
	} else if (ret->in_force == 1 || (older_acquitted && just_before(o, newest_ns))) {
		ret->class = BLAME_CAUSED;
		ret->n_bites = 1;
	} else {
		ret->class = BLAME_AMBIGUOUS;
	}
	if ((ret->class == BLAME_CAUSED || ret->class == BLAME_AMBIGUOUS) &&
		spans[n_spans - 1].max_end_ns < o->last_done_ns &&
		(o->last_sent_ns < 0 || spans[n_spans - 1].max_end_ns < o->last_sent_ns))
		ret->class = BLAME_RESIDUAL;
}
