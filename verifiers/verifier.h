/*
 * Verifiers: what is checked while faults are fed.
 *
 * A plug-in is one file that ends in `const struct verifier_ops verifier_NAME`, and one line in
 * verifiers.def. It has one of two forms:
 *  - sampled: an HTTP check, a pure step machine. The core (verifier.c) owns sockets, clock, rate,
 *    concurrency and recording, and drives hundreds of them from one thread (open loop: sample k
 *    is due at start + k * period, whatever became of the one before; no retries).
 *  - finite: something that runs by itself and ends (Rally): it has a thread of its own.
 */
#ifndef CRUMBLE_VERIFIERS_VERIFIER_H
#define CRUMBLE_VERIFIERS_VERIFIER_H

#include "base/err.h"
#include "base/http.h"
#include "base/param.h"
#include "base/record.h"
#include "base/stop.h"
#include "verifiers/sink.h"

enum phase_bit { PHASE_BASELINE = 1, PHASE_FAULTS = 2, PHASE_RECOVERY = 4 };
enum verifier_connection { CONNECTION_REUSED, CONNECTION_NEW };

/* One entry of `verify:`, resolved: params hold addresses, not ${service:...}. */
struct verifier {
	const struct verifier_ops *ops;
	char name[SAMPLES_NAME_BYTES];
	void *params;             /* ops->params_size bytes, filled from ops->params */
	int64_t period_ns;        /* sampled: between due times */
	int64_t timeout_ns;       /* of one sample, counted from sent; finite: of the whole, 0: none */
	unsigned concurrency;     /* cap on requests under way */
	enum verifier_connection connection;
	unsigned phases;          /* PHASE_* it runs through */
	bool control;             /* the control probe */
};

/* What a plug-in may know of its run. Borrowed, const for its life. */
struct verifier_env {
	const char *scenario_dir; /* relative files of params are looked up here */
	const char *logs_dir;     /* OUT/NAME/logs */
	const char *artifacts_dir;
	const char *run_id;       /* "cr-..." short id: in every name made up */
	const char *cloud;        /* clouds.yaml entry, NULL: OS_* or OS_CLOUD */
	const char *clouds_file;  /* NULL: the usual places (OS_CLIENT_CONFIG_FILE, ./, ~/.config/
				   * openstack/, /etc/openstack/) */
	/* A copy of `text` in which ${service:NS/NAME:PORT} is replaced by host:port; to be freed.
	 * For strings of files that params name (clouds.yaml): params are resolved already. Only
	 * from `open` and `prepare`. */
	int (*resolve)(const struct verifier_env *env, const char *text, char **ret_text,
		struct err *err);
	void *resolve_arg;
};

enum step { STEP_REQUEST, STEP_DONE };

/* What one sample came to, when the step machine says DONE. */
struct step_result {
	enum outcome outcome;
	char detail[256]; /* for people, "" when ok; ids and numbers are collapsed by the core */
	bool renewal;     /* part of it was a token renewal */
};

struct verifier_ops {
	const char *name, *doc;
	const struct param *params;
	size_t params_size;
	/* Params only, no network, no files: says what is wrong with them. May be NULL. */
	int (*check)(const void *params, struct err *err);

	/* -- sampled -- */
	size_t session_size; /* shared by all samples of this verifier; zeroed before open */
	size_t state_size;   /* of one sample; zeroed before its first step */
	/* Reads what it needs (clouds.yaml, certificates); no network. May be NULL. */
	int (*open)(void *session, const struct verifier *v, const struct verifier_env *env,
		struct err *err);
	void (*close)(void *session);
	/* First with reply NULL, then with each reply. REQUEST: *ret_request is filled (borrowed
	 * from session or state until the reply) and is sent; DONE: *ret_result is filled. A
	 * transport failure never gets here: the core records its outcome. */
	enum step (*step)(void *session, void *state, const struct http_reply *reply,
		struct http_request *ret_request, struct step_result *ret_result);

	/* -- finite (run is set) -- */
	/* In the deploy phase: databases, environments. *ret_session: anything, to `cleanup`. */
	int (*prepare)(const struct verifier *v, const struct verifier_env *env, struct stop *stop,
		void **ret_session, struct err *err);
	/* From its first phase on; returns when it ended by itself (0), or could not be judged
	 * (-1: the verifier is BROKEN). Emits samples and cases as it learns. `stop`: end at once
	 * with the whole process group. */
	int (*run)(void *session, struct sink *sink, struct stop *stop, struct err *err);
	void (*cleanup)(void *session);
};

/* All kinds, NULL-terminated, in the order of verifiers.def. */
extern const struct verifier_ops *const verifier_kinds[];
const struct verifier_ops *verifier_find(const char *name);

/* ---- the open-loop core ---- */

struct sampler;

/* Opens all sampled verifiers of `verifiers`; a failing `open` names its verifier. Borrowed until
 * sampler_free. */
int sampler_new(const struct verifier *const *verifiers, size_t n, const struct verifier_env *env,
	struct sink *sink, struct sampler **ret_sampler, struct err *err);
/* Each verifier is sampled once, now, without recording (preflight). The error names the first
 * that did not answer ok, and what came back. */
int sampler_try(struct sampler *sampler, struct stop *stop, struct err *err);
/* The thread's body: from `begin_ns` on, verifiers run while the phase that sampler_phase told is
 * among theirs; periods count from the begin of a verifier's first phase. Returns when
 * sampler_end was called and what was in flight has been awaited, or when `stop` is set (then
 * cancelled samples are recorded as such). Meanwhile the calling thread has real-time priority where
 * that is permitted. */
int sampler_run(struct sampler *sampler, struct stop *stop, struct err *err);
/* From another thread: from `at_ns` (clock_now_ns) on this phase's verifiers are due. */
void sampler_phase(struct sampler *sampler, enum phase_bit phase, int64_t at_ns);
/* From another thread: nothing is due from at_ns on. */
void sampler_end(struct sampler *sampler, int64_t at_ns);
void sampler_free(struct sampler *sampler);

/* Recent figures for a live display, any thread. */
struct sampler_now {
	const char *name;
	uint64_t ok, bad;     /* of the last 10 s */
	double p99_ms;        /* of the last 10 s; 0: none */
	int64_t outage_since_ns; /* due time (run's clock) of the first bad sample of an open outage;
				  * -1: none */
	char detail[64];      /* outcome of the last bad one */
};
size_t sampler_now(struct sampler *sampler, struct sampler_now *ret_rows, size_t max);
/* A callback on the sampler's thread for each outage that begins or ends (live event lines). */
void sampler_on_outage(struct sampler *sampler,
	void (*told)(void *arg, const char *verifier, bool begins, int64_t length_ns, const char *what),
	void *arg);

#endif
