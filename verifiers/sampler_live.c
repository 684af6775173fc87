/*
 * Recent figures and open outages, for people who watch a run. The record is what counts; this is
 * its shadow: outages are judged by the same rule (in due order), so that what is said live is
 * what the report says later, save for `flap`, which only reports apply.
 */
#include "verifiers/sampler.h"

#include "base/clock.h"
#include "base/own.h"

#include <string.h>

#define RECENT_S 10
#define RING_S (RECENT_S + 1) /* and the second that is not over yet */
#define WAITING_MAX 65536

/* Latencies: 8 steps for each doubling of microseconds, an error below 7 %. */
#define STEPS 8
#define LATENCIES (STEPS * 30)

struct second {
	int64_t number; /* of CLOCK_MONOTONIC */
	uint32_t ok, bad;
	uint16_t latencies[LATENCIES]; /* of the ok ones */
};

/* A sample that waits until all before it are known. */
struct waiting {
	int64_t due_ns, sent_ns;
	uint8_t outcome;
	bool known;
};

struct live {
	struct waiting *ring;
	uint32_t size;       /* a power of two */
	uint32_t head, tail; /* seq of the first that waits; of the next that will */

	/* judged so far, in due order */
	int64_t ok_sent_ns;                /* of the last ok one; 0: none */
	int64_t first_bad_ns, last_bad_ns; /* sent times within the open outage; 0: none */

	/* guarded by the sampler's lock */
	int64_t since_ns; /* due time of the open outage's first sample; 0: none is open */
	enum outcome last_bad;
	struct second seconds[RING_S];
};

struct live *live_new(const struct verifier *v)
{
	int64_t need = v->timeout_ns / v->period_ns + v->concurrency + 16;
	struct live *live = calloc(1, sizeof(*live));

	if (!live)
		return NULL;
	for (live->size = 64; live->size < need && live->size < WAITING_MAX;)
		live->size *= 2;
	live->ring = calloc(live->size, sizeof(*live->ring));
	if (!live->ring) {
		free(live);
		return NULL;
	}
	return live;
}

void live_free(struct live *live)
{
	if (!live)
		return;
	free(live->ring);
	free(live);
}

int live_judge(enum outcome outcome)
{
	if (outcome == OUTCOME_OK)
		return 1;
	if (outcome == OUTCOME_MISSED || outcome == OUTCOME_LOST || outcome == OUTCOME_CANCELLED)
		return -1;
	return 0;
}

/* ---- outages ---- */

static void tell(struct track *track, bool begins, int64_t length_ns, enum outcome what)
{
	struct sampler *sampler = track->sampler;

	if (sampler->told)
		sampler->told(
			sampler->told_arg, track->v->name, begins, length_ns, outcome_name(what));
}

static void judge_bad(struct track *track, const struct waiting *sample)
{
	struct live *live = track->live;
	bool begins;

	pthread_mutex_lock(&track->sampler->lock);
	begins = !live->since_ns;
	if (begins)
		live->since_ns = sample->due_ns;
	live->last_bad = sample->outcome;
	pthread_mutex_unlock(&track->sampler->lock);
	if (begins)
		live->first_bad_ns = live->last_bad_ns = 0;
	if (sample->sent_ns && !live->first_bad_ns)
		live->first_bad_ns = sample->sent_ns;
	if (sample->sent_ns)
		live->last_bad_ns = sample->sent_ns;
	if (begins)
		tell(track, true, 0, sample->outcome);
}

static void judge_ok(struct track *track, const struct waiting *sample)
{
	struct live *live = track->live;
	int64_t since_ns, least_ns = live->last_bad_ns - live->first_bad_ns, most_ns;
	enum outcome what;

	pthread_mutex_lock(&track->sampler->lock);
	since_ns = live->since_ns;
	what = live->last_bad;
	live->since_ns = 0;
	pthread_mutex_unlock(&track->sampler->lock);
	if (since_ns) {
		most_ns = sample->sent_ns - (live->ok_sent_ns ? live->ok_sent_ns : since_ns);
		tell(track, false, (least_ns + most_ns) / 2, what);
	}
	live->ok_sent_ns = sample->sent_ns;
}

