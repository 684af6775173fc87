/*
 * Deployers: what puts the system under test there and takes it away again.
 *
 * A plug-in is one file that ends in `const struct deployer_ops deployer_NAME`, and one line in
 * deployers.def. The core commits the undo record before `deploy`, and destroys in reverse order.
 */
#ifndef CRUMBLE_RUNNER_DEPLOYERS_DEPLOYER_H
#define CRUMBLE_RUNNER_DEPLOYERS_DEPLOYER_H

#include "base/err.h"
#include "base/json.h"
#include "base/param.h"
#include "base/stop.h"
#include "k8s/k8s.h"

#define DEPLOYER_HURRY_MS 12000

struct deployer_env {
	struct k8s *k8s;          /* NULL where no cluster is needed; this thread's own */
	const char *namespace;    /* the scenario's default, never NULL */
	const char *scenario_dir; /* relative files are looked up here */
	const char *logs_dir;
	const char *run_id;       /* whole id: label crumble/run on all that is created */
	const char *expires;      /* RFC 3339: annotation crumble/expires on the same */
	const char *name;         /* of this entry */
	const char *const *env;   /* environment for children */
	struct stop *stop;
	/* Once set, destroy waits no longer than DEPLOYER_HURRY_MS for what it has deleted to be
	 * gone: whoever sent the signal (Jenkins: 20 s) kills next. NULL: never. */
	struct stop *hurry;
	void (*say)(const char *text); /* progress, one line */
};

struct deployer_ops {
	const char *name, *doc;
	const struct param *params;
	size_t params_size;
	bool needs_cluster;
	/* Params and the files they name: no network. May be NULL. */
	int (*check)(const void *params, const char *scenario_dir, struct err *err);
	/* Before anything is done: all that `destroy` will need, secrets excepted. */
	int (*undo)(const struct deployer_env *env, const void *params, cJSON **ret_undo,
		struct err *err);
	int (*deploy)(const struct deployer_env *env, const void *params, struct err *err);
	/* Waits until it serves, at most its own `wait`. */
	int (*ready)(const struct deployer_env *env, const void *params, struct err *err);
	/* From the undo record alone: after half a deploy, none, or twice. Waits until it is gone. */
	int (*destroy)(const struct deployer_env *env, const cJSON *undo, struct err *err);
};

extern const struct deployer_ops *const deployer_kinds[];
const struct deployer_ops *deployer_find(const char *name);

#endif
