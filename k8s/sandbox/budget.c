/* PodDisruptionBudgets: how many more pods may be evicted now. */
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/selector.h"

#include <string.h>

static const struct kind *const own_kind = &kinds[KIND_PDB];

static void reconcile(struct cluster *cluster, const cJSON *budget)
{
	const cJSON *least = json_at(budget, "spec", "minAvailable", NULL);
	const cJSON *most = json_at(budget, "spec", "maxUnavailable", NULL);
	int64_t expected = 0, healthy = 0, desired, allowed;
	cJSON *status, *copy;
	size_t n;
	const struct object *pods = store_objects(cluster->store, &kinds[KIND_POD], &n);

	for (size_t i = 0; i < n; i++) {
		const cJSON *pod = pods[i].now->json;

		if (strcmp(pods[i].ns, meta(budget, "namespace")) || !pod_is_active(pod) ||
			!label_selector_matches(json_at(budget, "spec", "selector", NULL), pod))
			continue;
		expected++;
		healthy += pod_is_ready(pod);
	}
	desired = most ? expected - int_or_percent(most, expected, true)
		       : int_or_percent(least, expected, true);
	if (desired < 0)
		desired = 0;
	allowed = healthy > desired ? healthy - desired : 0;
	copy = status_begin(cluster->store, own_kind, budget, &status);
	edit_int(status, "disruptionsAllowed", allowed);
	edit_int(status, "currentHealthy", healthy);
	edit_int(status, "desiredHealthy", desired);
	edit_int(status, "expectedPods", expected);
	condition_set(status, "DisruptionAllowed", allowed > 0,
		allowed > 0 ? "SufficientPods" : "InsufficientPods", "");
	status_end(cluster->store, own_kind, copy);
}

void reconcile_budgets(struct cluster *cluster)
{
	OWN(owned_done) struct owned all = owned_all(cluster->store, own_kind);

	for (size_t i = 0; i < all.n; i++)
		reconcile(cluster, all.v[i]->json);
}
