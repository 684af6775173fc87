/*
 * Bites in force: what the changes of pods say about them. Proves them (by their kind's `proof`),
 * matches replacements to what was bitten, and journals what it sees. No network: the watch feeds
 * it. Any thread.
 *
 * A replacement belongs to the oldest target of its workload that has none yet: a pod of a new UID
 * that came after the bite was sent; of a StatefulSet, one of the same name. One that goes before
 * it was Ready is none: the next one counts.
 */
#ifndef CRUMBLE_RUNNER_BITES_H
#define CRUMBLE_RUNNER_BITES_H

#include "base/err.h"
#include "runner/cookies/cookie.h"
#include "runner/recorder.h"

#include <stdint.h>

struct bites;
struct bite;

int bites_new(struct recorder *recorder, struct bites **ret_bites, struct err *err);
/* With all bites. NULL is fine. */
void bites_free(struct bites *bites);

/* One change of a pod in a namespace; also of those that are there when a watch begins. */
void bites_see(struct bites *bites, const char *ns, enum k8s_change change, const cJSON *pod);

/* Before the intent is committed: from now on what happens to these pods is noticed. The bite is
 * valid until bites_free, or bite_drop. */
int bites_add(struct bites *bites, const char *id, const struct cookie_ops *ops,
	const struct cookie_plan *plan, struct bite **ret_bite, struct err *err);
/* Right before the first request is sent: what goes from now on goes because of it. A target that
 * went before is disproved. */
void bite_sent(struct bite *bite);
/* Acknowledged, or not (then only what is seen to go is awaited). */
void bite_done(struct bite *bite, bool ok);
/* It is not to happen at all. */
void bite_drop(struct bite *bite);

struct bites_count {
	unsigned sent, proved;
	unsigned unproved; /* acknowledged bites whose proof is still to come */
	unsigned unready;  /* bitten pods without a Ready replacement */
	int64_t last_ns;   /* clock_now_ns of the latest proof or Ready replacement; 0: none */
};
void bites_count(struct bites *bites, struct bites_count *ret);

#endif
