/* Pods get a node: the one with the fewest pods, of those that they may run on. */
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/selector.h"

#include <string.h>

static size_t pods_on(struct store *store, const char *node)
{
	size_t n, count = 0;
	const struct object *pods = store_objects(store, &kinds[KIND_POD], &n);

	for (size_t i = 0; i < n; i++)
		count += same_text(json_str(pods[i].now->json, "spec", "nodeName", NULL), node);
	return count;
}

static bool may_run_on(const cJSON *pod, const cJSON *node)
{
	const cJSON *want = json_at(pod, "spec", "nodeSelector", NULL);

	return !json_bool(node, 0, "spec", "unschedulable", NULL) &&
	       (!want || !want->child || label_map_matches(want, node));
}

static const cJSON *choose(struct store *store, const cJSON *pod, const struct owned *nodes)
{
	const cJSON *best = NULL;
	size_t fewest = SIZE_MAX;

	for (size_t i = 0; i < nodes->n; i++) {
		const cJSON *node = nodes->v[i]->json;
		size_t n = pods_on(store, meta(node, "name"));

		if (n < fewest && may_run_on(pod, node)) {
			best = node;
			fewest = n;
		}
	}
	return best;
}

static void schedule(struct store *store, const cJSON *pod, const struct owned *nodes)
{
	const cJSON *node = choose(store, pod, nodes);
	cJSON *copy = edit_copy(pod), *status = edit_object(copy, "status");
	OWN_MEM char *message = must_format("0/%zu nodes are available: no node takes this pod "
					    "(cordoned, or its nodeSelector fits none).",
		nodes->n);

	condition_set(
		status, "PodScheduled", node, node ? NULL : "Unschedulable", node ? NULL : message);
	if (node)
		edit_str(edit_object(copy, "spec"), "nodeName", meta(node, "name"));
	store_set(store, &kinds[KIND_POD], copy);
	if (node)
		event_add(store, &kinds[KIND_POD], pod, "default-scheduler", "Normal", "Scheduled",
			"Successfully assigned %s/%s to %s", meta(pod, "namespace"),
			meta(pod, "name"), meta(node, "name"));
}

void reconcile_nodes(struct cluster *cluster)
{
	OWN(owned_done) struct owned nodes = owned_all(cluster->store, &kinds[KIND_NODE]);
	OWN(owned_done) struct owned pods = owned_all(cluster->store, &kinds[KIND_POD]);

	for (size_t i = 0; i < pods.n; i++)
		if (!json_str(pods.v[i]->json, "spec", "nodeName", NULL) &&
			!is_terminating(pods.v[i]->json))
			schedule(cluster->store, pods.v[i]->json, &nodes);
}
