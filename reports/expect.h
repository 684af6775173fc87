/*
 * Expectations: `metric op value [during window]`, as text and as a limit (scenario-format.md).
 */
#ifndef CRUMBLE_REPORTS_EXPECT_H
#define CRUMBLE_REPORTS_EXPECT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum metric {
	METRIC_AVAILABILITY, /* value: percent */
	METRIC_ERRORS,       /* count of not-ok samples */
	METRIC_LONGEST_OUTAGE, METRIC_DOWNTIME, /* ns */
	METRIC_P50, METRIC_P90, METRIC_P95, METRIC_P99, METRIC_P999, METRIC_MAX, /* ns */
	METRIC_RATE,         /* achieved, per second */
	METRIC_SAMPLES,      /* count */
	METRIC_SLA,          /* no value: every criterion passed */
	METRIC_RECOVERED,    /* no value: back to its baseline at the end (without a baseline: its last
			      * 10 samples are ok; a finite one: it ended by itself with success) */
	METRIC_BITES,        /* cookies: proved bites */
	METRIC_COUNT
};

enum op { OP_GE, OP_LE, OP_GT, OP_LT, OP_EQ };
enum window { WINDOW_CHAOS, WINDOW_BASELINE, WINDOW_FAULTS, WINDOW_RECOVERY, WINDOW_RUN };

struct expectation {
	enum metric metric;
	enum op op;
	double value; /* in the metric's unit; durations ns */
	enum window window;
};

/* The error says what was not understood and, where a name is close, "did you mean".
 * `of_cookie`: metrics of cookies, otherwise those of verifiers. */
int expectation_parse(const char *text, bool of_cookie, struct expectation *ret, struct err *err);
/* "availability >= 99.5% during faults": the canonical text. */
#define EXPECTATION_BYTES 96
void expectation_format(const struct expectation *e, char out[EXPECTATION_BYTES]);
/* Two limits of one metric, window and direction: an error of `check`. */
bool expectation_collides(const struct expectation *a, const struct expectation *b);

const char *metric_name(enum metric metric);
const char *window_name(enum window window);
/* "availability: ok samples over ok and not-ok ones", for documentation. */
const char *metric_doc(enum metric metric);
bool metric_of_cookies(enum metric metric);
/* How many samples this metric needs before it means something (p90: 10, p95: 20, p99: 100,
 * p999: 1000; samples, sla, recovered and bites: 0; others 1). */
uint64_t metric_needs(enum metric metric);

#endif
