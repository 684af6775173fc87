/* The controllers' thread, and what is there from the start. */
#include "k8s/sandbox/controllers.h"

#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/prepare.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define NODES 3
#define TICK_NS NS_PER_S /* for what time alone decides: deadlines, minReadySeconds */

struct controllers {
	struct cluster *cluster;
	pthread_t thread;
};

void controllers_reconcile(struct cluster *cluster)
{
	reconcile_endpoints(cluster); /* first: a pod that ends gets no new connections */
	reconcile_deployments(cluster);
	reconcile_replicasets(cluster);
	reconcile_statefulsets(cluster);
	reconcile_daemonsets(cluster);
	reconcile_jobs(cluster);
	reconcile_nodes(cluster);
	reconcile_budgets(cluster);
	reconcile_accounts(cluster);
	reconcile_garbage(cluster);
}

static void *run(void *arg)
{
	struct controllers *controllers = arg;
	struct store *store = controllers->cluster->store;

	while (!store_stopped(store)) {
		uint64_t before;

		store_lock(store);
		before = store_version(store);
		controllers_reconcile(controllers->cluster);
		if (store_version(store) == before)
			store_wait(store, clock_now_ns() + TICK_NS);
		store_unlock(store);
	}
	return NULL;
}

int controllers_start(
	struct cluster *cluster, struct controllers **ret_controllers, struct err *err)
{
	struct controllers *controllers = must_alloc(sizeof(*controllers));

	controllers->cluster = cluster;
	if (pthread_create(&controllers->thread, NULL, run, controllers)) {
		free(controllers);
		return err_set(err, ERR_NOMEM, "no thread for the controllers");
	}
	*ret_controllers = controllers;
	return 0;
}

void controllers_stop(struct controllers *controllers)
{
	if (!controllers)
		return;
	pthread_join(controllers->thread, NULL);
	free(controllers);
}

/* ---- from the start ---- */

static void put(struct cluster *cluster, const struct kind *kind, const char *ns, cJSON *json)
{
	struct answer answer = { 0 };

	if (prepare_new(cluster, kind, ns, json, &answer))
		cJSON_Delete(json);
	else
		store_set(cluster->store, kind, json);
	answer_done(&answer);
}

static cJSON *named(const char *name)
{
	cJSON *json = cJSON_CreateObject();

	edit_str(edit_metadata(json), "name", name);
	return json;
}

static cJSON *node_new(int number)
{
	OWN_MEM char *name = must_format("node-%d", number);
	cJSON *node = named(name), *labels = edit_object(edit_metadata(node), "labels");
	cJSON *status = edit_object(node, "status"), *address = cJSON_CreateObject();

	edit_str(labels, "kubernetes.io/arch", "amd64");
	edit_str(labels, "kubernetes.io/hostname", name);
	edit_str(labels, "kubernetes.io/os", "linux");
	edit_object(node, "spec");
	edit_str(address, "type", "InternalIP");
	edit_str(address, "address", "127.0.0.1");
	cJSON_AddItemToArray(edit_array(status, "addresses"), address);
	condition_set(status, "Ready", true, "KubeletReady", "kubelet is posting ready status");
	edit_str(edit_object(status, "nodeInfo"), "kubeletVersion", "v1.37.2");
	return node;
}

/* The API's own service: pods find it by KUBERNETES_SERVICE_HOST. */
static void add_own_service(struct cluster *cluster)
{
	cJSON *service = named("kubernetes"), *port = cJSON_CreateObject();
	cJSON *endpoints = named("kubernetes"), *subset = cJSON_CreateObject();
	cJSON *address = cJSON_CreateObject();

	edit_str(port, "name", "https");
	edit_int(port, "port", 443);
	edit_int(port, "targetPort", cluster->port);
	cJSON_AddItemToArray(edit_array(edit_object(service, "spec"), "ports"), edit_copy(port));
	put(cluster, &kinds[KIND_SERVICE], "default", service);
	edit_int(port, "port", cluster->port);
	edit_del(port, "targetPort");
	edit_str(port, "protocol", "TCP");
	edit_str(address, "ip", "127.0.0.1");
	cJSON_AddItemToArray(edit_array(subset, "addresses"), address);
	cJSON_AddItemToArray(edit_array(subset, "ports"), port);
	cJSON_AddItemToArray(edit_array(endpoints, "subsets"), subset);
	put(cluster, &kinds[KIND_ENDPOINTS], "default", endpoints);
}

void cluster_populate(struct cluster *cluster)
{
	static const char *const namespaces[] = { "default", "kube-node-lease", "kube-public",
		"kube-system" };

	store_lock(cluster->store);
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
		put(cluster, &kinds[KIND_NAMESPACE], "", named(namespaces[i]));
	for (int i = 1; i <= NODES; i++)
		put(cluster, &kinds[KIND_NODE], "", node_new(i));
	add_own_service(cluster);
	store_unlock(cluster->store);
}
