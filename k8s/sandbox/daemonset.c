/* DaemonSets: a pod on each node that their node selector allows. */
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/selector.h"

#include <inttypes.h>
#include <stdio.h>

#define GENERATION_LABEL "pod-template-generation"

static const struct kind *const own_kind = &kinds[KIND_DAEMONSET];

struct counts {
	int64_t nodes, current, ready, available, updated;
};

static bool node_fits(const cJSON *set, const cJSON *node)
{
	const cJSON *want = json_at(set, "spec", "template", "spec", "nodeSelector", NULL);

	return !want || !want->child || label_map_matches(want, node);
}

static bool is_updated(const cJSON *pod, const char *hash)
{
	return same_text(
		json_str(pod, "metadata", "labels", "controller-revision-hash", NULL), hash);
}

static const cJSON *pod_on(const struct owned *pods, const char *node)
{
	for (size_t i = 0; i < pods->n; i++)
		if (same_text(json_str(pods->v[i]->json, "spec", "nodeName", NULL), node))
			return pods->v[i]->json;
	return NULL;
}

static void make_pod(struct cluster *cluster, const cJSON *set, const char *hash, const char *node)
{
	OWN_JSON cJSON *labels = cJSON_CreateObject();
	OWN_MEM char *generation = must_format(
		"%" PRId64, json_int(set, 1, "metadata", "generation", NULL));

	edit_str(labels, "controller-revision-hash", hash);
	edit_str(labels, GENERATION_LABEL, generation);
	create_pod(cluster, own_kind, set, NULL, labels, node);
}

/* One node: makes its pod, or replaces an old one while `*rolling` allows it. */
static void step_node(struct cluster *cluster, const cJSON *set, const char *hash, const cJSON *pod,
	const char *node, int64_t *rolling)
{
	bool roll = same_text(
		json_str(set, "spec", "updateStrategy", "type", NULL), "RollingUpdate");

	if (!pod) {
		make_pod(cluster, set, hash, node);
	} else if (pod_is_over(pod) && !is_terminating(pod)) {
		delete_pod_of(cluster, own_kind, set, pod);
	} else if (roll && !is_updated(pod, hash) && !is_terminating(pod) && *rolling > 0) {
		--*rolling;
		delete_pod_of(cluster, own_kind, set, pod);
	}
}

static void count(struct counts *counts, const cJSON *set, const cJSON *pod, const char *hash)
{
	counts->nodes++;
	if (!pod)
		return;
	counts->current++;
	counts->ready += pod_is_ready(pod);
	counts->available += pod_is_available(pod, set);
	counts->updated += is_updated(pod, hash) && !is_terminating(pod);
}

static void tell(struct cluster *cluster, const cJSON *set, const struct counts *counts)
{
	cJSON *status, *copy = status_begin(cluster->store, own_kind, set, &status);

	edit_int(status, "currentNumberScheduled", counts->current);
	edit_int(status, "numberMisscheduled", 0);
	edit_int(status, "desiredNumberScheduled", counts->nodes);
	edit_int(status, "numberReady", counts->ready);
	status_count(status, "updatedNumberScheduled", counts->updated);
	status_count(status, "numberAvailable", counts->available);
	status_count(status, "numberUnavailable", counts->nodes - counts->available);
	status_end(cluster->store, own_kind, copy);
}

static void reconcile(struct cluster *cluster, const cJSON *set, const struct owned *nodes)
{
	OWN(owned_done) struct owned pods = owned_by(cluster->store, &kinds[KIND_POD], set);
	struct counts counts = { 0 };
	int64_t rolling;
	char hash[16];

	hash_ending(json_at(set, "spec", "template", NULL), hash);
	for (size_t i = 0; i < nodes->n; i++)
		if (node_fits(set, nodes->v[i]->json))
			count(&counts, set, pod_on(&pods, meta(nodes->v[i]->json, "name")), hash);
	rolling = int_or_percent(
		json_at(set, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable", NULL),
		counts.nodes, true);
	rolling -= counts.nodes - counts.available;
	for (size_t i = 0; i < nodes->n && !is_terminating(set); i++) {
		const char *node = meta(nodes->v[i]->json, "name");

		if (node_fits(set, nodes->v[i]->json))
			step_node(cluster, set, hash, pod_on(&pods, node), node, &rolling);
	}
	tell(cluster, set, &counts);
}

void reconcile_daemonsets(struct cluster *cluster)
{
	OWN(owned_done) struct owned all = owned_all(cluster->store, own_kind);
	OWN(owned_done) struct owned nodes = owned_all(cluster->store, &kinds[KIND_NODE]);

	for (size_t i = 0; i < all.n; i++)
		reconcile(cluster, all.v[i]->json, &nodes);
}
