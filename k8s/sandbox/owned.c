/* What several controllers do: find what is theirs, make pods, tell a status. */
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/prepare.h"

#include <stdio.h>
#include <string.h>

static struct owned collect(struct store *store, const struct kind *kind, const char *uid)
{
	struct owned owned = { 0 };
	size_t n;
	const struct object *all = store_objects(store, kind, &n);

	owned.v = must_alloc(n * sizeof(*owned.v));
	for (size_t i = 0; i < n; i++)
		if (!uid || is_owned_by(all[i].now->json, uid))
			owned.v[owned.n++] = version_ref(all[i].now);
	return owned;
}

struct owned owned_all(struct store *store, const struct kind *kind)
{
	return collect(store, kind, NULL);
}

struct owned owned_by(struct store *store, const struct kind *kind, const cJSON *owner)
{
	return collect(store, kind, meta(owner, "uid"));
}

void owned_done(struct owned *owned)
{
	store_free_past(owned->v, owned->n);
	*owned = (struct owned){ 0 };
}

bool pod_is_active(const cJSON *pod)
{
	return !is_terminating(pod) && !pod_is_over(pod);
}

bool pod_is_available(const cJSON *pod, const cJSON *owner)
{
	int64_t least = json_int(owner, 0, "spec", "minReadySeconds", NULL);
	const cJSON *one;

	if (!pod_is_ready(pod))
		return false;
	cJSON_ArrayForEach(one, json_at(pod, "status", "conditions",
					NULL)) if (least && same_text(json_str(one, "type", NULL),
								    "Ready")) return time_wall_s() -
			time_of(json_str(one, "lastTransitionTime", NULL)) >=
		least;
	return true;
}

static cJSON *pod_from_template(const struct kind *kind, const cJSON *owner, const cJSON *labels)
{
	const cJSON *template = json_at(owner, "spec", "template", NULL), *one;
	cJSON *pod = edit_copy(template), *metadata = edit_metadata(pod);

	cJSON_ArrayForEach(one, labels)
		edit_str(edit_object(metadata, "labels"), one->string, one->valuestring);
	cJSON_AddItemToArray(edit_set(metadata, "ownerReferences", cJSON_CreateArray()),
		owner_reference(kind, owner));
	return pod;
}

void create_pod(struct cluster *cluster, const struct kind *kind, const cJSON *owner,
	const char *name, const cJSON *labels, const char *node)
{
	OWN_JSON cJSON *pod = pod_from_template(kind, owner, labels);
	OWN_MEM char *stem = must_format("%s-", meta(owner, "name"));
	OWN_MEM char *made = NULL;
	struct answer answer = { 0 };

	if (name)
		edit_str(edit_metadata(pod), "name", name);
	else
		edit_str(edit_metadata(pod), "generateName", stem);
	if (node)
		edit_str(edit_object(pod, "spec"), "nodeName", node);
	if (prepare_new(cluster, &kinds[KIND_POD], meta(owner, "namespace"), pod, &answer)) {
		event_add(cluster->store, kind, owner, "controller", "Warning", "FailedCreate",
			"Error creating: %s", json_str(answer.json, "message", NULL));
		answer_done(&answer);
		return;
	}
	made = must_dup(meta(pod, "name"));
	store_set(cluster->store, &kinds[KIND_POD], TAKE(pod));
	event_add(cluster->store, kind, owner, "controller", "Normal", "SuccessfulCreate",
		"Created pod: %s", made);
}

void delete_pod_of(
	struct cluster *cluster, const struct kind *kind, const cJSON *owner, const cJSON *pod)
{
	OWN_MEM char *name = must_dup(meta(pod, "name"));

	version_unref(object_delete(cluster->store, &kinds[KIND_POD], meta(pod, "namespace"), name,
		-1, PROPAGATE_BACKGROUND));
	event_add(cluster->store, kind, owner, "controller", "Normal", "SuccessfulDelete",
		"Deleted pod: %s", name);
}

cJSON *status_begin(
	struct store *store, const struct kind *kind, const cJSON *object, cJSON **ret_status)
{
	cJSON *copy = edit_copy(
		store_get(store, kind, meta(object, "namespace"), meta(object, "name")));

	*ret_status = edit_object(copy, "status");
	if (kind != &kinds[KIND_JOB])
		edit_int(*ret_status, "observedGeneration",
			json_int(copy, 0, "metadata", "generation", NULL));
	return copy;
}

void status_end(struct store *store, const struct kind *kind, cJSON *copy)
{
	store_set(store, kind, copy);
}

void status_count(cJSON *status, const char *key, int64_t n)
{
	if (n)
		edit_int(status, key, n);
	else
		edit_del(status, key);
}

int64_t int_or_percent(const cJSON *value, int64_t total, bool up)
{
	int64_t percent;

	if (cJSON_IsNumber(value))
		return value->valueint;
	if (!cJSON_IsString(value))
		return 0;
	percent = strtoll(value->valuestring, NULL, 10) * total;
	return up ? (percent + 99) / 100 : percent / 100;
}
