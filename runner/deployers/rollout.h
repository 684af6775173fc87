/* Waiting until a workload is rolled out, and saying why it is not. */
#ifndef CRUMBLE_RUNNER_DEPLOYERS_ROLLOUT_H
#define CRUMBLE_RUNNER_DEPLOYERS_ROLLOUT_H

#include "base/err.h"
#include "base/stop.h"
#include "k8s/k8s.h"

/* Returns when it is (other kinds than workloads: at once), with ERR_TIMEOUT at `deadline_ns`
 * (clock_now_ns): the text names what is missing, the state of a pod that is not ready, and its
 * last log lines. */
int rollout_wait(struct k8s *k8s, const struct k8s_kind *kind, const char *ns, const char *name,
	int64_t deadline_ns, struct stop *stop, struct err *err);

#endif
