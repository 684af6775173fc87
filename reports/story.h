/*
 * The story of a run: its journal, read into structures. No judgement here, and no samples.
 * Times are ns since the run began; -1: never.
 */
#ifndef CRUMBLE_REPORTS_STORY_H
#define CRUMBLE_REPORTS_STORY_H

#include "base/err.h"
#include "base/json.h"
#include "base/record.h"
#include "reports/expect.h"
#include "reports/result.h"

enum story_phase {
	STORY_DEPLOY, STORY_BASELINE, STORY_FAULTS, STORY_RECOVERY, STORY_SWEEP, STORY_TEARDOWN,
	STORY_PHASES
};
extern const char *const story_phase_names[STORY_PHASES];

/* ok: -1 not told, 0, 1 */
struct story_told {
	int ok;
	int64_t t;
	char *message;
};

struct story_expect {
	char *text;
	struct expectation parsed;
	bool readable; /* `parsed` is set */
	unsigned line;
};

struct story_cookie {
	char *name, *kind;
	bool instant;
	int64_t settle_ns, begin_ns, end_ns;
	unsigned line;
	struct story_expect *expects;
	size_t n_expects;
};

struct story_file {
	char *file, *workload;
};

struct story_detail {
	uint16_t number;
	char *text;
};

struct story_case {
	char *name, *message, *text;
	enum verdict verdict;
};

struct story_verifier {
	char *name, *kind;
	bool finite, control;
	int64_t period_ns, timeout_ns, warmup_ns, begin_ns, end_ns;
	unsigned flap, phases, line; /* phases: bit 1 << (phase - STORY_BASELINE) */
	struct story_told success;   /* finite: how it ended */
	struct story_file *files;
	size_t n_files;
	struct story_expect *expects;
	size_t n_expects;
	struct story_detail *details;
	size_t n_details;
	struct story_case *cases;
	size_t n_cases;
};

struct story_bite {
	struct result_bite b; /* end_ns: of the bite itself, settle not included */
	char **workloads;     /* "deployment default/keystone-api" a target; NULL: none */
	struct story_told done, heal;
	bool disproved, instant;
	int64_t heal_proof_ns, settle_ns;
};

struct story_deploy {
	char *name;
	struct story_told done, undo;
	bool kept;
};

struct story {
	char *dir;
	cJSON *run;             /* the `run` event; NULL: none yet */
	int64_t last_ns;        /* of the last event */
	int64_t begin[STORY_PHASES], end[STORY_PHASES];
	struct story_cookie *cookies;
	size_t n_cookies;
	struct story_verifier *verifiers;
	size_t n_verifiers;
	struct story_bite *bites;
	size_t n_bites;
	struct story_deploy *deploys;
	size_t n_deploys;
	struct result_skip *skips;
	size_t n_skips;
	char **errors, **notes, **sweep_left;
	size_t n_errors, n_notes, n_sweep_left;
	struct story_told preflight, gate, sweep;
	int signal;
	char *signal_name;
	int64_t signal_ns;
	int64_t cut_ns;         /* first signal or error: what is missing behind it has a reason */
	bool ended;             /* run.end stands there */
	int64_t ended_ns;
	struct journal_state journal;
	bool nomem;
};

/* A newer format, an unreadable file: -1. Bad lines are in story->journal. */
int story_read(const char *dir, struct story **ret_story, struct err *err);
void story_free(struct story *story);

/* The phase that was running at the end of what is known: a static name, or "start". */
const char *story_phase_now(const struct story *story);
/* The phase at a time. */
const char *story_phase_at(const struct story *story, int64_t at_ns);
/* Did anything begin that might need to be undone? */
bool story_touched(const struct story *story);
/* Is this bite's fault possibly still there? Instant ones never. */
bool story_bite_open(const struct story_bite *bite);
bool story_deploy_open(const struct story_deploy *deploy);
/* The run stood on a sandbox of its own, which is gone with it. */
bool story_own_sandbox(const struct story *story);

#endif
