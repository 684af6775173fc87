/* A container's environment, command and arguments, as a kubelet makes them. */
#ifndef CRUMBLE_K8S_SANDBOX_PODENV_H
#define CRUMBLE_K8S_SANDBOX_PODENV_H

#include "k8s/sandbox/cluster.h"
#include "k8s/sandbox/volumes.h"

struct words {
	char **v; /* NULL-terminated; each to be freed */
	size_t n;
};

void words_add(struct words *words, char *text); /* takes it */
void words_done(struct words *words);

/* "A=b" each. With the store's lock held. The error says which configMap, secret or key is
 * missing. `ip`: the pod's. */
int podenv_make(struct cluster *cluster, const cJSON *pod, const cJSON *container, const char *ip,
	const struct mounts *mounts, struct words *ret_env, struct err *err);
/* $(VAR) replaced by its value, $$(VAR) kept as $(VAR); then the mounts. To be freed. */
char *podenv_expand(const struct words *env, const struct mounts *mounts, const char *text);
/* command and args, expanded; empty when the image would have said them. */
void podenv_argv(const struct words *env, const struct mounts *mounts, const cJSON *command,
	const cJSON *args, struct words *ret_argv);

#endif
