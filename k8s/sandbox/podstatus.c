/* What a kubelet tells the API server about a pod. */
#include "base/buf.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/pod.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_time(cJSON *object, const char *key, int64_t wall_s)
{
	char text[CLOCK_RFC3339_BYTES];

	clock_rfc3339(wall_s * NS_PER_S, 0, text);
	edit_str(object, key, text);
}

bool pod_initialized(const struct pod *pod)
{
	for (size_t i = 0; i < pod->n_init; i++)
		if (pod->containers[i].state != CONTAINER_ENDED || pod->containers[i].end.exit_code)
			return false;
	return pod->volumes_made;
}

const char *pod_phase(const struct pod *pod)
{
	if (pod->failed_reason && pod->over)
		return "Failed";
	if (pod->over) {
		for (size_t i = 0; i < pod->n; i++)
			if (pod->containers[i].end.exit_code)
				return "Failed";
		return "Succeeded";
	}
	for (size_t i = pod->n_init; i < pod->n; i++)
		if (pod->containers[i].ever_ran)
			return "Running";
	return "Pending";
}

static void set_ended(cJSON *state, const struct run_end *end)
{
	cJSON *ended = edit_object(state, "terminated");

	edit_int(ended, "exitCode", end->exit_code);
	edit_str(ended, "reason", end->reason);
	if (*end->message)
		edit_str(ended, "message", end->message);
	set_time(ended, "startedAt", end->started_s);
	set_time(ended, "finishedAt", end->finished_s);
	if (*end->id)
		edit_str(ended, "containerID", end->id);
}

/* What could not start and will be tried again is told as waiting, its end as the last one. */
static bool waits_to_start(const struct pod *pod, const struct container *container)
{
	return container->state == CONTAINER_ENDED &&
	       !strcmp(container->end.reason, "StartError") && !container_is_over(pod, container);
}

static void set_state(cJSON *state, const struct pod *pod, const struct container *container)
{
	cJSON *waiting;

	switch (container->state) {
	case CONTAINER_RUNNING:
		set_time(edit_object(state, "running"), "startedAt", container->started_s);
		break;
	case CONTAINER_ENDED:
		if (!waits_to_start(pod, container)) {
			set_ended(state, &container->end);
			break;
		}
		waiting = edit_object(state, "waiting");
		edit_str(waiting, "reason", "RunContainerError");
		edit_str(waiting, "message", container->end.message);
		break;
	case CONTAINER_WAITING:
		waiting = edit_object(state, "waiting");
		if (pod->n_init && !container_is_init(pod, container) && !pod_initialized(pod))
			edit_str(waiting, "reason", "PodInitializing");
		else
			edit_str(waiting, "reason", container->reason);
		if (*container->message)
			edit_str(waiting, "message", container->message);
		break;
	}
}

static cJSON *container_status(const struct pod *pod, const struct container *container)
{
	const char *image = json_str(container->spec, "image", NULL);
	cJSON *status = cJSON_CreateObject(), *last;
	bool init = container_is_init(pod, container);

	edit_str(status, "name", container->name);
	set_state(edit_object(status, "state"), pod, container);
	last = edit_object(status, "lastState");
	if (container->end.there &&
		(container->state == CONTAINER_WAITING || waits_to_start(pod, container)))
		set_ended(last, &container->end);
	else if (container->last.there)
		set_ended(last, &container->last);
	edit_bool(status, "ready",
		init ? container->state == CONTAINER_ENDED && !container->end.exit_code
		     : container_is_ready(container));
	edit_int(status, "restartCount", container->restarts);
	edit_str(status, "image", image ? image : "");
	edit_str(status, "imageID", "");
	if (*container->id)
		edit_str(status, "containerID", container->id);
	edit_bool(status, "started", !init && container_has_started(container));
	return status;
}

static void set_statuses(cJSON *status, const struct pod *pod)
{
	cJSON *inits, *mains;

	if (pod->n_init) {
		inits = edit_set(status, "initContainerStatuses", cJSON_CreateArray());
		for (size_t i = 0; i < pod->n_init; i++)
			cJSON_AddItemToArray(inits, container_status(pod, &pod->containers[i]));
	}
	mains = edit_set(status, "containerStatuses", cJSON_CreateArray());
	for (size_t i = pod->n_init; i < pod->n; i++)
		cJSON_AddItemToArray(mains, container_status(pod, &pod->containers[i]));
}

