/*
 * One scenario's run: from its file to its verdict. Inside the runner only.
 *
 *   run.c         the phases in their order, and what a run begins and ends with
 *   stage.c       deploy and teardown
 *   finite.c      verifiers that end by themselves, a thread each
 *   feed.c        cookies, a thread each
 *   watch.c       the cluster's pods, a thread a namespace
 *   bites.c       what they say about bites: proofs and replacements
 *   plan.c        the events that a record begins with, plan.json, --dry-run
 *   checkpoint.c  the JUnit file while the run lives
 *   live.c        lines and footer for people
 */
#ifndef CRUMBLE_RUNNER_RUN_H
#define CRUMBLE_RUNNER_RUN_H

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/stop.h"
#include "reports/report.h"
#include "runner/cluster.h"
#include "runner/recorder.h"
#include "runner/scenario.h"
#include "runner/signals.h"
#include "verifiers/verifier.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct run_options {
	const char *out;
	bool has_cluster; /* --cluster was given */
	enum cluster_kind cluster;
	const char *context;
	bool dry_run, keep, heal_first, colour, footer, exit_zero;
	bool has_seed;
	uint64_t seed;
};

/* ---- the call: its scenarios, and OUT/junit.xml of all of them ---- */

struct batch_entry {
	struct scenario *scenario;
	char *dir;             /* OUT/NAME */
	struct result *result; /* the latest; NULL: none yet */
};

struct batch {
	const char *out;
	struct batch_entry *entries;
	size_t n;
	pthread_mutex_t lock; /* guards results, and the writing of OUT/junit.xml */
};

/* Entry `index` is judged from its record as it stands. ret_result: borrowed until the next call. */
int batch_build(struct batch *batch, size_t index, bool ending, const struct result **ret_result,
	struct err *err);
/* Its reports (`checkpoint`: as report_write's), and OUT/junit.xml of all entries. */
int batch_write(struct batch *batch, size_t index, bool checkpoint, struct err *err);

/* ---- the run ---- */

struct live;
struct watch;
struct bites;
struct finite;
struct feeders;
struct checkpoint;

struct run {
	const struct run_options *options;
	const struct scenario *scenario;
	struct batch *batch;
	size_t index;
	struct signals *signals;
	struct stop *stop; /* below the signals' one: also set when the record cannot be written */
	const char *dir;
	char *logs_dir, *artifacts_dir;
	char id[64], short_id[32], expires[32];
	uint64_t seed;
	int64_t t0_ns, wall_t0_ns;
	enum cluster_kind cluster_kind;
	const char *context;

	struct recorder *recorder;
	struct checkpoint *checkpoint;
	struct live *live;
	struct cluster *cluster;
	struct k8s *k8s; /* the main thread's */
	char **env;      /* of children */
	struct verifier_env verifier_env;

	size_t n_deployed; /* entries of deploy whose intent is journalled and that are not undone */
	cJSON **undo;      /* their undo records */
	struct verifier *verifiers; /* as scenario->verify, params resolved */
	struct sampler *sampler;
	pthread_t sampler_thread;
	bool sampling;
	struct finite *finite;
	struct watch *watch;
	struct bites *bites;
	struct feeders *feeders;

	bool told_signal;
	bool config_error;  /* what went wrong was a mistake of configuration */
	atomic_int n_left;  /* held, or deployed and not undone: for last words */
	atomic_int n_held;  /* held bites without proof that they are gone */
};

/* An event {"e": e, "ok": ok, "message": message}, to be added to. */
cJSON *run_outcome(const char *e, bool ok, const char *message);

/* Runs it, start to end. The exit code by design.md, of this scenario alone. */
int run_scenario(struct batch *batch, size_t index, const struct run_options *options,
	struct signals *signals);
/* The record of a scenario whose turn has not come: OUT/junit.xml lists it from the first second. */
int run_announce(struct batch *batch, size_t index, const struct run_options *options,
	struct err *err);
/* --dry-run: the plan with resolved targets, on standard output. */
int run_print_plan(const struct scenario *scenario, const struct run_options *options,
	struct signals *signals, struct err *err);

/* ---- plan.c ---- */

void plan_identify(struct run *run);
/* The events that every record begins with: run, cookies, verifiers, expectations. */
void plan_record(struct run *run);
int plan_write_file(struct run *run, struct err *err);
/* One round as JSON: what plan.json and bite.intent say of it. */
cJSON *plan_targets(const struct cookie_plan *plan);
enum cluster_kind plan_cluster(const struct scenario *scenario, const struct run_options *options,
	const char **ret_context);

/* ---- stage.c ---- */

/* Cluster, deployments, verifiers, watches. The record says what went wrong. */
int stage_up(struct run *run, struct err *err);
/* Undoes what was deployed, unless --keep. */
void stage_down(struct run *run);

/* ---- finite.c ---- */

int finite_prepare(struct run *run, struct err *err);
/* Starts those whose phases begin with this one. */
void finite_phase(struct run *run, enum phase_bit phase);
/* All have ended (true also when there are none). */
bool finite_ended(struct run *run);
/* Ends those that still run: they are BROKEN. Joins all threads. */
void finite_end(struct run *run);
void finite_free(struct run *run);

/* ---- feed.c ---- */

/* Round 0 of every cookie is planned, without a deed: whom would it bite, is that allowed to us. */
int feed_preflight(struct run *run, struct err *err);
int feed_start(struct run *run, int64_t begin_ns, int64_t end_ns, struct err *err);
/* No new bites; the ones under way are awaited, held ones healed. */
void feed_end(struct run *run);

/* ---- checkpoint.c ---- */

int checkpoint_start(struct run *run, struct err *err);
/* Something worth telling has changed. Any thread. */
void checkpoint_ask(struct checkpoint *checkpoint);
/* At once, on the caller's thread. */
void checkpoint_now(struct run *run);
/* Joins its thread. The recorder may still ask: free it behind the recorder. */
void checkpoint_end(struct checkpoint *checkpoint);
void checkpoint_free(struct checkpoint *checkpoint);

/* ---- live.c ---- */

int live_start(struct run *run, struct err *err);
/* The phase that is on, and when it is expected to end (0: unknown). */
void live_phase(struct live *live, const char *name, int64_t until_ns);
/* Where figures come from; NULL before these are freed. */
void live_show(struct live *live, struct sampler *sampler, struct bites *bites);
void live_bite(struct live *live);
void live_outage(void *arg, const char *verifier, bool begins, int64_t length_ns, const char *what);
void live_end(struct live *live);

#endif
