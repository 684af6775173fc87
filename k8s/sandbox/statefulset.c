/* StatefulSets: NAME-0, NAME-1 ... one after another, each under its own name again and again. */
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/prepare.h"

#include <stdio.h>
#include <string.h>

#define REVISION_LABEL "controller-revision-hash"

static const struct kind *const own_kind = &kinds[KIND_STATEFULSET];

struct round {
	struct cluster *cluster;
	const cJSON *set;
	int64_t want;
	char revision[96]; /* NAME-HASH of the current template */
};

static const cJSON *pod_at(const struct round *round, int64_t ordinal)
{
	OWN_MEM char *name = must_format("%s-%d", meta(round->set, "name"), (int)ordinal);

	return store_get(
		round->cluster->store, &kinds[KIND_POD], meta(round->set, "namespace"), name);
}

static bool is_current(const struct round *round, const cJSON *pod)
{
	return same_text(
		json_str(pod, "metadata", "labels", REVISION_LABEL, NULL), round->revision);
}

static char *claim_name(const cJSON *template, const char *pod)
{
	return must_format("%s-%s", meta(template, "name"), pod);
}

/* A claim for each template, kept when the pod goes. */
static void ensure_claims(const struct round *round, const char *pod)
{
	const cJSON *template;

	cJSON_ArrayForEach(template, json_at(round->set, "spec", "volumeClaimTemplates", NULL))
	{
		OWN_MEM char *name = claim_name(template, pod);
		struct answer answer = { 0 };
		cJSON *claim;

		if (store_get(round->cluster->store, &kinds[KIND_CLAIM],
			    meta(round->set, "namespace"), name))
			continue;
		claim = edit_copy(template);
		edit_str(edit_metadata(claim), "name", name);
		if (prepare_new(round->cluster, &kinds[KIND_CLAIM], meta(round->set, "namespace"),
			    claim, &answer))
			cJSON_Delete(claim);
		else
			store_set(round->cluster->store, &kinds[KIND_CLAIM], claim);
		answer_done(&answer);
	}
}

/* The set with its claims as volumes of the template. */
static cJSON *with_claims(const struct round *round, const char *pod)
{
	cJSON *set = edit_copy(round->set);
	cJSON *spec = edit_object(edit_object(edit_object(set, "spec"), "template"), "spec");
	const cJSON *template;

	cJSON_ArrayForEach(template, json_at(round->set, "spec", "volumeClaimTemplates", NULL))
	{
		OWN_MEM char *name = claim_name(template, pod);
		cJSON *volume = cJSON_CreateObject();

		edit_str(volume, "name", meta(template, "name"));
		edit_str(edit_object(volume, "persistentVolumeClaim"), "claimName", name);
		cJSON_AddItemToArray(edit_array(spec, "volumes"), volume);
	}
	edit_str(spec, "hostname", pod);
	return set;
}

static void make_pod(const struct round *round, int64_t ordinal)
{
	OWN_MEM char *name = must_format("%s-%d", meta(round->set, "name"), (int)ordinal);
	OWN_MEM char *index = must_format("%d", (int)ordinal);
	OWN_JSON cJSON *labels = cJSON_CreateObject();
	OWN_JSON cJSON *set = NULL;

	edit_str(labels, "apps.kubernetes.io/pod-index", index);
	edit_str(labels, "statefulset.kubernetes.io/pod-name", name);
	edit_str(labels, REVISION_LABEL, round->revision);
	ensure_claims(round, name);
	set = with_claims(round, name);
	create_pod(round->cluster, own_kind, set, name, labels, NULL);
}

/* Makes what is missing. True: all are there and ready. */
static bool fill(const struct round *round, bool ordered)
{
	bool all_ready = true;

	for (int64_t i = 0; i < round->want && (all_ready || !ordered); i++) {
		const cJSON *pod = pod_at(round, i);

		if (!pod)
			make_pod(round, i);
		else if (pod_is_over(pod) && !is_terminating(pod))
			delete_pod_of(round->cluster, own_kind, round->set, pod);
		all_ready &= pod && pod_is_available(pod, round->set);
	}
	return all_ready;
}