/* The containers that are not ready, as the message of a condition has them; "": all are. */
static void unready_names(const struct pod *pod, struct buf *out)
{
	for (size_t i = pod->n_init; i < pod->n; i++)
		if (!container_is_ready(&pod->containers[i]))
			buf_addf(out, "%s%s", out->len ? " " : "", pod->containers[i].name);
}

static void set_ready(cJSON *status, const struct pod *pod)
{
	OWN_BUF struct buf names = { .max_bytes = 4096 };
	OWN_MEM char *message = NULL;
	const char *phase = pod_phase(pod), *reason = "ContainersNotReady";

	unready_names(pod, &names);
	message = must_format("containers with unready status: [%s]", buf_str(&names));
	if (!strcmp(phase, "Failed"))
		reason = "PodFailed";
	else if (!strcmp(phase, "Succeeded"))
		reason = "PodCompleted";
	condition_set(status, "Ready", !names.len, names.len ? reason : NULL,
		names.len && !pod->over ? message : NULL);
	condition_set(status, "ContainersReady", !names.len, names.len ? reason : NULL,
		names.len && !pod->over ? message : NULL);
}

static void set_initialized(cJSON *status, const struct pod *pod)
{
	OWN_BUF struct buf names = { .max_bytes = 4096 };
	OWN_MEM char *message = NULL;
	bool done = true;

	for (size_t i = 0; i < pod->n_init; i++) {
		const struct container *one = &pod->containers[i];

		if (one->state == CONTAINER_ENDED && !one->end.exit_code)
			continue;
		done = false;
		buf_addf(&names, "%s%s", names.len ? " " : "", one->name);
	}
	message = must_format("containers with incomplete status: [%s]", buf_str(&names));
	condition_set(status, "Initialized", done, done ? NULL : "ContainersNotInitialized",
		done ? NULL : message);
}

static void set_addresses(cJSON *status, const struct pod *pod)
{
	cJSON *list, *one;

	edit_str(status, "hostIP", "127.0.0.1");
	edit_str(status, "podIP", pod->ip_text);
	list = edit_set(status, "podIPs", cJSON_CreateArray());
	one = cJSON_CreateObject();
	edit_str(one, "ip", pod->ip_text);
	cJSON_AddItemToArray(list, one);
}

/* With the lock held. NULL: the object is gone, or another one has its name. */
static const cJSON *own_object(struct pod *pod)
{
	const cJSON *json = store_get(pod->cluster->store, &kinds[KIND_POD], pod->ns, pod->name);

	return json && !strcmp(meta(json, "uid"), pod->uid) ? json : NULL;
}

static void fill_status(cJSON *copy, const struct pod *pod)
{
	cJSON *status = edit_object(copy, "status");

	edit_str(status, "phase", pod_phase(pod));
	if (pod->failed_reason) {
		edit_str(status, "reason", pod->failed_reason);
		edit_str(status, "message",
			"Pod was active on the node longer than the specified deadline");
	}
	condition_set(status, "PodReadyToStartContainers", pod->volumes_made, NULL, NULL);
	set_initialized(status, pod);
	set_ready(status, pod);
	condition_set(status, "PodScheduled", true, NULL, NULL);
	set_addresses(status, pod);
	set_time(status, "startTime", pod->start_s);
	set_statuses(status, pod);
}

void pod_report(struct pod *pod)
{
	struct store *store = pod->cluster->store;
	const cJSON *json;

	if (!pod->changed)
		return;
	pod->changed = false;
	store_lock(store);
	json = own_object(pod);
	if (json) {
		cJSON *copy = edit_copy(json);

		fill_status(copy, pod);
		store_set(store, &kinds[KIND_POD], copy);
	}
	store_unlock(store);
}

void pod_forget(struct pod *pod)
{
	struct store *store = pod->cluster->store;
	const cJSON *json;

	store_lock(store);
	json = own_object(pod);
	if (json && !cJSON_GetArraySize(json_at(json, "metadata", "finalizers", NULL)))
		store_drop(store, &kinds[KIND_POD], pod->ns, pod->name);
	store_unlock(store);
}

void pod_event(struct pod *pod, const char *type, const char *reason, const char *format, ...)
{
	char message[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	store_lock(pod->cluster->store);
	event_add(pod->cluster->store, &kinds[KIND_POD], pod->json, "kubelet", type, reason, "%s",
		message);
	store_unlock(pod->cluster->store);
}
