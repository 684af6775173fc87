/* Where a pod's files are: a short path, since sockets must fit behind it. */
#ifndef CRUMBLE_K8S_SANDBOX_PODFILES_H
#define CRUMBLE_K8S_SANDBOX_PODFILES_H

#include "k8s/sandbox/cluster.h"
#include "k8s/sandbox/edit.h"

/* All to be freed. */
static inline char *pod_dir(const struct cluster *cluster, const char *uid)
{
	return must_format("%s/p/%.8s", cluster->dir, uid);
}

static inline char *pod_log_path(const struct cluster *cluster, const char *uid,
	const char *container, int64_t restart)
{
	return must_format("%s/p/%.8s/%s.%lld.log", cluster->dir, uid, container,
		(long long)restart);
}

#endif
