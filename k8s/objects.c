/* What several callers need to know about objects. */
#include "k8s/k8s_internal.h"

#include <string.h>

#define SELECTOR_BYTES 16384

static bool is(const char *text, const char *value)
{
	return text && !strcmp(text, value);
}

bool k8s_pod_terminating(const cJSON *pod)
{
	return json_str(pod, "metadata", "deletionTimestamp", NULL) != NULL;
}

bool k8s_pod_ready(const cJSON *pod)
{
	const cJSON *condition;

	if (k8s_pod_terminating(pod) || !is(json_str(pod, "status", "phase", NULL), "Running"))
		return false;
	cJSON_ArrayForEach(condition,
		json_at(pod, "status", "conditions",
			NULL)) if (is(json_str(condition, "type", NULL),
					   "Ready")) return is(json_str(condition, "status", NULL),
		"True");
	return false;
}

/* ---- selectors ---- */

static int add_values(struct buf *text, const cJSON *values, struct err *err)
{
	const cJSON *value;

	if (!cJSON_GetArraySize(values))
		return err_set(err, ERR_FORMAT, "a selector: In or NotIn without values");
	buf_add_str(text, "(");
	cJSON_ArrayForEach(value, values)
	{
		if (!cJSON_IsString(value))
			return err_set(err, ERR_FORMAT, "a selector: a value that is no string");
		buf_addf(text, "%s%s", value == values->child ? "" : ",", value->valuestring);
	}
	buf_add_str(text, ")");
	return 0;
}

static int add_expression(struct buf *text, const cJSON *expression, struct err *err)
{
	const char *key = json_str(expression, "key", NULL);
	const char *op = json_str(expression, "operator", NULL);
	const cJSON *values = json_at(expression, "values", NULL);

	if (!key || !*key)
		return err_set(err, ERR_FORMAT, "a selector: an expression without a key");
	if (text->len)
		buf_add_str(text, ",");
	if (is(op, "Exists"))
		return buf_add_str(text, key);
	if (is(op, "DoesNotExist"))
		return buf_addf(text, "!%s", key);
	if (!is(op, "In") && !is(op, "NotIn"))
		return err_set(
			err, ERR_FORMAT, "a selector: unknown operator \"%s\"", op ? op : "");
	buf_addf(text, "%s %s ", key, is(op, "In") ? "in" : "notin");
	return add_values(text, values, err);
}

/* An empty selector selects everything and an absent one nothing: neither may end as an empty
 * query, which would be all pods of the namespace. */
int k8s_selector_text(const cJSON *label_selector, char **ret_text, struct err *err)
{
	OWN_BUF struct buf text;
	const cJSON *item;

	buf_init(&text, SELECTOR_BYTES);
	cJSON_ArrayForEach(item, json_at(label_selector, "matchLabels", NULL))
	{
		if (!cJSON_IsString(item))
			return err_set(
				err, ERR_FORMAT, "a selector: label %s is no string", item->string);
		buf_addf(&text, "%s%s=%s", text.len ? "," : "", item->string, item->valuestring);
	}
	cJSON_ArrayForEach(item, json_at(label_selector, "matchExpressions",
					 NULL)) if (add_expression(&text, item, err)) return -1;
	if (!text.len && !buf_failed(&text))
		return err_set(err, ERR_FORMAT, "a selector without labels or expressions");
	*ret_text = buf_take(&text);
	return *ret_text ? 0 : err_set(err, ERR_NOMEM, "a selector of more than 16 KiB");
}

/* ---- rolled out? ---- */

struct rollout {
	int64_t want, updated, ready, available, all;
};

/* The controller has seen this version of the object. */
static bool observed(const cJSON *object)
{
	return json_int(object, 0, "status", "observedGeneration", NULL) >=
	       json_int(object, 0, "metadata", "generation", NULL);
}

static bool on_delete(const cJSON *object)
{
	return is(json_str(object, "spec", "updateStrategy", "type", NULL), "OnDelete");
}

static bool deadline_exceeded(const cJSON *deployment)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition,
		json_at(deployment, "status", "conditions",
			NULL)) if (is(json_str(condition, "type", NULL),
					   "Progressing")) return is(json_str(condition, "reason",
									     NULL),
		"ProgressDeadlineExceeded");
	return false;
}

