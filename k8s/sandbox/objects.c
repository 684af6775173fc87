/* What may happen to any object. */
#include "k8s/sandbox/objects.h"

#include "k8s/sandbox/edit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool has_finalizer(const cJSON *object, const char *finalizer)
{
	const cJSON *one;

	cJSON_ArrayForEach(
		one, json_at(object, "metadata", "finalizers",
			     NULL)) if (same_text(one->valuestring, finalizer)) return true;
	return false;
}

static void add_finalizer(cJSON *object, const char *finalizer)
{
	if (!has_finalizer(object, finalizer))
		cJSON_AddItemToArray(edit_array(edit_metadata(object), "finalizers"),
			cJSON_CreateString(finalizer));
}

static bool is_held(const cJSON *object)
{
	return cJSON_GetArraySize(json_at(object, "metadata", "finalizers", NULL)) > 0 ||
	       cJSON_GetArraySize(json_at(object, "spec", "finalizers", NULL)) > 0;
}

const cJSON *object_replace(struct store *store, const struct kind *kind, cJSON *json)
{
	OWN_MEM char *ns = must_dup(meta(json, "namespace"));
	OWN_MEM char *name = must_dup(meta(json, "name"));
	bool over = is_terminating(json) && !is_held(json) && kind != &kinds[KIND_POD];
	const cJSON *now = store_set(store, kind, json);

	if (!over)
		return now;
	store_drop(store, kind, ns, name);
	return NULL;
}

void object_drop_finalizer(
	struct store *store, const struct kind *kind, const cJSON *object, const char *finalizer)
{
	cJSON *copy = edit_copy(object);
	cJSON *list = edit_array(edit_metadata(copy), "finalizers");

	for (int i = cJSON_GetArraySize(list) - 1; i >= 0; i--)
		if (same_text(cJSON_GetArrayItem(list, i)->valuestring, finalizer))
			cJSON_DeleteItemFromArray(list, i);
	if (!list->child)
		edit_del(edit_metadata(copy), "finalizers");
	object_replace(store, kind, copy);
}

static void mark_deleted(cJSON *json, int64_t grace_s)
{
	cJSON *metadata = edit_metadata(json);
	char text[CLOCK_RFC3339_BYTES];

	if (!json_at(metadata, "deletionTimestamp", NULL))
		edit_int(metadata, "generation", json_int(metadata, 0, "generation", NULL) + 1);
	clock_rfc3339(clock_wall_ns() + grace_s * NS_PER_S, 0, text);
	edit_str(metadata, "deletionTimestamp", text);
	edit_int(metadata, "deletionGracePeriodSeconds", grace_s);
}

static struct version *delete_pod(struct store *store, const cJSON *pod, int64_t grace_s)
{
	OWN_MEM char *ns = must_dup(meta(pod, "namespace"));
	OWN_MEM char *name = must_dup(meta(pod, "name"));
	const struct kind *kind = &kinds[KIND_POD];
	struct version *last;
	cJSON *copy;

	if (grace_s < 0)
		grace_s = json_int(pod, 30, "spec", "terminationGracePeriodSeconds", NULL);
	if (pod_is_over(pod) || !json_str(pod, "spec", "nodeName", NULL))
		grace_s = 0;
	if (is_terminating(pod) && grace_s > 0 &&
		grace_s >= json_int(pod, 0, "metadata", "deletionGracePeriodSeconds", NULL))
		return version_ref(store_get_version(store, kind, ns, name));
	copy = edit_copy(pod);
	mark_deleted(copy, grace_s);
	store_set(store, kind, copy);
	last = version_ref(store_get_version(store, kind, ns, name));
	if (grace_s == 0 && !is_held(last->json))
		store_drop(store, kind, ns, name);
	return last;
}

struct version *object_delete(struct store *store, const struct kind *kind, const char *ns,
	const char *name, int64_t grace_s, enum propagation propagation)
{
	struct version *there = version_ref(store_get_version(store, kind, ns, name));
	struct version *last;
	cJSON *copy;

	if (kind == &kinds[KIND_POD]) { /* nothing depends on a pod: however it is asked */
		last = delete_pod(store, there->json, grace_s);
		version_unref(there);
		return last;
	}
	copy = edit_copy(there->json);
	if (propagation == PROPAGATE_FOREGROUND)
		add_finalizer(copy, "foregroundDeletion");
	else if (propagation == PROPAGATE_ORPHAN)
		add_finalizer(copy, "orphan");
	if (!is_terminating(copy))
		mark_deleted(copy, 0);
	if (kind == &kinds[KIND_NAMESPACE])
		edit_str(edit_object(copy, "status"), "phase", "Terminating");
	if (is_held(copy)) {
		store_set(store, kind, copy);
		version_unref(there);
		return version_ref(store_get_version(store, kind, ns, name));
	}
	cJSON_Delete(copy);
	store_drop(store, kind, ns, name);
	return there;
}

