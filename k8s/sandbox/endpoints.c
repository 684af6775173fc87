/* Endpoints: for each service with a selector, its ready pods and those that are not. */
#include "k8s/sandbox/endpoints.h"

#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/selector.h"

#include <string.h>

bool service_selects(const cJSON *service, const char *ns, const cJSON *pod)
{
	return !strcmp(ns, meta(pod, "namespace")) &&
	       label_map_matches(json_at(service, "spec", "selector", NULL), pod) &&
	       json_str(pod, "status", "podIP", NULL) && !pod_is_over(pod);
}

bool service_serves(const cJSON *service, const cJSON *pod)
{
	if (json_bool(service, 0, "spec", "publishNotReadyAddresses", NULL))
		return true;
	return pod_is_ready(pod);
}

int service_target_port(const cJSON *port, const cJSON *pod)
{
	const cJSON *target = json_at(port, "targetPort", NULL), *container, *one;

	if (cJSON_IsNumber(target))
		return target->valueint;
	if (!cJSON_IsString(target))
		return (int)json_int(port, 0, "port", NULL);
	cJSON_ArrayForEach(container, json_at(pod, "spec", "containers", NULL)) cJSON_ArrayForEach(
		one, json_at(container, "ports",
			     NULL)) if (same_text(json_str(one, "name", NULL),
						target->valuestring)) return (int)json_int(one, 0,
		"containerPort", NULL);
	return 0;
}

static cJSON *address_of(const cJSON *pod)
{
	cJSON *address = cJSON_CreateObject(), *target;

	edit_str(address, "ip", json_str(pod, "status", "podIP", NULL));
	edit_str(address, "nodeName", json_str(pod, "spec", "nodeName", NULL));
	target = edit_object(address, "targetRef");
	edit_str(target, "kind", "Pod");
	edit_str(target, "namespace", meta(pod, "namespace"));
	edit_str(target, "name", meta(pod, "name"));
	edit_str(target, "uid", meta(pod, "uid"));
	return address;
}

static cJSON *ports_for(const cJSON *service, const cJSON *pod)
{
	cJSON *ports = cJSON_CreateArray();
	const cJSON *port;

	cJSON_ArrayForEach(port, json_at(service, "spec", "ports", NULL))
	{
		const char *name = json_str(port, "name", NULL);
		int number = service_target_port(port, pod);
		cJSON *one;

		if (!number)
			continue;
		one = cJSON_CreateObject();
		if (name)
			edit_str(one, "name", name);
		edit_int(one, "port", number);
		edit_str(one, "protocol", json_str(port, "protocol", NULL));
		cJSON_AddItemToArray(ports, one);
	}
	return ports;
}

/* The subset with these ports; pods whose ports differ (by name) are in another. Takes ports. */
static cJSON *subset_with(cJSON *subsets, cJSON *ports)
{
	cJSON *subset;

	cJSON_ArrayForEach(subset, subsets) if (same_json(json_at(subset, "ports", NULL), ports))
	{
		cJSON_Delete(ports);
		return subset;
	}
	subset = cJSON_CreateObject();
	edit_set(subset, "ports", ports);
	cJSON_AddItemToArray(subsets, subset);
	return subset;
}

static cJSON *endpoints_of(struct store *store, const cJSON *service)
{
	const char *ns = meta(service, "namespace");
	cJSON *subsets = cJSON_CreateArray();
	size_t n;
	const struct object *pods = store_objects(store, &kinds[KIND_POD], &n);

	for (size_t i = 0; i < n; i++) {
		const cJSON *pod = pods[i].now->json;
		cJSON *subset;

		if (!service_selects(service, ns, pod) || is_terminating(pod))
			continue;
		subset = subset_with(subsets, ports_for(service, pod));
		cJSON_AddItemToArray(
			edit_array(subset,
				service_serves(service, pod) ? "addresses" : "notReadyAddresses"),
			address_of(pod));
	}
	return subsets;
}

static void reconcile(struct store *store, const cJSON *service)
{
	const struct kind *kind = &kinds[KIND_ENDPOINTS];
	const cJSON *before = store_get(
		store, kind, meta(service, "namespace"), meta(service, "name"));
	cJSON *endpoints = before ? edit_copy(before) : cJSON_CreateObject();
	cJSON *metadata = edit_metadata(endpoints), *subsets = endpoints_of(store, service);
	char uid[UID_BYTES];

	if (!before) {
		random_uid(uid);
		edit_str(metadata, "name", meta(service, "name"));
		edit_str(metadata, "namespace", meta(service, "namespace"));
		edit_str(metadata, "uid", uid);
		edit_now(metadata, "creationTimestamp");
		cJSON_AddItemToArray(edit_array(metadata, "ownerReferences"),
			owner_reference(&kinds[KIND_SERVICE], service));
	}
	if (subsets->child)
		edit_set(endpoints, "subsets", subsets);
	else
		edit_del(endpoints, "subsets"), cJSON_Delete(subsets);
	store_set(store, kind, endpoints);
}

void reconcile_endpoints(struct cluster *cluster)
{
	OWN(owned_done) struct owned all = owned_all(cluster->store, &kinds[KIND_SERVICE]);

	for (size_t i = 0; i < all.n; i++)
		if (json_at(all.v[i]->json, "spec", "selector", NULL))
			reconcile(cluster->store, all.v[i]->json);
}