/* Judges the samples before which nothing is unknown. */
static void judge_known(struct track *track)
{
	struct live *live = track->live;

	for (; live->head != live->tail; live->head++) {
		const struct waiting *sample = &live->ring[live->head & (live->size - 1)];

		if (!sample->known)
			return;
		if (live_judge(sample->outcome) == 1)
			judge_ok(track, sample);
		else if (live_judge(sample->outcome) == 0)
			judge_bad(track, sample);
	}
}

void live_due(struct track *track, uint32_t seq, int64_t due_ns)
{
	struct live *live = track->live;

	if (live->tail - live->head == live->size) { /* too old to wait for: passed over */
		struct waiting *oldest = &live->ring[live->head & (live->size - 1)];

		oldest->known = true;
		oldest->outcome = OUTCOME_MISSED;
		judge_known(track);
	}
	live->ring[seq & (live->size - 1)] = (struct waiting){ .due_ns = due_ns };
	live->tail = seq + 1;
}

/* ---- recent figures ---- */

static unsigned latency_index(int64_t ns)
{
	uint64_t us = ns < 1000 ? 1 : (uint64_t)ns / 1000;
	unsigned octave = 63 - (unsigned)__builtin_clzll(us), step;

	if (octave >= LATENCIES / STEPS)
		return LATENCIES - 1;
	step = octave >= 3 ? (unsigned)(us >> (octave - 3)) & 7
			   : (unsigned)(us << (3 - octave)) & 7;
	return octave * STEPS + step;
}

/* The upper end of a step, in milliseconds. */
static double latency_ms(unsigned index)
{
	double octave = (double)(UINT64_C(1) << (index / STEPS));

	return octave * (1 + (double)(index % STEPS + 1) / STEPS) / 1000;
}

static void count(struct live *live, bool ok, int64_t latency_ns)
{
	int64_t number = clock_now_ns() / NS_PER_S;
	struct second *second = &live->seconds[number % RING_S];
	uint16_t *latency = &second->latencies[latency_index(latency_ns)];

	if (second->number != number) {
		memset(second, 0, sizeof(*second));
		second->number = number;
	}
	if (!ok) {
		second->bad++;
		return;
	}
	second->ok++;
	if (*latency < UINT16_MAX)
		++*latency;
}

void live_result(struct track *track, uint32_t seq, enum outcome outcome, int64_t sent_ns,
	int64_t latency_ns)
{
	struct live *live = track->live;
	struct waiting *sample = &live->ring[seq & (live->size - 1)];
	int ok = live_judge(outcome);

	if (ok >= 0) {
		pthread_mutex_lock(&track->sampler->lock);
		count(live, ok, latency_ns);
		pthread_mutex_unlock(&track->sampler->lock);
	}
	if (seq - live->head >= live->size) /* passed over already */
		return;
	sample->sent_ns = sent_ns;
	sample->outcome = (uint8_t)outcome;
	sample->known = true;
	judge_known(track);
}

void live_now(struct track *track, struct sampler_now *ret_row)
{
	int64_t first = clock_now_ns() / NS_PER_S - RECENT_S, t0_ns = track->sampler->sink->t0_ns;
	uint64_t latencies[LATENCIES] = { 0 }, total = 0, passed = 0;
	struct live *live = track->live;
	unsigned i = 0;

	*ret_row = (struct sampler_now){ .name = track->v->name, .outage_since_ns = -1 };
	pthread_mutex_lock(&track->sampler->lock);
	for (size_t s = 0; s < RING_S; s++) {
		const struct second *second = &live->seconds[s];

		if (second->number <= first)
			continue;
		ret_row->ok += second->ok;
		ret_row->bad += second->bad;
		for (size_t k = 0; k < LATENCIES; k++)
			latencies[k] += second->latencies[k];
	}
	if (live->since_ns)
		ret_row->outage_since_ns = live->since_ns - t0_ns;
	if (live->last_bad)
		snprintf(ret_row->detail, sizeof(ret_row->detail), "%s",
			outcome_name(live->last_bad));
	pthread_mutex_unlock(&track->sampler->lock);
	for (size_t k = 0; k < LATENCIES; k++)
		total += latencies[k];
	if (!total)
		return;
	while (passed + latencies[i] < (total * 99 + 99) / 100)
		passed += latencies[i++];
	ret_row->p99_ms = latency_ms(i);
}
