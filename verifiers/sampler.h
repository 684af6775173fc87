/*
 * Inside the open-loop core (the contract is verifier.h): one thread, one HTTP loop, any number of
 * verifiers, each with a schedule of its own.
 *
 *   verifier.c         the public face: made, told of phases, asked for figures, freed
 *   sampler_loop.c     the thread: which slot is due, which phase begins, when to wake
 *   sampler_flight.c   one sample: its steps, its replies, its record
 *   sampler_live.c     recent figures and open outages, for people who watch
 *
 * Only the thread in sampler_run touches tracks and flights; `lock` guards what others read.
 */
#ifndef CRUMBLE_VERIFIERS_SAMPLER_H
#define CRUMBLE_VERIFIERS_SAMPLER_H

#include "verifiers/stream.h"
#include "verifiers/verifier.h"

#include <pthread.h>

#define PHASE_OVER 8 /* behind the last PHASE_* bit: sampler_end */
#define PHASE_MARKS 4

/* A sample under way; pooled, `concurrency` of them a verifier. */
struct flight {
	struct track *track;
	struct flight *next_free;
	struct http_transfer *transfer; /* NULL: none is under way */
	int64_t due_ns, sent_ns, first_ns;
	uint32_t seq;
	uint16_t status;
	bool new_connection;
	bool trial; /* of sampler_try: not recorded */
	void *state;
};

/* A verifier under way. */
struct track {
	struct sampler *sampler;
	const struct verifier *v;
	void *session;
	bool opened;

	struct flight *flights, *free;
	char *states;
	size_t in_flight;

	bool begun, active, over;
	int64_t base_ns; /* begin of its first phase: slot k is due at base + k * period */
	int64_t slot;    /* the next one */
	int64_t due_ns;  /* its time */
	uint32_t seq;

	struct stream *stream;
	struct details *details;
	struct live *live;

	enum outcome tried; /* what sampler_try's request came to */
	char tried_detail[DETAIL_BYTES];
};

/* A phase as told by another thread. */
struct phase_mark {
	bool told, entered;
	int64_t at_ns;
};

struct sampler {
	struct sink *sink;
	struct http *http;
	struct track *tracks;
	size_t n_tracks;
	struct track **heap; /* active tracks, the next due one first */
	size_t n_heap;
	size_t in_flight;
	bool over, cancelling;
	bool tend; /* a verifier may be through: look at once */

	pthread_mutex_t lock; /* guards `marks` and what live.c says it guards */
	struct phase_mark marks[PHASE_MARKS]; /* baseline, faults, recovery, over */

	void (*told)(void *arg, const char *verifier, bool begins, int64_t length_ns,
		const char *what);
	void *told_arg;
};

/* ---- sampler_flight.c ---- */

/* The pool. `concurrency` is at least 1. */
int flights_new(struct track *track, struct err *err);
void flights_free(struct track *track);
/* Starts the sample of a slot (the pool has a free one: track->free). */
void flight_begin(struct track *track, int64_t due_ns, uint32_t seq, bool trial);
/* Ends all that are under way: each is recorded as cancelled from the next http_drive. */
void flights_cancel(struct sampler *sampler);
/* A slot of which no request came: unsent or missed. */
void flight_none(struct track *track, int64_t due_ns, uint32_t seq, enum outcome outcome);

/* ---- sampler_live.c ---- */

struct live;

/* NULL when there is no memory. */
struct live *live_new(const struct verifier *v);
void live_free(struct live *live);
/* Slot `seq` was due (in order, without gaps). */
void live_due(struct track *track, uint32_t seq, int64_t due_ns);
/* What became of it. `latency_ns` is done - due. Tells of outages that begin or end by it, judged
 * in due order. */
void live_result(struct track *track, uint32_t seq, enum outcome outcome, int64_t sent_ns,
	int64_t latency_ns);
/* Is a sample with this outcome ok (1), not ok (0), or neither (-1)? */
int live_judge(enum outcome outcome);
/* Fills a row; takes the lock. */
void live_now(struct track *track, struct sampler_now *ret_row);

#endif
