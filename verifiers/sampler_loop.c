/*
 * The sampler's thread: slots and phases in the order of their times, and in between the HTTP
 * loop. A slot's time is computed from its number, so that nothing ever drifts; a slot that cannot
 * be used is recorded for what it was, and never made up for by a burst.
 */
#include "verifiers/sampler.h"

#include "base/clock.h"

#include <sched.h>

#define FLUSH_NS (NS_PER_S / 2) /* half of the second that the record promises */
#define BATCH 64                /* slots in a row before the network is looked at again */

/* ---- the heap: active tracks, the next due one first ---- */

static void sift_down(struct sampler *sampler, size_t i)
{
	struct track **heap = sampler->heap;

	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < sampler->n_heap && heap[child]->due_ns < heap[least]->due_ns)
				least = child;
		if (least == i)
			return;
		struct track *moved = heap[i];

		heap[i] = heap[least];
		heap[least] = moved;
		i = least;
	}
}

static void heap_build(struct sampler *sampler)
{
	sampler->n_heap = 0;
	for (size_t i = 0; i < sampler->n_tracks; i++)
		if (sampler->tracks[i].active)
			sampler->heap[sampler->n_heap++] = &sampler->tracks[i];
	for (size_t i = sampler->n_heap / 2; i-- > 0;)
		sift_down(sampler, i);
}

/* ---- phases ---- */

static void begin(struct track *track, int64_t at_ns)
{
	const struct verifier *v = track->v;
	struct stream_spec spec = { .verifier = v->name,
		.kind = v->ops->name,
		.workload = STREAM_WHOLE,
		.period_ns = v->period_ns,
		.timeout_ns = v->timeout_ns,
		.control = v->control,
		.phases = v->phases };

	track->begun = true;
	track->base_ns = at_ns;
	track->stream = stream_open(track->sampler->sink, &spec);
}

/* The first slot at or behind at_ns. */
static void seek(struct track *track, int64_t at_ns)
{
	int64_t since = at_ns - track->base_ns, period = track->v->period_ns;

	track->slot = since > 0 ? (since + period - 1) / period : 0;
	track->due_ns = track->base_ns + track->slot * period;
}

static int enter(struct sampler *sampler, unsigned phase, int64_t at_ns, struct err *err)
{
	unsigned passed = phase | (phase - 1);

	for (size_t i = 0; i < sampler->n_tracks; i++) {
		struct track *track = &sampler->tracks[i];
		bool runs = !track->over && (track->v->phases & phase);

		if (runs && !track->begun)
			begin(track, at_ns);
		if (runs && !track->stream)
			return err_set(err, ERR_NOMEM, "verifier %s: no memory for its samples",
				track->v->name);
		if (runs && !track->active)
			seek(track, at_ns);
		track->active = runs;
		if (!runs && !(track->v->phases & ~passed))
			track->over = true;
	}
	sampler->over = sampler->over || phase == PHASE_OVER;
	sampler->tend = true;
	heap_build(sampler);
	return 0;
}

/* The earliest phase that was told and not entered yet; -1: none. */
static int next_mark(struct sampler *sampler, int64_t *ret_at_ns)
{
	int found = -1;

	pthread_mutex_lock(&sampler->lock);
	for (int i = 0; i < PHASE_MARKS; i++) {
		const struct phase_mark *mark = &sampler->marks[i];

		if (!mark->told || mark->entered)
			continue;
		if (found < 0 || mark->at_ns < *ret_at_ns) {
			found = i;
			*ret_at_ns = mark->at_ns;
		}
	}
	pthread_mutex_unlock(&sampler->lock);
	return found;
}

static void set_entered(struct sampler *sampler, int mark)
{
	pthread_mutex_lock(&sampler->lock);
	sampler->marks[mark].entered = true;
	pthread_mutex_unlock(&sampler->lock);
}

/* ---- slots ---- */

