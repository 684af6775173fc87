/* Discovery: which groups, versions and kinds there are; which version this is; are we well? */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/request.h"

#include <stdio.h>
#include <string.h>

#define SERVES_AS "v1.37.2" /* the version whose answers the tests compare with */

static cJSON *strings(const char *const *words, size_t n)
{
	return cJSON_CreateStringArray(words, (int)n);
}

static cJSON *resource_new(const struct kind *kind, const char *sub, const char *as_kind)
{
	OWN_MEM char *name = must_format("%s%s%s", kind->plural, *sub ? "/" : "", sub);
	cJSON *resource = cJSON_CreateObject();

	edit_str(resource, "name", name);
	edit_str(resource, "singularName", *sub ? "" : kind->singular);
	edit_bool(resource, "namespaced", kind->namespaced);
	edit_str(resource, "kind", as_kind);
	return resource;
}

static void add_sub(cJSON *list, const struct kind *kind, const char *sub, const char *group,
	const char *as_kind)
{
	static const char *const usual[] = { "get", "patch", "update" };
	cJSON *resource = resource_new(kind, sub, as_kind);

	if (group) {
		edit_str(resource, "group", group);
		edit_str(resource, "version", "v1");
	}
	if (!strcmp(sub, "eviction"))
		edit_set(resource, "verbs", strings((const char *const[]){ "create" }, 1));
	else
		edit_set(resource, "verbs", strings(usual, strcmp(sub, "log") ? 3 : 1));
	cJSON_AddItemToArray(list, resource);
}

static void add_kind(cJSON *list, const struct kind *kind)
{
	static const char *const verbs[] = { "create", "delete", "deletecollection", "get", "list",
		"patch", "update", "watch" };
	cJSON *resource = resource_new(kind, "", kind->kind);

	edit_set(resource, "verbs", strings(verbs, ARRAY_LEN(verbs)));
	if (kind->brief)
		edit_set(resource, "shortNames", strings(&kind->brief, 1));
	if (kind->in_all)
		edit_set(resource, "categories", strings((const char *const[]){ "all" }, 1));
	cJSON_AddItemToArray(list, resource);
	if (kind == &kinds[KIND_POD]) {
		add_sub(list, kind, "eviction", "policy", "Eviction");
		add_sub(list, kind, "log", NULL, "Pod");
	}
	if (kind->scale)
		add_sub(list, kind, "scale", "autoscaling", "Scale");
	if (kind->status)
		add_sub(list, kind, "status", NULL, kind->kind);
}

static cJSON *resources_of(const char *api_version)
{
	cJSON *all = cJSON_CreateObject(), *list;
	bool known = false;

	edit_str(all, "kind", "APIResourceList");
	if (strcmp(api_version, "v1"))
		edit_str(all, "apiVersion", "v1");
	edit_str(all, "groupVersion", api_version);
	list = edit_array(all, "resources");
	for (size_t i = 0; i < KIND_COUNT; i++) {
		if (strcmp(kind_api_version(&kinds[i]), api_version))
			continue;
		known = true;
		add_kind(list, &kinds[i]);
	}
	if (known)
		return all;
	cJSON_Delete(all);
	return NULL;
}

static cJSON *group_of(const char *name)
{
	OWN_MEM char *api_version = must_format("%s/v1", name);
	cJSON *group = cJSON_CreateObject(), *version = cJSON_CreateObject();

	edit_str(group, "name", name);
	edit_str(version, "groupVersion", api_version);
	edit_str(version, "version", "v1");
	cJSON_AddItemToArray(edit_array(group, "versions"), edit_copy(version));
	edit_set(group, "preferredVersion", version);
	return group;
}

static cJSON *groups(void)
{
	static const char *const names[] = { "apps", "batch", "policy" };
	cJSON *all = cJSON_CreateObject();

	edit_str(all, "kind", "APIGroupList");
	edit_str(all, "apiVersion", "v1");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		cJSON_AddItemToArray(edit_array(all, "groups"), group_of(names[i]));
	return all;
}

static cJSON *versions(const struct cluster *cluster)
{
	OWN_MEM char *address = must_format("127.0.0.1:%u", cluster->port);
	cJSON *all = cJSON_CreateObject(), *server = cJSON_CreateObject();

	edit_str(all, "kind", "APIVersions");
	edit_set(all, "versions", strings((const char *const[]){ "v1" }, 1));
	edit_str(server, "clientCIDR", "0.0.0.0/0");
	edit_str(server, "serverAddress", address);
	cJSON_AddItemToArray(edit_array(all, "serverAddressByClientCIDRs"), server);
	return all;
}

static cJSON *version_info(void)
{
	cJSON *info = cJSON_CreateObject();

	edit_str(info, "major", "1");
	edit_str(info, "minor", "37");
	edit_str(info, "gitVersion", SERVES_AS);
	edit_str(info, "gitCommit", "");
	edit_str(info, "gitTreeState", "clean");
	edit_str(info, "buildDate", "1970-01-01T00:00:00Z");
	edit_str(info, "goVersion", "");
	edit_str(info, "compiler", "gc");
	edit_str(info, "platform", "linux/amd64");
	return info;
}

static bool is_health(const char *path)
{
	return !strcmp(path, "/readyz") || !strcmp(path, "/healthz") || !strcmp(path, "/livez");
}

static cJSON *document(const struct cluster *cluster, const char *path)
{
	if (!strcmp(path, "/api"))
		return versions(cluster);
	if (!strcmp(path, "/apis"))
		return groups();
	if (!strcmp(path, "/version"))
		return version_info();
	if (!strcmp(path, "/api/v1"))
		return resources_of("v1");
	if (!strncmp(path, "/apis/", 6) && strchr(path + 6, '/'))
		return resources_of(path + 6);
	return NULL;
}

bool discovery_answer(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	OWN_MEM char *path = must_dup(request->path);
	size_t len = strlen(path);
	cJSON *json;

	if (strcmp(request->method, "GET"))
		return false;
	if (len > 1 && path[len - 1] == '/')
		path[len - 1] = '\0';
	if (is_health(path)) {
		answer_plain(answer, 200, "ok");
		return true;
	}
	json = document(cluster, path);
	if (json)
		answer_json(answer, 200, json);
	return json;
}
