/*
 * Where verifiers put what they learn: the runner's recorder implements it. All calls may be made
 * from any thread, and hand over or copy what they are given.
 */
#ifndef CRUMBLE_VERIFIERS_SINK_H
#define CRUMBLE_VERIFIERS_SINK_H

#include "base/json.h"
#include "base/record.h"

struct sink {
	/* clock_now_ns at the run's t = 0. */
	int64_t t0_ns;
	/* An event of base/record.h; takes `event`; `t` is added where it is missing. */
	void (*event)(struct sink *sink, cJSON *event);
	/* A samples file; returns its number, or -1 (a `file` that cannot be made is an `error`
	 * event of the recorder's own). */
	int (*open)(struct sink *sink, const char *file, const char *verifier, int64_t period_ns);
	/* Up to SAMPLES_BLOCK records, copied. */
	void (*samples)(struct sink *sink, int file, const struct sample *samples, size_t n);
};

#endif