/* The pods beyond the count, the last first; in order, each after the one before is gone. */
static void shrink(const struct round *round, const struct owned *pods, bool ordered)
{
	int64_t last = -1;
	size_t stem = strlen(meta(round->set, "name")) + 1;

	for (size_t i = 0; i < pods->n; i++) {
		int64_t ordinal = strtoll(meta(pods->v[i]->json, "name") + stem, NULL, 10);

		if (ordinal < round->want)
			continue;
		if (ordinal > last)
			last = ordinal;
		if (!ordered && !is_terminating(pods->v[i]->json))
			delete_pod_of(round->cluster, own_kind, round->set, pods->v[i]->json);
	}
	if (ordered && last >= 0 && !is_terminating(pod_at(round, last)))
		delete_pod_of(round->cluster, own_kind, round->set, pod_at(round, last));
}

/* Pods of an older template, the last first, one at a time. */
static void roll(const struct round *round)
{
	const cJSON *strategy = json_at(round->set, "spec", "updateStrategy", NULL);
	int64_t from = json_int(strategy, 0, "rollingUpdate", "partition", NULL);

	if (!same_text(json_str(strategy, "type", NULL), "RollingUpdate"))
		return;
	for (int64_t i = round->want - 1; i >= from; i--) {
		const cJSON *pod = pod_at(round, i);

		if (pod && !is_current(round, pod)) {
			if (!is_terminating(pod))
				delete_pod_of(round->cluster, own_kind, round->set, pod);
			return;
		}
		if (!pod || !pod_is_available(pod, round->set))
			return;
	}
}

static void tell(const struct round *round)
{
	struct store *store = round->cluster->store;
	OWN(owned_done) struct owned pods = owned_by(store, &kinds[KIND_POD], round->set);
	int64_t n = 0, ready = 0, available = 0, current = 0;
	cJSON *status, *copy;

	for (size_t i = 0; i < pods.n; i++) {
		const cJSON *pod = pods.v[i]->json;

		n++;
		ready += pod_is_ready(pod);
		available += pod_is_available(pod, round->set);
		current += is_current(round, pod) && !is_terminating(pod);
	}
	copy = status_begin(store, own_kind, round->set, &status);
	edit_int(status, "replicas", n);
	status_count(status, "readyReplicas", ready);
	edit_int(status, "availableReplicas", available);
	status_count(status, "updatedReplicas", current);
	edit_str(status, "updateRevision", round->revision);
	if (current == round->want || !json_at(status, "currentRevision", NULL))
		edit_str(status, "currentRevision", round->revision);
	status_count(status, "currentReplicas",
		same_text(json_str(status, "currentRevision", NULL), round->revision)
			? current
			: n - current);
	edit_int(status, "collisionCount", 0);
	status_end(store, own_kind, copy);
}

static void reconcile(struct cluster *cluster, const cJSON *set)
{
	struct round round = { .cluster = cluster, .set = set };
	OWN(owned_done) struct owned pods = owned_by(cluster->store, &kinds[KIND_POD], set);
	bool ordered = !same_text(json_str(set, "spec", "podManagementPolicy", NULL), "Parallel");
	char hash[16];

	hash_ending(json_at(set, "spec", "template", NULL), hash);
	snprintf(round.revision, sizeof(round.revision), "%.70s-%s", meta(set, "name"), hash);
	round.want = json_int(set, 1, "spec", "replicas", NULL);
	if (!is_terminating(set)) {
		bool ready = fill(&round, ordered);

		if (ready || !ordered)
			shrink(&round, &pods, ordered);
		roll(&round);
	}
	tell(&round);
}

void reconcile_statefulsets(struct cluster *cluster)
{
	OWN(owned_done) struct owned all = owned_all(cluster->store, own_kind);

	for (size_t i = 0; i < all.n; i++)
		reconcile(cluster, all.v[i]->json);
}
