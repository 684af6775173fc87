/*
 * Kinds: the table of those that Crumble itself works with, and the server's discovery for any
 * other that a manifest names.
 */
#include "k8s/k8s_internal.h"

#include <string.h>
#include <strings.h>

const struct k8s_kind k8s_pod = { "Pod", "pods", "v1", true };
const struct k8s_kind k8s_node = { "Node", "nodes", "v1", false };
const struct k8s_kind k8s_namespace = { "Namespace", "namespaces", "v1", false };
const struct k8s_kind k8s_service = { "Service", "services", "v1", true };
const struct k8s_kind k8s_endpoints = { "Endpoints", "endpoints", "v1", true };
const struct k8s_kind k8s_configmap = { "ConfigMap", "configmaps", "v1", true };
const struct k8s_kind k8s_secret = { "Secret", "secrets", "v1", true };
const struct k8s_kind k8s_event = { "Event", "events", "v1", true };
const struct k8s_kind k8s_deployment = { "Deployment", "deployments", "apps/v1", true };
const struct k8s_kind k8s_replicaset = { "ReplicaSet", "replicasets", "apps/v1", true };
const struct k8s_kind k8s_statefulset = { "StatefulSet", "statefulsets", "apps/v1", true };
const struct k8s_kind k8s_daemonset = { "DaemonSet", "daemonsets", "apps/v1", true };
const struct k8s_kind k8s_job = { "Job", "jobs", "batch/v1", true };
const struct k8s_kind k8s_pdb = { "PodDisruptionBudget", "poddisruptionbudgets", "policy/v1",
	true };

static const struct k8s_kind *const table[] = {
	&k8s_pod,
	&k8s_node,
	&k8s_namespace,
	&k8s_service,
	&k8s_endpoints,
	&k8s_configmap,
	&k8s_secret,
	&k8s_event,
	&k8s_deployment,
	&k8s_replicaset,
	&k8s_statefulset,
	&k8s_daemonset,
	&k8s_job,
	&k8s_pdb,
};

/* What discovery told; the strings belong to it. */
struct found_kind {
	struct k8s_kind kind;
	struct found_kind *next;
};

static void found_free(struct found_kind *found)
{
	if (!found)
		return;
	free((char *)found->kind.kind);
	free((char *)found->kind.plural);
	free((char *)found->kind.api_version);
	free(found);
}

void kinds_free(struct found_kind *found)
{
	while (found) {
		struct found_kind *next = found->next;

		found_free(found);
		found = next;
	}
}

const struct k8s_kind *k8s_kind_by_word(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (!strcasecmp(word, table[i]->kind) || !strcasecmp(word, table[i]->plural))
			return table[i];
	return NULL;
}

static bool same(const struct k8s_kind *k, const char *api_version, const char *kind)
{
	return !strcmp(k->api_version, api_version) && !strcmp(k->kind, kind);
}

static int remember(struct k8s *client, const char *api_version, const cJSON *resource,
	const struct k8s_kind **ret_kind, struct err *err)
{
	struct found_kind *found = calloc(1, sizeof(*found));
	const char *plural = json_str(resource, "name", NULL);

	if (found) {
		found->kind.kind = strdup(json_str(resource, "kind", NULL));
		found->kind.plural = strdup(plural);
		found->kind.api_version = strdup(api_version);
		found->kind.namespaced = json_bool(resource, 1, "namespaced", NULL);
	}
	if (!found || !found->kind.kind || !found->kind.plural || !found->kind.api_version) {
		found_free(found);
		return err_set(err, ERR_NOMEM, "discovery: no memory");
	}
	found->next = client->found;
	client->found = found;
	*ret_kind = &found->kind;
	return 0;
}

/* Subresources ("deployments/scale") share the list, and may share the kind. */
static const cJSON *pick(const cJSON *list, const char *kind)
{
	const cJSON *resource;

	cJSON_ArrayForEach(resource, json_at(list, "resources", NULL))
	{
		const char *name = json_str(resource, "name", NULL);
		const char *has = json_str(resource, "kind", NULL);

		if (name && *name && !strchr(name, '/') && has && !strcmp(has, kind))
			return resource;
	}
	return NULL;
}

static int discover(struct k8s *client, const char *api_version, const char *kind,
	const struct k8s_kind **ret_kind, struct err *err)
{
	OWN_BUF struct buf path;
	OWN_JSON cJSON *list = NULL;
	struct call call = { .method = "GET", .repeatable = true, .total_ms = CALL_TOTAL_MS };
	const cJSON *resource;
	struct err why = { 0 };

	if (strspn(api_version, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				".-/") != strlen(api_version) ||
		strstr(api_version, ".."))
		return err_set(err, ERR_CONFIG, "%s: \"%s\" is no apiVersion", kind, api_version);
	buf_init(&path, PATH_BYTES);
	buf_addf(&path, "/%s/%s", strchr(api_version, '/') ? "apis" : "api", api_version);
	call.path = buf_str(&path);
	if (k8s_call_json(client, &call, &list, &why)) {
		if (why.code != ERR_NOT_FOUND)
			return err_set(err, why.code, "%s", why.text);
		return err_set(err, ERR_NOT_FOUND, "%s: the server knows no API \"%s\"", kind,
			api_version);
	}
	resource = pick(list, kind);
	if (!resource)
		return err_set(err, ERR_NOT_FOUND, "the server's API \"%s\" has no kind \"%s\"",
			api_version, kind);
	return remember(client, api_version, resource, ret_kind, err);
}

int k8s_find_kind(struct k8s *client, const char *api_version, const char *kind,
	const struct k8s_kind **ret_kind, struct err *err)
{
	if (!api_version || !*api_version || !kind || !*kind)
		return err_set(err, ERR_CONFIG, "an object without apiVersion or kind");
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (same(table[i], api_version, kind)) {
			*ret_kind = table[i];
			return 0;
		}
	for (const struct found_kind *f = client->found; f; f = f->next)
		if (same(&f->kind, api_version, kind)) {
			*ret_kind = &f->kind;
			return 0;
		}
	return discover(client, api_version, kind, ret_kind, err);
}
