/* Runs of samples that are not ok, and the bounds of their lengths. */
#include "reports/analysis/outages.h"

#include <string.h>

enum sample_class sample_class(const struct sample *s)
{
	switch (s->outcome) {
	case OUTCOME_OK:
		return SAMPLE_OK;
	case OUTCOME_MISSED:
	case OUTCOME_CANCELLED:
		return SAMPLE_NEITHER;
	default:
		return SAMPLE_BAD;
	}
}

static int64_t after_due(const struct sample *s, uint32_t us)
{
	return us == SAMPLE_NEVER ? -1 : s->due_ns + (int64_t)us * 1000;
}

int64_t sample_sent_ns(const struct sample *s)
{
	return after_due(s, s->sent_us);
}

int64_t sample_done_ns(const struct sample *s)
{
	return after_due(s, s->done_us);
}

int64_t outage_length_ns(const struct outage *o)
{
	return o->max_ns == INT64_MAX ? o->min_ns : o->min_ns + (o->max_ns - o->min_ns) / 2;
}

void outages_init(
	struct outages *o, unsigned flap, void (*each)(void *, const struct outage *), void *arg)
{
	*o = (struct outages){
		.flap = flap ? flap : 1, .each = each, .arg = arg, .ok_sent_ns = -1
	};
}

static void begin(struct outages *o, const struct sample *s, int64_t sent_ns)
{
	int64_t done_ns = sample_done_ns(s);

	o->open = true;
	o->first_bad_sent_ns = -1;
	o->now = (struct outage){
		.due_ns = s->due_ns,
		.ok_before_ns = o->ok_sent_ns,
		.ok_behind_ns = -1,
		.last_sent_ns = -1,
		.first_sent = sent_ns >= 0,
		.first_done_ns = sent_ns < 0   ? s->due_ns
				 : done_ns < 0 ? sent_ns
					       : done_ns,
		.last_done_ns = s->due_ns,
		.outcome = (enum outcome)s->outcome,
		.detail = s->detail,
	};
}

static void close_it(struct outages *o)
{
	struct outage *now = &o->now;

	o->open = false;
	if (o->first_bad_sent_ns >= 0) {
		now->begin_ns = o->first_bad_sent_ns;
		now->min_ns = now->last_sent_ns - o->first_bad_sent_ns;
	} else {
		now->begin_ns = now->due_ns;
		now->min_ns = 0;
	}
	now->max_ns = now->ok_before_ns < 0 || now->ok_behind_ns < 0
			      ? INT64_MAX
			      : now->ok_behind_ns - now->ok_before_ns;
	o->each(o->arg, now);
}

static void add_bad(struct outages *o, const struct sample *s)
{
	int64_t sent_ns = s->outcome == OUTCOME_UNSENT ? -1 : sample_sent_ns(s);
	int64_t done_ns = sample_done_ns(s);

	if (!o->open)
		begin(o, s, sent_ns);
	o->oks_behind = 0;
	o->now.ok_behind_ns = -1;
	o->now.bad++;
	if (sent_ns >= 0) {
		if (o->first_bad_sent_ns < 0)
			o->first_bad_sent_ns = sent_ns;
		o->now.last_sent_ns = sent_ns;
	}
	if (done_ns < 0)
		done_ns = sent_ns < 0 ? s->due_ns : sent_ns;
	if (done_ns > o->now.last_done_ns)
		o->now.last_done_ns = done_ns;
}

static void add_ok(struct outages *o, const struct sample *s)
{
	int64_t sent_ns = sample_sent_ns(s);

	if (sent_ns < 0)
		sent_ns = s->due_ns;
	if (o->open && !o->oks_behind++)
		o->now.ok_behind_ns = sent_ns;
	o->ok_sent_ns = sent_ns;
	if (o->open && o->oks_behind >= o->flap)
		close_it(o);
}

void outages_add(struct outages *o, const struct sample *s)
{
	if (s->outcome == OUTCOME_LOST)
		return;
	switch (sample_class(s)) {
	case SAMPLE_OK:
		add_ok(o, s);
		break;
	case SAMPLE_BAD:
		add_bad(o, s);
		break;
	case SAMPLE_NEITHER:
		break;
	}
}

void outages_end(struct outages *o)
{
	if (o->open)
		close_it(o);
}
