/*
 * The run's one watch of pods, a thread and a client a namespace: it proves bites (by their kind's
 * `proof`), matches replacements to what was bitten, and journals what it sees.
 *
 * A replacement belongs to the oldest target of its workload that has none yet: a pod of a new UID
 * that came after the bite was sent; of a StatefulSet, one of the same name.
 */
#ifndef CRUMBLE_RUNNER_WATCH_H
#define CRUMBLE_RUNNER_WATCH_H

#include "base/err.h"
#include "base/stop.h"
#include "runner/cookies/cookie.h"
#include "runner/recorder.h"

#include <stdbool.h>
#include <stddef.h>

struct watch;
struct watch_bite;

/* `config` and `recorder` outlive it. */
int watch_new(const struct k8s_config *config, struct recorder *recorder, struct watch **ret_watch,
	struct err *err);
/* Ends its threads. NULL is fine. */
void watch_free(struct watch *watch);

/* Begins to watch this namespace, unless it is watched already, and waits until all that is there
 * has been seen. */
int watch_namespace(struct watch *watch, const char *ns, struct stop *stop, struct err *err);
/* A watch that was refused for good: its reason. False: all is well. */
bool watch_failed(struct watch *watch, struct err *err);

/* Before the intent is committed: from now on what happens to these pods is noticed. */
int watch_add(struct watch *watch, const char *bite, const struct cookie_ops *ops,
	const struct cookie_plan *plan, struct watch_bite **ret_bite, struct err *err);
/* Right before the first request is sent: what goes from now on goes because of it. */
void watch_sent(struct watch_bite *bite);
/* Acknowledged, or not (then only what is seen to go is awaited). */
void watch_done(struct watch_bite *bite, bool ok);
/* It is not to happen at all. */
void watch_drop(struct watch_bite *bite);

struct watch_count {
	unsigned bites, proved;
	unsigned unproved;  /* acknowledged bites whose proof is still to come */
	unsigned unready;   /* bitten pods without a Ready replacement */
	int64_t last_ns;    /* clock_now_ns of the latest proof or Ready replacement; 0: none */
};
void watch_count(struct watch *watch, struct watch_count *ret);

/* Pure, for tests: one change of one namespace. */
void watch_see(struct watch *watch, const char *ns, enum k8s_change change, const cJSON *pod);

#endif
