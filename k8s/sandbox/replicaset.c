/* ReplicaSets: as many active pods as they say. */
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"

#include <string.h>

/* Which pod goes first when there are too many: not running, not ready, the newest. */
static int by_worth(const void *a, const void *b)
{
	const struct version *x = *(struct version *const *)a, *y = *(struct version *const *)b;
	bool x_runs = same_text(json_str(x->json, "status", "phase", NULL), "Running");
	bool y_runs = same_text(json_str(y->json, "status", "phase", NULL), "Running");

	if (x_runs != y_runs)
		return x_runs ? 1 : -1;
	if (pod_is_ready(x->json) != pod_is_ready(y->json))
		return pod_is_ready(x->json) ? 1 : -1;
	return -strcmp(meta(x->json, "creationTimestamp"), meta(y->json, "creationTimestamp"));
}

static void scale(struct cluster *cluster, const cJSON *set)
{
	OWN(owned_done) struct owned pods = owned_by(cluster->store, &kinds[KIND_POD], set);
	int64_t want = json_int(set, 1, "spec", "replicas", NULL), have = 0;

	if (is_terminating(set))
		return;
	qsort(pods.v, pods.n, sizeof(*pods.v), by_worth);
	for (size_t i = 0; i < pods.n; i++)
		have += pod_is_active(pods.v[i]->json);
	for (; have < want; have++)
		create_pod(cluster, &kinds[KIND_REPLICASET], set, NULL, NULL, NULL);
	for (size_t i = 0; i < pods.n && have > want; i++) {
		if (!pod_is_active(pods.v[i]->json))
			continue;
		delete_pod_of(cluster, &kinds[KIND_REPLICASET], set, pods.v[i]->json);
		have--;
	}
}

static void tell(struct cluster *cluster, const cJSON *set)
{
	OWN(owned_done) struct owned pods = owned_by(cluster->store, &kinds[KIND_POD], set);
	int64_t n = 0, ready = 0, available = 0, terminating = 0;
	cJSON *status, *copy;

	for (size_t i = 0; i < pods.n; i++) {
		terminating += is_terminating(pods.v[i]->json);
		if (!pod_is_active(pods.v[i]->json))
			continue;
		n++;
		ready += pod_is_ready(pods.v[i]->json);
		available += pod_is_available(pods.v[i]->json, set);
	}
	copy = status_begin(cluster->store, &kinds[KIND_REPLICASET], set, &status);
	edit_int(status, "replicas", n);
	status_count(status, "fullyLabeledReplicas", n);
	status_count(status, "readyReplicas", ready);
	status_count(status, "availableReplicas", available);
	edit_int(status, "terminatingReplicas", terminating);
	status_end(cluster->store, &kinds[KIND_REPLICASET], copy);
}

void reconcile_replicasets(struct cluster *cluster)
{
	OWN(owned_done) struct owned sets = owned_all(cluster->store, &kinds[KIND_REPLICASET]);

	for (size_t i = 0; i < sets.n; i++) {
		scale(cluster, sets.v[i]->json);
		tell(cluster, sets.v[i]->json);
	}
}