static char *missing_deployment(const cJSON *object)
{
	struct rollout r = {
		.want = json_int(object, 1, "spec", "replicas", NULL),
		.updated = json_int(object, 0, "status", "updatedReplicas", NULL),
		.ready = json_int(object, 0, "status", "readyReplicas", NULL),
		.available = json_int(object, 0, "status", "availableReplicas", NULL),
		.all = json_int(object, 0, "status", "replicas", NULL),
	};
	const char *late = deadline_exceeded(object) ? ", its progress deadline is exceeded" : "";

	if (r.updated < r.want)
		return str_format("%d of %d updated%s", (int)r.updated, (int)r.want, late);
	if (r.all > r.updated)
		return str_format("%d old pods are still there%s", (int)(r.all - r.updated), late);
	if (r.ready < r.want)
		return str_format("%d of %d ready%s", (int)r.ready, (int)r.want, late);
	if (r.available < r.want)
		return str_format("%d of %d available%s", (int)r.available, (int)r.want, late);
	return NULL;
}

static char *missing_statefulset(const cJSON *object)
{
	int64_t want = json_int(object, 1, "spec", "replicas", NULL);
	int64_t keep = json_int(
		object, 0, "spec", "updateStrategy", "rollingUpdate", "partition", NULL);
	int64_t updated = json_int(object, 0, "status", "updatedReplicas", NULL);
	int64_t ready = json_int(object, 0, "status", "readyReplicas", NULL);
	const char *current = json_str(object, "status", "currentRevision", NULL);
	const char *update = json_str(object, "status", "updateRevision", NULL);
	bool moving = update && !is(current, update) && !on_delete(object);

	if (ready < want)
		return str_format("%d of %d ready", (int)ready, (int)want);
	if (moving && keep < want && updated < want - keep)
		return str_format("%d of %d updated", (int)updated, (int)(want - keep));
	if (moving && !keep)
		return str_format("%d of %d updated, its revision has not moved yet", (int)updated,
			(int)want);
	return NULL;
}

static char *missing_daemonset(const cJSON *object)
{
	int64_t want = json_int(object, 0, "status", "desiredNumberScheduled", NULL);
	int64_t updated = json_int(object, 0, "status", "updatedNumberScheduled", NULL);
	int64_t ready = json_int(object, 0, "status", "numberReady", NULL);
	int64_t available = json_int(object, 0, "status", "numberAvailable", NULL);

	if (updated < want && !on_delete(object))
		return str_format("%d of %d updated", (int)updated, (int)want);
	if (ready < want)
		return str_format("%d of %d ready", (int)ready, (int)want);
	if (available < want)
		return str_format("%d of %d available", (int)available, (int)want);
	return NULL;
}

bool k8s_job_failed(const cJSON *job)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition, json_at(job, "status", "conditions", NULL))
	{
		if (is(json_str(condition, "type", NULL), "Failed") &&
			is(json_str(condition, "status", NULL), "True"))
			return true;
	}
	return false;
}

/* A Job has no observedGeneration; its end is a condition. */
static char *missing_job(const cJSON *object)
{
	int64_t want = json_int(object, 1, "spec", "completions", NULL);
	int64_t ended = json_int(object, 0, "status", "succeeded", NULL);
	int64_t failed = json_int(object, 0, "status", "failed", NULL);
	const cJSON *condition;

	cJSON_ArrayForEach(condition, json_at(object, "status", "conditions", NULL))
	{
		if (is(json_str(condition, "type", NULL), "Complete") &&
			is(json_str(condition, "status", NULL), "True"))
			return NULL;
	}
	return str_format("%d of %d completed, %d failed", (int)ended, (int)want, (int)failed);
}

static const struct {
	const char *kind;
	char *(*missing)(const cJSON *object);
} rollouts[] = {
	{ "Job", missing_job },
	{ "Deployment", missing_deployment },
	{ "StatefulSet", missing_statefulset },
	{ "DaemonSet", missing_daemonset },
};

bool k8s_rolled_out(const cJSON *object, char **ret_why)
{
	const char *kind = json_str(object, "kind", NULL);
	OWN_MEM char *why = NULL;

	if (ret_why)
		*ret_why = NULL;
	for (size_t i = 0; i < ARRAY_LEN(rollouts); i++) {
		if (!is(kind, rollouts[i].kind))
			continue;
		why = is(kind, "Job") || observed(object)
			      ? rollouts[i].missing(object)
			      : strdup("its controller has not seen it yet");
		if (!why)
			return true;
		if (ret_why)
			*ret_why = TAKE(why);
		return false;
	}
	return true;
}
