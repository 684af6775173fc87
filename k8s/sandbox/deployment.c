/* Deployments: a ReplicaSet for each template, and the way from the old ones to the new one. */
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HASH_LABEL "pod-template-hash"
#define REVISION "deployment.kubernetes.io/revision"

static const struct kind *const set_kind = &kinds[KIND_REPLICASET];

/* One round of one deployment. Counts are of all its sets. */
struct round {
	struct cluster *cluster;
	const cJSON *deployment;
	struct owned sets;
	const cJSON *fresh; /* the set of the current template, in `sets` */
	int64_t want, surge, unavailable;
};

static int64_t replicas_of(const cJSON *set)
{
	return json_int(set, 0, "spec", "replicas", NULL);
}

static int64_t count_of(const cJSON *set, const char *key)
{
	return json_int(set, 0, "status", key, NULL);
}

static int64_t revision_of(const cJSON *object)
{
	const char *text = json_str(object, "metadata", "annotations", REVISION, NULL);

	return text ? strtoll(text, NULL, 10) : 0;
}

static bool has_template(const cJSON *set, const cJSON *template)
{
	OWN_JSON cJSON *own = edit_copy(json_at(set, "spec", "template", NULL));

	edit_del(edit_object(edit_metadata(own), "labels"), HASH_LABEL);
	return same_json(own, template);
}

static void find_fresh(struct round *round)
{
	const cJSON *template = json_at(round->deployment, "spec", "template", NULL);

	round->fresh = NULL;
	for (size_t i = 0; i < round->sets.n; i++)
		if (has_template(round->sets.v[i]->json, template))
			round->fresh = round->sets.v[i]->json;
}

static void reload(struct round *round)
{
	owned_done(&round->sets);
	round->sets = owned_by(round->cluster->store, set_kind, round->deployment);
	find_fresh(round);
}

static int64_t sum(const struct round *round, const char *key)
{
	int64_t total = 0;

	for (size_t i = 0; i < round->sets.n; i++)
		total += key ? count_of(round->sets.v[i]->json, key)
			     : replicas_of(round->sets.v[i]->json);
	return total;
}

static void scale_set(struct round *round, const cJSON *set, int64_t to)
{
	cJSON *copy;
	bool up = to > replicas_of(set);

	if (to == replicas_of(set))
		return;
	copy = edit_copy(set);
	edit_int(edit_object(copy, "spec"), "replicas", to);
	edit_int(edit_metadata(copy), "generation",
		json_int(copy, 0, "metadata", "generation", NULL) + 1);
	event_add(round->cluster->store, &kinds[KIND_DEPLOYMENT], round->deployment,
		"deployment-controller", "Normal", "ScalingReplicaSet",
		"Scaled %s replica set %s from %" PRId64 " to %" PRId64, up ? "up" : "down",
		meta(set, "name"), replicas_of(set), to);
	store_set(round->cluster->store, set_kind, copy);
	reload(round);
}

/* ---- the set of the current template ---- */

static int64_t newest_revision(const struct round *round)
{
	int64_t newest = 0;

	for (size_t i = 0; i < round->sets.n; i++)
		if (revision_of(round->sets.v[i]->json) > newest)
			newest = revision_of(round->sets.v[i]->json);
	return newest;
}

static void annotate(cJSON *object, const struct round *round, int64_t revision, bool set)
{
	cJSON *annotations = edit_object(edit_metadata(object), "annotations");
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, revision);
	edit_str(annotations, REVISION, text);
	if (!set)
		return;
	snprintf(text, sizeof(text), "%" PRId64, round->want);
	edit_str(annotations, "deployment.kubernetes.io/desired-replicas", text);
	snprintf(text, sizeof(text), "%" PRId64, round->want + round->surge);
	edit_str(annotations, "deployment.kubernetes.io/max-replicas", text);
}

static cJSON *new_set(struct round *round)
{
	const cJSON *deployment = round->deployment;
	const cJSON *template = json_at(deployment, "spec", "template", NULL);
	cJSON *set = cJSON_CreateObject(), *metadata = edit_metadata(set), *spec, *copy;
	OWN_MEM char *name = NULL;
	char hash[16], uid[UID_BYTES];

	hash_ending(template, hash);
	name = must_format("%s-%s", meta(deployment, "name"), hash);
	random_uid(uid);
	edit_str(metadata, "name", name);
	edit_str(metadata, "namespace", meta(deployment, "namespace"));
	edit_str(metadata, "uid", uid);
	edit_int(metadata, "generation", 1);
	edit_now(metadata, "creationTimestamp");
	copy = edit_copy(template);
	edit_str(edit_object(edit_metadata(copy), "labels"), HASH_LABEL, hash);
	edit_set(metadata, "labels", edit_copy(json_at(copy, "metadata", "labels", NULL)));
	annotate(set, round, newest_revision(round) + 1, true);
	cJSON_AddItemToArray(edit_array(metadata, "ownerReferences"),
		owner_reference(&kinds[KIND_DEPLOYMENT], deployment));
	spec = edit_object(set, "spec");
	edit_int(spec, "replicas", 0);
	edit_set(spec, "selector", edit_copy(json_at(deployment, "spec", "selector", NULL)));
	edit_str(edit_object(edit_object(spec, "selector"), "matchLabels"), HASH_LABEL, hash);
	edit_set(spec, "template", copy);
	edit_int(edit_object(set, "status"), "replicas", 0);
	return set;
}

