/* The kinds that the sandbox knows. */
#include "k8s/sandbox/kinds.h"

#include <stdio.h>
#include <string.h>

/* kind, plural, singular, group, version, brief, namespaced, in_all, scale, status */
const struct kind kinds[KIND_COUNT] = {
	[KIND_CONFIGMAP] = { "ConfigMap", "configmaps", "configmap", "", "v1", "cm", true, false,
		false, false },
	[KIND_ENDPOINTS] = { "Endpoints", "endpoints", "endpoints", "", "v1", "ep", true, false,
		false, false },
	[KIND_EVENT] = { "Event", "events", "event", "", "v1", "ev", true, false, false, false },
	[KIND_NAMESPACE] = { "Namespace", "namespaces", "namespace", "", "v1", "ns", false, false,
		false, true },
	[KIND_NODE] = { "Node", "nodes", "node", "", "v1", "no", false, false, false, true },
	[KIND_CLAIM] = { "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim",
		"", "v1", "pvc", true, false, false, true },
	[KIND_POD] = { "Pod", "pods", "pod", "", "v1", "po", true, true, false, true },
	[KIND_SECRET] = { "Secret", "secrets", "secret", "", "v1", NULL, true, false, false,
		false },
	[KIND_SERVICEACCOUNT] = { "ServiceAccount", "serviceaccounts", "serviceaccount", "", "v1",
		"sa", true, false, false, false },
	[KIND_SERVICE] = { "Service", "services", "service", "", "v1", "svc", true, true, false,
		true },
	[KIND_DAEMONSET] = { "DaemonSet", "daemonsets", "daemonset", "apps", "v1", "ds", true, true,
		false, true },
	[KIND_DEPLOYMENT] = { "Deployment", "deployments", "deployment", "apps", "v1", "deploy",
		true, true, true, true },
	[KIND_REPLICASET] = { "ReplicaSet", "replicasets", "replicaset", "apps", "v1", "rs", true,
		true, true, true },
	[KIND_STATEFULSET] = { "StatefulSet", "statefulsets", "statefulset", "apps", "v1", "sts",
		true, true, true, true },
	[KIND_JOB] = { "Job", "jobs", "job", "batch", "v1", NULL, true, true, false, true },
	[KIND_PDB] = { "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget",
		"policy", "v1", "pdb", true, false, false, true },
};

const struct kind *kind_routed(const char *group, const char *version, const char *plural)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (!strcmp(kinds[i].group, group) && !strcmp(kinds[i].version, version) &&
			!strcmp(kinds[i].plural, plural))
			return &kinds[i];
	return NULL;
}

/* "GROUP/VERSION" of each kind, "KIND.GROUP" and "PLURAL.GROUP", made once at the first use. */
static const char *api_versions[] = {
	[0] = "v1", [1] = "apps/v1", [2] = "batch/v1", [3] = "policy/v1"
};

const char *kind_api_version(const struct kind *kind)
{
	size_t len = strlen(kind->group);

	for (size_t i = 1; len && i < sizeof(api_versions) / sizeof(api_versions[0]); i++)
		if (!strncmp(api_versions[i], kind->group, len) && api_versions[i][len] == '/')
			return api_versions[i];
	return api_versions[0];
}

const struct kind *kind_named(const char *api_version, const char *name)
{
	for (size_t i = 0; api_version && name && i < KIND_COUNT; i++)
		if (!strcmp(kinds[i].kind, name) &&
			!strcmp(kind_api_version(&kinds[i]), api_version))
			return &kinds[i];
	return NULL;
}

static const char *with_group(const char *name, const char *group, char *out, size_t size)
{
	if (!*group)
		return name;
	snprintf(out, size, "%s.%s", name, group);
	return out;
}

const char *kind_qualified(const struct kind *kind)
{
	static _Thread_local char text[64];

	return with_group(kind->kind, kind->group, text, sizeof(text));
}

const char *kind_resource(const struct kind *kind)
{
	static _Thread_local char text[64];

	return with_group(kind->plural, kind->group, text, sizeof(text));
}