static void use_slot(struct track *track)
{
	int64_t due_ns = track->due_ns;
	uint32_t seq = track->seq++;

	track->due_ns = track->base_ns + ++track->slot * track->v->period_ns;
	if (!track->free) /* replies that have arrived but were not looked at hold no cap */
		http_drive(track->sampler->http, 0, NULL);
	if (!track->free)
		flight_none(track, due_ns, seq, OUTCOME_UNSENT);
	else if (clock_now_ns() - due_ns > track->v->period_ns)
		flight_none(track, due_ns, seq, OUTCOME_MISSED);
	else
		flight_begin(track, due_ns, seq, false);
}

/* What has come due, in the order of its times. *ret_next_ns: when the next thing is. */
static int run_due(struct sampler *sampler, int64_t *ret_next_ns, struct err *err)
{
	for (int i = 0; i < BATCH; i++) {
		struct track *track = sampler->n_heap ? sampler->heap[0] : NULL;
		int64_t slot_ns = track ? track->due_ns : INT64_MAX, at_ns = INT64_MAX;
		int mark = next_mark(sampler, &at_ns);

		*ret_next_ns = slot_ns < at_ns ? slot_ns : at_ns;
		if (*ret_next_ns > clock_now_ns())
			return 0;
		if (at_ns <= slot_ns) {
			set_entered(sampler, mark);
			if (enter(sampler, 1u << mark, at_ns, err))
				return -1;
			continue;
		}
		use_slot(track);
		sift_down(sampler, 0);
	}
	*ret_next_ns = 0;
	return 0;
}

/* Ends the streams of verifiers that are through, flushes the others'. */
static void tend_streams(struct sampler *sampler)
{
	sampler->tend = false;
	for (size_t i = 0; i < sampler->n_tracks; i++) {
		struct track *track = &sampler->tracks[i];

		if (!track->stream)
			continue;
		if (!track->over || track->in_flight) {
			stream_flush(track->stream);
			continue;
		}
		stream_close(track->stream);
		track->stream = NULL;
	}
}

static void cancel_all(struct sampler *sampler)
{
	sampler->cancelling = true;
	flights_cancel(sampler);
	while (sampler->in_flight)
		http_drive(sampler->http, clock_now_ns() + NS_PER_S, NULL);
	for (size_t i = 0; i < sampler->n_tracks; i++)
		sampler->tracks[i].over = true;
	tend_streams(sampler);
}

/* Until it is over, or `stop` is set. */
static int drive(struct sampler *sampler, struct stop *stop, struct err *err)
{
	int64_t next_ns, tend_ns = 0;

	while (!stop_requested(stop)) {
		if (run_due(sampler, &next_ns, err))
			return -1;
		if (sampler->tend || clock_now_ns() >= tend_ns) {
			tend_streams(sampler);
			tend_ns = clock_now_ns() + FLUSH_NS;
		}
		if (sampler->over && !sampler->in_flight)
			return 0;
		http_drive(sampler->http, next_ns < tend_ns ? next_ns : tend_ns, NULL);
	}
	return 0;
}

/* Ahead of all that shares its time, where this is permitted (as root, usual in CI): on a busy
 * machine slots would else be used late, or missed. The load is a few percent of one core. Threads
 * and processes that are started meanwhile do not inherit it. True: step_back is due. */
static bool step_ahead(void)
{
	const struct sched_param least = { .sched_priority = 1 };

	return sched_getscheduler(0) == SCHED_OTHER &&
	       !sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &least);
}

static void step_back(void)
{
	const struct sched_param none = { .sched_priority = 0 };

	/* taking the mark off again is a right of its own, and not needed */
	if (sched_setscheduler(0, SCHED_OTHER, &none))
		sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none);
}

int sampler_run(struct sampler *sampler, struct stop *stop, struct err *err)
{
	bool ahead;
	int failed;

	if (http_watch(sampler->http, stop, err))
		return -1;
	ahead = step_ahead();
	failed = drive(sampler, stop, err);
	cancel_all(sampler);
	if (ahead)
		step_back();
	http_watch(sampler->http, NULL, NULL);
	return failed;
}
