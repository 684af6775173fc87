/* Writes records of runs for tests, through base/record.h alone. */
#ifndef CRUMBLE_TESTS_SUPPORT_FAKE_RECORD_H
#define CRUMBLE_TESTS_SUPPORT_FAKE_RECORD_H

#include "base/record.h"

#include <stddef.h>

#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

struct fake {
	char dir[64]; /* a new folder below /tmp */
	struct journal *journal;
	struct samples_writer *samples;
	uint32_t seq;
	int64_t t; /* of the events that follow */
};

void fake_begin(struct fake *f);
/* Removes the folder. */
void fake_end(struct fake *f);
/* Closes the journal: the runner is gone. */
void fake_close(struct fake *f);

/* An event with the keys of a JSON object: fake_event(f, "note", "{\"text\": \"x\"}"). */
void fake_event(struct fake *f, const char *name, const char *keys, ...)
	__attribute__((format(printf, 3, 4)));
/* The same at a time. */
#define fake_at(f, at, ...)                                                                        \
	do {                                                                                       \
		(f)->t = (at);                                                                     \
		fake_event((f), __VA_ARGS__);                                                      \
	} while (0)

/* run, plan of one cookie and one sampled verifier ("token", 100 ms) with these expectations
 * (NULL-terminated). */
void fake_plan(struct fake *f, const char *const *expects);
void fake_phase(struct fake *f, int64_t at, const char *name, const char *mark);
/* A bite of "eat" on one pod: intent, sent, done, proved, gone; Ready at ready_ns (-1: never). */
void fake_bite(struct fake *f, unsigned number, int64_t sent_ns, int64_t ready_ns);
/* Opens a samples file for "token" (fake_samples_of: of another verifier). */
void fake_samples(struct fake *f);
void fake_samples_of(struct fake *f, const char *verifier, const char *file, int64_t period_ns);
/* One sample each 100 ms in [from, to): sent at once, done after latency_ms. */
void fake_run(struct fake *f, int64_t from_ns, int64_t to_ns, enum outcome outcome,
	uint32_t latency_ms);
void fake_sample(struct fake *f, const struct sample *sample);
/* The end: sweep, teardown, run.end. */
void fake_finish(struct fake *f, int64_t at);

/* A whole run: baseline 0-10 s, faults 10-40 s with bites at 12 s and 24 s that are Ready 3 s
 * later, recovery 40-50 s; all samples ok but [bad_from, bad_to). */
void fake_whole(struct fake *f, const char *const *expects, int64_t bad_from, int64_t bad_to);

#endif
