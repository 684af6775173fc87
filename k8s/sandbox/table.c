/* Tables: the columns that `kubectl get` shows, and how their cells are made. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/present.h"
#include "k8s/sandbox/selector.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct column {
	const char *name, *type;
	int wide; /* shown with -o wide only */
};

#define NAME                        \
	{                           \
		"Name", "string", 0 \
	}
#define AGE                        \
	{                          \
		"Age", "string", 0 \
	}
#define END                   \
	{                     \
		NULL, NULL, 0 \
	}

static const struct column pod_columns[] = { NAME, { "Ready", "string", 0 },
	{ "Status", "string", 0 }, { "Restarts", "string", 0 }, AGE, { "IP", "string", 1 },
	{ "Node", "string", 1 }, { "Nominated Node", "string", 1 },
	{ "Readiness Gates", "string", 1 }, END };
static const struct column deployment_columns[] = { NAME, { "Ready", "string", 0 },
	{ "Up-to-date", "integer", 0 }, { "Available", "integer", 0 }, AGE,
	{ "Containers", "string", 1 }, { "Images", "string", 1 }, { "Selector", "string", 1 },
	END };
static const struct column replicaset_columns[] = { NAME, { "Desired", "integer", 0 },
	{ "Current", "integer", 0 }, { "Ready", "integer", 0 }, AGE, { "Containers", "string", 1 },
	{ "Images", "string", 1 }, { "Selector", "string", 1 }, END };
static const struct column statefulset_columns[] = { NAME, { "Ready", "string", 0 }, AGE,
	{ "Containers", "string", 1 }, { "Images", "string", 1 }, END };
static const struct column daemonset_columns[] = { NAME, { "Desired", "integer", 0 },
	{ "Current", "integer", 0 }, { "Ready", "integer", 0 }, { "Up-to-date", "integer", 0 },
	{ "Available", "integer", 0 }, { "Node Selector", "string", 0 }, AGE,
	{ "Containers", "string", 1 }, { "Images", "string", 1 }, { "Selector", "string", 1 },
	END };
static const struct column job_columns[] = { NAME, { "Status", "string", 0 },
	{ "Completions", "string", 0 }, { "Duration", "string", 0 }, AGE,
	{ "Containers", "string", 1 }, { "Images", "string", 1 }, { "Selector", "string", 1 },
	END };
static const struct column service_columns[] = { NAME, { "Type", "string", 0 },
	{ "Cluster-IP", "string", 0 }, { "External-IP", "string", 0 }, { "Port(s)", "string", 0 },
	AGE, { "Selector", "string", 1 }, END };
static const struct column node_columns[] = { NAME, { "Status", "string", 0 },
	{ "Roles", "string", 0 }, AGE, { "Version", "string", 0 }, END };
static const struct column namespace_columns[] = { NAME, { "Status", "string", 0 }, AGE, END };
static const struct column data_columns[] = { NAME, { "Data", "string", 0 }, AGE, END };
static const struct column event_columns[] = { { "Last Seen", "string", 0 },
	{ "Type", "string", 0 }, { "Reason", "string", 0 }, { "Object", "string", 0 },
	{ "Message", "string", 0 }, { "Name", "string", 1 }, END };
static const struct column other_columns[] = { NAME, AGE, END };

static const struct column *columns_of(const struct kind *kind)
{
	switch (kind_index(kind)) {
	case KIND_POD:
		return pod_columns;
	case KIND_DEPLOYMENT:
		return deployment_columns;
	case KIND_REPLICASET:
		return replicaset_columns;
	case KIND_STATEFULSET:
		return statefulset_columns;
	case KIND_DAEMONSET:
		return daemonset_columns;
	case KIND_JOB:
		return job_columns;
	case KIND_SERVICE:
		return service_columns;
	case KIND_NODE:
		return node_columns;
	case KIND_NAMESPACE:
		return namespace_columns;
	case KIND_CONFIGMAP:
		return data_columns;
	case KIND_EVENT:
		return event_columns;
	default:
		return other_columns;
	}
}

