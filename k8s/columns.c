/*
 * A table's cells made from the object, for a server that knows no tables: worded as the real
 * server words them, so that a choice by "Ready" and "Status" comes out the same on both.
 */
#include "k8s/k8s_internal.h"

#include <string.h>

static bool has_condition(const cJSON *pod, const char *type, const char *key, const char *value)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, json_at(pod, "status", "conditions", NULL))
	{
		const char *has = json_str(condition, "type", NULL);
		const char *is = json_str(condition, key, NULL);

		if (has && is && !strcmp(has, type) && !strcmp(is, value))
			return true;
	}
	return false;
}

/* An init container that goes on beside the others. */
static bool is_sidecar(const cJSON *pod, const char *name)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, json_at(pod, "spec", "initContainers", NULL))
	{
		const char *has = json_str(c, "name", NULL);
		const char *policy = json_str(c, "restartPolicy", NULL);

		if (has && name && !strcmp(has, name))
			return policy && !strcmp(policy, "Always");
	}
	return false;
}

/* Running containers that are ready, and all. */
static void count_ready(const cJSON *pod, int *ready, int *total)
{
	const cJSON *c;

	*ready = 0;
	*total = cJSON_GetArraySize(json_at(pod, "spec", "containers", NULL));
	cJSON_ArrayForEach(c, json_at(pod, "status", "containerStatuses",
				      NULL)) *ready += json_bool(c, 0, "ready", NULL) &&
						       json_at(c, "state", "running", NULL);
	cJSON_ArrayForEach(c, json_at(pod, "spec", "initContainers", NULL)) *total += is_sidecar(
		pod, json_str(c, "name", NULL));
	cJSON_ArrayForEach(c, json_at(pod, "status", "initContainerStatuses",
				      NULL)) *ready += is_sidecar(pod, json_str(c, "name", NULL)) &&
						       json_bool(c, 0, "ready", NULL) &&
						       json_at(c, "state", "running", NULL);
}

/* Why a container does not run, into `reason`; false: it gives none. */
static bool container_reason(const cJSON *c, const char *prefix, char *reason, size_t size)
{
	const cJSON *ended = json_at(c, "state", "terminated", NULL);
	const char *waits = json_str(c, "state", "waiting", "reason", NULL);
	const char *why = json_str(ended, "reason", NULL);
	int64_t signal = json_int(ended, 0, "signal", NULL);

	if (waits && *waits)
		snprintf(reason, size, "%s%s", prefix, waits);
	else if (why && *why)
		snprintf(reason, size, "%s%s", prefix, why);
	else if (ended && signal)
		snprintf(reason, size, "%sSignal:%d", prefix, (int)signal);
	else if (ended)
		snprintf(reason, size, "%sExitCode:%d", prefix,
			(int)json_int(ended, 0, "exitCode", NULL));
	else
		return false;
	return true;
}

/* True while init containers have not ended, and what the pod then says of itself. */
static bool init_reason(const cJSON *pod, char *reason, size_t size)
{
	int all = cJSON_GetArraySize(json_at(pod, "spec", "initContainers", NULL)), i = 0;
	const cJSON *c;

	cJSON_ArrayForEach(c, json_at(pod, "status", "initContainerStatuses", NULL))
	{
		const cJSON *ended = json_at(c, "state", "terminated", NULL);
		const char *waits = json_str(c, "state", "waiting", "reason", NULL);

		i++;
		if (ended && json_int(ended, 0, "exitCode", NULL) == 0)
			continue;
		if (is_sidecar(pod, json_str(c, "name", NULL)) && json_bool(c, 0, "started", NULL))
			continue;
		if ((!ended && (!waits || !strcmp(waits, "PodInitializing"))) ||
			!container_reason(c, "Init:", reason, size))
			snprintf(reason, size, "Init:%d/%d", i - 1, all);
		return true;
	}
	return false;
}

static void running_reason(const cJSON *pod, char *reason, size_t size)
{
	const cJSON *all = json_at(pod, "status", "containerStatuses", NULL);
	bool running = false;

	for (int i = cJSON_GetArraySize(all) - 1; i >= 0; i--) {
		const cJSON *c = cJSON_GetArrayItem(all, i);

		if (!container_reason(c, "", reason, size) && json_bool(c, 0, "ready", NULL))
			running = true;
	}
	if (running && !strcmp(reason, "Completed"))
		snprintf(reason, size, "%s",
			has_condition(pod, "Ready", "status", "True") ? "Running" : "NotReady");
}

static void pod_status(struct buf *text, const cJSON *pod)
{
	const char *phase = json_str(pod, "status", "phase", NULL);
	const char *why = json_str(pod, "status", "reason", NULL);
	char reason[256];

	snprintf(reason, sizeof(reason), "%s", why && *why ? why : phase ? phase : "");
	if (has_condition(pod, "PodScheduled", "reason", "SchedulingGated"))
		snprintf(reason, sizeof(reason), "SchedulingGated");
	if (!init_reason(pod, reason, sizeof(reason)) ||
		has_condition(pod, "Initialized", "status", "True"))
		running_reason(pod, reason, sizeof(reason));
	if (k8s_pod_terminating(pod)) {
		if (why && !strcmp(why, "NodeLost"))
			snprintf(reason, sizeof(reason), "Unknown");
		else if (!phase || (strcmp(phase, "Failed") && strcmp(phase, "Succeeded")))
			snprintf(reason, sizeof(reason), "Terminating");
	}
	buf_add_str(text, reason);
}

static void pod_column(struct buf *text, const cJSON *pod, const char *column)
{
	const char *value = NULL;
	int ready, total;

	if (!strcmp(column, "Ready")) {
		count_ready(pod, &ready, &total);
		buf_addf(text, "%d/%d", ready, total);
	} else if (!strcmp(column, "Status")) {
		pod_status(text, pod);
	} else if (!strcmp(column, "IP")) {
		value = json_str(pod, "status", "podIP", NULL);
		buf_add_str(text, value && *value ? value : "<none>");
	} else if (!strcmp(column, "Node")) {
		value = json_str(pod, "spec", "nodeName", NULL);
		buf_add_str(text, value && *value ? value : "<none>");
	}
}

int column_text(
	struct buf *text, const struct k8s_kind *kind, const cJSON *object, const char *column)
{
	const char *name = json_str(object, "metadata", "name", NULL);

	if (!strcmp(column, "Name"))
		buf_add_str(text, name ? name : "");
	else if (!strcmp(kind->kind, "Pod"))
		pod_column(text, object, column);
	else if (!strcmp(column, "Ready") &&
		 (!strcmp(kind->kind, "Deployment") || !strcmp(kind->kind, "StatefulSet")))
		buf_addf(text, "%d/%d", (int)json_int(object, 0, "status", "readyReplicas", NULL),
			(int)json_int(object, 1, "spec", "replicas", NULL));
	return buf_failed(text) ? -1 : 0;
}
