/* Waiting until a workload is rolled out, and saying why it is not. */
#ifndef CRUMBLE_RUNNER_DEPLOYERS_ROLLOUT_H
#define CRUMBLE_RUNNER_DEPLOYERS_ROLLOUT_H

#include "base/err.h"
#include "base/stop.h"
#include "k8s/k8s.h"

struct rollout {
	struct k8s *k8s;
	const struct k8s_kind *kind;
	const char *ns, *name;
	void (*say)(const char *text); /* what is missing, whenever that changes; NULL: nobody asks */
};

/* Returns when it is (other kinds than workloads: at once), with ERR_TIMEOUT at `deadline_ns`
 * (clock_now_ns): the text names what is missing, the state of a pod that is not ready, and its
 * last log lines. It never gives up before: what crashes now may find its database in a minute. */
int rollout_wait(const struct rollout *rollout, int64_t deadline_ns, struct stop *stop,
	struct err *err);

#endif
