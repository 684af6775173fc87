/* POST, PUT and PATCH: objects come into being, and change. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/patch.h"
#include "k8s/sandbox/prepare.h"
#include "k8s/sandbox/request.h"

#include <string.h>

/* ---- create ---- */

static int check_namespace(
	struct cluster *cluster, const struct request *request, struct answer *answer)
{
	const char *of = json_str(request->body, "metadata", "namespace", NULL);
	const struct kind *kind = request->kind;
	const cJSON *ns;

	if (!kind->namespaced)
		return 0;
	if (of && *of && strcmp(of, request->ns))
		return answer_bad(answer,
			"the namespace of the provided object does not match the namespace sent "
			"on the request");
	ns = store_get(cluster->store, &kinds[KIND_NAMESPACE], "", request->ns);
	if (!ns)
		return answer_not_found(answer, &kinds[KIND_NAMESPACE], request->ns);
	if (!is_terminating(ns))
		return 0;
	answer_fail(answer, 403, "Forbidden",
		"%s \"%s\" is forbidden: unable to create new content in namespace %s because it "
		"is being terminated",
		kind_resource(kind), meta(request->body, "name"), request->ns);
	answer_details(answer, kind->group, kind->plural, meta(request->body, "name"));
	answer_cause(answer, "NamespaceTerminating", "namespace is being terminated",
		"metadata.namespace");
	return -1;
}

static int check_body(const struct request *request, struct answer *answer)
{
	const char *kind = json_str(request->body, "kind", NULL);
	const char *version = json_str(request->body, "apiVersion", NULL);

	if (!cJSON_IsObject(request->body))
		return answer_bad(answer,
			"the object provided is unrecognized (must be of type %s): couldn't get "
			"version/kind; json parse error",
			request->kind->kind);
	if (kind && version &&
		(strcmp(kind, request->kind->kind) ||
			strcmp(version, kind_api_version(request->kind))))
		return answer_bad(answer,
			"the API version or kind in the data (%s, %s) does not match the expected "
			"one (%s, %s)",
			version, kind, kind_api_version(request->kind), request->kind->kind);
	return 0;
}

static bool is_dry(const struct request *request)
{
	return !strcmp(request_param(request, "dryRun"), "All");
}

static int create(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	const struct kind *kind = request->kind;
	OWN_JSON cJSON *json = edit_copy(request->body);
	struct version *version;
	const cJSON *now;

	if (check_namespace(cluster, request, answer) ||
		prepare_new(cluster, kind, request->ns, json, answer))
		return -1;
	if (store_get(cluster->store, kind, meta(json, "namespace"), meta(json, "name"))) {
		answer_fail(answer, 409, "AlreadyExists", "%s \"%s\" already exists",
			kind_resource(kind), meta(json, "name"));
		answer_details(answer, kind->group, kind->plural, meta(json, "name"));
		return -1;
	}
	if (is_dry(request)) {
		answer_json(answer, 201, TAKE(json));
		edit_str(answer->json, "kind", kind->kind);
		edit_str(answer->json, "apiVersion", kind_api_version(kind));
		return 0;
	}
	now = store_set(cluster->store, kind, TAKE(json));
	version = store_get_version(
		cluster->store, kind, meta(now, "namespace"), meta(now, "name"));
	answer_state(answer, 201, request, version);
	return 0;
}

void verb_create(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	if (check_body(request, answer))
		return;
	store_lock(cluster->store);
	create(cluster, request, answer);
	store_unlock(cluster->store);
}

/* ---- change ---- */

static int conflict(const struct request *request, struct answer *answer)
{
	answer_fail(answer, 409, "Conflict",
		"Operation cannot be fulfilled on %s \"%s\": the object has been modified; please "
		"apply your changes to the latest version and try again",
		kind_resource(request->kind), request->name);
	answer_details(answer, request->kind->group, request->kind->plural, request->name);
	return -1;
}

/* Of a change to /status only the status counts, of any other change all but the status. */
static void keep_rest(const struct request *request, const cJSON *before, cJSON *json)
{
	const cJSON *status = json_at(before, "status", NULL);
	cJSON *wanted = cJSON_DetachItemFromObjectCaseSensitive(json, "status");

	if (!strcmp(request->sub, "status")) {
		cJSON *whole = edit_copy(before);

		if (wanted)
			edit_set(whole, "status", wanted);
		while (json->child)
			cJSON_Delete(cJSON_DetachItemViaPointer(json, json->child));
		while (whole->child) {
			cJSON *one = cJSON_DetachItemViaPointer(whole, whole->child);

			cJSON_AddItemToObject(json, one->string, one);
		}
		cJSON_Delete(whole);
		return;
	}
	cJSON_Delete(wanted);
	if (status)
		edit_set(json, "status", edit_copy(status));
}

