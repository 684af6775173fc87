/*
 * Volumes are folders. A process is not in a mount namespace of its own, so where a container's
 * mountPath stands in its command, arguments, environment or configMap files, the folder's path is
 * put in its place.
 */
#ifndef CRUMBLE_K8S_SANDBOX_VOLUMES_H
#define CRUMBLE_K8S_SANDBOX_VOLUMES_H

#include "k8s/sandbox/cluster.h"

struct mount {
	char *path; /* as the manifest says it, without a slash at its end */
	char *dir;  /* what is there instead */
};

struct mounts {
	struct mount *v;
	size_t n;
};

void mounts_add(struct mounts *mounts, const char *path, const char *dir);
void mounts_done(struct mounts *mounts);
/* A copy with every mountPath replaced, the longest first; to be freed. */
char *mounts_apply(const struct mounts *mounts, const char *text);

/* Adds what this container mounts. */
void mounts_of(struct mounts *mounts, struct cluster *cluster, const cJSON *pod,
	const cJSON *container);
/* Makes the folders of a pod's volumes, with their files. With the store's lock held. The error
 * says what is missing; the pod then waits for it. */
int volumes_make(struct cluster *cluster, const cJSON *pod, struct err *err);
/* A folder and all in it. */
void remove_tree(const char *path);

#endif
