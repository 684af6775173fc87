/*
 * The result of a run: what reporters print. Built by report_build, bounded in size (series of at
 * most 2,000 buckets, never raw samples), freed by result_free.
 */
#ifndef CRUMBLE_REPORTS_RESULT_H
#define CRUMBLE_REPORTS_RESULT_H

#include "base/outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_BROKEN, VERDICT_SKIP };
const char *verdict_name(enum verdict verdict); /* "PASS", ... */

/* Exit codes of the tool. */
enum exit_code { EXIT_PASS = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_BROKEN = 3, EXIT_UNHEALED = 4 };

struct result_case {
	char *name;     /* stable: "token availability" */
	enum verdict verdict;
	bool running;   /* not finished when this was made */
	char *type;     /* JUnit type for fail and broken: "crumble.AssertionFailed" */
	char *message;  /* one line; NULL for a pass */
	char *text;     /* further lines; NULL: none */
	char *metric, *limit, *unit, *window; /* NULL where it is no expectation */
	double value;   /* measured, in `unit`; NAN: none */
	double low, high; /* its bounds; NAN: none */
	uint64_t n;     /* samples behind it */
	char *bite;     /* what caused it; NULL: none */
	bool check;     /* an expectation or criterion: without one PASS or FAIL of these: BROKEN */
	unsigned line;  /* in the scenario file; 0: none */
	int64_t time_ms; /* how long it took: the window's length */
};

struct result_outage {
	char *verifier;
	int64_t begin_ns;        /* first bad sent (or due), since the run began */
	int64_t min_ns, max_ns;  /* bounds of its length */
	bool censored_begin, censored_end;
	const char *phase;       /* in which it began; static */
	const char *class;       /* "caused", "ambiguous", "residual", "pre-existing",
				  * "unattributed", "observer"; static */
	char **bites;            /* ids */
	size_t n_bites;
	enum outcome outcome;    /* of its first bad sample */
	char *detail;
};

struct result_target {
	char *kind, *ns, *name, *uid, *new_name, *new_uid;
	int64_t gone_ns, replaced_ns, scheduled_ns, ready_ns; /* -1: not seen */
};

struct result_bite {
	char *id, *cookie;
	int64_t due_ns, sent_ns, done_ns, proof_ns, end_ns; /* -1: never */
	bool proved, recovered;
	char *evidence;
	struct result_target *targets;
	size_t n_targets;
};

struct result_verifier {
	char *name, *kind;
	bool finite, control;
	uint64_t samples, ok, by_outcome[OUTCOME_COUNT];
	double availability; /* percent over the run; NAN: no data */
	int64_t period_ns, p50_ns, p99_ns, max_ns; /* latency over the run; -1: no data */
};

struct result_phase {
	char *name;
	int64_t begin_ns, end_ns; /* -1: not yet */
};

struct result_skip { /* a workload that chaos could not touch */
	char *cookie, *kind, *ns, *name, *reason;
	uint64_t times;
};

struct result {
	char *dir, *run_id, *scenario, *title, *file, *wall, *tool, *commit, *sha256, *seed, *host;
	char *cluster;   /* one line: kind, server, version */
	int64_t wall_ns, length_ns;
	bool complete;   /* run.end stands there (or `ending`) */
	bool live;       /* its runner is alive and writes these files itself */
	bool record_damaged;
	int signal;      /* that ended it; 0: none */
	enum verdict verdict;
	int exit_code;   /* by the precedence of design.md */
	struct result_case *cases;
	size_t n_cases;
	struct result_outage *outages; /* the longest 2,000, in order of begin */
	size_t n_outages;
	uint64_t outages_total;
	struct result_bite *bites;
	size_t n_bites;
	struct result_verifier *verifiers;
	size_t n_verifiers;
	struct result_phase *phases;
	size_t n_phases;
	struct result_skip *skips;
	size_t n_skips;
	char **left; /* what is not healed, one line each, with the command that heals it */
	size_t n_left;
	char **notes;
	size_t n_notes;
};

/* The one that matters more: 4, 128 + a signal, 2, 1, 3, 0. */
int exit_code_worse(int a, int b);

/* For what has no record to be judged by: one BROKEN case. NULL without memory. */
struct result *result_without_record(const char *scenario, const char *case_name, const char *type,
	const char *message);
void result_free(struct result *result);
/* What these own; not the structs themselves. */
void result_outage_done(struct result_outage *outage);
void result_bite_done(struct result_bite *bite);
void result_skip_done(struct result_skip *skip);

#endif
