/* What the API server sets where a manifest says nothing. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/prepare.h"

#include <string.h>

static void probe_defaults(cJSON *container, const char *key)
{
	cJSON *probe = cJSON_GetObjectItemCaseSensitive(container, key), *http;

	if (!probe)
		return;
	http = cJSON_GetObjectItemCaseSensitive(probe, "httpGet");
	if (http) {
		edit_default_str(http, "path", "/");
		edit_default_str(http, "scheme", "HTTP");
	}
	edit_default_int(probe, "timeoutSeconds", 1);
	edit_default_int(probe, "periodSeconds", 10);
	edit_default_int(probe, "successThreshold", 1);
	edit_default_int(probe, "failureThreshold", 3);
}

static void container_defaults(cJSON *container)
{
	cJSON *port;

	cJSON_ArrayForEach(port, cJSON_GetObjectItemCaseSensitive(container, "ports"))
		edit_default_str(port, "protocol", "TCP");
	edit_object(container, "resources");
	probe_defaults(container, "livenessProbe");
	probe_defaults(container, "readinessProbe");
	probe_defaults(container, "startupProbe");
	edit_default_str(container, "terminationMessagePath", "/dev/termination-log");
	edit_default_str(container, "terminationMessagePolicy", "File");
	edit_default_str(container, "imagePullPolicy", "IfNotPresent");
}

static void pod_spec_defaults(cJSON *spec)
{
	cJSON *one;

	cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(spec, "initContainers"))
		container_defaults(one);
	cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(spec, "containers"))
		container_defaults(one);
	edit_default_str(spec, "restartPolicy", "Always");
	edit_default_int(spec, "terminationGracePeriodSeconds", 30);
	edit_default_str(spec, "dnsPolicy", "ClusterFirst");
	edit_object(spec, "securityContext");
	edit_default_str(spec, "schedulerName", "default-scheduler");
}

static void deployment_defaults(cJSON *spec)
{
	cJSON *strategy = edit_object(spec, "strategy"), *rolling;

	edit_default_int(spec, "replicas", 1);
	edit_default_str(strategy, "type", "RollingUpdate");
	if (same_text(json_str(strategy, "type", NULL), "RollingUpdate")) {
		rolling = edit_object(strategy, "rollingUpdate");
		edit_default_str(rolling, "maxUnavailable", "25%");
		edit_default_str(rolling, "maxSurge", "25%");
	}
	edit_default_int(spec, "revisionHistoryLimit", 10);
	edit_default_int(spec, "progressDeadlineSeconds", 600);
}

static void update_strategy_defaults(cJSON *spec, const char *key)
{
	cJSON *strategy = edit_object(spec, "updateStrategy");

	edit_default_str(strategy, "type", "RollingUpdate");
	if (same_text(json_str(strategy, "type", NULL), "RollingUpdate"))
		edit_default_int(edit_object(strategy, "rollingUpdate"), key,
			strcmp(key, "partition") ? 1 : 0);
	edit_default_int(spec, "revisionHistoryLimit", 10);
}

static void service_defaults(cJSON *spec)
{
	cJSON *port;

	edit_default_str(spec, "type", "ClusterIP");
	edit_default_str(spec, "sessionAffinity", "None");
	cJSON_ArrayForEach(port, cJSON_GetObjectItemCaseSensitive(spec, "ports"))
	{
		edit_default_str(port, "protocol", "TCP");
		if (!json_at(port, "targetPort", NULL))
			edit_int(port, "targetPort", json_int(port, 0, "port", NULL));
	}
}

static void job_defaults(cJSON *json, cJSON *spec)
{
	const char *uid = meta(json, "uid");
	cJSON *labels;

	edit_default_int(spec, "parallelism", 1);
	edit_default_int(spec, "completions", 1);
	edit_default_int(spec, "backoffLimit", 6);
	if (json_at(spec, "selector", NULL) || !*uid)
		return;
	labels = edit_object(edit_metadata(edit_object(spec, "template")), "labels");
	edit_str(labels, "batch.kubernetes.io/controller-uid", uid);
	edit_str(labels, "batch.kubernetes.io/job-name", meta(json, "name"));
	edit_str(labels, "controller-uid", uid);
	edit_str(labels, "job-name", meta(json, "name"));
	edit_str(edit_object(edit_object(spec, "selector"), "matchLabels"),
		"batch.kubernetes.io/controller-uid", uid);
}

void prepare_defaults(const struct kind *kind, cJSON *json)
{
	cJSON *spec = cJSON_GetObjectItemCaseSensitive(json, "spec");
	cJSON *template = cJSON_GetObjectItemCaseSensitive(spec, "template");

	if (kind == &kinds[KIND_SECRET])
		edit_default_str(json, "type", "Opaque");
	if (!cJSON_IsObject(spec))
		return;
	if (cJSON_IsObject(template))
		pod_spec_defaults(edit_object(template, "spec"));
	switch (kind_index(kind)) {
	case KIND_POD:
		pod_spec_defaults(spec);
		edit_default_str(spec, "serviceAccountName", "default");
		edit_default_str(spec, "serviceAccount", "default");
		break;
	case KIND_DEPLOYMENT:
		deployment_defaults(spec);
		break;
	case KIND_REPLICASET:
		edit_default_int(spec, "replicas", 1);
		break;
	case KIND_STATEFULSET:
		edit_default_int(spec, "replicas", 1);
		edit_default_str(spec, "podManagementPolicy", "OrderedReady");
		update_strategy_defaults(spec, "partition");
		break;
	case KIND_DAEMONSET:
		update_strategy_defaults(spec, "maxUnavailable");
		break;
	case KIND_SERVICE:
		service_defaults(spec);
		break;
	case KIND_JOB:
		job_defaults(json, spec);
		break;
	default:
		break;
	}
}