/* Stores the next state (taken) of what is there; answers it. */
static int store_next(
	struct cluster *cluster, const struct request *request, cJSON *next, struct answer *answer)
{
	OWN_JSON cJSON *json = next;
	struct version *before = version_ref(
		store_get_version(cluster->store, request->kind, request->ns, request->name));
	const char *based_on = json_str(json, "metadata", "resourceVersion", NULL);
	struct version *now;
	int failed;

	if (based_on && *based_on && strcmp(based_on, meta(before->json, "resourceVersion"))) {
		version_unref(before);
		return conflict(request, answer);
	}
	if (request->kind->status)
		keep_rest(request, before->json, json);
	failed = prepare_next(request->kind, before->json, json, answer);
	if (!failed && !is_dry(request))
		object_replace(cluster->store, request->kind, TAKE(json));
	now = version_ref(
		store_get_version(cluster->store, request->kind, request->ns, request->name));
	if (!failed)
		answer_state(answer, 200, request, now ? now : before);
	version_unref(now);
	version_unref(before);
	return failed;
}

/* The whole object that a PUT to /scale means. */
static cJSON *with_scale(const cJSON *before, const cJSON *scale)
{
	cJSON *json = edit_copy(before);
	const char *based_on = json_str(scale, "metadata", "resourceVersion", NULL);

	edit_int(edit_object(json, "spec"), "replicas",
		json_int(scale, 0, "spec", "replicas", NULL));
	if (based_on)
		edit_str(edit_metadata(json), "resourceVersion", based_on);
	return json;
}

static int update(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	const char *name = json_str(request->body, "metadata", "name", NULL);
	const char *uid = json_str(request->body, "metadata", "uid", NULL);
	const cJSON *before = store_get(cluster->store, request->kind, request->ns, request->name);
	cJSON *next;

	if (!before)
		return answer_not_found(answer, request->kind, request->name);
	if (name && strcmp(name, request->name))
		return answer_bad(answer,
			"the name of the object (%s) does not match the name on the URL (%s)", name,
			request->name);
	if (uid && *uid && strcmp(uid, meta(before, "uid")))
		return conflict(request, answer);
	next = !strcmp(request->sub, "scale") ? with_scale(before, request->body)
					      : edit_copy(request->body);
	return store_next(cluster, request, next, answer);
}

void verb_update(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	if (strcmp(request->sub, "scale") && check_body(request, answer))
		return;
	store_lock(cluster->store);
	update(cluster, request, answer);
	store_unlock(cluster->store);
}

static int apply_patch(const struct request *request, cJSON *json, struct answer *answer)
{
	const char *type = request->content_type;
	struct err err;

	if (strstr(type, "json-patch+json")) {
		if (patch_json(json, request->body, &err))
			return answer_fail(answer, 422, "Invalid", "%s", err.text);
		return 0;
	}
	if (!cJSON_IsObject(request->body))
		return answer_bad(answer, "the patch is no JSON object");
	if (strstr(type, "strategic-merge-patch+json"))
		patch_strategic(json, request->body);
	else if (strstr(type, "merge-patch+json"))
		patch_merge(json, request->body);
	else
		return answer_fail(answer, 415, "UnsupportedMediaType",
			"the body of the request was in an unknown format - accepted media types "
			"include: application/json-patch+json, application/merge-patch+json, "
			"application/strategic-merge-patch+json");
	return 0;
}

static int patch(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	const cJSON *before = store_get(cluster->store, request->kind, request->ns, request->name);
	OWN_JSON cJSON *json = edit_copy(before);

	if (!before)
		return answer_not_found(answer, request->kind, request->name);
	/* A Scale is so much like its object that a patch fits both: replicas, and the version. */
	edit_del(edit_metadata(json), "resourceVersion");
	if (apply_patch(request, json, answer))
		return -1;
	return store_next(cluster, request, TAKE(json), answer);
}

void verb_patch(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	store_lock(cluster->store);
	patch(cluster, request, answer);
	store_unlock(cluster->store);
}