cJSON *owner_reference(const struct kind *kind, const cJSON *owner)
{
	cJSON *reference = cJSON_CreateObject();

	edit_str(reference, "apiVersion", kind_api_version(kind));
	edit_str(reference, "kind", kind->kind);
	edit_str(reference, "name", meta(owner, "name"));
	edit_str(reference, "uid", meta(owner, "uid"));
	edit_bool(reference, "controller", true);
	edit_bool(reference, "blockOwnerDeletion", true);
	return reference;
}

/* ---- events ---- */

/* The latest event that says the same, or NULL. */
static const cJSON *same_event(struct store *store, const char *ns, const char *uid,
	const char *reason, const char *message)
{
	size_t n;
	const struct object *all = store_objects(store, &kinds[KIND_EVENT], &n);

	for (size_t i = 0; i < n; i++) {
		const cJSON *json = all[i].now->json;

		if (!strcmp(all[i].ns, ns) &&
			same_text(json_str(json, "involvedObject", "uid", NULL), uid) &&
			same_text(json_str(json, "reason", NULL), reason) &&
			same_text(json_str(json, "message", NULL), message))
			return json;
	}
	return NULL;
}

#define EVENTS_MAX 500 /* as many as are kept; the oldest go first */

static void drop_oldest_event(struct store *store)
{
	size_t n, oldest = 0;
	const struct object *all = store_objects(store, &kinds[KIND_EVENT], &n);

	if (n <= EVENTS_MAX)
		return;
	for (size_t i = 1; i < n; i++)
		if (all[i].now->rv < all[oldest].now->rv)
			oldest = i;
	store_drop(store, &kinds[KIND_EVENT], all[oldest].ns, all[oldest].name);
}

static cJSON *event_new(const struct kind *kind, const cJSON *object, const char *ns)
{
	OWN_MEM char *name = must_format(
		"%s.%016llx", meta(object, "name"), (unsigned long long)clock_wall_ns());
	cJSON *event = cJSON_CreateObject(), *about;
	char uid[UID_BYTES];

	random_uid(uid);
	edit_str(edit_metadata(event), "name", name);
	edit_str(edit_metadata(event), "namespace", ns);
	edit_str(edit_metadata(event), "uid", uid);
	edit_now(edit_metadata(event), "creationTimestamp");
	about = edit_object(event, "involvedObject");
	edit_str(about, "kind", kind->kind);
	if (*meta(object, "namespace"))
		edit_str(about, "namespace", ns);
	edit_str(about, "name", meta(object, "name"));
	edit_str(about, "uid", meta(object, "uid"));
	edit_str(about, "apiVersion", kind_api_version(kind));
	edit_str(about, "resourceVersion", meta(object, "resourceVersion"));
	return event;
}

void event_add(struct store *store, const struct kind *kind, const cJSON *object,
	const char *component, const char *type, const char *reason, const char *format, ...)
{
	const char *ns = *meta(object, "namespace") ? meta(object, "namespace") : "default";
	char message[1024];
	const cJSON *same;
	cJSON *event;
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	same = same_event(store, ns, meta(object, "uid"), reason, message);
	event = same ? edit_copy(same) : event_new(kind, object, ns);
	edit_str(event, "reason", reason);
	edit_str(event, "message", message);
	edit_str(edit_object(event, "source"), "component", component);
	if (!same)
		edit_now(event, "firstTimestamp");
	edit_now(event, "lastTimestamp");
	edit_int(event, "count", json_int(event, 0, "count", NULL) + 1);
	edit_str(event, "type", type);
	edit_set(event, "eventTime", cJSON_CreateNull());
	edit_str(event, "reportingComponent", component);
	edit_str(event, "reportingInstance", "");
	store_set(store, &kinds[KIND_EVENT], event);
	drop_oldest_event(store);
}

/* ---- conditions ---- */

static cJSON *condition_of(cJSON *status, const char *type)
{
	cJSON *list = edit_array(status, "conditions"), *one;

	cJSON_ArrayForEach(one, list) if (same_text(json_str(one, "type", NULL), type)) return one;
	one = cJSON_CreateObject();
	edit_str(one, "type", type);
	cJSON_AddItemToArray(list, one);
	return one;
}

void condition_set(
	cJSON *status, const char *type, bool value, const char *reason, const char *message)
{
	cJSON *condition = condition_of(status, type);
	const char *text = value ? "True" : "False";

	if (!same_text(json_str(condition, "status", NULL), text)) {
		edit_str(condition, "status", text);
		edit_now(condition, "lastTransitionTime");
	}
	if (reason)
		edit_str(condition, "reason", reason);
	else
		edit_del(condition, "reason");
	if (message)
		edit_str(condition, "message", message);
	else
		edit_del(condition, "message");
}

bool condition_true(const cJSON *object, const char *type)
{
	const cJSON *one;

	cJSON_ArrayForEach(one,
		json_at(object, "status", "conditions",
			NULL)) if (same_text(json_str(one, "type", NULL),
					   type)) return same_text(json_str(one, "status", NULL),
		"True");
	return false;
}

bool pod_is_ready(const cJSON *pod)
{
	return condition_true(pod, "Ready") && !is_terminating(pod);
}

bool pod_is_over(const cJSON *pod)
{
	const char *phase = json_str(pod, "status", "phase", NULL);

	return same_text(phase, "Succeeded") || same_text(phase, "Failed");
}