/* Makes it, or brings it back as the newest revision. */
static void ensure_fresh(struct round *round)
{
	int64_t newest = newest_revision(round);
	cJSON *copy;

	if (!round->fresh) {
		store_set(round->cluster->store, set_kind, new_set(round));
	} else {
		copy = edit_copy(round->fresh);
		annotate(copy, round, revision_of(round->fresh) < newest ? newest + 1 : newest,
			true);
		store_set(round->cluster->store, set_kind, copy);
	}
	reload(round);
}

/* ---- rolling ---- */

static void scale_up_fresh(struct round *round)
{
	int64_t room = round->want + round->surge - sum(round, NULL);
	int64_t now = replicas_of(round->fresh);

	if (now > round->want)
		scale_set(round, round->fresh, round->want);
	else if (now < round->want && room > 0)
		scale_set(round, round->fresh,
			now + (room < round->want - now ? room : round->want - now));
}

/* Takes up to `most` from the old sets: first what is not available, then the rest. */
static void scale_down_old(struct round *round, int64_t most, bool broken_only)
{
	for (size_t i = 0; i < round->sets.n && most > 0; i++) {
		const cJSON *set = round->sets.v[i]->json;
		int64_t n = replicas_of(set), off = n;

		if (set == round->fresh || !n)
			continue;
		if (broken_only)
			off = n - count_of(set, "availableReplicas");
		if (off > most)
			off = most;
		if (off <= 0)
			continue;
		most -= off;
		scale_set(round, set, n - off); /* reloads: the order stays */
	}
}

static void roll(struct round *round)
{
	int64_t least = round->want - round->unavailable;
	int64_t fresh_missing;

	scale_up_fresh(round);
	fresh_missing = replicas_of(round->fresh) - count_of(round->fresh, "availableReplicas");
	scale_down_old(round, sum(round, NULL) - least - fresh_missing, true);
	scale_down_old(round, sum(round, "availableReplicas") - least, false);
}

static void recreate(struct round *round)
{
	OWN(owned_done) struct owned pods = owned_all(round->cluster->store, &kinds[KIND_POD]);
	int64_t old = 0;

	scale_down_old(round, INT64_MAX, false);
	for (size_t i = 0; i < pods.n; i++)
		for (size_t s = 0; s < round->sets.n; s++)
			old += round->sets.v[s]->json != round->fresh &&
			       is_owned_by(pods.v[i]->json, meta(round->sets.v[s]->json, "uid")) &&
			       !pod_is_over(pods.v[i]->json);
	if (!old)
		scale_set(round, round->fresh, round->want);
}

/* Sets that no longer hold pods are kept for a few revisions only. */
static void drop_old_sets(struct round *round)
{
	int64_t keep = json_int(round->deployment, 10, "spec", "revisionHistoryLimit", NULL);
	int64_t newest = newest_revision(round);

	for (size_t i = 0; i < round->sets.n; i++) {
		const cJSON *set = round->sets.v[i]->json;

		if (set == round->fresh || replicas_of(set) || count_of(set, "replicas") ||
			revision_of(set) + keep >= newest)
			continue;
		store_drop(
			round->cluster->store, set_kind, meta(set, "namespace"), meta(set, "name"));
	}
}

/* ---- status ---- */

static void set_condition(
	cJSON *status, const char *type, bool value, const char *reason, const char *message)
{
	const cJSON *before = NULL, *one;
	OWN_JSON cJSON *was = NULL;

	cJSON_ArrayForEach(one, json_at(status, "conditions",
					NULL)) if (same_text(json_str(one, "type", NULL), type))
		before = one;
	was = edit_copy(before);
	condition_set(status, type, value, reason, message);
	cJSON_ArrayForEach(one, json_at(status, "conditions",
					NULL)) if (same_text(json_str(one, "type", NULL), type) &&
						   !same_json(one, was))
		edit_now((cJSON *)one, "lastUpdateTime");
}

static bool is_complete(const struct round *round, const cJSON *status)
{
	return json_int(status, 0, "updatedReplicas", NULL) == round->want &&
	       json_int(status, 0, "replicas", NULL) == round->want &&
	       json_int(status, 0, "availableReplicas", NULL) == round->want;
}

