/*
 * Cookies: the faults.
 *
 * A plug-in is one file that ends in `const struct cookie_ops cookie_NAME`, and one line in
 * cookies.def. The core (runner/feed.c) gives each cookie of a scenario a thread of its own, paces
 * its rounds, commits each plan to the journal before `bite`, feeds `proof` from the run's shared
 * watch, and heals held bites at their end. A cookie never logs and never writes the record.
 */
#ifndef CRUMBLE_RUNNER_COOKIES_COOKIE_H
#define CRUMBLE_RUNNER_COOKIES_COOKIE_H

#include "base/err.h"
#include "base/json.h"
#include "base/param.h"
#include "base/stop.h"
#include "k8s/k8s.h"

struct cookie_env {
	struct k8s *k8s;       /* this thread's own client */
	const char *name;      /* the cookie's, in the scenario */
	const char *namespace; /* the scenario's default, never NULL */
	const char *run_id;    /* whole id, for labels */
	uint64_t seed;         /* of the run: draws go through cookie_hash */
};

/* One pod, node, object that a round will touch. */
struct cookie_target {
	const struct k8s_kind *kind;
	char *ns, *name, *uid;
	const struct k8s_kind *workload_kind; /* NULL: none */
	char *workload;                       /* its name; NULL: none */
};

/* A workload that was passed over, and why ("only one pod available, doing nothing"). */
struct cookie_skip {
	const struct k8s_kind *kind;
	char *ns, *name, *reason;
};

/* A round, resolved. All owned; cookie_plan_done frees. */
struct cookie_plan {
	struct cookie_target *targets; /* none: nothing is bitten in this round */
	size_t n_targets;
	struct cookie_skip *skips;
	size_t n_skips;
	char *reason; /* why there are no targets; NULL when there are */
	cJSON *undo;  /* what heal needs; NULL for instant cookies */
	/* What a `proof` watch must see: pods of this namespace and selector. */
	char *watch_ns, *watch_selector;
};
void cookie_plan_done(struct cookie_plan *plan);
int cookie_plan_target(struct cookie_plan *plan, const struct cookie_target *copied, struct err *err);
int cookie_plan_skip(struct cookie_plan *plan, const struct k8s_kind *kind, const char *ns,
	const char *name, struct err *err, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* The uniform draw of record.md, "Chance": 64 bits from (seed, cookie, round, key). Victims are
 * the k eligible with the smallest. */
uint64_t cookie_hash(const struct cookie_env *env, unsigned round, const char *key);

/* The workload that controls a pod: Deployment (by its ReplicaSet's name and the pod's template
 * hash), StatefulSet or DaemonSet. NULL: none of these. *ret_name is to be freed. */
const struct k8s_kind *cookie_pod_workload(const cJSON *pod, char **ret_name);

enum cookie_proof { PROOF_PENDING, PROOF_PROVED, PROOF_DISPROVED };

/* The common part of all cookies' timing, filled from the kind's params by the core. */
struct cookie_timing {
	int64_t interval_ns; /* between rounds; 0: one round */
	int64_t duration_ns; /* rounds are due while the cookie is younger; 0: until faults end */
	bool first_after_interval; /* Cookiemonster v1 */
};

struct cookie_ops {
	const char *name, *doc;
	const struct param *params;
	size_t params_size;
	bool instant; /* a kill: struck by its acknowledgement; otherwise held until its heal */
	/* Params only: no network. May be NULL. */
	int (*check)(const void *params, struct err *err);
	void (*timing)(const void *params, struct cookie_timing *ret_timing);
	/* Read-only: who would be bitten in this round, and the undo record. Also what dry-run and
	 * preflight print. No targets with a reason is no error; trouble with the API is. */
	int (*plan)(const struct cookie_env *env, const void *params, unsigned round,
		struct cookie_plan *ret_plan, struct err *err);
	/* Does it; returns at acknowledgement. Partly done is -1, and heal must still work. */
	int (*bite)(const struct cookie_env *env, const void *params, const struct cookie_plan *plan,
		struct err *err);
	/* Pure: what this change of a pod in the watched set says about target `index`.
	 * evidence: at least 128 bytes, filled when PROVED or DISPROVED. */
	enum cookie_proof (*proof)(const struct cookie_target *target, enum k8s_change change,
		const cJSON *pod, char *evidence, size_t evidence_size);
	/* Undoes from the journalled record alone, after half a bite, none, or twice. NULL for
	 * instant cookies. */
	int (*heal)(struct k8s *k8s, const cJSON *undo, struct err *err);
};

extern const struct cookie_ops *const cookie_kinds[];
const struct cookie_ops *cookie_find(const char *name);

#endif