cJSON *table_columns(const struct kind *kind)
{
	cJSON *list = cJSON_CreateArray();

	for (const struct column *c = columns_of(kind); c->name; c++) {
		cJSON *column = cJSON_CreateObject();

		edit_str(column, "name", c->name);
		edit_str(column, "type", c->type);
		edit_str(column, "format", strcmp(c->name, "Name") ? "" : "name");
		edit_str(column, "description", "");
		edit_int(column, "priority", c->wide);
		cJSON_AddItemToArray(list, column);
	}
	return list;
}

void table_age(int64_t s, char *out, size_t size)
{
	int64_t m = s / 60, h = s / 3600, d = h / 24;

	if (s < 0)
		snprintf(out, size, s < -1 ? "<invalid>" : "0s");
	else if (s < 120)
		snprintf(out, size, "%" PRId64 "s", s);
	else if (m < 10 && s % 60)
		snprintf(out, size, "%" PRId64 "m%" PRId64 "s", m, s % 60);
	else if (m < 180)
		snprintf(out, size, "%" PRId64 "m", m);
	else if (h < 8 && m % 60)
		snprintf(out, size, "%" PRId64 "h%" PRId64 "m", h, m % 60);
	else if (h < 48)
		snprintf(out, size, "%" PRId64 "h", h);
	else if (d < 8 && h % 24)
		snprintf(out, size, "%" PRId64 "d%" PRId64 "h", d, h % 24);
	else
		snprintf(out, size, "%" PRId64 "d", d);
}

static void age_since(const char *time, char *out, size_t size)
{
	if (time_of(time))
		table_age(time_wall_s() - time_of(time), out, size);
	else
		snprintf(out, size, "<unknown>");
}

/* ---- pods ---- */

static const char *state_reason(const cJSON *status, char *room, size_t size)
{
	const cJSON *ended = json_at(status, "state", "terminated", NULL);
	const char *reason = json_str(status, "state", "waiting", "reason", NULL);

	if (reason || !ended)
		return reason;
	reason = json_str(ended, "reason", NULL);
	if (reason && *reason)
		return reason;
	snprintf(room, size, "ExitCode:%" PRId64, json_int(ended, 0, "exitCode", NULL));
	return room;
}

/* True: still initializing, and `status` says how far. */
static bool init_summary(const cJSON *pod, char *status, size_t size)
{
	int total = cJSON_GetArraySize(json_at(pod, "spec", "initContainers", NULL)), i = 0;
	const cJSON *one;
	char room[32];

	cJSON_ArrayForEach(one, json_at(pod, "status", "initContainerStatuses", NULL))
	{
		const cJSON *ended = json_at(one, "state", "terminated", NULL);
		const char *reason = state_reason(one, room, sizeof(room));

		if (ended && json_int(ended, 0, "exitCode", NULL) == 0) {
			i++;
			continue;
		}
		if (reason && strcmp(reason, "PodInitializing"))
			snprintf(status, size, "Init:%s", reason);
		else
			snprintf(status, size, "Init:%d/%d", i, total);
		return true;
	}
	return false;
}

void pod_summary(const cJSON *pod, char *status, size_t size, int *ret_ready, int *ret_total,
	int *ret_restarts)
{
	const char *phase = json_str(pod, "status", "phase", NULL);
	const char *why = json_str(pod, "status", "reason", NULL);
	bool initializing, running = false;
	const cJSON *one;
	char room[32];

	*ret_ready = *ret_restarts = 0;
	*ret_total = cJSON_GetArraySize(json_at(pod, "spec", "containers", NULL));
	snprintf(status, size, "%s", why && *why ? why : phase ? phase : "Unknown");
	initializing = init_summary(pod, status, size);
	cJSON_ArrayForEach(one, json_at(pod, "status", "containerStatuses", NULL))
	{
		const char *reason = state_reason(one, room, sizeof(room));

		*ret_restarts += (int)json_int(one, 0, "restartCount", NULL);
		if (json_bool(one, 0, "ready", NULL) && json_at(one, "state", "running", NULL))
			++*ret_ready, running = true;
		if (reason && !initializing)
			snprintf(status, size, "%s", reason);
	}
	if (running && !strcmp(status, "Completed"))
		snprintf(status, size, "Running");
	if (is_terminating(pod))
		snprintf(status, size, "Terminating");
}

/* ---- cells ---- */

static void cell(cJSON *cells, const char *text)
{
	cJSON_AddItemToArray(cells, cJSON_CreateString(text && *text ? text : "<none>"));
}