/* When it last came nearer to its end. */
static int64_t progressed_at(const cJSON *status)
{
	const cJSON *one;

	cJSON_ArrayForEach(
		one, json_at(status, "conditions",
			     NULL)) if (same_text(json_str(one, "type", NULL),
						"Progressing")) return time_of(json_str(one,
		"lastUpdateTime", NULL));
	return 0;
}

static void tell_progress(const struct round *round, cJSON *status, bool moved)
{
	const char *name = round->fresh ? meta(round->fresh, "name") : "";
	int64_t limit = json_int(round->deployment, 600, "spec", "progressDeadlineSeconds", NULL);
	int64_t since = progressed_at(status);
	OWN_MEM char *message = NULL;
	cJSON *one;

	if (is_complete(round, status)) {
		message = must_format("ReplicaSet \"%s\" has successfully progressed.", name);
		set_condition(status, "Progressing", true, "NewReplicaSetAvailable", message);
	} else if (since && !moved && time_wall_s() - since >= limit) {
		message = must_format("ReplicaSet \"%s\" has timed out progressing.", name);
		set_condition(status, "Progressing", false, "ProgressDeadlineExceeded", message);
	} else if (moved || !since) {
		message = must_format("ReplicaSet \"%s\" is progressing.", name);
		set_condition(status, "Progressing", true, "ReplicaSetUpdated", message);
		cJSON_ArrayForEach(one,
			edit_array(status, "conditions")) if (same_text(json_str(one, "type", NULL),
								      "Progressing"))
			edit_now(one, "lastUpdateTime");
	}
}

static void tell(struct round *round)
{
	struct store *store = round->cluster->store;
	cJSON *status,
		*copy = status_begin(store, &kinds[KIND_DEPLOYMENT], round->deployment, &status);
	int64_t available = sum(round, "availableReplicas"), all = sum(round, "replicas");
	int64_t fresh = round->fresh ? count_of(round->fresh, "replicas") : 0;
	bool enough = available >= round->want - round->unavailable;
	OWN_JSON cJSON *was = edit_copy(status);
	bool moved;

	annotate(copy, round, newest_revision(round), false);
	status_count(status, "replicas", all);
	status_count(status, "updatedReplicas", fresh);
	status_count(status, "readyReplicas", sum(round, "readyReplicas"));
	status_count(status, "availableReplicas", available);
	status_count(status, "unavailableReplicas",
		round->want + (all > round->want ? all - round->want : 0) - available);
	edit_int(status, "terminatingReplicas", sum(round, "terminatingReplicas"));
	moved = fresh > json_int(was, 0, "updatedReplicas", NULL) ||
		all - fresh < json_int(was, 0, "replicas", NULL) -
				      json_int(was, 0, "updatedReplicas", NULL) ||
		available > json_int(was, 0, "availableReplicas", NULL) ||
		json_int(was, 0, "observedGeneration", NULL) !=
			json_int(status, 0, "observedGeneration", NULL);
	set_condition(status, "Available", enough,
		enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
		enough ? "Deployment has minimum availability."
		       : "Deployment does not have minimum availability.");
	tell_progress(round, status, moved);
	status_end(store, &kinds[KIND_DEPLOYMENT], copy);
}

/* ---- one deployment ---- */

static void read_strategy(struct round *round)
{
	const cJSON *spec = json_at(round->deployment, "spec", NULL);
	const cJSON *rolling = json_at(spec, "strategy", "rollingUpdate", NULL);

	round->want = json_int(spec, 1, "replicas", NULL);
	if (!same_text(json_str(spec, "strategy", "type", NULL), "RollingUpdate")) {
		round->unavailable = round->want;
		return;
	}
	round->surge = int_or_percent(json_at(rolling, "maxSurge", NULL), round->want, true);
	round->unavailable = int_or_percent(
		json_at(rolling, "maxUnavailable", NULL), round->want, false);
	if (!round->surge && !round->unavailable)
		round->unavailable = 1;
	if (round->unavailable > round->want)
		round->unavailable = round->want;
}

static void reconcile(struct cluster *cluster, const cJSON *deployment)
{
	struct round round = { .cluster = cluster, .deployment = deployment };

	read_strategy(&round);
	reload(&round);
	if (!is_terminating(deployment) && !json_bool(deployment, 0, "spec", "paused", NULL)) {
		ensure_fresh(&round);
		if (same_text(json_str(deployment, "spec", "strategy", "type", NULL), "Recreate"))
			recreate(&round);
		else
			roll(&round);
		drop_old_sets(&round);
		reload(&round);
	} else if (round.fresh && !is_terminating(deployment)) {
		scale_set(&round, round.fresh, round.want);
	}
	tell(&round);
	owned_done(&round.sets);
}

void reconcile_deployments(struct cluster *cluster)
{
	OWN(owned_done) struct owned all = owned_all(cluster->store, &kinds[KIND_DEPLOYMENT]);

	for (size_t i = 0; i < all.n; i++)
		reconcile(cluster, all.v[i]->json);
}
