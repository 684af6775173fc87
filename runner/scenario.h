/*
 * A scenario file, checked and loaded (scenario-format.md). Immutable once loaded: threads share
 * it. All mistakes of a file are found in one pass, each with its place.
 */
#ifndef CRUMBLE_RUNNER_SCENARIO_H
#define CRUMBLE_RUNNER_SCENARIO_H

#include "base/buf.h"
#include "base/err.h"
#include "reports/expect.h"
#include "runner/cookies/cookie.h"
#include "runner/deployers/deployer.h"
#include "verifiers/verifier.h"

struct scenario_expect {
	char *text;                  /* as it stands in the file */
	struct expectation parsed;
	unsigned line;               /* 0: a default */
};

struct scenario_deploy {
	char *name;
	const struct deployer_ops *ops;
	void *params;
	unsigned line;
};

struct scenario_cookie {
	char *name;
	const struct cookie_ops *ops;
	void *params;
	struct cookie_timing timing;
	int64_t start_ns;   /* after the faults phase begins */
	int64_t settle_ns;  /* 5 s unless it says otherwise */
	struct scenario_expect *expect;
	size_t n_expect;
	unsigned line;
};

struct scenario_verify {
	struct verifier v;           /* params as in the file: ${service:...} not yet resolved */
	unsigned flap;               /* outages separated by fewer ok samples are joined; 1: off */
	int64_t warmup_ns;
	struct scenario_expect *expect; /* with the defaults where the file has none */
	size_t n_expect;
	unsigned line;
};

struct scenario {
	char *path, *dir;            /* the file, and the folder that relative files count from */
	char *text;                  /* the file as it was read */
	size_t text_len;
	char sha256[65];
	char *name, *title;          /* title: name when absent */
	bool has_seed;
	uint64_t seed;
	char *context;               /* NULL: not named */
	char *namespace;             /* "default" when absent */
	bool cluster_named;          /* `cluster:` has a context: a real cluster */
	char *cloud, *clouds_file;   /* `cloud: {name, file}`; NULL: not given */
	int64_t baseline_ns, faults_ns, recovery_ns; /* faults_ns 0: until done */
	int64_t faults_limit_ns;
	struct scenario_deploy *deploy;
	size_t n_deploy;
	struct scenario_cookie *cookies;
	size_t n_cookies;
	struct scenario_verify *verify; /* the control probe, if any, is the last: v.control */
	size_t n_verify;
};

/* -1 with all mistakes in *ret_problems, one a line ("file:line:column: path: reason"), warnings
 * included ("... warning: ..."); on success it may hold warnings. `err` holds the first mistake
 * and their number. `problems` is initialised by the caller. */
int scenario_load(const char *path, struct scenario **ret_scenario, struct buf *problems,
	struct err *err);
void scenario_free(struct scenario *scenario);

/* Does running it need a Kubernetes API (deployers, cookies, ${service:...}, cluster:)? */
bool scenario_needs_cluster(const struct scenario *scenario);

/* A copy of a verifier's params with `resolve` applied to every string and ${...} in it replaced:
 * for ${service:NS/NAME:PORT}. Freed with param_done and free. */
int scenario_resolve_params(const struct param *table, const void *params, size_t size,
	int (*service)(void *arg, const char *ns, const char *name, const char *port,
		char **ret_host_port, struct err *err),
	void *arg, void **ret_params, struct err *err);

#endif