static void cell_int(cJSON *cells, int64_t n)
{
	cJSON_AddItemToArray(cells, cJSON_CreateNumber((double)n));
}

static void cell_format(cJSON *cells, int64_t a, int64_t b)
{
	OWN_MEM char *text = must_format("%" PRId64 "/%" PRId64, a, b);

	cell(cells, text);
}

static void cell_age(cJSON *cells, const cJSON *json)
{
	char age[24];

	age_since(meta(json, "creationTimestamp"), age, sizeof(age));
	cell(cells, age);
}

static int64_t status_int(const cJSON *json, const char *key)
{
	return json_int(json, 0, "status", key, NULL);
}

/* Names and images of a template's containers, and the selector. */
static void cells_wide(cJSON *cells, const cJSON *json, bool selector)
{
	static const char *const keys[] = { "name", "image" };
	const cJSON *list = json_at(json, "spec", "template", "spec", "containers", NULL), *one;

	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		OWN_BUF struct buf text = { .max_bytes = 65536 };

		cJSON_ArrayForEach(one, list)
		{
			const char *value = json_str(one, keys[k], NULL);

			buf_addf(&text, "%s%s", text.len ? "," : "", value ? value : "");
		}
		cell(cells, buf_str(&text));
	}
	if (selector) {
		OWN_MEM char *text = label_selector_text(json_at(json, "spec", "selector", NULL));

		cell(cells, text);
	}
}

static void pod_cells(cJSON *cells, const cJSON *json)
{
	char status[128], restarts[64];
	int ready, total, n;
	const char *last = NULL;
	const cJSON *one;

	pod_summary(json, status, sizeof(status), &ready, &total, &n);
	cell_format(cells, ready, total);
	cell(cells, status);
	cJSON_ArrayForEach(one, json_at(json, "status", "containerStatuses", NULL))
	{
		const char *at = json_str(one, "lastState", "terminated", "finishedAt", NULL);

		if (at && time_of(at) > time_of(last))
			last = at;
	}
	snprintf(restarts, sizeof(restarts), "%d", n);
	if (n && last) {
		char ago[24];

		age_since(last, ago, sizeof(ago));
		snprintf(restarts, sizeof(restarts), "%d (%s ago)", n, ago);
	}
	cell(cells, restarts);
	cell_age(cells, json);
	cell(cells, json_str(json, "status", "podIP", NULL));
	cell(cells, json_str(json, "spec", "nodeName", NULL));
	cell(cells, NULL);
	cell(cells, NULL);
}

static void service_cells(cJSON *cells, const cJSON *json)
{
	OWN_BUF struct buf ports = { .max_bytes = 65536 };
	OWN_BUF struct buf selector = { .max_bytes = 65536 };
	const cJSON *one;

	cell(cells, json_str(json, "spec", "type", NULL));
	cell(cells, json_str(json, "spec", "clusterIP", NULL));
	cell(cells, NULL);
	cJSON_ArrayForEach(one, json_at(json, "spec", "ports", NULL))
		buf_addf(&ports, "%s%" PRId64 "/%s", ports.len ? "," : "",
			json_int(one, 0, "port", NULL), json_str(one, "protocol", NULL));
	cell(cells, buf_str(&ports));
	cell_age(cells, json);
	cJSON_ArrayForEach(one, json_at(json, "spec", "selector", NULL))
		buf_addf(&selector, "%s%s=%s", selector.len ? "," : "", one->string,
			one->valuestring ? one->valuestring : "");
	cell(cells, buf_str(&selector));
}

static void node_cells(cJSON *cells, const cJSON *json)
{
	bool off = json_bool(json, 0, "spec", "unschedulable", NULL);

	cell(cells, off ? "Ready,SchedulingDisabled" : "Ready");
	cell(cells, NULL);
	cell_age(cells, json);
	cell(cells, json_str(json, "status", "nodeInfo", "kubeletVersion", NULL));
}

static void daemonset_cells(cJSON *cells, const cJSON *json)
{
	cell_int(cells, status_int(json, "desiredNumberScheduled"));
	cell_int(cells, status_int(json, "currentNumberScheduled"));
	cell_int(cells, status_int(json, "numberReady"));
	cell_int(cells, status_int(json, "updatedNumberScheduled"));
	cell_int(cells, status_int(json, "numberAvailable"));
	cell(cells, NULL);
	cell_age(cells, json);
	cells_wide(cells, json, true);
}

