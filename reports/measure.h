/*
 * What was measured of one verifier: its samples files, read once, in order, into tallies by
 * phase. Memory does not depend on the number of samples.
 */
#ifndef CRUMBLE_REPORTS_MEASURE_H
#define CRUMBLE_REPORTS_MEASURE_H

#include "reports/analysis/tally.h"
#include "reports/story.h"

#define KEPT_OUTAGES 2000
#define LAST_SAMPLES 10
#define LAST_LATENCIES 21 /* the window of the degradation test */

/* The longest outages of all verifiers. */
struct kept_outage {
	struct outage o;
	struct blame b;
	size_t verifier;
};

/* What all verifiers are measured against. */
struct measure_env {
	const struct story *story;
	struct span *spans; /* bites in force */
	size_t n_spans;
	struct bad_time *control; /* when the control probe failed */
	size_t n_control, control_room;
	struct kept_outage *kept; /* a heap, the shortest first */
	size_t n_kept;
	uint64_t outages_total;
};

enum { MEASURE_BASELINE, MEASURE_FAULTS, MEASURE_RECOVERY, MEASURE_PHASES };

struct measure {
	const struct story_verifier *verifier;
	uint64_t records, by_outcome[OUTCOME_COUNT]; /* all, warm-up too */
	uint64_t lost_records, lost_bytes;           /* of bad or torn blocks */
	uint64_t unwritten; /* of the lost ones: slots behind the last record, up to its end */
	uint64_t warmup, iterations_lost;            /* dropped; OUTCOME_LOST */
	struct tally phase[MEASURE_PHASES];
	bool met_bite;          /* a sample overlaps a bite in force */
	int64_t last_due_ns;    /* of the newest sample that was sent; -1: none */
	int64_t last_slot_ns;   /* of the newest record, whatever became of it; -1: none */
	int64_t slowest_ns;     /* the longest time from due to done of an ok one */
	bool open_at_end;       /* the last outage never ended */
	enum blame_class last_class; /* of the last outage */
	bool last_ok[LAST_SAMPLES];
	uint64_t n_last;        /* ever; the ring holds the last ones */
	uint32_t last_us[LAST_LATENCIES];
	uint64_t n_last_us;
	struct moments baseline; /* of ok latency in the baseline, us */
	char trouble[ERR_TEXT_BYTES]; /* a file that could not be read; "": none */
};

int measure_env_init(struct measure_env *env, const struct story *story, struct err *err);
void measure_env_done(struct measure_env *env);

/* Samples due at `until_ns` or later are left out (INT64_MAX: none). A control probe's failures
 * are added to env->control: measure those first. To be freed. */
int measure_verifier(struct measure_env *env, size_t verifier, int64_t until_ns,
	struct measure **ret_measure, struct err *err);

/* Window tallies: `into` is zeroed by this. */
void measure_window(const struct measure *m, enum window window, struct tally *into);
/* Iterations that were lost count in chaos and run. */
uint64_t measure_window_lost(const struct measure *m, enum window window);

/* Begin and end of a window: of its phases as far as they have come; -1, -1: not begun. */
void window_times(const struct story *story, enum window window, int64_t *ret_from, int64_t *ret_to);

#endif
