/* Before an object is stored: is it valid, and what does the API server add to it? */
#ifndef CRUMBLE_K8S_SANDBOX_PREPARE_H
#define CRUMBLE_K8S_SANDBOX_PREPARE_H

#include "k8s/sandbox/answer.h"
#include "k8s/sandbox/cluster.h"

/* With the store's lock held. Checks and completes a new object: name, uid, times, defaults. */
int prepare_new(struct cluster *cluster, const struct kind *kind, const char *ns, cJSON *json,
	struct answer *answer);
/* The same for the next state of an object that is there. */
int prepare_next(const struct kind *kind, const cJSON *before, cJSON *json,
	struct answer *answer);
/* What both set where it is missing. */
void prepare_defaults(const struct kind *kind, cJSON *json);

#endif