static void job_cells(cJSON *cells, const cJSON *json)
{
	const char *start = json_str(json, "status", "startTime", NULL);
	const char *end = json_str(json, "status", "completionTime", NULL);
	const char *state = "Running";
	const cJSON *one;
	char took[24] = "";

	cJSON_ArrayForEach(one, json_at(json, "status", "conditions", NULL))
	{
		const char *type = json_str(one, "type", NULL);

		if (same_text(type, "Complete") || same_text(type, "Failed"))
			state = type;
	}
	cell(cells, state);
	cell_format(cells, status_int(json, "succeeded"),
		json_int(json, 1, "spec", "completions", NULL));
	if (start)
		table_age(
			(end ? time_of(end) : time_wall_s()) - time_of(start), took, sizeof(took));
	cJSON_AddItemToArray(cells, cJSON_CreateString(took));
	cell_age(cells, json);
	cells_wide(cells, json, true);
}

static cJSON *event_cells(const cJSON *json)
{
	cJSON *cells = cJSON_CreateArray();
	const char *last = json_str(json, "lastTimestamp", NULL);
	const char *kind = json_str(json, "involvedObject", "kind", NULL);
	OWN_MEM char *object = NULL;
	char age[24];

	age_since(last, age, sizeof(age));
	cell(cells, age);
	cell(cells, json_str(json, "type", NULL));
	cell(cells, json_str(json, "reason", NULL));
	object = must_format(
		"%s/%s", kind ? kind : "", json_str(json, "involvedObject", "name", NULL));
	for (char *c = object; *c && *c != '/'; c++)
		*c |= 0x20;
	cell(cells, object);
	cell(cells, json_str(json, "message", NULL));
	cell(cells, meta(json, "name"));
	return cells;
}

static void deployment_cells(cJSON *cells, const cJSON *json)
{
	cell_format(cells, status_int(json, "readyReplicas"),
		json_int(json, 0, "spec", "replicas", NULL));
	cell_int(cells, status_int(json, "updatedReplicas"));
	cell_int(cells, status_int(json, "availableReplicas"));
	cell_age(cells, json);
	cells_wide(cells, json, true);
}

static void replicaset_cells(cJSON *cells, const cJSON *json)
{
	cell_int(cells, json_int(json, 0, "spec", "replicas", NULL));
	cell_int(cells, status_int(json, "replicas"));
	cell_int(cells, status_int(json, "readyReplicas"));
	cell_age(cells, json);
	cells_wide(cells, json, true);
}

static void statefulset_cells(cJSON *cells, const cJSON *json)
{
	cell_format(cells, status_int(json, "readyReplicas"),
		json_int(json, 0, "spec", "replicas", NULL));
	cell_age(cells, json);
	cells_wide(cells, json, false);
}

cJSON *table_cells(const struct kind *kind, const cJSON *json)
{
	cJSON *cells;

	if (kind == &kinds[KIND_EVENT])
		return event_cells(json);
	cells = cJSON_CreateArray();
	cell(cells, meta(json, "name"));
	switch (kind_index(kind)) {
	case KIND_POD:
		pod_cells(cells, json);
		break;
	case KIND_DEPLOYMENT:
		deployment_cells(cells, json);
		break;
	case KIND_REPLICASET:
		replicaset_cells(cells, json);
		break;
	case KIND_STATEFULSET:
		statefulset_cells(cells, json);
		break;
	case KIND_DAEMONSET:
		daemonset_cells(cells, json);
		break;
	case KIND_JOB:
		job_cells(cells, json);
		break;
	case KIND_SERVICE:
		service_cells(cells, json);
		break;
	case KIND_NODE:
		node_cells(cells, json);
		break;
	case KIND_NAMESPACE:
		cell(cells, json_str(json, "status", "phase", NULL));
		cell_age(cells, json);
		break;
	case KIND_CONFIGMAP:
		cell_int(cells, cJSON_GetArraySize(json_at(json, "data", NULL)) +
					cJSON_GetArraySize(json_at(json, "binaryData", NULL)));
		cell_age(cells, json);
		break;
	default:
		cell_age(cells, json);
	}
	return cells;
}
